import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import {
  Alarm,
  type AlarmRecord,
  alarmArn,
  alarmNameOf,
  type CompositeAlarm,
  parentsOf,
  type StateValue,
} from './alarm.ts'
import { queueActions } from './alarm-actions.ts'
import { note } from './alarm-history.ts'
import { holds, parseRule } from './alarm-rule.ts'
import { stampOf, stateChanged } from './alarm-shapes.ts'

// How alarms come into their states: one changes, and with it, in the same commit, the composite alarms above it.

export type Verdict = { readonly value: StateValue; readonly reason: string; readonly reasonData?: string }

/** Puts an alarm into a state, and all that follows: history, event, actions, the alarms that depend on it. */
export const changeState = async (ctx: Ctx, tx: WriteTx, alarm: AlarmRecord, verdict: Verdict): Promise<void> => {
  await enter(ctx, tx, alarm, verdict)
  await settleParents(ctx, tx, alarm.name)
}

const enter = async (ctx: Ctx, tx: WriteTx, alarm: AlarmRecord, verdict: Verdict): Promise<void> => {
  const now = ctx.now().getTime()
  const state = { ...verdict, updated: now, transitioned: now }
  const after = alarm.kind === 'metric' ? { ...alarm, state } : await holdBack(ctx, tx, { ...alarm, state })
  await note(ctx, tx, after, 'StateUpdate', `Alarm updated from ${alarm.state.value} to ${state.value}`, {
    oldState: historyState(alarm),
    newState: historyState(after),
  })
  tx.emit(stateChanged(ctx, alarm, after))
  tx.put(Alarm, act(ctx, tx, after))
}

const historyState = ({ state: { value, reason, reasonData } }: AlarmRecord) => ({
  stateValue: value,
  stateReason: reason,
  ...(reasonData === undefined ? {} : { stateReasonData: readJson(reasonData) }),
})

const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Takes the actions of the present state, unless they are held back or were taken. */
const act = (ctx: Ctx, tx: WriteTx, alarm: AlarmRecord): AlarmRecord => {
  if (alarm.kind === 'metric') {
    queueActions(ctx, tx, alarm)
    return alarm
  }
  if (alarm.suppressed || alarm.acted === alarm.state.value) return alarm
  queueActions(ctx, tx, alarm)
  return { ...alarm, acted: alarm.state.value }
}

/**
 * Whether a composite alarm that has just changed holds its actions back: while its suppressor is in ALARM, for the wait
 * period when it alarms itself, and through an extension period that runs ("Suppressing composite alarm actions").
 */
const holdBack = async (ctx: Ctx, tx: WriteTx, alarm: CompositeAlarm): Promise<CompositeAlarm> => {
  const { suppressor } = alarm
  if (!suppressor || alarm.suppressed?.by === 'Alarm' || alarm.suppressed?.by === 'ExtensionPeriod') return alarm
  const { suppressed: _, ...free } = alarm
  if ((await tx.get(Alarm, suppressor.name))?.state.value === 'ALARM') return { ...free, suppressed: { by: 'Alarm' } }
  if (alarm.state.value !== 'ALARM' || suppressor.wait === 0) return free
  return waiting(ctx, tx, free, 'WaitPeriod', suppressor.wait)
}

const waiting = (
  ctx: Ctx,
  tx: WriteTx,
  alarm: CompositeAlarm,
  by: 'WaitPeriod' | 'ExtensionPeriod',
  seconds: number,
): CompositeAlarm => {
  tx.wake('cloudwatch.alarm-suppression', alarm.name, { in: seconds * 1000 })
  return { ...alarm, suppressed: { by, until: ctx.now().getTime() + seconds * 1000 } }
}

/** A suppressor has changed: the alarm whose actions it holds back goes from one phase to the next. */
const suppressorChanged = (ctx: Ctx, tx: WriteTx, alarm: CompositeAlarm, state: StateValue): CompositeAlarm => {
  const { suppressor, suppressed, ...rest } = alarm
  if (!suppressor) return alarm
  const free = { ...rest, suppressor }
  if (state === 'ALARM')
    // What has been acted upon is not held back after the fact; what comes while it lasts is.
    return suppressed?.by === 'Alarm' ? alarm : { ...free, suppressed: { by: 'Alarm' } }
  if (suppressed?.by !== 'Alarm') return alarm
  return suppressor.extension === 0 ? free : waiting(ctx, tx, free, 'ExtensionPeriod', suppressor.extension)
}

