import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import type { Clock } from '../work/clock.ts'
import type {
  Capabilities,
  ComputeDriver,
  ExecOptions,
  Execution,
  Exit,
  PacketRule,
  RunningTask,
  TaskHandle,
  TaskSpec,
  Terminal,
  TerminalSize,
  Usage,
} from './driver.ts'
import { ComputeError } from './driver.ts'

/** What a scripted task or command sees of the world. */
export interface FakeTask {
  readonly spec: TaskSpec
  /** Aborted by `stop` and `remove`; a behaviour that ignores it is killed when the grace is over, at once in fake time. */
  readonly stopping: AbortSignal
  /** Appends to the task's output (in `onExec`: to the execution's). */
  write(text: string | Uint8Array): void
  /** The host path that an inside path stands for, by the longest mount; `undefined` where no mount covers it. */
  hostPath(path: string): string | undefined
  /** A file as seen inside: through the mounts, else of the task's own files (`spec.files`, earlier writes). Throws ENOENT. */
  read(path: string): Promise<string>
  /** Throws when `path` lies in a mount that is not writable. */
  writeFile(path: string, content: string | Uint8Array): Promise<void>
  /** Resolves after this much time of the fake's clock; at once without a clock. */
  passed(milliseconds: number): Promise<void>
  /** Resolves with the command of the next `exec` that no `onExec` rule answers. */
  nextExec(): Promise<readonly string[]>
}

/** What a task does: returns its exit code. A throw is exit code 1 with the error in the output. */
export type Behaviour = (spec: TaskSpec, task: FakeTask) => number | Promise<number>
/** What a command run inside does. */
export type ExecBehaviour = (
  command: readonly string[],
  task: FakeTask & { readonly options: ExecOptions },
) => number | Promise<number>
/** What a command with a terminal does: reads what is typed, writes what is shown. */
export type TerminalBehaviour = (
  command: readonly string[],
  task: FakeTask & {
    readonly options: ExecOptions
    readonly input: Readable
    /** Its present size. */
    size(): TerminalSize
  },
) => number | Promise<number>
/** Which specs: by predicate, or by the beginning of their id. */
export type Match = string | ((spec: TaskSpec) => boolean)

type Lines = { chunks: Uint8Array[]; ended: boolean; grown: Set<() => void> }
type Live = {
  spec: TaskSpec
  files: Map<string, Uint8Array>
  output: Lines
  stop: AbortController
  ingress: readonly PacketRule[]
  exit: Promise<Exit>
  end: (exit: Exit) => void
  ended: boolean
  execs: { command: readonly string[]; options: ExecOptions }[]
  execWaiters: ((command: readonly string[]) => void)[]
}

/** The fake world's tasks. Give one to two fakes and they are two servers on the same host, one after the other. */
export type FakeState = { readonly tasks: Map<string, Live>; readonly started: TaskSpec[] }
export const fakeState = (): FakeState => ({ tasks: new Map(), started: [] })

/** The scripted driver of stories: nothing runs, everything answers as the script says, in memory. */
export interface FakeCompute extends ComputeDriver {
  readonly state: FakeState
  /** Every spec that was started, in order; a machine started again is there again. */
  readonly started: readonly TaskSpec[]
  /** Scripts what matching tasks do; the rule added last wins. Without a rule a task exits 0 at once, a machine runs. */
  on(match: Match, behaviour: Behaviour): FakeCompute
  /** Scripts what commands run inside matching tasks do. Without a rule they exit 0 with no output. */
  onExec(match: Match, behaviour: ExecBehaviour): FakeCompute
  /** Scripts what matching tasks have used, as they are asked. Without a rule nobody can tell. */
  measure(match: Match, usage: () => Usage): FakeCompute
  /** Scripts what commands with a terminal do. Without a rule they exit 0 with no output. */
  onTerminal(match: Match, behaviour: TerminalBehaviour): FakeCompute
  /** Makes `start` of matching specs reject. */
  refuse(match: Match, error: ComputeError): FakeCompute
  /** Ids of tasks that run now. */
  running(): string[]
  /** Ends a running task as if its command had. */
  end(id: string, code: number): Promise<void>
  /** What was run inside the task so far. */
  execs(id: string): readonly { readonly command: readonly string[]; readonly options: ExecOptions }[]
  /** The packet rules a task has now. */
  ingress(id: string): readonly PacketRule[]
  /** Its output so far. */
  text(id: string): string
}

