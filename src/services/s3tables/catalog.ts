import * as z from 'zod'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Requirement, Route } from '../../kernel/service.ts'
import { asRequestError, commitTable, type Loaded, loadTable } from './catalog-tables.ts'
import { access } from './iam.ts'
import { parseJson, toJson } from './iceberg/json.ts'
import type { Asked } from './iceberg/new-table.ts'
import { checked } from './iceberg/table-metadata.ts'
import { CreateNamespace, DeleteNamespace, GetNamespace, ListNamespaces } from './namespaces.ts'
import { fail } from './operation.ts'
import { GetTableBucket } from './table-buckets.ts'
import {
  createIcebergTable,
  DeleteTable,
  GetTable,
  GetTableMetadataLocation,
  ListTables,
  RenameTable,
} from './tables.ts'

// The Iceberg REST endpoint: a catalog for each table bucket ("Accessing tables using the Amazon S3 Tables Iceberg REST
// endpoint", S3 user guide). It does what the operations of S3 Tables do, under the same rights.

const operations = {
  CreateNamespace,
  CreateTable: createIcebergTable,
  DeleteNamespace,
  DeleteTable,
  GetNamespace,
  GetTable,
  GetTableBucket,
  GetTableMetadataLocation,
  ListNamespaces,
  ListTables,
  RenameTable,
}
type Operations = typeof operations
type Name = keyof Operations
type InputOf<O extends Name> = Parameters<Operations[O]>[1]
type OutputOf<O extends Name> = Awaited<ReturnType<Operations[O]>>

type Visitor = { readonly ctx: Ctx; readonly exchange: Exchange; readonly bucket: string }

const listed = (context: Requirement['context'] = {}): Record<string, readonly string[]> =>
  Object.fromEntries(
    Object.entries(context).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, typeof value === 'string' ? [value] : value]],
    ),
  )

/** Records a step as the operation of S3 Tables that it stands for, whether it succeeds or not. */
const recorded = async <T>(
  { ctx, exchange, bucket }: Visitor,
  eventName: string,
  requestParameters: unknown,
  run: () => Promise<T>,
): Promise<T> => {
  const call = { eventName, readOnly: /^(Get|List)/.test(eventName), requestParameters, resources: [bucket] }
  try {
    const output = await run()
    await exchange.audit(ctx, call)
    return output
  } catch (error) {
    const told = asRequestError(error)
    if (told instanceof AwsError)
      await exchange.audit(ctx, { ...call, error: { code: told.code, message: told.message } })
    throw told
  }
}

/** An operation of S3 Tables as the caller: authorized and recorded as one that came by the API. */
const perform = <O extends Name>(visitor: Visitor, name: O, input: InputOf<O>): Promise<OutputOf<O>> =>
  recorded(visitor, name, input, async (): Promise<OutputOf<O>> => {
    const { ctx } = visitor
    const rule = access.operations?.[name] as (input: unknown, ctx: Ctx) => Promise<readonly Requirement[]>
    for (const { action, resources, context } of await rule(input, ctx))
      for (const resource of resources) await ctx.authorize(action, resource, listed(context))
    const run = operations[name] as (ctx: Ctx, input: InputOf<O>) => OutputOf<O> | Promise<OutputOf<O>>
    return await run(ctx, input)
  })

const NamespaceShape = z.looseObject({
  namespace: z.array(z.string()),
  properties: z.record(z.string(), z.string()).default({}),
})
const CreateShape = z.looseObject({
  name: z.string(),
  location: z.string().nullish(),
  schema: z.unknown(),
  'partition-spec': z.looseObject({ fields: z.unknown() }).nullish(),
  'write-order': z.looseObject({ fields: z.unknown() }).nullish(),
  'stage-create': z.boolean().nullish(),
  properties: z.record(z.string(), z.string()).nullish(),
})
const Identifier = z.object({ namespace: z.array(z.string()), name: z.string() })
const RenameShape = z.looseObject({ source: Identifier, destination: Identifier })

const bodyOf = async ({ exchange }: Visitor): Promise<unknown> => {
  try {
    return parseJson(Buffer.from(await exchange.body()).toString())
  } catch (error) {
    if (error instanceof SyntaxError) throw fail('BadRequestException', 'The request body is no valid JSON.')
    throw error
  }
}

/** Namespaces are of one level. */
const oneLevel = (levels: readonly string[]): string => {
  const [name] = levels
  if (name === undefined || levels.length > 1)
    throw fail('BadRequestException', 'Only single-level namespaces are supported.')
  return name
}

type Answer = { readonly status?: number; readonly body?: unknown }
type Params = Readonly<Record<string, string>>
type Handler = (visitor: Visitor, params: Params) => Promise<Answer>

