import { isConditionOperator } from '../../../policy/condition.ts'
import { type Check, hasVariable, hasWildcard, type Subject } from './check.ts'
import { type ConditionView, isText, type StatementView } from './policy-view.ts'
import { actionKnowsKey, globalKeyType, keyTypeOf } from './service-models.ts'

// Condition operators and keys: whether they exist and fit each other. Their values are looked at in condition-values.ts.

const isMultivalued = (type: string) => /^ArrayOf/i.test(type)

/** The family of operators that a key's type asks for, as findings name it. */
const familyOfType = (type: string): string => {
  const single = type.replace(/^ArrayOf/i, '').toLowerCase()
  if (single.startsWith('bool')) return 'Bool'
  if (single === 'arn') return 'ARN'
  if (single === 'numeric' || single === 'number' || single === 'long' || single === 'integer') return 'Numeric'
  if (single === 'date') return 'Date'
  if (single.startsWith('ip')) return 'IPAddress'
  if (single === 'binary') return 'Binary'
  return 'String'
}

const operatorFamily = (base: string): string => {
  const lower = base.toLowerCase()
  if (lower.endsWith('ipaddress')) return 'IPAddress'
  if (lower.startsWith('arn')) return 'ARN'
  for (const family of ['String', 'Numeric', 'Date', 'Bool', 'Binary', 'Null'])
    if (lower.startsWith(family.toLowerCase())) return family
  return ''
}

/** A federated identity provider's keys are named after its host. */
export const isProviderKey = (key: string): boolean => {
  const prefix = key.slice(0, key.lastIndexOf(':'))
  return prefix.includes('.') || /^(saml|sts)$/i.test(prefix)
}

export const typeOfKey = ({ services }: Subject, key: string): string | undefined => {
  const global = globalKeyType(key)
  if (global !== undefined) return global
  const model = services.get(key.slice(0, key.indexOf(':')).toLowerCase())
  return model && keyTypeOf(model, key)
}

const eachCondition = (subject: Subject, look: (condition: ConditionView, statement: StatementView) => void) => {
  for (const statement of subject.view.statements)
    for (const condition of statement.conditions) look(condition, statement)
}

const canonical = (condition: ConditionView) =>
  `${condition.set ? `${condition.set}:` : ''}${condition.base}${condition.ifExists ? 'IfExists' : ''}`

const operators: Check = (subject) => {
  const { report } = subject
  const told = new Set<number>()
  eachCondition(subject, (condition) => {
    const { operatorText, operatorPlace, base, ifExists, set } = condition
    if (told.has(operatorPlace.node.start)) return
    told.add(operatorPlace.node.start)
    if (base === 'Null' && ifExists)
      report(
        'NULL_WITH_IF_EXISTS',
        'The Null condition operator cannot be used with the IfExists suffix. Update the operator or the suffix.',
        operatorPlace,
      )
    else if (!isConditionOperator(canonical(condition)))
      report(
        'INVALID_CONDITION_OPERATOR',
        `The condition operator ${operatorText} is not valid. Use a valid condition operator.`,
        operatorPlace,
      )
    if (base === 'Null' && set)
      report(
        'NULL_WITH_QUALIFIER',
        'Avoid using the Null condition operator with the ForAllValues or ForAnyValue qualifiers because they always return a true or false respectively.',
        operatorPlace,
      )
  })
}

const tagFamilies = ['aws:principaltag', 'aws:requesttag', 'aws:resourcetag']

