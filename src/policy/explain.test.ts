import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  account,
  allow,
  boundary,
  deny,
  identity,
  resourcePolicy,
  rootArn,
  scp,
  standard,
  to,
  user,
} from './cases/case.ts'
import { request } from './cases/requests.ts'
import { evaluate } from './evaluate.ts'
import { explain } from './explain.ts'

test('each element that speaks of something else is told, with what is wanted and what is given', () => {
  const { decision, decidedBy, policies } = explain({
    ...standard,
    context: { 'aws:sourceip': ['198.51.100.7'] },
    policies: [
      identity(
        { Sid: 'Queues', ...allow(['sqs:*', 'sns:*'], '*') },
        allow('s3:*', 'arn:aws:s3:::other/*'),
        { Effect: 'Allow', NotAction: 's3:Get*', NotResource: 'arn:aws:s3:::reports/*' },
        allow('s3:*', '*', {
          IpAddress: { 'aws:SourceIp': '192.0.2.0/24' },
          Bool: { 'aws:MultiFactorAuthPresent': true },
          StringNotEquals: { 'aws:Absent': 'x' },
        }),
      ),
      resourcePolicy(to({ AWS: user('bob').arn, Service: ['sns.amazonaws.com'] }), allow()),
    ],
  })
  expect([decision, decidedBy]).toEqual(['implicitDeny', 'identity'])
  const action = { element: 'Action', wanted: ['sqs:*', 'sns:*'], given: 's3:GetObject' }
  const object = 'arn:aws:s3:::reports/may.csv'
  expect(policies).toEqual([
    {
      kind: 'identity',
      id: 'identity',
      statements: [
        { index: 0, sid: 'Queues', effect: 'Allow', mismatches: [action] },
        {
          index: 1,
          effect: 'Allow',
          mismatches: [{ element: 'Resource', wanted: ['arn:aws:s3:::other/*'], given: object }],
        },
        {
          index: 2,
          effect: 'Allow',
          mismatches: [
            { element: 'NotAction', wanted: ['s3:Get*'], given: 's3:GetObject' },
            { element: 'NotResource', wanted: ['arn:aws:s3:::reports/*'], given: object },
          ],
        },
        {
          index: 3,
          effect: 'Allow',
          mismatches: [
            {
              element: 'Condition',
              operator: 'IpAddress',
              key: 'aws:SourceIp',
              wanted: ['192.0.2.0/24'],
              given: ['198.51.100.7'],
            },
            {
              element: 'Condition',
              operator: 'Bool',
              key: 'aws:MultiFactorAuthPresent',
              wanted: ['true'],
              given: undefined,
            },
          ],
        },
      ],
    },
    {
      kind: 'resource',
      id: 'resource',
      statements: [
        {
          index: 0,
          effect: 'Allow',
          mismatches: [
            { element: 'Principal', wanted: [user('bob').arn, 'sns.amazonaws.com'], given: user('alice').arn },
          ],
        },
        { index: 1, effect: 'Allow', mismatches: [{ element: 'Principal', wanted: [], given: user('alice').arn }] },
      ],
    },
  ])
})

test('what applies has nothing against it; control policies say where they are attached', () => {
  const { policies } = explain({
    ...standard,
    policies: [
      scp('ou-1', allow(), deny('ec2:*')),
      boundary(allow()),
      resourcePolicy({
        Effect: 'Deny',
        NotPrincipal: { AWS: [user('alice').arn, rootArn(account)] },
        Action: '*',
        Resource: '*',
      }),
    ],
  })
  expect(policies[0]?.level).toBe('ou-1')
  expect(policies[0]?.statements[0]?.mismatches).toEqual([])
  expect(policies[0]?.statements[1]?.mismatches).toEqual([
    { element: 'Action', wanted: ['ec2:*'], given: 's3:GetObject' },
  ])
  // NotPrincipal exempts no one with a boundary.
  expect(policies[2]?.statements[0]?.mismatches).toEqual([])
})

test('of every request: what applies is what decided', () => {
  fc.assert(
    fc.property(request, (asked) => {
      const { policies, ...decision } = explain(asked)
      expect(decision).toEqual(evaluate(asked))
      const applying = policies.flatMap(({ kind, id, statements }) =>
        statements
          .filter(({ mismatches }) => mismatches.length === 0)
          .map(({ index, effect }) => ({ kind, id, index, effect })),
      )
      expect(applying).toEqual(decision.matched)
    }),
    { numRuns: 1000 },
  )
})
