import type { Image, Network, RegistryCredentials, TaskSpec } from '../../compute/driver.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type BuildRecord, buildArn, logNames } from './build.ts'
import type { Buildspec } from './buildspec.ts'
import { gitUrl } from './location.ts'
import type { Source } from './project.ts'
import type { Fetched } from './source.ts'

/** What CodeBuild writes into a phase's context when something it does itself fails. */
export class PhaseFailure extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * The image a build runs in. CodeBuild's own images stand for this host's system, which needs no download; a name that
 * the user registered stands for that root file system; every other name is an engine's image. NOTES.md tells more.
 */
export const imageOf = ({ images }: Pick<Ctx, 'images'>, name: string): Image =>
  /^(public\.ecr\.aws|aws)\/codebuild\//.test(name)
    ? { host: true }
    : (images.find((registered) => registered.name === name)?.image ?? { docker: name })

/** GiB of memory and processors ("Build environment compute modes and types", CodeBuild user guide). */
const computeTypes: Readonly<Record<string, readonly [memory: number, cpus: number]>> = {
  BUILD_GENERAL1_SMALL: [4, 2],
  BUILD_GENERAL1_MEDIUM: [8, 4],
  BUILD_GENERAL1_LARGE: [16, 8],
  BUILD_GENERAL1_XLARGE: [72, 36],
  BUILD_GENERAL1_2XLARGE: [144, 72],
}

/** What an environment, or a fleet's machine, has of memory and processors. */
export const limitsOf = ({
  computeType,
  computeConfiguration,
}: Pick<BuildRecord['environment'], 'computeType' | 'computeConfiguration'>): Pick<TaskSpec, 'limits'> => {
  if (computeType === 'ATTRIBUTE_BASED_COMPUTE') {
    const { memory, vCpu } = computeConfiguration ?? {}
    return { limits: { ...(memory ? { memoryMiB: memory * 1024 } : {}), ...(vCpu ? { cpus: vCpu } : {}) } }
  }
  const [memory, cpus] = computeTypes[computeType] ?? []
  return memory && cpus ? { limits: { memoryMiB: memory * 1024, cpus } } : {}
}

/** What a build may use: its machine's, where a fleet gives it one. */
export const limitsOfBuild = ({
  environment,
  machine,
}: Pick<BuildRecord, 'environment' | 'machine'>): Pick<TaskSpec, 'limits'> =>
  machine?.limits ? { limits: machine.limits } : limitsOf(environment)

/**
 * Whether this host has what an environment needs; brings its image there.
 * @throws PhaseFailure and ComputeError with what PROVISIONING shows.
 */
export const checkHost = async (
  ctx: Ctx,
  role: Caller,
  { environment }: Pick<BuildRecord, 'environment'>,
): Promise<void> => {
  const image = imageOf(ctx, environment.image)
  const { images, driver, privileged } = await ctx.compute.probe()
  if ('docker' in image && !images.includes('docker'))
    throw new PhaseFailure(
      'BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE',
      `Unable to pull customer's container image. ${environment.image} needs a container engine: the compute driver ${driver} has none. Images named aws/codebuild/… run without one`,
    )
  if (environment.privilegedMode && !privileged)
    throw new PhaseFailure(
      'CLIENT_ERROR',
      `Privileged mode is not available: the compute driver ${driver} gives no privilege. It takes a container engine on this host, and a server started with --privileged`,
    )
  if ('docker' in image) await ctx.compute.fetch?.(image, await registryCredentials(role, environment))
}

/** What the secret says that an environment names for its image's registry: `{"username": …, "password": …}`. */
const registryCredentials = async (
  role: Caller,
  { registryCredential }: BuildRecord['environment'],
): Promise<RegistryCredentials | undefined> => {
  if (!registryCredential) return undefined
  const unable = (reason: string) =>
    new PhaseFailure('BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE', `Unable to pull customer's container image. ${reason}`)
  const { SecretString } = await role.secretsmanager
    .getSecretValue({ SecretId: registryCredential.credential })
    .catch((error: unknown) => {
      throw unable(reasonOf(error))
    })
  const { username, password } = readCredentials(SecretString ?? '')
  if (typeof username === 'string' && typeof password === 'string') return { username, password }
  throw unable('The secret of the registry credential has no username and password')
}

