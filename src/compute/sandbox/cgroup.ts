import { existsSync, readFileSync } from 'node:fs'
import { access, constants, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TaskSpec } from '../driver.ts'

/** How this host counts memory, processor time and processes, as far as we may use it. `undefined` parts are not enforced. */
export type Cgroups = {
  readonly version: 1 | 2
  /** Folder below which ours are made, per controller (one for all in version 2). */
  readonly memory: string | undefined
  readonly cpu: string | undefined
  readonly pids: string | undefined
}

const ROOT = '/sys/fs/cgroup'
const writable = (path: string) =>
  access(path, constants.W_OK).then(
    () => true,
    () => false,
  )

/** Looks which limits can be enforced: root always where controllers exist, an ordinary user where systemd delegated them. */
export const findCgroups = async (): Promise<Cgroups | undefined> => {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) {
    const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
    // A group with processes in it cannot pass controllers on: ours are made beside our own, below its parent.
    for (const parent of [join(ROOT, own, '..'), join(ROOT, own), ROOT]) {
      if (!parent.startsWith(ROOT) || !(await writable(join(parent, 'cgroup.procs')))) continue
      const passed = await readFile(join(parent, 'cgroup.subtree_control'), 'utf8').catch(() => '')
      const has = (name: string) => passed.split(/\s+/).includes(name)
      if (!has('memory') && !has('cpu') && !has('pids')) continue
      const at = (name: string) => (has(name) ? parent : undefined)
      return { version: 2, memory: at('memory'), cpu: at('cpu'), pids: at('pids') }
    }
    return undefined
  }
  const own = readFileSync('/proc/self/cgroup', 'utf8')
  const at = async (controller: string) => {
    const path = own
      .split('\n')
      .find((line) => line.split(':')[1]?.split(',').includes(controller))
      ?.split(':')[2]
    for (const folder of path === undefined ? [] : [join(ROOT, controller, path), join(ROOT, controller)])
      if (await writable(join(folder, 'cgroup.procs'))) return folder
    return undefined
  }
  const [memory, cpu, pids] = await Promise.all(['memory', 'cpu', 'pids'].map(at))
  return memory || cpu || pids ? { version: 1, memory, cpu, pids } : undefined
}

/** Makes a task's groups and returns their folders: whoever writes its process id to their `cgroup.procs` is limited. */
export const makeGroups = async (
  cgroups: Cgroups | undefined,
  name: string,
  limits: NonNullable<TaskSpec['limits']>,
): Promise<readonly string[]> => {
  if (!cgroups) return []
  const made = new Set<string>()
  const set = async (parent: string | undefined, file: string, value: string, optional = false) => {
    if (!parent) return
    const folder = join(parent, name)
    await mkdir(folder, { recursive: true })
    made.add(folder)
    await writeFile(join(folder, file), value).catch((error: Error) => {
      if (!optional) throw error
    })
  }
  const { memoryMiB, cpus, processes } = limits
  if (cgroups.version === 2) {
    if (memoryMiB) {
      await set(cgroups.memory, 'memory.max', String(memoryMiB * 2 ** 20))
      await set(cgroups.memory, 'memory.swap.max', '0', true)
    }
    if (cpus) await set(cgroups.cpu, 'cpu.max', `${Math.round(cpus * 100_000)} 100000`)
  } else {
    if (memoryMiB) {
      await set(cgroups.memory, 'memory.limit_in_bytes', String(memoryMiB * 2 ** 20))
      await set(cgroups.memory, 'memory.memsw.limit_in_bytes', String(memoryMiB * 2 ** 20), true)
    }
    if (cpus) await set(cgroups.cpu, 'cpu.cfs_quota_us', String(Math.max(1000, Math.round(cpus * 100_000))))
  }
  if (processes) await set(cgroups.pids, 'pids.max', String(processes))
  return [...made]
}

/** True when the kernel ended a process of the group for want of memory. */
export const ranOutOfMemory = async (groups: readonly string[]): Promise<boolean> => {
  for (const group of groups)
    for (const file of ['memory.events', 'memory.oom_control']) {
      const text = await readFile(join(group, file), 'utf8').catch(() => '')
      if (/^oom_kill [1-9]/m.test(text)) return true
    }
  return false
}

export const removeGroups = async (groups: readonly string[]): Promise<void> => {
  for (const group of groups) await rmdir(group).catch(() => {})
}
