import type { JsonNode } from '../analysis/positioned-json.ts'
import type { Check, Subject } from './check.ts'
import { find, isText, itemsOf, keyIn, membersOf, type Spot } from './policy-view.ts'

// The document's own grammar: elements, their types, Version, Sid, Effect, size.

const documentElements = ['Version', 'Id', 'Statement']
const statementElements = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]
const versions = ['2012-10-17', '2008-10-17']

const mismatch = ({ report }: Subject, spot: Spot, type: string) =>
  report('DATA_TYPE_MISMATCH', `The text does not match the expected JSON data type ${type}.`, spot)

const elements: Check = (subject) => {
  const { view, report } = subject
  const { root } = view
  if (root.node.kind !== 'object') return mismatch(subject, root, 'Object')
  for (const { member } of membersOf(root))
    if (!documentElements.includes(member.key))
      report('INVALID_POLICY_ELEMENT', `The policy element ${member.key} is not valid.`, keyIn(root, member))
  for (const name of ['Version', 'Id'] as const) {
    const spot = find(root, name)
    if (spot && !isText(spot)) mismatch(subject, spot, 'String')
  }
  const statement = find(root, 'Statement')
  if (!statement || (statement.node.kind === 'array' && statement.node.items.length === 0))
    return report('MISSING_STATEMENT', 'Add a statement to the policy', statement ?? root)
  for (const spot of itemsOf(statement)) {
    if (spot.node.kind !== 'object') {
      mismatch(subject, spot, 'Object')
      continue
    }
    for (const { member } of membersOf(spot))
      if (!statementElements.includes(member.key))
        report('INVALID_POLICY_ELEMENT', `The policy element ${member.key} is not valid.`, keyIn(spot, member))
    types(subject, spot)
  }
}

const types = (subject: Subject, statement: Spot) => {
  for (const name of ['Sid', 'Effect'])
    for (const spot of present(statement, name)) if (!isText(spot)) mismatch(subject, spot, 'String')
  for (const name of ['Action', 'NotAction', 'Resource', 'NotResource'])
    for (const spot of present(statement, name))
      for (const item of itemsOf(spot)) if (!isText(item)) mismatch(subject, item, 'String')
  for (const spot of present(statement, 'Condition')) {
    if (spot.node.kind !== 'object') mismatch(subject, spot, 'Object')
    for (const operator of membersOf(spot)) {
      if (operator.spot.node.kind !== 'object') mismatch(subject, operator.spot, 'Object')
      for (const key of membersOf(operator.spot))
        for (const value of itemsOf(key.spot)) if (!isScalar(value.node)) mismatch(subject, value, 'String')
    }
  }
}

const isScalar = ({ kind }: JsonNode) => kind === 'string' || kind === 'number' || kind === 'boolean'

const present = (statement: Spot, name: string): Spot[] => {
  const spot = find(statement, name)
  return spot ? [spot] : []
}

const version: Check = ({ view, report }) => {
  const spot = find(view.root, 'Version')
  if (!spot)
    return view.root.node.kind === 'object'
      ? report(
          'MISSING_VERSION',
          'We recommend that you specify the Version element to help you with debugging permission issues.',
          view.root,
        )
      : undefined
  if (isText(spot) && !versions.includes(spot.node.text))
    report(
      'INVALID_VERSION',
      `The version ${spot.node.text} is not valid. Use one of the following versions: ${versions.join(', ')}`,
      spot,
    )
}

/** What every statement must have, and what must not stand side by side. */
const required: Check = ({ view, report, policyType, trust }) => {
  for (const statement of view.statements) {
    const { spot } = statement
    const effect = find(spot, 'Effect')
    if (!effect)
      report('MISSING_EFFECT', 'Add an Effect element to the policy statement with a value of Allow or Deny.', spot)
    else if (isText(effect) && !statement.effect)
      report('INVALID_EFFECT', `The effect ${effect.node.text} is not valid. Use Allow or Deny.`, effect)
    if (!statement.actionElement)
      report('MISSING_ACTION', 'Add an Action or NotAction element to the policy statement.', spot)
    if (!statement.resourceElement && policyType !== 'RESOURCE_POLICY')
      report('MISSING_RESOURCE', 'Add a Resource or NotResource element to the policy statement.', spot)
    if (!statement.principalElement && policyType === 'RESOURCE_POLICY')
      report('MISSING_PRINCIPAL', 'Add a Principal element to the policy statement.', spot)
    for (const [one, other] of [
      ['Action', 'NotAction'],
      ['Resource', 'NotResource'],
      ['Principal', 'NotPrincipal'],
    ] as const) {
      const [a, b] = [find(spot, one), find(spot, other)]
      if (a && b)
        report(
          'UNSUPPORTED_ELEMENT_COMBINATION',
          `The policy elements ${one} and ${other} can not be used in the same statement. Remove one of these elements.`,
          a,
          b,
        )
    }
    if (trust && statement.resourceElement)
      report(
        'ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE',
        'Role trust policies apply to the role that they are attached to. You cannot specify a resource. Remove the Resource or NotResource element.',
        find(spot, statement.resourceElement) ?? spot,
      )
  }
}

