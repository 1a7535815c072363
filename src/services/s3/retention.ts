import { fail } from './operation.ts'

// Retention and legal holds of versions, as rules over records ("How Object Lock works", S3 user guide). A pure engine.

/** How long a version stays once its event hold is released. */
export type HoldLength = { readonly days: number } | { readonly years: number }

export type Retention = {
  readonly mode: 'GOVERNANCE' | 'COMPLIANCE'
  /** Epoch milliseconds; absent where an event hold is all there is. */
  readonly until?: number
  /** An event hold, or that there was one. */
  readonly hold?: HoldLength | 'OFF'
}

export type Lock = { readonly retention?: Retention; readonly legalHold?: 'ON' | 'OFF' }

/** What a bucket with Object Lock gives new objects. */
export type BucketLock = {
  readonly retention?: {
    readonly mode: Retention['mode']
    readonly days?: number
    readonly years?: number
    readonly hold?: HoldLength
  }
}

type By = { readonly now: number; readonly bypass: boolean }

const DAY = 86_400_000
/** Years have 365 days. */
export const daysOf = (length: HoldLength): number => ('days' in length ? length.days : length.years * 365)

export const heldFor = ({ hold }: Retention): HoldLength | undefined => (hold === 'OFF' ? undefined : hold)

/** Until when a version is retained, as seen at `now`: while an event hold is on, that moves with time. */
export const untilOf = (retention: Retention, now: number): number => {
  const length = heldFor(retention)
  return Math.max(retention.until ?? 0, length ? now + daysOf(length) * DAY : 0)
}

/** Whether a version may not be deleted. `bypass`: the caller may, and wants to, overrule governance. */
export const isProtected = ({ lock }: { readonly lock?: Lock }, { now, bypass }: By): boolean =>
  lock?.legalHold === 'ON' || holds(lock?.retention, { now, bypass })

const holds = (retention: Retention | undefined, { now, bypass }: By): boolean =>
  retention !== undefined && untilOf(retention, now) > now && !(retention.mode === 'GOVERNANCE' && bypass)

/** Whether a version's retention may become another: always to later in the same mode, else only once it has ended. */
export const maySet = (before: Retention | undefined, after: Retention | undefined, by: By): boolean => {
  if (!holds(before, by) || !before) return true
  return after !== undefined && after.mode === before.mode && untilOf(after, by.now) >= untilOf(before, by.now)
}

export const lockDenied = () => fail('AccessDenied', 'Access Denied because object protected by object lock.')

/** What is asked of a retention. */
export type Asked = {
  readonly mode: Retention['mode']
  readonly until?: number | undefined
  /** `ON`: with how long it stays afterwards. */
  readonly hold?: HoldLength | 'OFF' | undefined
}

/**
 * What a retention becomes. A date that was there stays unless another is given; releasing a hold makes the date final, and a
 * shorter hold does not bring it back. Undefined where there would be neither a hold nor a date.
 */
export const changed = (
  before: Retention | undefined,
  { mode, until, hold }: Asked,
  now: number,
): Retention | undefined => {
  const reached = before && (heldFor(before) || hold !== 'OFF') ? untilOf(before, now) : 0
  const length = hold === undefined && before ? before.hold : hold
  const date = hold === 'OFF' ? Math.max(until ?? 0, reached) : (until ?? reached)
  if (date === 0 && (length === undefined || length === 'OFF')) return undefined
  return { mode, ...(date === 0 ? {} : { until: date }), ...(length === undefined ? {} : { hold: length }) }
}

/** What a replica's retention becomes when its source's has changed: a release counts from when it has arrived. */
export const arrived = (
  before: Retention | undefined,
  source: Retention | undefined,
  now: number,
): Retention | undefined =>
  before && heldFor(before) && source && !heldFor(source)
    ? { ...source, until: Math.max(source.until ?? 0, untilOf(before, now)) }
    : source

export type LockAsked = {
  readonly ObjectLockMode?: string | undefined
  readonly ObjectLockRetainUntilDate?: Date | undefined
  readonly ObjectLockLegalHoldStatus?: string | undefined
  readonly ObjectLockEventHold?: string | undefined
  readonly ObjectLockEventHoldDurationDays?: number | undefined
  readonly ObjectLockEventHoldDurationYears?: number | undefined
}

/** Whether a request names a lock of its own. */
export const asksForLock = (asked: LockAsked): boolean =>
  asked.ObjectLockMode !== undefined || asked.ObjectLockLegalHoldStatus !== undefined

const longest = { days: 36_500, years: 100 }

/** A length of one of the two units. Throws InvalidArgument beyond 36,500 days and 100 years; `otherwise` unless it is exactly one. */
export const holdLength = (days: number | undefined, years: number | undefined, otherwise: () => Error): HoldLength => {
  if ((days === undefined) === (years === undefined)) throw otherwise()
  const [unit, length] = years === undefined ? (['days', days ?? 0] as const) : (['years', years] as const)
  if (!Number.isInteger(length) || length < 1 || length > longest[unit])
    throw fail('InvalidArgument', `The event hold duration must be between 1 and ${longest[unit]} ${unit}.`, {
      ArgumentName: 'EventHoldDuration',
      ArgumentValue: length,
    })
  return years === undefined ? { days: length } : { years: length }
}

/** The event hold that headers ask for. */
const holdAsked = (asked: LockAsked, invalid: (message: string) => Error): Asked['hold'] => {
  const { ObjectLockEventHold: hold } = asked
  const [days, years] = [asked.ObjectLockEventHoldDurationDays, asked.ObjectLockEventHoldDurationYears]
  if (hold === 'ON')
    return holdLength(days, years, () =>
      invalid('An event hold that is ON requires one duration, in days or in years.'),
    )
  if (hold !== undefined && hold !== 'OFF') throw invalid('Event Hold must be either of "ON" or "OFF"')
  if (days !== undefined || years !== undefined) throw invalid('A duration requires an event hold that is ON.')
  return hold
}

/** The lock of an object that is made at `now`: as its request says, else as the bucket gives. Throws InvalidArgument, InvalidRequest. */
export const lockOf = (
  { objectLock }: { readonly objectLock?: BucketLock },
  asked: LockAsked,
  now: number,
): { lock?: Lock } => {
  const { ObjectLockMode: mode, ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: legalHold } = asked
  const invalid = (name: string, value: unknown, message: string) =>
    fail('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value })
  const hold = holdAsked(asked, (message) =>
    invalid('x-amz-object-lock-event-hold', asked.ObjectLockEventHold ?? 'null', message),
  )
  if (hold !== undefined && mode === undefined)
    throw invalid('x-amz-object-lock-mode', 'null', 'An event hold requires a retention mode.')
  if ((mode === undefined) !== (until === undefined) && (hold === undefined || hold === 'OFF'))
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
  const retention = mode ? changed(undefined, { mode, until: until?.getTime(), hold }, now) : byDefault(objectLock, now)
  if (!retention && !legalHold) return {}
  return { lock: { ...(retention ? { retention } : {}), ...(legalHold ? { legalHold } : {}) } }
}

const byDefault = ({ retention }: BucketLock, now: number): Retention | undefined => {
  if (!retention) return undefined
  const { mode, days, years = 0, hold } = retention
  const length = days ?? years * 365
  return { mode, ...(length === 0 ? {} : { until: now + length * DAY }), ...(hold ? { hold } : {}) }
}