const query = ({ ctx }: Visitor) => new URLSearchParams(ctx.request.query)
const page = (visitor: Visitor) => {
  const asked = query(visitor)
  const token = asked.get('pageToken')
  const size = Number(asked.get('pageSize') ?? Number.NaN)
  return {
    continuationToken: token ? token : undefined,
    limit: Number.isInteger(size) && size > 0 ? Math.min(size, 1000) : 1000,
  }
}
const nextPage = (token: string | undefined) => (token === undefined ? {} : { 'next-page-token': token })

const loaded = (table: Loaded): Answer => ({ body: { ...table, config: {} } })

const named = ({ bucket }: Visitor, { namespace = '', table = '' }: Params) => ({
  tableBucketARN: bucket,
  namespace,
  name: table,
})

const listNamespaces: Handler = async (visitor) => {
  if (query(visitor).get('parent')) throw fail('NotFoundException', 'The specified namespace does not exist.')
  const { limit: maxNamespaces, continuationToken } = page(visitor)
  const found = await perform(visitor, 'ListNamespaces', {
    tableBucketARN: visitor.bucket,
    maxNamespaces,
    continuationToken,
  })
  return {
    body: { namespaces: found.namespaces?.map(({ namespace }) => namespace), ...nextPage(found.continuationToken) },
  }
}

const createNamespace: Handler = async (visitor) => {
  const { namespace, properties } = checked(NamespaceShape, await bodyOf(visitor), 'The request')
  const name = oneLevel(namespace)
  if (Object.keys(properties).length > 0)
    throw fail('BadRequestException', 'Properties of namespaces are not supported.')
  await perform(visitor, 'CreateNamespace', { tableBucketARN: visitor.bucket, namespace: [name] })
  return { body: { namespace: [name], properties: {} } }
}

const getNamespace: Handler = async (visitor, { namespace = '' }) => {
  const found = await perform(visitor, 'GetNamespace', { tableBucketARN: visitor.bucket, namespace })
  return { body: { namespace: found.namespace, properties: { owner: found.ownerAccountId } } }
}

const listTables: Handler = async (visitor, { namespace = '' }) => {
  const { limit: maxTables, continuationToken } = page(visitor)
  const found = await perform(visitor, 'ListTables', {
    tableBucketARN: visitor.bucket,
    namespace,
    maxTables,
    continuationToken,
  })
  const identifiers = found.tables?.map((table) => ({ namespace: table.namespace, name: table.name }))
  return { body: { identifiers, ...nextPage(found.continuationToken) } }
}

const createTable: Handler = async (visitor, params) => {
  const asked = checked(CreateShape, await bodyOf(visitor), 'The request')
  if (asked['stage-create']) throw fail('BadRequestException', 'Creating a table in stages is not supported.')
  if (asked.location) throw fail('BadRequestException', 'Specifying the location of a table is not supported.')
  const wanted: Asked = {
    schema: asked.schema,
    ...(asked['partition-spec'] ? { spec: asked['partition-spec'].fields } : {}),
    ...(asked['write-order'] ? { order: asked['write-order'].fields } : {}),
    properties: asked.properties ?? {},
  }
  const name = { ...named(visitor, params), name: asked.name }
  await perform(visitor, 'CreateTable', { ...name, format: 'ICEBERG', metadata: { wanted } })
  return loaded(await loadTable(visitor.ctx, name, { made: true }))
}

const load: Handler = async (visitor, params) => {
  const name = named(visitor, params)
  await perform(visitor, 'GetTableMetadataLocation', name)
  return loaded(await loadTable(visitor.ctx, name))
}

const commit: Handler = async (visitor, params) => {
  const body = await bodyOf(visitor)
  const name = named(visitor, params)
  return {
    body: await recorded(visitor, 'UpdateTableMetadataLocation', name, () => commitTable(visitor.ctx, name, body)),
  }
}

const dropTable: Handler = async (visitor, params) => {
  if (query(visitor).get('purgeRequested')?.toLowerCase() !== 'true')
    throw fail('BadRequestException', 'Tables can only be dropped with their files: purgeRequested must be true.')
  await perform(visitor, 'DeleteTable', named(visitor, params))
  return { status: 204 }
}

const rename: Handler = async (visitor) => {
  const { source, destination } = checked(RenameShape, await bodyOf(visitor), 'The request')
  await perform(visitor, 'RenameTable', {
    tableBucketARN: visitor.bucket,
    namespace: oneLevel(source.namespace),
    name: source.name,
    newNamespaceName: oneLevel(destination.namespace),
    newName: destination.name,
  })
  return { status: 204 }
}

const namespaces = '/namespaces'
const ofNamespace = `${namespaces}/{namespace}`
const tables = `${ofNamespace}/tables`
const ofTable = `${tables}/{table}`