/** Elements that are there and say nothing. */
const empty: Check = ({ view, report }) => {
  for (const { spot, actionElement, resourceElement, principalElement } of view.statements) {
    const list = (name: string | undefined) => (name === undefined ? undefined : find(spot, name))
    const isEmpty = (one: Spot | undefined) => one?.node.kind === 'array' && one.node.items.length === 0
    const [actions, resources, principal] = [list(actionElement), list(resourceElement), list(principalElement)]
    if (actions && isEmpty(actions))
      report(
        'EMPTY_ARRAY_ACTION',
        'This statement includes no actions and does not affect the policy. Specify actions.',
        actions,
      )
    if (resources && isEmpty(resources))
      report(
        'EMPTY_ARRAY_RESOURCE',
        'This statement includes no resources and does not affect the policy. Specify resources.',
        resources,
      )
    const noPrincipals = 'This statement includes no principals and does not affect the policy. Specify principals.'
    if (principal?.node.kind === 'object' && principal.node.members.length === 0)
      report('EMPTY_OBJECT_PRINCIPAL', noPrincipals, principal)
    for (const { spot: one } of membersOf(principal))
      if (isEmpty(one)) report('EMPTY_ARRAY_PRINCIPAL', noPrincipals, one)
    const condition = find(spot, 'Condition')
    const emptyBlock = 'This condition block is empty and it does not affect the policy. Specify conditions.'
    if (condition?.node.kind === 'object' && condition.node.members.length === 0)
      report('EMPTY_OBJECT_CONDITION', emptyBlock, condition)
    for (const { spot: one } of membersOf(condition))
      if (one.node.kind === 'object' && one.node.members.length === 0) report('EMPTY_OBJECT_CONDITION', emptyBlock, one)
  }
}

const sids: Check = ({ view, report, policyType, trust }) => {
  const strict = policyType !== 'RESOURCE_POLICY'
  const seen = new Map<string, Spot[]>()
  for (const { sid } of view.statements) {
    if (!sid) continue
    const { text } = sid.node
    if (text === '') report('EMPTY_SID_VALUE', 'Add a value to the empty string in the Sid element.', sid)
    else if (strict && !/^[0-9A-Za-z]+$/.test(text))
      report(
        'UNSUPPORTED_SID',
        'Update the characters in the Sid element to use one of the following character types: [a-z, A-Z, 0-9]',
        sid,
      )
    if (text !== '') seen.set(text, [...(seen.get(text) ?? []), sid])
  }
  for (const same of seen.values()) {
    if (same.length < 2) continue
    if (strict || trust)
      report(
        'UNIQUE_SIDS_REQUIRED',
        'Duplicate statement IDs are not supported for this policy type. Update the Sid value.',
        ...same,
      )
    else
      report(
        'UNIQUE_SIDS_RECOMMENDED',
        'We recommend that you use statement IDs that are unique to your policy. Update the Sid value.',
        ...same,
      )
  }
}

/** Characters, where white space counts not and where it does. */
const size: Check = ({ text, view, report, policyType, resourceType, trust }) => {
  const bare = text.replaceAll(/\s/g, '').length
  const many = 'We recommend that you use multiple granular policies.'
  if (policyType === 'IDENTITY_POLICY' && bare > 6144)
    report(
      'POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA',
      `The ${bare} characters in the identity policy, excluding whitespace, exceed the 6144 character maximum for inline and managed policies. ${many}`,
      view.root,
    )
  if (policyType === 'SERVICE_CONTROL_POLICY' && text.length > 5120)
    report(
      'POLICY_SIZE_EXCEEDS_SCP_QUOTA',
      `The ${text.length} characters in the service control policy (SCP) exceed the 5120 character maximum for SCPs. ${many}`,
      view.root,
    )
  if (policyType === 'RESOURCE_CONTROL_POLICY' && text.length > 5120)
    report(
      'POLICY_SIZE_EXCEEDS_RCP_QUOTA',
      `The ${text.length} characters in the resource control policy (RCP) exceed the 5120 character maximum for RCPs. ${many}`,
      view.root,
    )
  if (trust && bare > 2048)
    report(
      'POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA',
      'The characters in the role trust policy, excluding whitespace, exceed the character maximum. We recommend that you request a role trust policy length quota increase using Service Quotas and AWS Support Center. If the quotas have already been increased, then you can ignore this warning.',
      view.root,
    )
  if (policyType === 'RESOURCE_POLICY' && resourceType?.startsWith('AWS::S3') && text.length > 20480)
    report(
      'POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA',
      `The ${text.length} characters in the resource policy exceed the 20480 character maximum for resource policies. ${many}`,
      view.root,
    )
}

export const grammarChecks: readonly Check[] = [elements, version, required, empty, sids, size]
