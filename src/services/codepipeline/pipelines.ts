import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { WriteTx } from '../../store/store.ts'
import { ActionExecution } from './action-execution.ts'
import { RuleExecution } from './condition.ts'
import { connectionAction } from './connection.ts'
import { type CustomTypeRecord, findType, kindOfType, typeKey } from './custom-type.ts'
import { DeployPlan, Target, targetsOf } from './deploy-target.ts'
import { Execution, executionReconciler } from './execution.ts'
import { type Declaration, fail, type Operation, type Output } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import {
  declarationOf,
  findDeclaration,
  getPipeline,
  Pipeline,
  type PipelineRecord,
  pipelineArn,
  Version,
  type VersionRecord,
} from './pipeline.ts'
import { onBehalfOf } from './role.ts'
import { masked, sealedDeclaration } from './secrets.ts'
import { Stage } from './stage.ts'
import { missingVariables, startExecution } from './start.ts'
import { checkStructure } from './structure.ts'
import { checkTags } from './tag.ts'
import { unwatchSources, watchSources } from './watch.ts'

type Wire = NonNullable<Output<'GetPipeline'>['pipeline']>

/** Defaults as GetPipeline shows them. */
const toPipeline = ({ declaration, version }: VersionRecord): Wire => ({
  ...declaration,
  stages: declaration.stages.map((stage) => ({
    ...stage,
    actions: stage.actions.map((action) => ({
      ...action,
      runOrder: action.runOrder ?? 1,
      configuration: masked(action.configuration ?? {}),
      inputArtifacts: action.inputArtifacts ?? [],
      outputArtifacts: action.outputArtifacts ?? [],
    })),
  })),
  version,
  pipelineType: declaration.pipelineType ?? 'V1',
  executionMode: declaration.executionMode ?? 'SUPERSEDED',
})

/** May the caller hand this role to CodePipeline, and does the role let CodePipeline assume it? */
const checkRole = async (ctx: Ctx, { name, roleArn }: Declaration): Promise<void> => {
  await ctx.authorize('iam:PassRole', roleArn, {
    'iam:PassedToService': ['codepipeline.amazonaws.com'],
    'iam:AssociatedResourceArn': [pipelineArn(ctx, name)],
  })
  try {
    await ctx.as(roleArn, onBehalfOf(ctx, name)).principal()
  } catch (error) {
    if (error instanceof AwsError && error.code !== 'InternalFailure')
      throw fail('InvalidStructureException', `CodePipeline is not authorized to perform AssumeRole on role ${roleArn}`)
    throw error
  }
}

/** May the caller hand the connections of its sources to CodePipeline? */
const checkConnections = async (ctx: Ctx, { stages }: Declaration): Promise<void> => {
  for (const { actionTypeId, configuration } of stages[0]?.actions ?? []) {
    const arn = actionTypeId.provider === 'CodeStarSourceConnection' ? configuration?.ConnectionArn : undefined
    if (arn === undefined) continue
    const action = connectionAction(arn, 'PassConnection')
    const key = action.replace('PassConnection', 'PassedToService')
    await ctx.authorize(action, arn, { [key]: ['codepipeline.amazonaws.com'] })
  }
}

/** Checks a declaration; returns it with the secrets of its actions sealed. */
const check = async (ctx: Ctx, declaration: Declaration, before?: Declaration): Promise<Declaration> => {
  const ids = declaration.stages.flatMap(({ actions }) => actions.map(({ actionTypeId }) => actionTypeId))
  const types = await ctx.read(async (tx) => {
    const found = new Map<string, CustomTypeRecord>()
    for (const id of ids) {
      const type = id.owner === 'AWS' ? undefined : await findType(tx, id)
      if (type) found.set(typeKey(id), type)
    }
    return found
  })
  checkStructure(declaration, ctx.region, (id) => {
    const type = types.get(typeKey(id))
    return type && kindOfType(type, ctx.account)
  })
  await checkRole(ctx, declaration)
  await checkConnections(ctx, declaration)
  return sealedDeclaration(ctx, declaration, (id) => types.get(typeKey(id)), before)
}

const putVersion = (tx: WriteTx, declaration: Declaration, version: number): VersionRecord => {
  const { version: _given, ...structure } = declaration
  return tx.put(Version, { pipeline: declaration.name, version, declaration: structure })
}