const matches = (match: Match, spec: TaskSpec) => (typeof match === 'string' ? spec.id.startsWith(match) : match(spec))
const bytes = (text: string | Uint8Array) => (typeof text === 'string' ? new TextEncoder().encode(text) : text)
/** Codes above 128 are signals, as shells report them. */
const toExit = (code: number): Exit => ({ code, reason: code > 128 ? 'signalled' : 'exited' })
const lines = (): Lines => ({ chunks: [], ended: false, grown: new Set() })
const grow = (output: Lines) => {
  const waiting = [...output.grown]
  output.grown.clear()
  for (const wake of waiting) wake()
}

async function* follow(output: Lines, from: number, once: boolean): AsyncGenerator<Uint8Array> {
  const size = () => output.chunks.reduce((sum, { length }) => sum + length, 0)
  let skip = from < 0 ? Math.max(0, size() + from) : from
  for (let at = 0; ; ) {
    if (at < output.chunks.length) {
      const chunk = output.chunks[at++]!
      if (skip < chunk.length) yield chunk.subarray(skip)
      skip = Math.max(0, skip - chunk.length)
    } else if (output.ended || once) return
    else await new Promise<void>((wake) => output.grown.add(wake))
  }
}

/** A few turns of the event loop: what a behaviour gets to answer a stop before it is killed. */
const turns = async () => {
  for (let i = 0; i < 4; i++) await new Promise<void>((done) => setImmediate(done))
}

/**
 * @param clock moved by the test; what `passed` waits on.
 * @param state shared by two fakes: the second is the server after a restart.
 * @param endpoint the URL of the server under test, which tasks on the host network are told.
 */
