import {
  CreatePipelineCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  PutApprovalResultCommand,
  RetryStageExecutionCommand,
  type StageDeclaration,
  StartPipelineExecutionCommand,
  StopPipelineExecutionCommand,
} from '@aws-sdk/client-codepipeline'
import { CreateBucketCommand, PutBucketVersioningCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { zipOf } from '../release-pipeline.ts'
import { eventually, roleFor } from './delivery.ts'
import { type Actor, type Clients, certain } from './world.ts'

// A pipeline whose executions wait for people: actions side by side, a condition, approvals that are given and refused,
// stages that are retried by hand and rolled back by themselves, executions that are stopped.

const name = 'gates'
const ended = ['Succeeded', 'Failed', 'Stopped', 'Superseded', 'Cancelled']

const publish = (action: string, runOrder: number) => ({
  name: action,
  runOrder,
  actionTypeId: { category: 'Deploy', owner: 'AWS', provider: 'S3', version: '1' } as const,
  configuration: { BucketName: 'gates-site', Extract: 'true', ObjectKey: action },
  inputArtifacts: [{ name: 'app' }],
})
const approve = (action: string) => ({
  name: action,
  actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' } as const,
})
const met = {
  name: 'Check',
  ruleTypeId: { category: 'Rule', owner: 'AWS', provider: 'VariableCheck', version: '1' } as const,
  configuration: { Variable: '#{codepipeline.PipelineExecutionId}', Operator: 'MATCHES', Value: '[0-9a-f-]{36}' },
}
const stages: StageDeclaration[] = [
  {
    name: 'Source',
    actions: [
      {
        name: 'Fetch',
        actionTypeId: { category: 'Source', owner: 'AWS', provider: 'S3', version: '1' },
        configuration: { S3Bucket: 'gates-source', S3ObjectKey: 'app.zip', PollForSourceChanges: 'false' },
        outputArtifacts: [{ name: 'app' }],
      },
    ],
  },
  {
    name: 'Publish',
    actions: [publish('left', 1), publish('right', 1), publish('after', 2)],
    onSuccess: { conditions: [{ result: 'FAIL', rules: [met] }] },
  },
  { name: 'Gate', actions: [approve('Look')] },
  { name: 'Review', actions: [approve('Agree')], onFailure: { result: 'ROLLBACK' } },
]

/** The call, where these refusals are as good an answer: others were faster. */
const tried = <T>(call: Promise<T>, ...refusals: string[]) =>
  certain(
    call.catch((error: unknown) => {
      if (error instanceof Error && refusals.includes(error.name)) return undefined
      throw error
    }),
  )

const executionsOf = async ({ codepipeline }: Clients) => {
  const found: { id: string; status: string; type: string }[] = []
  let nextToken: string | undefined
  do {
    const page = await codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName: name, nextToken }))
    for (const {
      pipelineExecutionId: id = '',
      status = '',
      executionType: type = '',
    } of page.pipelineExecutionSummaries ?? [])
      found.push({ id, status, type })
    nextToken = page.nextToken
  } while (nextToken)
  return found
}

const approvalsOf = async ({ codepipeline }: Clients) => {
  const { stageStates = [] } = await codepipeline.send(new GetPipelineStateCommand({ name }))
  return stageStates.flatMap(({ stageName, actionStates = [] }) =>
    actionStates.flatMap(({ actionName, latestExecution }) =>
      latestExecution?.token && latestExecution.status === 'InProgress'
        ? [{ stageName, actionName, token: latestExecution.token }]
        : [],
    ),
  )
}

type Approval = Awaited<ReturnType<typeof approvalsOf>>[number]
const answer = ({ codepipeline }: Clients, approval: Approval, status: 'Approved' | 'Rejected') =>
  codepipeline.send(
    new PutApprovalResultCommand({ pipelineName: name, ...approval, result: { status, summary: 'crash' } }),
  )

