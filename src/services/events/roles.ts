import type { Ctx } from '../../kernel/context.ts'

/** A caller who names a role for EventBridge to act under must be allowed to pass it ("Granting a user permissions to pass a role"). */
export const passRole = (ctx: Ctx, roleArn: string, ruleArn: string): Promise<void> =>
  ctx.authorize('iam:PassRole', roleArn, {
    'iam:PassedToService': ['events.amazonaws.com'],
    'iam:AssociatedResourceArn': [ruleArn],
  })
