// A comment: its record, and how others are told of it.

import type { Location, Comment as WireComment } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { callerOf, consoleOf, senderOf } from './events.ts'
import { fail } from './operation.ts'
import { countName } from './reaction-values.ts'
import { arnOf, findRepositoryById, type Repository } from './repositories.ts'

/** What a comment is about: two commits of a repository, one file of them, one line of that file. */
export type Subject = {
  readonly repositoryId: string
  readonly pullRequestId?: string
  /** Absent for the first commit of a history. */
  readonly before?: string
  readonly after: string
  readonly beforeBlob?: string
  readonly afterBlob?: string
  readonly location?: Location
}

export type Comment = Subject & {
  readonly id: string
  /** Absent once it was deleted. */
  readonly content?: string
  readonly inReplyTo?: string
  /** ARN. */
  readonly author: string
  /** ISO 8601. */
  readonly created: string
  readonly modified: string
  readonly token: string
  /** Hash of what was asked for with the token. */
  readonly asked: string
  /** Short code of a reaction by the ARN of who reacted: one each. */
  readonly reactions: Readonly<Record<string, string>>
}

export const Comment = table<Comment>('codecommit.comment', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    repository: ({ repositoryId }) => repositoryId,
    // Those on pull requests are no comments on the comparison of their commits.
    compared: (comment) => (comment.pullRequestId === undefined ? comparison(comment) : undefined),
    pullRequest: ({ pullRequestId }) => pullRequestId,
    token: ({ token }) => token,
  },
})

export const comparison = ({ repositoryId, before = '', after }: Pick<Subject, 'repositoryId' | 'before' | 'after'>) =>
  `${repositoryId}/${before}/${after}`

const idForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Raises InvalidCommentIdException and CommentDoesNotExistException, also when its repository is gone. */
export const getComment = async (tx: ReadTx, id: string): Promise<{ comment: Comment; repository: Repository }> => {
  if (id === '') throw fail('CommentIdRequiredException', 'A comment ID is required.')
  if (!idForm.test(id)) throw fail('InvalidCommentIdException', `The comment ID ${id} is not valid.`)
  const comment = await tx.get(Comment, id)
  const repository = comment && (await findRepositoryById(tx, comment.repositoryId))
  if (!comment || !repository) throw fail('CommentDoesNotExistException', `The comment ${id} does not exist.`)
  return { comment, repository }
}

/** As `getComment`. Raises CommentDeletedException. */
export const getLiveComment = async (tx: ReadTx, id: string) => {
  const found = await getComment(tx, id)
  if (found.comment.content === undefined)
    throw fail('CommentDeletedException', `The content of the comment ${id} was deleted.`)
  return found
}

/** A comment as the present caller sees it. */
export const toComment = (ctx: Ctx, comment: Comment): WireComment => {
  const reactionCounts: Record<string, number> = {}
  for (const shortCode of Object.values(comment.reactions))
    reactionCounts[countName(shortCode)] = (reactionCounts[countName(shortCode)] ?? 0) + 1
  const own = comment.reactions[ctx.principal.arn]
  return {
    commentId: comment.id,
    content: comment.content,
    inReplyTo: comment.inReplyTo,
    creationDate: new Date(comment.created),
    lastModifiedDate: new Date(comment.modified),
    authorArn: comment.author,
    deleted: comment.content === undefined,
    clientRequestToken: comment.token,
    callerReactions: own === undefined ? [] : [countName(own)],
    reactionCounts,
  }
}

/** What a comment is about, in the API's words. */
export const toSubject = ({ before, after, beforeBlob, afterBlob, location }: Subject, repository: Repository) => ({
  repositoryName: repository.name,
  beforeCommitId: before,
  afterCommitId: after,
  beforeBlobId: beforeBlob,
  afterBlobId: afterBlob,
  location,
})

/** Tells that a comment, or a reply, was made or changed. */
export const tell = (
  ctx: Ctx,
  tx: WriteTx,
  { comment, repository }: { comment: Comment; repository: Repository },
  happened: 'Created' | 'Updated',
): void => {
  const { pullRequestId, before, after, inReplyTo } = comment
  const on = pullRequestId === undefined ? 'Commit' : 'PullRequest'
  const did = happened === 'Created' ? 'made a comment' : 'updated a comment or replied to a comment'
  const where =
    pullRequestId === undefined ? `following comment ID: ${comment.id}` : `following Pull Request: ${pullRequestId}`
  const page =
    pullRequestId === undefined ? `compare/${before ?? ''}/.../${after}` : `pull-requests/${pullRequestId}/activity`
  tx.emit({
    source: 'aws.codecommit',
    'detail-type': pullRequestId === undefined ? 'CodeCommit Comment on Commit' : 'CodeCommit Comment on Pull Request',
    account: ctx.account,
    region: ctx.region,
    resources: [arnOf(ctx, repository.name)],
    detail: {
      event: `commentOn${on}${happened}`,
      repositoryName: repository.name,
      repositoryId: repository.id,
      commentId: comment.id,
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
      ...(pullRequestId === undefined ? {} : { pullRequestId }),
      ...(before === undefined ? {} : { beforeCommitId: before }),
      afterCommitId: after,
      ...senderOf(callerOf(ctx)),
      notificationBody: `A comment event occurred in the following AWS CodeCommit repository: ${repository.name}. The user ${ctx.principal.arn} ${did}. The comment was made on the ${where}. For more information, go to the AWS CodeCommit console ${consoleOf(ctx, `${repository.name}/${page}`)}`,
    },
  })
}
