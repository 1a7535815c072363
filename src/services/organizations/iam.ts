import type { Ctx } from '../../kernel/context.ts'
import type { AccessRule, AccessRules, Requirement } from '../../kernel/service.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import type { ReadTx } from '../../store/store.ts'
import { isAdministrator, organizationOf } from './caller.ts'
import { memberActions, readActions } from './delegation.ts'
import {
  accountArn,
  handshakeArn,
  managedPolicyArn,
  policyArn,
  resourcePolicyArn,
  rootArn,
  transferArn,
  unitArn,
} from './ids.ts'
import { findManaged } from './managed.ts'
import type { NS } from './operation.ts'
import { findPolicy } from './policies.ts'
import { Accounts, Handshakes, type OrganizationRecord, Transfers } from './records.ts'
import { findTagged } from './tags.ts'
import { directionOf } from './transfer.ts'

// Actions, resources and condition keys ("Actions, resources, and condition keys for AWS Organizations", service
// authorization reference): the ARNs hold the organization's id, which inputs do not.

type Context = Requirement['context']

const within = <T>(
  ctx: Ctx,
  find: (tx: ReadTx, organization: OrganizationRecord) => Promise<T>,
): Promise<T | undefined> =>
  ctx.read(async (tx) => {
    const organization = await organizationOf(tx, ctx.account)
    return organization && find(tx, organization)
  })

/** Inputs are not validated yet: anything may stand where an id should. */
const text = (id: unknown): string => (typeof id === 'string' ? id : '')

const arnIn = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<string> => {
  if (id.startsWith('r-')) return rootArn({ ...organization, root: id })
  if (id.startsWith('ou-')) return unitArn(organization, id)
  if (id.startsWith('rp-')) return resourcePolicyArn(organization, id)
  if (id.startsWith('rt-')) {
    const transfer = await tx.get(Transfers, id)
    return transferArn(organization, transfer ? directionOf(transfer, organization.management) : 'inbound', id)
  }
  if (id.startsWith('p-')) {
    const policy = await findPolicy(tx, organization, id)
    if (!policy) return policyArn(organization, { type: '*' as never, id })
    return findManaged(id) ? managedPolicyArn(policy) : policyArn(organization, policy)
  }
  return /^\d{12}$/.test(id) ? accountArn(organization, id) : '*'
}

const arnsOf = async (ctx: Ctx, ids: readonly unknown[]): Promise<string[]> =>
  (await within(ctx, (tx, organization) => Promise.all(ids.map((id) => arnIn(tx, organization, text(id)))))) ?? ['*']

const typeOf = async (ctx: Ctx, policy: unknown): Promise<string | undefined> =>
  within(ctx, async (tx, organization) => (await findPolicy(tx, organization, text(policy)))?.type)

/** An action on what these members of the input name. */
const on =
  <K extends string>(...members: readonly K[]): AccessRule<{ readonly [N in K]?: unknown }> =>
  async (input, ctx) => ({
    resources: await arnsOf(
      ctx,
      members.map((member) => input[member]),
    ),
  })

/** The same, about policies of one type: `organizations:PolicyType`. */
const ofType =
  <M extends string, K extends string = never>(
    member: M,
    ...members: readonly K[]
  ): AccessRule<{ readonly [N in K | M]?: unknown }> =>
  async (input, ctx) => ({
    resources:
      members.length > 0
        ? await arnsOf(
            ctx,
            members.map((name) => input[name]),
          )
        : ['*'],
    context: { 'organizations:PolicyType': text(input[member]) || undefined },
  })

/** An action on a policy, and on what it is attached to where the input names that. */
const onPolicy: AccessRule<{ readonly PolicyId?: unknown; readonly TargetId?: unknown }> = async (input, ctx) => ({
  resources: await arnsOf(ctx, [input.PolicyId, ...(input.TargetId === undefined ? [] : [input.TargetId])]),
  context: { 'organizations:PolicyType': await typeOf(ctx, input.PolicyId) },
})

/** Tags of a policy are of one type of policy. */
const onTagged: AccessRule<{ readonly ResourceId?: unknown }> = async ({ ResourceId }, ctx) => ({
  resources: await arnsOf(ctx, [ResourceId]),
  context: {
    'organizations:PolicyType': text(ResourceId).startsWith('p-') ? await typeOf(ctx, ResourceId) : undefined,
  },
})

