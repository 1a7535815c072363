import {
  type ActionDeclaration,
  CodePipelineClient,
  CreatePipelineCommand,
  DeletePipelineCommand,
  DisableStageTransitionCommand,
  EnableStageTransitionCommand,
  GetPipelineCommand,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListActionTypesCommand,
  ListPipelineExecutionsCommand,
  type ListPipelineExecutionsCommandInput,
  ListPipelinesCommand,
  ListTagsForResourceCommand,
  type PipelineDeclaration,
  PutApprovalResultCommand,
  RetryStageExecutionCommand,
  type StageRetryMode,
  StartPipelineExecutionCommand,
  type StartPipelineExecutionCommandInput,
  StopPipelineExecutionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { DeleteRolePolicyCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ZipFile } from 'yazl'
import { allow, type Story, story } from '../../../test/story.ts'

// How executions go through stages: sources in S3, approvals and deployments to S3, so that nothing else runs.

let drydock: Story
let codepipeline: CodePipelineClient
let s3: S3Client
let role = ''

const begin = async (options: Parameters<typeof story>[0] = {}) => {
  drydock = await story(options)
  reach()
  for (const Bucket of ['artifacts', 'source', 'site']) await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutBucketVersioningCommand({ Bucket: 'source', VersioningConfiguration: { Status: 'Enabled' } }))
  role = await drydock.role('pipeline', 'codepipeline.amazonaws.com', [
    allow(['s3:GetObject', 's3:GetObjectVersion', 's3:GetBucketVersioning', 's3:PutObject', 's3:ListBucket']),
  ])
}
const reach = () => {
  codepipeline = drydock.client(CodePipelineClient)
  s3 = drydock.client(S3Client)
}
beforeEach(() => begin())
afterEach(() => drydock.close())

const zipOf = async (files: Record<string, string>): Promise<Buffer> => {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name)
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
const upload = async (files: Record<string, string> = { 'index.html': 'hello' }) =>
  (await s3.send(new PutObjectCommand({ Bucket: 'source', Key: 'app.zip', Body: await zipOf(files) }))).VersionId

const source = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Fetch',
  actionTypeId: { category: 'Source', owner: 'AWS', provider: 'S3', version: '1' },
  configuration: { S3Bucket: 'source', S3ObjectKey: 'app.zip', PollForSourceChanges: 'false' },
  outputArtifacts: [{ name: 'App' }],
  namespace: 'Source',
  ...change,
})
const approval = (name = 'Approve', change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name,
  actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
  ...change,
})
const publish = (change: Partial<ActionDeclaration> = {}): ActionDeclaration => ({
  name: 'Publish',
  actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' },
  configuration: { BucketName: 'site', Extract: 'true' },
  inputArtifacts: [{ name: 'App' }],
  ...change,
})
const declare = (change: Partial<PipelineDeclaration> = {}): PipelineDeclaration => ({
  name: 'release',
  roleArn: role,
  artifactStore: { type: 'S3', location: 'artifacts' },
  stages: [
    { name: 'Source', actions: [source()] },
    { name: 'Review', actions: [approval()] },
  ],
  ...change,
})
/** Creates the pipeline and returns the first execution's id, once everything that can run has. */
const create = async (change: Partial<PipelineDeclaration> = {}): Promise<string> => {
  await codepipeline.send(new CreatePipelineCommand({ pipeline: declare(change) }))
  await drydock.settled()
  return (await list())[0]?.pipelineExecutionId ?? ''
}
const list = async (more: Partial<ListPipelineExecutionsCommandInput> = {}) =>
  (await codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName: 'release', ...more })))
    .pipelineExecutionSummaries ?? []
const start = async (more: Partial<StartPipelineExecutionCommandInput> = {}): Promise<string> => {
  const started = await codepipeline.send(new StartPipelineExecutionCommand({ name: 'release', ...more }))
  await drydock.settled()
  return started.pipelineExecutionId ?? ''
}
const get = async (pipelineExecutionId: string) =>
  (await codepipeline.send(new GetPipelineExecutionCommand({ pipelineName: 'release', pipelineExecutionId })))
    .pipelineExecution
