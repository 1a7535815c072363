import { CodeCommitClient, ListRepositoriesCommand } from '@aws-sdk/client-codecommit'
import * as sdk from '@aws-sdk/client-iam'
import { AssumeRoleCommand, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts'
import { TOTP } from 'otpauth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import { auditStream } from '../../kernel/audit.ts'
import type { SqliteStore } from '../../store/sqlite.ts'

let drydock: Story
let iam: sdk.IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(sdk.IAMClient)
})
afterAll(() => drydock.close())

const account = '000000000000'
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1')

/** What an authenticator app shows, so many steps of 30 seconds from now. */
const code = (secret: string, steps = 0) =>
  new TOTP({ secret }).generate({ timestamp: drydock.clock.now().getTime() + steps * 30_000 })

const virtualDevice = async (name: string) => {
  const { VirtualMFADevice } = await iam.send(new sdk.CreateVirtualMFADeviceCommand({ VirtualMFADeviceName: name }))
  return { serial: VirtualMFADevice?.SerialNumber ?? '', seed: text(VirtualMFADevice?.Base32StringSeed) }
}

const enable = (UserName: string, SerialNumber: string, first: string, second: string) =>
  iam.send(
    new sdk.EnableMFADeviceCommand({
      UserName,
      SerialNumber,
      AuthenticationCode1: first,
      AuthenticationCode2: second,
    }),
  )

/** A user with a device that is enabled, a minute ago: its next codes are fresh. */
const enrolled = async (name: string, policies: readonly object[] = []) => {
  const keys = await drydock.user(name, policies)
  const { serial, seed } = await virtualDevice(name)
  await enable(name, serial, code(seed, -1), code(seed))
  await drydock.advance({ seconds: 60 })
  return { keys, serial, seed }
}

const sessionToken = (keys: Keys, input: object = {}) =>
  drydock.client(STSClient, keys).send(new GetSessionTokenCommand(input))

const assume = (keys: Keys, RoleArn: string, over: object = {}) =>
  drydock.client(STSClient, keys).send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'story', ...over }))

const keysOf = (answer: {
  Credentials?: { AccessKeyId?: string; SecretAccessKey?: string; SessionToken?: string }
}): Keys => ({
  accessKeyId: answer.Credentials?.AccessKeyId ?? '',
  secretAccessKey: answer.Credentials?.SecretAccessKey ?? '',
  sessionToken: answer.Credentials?.SessionToken ?? '',
})

