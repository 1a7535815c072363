import type { MergeOptionTypeEnum } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { evaluate } from './approval-rules.ts'
import { callerOf } from './events.ts'
import { checkMergeInput, type MergeInput, mergeInto } from './merge-commits.ts'
import { isObjectId } from './names.ts'
import { readReference } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { getOpenPullRequest, getPullRequest, toPullRequest } from './pull-request.ts'
import { followOne } from './pull-request-branches.ts'
import { databaseOf, getRepository } from './repositories.ts'

type PullRequestInput = MergeInput & {
  readonly pullRequestId: string
  readonly repositoryName: string
  readonly sourceCommitId?: string | undefined
}

/** The open pull request as its branches are now. */
const getPresent = async (ctx: Ctx, { pullRequestId, repositoryName, sourceCommitId }: PullRequestInput) => {
  const { pullRequest, repository } = await ctx.read(async (tx) => {
    const found = await getOpenPullRequest(tx, pullRequestId)
    const named = await getRepository(tx, repositoryName)
    if (named.id !== found.repository.id)
      throw fail(
        'RepositoryNotAssociatedWithPullRequestException',
        `The pull request ${pullRequestId} is not in the repository ${repositoryName}.`,
      )
    return found
  })
  const folder = databaseOf(ctx, repository.id)
  for (const reference of [pullRequest.source, pullRequest.destination])
    if (!(await readReference(folder, reference)))
      throw fail('ReferenceDoesNotExistException', `The reference ${reference} does not exist.`)
  // A push whose announcement is still to come has moved the branch all the same.
  await followOne(ctx, repository.id, pullRequest, { caller: callerOf(ctx) })
  return ctx.read(async (tx) => {
    const present = await getOpenPullRequest(tx, pullRequestId)
    if (sourceCommitId !== undefined && sourceCommitId.toLowerCase() !== present.pullRequest.sourceCommit)
      throw fail(
        'TipOfSourceReferenceIsDifferentException',
        `The tip of ${present.pullRequest.source} is not ${sourceCommitId}.`,
      )
    const { approved, approvalRulesNotSatisfied } = await evaluate(tx, present.pullRequest)
    if (!approved)
      throw fail(
        'PullRequestApprovalRulesNotSatisfiedException',
        `Approval rules of the pull request are not satisfied: ${approvalRulesNotSatisfied.join(', ')}.`,
      )
    return present
  })
}

const mergePullRequest = (option: MergeOptionTypeEnum) => async (ctx: Ctx, input: PullRequestInput) => {
  const { pullRequestId, sourceCommitId } = input
  checkMergeInput(input)
  if (sourceCommitId !== undefined && !isObjectId(sourceCommitId))
    throw fail('InvalidCommitIdException', `The commit ID ${sourceCommitId} is not valid.`)
  const { pullRequest, repository } = await getPresent(ctx, input)
  const tips = { source: pullRequest.sourceCommit, destination: pullRequest.destinationCommit }
  await mergeInto(ctx, repository, pullRequest.destination, tips, option, input, pullRequestId)
  const merged = await ctx.read((tx) => getPullRequest(tx, pullRequestId))
  return { pullRequest: toPullRequest(merged.pullRequest, merged.repository) }
}

/**
 * Moves the destination to the source's tip and closes the pull request. Raises
 * PullRequestApprovalRulesNotSatisfiedException, TipOfSourceReferenceIsDifferentException, ManualMergeRequiredException,
 * ConcurrentReferenceUpdateException and PullRequestAlreadyClosedException.
 */
export const MergePullRequestByFastForward: Operation<'MergePullRequestByFastForward'> =
  mergePullRequest('FAST_FORWARD_MERGE')
/** One commit with all the changes; otherwise as by fast-forward. */
export const MergePullRequestBySquash: Operation<'MergePullRequestBySquash'> = mergePullRequest('SQUASH_MERGE')
/** A commit with both tips for parents; otherwise as by fast-forward. */
export const MergePullRequestByThreeWay: Operation<'MergePullRequestByThreeWay'> = mergePullRequest('THREE_WAY_MERGE')
