import type { MFADevice, VirtualMFADevice } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import { rootOf } from '../../kernel/principal.ts'
import type { ReadTx } from '../../store/store.ts'
import { type MfaDeviceRecord, MfaDevices } from './credential-records.ts'
import { iamArn, stamp } from './ids.ts'
import { consecutive, deviceKey, synchronized } from './mfa-codes.ts'
import { namedOrCaller } from './names.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { qrCode, qrPng } from './qr-code.ts'
import { Aliases, findById, nameKey, User, type UserRecord } from './records.ts'
import { toUser } from './shapes.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

/** IAM user guide, "IAM and AWS STS quotas". An account has as many devices as it may have users. */
const devicesPerUser = 8
const devicesPerAccount = 5000

/** As far as a device's clock may be off for ResyncMFADevice to find it: an hour, in steps of 30 seconds. */
const resyncReach = 120

/** As long as AWS's: 64 characters, 40 bytes. */
const seedLength = 64
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

const serialOf = (account: string, device: { path: string; name: string }): string => iamArn(account, 'mfa', device)

/** Whose devices they may be: a user's, or the root user's, whose id is the account's. */
type Holder = { readonly id: string; readonly name: string }

/** AWS's console enables the root user's devices; here the root user does, under this name, where no user has it. */
const rootName = 'root'
const rootHolder = (account: string): Holder => ({ id: account, name: rootName })

/** The user of this name; the root user, who alone may name himself; without a name the caller. Throws NoSuchEntity, ValidationError. */
const holderOf = async (ctx: Ctx, tx: ReadTx, name: string | undefined): Promise<Holder> => {
  const { kind, session } = ctx.principal
  if (kind === 'root' && name === rootName && !(await tx.get(User, nameKey(name)))) return rootHolder(ctx.account)
  // With the root user's own credentials the name may not be omitted ("DeactivateMFADevice", IAM API reference).
  if (kind === 'root' && name === undefined && session?.context?.['aws:assumedroot']) return rootHolder(ctx.account)
  return namedOrCaller(ctx, tx, name)
}

const toDevice = (account: string, holder: Holder, device: MfaDeviceRecord): MFADevice => ({
  UserName: holder.name,
  SerialNumber: serialOf(account, device),
  EnableDate: new Date(device.enabled ?? device.created),
})

const toRoot = (account: string) => ({
  Path: '/',
  UserName: rootName,
  UserId: account,
  Arn: rootOf(account).arn,
  CreateDate: new Date(0),
})

const toVirtual = (account: string, device: MfaDeviceRecord, user: UserRecord | undefined): VirtualMFADevice => ({
  SerialNumber: serialOf(account, device),
  ...(user ? { User: toUser(account, user) } : device.user === account ? { User: toRoot(account) } : {}),
  ...(device.enabled === undefined ? {} : { EnableDate: new Date(device.enabled) }),
})

const missing = (serial: string) =>
  fail('NoSuchEntityException', `VirtualMFADevice with serial number ${serial} doesn't exist.`)

/** Throws NoSuchEntity; hardware devices and passkeys cannot be enrolled here, so theirs are never found. */
const getDevice = async (ctx: Ctx, tx: ReadTx, serial: string): Promise<MfaDeviceRecord> => {
  const key = deviceKey(ctx.account, serial)
  const device = key === undefined ? undefined : await tx.get(MfaDevices, key)
  if (!device) throw missing(serial)
  return device
}

const getHoldersDevice = async (ctx: Ctx, tx: ReadTx, userName: string | undefined, serial: string) => {
  const holder = await holderOf(ctx, tx, userName)
  const device = await getDevice(ctx, tx, serial)
  if (device.user !== holder.id) throw fail('NoSuchEntityException', 'MFA Device invalid for user.')
  return { holder, device }
}

/** The only answer that ever tells the seed, as text and as a QR code. */
const CreateVirtualMFADevice: Operation<'CreateVirtualMFADevice'> = async (ctx, input) => {
  const place = { name: input.VirtualMFADeviceName, path: input.Path ?? '/' }
  const serial = serialOf(ctx.account, place)
  if (serial.length > 256)
    throw fail('InvalidInputException', 'The serial number of an MFA device has at most 256 characters.')
  const seed = ctx.random(seedLength, base32)
  const [named] = await ctx.read((tx) => tx.list(Aliases, { index: 'account', equals: ctx.account, limit: 1 }))
  const label = encodeURIComponent(`${place.name}@${named?.alias ?? ctx.account}`)
  const png = qrPng(qrCode(`otpauth://totp/${label}?secret=${seed}`))
  return ctx.write(async (tx) => {
    const tags = withTags({}, input.Tags)
    const record = { ...place, created: stamp(ctx), tags, seed: ctx.seal(seed), drift: 0 }
    if (await tx.get(MfaDevices, MfaDevices.key(record)))
      throw fail('EntityAlreadyExistsException', 'MFADevice entity at the same path and name already exists.')
    if ((await tx.list(MfaDevices, { limit: devicesPerAccount })).length >= devicesPerAccount)
      throw fail('LimitExceededException', `Cannot exceed quota for MFADevicesPerAccount: ${devicesPerAccount}`)
    tx.put(MfaDevices, record)
    return {
      VirtualMFADevice: {
        SerialNumber: serial,
        Base32StringSeed: new TextEncoder().encode(seed),
        QRCodePNG: png,
        ...(input.Tags?.length ? { Tags: toTags(tags) } : {}),
      },
    }
  })
}

const wrongCode = () => fail('InvalidAuthenticationCodeException', 'Authentication code for device is not valid.')

