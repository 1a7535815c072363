import {
  type ApprovalRuleTemplate,
  AssociateApprovalRuleTemplateWithRepositoryCommand,
  BatchAssociateApprovalRuleTemplateWithRepositoriesCommand,
  BatchDisassociateApprovalRuleTemplateFromRepositoriesCommand,
  CodeCommitClient,
  CreateApprovalRuleTemplateCommand,
  CreateBranchCommand,
  CreatePullRequestApprovalRuleCommand,
  CreatePullRequestCommand,
  type CreatePullRequestCommandInput,
  CreateRepositoryCommand,
  DeleteApprovalRuleTemplateCommand,
  DeleteBranchCommand,
  DeletePullRequestApprovalRuleCommand,
  DeleteRepositoryCommand,
  DescribePullRequestEventsCommand,
  DisassociateApprovalRuleTemplateFromRepositoryCommand,
  EvaluatePullRequestApprovalRulesCommand,
  GetApprovalRuleTemplateCommand,
  GetBranchCommand,
  GetCommitCommand,
  GetMergeCommitCommand,
  GetPullRequestApprovalStatesCommand,
  GetPullRequestCommand,
  GetPullRequestOverrideStateCommand,
  ListApprovalRuleTemplatesCommand,
  ListAssociatedApprovalRuleTemplatesForRepositoryCommand,
  ListPullRequestsCommand,
  ListRepositoriesForApprovalRuleTemplateCommand,
  MergeBranchesByFastForwardCommand,
  MergePullRequestByFastForwardCommand,
  MergePullRequestBySquashCommand,
  MergePullRequestByThreeWayCommand,
  OverridePullRequestApprovalRulesCommand,
  PostCommentForPullRequestCommand,
  type PullRequest,
  PutFileCommand,
  UpdateApprovalRuleTemplateContentCommand,
  UpdateApprovalRuleTemplateDescriptionCommand,
  UpdateApprovalRuleTemplateNameCommand,
  UpdatePullRequestApprovalRuleContentCommand,
  UpdatePullRequestApprovalStateCommand,
  UpdatePullRequestDescriptionCommand,
  UpdatePullRequestStatusCommand,
  UpdatePullRequestTitleCommand,
} from '@aws-sdk/client-codecommit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { Comment } from './comment.ts'
import { service } from './index.ts'
import { moveReference } from './object-database.ts'
import { HistoryEntry, historyOf, Revision } from './pull-request.ts'
import { announcement, PendingMoves } from './references.ts'
import { databaseOf, getRepository } from './repositories.ts'

let drydock: Story
let root: CodeCommitClient
let ana: CodeCommitClient
let ben: CodeCommitClient
let repositoryName: string
let serial = 0

beforeAll(async () => {
  drydock = await story()
  root = drydock.client(CodeCommitClient)
  ana = drydock.client(CodeCommitClient, await drydock.user('ana', [allow('codecommit:*')]))
  ben = drydock.client(CodeCommitClient, await drydock.user('ben', [allow('codecommit:*')]))
})
afterAll(() => drydock.close())

const refused = (name: string) => expect.objectContaining({ name })
const arn = (user: string) => `arn:aws:iam::${drydock.account}:user/${user}`

const put = async (branchName: string, filePath: string, content: string): Promise<string> => {
  const tip = await root
    .send(new GetBranchCommand({ repositoryName, branchName }))
    .then(({ branch }) => branch?.commitId)
    .catch(() => undefined)
  const { commitId } = await root.send(
    new PutFileCommand({
      repositoryName,
      branchName,
      filePath,
      fileContent: Buffer.from(content),
      ...(tip === undefined ? {} : { parentCommitId: tip }),
      commitMessage: `${filePath} on ${branchName}`,
    }),
  )
  return commitId ?? ''
}

const tipOf = async (branchName: string) =>
  (await root.send(new GetBranchCommand({ repositoryName, branchName }))).branch?.commitId

let first: string
/** A repository with `main` and, one commit ahead of it, `feature`. */
beforeEach(async () => {
  repositoryName = `pr-${++serial}`
  await root.send(new CreateRepositoryCommand({ repositoryName }))
  first = await put('main', 'readme', 'one\ntwo\nthree\n')
  await root.send(new CreateBranchCommand({ repositoryName, branchName: 'feature', commitId: first }))
  await put('feature', 'feature.txt', 'new\n')
})

