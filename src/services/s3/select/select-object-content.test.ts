import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  SelectObjectContentCommand,
  type SelectObjectContentCommandInput,
  type SelectObjectContentEventStream,
} from '@aws-sdk/client-s3'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../../test/story.ts'

const Bucket = 'selected'
let drydock: Story
let s3: S3Client
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket }))
})
afterAll(() => drydock.close())

const put = (Key: string, Body: string | Uint8Array, more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const ask = async (
  Key: string,
  Expression: string,
  more: Partial<SelectObjectContentCommandInput> = {},
  client = s3,
) => {
  const { Payload } = await client.send(
    new SelectObjectContentCommand({
      Bucket,
      Key,
      Expression,
      ExpressionType: 'SQL',
      InputSerialization: { CSV: { FileHeaderInfo: 'USE' } },
      OutputSerialization: { CSV: {} },
      ...more,
    }),
  )
  return Payload ?? []
}
const eventsOf = async (...asked: Parameters<typeof ask>) => {
  const events: SelectObjectContentEventStream[] = []
  for await (const event of await ask(...asked)) events.push(event)
  return events
}
const textOf = (events: readonly SelectObjectContentEventStream[]) =>
  Buffer.concat(events.map(({ Records }) => Records?.Payload ?? Buffer.alloc(0))).toString()
const select = async (...asked: Parameters<typeof ask>) => textOf(await eventsOf(...asked))

const people = 'id,name\n1,Ann\n2,Bob\n3,Cy\n'

test('records come as events, then what it took, then the end', async () => {
  await put('people.csv', people)
  const events = await eventsOf('people.csv', "SELECT name FROM S3Object WHERE id <> '2'", {
    RequestProgress: { Enabled: true },
  })
  expect(textOf(events)).toBe('Ann\nCy\n')
  const details = { BytesScanned: 25, BytesProcessed: 25, BytesReturned: 7 }
  expect(events.slice(1)).toEqual([{ Progress: { Details: details } }, { Stats: { Details: details } }, { End: {} }])
  expect(
    (await eventsOf('people.csv', "SELECT * FROM S3Object WHERE id = '9'")).map((event) => Object.keys(event)[0]),
  ).toEqual(['Stats', 'End'])
})

test('formats, compression and settings', async () => {
  await put('people.json', '{"id":1,"name":"Ann"}\n{"id":2,"name":"Bob"}\n')
  await put('people.csv.gz', gzipSync(people))
  await put('semi.csv', "1;'a''b\n';x|2;c;y|")
  const json = {
    InputSerialization: { JSON: { Type: 'LINES' } },
    OutputSerialization: { JSON: { RecordDelimiter: ';' } },
  } as const
  expect(await select('people.json', 'SELECT s.name FROM S3Object s WHERE s.id > 1', json)).toBe('{"name":"Bob"};')
  expect(
    await select('people.csv.gz', 'SELECT COUNT(*) FROM S3Object', {
      InputSerialization: { CSV: { FileHeaderInfo: 'IGNORE' }, CompressionType: 'GZIP' },
    }),
  ).toBe('3\n')
  expect(
    await select('semi.csv', 'SELECT s._2, s._1 FROM S3Object s', {
      InputSerialization: {
        CSV: { FieldDelimiter: ';', RecordDelimiter: '|', QuoteCharacter: "'", QuoteEscapeCharacter: "'" },
      },
      OutputSerialization: {
        CSV: { FieldDelimiter: '\t', RecordDelimiter: '!', QuoteFields: 'ALWAYS', QuoteCharacter: '*' },
      },
    }),
  ).toBe("*a'b\n*\t*1*!*c*\t*2*!")
})

test('an object of Parquet, of which only the columns in question are read', async () => {
  const rows = Array.from({ length: 20_000 }, (_, index) => index)
  const file = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: Int32Array.from(rows), type: 'INT32' },
      { name: 'text', data: rows.map((row) => `${row}${'-'.repeat(40)}`), type: 'STRING' },
    ],
    codec: 'UNCOMPRESSED',
    rowGroupSize: 5000,
  })
  await put('rows.parquet', Buffer.from(file))
  const parquet = { InputSerialization: { Parquet: {} } }
  const events = await eventsOf('rows.parquet', 'SELECT id FROM S3Object WHERE id >= 19998', parquet)
  expect(textOf(events)).toBe('19998\n19999\n')
  const stats = events.at(-2)?.Stats?.Details
  expect(stats?.BytesScanned).toBeGreaterThan(80_000)
  expect(stats?.BytesScanned).toBeLessThan(200_000)
  expect(stats?.BytesReturned).toBe(12)
  const all = await select('rows.parquet', 'SELECT * FROM S3Object', { ...parquet, OutputSerialization: { JSON: {} } })
  expect(all.split('\n').slice(-2)).toEqual([`{"id":19999,"text":"19999${'-'.repeat(40)}"}`, ''])
})

