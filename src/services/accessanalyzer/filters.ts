import type { Input } from './operation.ts'
import { invalid } from './operation.ts'

// Criteria of archive rules and lists (IAM user guide, "IAM Access Analyzer filter keys").

export type Filter = NonNullable<Input<'ListFindings'>['filter']>

/** What a finding says, by filter key; a key that is absent does not exist in it. */
export type Facts = Readonly<Record<string, readonly string[] | undefined>>

const plainKeys = new Set([
  'resource',
  'resourceType',
  'resourceOwnerAccount',
  'isPublic',
  'findingType',
  'id',
  'status',
  'error',
  'createdAt',
  'updatedAt',
  'analyzedAt',
  'changeType',
  'existingFindingId',
  'existingFindingStatus',
  'resourceControlPolicyRestriction',
  'serviceControlPolicyRestriction',
  'accessType',
  'principalType',
  'principalOwnerAccount',
  'sources',
  'action',
])

const isKey = (key: string) =>
  plainKeys.has(key) || /^principal\.(AWS|Federated|CanonicalUser|Service)$/.test(key) || /^condition\..+$/.test(key)

const MOST_VALUES = 20

/** Throws ValidationException for keys there are not, and for criteria that say nothing. */
export const checkFilter = (filter: Filter): Filter => {
  for (const [key, { eq, neq, contains, exists }] of Object.entries(filter)) {
    if (!isKey(key)) throw invalid(`The filter key ${key} is not supported.`)
    if (!eq && !neq && !contains && exists === undefined) throw invalid(`The criterion of ${key} must not be empty.`)
    for (const values of [eq, neq, contains])
      if (values && values.length > MOST_VALUES) throw invalid(`A criterion can have up to ${MOST_VALUES} values.`)
  }
  return filter
}

/** Whether all criteria hold. */
export const matchesFilter = (filter: Filter, facts: Facts): boolean =>
  Object.entries(filter).every(([key, { eq, neq, contains, exists }]) => {
    const values = Object.hasOwn(facts, key) ? facts[key] : undefined
    if (exists !== undefined && (values !== undefined) !== exists) return false
    if (eq && !values?.some((value) => eq.includes(value))) return false
    if (neq && values?.some((value) => neq.includes(value))) return false
    return !contains || (values?.some((value) => contains.some((part) => value.includes(part))) ?? false)
  })

export type Sort = Input<'ListFindings'>['sort']

/** In the order asked for; texts compare as texts, which ISO dates do as well. */
export const sorted = <T>(items: readonly T[], factsOf: (item: T) => Facts, sort: Sort): T[] => {
  const attribute = sort?.attributeName
  if (attribute === undefined) return [...items]
  if (!isKey(attribute)) throw invalid(`The attribute ${attribute} is not supported for sorting.`)
  const sign = sort?.orderBy === 'DESC' ? -1 : 1
  const textOf = (item: T) => factsOf(item)[attribute]?.join() ?? ''
  return items.toSorted((a, b) => (textOf(a) < textOf(b) ? -sign : textOf(a) > textOf(b) ? sign : 0))
}
