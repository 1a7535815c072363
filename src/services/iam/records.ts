import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, type Table, table, type WriteTx } from '../../store/store.ts'
import { fail, notFound } from './operation.ts'

// Rows refer to users, groups and roles by unique id (AIDA…, AGPA…, AROA…), so a new name or path touches one row.

export type Tags = Readonly<Record<string, string>>

/** What users, groups and roles have in common. */
type EntityRecord = {
  readonly name: string
  readonly path: string
  readonly id: string
  /** Epoch milliseconds, as all times here. */
  readonly created: number
  /** Inline policies: documents as given, by name. */
  readonly inline: Readonly<Record<string, string>>
}

export type UserRecord = EntityRecord & { readonly tags: Tags; readonly boundary?: string }
export type GroupRecord = EntityRecord
export type RoleRecord = EntityRecord & {
  readonly tags: Tags
  readonly boundary?: string
  readonly trust: string
  readonly description?: string
  /** Seconds. */
  readonly maxSessionDuration: number
  /** Service-linked roles: whose it is. Only that service's wishes change it. */
  readonly linkedTo?: string
}

/** Names differ by more than case. */
const byName = ({ name }: { name: string }) => nameKey(name)
export const nameKey = (name: string): string => name.toLowerCase()

export const User = table<UserRecord>('iam.user', {
  scope: 'account',
  key: byName,
  index: { id: ({ id }) => id, boundary: ({ boundary }) => boundary },
})
export const Group = table<GroupRecord>('iam.group', { scope: 'account', key: byName, index: { id: ({ id }) => id } })
export const Role = table<RoleRecord>('iam.role', {
  scope: 'account',
  key: byName,
  index: { id: ({ id }) => id, boundary: ({ boundary }) => boundary },
})

export type Kind = 'user' | 'group' | 'role'
export type Records = { readonly user: UserRecord; readonly group: GroupRecord; readonly role: RoleRecord }
export const entities: { readonly [K in Kind]: Table<Records[K]> } = { user: User, group: Group, role: Role }

/** Throws NoSuchEntity. */
export const getEntity = async <K extends Kind>(tx: ReadTx, kind: K, name: string): Promise<Records[K]> => {
  const found = await tx.get(entities[kind], nameKey(name))
  if (!found) throw notFound(kind, name)
  return found
}

/** Only the service changes its role. Throws UnmodifiableEntity. */
export const refuseLinked = (role: RoleRecord): RoleRecord => {
  if (role.linkedTo !== undefined)
    throw fail(
      'UnmodifiableEntityException',
      `Cannot perform the operation on the protected role '${role.name}' - this role is only modifiable by AWS`,
    )
  return role
}

export const findById = async <R>(tx: ReadTx, of: Table<R>, id: string, at?: Place): Promise<R | undefined> =>
  (await tx.list(of, { index: 'id', equals: id, limit: 1 }, at))[0]

export type Membership = { readonly group: string; readonly user: string }
export const Memberships = table<Membership>('iam.membership', {
  scope: 'account',
  key: ({ group, user }) => `${group}/${user}`,
  index: { user: ({ user }) => user },
})

/** A managed policy attached to an entity. */
export type Attachment = { readonly policy: string; readonly entity: string; readonly kind: Kind }
export const Attachments = table<Attachment>('iam.attachment', {
  scope: 'account',
  key: ({ policy, entity }) => `${policy} ${entity}`,
  index: { entity: ({ entity }) => entity },
})

export type PolicyVersionRecord = { readonly id: string; readonly document: string; readonly created: number }
export type PolicyRecord = {
  readonly name: string
  readonly path: string
  readonly id: string
  readonly created: number
  readonly updated: number
  readonly description?: string
  readonly tags: Tags
  readonly versions: readonly PolicyVersionRecord[]
  readonly default: string
  /** The number of the newest version ever made: numbers are not used again. */
  readonly last: number
}
export const Policy = table<PolicyRecord>('iam.policy', { scope: 'account', key: byName })

export type AccessKeyRecord = {
  readonly id: string
  readonly account: string
  readonly user: string
  /** The secret, sealed. */
  readonly secret: string
  readonly active: boolean
  readonly created: number
  readonly lastUsed?: { readonly at: number; readonly service: string; readonly region: string }
}
/** Keys are found by id before the account is known. */
export const AccessKeys = table<AccessKeyRecord>('iam.access-key', {
  scope: 'global',
  key: ({ id }) => id,
  index: { user: ({ account, user }) => `${account}/${user}` },
})

export type InstanceProfileRecord = {
  readonly name: string
  readonly path: string
  readonly id: string
  readonly created: number
  readonly tags: Tags
  /** The role's unique id. */
  readonly role?: string
}
export const InstanceProfiles = table<InstanceProfileRecord>('iam.instance-profile', {
  scope: 'account',
  key: byName,
  index: { role: ({ role }) => role },
})

export type ServiceCredentialRecord = {
  readonly id: string
  readonly account: string
  readonly user: string
  readonly service: string
  /** What is typed at git's prompt: `alice-at-000000000000`. The alias of an API key. */
  readonly userName: string
  /** The password or API key, sealed. */
  readonly password: string
  readonly active: boolean
  readonly created: number
  readonly expires?: number
}
export const ServiceCredentials = table<ServiceCredentialRecord>('iam.service-credential', {
  scope: 'global',
  key: ({ id }) => id,
  index: { user: ({ account, user }) => `${account}/${user}`, userName: ({ userName }) => userName },
})

export type SshKeyRecord = {
  readonly id: string
  readonly user: string
  readonly body: string
  readonly fingerprint: string
  readonly active: boolean
  readonly uploaded: number
}
export const SshKeys = table<SshKeyRecord>('iam.ssh-key', {
  scope: 'account',
  key: ({ id }) => id,
  index: { user: ({ user }) => user },
})

/** Aliases are unique over all accounts. */
export type AliasRecord = { readonly alias: string; readonly account: string }
export const Aliases = table<AliasRecord>('iam.alias', {
  scope: 'global',
  key: ({ alias }) => alias,
  index: { account: ({ account }) => account },
})

/** Service-linked roles that were deleted: AWS answers about the deletion by task id. */
export type DeletionRecord = {
  readonly id: string
  /** Why it failed: what the service still needs the role for. */
  readonly usage?: string
}
export const Deletions = table<DeletionRecord>('iam.deletion', { scope: 'account', key: ({ id }) => id })

/** Changes with every change of who may do what in an account, so that what was read for it may be remembered. */
export type RevisionRecord = { readonly revision: string }
export const Revision = table<RevisionRecord>('iam.revision', { scope: 'account', key: () => 'revision' })

/** A write after which the account's identities are read anew. */
export const change = <T>(ctx: Ctx, body: (tx: WriteTx) => Promise<T>): Promise<T> =>
  ctx.write(async (tx) => {
    const result = await body(tx)
    tx.put(Revision, { revision: ctx.newId() })
    return result
  })

export const tables = [
  User,
  Group,
  Role,
  Memberships,
  Attachments,
  Policy,
  AccessKeys,
  InstanceProfiles,
  ServiceCredentials,
  SshKeys,
  Aliases,
  Deletions,
  Revision,
]