test('a scan takes the records that begin in it, by their header', async () => {
  await put('scanned.csv', people)
  const scan = (ScanRange: { Start?: number; End?: number }) =>
    select('scanned.csv', 'SELECT id FROM S3Object', { ScanRange })
  expect(await scan({ Start: 0, End: 10 })).toBe('1\n')
  expect(await scan({ Start: 9 })).toBe('2\n3\n')
  expect(await scan({ Start: 14, End: 14 })).toBe('2\n')
  expect(await scan({ End: 5 })).toBe('3\n')
  await expect(scan({ Start: 20, End: 10 })).rejects.toMatchObject({ name: 'InvalidScanRange' })
  await expect(scan({ Start: 100 })).rejects.toMatchObject({ name: 'InvalidScanRange' })
  await expect(
    select('scanned.csv', 'SELECT * FROM S3Object', {
      ScanRange: { Start: 1 },
      InputSerialization: { CSV: {}, CompressionType: 'GZIP' },
    }),
  ).rejects.toMatchObject({ name: 'UnsupportedScanRangeInput' })
})

test('what is wrong is the answer’s error', async () => {
  await put('wrong.csv', people)
  const errors: [string, Partial<SelectObjectContentCommandInput>, string][] = [
    ['SELECT', {}, 'ParseEmptySelect'],
    ['SELECT x FROM S3Object', {}, 'MissingHeaders'],
    ['SELECT CAST(name AS INT) FROM S3Object', {}, 'CastFailed'],
    ['SELECT * FROM S3Object', { ExpressionType: 'PYTHON' as 'SQL' }, 'InvalidExpressionType'],
    ['SELECT * FROM S3Object', { InputSerialization: {} }, 'InvalidDataSource'],
    [
      'SELECT * FROM S3Object',
      { InputSerialization: { CSV: {}, JSON: { Type: 'LINES' } } },
      'ObjectSerializationConflict',
    ],
    ['SELECT * FROM S3Object', { InputSerialization: { Parquet: {} } }, 'ParquetParsingError'],
    [
      'SELECT * FROM S3Object',
      { InputSerialization: { Parquet: {}, CompressionType: 'GZIP' } },
      'InvalidRequestParameter',
    ],
    ['SELECT * FROM S3Object', { InputSerialization: { JSON: {} } }, 'InvalidJsonType'],
    ['SELECT * FROM S3Object', { InputSerialization: { CSV: { FieldDelimiter: 'ab' } } }, 'InvalidRequestParameter'],
    [
      'SELECT * FROM S3Object',
      { InputSerialization: { CSV: {}, CompressionType: 'BZIP2' } },
      'InvalidCompressionFormat',
    ],
    ['SELECT * FROM S3Object', { OutputSerialization: {} }, 'MissingRequiredParameter'],
    ['SELECT * FROM S3Object', { OutputSerialization: { CSV: {}, JSON: {} } }, 'ObjectSerializationConflict'],
  ]
  for (const [expression, more, name] of errors)
    await expect(select('wrong.csv', expression, more)).rejects.toMatchObject({ name })
  await expect(select('nowhere.csv', 'SELECT * FROM S3Object')).rejects.toMatchObject({ name: 'NoSuchKey' })
})

