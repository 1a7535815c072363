import type { Location } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { Comment, comparison, getComment, getLiveComment, type Subject, tell, toComment, toSubject } from './comment.ts'
import { readCommitObject } from './commit-object.ts'
import { checkPath, largestFile } from './files.ts'
import { linesOf } from './merge-hunks.ts'
import { isObjectId } from './names.ts'
import { findEntry, readCommits, readObject, type TreeEntry } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { getPage } from './page.ts'
import { getPullRequest } from './pull-request.ts'
import { databaseOf, getRepository, type Repository } from './repositories.ts'
import { askedOf, checkAgain } from './tokens.ts'

const longestComment = 10_240

const checkContent = (content: string): void => {
  if (content === '') throw fail('CommentContentRequiredException', 'The content of a comment is required.')
  if (content.length > longestComment)
    throw fail('CommentContentSizeLimitExceededException', `A comment can have at most ${longestComment} characters.`)
}

type Compared = { readonly beforeCommitId?: string | undefined; readonly afterCommitId: string }

/** Raises InvalidCommitIdException and CommitDoesNotExistException. */
const checkCommits = async (folder: string, { beforeCommitId, afterCommitId }: Compared) => {
  const ids = [afterCommitId, ...(beforeCommitId === undefined ? [] : [beforeCommitId])]
  for (const id of ids) if (!isObjectId(id)) throw fail('InvalidCommitIdException', `The commit ID ${id} is not valid.`)
  const [after = '', before] = ids.map((id) => id.toLowerCase())
  const [afterBytes, beforeBytes] = await readCommits(folder, before === undefined ? [after] : [after, before])
  if (!afterBytes || (before !== undefined && !beforeBytes))
    throw fail('CommitDoesNotExistException', `The commit ${afterBytes ? before : after} does not exist.`)
  return { before, after, isFirst: (readCommitObject(after, afterBytes).parents ?? []).length === 0 }
}

/** Checks what a comment is about. A line must be there in the version of the file that it names. */
const subjectOf = async (
  ctx: Ctx,
  repository: Repository,
  input: Compared & { location?: Location | undefined },
): Promise<Subject> => {
  const folder = databaseOf(ctx, repository.id)
  const { before, after, isFirst } = await checkCommits(folder, input)
  if (before === undefined && !isFirst)
    throw fail('CommitIdRequiredException', 'The before commit is required, unless the after commit is the first one.')
  if (before === after)
    throw fail('BeforeCommitIdAndAfterCommitIdAreSameException', 'The before and the after commit are the same.')
  const commits = { repositoryId: repository.id, ...(before === undefined ? {} : { before }), after }
  if (!input.location) return commits
  const { filePath, filePosition, relativeFileVersion } = input.location
  if (filePath === undefined) throw fail('PathRequiredException', 'The location has no file path.')
  const path = checkPath(filePath)
  const files = {
    BEFORE: before === undefined ? undefined : await findEntry(folder, before, path),
    AFTER: await findEntry(folder, after, path),
  }
  if (!files.BEFORE && !files.AFTER)
    throw fail('PathDoesNotExistException', `The path ${path} does not exist in either commit.`)
  if (filePosition !== undefined) {
    if (relativeFileVersion === undefined)
      throw fail('InvalidRelativeFileVersionEnumException', 'Say whether the line is of the file BEFORE or AFTER.')
    await checkLine(folder, files[relativeFileVersion], filePosition)
  }
  const blobs = {
    ...(files.BEFORE ? { beforeBlob: files.BEFORE.id } : {}),
    ...(files.AFTER ? { afterBlob: files.AFTER.id } : {}),
  }
  const place = {
    ...(filePosition === undefined ? {} : { filePosition }),
    ...(relativeFileVersion === undefined ? {} : { relativeFileVersion }),
  }
  return { ...commits, ...blobs, location: { filePath: path, ...place } }
}

const checkLine = async (folder: string, file: TreeEntry | undefined, position: number): Promise<void> => {
  const wrong = fail('InvalidFilePositionException', `The file has no line ${position}.`)
  if (file?.size === undefined || position < 1) throw wrong
  if (file.size <= largestFile && position > linesOf(await readObject(folder, 'blob', file.id)).length) throw wrong
}

