import type { AccessRequest, PrincipalElement, RequestContext } from '../policy.ts'
import { rootArn } from './case.ts'

// A second interpreter, to hold the engine against: IAM's pages read aloud, by regular expressions, in the order of the
// flow chart. For the reader, not for speed.

const list = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : ([value].flat() as T[])
const literal = (text: string) => text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')

/** A pattern as a regular expression: variables become text, wildcards `run` and one character. */
const expression = (
  pattern: string,
  asked: RequestContext,
  variables: boolean,
  run = '.*',
  one = '.',
): RegExp | undefined => {
  let source = ''
  for (const piece of pattern.match(/\$\{[^}]*\}|./gs) ?? []) {
    const variable = /^\$\{([^,}]+)(?:, '(.*)')?\}$/.exec(piece)
    if (variable && variables) {
      const [, key = '', fallback] = variable
      const found = asked[key.toLowerCase()]
      const value = /^[*?$]$/.test(key) ? key : found?.length === 1 ? found[0] : fallback
      if (value === undefined) return undefined
      source += literal(value)
    } else if (variable)
      source += [...piece]
        .map((character) => (character === '*' ? run : character === '?' ? one : literal(character)))
        .join('')
    else source += piece === '*' ? run : piece === '?' ? one : literal(piece)
  }
  return new RegExp(`^${source}$`, 's')
}

const segmentsOf = (arn: string) => {
  const all = arn.split(':')
  return [...all.slice(0, 5), ...(all.length > 5 ? [all.slice(5).join(':')] : [])]
}

const onResource = (pattern: string, asked: AccessRequest, variables: boolean): boolean | undefined => {
  const segments = segmentsOf(pattern).map((segment, index) =>
    expression(segment, asked.context, variables && (index === 5 || !pattern.startsWith('arn:'))),
  )
  if (segments.includes(undefined)) return undefined
  const reaches = segmentsOf(pattern)
    .slice(0, 5)
    .some((segment) => segment.endsWith('*'))
  if (reaches || asked.resource === '*') {
    const whole = segments.map((segment) => segment?.source.slice(1, -1)).join(':')
    return new RegExp(`^${whole}$`, 's').test(asked.resource)
  }
  const parts = segmentsOf(asked.resource)
  return segments.length === 6 && segments.every((segment, index) => segment?.test(parts[index] ?? ''))
}

const instant = (text: string) =>
  /^\d{5,}$/.test(text) ? Number(text) * 1000 : /^\d{4}/.test(text) ? new Date(text).getTime() : Number.NaN
const bits = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

const fits = (base: string, value: string, wanted: string, asked: RequestContext, variables: boolean): boolean => {
  const resolved = (run?: string, one?: string) => expression(wanted, asked, variables, run, one)
  switch (base.replace('Not', '')) {
    case 'StringEquals':
      return resolved('\\*', '\\?')?.test(value) ?? false
    case 'StringEqualsIgnoreCase':
      return new RegExp(resolved('\\*', '\\?')?.source ?? '(?!)', 'i').test(value)
    case 'StringLike':
      return resolved()?.test(value) ?? false
    case 'NumericEquals':
      return Number(value) === Number(wanted)
    case 'NumericLessThan':
      return Number(value) < Number(wanted)
    case 'NumericLessThanEquals':
      return Number(value) <= Number(wanted)
    case 'NumericGreaterThan':
      return Number(value) > Number(wanted)
    case 'DateEquals':
      return instant(value) === instant(wanted)
    case 'DateLessThan':
      return instant(value) < instant(wanted)
    case 'DateGreaterThan':
      return instant(value) > instant(wanted)
    case 'DateGreaterThanEquals':
      return instant(value) >= instant(wanted)
    case 'Bool':
      return value.toLowerCase() === wanted.toLowerCase()
    case 'IpAddress': {
      const [address = '', prefix = '32'] = wanted.split('/')
      const size = 2 ** (32 - Number(prefix))
      return Math.floor(bits(value) / size) === Math.floor(bits(address) / size)
    }
    case 'ArnLike':
    case 'ArnEquals': {
      if (wanted === '*') return true
      const pattern = segmentsOf(wanted)
      const parts = segmentsOf(value)
      while (pattern.length < 6 && wanted.endsWith('*')) pattern.push('*')
      return pattern.every((segment, index) => expression(segment, asked, variables)?.test(parts[index] ?? ''))
    }
    default:
      throw new Error(base)
  }
}

const holds = (
  text: string,
  key: string,
  wanted: readonly string[],
  asked: RequestContext,
  variables: boolean,
): boolean => {
  const found = asked[key.toLowerCase()] ?? []
  if (text === 'Null') return wanted.includes(String(found.length === 0))
  const [, set = '', base = '', end = ''] = /^(For\w+:)?(\w+?)(IfExists)?$/.exec(text) ?? []
  const negated = base.includes('Not')
  if (found.length === 0 && end) return true
  const one = (value: string) => wanted.some((want) => fits(base, value, want, asked, variables)) !== negated
  const empty = found.every((value) => value === '')
  if (set === 'ForAllValues:') return empty || found.every(one)
  if (set === 'ForAnyValue:') return !empty && found.some(one)
  return negated ? found.every(one) : found.some(one)
}

