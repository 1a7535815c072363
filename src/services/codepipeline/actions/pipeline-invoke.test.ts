import { CreatePipelineCommand, ListPipelineExecutionsCommand } from '@aws-sdk/client-codepipeline'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { refused, releaseStory, source } from '../../../../test/release-pipeline.ts'
import { allow } from '../../../../test/story.ts'

let release: Awaited<ReturnType<typeof releaseStory>>
beforeAll(async () => {
  release = await releaseStory()
})
afterAll(() => release.bench.drydock.close())

const invoke = (configuration: Record<string, string>) => ({
  name: 'Next',
  actionTypeId: { category: 'Invoke', owner: 'AWS', provider: 'CodePipeline', version: '1' } as const,
  configuration: { PipelineName: 'next', ...configuration },
})
const stages = (configuration: Record<string, string>) => [
  { name: 'Source', actions: [source()] },
  { name: 'Go', actions: [invoke(configuration)] },
]

it('starts another pipeline with revisions and variables, once it may', async () => {
  const { codepipeline, drydock } = release.bench
  const version = await release.upload()
  const next = release.declare({ name: 'next', pipelineType: 'V2', variables: [{ name: 'WHO' }] })
  await codepipeline.send(new CreatePipelineCommand({ pipeline: next }))
  const id = await release.create({
    pipelineType: 'V2',
    stages: stages({
      Variables: '[{"name":"WHO","value":"#{Source.ObjectKey}"}]',
      SourceRevisions:
        '[{"actionName":"Fetch","revisionType":"S3_OBJECT_VERSION_ID","revisionValue":"#{Source.VersionId}"}]',
    }),
  })
  expect((await release.action('Go', 'Next'))?.errorDetails).toMatchObject({ code: 'PermissionError' })
  const arn = `arn:aws:codepipeline:us-east-1:${drydock.account}:next`
  const policy = JSON.stringify(allow('codepipeline:StartPipelineExecution', arn))
  await drydock
    .client(IAMClient)
    .send(new PutRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'next', PolicyDocument: policy }))
  await release.retry(id, 'Go')
  // What it started is not waited for.
  expect(await release.statusOf(id)).toBe('Succeeded')
  const [started] =
    (await codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName: 'next' }))).pipelineExecutionSummaries ??
    []
  expect(started).toMatchObject({
    status: 'InProgress',
    pipelineExecutionId: (await release.action('Go', 'Next'))?.externalExecutionId,
    sourceRevisions: [{ revisionId: version }],
    trigger: {
      triggerType: 'StartPipelineExecution',
      triggerDetail: `arn:aws:sts::${drydock.account}:assumed-role/pipeline/${id}`,
    },
  })
})

it.each([
  ['a pipeline of type V1', { pipelineType: 'V1' as const, stages: stages({}) }, /type V2/],
  ['variables that are no JSON', { pipelineType: 'V2' as const, stages: stages({ Variables: '[' }) }, /valid JSON/],
  [
    'variables without values',
    { pipelineType: 'V2' as const, stages: stages({ Variables: '[{"name":"a"}]' }) },
    /name, value/,
  ],
  [
    'revisions of a type that is none',
    {
      pipelineType: 'V2' as const,
      stages: stages({ SourceRevisions: '[{"actionName":"a","revisionType":"b","revisionValue":"c"}]' }),
    },
    /revisionType/,
  ],
])('refuses %s', async (_what, change, message) => {
  await expect(release.create({ ...change, name: 'other' })).rejects.toEqual(
    refused('InvalidActionDeclarationException', message),
  )
})
