import type { DefaultRetention, ObjectLockRetention } from '@aws-sdk/client-s3'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { Bucket, type BucketRecord, bucketArn, bucketOf } from './bucket.ts'
import { type Found, find, missing } from './object.ts'
import { fail, malformedXml, type Operation } from './operation.ts'
import { replicatingChange } from './replication.ts'
import { present, requestKeys } from './request-keys.ts'
import {
  type Asked,
  type BucketLock,
  changed,
  type HoldLength,
  heldFor,
  holdLength,
  type Lock,
  lockDenied,
  maySet,
  type Retention,
  untilOf,
} from './retention.ts'
import { type ObjectRecord, replaceVersion } from './versions.ts'

// Object Lock: what a bucket gives new objects, and what single versions have ("Locking objects with Object Lock", S3 user
// guide).

/** What new objects are given: a period, an event hold, or both. Throws MalformedXML, InvalidRetentionPeriod, InvalidArgument. */
const defaultOf = (given: DefaultRetention): NonNullable<BucketLock['retention']> => {
  const { Mode: mode, Days: days, Years: years, DefaultEventHold: hold } = given
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') throw malformedXml()
  if (days !== undefined && years !== undefined) throw malformedXml()
  const length = days ?? years
  if (length === undefined && !hold) throw malformedXml()
  if (length !== undefined && length < 1)
    throw fail('InvalidRetentionPeriod', 'Default retention period must be a positive integer value.')
  if (length !== undefined && length > (years === undefined ? 36_500 : 100))
    throw fail('InvalidRetentionPeriod', 'Default retention period is too large.')
  return {
    mode,
    ...(days === undefined ? {} : { days }),
    ...(years === undefined ? {} : { years }),
    ...(hold ? { hold: holdLength(hold.Days, hold.Years, malformedXml) } : {}),
  }
}

/** Turns Object Lock on, or changes the default retention; it is never turned off. Throws InvalidBucketState, MalformedXML. */
export const PutObjectLockConfiguration: Operation<'PutObjectLockConfiguration'> = (ctx, input) => {
  const { ObjectLockEnabled: enabled, Rule: rule } = input.ObjectLockConfiguration ?? {}
  if (enabled !== 'Enabled') throw malformedXml()
  const given = rule?.DefaultRetention
  if (rule && !given) throw malformedXml()
  const retention = given && defaultOf(given)
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (bucket.versioning !== 'Enabled')
      throw fail(
        'InvalidBucketState',
        "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
      )
    tx.put(Bucket, { ...bucket, objectLock: retention ? { retention } : {} })
    return {}
  })
}

export const GetObjectLockConfiguration: Operation<'GetObjectLockConfiguration'> = async (ctx, input) => {
  const { name, objectLock } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  if (!objectLock)
    throw fail('ObjectLockConfigurationNotFoundError', 'Object Lock configuration does not exist for this bucket', {
      BucketName: name,
    })
  const { retention } = objectLock
  return {
    ObjectLockConfiguration: {
      ObjectLockEnabled: 'Enabled',
      ...(retention
        ? {
            Rule: {
              DefaultRetention: {
                Mode: retention.mode,
                Days: retention.days,
                Years: retention.years,
                ...(retention.hold ? { DefaultEventHold: toLength(retention.hold) } : {}),
              },
            },
          }
        : {}),
    },
  }
}

type Addressed = Parameters<typeof find>[2]

/** The version a request is about, in a bucket that has Object Lock. */
const locked = async (ctx: Ctx, found: Found, input: Addressed): Promise<ObjectRecord> => {
  requireLock(found.bucket)
  if (!found.record) throw await missing(ctx, found, input)
  return found.record
}

const requireLock = (bucket: BucketRecord): void => {
  if (!bucket.objectLock) throw fail('InvalidRequest', 'Bucket is missing Object Lock Configuration')
}

const relock = async (ctx: Ctx, input: Addressed, to: (record: ObjectRecord) => Lock) => {
  const found = await ctx.write(async (tx) => {
    const found = await find(ctx, tx, input)
    requireLock(found.bucket)
    if (!found.record) return found
    const relocked = { ...found.record, lock: to(found.record) }
    await replaceVersion(tx, relocked)
    await replicatingChange(tx, found.bucket, relocked)
    return found
  })
  await locked(ctx, found, input)
  return {}
}

const toLength = (length: HoldLength) => ('days' in length ? { Days: length.days } : { Years: length.years })

