import type { Ctx } from '../../kernel/context.ts'
import type { DomainEvent } from '../../work/outbox.ts'
import type { Deployment } from './deployment.ts'
import { arnOf, type Target } from './target.ts'

const states = {
  Created: 'CREATED',
  Queued: 'QUEUED',
  InProgress: 'START',
  Ready: 'READY',
  Succeeded: 'SUCCESS',
  Failed: 'FAILURE',
  Stopped: 'STOP',
} as const
const targetStates = {
  Pending: 'READY',
  InProgress: 'START',
  Ready: 'READY',
  Succeeded: 'SUCCESS',
  Failed: 'FAILURE',
  Skipped: 'STOP',
} as const

const about = (
  ctx: Ctx,
  deployment: Deployment,
  type: string,
  resources: string[],
  detail: Record<string, string>,
): DomainEvent => ({
  source: 'aws.codedeploy',
  'detail-type': type,
  account: ctx.account,
  region: ctx.region,
  resources: [
    ctx.arn(`application:${deployment.application}`),
    ctx.arn(`deploymentgroup:${deployment.application}/${deployment.group}`),
    ...resources,
  ],
  detail: {
    region: ctx.region,
    application: deployment.application,
    deploymentGroup: deployment.group,
    deploymentId: deployment.id,
    ...detail,
  },
})

/** `CodeDeploy Deployment State-change Notification` ("Monitoring deployments with Amazon CloudWatch Events", user guide). */
export const deploymentChanged = (ctx: Ctx, deployment: Deployment): DomainEvent =>
  about(ctx, deployment, 'CodeDeploy Deployment State-change Notification', [], { state: states[deployment.status] })

/** `CodeDeploy Instance State-change Notification`. */
export const targetChanged = (ctx: Ctx, deployment: Deployment, target: Target): DomainEvent =>
  about(ctx, deployment, 'CodeDeploy Instance State-change Notification', [arnOf(ctx, target)], {
    instanceId: target.instanceId,
    state: targetStates[target.status],
    instanceGroupId: deployment.groupId,
  })
