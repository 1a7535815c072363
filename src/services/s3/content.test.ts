import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { story } from '../../../test/story.ts'
import { memoryBlobs } from '../../blobs/memory.ts'
import type { Ctx } from '../../kernel/context.ts'
import { receive } from './content.ts'
import { fail } from './operation.ts'

const bench = () => {
  const blobs = memoryBlobs()
  const woken: string[] = []
  const write = async (body: (tx: unknown) => Promise<unknown>) =>
    body({ wake: (_name: string, key: string) => woken.push(key) })
  return { blobs, woken, ctx: { blobs, newId: () => 'id', write } as unknown as Ctx }
}
const how = { algorithm: 'CRC32', key: undefined } as const
const left = (blobs: ReturnType<typeof memoryBlobs>) => Array.fromAsync(blobs.ids())

async function* breakingOff() {
  yield Buffer.alloc(100_000)
  throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

test('a body that breaks off leaves nothing', async () => {
  const { blobs, ctx } = bench()
  await expect(receive(ctx, Readable.from(breakingOff()), how)).rejects.toMatchObject({ code: 'IncompleteBody' })
  expect(await left(blobs)).toEqual([])
})

test('a body that fails its check leaves nothing, nor does one that is discarded', async () => {
  const { blobs, woken, ctx } = bench()
  const refuse = () => {
    throw fail('BadDigest', 'no')
  }
  await expect(receive(ctx, Buffer.alloc(100_000), { ...how, check: refuse })).rejects.toMatchObject({
    code: 'BadDigest',
  })
  expect(await left(blobs)).toEqual([])
  const received = await receive(ctx, Readable.from([Buffer.alloc(20_000), Buffer.alloc(20_000)]), how)
  expect(await left(blobs)).toEqual(woken)
  expect(woken).toHaveLength(1)
  await received.discard()
  expect(await left(blobs)).toEqual([])
})

test('small bodies make no blob', async () => {
  const { blobs, ctx } = bench()
  expect(await receive(ctx, Buffer.from('hello'), how)).toMatchObject({ size: 5, checksum: 'NhCmhg==' })
  expect(await left(blobs)).toEqual([])
})

test('bytes survive a restart; blobs go when nothing names them any more', async () => {
  let drydock = await story({ durable: true })
  try {
    const put = (Key: string, size: number) =>
      drydock.client(S3Client).send(new PutObjectCommand({ Bucket: 'kept', Key, Body: Buffer.alloc(size, Key) }))
    const blobs = () => Array.fromAsync(drydock.server.kernel.blobs.ids())
    await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'kept' }))
    await put('small', 10)
    await put('large', 100_000)
    await put('gone', 100_000)
    await put('large', 200_000)
    await drydock.client(S3Client).send(new DeleteObjectCommand({ Bucket: 'kept', Key: 'gone' }))
    await expect(put('x'.repeat(1025), 100_000)).rejects.toMatchObject({ name: 'KeyTooLongError' })
    drydock = await drydock.restart()
    for (const [Key, size] of [
      ['small', 10],
      ['large', 200_000],
    ] as const) {
      const { Body } = await drydock.client(S3Client).send(new GetObjectCommand({ Bucket: 'kept', Key }))
      expect(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(Buffer.alloc(size, Key))).toBe(true)
    }
    expect(await blobs()).toHaveLength(3)
    await drydock.advance({ minutes: 16 })
    expect(await blobs()).toHaveLength(1)
  } finally {
    await drydock.close()
  }
})

test('a body that is not what was signed, or that breaks off, leaves no object and no blob', async () => {
  const drydock = await story()
  try {
    const s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'clean' }))
    const put = (Key: string, meddle: (body: Buffer) => Buffer | Readable, more = {}, abortSignal?: AbortSignal) => {
      const meddled = drydock.client(S3Client)
      meddled.middlewareStack.add(
        (next) => (args) => {
          Object.assign(args.request as object, { body: meddle(Buffer.alloc(200_000, 'x')) })
          return next(args)
        },
        // After the signature is made.
        { step: 'finalizeRequest', priority: 'low' },
      )
      return meddled.send(new PutObjectCommand({ Bucket: 'clean', Key, Body: Buffer.alloc(200_000, 'x'), ...more }), {
        ...(abortSignal ? { abortSignal } : {}),
      })
    }
    const changed = (body: Buffer) => Buffer.concat([body.subarray(1), Buffer.from('y')])
    await expect(put('forged', changed)).rejects.toMatchObject({
      name: 'XAmzContentSHA256Mismatch',
      $metadata: { httpStatusCode: 400 },
    })
    await expect(
      put('forged', (body) => body, { ContentMD5: createHash('md5').update('other').digest('base64') }),
    ).rejects.toMatchObject({ name: 'BadDigest' })
    await expect(put('forged', (body) => body, { ChecksumSHA256: `${'A'.repeat(43)}=` })).rejects.toMatchObject({
      name: 'BadDigest',
    })
    const gone = new AbortController()
    const broken = (body: Buffer) => {
      const halves = [body.subarray(0, 100_000)]
      return new Readable({
        read() {
          const half = halves.pop()
          if (half) this.push(half)
          else gone.abort()
        },
      })
    }
    await expect(put('forged', broken, {}, gone.signal)).rejects.toMatchObject({ name: 'AbortError' })
    const blobs = () => Array.fromAsync(drydock.server.kernel.blobs.ids())
    await expect.poll(blobs, { timeout: 20_000 }).toEqual([])
    await expect(s3.send(new GetObjectCommand({ Bucket: 'clean', Key: 'forged' }))).rejects.toMatchObject({
      name: 'NoSuchKey',
    })
    await put('whole', (body) => body)
    expect(await blobs()).toHaveLength(1)
  } finally {
    await drydock.close()
  }
})
