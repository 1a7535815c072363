import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable, Writable } from 'node:stream'

/** What a task's root file system is made of: the host's own system folders, an unpacked folder, a tarball, an engine's image. */
export type Image = { host: true } | { folder: string } | { tarball: string } | { docker: string }

/** How to sign in to an image's registry. */
export type RegistryCredentials = { readonly username: string; readonly password: string }

/** A root file system that the user registered under a name: an unpacked folder or a tarball on this host. */
export type RegisteredImage = { readonly name: string; readonly image: Image }

/** A place in a VPC: the task gets this address on this subnet. CIDR blocks as `10.0.1.0/24`. */
export type Attachment = {
  readonly vpc: string
  readonly subnet: string
  readonly cidr: string
  readonly address: string
  /** A host loopback address (127.64.0.0/10) that stands for the public address: what `ingress` admits is answered there. */
  readonly publicAddress?: string
  readonly ingress: readonly PacketRule[]
}

/** Packets let in: protocol `tcp`, `udp`, `icmp` or `-1` for all; ports inclusive; sources as CIDR blocks. */
export type PacketRule = {
  readonly protocol: string
  readonly fromPort: number
  readonly toPort: number
  readonly sources: readonly string[]
}

/** Of the host; a network of its own from which it gets out; a place in a VPC. */
export type Network = 'host' | 'outbound' | Attachment

/** What to run. JSON throughout. `id` is `[a-z0-9-]{1,63}`, unique on this server. */
export type TaskSpec = {
  readonly id: string
  /**
   * `task`: the command runs once, its end is the task's end, its files go with it.
   * `machine`: the command is the machine's init; after `stop` the same spec starts it again on the files it had.
   */
  readonly kind: 'task' | 'machine'
  readonly image: Image
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workdir?: string
  readonly hostname?: string
  /** Written into the root file system before each start, replacing what is there. */
  readonly files?: readonly { readonly path: string; readonly content: string; readonly mode?: number }[]
  /** Host folders (or files) seen inside. Read-only unless `writable`. */
  readonly mounts?: readonly { readonly source: string; readonly target: string; readonly writable?: boolean }[]
  readonly limits?: { readonly memoryMiB?: number; readonly cpus?: number; readonly processes?: number }
  /** The container engine of the host at `/var/run/docker.sock`: as good as root of the host. Only where the driver is `privileged`. */
  readonly privileged?: boolean
  /**
   * `host`: the host's network. `outbound`: one in which nobody else is seen, with the server's doors and a way out to all
   * that this host reaches over TCP but itself; only where the driver is `outbound`. Else a place in a VPC.
   */
  readonly network: Network
}

/** All that is needed to find a task again after a restart. JSON; stored by whoever started it. */
export type TaskHandle = {
  readonly id: string
  readonly driver: string
  readonly data: Readonly<Record<string, string | number>>
}

/** `lost`: the task is gone and nobody saw how it ended. */
export type Exit = { readonly code: number; readonly reason: 'exited' | 'signalled' | 'out-of-memory' | 'lost' }

export type ExecOptions = {
  readonly env?: Readonly<Record<string, string>>
  readonly workdir?: string
  /** User name or `uid:gid` inside; root unless told. */
  readonly user?: string
  readonly input?: Uint8Array
}

