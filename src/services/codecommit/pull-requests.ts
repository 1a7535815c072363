import type { PullRequestEvent } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { knownIdentities } from '../capabilities.ts'
import type { ApprovalRule } from './approval-rule.ts'
import { templateRules } from './approval-template-associations.ts'
import { callerOf } from './events.ts'
import { isBranchName } from './names.ts'
import { readReference } from './object-database.ts'
import { mergeBase } from './object-merges.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { getPage } from './page.ts'
import {
  change,
  getOpenPullRequest,
  getPullRequest,
  HistoryEntry,
  historyOf,
  Numbering,
  PullRequest,
  Revision,
  toPullRequest,
} from './pull-request.ts'
import { end, followOne } from './pull-request-branches.ts'
import { databaseOf, getRepository, type Repository } from './repositories.ts'
import { askedOf, checkAgain } from './tokens.ts'

const longestTitle = 150
const longestDescription = 10_240
const mostOpen = 1000

const checkTitle = (title: string): void => {
  if (title === '') throw fail('TitleRequiredException', 'A pull request title is required.')
  if (title.length > longestTitle)
    throw fail('InvalidTitleException', `A pull request title can have at most ${longestTitle} characters.`)
}

const checkDescription = (description: string): void => {
  if (description.length > longestDescription)
    throw fail('InvalidDescriptionException', `A description can have at most ${longestDescription} characters.`)
}

