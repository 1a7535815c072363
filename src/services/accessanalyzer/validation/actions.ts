import { globOf, intersects } from '../analysis/globs.ts'
import { type Check, hasVariable, hasWildcard } from './check.ts'
import { partOf } from './policy-view.ts'

/** Edits that make one word of another, as far as they are few. */
const distance = (a: string, b: string, most: number): number => {
  if (Math.abs(a.length - b.length) > most) return most + 1
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++)
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)))
    if (Math.min(...next) > most) return most + 1
    row = next
  }
  return row[b.length]!
}

/** The known word that was probably meant. */
const closest = (word: string, known: Iterable<string>): string | undefined => {
  if (word.length > 128) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.min(3, Math.floor(word.length / 3))) + 1
  for (const one of known) {
    const edits = distance(word.toLowerCase(), one.toLowerCase(), least - 1)
    if (edits >= least) continue
    least = edits
    best = one
  }
  return best
}

/** Actions that exist: service prefix and name, or a pattern that some action fits. */
export const actionChecks = (serviceNames: readonly string[]): readonly Check[] => [
  ({ view, services, report }) => {
    // Guessing what was meant is for people's mistakes, not for thousands of them.
    let guesses = 20
    const guess = (word: string, known: Iterable<string>) => (guesses-- > 0 ? closest(word, known) : undefined)
    for (const { actions } of view.statements)
      for (const spot of actions) {
        const { text } = spot.node
        if (text === '*' || hasVariable(text)) continue
        const colon = text.indexOf(':')
        if (colon < 0) {
          report('INVALID_ACTION', `The action ${text} does not exist.`, spot)
          continue
        }
        const prefix = text.slice(0, colon)
        const name = text.slice(colon + 1)
        if (hasWildcard(prefix)) {
          report(
            'WILDCARD_IN_SERVICE_NAME',
            'Avoid using wildcards (*, ?) in the service name because it might grant unintended access to other AWS services with similar names.',
            partOf(spot, 0, prefix.length),
          )
          continue
        }
        const model = services.get(prefix.toLowerCase())
        if (!model) {
          const meant = guess(prefix, serviceNames)
          report(
            'INVALID_SERVICE_IN_ACTION',
            `The service ${prefix} specified in the action does not exist.${meant ? ` Did you mean ${meant}?` : ''}`,
            partOf(spot, 0, prefix.length),
          )
          continue
        }
        if (model.actions.has(name.toLowerCase())) continue
        const pattern = globOf(name.toLowerCase())
        if (hasWildcard(name) && [...model.actions.keys()].some((one) => intersects(pattern, globOf(one)))) continue
        const meant = hasWildcard(name)
          ? undefined
          : guess(
              name,
              [...model.actions.values()].map((one) => one.name),
            )
        report(
          'INVALID_ACTION',
          `The action ${text} does not exist.${meant ? ` Did you mean ${model.prefix}:${meant}?` : ''}`,
          spot,
        )
      }
  },
]
