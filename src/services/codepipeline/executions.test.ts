import {
  CodePipelineClient,
  ListActionExecutionsCommand,
  ListDeployActionExecutionTargetsCommand,
  PutApprovalResultCommand,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { approval, publish, refused, releaseStory, source, zipOf } from '../../../test/release-pipeline.ts'
import { allow } from '../../../test/story.ts'

// What an execution does on its way, and what starts one.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
})
afterEach(() => release.bench.drydock.close())

describe('an execution', () => {
  it('takes its source from S3 and publishes it', async () => {
    const version = await release.upload({ 'index.html': '<h1>hello</h1>', 'css/a.css': 'b{}' })
    const id = await release.create({
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
    expect(await release.get(id)).toMatchObject({
      status: 'Succeeded',
      artifactRevisions: [{ name: 'App', revisionId: version, revisionSummary: `Amazon S3 version id: ${version}` }],
    })
    const page = await release.bench.s3.send(new GetObjectCommand({ Bucket: 'site', Key: `v/${version}/index.html` }))
    expect(await page.Body?.transformToString()).toBe('<h1>hello</h1>')
    expect(page.ContentType).toBe('text/html')
    const kept = await release.bench.s3.send(new HeadObjectCommand({ Bucket: 'site', Key: 'app.zip' }))
    expect(kept).toMatchObject({ ContentType: 'application/zip', CacheControl: 'no-store' })
    const { Contents } = await release.bench.s3.send(new ListObjectsV2Command({ Bucket: 'artifacts' }))
    expect(Contents?.map(({ Key }) => Key)).toEqual([expect.stringMatching(/^release\/App\/[A-Za-z0-9]{7}$/)])
    expect((await release.list())[0]).toMatchObject({
      status: 'Succeeded',
      trigger: { triggerType: 'CreatePipeline', triggerDetail: `arn:aws:iam::${release.bench.drydock.account}:root` },
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
    await release.bench.s3.send(new PutObjectCommand({ Bucket: 'source', Key: 'app.zip', Body: await body() }))
    const id = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    expect(await release.statusOf(id)).toBe('Failed')
    const { errorDetails } = (await release.action('Publish', 'Publish')) ?? {}
    expect(errorDetails).toEqual({ code: 'ConfigurationError', message: expect.stringMatching(message) })
    expect((await release.bench.s3.send(new ListObjectsV2Command({ Bucket: 'site' }))).KeyCount).toBe(0)
  })

  it('publishes with an access control list, as its role may set one', async () => {
    await release.upload()
    const id = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        {
          name: 'Publish',
          actions: [
            publish({
              configuration: { BucketName: 'site', Extract: 'true', CannedACL: 'bucket-owner-full-control' },
            }),
          ],
        },
      ],
    })
    expect((await release.action('Publish', 'Publish'))?.errorDetails).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(/s3:PutObjectAcl/),
    })
    await release.bench.drydock.client(IAMClient).send(
      new PutRolePolicyCommand({
        RoleName: 'pipeline',
        PolicyName: 'acl',
        PolicyDocument: JSON.stringify(allow('s3:PutObjectAcl', 'arn:aws:s3:::site/*')),
      }),
    )
    await release.retry(id, 'Publish')
    expect(await release.statusOf(id)).toBe('Succeeded')
    await release.bench.s3.send(new HeadObjectCommand({ Bucket: 'site', Key: 'index.html' }))
  })

  it('fails in its source, and says why', async () => {
    const id = await release.create()
    expect(await release.statusOf(id)).toBe('Failed')
    expect(await release.action('Source', 'Fetch')).toMatchObject({
      status: 'Failed',
      errorDetails: {
        code: 'ConfigurationError',
        message: 'There is no object app.zip in the source bucket source.',
      },
    })
    expect((await release.stage('Source'))?.latestExecution).toMatchObject({
      pipelineExecutionId: id,
      status: 'Failed',
    })
    expect(release.states('Pipeline')).toEqual(['STARTED', 'FAILED'])
    expect(release.states('Stage')).toEqual(['STARTED', 'FAILED'])
    expect(release.states('Action')).toEqual(['STARTED', 'FAILED'])
  })

  it('fails where its role may not, naming the action', async () => {
    await release.upload()
    await release.bench.drydock
      .client(IAMClient)
      .send(new DeleteRolePolicyCommand({ RoleName: 'pipeline', PolicyName: 'policy-0' }))
    const id = await release.create()
    expect(await release.statusOf(id)).toBe('Failed')
    const { errorDetails } = (await release.action('Source', 'Fetch')) ?? {}
    expect(errorDetails?.code).toBe('PermissionError')
    expect(errorDetails?.message).toMatch(
      new RegExp(
        `^User: arn:aws:sts::${release.bench.drydock.account}:assumed-role/pipeline/${id} is not authorized to perform: s3:GetBucketVersioning on resource: "?arn:aws:s3:::source"? because no identity-based policy allows`,
      ),
    )
  })

  it('runs an action under its own role, which the pipeline role must be allowed to assume', async () => {
    await release.upload()
    const trusting = (arn: string) => ({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: arn }, Action: 'sts:AssumeRole' }],
    })
    const policy = allow(['s3:GetObject', 's3:PutObject'])
    const open = await release.bench.drydock.role(
      'open',
      trusting(`arn:aws:iam::${release.bench.drydock.account}:root`),
      [policy],
    )
    const closed = await release.bench.drydock.role(
      'closed',
      trusting(`arn:aws:iam::${release.bench.drydock.account}:role/pipeline`),
      [policy],
    )
    const assumer = await release.bench.drydock.role('assumer', 'codepipeline.amazonaws.com', [
      allow(['s3:*']),
      allow('sts:AssumeRole', [open, closed]),
    ])
    const publishAs = (roleArn: string) => [
      { name: 'Source', actions: [source()] },
      { name: 'Publish', actions: [publish({ roleArn })] },
    ]
    // The account is trusted, but the pipeline's role has no leave to assume it.
    expect(await release.statusOf(await release.create({ stages: publishAs(open) }))).toBe('Failed')
    const denial = async () => (await release.action('Publish', 'Publish'))?.errorDetails
    expect(await denial()).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(
        /assumed-role\/pipeline\/.* is not authorized to perform: sts:AssumeRole on resource: .*role\/open/,
      ),
    })
    const change = async (roleArn: string) => {
      const pipeline = release.declare({ roleArn: assumer, stages: publishAs(roleArn) })
      await release.bench.codepipeline.send(new UpdatePipelineCommand({ pipeline }))
      return release.statusOf(await release.start())
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
    await release.upload()
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
    await release.create({
      pipelineType: 'V2',
      variables: [{ name: 'WHO', defaultValue: 'me' }, { name: 'WHAT' }],
      stages: stagesWith,
    })
    expect(await release.list()).toEqual([])
    await expect(release.start()).rejects.toEqual(refused('ValidationException', /WHAT/))
    await expect(release.start({ variables: [{ name: 'X', value: 'x' }] })).rejects.toEqual(
      refused('ValidationException', /X/),
    )
    const id = await release.start({ variables: [{ name: 'WHAT', value: 'it' }] })
    expect((await release.get(id))?.variables).toEqual([
      { name: 'WHO', resolvedValue: 'me' },
      { name: 'WHAT', resolvedValue: 'it' },
    ])
    const { actionExecutionDetails } = await release.bench.codepipeline.send(
      new ListActionExecutionsCommand({ pipelineName: 'release', filter: { pipelineExecutionId: id }, maxResults: 1 }),
    )
    expect(actionExecutionDetails?.[0]?.input?.resolvedConfiguration).toEqual({ CustomData: `me it ${id} app.zip` })
    await release.answer('Approved')
    expect((await release.action('Review', 'Later'))?.errorDetails).toEqual({
      code: 'ConfigurationError',
      message: 'The action configuration refers to the variable Source.Nothing, which no preceding action has set.',
    })
  })

  it('is started once per token, and with the revision that is asked for', async () => {
    const old = await release.upload()
    await release.upload({ 'index.html': 'newer' })
    await release.create()
    const sourceRevisions = [{ actionName: 'Fetch', revisionType: 'S3_OBJECT_VERSION_ID' as const, revisionValue: old }]
    const id = await release.start({ clientRequestToken: 'once', sourceRevisions })
    expect(await release.start({ clientRequestToken: 'once', sourceRevisions })).toBe(id)
    expect((await release.get(id))?.artifactRevisions?.[0]?.revisionId).toBe(old)
    expect((await release.get(id))?.trigger).toEqual({
      triggerType: 'StartPipelineExecution',
      triggerDetail: `arn:aws:iam::${release.bench.drydock.account}:root`,
    })
    for (const sourceRevisions of [
      [{ actionName: 'Fetch', revisionType: 'COMMIT_ID' as const, revisionValue: 'x' }],
      Array(2).fill({ actionName: 'Fetch', revisionType: 'S3_OBJECT_VERSION_ID', revisionValue: old }),
    ])
      await expect(release.start({ sourceRevisions })).rejects.toEqual(refused('ValidationException'))
  })

  it('is started with another object in a certain version', async () => {
    await release.upload()
    const put = async (name: string) => {
      const body = { Bucket: 'source', Key: 'other.zip', Body: await zipOf({ [name]: '' }) }
      return (await release.bench.s3.send(new PutObjectCommand(body))).VersionId
    }
    const old = await put('old.txt')
    await put('new.txt')
    const configuration = { S3Bucket: 'source', S3ObjectKey: 'app.zip', AllowOverrideForS3ObjectKey: 'true' }
    await release.create({
      stages: [
        { name: 'Source', actions: [source({ configuration })] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    const id = await release.start({
      sourceRevisions: [
        { actionName: 'Fetch', revisionType: 'S3_OBJECT_KEY', revisionValue: 'other.zip' },
        { actionName: 'Fetch', revisionType: 'S3_OBJECT_VERSION_ID', revisionValue: old },
      ],
    })
    expect((await release.get(id))?.artifactRevisions?.[0]?.revisionId).toBe(old)
    const found = await release.bench.s3.send(new ListObjectsV2Command({ Bucket: 'site' }))
    expect(found.Contents?.map(({ Key }) => Key)).toEqual(['index.html', 'old.txt'])
  })

  it('runs actions of the same runOrder at the same time, and waits for all of them', async () => {
    await release.upload()
    const id = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        {
          name: 'Review',
          actions: [approval('First'), approval('Second'), approval('Third', { runOrder: 2 })],
        },
      ],
    })
    expect((await release.action('Review', 'First'))?.status).toBe('InProgress')
    expect((await release.action('Review', 'Second'))?.status).toBe('InProgress')
    expect(await release.action('Review', 'Third')).toBeUndefined()
    await release.answer('Rejected', 'First')
    expect(await release.statusOf(id)).toBe('InProgress')
    await release.answer('Approved', 'Second')
    expect(await release.statusOf(id)).toBe('Failed')
    // Only what failed is done again.
    await release.retry(id, 'Review')
    expect((await release.action('Review', 'Second'))?.status).toBe('Succeeded')
    await release.answer('Approved', 'First')
    await release.answer('Rejected', 'Third')
    await release.retry(id, 'Review', 'ALL_ACTIONS')
    await release.answer('Approved', 'First')
    expect((await release.action('Review', 'Third'))?.status).toBe('Failed')
    await release.answer('Approved', 'Second')
    await release.answer('Approved', 'Third')
    expect(await release.statusOf(id)).toBe('Succeeded')
    const all = { pipelineExecutionId: id }
    const latest = async (startTimeRange: 'Latest' | 'All') =>
      (
        await release.bench.codepipeline.send(
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
    await release.upload()
    const id = await release.create({
      stages: [
        { name: 'Source', actions: [source()] },
        { name: 'Review', actions: [approval('Approve', { timeoutInMinutes: 5 })] },
      ],
    })
    await release.bench.drydock.advance({ minutes: 4 })
    expect(await release.statusOf(id)).toBe('InProgress')
    const token = (await release.action('Review', 'Approve'))?.token
    await release.bench.drydock.advance({ minutes: 2 })
    expect(await release.statusOf(id)).toBe('Failed')
    expect((await release.action('Review', 'Approve'))?.errorDetails?.code).toBe('JobTimedOut')
    const late = (token: string | undefined) =>
      release.bench.codepipeline.send(
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
    await release.upload()
    await release.create()
    const on = (resource: string) => `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:${resource}`
    const token = (await release.action('Review', 'Approve'))?.token
    const approve = new PutApprovalResultCommand({
      pipelineName: 'release',
      stageName: 'Review',
      actionName: 'Approve',
      token,
      result: { status: 'Approved', summary: '' },
    })
    const stranger = await release.bench.drydock.user('stranger', [
      allow('codepipeline:PutApprovalResult', on('release/Other/*')),
    ])
    await expect(release.bench.drydock.client(CodePipelineClient, stranger).send(approve)).rejects.toEqual(
      refused('AccessDeniedException', /codepipeline:PutApprovalResult on resource: .*:release\/Review\/Approve/),
    )
    const reviewer = await release.bench.drydock.user('reviewer', [
      allow('codepipeline:PutApprovalResult', on('release/Review/Approve')),
    ])
    await release.bench.drydock.client(CodePipelineClient, reviewer).send(approve)
    await release.bench.drydock.settled()
    expect(await release.action('Review', 'Approve')).toMatchObject({
      status: 'Succeeded',
      lastUpdatedBy: `arn:aws:iam::${release.bench.drydock.account}:user/reviewer`,
    })
  })
})

describe('a pipeline starts by itself', () => {
  it('when its object changes: within a minute, or at once where the bucket tells', async () => {
    await release.upload()
    const watching = source({ configuration: { S3Bucket: 'source', S3ObjectKey: 'app.zip' } })
    await release.create({
      stages: [
        { name: 'Source', actions: [watching] },
        { name: 'Publish', actions: [publish()] },
      ],
    })
    await release.bench.drydock.advance({ minutes: 3 })
    expect(await release.list()).toHaveLength(1)
    const second = await release.upload({ 'index.html': '2' })
    await release.bench.drydock.advance({ seconds: 61 })
    expect(await release.list()).toHaveLength(2)
    expect((await release.list())[0]).toMatchObject({
      status: 'Succeeded',
      trigger: { triggerType: 'PollForSourceChanges' },
      sourceRevisions: [{ revisionId: second }],
    })
    const told = { Bucket: 'source', NotificationConfiguration: { EventBridgeConfiguration: {} } }
    await release.bench.s3.send(new PutBucketNotificationConfigurationCommand(told))
    await release.upload({ 'index.html': '3' })
    await release.bench.drydock.settled()
    expect(await release.list()).toHaveLength(3)
    await release.bench.drydock.advance({ minutes: 3 })
    expect(await release.list()).toHaveLength(3)
  })

  it('by a rule of EventBridge', async () => {
    await release.upload()
    await release.create()
    const pipelineArn = `arn:aws:codepipeline:us-east-1:${release.bench.drydock.account}:release`
    const starter = await release.bench.drydock.role('starter', 'events.amazonaws.com', [
      allow('codepipeline:StartPipelineExecution', pipelineArn),
    ])
    const told = { Bucket: 'source', NotificationConfiguration: { EventBridgeConfiguration: {} } }
    await release.bench.s3.send(new PutBucketNotificationConfigurationCommand(told))
    const events = release.bench.drydock.client(EventBridgeClient)
    const EventPattern = JSON.stringify({ source: ['aws.s3'], detail: { object: { key: ['app.zip'] } } })
    const { RuleArn } = await events.send(new PutRuleCommand({ Name: 'uploaded', EventPattern }))
    await events.send(
      new PutTargetsCommand({ Rule: 'uploaded', Targets: [{ Id: 'a', Arn: pipelineArn, RoleArn: starter }] }),
    )
    await release.upload({ 'index.html': '2' })
    await release.bench.drydock.settled()
    const [latest, ...others] = await release.list()
    expect(others).toHaveLength(1)
    expect(latest?.trigger).toEqual({ triggerType: 'CloudWatchEvent', triggerDetail: RuleArn })
  })
})

it('has no targets of its own', async () => {
  await release.create()
  const actionExecutionId = (await release.action('Source', 'Fetch'))?.actionExecutionId
  const targets = (id?: string) =>
    release.bench.codepipeline.send(
      new ListDeployActionExecutionTargetsCommand({ pipelineName: 'release', actionExecutionId: id }),
    )
  expect((await targets(actionExecutionId)).targets).toEqual([])
  await expect(targets('none')).rejects.toEqual(refused('ActionExecutionNotFoundException'))
})
