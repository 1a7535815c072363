import type { LoginProfile } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { type LoginProfileRecord, LoginProfiles, PasswordPolicies } from './credential-records.ts'
import { stamp } from './ids.ts'
import { namedOrCaller } from './names.ts'
import { fail, invalid, type Operation } from './operation.ts'
import { hashPassword, isPassword, passwordFault, usedBefore } from './passwords.ts'
import { findById, User, type UserRecord } from './records.ts'

// Passwords of users. There is no console to sign in to here, so a password is set, changed and checked, and never used.

/** As many as a policy can ask to remember. */
const remembered = 24

const toProfile = (user: UserRecord, profile: LoginProfileRecord): LoginProfile => ({
  UserName: user.name,
  CreateDate: new Date(profile.created),
  PasswordResetRequired: profile.resetRequired,
})

const missing = (user: UserRecord) =>
  fail('NoSuchEntityException', `Login Profile for User ${user.name} cannot be found.`)

/** Sessions of AssumeRoot name no user: it is the root user's password that they look after, and he has none here. */
const refuseRootSession = ({ principal }: Ctx, userName: string | undefined): void => {
  if (userName === undefined && principal.kind === 'root' && principal.session)
    throw fail('NoSuchEntityException', 'Login Profile for User root cannot be found.')
}

const getProfile = async (tx: ReadTx, user: UserRecord): Promise<LoginProfileRecord> => {
  const profile = await tx.get(LoginProfiles, user.id)
  if (!profile) throw missing(user)
  return profile
}

/** The hash of a password that the account's policy accepts after these. Throws PasswordPolicyViolation. */
const acceptedHash = async (
  policy: Parameters<typeof passwordFault>[0],
  password: string,
  former: readonly string[],
): Promise<string> => {
  const fault = passwordFault(policy, password)
  if (fault !== undefined) throw fail('PasswordPolicyViolationException', fault)
  const kept = policy?.reusePrevention ?? 0
  if (await usedBefore(former.slice(0, kept), password))
    throw fail(
      'PasswordPolicyViolationException',
      `Password should not be one of the last ${kept} passwords, which the account password policy prevents from reuse`,
    )
  return hashPassword(password)
}

/** Hashing takes a while, outside of transactions: another change may have come first. */
const overtaken = (user: UserRecord) =>
  fail(
    'EntityTemporarilyUnmodifiableException',
    `Login Profile for User ${user.name} cannot be modified while it is being changed. Please try again.`,
  )

const CreateLoginProfile: Operation<'CreateLoginProfile'> = async (ctx, input) => {
  const { Password } = input
  if (input.UserName === undefined && ctx.principal.kind === 'root' && ctx.principal.session)
    throw notImplemented('a password of the root user')
  if (Password === undefined) throw invalid('Password is required to create a login profile.')
  const exists = (user: UserRecord) =>
    fail('EntityAlreadyExistsException', `Login Profile for User ${user.name} already exists.`)
  const { policy, user } = await ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    if (await tx.get(LoginProfiles, user.id)) throw exists(user)
    return { user, policy: await tx.get(PasswordPolicies, 'policy') }
  })
  const hash = await acceptedHash(policy, Password, [])
  return ctx.write(async (tx) => {
    if (!(await findById(tx, User, user.id))) throw overtaken(user)
    if (await tx.get(LoginProfiles, user.id)) throw exists(user)
    const now = stamp(ctx)
    const profile = tx.put(LoginProfiles, {
      user: user.id,
      created: now,
      changed: now,
      resetRequired: input.PasswordResetRequired ?? false,
      hashes: [hash],
    })
    return { LoginProfile: toProfile(user, profile) }
  })
}

const GetLoginProfile: Operation<'GetLoginProfile'> = (ctx, { UserName }) => {
  refuseRootSession(ctx, UserName)
  return ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, UserName)
    return { LoginProfile: toProfile(user, await getProfile(tx, user)) }
  })
}

const withPassword = (profile: LoginProfileRecord, hash: string, now: number): LoginProfileRecord => ({
  ...profile,
  changed: now,
  hashes: [hash, ...profile.hashes].slice(0, remembered),
})

/** By an administrator: the old password is not asked for. */
const UpdateLoginProfile: Operation<'UpdateLoginProfile'> = async (ctx, input) => {
  const { user, profile, policy } = await ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    return { user, profile: await getProfile(tx, user), policy: await tx.get(PasswordPolicies, 'policy') }
  })
  const hash = input.Password === undefined ? undefined : await acceptedHash(policy, input.Password, profile.hashes)
  await ctx.write(async (tx) => {
    const present = await getProfile(tx, user)
    if (present.hashes[0] !== profile.hashes[0]) throw overtaken(user)
    const changed = hash === undefined ? present : withPassword(present, hash, stamp(ctx))
    tx.put(LoginProfiles, { ...changed, resetRequired: input.PasswordResetRequired ?? present.resetRequired })
  })
  return {}
}

const DeleteLoginProfile: Operation<'DeleteLoginProfile'> = async (ctx, { UserName }) => {
  refuseRootSession(ctx, UserName)
  await ctx.write(async (tx) => {
    const user = await namedOrCaller(ctx, tx, UserName)
    tx.delete(LoginProfiles, (await getProfile(tx, user)).user)
  })
  return {}
}

/** By the user, who knows the old password. Errors: AccessDenied when it is wrong. */
const ChangePassword: Operation<'ChangePassword'> = async (ctx, { OldPassword, NewPassword }) => {
  if (ctx.principal.kind !== 'user')
    throw fail('InvalidUserTypeException', 'Only IAM Users can change their own password.')
  const { user, profile, policy } = await ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, undefined)
    return { user, profile: await getProfile(tx, user), policy: await tx.get(PasswordPolicies, 'policy') }
  })
  if (!(await isPassword(profile.hashes[0] ?? '', OldPassword)))
    throw new AwsError('AccessDenied', 'The old password was incorrect.', { status: 403 })
  const hash = await acceptedHash(policy, NewPassword, profile.hashes)
  await ctx.write(async (tx) => {
    const present = await getProfile(tx, user)
    if (present.hashes[0] !== profile.hashes[0]) throw overtaken(user)
    tx.put(LoginProfiles, { ...withPassword(present, hash, stamp(ctx)), resetRequired: false })
  })
  return {}
}

export const loginProfiles = {
  CreateLoginProfile,
  GetLoginProfile,
  UpdateLoginProfile,
  DeleteLoginProfile,
  ChangePassword,
}
