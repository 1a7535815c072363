import * as sdk from '@aws-sdk/client-iam'
import { GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts'
import { TOTP } from 'otpauth'
import { expect, test } from 'vitest'
import { testCertificate } from '../../../test/certificates.ts'
import { type Story, story } from '../../../test/story.ts'

const account = '000000000000'
const started = '2026-11-23T09:00:00Z'

const told = async (drydock: Story): Promise<Record<string, string>[]> => {
  const iam = drydock.client(sdk.IAMClient)
  const { Content, ReportFormat } = await iam.send(new sdk.GetCredentialReportCommand({}))
  expect(ReportFormat).toBe('text/csv')
  const [header = '', ...lines] = Buffer.from(Content ?? [])
    .toString()
    .split('\n')
  const names = header.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, at) => [names[at], cell])))
}

test('a report tells the state of every credential, and is made anew after four hours', async () => {
  const drydock = await story()
  try {
    const iam = drydock.client(sdk.IAMClient)
    const generate = async () => (await iam.send(new sdk.GenerateCredentialReportCommand({}))).State
    await expect(told(drydock)).rejects.toMatchObject({
      name: 'CredentialReportNotPresentException',
      $metadata: { httpStatusCode: 410 },
    })

    await iam.send(new sdk.UpdateAccountPasswordPolicyCommand({ MaxPasswordAge: 90 }))
    const keys = await drydock.user('full')
    await iam.send(new sdk.CreateLoginProfileCommand({ UserName: 'full', Password: 'word-one' }))
    const { AccessKey } = await iam.send(new sdk.CreateAccessKeyCommand({ UserName: 'full' }))
    await iam.send(
      new sdk.UpdateAccessKeyCommand({ UserName: 'full', AccessKeyId: AccessKey?.AccessKeyId, Status: 'Inactive' }),
    )
    await iam.send(
      new sdk.UploadSigningCertificateCommand({
        UserName: 'full',
        CertificateBody: testCertificate('full').certificate,
      }),
    )
    const { VirtualMFADevice } = await iam.send(new sdk.CreateVirtualMFADeviceCommand({ VirtualMFADeviceName: 'full' }))
    const totp = new TOTP({ secret: Buffer.from(VirtualMFADevice?.Base32StringSeed ?? []).toString() })
    const now = drydock.clock.now().getTime()
    await iam.send(
      new sdk.EnableMFADeviceCommand({
        UserName: 'full',
        SerialNumber: VirtualMFADevice?.SerialNumber,
        AuthenticationCode1: totp.generate({ timestamp: now - 30_000 }),
        AuthenticationCode2: totp.generate({ timestamp: now }),
      }),
    )
    await drydock.advance({ minutes: 5 })
    await drydock.client(STSClient, keys).send(new GetSessionTokenCommand({}))
    await iam.send(new sdk.CreateUserCommand({ UserName: 'Empty', Path: '/team/' }))

    expect(await generate()).toBe('STARTED')
    await drydock.settled()
    expect(await generate()).toBe('COMPLETE')
    const rows = await told(drydock)
    expect(rows.map(({ user }) => user)).toEqual(['<root_account>', 'Empty', 'full'])
    expect(rows[0]).toMatchObject({
      arn: `arn:aws:iam::${account}:root`,
      password_enabled: 'not_supported',
      mfa_active: 'false',
      access_key_1_active: 'true',
    })
    expect(rows[1]).toEqual({
      user: 'Empty',
      arn: `arn:aws:iam::${account}:user/team/Empty`,
      user_creation_time: '2026-11-23T09:05:00Z',
      password_enabled: 'false',
      password_last_used: 'N/A',
      password_last_changed: 'N/A',
      password_next_rotation: 'N/A',
      mfa_active: 'false',
      access_key_1_active: 'false',
      access_key_1_last_rotated: 'N/A',
      access_key_1_last_used_date: 'N/A',
      access_key_1_last_used_region: 'N/A',
      access_key_1_last_used_service: 'N/A',
      access_key_2_active: 'false',
      access_key_2_last_rotated: 'N/A',
      access_key_2_last_used_date: 'N/A',
      access_key_2_last_used_region: 'N/A',
      access_key_2_last_used_service: 'N/A',
      cert_1_active: 'false',
      cert_1_last_rotated: 'N/A',
      cert_2_active: 'false',
      cert_2_last_rotated: 'N/A',
    })
    expect(rows[2]).toMatchObject({
      password_enabled: 'true',
      password_last_used: 'no_information',
      password_last_changed: started,
      password_next_rotation: '2027-02-21T09:00:00Z',
      mfa_active: 'true',
      access_key_1_last_rotated: started,
      access_key_2_last_rotated: started,
      cert_1_active: 'true',
      cert_1_last_rotated: started,
      cert_2_active: 'false',
    })
    const used = [1, 2].find((index) => rows[2]?.[`access_key_${index}_active`] === 'true')
    expect(rows[2]).toMatchObject({
      [`access_key_${used}_last_used_date`]: '2026-11-23T09:05:00Z',
      [`access_key_${used}_last_used_region`]: 'us-east-1',
      [`access_key_${used}_last_used_service`]: 'sts',
      [`access_key_${used === 1 ? 2 : 1}_last_used_date`]: 'N/A',
    })

    await iam.send(new sdk.DeleteUserCommand({ UserName: 'Empty' }))
    expect(await generate()).toBe('COMPLETE')
    expect(await told(drydock), 'the report is the one that was made').toHaveLength(3)
    await drydock.advance({ hours: 4 })
    await expect(told(drydock)).rejects.toMatchObject({ name: 'CredentialReportExpiredException' })
    expect(await generate()).toBe('STARTED')
    await drydock.settled()
    expect((await told(drydock)).map(({ user }) => user)).toEqual(['<root_account>', 'full'])
  } finally {
    await drydock.close()
  }
})

test('which version of tokens the account prefers is told by its summary', async () => {
  const drydock = await story()
  try {
    const iam = drydock.client(sdk.IAMClient)
    const version = async () =>
      (await iam.send(new sdk.GetAccountSummaryCommand({}))).SummaryMap?.GlobalEndpointTokenVersion
    expect(await version()).toBe(1)
    await iam.send(new sdk.SetSecurityTokenServicePreferencesCommand({ GlobalEndpointTokenVersion: 'v2Token' }))
    expect(await version()).toBe(2)
  } finally {
    await drydock.close()
  }
})
