import { CodeCommitClient, GetRepositoryCommand, ListRepositoriesCommand } from '@aws-sdk/client-codecommit'
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
    const keys = await drydock.user('host', [allow(['sts:GetFederationToken', 'codecommit:*', 'iam:*'])])
    const answer = await federate(keys, {
      Policy: JSON.stringify(allow(['codecommit:ListRepositories', 'iam:ListUsers'])),
    })
    expect(answer.FederatedUser).toEqual({
      FederatedUserId: `${account}:guest`,
      Arn: `arn:aws:sts::${account}:federated-user/guest`,
    })
    const guest = drydock.client(CodeCommitClient, keysOf(answer))
    await expect(guest.send(new ListRepositoriesCommand({}))).resolves.toBeDefined()
    await expect(guest.send(new GetRepositoryCommand({ repositoryName: 'any' }))).rejects.toMatchObject({
      message: expect.stringContaining('because no session policy allows the codecommit:GetRepository action'),
    })
    await expect(
      drydock.client(IAMClient, keysOf(answer)).send(new ListUsersCommand({})),
      'IAM is closed to federated users',
    ).rejects.toMatchObject({ name: 'InvalidClientTokenId' })
  })

  test('without a session policy may do nothing', async () => {
    const keys = await drydock.user('careless', [allow('*')])
    const guest = drydock.client(CodeCommitClient, keysOf(await federate(keys)))
    await expect(guest.send(new ListRepositoriesCommand({}))).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  test('may ask STS nothing but who it is', async () => {
    const keys = await drydock.user('generous', [allow('*')])
    const guest = keysOf(await federate(keys, { Policy: JSON.stringify(allow('*')) }))
    const sts = drydock.client(sdk.STSClient, guest)
    await expect(sts.send(new sdk.GetCallerIdentityCommand({}))).resolves.toBeDefined()
    await expect(
      sts.send(new sdk.AssumeRoleCommand({ RoleArn: `arn:aws:iam::${account}:role/any`, RoleSessionName: 'guest' })),
    ).rejects.toMatchObject({ name: 'AccessDenied', message: 'Cannot call AssumeRole with session credentials' })
  })

  test('is not what GetSessionToken gives: that may assume roles, and ask nothing else', async () => {
    const keys = await drydock.user('session-holder', [allow('sts:*')])
    const role = await drydock.role('for-sessions', {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' }],
    })
    const session = keysOf(await drydock.client(sdk.STSClient, keys).send(new sdk.GetSessionTokenCommand({})))
    const sts = drydock.client(sdk.STSClient, session)
    await expect(
      sts.send(new sdk.AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'session' })),
    ).resolves.toBeDefined()
    await expect(sts.send(new sdk.DecodeAuthorizationMessageCommand({ EncodedMessage: 'any' }))).rejects.toMatchObject({
      name: 'AccessDenied',
    })
  })

  test('needs the user to be allowed', async () => {
    const keys = await drydock.user('inhospitable')
    await expect(federate(keys)).rejects.toMatchObject({
      message: `User: arn:aws:iam::${account}:user/inhospitable is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::${account}:federated-user/guest because no identity-based policy allows the sts:GetFederationToken action`,
    })
  })
})

test('a federated user of the root user does what the session policy allows, for an hour', async () => {
  const answer = await drydock.client(sdk.STSClient).send(
    new sdk.GetFederationTokenCommand({
      Name: 'guest',
      Policy: JSON.stringify(allow('codecommit:ListRepositories')),
      DurationSeconds: 7200,
    }),
  )
  expect(answer.Credentials?.Expiration).toEqual(new Date(drydock.clock.now().getTime() + 3_600_000))
  const guest = drydock.client(CodeCommitClient, keysOf(answer))
  const denied = { name: 'AccessDeniedException' }
  await expect(guest.send(new ListRepositoriesCommand({}))).resolves.toBeDefined()
  await expect(guest.send(new GetRepositoryCommand({ repositoryName: 'any' }))).rejects.toMatchObject(denied)
  const bare = await drydock.client(sdk.STSClient).send(new sdk.GetFederationTokenCommand({ Name: 'bare' }))
  const nobody = drydock.client(CodeCommitClient, keysOf(bare))
  await expect(nobody.send(new ListRepositoriesCommand({}))).rejects.toMatchObject(denied)
})

