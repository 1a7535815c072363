import { table } from '../../store/store.ts'
import type { Artifact, External, Revision, WorkerJob } from './actions/action.ts'
import { getExecution } from './execution.ts'
import type { ActionDeclaration, Declaration, Operation, Output } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { declarationOf, getPipeline, ordered } from './pipeline.ts'
import { masked } from './secrets.ts'

/** One attempt at one action of an execution. */
export type ActionRecord = {
  readonly id: string
  /** Later ones of the pipeline have greater ones. */
  readonly sequence: number
  readonly pipeline: string
  readonly execution: string
  readonly version: number
  readonly stage: string
  readonly action: string
  readonly status: 'Abandoned' | 'Failed' | 'InProgress' | 'Succeeded'
  /** The provider has been asked and has answered. */
  readonly begun: boolean
  /** Milliseconds since the epoch. */
  readonly started: number
  readonly updated: number
  readonly updatedBy?: string
  readonly resolved?: Readonly<Record<string, string>>
  readonly inputs: readonly Artifact[]
  readonly outputs: readonly Artifact[]
  readonly variables?: Readonly<Record<string, string>>
  readonly revision?: Revision
  readonly external?: External
  readonly error?: { readonly code: string; readonly message: string }
  readonly summary?: string
  readonly percent?: number
  /** Of a manual approval; it stays, so that whoever answers too late is told so. */
  readonly token?: string
  readonly job?: WorkerJob
  /** How often a step failed through no fault of the pipeline's author. */
  readonly faults: number
}

const position = ({ pipeline, sequence }: ActionRecord) => `${pipeline}/${ordered(sequence)}`

export const ActionExecution = table<ActionRecord>('codepipeline.action', {
  scope: 'region',
  key: ({ execution, sequence }) => `${execution}/${ordered(sequence)}`,
  index: {
    pipeline: position,
    id: ({ id }) => id,
    action: ({ pipeline, stage, action, sequence }) => `${pipeline}/${stage}/${action}/${ordered(sequence)}`,
    /** Builds and deployments that are waited for. */
    external: ({ status, external }) => (status === 'InProgress' ? external?.id : undefined),
    /** Jobs of workers, by id; those that wait for one, by type of action. */
    job: ({ job }) => job?.id,
    queue: ({ status, job }) => (status === 'InProgress' && job && job.status !== 'InProgress' ? job.type : undefined),
  },
})

/** The declaration of an action, in the structure its execution goes by. */
export const actionIn = (declaration: Declaration, stage: string, action: string): ActionDeclaration | undefined =>
  declaration.stages.find(({ name }) => name === stage)?.actions.find(({ name }) => name === action)

type Wire = NonNullable<Output<'ListActionExecutions'>['actionExecutionDetails']>[number]

const toArtifacts = (artifacts: readonly Artifact[]) =>
  artifacts.map(({ name, bucket, key }) => ({ name, s3location: { bucket, key } }))

export const toErrorDetails = ({ error }: ActionRecord) =>
  error ? { errorDetails: { code: error.code, message: error.message.slice(0, 5000) } } : {}

const toActionExecution = (
  record: ActionRecord,
  declaration: ActionDeclaration,
  mode: Declaration['executionMode'],
  region: string,
): Wire => {
  const { external } = record
  // Without a pipeline state there is nowhere else to have the token of an approval from (PutApprovalResult).
  const externalId = external?.id ?? (mode === 'PARALLEL' ? record.token : undefined)
  return {
    pipelineExecutionId: record.execution,
    actionExecutionId: record.id,
    pipelineVersion: record.version,
    stageName: record.stage,
    actionName: record.action,
    startTime: new Date(record.started),
    lastUpdateTime: new Date(record.updated),
    ...(record.updatedBy ? { updatedBy: record.updatedBy } : {}),
    status: record.status,
    input: {
      actionTypeId: declaration.actionTypeId,
      configuration: masked(declaration.configuration ?? {}),
      resolvedConfiguration: masked(record.resolved ?? {}),
      ...(declaration.roleArn ? { roleArn: declaration.roleArn } : {}),
      region: declaration.region ?? region,
      inputArtifacts: toArtifacts(record.inputs),
      ...(declaration.namespace ? { namespace: declaration.namespace } : {}),
    },
    output: {
      outputArtifacts: record.status === 'Succeeded' ? toArtifacts(record.outputs) : [],
      executionResult: {
        ...(externalId ? { externalExecutionId: externalId } : {}),
        ...(external?.summary ? { externalExecutionSummary: external.summary } : {}),
        ...(external?.url ? { externalExecutionUrl: external.url } : {}),
        ...(external?.log ? { logStreamARN: external.log } : {}),
        ...toErrorDetails(record),
      },
      outputVariables: { ...record.variables },
    },
  }
}

/** Newest first: of a pipeline, or of one execution. */
export const ListActionExecutions: Operation<'ListActionExecutions'> = async (ctx, input) => {
  const after = positionOf(input.nextToken)
  const size = input.maxResults ?? 100
  const { pipelineExecutionId, latestInPipelineExecution } = input.filter ?? {}
  const execution = pipelineExecutionId ?? latestInPipelineExecution?.pipelineExecutionId
  return ctx.read(async (tx) => {
    const { name } = await getPipeline(ctx, tx, input.pipelineName)
    if (execution !== undefined) await getExecution(tx, name, execution)
    let records =
      execution === undefined
        ? await tx.list(ActionExecution, {
            index: 'pipeline',
            prefix: `${name}/`,
            reverse: true,
            limit: size + 1,
            ...(after === undefined ? {} : { after }),
          })
        : (await tx.list(ActionExecution, { prefix: `${execution}/`, reverse: true })).filter(
            (record) => after === undefined || position(record) < after,
          )
    // The latest attempt of each action, where attempts before a retry are not wanted.
    if (latestInPipelineExecution?.startTimeRange === 'Latest') {
      const seen = new Set<string>()
      records = records.filter(({ stage, action }) => {
        const key = `${stage}/${action}`
        if (seen.has(key)) return false
        seen.add(key)
        return true
      })
    }
    const { page, ...rest } = pageOf(records, size, position)
    const actionExecutionDetails: Wire[] = []
    for (const record of page) {
      const declaration = await declarationOf(tx, name, record.version)
      const action = actionIn(declaration, record.stage, record.action)
      if (action) actionExecutionDetails.push(toActionExecution(record, action, declaration.executionMode, ctx.region))
    }
    return { actionExecutionDetails, ...rest }
  })
}
