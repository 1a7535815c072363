import { connections } from '../../capabilities.ts'
import { ActionFailure, type ActionKind } from './action.ts'

/** The parts of a connection's ARN that say where it is; `undefined` for what is no connection. */
const connectionAt = (arn: string) => {
  const found =
    /^arn:aws:(?<prefix>codestar-connections|codeconnections):(?<region>[^:]+):(?<account>\d{12}):connection\//
  const { prefix, region, account } = found.exec(arn)?.groups ?? {}
  return prefix && region && account ? { prefix, place: { region, account } } : undefined
}

/** The right to use a connection, by its name: `codestar-connections:UseConnection`. */
export const connectionAction = (arn: string, name: 'PassConnection' | 'UseConnection'): string =>
  `${connectionAt(arn)?.prefix ?? 'codestar-connections'}:${name}`

/**
 * "CodeStarSourceConnection for Bitbucket Cloud, GitHub, GitHub Enterprise Server, GitLab.com, and GitLab self-managed
 * actions", CodePipeline user guide. No connection is ever complete here, so the action always fails, as on AWS until
 * somebody has logged in at the provider.
 */
export const connectionSource: ActionKind = {
  category: 'Source',
  provider: 'CodeStarSourceConnection',
  properties: [
    { name: 'ConnectionArn', required: true, description: 'The connection to the provider.' },
    { name: 'FullRepositoryId', required: true, description: 'Owner and name of the repository.' },
    { name: 'BranchName', required: true, description: 'The branch where source changes are detected.' },
    { name: 'OutputArtifactFormat', required: false, description: 'CODE_ZIP (unless told) or CODEBUILD_CLONE_REF.' },
    { name: 'DetectChanges', required: false, description: 'Whether a push starts the pipeline: true unless told.' },
  ],
  inputs: [0, 0],
  outputs: [1, 1],
  timeoutMinutes: 60,
  check: ({ configuration = {} }) => {
    const { ConnectionArn = '', OutputArtifactFormat = 'CODE_ZIP', DetectChanges = 'true' } = configuration
    if (!connectionAt(ConnectionArn)) return `ConnectionArn ${ConnectionArn} is not the ARN of a connection`
    if (!/^(true|false)$/i.test(DetectChanges)) return 'DetectChanges must be true or false'
    return OutputArtifactFormat === 'CODE_ZIP' || OutputArtifactFormat === 'CODEBUILD_CLONE_REF'
      ? undefined
      : `OutputArtifactFormat ${OutputArtifactFormat} is not one of CODE_ZIP, CODEBUILD_CLONE_REF`
  },
  start: async ({ ctx, configuration, role }) => {
    const { ConnectionArn = '', FullRepositoryId = '', BranchName = '' } = configuration
    const at = connectionAt(ConnectionArn)
    const keys = { FullRepositoryId, BranchName, ProviderAction: 'GetBranch', ProviderPermissionsRequired: 'read_only' }
    const caller = await role()
    await caller.authorize(
      connectionAction(ConnectionArn, 'UseConnection'),
      ConnectionArn,
      Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${at?.prefix}:${key}`, [value]])),
    )
    const status = at && (await ctx.use(connections).statusOf(at.place, ConnectionArn))
    throw new ActionFailure(
      'ConfigurationError',
      status === undefined
        ? `Connection ${ConnectionArn} does not exist`
        : `Connection ${ConnectionArn} is not in an available state`,
    )
  },
}
