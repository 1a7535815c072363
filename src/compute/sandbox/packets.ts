import type { PacketRule } from '../driver.ts'

const toNumber = (address: string): number | undefined => {
  const parts = address.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

/** An IPv4 CIDR block as first address and size; `undefined` for anything else. */
export const parseCidr = (cidr: string): { first: number; size: number; prefix: number } | undefined => {
  const [address = '', length = '32'] = cidr.split('/')
  const at = toNumber(address)
  const prefix = Number(length)
  if (at === undefined || !/^\d+$/.test(length) || prefix > 32) return undefined
  const size = 2 ** (32 - prefix)
  return { first: Math.floor(at / size) * size, size, prefix }
}

export const contains = (cidr: string, address: string): boolean => {
  const block = parseCidr(cidr)
  const at = toNumber(address)
  return block !== undefined && at !== undefined && at >= block.first && at < block.first + block.size
}

export const formatAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')

/** The address of a subnet's router: the first after the network's own, as in AWS. */
export const gatewayOf = (cidr: string): string => {
  const block = parseCidr(cidr)
  if (!block) throw new Error(`${cidr} is no IPv4 CIDR block`)
  return formatAddress(block.first + 1)
}

/** Whether rules let a TCP connection from `source` to `port` in. */
export const admitsTcp = (rules: readonly PacketRule[], port: number, source: string): boolean =>
  rules.some(
    ({ protocol, fromPort, toPort, sources }) =>
      (protocol === '-1' || (protocol === 'tcp' && port >= fromPort && port <= toPort)) &&
      sources.some((cidr) => contains(cidr, source)),
  )

const matchOf = ({ protocol, fromPort, toPort }: PacketRule): string | undefined => {
  switch (protocol) {
    case '-1':
      return ''
    case 'tcp':
    case 'udp':
      return `${protocol} dport ${fromPort}-${toPort} `
    case 'icmp':
      // AWS writes type and code into the two ports; -1 is any.
      if (fromPort < 0) return 'ip protocol icmp '
      return `icmp type ${fromPort} ${toPort < 0 ? '' : `icmp code ${toPort} `}`
    default:
      return /^\d+$/.test(protocol) ? `ip protocol ${protocol} ` : undefined
  }
}

/**
 * The rules as an nftables script for the guest's own network namespace, replacing what was there in one step. In:
 * what the rules say, answers, and what the server dials from `trusted`. Out: everything. Sources that are no IPv4
 * blocks admit nothing.
 */
export const inputRules = (rules: readonly PacketRule[], trusted: string): string => {
  const lines = rules.flatMap((rule) => {
    const match = matchOf(rule)
    const sources = rule.sources.flatMap((cidr) => {
      const block = parseCidr(cidr)
      return block ? [`${formatAddress(block.first)}/${block.prefix}`] : []
    })
    return match === undefined
      ? []
      : sources.map((source) =>
          source === '0.0.0.0/0' ? `meta nfproto ipv4 ${match}accept` : `ip saddr ${source} ${match}accept`,
        )
  })
  return `add table inet drydock
delete table inet drydock
table inet drydock {
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ip saddr ${trusted} accept
${lines.map((line) => `    ${line}\n`).join('')}  }
}
`
}
