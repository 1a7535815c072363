import type { Caller, Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import type { ActionDeclaration, Declaration } from './operation.ts'

/** The pipeline's role; an action's own role is assumed by it, as on AWS. */
export const callerOf = async (
  ctx: Ctx,
  { roleArn }: Declaration,
  action: ActionDeclaration,
  sessionName: string,
): Promise<Caller> => {
  const pipeline = ctx.as(roleArn, { sessionName })
  if (action.roleArn === undefined) return pipeline
  const by = await pipeline.principal()
  return ctx.as(await ctx.use(identity).assume({ roleArn: action.roleArn, sessionName, by }))
}
