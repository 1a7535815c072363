import * as kmsSdk from '@aws-sdk/client-kms'
import * as sdk from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let secrets: sdk.SecretsManagerClient
beforeEach(async () => {
  drydock = await story()
  secrets = drydock.client(sdk.SecretsManagerClient)
})
afterEach(() => drydock.close())

const as = (keys: Keys, region?: string) => drydock.client(sdk.SecretsManagerClient, keys, region)
const create = async (Name: string, more: Partial<sdk.CreateSecretCommandInput> = {}) =>
  (await secrets.send(new sdk.CreateSecretCommand({ Name, SecretString: 'first', ...more }))) as {
    ARN: string
    VersionId: string
  }
const put = async (SecretId: string, SecretString: string, more: Partial<sdk.PutSecretValueCommandInput> = {}) =>
  (await secrets.send(new sdk.PutSecretValueCommand({ SecretId, SecretString, ...more }))).VersionId ?? ''
const read = (SecretId: string, more: object = {}, client = secrets) =>
  client.send(new sdk.GetSecretValueCommand({ SecretId, ...more }))
const describeIt = (SecretId: string) => secrets.send(new sdk.DescribeSecretCommand({ SecretId }))

describe('versions and stages', () => {
  test('a new value is current, the one before previous; each is read by stage, by id, by ARN with and without its end', async () => {
    const { ARN, VersionId } = await create('app/db', { Description: 'the database' })
    expect(ARN).toMatch(/^arn:aws:secretsmanager:us-east-1:000000000000:secret:app\/db-[A-Za-z0-9]{6}$/)
    const second = await put('app/db', 'second')
    expect(await read('app/db')).toMatchObject({ SecretString: 'second', VersionStages: ['AWSCURRENT'], ARN })
    expect(await read(ARN, { VersionStage: 'AWSPREVIOUS' })).toMatchObject({ SecretString: 'first', VersionId })
    expect(await read(ARN.slice(0, -7), { VersionId })).toMatchObject({ SecretString: 'first' })
    const third = await put('app/db', 'third', { VersionStages: ['beta'] })
    expect((await describeIt('app/db')).VersionIdsToStages).toEqual({
      [VersionId]: ['AWSPREVIOUS'],
      [second]: ['AWSCURRENT'],
      [third]: ['beta'],
    })
    const move = (input: Partial<sdk.UpdateSecretVersionStageCommandInput>) =>
      secrets.send(
        new sdk.UpdateSecretVersionStageCommand({ SecretId: 'app/db', VersionStage: 'AWSCURRENT', ...input }),
      )
    await expect(move({ MoveToVersionId: third })).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: expect.stringContaining(`is currently attached to version ${second}`),
    })
    await expect(move({ RemoveFromVersionId: second })).rejects.toMatchObject({ name: 'InvalidParameterException' })
    await move({ MoveToVersionId: third, RemoveFromVersionId: second })
    expect((await describeIt('app/db')).VersionIdsToStages).toEqual({
      [second]: ['AWSPREVIOUS'],
      [third]: ['beta', 'AWSCURRENT'],
    })
    const listed = await secrets.send(
      new sdk.ListSecretVersionIdsCommand({ SecretId: 'app/db', IncludeDeprecated: true }),
    )
    expect(listed.Versions).toHaveLength(3)
    await expect(read('app/db', { VersionStage: 'none' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret value for staging label: none",
    })
    await expect(read('nothing')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })

  test('the same request made again is the same version; another value under its token is refused', async () => {
    const ClientRequestToken = '11111111-2222-3333-4444-555555555555'
    const first = await create('once', { ClientRequestToken })
    expect(await create('once', { ClientRequestToken })).toMatchObject({ ARN: first.ARN, VersionId: first.VersionId })
    await expect(create('once', { ClientRequestToken, SecretString: 'other' })).rejects.toMatchObject({
      name: 'ResourceExistsException',
    })
    await expect(create('once')).rejects.toMatchObject({
      name: 'ResourceExistsException',
      message: 'The operation failed because the secret once already exists.',
    })
    await expect(put('once', 'other', { ClientRequestToken })).rejects.toMatchObject({
      name: 'ResourceExistsException',
    })
    expect(await put('once', 'first', { ClientRequestToken })).toBe(ClientRequestToken)
  })

  test('at most a hundred versions: those without a stage go, the oldest first', async () => {
    const { VersionId } = await create('many')
    await put('many', 'kept', { VersionStages: ['keep'] })
    for (let turn = 0; turn < 101; turn++) await put('many', String(turn))
    const { Versions = [] } = await secrets.send(
      new sdk.ListSecretVersionIdsCommand({ SecretId: 'many', IncludeDeprecated: true, MaxResults: 100 }),
    )
    expect(Versions).toHaveLength(100)
    await expect(read('many', { VersionId })).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    expect(await read('many', { VersionStage: 'keep' })).toMatchObject({ SecretString: 'kept' })
  })

  test('bytes come back as bytes; too many are refused', async () => {
    const SecretBinary = Uint8Array.from([0, 255, 1])
    await create('bytes', { SecretString: undefined, SecretBinary })
    expect((await read('bytes')).SecretBinary).toEqual(SecretBinary)
    await expect(create('both', { SecretBinary })).rejects.toMatchObject({ name: 'InvalidParameterException' })
    await expect(create('big', { SecretString: 'x'.repeat(65_537) })).rejects.toBeDefined()
    await expect(read('big')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })
})

test('deletion waits for the recovery window, unless it is forced', async () => {
  const { ARN } = await create('old')
  const remove = (more: object = {}) => secrets.send(new sdk.DeleteSecretCommand({ SecretId: 'old', ...more }))
  await expect(remove({ RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true })).rejects.toMatchObject({
    name: 'InvalidParameterException',
  })
  await expect(remove({ RecoveryWindowInDays: 6 })).rejects.toMatchObject({ name: 'InvalidParameterException' })
  expect((await remove({ RecoveryWindowInDays: 7 })).DeletionDate).toEqual(new Date('2026-11-30T09:00:00Z'))
  await expect(read('old')).rejects.toMatchObject({ name: 'InvalidRequestException' })
  await expect(create('old')).rejects.toMatchObject({ name: 'InvalidRequestException' })
  await secrets.send(new sdk.RestoreSecretCommand({ SecretId: 'old' }))
  await drydock.advance({ days: 8 })
  expect(await read('old')).toMatchObject({ SecretString: 'first' })
  await remove({ RecoveryWindowInDays: 7 })
  const { SecretList } = await secrets.send(new sdk.ListSecretsCommand({ IncludePlannedDeletion: true }))
  expect(SecretList?.map(({ Name, DeletedDate }) => [Name, DeletedDate !== undefined])).toEqual([['old', true]])
  await drydock.advance({ days: 7 })
  await expect(describeIt('old')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  expect((await create('old')).ARN).not.toBe(ARN)
  await remove({ ForceDeleteWithoutRecovery: true })
  await expect(describeIt('old')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
})

describe('who may read', () => {
  test('KMS is asked with the caller’s own rights; nothing on disk tells a value', async () => {
    const kms = drydock.client(kmsSdk.KMSClient)
    const { KeyMetadata } = await kms.send(new kmsSdk.CreateKeyCommand({}))
    const key = KeyMetadata?.Arn ?? ''
    const { ARN } = await create('own', { KmsKeyId: key, SecretString: 'hunter2' })
    const only = as(await drydock.user('only', [allow('secretsmanager:GetSecretValue', ARN)]))
    await expect(read('own', {}, only)).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: 'Access to KMS is not allowed',
    })
    const both = as(
      await drydock.user('both', [
        allow('secretsmanager:GetSecretValue', ARN),
        allow('kms:Decrypt', key, {
          StringEquals: {
            'kms:EncryptionContext:SecretARN': ARN,
            'kms:ViaService': 'secretsmanager.us-east-1.amazonaws.com',
          },
        }),
      ]),
    )
    expect(await read('own', {}, both)).toMatchObject({ SecretString: 'hunter2' })
    const store = drydock.server.kernel.store as unknown as { export(): Iterable<unknown> }
    expect(JSON.stringify([...store.export()])).not.toContain('hunter2')
    await kms.send(new kmsSdk.DisableKeyCommand({ KeyId: key }))
    await expect(read('own')).rejects.toMatchObject({ name: 'DecryptionFailure' })
    await expect(create('none', { KmsKeyId: 'alias/none' })).rejects.toMatchObject({ name: 'EncryptionFailure' })
    await expect(describeIt('none')).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })

  test('a policy of the secret lets another account in; a public one can be kept out; tags decide', async () => {
    const account = '111122223333'
    const kms = drydock.client(kmsSdk.KMSClient)
    const { KeyMetadata } = await kms.send(new kmsSdk.CreateKeyCommand({}))
    const KeyId = KeyMetadata?.Arn ?? ''
    const { Policy = '' } = await kms.send(new kmsSdk.GetKeyPolicyCommand({ KeyId }))
    const keyPolicy = JSON.parse(Policy)
    keyPolicy.Statement.push({ Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:Decrypt', Resource: '*' })
    await kms.send(new kmsSdk.PutKeyPolicyCommand({ KeyId, Policy: JSON.stringify(keyPolicy) }))
    const { ARN } = await create('shared', { KmsKeyId: KeyId, Tags: [{ Key: 'team', Value: 'blue' }] })
    const other = as(drydock.server.kernel.vault.rootKey(account))
    await expect(read(ARN, {}, other)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const policy = (Principal: object | string) =>
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal, Action: 'secretsmanager:GetSecretValue', Resource: '*' }],
      })
    const putPolicy = (ResourcePolicy: string) =>
      secrets.send(new sdk.PutResourcePolicyCommand({ SecretId: ARN, ResourcePolicy, BlockPublicPolicy: true }))
    await expect(putPolicy(policy('*'))).rejects.toMatchObject({ name: 'PublicPolicyException' })
    await expect(putPolicy('{')).rejects.toMatchObject({ name: 'MalformedPolicyDocumentException' })
    await putPolicy(policy({ AWS: account }))
    expect(await read(ARN, {}, other)).toMatchObject({ SecretString: 'first' })
    const blue = as(
      await drydock.user('blue', [
        allow('secretsmanager:*', '*', { StringEquals: { 'aws:ResourceTag/team': 'red' } }),
        allow('kms:*'),
      ]),
    )
    await expect(read('shared', {}, blue)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await secrets.send(new sdk.TagResourceCommand({ SecretId: 'shared', Tags: [{ Key: 'team', Value: 'red' }] }))
    expect(await read('shared', {}, blue)).toMatchObject({ SecretString: 'first' })
  })
})

test('a policy is tried: it is one, is not public, and leaves the caller his access', async () => {
  const { ARN } = await create('tried')
  const checks = async (statement: object, client = secrets) => {
    const ResourcePolicy = JSON.stringify({ Version: '2012-10-17', Statement: [{ Resource: '*', ...statement }] })
    const validate = new sdk.ValidateResourcePolicyCommand({ SecretId: ARN, ResourcePolicy })
    const { PolicyValidationPassed, ValidationErrors = [] } = await client.send(validate)
    expect(PolicyValidationPassed).toBe(ValidationErrors.length === 0)
    return ValidationErrors.map(({ CheckName }) => CheckName)
  }
  const admin = as(await drydock.user('tries', [allow('secretsmanager:*')]))
  const Action = 'secretsmanager:*'
  const account = { AWS: drydock.account }
  expect(await checks({ Effect: 'Allow', Principal: account, Action }, admin)).toEqual([])
  expect(await checks({ Effect: 'Allow', Principal: '*', Action }, admin)).toEqual(['PUBLIC_POLICY'])
  const closed = { Effect: 'Deny', Principal: '*', Action }
  expect(await checks(closed, admin)).toEqual(['LOCKOUT'])
  expect(await checks({ ...closed, Action: 'secretsmanager:GetSecretValue' }, admin)).toEqual([])
  const but = (user: string) => ({
    StringNotEquals: { 'aws:PrincipalArn': `arn:aws:iam::${drydock.account}:user/${user}` },
  })
  expect(await checks({ ...closed, Condition: but('tries') }, admin)).toEqual([])
  expect(await checks({ ...closed, Condition: but('else') }, admin)).toEqual(['LOCKOUT'])
})

test('lists by filters and order; several values at once, each under its own right', async () => {
  await create('app/a', { Description: 'alpha database' })
  await drydock.advance({ seconds: 1 })
  await create('app/b', { Tags: [{ Key: 'env', Value: 'prod' }] })
  await drydock.advance({ seconds: 1 })
  await create('web')
  const names = async (input: sdk.ListSecretsCommandInput) =>
    (await secrets.send(new sdk.ListSecretsCommand(input))).SecretList?.map(({ Name }) => Name)
  expect(await names({})).toEqual(['web', 'app/b', 'app/a'])
  expect(await names({ Filters: [{ Key: 'name', Values: ['app/'] }], SortOrder: 'asc' })).toEqual(['app/a', 'app/b'])
  expect(await names({ Filters: [{ Key: 'name', Values: ['!app/'] }] })).toEqual(['web'])
  expect(await names({ Filters: [{ Key: 'description', Values: ['Data'] }] })).toEqual(['app/a'])
  expect(await names({ Filters: [{ Key: 'tag-value', Values: ['prod'] }] })).toEqual(['app/b'])
  const first = await secrets.send(new sdk.ListSecretsCommand({ MaxResults: 2 }))
  expect(await names({ MaxResults: 2, NextToken: first.NextToken })).toEqual(['app/a'])
  const some = as(
    await drydock.user('some', [
      allow('secretsmanager:BatchGetSecretValue'),
      allow('secretsmanager:GetSecretValue', 'arn:aws:secretsmanager:*:*:secret:app/a-*'),
    ]),
  )
  const batch = await some.send(new sdk.BatchGetSecretValueCommand({ SecretIdList: ['app/a', 'app/b', 'none'] }))
  expect(batch.SecretValues?.map(({ Name, SecretString }) => [Name, SecretString])).toEqual([['app/a', 'first']])
  expect(batch.Errors?.map(({ SecretId, ErrorCode }) => [SecretId, ErrorCode])).toEqual([
    ['app/b', 'AccessDeniedException'],
    ['none', 'AccessDeniedException'],
  ])
})

test('a password has each kind that it may have, and none that it may not', async () => {
  const password = async (input: sdk.GetRandomPasswordCommandInput) =>
    (await secrets.send(new sdk.GetRandomPasswordCommand(input))).RandomPassword ?? ''
  for (let turn = 0; turn < 20; turn++)
    expect(await password({ PasswordLength: 4 })).toMatch(/^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[^A-Za-z\d]).{4}$/)
  expect(await password({ ExcludePunctuation: true, ExcludeCharacters: 'lIO0', PasswordLength: 100 })).toMatch(
    /^[A-HJ-NP-Za-km-z1-9]{100}$/,
  )
  await expect(password({ PasswordLength: 3 })).rejects.toMatchObject({ name: 'InvalidParameterException' })
  await expect(password({ ExcludeCharacters: '0123456789' })).rejects.toMatchObject({
    name: 'InvalidParameterException',
  })
})

