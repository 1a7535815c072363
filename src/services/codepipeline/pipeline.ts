import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { type Declaration, fail } from './operation.ts'

export type Tag = { readonly key: string; readonly value: string }

export type PipelineRecord = {
  readonly name: string
  /** Of the present structure. */
  readonly version: number
  /** ISO 8601. */
  readonly created: string
  readonly updated: string
  readonly tags: readonly Tag[]
  /** How many executions and action executions there have been: their order. */
  readonly executions: number
  readonly actions: number
}

export type VersionRecord = {
  readonly pipeline: string
  readonly version: number
  readonly declaration: Declaration
}

/** Numbers that sort as text. */
export const ordered = (number: number): string => String(number).padStart(10, '0')

export const Pipeline = table<PipelineRecord>('codepipeline.pipeline', { scope: 'region', key: ({ name }) => name })

/** Every structure a pipeline ever had. */
export const Version = table<VersionRecord>('codepipeline.version', {
  scope: 'region',
  key: ({ pipeline, version }) => versionKey(pipeline, version),
})

const versionKey = (pipeline: string, version: number) => `${pipeline}/${ordered(version)}`

export const pipelineArn = (ctx: Pick<Ctx, 'arn'>, name: string): string => ctx.arn(name)

/** Throws PipelineNotFoundException. */
export const getPipeline = async (ctx: Pick<Ctx, 'account'>, tx: ReadTx, name: string): Promise<PipelineRecord> => {
  const pipeline = await tx.get(Pipeline, name)
  if (!pipeline)
    throw fail('PipelineNotFoundException', `Account '${ctx.account}' does not have a pipeline with name '${name}'`)
  return pipeline
}

export const findDeclaration = async (
  tx: ReadTx,
  pipeline: string,
  version: number,
): Promise<Declaration | undefined> => (await tx.get(Version, versionKey(pipeline, version)))?.declaration

/** Of a version that is known to be there. */
export const declarationOf = async (tx: ReadTx, pipeline: string, version: number): Promise<Declaration> => {
  const declaration = await findDeclaration(tx, pipeline, version)
  if (!declaration) throw new Error(`Version ${version} of the pipeline ${pipeline} is missing.`)
  return declaration
}
