import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileTemplate, matches } from './pattern.ts'

const fits = (pattern: string, text: string) =>
  matches(compileTemplate(pattern, { variables: false, wildcards: true }).glob!, text)

test('every pattern fits as its regular expression does', () => {
  const piece = fc.constantFrom('a', 'b', 'ab', '?', '*', '*', '?'.repeat(32), 'ba'.repeat(17), 'é', '😀')
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join('')),
      fc
        .array(fc.constantFrom('a', 'b', 'ab', 'ba'.repeat(17), 'é', '😀'), { maxLength: 8 })
        .map((pieces) => pieces.join('')),
      (pattern, text) => {
        const source = pattern.replaceAll('*', '[^\\n]*').replaceAll('?', '[^\\n]')
        expect(fits(pattern, text)).toBe(new RegExp(`^${source}$`).test(text))
      },
    ),
    { numRuns: 5000 },
  )
})

test('a text that a pattern was made from fits it', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 80 }),
      fc.infiniteStream(fc.constantFrom('keep', 'keep', 'one', 'run')),
      (text, choices) => {
        let pattern = ''
        for (const character of text.replace(/[*?]/g, '-').split('')) {
          const { value } = choices.next()
          pattern += value === 'one' ? '?' : value === 'run' ? '*' : character
        }
        expect(fits(pattern, text.replace(/[*?]/g, '-'))).toBe(true)
      },
    ),
    { numRuns: 2000 },
  )
})