const open = async (
  changes: Partial<CreatePullRequestCommandInput> = {},
  by: CodeCommitClient = ana,
): Promise<PullRequest> => {
  const input = { title: 'A feature', targets: [{ repositoryName, sourceReference: 'feature' }], ...changes }
  const { pullRequest } = await by.send(new CreatePullRequestCommand(input))
  if (!pullRequest) throw new Error('There is no pull request.')
  return pullRequest
}

const get = async (pullRequestId: string | undefined) =>
  (await ana.send(new GetPullRequestCommand({ pullRequestId }))).pullRequest

const history = async (pullRequestId: string | undefined) =>
  (await ana.send(new DescribePullRequestEventsCommand({ pullRequestId }))).pullRequestEvents ?? []

/** Events told of this repository's pull requests. */
const told = async () => {
  await drydock.settled()
  return drydock.events
    .filter(({ 'detail-type': type }) => type === 'CodeCommit Pull Request State Change')
    .map(({ detail }) => detail)
    .filter(({ repositoryNames }) => JSON.stringify(repositoryNames) === JSON.stringify([repositoryName]))
}

const rule = (more: object = {}, reference?: string) =>
  JSON.stringify({
    Version: '2018-11-08',
    ...(reference ? { DestinationReferences: [reference] } : {}),
    Statements: [{ Type: 'Approvers', NumberOfApprovalsNeeded: 1, ...more }],
  })

