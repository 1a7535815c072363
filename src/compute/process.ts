import { spawn } from 'node:child_process'
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { PassThrough } from 'node:stream'
import type { ComputeDriver, ExecOptions, Exit, RunningTask, TaskSpec } from './driver.ts'
import { ComputeError } from './driver.ts'
import type { Life } from './sandbox/endings.ts'
import { Endings, toExit } from './sandbox/endings.ts'
import { followFile } from './sandbox/follow.ts'
import { isAlive, parseStat, quote, signal } from './sandbox/host.ts'
import { usageOf } from './sandbox/usage.ts'
import { openTerminal } from './terminal.ts'

/** The supervisor is a shell in a session of its own: it outlives the server and writes down how the command ended. */
const SUPERVISOR = `folder=$1 exit=$2
set -C
{ read -r stat < /proc/self/stat && echo "$stat" > "$folder/supervisor"; } 2> /dev/null || exit 0
set +C
sh "$folder/run.sh"
echo $? > "$exit"`

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Tasks as plain children of nobody: no isolation at all, only when asked for. There is one file system, so paths of
 * mounts and files are put in place of their targets wherever the spec names them: in the command, the environment, the
 * working directory and the files themselves. A program that makes such a path by itself does not find it.
 */
export const processDriver = (options: { folder: string; endpoint: () => string }): ComputeDriver => {
  const tasksFolder = join(options.folder, 'tasks')
  const own = (id: string) => join(tasksFolder, id)
  const lives = new Map<string, Life>()
  const settle = async (_: string, code: number | undefined): Promise<Exit> =>
    code === undefined ? { code: 255, reason: 'lost' } : toExit(code, false)
  const endings = new Endings(join(options.folder, 'exits'), settle)

  const translate = (spec: TaskSpec) => {
    const places: (readonly [string, string])[] = [
      ...(spec.mounts ?? []).map(({ source, target }) => [target, source] as const),
      ...(spec.files ?? []).map(({ path }) => [path, join(own(spec.id), 'files', path)] as const),
    ]
    places.sort(([a], [b]) => b.length - a.length)
    return (text: string) => {
      let out = ''
      for (let at = 0; at < text.length; ) {
        const place = places.find(
          ([target]) =>
            text.startsWith(target, at) &&
            !/[\w.-]/.test(text[at + target.length] ?? '/') &&
            !/[\w.-]/.test(text[at - 1] ?? '/'),
        )
        out += place ? place[1] : text[at]
        at += place ? place[0].length : 1
      }
      return out
    }
  }

  const script = async (spec: TaskSpec, command: readonly string[], more: ExecOptions = {}): Promise<string> => {
    const here = translate(spec)
    const env = Object.entries({ PATH, HOME: own(spec.id), ...spec.env, ...more.env }).filter(([name]) =>
      /^\w+$/.test(name),
    )
    const workdir = here(more.workdir ?? spec.workdir ?? own(spec.id))
    return [
      ...env.map(([name, value]) => `export ${name}=${quote(here(value))}`),
      `cd ${quote(workdir)} || exit 126`,
      `exec ${command.map((word) => quote(here(word))).join(' ')}`,
    ].join('\n')
  }

  const readSpec = async (id: string): Promise<TaskSpec | undefined> => {
    const text = await readFile(join(own(id), 'spec.json'), 'utf8').catch(() => undefined)
    return text === undefined ? undefined : (JSON.parse(text) as TaskSpec)
  }
  const supervisorOf = async (id: string) =>
    parseStat(await readFile(join(own(id), 'supervisor'), 'utf8').catch(() => ''))
  const lifeOf = async (id: string): Promise<Life | undefined> => {
    const known = lives.get(id)
    if (known) return known
    const supervisor = await supervisorOf(id)
    const ended = await readFile(endings.file(id)).catch(() => undefined)
    if (!supervisor || (!ended && !isAlive(supervisor))) return undefined
    const life = endings.expect(id, supervisor)
    lives.set(id, life)
    return life
  }

  const running = (spec: TaskSpec, life: Life): RunningTask => {
    const run = async (command: readonly string[], execOptions: ExecOptions = {}, open = false) => {
      if (life.ended) throw new ComputeError('host', `Task ${spec.id} does not run.`)
      if (execOptions.user !== undefined)
        throw new ComputeError('unsupported', 'Plain processes run as the server does.')
      const child = spawn('/bin/sh', ['-c', `exec 2>&1\n${await script(spec, command, execOptions)}`], {
        detached: true,
        stdio: ['pipe', 'pipe', 'ignore'],
        env: { PATH },
      })
      child.stdin.on('error', () => {})
      if (!open) child.stdin.end(execOptions.input ?? '')
      const output = child.stdout.pipe(new PassThrough())
      const exit = new Promise<Exit>((done) => {
        child.on('error', () => done({ code: 127, reason: 'exited' }))
        child.on('exit', (code, name) =>
          done(name ? { code: name === 'SIGKILL' ? 137 : 143, reason: 'signalled' } : toExit(code ?? 255, false)),
        )
      })
      return {
        input: child.stdin,
        output,
        wait: () => exit,
        kill: (name: 'SIGTERM' | 'SIGKILL') => {
          try {
            if (child.pid) process.kill(-child.pid, name)
          } catch {}
        },
      }
    }
    return {
      handle: { id: spec.id, driver: 'process', data: {} },
      output: (from = 0, { follow = true } = {}) =>
        followFile(join(own(spec.id), 'output'), from, follow ? life.exit : Promise.resolve()),
      wait: () => life.exit,
      usage: async () => (life.ended ? undefined : usageOf(life.supervisor.pid)),
      admit: async () => {
        throw new ComputeError('unsupported', 'Plain processes have no packet rules.')
      },
      exec: (command, execOptions) => run(command, execOptions),
      terminal: (command, size, execOptions) =>
        openTerminal(command, size, (words) => run(words, execOptions, true), run),
    }
  }

  const start = async (spec: TaskSpec): Promise<RunningTask> => {
    if (!/^[a-z0-9-]{1,63}$/.test(spec.id)) throw new ComputeError('host', `${spec.id} is no task id.`)
    if (process.platform !== 'linux')
      throw new ComputeError('unsupported', 'Plain processes are followed through /proc: Linux only.')
    if (spec.kind === 'machine' || spec.network !== 'host')
      throw new ComputeError(
        'unsupported',
        'Plain processes are tasks on the host network; machines need the sandbox or a container engine.',
      )
    if (spec.privileged) throw new ComputeError('unsupported', 'Plain processes have no privileged mode.')
    if (!('host' in spec.image))
      throw new ComputeError('unsupported', "Plain processes know only the host's own system, no images.")
    const kept = await readSpec(spec.id)
    const life = kept && (await lifeOf(spec.id))
    if (kept && life) return running(kept, life)
    await mkdir(own(spec.id), { recursive: true, mode: 0o700 })
    await mkdir(endings.folder, { recursive: true })
    await rm(join(own(spec.id), 'supervisor'), { force: true })
    const here = translate(spec)
    for (const { path, content, mode } of spec.files ?? []) {
      const file = join(own(spec.id), 'files', posix.resolve('/', path))
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, here(content), { mode: mode ?? 0o644 })
    }
    await writeFile(join(own(spec.id), 'run.sh'), await script(spec, spec.command), { mode: 0o600 })
    await writeFile(join(own(spec.id), 'spec.json'), JSON.stringify(spec), { mode: 0o600 })
    const output = await open(join(own(spec.id), 'output'), 'a', 0o600)
    const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'drydock-task', own(spec.id), endings.file(spec.id)], {
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      env: { PATH },
      cwd: '/',
    })
    child.on('error', () => {})
    child.on('exit', () => endings.check(spec.id))
    child.unref()
    await output.close()
    for (let tries = 0; tries < 500; tries++) {
      const begun = await lifeOf(spec.id)
      if (begun) return running(spec, begun)
      await new Promise((done) => setTimeout(done, 4))
    }
    throw new ComputeError('host', `${spec.id} did not start.`)
  }

  const stop = async (id: string, graceSeconds: number) => {
    const life = await lifeOf(id)
    if (!life || life.ended) return
    const children = await readFile(`/proc/${life.supervisor.pid}/task/${life.supervisor.pid}/children`, 'utf8').catch(
      () => '',
    )
    if (graceSeconds > 0) {
      for (const pid of children.trim().split(' ').filter(Boolean))
        try {
          process.kill(Number(pid), 'SIGTERM')
        } catch {}
      let timer: NodeJS.Timeout | undefined
      const late = new Promise((done) => {
        timer = setTimeout(done, graceSeconds * 1000)
      })
      await Promise.race([life.exit, late])
      clearTimeout(timer)
    }
    if (life.ended) return
    // The supervisor goes too, and leaves no status: whoever asked for the end knows it.
    await writeFile(endings.file(id), '137\n')
    signal(life.supervisor, 'SIGKILL', true)
    await life.exit
  }

  const turns = new Map<string, Promise<unknown>>()
  const inTurn = <T>(id: string, body: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(id) ?? Promise.resolve()).then(body, body)
    turns.set(id, turn)
    return turn
  }
  const remove = async (id: string) => {
    await stop(id, 0)
    lives.delete(id)
    turns.delete(id)
    await rm(own(id), { recursive: true, force: true })
    await rm(endings.file(id), { force: true })
  }

  return {
    name: 'process',
    async probe() {
      return {
        driver: 'process',
        available: process.platform === 'linux',
        isolation: 'none',
        images: ['host'],
        machines: false,
        addresses: false,
        peers: false,
        limits: false,
        privileged: false,
        outbound: false,
        notes: [
          'NO ISOLATION: tasks are plain processes of this user and see, read and change all that this user may.',
          'Paths of mounts and files are replaced by their places on the host where the task names them, and nowhere else. No machines, no limits.',
        ],
        missing: [],
      }
    },
    start: (spec) => inTurn(spec.id, () => start(spec)),
    async attach({ id }) {
      const spec = await readSpec(id)
      const life = spec && (await lifeOf(id))
      return spec && life && running(spec, life)
    },
    stop: ({ id }, graceSeconds) => stop(id, graceSeconds),
    remove: ({ id }) => (/^[a-z0-9-]{1,63}$/.test(id) ? inTurn(id, () => remove(id)) : Promise.resolve()),
    endpointFor: () => options.endpoint(),
    async removeAll() {
      for (const id of await readdir(tasksFolder).catch(() => [])) await inTurn(id, () => remove(id))
    },
    async close() {
      endings.close()
    },
  }
}
