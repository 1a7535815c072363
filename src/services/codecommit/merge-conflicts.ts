// What stands against a merge, told before it is made.

import type {
  BatchDescribeMergeConflictsError,
  Conflict,
  ConflictMetadata,
  MergeHunk,
  ObjectTypeEnum,
} from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { getTips, type Specifiers } from './branch-merges.ts'
import type { Entry } from './changes.ts'
import { checkPath, fileMode, largestFile } from './files.ts'
import {
  conflictsOf,
  type Detail,
  detailOf,
  isBinary,
  isFastForward,
  type Merge,
  tryMerge,
  versionsAt,
} from './merge.ts'
import { linesOf, mergeHunks, wholeHunk } from './merge-hunks.ts'
import { findEntry, lookUp, readObject } from './object-database.ts'
import { changedLines, type Unmerged } from './object-merges.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'

const mostFiles = 1000
const mostHunks = 1000

/** Where a listing stands: the commits are in the token, so that pages agree although a branch may move between them. */
const writeToken = ({ source, destination }: Merge, token: string | undefined): string | undefined =>
  token === undefined ? undefined : `${source}.${destination}.${token}`

const begin = async (ctx: Ctx, input: Specifiers & { nextToken?: string | undefined }) => {
  const tips = await getTips(ctx, input)
  if (input.nextToken === undefined)
    return { merge: await tryMerge(tips.folder, tips.source, tips.destination), token: undefined }
  const [, source = '', destination = '', token] =
    /^([0-9a-f]{40})\.([0-9a-f]{40})\.([\w-]+)$/.exec(input.nextToken) ?? []
  const known = await lookUp(tips.folder, [source, destination].filter(Boolean))
  if (!token || known.some((object) => object?.kind !== 'commit')) throw invalidToken()
  return { merge: await tryMerge(tips.folder, source, destination), token }
}

const invalidToken = () => fail('InvalidContinuationTokenException', 'The specified continuation token is not valid.')

const page = <T>(items: readonly T[], token: string | undefined, size: number) => {
  const found = pageOf(items, token, size)
  if (!found) throw invalidToken()
  return found
}

const checkFiles = (count: number | undefined): number => {
  if (count !== undefined && (count < 1 || count > mostFiles))
    throw fail('InvalidMaxConflictFilesException', `The number of files must be between 1 and ${mostFiles}.`)
  return count ?? mostFiles
}

const checkHunks = (count: number | undefined): number => {
  if (count !== undefined && (count < 1 || count > mostHunks))
    throw fail('InvalidMaxMergeHunksException', `The number of merge hunks must be between 1 and ${mostHunks}.`)
  return count ?? mostHunks
}

const idsOf = ({ source, destination, base }: Merge) => ({
  sourceCommitId: source,
  destinationCommitId: destination,
  baseCommitId: base,
})

/** Conflicts that the strategy leaves to people. */
const leftOf = (merge: Merge, detail: Detail): Unmerged[] =>
  detail.strategy === 'NONE' || detail.strategy === 'AUTOMERGE' ? conflictsOf(merge, detail) : []

/** Which of the three ways of merging there are between two commits. */
export const GetMergeOptions: Operation<'GetMergeOptions'> = async (ctx, input) => {
  const { merge } = await begin(ctx, input)
  const clean = leftOf(merge, detailOf(input)).length === 0
  return {
    mergeOptions: [
      ...(isFastForward(merge) ? (['FAST_FORWARD_MERGE'] as const) : []),
      ...(clean ? (['SQUASH_MERGE', 'THREE_WAY_MERGE'] as const) : []),
    ],
    ...idsOf(merge),
  }
}

