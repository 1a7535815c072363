import type { MergeOptionTypeEnum } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { findBranch } from './branches.ts'
import { callerOf, senderOf } from './events.ts'
import { git } from './git.ts'
import { detailOf } from './merge.ts'
import {
  checkMergeInput,
  MergeCommit,
  type MergeInput,
  makeMergeCommit,
  mergeFacts,
  mergeInto,
} from './merge-commits.ts'
import { isBranchName, isObjectId } from './names.ts'
import { readReference } from './object-database.ts'
import { mergeBase } from './object-merges.ts'
import { fail, type Operation } from './operation.ts'
import { arnOf, databaseOf, getRepository, type Repository } from './repositories.ts'
import { getCommitId } from './specifiers.ts'

export type Specifiers = {
  readonly repositoryName: string
  readonly sourceCommitSpecifier: string
  readonly destinationCommitSpecifier: string
}

/** Raises InvalidCommitException and CommitDoesNotExistException. */
export const getTips = async (ctx: Ctx, input: Specifiers) => {
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  return {
    repository,
    folder: databaseOf(ctx, repository.id),
    source: await getCommitId(ctx, repository, input.sourceCommitSpecifier),
    destination: await getCommitId(ctx, repository, input.destinationCommitSpecifier),
  }
}

/** The branch that a merge goes to, by its short name: the target, or else the destination if that is a branch. */
export const targetOf = (
  {
    targetBranch,
    destinationCommitSpecifier,
  }: { targetBranch?: string | undefined; destinationCommitSpecifier?: string | undefined },
  defaultBranch: string | undefined,
): string | undefined => {
  const name = targetBranch ?? destinationCommitSpecifier
  if (targetBranch === undefined && name === 'HEAD') return defaultBranch
  const short = name?.replace(/^refs\/heads\//, '')
  return short === undefined || isObjectId(short) ? undefined : short
}

/** Checks that there is such a branch, and that it is at the destination. */
const getTarget = async (
  ctx: Ctx,
  repository: Repository,
  input: { targetBranch?: string | undefined; destinationCommitSpecifier: string },
  destination: string,
): Promise<string> => {
  const name = targetOf(input, repository.defaultBranch)
  if (name === undefined)
    throw fail('BranchNameRequiredException', 'A target branch is required, since the destination is no branch.')
  if (!isBranchName(name))
    throw input.targetBranch === undefined
      ? fail('InvalidBranchNameException', `The branch name ${name} is not valid.`)
      : fail('InvalidTargetBranchException', `The target branch ${name} is not valid.`)
  const tip = await findBranch(ctx, repository, name)
  if (tip === undefined) {
    if (await readReference(databaseOf(ctx, repository.id), `refs/tags/${name}`))
      throw fail('BranchNameIsTagNameException', `${name} is the name of a tag.`)
    throw fail('BranchDoesNotExistException', `Branch ${name} does not exist`)
  }
  if (tip !== destination)
    throw fail('ConcurrentReferenceUpdateException', `The destination commit is not the tip of ${name}.`)
  return `refs/heads/${name}`
}

type BranchInput = Specifiers & MergeInput & { readonly targetBranch?: string | undefined }

const mergeBranches = (option: MergeOptionTypeEnum) => async (ctx: Ctx, input: BranchInput) => {
  checkMergeInput(input)
  const { repository, source, destination } = await getTips(ctx, input)
  const reference = await getTarget(ctx, repository, input, destination)
  return mergeInto(ctx, repository, reference, { source, destination }, option, input)
}

/** Raises ManualMergeRequiredException when the target has commits of its own, ConcurrentReferenceUpdateException when it moved. */
export const MergeBranchesByFastForward: Operation<'MergeBranchesByFastForward'> = mergeBranches('FAST_FORWARD_MERGE')
/** Raises ManualMergeRequiredException, ConcurrentReferenceUpdateException and the exceptions of resolutions. */
export const MergeBranchesBySquash: Operation<'MergeBranchesBySquash'> = mergeBranches('SQUASH_MERGE')
/** As `MergeBranchesBySquash`. */
export const MergeBranchesByThreeWay: Operation<'MergeBranchesByThreeWay'> = mergeBranches('THREE_WAY_MERGE')

/** Raises InvalidMergeOptionException for a fast-forward, which makes no commit, and ManualMergeRequiredException. */
export const CreateUnreferencedMergeCommit: Operation<'CreateUnreferencedMergeCommit'> = async (ctx, input) => {
  checkMergeInput(input)
  const { mergeOption } = input
  if (mergeOption === 'FAST_FORWARD_MERGE')
    throw fail('InvalidMergeOptionException', 'A fast-forward merge makes no merge commit.')
  const { repository, folder, ...tips } = await getTips(ctx, input)
  const made = await makeMergeCommit(ctx, repository, tips, mergeOption, input)
  const facts = await mergeFacts(folder, tips, mergeOption, detailOf(input))
  await ctx.write(async (tx) =>
    tx.emit({
      source: 'aws.codecommit',
      'detail-type': 'CodeCommit Repository State Change',
      account: ctx.account,
      region: ctx.region,
      resources: [arnOf(ctx, repository.name)],
      detail: {
        event: 'unreferencedMergeCommitCreated',
        repositoryName: repository.name,
        repositoryId: repository.id,
        commitId: made.commitId,
        ...facts,
        ...senderOf(callerOf(ctx)),
      },
    }),
  )
  return made
}

/** What merging the one into the other has made: through the API, or by git as a commit with both for parents. */
export const GetMergeCommit: Operation<'GetMergeCommit'> = async (ctx, input) => {
  const { repository, folder, source, destination } = await getTips(ctx, input)
  const key = MergeCommit.key({ repositoryId: repository.id, source, destination, commitId: '' })
  const known = await ctx.read((tx) => tx.get(MergeCommit, key))
  return {
    sourceCommitId: source,
    destinationCommitId: destination,
    baseCommitId: await mergeBase(folder, source, destination),
    mergedCommitId: known?.commitId ?? (await findMerge(folder, source, destination)),
  }
}

const findMerge = async (folder: string, source: string, destination: string): Promise<string | undefined> => {
  const list = ['rev-list', '--merges', '--parents', '--all', `^${destination}`]
  const output = (await git([`--git-dir=${folder}`, ...list])).toString('latin1')
  return new RegExp(`^([0-9a-f]{40}) ${destination} ${source}$`, 'm').exec(output)?.[1]
}