const forService =
  (
    ...members: readonly 'AccountId'[]
  ): AccessRule<{ readonly ServicePrincipal?: unknown; readonly AccountId?: unknown }> =>
  async (input, ctx) => ({
    resources:
      members.length > 0
        ? await arnsOf(
            ctx,
            members.map((member) => input[member]),
          )
        : ['*'],
    context: { 'organizations:ServicePrincipal': text(input.ServicePrincipal) || undefined },
  })

const transfers = (direction: string): Context => ({
  'organizations:TransferType': 'BILLING',
  'organizations:TransferDirection': direction,
})

const onTransfer: AccessRule<{ readonly Id?: unknown }> = async ({ Id }, ctx) => {
  const found = await ctx.read((tx) => tx.get(Transfers, text(Id)))
  return {
    resources: await arnsOf(ctx, [text(Id).startsWith('rt-') ? Id : '']),
    context: transfers(found ? directionOf(found, ctx.account) : 'inbound'),
  }
}

/** Handshakes are the sender's. */
const onHandshake: AccessRule<{ readonly HandshakeId?: unknown }> = async ({ HandshakeId }, ctx) => {
  const found = await ctx.read((tx) => tx.get(Handshakes, text(HandshakeId)))
  return { resources: [found ? handshakeArn(found) : '*'] }
}

type Tagged = { readonly Tags?: unknown }

const tagContext = ({ Tags }: Tagged): Context => {
  const tags = Array.isArray(Tags) ? (Tags as readonly { Key?: unknown; Value?: unknown }[]) : []
  const named = tags.filter((tag) => typeof tag?.Key === 'string')
  if (named.length === 0) return {}
  return {
    ...Object.fromEntries(named.map(({ Key, Value }) => [`aws:RequestTag/${String(Key)}`, text(Value)])),
    'aws:TagKeys': named.map(({ Key }) => String(Key)),
  }
}

/** What is made with tags needs the right to tag as well. */
const tagging =
  <I extends Tagged>(action: string, rule: AccessRule<I>): AccessRule<I> =>
  async (input, ctx) => {
    const { resources = ['*'], context } = (await rule(input, ctx)) as Partial<Requirement>
    const all = { ...context, ...tagContext(input) }
    const tags = Array.isArray(input.Tags) && input.Tags.length > 0
    return [`organizations:${action}`, ...(tags ? ['organizations:TagResource'] : [])].map((name) => ({
      action: name,
      resources,
      context: all,
    }))
  }

const anywhere: AccessRule<unknown> = () => ({ resources: ['*'] })

/** What the caller's standing in the organization gives it, beside what the delegation policy says. */
const impliedFor = (account: string, administrator: boolean): Statement => ({
  Effect: 'Allow',
  Principal: { AWS: account },
  Action: administrator ? [...memberActions, ...readActions] : memberActions,
  Resource: '*',
})

const withStanding = (content: string, implied: Statement): PolicyDocument => {
  const document = JSON.parse(content) as PolicyDocument
  return { ...document, Statement: [...([document.Statement].flat() as readonly Statement[]), implied] }
}

