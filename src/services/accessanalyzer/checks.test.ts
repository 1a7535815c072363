import {
  AccessAnalyzerClient,
  CheckAccessNotGrantedCommand,
  CheckNoNewAccessCommand,
  CheckNoPublicAccessCommand,
  ValidatePolicyCommand,
} from '@aws-sdk/client-accessanalyzer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
beforeAll(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
})
afterAll(() => drydock.close())

const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'no error',
    (error: unknown) => (error as Error).name,
  )
const reads = JSON.stringify(allow(['s3:GetObject', 's3:ListBucket'], ['arn:aws:s3:::b', 'arn:aws:s3:::b/*']))
const more = JSON.stringify(
  allow(['s3:GetObject', 's3:GetObjectAcl', 's3:ListBucket'], ['arn:aws:s3:::b', 'arn:aws:s3:::b/*']),
)

test('findings of a policy, in pages', async () => {
  const policyDocument = '{\n  "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }]\n}'
  const seen: (string | undefined)[] = []
  let nextToken: string | undefined
  do {
    const answer = await analyzer.send(
      new ValidatePolicyCommand({ policyDocument, policyType: 'IDENTITY_POLICY', maxResults: 2, nextToken }),
    )
    seen.push(...(answer.findings ?? []).map(({ issueCode }) => issueCode))
    nextToken = answer.nextToken
  } while (nextToken)
  expect(seen).toEqual([
    'MISSING_VERSION',
    'PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE',
    'CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE',
  ])
  const { findings } = await analyzer.send(new ValidatePolicyCommand({ policyDocument, policyType: 'IDENTITY_POLICY' }))
  expect(findings?.[1]).toMatchObject({
    findingType: 'SECURITY_WARNING',
    learnMoreLink:
      'https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-security-warning-pass-role-with-star-in-action-and-resource',
    locations: [
      {
        path: [{ value: 'Statement' }, { index: 0 }, { value: 'Action' }],
        span: { start: { line: 2, column: 47, offset: 49 }, end: { line: 2, column: 50, offset: 52 } },
      },
      { path: [{ value: 'Statement' }, { index: 0 }, { value: 'Resource' }] },
    ],
  })
})

test('new access is told by statement', async () => {
  const check = (newPolicyDocument: string, existingPolicyDocument: string) =>
    analyzer.send(
      new CheckNoNewAccessCommand({ newPolicyDocument, existingPolicyDocument, policyType: 'IDENTITY_POLICY' }),
    )
  expect(await check(more, reads)).toMatchObject({
    result: 'FAIL',
    message: 'The modified permissions grant new access compared to your existing policy.',
    reasons: [{ description: 'New access in the statement with index: 0.', statementIndex: 0 }],
  })
  expect((await check(reads, more)).result).toBe('PASS')
  expect(await errorOf(check('{', reads))).toBe('InvalidParameterException')
  expect(await errorOf(check('{"Version":"2012-10-17"}', reads))).toBe('InvalidParameterException')
})

test('access that must not be granted', async () => {
  const check = (access: { actions?: string[]; resources?: string[] }) =>
    analyzer.send(
      new CheckAccessNotGrantedCommand({ policyDocument: reads, access: [access], policyType: 'IDENTITY_POLICY' }),
    )
  expect(await check({ actions: ['s3:DeleteBucket', 's3:GetBucketLocation'] })).toMatchObject({
    result: 'PASS',
    message: 'The policy document does not grant access to perform one or more of the listed actions.',
  })
  expect(await check({ actions: ['s3:DeleteBucket', 's3:ListBucket'] })).toMatchObject({
    result: 'FAIL',
    reasons: [{ description: 'One or more of the listed actions in the statement with index: 0.', statementIndex: 0 }],
  })
  expect((await check({ resources: ['arn:aws:s3:::c'] })).result).toBe('PASS')
  expect((await check({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::b/x'] })).result).toBe('FAIL')
  expect(await errorOf(check({}))).toBe('InvalidParameterException')
})

test('public access is told by statement', async () => {
  const check = (Principal: unknown) =>
    analyzer.send(
      new CheckNoPublicAccessCommand({
        resourceType: 'AWS::S3::Bucket',
        policyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Sid: 'Bob', Effect: 'Allow', Principal, Action: ['s3:GetObject'] }],
        }),
      }),
    )
  expect(await check({ AWS: 'arn:aws:iam::111122223333:user/JohnDoe' })).toMatchObject({
    result: 'PASS',
    message: 'The resource policy does not grant public access for the given resource type.',
  })
  expect(await check('*')).toMatchObject({
    result: 'FAIL',
    message: 'The resource policy grants public access for the given resource type.',
    reasons: [
      {
        description: 'Public access granted in the following statement with sid: Bob.',
        statementId: 'Bob',
        statementIndex: 0,
      },
    ],
  })
})

test('a comparison without end is refused', async () => {
  const list = (of: (at: number) => string) => Array.from({ length: 150 }, (_, at) => of(at))
  const hostile = JSON.stringify(
    allow(
      list((at) => `s3:*a${at}*b`),
      list((at) => `arn:aws:s3:::*b${at}*/x*`),
    ),
  )
  const check = analyzer.send(
    new CheckNoNewAccessCommand({
      newPolicyDocument: hostile,
      existingPolicyDocument: hostile,
      policyType: 'IDENTITY_POLICY',
    }),
  )
  expect(await errorOf(check)).toBe('UnprocessableEntityException')
})
