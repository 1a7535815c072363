import type { Ctx } from '../../kernel/context.ts'
import { mostApprovals } from './approval-rule-content.ts'
import { callerOf } from './events.ts'
import { fail, type Operation } from './operation.ts'
import { change, checkCurrent, getOpenPullRequest, getPullRequest, getRevision, Revision } from './pull-request.ts'

const notification = (ctx: Ctx, pullRequestId: string, what: string): string =>
  `User: ${ctx.principal.arn}. Event: Updated. Pull request name: ${pullRequestId}. Additional information: ${what}`

/**
 * What is as asked already stays so, and nothing is told. Raises PullRequestCannotBeApprovedByAuthorException,
 * RevisionNotCurrentException and MaximumNumberOfApprovalsExceededException (200).
 */
export const UpdatePullRequestApprovalState: Operation<'UpdatePullRequestApprovalState'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pullRequestId, revisionId, approvalState } = input
    const found = await getOpenPullRequest(tx, pullRequestId)
    checkCurrent(found.pullRequest, revisionId)
    const me = ctx.principal.arn
    if (me === found.pullRequest.author)
      throw fail('PullRequestCannotBeApprovedByAuthorException', 'You cannot approve a pull request that you created.')
    const revision = await getRevision(tx, found.pullRequest, revisionId)
    const approvals = revision.approvals.filter((arn) => arn !== me)
    if (revision.approvals.includes(me) === (approvalState === 'APPROVE')) return {}
    if (approvalState === 'APPROVE') approvals.push(me)
    if (approvals.length > mostApprovals)
      throw fail('MaximumNumberOfApprovalsExceededException', `A pull request can have ${mostApprovals} approvals.`)
    tx.put(Revision, { ...revision, approvals })
    change(
      ctx,
      tx,
      found,
      {},
      {
        caller: callerOf(ctx),
        entry: {
          type: 'PULL_REQUEST_APPROVAL_STATE_CHANGED',
          facts: { approvalStateChangedEventMetadata: { revisionId, approvalStatus: approvalState } },
        },
        event: {
          name: 'pullRequestApprovalStateChanged',
          detail: { approvalStatus: approvalState },
          says: notification(
            ctx,
            pullRequestId,
            `A user has changed their approval state for the pull request. State change: ${approvalState}.`,
          ),
        },
      },
    )
    return {}
  })

/** Of any revision the pull request had. Raises InvalidRevisionIdException. */
export const GetPullRequestApprovalStates: Operation<'GetPullRequestApprovalStates'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { pullRequest } = await getPullRequest(tx, input.pullRequestId)
    const { approvals } = await getRevision(tx, pullRequest, input.revisionId)
    return { approvals: approvals.map((userArn) => ({ userArn, approvalState: 'APPROVE' as const })) }
  })

/** Raises OverrideAlreadySetException and RevisionNotCurrentException. Revoking what is not set changes nothing. */
export const OverridePullRequestApprovalRules: Operation<'OverridePullRequestApprovalRules'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { pullRequestId, revisionId, overrideStatus } = input
    const found = await getOpenPullRequest(tx, pullRequestId)
    checkCurrent(found.pullRequest, revisionId)
    const { overriddenBy, ...revision } = await getRevision(tx, found.pullRequest, revisionId)
    if (overrideStatus === 'OVERRIDE' && overriddenBy !== undefined)
      throw fail('OverrideAlreadySetException', 'The approval rules of the pull request are set aside already.')
    if (overrideStatus === 'REVOKE' && overriddenBy === undefined) return {}
    tx.put(Revision, { ...revision, ...(overrideStatus === 'OVERRIDE' ? { overriddenBy: ctx.principal.arn } : {}) })
    change(
      ctx,
      tx,
      found,
      {},
      {
        caller: callerOf(ctx),
        entry: {
          type: 'PULL_REQUEST_APPROVAL_RULE_OVERRIDDEN',
          facts: { approvalRuleOverriddenEventMetadata: { revisionId, overrideStatus } },
        },
        event: {
          name: 'pullRequestApprovalRuleOverridden',
          detail: { overrideStatus },
          says: notification(
            ctx,
            pullRequestId,
            `An override event has occurred for the approval rules for this pull request. Override status: ${overrideStatus}.`,
          ),
        },
      },
    )
    return {}
  })

/** Of any revision the pull request had. Raises InvalidRevisionIdException. */
export const GetPullRequestOverrideState: Operation<'GetPullRequestOverrideState'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { pullRequest } = await getPullRequest(tx, input.pullRequestId)
    const { overriddenBy } = await getRevision(tx, pullRequest, input.revisionId)
    return { overridden: overriddenBy !== undefined, overrider: overriddenBy }
  })
