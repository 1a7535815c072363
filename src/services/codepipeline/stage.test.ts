import {
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  PutApprovalResultCommand,
  StartPipelineExecutionCommand,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { approval, publish, refused, releaseStory, source } from '../../../test/release-pipeline.ts'

// Executions that meet before stages, and those that are stopped.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
})
afterEach(() => release.bench.drydock.close())

/** Approves of a parallel execution, whose token only the history tells. */
const approve = async (pipelineExecutionId: string, actionName = 'Approve') => {
  const { actionExecutionDetails = [] } = await release.bench.codepipeline.send(
    new ListActionExecutionsCommand({ pipelineName: 'release', filter: { pipelineExecutionId } }),
  )
  const open = actionExecutionDetails.find((one) => one.actionName === actionName)
  await release.bench.codepipeline.send(
    new PutApprovalResultCommand({
      pipelineName: 'release',
      stageName: 'Review',
      actionName,
      token: open?.output?.executionResult?.externalExecutionId,
      result: { status: 'Approved', summary: '' },
    }),
  )
  await release.bench.drydock.settled()
}

describe('executions that meet', () => {
  it('wait at a closed door, where the newer supersedes the older', async () => {
    await release.upload()
    const first = await release.create()
    await release.answer('Approved')
    expect(await release.statusOf(first)).toBe('Succeeded')
    await release.door('Review', false)
    expect((await release.stage('Review'))?.inboundTransitionState).toMatchObject({
      enabled: false,
      disabledReason: 'Holidays',
      lastChangedBy: `arn:aws:iam::${release.bench.drydock.account}:root`,
    })
    const second = await release.start()
    expect((await release.stage('Review'))?.inboundExecution?.pipelineExecutionId).toBe(second)
    const third = await release.start()
    expect(await release.statusOf(second)).toBe('Superseded')
    expect((await release.stage('Review'))?.inboundExecutions?.map((one) => one.pipelineExecutionId)).toEqual([third])
    await release.door('Review', true)
    expect((await release.stage('Review'))?.inboundExecution).toBeUndefined()
    // The stage is locked while an execution is in it.
    const fourth = await release.start()
    const fifth = await release.start()
    expect(await release.statusOf(third)).toBe('InProgress')
    expect(await release.statusOf(fourth)).toBe('Superseded')
    expect((await release.stage('Review'))?.inboundExecution?.pipelineExecutionId).toBe(fifth)
    await release.answer('Approved')
    expect(await release.statusOf(third)).toBe('Succeeded')
    expect((await release.stage('Review'))?.latestExecution).toMatchObject({
      pipelineExecutionId: fifth,
      status: 'InProgress',
    })
    expect(release.states('Pipeline').filter((state) => state === 'SUPERSEDED')).toHaveLength(2)
    const filter = { succeededInStage: { stageName: 'Review' } }
    expect((await release.list({ filter })).map(({ pipelineExecutionId }) => pipelineExecutionId)).toEqual([
      third,
      first,
    ])
    const paged = await release.bench.codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName: 'release', maxResults: 2 }),
    )
    expect(paged.pipelineExecutionSummaries?.map((one) => one.pipelineExecutionId)).toEqual([fifth, fourth])
    const rest = await release.list({ nextToken: paged.nextToken })
    expect(rest.map((one) => one.pipelineExecutionId)).toEqual([third, second, first])
    await expect(release.list({ nextToken: 'x' })).rejects.toEqual(refused('InvalidNextTokenException'))
  })

  it('wait in order where they queue', async () => {
    await release.upload()
    const ids = [await release.create({ pipelineType: 'V2', executionMode: 'QUEUED' })]
    for (let count = 0; count < 3; count++) ids.push(await release.start())
    const waiting = async () =>
      (await release.stage('Review'))?.inboundExecutions?.map(({ pipelineExecutionId }) => pipelineExecutionId)
    expect(await waiting()).toEqual(ids.slice(1))
    await release.stop(ids[2] ?? '', false)
    expect(await release.statusOf(ids[2] ?? '')).toBe('Stopped')
    await release.answer('Rejected')
    expect(await waiting()).toEqual(ids.slice(3))
    await release.answer('Approved')
    await release.answer('Approved')
    expect(await Promise.all(ids.map(release.statusOf))).toEqual(['Failed', 'Succeeded', 'Stopped', 'Succeeded'])
    await expect(release.retry(ids[0] ?? '', 'Review')).rejects.toEqual(refused('NotLatestPipelineExecutionException'))
    for (let count = 0; count < 50; count++)
      await release.bench.codepipeline.send(new StartPipelineExecutionCommand({ name: 'release' }))
    await expect(release.start()).rejects.toEqual(refused('ConcurrentPipelineExecutionsLimitExceededException'))
  })

  it('do not meet in PARALLEL mode', async () => {
    await release.upload()
    const first = await release.create({ pipelineType: 'V2', executionMode: 'PARALLEL' })
    const second = await release.start()
    expect((await release.stage('Review'))?.inboundExecutions).toEqual([])
    await approve(second)
    expect(await release.statusOf(second)).toBe('Succeeded')
    expect(await release.statusOf(first)).toBe('InProgress')
  })
})

