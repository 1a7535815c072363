import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Caller } from '../../../kernel/context.ts'
import { type CommitFacts, takeCommit } from '../../../remotes/commits.ts'
import { providerOf } from '../../../remotes/provider.ts'
import { RemoteError } from '../../../remotes/reach.ts'
import type { ConnectionFacts } from '../../capabilities.ts'
import { connectionAction, connectionAt, findConnection, remoteOf } from '../connection.ts'
import { ActionFailure, type ActionKind, type Artifact, encryptionOf, revisionMetadata } from './action.ts'

/** What of the provider the action asks under the pipeline's role, by the names of the key `ProviderAction`. */
const asked = {
  CODE_ZIP: ['GetBranch', 'GetCommit', 'StartUploadArchiveToS3', 'GetUploadArchiveToS3Status'],
  CODEBUILD_CLONE_REF: ['GetBranch', 'GetCommit'],
} as const

/** Throws AccessDenied unless the role may use the connection for all of it. */
const authorize = async (
  role: Caller,
  arn: string,
  { repository, branch }: { readonly repository: string; readonly branch: string },
  tags: ConnectionFacts['tags'],
  actions: readonly string[],
): Promise<void> => {
  const slash = repository.lastIndexOf('/')
  for (const ProviderAction of actions) {
    const keys = {
      ...{
        FullRepositoryId: repository,
        OwnerId: repository.slice(0, slash),
        RepositoryName: repository.slice(slash + 1),
      },
      ...{ BranchName: branch, ProviderAction, ProviderPermissionsRequired: 'read_only' },
    }
    await role.authorize(
      connectionAction(arn, 'UseConnection'),
      arn,
      Object.fromEntries([
        ...Object.entries(keys).map(([key, value]) => [`${connectionAt(arn)?.prefix}:${key}`, [value]]),
        ...Object.entries(tags).map(([key, value]) => [`aws:ResourceTag/${key}`, [value]]),
      ]),
    )
  }
}

/** CodeBuild's type of a source, by the provider of its connection. */
const sourceTypes: Readonly<Record<string, NonNullable<Artifact['clone']>['type']>> = {
  ...{ Bitbucket: 'BITBUCKET', GitHub: 'GITHUB', GitHubEnterpriseServer: 'GITHUB_ENTERPRISE' },
  ...{ GitLab: 'GITLAB', GitLabSelfManaged: 'GITLAB_SELF_MANAGED' },
}

/**
 * "CodeStarSourceConnection for Bitbucket Cloud, GitHub, GitHub Enterprise Server, GitLab.com, and GitLab self-managed
 * actions", CodePipeline user guide.
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
  start: async ({ ctx, id, configuration, outputs, role, overrides: [override] }) => {
    const { ConnectionArn: arn = '', FullRepositoryId: repository = '' } = configuration
    const branch = override?.variables?.BranchName ?? configuration.BranchName ?? ''
    const clones = configuration.OutputArtifactFormat === 'CODEBUILD_CLONE_REF'
    const caller = await role()
    const tags = (await findConnection(ctx, arn))?.tags ?? {}
    await authorize(caller, arn, { repository, branch }, tags, asked[clones ? 'CODEBUILD_CLONE_REF' : 'CODE_ZIP'])
    const remote = await remoteOf(ctx, arn, repository)
    const provider = providerOf(remote.access)
    const [output] = outputs
    const put = async (commit: CommitFacts, archive: string) => {
      if (!output) return
      const url = provider.cloneUrl(repository).href
      await caller.s3.putObject({
        Bucket: output.bucket,
        Key: output.key,
        Body: clones
          ? Readable.from([
              Buffer.from(
                JSON.stringify({ cloneUrl: url, connectionArn: arn, commitId: commit.id, branchName: branch }),
              ),
            ])
          : createReadStream(archive),
        ContentType: clones ? 'application/json' : 'application/zip',
        Metadata: revisionMetadata(commit.id),
        ...encryptionOf(output),
      })
    }
    const folder = join(ctx.folder(), 'remotes', id)
    const archive = join(folder, 'archive.zip')
    const commit = await takeCommit(
      remote,
      override?.type === 'COMMIT_ID' ? { commit: override.value } : { branch },
      folder,
      clones ? undefined : archive,
      async (taken) => {
        await put(taken, archive)
        return taken
      },
    ).catch((error: unknown) => {
      if (!(error instanceof RemoteError)) throw error
      throw new ActionFailure('ConfigurationError', `The source ${repository} could not be fetched: ${error.message}`)
    })
    const url = provider.commitUrl(repository, commit.id)
    const summary = JSON.stringify({ ProviderType: remote.providerType, CommitMessage: commit.message.slice(0, 1500) })
    const clone = {
      ...{ url: provider.cloneUrl(repository).href, commit: commit.id, connection: arn },
      type: sourceTypes[remote.providerType] ?? 'GITHUB',
    }
    return {
      state: 'succeeded',
      ...(clones ? { clone } : {}),
      external: { id: commit.id, url, summary },
      revision: { id: commit.id, summary, url, created: ctx.now().toISOString() },
      variables: {
        AuthorDate: commit.date,
        AuthorDisplayName: commit.author.name,
        AuthorEmail: commit.author.email,
        AuthorName: commit.author.name,
        BranchName: branch,
        CommitId: commit.id,
        CommitMessage: commit.message,
        ConnectionArn: arn,
        FullRepositoryName: repository,
        ProviderType: remote.providerType,
        ...override?.variables,
      },
    }
  },
}
