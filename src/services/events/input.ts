// What a target is sent: the whole event, a part of it (InputPath), a constant (Input), or a template filled from it
// ("Amazon EventBridge input transformation"). Pure; texts in and out.

export type TargetInput = {
  readonly input?: string
  readonly inputPath?: string
  readonly transformer?: { readonly paths: Readonly<Record<string, string>>; readonly template: string }
}

export type Invocation = { readonly ruleArn: string; readonly ruleName: string; readonly ingested: string }

const step = /^(?:\.([\w/-]+|\*)|\[(\d+|\*)\]|\['([^']*)'\])/

/** Steps of the JSON path that EventBridge understands (dots, indexes, `*`); `undefined` for any other text. */
export const parsePath = (path: string): (string | number)[] | undefined => {
  if (!path.startsWith('$')) return undefined
  const steps: (string | number)[] = []
  let rest = path.slice(1)
  while (rest !== '') {
    const match = step.exec(rest)
    if (!match) return undefined
    const [whole, name, index, quoted] = match
    steps.push(index === undefined || index === '*' ? (name ?? quoted ?? '*') : Number(index))
    rest = rest.slice(whole.length)
  }
  return steps
}

/** The value at a path; with `*` an array of the values that are there. `undefined` when there is none. */
const valueAt = (value: unknown, steps: readonly (string | number)[]): unknown => {
  const [first, ...rest] = steps
  if (first === undefined) return value
  if (typeof value !== 'object' || value === null) return undefined
  if (first === '*') return Object.values(value).flatMap((one) => valueAt(one, rest) ?? [])
  if (!Object.hasOwn(value, first)) return undefined
  return valueAt((value as Readonly<Record<string | number, unknown>>)[first], rest)
}

const placeholder = /<([\w.-]+)>/g

/** Names that a template mentions. */
export const placeholders = (template: string): string[] =>
  [...template.matchAll(placeholder)].map(([, name = '']) => name)

/** Variables that EventBridge fills itself, whatever the paths map says. */
export const reserved = (name: string): boolean => /^aws\./i.test(name)

/** The text that the target gets for this event. */
export const targetInput = (
  target: TargetInput,
  event: Readonly<Record<string, unknown>>,
  invocation: Invocation,
): string => {
  if (target.input !== undefined) return target.input
  if (target.inputPath !== undefined) return JSON.stringify(valueAt(event, parsePath(target.inputPath) ?? []) ?? {})
  if (!target.transformer) return JSON.stringify(event)
  const { paths, template } = target.transformer
  const { detail: _, ...withoutDetail } = event
  const known: Readonly<Record<string, unknown>> = {
    'aws.events.rule-arn': invocation.ruleArn,
    'aws.events.rule-name': invocation.ruleName,
    'aws.events.event.ingestion-time': invocation.ingested,
    'aws.events.event': withoutDetail,
    'aws.events.event.json': event,
  }
  const lookup = (name: string): unknown =>
    Object.hasOwn(known, name)
      ? known[name]
      : Object.hasOwn(paths, name)
        ? valueAt(event, parsePath(paths[name] ?? '') ?? [])
        : undefined
  return fill(template, lookup)
}

/** Inside quotes a value becomes part of the string, outside it is JSON; a path that leads nowhere is empty text. */
const fill = (template: string, lookup: (name: string) => unknown): string => {
  const structured = /^\s*[{["]/.test(template)
  let quoted = false
  let text = ''
  let from = 0
  for (const match of template.matchAll(placeholder)) {
    const between = template.slice(from, match.index)
    quoted = between.replaceAll(/\\./gs, '').split('"').length % 2 === 0 ? !quoted : quoted
    const value = lookup(match[1] ?? '') ?? ''
    const words = typeof value === 'string' ? value : JSON.stringify(value)
    text += between + (quoted ? JSON.stringify(words).slice(1, -1) : structured ? JSON.stringify(value) : words)
    from = match.index + match[0].length
  }
  return text + template.slice(from)
}
