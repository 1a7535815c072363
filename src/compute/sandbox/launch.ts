import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, open, realpath, stat, writeFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import type { ExecOptions, TaskSpec } from '../driver.ts'
import { ComputeError } from '../driver.ts'
import type { Rights } from './host.ts'
import { quote } from './host.ts'
import type { Layers, Mounted } from './rootfs.ts'
import { lockedOptions, resolveInside } from './rootfs.ts'

/**
 * How a task comes to life, outermost first:
 *
 *   supervisor  a shell of the host, its own session: outlives the server, writes down how the task ended
 *   unshare     makes the namespaces
 *   setup       a shell of the host, process 1 inside: mounts, files, network; then drops rights and changes root
 *   init        the image's own shell, still process 1: starts the command, reaps, hands on SIGTERM
 *
 * No program of the guest runs before the rights are dropped, and no path that a guest can change is followed from
 * outside: `resolveInside` has looked at every one.
 */
export const SUPERVISOR = `folder=$1 exit=$2 groups=$3; shift 3
read -r stat < /proc/self/stat
set -C
{ echo "$stat" > "$folder/supervisor"; } 2> /dev/null || exit 0
set +C
for group in $groups; do echo $$ > "$group/cgroup.procs" || exit 1; done
"$@" 2> "$folder/setup.err"
echo $? > "$exit"`

/** What root inside may still do: ordinary things in its own file system, nothing to mounts, devices, network, kernel. */
const KEPT = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'setfcap',
  'sys_chroot',
  'audit_write',
]

/** `setpriv` and its options. Tasks may not gain rights by set-user-id programs; machines may, they have users. */
export const dropRights = (spec: TaskSpec): readonly string[] => [
  'setpriv',
  // A port below 1024 of the host's network is the host's.
  `--bounding-set=-all,${[...KEPT, ...(spec.network === 'host' ? [] : ['net_bind_service'])].map((name) => `+${name}`).join(',')}`,
  '--inh-caps=-all',
  '--ambient-caps=-all',
  ...(spec.kind === 'task' ? ['--no-new-privs'] : []),
]

const BASE_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' }
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Shell lines that set the environment, and the words before a command for names that a shell cannot have. */
const environment = (env: Readonly<Record<string, string>>) => {
  const all = Object.entries({ ...BASE_ENV, ...env })
  const odd = all.filter(([name]) => !SHELL_NAME.test(name))
  return {
    exports: all.filter(([name]) => SHELL_NAME.test(name)).map(([name, value]) => `export ${name}=${quote(value)}`),
    prefix: odd.length > 0 ? `env ${odd.map(([name, value]) => quote(`${name}=${value}`)).join(' ')} ` : '',
  }
}

/** The first program inside: process 1. */
export const initScript = (spec: TaskSpec): string => {
  const { exports, prefix } = environment(spec.env)
  return `${[
    // Rights are dropped and the root is changed: the start has succeeded, what follows is the task's own.
    'echo ready >&3',
    'exec 2>&1 3>&-',
    ...exports,
    `cd ${quote(spec.workdir ?? '/')} || exit 126`,
    'child= term=',
    // It may come before the command's number is known.
    `trap 'term=1; [ -z "$child" ] || kill -TERM "$child" 2> /dev/null' TERM`,
    `${prefix}${spec.command.map(quote).join(' ')} &`,
    'child=$!',
    '[ -z "$term" ] || kill -TERM "$child" 2> /dev/null',
    // What this shell has to say (Terminated) is not the command's output.
    'exec > /dev/null 2>&1',
    'while :; do wait "$child"; code=$?; kill -0 "$child" 2> /dev/null || break; done',
    'exit "$code"',
  ].join('\n')}\n`
}

/** What `exec` runs inside. */
export const execScript = (spec: TaskSpec, command: readonly string[], options: ExecOptions): string => {
  const { exports, prefix } = environment({ ...spec.env, ...options.env })
  return [
    'exec 2>&1',
    ...exports,
    `cd ${quote(options.workdir ?? spec.workdir ?? '/')} || exit 126`,
    `exec ${prefix}${command.map(quote).join(' ')}`,
  ].join('\n')
}

