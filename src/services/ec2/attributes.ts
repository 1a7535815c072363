import type { ReadTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { getInstance, Instance } from './instance.ts'
import { checkType } from './instance-types.ts'
import { toMetadataOptions } from './instance-view.ts'
import { checkUserData, metadataOptions, passProfile } from './launch-options.ts'
import { dryRun, fail, type Operation } from './operation.ts'
import { chooseGroups, SecurityGroup } from './security-groups.ts'

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

/** Changes one attribute; type and user data only of a stopped instance. Errors: IncorrectInstanceState, InvalidGroup.NotFound. */
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
  checkUserData(userData)
  dryRun(input)
  return ctx.write(async (tx) => {
    const instance = await getInstance(tx, InstanceId)
    if (instance.state === 'terminated') throw notIn(instance)
    if ((type !== undefined || userData !== undefined) && instance.state !== 'stopped')
      throw fail('IncorrectInstanceState', `The instance '${InstanceId}' is not in the 'stopped' state.`)
    const groups = input.Groups?.length ? await chooseGroups(tx, instance.vpcId, input.Groups, []) : instance.groupIds
    const termination = flag(input.DisableApiTermination, 'disableApiTermination')
    const stop = flag(input.DisableApiStop, 'disableApiStop')
    const check = flag(input.SourceDestCheck, 'sourceDestCheck')
    if ([type, userData, behavior, termination, stop, check].every((one) => one === undefined) && !input.Groups?.length)
      throw fail('InvalidParameterCombination', 'No attributes specified.')
    tx.put(Instance, {
      ...instance,
      ...(type === undefined ? {} : { type }),
      ...(userData === undefined ? {} : { userData }),
      ...(behavior === undefined ? {} : { shutdownBehavior: behavior }),
      ...(termination === undefined ? {} : { disableApiTermination: termination }),
      ...(stop === undefined ? {} : { disableApiStop: stop }),
      ...(check === undefined ? {} : { sourceDestCheck: check }),
      groupIds: groups,
    })
    if (groups !== instance.groupIds)
      for (const group of new Set([...groups, ...instance.groupIds])) tx.wake('ec2.ingress', group)
    return {}
  })
}

export const ModifyInstanceMetadataOptions: Operation<'ModifyInstanceMetadataOptions'> = (ctx, input) => {
  dryRun(input)
  return ctx.write(async (tx) => {
    const instance = await getInstance(tx, input.InstanceId)
    if (instance.state === 'terminated') throw notIn(instance)
    const changed = tx.put(Instance, { ...instance, metadata: metadataOptions(input, instance.metadata) })
    return { InstanceId: instance.id, InstanceMetadataOptions: toMetadataOptions(changed) }
  })
}

const notIn = ({ id, state }: Instance) =>
  fail('IncorrectInstanceState', `The instance '${id}' is in state '${state}', in which this cannot be done.`)

const toAssociation = ({ id, profile }: Instance) =>
  profile && {
    AssociationId: profile.associationId,
    InstanceId: id,
    IamInstanceProfile: { Arn: profile.arn, Id: profile.id },
    State: 'associated' as const,
  }

export const DescribeIamInstanceProfileAssociations: Operation<'DescribeIamInstanceProfileAssociations'> = (
  ctx,
  { AssociationIds, Filters, MaxResults, NextToken },
) =>
  ctx.read(async (tx) => {
    const all = (await tx.list(Instance)).filter(({ profile, state }) => profile && state !== 'terminated')
    for (const id of AssociationIds ?? [])
      if (!all.some(({ profile }) => profile?.associationId === id)) throw noAssociation(id)
    const chosen = all.filter(
      ({ profile }) => !AssociationIds?.length || AssociationIds.includes(profile?.associationId ?? ''),
    )
    const rows = filtered(chosen, Filters, ['instance-id', 'state'], ({ id }) => ({
      facts: { 'instance-id': id, state: 'associated' },
      tags: {},
    }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    return { IamInstanceProfileAssociations: cut.flatMap((instance) => toAssociation(instance) ?? []), ...more }
  })

const noAssociation = (id: string) =>
  fail('InvalidAssociationID.NotFound', `An invalid association-id of '${id}' was given`)

/** The instance that an association is of; `undefined` when there is none. */
export const associated = async (tx: ReadTx, associationId: string): Promise<Instance | undefined> =>
  (await tx.list(Instance)).find(({ profile }) => profile?.associationId === associationId)

export const AssociateIamInstanceProfile: Operation<'AssociateIamInstanceProfile'> = async (
  ctx,
  { InstanceId, IamInstanceProfile },
) => {
  const profile = await passProfile(ctx, IamInstanceProfile, InstanceId)
  if (!profile) throw fail('MissingParameter', 'The request must contain the parameter IamInstanceProfile')
  return ctx.write(async (tx) => {
    const instance = await getInstance(tx, InstanceId)
    if (instance.state !== 'running' && instance.state !== 'stopped') throw notIn(instance)
    if (instance.profile) throw fail('IncorrectState', `There is an existing association for instance ${InstanceId}`)
    const changed = tx.put(Instance, { ...instance, profile })
    return { IamInstanceProfileAssociation: toAssociation(changed) }
  })
}

export const DisassociateIamInstanceProfile: Operation<'DisassociateIamInstanceProfile'> = (ctx, { AssociationId }) =>
  ctx.write(async (tx) => {
    const instance = await associated(tx, AssociationId)
    if (!instance) throw noAssociation(AssociationId)
    const { profile: _gone, ...rest } = instance
    tx.put(Instance, rest)
    return { IamInstanceProfileAssociation: toAssociation(instance) }
  })