/** Two codes of consecutive steps, the second one not older than a minute. Neither can be used again. */
const EnableMFADevice: Operation<'EnableMFADevice'> = async (ctx, input) => {
  const now = ctx.now()
  await ctx.write(async (tx) => {
    const holder = await holderOf(ctx, tx, input.UserName)
    const device = await getDevice(ctx, tx, input.SerialNumber)
    if (device.user !== undefined) throw fail('EntityAlreadyExistsException', 'MFA Device already in use.')
    const own = await tx.list(MfaDevices, { index: 'user', equals: holder.id })
    if (own.length >= devicesPerUser)
      throw fail('LimitExceededException', `Cannot exceed quota for MFADevicesPerUser: ${devicesPerUser}`)
    const codes = [input.AuthenticationCode1, input.AuthenticationCode2] as const
    const step = consecutive(ctx.unseal(device.seed), codes, now)
    if (step === undefined) throw wrongCode()
    tx.put(MfaDevices, { ...synchronized(device, step, now), user: holder.id, enabled: stamp(ctx) })
  })
  return {}
}

/** Two consecutive codes tell how far the device's clock is off. */
const ResyncMFADevice: Operation<'ResyncMFADevice'> = async (ctx, input) => {
  const now = ctx.now()
  await ctx.write(async (tx) => {
    const { device } = await getHoldersDevice(ctx, tx, input.UserName, input.SerialNumber)
    const codes = [input.AuthenticationCode1, input.AuthenticationCode2] as const
    const step = consecutive(ctx.unseal(device.seed), codes, now, resyncReach)
    if (step === undefined || step <= (device.lastStep ?? -1)) throw wrongCode()
    tx.put(MfaDevices, synchronized(device, step, now))
  })
  return {}
}

/** The device stays, nobody's; it can be enabled again. */
const DeactivateMFADevice: Operation<'DeactivateMFADevice'> = async (ctx, { UserName, SerialNumber }) => {
  await ctx.write(async (tx) => {
    const { device } = await getHoldersDevice(ctx, tx, UserName, SerialNumber)
    const { user: _, enabled: __, ...free } = device
    tx.put(MfaDevices, free)
  })
  return {}
}

const DeleteVirtualMFADevice: Operation<'DeleteVirtualMFADevice'> = async (ctx, { SerialNumber }) => {
  await ctx.write(async (tx) => {
    const device = await getDevice(ctx, tx, SerialNumber)
    if (device.user !== undefined)
      throw fail('DeleteConflictException', 'MFA VirtualDevice in use. Must deactivate first.')
    tx.delete(MfaDevices, MfaDevices.key(device))
  })
  return {}
}

const GetMFADevice: Operation<'GetMFADevice'> = (ctx, { SerialNumber, UserName }) =>
  ctx.read(async (tx) => {
    if (UserName !== undefined || ctx.principal.kind === 'user') {
      const { holder, device } = await getHoldersDevice(ctx, tx, UserName, SerialNumber)
      return toDevice(ctx.account, holder, device)
    }
    const device = await getDevice(ctx, tx, SerialNumber)
    if (device.user === ctx.account) return toDevice(ctx.account, rootHolder(ctx.account), device)
    const user = device.user === undefined ? undefined : await findById(tx, User, device.user)
    if (!user) throw fail('NoSuchEntityException', 'MFA Device invalid for user.')
    return toDevice(ctx.account, user, device)
  })

const ListMFADevices: Operation<'ListMFADevices'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { kind } = ctx.principal
    const unnamedRoot = input.UserName === undefined && kind === 'root'
    const holder = unnamedRoot ? rootHolder(ctx.account) : await holderOf(ctx, tx, input.UserName)
    const page = await pageOfTable(tx, MfaDevices, input, () => true, { index: 'user', equals: holder.id })
    return { MFADevices: page.items.map((device) => toDevice(ctx.account, holder, device)), ...tail(page) }
  })

const ListVirtualMFADevices: Operation<'ListVirtualMFADevices'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const asked = input.AssignmentStatus ?? 'Any'
    const page = await pageOfTable(
      tx,
      MfaDevices,
      input,
      ({ user }) => asked === 'Any' || (asked === 'Assigned') === (user !== undefined),
    )
    const devices = page.items.map(async (device) =>
      toVirtual(ctx.account, device, device.user === undefined ? undefined : await findById(tx, User, device.user)),
    )
    return { VirtualMFADevices: await Promise.all(devices), ...tail(page) }
  })

const TagMFADevice: Operation<'TagMFADevice'> = async (ctx, { SerialNumber, Tags }) => {
  await ctx.write(async (tx) => {
    const device = await getDevice(ctx, tx, SerialNumber)
    tx.put(MfaDevices, { ...device, tags: withTags(device.tags, Tags) })
  })
  return {}
}

const UntagMFADevice: Operation<'UntagMFADevice'> = async (ctx, { SerialNumber, TagKeys }) => {
  await ctx.write(async (tx) => {
    const device = await getDevice(ctx, tx, SerialNumber)
    tx.put(MfaDevices, { ...device, tags: withoutTags(device.tags, TagKeys) })
  })
  return {}
}

const ListMFADeviceTags: Operation<'ListMFADeviceTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getDevice(ctx, tx, input.SerialNumber))).tags, input)

export const mfaDevices = {
  CreateVirtualMFADevice,
  EnableMFADevice,
  ResyncMFADevice,
  DeactivateMFADevice,
  DeleteVirtualMFADevice,
  GetMFADevice,
  ListMFADevices,
  ListVirtualMFADevices,
  TagMFADevice,
  UntagMFADevice,
  ListMFADeviceTags,
}
