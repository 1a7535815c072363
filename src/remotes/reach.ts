import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { isLocalhost, isOwnAddress } from '../kernel/own-addresses.ts'

// Which addresses this server goes to on somebody's behalf. The address of a repository is somebody's input: what leads back to
// this host is refused unless its user has said that a resource of his lives there, and clouds' metadata always.

/** What a remote answered, or why it was not even asked: a sentence for whoever named it. */
export class RemoteError extends Error {
  /** HTTP status of the answer; none where nobody answered. */
  readonly status: number | undefined
  constructor(message: string, status?: number) {
    super(message)
    this.name = 'RemoteError'
    this.status = status
  }
}

/** `own`: the user's own resource lives at this origin, be it on this host. */
export type Reach = 'world' | 'own'

/** What of this machine its user may have a provider at: link-local and metadata addresses never are. */
const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const isLoopbackAddress = (address: string) => loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

export const isLoopback = ({ hostname }: URL): boolean => {
  const host = hostname.replace(/^\[|\]$/g, '')
  return isLocalhost(host) || (isIP(host) !== 0 && isLoopbackAddress(host))
}

/** The address to go to for a URL. Throws RemoteError for a name nobody knows and for what may not be reached. */
export const addressOf = async (url: URL, reach: Reach): Promise<string> => {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const found = isIP(host) ? [{ address: host }] : await lookup(host, { all: true }).catch(() => [])
  const [first] = found
  if (!first) throw new RemoteError(`the host ${host} is not known`)
  for (const { address } of found)
    if (isOwnAddress(address) && !(reach === 'own' && isLoopbackAddress(address)))
      throw new RemoteError(`${host} is an address of this host: sources are not fetched from there`)
  return first.address
}
