import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { rootOf } from '../../kernel/principal.ts'
import { busAddress, findBus } from './buses.ts'
import type { Envelope } from './delivery.ts'

/** One event on its way to one target. */
export type Delivery = {
  /** Stable over attempts: targets that know idempotency act once on it. */
  readonly token: string
  readonly arn: string
  readonly roleArn?: string
  readonly ruleArn: string
  /** What the target is sent. */
  readonly input: string
  /** The input is the target's own words (Input, InputPath, InputTransformer), not the event as it came. */
  readonly worded: boolean
}

/** A kind of target: which ARNs are its, and how it is invoked under the target's role. Throws what the target answers. */
export type TargetKind = {
  /** The part of the ARN after the account. */
  readonly resource: RegExp
  readonly role: 'required' | 'optional' | 'none'
  /** May be in another account or region. */
  readonly anywhere: boolean
  /** Takes Input, InputPath and InputTransformer. */
  readonly worded: boolean
  readonly invoke: (
    ctx: Ctx,
    delivery: Delivery,
    onBus: (bus: Address, event: Envelope) => Promise<void>,
  ) => Promise<void>
}

export type Address = { readonly account: string; readonly region: string; readonly name: string }

/** Other services' operations under the target's role, which must trust EventBridge for this rule. */
const under = (ctx: Ctx, { roleArn, ruleArn, token }: Delivery) =>
  ctx.as(roleArn ?? '', {
    sessionName: token.replaceAll('-', ''),
    context: { 'aws:SourceArn': [ruleArn], 'aws:SourceAccount': [ctx.account] },
  })

