import { createHmac, timingSafeEqual } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import type { Route } from '../../kernel/service.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { parseJsonPath, selectJson } from './json-path.ts'
import { fail, type Input, type Operation, type Output } from './operation.ts'
import { pageOf, positionOf } from './page.ts'
import { declarationOf, getPipeline, Pipeline, type Tag } from './pipeline.ts'
import { startExecution } from './start.ts'
import { checkTags } from './tag.ts'

// Webhooks: URLs whose payloads start a pipeline ("Start a pipeline using webhooks", CodePipeline user guide).

type Definition = Input<'PutWebhook'>['webhook']

export type WebhookRecord = {
  readonly name: string
  readonly pipeline: string
  readonly action: string
  readonly filters: Definition['filters']
  readonly authentication: Definition['authentication']
  /** Sealed. */
  readonly secret?: string
  readonly range?: string
  /** The last part of its URL. */
  readonly token: string
  readonly tags: readonly Tag[]
  /** Milliseconds since the epoch. */
  readonly triggered?: number
  readonly error?: { readonly code: string; readonly message: string }
}

export const Webhook = table<WebhookRecord>('codepipeline.webhook', { scope: 'region', key: ({ name }) => name })

/** Where the webhook of a URL is: the URL does not tell account and Region. */
type DoorRecord = { readonly token: string; readonly account: string; readonly region: string; readonly name: string }

export const WebhookDoor = table<DoorRecord>('codepipeline.webhookdoor', {
  scope: 'global',
  key: ({ token }) => token,
})

const webhookArn = (ctx: Pick<Ctx, 'arn'>, name: string): string => ctx.arn(`webhook:${name}`)

const prefix = '/_drydock/codepipeline/webhooks/'

const toWebhook = (ctx: Ctx, webhook: WebhookRecord): NonNullable<Output<'PutWebhook'>['webhook']> => ({
  definition: {
    name: webhook.name,
    targetPipeline: webhook.pipeline,
    targetAction: webhook.action,
    filters: webhook.filters,
    authentication: webhook.authentication,
    authenticationConfiguration: {
      ...(webhook.range === undefined ? {} : { AllowedIPRange: webhook.range }),
      ...(webhook.secret === undefined ? {} : { SecretToken: '****' }),
    },
  },
  url: `${ctx.request.endpoint}${prefix}${webhook.token}`,
  arn: webhookArn(ctx, webhook.name),
  ...(webhook.triggered === undefined ? {} : { lastTriggered: new Date(webhook.triggered) }),
  ...(webhook.error ? { errorCode: webhook.error.code, errorMessage: webhook.error.message } : {}),
  tags: [...webhook.tags],
})

