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
  { application, group, id, groupId }: Deployment,
  type: string,
  resources: readonly string[],
  detail: Record<string, string>,
): DomainEvent => ({
  source: 'aws.codedeploy',
  'detail-type': type,
  account: ctx.account,
  region: ctx.region,
  resources,
  detail: {
    instanceGroupId: groupId,
    region: ctx.region,
    application,
    deploymentId: id,
    deploymentGroup: group,
    ...detail,
  },
})

/**
 * `CodeDeploy Deployment State-change Notification` ("Events from AWS services on the default event bus", EventBridge user
 * guide).
 */
export const deploymentChanged = (ctx: Ctx, deployment: Deployment): DomainEvent =>
  about(
    ctx,
    deployment,
    'CodeDeploy Deployment State-change Notification',
    [applicationArn(ctx, deployment), groupArn(ctx, deployment)],
    { state: states[deployment.status] },
  )

/** `CodeDeploy Instance State-change Notification`. */
export const targetChanged = (ctx: Ctx, deployment: Deployment, target: Target): DomainEvent =>
  about(
    ctx,
    deployment,
    'CodeDeploy Instance State-change Notification',
    [arnOf(ctx, target), groupArn(ctx, deployment), applicationArn(ctx, deployment)],
    { instanceId: target.instanceId, state: targetStates[target.status] },
  )

const applicationArn = (ctx: Ctx, { application }: Deployment): string => ctx.arn(`application:${application}`)
const groupArn = (ctx: Ctx, { application, group }: Deployment): string =>
  ctx.arn(`deploymentgroup:${application}/${group}`)
