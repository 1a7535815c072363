import { readFile } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { Logger } from '../../kernel/context.ts'
import type { Attachment } from '../driver.ts'
import type { ProcessId } from './host.ts'
import { isAlive } from './host.ts'
import { admitsTcp } from './packets.ts'

/** How often guests with public addresses are looked at for new ports. */
const LOOK_MS = 150
/** How long a port that could not be opened is left alone. */
const RETRY_MS = 3000
const HOST = '127.0.0.1'

type Guest = {
  readonly id: string
  at: Attachment
  init: ProcessId
  readonly open: Map<number, Server>
  readonly refused: Map<number, number>
}

const LISTEN = '0A'
/** Addresses in /proc/net/tcp{,6} that are reached from outside: any, in both families. */
const ANY = new Set(['00000000', '0'.repeat(32)])
const hexOf = (address: string) =>
  address
    .split('.')
    .reverse()
    .map((part) => Number(part).toString(16).padStart(2, '0').toUpperCase())
    .join('')

/** The ports on which something in this network namespace takes connections for `address`. */
export const listeningPorts = (tables: readonly string[], address: string): Set<number> => {
  const ports = new Set<number>()
  const own = hexOf(address)
  for (const line of tables.flatMap((table) => table.split('\n').slice(1))) {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [host = '', port = ''] = local.split(':')
    if (state !== LISTEN) continue
    if (ANY.has(host) || host === own || host === `0000000000000000FFFF0000${own}`) ports.add(Number.parseInt(port, 16))
  }
  return ports
}

/** Answers at guests' public addresses on the ports that they listen on and their packet rules admit the host to. */
export class PublicPorts {
  readonly #dial: (task: string, at: Attachment, port: number) => Promise<Socket>
  readonly #log: Logger | undefined
  readonly #guests = new Map<string, Guest>()
  #timer: NodeJS.Timeout | undefined

  constructor(dial: (task: string, at: Attachment, port: number) => Promise<Socket>, log: Logger | undefined) {
    this.#dial = dial
    this.#log = log
  }

  /** Begins to watch a guest, or learns its new packet rules. Guests without a public address are none of ours. */
  watch(id: string, at: Attachment, init: ProcessId): void {
    const known = this.#guests.get(id)
    if (known && known.at.publicAddress !== at.publicAddress) this.forget(id)
    if (!at.publicAddress) return
    const guest = this.#guests.get(id) ?? { id, at, init, open: new Map(), refused: new Map() }
    guest.at = at
    guest.init = init
    this.#guests.set(id, guest)
    this.#timer ??= setTimeout(() => void this.#look(), 0)
  }

  forget(id: string): void {
    for (const server of this.#guests.get(id)?.open.values() ?? []) server.close()
    this.#guests.delete(id)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const id of [...this.#guests.keys()]) this.forget(id)
  }

  async #look(): Promise<void> {
    await Promise.all([...this.#guests].map(([id, guest]) => this.#lookAt(id, guest)))
    this.#timer = this.#guests.size > 0 ? setTimeout(() => void this.#look(), LOOK_MS) : undefined
  }

  async #lookAt(id: string, guest: Guest): Promise<void> {
    const { at, init, open, refused } = guest
    const read = (file: string) => readFile(`/proc/${init.pid}/net/${file}`, 'utf8').catch(() => '')
    const tables = await Promise.all([read('tcp'), read('tcp6')])
    if (this.#guests.get(id) !== guest || !isAlive(init)) return
    const wanted = new Set([...listeningPorts(tables, at.address)].filter((port) => admitsTcp(at.ingress, port, HOST)))
    for (const [port, server] of open)
      if (!wanted.has(port)) {
        server.close()
        open.delete(port)
      }
    for (const port of wanted) {
      if (open.has(port) || (refused.get(port) ?? 0) > performance.now()) continue
      const server = createServer(
        { allowHalfOpen: true, pauseOnConnect: true },
        (client) => void this.#relay(guest, client, port),
      )
      open.set(port, server)
      server.on('error', (error) => {
        if (!refused.has(port))
          this.#log?.warn('A public port cannot be answered', {
            task: id,
            address: at.publicAddress,
            port,
            error: error.message,
          })
        open.delete(port)
        refused.set(port, performance.now() + RETRY_MS)
      })
      server.listen(port, at.publicAddress)
    }
  }

  async #relay({ id, at }: Guest, client: Socket, port: number): Promise<void> {
    client.on('error', () => {})
    try {
      const guest = await this.#dial(id, at, port)
      guest.on('error', () => client.destroy())
      client.on('error', () => guest.destroy())
      client.on('close', () => guest.destroy())
      guest.on('close', () => client.destroy())
      guest.allowHalfOpen = true
      client.pipe(guest)
      guest.pipe(client)
    } catch {
      client.destroy()
    }
  }
}
