import { isRegion } from '../../../kernel/region.ts'
import { type Cidr, cidrOf, cidrText, isPrivate } from '../analysis/ip-ranges.ts'
import type { StringNode } from '../analysis/positioned-json.ts'
import { type Check, hasVariable, hasWildcard } from './check.ts'
import { type ConditionView, isText, type Spot } from './policy-view.ts'

// The values that conditions compare with.

type Values = ConditionView & { readonly texts: readonly Spot<StringNode>[] }

const emptiness = ({ set, ifExists, base }: ConditionView) => {
  if (set === 'ForAllValues')
    return [
      'EMPTY_ARRAY_CONDITION_FORALLVALUES',
      'The ForAllValues prefix with an empty condition key matches only if the key is missing from the request context. To determine if the request context is empty, we recommend that you use the Null condition operator with the value of true instead.',
    ] as const
  if (set === 'ForAnyValue')
    return [
      'EMPTY_ARRAY_CONDITION_FORANYVALUE',
      'The ForAnyValue prefix with an empty condition key never matches the request context and it does not affect the policy. Specify conditions.',
    ] as const
  if (ifExists && base !== 'Null')
    return [
      'EMPTY_ARRAY_CONDITION_IFEXISTS',
      'The IfExists suffix with an empty condition key matches only if the key is missing from the request context. To determine if the request context is empty, we recommend that you use the Null condition operator with the value of true instead.',
    ] as const
  return [
    'EMPTY_ARRAY_CONDITION',
    'There are no values for the condition key and it does not affect the policy. Specify conditions.',
  ] as const
}

/** Each looks at one condition; `texts` are its values that are strings. */
type Look = (condition: Values, report: Parameters<Check>[0]['report']) => void

const shape: Look = (condition, report) => {
  const { value, values } = condition
  if (value.node.kind === 'array' && value.node.items.length === 0) {
    const [code, details] = emptiness(condition)
    return report(code, details, value)
  }
  if (new Set(values.map(({ node }) => node.kind)).size > 1)
    report(
      'INVALID_CONDITION_DATA_TYPE',
      'The condition value data types do not match. Use condition values of the same JSON data type.',
      value,
    )
}

const truths: Look = ({ base, operatorText, key, value, values }, report) => {
  if (!/^(Bool|Null)$/i.test(base)) return
  if (values.length > 1 && /^Bool$/i.test(base))
    report(
      'INVALID_CONDITION_MULTIPLE_BOOLEAN',
      `The condition key ${key} does not support multiple Boolean values. Use a single Boolean value.`,
      value,
    )
  for (const one of values) {
    const text = isText(one) ? one.node.text : one.node.kind === 'boolean' ? 'true' : ''
    if (!/^(true|false)$/i.test(text) && !hasVariable(text))
      report(
        'TYPE_MISMATCH_BOOLEAN',
        `Add a valid Boolean value (true or false) for the condition operator ${operatorText}.`,
        one,
      )
  }
}

const ordering = /(LessThan|LessThanEquals|GreaterThan|GreaterThanEquals)$/i

const numbers: Look = ({ base, operatorText, key, value, values }, report) => {
  if (!/^Numeric/i.test(base)) return
  const read = values.map(({ node }) => (node.kind === 'string' || node.kind === 'number' ? node.text : 'x'))
  read.forEach((text, at) => {
    if (!/^-?\d+(\.\d+)?$/.test(text.trim()) && !hasVariable(text))
      report(
        'TYPE_MISMATCH_NUMBER',
        `Add a valid numeric value for the condition operator ${operatorText}.`,
        values[at]!,
      )
  })
  const numbers = read.map(Number)
  if (numbers.length < 2 || !ordering.test(base) || numbers.some(Number.isNaN)) return
  const greatest = /Less/i.test(base)
  report(
    'REDUNDANT_CONDITION_VALUE_NUM',
    `Multiple values in ${operatorText} are redundant. Replace with the ${greatest ? 'greatest' : 'least'} single value for ${key}.`,
    value,
  )
}

const isoDate = /^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$/

