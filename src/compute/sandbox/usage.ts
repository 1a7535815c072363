import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Usage } from '../driver.ts'

/** Processor time in /proc/PID/stat is counted in hundredths of a second, on every architecture (proc(5)). */
const TICKS = 100

const textOf = (file: string) => readFile(file, 'utf8').catch(() => '')
const numberIn = (text: string, pattern: RegExp): number | undefined => {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** So many at a time: whoever starts ten thousand processes shall not open ten thousand files here. */
const mapped = async <T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = []
  for (let at = 0; at < items.length; at += 16) results.push(...(await Promise.all(items.slice(at, at + 16).map(read))))
  return results
}

type Counted = { readonly ticks: number; readonly memory: number; readonly read?: number; readonly written?: number }

/** A process and the children it has waited for; its memory is its share of what it has in common with others. */
const count = async (pid: number, withMemory: boolean): Promise<Counted> => {
  const [stat, io, shared] = await Promise.all([
    textOf(`/proc/${pid}/stat`),
    textOf(`/proc/${pid}/io`),
    withMemory ? textOf(`/proc/${pid}/smaps_rollup`) : '',
  ])
  const fields = stat.replace(/^.*\) /s, '').split(' ')
  const [read, written] = [numberIn(io, /^read_bytes: (\d+)/m), numberIn(io, /^write_bytes: (\d+)/m)]
  return {
    ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0),
    memory: (numberIn(shared, /^Pss:\s+(\d+) kB/m) ?? 0) * 1024,
    ...(read === undefined || written === undefined ? {} : { read, written }),
  }
}

const childrenOf = async (pid: number): Promise<readonly number[]> => {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists: string[] = []
  for (const thread of threads) lists.push(await textOf(`/proc/${pid}/task/${thread}/children`))
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}

/** Memory of a control group without files that nobody uses now, as container engines count it. */
const groupMemory = async (groups: readonly string[]): Promise<number | undefined> => {
  for (const group of groups) {
    const used = (await textOf(join(group, 'memory.current'))) || (await textOf(join(group, 'memory.usage_in_bytes')))
    if (!used) continue
    const idle = numberIn(await textOf(join(group, 'memory.stat')), /^(?:total_)?inactive_file (\d+)/m)
    return Math.max(0, Number(used) - (idle ?? 0))
  }
  return undefined
}

/**
 * What the process tree below `pid` used since its start: memory as its control group counts it where it has one. What a
 * process used is counted on by who waits for it, so that the tree's sum loses nothing of those that have ended.
 */
export const usageOf = async (pid: number, groups: readonly string[] = []): Promise<Usage | undefined> => {
  // It has just ended, or the kernel was built without these lists: the first process alone would tell next to nothing.
  if (!existsSync(`/proc/${pid}/task/${pid}/children`)) return undefined
  const memory = await groupMemory(groups)
  const counted: Counted[] = []
  // Parents first: a child that ends meanwhile is missed this once, never counted twice.
  for (let level: readonly number[] = [pid]; level.length > 0; ) {
    counted.push(...(await mapped(level, (one) => count(one, memory === undefined))))
    level = (await mapped(level, childrenOf)).flat()
  }
  const sum = (of: (one: Counted) => number | undefined) => counted.reduce((all, one) => all + (of(one) ?? 0), 0)
  return {
    cpuSeconds: sum(({ ticks }) => ticks) / TICKS,
    memoryBytes: memory ?? sum((one) => one.memory),
    ...(counted[0]?.read === undefined
      ? {}
      : { storage: { readBytes: sum(({ read }) => read), writtenBytes: sum(({ written }) => written) } }),
  }
}
