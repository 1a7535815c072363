import {
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineCommand,
  type PipelineDeclaration,
} from '@aws-sdk/client-codepipeline'
import { CodeStarConnectionsClient, CreateConnectionCommand } from '@aws-sdk/client-codestar-connections'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { approval, refused, releaseStory, source } from '../../../../test/release-pipeline.ts'
import { allow } from '../../../../test/story.ts'

// A source by connection: declared, with triggers, and never there, as on AWS while the connection is pending.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeAll(async () => {
  release = await releaseStory()
})
afterAll(() => release.bench.drydock.close())

it('fails for as long as its connection is pending, and needs the right to use it', async () => {
  const { drydock } = release.bench
  const { ConnectionArn = '' } = await drydock
    .client(CodeStarConnectionsClient)
    .send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType: 'GitHub' }))
  const fetch = source({
    actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeStarSourceConnection', version: '1' },
    configuration: { ConnectionArn, FullRepositoryId: 'me/app', BranchName: 'main' },
  })
  const triggers: PipelineDeclaration['triggers'] = [
    {
      providerType: 'CodeStarSourceConnection',
      gitConfiguration: { sourceActionName: 'Fetch', push: [{ tags: { includes: ['v*'] } }] },
    },
  ]
  const pipelineType = 'V2' as const
  const stages = [
    { name: 'Source', actions: [fetch] },
    { name: 'Review', actions: [approval()] },
  ]
  const change = { pipelineType, stages, triggers }
  // Whoever makes the pipeline hands the connection on.
  const maker = await drydock.user('maker', [allow(['codepipeline:CreatePipeline', 'iam:PassRole'])])
  await expect(
    drydock
      .client(CodePipelineClient, maker)
      .send(new CreatePipelineCommand({ pipeline: release.declare({ ...change, name: 'theirs' }) })),
  ).rejects.toEqual(refused('AccessDeniedException', /codestar-connections:PassConnection/))

  const id = await release.create(change)
  const { pipeline } = await release.bench.codepipeline.send(new GetPipelineCommand({ name: 'release' }))
  expect(pipeline?.triggers).toEqual(triggers)
  const details = async () => (await release.action('Source', 'Fetch'))?.errorDetails
  expect(await details()).toMatchObject({
    code: 'PermissionError',
    message: expect.stringMatching(/codestar-connections:UseConnection/),
  })
  const policy = allow('codestar-connections:UseConnection', ConnectionArn, {
    StringEquals: { 'codestar-connections:FullRepositoryId': 'me/app' },
  })
  await drydock
    .client(IAMClient)
    .send(new PutRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'hub', PolicyDocument: JSON.stringify(policy) }))
  await release.retry(id, 'Source')
  expect(await details()).toMatchObject({
    code: 'ConfigurationError',
    message: `Connection ${ConnectionArn} is not in an available state`,
  })
})