describe('pull requests', () => {
  it('are opened once for a token, found, listed, changed and closed', async () => {
    const clientRequestToken = `token-${serial}`
    const made = await open({ clientRequestToken, description: 'Please' })
    expect(made).toMatchObject({
      title: 'A feature',
      description: 'Please',
      pullRequestStatus: 'OPEN',
      authorArn: arn('ana'),
      approvalRules: [],
      revisionId: expect.stringMatching(/^[0-9a-f]{64}$/),
      pullRequestTargets: [
        {
          repositoryName,
          sourceReference: 'refs/heads/feature',
          destinationReference: 'refs/heads/main',
          sourceCommit: await tipOf('feature'),
          destinationCommit: first,
          mergeBase: first,
          mergeMetadata: { isMerged: false },
        },
      ],
    })
    expect((await open({ clientRequestToken, description: 'Please' })).pullRequestId).toBe(made.pullRequestId)
    await expect(open({ clientRequestToken })).rejects.toEqual(refused('IdempotencyParameterMismatchException'))
    expect(await get(made.pullRequestId)).toEqual(made)
    const { pullRequestId } = made
    const other = await open()
    const list = async (filter: object) =>
      (await ana.send(new ListPullRequestsCommand({ repositoryName, ...filter }))).pullRequestIds
    expect(await list({})).toEqual([pullRequestId, other.pullRequestId])
    expect(await list({ authorArn: arn('ben') })).toEqual([])
    await expect(list({ authorArn: arn('nobody') })).rejects.toMatchObject({ name: 'AuthorDoesNotExistException' })
    await ana.send(new UpdatePullRequestTitleCommand({ pullRequestId, title: 'Better' }))
    await ana.send(new UpdatePullRequestDescriptionCommand({ pullRequestId, description: '' }))
    await drydock.advance({ seconds: 5 })
    const closed = await ana.send(new UpdatePullRequestStatusCommand({ pullRequestId, pullRequestStatus: 'CLOSED' }))
    expect(closed.pullRequest).toMatchObject({ title: 'Better', description: '', pullRequestStatus: 'CLOSED' })
    expect(closed.pullRequest?.lastActivityDate?.getTime()).toBeGreaterThan(made.creationDate?.getTime() ?? 0)
    expect(await list({ pullRequestStatus: 'OPEN' })).toEqual([other.pullRequestId])
    await expect(
      ana.send(new UpdatePullRequestStatusCommand({ pullRequestId, pullRequestStatus: 'OPEN' })),
    ).rejects.toEqual(refused('InvalidPullRequestStatusUpdateException'))
    await expect(ana.send(new UpdatePullRequestTitleCommand({ pullRequestId, title: 'x' }))).rejects.toEqual(
      refused('PullRequestAlreadyClosedException'),
    )
    expect(await history(pullRequestId)).toMatchObject([
      {
        pullRequestEventType: 'PULL_REQUEST_CREATED',
        actorArn: arn('ana'),
        pullRequestCreatedEventMetadata: { repositoryName, destinationCommitId: first, mergeBase: first },
      },
      {
        pullRequestEventType: 'PULL_REQUEST_STATUS_CHANGED',
        pullRequestStatusChangedEventMetadata: { pullRequestStatus: 'CLOSED' },
      },
    ])
    expect((await told()).filter((detail) => detail.pullRequestId === pullRequestId)).toMatchObject([
      {
        event: 'pullRequestCreated',
        author: arn('ana'),
        callerUserArn: arn('ana'),
        creationDate: expect.stringMatching(/^Mon Nov 23 09:0\d:\d\d UTC 2026$/),
        isMerged: 'False',
        pullRequestStatus: 'Open',
        sourceReference: 'refs/heads/feature',
        title: 'A feature',
        notificationBody: expect.stringContaining(`Pull Request ID as ${pullRequestId} and title as A feature.`),
      },
      { event: 'pullRequestStatusChanged', pullRequestStatus: 'Closed' },
    ])
  })

  it.each([
    ['InvalidTitleException', { title: 'x'.repeat(151) }],
    ['TargetsRequiredException', { targets: [] }],
    ['ReferenceDoesNotExistException', { targets: [{ sourceReference: 'nobody' }] }],
    ['SourceAndDestinationAreSameException', { targets: [{ sourceReference: 'main' }] }],
    ['ReferenceTypeNotSupportedException', { targets: [{ sourceReference: 'refs/tags/v1' }] }],
    ['InvalidReferenceNameException', { targets: [{ sourceReference: 'a..b' }] }],
    [
      'MultipleRepositoriesInPullRequestException',
      { targets: [{ sourceReference: 'feature' }, { repositoryName: 'other', sourceReference: 'feature' }] },
    ],
  ])('are refused: %s', async (name, { targets, ...changes }: { title?: string; targets?: object[] }) => {
    const inRepository = targets?.map((target) => ({ repositoryName, sourceReference: '', ...target }))
    await expect(open({ ...changes, ...(inRepository ? { targets: inRepository } : {}) })).rejects.toMatchObject(
      // The model itself bounds titles.
      name === 'InvalidTitleException' ? { $metadata: { httpStatusCode: 400 } } : { name },
    )
  })

  it('follow their branches, and end with them', async () => {
    const { pullRequestId, revisionId } = await open()
    const source = await put('feature', 'feature.txt', 'newer\n')
    const moved = await get(pullRequestId)
    expect(moved?.pullRequestTargets?.[0]).toMatchObject({ sourceCommit: source, destinationCommit: first })
    expect(moved?.revisionId).not.toBe(revisionId)
    const destination = await put('main', 'other', 'x\n')
    const after = await get(pullRequestId)
    expect(after?.pullRequestTargets?.[0]).toMatchObject({ destinationCommit: destination, mergeBase: first })
    expect(after?.revisionId).toBe(moved?.revisionId)
    expect((await history(pullRequestId))[1]).toMatchObject({
      pullRequestEventType: 'PULL_REQUEST_SOURCE_REFERENCE_UPDATED',
      pullRequestSourceReferenceUpdatedEventMetadata: { repositoryName, afterCommitId: source, mergeBase: first },
    })
    await root.send(new DeleteBranchCommand({ repositoryName, branchName: 'feature' }))
    expect(await get(pullRequestId)).toMatchObject({ pullRequestStatus: 'CLOSED' })
    expect((await told()).map(({ event }) => event)).toEqual([
      'pullRequestCreated',
      'pullRequestSourceBranchUpdated',
      'pullRequestStatusChanged',
    ])
  })
})

describe('deleted repositories', () => {
  it('take their pull requests and comments with them', async () => {
    const { pullRequestId } = await open()
    const afterCommitId = await tipOf('feature')
    await ana.send(
      new PostCommentForPullRequestCommand({
        pullRequestId,
        repositoryName,
        beforeCommitId: first,
        afterCommitId,
        content: 'Good',
      }),
    )
    await root.send(new DeleteRepositoryCommand({ repositoryName }))
    await expect(get(pullRequestId)).rejects.toEqual(refused('PullRequestDoesNotExistException'))
    await drydock.settled()
    const { kernel } = drydock.server
    const ctx = kernel.ownContext(service, { account: drydock.account, region: drydock.region })
    const left = await ctx.read(async (tx) => [
      ...(await tx.list(HistoryEntry, { prefix: historyOf(pullRequestId ?? '') })),
      ...(await tx.list(Revision, { prefix: historyOf(pullRequestId ?? '') })),
      ...(await tx.list(Comment, { index: 'pullRequest', equals: pullRequestId ?? '' })),
    ])
    expect(left).toEqual([])
  })
})