/** AWS API: "CreatePipeline". The first execution starts with it. */
export const CreatePipeline: Operation<'CreatePipeline'> = async (ctx, { pipeline: given, tags = [] }) => {
  checkTags(pipelineArn(ctx, given.name), tags)
  const declaration = await check(ctx, given)
  return ctx.write(async (tx) => {
    if (await tx.get(Pipeline, declaration.name))
      throw fail(
        'PipelineNameInUseException',
        `A pipeline with the name '${declaration.name}' already exists in account '${ctx.account}'`,
      )
    const now = ctx.now().toISOString()
    const record: PipelineRecord = {
      name: declaration.name,
      version: 1,
      created: now,
      updated: now,
      tags,
      executions: 0,
      actions: 0,
    }
    tx.put(Pipeline, record)
    const version = putVersion(tx, declaration, 1)
    await watchSources(tx, declaration)
    // A pipeline whose variables have no defaults waits for someone to give them values.
    if (missingVariables(declaration).length === 0)
      await startExecution(ctx, tx, record, { trigger: { type: 'CreatePipeline', detail: ctx.principal.arn } })
    return { pipeline: toPipeline(version), ...(tags.length > 0 ? { tags } : {}) }
  })
}

/** AWS API: "UpdatePipeline". Executions that go by an older structure end as Cancelled once what runs in them is done, but for parallel ones. */
export const UpdatePipeline: Operation<'UpdatePipeline'> = async (ctx, { pipeline: given }) => {
  const present = await ctx.read(async (tx) => {
    const pipeline = await tx.get(Pipeline, given.name)
    return pipeline && (await declarationOf(tx, pipeline.name, pipeline.version))
  })
  if (!present)
    throw fail(
      'ResourceNotFoundException',
      `The account with id '${ctx.account}' does not include a pipeline with the name '${given.name}'`,
    )
  const declaration = await check(ctx, given, present)
  return ctx.write(async (tx) => {
    const before = await getPipeline(ctx, tx, declaration.name)
    const record = tx.put(Pipeline, { ...before, version: before.version + 1, updated: ctx.now().toISOString() })
    const version = putVersion(tx, declaration, record.version)
    for (const stage of await tx.list(Stage, { prefix: `${record.name}/` }))
      if (!declaration.stages.some(({ name }) => name === stage.name)) tx.delete(Stage, Stage.key(stage))
    await watchSources(tx, declaration)
    for (const { id } of await tx.list(Execution, { index: 'active', equals: record.name }))
      tx.wake(executionReconciler, id)
    return { pipeline: toPipeline(version) }
  })
}

/** AWS API: "GetPipeline". The present version unless another is asked for. */
export const GetPipeline: Operation<'GetPipeline'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const pipeline = await getPipeline(ctx, tx, input.name)
    const version = input.version ?? pipeline.version
    const declaration = await findDeclaration(tx, pipeline.name, version)
    if (!declaration)
      throw fail('PipelineVersionNotFoundException', `Pipeline '${pipeline.name}' does not have a version '${version}'`)
    return {
      pipeline: toPipeline({ pipeline: pipeline.name, version, declaration }),
      metadata: {
        pipelineArn: pipelineArn(ctx, pipeline.name),
        created: new Date(pipeline.created),
        updated: new Date(pipeline.updated),
      },
    }
  })

export const ListPipelines: Operation<'ListPipelines'> = (ctx, { maxResults: size = 1000, nextToken }) =>
  ctx.read(async (tx) => {
    const after = positionOf(nextToken)
    const found = await tx.list(Pipeline, { limit: size + 1, ...(after === undefined ? {} : { after }) })
    const { page, ...rest } = pageOf(found, size, ({ name }) => name)
    const pipelines: NonNullable<Output<'ListPipelines'>['pipelines']> = []
    for (const { name, version, created, updated } of page) {
      const { pipelineType = 'V1', executionMode = 'SUPERSEDED' } = await declarationOf(tx, name, version)
      pipelines.push({
        name,
        version,
        pipelineType,
        executionMode,
        created: new Date(created),
        updated: new Date(updated),
      })
    }
    return { pipelines, ...rest }
  })

/** AWS API: "DeletePipeline". Its history goes with it; builds and deployments under way go on by themselves. */
export const DeletePipeline: Operation<'DeletePipeline'> = (ctx, { name }) =>
  ctx.write(async (tx) => {
    if (!(await tx.get(Pipeline, name))) return {}
    const prefix = `${name}/`
    for (const one of await tx.list(Execution, { index: 'pipeline', prefix })) tx.delete(Execution, Execution.key(one))
    for (const one of await tx.list(ActionExecution, { index: 'pipeline', prefix })) {
      for (const target of await targetsOf(tx, one.id)) tx.delete(Target, Target.key(target))
      tx.delete(DeployPlan, one.id)
      tx.delete(ActionExecution, ActionExecution.key(one))
    }
    for (const one of await tx.list(RuleExecution, { index: 'pipeline', prefix }))
      tx.delete(RuleExecution, RuleExecution.key(one))
    for (const one of await tx.list(Stage, { prefix })) tx.delete(Stage, Stage.key(one))
    for (const one of await tx.list(Version, { prefix })) tx.delete(Version, Version.key(one))
    await unwatchSources(tx, name)
    tx.delete(Pipeline, name)
    return {}
  })
