import { randomUUID } from 'node:crypto'
import { encodeMessage, FrameError, type Message } from './session-message.ts'

// Both directions of a data channel are numbered, acknowledged and repeated, so that a client that comes back by another
// connection goes on where it was.

/** Frames kept until they are acknowledged; whoever has more to say waits. */
const window = 1_000
/** Frames that came too early are kept, up to as many ahead of the one that is missing. */
const ahead = 1_000

type Sent = { readonly frame: Buffer; at: number }

/** What goes to the client. `transmit` is asked for the present connection each time, and may have none. */
export const outgoing = (transmit: (frame: Buffer) => void, now: () => number) => {
  const unacknowledged = new Map<number, Sent>()
  let next = 0
  let paused = false
  let room = Promise.withResolvers<void>()
  const settle = () => {
    if (paused || unacknowledged.size >= window) return
    room.resolve()
    room = Promise.withResolvers()
  }
  return {
    send: (payloadType: number, payload: Uint8Array): void => {
      const sequence = next++
      const at = now()
      const frame = encodeMessage('output_stream_data', payload, {
        ...{ sequence, payloadType, created: at, id: randomUUID() },
        flags: sequence === 0 ? 1 : 0,
      })
      unacknowledged.set(sequence, { frame, at })
      transmit(frame)
    },
    acknowledge: (sequence: number): void => {
      if (unacknowledged.delete(sequence)) settle()
    },
    /** Sends again what was sent `age` milliseconds ago or earlier and is not acknowledged: all of it, in order. */
    repeat: (age: number): void => {
      const at = now()
      for (const sent of unacknowledged.values())
        if (at - sent.at >= age) {
          sent.at = at
          transmit(sent.frame)
        }
    },
    /** Whoever has more to send waits for this. */
    room: (): Promise<void> => (paused || unacknowledged.size >= window ? room.promise : Promise.resolve()),
    pause: (on: boolean): void => {
      paused = on
      settle()
    },
    /** Lets go of whoever waits. */
    end: (): void => room.resolve(),
  }
}

/** What comes from the client, handed on once and in order. */
export const incoming = (deliver: (message: Message) => void) => {
  const early = new Map<number, Message>()
  let expected = 0
  return {
    /** Throws FrameError for what lies too far ahead. What was there before is acknowledged again, and no more. */
    take: (message: Message): void => {
      if (message.sequence >= expected + ahead) throw new FrameError('too far ahead')
      if (message.sequence >= expected) early.set(message.sequence, message)
      for (let one = early.get(expected); one; one = early.get(expected)) {
        early.delete(expected)
        expected++
        deliver(one)
      }
    },
  }
}