const statusOf = async (id: string) => (await get(id))?.status
const stages = async () => (await codepipeline.send(new GetPipelineStateCommand({ name: 'release' }))).stageStates ?? []
const stage = async (name: string) => (await stages()).find(({ stageName }) => stageName === name)
const action = async (stageName: string, name: string) =>
  (await stage(stageName))?.actionStates?.find(({ actionName }) => actionName === name)?.latestExecution
const answer = async (status: 'Approved' | 'Rejected', actionName = 'Approve', stageName = 'Review') => {
  const token = (await action(stageName, actionName))?.token
  await codepipeline.send(
    new PutApprovalResultCommand({
      pipelineName: 'release',
      stageName,
      actionName,
      token,
      result: { status, summary: status },
    }),
  )
  await drydock.settled()
}
const stop = async (pipelineExecutionId: string, abandon: boolean, reason?: string) => {
  await codepipeline.send(
    new StopPipelineExecutionCommand({ pipelineName: 'release', pipelineExecutionId, abandon, reason }),
  )
  await drydock.settled()
}
const retry = async (pipelineExecutionId: string, stageName: string, retryMode: StageRetryMode = 'FAILED_ACTIONS') => {
  await codepipeline.send(
    new RetryStageExecutionCommand({ pipelineName: 'release', stageName, pipelineExecutionId, retryMode }),
  )
  await drydock.settled()
}
const door = async (stageName: string, open: boolean) => {
  const of = { pipelineName: 'release', stageName, transitionType: 'Inbound' } as const
  if (open) await codepipeline.send(new EnableStageTransitionCommand(of))
  else await codepipeline.send(new DisableStageTransitionCommand({ ...of, reason: 'Holidays' }))
  await drydock.settled()
}
const refused = (name: string, message?: string | RegExp) =>
  expect.objectContaining({ name, ...(message ? { message: expect.stringMatching(message) } : {}) })
const states = (what: string) =>
  drydock.events
    .filter((event) => event['detail-type'] === `CodePipeline ${what} Execution State Change`)
    .map(({ detail }) => detail.state)

