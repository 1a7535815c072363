import { isConditionOperator } from './condition.ts'
import type { PolicyDocument, PolicyKind } from './policy.ts'

/**
 * What a document is checked for: `trust` is a role's AssumeRolePolicyDocument, `managed` an identity policy of its own,
 * for which IAM asks more than for an inline one.
 */
export type DocumentKind = PolicyKind | 'trust' | 'managed'

/** A document that AWS would refuse; `message` is AWS's finding. Services throw it as their MalformedPolicyDocument. */
export class PolicyFinding extends Error {
  override readonly name = 'PolicyFinding'
}

/**
 * Reads and checks a policy document as AWS does when it is stored (IAM user guide, "Grammar of the IAM JSON policy
 * language"). Throws PolicyFinding.
 */
export const parsePolicy = (text: string, kind: DocumentKind): PolicyDocument => {
  const rules = rulesOf(kind)
  const document = readJson(text, kind)
  if (!isObject(document)) throw syntax()
  onlyMembers(document, ['Version', 'Id', 'Statement'])
  if (document.Id !== undefined && typeof document.Id !== 'string') throw syntax()
  if (document.Version !== undefined && document.Version !== '2012-10-17' && document.Version !== '2008-10-17')
    throw syntax()
  if (document.Statement === undefined) throw syntax()
  const statements = Array.isArray(document.Statement) ? document.Statement : [document.Statement]
  if (statements.length === 0 && !rules.empty) throw syntax()
  const sids = new Set<string>()
  for (const statement of statements) checkStatement(statement, rules, sids)
  if (kind === 'managed' && document.Version !== '2012-10-17')
    throw new PolicyFinding('Policy document must be version 2012-10-17 or greater.')
  return document as PolicyDocument
}

type Rules = {
  /** Attached to an identity: speaks of resources, names no principal. */
  readonly identity: boolean
  readonly trust: boolean
  readonly empty: boolean
}

const rulesOf = (kind: DocumentKind): Rules => {
  const identity =
    kind === 'identity' || kind === 'managed' || kind === 'boundary' || kind === 'session' || kind === 'service-control'
  return { identity, trust: kind === 'trust', empty: identity && kind !== 'service-control' }
}

const syntax = () => new PolicyFinding('Syntax errors in policy.')

const readJson = (text: string, kind: DocumentKind): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw kind === 'trust' ? new PolicyFinding('This policy contains invalid Json') : syntax()
  }
}

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const onlyMembers = (value: Json, names: readonly string[]) => {
  for (const name of Object.keys(value)) if (!names.includes(name)) throw syntax()
}

