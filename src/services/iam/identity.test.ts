import { CodeCommitClient, ListRepositoriesCommand } from '@aws-sdk/client-codecommit'
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DeleteUserPolicyCommand,
  GetAccessKeyLastUsedCommand,
  GetUserCommand,
  IAMClient,
  ListAccessKeysCommand,
  ListUsersCommand,
  PutUserPermissionsBoundaryCommand,
  PutUserPolicyCommand,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam'
import { AssumeRoleCommand, GetCallerIdentityCommand, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'

let drydock: Story
let iam: IAMClient
beforeAll(async () => {
  drydock = await story()
  iam = drydock.client(IAMClient)
})
afterAll(() => drydock.close())

const account = '000000000000'
const arn = (rest: string) => `arn:aws:iam::${account}:${rest}`
const denied = (message: string) => expect.objectContaining({ name: 'AccessDenied', message })

describe('who calls', () => {
  test('the root user, a user, and nobody else', async () => {
    expect(await drydock.client(STSClient).send(new GetCallerIdentityCommand())).toMatchObject({
      Account: account,
      Arn: arn('root'),
      UserId: account,
    })
    const alice = await drydock.user('who-alice')
    const caller = await drydock.client(STSClient, alice).send(new GetCallerIdentityCommand())
    expect(caller).toMatchObject({ Account: account, Arn: arn('user/who-alice') })
    expect(caller.UserId).toMatch(/^AIDA[A-Z2-7]{17}$/)
    const stranger = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'x' }
    await expect(drydock.client(STSClient, stranger).send(new GetCallerIdentityCommand())).rejects.toMatchObject({
      name: 'InvalidClientTokenId',
    })
    const thief = { ...alice, secretAccessKey: 'guess' }
    await expect(drydock.client(STSClient, thief).send(new GetCallerIdentityCommand())).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    })
  })

  test('an inactive key is nobody, until it is active again', async () => {
    const bob = await drydock.user('who-bob')
    const set = (Status: 'Active' | 'Inactive') =>
      iam.send(new UpdateAccessKeyCommand({ UserName: 'who-bob', AccessKeyId: bob.accessKeyId, Status }))
    const ask = () => drydock.client(STSClient, bob).send(new GetCallerIdentityCommand())
    await set('Inactive')
    await expect(ask()).rejects.toMatchObject({ name: 'InvalidClientTokenId' })
    await set('Active')
    expect((await ask()).Arn).toBe(arn('user/who-bob'))
    const { UserName, AccessKeyLastUsed } = await iam.send(
      new GetAccessKeyLastUsedCommand({ AccessKeyId: bob.accessKeyId }),
    )
    expect(UserName).toBe('who-bob')
    expect(AccessKeyLastUsed).toEqual({ LastUsedDate: drydock.clock.now(), ServiceName: 'sts', Region: 'us-east-1' })
  })

  test('a third access key is too many; the secret is told once', async () => {
    await drydock.user('who-keys')
    await iam.send(new CreateAccessKeyCommand({ UserName: 'who-keys' }))
    await expect(iam.send(new CreateAccessKeyCommand({ UserName: 'who-keys' }))).rejects.toMatchObject({
      name: 'LimitExceededException',
      message: 'Cannot exceed quota for AccessKeysPerUser: 2',
    })
    const { AccessKeyMetadata } = await iam.send(new ListAccessKeysCommand({ UserName: 'who-keys' }))
    expect(AccessKeyMetadata).toHaveLength(2)
    expect(JSON.stringify(AccessKeyMetadata)).not.toContain('Secret')
  })
})

