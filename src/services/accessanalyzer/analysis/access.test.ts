import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evaluate } from '../../../policy/evaluate.ts'
import type { PolicyDocument, Statement } from '../../../policy/policy.ts'
import { grantingAccess, newAccess } from './access.ts'

const policy = (...Statement: Statement[]): PolicyDocument => ({ Version: '2012-10-17', Statement })
const allow = (
  Action: string | string[],
  Resource: string | string[] = '*',
  more: Partial<Statement> = {},
): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...more,
})
const deny = (
  Action: string | string[],
  Resource: string | string[] = '*',
  more: Partial<Statement> = {},
): Statement => ({
  ...allow(Action, Resource, more),
  Effect: 'Deny',
})
const indexes = (statements: readonly { index: number }[]) => statements.map(({ index }) => index)
const org = { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } }
const notOrg = { StringNotEquals: { 'aws:PrincipalOrgID': 'o-1' } }

test.each<[string, PolicyDocument, PolicyDocument, number[]]>([
  ['the same', policy(allow('s3:Get*', 'arn:aws:s3:::b/*')), policy(allow('s3:Get*', 'arn:aws:s3:::b/*')), []],
  ['less of an action', policy(allow('s3:GetObject')), policy(allow('s3:Get*')), []],
  ['more of an action', policy(allow('s3:Get*')), policy(allow('s3:GetObject')), [0]],
  ['another case', policy(allow('S3:getobject')), policy(allow('s3:GetObject')), []],
  [
    'split over statements',
    policy(allow(['s3:GetObject', 's3:PutObject'])),
    policy(allow('s3:GetObject'), allow('s3:PutObject')),
    [],
  ],
  [
    'more of a resource',
    policy(allow('s3:GetObject', 'arn:aws:s3:::*')),
    policy(allow('s3:GetObject', 'arn:aws:s3:::b/*')),
    [0],
  ],
  ['a condition taken away', policy(allow('s3:*')), policy(allow('s3:*', '*', { Condition: org })), [0]],
  ['a condition added', policy(allow('s3:*', '*', { Condition: org })), policy(allow('s3:*')), []],
  ['a denial taken away', policy(allow('s3:*')), policy(allow('s3:*'), deny('s3:DeleteBucket')), [0]],
  ['a denial kept', policy(allow('s3:*'), deny('s3:Delete*')), policy(allow('s3:*'), deny('s3:DeleteBucket')), []],
  ['a denial that does not matter', policy(allow('s3:Get*')), policy(allow('s3:*'), deny('s3:Delete*')), []],
  [
    'a denial that makes up for it',
    policy(allow('*'), deny('iam:*')),
    policy({ Effect: 'Allow', NotAction: 'iam:*', Resource: '*' }),
    [],
  ],
  [
    'all but, narrower',
    policy({ Effect: 'Allow', NotAction: ['iam:*', 'sts:*'], Resource: '*' }),
    policy({ Effect: 'Allow', NotAction: 'iam:*', Resource: '*' }),
    [],
  ],
  [
    'all but, wider',
    policy({ Effect: 'Allow', NotAction: 'iam:Get*', Resource: '*' }),
    policy({ Effect: 'Allow', NotAction: 'iam:*', Resource: '*' }),
    [0],
  ],
  [
    'a denial on a condition the allow rules out',
    policy(allow('s3:*', '*', { Condition: org })),
    policy(allow('s3:*', '*', { Condition: org }), deny('*', '*', { Condition: notOrg })),
    [],
  ],
  [
    'a narrower address range',
    policy(allow('s3:*', '*', { Condition: { IpAddress: { 'aws:SourceIp': '203.0.113.0/28' } } })),
    policy(allow('s3:*', '*', { Condition: { IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } } })),
    [],
  ],
  [
    'a wider address range',
    policy(allow('s3:*', '*', { Condition: { IpAddress: { 'aws:SourceIp': '203.0.0.0/16' } } })),
    policy(allow('s3:*', '*', { Condition: { IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } } })),
    [0],
  ],
  [
    'a longer session',
    policy(allow('s3:*', '*', { Condition: { NumericLessThan: { 'aws:MultiFactorAuthAge': '7200' } } })),
    policy(allow('s3:*', '*', { Condition: { NumericLessThan: { 'aws:MultiFactorAuthAge': '3600' } } })),
    [0],
  ],
  [
    'a principal of the account',
    policy(allow('s3:*', '*', { Principal: { AWS: 'arn:aws:iam::111122223333:user/ana' } })),
    policy(allow('s3:*', '*', { Principal: { AWS: '111122223333' } })),
    [],
  ],
  [
    'another account',
    policy(allow('s3:*', '*', { Principal: { AWS: '444455556666' } })),
    policy(allow('s3:*', '*', { Principal: { AWS: '111122223333' } })),
    [0],
  ],
  [
    'everyone',
    policy(allow('s3:*', '*', { Principal: '*' })),
    policy(allow('s3:*', '*', { Principal: { AWS: '111122223333' } })),
    [0],
  ],
])('new access: %s', (_, updated, existing, expected) => {
  expect(indexes(newAccess(updated, existing))).toEqual(expected)
})

