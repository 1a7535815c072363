import type { Ctx } from '../../kernel/context.ts'
import { parseSchedule } from '../../schedules/schedule.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { count, type Envelope, enqueue } from './delivery.ts'
import { Rule, type RuleRecord, ruleArn } from './rules.ts'

/** The event that a scheduled rule sends its targets. */
const scheduledEvent = (ctx: Ctx, rule: RuleRecord, at: Date): Envelope => ({
  version: '0',
  id: ctx.newId(),
  'detail-type': 'Scheduled Event',
  source: 'aws.events',
  account: ctx.account,
  time: `${at.toISOString().slice(0, 19)}Z`,
  region: ctx.region,
  resources: [ruleArn(ctx, rule.bus, rule.name)],
  detail: {},
})

/** Fires a rule's schedule when it is due. Beats missed while nothing ran are made up by one. Key: the rule's. */
export const schedule: Reconciler = {
  name: 'events.schedule',
  step: async (ctx, key) => {
    const now = ctx.now()
    const fired = await ctx.write(async (tx) => {
      const rule = await tx.get(Rule, key)
      if (!rule?.enabled || rule.schedule === undefined || rule.next === undefined) return undefined
      if (rule.next > now.getTime()) return { rule, next: rule.next, due: false }
      await enqueue(ctx, tx, rule, scheduledEvent(ctx, rule, new Date(rule.next)))
      const next = parseSchedule(rule.schedule)?.next(now, new Date(rule.since))?.getTime()
      const { next: _, ...rest } = rule
      tx.put(Rule, next === undefined ? rest : { ...rest, next })
      return { rule, next, due: true }
    })
    if (fired?.due) await count(ctx, fired.rule, ['TriggeredRules'])
    return fired?.next === undefined ? done() : again({ in: fired.next - now.getTime() })
  },
}