/** Raises InvalidMaxConflictFilesException and InvalidContinuationTokenException. */
export const GetMergeConflicts: Operation<'GetMergeConflicts'> = async (ctx, input) => {
  const size = checkFiles(input.maxConflictFiles)
  const { merge, token } = await begin(ctx, input)
  const detail = detailOf(input)
  const conflicts = leftOf(merge, detail)
  const { page: files, nextToken } = page(conflicts, token, size)
  const conflictMetadataList: ConflictMetadata[] = []
  for (const conflict of files) conflictMetadataList.push((await describe(merge, conflict, detail)).metadata)
  return {
    mergeable: input.mergeOption === 'FAST_FORWARD_MERGE' ? isFastForward(merge) : conflicts.length === 0,
    ...idsOf(merge),
    conflictMetadataList,
    nextToken: writeToken(merge, nextToken),
  }
}

/** Raises FileDoesNotExistException for a path that none of the commits has, InvalidMaxMergeHunksException, InvalidContinuationTokenException. */
export const DescribeMergeConflicts: Operation<'DescribeMergeConflicts'> = async (ctx, input) => {
  const size = checkHunks(input.maxMergeHunks)
  const path = checkPath(input.filePath)
  const { merge, token } = await begin(ctx, input)
  const { metadata, hunks } = await describe(merge, await getVersions(merge, path), detailOf(input))
  const { page: mergeHunks, nextToken } = page(hunks, token, size)
  return { conflictMetadata: metadata, mergeHunks, ...idsOf(merge), nextToken: writeToken(merge, nextToken) }
}

const getVersions = async (merge: Merge, path: string): Promise<Unmerged> => {
  const found = versionsAt(merge, path)
  if (found) return found
  // Neither side changed it: all three are the same.
  const entry = await findEntry(merge.folder, merge.destination, path)
  if (entry?.size === undefined) throw fail('FileDoesNotExistException', `The file ${path} does not exist.`)
  return { path, treePath: path, base: entry, source: entry, destination: entry }
}

/** Files that are not in conflict, or not there, are told among the errors when they are named. */
export const BatchDescribeMergeConflicts: Operation<'BatchDescribeMergeConflicts'> = async (ctx, input) => {
  const files = checkFiles(input.maxConflictFiles)
  const hunks = checkHunks(input.maxMergeHunks)
  const { merge, token } = await begin(ctx, input)
  const detail = detailOf(input)
  const all = conflictsOf(merge, detail)
  const named = input.filePaths && new Set(input.filePaths.map((path) => checkPath(path)))
  const errors: BatchDescribeMergeConflictsError[] = [...(named ?? [])]
    .filter((path) => !all.some((conflict) => conflict.path === path))
    .map((filePath) => ({
      filePath,
      exceptionName: 'FileDoesNotExistException',
      message: `There is no conflict in ${filePath}.`,
    }))
  const wanted = all.filter(({ path }) => !named || named.has(path))
  const { page: chosen, nextToken } = page(wanted, token, files)
  const conflicts: Conflict[] = []
  for (const conflict of chosen) {
    const described = await describe(merge, conflict, detail)
    conflicts.push({ conflictMetadata: described.metadata, mergeHunks: described.hunks.slice(0, hunks) })
  }
  return { conflicts, errors, ...idsOf(merge), nextToken: writeToken(merge, nextToken) }
}

const typeOf = (mode: string): ObjectTypeEnum =>
  mode === '040000' ? 'DIRECTORY' : mode === '160000' ? 'GIT_LINK' : mode === '120000' ? 'SYMBOLIC_LINK' : 'FILE'

const names = ['source', 'destination', 'base'] as const
type Side = (typeof names)[number]

/** A value for each of the three versions; nothing where there is no such version. */
const eachSide = async <T>(
  versions: Readonly<Record<Side, Entry | undefined>>,
  value: (entry: Entry) => Promise<T> | T,
): Promise<Partial<Record<Side, T>>> => {
  const values: Partial<Record<Side, T>> = {}
  for (const name of names) {
    const entry = versions[name]
    if (entry) values[name] = await value(entry)
  }
  return values
}

const isFile = ({ mode }: Entry): boolean => mode !== '160000' && mode !== '040000'

