import { createHash } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { table, type WriteTx } from '../../store/store.ts'
import type { DeliveredEvent } from '../../work/outbox.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import { vendedMetrics } from '../capabilities.ts'
import { targetInput } from './input.ts'
import { parsePattern } from './pattern.ts'
import { pauseAfter } from './retry.ts'
import { Target, type TargetRecord } from './rule-targets.ts'
import { candidates, type RuleRecord, ruleArn, ruleKey } from './rules.ts'
import { kindOf } from './targets.ts'

// The way of an event: matched with the rules of its bus, then one row per target, in one commit; the reconciler
// carries out each row until the target has taken it, or until retries or age end. So `kill -9` loses none, and a
// target may see an event twice but not never.

/** An event as rules and targets see it ("AWS service event metadata"). */
export type Envelope = {
  readonly version: '0'
  readonly id: string
  readonly 'detail-type': string
  readonly source: string
  readonly account: string
  readonly time: string
  readonly region: string
  readonly resources: readonly string[]
  readonly detail: Readonly<Record<string, unknown>>
}

export type DeliveryRecord = {
  readonly key: string
  readonly bus: string
  readonly rule: string
  readonly target: TargetRecord
  readonly eventId: string
  readonly input: string
  /** The event came from another bus: it goes to no third one. */
  readonly forwarded: boolean
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly attempts: number
}

export const Delivery = table<DeliveryRecord>('events.delivery', { scope: 'region', key: ({ key }) => key })

export const envelope = (event: DeliveredEvent): Envelope => ({
  version: '0',
  id: event.id,
  'detail-type': event['detail-type'],
  source: event.source,
  account: event.account,
  time: `${new Date(event.time).toISOString().slice(0, 19)}Z`,
  region: event.region,
  resources: event.resources,
  detail: event.detail,
})

/** Puts events on buses of this place: a delivery for every target of every rule that matches, all in one commit. */
export const route = async (
  ctx: Ctx,
  events: readonly { bus: string; event: Envelope }[],
  options: { forwarded?: boolean } = {},
): Promise<void> => {
  const matched = await ctx.read(async (tx) => {
    const pairs: { rule: RuleRecord; event: Envelope }[] = []
    for (const { bus, event } of events)
      for (const rule of await candidates(tx, bus, event.source))
        if (rule.pattern !== undefined && parsePattern(rule.pattern)(event)) pairs.push({ rule, event })
    return pairs
  })
  if (matched.length === 0) return
  await ctx.write(async (tx) => {
    for (const { rule, event } of matched) await enqueue(ctx, tx, rule, event, options.forwarded ?? false)
  })
  for (const { rule } of matched) await count(ctx, rule, ['MatchedEvents', 'TriggeredRules'])
}

/** A delivery for every target of the rule. */
export const enqueue = async (
  ctx: Ctx,
  tx: WriteTx,
  rule: RuleRecord,
  event: Envelope,
  forwarded = false,
): Promise<void> => {
  const arn = ruleArn(ctx, rule.bus, rule.name)
  const invocation = { ruleArn: arn, ruleName: rule.name, ingested: `${ctx.now().toISOString().slice(0, 19)}Z` }
  for (const target of await tx.list(Target, { prefix: `${ruleKey(rule.bus, rule.name)}|` })) {
    if (forwarded && target.arn.split(':')[2] === 'events') continue
    const key = `${event.id}|${ruleKey(rule.bus, rule.name)}|${target.id}`
    tx.put(Delivery, {
      key,
      bus: rule.bus,
      rule: rule.name,
      target,
      eventId: event.id,
      input: targetInput(target, event, invocation),
      forwarded,
      since: ctx.now().getTime(),
      attempts: 0,
    })
    tx.wake('events.deliver', key)
  }
}

/** Carries out one delivery. Key: the delivery's. */
export const deliver: Reconciler = {
  name: 'events.deliver',
  step: async (ctx, key) => {
    const delivery = await ctx.read((tx) => tx.get(Delivery, key))
    if (!delivery) return done()
    try {
      await invoke(ctx, delivery)
    } catch (error) {
      return await failed(ctx, delivery, error)
    }
    await ctx.write(async (tx) => tx.delete(Delivery, key))
    await count(ctx, { bus: delivery.bus, name: delivery.rule }, ['Invocations'])
    return done()
  },
}

const invoke = (ctx: Ctx, { key, bus, rule, target, input }: DeliveryRecord): Promise<void> =>
  kindOf(ctx, target.arn).invoke(
    ctx,
    {
      token: uuidOf(key),
      arn: target.arn,
      ruleArn: ruleArn(ctx, bus, rule),
      input,
      worded: target.input !== undefined || target.inputPath !== undefined || target.transformer !== undefined,
      ...(target.roleArn === undefined ? {} : { roleArn: target.roleArn }),
    },
    (to, event) => route(ctx.at(to), [{ bus: to.name, event }], { forwarded: true }),
  )

/** The same text always gives the same UUID, so that a repeated attempt is known as one. */
const uuidOf = (text: string): string =>
  createHash('sha256')
    .update(text)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5')

/** Tries again as the target's retry policy has it, or gives up with a log line and a metric. */
const failed = async (ctx: Ctx, delivery: DeliveryRecord, error: unknown): Promise<StepResult> => {
  const { target, bus, rule } = delivery
  const attempts = delivery.attempts + 1
  const pause = pauseAfter(error, attempts, ctx.now().getTime() - delivery.since, target.retry)
  const facts = {
    rule: ruleArn(ctx, bus, rule),
    target: target.arn,
    event: delivery.eventId,
    error: error instanceof AwsError ? `${error.code}: ${error.message}` : String(error),
  }
  if (pause === undefined) {
    ctx.log.warn('EventBridge gave up delivering an event', facts)
    await ctx.write(async (tx) => tx.delete(Delivery, delivery.key))
    await count(ctx, { bus, name: rule }, ['Invocations', 'FailedInvocations'])
    return done()
  }
  ctx.log.debug('EventBridge will retry delivering an event', facts)
  await ctx.write(async (tx) => {
    if (await tx.get(Delivery, delivery.key)) tx.put(Delivery, { ...delivery, attempts })
  })
  await count(ctx, { bus, name: rule }, ['RetryInvocationAttempts'])
  return again({ in: pause })
}

/** EventBridge's own metrics ("Monitoring Amazon EventBridge"). */
export const count = (
  ctx: Ctx,
  { bus, name }: { bus: string; name: string },
  metrics: readonly string[],
): Promise<void> => {
  const dimensions = { ...(bus === 'default' ? {} : { EventBusName: bus }), RuleName: name }
  const time = ctx.now()
  const data = metrics.map((metric) => ({ name: metric, dimensions, value: 1, unit: 'Count', time }))
  return ctx.use(vendedMetrics).put(ctx.place, 'AWS/Events', data)
}
