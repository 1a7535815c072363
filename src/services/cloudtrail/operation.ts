import { errorsOf } from '../../kernel/errors.ts'
import { type Principal, servicePrincipal } from '../../kernel/principal.ts'
import type { Operation as Op } from '../../kernel/service.ts'
import type { OperationName } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-cloudtrail')
export type Operation<O extends OperationName<NS>> = Op<NS, O>
export const fail = errorsOf<NS>()

/** Who delivers: CloudTrail on its own behalf, for the trail or store that `aws:SourceArn` names. */
export const cloudtrail: Principal = servicePrincipal('cloudtrail.amazonaws.com')

/** A page of a stable list; tokens are opaque positions. Throws InvalidNextTokenException, or the error named. */
export const page = <T>(
  all: readonly T[],
  token: string | undefined,
  size: number,
  error: 'InvalidNextTokenException' | 'InvalidTokenException' = 'InvalidNextTokenException',
): { items: T[]; NextToken?: string } => {
  const from = token === undefined ? 0 : Number(Buffer.from(token, 'base64url').toString() || 'none')
  if (!Number.isInteger(from) || from < 0 || from > all.length) throw fail(error, 'The token is invalid.')
  const next = from + size
  return {
    items: all.slice(from, next),
    ...(next < all.length ? { NextToken: Buffer.from(`${next}`.padStart(6, '0')).toString('base64url') } : {}),
  }
}

export type Tags = Readonly<Record<string, string>>

/** Tags as they are kept, from AWS's list. Throws InvalidTagParameterException, TagsLimitExceededException. */
export const readTags = (list: readonly { Key: string; Value?: string | undefined }[] = [], known: Tags = {}): Tags => {
  const tags: Record<string, string> = { ...known }
  const keys = new Set<string>()
  for (const { Key, Value = '' } of list) {
    if (keys.has(Key)) throw fail('InvalidTagParameterException', `Tag key ${Key} is given more than once.`)
    if (/^aws:/i.test(Key)) throw fail('InvalidTagParameterException', 'Tag keys must not start with aws:.')
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(Key + Value))
      throw fail(
        'InvalidTagParameterException',
        `Tag key ${Key} or its value contains characters that are not allowed.`,
      )
    keys.add(Key)
    tags[Key] = Value
  }
  if (Object.keys(tags).length > 50)
    throw fail('TagsLimitExceededException', 'A resource can have no more than 50 tags.')
  return tags
}

export const toTags = (tags: Tags): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

export const toDate = (time: number | undefined): Date | undefined => (time === undefined ? undefined : new Date(time))
/** `2026-11-23T09:00:00Z`. */
export const toText = (time: number | undefined): string =>
  time === undefined ? '' : `${new Date(time).toISOString().slice(0, 19)}Z`
