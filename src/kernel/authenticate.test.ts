import { createHmac } from 'node:crypto'
import { Readable } from 'node:stream'
import { CodeCommitClient, ListRepositoriesCommand } from '@aws-sdk/client-codecommit'
import { IAMClient, UpdateAccessKeyCommand } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { presigned, type RawRequest, type Signing, send, signed } from '../../test/hostile/raw.ts'
import { allow, type Keys, type Story, story } from '../../test/story.ts'
import { amzDate, sha256, sign, signingKey, signV2 } from './signature.ts'

// Who is calling: every way to sign a request, and every way in which that can go wrong, told apart in AWS's words.

let drydock: Story
let s3: S3Client
let session: Keys
let roleArn: string
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'vault' }))
  await s3.send(new PutObjectCommand({ Bucket: 'vault', Key: 'a b+c', Body: 'kept' }))
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: drydock.account }, Action: 'sts:AssumeRole' }],
  }
  roleArn = await drydock.role('visitor', trust, [allow('*')])
  session = await assume()
})
afterAll(() => drydock.close())

const assume = async (): Promise<Keys> => {
  const ana = await drydock.user(`ana-${Math.random().toString(36).slice(2)}`, [allow('sts:AssumeRole')])
  const { Credentials } = await drydock
    .client(STSClient, ana)
    .send(new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'visit', DurationSeconds: 900 }))
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

const form = { 'content-type': 'application/x-www-form-urlencoded' }
/** One harmless call in each family of protocols, and how it answers when all is well. */
const families = {
  json: {
    service: 'codecommit',
    status: 200,
    request: {
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'CodeCommit_20150413.ListRepositories' },
      body: '{}',
    },
  },
  query: {
    service: 'iam',
    status: 200,
    request: { method: 'POST', path: '/', headers: form, body: 'Action=ListUsers&Version=2010-05-08' },
  },
  ec2: {
    service: 'ec2',
    status: 200,
    request: { method: 'POST', path: '/', headers: form, body: 'Action=DescribeInstances&Version=2016-11-15' },
  },
  s3: { service: 's3', status: 200, request: { method: 'GET', path: '/vault', query: 'list-type=2' } },
  rest: { service: 'lambda', status: 501, request: { method: 'GET', path: '/2015-03-31/functions/' } },
} satisfies Record<string, { service: string; status: number; request: RawRequest }>
type Family = keyof typeof families

/** What each family answers to each failure: code and status. */
const answers: Record<string, Record<Family, [code: string, status: number]>> = {
  'a wrong secret': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['AuthFailure', 401],
    s3: ['SignatureDoesNotMatch', 403],
    rest: ['InvalidSignatureException', 403],
  },
  'an unknown access key': {
    json: ['UnrecognizedClientException', 400],
    query: ['InvalidClientTokenId', 403],
    ec2: ['AuthFailure', 401],
    s3: ['InvalidAccessKeyId', 403],
    rest: ['UnrecognizedClientException', 403],
  },
  'a session token of nobody': {
    json: ['UnrecognizedClientException', 400],
    query: ['InvalidClientTokenId', 403],
    ec2: ['AuthFailure', 401],
    s3: ['InvalidToken', 400],
    rest: ['UnrecognizedClientException', 403],
  },
  'no session token with a temporary key': {
    json: ['UnrecognizedClientException', 400],
    query: ['InvalidClientTokenId', 403],
    ec2: ['AuthFailure', 401],
    s3: ['InvalidAccessKeyId', 403],
    rest: ['UnrecognizedClientException', 403],
  },
  'a clock that is late, or a replay': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['RequestExpired', 400],
    s3: ['RequestTimeTooSkewed', 403],
    rest: ['InvalidSignatureException', 403],
  },
  'a clock that is early': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['RequestExpired', 400],
    s3: ['RequestTimeTooSkewed', 403],
    rest: ['InvalidSignatureException', 403],
  },
  'a malformed Authorization header': {
    json: ['IncompleteSignatureException', 400],
    query: ['IncompleteSignature', 400],
    ec2: ['IncompleteSignature', 400],
    s3: ['AuthorizationHeaderMalformed', 400],
    rest: ['IncompleteSignatureException', 403],
  },
  'an Authorization header of another kind': {
    json: ['IncompleteSignatureException', 400],
    query: ['IncompleteSignature', 400],
    ec2: ['IncompleteSignature', 400],
    s3: ['InvalidRequest', 400],
    rest: ['IncompleteSignatureException', 403],
  },
  'a header added on the way': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['AuthFailure', 401],
    s3: ['AccessDenied', 403],
    rest: ['InvalidSignatureException', 403],
  },
  'a changed header': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['AuthFailure', 401],
    s3: ['SignatureDoesNotMatch', 403],
    rest: ['InvalidSignatureException', 403],
  },
  'a host outside the signature': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['AuthFailure', 401],
    s3: ['AccessDenied', 403],
    rest: ['InvalidSignatureException', 403],
  },
  'a region that is none': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['AuthFailure', 401],
    s3: ['AuthorizationHeaderMalformed', 400],
    rest: ['InvalidSignatureException', 403],
  },
  'a query added on the way': {
    json: ['InvalidSignatureException', 400],
    query: ['SignatureDoesNotMatch', 403],
    ec2: ['AuthFailure', 401],
    s3: ['SignatureDoesNotMatch', 403],
    rest: ['InvalidSignatureException', 403],
  },
}

