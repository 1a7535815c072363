import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileArn, compileTemplate, cutArn, matches, matchesArn } from '../../../policy/pattern.ts'
import { arnGlobOf, contains, coveredBy, globOf, intersects } from './globs.ts'

const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 6 })
const fits = (glob: string, text: string) =>
  matches(compileTemplate(glob, { variables: false, wildcards: true }).glob!, text)

/** Every text of these letters up to this length: `c` stands for all that patterns do not name. */
const texts = (length: number): string[] => {
  let round = ['']
  const all = ['']
  for (let at = 0; at < length; at++) {
    round = round.flatMap((text) => ['a', 'b', 'c'].map((letter) => text + letter))
    all.push(...round)
  }
  return all
}
const short = texts(7)

test('two patterns meet exactly when a text fits both', () => {
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      expect(intersects(globOf(a), globOf(b))).toBe(intersects(globOf(b), globOf(a)))
      const shared = short.some((text) => fits(a, text) && fits(b, text))
      if (shared) expect(intersects(globOf(a), globOf(b))).toBe(true)
      // Short patterns that meet at all meet in a short text.
      else if (a.length + b.length <= 7) expect(intersects(globOf(a), globOf(b))).toBe(false)
    }),
    { numRuns: 600 },
  )
})

test('a pattern is covered exactly when each of its texts fits one of the others', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 4 }),
      fc.array(pattern, { maxLength: 3 }),
      (inner, outers) => {
        const counter = short.find((text) => fits(inner, text) && !outers.some((outer) => fits(outer, text)))
        const covered = coveredBy(globOf(inner), outers.map(globOf))
        if (counter !== undefined) expect(covered).toBe(false)
        if (covered) expect(counter).toBeUndefined()
      },
    ),
    { numRuns: 600 },
  )
})

test.each([
  ['*?', '?*', true],
  ['?*', '*', false],
  ['s3:*', 's3:Get*', true],
  ['s3:Get*', 's3:*', false],
  ['*Object', 's3:GetObject', true],
  ['arn:aws:s3:::b/*', 'arn:aws:s3:::b/a/${aws:username}', true],
  ['arn:aws:s3:::b/${*}', 'arn:aws:s3:::b/*', false],
])('%s contains %s: %s', (outer, inner, expected) => {
  expect(contains(globOf(outer), globOf(inner))).toBe(expected)
})

test('several patterns cover together what none covers alone', () => {
  expect(coveredBy(globOf('*'), ['?*', ''].map(globOf))).toBe(true)
  expect(coveredBy(globOf('a?'), ['aa', 'ab'].map(globOf))).toBe(false)
})

test('hostile patterns cost no more than their bound', () => {
  const many = globOf('*a'.repeat(300))
  const started = performance.now()
  coveredBy(many, [globOf('*b'.repeat(300)), globOf('*a?'.repeat(200)), globOf('*')])
  intersects(many, globOf('?*'.repeat(500)))
  expect(performance.now() - started).toBeLessThan(5_000)
})

const arnPart = fc.constantFrom('', '*', 'a', '?', 'a*', '1')
const arnText = fc
  .tuple(arnPart, arnPart, arnPart, arnPart, fc.constantFrom('*', 'a', 'a:*', 'a/*', 'a:b', ''))
  .map((parts) => `arn:${parts.join(':')}`)
const arnPattern = fc.oneof(arnText, fc.constantFrom('*', 'arn:*', 'arn:a:*', 'arn:a:a:*'))
const someArns = ['', 'a', '1', 'aa'].flatMap((a) =>
  ['', 'a'].flatMap((b) => ['a', 'a:b', 'a/c', ''].map((c) => `arn:${a}:${b}:${a}:${b}:${c}`)),
)

test('patterns of ARNs answer as the decision engine matches them', () => {
  const fitsArn = (pattern: string, arn: string) =>
    matchesArn(compileArn(pattern, { variables: false }), cutArn(arn), {}) === true
  fc.assert(
    fc.property(arnPattern, arnPattern, (a, b) => {
      if (someArns.some((arn) => fitsArn(a, arn) && fitsArn(b, arn)))
        expect(intersects(arnGlobOf(a), arnGlobOf(b))).toBe(true)
      if (contains(arnGlobOf(a), arnGlobOf(b)))
        for (const arn of someArns) if (fitsArn(b, arn)) expect(fitsArn(a, arn)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('a variable is covered by itself and by a run, and by nothing narrower', () => {
  const [own, wide] = ['arn:aws:s3:::b/${aws:username}/*', 'arn:aws:s3:::b/*'].map(arnGlobOf) as [never, never]
  expect(contains(wide, own)).toBe(true)
  expect(contains(own, wide)).toBe(false)
  expect(contains(own, arnGlobOf('arn:aws:s3:::b/${AWS:UserName}/x'))).toBe(true)
  expect(contains(globOf('*name*'), globOf('${name}'))).toBe(false)
  expect(contains(globOf('??????'), globOf('${abcd}'))).toBe(false)
  expect(intersects(own, arnGlobOf('arn:aws:s3:::b/bob/x'))).toBe(true)
})