const keys: Check = (subject) => {
  const { report, services, policyType } = subject
  eachCondition(subject, ({ key, keyPlace }) => {
    const lower = key.toLowerCase()
    const colon = key.indexOf(':')
    if (colon <= 0 || colon === key.length - 1 || /\s/.test(key.slice(0, colon)))
      return report(
        'INVALID_CONDITION_KEY_FORMAT',
        'The condition key format is not valid. Use the format service:keyname.',
        keyPlace,
      )
    const bare = lower.replace(/\/$/, '')
    if (tagFamilies.includes(bare) || /^[a-z0-9-]+:(resourcetag|requesttag)$/.test(bare))
      return report(
        'MISSING_TAG_KEY_IN_CONDITION',
        `The condition key ${key.replace(/\/$/, '')}/ must include a tag key to control access based on tags. Use the format ${key.replace(/\/$/, '')}/tag-key and specify a key name for tag-key.`,
        keyPlace,
      )
    if (lower === 'aws:arn')
      return policyType === 'RESOURCE_POLICY'
        ? report(
            'UNSUPPORTED_GLOBAL_CONDITION_KEY',
            'The condition key aws:ARN is not supported. Use aws:PrincipalArn or aws:SourceArn instead.',
            keyPlace,
          )
        : report(
            'DEPRECATED_GLOBAL_CONDITION_KEY',
            'We recommend that you update aws:ARN to use the newer condition key aws:PrincipalArn.',
            keyPlace,
          )
    if (globalKeyType(key) !== undefined || isProviderKey(key)) return
    const prefix = lower.slice(0, colon)
    if (prefix === 'aws')
      return report(
        'INVALID_GLOBAL_CONDITION_KEY',
        `The condition key ${key} does not exist. Use a valid condition key.`,
        keyPlace,
      )
    const model = services.get(prefix)
    if (!model)
      return report(
        'INVALID_SERVICE',
        `The service ${key.slice(0, colon)} does not exist. Use a valid service name.`,
        keyPlace,
      )
    if (keyTypeOf(model, key) === undefined)
      report(
        'INVALID_SERVICE_CONDITION_KEY',
        `The condition key ${key} does not exist in the service ${model.prefix}. Use a valid condition key.`,
        keyPlace,
      )
  })
  for (const { conditions } of subject.view.statements) {
    const seen = new Map<string, ConditionView>()
    for (const condition of conditions) {
      const name = `${condition.operatorText}\n${condition.key.toLowerCase()}`
      const before = seen.get(name)
      if (before && before.key !== condition.key)
        report(
          'DUPLICATE_KEYS_WITH_DIFFERENT_CASE',
          `The condition key ${condition.key} appears more than once with different capitalization in the same condition block. Remove the duplicate condition keys.`,
          before.keyPlace,
          condition.keyPlace,
        )
      seen.set(name, condition)
    }
  }
}

/** Operators of another type than the key has. */
const types: Check = (subject) => {
  const { report } = subject
  eachCondition(subject, (condition, { effect }) => {
    const { key, base, set, operatorText, keyPlace, operatorPlace } = condition
    const type = typeOfKey(subject, key)
    const family = operatorFamily(base)
    if (type === undefined || family === '' || family === 'Null') return
    const wanted = familyOfType(type)
    const fits =
      wanted === family ||
      (wanted === 'ARN' && family === 'String') ||
      (wanted === 'Date' && family === 'Numeric') ||
      (key.toLowerCase() === 'aws:epochtime' && family === 'Date')
    if (!fits)
      report(
        'TYPE_MISMATCH',
        `Use the operator type ${wanted} instead of operator ${operatorText} for the condition key ${key}.`,
        operatorPlace,
        keyPlace,
      )
    else if (
      wanted === 'ARN' &&
      /^StringLike$|^StringNotLike$/i.test(base) &&
      condition.values.some((value) => isText(value) && hasWildcard(value.node.text))
    )
      report(
        'STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS',
        `Use the operator type ARN instead of operator ${operatorText} for the condition key ${key}.`,
        operatorPlace,
        keyPlace,
      )
    if (isMultivalued(type)) {
      if (!set)
        report(
          'MISSING_QUALIFIER',
          `The request context key ${key} has multiple values. Use the ForAllValues or ForAnyValue condition key qualifiers in your policy.`,
          keyPlace,
        )
    } else if (set && /:aud$/i.test(key) && isProviderKey(key))
      report(
        'CONFIRM_AUDIENCE_CLAIM_TYPE',
        `The "${key}" (audience) claim key identifies the recipients that the JSON web token is intended for. Because this claim is single-valued, do not use a qualifier.`,
        keyPlace,
      )
    else if (set === 'ForAllValues' && effect === 'Allow')
      report(
        'FORALLVALUES_WITH_SINGLE_VALUED_KEY',
        `Using ForAllValues qualifier with the single-valued condition key ${key} can be overly permissive. We recommend that you remove ForAllValues:.`,
        keyPlace,
      )
  })
}

/** Explicit actions that never carry the service's own key. */
const actions: Check = (subject) => {
  const { report, services } = subject
  eachCondition(subject, ({ key, value }, { actionElement, actions }) => {
    if (actionElement !== 'Action') return
    const lower = key.toLowerCase()
    if (lower.startsWith('aws:') || globalKeyType(key) !== undefined || typeOfKey(subject, key) === undefined) return
    if (!services.has(lower.slice(0, lower.indexOf(':'))) && !isProviderKey(key)) return
    const unsupported = actions.filter(({ node: { text } }) => {
      const [prefix = '', name = ''] = text.toLowerCase().split(':')
      const action = hasWildcard(text) ? undefined : services.get(prefix)?.actions.get(name)
      return action !== undefined && !actionKnowsKey(action, key)
    })
    if (unsupported.length > 0)
      report(
        'UNSUPPORTED_ACTION_FOR_CONDITION_KEY',
        `The following actions: ${unsupported.map(({ node }) => node.text).join(', ')} are not supported by the condition key ${key}. The condition will not be evaluated for these actions. We recommend that you move these actions to a different statement without this condition key.`,
        ...unsupported,
        value,
      )
  })
}