describe('a chain of roles', () => {
  const trusting = (principal: string) => ({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: principal }, Action: ['sts:AssumeRole', 'sts:TagSession'] }],
  })
  const assume = (keys: Keys, RoleArn: string, over: object = {}) =>
    drydock.client(sdk.STSClient, keys).send(new sdk.AssumeRoleCommand({ RoleArn, RoleSessionName: 'chain', ...over }))

  test('lasts an hour, and carries its transitive tags on', async () => {
    const keys = await drydock.user('first', [allow(['sts:AssumeRole', 'sts:TagSession'])])
    const one = await drydock.role('link-one', trusting(account), [allow(['sts:AssumeRole', 'sts:TagSession'])])
    const two = await drydock.role('link-two', trusting(account), [
      allow('iam:ListUsers', '*', { StringEquals: { 'aws:PrincipalTag/Project': 'Drydock' } }),
    ])
    const Tags = [
      { Key: 'Project', Value: 'Drydock' },
      { Key: 'Stage', Value: 'test' },
    ]
    const middle = keysOf(await assume(keys, one, { Tags, TransitiveTagKeys: ['Project'] }))
    await expect(assume(middle, two, { DurationSeconds: 3601 })).rejects.toMatchObject({
      message: 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    })
    const end = drydock.client(IAMClient, keysOf(await assume(middle, two)))
    await expect(end.send(new ListUsersCommand({}))).resolves.toBeDefined()
    await expect(assume(middle, two, { Tags: [{ Key: 'project', Value: 'Other' }] })).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    })
    await expect(assume(middle, two, { Tags: [{ Key: 'Stage', Value: 'prod' }] })).resolves.toBeDefined()
  })

  test('has room for so many policies and tags', async () => {
    const keys = await drydock.user('verbose', [allow(['sts:AssumeRole', 'sts:TagSession'])])
    const role = await drydock.role('roomy', trusting(account))
    const Policy = JSON.stringify({ ...allow('s3:GetObject'), Id: 'x'.repeat(2048) })
    await expect(assume(keys, role, { Policy })).rejects.toMatchObject({
      name: 'PackedPolicyTooLargeException',
      message: expect.stringMatching(/^Packed policy consumes 1\d\d% of allotted space/),
    })
    const PolicyArns = Array.from({ length: 11 }, () => ({ arn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' }))
    await expect(assume(keys, role, { PolicyArns })).rejects.toMatchObject({ name: 'ValidationError' })
    const random = () => Array.from({ length: 200 }, () => Math.random().toString(36).charAt(2) || 'x').join('')
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `key-${index}`, Value: random() }))
    await expect(assume(keys, role, { Tags })).rejects.toMatchObject({
      name: 'PackedPolicyTooLargeException',
      message: expect.stringMatching(/^Packed size of session tags consumes \d{3}% of allotted space\.$/),
    })
    const small = await assume(keys, role, { Policy: JSON.stringify(allow('s3:GetObject')) })
    expect(small.PackedPolicySize).toBeLessThan(20)
  })

  test('provided contexts are refused: there is no Identity Center', async () => {
    const keys = await drydock.user('contextual', [allow('sts:*')])
    const ProvidedContexts = [
      { ProviderArn: 'arn:aws:iam::aws:contextProvider/IdentityCenter', ContextAssertion: 'assertion' },
    ]
    await expect(assume(keys, `arn:aws:iam::${account}:role/roomy`, { ProvidedContexts })).rejects.toMatchObject({
      name: 'NotImplemented',
    })
  })
})

test('an encoded message of a denial is decoded for who may', async () => {
  const { EC2Client, RunInstancesCommand } = await import('@aws-sdk/client-ec2')
  const keys = await drydock.user('curious', [allow('sts:DecodeAuthorizationMessage')])
  const denied = await drydock
    .client(EC2Client, keys)
    .send(new RunInstancesCommand({ ImageId: 'ami-12345678', MinCount: 1, MaxCount: 1 }))
    .catch((error: Error) => error.message)
  const [, EncodedMessage] = /Encoded authorization failure message: (\S+)/.exec(String(denied)) ?? []
  expect(EncodedMessage).toBeDefined()
  const sts = drydock.client(sdk.STSClient, keys)
  const { DecodedMessage } = await sts.send(new sdk.DecodeAuthorizationMessageCommand({ EncodedMessage }))
  expect(JSON.parse(DecodedMessage ?? '')).toMatchObject({
    allowed: false,
    explicitDeny: false,
    context: { principal: { arn: `arn:aws:iam::${account}:user/curious` }, action: 'ec2:RunInstances' },
  })
  const wrong = [`${EncodedMessage?.slice(0, -2)}AA`, 'nothing', keys.secretAccessKey]
  for (const message of wrong)
    await expect(
      sts.send(new sdk.DecodeAuthorizationMessageCommand({ EncodedMessage: message })),
    ).rejects.toMatchObject({ name: 'InvalidAuthorizationMessageException' })
  await expect(
    drydock
      .client(sdk.STSClient, await drydock.user('uninformed'))
      .send(new sdk.DecodeAuthorizationMessageCommand({ EncodedMessage })),
  ).rejects.toMatchObject({ name: 'AccessDenied' })
})
