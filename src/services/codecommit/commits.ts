import type { BatchGetCommitsError, Commit } from '@aws-sdk/client-codecommit'
import { readCommitObject } from './commit-object.ts'
import { isObjectId } from './names.ts'
import { readCommits } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { databaseOf, getRepository } from './repositories.ts'

/** Takes a full commit id only. Raises InvalidCommitIdException and CommitIdDoesNotExistException. */
export const GetCommit: Operation<'GetCommit'> = async (ctx, { repositoryName, commitId }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  if (!isObjectId(commitId)) throw fail('InvalidCommitIdException', `The commit ID ${commitId} is not valid.`)
  const id = commitId.toLowerCase()
  const [bytes] = await readCommits(databaseOf(ctx, repository.id), [id])
  if (!bytes) throw fail('CommitIdDoesNotExistException', `The commit ${commitId} does not exist.`)
  return { commit: readCommitObject(id, bytes) }
}

const mostCommits = 100

/** Ids that are not valid or not there are told beside those found. Raises CommitIdsLimitExceededException. */
export const BatchGetCommits: Operation<'BatchGetCommits'> = async (ctx, { repositoryName, commitIds }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  if (commitIds.length === 0) throw fail('CommitIdsListRequiredException', 'A list of commit IDs is required.')
  if (commitIds.length > mostCommits)
    throw fail('CommitIdsLimitExceededException', `The maximum number of commit IDs is ${mostCommits}.`)
  const valid = commitIds.filter(isObjectId).map((id) => id.toLowerCase())
  const objects = await readCommits(databaseOf(ctx, repository.id), valid)
  const found = new Map(valid.map((id, index) => [id, objects[index]]))
  const commits: Commit[] = []
  const errors: BatchGetCommitsError[] = []
  for (const commitId of commitIds) {
    const bytes = found.get(commitId.toLowerCase())
    if (bytes) commits.push(readCommitObject(commitId.toLowerCase(), bytes))
    else
      errors.push(
        isObjectId(commitId)
          ? {
              commitId,
              errorCode: 'CommitIdDoesNotExistException',
              errorMessage: `The commit ${commitId} does not exist.`,
            }
          : {
              commitId,
              errorCode: 'InvalidCommitIdException',
              errorMessage: `The commit ID ${commitId} is not valid.`,
            },
      )
  }
  return { commits, errors }
}
