import type { HandshakeState, PolicyType, ResponsibilityTransferStatus } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import { table, type WriteTx } from '../../store/store.ts'

// Organizations are of no account or region: their rows are global, and hold times in epoch milliseconds.

export type Tags = Readonly<Record<string, string>>

export type OrganizationRecord = {
  readonly id: string
  /** Id of its one root. */
  readonly root: string
  readonly rootTags: Tags
  /** The management account. */
  readonly management: string
  readonly featureSet: 'ALL' | 'CONSOLIDATED_BILLING'
  /** Policy types enabled in the root. */
  readonly policyTypes: readonly PolicyType[]
  /** Services with trusted access, and since when. */
  readonly trusted: Readonly<Record<string, number>>
  /** The delegation policy. */
  readonly delegation?: { readonly id: string; readonly content: string; readonly tags: Tags }
}
export const Organizations = table<OrganizationRecord>('organizations.organization', {
  scope: 'global',
  key: ({ id }) => id,
  index: { management: ({ management }) => management },
})

/** How an account stands in its organization. */
export type Joined = {
  readonly organization: string
  /** Id of the root or unit it is in. */
  readonly parent: string
  readonly at: number
  readonly method: 'INVITED' | 'CREATED'
  readonly tags: Tags
  /** Services it administers, and since when. */
  readonly administers: Readonly<Record<string, number>>
}
/** An account that is or was in an organization. Others have no row. */
export type AccountRecord = {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly created: number
  readonly state: 'ACTIVE' | 'PENDING_CLOSURE' | 'CLOSED'
  readonly closed?: number
  /** While it is being closed: id of the CloudTrail event about that. */
  readonly closing?: string
  readonly joined?: Joined
}
export const Accounts = table<AccountRecord>('organizations.account', {
  scope: 'global',
  key: ({ id }) => id,
  index: {
    organization: ({ joined }) => joined?.organization,
    parent: ({ joined }) => joined?.parent,
    email: ({ email }) => email.toLowerCase(),
  },
})

export type UnitRecord = {
  readonly id: string
  readonly organization: string
  readonly parent: string
  readonly name: string
  readonly tags: Tags
}
export const Units = table<UnitRecord>('organizations.unit', {
  scope: 'global',
  key: ({ id }) => id,
  index: { parent: ({ parent }) => parent, organization: ({ organization }) => organization },
})

export type PolicyRecord = {
  readonly id: string
  readonly organization: string
  readonly type: PolicyType
  readonly name: string
  readonly description: string
  readonly content: string
  readonly tags: Tags
  readonly updated: number
}
export const Policies = table<PolicyRecord>('organizations.policy', {
  scope: 'global',
  key: ({ id }) => id,
  index: { type: ({ organization, type }) => `${organization} ${type}` },
})

/** A policy attached to a root, unit or account. */
export type AttachmentRecord = {
  readonly organization: string
  readonly policy: string
  readonly type: PolicyType
  readonly target: string
  /** Attachments of one target are weighed in their order. */
  readonly order: number
  readonly at: number
}
export const Attachments = table<AttachmentRecord>('organizations.attachment', {
  scope: 'global',
  key: ({ target, policy }) => `${target} ${policy}`,
  index: {
    target: ({ target, type }) => `${target} ${type}`,
    policy: ({ organization, policy }) => `${organization} ${policy}`,
    type: ({ organization, type }) => `${organization} ${type}`,
  },
})

export type CreationRecord = {
  readonly id: string
  readonly organization: string
  readonly management: string
  readonly email: string
  readonly name: string
  readonly role: string
  readonly tags: Tags
  readonly state: 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED'
  readonly requested: number
  readonly completed?: number
  /** Given before the account is made, so that a step that runs again makes the same one. */
  readonly account?: string
  readonly reason?: 'ACCOUNT_LIMIT_EXCEEDED' | 'EMAIL_ALREADY_EXISTS' | 'INVALID_EMAIL' | 'INTERNAL_FAILURE'
  /** Id of the CloudTrail event about its result, and whether that is written. */
  readonly event: string
  readonly recorded: boolean
}
export const Creations = table<CreationRecord>('organizations.creation', {
  scope: 'global',
  key: ({ id }) => id,
  index: { organization: ({ organization }) => organization },
})

export type HandshakeAction = 'INVITE' | 'ENABLE_ALL_FEATURES' | 'APPROVE_ALL_FEATURES' | 'TRANSFER_RESPONSIBILITY'
export type HandshakeRecord = {
  readonly id: string
  readonly action: HandshakeAction
  readonly organization: string
  /** The management account that sent it. */
  readonly sender: string
  /** Account number or e-mail address of who is asked; none where it is the organization itself. */
  readonly recipient?: { readonly type: 'ACCOUNT' | 'EMAIL'; readonly id: string }
  readonly state: HandshakeState
  readonly requested: number
  readonly expires: number
  /** When it reached a state it stays in. */
  readonly ended?: number
  readonly notes?: string
  readonly tags: Tags
  readonly parent?: string
  readonly transfer?: string
}
export const Handshakes = table<HandshakeRecord>('organizations.handshake', {
  scope: 'global',
  key: ({ id }) => id,
  index: {
    organization: ({ organization }) => organization,
    recipient: ({ recipient }) => recipient?.id.toLowerCase(),
    parent: ({ parent }) => parent,
  },
})

/** Who pays whose bills: `target` those of `source`. */
export type TransferRecord = {
  readonly id: string
  readonly name: string
  readonly status: ResponsibilityTransferStatus
  /** The management account whose bills are another's, once it is known; and how it was asked. */
  readonly source?: string
  readonly asked: { readonly type: 'ACCOUNT' | 'EMAIL'; readonly id: string }
  readonly target: string
  readonly organization: string
  readonly start: number
  readonly end?: number
  readonly handshake: string
  readonly tags: Tags
}
export const Transfers = table<TransferRecord>('organizations.transfer', {
  scope: 'global',
  key: ({ id }) => id,
  index: { source: ({ source }) => source, target: ({ target }) => target },
})

/** Changes with everything that may change who is where and under which policies, so that what was read may be remembered. */
export type RevisionRecord = { readonly revision: string }
export const Revision = table<RevisionRecord>('organizations.revision', { scope: 'global', key: () => 'revision' })

/** A write after which memberships and control policies are read anew. */
export const change = <T>(ctx: Ctx, body: (tx: WriteTx) => Promise<T>): Promise<T> =>
  ctx.write(async (tx) => {
    const result = await body(tx)
    tx.put(Revision, { revision: ctx.newId() })
    return result
  })

export const tables = [
  Organizations,
  Accounts,
  Units,
  Policies,
  Attachments,
  Creations,
  Handshakes,
  Transfers,
  Revision,
]
