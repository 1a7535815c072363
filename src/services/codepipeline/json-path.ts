// JSONPath as webhook filters use it ("WebhookFilterRule", API reference): members, indexes, wildcards, deep scan. Filter
// expressions and scripts are not of it.

type Step = { readonly deep: boolean; readonly pick: string | number | '*' }

/** Most values that are looked at in one payload. */
const mostValues = 100_000

const token =
  /(\.\.|\.)?(?:([\p{L}_$][\p{L}\p{N}_$-]*|\*)|\[(?:(-?\d{1,9})|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\*))\])/uy

/** `undefined` for what is no such path. */
export const parseJsonPath = (path: string): Step[] | undefined => {
  if (!path.startsWith('$')) return undefined
  const steps: Step[] = []
  let at = 1
  while (at < path.length) {
    token.lastIndex = at
    const match = token.exec(path)
    if (!match) return undefined
    const [whole, dots, name, index, single, double, star] = match
    // A name needs its dot; brackets need none, and take two only.
    if (name !== undefined ? dots === undefined : dots === '.') return undefined
    const member = name ?? single?.replaceAll(/\\(.)/g, '$1') ?? double?.replaceAll(/\\(.)/g, '$1')
    const pick = star ?? (index === undefined ? (member ?? '') : Number(index))
    steps.push({ deep: dots === '..', pick })
    at += whole.length
  }
  return steps
}

const childrenOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : typeof value === 'object' && value !== null ? Object.values(value) : []

const picked = (value: unknown, pick: Step['pick']): unknown[] => {
  if (pick === '*') return childrenOf(value)
  if (typeof pick === 'number') {
    const at = Array.isArray(value) ? (value as unknown[]).at(pick) : undefined
    return at === undefined ? [] : [at]
  }
  return typeof value === 'object' && value !== null && Object.hasOwn(value, pick)
    ? [(value as Record<string, unknown>)[pick]]
    : []
}

const within = (values: readonly unknown[]): unknown[] => {
  const all = [...values]
  for (let at = 0; at < all.length; at++)
    for (const child of childrenOf(all[at])) {
      if (all.length >= mostValues) return all
      all.push(child)
    }
  return all
}

/** Every value the path leads to. */
export const selectJson = (document: unknown, steps: readonly Step[]): unknown[] =>
  steps.reduce<unknown[]>(
    (values, { deep, pick }) =>
      (deep ? within(values) : values).flatMap((value) => picked(value, pick)).slice(0, mostValues),
    [document],
  )
