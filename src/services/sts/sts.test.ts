import { GetUserCommand, IAMClient, ListUsersCommand } from '@aws-sdk/client-iam'
import * as sdk from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
beforeAll(async () => {
  drydock = await story({ config: { auth: 'trust' } })
})
afterAll(() => drydock.close())

const account = '000000000000'
const other = '111122223333'

/** In trust mode a key of twelve digits is the root user of that account. */
const otherRoot: Keys = { accessKeyId: other, secretAccessKey: 'any' }

const keysOf = ({ Credentials }: { Credentials?: sdk.Credentials | undefined }): Keys => ({
  accessKeyId: Credentials?.AccessKeyId ?? '',
  secretAccessKey: Credentials?.SecretAccessKey ?? '',
  sessionToken: Credentials?.SessionToken ?? '',
})

test('tokens of identity providers are refused, where there are none; the call needs no signature', async () => {
  const response = await fetch(drydock.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: `arn:aws:iam::${account}:role/any`,
      RoleSessionName: 'web',
      WebIdentityToken: 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln',
    }),
  })
  expect(response.status).toBe(400)
  expect(await response.text()).toContain('<Code>InvalidIdentityToken</Code>')
})

test('an access key id names its account, and nothing more', async () => {
  const keys = await drydock.user('info')
  const sts = drydock.client(sdk.STSClient)
  const info = await sts.send(new sdk.GetAccessKeyInfoCommand({ AccessKeyId: keys.accessKeyId }))
  expect(info.Account).toBe(account)
  const session = keysOf(await drydock.client(sdk.STSClient, keys).send(new sdk.GetSessionTokenCommand({})))
  expect((await sts.send(new sdk.GetAccessKeyInfoCommand({ AccessKeyId: session.accessKeyId }))).Account).toBe(account)
  await expect(
    sts.send(new sdk.GetAccessKeyInfoCommand({ AccessKeyId: 'AKIAIOSFODNN7!!!EXAMPLE' })),
  ).rejects.toMatchObject({
    name: 'ValidationError',
  })
})

describe('across accounts', () => {
  test('both the role’s trust policy and the caller’s policies must allow', async () => {
    const role = await drydock.role(
      'visited',
      { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: other }, Action: 'sts:AssumeRole' }] },
      [allow('iam:ListUsers')],
    )
    const iam = drydock.client(IAMClient, otherRoot)
    const { CreateUserCommand, CreateAccessKeyCommand, PutUserPolicyCommand } = await import('@aws-sdk/client-iam')
    await iam.send(new CreateUserCommand({ UserName: 'visitor' }))
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'visitor' }))
    const visitor: Keys = {
      accessKeyId: AccessKey?.AccessKeyId ?? '',
      secretAccessKey: AccessKey?.SecretAccessKey ?? '',
    }
    const assume = () =>
      drydock
        .client(sdk.STSClient, visitor)
        .send(new sdk.AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'visit' }))
    await expect(assume()).rejects.toMatchObject({
      name: 'AccessDenied',
      message: `User: arn:aws:iam::${other}:user/visitor is not authorized to perform: sts:AssumeRole on resource: ${role} because no identity-based policy allows the sts:AssumeRole action`,
    })
    await iam.send(
      new PutUserPolicyCommand({
        UserName: 'visitor',
        PolicyName: 'visit',
        PolicyDocument: JSON.stringify(allow('sts:AssumeRole', role)),
      }),
    )
    const session = keysOf(await assume())
    const here = await drydock.client(sdk.STSClient, session).send(new sdk.GetCallerIdentityCommand({}))
    expect(here).toMatchObject({ Account: account, Arn: `arn:aws:sts::${account}:assumed-role/visited/visit` })
    const { Users } = await drydock.client(IAMClient, session).send(new ListUsersCommand({}))
    expect(Users?.map(({ UserName }) => UserName)).not.toContain('visitor')
  })

  test('accounts know nothing of each other', async () => {
    await drydock.user('native')
    await expect(
      drydock.client(IAMClient, otherRoot).send(new GetUserCommand({ UserName: 'native' })),
    ).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    })
  })
})

describe('a federated user', () => {
  const federate = (keys: Keys, over: object = {}) =>
    drydock.client(sdk.STSClient, keys).send(new sdk.GetFederationTokenCommand({ Name: 'guest', ...over }))

  test('may do what the user may and the session policy allows', async () => {
    const keys = await drydock.user('host', [allow(['sts:GetFederationToken', 'iam:ListUsers', 'iam:GetUser'])])
    const answer = await federate(keys, { Policy: JSON.stringify(allow(['iam:ListUsers', 'iam:DeleteUser'])) })
    expect(answer.FederatedUser).toEqual({
      FederatedUserId: `${account}:guest`,
      Arn: `arn:aws:sts::${account}:federated-user/guest`,
    })
    const guest = drydock.client(IAMClient, keysOf(answer))
    await expect(guest.send(new ListUsersCommand({}))).resolves.toBeDefined()
    await expect(guest.send(new GetUserCommand({ UserName: 'host' }))).rejects.toMatchObject({
      message: expect.stringContaining('because no session policy allows the iam:GetUser action'),
    })
  })

  test('without a session policy may do nothing', async () => {
    const keys = await drydock.user('careless', [allow('*')])
    const guest = drydock.client(IAMClient, keysOf(await federate(keys)))
    await expect(guest.send(new ListUsersCommand({}))).rejects.toMatchObject({ name: 'AccessDenied' })
  })

  test('needs the user to be allowed', async () => {
    const keys = await drydock.user('inhospitable')
    await expect(federate(keys)).rejects.toMatchObject({
      message: `User: arn:aws:iam::${account}:user/inhospitable is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::${account}:federated-user/guest because no identity-based policy allows the sts:GetFederationToken action`,
    })
  })
})
