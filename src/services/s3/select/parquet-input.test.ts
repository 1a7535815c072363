import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, test } from 'vitest'
import { AwsError } from '../../../kernel/errors.ts'
import type { Scan } from './lines.ts'
import { jsonWriter } from './output.ts'
import { selectParquet } from './parquet-input.ts'
import { hybrid } from './parquet-page.ts'
import { parseQuery } from './parser.ts'
import { checkThrift } from './thrift.ts'

const now = new Date('2026-11-23T09:00:00Z')
const write = jsonWriter('\n')

type File = Parameters<typeof parquetWriteBuffer>[0]
type SchemaElement = NonNullable<File['schema']>[number]
const fileOf = (file: File): Buffer =>
  Buffer.from(
    parquetWriteBuffer({ compressors: { GZIP: (bytes) => gzipSync(bytes), ZSTD: (bytes) => bytes }, ...file }),
  )

/** Lines of results, or the error's code; and what was read for them. */
const run = async (expression: string, file: Buffer, scan?: Scan) => {
  const taken = { read: 0, opened: 0, held: 0 }
  const source = {
    size: file.length,
    read: async (start: number, end: number) => Buffer.from(file.subarray(start, end)),
  }
  const lines: string[] = []
  try {
    for await (const step of selectParquet(parseQuery(expression), now, source, taken, scan))
      for (const result of step) if (result) lines.push(write(result))
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    return { text: error.code, taken }
  }
  return { text: lines.join('').trimEnd(), taken }
}
const textOf = async (...asked: Parameters<typeof run>): Promise<string> => (await run(...asked)).text

const people = (more: Partial<File> = {}): File => ({
  columnData: [
    { name: 'id', data: [1n, 2n, 3n, 4n], type: 'INT64', nullable: false },
    { name: 'name', data: ['Ann', null, 'Zoë', 'Ann'], type: 'STRING' },
    { name: 'member', data: [true, null, false, true], type: 'BOOLEAN' },
  ],
  ...more,
})

/** One column of one type: what a value comes to as JSON. */
const column = (element: Omit<SchemaElement, 'name'>, data: unknown[]): Buffer =>
  fileOf({
    columnData: [{ name: 'v', data: data as never }],
    schema: [
      { name: 'root', num_children: 1 },
      { name: 'v', repetition_type: 'OPTIONAL', ...element },
    ],
  })

