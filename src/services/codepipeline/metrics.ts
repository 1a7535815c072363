import type { Ctx } from '../../kernel/context.ts'
import { vendedMetrics } from '../capabilities.ts'
import { Execution } from './execution.ts'
import { declarationOf } from './pipeline.ts'

/**
 * What CloudWatch hears of an execution that has ended, in pipelines of type V2: how long one that succeeded took, and each
 * that failed, in its pipeline and in the account; a retry that fails counts again. "CodePipeline CloudWatch metrics", user
 * guide.
 */
export const publishMetrics = async (ctx: Ctx, id: string): Promise<void> => {
  const found = await ctx.read(async (tx) => {
    const execution = await tx.get(Execution, id)
    return execution && { execution, declaration: await declarationOf(tx, execution.pipeline, execution.version) }
  })
  if (found?.declaration.pipelineType !== 'V2') return
  const { pipeline, status, started, updated } = found.execution
  if (status !== 'Succeeded' && status !== 'Failed') return
  const time = new Date(updated)
  const dimensions: Readonly<Record<string, string>> = { PipelineName: pipeline }
  const failure = { name: 'FailedPipelineExecutions', value: 1, unit: 'Count', time }
  const data =
    status === 'Succeeded'
      ? [{ name: 'PipelineDuration', value: (updated - started) / 1000, unit: 'Seconds', time, dimensions }]
      : [
          { ...failure, dimensions },
          { ...failure, dimensions: {} },
        ]
  await ctx
    .use(vendedMetrics)
    .put(ctx.place, 'AWS/CodePipeline', data)
    .catch((error: unknown) => ctx.log.warn('metrics of a pipeline are lost', { pipeline, error: String(error) }))
}