const root = (): Keys => drydock.root
const later = (minutes: number) => Date.now() + minutes * 60_000
const spoil: Record<string, (family: Family) => RawRequest> = {
  'a wrong secret': (family) => make(family, { keys: { ...root(), secretAccessKey: 'wrong' } }),
  'an unknown access key': (family) =>
    make(family, { keys: { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey: 'x' } }),
  'a session token of nobody': (family) => make(family, { keys: { ...session, sessionToken: 'bm9ib2R5' } }),
  'no session token with a temporary key': (family) =>
    make(family, { keys: { accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey } }),
  'a region that is none': (family) => make(family, { region: 'us-esat-1' }),
  'a clock that is late, or a replay': (family) => make(family, { time: later(-16) }),
  'a clock that is early': (family) => make(family, { time: later(16) }),
  'a malformed Authorization header': (family) =>
    edit(make(family), (headers) => ({ authorization: headers.authorization?.split(', SignedHeaders')[0] ?? '' })),
  'an Authorization header of another kind': (family) =>
    edit(make(family), () => ({ authorization: 'AWS test:abcdef' })),
  'a header added on the way': (family) => edit(make(family), () => ({ 'x-amz-acl': 'public-read' })),
  'a changed header': (family) =>
    edit(make(family, {}, { 'x-amz-meta-note': 'one' }), () => ({ 'x-amz-meta-note': 'two' })),
  'a host outside the signature': (family) => make(family, { uncovered: ['host'] }),
  'a query added on the way': (family) => ({
    ...make(family),
    query: [make(family).query, 'prefix=x'].filter(Boolean).join('&'),
  }),
}

const make = (family: Family, signing: Partial<Signing> = {}, headers: Record<string, string> = {}): RawRequest => {
  const { service, request } = families[family]
  const full: RawRequest = { ...request, headers: { ...('headers' in request ? request.headers : {}), ...headers } }
  return signed(drydock.endpoint, full, { keys: root(), service, ...signing })
}
const edit = (
  request: RawRequest,
  change: (headers: Readonly<Record<string, string>>) => Record<string, string>,
): RawRequest => ({
  ...request,
  headers: { ...request.headers, ...change(request.headers ?? {}) },
})

describe.each(Object.keys(families) as Family[])('%s', (family) => {
  test('a good signature is taken', async () => {
    for (const keys of [root(), session]) {
      const { status, text } = await send(drydock.endpoint, make(family, { keys }))
      expect([status, text]).toEqual([families[family].status, expect.any(String)])
    }
    // 14 minutes of skew are still within what AWS allows.
    for (const minutes of [-14, 14])
      expect((await send(drydock.endpoint, make(family, { time: later(minutes) }))).status).toBe(
        families[family].status,
      )
  })

  test.each(Object.keys(answers))('%s', async (failure) => {
    const { code, status, text } = await send(drydock.endpoint, spoil[failure]!(family))
    expect([code, status], text).toEqual(answers[failure]![family])
  })

  test('another service in the credential scope', async () => {
    const { status, code, text } = await send(
      drydock.endpoint,
      make(family, { service: family === 'ec2' ? 'iam' : 'codebuild' }),
    )
    expect(status, text).toBeGreaterThanOrEqual(400)
    expect(code).toBeDefined()
  })
})

