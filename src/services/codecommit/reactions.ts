import { knownIdentities } from '../capabilities.ts'
import { Comment, getLiveComment } from './comment.ts'
import { callerOf, senderOf } from './events.ts'
import { fail, type Operation } from './operation.ts'
import { getPage } from './page.ts'
import { reactionOf, readReaction, toReaction } from './reaction-values.ts'
import { arnOf } from './repositories.ts'

/** The caller's own, one for each comment; `none` takes it back. Raises InvalidReactionValueException and CommentDeletedException. */
export const PutCommentReaction: Operation<'PutCommentReaction'> = (ctx, { commentId, reactionValue }) =>
  ctx.write(async (tx) => {
    const reaction = readReaction(reactionValue)
    if (!reaction) throw fail('InvalidReactionValueException', `${reactionValue} is not a reaction.`)
    const { comment, repository } = await getLiveComment(tx, commentId)
    const me = ctx.principal.arn
    const { [me]: before, ...others } = comment.reactions
    if (reaction === 'none') {
      tx.put(Comment, { ...comment, reactions: others })
      return {}
    }
    tx.put(Comment, { ...comment, reactions: { ...others, [me]: reaction.shortCode } })
    const did = before === undefined ? 'made a comment reaction' : 'updated a reaction'
    tx.emit({
      source: 'aws.codecommit',
      'detail-type': 'CodeCommit Comment Reaction Change',
      account: ctx.account,
      region: ctx.region,
      resources: [arnOf(ctx, repository.name)],
      detail: {
        event: before === undefined ? 'commentReactionCreated' : 'commentReactionUpdated',
        commentId,
        repositoryId: repository.id,
        repositoryName: repository.name,
        reactionEmojis: [reaction.emoji],
        reactionShortcodes: [reaction.shortCode],
        reactionUnicodes: [reaction.unicode],
        ...senderOf(callerOf(ctx)),
        notificationBody: `A comment reaction event occurred in the following AWS CodeCommit Repository: ${repository.name}. The user: ${me} ${did} ${reaction.emoji} to the comment with comment ID: ${commentId}`,
      },
    })
    return {}
  })

/**
 * Who was deleted since is counted, not listed. A user of the same name who came later is not told from the first. Raises
 * InvalidReactionUserArnException, CommentDeletedException and those of pages.
 */
export const GetCommentReactions: Operation<'GetCommentReactions'> = async (ctx, input) => {
  const { commentId, reactionUserArn } = input
  if (reactionUserArn !== undefined && !/^arn:aws:(iam|sts)::\d{12}:.+$/.test(reactionUserArn))
    throw fail('InvalidReactionUserArnException', `The user ARN ${reactionUserArn} is not valid.`)
  const { comment } = await ctx.read((tx) => getLiveComment(tx, commentId))
  const made = Object.entries(comment.reactions).filter(
    ([arn]) => reactionUserArn === undefined || arn === reactionUserArn,
  )
  const deleted = await ctx.use(knownIdentities).deleted(made.map(([arn]) => arn))
  const users = new Map<string, string[]>()
  for (const [arn, shortCode] of made) users.set(shortCode, [...(users.get(shortCode) ?? []), arn])
  const all = [...users].flatMap(([shortCode, arns]) => {
    const reaction = reactionOf(shortCode)
    const reactionUsers = arns.filter((arn) => !deleted.has(arn))
    return reaction
      ? [
          {
            reaction: toReaction(reaction),
            reactionUsers,
            reactionsFromDeletedUsersCount: arns.length - reactionUsers.length,
          },
        ]
      : []
  })
  const { page, nextToken } = getPage(all, input, { usual: 1000 })
  return { reactionsForComment: page, nextToken }
}