describe('merges of pull requests', () => {
  it('by fast-forward, squash and three ways', async () => {
    const forward = await open()
    const source = await tipOf('feature')
    await expect(
      ben.send(
        new MergePullRequestByFastForwardCommand({
          pullRequestId: forward.pullRequestId,
          repositoryName,
          sourceCommitId: first,
        }),
      ),
    ).rejects.toEqual(refused('TipOfSourceReferenceIsDifferentException'))
    const { pullRequest } = await ben.send(
      new MergePullRequestByFastForwardCommand({ pullRequestId: forward.pullRequestId, repositoryName }),
    )
    expect(pullRequest).toMatchObject({
      pullRequestStatus: 'CLOSED',
      pullRequestTargets: [
        { mergeMetadata: { isMerged: true, mergedBy: arn('ben'), mergeOption: 'FAST_FORWARD_MERGE' } },
      ],
    })
    expect(await tipOf('main')).toBe(source)

    await put('feature', 'second.txt', '2\n')
    await put('feature', 'third.txt', '3\n')
    const squash = await open()
    const destination = await put('main', 'elsewhere', 'x\n')
    await expect(
      ben.send(new MergePullRequestByFastForwardCommand({ pullRequestId: squash.pullRequestId, repositoryName })),
    ).rejects.toEqual(refused('ManualMergeRequiredException'))
    const squashed = await ben.send(
      new MergePullRequestBySquashCommand({ pullRequestId: squash.pullRequestId, repositoryName, authorName: 'Ben' }),
    )
    const tip = await tipOf('main')
    expect(squashed.pullRequest?.pullRequestTargets?.[0]?.mergeMetadata).toEqual({
      isMerged: true,
      mergedBy: arn('ben'),
      mergeCommitId: tip,
      mergeOption: 'SQUASH_MERGE',
    })
    const { commit } = await root.send(new GetCommitCommand({ repositoryName, commitId: tip }))
    expect(commit).toMatchObject({
      parents: [destination],
      author: { name: 'Ben' },
      message: 'third.txt on feature\n\nsecond.txt on feature',
    })

    const side = await put('feature', 'fourth.txt', '4\n')
    const three = await open()
    await ben.send(
      new MergePullRequestByThreeWayCommand({
        pullRequestId: three.pullRequestId,
        repositoryName,
        commitMessage: 'Both',
      }),
    )
    const both = await root.send(new GetCommitCommand({ repositoryName, commitId: await tipOf('main') }))
    expect(both.commit).toMatchObject({ parents: [tip, side], message: 'Both' })
    await expect(
      ben.send(new MergePullRequestByThreeWayCommand({ pullRequestId: three.pullRequestId, repositoryName })),
    ).rejects.toEqual(refused('PullRequestAlreadyClosedException'))
    const known = await root.send(
      new GetMergeCommitCommand({ repositoryName, sourceCommitSpecifier: side, destinationCommitSpecifier: tip }),
    )
    expect(known.mergedCommitId).toBe(await tipOf('main'))
    expect((await history(three.pullRequestId)).at(-1)).toMatchObject({
      pullRequestEventType: 'PULL_REQUEST_MERGE_STATE_CHANGED',
      pullRequestMergedStateChangedEventMetadata: {
        destinationReference: 'refs/heads/main',
        mergeMetadata: { isMerged: true, mergeOption: 'THREE_WAY_MERGE' },
      },
    })
    await drydock.settled()
    const update = drydock.events.map(({ detail }) => detail).findLast(({ event }) => event === 'referenceUpdated')
    expect(update).toMatchObject({
      repositoryName,
      sourceCommitId: side,
      destinationCommitId: tip,
      mergeOption: 'THREE_WAY_MERGE',
      conflictDetailsLevel: 'FILE_LEVEL',
      conflictResolutionStrategy: 'NONE',
    })
    expect((await told()).at(-1)).toMatchObject({ event: 'pullRequestMergeStatusUpdated', isMerged: 'True' })
  })

  it('are seen when the destination comes to the source by other means', async () => {
    const { pullRequestId } = await open()
    await root.send(
      new MergeBranchesByFastForwardCommand({
        repositoryName,
        sourceCommitSpecifier: 'feature',
        destinationCommitSpecifier: 'main',
      }),
    )
    expect(await get(pullRequestId)).toMatchObject({
      pullRequestStatus: 'CLOSED',
      pullRequestTargets: [{ mergeMetadata: { isMerged: true, mergeOption: 'FAST_FORWARD_MERGE' } }],
    })
  })

  it('are told after all when the server died between git and the record', async () => {
    const { pullRequestId } = await open()
    const { kernel } = drydock.server
    const ctx = kernel.ownContext(service, { account: drydock.account, region: drydock.region })
    const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
    const to = await tipOf('feature')
    if (to === undefined) throw new Error('There is no commit to merge.')
    const pending: PendingMoves = {
      id: 'lost',
      repositoryId: repository.id,
      callerArn: arn('ben'),
      since: drydock.clock.now().toISOString(),
      moves: [{ reference: 'refs/heads/main', from: first, to }],
      cause: {
        merge: { sourceCommitId: to, destinationCommitId: first, mergeOption: 'SQUASH_MERGE' },
        pullRequest: { pullRequestId: pullRequestId ?? '', option: 'SQUASH_MERGE', commitId: to },
      },
    }
    await ctx.write(async (tx) => {
      tx.put(PendingMoves, pending)
      tx.wake(announcement.name, repository.id, { in: 10_000 })
    })
    await moveReference(databaseOf(ctx, repository.id), { reference: 'refs/heads/main', from: first, to })
    expect((await get(pullRequestId))?.pullRequestStatus).toBe('OPEN')
    await drydock.advance({ seconds: 11 })
    expect(await get(pullRequestId)).toMatchObject({
      pullRequestStatus: 'CLOSED',
      pullRequestTargets: [{ mergeMetadata: { isMerged: true, mergedBy: arn('ben'), mergeCommitId: to } }],
    })
    expect((await told()).map(({ event }) => event)).toEqual(['pullRequestCreated', 'pullRequestMergeStatusUpdated'])
  })

  it('of another repository are refused', async () => {
    const { pullRequestId } = await open()
    const other = `other-${serial}`
    await root.send(new CreateRepositoryCommand({ repositoryName: other }))
    await expect(
      ben.send(new MergePullRequestBySquashCommand({ pullRequestId, repositoryName: other })),
    ).rejects.toEqual(refused('RepositoryNotAssociatedWithPullRequestException'))
  })
})

