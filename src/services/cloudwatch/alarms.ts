import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { WriteTx } from '../../store/store.ts'
import {
  Alarm,
  type AlarmRecord,
  alarmNameOf,
  type CompositeAlarm,
  deleteAlarm,
  getAlarm,
  type MetricAlarm,
  parentsOf,
  putAlarm,
} from './alarm.ts'
import { checkActions, ensureLinkedRole } from './alarm-actions.ts'
import { wakeAlarm, wakeLater } from './alarm-evaluation.ts'
import { note } from './alarm-history.ts'
import { readMetricAlarm } from './alarm-input.ts'
import { alarmsOf, parseRule } from './alarm-rule.ts'
import { configurationChanged, toCompositeAlarm, toMetricAlarm } from './alarm-shapes.ts'
import { changeState, evaluateComposite } from './alarm-states.ts'
import { checkTags } from './alarm-tags.ts'
import { fail, type Input, invalid, type Operation } from './operation.ts'

/** What a new alarm has before it was evaluated. */
const unchecked = (ctx: Ctx): AlarmRecord['state'] => {
  const now = ctx.now().getTime()
  return {
    value: 'INSUFFICIENT_DATA',
    reason: 'Unchecked: Initial alarm creation',
    updated: now,
    transitioned: now,
  }
}

type Given = Input<'PutMetricAlarm'> | Input<'PutCompositeAlarm'>

const actionsOf = (input: Given): string[] => [
  ...(input.OKActions ?? []),
  ...(input.AlarmActions ?? []),
  ...(input.InsufficientDataActions ?? []),
]

/** What both kinds of alarms are given; tags count only when the alarm is made. */
const commonOf = (ctx: Ctx, input: Given, former: AlarmRecord | undefined) => ({
  name: input.AlarmName,
  ...(input.AlarmDescription === undefined ? {} : { description: input.AlarmDescription }),
  actionsEnabled: input.ActionsEnabled ?? true,
  actions: {
    OK: input.OKActions ?? [],
    ALARM: input.AlarmActions ?? [],
    INSUFFICIENT_DATA: input.InsufficientDataActions ?? [],
  },
  tags: former?.tags ?? Object.fromEntries((input.Tags ?? []).map(({ Key, Value }) => [Key, Value])),
  configured: ctx.now().getTime(),
  state: former?.state ?? unchecked(ctx),
})

const checkCommon = (input: Given): void => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a name cannot have.
  if (/[\u0000-\u001f\u007f]/.test(input.AlarmName))
    throw invalid('AlarmName must not contain ASCII control characters.')
  if (input.ActionConfiguration) throw notImplemented('the tags of alarms in their events (ActionConfiguration)')
  checkTags(input.Tags ?? [])
}

/** The alarm in history's words: the API's, beginning in lower case. */
const historyOf = (ctx: Ctx, alarm: AlarmRecord): object =>
  lower(alarm.kind === 'metric' ? toMetricAlarm(ctx, alarm) : toCompositeAlarm(ctx, alarm)) as object

const lower = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(lower)
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name === 'OKActions' ? 'okactions' : name.charAt(0).toLowerCase() + name.slice(1),
      lower(item),
    ]),
  )
}

/** History and event of an alarm that is there now, in place of its former self. */
const tellPut = async (ctx: Ctx, tx: WriteTx, alarm: AlarmRecord, former: AlarmRecord | undefined): Promise<void> => {
  if (former)
    await note(ctx, tx, alarm, 'ConfigurationUpdate', `Alarm "${alarm.name}" updated`, {
      type: 'Update',
      updatedAlarm: historyOf(ctx, alarm),
    })
  else
    await note(ctx, tx, alarm, 'ConfigurationUpdate', `Alarm "${alarm.name}" created`, {
      type: 'Create',
      createdAlarm: historyOf(ctx, alarm),
    })
  tx.emit(configurationChanged(ctx, former ? 'update' : 'create', alarm, former))
}

const formerOf = async <K extends AlarmRecord['kind']>(tx: WriteTx, name: string, kind: K) => {
  const former = await tx.get(Alarm, name)
  if (former && former.kind !== kind) throw invalid(`The name ${name} belongs to an alarm of another type.`)
  return former as Extract<AlarmRecord, { kind: K }> | undefined
}

/**
 * Makes an alarm on a metric, or replaces all of its configuration but its state and tags. It is evaluated at once.
 * Throws ValidationError, InvalidParameterCombination, MissingParameter.
 */
export const PutMetricAlarm: Operation<'PutMetricAlarm'> = async (ctx, input) => {
  checkCommon(input)
  const watch = await readMetricAlarm(ctx, input)
  checkActions(ctx, actionsOf(input), watch.queries)
  await ensureLinkedRole(ctx, actionsOf(input))
  return ctx.write(async (tx) => {
    const former = await formerOf(tx, input.AlarmName, 'metric')
    const alarm: MetricAlarm = { ...commonOf(ctx, input, former), kind: 'metric', ...watch }
    putAlarm(tx, alarm, former)
    await tellPut(ctx, tx, alarm, former)
    wakeAlarm(tx, alarm.name)
    return {}
  })
}

const mostParents = 150

