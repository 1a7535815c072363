import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BatchGetBuildBatchesCommand,
  type CreateProjectCommandInput,
  ImportSourceCredentialsCommand,
  type SourceType,
  StartBuildBatchCommand,
} from '@aws-sdk/client-codebuild'
import {
  CodeStarConnectionsClient,
  CreateConnectionCommand,
  CreateHostCommand,
} from '@aws-sdk/client-codestar-connections'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type GitProvider, gitProvider } from '../../../test/git-provider.ts'
import { callServer } from '../../cli/connection.ts'
import { allow, codebuild, drydock, ended, folder, onBench, project, role, run, start, when } from './builds-bench.ts'

// What a source's provider is told of builds.

onBench()

let provider: GitProvider
let commit = ''
beforeEach(async () => {
  provider = await gitProvider()
  const buildspec =
    'version: 0.2\nbatch: {build-list: [{identifier: one}, {identifier: two}]}\nphases: {build: {commands: [\'while [ -n "$HOLD" ] && [ ! -e "$HOLD" ]; do sleep 0.1; done\', test -z "$BAD"]}}'
  commit = await provider.push({ 'buildspec.yml': buildspec })
})
afterEach(() => provider.close())

const post = (kind: 'connection' | 'host', body: object) =>
  callServer({ endpoint: drydock.endpoint }, 'POST', `/_drydock/codestarconnections/${kind}`, body)

/** A token of the provider, imported for its kind; what makes its address the user's own is a host of it. */
const importToken = async (serverType: 'GITHUB_ENTERPRISE' = 'GITHUB_ENTERPRISE') => {
  const { HostArn } = await drydock
    .client(CodeStarConnectionsClient)
    .send(
      new CreateHostCommand({ Name: 'ours', ProviderType: 'GitHubEnterpriseServer', ProviderEndpoint: provider.url }),
    )
  await post('host', { arn: HostArn })
  await codebuild.send(
    new ImportSourceCredentialsCommand({ serverType, authType: 'PERSONAL_ACCESS_TOKEN', token: provider.token }),
  )
}
const byConnection = async (ProviderType: 'Bitbucket' | 'GitHub' | 'GitLab') => {
  const { ConnectionArn: arn } = await drydock
    .client(CodeStarConnectionsClient)
    .send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType }))
  await post('connection', { arn, token: provider.token, url: provider.url })
  const document = allow(['codestar-connections:GetConnection', 'codestar-connections:GetConnectionToken'], arn ?? '')
  await drydock
    .client(IAMClient)
    .send(
      new PutRolePolicyCommand({ RoleName: 'builder', PolicyName: 'hub', PolicyDocument: JSON.stringify(document) }),
    )
  return { auth: { type: 'CODECONNECTIONS' as const, resource: arn } }
}
const source = (type: SourceType, more: object = {}): CreateProjectCommandInput['source'] => ({
  ...{ type, location: `${provider.url}/me/app.git`, reportBuildStatus: true },
  ...more,
})
const told = async () => {
  await drydock.settled()
  return provider.asked.map(({ body }) => body)
}