describe('approvals', () => {
  const approve = (by: CodeCommitClient, { pullRequestId, revisionId }: PullRequest, approvalState = 'APPROVE') =>
    by.send(
      new UpdatePullRequestApprovalStateCommand({
        pullRequestId,
        revisionId,
        approvalState: approvalState === 'APPROVE' ? 'APPROVE' : 'REVOKE',
      }),
    )
  const states = async ({ pullRequestId, revisionId }: PullRequest) =>
    (await ana.send(new GetPullRequestApprovalStatesCommand({ pullRequestId, revisionId }))).approvals
  const evaluation = async ({ pullRequestId, revisionId }: PullRequest) =>
    (await ana.send(new EvaluatePullRequestApprovalRulesCommand({ pullRequestId, revisionId }))).evaluation
  const merge = ({ pullRequestId }: PullRequest) =>
    ben.send(new MergePullRequestBySquashCommand({ pullRequestId, repositoryName }))

  it('are needed where a rule says so, of the present revision, by its pool', async () => {
    const made = await open()
    const { pullRequestId } = made
    const { approvalRule } = await ana.send(
      new CreatePullRequestApprovalRuleCommand({
        pullRequestId,
        approvalRuleName: 'Ben alone',
        approvalRuleContent: rule({ ApprovalPoolMembers: [`CodeCommitApprovers:${drydock.account}:ben`] }),
      }),
    )
    expect(approvalRule).toMatchObject({ approvalRuleName: 'Ben alone', lastModifiedUser: arn('ana') })
    await expect(merge(made)).rejects.toEqual(refused('PullRequestApprovalRulesNotSatisfiedException'))
    await expect(approve(ana, made)).rejects.toEqual(refused('PullRequestCannotBeApprovedByAuthorException'))
    await approve(root, made)
    expect(await evaluation(made)).toEqual({
      approved: false,
      overridden: false,
      approvalRulesSatisfied: [],
      approvalRulesNotSatisfied: ['Ben alone'],
    })
    await approve(ben, made)
    expect(await states(made)).toEqual([
      { userArn: `arn:aws:iam::${drydock.account}:root`, approvalState: 'APPROVE' },
      { userArn: arn('ben'), approvalState: 'APPROVE' },
    ])
    expect(await evaluation(made)).toMatchObject({ approved: true, approvalRulesSatisfied: ['Ben alone'] })
    await approve(ben, made, 'REVOKE')
    expect(await states(made)).toHaveLength(1)
    await approve(ben, made)
    // A push after the approval asks for another one.
    await put('feature', 'feature.txt', 'sneaked in\n')
    await expect(merge(made)).rejects.toEqual(refused('PullRequestApprovalRulesNotSatisfiedException'))
    await expect(approve(ben, made)).rejects.toEqual(refused('RevisionNotCurrentException'))
    expect(await states(made)).toHaveLength(2)
    const present = await get(pullRequestId)
    if (!present) throw new Error('It is gone.')
    expect(await states(present)).toEqual([])
    await approve(ben, present)
    await merge(present)
    expect((await told()).map(({ event, approvalStatus }) => [event, approvalStatus])).toEqual([
      ['pullRequestCreated', undefined],
      ['pullRequestApprovalRuleCreated', undefined],
      ['pullRequestApprovalStateChanged', 'APPROVE'],
      ['pullRequestApprovalStateChanged', 'APPROVE'],
      ['pullRequestApprovalStateChanged', 'REVOKE'],
      ['pullRequestApprovalStateChanged', 'APPROVE'],
      ['pullRequestSourceBranchUpdated', undefined],
      ['pullRequestApprovalStateChanged', 'APPROVE'],
      ['pullRequestMergeStatusUpdated', undefined],
    ])
  })

  it('are set aside by an override, until the next revision', async () => {
    const made = await open()
    const { pullRequestId, revisionId } = made
    const content = rule({ NumberOfApprovalsNeeded: 5 })
    await ana.send(
      new CreatePullRequestApprovalRuleCommand({
        pullRequestId,
        approvalRuleName: 'Five',
        approvalRuleContent: content,
      }),
    )
    const override = (overrideStatus: 'OVERRIDE' | 'REVOKE') =>
      ben.send(new OverridePullRequestApprovalRulesCommand({ pullRequestId, revisionId, overrideStatus }))
    await override('OVERRIDE')
    await expect(override('OVERRIDE')).rejects.toEqual(refused('OverrideAlreadySetException'))
    const state = await ana.send(new GetPullRequestOverrideStateCommand({ pullRequestId, revisionId }))
    expect(state).toMatchObject({ overridden: true, overrider: arn('ben') })
    expect(await evaluation(made)).toMatchObject({ approved: true, overridden: true })
    await override('REVOKE')
    await expect(merge(made)).rejects.toEqual(refused('PullRequestApprovalRulesNotSatisfiedException'))
    await override('OVERRIDE')
    await merge(made)
    expect((await history(pullRequestId)).map((event) => event.approvalRuleOverriddenEventMetadata)).toContainEqual({
      revisionId,
      overrideStatus: 'REVOKE',
    })
  })

  it('rules are changed and deleted by their hash and name', async () => {
    const { pullRequestId } = await open()
    const approvalRuleName = 'One'
    const create = (approvalRuleContent: string, name = approvalRuleName) =>
      ana.send(new CreatePullRequestApprovalRuleCommand({ pullRequestId, approvalRuleName: name, approvalRuleContent }))
    const { approvalRule } = await create(rule())
    await expect(create(rule())).rejects.toEqual(refused('ApprovalRuleNameAlreadyExistsException'))
    await expect(create('{}', 'Two')).rejects.toEqual(refused('InvalidApprovalRuleContentException'))
    await expect(create(rule(), 'a/b')).rejects.toEqual(refused('InvalidApprovalRuleNameException'))
    const update = (existingRuleContentSha256: string | undefined) =>
      ana.send(
        new UpdatePullRequestApprovalRuleContentCommand({
          pullRequestId,
          approvalRuleName,
          existingRuleContentSha256,
          newRuleContent: rule({ NumberOfApprovalsNeeded: 2 }),
        }),
      )
    await expect(update('0'.repeat(64))).rejects.toEqual(refused('InvalidRuleContentSha256Exception'))
    const updated = await update(approvalRule?.ruleContentSha256)
    expect(updated.approvalRule?.approvalRuleId).toBe(approvalRule?.approvalRuleId)
    const remove = () => ana.send(new DeletePullRequestApprovalRuleCommand({ pullRequestId, approvalRuleName }))
    expect((await remove()).approvalRuleId).toBe(approvalRule?.approvalRuleId)
    expect((await remove()).approvalRuleId).toBeUndefined()
    expect((await get(pullRequestId))?.approvalRules).toEqual([])
  })
})

