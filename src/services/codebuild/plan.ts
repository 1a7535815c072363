import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ComputeError, type Network, type TaskSpec } from '../../compute/driver.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import type { View } from './artifact-files.ts'
import { artifactPaths, artifactTexts } from './artifacts.ts'
import type { BuildRecord } from './build.ts'
import { type Buildspec, parseBuildspec, phaseNames } from './buildspec.ts'
import { type CachePlan, cacheFolders, restoreCache } from './cache.ts'
import { openDoor } from './credentials.ts'
import {
  builtInVariables,
  gitHelperVariables,
  imageOf,
  limitsOfBuild,
  networkOf,
  PhaseFailure,
  userVariables,
} from './environment.ts'
import { reportPaths } from './report-upload.ts'
import { outsideFolder, planRunner } from './runner.ts'
import { type Fetched, fetchSources, findBuildspec } from './source.ts'
import { accessOf, connected } from './source-access.ts'
import { takePlace } from './vpc.ts'
import { BuildspecError } from './yaml-reader.ts'

/** What a running build needs beside its record: written once, gone with the build. */
export type PlanRecord = {
  readonly id: string
  readonly nonce: string
  readonly spec: Buildspec
  readonly commands: readonly string[]
  readonly expansions: readonly string[]
  readonly sourceFolder: string
  readonly network: Network
  readonly cache?: CachePlan
  /** Sealed: the environment of the task, and what must not show in the log. */
  readonly sealed: string
}

export const Plan = table<PlanRecord>('codebuild.plan', { scope: 'region', key: ({ id }) => id })

type Sealed = { readonly env: Record<string, string>; readonly secrets: string[] }

const sealedOf = (ctx: Ctx, plan: PlanRecord): Sealed => JSON.parse(ctx.unseal(plan.sealed)) as Sealed

export const secretsOf = (ctx: Ctx, plan: PlanRecord): readonly string[] => sealedOf(ctx, plan).secrets

/**
 * A build's folder on this host: `view` is what the build sees of it, `scratch` what it does not, `abroad` holds copies of
 * artifacts from elsewhere in the build's file system.
 */
export const folders = (
  ctx: Ctx,
  build: Pick<BuildRecord, 'uuid'>,
): { all: string; view: View; abroad: View; scratch: string } => {
  const all = join(ctx.folder(), 'builds', build.uuid)
  const root = join(all, 'root')
  return {
    all,
    view: { inside: '/codebuild', outside: root },
    abroad: { inside: '', outside: join(root, outsideFolder) },
    scratch: join(all, 'scratch'),
  }
}

/** Removes a build's folder, whatever modes the build left. Tells whether it is gone: what belongs to other users stays. */
export const removeFolder = async (folder: string): Promise<boolean> => {
  const remove = () => rm(folder, { recursive: true, force: true })
  const open = async (path: string): Promise<void> => {
    await chmod(path, 0o700).catch(() => undefined)
    for (const entry of await readdir(path, { withFileTypes: true }).catch(() => []))
      if (entry.isDirectory()) await open(join(path, entry.name))
  }
  try {
    await remove().catch(() => open(folder).then(remove))
    return true
  } catch {
    return false
  }
}

/**
 * Removes a build's folder; what a build that was cut short left in the hands of other users is removed by a task, which
 * may do what the build could.
 */
export const sweep = async (ctx: Ctx, build: BuildRecord): Promise<void> => {
  const { all, view } = folders(ctx, build)
  if (await removeFolder(all)) return
  try {
    const task = await ctx.compute.start({
      id: `sweep-${build.uuid}`,
      kind: 'task',
      image: imageOf(ctx, build.environment.image),
      command: ['/bin/sh', '-c', 'rm -rf /codebuild/*'],
      env: { PATH: '/usr/bin:/bin' },
      mounts: [{ source: view.outside, target: '/codebuild', writable: true }],
      network: 'host',
    })
    await task.wait()
    await ctx.compute.remove(task.handle)
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error
  }
  if (!(await removeFolder(all))) ctx.log.warn('a build folder could not be removed', { folder: all })
}

/** Sentences for the log about what the buildspec asks for and does not get. */
const remarks = (spec: Buildspec): string[] =>
  spec.proxy ? ['Drydock starts no proxy for builds: the settings under proxy have no effect'] : []

export type Prepared = { readonly plan: PlanRecord; readonly fetched: Fetched; readonly said: readonly string[] }

