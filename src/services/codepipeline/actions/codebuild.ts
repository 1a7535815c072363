import type { Ctx } from '../../../kernel/context.ts'
import {
  ActionFailure,
  type ActionKind,
  type Artifact,
  checkBooleans,
  isTrue,
  type Job,
  type Progress,
  type Property,
} from './action.ts'

const properties: readonly Property[] = [
  { name: 'ProjectName', required: true, description: 'The build project in CodeBuild.' },
  { name: 'PrimarySource', required: false, description: 'The input artifact in which the buildspec is looked for.' },
  {
    name: 'EnvironmentVariables',
    required: false,
    description: 'Environment variables of the build, as a JSON array.',
  },
  { name: 'BuildspecOverride', required: false, description: 'A buildspec, or where it lies, for this build only.' },
  { name: 'BatchEnabled', required: false, description: 'Whether to start a batch build: false unless told.' },
  {
    name: 'CombineArtifacts',
    required: false,
    description: 'Whether to combine the artifacts of a batch build: false unless told.',
  },
]

type EnvironmentVariable = {
  readonly name: string
  readonly value: string
  readonly type?: 'PLAINTEXT' | 'PARAMETER_STORE' | 'SECRETS_MANAGER'
}

/** The `EnvironmentVariables` of an action's configuration; says what is wrong with them. */
export const parseEnvironmentVariables = (text: string): EnvironmentVariable[] | string => {
  let values: unknown
  try {
    values = JSON.parse(text)
  } catch {
    return 'EnvironmentVariables is not valid JSON'
  }
  if (!Array.isArray(values)) return 'EnvironmentVariables must be a JSON array'
  const variables: EnvironmentVariable[] = []
  for (const one of values as unknown[]) {
    const { name, value, type = 'PLAINTEXT' } = (typeof one === 'object' && one ? one : {}) as Record<string, unknown>
    if (typeof name !== 'string' || name === '' || typeof value !== 'string')
      return 'EnvironmentVariables must be an array of objects with the strings name and value'
    if (type !== 'PLAINTEXT' && type !== 'PARAMETER_STORE' && type !== 'SECRETS_MANAGER')
      return `the environment variable ${name} has a type that is none of PLAINTEXT, PARAMETER_STORE, SECRETS_MANAGER`
    variables.push({ name, value, type })
  }
  return variables
}

/** What CodeBuild takes as an identifier of a source or artifact. */
const isIdentifier = (name: string) => /^[A-Za-z0-9_]{1,128}$/.test(name)

/** The artifact as CodeBuild's settings word it: a zip archive at exactly this key. */
const artifactsOf = ({ bucket, key, name }: Artifact) => {
  const slash = key.lastIndexOf('/')
  return {
    type: 'S3' as const,
    location: bucket,
    path: key.slice(0, slash),
    name: key.slice(slash + 1),
    namespaceType: 'NONE' as const,
    packaging: 'ZIP' as const,
    overrideArtifactName: false,
    ...(isIdentifier(name) ? { artifactIdentifier: name } : {}),
  }
}

/** The artifact as CodeBuild's settings word it: an archive in S3, or the commit that it clones by itself. */
const sourceOf = ({ bucket, key, clone }: Artifact) =>
  clone
    ? {
        type: clone.type ?? ('CODECOMMIT' as const),
        location: clone.url,
        version: clone.commit,
        auth: clone.connection ? { type: 'CODECONNECTIONS' as const, resource: clone.connection } : undefined,
      }
    : { type: 'S3' as const, location: `${bucket}/${key}`, version: undefined, auth: undefined }

const urlOf = (ctx: Ctx, project: string, build?: string) =>
  `https://console.aws.amazon.com/codebuild/home?region=${ctx.region}#/${
    build === undefined ? `projects/${project}/view` : `builds/${build}/view/new`
  }`

const start = async ({ ctx, id, pipeline, configuration, inputs, outputs, role }: Job): Promise<Progress> => {
  const project = configuration.ProjectName ?? ''
  const variables = parseEnvironmentVariables(configuration.EnvironmentVariables ?? '[]')
  if (typeof variables === 'string') throw new ActionFailure('ConfigurationError', variables)
  const primary = inputs.find(({ name }) => name === configuration.PrimarySource) ?? inputs[0]
  if (!primary) throw new ActionFailure('ConfigurationError', 'The action has no input artifact.')
  const [output, ...others] = outputs
  const source = sourceOf(primary)
  const secondary = inputs
    .filter((input) => input !== primary)
    .map((input) => ({ name: input.name, ...sourceOf(input) }))
  // The build says who started it by the session's name: the pipeline's, as on AWS.
  const { codebuild } = await role(pipeline.slice(0, 64).padEnd(2, '-'))
  const request = {
    projectName: project,
    idempotencyToken: id,
    sourceTypeOverride: source.type,
    sourceLocationOverride: source.location,
    ...(source.auth ? { sourceAuthOverride: source.auth } : {}),
    ...(source.version ? { sourceVersion: source.version } : {}),
    secondarySourcesOverride: secondary.map(({ name, type, location, auth }) => ({
      ...{ type, location, sourceIdentifier: name },
      ...(auth ? { auth } : {}),
    })),
    secondarySourcesVersionOverride: secondary.flatMap(({ name, version }) =>
      version ? [{ sourceIdentifier: name, sourceVersion: version }] : [],
    ),
    ...(output?.kmsKey ? { encryptionKeyOverride: output.kmsKey } : {}),
    artifactsOverride: output ? artifactsOf(output) : { type: 'NO_ARTIFACTS' as const },
    secondaryArtifactsOverride: others.map(artifactsOf),
    ...(variables.length > 0 ? { environmentVariablesOverride: variables } : {}),
    ...(configuration.BuildspecOverride ? { buildspecOverride: configuration.BuildspecOverride } : {}),
  }
  if (isTrue(configuration.BatchEnabled)) {
    const combineArtifacts = isTrue(configuration.CombineArtifacts)
    const { buildBatch } = await codebuild.startBuildBatch({
      ...request,
      buildBatchConfigOverride: { combineArtifacts },
      // Artifacts that are not combined are of the builds that their names name.
      ...(combineArtifacts
        ? {}
        : { artifactsOverride: { type: 'NO_ARTIFACTS' }, secondaryArtifactsOverride: outputs.map(artifactsOf) }),
    })
    return { state: 'running', external: { id: buildBatch?.id ?? '', url: urlOf(ctx, project) } }
  }
  const { build } = await codebuild.startBuild(request)
  const started = build?.id ?? ''
  return { state: 'running', external: { id: started, url: urlOf(ctx, project, started) } }
}