test('a target of one service under the credential scope of another is refused', async () => {
  const { request } = families.json
  const { code, text } = await send(
    drydock.endpoint,
    signed(drydock.endpoint, request, { keys: root(), service: 's3' }),
  )
  expect(code).toBe('InvalidSignatureException')
  expect(text).toContain("Credential should be scoped to correct service: 'codecommit'")
})

test.each(['json', 'query', 'ec2'] as const)('%s: a changed body is noticed', async (family) => {
  const hashed = make(family, { payload: null })
  const { code } = await send(drydock.endpoint, { ...hashed, body: `${hashed.body} ` })
  expect(code).toBe(answers['a wrong secret']![family][0])
  const declared = make(family)
  expect((await send(drydock.endpoint, { ...declared, body: `${declared.body} ` })).code).toBe(
    answers['a wrong secret']![family][0],
  )
})

test('what is missing of an Authorization header is named', async () => {
  const request = edit(make('json'), (headers) => ({
    authorization: (headers.authorization ?? '').replace('Signature=', 'Sig='),
  }))
  expect((await send(drydock.endpoint, request)).text).toContain("Authorization header requires 'Signature' parameter.")
  const undated = edit(make('json'), () => ({}))
  const { 'x-amz-date': _date, ...headers } = undated.headers ?? {}
  expect((await send(drydock.endpoint, { ...undated, headers })).text).toContain(
    "requires existence of either a 'X-Amz-Date' or a 'Date' header",
  )
})

test('a call without any signature', async () => {
  expect(await send(drydock.endpoint, families.json.request)).toMatchObject({
    status: 400,
    code: 'MissingAuthenticationTokenException',
  })
  expect(await send(drydock.endpoint, families.query.request)).toMatchObject({
    status: 403,
    code: 'MissingAuthenticationToken',
  })
  expect(await send(drydock.endpoint, families.ec2.request)).toMatchObject({ status: 400, code: 'MissingParameter' })
  // To S3 an unsigned request is a call of everybody's; the bucket's policy decides.
  expect(await send(drydock.endpoint, families.s3.request)).toMatchObject({ status: 403, code: 'AccessDenied' })
})

test('a session ends when the clock says so', async () => {
  const own = await story()
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: own.account }, Action: 'sts:AssumeRole' }],
  }
  const arn = await own.role('short', trust, [allow('*')])
  const ana = await own.user('ana', [allow('sts:AssumeRole')])
  const { Credentials } = await own
    .client(STSClient, ana)
    .send(new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: 'short', DurationSeconds: 900 }))
  const keys = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
  await own.client(STSClient, keys).send(new GetCallerIdentityCommand({}))
  await own.advance({ minutes: 16 })
  await expect(own.client(STSClient, keys).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
    name: 'ExpiredToken',
  })
  await expect(own.client(CodeCommitClient, keys).send(new ListRepositoriesCommand({}))).rejects.toMatchObject({
    name: 'ExpiredTokenException',
  })
  await expect(own.client(S3Client, keys).send(new CreateBucketCommand({ Bucket: 'late' }))).rejects.toMatchObject({
    name: 'ExpiredToken',
  })
  await own.close()
})

test('a token belongs to its own key only', async () => {
  const other = await assume()
  const mixed = { ...session, sessionToken: other.sessionToken ?? '' }
  await expect(drydock.client(STSClient, mixed).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
    name: 'InvalidClientTokenId',
  })
})

test('an access key that was made inactive is nobody’s', async () => {
  const keys = await drydock.user('eva', [allow('*')])
  await drydock.client(STSClient, keys).send(new GetCallerIdentityCommand({}))
  await drydock
    .client(IAMClient)
    .send(new UpdateAccessKeyCommand({ UserName: 'eva', AccessKeyId: keys.accessKeyId, Status: 'Inactive' }))
  await expect(drydock.client(STSClient, keys).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
    name: 'InvalidClientTokenId',
  })
})

