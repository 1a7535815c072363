import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allow, document, identity, oidc, rcp, rcpType, resource, rows, scp, trust, web } from './cases.ts'
import { issueCodes, kindOf, learnMoreLink } from './catalogue.ts'
import type { PolicyType } from './check.ts'
import { type PolicyFinding, validatePolicy } from './validate.ts'

const textOf = (policy: object | string) => (typeof policy === 'string' ? policy : JSON.stringify(policy, null, 2))

test.each(
  rows.map(([code, policy, policyType = identity, resourceType]) => ({ code, policy, policyType, resourceType })),
)('$code', async ({ code, policy, policyType, resourceType }) => {
  const text = textOf(policy)
  const findings = await validatePolicy({ text, policyType, resourceType })
  const found = findings.find(({ issueCode }) => issueCode === code)
  expect(findings.map(({ issueCode }) => issueCode)).toContain(code)
  expect(found?.learnMoreLink).toBe(learnMoreLink(found!.issueCode))
  expect(found?.findingType).toBe(kindOf(found!.issueCode))
  expect(found?.findingDetails).not.toMatch(/undefined|\[object/)
  checkPlaces(text, found!)
})

/** Every span is in the text, and its path leads to what stands there. */
const checkPlaces = (text: string, { locations, issueCode }: PolicyFinding) => {
  expect(locations.length).toBeGreaterThan(0)
  if (issueCode === 'JSON_SYNTAX_ERROR') return
  for (const { path, span } of locations) {
    const written = text.slice(span.start.offset, span.end.offset)
    let value: unknown = JSON.parse(text)
    let key: string | undefined
    let cut: { start: number; length: number } | undefined
    for (const step of path) {
      if ('value' in step) value = (value as Record<string, unknown>)[step.value]
      else if ('index' in step) value = (value as unknown[])[step.index]
      else if ('key' in step) key = step.key
      else cut = step.substring
    }
    if (cut) expect(written).toBe(String(value).slice(cut.start, cut.start + cut.length))
    else expect(JSON.parse(written)).toEqual(key ?? value)
    const lines = text.slice(0, span.start.offset).split('\n')
    expect(span.start).toMatchObject({ line: lines.length, column: lines.at(-1)?.length })
  }
}

test('there is a row for every code of the catalogue', () => {
  expect(new Set(rows.map(([code]) => code))).toEqual(new Set(issueCodes))
  expect(issueCodes.length).toBeGreaterThanOrEqual(80)
})

test.each<[string, object, PolicyType?, string?]>([
  [
    'reading a bucket',
    document(
      allow({ Action: ['s3:GetObject', 's3:GetObjectVersion'] }),
      allow({
        Action: 's3:ListBucket',
        Resource: 'arn:aws:s3:::b',
        Condition: { StringLike: { 's3:prefix': ['home/', 'home/${aws:username}/*'] } },
      }),
    ),
  ],
  [
    'a build role',
    document(
      allow({
        Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: 'arn:aws:logs:us-east-1:111122223333:log-group:/aws/codebuild/p*',
      }),
      allow({
        Action: 'codebuild:BatchPutTestCases',
        Resource: 'arn:aws:codebuild:us-east-1:111122223333:report-group/p-*',
      }),
    ),
  ],
  [
    'passing one role',
    document(
      allow({
        Action: 'iam:PassRole',
        Resource: 'arn:aws:iam::111122223333:role/deploy',
        Condition: { StringEquals: { 'iam:PassedToService': 'codepipeline.amazonaws.com' } },
      }),
    ),
  ],
  [
    'passing any role to one service',
    document(
      allow({
        Action: 'iam:PassRole',
        Resource: '*',
        Condition: { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } },
      }),
    ),
  ],
  [
    'by tags',
    document(
      allow({
        Action: 'ec2:StartInstances',
        Resource: 'arn:aws:ec2:*:*:instance/*',
        Condition: {
          StringEquals: { 'aws:ResourceTag/Owner': '${aws:username}' },
          Bool: { 'aws:MultiFactorAuthPresent': 'true' },
        },
      }),
    ),
  ],
  ['a trust policy of a service', trust({ Principal: { Service: 'codebuild.amazonaws.com' } }), resource],
  [
    'a trust policy with an external id',
    trust({ Condition: { StringEquals: { 'sts:ExternalId': 'x' } } }),
    resource,
    'AWS::IAM::AssumeRolePolicyDocument',
  ],
  [
    'a trust policy for GitHub',
    web(oidc, {
      StringEquals: {
        'token.actions.githubusercontent.com:aud': 'sts.amazonaws.com',
        'token.actions.githubusercontent.com:sub': 'repo:octo/app:ref:refs/heads/main',
      },
    }),
    resource,
  ],
  [
    'a bucket policy of a trail',
    document(
      allow({
        Action: 's3:GetBucketAcl',
        Resource: 'arn:aws:s3:::b',
        Principal: { Service: 'cloudtrail.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceArn': 'arn:aws:cloudtrail:us-east-1:111122223333:trail/t' } },
      }),
    ),
    resource,
    'AWS::S3::Bucket',
  ],
  [
    'only over TLS',
    document({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: ['arn:aws:s3:::b', 'arn:aws:s3:::b/*'],
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    }),
    resource,
    'AWS::S3::Bucket',
  ],
  [
    'a service control policy',
    document({
      Effect: 'Deny',
      Action: ['organizations:LeaveOrganization', 'cloudtrail:StopLogging'],
      Resource: '*',
      Condition: { StringNotEquals: { 'aws:RequestedRegion': ['us-east-1', 'eu-west-1'] } },
    }),
    scp,
  ],
  [
    'a resource control policy',
    rcp({
      Condition: {
        StringNotEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' },
        BoolIfExists: { 'aws:PrincipalIsAWSService': 'false' },
      },
    }),
    rcpType,
  ],
])('nothing to say of %s', async (_, policy, policyType = identity, resourceType) => {
  const findings = await validatePolicy({ text: textOf(policy), policyType, resourceType })
  expect(findings.map(({ issueCode, findingDetails }) => `${issueCode}: ${findingDetails}`)).toEqual([])
})