describe('virtual devices', () => {
  test('are made with a seed and a picture of it, told once and sealed at rest', async () => {
    const { VirtualMFADevice } = await iam.send(
      new sdk.CreateVirtualMFADeviceCommand({
        VirtualMFADeviceName: 'phone',
        Path: '/team/',
        Tags: [{ Key: 'Kind', Value: 'phone' }],
      }),
    )
    const serial = `arn:aws:iam::${account}:mfa/team/phone`
    expect(VirtualMFADevice).toMatchObject({ SerialNumber: serial, Tags: [{ Key: 'Kind', Value: 'phone' }] })
    const seed = text(VirtualMFADevice?.Base32StringSeed)
    expect(seed).toMatch(/^[A-Z2-7]{64}$/)
    expect(text(VirtualMFADevice?.QRCodePNG)).toMatch(/^\x89PNG\r\n/)
    const rows = [...(drydock.server.kernel.store as unknown as SqliteStore).export()]
    expect(JSON.stringify(rows)).toContain('"phone"')
    expect(JSON.stringify(rows)).not.toContain(seed)
    const records = await drydock.server.kernel.append.range(auditStream(account, 'us-east-1'), { limit: 1000 })
    expect(JSON.stringify(records)).not.toContain(seed)
    await expect(
      iam.send(new sdk.CreateVirtualMFADeviceCommand({ VirtualMFADeviceName: 'phone', Path: '/team/' })),
    ).rejects.toMatchObject({
      name: 'EntityAlreadyExistsException',
      message: 'MFADevice entity at the same path and name already exists.',
    })
    const { VirtualMFADevices } = await iam.send(new sdk.ListVirtualMFADevicesCommand({}))
    expect(VirtualMFADevices).toContainEqual({ SerialNumber: serial })
    await iam.send(new sdk.TagMFADeviceCommand({ SerialNumber: serial, Tags: [{ Key: 'kind', Value: 'tablet' }] }))
    const tags = () => iam.send(new sdk.ListMFADeviceTagsCommand({ SerialNumber: serial }))
    expect((await tags()).Tags).toEqual([{ Key: 'kind', Value: 'tablet' }])
    await iam.send(new sdk.UntagMFADeviceCommand({ SerialNumber: serial, TagKeys: ['Kind'] }))
    expect((await tags()).Tags).toEqual([])
    await iam.send(new sdk.DeleteVirtualMFADeviceCommand({ SerialNumber: serial }))
    await expect(tags()).rejects.toMatchObject({
      name: 'NoSuchEntityException',
      message: `VirtualMFADevice with serial number ${serial} doesn't exist.`,
    })
  })

  test('are enabled by two codes in a row, and by nothing less', async () => {
    await drydock.user('holder')
    const { serial, seed } = await virtualDevice('holder')
    const wrong = { name: 'InvalidAuthenticationCodeException', $metadata: { httpStatusCode: 403 } }
    const [before, now, next] = [code(seed, -1), code(seed), code(seed, 1)]
    await expect(enable('holder', serial, now, before)).rejects.toMatchObject(wrong)
    await expect(enable('holder', serial, now, now)).rejects.toMatchObject(wrong)
    await expect(enable('holder', serial, before, next)).rejects.toMatchObject(wrong)
    await expect(enable('holder', serial, code(seed, -5), code(seed, -4))).rejects.toMatchObject(wrong)
    await enable('holder', serial, now, next)
    await expect(enable('holder', serial, now, next)).rejects.toMatchObject({ name: 'EntityAlreadyExistsException' })
    const { MFADevices } = await iam.send(new sdk.ListMFADevicesCommand({ UserName: 'holder' }))
    expect(MFADevices).toEqual([{ UserName: 'holder', SerialNumber: serial, EnableDate: drydock.clock.now() }])
    const device = await iam.send(new sdk.GetMFADeviceCommand({ SerialNumber: serial, UserName: 'holder' }))
    expect(device).toMatchObject({ UserName: 'holder', EnableDate: drydock.clock.now() })
    const assigned = await iam.send(new sdk.ListVirtualMFADevicesCommand({ AssignmentStatus: 'Assigned' }))
    expect(assigned.VirtualMFADevices?.map(({ SerialNumber }) => SerialNumber)).toContain(serial)
    expect(assigned.VirtualMFADevices?.find(({ SerialNumber }) => SerialNumber === serial)?.User?.UserName).toBe(
      'holder',
    )
    const { SummaryMap } = await iam.send(new sdk.GetAccountSummaryCommand({}))
    expect(SummaryMap?.MFADevicesInUse).toBe(assigned.VirtualMFADevices?.length)
  })

  test('in use are not deleted, and keep their user from being deleted', async () => {
    const { serial, keys } = await enrolled('leaver')
    await expect(iam.send(new sdk.DeleteVirtualMFADeviceCommand({ SerialNumber: serial }))).rejects.toMatchObject({
      name: 'DeleteConflictException',
      message: 'MFA VirtualDevice in use. Must deactivate first.',
    })
    await iam.send(new sdk.DeleteAccessKeyCommand({ UserName: 'leaver', AccessKeyId: keys.accessKeyId }))
    await expect(iam.send(new sdk.DeleteUserCommand({ UserName: 'leaver' }))).rejects.toMatchObject({
      name: 'DeleteConflictException',
      message: 'Cannot delete entity, must delete MFA device first.',
    })
    await drydock.user('bystander')
    const release = (UserName: string) =>
      iam.send(new sdk.DeactivateMFADeviceCommand({ UserName, SerialNumber: serial }))
    await expect(release('bystander')).rejects.toMatchObject({
      name: 'NoSuchEntityException',
      message: 'MFA Device invalid for user.',
    })
    await release('leaver')
    await iam.send(new sdk.DeleteVirtualMFADeviceCommand({ SerialNumber: serial }))
    await iam.send(new sdk.DeleteUserCommand({ UserName: 'leaver' }))
  })

  test('a user has eight at most', async () => {
    await drydock.user('collector')
    for (let index = 0; index <= 8; index++) {
      const { serial, seed } = await virtualDevice(`collected-${index}`)
      const enabling = enable('collector', serial, code(seed, -1), code(seed))
      if (index < 8) await enabling
      else
        await expect(enabling).rejects.toMatchObject({
          name: 'LimitExceededException',
          message: 'Cannot exceed quota for MFADevicesPerUser: 8',
        })
    }
  })

  test('whose clock is off are synchronized again by two codes', async () => {
    const { keys, serial, seed } = await enrolled('late')
    const token = (steps: number) => sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed, steps) })
    await expect(token(-20)).rejects.toMatchObject({ name: 'AccessDenied' })
    const resync = (first: number) =>
      iam.send(
        new sdk.ResyncMFADeviceCommand({
          UserName: 'late',
          SerialNumber: serial,
          AuthenticationCode1: code(seed, first),
          AuthenticationCode2: code(seed, first + 1),
        }),
      )
    await expect(resync(500)).rejects.toMatchObject({ name: 'InvalidAuthenticationCodeException' })
    await resync(20)
    await expect(resync(20)).rejects.toMatchObject({ name: 'InvalidAuthenticationCodeException' })
    await drydock.advance({ seconds: 60 })
    await expect(token(0)).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(token(21)).resolves.toBeDefined()
  })

  test('are the business of who may manage them', async () => {
    const own = allow(
      ['iam:CreateVirtualMFADevice', 'iam:DeleteVirtualMFADevice'],
      'arn:aws:iam::*:mfa/${aws:username}',
    )
    const keys = await drydock.user('self-made', [
      own,
      allow('iam:EnableMFADevice', 'arn:aws:iam::*:user/${aws:username}'),
    ])
    const client = drydock.client(sdk.IAMClient, keys)
    const make = (VirtualMFADeviceName: string) =>
      client.send(new sdk.CreateVirtualMFADeviceCommand({ VirtualMFADeviceName }))
    await expect(make('another')).rejects.toMatchObject({
      name: 'AccessDenied',
      message: `User: arn:aws:iam::${account}:user/self-made is not authorized to perform: iam:CreateVirtualMFADevice on resource: arn:aws:iam::${account}:mfa/another because no identity-based policy allows the iam:CreateVirtualMFADevice action`,
    })
    const { VirtualMFADevice } = await make('self-made')
    const seed = text(VirtualMFADevice?.Base32StringSeed)
    const enabling = (UserName: string) =>
      client.send(
        new sdk.EnableMFADeviceCommand({
          UserName,
          SerialNumber: VirtualMFADevice?.SerialNumber,
          AuthenticationCode1: code(seed, -1),
          AuthenticationCode2: code(seed),
        }),
      )
    await expect(enabling('nobody')).rejects.toMatchObject({ name: 'AccessDenied' })
    await enabling('self-made')
  })
})

