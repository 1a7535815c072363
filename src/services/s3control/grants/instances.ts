import type { Ctx } from '../../../kernel/context.ts'
import { PolicyFinding, parsePolicy } from '../../../policy/parse.ts'
import type { PolicyDocument, Statement } from '../../../policy/policy.ts'
import type { Place } from '../../../store/store.ts'
import { buckets } from '../../capabilities.ts'
import { accountOf, type Operation } from '../operation.ts'
import { checkTags } from '../tags.ts'
import {
  getInstance,
  grantsError,
  Instance,
  type InstanceRecord,
  instanceArn,
  Location,
  refuseIdentityCenter,
  s3Uri,
} from './grant.ts'

const toInstance = (instance: InstanceRecord) => ({
  AccessGrantsInstanceArn: instanceArn(instance),
  AccessGrantsInstanceId: 'default',
  CreatedAt: new Date(instance.created),
})

/** Errors: AccessGrantsInstanceAlreadyExists, InvalidIdentityCenterInstance. */
export const CreateAccessGrantsInstance: Operation<'CreateAccessGrantsInstance'> = async (ctx, input) => {
  const account = accountOf(ctx, input)
  refuseIdentityCenter(input.IdentityCenterArn)
  const instance: InstanceRecord = {
    account,
    region: ctx.region,
    created: ctx.now().getTime(),
    tags: checkTags(input.Tags ?? []),
  }
  await ctx.write(async (tx) => {
    if (await tx.get(Instance, 'default')) throw grantsError('AccessGrantsInstanceAlreadyExists')
    tx.put(Instance, instance)
  })
  return toInstance(instance)
}

export const GetAccessGrantsInstance: Operation<'GetAccessGrantsInstance'> = async (ctx, input) => {
  accountOf(ctx, input)
  return toInstance(await ctx.read(getInstance))
}

/** An account has at most one in a Region. */
export const ListAccessGrantsInstances: Operation<'ListAccessGrantsInstances'> = async (ctx, input) => {
  accountOf(ctx, input)
  return { AccessGrantsInstancesList: (await ctx.read((tx) => tx.list(Instance))).map(toInstance) }
}

/** Errors: AccessGrantsInstanceNotEmptyError. */
export const DeleteAccessGrantsInstance: Operation<'DeleteAccessGrantsInstance'> = async (ctx, input) => {
  accountOf(ctx, input)
  await ctx.write(async (tx) => {
    await getInstance(tx)
    if ((await tx.list(Location, { limit: 1 })).length > 0) throw grantsError('AccessGrantsInstanceNotEmptyError')
    tx.delete(Instance, 'default')
  })
  return {}
}

/** The policy of the instance that an ARN is of, or below; its account has it also where there is no instance. */
export const instancePolicy = async (
  ctx: Ctx,
  arn: string,
): Promise<{ account: string; document?: PolicyDocument }> => {
  const [, , , region = '', account = ''] = arn.split(':')
  const found = await ctx.at({ account, region }).read((tx) => tx.get(Instance, 'default'))
  return { account, ...(found?.policy ? { document: JSON.parse(found.policy.text) as PolicyDocument } : {}) }
}

/** The account and Region of the bucket in a path: its data's instance is there. */
export const ownerOf = async (ctx: Ctx, path: string): Promise<Place | undefined> => {
  const [, bucket = ''] = /^s3:\/\/([^/]+)/.exec(s3Uri(path)) ?? []
  const found = await ctx.use(buckets).find(bucket)
  return found?.region === ctx.region ? { account: found.account, region: found.region } : undefined
}

/** Errors: AccessGrantsInstanceNotExistsError. */
export const GetAccessGrantsInstanceForPrefix: Operation<'GetAccessGrantsInstanceForPrefix'> = async (ctx, input) => {
  accountOf(ctx, input)
  const owner = await ownerOf(ctx, input.S3Prefix)
  if (!owner) throw grantsError('AccessGrantsInstanceNotExistsError')
  const { AccessGrantsInstanceArn, AccessGrantsInstanceId } = toInstance(await ctx.at(owner).read(getInstance))
  return { AccessGrantsInstanceArn, AccessGrantsInstanceId }
}

/** There is no IAM Identity Center here: any instance of one is an invalid one. */
export const AssociateAccessGrantsIdentityCenter: Operation<'AssociateAccessGrantsIdentityCenter'> = async (
  ctx,
  input,
) => {
  accountOf(ctx, input)
  await ctx.read(getInstance)
  throw grantsError('InvalidIdentityCenterInstance')
}

export const DissociateAccessGrantsIdentityCenter: Operation<'DissociateAccessGrantsIdentityCenter'> = async (
  ctx,
  input,
) => {
  accountOf(ctx, input)
  await ctx.read(getInstance)
  throw grantsError('InvalidIdentityCenterInstance')
}

/** A policy of this instance and nothing else, for somebody. Throws InvalidResourcePolicy. */
const checkPolicy = (text: string, arn: string): void => {
  try {
    for (const { Principal, NotPrincipal, Resource } of [parsePolicy(text, 'resource').Statement].flat() as Statement[])
      if ((Principal ?? NotPrincipal) === undefined || [Resource].flat().some((resource) => resource !== arn))
        throw grantsError('InvalidResourcePolicy')
  } catch (error) {
    if (error instanceof PolicyFinding) throw grantsError('InvalidResourcePolicy')
    throw error
  }
}

const toPolicy = ({ text, organization, created }: NonNullable<InstanceRecord['policy']>) => ({
  Policy: text,
  ...(organization === undefined ? {} : { Organization: organization }),
  CreatedAt: new Date(created),
})

/** Lets other accounts in ("S3 Access Grants cross-account access", S3 user guide). Errors: InvalidResourcePolicy. */
export const PutAccessGrantsInstanceResourcePolicy: Operation<'PutAccessGrantsInstanceResourcePolicy'> = async (
  ctx,
  input,
) => {
  accountOf(ctx, input)
  checkPolicy(input.Policy, instanceArn(ctx.place))
  const policy = {
    text: input.Policy,
    ...(input.Organization === undefined ? {} : { organization: input.Organization }),
    created: ctx.now().getTime(),
  }
  await ctx.write(async (tx) => tx.put(Instance, { ...(await getInstance(tx)), policy }))
  return toPolicy(policy)
}

/** Errors: AccessGrantsInstanceResourcePolicyNotExists. */
export const GetAccessGrantsInstanceResourcePolicy: Operation<'GetAccessGrantsInstanceResourcePolicy'> = async (
  ctx,
  input,
) => {
  accountOf(ctx, input)
  const { policy } = await ctx.read(getInstance)
  if (!policy) throw grantsError('AccessGrantsInstanceResourcePolicyNotExists')
  return toPolicy(policy)
}

export const DeleteAccessGrantsInstanceResourcePolicy: Operation<'DeleteAccessGrantsInstanceResourcePolicy'> = async (
  ctx,
  input,
) => {
  accountOf(ctx, input)
  await ctx.write(async (tx) => {
    const { policy: _, ...instance } = await getInstance(tx)
    tx.put(Instance, instance)
  })
  return {}
}