/**
 * DOWNLOAD_SOURCE: fetches the sources, reads the buildspec, looks up variables and writes the runner.
 * @throws PhaseFailure with what the phase's context shows.
 */
export const prepare = async (ctx: Ctx, role: Caller, build: BuildRecord): Promise<Prepared> => {
  const { all, view, scratch } = folders(ctx, build)
  await sweep(ctx, build)
  await mkdir(all, { recursive: true, mode: 0o700 })
  await mkdir(view.outside)
  await mkdir(scratch, { mode: 0o700 })

  const network = (await takePlace(ctx, role, build))?.attachment ?? (await networkOf(ctx, build))
  const fetched = { ...(await fetchSources(ctx, role, build, view, scratch, network)), ...revisionOf(build) }
  const said = [
    `CODEBUILD_SRC_DIR=${fetched.folder}`,
    ...Object.entries(fetched.secondary).map(([id, folder]) => `CODEBUILD_SRC_DIR_${id}=${folder}`),
  ]
  const { where, text } = await findBuildspec(role, build, fetched, view, scratch)
  said.push(`YAML location is ${where}`)
  const spec = readSpec(text)
  said.push('Processing environment variables')
  const variables = await userVariables(role, build, spec)
  const helped = spec.env.gitCredentialHelper ? connected(build) : []
  const door = await openDoor(ctx, build.id, network)
  const env = {
    ...(spec.env.gitCredentialHelper ? gitHelperVariables(helped) : {}),
    ...variables.values,
    ...builtInVariables(ctx, build, fetched, network, door.variables),
  }
  const nonce = ctx.random(16)
  const runner = planRunner(
    spec,
    nonce,
    [...artifactTexts(spec), ...reportPaths(spec), ...spec.cache.paths],
    [...artifactPaths(spec), ...reportPaths(spec), ...cacheFolders(spec)],
    build.debug,
  )
  for (const { path, content, mode } of runner.files) {
    const file = join(view.outside, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content, { mode })
  }
  said.push(`Moving to directory ${fetched.folder}`, `Phases found in YAML: ${Object.keys(spec.phases).length}`)
  for (const name of phaseNames) {
    const phase = spec.phases[name]
    if (phase) said.push(` ${name}: ${phase.commands.length} commands`)
  }
  said.push(...remarks(spec))
  const cache = await restoreCache(ctx, role, build, spec, env, view, fetched.folder, scratch, said)
  const tokens = (await Promise.all(helped.map((source) => accessOf(ctx, role, source, build)))).flatMap(
    (access) => access?.token ?? [],
  )
  const sealed: Sealed = { env, secrets: [...variables.secrets, ...door.secrets, ...tokens] }
  return {
    plan: {
      id: build.id,
      nonce,
      spec,
      commands: runner.commands,
      expansions: runner.expansions,
      sourceFolder: fetched.folder,
      network,
      ...(cache ? { cache } : {}),
      sealed: ctx.seal(JSON.stringify(sealed)),
    },
    fetched,
    said,
  }
}

/** A pipeline's source is an archive: which revision it was made of only the pipeline knows, and tells by this variable. */
const revisionOf = (build: BuildRecord): { resolvedVersion?: string } => {
  const told = build.environment.environmentVariables?.find(({ name }) => name === 'CODEBUILD_RESOLVED_SOURCE_VERSION')
  return told && build.initiator.startsWith('codepipeline/') ? { resolvedVersion: told.value } : {}
}

const readSpec = (text: string): Buildspec => {
  try {
    return parseBuildspec(text)
  } catch (error) {
    if (error instanceof BuildspecError) throw new PhaseFailure('YAML_FILE_ERROR', error.message)
    throw error
  }
}

/** The task of a build: the same for the same build, so that starting it twice is starting it once. */
export const taskOf = (ctx: Ctx, build: BuildRecord, plan: PlanRecord): TaskSpec => ({
  id: `build-${build.uuid}`,
  kind: 'task',
  image: imageOf(ctx, build.environment.image),
  command: ['/bin/sh', '/codebuild/output/tmp/run.sh'],
  env: sealedOf(ctx, plan).env,
  workdir: plan.sourceFolder,
  mounts: [{ source: folders(ctx, build).view.outside, target: '/codebuild', writable: true }],
  ...limitsOfBuild(build),
  ...(build.environment.privilegedMode ? { privileged: true } : {}),
  network: plan.network,
})
