import { Readable } from 'node:stream'
import { refuse } from '../../kernel/authentication-failure.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { anonymous, type Principal } from '../../kernel/principal.ts'
import { parseXml } from '../../kernel/protocols/xml-reader.ts'
import { escapeXml, xmlDeclaration } from '../../kernel/protocols/xml-writer.ts'
import { addressS3 } from '../../kernel/s3-address.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { sameText, sign, signingKey, signV2 } from '../../kernel/signature.ts'
import { checkAcceleration } from './acceleration.ts'
import { bucketArn } from './bucket.ts'
import { checksumAlgorithms, headerOf, memberOf } from './checksum.ts'
import { tellOrigin } from './cors.ts'
import { xmlError } from './door.ts'
import { boundaryOf, type Form, readForm } from './form-data.ts'
import { PutObject } from './object.ts'
import { putRequirements } from './object-access.ts'
import { fail, type Input, malformedXml } from './operation.ts'
import { checkPostPolicy, parsePostPolicy } from './post-policy.ts'

// Uploads by forms of browsers ("POST Object", "Browser-based uploads using POST", S3 API reference).

type Fields = ReadonlyMap<string, string>

const missingField = (name: string) =>
  fail(
    'InvalidArgument',
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    { ArgumentName: name, ArgumentValue: '' },
  )
const needed = (fields: Fields, name: string): string => {
  const value = fields.get(name.toLowerCase())
  if (value === undefined) throw missingField(name)
  return value
}

type Signer = { readonly principal: Principal; readonly region?: string; readonly version: string }

/** Whose form it is: who signed its policy. Without one it is anybody's. Throws S3's authentication errors. */
const signerOf = async (exchange: Exchange, fields: Fields): Promise<Signer | undefined> => {
  const policy = fields.get('policy')
  if (policy === undefined) {
    if (fields.has('x-amz-signature') || fields.has('signature')) throw missingField('policy')
    return undefined
  }
  const old = fields.has('awsaccesskeyid')
  const credential = old ? '' : needed(fields, 'X-Amz-Credential')
  const [accessKeyId = '', date = '', region = '', service = '', end] = old
    ? [fields.get('awsaccesskeyid')]
    : credential.split('/')
  const signature = needed(fields, old ? 'signature' : 'X-Amz-Signature')
  if (!old) {
    if (needed(fields, 'X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256')
      throw fail('InvalidArgument', 'Only AWS4-HMAC-SHA256 is supported.', {
        ArgumentName: 'X-Amz-Algorithm',
        ArgumentValue: fields.get('x-amz-algorithm'),
      })
    if (service !== 's3' || end !== 'aws4_request' || !needed(fields, 'X-Amz-Date').startsWith(date))
      throw fail(
        'InvalidArgument',
        'The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
        {
          ArgumentName: 'X-Amz-Credential',
          ArgumentValue: credential,
        },
      )
  }
  const known = await exchange.credential(accessKeyId, fields.get('x-amz-security-token'))
  if (!known) throw refuse('s3', fields.has('x-amz-security-token') ? 'badToken' : 'unknownKey')
  const { secret, principal } = known
  if (secret !== undefined) {
    const expected = old ? signV2(secret, policy) : sign(signingKey(secret, { date, region, service }), policy)
    if (!sameText(expected, signature)) throw refuse('s3', 'mismatch')
  }
  const version = old ? 'AWS' : 'AWS4-HMAC-SHA256'
  return { principal: { ...principal, accessKeyId }, version, ...(region ? { region } : {}) }
}

/** The `tagging` field is the XML of PutObjectTagging; as a header it is a query. Throws MalformedXML. */
const taggingOf = (xml: string | undefined): string | undefined => {
  if (xml === undefined) return undefined
  const root = parseXml(xml)
  const [set] = root.children
  if (root.name !== 'Tagging' || set?.name !== 'TagSet') throw malformedXml()
  const textOf = (tag: (typeof set.children)[number], name: string) =>
    tag.children.find((child) => child.name === name)?.text ?? ''
  const query = new URLSearchParams()
  for (const tag of set.children) query.append(textOf(tag, 'Key'), textOf(tag, 'Value'))
  return String(query)
}

const dateOf = (text: string | undefined): Date | undefined => {
  const date = text === undefined ? undefined : new Date(text)
  return date && !Number.isNaN(date.getTime()) ? date : undefined
}

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))

