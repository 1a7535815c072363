import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { BlobWriter } from '../../blobs/blobs.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { type ChecksumAlgorithm, checksumOf, hasher } from './checksum.ts'
import type { ByteRange } from './conditions.ts'
import { fail } from './operation.ts'
import { type ObjectKey, openBytes, openSegments, sealBytes, sealer, storedRange } from './segments.ts'

/** Where bytes are: in a row, in a blob, or in the parts they were uploaded in. Nothing at all for no bytes. */
export type Content = { readonly in: 'row' | 'blob' | 'parts'; readonly id: string }

export type PartContent = {
  readonly number: number
  readonly size: number
  readonly content?: Content
  /** Base64, in the upload's algorithm. */
  readonly checksum?: string
}

/** Small bytes ride in a row of their own, so that listing objects does not read them. */
export const Bytes = table<{ id: string; base64: string }>('s3.bytes', { scope: 'global', key: (row) => row.id })
/** Blobs that something names; the others are to be deleted. */
export const UsedBlob = table<{ id: string }>('s3.blob', { scope: 'global', key: (row) => row.id })
export const Parts = table<{ id: string; parts: readonly PartContent[] }>('s3.parts', {
  scope: 'global',
  key: (row) => row.id,
})

const largestRow = 16 * 1024
/** What one request may bring, in bytes. */
export const largestPut = 5 * 1024 ** 3
/** What an annotation may hold, in bytes. */
export const largestAnnotation = 1024 ** 2
/** In milliseconds: for readers that have begun to open the last of an object's blobs, for uploads to be put into a row. */
const grace = 15 * 60_000

/** Bytes that have arrived, are hashed, and belong to nothing yet: `keep` them in a transaction or `discard` them. */
export type Received = {
  readonly size: number
  /** MD5 in hexadecimal. */
  readonly md5: string
  /** Base64, in the algorithm asked for. */
  readonly checksum: string
  readonly keep: (tx: WriteTx) => Content | undefined
  readonly discard: () => Promise<void>
}

export const tooLarge = (size: number, most = largestPut) =>
  fail('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
    ProposedSize: size,
    MaxSizeAllowed: most,
  })

const incomplete = () =>
  fail('IncompleteBody', 'You did not provide the number of bytes specified by the Content-Length HTTP header')

/**
 * Takes a body in, hashing and encrypting as it comes. `check` sees the result before anything is kept, with the checksum
 * in `checkedIn`; when it throws, or the body breaks off, nothing is left. Throws EntityTooLarge beyond 5 GiB, IncompleteBody.
 */
export const receive = async (
  ctx: Ctx,
  body: Readable | Uint8Array | string | undefined,
  how: {
    readonly algorithm: ChecksumAlgorithm
    /** Sees the bytes as they come, and how many they are by then; a throw refuses them. */
    readonly each?: (bytes: Buffer, size: number) => void
    /** Absent for parts of uploads that began before there was encryption at rest. */
    readonly key: ObjectKey | undefined
    readonly check?: (received: { size: number; md5: string; checksum: string }) => void
    readonly checkedIn?: ChecksumAlgorithm | undefined
  },
): Promise<Received> => {
  const { algorithm, each, key, check = () => undefined, checkedIn = algorithm } = how
  let held: Buffer[] = []
  let size = 0
  let large: { writer: BlobWriter; hashes: Hashes; seal: Seal } | undefined
  try {
    for await (const chunk of chunksOf(body)) {
      size += chunk.length
      if (size > largestPut) throw tooLarge(size)
      each?.(chunk, size)
      held.push(chunk)
      if (size <= largestRow) continue
      large ??= await startLarge(ctx, key, algorithm, checkedIn)
      for (const bytes of held) {
        large.hashes.update(bytes)
        for (const sealed of large.seal.update(bytes)) await large.writer.write(sealed)
      }
      held = []
    }
    if (!large) {
      const bytes = Buffer.concat(held)
      const facts = {
        size,
        md5: createHash('md5').update(bytes).digest('hex'),
        checksum: await checksumOf(algorithm, bytes),
      }
      check(checkedIn === algorithm ? facts : { ...facts, checksum: await checksumOf(checkedIn, bytes) })
      return { ...facts, keep: keepRow(ctx.newId(), bytes, key), discard: async () => undefined }
    }
    const { writer, hashes, seal } = large
    for (const sealed of seal.final()) await writer.write(sealed)
    const { checked, ...facts } = { size, ...hashes.digest() }
    check({ ...facts, checksum: checked })
    const { id } = writer
    // Whatever happens from here on, killed or not: a blob that no row has come to name is found and deleted.
    await ctx.write(async (tx) => tx.wake(unusedBlobs.name, id, { in: grace }))
    await writer.commit()
    return { ...facts, keep: keepBlob(id), discard: () => ctx.blobs.delete(id) }
  } catch (error) {
    await large?.writer.cancel()
    throw isBrokenOff(error) ? incomplete() : error
  }
}

/** Runs the transaction that keeps received bytes; when it fails they are discarded. */
export const keeping = async <T>(received: { discard: () => Promise<void> }, write: () => Promise<T>): Promise<T> => {
  try {
    return await write()
  } catch (error) {
    await received.discard()
    throw error
  }
}

type Hashes = Awaited<ReturnType<typeof startHashes>>
type Seal = Pick<ReturnType<typeof sealer>, 'update' | 'final'>

const asItIs: Seal = { update: (bytes) => [bytes], final: () => [] }

