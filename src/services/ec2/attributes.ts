import { getInstance, Instance } from './instance.ts'
import { checkType } from './instance-types.ts'
import { passProfile } from './launch.ts'
import { dryRun, fail, newId, type Operation } from './operation.ts'
import { getGroup, SecurityGroup } from './security-groups.ts'

export const DescribeInstanceAttribute: Operation<'DescribeInstanceAttribute'> = (ctx, { InstanceId, Attribute }) =>
  ctx.read(async (tx) => {
    const instance = await getInstance(tx, InstanceId)
    switch (Attribute) {
      case 'instanceType':
        return { InstanceId, InstanceType: { Value: instance.type } }
      case 'userData':
        return { InstanceId, UserData: { Value: instance.userData } }
      case 'disableApiTermination':
        return { InstanceId, DisableApiTermination: { Value: instance.disableApiTermination } }
      case 'disableApiStop':
        return { InstanceId, DisableApiStop: { Value: instance.disableApiStop } }
      case 'instanceInitiatedShutdownBehavior':
        return { InstanceId, InstanceInitiatedShutdownBehavior: { Value: instance.shutdownBehavior } }
      case 'sourceDestCheck':
        return { InstanceId, SourceDestCheck: { Value: instance.sourceDestCheck } }
      case 'rootDeviceName':
        return { InstanceId, RootDeviceName: { Value: '/dev/xvda' } }
      case 'groupSet': {
        const groups = await Promise.all(instance.groupIds.map((id) => tx.get(SecurityGroup, id)))
        return {
          InstanceId,
          Groups: groups.flatMap((group) => (group ? [{ GroupId: group.id, GroupName: group.name }] : [])),
        }
      }
      default:
        throw fail('InvalidParameterValue', `Drydock's instances have no attribute ${Attribute}.`)
    }
  })

export const ModifyInstanceAttribute: Operation<'ModifyInstanceAttribute'> = (ctx, input) => {
  const { InstanceId, Attribute, Value } = input
  const userData =
    input.UserData?.Value === undefined
      ? Attribute === 'userData'
        ? Value
        : undefined
      : Buffer.from(input.UserData.Value).toString('base64')
  const type = input.InstanceType?.Value ?? (Attribute === 'instanceType' ? Value : undefined)
  const behavior =
    input.InstanceInitiatedShutdownBehavior?.Value ??
    (Attribute === 'instanceInitiatedShutdownBehavior' ? Value : undefined)
  const flag = (given: { Value?: boolean | undefined } | undefined, name: string) =>
    given?.Value ?? (Attribute === name ? Value === 'true' : undefined)
  for (const member of [
    'BlockDeviceMappings',
    'EbsOptimized',
    'EnaSupport',
    'Kernel',
    'Ramdisk',
    'SriovNetSupport',
  ] as const)
    if (input[member] !== undefined)
      throw fail('UnsupportedOperation', `Drydock does not support ${member} of ModifyInstanceAttribute.`)
  if (behavior !== undefined && behavior !== 'stop' && behavior !== 'terminate')
    throw fail('InvalidParameterValue', `Invalid value '${behavior}' for instanceInitiatedShutdownBehavior`)
  if (type !== undefined) checkType(type)
  dryRun(input)
  return ctx.write(async (tx) => {
    const instance = await getInstance(tx, InstanceId)
    if ((type !== undefined || userData !== undefined) && instance.state !== 'stopped')
      throw fail('IncorrectInstanceState', `The instance '${InstanceId}' is not in the 'stopped' state.`)
    for (const id of input.Groups ?? []) {
      const group = await getGroup(tx, id)
      if (group.vpcId !== instance.vpcId)
        throw fail('InvalidGroup.NotFound', `The security group '${id}' does not exist in VPC '${instance.vpcId}'`)
    }
    const termination = flag(input.DisableApiTermination, 'disableApiTermination')
    const stop = flag(input.DisableApiStop, 'disableApiStop')
    const check = flag(input.SourceDestCheck, 'sourceDestCheck')
    tx.put(Instance, {
      ...instance,
      ...(type === undefined ? {} : { type }),
      ...(userData === undefined ? {} : { userData }),
      ...(behavior === undefined ? {} : { shutdownBehavior: behavior }),
      ...(termination === undefined ? {} : { disableApiTermination: termination }),
      ...(stop === undefined ? {} : { disableApiStop: stop }),
      ...(check === undefined ? {} : { sourceDestCheck: check }),
      ...(input.Groups?.length ? { groupIds: input.Groups } : {}),
    })
    if (input.Groups?.length) tx.wake('ec2.ingress', instance.vpcId)
    return {}
  })
}

