import { fail } from './operation.ts'
import type { ParameterRecord } from './parameter.ts'

type Given = {
  readonly Key: string
  readonly Option?: string | undefined
  readonly Values?: readonly string[] | undefined
}
export type Filter = { readonly key: string; readonly option: string; readonly values: readonly string[] }

const options: Readonly<Record<string, readonly string[]>> = {
  Name: ['Equals', 'BeginsWith', 'Contains'],
  Path: ['Recursive', 'OneLevel'],
  Type: ['Equals', 'BeginsWith'],
  KeyId: ['Equals', 'BeginsWith'],
  Label: ['Equals', 'BeginsWith'],
  Tier: ['Equals', 'BeginsWith'],
  DataType: ['Equals', 'BeginsWith'],
}
const usual: Readonly<Record<string, string>> = { Path: 'OneLevel' }
const all = Object.keys(options)

/** Checks the filters of a request. Raises InvalidFilterKey, InvalidFilterOption, InvalidFilterValue. */
export const parseFilters = (given: readonly Given[] | undefined, keys: readonly string[] = all): Filter[] => {
  const seen = new Set<string>()
  return (given ?? []).map(({ Key: key, Option, Values: values = [] }) => {
    const tag = key.startsWith('tag:') && keys === all
    if (!tag && !keys.includes(key))
      throw fail(
        'InvalidFilterKey',
        `The following filter key is not valid: ${key}. Valid filter keys include: [${keys.join(', ')}].`,
      )
    if (seen.has(key))
      throw fail(
        'InvalidFilterKey',
        `The following filter is duplicated in the request: ${key}. A request can contain only one occurrence of a specific filter.`,
      )
    seen.add(key)
    const option = Option ?? usual[key] ?? 'Equals'
    const exactly = key === 'Label' && keys !== all
    const allowed = exactly ? ['Equals'] : tag ? ['Equals', 'BeginsWith'] : (options[key] ?? [])
    if (!allowed.includes(option))
      throw fail(
        'InvalidFilterOption',
        `The following filter option is not valid: ${option}. Valid options include: [${allowed.join(', ')}].`,
      )
    if (!tag && values.length === 0)
      throw fail('InvalidFilterValue', `The following filter values are missing : null for filter key ${key}`)
    if (key === 'Path' && values.some((value) => !value.startsWith('/')))
      throw fail(
        'InvalidFilterValue',
        `The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash "/".`,
      )
    return { key, option, values }
  })
}

const compare: Readonly<Record<string, (text: string, value: string) => boolean>> = {
  Equals: (text, value) => text === value,
  BeginsWith: (text, value) => text.startsWith(value),
  Contains: (text, value) => text.includes(value),
  Recursive: (text, value) => text.startsWith(value.endsWith('/') ? value : `${value}/`),
  OneLevel: (text, value) => {
    const start = value.endsWith('/') ? value : `${value}/`
    return text.startsWith(start) && !text.slice(start.length).includes('/')
  },
}

const textsOf = ({ name, current, labels, tags }: ParameterRecord, key: string): readonly (string | undefined)[] => {
  if (key.startsWith('tag:')) return [tags[key.slice('tag:'.length)]]
  switch (key) {
    case 'Type':
      return [current.type]
    case 'KeyId':
      return [current.keyId]
    case 'Label':
      return Object.keys(labels)
    case 'Tier':
      return [current.tier]
    case 'DataType':
      return [current.dataType]
    default:
      return [name, `/${name}`]
  }
}

/** Whether a parameter fits every filter: each by one of its values. */
export const matchesFilters = (parameter: ParameterRecord, filters: readonly Filter[]): boolean =>
  filters.every(({ key, option, values }) => {
    const texts = textsOf(parameter, key).filter((text) => text !== undefined)
    if (values.length === 0) return texts.length > 0
    return texts.some((text) => values.some((value) => compare[option]?.(text, value)))
  })
