import type { LogGroup as WireLogGroup } from '@aws-sdk/client-cloudwatch-logs'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { fail, fromToken, type Operation, toToken } from './operation.ts'

export type LogGroupRecord = {
  readonly name: string
  /** Of this group and no later one of the same name: names its streams of events. */
  readonly id: string
  /** Milliseconds since the epoch, like all times here. */
  readonly created: number
  readonly retentionDays?: number
  readonly protected: boolean
  readonly tags: Readonly<Record<string, string>>
  /** Bytes of the messages held. */
  readonly bytes: number
}

export const LogGroup = table<LogGroupRecord>('logs.group', { scope: 'region', key: ({ name }) => name })

const PAGE = 50
export const DAY = 86_400_000
// prettier-ignore
const retentions = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]

/** The ARN as IAM policies name the group's contents ends in `:*`; this is the one without. */
export const groupArn = (ctx: Pick<Ctx, 'arn'>, name: string): string => ctx.arn(`log-group:${name}`)

const toLogGroup = (ctx: Ctx, group: LogGroupRecord): WireLogGroup => ({
  logGroupName: group.name,
  creationTime: group.created,
  retentionInDays: group.retentionDays,
  metricFilterCount: 0,
  arn: `${groupArn(ctx, group.name)}:*`,
  logGroupArn: groupArn(ctx, group.name),
  storedBytes: group.bytes,
  logGroupClass: 'STANDARD',
  deletionProtectionEnabled: group.protected,
})

/** The group, or ResourceNotFoundException. */
export const getGroup = async (tx: ReadTx, name: string): Promise<LogGroupRecord> => {
  const group = await tx.get(LogGroup, name)
  if (!group) throw fail('ResourceNotFoundException', 'The specified log group does not exist.')
  return group
}

/** The group's name from the two members that may give it: exactly one, the identifier a name or an ARN of this account and region. */
export const groupName = (
  ctx: Ctx,
  { logGroupName, logGroupIdentifier }: { logGroupName?: string | undefined; logGroupIdentifier?: string | undefined },
): string => {
  if ((logGroupName === undefined) === (logGroupIdentifier === undefined))
    throw fail(
      'InvalidParameterException',
      'Exactly one of logGroupName or logGroupIdentifier must be specified in the request.',
    )
  return logGroupName ?? nameOfIdentifier(ctx, logGroupIdentifier ?? '')
}

/** Name of the group that a name or an ARN (with `:*` or without) stands for. */
export const nameOfIdentifier = (ctx: Ctx, identifier: string): string => {
  if (!identifier.startsWith('arn:')) return identifier
  const own = groupArn(ctx, '')
  if (!identifier.startsWith(own)) throw fail('ResourceNotFoundException', 'The specified log group does not exist.')
  return identifier.slice(own.length).replace(/:\*$/, '')
}

