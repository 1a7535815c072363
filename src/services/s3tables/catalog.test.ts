import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { CreateTableBucketCommand, GetTableMetadataLocationCommand, S3TablesClient } from '@aws-sdk/client-s3tables'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { send, signed } from '../../../test/hostile/raw.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let arn: string
let names = 0
beforeAll(async () => {
  drydock = await story()
  arn = (await drydock.client(S3TablesClient).send(new CreateTableBucketCommand({ name: 'lake' }))).arn ?? ''
})
afterAll(() => drydock.close())

type Answer = { readonly status: number; readonly body: Record<string, unknown>; readonly text: string }

const ask = async (
  method: string,
  path: string,
  { body, keys = drydock.root, query = '' }: { body?: unknown; keys?: Keys; query?: string } = {},
): Promise<Answer> => {
  const sent = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  const request = { method, path: `/iceberg/v1${path}`, query, ...(sent === undefined ? {} : { body: sent }) }
  const { status, text } = await send(
    drydock.endpoint,
    signed(drydock.endpoint, request, { keys, service: 's3tables' }),
  )
  return { status, text, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}
const within = (path: string): string => `/${encodeURIComponent(arn)}${path}`
const errorOf = ({ status, body }: Answer) => [status, (body.error as { type?: string } | undefined)?.type]

const schema = { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'id', type: 'long', required: false }] }

/** A table in a namespace of this test's own. */
const makeTable = async () => {
  const namespace = `n${++names}`
  await ask('POST', within('/namespaces'), { body: { namespace: [namespace] } })
  const path = within(`/namespaces/${namespace}/tables`)
  const made = await ask('POST', path, { body: { name: 'orders', schema } })
  expect(made.status).toBe(200)
  return { namespace, path: `${path}/orders`, made: made.body }
}

test('a client is told the prefix and where files are', async () => {
  const { status, body } = await ask('GET', '/config', { query: `warehouse=${encodeURIComponent(arn)}` })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    overrides: { prefix: encodeURIComponent(arn) },
    defaults: { 's3.endpoint': drydock.endpoint, 's3.delete-enabled': 'false' },
  })
  expect(body.endpoints).toContain('POST /v1/{prefix}/namespaces/{namespace}/tables/{table}')
  expect(errorOf(await ask('GET', '/config'))).toEqual([400, 'BadRequestException'])
  const other = encodeURIComponent(`${arn}-of-nobody`)
  expect(errorOf(await ask('GET', '/config', { query: `warehouse=${other}` }))).toEqual([404, 'NotFoundException'])
})

test('namespaces and tables come and go in the specification’s words', async () => {
  const { namespace, path } = await makeTable()
  const listed = await ask('GET', within('/namespaces'))
  expect(listed.body.namespaces).toContainEqual([namespace])
  expect((await ask('GET', within(`/namespaces/${namespace}`))).body).toEqual({
    namespace: [namespace],
    properties: { owner: drydock.account },
  })
  expect((await ask('HEAD', path)).status).toBe(204)
  expect((await ask('HEAD', within('/namespaces/none'))).status).toBe(404)
  expect((await ask('GET', within(`/namespaces/${namespace}/tables`))).body.identifiers).toEqual([
    { namespace: [namespace], name: 'orders' },
  ])
  expect(errorOf(await ask('DELETE', within(`/namespaces/${namespace}`)))).toEqual([409, 'NamespaceNotEmptyException'])
  const target = { namespace: [namespace], name: 'bills' }
  const source = { namespace: [namespace], name: 'orders' }
  expect((await ask('POST', within('/tables/rename'), { body: { source, destination: target } })).status).toBe(204)
  expect(errorOf(await ask('GET', path))).toEqual([404, 'NoSuchTableException'])
  const renamed = within(`/namespaces/${namespace}/tables/bills`)
  expect(errorOf(await ask('DELETE', renamed))).toEqual([400, 'BadRequestException'])
  expect((await ask('DELETE', renamed, { query: 'purgeRequested=true' })).status).toBe(204)
  expect((await ask('DELETE', within(`/namespaces/${namespace}`))).status).toBe(204)
  expect(errorOf(await ask('GET', within(`/namespaces/${namespace}`)))).toEqual([404, 'NoSuchNamespaceException'])
})

test('what the endpoint does not do it refuses', async () => {
  const { namespace, path } = await makeTable()
  const tables = within(`/namespaces/${namespace}/tables`)
  const badRequest = [400, 'BadRequestException']
  for (const body of [
    { name: 'staged', schema, 'stage-create': true },
    { name: 'placed', schema, location: 's3://elsewhere/x' },
    { name: 'v3', schema, properties: { 'format-version': '3' } },
    { name: 'none' },
    'no JSON',
    `{"name":${'['.repeat(200)}${']'.repeat(200)}}`,
  ])
    expect(errorOf(await ask('POST', tables, { body }))).toEqual(badRequest)
  expect(errorOf(await ask('POST', within('/namespaces'), { body: { namespace: ['a', 'b'] } }))).toEqual(badRequest)
  expect(errorOf(await ask('POST', tables, { body: { name: 'orders', schema } }))).toEqual([
    409,
    'AlreadyExistsException',
  ])
  expect(errorOf(await ask('POST', within('/transactions/commit'), { body: {} }))).toEqual([
    406,
    'UnsupportedOperationException',
  ])
  expect(errorOf(await ask('POST', path, { body: { updates: [{ action: 'add-schema', schema: {} }] } }))).toEqual(
    badRequest,
  )
})

