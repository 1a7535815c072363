import {
  AccessAnalyzerClient,
  CheckNoPublicAccessCommand,
  type Configuration,
  CreateAccessPreviewCommand,
  CreateAnalyzerCommand,
  ListAccessPreviewFindingsCommand,
  ListFindingsCommand,
} from '@aws-sdk/client-accessanalyzer'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CreateGrantCommand,
  CreateKeyCommand,
  KMSClient,
  PutKeyPolicyCommand,
  RevokeGrantCommand,
} from '@aws-sdk/client-kms'
import {
  CreateSecretCommand,
  DeleteResourcePolicyCommand,
  PutResourcePolicyCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Story, story } from '../../../../test/story.ts'

let drydock: Story
let analyzer: AccessAnalyzerClient
let secrets: SecretsManagerClient
let kms: KMSClient
const analyzerArn = 'arn:aws:access-analyzer:us-east-1:000000000000:analyzer/own'
const other = 'arn:aws:iam::111122223333:root'

beforeEach(async () => {
  drydock = await story()
  analyzer = drydock.client(AccessAnalyzerClient)
  secrets = drydock.client(SecretsManagerClient)
  kms = drydock.client(KMSClient)
  await analyzer.send(new CreateAnalyzerCommand({ analyzerName: 'own', type: 'ACCOUNT' }))
  await drydock.settled()
})
afterEach(() => drydock.close())

const policy = (...statements: object[]) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((one) => ({ Effect: 'Allow', Resource: '*', ...one })),
  })
const whole = { Principal: { AWS: 'arn:aws:iam::000000000000:root' }, Action: 'kms:*' }
const list = async () => (await analyzer.send(new ListFindingsCommand({ analyzerArn }))).findings ?? []
type Findings = Awaited<ReturnType<typeof list>>
/** What a change wakes comes after the call's answer. */
const found = async (expected: (findings: Findings) => boolean): Promise<Findings> => {
  for (let at = 0; at < 50; at++) {
    await drydock.settled()
    const findings = await list()
    if (expected(findings)) return findings
    await new Promise((resolve) => setImmediate(resolve))
  }
  return list()
}
const preview = async (resource: string, configuration: Configuration) => {
  const { id: accessPreviewId } = await analyzer.send(
    new CreateAccessPreviewCommand({ analyzerArn, configurations: { [resource]: configuration } }),
  )
  await drydock.settled()
  const { findings } = await analyzer.send(new ListAccessPreviewFindingsCommand({ analyzerArn, accessPreviewId }))
  return findings?.map(({ changeType, status, isPublic, principal, action }) => ({
    changeType,
    status,
    isPublic,
    who: principal?.AWS,
    action,
  }))
}

test('a secret is shared by its policy, previewed before that, and no longer found without it', async () => {
  const { ARN = '' } = await secrets.send(new CreateSecretCommand({ Name: 'database', SecretString: 'x' }))
  const ResourcePolicy = policy({ Principal: { AWS: other }, Action: 'secretsmanager:GetSecretValue' })
  expect(await preview(ARN, { secretsManagerSecret: { secretPolicy: ResourcePolicy } })).toEqual([
    { changeType: 'NEW', status: 'ACTIVE', isPublic: false, who: other, action: ['secretsmanager:GetSecretValue'] },
  ])
  await secrets.send(new PutResourcePolicyCommand({ SecretId: ARN, ResourcePolicy }))
  expect(await found((all) => all.length > 0)).toMatchObject([
    {
      resource: ARN,
      resourceType: 'AWS::SecretsManager::Secret',
      principal: { AWS: other },
      action: ['secretsmanager:GetSecretValue'],
      isPublic: false,
      status: 'ACTIVE',
    },
  ])
  const open = policy({ Principal: '*', Action: 'secretsmanager:Get*' })
  expect(await preview(ARN, { secretsManagerSecret: { secretPolicy: open } })).toEqual([
    {
      changeType: 'NEW',
      status: 'ACTIVE',
      isPublic: true,
      who: '*',
      action: ['secretsmanager:GetResourcePolicy', 'secretsmanager:GetSecretValue'],
    },
    {
      changeType: 'CHANGED',
      status: 'RESOLVED',
      isPublic: false,
      who: other,
      action: ['secretsmanager:GetSecretValue'],
    },
  ])
  await secrets.send(new DeleteResourcePolicyCommand({ SecretId: ARN }))
  expect((await found(([one]) => one?.status === 'RESOLVED'))[0]?.status).toBe('RESOLVED')
})

