import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { privateAddresses, takePublicAddress } from './addresses.ts'
import { stateChanged } from './events.ts'
import { taskImage } from './images.ts'
import { Instance, Machine, taskOf } from './instance.ts'
import { checkType } from './instance-types.ts'
import { instanceView } from './instance-view.ts'
import { getKeyPair } from './key-pairs.ts'
import {
  checkUserData,
  fingerprint,
  metadataOptions,
  mostInstances,
  networkOf,
  passProfile,
  refuse,
} from './launch-options.ts'
import { dryRun, fail, newId, type Operation } from './operation.ts'
import { chooseGroups } from './security-groups.ts'
import { putTags, specified } from './tag.ts'
import { chooseSubnet } from './vpcs.ts'

/**
 * What an earlier request with this client token launched ("Ensuring idempotency in Amazon EC2 API requests"). Throws
 * IdempotentParameterMismatch, IdempotentInstanceTerminated.
 */
const launchedBefore = async (tx: ReadTx, token: string | undefined, request: string): Promise<Instance[]> => {
  if (!token) return []
  const before = await tx.list(Instance, { index: 'clientToken', prefix: `${token}\0` })
  if (before.some(({ requestHash }) => requestHash !== request))
    throw fail(
      'IdempotentParameterMismatch',
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    )
  if (before.length > 0 && before.every(({ state }) => state === 'terminated'))
    throw fail(
      'IdempotentInstanceTerminated',
      'The request to launch an instance uses the same client token as a previous request for which the instance has been terminated.',
    )
  return before
}

/** How many to launch: as many as there is room for, if that is enough. Throws InstanceLimitExceeded. */
const countOf = async (tx: ReadTx, least: number, most: number): Promise<number> => {
  const present = (await tx.list(Instance)).filter(({ state }) => state !== 'terminated').length
  const count = Math.min(most, mostInstances - present)
  if (count < least)
    throw fail(
      'InstanceLimitExceeded',
      `You have requested more instances (${present + least}) than your current instance limit of ${mostInstances} allows for the specified instance type.`,
    )
  return count
}

/**
 * Launches instances. Errors: InvalidAMIID.NotFound, InvalidGroup.NotFound, InvalidSubnetID.NotFound,
 * InvalidKeyPair.NotFound, InvalidParameterValue, IdempotentParameterMismatch, InstanceLimitExceeded,
 * UnsupportedOperation for what would have to be ignored.
 */
export const RunInstances: Operation<'RunInstances'> = async (ctx, input) => {
  refuse(input)
  const { ImageId = '', InstanceType = 't2.micro', MinCount, MaxCount, KeyName, ClientToken } = input
  if (!ImageId) throw fail('MissingParameter', 'The request must contain the parameter ImageId')
  if (MinCount < 1 || MaxCount < MinCount)
    throw fail(
      'InvalidParameterValue',
      `Value (${MinCount}) for parameter minCount is invalid. Minimum is 1 and maximum is maxCount.`,
    )
  taskImage(ctx, ImageId)
  checkType(InstanceType)
  checkUserData(input.UserData)
  const network = networkOf(input)
  const tags = specified(input.TagSpecifications, 'instance', 'network-interface')
  const metadata = metadataOptions(input.MetadataOptions ?? {}, {
    tokens: 'optional',
    endpoint: 'enabled',
    hopLimit: 1,
    tags: 'disabled',
  })
  const profile = await passProfile(ctx, input.IamInstanceProfile)
  const requestHash = fingerprint(input)

  return ctx.write(async (tx) => {
    const before = await launchedBefore(tx, ClientToken, requestHash)
    if (before.length > 0) return launched(ctx, tx, before)
    if (KeyName !== undefined) await getKeyPair(tx, KeyName)
    const subnet = await chooseSubnet(ctx, tx, network.subnetId, input.Placement?.AvailabilityZone)
    const groupIds = await chooseGroups(tx, subnet.vpcId, network.groupIds, network.groupNames)
    const count = await countOf(tx, MinCount, MaxCount)
    const addresses = await privateAddresses(tx, subnet, network.address, count)
    dryRun(input)

    const reservationId = newId(ctx, 'r')
    const instances: Instance[] = []
    for (const [launchIndex, privateIp] of addresses.entries()) {
      const id = newId(ctx, 'i')
      const instance: Instance = {
        id,
        reservationId,
        launchIndex,
        imageId: ImageId,
        type: InstanceType,
        ...(KeyName === undefined ? {} : { keyName: KeyName }),
        subnetId: subnet.id,
        subnetCidr: subnet.cidr,
        vpcId: subnet.vpcId,
        zone: subnet.zone,
        networkInterfaceId: newId(ctx, 'eni'),
        mac: `02:${ctx.random(10).match(/../g)?.join(':')}`,
        privateIp,
        hasPublicIp: network.publicAddress,
        ...(network.publicAddress ? { publicIp: await takePublicAddress(ctx, tx, id) } : {}),
        groupIds,
        ...(input.UserData === undefined ? {} : { userData: input.UserData }),
        ...(profile ? { profile: { ...profile, associationId: newId(ctx, 'iip-assoc') } } : {}),
        metadata,
        state: 'pending',
        wanted: 'running',
        transitionReason: '',
        launched: ctx.now().getTime(),
        ...(ClientToken ? { clientToken: ClientToken } : {}),
        requestHash,
        disableApiTermination: input.DisableApiTermination ?? false,
        disableApiStop: input.DisableApiStop ?? false,
        shutdownBehavior: input.InstanceInitiatedShutdownBehavior ?? 'stop',
        sourceDestCheck: true,
        monitoring: input.Monitoring?.Enabled ?? false,
      }
      instances.push(tx.put(Instance, instance))
      tx.put(Machine, { task: taskOf(id), place: ctx.place, instanceId: id })
      putTags(tx, id, tags.instance)
      putTags(tx, instance.networkInterfaceId, tags['network-interface'])
      tx.emit(stateChanged(ctx, instance))
      tx.wake('ec2.instance', id)
    }
    return launched(ctx, tx, instances)
  })
}

const launched = async (ctx: Ctx, tx: ReadTx, instances: readonly Instance[]) => ({
  ReservationId: instances[0]?.reservationId,
  OwnerId: ctx.account,
  Groups: [],
  Instances: instances.map((await instanceView(ctx, tx)).toInstance),
})
