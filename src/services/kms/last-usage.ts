import type { KeyLastUsageData, KeyLastUsageTrackingOperation } from '@aws-sdk/client-kms'
import { type AuditRecord, auditStream } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { Entry } from '../../store/append.ts'
import { table } from '../../store/store.ts'
import { headerOf } from './ciphertext.ts'
import { getOwnKey, keyArn } from './key.ts'
import type { Operation } from './operation.ts'

/** How rarely one writes while the same is done with a key: which time it was the last, the audit log knows. */
const STEP = 60_000

type LastUsage = {
  readonly key: string
  readonly operation: KeyLastUsageTrackingOperation
  /** Epoch milliseconds. */
  readonly at: number
  readonly requestId: string
}
export const LastUsage = table<LastUsage>('kms.last-usage', { scope: 'region', key: ({ key }) => key })

const note = async (ctx: Ctx, operation: KeyLastUsageTrackingOperation, arn: string): Promise<void> => {
  const [, , , region = '', account = '', resource = ''] = arn.split(':')
  const [place, key] = [{ region, account }, resource.slice('key/'.length)]
  const at = ctx.now().getTime()
  const last = await ctx.read((tx) => tx.get(LastUsage, key, place))
  if (last && last.operation === operation && at - last.at < STEP) return
  await ctx.write(async (tx) => tx.put(LastUsage, { key, operation, at, requestId: ctx.request.id }, place))
}

type Answer = {
  readonly KeyId?: string | undefined
  readonly SourceKeyId?: string | undefined
  readonly EncryptionAlgorithm?: string | undefined
  readonly CiphertextBlob?: Uint8Array | undefined
  readonly KeyMaterialId?: string | undefined
  readonly SourceKeyMaterialId?: string | undefined
  readonly DestinationKeyMaterialId?: string | undefined
}

/** The generations of material that were used, as records name them ("Encrypt", "ReEncrypt", logging examples of the developer guide). */
const materialsOf = (answer: Answer): Readonly<Record<string, string>> => {
  const { CiphertextBlob, EncryptionAlgorithm } = answer
  const made =
    EncryptionAlgorithm === 'SYMMETRIC_DEFAULT' && CiphertextBlob
      ? headerOf(CiphertextBlob).header.material
      : answer.KeyMaterialId
  return {
    ...(made === undefined ? {} : { keyMaterialId: made }),
    ...(answer.DestinationKeyMaterialId === undefined
      ? {}
      : { destinationKeyMaterialId: answer.DestinationKeyMaterialId }),
    ...(answer.SourceKeyMaterialId === undefined ? {} : { sourceKeyMaterialId: answer.SourceKeyMaterialId }),
  }
}

/** A cryptographic operation whose successes are noted with the keys that it answers to have used, and in the call's record. */
export const noted =
  <I, O extends Answer>(name: KeyLastUsageTrackingOperation, operation: (ctx: Ctx, input: I) => O | Promise<O>) =>
  async (ctx: Ctx, input: I): Promise<O> => {
    const answer = await operation(ctx, input)
    const used = materialsOf(answer)
    if (Object.keys(used).length > 0) ctx.response.record = { additionalEventData: used }
    for (const arn of new Set([answer.KeyId, answer.SourceKeyId])) if (arn !== undefined) await note(ctx, name, arn)
    return answer
  }

const pageSize = 1000

/**
 * The record of the last of the uses that a row stands for: all of one operation, within the time in which none is written
 * again. `undefined` where it could not be recorded.
 */
const recordOf = async (ctx: Ctx, arn: string, { operation, at }: LastUsage) => {
  const stream = auditStream(ctx.account, ctx.region)
  // A call is recorded when it has ended, a little later than it was noted.
  const span = { from: at, to: at + 2 * STEP, reverse: true, limit: pageSize }
  let page: Entry[] = []
  do {
    const after = page.at(-1)?.position
    page = await ctx.append.range(stream, after === undefined ? span : { ...span, after })
    for (const { time, body } of page) {
      const record = body as AuditRecord
      if (record.eventSource !== 'kms.amazonaws.com' || record.eventName !== operation || record.errorCode) continue
      if (record.resources?.some(({ ARN }) => ARN === arn)) return { time, record }
    }
  } while (page.length === pageSize)
  return undefined
}

const toUsage = async (ctx: Ctx, arn: string, last: LastUsage): Promise<KeyLastUsageData> => {
  const found = await recordOf(ctx, arn, last)
  return {
    Operation: last.operation,
    Timestamp: new Date(found?.time ?? last.at),
    KmsRequestId: found?.record.requestID ?? last.requestId,
    ...(found ? { CloudTrailEventId: found.record.eventID } : {}),
  }
}

/** The last successful cryptographic operation with a key. */
export const GetKeyLastUsage: Operation<'GetKeyLastUsage'> = async (ctx, { KeyId }) => {
  const { key, last } = await ctx.read(async (tx) => {
    const found = await getOwnKey(tx, ctx.place, KeyId)
    return { key: found, last: await tx.get(LastUsage, found.id) }
  })
  return {
    KeyId: keyArn(key),
    KeyLastUsage: last ? await toUsage(ctx, keyArn(key), last) : {},
    TrackingStartDate: new Date(key.created),
    KeyCreationDate: new Date(key.created),
  }
}