describe('columns', () => {
  test.each(['UNCOMPRESSED', 'SNAPPY', 'GZIP'] as const)('of codec %s, in several row groups', async (codec) => {
    const file = fileOf(people({ codec, rowGroupSize: 3 }))
    expect(await textOf('SELECT * FROM S3Object', file)).toBe(
      [
        '{"id":1,"name":"Ann","member":true}',
        '{"id":2,"name":null,"member":null}',
        '{"id":3,"name":"Zoë","member":false}',
        '{"id":4,"name":"Ann","member":true}',
      ].join('\n'),
    )
    expect(await textOf("SELECT s.ID FROM S3Object s WHERE s.name = 'Ann' AND s.member", file)).toBe(
      '{"ID":1}\n{"ID":4}',
    )
    expect(await textOf('SELECT COUNT(*), SUM(id), COUNT(name) FROM S3Object', file)).toBe('{"_1":4,"_2":10,"_3":3}')
    expect(await textOf('SELECT id FROM S3Object LIMIT 1', file)).toBe('{"id":1}')
    expect(await textOf('SELECT id FROM S3Object WHERE name IS NULL', file)).toBe('{"id":2}')
  })

  test.each<[string, Omit<SchemaElement, 'name'>, unknown[], string[]]>([
    ['integers', { type: 'INT32' }, [-1, 2147483647, null], ['-1', '2147483647', 'null']],
    [
      'long integers',
      { type: 'INT64' },
      [-(2n ** 63n), 2n ** 63n - 1n],
      ['-9223372036854775808', '9223372036854775807'],
    ],
    ['unsigned', { type: 'INT32', converted_type: 'UINT_32' }, [4294967295], ['4294967295']],
    ['floats', { type: 'DOUBLE' }, [0.5, Number.NaN, Number.POSITIVE_INFINITY], ['0.5', 'null', 'null']],
    [
      'small decimals',
      { type: 'INT32', converted_type: 'DECIMAL', scale: 2, precision: 9 },
      [1.25, -0.05],
      ['1.25', '-0.05'],
    ],
    ['dates', { type: 'INT32', converted_type: 'DATE' }, [new Date('2026-02-28')], ['"2026-02-28T"']],
    [
      'times',
      { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
      [new Date('1969-12-31T23:59:59.001Z')],
      ['"1969-12-31T23:59:59.001Z"'],
    ],
    [
      'times of a place nobody knows',
      { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } },
      [1n],
      ['"1970-01-01T00:00:00.000001-00:00"'],
    ],
    ['unannotated text', { type: 'BYTE_ARRAY' }, [Buffer.from('né')], ['"né"']],
    ['bytes that are no text', { type: 'BYTE_ARRAY' }, [Buffer.from([0xff])], ['InvalidTextEncoding']],
  ])('of %s', async (_, element, data, expected) => {
    const found = await textOf('SELECT v FROM S3Object', column(element, data))
    expect(found.replaceAll(/^\{"v":|\}$/gm, '').split('\n')).toEqual(expected)
  })

  test.each(['PLAIN', 'DELTA_BINARY_PACKED', 'BYTE_STREAM_SPLIT'] as const)('encoded as %s', async (encoding) => {
    const data = Array.from({ length: 300 }, (_, index) => (index * 7919) % 1000)
    const file = fileOf({ columnData: [{ name: 'v', data: Int32Array.from(data), type: 'INT32', encoding }] })
    expect((await textOf('SELECT v FROM S3Object', file)).split('\n')).toEqual(data.map((v) => `{"v":${v}}`))
  })

  test.each(['DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY'] as const)('of text encoded as %s', async (encoding) => {
    const data = Array.from({ length: 300 }, (_, index) => `key-${index % 50}-${'x'.repeat(index % 3)}`)
    const file = fileOf({ columnData: [{ name: 'v', data, type: 'STRING', encoding }] })
    expect((await textOf('SELECT v FROM S3Object', file)).split('\n')).toEqual(data.map((v) => `{"v":"${v}"}`))
  })

  test('pages of many rows, names that come again', async () => {
    const data = Array.from({ length: 20_000 }, (_, index) => `name ${index % 7}`)
    const file = fileOf({ columnData: [{ name: 'v', data, type: 'STRING' }], pageSize: 512, rowGroupSize: 9000 })
    expect(await textOf("SELECT COUNT(*) FROM S3Object WHERE v = 'name 3'", file)).toBe('{"_1":2857}')
  })
})