export const gates = (): Actor => {
  const started = new Set<string>()
  const answered: Approval[] = []
  return {
    name: 'gates',
    setUp: async ({ aws }) => {
      for (const Bucket of ['gates-artifacts', 'gates-site', 'gates-source'])
        await aws.s3.send(new CreateBucketCommand({ Bucket }))
      const VersioningConfiguration = { Status: 'Enabled' } as const
      await aws.s3.send(new PutBucketVersioningCommand({ Bucket: 'gates-source', VersioningConfiguration }))
      const Body = await zipOf({ 'index.html': 'hello' })
      await aws.s3.send(new PutObjectCommand({ Bucket: 'gates-source', Key: 'app.zip', Body }))
      const roleArn = await roleFor(aws, 'crash-gates', 'codepipeline.amazonaws.com')
      const artifactStore = { type: 'S3', location: 'gates-artifacts' } as const
      const pipeline = { name, roleArn, pipelineType: 'V2', executionMode: 'QUEUED', artifactStore, stages } as const
      await aws.codepipeline.send(new CreatePipelineCommand({ pipeline: { ...pipeline, stages } }))
    },
    act: async ({ aws, random }) => {
      if (!random.chance(0.15)) return
      const { codepipeline } = aws
      const approvals = await certain(approvalsOf(aws))
      for (const approval of approvals?.value ?? []) {
        const status = random.chance(0.7) ? 'Approved' : 'Rejected'
        const given = await tried(answer(aws, approval, status), 'ApprovalAlreadyCompletedException')
        if (given?.value) answered.push(approval)
      }
      const all = (await certain(executionsOf(aws)))?.value ?? []
      const failed = all.find(({ status, type }) => status === 'Failed' && type === 'STANDARD')
      const running = all.filter(({ status }) => !ended.includes(status))
      if (failed && random.chance(0.5)) {
        const retried = { pipelineName: name, stageName: 'Gate', pipelineExecutionId: failed.id } as const
        await tried(
          codepipeline.send(new RetryStageExecutionCommand({ ...retried, retryMode: 'FAILED_ACTIONS' })),
          ...['StageNotRetryableException', 'NotLatestPipelineExecutionException'],
        )
      }
      const [unlucky] = running
      if (unlucky && random.chance(0.1))
        await tried(
          codepipeline.send(
            new StopPipelineExecutionCommand({
              pipelineName: name,
              pipelineExecutionId: unlucky.id,
              abandon: random.chance(0.5),
            }),
          ),
          ...['DuplicatedStopRequestException', 'PipelineExecutionNotStoppableException'],
        )
      if (running.length > 4) return
      const made = await certain(codepipeline.send(new StartPipelineExecutionCommand({ name })))
      if (made?.value.pipelineExecutionId) started.add(made.value.pipelineExecutionId)
    },
    check: async ({ aws }, all) => {
      const found = await executionsOf(aws)
      const wrong = [...started]
        .filter((id) => !found.some((one) => one.id === id))
        .map((id) => `execution ${id} is lost`)
      // What has been answered takes no other answer.
      for (const approval of answered.slice(all ? 0 : -3)) {
        const error = await answer(aws, approval, 'Approved').then(
          () => undefined,
          (refusal: Error) => refusal.name,
        )
        if (error !== 'ApprovalAlreadyCompletedException' && error !== 'InvalidApprovalTokenException')
          wrong.push(`the answer to ${approval.actionName} ${approval.token} is lost: ${error ?? 'taken again'}`)
      }
      if (!all) return wrong
      const open = await eventually(90, async () => {
        for (const approval of await approvalsOf(aws)) await answer(aws, approval, 'Approved')
        return (await executionsOf(aws))
          .filter(({ status }) => !ended.includes(status))
          .map(({ id, status }) => `execution ${id} does not end: ${status}`)
      })
      const pages: string[] = []
      let nextToken: string | undefined
      do {
        const page = await aws.codepipeline.send(new ListActionExecutionsCommand({ pipelineName: name, nextToken }))
        for (const { status, actionName, pipelineExecutionId } of page.actionExecutionDetails ?? [])
          if (status === 'InProgress') pages.push(`${actionName} of ${pipelineExecutionId} is in progress for ever`)
        nextToken = page.nextToken
      } while (nextToken)
      return [...wrong, ...open, ...pages]
    },
  }
}
