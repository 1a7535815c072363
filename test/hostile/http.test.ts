import type { AddressInfo } from 'node:net'
import { IAMClient, ListUsersCommand } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { httpServer } from '../../src/kernel/http.ts'
import { type Story, story } from '../story.ts'
import { type RawRequest, send, signed, wire } from './raw.ts'

// What no client of good will sends. Each ends in an answer or a closed connection, changes nothing, and leaves the
// server as well as it was.

let drydock: Story
let s3: S3Client
const failures: unknown[] = []
const note = (error: unknown) => failures.push(error)
beforeAll(async () => {
  process.on('unhandledRejection', note)
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'hold' }))
  await s3.send(new PutObjectCommand({ Bucket: 'hold', Key: 'big', Body: 'x'.repeat(8 * 1024 * 1024) }))
})
afterAll(async () => {
  process.off('unhandledRejection', note)
  await drydock.close()
})
afterEach(async () => {
  expect(failures).toEqual([])
  expect(drydock.logged.filter((line) => line.includes('internal failure'))).toEqual([])
  expect((await drydock.client(IAMClient).send(new ListUsersCommand({}))).Users).toEqual([])
})

const host = () => new URL(drydock.endpoint).host
const put = (key: string, body: string, payload?: string) =>
  signed(
    drydock.endpoint,
    { method: 'PUT', path: `/hold/${key}`, body },
    { keys: drydock.root, service: 's3', ...(payload ? { payload } : {}) },
  )
const call = (target: string, body: string, service = 'codecommit') =>
  signed(
    drydock.endpoint,
    {
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
      body,
    },
    { keys: drydock.root, service },
  )
const list = (body: string) => call('CodeCommit_20150413.ListRepositories', body)
/** A request as text, its body left to the caller. */
const head = ({ method, path, headers = {} }: RawRequest, more: Record<string, string | number> = {}) =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries({ ...headers, ...more })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
const absent = (Key: string) =>
  expect(s3.send(new HeadObjectCommand({ Bucket: 'hold', Key }))).rejects.toMatchObject({ name: 'NotFound' })
const blobs = async () => (await Array.fromAsync(drydock.server.kernel.blobs.ids())).length

describe('requests that are no requests', () => {
  test('headers without end', async () => {
    const { socket, read } = await wire(drydock.endpoint)
    socket.write(`GET / HTTP/1.1\r\nhost: ${host()}\r\nx-long: ${'a'.repeat(100_000)}`)
    expect(await read()).toMatch(/^HTTP\/1.1 431 /)
  })

  test.each([
    '\0\0\0\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nbad header\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    `POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
    `POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -5\r\n\r\n`,
  ])('%j', async (text) => {
    const { socket, read } = await wire(drydock.endpoint)
    socket.end(text)
    expect(await read()).toMatch(/^(HTTP\/1.1 (400|505) |$)/)
  })

  test('CONNECT is closed, an upgrade is a request like any other', async () => {
    const tunnel = await wire(drydock.endpoint)
    tunnel.socket.write(`CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n`)
    expect(await tunnel.read()).toBe('')
    const upgrade = await wire(drydock.endpoint)
    upgrade.socket.write(`GET /hold HTTP/1.1\r\nhost: ${host()}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`)
    expect(await upgrade.read((text) => text.includes('</Error>'))).toMatch(/^HTTP\/1.1 403 /)
    upgrade.socket.destroy()
  })

  test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'POST', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'QUERY'])(
    '%s on anything is answered below 500',
    async (method) => {
      for (const path of [
        '/',
        '/hold',
        '/hold/big',
        '/_drydock/health',
        '/_drydock/reset',
        '/_drydock/nothing',
        '/_drydock/',
        '/v1/repos/x/info/refs',
        '/service/x/operation/y',
        '/2015-03-31/functions',
        '*',
        '//',
        '/%00',
        '/%',
        '/%zz/%ff',
        '/..%2f..%2fetc',
        '/hold/%E0%A4%A',
        '/?',
        '/?&&==&',
        '/hold?versionId',
        'http://elsewhere.example/hold',
      ]) {
        const { status } = await send(drydock.endpoint, { method, path, headers: { host: host() } })
        expect([path, status < 500 || status === 501]).toEqual([path, true])
      }
    },
  )
})

