import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import {
  CreateBucketCommand,
  DeleteBucketWebsiteCommand,
  DeletePublicAccessBlockCommand,
  GetBucketWebsiteCommand,
  PutBucketPolicyCommand,
  PutBucketWebsiteCommand,
  PutObjectCommand,
  S3Client,
  type WebsiteConfiguration,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'www.example.com'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  const files = {
    'index.html': 'home',
    'docs/index.html': 'docs',
    'error.html': 'sorry',
    'secret/x.html': 'x',
    'a b.txt': 'ab',
  }
  for (const [Key, Body] of Object.entries(files))
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: 'text/html', CacheControl: 'max-age=1' }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'moved', Body: '', WebsiteRedirectLocation: '/docs/' }))
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` },
      { Effect: 'Allow', Principal: '*', Action: 's3:ListBucket', Resource: `arn:aws:s3:::${Bucket}` },
      { Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/secret/*` },
    ],
  })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
})
afterAll(() => drydock.close())

const put = (WebsiteConfiguration: WebsiteConfiguration) =>
  s3.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration }))

/** By host name, without asking a resolver. */
const visit = async (path: string, more: Record<string, string> = {}) => {
  const { method = 'GET', ...headers } = { host: `${Bucket}.s3-website.localhost`, ...more }
  const { port } = new URL(drydock.endpoint)
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) =>
    request({ port, host: '127.0.0.1', path, method, headers }, resolve).on('error', reject).end(),
  )
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) }
}

test('index documents, folders, and what the host may be called', async () => {
  await put({ IndexDocument: { Suffix: 'index.html' } })
  for (const host of [
    `${Bucket}.s3-website.localhost`,
    `${Bucket}.s3-website-us-east-1.amazonaws.com`,
    `${Bucket}.s3-website.eu-central-1.amazonaws.com:80`,
  ])
    expect(await visit('/', { host })).toMatchObject({ status: 200, body: 'home' })
  expect(await visit('/docs/')).toMatchObject({
    body: 'docs',
    headers: { 'content-type': 'text/html', 'cache-control': 'max-age=1' },
  })
  expect(await visit('/docs')).toMatchObject({ status: 302, headers: { location: '/docs/' } })
  expect(await visit('/a%20b.txt')).toMatchObject({ body: 'ab' })
  expect(await visit('/', { method: 'HEAD' })).toMatchObject({
    status: 200,
    body: '',
    headers: { 'content-length': '4' },
  })
  expect(await visit('/', { range: 'bytes=1-2' })).toMatchObject({ status: 206, body: 'om' })
  expect(await visit('/moved')).toMatchObject({ status: 301, headers: { location: '/docs/' } })
  const { headers } = await visit('/')
  expect((await visit('/', { 'if-none-match': String(headers.etag) })).status).toBe(304)
})

test('the same by path on the endpoint', async () => {
  await put({ IndexDocument: { Suffix: 'index.html' } })
  const site = `${drydock.endpoint}/_s3-website/${Bucket}`
  expect(await (await fetch(`${site}/`)).text()).toBe('home')
  const folder = await fetch(`${site}/docs`)
  expect(folder.url).toBe(`${site}/docs/`)
  expect(await folder.text()).toBe('docs')
})

test('errors are pages; an error document comes with the error’s own status', async () => {
  await put({ IndexDocument: { Suffix: 'index.html' } })
  const page = await visit('/none')
  expect(page).toMatchObject({ status: 404, headers: { 'x-amz-error-code': 'NoSuchKey' } })
  expect(page.body).toContain('<h1>404 Not Found</h1>')
  expect(page.body).toContain('<li>Code: NoSuchKey</li>')
  expect(await visit('/secret/%E2%82%AC%0Ax')).toMatchObject({
    status: 403,
    headers: { 'x-amz-error-code': 'AccessDenied' },
  })
  expect((await visit('/secret/x.html')).body).toContain('<li>Code: AccessDenied</li>')
  await put({ IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'error.html' } })
  expect(await visit('/none')).toMatchObject({ status: 404, body: 'sorry' })
  expect(await visit('/secret/x.html')).toMatchObject({ status: 403, body: 'sorry' })
  await put({ IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'gone.html' } })
  expect((await visit('/none')).body).toContain(
    'An Error Occurred While Attempting to Retrieve a Custom Error Document',
  )
  expect(await visit('/', { method: 'POST' })).toMatchObject({ status: 405 })
  expect((await visit('/', { host: 'nothere.s3-website.localhost' })).body).toContain('NoSuchBucket')
})

test('routing rules by prefix and by error; everything elsewhere', async () => {
  await put({
    IndexDocument: { Suffix: 'index.html' },
    RoutingRules: [
      { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'docs/', HttpRedirectCode: '307' } },
      {
        Condition: { HttpErrorCodeReturnedEquals: '404', KeyPrefixEquals: 'x/' },
        Redirect: { HostName: 'example.org', Protocol: 'https', ReplaceKeyWith: 'lost.html' },
      },
    ],
  })
  const own = `http://${Bucket}.s3-website.localhost`
  expect(await visit('/old/a')).toMatchObject({ status: 307, headers: { location: `${own}/docs/a` } })
  expect(await visit('/x/a')).toMatchObject({ status: 301, headers: { location: 'https://example.org/lost.html' } })
  expect(await visit('/y/a')).toMatchObject({ status: 404 })
  await put({ RedirectAllRequestsTo: { HostName: 'example.org' } })
  expect(await visit('/a/b')).toMatchObject({ status: 301, headers: { location: 'http://example.org/a/b' } })
})

test('a configuration comes back, and goes', async () => {
  const document: WebsiteConfiguration = {
    IndexDocument: { Suffix: 'index.html' },
    RoutingRules: [{ Redirect: { HostName: 'example.org' } }],
  }
  await put(document)
  expect(await s3.send(new GetBucketWebsiteCommand({ Bucket }))).toMatchObject(document)
  await s3.send(new DeleteBucketWebsiteCommand({ Bucket }))
  await expect(s3.send(new GetBucketWebsiteCommand({ Bucket }))).rejects.toMatchObject({
    name: 'NoSuchWebsiteConfiguration',
  })
  expect((await visit('/')).body).toContain('<li>Code: NoSuchWebsiteConfiguration</li>')
})

const index = { IndexDocument: { Suffix: 'i' } }
test.each<[string, WebsiteConfiguration]>([
  ['InvalidArgument', {}],
  ['InvalidArgument', { IndexDocument: { Suffix: 'a/b' } }],
  ['InvalidArgument', { ...index, RedirectAllRequestsTo: { HostName: 'a' } }],
  ['InvalidRequest', { ...index, RoutingRules: [{ Redirect: { HttpRedirectCode: '200' } }] }],
  ['InvalidRequest', { ...index, RoutingRules: [{ Redirect: { ReplaceKeyWith: 'a', ReplaceKeyPrefixWith: 'b' } }] }],
  [
    'InvalidRequest',
    { ...index, RoutingRules: [{ Condition: { HttpErrorCodeReturnedEquals: '200' }, Redirect: { HostName: 'a' } }] },
  ],
])('%s for %j', async (name, document) => {
  await expect(put(document)).rejects.toMatchObject({ name })
})