describe('presigned URLs', () => {
  const get: RawRequest = { method: 'GET', path: '/vault/a%20b%2Bc' }
  const url = (request: RawRequest, options: Partial<Signing> & { expires?: number } = {}) =>
    send(drydock.endpoint, presigned(drydock.endpoint, request, { keys: root(), service: 's3', ...options }))

  test('GET and PUT, by long-term and temporary keys', async () => {
    for (const keys of [root(), session]) {
      expect(await url(get, { keys })).toMatchObject({ status: 200, text: 'kept' })
      expect(await url({ method: 'PUT', path: '/vault/up', body: 'by url' }, { keys })).toMatchObject({ status: 200 })
      expect(await url({ method: 'GET', path: '/vault/up' }, { keys })).toMatchObject({ text: 'by url' })
    }
  })

  test.each<[what: string, code: string, spoiled: () => Promise<{ code: string | undefined }>]>([
    ['expired', 'AccessDenied', () => url(get, { time: Date.now() - 11_000, expires: 10 })],
    ['not valid yet', 'AccessDenied', () => url(get, { time: later(16) })],
    ['longer than a week', 'AuthorizationQueryParametersError', () => url(get, { expires: 604_801 })],
    ['a wrong secret', 'SignatureDoesNotMatch', () => url(get, { keys: { ...root(), secretAccessKey: 'x' } })],
    [
      'a header nobody signed',
      'AccessDenied',
      () =>
        send(
          drydock.endpoint,
          edit(
            presigned(
              drydock.endpoint,
              { method: 'PUT', path: '/vault/up', body: '' },
              { keys: root(), service: 's3' },
            ),
            () => ({ 'x-amz-acl': 'public-read' }),
          ),
        ),
    ],
    [
      'another method',
      'SignatureDoesNotMatch',
      () =>
        send(drydock.endpoint, {
          ...presigned(drydock.endpoint, get, { keys: root(), service: 's3' }),
          method: 'DELETE',
        }),
    ],
    [
      'another key',
      'SignatureDoesNotMatch',
      () =>
        send(drydock.endpoint, {
          ...presigned(drydock.endpoint, get, { keys: root(), service: 's3' }),
          path: '/vault/up',
        }),
    ],
    [
      'no signature',
      'AuthorizationQueryParametersError',
      () =>
        send(drydock.endpoint, {
          ...get,
          query:
            presigned(drydock.endpoint, get, { keys: root(), service: 's3' }).query?.replace(
              /&X-Amz-Signature=.*/,
              '',
            ) ?? '',
        }),
    ],
    [
      'and an Authorization header',
      'InvalidArgument',
      () => {
        const { query = '' } = presigned(drydock.endpoint, get, { keys: root(), service: 's3' })
        return send(drydock.endpoint, signed(drydock.endpoint, { ...get, query }, { keys: root(), service: 's3' }))
      },
    ],
  ])('%s', async (_what, code, spoiled) => {
    expect(await spoiled()).toMatchObject({ code })
  })

  test('Signature Version 2, which some clients still make', async () => {
    const v2 = (secret: string, expires: number, path = '/vault/a%20b%2Bc') => {
      const signature = signV2(secret, `GET\n\n\n${expires}\n/vault/a%20b%2Bc`)
      return send(drydock.endpoint, {
        method: 'GET',
        path,
        query: `AWSAccessKeyId=test&Signature=${encodeURIComponent(signature)}&Expires=${expires}`,
      })
    }
    const soon = Math.floor(Date.now() / 1000) + 60
    expect(await v2('test', soon)).toMatchObject({ status: 200, text: 'kept' })
    expect(await v2('wrong', soon)).toMatchObject({ code: 'SignatureDoesNotMatch' })
    expect(await v2('test', soon, '/vault/up')).toMatchObject({ code: 'SignatureDoesNotMatch' })
    expect(await v2('test', soon - 120)).toMatchObject({
      code: 'AccessDenied',
      text: expect.stringContaining('Request has expired'),
    })
  })
})

