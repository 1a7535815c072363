import { createHash, randomUUID } from 'node:crypto'
import { jsonObject } from '../../kernel/json-object.ts'

// The frames of a data channel, as session-manager-plugin and the agent write them. All numbers are big-endian.
//
//   0  header length (what follows up to the payload's length): 116   u32
//   4  message type, padded with spaces (some clients: zeros)         32 bytes
//  36  schema version                                                 u32
//  40  created, epoch milliseconds                                    u64
//  48  sequence number                                                i64
//  56  flags: 1 the first, 2 the last of a stream                     u64
//  64  message id: a UUID, its less significant half first            16 bytes
//  80  SHA-256 of the payload; some clients of AWS have it wrong        32 bytes
// 112  payload type                                                   u32
// 116  payload length                                                 u32
// 120  payload

export type MessageType =
  | 'acknowledge'
  | 'channel_closed'
  | 'input_stream_data'
  | 'output_stream_data'
  | 'pause_publication'
  | 'start_publication'

export const payloadTypes = {
  none: 0,
  output: 1,
  error: 2,
  size: 3,
  parameter: 4,
  handshakeRequest: 5,
  handshakeResponse: 6,
  handshakeComplete: 7,
  flag: 10,
  start: 17,
} as const

/** What a payload of type `flag` says: a u32. */
export const flags = { disconnectToPort: 1, terminateSession: 2, connectToPortError: 3 } as const

export type Message = {
  readonly type: string
  readonly id: string
  readonly sequence: number
  readonly flags: number
  readonly payloadType: number
  readonly payload: Uint8Array
}

const headerLength = 116
/** Largest payload taken; the plugin sends at most 1,024 bytes at once. */
export const payloadLimit = 64 * 1024

const idBytes = (id: string): Buffer => {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex')
  return Buffer.concat([bytes.subarray(8), bytes.subarray(0, 8)])
}

const idOf = (bytes: Buffer): string =>
  Buffer.concat([bytes.subarray(8), bytes.subarray(0, 8)])
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

const digestOf = (payload: Uint8Array): Buffer => createHash('sha256').update(payload).digest()

/** @param created epoch milliseconds. */
export const encodeMessage = (
  type: MessageType,
  payload: Uint8Array,
  { sequence = 0, flags: set = 0, payloadType = 0, created = 0, id = randomUUID() as string },
): Buffer => {
  const header = Buffer.alloc(headerLength + 4)
  header.writeUInt32BE(headerLength, 0)
  header.write(type.padEnd(32), 4, 'latin1')
  header.writeUInt32BE(1, 36)
  header.writeBigUInt64BE(BigInt(created), 40)
  header.writeBigInt64BE(BigInt(sequence), 48)
  header.writeBigUInt64BE(BigInt(set), 56)
  idBytes(id).copy(header, 64)
  digestOf(payload).copy(header, 80)
  header.writeUInt32BE(payloadType, 112)
  header.writeUInt32BE(payload.length, 116)
  return Buffer.concat([header, payload])
}

/** A frame is not what it should be: its channel is closed. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FrameError'
  }
}

/** Throws FrameError where lengths or numbers are wrong. */
export const decodeMessage = (frame: Buffer): Message => {
  if (frame.length < headerLength + 4) throw new FrameError('shorter than a header')
  if (frame.readUInt32BE(0) !== headerLength) throw new FrameError('a header of another length')
  if (frame.readUInt32BE(36) !== 1) throw new FrameError('another schema version')
  const payload = frame.subarray(headerLength + 4)
  if (payload.length !== frame.readUInt32BE(116)) throw new FrameError('a payload of another length')
  if (payload.length > payloadLimit) throw new FrameError('a payload that is too long')
  const sequence = frame.readBigInt64BE(48)
  if (sequence < 0n || sequence > BigInt(Number.MAX_SAFE_INTEGER))
    throw new FrameError('a sequence number out of range')
  return {
    type: frame.toString('latin1', 4, 36).replace(/^[ \0]+|[ \0]+$/g, ''),
    id: idOf(frame.subarray(64, 80)),
    sequence: Number(sequence),
    flags: Number(frame.readBigUInt64BE(56) & 3n),
    payloadType: frame.readUInt32BE(112),
    payload,
  }
}

/** The object in a payload; FrameError where there is none. */
export const objectIn = (payload: Uint8Array | string): Readonly<Record<string, unknown>> => {
  const found = jsonObject(typeof payload === 'string' ? payload : Buffer.from(payload).toString())
  if (!found) throw new FrameError('a payload that is no JSON object')
  return found
}
