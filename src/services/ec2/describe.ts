import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { getInstance, getInstances, Instance, stateCodes, toState } from './instance.ts'
import { hostArchitecture } from './instance-types.ts'
import { fail, type Operation } from './operation.ts'
import { SecurityGroup } from './security-groups.ts'
import { allTags, toTags } from './tags.ts'

const domainOf = (region: string): string => (region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`)
export const privateDns = (instance: Instance, region: string): string =>
  `ip-${instance.privateIp.replaceAll('.', '-')}.${domainOf(region)}`
/** The public host name; `.localhost` resolves to the loopback range where it resolves at all, so it holds the address. */
const publicDns = (instance: Instance): string =>
  instance.publicIp ? `ec2-${instance.publicIp.replaceAll('.', '-')}.compute.localhost` : ''

/** One Describe call's view of instances: tags and group names are read once. */
export const instanceView = async (ctx: Ctx, tx: ReadTx) => {
  const tags = await allTags(tx)
  const groups = new Map((await tx.list(SecurityGroup)).map(({ id, name }) => [id, name]))
  const toGroups = (instance: Instance) =>
    instance.groupIds.map((id) => ({ GroupId: id, GroupName: groups.get(id) ?? '' }))

  const toInstance = (instance: Instance) => {
    const { id, profile, stateReason } = instance
    const gone = instance.state === 'terminated'
    return {
      InstanceId: id,
      ImageId: instance.imageId,
      InstanceType: instance.type as never,
      KeyName: instance.keyName,
      LaunchTime: new Date(instance.launched),
      State: toState(instance.state),
      StateTransitionReason: instance.transitionReason,
      ...(stateReason ? { StateReason: { Code: stateReason.code, Message: stateReason.message } } : {}),
      AmiLaunchIndex: instance.launchIndex,
      Architecture: hostArchitecture(),
      ClientToken: instance.clientToken ?? '',
      EbsOptimized: false,
      EnaSupport: true,
      Hypervisor: 'xen' as const,
      VirtualizationType: 'hvm' as const,
      RootDeviceName: '/dev/xvda',
      RootDeviceType: 'ebs' as const,
      BlockDeviceMappings: [],
      Monitoring: { State: instance.monitoring ? ('enabled' as const) : ('disabled' as const) },
      Placement: { AvailabilityZone: instance.zone, GroupName: '', Tenancy: 'default' as const },
      ProductCodes: [],
      MetadataOptions: {
        State: 'applied' as const,
        HttpTokens: instance.metadata.tokens,
        HttpEndpoint: instance.metadata.endpoint,
        HttpPutResponseHopLimit: instance.metadata.hopLimit,
        InstanceMetadataTags: instance.metadata.tags,
      },
      ...(profile ? { IamInstanceProfile: { Arn: profile.arn, Id: profile.id } } : {}),
      Tags: toTags(tags(id)),
      ...(gone
        ? { SecurityGroups: [], NetworkInterfaces: [], PrivateDnsName: '', PublicDnsName: '' }
        : {
            PrivateIpAddress: instance.privateIp,
            PrivateDnsName: privateDns(instance, ctx.region),
            PublicDnsName: publicDns(instance),
            PublicIpAddress: instance.publicIp,
            VpcId: instance.vpcId,
            SubnetId: instance.subnetId,
            SourceDestCheck: instance.sourceDestCheck,
            SecurityGroups: toGroups(instance),
            NetworkInterfaces: [
              {
                NetworkInterfaceId: instance.networkInterfaceId,
                MacAddress: instance.mac,
                PrivateIpAddress: instance.privateIp,
                PrivateDnsName: privateDns(instance, ctx.region),
                SubnetId: instance.subnetId,
                VpcId: instance.vpcId,
                OwnerId: ctx.account,
                Status: 'in-use' as const,
                SourceDestCheck: instance.sourceDestCheck,
                Groups: toGroups(instance),
                Attachment: { DeviceIndex: 0, Status: 'attached' as const, DeleteOnTermination: true },
                PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: instance.privateIp }],
                ...(instance.publicIp
                  ? {
                      Association: {
                        PublicIp: instance.publicIp,
                        PublicDnsName: publicDns(instance),
                        IpOwnerId: 'amazon',
                      },
                    }
                  : {}),
              },
            ],
          }),
    }
  }

  const factsOf = (instance: Instance) => ({
    facts: {
      'instance-id': instance.id,
      'image-id': instance.imageId,
      'instance-type': instance.type,
      'instance-state-name': instance.state,
      'instance-state-code': String(stateCodes[instance.state]),
      'instance-lifecycle': undefined,
      'reservation-id': instance.reservationId,
      'key-name': instance.keyName,
      'subnet-id': instance.subnetId,
      'vpc-id': instance.vpcId,
      'availability-zone': instance.zone,
      'private-ip-address': instance.privateIp,
      'ip-address': instance.publicIp,
      'private-dns-name': privateDns(instance, ctx.region),
      'dns-name': publicDns(instance),
      'instance.group-id': instance.groupIds,
      'instance.group-name': instance.groupIds.flatMap((id) => groups.get(id) ?? []),
      'group-id': instance.groupIds,
      'group-name': instance.groupIds.flatMap((id) => groups.get(id) ?? []),
      'iam-instance-profile.arn': instance.profile?.arn,
      'iam-instance-profile.id': instance.profile?.id,
      'client-token': instance.clientToken,
      'owner-id': ctx.account,
      architecture: hostArchitecture(),
      'launch-index': String(instance.launchIndex),
      'metadata-options.http-tokens': instance.metadata.tokens,
      'network-interface.network-interface-id': instance.networkInterfaceId,
      'root-device-type': 'ebs',
      'virtualization-type': 'hvm',
    },
    tags: tags(instance.id),
  })
  return { toInstance, factsOf }
}

const filterNames = [
  'instance-id',
  'image-id',
  'instance-type',
  'instance-state-name',
  'instance-state-code',
  'instance-lifecycle',
  'reservation-id',
  'key-name',
  'subnet-id',
  'vpc-id',
  'availability-zone',
  'private-ip-address',
  'ip-address',
  'private-dns-name',
  'dns-name',
  'instance.group-id',
  'instance.group-name',
  'group-id',
  'group-name',
  'iam-instance-profile.arn',
  'iam-instance-profile.id',
  'client-token',
  'owner-id',
  'architecture',
  'launch-index',
  'metadata-options.http-tokens',
  'network-interface.network-interface-id',
  'root-device-type',
  'virtualization-type',
]

/** Instances grouped as they were launched. */
export const toReservations = (
  ctx: Ctx,
  instances: readonly Instance[],
  toInstance: Awaited<ReturnType<typeof instanceView>>['toInstance'],
) =>
  [...Map.groupBy(instances, ({ reservationId }) => reservationId)].map(([id, members]) => ({
    ReservationId: id,
    OwnerId: ctx.account,
    Groups: [],
    Instances: members.toSorted((a, b) => a.launchIndex - b.launchIndex).map(toInstance),
  }))

export const DescribeInstances: Operation<'DescribeInstances'> = (
  ctx,
  { InstanceIds, Filters, MaxResults, NextToken },
) => {
  if (MaxResults !== undefined && InstanceIds?.length)
    throw fail('InvalidParameterCombination', 'The parameter instancesSet cannot be used with the parameter maxResults')
  return ctx.read(async (tx) => {
    const { toInstance, factsOf } = await instanceView(ctx, tx)
    const chosen = InstanceIds?.length ? await getInstances(tx, InstanceIds) : await tx.list(Instance)
    const { page: cut, ...more } = page(filtered(chosen, Filters, filterNames, factsOf), MaxResults, NextToken)
    return { Reservations: toReservations(ctx, cut, toInstance), ...more }
  })
}

export const DescribeInstanceStatus: Operation<'DescribeInstanceStatus'> = (
  ctx,
  { InstanceIds, Filters, IncludeAllInstances, MaxResults, NextToken },
) =>
  ctx.read(async (tx) => {
    const { factsOf } = await instanceView(ctx, tx)
    const all = InstanceIds?.length ? await getInstances(tx, InstanceIds) : await tx.list(Instance)
    const shown = all.filter(({ state }) => IncludeAllInstances || state === 'running')
    const { page: cut, ...more } = page(filtered(shown, Filters, filterNames, factsOf), MaxResults, NextToken)
    const InstanceStatuses = cut.map((instance) => {
      const status = instance.state === 'running' ? ('ok' as const) : ('not-applicable' as const)
      const details = status === 'ok' ? [{ Name: 'reachability' as const, Status: 'passed' as const }] : []
      return {
        InstanceId: instance.id,
        AvailabilityZone: instance.zone,
        InstanceState: toState(instance.state),
        InstanceStatus: { Status: status, Details: details },
        SystemStatus: { Status: status, Details: details },
      }
    })
    return { InstanceStatuses, ...more }
  })

export const GetConsoleOutput: Operation<'GetConsoleOutput'> = async (ctx, { InstanceId }) => {
  const instance = await ctx.read((tx) => getInstance(tx, InstanceId))
  const task = instance.handle && (await ctx.compute.attach(instance.handle))
  const output = task ? await recent(task.output()) : ''
  return { InstanceId, Timestamp: ctx.now(), Output: Buffer.from(output).toString('base64') }
}

/** The last 64 KiB of what is there now, without waiting for more. */
const recent = async (output: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const limit = 64 * 1024
  let kept = Buffer.alloc(0)
  const iterator = output[Symbol.asyncIterator]()
  const nothingMore = Symbol('nothing more')
  for (;;) {
    const soon = new Promise<typeof nothingMore>((resolve) =>
      setImmediate(() => setImmediate(() => setImmediate(resolve, nothingMore))),
    )
    const next = await Promise.race([iterator.next(), soon])
    if (next === nothingMore || next.done) break
    kept = Buffer.concat([kept, next.value]).subarray(-limit)
  }
  void iterator.return?.()
  return kept
}
