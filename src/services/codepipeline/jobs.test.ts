import {
  AcknowledgeJobCommand,
  AcknowledgeThirdPartyJobCommand,
  CodePipelineClient,
  CreateCustomActionTypeCommand,
  type CreateCustomActionTypeCommandInput,
  DeleteCustomActionTypeCommand,
  GetActionTypeCommand,
  GetJobDetailsCommand,
  GetPipelineCommand,
  GetThirdPartyJobDetailsCommand,
  type Job,
  ListActionExecutionsCommand,
  ListActionTypesCommand,
  ListTagsForResourceCommand,
  type PipelineDeclaration,
  PollForJobsCommand,
  PollForThirdPartyJobsCommand,
  PutActionRevisionCommand,
  PutJobFailureResultCommand,
  PutJobSuccessResultCommand,
  PutThirdPartyJobSuccessResultCommand,
  TagResourceCommand,
  UpdateActionTypeCommand,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { approval, refused, releaseStory, source, zipOf } from '../../../test/release-pipeline.ts'
import { allow } from '../../../test/story.ts'

// Actions that workers outside carry out.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
  await release.upload()
})
afterEach(() => release.bench.drydock.close())

const actionTypeId = { category: 'Build', owner: 'Custom', provider: 'Jenkins', version: '1' } as const

const createType = (more: Partial<CreateCustomActionTypeCommandInput> = {}) =>
  release.bench.codepipeline.send(
    new CreateCustomActionTypeCommand({
      category: 'Build',
      provider: 'Jenkins',
      version: '1',
      settings: {
        entityUrlTemplate: 'https://jenkins.example.com/job/{Config:Project}',
        executionUrlTemplate: 'https://jenkins.example.com/job/{Config:Project}/{ExternalExecutionId}',
      },
      configurationProperties: [
        { name: 'Project', required: true, key: true, secret: false, queryable: true, type: 'String' },
        { name: 'Password', required: false, key: false, secret: true },
      ],
      inputArtifactDetails: { minimumCount: 0, maximumCount: 5 },
      outputArtifactDetails: { minimumCount: 0, maximumCount: 5 },
      tags: [{ key: 'team', value: 'blue' }],
      ...more,
    }),
  )

const build = (configuration: Record<string, string> = { Project: 'shop', Password: 'hunter2' }) => ({
  name: 'Build',
  actionTypeId,
  configuration,
  inputArtifacts: [{ name: 'App' }],
  outputArtifacts: [{ name: 'Built' }],
  namespace: 'Built',
})

const withBuild = (configuration?: Record<string, string>): Partial<PipelineDeclaration> => ({
  stages: [
    { name: 'Source', actions: [source()] },
    { name: 'Build', actions: [build(configuration)] },
    { name: 'Review', actions: [approval('Approve', { configuration: { CustomData: '#{Built.Number}' } })] },
  ],
})

const poll = async (queryParam: Record<string, string> = { Project: 'shop' }): Promise<Job | undefined> =>
  (await release.bench.codepipeline.send(new PollForJobsCommand({ actionTypeId, queryParam }))).jobs?.[0]

const take = async (): Promise<Job> => {
  const job = await poll()
  await release.bench.codepipeline.send(new AcknowledgeJobCommand({ jobId: job?.id, nonce: job?.nonce }))
  return job ?? {}
}

