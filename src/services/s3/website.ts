import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { escapeXml } from '../../kernel/protocols/xml-writer.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { Bucket, bucketArn, bucketOf, noSuchBucket } from './bucket.ts'
import { configuration } from './bucket-configuration.ts'
import { fail, type Input, type Operation, type Output } from './operation.ts'
import { GetObject } from './read.ts'
import { bucketKeys, present } from './request-keys.ts'
import { checkWebsite, documentKey, type Redirect, redirectOf, type WebsiteDocument } from './website-rules.ts'

const website = configuration<WebsiteDocument>('website')

const noWebsite = (name: string) =>
  fail('NoSuchWebsiteConfiguration', 'The specified bucket does not have a website configuration', { BucketName: name })

export const PutBucketWebsite: Operation<'PutBucketWebsite'> = async (ctx, input) => {
  const document = checkWebsite(input.WebsiteConfiguration)
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    tx.put(Bucket, website.put(tx, bucket, document))
    return {}
  })
}

export const GetBucketWebsite: Operation<'GetBucketWebsite'> = async (ctx, input) => {
  const found = await ctx.read(async (tx) => website.find(tx, await bucketOf(ctx, tx, input)))
  if (!found) throw noWebsite(input.Bucket)
  return found as Output<'GetBucketWebsite'>
}

export const DeleteBucketWebsite: Operation<'DeleteBucketWebsite'> = (ctx, input) =>
  ctx.write(async (tx) => {
    tx.put(Bucket, await website.remove(tx, await bucketOf(ctx, tx, input)))
    return {}
  })

/** What the visitor asked for, and where the site is. */
type Visit = {
  readonly ctx: Ctx
  readonly bucket: string
  /** The path below the site, decoded, without its first slash. */
  readonly path: string
  /** What stands before the path on this endpoint: nothing where the host names the site. */
  readonly base: string
}

type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | Readable | undefined
}

/** A document as the public may read it. Throws what S3 answers an anonymous reader. */
const read = async ({ ctx, bucket }: Visit, Key: string, conditions: Partial<Input<'GetObject'>> = {}) => {
  await ctx.authorize('s3:GetObject', `${bucketArn(bucket)}/${Key}`, present(await bucketKeys(ctx, bucket)))
  return GetObject(ctx, { Bucket: bucket, Key, ...conditions })
}

const conditionsOf = ({ headers }: Ctx['request']): Partial<Input<'GetObject'>> => {
  const time = (text: string | undefined) => {
    const date = new Date(text ?? '')
    return Number.isNaN(date.getTime()) ? undefined : date
  }
  const given = {
    Range: headers.range,
    IfMatch: headers['if-match'],
    IfNoneMatch: headers['if-none-match'],
    IfModifiedSince: time(headers['if-modified-since']),
    IfUnmodifiedSince: time(headers['if-unmodified-since']),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

const toAnswer = (ctx: Ctx, object: Output<'GetObject'>, status = ctx.response.status ?? 200): Answer => {
  const headers: Record<string, string | undefined> = {
    etag: object.ETag,
    'last-modified': object.LastModified?.toUTCString(),
    'content-type': object.ContentType,
    'content-length': String(object.ContentLength ?? 0),
    'content-range': object.ContentRange,
    'accept-ranges': object.AcceptRanges,
    'cache-control': object.CacheControl,
    'content-disposition': object.ContentDisposition,
    'content-encoding': object.ContentEncoding,
    'content-language': object.ContentLanguage,
    'x-amz-version-id': object.VersionId,
    ...ctx.response.headers,
    ...Object.fromEntries(Object.entries(object.Metadata ?? {}).map(([name, value]) => [`x-amz-meta-${name}`, value])),
  }
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { status, headers: Object.fromEntries(given), body: object.Body as Answer['body'] }
}

const redirecting = (status: number, location: string): Answer => ({
  status,
  headers: { location, 'content-length': '0' },
})

const encodePath = (key: string): string => key.split('/').map(encodeURIComponent).join('/')

const follow = ({ ctx, base }: Visit, { status, protocol, host, key }: Redirect): Answer =>
  redirecting(
    status,
    `${protocol ?? 'http'}://${host ?? ctx.request.headers.host ?? ''}${host === undefined ? base : ''}/${encodePath(key)}`,
  )

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  412: 'Precondition Failed',
  416: 'Requested Range Not Satisfiable',
}

const itemsOf = (ctx: Ctx, error: AwsError, told: boolean): string => {
  const facts = {
    Code: error.code,
    Message: error.message,
    ...error.members,
    ...(told ? { RequestId: ctx.request.id, HostId: ctx.request.id } : {}),
  }
  return Object.entries(facts)
    .map(([name, value]) => `<li>${name}: ${escapeXml(String(value))}</li>\n`)
    .join('')
}

/** An error as websites say it: for eyes. */
const page = (ctx: Ctx, error: AwsError, documentError?: AwsError): Answer => {
  const status = error.status ?? 400
  const title = `${status} ${reasons[status] ?? 'Error'}`
  const more = documentError
    ? `<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n${itemsOf(ctx, documentError, false)}</ul>\n`
    : ''
  const body = `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${itemsOf(ctx, error, true)}</ul>\n${more}<hr/>\n</body>\n</html>\n`
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'x-amz-error-code': error.code,
      'x-amz-error-message': error.message,
    },
    body,
  }
}

