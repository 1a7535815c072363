import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, open as openFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createNetServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../../kernel/context.ts'
import type { Door, TaskSpec } from '../driver.ts'
import { ComputeError } from '../driver.ts'
import { type DoorServer, doorServer } from './door-server.ts'
import { HOST_ENV, isAlive, loopback, type ProcessId, parseStat, quote, signal, userNamespace } from './host.ts'
import { formatAddress } from './packets.ts'
import type { Found } from './probe.ts'
import { type RelayOptions, relayDoors, resolver } from './reach.ts'

// The network of tasks that need the world, not a VPC: one namespace for all of them, in which none sees another. A process
// holds it, and one on the host carries connections out (`relay.ts`); both stay when the server goes.

/** The AWS endpoint as seen from inside. */
export const outboundEndpoint = 'http://169.254.170.1:4566'

/** Guests are 169.254.64.2 and up: link-local, so that no address of the world is hidden by them. */
const first = ((169 * 256 + 254) * 256 + 64) * 256
const prefix = 18
const gateway = formatAddress(first + 1)
const most = 2 ** (32 - prefix) - 2

/** Makes a socket that takes connections to whatever address, in the namespace of the process, and runs a program with it. */
export const transparent = `use Socket; $^F = 255;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!"; setsockopt($s, 0, 19, 1) or die "IP_TRANSPARENT: $!";
bind($s, sockaddr_in(9, INADDR_ANY)) or die "bind: $!"; listen($s, 1024) or die "listen: $!"; exec @ARGV, fileno($s)`

/** Shell lines that make the network in a new namespace. */
export const outboundSetup = (without: readonly string[] = []): string => `set -e
${loopback([...relayDoors.map(({ host }) => host), resolver], without)}
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true
ip -batch - <<'DRYDOCK'
link add b0 type bridge
address add ${gateway}/${prefix} dev b0
link set b0 up
rule add fwmark 1 lookup 100
route add local 0.0.0.0/0 dev lo table 100
DRYDOCK
echo 1 > /proc/sys/net/ipv4/conf/b0/route_localnet
# Where br_netfilter is loaded (Docker has it so), packets would see these rules on the bridge, and lose their socket after it.
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
nft -f - <<'DRYDOCK'
table ip drydock {
  chain out {
    type filter hook prerouting priority mangle; policy accept;
    iifname != "b0" accept
${relayDoors.map(({ host, port }) => `    ip daddr ${host} tcp dport ${port} accept`).join('\n')}
    ip daddr ${resolver} udp dport 53 accept
    meta l4proto tcp tproxy to :9 meta mark set 1 accept
    drop
  }
}
DRYDOCK`

/** The socket at which the server takes what comes through the doors. */
export const doorsFile = (folder: string) => join(folder, 'doors')

/** How often a process that is being started is looked for, in milliseconds; every how many looks it is started again; and how many looks there are. */
const lookEvery = 100
const launchEvery = 20
const patience = 60

type Network = { readonly holder: ProcessId; readonly relay: ProcessId }

export type Outbound = ReturnType<typeof outboundNetwork>

