import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { type ApprovalRule, isRuleName, toApprovalRule } from './approval-rule.ts'
import { contentHash, isSatisfied, readContent } from './approval-rule-content.ts'
import { callerOf } from './events.ts'
import { fail, type Operation } from './operation.ts'
import {
  change,
  checkCurrent,
  getOpenPullRequest,
  getPullRequest,
  getRevision,
  type PullRequest,
} from './pull-request.ts'

/** Quotas in CodeCommit: 30 rules on a pull request, of which templates may have made 25. */
const mostRules = 30

const checkName = (name: string): void => {
  if (!isRuleName(name)) throw fail('InvalidApprovalRuleNameException', `The approval rule name ${name} is not valid.`)
}

const checkContent = (content: string): void => {
  if (!readContent(content, 'rule'))
    throw fail('InvalidApprovalRuleContentException', 'The content of the approval rule is not valid.')
}

const eventOf = (rule: ApprovalRule) => ({
  approvalRuleId: rule.id,
  approvalRuleName: rule.name,
  approvalRuleContentSha256: contentHash(rule.content),
})

const entryOf = ({ id, name, content }: ApprovalRule) => ({
  approvalRuleEventMetadata: { approvalRuleId: id, approvalRuleName: name, approvalRuleContent: content },
})

const notification = (ctx: Ctx, pullRequest: PullRequest, what: string): string =>
  `User: ${ctx.principal.arn}. Event: Updated. Pull request: ${pullRequest.id}. Additional information: ${what}`

/** Raises ApprovalRuleNameAlreadyExistsException, NumberOfRulesExceededException and the exceptions of name and content. */
export const CreatePullRequestApprovalRule: Operation<'CreatePullRequestApprovalRule'> = (ctx, input) => {
  const { pullRequestId, approvalRuleName: name, approvalRuleContent: content } = input
  checkName(name)
  checkContent(content)
  return ctx.write(async (tx) => {
    const found = await getOpenPullRequest(tx, pullRequestId)
    const { rules } = found.pullRequest
    if (rules.some((rule) => rule.name === name))
      throw fail(
        'ApprovalRuleNameAlreadyExistsException',
        `The pull request has an approval rule named ${name} already.`,
      )
    if (rules.length >= mostRules)
      throw fail('NumberOfRulesExceededException', `A pull request can have at most ${mostRules} approval rules.`)
    const now = ctx.now().toISOString()
    const by = ctx.principal.arn
    const rule: ApprovalRule = { id: ctx.newId(), name, content, created: now, modified: now, modifiedBy: by }
    change(
      ctx,
      tx,
      found,
      { rules: [...rules, rule] },
      {
        caller: callerOf(ctx),
        entry: { type: 'PULL_REQUEST_APPROVAL_RULE_CREATED', facts: entryOf(rule) },
        event: {
          name: 'pullRequestApprovalRuleCreated',
          detail: eventOf(rule),
          says: notification(
            ctx,
            found.pullRequest,
            `An approval rule has been created with the following name: ${name}.`,
          ),
        },
      },
    )
    return { approvalRule: toApprovalRule(rule) }
  })
}

/** Raises ApprovalRuleDoesNotExistException, CannotModifyApprovalRuleFromTemplateException and InvalidRuleContentSha256Exception. */
export const UpdatePullRequestApprovalRuleContent: Operation<'UpdatePullRequestApprovalRuleContent'> = (ctx, input) => {
  const { pullRequestId, approvalRuleName: name, newRuleContent: content, existingRuleContentSha256: hash } = input
  checkName(name)
  checkContent(content)
  return ctx.write(async (tx) => {
    const found = await getOpenPullRequest(tx, pullRequestId)
    const rule = found.pullRequest.rules.find((one) => one.name === name)
    if (!rule) throw fail('ApprovalRuleDoesNotExistException', `The pull request has no approval rule named ${name}.`)
    if (rule.template)
      throw fail(
        'CannotModifyApprovalRuleFromTemplateException',
        `The approval rule ${name} was made by an approval rule template and cannot be modified.`,
      )
    if (hash !== undefined && hash !== contentHash(rule.content))
      throw fail('InvalidRuleContentSha256Exception', 'The SHA-256 hash is not that of the present content.')
    const updated = { ...rule, content, modified: ctx.now().toISOString(), modifiedBy: ctx.principal.arn }
    const rules = found.pullRequest.rules.map((one) => (one === rule ? updated : one))
    change(
      ctx,
      tx,
      found,
      { rules },
      {
        caller: callerOf(ctx),
        entry: { type: 'PULL_REQUEST_APPROVAL_RULE_UPDATED', facts: entryOf(updated) },
        event: {
          name: 'pullRequestApprovalRuleUpdated',
          detail: eventOf(updated),
          says: `User: ${ctx.principal.arn}. Event: Updated. Pull request name: ${pullRequestId}. The content of an approval rule has been updated for the pull request. The name of the updated rule is: ${name}.`,
        },
      },
    )
    return { approvalRule: toApprovalRule(updated) }
  })
}

/** A rule that is not there is no error: the answer then has no id. Raises CannotDeleteApprovalRuleFromTemplateException. */
export const DeletePullRequestApprovalRule: Operation<'DeletePullRequestApprovalRule'> = (ctx, input) => {
  const { pullRequestId, approvalRuleName: name } = input
  checkName(name)
  return ctx.write(async (tx) => {
    const found = await getOpenPullRequest(tx, pullRequestId)
    const rule = found.pullRequest.rules.find((one) => one.name === name)
    if (!rule) return { approvalRuleId: undefined }
    if (rule.template)
      throw fail(
        'CannotDeleteApprovalRuleFromTemplateException',
        `The approval rule ${name} was made by an approval rule template and cannot be deleted.`,
      )
    const rules = found.pullRequest.rules.filter((one) => one !== rule)
    change(
      ctx,
      tx,
      found,
      { rules },
      {
        caller: callerOf(ctx),
        entry: { type: 'PULL_REQUEST_APPROVAL_RULE_DELETED', facts: entryOf(rule) },
        event: {
          name: 'pullRequestApprovalRuleDeleted',
          detail: eventOf(rule),
          says: notification(ctx, found.pullRequest, `An approval rule has been deleted: ${name} was deleted.`),
        },
      },
    )
    return { approvalRuleId: rule.id }
  })
}

/** How the rules of a pull request stand with the approvals of its present revision. */
export const evaluate = async (tx: ReadTx, pullRequest: PullRequest) => {
  const { approvals, overriddenBy } = await getRevision(tx, pullRequest, pullRequest.revisionId)
  const satisfied: string[] = []
  const unsatisfied: string[] = []
  for (const { name, content } of pullRequest.rules) {
    const rule = readContent(content)
    const names = rule && isSatisfied(rule, approvals) ? satisfied : unsatisfied
    names.push(name)
  }
  const overridden = overriddenBy !== undefined
  return {
    approved: overridden || unsatisfied.length === 0,
    overridden,
    approvalRulesSatisfied: satisfied,
    approvalRulesNotSatisfied: unsatisfied,
  }
}

/** Raises RevisionNotCurrentException. */
export const EvaluatePullRequestApprovalRules: Operation<'EvaluatePullRequestApprovalRules'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { pullRequest } = await getPullRequest(tx, input.pullRequestId)
    checkCurrent(pullRequest, input.revisionId)
    return { evaluation: await evaluate(tx, pullRequest) }
  })
