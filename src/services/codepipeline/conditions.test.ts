import { CloudWatchClient, PutMetricAlarmCommand, SetAlarmStateCommand } from '@aws-sdk/client-cloudwatch'
import {
  GetPipelineStateCommand,
  ListRuleExecutionsCommand,
  ListRuleTypesCommand,
  OverrideStageConditionCommand,
  type PipelineDeclaration,
  RollbackStageCommand,
  type RuleDeclaration,
  UpdatePipelineCommand,
} from '@aws-sdk/client-codepipeline'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { approval, publish, refused, releaseStory, source } from '../../../test/release-pipeline.ts'
import { allow } from '../../../test/story.ts'

// Conditions of stages, automatic retry, rollback, override.

let release: Awaited<ReturnType<typeof releaseStory>>
beforeEach(async () => {
  release = await releaseStory()
  await release.upload()
})
afterEach(() => release.bench.drydock.close())

const rule = (provider: string, configuration: Record<string, string>, name = 'Check'): RuleDeclaration => ({
  name,
  ruleTypeId: { category: 'Rule', owner: 'AWS', provider, version: '1' },
  configuration,
})

const isProd = rule('VariableCheck', { Variable: '#{variables.WHERE}', Operator: 'EQ', Value: 'prod' })
const variables = [{ name: 'WHERE', defaultValue: 'prod' }]

const reviewed = (stage: Partial<PipelineDeclaration['stages'] extends (infer S)[] | undefined ? S : never>) =>
  ({
    pipelineType: 'V2',
    variables,
    stages: [
      { name: 'Source', actions: [source()] },
      { name: 'Review', actions: [approval()], ...stage },
      { name: 'Publish', actions: [publish()] },
    ],
  }) satisfies Partial<PipelineDeclaration>

const override = (pipelineExecutionId: string, conditionType: 'BEFORE_ENTRY' | 'ON_SUCCESS') =>
  release.bench.codepipeline
    .send(
      new OverrideStageConditionCommand({
        pipelineName: 'release',
        stageName: 'Review',
        pipelineExecutionId,
        conditionType,
      }),
    )
    .then(() => release.bench.drydock.settled())

const roll = (targetPipelineExecutionId: string, stageName = 'Review') =>
  release.bench.codepipeline.send(
    new RollbackStageCommand({ pipelineName: 'release', stageName, targetPipelineExecutionId }),
  )

describe('an entry condition', () => {
  it('lets in whom it is met for, fails others, and can be overridden', async () => {
    await release.create(reviewed({ beforeEntry: { conditions: [{ result: 'FAIL', rules: [isProd] }] } }))
    expect((await release.stage('Review'))?.beforeEntryConditionState).toMatchObject({
      latestExecution: { status: 'Succeeded' },
      conditionStates: [
        {
          latestExecution: { status: 'Succeeded' },
          ruleStates: [{ ruleName: 'Check', latestExecution: { status: 'Succeeded' } }],
        },
      ],
    })
    await release.answer('Approved')
    const id = await release.start({ variables: [{ name: 'WHERE', value: 'test' }] })
    expect(await release.get(id)).toMatchObject({
      status: 'Failed',
      statusSummary: expect.stringMatching(/beforeEntry condition of the stage Review is not met.*test/),
    })
    expect(await release.stage('Review')).toMatchObject({
      latestExecution: { pipelineExecutionId: id, status: 'Failed' },
      beforeEntryConditionState: { latestExecution: { status: 'Failed', summary: expect.stringMatching(/EQ prod/) } },
    })
    await expect(release.retry(id, 'Review')).rejects.toEqual(refused('StageNotRetryableException'))
    await expect(override(id, 'ON_SUCCESS')).rejects.toEqual(refused('ConditionNotOverridableException'))
    await override(id, 'BEFORE_ENTRY')
    expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('Overridden')
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Succeeded')
    const { ruleExecutionDetails } = await release.bench.codepipeline.send(
      new ListRuleExecutionsCommand({ pipelineName: 'release', filter: { pipelineExecutionId: id } }),
    )
    expect(ruleExecutionDetails).toMatchObject([
      {
        ruleName: 'Check',
        stageName: 'Review',
        status: 'Failed',
        input: { resolvedConfiguration: { Variable: 'test', Operator: 'EQ', Value: 'prod' } },
        output: { executionResult: { errorDetails: { code: 'JobFailed' } } },
      },
    ])
  })

  it('skips the stage, and goes on to the next', async () => {
    await release.create(reviewed({ beforeEntry: { conditions: [{ result: 'SKIP', rules: [isProd] }] } }))
    await release.answer('Approved')
    const id = await release.start({ variables: [{ name: 'WHERE', value: 'test' }] })
    expect(await release.statusOf(id)).toBe('Succeeded')
    expect((await release.stage('Review'))?.latestExecution).toMatchObject({
      pipelineExecutionId: id,
      status: 'Skipped',
    })
    expect((await release.list({ filter: { succeededInStage: { stageName: 'Review' } } })).length).toBe(1)
    await expect(override(id, 'BEFORE_ENTRY')).rejects.toEqual(refused('ConditionNotOverridableException', /SKIP/))
  })

  it('waits for a deployment window, through a restart, and can be overridden meanwhile', async () => {
    await release.bench.drydock.close()
    release = await releaseStory({ durable: true })
    await release.upload()
    // Monday 2026-11-23 09:00 UTC is 10:00 in Berlin; the window opens at 14.
    const window = rule('DeploymentWindow', { Cron: '* * 14-16 ? * MON-FRI *', TimeZone: 'Europe/Berlin' })
    const id = await release.create(reviewed({ beforeEntry: { conditions: [{ result: 'FAIL', rules: [window] }] } }))
    expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('InProgress')
    await release.bench.drydock.advance({ hours: 3, minutes: 59 })
    expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('InProgress')
    await release.restart()
    await release.bench.drydock.advance({ minutes: 1 })
    expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('Succeeded')
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Succeeded')
    await release.bench.drydock.advance({ hours: 5 })
    const late = await release.start()
    expect(await release.action('Review', 'Approve')).toMatchObject({ status: 'Succeeded' })
    await override(late, 'BEFORE_ENTRY')
    expect(await release.action('Review', 'Approve')).toMatchObject({ status: 'InProgress' })
    const stopped = await release.start()
    await release.stop(late, true)
    await release.stop(stopped, true)
    expect(await release.statusOf(stopped)).toBe('Stopped')
    expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('Abandoned')
  })
})

