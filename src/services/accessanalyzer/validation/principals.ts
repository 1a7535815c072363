import { type Check, hasVariable, hasWildcard } from './check.ts'
import { isProviderKey } from './conditions.ts'
import { find, isText, itemsOf, keyIn, membersOf, type StatementView } from './policy-view.ts'

// Who a policy names, and for roles' trust policies, with which actions and conditions.

const principalKeys = ['AWS', 'CanonicalUser', 'Federated', 'Service']
const sourceKeys = ['aws:sourcearn', 'aws:sourceaccount', 'aws:sourceorgid', 'aws:sourceorgpaths']

const element = ({ spot, principalElement }: StatementView) =>
  principalElement ? find(spot, principalElement) : undefined

const elements: Check = ({ view, policyType, report, trust }) => {
  if (policyType === 'SERVICE_CONTROL_POLICY' || policyType === 'RESOURCE_CONTROL_POLICY') return
  for (const statement of view.statements) {
    const principal = element(statement)
    if (!principal) continue
    if (policyType === 'IDENTITY_POLICY') {
      report(
        'UNSUPPORTED_PRINCIPAL',
        `The policy type ${policyType} does not support the Principal element. Remove the Principal element.`,
        principal,
      )
      continue
    }
    if (trust && statement.principalElement === 'NotPrincipal')
      report(
        'ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL',
        'Role trust policies do not support NotPrincipal. Update the policy to use a Principal element instead.',
        principal,
      )
    else if (statement.principalElement === 'NotPrincipal' && statement.effect === 'Allow')
      report(
        'ALLOW_WITH_NOT_PRINCIPAL',
        'Using Allow with NotPrincipal can be overly permissive. We recommend that you use Principal instead.',
        principal,
      )
    if (isText(principal)) {
      if (principal.node.text !== '*')
        report(
          'INVALID_PRINCIPAL_FORMAT',
          'The Principal element contents are not valid. Specify a key-value pair in the Principal element.',
          principal,
        )
      else if (trust && statement.effect === 'Allow' && statement.conditions.length === 0)
        report(
          'ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL',
          '"Principal:" "*" is not supported in the principal element of a role trust policy. Replace the wildcard with a valid principal value.',
          principal,
        )
      continue
    }
    if (principal.node.kind !== 'object') {
      report(
        'INVALID_PRINCIPAL_FORMAT',
        'The Principal element contents are not valid. Specify a key-value pair in the Principal element.',
        principal,
      )
      continue
    }
    for (const { member, spot } of membersOf(principal)) {
      if (!principalKeys.includes(member.key))
        report('INVALID_PRINCIPAL_KEY', `The principal key ${member.key} is not valid.`, keyIn(principal, member))
      for (const item of itemsOf(spot))
        if (!isText(item))
          report('DATA_TYPE_MISMATCH', 'The text does not match the expected JSON data type String.', item)
    }
  }
}

const names: Check = ({ view, policyType, report, trust }) => {
  if (policyType !== 'RESOURCE_POLICY') return
  for (const statement of view.statements) {
    if (!element(statement) || isText(element(statement)!)) continue
    for (const { type, name, spot } of statement.principals) {
      if (hasVariable(name)) continue
      if (hasWildcard(name) && !(type === 'AWS' && name === '*'))
        report(
          'UNSUPPORTED_WILDCARD_IN_PRINCIPAL',
          `Wildcards (*, ?) are not supported with the principal key ${type}. Replace the wildcard with a valid principal value.`,
          spot,
        )
      else if (type === 'AWS' && /^AROA[A-Z0-9]{12,}$/.test(name))
        report(
          'INVALID_ROLE_REFERENCE',
          `The Principal element includes the IAM role ID ${name}. We recommend that you use a role ARN instead.`,
          spot,
        )
      else if (type === 'AWS' && /^AIDA[A-Z0-9]{12,}$/.test(name))
        report(
          'INVALID_USER_REFERENCE',
          `The Principal element includes the IAM user ID ${name}. We recommend that you use a user ARN instead.`,
          spot,
        )
      else if (
        type === 'Service' &&
        !/^[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|aws\.internal|amazon\.com|aws\.com)$/.test(name)
      )
        report(
          'INVALID_SERVICE_PRINCIPAL_FORMAT',
          'The service principal does not match the expected format. Use the format service-name.amazonaws.com.',
          spot,
        )
      else if (type === 'Federated' && !trust)
        report(
          'FEDERATED_PRINCIPAL_NOT_SUPPORTED',
          'The policy type does not support a federated identity provider in the principal element. Use a supported principal.',
          spot,
        )
      else if (
        type === 'Federated' &&
        !/^arn:[^:]+:iam::\d{12}:(saml-provider|oidc-provider)\/.+$/.test(name) &&
        !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(name)
      )
        report(
          'INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY',
          'The principal value specifies a federated principal that does not match the expected format. Update the federated principal to a domain name or a SAML metadata ARN.',
          spot,
        )
    }
  }
}

