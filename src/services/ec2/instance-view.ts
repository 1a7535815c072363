import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { type Instance, stateCodes, toState } from './instance.ts'
import { hostArchitecture } from './instance-types.ts'
import { SecurityGroup } from './security-groups.ts'
import { allTags, toTags } from './tag.ts'

const domainOf = (region: string): string => (region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`)
export const privateDns = (instance: Instance, region: string): string =>
  `ip-${instance.privateIp.replaceAll('.', '-')}.${domainOf(region)}`
/** The public host name: no resolver of this host would know one of ours, so it is the address itself. */
export const publicDns = ({ publicIp = '' }: Instance): string => publicIp

export const toMetadataOptions = ({ metadata }: Instance) => ({
  State: 'applied' as const,
  HttpTokens: metadata.tokens,
  HttpEndpoint: metadata.endpoint,
  HttpPutResponseHopLimit: metadata.hopLimit,
  InstanceMetadataTags: metadata.tags,
})

const groupNames = async (tx: ReadTx) => {
  const names = new Map((await tx.list(SecurityGroup)).map(({ id, name }) => [id, name]))
  return ({ groupIds }: Instance) => groupIds.map((id) => ({ GroupId: id, GroupName: names.get(id) ?? '' }))
}

/** The one network interface of an instance. */
const toInterface = (ctx: Ctx, instance: Instance, Groups: { GroupId: string; GroupName: string }[]) => {
  const Association = instance.publicIp
    ? { PublicIp: instance.publicIp, PublicDnsName: publicDns(instance), IpOwnerId: 'amazon' }
    : undefined
  const PrivateDnsName = privateDns(instance, ctx.region)
  return {
    NetworkInterfaceId: instance.networkInterfaceId,
    MacAddress: instance.mac,
    PrivateIpAddress: instance.privateIp,
    PrivateDnsName,
    SubnetId: instance.subnetId,
    VpcId: instance.vpcId,
    OwnerId: ctx.account,
    Description: '',
    Status: 'in-use' as const,
    SourceDestCheck: instance.sourceDestCheck,
    Groups,
    Attachment: { DeviceIndex: 0, Status: 'attached' as const, DeleteOnTermination: true },
    PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: instance.privateIp, PrivateDnsName, Association }],
    Association,
  }
}

export const toNetworkInterface = async (ctx: Ctx, tx: ReadTx) => {
  const toGroups = await groupNames(tx)
  return (instance: Instance) => toInterface(ctx, instance, toGroups(instance))
}

/** One Describe call's view of instances: tags and group names are read once. */
export const instanceView = async (ctx: Ctx, tx: ReadTx) => {
  const tags = await allTags(tx)
  const toGroups = await groupNames(tx)

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
      MetadataOptions: toMetadataOptions(instance),
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
            NetworkInterfaces: [toInterface(ctx, instance, toGroups(instance))],
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
      'instance.group-name': toGroups(instance).map(({ GroupName }) => GroupName),
      'group-id': instance.groupIds,
      'group-name': toGroups(instance).map(({ GroupName }) => GroupName),
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
