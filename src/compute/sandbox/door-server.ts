import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

// Not imported: an import of `node:http` also loads the WebSocket client that the module offers.
const { createServer } = process.getBuiltinModule('node:http')

/** HTTP on connections that others took in. Node's own servers forget them: they count only what they listened for themselves. */
export type DoorServer = {
  readonly take: (socket: Socket) => void
  /** Ends all connections, also those that say nothing. */
  readonly cut: () => void
}

export const doorServer = (listener: RequestListener): DoorServer => {
  const server = createServer(listener)
  const present = new Set<Socket>()
  return {
    take: (socket) => {
      present.add(socket)
      socket.once('close', () => present.delete(socket))
      server.emit('connection', socket)
    },
    cut: () => {
      for (const socket of present) socket.destroy()
    },
  }
}
