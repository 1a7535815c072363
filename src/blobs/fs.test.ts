import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { blobsContract } from './contract.ts'
import { fsBlobs } from './fs.ts'

const root = mkdtempSync(join(tmpdir(), 'drydock-blobs-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let count = 0
const newFolder = () => {
  count += 1
  return join(root, String(count))
}

blobsContract('files', async () => fsBlobs(newFolder()))
blobsContract('files with fsync', async () => fsBlobs(newFolder(), { fsync: true }))

test('what a killed process left half written is removed at start, what it committed stays', async () => {
  const folder = newFolder()
  const id = await fsBlobs(folder).put(Buffer.from('kept'))
  writeFileSync(join(folder, 'tmp', 'half'), 'ha')
  const blobs = fsBlobs(folder)
  expect(readdirSync(join(folder, 'tmp'))).toEqual([])
  expect(Buffer.from(await blobs.get(id)).toString()).toBe('kept')
})

test('files are for their owner only', async () => {
  const folder = newFolder()
  const id = await fsBlobs(folder).put(Buffer.from('x'))
  expect(statSync(join(folder, id.slice(0, 2), id)).mode & 0o777).toBe(0o600)
  expect(statSync(join(folder, id.slice(0, 2))).mode & 0o777).toBe(0o700)
})
