import type { Usage } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { vendedMetrics } from '../capabilities.ts'
import { Build, type BuildRecord } from './build.ts'
import { limitsOfBuild } from './environment.ts'

// AWS documentation: "CodeBuild CloudWatch resource utilization metrics", "CodeBuild CloudWatch dimensions".

/** Samples of a build are this far apart, in milliseconds: four of them make a minute's data point. */
const interval = 15_000

/** AWS counts a processor as so many CPU units. */
const unitsOfProcessor = 1024

/** What a build had used when it was last looked at (milliseconds). */
type Sample = { readonly id: string; readonly at: number } & Pick<Usage, 'cpuSeconds' | 'storage'>
export const Sample = table<Sample>('codebuild.sample', { scope: 'region', key: ({ id }) => id })

/** What a task has used when it begins. */
const nothing = { cpuSeconds: 0, storage: { readBytes: 0, writtenBytes: 0 } }

const reconciler = 'codebuild.usage'

/** Begins to measure a build whose task has started. */
export const measure = (tx: WriteTx, build: Pick<BuildRecord, 'id' | 'managed'>): void => {
  if (!build.managed) tx.wake(reconciler, build.id, { in: interval })
}

/** Measures builds while they run, and publishes what they use: for the build, its project and the account. */
export const usageRun: Reconciler = {
  name: reconciler,
  step: async (ctx, id) => {
    const [build, last] = await ctx.read((tx) => Promise.all([tx.get(Build, id), tx.get(Sample, id)]))
    const run = build?.stage === 'running' ? build.run : undefined
    const usage = run && (await (await ctx.compute.attach(run.task))?.usage())
    if (!build || !usage) {
      if (last) await ctx.write(async (tx) => tx.delete(Sample, id))
      return done()
    }
    const { memoryBytes, ...counted } = usage
    const sample: Sample = { id, at: ctx.now().getTime(), ...counted }
    const before = last ?? { ...nothing, id, at: run.began }
    await ctx.write(async (tx) => tx.put(Sample, sample))
    if (before.at < sample.at) await publish(ctx, build, before, sample, memoryBytes)
    return again({ in: interval })
  },
}

const publish = async (ctx: Ctx, build: BuildRecord, before: Sample, now: Sample, memoryBytes: number) => {
  const seconds = (now.at - before.at) / 1000
  // Of a process that ends in the moment it is looked at, its parent may not know yet.
  const rate = (from: number, to: number) => Math.max(0, to - from) / seconds
  const cpus = rate(before.cpuSeconds, now.cpuSeconds)
  const memory = memoryBytes / 2 ** 20
  const { limits } = limitsOfBuild(build)
  const percent = (used: number, allocated: number | undefined) => (allocated ? (used / allocated) * 100 : undefined)
  const storage = (name: 'readBytes' | 'writtenBytes') =>
    before.storage && now.storage ? rate(before.storage[name], now.storage[name]) : undefined
  const facts: readonly (readonly [name: string, value: number | undefined, unit: string])[] = [
    // There is no unit of CloudWatch's for CPU units.
    ['CPUUtilized', cpus * unitsOfProcessor, 'None'],
    ['CPUUtilizedPercent', percent(cpus, limits?.cpus), 'Percent'],
    ['MemoryUtilized', memory, 'Megabytes'],
    ['MemoryUtilizedPercent', percent(memory, limits?.memoryMiB), 'Percent'],
    ['StorageReadBytes', storage('readBytes'), 'Bytes/Second'],
    ['StorageWriteBytes', storage('writtenBytes'), 'Bytes/Second'],
  ]
  const project = { ProjectName: build.project }
  const whose: readonly Record<string, string>[] = [
    { ...project, BuildId: build.id, BuildNumber: String(build.number) },
    project,
    {},
  ]
  const time = new Date(now.at)
  await ctx.use(vendedMetrics).put(
    ctx.place,
    'AWS/CodeBuild',
    whose.flatMap((dimensions) =>
      facts.flatMap(([name, value, unit]) => (value === undefined ? [] : [{ name, value, unit, dimensions, time }])),
    ),
  )
}