test('nested fields by their names in the schema; a repeated one has its last value', async () => {
  const file = fileOf({
    columnData: [
      { name: 'tags', data: [['a', 'b'], [], null, ['c']] },
      { name: 'place', data: [{ city: 'Bern' }, { city: null }, null, { city: 'Chur' }] },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'tags', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
      { name: 'place', repetition_type: 'OPTIONAL', num_children: 1 },
      { name: 'city', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
    ],
  })
  expect(await textOf('SELECT * FROM S3Object', file)).toBe(
    [
      '{"tags":{"list":{"element":"b"}},"place":{"city":"Bern"}}',
      '{"tags":{"list":null},"place":{"city":null}}',
      '{"tags":null,"place":null}',
      '{"tags":{"list":{"element":"c"}},"place":{"city":"Chur"}}',
    ].join('\n'),
  )
  expect(
    await textOf('SELECT s.tags."list"."element" AS tag FROM S3Object s WHERE s.place.city = \'Chur\'', file),
  ).toBe('{"tag":"c"}')
})

test('only the columns that a query names are read, and no more of them than it needs', async () => {
  const wide = Array.from({ length: 4000 }, (_, index) => `${index} ${'x'.repeat(500)}`)
  const file = fileOf({
    columnData: [
      { name: 'id', data: Int32Array.from(wide.keys()), type: 'INT32' },
      { name: 'wide', data: wide, type: 'STRING' },
    ],
    codec: 'UNCOMPRESSED',
    rowGroupSize: 1000,
    pageSize: 4096,
  })
  expect(file.length).toBeGreaterThan(2_000_000)
  const narrow = await run('SELECT SUM(id) FROM S3Object', file)
  expect(narrow.text).toBe('{"_1":7998000}')
  expect(narrow.taken.read).toBeLessThan(100_000)
  expect(narrow.taken.held).toBeLessThan(20_000)
  expect((await run('SELECT wide FROM S3Object LIMIT 1', file)).taken.read).toBeLessThan(400_000)
  expect((await run('SELECT COUNT(*) FROM S3Object', file)).taken.opened).toBe(0)
})

test('a scan takes the row groups that begin in it', async () => {
  const data = Array.from({ length: 4 }, (_, index) => String(index).repeat(2000))
  const file = fileOf({ columnData: [{ name: 'v', data, type: 'STRING' }], codec: 'UNCOMPRESSED', rowGroupSize: 1 })
  const counts = await Promise.all(
    [
      { start: 0, end: 4 },
      { start: 5, end: 3000 },
      { start: 0, end: file.length },
    ].map((scan) => textOf('SELECT COUNT(*) FROM S3Object', file, scan)),
  )
  expect(counts).toEqual(['{"_1":1}', '{"_1":1}', '{"_1":4}'])
})

describe('what cannot be', () => {
  test.each<[string, Buffer, string]>([
    ['SELECT other FROM S3Object', fileOf(people()), 'EvaluatorBindingDoesNotExist'],
    ['SELECT * FROM S3Object[*].a s', fileOf(people()), 'InvalidKeyPath'],
    ['SELECT * FROM S3Object', fileOf(people({ codec: 'ZSTD' })), 'ParquetUnsupportedCompressionCodec'],
    ['SELECT * FROM S3Object', Buffer.from('id,name\n1,Ann\n'), 'ParquetParsingError'],
    ['SELECT * FROM S3Object', Buffer.from('PAR1'), 'ParquetParsingError'],
    ['SELECT * FROM S3Object', fileOf(people()).subarray(0, -9), 'ParquetParsingError'],
    [
      'SELECT v FROM S3Object',
      column({ type: 'BYTE_ARRAY', converted_type: 'BSON' }, [Buffer.from('x')]),
      'UnsupportedParquetType',
    ],
    [
      'SELECT v FROM S3Object',
      column({ type: 'BYTE_ARRAY', converted_type: 'UTF8' }, ['x'.repeat(1_100_000)]),
      'OverMaxRecordSize',
    ],
  ])('%s %#', async (expression, file, code) => {
    expect(await textOf(expression, file)).toBe(code)
  })

  test('broken files are AWS’s errors, whatever is broken in them', async () => {
    const whole = fileOf(people({ rowGroupSize: 2 }))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const file = Buffer.from(whole)
          for (const [at, byte] of changes) file[at] = byte
          expect(await textOf('SELECT * FROM S3Object', file)).toMatch(/^(\{.*\}|[A-Z]\w+)?$/s)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a footer of few bytes does not become many objects, nor a deep stack', () => {
    const structs = Buffer.concat([Buffer.from([0x19, 0xfc, 0x80, 0x89, 0x7a]), Buffer.alloc(2_000_001)])
    expect(() => checkThrift(structs, 1_000_000)).toThrow(RangeError)
    expect(() => checkThrift(structs, 3_000_000)).not.toThrow()
    expect(() => checkThrift(Buffer.alloc(1_000_000, 0x1c), 1_000_000)).toThrow(RangeError)
    expect(() => checkThrift(Buffer.from([0x18, 0x05, 0x00]), 10)).toThrow(RangeError)
  })

  test('a row of more values than a record may be long is refused', async () => {
    const data = [Array.from({ length: 1_100_000 }, () => true)]
    const schema = [
      { name: 'root', num_children: 1 },
      { name: 'v', repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
      { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
      { name: 'element', repetition_type: 'OPTIONAL' as const, type: 'BOOLEAN' as const },
    ]
    const file = fileOf({ columnData: [{ name: 'v', data }], schema })
    expect(await textOf('SELECT v FROM S3Object', file)).toBe('OverMaxRecordSize')
  })

  test('a run of a few bytes stands for as many values as it says, none of which are there before they are asked for', () => {
    const next = hybrid(Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f, 0x05]), 3)
    expect([next(), next(), next()]).toEqual([5, 5, 5])
    const packed = hybrid(Buffer.from([0x03, 0x88, 0xc6, 0xfa]), 3)
    expect(Array.from({ length: 8 }, packed)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(packed).toThrow(RangeError)
  })
})
