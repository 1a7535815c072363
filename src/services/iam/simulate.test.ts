import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { simulateAction } from './simulation.ts'
import { statementSpans } from './statement-spans.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const arn = (rest: string) => `arn:aws:iam::000000000000:${rest}`
const text = (document: object) => JSON.stringify(document)
const custom = (input: Partial<sdk.SimulateCustomPolicyCommandInput>) =>
  iam.send(
    new sdk.SimulateCustomPolicyCommand({
      PolicyInputList: [text(allow('s3:*'))],
      ActionNames: ['s3:GetObject'],
      ...input,
    }),
  )
const refused = (message: string | RegExp) =>
  expect.objectContaining({ name: 'InvalidInputException', message: expect.stringMatching(message) })

describe('SimulateCustomPolicy', () => {
  test('says what enforcement would, and which statement decides', async () => {
    const document = `{
  "Version": "2012-10-17",
  "Statement": [
    { "Sid": "All", "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
    { "Effect": "Deny", "Action": "s3:Delete*", "Resource": "*",
      "Condition": { "Bool": { "aws:MultiFactorAuthPresent": "false" } } }
  ]
}`
    const { EvaluationResults } = await custom({
      PolicyInputList: [document],
      ActionNames: ['s3:GetObject', 's3:DeleteObject', 'ec2:RunInstances'],
      ContextEntries: [
        { ContextKeyName: 'aws:MultiFactorAuthPresent', ContextKeyType: 'boolean', ContextKeyValues: ['false'] },
      ],
    })
    const source = { SourcePolicyId: 'PolicyInputList.1', SourcePolicyType: 'IAM Policy' }
    expect(EvaluationResults).toEqual([
      {
        EvalActionName: 's3:GetObject',
        EvalResourceName: '*',
        EvalDecision: 'allowed',
        MatchedStatements: [
          { ...source, StartPosition: { Line: 3, Column: 17 }, EndPosition: { Line: 4, Column: 75 } },
        ],
        MissingContextValues: [],
      },
      expect.objectContaining({
        EvalDecision: 'explicitDeny',
        MatchedStatements: [
          { ...source, StartPosition: { Line: 4, Column: 75 }, EndPosition: { Line: 6, Column: 75 } },
        ],
      }),
      expect.objectContaining({ EvalDecision: 'implicitDeny', MatchedStatements: [] }),
    ])
  })

  test('one resource is told as such, several each by itself', async () => {
    const mine = 'arn:aws:s3:::mine/a'
    const PolicyInputList = [text(allow('s3:GetObject', 'arn:aws:s3:::mine/*'))]
    const one = await custom({ PolicyInputList, ResourceArns: [mine] })
    expect(one.EvaluationResults).toMatchObject([
      {
        EvalResourceName: mine,
        EvalDecision: 'allowed',
        EvalDecisionDetails: {},
        ResourceSpecificResults: [{ EvalResourceName: mine, EvalResourceDecision: 'allowed' }],
      },
    ])
    const two = await custom({ PolicyInputList, ResourceArns: [mine, 'arn:aws:s3:::yours/a'] })
    expect(two.EvaluationResults).toMatchObject([
      {
        EvalResourceName: 'arn:aws:s3:::${BucketName}/${ObjectName}',
        EvalDecision: 'allowed',
        MatchedStatements: [],
        ResourceSpecificResults: [
          { EvalResourceDecision: 'allowed', MatchedStatements: [{ SourcePolicyId: 'PolicyInputList.1' }] },
          { EvalResourceDecision: 'implicitDeny', MatchedStatements: [] },
        ],
      },
    ])
    const unspecific = await custom({ ActionNames: ['s3:ListAllMyBuckets'], ResourceArns: [mine] })
    expect(unspecific.EvaluationResults?.[0]).toMatchObject({ EvalResourceName: '*', EvalDecision: 'allowed' })
  })

  test('missing keys are told where they are asked for, as the policy spells them', async () => {
    const PolicyInputList = [
      text(allow('s3:*', 'arn:aws:s3:::${aws:username}/*', { Bool: { 'aws:SecureTransport': 'true' } })),
    ]
    const keys = await iam.send(new sdk.GetContextKeysForCustomPolicyCommand({ PolicyInputList }))
    expect(keys.ContextKeyNames?.toSorted()).toEqual(['aws:SecureTransport', 'aws:username'])
    const missing = async (input: Partial<sdk.SimulateCustomPolicyCommandInput>) => {
      const { EvaluationResults } = await custom({ PolicyInputList, ...input })
      return [
        EvaluationResults?.[0]?.MissingContextValues,
        EvaluationResults?.[0]?.ResourceSpecificResults?.[0]?.MissingContextValues,
      ]
    }
    expect(await missing({})).toEqual([['aws:username'], undefined])
    expect(await missing({ ActionNames: ['sqs:SendMessage'] })).toEqual([[], undefined])
    const ContextEntries = [
      { ContextKeyName: 'AWS:UserName', ContextKeyType: 'string' as const, ContextKeyValues: ['ann'] },
    ]
    expect(await missing({ ContextEntries, ResourceArns: ['arn:aws:s3:::ann/a'] })).toEqual([
      [],
      ['aws:SecureTransport'],
    ])
  })

  test('another account’s resource needs both sides', async () => {
    const ResourcePolicy = text({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: { AWS: '111111111111' }, Action: 's3:Get*', Resource: 'arn:aws:s3:::theirs/*' },
      ],
    })
    const ask = {
      ResourcePolicy,
      ResourceArns: ['arn:aws:s3:::theirs/a'],
      ResourceOwner: 'arn:aws:iam::222222222222:root',
      CallerArn: 'arn:aws:iam::111111111111:user/ann',
    }
    const { EvaluationResults } = await custom({ ...ask, ActionNames: ['s3:GetObject', 's3:PutObject'] })
    expect(EvaluationResults).toMatchObject([
      {
        EvalDecision: 'allowed',
        EvalDecisionDetails: { 'IAM Policy': 'allowed', 'Resource Policy': 'allowed' },
        MatchedStatements: [{ SourcePolicyId: 'PolicyInputList.1' }, { SourcePolicyId: 'ResourcePolicy.1' }],
      },
      {
        EvalDecision: 'implicitDeny',
        EvalDecisionDetails: { 'IAM Policy': 'allowed', 'Resource Policy': 'implicitDeny' },
      },
    ])
    await expect(custom({ ...ask, CallerArn: undefined })).rejects.toThrow(refused(/^CallerArn is required/))
    await expect(custom({ ...ask, ResourceArns: ['arn:aws:s3:::other/a'] })).rejects.toThrow(
      refused(/does not apply to arn:aws:s3:::other\/a/),
    )
    await expect(custom({ ...ask, ResourceOwner: 'nobody' })).rejects.toThrow(refused(/nobody/))
    await expect(custom({ CallerArn: arn('role/worker') })).rejects.toThrow(refused(/caller ARN/))
  })

  test.each([
    ['numeric', ['1', 'x']],
    ['numeric', ['many']],
    ['booleanList', ['true', 'maybe']],
    ['ip', ['10.0.0.0.0']],
    ['date', ['yesterday']],
    ['binary', ['!']],
    ['string', []],
  ] as const)('context of type %s: %j is refused', async (ContextKeyType, values) => {
    const entry = { ContextKeyName: 'aws:Some', ContextKeyType, ContextKeyValues: [...values] }
    await expect(custom({ ContextEntries: [entry] })).rejects.toThrow(refused(/aws:Some/))
  })

  test('an EC2 scenario has all it needs, and is allowed when all of it is', async () => {
    const ec2 = (kind: string) => `arn:aws:ec2:us-east-1:000000000000:${kind}/x`
    const ResourceArns = ['instance', 'image', 'security-group', 'network-interface'].map(ec2)
    const ask = {
      PolicyInputList: [text(allow('ec2:RunInstances', ResourceArns.slice(1)))],
      ActionNames: ['ec2:RunInstances'],
      ResourceArns,
    }
    const scenario = async (ResourceHandlingOption?: string) =>
      (await custom({ ...ask, ResourceHandlingOption })).EvaluationResults?.[0]?.EvalDecision
    expect(await scenario()).toBe('allowed')
    expect(await scenario('EC2-VPC-InstanceStore')).toBe('implicitDeny')
    await expect(scenario('EC2-VPC-EBS')).rejects.toThrow(refused(/volume/))
    await expect(scenario('EC2-Moon')).rejects.toThrow(refused(/EC2-Moon/))
  })

  test('one boundary, no wildcards in actions, policies that are some; by page', async () => {
    const boundary = text(allow('sqs:*'))
    await expect(custom({ PermissionsBoundaryPolicyInputList: [boundary, boundary] })).rejects.toThrow(
      refused('Only one'),
    )
    await expect(custom({ ActionNames: ['s3:Get*'] })).rejects.toThrow(refused(/s3:Get\*/))
    await expect(custom({ PolicyInputList: ['{}'] })).rejects.toThrow(refused('Syntax errors in policy.'))
    const ActionNames = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject']
    const pages: (string | undefined)[][] = []
    const config = { client: iam, pageSize: 2 }
    for await (const page of sdk.paginateSimulateCustomPolicy(config, {
      PolicyInputList: [text(allow('s3:*'))],
      PermissionsBoundaryPolicyInputList: [boundary],
      ActionNames,
    })) {
      pages.push((page.EvaluationResults ?? []).map(({ EvalActionName }) => EvalActionName))
      expect(page.EvaluationResults?.[0]).toMatchObject({
        EvalDecision: 'implicitDeny',
        PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false },
      })
    }
    expect(pages).toEqual([ActionNames.slice(0, 2), ActionNames.slice(2)])
  })
})

