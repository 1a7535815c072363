import type { BlobMetadata, ChangeTypeEnum, Difference } from '@aws-sdk/client-codecommit'
import { checkPath } from './files.ts'
import { emptyTreeId, git, zeroId } from './git.ts'
import type { ObjectInfo } from './git-files.ts'
import { lookUp } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { databaseOf, getRepository } from './repositories.ts'
import { getCommitId } from './specifiers.ts'

const pageSize = 100

/** Where a listing stands. The commits are in it, so that pages agree although a branch may move between them. */
type Cursor = { readonly before: string; readonly after: string; readonly offset: number }

const writeCursor = ({ before, after, offset }: Cursor): string =>
  Buffer.from(`${before}:${after}:${offset}`).toString('base64url')

const readCursor = (token: string): Cursor => {
  const match = /^([0-9a-f]{40}):([0-9a-f]{40}):(\d{1,9})$/.exec(Buffer.from(token, 'base64url').toString('latin1'))
  if (!match) throw fail('InvalidContinuationTokenException', 'The specified continuation token is not valid.')
  const [, before = '', after = '', offset = ''] = match
  return { before, after, offset: Number(offset) }
}

/** Reads `git diff-tree -r -z` (git-diff, "Raw output format") into CodeCommit's words; paths are given their folder back. */
export const readDifferences = (output: string, folders: { before: string; after: string }): Difference[] => {
  const fields = output.split('\0')
  const differences: Difference[] = []
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [beforeMode = '', afterMode = '', beforeId = '', afterId = ''] = (fields[index] ?? '').slice(1).split(' ')
    const path = fields[index + 1] ?? ''
    const side = (blobId: string, mode: string, folder: string): BlobMetadata | undefined =>
      blobId === zeroId ? undefined : { blobId, mode, path: `${folder}${path}` }
    const beforeBlob = side(beforeId, beforeMode, folders.before)
    const afterBlob = side(afterId, afterMode, folders.after)
    const changeType: ChangeTypeEnum = beforeBlob === undefined ? 'A' : afterBlob === undefined ? 'D' : 'M'
    differences.push({ ...(beforeBlob ? { beforeBlob } : {}), ...(afterBlob ? { afterBlob } : {}), changeType })
  }
  return differences
}

/**
 * Differences between two commits, file by file, in path order; without a first commit everything is an addition.
 * Paths limit it to a file or folder, which may have had another name before. Raises PathDoesNotExistException when
 * neither side has the path, InvalidMaxResultsException, InvalidContinuationTokenException and those of specifiers.
 */
export const GetDifferences: Operation<'GetDifferences'> = async (ctx, input) => {
  const { beforeCommitSpecifier, afterCommitSpecifier, MaxResults = pageSize, NextToken } = input
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  if (MaxResults < 1) throw fail('InvalidMaxResultsException', 'The maximum number of results must be at least 1.')
  const folder = databaseOf(ctx, repository.id)
  const cursor: Cursor =
    NextToken === undefined
      ? {
          before:
            beforeCommitSpecifier === undefined
              ? emptyTreeId
              : await getCommitId(ctx, repository, beforeCommitSpecifier),
          after: await getCommitId(ctx, repository, afterCommitSpecifier),
          offset: 0,
        }
      : readCursor(NextToken)
  const beforePath = checkPath(input.beforePath ?? input.afterPath ?? '', { root: true })
  const afterPath = checkPath(input.afterPath ?? input.beforePath ?? '', { root: true })
  const [before, after] = await lookUp(folder, [
    cursor.before === emptyTreeId ? `${emptyTreeId}^{tree}` : `${cursor.before}:${beforePath}`,
    `${cursor.after}:${afterPath}`,
  ])
  const found = cursor.before === emptyTreeId && beforePath !== '' ? undefined : before
  if (!found && !after)
    throw fail('PathDoesNotExistException', `The path ${afterPath} does not exist in either commit.`)
  const all = await compare(folder, { before: found, after, beforePath, afterPath }, cursor)
  const end = cursor.offset + MaxResults
  return {
    differences: all.slice(cursor.offset, end),
    NextToken: end < all.length ? writeCursor({ ...cursor, offset: end }) : undefined,
  }
}

type Sides = { before?: ObjectInfo; after?: ObjectInfo; beforePath: string; afterPath: string }

const compare = async (folder: string, sides: { [K in keyof Sides]: Sides[K] | undefined }, cursor: Cursor) => {
  const { before, after, beforePath = '', afterPath = '' } = sides
  const diff = ['diff-tree', '-r', '-z', '--no-renames', '--end-of-options']
  const run = async (...args: string[]) => (await git([`--git-dir=${folder}`, ...diff, ...args])).toString('utf8')
  const isFolder = (side: ObjectInfo | undefined) => side === undefined || side.kind === 'tree'
  if (isFolder(before) && isFolder(after)) {
    const prefix = (path: string) => (path === '' ? '' : `${path}/`)
    const output = await run(before?.id ?? emptyTreeId, after?.id ?? emptyTreeId)
    return readDifferences(output, { before: prefix(beforePath), after: prefix(afterPath) })
  }
  // A file on one side at least: the two paths as git sees them in their commits, put side by side.
  const [old] = readDifferences(await run(emptyTreeId, cursor.before, '--', beforePath), { before: '', after: '' })
  const [present] = readDifferences(await run(emptyTreeId, cursor.after, '--', afterPath), { before: '', after: '' })
  const [beforeBlob, afterBlob] = [old?.afterBlob, present?.afterBlob]
  if (beforeBlob?.blobId === afterBlob?.blobId && beforeBlob?.mode === afterBlob?.mode) return []
  const changeType: ChangeTypeEnum = beforeBlob === undefined ? 'A' : afterBlob === undefined ? 'D' : 'M'
  return [{ ...(beforeBlob ? { beforeBlob } : {}), ...(afterBlob ? { afterBlob } : {}), changeType }]
}