const failed = async (visit: Visit, site: WebsiteDocument, key: string, error: AwsError): Promise<Answer> => {
  const { ctx, path } = visit
  const status = error.status ?? 400
  if (status === 304) return { status, headers: error.headers ?? {} }
  if (status === 403 || status === 404) {
    const folder = `${path}/`
    if (path !== '' && !path.endsWith('/') && (await isThere(visit, folder + (site.IndexDocument?.Suffix ?? ''))))
      return redirecting(302, `${visit.base}/${encodePath(folder)}`)
  }
  const redirect = redirectOf(site.RoutingRules, key, status)
  if (redirect) return follow(visit, redirect)
  if (!site.ErrorDocument?.Key || status < 400) return page(ctx, error)
  try {
    const document = await read(visit, site.ErrorDocument.Key)
    const answer = toAnswer(ctx, document, status)
    return {
      ...answer,
      headers: { ...answer.headers, 'x-amz-error-code': error.code, 'x-amz-error-message': error.message },
    }
  } catch (second) {
    if (second instanceof AwsError) return page(ctx, error, second)
    throw second
  }
}

const isThere = async (visit: Visit, key: string): Promise<boolean> => {
  try {
    const { Body } = await read(visit, key)
    if (Body instanceof Readable) Body.destroy()
    return true
  } catch (error) {
    if (error instanceof AwsError) return false
    throw error
  }
}

const visitSite = async (visit: Visit, site: WebsiteDocument): Promise<Answer> => {
  const { ctx, path } = visit
  const all = site.RedirectAllRequestsTo
  if (all) return redirecting(301, `${all.Protocol ?? 'http'}://${all.HostName}/${encodePath(path)}`)
  const redirect = redirectOf(site.RoutingRules, path, undefined)
  if (redirect) return follow(visit, redirect)
  const key = documentKey(path, site.IndexDocument?.Suffix ?? '')
  try {
    const object = await read(visit, key, conditionsOf(ctx.request))
    const elsewhere = object.WebsiteRedirectLocation
    if (elsewhere === undefined) return toAnswer(ctx, object)
    if (object.Body instanceof Readable) object.Body.destroy()
    return redirecting(301, elsewhere.startsWith('/') ? visit.base + elsewhere : elsewhere)
  } catch (error) {
    if (error instanceof AwsError) return failed(visit, site, key, error)
    throw error
  }
}

const answerOf = async (anonymous: Ctx, { request, params, actAs }: Exchange): Promise<Answer> => {
  const { bucket = '', path = '/' } = params
  const base = params.base ?? ''
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw fail('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
        Method: request.method,
        ResourceType: 'OBJECT',
      })
    const found = await anonymous.read(async (tx) => {
      const record = await tx.get(Bucket, bucket)
      return record && { record, site: await website.find(tx, record) }
    })
    if (!found) throw noSuchBucket(bucket)
    if (!found.site) throw noWebsite(bucket)
    const { account, region } = found.record
    const ctx = actAs(anonymous.principal, { account, region })
    const key = decoded(path.replace(/^\//, ''))
    return await visitSite({ ctx, bucket, path: key, base }, found.site)
  } catch (error) {
    if (error instanceof AwsError) return page(anonymous, error)
    throw error
  }
}

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    throw fail('BadRequest', "Couldn't parse the specified URI.")
  }
}

const send = async (ctx: Ctx, method: string | undefined, response: ServerResponse, answer: Answer): Promise<void> => {
  const { status, headers, body } = answer
  // Messages name keys, and locations what a configuration says: a header takes no character beyond Latin-1, and no line's end.
  const safe = Object.entries(headers).map(([name, value]) => [name, value.replace(/[^\x20-\xff]/g, '?')])
  response.writeHead(status, {
    ...Object.fromEntries(safe),
    'x-amz-request-id': ctx.request.id,
    'x-amz-id-2': ctx.request.id,
  })
  if (body instanceof Readable && method !== 'HEAD')
    return pipeline(body, response).catch(() => void response.destroy())
  if (body instanceof Readable) body.destroy()
  response.end(method === 'HEAD' || body instanceof Readable ? undefined : body)
}

const handle: Route['handle'] = async (ctx, exchange) => {
  const answer = await answerOf(ctx, exchange)
  await send(ctx, exchange.request.method, exchange.response, answer)
}

/** A site by its host name: `BUCKET.s3-website.localhost`, `BUCKET.s3-website-REGION.amazonaws.com`. */
export const websiteByHost: Route = {
  name: 's3-website-host',
  host: /(?<bucket>.+)\.s3-website(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\.(?:localhost|amazonaws\.com)/,
  path: /(?<path>.*)/,
  handle,
}

/** The same for who cannot resolve that name. No bucket is called so. */
export const websiteByPath: Route = {
  name: 's3-website-path',
  path: /(?<base>\/_s3-website\/(?<bucket>[^/]+))(?<path>\/.*)?/,
  handle,
}
