import { expect, it } from 'vitest'
import type { Caller, Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import type { Job } from './action.ts'
import { codedeployDeploy } from './codedeploy.ts'

// What CodeDeploy answers, and what the action makes of it. The way through the real service is a story beside.

const started = Date.parse('2026-11-23T09:00:00Z')

const job = (codedeploy: Partial<Record<keyof Caller['codedeploy'], (input: never) => unknown>>): Job => ({
  ctx: { region: 'us-east-1' } as Ctx,
  id: 'a',
  pipeline: 'release',
  stage: 'Deploy',
  task: { name: 'Deploy' },
  execution: 'e',
  started,
  configuration: { ApplicationName: 'app', DeploymentGroupName: 'blue' },
  inputs: [{ name: 'App', bucket: 'artifacts', key: 'release/App/x' }],
  outputs: [],
  overrides: [],
  role: async () => ({ codedeploy }) as unknown as Caller,
  external: { id: 'd-ABCDEFGHI' },
})

it('deploys the input artifact', async () => {
  const asked: unknown[] = []
  const createDeployment = async (input: unknown) => {
    asked.push(input)
    return { deploymentId: 'd-ABCDEFGHI' }
  }
  expect(await codedeployDeploy.start(job({ createDeployment }))).toMatchObject({
    state: 'running',
    external: { id: 'd-ABCDEFGHI' },
  })
  expect(asked).toEqual([
    {
      applicationName: 'app',
      deploymentGroupName: 'blue',
      revision: {
        revisionType: 'S3',
        s3Location: { bucket: 'artifacts', key: 'release/App/x', bundleType: 'zip' },
      },
    },
  ])
})

const busy = new AwsError(
  'DeploymentLimitExceededException',
  "The Deployment Group 'blue' already has an active Deployment 'd-ABCDEFGHI'",
)
const createDeployment = async () => {
  throw busy
}
const deploymentOf = (key: string, createTime: Date) => async () => ({
  deploymentInfo: { createTime, revision: { s3Location: { bucket: 'artifacts', key } } },
})

it('finds the deployment that it made before the server died', async () => {
  const getDeployment = deploymentOf('release/App/x', new Date(started + 5))
  expect(await codedeployDeploy.start(job({ createDeployment, getDeployment }))).toMatchObject({
    state: 'running',
    external: { id: 'd-ABCDEFGHI' },
  })
})

it.each([
  ['another bundle', deploymentOf('release/App/y', new Date(started + 5))],
  ['an earlier attempt', deploymentOf('release/App/x', new Date(started - 5))],
])('does not take a deployment of %s for its own', async (_what, getDeployment) => {
  await expect(codedeployDeploy.start(job({ createDeployment, getDeployment }))).rejects.toBe(busy)
})

it.each([
  [{ status: 'Succeeded' }, { state: 'succeeded' }],
  [{ status: 'Created' }, { state: 'running' }],
  [
    { status: 'InProgress', deploymentOverview: { Succeeded: 1, InProgress: 1, Pending: 2 } },
    { state: 'running', percent: 25 },
  ],
  [
    { status: 'Failed', errorInformation: { code: 'HEALTH_CONSTRAINTS', message: 'Too many instances failed.' } },
    { state: 'failed', code: 'JobFailed', message: 'Too many instances failed.' },
  ],
  [{ status: 'Stopped' }, { state: 'failed', code: 'JobFailed', message: 'Deployment d-ABCDEFGHI stopped' }],
])('%j is %j', async (deploymentInfo, progress) => {
  expect(await codedeployDeploy.poll?.(job({ getDeployment: async () => ({ deploymentInfo }) }))).toMatchObject(
    progress,
  )
})
