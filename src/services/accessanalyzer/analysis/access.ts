import type { PolicyDocument, Statement as PolicyStatement, PrincipalElement } from '../../../policy/policy.ts'
import { type Condition, conditionsOf, exclude, implies } from './conditions.ts'
import { arnGlobOf, coveredBy, everything, type Glob, globOf, intersects } from './globs.ts'

// Policies as sets of requests: principals × actions × resources × conditions. Questions are answered so that "no new
// access", "not granted" are proven; where proof fails the answer is that access may be there (IAM user guide,
// "Validate policies with IAM Access Analyzer custom policy checks").

/** A list of patterns, or all but what it lists. */
export type Names = { readonly not: boolean; readonly globs: readonly Glob[] }

export type AccessStatement = {
  readonly index: number
  readonly sid: string | undefined
  readonly deny: boolean
  readonly principals: Names
  readonly actions: Names
  readonly resources: Names
  readonly conditions: readonly Condition[]
}

/** One pattern, less what is excepted. */
type Part = { readonly within: Glob; readonly except: readonly Glob[] }
type Cell = {
  readonly principals: Part
  readonly actions: Part
  readonly resources: Part
  readonly conditions: readonly Condition[]
}
type Dimension = 'principals' | 'actions' | 'resources'
const dimensions: readonly Dimension[] = ['principals', 'actions', 'resources']

const toList = <T>(value: T | readonly T[] | undefined): readonly T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as T]

const all: Names = { not: false, globs: [everything] }

/** Principals' names have no wildcards but `*` itself. */
const escaped = (text: string) => text.replaceAll(/[*?]/g, '${$&}')

const principalGlobs = (element: PrincipalElement): Glob[] => {
  if (typeof element === 'string') return [everything]
  return Object.entries(element).flatMap(([type, value]) =>
    toList(value).flatMap((name) => {
      if (name === '*') return [type === 'AWS' ? everything : globOf(`${type}:*`)]
      const account = type === 'AWS' ? /^(?:arn:[^:]*:iam::)?(\d{12})(?::root)?$/.exec(name)?.[1] : undefined
      if (account) return ['iam', 'sts'].map((service) => globOf(`AWS:arn:*:${service}::${account}:*`))
      const role = type === 'AWS' ? /^arn:([^:]*):iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(name) : undefined
      const sessions = role
        ? [globOf(`AWS:arn:${role[1]}:sts::${role[2]}:assumed-role/${escaped(role[3] ?? '')}/*`)]
        : []
      return [globOf(`${type}:${escaped(name)}`), ...sessions]
    }),
  )
}

const principalsOf = ({ Principal, NotPrincipal }: PolicyStatement): Names => {
  if (Principal !== undefined) return { not: false, globs: principalGlobs(Principal) }
  return NotPrincipal === undefined ? all : { not: true, globs: principalGlobs(NotPrincipal) }
}

/** A document's statements as sets. Actions have no case. */
export const accessStatements = (document: PolicyDocument): AccessStatement[] =>
  toList(document.Statement).map((statement, index) => {
    const { Action, NotAction, Resource, NotResource, Condition } = statement
    const actions = toList(Action ?? NotAction).map((action) => globOf(action.toLowerCase()))
    const resources = toList(Resource ?? NotResource).map(arnGlobOf)
    return {
      index,
      sid: statement.Sid || undefined,
      deny: statement.Effect === 'Deny',
      principals: principalsOf(statement),
      actions: { not: Action === undefined, globs: actions },
      resources:
        Resource === undefined && NotResource === undefined ? all : { not: Resource === undefined, globs: resources },
      conditions: conditionsOf(Condition),
    }
  })

/** All but everything is nothing. */
const partsOf = ({ not, globs }: Names): Part[] => {
  if (!not) return globs.map((within) => ({ within, except: [] }))
  return coveredBy(everything, globs) ? [] : [{ within: everything, except: globs }]
}

const cellsOf = (statement: AccessStatement): Cell[] =>
  partsOf(statement.principals).flatMap((principals) =>
    partsOf(statement.actions).flatMap((actions) =>
      partsOf(statement.resources).map((resources) => ({
        principals,
        actions,
        resources,
        conditions: statement.conditions,
      })),
    ),
  )

/** Whether all of the part is in the names, what `granted` names put aside. */
const within = ({ within: inner, except }: Part, { not, globs }: Names, granted: readonly Glob[] = []): boolean => {
  const aside = [...except, ...granted]
  if (!not) return coveredBy(inner, [...globs, ...aside])
  return (
    globs.every((one) => !intersects(inner, one) || (aside.length > 0 && coveredBy(one, aside))) ||
    (aside.length > 0 && coveredBy(inner, aside))
  )
}

/** Whether none of the part is in the names. */
const apart = ({ within: inner, except }: Part, { not, globs }: Names): boolean => {
  if (not) return coveredBy(inner, [...globs, ...except])
  return globs.every((one) => !intersects(inner, one) || coveredBy(one, except)) || coveredBy(inner, except)
}

/** Whether one list of names says no more than another. */
export const namesWithin = (inner: Names, outer: Names): boolean => {
  if (inner.not && outer.not) return outer.globs.every((one) => coveredBy(one, inner.globs))
  return partsOf(inner).every((part) => within(part, outer))
}

const allImplied = (given: readonly Condition[], wanted: readonly Condition[]) =>
  wanted.every((one) => implies(given, one))