/** Ends a wait or extension period that has run out. Key: the alarm's name. */
export const suppression: Reconciler = {
  name: 'cloudwatch.alarm-suppression',
  step: async (ctx, name) => {
    const left = await ctx.write(async (tx) => {
      const alarm = await tx.get(Alarm, name)
      if (alarm?.kind !== 'composite' || alarm.suppressed?.until === undefined) return 0
      const remaining = alarm.suppressed.until - ctx.now().getTime()
      if (remaining > 0) return remaining
      const { suppressed: _, ...free } = alarm
      release(ctx, tx, alarm, free)
      return 0
    })
    return left > 0 ? again({ in: left }) : done()
  },
}

/** A change of what holds actions back is an event of its own: the state is the same, its actions may be due. */
const release = (ctx: Ctx, tx: WriteTx, before: CompositeAlarm, after: CompositeAlarm): void => {
  const updated = { ...after, state: { ...after.state, updated: ctx.now().getTime() } }
  tx.emit(stateChanged(ctx, before, updated))
  tx.put(Alarm, act(ctx, tx, updated))
}

/**
 * Evaluates the composite alarms above one that has changed, each once, those further down first: what a rule asks is
 * settled before it is asked. Where they depend on each other in a circle, evaluation stops ("PutCompositeAlarm").
 */
const settleParents = async (ctx: Ctx, tx: WriteTx, changed: string): Promise<void> => {
  const order: string[] = []
  const seen = new Set([changed])
  const visit = async (name: string): Promise<void> => {
    for (const parent of await parentsOf(tx, name)) {
      if (seen.has(parent)) continue
      seen.add(parent)
      await visit(parent)
      order.unshift(parent)
    }
  }
  await visit(changed)
  const moved = new Set([changed])
  for (const name of order) {
    const alarm = await tx.get(Alarm, name)
    if (alarm?.kind !== 'composite') continue
    const { suppressor } = alarm
    if (suppressor && moved.has(suppressor.name)) {
      const state = (await tx.get(Alarm, suppressor.name))?.state.value ?? 'OK'
      const after = suppressorChanged(ctx, tx, alarm, state)
      if (after !== alarm) release(ctx, tx, alarm, after)
    }
    const triggers = alarm.children.filter((child) => moved.has(child))
    if (triggers.length > 0 && (await evaluate(ctx, tx, name, triggers))) moved.add(name)
  }
}

/** Whether the alarm's rule has put it into another state. */
const evaluate = async (ctx: Ctx, tx: WriteTx, name: string, triggers: readonly string[]): Promise<boolean> => {
  const alarm = await tx.get(Alarm, name)
  if (alarm?.kind !== 'composite') return false
  const value = await ruled(ctx, tx, alarm)
  if (value === alarm.state.value) return false
  const [trigger = ''] = triggers
  const state = (await tx.get(Alarm, trigger))?.state
  const reason = `${alarmArn(ctx, trigger)} transitioned to ${state?.value} at ${longTime(ctx.now())}`
  await enter(ctx, tx, alarm, { value, reason, reasonData: await triggering(ctx, tx, triggers) })
  return true
}

/** Evaluates a composite alarm that was made or configured anew, and what depends on it. */
export const evaluateComposite = async (
  ctx: Ctx,
  tx: WriteTx,
  alarm: CompositeAlarm,
  what: 'created' | 'updated',
): Promise<void> => {
  const value = await ruled(ctx, tx, alarm)
  if (value === alarm.state.value) return
  const reason = `${alarmArn(ctx, alarm.name)} was ${what} and its alarm rule evaluates to ${value}`
  await changeState(ctx, tx, alarm, { value, reason, reasonData: await triggering(ctx, tx, alarm.children) })
}

const ruled = async (ctx: Ctx, tx: ReadTx, alarm: CompositeAlarm): Promise<'OK' | 'ALARM'> => {
  const states = new Map<string, StateValue>()
  for (const child of alarm.children) {
    const found = await tx.get(Alarm, child)
    if (found) states.set(child, found.state.value)
  }
  return holds(parseRule(alarm.rule), (name) => states.get(alarmNameOf(ctx, name) ?? '')) ? 'ALARM' : 'OK'
}

const triggering = async (ctx: Ctx, tx: ReadTx, names: readonly string[]): Promise<string> => {
  const triggeringAlarms: object[] = []
  for (const name of names) {
    const state = (await tx.get(Alarm, name))?.state
    if (state)
      triggeringAlarms.push({
        arn: alarmArn(ctx, name),
        state: { value: state.value, timestamp: stampOf(state.updated) },
      })
  }
  return JSON.stringify({ triggeringAlarms })
}

/** `Friday 22 July, 2022 15:57:45 UTC` */
const longTime = (date: Date): string => {
  const part = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-US', { ...options, timeZone: 'UTC' }).format(date)
  return `${part({ weekday: 'long' })} ${String(date.getUTCDate()).padStart(2, '0')} ${part({ month: 'long' })}, ${date.getUTCFullYear()} ${date.toISOString().slice(11, 19)} UTC`
}