const nameIn = (arn: string): string =>
  arn
    .split(':')
    .slice(5)
    .join(':')
    .replace(/^[\w-]+\//, '')

/** Members of the target's own words that its operation knows; others are ignored, as AWS ignores an event's. */
const overrides = <K extends string>(delivery: Delivery, names: readonly K[]): Partial<Record<K, never>> => {
  if (!delivery.worded) return {}
  let words: unknown
  try {
    words = JSON.parse(delivery.input)
  } catch {
    throw new AwsError('ValidationException', 'The input of the target is not valid JSON.')
  }
  if (typeof words !== 'object' || words === null) return {}
  const known = new Map<string, unknown>(Object.entries(words))
  // The operation validates what it is given, so its types hold for whatever these are. All these members are lists or
  // plain values; CodePipeline's own templates word a list of one as that one.
  const value = (name: string): never => {
    const given = known.get(name)
    return (isObject(given) && lists.includes(name) ? [given] : given) as never
  }
  return Object.fromEntries(names.flatMap((name) => (known.has(name) ? [[name, value(name)]] : []))) as Partial<
    Record<K, never>
  >
}

/** The targets that exist here, by the service their ARNs name ("Event bus targets in Amazon EventBridge"). */
export const targetKinds: Readonly<Record<string, TargetKind>> = {
  codepipeline: {
    resource: /^[A-Za-z0-9.@_-]{1,100}$/,
    role: 'required',
    anywhere: false,
    worded: true,
    invoke: async (ctx, delivery) => {
      await under(ctx, delivery).codepipeline.startPipelineExecution({
        ...overrides(delivery, ['variables', 'sourceRevisions']),
        name: nameIn(delivery.arn),
        clientRequestToken: delivery.token,
      })
    },
  },
  codebuild: {
    resource: /^project\/[A-Za-z0-9][A-Za-z0-9_-]{1,149}$/,
    role: 'required',
    anywhere: false,
    worded: true,
    invoke: async (ctx, delivery) => {
      await under(ctx, delivery).codebuild.startBuild({
        ...overrides(delivery, buildOverrides),
        projectName: nameIn(delivery.arn),
        idempotencyToken: delivery.token,
      })
    },
  },
  logs: {
    resource: /^log-group:[A-Za-z0-9._/#-]{1,512}(:\*)?$/,
    role: 'none',
    anywhere: false,
    worded: true,
    invoke: async (ctx, delivery) => {
      const logs = ctx.as(ctx.principal, { context: { 'aws:SourceArn': [delivery.ruleArn] } }).logs
      const logGroupName = delivery.arn.split(':')[6] ?? ''
      const stream = { logGroupName, logStreamName: delivery.token }
      await logs.createLogStream(stream).catch((error: unknown) => {
        if (!(error instanceof AwsError && error.code === 'ResourceAlreadyExistsException')) throw error
      })
      await logs.putLogEvents({ ...stream, logEvents: [logEvent(ctx, delivery)] })
    },
  },
  events: {
    resource: /^event-bus\/[A-Za-z0-9/._-]{1,256}$/,
    role: 'optional',
    anywhere: true,
    worded: false,
    invoke: async (ctx, delivery, onBus) => {
      const bus = busAddress(ctx, delivery.arn)
      const event = JSON.parse(delivery.input) as Envelope
      const caller = delivery.roleArn === undefined ? ctx.as(rootOf(ctx.account)) : under(ctx, delivery)
      const about = {
        'events:source': [event.source],
        'events:detail-type': [event['detail-type']],
        'events:eventBusInvocation': ['true'],
      }
      await caller.authorize('events:PutEvents', delivery.arn, about)
      if (!(await ctx.at(bus).read((tx) => findBus(tx, bus.name))))
        throw new AwsError('ResourceNotFoundException', `Event bus ${bus.name} does not exist.`)
      await onBus(bus, event)
    },
  },
}

const lists: readonly string[] = ['sourceRevisions', 'variables', 'environmentVariablesOverride']

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

// prettier-ignore
const buildOverrides = [
  'sourceVersion',
  'environmentVariablesOverride',
  'buildspecOverride',
  'artifactsOverride',
  'secondaryArtifactsOverride',
  'sourceTypeOverride',
  'sourceLocationOverride',
  'secondarySourcesOverride',
  'secondarySourcesVersionOverride',
  'environmentTypeOverride',
  'imageOverride',
  'computeTypeOverride',
  'timeoutInMinutesOverride',
  'queuedTimeoutInMinutesOverride',
  'logsConfigOverride',
  'privilegedModeOverride',
  'gitCloneDepthOverride',
  'cacheOverride',
] as const

/** A transformer may word the log event as `{"timestamp": …, "message": …}`; anything else is the message. */
const logEvent = (ctx: Ctx, { input, worded }: Delivery): { timestamp: number; message: string } => {
  const now = ctx.now().getTime()
  if (!worded) return { timestamp: now, message: input }
  let words: unknown
  try {
    words = JSON.parse(input)
  } catch {
    return { timestamp: now, message: input }
  }
  if (typeof words !== 'object' || words === null || !('timestamp' in words) || !('message' in words))
    return { timestamp: now, message: input }
  const { timestamp, message } = words
  const time = typeof timestamp === 'number' ? timestamp : Date.parse(String(timestamp))
  return {
    timestamp: Number.isFinite(time) ? time : now,
    message: typeof message === 'string' ? message : JSON.stringify(message),
  }
}

/** The kind of target that an ARN names; says what is wrong with one that is none. */
export const kindOf = (ctx: Pick<Ctx, 'account' | 'region'>, arn: string): TargetKind => {
  const [prefix, , service = '', region, account, ...rest] = arn.split(':')
  const kind = Object.hasOwn(targetKinds, service) ? targetKinds[service] : undefined
  if (prefix !== 'arn' || rest.length === 0)
    throw new AwsError(
      'ValidationException',
      'Parameter Arn is not valid. Reason: Provided Arn is not in correct format.',
    )
  if (!kind?.resource.test(rest.join(':')))
    throw new AwsError(
      'ValidationException',
      `Parameter Arn is not valid. Reason: Drydock delivers events to ${names}, not to ${arn}.`,
    )
  if (!kind.anywhere && (account !== ctx.account || region !== ctx.region))
    throw new AwsError(
      'ValidationException',
      `Parameter Arn is not valid. Reason: Target ${arn} must be in the account and Region of the rule.`,
    )
  return kind
}

const names = 'CodePipeline pipelines, CodeBuild projects, CloudWatch Logs groups and event buses'