/** Creates a group. InvalidParameterException for names AWS keeps, ResourceAlreadyExistsException. */
export const CreateLogGroup: Operation<'CreateLogGroup'> = async (ctx, input) => {
  if (/^aws\//i.test(input.logGroupName))
    throw fail('InvalidParameterException', 'Log groups starting with AWS/ are reserved for AWS.')
  if (input.kmsKeyId) throw notImplemented('log groups encrypted with a KMS key')
  if ((input.logGroupClass ?? 'STANDARD') !== 'STANDARD') throw notImplemented(`log group class ${input.logGroupClass}`)
  await ctx.write(async (tx) => {
    if (await tx.get(LogGroup, input.logGroupName))
      throw fail('ResourceAlreadyExistsException', 'The specified log group already exists')
    tx.put(LogGroup, {
      name: input.logGroupName,
      id: ctx.newId(),
      created: ctx.now().getTime(),
      protected: input.deletionProtectionEnabled ?? false,
      tags: input.tags ?? {},
      bytes: 0,
    })
  })
  return {}
}

/** Lists groups by name. A prefix and a pattern (a part of the name in any case) exclude each other. */
export const DescribeLogGroups: Operation<'DescribeLogGroups'> = async (ctx, input) => {
  const { logGroupNamePrefix: prefix, logGroupNamePattern: pattern, logGroupIdentifiers: identifiers } = input
  if (input.includeLinkedAccounts || input.accountIdentifiers?.some((id) => id !== ctx.account))
    throw notImplemented('DescribeLogGroups of other accounts')
  if (prefix !== undefined && pattern !== undefined)
    throw fail(
      'InvalidParameterException',
      'LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.',
    )
  const limit = input.limit ?? PAGE
  const part = pattern?.toLowerCase()
  const named = identifiers ? new Set(identifiers.map((identifier) => nameOfIdentifier(ctx, identifier))) : undefined
  const found = await ctx.read(async (tx) => {
    const groups: LogGroupRecord[] = []
    let after = fromToken(input.nextToken)
    while (groups.length <= limit) {
      const some = await tx.list(LogGroup, {
        ...(prefix === undefined ? {} : { prefix }),
        ...(after === undefined ? {} : { after }),
        limit: limit + 1,
      })
      groups.push(
        ...some.filter(
          ({ name }) => (part === undefined || name.toLowerCase().includes(part)) && (!named || named.has(name)),
        ),
      )
      after = some.at(-1)?.name
      if (some.length <= limit) break
    }
    return groups
  })
  const page = found.slice(0, limit)
  return {
    logGroups: page.map((group) => toLogGroup(ctx, group)),
    nextToken: found.length > limit ? toToken(page.at(-1)?.name ?? '') : undefined,
  }
}

/** Changes a group that must exist. */
const change = async (
  ctx: Ctx,
  name: string,
  to: (group: LogGroupRecord) => LogGroupRecord,
  also?: (tx: WriteTx) => void,
): Promise<void> => {
  await ctx.write(async (tx) => {
    tx.put(LogGroup, to(await getGroup(tx, name)))
    also?.(tx)
  })
}

/** Events older than this are gone: hidden from the moment they expire, and removed by the `logs.retention` reconciler. */
export const PutRetentionPolicy: Operation<'PutRetentionPolicy'> = async (ctx, { logGroupName, retentionInDays }) => {
  if (!retentions.includes(retentionInDays))
    throw fail(
      'InvalidParameterException',
      `1 validation error detected: Value '${retentionInDays}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [${retentions.join(', ')}]`,
    )
  const to = (group: LogGroupRecord) => ({ ...group, retentionDays: retentionInDays })
  await change(ctx, logGroupName, to, (tx) => tx.wake('logs.retention', logGroupName))
  return {}
}

export const DeleteRetentionPolicy: Operation<'DeleteRetentionPolicy'> = async (ctx, { logGroupName }) => {
  await change(ctx, logGroupName, ({ retentionDays: _, ...group }) => group)
  return {}
}

export const PutLogGroupDeletionProtection: Operation<'PutLogGroupDeletionProtection'> = async (ctx, input) => {
  const to = (group: LogGroupRecord) => ({ ...group, protected: input.deletionProtectionEnabled })
  await change(ctx, nameOfIdentifier(ctx, input.logGroupIdentifier), to)
  return {}
}

export const TagResource: Operation<'TagResource'> = async (ctx, { resourceArn, tags }) => {
  await tagGroup(ctx, nameOfIdentifier(ctx, resourceArn), tags)
  return {}
}

export const UntagResource: Operation<'UntagResource'> = async (ctx, { resourceArn, tagKeys }) => {
  await untagGroup(ctx, nameOfIdentifier(ctx, resourceArn), tagKeys)
  return {}
}

export const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, { resourceArn }) => {
  const { tags } = await ctx.read((tx) => getGroup(tx, nameOfIdentifier(ctx, resourceArn)))
  return { tags }
}

export const TagLogGroup: Operation<'TagLogGroup'> = async (ctx, { logGroupName, tags }) => {
  await tagGroup(ctx, logGroupName, tags)
  return {}
}

export const UntagLogGroup: Operation<'UntagLogGroup'> = async (ctx, { logGroupName, tags }) => {
  await untagGroup(ctx, logGroupName, tags)
  return {}
}

export const ListTagsLogGroup: Operation<'ListTagsLogGroup'> = async (ctx, { logGroupName }) => {
  const { tags } = await ctx.read((tx) => getGroup(tx, logGroupName))
  return { tags: { ...tags } }
}

const MOST_TAGS = 50

const tagGroup = (ctx: Ctx, name: string, tags: Readonly<Record<string, string>>): Promise<void> =>
  change(ctx, name, (group) => {
    const all = { ...group.tags, ...tags }
    if (Object.keys(all).length > MOST_TAGS)
      throw fail('TooManyTagsException', `The number of tags exceeds the limit of ${MOST_TAGS}.`)
    return { ...group, tags: all }
  })

const untagGroup = (ctx: Ctx, name: string, keys: readonly string[]): Promise<void> =>
  change(ctx, name, (group) => ({
    ...group,
    tags: Object.fromEntries(Object.entries(group.tags).filter(([key]) => !keys.includes(key))),
  }))
