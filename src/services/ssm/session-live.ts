import type { WebSocket } from 'ws'
import { type ComputeDriver, ComputeError } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { Session, type SessionRecord, sshDocument } from './session.ts'
import { type Line, portEnd, terminalEnd } from './session-end.ts'
import { encodeMessage, FrameError, flags, type Message, objectIn, payloadTypes } from './session-message.ts'
import { incoming, outgoing } from './session-stream.ts'
import { openTarget } from './session-target.ts'

// A session as long as this process holds it: the terminal at its end, and the connection of its client. Not state: a
// session whose server is gone has ended with it, and its row is told so at the next start.

export type Live = {
  /** Epoch milliseconds of the last word of either side. */
  active: number
  /** Takes the place of the connection it had. */
  connect(socket: WebSocket): void
  /** A frame from the client. Throws FrameError. */
  take(message: Message): void
  /** The client is gone; it may come back. */
  disconnect(socket: WebSocket): void
  /** Ends what runs, and tells the client why. */
  end(why: string): void
}

const everyone = new WeakMap<ComputeDriver, Map<string, Live>>()

/** The sessions that this process holds, of every account. */
const livesOf = (ctx: Ctx): Map<string, Live> => {
  const lives = everyone.get(ctx.compute) ?? new Map<string, Live>()
  everyone.set(ctx.compute, lives)
  return lives
}

const keyOf = (ctx: Ctx, id: string) => `${ctx.account}/${ctx.region}/${id}`

export const liveOf = (ctx: Ctx, id: string): Live | undefined => livesOf(ctx).get(keyOf(ctx, id))

/** What the agent says it is: old enough that clients forward one connection at a time, not many in one stream. */
const agentVersion = '3.0.196.0'
/** Output goes out in pieces of so many bytes, as the agent's does. */
const piece = 1_024
/** What is not acknowledged is repeated after so many milliseconds, by the clock nobody turns. */
const patience = 1_000

const sessionTypes: Readonly<Record<string, string>> = {
  'AWS-StartInteractiveCommand': 'InteractiveCommands',
  'AWS-StartNonInteractiveCommand': 'NonInteractiveCommands',
}

const cells = (value: unknown, usual: number): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 10_000 ? value : usual

/** Notes how a session stands now; false when it has ended before. */
export const note = (ctx: Ctx, id: string, status: SessionRecord['status']): Promise<boolean> =>
  ctx.write(async (tx) => {
    const present = await tx.get(Session, id)
    if (!present || present.ended !== undefined) return false
    const ended = status === 'Terminated' ? { ended: ctx.now().getTime() } : {}
    if (present.status !== status) tx.put(Session, { ...present, status, ...ended })
    return true
  })

