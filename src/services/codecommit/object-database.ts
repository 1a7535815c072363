// A repository's objects and references, from git's files where they stand open, from the system's git otherwise. Pure of
// rows: every function takes the folder.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { git, runGit, zeroId } from './git.ts'
import {
  lookUpLoose,
  type ObjectInfo,
  type ObjectKind,
  readLoose,
  readReferenceFile,
  readReferenceFiles,
} from './git-files.ts'
import { isObjectId, isReferenceName } from './names.ts'

const at = (folder: string): string => `--git-dir=${folder}`

/** An empty repository. Doing it again changes nothing. */
export const createDatabase = async (folder: string): Promise<void> => {
  await git(['init', '--quiet', '--bare', '--template=', '--', folder])
}

/** What is not there is removed. */
export const removeDatabase = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true })

/** What a clone checks out. Nobody but us writes it, so no lock is needed. */
export const setHead = async (folder: string, branch: string): Promise<void> => {
  const scratch = await mkdtemp(join(folder, 'head-'))
  await writeFile(join(scratch, 'HEAD'), `ref: refs/heads/${branch}\n`)
  await rename(join(scratch, 'HEAD'), join(folder, 'HEAD'))
  await rm(scratch, { recursive: true, force: true })
}

const isKind = (text: string): text is ObjectKind => ['commit', 'tree', 'blob', 'tag'].includes(text)

/** What an object id or a full reference stands for, and with `^{commit}` if it is one; `'unknown'` where only git can tell. */
const lookUpInFiles = async (folder: string, revision: string): Promise<ObjectInfo | undefined | 'unknown'> => {
  const name = revision.replace(/\^\{commit\}$/, '')
  if (name.startsWith('refs/') && !isReferenceName(name)) return 'unknown'
  const id = name.startsWith('refs/') ? await readReferenceFile(folder, name) : name
  if (id === undefined) return undefined
  const found = isObjectId(id) ? await lookUpLoose(folder, id.toLowerCase()) : undefined
  return found && (name === revision || found.kind === 'commit') ? found : 'unknown'
}

/** As many are looked for file by file; one git knows more than that better. */
const fewObjects = 8

/** What each revision stands for, `undefined` where there is nothing. Revisions are object ids, full references, or either with `^{commit}` or `:path`. */
export const lookUp = async (folder: string, revisions: readonly string[]): Promise<(ObjectInfo | undefined)[]> => {
  if (revisions.length === 0) return []
  if (revisions.length <= fewObjects) {
    const open = await Promise.all(revisions.map((revision) => lookUpInFiles(folder, revision)))
    if (open.every((found) => found !== 'unknown')) return open
  }
  const input = revisions.map((revision) => `${revision}\0`).join('')
  const output = await git([at(folder), 'cat-file', '--batch-check', '-z'], { input })
  let rest = output.toString('utf8')
  return revisions.map((revision) => {
    // What is missing repeats the question, which may hold line ends; answers about objects are one line.
    const missing = `${revision} missing\n`
    const end = rest.startsWith(missing) ? missing.length : rest.indexOf('\n') + 1
    const [id = '', kind = '', size = ''] = rest.slice(0, end).trimEnd().split(' ')
    rest = rest.slice(end)
    return /^[0-9a-f]{40}$/.test(id) && isKind(kind) ? { id, kind, size: Number(size) } : undefined
  })
}

/** The object's bytes. The id must be a full one that is known to be there. */
export const readObject = async (folder: string, kind: ObjectKind, id: string): Promise<Buffer> => {
  const found = await readLoose(folder, id)
  return found?.kind === kind ? found.bytes : git([at(folder), 'cat-file', kind, id])
}

