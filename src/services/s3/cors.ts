import type { Ctx } from '../../kernel/context.ts'
import type { AwsError } from '../../kernel/errors.ts'
import { addressS3 } from '../../kernel/s3-address.ts'
import type { Route } from '../../kernel/service.ts'
import { calledBucket } from './access-point.ts'
import { Bucket, bucketOf } from './bucket.ts'
import { configuration } from './bucket-configuration.ts'
import { type CorsRule, checkCorsRules, corsHeaders } from './cors-rules.ts'
import { xmlError } from './door.ts'
import { fail, type Operation } from './operation.ts'

const cors = configuration<readonly CorsRule[]>('cors')

export const PutBucketCors: Operation<'PutBucketCors'> = async (ctx, input) => {
  const rules = checkCorsRules(input.CORSConfiguration.CORSRules)
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    tx.put(Bucket, cors.put(tx, bucket, rules))
    return {}
  })
}

export const GetBucketCors: Operation<'GetBucketCors'> = async (ctx, input) => {
  const rules = await ctx.read(async (tx) => cors.find(tx, await bucketOf(ctx, tx, input)))
  if (!rules)
    throw fail('NoSuchCORSConfiguration', 'The CORS configuration does not exist', { BucketName: input.Bucket })
  return { CORSRules: [...rules] }
}

export const DeleteBucketCors: Operation<'DeleteBucketCors'> = (ctx, input) =>
  ctx.write(async (tx) => {
    tx.put(Bucket, await cors.remove(tx, await bucketOf(ctx, tx, input)))
    return {}
  })

const rulesOf = (ctx: Ctx, name: string): Promise<readonly CorsRule[] | undefined> =>
  ctx.read(async (tx) => {
    const bucket = await tx.get(Bucket, name)
    return bucket && cors.find(tx, bucket)
  })

/** What a browser's script of another origin is told with the answer to its request itself. */
export const tellOrigin = async (ctx: Ctx, bucket: string): Promise<void> => {
  const { headers, method } = ctx.request
  const { origin } = headers
  if (origin === undefined) return
  const rules = await rulesOf(ctx, bucket)
  const told = rules && corsHeaders(rules, { origin, method, headers: [] })
  if (told) Object.assign(ctx.response.headers, told)
}

const forbidden = (message: string, method: string, resourceType: string): AwsError =>
  fail('AccessForbidden', `CORSResponse: ${message}`, { Method: method, ResourceType: resourceType })

/** The headers that answer a preflight request. Throws AccessForbidden, BadRequest. */
const preflight = async (ctx: Ctx): Promise<Record<string, string>> => {
  const { headers, path } = ctx.request
  const [bucket = '', key] = addressS3((headers.host ?? '').toLowerCase().replace(/:\d+$/, ''), path)
  const { origin, 'access-control-request-method': method, 'access-control-request-headers': asked = '' } = headers
  if (origin === undefined) throw fail('BadRequest', 'Insufficient information. Origin request header needed.')
  if (method === undefined || !/^(GET|PUT|HEAD|POST|DELETE)$/.test(method))
    throw fail('BadRequest', `Invalid Access-Control-Request-Method: ${method ?? 'null'}`)
  const type = key === undefined ? 'BUCKET' : 'OBJECT'
  const rules = await rulesOf(ctx, (await calledBucket(ctx, decoded(bucket))) ?? '')
  if (!rules) throw forbidden('CORS is not enabled for this bucket.', method, type)
  const names = asked
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const told = corsHeaders(rules, { origin, method, headers: names })
  if (!told)
    throw forbidden(
      "This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
      method,
      type,
    )
  return told
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

/** The browser's question before it sends a request of another origin: answered without a signature. */
export const preflightRoute: Route = {
  name: 's3-preflight',
  method: 'OPTIONS',
  path: /.*/,
  handle: async (ctx, { response }) => {
    try {
      response
        .writeHead(200, { ...(await preflight(ctx)), 'content-length': '0', 'x-amz-request-id': ctx.request.id })
        .end()
    } catch (error) {
      xmlError(ctx, response, error)
    }
  },
}
