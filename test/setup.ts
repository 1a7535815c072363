import fc from 'fast-check'

// `npm test` asks the same questions every time, so that a failure is the change's; `DRYDOCK_SEED=random` asks new ones.
const seed = process.env.DRYDOCK_SEED ?? '20261123'
if (seed !== 'random') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) })
