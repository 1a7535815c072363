import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluate } from './evaluate.ts'
import { PolicyFinding, parsePolicy } from './parse.ts'
import type { PolicyDocument } from './policy.ts'

// Documents come from outside: whatever they hold, they are refused with a finding or decided upon, and quickly.

const word = fc.oneof(
  fc.constantFrom(
    '*',
    '',
    '${aws:username}',
    '${',
    '${*}',
    "${a:b, 'c'}",
    'arn:aws:s3:::*',
    's3:Get*',
    '__proto__',
    'constructor',
  ),
  fc.string({ maxLength: 20 }),
)
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    word,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(word, tie('any'), { maxKeys: 3 }),
  ),
})).any
const operator = fc.constantFrom(
  'StringLike',
  'StringEqualsIgnoreCase',
  'IpAddress',
  'ArnLike',
  'DateLessThan',
  'NumericEquals',
  'Bool',
  'Null',
  'BinaryEquals',
  'ForAllValues:StringLike',
  'ForAnyValue:ArnNotLikeIfExists',
)
const condition = fc.dictionary(operator, fc.dictionary(word, fc.oneof(word, fc.array(word)), { maxKeys: 3 }), {
  maxKeys: 3,
})
const statement = fc.record(
  {
    Effect: fc.oneof(fc.constantFrom('Allow', 'Deny'), value),
    Action: fc.oneof(fc.constantFrom('s3:*', 's3:Get?bject', '*'), value),
    Resource: fc.oneof(fc.constantFrom('*', 'arn:aws:s3:::${aws:username}/*'), value),
    Condition: fc.oneof(condition, value),
    Principal: fc.oneof(
      fc.constantFrom('*', { AWS: '*' }, { AWS: '111122223333' }, { Service: 'a.amazonaws.com' }),
      value,
    ),
    Sid: value,
  },
  { requiredKeys: ['Effect'] },
)
const document = fc.record({
  Version: fc.constantFrom('2012-10-17', '2008-10-17'),
  Statement: fc.oneof(statement, fc.array(statement, { maxLength: 3 })),
})

const decide = (kind: 'identity' | 'resource', accepted: PolicyDocument) =>
  evaluate({
    principal: { kind: 'user', account: '111122223333', arn: 'arn:aws:iam::111122223333:user/alice' },
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::alice/key',
    context: { 'aws:username': ['alice'], 'aws:sourceip': ['::1'], 'aws:currenttime': ['2026-01-01T00:00:00Z'] },
    policies: [{ kind, id: 'hostile', document: accepted }],
  })

test.each(['identity', 'resource', 'trust'] as const)('any JSON at all, as a %s policy', (kind) => {
  fc.assert(
    fc.property(fc.oneof(document, value), (given) => {
      let accepted: PolicyDocument
      try {
        accepted = parsePolicy(JSON.stringify(given) ?? '', kind)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(PolicyFinding)
        return
      }
      expect(['allowed', 'explicitDeny', 'implicitDeny']).toContain(
        decide(kind === 'identity' ? 'identity' : 'resource', accepted).decision,
      )
    }),
    { numRuns: 1500 },
  )
})

test.each(['Principal', 'NotPrincipal', 'Action', 'Resource', 'Condition', 'Sid', 'Effect'])(
  'null for %s is no policy',
  (member) => {
    const statement = { Effect: 'Allow', Action: 's3:*', Resource: '*', [member]: null }
    const text = JSON.stringify({ Version: '2012-10-17', Statement: statement })
    expect(() => parsePolicy(text, 'identity')).toThrow(PolicyFinding)
  },
)

test('text that is no JSON', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parsePolicy(text, 'identity')
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(PolicyFinding)
      }
    }),
  )
})

test.each([
  ['nesting', '['.repeat(100_000)],
  ['a statement of nesting', `{"Version":"2012-10-17","Statement":${'['.repeat(5000)}${']'.repeat(5000)}}`],
])('%s is refused, not a crash', (_, text) => {
  expect(() => parsePolicy(text, 'identity')).toThrow(PolicyFinding)
})

test('many variables and wildcards in one pattern take no time', () => {
  const Resource = `arn:aws:s3:::${"${aws:PrincipalTag/a, 'x*'}*".repeat(300)}!`
  const accepted = parsePolicy(
    JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*', Resource } }),
    'identity',
  )
  const start = performance.now()
  expect(decide('identity', accepted).decision).toBe('implicitDeny')
  expect(performance.now() - start).toBeLessThan(2_000)
})

test.each([
  ['a long run that never ends as wanted', `*${'a'.repeat(8000)}b*`],
  ['with characters left open', `*${'?a'.repeat(4000)}b*`],
  ['many short ones', Array.from({ length: 600 }, () => '*?aaaaab*')],
  ['many stars', `${'*a'.repeat(4000)}b`],
])('patterns against a long text: %s', (_, wanted) => {
  const accepted = parsePolicy(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Action: '*',
        Resource: '*',
        Condition: { StringLike: { 'aws:UserAgent': wanted } },
      },
    }),
    'identity',
  )
  const start = process.cpuUsage()
  const { decision } = evaluate({
    principal: { kind: 'user', account: '111122223333', arn: 'arn:aws:iam::111122223333:user/alice' },
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::alice/key',
    context: { 'aws:useragent': ['a'.repeat(16_000)] },
    policies: [{ kind: 'identity', id: 'hostile', document: accepted }],
  })
  expect(decision).toBe('implicitDeny')
  const { user, system } = process.cpuUsage(start)
  expect((user + system) / 1000).toBeLessThan(2000)
})
