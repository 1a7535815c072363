import { readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { networkInterfaces } from 'node:os'

// What `outbound.ts` and the process `relay.ts` both know.

/** Doors to the server, by the address they listen on inside. */
export const relayDoors = [
  { name: 'credentials', host: '169.254.170.2', port: 80 },
  { name: 'endpoint', host: '169.254.170.1', port: 4566 },
] as const
/** Where a name server answers inside. */
export const resolver = '169.254.169.253'

export type RelayOptions = {
  /** It ends when this folder is gone. */
  readonly folder: string
  /** Where the server takes connections through doors: a line `DOOR ADDRESS`, then what the guest says. */
  readonly doors: string
  /** Process that holds the network. */
  readonly holder: number
  /** Command that runs the inner role there. */
  readonly enter: readonly string[]
}

/** What a guest does not reach by its address: this host, what is only on its links, what is nobody's. */
const refused = new BlockList()
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
] as const)
  refused.addSubnet(net, prefix, 'ipv4')

/** Addresses of instances and the like: what listens there, and there only, is the server's own. */
const published = new BlockList()
published.addSubnet('127.64.0.0', 10, 'ipv4')

const listensExactly = (address: string, port: number): boolean => {
  const hex = address
    .split('.')
    .reverse()
    .map((part) => Number(part).toString(16).padStart(2, '0').toUpperCase())
    .join('')
  const wanted = `${hex}:${port.toString(16).padStart(4, '0').toUpperCase()}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .some((line) => {
      const [, local, , state] = line.trim().split(/\s+/)
      return local === wanted && state === '0A'
    })
}

/** Whether a guest may be connected to this address of the world. */
export const mayReach = (address: string, port: number): boolean => {
  if (published.check(address)) return listensExactly(address, port)
  if (refused.check(address)) return false
  return !Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address))
}
