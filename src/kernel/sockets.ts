import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { factsOf, split } from './http.ts'
import type { Kernel } from './kernel.ts'
import { visitOf } from './visit.ts'

export type Sockets = {
  /** Whether this request for another protocol is one for a WebSocket that some service has a door for. */
  readonly wanted: (request: IncomingMessage) => boolean
  readonly open: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Cuts all connections. */
  readonly close: () => void
}

/** WebSockets, by the doors that services declare. All else that asks for another protocol is served as if it did not. */
export const socketListener = (kernel: Kernel): Sockets => {
  const doors = [...kernel.services.values()].flatMap((service) =>
    service.socketDoors.map((door) => ({
      service,
      door,
      pattern: new RegExp(`^(?:${door.path.source})$`, door.path.flags),
    })),
  )
  const present = new Set<Duplex>()
  const find = (path: string) => {
    for (const { service, door, pattern } of doors) {
      const match = pattern.exec(path)
      if (match) return { service, door, params: { ...match.groups } }
    }
    return undefined
  }
  return {
    wanted: ({ method, headers, url }) =>
      method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && find(split(url ?? '/')[0]) !== undefined,
    open: (request, socket, head) => {
      const [path, query] = split(request.url ?? '/')
      const found = find(path)
      present.add(socket)
      socket.on('close', () => present.delete(socket))
      // Clients go away as they like.
      socket.on('error', () => socket.destroy())
      if (!found) {
        socket.destroy()
        return
      }
      const { ctx } = visitOf(kernel, found.service, factsOf(kernel, request, path, query, undefined))
      found.door.open(ctx, { request, socket, head, params: found.params }).catch((error: unknown) => {
        socket.destroy()
        const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
        kernel.log.error('a WebSocket broke off', { door: found.door.name, requestId: ctx.request.id, stack })
      })
    },
    close: () => {
      for (const socket of present) socket.destroy()
    },
  }
}
