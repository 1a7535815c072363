import { fail } from './operation.ts'

// Retention and legal holds of versions, as rules over records ("How Object Lock works", S3 user guide). A pure engine.

export type Retention = {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE'
  /** Epoch milliseconds. */
  readonly until: number
}

export type Lock = { readonly retention?: Retention; readonly legalHold?: 'ON' | 'OFF' }

/** What a bucket with Object Lock gives new objects. */
export type BucketLock = {
  readonly retention?: { readonly mode: Retention['mode']; readonly days?: number; readonly years?: number }
}

type By = { readonly now: number; readonly bypass: boolean }

/** Whether a version may not be deleted. `bypass`: the caller may, and wants to, overrule governance. */
export const isProtected = ({ lock }: { readonly lock?: Lock }, { now, bypass }: By): boolean =>
  lock?.legalHold === 'ON' || holds(lock?.retention, { now, bypass })

const holds = (retention: Retention | undefined, { now, bypass }: By): boolean =>
  retention !== undefined && retention.until > now && !(retention.mode === 'GOVERNANCE' && bypass)

/** Whether a version's retention may become another: always to later in the same mode, else only once it has ended. */
export const maySet = (before: Retention | undefined, after: Retention | undefined, by: By): boolean => {
  if (!holds(before, by) || !before) return true
  return after !== undefined && after.mode === before.mode && after.until >= before.until
}

export const lockDenied = () => fail('AccessDenied', 'Access Denied because object protected by object lock.')

export type LockAsked = {
  readonly ObjectLockMode?: string | undefined
  readonly ObjectLockRetainUntilDate?: Date | undefined
  readonly ObjectLockLegalHoldStatus?: string | undefined
}

/** The lock of an object that is made at `now`: as its request says, else as the bucket gives. Throws InvalidArgument, InvalidRequest. */
export const lockOf = (
  { objectLock }: { readonly objectLock?: BucketLock },
  { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: legalHold }: LockAsked,
  now: number,
): { lock?: Lock } => {
  const invalid = (name: string, value: unknown, message: string) =>
    fail('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value })
  if ((mode === undefined) !== (until === undefined))
    throw invalid(
      'x-amz-object-lock-mode',
      mode ?? 'null',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    )
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE')
    throw invalid('x-amz-object-lock-mode', mode, 'Unknown wormMode directive.')
  if (legalHold !== undefined && legalHold !== 'ON' && legalHold !== 'OFF')
    throw invalid('x-amz-object-lock-legal-hold', legalHold, 'Legal Hold must be either of "ON" or "OFF"')
  if (until && !(until.getTime() > now))
    throw invalid('x-amz-object-lock-retain-until-date', until, 'The retain until date must be in the future!')
  if (!objectLock) {
    if (mode !== undefined || legalHold !== undefined)
      throw fail('InvalidRequest', 'Bucket is missing Object Lock Configuration')
    return {}
  }
  const retention: Retention | undefined = mode && until ? { mode, until: until.getTime() } : byDefault(objectLock, now)
  if (!retention && !legalHold) return {}
  return { lock: { ...(retention ? { retention } : {}), ...(legalHold ? { legalHold } : {}) } }
}

const DAY = 86_400_000

const byDefault = ({ retention }: BucketLock, now: number): Retention | undefined =>
  retention && { mode: retention.mode, until: now + (retention.days ?? (retention.years ?? 0) * 365) * DAY }