describe('slow and broken clients', () => {
  test('headers that trickle in are cut off', async () => {
    const server = httpServer(() => undefined, { headersTimeout: 300 })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { socket, read } = await wire(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const trickle = setInterval(() => socket.write('a'), 50)
    socket.write('GET / HTTP/1.1\r\nhost: h\r\nx-slow: ')
    expect(await read()).toMatch(/^HTTP\/1.1 408 /)
    clearInterval(trickle)
    server.close()
  })

  test('an upload that breaks off leaves nothing, whatever its form', async () => {
    const before = await blobs()
    const size = 4 * 1024 * 1024
    const forms = [put('broken', 'x'.repeat(size)), put('broken', 'x'.repeat(size), 'UNSIGNED-PAYLOAD')]
    for (const request of forms) {
      const { socket, read } = await wire(drydock.endpoint)
      socket.write(head(request, { 'content-length': size }))
      await new Promise<void>((resolve) => socket.write('x'.repeat(size / 2), () => resolve()))
      socket.destroy()
      await read()
    }
    const { socket, read } = await wire(drydock.endpoint)
    socket.write(head(put('broken', '', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'), { 'transfer-encoding': 'chunked' }))
    socket.write('5\r\n3\r\nab\r\n')
    socket.destroy()
    await read()
    const listed = new ListObjectsV2Command({ Bucket: 'hold', Prefix: 'broken' })
    await expect.poll(async () => [await blobs(), (await s3.send(listed)).KeyCount]).toEqual([before, 0])
    expect((await s3.send(new ListMultipartUploadsCommand({ Bucket: 'hold' }))).Uploads ?? []).toEqual([])
    await absent('broken')
  })

  test('a body shorter than announced, from a client that waits for the answer', async () => {
    const { socket, read } = await wire(drydock.endpoint)
    const request = list('{}')
    socket.write(`${head(request, { 'content-length': 10 })}{}`)
    socket.end()
    await read()
  })

  test('a client that leaves in the middle of its answer', async () => {
    for (let i = 0; i < 5; i++) {
      const request = signed(
        drydock.endpoint,
        { method: 'GET', path: '/hold/big' },
        { keys: drydock.root, service: 's3' },
      )
      const { socket, read } = await wire(drydock.endpoint)
      socket.write(head(request))
      await read((text) => text.length > 1000)
      socket.destroy()
    }
    expect(drydock.logged.filter((line) => line.includes('broke off'))).toEqual([])
  })
})

describe('bodies', () => {
  test('one larger than the limit is refused before it is sent, and while it is', async () => {
    const request = list('{}')
    const { socket, read } = await wire(drydock.endpoint)
    socket.write(head(request, { 'content-length': 65 * 1024 * 1024 }))
    expect(await read((text) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 413 /)
    socket.destroy()
    const endless = await wire(drydock.endpoint)
    endless.socket.write(head(request, { 'transfer-encoding': 'chunked' }))
    const piece = `100000\r\n${'x'.repeat(0x100000)}\r\n`
    for (let sent = 0; sent < 66; sent++)
      if (!endless.socket.write(piece)) await new Promise<void>((resolve) => endless.socket.once('drain', resolve))
    expect(await endless.read((text) => text.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 413 /)
    endless.socket.destroy()
  })

  test('a refused client that waits for 100 is not told to send, and hears why at once', async () => {
    for (const request of [put('denied', 'body', 'UNSIGNED-PAYLOAD'), list('{}')]) {
      const wrong = {
        ...request,
        headers: {
          ...request.headers,
          authorization: request.headers?.authorization?.replace(/.$/, (c) => (c === '0' ? '1' : '0')) ?? '',
        },
      }
      const { socket, read } = await wire(drydock.endpoint)
      socket.write(head(wrong, { 'content-length': 4, expect: '100-continue' }))
      const text = await read()
      if (request.method === 'PUT') expect(text).toMatch(/^HTTP\/1.1 403 /)
      expect(text).toMatch(/SignatureDoesNotMatch|InvalidSignatureException/)
      socket.destroy()
    }
    const allowed = await wire(drydock.endpoint)
    allowed.socket.write(
      head(put('waited', 'body', 'UNSIGNED-PAYLOAD'), { 'content-length': 4, expect: '100-continue' }),
    )
    await allowed.read((text) => text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'))
    allowed.socket.write('body')
    expect(await allowed.read((text) => /HTTP\/1.1 200 /.test(text))).toContain('HTTP/1.1 200 ')
    allowed.socket.destroy()
  })

  test('a refused upload is answered, and its connection goes on to the next request', async () => {
    const size = 3 * 1024 * 1024
    const body = 'x'.repeat(size)
    const nowhere = (payload?: string) =>
      signed(
        drydock.endpoint,
        { method: 'PUT', path: '/no-such-bucket/k', body },
        { keys: drydock.root, service: 's3', ...(payload ? { payload } : {}) },
      )
    const forged = put('forged', body)
    const refused: [RawRequest, number][] = [
      [nowhere(), 404],
      [nowhere('UNSIGNED-PAYLOAD'), 404],
      [{ ...forged, headers: { ...forged.headers, 'x-amz-meta-added': '1' } }, 403],
      [nowhere('STREAMING-UNSIGNED-PAYLOAD-TRAILER'), 404],
    ]
    for (const [request, status] of refused) {
      const { socket, read } = await wire(drydock.endpoint)
      socket.write(head(request, { 'content-length': size }))
      socket.write(body)
      const first = await read((text) => text.includes('</Error>'))
      expect(first).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      if (/connection: close/i.test(first)) continue
      socket.write(head(list('{}'), { 'content-length': 2 }))
      socket.write('{}')
      expect(await read((text) => text.includes('"repositories"'))).toContain('HTTP/1.1 200 ')
      socket.destroy()
    }
  })

  test('a wrong hash that nobody reads ends nothing', async () => {
    const request = signed(
      drydock.endpoint,
      { method: 'PUT', path: '/no-such-bucket/k', body: 'one' },
      { keys: drydock.root, service: 's3' },
    )
    expect((await send(drydock.endpoint, { ...request, body: 'two' })).status).toBeLessThan(500)
  })

  test('pipelined requests are answered in order', async () => {
    const { socket, read } = await wire(drydock.endpoint)
    const one = `${head(list('{}'), { 'content-length': 2 })}{}`
    const two = head({ method: 'GET', path: '/_drydock/clock', headers: { host: host() } })
    socket.write(one + two + one)
    const text = await read((all) => (all.match(/HTTP\/1.1 200/g) ?? []).length === 3 && all.trimEnd().endsWith('}'))
    expect(text.indexOf('"repositories"')).toBeLessThan(text.indexOf('"now"'))
    expect(text.indexOf('"now"')).toBeLessThan(text.lastIndexOf('"repositories"'))
    socket.destroy()
  })
})

describe('contents', () => {
  test('JSON that is too deep, not UTF-8, or would reach a prototype', async () => {
    expect(await send(drydock.endpoint, list(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`))).toMatchObject({
      status: expect.toSatisfy((status: number) => status < 500),
    })
    expect(await send(drydock.endpoint, list('['.repeat(100_000)))).toMatchObject({ code: 'SerializationException' })
    const deepTags = `{"repositoryName":"r","tags":${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}}`
    expect(await send(drydock.endpoint, call('CodeCommit_20150413.CreateRepository', deepTags))).toMatchObject({
      code: 'SerializationException',
    })
    expect(
      await send(
        drydock.endpoint,
        call('CodeCommit_20150413.CreateRepository', '{"__proto__":{"repositoryName":"stolen"}}'),
      ),
    ).toMatchObject({ status: 400 })
    const made = '{"repositoryName":"mine","tags":{"__proto__":"x","constructor":"y"}}'
    expect((await send(drydock.endpoint, call('CodeCommit_20150413.CreateRepository', made))).status).toBeLessThan(500)
    expect(({} as Record<string, unknown>).repositoryName).toBeUndefined()
  })

  test('forms with millions of places, and names of prototypes', async () => {
    const form = (body: string) =>
      signed(
        drydock.endpoint,
        { method: 'POST', path: '/', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body },
        { keys: drydock.root, service: 'iam' },
      )
    for (const body of [
      'Action=CreateUser&Version=2010-05-08&UserName=a&Tags.member.99999999.Key=x',
      `Action=CreateUser&Version=2010-05-08&Tags.member.1.${'Key.'.repeat(10_000)}x=1`,
      'Action=__proto__&Version=2010-05-08',
      'Action=constructor&Version=2010-05-08',
      'Action=ListUsers&Version=__proto__',
      'Action=CreateUser&Version=2010-05-08&__proto__.UserName=x',
      `Action=CreateUser&Version=2010-05-08&UserName=${'%'.repeat(1000)}`,
    ]) {
      const { status } = await send(drydock.endpoint, form(body))
      expect([body.slice(0, 80), status]).toEqual([
        body.slice(0, 80),
        expect.toSatisfy((found: number) => found >= 400 && found < 500),
      ])
    }
  })

  test('XML with entities or a document type is refused', async () => {
    const bomb = `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "${'x'.repeat(100)}"><!ENTITY c "&b;&b;&b;&b;">]><Tagging><TagSet><Tag><Key>&c;</Key><Value>v</Value></Tag></TagSet></Tagging>`
    const request = signed(
      drydock.endpoint,
      { method: 'PUT', path: '/hold', query: 'tagging=', body: bomb },
      { keys: drydock.root, service: 's3' },
    )
    expect(await send(drydock.endpoint, request)).toMatchObject({ code: 'MalformedXML' })
    const file = signed(
      drydock.endpoint,
      {
        method: 'PUT',
        path: '/hold',
        query: 'tagging=',
        body: bomb.replace(/<!ENTITY b[^>]*>/, '<!ENTITY b SYSTEM "file:///etc/passwd">'),
      },
      { keys: drydock.root, service: 's3' },
    )
    expect((await send(drydock.endpoint, file)).text).not.toContain('root:')
  })

  test('patterns that would run for ever', async () => {
    const began = performance.now()
    const evil = `${'*a'.repeat(400)}*b`
    const pattern = (value: unknown) =>
      JSON.stringify({
        EventPattern: JSON.stringify({ detail: { name: [value] } }),
        Event: JSON.stringify({
          id: '1',
          'detail-type': 't',
          source: 's',
          account: '1',
          time: '2026-01-01T00:00:00Z',
          region: 'r',
          resources: [],
          detail: { name: 'a'.repeat(2_000) },
        }),
      })
    await send(drydock.endpoint, call('AWSEvents.TestEventPattern', pattern({ wildcard: evil }), 'events'))
    const filter = JSON.stringify({
      filterPattern: `%${'(a+)+'.repeat(10)}$%`,
      logEventMessages: [`${'a'.repeat(5_000)}!`],
    })
    await send(drydock.endpoint, call('Logs_20140328.TestMetricFilter', filter, 'logs'))
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: `s3:${evil}`,
          Resource: `arn:aws:s3:::${evil}`,
          Condition: { StringLike: { 'aws:UserAgent': evil } },
        },
      ],
    })
    const simulate = new URLSearchParams({
      Action: 'SimulateCustomPolicy',
      Version: '2010-05-08',
      'PolicyInputList.member.1': policy,
      'ActionNames.member.1': 's3:GetObject',
      'ResourceArns.member.1': `arn:aws:s3:::${'a'.repeat(1_500)}`,
    })
    const { status } = await send(
      drydock.endpoint,
      signed(
        drydock.endpoint,
        {
          method: 'POST',
          path: '/',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: simulate.toString(),
        },
        { keys: drydock.root, service: 'iam' },
      ),
    )
    expect(status).toBeLessThan(500)
    expect(performance.now() - began).toBeLessThan(3_000)
  })
})

describe('Drydock’s own doors', () => {
  test('nothing that changes anything opens without root’s signature', async () => {
    const headers = { host: host(), 'content-type': 'application/json' }
    for (const [path, body] of [
      ['/_drydock/reset', ''],
      ['/_drydock/clock', '{"advance":1000}'],
      ['/_drydock/snapshot', '{"action":"save","name":"x"}'],
    ] as const)
      expect(await send(drydock.endpoint, { method: 'POST', path, headers, body }), path).toMatchObject({
        status: 403,
        code: 'MissingAuthenticationTokenException',
      })
    expect((await s3.send(new ListObjectsV2Command({ Bucket: 'hold' }))).KeyCount).toBeGreaterThan(0)
  })

  test('others’ signatures do not open them', async () => {
    const own = await story()
    const keys = await own.user('admin', [
      { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] },
    ])
    const request = signed(own.endpoint, { method: 'POST', path: '/_drydock/reset' }, { keys, service: 'drydock' })
    expect(await send(own.endpoint, request)).toMatchObject({ status: 403, code: 'AccessDeniedException' })
    expect(
      await send(
        own.endpoint,
        signed(own.endpoint, { method: 'POST', path: '/_drydock/reset' }, { keys: own.root, service: 'drydock' }),
      ),
    ).toMatchObject({ status: 200 })
    await own.close()
  })

  test('doors that are not there, and methods they do not take', async () => {
    expect(
      await send(drydock.endpoint, { method: 'GET', path: '/_drydock/nothing', headers: { host: host() } }),
    ).toMatchObject({ status: 404 })
    expect(
      await send(drydock.endpoint, { method: 'GET', path: '/_drydock/reset', headers: { host: host() } }),
    ).toMatchObject({ status: 405 })
    expect(
      await send(drydock.endpoint, { method: 'HEAD', path: '/_drydock/health', headers: { host: host() } }),
    ).toMatchObject({ status: 200, text: '' })
    const root = (body: string) =>
      send(
        drydock.endpoint,
        signed(
          drydock.endpoint,
          { method: 'POST', path: '/_drydock/snapshot', body },
          { keys: drydock.root, service: 'drydock' },
        ),
      )
    for (const body of [
      '',
      'null',
      '{"action":"save","name":"../x"}',
      '{"action":"save","name":".x"}',
      '{"action":"erase","name":"x"}',
      '{"action":"save","name":"x","more":1}',
    ])
      expect(await root(body), body).toMatchObject({ status: 400 })
    expect(await root('{"action":"restore","name":"never-saved"}')).toMatchObject({ status: 404 })
  })
})

test('an answer whose bytes are gone is broken off, not ended, and said in the log', async () => {
  const own = await story({ durable: true })
  const client = own.client(S3Client)
  await client.send(new CreateBucketCommand({ Bucket: 'hold' }))
  await client.send(new PutObjectCommand({ Bucket: 'hold', Key: 'k', Body: 'x'.repeat(300_000) }))
  for await (const id of own.server.kernel.blobs.ids()) await own.server.kernel.blobs.delete(id)
  const get = signed(own.endpoint, { method: 'GET', path: '/hold/k' }, { keys: own.root, service: 's3' })
  await expect(send(own.endpoint, get)).rejects.toThrow()
  expect(own.logged.filter((line) => line.includes('an answer broke off'))).toHaveLength(1)
  expect((await client.send(new ListObjectsV2Command({ Bucket: 'hold' }))).KeyCount).toBe(1)
  await own.close()
})