const members = [
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

const checkStatement = (statement: unknown, rules: Rules, sids: Set<string>) => {
  if (!isObject(statement)) throw syntax()
  onlyMembers(statement, members)
  // `null` is a value of no element, and not the absence of one.
  if (Object.values(statement).includes(null)) throw syntax()
  checkSid(statement.Sid, rules, sids)
  if (statement.Effect !== 'Allow' && statement.Effect !== 'Deny') throw syntax()
  for (const [one, other] of [
    ['Principal', 'NotPrincipal'],
    ['Action', 'NotAction'],
    ['Resource', 'NotResource'],
  ] as const)
    if (statement[one] !== undefined && statement[other] !== undefined) throw syntax()
  checkPrincipals(statement, rules)
  checkActions(statement, rules)
  checkResources(statement, rules)
  checkCondition(statement.Condition)
}

const checkSid = (sid: unknown, rules: Rules, sids: Set<string>) => {
  if (sid === undefined) return
  if (typeof sid !== 'string') throw syntax()
  if (rules.identity && !/^[0-9A-Za-z]*$/.test(sid))
    throw new PolicyFinding(
      'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
    )
  if (sid === '') return
  if (sids.has(sid)) throw new PolicyFinding('Statement IDs (SID) in a single policy must be unique.')
  sids.add(sid)
}

/** One string or several; none at all is `empty`. */
const strings = (value: unknown): readonly string[] => {
  const list = Array.isArray(value) ? value : [value]
  for (const one of list) if (typeof one !== 'string') throw syntax()
  return list as readonly string[]
}

const principalTypes = ['AWS', 'Service', 'Federated', 'CanonicalUser']

const checkPrincipals = (statement: Json, rules: Rules) => {
  const element = statement.Principal ?? statement.NotPrincipal
  if (rules.identity) {
    if (element !== undefined) throw new PolicyFinding('Policy document should not specify a principal.')
    return
  }
  if (element === undefined) throw new PolicyFinding('Missing required field Principal')
  if (rules.trust && statement.NotPrincipal !== undefined && statement.Effect === 'Allow')
    throw new PolicyFinding('Allow with NotPrincipal is not allowed.')
  if (element === '*') return
  if (!isObject(element)) throw new PolicyFinding(`Invalid principal in policy: ${JSON.stringify(element)}`)
  if (Object.keys(element).length === 0) throw new PolicyFinding('Missing required field Principal cannot be empty!')
  for (const [type, value] of Object.entries(element)) {
    if (!principalTypes.includes(type)) throw new PolicyFinding(`Invalid principal in policy: "${type}"`)
    for (const name of strings(value)) {
      if (type !== 'AWS') continue
      // Wildcards in a principal's name are refused; a deleted user or role shows as its unique id.
      if (!/^(\*|\d{12}|A[A-Z0-9]{15,127}|arn:[^:*?]+:(iam|sts)::(\d{12}|cloudfront):[^*?:]+)$/.test(name))
        throw new PolicyFinding(`Invalid principal in policy: "AWS":"${name}"`)
    }
  }
}

const checkActions = (statement: Json, rules: Rules) => {
  const element = statement.Action ?? statement.NotAction
  const actions = element === undefined ? [] : strings(element)
  if (actions.length === 0) throw new PolicyFinding('Policy statement must contain actions.')
  for (const action of actions) {
    if (action === '*') {
      if (rules.trust) throw trustActions()
      continue
    }
    const [vendor = '', name, more] = action.split(':')
    if (name === undefined)
      throw new PolicyFinding('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.')
    if (more !== undefined) throw new PolicyFinding('Actions/Condition can contain only one colon.')
    if (!/^[A-Za-z0-9*?-]+$/.test(vendor)) throw new PolicyFinding(`Vendor ${vendor} is not valid`)
    if (name === '' || !/^[A-Za-z0-9*?_-]+$/.test(name)) throw syntax()
    if (rules.trust && vendor.toLowerCase() !== 'sts') throw trustActions()
  }
}

const trustActions = () => new PolicyFinding('AssumeRole policy may only specify STS AssumeRole actions.')

const partitions = ['aws', 'aws-cn', 'aws-us-gov', 'aws-iso', 'aws-iso-b', 'aws-iso-e', 'aws-iso-f', 'aws-eusc']

const iamPaths = [
  'user/',
  'federated-user/',
  'role/',
  'group/',
  'instance-profile/',
  'mfa/',
  'server-certificate/',
  'policy/',
  'sms-mfa/',
  'saml-provider/',
  'oidc-provider/',
  'report/',
  'access-report/',
]

const checkResources = (statement: Json, rules: Rules) => {
  const element = statement.Resource ?? statement.NotResource
  if (rules.trust) {
    if (element !== undefined) throw new PolicyFinding('Has prohibited field Resource')
    return
  }
  const resources = element === undefined ? [] : strings(element)
  if (resources.length === 0 || resources.includes(''))
    throw new PolicyFinding('Policy statement must contain resources.')
  if (rules.identity) for (const resource of resources) checkResource(resource)
}

const checkResource = (resource: string) => {
  if (resource === '*') return
  const [arn, partition = '', vendor, region, , ...rest] = resource.split(':')
  if (arn !== 'arn') throw new PolicyFinding(`Resource ${resource} must be in ARN format or "*".`)
  if (vendor === undefined) throw new PolicyFinding(`Resource ${resource} must be in ARN format or "*".`)
  if (!partitions.includes(partition) && !/[*?$]/.test(partition))
    throw new PolicyFinding(`Partition "${partition}" is not valid for resource "${resource}".`)
  if (vendor === 'iam' && region) throw new PolicyFinding(`IAM resource ${resource} cannot contain region information.`)
  // Buckets and objects are named without; what S3 Control makes is a Region's.
  if (
    vendor === 's3' &&
    region &&
    region !== '*' &&
    !/^(accesspoint|job|storage-lens|access-grants)/.test(rest.join(':'))
  )
    throw new PolicyFinding(`Resource ${resource} can not contain region information.`)
  const path = rest.join(':')
  if (vendor === 'iam' && path !== '' && !/[*?$]/.test(path.slice(0, path.indexOf('/') + 1 || undefined)))
    if (path !== 'root' && !iamPaths.some((start) => path.startsWith(start)))
      throw new PolicyFinding(
        `IAM resource path must either be "*" or start with ${iamPaths.join(', ').replace(/, $/, '')}.`,
      )
}

const checkCondition = (condition: unknown) => {
  if (condition === undefined) return
  if (!isObject(condition)) throw syntax()
  for (const [operator, keys] of Object.entries(condition)) {
    if (!isConditionOperator(operator)) throw new PolicyFinding(`Invalid Condition type : ${operator}`)
    if (!isObject(keys)) throw syntax()
    for (const [key, value] of Object.entries(keys)) {
      if (!key.includes(':'))
        throw new PolicyFinding('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.')
      for (const one of Array.isArray(value) ? value : [value])
        if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean') throw syntax()
    }
  }
}
