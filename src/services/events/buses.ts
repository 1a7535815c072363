import type { EventBus as WireEventBus } from '@aws-sdk/client-eventbridge'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { PolicyDocument, Statement } from '../../policy/policy.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { fail, fromToken, invalid, type Operation, toToken } from './operation.ts'
import { Rule } from './rules.ts'
import { readTags } from './tags.ts'

/** An event bus. The default bus has a record once it has something of its own to remember. */
export type BusRecord = {
  readonly name: string
  readonly description?: string
  readonly policy?: PolicyDocument
  readonly tags: Readonly<Record<string, string>>
  /** Milliseconds since the epoch. */
  readonly created?: number
  readonly modified?: number
}

export const Bus = table<BusRecord>('events.bus', { scope: 'region', key: ({ name }) => name })

const PAGE = 100

export const busArn = (ctx: Pick<Ctx, 'arn'>, name: string): string => ctx.arn(`event-bus/${name}`)

/** Where a bus is: a name stands for one of this account and region, an ARN for any. */
export const busAddress = (
  ctx: Pick<Ctx, 'account' | 'region'>,
  nameOrArn = 'default',
): { account: string; region: string; name: string } => {
  const arn = /^arn:aws[\w-]*:events:([\w-]+):(\d{12}):event-bus\/(.+)$/.exec(nameOrArn)
  if (!arn) return { account: ctx.account, region: ctx.region, name: nameOrArn }
  return { region: arn[1] ?? '', account: arn[2] ?? '', name: arn[3] ?? '' }
}

/** Name of a bus of this account and region; ResourceNotFoundException for an ARN of another. */
export const ownBus = (ctx: Ctx, nameOrArn: string | undefined): string => {
  const { account, region, name } = busAddress(ctx, nameOrArn)
  if (account !== ctx.account || region !== ctx.region) throw noBus(nameOrArn ?? name)
  return name
}

const noBus = (name: string) => fail('ResourceNotFoundException', `Event bus ${name} does not exist.`)

export const findBus = async (tx: ReadTx, name: string): Promise<BusRecord | undefined> =>
  (await tx.get(Bus, name)) ?? (name === 'default' ? { name, tags: {} } : undefined)

/** The bus, or ResourceNotFoundException. */
export const getBus = async (tx: ReadTx, name: string): Promise<BusRecord> => {
  const bus = await findBus(tx, name)
  if (!bus) throw noBus(name)
  return bus
}

const toEventBus = (ctx: Ctx, bus: BusRecord): WireEventBus => ({
  Name: bus.name,
  Arn: busArn(ctx, bus.name),
  Description: bus.description,
  Policy: bus.policy && JSON.stringify(bus.policy),
  CreationTime: bus.created === undefined ? undefined : new Date(bus.created),
  LastModifiedTime: bus.modified === undefined ? undefined : new Date(bus.modified),
})

type BusSettings = {
  DeadLetterConfig?: { Arn?: string | undefined } | undefined
  KmsKeyIdentifier?: string | undefined
  LogConfig?: object | undefined
}

const refuseSettings = ({ DeadLetterConfig, KmsKeyIdentifier, LogConfig }: BusSettings): void => {
  if (DeadLetterConfig?.Arn) throw notImplemented('a dead-letter queue of an event bus')
  if (KmsKeyIdentifier) throw notImplemented('event buses encrypted with a KMS key')
  if (LogConfig) throw notImplemented('logging of an event bus')
}

/** Creates a custom bus. ResourceAlreadyExistsException; partner event sources are refused. */
export const CreateEventBus: Operation<'CreateEventBus'> = async (ctx, input) => {
  if (input.EventSourceName !== undefined) throw notImplemented('event buses of partner event sources')
  refuseSettings(input)
  if (input.Name.includes('/')) throw invalid("Event bus name must not contain '/'.")
  await ctx.write(async (tx) => {
    if (await findBus(tx, input.Name))
      throw fail('ResourceAlreadyExistsException', `Event bus ${input.Name} already exists.`)
    const now = ctx.now().getTime()
    tx.put(Bus, {
      name: input.Name,
      tags: readTags(input.Tags),
      created: now,
      modified: now,
      ...(input.Description === undefined ? {} : { description: input.Description }),
    })
  })
  return { EventBusArn: busArn(ctx, input.Name), Description: input.Description }
}

export const DescribeEventBus: Operation<'DescribeEventBus'> = async (ctx, { Name }) => {
  const bus = await ctx.read((tx) => getBus(tx, ownBus(ctx, Name)))
  return toEventBus(ctx, bus)
}