/** Services act for many: who asked them belongs into a condition. */
const services: Check = ({ view, policyType, report, trust }) => {
  if (policyType !== 'RESOURCE_POLICY') return
  for (const { effect, principals, principalElement, conditions } of view.statements) {
    const named = principals.filter(({ type }) => type === 'Service')
    if (effect !== 'Allow' || principalElement !== 'Principal' || named.length === 0) continue
    const keys = conditions.map(({ key }) => key.toLowerCase())
    const only = named.length === principals.length
    const ofPrincipal = conditions.filter(({ key }) =>
      /^aws:principal(orgid|orgpaths|account|arn|tag\/.*|type)$/i.test(key),
    )
    if (only && ofPrincipal.length > 0)
      report(
        'UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL',
        `The following condition keys are not supported when used with the service principal: ${ofPrincipal.map(({ key }) => key).join(', ')}.`,
        ...ofPrincipal.map(({ keyPlace }) => keyPlace),
      )
    if (trust || keys.some((key) => sourceKeys.includes(key))) continue
    const substitute = conditions.find(({ key }) => /^aws:(referer|sourceowner)$/i.test(key))
    if (substitute) {
      for (const { name } of named)
        report(
          'RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL',
          `To restrict access to the service principal ${name.split('.')[0]} operating on your behalf, we recommend aws:SourceArn, aws:SourceAccount, aws:SourceOrgID, or aws:SourceOrgPaths instead of ${substitute.key}.`,
          substitute.keyPlace,
        )
      continue
    }
    report(
      'RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL',
      'Granting access to a service principal without specifying a source is overly permissive. Use aws:SourceArn, aws:SourceAccount, aws:SourceOrgID, or aws:SourceOrgPaths condition key to grant fine-grained access.',
      ...named.map(({ spot }) => spot),
    )
  }
}