export const access: AccessRules<NS> = {
  operations: {
    ...{ CreateOrganization: anywhere, DeleteOrganization: anywhere, DescribeOrganization: anywhere },
    ...{ EnableAllFeatures: anywhere, LeaveOrganization: anywhere },
    CreateAccount: tagging('CreateAccount', anywhere),
    CreateGovCloudAccount: tagging('CreateGovCloudAccount', anywhere),
    ...{ DescribeCreateAccountStatus: anywhere, ListCreateAccountStatus: anywhere, ListAccounts: anywhere },
    ...{ DescribeAccount: on('AccountId'), CloseAccount: on('AccountId') },
    RemoveAccountFromOrganization: on('AccountId'),
    MoveAccount: on('AccountId', 'SourceParentId', 'DestinationParentId'),
    ...{ ListAccountsForParent: on('ParentId'), ListOrganizationalUnitsForParent: on('ParentId') },
    ...{ ListChildren: on('ParentId'), ListParents: on('ChildId'), ListRoots: anywhere },
    CreateOrganizationalUnit: tagging('CreateOrganizationalUnit', async ({ ParentId }, ctx) => ({
      resources: await arnsOf(ctx, [ParentId]),
    })),
    ...{
      DescribeOrganizationalUnit: on('OrganizationalUnitId'),
      UpdateOrganizationalUnit: on('OrganizationalUnitId'),
      DeleteOrganizationalUnit: on('OrganizationalUnitId'),
    },

    CreatePolicy: tagging('CreatePolicy', async ({ Type }, ctx) => ({
      resources: [
        (await within(ctx, async (_, organization) => policyArn(organization, { type: Type, id: '*' }))) ?? '*',
      ],
      context: { 'organizations:PolicyType': text(Type) || undefined },
    })),
    ...{ DescribePolicy: onPolicy, UpdatePolicy: onPolicy, DeletePolicy: onPolicy },
    ...{ AttachPolicy: onPolicy, DetachPolicy: onPolicy, ListTargetsForPolicy: onPolicy },
    ListPolicies: ofType('Filter'),
    ListPoliciesForTarget: ofType('Filter', 'TargetId'),
    ...{ EnablePolicyType: ofType('PolicyType', 'RootId'), DisablePolicyType: ofType('PolicyType', 'RootId') },
    DescribeEffectivePolicy: async ({ PolicyType, TargetId }, ctx) => ({
      resources: await arnsOf(ctx, [TargetId ?? ctx.account]),
      context: { 'organizations:PolicyType': text(PolicyType) || undefined },
    }),
    ListAccountsWithInvalidEffectivePolicy: ofType('PolicyType'),
    ListEffectivePolicyValidationErrors: ofType('PolicyType', 'AccountId'),

    ...{ EnableAWSServiceAccess: forService(), DisableAWSServiceAccess: forService() },
    ListAWSServiceAccessForOrganization: anywhere,
    ...{
      RegisterDelegatedAdministrator: forService('AccountId'),
      DeregisterDelegatedAdministrator: forService('AccountId'),
    },
    ListDelegatedAdministrators: forService(),
    ListDelegatedServicesForAccount: on('AccountId'),

    PutResourcePolicy: tagging('PutResourcePolicy', async (_, ctx) => ({
      resources: [
        (await within(ctx, async (__, organization) =>
          resourcePolicyArn(organization, organization.delegation?.id ?? '*'),
        )) ?? '*',
      ],
    })),
    ...{ DescribeResourcePolicy: anywhere, DeleteResourcePolicy: anywhere },

    InviteAccountToOrganization: tagging('InviteAccountToOrganization', async ({ Target }, ctx) => ({
      resources: await arnsOf(ctx, [Target?.Id]),
    })),
    ...{ AcceptHandshake: onHandshake, DeclineHandshake: onHandshake },
    ...{ CancelHandshake: onHandshake, DescribeHandshake: onHandshake },
    ...{ ListHandshakesForAccount: anywhere, ListHandshakesForOrganization: anywhere },

    InviteOrganizationToTransferResponsibility: tagging(
      'InviteOrganizationToTransferResponsibility',
      async ({ Target }, ctx) => ({ resources: await arnsOf(ctx, [Target?.Id]), context: transfers('inbound') }),
    ),
    ...{ DescribeResponsibilityTransfer: onTransfer, UpdateResponsibilityTransfer: onTransfer },
    TerminateResponsibilityTransfer: onTransfer,
    ListInboundResponsibilityTransfers: () => ({ resources: ['*'], context: transfers('inbound') }),
    ListOutboundResponsibilityTransfers: () => ({ resources: ['*'], context: transfers('outbound') }),

    ...{ TagResource: onTagged, UntagResource: onTagged, ListTagsForResource: onTagged },
  },

  // Without a delegation policy IAM asks only whether the caller's own account lets it; the operations know who may.
  resourcePolicy: (ctx) =>
    ctx.read(async (tx) => {
      const { account: caller } = ctx.principal
      const account = caller ? await tx.get(Accounts, caller) : undefined
      const organization = account && (await organizationOf(tx, caller))
      if (!account || !organization?.delegation || organization.management === caller)
        return { account: caller || ctx.account }
      const implied = impliedFor(caller, isAdministrator(account))
      return { account: organization.management, document: withStanding(organization.delegation.content, implied) }
    }),

  resourceTags: async (ctx, arn) => {
    const id = arn.slice(arn.lastIndexOf('/') + 1)
    return (await within(ctx, (tx, organization) => findTagged(tx, organization, id)))?.tags
  },
}
