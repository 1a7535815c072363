import {
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineCommand,
  type GitConfiguration,
  ListActionExecutionsCommand,
  type PipelineDeclaration,
} from '@aws-sdk/client-codepipeline'
import {
  CodeStarConnectionsClient,
  CreateConnectionCommand,
  type ProviderType,
} from '@aws-sdk/client-codestar-connections'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type GitProvider, gitProvider } from '../../../../test/git-provider.ts'
import { approval, refused, releaseStory, source } from '../../../../test/release-pipeline.ts'
import { allow } from '../../../../test/story.ts'
import { callServer } from '../../../cli/connection.ts'

// Sources by connection: pending until somebody completes the connection, then fetched for real.

let release: Awaited<ReturnType<typeof releaseStory>>
let provider: GitProvider
let ConnectionArn = ''
let first = ''
beforeEach(async () => {
  ;[release, provider] = await Promise.all([releaseStory(), gitProvider()])
  first = await provider.push({ 'index.html': 'one' }, { message: 'first\n\nwith a body' })
})
afterEach(async () => {
  await Promise.all([release.bench.drydock.close(), provider.close()])
})

const connect = async (ProviderType: ProviderType = 'GitHub') => {
  const made = await release.bench.drydock
    .client(CodeStarConnectionsClient)
    .send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType, Tags: [{ Key: 'team', Value: 'blue' }] }))
  ConnectionArn = made.ConnectionArn ?? ''
}
const complete = () =>
  callServer({ endpoint: release.bench.drydock.endpoint }, 'POST', '/_drydock/codestarconnections/connection', {
    ...{ arn: ConnectionArn, token: provider.token, url: provider.url },
  })
const grant = (condition?: object) =>
  release.bench.drydock.client(IAMClient).send(
    new PutRolePolicyCommand({
      RoleName: 'pipeline',
      PolicyName: 'hub',
      PolicyDocument: JSON.stringify(allow('codestar-connections:UseConnection', ConnectionArn, condition)),
    }),
  )
const fetchAction = (more: Record<string, string> = {}) =>
  source({
    actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeStarSourceConnection', version: '1' },
    configuration: { ConnectionArn, FullRepositoryId: 'me/app', BranchName: 'main', ...more },
  })
