import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluate } from '../../../policy/evaluate.ts'
import type { AppliedPolicy, Statement } from '../../../policy/policy.ts'
import { internalAccess, namesWithinResource, reader } from './internal.ts'

const bucket = 'arn:aws:s3:::b'
const account = '000000000000'
const arn = `arn:aws:iam::${account}:user/ann`
const principal = { kind: 'user' as const, account, arn }
const known = { 'aws:principalarn': [arn], 'aws:username': ['ann'], 'aws:principaltag/team': ['a'] }
const actions = ['s3:GetObject', 's3:PutObject']

const found = (policies: readonly AppliedPolicy[]) => {
  const names = namesWithinResource(
    bucket,
    policies.map(({ document }) => document),
    known,
  )
  return internalAccess({
    principal,
    context: known,
    resourceAccount: account,
    readings: policies.map(reader()),
    actions,
    resourcesOf: () => names,
  })
}
const identity = (...statements: readonly Partial<Statement>[]): AppliedPolicy => ({
  kind: 'identity',
  id: 'own',
  document: {
    Version: '2012-10-17',
    Statement: statements.map((one) => ({ Effect: 'Allow', Action: 's3:GetObject', Resource: '*', ...one })),
  },
})
const get = (condition: object = {}) => [{ actions: ['s3:GetObject'], condition, by: ['own'] }]

test.each<[string, Partial<Statement>[], object[]]>([
  ['everything', [{}], get()],
  ['one folder', [{ Resource: `${bucket}/logs/*` }], get()],
  ['another bucket', [{ Resource: 'arn:aws:s3:::c/*' }], []],
  ['all buckets of a prefix', [{ Resource: 'arn:aws:s3:::*/secret/*.txt' }], get()],
  ["one's own folder", [{ Resource: `${bucket}/home/\${aws:username}/*` }], get()],
  ['all but a folder', [{}, { Effect: 'Deny', Resource: `${bucket}/logs/*` }], get()],
  ['nothing but a folder', [{}, { Effect: 'Deny', NotResource: `${bucket}/logs/*`, Resource: undefined }], get()],
  ['a denial of all', [{}, { Effect: 'Deny', Resource: 'arn:aws:s3:::b*' }], []],
  ['a known tag', [{ Condition: { StringEquals: { 'aws:PrincipalTag/team': 'a' } } }], get()],
  ['a tag it has not', [{ Condition: { StringEquals: { 'aws:PrincipalTag/team': 'b' } } }], []],
  [
    'a tag like that of the resource',
    [{ Condition: { StringEquals: { 'aws:PrincipalTag/team': '${aws:ResourceTag/team}' } } }],
    get({ 'aws:PrincipalTag/team': '${aws:ResourceTag/team}' }),
  ],
  [
    'an address',
    [{ Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.0.2.0/24'] } } }],
    get({ 'aws:SourceIp': '10.0.0.0/8,192.0.2.0/24' }),
  ],
  ['an address, and outright', [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, {}], get()],
  [
    'a denial outside a network',
    [{}, { Effect: 'Deny', Condition: { StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } } }],
    get({ 'aws:SourceVpc': 'vpc-1' }),
  ],
  ['a denial to others', [{}, { Effect: 'Deny', Condition: { ArnNotEquals: { 'aws:PrincipalArn': arn } } }], get()],
])('access to %s', (_, statements, expected) => {
  expect(found([identity(...statements)])).toEqual(expected)
})

test('what the engine allows in any request is found, whatever the policies', () => {
  const resource = fc.constantFrom(
    '*',
    `${bucket}/*`,
    `${bucket}/x/*`,
    `${bucket}/x/y`,
    '*/y',
    `${bucket}/\${aws:username}`,
  )
  const condition = fc.constantFrom<Statement['Condition'] | undefined>(
    undefined,
    { StringEquals: { 'aws:SourceVpc': 'v' } },
    { StringNotEquals: { 'aws:SourceVpc': 'v' } },
    { StringEquals: { 'aws:PrincipalTag/team': 'a' } },
    { StringNotEquals: { 'aws:PrincipalTag/team': 'a' }, Bool: { 'aws:SecureTransport': 'true' } },
  )
  const statement = fc.record({
    Effect: fc.constantFrom('Allow' as const, 'Allow' as const, 'Deny' as const),
    Action: fc.constantFrom('s3:*', 's3:GetObject', 's3:Put*'),
    Resource: resource,
    Condition: condition,
  })
  const policies = fc.array(fc.array(statement, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
  const request = fc.record({
    action: fc.constantFrom(...actions),
    name: fc.constantFrom('x/y', 'x/z', 'y', 'ann', 'other'),
    vpc: fc.constantFrom([], ['v'], ['w']),
    secure: fc.constantFrom('true', 'false'),
  })
  fc.assert(
    fc.property(policies, request, (documents, { action, name, vpc, secure }) => {
      const applied = documents.map(
        (statements, at): AppliedPolicy => ({
          ...identity(...statements.map(({ Condition, ...one }) => (Condition ? { ...one, Condition } : one))),
          kind: at === 2 ? 'boundary' : 'identity',
          id: String(at),
        }),
      )
      const { decision } = evaluate({
        principal,
        action,
        resource: `${bucket}/${name}`,
        resourceAccount: account,
        context: { ...known, 'aws:securetransport': [secure], ...(vpc.length > 0 ? { 'aws:sourcevpc': vpc } : {}) },
        policies: applied,
      })
      if (decision === 'allowed') expect(found(applied).flatMap((one) => one.actions)).toContain(action)
    }),
    { numRuns: 1000 },
  )
})