/** Patterns of one dimension from statements that hold the cell in all others. */
const elsewhereCovered = (cell: Cell, statements: readonly AccessStatement[], but: Dimension) =>
  statements.filter(
    (one) =>
      allImplied(cell.conditions, one.conditions) &&
      dimensions.every((dimension) => dimension === but || within(cell[dimension], one[dimension])),
  )

/** Whether the statements together hold all of the cell, those of `aside` helping. */
const covered = (cell: Cell, statements: readonly AccessStatement[], aside: readonly AccessStatement[]): boolean =>
  dimensions.some((dimension) => {
    const helping = elsewhereCovered(cell, aside, dimension).flatMap(({ [dimension]: names }) =>
      names.not ? [] : names.globs,
    )
    if (helping.length > 0 && within(cell[dimension], { not: false, globs: helping })) return true
    const candidates = elsewhereCovered(cell, statements, dimension).map((one) => one[dimension])
    const listed = candidates.flatMap(({ not, globs }) => (not ? [] : globs))
    if (listed.length > 0 && within(cell[dimension], { not: false, globs: listed }, helping)) return true
    return candidates.some((names) => names.not && within(cell[dimension], names, [...listed, ...helping]))
  })

/** Whether nothing of the cell falls under this denial that does not fall under one of `denials` too. */
const deniedAsBefore = (cell: Cell, denial: AccessStatement, denials: readonly AccessStatement[]): boolean => {
  if (dimensions.some((dimension) => apart(cell[dimension], denial[dimension]))) return true
  if (exclude(cell.conditions, denial.conditions)) return true
  return denials.some(
    (one) =>
      allImplied([...cell.conditions, ...denial.conditions], one.conditions) &&
      dimensions.every(
        (dimension) => within(cell[dimension], one[dimension]) || namesWithin(denial[dimension], one[dimension]),
      ),
  )
}

const countCells = (statements: readonly AccessStatement[]) =>
  statements.reduce(
    (sum, { principals, actions, resources }) =>
      sum + [principals, actions, resources].reduce((product, names) => product * partsOf(names).length, 1),
    0,
  )

/** How many pairs of patterns a comparison may have to look at: what is too many is refused before it is begun. */
export const comparisonSize = (updated: PolicyDocument, existing: PolicyDocument): number => {
  const [next, before] = [accessStatements(updated), accessStatements(existing)]
  const patterns = [...next.filter(({ deny }) => deny), ...before].reduce(
    (sum, { principals, actions, resources }) =>
      sum + principals.globs.length + actions.globs.length + resources.globs.length,
    0,
  )
  return countCells(next.filter(({ deny }) => !deny)) * patterns
}

/** The same for `grantingAccess`. */
export const questionSize = (
  document: PolicyDocument,
  { actions, resources }: { readonly actions: readonly string[]; readonly resources: readonly string[] },
): number =>
  countCells(accessStatements(document).filter(({ deny }) => !deny)) *
  Math.max(1, actions.length) *
  Math.max(1, resources.length)

/** The statements of `updated` that may allow what `existing` does not. Empty: proven that there is no new access. */
export const newAccess = (updated: PolicyDocument, existing: PolicyDocument): AccessStatement[] => {
  const [next, before] = [accessStatements(updated), accessStatements(existing)]
  const denials = next.filter(({ deny }) => deny)
  const [allowed, denied] = [before.filter(({ deny }) => !deny), before.filter(({ deny }) => deny)]
  return next.filter(
    (statement) =>
      !statement.deny &&
      cellsOf(statement).some(
        (cell) =>
          !coveredByDenials(cell, denials) &&
          !(covered(cell, allowed, denials) && denied.every((denial) => deniedAsBefore(cell, denial, denials))),
      ),
  )
}

const coveredByDenials = (cell: Cell, denials: readonly AccessStatement[]) =>
  denials.length > 0 && covered(cell, denials, [])

/** The statements that may allow one of the actions on one of the resources; none given: any. */
export const grantingAccess = (
  document: PolicyDocument,
  access: { readonly actions: readonly string[]; readonly resources: readonly string[] },
): AccessStatement[] => {
  const statements = accessStatements(document)
  const denials = statements.filter(({ deny }) => deny)
  const actions =
    access.actions.length === 0 ? [everything] : access.actions.map((action) => globOf(action.toLowerCase()))
  const resources = access.resources.length === 0 ? [everything] : access.resources.map(arnGlobOf)
  const asked: Record<Dimension, Names> = {
    principals: all,
    actions: { not: false, globs: actions },
    resources: { not: false, globs: resources },
  }
  return statements.filter(
    (statement) =>
      !statement.deny &&
      cellsOf(statement).some(
        (cell) =>
          !dimensions.some((dimension) => apart(cell[dimension], asked[dimension])) &&
          actions.some((action) =>
            resources.some((resource) => {
              const one: Cell = {
                ...cell,
                actions: narrower(cell.actions, action),
                resources: narrower(cell.resources, resource),
              }
              if (apart(cell.actions, { not: false, globs: [action] })) return false
              if (apart(cell.resources, { not: false, globs: [resource] })) return false
              return !coveredByDenials(one, denials) && !coveredByDenials(cell, denials)
            }),
          ),
      ),
  )
}

/** The smaller one of two that overlap: what they share is in both. */
const narrower = (part: Part, asked: Glob): Part =>
  coveredBy(asked, [part.within]) ? { ...part, within: asked } : part
