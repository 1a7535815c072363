import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { Server, Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from '../../kernel/context.ts'
import type { Attachment, Door, TaskSpec } from '../driver.ts'
import { ComputeError } from '../driver.ts'
import type { AgentDoor, FromAgent, ToAgent } from './agent.ts'
import { type DoorServer, doorServer } from './door-server.ts'
import type { ProcessId, Rights } from './host.ts'
import { HOST_ENV, isAlive, loopback, parseStat, quote, run, signal, userNamespace } from './host.ts'
import { gatewayOf, inputRules, parseCidr } from './packets.ts'
import type { Found } from './probe.ts'
import { PublicPorts } from './public-ports.ts'

const DOORS: readonly AgentDoor[] = [
  { name: 'metadata', host: '169.254.169.254', port: 80 },
  { name: 'credentials', host: '169.254.170.2', port: 80 },
  { name: 'endpoint', host: '169.254.170.1', port: 4566 },
]
/** Where the server's own connections into a VPC come from: it has checked the packet rules itself. */
const DIALER = '169.254.170.3'
const VPC_ID = /^[A-Za-z0-9-]{1,64}$/

/** ping without the right to make raw packets. */
const PING = `{ echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range; } 2> /dev/null || echo '0 0' > /proc/sys/net/ipv4/ping_group_range || true`

const short = (kind: string, text: string) => `${kind}${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
const hardware = (text: string) => {
  const hex = createHash('sha256').update(text).digest('hex')
  return ['02', ...[0, 2, 4, 6, 8].map((at) => hex.slice(at, at + 2))].join(':')
}

const islandOf = (task: string) => `alone-${task}`

/** A running VPC: the process that holds its namespaces, the agent in it, and who lives there. */
type Vpc = {
  readonly id: string
  readonly holder: ProcessId
  readonly subnets: Map<string, Promise<void>>
  readonly residents: Map<string, string>
  readonly servers: readonly DoorServer[]
  agent: Promise<ChildProcess> | undefined
  readonly dials: Map<number, { resolve: (socket: Socket) => void; reject: (error: Error) => void }>
}

/**
 * VPCs as network namespaces: bridges are subnets, the router is the namespace itself, packet rules sit in each
 * guest's own network namespace, which it may not change. A holder process keeps a VPC alive across servers; the agent
 * lives as long as the server.
 */
export class Vpcs {
  /** The AWS endpoint as seen from inside every VPC. */
  static readonly endpoint = 'http://169.254.170.1:4566'
  readonly #folder: string
  readonly #door: Door | undefined
  readonly #log: Logger | undefined
  readonly #host: () => Promise<Found>
  readonly #vpcs = new Map<string, Promise<Vpc>>()
  readonly #public: PublicPorts
  /** Those whose agents are meant to end. */
  readonly #dropped = new WeakSet<Vpc>()
  #dials = 0
  #closed = false

  constructor(parts: { folder: string; door: Door | undefined; log: Logger | undefined; host: () => Promise<Found> }) {
    this.#folder = parts.folder
    this.#door = parts.door
    this.#log = parts.log
    this.#host = parts.host
    this.#public = new PublicPorts((task, at, port) => this.dial(task, at, port), parts.log)
  }

  /**
   * Makes a task's place in its VPC ready. `enter` goes before the program that makes the task's namespaces, `lines`
   * into its setup shell, where the host's /proc is still seen.
   */
  async plug(
    spec: TaskSpec,
    at: Attachment,
  ): Promise<{ enter: readonly string[]; namespaces: readonly string[]; lines: readonly string[] }> {
    const block = parseCidr(at.cidr)
    if (!block || !parseCidr(at.address) || !VPC_ID.test(at.vpc))
      throw new ComputeError('host', `${at.address} in ${at.cidr} of ${at.vpc} is no place in a VPC.`)
    const { rights, network } = await this.#host()
    if (network === 'alone') {
      const island = await this.#openFor(spec.id, at)
      await this.#agent(island)
      return { enter: ['nsenter', ...into(rights, island.holder)], namespaces: [], lines: [PING] }
    }
    const vpc = await this.#open(at.vpc)
    await Promise.all([this.#agent(vpc), this.#subnet(vpc, at)])
    const port = short('v', `${at.vpc} ${spec.id}`)
    const outside = `nsenter --net=/proc/${vpc.holder.pid}/ns/net`
    const heredoc = (command: string, text: string) => `${command} <<'DRYDOCK'\n${text}\nDRYDOCK`
    return {
      enter: rights === 'root' ? [] : ['nsenter', '-t', String(vpc.holder.pid), '-U', '--preserve-credentials'],
      namespaces: ['-n'],
      lines: [
        // Before the cable is in: not one packet passes unchecked.
        heredoc('nft -f -', inputRules(at.ingress, DIALER)),
        heredoc(
          `${outside} ip -batch -`,
          [
            // The setup shell is process 1 of the namespace in which `netns 1` is looked up.
            `link add ${port} type veth peer name eth0 address ${hardware(`${at.vpc} ${at.address}`)} netns 1`,
            `link set ${port} master ${short('b', at.subnet)} up`,
          ].join('\n'),
        ),
        `${outside} nft add element bridge drydock known '{ "${port}" . ${at.address} }'`,
        heredoc(
          'ip -batch -',
          [
            'link set lo up',
            `address add ${at.address}/${block.prefix} dev eth0`,
            'link set eth0 up',
            `route add default via ${gatewayOf(at.cidr)}`,
          ].join('\n'),
        ),
        PING,
      ],
    }
  }

  /** A task is up: its requests are known by its address, its public ports are answered. Also after a restart. */
  async joined(spec: TaskSpec, init: ProcessId): Promise<void> {
    if (typeof spec.network === 'string') return
    const vpc = await this.#openFor(spec.id, spec.network)
    vpc.residents.set(spec.network.address, spec.id)
    await this.#agent(vpc)
    this.#public.watch(spec.id, spec.network, init)
  }

  /** A task has ended. */
  left(spec: TaskSpec): void {
    if (typeof spec.network === 'string') return
    const { vpc, address } = spec.network
    this.#public.forget(spec.id)
    for (const id of [vpc, islandOf(spec.id)])
      void this.#vpcs.get(id)?.then(
        ({ residents }) => void (residents.get(address) === spec.id && residents.delete(address)),
        () => {},
      )
  }

  /** Replaces the packet rules of a running task. */
  async admit(spec: TaskSpec, init: ProcessId): Promise<void> {
    if (typeof spec.network === 'string') return
    const { rights, network } = await this.#host()
    if (network === 'vpc') {
      const { code, stderr } = await run('nsenter', [...into(rights, init), 'nft', '-f', '-'], {
        input: inputRules(spec.network.ingress, DIALER),
      })
      if (code !== 0) throw new ComputeError('host', `Packet rules were refused: ${stderr.trim()}`)
    }
    this.#public.watch(spec.id, spec.network, init)
  }

  /** A connection from the server to an address in a VPC, past the packet rules: the caller has checked them. */
  async dial(task: string, { vpc: vpcId, address }: Attachment, port: number): Promise<Socket> {
    const vpc =
      (await this.#host()).network === 'alone' ? await this.#open(islandOf(task), [address]) : await this.#open(vpcId)
    const agent = await this.#agent(vpc)
    const id = ++this.#dials
    return new Promise((resolve, reject) => {
      vpc.dials.set(id, { resolve, reject })
      const message: ToAgent = { dial: id, host: address, port, from: DIALER }
      agent.send(message, (error) => {
        if (!error) return
        vpc.dials.delete(id)
        reject(error)
      })
    })
  }

  /** The network that a task lives in: its VPC, or on a host that cannot make those, one for it alone. */
  async #openFor(task: string, at: Attachment): Promise<Vpc> {
    return (await this.#host()).network === 'alone' ? this.#open(islandOf(task), [at.address]) : this.#open(at.vpc)
  }

  /** The VPC with its holder, started when it does not run. `own`: addresses of its own, beside the doors. */
  #open(id: string, own: readonly string[] = []): Promise<Vpc> {
    let vpc = this.#vpcs.get(id)
    if (!vpc) {
      vpc = this.#hold(id, own)
      this.#vpcs.set(id, vpc)
      vpc.catch(() => this.#vpcs.delete(id))
    }
    return vpc.then((open) => {
      if (isAlive(open.holder)) return open
      if (this.#vpcs.get(id) === vpc) this.#vpcs.delete(id)
      return this.#open(id, own)
    })
  }

  async #hold(id: string, own: readonly string[]): Promise<Vpc> {
    const folder = join(this.#folder, id)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = join(folder, 'holder')
    const read = async () => parseStat(await readFile(file, 'utf8').catch(() => ''))
    let holder = await read()
    if (!holder || !isAlive(holder)) {
      const { rights, network, without } = await this.#host()
      const rules = `echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f - <<'DRYDOCK'
table bridge drydock {
  set known { type ifname . ipv4_addr; }
  chain guard {
    type filter hook prerouting priority -300; policy accept;
    iifname "v*" ether type ip iifname . ip saddr != @known drop
    iifname "v*" ether type arp iifname . arp saddr ip != @known drop
    iifname "v*" ether type != { ip, arp } drop
  }
}
DRYDOCK`
      const script = `set -e
${loopback([...DOORS.map(({ host }) => host), DIALER, ...own], without)}
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true
${network === 'vpc' ? rules : ''}
read -r stat < /proc/self/stat
echo "$stat" > ${quote(file)}
echo ready >&3
exec 3>&- > /dev/null 2>&1
exec sleep infinity`
      const child = spawn('unshare', [...userNamespace(rights), '-n', '/bin/sh', '-c', script], {
        detached: true,
        stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
        env: HOST_ENV,
        cwd: '/',
      })
      child.on('error', () => {})
      child.unref()
      let heard = ''
      let said = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
      await new Promise<void>((done) => {
        child.stdio[3]?.on('data', (chunk: Buffer) => {
          heard += chunk.toString()
          done()
        })
        child.stdio[3]?.on('end', () => setImmediate(done))
      })
      child.stdio[3]?.destroy()
      child.stderr?.destroy()
      holder = await read()
      if (!heard.startsWith('ready') || !holder)
        throw new ComputeError('host', `The network of ${id} could not be made: ${said.trim()}`)
    }
    const residents = new Map<string, string>()
    const servers = DOORS.map(({ name }) =>
      doorServer((request, response) => {
        // Who is alone needs no address to be known by.
        const address = own[0] ?? request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''
        const task = residents.get(address)
        if (task && this.#door) this.#door(request, response, { door: name, task, address })
        else response.writeHead(503).end()
      }),
    )
    return { id, holder, subnets: new Map(), residents, servers, agent: undefined, dials: new Map() }
  }

  /** The agent, started when it does not run. */
  #agent(vpc: Vpc): Promise<ChildProcess> {
    vpc.agent ??= this.#startAgent(vpc)
    return vpc.agent
  }

  async #startAgent(vpc: Vpc): Promise<ChildProcess> {
    const { rights } = await this.#host()
    const own = import.meta.url
    const file = fileURLToPath(new URL(own.endsWith('.ts') ? './agent.ts' : './agent.js', own))
    const child = spawn(
      'nsenter',
      [
        ...into(rights, vpc.holder),
        process.execPath,
        '--max-old-space-size=64',
        '--disable-warning=ExperimentalWarning',
        file,
        JSON.stringify(DOORS),
      ],
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: HOST_ENV, cwd: '/' },
    )
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-2000)
    })
    const listeners: Server[] = []
    await new Promise<void>((done, fail) => {
      child.on('error', fail)
      child.on('exit', (code) => {
        for (const listener of listeners) listener.close()
        for (const { reject } of vpc.dials.values()) reject(new Error(`The agent of ${vpc.id} has ended`))
        vpc.dials.clear()
        vpc.agent = undefined
        fail(new ComputeError('host', `The agent of ${vpc.id} did not start: ${said.trim()}`))
        if (this.#closed || this.#dropped.has(vpc) || !isAlive(vpc.holder)) return
        this.#log?.warn('The agent of a VPC ended and is started again', { vpc: vpc.id, code, said })
        setTimeout(() => {
          if (!this.#closed && !this.#dropped.has(vpc) && isAlive(vpc.holder)) this.#agent(vpc).catch(() => {})
        }, 500).unref()
      })
      child.on('message', (message, handle) => {
        const told = message as FromAgent
        if ('ready' in told) done()
        else if ('door' in told && handle instanceof Server) {
          const http = vpc.servers[DOORS.findIndex(({ name }) => name === told.door)]
          listeners.push(handle)
          handle.on('connection', (socket) => http?.take(socket))
        } else if ('dialed' in told) {
          const waiting = vpc.dials.get(told.dialed)
          vpc.dials.delete(told.dialed)
          if (!(handle instanceof Socket)) waiting?.reject(new Error('The connection closed'))
          else if (waiting) waiting.resolve(handle)
          else handle.destroy()
        } else if ('failed' in told) {
          vpc.dials.get(told.failed)?.reject(new Error(told.error))
          vpc.dials.delete(told.failed)
        }
      })
    })
    return child
  }

  /** A subnet's bridge, made when it is not there. */
  #subnet(vpc: Vpc, at: Attachment): Promise<void> {
    let made = vpc.subnets.get(at.subnet)
    if (!made) {
      made = this.#bridge(vpc, at)
      vpc.subnets.set(at.subnet, made)
      made.catch(() => vpc.subnets.delete(at.subnet))
    }
    return made
  }

  async #bridge(vpc: Vpc, at: Attachment): Promise<void> {
    const { rights } = await this.#host()
    const name = short('b', at.subnet)
    const inside = (args: readonly string[], input?: string) =>
      run('nsenter', [...into(rights, vpc.holder), ...args], input === undefined ? {} : { input })
    if ((await inside(['ip', 'link', 'show', name])).code === 0) return
    const { code, stderr } = await inside(
      ['ip', '-batch', '-'],
      [
        `link add ${name} address ${hardware(`${at.vpc} ${at.subnet}`)} type bridge`,
        `address add ${gatewayOf(at.cidr)}/${parseCidr(at.cidr)?.prefix} dev ${name}`,
        `link set ${name} up`,
      ].join('\n'),
    )
    if (code !== 0) throw new ComputeError('host', `The subnet ${at.subnet} could not be made: ${stderr.trim()}`)
  }

  async #drop(id: string): Promise<void> {
    const vpc = await this.#vpcs.get(id)?.catch(() => undefined)
    this.#vpcs.delete(id)
    if (vpc) this.#dropped.add(vpc)
    const holder = vpc?.holder ?? parseStat(await readFile(join(this.#folder, id, 'holder'), 'utf8').catch(() => ''))
    if (holder) signal(holder, 'SIGKILL')
    if (vpc) await end(vpc)
    await rm(join(this.#folder, id), { recursive: true, force: true })
  }

  /** Lets go of the network that a task had for itself, if it had one. */
  async releaseAlone(task: string): Promise<void> {
    if (existsSync(join(this.#folder, islandOf(task)))) await this.#drop(islandOf(task))
  }

  /** Lets go of a VPC in which nothing lives any more. */
  async release(id: string): Promise<void> {
    if (VPC_ID.test(id)) await this.#drop(id)
  }

  async removeAll(): Promise<void> {
    const ids = await readdir(this.#folder).catch(() => [])
    await Promise.all(ids.map((id) => this.#drop(id)))
  }

  /** Lets go of listeners and agents; VPCs and guests stay. */
  async close(): Promise<void> {
    this.#closed = true
    this.#public.close()
    await Promise.all([...this.#vpcs.values()].map((vpc) => vpc.then(end, () => {})))
    this.#vpcs.clear()
  }
}

/** Options of `nsenter` into the network of a process. */
const into = (rights: Rights, { pid }: ProcessId): readonly string[] => [
  '-t',
  String(pid),
  ...(rights === 'root' ? [] : ['-U', '--preserve-credentials']),
  '-n',
]

const end = async (vpc: Vpc): Promise<void> => {
  for (const server of vpc.servers) server.cut()
  const agent = await vpc.agent?.catch(() => undefined)
  if (!agent || agent.exitCode !== null) return
  const gone = new Promise<void>((done) => agent.once('exit', () => done()))
  agent.kill('SIGKILL')
  await gone
}