/** The form as the upload that it stands for. */
const inputOf = (bucket: string, fields: Fields, { file }: Form): Omit<Input<'PutObject'>, 'Body'> => {
  const key = needed(fields, 'key')
  if (key === '') throw fail('UserKeyMustBeSpecified', 'User key must have a length greater than 0.')
  const metadata = [...fields].flatMap(([name, value]) =>
    name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), value]] : [],
  )
  const encryption = 'x-amz-server-side-encryption'
  return {
    Bucket: bucket,
    Key: key,
    Metadata: Object.fromEntries(metadata),
    ContentType: fields.get('content-type') ?? file.contentType,
    CacheControl: fields.get('cache-control'),
    ContentDisposition: fields.get('content-disposition'),
    ContentEncoding: fields.get('content-encoding'),
    ContentLanguage: fields.get('content-language'),
    ContentMD5: fields.get('content-md5'),
    Expires: dateOf(fields.get('expires')),
    Tagging: taggingOf(fields.get('tagging')),
    ACL: fields.get('acl') as Input<'PutObject'>['ACL'],
    StorageClass: fields.get('x-amz-storage-class') as Input<'PutObject'>['StorageClass'],
    WebsiteRedirectLocation: fields.get('x-amz-website-redirect-location'),
    ServerSideEncryption: fields.get(encryption) as Input<'PutObject'>['ServerSideEncryption'],
    SSEKMSKeyId: fields.get(`${encryption}-aws-kms-key-id`),
    SSEKMSEncryptionContext: fields.get(`${encryption}-context`),
    BucketKeyEnabled: fields.has(`${encryption}-bucket-key-enabled`)
      ? fields.get(`${encryption}-bucket-key-enabled`) === 'true'
      : undefined,
    SSECustomerAlgorithm: fields.get(`${encryption}-customer-algorithm`),
    SSECustomerKey: fields.get(`${encryption}-customer-key`),
    SSECustomerKeyMD5: fields.get(`${encryption}-customer-key-md5`),
    ObjectLockMode: fields.get('x-amz-object-lock-mode') as Input<'PutObject'>['ObjectLockMode'],
    ObjectLockRetainUntilDate: dateOf(fields.get('x-amz-object-lock-retain-until-date')),
    ObjectLockLegalHoldStatus: fields.get(
      'x-amz-object-lock-legal-hold',
    ) as Input<'PutObject'>['ObjectLockLegalHoldStatus'],
    ObjectLockEventHold: fields.get('x-amz-object-lock-event-hold') as Input<'PutObject'>['ObjectLockEventHold'],
    ObjectLockEventHoldDurationDays: numberOf(fields.get('x-amz-object-lock-event-hold-duration-days')),
    ObjectLockEventHoldDurationYears: numberOf(fields.get('x-amz-object-lock-event-hold-duration-years')),
    ...Object.fromEntries(
      checksumAlgorithms.map((algorithm) => [memberOf(algorithm), fields.get(headerOf(algorithm))]),
    ),
  }
}

/** The file, as long as its policy allows. */
async function* within(bytes: AsyncIterable<Buffer>, { least, most }: { least: number; most: number }) {
  let size = 0
  for await (const chunk of bytes) {
    size += chunk.length
    if (size > most)
      throw fail('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
        ProposedSize: size,
        MaxSizeAllowed: most,
      })
    yield chunk
  }
  if (size < least)
    throw fail('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
      ProposedSize: size,
      MinSizeAllowed: least,
    })
}

const authorize = async (ctx: Ctx, input: Omit<Input<'PutObject'>, 'Body'>, version: string | undefined) => {
  for (const { action, resources, context = {} } of await putRequirements(input, ctx)) {
    const keys = Object.entries({ ...context, 's3:authType': version && 'POST', 's3:signatureversion': version })
    for (const resource of resources)
      await ctx.authorize(
        action,
        resource,
        Object.fromEntries(
          keys.flatMap(([key, value]) =>
            value === undefined ? [] : [[key, typeof value === 'string' ? [value] : [...value]]],
          ),
        ),
      )
  }
}

type Done = { readonly bucket: string; readonly key: string; readonly location: string; readonly etag: string }

const redirectOf = (fields: Fields, { bucket, key, etag }: Done): string | undefined => {
  const to = fields.get('success_action_redirect') ?? fields.get('redirect')
  if (to === undefined || !/^https?:/i.test(to) || !URL.canParse(to)) return undefined
  const url = new URL(to)
  for (const [name, value] of Object.entries({ bucket, key, etag })) url.searchParams.append(name, value)
  return url.href
}

