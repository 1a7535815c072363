import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { BatchGetBuildsCommand, CodeBuildClient } from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateBranchCommand } from '@aws-sdk/client-codecommit'
import {
  CodeDeployClient,
  CreateApplicationCommand,
  CreateDeploymentGroupCommand,
  GetDeploymentCommand,
} from '@aws-sdk/client-codedeploy'
import { CreatePipelineCommand, RetryStageExecutionCommand, UpdatePipelineCommand } from '@aws-sdk/client-codepipeline'
import { DeleteRolePolicyCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { describe, expect, it } from 'vitest'
import { allow } from '../../../test/story.ts'
import { runsOnHost } from '../codebuild/host-runner.ts'
import {
  actionState,
  actions,
  answer,
  begin,
  buildspec,
  declaration,
  drydock,
  ended,
  executionsOf,
  head,
  name,
  onBench,
  openApproval,
  pipelines,
  push,
  restart,
  stageStates,
  states,
  text,
  when,
} from './delivery-bench.ts'

// Push, build, approve, deploy: the whole way through the services it uses, each under its own role.

onBench()

const recordsOf = async (AttributeValue: string) => {
  const { Events = [] } = await drydock
    .client(CloudTrailClient)
    .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue }] }))
  return Events.map(({ CloudTrailEvent = '{}' }): unknown => JSON.parse(CloudTrailEvent))
}

