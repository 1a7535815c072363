import * as sdk from '@aws-sdk/client-iam'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
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
beforeEach(() => iam.send(new sdk.UpdateAccountPasswordPolicyCommand({})))

const account = '000000000000'

const create = (UserName: string, Password: string | undefined, PasswordResetRequired?: boolean) =>
  iam.send(
    new sdk.CreateLoginProfileCommand({
      UserName,
      Password,
      ...(PasswordResetRequired === undefined ? {} : { PasswordResetRequired }),
    }),
  )
const profileOf = async (UserName: string) =>
  (await iam.send(new sdk.GetLoginProfileCommand({ UserName }))).LoginProfile
const change = (keys: Keys, OldPassword: string, NewPassword: string) =>
  drydock.client(sdk.IAMClient, keys).send(new sdk.ChangePasswordCommand({ OldPassword, NewPassword }))
const own = allow('iam:ChangePassword', 'arn:aws:iam::*:user/${aws:username}')

test('a password is set, replaced, and removed before its user; nothing at rest or in the audit log tells it', async () => {
  await iam.send(new sdk.CreateUserCommand({ UserName: 'pat' }))
  await expect(profileOf('pat')).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    message: 'Login Profile for User pat cannot be found.',
  })
  await expect(create('pat', undefined)).rejects.toMatchObject({ name: 'ValidationError' })
  const { LoginProfile } = await create('pat', 'Geheim-1-Wort', true)
  expect(LoginProfile).toEqual({
    UserName: 'pat',
    CreateDate: drydock.clock.now(),
    PasswordResetRequired: true,
  })
  expect(await profileOf('pat')).toEqual(LoginProfile)
  await expect(create('pat', 'Geheim-2-Wort')).rejects.toMatchObject({
    name: 'EntityAlreadyExistsException',
    message: 'Login Profile for User pat already exists.',
  })
  const update = (input: object) => iam.send(new sdk.UpdateLoginProfileCommand({ UserName: 'pat', ...input }))
  await update({ PasswordResetRequired: false })
  await update({ Password: 'Geheim-3-Wort' })
  expect((await profileOf('pat'))?.PasswordResetRequired).toBe(false)
  const rows = JSON.stringify([...(drydock.server.kernel.store as unknown as SqliteStore).export()])
  const records = JSON.stringify(
    await drydock.server.kernel.append.range(auditStream(account, 'us-east-1'), { limit: 1000 }),
  )
  expect(records).toContain('UpdateLoginProfile')
  for (const kept of [rows, records]) expect(kept).not.toMatch(/Geheim/)
  await expect(iam.send(new sdk.DeleteUserCommand({ UserName: 'pat' }))).rejects.toMatchObject({
    name: 'DeleteConflictException',
    message: 'Cannot delete entity, must delete login profile first.',
  })
  await iam.send(new sdk.DeleteLoginProfileCommand({ UserName: 'pat' }))
  await iam.send(new sdk.DeleteUserCommand({ UserName: 'pat' }))
})

test('the account’s policy is told as it was set, and back to nothing', async () => {
  await iam.send(
    new sdk.UpdateAccountPasswordPolicyCommand({ MinimumPasswordLength: 12, RequireNumbers: true, MaxPasswordAge: 90 }),
  )
  const get = async () => (await iam.send(new sdk.GetAccountPasswordPolicyCommand({}))).PasswordPolicy
  expect(await get()).toEqual({
    MinimumPasswordLength: 12,
    RequireSymbols: false,
    RequireNumbers: true,
    RequireUppercaseCharacters: false,
    RequireLowercaseCharacters: false,
    AllowUsersToChangePassword: false,
    ExpirePasswords: true,
    MaxPasswordAge: 90,
  })
  await iam.send(new sdk.UpdateAccountPasswordPolicyCommand({ PasswordReusePrevention: 3, HardExpiry: true }))
  expect(await get()).toMatchObject({
    MinimumPasswordLength: 6,
    RequireNumbers: false,
    ExpirePasswords: false,
    PasswordReusePrevention: 3,
    HardExpiry: true,
  })
  await iam.send(new sdk.DeleteAccountPasswordPolicyCommand({}))
  const none = { message: `The Password Policy with domain name ${account} cannot be found.` }
  await expect(get()).rejects.toMatchObject(none)
  await expect(iam.send(new sdk.DeleteAccountPasswordPolicyCommand({}))).rejects.toMatchObject(none)
})

