import {
  type CORSRule,
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  GetBucketCorsCommand,
  PutBucketCorsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

let drydock: Story
let s3: S3Client
const Bucket = 'shared'
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
})
afterAll(() => drydock.close())

const put = (...CORSRules: CORSRule[]) =>
  s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }))
const ask = (headers: Record<string, string>, path = `/${Bucket}/k`, method = 'OPTIONS') =>
  fetch(`${drydock.endpoint}${path}`, { method, headers })
const rule: CORSRule = {
  ID: 'site',
  AllowedOrigins: ['https://*.example.com'],
  AllowedMethods: ['PUT', 'GET'],
  AllowedHeaders: ['content-*', 'X-Amz-Date'],
  ExposeHeaders: ['ETag'],
  MaxAgeSeconds: 60,
}

test('a browser asks first, and is told what the first fitting rule allows', async () => {
  await put(rule)
  const answer = await ask({
    origin: 'https://app.example.com',
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'Content-Type, x-amz-date',
  })
  expect(answer.status).toBe(200)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'access-control-allow-origin': 'https://app.example.com',
    'access-control-allow-methods': 'PUT, GET',
    'access-control-allow-headers': 'content-type, x-amz-date',
    'access-control-expose-headers': 'ETag',
    'access-control-max-age': '60',
    'access-control-allow-credentials': 'true',
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  })
})

test.each<[number, string, Record<string, string>]>([
  [403, 'AccessForbidden', { origin: 'https://example.org', 'access-control-request-method': 'PUT' }],
  [403, 'AccessForbidden', { origin: 'https://a.example.com', 'access-control-request-method': 'DELETE' }],
  [
    403,
    'AccessForbidden',
    {
      origin: 'https://a.example.com',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'x-other',
    },
  ],
  [400, 'BadRequest', { 'access-control-request-method': 'PUT' }],
  [400, 'BadRequest', { origin: 'https://a.example.com' }],
])('%i %s for %j', async (status, code, headers) => {
  await put(rule)
  const answer = await ask(headers)
  expect(answer.status).toBe(status)
  expect(await answer.text()).toContain(`<Code>${code}</Code>`)
})

test('answers to requests themselves carry the headers, denials too', async () => {
  await put({ AllowedOrigins: ['*'], AllowedMethods: ['GET'] })
  const denied = await ask({ origin: 'http://here' }, `/${Bucket}/k`, 'GET')
  expect(denied.status).toBe(403)
  expect(denied.headers.get('access-control-allow-origin')).toBe('*')
  expect(denied.headers.get('access-control-allow-credentials')).toBeNull()
  expect((await ask({}, `/${Bucket}/k`, 'GET')).headers.get('access-control-allow-origin')).toBeNull()
  expect((await ask({ origin: 'http://here' }, `/${Bucket}/k`, 'HEAD')).headers.get('vary')).toBeNull()
})

test('rules come back, and without any no origin is allowed', async () => {
  await put(rule)
  expect((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules).toEqual([rule])
  await s3.send(new DeleteBucketCorsCommand({ Bucket }))
  await expect(s3.send(new GetBucketCorsCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchCORSConfiguration' })
  const answer = await ask({ origin: 'https://a.example.com', 'access-control-request-method': 'PUT' })
  expect(await answer.text()).toContain('CORSResponse: CORS is not enabled for this bucket.')
})

test.each<[string, CORSRule]>([
  ['InvalidRequest', { AllowedOrigins: ['*'], AllowedMethods: ['PATCH'] }],
  ['InvalidRequest', { AllowedOrigins: ['*.*'], AllowedMethods: ['GET'] }],
  ['InvalidRequest', { AllowedOrigins: ['*'], AllowedMethods: ['GET'], ExposeHeaders: ['x-*'] }],
  ['InvalidRequest', { AllowedOrigins: ['*'], AllowedMethods: ['GET'], AllowedHeaders: ['**'] }],
  ['MalformedXML', { AllowedOrigins: [], AllowedMethods: ['GET'] }],
])('%s for %j', async (name, bad) => {
  await expect(put(bad)).rejects.toMatchObject({ name })
})