describe('pipelines', () => {
  it('are created, changed, listed and deleted; every version is kept', async () => {
    await create({ pipelineType: 'V2', executionMode: 'QUEUED' })
    await expect(create()).rejects.toEqual(
      refused('PipelineNameInUseException', "A pipeline with the name 'release' already exists in account"),
    )
    const { pipeline } = await codepipeline.send(new UpdatePipelineCommand({ pipeline: declare() }))
    expect(pipeline).toMatchObject({ version: 2, pipelineType: 'V1', executionMode: 'SUPERSEDED' })
    const first = await codepipeline.send(new GetPipelineCommand({ name: 'release', version: 1 }))
    expect(first.pipeline).toMatchObject({ version: 1, pipelineType: 'V2', executionMode: 'QUEUED' })
    expect(first.pipeline?.stages?.[1]?.actions?.[0]).toMatchObject({
      runOrder: 1,
      configuration: {},
      inputArtifacts: [],
    })
    expect(first.metadata?.pipelineArn).toBe(`arn:aws:codepipeline:us-east-1:${drydock.account}:release`)
    await expect(codepipeline.send(new GetPipelineCommand({ name: 'release', version: 3 }))).rejects.toEqual(
      refused('PipelineVersionNotFoundException'),
    )
    await codepipeline.send(new CreatePipelineCommand({ pipeline: declare({ name: 'another' }) }))
    const { pipelines, nextToken } = await codepipeline.send(new ListPipelinesCommand({ maxResults: 1 }))
    expect(pipelines?.map(({ name }) => name)).toEqual(['another'])
    const rest = await codepipeline.send(new ListPipelinesCommand({ nextToken }))
    expect(rest.pipelines?.map(({ name, version }) => [name, version])).toEqual([['release', 2]])
    await codepipeline.send(new DeletePipelineCommand({ name: 'release' }))
    await codepipeline.send(new DeletePipelineCommand({ name: 'release' }))
    await drydock.settled()
    await expect(codepipeline.send(new GetPipelineCommand({ name: 'release' }))).rejects.toEqual(
      refused('PipelineNotFoundException', `Account '${drydock.account}' does not have a pipeline with name 'release'`),
    )
    await expect(codepipeline.send(new UpdatePipelineCommand({ pipeline: declare() }))).rejects.toEqual(
      refused('ResourceNotFoundException'),
    )
    await create()
    expect(await list()).toHaveLength(1)
  })

  it('have tags', async () => {
    const tags = [{ key: 'team', value: 'a' }]
    await codepipeline.send(new CreatePipelineCommand({ pipeline: declare(), tags }))
    const resourceArn = `arn:aws:codepipeline:us-east-1:${drydock.account}:release`
    await codepipeline.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'stage', value: 'dev' }] }))
    await codepipeline.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'team', value: 'b' }] }))
    await codepipeline.send(new UntagResourceCommand({ resourceArn, tagKeys: ['stage'] }))
    const listed = await codepipeline.send(new ListTagsForResourceCommand({ resourceArn }))
    expect(listed.tags).toEqual([{ key: 'team', value: 'b' }])
    await expect(
      codepipeline.send(new TagResourceCommand({ resourceArn, tags: [{ key: 'aws:x', value: '' }] })),
    ).rejects.toEqual(refused('InvalidTagsException'))
    await expect(
      codepipeline.send(new ListTagsForResourceCommand({ resourceArn: `${resourceArn}-none` })),
    ).rejects.toEqual(refused('ResourceNotFoundException'))
    // Tags decide who may do what.
    const keys = await drydock.user('teamster', [
      allow('codepipeline:*', '*', { StringEquals: { 'aws:ResourceTag/team': 'b' } }),
    ])
    const theirs = drydock.client(CodePipelineClient, keys)
    await theirs.send(new GetPipelineStateCommand({ name: 'release' }))
    await codepipeline.send(new UntagResourceCommand({ resourceArn, tagKeys: ['team'] }))
    await expect(theirs.send(new GetPipelineStateCommand({ name: 'release' }))).rejects.toEqual(
      refused('AccessDeniedException', 'codepipeline:GetPipelineState'),
    )
  })

  it('are refused without changing anything', async () => {
    const one = declare({ stages: declare().stages?.slice(0, 1) })
    await expect(codepipeline.send(new CreatePipelineCommand({ pipeline: one }))).rejects.toEqual(
      refused('InvalidStructureException', /^Pipeline has only 1 stage/),
    )
    const foreign = await drydock.role('foreign', 'ec2.amazonaws.com')
    await expect(create({ roleArn: foreign })).rejects.toEqual(
      refused('InvalidStructureException', `CodePipeline is not authorized to perform AssumeRole on role ${foreign}`),
    )
    const keys = await drydock.user('author', [allow('codepipeline:*')])
    await expect(
      drydock.client(CodePipelineClient, keys).send(new CreatePipelineCommand({ pipeline: declare() })),
    ).rejects.toEqual(refused('AccessDeniedException', 'iam:PassRole'))
    expect((await codepipeline.send(new ListPipelinesCommand({}))).pipelines).toEqual([])
  })

  it('are made of action types that work', async () => {
    const { actionTypes } = await codepipeline.send(new ListActionTypesCommand({ actionOwnerFilter: 'AWS' }))
    expect(actionTypes?.map(({ id }) => `${id?.category} ${id?.provider}`)).toEqual([
      'Source CodeCommit',
      'Source S3',
      'Build CodeBuild',
      'Test CodeBuild',
      'Deploy CodeDeploy',
      'Deploy S3',
      'Approval Manual',
    ])
    const custom = await codepipeline.send(new ListActionTypesCommand({ actionOwnerFilter: 'Custom' }))
    expect(custom.actionTypes).toEqual([])
  })
})

