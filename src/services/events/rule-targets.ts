import type { Target as WireTarget } from '@aws-sdk/client-eventbridge'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { Present } from '../../kernel/types.ts'
import { table } from '../../store/store.ts'
import { ownBus } from './buses.ts'
import { parsePath, placeholders, reserved, type TargetInput } from './input.ts'
import { fail, fromToken, invalid, type Operation, toToken } from './operation.ts'
import type { RetryPolicy } from './retry.ts'
import { passRole } from './roles.ts'
import { getRule, ruleArn, ruleKey } from './rules.ts'
import { kindOf } from './targets.ts'

export type TargetRecord = TargetInput & {
  readonly bus: string
  readonly rule: string
  readonly id: string
  readonly arn: string
  readonly roleArn?: string
  /** As the caller set it; the defaults are the delivery's. */
  readonly retry?: RetryPolicy
}

export const Target = table<TargetRecord>('events.target', {
  scope: 'region',
  key: ({ bus, rule, id }) => `${ruleKey(bus, rule)}|${id}`,
  index: { arn: ({ bus, arn }) => `${bus}|${arn}` },
})

const PAGE = 100
const MOST_TARGETS = 5

const toTarget = (target: TargetRecord): WireTarget => ({
  Id: target.id,
  Arn: target.arn,
  RoleArn: target.roleArn,
  Input: target.input,
  InputPath: target.inputPath,
  InputTransformer: target.transformer && {
    InputPathsMap: { ...target.transformer.paths },
    InputTemplate: target.transformer.template,
  },
  RetryPolicy: target.retry && {
    MaximumRetryAttempts: target.retry.attempts,
    MaximumEventAgeInSeconds: target.retry.ageSeconds,
  },
})

/** Members that only targets have which do not exist here. */
// prettier-ignore
const foreign = [
  'KinesisParameters',
  'RunCommandParameters',
  'EcsParameters',
  'BatchParameters',
  'SqsParameters',
  'HttpParameters',
  'RedshiftDataParameters',
  'SageMakerPipelineParameters',
  'AppSyncParameters',
] as const

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const toRecord = (ctx: Ctx, bus: string, rule: string, target: Present<WireTarget>): TargetRecord => {
  const {
    Id: id,
    Arn: arn,
    RoleArn: roleArn,
    Input: input,
    InputPath: inputPath,
    InputTransformer: transformer,
  } = target
  const kind = kindOf(ctx, arn)
  const extra = foreign.find((name) => target[name] !== undefined)
  if (extra) throw invalid(`Parameter ${extra} is not valid for target ${arn}.`)
  if (target.DeadLetterConfig?.Arn) throw notImplemented('a dead-letter queue of a target')
  if (kind.role === 'required' && roleArn === undefined) throw invalid(`RoleArn is required for target ${arn}.`)
  if (kind.role === 'none' && roleArn !== undefined) throw invalid(`RoleArn is not supported for target ${arn}.`)
  const worded = [input, inputPath, transformer].filter((one) => one !== undefined)
  if (worded.length > 1)
    throw invalid(`Only one of Input, InputPath, or InputTransformer must be provided for target ${id}.`)
  if (worded.length > 0 && !kind.worded)
    throw invalid(`Input, InputPath and InputTransformer are not supported for target ${arn}.`)
  if (input !== undefined && !isJson(input)) throw invalid(`JSON syntax error in input for target ${id} : ${input}`)
  if (inputPath !== undefined && !parsePath(inputPath))
    throw invalid('Parameter InputPath is not valid. Reason: Invalid JsonPath.')
  const paths = transformer?.InputPathsMap ?? {}
  for (const [name, path] of Object.entries(paths)) {
    if (reserved(name)) throw invalid(`InputTransformer for target ${id} contains reserved variable name ${name}.`)
    if (!parsePath(path)) throw invalid(`Invalid InputPathsMap for target ${id} : ${path} is not a valid JsonPath.`)
  }
  const unknown = placeholders(transformer?.InputTemplate ?? '').find(
    (name) => !reserved(name) && !Object.hasOwn(paths, name),
  )
  if (unknown !== undefined) throw invalid(`InputTemplate for target ${id} contains invalid placeholder ${unknown}.`)
  const { MaximumRetryAttempts: attempts, MaximumEventAgeInSeconds: ageSeconds } = target.RetryPolicy ?? {}
  return {
    bus,
    rule,
    id,
    arn,
    ...(roleArn === undefined ? {} : { roleArn }),
    ...(input === undefined ? {} : { input }),
    ...(inputPath === undefined ? {} : { inputPath }),
    ...(transformer ? { transformer: { paths, template: transformer.InputTemplate } } : {}),
    ...(target.RetryPolicy
      ? {
          retry: {
            ...(attempts === undefined ? {} : { attempts }),
            ...(ageSeconds === undefined ? {} : { ageSeconds }),
          },
        }
      : {}),
  }
}

