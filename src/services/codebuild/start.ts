import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type Table, table, type WriteTx } from '../../store/store.ts'
import { Build, type BuildRecord, beginPhase, emitChanges, endPhase, getBuild, toBuild } from './build.ts'
import { Fleet, fleetNameOf } from './fleet.ts'
import { fail, type Input, type Operation } from './operation.ts'
import {
  type Artifacts,
  checkArtifacts,
  checkCache,
  checkEnvironment,
  checkLogsConfig,
  checkRole,
  checkSecondaryArtifacts,
  checkSecondarySources,
  checkSource,
  type Environment,
  type EnvironmentVariable,
  getProject,
  isGit,
  Project,
  type ProjectRecord,
  projectArn,
  type Source,
} from './project.ts'

/** How long an idempotency token counts, in milliseconds. */
const tokenLife = 5 * 60_000

type TokenRecord = { readonly token: string; readonly digest: string; readonly build: string; readonly expires: number }
export const Token = table<TokenRecord>('codebuild.token', { scope: 'region', key: ({ token }) => token })

/** The reconciler that carries builds out. */
export const buildReconciler = 'codebuild.build'

/** The reconciler that carries batches out. */
export const batchReconciler = 'codebuild.batch'

const invalid = (message: string) => fail('InvalidInputException', message)

/** Who started it, as `initiator` and `CODEBUILD_INITIATOR` show it. */
export const initiatorOf = (ctx: Ctx): string => {
  const { principal } = ctx
  if (
    principal.session?.invokedBy === 'codepipeline.amazonaws.com' ||
    ctx.request.invokedBy === 'codepipeline.amazonaws.com'
  )
    return `codepipeline/${principal.sessionName ?? ''}`
  if (principal.kind === 'root') return 'root'
  const name = principal.name ?? principal.id
  return principal.sessionName ? `${name}/${principal.sessionName}` : name
}

/** What of StartBuild's input this CodeBuild does not do: refused, never ignored. */
export const refuse = (input: Omit<Input<'StartBuild'>, 'projectName'>): void => {
  if (input.certificateOverride) throw notImplemented('certificateOverride')
  if (input.hostKernelOverride) throw notImplemented('hostKernelOverride')
}

const sourceOf = (project: ProjectRecord, input: Input<'StartBuild'>): Source => {
  const { buildspec, location, gitCloneDepth, reportBuildStatus, ...source } = project.source
  const type = input.sourceTypeOverride ?? source.type
  const otherPlace = input.sourceTypeOverride !== undefined && input.sourceTypeOverride !== source.type
  const at = input.sourceLocationOverride ?? (otherPlace ? undefined : location)
  const spec = input.buildspecOverride ?? buildspec
  // A source of another kind has nobody to be told.
  const reports = input.reportBuildStatusOverride ?? (isGit(type) ? reportBuildStatus : undefined)
  const depth = input.gitCloneDepthOverride ?? gitCloneDepth
  return {
    ...source,
    type,
    ...(at === undefined ? {} : { location: at }),
    ...(spec ? { buildspec: spec } : {}),
    ...(depth === undefined ? {} : { gitCloneDepth: depth }),
    ...(reports === undefined ? {} : { reportBuildStatus: reports }),
    ...(input.sourceAuthOverride ? { auth: input.sourceAuthOverride } : {}),
    ...(input.insecureSslOverride === undefined ? {} : { insecureSsl: input.insecureSslOverride }),
    ...(input.gitSubmodulesConfigOverride ? { gitSubmodulesConfig: input.gitSubmodulesConfigOverride } : {}),
    ...(input.buildStatusConfigOverride ? { buildStatusConfig: input.buildStatusConfigOverride } : {}),
  }
}

const merged = (base: readonly EnvironmentVariable[], over: readonly EnvironmentVariable[]): EnvironmentVariable[] => {
  const all = new Map([...base, ...over].map((variable) => [variable.name, variable]))
  return [...all.values()].map((variable) => ({ ...variable, type: variable.type ?? 'PLAINTEXT' }))
}

const environmentOf = ({ environment }: ProjectRecord, input: Input<'StartBuild'>): Environment => ({
  ...environment,
  type: input.environmentTypeOverride ?? environment.type,
  image: input.imageOverride ?? environment.image,
  computeType: input.computeTypeOverride ?? environment.computeType,
  privilegedMode: input.privilegedModeOverride ?? environment.privilegedMode ?? false,
  imagePullCredentialsType:
    input.imagePullCredentialsTypeOverride ?? environment.imagePullCredentialsType ?? 'CODEBUILD',
  ...(input.fleetOverride ? { fleet: input.fleetOverride } : {}),
  ...(input.registryCredentialOverride ? { registryCredential: input.registryCredentialOverride } : {}),
  environmentVariables: merged(environment.environmentVariables ?? [], input.environmentVariablesOverride ?? []),
})