test('a key is shared by grants as by its policy, each under its own condition', async () => {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Policy: policy(whole) }))
  const KeyId = KeyMetadata?.Arn ?? ''
  const GranteePrincipal = 'arn:aws:iam::111122223333:role/guest'
  const grants = [
    { granteePrincipal: GranteePrincipal, operations: ['Decrypt' as const], issuingAccount: '000000000000' },
  ]
  expect(await preview(KeyId, { kmsKey: { grants } })).toEqual([
    { changeType: 'NEW', status: 'ACTIVE', isPublic: false, who: GranteePrincipal, action: ['kms:Decrypt'] },
  ])
  // A grant is for who is there.
  const AssumeRolePolicyDocument = policy({
    Principal: { Service: 'ec2.amazonaws.com' },
    Action: 'sts:AssumeRole',
  }).replaceAll('"Resource":"*",', '')
  await drydock
    .client(IAMClient, drydock.server.kernel.vault.rootKey('111122223333'))
    .send(new CreateRoleCommand({ RoleName: 'guest', AssumeRolePolicyDocument }))
  await drydock.role('own', 'ec2.amazonaws.com')
  const { GrantId } = await kms.send(
    new CreateGrantCommand({
      KeyId,
      GranteePrincipal,
      Operations: ['Decrypt', 'GenerateDataKey'],
      Constraints: { EncryptionContextSubset: { app: 'web' } },
    }),
  )
  await kms.send(
    new CreateGrantCommand({ KeyId, GranteePrincipal: 'arn:aws:iam::000000000000:role/own', Operations: ['Decrypt'] }),
  )
  await kms.send(
    new PutKeyPolicyCommand({ KeyId, Policy: policy(whole, { Principal: { AWS: other }, Action: 'kms:DescribeKey' }) }),
  )
  const both = await found((all) => all.length > 1)
  expect(both.map(({ principal, action, condition }) => [principal?.AWS, action, condition])).toEqual(
    expect.arrayContaining([
      [GranteePrincipal, ['kms:Decrypt', 'kms:GenerateDataKey'], { 'kms:EncryptionContext:app': 'web' }],
      [other, ['kms:DescribeKey'], {}],
    ]),
  )
  expect(both.length).toBe(2)
  await kms.send(new RevokeGrantCommand({ KeyId, GrantId }))
  const after = await found((all) => all.some(({ status }) => status === 'RESOLVED'))
  expect(after.find(({ status }) => status === 'RESOLVED')?.principal).toEqual({ AWS: GranteePrincipal })
})

test('a key whose policy shuts the analyzer out is an error', async () => {
  const { KeyMetadata } = await kms.send(
    new CreateKeyCommand({
      Policy: policy({ Principal: { AWS: await drydock.role('admin', 'ec2.amazonaws.com') }, Action: 'kms:*' }),
      BypassPolicyLockoutSafetyCheck: true,
    }),
  )
  expect(await found((all) => all.length > 0)).toMatchObject([
    { resource: KeyMetadata?.Arn, error: 'ACCESS_DENIED', status: 'ACTIVE' },
  ])
})

test.each([
  ['AWS::SecretsManager::Secret' as const, { Principal: '*', Action: 'secretsmanager:GetSecretValue' }, 'FAIL'],
  [
    'AWS::SecretsManager::Secret' as const,
    {
      Principal: '*',
      Action: 'secretsmanager:GetSecretValue',
      Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-example1234' } },
    },
    'PASS',
  ],
  ['AWS::KMS::Key' as const, { Principal: { AWS: '*' }, Action: 'kms:Decrypt' }, 'FAIL'],
  [
    'AWS::KMS::Key' as const,
    { Principal: '*', Action: 'kms:*', Condition: { StringEquals: { 'kms:CallerAccount': '111122223333' } } },
    'PASS',
  ],
])('whether the policy of a %s lets the world in: %j', async (resourceType, statement, expected) => {
  const { result } = await analyzer.send(
    new CheckNoPublicAccessCommand({ resourceType, policyDocument: policy(statement) }),
  )
  expect(result).toBe(expected)
})
