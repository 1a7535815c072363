import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import * as sdk from '@aws-sdk/client-kms'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let kms: sdk.KMSClient
beforeEach(async () => {
  drydock = await story()
  kms = drydock.client(sdk.KMSClient)
})
afterEach(() => drydock.close())

const create = async (input: sdk.CreateKeyCommandInput = {}, client = kms) => {
  const { KeyMetadata } = await client.send(new sdk.CreateKeyCommand(input))
  return KeyMetadata as sdk.KeyMetadata & { KeyId: string; Arn: string }
}
const encrypt = (KeyId: string, client = kms) =>
  client.send(new sdk.EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }))
const decrypt = (CiphertextBlob: Uint8Array | undefined, client = kms) =>
  client.send(new sdk.DecryptCommand({ CiphertextBlob }))
const as = (keys: Keys, region?: string) => drydock.client(sdk.KMSClient, keys, region)

describe('a key’s life', () => {
  test('disabled, pending deletion, gone with all that hung on it', async () => {
    const { KeyId, Arn } = await create({ Description: 'first', Tags: [{ TagKey: 'team', TagValue: 'blue' }] })
    await kms.send(new sdk.CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: KeyId }))
    const { CiphertextBlob } = await encrypt('alias/app')
    await kms.send(new sdk.DisableKeyCommand({ KeyId }))
    await expect(decrypt(CiphertextBlob)).rejects.toMatchObject({
      name: 'DisabledException',
      message: `${Arn} is disabled.`,
    })
    await kms.send(new sdk.EnableKeyCommand({ KeyId }))
    for (const PendingWindowInDays of [6, 31])
      await expect(kms.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays }))).rejects.toMatchObject({
        name: 'ValidationException',
      })
    const scheduled = await kms.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    expect(scheduled).toMatchObject({ KeyId: Arn, KeyState: 'PendingDeletion', PendingWindowInDays: 7 })
    await expect(decrypt(CiphertextBlob)).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
      message: `${Arn} is pending deletion.`,
    })
    await kms.send(new sdk.CancelKeyDeletionCommand({ KeyId }))
    await kms.send(new sdk.EnableKeyCommand({ KeyId }))
    await drydock.advance({ days: 8 })
    await expect(decrypt(CiphertextBlob)).resolves.toBeDefined()

    await kms.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    await drydock.advance({ days: 7 })
    await expect(kms.send(new sdk.DescribeKeyCommand({ KeyId }))).rejects.toMatchObject({
      name: 'NotFoundException',
      message: `Key '${Arn}' does not exist`,
    })
    await expect(encrypt('alias/app')).rejects.toMatchObject({ name: 'NotFoundException' })
    await expect(decrypt(CiphertextBlob)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    expect(drydock.events.at(-1)).toMatchObject({
      source: 'aws.kms',
      'detail-type': 'KMS CMK Deletion',
      detail: { 'key-id': KeyId },
    })
  })

  test('rotation: new material by the clock and on demand; what is older stays readable', async () => {
    const { KeyId, CurrentKeyMaterialId } = await create()
    const { CiphertextBlob } = await encrypt(KeyId)
    await kms.send(new sdk.EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }))
    expect(await kms.send(new sdk.GetKeyRotationStatusCommand({ KeyId }))).toMatchObject({
      KeyRotationEnabled: true,
      RotationPeriodInDays: 90,
      NextRotationDate: new Date('2027-02-21T09:00:00Z'),
    })
    await drydock.advance({ days: 181 })
    await kms.send(new sdk.RotateKeyOnDemandCommand({ KeyId }))
    const { Rotations } = await kms.send(new sdk.ListKeyRotationsCommand({ KeyId }))
    expect(Rotations?.map(({ RotationType }) => RotationType)).toEqual(['AUTOMATIC', 'AUTOMATIC', 'ON_DEMAND'])
    const { KeyMetadata } = await kms.send(new sdk.DescribeKeyCommand({ KeyId }))
    expect(KeyMetadata?.CurrentKeyMaterialId).toBe(Rotations?.at(-1)?.KeyMaterialId)
    expect((await decrypt(CiphertextBlob)).KeyMaterialId).toBe(CurrentKeyMaterialId)
    await kms.send(new sdk.DisableKeyRotationCommand({ KeyId }))
    await drydock.advance({ days: 200 })
    expect((await kms.send(new sdk.ListKeyRotationsCommand({ KeyId }))).Rotations).toHaveLength(3)
    const { KeyId: pair } = await create({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' })
    await expect(kms.send(new sdk.EnableKeyRotationCommand({ KeyId: pair }))).rejects.toMatchObject({
      name: 'UnsupportedOperationException',
    })
  })

  test('a key that waits for its deletion is not rotated, nor tagged; rotation is on again when it need not go', async () => {
    const { KeyId } = await create()
    const rotates = async () => (await kms.send(new sdk.GetKeyRotationStatusCommand({ KeyId }))).KeyRotationEnabled
    await kms.send(new sdk.EnableKeyRotationCommand({ KeyId }))
    await kms.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    expect(await rotates()).toBe(false)
    await expect(
      kms.send(new sdk.TagResourceCommand({ KeyId, Tags: [{ TagKey: 'a', TagValue: '1' }] })),
    ).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
    await kms.send(new sdk.CancelKeyDeletionCommand({ KeyId }))
    expect(await rotates()).toBe(true)
  })

  test('lists by page, tags, and words for what is not there', async () => {
    const ids = (await Promise.all([create(), create(), create()])).map(({ KeyId }) => KeyId).toSorted()
    const first = await kms.send(new sdk.ListKeysCommand({ Limit: 2 }))
    const second = await kms.send(new sdk.ListKeysCommand({ Limit: 2, Marker: first.NextMarker }))
    expect([...(first.Keys ?? []), ...(second.Keys ?? [])].map(({ KeyId }) => KeyId)).toEqual(ids)
    expect([first.Truncated, second.Truncated]).toEqual([true, false])
    const [KeyId = ''] = ids
    await kms.send(new sdk.TagResourceCommand({ KeyId, Tags: [{ TagKey: 'a', TagValue: '1' }] }))
    await kms.send(new sdk.TagResourceCommand({ KeyId, Tags: [{ TagKey: 'b', TagValue: '2' }] }))
    await kms.send(new sdk.UntagResourceCommand({ KeyId, TagKeys: ['a'] }))
    expect((await kms.send(new sdk.ListResourceTagsCommand({ KeyId }))).Tags).toEqual([{ TagKey: 'b', TagValue: '2' }])
    await expect(kms.send(new sdk.DescribeKeyCommand({ KeyId: 'nonsense' }))).rejects.toMatchObject({
      name: 'NotFoundException',
      message: "Invalid keyId 'nonsense'",
    })
    await expect(
      kms.send(new sdk.DescribeKeyCommand({ KeyId: 'arn:aws:kms:eu-west-1:000000000000:key/x' })),
    ).rejects.toMatchObject({ message: 'Invalid arn eu-west-1' })
  })

  test('aliases move between keys of one kind, and are not AWS’s', async () => {
    const [one, two] = [await create(), await create()]
    const alias = { AliasName: 'alias/app', TargetKeyId: one.KeyId }
    await kms.send(new sdk.CreateAliasCommand(alias))
    await expect(kms.send(new sdk.CreateAliasCommand(alias))).rejects.toMatchObject({ name: 'AlreadyExistsException' })
    await kms.send(new sdk.UpdateAliasCommand({ ...alias, TargetKeyId: two.KeyId }))
    expect((await encrypt('alias/app')).KeyId).toBe(two.Arn)
    const pair = await create({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
    await expect(kms.send(new sdk.UpdateAliasCommand({ ...alias, TargetKeyId: pair.KeyId }))).rejects.toMatchObject({
      name: 'KMSInvalidStateException',
    })
    await expect(kms.send(new sdk.CreateAliasCommand({ ...alias, AliasName: 'alias/aws/mine' }))).rejects.toMatchObject(
      { name: 'InvalidAliasNameException' },
    )
    expect((await kms.send(new sdk.ListAliasesCommand({ KeyId: two.KeyId }))).Aliases).toMatchObject([
      { AliasName: 'alias/app', TargetKeyId: two.KeyId },
    ])
    await kms.send(new sdk.DeleteAliasCommand({ AliasName: 'alias/app' }))
    await expect(encrypt('alias/app')).rejects.toMatchObject({ name: 'NotFoundException' })
  })

  test('an AWS managed key is made on first use, rotates, and is usable through its service only', async () => {
    const { KeyMetadata } = await kms.send(new sdk.DescribeKeyCommand({ KeyId: 'alias/aws/s3' }))
    expect(KeyMetadata).toMatchObject({ KeyManager: 'AWS', KeyState: 'Enabled' })
    const KeyId = KeyMetadata?.KeyId ?? ''
    await expect(encrypt(KeyId)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(kms.send(new sdk.DisableKeyCommand({ KeyId }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    const { kernel } = drydock.server
    const ctx = kernel.ownContext(kernel.services.get('s3')!, { account: drydock.account, region: drydock.region })
    const root = {
      kind: 'root',
      account: drydock.account,
      arn: `arn:aws:iam::${drydock.account}:root`,
      id: '0',
    } as const
    await expect(ctx.as(root).kms.generateDataKey({ KeyId, KeySpec: 'AES_256' })).resolves.toMatchObject({
      KeyId: KeyMetadata?.Arn,
    })
  })
})

describe('who may use a key', () => {
  test('the key’s policy leaves it to the account’s policies, or names who may; both kinds are needed', async () => {
    const { KeyId, Arn } = await create()
    const ana = as(await drydock.user('ana', [allow('kms:Encrypt', Arn)]))
    const bob = as(await drydock.user('bob'))
    await expect(encrypt(KeyId, ana)).resolves.toBeDefined()
    await expect(encrypt(KeyId, bob)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: `arn:aws:iam::${drydock.account}:user/bob` },
          Action: 'kms:Encrypt',
          Resource: '*',
        },
      ],
    })
    await expect(kms.send(new sdk.PutKeyPolicyCommand({ KeyId, Policy }))).rejects.toMatchObject({
      name: 'MalformedPolicyDocumentException',
    })
    await kms.send(new sdk.PutKeyPolicyCommand({ KeyId, Policy, BypassPolicyLockoutSafetyCheck: true }))
    await expect(encrypt(KeyId, bob)).resolves.toBeDefined()
    await expect(encrypt(KeyId, ana)).rejects.toMatchObject({
      message: expect.stringContaining('because no resource-based policy allows the kms:Encrypt action'),
    })
    // The account's own root user too has only what the key's policy gives.
    await expect(encrypt(KeyId)).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  test('conditions on the encryption context and the alias', async () => {
    const { KeyId, Arn } = await create()
    await kms.send(new sdk.CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: KeyId }))
    const ana = as(
      await drydock.user('ana', [
        allow('kms:Encrypt', Arn, {
          StringEquals: { 'kms:EncryptionContext:stage': 'dev', 'kms:RequestAlias': 'alias/app' },
          'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['stage'] },
        }),
      ]),
    )
    const ask = (id: string, EncryptionContext: Record<string, string>) =>
      ana.send(new sdk.EncryptCommand({ KeyId: id, Plaintext: Buffer.from('x'), EncryptionContext }))
    await expect(ask('alias/app', { stage: 'dev' })).resolves.toBeDefined()
    await expect(ask('alias/app', { stage: 'prod' })).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(ask('alias/app', { stage: 'dev', more: '1' })).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(ask(KeyId, { stage: 'dev' })).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  test('a grant gives its operations under its constraints, until it is retired or revoked', async () => {
    const { KeyId } = await create()
    const keys = await drydock.user('carol')
    const carol = as(keys)
    const grantee = `arn:aws:iam::${drydock.account}:user/carol`
    const asked = {
      KeyId,
      GranteePrincipal: grantee,
      RetiringPrincipal: grantee,
      Operations: ['Encrypt', 'Decrypt'] as sdk.GrantOperation[],
      Constraints: { EncryptionContextEquals: { job: '7' } },
      Name: 'once',
    }
    const grant = await kms.send(new sdk.CreateGrantCommand(asked))
    expect((await kms.send(new sdk.CreateGrantCommand(asked))).GrantId).toBe(grant.GrantId)
    const ask = (EncryptionContext?: Record<string, string>) =>
      carol.send(
        new sdk.EncryptCommand({
          KeyId,
          Plaintext: Buffer.from('x'),
          GrantTokens: [grant.GrantToken ?? ''],
          ...(EncryptionContext ? { EncryptionContext } : {}),
        }),
      )
    await expect(ask({ job: '7' })).resolves.toBeDefined()
    const wrongs: (Record<string, string> | undefined)[] = [undefined, { job: '8' }, { job: '7', more: '1' }]
    for (const wrong of wrongs) await expect(ask(wrong)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(carol.send(new sdk.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    })
    expect((await kms.send(new sdk.ListGrantsCommand({ KeyId }))).Grants).toMatchObject([
      { GrantId: grant.GrantId, GranteePrincipal: grantee, Name: 'once', Operations: ['Encrypt', 'Decrypt'] },
    ])
    const retirable = await kms.send(new sdk.ListRetirableGrantsCommand({ RetiringPrincipal: grantee }))
    expect(retirable.Grants).toHaveLength(1)
    await carol.send(new sdk.RetireGrantCommand({ GrantToken: grant.GrantToken }))
    await expect(ask({ job: '7' })).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const { GrantId } = await kms.send(new sdk.CreateGrantCommand(asked))
    await kms.send(new sdk.RevokeGrantCommand({ KeyId, GrantId }))
    expect((await kms.send(new sdk.ListGrantsCommand({ KeyId }))).Grants).toEqual([])
    await expect(kms.send(new sdk.RevokeGrantCommand({ KeyId, GrantId }))).rejects.toMatchObject({
      name: 'NotFoundException',
    })
  })

  test('a grant’s constraint is for the operations with a context; what is granted on is no more, and as strict', async () => {
    const { KeyId } = await create()
    const user = (name: string) => `arn:aws:iam::${drydock.account}:user/${name}`
    const [dan, eve] = [as(await drydock.user('dan')), as(await drydock.user('eve'))]
    const Operations: sdk.GrantOperation[] = ['Encrypt', 'Decrypt', 'DescribeKey', 'CreateGrant', 'RetireGrant']
    const Constraints = { EncryptionContextSubset: { job: '7' } }
    const asked = { KeyId, GranteePrincipal: user('dan'), Operations, Constraints }
    const { GrantId } = await kms.send(new sdk.CreateGrantCommand(asked))
    expect((await dan.send(new sdk.DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyId).toBe(KeyId)
    const on = (more: Partial<sdk.CreateGrantCommandInput>) =>
      dan.send(new sdk.CreateGrantCommand({ ...asked, GranteePrincipal: user('eve'), ...more }))
    const denied = { name: 'AccessDeniedException' }
    await expect(on({ Operations: ['GenerateDataKey'] })).rejects.toMatchObject(denied)
    await expect(on({ Operations: ['Decrypt'], Constraints: {} })).rejects.toMatchObject(denied)
    const other = { EncryptionContextSubset: { job: '8' } }
    await expect(on({ Operations: ['Decrypt'], Constraints: other })).rejects.toMatchObject(denied)
    const stricter = { EncryptionContextEquals: { job: '7', step: '1' } }
    await on({ Operations: ['Encrypt'], Constraints: stricter })
    const ask = (EncryptionContext: Record<string, string>) =>
      eve.send(new sdk.EncryptCommand({ KeyId, Plaintext: Buffer.from('x'), EncryptionContext }))
    await expect(ask({ job: '7', step: '1' })).resolves.toBeDefined()
    await expect(ask({ job: '7' })).rejects.toMatchObject(denied)
    // RetireGrant is a right on the grant that gives it, and on no other.
    const foreign = await kms.send(new sdk.CreateGrantCommand({ ...asked, GranteePrincipal: user('eve') }))
    await expect(dan.send(new sdk.RetireGrantCommand({ GrantToken: foreign.GrantToken }))).rejects.toMatchObject(denied)
    const { KeyMetadata } = await kms.send(new sdk.DescribeKeyCommand({ KeyId }))
    await dan.send(new sdk.RetireGrantCommand({ KeyId: KeyMetadata?.Arn, GrantId }))
    await expect(dan.send(new sdk.DescribeKeyCommand({ KeyId }))).rejects.toMatchObject(denied)
  })

  test('a grant is for what the key can do, for who is there, on a key that can be used', async () => {
    const { KeyId } = await create()
    await drydock.user('fay')
    const fay = `arn:aws:iam::${drydock.account}:user/fay`
    const grant = (more: Partial<sdk.CreateGrantCommandInput>) =>
      kms.send(new sdk.CreateGrantCommand({ KeyId, GranteePrincipal: fay, Operations: ['Decrypt'], ...more }))
    await expect(grant({ Operations: ['Sign'] })).rejects.toMatchObject({ name: 'ValidationException' })
    const pair = await create({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })
    const onPair = { KeyId: pair.KeyId }
    await expect(grant({ ...onPair, Operations: ['GenerateDataKey'] })).rejects.toMatchObject({
      name: 'ValidationException',
    })
    await expect(grant({ ...onPair, Constraints: { EncryptionContextSubset: { a: '1' } } })).rejects.toMatchObject({
      name: 'ValidationException',
    })
    await grant({ ...onPair, Operations: ['Encrypt', 'GetPublicKey'] })
    await expect(grant({ GranteePrincipal: `${fay}-not` })).rejects.toMatchObject({ name: 'InvalidArnException' })
    await kms.send(new sdk.DisableKeyCommand({ KeyId }))
    await expect(grant({})).rejects.toMatchObject({ name: 'DisabledException' })
  })

  test('a key policy names who is there', async () => {
    const { KeyId } = await create()
    const policy = JSON.parse((await kms.send(new sdk.GetKeyPolicyCommand({ KeyId }))).Policy ?? '')
    const AWS = `arn:aws:iam::${drydock.account}:role/nobody`
    policy.Statement.push({ Effect: 'Allow', Principal: { AWS }, Action: 'kms:Encrypt', Resource: '*' })
    const wrong = {
      name: 'MalformedPolicyDocumentException',
      message: 'Policy contains a statement with one or more invalid principals.',
    }
    const Policy = JSON.stringify(policy)
    await expect(kms.send(new sdk.PutKeyPolicyCommand({ KeyId, Policy }))).rejects.toMatchObject(wrong)
    await expect(create({ Policy })).rejects.toMatchObject(wrong)
  })

  test('rights are tried without a ciphertext', async () => {
    const { KeyId, Arn } = await create()
    const tries = async (client: sdk.KMSClient, more: Partial<sdk.DecryptCommandInput> = {}) =>
      client.send(new sdk.DecryptCommand({ KeyId, DryRun: true, DryRunModifiers: ['IGNORE_CIPHERTEXT'], ...more }))
    await expect(tries(kms)).rejects.toMatchObject({ name: 'DryRunOperationException' })
    const gil = as(await drydock.user('gil', [allow('kms:Encrypt', Arn)]))
    await expect(tries(gil)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const { CiphertextBlob } = await encrypt(KeyId)
    await expect(tries(kms, { DryRun: false, CiphertextBlob })).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(tries(kms, { KeyId: undefined })).rejects.toMatchObject({ name: 'ValidationException' })
    const again = { SourceKeyId: KeyId, DestinationKeyId: KeyId, DryRun: true }
    await expect(
      kms.send(new sdk.ReEncryptCommand({ ...again, DryRunModifiers: ['IGNORE_CIPHERTEXT'] })),
    ).rejects.toMatchObject({ name: 'DryRunOperationException' })
  })

  test('another account needs the key’s policy and its own', async () => {
    const account = '111122223333'
    const { kernel } = drydock.server
    const root = kernel.vault.rootKey(account)
    const { KeyId, Arn } = await create()
    const other = as(root)
    await expect(encrypt(Arn, other)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    const { Policy } = await kms.send(new sdk.GetKeyPolicyCommand({ KeyId }))
    const policy = JSON.parse(Policy ?? '')
    policy.Statement.push({ Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*crypt', Resource: '*' })
    await kms.send(new sdk.PutKeyPolicyCommand({ KeyId, Policy: JSON.stringify(policy) }))
    const { CiphertextBlob } = await encrypt(Arn, other)
    await expect(decrypt(CiphertextBlob, other)).resolves.toMatchObject({ KeyId: Arn })
    await expect(decrypt(CiphertextBlob)).resolves.toMatchObject({ KeyId: Arn })
  })
})

test('a multi-Region key opens in each of its Regions what one of them sealed; the primary goes last', async () => {
  const { KeyId, Arn } = await create({ MultiRegion: true })
  expect(KeyId).toMatch(/^mrk-[0-9a-f]{32}$/)
  const west = drydock.client(sdk.KMSClient, drydock.root, 'us-west-2')
  const { ReplicaKeyMetadata } = await kms.send(new sdk.ReplicateKeyCommand({ KeyId, ReplicaRegion: 'us-west-2' }))
  const there = Arn.replace('us-east-1', 'us-west-2')
  expect(ReplicaKeyMetadata).toMatchObject({
    Arn: there,
    MultiRegionConfiguration: {
      MultiRegionKeyType: 'REPLICA',
      PrimaryKey: { Arn, Region: 'us-east-1' },
      ReplicaKeys: [{ Arn: there, Region: 'us-west-2' }],
    },
  })
  const { CiphertextBlob } = await encrypt(KeyId)
  await expect(decrypt(CiphertextBlob, west)).resolves.toMatchObject({ KeyId: there })
  await kms.send(new sdk.RotateKeyOnDemandCommand({ KeyId }))
  const rotated = await encrypt(KeyId)
  await expect(decrypt(rotated.CiphertextBlob, west)).resolves.toMatchObject({ KeyId: there })
  await expect(west.send(new sdk.EnableKeyRotationCommand({ KeyId }))).rejects.toMatchObject({
    name: 'UnsupportedOperationException',
  })
  const single = await encrypt((await create()).KeyId)
  await expect(decrypt(single.CiphertextBlob, west)).rejects.toMatchObject({ name: 'AccessDeniedException' })

  await kms.send(new sdk.UpdatePrimaryRegionCommand({ KeyId, PrimaryRegion: 'us-west-2' }))
  expect((await west.send(new sdk.DescribeKeyCommand({ KeyId }))).KeyMetadata?.MultiRegionConfiguration).toMatchObject({
    MultiRegionKeyType: 'PRIMARY',
  })
  const waiting = await west.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
  expect(waiting.KeyState).toBe('PendingReplicaDeletion')
  await kms.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
  await drydock.advance({ days: 7 })
  expect((await west.send(new sdk.DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState).toBe('PendingDeletion')
  await drydock.advance({ days: 7 })
  await expect(west.send(new sdk.DescribeKeyCommand({ KeyId }))).rejects.toMatchObject({ name: 'NotFoundException' })
})

test('a primary moves with the right to both keys; a replica is a new key where it is made', async () => {
  const { KeyId, Arn } = await create({ MultiRegion: true })
  const there = Arn.replace('us-east-1', 'us-west-2')
  const replicator = as(await drydock.user('replicator', [allow('kms:ReplicateKey', Arn)]))
  const replicate = new sdk.ReplicateKeyCommand({ KeyId, ReplicaRegion: 'us-west-2' })
  await expect(replicator.send(replicate)).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringContaining('kms:CreateKey'),
  })
  await kms.send(replicate)
  const move = new sdk.UpdatePrimaryRegionCommand({ KeyId, PrimaryRegion: 'us-west-2' })
  const half = as(await drydock.user('half', [allow('kms:UpdatePrimaryRegion', Arn)]))
  await expect(half.send(move)).rejects.toMatchObject({ message: expect.stringContaining(there) })
  const whole = as(
    await drydock.user('whole', [allow('kms:UpdatePrimaryRegion', Arn), allow('kms:UpdatePrimaryRegion', there)]),
  )
  await whole.send(move)
})

test('the last use of a key, of each of those that moved a ciphertext', async () => {
  const [one, two] = [await create(), await create()]
  const lastUse = async (KeyId: string) => (await kms.send(new sdk.GetKeyLastUsageCommand({ KeyId }))).KeyLastUsage
  expect(await lastUse(one.KeyId)).toEqual({})
  const { CiphertextBlob } = await encrypt(one.KeyId)
  // Within a minute nothing new is written down, and the last of the uses is told all the same.
  await drydock.advance({ seconds: 40 })
  const again = await encrypt(one.KeyId)
  expect(await lastUse(one.KeyId)).toMatchObject({
    Operation: 'Encrypt',
    Timestamp: drydock.clock.now(),
    KmsRequestId: again.$metadata.requestId,
    CloudTrailEventId: expect.any(String),
  })
  await drydock.advance({ hours: 1 })
  await kms.send(new sdk.ReEncryptCommand({ CiphertextBlob, DestinationKeyId: two.KeyId }))
  const { Events } = await drydock
    .client(CloudTrailClient)
    .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'ReEncrypt' }] }))
  const use = { Operation: 'ReEncrypt', Timestamp: drydock.clock.now(), CloudTrailEventId: Events?.[0]?.EventId }
  expect([await lastUse(one.KeyId), await lastUse(two.KeyId)]).toMatchObject([use, use])
  expect(JSON.parse(Events?.[0]?.CloudTrailEvent ?? '')).toMatchObject({
    additionalEventData: {
      sourceKeyMaterialId: one.CurrentKeyMaterialId,
      destinationKeyMaterialId: two.CurrentKeyMaterialId,
    },
  })
  await drydock.advance({ hours: 1 })
  await expect(
    kms.send(new sdk.SignCommand({ KeyId: one.KeyId, Message: Buffer.from('x'), SigningAlgorithm: 'ECDSA_SHA_256' })),
  ).rejects.toBeDefined()
  expect(await lastUse(one.KeyId)).toMatchObject(use)
})
