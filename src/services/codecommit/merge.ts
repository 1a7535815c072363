// What comes of merging one commit into another: its conflicts, and the tree once they are resolved.

import type {
  ConflictDetailLevelTypeEnum,
  ConflictResolution,
  ConflictResolutionStrategyTypeEnum,
} from '@aws-sdk/client-codecommit'
import { type Change, type Entry, type Files, keepFolders } from './changes.ts'
import { checkPath, modeOf } from './files.ts'
import { outputOf } from './git.ts'
import { emptyBlob, listFiles, writeObject } from './object-database.ts'
import {
  type Both,
  changesBetween,
  editTree,
  mergeBase,
  mergeLines,
  mergeTrees,
  type Unmerged,
} from './object-merges.ts'
import { fail } from './operation.ts'

export type Detail = {
  /** FILE_LEVEL unless told: a file that both sides changed is in conflict, whichever its lines. */
  readonly level: ConflictDetailLevelTypeEnum
  /** NONE unless told. */
  readonly strategy: ConflictResolutionStrategyTypeEnum
}

export const detailOf = (input: {
  conflictDetailLevel?: ConflictDetailLevelTypeEnum | undefined
  conflictResolutionStrategy?: ConflictResolutionStrategyTypeEnum | undefined
}): Detail => ({
  level: input.conflictDetailLevel ?? 'FILE_LEVEL',
  strategy: input.conflictResolutionStrategy ?? 'NONE',
})

export type Merge = {
  readonly folder: string
  /** Commit ids. */
  readonly source: string
  readonly destination: string
  readonly base: string | undefined
  /** The tree as git merges it, conflicts and all. */
  readonly tree: string
  /** What git itself cannot merge, by path. */
  readonly unmerged: ReadonlyMap<string, Unmerged>
  /** What either side changed since the base, by path. */
  readonly changes: { readonly source: ReadonlyMap<string, Both>; readonly destination: ReadonlyMap<string, Both> }
}

export const tryMerge = async (folder: string, source: string, destination: string): Promise<Merge> => {
  const base = await mergeBase(folder, source, destination)
  const { tree, unmerged } = await mergeTrees(folder, { source, destination })
  const changes = {
    source: await changesBetween(folder, base, source),
    destination: await changesBetween(folder, base, destination),
  }
  return { folder, source, destination, base, tree, changes, unmerged: new Map(unmerged.map((one) => [one.path, one])) }
}

/** Whether the source only adds commits to the destination. */
export const isFastForward = ({ base, destination }: Merge): boolean => base === destination

const same = (a: Entry | undefined, b: Entry | undefined): boolean => a?.id === b?.id && a?.mode === b?.mode

/** A path as either side has it, whether in conflict or not; `undefined` when neither changed it. */
export const versionsAt = ({ unmerged, changes }: Merge, path: string): Unmerged | undefined => {
  const known = unmerged.get(path)
  if (known) return known
  const [source, destination] = [changes.source.get(path), changes.destination.get(path)]
  const one = source ?? destination
  if (!one) return undefined
  return {
    path,
    treePath: path,
    base: one.before,
    source: source ? source.after : one.before,
    destination: destination ? destination.after : one.before,
  }
}

/**
 * What stands against the merge, in path order, before any side is preferred. Automatic merging goes by lines, whatever
 * the level.
 */
