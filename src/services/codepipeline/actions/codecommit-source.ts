import { Readable } from 'node:stream'
import { repositoryObjects } from '../../capabilities.ts'
import { ActionFailure, type ActionKind, checkBooleans, encryptionOf, revisionMetadata } from './action.ts'
import { authorizeArchive } from './upload-archive.ts'

const consoleUrl = (region: string, path: string) =>
  `https://console.aws.amazon.com/codesuite/codecommit/repositories/${path}?region=${region}`

/** "CodeCommit source action reference", CodePipeline user guide. */
export const codecommitSource: ActionKind = {
  category: 'Source',
  provider: 'CodeCommit',
  properties: [
    { name: 'RepositoryName', required: true, description: 'The repository where source changes are detected.' },
    { name: 'BranchName', required: true, description: 'The branch where source changes are detected.' },
    {
      name: 'PollForSourceChanges',
      required: false,
      description: 'Whether a push starts the pipeline without a rule: true unless told.',
    },
    {
      name: 'OutputArtifactFormat',
      required: false,
      description: 'CODE_ZIP: a zip archive of the commit. CODEBUILD_CLONE_REF: a reference that CodeBuild clones.',
    },
  ],
  inputs: [0, 0],
  outputs: [1, 1],
  timeoutMinutes: 60,
  check: ({ configuration = {} }) => {
    const odd = checkBooleans(configuration, 'PollForSourceChanges')
    if (odd) return odd
    const format = configuration.OutputArtifactFormat ?? 'CODE_ZIP'
    return format === 'CODE_ZIP' || format === 'CODEBUILD_CLONE_REF'
      ? undefined
      : `OutputArtifactFormat ${format} is not one of CODE_ZIP, CODEBUILD_CLONE_REF`
  },
  start: async ({ ctx, configuration, outputs, role, overrides: [override] }) => {
    const { RepositoryName: repositoryName = '', BranchName: branchName = '' } = configuration
    const caller = await role()
    const { account } = await caller.principal()
    const commitId =
      override?.type === 'COMMIT_ID'
        ? override.value
        : (await caller.codecommit.getBranch({ repositoryName, branchName })).branch?.commitId
    if (!commitId)
      throw new ActionFailure(
        'ConfigurationError',
        `The branch ${branchName} of the repository ${repositoryName} has no commit.`,
      )
    const { commit } = await caller.codecommit.getCommit({ repositoryName, commitId })
    const clones = configuration.OutputArtifactFormat === 'CODEBUILD_CLONE_REF'
    const cloneUrl = `https://git-codecommit.${ctx.region}.amazonaws.com/v1/repos/${repositoryName}`
    if (clones) await caller.codecommit.getRepository({ repositoryName })
    else await authorizeArchive(ctx, caller, { account, region: ctx.region }, repositoryName, commitId)
    const [output] = outputs
    if (output && clones)
      await caller.s3.putObject({
        Bucket: output.bucket,
        Key: output.key,
        Body: Readable.from([Buffer.from(JSON.stringify({ cloneUrl, commitId, branchName }))]),
        ContentType: 'application/json',
        Metadata: revisionMetadata(commitId),
        ...encryptionOf(output),
      })
    else if (output) {
      const archive = await ctx
        .use(repositoryObjects)
        .archive({ account, region: ctx.region }, repositoryName, commitId)
      try {
        await caller.s3.putObject({
          Bucket: output.bucket,
          Key: output.key,
          Body: archive,
          ContentType: 'application/zip',
          Metadata: revisionMetadata(commitId),
          ...encryptionOf(output),
        })
      } finally {
        archive.destroy()
      }
    }
    const url = consoleUrl(ctx.region, `${repositoryName}/commit/${commitId}`)
    const message = commit?.message ?? ''
    const summary = message.slice(0, 2048)
    return {
      state: 'succeeded',
      ...(clones ? { clone: { url: cloneUrl, commit: commitId } } : {}),
      external: { id: commitId, url, summary },
      revision: { id: commitId, summary, url, created: ctx.now().toISOString() },
      variables: {
        RepositoryName: repositoryName,
        BranchName: branchName,
        CommitId: commitId,
        CommitMessage: message,
        AuthorDate: dated(commit?.author?.date),
        CommitterDate: dated(commit?.committer?.date),
      },
    }
  },
  urls: {
    entity: (ctx, { RepositoryName = '', BranchName = '' }) =>
      consoleUrl(ctx.region, `${RepositoryName}/browse/refs/heads/${BranchName}`),
  },
}

/** Git's `seconds zone` as a timestamp, as the source action's variables have it. */
const dated = (date: string | undefined): string => {
  const seconds = Number(date?.split(' ')[0])
  return Number.isFinite(seconds) && date ? new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z') : ''
}
