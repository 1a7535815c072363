import * as z from 'zod'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { type ProviderAccess, providerOf } from '../../remotes/provider.ts'
import { RemoteError } from '../../remotes/reach.ts'
import { askJson } from '../../remotes/request.ts'
import { Connection, kindOf } from './connection.ts'
import { noConnection } from './connections.ts'
import { Host, notThere } from './host.ts'
import { invalid } from './operation.ts'

// What AWS's console does in a browser, done by whoever runs this server (`drydock connection`): it completes connections with
// tokens of their providers, and sets up hosts. What is named here is the user's own, be it on this host.

const arn = z.string().regex(/^arn:aws:code(star-)?connections:[a-z0-9-]+:\d{12}:(connection|host)\/[\w-]{1,100}$/, {
  message: 'The ARN of a connection or host is wanted.',
})
const connectionInput = z.strictObject({
  arn,
  token: z.string().regex(/^[\x21-\x7e]{1,4096}$/, { message: 'The token must be one line without spaces.' }),
  user: z
    .string()
    .regex(/^[^:\s]{1,256}$/, { message: 'The user must have no spaces and no colons.' })
    .optional(),
  url: z.url({ protocol: /^https?$/, message: 'The URL must begin with http:// or https://.' }).optional(),
})
const hostInput = z.strictObject({ arn })

/** The context of the default account's root user, who alone may do this. */
const asRoot = async (ctx: Ctx, { request, authenticate }: Exchange): Promise<Ctx> => {
  // In trust mode anybody's key will do: a web page must not be able to ask on its reader's behalf.
  if (request.headers.origin !== undefined)
    throw new AwsError('AccessDeniedException', 'Web pages may not do this.', { status: 403 })
  const caller = await authenticate()
  if (caller.principal.kind !== 'root' || caller.principal.account !== ctx.account)
    throw new AwsError('AccessDeniedException', 'Only the root user of the default account may do this.', {
      status: 403,
    })
  return caller
}

const read = async <T>(exchange: Exchange, schema: z.ZodType<T>): Promise<T> => {
  let content: unknown
  try {
    content = JSON.parse(Buffer.from(await exchange.body()).toString('utf8'))
  } catch {
    throw new AwsError('SerializationException', 'The body is not JSON.')
  }
  const result = schema.safeParse(content)
  if (!result.success) throw invalid(result.error.issues[0]?.message ?? 'The body is not as expected.')
  return result.data
}

const answer = ({ response }: Exchange, content: object): void => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(content))
}

const placeOf = (arn: string) => {
  const [, , , region = '', account = ''] = arn.split(':')
  return { account, region }
}

/** Whose token it is. Throws ValidationException in words that say what is to be done. */
const ask = async (access: ProviderAccess): Promise<string> => {
  try {
    return await providerOf(access).whoAmI()
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    const refused = error.status === 401 || error.status === 403
    throw invalid(`${refused ? 'The token is refused' : 'The token cannot be checked'}: ${error.message}`)
  }
}

/** Completes a connection, or replaces the token of one that is complete. */
const complete = async (ctx: Ctx, exchange: Exchange): Promise<void> => {
  const caller = await asRoot(ctx, exchange)
  const { arn, token, user, url } = await read(exchange, connectionInput)
  const there = caller.at(placeOf(arn))
  const { connection, host } = await there.read(async (tx) => {
    const connection = await tx.get(Connection, arn)
    return { connection, host: connection?.host === undefined ? undefined : await tx.get(Host, connection.host) }
  })
  const kind = connection && kindOf(connection)
  if (!connection || !kind) throw noConnection(arn)
  if (connection.host !== undefined && url !== undefined)
    throw invalid('Where the provider is says the connection’s host.')
  if (connection.host !== undefined && !host?.reached) throw invalid(`The host ${connection.host} is not set up.`)
  const base = host?.endpoint ?? url
  const named = { ...(base === undefined ? {} : { base }), ...(user === undefined ? {} : { user }) }
  const login = await ask({ kind, token, reach: base === undefined ? 'world' : 'own', ...named })
  await there.write(async (tx) => {
    const fresh = await tx.get(Connection, arn)
    if (!fresh) throw noConnection(arn)
    tx.put(Connection, { ...fresh, login: { ...named, sealed: ctx.seal(token) } })
  })
  await exchange.audit(there, {
    eventName: 'UpdateConnectionInstallation',
    readOnly: false,
    requestParameters: { connectionArn: arn, ...(base === undefined ? {} : { providerEndpoint: base }) },
    resources: [arn],
  })
  answer(exchange, { connectionArn: arn, status: 'AVAILABLE', login })
}

/** A path of the provider's API that answers everybody, if only that it wants a token. */
const doors = { GitHubEnterpriseServer: '/api/v3/meta', GitLabSelfManaged: '/api/v4/version' } as const

/** Sets up a host, once its endpoint answers as its provider's API does. */
const setUpHost = async (ctx: Ctx, exchange: Exchange): Promise<void> => {
  const caller = await asRoot(ctx, exchange)
  const { arn } = await read(exchange, hostInput)
  const there = caller.at(placeOf(arn))
  const host = await there.read((tx) => tx.get(Host, arn))
  if (!host) throw notThere(arn)
  const url = new URL(host.endpoint.replace(/\/+$/, '') + doors[host.provider])
  const { status, body } = await askJson('GET', url, { headers: {}, reach: 'own' }).catch((error: unknown) => {
    if (error instanceof RemoteError) throw invalid(`The host cannot be reached: ${error.message}`)
    throw error
  })
  if (![200, 401, 403].includes(status) || body === undefined)
    throw invalid(`The host cannot be reached: ${url.href} answered ${status}, and not as ${host.provider} does.`)
  await there.write(async (tx) => {
    const fresh = await tx.get(Host, arn)
    if (fresh?.endpoint !== host.endpoint) throw notThere(arn)
    tx.put(Host, { ...fresh, reached: true })
  })
  await exchange.audit(there, {
    eventName: 'RegisterAppCode',
    readOnly: false,
    requestParameters: { hostArn: arn },
    resources: [arn],
  })
  answer(exchange, { hostArn: arn, status: 'AVAILABLE' })
}

export const setupRoutes: readonly Route[] = [
  {
    name: 'completion of connections',
    method: 'POST',
    path: /\/_drydock\/codestarconnections\/connection/,
    handle: complete,
  },
  { name: 'setup of hosts', method: 'POST', path: /\/_drydock\/codestarconnections\/host/, handle: setUpHost },
]