const artifactsOf = (artifacts: Artifacts, project: string): Artifacts =>
  artifacts.type === 'S3'
    ? {
        ...artifacts,
        name: artifacts.name ?? project,
        packaging: artifacts.packaging ?? 'NONE',
        namespaceType: artifacts.namespaceType ?? 'NONE',
      }
    : artifacts

export type Settings = Omit<
  BuildRecord,
  'id' | 'uuid' | 'number' | 'created' | 'status' | 'phases' | 'stored' | 'exported' | 'stage' | 'logging' | 'reports'
>

export const settingsOf = (ctx: Ctx, project: ProjectRecord, input: Input<'StartBuild'>): Settings => {
  const source = sourceOf(project, input)
  const artifacts = artifactsOf(input.artifactsOverride ?? project.artifacts, project.name)
  const secondarySources = input.secondarySourcesOverride ?? project.secondarySources
  const secondaryArtifacts = (input.secondaryArtifactsOverride ?? project.secondaryArtifacts).map((one) =>
    artifactsOf(one, project.name),
  )
  const environment = environmentOf(project, input)
  const logsConfig = input.logsConfigOverride ?? project.logsConfig
  const all = [source, ...secondarySources]
  if (all.some(({ type }) => type === 'CODEPIPELINE'))
    throw invalid(
      `Project ${project.name} has the source type CODEPIPELINE: its builds are started by CodePipeline, or with a source type override`,
    )
  if ([artifacts, ...secondaryArtifacts].some(({ type }) => type === 'CODEPIPELINE'))
    throw invalid('Invalid artifacts: artifact type CODEPIPELINE must be used together with source type CODEPIPELINE')
  checkSource(source, 'project source')
  if (source.type === 'NO_SOURCE' && !source.buildspec)
    throw invalid('Invalid project source: a buildspec is required if source type is NO_SOURCE')
  const initiator = initiatorOf(ctx)
  checkSecondarySources(secondarySources, initiator.startsWith('codepipeline/') ? /^[A-Za-z0-9_-]{1,128}$/ : undefined)
  checkArtifacts(artifacts)
  checkSecondaryArtifacts(secondaryArtifacts)
  checkEnvironment(environment)
  checkLogsConfig(logsConfig)
  const cache = input.cacheOverride ?? project.cache
  checkCache(cache, environment)
  const sourceVersion = input.sourceVersion || (input.sourceTypeOverride ? undefined : project.sourceVersion)
  const limit = input.autoRetryLimitOverride ?? project.autoRetryLimit ?? 0
  if (limit < 0) throw invalid('Invalid autoRetryLimit: must not be negative')
  return {
    project: project.name,
    initiator,
    source,
    secondarySources,
    secondarySourceVersions: input.secondarySourcesVersionOverride ?? project.secondarySourceVersions,
    ...(sourceVersion ? { sourceVersion } : {}),
    artifacts,
    secondaryArtifacts,
    cache,
    ...(project.cacheId ? { cacheId: project.cacheId } : {}),
    environment,
    serviceRole: input.serviceRoleOverride ?? project.serviceRole,
    ...(logsConfig ? { logsConfig } : {}),
    ...(project.vpcConfig ? { vpcConfig: project.vpcConfig } : {}),
    timeoutInMinutes: input.timeoutInMinutesOverride ?? project.timeoutInMinutes,
    queuedTimeoutInMinutes: input.queuedTimeoutInMinutesOverride ?? project.queuedTimeoutInMinutes,
    encryptionKey: input.encryptionKeyOverride ?? project.encryptionKey,
    ...(input.debugSessionEnabled ? { debug: true } : {}),
    ...(limit > 0 ? { autoRetry: { limit, number: 0 } } : {}),
  }
}

