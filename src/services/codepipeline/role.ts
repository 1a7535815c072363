import type { ActAs, Caller, Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import type { Declaration, Task } from './operation.ts'
import { pipelineArn } from './pipeline.ts'

/** For whom CodePipeline assumes a role, as its trust policy may ask ("Cross-service confused deputy prevention"). */
export const onBehalfOf = (ctx: Ctx, pipeline: string): Pick<ActAs, 'context'> => ({
  context: { 'aws:SourceArn': [pipelineArn(ctx, pipeline)], 'aws:SourceAccount': [ctx.account] },
})

/** The pipeline's role; an action's own role is assumed by it, as on AWS, and works in the account it is of. */
export const callerOf = async (
  ctx: Ctx,
  { name, roleArn }: Declaration,
  { roleArn: actionRole, region }: Pick<Task, 'region' | 'roleArn'>,
  sessionName: string,
  /** Session policies: what of the role's rights is handed on. */
  policies?: readonly string[],
): Promise<Caller> => {
  const there = region === undefined ? {} : { region }
  const narrowed = policies ? { policies } : {}
  const pipeline = ctx.as(roleArn, {
    sessionName,
    ...there,
    ...onBehalfOf(ctx, name),
    ...(actionRole === undefined ? narrowed : {}),
  })
  if (actionRole === undefined) return pipeline
  const by = await pipeline.principal()
  const principal = await ctx.use(identity).assume({ roleArn: actionRole, sessionName, by, ...narrowed })
  return ctx.as(principal, { account: principal.account, ...there })
}
