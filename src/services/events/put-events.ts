import type { PutEventsRequestEntry, PutEventsResultEntry } from '@aws-sdk/client-eventbridge'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { Place } from '../../store/store.ts'
import { busAddress, findBus } from './buses.ts'
import { type Envelope, route } from './delivery.ts'
import { invalid, type Operation } from './operation.ts'
import { readPattern } from './rules.ts'

/** Size of an entry as EventBridge counts it ("Calculating PutEvents event entry size"). */
const sizeOf = ({ Time, Source, DetailType, Detail, Resources }: PutEventsRequestEntry): number =>
  (Time ? 14 : 0) +
  [Source, DetailType, Detail, ...(Resources ?? [])].reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0)

const LARGEST = 1_048_576

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Objects and arrays inside one another, beyond which an event is none: what reads it later recurses. */
const DEEPEST = 1000

const depthOf = (json: string): number => {
  let depth = 0
  let deepest = 0
  for (const [bracket] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[{\]}]/gs)) {
    if (bracket === '{' || bracket === '[') deepest = Math.max(deepest, ++depth)
    else if (bracket === '}' || bracket === ']') depth--
  }
  return deepest
}

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) && depthOf(text) <= DEEPEST ? value : undefined
  } catch {
    return undefined
  }
}

type Refusal = Required<Pick<PutEventsResultEntry, 'ErrorCode' | 'ErrorMessage'>>

/** The event that an entry is, or why it is none. */
const read = (ctx: Ctx, entry: PutEventsRequestEntry): Envelope | Refusal => {
  for (const name of ['Source', 'DetailType', 'Detail'] as const)
    if (!entry[name])
      return {
        ErrorCode: 'InvalidArgument',
        ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.`,
      }
  const { Source = '', DetailType = '', Detail = '', Resources = [], Time = ctx.now() } = entry
  if (Source.startsWith('aws.'))
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' }
  const detail = parseObject(Detail)
  if (!detail) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' }
  return {
    version: '0',
    id: ctx.newId(),
    'detail-type': DetailType,
    source: Source,
    account: ctx.account,
    time: `${Time.toISOString().slice(0, 19)}Z`,
    region: ctx.region,
    resources: Resources,
    detail,
  }
}

/**
 * Puts custom events on buses. Bad entries fail one by one; the others are on their way when this answers. As on AWS,
 * an event for a bus that does not exist is accepted and lost.
 */
export const PutEvents: Operation<'PutEvents'> = async (ctx, { Entries, EndpointId }) => {
  if (EndpointId !== undefined) throw notImplemented('PutEvents through a global endpoint')
  if (Entries.reduce((sum, entry) => sum + sizeOf(entry), 0) > LARGEST)
    throw invalid('Total size of the entries in the request is over the limit.')
  const results: PutEventsResultEntry[] = []
  const accepted = new Map<string, { place: Place; events: { bus: string; event: Envelope }[] }>()
  for (const entry of Entries) {
    const event = read(ctx, entry)
    if ('ErrorCode' in event) {
      results.push(event)
      continue
    }
    results.push({ EventId: event.id })
    const { account, region, name } = busAddress(ctx, entry.EventBusName)
    const place = { account, region }
    if (!(await ctx.at(place).read((tx) => findBus(tx, name))))
      ctx.log.warn('An event was put on an event bus that does not exist, and is lost', { bus: name, event: event.id })
    const there = accepted.get(`${account}/${region}`) ?? { place, events: [] }
    there.events.push({ bus: name, event })
    accepted.set(`${account}/${region}`, there)
  }
  for (const { place, events } of accepted.values()) await route(ctx.at(place), events)
  return { Entries: results, FailedEntryCount: results.filter(({ ErrorCode }) => ErrorCode).length }
}

const envelopeFields = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type']

/** Whether a pattern matches an event, which must have all fields that AWS events have. */
export const TestEventPattern: Operation<'TestEventPattern'> = (_ctx, { EventPattern, Event }) => {
  const event = parseObject(Event)
  if (!event) throw invalid('Parameter Event is not valid. Reason: Event is not a valid JSON object.')
  const missing = envelopeFields.find((name) => !Object.hasOwn(event, name))
  if (missing) throw invalid(`Parameter Event is not valid. Reason: ${missing} is a required field.`)
  return { Result: readPattern(EventPattern)(event) }
}