/** What a request wants a retention to be; undefined: none. Throws MalformedXML, InvalidArgument. */
const askedOf = (asked: ObjectLockRetention, now: number): Asked | undefined => {
  const { Mode: mode, RetainUntilDate: until, EventHold: hold, EventHoldDuration: length } = asked
  if (mode === undefined) {
    if (until || hold !== undefined || length) throw malformedXml()
    return undefined
  }
  if (mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') throw malformedXml()
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') throw malformedXml()
  if ((hold !== 'ON' && length) || (hold === undefined && !until)) throw malformedXml()
  if (until && until.getTime() <= now)
    throw fail('InvalidArgument', 'The retain until date must be in the future!', {
      ArgumentName: 'RetainUntilDate',
      ArgumentValue: until.toISOString(),
    })
  return {
    mode,
    until: until?.getTime(),
    hold: hold === 'ON' ? holdLength(length?.Days, length?.Years, malformedXml) : hold,
  }
}

/**
 * Sets, extends or, as far as its mode lets, shortens and removes a version's retention; puts an event hold on it and releases
 * it. The right to bypass governance is checked with the call. Throws AccessDenied, InvalidArgument, MalformedXML.
 */
export const PutObjectRetention: Operation<'PutObjectRetention'> = (ctx, input) => {
  const now = ctx.now().getTime()
  const asked = askedOf(input.Retention ?? {}, now)
  const bypass = input.BypassGovernanceRetention === true
  return relock(ctx, input, ({ lock: { retention: before, ...others } = {} }) => {
    const retention = asked && changed(before, asked, now)
    // A hold that is off needs a date: given, or that of the hold it ends.
    if (asked && !retention) throw malformedXml()
    if (!maySet(before, retention, { now, bypass })) throw lockDenied()
    return { ...others, ...(retention ? { retention } : {}) }
  })
}

const noLock = () =>
  fail('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration')

export const GetObjectRetention: Operation<'GetObjectRetention'> = async (ctx, input) => {
  const { lock } = await locked(ctx, await ctx.read((tx) => find(ctx, tx, input)), input)
  if (!lock?.retention) throw noLock()
  const { mode, hold } = lock.retention
  const length = heldFor(lock.retention)
  return {
    Retention: {
      Mode: mode,
      RetainUntilDate: new Date(untilOf(lock.retention, ctx.now().getTime())),
      ...(hold === undefined ? {} : { EventHold: length ? 'ON' : 'OFF' }),
      ...(length ? { EventHoldDuration: toLength(length) } : {}),
    },
  }
}

export const PutObjectLegalHold: Operation<'PutObjectLegalHold'> = (ctx, input) => {
  const status = input.LegalHold?.Status
  if (status !== 'ON' && status !== 'OFF') throw malformedXml()
  return relock(ctx, input, ({ lock }) => ({ ...lock, legalHold: status }))
}

export const GetObjectLegalHold: Operation<'GetObjectLegalHold'> = async (ctx, input) => {
  const { lock } = await locked(ctx, await ctx.read((tx) => find(ctx, tx, input)), input)
  if (!lock?.legalHold) throw noLock()
  return { LegalHold: { Status: lock.legalHold } }
}

const toRetention = (retention: Retention, now: number) => {
  const length = heldFor(retention)
  return {
    ObjectLockMode: retention.mode,
    ObjectLockRetainUntilDate: new Date(untilOf(retention, now)),
    ...(retention.hold === undefined ? {} : { ObjectLockEventHold: length ? ('ON' as const) : ('OFF' as const) }),
    ...(length && 'days' in length ? { ObjectLockEventHoldDurationDays: length.days } : {}),
    ...(length && 'years' in length ? { ObjectLockEventHoldDurationYears: length.years } : {}),
  }
}

/** Members that tell of a lock, as far as the reader may know it: `s3:GetObjectRetention`, `s3:GetObjectLegalHold`. */
export const toLock = async (ctx: Ctx, bucket: BucketRecord, { key, lock }: ObjectRecord) => {
  if (!lock) return {}
  const keys = present({ ...requestKeys(ctx), 's3:ResourceAccount': bucket.account })
  const may = async (action: string): Promise<boolean> => {
    try {
      await ctx.authorize(action, `${bucketArn(bucket.name)}/${key}`, keys)
      return true
    } catch (error) {
      if (error instanceof AwsError) return false
      throw error
    }
  }
  const { retention, legalHold } = lock
  return {
    ...(retention && (await may('s3:GetObjectRetention')) ? toRetention(retention, ctx.now().getTime()) : {}),
    ...(legalHold && (await may('s3:GetObjectLegalHold')) ? { ObjectLockLegalHoldStatus: legalHold } : {}),
  }
}
