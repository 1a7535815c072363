import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../kernel/context.ts'
import type {
  Attachment,
  Capabilities,
  ComputeDriver,
  Door,
  ExecOptions,
  Exit,
  Network,
  PacketRule,
  RunningTask,
  TaskHandle,
  TaskSpec,
} from './driver.ts'
import { ComputeError } from './driver.ts'
import { makeGroups, ranOutOfMemory, removeGroups } from './sandbox/cgroup.ts'
import type { Life } from './sandbox/endings.ts'
import { Endings, readExit, toExit } from './sandbox/endings.ts'
import { executeInside } from './sandbox/execute.ts'
import { followFile } from './sandbox/follow.ts'
import type { ProcessId } from './sandbox/host.ts'
import { HOST_ENV, isAlive, parseStat, signal, userNamespace } from './sandbox/host.ts'
import { makeDeviceFolder, prepareLaunch, SUPERVISOR } from './sandbox/launch.ts'
import { outboundEndpoint, outboundNetwork } from './sandbox/outbound.ts'
import type { Found } from './sandbox/probe.ts'
import { probeHost } from './sandbox/probe.ts'
import { resolver as nameServer } from './sandbox/reach.ts'
import type { Layers } from './sandbox/rootfs.ts'
import { imageLayers, removeTree } from './sandbox/rootfs.ts'
import { usageOf } from './sandbox/usage.ts'
import { Vpcs } from './sandbox/vpc.ts'
import { openTerminal } from './terminal.ts'

const ID = /^[a-z0-9-]{1,63}$/

export type SandboxOptions = {
  /** Everything of this driver lives below it; one driver at a time. */
  readonly folder: string
  /** Where the copied part of the host's own system is kept; below `folder` unless told. */
  readonly bases?: string
  /** Gets the requests that come through the doors of VPCs. */
  readonly door?: Door
  /** The server's own URL, for tasks on the host's network. */
  readonly endpoint: () => string
  readonly log?: Logger
  /** Programs to do without, as if they were not installed: for tests of what a barer host does. */
  readonly without?: readonly string[]
}

/** What is kept of a start, for whoever comes after a restart. */
type Record = { readonly spec: TaskSpec; readonly layers: Layers; readonly groups: readonly string[] }

const placeOf = ({ network }: TaskSpec): Attachment | undefined => (typeof network === 'string' ? undefined : network)

const hostFiles = async (spec: TaskSpec): Promise<NonNullable<TaskSpec['files']>> => {
  const name = spec.hostname ?? spec.id
  const place = placeOf(spec)
  const own = place?.address ?? '127.0.1.1'
  const found = place ? '' : await readFile('/etc/resolv.conf', 'utf8').catch(() => '')
  const names = spec.network === 'outbound' ? found.replace(/^\s*nameserver.*\n?/gm, '') : found
  const resolver = place
    ? '# No name server answers in this VPC.\n'
    : spec.network === 'outbound'
      ? `nameserver ${nameServer}\n${names}`
      : names
  return [
    { path: '/etc/hosts', content: `127.0.0.1 localhost\n::1 localhost ip6-localhost\n${own} ${name}\n` },
    { path: '/etc/hostname', content: `${name}\n` },
    { path: '/etc/resolv.conf', content: resolver },
  ]
}

/**
 * Tasks and machines in Linux namespaces: no engine, no root needed. What the host can do is found out once, on first
 * use. Files: `tasks/<id>` (record, layers, output), `exits/<id>`, `vpcs/<id>`, `base` and `images`.
 */
