import type { APIErrorType, Filter, SecretValueEntry } from '@aws-sdk/client-secrets-manager'
import { AwsError } from '../../kernel/errors.ts'
import { authorizeRead } from './iam.ts'
import { invalid, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { Secret, type SecretRecord, secretArn } from './secret.ts'
import { toListEntry } from './secrets.ts'
import { GetSecretValue } from './versions.ts'

/** What a filter looks at. Values are prefixes, of some keys in any case ("Filter", Secrets Manager API reference). */
const textsOf = (secret: SecretRecord, key: string): readonly string[] => {
  switch (key) {
    case 'name':
      return [secret.name]
    case 'description':
      return words(secret.description ?? '')
    case 'tag-key':
      return Object.keys(secret.tags)
    case 'tag-value':
      return Object.values(secret.tags)
    case 'primary-region':
      return [secret.primaryRegion ?? secret.region]
    case 'owning-service':
      return []
    default:
      return [
        secret.name,
        ...words(secret.description ?? ''),
        ...Object.keys(secret.tags),
        ...Object.values(secret.tags),
      ]
  }
}
const words = (text: string): string[] => text.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
const anyCase = new Set(['description', 'all'])

/** A value that begins with `!` is one that must not be there. */
const fits = (secret: SecretRecord, { Key = 'all', Values = [] }: Filter): boolean => {
  const fold = (text: string) => (anyCase.has(Key) ? text.toLowerCase() : text)
  const texts = textsOf(secret, Key).map(fold)
  const has = (value: string) => {
    const wanted = anyCase.has(Key) ? words(value) : [value]
    return wanted.every((word) => texts.some((text) => text.startsWith(fold(word))))
  }
  const [no, yes] = [Values.filter((value) => value.startsWith('!')), Values.filter((value) => !value.startsWith('!'))]
  return !no.some((value) => has(value.slice(1))) && (yes.length === 0 || yes.some(has))
}

const matching = (secrets: readonly SecretRecord[], filters: readonly Filter[] | undefined): SecretRecord[] =>
  secrets.filter((secret) => (filters ?? []).every((filter) => fits(secret, filter)))

const orders: Readonly<Record<string, (secret: SecretRecord) => number | string>> = {
  name: ({ name }) => name,
  'created-date': ({ created }) => created,
  'last-changed-date': ({ changed }) => changed,
  'last-accessed-date': ({ versions }) => Math.max(0, ...Object.values(versions).map(({ accessed = 0 }) => accessed)),
}

/** Newest first unless asked otherwise; those that are to be deleted only when asked for. */
export const ListSecrets: Operation<'ListSecrets'> = async (ctx, input) => {
  const all = await ctx.read((tx) => tx.list(Secret))
  const wanted = matching(all, input.Filters).filter(({ deletion }) => input.IncludePlannedDeletion || !deletion)
  const by = orders[input.SortBy ?? 'created-date'] ?? (({ name }: SecretRecord) => name)
  const sign = (input.SortOrder ?? 'desc') === 'desc' ? -1 : 1
  const sorted = wanted.toSorted((a, b) => {
    const [one, other] = [by(a), by(b)]
    return one === other ? (a.name < b.name ? -1 : 1) : (one < other ? -1 : 1) * sign
  })
  const { items, next } = pageOf(sorted, input, ({ name }) => name)
  return { SecretList: items.map(toListEntry), ...next }
}

const MOST_AT_ONCE = 20

/** Up to twenty secrets; what one of them refuses is told beside the others. */
export const BatchGetSecretValue: Operation<'BatchGetSecretValue'> = async (ctx, input) => {
  if ((input.SecretIdList === undefined) === (input.Filters === undefined))
    throw invalid('Either Filters or SecretIdList must be provided, but not both.')
  if (input.SecretIdList && input.MaxResults !== undefined) throw invalid('MaxResults can only be used with Filters.')
  const chosen = input.SecretIdList
    ? { items: input.SecretIdList, next: {} }
    : await ctx.read(async (tx) => {
        const found = matching(await tx.list(Secret), input.Filters).filter(({ deletion }) => !deletion)
        const { items, next } = pageOf(
          found,
          { ...input, MaxResults: input.MaxResults ?? MOST_AT_ONCE },
          ({ name }) => name,
        )
        return { items: items.map(secretArn), next }
      })
  const SecretValues: SecretValueEntry[] = []
  const Errors: APIErrorType[] = []
  for (const SecretId of chosen.items)
    try {
      // Each secret is asked for as by a call of its own, with the caller's right to it.
      await authorizeRead(ctx, SecretId)
      SecretValues.push(await GetSecretValue(ctx, { SecretId }))
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      Errors.push({ SecretId, ErrorCode: error.code, Message: error.message })
    }
  return { SecretValues, Errors, ...chosen.next }
}