/** A line of fstab; white space in paths as octal. */
const fstab = (source: string, target: string, type: string, options: readonly string[]) => {
  const octal = (text: string) =>
    text.replace(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return `${octal(source)} ${octal(target)} ${type} ${octal(options.join(','))} 0 0\n`
}

const overlayPath = (path: string) => {
  if (/[:,"\\]/.test(path)) throw new ComputeError('host', `A path of an overlay may not contain : , " or \\: ${path}`)
  return path
}

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
/** Parts of /proc that act on the whole host; real root could write or read them. */
const PROC_READ_ONLY = ['sys', 'irq', 'bus', 'fs', 'sysrq-trigger']
const PROC_HIDDEN = ['kcore', 'keys', 'key-users', 'kmsg', 'kallsyms', 'timer_list', 'latency_stats', 'sched_debug']

/** The layers of a task with its own writable folders on top. */
export const mountedLayers = (folder: string, layers: Layers): readonly Mounted[] =>
  layers.map(({ at, lower }, index) => ({ at, stack: [join(folder, 'upper', String(index)), ...lower] }))

/** Everything but the host's own mounts: shared by all tasks of a driver, placeholders for devices. */
export const makeDeviceFolder = async (folder: string): Promise<string> => {
  const dev = join(folder, 'dev')
  if (existsSync(join(dev, 'ptmx'))) return dev
  const { symlink } = await import('node:fs/promises')
  await mkdir(join(dev, 'pts'), { recursive: true })
  await mkdir(join(dev, 'shm'), { recursive: true })
  for (const name of DEVICES) await writeFile(join(dev, name), '', { mode: 0o666 })
  for (const [name, target] of [
    ['fd', '/proc/self/fd'],
    ['stdin', '/proc/self/fd/0'],
    ['stdout', '/proc/self/fd/1'],
    ['stderr', '/proc/self/fd/2'],
    ['ptmx', 'pts/ptmx'],
  ] as const)
    await symlink(target, join(dev, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  return dev
}

export type LaunchParts = {
  /** The task's own folder. */
  readonly folder: string
  readonly spec: TaskSpec
  readonly rights: Rights
  readonly layers: Layers
  /** False where the host refuses overlays: the root is then a copy, the system folders are read-only. */
  readonly overlay: boolean
  readonly devices: string
  /** Files the driver itself puts there: hosts, resolv.conf. */
  readonly files: NonNullable<TaskSpec['files']>
  /** Shell lines that plug the task into its network, run inside before rights are dropped. */
  readonly network: readonly string[]
}

/** Writes all that the setup shell needs into the task's folder. Returns the path of its script. */
export const prepareLaunch = async (parts: LaunchParts): Promise<string> => {
  const { folder, spec, rights, layers, overlay, devices } = parts
  const root = join(folder, 'root')
  const mounted = overlay
    ? mountedLayers(folder, layers)
    : layers.map(({ at, lower }, index) => ({ at, stack: index === 0 ? [root] : lower }))
  await mkdir(root, { recursive: true })
  const place = async (path: string) => join(root, await resolveInside(mounted, path))

  let first = ''
  for (const [index, { at, lower }] of layers.entries()) {
    const upper = join(folder, 'upper', String(index))
    const work = join(folder, 'work', String(index))
    if (overlay) {
      await mkdir(upper, { recursive: true })
      await mkdir(work, { recursive: true })
      first += fstab('overlay', await place(at), 'overlay', [
        `lowerdir=${lower.map(overlayPath).join(':')}`,
        `upperdir=${overlayPath(upper)}`,
        `workdir=${overlayPath(work)}`,
        'nodev',
        ...(rights === 'root' ? [] : ['userxattr']),
      ])
    } else if (index === 0) first += fstab(root, root, 'none', ['bind', 'nodev'])
    else first += fstab(lower.at(-1) ?? '', await place(at), 'none', ['bind', 'ro', 'nodev'])
  }
  const proc = await place('/proc')
  const dev = await place('/dev')
  const second: string[] = [
    fstab('proc', proc, 'proc', ['nosuid', 'noexec', 'nodev']),
    fstab(devices, dev, 'none', ['bind', 'ro', ...(await lockedOptions(devices))]),
    fstab('devpts', `${dev}/pts`, 'devpts', ['newinstance', 'ptmxmode=0666', 'mode=620', 'nosuid', 'noexec']),
    fstab('tmpfs', `${dev}/shm`, 'tmpfs', ['mode=1777', 'nosuid', 'nodev']),
    ...DEVICES.map((name) => fstab(`/dev/${name}`, `${dev}/${name}`, 'none', ['bind'])),
  ]
  if (rights === 'root') {
    const kept = ['nosuid', 'noexec', 'nodev']
    for (const name of PROC_READ_ONLY.filter((one) => existsSync(`/proc/${one}`)))
      second.push(fstab(`${proc}/${name}`, `${proc}/${name}`, 'none', ['bind', 'ro', ...kept]))
    for (const name of PROC_HIDDEN.filter((one) => existsSync(`/proc/${one}`)))
      second.push(fstab('/dev/null', `${proc}/${name}`, 'none', ['bind']))
  }

  const folders = [proc, dev, await place('/tmp')]
  const touched: string[] = []
  for (const { source, target, writable } of spec.mounts ?? []) {
    const real = await realpath(source).catch(() => undefined)
    if (!real) throw new ComputeError('host', `There is no ${source} to mount at ${target}.`)
    const at = await place(target)
    if ((await stat(real)).isDirectory()) folders.push(at)
    else {
      folders.push(posix.dirname(at))
      touched.push(at)
    }
    const locked = rights === 'root' ? [] : await lockedOptions(real)
    const bind = rights === 'root' ? 'bind' : 'rbind'
    second.push(fstab(real, at, 'none', writable ? [bind, ...locked] : [bind, 'ro', ...locked]))
  }
  if (spec.workdir) folders.push(await place(spec.workdir))

  const files = new Map([...parts.files, ...(spec.files ?? [])].map((file) => [file.path, file]))
  const archive = pack()
  for (const { path, content, mode } of files.values()) {
    const at = await place(path)
    archive.entry({ name: posix.relative(root, at), mode: mode ?? 0o644, uid: 0, gid: 0, mtime: new Date() }, content)
  }
  archive.finalize()
  await pipeline(archive, createWriteStream(join(folder, 'files.tar'), { mode: 0o600 }))

  await writeFile(join(folder, 'fstab.root'), first)
  await writeFile(join(folder, 'fstab.rest'), second.join(''))
  await writeFile(join(folder, 'init.sh'), initScript(spec), { mode: 0o600 })
  const inFolder = (name: string) => quote(join(folder, name))
  const setup = [
    'set -e',
    'umask 022',
    'read -r stat < /proc/self/stat',
    `echo "$stat" > ${inFolder('init')}`,
    ...(overlay || existsSync(join(root, 'etc')) ? [] : [`cp -a ${quote(layers[0]?.lower[0] ?? '')}/. ${quote(root)}`]),
    // No -n would have mount keep its own table of what it did, in the host's /run.
    `mount -n -a -T ${inFolder('fstab.root')}`,
    `mkdir -p ${[...new Set(folders)].map(quote).join(' ')}`,
    ...touched.map((path) => `[ -e ${quote(path)} ] || : > ${quote(path)}`),
    ...(files.size > 0 ? [`tar -x -p --no-overwrite-dir -C ${quote(root)} -f ${inFolder('files.tar')}`] : []),
    `mount -n -a -T ${inFolder('fstab.rest')}`,
    // Only real root may write the file; only `hostname` knows the system call that root inside may make.
    ...(spec.hostname
      ? [
          `{ echo ${quote(spec.hostname)} > /proc/sys/kernel/hostname; } 2> /dev/null || hostname ${quote(spec.hostname)}`,
        ]
      : []),
    ...parts.network,
    `exec < ${inFolder('init.sh')}`,
    `cd ${quote(root)}`,
    'mount -n --move . /',
    `exec ${dropRights(spec).join(' ')} chroot . /bin/sh -s`,
  ]
  const script = join(folder, 'setup.sh')
  await writeFile(script, `${setup.join('\n')}\n`, { mode: 0o600 })
  // Made here so that followers find it before the first byte.
  await (await open(join(folder, 'output'), 'a', 0o600)).close()
  return script
}