test('replicas have the values of their primary, under the keys of their Region', async () => {
  const { ARN } = await create('global', { AddReplicaRegions: [{ Region: 'eu-west-1' }] })
  const there = as(drydock.root, 'eu-west-1')
  const arn = ARN.replace('us-east-1', 'eu-west-1')
  expect(await read('global', {}, there)).toMatchObject({ SecretString: 'first', ARN: arn })
  await put('global', 'second')
  expect(await read(arn, {}, there)).toMatchObject({ SecretString: 'second' })
  expect(await read(arn, { VersionStage: 'AWSPREVIOUS' }, there)).toMatchObject({ SecretString: 'first' })
  await expect(
    there.send(new sdk.PutSecretValueCommand({ SecretId: 'global', SecretString: 'no' })),
  ).rejects.toMatchObject({ name: 'InvalidRequestException' })
  const failed = await secrets.send(
    new sdk.ReplicateSecretToRegionsCommand({
      SecretId: 'global',
      AddReplicaRegions: [{ Region: 'us-west-2', KmsKeyId: 'alias/none' }],
    }),
  )
  expect(failed.ReplicationStatus?.map(({ Region, Status }) => [Region, Status])).toEqual([
    ['eu-west-1', 'InSync'],
    ['us-west-2', 'Failed'],
  ])
  await secrets.send(
    new sdk.RemoveRegionsFromReplicationCommand({ SecretId: 'global', RemoveReplicaRegions: ['us-west-2'] }),
  )
  await expect(secrets.send(new sdk.DeleteSecretCommand({ SecretId: 'global' }))).rejects.toMatchObject({
    name: 'InvalidRequestException',
  })
  await there.send(new sdk.StopReplicationToReplicaCommand({ SecretId: 'global' }))
  await put('global', 'third')
  expect(await read('global', {}, there)).toMatchObject({ SecretString: 'second' })
  expect((await describeIt('global')).ReplicationStatus).toBeUndefined()
})