/** A new build of these settings, submitted and queued, its reconciler woken. */
export const submit = async (ctx: Ctx, tx: WriteTx, settings: Settings): Promise<BuildRecord> => {
  if (settings.managed) return enqueue(ctx, tx, settings, 1)
  const project = await tx.get(Project, settings.project)
  if (!project) throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, settings.project)}`)
  const limit = project.concurrentBuildLimit
  if (limit !== undefined) {
    const active = await tx.list(Build, { index: 'active', equals: project.name, limit })
    if (active.length >= limit)
      throw fail(
        'AccountLimitExceededException',
        `Cannot have more than ${limit} concurrent builds for the project ${project.name}`,
      )
  }
  const fleet = settings.environment.fleet?.fleetArn
  if (fleet && !(await tx.get(Fleet, fleetNameOf(fleet)))) throw invalid(`Fleet cannot be found: ${fleet}`)
  tx.put(Project, { ...project, builds: project.builds + 1 })
  return enqueue(ctx, tx, settings, project.builds + 1)
}

const enqueue = (ctx: Ctx, tx: WriteTx, settings: Settings, number: number): BuildRecord => {
  const uuid = ctx.newId()
  const created = ctx.now().getTime()
  const fresh: BuildRecord = {
    ...settings,
    id: `${settings.project}:${uuid}`,
    uuid,
    number,
    created,
    status: 'IN_PROGRESS',
    phases: [],
    stored: [],
    exported: [],
    stage: 'new',
    logging: false,
  }
  const submitted = endPhase(beginPhase(fresh, 'SUBMITTED', created), 'SUBMITTED', 'SUCCEEDED', created)
  const build = tx.put(Build, beginPhase(submitted, 'QUEUED', created))
  emitChanges(ctx, tx, undefined, build)
  tx.wake(buildReconciler, build.id)
  return build
}

/** The same request within five minutes is the same build or batch; another one with the same token is refused. */
export const once = async <R extends { readonly id: string }>(
  ctx: Ctx,
  made: Table<R>,
  token: string | undefined,
  input: object,
  make: (tx: WriteTx) => Promise<R>,
): Promise<R> => {
  if (token === undefined) return ctx.write(make)
  const digest = createHash('sha256').update(JSON.stringify(input)).digest('hex')
  return ctx.write(async (tx) => {
    const now = ctx.now().getTime()
    const known = await tx.get(Token, token)
    if (known && known.expires > now) {
      const before = await tx.get(made, known.build)
      if (known.digest !== digest)
        throw invalid('Idempotency token was used with different parameters: parameter mismatch')
      if (before) return before
    }
    const record = await make(tx)
    tx.put(Token, { token, digest, build: record.id, expires: now + tokenLife })
    return record
  })
}

/** AWS API: "StartBuild". What the input asks for and is not done is refused with NotImplemented. */
export const StartBuild: Operation<'StartBuild'> = async (ctx, input) => {
  refuse(input)
  const project = await getProject(ctx, input.projectName)
  const settings = settingsOf(ctx, project, input)
  if (input.serviceRoleOverride) await checkRole(ctx, input.serviceRoleOverride, project.name)
  const build = await once(ctx, Build, input.idempotencyToken, input, (tx) => submit(ctx, tx, settings))
  return { build: toBuild(ctx, build) }
}

/** A build of another service's commands. */
export const submitManaged = (
  ctx: Ctx,
  token: string,
  settings: Settings & Required<Pick<BuildRecord, 'managed'>>,
): Promise<BuildRecord> => {
  const { managed: _managed, ...asked } = settings
  return once(ctx, Build, token, asked, (tx) => submit(ctx, tx, settings))
}

const settingsAgain = (build: BuildRecord, initiator: string): Settings => {
  const {
    phases,
    stored,
    exported,
    reports,
    ended,
    resolvedSourceVersion,
    interrupted,
    run,
    autoRetry,
    networkInterface,
    machine,
    told,
    toldInVain,
    ...settings
  } = build
  return { ...settings, initiator }
}

/** AWS API: "RetryBuild". The build is started anew with the settings it had. */
export const RetryBuild: Operation<'RetryBuild'> = async (ctx, input) => {
  if (input.id === undefined) throw invalid('Invalid build ID: a build ID is required')
  const before = await getBuild(ctx, input.id)
  if (before.initiator.startsWith('codepipeline/'))
    throw invalid('Cannot retry a build that was started by CodePipeline')
  if (before.ended === undefined) throw invalid(`Build ${before.id} has not completed`)
  const settings = settingsAgain(before, initiatorOf(ctx))
  const build = await once(ctx, Build, input.idempotencyToken, input, (tx) => submit(ctx, tx, settings))
  return { build: toBuild(ctx, build) }
}

/** Starts a failed build anew on CodeBuild's own account. Returns the new build's id. */
export const retryAutomatically = async (ctx: Ctx, tx: WriteTx, build: BuildRecord, limit: number): Promise<string> => {
  const number = (build.autoRetry?.number ?? 0) + 1
  const settings = { ...settingsAgain(build, build.initiator), autoRetry: { limit, number, previous: build.id } }
  return (await submit(ctx, tx, settings)).id
}