describe('what a user may do', () => {
  const client = (keys: Keys) => drydock.client(IAMClient, keys)
  const getUser = (keys: Keys, UserName: string) => client(keys).send(new GetUserCommand({ UserName }))

  test('nothing without a policy, and the denial says why', async () => {
    const keys = await drydock.user('may-nothing')
    await expect(getUser(keys, 'may-nothing')).rejects.toThrow(
      denied(
        `User: ${arn('user/may-nothing')} is not authorized to perform: iam:GetUser on resource: ${arn('user/may-nothing')} because no identity-based policy allows the iam:GetUser action`,
      ),
    )
  })

  test('what a policy allows on the ARN with its path; a policy acts and ceases at once', async () => {
    await iam.send(new CreateUserCommand({ UserName: 'may-target', Path: '/team/red/' }))
    const keys = await drydock.user('may-some', [allow('iam:GetUser', arn('user/team/*'))])
    expect((await getUser(keys, 'may-target')).User?.Arn).toBe(arn('user/team/red/may-target'))
    await expect(getUser(keys, 'may-some')).rejects.toMatchObject({ name: 'AccessDenied' })
    await iam.send(new DeleteUserPolicyCommand({ UserName: 'may-some', PolicyName: 'policy-0' }))
    await expect(getUser(keys, 'may-target')).rejects.toMatchObject({ name: 'AccessDenied' })
  })

  test('an explicit deny wins over AdministratorAccess', async () => {
    const keys = await drydock.user('may-almost-all', [], ['arn:aws:iam::aws:policy/AdministratorAccess'])
    await expect(client(keys).send(new ListUsersCommand())).resolves.toBeDefined()
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Action: 'iam:List*', Resource: '*' }],
    })
    await iam.send(new PutUserPolicyCommand({ UserName: 'may-almost-all', PolicyName: 'no', PolicyDocument }))
    await expect(client(keys).send(new ListUsersCommand())).rejects.toThrow(
      denied(
        `User: ${arn('user/may-almost-all')} is not authorized to perform: iam:ListUsers on resource: ${arn('user/')} with an explicit deny in an identity-based policy`,
      ),
    )
  })

  test('a boundary narrows', async () => {
    const keys = await drydock.user('may-bounded', [allow('iam:*')])
    const PermissionsBoundary = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
    await iam.send(new PutUserPermissionsBoundaryCommand({ UserName: 'may-bounded', PermissionsBoundary }))
    await expect(getUser(keys, 'may-bounded')).rejects.toThrow(
      denied(
        `User: ${arn('user/may-bounded')} is not authorized to perform: iam:GetUser on resource: ${arn('user/may-bounded')} because no permissions boundary allows the iam:GetUser action`,
      ),
    )
    await expect(
      iam.send(
        new PutUserPermissionsBoundaryCommand({ UserName: 'may-bounded', PermissionsBoundary: arn('policy/no') }),
      ),
    ).rejects.toMatchObject({ name: 'NoSuchEntityException' })
  })

  test('policy variables name the caller', async () => {
    const own = allow('iam:GetUser', 'arn:aws:iam::*:user/${aws:username}')
    const keys = await drydock.user('may-self', [own])
    expect((await client(keys).send(new GetUserCommand())).User?.UserName).toBe('may-self')
    await expect(getUser(keys, 'may-nobody')).rejects.toMatchObject({ name: 'AccessDenied' })
  })
})

