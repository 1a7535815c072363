import type { Ctx } from '../../kernel/context.ts'
import type { Hook } from '../../remotes/provider.ts'
import type { Input, Operation } from './operation.ts'

type Created = Input<'CreateWebhook'>
type PullRequestPolicy = NonNullable<Created['pullRequestBuildPolicy']>

export type WebhookRecord = {
  /** Random: the end of its URL. */
  readonly door: string
  readonly sealed: string
  /** Milliseconds: when the secret was last changed. */
  readonly secretModified: number
  readonly branchFilter?: string
  readonly filterGroups: NonNullable<Created['filterGroups']>
  readonly buildType: 'BUILD' | 'BUILD_BATCH'
  readonly manualCreation: boolean
  /** Whose pull requests wait for a comment. */
  readonly policy?: PullRequestPolicy
  /** What it is at its provider, which was told of it. */
  readonly hook?: Hook
}

const prefix = '/_drydock/codebuild/webhooks/'

type Wire = NonNullable<Awaited<ReturnType<Operation<'CreateWebhook'>>>['webhook']>

/** Where a provider tells of what happens: by the address that others know this server by. */
export const payloadUrlOf = (ctx: Ctx, { door }: Pick<WebhookRecord, 'door'>): string =>
  `${ctx.publicUrl ?? ctx.request.endpoint}${prefix}${door}`

/** A webhook as projects show it; its secret only when it is new. */
export const toWebhook = (ctx: Ctx, webhook: WebhookRecord, secret?: string): Wire => ({
  payloadUrl: payloadUrlOf(ctx, webhook),
  ...(webhook.hook?.url ? { url: webhook.hook.url } : {}),
  ...(secret === undefined ? {} : { secret }),
  ...(webhook.branchFilter ? { branchFilter: webhook.branchFilter } : {}),
  filterGroups: webhook.filterGroups.map((group) => [...group]),
  buildType: webhook.buildType,
  manualCreation: webhook.manualCreation,
  ...(webhook.policy ? { pullRequestBuildPolicy: webhook.policy } : {}),
  lastModifiedSecret: new Date(webhook.secretModified),
  status: 'ACTIVE',
})