const pollBatch = async ({ role, external, configuration, outputs }: Job): Promise<Progress> => {
  const { codebuild } = await role()
  const { buildBatches } = await codebuild.batchGetBuildBatches({ ids: [external?.id ?? ''] })
  const batch = buildBatches?.[0]
  if (!batch) throw new ActionFailure('JobFailed', `The build batch ${external?.id ?? ''} is not there any more.`)
  if (!batch.complete) return { state: 'running' }
  const status = batch.buildBatchStatus ?? 'FAILED'
  if (status === 'SUCCEEDED') {
    const builds = (batch.buildGroups ?? []).map(({ identifier = '' }) => identifier)
    const nobodys = isTrue(configuration.CombineArtifacts)
      ? undefined
      : outputs.find(({ name }) => !builds.some((build) => name === build || name.startsWith(`${build}_`)))
    if (!nobodys) return { state: 'succeeded' }
    const message = `The output artifact ${nobodys.name} is of no build of the batch: ${builds.join(', ')}`
    return { state: 'failed', code: 'JobFailed', message, external: { summary: message } }
  }
  const message = `Build batch terminated with state: ${status}`
  return { state: 'failed', code: 'JobFailed', message, external: { summary: message } }
}

const poll = async (job: Job): Promise<Progress> => {
  const { role, external, configuration } = job
  if (isTrue(configuration.BatchEnabled)) return pollBatch(job)
  const { codebuild } = await role()
  const { builds } = await codebuild.batchGetBuilds({ ids: [external?.id ?? ''] })
  const build = builds?.[0]
  if (!build) throw new ActionFailure('JobFailed', `The build ${external?.id ?? ''} is not there any more.`)
  if (!build.buildComplete) return { state: 'running' }
  const status = build.buildStatus ?? 'FAILED'
  if (status === 'SUCCEEDED') {
    const exported = build.exportedEnvironmentVariables ?? []
    return {
      state: 'succeeded',
      variables: Object.fromEntries(exported.map(({ name = '', value = '' }) => [name, value])),
    }
  }
  const failed = build.phases?.find(({ phaseStatus }) => phaseStatus !== undefined && phaseStatus !== 'SUCCEEDED')
  const context = failed?.contexts?.[0]
  const why =
    failed && context?.statusCode
      ? `. Phase: ${failed.phaseType}, Code: ${context.statusCode}, Message: ${context.message ?? ''}`
      : ''
  const message = `Build terminated with state: ${status}${why}`
  return { state: 'failed', code: 'JobFailed', message, external: { summary: message } }
}

/** "CodeBuild build and test action reference", CodePipeline user guide. */
const kind = (category: 'Build' | 'Test'): ActionKind => ({
  category,
  provider: 'CodeBuild',
  properties,
  inputs: [1, 5],
  outputs: [0, 5],
  timeoutMinutes: 36 * 60,
  takesClones: true,
  check: ({ configuration = {}, inputArtifacts = [], outputArtifacts = [] }) => {
    const { PrimarySource, BatchEnabled, CombineArtifacts, EnvironmentVariables } = configuration
    const odd = checkBooleans(configuration, 'BatchEnabled', 'CombineArtifacts')
    if (odd) return odd
    if (isTrue(CombineArtifacts) && !isTrue(BatchEnabled)) return 'CombineArtifacts needs BatchEnabled'
    const unnamed = outputArtifacts.find(({ name = '' }) => !isIdentifier(name))
    if (isTrue(BatchEnabled) && !isTrue(CombineArtifacts) && unnamed)
      return `the output artifact ${unnamed.name} of a batch build does not name a build: buildIdentifier or buildIdentifier_artifactIdentifier`
    if (inputArtifacts.length > 1 && PrimarySource === undefined)
      return 'PrimarySource is required when there is more than one input artifact'
    if (PrimarySource !== undefined && !inputArtifacts.some(({ name }) => name === PrimarySource))
      return `PrimarySource ${PrimarySource} is not one of the input artifacts`
    const variables = EnvironmentVariables === undefined ? [] : parseEnvironmentVariables(EnvironmentVariables)
    return typeof variables === 'string' ? variables : undefined
  },
  start,
  poll,
  urls: { entity: (ctx, { ProjectName = '' }) => urlOf(ctx, ProjectName) },
})

export const codebuildBuild = kind('Build')
export const codebuildTest = kind('Test')