describe('an execution', () => {
  it('takes its source from S3 and publishes it', async () => {
    const version = await upload({ 'index.html': '<h1>hello</h1>', 'css/a.css': 'b{}' })
    const id = await create({
      stages: [
        { name: 'Source', actions: [source()] },
        {
          name: 'Publish',
          actions: [
            publish({ configuration: { BucketName: 'site', Extract: 'true', ObjectKey: 'v/#{Source.VersionId}' } }),
            publish({
              name: 'Keep',
              runOrder: 2,
              configuration: { BucketName: 'site', Extract: 'false', ObjectKey: 'app.zip', CacheControl: 'no-store' },
            }),
          ],
        },
      ],
    })
    expect(await get(id)).toMatchObject({
      status: 'Succeeded',
      artifactRevisions: [{ name: 'App', revisionId: version, revisionSummary: `Amazon S3 version id: ${version}` }],
    })
    const page = await s3.send(new GetObjectCommand({ Bucket: 'site', Key: `v/${version}/index.html` }))
    expect(await page.Body?.transformToString()).toBe('<h1>hello</h1>')
    expect(page.ContentType).toBe('text/html')
    const kept = await s3.send(new HeadObjectCommand({ Bucket: 'site', Key: 'app.zip' }))
    expect(kept).toMatchObject({ ContentType: 'application/zip', CacheControl: 'no-store' })
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'artifacts' }))
    expect(Contents?.map(({ Key }) => Key)).toEqual([expect.stringMatching(/^release\/App\/[A-Za-z0-9]{7}$/)])
    expect((await list())[0]).toMatchObject({
      status: 'Succeeded',
      trigger: { triggerType: 'CreatePipeline', triggerDetail: `arn:aws:iam::${drydock.account}:root` },
      sourceRevisions: [{ actionName: 'Fetch', revisionId: version }],
    })
  })

  it.each([
    ['no archive', async () => Buffer.from('hello'), 'The input artifact is not a zip archive.'],
    [
      'an archive that reaches out',
      // yazl refuses to write such a name, so it is written over.
      async () => Buffer.from((await zipOf({ 'aa/evil': '' })).toString('latin1').replaceAll('aa/', '../'), 'latin1'),
      /^The input artifact cannot be extracted: .*\.\.\/evil/,
    ],
  ])('refuses to extract %s', async (_what, body, message) => {
    await s3.send(new PutObjectCommand({ Bucket: 'source', Key: 'app.zip', Body: await body() }))
    const id = await create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    expect(await statusOf(id)).toBe('Failed')
    const { errorDetails } = (await action('Publish', 'Publish')) ?? {}
    expect(errorDetails).toEqual({ code: 'ConfigurationError', message: expect.stringMatching(message) })
    expect((await s3.send(new ListObjectsV2Command({ Bucket: 'site' }))).KeyCount).toBe(0)
  })

  it('fails in its source, and says why', async () => {
    const id = await create()
    expect(await statusOf(id)).toBe('Failed')
    expect(await action('Source', 'Fetch')).toMatchObject({
      status: 'Failed',
      errorDetails: { code: 'ConfigurationError' },
    })
    expect((await stage('Source'))?.latestExecution).toMatchObject({ pipelineExecutionId: id, status: 'Failed' })
    expect(states('Pipeline')).toEqual(['STARTED', 'FAILED'])
    expect(states('Stage')).toEqual(['STARTED', 'FAILED'])
    expect(states('Action')).toEqual(['STARTED', 'FAILED'])
  })

  it('fails where its role may not, naming the action', async () => {
    await upload()
    await drydock.client(IAMClient).send(new DeleteRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'policy-0' }))
    const id = await create()
    expect(await statusOf(id)).toBe('Failed')
    const { errorDetails } = (await action('Source', 'Fetch')) ?? {}
    expect(errorDetails?.code).toBe('PermissionError')
    expect(errorDetails?.message).toMatch(
      new RegExp(
        `^User: arn:aws:sts::${drydock.account}:assumed-role/pipeline/${id} is not authorized to perform: s3:GetBucketVersioning on resource: "?arn:aws:s3:::source"? because no identity-based policy allows`,
      ),
    )
  })

  it('runs an action under its own role, which the pipeline role must be allowed to assume', async () => {
    await upload()
    const trusting = (arn: string) => ({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: arn }, Action: 'sts:AssumeRole' }],
    })
    const policy = allow(['s3:GetObject', 's3:PutObject'])
    const open = await drydock.role('open', trusting(`arn:aws:iam::${drydock.account}:root`), [policy])
    const closed = await drydock.role('closed', trusting(`arn:aws:iam::${drydock.account}:role/pipeline`), [policy])
    const assumer = await drydock.role('assumer', 'codepipeline.amazonaws.com', [
      allow(['s3:*']),
      allow('sts:AssumeRole', [open, closed]),
    ])
    const publishAs = (roleArn: string) => [
      { name: 'Source', actions: [source()] },
      { name: 'Publish', actions: [publish({ roleArn })] },
    ]
    // The account is trusted, but the pipeline's role has no leave to assume it.
    expect(await statusOf(await create({ stages: publishAs(open) }))).toBe('Failed')
    const denial = async () => (await action('Publish', 'Publish'))?.errorDetails
    expect(await denial()).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(
        /assumed-role\/pipeline\/.* is not authorized to perform: sts:AssumeRole on resource: .*role\/open/,
      ),
    })
    const change = async (roleArn: string) => {
      const pipeline = declare({ roleArn: assumer, stages: publishAs(roleArn) })
      await codepipeline.send(new UpdatePipelineCommand({ pipeline }))
      return statusOf(await start())
    }
    // It may assume this one, which trusts somebody else.
    expect(await change(closed)).toBe('Failed')
    expect(await denial()).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(/assumed-role\/assumer\/.* sts:AssumeRole on resource: .*role\/closed/),
    })
    expect(await change(open)).toBe('Succeeded')
  })

  it('has variables', async () => {
    await upload()
    const stagesWith = [
      { name: 'Source', actions: [source()] },
      {
        name: 'Review',
        actions: [
          approval('Approve', {
            configuration: {
              CustomData: '#{variables.WHO} #{variables.WHAT} #{codepipeline.PipelineExecutionId} #{Source.ObjectKey}',
            },
          }),
          approval('Later', { runOrder: 2, configuration: { CustomData: '#{Source.Nothing}' } }),
        ],
      },
    ]
    await create({
      pipelineType: 'V2',
      variables: [{ name: 'WHO', defaultValue: 'me' }, { name: 'WHAT' }],
      stages: stagesWith,
    })
    expect(await list()).toEqual([])
    await expect(start()).rejects.toEqual(refused('ValidationException', /WHAT/))
    await expect(start({ variables: [{ name: 'X', value: 'x' }] })).rejects.toEqual(refused('ValidationException', /X/))
    const id = await start({ variables: [{ name: 'WHAT', value: 'it' }] })
    expect((await get(id))?.variables).toEqual([
      { name: 'WHO', resolvedValue: 'me' },
      { name: 'WHAT', resolvedValue: 'it' },
    ])
    const { actionExecutionDetails } = await codepipeline.send(
      new ListActionExecutionsCommand({ pipelineName: 'release', filter: { pipelineExecutionId: id }, maxResults: 1 }),
    )
    expect(actionExecutionDetails?.[0]?.input?.resolvedConfiguration).toEqual({ CustomData: `me it ${id} app.zip` })
    await answer('Approved')
    expect((await action('Review', 'Later'))?.errorDetails).toEqual({
      code: 'ConfigurationError',
      message: 'The action configuration refers to the variable Source.Nothing, which no preceding action has set.',
    })
  })

  it('is started once per token, and with the revision that is asked for', async () => {
    const old = await upload()
    await upload({ 'index.html': 'newer' })
    await create()
    const sourceRevisions = [{ actionName: 'Fetch', revisionType: 'S3_OBJECT_VERSION_ID' as const, revisionValue: old }]
    const id = await start({ clientRequestToken: 'once', sourceRevisions })
    expect(await start({ clientRequestToken: 'once', sourceRevisions })).toBe(id)
    expect((await get(id))?.artifactRevisions?.[0]?.revisionId).toBe(old)
    expect((await get(id))?.trigger).toEqual({
      triggerType: 'StartPipelineExecution',
      triggerDetail: `arn:aws:iam::${drydock.account}:root`,
    })
    await expect(
      start({ sourceRevisions: [{ actionName: 'Fetch', revisionType: 'COMMIT_ID', revisionValue: 'x' }] }),
    ).rejects.toEqual(refused('ValidationException'))
  })

  it('runs actions of the same runOrder at the same time, and waits for all of them', async () => {
    await upload()
    const id = await create({
      stages: [
        { name: 'Source', actions: [source()] },
        {
          name: 'Review',
          actions: [approval('First'), approval('Second'), approval('Third', { runOrder: 2 })],
        },
      ],
    })
    expect((await action('Review', 'First'))?.status).toBe('InProgress')
    expect((await action('Review', 'Second'))?.status).toBe('InProgress')
    expect(await action('Review', 'Third')).toBeUndefined()
    await answer('Rejected', 'First')
    expect(await statusOf(id)).toBe('InProgress')
    await answer('Approved', 'Second')
    expect(await statusOf(id)).toBe('Failed')
    // Only what failed is done again.
    await retry(id, 'Review')
    expect((await action('Review', 'Second'))?.status).toBe('Succeeded')
    await answer('Approved', 'First')
    await answer('Rejected', 'Third')
    await retry(id, 'Review', 'ALL_ACTIONS')
    await answer('Approved', 'First')
    expect((await action('Review', 'Third'))?.status).toBe('Failed')
    await answer('Approved', 'Second')
    await answer('Approved', 'Third')
    expect(await statusOf(id)).toBe('Succeeded')
    const all = { pipelineExecutionId: id }
    const latest = async (startTimeRange: 'Latest' | 'All') =>
      (
        await codepipeline.send(
          new ListActionExecutionsCommand({
            pipelineName: 'release',
            filter: { latestInPipelineExecution: { ...all, startTimeRange } },
          }),
        )
      ).actionExecutionDetails?.map(({ actionName }) => actionName)
    expect(await latest('Latest')).toEqual(['Third', 'Second', 'First', 'Fetch'])
    expect(await latest('All')).toHaveLength(8)
  })

  it('waits seven days for an approval, or as long as it is told', async () => {
    await upload()
    const id = await create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Review', actions: [approval('Approve', { timeoutInMinutes: 5 })] },
      ],
    })
    await drydock.advance({ minutes: 4 })
    expect(await statusOf(id)).toBe('InProgress')
    const token = (await action('Review', 'Approve'))?.token
    await drydock.advance({ minutes: 2 })
    expect(await statusOf(id)).toBe('Failed')
    expect((await action('Review', 'Approve'))?.errorDetails?.code).toBe('JobTimedOut')
    const late = (token: string | undefined) =>
      codepipeline.send(
        new PutApprovalResultCommand({
          pipelineName: 'release',
          stageName: 'Review',
          actionName: 'Approve',
          token,
          result: { status: 'Approved', summary: '' },
        }),
      )
    await expect(late(token)).rejects.toEqual(refused('ApprovalAlreadyCompletedException'))
    await expect(late('00000000-0000-0000-0000-000000000000')).rejects.toEqual(refused('InvalidApprovalTokenException'))
  })

  it('is approved only by those who may', async () => {
    await upload()
    await create()
    const on = (resource: string) => `arn:aws:codepipeline:us-east-1:${drydock.account}:${resource}`
    const token = (await action('Review', 'Approve'))?.token
    const approve = new PutApprovalResultCommand({
      pipelineName: 'release',
      stageName: 'Review',
      actionName: 'Approve',
      token,
      result: { status: 'Approved', summary: '' },
    })
    const stranger = await drydock.user('stranger', [allow('codepipeline:PutApprovalResult', on('release/Other/*'))])
    await expect(drydock.client(CodePipelineClient, stranger).send(approve)).rejects.toEqual(
      refused('AccessDeniedException', /codepipeline:PutApprovalResult on resource: .*:release\/Review\/Approve/),
    )
    const reviewer = await drydock.user('reviewer', [
      allow('codepipeline:PutApprovalResult', on('release/Review/Approve')),
    ])
    await drydock.client(CodePipelineClient, reviewer).send(approve)
    await drydock.settled()
    expect(await action('Review', 'Approve')).toMatchObject({
      status: 'Succeeded',
      lastUpdatedBy: `arn:aws:iam::${drydock.account}:user/reviewer`,
    })
  })
})