describe('a custom action', () => {
  it('is fetched, carried out and answered by a worker, who sees its artifacts only', async () => {
    await createType()
    const id = await release.create(withBuild())
    expect(await poll({ Project: 'other' })).toBeUndefined()
    await expect(poll({})).rejects.toEqual(refused('ValidationException', /Project must be in queryParam/))
    const job = await poll({ Project: 'shop' })
    expect(job).toMatchObject({
      accountId: release.bench.drydock.account,
      data: {
        actionTypeId,
        actionConfiguration: { configuration: { Project: 'shop', Password: 'hunter2' } },
        pipelineContext: {
          pipelineName: 'release',
          stage: { name: 'Build' },
          action: { name: 'Build' },
          pipelineExecutionId: id,
        },
        inputArtifacts: [{ name: 'App', location: { type: 'S3', s3Location: { bucketName: 'artifacts' } } }],
        outputArtifacts: [{ name: 'Built' }],
      },
    })
    // Another worker finds nothing.
    expect(await poll()).toBeUndefined()
    const done = (jobId = job?.id) =>
      release.bench.codepipeline.send(
        new PutJobSuccessResultCommand({
          jobId,
          executionDetails: { summary: 'built', externalExecutionId: '17', percentComplete: 100 },
          outputVariables: { Number: '17' },
        }),
      )
    await expect(done()).rejects.toEqual(refused('InvalidJobStateException', /Dispatched/))
    await expect(
      release.bench.codepipeline.send(new AcknowledgeJobCommand({ jobId: job?.id, nonce: '1' })),
    ).rejects.toEqual(refused('InvalidNonceException'))
    const acknowledged = await release.bench.codepipeline.send(
      new AcknowledgeJobCommand({ jobId: job?.id, nonce: job?.nonce }),
    )
    expect(acknowledged.status).toBe('InProgress')

    const { accessKeyId = '', secretAccessKey = '', sessionToken = '' } = job?.data?.artifactCredentials ?? {}
    const s3 = release.bench.drydock.client(S3Client, { accessKeyId, secretAccessKey, sessionToken })
    const at = (artifact = job?.data?.inputArtifacts?.[0]) => ({
      Bucket: artifact?.location?.s3Location?.bucketName,
      Key: artifact?.location?.s3Location?.objectKey,
    })
    expect((await s3.send(new GetObjectCommand(at()))).ContentLength).toBeGreaterThan(0)
    await s3.send(
      new PutObjectCommand({ ...at(job?.data?.outputArtifacts?.[0]), Body: await zipOf({ 'built.txt': 'yes' }) }),
    )
    await expect(s3.send(new GetObjectCommand({ Bucket: 'source', Key: 'app.zip' }))).rejects.toEqual(
      refused('AccessDenied'),
    )
    await expect(s3.send(new PutObjectCommand({ ...at(), Body: 'x' }))).rejects.toEqual(refused('AccessDenied'))

    await done()
    await release.bench.drydock.settled()
    await expect(done()).rejects.toEqual(refused('InvalidJobStateException', /Succeeded/))
    expect(await release.action('Build', 'Build')).toMatchObject({
      status: 'Succeeded',
      summary: 'built',
      externalExecutionId: '17',
      externalExecutionUrl: 'https://jenkins.example.com/job/shop/17',
    })
    expect((await release.stage('Build'))?.actionStates?.[0]?.entityUrl).toBe('https://jenkins.example.com/job/shop')
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Succeeded')
    const { actionExecutionDetails } = await release.bench.codepipeline.send(
      new ListActionExecutionsCommand({ pipelineName: 'release' }),
    )
    expect(actionExecutionDetails?.[0]?.input?.resolvedConfiguration).toEqual({ CustomData: '17' })
    expect(actionExecutionDetails?.[1]).toMatchObject({
      input: { configuration: { Project: 'shop', Password: '****' }, resolvedConfiguration: { Password: '****' } },
      output: { outputVariables: { Number: '17' } },
    })
    expect(JSON.stringify(release.bench.drydock.events)).not.toContain('hunter2')
    expect(release.states('Action').slice(-4)).toEqual(['STARTED', 'SUCCEEDED', 'STARTED', 'SUCCEEDED'])
  })

  it('goes on by continuation tokens, and fails with what the worker says', async () => {
    await createType()
    const id = await release.create(withBuild())
    const first = await take()
    await release.bench.codepipeline.send(
      new PutJobSuccessResultCommand({
        jobId: first.id,
        continuationToken: 'run-7',
        executionDetails: { summary: 'half', percentComplete: 50 },
      }),
    )
    expect(await release.action('Build', 'Build')).toMatchObject({ status: 'InProgress', percentComplete: 50 })
    const second = await take()
    expect(second.id).not.toBe(first.id)
    expect(second.data?.continuationToken).toBe('run-7')
    const { jobDetails } = await release.bench.codepipeline.send(new GetJobDetailsCommand({ jobId: second.id }))
    expect(jobDetails?.data?.continuationToken).toBe('run-7')
    await release.bench.codepipeline.send(
      new PutJobFailureResultCommand({
        jobId: second.id,
        failureDetails: { type: 'RevisionUnavailable', message: 'No such branch' },
      }),
    )
    await release.bench.drydock.settled()
    expect(await release.statusOf(id)).toBe('Failed')
    expect((await release.action('Build', 'Build'))?.errorDetails).toEqual({
      code: 'RevisionUnavailable',
      message: 'No such branch',
    })
    // Of a job nobody answers, another worker takes care after a while, and then nobody.
    await release.retry(id, 'Build')
    expect(await poll()).toBeDefined()
    expect(await poll()).toBeUndefined()
    await release.bench.drydock.advance({ minutes: 5 })
    const again = await take()
    await release.bench.drydock.advance({ hours: 24 })
    expect((await release.action('Build', 'Build'))?.errorDetails?.code).toBe('JobTimedOut')
    const late = await release.bench.codepipeline.send(
      new AcknowledgeJobCommand({ jobId: again.id, nonce: again.nonce }),
    )
    expect(late.status).toBe('TimedOut')
  })

  it('keeps its secrets: masked, kept by ****, replaced by others', async () => {
    await createType()
    await release.create(withBuild())
    const shown = async () =>
      (await release.bench.codepipeline.send(new GetPipelineCommand({ name: 'release' }))).pipeline?.stages?.[1]
        ?.actions?.[0]?.configuration
    expect(await shown()).toEqual({ Project: 'shop', Password: '****' })
    const update = (Password: string) =>
      release.bench.codepipeline.send(
        new UpdatePipelineCommand({ pipeline: release.declare(withBuild({ Project: 'shop', Password })) }),
      )
    const secret = async () => {
      await release.start()
      const job = await take()
      await release.bench.codepipeline.send(
        new PutJobFailureResultCommand({ jobId: job.id, failureDetails: { type: 'JobFailed', message: 'x' } }),
      )
      await release.bench.drydock.settled()
      return job.data?.actionConfiguration?.configuration?.Password
    }
    const first = await take()
    await update('****')
    await release.bench.codepipeline.send(
      new PutJobFailureResultCommand({ jobId: first.id, failureDetails: { type: 'JobFailed', message: 'x' } }),
    )
    await release.bench.drydock.settled()
    expect(await secret()).toBe('hunter2')
    await update('correct horse')
    expect(await shown()).toEqual({ Project: 'shop', Password: '****' })
    expect(await secret()).toBe('correct horse')
  })

  it.each([
    ['the category of approvals', { category: 'Approval' }, /category Approval/],
    ['the category of commands', { category: 'Compute' }, /category Compute/],
    ['a link to what is not configured', { settings: { entityUrlTemplate: 'https://x/{Config:Job}' } }, /{Config:Job}/],
    ['a link to a secret', { settings: { revisionUrlTemplate: 'https://x/{Config:Password}' } }, /not secret/],
    [
      'two properties that are queried',
      {
        configurationProperties: ['a', 'b'].map((name) => ({
          name,
          required: true,
          key: true,
          secret: false,
          queryable: true,
        })),
      },
      /one queryable/,
    ],
  ] satisfies [string, Partial<CreateCustomActionTypeCommandInput>, RegExp][])(
    'cannot be of a type with %s',
    async (_what, more, sentence) => {
      await expect(createType(more)).rejects.toEqual(refused('ValidationException', sentence))
    },
  )

  it('is refused where its type is not there, or is no more', async () => {
    await expect(release.create(withBuild())).rejects.toEqual(
      refused('InvalidActionDeclarationException', /Jenkins.*is not available/),
    )
    await createType()
    await expect(createType()).rejects.toEqual(refused('ValidationException', /already exists/))
    await expect(release.create(withBuild({ Password: 'x' }))).rejects.toEqual(
      refused('InvalidActionDeclarationException', /missing required configuration 'Project'/),
    )
    for (const Project of ['a project', 'x'.repeat(21)])
      await expect(release.create(withBuild({ Project }))).rejects.toEqual(
        refused('InvalidActionDeclarationException', /queryable Project/),
      )
    const listed = async (actionOwnerFilter: 'AWS' | 'Custom', regionFilter?: string) => {
      const list = new ListActionTypesCommand({ actionOwnerFilter, regionFilter })
      return (await release.bench.codepipeline.send(list)).actionTypes?.map(({ id }) => id)
    }
    expect(await listed('Custom')).toEqual([actionTypeId])
    expect(await listed('Custom', 'eu-west-1')).toEqual([])
    expect(await listed('AWS', 'eu-west-1')).toEqual(await listed('AWS'))
    const resourceArn = `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:actiontype:Custom/Build/Jenkins/1`
    await release.bench.codepipeline.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'a', value: 'b' }] }))
    const { tags } = await release.bench.codepipeline.send(new ListTagsForResourceCommand({ resourceArn }))
    expect(tags).toEqual([
      { key: 'a', value: 'b' },
      { key: 'team', value: 'blue' },
    ])
    const { owner: _owner, ...id } = actionTypeId
    await release.bench.codepipeline.send(new DeleteCustomActionTypeCommand(id))
    await release.bench.codepipeline.send(new DeleteCustomActionTypeCommand(id))
    await expect(poll()).rejects.toEqual(refused('ActionTypeNotFoundException'))
    await expect(createType()).rejects.toEqual(refused('ValidationException', /never been used/))
    await expect(
      release.bench.codepipeline.send(
        new PollForJobsCommand({
          actionTypeId: { category: 'Build', owner: 'AWS', provider: 'CodeBuild', version: '1' },
        }),
      ),
    ).rejects.toEqual(refused('ActionTypeNotFoundException', /Custom only/))
    await expect(
      release.bench.codepipeline.send(new GetJobDetailsCommand({ jobId: '00000000-0000-4000-8000-000000000000' })),
    ).rejects.toEqual(refused('JobNotFoundException'))
  })

  it('is a third party’s, whose worker knows the token', async () => {
    const id = { category: 'Test', owner: 'ThirdParty', provider: 'Prober', version: '1' } as const
    const type = {
      id,
      executor: {
        type: 'JobWorker',
        configuration: { jobWorkerExecutorConfiguration: { pollingAccounts: ['111122223333'] } },
      },
      inputArtifactDetails: { minimumCount: 0, maximumCount: 1 },
      outputArtifactDetails: { minimumCount: 0, maximumCount: 1 },
      permissions: { allowedAccounts: ['*'] },
      properties: [{ name: 'Token', optional: false, key: true, noEcho: true }],
    } as const
    await expect(release.bench.codepipeline.send(new GetActionTypeCommand(id))).rejects.toEqual(
      refused('ActionTypeNotFoundException'),
    )
    await release.bench.codepipeline.send(new UpdateActionTypeCommand({ actionType: structuredClone(type) as never }))
    const { actionType } = await release.bench.codepipeline.send(new GetActionTypeCommand(id))
    expect(actionType).toMatchObject(type)
    const execution = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Probe', actions: [{ name: 'Probe', actionTypeId: id, configuration: { Token: 'our secret' } }] },
      ],
    })
    const { jobs } = await release.bench.codepipeline.send(new PollForThirdPartyJobsCommand({ actionTypeId: id }))
    const jobId = jobs?.[0]?.jobId
    const of = { jobId, clientToken: 'our secret' }
    await expect(
      release.bench.codepipeline.send(new GetThirdPartyJobDetailsCommand({ jobId, clientToken: 'guess' })),
    ).rejects.toEqual(refused('InvalidClientTokenException'))
    const { jobDetails } = await release.bench.codepipeline.send(new GetThirdPartyJobDetailsCommand(of))
    await release.bench.codepipeline.send(new AcknowledgeThirdPartyJobCommand({ ...of, nonce: jobDetails?.nonce }))
    await release.bench.codepipeline.send(new PutThirdPartyJobSuccessResultCommand(of))
    await release.bench.drydock.settled()
    expect(await release.statusOf(execution)).toBe('Succeeded')
  })
})