test('as in the example of the AWS CLI', async () => {
  const text = JSON.stringify(
    document({
      Sid: '',
      Effect: 'Allow',
      Principal: { Federated: 'cognito-identity.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
      Condition: { StringEquals: { 'cognito-identity.amazonaws.com:aud': 'us-west-2_EXAMPLE' } },
    }),
    null,
    4,
  )
  const findings = await validatePolicy({ text, policyType: resource })
  const byCode = new Map(findings.map((finding) => [finding.issueCode as string, finding]))
  expect(byCode.get('EMPTY_SID_VALUE')?.locations).toEqual([
    {
      path: [{ value: 'Statement' }, { index: 0 }, { value: 'Sid' }],
      span: { start: { line: 5, column: 19, offset: 79 }, end: { line: 5, column: 21, offset: 81 } },
    },
  ])
  expect(byCode.get('MISMATCHED_ACTION_FOR_PRINCIPAL')?.findingDetails).toBe(
    'The sts:AssumeRole action is invalid with the following principal(s): cognito-identity.amazonaws.com. Use a SAML provider principal with the sts:AssumeRoleWithSAML action or use an OIDC provider principal with the sts:AssumeRoleWithWebIdentity action. Ensure the provider is Federated if you use either of the two options.',
  )
  const mismatched = byCode.get('MISMATCHED_ACTION_FOR_PRINCIPAL')?.locations[0]
  expect(mismatched?.path).toEqual([{ value: 'Statement' }, { index: 0 }, { value: 'Action' }, { index: 0 }])
})

test('any text has an answer', async () => {
  const json = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.json({ maxDepth: 5 }),
    fc
      .record({
        Version: fc.constantFrom<unknown>('2012-10-17', 1, null),
        Statement: fc.oneof(
          fc.jsonValue(),
          fc.array(
            fc.dictionary(
              fc.constantFrom(
                'Sid',
                'Effect',
                'Action',
                'NotAction',
                'Resource',
                'Principal',
                'Condition',
                '__proto__',
              ),
              fc.oneof(
                fc.jsonValue({ maxDepth: 4 }),
                fc.constantFrom<unknown>(
                  '*',
                  'arn:',
                  'arn:aws:::::',
                  's3:',
                  ':',
                  '${',
                  '${}}',
                  { StringEquals: { '': '' } },
                  { AWS: '' },
                  { 'ForAllValues:': { ':': [] } },
                ),
              ),
            ),
          ),
        ),
      })
      .map((value) => JSON.stringify(value)),
  )
  await fc.assert(
    fc.asyncProperty(json, fc.constantFrom<PolicyType>(identity, resource, scp, rcpType), async (text, policyType) => {
      for (const { locations } of await validatePolicy({ text, policyType }))
        for (const { span } of locations) expect(span.end.offset).toBeLessThanOrEqual(text.length)
    }),
    { numRuns: 400 },
  )
})
