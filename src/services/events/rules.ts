import type { Rule as WireRule } from '@aws-sdk/client-eventbridge'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { parseSchedule } from '../../schedules/schedule.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { getBus, ownBus } from './buses.ts'
import { fail, fromToken, invalid, type Operation, toToken } from './operation.ts'
import { type EventPattern, exactValues, PatternError, parsePattern } from './pattern.ts'
import { passRole } from './roles.ts'
import { Target } from './rule-targets.ts'
import { readTags } from './tags.ts'

export type RuleRecord = {
  readonly bus: string
  readonly name: string
  readonly pattern?: string
  readonly schedule?: string
  readonly enabled: boolean
  readonly description?: string
  readonly roleArn?: string
  readonly tags: Readonly<Record<string, string>>
  /** When the schedule was set or switched on, in milliseconds since the epoch: rates count from here. */
  readonly since: number
  /** When the schedule fires next. */
  readonly next?: number
}

export const ruleKey = (bus: string, name: string): string => `${bus}|${name}`

export const Rule = table<RuleRecord>('events.rule', {
  scope: 'region',
  key: ({ bus, name }) => ruleKey(bus, name),
  // An event is compared only with rules that can be about its source.
  index: { source: ({ bus, pattern }) => (pattern === undefined ? undefined : ruleKey(bus, onlySource(pattern))) },
})

/** The one source that a pattern is about, `*` when it may be about several. */
const onlySource = (pattern: string): string => {
  const sources = exactValues(pattern, 'source')
  return sources?.length === 1 ? (sources[0] ?? '*') : '*'
}

const PAGE = 100

export const ruleArn = (ctx: Pick<Ctx, 'arn'>, bus: string, name: string): string =>
  ctx.arn(bus === 'default' ? `rule/${name}` : `rule/${bus}/${name}`)

/** The rule, or ResourceNotFoundException. */
export const getRule = async (tx: ReadTx, bus: string, name: string): Promise<RuleRecord> => {
  await getBus(tx, bus)
  const rule = await tx.get(Rule, ruleKey(bus, name))
  if (!rule) throw fail('ResourceNotFoundException', `Rule ${name} does not exist on EventBus ${bus}.`)
  return rule
}

/** InvalidEventPatternException for text that is no pattern. */
export const readPattern = (text: string): EventPattern => {
  try {
    return parsePattern(text)
  } catch (error) {
    if (error instanceof PatternError)
      throw fail('InvalidEventPatternException', `Event pattern is not valid. Reason: ${error.message}`)
    throw error
  }
}

/** Rules of a bus that this event may concern, those without a pattern and the switched-off ones left out. */
export const candidates = async (tx: ReadTx, bus: string, source: string): Promise<RuleRecord[]> => {
  const exact = await tx.list(Rule, { index: 'source', equals: ruleKey(bus, source) })
  const open = await tx.list(Rule, { index: 'source', equals: ruleKey(bus, '*') })
  return [...exact, ...open].filter(({ enabled }) => enabled)
}

const toRule = (ctx: Ctx, rule: RuleRecord): WireRule => ({
  Name: rule.name,
  Arn: ruleArn(ctx, rule.bus, rule.name),
  EventPattern: rule.pattern,
  ScheduleExpression: rule.schedule,
  State: rule.enabled ? 'ENABLED' : 'DISABLED',
  Description: rule.description,
  RoleArn: rule.roleArn,
  EventBusName: rule.bus,
})

/** Stores a rule and sets its alarm. */
const keep = (ctx: Ctx, tx: WriteTx, rule: RuleRecord): void => {
  const { next: _, ...rest } = rule
  const now = ctx.now()
  const schedule = rule.enabled && rule.schedule !== undefined ? parseSchedule(rule.schedule) : undefined
  const next = schedule?.next(now, new Date(rule.since))?.getTime()
  tx.put(Rule, next === undefined ? rest : { ...rest, next })
  if (next !== undefined) tx.wake('events.schedule', ruleKey(rule.bus, rule.name), { in: next - now.getTime() })
}

