import { createHash, timingSafeEqual } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import type { Principal } from '../../kernel/principal.ts'
import { type Place, table } from '../../store/store.ts'
import type { Output } from './operation.ts'

// "AWS Systems Manager Session Manager", Systems Manager user guide.

export type SessionRecord = {
  readonly id: string
  readonly target: string
  readonly document: string
  /** What the document runs; a shell where there is none. */
  readonly command?: string
  /** The port that its document forwards to, and what of it clients are told. */
  readonly port?: number
  readonly properties?: Readonly<Record<string, string>>
  readonly reason?: string
  /** ARN of who started it, and his unique id. */
  readonly owner: string
  readonly ownerId: string
  /** Epoch milliseconds. */
  readonly started: number
  readonly ended?: number
  /** `Disconnected`: its client is gone and may come back. */
  readonly status: 'Connecting' | 'Connected' | 'Disconnected' | 'Terminated'
  /** SHA-256 of the token that opens its data channel. */
  readonly token: string
}

/** Its sessions carry one connection, and end with it. */
export const sshDocument = 'AWS-StartSSHSession'

/** Most recent first. */
export const positionOf = ({ started, id }: SessionRecord): string =>
  `${String(Number.MAX_SAFE_INTEGER - started).padStart(16, '0')}/${id}`

export const Session = table<SessionRecord>('ssm.session', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    active: (session) => (session.ended === undefined ? positionOf(session) : undefined),
    history: (session) => (session.ended === undefined ? undefined : positionOf(session)),
  },
})

/** The reconciler that ends sessions nobody uses. */
export const sessionReconciler = 'ssm.session'

export const sessionArn = (ctx: Pick<Ctx, 'arn'>, id: string): string => ctx.arn(`session/${id}`)

/** `JohnDoe-07a16060613c408b5`: by the user's or the role session's name. */
export const newSessionId = (ctx: Ctx, { kind, name, sessionName }: Principal): string =>
  `${(sessionName ?? name ?? kind).slice(0, 64)}-0${ctx.random(16)}`

const digest = (token: string): string => createHash('sha256').update(token).digest('hex')

/** A new token for a data channel: it says where its session is, since the channel's URL does not. */
export const newToken = (ctx: Ctx): { readonly text: string; readonly digest: string } => {
  const text = Buffer.from(`${ctx.account}/${ctx.region}/${ctx.random(64)}`).toString('base64url')
  return { text, digest: digest(text) }
}

/** Where the session of a token would be; `undefined` where it is none of ours. */
export const placeOfToken = (token: string): Place | undefined => {
  const [, account, region] =
    /^(\d{12})\/([a-z0-9-]{1,32})\/[0-9a-f]{64}$/.exec(Buffer.from(token, 'base64url').toString('latin1')) ?? []
  return account !== undefined && region !== undefined ? { account, region } : undefined
}

export const isTokenOf = ({ token }: SessionRecord, given: string): boolean =>
  timingSafeEqual(Buffer.from(digest(given)), Buffer.from(token))

/** Where the data channel of a session is. AWS's is `wss://ssmmessages.REGION.amazonaws.com/v1/data-channel/…`. */
export const streamUrl = (ctx: Ctx, id: string): string =>
  `${ctx.request.endpoint.replace(/^http/, 'ws')}/_drydock/ssm/v1/data-channel/${encodeURIComponent(id)}?role=publish_subscribe`

type Wire = NonNullable<Output<'DescribeSessions'>['Sessions']>[number]

export const toSession = (session: SessionRecord): Wire => ({
  SessionId: session.id,
  Target: session.target,
  Status: session.status,
  StartDate: new Date(session.started),
  ...(session.ended === undefined ? {} : { EndDate: new Date(session.ended) }),
  DocumentName: session.document,
  Owner: session.owner,
  ...(session.reason === undefined ? {} : { Reason: session.reason }),
  OutputUrl: {},
  AccessType: 'Standard',
})
