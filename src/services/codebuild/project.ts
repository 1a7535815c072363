import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import type { Present } from '../../kernel/types.ts'
import { table } from '../../store/store.ts'
import { gitUrl, parseCodeCommitLocation, parseS3Location } from './location.ts'
import { fail, type Input, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { connectionPlace } from './source-credentials.ts'
import { checkVpcConfig, inVpc } from './vpc.ts'
import { toWebhook, type WebhookRecord } from './webhook-record.ts'

type Settings = Input<'CreateProject'>
export type Source = Settings['source']
export type SourceVersion = NonNullable<Settings['secondarySourceVersions']>[number]
export type Artifacts = Settings['artifacts']
export type Environment = Settings['environment']
export type EnvironmentVariable = NonNullable<Environment['environmentVariables']>[number]
export type LogsConfig = NonNullable<Settings['logsConfig']>
export type Cache = NonNullable<Settings['cache']>
export type VpcConfig = NonNullable<Settings['vpcConfig']>
export type BatchConfig = NonNullable<Settings['buildBatchConfig']>
type Tag = NonNullable<Settings['tags']>[number]

export type ProjectRecord = {
  readonly name: string
  readonly description?: string
  readonly source: Source
  readonly secondarySources: readonly Source[]
  readonly sourceVersion?: string
  readonly secondarySourceVersions: readonly SourceVersion[]
  readonly artifacts: Artifacts
  readonly secondaryArtifacts: readonly Artifacts[]
  readonly cache: Cache
  readonly environment: Environment
  readonly serviceRole: string
  readonly timeoutInMinutes: number
  readonly queuedTimeoutInMinutes: number
  readonly encryptionKey: string
  readonly tags: readonly Tag[]
  readonly logsConfig?: LogsConfig
  readonly vpcConfig?: VpcConfig
  readonly concurrentBuildLimit?: number
  readonly autoRetryLimit?: number
  readonly buildBatchConfig?: BatchConfig
  readonly webhook?: WebhookRecord
  /** The end of its badge's address, while it has one. */
  readonly badge?: string
  readonly visibility?: 'PUBLIC_READ' | 'PRIVATE'
  readonly publicAlias?: string
  readonly resourceAccessRole?: string
  readonly created: string
  readonly modified: string
  /** Number of the last build started. */
  readonly builds: number
  /** Number of the last batch started. */
  readonly batches?: number
  /** What the cache is kept under: another one when it is invalidated. */
  readonly cacheId?: string
}

export const Project = table<ProjectRecord>('codebuild.project', { scope: 'region', key: ({ name }) => name })

/** Whose page an address is. Global: the address does not tell account and region. */
type PageRecord = { readonly door: string; readonly account: string; readonly region: string; readonly project: string }
export const Page = table<PageRecord>('codebuild.page', { scope: 'global', key: ({ door }) => door })

/** What a role's trust policy may ask of CodeBuild: for which project or fleet, of which account. */
export const trustOf = ({ account }: Pick<Ctx, 'account'>, arn: string) => ({
  'aws:SourceArn': [arn],
  'aws:SourceAccount': [account],
})
export const trustContext = (ctx: Pick<Ctx, 'arn' | 'account'>, project: string) =>
  trustOf(ctx, projectArn(ctx, project))

export const projectArn = (ctx: Pick<Ctx, 'arn'>, name: string) => ctx.arn(`project/${name}`)

type Wire = NonNullable<NonNullable<Awaited<ReturnType<Operation<'CreateProject'>>>['project']>>

const toProject = (ctx: Ctx, project: ProjectRecord): Wire => {
  const { created, modified, builds: _builds, batches: _batches, cacheId: _cacheId, webhook, ...rest } = project
  const { badge, visibility, publicAlias, ...settings } = rest
  return {
    ...settings,
    arn: projectArn(ctx, project.name),
    secondarySources: [...project.secondarySources],
    secondarySourceVersions: [...project.secondarySourceVersions],
    secondaryArtifacts: [...project.secondaryArtifacts],
    tags: [...project.tags],
    created: new Date(created),
    lastModified: new Date(modified),
    ...(webhook ? { webhook: toWebhook(ctx, webhook) } : {}),
    badge: badge
      ? {
          badgeEnabled: true,
          badgeRequestUrl: `${ctx.request.endpoint}/_drydock/codebuild/badges/${badge}?branch=${project.sourceVersion ?? 'main'}`,
        }
      : { badgeEnabled: false },
    projectVisibility: visibility ?? 'PRIVATE',
    ...(publicAlias ? { publicProjectAlias: publicAlias } : {}),
  }
}

/** The name in a project's name or ARN. */
const nameOf = (nameOrArn: string) => /^arn:aws:codebuild:[^:]*:\d*:project\/(.+)$/.exec(nameOrArn)?.[1] ?? nameOrArn

/** This context where an ARN of a project or build leads: to another account, when it is shared. */
export const placed = (ctx: Ctx, nameOrArn: string): Ctx => {
  const [, region, account] = /^arn:aws:codebuild:([a-z0-9-]+):(\d{12}):/.exec(nameOrArn) ?? []
  return region && account ? ctx.at({ account, region }) : ctx
}

/** Throws ResourceNotFoundException. */
export const getProject = async (ctx: Ctx, nameOrArn: string): Promise<ProjectRecord> => {
  const project = await ctx.read((tx) => tx.get(Project, nameOf(nameOrArn)))
  if (!project)
    throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, nameOf(nameOrArn))}`)
  return project
}

const invalid = (message: string) => fail('InvalidInputException', message)

/** A repository elsewhere. */
export const isGit = (type: Source['type']): boolean => /^(GITHUB|GITLAB|BITBUCKET)/.test(type)

/** Checks a source as CreateProject and StartBuild do; refuses what this CodeBuild cannot fetch. */
export const checkSource = (source: Source, title = 'project source'): void => {
  switch (source.type) {
    case 'CODECOMMIT':
      if (!source.location || !parseCodeCommitLocation(source.location))
        throw invalid(`Invalid ${title}: location must be a valid AWS CodeCommit repository URL`)
      break
    case 'S3':
      if (!source.location || !parseS3Location(source.location))
        throw invalid(`Invalid ${title}: location must be a valid S3 source`)
      break
    case 'NO_SOURCE':
      if (source.location) throw invalid(`Invalid ${title}: location must be empty if source type is NO_SOURCE`)
      break
    case 'CODEPIPELINE':
      break
    default:
      if (!gitUrl(source.location))
        throw invalid(`Invalid ${title}: location must be a valid HTTP URL of a Git repository`)
  }
  if (source.auth?.type === 'CODECONNECTIONS' && !connectionPlace(source.auth.resource ?? ''))
    throw invalid(`Invalid ${title}: auth must name the ARN of a connection if its type is CODECONNECTIONS`)
  if (source.reportBuildStatus && !isGit(source.type))
    throw invalid(`Invalid ${title}: reportBuildStatus is not supported for source type ${source.type}`)
}

/** @param pattern CodePipeline names sources by its artifacts, which may have hyphens. */
export const checkSecondarySources = (sources: readonly Source[], pattern = /^[A-Za-z0-9_]{1,128}$/): void => {
  const title = 'secondary sources'
  const seen = new Set<string>()
  for (const source of sources) {
    const id = source.sourceIdentifier
    if (!id || !pattern.test(id))
      throw invalid(`Invalid ${title}: sourceIdentifier must contain only alphanumeric characters and underscores`)
    if (seen.has(id)) throw invalid(`Invalid ${title}: sourceIdentifier must be unique: ${id}`)
    seen.add(id)
    if (source.reportBuildStatus) throw notImplemented('reportBuildStatus of secondary sources')
    checkSource(source, title)
  }
}

export const checkArtifacts = (artifacts: Artifacts, title = 'artifacts'): void => {
  if (artifacts.type === 'S3' && !artifacts.location)
    throw invalid(`Invalid ${title}: location must be specified if artifacts type is S3`)
  if (artifacts.type === 'S3' && artifacts.location && !parseS3Location(`${artifacts.location}/x`))
    throw invalid(`Invalid ${title}: location must be a valid S3 bucket name`)
}

export const checkSecondaryArtifacts = (all: readonly Artifacts[], title = 'secondary artifacts'): void => {
  const seen = new Set<string>()
  for (const artifacts of all) {
    const id = artifacts.artifactIdentifier
    if (!id) throw invalid(`Invalid ${title}: artifactIdentifier must be specified`)
    if (seen.has(id)) throw invalid(`Invalid ${title}: artifactIdentifier must be unique: ${id}`)
    seen.add(id)
    checkArtifacts(artifacts, title)
  }
}

/** Compute that is told by its attributes has them; what an instance type stands for is known to nobody here. */
export const checkCompute = ({
  computeType,
  computeConfiguration,
}: Partial<Pick<Environment, 'computeType' | 'computeConfiguration'>>): void => {
  if (computeType === 'CUSTOM_INSTANCE_TYPE') throw notImplemented('compute of an instance type (CUSTOM_INSTANCE_TYPE)')
  if (computeType === 'ATTRIBUTE_BASED_COMPUTE' && !computeConfiguration)
    throw invalid('Invalid compute configuration: it must be specified if the compute type is ATTRIBUTE_BASED_COMPUTE')
}

export const checkEnvironment = (environment: Environment): void => {
  if (environment.type !== 'LINUX_CONTAINER' && environment.type !== 'ARM_CONTAINER')
    throw notImplemented(`environments of type ${environment.type}`)
  if (environment.dockerServer) throw notImplemented('environment.dockerServer')
  const { registryCredential, imagePullCredentialsType = 'CODEBUILD' } = environment
  if (registryCredential && imagePullCredentialsType !== 'SERVICE_ROLE')
    throw invalid('Invalid environment: imagePullCredentialsType must be SERVICE_ROLE to use a registryCredential')
  if (environment.certificate) throw notImplemented('environment.certificate')
  // "CodeBuild curated images": they are CodeBuild's own to pull.
  if (imagePullCredentialsType === 'SERVICE_ROLE' && environment.image.startsWith('aws/codebuild/'))
    throw invalid('Invalid environment: imagePullCredentialsType must be CODEBUILD to use a CodeBuild curated image')
  checkCompute(environment)
  if (environment.computeType.startsWith('BUILD_LAMBDA_'))
    throw invalid(
      `Invalid environment: the compute type ${environment.computeType} is for AWS Lambda environments only`,
    )
  if (environment.hostKernel) throw notImplemented('environment.hostKernel')
  for (const { name } of environment.environmentVariables ?? [])
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw invalid(`Invalid environment variable name: ${name}`)
}

/** Logs in S3 need a place: `bucket/prefix`, or the ARN of one. */
export const checkLogsConfig = (logs: LogsConfig | undefined): void => {
  if (logs?.s3Logs?.status === 'ENABLED' && !parseS3Location(`${logs.s3Logs.location ?? ''}/x`))
    throw invalid('Invalid logs config: location must be a valid S3 bucket and path if S3 logs are enabled')
}

/** A cache in S3 needs a place; one of Docker's layers needs privileged mode. */
export const checkCache = (cache: Cache, environment: Environment): void => {
  if (cache.type === 'S3' && !parseS3Location(`${cache.location ?? ''}/x`))
    throw invalid('Invalid cache: location must be a valid S3 bucket, followed by slash and the prefix')
  if (cache.type === 'LOCAL' && !cache.modes?.length)
    throw invalid('Invalid cache: modes must be specified if cache type is LOCAL')
  if (cache.type === 'LOCAL' && cache.modes?.includes('LOCAL_DOCKER_LAYER_CACHE') && !environment.privilegedMode)
    throw invalid('Invalid cache: privilegedMode must be enabled to use LOCAL_DOCKER_LAYER_CACHE')
}

const checkPair = (source: Source, artifacts: Artifacts): void => {
  if ((source.type === 'CODEPIPELINE') !== (artifacts.type === 'CODEPIPELINE'))
    throw invalid('Invalid artifacts: artifact type CODEPIPELINE must be used together with source type CODEPIPELINE')
}

/** May the caller hand this role to CodeBuild, and does the role let CodeBuild assume it? */
export const checkRole = (ctx: Ctx, role: string, project: string): Promise<void> =>
  checkRoleFor(ctx, role, projectArn(ctx, project))

/** The same for a resource of any kind. */
export const checkRoleFor = async (ctx: Ctx, role: string, arn: string): Promise<void> => {
  const account = /^arn:aws:iam::(\d{12}):role\/.+$/.exec(role)?.[1]
  if (!account) throw invalid('Invalid service role: Service role ARN is not valid')
  if (account !== ctx.account)
    throw invalid("Invalid service role: Service role account ID does not match caller's account")
  await ctx.authorize('iam:PassRole', role, {
    'iam:PassedToService': ['codebuild.amazonaws.com'],
    'iam:AssociatedResourceArn': [arn],
  })
  try {
    await ctx.as(role, { context: trustOf(ctx, arn) }).principal()
  } catch (error) {
    if (error instanceof AwsError && error.code !== 'InternalFailure')
      throw invalid(`CodeBuild is not authorized to perform: sts:AssumeRole on ${role}`)
    throw error
  }
}

/** AWS's services under a project's service role. */
export const roleOfProject = (ctx: Ctx, { name, serviceRole }: ProjectRecord) =>
  ctx.as(serviceRole, { context: trustContext(ctx, name) })

/** What the settings say that this CodeBuild does not do; `undefined` members say nothing. */
const refuse = (input: Present<Partial<Settings>>): void => {
  if (input.fileSystemLocations?.length) throw notImplemented('fileSystemLocations')
}

const without = (config: BatchConfig | undefined): BatchConfig | undefined =>
  config && Object.values(config).some((member) => member !== undefined) ? config : undefined

/** Most builds of a batch: a quota of AWS's. */
export const batchLimit = 100

/** Checks the configuration of batches, its role as the service role is checked. */
export const checkBatchConfig = async (ctx: Ctx, config: BatchConfig | undefined, project: string): Promise<void> => {
  const most = config?.restrictions?.maximumBuildsAllowed
  if (most !== undefined && (most < 1 || most > batchLimit))
    throw invalid(`Invalid build batch config: maximumBuildsAllowed must be between 1 and ${batchLimit}`)
  const timeout = config?.timeoutInMins
  if (timeout !== undefined && (timeout < 5 || timeout > 2160))
    throw invalid('Invalid build batch config: timeoutInMins must be between 5 and 2160')
  if (config?.serviceRole) await checkRole(ctx, config.serviceRole, project)
}

const withDefaults = (environment: Environment): Environment => ({
  ...environment,
  environmentVariables: (environment.environmentVariables ?? []).map((variable) => ({
    ...variable,
    type: variable.type ?? 'PLAINTEXT',
  })),
  privilegedMode: environment.privilegedMode ?? false,
  imagePullCredentialsType: environment.imagePullCredentialsType ?? 'CODEBUILD',
})

const artifactDefaults = (name: string, artifacts: Artifacts): Artifacts =>
  artifacts.type === 'NO_ARTIFACTS'
    ? artifacts
    : {
        ...artifacts,
        name: artifacts.name ?? name,
        packaging: artifacts.packaging ?? 'NONE',
        ...(artifacts.type === 'S3' ? { namespaceType: artifacts.namespaceType ?? 'NONE' } : {}),
        encryptionDisabled: artifacts.encryptionDisabled ?? false,
      }

const check = (project: ProjectRecord): void => {
  checkSource(project.source)
  checkSecondarySources(project.secondarySources)
  checkArtifacts(project.artifacts)
  checkSecondaryArtifacts(project.secondaryArtifacts)
  checkEnvironment(project.environment)
  checkLogsConfig(project.logsConfig)
  checkCache(project.cache, project.environment)
  checkPair(project.source, project.artifacts)
  if (project.source.type === 'NO_SOURCE' && !project.source.buildspec)
    throw invalid('Invalid project source: a buildspec is required if source type is NO_SOURCE')
  const ids = new Set(project.secondarySources.map(({ sourceIdentifier }) => sourceIdentifier))
  for (const { sourceIdentifier } of project.secondarySourceVersions)
    if (!ids.has(sourceIdentifier))
      throw invalid(`Invalid secondary source versions: no secondary source has the identifier ${sourceIdentifier}`)
  if (project.concurrentBuildLimit !== undefined && project.concurrentBuildLimit < 1)
    throw invalid('Invalid concurrentBuildLimit: must be greater than zero')
  if ((project.autoRetryLimit ?? 0) < 0) throw invalid('Invalid autoRetryLimit: must not be negative')
  const keys = project.tags.map(({ key }) => key)
  if (new Set(keys).size !== keys.length) throw invalid('Duplicate tag keys are not allowed')
}

/** What was handed in, without members that are `undefined`. */
/** Members that are there. */
export const given = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T

/** AWS API: "CreateProject". Checks `iam:PassRole` on the service role, and that the role trusts CodeBuild. */
export const CreateProject: Operation<'CreateProject'> = async (ctx, input) => {
  refuse(input)
  const { name } = input
  const now = ctx.now().toISOString()
  const project: ProjectRecord = given({
    name,
    description: input.description,
    source: input.source,
    secondarySources: input.secondarySources ?? [],
    sourceVersion: input.sourceVersion,
    secondarySourceVersions: input.secondarySourceVersions ?? [],
    artifacts: artifactDefaults(name, input.artifacts),
    secondaryArtifacts: (input.secondaryArtifacts ?? []).map((artifacts) => artifactDefaults(name, artifacts)),
    cache: input.cache ?? { type: 'NO_CACHE' },
    environment: withDefaults(input.environment),
    serviceRole: input.serviceRole,
    timeoutInMinutes: input.timeoutInMinutes ?? 60,
    queuedTimeoutInMinutes: input.queuedTimeoutInMinutes ?? 480,
    encryptionKey: input.encryptionKey ?? `arn:aws:kms:${ctx.region}:${ctx.account}:alias/aws/s3`,
    tags: input.tags ?? [],
    logsConfig: input.logsConfig,
    vpcConfig: inVpc(input.vpcConfig) ? input.vpcConfig : undefined,
    concurrentBuildLimit: input.concurrentBuildLimit,
    autoRetryLimit: input.autoRetryLimit,
    buildBatchConfig: input.buildBatchConfig,
    created: now,
    modified: now,
    builds: 0,
    cacheId: ctx.newId(),
    badge: input.badgeEnabled ? ctx.random(32) : undefined,
  }) as ProjectRecord
  check(project)
  await checkRole(ctx, project.serviceRole, name)
  await checkVpcConfig(ctx, roleOfProject(ctx, project), project.vpcConfig, project.environment)
  await checkBatchConfig(ctx, project.buildBatchConfig, name)
  await ctx.write(async (tx) => {
    if (await tx.get(Project, name))
      throw fail('ResourceAlreadyExistsException', `Project already exists: ${projectArn(ctx, name)}`)
    tx.put(Project, project)
    if (project.badge) tx.put(Page, { door: project.badge, ...ctx.place, project: name })
  })
  return { project: toProject(ctx, project) }
}

/** AWS API: "UpdateProject". Members that are absent stay; an empty description or source version is removed. */
export const UpdateProject: Operation<'UpdateProject'> = async (ctx, input) => {
  refuse(input)
  const present = await getProject(ctx, input.name)
  const { name } = present
  const fresh = ctx.random(32)
  const badgeOf = ({ badge }: ProjectRecord) =>
    input.badgeEnabled === undefined ? badge : input.badgeEnabled ? (badge ?? fresh) : undefined
  const vpcOf = ({ vpcConfig }: ProjectRecord) =>
    input.vpcConfig === undefined ? vpcConfig : inVpc(input.vpcConfig) ? input.vpcConfig : undefined
  const change = (before: ProjectRecord): ProjectRecord => {
    const { description, sourceVersion, concurrentBuildLimit, ...kept } = before
    const limit = input.concurrentBuildLimit ?? concurrentBuildLimit
    return given({
      ...kept,
      description: (input.description ?? description) || undefined,
      sourceVersion: (input.sourceVersion ?? sourceVersion) || undefined,
      // -1 takes the limit away.
      concurrentBuildLimit: limit === -1 ? undefined : limit,
      source: input.source ?? before.source,
      secondarySources: input.secondarySources ?? before.secondarySources,
      secondarySourceVersions: input.secondarySourceVersions ?? before.secondarySourceVersions,
      artifacts: input.artifacts ? artifactDefaults(name, input.artifacts) : before.artifacts,
      secondaryArtifacts:
        input.secondaryArtifacts?.map((artifacts) => artifactDefaults(name, artifacts)) ?? before.secondaryArtifacts,
      cache: input.cache ?? before.cache,
      environment: input.environment ? withDefaults(input.environment) : before.environment,
      serviceRole: input.serviceRole ?? before.serviceRole,
      timeoutInMinutes: input.timeoutInMinutes ?? before.timeoutInMinutes,
      queuedTimeoutInMinutes: input.queuedTimeoutInMinutes ?? before.queuedTimeoutInMinutes,
      encryptionKey: input.encryptionKey ?? before.encryptionKey,
      tags: input.tags ?? before.tags,
      logsConfig: input.logsConfig ?? before.logsConfig,
      vpcConfig: vpcOf(before),
      autoRetryLimit: input.autoRetryLimit ?? before.autoRetryLimit,
      // As with a limit, what is empty takes the configuration away.
      buildBatchConfig: without(input.buildBatchConfig ?? before.buildBatchConfig),
      badge: badgeOf(before),
      modified: ctx.now().toISOString(),
    }) as ProjectRecord
  }
  check(change(present))
  if (input.serviceRole) await checkRole(ctx, input.serviceRole, name)
  if (input.vpcConfig) {
    const after = change(present)
    await checkVpcConfig(ctx, roleOfProject(ctx, after), after.vpcConfig, after.environment)
  }
  await checkBatchConfig(ctx, input.buildBatchConfig, name)
  const project = await ctx.write(async (tx) => {
    const before = await tx.get(Project, name)
    if (!before) throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, name)}`)
    const after = change(before)
    if (after.badge) tx.put(Page, { door: after.badge, ...ctx.place, project: name })
    return tx.put(Project, after)
  })
  return { project: toProject(ctx, project) }
}

