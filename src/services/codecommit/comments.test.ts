import {
  CodeCommitClient,
  CreateBranchCommand,
  CreatePullRequestCommand,
  CreateRepositoryCommand,
  DeleteCommentContentCommand,
  GetCommentCommand,
  GetCommentReactionsCommand,
  GetCommentsForComparedCommitCommand,
  GetCommentsForPullRequestCommand,
  PostCommentForComparedCommitCommand,
  type PostCommentForComparedCommitCommandInput,
  PostCommentForPullRequestCommand,
  PostCommentReplyCommand,
  PutCommentReactionCommand,
  PutFileCommand,
  UpdateCommentCommand,
} from '@aws-sdk/client-codecommit'
import { DeleteAccessKeyCommand, DeleteUserCommand, DeleteUserPolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

const repositoryName = 'discussed'
let drydock: Story
let ana: CodeCommitClient
let ben: CodeCommitClient
let before: string
let after: string
let pullRequestId: string

beforeAll(async () => {
  drydock = await story()
  const root = drydock.client(CodeCommitClient)
  ana = drydock.client(CodeCommitClient, await drydock.user('ana', [allow('codecommit:*')]))
  ben = drydock.client(CodeCommitClient, await drydock.user('ben', [allow('codecommit:*')]))
  await root.send(new CreateRepositoryCommand({ repositoryName }))
  const file = (branchName: string, content: string, parentCommitId?: string) =>
    root.send(
      new PutFileCommand({
        repositoryName,
        branchName,
        filePath: 'poem',
        fileContent: Buffer.from(content),
        ...(parentCommitId === undefined ? {} : { parentCommitId }),
      }),
    )
  before = (await file('main', 'roses\nviolets\n')).commitId ?? ''
  await root.send(new CreateBranchCommand({ repositoryName, branchName: 'feature', commitId: before }))
  after = (await file('feature', 'roses\nviolets\nsugar\n', before)).commitId ?? ''
  const targets = [{ repositoryName, sourceReference: 'feature' }]
  const { pullRequest } = await ana.send(new CreatePullRequestCommand({ title: 'Sugar', targets }))
  pullRequestId = pullRequest?.pullRequestId ?? ''
})
afterAll(() => drydock.close())

const refused = (name: string) => expect.objectContaining({ name })
const arn = (user: string) => `arn:aws:iam::${drydock.account}:user/${user}`
const line = (filePosition: number, relativeFileVersion: 'BEFORE' | 'AFTER') => ({
  filePath: 'poem',
  filePosition,
  relativeFileVersion,
})
const compare = (changes: Partial<PostCommentForComparedCommitCommandInput> = {}) =>
  ana.send(
    new PostCommentForComparedCommitCommand({
      repositoryName,
      beforeCommitId: before,
      afterCommitId: after,
      content: 'Sweet',
      ...changes,
    }),
  )

describe('comments on commits', () => {
  it('stand at a line, are answered, changed and deleted', async () => {
    const clientRequestToken = 'once'
    const made = await compare({ location: line(3, 'AFTER'), clientRequestToken })
    expect(made).toMatchObject({
      repositoryName,
      beforeCommitId: before,
      afterCommitId: after,
      beforeBlobId: expect.stringMatching(/^[0-9a-f]{40}$/),
      location: line(3, 'AFTER'),
      comment: { content: 'Sweet', authorArn: arn('ana'), deleted: false, callerReactions: [], reactionCounts: {} },
    })
    const again = await compare({ location: line(3, 'AFTER'), clientRequestToken })
    expect(again.comment?.commentId).toBe(made.comment?.commentId)
    await expect(compare({ clientRequestToken })).rejects.toEqual(refused('IdempotencyParameterMismatchException'))
    const commentId = made.comment?.commentId
    await drydock.advance({ seconds: 1 })
    const reply = await ben.send(new PostCommentReplyCommand({ inReplyTo: commentId, content: 'Is it?' }))
    expect(reply.comment).toMatchObject({ inReplyTo: commentId, authorArn: arn('ben') })
    await expect(ben.send(new UpdateCommentCommand({ commentId, content: 'Mine' }))).rejects.toEqual(
      refused('CommentNotCreatedByCallerException'),
    )
    const updated = await ana.send(new UpdateCommentCommand({ commentId, content: 'Very sweet' }))
    expect(updated.comment?.content).toBe('Very sweet')
    const group = async () => {
      const input = { repositoryName, beforeCommitId: before, afterCommitId: after }
      const { commentsForComparedCommitData } = await ana.send(new GetCommentsForComparedCommitCommand(input))
      return commentsForComparedCommitData?.find(({ location }) => location?.filePosition === 3)
    }
    expect(await group()).toMatchObject({
      location: line(3, 'AFTER'),
      comments: [{ content: 'Is it?' }, { content: 'Very sweet' }],
    })
    const deleted = await ben.send(new DeleteCommentContentCommand({ commentId }))
    expect(deleted.comment).toMatchObject({ deleted: true, commentId })
    expect(deleted.comment?.content).toBeUndefined()
    await expect(ana.send(new GetCommentCommand({ commentId }))).rejects.toEqual(refused('CommentDeletedException'))
    await expect(ben.send(new DeleteCommentContentCommand({ commentId }))).rejects.toEqual(
      refused('CommentDeletedException'),
    )
    expect((await group())?.comments).toMatchObject([{}, { deleted: true }])
    await drydock.settled()
    const told = drydock.events
      .filter((event) => event['detail-type'] === 'CodeCommit Comment on Commit')
      .map(({ detail }) => detail)
      .filter((detail) => detail.commentId === commentId || detail.inReplyTo === commentId)
    expect(told).toMatchObject([
      { event: 'commentOnCommitCreated', commentId, beforeCommitId: before, afterCommitId: after },
      { event: 'commentOnCommitCreated', inReplyTo: commentId, callerUserArn: arn('ben') },
      { event: 'commentOnCommitUpdated', commentId, repositoryName },
    ])
  })

  it.each([
    ['InvalidFilePositionException', () => ({ location: line(3, 'BEFORE') })],
    ['InvalidFilePositionException', () => ({ location: line(0, 'AFTER') })],
    ['InvalidRelativeFileVersionEnumException', () => ({ location: { filePath: 'poem', filePosition: 1 } })],
    ['PathRequiredException', () => ({ location: { filePosition: 1 } })],
    ['PathDoesNotExistException', () => ({ location: { filePath: 'prose' } })],
    ['InvalidPathException', () => ({ location: { filePath: '../poem' } })],
    ['BeforeCommitIdAndAfterCommitIdAreSameException', () => ({ beforeCommitId: after })],
    ['CommitIdRequiredException', () => ({ beforeCommitId: undefined })],
    ['CommitDoesNotExistException', () => ({ beforeCommitId: '1'.repeat(40) })],
    ['InvalidCommitIdException', () => ({ afterCommitId: 'feature' })],
    ['CommentContentRequiredException', () => ({ content: '' })],
    ['CommentContentSizeLimitExceededException', () => ({ content: 'x'.repeat(10_241) })],
  ])('are refused: %s', async (name, changes) => {
    await expect(compare(changes())).rejects.toEqual(refused(name))
  })

  it('of the first commit need no other', async () => {
    const made = await compare({ beforeCommitId: undefined, afterCommitId: before })
    const found = await ana.send(new GetCommentsForComparedCommitCommand({ repositoryName, afterCommitId: before }))
    expect(found.commentsForComparedCommitData?.[0]?.comments?.[0]?.commentId).toBe(made.comment?.commentId)
  })

  it.each(['nobody', '', '0'])('of the id %j are refused', async (commentId) => {
    await expect(ana.send(new GetCommentCommand({ commentId }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 400 },
    })
  })
})

describe('comments on pull requests', () => {
  it('come by pages, the newest first', async () => {
    const post = (content: string) =>
      ben.send(
        new PostCommentForPullRequestCommand({
          pullRequestId,
          repositoryName,
          beforeCommitId: before,
          afterCommitId: after,
          content,
        }),
      )
    for (const content of ['1', '2', '3']) {
      await post(content)
      await drydock.advance({ seconds: 1 })
    }
    const page = (nextToken?: string) =>
      ana.send(new GetCommentsForPullRequestCommand({ pullRequestId, maxResults: 2, nextToken }))
    const first = await page()
    expect(first.commentsForPullRequestData).toMatchObject([
      { pullRequestId, repositoryName, afterCommitId: after, comments: [{ content: '3' }, { content: '2' }] },
    ])
    const second = await page(first.nextToken)
    expect(second.commentsForPullRequestData?.[0]?.comments).toMatchObject([{ content: '1' }])
    expect(second.nextToken).toBeUndefined()
    const send = (more: object) => ana.send(new GetCommentsForPullRequestCommand({ pullRequestId, ...more }))
    const none = await send({ repositoryName, beforeCommitId: after, afterCommitId: before })
    expect(none.commentsForPullRequestData).toEqual([])
    await expect(send({ afterCommitId: before })).rejects.toMatchObject({ name: 'RepositoryNameRequiredException' })
    await expect(send({ repositoryName, afterCommitId: before })).rejects.toMatchObject({
      name: 'CommitIdRequiredException',
    })
    await drydock.settled()
    expect(drydock.events.map(({ detail }) => detail)).toContainEqual(
      expect.objectContaining({ event: 'commentOnPullRequestCreated', pullRequestId, callerUserArn: arn('ben') }),
    )
  })
})

describe('reactions', () => {
  it('are one of each person', async () => {
    const commentId = (await compare()).comment?.commentId
    const react = (by: CodeCommitClient, reactionValue: string) =>
      by.send(new PutCommentReactionCommand({ commentId, reactionValue }))
    await react(ana, ':thumbsup:')
    await react(ben, '👍')
    await react(ben, 'U+1F604')
    await expect(react(ben, ':shrug:')).rejects.toEqual(refused('InvalidReactionValueException'))
    const { comment } = await ben.send(new GetCommentCommand({ commentId }))
    expect(comment).toMatchObject({ callerReactions: ['SMILE'], reactionCounts: { THUMBSUP: 1, SMILE: 1 } })
    const reactions = async (reactionUserArn?: string) =>
      (await ana.send(new GetCommentReactionsCommand({ commentId, reactionUserArn }))).reactionsForComment
    expect(await reactions()).toMatchObject([
      { reaction: { emoji: '👍', shortCode: 'thumbsup', unicode: 'U+1F44D' }, reactionUsers: [arn('ana')] },
      { reaction: { emoji: '😄', shortCode: 'smile', unicode: 'U+1F604' }, reactionUsers: [arn('ben')] },
    ])
    expect(await reactions(arn('ben'))).toHaveLength(1)
    await react(ben, 'none')
    expect(await reactions(arn('ben'))).toEqual([])
    await drydock.settled()
    const told = drydock.events.filter(
      (event) => event['detail-type'] === 'CodeCommit Comment Reaction Change' && event.detail.commentId === commentId,
    )
    expect(told.map(({ detail }) => [detail.event, detail.reactionShortcodes])).toEqual([
      ['commentReactionCreated', [':thumbsup:']],
      ['commentReactionCreated', [':thumbsup:']],
      ['commentReactionUpdated', [':smile:']],
    ])
  })

  it('of who was deleted are counted, and name nobody', async () => {
    const iam = drydock.client(IAMClient)
    const { comment } = await ana.send(
      new PostCommentForComparedCommitCommand({
        repositoryName,
        beforeCommitId: before,
        afterCommitId: after,
        content: 'gone',
      }),
    )
    const commentId = comment?.commentId ?? ''
    const keys = await drydock.user('leaver', [allow('codecommit:*')])
    const leaver = drydock.client(CodeCommitClient, keys)
    for (const one of [ana, leaver])
      await one.send(new PutCommentReactionCommand({ commentId, reactionValue: ':eyes:' }))
    const UserName = 'leaver'
    await iam.send(new DeleteUserPolicyCommand({ UserName, PolicyName: 'policy-0' }))
    await iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId: keys.accessKeyId }))
    const reactions = async () =>
      (await ana.send(new GetCommentReactionsCommand({ commentId }))).reactionsForComment?.map((one) => [
        one.reactionUsers?.length,
        one.reactionsFromDeletedUsersCount,
      ])
    expect(await reactions()).toEqual([[2, 0]])
    await iam.send(new DeleteUserCommand({ UserName }))
    expect(await reactions()).toEqual([[1, 1]])
  })
})