test('a secret of the same name is no replica: it stays what it is until it is overwritten on purpose', async () => {
  const there = as(drydock.root, 'eu-west-1')
  const other = new sdk.CreateSecretCommand({ Name: 'twin', SecretString: 'theirs', Description: 'another' })
  const { ARN } = await there.send(other)
  const AddReplicaRegions = [{ Region: 'eu-west-1' }]
  await create('twin', { Description: 'ours', AddReplicaRegions })
  await put('twin', 'second')
  await secrets.send(new sdk.UpdateSecretCommand({ SecretId: 'twin', Description: 'ours still' }))
  expect((await describeIt('twin')).ReplicationStatus).toMatchObject([{ Status: 'Failed' }])
  expect(await read('twin', {}, there)).toMatchObject({ ARN, SecretString: 'theirs' })
  expect(await there.send(new sdk.DescribeSecretCommand({ SecretId: 'twin' }))).toMatchObject({
    Description: 'another',
  })
  const replicate = { SecretId: 'twin', AddReplicaRegions, ForceOverwriteReplicaSecret: true }
  await secrets.send(new sdk.ReplicateSecretToRegionsCommand(replicate))
  expect(await read('twin', {}, there)).toMatchObject({ SecretString: 'second' })
  // Promoted it is a secret of its own again, though its ARN ends as that of its former primary.
  await there.send(new sdk.StopReplicationToReplicaCommand({ SecretId: 'twin' }))
  await put('twin', 'third')
  const again = new sdk.ReplicateSecretToRegionsCommand({ SecretId: 'twin', AddReplicaRegions })
  expect((await secrets.send(again)).ReplicationStatus).toMatchObject([{ Status: 'Failed' }])
  expect(await read('twin', {}, there)).toMatchObject({ SecretString: 'second' })
})

