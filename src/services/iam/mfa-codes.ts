import { createHash, timingSafeEqual } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'
import type { Ctx } from '../../kernel/context.ts'
import type { Principal } from '../../kernel/principal.ts'
import { type MfaDeviceRecord, MfaDevices } from './credential-records.ts'

// Time-based one-time passwords (RFC 6238): six digits, SHA-1, steps of 30 seconds.

const period = 30

/** How far off a code may be: the device's clock, and the time it takes to type. In steps. */
const tolerance = 1

/** The time step of this moment. */
const stepOf = (now: Date): number => TOTP.counter({ period, timestamp: now.getTime() })

const digest = (text: string) => createHash('sha256').update(text).digest()

/** The steps between `from` and `to` whose code this is; all are compared, in constant time. */
const stepsOf = (seed: string, code: string, from: number, to: number): number[] => {
  const secret = Secret.fromBase32(seed)
  return Array.from({ length: to - from + 1 }, (_, index) => from + index).filter((step) =>
    timingSafeEqual(digest(TOTP.generate({ secret, period, timestamp: step * period * 1000 })), digest(code)),
  )
}

/** The step of the second of two codes of consecutive steps, at most `reach` steps from now; `undefined` when they are not. */
export const consecutive = (
  seed: string,
  [first, second]: readonly [string, string],
  now: Date,
  reach: number = tolerance,
): number | undefined => {
  const step = stepOf(now)
  const firsts = stepsOf(seed, first, step - reach - 1, step + reach - 1)
  return stepsOf(seed, second, step - reach, step + reach).find((at) => firsts.includes(at - 1))
}

/** The device as synchronized by a code of this step. A code that is only late or early by the tolerance tells no drift. */
export const synchronized = (device: MfaDeviceRecord, step: number, now: Date): MfaDeviceRecord => {
  const off = step - stepOf(now)
  return { ...device, drift: Math.abs(off) <= tolerance ? 0 : off, lastStep: step }
}

/** The step whose code this is; `undefined` for what is wrong, too old, or was accepted before. */
const acceptedStep = (device: MfaDeviceRecord, seed: string, code: string, now: Date): number | undefined => {
  const expected = stepOf(now) + device.drift
  return stepsOf(seed, code, expected - tolerance, expected + tolerance).find((at) => at > (device.lastStep ?? -1))
}

/** The path and name at the end of a virtual device's serial number; `undefined` when it is none of this account's. */
export const deviceKey = (account: string, serialNumber: string): string | undefined => {
  const start = `arn:aws:iam::${account}:mfa/`
  return serialNumber.startsWith(start) ? serialNumber.slice(start.length - 1) : undefined
}

/**
 * Whether this code is the present one of a device that is enabled for this user or root user. A code is accepted once.
 * `not-theirs` for anyone else, and for a device that is not there or is another's.
 */
export const verifyMfa = async (
  at: (place: { account: string; region: string }) => Ctx,
  principal: Principal,
  serialNumber: string,
  code: string,
): Promise<'verified' | 'wrong-code' | 'not-theirs'> => {
  const key = deviceKey(principal.account, serialNumber)
  if ((principal.kind !== 'user' && principal.kind !== 'root') || key === undefined) return 'not-theirs'
  const ctx = at({ account: principal.account, region: 'us-east-1' })
  const now = ctx.now()
  return ctx.write(async (tx) => {
    const device = await tx.get(MfaDevices, key)
    if (device?.user !== principal.id) return 'not-theirs'
    const step = acceptedStep(device, ctx.unseal(device.seed), code, now)
    if (step === undefined) return 'wrong-code'
    tx.put(MfaDevices, { ...device, lastStep: step })
    return 'verified'
  })
}