describe('a condition of success', () => {
  it('fails a stage whose actions succeeded', async () => {
    const id = await release.create({
      ...reviewed({
        onSuccess: {
          conditions: [
            {
              result: 'FAIL',
              rules: [rule('VariableCheck', { Variable: '#{variables.WHERE}', Operator: 'MATCHES', Value: 'te.t' })],
            },
          ],
        },
      }),
    })
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Failed')
    expect((await release.stage('Review'))?.onSuccessConditionState?.latestExecution?.status).toBe('Failed')
    await override(id, 'ON_SUCCESS')
    expect(await release.statusOf(id)).toBe('Succeeded')
    expect(release.states('Pipeline').slice(-3)).toEqual(['FAILED', 'RESUMED', 'SUCCEEDED'])
  })

  it('rolls the stage back to where it was good last', async () => {
    const good = await release.create(
      reviewed({ onSuccess: { conditions: [{ result: 'ROLLBACK', rules: [isProd] }] } }),
    )
    await release.answer('Approved')
    expect(await release.statusOf(good)).toBe('Succeeded')
    const bad = await release.start({ variables: [{ name: 'WHERE', value: 'test' }] })
    await release.answer('Approved')
    expect(await release.statusOf(bad)).toBe('Failed')
    const [back] = await release.list()
    expect(back).toMatchObject({
      executionType: 'ROLLBACK',
      rollbackMetadata: { rollbackTargetPipelineExecutionId: good },
      trigger: { triggerType: 'AutomatedRollback', triggerDetail: JSON.stringify({ FailedPipelineExecutionId: bad }) },
    })
    expect((await release.stage('Review'))?.latestExecution).toMatchObject({ type: 'ROLLBACK', status: 'InProgress' })
    await release.answer('Approved')
    expect(await release.get(back?.pipelineExecutionId ?? '')).toMatchObject({
      status: 'Succeeded',
      variables: [{ name: 'WHERE', resolvedValue: 'prod' }],
    })
    // A rollback ends with its stage.
    expect((await release.stage('Publish'))?.latestExecution?.pipelineExecutionId).toBe(good)
  })
})