/** "Supported API operations" of the endpoint. */
const handlers: readonly (readonly [method: string, path: string, handler: Handler])[] = [
  ['GET', namespaces, listNamespaces],
  ['POST', namespaces, createNamespace],
  ['GET', ofNamespace, getNamespace],
  [
    'HEAD',
    ofNamespace,
    async (visitor, { namespace = '' }) => {
      await perform(visitor, 'GetNamespace', { tableBucketARN: visitor.bucket, namespace })
      return { status: 204 }
    },
  ],
  [
    'DELETE',
    ofNamespace,
    async (visitor, { namespace = '' }) => {
      await perform(visitor, 'DeleteNamespace', { tableBucketARN: visitor.bucket, namespace })
      return { status: 204 }
    },
  ],
  ['GET', tables, listTables],
  ['POST', tables, createTable],
  ['GET', ofTable, load],
  ['POST', ofTable, commit],
  ['DELETE', ofTable, dropTable],
  [
    'HEAD',
    ofTable,
    async (visitor, params) => {
      await perform(visitor, 'GetTable', named(visitor, params))
      return { status: 204 }
    },
  ],
  ['POST', '/tables/rename', rename],
]

const patterns = handlers.map(([method, path, handler]) => ({
  method,
  handler,
  pattern: new RegExp(`^${path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
}))

/** What the client goes by from here on: its prefix is the bucket's ARN, and files are where this endpoint is. */
const config = async (ctx: Ctx, exchange: Exchange): Promise<Answer> => {
  const warehouse = new URLSearchParams(ctx.request.query).get('warehouse')
  if (!warehouse) throw fail('BadRequestException', 'The warehouse must be the ARN of a table bucket.')
  await perform({ ctx, exchange, bucket: warehouse }, 'GetTableBucket', { tableBucketARN: warehouse })
  return {
    body: {
      defaults: {
        's3.endpoint': ctx.request.endpoint,
        's3.region': ctx.region,
        's3.path-style-access': 'true',
        's3.delete-enabled': 'false',
        'rest-metrics-reporting-enabled': 'false',
      },
      overrides: { prefix: encodeURIComponent(warehouse) },
      endpoints: handlers.map(([method, path]) => `${method} /v1/{prefix}${path}`),
    },
  }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw fail('BadRequestException', 'The request path has an invalid percent escape.')
  }
}

const answer = async (ctx: Ctx, exchange: Exchange): Promise<Answer> => {
  const { rest = '' } = exchange.params
  if (rest === '/config' && ctx.request.method === 'GET') return config(ctx, exchange)
  const [, prefix, path] =
    /^\/(arn(?::|%3A)[^/]+?(?:\/[a-z0-9-]+)?)((?:\/namespaces|\/tables\/rename)(?:\/.*)?)$/i.exec(rest) ?? []
  if (prefix !== undefined && path !== undefined)
    for (const { method, pattern, handler } of patterns) {
      const match = method === ctx.request.method ? pattern.exec(path) : null
      if (!match) continue
      const params = Object.entries(match.groups ?? {}).map(([key, value]) => [key, decoded(value)])
      return handler({ ctx, exchange, bucket: decoded(prefix) }, Object.fromEntries(params))
    }
  throw new AwsError('UnsupportedOperationException', 'The endpoint does not support this operation.', { status: 406 })
}

/** The specification's names for what S3 Tables says. */
const typeOf = ({ code, message }: AwsError): string => {
  if (code === 'NotFoundException')
    return /namespace does/.test(message)
      ? 'NoSuchNamespaceException'
      : /table does/.test(message)
        ? 'NoSuchTableException'
        : code
  if (code === 'ConflictException')
    return /not empty/.test(message)
      ? 'NamespaceNotEmptyException'
      : /identical name/.test(message)
        ? 'AlreadyExistsException'
        : code
  return /^AccessDenied/.test(code) ? 'ForbiddenException' : code
}
const statuses: Readonly<Record<string, number>> = {
  BadRequestException: 400,
  ConflictException: 409,
  ForbiddenException: 403,
  NotFoundException: 404,
}

const toError = (error: AwsError): Answer => {
  const status = statuses[error.code] ?? error.status ?? 400
  return { status, body: { error: { message: error.message, type: typeOf(error), code: status } } }
}

const handle: Route['handle'] = async (visiting, exchange) => {
  let given: Answer
  try {
    given = await answer(await exchange.authenticate(), exchange)
  } catch (thrown) {
    const error = asRequestError(thrown)
    if (!(error instanceof AwsError)) throw error
    given = toError(error)
  }
  const text = given.body === undefined ? '' : toJson(given.body)
  exchange.response.writeHead(given.status ?? 200, {
    'x-amzn-requestid': visiting.request.id,
    ...(text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
  })
  exchange.response.end(exchange.request.method === 'HEAD' ? undefined : text)
}

const path = /\/iceberg\/v1(?<rest>\/.*)/

export const icebergByHost: Route = {
  name: 'iceberg-by-host',
  host: /s3tables(?:-fips)?\.[a-z]{2}(?:-[a-z]+)+-\d\.(?:localhost|amazonaws\.com)/,
  path,
  handle,
}

/** `iceberg` may be the name of a bucket: only what is signed for S3 Tables is meant for it. */
export const icebergBySignature: Route = { name: 'iceberg', signingName: 's3tables', path, handle }
