import { evaluate } from '../../../policy/evaluate.ts'
import type {
  AppliedPolicy,
  ConditionBlock,
  Decision,
  PolicyDocument,
  PolicyPrincipal,
  RequestContext,
  Statement,
} from '../../../policy/policy.ts'
import { conditionMap } from './external.ts'

// What a user or role inside the zone may do with a resource: the engine that decides on requests is asked about every
// action, once as if conditions on what is unknown of the request did not hold, and once as if they did (IAM user guide,
// "How IAM Access Analyzer generates findings for internal access").

const toList = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

/** Keys whose values follow from who asks for what; whether absent, too. All others depend on the request. */
const settled = new Set([
  ...['arn', 'account', 'type', 'isawsservice', 'orgid', 'orgpaths', 'servicename', 'servicenameslist'].map(
    (name) => `aws:principal${name}`,
  ),
  ...['aws:username', 'aws:userid', 'aws:requestedregion', 's3:resourceaccount'],
  ...['account', 'orgid', 'orgpaths'].flatMap((name) => [`aws:resource${name}`, `aws:source${name}`]),
  'aws:sourcearn',
])
const isSettled = (key: string) => settled.has(key.toLowerCase()) || /^aws:principaltag\//i.test(key)

const variables = /\$\{([^{},]+?)\s*(?:,[^{}]*)?\}/g
const isKnown = (key: string, values: readonly unknown[]) =>
  isSettled(key) &&
  values.every((value) => [...String(value).matchAll(variables)].every(([, name = '']) => isSettled(name)))

/** The part of a condition that can be told now, and the part that depends on the request. */
const parted = (block: ConditionBlock = {}): { known: ConditionBlock; open: ConditionBlock } => {
  const part = (wanted: boolean): ConditionBlock =>
    Object.fromEntries(
      Object.entries(block).flatMap(([operator, keys]) => {
        const kept = Object.entries(keys).filter(([key, value]) => isKnown(key, toList(value)) === wanted)
        return kept.length > 0 ? [[operator, Object.fromEntries(kept)] as const] : []
      }),
    )
  return { known: part(true), open: part(false) }
}

/** A policy read in two ways, and the open conditions of its statements by index. */
type Reading = {
  /** Open conditions speak against access: what allows under them does not, what denies under them does. */
  readonly strict: AppliedPolicy
  /** Open conditions speak for access. */
  readonly lenient: AppliedPolicy
  readonly open: ReadonlyMap<number, ConditionBlock>
}

/** Keeps the place of a statement that is left out. */
const nothing: Statement = { Effect: 'Allow', Action: [], Resource: [] }

/** Reads policies once each, by their documents. */
export const reader = (): ((policy: AppliedPolicy) => Reading) => {
  const known = new Map<PolicyDocument, Pick<Reading, 'open'> & { strict: PolicyDocument; lenient: PolicyDocument }>()
  const read = (document: PolicyDocument) => {
    const open = new Map<number, ConditionBlock>()
    const statements = toList(document.Statement).map((statement, index) => {
      const parts = parted(statement.Condition)
      const isOpen = Object.keys(parts.open).length > 0
      if (isOpen) open.set(index, parts.open)
      return { kept: { ...statement, Condition: parts.known }, isOpen, allows: statement.Effect === 'Allow' }
    })
    const without = (allows: boolean) => ({
      ...document,
      Statement: statements.map((one) => (one.isOpen && one.allows === allows ? nothing : one.kept)),
    })
    return { open, strict: without(true), lenient: without(false) }
  }
  return (policy) => {
    const reading = known.get(policy.document) ?? read(policy.document)
    known.set(policy.document, reading)
    const { open, strict, lenient } = reading
    return { open, strict: { ...policy, document: strict }, lenient: { ...policy, document: lenient } }
  }
}

/** Names below a resource that stand for all others like them are at most so many. */
const MOST_NAMES = 100
/** No pattern of a policy is likely to begin with it, so what only some names are denied is found allowed. */
const filler = '~'

/**
 * Names of things within a resource, one at least for each pattern by which the policies tell some from others: what holds
 * for one of them holds for all that fit the same patterns.
 */
export const namesWithinResource = (
  resource: string,
  documents: readonly PolicyDocument[],
  context: RequestContext,
): string[] => {
  const names = new Set([`${resource}/${filler}`])
  for (const document of documents)
    for (const { Resource, NotResource } of toList(document.Statement))
      for (const pattern of toList(Resource ?? NotResource)) {
        const text = pattern
          .replaceAll(variables, (_, name: string) => context[name.toLowerCase()]?.[0] ?? filler)
          .replaceAll(/[*?]+/g, filler)
        const path = text.slice(text.lastIndexOf(':') + 1)
        for (const name of [path.slice(path.indexOf('/') + 1), path]) {
          if (names.size >= MOST_NAMES) return [...names]
          names.add(`${resource}/${name}`)
        }
      }
  return [...names]
}

/** Actions that are allowed under one condition; none: they are allowed outright. */
export type InternalAccess = {
  readonly actions: readonly string[]
  readonly condition: Readonly<Record<string, string>>
  /** Ids of the policies that allow them. */
  readonly by: readonly string[]
}

/** What one principal may do, by condition. `resourcesOf` says on what an action may be taken. */
export const internalAccess = (question: {
  readonly principal: PolicyPrincipal
  readonly context: RequestContext
  readonly resourceAccount: string
  readonly readings: readonly Reading[]
  readonly actions: readonly string[]
  readonly resourcesOf: (action: string) => readonly string[]
}): InternalAccess[] => {
  const { readings, actions, resourcesOf, ...about } = question
  const [strict, lenient] = [readings.map((one) => one.strict), readings.map((one) => one.lenient)]
  const open = new Map(readings.map((one) => [`${one.strict.kind} ${one.strict.id}`, one.open]))
  type Group = { actions: Set<string>; by: Set<string>; condition: Record<string, string> }
  const groups = new Map<string, Group>()
  for (const action of actions) {
    const found = new Map<string, Pick<Group, 'by' | 'condition'>>()
    for (const resource of resourcesOf(action)) {
      const possible = evaluate({ ...about, action, resource, policies: lenient })
      if (possible.decision !== 'allowed') continue
      const sure = evaluate({ ...about, action, resource, policies: strict })
      if (sure.decision === 'allowed') {
        found.clear()
        found.set('{}', { by: allowing(sure), condition: {} })
        break
      }
      const asked = [...possible.matched, ...sure.matched.filter(({ effect }) => effect === 'Deny')]
      const condition = Object.fromEntries(
        asked
          .flatMap(({ kind, id, index }) => Object.entries(conditionMap(open.get(`${kind} ${id}`)?.get(index))))
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      )
      found.set(JSON.stringify(condition), { by: allowing(possible), condition })
    }
    for (const [key, { by, condition }] of found) {
      const group = groups.get(key) ?? { actions: new Set(), by: new Set(), condition }
      group.actions.add(action)
      for (const id of by) group.by.add(id)
      groups.set(key, group)
    }
  }
  return [...groups.values()].map((group) => ({
    actions: [...group.actions].toSorted(),
    condition: group.condition,
    by: [...group.by].toSorted(),
  }))
}

const allowing = ({ matched }: Decision): Set<string> =>
  new Set(matched.flatMap(({ effect, id }) => (effect === 'Allow' ? [id] : [])))