/** The addresses of a CIDR range. `undefined` for what is none. */
const rangeOf = (text: string): BlockList | undefined => {
  const [, address = '', bits = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? []
  const family = isIP(address)
  if (family === 0 || Number(bits) > (family === 4 ? 32 : 128)) return undefined
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return list
}

const checkAuthentication = ({ authentication, authenticationConfiguration: given }: Definition): void => {
  const { SecretToken, AllowedIPRange } = given
  const refuse = (why: string) => fail('InvalidWebhookAuthenticationParametersException', why)
  if (authentication === 'GITHUB_HMAC' && (SecretToken === undefined || AllowedIPRange !== undefined))
    throw refuse('For GITHUB_HMAC, only the SecretToken property must be set')
  if (authentication === 'IP' && (AllowedIPRange === undefined || SecretToken !== undefined))
    throw refuse('For IP, only the AllowedIPRange property must be set')
  if (authentication === 'IP' && !rangeOf(AllowedIPRange ?? ''))
    throw refuse(`AllowedIPRange ${AllowedIPRange} is not a valid CIDR range`)
  if (authentication === 'UNAUTHENTICATED' && (SecretToken !== undefined || AllowedIPRange !== undefined))
    throw refuse('For UNAUTHENTICATED, no properties can be set')
}

/** "Quotas in CodePipeline". */
const mostWebhooks = 300

/** AWS API: "PutWebhook". A webhook that is there keeps its URL. */
export const PutWebhook: Operation<'PutWebhook'> = (ctx, { webhook: definition, tags }) => {
  const { name, filters, authenticationConfiguration: given } = definition
  checkAuthentication(definition)
  for (const { jsonPath } of filters)
    if (!parseJsonPath(jsonPath))
      throw fail('InvalidWebhookFilterPatternException', `The filter ${jsonPath} is not a valid JsonPath expression`)
  if (tags) checkTags(webhookArn(ctx, name), tags)
  return ctx.write(async (tx) => {
    const pipeline = await getPipeline(ctx, tx, definition.targetPipeline)
    const { stages } = await declarationOf(tx, pipeline.name, pipeline.version)
    if (!stages[0]?.actions.some((action) => action.name === definition.targetAction))
      throw fail('ValidationException', `The pipeline ${pipeline.name} has no source action ${definition.targetAction}`)
    const known = await tx.get(Webhook, name)
    if (!known && (await tx.list(Webhook, { limit: mostWebhooks })).length >= mostWebhooks)
      throw fail('LimitExceededException', `The account has reached the limit of ${mostWebhooks} webhooks.`)
    const token = known?.token ?? ctx.random(32)
    const secret = given.SecretToken === '****' ? known?.secret : undefined
    const sealed = secret ?? (given.SecretToken === undefined ? undefined : ctx.seal(given.SecretToken))
    const record = tx.put<WebhookRecord>(Webhook, {
      name,
      pipeline: pipeline.name,
      action: definition.targetAction,
      filters,
      authentication: definition.authentication,
      ...(sealed === undefined ? {} : { secret: sealed }),
      ...(given.AllowedIPRange === undefined ? {} : { range: given.AllowedIPRange }),
      token,
      tags: tags ?? known?.tags ?? [],
      ...(known?.triggered === undefined ? {} : { triggered: known.triggered }),
    })
    tx.put(WebhookDoor, { token, ...ctx.place, name })
    return { webhook: toWebhook(ctx, record) }
  })
}

export const ListWebhooks: Operation<'ListWebhooks'> = (ctx, { MaxResults: size = 100, NextToken }) =>
  ctx.read(async (tx) => {
    const after = positionOf(NextToken)
    const found = await tx.list(Webhook, { limit: size + 1, ...(after === undefined ? {} : { after }) })
    const { page, nextToken } = pageOf(found, size, ({ name }) => name)
    return {
      webhooks: page.map((webhook) => toWebhook(ctx, webhook)),
      ...(nextToken === undefined ? {} : { NextToken: nextToken }),
    }
  })

/** AWS API: "DeleteWebhook". */
export const DeleteWebhook: Operation<'DeleteWebhook'> = (ctx, { name }) =>
  ctx.write(async (tx) => {
    const webhook = await tx.get(Webhook, name)
    if (!webhook) return {}
    tx.delete(WebhookDoor, webhook.token)
    tx.delete(Webhook, name)
    return {}
  })

const checkWebhook = async (tx: ReadTx, name: string | undefined): Promise<void> => {
  if (name === undefined || !(await tx.get(Webhook, name)))
    throw fail('WebhookNotFoundException', 'The specified webhook was entered in an invalid format or cannot be found.')
}

/** AWS API: "RegisterWebhookWithThirdParty": the webhook of a GitHub (version 1) source at GitHub, which is not done here. */
export const RegisterWebhookWithThirdParty: Operation<'RegisterWebhookWithThirdParty'> = async (
  ctx,
  { webhookName },
) => {
  await ctx.read((tx) => checkWebhook(tx, webhookName))
  throw notImplemented('the registration of webhooks with GitHub: tell the webhook’s URL to what sends the payloads')
}

/** AWS API: "DeregisterWebhookWithThirdParty". None is ever registered. */
export const DeregisterWebhookWithThirdParty: Operation<'DeregisterWebhookWithThirdParty'> = async (
  ctx,
  { webhookName },
) => {
  await ctx.read((tx) => checkWebhook(tx, webhookName))
  return {}
}

const sameText = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** Is the payload signed as GitHub does it, with the webhook's secret? */
const isSigned = (
  secret: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string | string[] | undefined>>,
) => {
  for (const [header, algorithm] of [
    ['x-hub-signature-256', 'sha256'],
    ['x-hub-signature', 'sha1'],
  ] as const) {
    const given = headers[header]
    if (typeof given === 'string')
      return sameText(given, `${algorithm}=${createHmac(algorithm, secret).update(body).digest('hex')}`)
  }
  return false
}

const isAdmitted = (
  ctx: Ctx,
  webhook: WebhookRecord,
  from: string,
  body: Uint8Array,
  headers: Parameters<typeof isSigned>[2],
) => {
  if (webhook.authentication === 'GITHUB_HMAC')
    return webhook.secret !== undefined && isSigned(ctx.unseal(webhook.secret), body, headers)
  if (webhook.authentication !== 'IP') return true
  return rangeOf(webhook.range ?? '')?.check(from, isIP(from) === 6 ? 'ipv6' : 'ipv4') ?? false
}

/** `{Branch}` stands for the target action's configuration of that name. */
const expected = (pattern: string, configuration: Readonly<Record<string, string>>): string =>
  pattern.replace(/\{([^{}]+)\}/g, (whole, name: string) =>
    Object.hasOwn(configuration, name) ? (configuration[name] ?? whole) : whole,
  )

const passes = (
  payload: unknown,
  { jsonPath, matchEquals }: Definition['filters'][number],
  configuration: Readonly<Record<string, string>>,
): boolean => {
  const values = selectJson(payload, parseJsonPath(jsonPath) ?? []).filter((value) => value !== null)
  if (matchEquals === undefined) return values.length > 0
  const wanted = expected(matchEquals, configuration)
  return values.some((value) => typeof value !== 'object' && String(value) === wanted)
}

/** Starts the pipeline when all filters pass. Whatever hinders that is the webhook's error. */
const trigger = (ctx: Ctx, name: string, payload: unknown): Promise<boolean> =>
  ctx.write(async (tx) => {
    const webhook = await tx.get(Webhook, name)
    const pipeline = webhook && (await tx.get(Pipeline, webhook.pipeline))
    if (!webhook || !pipeline) return false
    const { stages } = await declarationOf(tx, pipeline.name, pipeline.version)
    const action = stages[0]?.actions.find((one) => one.name === webhook.action)
    if (!action || !webhook.filters.every((filter) => passes(payload, filter, action.configuration ?? {}))) return false
    const { error: _error, ...rest } = webhook
    const triggered = ctx.now().getTime()
    try {
      await startExecution(ctx, tx, pipeline, { trigger: { type: 'Webhook', detail: webhookArn(ctx, name) } })
      tx.put<WebhookRecord>(Webhook, { ...rest, triggered })
      return true
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      tx.put<WebhookRecord>(Webhook, { ...rest, triggered, error: { code: error.code, message: error.message } })
      return false
    }
  })

/** Most bytes of a payload: GitHub sends 25 MB at most, which nobody's pipeline needs. */
const mostBytes = 5 * 1024 ** 2

/** The door of webhooks. A payload that the filters do not let pass is ignored. */
export const webhookRoute: Route = {
  name: 'codepipeline webhooks',
  method: 'POST',
  path: /\/_drydock\/codepipeline\/webhooks\/(?<token>[0-9a-f]{32})/,
  handle: async (ctx, { request, response, params, body }) => {
    const answer = (status: number, message: string) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ message }))
    }
    const door = await ctx.read((tx) => tx.get(WebhookDoor, params.token ?? ''))
    const at = door && ctx.at({ account: door.account, region: door.region })
    const webhook = at && (await at.read((tx) => tx.get(Webhook, door.name)))
    if (!webhook) return answer(404, 'There is no such webhook.')
    if (Number(request.headers['content-length'] ?? 0) > mostBytes) return answer(413, 'The payload is too large.')
    const content = await body()
    if (content.byteLength > mostBytes) return answer(413, 'The payload is too large.')
    if (!isAdmitted(at, webhook, ctx.request.sourceIp, content, request.headers))
      return answer(403, 'The request is not authenticated as the webhook asks.')
    let payload: unknown
    try {
      payload = JSON.parse(Buffer.from(content).toString())
    } catch {
      return answer(400, 'The payload is not JSON.')
    }
    const started = await trigger(at, webhook.name, payload)
    return answer(200, started ? 'The pipeline was started.' : 'The request was ignored.')
  },
}