const declared = (more: Record<string, string> = {}, triggers?: PipelineDeclaration['triggers']) => ({
  pipelineType: 'V2' as const,
  stages: [
    { name: 'Source', actions: [fetchAction(more)] },
    { name: 'Review', actions: [approval()] },
  ],
  ...(triggers ? { triggers } : {}),
})
const attempt = async () => (await release.action('Source', 'Fetch'))?.errorDetails
/** What the source action of the newest execution found. */
const found = async () => {
  const { actionExecutionDetails = [] } = await release.bench.codepipeline.send(
    new ListActionExecutionsCommand({ pipelineName: 'release' }),
  )
  const newest = actionExecutionDetails.find(({ actionName }) => actionName === 'Fetch')
  return newest?.output
}
const artifact = async () => {
  const at = (await found())?.outputArtifacts?.[0]?.s3location
  const { Body } = await release.bench.s3.send(new GetObjectCommand({ Bucket: at?.bucket, Key: at?.key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? []).toString('latin1')
}
const triggersOf = async () => (await release.list()).map(({ trigger }) => trigger?.triggerType)

it('fails for as long as its connection is pending, and needs the right to use it', async () => {
  await connect()
  const change = declared({}, [
    {
      providerType: 'CodeStarSourceConnection',
      gitConfiguration: { sourceActionName: 'Fetch', push: [{ tags: { includes: ['v*'] } }] },
    },
  ])
  // Whoever makes the pipeline hands the connection on.
  const { drydock, codepipeline } = release.bench
  const maker = await drydock.user('maker', [allow(['codepipeline:CreatePipeline', 'iam:PassRole'])])
  await expect(
    drydock
      .client(CodePipelineClient, maker)
      .send(new CreatePipelineCommand({ pipeline: release.declare({ ...change, name: 'theirs' }) })),
  ).rejects.toEqual(refused('AccessDeniedException', /codestar-connections:PassConnection/))

  const id = await release.create(change)
  const { pipeline } = await codepipeline.send(new GetPipelineCommand({ name: 'release' }))
  expect(pipeline?.triggers).toEqual(change.triggers)
  expect(await attempt()).toMatchObject({
    code: 'PermissionError',
    message: expect.stringMatching(/codestar-connections:UseConnection/),
  })
  await grant({ StringEquals: { 'codestar-connections:FullRepositoryId': 'me/app' } })
  await release.retry(id, 'Source')
  expect(await attempt()).toMatchObject({
    code: 'ConfigurationError',
    message: `Connection ${ConnectionArn} is not in an available state`,
  })
  await complete()
  await release.retry(id, 'Source')
  expect(await attempt()).toBeUndefined()
  expect((await found())?.outputVariables?.CommitId).toBe(first)
})

it('is an archive of the branch’s head, and tells what it found', async () => {
  await connect()
  await complete()
  await grant({
    StringEquals: {
      'codestar-connections:BranchName': 'main',
      'codestar-connections:OwnerId': 'me',
      'aws:ResourceTag/team': 'blue',
      'codestar-connections:RepositoryName': 'app',
      'codestar-connections:ProviderPermissionsRequired': 'read_only',
    },
  })
  await release.create(declared())
  expect(await attempt()).toBeUndefined()
  expect((await found())?.outputVariables).toEqual({
    AuthorDate: '2026-11-20T08:00:00Z',
    AuthorDisplayName: 'Ann',
    AuthorEmail: 'ann@example.com',
    AuthorName: 'Ann',
    BranchName: 'main',
    CommitId: first,
    CommitMessage: 'first\n\nwith a body',
    ConnectionArn,
    FullRepositoryName: 'me/app',
    ProviderType: 'GitHub',
  })
  const zip = await artifact()
  expect(zip.startsWith('PK')).toBe(true)
  expect(zip).toContain('index.html')
  const [execution] = await release.list()
  expect(execution?.sourceRevisions).toMatchObject([
    { actionName: 'Fetch', revisionId: first, revisionUrl: `${provider.url}/me/app/commit/${first}` },
  ])
  await grant({ StringEquals: { 'codestar-connections:ProviderAction': ['GetBranch', 'GetCommit'] } })
  await release.start()
  expect((await attempt())?.message).toMatch(/UseConnection/)
})

it('is started by a push, once, and by a start that names a commit', async () => {
  await connect()
  await complete()
  await grant()
  await release.create(declared())
  expect(await triggersOf()).toEqual(['CreatePipeline'])
  const { drydock } = release.bench
  await drydock.advance({ minutes: 2 })
  expect(await triggersOf()).toHaveLength(1)
  const second = await provider.push({ 'index.html': 'two' })
  await provider.push({ 'index.html': 'elsewhere' }, { branch: 'topic' })
  await drydock.advance({ minutes: 2 })
  expect(await triggersOf()).toEqual(['WebhookV2', 'CreatePipeline'])
  expect((await found())?.outputVariables?.CommitId).toBe(second)
  await release.start({
    sourceRevisions: [{ actionName: 'Fetch', revisionType: 'COMMIT_ID', revisionValue: first }],
  })
  expect((await found())?.outputVariables?.CommitId).toBe(first)
  await drydock.advance({ minutes: 2 })
  expect(await triggersOf()).toHaveLength(3)
})

it('is a reference for a build to clone, and nobody’s news unless it detects changes', async () => {
  await connect('GitLab')
  await complete()
  await grant({ StringEquals: { 'codestar-connections:ProviderAction': ['GetBranch', 'GetCommit'] } })
  await release.create(declared({ OutputArtifactFormat: 'CODEBUILD_CLONE_REF', DetectChanges: 'false' }))
  const cloneUrl = `${provider.url}/me/app.git`
  const reference = { cloneUrl, connectionArn: ConnectionArn, commitId: first, branchName: 'main' }
  expect(JSON.parse(await artifact())).toEqual(reference)
  await provider.push({ 'index.html': 'two' })
  await release.bench.drydock.advance({ minutes: 2 })
  expect(await triggersOf()).toHaveLength(1)
})

const triggered = (gitConfiguration: Partial<GitConfiguration>) =>
  declared({}, [
    { providerType: 'CodeStarSourceConnection', gitConfiguration: { sourceActionName: 'Fetch', ...gitConfiguration } },
  ])
const soon = () => release.bench.drydock.advance({ minutes: 1 })

it.each(['GitHub', 'GitLab', 'Bitbucket'] as const)('of %s is told of pull requests', async (kind) => {
  await connect(kind)
  await complete()
  await grant()
  await release.create(
    triggered({
      pullRequest: [
        { branches: { includes: ['main'] }, events: ['OPEN', 'CLOSED'], filePaths: { includes: ['*.txt'] } },
      ],
    }),
  )
  await soon()
  const topic = await provider.push({ 'a.txt': 'a' }, { branch: 'topic' })
  const pull = { number: 7, title: 'Better', branch: 'topic', commit: topic, base: 'main' }
  provider.pulls.push({ ...pull, state: 'open' })
  await soon()
  expect(await triggersOf()).toEqual(['WebhookV2', 'CreatePipeline'])
  const told = { BranchName: 'topic', DestinationBranchName: 'main', PullRequestId: '7', PullRequestTitle: 'Better' }
  expect((await found())?.outputVariables).toMatchObject({ ...told, CommitId: topic })
  const answers = provider.pullAnswers()
  await soon()
  expect(provider.pullAnswers()).toBe(answers)
  provider.pulls[0] = { ...pull, state: 'merged' }
  await soon()
  expect(await triggersOf()).toHaveLength(3)
})

it('is started by tags and by paths, as its triggers say', async () => {
  await connect()
  await complete()
  await grant()
  await release.create(
    triggered({
      push: [
        { tags: { includes: ['v*'] } },
        { branches: { includes: ['release/**'] }, filePaths: { includes: ['src/*'] } },
      ],
    }),
  )
  await soon()
  await provider.tag('v1', first)
  await provider.push({ 'index.html': 'two' })
  await soon()
  expect(await triggersOf()).toEqual(['WebhookV2', 'CreatePipeline'])
  expect((await found())?.outputVariables).toMatchObject({ CommitId: first })
  await provider.push({ 'docs/a': 'a' }, { branch: 'release/1' })
  await soon()
  expect(await triggersOf()).toHaveLength(2)
  const released = await provider.push({ 'src/a': 'a' }, { branch: 'release/1' })
  await soon()
  expect(await triggersOf()).toHaveLength(3)
  expect((await found())?.outputVariables).toMatchObject({ BranchName: 'release/1', CommitId: released })
  // What was pushed away cannot be compared with: nobody can tell that no path changed.
  const again = await provider.push({ 'docs/b': 'b' }, { branch: 'release/1', instead: true, message: 'amended' })
  await soon()
  expect((await found())?.outputVariables).toMatchObject({ CommitId: again })
})

it('is asked once for all pipelines of a repository', async () => {
  await connect()
  await complete()
  await grant()
  const change = triggered({
    push: [{ branches: { includes: ['main'] } }],
    pullRequest: [{ branches: { includes: ['main'] } }],
  })
  await release.create(change)
  await release.bench.codepipeline.send(
    new CreatePipelineCommand({ pipeline: release.declare({ ...change, name: 'second' }) }),
  )
  await soon()
  expect(provider.pullAnswers()).toBe(1)
  await provider.push({ 'index.html': 'two' })
  await soon()
  for (const pipelineName of ['release', 'second'])
    expect((await release.list({ pipelineName })).map(({ trigger }) => trigger?.triggerType)).toEqual([
      'WebhookV2',
      'CreatePipeline',
    ])
  expect(provider.pullAnswers()).toBe(1)
})
