// What a commit made through the API does to the files of its parent: pure.

import { fail } from './operation.ts'

/** What is at a path. `mode` as git writes it. */
export type Entry = { readonly mode: string; readonly id: string }
export type Files = ReadonlyMap<string, Entry>

export type Change =
  /** `mode` absent: as it was, or a normal file. */
  | { readonly kind: 'put'; readonly path: string; readonly id: string; readonly mode?: string }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'mode'; readonly path: string; readonly mode: string }

export type Outcome = {
  readonly files: Files
  readonly added: readonly string[]
  readonly updated: readonly string[]
  readonly deleted: readonly string[]
}

const parentsOf = (path: string): string[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join('/'))

/**
 * Applies changes, each path at most once. Raises SamePathRequestException, FileDoesNotExistException for what is
 * deleted or whose mode is set, and the exceptions for a file where a folder is, a folder where a file is, and
 * submodules. `keepEmptyFolders` puts a `.gitkeep` where the last file of a folder goes.
 */
export const applyChanges = (before: Files, changes: readonly Change[], keepEmptyFolders: boolean): Outcome => {
  const after = new Map(before)
  const seen = new Set<string>()
  for (const { path } of changes) {
    if (seen.has(path)) throw fail('SamePathRequestException', `More than one change was requested for ${path}.`)
    seen.add(path)
  }
  for (const change of changes) {
    const present = before.get(change.path)
    if (present?.mode === '160000')
      throw fail('FilePathConflictsWithSubmodulePathException', `${change.path} is the path of a submodule.`)
    if (change.kind !== 'put' && !present)
      throw fail('FileDoesNotExistException', `The file ${change.path} does not exist.`)
    if (change.kind === 'delete') after.delete(change.path)
    else if (change.kind === 'mode' && present) after.set(change.path, { id: present.id, mode: change.mode })
    else if (change.kind === 'put')
      after.set(change.path, { id: change.id, mode: change.mode ?? present?.mode ?? '100644' })
  }
  if (keepEmptyFolders) for (const [path, entry] of keepFolders(after, before, changes)) after.set(path, entry)
  const folders = new Set([...after.keys()].flatMap(parentsOf))
  for (const change of changes) {
    if (change.kind !== 'put') continue
    if (folders.has(change.path))
      throw fail('FileNameConflictsWithDirectoryNameException', `${change.path} is the name of a folder.`)
    for (const parent of parentsOf(change.path)) {
      const obstacle = after.get(parent)
      if (obstacle?.mode === '160000')
        throw fail('FilePathConflictsWithSubmodulePathException', `${parent} is the path of a submodule.`)
      if (obstacle) throw fail('DirectoryNameConflictsWithFileNameException', `${parent} is the name of a file.`)
    }
  }
  const same = (a: Entry | undefined, b: Entry | undefined) => a?.id === b?.id && a?.mode === b?.mode
  return {
    files: after,
    added: [...after.keys()].filter((path) => !before.has(path)),
    updated: [...after.keys()].filter((path) => before.has(path) && !same(before.get(path), after.get(path))),
    deleted: [...before.keys()].filter((path) => !after.has(path)),
  }
}

/** git's empty file: what a `.gitkeep` holds. */
const emptyBlobId = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'

/** The files after some deletions, with a `.gitkeep` where the last file of a folder went. */
export const keepFolders = (after: Files, before: Files, changes: readonly Change[]): Files => {
  const kept = new Map(after)
  const folders = new Set([...after.keys()].flatMap(parentsOf))
  for (const { kind, path } of changes) {
    if (kind !== 'delete' || !before.has(path)) continue
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (!path.includes('/') || folders.has(parent)) continue
    kept.set(`${parent}/.gitkeep`, { id: emptyBlobId, mode: '100644' })
    for (const folder of [...parentsOf(parent), parent]) folders.add(folder)
  }
  return kept
}
