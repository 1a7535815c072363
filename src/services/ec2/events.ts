import type { Ctx } from '../../kernel/context.ts'
import type { DomainEvent } from '../../work/outbox.ts'
import type { Instance } from './instance.ts'

/** `EC2 Instance State-change Notification` ("State change events for your instances", EC2 user guide). */
export const stateChanged = (ctx: Ctx, { id, state }: Pick<Instance, 'id' | 'state'>): DomainEvent => ({
  source: 'aws.ec2',
  'detail-type': 'EC2 Instance State-change Notification',
  account: ctx.account,
  region: ctx.region,
  resources: [ctx.arn(`instance/${id}`)],
  detail: { 'instance-id': id, state },
})
