import { execFile } from 'node:child_process'
import { lstat, mkdtemp, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import {
  CodeCommitClient,
  CreateBranchCommand,
  CreateCommitCommand,
  CreateRepositoryCommand,
} from '@aws-sdk/client-codecommit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Entry, fromBuffer } from 'yauzl'
import { type Story, story } from '../../../test/story.ts'
import type { RepositoryObjects } from '../capabilities.ts'
import { service } from './index.ts'
import { makeRepositoryObjects } from './repository-objects.ts'

const run = promisify(execFile)
const name = 'web'

let drydock: Story
let objects: RepositoryObjects
let folder: string
let first: string
let second: string
const place = () => ({ account: drydock.account, region: drydock.region })

beforeAll(async () => {
  drydock = await story()
  folder = await mkdtemp(join(tmpdir(), 'objects-'))
  objects = makeRepositoryObjects((at) => drydock.server.kernel.ownContext(service, at))
  const codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: name }))
  const commit = async (parentCommitId: string | undefined, putFiles: object[]) => {
    const input = { repositoryName: name, branchName: 'main', commitMessage: 'A change\n', parentCommitId }
    const entries = putFiles.map((entry) => ({ filePath: '', ...entry }))
    return (await codecommit.send(new CreateCommitCommand({ ...input, putFiles: entries }))).commitId ?? ''
  }
  first = await commit(undefined, [
    { filePath: 'bin/run', fileContent: Buffer.from('#!/bin/sh\n'), fileMode: 'EXECUTABLE' },
    { filePath: 'link', fileContent: Buffer.from('bin/run'), fileMode: 'SYMLINK' },
  ])
  second = await commit(first, [{ filePath: 'README', fileContent: Buffer.from('hello\n') }])
  await codecommit.send(new CreateBranchCommand({ repositoryName: name, branchName: 'old', commitId: first }))
})
afterAll(async () => {
  await drydock.close()
  await rm(folder, { recursive: true, force: true })
})

it('resolves branches, full references and commits', async () => {
  const facts = { commitId: second, message: 'A change\n', authorDate: '2026-11-23T09:00:00Z' }
  expect(await objects.resolve(place(), name, 'main')).toEqual(facts)
  expect(await objects.resolve(place(), name, 'refs/heads/main')).toEqual(facts)
  expect(await objects.resolve(place(), name, second)).toEqual(facts)
  expect(await objects.resolve(place(), name, 'absent')).toBeUndefined()
  expect(await objects.resolve(place(), name, '--all')).toBeUndefined()
  await expect(objects.resolve(place(), 'nobody', 'main')).rejects.toThrow('nobody does not exist')
})

it('archives a commit, the same bytes each time, modes and links kept', async () => {
  const archive = async () => buffer(await objects.archive(place(), name, second))
  const bytes = await archive()
  expect(bytes.equals(await archive())).toBe(true)
  const modes = await new Promise<Record<string, string>>((resolve, reject) =>
    fromBuffer(bytes, {}, (error, zip) => {
      if (error) return reject(error)
      const found: Record<string, string> = {}
      zip.on('entry', ({ fileName, externalFileAttributes }: Entry) => {
        found[fileName] = ((externalFileAttributes >>> 16) & 0o170111).toString(8)
      })
      zip.on('end', () => resolve(found))
    }),
  )
  expect(modes).toMatchObject({ 'bin/run': '100111', link: '120111', README: '0' })
})

it('an archive of what is not there fails', async () => {
  await expect(buffer(await objects.archive(place(), name, '1'.repeat(40)))).rejects.toThrow(/ended with/)
  await expect(objects.archive(place(), name, '--output=/tmp/x')).rejects.toThrow(/not a full commit id/)
})

it('checks out a commit with its history, nothing shared with the repository', async () => {
  const target = join(folder, 'full')
  await objects.checkout(place(), name, first, target, { originUrl: 'http://example.localhost/v1/repos/web' })
  const git = async (...args: string[]) => (await run('git', args, { cwd: target })).stdout.trim()
  expect(await git('rev-parse', 'HEAD')).toBe(first)
  expect(await git('remote', 'get-url', 'origin')).toBe('http://example.localhost/v1/repos/web')
  expect(await git('rev-parse', 'origin/main')).toBe(second)
  expect(await git('status', '--porcelain')).toBe('')
  expect(await readlink(join(target, 'link'))).toBe('bin/run')
  expect((await lstat(join(target, 'bin/run'))).mode & 0o111).not.toBe(0)
  await expect(lstat(join(target, '.git/objects/info/alternates'))).rejects.toThrow('ENOENT')
})

it('checks out shallowly', async () => {
  const target = join(folder, 'shallow')
  await objects.checkout(place(), name, second, target, { depth: 1 })
  const { stdout } = await run('git', ['rev-list', '--count', 'HEAD'], { cwd: target })
  expect(stdout.trim()).toBe('1')
  expect(await readFile(join(target, 'README'), 'utf8')).toBe('hello\n')
})