test('a password that the policy does not accept is refused wherever it is set', async () => {
  const keys = await drydock.user('weak', [own])
  const violation = (message: string) => ({ name: 'PasswordPolicyViolationException', message })
  await iam.send(new sdk.DeleteAccountPasswordPolicyCommand({}))
  await expect(create('weak', 'short')).rejects.toMatchObject(violation('Password should have a minimum length of 8'))
  await create('weak', 'Long-enough-1')
  await iam.send(new sdk.UpdateAccountPasswordPolicyCommand({ RequireUppercaseCharacters: true }))
  const noUpper = violation('Password should have at least one uppercase letter')
  await expect(
    iam.send(new sdk.UpdateLoginProfileCommand({ UserName: 'weak', Password: 'lower-case-1' })),
  ).rejects.toMatchObject(noUpper)
  await expect(change(keys, 'Long-enough-1', 'lower-case-1')).rejects.toMatchObject(noUpper)
})

test('a user changes his password, if he knows it', async () => {
  const keys = await drydock.user('changer', [own])
  await expect(change(keys, 'First-word-1', 'Second-word-1')).rejects.toMatchObject({ name: 'NoSuchEntityException' })
  await create('changer', 'First-word-1', true)
  await expect(change(keys, 'first-word-1', 'Second-word-1')).rejects.toMatchObject({
    name: 'AccessDenied',
    message: 'The old password was incorrect.',
  })
  await change(keys, 'First-word-1', 'Second-word-1')
  expect((await profileOf('changer'))?.PasswordResetRequired).toBe(false)
  await expect(change(keys, 'First-word-1', 'Third-word-1')).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(change(drydock.root, 'Second-word-1', 'Third-word-1')).rejects.toMatchObject({
    name: 'InvalidUserTypeException',
  })
})

test('the last passwords cannot come back', async () => {
  const keys = await drydock.user('repeater', [own])
  await iam.send(new sdk.UpdateAccountPasswordPolicyCommand({ PasswordReusePrevention: 2 }))
  await create('repeater', 'word-one')
  await expect(change(keys, 'word-one', 'word-one')).rejects.toMatchObject({ name: 'PasswordPolicyViolationException' })
  await change(keys, 'word-one', 'word-two')
  await expect(change(keys, 'word-two', 'word-one')).rejects.toMatchObject({ name: 'PasswordPolicyViolationException' })
  await change(keys, 'word-two', 'word-three')
  await change(keys, 'word-three', 'word-one')
})

test('users may change their own passwords where the policy lets them all, but for who is denied it', async () => {
  const keys = await drydock.user('self-server')
  const denied = await drydock.user('self-denied', [
    { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 'iam:ChangePassword', Resource: '*' }] },
  ])
  await create('self-server', 'word-one')
  await create('self-denied', 'word-one')
  const read = () => drydock.client(sdk.IAMClient, keys).send(new sdk.GetAccountPasswordPolicyCommand({}))
  await expect(change(keys, 'word-one', 'word-two')).rejects.toMatchObject({
    name: 'AccessDenied',
    message: `User: arn:aws:iam::${account}:user/self-server is not authorized to perform: iam:ChangePassword on resource: arn:aws:iam::${account}:user/self-server because no identity-based policy allows the iam:ChangePassword action`,
  })
  await expect(read()).rejects.toMatchObject({ name: 'AccessDenied' })
  await iam.send(new sdk.UpdateAccountPasswordPolicyCommand({ AllowUsersToChangePassword: true }))
  await change(keys, 'word-one', 'word-two')
  await expect(read()).resolves.toBeDefined()
  await expect(
    drydock.client(sdk.IAMClient, keys).send(new sdk.GetUserCommand({})),
    'nothing else is granted',
  ).rejects.toMatchObject({ name: 'AccessDenied' })
  await expect(change(denied, 'word-one', 'word-two')).rejects.toMatchObject({
    name: 'AccessDenied',
    message: expect.stringMatching(/with an explicit deny in an identity-based policy/),
  })
})
