// The language of management policies ("Policy syntax and inheritance for management policy types", Organizations user
// guide): a tree of settings, each set by inheritance operators.

export type Scalar = string | number | boolean
const operators = ['@@assign', '@@append', '@@remove'] as const
export type ValueOperator = (typeof operators)[number]
const childControl = '@@operators_allowed_for_child_policies'

/** One place in a policy: what it sets there, what it lets child policies do below, and what is inside. */
export type Setting = {
  readonly assign?: Scalar | readonly Scalar[]
  readonly append?: readonly Scalar[]
  readonly remove?: readonly Scalar[]
  /** The operators that child policies may use; all unless told. */
  readonly allowed?: readonly ValueOperator[]
  readonly inside: ReadonlyMap<string, Setting>
}

/** A document that AWS would refuse. */
export class MalformedManagementPolicy extends Error {
  override readonly name = 'MalformedManagementPolicy'
}

const malformed = (path: string, what: string) => new MalformedManagementPolicy(`${path}: ${what}`)
const deepest = 30

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

const scalars = (value: unknown, path: string): readonly Scalar[] => {
  if (!Array.isArray(value) || !value.every(isScalar)) throw malformed(path, 'a list of values is expected')
  return value
}

const controls = (value: unknown, path: string): readonly ValueOperator[] => {
  const names = Array.isArray(value) ? value : []
  if (names.length === 1 && names[0] === '@@all') return operators
  if (names.length === 1 && names[0] === '@@none') return []
  const known = operators.filter((operator) => names.includes(operator))
  if (names.length === 0 || known.length !== names.length) throw malformed(path, 'unknown operators')
  return known
}

const parse = (value: unknown, path: string, depth: number): Setting => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(path, 'a value needs an inheritance operator')
  if (depth > deepest) throw malformed(path, 'nested too deeply')
  const inside = new Map<string, Setting>()
  const setting: { -readonly [K in keyof Setting]: Setting[K] } = { inside }
  for (const [name, member] of Object.entries(value)) {
    const here = `${path}.${name}`
    if (name === '@@assign') setting.assign = isScalar(member) ? member : scalars(member, here)
    else if (name === '@@append') setting.append = scalars(member, here)
    else if (name === '@@remove') setting.remove = scalars(member, here)
    else if (name === childControl) setting.allowed = controls(member, here)
    else if (name.startsWith('@@')) throw malformed(here, 'unknown operator')
    else inside.set(name, parse(member, here, depth + 1))
  }
  return setting
}

/** Reads a management policy whose one member is `top`. Throws MalformedManagementPolicy. */
export const parseManagementPolicy = (text: string, top: string): Setting => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw malformed('$', 'no JSON')
  }
  const policy = parse(document, '$', 0)
  if (policy.inside.size !== 1 || !policy.inside.has(top)) throw malformed('$', `"${top}" is the only member there is`)
  if (policy.assign !== undefined || policy.append || policy.remove) throw malformed('$', 'settings are inside')
  return policy
}

/** A setting on its way down the tree of the organization. */
type Merged = {
  value: Scalar | readonly Scalar[] | undefined
  /** What policies of the level in hand may do here, and of those below it. */
  allowed: ReadonlySet<ValueOperator>
  below: ReadonlySet<ValueOperator>
  /** A policy of the level in hand has assigned it: the first one that was attached wins. */
  assigned: boolean
  /** Policies that had a say in its value. */
  by: Set<string>
  readonly inside: Map<string, Merged>
}

const all: ReadonlySet<ValueOperator> = new Set(operators)

const fresh = ({ allowed, below }: Pick<Merged, 'allowed' | 'below'>): Merged => ({
  value: undefined,
  allowed,
  below,
  assigned: false,
  by: new Set(),
  inside: new Map(),
})

const list = (value: Merged['value']): readonly Scalar[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value as Scalar]

const apply = (merged: Merged, setting: Setting, policy: string): void => {
  const { assign, append, remove, inside } = setting
  if (assign !== undefined && merged.allowed.has('@@assign') && !merged.assigned) {
    merged.value = assign
    merged.assigned = true
    merged.by = new Set([policy])
  }
  if (append && merged.allowed.has('@@append')) {
    merged.value = [...new Set([...list(merged.value), ...append])]
    merged.by.add(policy)
  }
  if (remove && merged.allowed.has('@@remove')) {
    merged.value = list(merged.value).filter((one) => !remove.includes(one))
    merged.by.add(policy)
  }
  for (const [name, child] of inside) {
    const there = merged.inside.get(name) ?? fresh(merged)
    merged.inside.set(name, there)
    apply(there, child, policy)
  }
}

/** What child policies may do: never more than their parents may, whatever several policies of one level say. */
const restrict = (merged: Merged, setting: Setting): void => {
  const { allowed } = setting
  if (allowed) narrow(merged, new Set(allowed))
  for (const [name, child] of setting.inside) restrict(merged.inside.get(name)!, child)
}

const narrow = (merged: Merged, allowed: ReadonlySet<ValueOperator>): void => {
  merged.below = new Set([...merged.below].filter((operator) => allowed.has(operator)))
  for (const child of merged.inside.values()) narrow(child, allowed)
}

const descend = (merged: Merged): void => {
  merged.allowed = merged.below
  merged.assigned = false
  for (const child of merged.inside.values()) descend(child)
}

export type Contributing = { readonly id: string; readonly policy: Setting }

export type Effective = {
  /** The document without operators. */
  readonly document: Readonly<Record<string, unknown>>
  /** Ids of the policies that had a say in what is at this path or inside it. */
  readonly contributors: (path: readonly string[]) => string[]
}

/** Merges policies: levels from the root down to the account, each with its policies in the order of attachment. */
export const effectivePolicy = (levels: readonly (readonly Contributing[])[]): Effective => {
  const merged = fresh({ allowed: all, below: all })
  for (const level of levels) {
    for (const { id, policy } of level) apply(merged, policy, id)
    for (const { policy } of level) restrict(merged, policy)
    descend(merged)
  }
  return {
    document: (render(merged) ?? {}) as Record<string, unknown>,
    contributors: (path) => {
      const at = path.reduce<Merged | undefined>((here, name) => here?.inside.get(name), merged)
      return at ? [...contributorsOf(at)].toSorted() : []
    },
  }
}

const render = ({ value, inside }: Merged): unknown => {
  if (value !== undefined) return Array.isArray(value) && value.length === 0 ? undefined : value
  const members = [...inside].flatMap(([name, child]) => {
    const rendered = render(child)
    return rendered === undefined ? [] : [[name, rendered] as const]
  })
  return members.length === 0 ? undefined : Object.fromEntries(members)
}

const contributorsOf = ({ by, inside }: Merged): Set<string> => {
  const found = new Set(by)
  for (const child of inside.values()) for (const id of contributorsOf(child)) found.add(id)
  return found
}