it('of GitHub is told when a build has begun and how it ended, with the token imported for it', async () => {
  await importToken()
  const buildStatusConfig = {
    context: 'build #$CODEBUILD_BUILD_NUMBER of ${AWS_REGION} $NOTHING',
    targetUrl: 'https://builds.example.com/$CODEBUILD_BUILD_NUMBER',
  }
  await project({ source: source('GITHUB_ENTERPRISE') })
  const file = join(folder, 'go')
  const started = await start({ environmentVariablesOverride: [{ name: 'HOLD', value: file }] })
  while (provider.asked.length === 0) await new Promise((turn) => setTimeout(turn, 20))
  await writeFile(file, '')
  expect((await when(started?.id, ended)).buildStatus).toBe('SUCCEEDED')
  const path = `/api/v3/repos/me/app/statuses/${commit}`
  const context = 'AWS CodeBuild us-east-1 (app)'
  const one = (state: string, description: string) => ({ method: 'POST', path, body: { state, context, description } })
  await drydock.settled()
  expect(provider.asked).toEqual([
    one('pending', 'Build started for project app'),
    one('success', 'Build succeeded for project app'),
  ])
  const bad = {
    environmentVariablesOverride: [{ name: 'BAD', value: '1' }],
    buildStatusConfigOverride: buildStatusConfig,
  }
  expect((await run(bad)).buildStatus).toBe('FAILED')
  expect((await told()).at(-1)).toEqual({
    ...{ state: 'failure', description: 'Build failed for project app' },
    context: 'build #2 of us-east-1 $NOTHING',
    target_url: 'https://builds.example.com/2',
  })
  const before = (await told()).length
  await run({ reportBuildStatusOverride: false })
  expect(await told()).toHaveLength(before)
})

it.each([
  [
    'GITLAB',
    'GitLab',
    `/api/v4/projects/me%2Fapp/statuses/`,
    { state: 'success', name: 'AWS CodeBuild us-east-1 (app)' },
  ],
  [
    'BITBUCKET',
    'Bitbucket',
    '/2.0/repositories/me/app/commit/',
    { state: 'SUCCESSFUL', key: expect.stringMatching(/^[0-9a-f]{40}$/) },
  ],
] as const)('of %s is told in its own words, by a connection', async (type, kind, path, body) => {
  await project({ source: source(type, await byConnection(kind)) })
  await run()
  expect((await told()).at(-1)).toMatchObject(body)
  expect(provider.asked.at(-1)?.path).toContain(path + commit)
})

it('that will not hear of it fails no build', async () => {
  await importToken()
  provider.refuse(/statuses/)
  await project({ source: source('GITHUB_ENTERPRISE') })
  expect((await run()).buildStatus).toBe('SUCCEEDED')
  expect(await told()).toEqual([])
  expect(drydock.logged.join()).toMatch(/status could not be reported.*Resource not accessible/)
  expect(drydock.logged.join()).not.toContain(provider.token)
})

it.each([
  ['REPORT_AGGREGATED_BATCH', ['AWS CodeBuild us-east-1 (app)']],
  ['REPORT_INDIVIDUAL_BUILDS', ['AWS CodeBuild us-east-1 (app one)', 'AWS CodeBuild us-east-1 (app two)']],
] as const)('of a batch is told by %s', async (batchReportMode, contexts) => {
  await importToken()
  await drydock.client(IAMClient).send(
    new PutRolePolicyCommand({
      ...{ RoleName: 'builder', PolicyName: 'batch' },
      PolicyDocument: JSON.stringify(allow(['codebuild:StartBuild', 'codebuild:StopBuild'])),
    }),
  )
  await project({ source: source('GITHUB_ENTERPRISE'), buildBatchConfig: { serviceRole: role, batchReportMode } })
  const { buildBatch } = await codebuild.send(new StartBuildBatchCommand({ projectName: 'app' }))
  for (;;) {
    const { buildBatches } = await codebuild.send(new BatchGetBuildBatchesCommand({ ids: [buildBatch?.id ?? ''] }))
    if (buildBatches?.[0]?.complete) break
    await new Promise((turn) => setTimeout(turn, 20))
  }
  const ends = (await told()).filter(({ state }) => state === 'success').map(({ context }) => context)
  expect(ends.toSorted()).toEqual(contexts)
  expect(contexts).toEqual(expect.arrayContaining((await told()).map(({ context }) => context)))
})

it('is asked of sources that have one', async () => {
  const wrong = project({ source: { type: 'NO_SOURCE', buildspec: 'version: 0.2', reportBuildStatus: true } })
  await expect(wrong).rejects.toThrow(/reportBuildStatus is not supported for source type NO_SOURCE/)
})
