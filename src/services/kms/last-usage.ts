import type { KeyLastUsageTrackingOperation } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import { headerOf } from './ciphertext.ts'
import { getOwnKey, keyArn } from './key.ts'
import type { Operation } from './operation.ts'

/** How exact the time of the last use is, and so how rarely one writes. */
const STEP = 60_000

type LastUsage = {
  readonly key: string
  readonly operation: KeyLastUsageTrackingOperation
  /** Epoch milliseconds. */
  readonly at: number
  readonly requestId: string
  /** Of CloudTrail's record in the key's own account; not known of another account's call. */
  readonly eventId?: string
}
export const LastUsage = table<LastUsage>('kms.last-usage', { scope: 'region', key: ({ key }) => key })

const note = async (
  ctx: Ctx,
  operation: KeyLastUsageTrackingOperation,
  arn: string,
  eventID: string,
): Promise<void> => {
  const [, , , region = '', account = '', resource = ''] = arn.split(':')
  const [place, key] = [{ region, account }, resource.slice('key/'.length)]
  const at = ctx.now().getTime()
  const last = await ctx.read((tx) => tx.get(LastUsage, key, place))
  if (last && last.operation === operation && at - last.at < STEP) return
  const known = account === ctx.account ? { eventId: eventID } : {}
  await ctx.write(async (tx) => tx.put(LastUsage, { key, operation, at, requestId: ctx.request.id, ...known }, place))
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
    const eventID = ctx.newId()
    const used = materialsOf(answer)
    ctx.response.record = { eventID, ...(Object.keys(used).length > 0 ? { additionalEventData: used } : {}) }
    for (const arn of new Set([answer.KeyId, answer.SourceKeyId]))
      if (arn !== undefined) await note(ctx, name, arn, eventID)
    return answer
  }

/** The last successful cryptographic operation with a key, exact to the minute. */
export const GetKeyLastUsage: Operation<'GetKeyLastUsage'> = async (ctx, { KeyId }) => {
  const { key, last } = await ctx.read(async (tx) => {
    const found = await getOwnKey(tx, ctx.place, KeyId)
    return { key: found, last: await tx.get(LastUsage, found.id) }
  })
  return {
    KeyId: keyArn(key),
    KeyLastUsage: last
      ? {
          Operation: last.operation,
          Timestamp: new Date(last.at),
          KmsRequestId: last.requestId,
          ...(last.eventId === undefined ? {} : { CloudTrailEventId: last.eventId }),
        }
      : {},
    TrackingStartDate: new Date(key.created),
    KeyCreationDate: new Date(key.created),
  }
}