test('a replica that could not have a version in use is not in sync until it has all of them', async () => {
  const west = drydock.client(kmsSdk.KMSClient, drydock.root, 'us-west-2')
  const { KeyMetadata } = await west.send(new kmsSdk.CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId ?? ''
  const AddReplicaRegions = [{ Region: 'us-west-2', KmsKeyId: KeyId }]
  await create('behind', { AddReplicaRegions })
  const status = async () => (await describeIt('behind')).ReplicationStatus?.[0]?.Status
  expect(await status()).toBe('InSync')
  await west.send(new kmsSdk.DisableKeyCommand({ KeyId }))
  await put('behind', 'second')
  expect(await status()).toBe('Failed')
  await west.send(new kmsSdk.EnableKeyCommand({ KeyId }))
  await put('behind', 'third')
  expect(await status()).toBe('Failed')
  await secrets.send(new sdk.ReplicateSecretToRegionsCommand({ SecretId: 'behind', AddReplicaRegions }))
  expect(await status()).toBe('InSync')
  expect(await read('behind', { VersionStage: 'AWSPREVIOUS' }, as(drydock.root, 'us-west-2'))).toMatchObject({
    SecretString: 'second',
  })
})

test('with another key the versions in use go under that one, if the caller may encrypt with it', async () => {
  const kms = drydock.client(kmsSdk.KMSClient)
  const key = async () => (await kms.send(new kmsSdk.CreateKeyCommand({}))).KeyMetadata?.Arn ?? ''
  const [one, two] = [await key(), await key()]
  const { ARN } = await create('moved', { KmsKeyId: one })
  await put('moved', 'second')
  const update = (KmsKeyId: string, client = secrets) =>
    client.send(new sdk.UpdateSecretCommand({ SecretId: 'moved', KmsKeyId }))
  const keys = async () =>
    (await secrets.send(new sdk.ListSecretVersionIdsCommand({ SecretId: 'moved' }))).Versions?.map(
      ({ KmsKeyIds }) => KmsKeyIds?.[0],
    )
  const some = as(await drydock.user('mover', [allow('secretsmanager:UpdateSecret', ARN), allow('kms:Decrypt')]))
  await update(two, some)
  expect(await keys()).toEqual([one, one])
  expect((await describeIt('moved')).KmsKeyId).toBe(two)
  await update(two)
  expect(await keys()).toEqual([two, two])
  await kms.send(new kmsSdk.DisableKeyCommand({ KeyId: one }))
  expect(await read('moved')).toMatchObject({ SecretString: 'second' })
  expect(await read('moved', { VersionStage: 'AWSPREVIOUS' })).toMatchObject({ SecretString: 'first' })
  await update('')
  expect(await keys()).toEqual(['DefaultEncryptionKey', 'DefaultEncryptionKey'])
  expect(await describeIt('moved')).not.toHaveProperty('KmsKeyId')
  const ClientRequestToken = await put('moved', 'third')
  const same = { SecretId: 'moved', SecretString: 'third', ClientRequestToken }
  await expect(secrets.send(new sdk.UpdateSecretCommand(same))).rejects.toMatchObject({
    name: 'ResourceExistsException',
  })
})

test('who forces a deletion is not told that there was nothing; who replicates needs the right to', async () => {
  const remove = { SecretId: 'nowhere', ForceDeleteWithoutRecovery: true }
  expect(await secrets.send(new sdk.DeleteSecretCommand(remove))).toHaveProperty('DeletionDate')
  const some = as(await drydock.user('creates', [allow('secretsmanager:CreateSecret'), allow('kms:*')]))
  const asked = { Name: 'far', SecretString: 'x' }
  await expect(
    some.send(new sdk.CreateSecretCommand({ ...asked, AddReplicaRegions: [{ Region: 'eu-west-1' }] })),
  ).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining('secretsmanager:ReplicateSecretToRegions'),
  })
  await some.send(new sdk.CreateSecretCommand(asked))
  const statement = { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${drydock.account}:user/nobody` } }
  const ResourcePolicy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ ...statement, Action: 'secretsmanager:GetSecretValue', Resource: '*' }],
  })
  await expect(
    secrets.send(new sdk.PutResourcePolicyCommand({ SecretId: 'far', ResourcePolicy })),
  ).rejects.toMatchObject({ name: 'MalformedPolicyDocumentException' })
  // The stage that is read is a condition key for several at once too.
  const current = { StringEquals: { 'secretsmanager:VersionStage': 'AWSCURRENT' } }
  const reader = as(
    await drydock.user('reads', [
      allow('secretsmanager:BatchGetSecretValue'),
      allow('secretsmanager:GetSecretValue', '*', current),
    ]),
  )
  const batch = await reader.send(new sdk.BatchGetSecretValueCommand({ SecretIdList: ['far'] }))
  expect(batch.SecretValues).toMatchObject([{ SecretString: 'x' }])
})

test('rotation needs a function that can be called; Lambda is not there', async () => {
  await create('turning')
  const rotate = (more: object) => secrets.send(new sdk.RotateSecretCommand({ SecretId: 'turning', ...more }))
  await expect(rotate({})).rejects.toMatchObject({ name: 'InvalidRequestException' })
  const RotationLambdaARN = 'arn:aws:lambda:us-east-1:000000000000:function:turn'
  await expect(rotate({ RotationLambdaARN, RotationRules: { AutomaticallyAfterDays: 7 } })).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining('cannot invoke the specified Lambda function'),
  })
  await expect(
    rotate({ RotationLambdaARN, RotationRules: { ScheduleExpression: 'rate(5 minutes)' } }),
  ).rejects.toMatchObject({ name: 'InvalidParameterException' })
  expect(await describeIt('turning')).not.toHaveProperty('RotationEnabled')
  await expect(secrets.send(new sdk.CancelRotateSecretCommand({ SecretId: 'turning' }))).rejects.toMatchObject({
    name: 'InvalidRequestException',
  })
})

test('Parameter Store reads a secret by its reference, with the caller’s rights', async () => {
  const { ARN } = await create('app/key', { SecretString: 'value' })
  const Name = '/aws/reference/secretsmanager/app/key'
  const reader = drydock.client(
    SSMClient,
    await drydock.user('reader', [allow('ssm:GetParameter'), allow('secretsmanager:GetSecretValue', ARN)]),
  )
  const { Parameter } = await reader.send(new GetParameterCommand({ Name, WithDecryption: true }))
  expect(Parameter).toMatchObject({ Value: 'value', Type: 'SecureString' })
  await expect(reader.send(new GetParameterCommand({ Name }))).rejects.toMatchObject({ name: 'ValidationException' })
  const other = drydock.client(SSMClient, await drydock.user('other', [allow('ssm:GetParameter')]))
  await expect(other.send(new GetParameterCommand({ Name, WithDecryption: true }))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  })
})
