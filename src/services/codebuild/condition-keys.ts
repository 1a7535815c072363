import type { Requirement } from '../../kernel/service.ts'
import type { Input } from './operation.ts'

// What a request says, as condition keys ("AWS CodeBuild condition keys", CodeBuild user guide): named as the members of a
// project, `codebuild:source.location`; what has members of its own is `true` when it is there at all, and so is a buildspec.

type Context = Record<string, string | readonly string[] | undefined>
type Said = Partial<Input<'CreateProject'>>

const source = [
  ...['auth.resource', 'auth.type', 'buildStatusConfig.context', 'buildStatusConfig.targetUrl'],
  ...['buildspec', 'insecureSsl', 'location'],
]
const artifacts = ['bucketOwnerAccess', 'encryptionDisabled', 'location']

const single: readonly string[] = [
  ...['serviceRole', 'encryptionKey', 'autoRetryLimit', 'concurrentBuildLimit'],
  ...['source', ...source.map((member) => `source.${member}`)],
  ...['artifacts', ...artifacts.map((member) => `artifacts.${member}`)],
  ...['cache', 'cache.location', 'cache.modes', 'cache.type'],
  ...['buildBatchConfig', 'buildBatchConfig.serviceRole', 'buildBatchConfig.restrictions.computeTypesAllowed'],
  'buildBatchConfig.restrictions.fleetsAllowed',
  ...['environment', 'environment.certificate', 'environment.computeType', 'environment.fleet.fleetArn'],
  ...['environment.image', 'environment.imagePullCredentialsType', 'environment.privilegedMode', 'environment.type'],
  ...['environment.registryCredential', 'environment.registryCredential.credential'],
  'environment.registryCredential.credentialProvider',
  ...['', '.disk', '.instanceType', '.machineType', '.memory', '.vCpu'].map(
    (member) => `environment.computeConfiguration${member}`,
  ),
  ...['logsConfig', 'logsConfig.s3Logs', 'logsConfig.s3Logs.bucketOwnerAccess', 'logsConfig.s3Logs.status'],
  ...['logsConfig.s3Logs.encryptionDisabled', 'logsConfig.s3Logs.location'],
  ...['vpcConfig', 'vpcConfig.securityGroupIds', 'vpcConfig.subnets', 'vpcConfig.vpcId'],
]

/** Lists: each member has all values of the list, and the item that `id` names has its own, `list/ID.member`. */
const lists: readonly { readonly list: string; readonly id: string; readonly members: readonly string[] }[] = [
  { list: 'secondarySources', id: 'sourceIdentifier', members: source },
  { list: 'secondaryArtifacts', id: 'artifactIdentifier', members: artifacts },
  { list: 'environment.environmentVariables', id: 'name', members: ['value'] },
  { list: 'fileSystemLocations', id: 'identifier', members: ['location', 'type'] },
]

const at = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (inner, name) => (inner && typeof inner === 'object' ? (inner as Record<string, unknown>)[name] : undefined),
      value,
    )

const told = (value: unknown, path: string): string | readonly string[] | undefined => {
  if (value === undefined || value === null) return undefined
  if (path.endsWith('buildspec')) return 'true'
  if (Array.isArray(value)) return value.every((one) => typeof one === 'string') ? value : 'true'
  return typeof value === 'object' ? 'true' : String(value)
}

/** The condition keys of a project, or of what a request says of one. */
export const conditionKeys = (project: Said): Context => {
  const context: Context = {}
  for (const path of single) context[`codebuild:${path}`] = told(at(project, path), path)
  for (const { list, id, members } of lists) {
    const items = at(project, list)
    if (!Array.isArray(items)) continue
    context[`codebuild:${list}`] = 'true'
    for (const member of [id, ...members]) {
      const values = items.flatMap((item) => told(at(item, member), member) ?? [])
      if (values.length > 0) context[`codebuild:${list}.${member}`] = values
    }
    for (const item of items)
      for (const member of members)
        context[`codebuild:${list}/${at(item, id)}.${member}`] = told(at(item, member), member)
  }
  return context
}

/** The condition keys of these members of a request, by their paths in it. */
export const memberKeys = (input: object, paths: readonly string[]): Context =>
  Object.fromEntries(paths.map((path) => [`codebuild:${path}`, told(at(input, path), path)]))

/** The condition keys of a report group's export. */
export const exportKeys = (input: object): Context =>
  memberKeys(
    input,
    ['bucket', 'bucketOwner', 'encryptionDisabled', 'encryptionKey', 'path'].map(
      (member) => `exportConfig.s3Destination.${member}`,
    ),
  )

/** The condition keys of a build's overrides: those of the members of the project that they stand in for. */
export const overrideKeys = (input: Input<'StartBuild'>): Requirement['context'] => conditionKeys(overridden(input))

/** The same of a batch, with what it says of batches. */
export const batchKeys = (input: Input<'StartBuildBatch'>): Requirement['context'] =>
  conditionKeys({ ...overridden(input), ...{ buildBatchConfig: input.buildBatchConfigOverride } } as Said)

const overridden = (input: Input<'StartBuild'>): Said => {
  const some = <T extends object>(members: T): T | undefined =>
    Object.values(members).some((value) => value !== undefined) ? members : undefined
  const said = {
    source: some({
      auth: input.sourceAuthOverride,
      buildStatusConfig: input.buildStatusConfigOverride,
      buildspec: input.buildspecOverride,
      insecureSsl: input.insecureSslOverride,
      location: input.sourceLocationOverride,
      type: input.sourceTypeOverride,
    }),
    environment: some({
      certificate: input.certificateOverride,
      computeType: input.computeTypeOverride,
      environmentVariables: input.environmentVariablesOverride,
      fleet: input.fleetOverride,
      image: input.imageOverride,
      imagePullCredentialsType: input.imagePullCredentialsTypeOverride,
      privilegedMode: input.privilegedModeOverride,
      registryCredential: input.registryCredentialOverride,
      type: input.environmentTypeOverride,
    }),
    artifacts: input.artifactsOverride,
    autoRetryLimit: input.autoRetryLimitOverride,
    cache: input.cacheOverride,
    encryptionKey: input.encryptionKeyOverride,
    logsConfig: input.logsConfigOverride,
    secondaryArtifacts: input.secondaryArtifactsOverride,
    secondarySources: input.secondarySourcesOverride,
    serviceRole: input.serviceRoleOverride,
  }
  return said as Said
}
