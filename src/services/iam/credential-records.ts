import { table } from '../../store/store.ts'
import type { Tags } from './records.ts'

// What users sign in with beside access keys. Rows refer to users by unique id. Secrets are sealed, passwords hashed.

export type MfaDeviceRecord = {
  readonly name: string
  readonly path: string
  readonly created: number
  readonly tags: Tags
  /** The base32 seed, sealed. */
  readonly seed: string
  /** Whose it is since when, once it is enabled. */
  readonly user?: string
  readonly enabled?: number
  /** How many time steps the device's clock is ahead of ours, as the last synchronization showed. */
  readonly drift: number
  /** The last time step whose code was accepted: no code is taken twice. */
  readonly lastStep?: number
}
export const MfaDevices = table<MfaDeviceRecord>('iam.mfa-device', {
  scope: 'account',
  key: ({ path, name }) => `${path}${name}`,
  index: { user: ({ user }) => user },
})

export type LoginProfileRecord = {
  readonly user: string
  readonly created: number
  /** When the present password was set. */
  readonly changed: number
  readonly resetRequired: boolean
  /** Hashes of the present password and those before it, newest first. */
  readonly hashes: readonly string[]
}
export const LoginProfiles = table<LoginProfileRecord>('iam.login-profile', {
  scope: 'account',
  key: ({ user }) => user,
})

export type PasswordPolicyRecord = {
  readonly minimumLength: number
  readonly symbols: boolean
  readonly numbers: boolean
  readonly uppercase: boolean
  readonly lowercase: boolean
  readonly usersMayChange: boolean
  /** Days. */
  readonly maxAge?: number
  readonly reusePrevention?: number
  readonly hardExpiry?: boolean
}
export const PasswordPolicies = table<PasswordPolicyRecord>('iam.password-policy', {
  scope: 'account',
  key: () => 'policy',
})

export type SigningCertificateRecord = {
  readonly id: string
  readonly user: string
  readonly body: string
  /** SHA-256 of the certificate: one certificate belongs to one user of an account. */
  readonly fingerprint: string
  readonly active: boolean
  readonly uploaded: number
}
export const SigningCertificates = table<SigningCertificateRecord>('iam.signing-certificate', {
  scope: 'account',
  key: ({ id }) => id,
  index: { user: ({ user }) => user, fingerprint: ({ fingerprint }) => fingerprint },
})

export type ServerCertificateRecord = {
  readonly name: string
  readonly path: string
  readonly id: string
  readonly uploaded: number
  readonly expires: number
  readonly body: string
  readonly chain?: string
  /** The private key, sealed. */
  readonly key: string
  readonly tags: Tags
}
export const ServerCertificates = table<ServerCertificateRecord>('iam.server-certificate', {
  scope: 'account',
  key: ({ name }) => name.toLowerCase(),
})

export type CredentialReportRecord = {
  /** When a report that is not yet made was asked for. */
  readonly asked?: number
  readonly generated?: number
  readonly csv?: string
}
export const CredentialReports = table<CredentialReportRecord>('iam.credential-report', {
  scope: 'account',
  key: () => 'report',
})

/** Preferences of the whole account. */
export type PreferencesRecord = { readonly globalTokenVersion: 1 | 2 }
export const Preferences = table<PreferencesRecord>('iam.preferences', { scope: 'account', key: () => 'preferences' })

export const credentialTables = [
  MfaDevices,
  LoginProfiles,
  PasswordPolicies,
  SigningCertificates,
  ServerCertificates,
  CredentialReports,
  Preferences,
]
