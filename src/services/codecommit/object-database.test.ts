import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { git, zeroId } from './git.ts'
import {
  createDatabase,
  findEntry,
  listReferences,
  listTree,
  lookUp,
  moveReference,
  readCommits,
  readObject,
  readReference,
  tidy,
  writeObject,
} from './object-database.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'objects-'))
  await createDatabase(folder)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A commit of one file, whatever its name. */
const commitOf = async (path: string, content: string): Promise<string> => {
  const blob = await writeObject(folder, 'blob', Buffer.from(content))
  const tree = (await git([`--git-dir=${folder}`, 'mktree', '-z'], { input: `100644 blob ${blob}\t${path}\0` }))
    .toString()
    .trim()
  return writeObject(folder, 'commit', Buffer.from(`tree ${tree}\nauthor A <> 1 +0000\ncommitter A <> 1 +0000\n\nm`))
}

it.each(['-rf', ':(glob)*', 'a b', 'ä', 'a\nb', '"quoted"', '*'])(
  'a file named %j is a file like any other',
  async (path) => {
    const commit = await commitOf(path, 'content')
    const entry = await findEntry(folder, commit, path)
    expect(entry).toMatchObject({ path, mode: '100644', size: 7 })
    expect((await readObject(folder, 'blob', entry?.id ?? '')).toString()).toBe('content')
    const [, tree] = await lookUp(folder, [`${commit}:${path}`, `${commit}:`])
    expect((await listTree(folder, tree?.id ?? '')).map((one) => one.path)).toEqual([path])
  },
)

it('tells what is not there from what is, in one go', async () => {
  const commit = await commitOf('f', 'x')
  const missing = '1'.repeat(40)
  const found = await lookUp(folder, [missing, commit, 'refs/heads/none', `${commit}:none\nof it`, commit])
  expect(found.map((object) => object?.kind)).toEqual([undefined, 'commit', undefined, undefined, 'commit'])
  const blob = await writeObject(folder, 'blob', Buffer.from('not a commit'))
  expect((await readCommits(folder, [missing, commit, blob])).map((bytes) => bytes !== undefined)).toEqual([
    false,
    true,
    false,
  ])
})

it('moves a reference only from where it is', async () => {
  const [one, two] = [await commitOf('f', '1'), await commitOf('f', '2')]
  const reference = 'refs/heads/main'
  expect(await moveReference(folder, { reference, from: one, to: two })).toBe(false)
  expect(await moveReference(folder, { reference, from: zeroId, to: one })).toBe(true)
  expect(await moveReference(folder, { reference, from: zeroId, to: two })).toBe(false)
  expect(await moveReference(folder, { reference, from: one, to: two })).toBe(true)
  expect(await readReference(folder, reference)).toBe(two)
  expect(await listReferences(folder, 'refs/heads/')).toEqual(new Map([[reference, two]]))
  expect(await moveReference(folder, { reference, from: two, to: zeroId })).toBe(true)
  expect(await readReference(folder, reference)).toBeUndefined()
})

it('survives tidying with everything that a reference reaches', async () => {
  const commit = await commitOf('f', 'kept')
  await moveReference(folder, { reference: 'refs/heads/main', from: zeroId, to: commit })
  for (let index = 0; index < 5; index++) await writeObject(folder, 'blob', Buffer.from(`${index}`))
  await tidy(folder, 1)
  const [object] = await lookUp(folder, ['refs/heads/main:f'])
  expect((await readObject(folder, 'blob', object?.id ?? '')).toString()).toBe('kept')
})
