import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type JsonSyntaxError, memberOf, plainValueOf, positionsIn, readPositioned } from './positioned-json.ts'

test('reads what JSON.parse reads, whatever the layout', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 2, '\t'), (json, indent) => {
      const text = JSON.stringify(JSON.parse(json), null, indent)
      expect(plainValueOf(readPositioned(text))).toEqual(JSON.parse(text))
    }),
  )
})

test('accepts exactly the texts that JSON.parse accepts', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"',
    '1',
    '-',
    '0',
    '.5',
    'e1',
    'true',
    'null',
    ' ',
    '\\',
    '\n',
    'x',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('')
      const outcome = (read: () => unknown) => {
        try {
          read()
          return true
        } catch {
          return false
        }
      }
      expect(outcome(() => readPositioned(text))).toBe(outcome(() => JSON.parse(text)))
    }),
    { numRuns: 2000 },
  )
})

test('knows where values and keys stand', () => {
  const text = '{\n  "Version": "2012-10-17",\n  "Statement": []\n}'
  const root = readPositioned(text)
  if (root.kind !== 'object') throw new Error('no object')
  const position = positionsIn(text)
  const version = memberOf(root, 'Version')
  expect(position(version?.value.start ?? 0)).toEqual({ line: 2, column: 13, offset: 15 })
  expect(text.slice(version?.place.start, version?.place.end)).toBe('"Version"')
  expect(position(text.length)).toEqual({ line: 4, column: 1, offset: text.length })
})

test('says where the text stops being JSON', () => {
  const offset = (text: string) => {
    try {
      readPositioned(text)
      return 'read'
    } catch (error) {
      return (error as JsonSyntaxError).offset
    }
  }
  expect(offset('{"a": }')).toBe(6)
  expect(offset('{"a": 1')).toBe(7)
  expect(offset('{"a" 1}')).toBe(5)
  expect(offset('[1,]')).toBe(3)
  expect(offset('')).toBe(0)
  expect(offset('['.repeat(100_000))).toBeTypeOf('number')
})
