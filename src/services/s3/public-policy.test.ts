import { expect, test } from 'vitest'
import type { Statement } from '../../policy/policy.ts'
import { isPublic } from './public-policy.ts'

const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' } as const

test.each<[boolean, Partial<Statement>]>([
  [true, { Principal: '*' }],
  [true, { Principal: { AWS: '*' } }],
  [true, { Principal: { AWS: ['arn:aws:iam::111111111111:root', '*'] } }],
  [true, { NotPrincipal: { AWS: 'arn:aws:iam::111111111111:root' } }],
  [false, { Principal: '*', Effect: 'Deny' }],
  [false, { Principal: { AWS: 'arn:aws:iam::111111111111:root' } }],
  [false, { Principal: { Service: 'cloudtrail.amazonaws.com' } }],
  [false, { Principal: '*', Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } } }],
  [true, { Principal: '*', Condition: { StringLike: { 'aws:PrincipalOrgID': 'o-*' } } }],
  [true, { Principal: '*', Condition: { StringNotEquals: { 'aws:PrincipalOrgID': 'o-1' } } }],
  [true, { Principal: '*', Condition: { StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' } } }],
  [false, { Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': ['10.1.0.0/16'] } } }],
  [true, { Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/1' } } }],
  [false, { Principal: '*', Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:sns:us-east-1:111111111111:*' } } }],
  [true, { Principal: '*', Condition: { ArnLike: { 'aws:SourceArn': 'arn:aws:sns:us-east-1:*:topic' } } }],
  [true, { Principal: '*', Condition: { StringEquals: { 'aws:UserAgent': 'secret' } } }],
])('public is %s: %j', (expected, part) => {
  expect(isPublic({ Version: '2012-10-17', Statement: [{ ...statement, ...part }] })).toBe(expected)
})
