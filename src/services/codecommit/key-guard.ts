import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { getComment } from './comment.ts'
import { openKey } from './encryption-key.ts'
import { getPullRequest } from './pull-request.ts'
import { Repository } from './repositories.ts'

/** What operations on a repository's contents name it by. */
type Named = {
  readonly repositoryName?: string
  readonly pullRequestId?: string
  readonly commentId?: string
  readonly inReplyTo?: string
  readonly targets?: readonly { readonly repositoryName?: string }[]
}

const named = async (tx: ReadTx, input: Named): Promise<(Repository | undefined)[]> => {
  const { repositoryName, pullRequestId, targets = [] } = input
  const commentId = input.commentId ?? input.inReplyTo
  const names = [repositoryName, ...targets.map((target) => target.repositoryName)]
  const found = names.map((name) => (name === undefined ? undefined : tx.get(Repository, name)))
  // What is not there is for the operation itself to say.
  const nothing = () => undefined
  return Promise.all([
    ...found,
    pullRequestId === undefined ? undefined : getPullRequest(tx, pullRequestId).then((it) => it.repository, nothing),
    commentId === undefined ? undefined : getComment(tx, commentId).then((it) => it.repository, nothing),
  ])
}

/** Operations on what is in repositories, for those only whom its key lets in. Raises the EncryptionKey… exceptions. */
export const underKey = <T extends Readonly<Record<string, unknown>>>(operations: T): T =>
  Object.fromEntries(
    Object.entries(operations as Readonly<Record<string, (ctx: Ctx, input: never) => unknown>>).map(
      ([name, operation]) => [
        name,
        async (ctx: Ctx, input: Named) => {
          const repositories = await ctx.read((tx) => named(tx, input))
          const sealed = new Map(repositories.flatMap((one) => (one?.dataKey === undefined ? [] : [[one.id, one]])))
          for (const repository of sealed.values()) await openKey(ctx, repository)
          return operation(ctx, input as never)
        },
      ],
    ),
  ) as T