/** The full name of a branch, given by its name or in full. Raises InvalidReferenceNameException and ReferenceTypeNotSupportedException. */
const branchReference = (name: string): string => {
  if (name === '') throw fail('ReferenceNameRequiredException', 'A reference name is required.')
  if (name.startsWith('refs/') && !name.startsWith('refs/heads/'))
    throw fail('ReferenceTypeNotSupportedException', `${name} is not a branch.`)
  const short = name.replace(/^refs\/heads\//, '')
  if (!isBranchName(short)) throw fail('InvalidReferenceNameException', `The reference name ${name} is not valid.`)
  return `refs/heads/${short}`
}

/** Exactly one target. The destination is the default branch, unless told. */
const readTarget = async (ctx: Ctx, targets: Input<'CreatePullRequest'>['targets']) => {
  const [target, ...others] = targets
  if (!target) throw fail('TargetsRequiredException', 'A target is required for a pull request.')
  if (others.some(({ repositoryName }) => repositoryName !== target.repositoryName))
    throw fail('MultipleRepositoriesInPullRequestException', 'A pull request can be about one repository only.')
  if (others.length > 0) throw fail('InvalidTargetsException', 'A pull request has exactly one target.')
  if (target.repositoryName === undefined)
    throw fail('RepositoryNameRequiredException', 'A repository name is required.')
  if (target.sourceReference === undefined)
    throw fail('ReferenceNameRequiredException', 'A source reference is required.')
  const { repositoryName } = target
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  const source = branchReference(target.sourceReference)
  const destination = branchReference(target.destinationReference ?? repository.defaultBranch ?? '')
  if (source === destination)
    throw fail('SourceAndDestinationAreSameException', 'The source and the destination branch are the same.')
  return { repository, source, destination }
}

const getTip = async (ctx: Ctx, repository: Repository, reference: string): Promise<string> => {
  const tip = await readReference(databaseOf(ctx, repository.id), reference)
  if (!tip) throw fail('ReferenceDoesNotExistException', `The reference ${reference} does not exist.`)
  return tip
}

const findByToken = async (tx: ReadTx, token: string): Promise<PullRequest | undefined> =>
  (await tx.list(PullRequest, { index: 'token', equals: token, limit: 1 }))[0]

/**
 * Templates of the repository put their rules on it. Raises the exceptions of title, description, targets and token, and
 * MaximumOpenPullRequestsExceededException.
 */
export const CreatePullRequest: Operation<'CreatePullRequest'> = async (ctx, input) => {
  const { title, description } = input
  checkTitle(title)
  if (description !== undefined) checkDescription(description)
  const asked = askedOf(ctx, input)
  const known = await ctx.read((tx) => findByToken(tx, asked.token))
  if (known) {
    checkAgain(known, asked)
    const found = await ctx.read((tx) => getPullRequest(tx, known.id))
    return { pullRequest: toPullRequest(found.pullRequest, found.repository) }
  }
  const { repository, source, destination } = await readTarget(ctx, input.targets)
  const sourceCommit = await getTip(ctx, repository, source)
  const destinationCommit = await getTip(ctx, repository, destination)
  const base = await mergeBase(databaseOf(ctx, repository.id), sourceCommit, destinationCommit)
  const caller = callerOf(ctx)
  const created = await ctx.write(async (tx) => {
    const again = await findByToken(tx, asked.token)
    if (again) {
      checkAgain(again, asked)
      return again
    }
    const open = await tx.list(PullRequest, { index: 'open', equals: repository.id, limit: mostOpen })
    if (open.length >= mostOpen)
      throw fail('MaximumOpenPullRequestsExceededException', `A repository can have ${mostOpen} open pull requests.`)
    const { last } = (await tx.get(Numbering, 'pullRequest')) ?? { last: 0 }
    tx.put(Numbering, { kind: 'pullRequest', last: last + 1 })
    const id = String(last + 1)
    const revisionId = ctx.random(64)
    tx.put(Revision, { pullRequestId: id, id: revisionId, sourceCommit, approvals: [] })
    const rules: ApprovalRule[] = await templateRules(ctx, tx, repository, destination)
    const now = ctx.now().toISOString()
    const pullRequest: PullRequest = {
      id,
      repositoryId: repository.id,
      title,
      ...(description === undefined ? {} : { description }),
      author: caller.arn,
      ...asked,
      created: now,
      lastActivity: now,
      status: 'OPEN',
      source,
      destination,
      sourceCommit,
      destinationCommit,
      ...(base === undefined ? {} : { mergeBase: base }),
      revisionId,
      rules,
      events: 0,
    }
    return change(
      ctx,
      tx,
      { pullRequest, repository },
      {},
      {
        caller,
        entry: {
          type: 'PULL_REQUEST_CREATED',
          facts: {
            pullRequestCreatedEventMetadata: {
              repositoryName: repository.name,
              sourceCommitId: sourceCommit,
              destinationCommitId: destinationCommit,
              ...(base === undefined ? {} : { mergeBase: base }),
            },
          },
        },
        event: {
          name: 'pullRequestCreated',
          says: `User: ${caller.arn}. Event: Created. The pull request was created with the following information: Pull Request ID as ${id} and title as ${title}.`,
        },
      },
    )
  })
  // A push that came between the look at the branches and the record did not find it open yet.
  await followOne(ctx, repository.id, created, { caller })
  const found = await ctx.read((tx) => getPullRequest(tx, created.id))
  return { pullRequest: toPullRequest(found.pullRequest, found.repository) }
}

export const GetPullRequest: Operation<'GetPullRequest'> = (ctx, { pullRequestId }) =>
  ctx.read(async (tx) => {
    const { pullRequest, repository } = await getPullRequest(tx, pullRequestId)
    return { pullRequest: toPullRequest(pullRequest, repository) }
  })

const isArn = (text: string): boolean => /^arn:aws:(iam|sts)::\d{12}:.+$/.test(text)

/** Whether an ARN names a user or a role that is not there. */
const isUnknown = async (ctx: Ctx, arn: string | undefined): Promise<boolean> =>
  arn !== undefined && (await ctx.use(knownIdentities).deleted([arn])).has(arn)

/** In the order of their numbers. Raises InvalidAuthorArnException, AuthorDoesNotExistException, InvalidMaxResultsException and InvalidContinuationTokenException. */
export const ListPullRequests: Operation<'ListPullRequests'> = async (ctx, input) => {
  const { repositoryName, authorArn, pullRequestStatus } = input
  if (authorArn !== undefined && !isArn(authorArn))
    throw fail('InvalidAuthorArnException', `The author ARN ${authorArn} is not valid.`)
  if (await isUnknown(ctx, authorArn))
    throw fail('AuthorDoesNotExistException', `The author ARN ${authorArn} does not exist.`)
  const all = await ctx.read(async (tx) =>
    tx.list(PullRequest, { index: 'repository', equals: (await getRepository(tx, repositoryName)).id }),
  )
  const wanted = all.filter(
    ({ author, status }) =>
      (authorArn === undefined || author === authorArn) &&
      (pullRequestStatus === undefined || status === pullRequestStatus),
  )
  const { page, nextToken } = getPage(wanted, input, { usual: 100 })
  return { pullRequestIds: page.map(({ id }) => id), nextToken }
}

/** Raises TitleRequiredException, InvalidTitleException and PullRequestAlreadyClosedException. */
export const UpdatePullRequestTitle: Operation<'UpdatePullRequestTitle'> = (ctx, { pullRequestId, title }) => {
  checkTitle(title)
  return edit(ctx, pullRequestId, { title })
}

/** Raises InvalidDescriptionException and PullRequestAlreadyClosedException. */
export const UpdatePullRequestDescription: Operation<'UpdatePullRequestDescription'> = (ctx, input) => {
  checkDescription(input.description)
  const { pullRequestId, description } = input
  return edit(ctx, pullRequestId, { description })
}

/** AWS documents no event for these changes. */
const edit = (ctx: Ctx, id: string, changes: Partial<PullRequest>) =>
  ctx.write(async (tx) => {
    const found = await getOpenPullRequest(tx, id)
    const pullRequest = change(ctx, tx, found, changes, { caller: callerOf(ctx) })
    return { pullRequest: toPullRequest(pullRequest, found.repository) }
  })

/** Open to closed is the only way. Raises InvalidPullRequestStatusUpdateException. */
export const UpdatePullRequestStatus: Operation<'UpdatePullRequestStatus'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const found = await getPullRequest(tx, input.pullRequestId)
    if (input.pullRequestStatus !== 'CLOSED' || found.pullRequest.status !== 'OPEN')
      throw fail('InvalidPullRequestStatusUpdateException', 'The only valid update is from OPEN to CLOSED.')
    return { pullRequest: toPullRequest(end(ctx, tx, found, callerOf(ctx)), found.repository) }
  })

