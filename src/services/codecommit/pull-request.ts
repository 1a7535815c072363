// A pull request: its record, its history, and how others are told of it.

import type {
  MergeOptionTypeEnum,
  PullRequestEventType,
  PullRequest as WirePullRequest,
} from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { type ApprovalRule, toApprovalRule } from './approval-rule.ts'
import { type Caller, consoleOf, eventDate, senderOf } from './events.ts'
import { fail } from './operation.ts'
import { arnOf, findRepositoryById, type Repository } from './repositories.ts'

export type PullRequest = {
  /** A number from 1 up, one row of them for the account in this Region. */
  readonly id: string
  readonly repositoryId: string
  readonly title: string
  readonly description?: string
  /** ARN. */
  readonly author: string
  readonly token: string
  /** Hash of what was asked for with the token. */
  readonly asked: string
  /** ISO 8601. */
  readonly created: string
  readonly lastActivity: string
  readonly status: 'OPEN' | 'CLOSED'
  /** Full references. */
  readonly source: string
  readonly destination: string
  /** The tips of both, as long as it is open. */
  readonly sourceCommit: string
  readonly destinationCommit: string
  readonly mergeBase?: string
  /** Changes with the source: approvals are for one revision. */
  readonly revisionId: string
  readonly rules: readonly ApprovalRule[]
  /** `commitId`: absent where there is no merge commit. */
  readonly merge?: { readonly by: string; readonly commitId?: string; readonly option: MergeOptionTypeEnum }
  /** How many events its history has. */
  readonly events: number
}

const orderOf = (id: string): string => id.padStart(12, '0')

export const PullRequest = table<PullRequest>('codecommit.pullRequest', {
  scope: 'region',
  key: ({ id }) => orderOf(id),
  index: {
    repository: ({ repositoryId }) => repositoryId,
    open: ({ repositoryId, status }) => (status === 'OPEN' ? repositoryId : undefined),
    token: ({ token }) => token,
  },
})

/** The last number given to a pull request. */
export type Numbering = { readonly kind: 'pullRequest'; readonly last: number }
export const Numbering = table<Numbering>('codecommit.numbering', { scope: 'region', key: ({ kind }) => kind })

/** What a source's tip was at some time, and what was said of it. */
export type Revision = {
  readonly pullRequestId: string
  readonly id: string
  readonly sourceCommit: string
  /** ARNs of those who approved it, in the order in which they did. */
  readonly approvals: readonly string[]
  /** ARN of who set the rules aside. */
  readonly overriddenBy?: string
}

export const Revision = table<Revision>('codecommit.pullRequestRevision', {
  scope: 'region',
  key: ({ pullRequestId, id }) => revisionKey(pullRequestId, id),
})
export const revisionKey = (pullRequestId: string, id: string): string => `${orderOf(pullRequestId)}/${id}`

/** One entry of a pull request's history. `facts`: its metadata, by the API's own member names. */
export type HistoryEntry = {
  readonly pullRequestId: string
  readonly number: number
  readonly time: string
  readonly type: PullRequestEventType
  readonly actor: string
  readonly facts: Readonly<Record<string, unknown>>
}

export const HistoryEntry = table<HistoryEntry>('codecommit.pullRequestEvent', {
  scope: 'region',
  key: ({ pullRequestId, number }) => `${historyOf(pullRequestId)}${String(number).padStart(9, '0')}`,
})
export const historyOf = (pullRequestId: string): string => `${orderOf(pullRequestId)}/`

/** Raises InvalidPullRequestIdException and PullRequestDoesNotExistException, also when its repository is gone. */
export const getPullRequest = async (
  tx: ReadTx,
  id: string,
): Promise<{ pullRequest: PullRequest; repository: Repository }> => {
  if (!/^[1-9]\d{0,11}$/.test(id)) throw fail('InvalidPullRequestIdException', `${id} is not a valid pull request ID.`)
  const pullRequest = await tx.get(PullRequest, orderOf(id))
  const repository = pullRequest && (await findRepositoryById(tx, pullRequest.repositoryId))
  if (!pullRequest || !repository)
    throw fail('PullRequestDoesNotExistException', `The pull request ${id} does not exist.`)
  return { pullRequest, repository }
}

/** As `getPullRequest`. Raises PullRequestAlreadyClosedException. */
export const getOpenPullRequest = async (tx: ReadTx, id: string) => {
  const found = await getPullRequest(tx, id)
  if (found.pullRequest.status === 'CLOSED')
    throw fail('PullRequestAlreadyClosedException', `The pull request ${id} is already closed.`)
  return found
}