/** Several commits' bytes at once, `undefined` for ids that are no commit. */
export const readCommits = async (folder: string, ids: readonly string[]): Promise<(Buffer | undefined)[]> => {
  if (ids.length === 0) return []
  if (ids.length <= fewObjects) {
    const open = await Promise.all(ids.map((id) => readLoose(folder, id)))
    if (open.every((found) => found !== undefined))
      return open.map(({ kind, bytes }) => (kind === 'commit' ? bytes : undefined))
  }
  const output = await git([at(folder), 'cat-file', '--batch'], { input: ids.map((id) => `${id}\n`).join('') })
  const found: (Buffer | undefined)[] = []
  for (let offset = 0, index = 0; index < ids.length; index++) {
    const end = output.indexOf('\n', offset)
    const [, kind, size] = output.toString('utf8', offset, end).split(' ')
    offset = end + 1
    if (size === undefined || !/^\d+$/.test(size)) {
      found.push(undefined)
      continue
    }
    const bytes = output.subarray(offset, offset + Number(size))
    found.push(kind === 'commit' ? bytes : undefined)
    offset += Number(size) + 1
  }
  return found
}

/** What references name, by full name; only names that begin with `prefix`. */
export const listReferences = async (folder: string, prefix: string): Promise<Map<string, string>> =>
  new Map(
    [...(await readReferenceFiles(folder))].flatMap(([name, { id }]) => (name.startsWith(prefix) ? [[name, id]] : [])),
  )

/** The object a reference names (a tag object for annotated tags); `undefined` when there is no such reference. */
export const readReference = readReferenceFile

/** Moves a reference if it still is at `from` (zeros: must not exist; `to` zeros: delete). Says whether it did. */
export const moveReference = async (
  folder: string,
  { reference, from, to }: { reference: string; from: string; to: string },
): Promise<boolean> => {
  const input = to === zeroId ? `delete ${reference}\0${from}\0` : `update ${reference}\0${to}\0${from}\0`
  const { code } = await runGit([at(folder), 'update-ref', '--stdin', '-z'], { input })
  return code === 0
}

export type TreeEntry = {
  /** Six octal digits: 100644, 100755, 120000 symbolic link, 040000 folder, 160000 submodule. */
  readonly mode: string
  readonly id: string
  readonly path: string
  /** Bytes, for blobs. */
  readonly size: number | undefined
}

const readEntries = (output: Buffer): TreeEntry[] =>
  output
    .toString('utf8')
    .split('\0')
    .filter(Boolean)
    .map((line) => {
      const tab = line.indexOf('\t')
      const [mode = '', , id = '', size = '-'] = line.slice(0, tab).split(/ +/)
      return { mode, id, path: line.slice(tab + 1), size: size === '-' ? undefined : Number(size) }
    })

/** The entries of one tree, not below it. */
export const listTree = async (folder: string, treeId: string): Promise<TreeEntry[]> =>
  readEntries(await git([at(folder), 'ls-tree', '-z', '-l', '--full-tree', '--', treeId]))

/** Every file below a tree-ish, by full path; sizes left out. */
export const listFiles = async (folder: string, treeish: string): Promise<TreeEntry[]> =>
  readEntries(await git([at(folder), 'ls-tree', '-r', '-z', '--full-tree', '--', treeish]))

/** The entry at a path of a commit. */
export const findEntry = async (folder: string, commitId: string, path: string): Promise<TreeEntry | undefined> =>
  readEntries(await git([at(folder), 'ls-tree', '-z', '-l', '--full-tree', '--', commitId, path])).find(
    (entry) => entry.path === path,
  )

export const writeObject = async (folder: string, kind: 'blob' | 'commit', bytes: Uint8Array): Promise<string> =>
  (await git([at(folder), 'hash-object', '-w', '-t', kind, '--stdin'], { input: bytes })).toString('utf8').trim()

/** The id of the empty file, which is there from now on. */
export const emptyBlob = (folder: string): Promise<string> => writeObject(folder, 'blob', new Uint8Array())

/** git's own housekeeping, if it is due, with git's own patience for what is unreachable. `looseObjects`: how many are too many. */
export const tidy = async (folder: string, looseObjects = 6700): Promise<void> => {
  await git([at(folder), '-c', `gc.auto=${looseObjects}`, '-c', 'gc.autoDetach=false', 'gc', '--auto', '--quiet'])
}