const startLarge = async (
  ctx: Ctx,
  key: ObjectKey | undefined,
  algorithm: ChecksumAlgorithm,
  checkedIn: ChecksumAlgorithm,
) => {
  const hashes = await startHashes(algorithm, checkedIn)
  const writer = await ctx.blobs.writer()
  return { writer, hashes, seal: key ? sealer(key, writer.id) : asItIs }
}

const startHashes = async (algorithm: ChecksumAlgorithm, checkedIn: ChecksumAlgorithm) => {
  const md5 = createHash('md5')
  const checksum = await hasher(algorithm)
  const checked = checkedIn === algorithm ? undefined : await hasher(checkedIn)
  return {
    update: (bytes: Buffer) => {
      md5.update(bytes)
      checksum.update(bytes)
      checked?.update(bytes)
    },
    digest: () => {
      const sum = checksum.digest()
      return { md5: md5.digest('hex'), checksum: sum, checked: checked?.digest() ?? sum }
    },
  }
}

async function* chunksOf(body: Readable | Uint8Array | string | undefined): AsyncGenerator<Buffer> {
  if (body === undefined) return
  if (typeof body === 'string') yield Buffer.from(body)
  else if (body instanceof Uint8Array) yield Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  // Leaving early must not destroy the caller's connection before he has his answer.
  else
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer | string>)
      yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

const isBrokenOff = (error: unknown): boolean =>
  !(error instanceof AwsError) &&
  error instanceof Error &&
  'code' in error &&
  (error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_PREMATURE_CLOSE')

const keepRow = (id: string, bytes: Buffer, key: ObjectKey | undefined) => {
  const base64 = bytes.length === 0 ? '' : (key ? sealBytes(key, id, bytes) : bytes).toString('base64')
  return (tx: WriteTx): Content | undefined => {
    if (base64 === '') return undefined
    tx.put(Bytes, { id, base64 })
    return { in: 'row', id }
  }
}

const keepBlob =
  (id: string) =>
  (tx: WriteTx): Content => {
    tx.put(UsedBlob, { id })
    return { in: 'blob', id }
  }

/** Forgets content with the transaction; blobs go a while after it, when readers that had begun are through. */
export const drop = async (tx: WriteTx, content: Content | undefined): Promise<void> => {
  if (content?.in === 'row') tx.delete(Bytes, content.id)
  if (content?.in === 'blob') {
    tx.delete(UsedBlob, content.id)
    tx.wake(unusedBlobs.name, content.id, { in: grace })
  }
  if (content?.in !== 'parts') return
  const row = await tx.get(Parts, content.id)
  for (const part of row?.parts ?? []) await drop(tx, part.content)
  tx.delete(Parts, content.id)
}

/** Deletes a blob that no row names. The key is the blob's id. */
export const unusedBlobs: Reconciler = {
  name: 's3.unused-blobs',
  step: async (ctx, blob) => {
    const used = await ctx.read((tx) => tx.get(UsedBlob, blob))
    if (!used) await ctx.blobs.delete(blob)
    return done()
  },
}

/** Content as a transaction saw it, ready to be streamed after it. */
export type Loaded =
  /** As stored: encrypted where there is an id. */
  | { readonly size: number; readonly bytes: Buffer; readonly id?: string }
  | { readonly size: number; readonly blob: string }
  | { readonly size: number; readonly parts: readonly Loaded[] }

export const load = async (tx: ReadTx, content: Content | undefined, size: number): Promise<Loaded> => {
  if (!content) return { size: 0, bytes: Buffer.alloc(0) }
  if (content.in === 'blob') return { size, blob: content.id }
  if (content.in === 'row') {
    const row = await tx.get(Bytes, content.id)
    return { size, bytes: Buffer.from(row?.base64 ?? '', 'base64'), id: content.id }
  }
  const parts: Loaded[] = []
  for (const part of (await tx.get(Parts, content.id))?.parts ?? []) parts.push(await load(tx, part.content, part.size))
  return { size, parts }
}

/** The bytes of a range, read and decrypted as they are asked for. No key: the content is not encrypted. */
export const stream = (
  ctx: Ctx,
  loaded: Loaded,
  key: ObjectKey | undefined,
  range: ByteRange = { start: 0, end: loaded.size },
): Readable | Uint8Array => {
  if ('bytes' in loaded) {
    const bytes = key && loaded.id !== undefined ? openBytes(key, loaded.id, loaded.bytes) : loaded.bytes
    return bytes.subarray(range.start, range.end)
  }
  if (!('blob' in loaded)) return readable(joined(ctx, loaded.parts, key, range))
  if (!key) return ctx.blobs.open(loaded.blob, range)
  const stored = ctx.blobs.open(loaded.blob, storedRange(key, loaded.size, range))
  return readable(openSegments(key, loaded.blob, loaded.size, range, stored))
}

const readable = (source: AsyncIterable<Buffer>): Readable =>
  Readable.from(source, { objectMode: false, highWaterMark: 256 * 1024 })

async function* joined(
  ctx: Ctx,
  parts: readonly Loaded[],
  key: ObjectKey | undefined,
  range: ByteRange,
): AsyncGenerator<Buffer> {
  let offset = 0
  for (const part of parts) {
    const start = Math.max(range.start - offset, 0)
    const end = Math.min(range.end - offset, part.size)
    offset += part.size
    if (start >= end) continue
    yield* chunksOf(stream(ctx, part, key, { start, end }))
  }
}
