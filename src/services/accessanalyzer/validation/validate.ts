import { JsonSyntaxError, positionsIn, readPositioned } from '../analysis/positioned-json.ts'
import { actionChecks } from './actions.ts'
import { type FindingKind, type IssueCode, kindOf, learnMoreLink } from './catalogue.ts'
import type { Check, Issue, PolicyType, Subject } from './check.ts'
import { conditionValueChecks } from './condition-values.ts'
import { conditionChecks } from './conditions.ts'
import { controlPolicyChecks } from './control-policies.ts'
import { grammarChecks } from './grammar.ts'
import { permissiveChecks } from './permissive.ts'
import { type PathElement, type Place, type PolicyView, policyViewOf } from './policy-view.ts'
import { principalChecks } from './principals.ts'
import { redundancyChecks } from './redundancy.ts'
import { resourceChecks } from './resources.ts'
import { allServices, resourceControlledServices, type ServiceModel, serviceModelOf } from './service-models.ts'
import { variableChecks } from './variables.ts'

export type PolicyFinding = {
  readonly findingType: FindingKind
  readonly issueCode: IssueCode
  readonly findingDetails: string
  readonly learnMoreLink: string
  readonly locations: readonly {
    readonly path: readonly PathElement[]
    readonly span: { readonly start: Position; readonly end: Position }
  }[]
}
type Position = ReturnType<ReturnType<typeof positionsIn>>

export type Question = {
  readonly text: string
  readonly policyType: PolicyType
  readonly resourceType?: string | undefined
}

/** Findings that one policy may have: what has more is broken in one and the same way. */
const MOST = 1000

/** Services whose names stand in actions, ARNs and condition keys. */
const prefixesIn = (view: PolicyView): Set<string> => {
  const prefixes = new Set<string>()
  for (const { actions, resources, conditions } of view.statements) {
    for (const { node } of actions) prefixes.add(node.text.slice(0, Math.max(0, node.text.indexOf(':'))).toLowerCase())
    for (const { node } of resources) if (node.text.startsWith('arn:')) prefixes.add(node.text.split(':')[2] ?? '')
    for (const { key } of conditions) {
      const prefix = key.slice(0, Math.max(0, key.indexOf(':'))).toLowerCase()
      prefixes.add(prefix.includes('.') || prefix === 'saml' ? 'sts' : prefix)
    }
  }
  return prefixes
}

const modelsOf = async (view: PolicyView): Promise<Map<string, ServiceModel>> => {
  const models = new Map<string, ServiceModel>()
  for (const prefix of [...prefixesIn(view)].slice(0, 500)) {
    const model = await serviceModelOf(prefix)
    if (!model) continue
    models.set(prefix, model)
    // Keys of identity providers are listed with STS, under the provider's host.
    if (prefix === 'sts')
      for (const key of model.keys.keys()) {
        const host = key.slice(0, key.indexOf(':'))
        if (host.includes('.') || host === 'saml') models.set(host, model)
      }
  }
  return models
}

const isTrust = (view: PolicyView, { policyType, resourceType }: Question): boolean => {
  if (policyType !== 'RESOURCE_POLICY') return false
  if (resourceType !== undefined) return resourceType === 'AWS::IAM::AssumeRolePolicyDocument'
  return (
    view.statements.length > 0 &&
    view.statements.every(
      ({ actions, resourceElement }) =>
        resourceElement === undefined && actions.length > 0 && actions.every(({ node }) => /^sts:/i.test(node.text)),
    )
  )
}

/**
 * Findings of a policy (IAM user guide, "Validate policies with IAM Access Analyzer" and "IAM policy validation check
 * reference"), with places in its text. Text that is no JSON has that one finding.
 */
export const validatePolicy = async (question: Question): Promise<PolicyFinding[]> => {
  const { text, policyType, resourceType } = question
  const position = positionsIn(text)
  const toFinding = ({ code, details, places }: Issue): PolicyFinding => ({
    findingType: kindOf(code),
    issueCode: code,
    findingDetails: details,
    learnMoreLink: learnMoreLink(code),
    locations: places.map(({ path, node }) => ({
      path,
      span: { start: position(node.start), end: position(node.end) },
    })),
  })
  let view: PolicyView
  try {
    view = policyViewOf(readPositioned(text))
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    const { line, column, offset } = position(error.offset)
    const place: Place = { path: [], node: { start: offset, end: offset } }
    return [
      toFinding({
        code: 'JSON_SYNTAX_ERROR',
        details: `Fix the JSON syntax error at index ${offset} line ${line} column ${column}.`,
        places: [place],
      }),
    ]
  }
  const issues: Issue[] = []
  const subject: Subject = {
    text,
    view,
    policyType,
    resourceType,
    trust: isTrust(view, question),
    services: await modelsOf(view),
    report: (code, details, ...places) => {
      if (issues.length < MOST) issues.push({ code, details, places })
    },
  }
  const checks: readonly Check[] = [
    ...grammarChecks,
    ...actionChecks(await allServices()),
    ...resourceChecks,
    ...principalChecks,
    ...conditionChecks,
    ...conditionValueChecks,
    ...variableChecks,
    ...controlPolicyChecks(await resourceControlledServices()),
    ...permissiveChecks,
    ...redundancyChecks,
  ]
  for (const check of checks) check(subject)
  const seen = new Set<string>()
  return issues
    .filter(({ code, details, places }) => {
      const key = `${code} ${details} ${places.map(({ node }) => `${node.start}-${node.end}`).join()}`
      return !seen.has(key) && seen.add(key)
    })
    .map(toFinding)
}
