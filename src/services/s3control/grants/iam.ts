import { requestTags } from '../../../kernel/authorize.ts'
import type { Ctx } from '../../../kernel/context.ts'
import { requestKeys } from '../../../kernel/s3-request-keys.ts'
import type { AccessRule, AccessRules, Requirement } from '../../../kernel/service.ts'
import type { Input, NS } from '../operation.ts'
import { Grant, grantArn, instanceArn, Location, locationArn, scopeBelow } from './grant.ts'
import { ownerOf } from './instances.ts'

// Actions and resources of S3 Access Grants. Other accounts are let in by the instance's policy to some of them: those name
// the instance of the account that is asked about.

type Context = NonNullable<Requirement['context']>
type OfAccount = { readonly AccountId?: string | undefined; readonly Tags?: unknown }

const needs = (ctx: Ctx, input: OfAccount, action: string, arn: string, more: Context = {}): Requirement[] => {
  const [, , , , account] = arn.split(':')
  const context = { ...requestKeys(ctx), 's3:ResourceAccount': account, ...requestTags(input), ...more }
  const { Tags: tags } = input
  const tagged = Array.isArray(tags) && tags.length > 0
  return [
    { action, resources: [arn], context },
    ...(tagged ? [{ action: 's3:TagResource', resources: [arn], context }] : []),
  ]
}

const onOwn =
  (action: string): AccessRule<OfAccount> =>
  (input, ctx) =>
    needs(ctx, input, action, instanceArn(ctx.place))

/** What other accounts may be let in to: on the instance of the account that is named. */
const onNamed =
  (action: string): AccessRule<OfAccount> =>
  (input, ctx) =>
    needs(ctx, input, action, instanceArn({ account: input.AccountId ?? ctx.account, region: ctx.region }))

/** One that lacks something is refused by validation: it asks nobody else's instance yet. */
const dataAccess: AccessRule<Input<'GetDataAccess'>> = (input, ctx) =>
  (input.Target === undefined || input.Permission === undefined ? onOwn : onNamed)('s3:GetDataAccess')(input, ctx)

const passing = (role: string | undefined): Requirement[] =>
  /^arn:aws:iam::\d{12}:role\/./.test(role ?? '')
    ? [
        {
          action: 'iam:PassRole',
          resources: [role ?? ''],
          context: { 'iam:PassedToService': 'access-grants.s3.amazonaws.com' },
        },
      ]
    : []

type OfLocation = OfAccount & {
  readonly AccessGrantsLocationId?: string
  readonly LocationScope?: string
  readonly IAMRoleArn?: string
}

const onLocation =
  (action: string): AccessRule<OfLocation> =>
  async (input, ctx) => {
    const { AccessGrantsLocationId: id, LocationScope } = input
    const scope = id === undefined ? LocationScope : (await ctx.read((tx) => tx.get(Location, id)))?.scope
    const context = { 's3:AccessGrantsLocationScope': scope }
    return [...needs(ctx, input, action, locationArn(ctx.place, id ?? '*'), context), ...passing(input.IAMRoleArn)]
  }

const onGrant =
  (action: string): AccessRule<OfAccount & { readonly AccessGrantId?: string }> =>
  async (input, ctx) => {
    const found = await ctx.read((tx) => tx.get(Grant, input.AccessGrantId ?? ''))
    const context = { 's3:AccessGrantScope': found?.scope }
    return needs(ctx, input, action, grantArn(ctx.place, input.AccessGrantId ?? '*'), context)
  }

const creatingGrant: AccessRule<Input<'CreateAccessGrant'>> = async (input, ctx) => {
  const location = await ctx.read((tx) => tx.get(Location, input.AccessGrantsLocationId ?? ''))
  const scope = location && scopeBelow(location.scope, input.AccessGrantsLocationConfiguration?.S3SubPrefix)
  return needs(ctx, input, 's3:CreateAccessGrant', grantArn(ctx.place, '*'), { 's3:AccessGrantScope': scope })
}

/** On the instance of whoever owns the data: both accounts must allow it. */
const forPrefix: AccessRule<Input<'GetAccessGrantsInstanceForPrefix'>> = async (input, ctx) =>
  needs(
    ctx,
    input,
    's3:GetAccessGrantsInstanceForPrefix',
    instanceArn((await ownerOf(ctx, input.S3Prefix ?? '')) ?? ctx.place),
  )

export const grantsAccess = {
  CreateAccessGrantsInstance: onOwn('s3:CreateAccessGrantsInstance'),
  GetAccessGrantsInstance: onOwn('s3:GetAccessGrantsInstance'),
  DeleteAccessGrantsInstance: onOwn('s3:DeleteAccessGrantsInstance'),
  ListAccessGrantsInstances: (_, ctx) => [
    {
      action: 's3:ListAccessGrantsInstances',
      resources: ['*'],
      context: { ...requestKeys(ctx), 's3:ResourceAccount': ctx.account },
    },
  ],
  GetAccessGrantsInstanceForPrefix: forPrefix,
  AssociateAccessGrantsIdentityCenter: onOwn('s3:AssociateAccessGrantsIdentityCenter'),
  DissociateAccessGrantsIdentityCenter: onOwn('s3:DissociateAccessGrantsIdentityCenter'),
  PutAccessGrantsInstanceResourcePolicy: onOwn('s3:PutAccessGrantsInstanceResourcePolicy'),
  GetAccessGrantsInstanceResourcePolicy: onOwn('s3:GetAccessGrantsInstanceResourcePolicy'),
  DeleteAccessGrantsInstanceResourcePolicy: onOwn('s3:DeleteAccessGrantsInstanceResourcePolicy'),
  CreateAccessGrantsLocation: onLocation('s3:CreateAccessGrantsLocation'),
  GetAccessGrantsLocation: onLocation('s3:GetAccessGrantsLocation'),
  UpdateAccessGrantsLocation: onLocation('s3:UpdateAccessGrantsLocation'),
  DeleteAccessGrantsLocation: onLocation('s3:DeleteAccessGrantsLocation'),
  ListAccessGrantsLocations: onNamed('s3:ListAccessGrantsLocations'),
  CreateAccessGrant: creatingGrant,
  GetAccessGrant: onGrant('s3:GetAccessGrant'),
  DeleteAccessGrant: onGrant('s3:DeleteAccessGrant'),
  ListAccessGrants: onNamed('s3:ListAccessGrants'),
  ListCallerAccessGrants: onNamed('s3:ListCallerAccessGrants'),
  GetDataAccess: dataAccess,
} as const satisfies AccessRules<NS>['operations']
