import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import type { PasswordPolicyRecord } from './credential-records.ts'

// Passwords: how they are kept, and what the account's policy asks of them (IAM user guide, "Set an account password
// policy for IAM users").

const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
const length = 32

const derive = (password: string, salt: Uint8Array, options: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key))),
  )

/** `scrypt:N:r:p:salt:key`. */
export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(16)
  const key = await derive(password, salt, cost)
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64'), key.toString('base64')].join(':')
}

export const isPassword = async (hash: string, password: string): Promise<boolean> => {
  const [, N, r, p, salt = '', key = ''] = hash.split(':')
  const options = { N: Number(N), r: Number(r), p: Number(p), maxmem: cost.maxmem }
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), options), Buffer.from(key, 'base64'))
}

const symbols = /[!@#$%^&*()_+\-=[\]{}|']/

/** Without a policy of the account: eight characters, of three of four kinds. */
const defaultFault = (password: string): string | undefined => {
  if (password.length < 8) return 'Password should have a minimum length of 8'
  const kinds = [/[A-Z]/, /[a-z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password))
  return kinds.length < 3
    ? 'Password should have at least three of these: uppercase letters, lowercase letters, numbers, symbols'
    : undefined
}

/** What is wrong with a password in AWS's words; `undefined` when the policy is content. Reuse is asked of `usedBefore`. */
export const passwordFault = (policy: PasswordPolicyRecord | undefined, password: string): string | undefined => {
  if (!policy) return defaultFault(password)
  if (password.length < policy.minimumLength) return `Password should have a minimum length of ${policy.minimumLength}`
  if (policy.uppercase && !/[A-Z]/.test(password)) return 'Password should have at least one uppercase letter'
  if (policy.lowercase && !/[a-z]/.test(password)) return 'Password should have at least one lowercase letter'
  if (policy.numbers && !/[0-9]/.test(password)) return 'Password should have at least one number'
  if (policy.symbols && !symbols.test(password)) return 'Password should have at least one symbol'
  return undefined
}

/** Whether this is one of the passwords whose hashes these are. Takes as long as there are hashes before a match. */
export const usedBefore = async (hashes: readonly string[], password: string): Promise<boolean> => {
  for (const hash of hashes) if (await isPassword(hash, password)) return true
  return false
}