export const UpdateEventBus: Operation<'UpdateEventBus'> = async (ctx, input) => {
  refuseSettings(input)
  const name = ownBus(ctx, input.Name)
  await ctx.write(async (tx) => {
    const { description: _, ...bus } = await getBus(tx, name)
    const description = input.Description === undefined ? {} : { description: input.Description }
    tx.put(Bus, { ...bus, ...description, modified: ctx.now().getTime() })
  })
  return { Name: name, Arn: busArn(ctx, name), Description: input.Description }
}

/** Lists buses by name; the default bus is always among them. */
export const ListEventBuses: Operation<'ListEventBuses'> = async (
  ctx,
  { NamePrefix: prefix = '', NextToken, Limit = PAGE },
) => {
  const after = fromToken(NextToken) ?? ''
  const found = await ctx.read(async (tx) => {
    const stored = await tx.list(Bus, { prefix, after, limit: Limit + 1 })
    const fallback = await findBus(tx, 'default')
    const all = stored.filter(({ name }) => name !== 'default')
    if (fallback && 'default'.startsWith(prefix) && 'default' > after) all.push(fallback)
    return all.sort((a, b) => (a.name < b.name ? -1 : 1))
  })
  const page = found.slice(0, Limit)
  return {
    EventBuses: page.map((bus) => toEventBus(ctx, bus)),
    NextToken: found.length > Limit ? toToken(page.at(-1)?.name ?? '') : undefined,
  }
}

/** Deletes a custom bus that has no rules; one that does not exist is no error. */
export const DeleteEventBus: Operation<'DeleteEventBus'> = async (ctx, { Name }) => {
  const name = ownBus(ctx, Name)
  if (name === 'default') throw invalid('Cannot delete event bus default.')
  await ctx.write(async (tx) => {
    if ((await tx.list(Rule, { prefix: `${name}|`, limit: 1 })).length > 0)
      throw invalid("Event bus can't be deleted since it has rules.")
    tx.delete(Bus, name)
  })
  return {}
}

/** Lets others put events on a bus: one statement, or a whole policy (API reference, PutPermission). */
export const PutPermission: Operation<'PutPermission'> = async (ctx, input) => {
  const name = ownBus(ctx, input.EventBusName)
  const policy = input.Policy === undefined ? undefined : parsePolicy(input.Policy)
  if (!policy && (!input.Action || !input.Principal || !input.StatementId))
    throw invalid('Parameter(s) Action, Principal and StatementId, or Policy must be specified.')
  await ctx.write(async (tx) => {
    const bus = await getBus(tx, name)
    const statement: Statement = {
      Sid: input.StatementId ?? '',
      Effect: 'Allow',
      Principal: input.Principal === '*' ? '*' : { AWS: `arn:aws:iam::${input.Principal}:root` },
      Action: input.Action ?? '',
      Resource: busArn(ctx, name),
      ...(input.Condition
        ? { Condition: { [input.Condition.Type]: { [input.Condition.Key]: input.Condition.Value } } }
        : {}),
    }
    const others = statementsOf(bus.policy).filter(({ Sid }) => Sid !== statement.Sid)
    tx.put(Bus, { ...bus, policy: policy ?? { Version: '2012-10-17', Statement: [...others, statement] } })
  })
  return {}
}

export const RemovePermission: Operation<'RemovePermission'> = async (ctx, input) => {
  const name = ownBus(ctx, input.EventBusName)
  await ctx.write(async (tx) => {
    const { policy, ...bus } = await getBus(tx, name)
    const statements = statementsOf(policy)
    const left = input.RemoveAllPermissions ? [] : statements.filter(({ Sid }) => Sid !== input.StatementId)
    if (!input.RemoveAllPermissions && left.length === statements.length)
      throw fail('ResourceNotFoundException', 'Statement with the provided id does not exist.')
    tx.put(Bus, { ...bus, ...(left.length > 0 ? { policy: { Version: '2012-10-17', Statement: left } } : {}) })
  })
  return {}
}

const statementsOf = (policy: PolicyDocument | undefined): readonly Statement[] => {
  const statements = policy?.Statement ?? []
  return Array.isArray(statements) ? statements : [statements as Statement]
}

const parsePolicy = (text: string): PolicyDocument => {
  try {
    const policy: unknown = JSON.parse(text)
    if (typeof policy === 'object' && policy !== null && 'Statement' in policy) return policy as PolicyDocument
  } catch {
    // Said below, like every other text that is no policy.
  }
  throw invalid('Policy document is not valid.')
}
