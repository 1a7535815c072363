import { lookup as dnsLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

// Where no request that follows somebody's URL may lead: this machine, and metadata services.

const ownAddresses = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
] as const)
  ownAddresses.addSubnet(network, bits, 'ipv4')
for (const [network, bits] of [
  ['::', 127],
  ['fe80::', 10],
  ['fd00:ec2::', 32],
] as const)
  ownAddresses.addSubnet(network, bits, 'ipv6')

/** Loopback, link-local and metadata addresses, whatever their notation. */
export const isOwnAddress = (address: string): boolean => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  return ownAddresses.check(mapped, isIP(mapped) === 6 ? 'ipv6' : 'ipv4')
}

/** `localhost` and what ends in it is this machine, whatever resolvers say (RFC 6761). */
export const isLocalhost = (hostname: string): boolean => hostname === 'localhost' || hostname.endsWith('.localhost')

/** Resolves names, and refuses those that turn out to be this machine. */
export const lookupElsewhere: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    const [first] = addresses ?? []
    if (error || !first) return callback(error ?? new Error('no address'), [])
    if (addresses.some(({ address }) => isOwnAddress(address)))
      return callback(new Error('The name resolves to an address of this machine.'), [])
    if (options.all) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}