/** What the browser is told: nothing (204), where to go on (303), or where the object is (200, 201). */
const answer = (ctx: Ctx, { response }: Exchange, fields: Fields, done: Done, told: Record<string, string>): void => {
  const headers: Record<string, string> = {
    ...ctx.response.headers,
    ...told,
    etag: done.etag,
    'x-amz-request-id': ctx.request.id,
    'x-amz-id-2': ctx.request.id,
  }
  const redirect = redirectOf(fields, done)
  if (redirect !== undefined) return void response.writeHead(303, { ...headers, location: redirect }).end()
  const status = Number(fields.get('success_action_status'))
  const body =
    status === 201
      ? `${xmlDeclaration}<PostResponse><Location>${escapeXml(done.location)}</Location><Bucket>${escapeXml(done.bucket)}</Bucket><Key>${escapeXml(done.key)}</Key><ETag>${escapeXml(done.etag)}</ETag></PostResponse>`
      : ''
  response
    .writeHead(status === 200 || status === 201 ? status : 204, {
      ...headers,
      location: done.location,
      ...(status === 201 ? { 'content-type': 'application/xml' } : {}),
      ...(status === 200 || status === 201 ? { 'content-length': Buffer.byteLength(body) } : {}),
    })
    .end(body)
}

const take = async (outside: Ctx, exchange: Exchange, bucket: string): Promise<void> => {
  const { headers } = outside.request
  const chunks = exchange.request.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  const form = await readForm(chunks, boundaryOf(headers['content-type'] ?? ''))
  // Variables are filled in before the policy is looked at.
  const fields = new Map(form.fields)
  fields.set('key', needed(fields, 'key').replaceAll('${filename}', form.file.name))
  const signer = await signerOf(exchange, fields)
  const { principal = anonymous, region = outside.region, version } = signer ?? {}
  const place = { account: principal.account || outside.account, region }
  const ctx = exchange.actAs(principal, place)
  Object.assign(ctx.response.headers, outside.response.headers)
  const input = inputOf(bucket, fields, form)
  const record = (error?: { code: string; message: string }) =>
    exchange.audit(ctx, {
      eventName: 'PostObject',
      readOnly: false,
      dataEvent: true,
      requestParameters: { bucketName: bucket, key: input.Key, Host: headers.host },
      resources: [`${bucketArn(bucket)}/${input.Key}`],
      ...(error ? { error } : {}),
    })
  try {
    const policy = fields.get('policy')
    const range =
      policy === undefined
        ? { least: 0, most: Number.POSITIVE_INFINITY }
        : checkPostPolicy(parsePostPolicy(policy), fields, bucket, exchange.wallClock())
    await authorize(ctx, input, version)
    const Body = Readable.from(within(form.file.bytes, range), { objectMode: false })
    const made = await PutObject(ctx, { ...input, Body })
    await record()
    const location = `${ctx.request.endpoint}/${bucket}/${input.Key.split('/').map(encodeURIComponent).join('/')}`
    answer(ctx, exchange, fields, { bucket, key: input.Key, location, etag: made.ETag ?? '' }, toldOf(made))
  } catch (error) {
    if (error instanceof AwsError) await record(error)
    throw error
  }
}

/** Headers that tell of the object. */
const toldOf = (made: Awaited<ReturnType<typeof PutObject>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries({
      'x-amz-version-id': made.VersionId,
      'x-amz-expiration': made.Expiration,
      'x-amz-server-side-encryption': made.ServerSideEncryption,
      'x-amz-server-side-encryption-aws-kms-key-id': made.SSEKMSKeyId,
      'x-amz-server-side-encryption-customer-algorithm': made.SSECustomerAlgorithm,
      'x-amz-server-side-encryption-customer-key-md5': made.SSECustomerKeyMD5,
    }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )

/** What is left of a body that nobody reads any more would hold back the connection. */
const drain = (request: Exchange['request']): void => {
  request.removeAllListeners('readable')
  request.resume()
}

/** A form that is posted to a bucket. */
export const postForm: Route = {
  name: 's3-post-form',
  method: 'POST',
  path: /\/.*/,
  mediaType: 'multipart/form-data',
  handle: async (ctx, exchange) => {
    const { headers, path } = ctx.request
    const [bucket, ...key] = addressS3((headers.host ?? '').toLowerCase().replace(/:\d+$/, ''), path)
    try {
      if (bucket === undefined || key.length > 0)
        throw fail('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
          Method: 'POST',
          ResourceType: bucket === undefined ? 'SERVICE' : 'OBJECT',
        })
      await tellOrigin(ctx, bucket)
      await checkAcceleration(ctx, bucket)
      await take(ctx, exchange, bucket)
    } catch (error) {
      drain(exchange.request)
      if (error instanceof AwsError)
        return xmlError(
          ctx,
          exchange.response,
          new AwsError(error.code, error.message, {
            ...(error.status === undefined ? {} : { status: error.status }),
            members: error.members,
            headers: { ...ctx.response.headers, ...error.headers },
          }),
        )
      throw error
    }
  },
}
