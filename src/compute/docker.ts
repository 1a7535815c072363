import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, posix } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type Docker from 'dockerode'
import { pack } from 'tar-stream'
import type {
  Capabilities,
  ComputeDriver,
  ExecOptions,
  Execution,
  Exit,
  Image,
  RegistryCredentials,
  RunningTask,
  TaskSpec,
  Terminal,
  TerminalSize,
  Usage,
} from './driver.ts'
import { ComputeError } from './driver.ts'
import { hostLayers } from './sandbox/rootfs.ts'

/** Process 1 of every container: starts the command, reaps, hands on SIGTERM; both streams are one, in order. */
const INIT = `exec 2>&1
child= term=
trap 'term=1; [ -z "$child" ] || kill -TERM "$child" 2> /dev/null' TERM
"$@" &
child=$!
[ -z "$term" ] || kill -TERM "$child" 2> /dev/null
exec > /dev/null 2>&1
while :; do wait "$child"; code=$?; kill -0 "$child" 2> /dev/null || break; done
exit "$code"`

/** Leaves its process id where `kill` finds it. */
const EXEC = `exec 2>&1
echo $$ > "/dev/shm/.$1"
shift
exec "$@"`

const SOCKETS = ['/var/run/docker.sock', '/run/podman/podman.sock']
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const BOTH = { stdout: true, stderr: true } as const

const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
const toExit = (code: number, outOfMemory: boolean): Exit => ({
  code,
  reason: code > 128 && code <= 192 ? (outOfMemory ? 'out-of-memory' : 'signalled') : 'exited',
})
const short = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)

/** The registry in an image's name; without one it is Docker's own. */
const registryOf = (image: string): string =>
  /^([^/]*[.:][^/]*|localhost)\//.exec(image)?.[1] ?? 'https://index.docker.io/v1/'

/** The frames of an engine's log or attach stream, as plain bytes. */
async function* unframe(stream: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    for (; rest.length >= 8; ) {
      const size = rest.readUInt32BE(4)
      if (rest.length < 8 + size) break
      if (size > 0) yield rest.subarray(8, 8 + size)
      rest = rest.subarray(8 + size)
    }
  }
}

export type DockerOptions = {
  /** Where copied bases of the host's system are kept; it also tells this server's containers from another's. */
  readonly folder: string
  /** The server's own URL, for tasks on the host's network. */
  readonly endpoint: () => string
  /** `DOCKER_HOST`, in the engine's own words; the usual sockets unless told. */
  readonly host?: string | undefined
  /** Whether tasks may be privileged. */
  readonly privileged?: boolean
}

/** Heavy, and of use only where an engine is: loaded when one is first asked. */
const dockerode = (): typeof Docker => createRequire(import.meta.url)('dockerode')

/** The engine's own socket, where it listens at one. */
const socketOf = (host: string | undefined): string | undefined =>
  host
    ? host.startsWith('unix://')
      ? host.slice('unix://'.length)
      : undefined
    : SOCKETS.find((path) => existsSync(path))

const connect = (host: string | undefined): Docker | undefined => {
  const socketPath = socketOf(host)
  if (socketPath) return new (dockerode())({ socketPath })
  if (!host) return undefined
  const { hostname, port } = new URL(host.replace(/^tcp:/, 'http:'))
  return new (dockerode())({ protocol: 'http', host: hostname, port: Number(port || 2375) })
}

/**
 * Tasks and machines as containers of an engine that speaks Docker's API. What runs is found again by its labels, so
 * the engine is the only record. Networks: the host's only.
 */