export const sandboxDriver = (options: SandboxOptions): ComputeDriver => {
  const { folder, endpoint, bases = join(options.folder, 'base') } = options
  const tasksFolder = join(folder, 'tasks')
  const taskFolder = (id: string) => join(tasksFolder, id)
  const lives = new Map<string, Life>()
  /** Calls about one task run one after the other. */
  const turns = new Map<string, Promise<unknown>>()
  let found: Promise<Found> | undefined
  const host = () => {
    found ??= probeHost(folder, options.without)
    return found
  }

  const inTurn = <T>(id: string, body: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(id) ?? Promise.resolve()).then(body, body)
    turns.set(id, turn)
    const clear = () => void (turns.get(id) === turn && turns.delete(id))
    turn.then(clear, clear)
    return turn
  }

  const readRecord = async (id: string): Promise<Record | undefined> => {
    const text = await readFile(join(taskFolder(id), 'record.json'), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as Record)
  }
  const readProcess = async (id: string, name: 'supervisor' | 'init'): Promise<ProcessId | undefined> =>
    parseStat(await readFile(join(taskFolder(id), name), 'utf8').catch(() => ''))

  const settle = async (id: string, status: number | undefined): Promise<Exit> => {
    const record = await readRecord(id)
    const groups = record?.groups ?? []
    let code = status
    // unshare (util-linux) ends with 1 and these words when process 1 was killed: it cannot do the same to itself.
    const said = code === 1 ? await readFile(join(taskFolder(id), 'setup.err'), 'utf8').catch(() => '') : ''
    if (/^unshare: /m.test(said)) code = 137
    const exit: Exit =
      code === undefined ? { code: 255, reason: 'lost' } : toExit(code, code > 128 && (await ranOutOfMemory(groups)))
    await removeGroups(groups)
    if (record) vpcs.left(record.spec)
    // A task's files go with it; what is left is its output and how it ended.
    if (record?.spec.kind === 'task' && code !== undefined) {
      const { rights } = await host()
      for (const part of ['root', 'upper', 'work'])
        await removeTree(join(taskFolder(id), part), rights).catch((error: Error) =>
          options.log?.warn('Files of an ended task stay', { task: id, error: error.message }),
        )
    }
    return exit
  }
  const endings = new Endings(join(folder, 'exits'), settle)
  const outbound = outboundNetwork({ folder: join(folder, 'outbound'), door: options.door, log: options.log, host })
  const vpcs = new Vpcs({ folder: join(folder, 'vpcs'), door: options.door, log: options.log, host })

  /** The present or last life of a task, also of one that an earlier server started. */
  const lifeOf = async (id: string): Promise<Life | undefined> => {
    const known = lives.get(id)
    if (known) return known
    const supervisor = await readProcess(id, 'supervisor')
    if (!supervisor || (!isAlive(supervisor) && readExit(endings.file(id)) === undefined)) return undefined
    const life = endings.expect(id, supervisor)
    lives.set(id, life)
    return life
  }

  const running = (spec: TaskSpec, life: Life): RunningTask => {
    const enter = async (command: readonly string[], execOptions: ExecOptions = {}, open = false) => {
      const init = await readProcess(spec.id, 'init')
      if (life.ended || !init || !isAlive(init)) throw new ComputeError('host', `Task ${spec.id} does not run.`)
      const record = await readRecord(spec.id)
      return executeInside({
        spec,
        init,
        rights: (await host()).rights,
        groups: record?.groups ?? [],
        command,
        options: execOptions,
        open,
      })
    }
    return {
      handle: { id: spec.id, driver: 'sandbox', data: {} },
      output: (from = 0, { follow = true } = {}) =>
        followFile(join(taskFolder(spec.id), 'output'), from, follow ? life.exit : Promise.resolve()),
      wait: () => life.exit,
      usage: async () => {
        const init = await readProcess(spec.id, 'init')
        if (life.ended || !init || !isAlive(init)) return undefined
        return usageOf(init.pid, (await readRecord(spec.id))?.groups)
      },
      exec: (command, execOptions) => enter(command, execOptions),
      terminal: (command, size, execOptions) =>
        openTerminal(command, size, (words) => enter(words, execOptions, true), enter),
      admit: async (ingress) => {
        const init = await readProcess(spec.id, 'init')
        const place = placeOf(spec)
        if (!place) throw new ComputeError('unsupported', 'A task outside of VPCs has no packet rules of its own.')
        if (!init || !isAlive(init)) throw new ComputeError('host', `Task ${spec.id} does not run.`)
        await vpcs.admit({ ...spec, network: { ...place, ingress } }, init)
        await rewriteIngress(spec.id, ingress)
      },
    }
  }

  const writeRecord = async (id: string, record: Record) => {
    const file = join(taskFolder(id), 'record.json')
    await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
  const rewriteIngress = async (id: string, ingress: readonly PacketRule[]) => {
    const record = await readRecord(id)
    const place = record && placeOf(record.spec)
    if (record && place) await writeRecord(id, { ...record, spec: { ...record.spec, network: { ...place, ingress } } })
  }

  /** Starts the supervisor and waits until process 1 is about to run the command. */
  const launch = async (record: Record): Promise<Life> => {
    const { spec, layers } = record
    const { rights, overlay } = await host()
    const own = taskFolder(spec.id)
    const place = placeOf(spec)
    const plug = place
      ? await inTurn(vpcTurn(place.vpc), () => vpcs.plug(spec, place))
      : spec.network === 'outbound'
        ? await outbound.plug(spec)
        : undefined
    const script = await prepareLaunch({
      folder: own,
      spec,
      rights,
      layers,
      overlay,
      devices: await makeDeviceFolder(folder),
      files: await hostFiles(spec),
      network: plug?.lines ?? [],
    })
    const namespaces = [
      '-m',
      '-p',
      '-i',
      '-u',
      ...(plug?.namespaces ?? []),
      '--propagation',
      'private',
      '--fork',
      '--kill-child',
    ]
    const command = plug
      ? [...plug.enter, 'unshare', ...namespaces, 'sh', script]
      : ['unshare', ...userNamespace(rights), ...namespaces, 'sh', script]
    const output = await open(join(own, 'output'), 'a', 0o600)
    const child = spawn(
      '/bin/sh',
      ['-c', SUPERVISOR, 'drydock-task', own, endings.file(spec.id), record.groups.join(' '), ...command],
      { detached: true, stdio: ['ignore', output.fd, output.fd, 'pipe'], env: HOST_ENV, cwd: '/' },
    )
    const ready = child.stdio[3]
    child.on('error', () => {})
    child.on('exit', () => endings.check(spec.id))
    child.unref()
    await output.close()
    let heard = ''
    if (ready && 'on' in ready)
      await new Promise<void>((done) => {
        ready.on('data', (chunk: Buffer) => {
          heard += chunk.toString()
          if (heard.includes('\n')) done()
        })
        ready.on('end', done)
        ready.on('error', () => done())
      })
    ready?.destroy()
    const supervisor = await readProcess(spec.id, 'supervisor')
    if (!heard.startsWith('ready') || !supervisor) {
      const said = await readFile(join(own, 'setup.err'), 'utf8').catch(() => '')
      throw new ComputeError('host', `${spec.id} could not be set up: ${said.trim() || 'its supervisor did not start'}`)
    }
    const life = endings.expect(spec.id, supervisor)
    lives.set(spec.id, life)
    const init = await readProcess(spec.id, 'init')
    if (init) await vpcs.joined(spec, init)
    return life
  }

  const start = async (spec: TaskSpec): Promise<RunningTask> => {
    if (!ID.test(spec.id)) throw new ComputeError('host', `${spec.id} is no task id.`)
    const { capabilities, cgroups } = await host()
    if (!capabilities.available) throw new ComputeError('unsupported', capabilities.notes.join(' '))
    if (spec.privileged) throw new ComputeError('unsupported', 'The sandbox has no privileged mode.')
    if (spec.network === 'outbound' && !capabilities.outbound)
      throw new ComputeError('unsupported', 'This host cannot give a task a network of its own with a way out.')
    if (placeOf(spec) && !capabilities.addresses)
      throw new ComputeError(
        'unsupported',
        `This host cannot give a task an address of its own. ${capabilities.notes.join(' ')}`,
      )
    const kept = await readRecord(spec.id)
    const life = kept && (await lifeOf(spec.id))
    if (kept && life && (spec.kind === 'task' || (!life.ended && isAlive(life.supervisor))))
      return running(kept.spec, life)
    if (life) await life.exit

    const { rights } = await host()
    await mkdir(tasksFolder, { recursive: true, mode: 0o700 })
    await mkdir(endings.folder, { recursive: true })
    await mkdir(taskFolder(spec.id), { recursive: true, mode: 0o700 })
    for (const name of ['supervisor', 'init', 'setup.err']) await rm(join(taskFolder(spec.id), name), { force: true })
    await rm(endings.file(spec.id), { force: true })
    lives.delete(spec.id)
    const layers = kept?.layers ?? (await imageLayers({ folder, bases, rights, hidden: [folder] }, spec.image))
    const record: Record = { spec, layers, groups: await makeGroups(cgroups, `drydock-${spec.id}`, spec.limits ?? {}) }
    await writeRecord(spec.id, record)
    return running(spec, await launch(record))
  }

  const stop = async (id: string, graceSeconds: number): Promise<void> => {
    const life = await lifeOf(id)
    if (!life || life.ended) return
    const init = await readProcess(id, 'init')
    const within = async (milliseconds: number) => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<false>((done) => {
        timer = setTimeout(() => done(false), milliseconds)
      })
      const inTime = await Promise.race([life.exit.then(() => true), late])
      clearTimeout(timer)
      return inTime
    }
    if (init && graceSeconds > 0) {
      signal(init, 'SIGTERM')
      if (await within(graceSeconds * 1000)) return
    }
    if (init) signal(init, 'SIGKILL')
    if (init && (await within(2000))) return
    // It was caught while it was being set up: the whole session goes.
    signal(life.supervisor, 'SIGKILL', true)
    if (!(await within(5000))) throw new Error(`Task ${id} does not end.`)
  }

  /** No task id has a space in it. */
  const vpcTurn = (vpc: string) => `vpc ${vpc}`

  /**
   * The last one out: a VPC without tasks, running or stopped, needs no network. Whoever moves in meanwhile has his
   * record there before he plugs in, and either is seen here or finds the VPC gone and makes it anew.
   */
  const releaseVpc = (vpc: string): Promise<void> =>
    inTurn(vpcTurn(vpc), async () => {
      for (const id of await readdir(tasksFolder).catch(() => [])) {
        const record = await readRecord(id)
        if (record && placeOf(record.spec)?.vpc === vpc) return
      }
      await vpcs.release(vpc)
    })

  const remove = async (id: string): Promise<void> => {
    if (!ID.test(id)) return
    await stop(id, 0)
    const record = await readRecord(id)
    const supervisor = await readProcess(id, 'supervisor')
    if (supervisor) signal(supervisor, 'SIGKILL', true)
    lives.delete(id)
    if (existsSync(taskFolder(id))) await removeTree(taskFolder(id), (await host()).rights)
    await rm(endings.file(id), { force: true })
    if (record) {
      await removeGroups(record.groups)
      const place = placeOf(record.spec)
      if (place) {
        vpcs.left(record.spec)
        await vpcs.releaseAlone(id)
        await releaseVpc(place.vpc)
      }
      if (record.spec.network === 'outbound') await outbound.release(id)
    }
  }

  return {
    name: 'sandbox',
    probe: async (): Promise<Capabilities> => (await host()).capabilities,
    start: (spec) => inTurn(spec.id, () => start(spec)),
    attach: (handle: TaskHandle) =>
      inTurn(handle.id, async () => {
        const record = await readRecord(handle.id)
        const life = record && (await lifeOf(handle.id))
        if (!record || !life) return undefined
        const init = await readProcess(handle.id, 'init')
        if (init && isAlive(init)) await vpcs.joined(record.spec, init)
        if (record.spec.network === 'outbound' && !life.ended) await outbound.open()
        return running(record.spec, life)
      }),
    stop: (handle, graceSeconds) => stop(handle.id, graceSeconds),
    remove: (handle) => inTurn(handle.id, () => remove(handle.id)),
    endpointFor: (network: Network) =>
      network === 'host' ? endpoint() : network === 'outbound' ? outboundEndpoint : Vpcs.endpoint,
    async open(network: Network) {
      if (network === 'outbound' && (await host()).capabilities.outbound) await outbound.open()
    },
    async removeAll() {
      const ids = await readdir(tasksFolder).catch(() => [])
      await Promise.all(ids.map((id) => inTurn(id, () => remove(id))))
      await vpcs.removeAll()
      await outbound.drop()
    },
    async close() {
      endings.close()
      await vpcs.close()
      await outbound.close()
    },
  }
}
