import {
  CreateRoleCommand,
  DeleteRolePolicyCommand,
  IAMClient,
  ListRolesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import {
  AttachPolicyCommand,
  CloseAccountCommand,
  CreateOrganizationalUnitCommand,
  CreateOrganizationCommand,
  CreatePolicyCommand,
  DescribeAccountCommand,
  DescribeOrganizationCommand,
  DetachPolicyCommand,
  EnablePolicyTypeCommand,
  ListRootsCommand,
  MoveAccountCommand,
  OrganizationsClient,
  RemoveAccountFromOrganizationCommand,
} from '@aws-sdk/client-organizations'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

// What an organization does to its accounts: who gets in, and what control policies let through.

let drydock: Story
let organizations: OrganizationsClient
let organizationId: string
let root: string
beforeAll(async () => {
  drydock = await story()
  organizations = drydock.client(OrganizationsClient)
  const { Organization } = await organizations.send(new CreateOrganizationCommand({}))
  organizationId = Organization?.Id ?? ''
  root = (await organizations.send(new ListRootsCommand({}))).Roots?.[0]?.Id ?? ''
  for (const PolicyType of ['SERVICE_CONTROL_POLICY', 'RESOURCE_CONTROL_POLICY'] as const)
    await organizations.send(new EnablePolicyTypeCommand({ RootId: root, PolicyType }))
})
afterAll(() => drydock.close())

/** A member account in a unit of its own, and the keys of a user of the management account who may come in. */
const member = async (name: string): Promise<{ account: string; unit: string; visitor: Keys; admin: Keys }> => {
  const made = await organizations.send(new CreateOrganizationalUnitCommand({ ParentId: root, Name: `unit-${name}` }))
  const unit = made.OrganizationalUnit?.Id ?? ''
  const account = await createAccount(drydock, name)
  await organizations.send(
    new MoveAccountCommand({ AccountId: account, SourceParentId: root, DestinationParentId: unit }),
  )
  const role = `arn:aws:iam::${account}:role/OrganizationAccountAccessRole`
  const visitor = await drydock.user(`visitor-${name}`, [allow('sts:AssumeRole', role)])
  return { account, unit, visitor, admin: await enter(drydock, visitor, account) }
}

type Control = 'SERVICE_CONTROL_POLICY' | 'RESOURCE_CONTROL_POLICY'
const policy = async (name: string, Type: Control, Statement: object) => {
  const Content = JSON.stringify({ Version: '2012-10-17', Statement })
  const made = await organizations.send(new CreatePolicyCommand({ Name: name, Description: '', Type, Content }))
  return made.Policy?.PolicySummary?.Id ?? ''
}
const attach = (PolicyId: string, TargetId: string) =>
  organizations.send(new AttachPolicyCommand({ PolicyId, TargetId }))
const detach = (PolicyId: string, TargetId: string) =>
  organizations.send(new DetachPolicyCommand({ PolicyId, TargetId }))

test('a user of the management account works in a member account by the role that AWS made there', async () => {
  const { account, admin } = await member('plain')
  const identity = await drydock.client(STSClient, admin).send(new GetCallerIdentityCommand({}))
  expect(identity.Account).toBe(account)
  expect(identity.Arn).toBe(`arn:aws:sts::${account}:assumed-role/OrganizationAccountAccessRole/visitor`)
  const { Roles } = await drydock.client(IAMClient, admin).send(new ListRolesCommand({}))
  expect(Roles?.map(({ RoleName }) => RoleName).toSorted()).toEqual([
    'AWSServiceRoleForOrganizations',
    'OrganizationAccountAccessRole',
  ])
})

test('who is not let in by both accounts stays outside', async () => {
  const { account } = await member('closed-door')
  const bob = await drydock.user('bob')
  await expect(enter(drydock, bob, account)).rejects.toThrow(/is not authorized to perform: sts:AssumeRole/)
})

test('a service control policy on the unit denies at once, and lets through when it is detached', async () => {
  const { account, unit, admin } = await member('guarded')
  const s3 = drydock.client(S3Client, admin)
  const id = await policy('no-buckets', 'SERVICE_CONTROL_POLICY', {
    Effect: 'Deny',
    Action: 's3:CreateBucket',
    Resource: '*',
  })
  await attach(id, unit)
  await expect(s3.send(new CreateBucketCommand({ Bucket: 'guarded-data' }))).rejects.toMatchObject({
    name: 'AccessDenied',
    message: `User: arn:aws:sts::${account}:assumed-role/OrganizationAccountAccessRole/visitor is not authorized to perform: s3:CreateBucket on resource: "arn:aws:s3:::guarded-data" with an explicit deny in a service control policy`,
  })
  await detach(id, unit)
  await s3.send(new CreateBucketCommand({ Bucket: 'guarded-data' }))
})

test('no service control policy binds the management account', async () => {
  const id = await policy('nothing', 'SERVICE_CONTROL_POLICY', { Effect: 'Deny', Action: '*', Resource: '*' })
  await attach(id, drydock.account)
  await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'management-data' }))
  await detach(id, drydock.account)
})

test('every level must allow: without FullAWSAccess on the unit only what another policy there allows is left', async () => {
  const { unit, admin } = await member('narrow')
  const s3 = drydock.client(S3Client, admin)
  const id = await policy('only-sts', 'SERVICE_CONTROL_POLICY', { Effect: 'Allow', Action: 'sts:*', Resource: '*' })
  await attach(id, unit)
  await detach('p-FullAWSAccess', unit)
  await expect(s3.send(new ListBucketsCommand({}))).rejects.toThrow(
    'because no service control policy allows the s3:ListAllMyBuckets action',
  )
  await attach('p-FullAWSAccess', unit)
  expect((await s3.send(new ListBucketsCommand({}))).Buckets).toEqual([])
})