describe('roles', () => {
  const assume = (keys: Keys, RoleArn: string, over: object = {}) =>
    drydock.client(STSClient, keys).send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'story', ...over }))
  const keysOf = ({
    Credentials,
  }: {
    Credentials?: { AccessKeyId?: string; SecretAccessKey?: string; SessionToken?: string }
  }): Keys => ({
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  })
  const trust = (principal: object, extra: object = {}) => ({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: principal, Action: 'sts:AssumeRole', ...extra }],
  })

  test('a trust policy that names the user suffices; its policies are the session’s', async () => {
    const keys = await drydock.user('role-user')
    const role = await drydock.role('role-direct', trust({ AWS: arn('user/role-user') }), [allow('iam:ListUsers')])
    const answer = await assume(keys, role)
    expect(answer.AssumedRoleUser).toMatchObject({ Arn: `arn:aws:sts::${account}:assumed-role/role-direct/story` })
    expect(answer.AssumedRoleUser?.AssumedRoleId).toMatch(/^AROA[A-Z2-7]{17}:story$/)
    expect(answer.Credentials?.Expiration).toEqual(new Date(drydock.clock.now().getTime() + 3_600_000))
    const session = keysOf(answer)
    await expect(drydock.client(IAMClient, session).send(new ListUsersCommand())).resolves.toBeDefined()
    await expect(
      drydock.client(IAMClient, session).send(new GetUserCommand({ UserName: 'role-user' })),
    ).rejects.toThrow(
      denied(
        `User: arn:aws:sts::${account}:assumed-role/role-direct/story is not authorized to perform: iam:GetUser on resource: ${arn('user/role-user')} because no identity-based policy allows the iam:GetUser action`,
      ),
    )
  })

  test('a trust policy that names the account leaves it to the caller’s policies', async () => {
    const role = await drydock.role('role-account', trust({ AWS: account }))
    const plain = await drydock.user('role-plain')
    await expect(assume(plain, role)).rejects.toThrow(
      denied(
        `User: ${arn('user/role-plain')} is not authorized to perform: sts:AssumeRole on resource: ${role} because no identity-based policy allows the sts:AssumeRole action`,
      ),
    )
    const allowed = await drydock.user('role-allowed', [allow('sts:AssumeRole', role)])
    expect((await assume(allowed, role)).Credentials?.AccessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/)
  })

  test('a role that does not trust the caller, and one that is not there, look the same', async () => {
    const keys = await drydock.user('role-stranger', [allow('sts:*')])
    const other = await drydock.role('role-other', 'ec2.amazonaws.com')
    for (const role of [other, arn('role/role-none')])
      await expect(assume(keys, role)).rejects.toThrow(
        denied(`User: ${arn('user/role-stranger')} is not authorized to perform: sts:AssumeRole on resource: ${role}`),
      )
  })

  test('an external id that the trust policy asks for', async () => {
    const keys = await drydock.user('role-third-party', [allow('sts:AssumeRole')])
    const role = await drydock.role(
      'role-external',
      trust({ AWS: account }, { Condition: { StringEquals: { 'sts:ExternalId': 'blue' } } }),
    )
    await expect(assume(keys, role)).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(assume(keys, role, { ExternalId: 'red' })).rejects.toMatchObject({ name: 'AccessDenied' })
    await expect(assume(keys, role, { ExternalId: 'blue' })).resolves.toBeDefined()
  })

  test('a session policy narrows; durations have limits; chained sessions last an hour at most', async () => {
    const keys = await drydock.user('role-narrow', [allow('sts:AssumeRole')])
    const role = await drydock.role('role-wide', trust({ AWS: account }), [allow(['iam:*', 'sts:AssumeRole'])])
    const session = keysOf(await assume(keys, role, { Policy: JSON.stringify(allow('iam:ListUsers')) }))
    await expect(drydock.client(IAMClient, session).send(new ListUsersCommand())).resolves.toBeDefined()
    await expect(drydock.client(IAMClient, session).send(new GetUserCommand({ UserName: 'x' }))).rejects.toThrow(
      denied(
        `User: arn:aws:sts::${account}:assumed-role/role-wide/story is not authorized to perform: iam:GetUser on resource: ${arn('user/x')} because no session policy allows the iam:GetUser action`,
      ),
    )
    await expect(assume(keys, role, { DurationSeconds: 7200 })).rejects.toMatchObject({
      message: 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    })
    await expect(assume(keys, role, { Policy: '{"Version"' })).rejects.toMatchObject({
      name: 'MalformedPolicyDocumentException',
    })
    const wide = keysOf(await assume(keys, role))
    await expect(assume(wide, role, { DurationSeconds: 3601 })).rejects.toMatchObject({
      message: 'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    })
    expect((await assume(wide, role)).AssumedRoleUser?.Arn).toContain('role-wide/story')
  })

  test('session tags need sts:TagSession; transitive ones go along the chain', async () => {
    const actions = { Action: ['sts:AssumeRole', 'sts:TagSession'] }
    const keys = await drydock.user('role-tagger', [allow(['sts:AssumeRole', 'sts:TagSession'])])
    const untagged = await drydock.role('role-untagged', trust({ AWS: account }))
    const tags = { Tags: [{ Key: 'team', Value: 'red' }], TransitiveTagKeys: ['team'] }
    await expect(assume(keys, untagged, tags)).rejects.toThrow(
      denied(`User: ${arn('user/role-tagger')} is not authorized to perform: sts:TagSession on resource: ${untagged}`),
    )
    const first = await drydock.role('role-first', trust({ AWS: account }, actions), [
      allow(['sts:AssumeRole', 'sts:TagSession']),
    ])
    const second = await drydock.role('role-second', trust({ AWS: account }, actions), [
      allow('iam:ListUsers', '*', { StringEquals: { 'aws:PrincipalTag/team': 'red' } }),
    ])
    const tagged = keysOf(await assume(keysOf(await assume(keys, first, tags)), second))
    await expect(drydock.client(IAMClient, tagged).send(new ListUsersCommand())).resolves.toBeDefined()
    const plain = keysOf(await assume(keysOf(await assume(keys, first)), second))
    await expect(drydock.client(IAMClient, plain).send(new ListUsersCommand())).rejects.toMatchObject({
      name: 'AccessDenied',
    })
  })

  test('a session ends with its role: it can do nothing, even where the new role of that name could', async () => {
    const keys = await drydock.user('role-mourner')
    const trusting = trust({ AWS: arn('user/role-mourner') })
    const role = await drydock.role('role-mortal', trusting, [allow('iam:ListUsers')])
    const session = drydock.client(IAMClient, keysOf(await assume(keys, role)))
    await expect(session.send(new ListUsersCommand())).resolves.toBeDefined()
    await iam.send(new DeleteRolePolicyCommand({ RoleName: 'role-mortal', PolicyName: 'policy-0' }))
    await iam.send(new DeleteRoleCommand({ RoleName: 'role-mortal' }))
    await expect(session.send(new ListUsersCommand())).rejects.toMatchObject({ name: 'AccessDenied' })
    await drydock.role('role-mortal', trusting, [allow('iam:ListUsers')])
    await expect(session.send(new ListUsersCommand())).rejects.toMatchObject({ name: 'AccessDenied' })
  })

  test('root users do not assume roles', async () => {
    const role = await drydock.role('role-for-root', trust({ AWS: account }))
    await expect(assume(drydock.root, role)).rejects.toThrow(denied('Roles may not be assumed by root accounts.'))
  })

  test('a trust policy may name only users and roles that are there', async () => {
    const AssumeRolePolicyDocument = JSON.stringify(trust({ AWS: arn('user/role-ghost') }))
    await expect(
      iam.send(new CreateRoleCommand({ RoleName: 'role-bad', AssumeRolePolicyDocument })),
    ).rejects.toMatchObject({
      name: 'MalformedPolicyDocumentException',
      message: `Invalid principal in policy: "AWS":"${arn('user/role-ghost')}"`,
    })
  })

  test('a session token has the user’s rights, and ends', async () => {
    const own = await story()
    try {
      const keys = await own.user('tokens', [allow('codecommit:ListRepositories')])
      const token = await own.client(STSClient, keys).send(new GetSessionTokenCommand({ DurationSeconds: 900 }))
      const session = keysOf(token)
      await expect(own.client(CodeCommitClient, session).send(new ListRepositoriesCommand({}))).resolves.toBeDefined()
      await expect(own.client(STSClient, session).send(new GetSessionTokenCommand())).rejects.toMatchObject({
        name: 'AccessDenied',
      })
      await own.advance({ minutes: 15 })
      await expect(own.client(CodeCommitClient, session).send(new ListRepositoriesCommand({}))).rejects.toMatchObject({
        name: 'ExpiredTokenException',
      })
    } finally {
      await own.close()
    }
  })
})

test('attaching a policy that is not there', async () => {
  await drydock.user('attach-nothing')
  await expect(
    iam.send(new AttachUserPolicyCommand({ UserName: 'attach-nothing', PolicyArn: 'arn:aws:iam::aws:policy/Nope' })),
  ).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    message: 'Policy arn:aws:iam::aws:policy/Nope does not exist or is not attachable.',
  })
})
