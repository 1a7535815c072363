// Merges that make commits or move branches, by name and for pull requests alike.

import type { MergeOptionTypeEnum } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import { type Author, checkAuthor, signatureOf } from './author.ts'
import { checkSizes } from './commit-changes.ts'
import { writeCommitObject } from './commit-object.ts'
import { git } from './git.ts'
import { type Detail, detailOf, mergedTree, tryMerge } from './merge.ts'
import { lookUp, writeObject } from './object-database.ts'
import { mergeBase } from './object-merges.ts'
import { fail, type Input } from './operation.ts'
import type { Merged } from './pull-request-branches.ts'
import { move } from './references.ts'
import { databaseOf, type Repository } from './repositories.ts'

/** The commit that merging one commit into another made, through the API. */
export type MergeCommit = {
  readonly repositoryId: string
  readonly source: string
  readonly destination: string
  readonly commitId: string
}

export const MergeCommit = table<MergeCommit>('codecommit.mergeCommit', {
  scope: 'region',
  key: ({ repositoryId, source, destination }) => `${repositoryId}/${source}/${destination}`,
})

/** What the three kinds of merges have in common in their inputs. */
export type MergeInput = Pick<
  Input<'MergeBranchesBySquash'>,
  | 'authorName'
  | 'email'
  | 'commitMessage'
  | 'conflictDetailLevel'
  | 'conflictResolutionStrategy'
  | 'conflictResolution'
  | 'keepEmptyFolders'
>

export type Tips = { readonly source: string; readonly destination: string }
export type Made = { readonly commitId: string; readonly treeId: string }

const mostMessages = 100
const longestMessage = 100_000

/** By default a squash tells what it is made of (CodeCommit user guide, "Merge a pull request"). */
const messageOf = async (
  folder: string,
  { source, destination }: Tips,
  option: MergeOptionTypeEnum,
): Promise<string> => {
  if (option === 'THREE_WAY_MERGE') return `Merge ${source} into ${destination}`
  const log = ['log', '--format=%B%x00', `--max-count=${mostMessages}`, '--no-color', '--end-of-options']
  const output = await git([`--git-dir=${folder}`, ...log, source, `^${destination}`])
  const messages = output
    .toString('utf8')
    .split('\0')
    .map((message) => message.trim())
    .filter(Boolean)
  return messages.join('\n\n').slice(0, longestMessage) || `Merge ${source} into ${destination}`
}

/** Checks of a merge's input that need no repository. */
export const checkMergeInput = (input: MergeInput): void => {
  checkAuthor({ name: input.authorName, email: input.email, message: input.commitMessage })
  checkSizes((input.conflictResolution?.replaceContents ?? []).flatMap(({ content }) => (content ? [content] : [])))
}

/** Writes the commit that merges one into the other; no branch moves. Raises ManualMergeRequiredException. */
export const makeMergeCommit = async (
  ctx: Ctx,
  repository: Repository,
  { source, destination }: Tips,
  option: 'SQUASH_MERGE' | 'THREE_WAY_MERGE',
  input: MergeInput,
): Promise<Made> => {
  const folder = databaseOf(ctx, repository.id)
  const merge = await tryMerge(folder, source, destination)
  const treeId = await mergedTree(merge, detailOf(input), input)
  const author: Author = { name: input.authorName, email: input.email }
  const commit = writeCommitObject({
    tree: treeId,
    parents: option === 'THREE_WAY_MERGE' ? [destination, source] : [destination],
    ...signatureOf(ctx, author),
    message: input.commitMessage ?? (await messageOf(folder, { source, destination }, option)),
  })
  const commitId = await writeObject(folder, 'commit', commit)
  await ctx.write(async (tx) => {
    tx.put(MergeCommit, { repositoryId: repository.id, source, destination, commitId })
  })
  return { commitId, treeId }
}

/** What an event tells of a merge. */
export const mergeFacts = async (
  folder: string,
  { source, destination }: Tips,
  option: MergeOptionTypeEnum,
  { level, strategy }: Detail,
) => {
  const base = await mergeBase(folder, source, destination)
  return {
    ...(base === undefined ? {} : { baseCommitId: base }),
    sourceCommitId: source,
    destinationCommitId: destination,
    mergeOption: option,
    ...(option === 'FAST_FORWARD_MERGE' ? {} : { conflictDetailsLevel: level, conflictResolutionStrategy: strategy }),
  }
}

const changedMeanwhile = (reference: string) =>
  fail('ConcurrentReferenceUpdateException', `${reference} was changed while the merge was under way. Try again.`)

/**
 * Merges into a branch, if it is still at `destination`. `pullRequestId`: the pull request that is closed by it. Raises
 * ManualMergeRequiredException and ConcurrentReferenceUpdateException.
 */
export const mergeInto = async (
  ctx: Ctx,
  repository: Repository,
  reference: string,
  tips: Tips,
  option: MergeOptionTypeEnum,
  input: MergeInput,
  pullRequestId?: string,
): Promise<Made> => {
  const folder = databaseOf(ctx, repository.id)
  const facts = await mergeFacts(folder, tips, option, detailOf(input))
  const made =
    option === 'FAST_FORWARD_MERGE'
      ? await forward(folder, tips)
      : await makeMergeCommit(ctx, repository, tips, option, input)
  const pullRequest: Merged | undefined =
    pullRequestId === undefined
      ? undefined
      : { pullRequestId, option, ...(option === 'FAST_FORWARD_MERGE' ? {} : { commitId: made.commitId }) }
  const command = { reference, from: tips.destination, to: made.commitId }
  const cause = { merge: facts, ...(pullRequest ? { pullRequest } : {}) }
  if (!(await move(ctx, repository, command, cause))) throw changedMeanwhile(reference)
  return made
}

const forward = async (folder: string, { source, destination }: Tips): Promise<Made> => {
  if ((await mergeBase(folder, source, destination)) !== destination)
    throw fail('ManualMergeRequiredException', 'The merge is no fast-forward: the destination has commits of its own.')
  const [tree] = await lookUp(folder, [`${source}^{tree}`])
  if (!tree) throw new Error(`The commit ${source} has no tree.`)
  return { commitId: source, treeId: tree.id }
}
