import type { Member, Shape } from './shapes.ts'

/** As CloudTrail writes it where a secret was. */
const hidden = 'HIDDEN_DUE_TO_SECURITY_REASONS'

const secret = ({ traits }: Member): boolean => traits.sensitive === 1

const found = new WeakMap<Shape, boolean>()

const membersOf = (shape: Shape): readonly Member[] =>
  shape.kind === 'structure'
    ? shape.members
    : shape.kind === 'list'
      ? [shape.member]
      : shape.kind === 'map'
        ? [shape.key, shape.value]
        : []

/** Whether anything below a shape is marked sensitive by the model. */
const holdsSecrets = (shape: Shape): boolean => {
  const known = found.get(shape)
  if (known !== undefined) return known
  const seen = new Set([shape])
  for (const at of seen)
    for (const member of membersOf(at)) {
      if (secret(member) || found.get(member.shape)) {
        found.set(shape, true)
        return true
      }
      if (found.get(member.shape) !== false) seen.add(member.shape)
    }
  for (const clean of seen) found.set(clean, false)
  return false
}

/** A value for logs and records: what the service's model marks sensitive is hidden, the rest is as it was. */
export const withoutSecrets = (shape: Shape, value: unknown): unknown => {
  if (value === undefined || value === null || !holdsSecrets(shape)) return value
  const inside = (member: Member, item: unknown): unknown =>
    secret(member) && item !== undefined && item !== null ? hidden : withoutSecrets(member.shape, item)
  switch (shape.kind) {
    case 'structure': {
      const from = value as Readonly<Record<string, unknown>>
      const result: Record<string, unknown> = { ...from }
      for (const member of shape.members)
        if (from[member.name] !== undefined) result[member.name] = inside(member, from[member.name])
      return result
    }
    case 'list':
      return Array.isArray(value) ? value.map((item) => inside(shape.member, item)) : value
    case 'map':
      return Object.fromEntries(
        Object.entries(value).map(([key, item], i) => [
          secret(shape.key) ? `${hidden}_${i + 1}` : key,
          inside(shape.value, item),
        ]),
      )
    default:
      return value
  }
}