const describe = async (
  merge: Merge,
  conflict: Unmerged,
  detail: Detail,
): Promise<{ metadata: ConflictMetadata; hunks: MergeHunk[] }> => {
  const { folder } = merge
  const { path } = conflict
  const versions = await withFolders(merge, conflict)
  const { source, destination, base } = versions
  const inConflict = conflictsOf(merge, detail).some((one) => one.path === path)
  const sizes = await eachSide(versions, async (entry) =>
    isFile(entry) ? ((await lookUp(folder, [entry.id]))[0]?.size ?? 0) : 0,
  )
  const binary = await eachSide(versions, (entry) => (isFile(entry) ? isBinary(folder, entry) : false))
  const types = await eachSide(versions, ({ mode }) => typeOf(mode))
  const objectTypeConflict =
    inConflict && source !== undefined && destination !== undefined && types.source !== types.destination
  const contentConflict = inConflict && !objectTypeConflict && source?.id !== destination?.id
  const modes = [source?.mode, destination?.mode, base?.mode]
  const fileModeConflict =
    inConflict &&
    !objectTypeConflict &&
    source !== undefined &&
    destination !== undefined &&
    new Set(modes).size === modes.length
  const hunks = Object.values(binary).some(Boolean) ? [] : await hunksOf(merge, versions, sizes, detail, inConflict)
  const lines = hunks.filter(({ isConflict }) => isConflict).length
  const operation = (entry: Entry | undefined) => (base ? (entry ? 'M' : 'D') : entry ? 'A' : undefined)
  return {
    metadata: {
      filePath: path,
      fileSizes: sizes,
      fileModes: await eachSide(versions, ({ mode }) => fileMode(mode)),
      objectTypes: types,
      isBinaryFile: binary,
      contentConflict,
      fileModeConflict,
      objectTypeConflict,
      numberOfConflicts:
        (contentConflict ? Math.max(1, lines) : 0) + Number(fileModeConflict) + Number(objectTypeConflict),
      mergeOperations: { source: operation(source), destination: operation(destination) },
    },
    hunks,
  }
}

/** Where one side has a file, the other may have a folder of that name. */
const withFolders = async (merge: Merge, { path, base, source, destination }: Unmerged) => {
  if (source && destination) return { base, source, destination }
  const commits = [merge.source, merge.destination]
  const [atSource, atDestination] = await lookUp(
    merge.folder,
    commits.map((commit) => `${commit}:${path}`),
  )
  const folderOf = (object: typeof atSource): Entry | undefined =>
    object?.kind === 'tree' ? { mode: '040000', id: object.id } : undefined
  return { base, source: source ?? folderOf(atSource), destination: destination ?? folderOf(atDestination) }
}

/** A conflict of whole files is one hunk; by lines there is one for each place that differs from the base. */
const hunksOf = async (
  { folder }: Merge,
  versions: Readonly<Record<Side, Entry | undefined>>,
  sizes: Partial<Record<Side, number>>,
  { level, strategy }: Detail,
  inConflict: boolean,
): Promise<MergeHunk[]> => {
  const { base, source, destination } = versions
  if (Object.values(versions).some((entry) => entry && !isFile(entry))) return []
  if (Object.values(sizes).some((size) => size > largestFile))
    throw fail('MaximumFileContentToLoadExceededException', 'The file is larger than 6 MB.')
  const texts = await eachSide(versions, ({ id }) => readObject(folder, 'blob', id))
  const byLines = level === 'LINE_LEVEL' || strategy === 'AUTOMERGE' || !inConflict
  if (!byLines || !source || !destination) return inConflict ? [wholeHunk(texts)] : []
  const version = async (side: 'source' | 'destination', { id }: Entry) => ({
    lines: linesOf(texts[side] ?? Buffer.alloc(0)),
    changes: await changedLines(folder, base?.id, id),
  })
  return mergeHunks(
    linesOf(texts.base ?? Buffer.alloc(0)),
    await version('source', source),
    await version('destination', destination),
  )
}