test('a commit applies where its requirements hold, and the next on the same base does not', async () => {
  const { path, made } = await makeTable()
  const uuid = (made.metadata as { 'table-uuid': string })['table-uuid']
  // Whole numbers of 64 bits come back as they were.
  const id = '9223372036854775807'
  const snapshot = `{"snapshot-id":${id},"sequence-number":1,"timestamp-ms":1,"manifest-list":"s3://x/y.avro","summary":{"operation":"append"}}`
  const body = `{
    "requirements":[{"type":"assert-table-uuid","uuid":"${uuid}"},{"type":"assert-ref-snapshot-id","ref":"main","snapshot-id":null}],
    "updates":[{"action":"add-snapshot","snapshot":${snapshot}},{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":${id}}]
  }`
  const committed = await ask('POST', path, { body })
  expect(committed.status).toBe(200)
  expect(committed.text).toContain(`"current-snapshot-id":${id}`)
  expect(committed.body['metadata-location']).toMatch(/\/metadata\/00001-[0-9a-f-]{36}\.metadata\.json$/)
  const again = await ask('POST', path, { body })
  expect(errorOf(again)).toEqual([409, 'CommitFailedException'])
  const { text } = await ask('GET', path)
  expect(text).toContain(`"current-snapshot-id":${id}`)
  expect(text).toContain(`"metadata-log":[{"timestamp-ms"`)
})

test('commits at once do not lose each other', async () => {
  const { path } = await makeTable()
  const set = (key: string) =>
    ask('POST', path, { body: { updates: [{ action: 'set-properties', updates: { [key]: 'x' } }] } })
  const keys = ['a', 'b', 'c', 'd', 'e']
  const answers = await Promise.all(keys.map(set))
  const applied = keys.filter((_, at) => answers[at]?.status === 200)
  expect(applied.length).toBeGreaterThan(0)
  for (const answer of answers.filter(({ status }) => status !== 200))
    expect(errorOf(answer)).toEqual([409, 'CommitFailedException'])
  const { metadata } = (await ask('GET', path)).body as { metadata: { properties: object } }
  expect(Object.keys(metadata.properties).toSorted()).toEqual(applied)
})

test('schemas evolve: a new one gets the next id, the same one its own', async () => {
  const { path } = await makeTable()
  const wider = { ...schema, fields: [...schema.fields, { id: 2, name: 'name', type: 'string', required: false }] }
  const updates = [
    { action: 'add-schema', schema: wider },
    { action: 'set-current-schema', 'schema-id': -1 },
    { action: 'add-spec', spec: { 'spec-id': 5, fields: [{ 'source-id': 2, transform: 'identity', name: 'name' }] } },
    { action: 'set-default-spec', 'spec-id': -1 },
  ]
  const { body } = await ask('POST', path, { body: { updates } })
  expect(body.metadata).toMatchObject({
    'current-schema-id': 1,
    'last-column-id': 2,
    'default-spec-id': 1,
    'last-partition-id': 1000,
  })
  const back = [
    { action: 'add-schema', schema },
    { action: 'set-current-schema', 'schema-id': -1 },
  ]
  expect((await ask('POST', path, { body: { updates: back } })).body.metadata).toMatchObject({
    'current-schema-id': 0,
    'last-column-id': 2,
    schemas: [{ 'schema-id': 0 }, { 'schema-id': 1 }],
  })
})

test('each step needs the right of the operation it stands for', async () => {
  const { namespace, path } = await makeTable()
  const s3tables = drydock.client(S3TablesClient)
  const named = { tableBucketARN: arn, namespace, name: 'orders' }
  const keysOf = (name: string, ...actions: string[]) =>
    drydock.user(`${name}-${namespace}`, [
      allow(
        actions.map((action) => `s3tables:${action}`),
        [arn, `${arn}/table/*`],
      ),
    ])
  const location = await keysOf('location', 'GetTableMetadataLocation')
  const reader = await keysOf('reader', 'GetTableMetadataLocation', 'GetTableData')
  const body = { updates: [{ action: 'set-properties', updates: { a: 'b' } }] }
  const denied = [403, 'ForbiddenException']
  expect(errorOf(await ask('GET', path, { keys: location }))).toEqual(denied)
  expect((await ask('GET', path, { keys: reader })).status).toBe(200)
  expect(errorOf(await ask('POST', path, { keys: reader, body }))).toEqual(denied)
  const writer = await keysOf('writer', 'GetTableData', 'PutTableData', 'UpdateTableMetadataLocation')
  expect((await ask('POST', path, { keys: writer, body })).status).toBe(200)
  const { metadataLocation } = await s3tables.send(new GetTableMetadataLocationCommand(named))
  expect(metadataLocation).toMatch(/\/00001-/)
  const wrong = { ...drydock.root, secretAccessKey: 'wrong' }
  expect((await ask('GET', path, { keys: wrong })).status).toBe(403)
  const { Events = [] } = await drydock.client(CloudTrailClient).send(
    new LookupEventsCommand({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'UpdateTableMetadataLocation' }],
    }),
  )
  const ours = Events.filter(({ CloudTrailEvent = '' }) => CloudTrailEvent.includes(namespace))
  expect(
    ours.map(({ Username, CloudTrailEvent = '' }) => [Username, CloudTrailEvent.includes('errorCode')]).toSorted(),
  ).toEqual([
    [`reader-${namespace}`, true],
    [`writer-${namespace}`, false],
  ])
})

test('a bucket named iceberg is a bucket all the same', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'iceberg' }))
  const object = { Bucket: 'iceberg', Key: 'v1/config' }
  await s3.send(new PutObjectCommand({ ...object, Body: 'mine' }))
  expect(await (await s3.send(new GetObjectCommand(object))).Body?.transformToString()).toBe('mine')
  const host = { host: 's3tables.us-east-1.localhost' }
  const { status } = await send(drydock.endpoint, { method: 'GET', path: '/iceberg/v1/config', headers: host })
  expect(status).toBe(403)
})