export const ModifyInstanceMetadataOptions: Operation<'ModifyInstanceMetadataOptions'> = (ctx, input) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    const instance = await getInstance(tx, input.InstanceId)
    const metadata = {
      tokens: input.HttpTokens ?? instance.metadata.tokens,
      endpoint: input.HttpEndpoint ?? instance.metadata.endpoint,
      hopLimit: input.HttpPutResponseHopLimit ?? instance.metadata.hopLimit,
      tags: input.InstanceMetadataTags ?? instance.metadata.tags,
    }
    tx.put(Instance, { ...instance, metadata })
    return {
      InstanceId: instance.id,
      InstanceMetadataOptions: {
        State: 'applied',
        HttpTokens: metadata.tokens,
        HttpEndpoint: metadata.endpoint,
        HttpPutResponseHopLimit: metadata.hopLimit,
        InstanceMetadataTags: metadata.tags,
      },
    }
  })
}

const toAssociation = ({ id, profile }: Instance) =>
  profile && {
    AssociationId: profile.associationId,
    InstanceId: id,
    IamInstanceProfile: { Arn: profile.arn, Id: profile.id },
    State: 'associated' as const,
  }

export const DescribeIamInstanceProfileAssociations: Operation<'DescribeIamInstanceProfileAssociations'> = (
  ctx,
  { AssociationIds, Filters },
) =>
  ctx.read(async (tx) => {
    const wanted = (Filters ?? []).filter(({ Name }) => Name === 'instance-id').flatMap(({ Values = [] }) => Values)
    const found = (await tx.list(Instance)).filter(
      ({ id, profile, state }) =>
        profile &&
        state !== 'terminated' &&
        (!AssociationIds?.length || AssociationIds.includes(profile.associationId)) &&
        (wanted.length === 0 || wanted.includes(id)),
    )
    return { IamInstanceProfileAssociations: found.flatMap((instance) => toAssociation(instance) ?? []) }
  })

export const AssociateIamInstanceProfile: Operation<'AssociateIamInstanceProfile'> = async (
  ctx,
  { InstanceId, IamInstanceProfile },
) => {
  const profile = await passProfile(ctx, IamInstanceProfile)
  if (!profile) throw fail('MissingParameter', 'The request must contain the parameter IamInstanceProfile')
  return ctx.write(async (tx) => {
    const instance = await getInstance(tx, InstanceId)
    if (instance.profile) throw fail('IncorrectState', `There is an existing association for instance ${InstanceId}`)
    const associated = tx.put(Instance, {
      ...instance,
      profile: { ...profile, associationId: newId(ctx, 'iip-assoc') },
    })
    return { IamInstanceProfileAssociation: toAssociation(associated) }
  })
}

export const DisassociateIamInstanceProfile: Operation<'DisassociateIamInstanceProfile'> = (ctx, { AssociationId }) =>
  ctx.write(async (tx) => {
    const instance = (await tx.list(Instance)).find(({ profile }) => profile?.associationId === AssociationId)
    if (!instance)
      throw fail('InvalidAssociationID.NotFound', `An invalid association-id of '${AssociationId}' was given`)
    const { profile: _gone, ...rest } = instance
    tx.put(Instance, rest)
    return { IamInstanceProfileAssociation: toAssociation(instance) }
  })
