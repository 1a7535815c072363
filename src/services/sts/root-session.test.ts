import * as iam from '@aws-sdk/client-iam'
import {
  CreateOrganizationCommand,
  EnableAWSServiceAccessCommand,
  OrganizationsClient,
  RegisterDelegatedAdministratorCommand,
} from '@aws-sdk/client-organizations'
import * as sdk from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAccount, enter } from '../../../test/member-accounts.ts'
import { allow, type Keys, type Story, story } from '../../../test/story.ts'
import { type AuditRecord, auditStream } from '../../kernel/audit.ts'

const task = (name: string) => ({ arn: `arn:aws:iam::aws:policy/root-task/${name}` })

let drydock: Story
let member: string
let admin: Keys

const assume = (keys: Keys, over: Partial<sdk.AssumeRootCommandInput> = {}) =>
  drydock.client(sdk.STSClient, keys).send(
    new sdk.AssumeRootCommand({
      TargetPrincipal: member,
      TaskPolicyArn: task('IAMAuditRootUserCredentials'),
      ...over,
    }),
  )
const keysOf = ({ Credentials }: { Credentials?: sdk.Credentials | undefined }): Keys => ({
  accessKeyId: Credentials?.AccessKeyId ?? '',
  secretAccessKey: Credentials?.SecretAccessKey ?? '',
  sessionToken: Credentials?.SessionToken ?? '',
})

beforeAll(async () => {
  drydock = await story()
  const organizations = drydock.client(OrganizationsClient)
  await organizations.send(new CreateOrganizationCommand({ FeatureSet: 'ALL' }))
  await organizations.send(new EnableAWSServiceAccessCommand({ ServicePrincipal: 'iam.amazonaws.com' }))
  member = await createAccount(drydock, 'member')
  admin = await drydock.user('admin', [allow(['sts:AssumeRoot', 'sts:AssumeRole'])])
  await expect(assume(admin)).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringContaining('centralized root access for this task is not enabled'),
  })
  await drydock.client(iam.IAMClient).send(new iam.EnableOrganizationsRootCredentialsManagementCommand({}))
})
afterAll(() => drydock.close())

test('a task on a member account gives nothing but the task', async () => {
  const answer = await assume(admin, { DurationSeconds: 600 })
  expect(answer.Credentials?.Expiration).toEqual(new Date(drydock.clock.now().getTime() + 600_000))
  const session = keysOf(answer)
  const me = await drydock.client(sdk.STSClient, session).send(new sdk.GetCallerIdentityCommand({}))
  expect(me).toMatchObject({ Account: member, Arn: `arn:aws:iam::${member}:root`, UserId: member })
  const root = drydock.client(iam.IAMClient, session)
  await expect(root.send(new iam.ListAccessKeysCommand({}))).resolves.toBeDefined()
  await expect(root.send(new iam.ListUsersCommand({}))).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(root.send(new iam.CreateUserCommand({ UserName: 'mallory' }))).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  const entries = await drydock.server.kernel.append.range(auditStream(member, 'us-east-1'))
  const records = entries.map(({ body }) => body as AuditRecord)
  expect(records.findLast(({ eventName }) => eventName === 'ListAccessKeys')?.userIdentity).toMatchObject({
    type: 'Root',
    accountId: member,
    sessionContext: { assumedRoot: 'true' },
  })
  // The other feature is not enabled.
  await expect(assume(admin, { TaskPolicyArn: task('S3UnlockBucketPolicy') })).rejects.toMatchObject({
    name: 'AccessDenied',
  })
})

test('an audit finds that the root user has no password, no device and no certificate', async () => {
  const root = drydock.client(iam.IAMClient, keysOf(await assume(admin)))
  await expect(root.send(new iam.GetLoginProfileCommand({}))).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    message: 'Login Profile for User root cannot be found.',
  })
  expect((await root.send(new iam.ListMFADevicesCommand({}))).MFADevices).toEqual([])
  expect((await root.send(new iam.ListSigningCertificatesCommand({}))).Certificates).toEqual([])
})

test('only who may, for what there is', async () => {
  await expect(assume(drydock.root)).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(assume(await drydock.user('nobody'))).rejects.toMatchObject({
    message: expect.stringContaining('because no identity-based policy allows the sts:AssumeRoot action'),
  })
  const narrow = await drydock.user('narrow', [
    allow('sts:AssumeRoot', `arn:aws:iam::${member}:root`, {
      StringEquals: { 'sts:TaskPolicyArn': task('IAMAuditRootUserCredentials').arn },
    }),
  ])
  await expect(assume(narrow, { TargetPrincipal: `arn:aws:iam::${member}:root` })).resolves.toBeDefined()
  await expect(assume(narrow, { TaskPolicyArn: task('IAMDeleteRootUserCredentials') })).rejects.toMatchObject({
    name: 'AccessDenied',
  })
  // Neither the management account itself nor a stranger is a member account.
  for (const TargetPrincipal of ['000000000000', '111122223333'])
    await expect(assume(admin, { TargetPrincipal })).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(
    assume(admin, { TaskPolicyArn: { arn: 'arn:aws:iam::aws:policy/AdministratorAccess' } }),
  ).rejects.toMatchObject({ name: 'ValidationError' })
  await expect(assume(admin, { TargetPrincipal: 'arn:aws:iam::000000000000:user/admin' })).rejects.toMatchObject({
    name: 'ValidationError',
  })
})

test('a delegated administrator of IAM may, another member may not', async () => {
  const security = await createAccount(drydock, 'security')
  const visitor = await enter(drydock, admin, security)
  await expect(assume(visitor)).rejects.toMatchObject({
    message: expect.stringContaining('neither the management account nor a delegated administrator'),
  })
  await drydock
    .client(OrganizationsClient)
    .send(new RegisterDelegatedAdministratorCommand({ AccountId: security, ServicePrincipal: 'iam.amazonaws.com' }))
  await expect(assume(visitor)).resolves.toBeDefined()
})
