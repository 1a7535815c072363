// The bench on which every story runs: a server of its own in this process, memory store, fake driver, hand-turned clock.
//
//   const drydock = await story()
//   const codecommit = drydock.client(CodeCommitClient)                     // as root of the default account
//   const alice = drydock.client(CodeCommitClient, await drydock.user('alice', [policy]))
//   await drydock.settled()                                                 // every due reconciler and event has run
//   await drydock.advance({ hours: 1 })                                     // turns the clock, then settles
//   drydock.compute                                                         // the fake driver: script what tasks do
//   await drydock.close()
//
// Written by the kernel's author; stories rely on these names.
