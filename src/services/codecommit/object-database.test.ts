import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
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
  setHead,
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

it('reads git’s files as git itself reads them, loose, packed and moved again', async () => {
  const commits = await Promise.all(['1', '2', '3'].map((content) => commitOf('f', content)))
  const [one = '', two = '', three = ''] = commits
  const inGit = (...args: string[]) => git([`--git-dir=${folder}`, ...args])
  const named = { 'refs/heads/main': one, 'refs/heads/a/b': two, 'refs/heads/ä': one, 'refs/tags/v1': three }
  for (const [reference, to] of Object.entries(named)) await moveReference(folder, { reference, from: zeroId, to })
  await git([`--git-dir=${folder}`, '-c', 'user.name=A', '-c', 'user.email=a@b', 'tag', '-a', '-m', 'm', 'v2', one])
  const check = async () => {
    const expected = (await inGit('for-each-ref', '--format=%(objectname) %(refname)')).toString().trim().split('\n')
    const found = await listReferences(folder, 'refs/')
    expect([...found].map(([name, id]) => `${id} ${name}`)).toEqual(expected)
    for (const [name, id] of found) expect(await readReference(folder, name)).toBe(id)
    const revisions = [...found.keys()].map((name) => `${name}^{commit}`)
    const asked = await inGit('rev-parse', ...revisions)
    expect((await lookUp(folder, revisions)).map((object) => object?.id).join('\n')).toBe(asked.toString().trim())
    expect((await readCommits(folder, commits)).map((bytes) => bytes?.toString())).toEqual(
      await Promise.all(commits.map(async (id) => (await inGit('cat-file', 'commit', id)).toString())),
    )
  }
  await check()
  await inGit('pack-refs', '--all')
  await check()
  await inGit('repack', '-adq')
  await check()
  await moveReference(folder, { reference: 'refs/heads/main', from: one, to: two })
  await moveReference(folder, { reference: 'refs/heads/a/b', from: two, to: zeroId })
  await check()
  for (const none of [
    'refs/heads/a',
    'refs/heads',
    'refs/heads/../../HEAD',
    'refs/heads/v1',
    `refs/heads/${'x'.repeat(300)}`,
  ])
    expect(await readReference(folder, none)).toBeUndefined()
  expect((await lookUp(folder, ['refs/heads/a/b^{commit}', one]))[0]).toBeUndefined()
  await setHead(folder, 'a/b')
  expect((await inGit('symbolic-ref', 'HEAD')).toString().trim()).toBe('refs/heads/a/b')
})

it('does not take a file that is no object for one', async () => {
  const blob = await writeObject(folder, 'blob', randomBytes(100_000))
  expect(await lookUp(folder, [blob])).toEqual([{ id: blob, kind: 'blob', size: 100_000 }])
  const large = await writeObject(folder, 'blob', Buffer.alloc(20_000_000))
  expect(await lookUp(folder, [large])).toEqual([{ id: large, kind: 'blob', size: 20_000_000 }])
  expect((await readObject(folder, 'blob', large)).length).toBe(20_000_000)
  const file = join(folder, 'objects', blob.slice(0, 2), blob.slice(2))
  await chmod(file, 0o600)
  await writeFile(file, 'garbage')
  await expect(readObject(folder, 'blob', blob)).rejects.toThrow()
})