test('what goes wrong after the first records is an event of the stream', async () => {
  await put('late.csv', `${'1,yes\n'.repeat(50_000)}x,no\n`)
  const events: SelectObjectContentEventStream[] = []
  const reading = async () => {
    for await (const event of await ask('late.csv', 'SELECT CAST(_1 AS INT) FROM S3Object', {
      InputSerialization: { CSV: {} },
    }))
      events.push(event)
  }
  await expect(reading()).rejects.toThrow('An attempt to convert from one data type to another using CAST failed')
  expect(textOf(events).length).toBeGreaterThanOrEqual(65_536)
})

test('large objects are read as they are asked for, and left when enough has been found', async () => {
  const row = `${'a'.repeat(90)},${'b'.repeat(9)}\n`
  await put('large.csv', row.repeat(100_000))
  const events = await eventsOf('large.csv', 'SELECT _2 FROM S3Object LIMIT 3', { InputSerialization: { CSV: {} } })
  expect(textOf(events)).toBe(`${'b'.repeat(9)}\n`.repeat(3))
  expect(events.at(-2)?.Stats?.Details?.BytesScanned).toBeLessThan(2_000_000)
  const all = await eventsOf('large.csv', 'SELECT _1 FROM S3Object', {
    InputSerialization: { CSV: {} },
    RequestProgress: { Enabled: true },
  })
  expect(all.at(-2)?.Stats?.Details).toEqual({
    BytesScanned: 10_100_000,
    BytesProcessed: 10_100_000,
    BytesReturned: 9_100_000,
  })
  expect(all.filter(({ Progress }) => Progress).length).toBeGreaterThan(5)
  // Who goes away in the midst of it leaves nothing behind that would hinder the next.
  for await (const { Records } of await ask('large.csv', 'SELECT _1 FROM S3Object', {
    InputSerialization: { CSV: {} },
  }))
    if (Records) break
  expect(await select('large.csv', 'SELECT COUNT(*) FROM S3Object', { InputSerialization: { CSV: {} } })).toBe(
    '100000\n',
  )
})

test('objects under KMS and customers’ keys, for who may use those', async () => {
  const kms = drydock.client(KMSClient)
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  await put('kms.csv', people, { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyMetadata?.Arn })
  expect(await select('kms.csv', 'SELECT COUNT(*) FROM S3Object')).toBe('3\n')
  const reader = drydock.client(S3Client, await drydock.user('reader', [allow('s3:GetObject')]))
  await expect(select('kms.csv', 'SELECT * FROM S3Object', {}, reader)).rejects.toMatchObject({ name: 'AccessDenied' })

  await s3.send(
    new PutBucketEncryptionCommand({
      Bucket,
      ServerSideEncryptionConfiguration: {
        Rules: [
          {
            ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
            BlockedEncryptionTypes: { EncryptionType: ['NONE'] },
          },
        ],
      },
    }),
  )
  const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: randomBytes(32).toString('base64') }
  await put('own.csv', people, customer)
  expect(await select('own.csv', 'SELECT COUNT(*) FROM S3Object', customer)).toBe('3\n')
  await expect(select('own.csv', 'SELECT * FROM S3Object')).rejects.toMatchObject({ name: 'InvalidRequest' })
})

test('it takes the right to read the object, and a class that can be asked', async () => {
  await put('secret.csv', people)
  const lister = drydock.client(S3Client, await drydock.user('lister', [allow('s3:ListBucket')]))
  const reader = drydock.client(S3Client, await drydock.user('object-reader', [allow('s3:GetObject')]))
  await expect(select('secret.csv', 'SELECT * FROM S3Object', {}, lister)).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  expect(await select('secret.csv', 'SELECT COUNT(*) FROM S3Object', {}, reader)).toBe('3\n')
  for (const StorageClass of ['GLACIER', 'DEEP_ARCHIVE', 'REDUCED_REDUNDANCY'] as const) {
    await put('cold.csv', people, { StorageClass })
    await expect(select('cold.csv', 'SELECT * FROM S3Object')).rejects.toMatchObject({
      name: 'UnsupportedStorageClass',
    })
  }
})
