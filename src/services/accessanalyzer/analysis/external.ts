import type { ConditionBlock, PolicyDocument, PrincipalElement, Statement } from '../../../policy/policy.ts'
import { type AccessStatement, accessStatements, namesWithin } from './access.ts'
import { type Condition, implies } from './conditions.ts'
import { coveredBy, globOf, intersects } from './globs.ts'
import { cidrOf } from './ip-ranges.ts'

// Whom a resource's policy lets in from outside (IAM user guide, "Resource types for external access", "How findings
// work"; S3 user guide, "The meaning of public").

/** Accounts whose access is nobody's surprise. `organization` is the id of the organization, where that is the zone. */
export type Zone = { readonly accounts: ReadonlySet<string>; readonly organization?: string }

export type ExternalAccess = {
  readonly principal: Readonly<Record<string, string>>
  readonly isPublic: boolean
  readonly actions: readonly string[]
  readonly condition: Readonly<Record<string, string>>
  /** Index and Sid of the statement that grants it. */
  readonly index: number
  readonly sid: string | undefined
}

const toList = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

type Principal = { readonly type: string; readonly name: string }

const everyone: Principal = { type: 'AWS', name: '*' }

const principalsOf = ({ Principal, NotPrincipal }: Statement): readonly Principal[] => {
  if (NotPrincipal !== undefined) return [everyone]
  if (Principal === undefined) return []
  return named(Principal)
}

const named = (element: PrincipalElement): readonly Principal[] => {
  if (typeof element === 'string') return [everyone]
  return Object.entries(element).flatMap(([type, value]) => toList(value).map((name) => ({ type, name })))
}

const accountOf = (name: string): string | undefined =>
  /^(\d{12})$/.exec(name)?.[1] ?? /^arn:[^:]*:[^:]*:[^:]*:(\d{12}):/.exec(name)?.[1]

/** Keys that say who asks or on whose behalf, by what their values name. */
const accountKeys = new Set([
  'aws:principalaccount',
  'aws:sourceaccount',
  'aws:sourceowner',
  'kms:calleraccount',
  's3:dataaccesspointaccount',
  'aws:vpceaccount',
])
const organizationKeys = new Set([
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:sourceorgid',
  'aws:sourceorgpaths',
  'aws:vpceorgid',
  'aws:vpceorgpaths',
])
const arnKeys = new Set(['aws:principalarn', 'aws:sourcearn', 's3:dataaccesspointarn'])
const otherKeys = new Set([
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:sourcevpcarn',
  'aws:userid',
  'aws:username',
  'lambda:eventsourcetoken',
  'elasticfilesystem:accesspointarn',
])

const holdsOnlyIfPresent = ({ operator, set, ifExists }: Condition) =>
  !ifExists && set !== 'forallvalues' && !operator.includes('not') && /^(string|arn)/.test(operator)

/** A value that stands for one thing: no variable, no wildcard but within the name an ARN ends with. */
const isFixed = (condition: Condition, value: string): boolean => {
  if (value.includes('${')) return false
  if (!/[*?]/.test(value)) return true
  if (!condition.operator.endsWith('like') && !condition.operator.startsWith('arn')) return true
  if (arnKeys.has(condition.key)) return accountOf(value) !== undefined
  if (condition.key === 'aws:userid') return /^[^*?:]+:/.test(value)
  if (condition.key.endsWith('orgpaths')) return /^o-[^*?/]+\//.test(value)
  return false
}

/** Whether the condition keeps the world at large out. */
const restricts = (condition: Condition): boolean => {
  const { key, operator, values, ifExists, set } = condition
  if (values.length === 0) return false
  if (key === 'aws:sourceip' && operator === 'ipaddress' && !ifExists && !set)
    return values.every((value) => {
      const range = cidrOf(value)
      return range !== undefined && range.bits >= (range.family === 4 ? 8 : 32)
    })
  if (!holdsOnlyIfPresent(condition)) return false
  if (!accountKeys.has(key) && !organizationKeys.has(key) && !arnKeys.has(key) && !otherKeys.has(key)) return false
  return values.every((value) => isFixed(condition, value))
}

/** Whether the condition lets in nobody but those of the zone. */
const staysWithin = (condition: Condition, zone: Zone): boolean => {
  const { key, values } = condition
  if (!holdsOnlyIfPresent(condition) || values.length === 0) return false
  if (!values.every((value) => isFixed(condition, value))) return false
  if (accountKeys.has(key)) return values.every((value) => zone.accounts.has(value))
  if (arnKeys.has(key)) return values.every((value) => zone.accounts.has(accountOf(value) ?? ''))
  if (organizationKeys.has(key))
    return zone.organization !== undefined && values.every((value) => value.split('/')[0] === zone.organization)
  return false
}

/** Everyone may be a user of these: without a condition of their own, that is the public. */
const openProviders = new Set([
  'cognito-identity.amazonaws.com',
  'accounts.google.com',
  'graph.facebook.com',
  'www.amazon.com',
])
const github = 'token.actions.githubusercontent.com'

