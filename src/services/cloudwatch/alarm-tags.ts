import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { Alarm, type AlarmRecord, alarmArn } from './alarm.ts'
import { fail, type Operation } from './operation.ts'

const mostTags = 50

/** Throws InvalidParameterValue for tags that are AWS's own, and for a key that is there twice. */
export const checkTags = (tags: readonly { readonly Key: string }[]): void => {
  const reserved = tags.find(({ Key }) => /^aws:/i.test(Key))
  if (reserved)
    throw fail('InvalidParameterValueException', `Tag keys that begin with aws: are reserved: ${reserved.Key}`)
  if (new Set(tags.map(({ Key }) => Key)).size < tags.length)
    throw fail('InvalidParameterValueException', 'Tag keys must be unique.')
  checkCount(tags.length)
}

const checkCount = (count: number): void => {
  if (count > mostTags) throw fail('InvalidParameterValueException', `A resource can have ${mostTags} tags at most.`)
}

/** The alarm an ARN names. Throws ResourceNotFoundException, InvalidParameterValue. */
const getTagged = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<AlarmRecord> => {
  const alarm = await findTagged(ctx, tx, arn)
  if (alarm) return alarm
  if (
    /^arn:aws:cloudwatch:[a-z0-9-]*:\d{12}:(insight-rule|dashboard|metric-stream|service|slo|alarm-mute-rule)/.test(arn)
  )
    throw notImplemented('tags of other resources of CloudWatch than alarms')
  if (!arn.startsWith(alarmArn(ctx, '')))
    throw fail('InvalidParameterValueException', `The value ${arn} for parameter ResourceARN is invalid.`)
  throw fail('ResourceNotFoundException', `Unable to find resource for ARN ${arn}`)
}

const findTagged = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<AlarmRecord | undefined> => {
  const prefix = alarmArn(ctx, '')
  return arn.startsWith(prefix) ? tx.get(Alarm, arn.slice(prefix.length)) : undefined
}

/** Tags of an alarm, for conditions of policies. */
export const tagsOf = async (ctx: Ctx, arn: string): Promise<Readonly<Record<string, string>> | undefined> =>
  (await ctx.read((tx) => findTagged(ctx, tx, arn)))?.tags

export const TagResource: Operation<'TagResource'> = (ctx, { ResourceARN, Tags }) => {
  checkTags(Tags)
  return ctx.write(async (tx) => {
    const alarm = await getTagged(ctx, tx, ResourceARN)
    const tags = { ...alarm.tags, ...Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value])) }
    checkCount(Object.keys(tags).length)
    tx.put(Alarm, { ...alarm, tags })
    return {}
  })
}

export const UntagResource: Operation<'UntagResource'> = (ctx, { ResourceARN, TagKeys }) =>
  ctx.write(async (tx) => {
    const alarm = await getTagged(ctx, tx, ResourceARN)
    const tags = Object.fromEntries(Object.entries(alarm.tags).filter(([key]) => !TagKeys.includes(key)))
    tx.put(Alarm, { ...alarm, tags })
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = (ctx, { ResourceARN }) =>
  ctx.read(async (tx) => ({
    Tags: Object.entries((await getTagged(ctx, tx, ResourceARN)).tags).map(([Key, Value]) => ({ Key, Value })),
  }))