describe('a pipeline', () => {
  it('goes from a push to a deployment', async () => {
    const { role } = await begin()
    await push({ 'buildspec.yml': buildspec, 'index.html': '<h1>1</h1>' }, 'One')
    await drydock.settled()
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role) }))
    const token = await openApproval()
    expect(await actionState('Release', 'Approve')).toMatchObject({ status: 'InProgress' })
    await answer(token, 'Approved')
    const [first] = await executionsOf()
    const execution = await ended(first?.pipelineExecutionId)
    expect(execution).toMatchObject({
      status: 'Succeeded',
      pipelineVersion: 1,
      trigger: { triggerType: 'CreatePipeline' },
      variables: [{ name: 'WHO', resolvedValue: 'world' }],
      artifactRevisions: [{ name: 'SourceOutput', revisionId: head, revisionSummary: 'One' }],
      executionMode: 'SUPERSEDED',
    })
    expect(await text('r-1/index.html')).toBe('<h1>1</h1>')
    expect(await text('r-1/who.txt')).toBe('world One\n')

    const details = await actions(execution.pipelineExecutionId)
    expect(details.map(({ actionName, status }) => [actionName, status])).toEqual([
      ['Publish', 'Succeeded'],
      ['Approve', 'Succeeded'],
      ['Compile', 'Succeeded'],
      ['Checkout', 'Succeeded'],
    ])
    const [publish, approve, compile, checkout] = details
    expect(publish?.input?.resolvedConfiguration).toMatchObject({ ObjectKey: 'r-1' })
    expect(publish?.input?.configuration).toMatchObject({ ObjectKey: '#{Build.RELEASE}' })
    expect(approve?.updatedBy).toBe(`arn:aws:iam::${drydock.account}:root`)
    expect(compile?.output?.outputVariables).toEqual({ RELEASE: 'r-1' })
    const buildId = compile?.output?.executionResult?.externalExecutionId ?? ''
    const { builds } = await drydock.client(CodeBuildClient).send(new BatchGetBuildsCommand({ ids: [buildId] }))
    expect(builds?.[0]).toMatchObject({ buildStatus: 'SUCCEEDED', initiator: `codepipeline/${name}` })
    expect(checkout?.output?.outputVariables).toEqual({
      RepositoryName: 'app',
      BranchName: 'main',
      CommitId: head,
      CommitMessage: 'One',
      AuthorDate: '2026-11-23T09:00:00Z',
      CommitterDate: '2026-11-23T09:00:00Z',
    })
    const [artifact] = checkout?.output?.outputArtifacts ?? []
    expect(artifact?.name).toBe('SourceOutput')
    expect(artifact?.s3location?.key).toMatch(/^release-of-the-appli\/SourceOutp\/[A-Za-z0-9]{7}$/)
    await drydock.settled()
    expect(states()).toEqual([
      'Pipeline STARTED',
      'Stage Source STARTED',
      'Action Source Checkout STARTED',
      'Action Source Checkout SUCCEEDED',
      'Stage Source SUCCEEDED',
      'Stage Build STARTED',
      'Action Build Compile STARTED',
      'Action Build Compile SUCCEEDED',
      'Stage Build SUCCEEDED',
      'Stage Release STARTED',
      'Action Release Approve STARTED',
      'Action Release Approve SUCCEEDED',
      'Action Release Publish STARTED',
      'Action Release Publish SUCCEEDED',
      'Stage Release SUCCEEDED',
      'Pipeline SUCCEEDED',
    ])

    // CloudTrail knows under which role, by whom, each provider was asked.
    const session = (of: string) => `arn:aws:sts::${drydock.account}:assumed-role/pipeline/${of}`
    for (const [eventName, by] of [
      ['GetBranch', execution.pipelineExecutionId],
      ['UploadArchive', execution.pipelineExecutionId],
      ['GetUploadArchiveStatus', execution.pipelineExecutionId],
      ['StartBuild', name],
      ['GenerateDataKey', execution.pipelineExecutionId],
    ]) {
      const recorded = await recordsOf(eventName ?? '')
      expect(recorded, eventName).toContainEqual(
        expect.objectContaining({
          userIdentity: expect.objectContaining({ type: 'AssumedRole', arn: session(by ?? '') }),
          sourceIPAddress: eventName === 'GenerateDataKey' ? 's3.amazonaws.com' : 'codepipeline.amazonaws.com',
        }),
      )
    }

    // The next push starts it by itself.
    await push({ 'index.html': '<h1>2</h1>' }, 'Two')
    await answer(await openApproval(), 'Approved')
    const [second] = await when(async () => {
      const all = await executionsOf()
      return all.length === 2 && all
    })
    expect((await ended(second?.pipelineExecutionId)).trigger?.triggerType).toBe('PollForSourceChanges')
    expect(await text('r-2/index.html')).toBe('<h1>2</h1>')
  })

  it('fails where a build fails, and goes on from there once it is retried', async () => {
    const { role } = await begin()
    await push({ 'buildspec.yml': buildspec, 'index.html': '1' })
    await drydock.settled()
    const iam = drydock.client(IAMClient)
    // Without its second policy the build may not read its source.
    await iam.send(new DeleteRolePolicyCommand({ RoleName: 'builder', PolicyName: 'policy-1' }))
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role) }))
    const [first] = await executionsOf()
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    const failed = await actionState('Build', 'Compile')
    expect(failed).toMatchObject({ status: 'Failed', errorDetails: { code: 'JobFailed' } })
    expect(failed?.errorDetails?.message).toMatch(
      /^Build terminated with state: FAILED. Phase: DOWNLOAD_SOURCE, Code: CLIENT_ERROR, Message: .*s3:GetObject/,
    )
    const retry = () =>
      pipelines().send(
        new RetryStageExecutionCommand({
          pipelineName: name,
          stageName: 'Build',
          pipelineExecutionId: first?.pipelineExecutionId,
          retryMode: 'FAILED_ACTIONS',
        }),
      )
    const policy = allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], 'arn:aws:s3:::artifacts/*')
    await iam.send(
      new PutRolePolicyCommand({ RoleName: 'builder', PolicyName: 'policy-1', PolicyDocument: JSON.stringify(policy) }),
    )
    await retry()
    await expect(retry()).rejects.toMatchObject({ name: 'StageNotRetryableException' })
    await answer(await openApproval(), 'Rejected', 'Not today')
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    expect(await actionState('Release', 'Approve')).toMatchObject({ status: 'Failed', summary: 'Not today' })
    expect((await stageStates())[1]?.retryStageMetadata?.manualStageRetryAttempt).toBe(1)
    await expect(retry()).rejects.toMatchObject({ name: 'StageNotRetryableException' })
  })

  it('goes on when the server was gone in the middle of a build', async () => {
    const { role } = await begin({ durable: true })
    await push({ 'buildspec.yml': buildspec, 'index.html': '1' })
    await drydock.settled()
    const gate = Promise.withResolvers<void>()
    const building = Promise.withResolvers<void>()
    drydock.compute.on('build-', async (spec, task) => {
      building.resolve()
      await gate.promise
      return runsOnHost(spec, task)
    })
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role) }))
    await building.promise
    await restart()
    gate.resolve()
    // CodeBuild looks for its tasks every second.
    await drydock.advance({ seconds: 2 })
    await answer(await openApproval(), 'Approved')
    const [only, ...others] = await executionsOf()
    expect((await ended(only?.pipelineExecutionId)).status).toBe('Succeeded')
    expect(others).toEqual([])
    expect((await actions(only?.pipelineExecutionId)).map(({ actionName }) => actionName)).toEqual([
      'Publish',
      'Approve',
      'Compile',
      'Checkout',
    ])
    expect(await text('r-1/index.html')).toBe('1')
  })

  it('is not started by other branches, nor when told not to watch', async () => {
    const { role } = await begin()
    await push({ 'buildspec.yml': buildspec })
    await drydock.settled()
    const [source, ...stages] = declaration(role).stages ?? []
    const [action] = source?.actions ?? []
    if (!source || !action) throw new Error('no source')
    const watching = (value: string) => ({
      pipeline: declaration(role, {
        stages: [
          {
            ...source,
            actions: [{ ...action, configuration: { ...action.configuration, PollForSourceChanges: value } }],
          },
          ...stages,
        ],
      }),
    })
    await pipelines().send(new CreatePipelineCommand(watching('false')))
    await push({ 'index.html': '1' })
    await drydock.settled()
    expect(await executionsOf()).toHaveLength(1)
    await pipelines().send(new UpdatePipelineCommand(watching('true')))
    const codecommit = drydock.client(CodeCommitClient)
    await codecommit.send(new CreateBranchCommand({ repositoryName: 'app', branchName: 'other', commitId: head }))
    await drydock.settled()
    expect(await executionsOf()).toHaveLength(1)
    await push({ 'index.html': '2' })
    await drydock.settled()
    expect((await executionsOf()).map(({ trigger }) => trigger?.triggerType)).toEqual([
      'PollForSourceChanges',
      'CreatePipeline',
    ])
    await openApproval()
  })

  it('deploys with CodeDeploy, and says what became of it', async () => {
    const { role } = await begin()
    await push({ 'appspec.yml': 'version: 0.0\nos: linux\n' })
    await drydock.settled()
    const codedeploy = drydock.client(CodeDeployClient)
    await codedeploy.send(new CreateApplicationCommand({ applicationName: 'app' }))
    const serviceRoleArn = await drydock.role('deployer', 'codedeploy.amazonaws.com', [allow(['ec2:*', 'tag:*'])])
    await codedeploy.send(
      new CreateDeploymentGroupCommand({
        applicationName: 'app',
        deploymentGroupName: 'none',
        serviceRoleArn,
        ec2TagFilters: [{ Key: 'role', Value: 'web', Type: 'KEY_AND_VALUE' }],
      }),
    )
    const [source] = declaration(role).stages ?? []
    if (!source) throw new Error('no source')
    const deploy = {
      name: 'Deploy',
      actions: [
        {
          name: 'Roll',
          actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'CodeDeploy', version: '1' } as const,
          configuration: { ApplicationName: 'app', DeploymentGroupName: 'none' },
          inputArtifacts: [{ name: 'SourceOutput' }],
        },
      ],
    }
    await pipelines().send(new CreatePipelineCommand({ pipeline: declaration(role, { stages: [source, deploy] }) }))
    const [first] = await executionsOf()
    await ended(first?.pipelineExecutionId)
    expect((await actionState('Deploy', 'Roll'))?.errorDetails).toMatchObject({
      code: 'PermissionError',
      message: expect.stringMatching(
        /assumed-role\/pipeline\/.* is not authorized to perform: codedeploy:CreateDeployment/,
      ),
    })
    const policy = allow([
      'codedeploy:CreateDeployment',
      'codedeploy:GetDeployment',
      'codedeploy:GetDeploymentConfig',
      'codedeploy:GetApplicationRevision',
      'codedeploy:RegisterApplicationRevision',
    ])
    await drydock.client(IAMClient).send(
      new PutRolePolicyCommand({
        RoleName: 'pipeline',
        PolicyName: 'deploy',
        PolicyDocument: JSON.stringify(policy),
      }),
    )
    await pipelines().send(
      new RetryStageExecutionCommand({
        pipelineName: name,
        stageName: 'Deploy',
        pipelineExecutionId: first?.pipelineExecutionId,
        retryMode: 'FAILED_ACTIONS',
      }),
    )
    expect((await ended(first?.pipelineExecutionId)).status).toBe('Failed')
    const failed = await actionState('Deploy', 'Roll')
    expect(failed).toMatchObject({ status: 'Failed', errorDetails: { code: 'JobFailed' } })
    expect(failed?.externalExecutionId).toMatch(/^d-[A-Z0-9]{9}$/)
    const { deploymentInfo } = await codedeploy.send(
      new GetDeploymentCommand({ deploymentId: failed?.externalExecutionId }),
    )
    expect(deploymentInfo).toMatchObject({ status: 'Failed', revision: { s3Location: { bucket: 'artifacts' } } })
    expect(failed?.errorDetails?.message).toBe(deploymentInfo?.errorInformation?.message)
  })
})