describe('executions that meet', () => {
  it('wait at a closed door, where the newer supersedes the older', async () => {
    await upload()
    const first = await create()
    await answer('Approved')
    expect(await statusOf(first)).toBe('Succeeded')
    await door('Review', false)
    expect((await stage('Review'))?.inboundTransitionState).toMatchObject({
      enabled: false,
      disabledReason: 'Holidays',
      lastChangedBy: `arn:aws:iam::${drydock.account}:root`,
    })
    const second = await start()
    expect((await stage('Review'))?.inboundExecution?.pipelineExecutionId).toBe(second)
    const third = await start()
    expect(await statusOf(second)).toBe('Superseded')
    expect((await stage('Review'))?.inboundExecutions?.map((one) => one.pipelineExecutionId)).toEqual([third])
    await door('Review', true)
    expect((await stage('Review'))?.inboundExecution).toBeUndefined()
    // The stage is locked while an execution is in it.
    const fourth = await start()
    const fifth = await start()
    expect(await statusOf(third)).toBe('InProgress')
    expect(await statusOf(fourth)).toBe('Superseded')
    expect((await stage('Review'))?.inboundExecution?.pipelineExecutionId).toBe(fifth)
    await answer('Approved')
    expect(await statusOf(third)).toBe('Succeeded')
    expect((await stage('Review'))?.latestExecution).toMatchObject({ pipelineExecutionId: fifth, status: 'InProgress' })
    expect(states('Pipeline').filter((state) => state === 'SUPERSEDED')).toHaveLength(2)
    const filter = { succeededInStage: { stageName: 'Review' } }
    expect((await list({ filter })).map(({ pipelineExecutionId }) => pipelineExecutionId)).toEqual([third, first])
    const paged = await codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName: 'release', maxResults: 2 }))
    expect(paged.pipelineExecutionSummaries?.map((one) => one.pipelineExecutionId)).toEqual([fifth, fourth])
    const rest = await list({ nextToken: paged.nextToken })
    expect(rest.map((one) => one.pipelineExecutionId)).toEqual([third, second, first])
    await expect(list({ nextToken: 'x' })).rejects.toEqual(refused('InvalidNextTokenException'))
  })

  it('wait in order where they queue', async () => {
    await upload()
    const ids = [await create({ pipelineType: 'V2', executionMode: 'QUEUED' })]
    for (let count = 0; count < 3; count++) ids.push(await start())
    const waiting = async () =>
      (await stage('Review'))?.inboundExecutions?.map(({ pipelineExecutionId }) => pipelineExecutionId)
    expect(await waiting()).toEqual(ids.slice(1))
    await stop(ids[2] ?? '', false)
    expect(await statusOf(ids[2] ?? '')).toBe('Stopped')
    await answer('Rejected')
    expect(await waiting()).toEqual(ids.slice(3))
    await answer('Approved')
    await answer('Approved')
    expect(await Promise.all(ids.map(statusOf))).toEqual(['Failed', 'Succeeded', 'Stopped', 'Succeeded'])
    await expect(retry(ids[0] ?? '', 'Review')).rejects.toEqual(refused('NotLatestPipelineExecutionException'))
    for (let count = 0; count < 50; count++)
      await codepipeline.send(new StartPipelineExecutionCommand({ name: 'release' }))
    await expect(start()).rejects.toEqual(refused('ConcurrentPipelineExecutionsLimitExceededException'))
  })

  it('do not meet in PARALLEL mode', async () => {
    await upload()
    const first = await create({ pipelineType: 'V2', executionMode: 'PARALLEL' })
    const second = await start()
    expect((await stage('Review'))?.inboundExecutions).toEqual([])
    await answer('Approved')
    expect(await statusOf(second)).toBe('Succeeded')
    expect(await statusOf(first)).toBe('InProgress')
  })
})