export const fakeCompute = (
  clock?: Clock,
  state: FakeState = fakeState(),
  endpoint: () => string = () => 'http://127.0.0.1:4566',
): FakeCompute => {
  const behaviours: { match: Match; behaviour: Behaviour }[] = []
  const execBehaviours: { match: Match; behaviour: ExecBehaviour }[] = []
  const terminalBehaviours: { match: Match; behaviour: TerminalBehaviour }[] = []
  const refusals: { match: Match; error: ComputeError }[] = []
  const measures: { match: Match; usage: () => Usage }[] = []
  const { tasks, started } = state

  const view = (live: Live, write: (text: string | Uint8Array) => void): FakeTask => {
    const mountOf = (path: string) =>
      [...(live.spec.mounts ?? [])]
        .sort((a, b) => b.target.length - a.target.length)
        .find(({ target }) => path === target || path.startsWith(`${target.replace(/\/$/, '')}/`))
    const absolute = (path: string) => posix.resolve(live.spec.workdir ?? '/', path)
    const hostPath = (path: string) => {
      const mount = mountOf(absolute(path))
      return mount && join(mount.source, absolute(path).slice(mount.target.length))
    }
    return {
      spec: live.spec,
      stopping: live.stop.signal,
      write,
      hostPath,
      async read(path) {
        const host = hostPath(path)
        if (host) return readFile(host, 'utf8')
        const own = live.files.get(absolute(path))
        if (!own) throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: 'ENOENT' })
        return new TextDecoder().decode(own)
      },
      async writeFile(path, content) {
        const host = hostPath(path)
        if (!host) {
          live.files.set(absolute(path), bytes(content))
          return
        }
        if (!mountOf(absolute(path))?.writable)
          throw Object.assign(new Error(`EROFS: read-only file system, open '${path}'`), { code: 'EROFS' })
        await mkdir(dirname(host), { recursive: true })
        await writeFile(host, content)
      },
      passed: (milliseconds) =>
        clock
          ? new Promise((done) => clock.at(new Date(clock.now().getTime() + milliseconds), done))
          : Promise.resolve(),
      nextExec: () => new Promise((next) => live.execWaiters.push(next)),
    }
  }

  const run = (live: Live) => {
    const write = (text: string | Uint8Array) => {
      if (live.ended) return
      live.output.chunks.push(bytes(text))
      grow(live.output)
    }
    const task = view(live, write)
    const rule = behaviours.findLast(({ match }) => matches(match, live.spec))
    const forever = () => new Promise<number>(() => {})
    const behaviour = rule?.behaviour ?? (live.spec.kind === 'machine' ? forever : () => 0)
    void (async () => {
      try {
        live.end(toExit(await behaviour(live.spec, task)))
      } catch (error) {
        write(`${error instanceof Error ? error.stack : String(error)}\n`)
        live.end({ code: 1, reason: 'exited' })
      }
    })()
  }

  const begin = (spec: TaskSpec, kept?: Live): Live => {
    const { promise, resolve } = Promise.withResolvers<Exit>()
    const output = kept?.output ?? lines()
    output.ended = false
    const live: Live = {
      spec,
      files: kept?.files ?? new Map(),
      output,
      stop: new AbortController(),
      ingress: typeof spec.network === 'string' ? [] : spec.network.ingress,
      exit: promise,
      end: (exit) => {
        if (live.ended) return
        live.ended = true
        output.ended = true
        grow(output)
        resolve(exit)
      },
      ended: false,
      execs: kept?.execs ?? [],
      execWaiters: [],
    }
    for (const { path, content } of spec.files ?? []) live.files.set(path, bytes(content))
    tasks.set(spec.id, live)
    started.push(spec)
    run(live)
    return live
  }

  const execute = async (live: Live, command: readonly string[], options: ExecOptions): Promise<Execution> => {
    if (live.ended) throw new ComputeError('host', `Task ${live.spec.id} does not run.`)
    live.execs.push({ command, options })
    const output = new PassThrough()
    const { promise, resolve } = Promise.withResolvers<Exit>()
    let over = false
    const end = (exit: Exit) => {
      if (over) return
      over = true
      output.end()
      resolve(exit)
    }
    const rule = execBehaviours.findLast(({ match }) => matches(match, live.spec))
    const task = { ...view(live, (text) => void (over || output.write(bytes(text)))), options }
    void live.exit.then(() => end({ code: 137, reason: 'signalled' }))
    void (async () => {
      try {
        if (!rule) for (const next of live.execWaiters.splice(0)) next(command)
        end(toExit(rule ? await rule.behaviour(command, task) : 0))
      } catch (error) {
        task.write(`${error instanceof Error ? error.stack : String(error)}\n`)
        end({ code: 1, reason: 'exited' })
      }
    })()
    return {
      output,
      wait: () => promise,
      kill: (signal) => end({ code: signal === 'SIGKILL' ? 137 : 143, reason: 'signalled' }),
    }
  }

  const terminal = async (
    live: Live,
    command: readonly string[],
    first: TerminalSize,
    options: ExecOptions,
  ): Promise<Terminal> => {
    if (live.ended) throw new ComputeError('host', `Task ${live.spec.id} does not run.`)
    const [input, output] = [new PassThrough(), new PassThrough()]
    const { promise, resolve } = Promise.withResolvers<Exit>()
    let size = first
    const end = (exit: Exit) => {
      if (output.writableEnded) return
      output.end()
      input.destroy()
      resolve(exit)
    }
    const rule = terminalBehaviours.findLast(({ match }) => matches(match, live.spec))
    const own = view(live, (text) => void (output.writableEnded || output.write(bytes(text))))
    void live.exit.then(() => end({ code: 137, reason: 'signalled' }))
    void (async () => {
      try {
        end(toExit(rule ? await rule.behaviour(command, { ...own, options, input, size: () => size }) : 0))
      } catch {
        end({ code: 1, reason: 'exited' })
      }
    })()
    return {
      ...{ input, output },
      resize: async (next) => {
        size = next
      },
      wait: () => promise,
      kill: (signal) => end({ code: signal === 'SIGKILL' ? 137 : 143, reason: 'signalled' }),
    }
  }

  const running = (live: Live): RunningTask => ({
    handle: { id: live.spec.id, driver: 'fake', data: {} },
    output: (from = 0, { follow: following = true } = {}) => follow(live.output, from, !following),
    exec: (command, options = {}) => execute(live, command, options),
    terminal: (command, size, options = {}) => terminal(live, command, size, options),
    wait: () => live.exit,
    usage: async () => (live.ended ? undefined : measures.findLast(({ match }) => matches(match, live.spec))?.usage()),
    admit: async (ingress) => {
      if (live.spec.network === 'host')
        throw new ComputeError('unsupported', 'A task on the host network has no packet rules.')
      live.ingress = ingress
    },
  })

  const need = (id: string): Live => {
    const live = tasks.get(id)
    if (!live) throw new Error(`No task ${id} was started`)
    return live
  }

  const stop = async (handle: TaskHandle) => {
    const live = tasks.get(handle.id)
    if (!live || live.ended) return
    live.stop.abort()
    await turns()
    live.end({ code: 143, reason: 'signalled' })
  }

  const fake: FakeCompute = {
    name: 'fake',
    state,
    started,
    on(match, behaviour) {
      behaviours.push({ match, behaviour })
      return fake
    },
    onExec(match, behaviour) {
      execBehaviours.push({ match, behaviour })
      return fake
    },
    measure(match, usage) {
      measures.push({ match, usage })
      return fake
    },
    onTerminal(match, behaviour) {
      terminalBehaviours.push({ match, behaviour })
      return fake
    },
    refuse(match, error) {
      refusals.push({ match, error })
      return fake
    },
    running: () => [...tasks.values()].filter(({ ended }) => !ended).map(({ spec }) => spec.id),
    async end(id, code) {
      const live = need(id)
      live.end({ code, reason: 'exited' })
      // A behaviour that is a process of this host must not outlive its task.
      live.stop.abort()
      await turns()
    },
    execs: (id) => need(id).execs,
    ingress: (id) => need(id).ingress,
    text: (id) => Buffer.concat(need(id).output.chunks).toString(),
    async probe(): Promise<Capabilities> {
      return {
        driver: 'fake',
        available: true,
        isolation: 'none',
        images: ['host', 'folder', 'tarball', 'docker'],
        machines: true,
        addresses: true,
        peers: true,
        limits: true,
        privileged: true,
        outbound: false,
        notes: ['Nothing runs: tasks do what a test scripted.'],
        missing: [],
      }
    },
    async start(spec) {
      const refusal = refusals.findLast(({ match }) => matches(match, spec))
      if (refusal) throw refusal.error
      const known = tasks.get(spec.id)
      if (known && (!known.ended || spec.kind === 'task')) return running(known)
      return running(begin(spec, known))
    },
    async attach(handle) {
      const live = tasks.get(handle.id)
      return live && running(live)
    },
    stop,
    async remove(handle) {
      await stop(handle)
      tasks.delete(handle.id)
    },
    endpointFor: (network) => (typeof network === 'string' ? endpoint() : 'http://169.254.170.1:4566'),
    async removeAll() {
      for (const live of tasks.values()) await stop({ id: live.spec.id, driver: 'fake', data: {} })
      tasks.clear()
    },
    async close() {},
  }
  return fake
}
