import { isIPv4 } from 'node:net'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { Instance, PublicAddress } from './instance.ts'
import { ManagedInterface } from './managed-interface.ts'
import { fail } from './operation.ts'

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const toAddress = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')

/** First and last address of a block, as numbers. */
const span = (cidr: string): [number, number] => {
  const [base = '', bits = '32'] = cidr.split('/')
  const size = 2 ** (32 - Number(bits))
  const first = Math.floor(toNumber(base) / size) * size
  return [first, first + size - 1]
}

/** The block with the bits beyond its prefix cleared. */
export const blockOf = (cidr: string): string => `${toAddress(span(cidr)[0])}/${cidr.split('/')[1]}`

/**
 * The private addresses of `count` new instances: the one asked for, or the lowest free ones. The first four and the
 * last of a subnet are AWS's ("Subnet CIDR blocks", VPC user guide). Throws InvalidIPAddress.InUse,
 * InsufficientFreeAddressesInSubnet.
 */
export const privateAddresses = async (
  tx: ReadTx,
  subnet: { id: string; cidr: string },
  asked: string | undefined,
  count: number,
): Promise<string[]> => {
  const used = new Set<string>()
  for (const { subnetId, privateIp, state } of await tx.list(Instance))
    if (subnetId === subnet.id && state !== 'terminated') used.add(privateIp)
  for (const { subnetId, privateIp } of await tx.list(ManagedInterface)) if (subnetId === subnet.id) used.add(privateIp)
  const [first, last] = span(subnet.cidr)
  if (asked !== undefined) {
    const value = toNumber(asked)
    if (!isIPv4(asked) || value < first + 4 || value >= last)
      throw fail('InvalidParameterValue', `Address ${asked} does not fall within the subnet's address range`)
    if (used.has(asked)) throw fail('InvalidIPAddress.InUse', `Address ${asked} is in use.`)
    return [asked]
  }
  const free: string[] = []
  for (let value = first + 4; value < last && free.length < count; value++)
    if (!used.has(toAddress(value))) free.push(toAddress(value))
  if (free.length < count)
    throw fail(
      'InsufficientFreeAddressesInSubnet',
      `There are not enough free addresses in subnet '${subnet.id}' to satisfy the requested number of instances.`,
    )
  return free
}

/** A host loopback address that stands for the instance's public address until `releasePublicAddress`. */
export const takePublicAddress = async (ctx: Ctx, tx: WriteTx, instanceId: string): Promise<string> => {
  const [first, last] = span('127.64.0.0/10')
  const size = last - first - 512
  let value = first + 256 + (Number.parseInt(ctx.random(8), 16) % size)
  while (await tx.get(PublicAddress, toAddress(value))) value = first + 256 + ((value - first - 255) % size)
  tx.put(PublicAddress, { address: toAddress(value), instanceId })
  return toAddress(value)
}

export const releasePublicAddress = (tx: WriteTx, address: string | undefined): void => {
  if (address) tx.delete(PublicAddress, address)
}
