import { toErrorDetails } from './action-execution.ts'
import { RuleExecution, type RuleRecord, ruleIn, rulePosition } from './condition.ts'
import { getExecution } from './execution.ts'
import type { Operation, Output, RuleDeclaration } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { declarationOf, getPipeline } from './pipeline.ts'
import { ruleKinds } from './rules/kinds.ts'

type Wire = NonNullable<Output<'ListRuleExecutions'>['ruleExecutionDetails']>[number]

const toRuleExecution = (record: RuleRecord, rule: RuleDeclaration, region: string): Wire => {
  const { external } = record
  return {
    pipelineExecutionId: record.execution,
    ruleExecutionId: record.id,
    pipelineVersion: record.version,
    stageName: record.stage,
    ruleName: record.action,
    startTime: new Date(record.started),
    lastUpdateTime: new Date(record.updated),
    status: record.status,
    input: {
      ruleTypeId: rule.ruleTypeId,
      configuration: rule.configuration ?? {},
      resolvedConfiguration: { ...record.resolved },
      ...(rule.roleArn ? { roleArn: rule.roleArn } : {}),
      region: rule.region ?? region,
      inputArtifacts: record.inputs.map(({ name, bucket, key }) => ({ name, s3location: { bucket, key } })),
    },
    output: {
      executionResult: {
        ...(external?.id ? { externalExecutionId: external.id } : {}),
        ...(external?.summary ? { externalExecutionSummary: external.summary } : {}),
        ...(external?.url ? { externalExecutionUrl: external.url } : {}),
        ...toErrorDetails(record),
      },
    },
  }
}

/** AWS API: "ListRuleExecutions". Newest first: of a pipeline, or of one execution. */
export const ListRuleExecutions: Operation<'ListRuleExecutions'> = async (ctx, input) => {
  const after = positionOf(input.nextToken)
  const size = input.maxResults ?? 100
  const { pipelineExecutionId, latestInPipelineExecution } = input.filter ?? {}
  const execution = pipelineExecutionId ?? latestInPipelineExecution?.pipelineExecutionId
  return ctx.read(async (tx) => {
    const { name } = await getPipeline(ctx, tx, input.pipelineName)
    if (execution !== undefined) await getExecution(tx, name, execution)
    const options = { reverse: true, ...(after === undefined ? {} : { after }) }
    let records =
      execution === undefined
        ? await tx.list(RuleExecution, { index: 'pipeline', prefix: `${name}/`, limit: size + 1, ...options })
        : (await tx.list(RuleExecution, { prefix: `${execution}/`, reverse: true })).filter(
            (record) => after === undefined || rulePosition(record) < after,
          )
    if (latestInPipelineExecution?.startTimeRange === 'Latest') {
      const seen = new Set<string>()
      records = records.filter(({ stage, condition, action }) => {
        const key = `${stage}/${condition}/${action}`
        return !seen.has(key) && seen.add(key)
      })
    }
    const { page, ...rest } = pageOf(records, size, rulePosition)
    const ruleExecutionDetails: Wire[] = []
    for (const record of page) {
      const { stages } = await declarationOf(tx, name, record.version)
      const stage = stages.find((one) => one.name === record.stage)
      const rule = stage && ruleIn(stage, record.condition, record.action)
      if (rule) ruleExecutionDetails.push(toRuleExecution(record, rule, ctx.region))
    }
    return { ruleExecutionDetails, ...rest }
  })
}

/** AWS API: "ListRuleTypes". Those that work here, and no others: AWS's own, in every Region. */
export const ListRuleTypes: Operation<'ListRuleTypes'> = () => ({
  ruleTypes: ruleKinds.map(({ provider, properties, inputs }) => ({
    id: { category: 'Rule', owner: 'AWS', provider, version: '1' },
    settings: {},
    ruleConfigurationProperties: properties.map(({ name, required, description }) => ({
      name,
      required,
      key: required,
      secret: false,
      queryable: false,
      description,
      type: 'String',
    })),
    inputArtifactDetails: { minimumCount: inputs[0], maximumCount: inputs[1] },
  })),
})
