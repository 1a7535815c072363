import { DeleteRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import * as sdk from '@aws-sdk/client-s3-control'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { s3Control } from '../../../../test/s3-hosts.ts'
import { allow, type Keys, type Story, story } from '../../../../test/story.ts'
import { covers, sessionPolicy } from './data-access.ts'
import { grantScope } from './grants.ts'

let drydock: Story
let s3: S3Client
let AccountId: string
let role: string
const other = { accessKeyId: '111111111111', secretAccessKey: 'test' }
const instance = () => `arn:aws:s3:us-east-1:${AccountId}:access-grants/default`
const trust = (actions = ['sts:AssumeRole', 'sts:SetSourceIdentity']) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'access-grants.s3.amazonaws.com' },
      Action: actions,
      Condition: { StringEquals: { 'aws:SourceAccount': AccountId, 'aws:SourceArn': instance() } },
    },
  ],
})
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
  AccountId = drydock.account
  s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'shared' }))
  for (const Key of ['bob/one', 'bob/reports/two', 'alice/three', 'bobby'])
    await s3.send(new PutObjectCommand({ Bucket: 'shared', Key, Body: Key }))
  // As the user guide has it: of use only to what access grants give out.
  role = await drydock.role('data', trust(), [
    allow('s3:*', '*', {
      StringEquals: { 'aws:ResourceAccount': AccountId },
      ArnEquals: { 's3:AccessGrantsInstanceArn': instance() },
    }),
  ])
})
afterAll(() => drydock.close())

const control = (keys?: Keys, region?: string) => s3Control(drydock, keys, region)
/** The instance of us-east-1, with its default location, and a user with one grant. */
let common: Promise<string> | undefined
const locationId = () => {
  common ??= (async () => {
    await control().send(new sdk.CreateAccessGrantsInstanceCommand({ AccountId }))
    const { AccessGrantsLocationId = '' } = await control().send(
      new sdk.CreateAccessGrantsLocationCommand({ AccountId, LocationScope: 's3://', IAMRoleArn: role }),
    )
    return AccessGrantsLocationId
  })()
  return common
}
const grant = async (user: string, S3SubPrefix: string, Permission: sdk.Permission) =>
  control().send(
    new sdk.CreateAccessGrantCommand({
      AccountId,
      AccessGrantsLocationId: await locationId(),
      AccessGrantsLocationConfiguration: { S3SubPrefix },
      Grantee: { GranteeType: 'IAM', GranteeIdentifier: `arn:aws:iam::${AccountId}:user/${user}` },
      Permission,
    }),
  )
const asking = allow(['s3:GetDataAccess', 's3:ListCallerAccessGrants'])
const ask = async (keys: Keys, Target: string, more: Partial<sdk.GetDataAccessCommandInput> = {}) => {
  const answer = await control(keys).send(
    new sdk.GetDataAccessCommand({ AccountId, Target, Permission: 'READ', ...more }),
  )
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = answer.Credentials ?? {}
  const given = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken }
  return { ...answer, s3: drydock.client(S3Client, given) }
}
const read = async (client: S3Client, Key: string) =>
  (await client.send(new GetObjectCommand({ Bucket: 'shared', Key }))).Body?.transformToString()
const denied = { name: 'AccessDenied' }

