import { type Check, hasWildcard } from './check.ts'
import { find, isText } from './policy-view.ts'

// What only service and resource control policies are held to (Organizations user guide, "SCP syntax", "RCP syntax").

const service: Check = ({ view, policyType, report }) => {
  if (policyType !== 'SERVICE_CONTROL_POLICY') return
  for (const { spot, principalElement, actions } of view.statements) {
    if (principalElement)
      report(
        'SCP_SYNTAX_ERROR_PRINCIPAL',
        'SCPs do not support specifying principals. Remove the Principal or NotPrincipal element.',
        find(spot, principalElement)!,
      )
    for (const action of actions)
      if (hasWildcard(action.node.text.replace(/\*$/, '')))
        report(
          'SCP_SYNTAX_ERROR_ACTION_WILDCARD',
          'SCP actions can include wildcards (*) only at the end of a string. Update.',
          action,
        )
  }
}

/** Keys of callers, which services acting for them do not carry. */
const principalKey = /^aws:principal(account|orgid|orgpaths|arn|tag\/.*)$/i
const sourceKey = /^aws:source(account|orgid|orgpaths|arn)$/i

const resource =
  (controlled: readonly string[]): Check =>
  ({ view, policyType, report }) => {
    if (policyType !== 'RESOURCE_CONTROL_POLICY') return
    for (const {
      spot,
      effect,
      principalElement,
      actionElement,
      actions,
      resources,
      resourceElement,
      conditions,
    } of view.statements) {
      const principal = principalElement ? find(spot, principalElement) : undefined
      if (principalElement !== 'Principal' || !principal || !isText(principal) || principal.node.text !== '*')
        report(
          'RCP_SYNTAX_ERROR_PRINCIPAL',
          'The Principal element contents are not valid. RCPs only support specifying all principals ("*") in the Principal element. The NotPrincipal element is not supported for RCPs.',
          principal ?? spot,
        )
      if (
        effect === 'Allow' &&
        (conditions.length > 0 || resourceElement !== 'Resource' || resources.some(({ node }) => node.text !== '*'))
      )
        report(
          'RCP_SYNTAX_ERROR_ALLOW',
          'RCPs only support specifying all principals ("*") in the Principal element, all resources ("*") in the Resource element, and no Condition element with an effect of Allow.',
          spot,
        )
      if (actionElement === 'NotAction')
        report(
          'RCP_SYNTAX_ERROR_NOTACTION',
          'RCPs do not support the NotAction element. Update to use the Action element.',
          find(spot, 'NotAction')!,
        )
      for (const action of actions) {
        const [prefix = ''] = action.node.text.toLowerCase().split(':')
        const allowed = effect === 'Allow' && action.node.text === '*'
        if (!allowed && !controlled.includes(prefix))
          report(
            'RCP_SYNTAX_ERROR_ACTION',
            'RCPs only support specifying select service prefixes in the Action element. Learn more here.',
            action,
          )
      }
      if (effect !== 'Deny') continue
      const has = (key: string) => conditions.some((one) => one.key.toLowerCase() === key)
      for (const { key, keyPlace } of conditions) {
        if (principalKey.test(key) && !has('aws:principalisawsservice'))
          report(
            'RCP_MISSING_RELATED_PRINCIPAL_CONDITION_KEY',
            `RCPs impact IAM roles, users, and AWS service principals. To prevent unintended impact to services acting on your behalf using a service principal, an additional statement should be added to the Condition block "BoolIfExists": { "aws:PrincipalIsAWSService": "false"} whenever a principal key ${key} is used.`,
            keyPlace,
          )
        if (!sourceKey.test(key)) continue
        if (!has('aws:principalisawsservice'))
          report(
            'RCP_MISSING_RELATED_SERVICE_PRINCIPAL_CONDITION_KEY',
            `RCPs impact IAM roles, users, and AWS service principals. To prevent unintended impact to your principals, an additional statement should be added to the Condition block "BoolIfExists": { "aws:PrincipalIsAWSService": "true"} whenever the key ${key} is used.`,
            keyPlace,
          )
        const guarded = conditions.some((one) => one.base === 'Null' && /^aws:source(account|arn)$/i.test(one.key))
        if (/^aws:sourceorg(id|paths)$/i.test(key) && !guarded)
          report(
            'RCP_MISSING_SERVICE_CONDITION_KEY_NULL_CHECK',
            `The specified service may have a service integration that does not require the use of the ${key} condition key. To prevent unintended impact to services acting on your behalf using a service principal, an additional statement should be added to the Condition block "Null": { "aws:SourceAccount": "false"} or "Null": { "aws:SourceArn": "false"} whenever the key ${key} is used.`,
            keyPlace,
          )
      }
    }
  }

export const controlPolicyChecks = (controlled: readonly string[]): readonly Check[] => [service, resource(controlled)]
