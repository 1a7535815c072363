import { createHash, randomUUID } from 'node:crypto'
import { WebSocket } from 'ws'

// A client of Session Manager's data channels, written from their description alone: it shares no line with the server.

export type SessionClient = {
  readonly standing: Standing
  /** Of the session's type, as the handshake told them. */
  properties(): unknown
  /** All that was shown so far. */
  text(): string
  /** Resolves once what was shown fits. */
  shows(words: RegExp): Promise<string>
  type(text: string): void
  resize(columns: number, rows: number): void
  /** Sends a frame as it is told; what is not told is right. */
  send(parts: Frame): void
  raw(bytes: Uint8Array | string): void
  /** Whether output is acknowledged; it is unless told. */
  acknowledges: boolean
  /** Types of all messages heard, payload types of output in brackets. */
  readonly heard: readonly string[]
  /** Acknowledged sequence numbers, as they came. */
  readonly acknowledged: readonly number[]
  /** Resolves when the connection is closed: with what the server said the session ended with, if it did. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string; readonly output: string | undefined }>
  /** Drops the connection without a word. */
  drop(): void
}

type Frame = {
  readonly type?: string
  readonly sequence?: number
  readonly payloadType?: number
  readonly payload?: string | Uint8Array
  readonly digest?: Uint8Array
  readonly length?: number
}

const encode = ({ type = 'input_stream_data', sequence = 0, payloadType = 1, ...more }: Frame): Buffer => {
  const payload = Buffer.from(more.payload ?? '')
  const frame = Buffer.alloc(120 + payload.length, ' ', 'latin1')
  frame.writeInt32BE(116, 0)
  frame.write(type, 4)
  frame.writeInt32BE(1, 36)
  frame.writeBigInt64BE(BigInt(Date.now()), 40)
  frame.writeBigInt64BE(BigInt(sequence), 48)
  frame.writeBigInt64BE(0n, 56)
  const id = Buffer.from(randomUUID().replaceAll('-', ''), 'hex')
  frame.set(id.subarray(8), 64)
  frame.set(id.subarray(0, 8), 72)
  frame.set(more.digest ?? createHash('sha256').update(payload).digest(), 80)
  frame.writeInt32BE(payloadType, 112)
  frame.writeInt32BE(more.length ?? payload.length, 116)
  frame.set(payload, 120)
  return frame
}

/** What two connections of one session have in common: where its streams stand. */
export type Standing = { next: number; expected: number; early: Map<number, Buffer>; shown: string }

export const newStanding = (): Standing => ({ next: 0, expected: 0, early: new Map(), shown: '' })

export const connectSession = async (
  session: { StreamUrl?: string | undefined; TokenValue?: string | undefined },
  standing: Standing = newStanding(),
  { handshake = true } = {},
): Promise<SessionClient> => {
  const socket = new WebSocket(session.StreamUrl ?? '')
  const heard: string[] = []
  const acknowledged: number[] = []
  const waiting = new Set<() => void>()
  const shaken = Promise.withResolvers<void>()
  let output: string | undefined

  const type = (payload: string | Uint8Array, payloadType = 1) =>
    socket.send(encode({ sequence: standing.next++, payloadType, payload }))

  const show = (payloadType: number, payload: Buffer) => {
    if (payloadType === 5 && handshake) {
      const { RequestedClientActions = [] } = JSON.parse(payload.toString())
      properties = RequestedClientActions[0]?.ActionParameters?.Properties
      const ProcessedClientActions = RequestedClientActions.map(({ ActionType }: { ActionType: string }) => ({
        ...{ ActionType, ActionStatus: 1, ActionResult: null, Error: '' },
      }))
      type(JSON.stringify({ ClientVersion: '1.2.0.0', ProcessedClientActions, Errors: [] }), 6)
    }
    if (payloadType === 7) shaken.resolve()
    if (payloadType === 1) standing.shown += payload.toString()
  }

  let properties: unknown
  const client: SessionClient = {
    standing,
    properties: () => properties,
    acknowledges: true,
    heard,
    acknowledged,
    text: () => standing.shown,
    shows: (words) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!words.test(standing.shown)) return
          waiting.delete(look)
          clearTimeout(late)
          resolve(standing.shown)
        }
        const late = setTimeout(
          () => reject(new Error(`${words} is not shown: ${JSON.stringify(standing.shown)}`)),
          20_000,
        )
        waiting.add(look)
        look()
      }),
    type: (text) => type(text),
    resize: (cols, rows) => type(JSON.stringify({ cols, rows }), 3),
    send: (parts) => socket.send(encode(parts)),
    raw: (bytes) => socket.send(bytes),
    closed: new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve({ code, reason: reason.toString(), output })),
    ),
    drop: () => socket.terminate(),
  }

  socket.on('message', (data, binary) => {
    if (!binary || !Buffer.isBuffer(data)) return
    const frame = data
    const kind = frame.toString('latin1', 4, 36).trim()
    const sequence = Number(frame.readBigInt64BE(48))
    const payloadType = frame.readInt32BE(112)
    const payload = frame.subarray(120, 120 + frame.readInt32BE(116))
    heard.push(kind === 'output_stream_data' ? `${kind} ${payloadType}` : kind)
    if (!createHash('sha256').update(payload).digest().equals(frame.subarray(80, 112))) throw new Error('wrong digest')
    if (kind === 'channel_closed') output = JSON.parse(payload.toString()).Output
    if (kind === 'acknowledge') acknowledged.push(JSON.parse(payload.toString()).AcknowledgedMessageSequenceNumber)
    if (kind === 'output_stream_data') {
      if (client.acknowledges) {
        const id = Buffer.concat([frame.subarray(72, 80), frame.subarray(64, 72)]).toString('hex')
        socket.send(
          encode({
            type: 'acknowledge',
            payloadType: 0,
            payload: JSON.stringify({
              AcknowledgedMessageType: kind,
              AcknowledgedMessageId: id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
              AcknowledgedMessageSequenceNumber: sequence,
              IsSequentialMessage: true,
            }),
          }),
        )
      }
      if (sequence >= standing.expected) standing.early.set(sequence, frame)
      for (let one = standing.early.get(standing.expected); one; one = standing.early.get(standing.expected)) {
        standing.early.delete(standing.expected++)
        show(one.readInt32BE(112), one.subarray(120))
      }
    }
    for (const look of [...waiting]) look()
  })

  await new Promise<void>((opened, failed) => {
    socket.on('open', opened)
    socket.on('error', failed)
  })
  socket.send(
    JSON.stringify({
      ...{ MessageSchemaVersion: '1.0', RequestId: randomUUID(), TokenValue: session.TokenValue },
      ...{ ClientId: randomUUID(), ClientVersion: '1.2.0.0' },
    }),
  )
  // Before hands are shaken nothing can be said.
  if (standing.expected === 0 && handshake) await Promise.race([shaken.promise, client.closed])
  return client
}