describe('a stage that fails', () => {
  it('is retried by itself, once', async () => {
    const id = await release.create(
      reviewed({ onFailure: { result: 'RETRY', retryConfiguration: { retryMode: 'ALL_ACTIONS' } } }),
    )
    await release.answer('Rejected')
    expect(await release.statusOf(id)).toBe('InProgress')
    expect((await release.stage('Review'))?.retryStageMetadata).toEqual({
      autoStageRetryAttempt: 1,
      latestRetryTrigger: 'AutomatedStageRetry',
    })
    await release.answer('Rejected')
    expect(await release.statusOf(id)).toBe('Failed')
    await release.retry(id, 'Review')
    expect((await release.stage('Review'))?.retryStageMetadata).toEqual({
      autoStageRetryAttempt: 1,
      manualStageRetryAttempt: 1,
      latestRetryTrigger: 'ManualStageRetry',
    })
    await release.answer('Approved')
    expect(await release.statusOf(id)).toBe('Succeeded')
  })

  it.each([
    ['at once', { result: 'ROLLBACK' }, 2, true],
    ['when its condition is met', { conditions: [{ result: 'ROLLBACK', rules: [isProd] }] }, 2, true],
    [
      'not when its condition is not met',
      {
        conditions: [
          { result: 'ROLLBACK', rules: [{ ...isProd, configuration: { ...isProd.configuration, Operator: 'NE' } }] },
        ],
      },
      2,
      false,
    ],
  ] as const)('is rolled back %s', async (_when, onFailure, _count, back) => {
    const first = await release.create(reviewed({ onFailure: structuredClone(onFailure) as never }))
    await release.answer('Rejected')
    // There is nothing yet to roll back to.
    expect((await release.list()).map(({ status }) => status)).toEqual(['Failed'])
    await release.retry(first, 'Review')
    await release.answer('Approved')
    const second = await release.start()
    await release.answer('Rejected')
    expect(await release.statusOf(second)).toBe('Failed')
    const executions = await release.list()
    expect(executions.length).toBe(back ? 3 : 2)
    if (!back) return
    expect(executions[0]).toMatchObject({ executionType: 'ROLLBACK', status: 'InProgress' })
    // A rollback that fails is not rolled back.
    await release.answer('Rejected')
    expect((await release.list()).length).toBe(3)
  })

  it('is rolled back by hand', async () => {
    const first = await release.create(reviewed({}))
    await expect(roll(first)).rejects.toEqual(refused('UnableToRollbackStageException', /did not succeed/))
    await release.answer('Approved')
    await expect(roll(first, 'Source')).rejects.toEqual(refused('UnableToRollbackStageException', /source stage/))
    await expect(roll('00000000-0000-4000-8000-000000000000')).rejects.toEqual(
      refused('PipelineExecutionNotFoundException'),
    )
    const { pipelineExecutionId = '' } = await roll(first)
    await release.bench.drydock.settled()
    await expect(roll(first)).rejects.toEqual(refused('UnableToRollbackStageException', /running/))
    await release.answer('Approved')
    expect(await release.get(pipelineExecutionId)).toMatchObject({
      status: 'Succeeded',
      executionType: 'ROLLBACK',
      trigger: { triggerType: 'ManualRollback', triggerDetail: `arn:aws:iam::${release.bench.drydock.account}:root` },
      artifactRevisions: (await release.get(first))?.artifactRevisions,
    })
    await expect(roll(pipelineExecutionId)).rejects.toEqual(refused('UnableToRollbackStageException', /a rollback/))
    await release.bench.codepipeline.send(new UpdatePipelineCommand({ pipeline: release.declare(reviewed({})) }))
    await expect(roll(first)).rejects.toEqual(refused('PipelineExecutionOutdatedException'))
  })
})

it('an alarm is asked before a stage and watched after it, and tells by itself', async () => {
  const { drydock } = release.bench
  const cloudwatch = drydock.client(CloudWatchClient)
  const set = async (StateValue: 'ALARM' | 'OK') => {
    await cloudwatch.send(new SetAlarmStateCommand({ AlarmName: 'slow', StateValue, StateReason: 'said so' }))
    await drydock.settled()
  }
  await cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: 'slow',
      Namespace: 'app',
      MetricName: 'latency',
      Statistic: 'Average',
      ...{ Period: 60, EvaluationPeriods: 1, Threshold: 1, ComparisonOperator: 'GreaterThanThreshold' },
    }),
  )
  await set('ALARM')
  await drydock.client(IAMClient).send(
    new PutRolePolicyCommand({
      RoleName: 'pipeline',
      PolicyName: 'alarms',
      PolicyDocument: JSON.stringify(allow('cloudwatch:DescribeAlarms')),
    }),
  )
  const asked = (WaitTime: string) => ({
    conditions: [{ result: 'FAIL' as const, rules: [rule('CloudWatchAlarm', { AlarmName: 'slow', WaitTime })] }],
  })
  const id = await release.create(reviewed({ beforeEntry: asked('20'), onSuccess: asked('60') }))
  expect(await release.action('Review', 'Approve')).toBeUndefined()
  await set('OK')
  await release.answer('Approved')
  // Nothing is amiss yet, and an hour is not over.
  expect(await release.statusOf(id)).toBe('InProgress')
  await set('ALARM')
  expect(await release.get(id)).toMatchObject({
    status: 'Failed',
    statusSummary: expect.stringMatching(/alarm slow is in the state ALARM/),
  })
})

