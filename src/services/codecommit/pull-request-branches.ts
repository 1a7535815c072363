// Open pull requests follow their branches: a new tip of the source is a new revision, a branch that goes ends it.

import type { MergeOptionTypeEnum } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import type { Caller } from './events.ts'
import { readReference } from './object-database.ts'
import { mergeBase } from './object-merges.ts'
import { change, type Happening, PullRequest, Revision } from './pull-request.ts'
import { databaseOf, findRepositoryById, type Repository } from './repositories.ts'

/** A merge that was made for a pull request. `commitId`: where it made a commit. */
export type Merged = {
  readonly pullRequestId: string
  readonly option: MergeOptionTypeEnum
  readonly commitId?: string
}

type Occasion = {
  readonly caller: Caller
  /** Full references that moved; all, unless told. */
  readonly references?: ReadonlySet<string>
  readonly merged?: Merged | undefined
}

const isConcerned = ({ source, destination }: PullRequest, { references }: Occasion): boolean =>
  !references || references.has(source) || references.has(destination)

const openOf = (tx: ReadTx, repositoryId: string) => tx.list(PullRequest, { index: 'open', equals: repositoryId })

/** Has the open pull requests of a repository know what became of their branches. Doing it again changes nothing. */
export const followBranches = async (ctx: Ctx, repository: Repository, occasion: Occasion): Promise<void> => {
  const open = await ctx.read((tx) => openOf(tx, repository.id))
  for (const seen of open) if (isConcerned(seen, occasion)) await followOne(ctx, repository.id, seen, occasion)
}

/** As `followBranches`, for one of them. */
export const followOne = async (
  ctx: Ctx,
  repositoryId: string,
  first: PullRequest,
  occasion: Occasion,
): Promise<void> => {
  for (let seen: PullRequest | undefined = first; seen?.status === 'OPEN'; ) {
    const facts = await factsOf(ctx, repositoryId, seen)
    const { id, sourceCommit, destinationCommit } = seen
    const outcome: { done: boolean; present?: PullRequest | undefined } = await ctx.write(async (tx) => {
      const present = await tx.get(PullRequest, PullRequest.key(first))
      const repository = await findRepositoryById(tx, repositoryId)
      if (!present || !repository) return { done: true }
      const moved = present.sourceCommit !== sourceCommit || present.destinationCommit !== destinationCommit
      // Another move was told in between: what the branches are now is looked at anew.
      if (moved || present.status !== 'OPEN') return { done: false, present }
      const merged = occasion.merged?.pullRequestId === id ? occasion.merged : fastForwarded(present, facts)
      if (merged) close(ctx, tx, { pullRequest: present, repository }, occasion.caller, merged)
      else if (!facts) end(ctx, tx, { pullRequest: present, repository }, occasion.caller)
      else update(ctx, tx, { pullRequest: present, repository }, occasion.caller, facts)
      return { done: true }
    })
    if (outcome.done) return
    seen = outcome.present
  }
}

type Facts = { readonly source: string; readonly destination: string; readonly base: string | undefined }

/** The tips there are now; `undefined` when a branch is gone. */
const factsOf = async (ctx: Ctx, repositoryId: string, pullRequest: PullRequest): Promise<Facts | undefined> => {
  const folder = databaseOf(ctx, repositoryId)
  const source = await readReference(folder, pullRequest.source)
  const destination = await readReference(folder, pullRequest.destination)
  if (source === undefined || destination === undefined) return undefined
  const same = source === pullRequest.sourceCommit && destination === pullRequest.destinationCommit
  return { source, destination, base: same ? pullRequest.mergeBase : await mergeBase(folder, source, destination) }
}

/** A destination that was brought to the source's tip by other means, a push for one, has it merged. */
const fastForwarded = (pullRequest: PullRequest, facts: Facts | undefined): Merged | undefined =>
  facts &&
  facts.destination !== pullRequest.destinationCommit &&
  facts.destination === pullRequest.sourceCommit &&
  facts.source === pullRequest.sourceCommit
    ? { pullRequestId: pullRequest.id, option: 'FAST_FORWARD_MERGE' }
    : undefined

type Found = { readonly pullRequest: PullRequest; readonly repository: Repository }

const close = (ctx: Ctx, tx: WriteTx, found: Found, caller: Caller, { option, commitId }: Merged): void => {
  const { pullRequest, repository } = found
  const merge = { by: caller.arn, option, ...(commitId === undefined ? {} : { commitId }) }
  const happened: Happening = {
    entry: {
      type: 'PULL_REQUEST_MERGE_STATE_CHANGED',
      facts: {
        pullRequestMergedStateChangedEventMetadata: {
          repositoryName: repository.name,
          destinationReference: pullRequest.destination,
          mergeMetadata: {
            isMerged: true,
            mergedBy: caller.arn,
            mergeOption: option,
            ...(commitId === undefined ? {} : { mergeCommitId: commitId }),
          },
        },
      },
    },
    event: {
      name: 'pullRequestMergeStatusUpdated',
      detail: { mergeOption: option },
      says: `${caller.arn} updated the following PullRequest ${pullRequest.id}. The pull request merge status has been updated. The status is merged.`,
    },
  }
  change(ctx, tx, found, { status: 'CLOSED', merge }, { caller, ...happened })
}

/** Closes it unmerged. */
export const end = (ctx: Ctx, tx: WriteTx, found: Found, caller: Caller): PullRequest =>
  change(
    ctx,
    tx,
    found,
    { status: 'CLOSED' },
    {
      caller,
      entry: {
        type: 'PULL_REQUEST_STATUS_CHANGED',
        facts: { pullRequestStatusChangedEventMetadata: { pullRequestStatus: 'CLOSED' } },
      },
      event: {
        name: 'pullRequestStatusChanged',
        says: `${caller.arn} updated the following PullRequest ${found.pullRequest.id}. The pull request status has been updated. The status is closed.`,
      },
    },
  )

const update = (ctx: Ctx, tx: WriteTx, found: Found, caller: Caller, facts: Facts): void => {
  const { pullRequest, repository } = found
  const { mergeBase: _, ...rest } = pullRequest
  const base = facts.base === undefined ? {} : { mergeBase: facts.base }
  if (facts.source === pullRequest.sourceCommit) {
    // A new tip of the destination is no activity of the pull request.
    if (facts.destination !== pullRequest.destinationCommit)
      tx.put(PullRequest, { ...rest, ...base, destinationCommit: facts.destination })
    return
  }
  const revisionId = ctx.random(64)
  tx.put(Revision, { pullRequestId: pullRequest.id, id: revisionId, sourceCommit: facts.source, approvals: [] })
  const branch = pullRequest.source.slice('refs/heads/'.length)
  change(
    ctx,
    tx,
    { pullRequest: rest, repository },
    { sourceCommit: facts.source, destinationCommit: facts.destination, revisionId, ...base },
    {
      caller,
      entry: {
        type: 'PULL_REQUEST_SOURCE_REFERENCE_UPDATED',
        facts: {
          pullRequestSourceReferenceUpdatedEventMetadata: {
            repositoryName: repository.name,
            beforeCommitId: pullRequest.sourceCommit,
            afterCommitId: facts.source,
            ...base,
          },
        },
      },
      event: {
        name: 'pullRequestSourceBranchUpdated',
        says: `User: ${caller.arn}. Event: Updated. The user updated the following pull request: ${pullRequest.id}. The pull request was updated with one or more commits to the source branch: ${branch}.`,
      },
    },
  )
}
