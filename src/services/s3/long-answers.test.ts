import { PassThrough, type Readable } from 'node:stream'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'long'
const CopySource = `${Bucket}/source`
beforeAll(async () => {
  drydock = await story({ patience: { before: 1, between: 1 } })
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'text '.repeat(20_000) }))
})
afterAll(() => drydock.close())

const text = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()

/** Holds back the next thing of this kind that is asked of the server, until it is let go. */
const holding = async <T extends object, K extends keyof T & string>(owner: T, name: K) => {
  await drydock.settled()
  const { promise: free, resolve: letGo } = Promise.withResolvers<void>()
  const method = owner[name] as (...args: unknown[]) => Promise<unknown>
  const put = (made: typeof method) => Object.assign(owner, { [name]: made })
  put(async (...args) => {
    put(method)
    await free
    return method.apply(owner, args)
  })
  return letGo
}

type Answer = { statusCode: number; headers: Record<string, string>; body: Readable }

/** A client that lets the operation go on once its answer has begun and shown a sign of life. */
const waiting = (letGo: () => void | Promise<void>) => {
  const heard = { status: 0, headers: {} as Record<string, string>, text: '' }
  const client = drydock.client(S3Client)
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const answer = result.response as Answer
      Object.assign(heard, { status: answer.statusCode, headers: answer.headers })
      const through = new PassThrough()
      let gone = false
      answer.body.on('data', (chunk: Buffer) => {
        heard.text += chunk.toString()
        through.write(chunk)
        if (!gone && heard.text.endsWith(' ')) {
          gone = true
          void letGo()
        }
      })
      answer.body.on('end', () => through.end())
      answer.body.on('error', (error) => through.destroy(error))
      Object.assign(answer, { body: through })
      return result
    },
    { step: 'deserialize', priority: 'low' },
  )
  return { client, heard }
}

const begun = {
  status: 200,
  headers: {
    'content-type': 'application/xml',
    'transfer-encoding': 'chunked',
    'x-amz-request-id': expect.any(String),
  },
  text: expect.stringMatching(/^<\?xml version="1.0" encoding="UTF-8"\?>\n +<\w+/),
}

test('a long copy keeps the connection alive, and is told at the end', async () => {
  const { client, heard } = waiting(await holding(drydock.server.kernel.blobs, 'writer'))
  const { CopyObjectResult } = await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }))
  expect(CopyObjectResult?.ETag).toMatch(/^"[0-9a-f]{32}"$/)
  expect(heard).toMatchObject(begun)
  expect(heard.headers['content-length']).toBeUndefined()
  expect(await text('copy')).toBe(await text('source'))
})

test('a long copy of a part, and the completion of an upload', async () => {
  const Key = 'joined'
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  const part = { Bucket, Key, UploadId, PartNumber: 1 }
  const copying = waiting(await holding(drydock.server.kernel.blobs, 'writer'))
  const { CopyPartResult } = await copying.client.send(new UploadPartCopyCommand({ ...part, CopySource }))
  expect(copying.heard).toMatchObject(begun)
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: CopyPartResult?.ETag }] }
  const completing = waiting(await holding(drydock.server.kernel.store, 'write'))
  expect(
    await completing.client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload })),
  ).toMatchObject({ Bucket, Key, ETag: expect.stringMatching(/-1"$/) })
  expect(completing.heard).toMatchObject(begun)
  expect(await text(Key)).toBe(await text('source'))
})

test('what fails after the answer has begun is an error within it, which clients find', async () => {
  const letGo = await holding(drydock.server.kernel.blobs, 'writer')
  const { client, heard } = waiting(async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'taken', Body: 'mine' }))
    letGo()
  })
  await expect(
    client.send(new CopyObjectCommand({ Bucket, Key: 'taken', CopySource, IfNoneMatch: '*' })),
  ).rejects.toMatchObject({ name: 'PreconditionFailed' })
  expect(heard).toMatchObject({
    ...begun,
    text: expect.stringMatching(/^<\?xml[^>]+>\n +<Error><Code>PreconditionFailed</),
  })
  expect(await text('taken')).toBe('mine')

  const Key = 'taken-too'
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  const upload = { Bucket, Key, UploadId }
  const { ETag } = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'part' }))
  const release = await holding(drydock.server.kernel.store, 'write')
  const completing = waiting(async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'mine' }))
    release()
  })
  const completion = { ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] }, IfNoneMatch: '*' }
  await expect(completing.client.send(new CompleteMultipartUploadCommand(completion))).rejects.toMatchObject({
    name: 'PreconditionFailed',
  })
  expect(completing.heard.status).toBe(200)
  expect(await text(Key)).toBe('mine')
})

test('a client that goes away leaves the copy to go on', async () => {
  const letGo = await holding(drydock.server.kernel.blobs, 'writer')
  const leaving = new AbortController()
  const { client } = waiting(() => leaving.abort())
  await expect(
    client.send(new CopyObjectCommand({ Bucket, Key: 'unheard', CopySource }), { abortSignal: leaving.signal }),
  ).rejects.toThrow()
  letGo()
  await expect.poll(() => text('unheard').catch(() => undefined), { timeout: 20_000 }).toBe(await text('source'))
  expect(drydock.logged.filter((line) => line.includes('error'))).toEqual([])
})
