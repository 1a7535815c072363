import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeKey, encodeKey, parseLine, toLine } from './csv.ts'

test.each<[string, string[] | undefined]>([
  ['a,b', ['a', 'b']],
  ['"a","b,c"', ['a', 'b,c']],
  ['"say ""so""",', ['say "so"', '']],
  ['', ['']],
  ['a', ['a']],
  ['"open', undefined],
  ['"a"b,c', undefined],
])('%s', (line, fields) => {
  expect(parseLine(line)).toEqual(fields)
})

test('what is written is read', () => {
  const text = fc.string({ unit: 'grapheme' }).filter((each) => !/[\r\n]/.test(each))
  fc.assert(
    fc.property(fc.array(text, { minLength: 1 }), (fields) => {
      expect(parseLine(toLine(fields).slice(0, -1))).toEqual(fields)
    }),
  )
})

test('keys keep every character', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (key) => decodeKey(encodeKey(key)) === key))
  expect(encodeKey('a b/ü')).toBe('a+b/%C3%BC')
  expect(decodeKey('%')).toBeUndefined()
})