const providerIsOpen = (name: string, conditions: readonly Condition[]) => {
  const host = name.replace(/^arn:.*:oidc-provider\//, '').toLowerCase()
  const bound = (key: string) =>
    conditions.some(
      (one) =>
        one.key === `${host}:${key}` &&
        holdsOnlyIfPresent(one) &&
        one.values.every((value) => value !== '*' && !value.startsWith('repo:*')),
    )
  if (openProviders.has(host)) return !bound('aud') && !bound('app_id')
  return host === github && !bound('sub')
}

/** Conditions as findings show them: by key, values joined by commas. */
export const conditionMap = (block: ConditionBlock | undefined): Record<string, string> =>
  Object.fromEntries(
    Object.values(block ?? {}).flatMap((keys) =>
      Object.entries(keys).map(([key, value]) => [key, toList(value as string | readonly string[]).join(',')] as const),
    ),
  )

/** What a denial leaves: the condition under which it does not strike, where that is one single condition. */
const exemption = (denial: AccessStatement): Condition | undefined => {
  const rest = denial.conditions.filter(({ key }) => key !== 'aws:principalisawsservice')
  const [only] = rest
  if (!only || rest.length > 1 || only.set) return undefined
  const operator = (
    {
      stringnotequals: 'stringequals',
      stringnotlike: 'stringlike',
      arnnotequals: 'arnequals',
      arnnotlike: 'arnlike',
      notipaddress: 'ipaddress',
    } as Readonly<Record<string, string>>
  )[only.operator]
  return operator === undefined ? undefined : { ...only, operator, ifExists: false }
}

const isForAll = ({ principals }: AccessStatement) => !principals.not && coveredBy(globOf('*'), principals.globs)

/**
 * The access that a resource's policy gives to principals outside the zone, one entry per statement and principal.
 * `actions` are those that there are for the resource, for statements with wildcards; what denials take away is not in it.
 */
export const externalAccess = (
  document: PolicyDocument,
  zone: Zone,
  actions: readonly string[] = [],
): ExternalAccess[] => {
  const texts = toList(document.Statement)
  const statements = accessStatements(document)
  const denials = statements.filter((one) => one.deny)
  return statements.flatMap((statement) => {
    if (statement.deny) return []
    const text = texts[statement.index]!
    const striking = denials.filter((denial) => namesWithin(statement.resources, denial.resources))
    return principalsOf(text).flatMap((principal): ExternalAccess[] => {
      const bare: AccessStatement = { ...statement, principals: namesOf(principal) }
      const mine = striking.filter((denial) => namesWithin(bare.principals, denial.principals))
      const whole = mine.filter((denial) => namesWithin(statement.actions, denial.actions))
      const strikes = (denial: AccessStatement) => denial.conditions.every((one) => implies(statement.conditions, one))
      if (whole.some(strikes)) return []
      const exemptions = whole.filter(isForAll).flatMap((denial) => exemption(denial) ?? [])
      const conditions = [...statement.conditions, ...exemptions]
      const isPublic = isOpen(principal, conditions)
      if (!isOutside(principal, conditions, zone)) return []
      const partial = mine.filter((denial) => strikes(denial))
      return [
        {
          principal: { [principal.type]: principal.name },
          isPublic,
          actions: actionsOf(text, statement, actions, partial),
          condition: {
            ...conditionMap(text.Condition),
            ...Object.fromEntries(
              whole.flatMap((denial) =>
                exemption(denial) ? Object.entries(conditionMap(texts[denial.index]?.Condition)) : [],
              ),
            ),
          },
          index: statement.index,
          sid: statement.sid,
        },
      ]
    })
  })
}

const namesOf = ({ type, name }: Principal): AccessStatement['principals'] => {
  const [statement] = accessStatements({
    Statement: [
      {
        Effect: 'Allow',
        Action: '*',
        Resource: '*',
        Principal: name === '*' && type === 'AWS' ? '*' : { [type]: name },
      },
    ],
  })
  return statement!.principals
}

const isOpen = ({ type, name }: Principal, conditions: readonly Condition[]): boolean => {
  if (type === 'Federated') return providerIsOpen(name, conditions)
  return type === 'AWS' && name === '*' && !conditions.some(restricts)
}

const isOutside = ({ type, name }: Principal, conditions: readonly Condition[], zone: Zone): boolean => {
  // Services act for accounts; who those are is a condition's matter, and AWS counts them as its own.
  if (type === 'Service') return false
  if (type === 'Federated' || type === 'CanonicalUser') return true
  if (conditions.some((one) => staysWithin(one, zone))) return false
  if (name === '*') return true
  const account = accountOf(name)
  return account === undefined || !zone.accounts.has(account)
}

const actionsOf = (
  text: Statement,
  statement: AccessStatement,
  known: readonly string[],
  denials: readonly AccessStatement[],
): string[] => {
  const within = ({ actions }: AccessStatement, action: string) =>
    actions.globs.some((glob) => intersects(glob, globOf(action.toLowerCase()))) !== actions.not
  const listed = toList(text.Action)
  const exact = text.Action !== undefined && !listed.some((action) => /[*?]/.test(action))
  const all = exact
    ? listed
    : known.length > 0
      ? known.filter((action) => within(statement, action))
      : text.Action === undefined
        ? ['*']
        : listed
  return [
    ...new Set(all.filter((action) => /[*?]/.test(action) || !denials.some((denial) => within(denial, action)))),
  ].toSorted()
}

/** Statements that let the world in: no condition keeps it to a known account, organization, network or address. */
export const publicStatements = (document: PolicyDocument): ExternalAccess[] => {
  const open = externalAccess(document, { accounts: new Set() }).filter(({ isPublic }) => isPublic)
  return open.filter((access, at) => open.findIndex(({ index }) => index === access.index) === at)
}