/** @param parts.folder everything of it lives below: `holder`, `relay`, `doors` and `guests/ADDRESS`. */
export const outboundNetwork = (parts: {
  readonly folder: string
  readonly door: Door | undefined
  readonly log: Logger | undefined
  readonly host: () => Promise<Found>
}) => {
  const { folder, door, log, host } = parts
  const guestsFolder = join(folder, 'guests')
  /** Task by address. */
  const guests = new Map<string, string>()
  const addressOf = (task: string) => [...guests].find(([, one]) => one === task)?.[0]
  let opened: Promise<Network> | undefined
  let listener: Server | undefined
  let servers: DoorServer[] = []
  let next = 2

  const readProcess = async (name: string) => parseStat(await readFile(join(folder, name), 'utf8').catch(() => ''))

  /** A detached process of the host; resolves once it says so, rejects with what it said instead. */
  const launch = async (command: readonly string[]): Promise<void> => {
    const [program = '', ...args] = command
    const said = await openFile(join(folder, 'said'), 'w', 0o600)
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'ignore', said.fd, 'pipe'],
      env: HOST_ENV,
      cwd: '/',
    })
    child.on('error', () => {})
    child.unref()
    let heard = ''
    const pipe = child.stdio[3]
    await new Promise<void>((done) => {
      pipe?.on('data', (chunk: Buffer) => {
        heard += chunk.toString()
        if (heard.includes('\n')) done()
      })
      pipe?.on('end', done)
      pipe?.on('error', () => done())
    })
    pipe?.destroy()
    await said.close()
    if (heard.startsWith('ready')) return
    const words = await readFile(join(folder, 'said'), 'utf8').catch(() => '')
    throw new ComputeError('host', `The network of tasks could not be made: ${words.trim().slice(-2000)}`)
  }

  /** The process of this name, started where none runs. One that another server began to start is waited for. */
  const ensure = async (name: 'holder' | 'relay', command: readonly string[]): Promise<ProcessId> => {
    let why: unknown
    for (let tries = 0; tries < patience; tries++) {
      const found = await readProcess(name)
      if (found && isAlive(found)) return found
      if (found) await rm(join(folder, name), { force: true })
      if (tries % launchEvery === 0) {
        await launch(command).catch((error: unknown) => {
          why = error
        })
      } else await new Promise((done) => setTimeout(done, lookEvery))
    }
    throw why ?? new ComputeError('host', 'The network of tasks could not be made.')
  }

  const hold = async (): Promise<Network> => {
    await mkdir(guestsFolder, { recursive: true, mode: 0o700 })
    for (const address of await readdir(guestsFolder))
      guests.set(address, await readFile(join(guestsFolder, address), 'utf8'))
    await listen()
    const { rights, without } = await host()
    // Who writes its name first is the one: a server that was killed may have started another a moment ago.
    const script = `${outboundSetup(without)}
read -r stat < /proc/self/stat
set -C
{ echo "$stat" > ${quote(join(folder, 'holder'))}; } 2> /dev/null || exit 0
echo ready >&3
exec 3>&- > /dev/null 2>&1
exec sleep infinity`
    const holder = await ensure('holder', ['unshare', ...userNamespace(rights), '-n', '/bin/sh', '-c', script])
    const own = import.meta.url
    const file = fileURLToPath(new URL(own.endsWith('.ts') ? './relay.ts' : './relay.js', own))
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--max-old-space-size=128', file]
    const into = rights === 'root' ? ['-n'] : ['-U', '--preserve-credentials', '-n']
    const options: RelayOptions = {
      folder,
      doors: doorsFile(folder),
      holder: holder.pid,
      enter: ['nsenter', '-t', String(holder.pid), ...into, 'perl', '-e', transparent, ...node, 'inside'],
    }
    const relay = await ensure('relay', [...node, 'outside', JSON.stringify(options)])
    return { holder, relay }
  }

  /** Takes what comes through the doors. */
  const listen = async (): Promise<void> => {
    if (listener) return
    const from = new WeakMap<Socket, string>()
    const [credentials, endpoint] = (['credentials', 'endpoint'] as const).map((name) =>
      doorServer((request, response) => {
        const address = from.get(request.socket) ?? ''
        const task = guests.get(address)
        if (task && door) door(request, response, { door: name, task, address })
        else response.writeHead(503).end()
      }),
    )
    servers = [credentials, endpoint].filter((server) => server !== undefined)
    const taken = createNetServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {})
      socket.once('readable', () => {
        const chunk = socket.read() as Buffer | null
        const end = chunk?.indexOf(10) ?? -1
        if (!chunk || end < 0) return void socket.destroy()
        const [name, address = ''] = chunk.toString('latin1', 0, end).split(' ')
        from.set(socket, address)
        if (end + 1 < chunk.length) socket.unshift(chunk.subarray(end + 1))
        const server = name === 'credentials' ? credentials : endpoint
        server?.take(socket)
      })
    })
    await rm(doorsFile(folder), { force: true })
    await new Promise<void>((done, fail) => {
      taken.once('error', fail)
      taken.listen(doorsFile(folder), done)
    })
    taken.on('error', (error) => log?.warn('Doors of tasks fail', { error: error.message }))
    listener = taken
  }

  /** Makes the network where it is not there. */
  const open = (): Promise<Network> => {
    const present = opened ?? hold()
    opened = present
    present.catch(() => {
      if (opened === present) opened = undefined
    })
    return present.then((network) => {
      if (isAlive(network.holder) && isAlive(network.relay)) return network
      if (opened === present) opened = undefined
      return open()
    })
  }

  /** An address of the task's own, the same when asked again. */
  const reserve = async (task: string): Promise<string> => {
    const known = addressOf(task)
    if (known) return known
    for (let tried = 0; tried < most; tried++) {
      const address = formatAddress(first + next)
      next = next >= most ? 2 : next + 1
      if (guests.has(address)) continue
      guests.set(address, task)
      await writeFile(join(guestsFolder, address), task, { mode: 0o600 })
      return address
    }
    throw new ComputeError('host', 'There is no address left for a task.')
  }

  return {
    open,
    /** Makes a task's place ready. The parts are those of `Vpcs.plug`. */
    async plug(
      spec: TaskSpec,
    ): Promise<{ enter: readonly string[]; namespaces: readonly string[]; lines: readonly string[] }> {
      const { holder } = await open()
      const address = await reserve(spec.id)
      const { rights } = await host()
      const port = `o${createHash('sha256').update(spec.id).digest('hex').slice(0, 12)}`
      return {
        enter: rights === 'root' ? [] : ['nsenter', '-t', String(holder.pid), '-U', '--preserve-credentials'],
        namespaces: ['-n'],
        lines: [
          `nsenter --net=/proc/${holder.pid}/ns/net ip -batch - <<'DRYDOCK'
link add ${port} type veth peer name eth0 netns 1
link set ${port} master b0
link set ${port} type bridge_slave isolated on
link set ${port} up
DRYDOCK`,
          // Addresses from 127.64 on are those of instances: not one's own loopback.
          `ip -batch - <<'DRYDOCK'
link set lo up
address del 127.0.0.1/8 dev lo
address add 127.0.0.1/10 dev lo
address add ${address}/${prefix} dev eth0
link set eth0 up
route add default via ${gateway}
DRYDOCK`,
          'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet || true',
        ],
      }
    },
    /** A task is gone: its address is free. */
    async release(task: string): Promise<void> {
      const address = addressOf(task)
      if (!address) return
      guests.delete(address)
      await rm(join(guestsFolder, address), { force: true })
    },
    /** Ends the network and forgets it. */
    async drop(): Promise<void> {
      await opened?.catch(() => undefined)
      opened = undefined
      for (const name of ['relay', 'holder']) {
        const found = await readProcess(name)
        if (found) signal(found, 'SIGKILL')
      }
      await this.close()
      guests.clear()
      await rm(folder, { recursive: true, force: true })
    },
    /** Lets go of the doors; the network stays for the tasks in it, and goes when there are none. */
    async close(): Promise<void> {
      const present = listener
      listener = undefined
      for (const server of servers) server.cut()
      if (present) await new Promise<void>((done) => present.close(() => done()))
      if (guests.size === 0 && opened) await this.drop()
    },
  }
}