test('many resources make short pages', async () => {
  const ResourceArns = Array.from({ length: 1500 }, (_, index) => `arn:aws:s3:::bucket/${index}`)
  const ActionNames = ['s3:GetObject', 's3:PutObject']
  const first = await custom({ ActionNames, ResourceArns })
  expect(first).toMatchObject({ IsTruncated: true, EvaluationResults: [{ EvalActionName: 's3:GetObject' }] })
  expect(first.EvaluationResults?.[0]?.ResourceSpecificResults).toHaveLength(1500)
  const second = await custom({ ActionNames, ResourceArns, Marker: first.Marker })
  expect(second).toMatchObject({ IsTruncated: false, EvaluationResults: [{ EvalActionName: 's3:PutObject' }] })
})

describe('SimulatePrincipalPolicy', () => {
  const principal = (PolicySourceArn: string, ActionNames: string[]) =>
    iam.send(new sdk.SimulatePrincipalPolicyCommand({ PolicySourceArn, ActionNames }))

  test('takes policies, boundary and groups, and points into what is stored', async () => {
    await drydock.user('simulated', [allow(['s3:*', 'ec2:*'])])
    await iam.send(
      new sdk.PutUserPermissionsBoundaryCommand({
        UserName: 'simulated',
        PermissionsBoundary: 'arn:aws:iam::aws:policy/AmazonS3FullAccess',
      }),
    )
    const { EvaluationResults } = await principal(arn('user/simulated'), ['s3:GetObject', 'ec2:RunInstances'])
    expect(EvaluationResults).toMatchObject([
      { EvalDecision: 'allowed', PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: true } },
      {
        EvalDecision: 'implicitDeny',
        PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false },
        MatchedStatements: [
          {
            SourcePolicyId: 'user_simulated_policy-0',
            SourcePolicyType: 'IAM Policy',
            StartPosition: { Line: 1, Column: 38 },
          },
        ],
      },
    ])
    expect(EvaluationResults?.[0]?.OrganizationsDecisionDetail).toBeUndefined()
  })

  test('of groups and roles, and of nobody', async () => {
    await iam.send(new sdk.CreateGroupCommand({ GroupName: 'admins', Path: '/it/' }))
    await iam.send(
      new sdk.AttachGroupPolicyCommand({
        GroupName: 'admins',
        PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
      }),
    )
    const group = await principal(arn('group/it/admins'), ['iam:CreateUser'])
    expect(group.EvaluationResults?.[0]?.MatchedStatements?.[0]?.SourcePolicyId).toBe('AdministratorAccess')
    const role = await drydock.role('builder', 'codebuild.amazonaws.com', [
      allow('logs:*', '*', { ArnEquals: { 'aws:PrincipalArn': arn('role/builder') } }),
    ])
    const { EvaluationResults } = await principal(role, ['logs:PutLogEvents'])
    expect(EvaluationResults?.[0]?.EvalDecision).toBe('allowed')
    await expect(principal(arn('user/nobody'), ['s3:GetObject'])).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    })
  })

  test('control policies of the organization count, and are told', async () => {
    const simulation = {
      caller: { kind: 'user' as const, account: '111111111111', arn: 'arn:aws:iam::111111111111:user/ann' },
      context: {},
      policies: [{ kind: 'identity' as const, id: 'all', document: allow('*') as PolicyDocument }],
      owner: undefined,
      together: false,
      controls: [
        { kind: 'service-control' as const, id: 'p-1', level: 'r-1', document: allow('s3:*') as PolicyDocument },
      ],
    }
    const ask = (action: string) => simulateAction(simulation, action, ['*'])
    expect(await ask('s3:ListAllMyBuckets')).toMatchObject({
      EvalDecision: 'allowed',
      OrganizationsDecisionDetail: { AllowedByOrganizations: true },
      MatchedStatements: [{ SourcePolicyId: 'all' }],
    })
    expect(await ask('sqs:ListQueues')).toMatchObject({
      EvalDecision: 'implicitDeny',
      OrganizationsDecisionDetail: { AllowedByOrganizations: false },
    })
  })
})

// The third is the example of the AWS CLI's reference, "simulate-custom-policy".
test.each([
  ['{"Statement":{"a":{"b":1}},"Id":"{"}', [[1, 15, 1, 27]]],
  [
    '{"Statement":[{},{"x":[{}]}]}',
    [
      [1, 15, 1, 17],
      [1, 17, 1, 28],
    ],
  ],
  [
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}',
    [[1, 38, 1, 167]],
  ],
  ['{"Id":{"Statement":[{}]},"Statement":[]}', []],
])('statements in %s', (json, expected) => {
  const spans = statementSpans(json).map(({ StartPosition: from, EndPosition: to }) => [
    from.Line,
    from.Column,
    to.Line,
    to.Column,
  ])
  expect(spans).toEqual(expected)
})