const dates: Look = ({ base, texts }, report) => {
  if (!/^Date/i.test(base)) return
  for (const spot of texts) {
    const { text } = spot.node
    if (hasVariable(text)) continue
    if (/^\d{5,}$/.test(text))
      report(
        'INVALID_DATE_VALUE',
        `The date ${text} might not resolve as expected. We recommend that you use the YYYY-MM-DD format.`,
        spot,
      )
    else if (!isoDate.test(text) || Number.isNaN(Date.parse(text)))
      report(
        'TYPE_MISMATCH_DATE',
        'The date condition operator is used with an invalid value. Specify a valid date using YYYY-MM-DD or other ISO 8601 date/time format.',
        spot,
      )
  }
}

const bytes: Look = ({ base, operatorText, texts }, report) => {
  if (!/^Binary/i.test(base)) return
  for (const spot of texts)
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(spot.node.text))
      report(
        'TYPE_MISMATCH_STRING',
        `Add a valid base64-encoded string value for the condition operator ${operatorText}.`,
        spot,
      )
}

const addresses: Look = ({ base, operatorText, key, texts, value }, report) => {
  if (!/^(Not)?IpAddress$/i.test(base)) return
  const ranges: Cidr[] = []
  for (const spot of texts) {
    const { text } = spot.node
    if (hasVariable(text)) continue
    const range = cidrOf(text)
    if (!range) {
      report(
        'TYPE_MISMATCH_IP_RANGE',
        `The condition operator ${operatorText} is used with an invalid IP range value. Specify the IP range in standard CIDR format.`,
        spot,
      )
      continue
    }
    ranges.push(range)
    if (!range.exact)
      report(
        'IMPROVE_IP_RANGE',
        `The non-zero bits in the IP address after the masked bits are ignored. Replace address with ${cidrText(range)}.`,
        spot,
      )
  }
  if (key.toLowerCase() !== 'aws:sourceip' || ranges.length === 0) return
  const inside = ranges.filter(isPrivate).length
  const negated = /^Not/i.test(base)
  if (inside === ranges.length)
    return negated
      ? report(
          'PRIVATE_NOT_IP_ADDRESS',
          'The values for condition key aws:SourceIp include only private IP addresses and has no effect. aws:SourceIp works only for public IP address ranges. Update the value to include only public IP addresses.',
          value,
        )
      : report(
          'PRIVATE_IP_ADDRESS',
          'aws:SourceIp works only for public IP address ranges. The values for condition key aws:SourceIp include only private IP addresses and will not have the desired effect. Update the value to include only public IP addresses.',
          value,
        )
  if (inside > 0)
    report(
      negated ? 'PRIVATE_NOT_IP_ADDRESS_SUBSET' : 'PRIVATE_IP_ADDRESS_SUBSET',
      `The values for condition key aws:SourceIp include a mix of private and public IP addresses. The private addresses ${negated ? 'have no effect' : 'will not have the desired effect'}. aws:SourceIp works only for public IP address ranges. To define permissions for private IP ranges, use aws:VpcSourceIp.`,
      value,
    )
}

const wildcards: Look = ({ base, texts }, report) => {
  if (!/^String(Not)?Equals(IgnoreCase)?$/i.test(base)) return
  for (const spot of texts)
    if (hasWildcard(spot.node.text.replaceAll(/\$\{[^}]*\}/g, '')))
      report(
        'WILDCARD_WITHOUT_LIKE_OPERATOR',
        'Your condition value includes a * or ? character. If you meant to use a wildcard (*, ?), update the condition operator to include Like.',
        spot,
      )
}

