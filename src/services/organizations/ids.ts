import type { PolicyType } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { AccountRecord, HandshakeRecord, OrganizationRecord, PolicyRecord } from './records.ts'

// Ids and ARNs ("Actions, resources, and condition keys for AWS Organizations", service authorization reference).

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

export const newId = {
  organization: (ctx: Ctx) => `o-${ctx.random(10, alphabet)}`,
  root: (ctx: Ctx) => `r-${ctx.random(4, alphabet)}`,
  /** A unit's id holds its root's. */
  unit: (ctx: Ctx, root: string) => `ou-${root.slice(2)}-${ctx.random(8, alphabet)}`,
  policy: (ctx: Ctx) => `p-${ctx.random(10, alphabet)}`,
  creation: (ctx: Ctx) => `car-${ctx.random(32)}`,
  handshake: (ctx: Ctx) => `h-${ctx.random(32)}`,
  transfer: (ctx: Ctx) => `rt-${ctx.random(10, alphabet)}`,
  resourcePolicy: (ctx: Ctx) => `rp-${ctx.random(8, alphabet)}`,
  /** Account numbers do not begin with 0 here, so that none looks like the default account's. */
  account: (ctx: Ctx) => `${ctx.random(1, '123456789')}${ctx.random(11, '0123456789')}`,
}

const arn = (account: string, resource: string) => `arn:aws:organizations::${account}:${resource}`

type Home = Pick<OrganizationRecord, 'id' | 'management'>

export const organizationArn = ({ id, management }: Home) => arn(management, `organization/${id}`)
export const rootArn = (home: Home & { readonly root: string }) => arn(home.management, `root/${home.id}/${home.root}`)
export const unitArn = (home: Home, unit: string) => arn(home.management, `ou/${home.id}/${unit}`)
export const accountArn = (home: Home, account: string) => arn(home.management, `account/${home.id}/${account}`)
export const policyTypeFolder = (type: PolicyType) => type.toLowerCase()
export const policyArn = (home: Home, { type, id }: Pick<PolicyRecord, 'type' | 'id'>) =>
  arn(home.management, `policy/${home.id}/${policyTypeFolder(type)}/${id}`)
export const managedPolicyArn = ({ type, id }: Pick<PolicyRecord, 'type' | 'id'>) =>
  arn('aws', `policy/${policyTypeFolder(type)}/${id}`)
export const resourcePolicyArn = (home: Home, id: string) => arn(home.management, `resourcepolicy/${home.id}/${id}`)
export const handshakeArn = ({ id, sender, organization, action }: HandshakeRecord) =>
  arn(sender, `handshake/${organization}/${action.toLowerCase()}/${id}`)
/** A transfer as one of its two sides sees it. */
export const transferArn = (home: Home, direction: 'inbound' | 'outbound', id: string) =>
  arn(home.management, `transfer/${home.id}/billing/${direction}/${id}`)

/** Name and address of an account that nobody has given any: those of the server's own accounts. */
export const unnamed = (id: string): Pick<AccountRecord, 'email' | 'name'> => ({
  email: `root@${id}.drydock.localhost`,
  name: id,
})