test.each<[string, PolicyDocument, string[], string[], number[]]>([
  ['another action', policy(allow('s3:GetObject')), ['s3:DeleteBucket'], [], []],
  ['a wildcard', policy(allow('s3:Get*'), allow('s3:Delete*')), ['s3:DeleteBucket'], [], [1]],
  ['denied', policy(allow('s3:*'), deny('s3:DeleteBucket')), ['s3:DeleteBucket'], [], []],
  [
    'denied under a condition only',
    policy(allow('s3:*'), deny('s3:DeleteBucket', '*', { Condition: org })),
    ['s3:DeleteBucket'],
    [],
    [0],
  ],
  ['allowed under a condition', policy(allow('s3:*', '*', { Condition: org })), ['s3:DeleteBucket'], [], [0]],
  ['any action on a resource', policy(allow('s3:GetObject', 'arn:aws:s3:::b/*')), [], ['arn:aws:s3:::b/x'], [0]],
  ['another resource', policy(allow('s3:GetObject', 'arn:aws:s3:::b/*')), ['s3:GetObject'], ['arn:aws:s3:::c/x'], []],
  [
    'one of several',
    policy(allow('s3:GetObject', 'arn:aws:s3:::b/*')),
    ['s3:PutObject', 's3:GetObject'],
    ['arn:aws:s3:::c/*', 'arn:aws:s3:::b/x'],
    [0],
  ],
  ['all but', policy({ Effect: 'Allow', NotAction: 'iam:*', Resource: '*' }), ['iam:PassRole'], [], []],
])('access granted: %s', (_, document, actions, resources, expected) => {
  expect(indexes(grantingAccess(document, { actions, resources }))).toEqual(expected)
})

const actionText = fc.constantFrom('s3:GetObject', 's3:PutObject', 's3:Get*', 's3:*', 's3:*Object', '*', 'sqs:*')
const resourceText = fc.constantFrom('*', 'arn:aws:s3:::b/*', 'arn:aws:s3:::b/x', 'arn:aws:s3:::*', 'arn:aws:sqs:*')
const condition = fc.constantFrom<Statement['Condition']>(
  undefined,
  { StringEquals: { 'aws:username': 'ana' } },
  { StringEquals: { 'aws:username': ['ana', 'bob'] } },
  { StringNotEquals: { 'aws:username': 'ana' } },
  { StringLike: { 'aws:username': 'a*' } },
  { StringEqualsIfExists: { 'aws:username': 'ana' } },
  { Bool: { 'aws:SecureTransport': 'true' } },
  { Null: { 'aws:username': 'false' } },
)
const statement = fc
  .record({
    Effect: fc.constantFrom('Allow' as const, 'Allow' as const, 'Deny' as const),
    not: fc.boolean(),
    actions: fc.array(actionText, { minLength: 1, maxLength: 2 }),
    notResource: fc.nat(5),
    resources: fc.array(resourceText, { minLength: 1, maxLength: 2 }),
    condition,
  })
  .map(
    ({ Effect, not, actions, notResource, resources, condition: Condition }): Statement => ({
      Effect,
      ...(not && Effect === 'Allow' ? { NotAction: actions } : { Action: actions }),
      ...(notResource === 0 ? { NotResource: resources } : { Resource: resources }),
      ...(Condition ? { Condition } : {}),
    }),
  )
const document = fc.array(statement, { minLength: 1, maxLength: 3 }).map((list) => policy(...list))
const requests = ['s3:GetObject', 's3:PutObject', 's3:GetBucketAcl', 'sqs:SendMessage', 'ec2:RunInstances'].flatMap(
  (action) =>
    ['arn:aws:s3:::b/x', 'arn:aws:s3:::b/y', 'arn:aws:s3:::c/x', 'arn:aws:sqs:us-east-1:1:q', '*'].flatMap((resource) =>
      [
        {},
        { 'aws:username': ['ana'] },
        { 'aws:username': ['bob'], 'aws:securetransport': ['true'] },
        { 'aws:username': ['al'] },
      ].map((context) => ({
        action,
        resource,
        context: context as Record<string, readonly string[]>,
      })),
    ),
)
const allows = (one: PolicyDocument, request: (typeof requests)[number]) =>
  evaluate({
    ...request,
    principal: { kind: 'user', account: '1', arn: 'arn:aws:iam::1:user/u' },
    policies: [{ kind: 'identity', id: 'p', document: one }],
  }).decision === 'allowed'

test('where no new access is found, the decision engine finds none either', () => {
  let proven = 0
  fc.assert(
    fc.property(document, document, (updated, existing) => {
      if (newAccess(updated, existing).length > 0) return
      proven++
      for (const request of requests) if (allows(updated, request)) expect(allows(existing, request)).toBe(true)
    }),
    { numRuns: 1500 },
  )
  expect(proven).toBeGreaterThan(50)
})

test('a policy has no new access over itself', () => {
  fc.assert(
    fc.property(document, (one) => {
      expect(newAccess(one, one)).toEqual([])
    }),
    { numRuns: 500 },
  )
})

test('where no access is granted, the decision engine grants none', () => {
  fc.assert(
    fc.property(document, fc.array(actionText, { maxLength: 2 }), (one, actions) => {
      if (grantingAccess(one, { actions, resources: [] }).length > 0) return
      for (const request of requests) {
        const asked =
          actions.length === 0 ||
          grantingAccess(policy(allow(actions)), { actions: [request.action], resources: [] }).length > 0
        if (asked) expect(allows(one, request)).toBe(false)
      }
    }),
    { numRuns: 800 },
  )
})