/** Keys whose values have one form only. */
const formats: Look = ({ base, key, texts }, report) => {
  if (/^Null$/i.test(base)) return
  for (const spot of texts) {
    const { text } = spot.node
    if (hasVariable(text) || (hasWildcard(text) && /Like$|^Arn/i.test(base))) continue
    switch (key.toLowerCase()) {
      case 'aws:requestedregion':
        if (!isRegion(text))
          report(
            'INVALID_REGION',
            `The Region ${text} is not valid. Update the condition value to a suported Region.`,
            spot,
          )
        break
      case 'aws:sourcevpc':
        if (!/^vpc-([0-9a-z]{8}|[0-9a-z]{17})$/.test(text))
          report(
            'INVALID_VPC_FORMAT',
            "The VPC identifier in the condition key value is not valid. Use the prefix 'vpc-' followed by 8 or 17 alphanumeric characters.",
            spot,
          )
        break
      case 'aws:sourcevpce':
        if (!/^vpce-([0-9a-z]{8}|[0-9a-z]{17})$/.test(text))
          report(
            'INVALID_VPCE_FORMAT',
            "The VPCE identifier in the condition key value is not valid.  Use the prefix 'vpce-' followed by 8 or 17 alphanumeric characters.",
            spot,
          )
        break
      case 's3:x-amz-server-side-encryption-aws-kms-key-id':
        if (!/^arn:[^:]+:kms:[^:]*:\d{12}:key\/.+$/.test(text))
          report('INVALID_KMS_KEY_VALUE', `The ${key} condition key value must be a valid KMS key ARN.`, spot)
        break
      case 'kms:viaservice':
        if (!/^[a-z0-9-]+\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/.test(text))
          report(
            'INVALID_SERVICE_PRINCIPAL_FORMAT',
            'The service principal does not match the expected format. Use the format service-name.AWS_region.amazonaws.com.',
            spot,
          )
        break
      case 'iam:passedtoservice':
      case 'iam:awsservicename':
        if (!/^[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|aws\.internal|aws\.com)$/.test(text))
          report(
            'INVALID_SERVICE_PRINCIPAL_FORMAT',
            'The service principal does not match the expected format. Use the format service-name.amazonaws.com.',
            spot,
          )
    }
  }
}

/** Keys that fix who or where: a wildcard, or a variable which may hold one, gives them away. */
const sensitive = new Set([
  'aws:principalaccount',
  'aws:principalorgid',
  'aws:resourceaccount',
  'aws:resourceorgid',
  'aws:sourceaccount',
  'aws:sourceorgid',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:vpceaccount',
  'aws:vpceorgid',
])
const listOfKeys =
  'Refer to https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html for the list of sensitive keys.'

const permissive: Look = ({ base, key, texts }, report) => {
  if (!/^StringLike$/i.test(base)) return
  const lower = key.toLowerCase()
  for (const spot of texts) {
    const { text } = spot.node
    if (sensitive.has(lower)) {
      if (hasVariable(text))
        report(
          'VARIABLE_USAGE_TOO_PERMISSIVE',
          `The policy variable is not allowed in the condition key ${key}. We consider the key to be sensitive and policy variables can be evaluated as effective wildcards. Therefore policy variables are not allowed to be used with sensitive keys. ${listOfKeys}`,
          spot,
        )
      else if (hasWildcard(text))
        report(
          'WILDCARD_USAGE_TOO_PERMISSIVE',
          `The wildcard is not allowed in the condition key ${key}. We consider the key to be sensitive and wildcards are not allowed to be used with sensitive keys. ${listOfKeys}`,
          spot,
        )
    } else if (lower === 'aws:userid') {
      const left = text.includes(':') ? text.slice(0, text.indexOf(':')) : text
      if (hasVariable(left) && !/^\$\{[^}]*\}$/.test(left))
        report(
          'VARIABLE_USAGE_TOO_PERMISSIVE',
          'Overly permissive use of policy variable with aws:userID. Use the policy variable on the right side of colon or as the only character on the left side of a colon.',
          spot,
        )
      else if (!hasVariable(left) && hasWildcard(left) && !(left === '*' && text.includes(':')))
        report(
          'WILDCARD_USAGE_TOO_PERMISSIVE',
          'Overly permissive use of wildcard with aws:userID. Use the wildcard on the right side of colon or as the only character on the left side of a colon.',
          spot,
        )
    }
  }
}

const looks: readonly Look[] = [shape, truths, numbers, dates, bytes, addresses, wildcards, formats, permissive]

export const conditionValueChecks: readonly Check[] = looks.map(
  (look): Check =>
    ({ view, report }) => {
      for (const { conditions } of view.statements)
        for (const condition of conditions) look({ ...condition, texts: condition.values.filter(isText) }, report)
    },
)
