import { expect, test } from 'vitest'
import type { PolicyDocument, Statement } from '../../../policy/policy.ts'
import { externalAccess, publicStatements } from './external.ts'

const own = '111122223333'
const other = '444455556666'
const policy = (...Statement: Statement[]): PolicyDocument => ({ Version: '2012-10-17', Statement })
const allow = (more: Partial<Statement> = {}): Statement => ({
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::b/*',
  ...more,
})
const deny = (more: Partial<Statement> = {}): Statement => ({ ...allow(), Action: 's3:*', ...more, Effect: 'Deny' })
const ownOrg = { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } }

test.each<[string, PolicyDocument, number[]]>([
  ['everyone', policy(allow()), [0]],
  ['everyone, written as a map', policy(allow({ Principal: { AWS: '*' } })), [0]],
  ['an account', policy(allow({ Principal: { AWS: other } })), []],
  ['a service', policy(allow({ Principal: { Service: 'logs.amazonaws.com' } })), []],
  ['an organization', policy(allow({ Condition: ownOrg })), []],
  [
    'an organization, if any',
    policy(allow({ Condition: { StringEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' } } })),
    [0],
  ],
  ['any organization', policy(allow({ Condition: { StringLike: { 'aws:PrincipalOrgID': 'o-*' } } })), [0]],
  ['a network', policy(allow({ Condition: { IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } } })), []],
  ['the whole network', policy(allow({ Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } })), [0]],
  ['a tag that callers give themselves', policy(allow({ Condition: { StringEquals: { 'aws:UserAgent': 'x' } } })), [0]],
  [
    'denied to all but the organization',
    policy(allow(), deny({ Condition: { StringNotEquals: { 'aws:PrincipalOrgID': 'o-1' } } })),
    [],
  ],
  ['denied to all', policy(allow(), deny()), []],
  ['denied over plain HTTP', policy(allow(), deny({ Condition: { Bool: { 'aws:SecureTransport': 'false' } } })), [0]],
  ['all but some', policy({ Effect: 'Allow', NotPrincipal: { AWS: own }, Action: 's3:GetObject', Resource: '*' }), [0]],
])('public: %s', (_, document, expected) => {
  expect(publicStatements(document).map(({ index }) => index)).toEqual(expected)
})

test('names who is outside, with actions and conditions', () => {
  const document = policy(
    allow({ Principal: { AWS: [own, other, `arn:aws:iam::${other}:role/r`] }, Action: 's3:Get*' }),
    allow({ Condition: { StringEquals: { 'aws:PrincipalAccount': own } } }),
    deny({ Principal: { AWS: other }, Action: 's3:GetObjectAcl' }),
  )
  const known = ['s3:GetObject', 's3:GetObjectAcl', 's3:PutObject']
  expect(externalAccess(document, { accounts: new Set([own]) }, known)).toEqual([
    { principal: { AWS: other }, isPublic: false, actions: ['s3:GetObject'], condition: {}, index: 0, sid: undefined },
    {
      principal: { AWS: `arn:aws:iam::${other}:role/r` },
      isPublic: false,
      actions: ['s3:GetObject'],
      condition: {},
      index: 0,
      sid: undefined,
    },
  ])
  expect(externalAccess(document, { accounts: new Set([own, other]), organization: 'o-1' }, known)).toEqual([])
})

test('an organization is within the zone of an organization, and outside that of an account', () => {
  const document = policy(allow({ Condition: ownOrg }))
  expect(externalAccess(document, { accounts: new Set([own]), organization: 'o-1' })).toEqual([])
  expect(externalAccess(document, { accounts: new Set([own]) })).toMatchObject([
    { principal: { AWS: '*' }, isPublic: false, condition: { 'aws:PrincipalOrgID': 'o-1' } },
  ])
})

test('federation counts as outside, and as public where everyone may have an account', () => {
  const trust = (Federated: string, Condition?: Statement['Condition']): Statement => ({
    Effect: 'Allow',
    Principal: { Federated },
    Action: 'sts:AssumeRoleWithWebIdentity',
    ...(Condition ? { Condition } : {}),
  })
  const open = (statement: Statement) =>
    externalAccess(policy(statement), { accounts: new Set([own]) }).map(({ isPublic }) => isPublic)
  expect(open(trust('accounts.google.com'))).toEqual([true])
  expect(open(trust('accounts.google.com', { StringEquals: { 'accounts.google.com:aud': 'app' } }))).toEqual([false])
  expect(open(trust(`arn:aws:iam::${own}:saml-provider/corp`))).toEqual([false])
})
