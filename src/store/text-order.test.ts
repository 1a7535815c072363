import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterPrefix, compareText } from './text-order.ts'

const bytes = (text: string) => Buffer.from(text)
const any = fc.string({ unit: 'binary' })

test('strings compare as their UTF-8 does', () => {
  fc.assert(
    fc.property(any, any, (a, b) => Math.sign(compareText(a, b)) === Math.sign(Buffer.compare(bytes(a), bytes(b)))),
  )
})

test('the end of a prefix is above every string that starts with it, and not above the next', () => {
  fc.assert(
    fc.property(any, any, any, (prefix, rest, other) => {
      const end = afterPrefix(prefix)
      if (end === undefined) return
      expect(compareText(prefix + rest, end)).toBeLessThan(0)
      if (!other.startsWith(prefix) && compareText(other, prefix) > 0)
        expect(compareText(other, end)).toBeGreaterThanOrEqual(0)
    }),
  )
  expect(afterPrefix('')).toBeUndefined()
  expect(afterPrefix('a\u{10ffff}')).toBe('b')
  expect(afterPrefix('\ud7ff')).toBe('\ue000')
})
