import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import type { VpcPlaces } from '../capabilities.ts'
import { privateAddresses } from './addresses.ts'
import { ManagedInterface } from './managed-interface.ts'
import { fail, newId } from './operation.ts'
import { chooseGroups, ingressOf } from './security-groups.ts'
import { getSubnet, getVpc } from './vpcs.ts'

// Network interfaces that a service makes for tasks that are no instances ("Requester-managed network interfaces", EC2 user guide).

const placeOf = async (tx: ReadTx, one: ManagedInterface) => ({
  networkInterfaceId: one.id,
  subnetId: one.subnetId,
  attachment: {
    vpc: one.vpcId,
    subnet: one.subnetId,
    cidr: one.subnetCidr,
    address: one.privateIp,
    ingress: await ingressOf(tx, one.groupIds),
  },
})

export const makeVpcPlaces = (at: (place: Ctx['place']) => Ctx): VpcPlaces => ({
  take: (place, { owner, description, vpcId, subnetIds, groupIds }) => {
    const ctx = at(place)
    return ctx.write(async (tx) => {
      const known = await tx.get(ManagedInterface, owner)
      if (known) return placeOf(tx, known)
      await getVpc(tx, vpcId)
      const groups = await chooseGroups(tx, vpcId, groupIds, [])
      let full: unknown
      for (const id of subnetIds) {
        const subnet = await getSubnet(tx, id)
        if (subnet.vpcId !== vpcId)
          throw fail('InvalidParameterValue', `The subnet '${id}' does not belong to the VPC '${vpcId}'`)
        try {
          const [privateIp = ''] = await privateAddresses(tx, subnet, undefined, 1)
          const made: ManagedInterface = {
            ...{ id: newId(ctx, 'eni'), owner, description, vpcId, subnetId: id, subnetCidr: subnet.cidr },
            ...{ zone: subnet.zone, privateIp, groupIds: groups },
          }
          tx.put(ManagedInterface, made)
          for (const group of groups) tx.wake('ec2.ingress', group)
          return placeOf(tx, made)
        } catch (error) {
          if (!(error instanceof AwsError) || error.code !== 'InsufficientFreeAddressesInSubnet') throw error
          full = error
        }
      }
      throw full
    })
  },
  release: (place, owner) =>
    at(place).write(async (tx) => {
      const known = await tx.get(ManagedInterface, owner)
      if (!known) return
      tx.delete(ManagedInterface, owner)
      for (const group of known.groupIds) tx.wake('ec2.ingress', group)
    }),
})