/** Begins a session whose client has come for the first time. */
export const beginLive = (ctx: Ctx, session: SessionRecord): Live => {
  const lives = livesOf(ctx)
  let socket: WebSocket | undefined
  let over = false
  let greeted = false
  let begun = false
  let size = { columns: 80, rows: 24 }

  const now = () => ctx.now().getTime()
  const out = outgoing((frame) => socket?.send(frame), Date.now)
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const lost = (error: unknown) =>
    // The state was reset, the server closes or the terminal is gone.
    ctx.log.debug('a session lost something', { session: session.id, error: String(error) })
  const repeating = setInterval(() => out.repeat(patience), patience)
  repeating.unref()

  const end = (why: string) => {
    if (over) return
    over = true
    clearInterval(repeating)
    lives.delete(keyOf(ctx, session.id))
    out.end()
    far.kill()
    const closed = { MessageType: 'channel_closed', SessionId: session.id, SchemaVersion: 1, Output: why }
    socket?.send(encodeMessage('channel_closed', json(closed), { created: now() }))
    socket?.close(1000)
    note(ctx, session.id, 'Terminated').catch(lost)
  }

  const line: Line = {
    open: (first) => openTarget(ctx, session, first),
    show: async (output) => {
      for await (const chunk of output as AsyncIterable<Buffer>)
        for (let at = 0; at < chunk.length && !over; at += piece) {
          await out.room()
          live.active = now()
          out.send(payloadTypes.output, chunk.subarray(at, at + piece))
        }
    },
    flag: (flag) => {
      const payload = Buffer.alloc(4)
      payload.writeUInt32BE(flag)
      out.send(payloadTypes.flag, payload)
    },
    goOn: () => socket?.resume(),
    lost,
  }
  const far = session.port === undefined ? terminalEnd(line) : portEnd(line, session.document !== sshDocument)

  const shakeHands = () => {
    greeted = true
    const SessionType = session.port === undefined ? (sessionTypes[session.document] ?? 'Standard_Stream') : 'Port'
    const request = {
      AgentVersion: agentVersion,
      RequestedClientActions: [
        { ActionType: 'SessionType', ActionParameters: { SessionType, Properties: session.properties ?? {} } },
      ],
    }
    out.send(payloadTypes.handshakeRequest, json(request))
  }

  const begin = () => {
    begun = true
    far
      .begin()
      .catch((error: unknown) => {
        if (error instanceof ComputeError) return error.message
        const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
        ctx.log.error('a session failed by a fault of its own service', { session: session.id, stack })
        return 'The session ended by a fault of the server.'
      })
      .then(end)
  }

  const shaken = (response: Readonly<Record<string, unknown>>) => {
    if (begun) return
    const actions = Array.isArray(response.ProcessedClientActions) ? response.ProcessedClientActions : []
    if (!actions.some((action: unknown) => (action as { ActionStatus?: unknown } | null)?.ActionStatus === 1)) {
      end('The client does not know this type of session.')
      return
    }
    out.send(payloadTypes.handshakeComplete, json({ HandshakeTimeToComplete: 0, CustomerMessage: '' }))
    begin()
  }

  const deliver = ({ payloadType, payload }: Message) => {
    live.active = now()
    if (payloadType === payloadTypes.handshakeResponse) return shaken(objectIn(payload))
    // Old clients know no handshake: they begin to talk.
    if (!begun) begin()
    if (payloadType === payloadTypes.output) {
      if (!far.type(Buffer.from(payload))) socket?.pause()
    } else if (payloadType === payloadTypes.size) {
      const { cols, rows } = objectIn(payload)
      size = { columns: cells(cols, size.columns), rows: cells(rows, size.rows) }
      far.resize(size)
    } else if (payloadType === payloadTypes.flag && payload.length === 4) {
      const flag = Buffer.from(payload).readUInt32BE()
      if (flag === flags.terminateSession) end('')
      else if (flag === flags.disconnectToPort) far.disconnect()
    }
  }
  const input = incoming(deliver)

  const acknowledge = ({ type, id, sequence }: Message) => {
    const content = {
      AcknowledgedMessageType: type,
      AcknowledgedMessageId: id,
      AcknowledgedMessageSequenceNumber: sequence,
      IsSequentialMessage: true,
    }
    socket?.send(encodeMessage('acknowledge', json(content), { flags: 3, created: now() }))
  }

  const live: Live = {
    active: now(),
    connect: (next) => {
      const before = socket
      socket = next
      before?.close(1000)
      const ready = { MessageType: 'start_publication', SessionId: session.id, SchemaVersion: 1 }
      next.send(encodeMessage('start_publication', json(ready), { payloadType: payloadTypes.start, created: now() }))
      if (greeted) out.repeat(0)
      else shakeHands()
    },
    take: (message) => {
      if (over) return
      if (message.type === 'input_stream_data') {
        input.take(message)
        acknowledge(message)
      } else if (message.type === 'acknowledge') {
        const { AcknowledgedMessageSequenceNumber: sequence } = objectIn(message.payload)
        if (typeof sequence === 'number') out.acknowledge(sequence)
      } else if (message.type === 'pause_publication') out.pause(true)
      else if (message.type === 'start_publication') out.pause(false)
      else throw new FrameError('a message of an unknown type')
    },
    disconnect: (gone) => {
      if (socket !== gone) return
      socket = undefined
      if (over) return
      note(ctx, session.id, 'Disconnected').catch((error: unknown) => {
        lost(error)
        end('')
      })
    },
    end,
  }
  lives.set(keyOf(ctx, session.id), live)
  return live
}