const findByToken = async (tx: ReadTx, token: string): Promise<Comment | undefined> =>
  (await tx.list(Comment, { index: 'token', equals: token, limit: 1 }))[0]

type Post = { readonly content: string; readonly clientRequestToken?: string | undefined }

/** Makes a comment, once for a token. `about` is asked only when it is new. */
const post = async (
  ctx: Ctx,
  input: Post,
  about: () => Promise<{ subject: Subject; inReplyTo?: string }>,
): Promise<{ comment: Comment; repository: Repository }> => {
  checkContent(input.content)
  const asked = askedOf(ctx, input)
  const known = await ctx.read((tx) => findByToken(tx, asked.token))
  if (known) {
    checkAgain(known, asked)
    return ctx.read((tx) => getComment(tx, known.id))
  }
  const { subject, inReplyTo } = await about()
  return ctx.write(async (tx) => {
    const again = await findByToken(tx, asked.token)
    if (again) {
      checkAgain(again, asked)
      return getComment(tx, again.id)
    }
    const now = ctx.now().toISOString()
    const { id } = tx.put(Comment, {
      ...subject,
      id: `${ctx.newId()}:${ctx.newId()}`,
      content: input.content,
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
      author: ctx.principal.arn,
      created: now,
      modified: now,
      ...asked,
      reactions: {},
    })
    const made = await getComment(tx, id)
    tell(ctx, tx, made, 'Created')
    return made
  })
}

/** Raises the exceptions of commits, location, content and token. */
export const PostCommentForComparedCommit: Operation<'PostCommentForComparedCommit'> = async (ctx, input) => {
  const { comment, repository } = await post(ctx, input, async () => {
    const named = await ctx.read((tx) => getRepository(tx, input.repositoryName))
    return { subject: await subjectOf(ctx, named, input) }
  })
  return { ...toSubject(comment, repository), comment: toComment(ctx, comment) }
}

/** Open or closed. Raises RepositoryNotAssociatedWithPullRequestException and those of `PostCommentForComparedCommit`. */
export const PostCommentForPullRequest: Operation<'PostCommentForPullRequest'> = async (ctx, input) => {
  const { pullRequestId, repositoryName } = input
  const { comment, repository } = await post(ctx, input, async () => {
    const named = await ctx.read(async (tx) => {
      const found = await getPullRequest(tx, pullRequestId)
      return checkAssociated(found.repository, await getRepository(tx, repositoryName), pullRequestId)
    })
    return { subject: { ...(await subjectOf(ctx, named, input)), pullRequestId } }
  })
  return { pullRequestId, ...toSubject(comment, repository), comment: toComment(ctx, comment) }
}

const checkAssociated = (own: Repository, named: Repository, pullRequestId: string): Repository => {
  if (own.id !== named.id)
    throw fail(
      'RepositoryNotAssociatedWithPullRequestException',
      `The pull request ${pullRequestId} is not in the repository ${named.name}.`,
    )
  return own
}

/** About what the comment is about that it replies to. */
export const PostCommentReply: Operation<'PostCommentReply'> = async (ctx, input) => {
  const { comment } = await post(ctx, input, async () => {
    const found = await ctx.read((tx) => getComment(tx, input.inReplyTo))
    const { repositoryId, pullRequestId, before, after, beforeBlob, afterBlob, location } = found.comment
    return {
      subject: {
        repositoryId,
        after,
        ...(pullRequestId === undefined ? {} : { pullRequestId }),
        ...(before === undefined ? {} : { before }),
        ...(beforeBlob === undefined ? {} : { beforeBlob }),
        ...(afterBlob === undefined ? {} : { afterBlob }),
        ...(location === undefined ? {} : { location }),
      },
      inReplyTo: found.comment.id,
    }
  })
  return { comment: toComment(ctx, comment) }
}

/** Raises CommentDeletedException. */
export const GetComment: Operation<'GetComment'> = (ctx, { commentId }) =>
  ctx.read(async (tx) => ({ comment: toComment(ctx, (await getLiveComment(tx, commentId)).comment) }))