const isSaml = (name: string) => name.includes(':saml-provider/')
const providerHost = (name: string) => name.replace(/^arn:.*:oidc-provider\//, '')
const samlAction = 'sts:assumerolewithsaml'
const webAction = 'sts:assumerolewithwebidentity'
const github = 'token.actions.githubusercontent.com'

/** Which action fits which kind of principal. */
const trustActions: Check = ({ view, report, trust }) => {
  if (!trust) return
  for (const { actions, principals, actionElement } of view.statements) {
    if (actionElement !== 'Action') continue
    for (const action of actions) {
      const { text } = action.node
      const lower = text.toLowerCase()
      if (![samlAction, webAction, 'sts:assumerole'].includes(lower)) continue
      const wrong = principals.filter(({ type, name }) => {
        if (name === '*') return false
        if (lower === 'sts:assumerole') return type === 'Federated'
        if (type !== 'Federated') return !actions.some(({ node }) => node.text.toLowerCase() === 'sts:assumerole')
        return isSaml(name) === (lower === webAction) && actions.length === 1
      })
      if (wrong.length > 0)
        report(
          'MISMATCHED_ACTION_FOR_PRINCIPAL',
          `The ${text} action is invalid with the following principal(s): ${wrong.map(({ name }) => name).join(', ')}. Use a SAML provider principal with the sts:AssumeRoleWithSAML action or use an OIDC provider principal with the sts:AssumeRoleWithWebIdentity action. Ensure the provider is Federated if you use either of the two options.`,
          action,
          ...wrong.map(({ spot }) => spot),
        )
    }
  }
}

const trustNeeds: Check = ({ view, report, trust }) => {
  if (!trust) return
  for (const { effect, actions, principals, conditions, spot } of view.statements) {
    if (effect !== 'Allow') continue
    const has = (action: string) =>
      actions.some(({ node }) => node.text.toLowerCase() === action || node.text === '*' || /^sts:\*$/i.test(node.text))
    if (
      principals.some(({ name }) => name === 'rolesanywhere.amazonaws.com') &&
      !['sts:assumerole', 'sts:setsourceidentity', 'sts:tagsession'].every(has)
    )
      report(
        'MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY',
        'The rolesanywhere.amazonaws.com service principal requires the sts:AssumeRole, sts:SetSourceIdentity, and sts:TagSession permissions to assume a role. Add the missing permissions to the policy.',
        find(spot, 'Action') ?? spot,
      )
    for (const { key, keyPlace } of conditions) {
      const lower = key.toLowerCase()
      const needed =
        lower === 'sts:sourceidentity'
          ? 'sts:SetSourceIdentity'
          : lower.startsWith('aws:requesttag/') || lower === 'sts:transitivetagkeys'
            ? 'sts:TagSession'
            : undefined
      if (needed && !has(needed.toLowerCase()))
        report(
          'MISSING_ACTION_FOR_CONDITION_KEY',
          `The ${needed} action must be in the action block to allow setting values for the condition key ${key}. Add ${needed} to the action block.`,
          find(spot, 'Action') ?? spot,
          keyPlace,
        )
    }
  }
}

const providers: Check = ({ view, report, trust }) => {
  if (!trust) return
  for (const { effect, principals, conditions } of view.statements) {
    if (effect !== 'Allow') continue
    for (const { type, name, spot } of principals) {
      if (type !== 'Federated' || isSaml(name)) continue
      const host = providerHost(name).toLowerCase()
      const own = conditions.filter(({ key }) => isProviderKey(key) && key.toLowerCase().startsWith(`${host}:`))
      if (host === github && !own.some(({ key }) => /:(sub|job_workflow_ref|repository.*)$/i.test(key))) {
        report(
          'MISSING_GITHUB_REPO_CONDITION_KEY',
          'Granting a federated GitHub principal permissions without a condition key can allow more sources to assume the role than you intended. Add the token.actions.githubusercontent.com:sub condition key and specify the branch and repository name in the value.',
          spot,
        )
        continue
      }
      if (own.length === 0)
        report(
          'MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL',
          'Using an Open ID Connect principal without a condition can be overly permissive. Add condition keys with a prefix that matches your federated OIDC principals to ensure that only the intended identity provider assumes the role.',
          spot,
        )
    }
    for (const { key, values } of conditions) {
      if (key.toLowerCase() !== `${github}:sub`) continue
      // `repo:owner/name:…`: a wildcard in the owner or the name lets others in.
      for (const value of values)
        if (isText(value) && hasWildcard(value.node.text.replace(/^(repo:[^*?:/]+\/[^*?:]+:).*$/, '$1')))
          report(
            'SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED',
            'Using a wildcard (*) in token.actions.githubusercontent.com:sub can allow requests from more sources than you intended. Specify the value of token.actions.githubusercontent.com:sub with the repository and branch name. If the subject claim does not include the branch, specify it in a token.actions.githubusercontent.com:ref condition key.',
            value,
          )
    }
  }
}

/** A session of a role that is named itself. */
const sessions: Check = ({ view, report, trust }) => {
  if (!trust) return
  for (const { principals } of view.statements) {
    const roles = new Map(
      principals.flatMap(({ name }) => {
        const found = /^arn:[^:]+:iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(name)
        return found ? [[`${found[1]}/${found[2]}`, name] as const] : []
      }),
    )
    for (const { name, spot } of principals) {
      const session = /^arn:[^:]+:sts::(\d{12}):assumed-role\/([^/]+)\/.+$/.exec(name)
      const parent = session ? roles.get(`${session[1]}/${session[2]}`) : undefined
      if (parent)
        report(
          'REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY',
          `The assumed-role principal ${name} is redundant with its parent role ${parent}. Remove the assumed-role principal.`,
          spot,
        )
    }
  }
}

export const principalChecks: readonly Check[] = [
  elements,
  names,
  services,
  trustActions,
  trustNeeds,
  providers,
  sessions,
]
