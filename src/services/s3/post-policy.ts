import { fail } from './operation.ts'

// The policy of a form ("POST policy", S3 API reference). A pure engine.

export type PostPolicy = {
  /** Epoch milliseconds. */
  readonly expires: number
  readonly conditions: readonly Condition[]
}
type Condition =
  | { readonly match: 'eq' | 'starts-with'; readonly field: string; readonly value: string; readonly text: string }
  | { readonly match: 'content-length-range'; readonly least: number; readonly most: number; readonly text: string }

const invalid = (message: string) => fail('InvalidPolicyDocument', `Invalid Policy: ${message}`)

/** Reads a policy out of its base64. Throws InvalidPolicyDocument. */
export const parsePostPolicy = (base64: string): PostPolicy => {
  let document: unknown
  try {
    document = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'))
  } catch {
    throw invalid('Invalid JSON.')
  }
  if (typeof document !== 'object' || document === null) throw invalid('Invalid JSON.')
  const expiration: unknown = Reflect.get(document, 'expiration')
  const conditions: unknown = Reflect.get(document, 'conditions')
  if (expiration === undefined) throw invalid('Policy missing expiration.')
  if (conditions === undefined) throw invalid('Policy missing conditions.')
  const expires =
    typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(expiration)
      ? Date.parse(expiration)
      : Number.NaN
  if (Number.isNaN(expires)) throw invalid(`Invalid 'expiration' value: '${String(expiration)}'`)
  if (!Array.isArray(conditions)) throw invalid("Invalid 'conditions' value: must be a List.")
  return { expires, conditions: conditions.flatMap((each: unknown) => parseCondition(each)) }
}

const parseCondition = (condition: unknown): Condition[] => {
  const text = JSON.stringify(condition)
  if (Array.isArray(condition)) {
    const [match, one, other]: unknown[] = condition
    const kind = typeof match === 'string' ? match.toLowerCase() : ''
    const [least, most] = [Number(one), Number(other)]
    if (kind === 'content-length-range' && condition.length === 3 && least >= 0 && most >= least)
      return [{ match: kind, least, most, text }]
    if (
      (kind === 'eq' || kind === 'starts-with') &&
      condition.length === 3 &&
      typeof one === 'string' &&
      one.startsWith('$') &&
      typeof other === 'string'
    )
      return [{ match: kind, field: one.slice(1).toLowerCase(), value: other, text }]
    throw invalid(`Invalid condition: ${text}`)
  }
  if (typeof condition !== 'object' || condition === null) throw invalid('Invalid condition: must be a List or Object.')
  return Object.entries(condition).map(([field, value]: [string, unknown]) => {
    if (typeof value !== 'string') throw invalid('Invalid Simple-Condition: value must be a string.')
    return { match: 'eq', field: field.toLowerCase(), value, text: JSON.stringify(['eq', `$${field}`, value]) }
  })
}

/** Fields that no condition need name. */
const free = /^(x-amz-signature|file|policy|awsaccesskeyid|signature|x-ignore-.*)$/

const denied = (why: string) => fail('AccessDenied', `Invalid according to Policy: ${why}`)

/**
 * Holds a form against its policy: it must not have expired, every field must meet its conditions, and every field must
 * have one. Returns how long the file may be. Throws AccessDenied.
 */
export const checkPostPolicy = (
  { expires, conditions }: PostPolicy,
  fields: ReadonlyMap<string, string>,
  bucket: string,
  now: number,
): { least: number; most: number } => {
  if (now >= expires) throw denied('Policy expired.')
  const values = new Map([...fields, ['bucket', bucket]])
  let [least, most] = [0, Number.POSITIVE_INFINITY]
  const named = new Set<string>(['bucket'])
  for (const condition of conditions) {
    if (condition.match === 'content-length-range') {
      least = Math.max(least, condition.least)
      most = Math.min(most, condition.most)
      continue
    }
    named.add(condition.field)
    if (!meets(condition, values.get(condition.field))) throw denied(`Policy Condition failed: ${condition.text}`)
  }
  const extra = [...fields.keys()].filter((name) => !named.has(name) && !free.test(name))
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`)
  return { least, most }
}

/** A list of content types meets a prefix when each of them does. */
const meets = (
  condition: Exclude<Condition, { match: 'content-length-range' }>,
  value: string | undefined,
): boolean => {
  if (condition.match === 'eq') return value === condition.value
  const values = condition.field === 'content-type' ? (value ?? '').split(',') : [value ?? '']
  return values.every((one) => one.trim().startsWith(condition.value) || one.startsWith(condition.value))
}
