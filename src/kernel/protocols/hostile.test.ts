import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { AwsError } from '../errors.ts'
import { identify, UnidentifiedError } from '../identify.ts'
import type { IdentifiedCall, WireRequest, WireResponse } from '../wire.ts'

// Whatever is sent, the answer is an error of AWS's in the service's protocol, never an accident of ours.

type Request = {
  method?: string
  path?: string
  query?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
}

const wire = ({ method = 'POST', path = '/', query = '', headers = {}, body = '' }: Request): WireRequest => {
  const bytes = typeof body === 'string' ? new Uint8Array(Buffer.from(body)) : body
  return {
    method,
    path,
    query,
    headers: { host: 'localhost:4566', ...headers },
    bytes: async () => bytes,
    stream: () => Readable.from([bytes], { objectMode: false }),
  }
}

const scope = (service: string): Record<string, string> => ({
  authorization: `AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261123/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
})

/** The error a request gets; throws what is no AwsError, and fails when there was none. */
const refusal = async (request: Request): Promise<{ error: AwsError; response: WireResponse }> => {
  const sent = wire(request)
  let call: IdentifiedCall | undefined
  try {
    call = await identify(sent)
    await call.protocol.decode(call, sent, await sent.bytes())
  } catch (thrown) {
    if (thrown instanceof UnidentifiedError)
      return { error: thrown.error, response: thrown.call.protocol.encodeError(thrown.call, thrown.error, 'r-1') }
    if (thrown instanceof AwsError && call)
      return { error: thrown, response: call.protocol.encodeError(call, thrown, 'r-1') }
    throw thrown
  }
  throw new Error('It was accepted.')
}

const ssm = (body: string | Uint8Array, operation = 'GetParameters'): Request => ({
  headers: { 'x-amz-target': `AmazonSSM.${operation}`, 'content-type': 'application/x-amz-json-1.1', ...scope('ssm') },
  body,
})

const nested = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth)

describe('awsJson', () => {
  const dynamo = (item: string): Request => ({
    headers: { 'x-amz-target': 'DynamoDB_20120810.PutItem', 'content-type': 'application/x-amz-json-1.0' },
    body: `{"TableName":"t","Item":{"k":${item}}}`,
  })
  test.each([
    ['half a document', ssm('{"Names":')],
    ['text after it', ssm('{} {}')],
    ['no UTF-8', ssm(Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d))],
    ['a text as body', ssm('"x"')],
    ['null as body', ssm('null')],
    ['a list as body', ssm('[]')],
    ['a number where a list is', ssm('{"Names":1}')],
    ['a text where a list is', ssm('{"Names":"x"}')],
    ['an object where a list is', ssm('{"Names":{}}')],
    ['a number where a text is', ssm('{"Names":[1]}')],
    ['an object where a text is', ssm('{"Names":[{}]}')],
    ['a text where a boolean is', ssm('{"Names":["x"],"WithDecryption":"yes"}')],
    ['a text where a number is', ssm('{"MaxResults":"10"}', 'DescribeParameters')],
    ['a text where a structure is', ssm('{"Filters":["x"]}', 'DescribeParameters')],
    ['deep nesting', dynamo(`${'{"L":['.repeat(5000)}{"S":"x"}${']}'.repeat(5000)}`)],
    ['deep nesting where nothing is known', ssm(nested('[', ']', 1_000_000))],
    ['no base64', dynamo('{"B":"%%%"}')],
  ])('%s', async (_, request) => {
    const { error, response } = await refusal(request)
    expect(error.code).toBe('SerializationException')
    expect(response.status).toBe(400)
    expect(JSON.parse(String(response.body))).toMatchObject({ __type: 'SerializationException' })
    expect(response.headers['x-amzn-errortype']).toBe('SerializationException')
  })

  test.each(['Timestamp', '"yesterday"', '"2026-02-30T00:00:00Z"', '1e400', 'true', '{}'])(
    'no timestamp: %s',
    async (text) => {
      const request = ssm('', 'SendCommand')
      const { error } = await refusal({
        ...request,
        headers: { ...request.headers, 'x-amz-target': 'GraniteServiceVersion20100801.GetMetricData' },
        body: `{"StartTime":${text}}`,
      })
      expect(error.code).toBe('SerializationException')
    },
  )

  test('__proto__ is a key like any other', async () => {
    const request = wire({
      headers: { 'x-amz-target': 'TrentService.Encrypt', 'content-type': 'application/x-amz-json-1.1' },
      body: '{"__proto__":{"KeyId":"evil"},"EncryptionContext":{"__proto__":"a","constructor":"b"}}',
    })
    const call = await identify(request)
    const input = await call.protocol.decode(call, request, await request.bytes())
    expect(Object.keys(input.EncryptionContext as object)).toEqual(['__proto__', 'constructor'])
    expect((input as { KeyId?: string }).KeyId).toBeUndefined()
    expect(({} as { a?: string }).a).toBeUndefined()
  })

  test('members the model does not know are passed over', async () => {
    const request = wire(ssm('{"Names":["a"],"Surprise":[[[1]]]}'))
    const call = await identify(request)
    expect(await call.protocol.decode(call, request, await request.bytes())).toEqual({ Names: ['a'] })
  })
})

describe('query and ec2', () => {
  const form = (body: string, service = 'iam'): Request => ({
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...scope(service) },
    body,
  })
  test.each([
    ['a bad escape', form('Action=ListUsers&Version=2010-05-08&PathPrefix=%zz'), 'MalformedQueryString'],
    ['no number', form('Action=ListUsers&Version=2010-05-08&MaxItems=abc'), 'MalformedInput'],
    ['no number of a bad kind', form('Action=ListUsers&Version=2010-05-08&MaxItems=0x10'), 'MalformedInput'],
    ['no boolean', form('Action=DescribeInstances&Version=2016-11-15&DryRun=maybe', 'ec2'), 'InvalidParameterValue'],
    ['too many dots', form(`Action=ListUsers&Version=2010-05-08&${'a.'.repeat(500)}=1`), 'MalformedQueryString'],
    [
      'too many parameters',
      form(`Action=ListUsers&Version=2010-05-08&${'a=1&'.repeat(30_000)}`),
      'MalformedQueryString',
    ],
    ['an unknown action', form('Action=MakeCoffee&Version=2010-05-08'), 'InvalidAction'],
    ['a hostile action', form('Action=%3Cscript%3E&Version=2010-05-08'), 'InvalidAction'],
    ['an action of Object', form('Action=constructor&Version=2010-05-08'), 'InvalidAction'],
    ['an unknown version', form('Action=ListUsers&Version=1999-01-01'), 'NoSuchVersion'],
    ['no version', form('Action=ListUsers'), 'MissingParameter'],
  ])('%s', async (_, request, code) => {
    const { error, response } = await refusal(request)
    expect(error.code).toBe(code)
    expect(response.status).toBe(400)
    expect(String(response.body)).toContain(`<Code>${code}</Code>`)
    expect(String(response.body)).not.toContain('<script>')
  })

  test('list indexes need not be dense, and huge ones cost nothing', async () => {
    const request = wire(
      form('Action=DescribeInstances&Version=2016-11-15&InstanceId.999999999=i-b&InstanceId.7=i-a', 'ec2'),
    )
    const call = await identify(request)
    expect(await call.protocol.decode(call, request, await request.bytes())).toEqual({ InstanceIds: ['i-a', 'i-b'] })
  })
})

describe('restXml', () => {
  const put = (body: string | Uint8Array): Request => ({
    method: 'PUT',
    path: '/bucket',
    query: 'versioning',
    headers: scope('s3'),
    body,
  })
  test.each([
    ['no XML', 'hello'],
    ['an open element', '<VersioningConfiguration><Status>'],
    ['crossed elements', '<a><b></a></b>'],
    ['two roots', '<a/><a/>'],
    ['text after the root', '<a/>x'],
    [
      'a document type',
      '<!DOCTYPE a [<!ENTITY x "y">]><VersioningConfiguration><Status>&x;</Status></VersioningConfiguration>',
    ],
    ['an external entity', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'],
    ['an unknown entity', '<VersioningConfiguration><Status>&lol;</Status></VersioningConfiguration>'],
    ['a reference beyond Unicode', '<VersioningConfiguration><Status>&#x110000;</Status></VersioningConfiguration>'],
    ['a bare ampersand', '<VersioningConfiguration><Status>a & b</Status></VersioningConfiguration>'],
    ['deep nesting', nested('<a>', '</a>', 100_000)],
    ['elements in a text', '<VersioningConfiguration><Status><b/></Status></VersioningConfiguration>'],
    ['no UTF-8', Uint8Array.of(0x3c, 0x61, 0xff, 0x3e)],
    ['a half attribute', '<a b="c/>'],
    ['a comment without an end', '<!-- <a/>'],
  ])('%s', async (_, body) => {
    const { error, response } = await refusal(put(body))
    expect(error.code).toBe('MalformedXML')
    expect(response.status).toBe(400)
    expect(String(response.body)).toMatch(/<Error><Code>MalformedXML<\/Code>/)
  })

  test('a bad percent escape in the path', async () => {
    const { error, response } = await refusal({ method: 'GET', path: '/bucket/%E0%A4%A', headers: scope('s3') })
    expect(error.code).toBe('InvalidURI')
    expect(response.status).toBe(400)
  })

  test('a header that is no number, a query parameter that is none', async () => {
    expect(
      (await refusal({ method: 'GET', path: '/bucket', query: 'list-type=2&max-keys=abc', headers: scope('s3') })).error
        .code,
    ).toBe('InvalidArgument')
    expect(
      (
        await refusal({
          method: 'PUT',
          path: '/bucket/k',
          headers: { ...scope('s3'), 'x-amz-object-lock-retain-until-date': 'soon' },
        })
      ).error.code,
    ).toBe('InvalidArgument')
  })

  test('what is stored cannot break a header or a body', async () => {
    const request = wire({ method: 'GET', path: '/bucket/k', headers: scope('s3') })
    const call = await identify(request)
    const { headers } = await call.protocol.encode(
      call,
      { CacheControl: 'a\r\nset-cookie: x', Metadata: { k: 'v\nw' } },
      'r',
    )
    expect(headers).toMatchObject({ 'cache-control': 'a set-cookie: x', 'x-amz-meta-k': 'v w' })
    const list = wire({ method: 'GET', path: '/bucket', query: 'list-type=2', headers: scope('s3') })
    const listed = await identify(list)
    const { body } = await listed.protocol.encode(listed, { Contents: [{ Key: 'a<&>\u0001"' }] }, 'r')
    expect(String(body)).toContain('<Key>a&lt;&amp;&gt;&#x1;&quot;</Key>')
  })
})

describe('restJson', () => {
  const create = (body: string, path = '/2015-03-31/functions'): Request => ({ path, headers: scope('lambda'), body })
  test.each([
    ['no JSON', create('{"FunctionName"')],
    ['a number where a text is', create('{"FunctionName":1}')],
    ['a text where a structure is', create('{"Code":"x"}')],
    ['no base64', create('{"Code":{"ZipFile":"*"}}')],
  ])('%s', async (_, request) => {
    const { error, response } = await refusal(request)
    expect(error.code).toBe('SerializationException')
    expect(response.headers['x-amzn-errortype']).toBe('SerializationException')
    expect(response.status).toBe(400)
  })
  test('a query parameter that is no number', async () => {
    const { error } = await refusal({
      method: 'GET',
      path: '/2015-03-31/functions/',
      query: 'MaxItems=abc',
      headers: scope('lambda'),
    })
    expect(error.code).toBe('SerializationException')
  })
  test('a bad percent escape, an unknown path, an unknown method', async () => {
    expect(
      (await refusal({ method: 'GET', path: '/2015-03-31/functions/%zz', headers: scope('lambda') })).response.status,
    ).toBe(400)
    expect((await refusal({ method: 'GET', path: '/1999-01-01/nothing', headers: scope('lambda') })).error.code).toBe(
      'UnknownOperationException',
    )
    expect(
      (await refusal({ method: 'PATCH', path: '/2015-03-31/functions', headers: scope('lambda') })).error.code,
    ).toBe('UnknownOperationException')
  })
})

describe('rpcv2Cbor', () => {
  const cbor = (body: Uint8Array, operation = 'ListMetrics'): Request => ({
    path: `/service/GraniteServiceVersion20100801/operation/${operation}`,
    headers: { 'smithy-protocol': 'rpc-v2-cbor', 'content-type': 'application/cbor' },
    body,
  })
  test.each([
    ['an end too early', Uint8Array.of(0xa1, 0x64, 0x4e)],
    ['a map that claims 2^64 entries', Uint8Array.of(0xbb, 255, 255, 255, 255, 255, 255, 255, 255)],
    ['a text that claims 2^32 bytes', Uint8Array.of(0x7b, 0, 0, 0, 1, 0, 0, 0, 0)],
    ['deep nesting', new Uint8Array(100_000).fill(0x81)],
    ['endless nesting', new Uint8Array(100_000).fill(0x9f)],
    ['a break alone', Uint8Array.of(0xff)],
    ['a break as a value', Uint8Array.of(0xa1, 0x61, 0x61, 0xff)],
    ['something after the end', Uint8Array.of(0xa0, 0xa0)],
    ['a number as key', Uint8Array.of(0xa1, 0x01, 0x01)],
    ['a reserved argument', Uint8Array.of(0x1c)],
    ['an unknown simple value', Uint8Array.of(0xe0)],
    ['a text instead of a map', Uint8Array.of(0x61, 0x61)],
    ['a number where a text is', Uint8Array.of(0xa1, 0x69, ...Buffer.from('Namespace'), 0x01)],
    ['no UTF-8 in a text', Uint8Array.of(0xa1, 0x62, 0xff, 0xff, 0x01)],
  ])('%s', async (_, body) => {
    const { error, response } = await refusal(cbor(body))
    expect(error.code).toBe('SerializationException')
    expect(response.status).toBe(400)
    expect(response.headers['smithy-protocol']).toBe('rpc-v2-cbor')
    expect(Buffer.from(response.body as Uint8Array).toString('latin1')).toContain('SerializationException')
  })
  test('an unknown operation', async () => {
    expect((await refusal(cbor(Uint8Array.of(0xa0), 'MakeCoffee'))).error.code).toBe('UnknownOperationException')
  })
})

describe('what means nothing', () => {
  test.each<[string, Request, string, number]>([
    ['an unknown target', { headers: { 'x-amz-target': 'Nonsense.Do' } }, 'NotImplemented', 501],
    ['an empty target', { headers: { 'x-amz-target': '' } }, 'NotImplemented', 501],
    ['an unknown operation of a known target', ssm('{}', 'MakeCoffee'), 'UnknownOperationException', 404],
    ['an operation of Object', ssm('{}', 'constructor'), 'UnknownOperationException', 404],
    ['a service AWS has and we do not', { path: '/', headers: scope('braket') }, 'NotImplemented', 501],
    [
      'a query service we do not have',
      {
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...scope('rds') },
        body: 'Action=DescribeDBInstances&Version=2014-10-31',
      },
      'NotImplemented',
      501,
    ],
    [
      'a query service without an action',
      { headers: { 'content-type': 'application/json', ...scope('iam') }, body: '{}' },
      'MissingAction',
      400,
    ],
    ['a JSON service without a target', { headers: scope('ssm') }, 'UnknownOperationException', 404],
    [
      'a method S3 does not have',
      { method: 'PATCH', path: '/bucket/key', headers: scope('s3') },
      'MethodNotAllowed',
      405,
    ],
  ])('%s', async (_, request, code, status) => {
    const { error, response } = await refusal(request)
    expect(error.code).toBe(code)
    expect(response.status).toBe(status)
  })

  test('random bytes at every door', async () => {
    let state = 7
    const random = (): number => {
      state = (state * 1103515245 + 12345) % 2147483648
      return state
    }
    for (let i = 0; i < 300; i++) {
      const body = Uint8Array.from({ length: random() % 64 }, () => random() % 256)
      for (const request of [
        ssm(body),
        { ...ssm(body), headers: { ...scope('iam'), 'content-type': 'application/x-www-form-urlencoded' } },
        { method: 'PUT', path: '/bucket', query: 'acl', headers: scope('s3'), body },
        { path: '/2015-03-31/functions', headers: scope('lambda'), body },
        {
          path: '/service/GraniteServiceVersion20100801/operation/ListMetrics',
          headers: { 'smithy-protocol': 'rpc-v2-cbor' },
          body,
        },
        { method: 'GET', path: `/${Buffer.from(body).toString('latin1')}`, headers: scope('s3') },
        { method: 'GET', path: '/', query: Buffer.from(body).toString('latin1'), headers: scope('lambda') },
      ])
        await refusal(request).catch((error: unknown) => {
          if (!(error instanceof Error) || error.message !== 'It was accepted.') throw error
        })
    }
  })
})