describe('data access', () => {
  test('is of the grant’s scope, and no more than its permission', async () => {
    const keys = await drydock.user('bob', [asking])
    await expect(read(drydock.client(S3Client, keys), 'bob/one')).rejects.toMatchObject(denied)
    await grant('bob', 'shared/bob/*', 'READ')
    const answer = await ask(keys, 's3://shared/bob/reports/two')
    expect(answer).toMatchObject({
      MatchedGrantTarget: 's3://shared/bob/*',
      Grantee: { GranteeType: 'IAM', GranteeIdentifier: `arn:aws:iam::${AccountId}:user/bob` },
    })
    expect(answer.Credentials?.Expiration).toEqual(new Date(drydock.clock.now().getTime() + 3_600_000))
    expect(await read(answer.s3, 'bob/one')).toBe('bob/one')
    await expect(read(answer.s3, 'alice/three')).rejects.toMatchObject(denied)
    await expect(read(answer.s3, 'bobby')).rejects.toMatchObject(denied)
    const list = (Prefix?: string) => answer.s3.send(new ListObjectsV2Command({ Bucket: 'shared', Prefix }))
    expect((await list('bob/')).Contents?.map(({ Key }) => Key)).toEqual(['bob/one', 'bob/reports/two'])
    await expect(list()).rejects.toMatchObject(denied)
    await expect(
      answer.s3.send(new PutObjectCommand({ Bucket: 'shared', Key: 'bob/new', Body: 'x' })),
    ).rejects.toMatchObject(denied)
    await expect(ask(keys, 's3://shared/bob/*', { Permission: 'READWRITE' })).rejects.toMatchObject({
      ...denied,
      message: 'You do not have READWRITE permissions to the requested S3 Prefix: s3://shared/bob/*',
    })
    await expect(ask(keys, 's3://shared/*')).rejects.toMatchObject(denied)
  })

  test('may be less: the target alone, by the narrowest grant, for as long as asked', async () => {
    const keys = await drydock.user('carol', [asking])
    await grant('carol', 'shared/*', 'READWRITE')
    await grant('carol', 'shared/bob/*', 'READ')
    const one = await ask(keys, 'S3://shared/bob/one', {
      Privilege: 'Minimal',
      TargetType: 'Object',
      DurationSeconds: 900,
    })
    expect(one.MatchedGrantTarget).toBe('s3://shared/bob/one')
    expect(one.Credentials?.Expiration).toEqual(new Date(drydock.clock.now().getTime() + 900_000))
    expect(await read(one.s3, 'bob/one')).toBe('bob/one')
    await expect(read(one.s3, 'bob/reports/two')).rejects.toMatchObject(denied)
    expect((await ask(keys, 's3://shared/bob/one')).MatchedGrantTarget).toBe('s3://shared/bob/*')
    const writer = await ask(keys, 's3://shared/carol/*', { Permission: 'WRITE', Privilege: 'Minimal' })
    await writer.s3.send(new PutObjectCommand({ Bucket: 'shared', Key: 'carol/mine', Body: 'x' }))
    await expect(read(writer.s3, 'carol/mine')).rejects.toMatchObject(denied)
    await writer.s3.send(new DeleteObjectCommand({ Bucket: 'shared', Key: 'carol/mine' }))
    await expect(ask(keys, 's3://shared/bob/one', { DurationSeconds: 43_200 })).rejects.toMatchObject({
      name: 'StsValidationError',
      message: 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    })
  })

  test('a session of a role has what its role was granted, and may list it', async () => {
    const worker = await drydock.role(
      'worker',
      {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { AWS: AccountId }, Action: 'sts:AssumeRole' }],
      },
      [asking],
    )
    const boss = await drydock.user('boss', [allow('sts:AssumeRole')])
    const { Credentials } = await drydock
      .client(STSClient, boss)
      .send(new AssumeRoleCommand({ RoleArn: worker, RoleSessionName: 'shift' }))
    const keys: Keys = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    }
    await control().send(
      new sdk.CreateAccessGrantCommand({
        AccountId,
        AccessGrantsLocationId: await locationId(),
        AccessGrantsLocationConfiguration: { S3SubPrefix: 'shared/alice/*' },
        Grantee: { GranteeType: 'IAM', GranteeIdentifier: worker },
        Permission: 'READ',
      }),
    )
    expect(await read((await ask(keys, 's3://shared/alice/*')).s3, 'alice/three')).toBe('alice/three')
    const mine = async (GrantScope?: string) =>
      (await control(keys).send(new sdk.ListCallerAccessGrantsCommand({ AccountId, GrantScope })))
        .CallerAccessGrantsList
    expect(await mine()).toEqual([{ GrantScope: 's3://shared/alice/*', Permission: 'READ' }])
    expect(await mine('s3://shared/ali')).toHaveLength(1)
    expect(await mine('s3://shared/bob')).toEqual([])
  })

  test('another account is let in by the instance’s policy, and then by a grant', async () => {
    await locationId()
    const guest = control(other)
    const target = { AccountId, Target: 's3://shared/alice/three', Permission: 'READ' as const }
    await expect(guest.send(new sdk.GetDataAccessCommand(target))).rejects.toMatchObject(denied)
    const policy = (Resource: string) =>
      new sdk.PutAccessGrantsInstanceResourcePolicyCommand({
        AccountId,
        Policy: JSON.stringify({
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { AWS: '111111111111' },
              Action: ['s3:GetDataAccess', 's3:ListAccessGrants', 's3:GetAccessGrantsInstanceForPrefix'],
              Resource,
            },
          ],
        }),
      })
    await expect(control().send(policy('*'))).rejects.toMatchObject({ name: 'InvalidResourcePolicy' })
    await control().send(policy(instance()))
    await expect(guest.send(new sdk.GetDataAccessCommand(target))).rejects.toMatchObject({
      message: 'You do not have READ permissions to the requested S3 Prefix: s3://shared/alice/three',
    })
    const prefix = { AccountId: '111111111111', S3Prefix: 's3://shared/alice/*' }
    expect(await guest.send(new sdk.GetAccessGrantsInstanceForPrefixCommand(prefix))).toMatchObject({
      AccessGrantsInstanceArn: instance(),
    })
    expect(await guest.send(new sdk.ListAccessGrantsCommand({ AccountId, MaxResults: 1 }))).toHaveProperty(
      'AccessGrantsList',
    )
    await expect(guest.send(new sdk.ListAccessGrantsLocationsCommand({ AccountId }))).rejects.toMatchObject(denied)
    await expect(guest.send(new sdk.GetAccessGrantsInstanceCommand({ AccountId }))).rejects.toMatchObject(denied)
    const found = await control().send(new sdk.GetAccessGrantsInstanceResourcePolicyCommand({ AccountId }))
    expect(found.Policy).toContain('111111111111')
    await control().send(new sdk.DeleteAccessGrantsInstanceResourcePolicyCommand({ AccountId }))
    await expect(
      control().send(new sdk.GetAccessGrantsInstanceResourcePolicyCommand({ AccountId })),
    ).rejects.toMatchObject({ name: 'AccessGrantsInstanceResourcePolicyNotExists' })
  })
})

