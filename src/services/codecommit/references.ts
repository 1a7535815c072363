// What happens to references, and how it is told: every move is an event, also when the server dies in between.

import type {
  ConflictDetailLevelTypeEnum,
  ConflictResolutionStrategyTypeEnum,
  MergeOptionTypeEnum,
} from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { type Caller, callerOf, senderOf } from './events.ts'
import { zeroId } from './git.ts'
import { moveReference, readReference, setHead, tidy } from './object-database.ts'
import type { Command } from './pkt-line.ts'
import { followBranches, type Merged } from './pull-request-branches.ts'
import { arnOf, change, databaseOf, findRepositoryById, type Repository } from './repositories.ts'

/**
 * Moves that git is about to make. Written before git is asked and deleted with the commit that announces them, so
 * that a move whose announcement was lost with the process is found again.
 */
export type PendingMoves = {
  readonly id: string
  readonly repositoryId: string
  readonly callerArn: string
  /** What session tags say of the caller. */
  readonly callerTags?: Omit<Caller, 'arn'>
  /** ISO 8601. */
  readonly since: string
  readonly moves: readonly Command[]
  readonly cause?: Cause
}

/** Why a reference moves: a merge, as its event tells it, and the pull request that is merged by it. */
export type Cause = {
  readonly merge: {
    readonly baseCommitId?: string
    readonly sourceCommitId: string
    readonly destinationCommitId: string
    readonly mergeOption: MergeOptionTypeEnum
    readonly conflictDetailsLevel?: ConflictDetailLevelTypeEnum
    readonly conflictResolutionStrategy?: ConflictResolutionStrategyTypeEnum
  }
  readonly pullRequest?: Merged
}

export const PendingMoves = table<PendingMoves>('codecommit.pendingMoves', {
  scope: 'region',
  key: (pending) => `${pending.repositoryId}/${pending.id}`,
})

const referenceTypes = { 'refs/heads/': 'branch', 'refs/tags/': 'tag' } as const

const callerOfPending = ({ callerArn, callerTags }: PendingMoves): Caller => ({ arn: callerArn, ...callerTags })

/** CodeCommit user guide, "Monitoring CodeCommit events": a branch or tag was created, updated or deleted. */
const stateChange = (ctx: Ctx, repository: Repository, pending: PendingMoves, { reference, from, to }: Command) => {
  const type = Object.entries(referenceTypes).find(([prefix]) => reference.startsWith(prefix))
  if (!type) return undefined
  const [prefix, referenceType] = type
  const event = from === zeroId ? 'referenceCreated' : to === zeroId ? 'referenceDeleted' : 'referenceUpdated'
  return {
    source: 'aws.codecommit',
    'detail-type': 'CodeCommit Repository State Change',
    account: ctx.account,
    region: ctx.region,
    resources: [arnOf(ctx, repository.name)],
    detail: {
      event,
      repositoryName: repository.name,
      repositoryId: repository.id,
      referenceType,
      referenceName: reference.slice(prefix.length),
      referenceFullName: reference,
      ...(to === zeroId ? {} : { commitId: to }),
      ...(from === zeroId ? {} : { oldCommitId: from }),
      ...pending.cause?.merge,
      ...senderOf(callerOfPending(pending)),
    },
  }
}

/** The branch that becomes an empty repository's default: the first one pushed, by git's usual names if there are several. */
const firstBranch = (moves: readonly Command[]): string | undefined => {
  const branches = moves
    .filter(({ reference, to }) => reference.startsWith('refs/heads/') && to !== zeroId)
    .map(({ reference }) => reference.slice('refs/heads/'.length))
  return ['main', 'master'].find((name) => branches.includes(name)) ?? branches[0]
}

/** Tells of moves that git has made. `pending` goes in the same commit. */
const announce = async (ctx: Ctx, pending: PendingMoves, made: readonly Command[]): Promise<void> => {
  const repository = await ctx.read((tx) => findRepositoryById(tx, pending.repositoryId))
  const first = repository?.defaultBranch === undefined ? firstBranch(made) : undefined
  if (repository && first !== undefined) await setHead(databaseOf(ctx, repository.id), first)
  if (repository && made.length > 0)
    await followBranches(ctx, repository, {
      caller: callerOfPending(pending),
      references: new Set(made.map(({ reference }) => reference)),
      merged: pending.cause?.pullRequest,
    })
  await ctx.write(async (tx) => {
    const key = PendingMoves.key(pending)
    if (!(await tx.get(PendingMoves, key))) return
    tx.delete(PendingMoves, key)
    const present = await findRepositoryById(tx, pending.repositoryId)
    if (!present || made.length === 0) return
    const defaultBranch = present.defaultBranch ?? first
    change(ctx, tx, present, defaultBranch === undefined ? {} : { defaultBranch })
    tx.wake(maintenance.name, present.id, { in: calm })
    for (const move of made) emit(ctx, tx, present, pending, move)
  })
}