/** AWS API: "DeleteProject". Its builds stay. Deleting what is not there is no error. */
export const DeleteProject: Operation<'DeleteProject'> = async (ctx, { name }) => {
  await ctx.write(async (tx) => tx.delete(Project, nameOf(name)))
  return {}
}

/** AWS API: "BatchGetProjects". Takes names and ARNs, those of shared projects too. */
export const BatchGetProjects: Operation<'BatchGetProjects'> = async (ctx, { names }) => {
  const projects: Wire[] = []
  const projectsNotFound: string[] = []
  for (const name of new Set(names)) {
    const there = placed(ctx, name)
    const project = await there.read((tx) => tx.get(Project, nameOf(name)))
    if (project) projects.push(toProject(there, project))
    else projectsNotFound.push(name)
  }
  return { projects, projectsNotFound }
}

/** AWS API: "ListProjects". */
export const ListProjects: Operation<'ListProjects'> = async (ctx, { sortBy = 'NAME', sortOrder, nextToken }) => {
  const all = await ctx.read((tx) => tx.list(Project))
  const value = (project: ProjectRecord) =>
    sortBy === 'NAME'
      ? project.name
      : `${sortBy === 'CREATED_TIME' ? project.created : project.modified}/${project.name}`
  const values = all
    .map((project) => ({ name: project.name, value: value(project) }))
    .sort((a, b) => (a.value < b.value ? -1 : 1))
  if (sortOrder === 'DESCENDING') values.reverse()
  const after = positionOf(nextToken)
  const rest =
    after === undefined
      ? values
      : values.filter((v) => (sortOrder === 'DESCENDING' ? v.value < after : v.value > after))
  const page = rest.slice(0, pageSize)
  const last = page.at(-1)
  return {
    projects: page.map(({ name }) => name),
    ...(last && rest.length > page.length ? { nextToken: tokenOf(last.value) } : {}),
  }
}