it('a parallel execution goes on by the structure it began with', async () => {
  await release.upload()
  const parallel = { pipelineType: 'V2', executionMode: 'PARALLEL' } as const
  const id = await release.create({
    ...parallel,
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Review', actions: [approval(), approval('Later', { runOrder: 2 })] },
      { name: 'Publish', actions: [publish()] },
    ],
  })
  const update = async (executionMode: 'PARALLEL' | 'QUEUED') => {
    const pipeline = release.declare({ ...parallel, executionMode })
    await release.bench.codepipeline.send(new UpdatePipelineCommand({ pipeline }))
  }
  await approve(id)
  await update('PARALLEL')
  await update('QUEUED')
  await approve(id, 'Later')
  expect(await release.get(id)).toMatchObject({ status: 'Succeeded', pipelineVersion: 1 })
  const page = await release.bench.s3.send(new GetObjectCommand({ Bucket: 'site', Key: 'index.html' }))
  expect(page.ContentLength).toBe(5)
})

it('PARALLEL mode has no pipeline state, and leaves that of other modes alone', async () => {
  await release.upload()
  const queued = await release.create({ pipelineType: 'V2', executionMode: 'QUEUED' })
  await release.answer('Approved')
  const update = (executionMode: 'PARALLEL' | 'QUEUED') =>
    release.bench.codepipeline.send(
      new UpdatePipelineCommand({ pipeline: release.declare({ pipelineType: 'V2', executionMode }) }),
    )
  await update('PARALLEL')
  await release.start()
  for (const { latestExecution, actionStates = [] } of await release.stages()) {
    expect(latestExecution).toBeUndefined()
    for (const { latestExecution: latest, currentRevision } of actionStates)
      expect([latest, currentRevision]).toEqual([undefined, undefined])
  }
  await update('QUEUED')
  expect((await release.stage('Review'))?.latestExecution).toMatchObject({
    pipelineExecutionId: queued,
    status: 'Succeeded',
  })
  expect((await release.action('Review', 'Approve'))?.status).toBe('Succeeded')
})

describe('an execution is stopped', () => {
  it('once what runs is done', async () => {
    await release.upload()
    const id = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Review', actions: [approval(), approval('Later', { runOrder: 2 })] },
      ],
    })
    await release.stop(id, false, 'Enough')
    expect(await release.get(id)).toMatchObject({ status: 'Stopping', statusSummary: 'Enough' })
    expect((await release.stage('Review'))?.latestExecution?.status).toBe('Stopping')
    await expect(release.stop(id, false)).rejects.toEqual(refused('DuplicatedStopRequestException'))
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Stopped')
    expect(await release.action('Review', 'Later')).toBeUndefined()
    expect((await release.list())[0]?.stopTrigger?.reason).toBe('Enough')
    await expect(release.stop(id, true)).rejects.toEqual(refused('PipelineExecutionNotStoppableException'))
    expect(release.states('Pipeline')).toEqual(['STARTED', 'STOPPING', 'STOPPED'])
  })

  it('at once when what runs is abandoned; the stage is free, and can be retried', async () => {
    await release.upload()
    const id = await release.create()
    await release.stop(id, true)
    expect(await release.statusOf(id)).toBe('Stopped')
    expect((await release.action('Review', 'Approve'))?.status).toBe('Abandoned')
    await release.retry(id, 'Review')
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Succeeded')
    expect(release.states('Pipeline')).toEqual(['STARTED', 'STOPPING', 'STOPPED', 'RESUMED', 'SUCCEEDED'])
    await release.stop(await release.start(), false)
    await release.stop((await release.list())[0]?.pipelineExecutionId ?? '', true)
    expect((await release.list())[0]?.status).toBe('Stopped')
  })

  it('by a change of the structure', async () => {
    await release.upload()
    const id = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Review', actions: [approval()] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    await release.bench.codepipeline.send(new UpdatePipelineCommand({ pipeline: release.declare() }))
    await release.bench.drydock.settled()
    expect(await release.statusOf(id)).toBe('InProgress')
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Cancelled')
    await expect(release.retry(id, 'Review')).rejects.toEqual(refused('StageNotRetryableException'))
    await expect(release.retry(id, 'Publish')).rejects.toEqual(refused('StageNotFoundException'))
  })
})

it('goes on after a restart', async () => {
  await release.bench.drydock.close()
  release = await releaseStory({ durable: true })
  await release.upload()
  const first = await release.create({
    pipelineType: 'V2',
    executionMode: 'QUEUED',
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Review', actions: [approval()] },
      { name: 'Publish', actions: [publish()] },
    ],
  })
  const second = await release.start()
  await release.restart()
  expect((await release.stage('Review'))?.inboundExecution?.pipelineExecutionId).toBe(second)
  await release.answer('Approved')
  expect(await release.statusOf(first)).toBe('Succeeded')
  await release.restart()
  await release.answer('Approved')
  expect(await release.statusOf(second)).toBe('Succeeded')
})
