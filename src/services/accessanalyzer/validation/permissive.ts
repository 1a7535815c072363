import { globOf, intersects } from '../analysis/globs.ts'
import type { IssueCode } from './catalogue.ts'
import { type Check, hasWildcard } from './check.ts'
import { find, type Place, type StatementView } from './policy-view.ts'

// Statements that let roles be passed, or service-linked roles be made, more widely than their author may have meant.

type Shape =
  | 'STAR_IN_RESOURCE'
  | 'STAR_IN_ACTION_AND_RESOURCE'
  | 'STAR_IN_RESOURCE_AND_NOT_ACTION'
  | 'NOT_RESOURCE'
  | 'STAR_IN_ACTION_AND_NOT_RESOURCE'
  | 'NOT_ACTION_AND_NOT_RESOURCE'

type Wide = { readonly shape: Shape; readonly places: readonly Place[] }

/** All roles there are: `*`, or an ARN whose role part is nothing but a wildcard. */
const anyRole = (resource: string) =>
  resource === '*' || /^arn:[^:]*:(iam|\*):[^:]*:[^:]*:(\*|role\*?|role\/\*|role\/aws-service-role\/\*)$/.test(resource)

const wide = (statement: StatementView, action: string): Wide | undefined => {
  const { actions, actionElement, resources, resourceElement, spot } = statement
  if (statement.effect !== 'Allow' || !actionElement || !resourceElement) return undefined
  const fitting = actions.filter(({ node }) => intersects(globOf(node.text.toLowerCase()), globOf(action)))
  if (actionElement === 'NotAction' ? fitting.length > 0 : fitting.length === 0) return undefined
  const star = actionElement === 'Action' && fitting.every(({ node }) => hasWildcard(node.text))
  const actionPlaces = actionElement === 'Action' ? fitting : [find(spot, 'NotAction')!]
  if (resourceElement === 'NotResource') {
    const shape =
      actionElement === 'NotAction'
        ? 'NOT_ACTION_AND_NOT_RESOURCE'
        : star
          ? 'STAR_IN_ACTION_AND_NOT_RESOURCE'
          : 'NOT_RESOURCE'
    return { shape, places: [...actionPlaces, find(spot, 'NotResource')!] }
  }
  const open = resources.filter(({ node }) => anyRole(node.text))
  if (open.length === 0) return undefined
  const shape =
    actionElement === 'NotAction'
      ? 'STAR_IN_RESOURCE_AND_NOT_ACTION'
      : star
        ? 'STAR_IN_ACTION_AND_RESOURCE'
        : 'STAR_IN_RESOURCE'
  return { shape, places: [...actionPlaces, ...open] }
}

const passing: Readonly<Record<Shape, string>> = {
  STAR_IN_RESOURCE:
    'Using the iam:PassRole action with wildcards (*) in the resource can be overly permissive because it allows iam:PassRole permissions on multiple resources. We recommend that you specify resource ARNs or add the iam:PassedToService condition key to your statement.',
  STAR_IN_ACTION_AND_RESOURCE:
    'Using wildcards (*) in the action and the resource can be overly permissive because it allows iam:PassRole permissions on all resources. We recommend that you specify resource ARNs or add the iam:PassedToService condition key to your statement.',
  STAR_IN_RESOURCE_AND_NOT_ACTION:
    'Using a resource with wildcards (*) and NotAction can be overly permissive because it allows iam:PassRole permissions on all resources. We recommend that you specify resource ARNs or add the iam:PassedToService condition key to your statement.',
  NOT_RESOURCE:
    'Using the iam:PassRole action with NotResource can be overly permissive because it can allow iam:PassRole permissions on multiple resources. We recommend that you specify resource ARNs instead.',
  STAR_IN_ACTION_AND_NOT_RESOURCE:
    'Using an action with a wildcard (*) and NotResource can be overly permissive because it can allow iam:PassRole permissions on multiple resources. We recommend that you specify resource ARNs instead.',
  NOT_ACTION_AND_NOT_RESOURCE:
    'Using NotAction with NotResource can be overly permissive because it can allow iam:PassRole permissions on multiple resources.. We recommend that you specify resource ARNs instead.',
}

const linking: Readonly<Record<Shape, string>> = {
  STAR_IN_RESOURCE:
    'Using the iam:CreateServiceLinkedRole action with wildcards (*) in the resource can allow creation of unintended service-linked roles. We recommend that you specify resource ARNs instead.',
  STAR_IN_ACTION_AND_RESOURCE:
    'Using wildcards (*) in the action and the resource can allow creation of unintended service-linked roles because it allows iam:CreateServiceLinkedRole permissions on all resources. We recommend that you specify resource ARNs instead.',
  STAR_IN_RESOURCE_AND_NOT_ACTION:
    'Using a resource with wildcards (*) and NotAction can allow creation of unintended service-linked roles because it allows iam:CreateServiceLinkedRole permissions on all resources. We recommend that you specify resource ARNs instead.',
  NOT_RESOURCE:
    'Using the iam:CreateServiceLinkedRole action with NotResource can allow creation of unintended service-linked roles for multiple resources. We recommend that you specify resource ARNs instead.',
  STAR_IN_ACTION_AND_NOT_RESOURCE:
    'Using an action with a wildcard(*) and NotResource can allow creation of unintended service-linked roles because it can allow iam:CreateServiceLinkedRole permissions on multiple resources. We recommend that you specify resource ARNs instead.',
  NOT_ACTION_AND_NOT_RESOURCE:
    'Using NotAction with NotResource can allow creation of unintended service-linked roles because it allows iam:CreateServiceLinkedRole permissions on multiple resources. We recommend that you specify resource ARNs instead.',
}

const conditioned = ({ conditions }: StatementView, key: string) =>
  conditions.some((one) => one.key.toLowerCase() === key)

const check =
  (
    action: string,
    start: 'PASS_ROLE_WITH' | 'CREATE_SLR_WITH',
    sentences: Readonly<Record<Shape, string>>,
    key: string,
  ): Check =>
  ({ view, policyType, report }) => {
    if (policyType !== 'IDENTITY_POLICY') return
    for (const statement of view.statements) {
      const found = conditioned(statement, key) ? undefined : wide(statement, action)
      if (found) report(`${start}_${found.shape}` satisfies IssueCode, sentences[found.shape], ...found.places)
    }
  }

export const permissiveChecks: readonly Check[] = [
  check('iam:passrole', 'PASS_ROLE_WITH', passing, 'iam:passedtoservice'),
  check('iam:createservicelinkedrole', 'CREATE_SLR_WITH', linking, 'iam:awsservicename'),
]
