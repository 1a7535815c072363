import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
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
const left = (blobs: ReturnType<typeof memoryBlobs>) => Array.fromAsync(blobs.ids())

async function* breakingOff() {
  yield Buffer.alloc(100_000)
  throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

test('a body that breaks off leaves nothing', async () => {
  const { blobs, ctx } = bench()
  await expect(receive(ctx, Readable.from(breakingOff()), 'CRC32')).rejects.toMatchObject({ code: 'IncompleteBody' })
  expect(await left(blobs)).toEqual([])
})

test('a body that fails its check leaves nothing, nor does one that is discarded', async () => {
  const { blobs, woken, ctx } = bench()
  const refuse = () => {
    throw fail('BadDigest', 'no')
  }
  await expect(receive(ctx, Buffer.alloc(100_000), 'CRC32', refuse)).rejects.toMatchObject({ code: 'BadDigest' })
  expect(await left(blobs)).toEqual([])
  const received = await receive(ctx, Readable.from([Buffer.alloc(20_000), Buffer.alloc(20_000)]), 'SHA1')
  expect(await left(blobs)).toEqual(woken)
  expect(woken).toHaveLength(1)
  await received.discard()
  expect(await left(blobs)).toEqual([])
})

test('small bodies make no blob', async () => {
  const { blobs, ctx } = bench()
  expect(await receive(ctx, Buffer.from('hello'), 'CRC32')).toMatchObject({ size: 5, checksum: 'NhCmhg==' })
  expect(await left(blobs)).toEqual([])
})