export const dockerDriver = (options: DockerOptions): ComputeDriver => {
  const { folder, endpoint } = options
  let connected: Docker | undefined
  const reach = (): Docker | undefined => {
    connected ??= connect(options.host)
    return connected
  }
  const owner = short(folder)
  const privilege = options.privileged ? socketOf(options.host) : undefined
  const nameOf = (id: string) => `drydock-${owner}-${id}`
  const engine = (): Docker => {
    const docker = reach()
    if (!docker) throw new ComputeError('unsupported', 'No container engine answers.')
    return docker
  }
  const turns = new Map<string, Promise<unknown>>()
  const inTurn = <T>(id: string, body: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(id) ?? Promise.resolve()).then(body, body)
    turns.set(id, turn)
    const clear = () => void (turns.get(id) === turn && turns.delete(id))
    turn.then(clear, clear)
    return turn
  }
  let execs = 0

  const inspect = async (id: string): Promise<Docker.ContainerInspectInfo | undefined> => {
    return reach()
      ?.getContainer(nameOf(id))
      .inspect()
      .catch((error: unknown) => {
        if (statusOf(error) === 404) return undefined
        throw error
      })
  }

  const hasImage = (name: string) =>
    engine()
      .getImage(name)
      .inspect()
      .then(
        () => true,
        () => false,
      )

  const importTar = async (name: string, archive: Readable) => {
    const [repo, tag] = name.split(':')
    const stream = (await engine().importImage(
      archive as unknown as string,
      { repo, tag } as Record<string, string>,
    )) as Readable
    for await (const _ of stream);
    if (!(await hasImage(name))) throw new ComputeError('image', `The engine did not take the image ${name}.`)
  }
  const tarOf = (root: string): Readable => {
    const child = spawn('tar', ['-c', '-C', root, '.'], { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH } })
    child.on('error', (error) => child.stdout.destroy(error))
    return child.stdout
  }

  /** The engine's name of an image, brought there when it is not, and the host folders it needs besides. */
  const prepareImage = async (
    image: Image,
    credentials?: RegistryCredentials,
  ): Promise<{ name: string; system: readonly string[] }> => {
    if ('docker' in image) {
      if (!credentials && (await hasImage(image.docker))) return { name: image.docker, system: [] }
      try {
        const stream = await engine().pull(
          image.docker,
          credentials ? { authconfig: { ...credentials, serveraddress: registryOf(image.docker) } } : {},
        )
        await new Promise<void>((done, fail) =>
          engine().modem.followProgress(stream, (error) => (error ? fail(error) : done())),
        )
      } catch (error) {
        throw new ComputeError('image', `The image ${image.docker} could not be pulled: ${messageOf(error)}`)
      }
      return { name: image.docker, system: [] }
    }
    if ('tarball' in image) {
      const found = await stat(image.tarball).catch(() => undefined)
      if (!found?.isFile()) throw new ComputeError('image', `There is no tarball ${image.tarball}.`)
      const name = `drydock-${owner}:${short(`${image.tarball} ${found.size} ${found.mtimeMs}`)}`
      if (!(await hasImage(name))) await importTar(name, createReadStream(image.tarball))
      return { name, system: [] }
    }
    if ('folder' in image) {
      const root = await realpath(image.folder).catch(() => image.folder)
      const found = await stat(root).catch(() => undefined)
      if (!found?.isDirectory()) throw new ComputeError('image', `There is no image folder ${image.folder}.`)
      const name = `drydock-${owner}:${short(`${root} ${found.mtimeMs}`)}`
      if (!(await hasImage(name))) await importTar(name, tarOf(root))
      return { name, system: [] }
    }
    const [base, ...system] = await hostLayers({
      folder,
      bases: join(folder, 'base'),
      rights: 'root',
      hidden: [folder],
    })
    const root = base?.lower[0]
    if (!root) throw new ComputeError('host', "The host's own system could not be read.")
    const name = `drydock-${owner}:${short(root)}`
    if (!(await hasImage(name))) await importTar(name, tarOf(root))
    return { name, system: system.map(({ at }) => at) }
  }

  const create = async (spec: TaskSpec): Promise<void> => {
    const { name: image, system } = await prepareImage(spec.image)
    const mounts: Docker.MountSettings[] = system.map((path) => ({
      Type: 'bind',
      Source: path,
      Target: path,
      ReadOnly: true,
    }))
    for (const { source, target, writable } of spec.mounts ?? []) {
      const real = await realpath(source).catch(() => undefined)
      if (!real) throw new ComputeError('host', `There is no ${source} to mount at ${target}.`)
      mounts.push({ Type: 'bind', Source: real, Target: target, ReadOnly: !writable })
    }
    if (spec.privileged && privilege)
      mounts.push({ Type: 'bind', Source: privilege, Target: '/var/run/docker.sock', ReadOnly: false })
    const { memoryMiB, processes } = spec.limits ?? {}
    // An engine takes no more processors than there are.
    const cpus = spec.limits?.cpus && Math.min(spec.limits.cpus, (await engine().info()).NCPU)
    await engine()
      .createContainer({
        name: nameOf(spec.id),
        Image: image,
        Hostname: spec.hostname ?? spec.id,
        Entrypoint: ['/bin/sh', '-c', INIT, 'drydock-init'],
        Cmd: [...spec.command],
        Env: Object.entries({ PATH, HOME: '/root', ...spec.env }).map(([key, value]) => `${key}=${value}`),
        WorkingDir: spec.workdir ?? '/',
        User: '0:0',
        Labels: { 'drydock.owner': owner, 'drydock.task': spec.id, 'drydock.kind': spec.kind },
        HostConfig: {
          NetworkMode: 'host',
          Mounts: mounts,
          CapDrop: ['MKNOD', 'NET_RAW', 'NET_BIND_SERVICE'],
          ...(spec.kind === 'task' ? { SecurityOpt: ['no-new-privileges'] } : {}),
          ...(memoryMiB ? { Memory: memoryMiB * 2 ** 20, MemorySwap: memoryMiB * 2 ** 20 } : {}),
          ...(cpus ? { NanoCpus: Math.round(cpus * 1e9) } : {}),
          ...(processes ? { PidsLimit: processes } : {}),
        },
      })
      .catch((error: unknown) => {
        // Somebody made it in the same instant, for the same id.
        if (statusOf(error) !== 409) throw error
      })
  }

  const putFiles = async (spec: TaskSpec) => {
    const files = spec.files ?? []
    if (files.length === 0) return
    const archive = pack()
    for (const { path, content, mode } of files)
      archive.entry(
        { name: posix.relative('/', posix.resolve('/', path)), mode: mode ?? 0o644, uid: 0, gid: 0, mtime: new Date() },
        content,
      )
    archive.finalize()
    await engine().getContainer(nameOf(spec.id)).putArchive(Readable.from(archive), { path: '/' })
  }

  /** Waits once per life of a container; asked again, the same promise answers. */
  const exits = new Map<string, Promise<Exit>>()
  const exitOf = (id: string, startedAt: string): Promise<Exit> => {
    const key = `${id} ${startedAt}`
    let exit = exits.get(key)
    if (!exit) {
      const container = engine().getContainer(nameOf(id))
      exit = container
        .wait()
        .then(async ({ StatusCode }: { StatusCode: number }) => {
          const found = await inspect(id)
          return toExit(StatusCode, found?.State.OOMKilled ?? false)
        })
        .catch((): Exit => ({ code: 255, reason: 'lost' }))
      exits.set(key, exit)
    }
    return exit
  }

  const usageOf = async (id: string): Promise<Usage | undefined> => {
    if (!(await inspect(id))?.State.Running) return undefined
    const { cpu_stats, memory_stats, blkio_stats } = await engine()
      .getContainer(nameOf(id))
      .stats({ stream: false, 'one-shot': true })
    // The engine leaves out what it cannot count, whatever its types say.
    const used = memory_stats?.usage
    if (used === undefined) return undefined
    const { inactive_file, total_inactive_file } = memory_stats.stats ?? {}
    const moved: readonly { op: string; value: number }[] | null | undefined = blkio_stats?.io_service_bytes_recursive
    const bytes = (name: string) =>
      (moved ?? []).filter(({ op }) => op.toLowerCase() === name).reduce((sum, { value }) => sum + value, 0)
    return {
      cpuSeconds: cpu_stats.cpu_usage.total_usage / 1e9,
      memoryBytes: Math.max(0, used - (inactive_file ?? total_inactive_file ?? 0)),
      ...(moved ? { storage: { readBytes: bytes('read'), writtenBytes: bytes('write') } } : {}),
    }
  }

  const running = (id: string, startedAt: string): RunningTask => {
    const container = engine().getContainer(nameOf(id))
    return {
      handle: { id, driver: 'docker', data: {} },
      async *output(from = 0, { follow = true } = {}) {
        const present = async () => Buffer.concat(await Array.fromAsync(unframe([await container.logs(BOTH)])))
        if (!follow) return yield* [(await present()).subarray(from)]
        const stream = await container.logs({ ...BOTH, follow: true })
        let skip = from < 0 ? Math.max(0, (await present()).length + from) : from
        for await (const chunk of unframe(stream as unknown as AsyncIterable<Buffer>)) {
          if (skip < chunk.length) yield chunk.subarray(skip)
          skip = Math.max(0, skip - chunk.length)
        }
      },
      wait: () => exitOf(id, startedAt),
      usage: () => usageOf(id),
      exec: (command, execOptions = {}) => execute(id, command, execOptions),
      terminal: (command, size, execOptions = {}) => openTerminal(id, command, size, execOptions),
      admit: async () => {
        throw new ComputeError('unsupported', 'Containers on the host network have no packet rules of their own.')
      },
    }
  }

  /** Ends what `EXEC` started. */
  const killerOf =
    (id: string, mark: string): Execution['kill'] =>
    (name) => {
      // The mark is there as soon as the command is; until then a short while of trying.
      const script = `i=0; while [ ! -s "/dev/shm/.$1" ] && [ $i -lt 50 ]; do sleep 0.02; i=$((i+1)); done; kill -$2 "$(cat "/dev/shm/.$1")"`
      void engine()
        .getContainer(nameOf(id))
        .exec({ Cmd: ['/bin/sh', '-c', script, 'drydock-kill', mark, name.slice(3)] })
        .then((killer) => killer.start({}))
        .catch(() => {})
    }

  const execute = async (id: string, command: readonly string[], more: ExecOptions): Promise<Execution> => {
    const container = engine().getContainer(nameOf(id))
    const mark = `drydock-${process.pid}-${++execs}`
    try {
      const exec = await container.exec({
        Cmd: ['/bin/sh', '-c', EXEC, 'drydock-exec', mark, ...command],
        Env: Object.entries(more.env ?? {}).map(([key, value]) => `${key}=${value}`),
        ...(more.workdir === undefined ? {} : { WorkingDir: more.workdir }),
        ...(more.user === undefined ? {} : { User: more.user }),
        AttachStdin: more.input !== undefined,
        AttachStdout: true,
        AttachStderr: true,
      })
      const stream = await exec.start({ hijack: true, stdin: more.input !== undefined })
      if (more.input !== undefined) stream.end(more.input)
      const output = new PassThrough()
      const exit = (async () => {
        for await (const chunk of unframe(stream as unknown as AsyncIterable<Buffer>)) output.write(chunk)
      })()
        .catch(() => {})
        .then(async () => {
          output.end()
          for (;;) {
            const { ExitCode, Running } = await exec.inspect()
            if (!Running && ExitCode !== null) return toExit(ExitCode, false)
            await new Promise((done) => setTimeout(done, 10))
          }
        })
        .catch((): Exit => ({ code: 255, reason: 'lost' }))
      return {
        output,
        wait: () => exit,
        kill: killerOf(id, mark),
      }
    } catch (error) {
      throw new ComputeError('host', `Task ${id} does not run: ${messageOf(error)}`)
    }
  }

  /** The engine has terminals of its own. */
  const openTerminal = async (
    id: string,
    command: readonly string[],
    size: TerminalSize,
    more: ExecOptions,
  ): Promise<Terminal> => {
    const mark = `drydock-${process.pid}-${++execs}`
    try {
      const exec = await engine()
        .getContainer(nameOf(id))
        .exec({
          Cmd: ['/bin/sh', '-c', EXEC, 'drydock-exec', mark, ...command],
          Env: Object.entries(more.env ?? {}).map(([key, value]) => `${key}=${value}`),
          ...(more.workdir === undefined ? {} : { WorkingDir: more.workdir }),
          ...(more.user === undefined ? {} : { User: more.user }),
          ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: true },
        })
      const stream = await exec.start({ hijack: true, stdin: true, Tty: true })
      const resize = async ({ columns, rows }: TerminalSize): Promise<void> => {
        await exec.resize({ w: columns, h: rows })
      }
      await resize(size)
      const output = new PassThrough()
      stream.pipe(output)
      stream.on('error', () => output.end())
      const exit = (async (): Promise<Exit> => {
        for (;;) {
          const { ExitCode, Running } = await exec.inspect()
          if (!Running && ExitCode !== null) return toExit(ExitCode, false)
          await new Promise((done) => setTimeout(done, 100))
        }
      })().catch((): Exit => ({ code: 255, reason: 'lost' }))
      return { output, input: stream, resize, wait: () => exit, kill: killerOf(id, mark) }
    } catch (error) {
      throw new ComputeError('host', `Task ${id} does not run: ${messageOf(error)}`)
    }
  }

  const start = async (spec: TaskSpec): Promise<RunningTask> => {
    if (!/^[a-z0-9-]{1,63}$/.test(spec.id)) throw new ComputeError('host', `${spec.id} is no task id.`)
    if (spec.network !== 'host')
      throw new ComputeError('unsupported', 'The docker driver gives no addresses in a VPC; the sandbox does.')
    if (spec.privileged && privilege === undefined)
      throw new ComputeError('unsupported', 'Privileged tasks are not allowed on this server.')
    let found = await inspect(spec.id)
    if (!found) {
      await create(spec)
      found = await inspect(spec.id)
    }
    const begun = found !== undefined && found.State.Status !== 'created'
    if (!begun || (spec.kind === 'machine' && !found?.State.Running)) {
      try {
        await putFiles(spec)
        await engine().getContainer(nameOf(spec.id)).start()
      } catch (error) {
        if (statusOf(error) !== 304) throw error
      }
      found = await inspect(spec.id)
    }
    return running(spec.id, found?.State.StartedAt ?? '')
  }

  const stop = async (id: string, graceSeconds: number): Promise<void> => {
    const found = await inspect(id)
    if (!found?.State.Running) return
    const container = engine().getContainer(nameOf(id))
    const exit = exitOf(id, found.State.StartedAt)
    const send = (name: string) =>
      container.kill({ signal: name }).catch((error: unknown) => {
        // It ended by itself in the meantime.
        if (statusOf(error) !== 409 && statusOf(error) !== 404) throw error
      })
    if (graceSeconds > 0) {
      await send('SIGTERM')
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<undefined>((done) => {
        timer = setTimeout(() => done(undefined), graceSeconds * 1000)
      })
      const ended = await Promise.race([exit, late])
      clearTimeout(timer)
      if (ended) return
    }
    await send('SIGKILL')
    await exit
  }

  const remove = async (id: string): Promise<void> => {
    const docker = reach()
    if (!docker || !/^[a-z0-9-]{1,63}$/.test(id)) return
    // Those who wait are told how it ended before it is forgotten.
    await stop(id, 0)
    await docker
      .getContainer(nameOf(id))
      .remove({ force: true, v: true })
      .catch((error: unknown) => {
        if (statusOf(error) !== 404) throw error
      })
  }

  return {
    name: 'docker',
    async probe(): Promise<Capabilities> {
      const nothing = (reason: string): Capabilities => ({
        driver: 'docker',
        available: false,
        isolation: 'container',
        images: [],
        machines: false,
        addresses: false,
        peers: false,
        limits: false,
        privileged: false,
        outbound: false,
        notes: [reason],
        missing: [{ program: 'docker', adds: 'images from registries', install: 'apt-get install docker.io' }],
      })
      const docker = reach()
      if (!docker)
        return nothing('No container engine was found (DOCKER_HOST, /var/run/docker.sock, /run/podman/podman.sock).')
      try {
        const info = await docker.info()
        return {
          driver: 'docker',
          available: true,
          isolation: 'container',
          images: ['host', 'folder', 'tarball', 'docker'],
          machines: true,
          addresses: false,
          peers: false,
          limits: Boolean(info.MemoryLimit && info.CpuCfsQuota && info.PidsLimit),
          privileged: privilege !== undefined,
          outbound: false,
          notes: [
            `Engine ${info.ServerVersion} on ${info.OperatingSystem}, storage ${info.Driver}.`,
            'Containers use the network of the host: no addresses in a VPC, no packet rules, no metadata or credential doors.',
            "With the host's own system as image its system folders are read-only, and the engine has to run on this host.",
          ],
          missing: [],
        }
      } catch (error) {
        return nothing(`The container engine does not answer: ${messageOf(error)}`)
      }
    },
    fetch: async (image, credentials) => void (await prepareImage(image, credentials)),
    start: (spec) =>
      inTurn(spec.id, () =>
        start(spec).catch((error: unknown) => {
          if (error instanceof ComputeError) throw error
          throw new ComputeError('host', `${spec.id} could not be started: ${messageOf(error)}`, { cause: error })
        }),
      ),
    async attach({ id }) {
      const found = await inspect(id)
      return found && found.State.Status !== 'created' ? running(id, found.State.StartedAt) : undefined
    },
    stop: ({ id }, graceSeconds) => stop(id, graceSeconds),
    remove: ({ id }) => inTurn(id, () => remove(id)),
    endpointFor: () => endpoint(),
    async removeAll() {
      const docker = reach()
      if (!docker) return
      const own = await docker
        .listContainers({ all: true, filters: { label: [`drydock.owner=${owner}`] } })
        // An engine that does not answer runs nothing that we could end.
        .catch(() => [])
      await Promise.all(own.map(({ Labels }) => remove(Labels['drydock.task'] ?? '')))
      const images = await docker.listImages({ filters: { reference: [`drydock-${owner}`] } }).catch(() => [])
      await Promise.all(
        images.map(({ Id }) =>
          docker
            .getImage(Id)
            .remove({ force: true })
            .catch(() => {}),
        ),
      )
    },
    async close() {},
  }
}
