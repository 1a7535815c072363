import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pageOfList } from './page.ts'

test('pages of any size hold every item once, in order, by markers that AWS’s model allows', () => {
  const key = fc.oneof(fc.string({ minLength: 1 }), fc.string({ minLength: 300, maxLength: 700, unit: 'grapheme' }))
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 30 }), fc.integer({ min: 1, max: 10 }), (list, MaxItems) => {
      const seen: string[] = []
      let Marker: string | undefined
      do {
        const page = pageOfList(list, (item) => item, { Marker, MaxItems })
        expect(page.items.length).toBeLessThanOrEqual(MaxItems)
        expect(page.IsTruncated).toBe(page.Marker !== undefined)
        if (page.Marker !== undefined) expect(page.Marker).toMatch(/^[\u0020-\u00FF]{1,320}$/)
        seen.push(...page.items)
        Marker = page.Marker
      } while (Marker !== undefined)
      expect(seen).toEqual(list.toSorted((a, b) => (a < b ? -1 : 1)))
    }),
  )
})

test.each(['', 'nonsense', '!nothing', Buffer.from('').toString('base64')])('%j is no marker', (Marker) => {
  expect(() => pageOfList(['a'], (item) => item, { Marker })).toThrow('Invalid Marker.')
})