describe('an instance', () => {
  test('is one in a Region, and goes when it is empty', async () => {
    // There is one of them in a Region, and that of the others is in use.
    const region = 'us-west-2'
    const client = control(undefined, region)
    const own = `arn:aws:s3:${region}:${AccountId}:access-grants/default`
    const missing = { name: 'AccessGrantsInstanceNotExistsError', message: 'Access Grants Instance does not exist' }
    await expect(client.send(new sdk.GetAccessGrantsInstanceCommand({ AccountId }))).rejects.toMatchObject(missing)
    await expect(client.send(new sdk.ListAccessGrantsCommand({ AccountId }))).rejects.toMatchObject(missing)
    expect(await client.send(new sdk.CreateAccessGrantsInstanceCommand({ AccountId }))).toMatchObject({
      AccessGrantsInstanceId: 'default',
      AccessGrantsInstanceArn: own,
    })
    await expect(client.send(new sdk.CreateAccessGrantsInstanceCommand({ AccountId }))).rejects.toMatchObject({
      name: 'AccessGrantsInstanceAlreadyExists',
    })
    const IdentityCenterArn = 'arn:aws:sso:::instance/ssoins-1234567890abcdef'
    await expect(
      client.send(new sdk.AssociateAccessGrantsIdentityCenterCommand({ AccountId, IdentityCenterArn })),
    ).rejects.toMatchObject({ name: 'InvalidIdentityCenterInstance' })
    const { AccessGrantsInstancesList: all } = await client.send(
      new sdk.ListAccessGrantsInstancesCommand({ AccountId }),
    )
    expect(all).toHaveLength(1)
    const location = { AccountId, IAMRoleArn: await drydock.role('far', 'access-grants.s3.amazonaws.com') }
    // Its trust lets the service in, but not say for whom.
    await expect(
      client.send(new sdk.CreateAccessGrantsLocationCommand({ ...location, LocationScope: 's3://shared' })),
    ).rejects.toMatchObject({ name: 'InvalidIamRole' })
    const far = await drydock.role('near', {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: 'access-grants.s3.amazonaws.com' },
          Action: ['sts:AssumeRole', 'sts:SetSourceIdentity'],
        },
      ],
    })
    const make = (LocationScope: string) =>
      client.send(new sdk.CreateAccessGrantsLocationCommand({ AccountId, LocationScope, IAMRoleArn: far }))
    await expect(make('http://shared')).rejects.toMatchObject({ name: 'InvalidAccessGrantsLocation' })
    const { AccessGrantsLocationId: id = '', AccessGrantsLocationArn: arn = '' } = await make('s3://shared')
    await expect(make('s3://shared')).rejects.toMatchObject({ name: 'AccessGrantsLocationAlreadyExistsError' })
    await expect(client.send(new sdk.DeleteAccessGrantsInstanceCommand({ AccountId }))).rejects.toMatchObject({
      name: 'AccessGrantsInstanceNotEmptyError',
    })
    const input = {
      AccountId,
      AccessGrantsLocationId: id,
      Grantee: { GranteeType: 'IAM' as const, GranteeIdentifier: `arn:aws:iam::${AccountId}:user/dan` },
      Permission: 'WRITE' as const,
      Tags: [{ Key: 'team', Value: 'blue' }],
    }
    const create = (more: Partial<sdk.CreateAccessGrantCommandInput> = {}) =>
      client.send(new sdk.CreateAccessGrantCommand({ ...input, ...more }))
    const made = await create()
    expect(made).toMatchObject({ GrantScope: 's3://shared/*', AccessGrantArn: `${own}/grant/${made.AccessGrantId}` })
    await expect(create()).rejects.toMatchObject({ name: 'AccessGrantAlreadyExists' })
    await expect(create({ AccessGrantsLocationId: 'none' })).rejects.toMatchObject({
      name: 'NoSuchAccessGrantsLocationError',
    })
    await expect(create({ Grantee: { GranteeType: 'IAM', GranteeIdentifier: 'dan' } })).rejects.toMatchObject({
      name: 'InvalidAccessGrant',
    })
    await expect(
      create({ Grantee: { GranteeType: 'DIRECTORY_USER', GranteeIdentifier: 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6' } }),
    ).rejects.toMatchObject({ name: 'InvalidIdentityCenterInstance' })
    const tagged = { AccountId, ResourceArn: made.AccessGrantArn }
    await client.send(new sdk.TagResourceCommand({ ...tagged, Tags: [{ Key: 'stage', Value: 'prod' }] }))
    expect((await client.send(new sdk.ListTagsForResourceCommand(tagged))).Tags).toHaveLength(2)
    await client.send(new sdk.UntagResourceCommand({ AccountId, ResourceArn: arn, TagKeys: ['none'] }))
    const { AccessGrantsList } = await client.send(new sdk.ListAccessGrantsCommand({ AccountId, Permission: 'WRITE' }))
    expect(AccessGrantsList?.map(({ AccessGrantId }) => AccessGrantId)).toEqual([made.AccessGrantId])
    await client.send(
      new sdk.UpdateAccessGrantsLocationCommand({ AccountId, AccessGrantsLocationId: id, IAMRoleArn: far }),
    )
    const goes = { AccountId, AccessGrantsLocationId: id }
    await expect(client.send(new sdk.DeleteAccessGrantsLocationCommand(goes))).rejects.toMatchObject({
      name: 'AccessGrantsLocationNotEmptyError',
    })
    await client.send(new sdk.DeleteAccessGrantCommand({ AccountId, AccessGrantId: made.AccessGrantId }))
    await expect(
      client.send(new sdk.GetAccessGrantCommand({ AccountId, AccessGrantId: made.AccessGrantId })),
    ).rejects.toMatchObject({ name: 'NoSuchAccessGrantError' })
    await client.send(new sdk.DeleteAccessGrantsLocationCommand(goes))
    await client.send(new sdk.DeleteAccessGrantsInstanceCommand({ AccountId }))
    await expect(client.send(new sdk.GetAccessGrantsInstanceCommand({ AccountId }))).rejects.toMatchObject(missing)
  })

  test('whose role is gone gives nothing', async () => {
    const keys = await drydock.user('eve', [asking])
    await locationId()
    const { AccessGrantsLocationId } = await control().send(
      new sdk.CreateAccessGrantsLocationCommand({
        AccountId,
        LocationScope: 's3://shared/eve',
        IAMRoleArn: await drydock.role('short-lived', trust()),
      }),
    )
    await control().send(
      new sdk.CreateAccessGrantCommand({
        AccountId,
        AccessGrantsLocationId,
        Grantee: { GranteeType: 'IAM', GranteeIdentifier: `arn:aws:iam::${AccountId}:user/eve` },
        Permission: 'READ',
      }),
    )
    await drydock.client(IAMClient).send(new DeleteRoleCommand({ RoleName: 'short-lived' }))
    await expect(ask(keys, 's3://shared/eve/*')).rejects.toMatchObject({ name: 'StsNotAuthorizedError' })
  })
})