describe('sessions with MFA', () => {
  const needsMfa = { Bool: { 'aws:MultiFactorAuthPresent': 'true' } }

  test('a policy that asks for MFA lets only sessions through that proved it; a code counts once', async () => {
    const { keys, serial, seed } = await enrolled('careful', [allow('iam:ListGroups', '*', needsMfa)])
    const list = (by: Keys) => drydock.client(sdk.IAMClient, by).send(new sdk.ListGroupsCommand({}))
    await expect(list(keys)).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(list(keysOf(await sessionToken(keys)))).rejects.toMatchObject({ name: 'AccessDenied' })
    const TokenCode = code(seed)
    const session = keysOf(await sessionToken(keys, { SerialNumber: serial, TokenCode }))
    await expect(list(session)).resolves.toBeDefined()
    await expect(sessionToken(keys, { SerialNumber: serial, TokenCode })).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'MultiFactorAuthentication failed with invalid MFA one time pass code. ',
    })
    await drydock.advance({ seconds: 30 })
    await expect(
      sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed, -1) }),
      'older than the one used',
    ).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed) })).resolves.toBeDefined()
  })

  test('long-term keys carry no key at all: “if exists” lets them through, sessions without MFA not', async () => {
    const { keys, serial, seed } = await enrolled('optional', [
      allow('iam:ListGroups', '*', { BoolIfExists: { 'aws:MultiFactorAuthPresent': 'true' } }),
    ])
    const list = (by: Keys) => drydock.client(sdk.IAMClient, by).send(new sdk.ListGroupsCommand({}))
    await expect(list(keys)).resolves.toBeDefined()
    await expect(list(keysOf(await sessionToken(keys)))).rejects.toMatchObject({ name: 'AccessDenied' })
    const session = await sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed) })
    await expect(list(keysOf(session))).resolves.toBeDefined()
  })

  test('IAM itself is closed to sessions that did not prove MFA, whatever policies say', async () => {
    const { keys, serial, seed } = await enrolled('manager', [allow('*')])
    const list = (by: Keys) => drydock.client(sdk.IAMClient, by).send(new sdk.ListGroupsCommand({}))
    await expect(list(keys)).resolves.toBeDefined()
    const bare = keysOf(await sessionToken(keys))
    await expect(list(bare)).rejects.toMatchObject({
      name: 'InvalidClientTokenId',
      message: 'The security token included in the request is invalid',
      $metadata: { httpStatusCode: 403 },
    })
    await expect(drydock.client(CodeCommitClient, bare).send(new ListRepositoriesCommand({}))).resolves.toBeDefined()
    const session = await sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed) })
    await expect(list(keysOf(session))).resolves.toBeDefined()
  })

  test('the age of the proof grows', async () => {
    const recent = { NumericLessThan: { 'aws:MultiFactorAuthAge': '600' } }
    const { keys, serial, seed } = await enrolled('ageing', [allow('iam:ListGroups', '*', recent)])
    const list = (by: Keys) => drydock.client(sdk.IAMClient, by).send(new sdk.ListGroupsCommand({}))
    const session = keysOf(await sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed) }))
    await drydock.advance({ seconds: 599 })
    await expect(list(session)).resolves.toBeDefined()
    await drydock.advance({ seconds: 1 })
    await expect(list(session)).rejects.toMatchObject({ name: 'AccessDenied' })
  })

  test('the root user has devices too, and names himself to enable them', async () => {
    const { serial, seed } = await virtualDevice('root-account-mfa-device')
    const admin = drydock.client(sdk.IAMClient, await drydock.user('not-root', [allow('iam:*')]))
    const codes = { AuthenticationCode1: code(seed, -1), AuthenticationCode2: code(seed) }
    await expect(
      admin.send(new sdk.EnableMFADeviceCommand({ UserName: 'root', SerialNumber: serial, ...codes })),
    ).rejects.toMatchObject({ name: 'NoSuchEntityException' })
    const isMarked = async () =>
      (await iam.send(new sdk.GetAccountSummaryCommand({}))).SummaryMap?.AccountMFAEnabled ?? -1
    expect(await isMarked()).toBe(0)
    await enable('root', serial, codes.AuthenticationCode1, codes.AuthenticationCode2)
    expect(await isMarked()).toBe(1)
    expect((await iam.send(new sdk.ListMFADevicesCommand({}))).MFADevices).toMatchObject([
      { SerialNumber: serial, UserName: 'root' },
    ])
    const { VirtualMFADevices = [] } = await iam.send(
      new sdk.ListVirtualMFADevicesCommand({ AssignmentStatus: 'Assigned' }),
    )
    expect(VirtualMFADevices.find(({ SerialNumber }) => SerialNumber === serial)?.User).toMatchObject({
      Arn: `arn:aws:iam::${account}:root`,
      UserId: account,
    })
    expect(await iam.send(new sdk.GetMFADeviceCommand({ SerialNumber: serial }))).toMatchObject({ UserName: 'root' })
    await drydock.advance({ seconds: 60 })
    await sessionToken(drydock.root, { SerialNumber: serial, TokenCode: code(seed) })
    await expect(iam.send(new sdk.DeactivateMFADeviceCommand({ SerialNumber: serial }))).rejects.toMatchObject({
      name: 'ValidationError',
    })
    await iam.send(new sdk.DeactivateMFADeviceCommand({ UserName: 'root', SerialNumber: serial }))
    expect(await isMarked()).toBe(0)
    await iam.send(new sdk.DeleteVirtualMFADeviceCommand({ SerialNumber: serial }))
  })

  test('a device must be one’s own, and come with a code', async () => {
    const { keys } = await enrolled('honest')
    const { serial, seed } = await enrolled('victim')
    const unknown = expect.stringMatching(/unable to validate MFA code/)
    for (const SerialNumber of [serial, `arn:aws:iam::${account}:mfa/none`, 'GAHT12345678'])
      await expect(sessionToken(keys, { SerialNumber, TokenCode: code(seed) })).rejects.toMatchObject({
        name: 'AccessDenied',
        message: unknown,
      })
    await expect(sessionToken(drydock.root, { SerialNumber: serial, TokenCode: code(seed) })).rejects.toMatchObject({
      message: unknown,
    })
    await expect(sessionToken(keys, { SerialNumber: serial })).rejects.toMatchObject({
      name: 'AccessDenied',
      message: 'MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.',
    })
  })

  test('a role that trusts only with MFA is assumed with a code, or from a session that proved it', async () => {
    const { keys, serial, seed } = await enrolled('climber', [allow('sts:AssumeRole')])
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole', Condition: needsMfa }],
    }
    const role = await drydock.role('mfa-only', trust, [allow('iam:ListGroups'), allow('iam:ListUsers', '*', needsMfa)])
    await expect(assume(keys, role)).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(assume(keys, role, { SerialNumber: serial, TokenCode: '000000' })).rejects.toMatchObject({
      message: expect.stringMatching(/one time pass code/),
    })
    await expect(assume(keysOf(await sessionToken(keys)), role)).rejects.toMatchObject({ name: 'AccessDenied' })
    const direct = keysOf(await assume(keys, role, { SerialNumber: serial, TokenCode: code(seed) }))
    const client = drydock.client(sdk.IAMClient, direct)
    await expect(client.send(new sdk.ListGroupsCommand({}))).resolves.toBeDefined()
    await expect(
      client.send(new sdk.ListUsersCommand({})),
      'a role’s session does not say how it was assumed',
    ).rejects.toMatchObject({ name: 'AccessDenied' })
    await drydock.advance({ seconds: 30 })
    const session = keysOf(await sessionToken(keys, { SerialNumber: serial, TokenCode: code(seed) }))
    await expect(assume(session, role)).resolves.toBeDefined()
  })

  test('a role that is only for those without MFA', async () => {
    const { keys, serial, seed } = await enrolled('plain', [allow('sts:AssumeRole')])
    const trust = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: account },
          Action: 'sts:AssumeRole',
          Condition: { Null: { 'aws:MultiFactorAuthAge': 'true' } },
        },
      ],
    }
    const role = await drydock.role('mfa-never', trust)
    await expect(assume(keys, role)).resolves.toBeDefined()
    await expect(assume(keys, role, { SerialNumber: serial, TokenCode: code(seed) })).rejects.toMatchObject({
      name: 'AccessDenied',
    })
  })
})