/**
 * Creates a rule or replaces it, tags kept. InvalidEventPatternException, ValidationException for a schedule that is none
 * or on a custom bus; a role needs iam:PassRole.
 */
export const PutRule: Operation<'PutRule'> = async (ctx, input) => {
  const bus = ownBus(ctx, input.EventBusName)
  const { EventPattern: pattern, ScheduleExpression: schedule } = input
  if (pattern === undefined && schedule === undefined)
    throw invalid('Parameter(s) EventPattern or ScheduleExpression must be specified.')
  if (pattern !== undefined) readPattern(pattern)
  if (schedule !== undefined && bus !== 'default')
    throw invalid('ScheduleExpression is supported only on the default event bus.')
  if (schedule !== undefined && !parseSchedule(schedule)) throw invalid('Parameter ScheduleExpression is not valid.')
  if (input.State === 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS') throw notImplemented(`rule state ${input.State}`)
  if (input.RoleArn !== undefined) await passRole(ctx, input.RoleArn, ruleArn(ctx, bus, input.Name))
  await ctx.write(async (tx) => {
    await getBus(tx, bus)
    const old = await tx.get(Rule, ruleKey(bus, input.Name))
    const since = old?.enabled && old.schedule === schedule ? old.since : ctx.now().getTime()
    keep(ctx, tx, {
      bus,
      name: input.Name,
      enabled: input.State !== 'DISABLED',
      tags: old?.tags ?? readTags(input.Tags),
      since,
      ...(pattern === undefined ? {} : { pattern }),
      ...(schedule === undefined ? {} : { schedule }),
      ...(input.Description === undefined ? {} : { description: input.Description }),
      ...(input.RoleArn === undefined ? {} : { roleArn: input.RoleArn }),
    })
  })
  return { RuleArn: ruleArn(ctx, bus, input.Name) }
}

export const DescribeRule: Operation<'DescribeRule'> = async (ctx, { Name, EventBusName }) => {
  const rule = await ctx.read((tx) => getRule(tx, ownBus(ctx, EventBusName), Name))
  return { ...toRule(ctx, rule), CreatedBy: ctx.account }
}

export const ListRules: Operation<'ListRules'> = async (
  ctx,
  { EventBusName, NamePrefix = '', NextToken, Limit = PAGE },
) => {
  const bus = ownBus(ctx, EventBusName)
  const after = fromToken(NextToken)
  const found = await ctx.read(async (tx) => {
    await getBus(tx, bus)
    return tx.list(Rule, {
      prefix: ruleKey(bus, NamePrefix),
      limit: Limit + 1,
      ...(after === undefined ? {} : { after: ruleKey(bus, after) }),
    })
  })
  const page = found.slice(0, Limit)
  return {
    Rules: page.map((rule) => toRule(ctx, rule)),
    NextToken: found.length > Limit ? toToken(page.at(-1)?.name ?? '') : undefined,
  }
}

/** Deletes a rule that has no targets; one that does not exist is no error. */
export const DeleteRule: Operation<'DeleteRule'> = async (ctx, { Name, EventBusName }) => {
  const bus = ownBus(ctx, EventBusName)
  await ctx.write(async (tx) => {
    await getBus(tx, bus)
    if ((await tx.list(Target, { prefix: `${ruleKey(bus, Name)}|`, limit: 1 })).length > 0)
      throw invalid("Rule can't be deleted since it has targets.")
    tx.delete(Rule, ruleKey(bus, Name))
  })
  return {}
}

const turn = async (ctx: Ctx, input: { Name: string; EventBusName?: string | undefined }, enabled: boolean) => {
  const bus = ownBus(ctx, input.EventBusName)
  await ctx.write(async (tx) => {
    const rule = await getRule(tx, bus, input.Name)
    if (rule.enabled !== enabled) keep(ctx, tx, { ...rule, enabled, since: ctx.now().getTime() })
  })
  return {}
}

export const EnableRule: Operation<'EnableRule'> = (ctx, input) => turn(ctx, input, true)
export const DisableRule: Operation<'DisableRule'> = (ctx, input) => turn(ctx, input, false)