describe('approval rule templates', () => {
  const create = async (approvalRuleTemplateName: string, approvalRuleTemplateContent: string) =>
    (await root.send(new CreateApprovalRuleTemplateCommand({ approvalRuleTemplateName, approvalRuleTemplateContent })))
      .approvalRuleTemplate as ApprovalRuleTemplate
  const associate = (approvalRuleTemplateName: string) =>
    root.send(new AssociateApprovalRuleTemplateWithRepositoryCommand({ approvalRuleTemplateName, repositoryName }))

  it('put their rules on pull requests to the branches they name', async () => {
    const main = await create(`main ${serial}`, rule({}, 'refs/heads/main'))
    await create(`release ${serial}`, rule({}, 'refs/heads/release-*'))
    await associate(`main ${serial}`)
    await associate(`release ${serial}`)
    const made = await open()
    expect(made.approvalRules).toMatchObject([
      {
        approvalRuleName: `main ${serial}`,
        originApprovalRuleTemplate: {
          approvalRuleTemplateId: main.approvalRuleTemplateId,
          approvalRuleTemplateName: `main ${serial}`,
        },
      },
    ])
    const { pullRequestId } = made
    const named = { pullRequestId, approvalRuleName: `main ${serial}` }
    await expect(ana.send(new DeletePullRequestApprovalRuleCommand(named))).rejects.toEqual(
      refused('CannotDeleteApprovalRuleFromTemplateException'),
    )
    await expect(
      ana.send(new UpdatePullRequestApprovalRuleContentCommand({ ...named, newRuleContent: rule() })),
    ).rejects.toEqual(refused('CannotModifyApprovalRuleFromTemplateException'))
    await expect(ben.send(new MergePullRequestBySquashCommand({ pullRequestId, repositoryName }))).rejects.toEqual(
      refused('PullRequestApprovalRulesNotSatisfiedException'),
    )
  })

  it('are changed, renamed, associated and deleted', async () => {
    const name = `template ${serial}`
    const template = await create(name, rule())
    await expect(create(name, rule())).rejects.toEqual(refused('ApprovalRuleTemplateNameAlreadyExistsException'))
    await expect(create('bad', '[]')).rejects.toEqual(refused('InvalidApprovalRuleTemplateContentException'))
    await root.send(
      new UpdateApprovalRuleTemplateDescriptionCommand({
        approvalRuleTemplateName: name,
        approvalRuleTemplateDescription: 'One of us',
      }),
    )
    const update = (existingRuleContentSha256: string | undefined) =>
      root.send(
        new UpdateApprovalRuleTemplateContentCommand({
          approvalRuleTemplateName: name,
          newRuleContent: rule({ NumberOfApprovalsNeeded: 3 }),
          existingRuleContentSha256,
        }),
      )
    await expect(update('f'.repeat(64))).rejects.toEqual(refused('InvalidRuleContentSha256Exception'))
    await update(template.ruleContentSha256)
    const renamed = `renamed ${serial}`
    await root.send(
      new UpdateApprovalRuleTemplateNameCommand({
        oldApprovalRuleTemplateName: name,
        newApprovalRuleTemplateName: renamed,
      }),
    )
    const found = await root.send(new GetApprovalRuleTemplateCommand({ approvalRuleTemplateName: renamed }))
    expect(found.approvalRuleTemplate).toMatchObject({
      approvalRuleTemplateId: template.approvalRuleTemplateId,
      approvalRuleTemplateDescription: 'One of us',
      approvalRuleTemplateContent: rule({ NumberOfApprovalsNeeded: 3 }),
    })
    await expect(root.send(new GetApprovalRuleTemplateCommand({ approvalRuleTemplateName: name }))).rejects.toEqual(
      refused('ApprovalRuleTemplateDoesNotExistException'),
    )
    expect((await root.send(new ListApprovalRuleTemplatesCommand({}))).approvalRuleTemplateNames).toContain(renamed)
    const batch = { approvalRuleTemplateName: renamed, repositoryNames: [repositoryName, 'nobody'] }
    const joined = await root.send(new BatchAssociateApprovalRuleTemplateWithRepositoriesCommand(batch))
    expect(joined).toMatchObject({
      associatedRepositoryNames: [repositoryName],
      errors: [{ repositoryName: 'nobody', errorCode: 'RepositoryDoesNotExistException' }],
    })
    const own = await root.send(new ListAssociatedApprovalRuleTemplatesForRepositoryCommand({ repositoryName }))
    expect(own.approvalRuleTemplateNames).toEqual([renamed])
    const remove = () => root.send(new DeleteApprovalRuleTemplateCommand({ approvalRuleTemplateName: renamed }))
    await expect(remove()).rejects.toEqual(refused('ApprovalRuleTemplateInUseException'))
    await root.send(new BatchDisassociateApprovalRuleTemplateFromRepositoriesCommand(batch))
    await associate(renamed)
    await root.send(
      new DisassociateApprovalRuleTemplateFromRepositoryCommand({ approvalRuleTemplateName: renamed, repositoryName }),
    )
    const all = await root.send(
      new ListRepositoriesForApprovalRuleTemplateCommand({ approvalRuleTemplateName: renamed }),
    )
    expect(all.repositoryNames).toEqual([])
    expect((await remove()).approvalRuleTemplateId).toBe(template.approvalRuleTemplateId)
    expect((await remove()).approvalRuleTemplateId).toBeUndefined()
    await drydock.settled()
    const told = drydock.events
      .map(({ detail }) => detail)
      .filter((detail) => detail.approvalRuleTemplateId === template.approvalRuleTemplateId)
    expect(told.map(({ event }) => event)).toEqual([
      'approvalRuleTemplateCreated',
      'approvalRuleTemplateUpdated',
      'approvalRuleTemplateUpdated',
      'approvalRuleTemplateUpdated',
      'batchAssociateApprovalRuleTemplateWithRepositories',
      'batchDisassociateApprovalRuleTemplateFromRepositories',
      'approvalRuleTemplateAssociatedWithRepository',
      'approvalRuleTemplateDisassociatedFromRepository',
      'approvalRuleTemplateDeleted',
    ])
  })
})

