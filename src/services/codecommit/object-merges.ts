// Merges of commits and trees by the system's git, without a work tree. Pure of rows: every function takes the folder.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry } from './changes.ts'
import { emptyTreeId, git, runGit, zeroId } from './git.ts'
import { emptyBlob, readObject } from './object-database.ts'

const at = (folder: string): string => `--git-dir=${folder}`

/** The best commit that both have in common; `undefined` for histories that are strangers to each other. */
export const mergeBase = async (folder: string, a: string, b: string): Promise<string | undefined> => {
  const { code, stdout, stderr } = await runGit([at(folder), 'merge-base', '--end-of-options', a, b])
  if (code > 1) throw new Error(`git merge-base ended with ${code}: ${stderr}`)
  return stdout.toString('latin1').trim() || undefined
}

export type Both = { readonly before: Entry | undefined; readonly after: Entry | undefined }

/** What differs between two commits (all of the second, when there is no first), file by file. */
export const changesBetween = async (
  folder: string,
  before: string | undefined,
  after: string,
): Promise<Map<string, Both>> => {
  const diff = ['diff-tree', '-r', '-z', '--no-renames', '--no-commit-id', '--end-of-options']
  const output = await git([at(folder), ...diff, before ?? emptyTreeId, after])
  const fields = output.toString('utf8').split('\0')
  const changes = new Map<string, Both>()
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [oldMode = '', mode = '', oldId = '', id = ''] = (fields[index] ?? '').slice(1).split(' ')
    changes.set(fields[index + 1] ?? '', {
      before: oldId === zeroId ? undefined : { mode: oldMode, id: oldId },
      after: id === zeroId ? undefined : { mode, id },
    })
  }
  return changes
}

/** What git could not merge at a path. `treePath`: where the merged tree has it, when that is not its own path. */
export type Unmerged = {
  readonly path: string
  readonly treePath: string
  readonly base: Entry | undefined
  readonly destination: Entry | undefined
  readonly source: Entry | undefined
}

/** The tree of a merge as `git merge` would make it (renames followed), and what is in conflict in it. */
export const mergeTrees = async (
  folder: string,
  { destination, source }: { destination: string; source: string },
): Promise<{ tree: string; unmerged: Unmerged[] }> => {
  const { code, stdout, stderr } = await runGit([
    at(folder),
    'merge-tree',
    '--write-tree',
    '-z',
    '--no-messages',
    '--allow-unrelated-histories',
    destination,
    source,
  ])
  if (code > 1 || code < 0) throw new Error(`git merge-tree ended with ${code}: ${stderr}`)
  const [tree = '', ...lines] = stdout.toString('utf8').split('\0').filter(Boolean)
  const found = new Map<string, Record<string, Entry>>()
  for (const line of lines) {
    const tab = line.indexOf('\t')
    const [mode = '', id = '', stage = ''] = line.slice(0, tab).split(' ')
    const path = line.slice(tab + 1)
    found.set(path, { ...found.get(path), [stage]: { mode, id } })
  }
  // A file where the other side has a folder is put beside it, under a name with the commit's id.
  const beside = new RegExp(`~(${destination}|${source})(_\\d+)?$`)
  const unmerged = [...found].map(
    ([treePath, stages]): Unmerged => ({
      path: treePath.replace(beside, ''),
      treePath,
      base: stages['1'],
      destination: stages['2'],
      source: stages['3'],
    }),
  )
  if (code === 1 && unmerged.length === 0) throw new Error('git merge-tree found a conflict and did not say where.')
  return { tree, unmerged }
}

/** A tree with some paths set or (`undefined`) taken away. No tree: an empty one is the beginning. */
export const editTree = async (
  folder: string,
  tree: string | undefined,
  edits: ReadonlyMap<string, Entry | undefined>,
): Promise<string> => {
  const scratch = await mkdtemp(join(folder, 'index-'))
  try {
    const env = { GIT_INDEX_FILE: join(scratch, 'index') }
    if (tree !== undefined) await git([at(folder), 'read-tree', '--', tree], { env })
    const line = ([path, entry]: [string, Entry | undefined]) =>
      `${entry?.mode ?? '0'} ${entry?.id ?? zeroId}\t${path}\0`
    // Removals first, so that a folder may take the place of a file.
    const input = [...edits].sort(([, a], [, b]) => Number(a !== undefined) - Number(b !== undefined)).map(line)
    await git([at(folder), 'update-index', '-z', '--index-info'], { env, input: input.join('') })
    return (await git([at(folder), 'write-tree'], { env })).toString('utf8').trim()
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Merges three versions of a text line by line; where both sides changed the same lines, one of them wins. */
export const mergeLines = async (
  folder: string,
  versions: { base: string | undefined; destination: string; source: string },
  winner: 'source' | 'destination',
): Promise<Buffer> => {
  const scratch = await mkdtemp(join(folder, 'merge-'))
  try {
    const files = { base: join(scratch, 'base'), destination: join(scratch, 'ours'), source: join(scratch, 'theirs') }
    await writeFile(files.base, versions.base ? await readObject(folder, 'blob', versions.base) : '')
    await writeFile(files.destination, await readObject(folder, 'blob', versions.destination))
    await writeFile(files.source, await readObject(folder, 'blob', versions.source))
    const favour = winner === 'source' ? '--theirs' : '--ours'
    await git(['merge-file', '--quiet', favour, files.destination, files.base, files.source])
    return await readFile(files.destination)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Lines of the first text that stand otherwise in the second. Line numbers count from 0, ends are exclusive. */
export type LineChange = {
  readonly start: number
  readonly end: number
  readonly newStart: number
  readonly newEnd: number
}

/** How git sees one text become another: the changes that merging goes by. `undefined`: the empty file. */
export const changedLines = async (
  folder: string,
  before: string | undefined,
  after: string,
): Promise<LineChange[]> => {
  const diff = ['diff', '--no-color', '--no-ext-diff', '--text', '--histogram', '-U0', '--end-of-options']
  const output = (await git([at(folder), ...diff, before ?? (await emptyBlob(folder)), after])).toString('latin1')
  return [...output.matchAll(/^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/gm)].map(
    ([, start = '', count = '1', newStart = '', newCount = '1']) => {
      // Of nothing, git names the line before it.
      const from = (line: string, length: string) => Number(line) - (length === '0' ? 0 : 1)
      return {
        start: from(start, count),
        end: from(start, count) + Number(count),
        newStart: from(newStart, newCount),
        newEnd: from(newStart, newCount) + Number(newCount),
      }
    },
  )
}
