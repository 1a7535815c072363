import { deflateRawSync } from 'node:zlib'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type RecordType, readAvro, writeAvro } from './avro.ts'
import { InvalidMetadataError } from './invalid.ts'

const schema: RecordType = {
  type: 'record',
  name: 'entry',
  fields: [
    { name: 'path', type: 'string' },
    { name: 'size', type: 'long' },
    { name: 'maybe', type: ['null', 'long'] },
    { name: 'inner', type: { type: 'record', name: 'inside', fields: [{ name: 'count', type: 'int' }] } },
  ],
}
const sync = new Uint8Array(16).fill(1)
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const small = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value)

test('what is written is read', () => {
  const record = fc.record({
    path: fc.string({ unit: 'grapheme' }),
    size: long.map(small),
    maybe: fc.option(long.map(small)),
    inner: fc.record({ count: fc.integer() }),
  })
  fc.assert(
    fc.property(fc.array(record), (records) => {
      expect(readAvro(writeAvro(schema, { content: 'data' }, records, sync))).toEqual(records)
    }),
  )
})

test('whatever the bytes, nothing breaks but the file', () => {
  const file = writeAvro(schema, {}, [{ path: 'a', size: 1, maybe: null, inner: { count: 2 } }], sync)
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.nat(255), (at, byte) => {
      const spoilt = Buffer.from(file)
      spoilt[at] = byte
      try {
        expect(readAvro(spoilt).length).toBeLessThan(1000)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidMetadataError)
      }
    }),
    { numRuns: 500 },
  )
})

/** A container by hand: header, then one block. */
const container = (text: string, codec: string, count: number, block: Buffer): Buffer => {
  const long = (value: number): Buffer => {
    const bytes: number[] = []
    for (let left = value * 2; ; left = Math.floor(left / 128)) {
      bytes.push((left % 128) + (left >= 128 ? 128 : 0))
      if (left < 128) return Buffer.from(bytes)
    }
  }
  const bytes = (value: Buffer) => Buffer.concat([long(value.length), value])
  const pair = (key: string, value: string) => Buffer.concat([bytes(Buffer.from(key)), bytes(Buffer.from(value))])
  const header = Buffer.concat([long(2), pair('avro.schema', text), pair('avro.codec', codec), long(0)])
  return Buffer.concat([Buffer.from('Obj\x01', 'latin1'), header, sync, long(count), bytes(block), sync])
}

test('files of other writers are read: compressed, with lists, maps, enumerations and names', () => {
  const fields = [
    { name: 'list', type: { type: 'array', items: 'boolean' } },
    { name: 'map', type: { type: 'map', values: 'double' } },
    { name: 'colour', type: { type: 'enum', name: 'colour', symbols: ['red', 'blue'] } },
    { name: 'again', type: 'colour' },
    { name: 'bytes', type: { type: 'fixed', name: 'two', size: 2 } },
  ]
  const number = Buffer.alloc(8)
  number.writeDoubleLE(1.5)
  const block = Buffer.concat([
    Buffer.from([4, 1, 0, 0]),
    Buffer.from([2, 2, 0x6b]),
    number,
    Buffer.from([0, 2, 0, 9, 8]),
  ])
  const text = JSON.stringify({ type: 'record', name: 'all', fields })
  expect(readAvro(container(text, 'deflate', 1, deflateRawSync(block)))).toEqual([
    { list: [true, false], map: { k: 1.5 }, colour: 'blue', again: 'red', bytes: Buffer.from([9, 8]) },
  ])
})

test.each([
  ['an unknown codec', container('"string"', 'zstandard', 1, Buffer.alloc(1))],
  [
    'values without end that take no bytes',
    container('{"type":"record","name":"r","fields":[]}', 'null', 2 ** 40, Buffer.alloc(0)),
  ],
  [
    'a schema that names itself',
    container('{"type":"record","name":"r","fields":[{"name":"a","type":"r"}]}', 'null', 1, Buffer.alloc(0)),
  ],
  ['a schema that is none', container('no JSON', 'null', 1, Buffer.alloc(0))],
  ['records that are none', container('"null"', 'null', 1, Buffer.alloc(0))],
  ['nothing', Buffer.alloc(0)],
])('refused: %s', (_, file) => {
  expect(() => readAvro(file)).toThrow(InvalidMetadataError)
})