describe('protected branches', () => {
  it('are merged into by those only whose policy lets them', async () => {
    const keys = await drydock.user(`junior-${serial}`, [
      allow('codecommit:*'),
      {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Deny',
            Action: [
              'codecommit:GitPush',
              'codecommit:DeleteBranch',
              'codecommit:PutFile',
              'codecommit:MergePullRequestByFastForward',
              'codecommit:MergePullRequestBySquash',
              'codecommit:MergePullRequestByThreeWay',
            ],
            Resource: `arn:aws:codecommit:us-east-1:${drydock.account}:${repositoryName}`,
            Condition: {
              StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
              Null: { 'codecommit:References': 'false' },
            },
          },
        ],
      },
    ])
    const junior = drydock.client(CodeCommitClient, keys)
    const { pullRequestId } = await open({}, junior)
    for (const Merge of [
      MergePullRequestByFastForwardCommand,
      MergePullRequestBySquashCommand,
      MergePullRequestByThreeWayCommand,
    ])
      await expect(junior.send(new Merge({ pullRequestId, repositoryName }))).rejects.toEqual(
        refused('AccessDeniedException'),
      )
    await expect(
      junior.send(
        new PutFileCommand({ repositoryName, branchName: 'main', filePath: 'x', fileContent: Buffer.from('x') }),
      ),
    ).rejects.toEqual(refused('AccessDeniedException'))
    await ben.send(new MergePullRequestBySquashCommand({ pullRequestId, repositoryName }))
  })
})
