import { buffer } from 'node:stream/consumers'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Blobs, NoSuchBlobError } from './blobs.ts'

/** What every blob store does. */
export const blobsContract = (name: string, open: () => Promise<Blobs>) => {
  describe(`${name}: blobs`, () => {
    let blobs: Blobs
    beforeEach(async () => {
      blobs = await open()
    })

    /** Bytes that differ from place to place. */
    const bytes = (length: number) =>
      Buffer.from(Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => i * 2654435761).buffer).subarray(
        0,
        length,
      )
    const ids = async () => (await Array.fromAsync(blobs.ids())).toSorted()
    const nowhere = ['0'.repeat(32), '', '../../etc/passwd', 'tmp']

    test.each([0, 1, 1_024, 64 * 1024, 64 * 1024 + 1, 3_000_000])(
      '%i bytes come back as they were put',
      async (length) => {
        const id = await blobs.put(bytes(length))
        expect(Buffer.compare(await blobs.get(id), bytes(length))).toBe(0)
        expect(Buffer.compare(await buffer(blobs.open(id)), bytes(length))).toBe(0)
        expect(await blobs.size(id)).toBe(length)
      },
    )

    test('chunks of all sizes add up, and the writer takes copies', async () => {
      const whole = bytes(700_000)
      const writer = await blobs.writer()
      const reused = Buffer.alloc(200_000)
      let at = 0
      for (const length of [0, 1, 10, 65_000, 1_000, 200_000, 3, 65_536, 100]) {
        whole.copy(reused, 0, at, at + length)
        await writer.write(reused.subarray(0, length))
        at += length
      }
      reused.fill(0)
      expect(writer.size).toBe(at)
      const id = await writer.commit()
      expect(id).toBe(writer.id)
      expect(Buffer.compare(await blobs.get(id), whole.subarray(0, at))).toBe(0)
    })

    test('nothing is there before commit, nothing after cancel, and both end the writer', async () => {
      const small = await blobs.writer()
      const large = await blobs.writer()
      await small.write(bytes(10))
      await large.write(bytes(500_000))
      expect(await ids()).toEqual([])
      await small.cancel()
      await large.cancel()
      await large.cancel()
      expect(await ids()).toEqual([])
      await expect(large.commit()).rejects.toThrow()
      await expect(small.write(bytes(1))).rejects.toThrow()
      const kept = await blobs.writer()
      const id = await kept.commit()
      await kept.cancel()
      expect(await ids()).toEqual([id])
      expect(await blobs.size(id)).toBe(0)
    })

    test.each([
      [0, 10],
      [5, 5],
      [5, 200_000],
      [199_990, undefined],
      [200_000, undefined],
      [300_000, 400_000],
      [undefined, 3],
      [0, 1_000_000],
    ])('a range from %s to %s', async (start, end) => {
      const id = await blobs.put(bytes(200_000))
      const part = await buffer(blobs.open(id, { start, end }))
      expect(Buffer.compare(part, bytes(200_000).subarray(start ?? 0, end ?? 200_000))).toBe(0)
    })

    test('what is not there is not found, whatever the id looks like', async () => {
      for (const id of nowhere) {
        await expect(blobs.get(id)).rejects.toThrow(NoSuchBlobError)
        const stream = blobs.open(id)
        // An error must not go past a reader who listens a little later.
        await new Promise(setImmediate)
        await expect(buffer(stream)).rejects.toThrow(NoSuchBlobError)
        expect(await blobs.size(id)).toBeUndefined()
        await blobs.delete(id)
      }
    })

    test('a deleted blob is gone, but a reader that has opened it may finish', async () => {
      const id = await blobs.put(bytes(1_000_000))
      const other = await blobs.put(bytes(5))
      const stream = blobs.open(id)
      await blobs.delete(id)
      expect(await ids()).toEqual([other])
      expect((await buffer(stream)).length).toBe(1_000_000)
      await expect(blobs.get(id)).rejects.toThrow(NoSuchBlobError)
    })

    test('ids are distinct and all listed; reset forgets them', async () => {
      const made = await Promise.all(Array.from({ length: 300 }, (_, i) => blobs.put(bytes(i))))
      expect(await ids()).toEqual(made.toSorted())
      await blobs.reset()
      expect(await ids()).toEqual([])
      expect(await blobs.size(await blobs.put(bytes(3)))).toBe(3)
    })
  })
}
