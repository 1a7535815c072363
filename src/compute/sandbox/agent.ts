// Runs inside a VPC's network namespace as a child of the server, and ends with it. It opens the doors there and hands
// the listening sockets to the server, which so sees each guest's own address; and it dials guests for the server.

import type { SendHandle } from 'node:child_process'
import { connect, createServer } from 'node:net'

/** Doors, by the address they listen on. */
export type AgentDoor = {
  readonly name: 'metadata' | 'credentials' | 'endpoint'
  readonly host: string
  readonly port: number
}
export type ToAgent = { readonly dial: number; readonly host: string; readonly port: number; readonly from: string }
export type FromAgent =
  | { readonly door: AgentDoor['name'] }
  | { readonly ready: true }
  | { readonly dialed: number }
  | { readonly failed: number; readonly error: string }

const send = (message: FromAgent, handle?: SendHandle) =>
  new Promise<void>((done) => process.send?.(message, handle, {}, () => done()))

/** How long doors may still be held by the agent of a server that was killed, which notices late on a busy host. */
const PATIENCE_MS = 10_000

const openDoor = (door: AgentDoor, since = performance.now()): Promise<void> =>
  new Promise((done, fail) => {
    // Who comes in the instant before the server has the socket is sent away, and tries again.
    const server = createServer((socket) => socket.destroy())
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || performance.now() - since > PATIENCE_MS) fail(error)
      else setTimeout(() => openDoor(door, since).then(done, fail), 50)
    })
    server.listen(door.port, door.host, 1024, async () => {
      await send({ door: door.name }, server)
      server.close()
      done()
    })
  })

const dial = ({ dial: id, host, port, from }: ToAgent) => {
  const socket = connect({ host, port, localAddress: from })
  // Not one byte may be read here: it would be missing there.
  socket.pause()
  socket.setTimeout(10_000, () => socket.destroy(new Error('timed out')))
  const failed = (error: Error) => void send({ failed: id, error: error.message })
  socket.on('error', failed)
  socket.on('connect', () => {
    socket.off('error', failed)
    socket.on('error', () => {})
    socket.setTimeout(0)
    void send({ dialed: id }, socket)
  })
}

if (process.send && process.argv[2]) {
  const doors = JSON.parse(process.argv[2]) as readonly AgentDoor[]
  process.on('disconnect', () => process.exit(0))
  // A server that is killed while it is handed sockets lets go of the channel without that event, and the doors would stay taken.
  const server = process.ppid
  setInterval(() => (!process.connected || process.ppid !== server) && process.exit(0), 500)
  process.on('message', (message) => dial(message as ToAgent))
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
  await Promise.all(doors.map((door) => openDoor(door)))
  await send({ ready: true })
}