const resourceTag = 'aws:resourcetag/'

/** Services of which no action knows tags of resources. */
const tags: Check = (subject) => {
  const { report, services } = subject
  eachCondition(subject, ({ key, keyPlace, base, ifExists }, { effect, actionElement, actions }) => {
    if (!key.toLowerCase().startsWith(resourceTag) || base === 'Null' || ifExists || !effect) return
    if (actionElement === 'NotAction')
      return effect === 'Deny'
        ? report(
            'DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
            `Using the effect Deny with NotAction and the tag condition key ${key} can be overly permissive because some service actions are not denied by this statement. This is because the condition key doesn't apply to some service actions. We recommend that you use Action instead of NotAction.`,
            keyPlace,
          )
        : report(
            'ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
            `Using the effect Allow with NotAction and the tag condition key ${key} allows only service actions that support the condition key. The condition key doesn't apply to some service actions. We recommend that you use Action instead of NotAction.`,
            keyPlace,
          )
    const lacking = new Set<string>()
    for (const { node } of actions) {
      const model = services.get((node.text.split(':')[0] ?? '').toLowerCase())
      if (model && ![...model.actions.values()].some((action) => actionKnowsKey(action, key))) lacking.add(model.prefix)
    }
    if (lacking.size === 0) return
    const names = [...lacking].join(', ')
    if (effect === 'Deny')
      report(
        'DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
        `Using the effect Deny with the tag condition key ${key} and actions for services with the following prefixes can be overly permissive: ${names}. Actions for the listed services are not denied by this statement. We recommend that you move these actions to a different statement without this condition key.`,
        keyPlace,
      )
    else
      report(
        'ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
        `Using the effect Allow with the tag condition key ${key} and actions for services with the following prefixes does not affect the policy: ${names}. Actions for the listed service are not allowed by this statement. We recommend that you move these actions to a different statement without this condition key.`,
        keyPlace,
      )
  })
}

/** Keys that are safer with another beside them, and keys that callers fill as they like. */
const pairs: Readonly<Record<string, readonly string[]>> = { 'aws:vpcsourceip': ['aws:SourceVpc', 'aws:SourceVpce'] }
const spoofed = ['aws:referer', 'aws:useragent']

const company: Check = (subject) => {
  const { report, resourceType } = subject
  eachCondition(subject, ({ key, keyPlace }, { conditions, effect }) => {
    const lower = key.toLowerCase()
    const wanted = pairs[lower]
    if (
      wanted &&
      effect === 'Allow' &&
      !conditions.some((one) => wanted.some((name) => name.toLowerCase() === one.key.toLowerCase()))
    )
      report(
        'MISSING_PAIRED_CONDITION_KEYS',
        `Using the condition key ${key} can be overly permissive without also using the following condition keys: ${wanted.join(', ')}. Condition keys like this one are more secure when paired with a related key. We recommend that you add the related condition keys to the same condition block.`,
        keyPlace,
      )
    if (spoofed.includes(lower) && effect === 'Allow')
      report(
        'UNTRUSTWORTHY_CONDITION_KEY',
        `The ${key} condition key is not recommended for access control as it can be spoofed/manipulated by the caller.`,
        keyPlace,
      )
    if (
      lower === 's3:resourceaccount' &&
      (resourceType === 'AWS::S3::Bucket' || resourceType === 'AWS::S3::AccessPoint')
    )
      report(
        'IRRELEVANT_CONDITION_KEY_IN_POLICY',
        `The condition key ${key} is not relevant for the ${resourceType} policy.  Use this key in an identity-based policy to govern access to this resource.`,
        keyPlace,
      )
  })
}

/** A run by itself matches whatever is there. */
const always: Check = (subject) => {
  const { report } = subject
  eachCondition(subject, ({ key, keyPlace, base, operatorText, values, set }, _statement) => {
    if (set || !values.some((value) => isText(value) && value.node.text === '*' && !hasVariable(value.node.text)))
      return
    if (/^StringNotLike$|^ArnNot(Like|Equals)$/i.test(base))
      report(
        'REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION',
        `The key ${key} in the condition block of ${operatorText} does not match any values. Remove this key to simplify the condition.`,
        keyPlace,
      )
    else if (/^StringLike$|^Arn(Like|Equals)$/i.test(base) && /IfExists$/i.test(operatorText))
      report(
        'REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION',
        `The key ${key} in the condition block of ${operatorText} is redundant because it is always matched. Remove this key to simplify the condition.`,
        keyPlace,
      )
  })
}

export const conditionChecks: readonly Check[] = [operators, keys, types, actions, tags, company, always]