const emit = (ctx: Ctx, tx: WriteTx, repository: Repository, pending: PendingMoves, move: Command): void => {
  const event = stateChange(ctx, repository, pending, move)
  if (event) tx.emit(event)
}

/**
 * Has `make` move references and tells of those it reports as moved. What the process does not live to tell, the
 * reconciler tells: each move at least once.
 */
export const withAnnouncement = async (
  ctx: Ctx,
  repository: Repository,
  moves: readonly Command[],
  make: () => Promise<readonly Command[]>,
  cause?: Cause,
): Promise<readonly Command[]> => {
  const { arn, ...callerTags } = callerOf(ctx)
  const pending: PendingMoves = {
    id: ctx.newId(),
    repositoryId: repository.id,
    callerArn: arn,
    callerTags,
    since: ctx.now().toISOString(),
    moves,
    ...(cause ? { cause } : {}),
  }
  await tellOrphans(ctx, repository.id)
  underway.add(pending.id)
  try {
    await ctx.write(async (tx) => {
      tx.put(PendingMoves, pending)
      tx.wake(announcement.name, repository.id, { in: patience })
    })
    // A throw leaves the pending moves to the reconciler: nobody knows what git got to.
    const made = await make()
    await announce(ctx, pending, made)
    return made
  } finally {
    underway.delete(pending.id)
  }
}

/** Moves that this process is at. All others that are pending were left by one that died. */
const underway = new Set<string>()

/** Before a reference moves on, what a dead process did to it is told: afterwards nothing would show it any more. */
const tellOrphans = async (ctx: Ctx, repositoryId: string): Promise<void> => {
  const pending = await ctx.read((tx) => tx.list(PendingMoves, { prefix: `${repositoryId}/` }))
  for (const one of pending) {
    if (underway.has(one.id)) continue
    const made = await movesMade(databaseOf(ctx, repositoryId), one.moves)
    if (made.length > 0) await announce(ctx, one, made)
  }
}

/** Moves one reference for the caller, if it still is at `from`. Says whether it did. */
export const move = async (ctx: Ctx, repository: Repository, command: Command, cause?: Cause): Promise<boolean> => {
  const make = async () => ((await moveReference(databaseOf(ctx, repository.id), command)) ? [command] : [])
  const made = await withAnnouncement(ctx, repository, [command], make, cause)
  return made.length > 0
}

/** How long a push may be on its way before one looks whether its process is gone; then ever less often. Milliseconds. */
const patience = 10_000
const longestPush = 24 * 60 * 60_000

/** Finds moves that git has made and nobody told of, because the server died in between. */
export const announcement: Reconciler = {
  name: 'codecommit.announcement',
  step: async (ctx, repositoryId) => {
    const pending = await ctx.read((tx) => tx.list(PendingMoves, { prefix: `${repositoryId}/` }))
    let next = Number.POSITIVE_INFINITY
    for (const one of pending) {
      const age = ctx.now().getTime() - Date.parse(one.since)
      if (age < patience) {
        next = Math.min(next, patience - age)
        continue
      }
      const repository = await ctx.read((tx) => findRepositoryById(tx, repositoryId))
      const made = repository ? await movesMade(databaseOf(ctx, repositoryId), one.moves) : []
      if (made.length > 0 || !repository || age > longestPush) await announce(ctx, one, made)
      else next = Math.min(next, age)
    }
    return Number.isFinite(next) ? again({ in: next }) : done()
  },
}

const movesMade = async (folder: string, moves: readonly Command[]): Promise<Command[]> => {
  const made: Command[] = []
  for (const command of moves)
    if (((await readReference(folder, command.reference)) ?? zeroId) === command.to) made.push(command)
  return made
}

/** How long after a move a repository is tidied, so that a burst of pushes costs once. Milliseconds. */
const calm = 60 * 60_000

/** Packs what pushes have left loose, when git finds that there is enough of it. */
export const maintenance: Reconciler = {
  name: 'codecommit.maintenance',
  step: async (ctx, repositoryId) => {
    const repository = await ctx.read((tx) => findRepositoryById(tx, repositoryId))
    if (repository) await tidy(databaseOf(ctx, repositoryId))
    return done()
  },
}
