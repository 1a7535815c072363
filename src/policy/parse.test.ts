import { expect, test } from 'vitest'
import { type DocumentKind, PolicyFinding, parsePolicy } from './parse.ts'

const one = (statement: unknown, Version = '2012-10-17') => JSON.stringify({ Version, Statement: [statement] })
const ok = { Effect: 'Allow', Action: 's3:*', Resource: '*' }
const trust = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }

test.each<[DocumentKind, string]>([
  ['identity', one({ ...ok, Resource: 'arn:aws:s3:us-east-1:123456789012:accesspoint/door/object/*' })],
  ['identity', one(ok)],
  ['identity', JSON.stringify({ Version: '2012-10-17', Statement: ok })],
  ['identity', JSON.stringify({ Version: '2012-10-17', Statement: [] })],
  ['identity', one({ ...ok, Resource: ['arn:aws:s3:::a', 'arn:*:s3:::b/*'], Sid: 'A1' })],
  ['identity', one({ ...ok, Resource: 'arn:aws:iam::123456789012:user/${aws:username}' })],
  ['identity', one({ ...ok, Resource: 'arn:aws:iam::*:*' })],
  ['identity', one({ Effect: 'Deny', NotAction: 'iam:*', NotResource: '*' })],
  ['identity', one({ ...ok, Condition: { 'ForAllValues:StringLikeIfExists': { 'aws:TagKeys': ['a'] } } })],
  ['identity', one({ ...ok, Condition: { Bool: { 'aws:SecureTransport': true }, Null: { 'a:b': 'true' } } })],
  ['identity', JSON.stringify({ Statement: ok })],
  ['session', one(ok, '2008-10-17')],
  ['managed', one(ok)],
  ['trust', one(trust)],
  ['trust', one({ ...trust, Action: ['sts:AssumeRole', 'sts:TagSession'] })],
  ['trust', one({ ...trust, Principal: { AWS: ['123456789012', 'arn:aws:iam::123456789012:role/a/b'] } })],
  ['trust', one(trust, '2008-10-17')],
  ['resource', one({ ...ok, Principal: '*', Sid: 'Sids here may have spaces' })],
])('AWS takes it: %s %s', (kind, text) => {
  expect(parsePolicy(text, kind)).toEqual(JSON.parse(text))
})

test.each<[DocumentKind, string, unknown]>([
  ['identity', '{', 'Syntax errors in policy.'],
  ['trust', '{', 'This policy contains invalid Json'],
  ['identity', '[]', 'Syntax errors in policy.'],
  ['identity', 'null', 'Syntax errors in policy.'],
  ['identity', '{"Version":"2012-10-17"}', 'Syntax errors in policy.'],
  ['identity', '{"Version":"2012-10-17","Statement":"x"}', 'Syntax errors in policy.'],
  ['identity', '{"Version":"2012-10-17","Statement":[],"Extra":1}', 'Syntax errors in policy.'],
  ['identity', one(ok, '2012-10-18'), 'Syntax errors in policy.'],
  ['managed', one(ok, '2008-10-17'), 'Policy document must be version 2012-10-17 or greater.'],
  ['managed', JSON.stringify({ Statement: ok }), 'Policy document must be version 2012-10-17 or greater.'],
  ['identity', one({ ...ok, Effect: 'allow' }), 'Syntax errors in policy.'],
  ['identity', one({ ...ok, Foo: 1 }), 'Syntax errors in policy.'],
  ['identity', one({ ...ok, NotAction: 's3:*' }), 'Syntax errors in policy.'],
  ['identity', one({ ...ok, Action: 1 }), 'Syntax errors in policy.'],
  ['identity', one({ Effect: 'Allow', Resource: '*' }), 'Policy statement must contain actions.'],
  ['identity', one({ ...ok, Action: [] }), 'Policy statement must contain actions.'],
  ['identity', one({ Effect: 'Allow', Action: '*' }), 'Policy statement must contain resources.'],
  ['identity', one({ ...ok, Resource: [] }), 'Policy statement must contain resources.'],
  ['identity', one({ ...ok, Principal: '*' }), 'Policy document should not specify a principal.'],
  [
    'identity',
    one({ ...ok, Action: 'invalid' }),
    'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.',
  ],
  ['identity', one({ ...ok, Action: 's3:a:b' }), 'Actions/Condition can contain only one colon.'],
  ['identity', one({ ...ok, Action: 'a b:c' }), 'Vendor a b is not valid'],
  ['identity', one({ ...ok, Resource: 'bucket' }), 'Resource bucket must be in ARN format or "*".'],
  ['identity', one({ ...ok, Resource: 'arn:aws' }), 'Resource arn:aws must be in ARN format or "*".'],
  [
    'identity',
    one({ ...ok, Resource: 'arn:moon:s3:::b' }),
    'Partition "moon" is not valid for resource "arn:moon:s3:::b".',
  ],
  [
    'identity',
    one({ ...ok, Resource: 'arn:aws:iam:us-east-1::user/x' }),
    'IAM resource arn:aws:iam:us-east-1::user/x cannot contain region information.',
  ],
  [
    'identity',
    one({ ...ok, Resource: 'arn:aws:s3:us-east-1::bucket/x' }),
    'Resource arn:aws:s3:us-east-1::bucket/x can not contain region information.',
  ],
  ['identity', one({ ...ok, Sid: 'no spaces' }), expect.stringContaining('must be alpha-numeric')],
  [
    'identity',
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { ...ok, Sid: 'A' },
        { ...ok, Sid: 'A' },
      ],
    }),
    'Statement IDs (SID) in a single policy must be unique.',
  ],
  ['identity', one({ ...ok, Condition: { StringSame: { 'a:b': 'c' } } }), 'Invalid Condition type : StringSame'],
  ['identity', one({ ...ok, Condition: { NullIfExists: { 'a:b': 'true' } } }), 'Invalid Condition type : NullIfExists'],
  ['identity', one({ ...ok, Condition: { StringEquals: 'x' } }), 'Syntax errors in policy.'],
  ['identity', one({ ...ok, Condition: { StringEquals: { 'a:b': {} } } }), 'Syntax errors in policy.'],
  ['trust', one({ Effect: 'Allow', Action: 'sts:AssumeRole' }), 'Missing required field Principal'],
  ['trust', one({ ...trust, Resource: '*' }), 'Has prohibited field Resource'],
  ['trust', one({ ...trust, Action: 's3:GetObject' }), 'AssumeRole policy may only specify STS AssumeRole actions.'],
  ['trust', one({ ...trust, Principal: { AWS: 'alice' } }), 'Invalid principal in policy: "AWS":"alice"'],
  [
    'trust',
    one({ ...trust, Principal: { AWS: 'arn:aws:iam::123456789012:role/*' } }),
    'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/*"',
  ],
  ['resource', one(ok), 'Missing required field Principal'],
])('AWS refuses it: %s %s', (kind, text, message) => {
  expect(() => parsePolicy(text, kind)).toThrow(expect.objectContaining({ message }) as Error)
  expect(() => parsePolicy(text, kind)).toThrow(PolicyFinding)
})