describe('bodies that come in chunks', () => {
  const chunked = (data: string, options: { breakChunk?: boolean; key: string }) => {
    const time = amzDate(Date.now())
    const scope = { date: time.slice(0, 8), region: 'us-east-1', service: 's3' }
    const request = signed(
      drydock.endpoint,
      {
        method: 'PUT',
        path: `/vault/${options.key}`,
        headers: { 'content-encoding': 'aws-chunked', 'x-amz-decoded-content-length': String(data.length) },
      },
      {
        keys: root(),
        service: 's3',
        payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        time: Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')),
      },
    )
    let previous = /Signature=([0-9a-f]+)/.exec(request.headers?.authorization ?? '')?.[1] ?? ''
    const key = signingKey('test', scope)
    const frames = [data.slice(0, data.length / 2), data.slice(data.length / 2), ''].map((piece, index) => {
      previous = sign(
        key,
        [
          'AWS4-HMAC-SHA256-PAYLOAD',
          time,
          `${scope.date}/us-east-1/s3/aws4_request`,
          previous,
          sha256(''),
          sha256(piece),
        ].join('\n'),
      )
      const sent = options.breakChunk && index === 1 ? piece.replace(/^./, '!') : piece
      return `${piece.length.toString(16)};chunk-signature=${previous}\r\n${sent}\r\n`
    })
    return send(drydock.endpoint, { ...request, body: frames.join('') })
  }
  const read = async (key: string) =>
    (await s3.send(new GetObjectCommand({ Bucket: 'vault', Key: key }))).Body?.transformToString()

  test('signed chunks are verified one by one', async () => {
    const data = 'x'.repeat(100_000)
    expect(await chunked(data, { key: 'chunks' })).toMatchObject({ status: 200 })
    expect(await read('chunks')).toBe(data)
    expect(await chunked(data, { key: 'broken', breakChunk: true })).toMatchObject({
      status: 403,
      code: 'SignatureDoesNotMatch',
    })
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'vault', Key: 'broken' }))).rejects.toMatchObject({
      name: 'NotFound',
    })
  })

  test('an SDK that streams sends unsigned chunks with a checksum in the trailer', async () => {
    const Body = Readable.from([Buffer.from('one '), Buffer.from('two')])
    await s3.send(
      new PutObjectCommand({ Bucket: 'vault', Key: 'trailer', Body, ContentLength: 7, ChecksumAlgorithm: 'SHA256' }),
    )
    expect(await read('trailer')).toBe('one two')
  })

  test('a body whose hash is not what the signature covers is not stored', async () => {
    const request = signed(
      drydock.endpoint,
      { method: 'PUT', path: '/vault/swapped', body: 'signed' },
      { keys: root(), service: 's3' },
    )
    expect(await send(drydock.endpoint, { ...request, body: 'forged' })).toMatchObject({
      status: 400,
      code: 'XAmzContentSHA256Mismatch',
    })
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'vault', Key: 'swapped' }))).rejects.toMatchObject({
      name: 'NotFound',
    })
  })
})

test('trust mode believes unknown keys, and still verifies those of IAM', async () => {
  const trusting = await story({ config: { auth: 'trust' } })
  const whoIs = async (keys: Keys) =>
    (await trusting.client(STSClient, keys).send(new GetCallerIdentityCommand({}))).Arn
  expect(await whoIs({ accessKeyId: 'anything', secretAccessKey: 'x' })).toBe('arn:aws:iam::000000000000:root')
  expect(await whoIs({ accessKeyId: 'test', secretAccessKey: 'not the usual one' })).toBe(
    'arn:aws:iam::000000000000:root',
  )
  expect(await whoIs({ accessKeyId: '123456789012', secretAccessKey: 'x' })).toBe('arn:aws:iam::123456789012:root')
  expect(await whoIs({ accessKeyId: 'anything', secretAccessKey: 'x', sessionToken: 'any' })).toBe(
    'arn:aws:iam::000000000000:root',
  )
  const ana = await trusting.user('ana')
  expect(await whoIs(ana)).toBe('arn:aws:iam::000000000000:user/ana')
  await expect(whoIs({ ...ana, secretAccessKey: 'x' })).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' })
  await expect(trusting.client(CodeCommitClient, ana).send(new ListRepositoriesCommand({}))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  })
  expect(await send(trusting.endpoint, families.json.request)).toMatchObject({
    code: 'MissingAuthenticationTokenException',
  })
  await trusting.close()
})

test('signing keys are those of AWS’s own example', () => {
  // "Create a signed AWS API request", IAM user guide: the derivation, written out once more.
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const expected = hmac(hmac(hmac(hmac('AWS4secret', '20260101'), 'eu-west-1'), 'iam'), 'aws4_request')
  expect(signingKey('secret', { date: '20260101', region: 'eu-west-1', service: 'iam' })).toEqual(expected)
})
