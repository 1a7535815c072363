import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { filtered, page } from './filters.ts'
import { Instance } from './instance.ts'
import { toNetworkInterface } from './instance-view.ts'
import { fail, type Operation } from './operation.ts'
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
    for (const id of NetworkInterfaceIds ?? []) await getInterface(tx, id)
    const tags = await allTags(tx)
    const toInterface = await toNetworkInterface(ctx, tx)
    const chosen = (await present(tx)).filter(
      ({ networkInterfaceId }) => !NetworkInterfaceIds?.length || NetworkInterfaceIds.includes(networkInterfaceId),
    )
    const rows = filtered(chosen, Filters, filterNames, (instance) => ({
      facts: factsOf(ctx, instance),
      tags: tags(instance.networkInterfaceId),
    }))
    const { page: cut, ...more } = page(rows, MaxResults, NextToken)
    const NetworkInterfaces = cut.map((instance) => {
      const { Attachment, ...shown } = toInterface(instance)
      return {
        ...shown,
        Attachment: { ...Attachment, InstanceId: instance.id, InstanceOwnerId: ctx.account },
        AvailabilityZone: instance.zone,
        InterfaceType: 'interface' as const,
        RequesterManaged: false,
        TagSet: toTags(tags(instance.networkInterfaceId)),
      }
    })
    return { NetworkInterfaces, ...more }
  })
