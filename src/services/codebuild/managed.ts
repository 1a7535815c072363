import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { ManagedBuild, ManagedBuilds } from '../capabilities.ts'
import { Build, logNames } from './build.ts'
import type { Artifacts, Source } from './project.ts'
import { submitManaged } from './start.ts'
import { checkVpcConfig } from './vpc.ts'

// Builds of other services' commands: CodeBuild's machinery without a project.

const image = 'aws/codebuild/amazonlinux-x86_64-standard:5.0'

const sourceOf = ({ bucket, key, name }: ManagedBuild['sources'][number]): Source => ({
  type: 'S3',
  location: `${bucket}/${key}`,
  sourceIdentifier: name,
})

const artifactsOf = ({ artifact }: ManagedBuild): Artifacts => {
  if (!artifact) return { type: 'NO_ARTIFACTS' }
  const slash = artifact.key.lastIndexOf('/')
  return {
    type: 'S3',
    location: artifact.bucket,
    path: artifact.key.slice(0, slash),
    name: artifact.key.slice(slash + 1),
    namespaceType: 'NONE',
    packaging: 'ZIP',
    overrideArtifactName: false,
  }
}

const start = async (ctx: Ctx, build: ManagedBuild): Promise<string> => {
  const [first, ...others] = build.sources
  const { buildspec, name, initiator, principal, variables, timeoutMinutes } = build
  const role = ctx.as(principal)
  await checkVpcConfig(ctx, role, build.vpc)
  const primary: Source = first ? { ...sourceOf(first), buildspec } : { type: 'NO_SOURCE', buildspec }
  const { id } = await submitManaged(ctx, build.token, {
    project: name,
    initiator,
    source: primary,
    secondarySources: others.map(sourceOf),
    secondarySourceVersions: [],
    artifacts: artifactsOf(build),
    secondaryArtifacts: [],
    cache: { type: 'NO_CACHE' },
    environment: {
      type: 'LINUX_CONTAINER',
      image,
      computeType: build.computeType,
      environmentVariables: variables.map((variable) => ({ ...variable })),
      privilegedMode: false,
      imagePullCredentialsType: 'CODEBUILD',
    },
    ...(build.vpc ? { vpcConfig: build.vpc } : {}),
    serviceRole: principal.roleArn ?? principal.arn,
    managed: { principal, wake: build.wake },
    logsConfig: { cloudWatchLogs: { status: 'ENABLED', groupName: build.logGroup } },
    timeoutInMinutes: timeoutMinutes,
    queuedTimeoutInMinutes: 480,
    encryptionKey: build.artifact?.kmsKey ?? 'alias/aws/s3',
  })
  return id
}

export const managed = (at: (place: Place) => Ctx): ManagedBuilds => ({
  start: (place, build) => start(at(place), build),
  look: async (place, id) => {
    const build = await at(place).read((tx) => tx.get(Build, id))
    if (!build?.managed) return undefined
    const names = build.logging ? logNames(build) : undefined
    const wrong = build.phases.find(({ status }) => status !== undefined && status !== 'SUCCEEDED')
    const { status } = build
    return {
      status: build.ended === undefined || status === 'IN_PROGRESS' ? undefined : status,
      ...(wrong?.context
        ? { failure: `Phase: ${wrong.type}, Code: ${wrong.context.code}, Message: ${wrong.context.message}` }
        : {}),
      exported: Object.fromEntries(build.exported.map(({ name, value }) => [name, value])),
      ...(names ? { log: names } : {}),
    }
  },
})