describe('an execution is stopped', () => {
  it('once what runs is done', async () => {
    await upload()
    const id = await create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Review', actions: [approval(), approval('Later', { runOrder: 2 })] },
      ],
    })
    await stop(id, false, 'Enough')
    expect(await get(id)).toMatchObject({ status: 'Stopping', statusSummary: 'Enough' })
    expect((await stage('Review'))?.latestExecution?.status).toBe('Stopping')
    await expect(stop(id, false)).rejects.toEqual(refused('DuplicatedStopRequestException'))
    await answer('Approved')
    expect(await statusOf(id)).toBe('Stopped')
    expect(await action('Review', 'Later')).toBeUndefined()
    expect((await list())[0]?.stopTrigger?.reason).toBe('Enough')
    await expect(stop(id, true)).rejects.toEqual(refused('PipelineExecutionNotStoppableException'))
    expect(states('Pipeline')).toEqual(['STARTED', 'STOPPING', 'STOPPED'])
  })

  it('at once when what runs is abandoned; the stage is free, and can be retried', async () => {
    await upload()
    const id = await create()
    await stop(id, true)
    expect(await statusOf(id)).toBe('Stopped')
    expect((await action('Review', 'Approve'))?.status).toBe('Abandoned')
    await retry(id, 'Review')
    await answer('Approved')
    expect(await statusOf(id)).toBe('Succeeded')
    expect(states('Pipeline')).toEqual(['STARTED', 'STOPPING', 'STOPPED', 'RESUMED', 'SUCCEEDED'])
    await stop(await start(), false)
    await stop((await list())[0]?.pipelineExecutionId ?? '', true)
    expect((await list())[0]?.status).toBe('Stopped')
  })

  it('by a change of the structure', async () => {
    await upload()
    const id = await create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Review', actions: [approval()] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    await codepipeline.send(new UpdatePipelineCommand({ pipeline: declare() }))
    await drydock.settled()
    expect(await statusOf(id)).toBe('InProgress')
    await answer('Approved')
    expect(await statusOf(id)).toBe('Cancelled')
    await expect(retry(id, 'Review')).rejects.toEqual(refused('StageNotRetryableException'))
    await expect(retry(id, 'Publish')).rejects.toEqual(refused('StageNotFoundException'))
  })
})