test('a moved account is under the policies of where it is', async () => {
  const { account, unit, admin } = await member('moved')
  const s3 = drydock.client(S3Client, admin)
  const id = await policy('no-listing', 'SERVICE_CONTROL_POLICY', { Effect: 'Deny', Action: 's3:List*', Resource: '*' })
  await attach(id, unit)
  await expect(s3.send(new ListBucketsCommand({}))).rejects.toThrow('explicit deny in a service control policy')
  await organizations.send(
    new MoveAccountCommand({ AccountId: account, SourceParentId: unit, DestinationParentId: root }),
  )
  expect((await s3.send(new ListBucketsCommand({}))).Buckets).toEqual([])
})

test('a resource control policy keeps principals of no organization out of a member’s bucket', async () => {
  const owner = await member('owner')
  const other = await member('other')
  const mine = drydock.client(S3Client, owner.admin)
  await mine.send(new CreateBucketCommand({ Bucket: 'owner-data' }))
  await mine.send(new PutObjectCommand({ Bucket: 'owner-data', Key: 'a', Body: 'a' }))
  const id = await policy('perimeter', 'RESOURCE_CONTROL_POLICY', {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: '*',
    Condition: { StringNotEqualsIfExists: { 'aws:PrincipalOrgID': organizationId } },
  })
  await attach(id, owner.account)
  const read = async (keys: Keys) =>
    (
      await drydock.client(S3Client, keys).send(new GetObjectCommand({ Bucket: 'owner-data', Key: 'a' }))
    ).Body?.transformToString()

  await expect(read(other.admin)).rejects.toThrow('because no resource-based policy allows the s3:GetObject action')
  await mine.send(
    new PutBucketPolicyCommand({
      Bucket: 'owner-data',
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { AWS: other.account },
            Action: ['s3:GetObject', 's3:PutObject'],
            Resource: 'arn:aws:s3:::owner-data/*',
          },
        ],
      }),
    }),
  )
  expect(await read(other.admin)).toBe('a')
  // The other account leaves: it has been there long enough.
  await drydock.advance({ days: 5 })
  await organizations.send(new RemoveAccountFromOrganizationCommand({ AccountId: other.account }))
  const outside = await enter(drydock, other.visitor, other.account)
  await expect(read(outside)).rejects.toThrow('with an explicit deny in a resource control policy')
  await detach(id, owner.account)
  expect(await read(outside)).toBe('a')
})

test('a role writes into another account’s bucket only when both sides allow', async () => {
  const from = await member('writer')
  const to = await member('keeper')
  const iam = drydock.client(IAMClient, from.admin)
  const { Role } = await iam.send(
    new CreateRoleCommand({
      RoleName: 'deliver',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { AWS: from.account }, Action: 'sts:AssumeRole' }],
      }),
    }),
  )
  const bucket = drydock.client(S3Client, to.admin)
  await bucket.send(new CreateBucketCommand({ Bucket: 'keeper-data' }))
  const session = async () => {
    const assumed = await drydock
      .client(STSClient, from.admin)
      .send(new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: 'delivery' }))
    return drydock.client(S3Client, {
      accessKeyId: assumed.Credentials?.AccessKeyId ?? '',
      secretAccessKey: assumed.Credentials?.SecretAccessKey ?? '',
      sessionToken: assumed.Credentials?.SessionToken ?? '',
    })
  }
  const write = async () =>
    (await session()).send(new PutObjectCommand({ Bucket: 'keeper-data', Key: 'report', Body: 'done' }))
  const bucketPolicy = new PutBucketPolicyCommand({
    Bucket: 'keeper-data',
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: Role?.Arn },
          Action: 's3:PutObject',
          Resource: 'arn:aws:s3:::keeper-data/*',
        },
      ],
    }),
  })
  const rolePolicy = new PutRolePolicyCommand({
    RoleName: 'deliver',
    PolicyName: 'write',
    PolicyDocument: JSON.stringify(allow('s3:PutObject', 'arn:aws:s3:::keeper-data/*')),
  })

  await iam.send(rolePolicy)
  await expect(write()).rejects.toThrow('because no resource-based policy allows the s3:PutObject action')
  await bucket.send(bucketPolicy)
  await write()
  await iam.send(new DeleteRolePolicyCommand({ RoleName: 'deliver', PolicyName: 'write' }))
  await expect(write()).rejects.toThrow('because no identity-based policy allows the s3:PutObject action')
})

test('a closed account can do nothing, and nobody can come into it', async () => {
  const { account, admin, visitor } = await member('shut')
  const { Organization } = await drydock.client(OrganizationsClient, admin).send(new DescribeOrganizationCommand({}))
  expect(Organization?.Id).toBe(organizationId)
  await organizations.send(new CloseAccountCommand({ AccountId: account }))
  await drydock.settled()
  const { Account } = await organizations.send(new DescribeAccountCommand({ AccountId: account }))
  expect(Account).toMatchObject({ Status: 'SUSPENDED', State: 'CLOSED' })
  await expect(drydock.client(S3Client, admin).send(new ListBucketsCommand({}))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  await expect(enter(drydock, visitor, account)).rejects.toThrow(/is not authorized to perform: sts:AssumeRole/)
  await expect(organizations.send(new CloseAccountCommand({ AccountId: account }))).rejects.toMatchObject({
    name: 'AccountAlreadyClosedException',
  })
  await drydock.advance({ days: 91 })
  await expect(organizations.send(new DescribeAccountCommand({ AccountId: account }))).rejects.toMatchObject({
    name: 'AccountNotFoundException',
  })
  await expect(enter(drydock, visitor, account)).rejects.toThrow(/is not authorized to perform: sts:AssumeRole/)
})