const namesIn = (element: PrincipalElement | undefined, type: string): readonly string[] =>
  element === undefined ? [] : typeof element === 'string' ? ['*'] : list(element[type])

/** `direct`, `bearer` (the role, the federated user's user), `account`; nothing when the element does not name the caller. */
const naming = (element: PrincipalElement | undefined, { principal }: AccessRequest): string | undefined => {
  const aws = namesIn(element, 'AWS')
  if (aws.includes('*')) return 'direct'
  if (principal.kind === 'service') return namesIn(element, 'Service').includes(principal.arn) ? 'direct' : undefined
  if (principal.kind === 'anonymous') return undefined
  const ofAccount = aws.includes(principal.account) || aws.includes(rootArn(principal.account))
  if (principal.kind === 'root') return ofAccount ? 'direct' : undefined
  if (aws.includes(principal.arn)) return 'direct'
  if (principal.roleArn && aws.includes(principal.roleArn)) return 'bearer'
  return ofAccount ? 'account' : undefined
}

const isExcepted = (element: PrincipalElement, asked: AccessRequest): boolean => {
  const { principal } = asked
  if (asked.policies.some(({ kind }) => kind === 'boundary')) return false
  const aws = namesIn(element, 'AWS')
  if (aws.includes('*')) return true
  if (principal.kind === 'service') return namesIn(element, 'Service').includes(principal.arn)
  if (principal.kind === 'anonymous') return false
  const all = principal.kind === 'root' ? [] : [principal.arn, ...(principal.roleArn ? [principal.roleArn] : [])]
  return (
    (aws.includes(principal.account) || aws.includes(rootArn(principal.account))) &&
    all.every((arn) => aws.includes(arn))
  )
}

export const interpret = (asked: AccessRequest): string => {
  const { principal, policies } = asked
  const found = policies.flatMap((policy) => {
    const variables = policy.document.Version === '2012-10-17'
    return list(policy.document.Statement).flatMap((one) => {
      const isAct = (pattern: string) =>
        new RegExp(`^${literal(pattern).replaceAll('\\*', '.*').replaceAll('\\?', '.')}$`, 'i').test(asked.action)
      const acts = one.Action ? list(one.Action).some(isAct) : !list(one.NotAction).some(isAct)
      const isOn = (unknown: boolean) => (pattern: string) => onResource(pattern, asked, variables) ?? unknown
      const on = one.Resource
        ? list(one.Resource).some(isOn(false))
        : !list(one.NotResource).some(isOn(one.Effect === 'Allow'))
      const named =
        policy.kind !== 'resource' && policy.kind !== 'resource-control'
          ? 'direct'
          : one.NotPrincipal
            ? isExcepted(one.NotPrincipal, asked)
              ? undefined
              : 'direct'
            : naming(one.Principal, asked)
      const holding = Object.entries(one.Condition ?? {}).every(([text, keys]) =>
        Object.entries(keys).every(([key, wanted]) =>
          holds(text, key, list(wanted).map(String), asked.context, variables),
        ),
      )
      return acts && on && named && holding ? [{ policy, effect: one.Effect, named }] : []
    })
  })
  const flow = ['resource-control', 'service-control', 'resource', 'identity', 'boundary', 'session']
  const denied = flow.find((kind) => found.some(({ policy, effect }) => effect === 'Deny' && policy.kind === kind))
  if (denied) return `explicitDeny ${denied}`
  const allows = (kind: string, level?: string) =>
    found.some(
      ({ policy, effect }) =>
        effect === 'Allow' && policy.kind === kind && (level === undefined || policy.level === level),
    )
  const isThere = (kind: string) => policies.some((policy) => policy.kind === kind)
  for (const kind of ['resource-control', 'service-control'])
    for (const policy of policies)
      if (policy.kind === kind && !allows(kind, policy.level)) return `implicitDeny ${kind}`

  const grants = found
    .filter(({ policy, effect }) => effect === 'Allow' && policy.kind === 'resource')
    .map(({ named }) => named)
  const isOwn = principal.account === asked.resourceAccount
  if (principal.kind === 'service' || principal.kind === 'anonymous')
    return grants.length > 0 ? 'allowed' : 'implicitDeny resource'
  if (grants.length === 0 && (!isOwn || asked.needsResourcePolicy)) return 'implicitDeny resource'
  if (isOwn && grants.includes('direct')) return 'allowed'
  if (principal.kind !== 'root' && !(isOwn && grants.includes('bearer')) && !allows('identity'))
    return 'implicitDeny identity'
  if (isThere('boundary') && !allows('boundary')) return 'implicitDeny boundary'
  const isSession = isThere('session') || principal.kind === 'federated'
  return isSession && !allows('session') ? 'implicitDeny session' : 'allowed'
}
