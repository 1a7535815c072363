import { setTimeout as pause } from 'node:timers/promises'
import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { BatchGetBuildsCommand } from '@aws-sdk/client-codebuild'
import { GetDeploymentCommand } from '@aws-sdk/client-codedeploy'
import {
  type ActionExecutionDetail,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  type PipelineExecutionSummary,
} from '@aws-sdk/client-codepipeline'
import { DescribeInstancesCommand } from '@aws-sdk/client-ec2'
import type { Clients } from './clients.ts'
import { Wrong } from './progress.ts'
import { names } from './setup.ts'

// What a user looks at while a pipeline runs, by the same calls a user makes.

/** Asks again and again until there is an answer; gives up after `seconds`. */
export const until = async <T>(what: string, ask: () => Promise<T | undefined>, seconds = 60): Promise<T> => {
  const deadline = performance.now() + seconds * 1000
  while (performance.now() < deadline) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await pause(100)
  }
  throw new Wrong(`waited ${seconds} s in vain for ${what}`)
}

/** The execution that a commit started. */
export const executionOf = (aws: Clients, commit: string): Promise<PipelineExecutionSummary> =>
  until(`the pipeline to start for commit ${commit.slice(0, 8)}`, async () => {
    const { pipelineExecutionSummaries = [] } = await aws.codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName: names.pipeline }),
    )
    return pipelineExecutionSummaries.find(({ sourceRevisions }) =>
      sourceRevisions?.some(({ revisionId }) => revisionId === commit),
    )
  })

/** Waits until an execution has ended and returns it. */
export const ended = (aws: Clients, executionId: string | undefined): Promise<PipelineExecutionSummary> =>
  until(
    'the execution to end',
    async () => {
      const { pipelineExecutionSummaries = [] } = await aws.codepipeline.send(
        new ListPipelineExecutionsCommand({ pipelineName: names.pipeline }),
      )
      const execution = pipelineExecutionSummaries.find(
        ({ pipelineExecutionId }) => pipelineExecutionId === executionId,
      )
      return execution?.status && !['InProgress', 'Stopping'].includes(execution.status) ? execution : undefined
    },
    90,
  )

/** The latest attempt of one action of an execution. */
export const actionOf = async (
  aws: Clients,
  pipelineExecutionId: string | undefined,
  name: string,
): Promise<ActionExecutionDetail | undefined> => {
  const { actionExecutionDetails = [] } = await aws.codepipeline.send(
    new ListActionExecutionsCommand({ pipelineName: names.pipeline, filter: { pipelineExecutionId } }),
  )
  return actionExecutionDetails.find(({ actionName }) => actionName === name)
}

export const buildOf = async (aws: Clients, action: ActionExecutionDetail | undefined) => {
  const id = action?.output?.executionResult?.externalExecutionId
  if (!id) return undefined
  const { builds = [] } = await aws.codebuild.send(new BatchGetBuildsCommand({ ids: [id] }))
  return builds[0]
}

export const deploymentOf = async (aws: Clients, deploymentId: string | undefined) =>
  (await aws.codedeploy.send(new GetDeploymentCommand({ deploymentId }))).deploymentInfo

/** The first line of a build's log that matches. */
export const logLine = async (
  aws: Clients,
  stream: string | undefined,
  pattern: RegExp,
): Promise<string | undefined> => {
  const { events = [] } = await aws.logs.send(
    new FilterLogEventsCommand({
      logGroupName: `/aws/codebuild/${names.project}`,
      logStreamNames: stream ? [stream] : [],
    }),
  )
  return events.map(({ message = '' }) => message.trim()).find((message) => pattern.test(message))
}

/** Waits until the instance runs and returns its public address. */
export const publicAddress = (aws: Clients, instanceId: string): Promise<string> =>
  until('the instance to run', async () => {
    const { Reservations } = await aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }))
    const instance = Reservations?.[0]?.Instances?.[0]
    if (instance?.State?.Name === 'terminated' || instance?.State?.Name === 'stopped')
      throw new Wrong(`the instance is ${instance.State.Name}: ${instance.StateReason?.Message ?? 'no reason given'}`)
    return instance?.State?.Name === 'running' ? instance.PublicIpAddress : undefined
  })

/** Insists that the application answers this version at the instance's public address. */
export const answers = async (address: string, version: string): Promise<void> => {
  const answered = await until(
    `http://${address}:8080/version to answer`,
    async () => {
      try {
        return (
          await (await fetch(`http://${address}:8080/version`, { signal: AbortSignal.timeout(1_000) })).text()
        ).trim()
      } catch {
        return undefined
      }
    },
    10,
  )
  if (answered !== version) throw new Wrong(`http://${address}:8080 answers version ${answered}, not ${version}`)
}
