import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { Instance } from './instance.ts'
import { toNetworkInterface } from './instance-view.ts'
import { ManagedInterface } from './managed-interface.ts'
import { fail, type Operation } from './operation.ts'
import { SecurityGroup } from './security-groups.ts'
import { allTags, toTags } from './tag.ts'

// An instance has one network interface, made at launch and gone with it: there is no row of its own.

const present = async (tx: ReadTx): Promise<Instance[]> =>
  (await tx.list(Instance)).filter(({ state }) => state !== 'terminated')

/** The instance whose interface this is. Throws InvalidNetworkInterfaceID.NotFound. */
export const getInterface = async (tx: ReadTx, id: string): Promise<Instance> => {
  const instance = (await present(tx)).find(({ networkInterfaceId }) => networkInterfaceId === id)
  if (!instance) throw fail('InvalidNetworkInterfaceID.NotFound', `The networkInterface ID '${id}' does not exist`)
  return instance
}

const factsOf = (ctx: Ctx, instance: Instance) => ({
  'network-interface-id': instance.networkInterfaceId,
  'attachment.instance-id': instance.id,
  'attachment.status': 'attached',
  'addresses.private-ip-address': instance.privateIp,
  'association.public-ip': instance.publicIp,
  'availability-zone': instance.zone,
  'group-id': instance.groupIds,
  'mac-address': instance.mac,
  'owner-id': ctx.account,
  'private-ip-address': instance.privateIp,
  status: 'in-use',
  'subnet-id': instance.subnetId,
  'vpc-id': instance.vpcId,
})
/** What services manage, as DescribeNetworkInterfaces shows it. */
const managedView = async (ctx: Ctx, tx: ReadTx) => {
  const names = new Map((await tx.list(SecurityGroup)).map(({ id, name }) => [id, name]))
  return (one: ManagedInterface) => ({
    facts: {
      ...{ 'network-interface-id': one.id, 'attachment.instance-id': undefined, 'attachment.status': 'attached' },
      ...{ 'addresses.private-ip-address': one.privateIp, 'association.public-ip': undefined },
      ...{ 'availability-zone': one.zone, 'group-id': one.groupIds, 'mac-address': undefined, 'owner-id': ctx.account },
      ...{ 'private-ip-address': one.privateIp, status: 'in-use', 'subnet-id': one.subnetId, 'vpc-id': one.vpcId },
    },
    tags: {},
    wire: {
      NetworkInterfaceId: one.id,
      PrivateIpAddress: one.privateIp,
      PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: one.privateIp }],
      SubnetId: one.subnetId,
      VpcId: one.vpcId,
      OwnerId: ctx.account,
      Description: one.description,
      Status: 'in-use' as const,
      SourceDestCheck: true,
      Groups: one.groupIds.map((id) => ({ GroupId: id, GroupName: names.get(id) ?? '' })),
      Attachment: {
        DeviceIndex: 1,
        Status: 'attached' as const,
        DeleteOnTermination: true,
        InstanceOwnerId: 'amazon-aws',
      },
      AvailabilityZone: one.zone,
      InterfaceType: 'interface' as const,
      RequesterManaged: true,
      TagSet: [],
    },
  })
}

const filterNames = [
  'network-interface-id',
  'attachment.instance-id',
  'attachment.status',
  'addresses.private-ip-address',
  'association.public-ip',
  'availability-zone',
  'group-id',
  'mac-address',
  'owner-id',
  'private-ip-address',
  'status',
  'subnet-id',
  'vpc-id',
]

export const DescribeNetworkInterfaces: Operation<'DescribeNetworkInterfaces'> = (
  ctx,
  { NetworkInterfaceIds, Filters, MaxResults, NextToken },
) =>
  ctx.read(async (tx) => {
    const managed = await tx.list(ManagedInterface)
    for (const id of NetworkInterfaceIds ?? []) if (!managed.some((one) => one.id === id)) await getInterface(tx, id)
    const tags = await allTags(tx)
    const toInterface = await toNetworkInterface(ctx, tx)
    const toManaged = await managedView(ctx, tx)
    const all = [
      ...(await present(tx)).map((instance) => {
        const { Attachment, ...shown } = toInterface(instance)
        const tagged = tags(instance.networkInterfaceId)
        return {
          facts: factsOf(ctx, instance),
          tags: tagged,
          wire: {
            ...shown,
            Attachment: { ...Attachment, InstanceId: instance.id, InstanceOwnerId: ctx.account },
            AvailabilityZone: instance.zone,
            InterfaceType: 'interface' as const,
            RequesterManaged: false,
            TagSet: toTags(tagged),
          },
        }
      }),
      ...managed.map(toManaged),
    ]
    const chosen = all.filter(
      ({ wire }) => !NetworkInterfaceIds?.length || NetworkInterfaceIds.includes(wire.NetworkInterfaceId),
    )
    const rows = filtered(chosen, Filters, filterNames, ({ facts, tags: own }) => ({ facts, tags: own }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    const NetworkInterfaces = cut.map(({ wire }) => wire)
    return { NetworkInterfaces, ...more }
  })
