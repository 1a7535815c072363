import type { DiffChange, DiffHunk } from '@aws-sdk/client-codecommit'
import { largestFile } from './files.ts'
import { git } from './git.ts'
import { isBinary } from './merge.ts'
import { isObjectId } from './names.ts'
import { emptyBlob, lookUp } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { getPage } from './page.ts'
import { databaseOf, getRepository } from './repositories.ts'

const mostContext = 20

/** Raises InvalidBlobIdException, BlobIdDoesNotExistException and FileTooLargeException (6 MB). */
const getBlob = async (folder: string, blobId: string) => {
  if (!isObjectId(blobId)) throw fail('InvalidBlobIdException', `The blob ID ${blobId} is not valid.`)
  const [blob] = await lookUp(folder, [blobId.toLowerCase()])
  if (blob?.kind !== 'blob') throw fail('BlobIdDoesNotExistException', `The blob ${blobId} does not exist.`)
  if (blob.size > largestFile) throw fail('FileTooLargeException', `The blob ${blobId} is larger than 6 MB.`)
  return blob
}

/** Reads git's unified format ("Generating patch text with -p", git-diff) line by line. */
export const readHunks = (output: string): DiffHunk[] => {
  const hunks: (DiffHunk & { changes: DiffChange[] })[] = []
  let [before, after] = [0, 0]
  for (const line of output.split('\n')) {
    const head = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line)
    if (head) {
      const [, beforeStart = '', beforeCount = '1', afterStart = '', afterCount = '1'] = head
      before = Number(beforeStart)
      after = Number(afterStart)
      hunks.push({
        beforeStartLine: before,
        beforeLineCount: Number(beforeCount),
        afterStartLine: after,
        afterLineCount: Number(afterCount),
        changes: [],
      })
      continue
    }
    const changes = hunks.at(-1)?.changes
    const content = line.slice(1)
    if (line.startsWith(' '))
      changes?.push({ type: 'CONTEXT', beforeLineNumber: before++, afterLineNumber: after++, content })
    else if (line.startsWith('-')) changes?.push({ type: 'DELETE', beforeLineNumber: before++, content })
    else if (line.startsWith('+')) changes?.push({ type: 'ADD', afterLineNumber: after++, content })
  }
  return hunks
}

/** Without a first blob everything is added. Raises the exceptions of blobs, InvalidMaxResultsException and InvalidContinuationTokenException. */
export const GetBlobDifferences: Operation<'GetBlobDifferences'> = async (ctx, input) => {
  const { beforeBlobId, contextLines = 3, MaxResults: maxResults, NextToken: nextToken } = input
  // AWS's published model does not know the operation, so nothing is required yet.
  if (!input.repositoryName) throw fail('RepositoryNameRequiredException', 'A repository name is required.')
  if (!input.afterBlobId) throw fail('BlobIdRequiredException', 'A blob ID is required.')
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  if (contextLines < 0 || contextLines > mostContext)
    throw fail('ValidationException', `contextLines must be between 0 and ${mostContext}.`)
  const folder = databaseOf(ctx, repository.id)
  const before = beforeBlobId === undefined ? undefined : await getBlob(folder, beforeBlobId)
  const after = await getBlob(folder, input.afterBlobId)
  const sizes = { beforeBlobSize: before?.size ?? 0, afterBlobSize: after.size }
  for (const blob of [before, after])
    if (blob && (await isBinary(folder, { mode: '100644', id: blob.id })))
      return { hunks: [], isBinary: true, ...sizes }
  const diff = ['diff', '--no-color', '--no-ext-diff', '--text', `-U${contextLines}`]
  const space = input.ignoreWhitespace ? ['--ignore-all-space'] : []
  const blobs = ['--end-of-options', before?.id ?? (await emptyBlob(folder)), after.id]
  const output = await git([`--git-dir=${folder}`, ...diff, ...space, ...blobs])
  const { page, ...list } = getPage(
    readHunks(output.toString('utf8')),
    { nextToken, maxResults },
    { usual: 100, most: 1000 },
  )
  return { hunks: page, isBinary: false, ...sizes, NextToken: list.nextToken }
}
