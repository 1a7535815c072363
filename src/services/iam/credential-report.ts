import type { ReadTx } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import {
  CredentialReports,
  LoginProfiles,
  MfaDevices,
  PasswordPolicies,
  SigningCertificates,
} from './credential-records.ts'
import { fail, type Operation } from './operation.ts'
import { AccessKeys, User, type UserRecord } from './records.ts'
import { userArn } from './shapes.ts'

// IAM user guide, "Generate credential reports for your AWS account".

const hour = 60 * 60 * 1000
const day = 24 * hour
/** For so long the last report is told, and no new one made. */
const lifetime = 4 * hour

const keyColumns = ['active', 'last_rotated', 'last_used_date', 'last_used_region', 'last_used_service']
const columns = [
  ...['user', 'arn', 'user_creation_time', 'password_enabled', 'password_last_used', 'password_last_changed'],
  ...['password_next_rotation', 'mfa_active'],
  ...['access_key_1', 'access_key_2'].flatMap((key) => keyColumns.map((column) => `${key}_${column}`)),
  ...['cert_1', 'cert_2'].flatMap((certificate) => [`${certificate}_active`, `${certificate}_last_rotated`]),
]

const none = 'N/A'
const time = (at: number | undefined): string =>
  at === undefined ? none : `${new Date(at).toISOString().slice(0, 19)}Z`

/** Names may hold commas. */
const field = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Two of a kind at most, what is lacking filled in. */
const pair = <T>(items: readonly T[], cells: (item: T | undefined) => string[]): string[] =>
  [items[0], items[1]].flatMap(cells)

const hasDevice = async (tx: ReadTx, holder: string): Promise<boolean> =>
  (await tx.list(MfaDevices, { index: 'user', equals: holder, limit: 1 })).length > 0

const userRow = async (
  tx: ReadTx,
  account: string,
  user: UserRecord,
  maxAge: number | undefined,
): Promise<string[]> => {
  const profile = await tx.get(LoginProfiles, user.id)
  const keys = await tx.list(AccessKeys, { index: 'user', equals: `${account}/${user.id}` })
  const certificates = await tx.list(SigningCertificates, { index: 'user', equals: user.id })
  return [
    ...[user.name, userArn(account, user), time(user.created)],
    ...[String(profile !== undefined), profile ? 'no_information' : none, time(profile?.changed)],
    profile && maxAge !== undefined ? time(profile.changed + maxAge * day) : none,
    String(await hasDevice(tx, user.id)),
    ...pair(keys, (key) => [
      ...[String(key?.active ?? false), time(key?.created)],
      ...[time(key?.lastUsed?.at), key?.lastUsed?.region ?? none, key?.lastUsed?.service ?? none],
    ]),
    ...pair(certificates, (certificate) => [String(certificate?.active ?? false), time(certificate?.uploaded)]),
  ]
}

/** The root user's key is the server's own; when it was made and used is not kept. */
const rootRow = async (tx: ReadTx, account: string): Promise<string[]> => [
  ...['<root_account>', `arn:aws:iam::${account}:root`, time(0)],
  ...['not_supported', 'no_information', 'not_supported', 'not_supported', String(await hasDevice(tx, account))],
  ...['true', none, none, none, none],
  ...['false', none, none, none, none],
  ...['false', none, 'false', none],
]

const reportOf = async (tx: ReadTx, account: string): Promise<string> => {
  const policy = await tx.get(PasswordPolicies, 'policy')
  const rows = [columns, await rootRow(tx, account)]
  for (const user of await tx.list(User)) rows.push(await userRow(tx, account, user, policy?.maxAge))
  return rows.map((row) => row.map(field).join(',')).join('\n')
}

/** Makes the report that was asked for. */
export const reportGeneration: Reconciler = {
  name: 'iam.credential-report',
  step: async (ctx, key) => {
    await ctx.write(async (tx) => {
      const report = await tx.get(CredentialReports, key)
      if (report?.asked === undefined) return
      tx.put(CredentialReports, { generated: ctx.now().getTime(), csv: await reportOf(tx, ctx.account) })
    })
    return done()
  },
}

const GenerateCredentialReport: Operation<'GenerateCredentialReport'> = (ctx) =>
  ctx.write(async (tx) => {
    const now = ctx.now().getTime()
    const report = await tx.get(CredentialReports, 'report')
    if (report?.asked !== undefined) return { State: 'INPROGRESS' }
    if (report?.generated !== undefined && now - report.generated < lifetime) return { State: 'COMPLETE' }
    tx.put(CredentialReports, { ...report, asked: now })
    tx.wake(reportGeneration.name, 'report')
    if (report) return { State: 'STARTED' }
    return { State: 'STARTED', Description: 'No report exists. Starting a new report generation task' }
  })

/** Errors: CredentialReportNotPresent, CredentialReportNotReady, CredentialReportExpired after four hours. */
const GetCredentialReport: Operation<'GetCredentialReport'> = async (ctx) => {
  const report = await ctx.read((tx) => tx.get(CredentialReports, 'report'))
  if (report?.asked !== undefined) throw fail('CredentialReportNotReadyException', 'Unknown')
  if (report?.generated === undefined) throw fail('CredentialReportNotPresentException', 'Unknown')
  if (ctx.now().getTime() - report.generated >= lifetime) throw fail('CredentialReportExpiredException', 'Unknown')
  return {
    Content: new TextEncoder().encode(report.csv ?? ''),
    ReportFormat: 'text/csv',
    GeneratedTime: new Date(Math.floor(report.generated / 1000) * 1000),
  }
}

export const credentialReports = { GenerateCredentialReport, GetCredentialReport }
