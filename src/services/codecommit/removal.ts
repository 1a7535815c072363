// What is left of a repository that was deleted goes.

import type { Ctx } from '../../kernel/context.ts'
import type { Table, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Association } from './approval-templates.ts'
import { Comment } from './comment.ts'
import { MergeCommit } from './merge-commits.ts'
import { removeDatabase } from './object-database.ts'
import { HistoryEntry, historyOf, PullRequest, Revision } from './pull-request.ts'
import { databaseOf, findRepositoryById, removalName } from './repositories.ts'
import { Triggers } from './triggers.ts'

/** Rows of one kind that are removed in one commit. */
const batch = 200

export const removal: Reconciler = {
  name: removalName,
  step: async (ctx, id) => {
    if (await ctx.read((tx) => findRepositoryById(tx, id))) return done()
    await removeDatabase(databaseOf(ctx, id))
    return (await removeRows(ctx, id)) ? done() : again({ in: 0 })
  },
}

/** Says whether that was all. */
const removeRows = (ctx: Ctx, id: string): Promise<boolean> =>
  ctx.write(async (tx) => {
    const removed = [
      await remove(tx, Association, { prefix: `${id}/` }),
      await remove(tx, MergeCommit, { prefix: `${id}/` }),
      await remove(tx, Comment, { index: 'repository', equals: id }),
      await remove(tx, Triggers, { prefix: id }),
    ]
    const [pullRequest] = await tx.list(PullRequest, { index: 'repository', equals: id, limit: 1 })
    if (!pullRequest) return removed.every((count) => count < batch)
    const parts = [
      await remove(tx, HistoryEntry, { prefix: historyOf(pullRequest.id) }),
      await remove(tx, Revision, { prefix: historyOf(pullRequest.id) }),
    ]
    if (parts.every((count) => count < batch)) tx.delete(PullRequest, PullRequest.key(pullRequest))
    return false
  })

const remove = async <R>(
  tx: WriteTx,
  table: Table<R>,
  which: { prefix: string } | { index: string; equals: string },
): Promise<number> => {
  const rows = await tx.list(table, { ...which, limit: batch })
  for (const row of rows) tx.delete(table, table.key(row))
  return rows.length
}