/** Makes an alarm on other alarms, or replaces its configuration. It is evaluated at once. Throws ValidationError. */
export const PutCompositeAlarm: Operation<'PutCompositeAlarm'> = async (ctx, input) => {
  checkCommon(input)
  checkActions(ctx, actionsOf(input), undefined)
  const named = alarmsOf(parseRule(input.AlarmRule))
  const suppressor = suppressorOf(ctx, input)
  return ctx.write(async (tx) => {
    const former = await formerOf(tx, input.AlarmName, 'composite')
    const children = new Set<string>()
    const unknown: string[] = []
    for (const given of named) {
      const name = alarmNameOf(ctx, given)
      if (name !== undefined && (await tx.get(Alarm, name))) children.add(name)
      else unknown.push(given)
    }
    if (unknown.length > 0)
      throw invalid(
        `Could not save the composite alarm as alarms [${unknown.join(', ')}] in the alarm rule do not exist`,
      )
    if (suppressor && !(await tx.get(Alarm, suppressor.name)))
      throw invalid(`Could not save the composite alarm as the suppressor alarm ${suppressor.given} does not exist`)
    for (const child of children)
      if ((await parentsOf(tx, child)).filter((parent) => parent !== input.AlarmName).length >= mostParents)
        throw fail(
          'LimitExceededFault',
          `The alarm ${child} is in the rules of ${mostParents} composite alarms already.`,
        )
    const alarm: CompositeAlarm = {
      ...commonOf(ctx, input, former),
      kind: 'composite',
      rule: input.AlarmRule,
      children: [...children],
      ...(suppressor ? { suppressor } : {}),
      ...(suppressor && former?.suppressed ? { suppressed: former.suppressed } : {}),
      acted: former?.acted ?? 'INSUFFICIENT_DATA',
    }
    putAlarm(tx, alarm, former)
    await tellPut(ctx, tx, alarm, former)
    await evaluateComposite(ctx, tx, alarm, former ? 'updated' : 'created')
    return {}
  })
}

const suppressorOf = (ctx: Ctx, input: Input<'PutCompositeAlarm'>): CompositeAlarm['suppressor'] => {
  const {
    ActionsSuppressor: given,
    ActionsSuppressorWaitPeriod: wait,
    ActionsSuppressorExtensionPeriod: extension,
  } = input
  if (given === undefined) {
    if (wait !== undefined || extension !== undefined)
      throw invalid('ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod need an ActionsSuppressor.')
    return undefined
  }
  if (wait === undefined || extension === undefined)
    throw invalid('ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod.')
  if (wait < 0 || extension < 0)
    throw invalid('ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod must not be negative.')
  const name = alarmNameOf(ctx, given)
  if (name === undefined) throw invalid(`Invalid arn syntax: ${given}`)
  return { given, name, wait, extension }
}

/**
 * Deletes alarms; names that are no alarm's are passed over. One that a composite alarm depends on stays, and then all
 * do. Throws ValidationError.
 */
export const DeleteAlarms: Operation<'DeleteAlarms'> = (ctx, { AlarmNames }) =>
  ctx.write(async (tx) => {
    const alarms: AlarmRecord[] = []
    for (const name of new Set(AlarmNames)) {
      const alarm = await tx.get(Alarm, name)
      if (alarm) alarms.push(alarm)
    }
    if (alarms.filter(({ kind }) => kind === 'composite').length > 1)
      throw invalid('You can delete at most one composite alarm in an operation.')
    for (const { name } of alarms) {
      const [parent] = await parentsOf(tx, name)
      if (parent !== undefined) throw invalid(`Cannot delete ${name} as there are composite alarm(s) depending on it.`)
    }
    for (const alarm of alarms) {
      deleteAlarm(tx, alarm)
      await note(ctx, tx, alarm, 'ConfigurationUpdate', `Alarm "${alarm.name}" deleted`, {
        type: 'Delete',
        deletedAlarm: historyOf(ctx, alarm),
      })
      tx.emit(configurationChanged(ctx, 'delete', alarm))
    }
    return {}
  })

const longestReasonData = 4000

/** Puts an alarm into a state for a test. A metric alarm returns to its own when it is evaluated next. */
export const SetAlarmState: Operation<'SetAlarmState'> = (ctx, input) => {
  const { AlarmName, StateValue: value, StateReason: reason, StateReasonData: reasonData } = input
  if (reasonData !== undefined && (reasonData.length > longestReasonData || !isJson(reasonData)))
    throw fail('InvalidFormatFault', 'StateReasonData was not syntactically valid JSON.')
  return ctx.write(async (tx) => {
    const alarm = await getAlarm(tx, AlarmName)
    if (alarm.state.value === value) return {}
    await changeState(ctx, tx, alarm, { value, reason, ...(reasonData === undefined ? {} : { reasonData }) })
    if (alarm.kind === 'metric') wakeLater(ctx, tx, alarm)
    return {}
  })
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Changes whether alarms take their actions; names that are no alarm's are passed over. */
const setActions = (ctx: Ctx, names: readonly string[], actionsEnabled: boolean): Promise<Record<string, never>> =>
  ctx.write(async (tx) => {
    for (const name of new Set(names)) {
      const former = await tx.get(Alarm, name)
      if (!former || former.actionsEnabled === actionsEnabled) continue
      const alarm = { ...former, actionsEnabled, configured: ctx.now().getTime() }
      tx.put(Alarm, alarm)
      await tellPut(ctx, tx, alarm, former)
    }
    return {}
  })

export const EnableAlarmActions: Operation<'EnableAlarmActions'> = (ctx, { AlarmNames }) =>
  setActions(ctx, AlarmNames, true)

export const DisableAlarmActions: Operation<'DisableAlarmActions'> = (ctx, { AlarmNames }) =>
  setActions(ctx, AlarmNames, false)