/** Raises InvalidRevisionIdException. */
export const checkRevisionId = (revisionId: string): void => {
  if (!/^[0-9a-f]{64}$/.test(revisionId))
    throw fail('InvalidRevisionIdException', `The revision ID ${revisionId} is not valid.`)
}

/** Raises RevisionNotCurrentException. */
export const checkCurrent = (pullRequest: PullRequest, revisionId: string): void => {
  checkRevisionId(revisionId)
  if (revisionId !== pullRequest.revisionId)
    throw fail(
      'RevisionNotCurrentException',
      `The revision ${revisionId} is not the current one of pull request ${pullRequest.id}.`,
    )
}

/** Raises InvalidRevisionIdException for a revision that the pull request never had. */
export const getRevision = async (tx: ReadTx, pullRequest: PullRequest, revisionId: string): Promise<Revision> => {
  checkRevisionId(revisionId)
  const revision = await tx.get(Revision, revisionKey(pullRequest.id, revisionId))
  if (!revision)
    throw fail('InvalidRevisionIdException', `Pull request ${pullRequest.id} has no revision ${revisionId}.`)
  return revision
}

export const toPullRequest = (pullRequest: PullRequest, repository: Repository): WirePullRequest => ({
  pullRequestId: pullRequest.id,
  title: pullRequest.title,
  description: pullRequest.description,
  creationDate: new Date(pullRequest.created),
  lastActivityDate: new Date(pullRequest.lastActivity),
  pullRequestStatus: pullRequest.status,
  authorArn: pullRequest.author,
  clientRequestToken: pullRequest.token,
  revisionId: pullRequest.revisionId,
  approvalRules: pullRequest.rules.map(toApprovalRule),
  pullRequestTargets: [
    {
      repositoryName: repository.name,
      sourceReference: pullRequest.source,
      destinationReference: pullRequest.destination,
      sourceCommit: pullRequest.sourceCommit,
      destinationCommit: pullRequest.destinationCommit,
      mergeBase: pullRequest.mergeBase,
      mergeMetadata: pullRequest.merge
        ? {
            isMerged: true,
            mergedBy: pullRequest.merge.by,
            mergeCommitId: pullRequest.merge.commitId,
            mergeOption: pullRequest.merge.option,
          }
        : { isMerged: false },
    },
  ],
})

/** What happened to a pull request: an entry of its history, and an event for others. */
export type Happening = {
  readonly entry?: { readonly type: PullRequestEventType; readonly facts: Readonly<Record<string, unknown>> }
  readonly event?: {
    readonly name: string
    /** The middle of the notification's text. */
    readonly says: string
    readonly detail?: Readonly<Record<string, unknown>>
  }
}

/** Changes a pull request, and writes down and tells what happened, all in one commit. */
export const change = (
  ctx: Ctx,
  tx: WriteTx,
  { pullRequest, repository }: { pullRequest: PullRequest; repository: Repository },
  changes: Partial<PullRequest>,
  { caller, entry, event }: Happening & { caller: Caller },
): PullRequest => {
  const time = ctx.now().toISOString()
  const changed = tx.put(PullRequest, {
    ...pullRequest,
    ...changes,
    lastActivity: time,
    events: pullRequest.events + (entry ? 1 : 0),
  })
  if (entry)
    tx.put(HistoryEntry, {
      pullRequestId: pullRequest.id,
      number: changed.events,
      time,
      type: entry.type,
      actor: caller.arn,
      facts: entry.facts,
    })
  if (event)
    tx.emit({
      source: 'aws.codecommit',
      'detail-type': 'CodeCommit Pull Request State Change',
      account: ctx.account,
      region: ctx.region,
      resources: [arnOf(ctx, repository.name)],
      detail: {
        event: event.name,
        pullRequestId: changed.id,
        pullRequestStatus: changed.status === 'OPEN' ? 'Open' : 'Closed',
        repositoryNames: [repository.name],
        title: changed.title,
        ...(changed.description === undefined ? {} : { description: changed.description }),
        author: changed.author,
        ...senderOf(caller),
        creationDate: eventDate(changed.created),
        lastModifiedDate: eventDate(changed.lastActivity),
        sourceReference: changed.source,
        sourceCommit: changed.sourceCommit,
        destinationReference: changed.destination,
        destinationCommit: changed.destinationCommit,
        revisionId: changed.revisionId,
        isMerged: changed.merge ? 'True' : 'False',
        ...event.detail,
        notificationBody: `A pull request event occurred in the following AWS CodeCommit repository: ${repository.name}. ${event.says} For more information, go to the AWS CodeCommit console ${consoleOf(ctx, `${repository.name}/pull-requests/${changed.id}`)}`,
      },
    })
  return changed
}
