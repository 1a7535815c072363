import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules } from '../../kernel/service.ts'
import { targetOf } from './branch-merges.ts'
import { getComment } from './comment.ts'
import type { NS } from './operation.ts'
import { getPullRequest } from './pull-request.ts'
import { Repository } from './repositories.ts'

const onReference = (reference: string | undefined) =>
  reference === undefined ? {} : { context: { 'codecommit:References': reference } }

/** Changes of a branch are checked with the branch as `codecommit:References`. */
const onBranch = ({ branchName }: { branchName?: string }) =>
  onReference(branchName === undefined ? undefined : `refs/heads/${branchName}`)

type MergeInput = { repositoryName?: string; targetBranch?: string; destinationCommitSpecifier?: string }

/** Merges are checked with the branch they go to. */
const onTarget = async (input: MergeInput, ctx: Ctx) => {
  const { repositoryName } = input
  const repository =
    typeof repositoryName === 'string' ? await ctx.read((tx) => tx.get(Repository, repositoryName)) : undefined
  const name = targetOf(input, repository?.defaultBranch)
  return onReference(name === undefined ? undefined : `refs/heads/${name}`)
}

type PullRequestInput = { pullRequestId?: string }

/** A pull request is its repository's; without one, no repository in particular is asked about. */
const findPullRequest = async ({ pullRequestId }: PullRequestInput, ctx: Ctx) =>
  typeof pullRequestId === 'string'
    ? await ctx.read((tx) => getPullRequest(tx, pullRequestId)).catch(() => undefined)
    : undefined

const onPullRequest = async (input: PullRequestInput, ctx: Ctx) => {
  const found = await findPullRequest(input, ctx)
  return { resources: [found ? ctx.arn(found.repository.name) : '*'] }
}

const onPullRequestTarget = async (input: PullRequestInput, ctx: Ctx) => {
  const found = await findPullRequest(input, ctx)
  return { resources: [found ? ctx.arn(found.repository.name) : '*'], ...onReference(found?.pullRequest.destination) }
}

type CommentInput = { commentId?: string; inReplyTo?: string }

/** A comment is its repository's, as a pull request is. */
const onComment = async ({ commentId, inReplyTo }: CommentInput, ctx: Ctx) => {
  const id = commentId ?? inReplyTo
  const found = typeof id === 'string' ? await ctx.read((tx) => getComment(tx, id)).catch(() => undefined) : undefined
  return { resources: [found ? ctx.arn(found.repository.name) : '*'] }
}

const onTargets = ({ targets }: { targets?: readonly { repositoryName?: string }[] }, ctx: Ctx) => {
  const names = (targets ?? []).flatMap((target) => (target?.repositoryName ? [target.repositoryName] : []))
  return { resources: names.length > 0 ? [...new Set(names)].map((name) => ctx.arn(name)) : ['*'] }
}

const onNames = ({ repositoryNames }: { repositoryNames?: readonly string[] }, ctx: Ctx) => ({
  resources: (repositoryNames ?? []).map((name) => ctx.arn(name)),
})

/** Members are not yet checked when access is: what is missing is told by `validate`, to those who may ask at all. */
const onArn = ({ resourceArn = '*' }: { resourceArn?: string }) => ({ resources: [resourceArn] })

/** Repository ARNs are `arn:aws:codecommit:REGION:ACCOUNT:NAME`. */
export const access: AccessRules<NS> = {
  operations: {
    BatchGetRepositories: onNames,
    BatchAssociateApprovalRuleTemplateWithRepositories: onNames,
    BatchDisassociateApprovalRuleTemplateFromRepositories: onNames,
    UpdateRepositoryName: ({ oldName = '*' }, ctx) => ({ resources: [ctx.arn(oldName)] }),
    TagResource: onArn,
    UntagResource: onArn,
    ListTagsForResource: onArn,
    CreateBranch: onBranch,
    DeleteBranch: onBranch,
    CreateCommit: onBranch,
    PutFile: onBranch,
    DeleteFile: onBranch,
    CreateUnreferencedMergeCommit: onTarget,
    GetMergeCommit: onTarget,
    MergeBranchesByFastForward: onTarget,
    MergeBranchesBySquash: onTarget,
    MergeBranchesByThreeWay: onTarget,
    DeleteCommentContent: onComment,
    GetComment: onComment,
    GetCommentReactions: onComment,
    PostCommentReply: onComment,
    PutCommentReaction: onComment,
    UpdateComment: onComment,
    GetCommentsForPullRequest: onPullRequest,
    PostCommentForPullRequest: onPullRequest,
    CreatePullRequest: onTargets,
    CreatePullRequestApprovalRule: onPullRequest,
    DeletePullRequestApprovalRule: onPullRequest,
    DescribePullRequestEvents: onPullRequest,
    EvaluatePullRequestApprovalRules: onPullRequest,
    GetPullRequest: onPullRequest,
    GetPullRequestApprovalStates: onPullRequest,
    GetPullRequestOverrideState: onPullRequest,
    MergePullRequestByFastForward: onPullRequestTarget,
    MergePullRequestBySquash: onPullRequestTarget,
    MergePullRequestByThreeWay: onPullRequestTarget,
    OverridePullRequestApprovalRules: onPullRequest,
    UpdatePullRequestApprovalRuleContent: onPullRequest,
    UpdatePullRequestApprovalState: onPullRequest,
    UpdatePullRequestDescription: onPullRequest,
    UpdatePullRequestStatus: onPullRequest,
    UpdatePullRequestTitle: onPullRequest,
  },
  resourceTags: async (ctx, arn) => {
    const name = arn.slice(arn.lastIndexOf(':') + 1)
    return (await ctx.read((tx) => tx.get(Repository, name)))?.tags
  },
}
