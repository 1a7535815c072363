import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { Bucket, type BucketRecord, bucketArn, bucketOf } from './bucket.ts'
import { type Found, find, missing } from './object.ts'
import { fail, malformedXml, type Operation } from './operation.ts'
import { replicatingChange } from './replication.ts'
import { present, requestKeys } from './request-keys.ts'
import { type Lock, lockDenied, maySet, type Retention } from './retention.ts'
import { type ObjectRecord, replaceVersion } from './versions.ts'

// Object Lock: what a bucket gives new objects, and what single versions have ("Locking objects with Object Lock", S3 user
// guide).

/** Turns Object Lock on, or changes the default retention; it is never turned off. Throws InvalidBucketState, MalformedXML. */
export const PutObjectLockConfiguration: Operation<'PutObjectLockConfiguration'> = (ctx, input) => {
  const { ObjectLockEnabled: enabled, Rule: rule } = input.ObjectLockConfiguration ?? {}
  if (enabled !== 'Enabled') throw malformedXml()
  const given = rule?.DefaultRetention
  if (rule && !given) throw malformedXml()
  if (given && (given.Days === undefined) === (given.Years === undefined)) throw malformedXml()
  if (given && given.Mode !== 'GOVERNANCE' && given.Mode !== 'COMPLIANCE') throw malformedXml()
  const length = given?.Days ?? given?.Years ?? 1
  if (length < 1) throw fail('InvalidRetentionPeriod', 'Default retention period must be a positive integer value.')
  if (length > (given?.Years === undefined ? 36_500 : 100))
    throw fail('InvalidRetentionPeriod', 'Default retention period is too large.')
  const retention = given && {
    mode: given.Mode as Retention['mode'],
    ...(given.Days === undefined ? { years: length } : { days: length }),
  }
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
        ? { Rule: { DefaultRetention: { Mode: retention.mode, Days: retention.days, Years: retention.years } } }
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

/**
 * Sets, extends or, as far as its mode lets, shortens and removes a version's retention. The right to bypass governance is
 * checked with the call. Throws AccessDenied, InvalidArgument, MalformedXML.
 */
export const PutObjectRetention: Operation<'PutObjectRetention'> = (ctx, input) => {
  const { Mode: mode, RetainUntilDate: until, EventHold, EventHoldDuration } = input.Retention ?? {}
  if (EventHold !== undefined || EventHoldDuration !== undefined) throw notImplemented('S3 Object Lock event holds')
  if ((mode === undefined) !== (until === undefined)) throw malformedXml()
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') throw malformedXml()
  const now = ctx.now().getTime()
  if (until && until.getTime() <= now)
    throw fail('InvalidArgument', 'The retain until date must be in the future!', {
      ArgumentName: 'RetainUntilDate',
      ArgumentValue: until.toISOString(),
    })
  const retention = mode && until ? { mode, until: until.getTime() } : undefined
  const bypass = input.BypassGovernanceRetention === true
  return relock(ctx, input, ({ lock: { retention: before, ...others } = {} }) => {
    if (!maySet(before, retention, { now, bypass })) throw lockDenied()
    return { ...others, ...(retention ? { retention } : {}) }
  })
}

const noLock = () =>
  fail('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration')

export const GetObjectRetention: Operation<'GetObjectRetention'> = async (ctx, input) => {
  const { lock } = await locked(ctx, await ctx.read((tx) => find(ctx, tx, input)), input)
  if (!lock?.retention) throw noLock()
  return { Retention: { Mode: lock.retention.mode, RetainUntilDate: new Date(lock.retention.until) } }
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

/** Members that tell of a lock, as far as the reader may know it: `s3:GetObjectRetention`, `s3:GetObjectLegalHold`. */
export const toLock = async (ctx: Ctx, bucket: BucketRecord, { key, lock }: ObjectRecord) => {
  if (!lock) return {}
  const keys = present({ ...requestKeys(ctx), 's3:ResourceAccount': bucket.account })
  const may = async (action: string): Promise<boolean> => {
    try {
      await ctx.authorize(action, `${bucketArn(bucket.name)}/${key}`, keys)
      return true
    } catch {
      return false
    }
  }
  const { retention, legalHold } = lock
  return {
    ...(retention && (await may('s3:GetObjectRetention'))
      ? { ObjectLockMode: retention.mode, ObjectLockRetainUntilDate: new Date(retention.until) }
      : {}),
    ...(legalHold && (await may('s3:GetObjectLegalHold')) ? { ObjectLockLegalHoldStatus: legalHold } : {}),
  }
}