describe('a custom source', () => {
  it('starts the pipeline for a revision that is new', async () => {
    await release.bench.codepipeline.send(
      new CreateCustomActionTypeCommand({
        category: 'Source',
        provider: 'Svn',
        version: '1',
        settings: { revisionUrlTemplate: 'https://svn.example.com/{RevisionId}' },
        inputArtifactDetails: { minimumCount: 0, maximumCount: 0 },
        outputArtifactDetails: { minimumCount: 1, maximumCount: 1 },
      }),
    )
    const svn = { category: 'Source', owner: 'Custom', provider: 'Svn', version: '1' } as const
    const first = await release.create({
      stages: [
        { name: 'Source', actions: [{ name: 'Fetch', actionTypeId: svn, outputArtifacts: [{ name: 'App' }] }] },
        { name: 'Review', actions: [approval()] },
      ],
    })
    const answer = async () => {
      const { jobs } = await release.bench.codepipeline.send(new PollForJobsCommand({ actionTypeId: svn }))
      const job = jobs?.[0]
      await release.bench.codepipeline.send(new AcknowledgeJobCommand({ jobId: job?.id, nonce: job?.nonce }))
      await release.bench.codepipeline.send(
        new PutJobSuccessResultCommand({
          jobId: job?.id,
          currentRevision: { revision: 'r7', changeIdentifier: 'r7', revisionSummary: 'Seventh' },
        }),
      )
      await release.bench.drydock.settled()
    }
    await answer()
    expect((await release.get(first))?.artifactRevisions).toMatchObject([
      { revisionId: 'r7', revisionSummary: 'Seventh', revisionUrl: 'https://svn.example.com/r7' },
    ])
    const revise = (revisionId: string, actionName = 'Fetch') =>
      release.bench.codepipeline.send(
        new PutActionRevisionCommand({
          pipelineName: 'release',
          stageName: 'Source',
          actionName,
          actionRevision: { revisionId, revisionChangeId: revisionId, created: new Date() },
        }),
      )
    expect(await revise('r7')).toMatchObject({ newRevision: false, pipelineExecutionId: first })
    const { newRevision, pipelineExecutionId = '' } = await revise('r8')
    expect(newRevision).toBe(true)
    expect((await release.get(pipelineExecutionId))?.trigger).toEqual({
      triggerType: 'PutActionRevision',
      triggerDetail: 'Fetch',
    })
    expect(await revise('r8')).toMatchObject({ newRevision: false, pipelineExecutionId })
    await expect(revise('r9', 'None')).rejects.toEqual(refused('ActionNotFoundException'))
  })
})

it('a worker needs the right to poll', async () => {
  await createType()
  const keys = await release.bench.drydock.user('worker', [
    allow(
      'codepipeline:PollForJobs',
      `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:actiontype:Custom/Test/*`,
    ),
  ])
  await expect(
    release.bench.drydock.client(CodePipelineClient, keys).send(new PollForJobsCommand({ actionTypeId })),
  ).rejects.toEqual(refused('AccessDeniedException', /PollForJobs.*Custom\/Build\/Jenkins\/1/))
})