/** Raises CommentNotCreatedByCallerException, CommentDeletedException and those of content. */
export const UpdateComment: Operation<'UpdateComment'> = (ctx, { commentId, content }) => {
  checkContent(content)
  return ctx.write(async (tx) => {
    const found = await getLiveComment(tx, commentId)
    if (found.comment.author !== ctx.principal.arn)
      throw fail('CommentNotCreatedByCallerException', 'Only the author of a comment can modify it.')
    const comment = tx.put(Comment, { ...found.comment, content, modified: ctx.now().toISOString() })
    tell(ctx, tx, { ...found, comment }, 'Updated')
    return { comment: toComment(ctx, comment) }
  })
}

/** Whoever may do so can delete anyone's; that there was a comment stays. Raises CommentDeletedException. */
export const DeleteCommentContent: Operation<'DeleteCommentContent'> = (ctx, { commentId }) =>
  ctx.write(async (tx) => {
    const { comment: found } = await getLiveComment(tx, commentId)
    const { content: _, ...rest } = found
    return { comment: toComment(ctx, tx.put(Comment, { ...rest, modified: ctx.now().toISOString() })) }
  })

const bounds = { usual: 100, most: 500 }

/** Comments with what they are about, one group for each place, newest first. */
const grouped = <T>(ctx: Ctx, comments: readonly Comment[], subject: (comment: Comment) => T) => {
  const groups = new Map<string, T & { comments: ReturnType<typeof toComment>[] }>()
  for (const comment of comments) {
    const about = subject(comment)
    const key = JSON.stringify(about)
    const group = groups.get(key) ?? { ...about, comments: [] }
    group.comments.push(toComment(ctx, comment))
    groups.set(key, group)
  }
  return [...groups.values()]
}

const newestFirst = (a: Comment, b: Comment): number =>
  a.created === b.created ? (a.id < b.id ? 1 : -1) : a.created < b.created ? 1 : -1

/** Raises the exceptions of commits and pages. */
export const GetCommentsForComparedCommit: Operation<'GetCommentsForComparedCommit'> = async (ctx, input) => {
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  const { before, after } = await checkCommits(databaseOf(ctx, repository.id), input)
  const equals = comparison({ repositoryId: repository.id, after, ...(before === undefined ? {} : { before }) })
  const all = await ctx.read((tx) => tx.list(Comment, { index: 'compared', equals }))
  const { page, nextToken } = getPage(all.sort(newestFirst), input, bounds)
  return { commentsForComparedCommitData: grouped(ctx, page, (comment) => toSubject(comment, repository)), nextToken }
}

/** Of all its revisions, unless commits are named. Raises RepositoryNotAssociatedWithPullRequestException and those of pages. */
export const GetCommentsForPullRequest: Operation<'GetCommentsForPullRequest'> = async (ctx, input) => {
  const { pullRequestId, repositoryName, beforeCommitId, afterCommitId } = input
  const { repository, all } = await ctx.read(async (tx) => {
    const found = await getPullRequest(tx, pullRequestId)
    const commits = [beforeCommitId, afterCommitId].filter((id) => id !== undefined).length
    if (repositoryName === undefined && commits > 0)
      throw fail('RepositoryNameRequiredException', 'A repository name is required where commits are named.')
    if (repositoryName !== undefined && commits < 2)
      throw fail('CommitIdRequiredException', 'Both commit IDs are required where a repository is named.')
    if (repositoryName !== undefined)
      checkAssociated(found.repository, await getRepository(tx, repositoryName), pullRequestId)
    return {
      repository: found.repository,
      all: await tx.list(Comment, { index: 'pullRequest', equals: pullRequestId }),
    }
  })
  const folder = databaseOf(ctx, repository.id)
  for (const id of [beforeCommitId, afterCommitId])
    if (id !== undefined) await checkCommits(folder, { afterCommitId: id })
  const wanted = all.filter(
    ({ before, after }) =>
      (beforeCommitId === undefined || before === beforeCommitId.toLowerCase()) &&
      (afterCommitId === undefined || after === afterCommitId.toLowerCase()),
  )
  const { page, nextToken } = getPage(wanted.sort(newestFirst), input, bounds)
  const data = grouped(ctx, page, (comment) => ({ pullRequestId, ...toSubject(comment, repository) }))
  return { commentsForPullRequestData: data, nextToken }
}