export interface Execution {
  /** Standard output and standard error, interleaved as written. */
  readonly output: Readable
  wait(): Promise<Exit>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** What a task used since its start: processor time, bytes that storage was asked for or given. Memory: what it has now. */
export type Usage = {
  readonly cpuSeconds: number
  readonly memoryBytes: number
  /** Left out where the host does not tell. */
  readonly storage?: { readonly readBytes: number; readonly writtenBytes: number }
}

/** In characters. */
export type TerminalSize = { readonly columns: number; readonly rows: number }

/** A command with a terminal of its own, as somebody who types would have it. Its end takes what hangs on the terminal along. */
export interface Terminal extends Execution {
  /** What is typed. */
  readonly input: Writable
  resize(size: TerminalSize): Promise<void>
}

export interface RunningTask {
  readonly handle: TaskHandle
  /**
   * What the command wrote to standard output and error, from byte `from` (0 unless told; negative: counted from the
   * present end), following until the task ends, or with `follow: false` only what is there now.
   */
  output(from?: number, options?: { readonly follow?: boolean }): AsyncIterable<Uint8Array>
  /** Runs one more command inside. A program that is not there is exit code 127, not a throw. */
  exec(command: readonly string[], options?: ExecOptions): Promise<Execution>
  /** The same with a terminal. Rejects with `ComputeError` where neither the driver nor the image has what makes one. */
  terminal(command: readonly string[], size: TerminalSize, options?: Omit<ExecOptions, 'input'>): Promise<Terminal>
  /** Resolves when the command has ended; a failing command is an exit code, not a throw. */
  wait(): Promise<Exit>
  /** What it used so far; `undefined` once it has ended, and where the host does not tell. */
  usage(): Promise<Usage | undefined>
  /** Replaces the packet rules of a task in a VPC while it runs. */
  admit(ingress: readonly PacketRule[]): Promise<void>
}

/** What this host can do with this driver, shown by `drydock status`. */
export type Capabilities = {
  readonly driver: string
  readonly available: boolean
  /** How a task is kept apart: `namespaces`, `container`, or `none`. */
  readonly isolation: 'namespaces' | 'container' | 'none'
  readonly images: readonly ('host' | 'folder' | 'tarball' | 'docker')[]
  readonly machines: boolean
  /** Tasks have addresses of their own in a VPC, and packet rules are enforced. */
  readonly addresses: boolean
  /** Machines of a VPC reach each other, as far as their packet rules admit it; else each is alone with its doors. */
  readonly peers: boolean
  readonly limits: boolean
  /** Privileged tasks run: there is a container engine, and whoever runs the server allows it. */
  readonly privileged: boolean
  /** Tasks have a network of their own with a way out. */
  readonly outbound: boolean
  /** One sentence each, for people: what was found, what is weaker than it could be and why. */
  readonly notes: readonly string[]
  /** Programs that are absent, what each would add, and how to install it. */
  readonly missing: readonly { readonly program: string; readonly adds: string; readonly install: string }[]
}

/** Which door of the server a task's request came through, and whose it was. */
export type DoorRequest = {
  /** `metadata`: 169.254.169.254; `credentials`: 169.254.170.2; `endpoint`: the AWS endpoint as seen inside. */
  readonly door: 'metadata' | 'credentials' | 'endpoint'
  readonly task: string
  readonly address: string
}
export type Door = (request: IncomingMessage, response: ServerResponse, from: DoorRequest) => void

/**
 * How builds, functions, tasks and machines run. Life: probe → start → (output | exec | wait)* → remove. Every call may
 * be repeated; the server may die between any two: a task outlives the server that started it.
 */
export interface ComputeDriver {
  readonly name: string
  probe(): Promise<Capabilities>
  /** What each driver behind this one can do, for a driver that stands for several. */
  probeAll?(): Promise<readonly Capabilities[]>
  /**
   * Brings an image to where tasks are started from it, for drivers that fetch them. With credentials its registry is asked
   * whether they may have it, also where it is there already. Rejects with `ComputeError`.
   */
  fetch?(image: Image, credentials?: RegistryCredentials): Promise<void>
  /** Starts what `spec` says; the same id twice is the same task. Rejects with `ComputeError` when this host cannot. */
  start(spec: TaskSpec): Promise<RunningTask>
  /** Finds a task again after a restart; `undefined` when it no longer runs and left no exit status to report. */
  attach(handle: TaskHandle): Promise<RunningTask | undefined>
  /** SIGTERM, then SIGKILL after `graceSeconds`. A machine's files stay. */
  stop(handle: TaskHandle, graceSeconds: number): Promise<void>
  /** Ends it if it runs and forgets its files. Must succeed even if `start` failed half-way. */
  remove(handle: TaskHandle): Promise<void>
  /** The URL at which a task with this network reaches the AWS endpoint. */
  endpointFor(network: Network): string
  /** Makes a network ready before the first task that needs it, where that spares it time. */
  open?(network: Network): Promise<void>
  /** Ends everything this driver ever started under its data folder (used by reset and by ephemeral servers at exit). */
  removeAll(): Promise<void>
  /** Lets go of what the server process itself holds (relays, listeners); tasks go on. */
  close(): Promise<void>
}

/** A task could not be started. `code` says whose fault: an impossible image, or a host that lacks something. */
export class ComputeError extends Error {
  readonly code: 'image' | 'unsupported' | 'host'
  constructor(code: 'image' | 'unsupported' | 'host', message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ComputeError'
    this.code = code
  }
}