describe('a pipeline starts by itself', () => {
  it('when its object changes: within a minute, or at once where the bucket tells', async () => {
    await upload()
    const watching = source({ configuration: { S3Bucket: 'source', S3ObjectKey: 'app.zip' } })
    await create({
      stages: [
        { name: 'Source', actions: [watching] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    await drydock.advance({ minutes: 3 })
    expect(await list()).toHaveLength(1)
    const second = await upload({ 'index.html': '2' })
    await drydock.advance({ seconds: 61 })
    expect(await list()).toHaveLength(2)
    expect((await list())[0]).toMatchObject({
      status: 'Succeeded',
      trigger: { triggerType: 'PollForSourceChanges' },
      sourceRevisions: [{ revisionId: second }],
    })
    const told = { Bucket: 'source', NotificationConfiguration: { EventBridgeConfiguration: {} } }
    await s3.send(new PutBucketNotificationConfigurationCommand(told))
    await upload({ 'index.html': '3' })
    await drydock.settled()
    expect(await list()).toHaveLength(3)
    await drydock.advance({ minutes: 3 })
    expect(await list()).toHaveLength(3)
  })

  it('by a rule of EventBridge', async () => {
    await upload()
    await create()
    const pipelineArn = `arn:aws:codepipeline:us-east-1:${drydock.account}:release`
    const starter = await drydock.role('starter', 'events.amazonaws.com', [
      allow('codepipeline:StartPipelineExecution', pipelineArn),
    ])
    const told = { Bucket: 'source', NotificationConfiguration: { EventBridgeConfiguration: {} } }
    await s3.send(new PutBucketNotificationConfigurationCommand(told))
    const events = drydock.client(EventBridgeClient)
    const EventPattern = JSON.stringify({ source: ['aws.s3'], detail: { object: { key: ['app.zip'] } } })
    const { RuleArn } = await events.send(new PutRuleCommand({ Name: 'uploaded', EventPattern }))
    await events.send(
      new PutTargetsCommand({ Rule: 'uploaded', Targets: [{ Id: 'a', Arn: pipelineArn, RoleArn: starter }] }),
    )
    await upload({ 'index.html': '2' })
    await drydock.settled()
    const [latest, ...others] = await list()
    expect(others).toHaveLength(1)
    expect(latest?.trigger).toEqual({ triggerType: 'CloudWatchEvent', triggerDetail: RuleArn })
  })
})

it('goes on after a restart', async () => {
  await drydock.close()
  await begin({ durable: true })
  await upload()
  const first = await create({
    pipelineType: 'V2',
    executionMode: 'QUEUED',
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Review', actions: [approval()] },
      { name: 'Publish', actions: [publish()] },
    ],
  })
  const second = await start()
  drydock = await drydock.restart()
  reach()
  await drydock.settled()
  expect((await stage('Review'))?.inboundExecution?.pipelineExecutionId).toBe(second)
  await answer('Approved')
  expect(await statusOf(first)).toBe('Succeeded')
  drydock = await drydock.restart()
  reach()
  await drydock.settled()
  await answer('Approved')
  expect(await statusOf(second)).toBe('Succeeded')
})
