import type { RawData, WebSocket } from 'ws'
import type { Ctx } from '../../kernel/context.ts'
import type { SocketDoor } from '../../kernel/service.ts'
import { isTokenOf, placeOfToken, Session } from './session.ts'
import { beginLive, type Live, liveOf, note } from './session-live.ts'
import { decodeMessage, FrameError, objectIn, payloadLimit } from './session-message.ts'

/** Whoever connects has so many milliseconds to say who he is. */
const introduction = 15_000

const bytesOf = (data: RawData): Buffer =>
  Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)

/** The session a client has the token of; `undefined` where the token is wrong, used up or its session over. */
const enter = async (visit: Ctx, id: string, said: Readonly<Record<string, unknown>>): Promise<Live | undefined> => {
  const token = said.TokenValue
  const place = typeof token === 'string' ? placeOfToken(token) : undefined
  if (typeof token !== 'string' || !place) return undefined
  const ctx = visit.at(place)
  const session = await ctx.read((tx) => tx.get(Session, id))
  if (!session || session.ended !== undefined || !isTokenOf(session, token)) return undefined
  const live = liveOf(ctx, id) ?? (session.status === 'Connecting' ? beginLive(ctx, session) : undefined)
  if (!live || (await note(ctx, id, 'Connected'))) return live
  // It was terminated meanwhile.
  live.end('')
  return undefined
}

/** Serves one client: it says its token, then frames come and go until either side closes. */
const serve = (ctx: Ctx, id: string, socket: WebSocket): void => {
  let live: Live | undefined
  let entering: Promise<Live | undefined> | undefined
  const refuse = (why: string) => {
    ctx.log.debug('a data channel is closed', { session: id, why })
    socket.close(1008, why)
  }
  const late = setTimeout(() => refuse('No token was given in time.'), introduction)
  late.unref()
  const hear = async (data: Buffer, binary: boolean): Promise<void> => {
    if (entering) {
      // Clients that come back go on at once.
      const found = live ?? (await entering)
      if (!found) return
      // They keep the connection alive with words of text, too.
      if (binary) found.take(decodeMessage(data))
      return
    }
    if (binary) throw new FrameError('a frame before the token')
    entering = enter(ctx, id, objectIn(data.toString()))
    socket.pause()
    live = await entering
    socket.resume()
    clearTimeout(late)
    if (live) live.connect(socket)
    else refuse('The token is not valid.')
  }
  socket.on('message', (data, binary) => {
    hear(bytesOf(data), binary).catch((error: unknown) => {
      if (error instanceof FrameError) return refuse(`The channel was sent ${error.message}.`)
      ctx.log.error('a data channel broke off', { session: id, error: String(error) })
      socket.close(1011)
    })
  })
  socket.on('error', (error) => ctx.log.debug('a data channel failed', { session: id, error: error.message }))
  socket.on('close', () => {
    clearTimeout(late)
    live?.disconnect(socket)
  })
}

/** What a part of a path says; what is no text says nothing. */
const textOf = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}

/** The client's end of Session Manager's data channels, which AWS has at `ssmmessages.REGION.amazonaws.com`. */
export const dataChannel: SocketDoor = {
  name: 'data-channel',
  path: /\/_drydock\/ssm\/v1\/data-channel\/(?<session>[^/]{1,300})/,
  open: async (ctx, { request, socket, head, params }) => {
    const { WebSocketServer } = await import('ws')
    const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: payloadLimit + 1024 })
    server.handleUpgrade(request, socket, head, (opened) => serve(ctx, textOf(params.session ?? ''), opened))
  },
}
