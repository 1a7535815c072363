import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeMessage, encodeMessage, FrameError, type Message } from './session-message.ts'
import { incoming, outgoing } from './session-stream.ts'

test('a frame is laid out as the plugin reads it', () => {
  const frame = encodeMessage('output_stream_data', Buffer.from('hi'), {
    ...{ sequence: 258, flags: 1, payloadType: 1, created: 1_700_000_000_000 },
    id: '00112233-4455-6677-8899-aabbccddeeff',
  })
  expect(frame.toString('hex')).toBe(
    [
      '00000074',
      Buffer.from('output_stream_data              ').toString('hex'),
      '00000001',
      '0000018bcfe56800',
      '0000000000000102',
      '0000000000000001',
      '8899aabbccddeeff0011223344556677',
      '8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4',
      '00000001',
      '00000002',
      '6869',
    ].join(''),
  )
})

test('what is written is read', () => {
  const parts = fc.record({
    sequence: fc.maxSafeNat(),
    flags: fc.nat(3),
    payloadType: fc.nat(0xffffffff),
    id: fc.uuid(),
    payload: fc.uint8Array({ maxLength: 2_000 }),
  })
  fc.assert(
    fc.property(parts, ({ payload, ...more }) => {
      const read = decodeMessage(encodeMessage('acknowledge', payload, more))
      expect({ ...read, payload: [...read.payload] }).toEqual({ ...more, type: 'acknowledge', payload: [...payload] })
    }),
  )
})

test('bytes that are no frame are refused, whatever they are', () => {
  const whole = encodeMessage('input_stream_data', Buffer.from('text'), { sequence: 1 })
  const spoilt = fc
    .tuple(fc.nat(whole.length - 1), fc.nat(255))
    .map(([at, value]) => Buffer.from(whole.map((byte, index) => (index === at ? value : byte))))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), spoilt), (bytes) => {
      try {
        expect(decodeMessage(Buffer.from(bytes)).payload).toHaveLength(bytes.length - 120)
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError)
      }
    }),
  )
})

const numbered = (sequence: number): Message => ({
  ...{ type: 'input_stream_data', id: '', sequence, flags: 0, payloadType: 1, payload: new Uint8Array() },
})

test('whatever comes in whatever order, and twice, is handed on once and in order', () => {
  const order = fc.integer({ min: 1, max: 40 }).chain((count) =>
    fc
      .tuple(
        fc.shuffledSubarray(
          Array.from({ length: count }, (_, at) => at),
          { minLength: count },
        ),
        fc.array(fc.nat(count - 1)),
      )
      .map(([all, again]) => ({ count, all: [...all, ...again] })),
  )
  fc.assert(
    fc.property(order, ({ count, all }) => {
      const seen: number[] = []
      const stream = incoming(({ sequence }) => seen.push(sequence))
      for (const sequence of all) stream.take(numbered(sequence))
      expect(seen).toEqual(Array.from({ length: count }, (_, at) => at))
    }),
  )
})

test('what is not acknowledged is sent again, in order; who has too much on the way waits', async () => {
  let now = 0
  const sent: number[] = []
  const stream = outgoing(
    (frame) => sent.push(decodeMessage(frame).sequence),
    () => now,
  )
  for (let at = 0; at < 1_000; at++) stream.send(1, new Uint8Array())
  let free = false
  const room = stream.room().then(() => {
    free = true
  })
  stream.acknowledge(7)
  await room
  expect(free).toBe(true)
  for (let at = 0; at < 998; at++) stream.acknowledge(at)
  sent.length = 0
  stream.repeat(1_000)
  expect(sent).toEqual([])
  now = 1_000
  stream.repeat(1_000)
  stream.repeat(1_000)
  expect(sent).toEqual([998, 999])
})