export const conflictsOf = (merge: Merge, { level, strategy }: Detail): Unmerged[] => {
  const found = new Map(merge.unmerged)
  if (level === 'FILE_LEVEL' && strategy !== 'AUTOMERGE')
    for (const [path, source] of merge.changes.source) {
      const destination = merge.changes.destination.get(path)
      if (!destination || found.has(path) || same(source.after, destination.after)) continue
      const versions = versionsAt(merge, path)
      if (versions) found.set(path, versions)
    }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Quotas in CodeCommit name none; as many as a commit's files. */
const mostResolutions = 100

/**
 * The tree of the merge with every conflict resolved by the strategy or the resolutions given. Raises
 * ManualMergeRequiredException for a conflict that is not, and the exceptions of resolutions.
 */
export const mergedTree = async (
  merge: Merge,
  detail: Detail,
  {
    conflictResolution: resolution,
    keepEmptyFolders = false,
  }: { conflictResolution?: ConflictResolution | undefined; keepEmptyFolders?: boolean | undefined },
): Promise<string> => {
  const conflicts = conflictsOf(merge, detail)
  const resolve =
    detail.strategy === 'AUTOMERGE' ? await byResolutions(merge, conflicts, resolution ?? {}) : bySide(merge, detail)
  if (
    detail.strategy !== 'AUTOMERGE' &&
    resolution &&
    Object.values(resolution).some((list) => (list?.length ?? 0) > 0)
  )
    throw fail('InvalidConflictResolutionException', 'Resolutions are for the strategy AUTOMERGE only.')
  const edits = new Map<string, Entry | undefined>()
  const merged = conflicts.length > 0 ? await listFiles(merge.folder, merge.tree) : []
  for (const conflict of conflicts) {
    const entry = await resolve(conflict)
    edits.set(conflict.treePath, undefined)
    if (!entry) {
      if (merged.some(({ path }) => path === conflict.path)) edits.set(conflict.path, undefined)
      continue
    }
    for (const { path } of merged) if (path.startsWith(`${conflict.path}/`)) edits.set(path, undefined)
    edits.set(conflict.path, entry)
  }
  const tree = edits.size === 0 ? merge.tree : await editTree(merge.folder, merge.tree, edits)
  return keepEmptyFolders ? await withFolders(merge, tree) : tree
}

type Resolve = (conflict: Unmerged) => Promise<Entry | undefined>

const manual = (path: string) =>
  fail('ManualMergeRequiredException', `The merge has a conflict in ${path} and must be done by hand.`)

const isText = async (folder: string, entry: Entry): Promise<boolean> =>
  entry.mode.startsWith('100') && !(await isBinary(folder, entry))

/** As git judges it: a zero byte among the first eight thousand. */
export const isBinary = async (folder: string, { mode, id }: Entry): Promise<boolean> => {
  if (mode === '160000') return false
  let seen = 0
  for await (const chunk of outputOf([`--git-dir=${folder}`, 'cat-file', 'blob', id])) {
    if (chunk.subarray(0, 8000 - seen).includes(0)) return true
    seen += chunk.length
    if (seen >= 8000) return false
  }
  return false
}

const bySide = ({ folder }: Merge, { level, strategy }: Detail): Resolve => {
  if (strategy === 'NONE')
    return async ({ path }) => {
      throw manual(path)
    }
  const winner = strategy === 'ACCEPT_SOURCE' ? 'source' : 'destination'
  return async ({ base, source, destination }) => {
    const entry = { source, destination }[winner]
    if (level === 'FILE_LEVEL' || !source || !destination || !entry) return entry
    const texts = await Promise.all([base ?? source, source, destination].map((version) => isText(folder, version)))
    if (!texts.every(Boolean)) return entry
    const versions = { base: base?.id, source: source.id, destination: destination.id }
    return { mode: entry.mode, id: await writeObject(folder, 'blob', await mergeLines(folder, versions, winner)) }
  }
}

/** Reads resolutions, at most one for each conflict and none for what is no conflict. */
const byResolutions = async (
  { folder }: Merge,
  conflicts: readonly Unmerged[],
  { replaceContents = [], deleteFiles = [], setFileModes = [] }: ConflictResolution,
): Promise<Resolve> => {
  const known = new Set(conflicts.map(({ path }) => path))
  if (replaceContents.length + deleteFiles.length + setFileModes.length > mostResolutions)
    throw fail(
      'MaximumConflictResolutionEntriesExceededException',
      `A merge can have at most ${mostResolutions} resolutions of conflicts.`,
    )
  const pathOf = (text: string | undefined): string => {
    const path = checkPath(text ?? '')
    if (!known.has(path))
      throw fail('InvalidConflictResolutionException', `There is no conflict in ${path} to be resolved.`)
    return path
  }
  const once = <T>(into: Map<string, T>, path: string, value: T) => {
    if (into.has(path))
      throw fail('MultipleConflictResolutionEntriesException', `There is more than one resolution for ${path}.`)
    into.set(path, value)
  }
  const contents = new Map<string, NonNullable<typeof replaceContents>[number] | undefined>()
  const modes = new Map<string, string>()
  for (const entry of replaceContents) {
    const { replacementType, content } = entry
    if (replacementType === 'USE_NEW_CONTENT' && content === undefined)
      throw fail('ReplacementContentRequiredException', `New content for ${entry.filePath} is required.`)
    if (replacementType !== 'USE_NEW_CONTENT' && content !== undefined)
      throw fail('InvalidReplacementContentException', `Content for ${entry.filePath} goes with USE_NEW_CONTENT only.`)
    once(contents, pathOf(entry.filePath), entry)
    if (entry.fileMode) once(modes, pathOf(entry.filePath), modeOf[entry.fileMode])
  }
  for (const { filePath } of deleteFiles) once(contents, pathOf(filePath), undefined)
  for (const { filePath, fileMode } of setFileModes) if (fileMode) once(modes, pathOf(filePath), modeOf[fileMode])
  return async (conflict) => {
    const { path, base, source, destination } = conflict
    if (!contents.has(path) && !modes.has(path)) throw manual(path)
    const replacement = contents.get(path)
    if (contents.has(path) && !replacement) return undefined
    // A mode alone resolves a conflict that is about nothing else.
    if (!replacement && source?.id !== destination?.id) throw manual(path)
    const kept = { KEEP_BASE: base, KEEP_SOURCE: source, KEEP_DESTINATION: destination }
    const type = replacement?.replacementType ?? 'KEEP_SOURCE'
    if (type !== 'USE_NEW_CONTENT') {
      const entry = kept[type]
      return entry && { id: entry.id, mode: modes.get(path) ?? entry.mode }
    }
    const id = await writeObject(folder, 'blob', replacement?.content ?? new Uint8Array())
    return { id, mode: modes.get(path) ?? destination?.mode ?? source?.mode ?? modeOf.NORMAL }
  }
}

/** Puts a `.gitkeep` where the last file of one of the destination's folders goes. */
const withFolders = async ({ folder, destination }: Merge, tree: string): Promise<string> => {
  const filesOf = async (treeish: string): Promise<Files> =>
    new Map((await listFiles(folder, treeish)).map(({ path, mode, id }) => [path, { mode, id }]))
  const [before, after] = [await filesOf(destination), await filesOf(tree)]
  const deleted = [...before.keys()].filter((path) => !after.has(path))
  const kept = keepFolders(
    after,
    before,
    deleted.map((path): Change => ({ kind: 'delete', path })),
  )
  const added = [...kept].filter(([path]) => !after.has(path))
  if (added.length === 0) return tree
  await emptyBlob(folder)
  return editTree(folder, tree, new Map(added))
}