it.each([
  ['a V1 pipeline', { ...reviewed({ onFailure: { result: 'ROLLBACK' } }), pipelineType: 'V1', variables: [] }, /V2/],
  [
    'rollback in PARALLEL mode',
    { ...reviewed({ onFailure: { result: 'ROLLBACK' } }), executionMode: 'PARALLEL' },
    /PARALLEL/,
  ],
  [
    'an alarm’s state that is none',
    reviewed({
      onSuccess: { conditions: [{ rules: [rule('CloudWatchAlarm', { AlarmName: 'a', AlarmStates: 'BAD' })] }] },
    }),
    /AlarmStates BAD/,
  ],
  [
    'Lambda',
    reviewed({ beforeEntry: { conditions: [{ rules: [rule('LambdaInvoke', { FunctionName: 'a' })] }] } }),
    /Lambda yet/,
  ],
  ['rules nobody knows', reviewed({ beforeEntry: { conditions: [{ rules: [rule('Guess', {})] }] } }), /not available/],
  [
    'a result that is none there',
    reviewed({ beforeEntry: { conditions: [{ result: 'ROLLBACK', rules: [isProd] }] } }),
    /not valid/,
  ],
  [
    'to skip by a window',
    reviewed({
      beforeEntry: { conditions: [{ result: 'SKIP', rules: [rule('DeploymentWindow', { Cron: '* * * ? * *' })] }] },
    }),
    /SKIP/,
  ],
  [
    'a window that is none',
    reviewed({ onSuccess: { conditions: [{ rules: [rule('DeploymentWindow', { Cron: 'noon' })] }] } }),
    /Cron noon/,
  ],
  [
    'a zone that is none',
    reviewed({
      onSuccess: { conditions: [{ rules: [rule('DeploymentWindow', { Cron: '* * * ? * *', TimeZone: 'Mars' })] }] },
    }),
    /TimeZone Mars/,
  ],
  [
    'commands of a rule that runs none',
    reviewed({
      onSuccess: {
        conditions: [{ rules: [{ ...rule('DeploymentWindow', { Cron: '* * * ? * *' }), commands: ['make'] }] }],
      },
    }),
    /do not take/,
  ],
  [
    'an operator that is none',
    reviewed({
      onSuccess: { conditions: [{ rules: [rule('VariableCheck', { Variable: 'a', Value: 'b', Operator: 'GT' })] }] },
    }),
    /Operator GT/,
  ],
] as const)('conditions refuse %s', async (_what, change, message) => {
  await expect(release.create(change as Partial<PipelineDeclaration>)).rejects.toEqual(
    expect.objectContaining({ message: expect.stringMatching(message) }),
  )
})

it.each(['UTC', 'UTC+05:30', 'UTC-03:00', 'PST', 'America/New_York'])(
  'a deployment window in the zone %s',
  async (TimeZone) => {
    const window = rule('DeploymentWindow', { Cron: '* * * ? * *', TimeZone })
    await release.create(reviewed({ beforeEntry: { conditions: [{ result: 'FAIL', rules: [window] }] } }))
    expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('Succeeded')
  },
)

it('a window opens by its zone’s own clock', async () => {
  // 09:00 UTC is 14:30 there.
  const window = rule('DeploymentWindow', { Cron: '* * 15 ? * *', TimeZone: 'UTC+05:30' })
  await release.create(reviewed({ beforeEntry: { conditions: [{ result: 'FAIL', rules: [window] }] } }))
  await release.bench.drydock.advance({ minutes: 29 })
  expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('InProgress')
  await release.bench.drydock.advance({ minutes: 1 })
  expect((await release.stage('Review'))?.beforeEntryConditionState?.latestExecution?.status).toBe('Succeeded')
})

it('lists the rules that work here', async () => {
  const { ruleTypes } = await release.bench.codepipeline.send(new ListRuleTypesCommand({}))
  expect(ruleTypes?.map(({ id }) => id?.provider)).toContain('DeploymentWindow')
  await expect(release.bench.codepipeline.send(new GetPipelineStateCommand({ name: 'none' }))).rejects.toEqual(
    refused('PipelineNotFoundException'),
  )
})