/** Adds targets to a rule, or replaces those with the same id. All are checked before one is stored; roles need iam:PassRole. */
export const PutTargets: Operation<'PutTargets'> = async (ctx, input) => {
  const bus = ownBus(ctx, input.EventBusName)
  const targets = input.Targets.map((target) => toRecord(ctx, bus, input.Rule, target))
  for (const role of new Set(targets.flatMap(({ roleArn }) => roleArn ?? [])))
    await passRole(ctx, role, ruleArn(ctx, bus, input.Rule))
  await ctx.write(async (tx) => {
    await getRule(tx, bus, input.Rule)
    const all = await tx.list(Target, { prefix: `${ruleKey(bus, input.Rule)}|` })
    const ids = new Set([...all, ...targets].map(({ id }) => id))
    if (ids.size > MOST_TARGETS)
      throw fail('LimitExceededException', 'The requested resource exceeds the maximum number allowed.')
    for (const target of targets) tx.put(Target, target)
  })
  return { FailedEntryCount: 0, FailedEntries: [] }
}

export const ListTargetsByRule: Operation<'ListTargetsByRule'> = async (ctx, input) => {
  const bus = ownBus(ctx, input.EventBusName)
  const limit = input.Limit ?? PAGE
  const prefix = `${ruleKey(bus, input.Rule)}|`
  const after = fromToken(input.NextToken)
  const found = await ctx.read(async (tx) => {
    await getRule(tx, bus, input.Rule)
    return tx.list(Target, { prefix, limit: limit + 1, ...(after === undefined ? {} : { after: prefix + after }) })
  })
  const page = found.slice(0, limit)
  return {
    Targets: page.map(toTarget),
    NextToken: found.length > limit ? toToken(page.at(-1)?.id ?? '') : undefined,
  }
}

/** Names of the rules of a bus that have this target. */
export const ListRuleNamesByTarget: Operation<'ListRuleNamesByTarget'> = async (ctx, input) => {
  const bus = ownBus(ctx, input.EventBusName)
  const limit = input.Limit ?? PAGE
  const after = fromToken(input.NextToken) ?? ''
  const found = await ctx.read((tx) => tx.list(Target, { index: 'arn', equals: `${bus}|${input.TargetArn}` }))
  const names = [...new Set(found.map(({ rule }) => rule))].filter((name) => name > after)
  return {
    RuleNames: names.slice(0, limit),
    NextToken: names.length > limit ? toToken(names[limit - 1] ?? '') : undefined,
  }
}

export const RemoveTargets: Operation<'RemoveTargets'> = async (ctx, input) => {
  const bus = ownBus(ctx, input.EventBusName)
  await ctx.write(async (tx) => {
    await getRule(tx, bus, input.Rule)
    for (const id of input.Ids) tx.delete(Target, `${ruleKey(bus, input.Rule)}|${id}`)
  })
  return { FailedEntryCount: 0, FailedEntries: [] }
}
