import { afterAll, beforeAll, expect, it } from 'vitest'
import { publish, releaseStory, source } from '../../../test/release-pipeline.ts'

// Events field by field, as "Monitoring CodePipeline events" of the user guide shows them.

let release: Awaited<ReturnType<typeof releaseStory>>
let id: string
beforeAll(async () => {
  release = await releaseStory()
  await release.upload({ 'index.html': 'hello' })
  id = await release.create({
    pipelineType: 'V2',
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Publish', actions: [publish({ configuration: { BucketName: 'nowhere', Extract: 'true' } })] },
    ],
  })
  await release.retry(id, 'Publish')
  await release.door('Publish', false)
  await release.stop(await release.start(), false, 'Never mind')
})
afterAll(() => release.bench.drydock.close())

const eventsOf = (what: 'Action' | 'Pipeline' | 'Stage', detail: Record<string, unknown>) =>
  release.bench.drydock.events.filter(
    (event) =>
      event['detail-type'] === `CodePipeline ${what} Execution State Change` &&
      Object.entries(detail).every(([key, value]) => event.detail[key] === value),
  )
const moment = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const artifact = {
  name: 'App',
  s3location: { bucket: 'artifacts', key: expect.stringMatching(/^release\/App\/\w{7}$/) },
}

it('a pipeline starts, and fails', () => {
  const { account } = release.bench.drydock
  const whole = {
    pipeline: 'release',
    'execution-id': id,
    'start-time': moment,
    version: 1,
  }
  const [started] = eventsOf('Pipeline', { 'execution-id': id, state: 'STARTED' })
  expect(started).toMatchObject({
    source: 'aws.codepipeline',
    account,
    region: 'us-east-1',
    resources: [`arn:aws:codepipeline:us-east-1:${account}:release`],
  })
  expect(started?.detail).toEqual({
    ...whole,
    'execution-trigger': { 'trigger-type': 'CreatePipeline', 'trigger-detail': expect.any(String) },
    state: 'STARTED',
    'pipeline-execution-attempt': 1,
  })
  expect(eventsOf('Pipeline', { 'execution-id': id, state: 'FAILED' }).map(({ detail }) => detail)).toEqual([
    { ...whole, state: 'FAILED', 'pipeline-execution-attempt': 1 },
    { ...whole, state: 'FAILED', 'pipeline-execution-attempt': 2 },
  ])
})

it('a stage starts; after a retry its events say when that was', () => {
  const stage = { pipeline: 'release', 'execution-id': id, stage: 'Publish', 'start-time': moment, version: 1 }
  expect(eventsOf('Stage', { 'execution-id': id, stage: 'Publish' }).map(({ detail }) => detail)).toEqual([
    { ...stage, state: 'STARTED', 'pipeline-execution-attempt': 1 },
    { ...stage, state: 'FAILED', 'pipeline-execution-attempt': 1 },
    { ...stage, state: 'RESUMED', 'pipeline-execution-attempt': 2, 'stage-last-retry-attempt-time': moment },
    { ...stage, state: 'FAILED', 'pipeline-execution-attempt': 2, 'stage-last-retry-attempt-time': moment },
  ])
})

it('an action starts, succeeds, and fails', () => {
  const action = {
    pipeline: 'release',
    'execution-id': id,
    'start-time': moment,
    'action-execution-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    region: 'us-east-1',
    version: 1,
    'pipeline-execution-attempt': 1,
  }
  const fetch = {
    ...action,
    stage: 'Source',
    action: 'Fetch',
    type: { owner: 'AWS', category: 'Source', provider: 'S3', version: '1' },
  }
  const execution = { 'execution-id': id, 'pipeline-execution-attempt': 1 }
  expect(eventsOf('Action', { ...execution, action: 'Fetch' }).map(({ detail }) => detail)).toEqual([
    { ...fetch, state: 'STARTED' },
    {
      ...fetch,
      state: 'SUCCEEDED',
      'output-artifacts': [artifact],
      'execution-result': {
        'external-execution-url': expect.stringMatching(/^https:/),
        'external-execution-summary': expect.stringMatching(/^Amazon S3 version id: /),
        'external-execution-id': expect.any(String),
      },
    },
  ])
  const publish = {
    ...action,
    stage: 'Publish',
    action: 'Publish',
    type: { owner: 'AWS', category: 'Deploy', provider: 'S3', version: '1' },
    'input-artifacts': [artifact],
  }
  expect(eventsOf('Action', { ...execution, action: 'Publish' }).map(({ detail }) => detail)).toEqual([
    { ...publish, state: 'STARTED' },
    { ...publish, state: 'FAILED', 'execution-result': { 'error-code': 'ConfigurationError' } },
  ])
})

it('a pipeline that is stopped says why', () => {
  expect(eventsOf('Pipeline', { state: 'STOPPING' }).map(({ detail }) => detail)).toMatchObject([
    { state: 'STOPPING', 'stop-execution-comments': 'Never mind', 'pipeline-execution-attempt': 1 },
  ])
})
