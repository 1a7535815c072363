import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { ActionFailure, type ActionKind, type Job, type Progress } from './action.ts'

const urlOf = (ctx: Ctx, path: string) =>
  `https://console.aws.amazon.com/codesuite/codedeploy/${path}?region=${ctx.region}`

/** The deployment that a start before a crash made: of this bundle, not older than this job. */
const made = async (job: Job, message: string): Promise<string | undefined> => {
  const deploymentId = /\bd-[A-Z0-9]{9}\b/.exec(message)?.[0]
  const [input] = job.inputs
  if (!deploymentId || !input) return undefined
  const { codedeploy } = await job.role()
  const { deploymentInfo } = await codedeploy.getDeployment({ deploymentId })
  const bundle = deploymentInfo?.revision?.s3Location
  const ours = bundle?.bucket === input.bucket && bundle.key === input.key
  return ours && (deploymentInfo?.createTime?.getTime() ?? 0) >= job.started ? deploymentId : undefined
}

/** "CodeDeploy deploy action reference", CodePipeline user guide. */
export const codedeployDeploy: ActionKind = {
  category: 'Deploy',
  provider: 'CodeDeploy',
  properties: [
    { name: 'ApplicationName', required: true, description: 'The application in CodeDeploy.' },
    { name: 'DeploymentGroupName', required: true, description: 'The deployment group of the application.' },
  ],
  inputs: [1, 1],
  outputs: [0, 0],
  timeoutMinutes: 5 * 24 * 60,
  start: async (job): Promise<Progress> => {
    const { ctx, configuration, inputs, role } = job
    const { ApplicationName: applicationName = '', DeploymentGroupName: deploymentGroupName = '' } = configuration
    const [input] = inputs
    if (!input) throw new ActionFailure('ConfigurationError', 'The action has no input artifact.')
    const caller = await role()
    let deploymentId: string | undefined
    try {
      const created = await caller.codedeploy.createDeployment({
        applicationName,
        deploymentGroupName,
        revision: { revisionType: 'S3', s3Location: { bucket: input.bucket, key: input.key, bundleType: 'zip' } },
      })
      deploymentId = created.deploymentId
    } catch (error) {
      if (!(error instanceof AwsError && error.code === 'DeploymentLimitExceededException')) throw error
      deploymentId = await made(job, error.message)
      if (deploymentId === undefined) throw error
    }
    const id = deploymentId ?? ''
    return { state: 'running', external: { id, url: urlOf(ctx, `deployments/${id}`) } }
  },
  poll: async ({ role, external }): Promise<Progress> => {
    const { codedeploy } = await role()
    const { deploymentInfo } = await codedeploy.getDeployment({ deploymentId: external?.id ?? '' })
    const { status, errorInformation, deploymentOverview = {} } = deploymentInfo ?? {}
    if (status === 'Succeeded') return { state: 'succeeded', external: { summary: 'Deployment Succeeded' } }
    if (status === 'Failed' || status === 'Stopped') {
      const message = errorInformation?.message ?? `Deployment ${external?.id ?? ''} ${status.toLowerCase()}`
      return {
        state: 'failed',
        code: 'JobFailed',
        message,
        external: { summary: `Deployment ${external?.id ?? ''} failed` },
      }
    }
    const { Pending = 0, InProgress = 0, Succeeded = 0, Failed = 0, Skipped = 0, Ready = 0 } = deploymentOverview
    const all = Pending + InProgress + Succeeded + Failed + Skipped + Ready
    return {
      state: 'running',
      ...(all > 0 ? { percent: Math.floor((100 * (Succeeded + Failed + Skipped)) / all) } : {}),
    }
  },
  urls: {
    entity: (ctx, { ApplicationName = '', DeploymentGroupName = '' }) =>
      urlOf(ctx, `applications/${ApplicationName}/deployment-groups/${DeploymentGroupName}`),
  },
}