const readCredentials = (text: string): { username?: unknown; password?: unknown } => {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

/** The network that tasks with this image run in: their own where the driver can give them one, else the host's. */
export const networkOf = async (ctx: Ctx, { environment }: Pick<BuildRecord, 'environment'>): Promise<Network> => {
  if (environment.privilegedMode || 'docker' in imageOf(ctx, environment.image)) return 'host'
  return (await ctx.compute.probe()).outbound ? 'outbound' : 'host'
}

/** Sentences for the log about what this host does not do for an environment. */
export const hostRemarks = async (ctx: Ctx, { environment }: Pick<BuildRecord, 'environment'>): Promise<string[]> => {
  const { limits, driver } = await ctx.compute.probe()
  return [
    ...('host' in imageOf(ctx, environment.image)
      ? [`The image ${environment.image} stands for this host's own system (compute driver ${ctx.compute.name})`]
      : []),
    ...(limits ? [] : [`The compute driver ${driver} sets no limits: the compute type has no effect`]),
  ]
}

export type Variables = {
  readonly values: Readonly<Record<string, string>>
  /** Values never to be shown in a log. */
  readonly secrets: readonly string[]
}

const reasonOf = (error: unknown): string => {
  if (error instanceof AwsError) return `${error.code}: ${error.message}`
  throw error
}

const readParameter = async (role: Caller, name: string): Promise<string> => {
  const answer = await role.ssm.getParameters({ Names: [name], WithDecryption: true }).catch((error: unknown) => {
    throw new PhaseFailure('Decrypted Variables Error', reasonOf(error))
  })
  const value = answer.Parameters?.[0]?.Value
  if (value === undefined) throw new PhaseFailure('Decrypted Variables Error', `parameter does not exist: ${name}`)
  return value
}

/** `secret-id:json-key:version-stage:version-id`; a secret's ARN has seven parts of its own. */
const readSecret = async (role: Caller, reference: string): Promise<string> => {
  const parts = reference.split(':')
  const arn = reference.startsWith('arn:')
  const id = arn ? parts.slice(0, 7).join(':') : (parts[0] ?? '')
  const [key, stage, version] = parts.slice(arn ? 7 : 1)
  const answer = await role.secretsmanager
    .getSecretValue({
      SecretId: id,
      ...(stage ? { VersionStage: stage } : {}),
      ...(version ? { VersionId: version } : {}),
    })
    .catch((error: unknown) => {
      throw new PhaseFailure('Secrets Manager Error', reasonOf(error))
    })
  const text = answer.SecretString ?? ''
  if (!key) return text
  try {
    const value: unknown = (JSON.parse(text) as Record<string, unknown>)[key]
    if (value !== undefined) return typeof value === 'string' ? value : JSON.stringify(value)
  } catch {
    // Said below in the same words: the secret is not shown.
  }
  throw new PhaseFailure('Secrets Manager Error', `the secret ${id} has no JSON key ${key}`)
}

/**
 * The variables of a build's own making: the request's over the project's over the buildspec's, references looked up
 * under the service role. AWS documentation: "Environment variables in build environments".
 * @throws PhaseFailure for a parameter or secret that cannot be read.
 */
export const userVariables = async (role: Caller, build: BuildRecord, spec: Buildspec): Promise<Variables> => {
  const values: Record<string, string> = { ...spec.env.variables }
  const secrets: string[] = []
  const secret = (name: string, value: string) => {
    values[name] = value
    secrets.push(value)
  }
  for (const [name, parameter] of Object.entries(spec.env.parameterStore))
    secret(name, await readParameter(role, parameter))
  for (const [name, reference] of Object.entries(spec.env.secretsManager))
    secret(name, await readSecret(role, reference))
  for (const { name, value, type } of build.environment.environmentVariables ?? []) {
    if (type === 'PARAMETER_STORE') secret(name, await readParameter(role, value))
    else if (type === 'SECRETS_MANAGER') secret(name, await readSecret(role, value))
    else values[name] = value
  }
  return { values, secrets }
}

/** The variables that CodeBuild sets. AWS documentation: "Environment variables in build environments". */
export const builtInVariables = (
  ctx: Ctx,
  build: BuildRecord,
  fetched: Fetched,
  network: Network,
  credentials: Readonly<Record<string, string>>,
): Record<string, string> => {
  const { image } = build.environment
  const names = logNames(build)
  return {
    HOME: '/root',
    ...('host' in imageOf(ctx, image) ? { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' } : {}),
    AWS_DEFAULT_REGION: ctx.region,
    AWS_REGION: ctx.region,
    AWS_ENDPOINT_URL: ctx.compute.endpointFor(network),
    ...credentials,
    CI: 'true',
    CODEBUILD_CI: 'true',
    CODEBUILD_BUILD_ARN: buildArn(ctx, build.id),
    CODEBUILD_BUILD_ID: build.id,
    CODEBUILD_BUILD_IMAGE: image,
    ...(build.batch ? { CODEBUILD_BATCH_BUILD_IDENTIFIER: build.batch.identifier } : {}),
    ...build.webhook,
    CODEBUILD_BUILD_NUMBER: String(build.number),
    CODEBUILD_INITIATOR: build.initiator,
    CODEBUILD_KMS_KEY_ID: build.encryptionKey,
    ...(names ? { CODEBUILD_LOG_PATH: names.stream } : {}),
    CODEBUILD_SRC_DIR: fetched.folder,
    ...Object.fromEntries(Object.entries(fetched.secondary).map(([id, dir]) => [`CODEBUILD_SRC_DIR_${id}`, dir])),
    CODEBUILD_START_TIME: String(build.created),
    CODEBUILD_LAST_EXIT: '0',
    ...(build.source.location ? { CODEBUILD_SOURCE_REPO_URL: build.source.location } : {}),
    ...(build.sourceVersion ? { CODEBUILD_SOURCE_VERSION: build.sourceVersion } : {}),
    ...(fetched.resolvedVersion ? { CODEBUILD_RESOLVED_SOURCE_VERSION: fetched.resolvedVersion } : {}),
  }
}

/**
 * What has git ask for credentials, as `git-credential-helper: yes` does: the AWS CLI for CodeCommit's, this server for those of
 * sources by connection, by the same way as for the service role's. The credential itself is in no variable.
 */
export const gitHelperVariables = (sources: readonly Source[]): Record<string, string> => {
  const origins = new Set(sources.flatMap(({ location }) => gitUrl(location)?.origin ?? []))
  const door = '${AWS_CONTAINER_CREDENTIALS_FULL_URI:-http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI}'
  const helper = (origin: string) =>
    `!f() { test "$1" != get || curl -sf -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "${door}/git?origin=${encodeURIComponent(origin)}"; }; f`
  const settings = [
    ['credential.helper', '!aws codecommit credential-helper $@'],
    ['credential.UseHttpPath', 'true'],
    // An empty one takes those before it away.
    ...[...origins].flatMap((origin) => ['', helper(origin)].map((value) => [`credential.${origin}.helper`, value])),
  ]
  return {
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  }
}
