import type { Ctx } from '../../kernel/context.ts'
import { instanceProfiles } from '../capabilities.ts'
import { privateAddress, takePublicAddress } from './addresses.ts'
import { instanceView } from './describe.ts'
import { taskImage } from './images.ts'
import { Instance, Machine, taskOf } from './instance.ts'
import { checkType } from './instance-types.ts'
import { getKeyPair } from './key-pairs.ts'
import { dryRun, fail, type Input, newId, type Operation } from './operation.ts'
import { chooseGroups } from './security-groups.ts'
import { putTags, specified } from './tags.ts'
import { chooseSubnet } from './vpcs.ts'

type RunInput = Input<'RunInstances'>

/** Members that would change what runs and that Drydock does not carry out: refused, not ignored. */
const refused = [
  'CapacityReservationSpecification',
  'CpuOptions',
  'ElasticGpuSpecification',
  'ElasticInferenceAccelerators',
  'EnclaveOptions',
  'HibernationOptions',
  'InstanceMarketOptions',
  'Ipv6AddressCount',
  'Ipv6Addresses',
  'KernelId',
  'LaunchTemplate',
  'LicenseSpecifications',
  'RamdiskId',
  'BlockDeviceMappings',
] as const

/** The instance profile a caller names, after checking that he may pass its role. */
export const passProfile = async (
  ctx: Ctx,
  named: { Arn?: string | undefined; Name?: string | undefined } | undefined,
): Promise<Instance['profile']> => {
  const name = named?.Arn ?? named?.Name
  if (name === undefined) return undefined
  const profile = await ctx.use(instanceProfiles).find(ctx.place, name)
  if (!profile)
    throw fail(
      'InvalidParameterValue',
      `Value (${name}) for parameter iamInstanceProfile.${named?.Arn ? 'arn' : 'name'} is invalid. Invalid IAM Instance Profile ${named?.Arn ? 'ARN' : 'name'}`,
    )
  if (profile.roleArn)
    await ctx.authorize('iam:PassRole', profile.roleArn, { 'iam:PassedToService': ['ec2.amazonaws.com'] })
  return { arn: profile.arn, id: profile.id, associationId: `iip-assoc-${ctx.random(17)}` }
}

/** What RunInstances is told in two ways: at the top, or of its one network interface. */
const networkOf = (input: RunInput) => {
  const [nic, ...more] = input.NetworkInterfaces ?? []
  if (more.length > 0 || nic?.NetworkInterfaceId)
    throw fail('UnsupportedOperation', 'An instance has one network interface, made at launch.')
  if (nic && (input.SubnetId || input.SecurityGroupIds?.length || input.SecurityGroups?.length))
    throw fail(
      'InvalidParameterCombination',
      'Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request',
    )
  return {
    subnetId: nic?.SubnetId ?? input.SubnetId,
    address: nic?.PrivateIpAddress ?? input.PrivateIpAddress,
    groupIds: nic?.Groups ?? input.SecurityGroupIds ?? [],
    groupNames: input.SecurityGroups ?? [],
    publicAddress: nic?.AssociatePublicIpAddress ?? true,
  }
}

const checkUserData = (userData: string | undefined): void => {
  if (userData === undefined) return
  if (!/^[A-Za-z0-9+/=\s]*$/.test(userData))
    throw fail('InvalidUserData.Malformed', 'Invalid BASE64 encoding of user data.')
  if (Buffer.from(userData, 'base64').length > 16_384)
    throw fail('InvalidParameterValue', 'User data is limited to 16384 bytes')
}

/** Launches instances. Errors: InvalidAMIID.NotFound, InvalidGroup.NotFound, InvalidSubnetID.NotFound, InvalidKeyPair.NotFound … */
export const RunInstances: Operation<'RunInstances'> = async (ctx, input) => {
  for (const member of refused)
    if (input[member] !== undefined && !(Array.isArray(input[member]) && input[member].length === 0))
      throw fail('UnsupportedOperation', `Drydock does not support ${member} of RunInstances.`)
  const { ImageId = '', InstanceType = 't2.micro', MinCount, MaxCount, KeyName, ClientToken } = input
  if (!ImageId) throw fail('MissingParameter', 'The request must contain the parameter ImageId')
  if (MinCount < 1 || MaxCount < MinCount)
    throw fail(
      'InvalidParameterValue',
      `Value (${MinCount}) for parameter minCount is invalid. Minimum is 1 and maximum is maxCount.`,
    )
  taskImage(ImageId)
  checkType(InstanceType)
  checkUserData(input.UserData)
  const network = networkOf(input)
  const tags = specified(input.TagSpecifications, 'instance')
  const profile = await passProfile(ctx, input.IamInstanceProfile)
  dryRun(input)

  return ctx.write(async (tx) => {
    if (ClientToken) {
      const before = await tx.list(Instance, { index: 'clientToken', prefix: `${ClientToken}\0` })
      const [first] = before
      if (first) return launched(ctx, before, (await instanceView(ctx, tx)).toInstance)
    }
    if (KeyName !== undefined) await getKeyPair(tx, KeyName)
    const subnet = await chooseSubnet(ctx, tx, network.subnetId, input.Placement?.AvailabilityZone)
    const groupIds = await chooseGroups(tx, subnet.vpcId, network.groupIds, network.groupNames)
    if (network.address && MaxCount > 1)
      throw fail('InvalidParameterCombination', 'A private IP address cannot be specified for more than one instance')

    const reservationId = newId(ctx, 'r')
    const instances: Instance[] = []
    const taken = new Set<string>()
    for (let launchIndex = 0; launchIndex < MaxCount; launchIndex++) {
      const id = newId(ctx, 'i')
      const privateIp = await privateAddress(tx, subnet, network.address, taken)
      taken.add(privateIp)
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
        ...(network.publicAddress ? { publicIp: await takePublicAddress(ctx, tx, id) } : {}),
        groupIds,
        ...(input.UserData === undefined ? {} : { userData: input.UserData }),
        ...(profile ? { profile: { ...profile, associationId: newId(ctx, 'iip-assoc') } } : {}),
        metadata: {
          tokens: input.MetadataOptions?.HttpTokens ?? 'optional',
          endpoint: input.MetadataOptions?.HttpEndpoint ?? 'enabled',
          hopLimit: input.MetadataOptions?.HttpPutResponseHopLimit ?? 1,
          tags: input.MetadataOptions?.InstanceMetadataTags ?? 'disabled',
        },
        state: 'pending',
        wanted: 'running',
        transitionReason: '',
        launched: ctx.now().getTime(),
        ...(ClientToken ? { clientToken: ClientToken } : {}),
        disableApiTermination: input.DisableApiTermination ?? false,
        disableApiStop: input.DisableApiStop ?? false,
        shutdownBehavior: input.InstanceInitiatedShutdownBehavior ?? 'stop',
        sourceDestCheck: true,
        monitoring: input.Monitoring?.Enabled ?? false,
      }
      instances.push(tx.put(Instance, instance))
      tx.put(Machine, { task: taskOf(id), place: ctx.place, instanceId: id })
      putTags(tx, id, tags)
      tx.wake('ec2.instance', id)
    }
    return launched(ctx, instances, (await instanceView(ctx, tx)).toInstance)
  })
}

const launched = (
  ctx: Ctx,
  instances: readonly Instance[],
  toInstance: Awaited<ReturnType<typeof instanceView>>['toInstance'],
) => ({
  ReservationId: instances[0]?.reservationId,
  OwnerId: ctx.account,
  Groups: [],
  Instances: instances.map(toInstance),
})
