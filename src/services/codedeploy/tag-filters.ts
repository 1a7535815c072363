import { fail } from './operation.ts'

/** Chooses machines by a tag's key, its value, or both. */
export type TagFilter = {
  readonly key?: string
  readonly value?: string
  readonly type: 'KEY_ONLY' | 'VALUE_ONLY' | 'KEY_AND_VALUE'
}
/** Groups of filters: a machine must match one filter of each; no groups, no machine. */
export type TagSet = {
  readonly groups: readonly (readonly TagFilter[])[]
  /** The user wrote a plain list of filters, and is shown them again. */
  readonly flat: boolean
}

type WireFilter = {
  readonly Key?: string | undefined
  readonly Value?: string | undefined
  readonly Type?: string | undefined
}
type FilterCode = 'InvalidEC2TagException' | 'InvalidTagException' | 'InvalidTagFilterException'

/** Reads tag filters. Throws `code` for one that lacks its type, key or value. */
export const readFilters = (filters: readonly WireFilter[], code: FilterCode): TagFilter[] =>
  filters.map(({ Key, Value, Type }) => {
    const invalid = () => fail(code, 'The tag was specified in an invalid format.')
    if (Type !== 'KEY_ONLY' && Type !== 'VALUE_ONLY' && Type !== 'KEY_AND_VALUE') throw invalid()
    if ((Type !== 'VALUE_ONLY' && Key === undefined) || (Type !== 'KEY_ONLY' && Value === undefined)) throw invalid()
    return { ...(Key === undefined ? {} : { key: Key }), ...(Value === undefined ? {} : { value: Value }), type: Type }
  })

/**
 * Reads one of the two ways to choose machines by tags; `undefined` when neither is there. Throws
 * TagSetListLimitExceededException for more than three groups ("Tagging instances for deployment groups", user guide).
 */
export const readTagSet = (
  filters: readonly WireFilter[] | undefined,
  groups: readonly (readonly WireFilter[])[] | undefined,
  codes: {
    readonly filter: FilterCode
    readonly both: 'InvalidEC2TagCombinationException' | 'InvalidOnPremisesTagCombinationException'
  },
): TagSet | undefined => {
  if (filters?.length && groups?.length)
    throw fail(codes.both, 'The request has both tag filters and a tag set. Only one of them is allowed.')
  if (groups) {
    if (groups.length > 3)
      throw fail(
        'TagSetListLimitExceededException',
        'The number of tag groups included in the tag set list exceeded the maximum allowed limit of 3.',
      )
    return { groups: groups.map((group) => readFilters(group, codes.filter)), flat: false }
  }
  return filters && { groups: filters.length > 0 ? [readFilters(filters, codes.filter)] : [], flat: true }
}

export const toFilter = ({ key, value, type }: TagFilter) => ({ Key: key, Value: value, Type: type })

/** Whether a machine with these tags is meant by a filter. */
export const matchesFilter = ({ key, value, type }: TagFilter, tags: Readonly<Record<string, string>>): boolean =>
  type === 'VALUE_ONLY'
    ? Object.values(tags).includes(value ?? '')
    : key !== undefined && Object.hasOwn(tags, key) && (type === 'KEY_ONLY' || tags[key] === value)

/** Whether a machine with these tags is one of the set. */
export const matchesTagSet = ({ groups }: TagSet, tags: Readonly<Record<string, string>>): boolean =>
  groups.length > 0 && groups.every((filters) => filters.some((filter) => matchesFilter(filter, tags)))
