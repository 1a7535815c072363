import type { ConditionBlock, PolicyDocument, Statement } from '../../policy/policy.ts'

// Whether a bucket policy is public ("The meaning of public", S3 user guide: Blocking public access). A pure engine.

const listOf = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

/** Keys whose fixed values narrow a statement to someone. */
const narrowingKeys = [
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:principalaccount',
  'aws:principalarn',
  'aws:sourceaccount',
  'aws:sourcearn',
  'aws:sourceorgid',
  'aws:sourceorgpaths',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
]

const isFixed = (value: string) => !/[*?]|\$\{/.test(value)

/** An address range narrow enough: /8 and narrower for IPv4, /32 and narrower for IPv6. */
const isNarrowRange = (range: string): boolean => {
  const [address = '', bits] = range.split('/')
  const v6 = address.includes(':')
  return Number(bits ?? (v6 ? 128 : 32)) >= (v6 ? 32 : 8)
}

/** ARNs may end in a wildcard when they name the account. */
const isNarrowArn = (arn: string): boolean =>
  /^arn:[^:*?]+:[^:*?]+:[^:]*:\d{12}:/.test(arn) || (arn.startsWith('arn:') && isFixed(arn))

const narrows = (conditions: ConditionBlock | undefined): boolean =>
  Object.entries(conditions ?? {}).some(([operator, keys]) => {
    const positive =
      /^(ForAnyValue:|ForAllValues:)?(String(Equals|Like|EqualsIgnoreCase)|Arn(Equals|Like)|IpAddress)$/i.test(operator)
    return (
      positive &&
      !/^ForAllValues:/i.test(operator) &&
      Object.entries(keys).some(([key, values]) => {
        const texts = listOf(values).map(String)
        if (texts.length === 0) return false
        const name = key.toLowerCase()
        if (name === 'aws:sourceip') return texts.every(isNarrowRange)
        if (!narrowingKeys.includes(name)) return false
        return texts.every((text) => (text.startsWith('arn:') ? isNarrowArn(text) : isFixed(text)))
      })
    )
  })

const namesEveryone = ({ Principal, NotPrincipal }: Statement): boolean => {
  if (NotPrincipal !== undefined || Principal === '*') return true
  return Object.entries(Principal ?? {}).some(
    ([type, names]) => type === 'AWS' && listOf(names).some((name) => name.includes('*')),
  )
}

export const isPublic = (document: PolicyDocument): boolean =>
  listOf<Statement>(document.Statement).some(
    (statement) => statement.Effect === 'Allow' && namesEveryone(statement) && !narrows(statement.Condition),
  )
