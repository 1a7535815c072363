import { arnGlobOf, contains, type Glob, globOf } from '../analysis/globs.ts'
import type { StringNode } from '../analysis/positioned-json.ts'
import { plainValueOf } from '../analysis/positioned-json.ts'
import type { Check } from './check.ts'
import type { Spot } from './policy-view.ts'

/** More than this in one element are not compared with each other: the work grows with the square. */
const MOST_COMPARED = 200

/** Those that another of the list says already; of equals, all but the first. */
const redundantIn = (spots: readonly Spot<StringNode>[], read: (text: string) => Glob): Spot<StringNode>[] => {
  if (spots.length < 2 || spots.length > MOST_COMPARED) return []
  const globs = spots.map(({ node }) => read(node.text))
  return spots.filter((_, at) =>
    globs.some(
      (other, index) => index !== at && contains(other, globs[at]!) && (index < at || !contains(globs[at]!, other)),
    ),
  )
}

const actions: Check = ({ view, report }) => {
  for (const statement of view.statements) {
    const found = redundantIn(statement.actions, (text) => globOf(text.toLowerCase()))
    if (found.length > 0)
      report(
        'REDUNDANT_ACTION',
        `The ${found.length} action(s) are redundant because they provide similar permissions. Update the policy to remove the redundant action such as: ${found[0]!.node.text}.`,
        ...found,
      )
  }
}

const resources: Check = ({ view, report }) => {
  for (const statement of view.statements) {
    const found = redundantIn(statement.resources, arnGlobOf)
    if (found.length > 0)
      report(
        'REDUNDANT_RESOURCE',
        `The ${found.length} resource ARN(s) are redundant because they reference the same resource. Review the use of wildcards (*) in ${found[0]!.node.text}`,
        ...found,
      )
  }
}

/** The same statement again, whatever it is called and in whatever order its elements and lists stand. */
const statements: Check = ({ view, report }) => {
  const seen = new Map<string, Spot[]>()
  for (const { spot } of view.statements) {
    const { Sid: _, ...rest } = plainValueOf(spot.node) as Record<string, unknown>
    const key = JSON.stringify(sorted(rest))
    seen.set(key, [...(seen.get(key) ?? []), spot])
  }
  for (const same of seen.values())
    if (same.length > 1)
      report(
        'REDUNDANT_STATEMENT',
        'The statements are redundant because they provide identical permissions. Update the policy to remove the redundant statement.',
        ...same,
      )
}

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value))
    return value.length === 1
      ? sorted(value[0])
      : value.map(sorted).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  )
}

export const redundancyChecks: readonly Check[] = [actions, resources, statements]