test.each([
  ['s3://', 'bucket/*', undefined, 's3://bucket/*'],
  ['s3://bucket', undefined, undefined, 's3://bucket/*'],
  ['s3://bucket', 'a*', undefined, 's3://bucket/a*'],
  ['s3://bucket/team/', 'a*', undefined, 's3://bucket/team/a*'],
  ['s3://bucket/team*', 'a', 'Object', 's3://bucket/teama'],
] as const)('a grant at %s of %s', (location, subPrefix, type, scope) => {
  expect(grantScope(location, subPrefix, type)).toBe(scope)
})

test.each([
  ['s3://', undefined, undefined],
  ['s3://', '*', undefined],
  ['s3://', 'buck*', undefined],
  ['s3://', 'bucket*/a', undefined],
  ['s3://', 'buck?t/*', undefined],
  ['s3://bucket', 'a*', 'Object'],
] as const)('no grant at %s of %s', (location, subPrefix, type) => {
  expect(() => grantScope(location, subPrefix, type)).toThrow('The specified Access Grant is invalid')
})

test.each([
  ['s3://b/a*', 's3://b/a/c', true],
  ['s3://b/a*', 's3://b/b', false],
  ['s3://b/a', 's3://b/a', true],
  ['s3://b/a', 's3://b/a*', false],
  ['s3://b/*', 's3://bb/a', false],
])('%s covers %s: %s', (scope, target, answer) => {
  expect(covers(scope, target)).toBe(answer)
})

test('characters of keys mean nothing in a session’s policy', () => {
  const [objects, list] = JSON.parse(sessionPolicy('s3://b/a*?${x}/*', 'READ', 'us-east-1')).Statement
  expect(objects.Resource).toBe('arn:aws:s3:::b/a${*}${?}${$}{x}/*')
  expect(list.Condition).toEqual({ StringLike: { 's3:prefix': 'a${*}${?}${$}{x}/*' } })
})