/** Oldest first. Raises InvalidActorArnException, ActorDoesNotExistException, InvalidMaxResultsException and InvalidContinuationTokenException. */
export const DescribePullRequestEvents: Operation<'DescribePullRequestEvents'> = async (ctx, input) => {
  const { pullRequestId, pullRequestEventType, actorArn } = input
  if (actorArn !== undefined && !isArn(actorArn))
    throw fail('InvalidActorArnException', `The actor ARN ${actorArn} is not valid.`)
  if (await isUnknown(ctx, actorArn))
    throw fail('ActorDoesNotExistException', `The actor ARN ${actorArn} does not exist.`)
  const all = await ctx.read(async (tx) => {
    const { pullRequest } = await getPullRequest(tx, pullRequestId)
    return tx.list(HistoryEntry, { prefix: historyOf(pullRequest.id) })
  })
  const wanted = all.filter(
    ({ type, actor }) =>
      (pullRequestEventType === undefined || type === pullRequestEventType) &&
      (actorArn === undefined || actor === actorArn),
  )
  const { page, nextToken } = getPage(wanted, input, { usual: 100 })
  const pullRequestEvents = page.map(
    ({ time, type, actor, facts }): PullRequestEvent => ({
      pullRequestId,
      eventDate: new Date(time),
      pullRequestEventType: type,
      actorArn: actor,
      ...facts,
    }),
  )
  return { pullRequestEvents, nextToken }
}
