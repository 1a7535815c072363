import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import type { TaskKind } from './actions/action.ts'
import { fail, type Input, type Operation, type Output } from './operation.ts'
import type { Tag } from './pipeline.ts'
import { checkTags } from './tag.ts'

// Types of actions that job workers carry out: an account's own ("Create and add a custom action in CodePipeline", user
// guide), and those of third parties ("Working with action types").

type Executor = Input<'UpdateActionType'>['actionType']['executor']

export type TypeProperty = {
  readonly name: string
  readonly required: boolean
  /** One of those that tell an action from others of its kind. */
  readonly key: boolean
  readonly secret: boolean
  readonly queryable: boolean
  readonly description?: string
  readonly type: 'Boolean' | 'Number' | 'String'
}

export type CustomTypeRecord = {
  readonly owner: 'Custom' | 'ThirdParty'
  readonly category: Input<'CreateCustomActionType'>['category']
  readonly provider: string
  readonly version: string
  readonly properties: readonly TypeProperty[]
  readonly inputs: readonly [min: number, max: number]
  readonly outputs: readonly [min: number, max: number]
  readonly settings: NonNullable<Input<'CreateCustomActionType'>['settings']>
  readonly tags: readonly Tag[]
  /** Deleted, and its version used up. */
  readonly deleted?: boolean
  readonly description?: string
  readonly executor?: Executor
  readonly allowed?: readonly string[]
}

type TypeId = {
  readonly owner: string
  readonly category: string
  readonly provider: string
  readonly version: string
}

/** `Owner/Category/Provider/Version`. */
export const typeKey = ({ owner, category, provider, version }: TypeId): string =>
  `${owner}/${category}/${provider}/${version}`

export const CustomType = table<CustomTypeRecord>('codepipeline.actiontype', { scope: 'region', key: typeKey })

export const typeArn = (ctx: Pick<Ctx, 'arn'>, id: TypeId): string => ctx.arn(`actiontype:${typeKey(id)}`)

export const typeSentence = ({ owner, category, provider, version }: TypeId): string =>
  `ActionType (Category: '${category}', Provider: '${provider}', Owner: '${owner}', Version: '${version}')`

export const findType = async (tx: ReadTx, id: TypeId): Promise<CustomTypeRecord | undefined> => {
  const found = await tx.get(CustomType, typeKey(id))
  return found?.deleted ? undefined : found
}

/** Throws ActionTypeNotFoundException. */
export const getType = async (ctx: Ctx, tx: ReadTx, id: TypeId): Promise<CustomTypeRecord> => {
  const found = await findType(tx, id)
  if (!found)
    throw fail('ActionTypeNotFoundException', `${typeSentence(id)} is not available in account '${ctx.account}'`)
  return found
}

/** How a structure with actions of this type is checked. */
export const kindOfType = (
  { properties, inputs, outputs, allowed }: CustomTypeRecord,
  account: string,
): Pick<TaskKind, 'check' | 'inputs' | 'outputs' | 'properties'> | undefined =>
  allowed && !allowed.includes('*') && !allowed.includes(account)
    ? undefined
    : {
        properties: properties.map(({ name, required, description = '' }) => ({ name, required, description })),
        inputs,
        outputs,
        check: ({ configuration = {} }) => {
          const queried = properties.find(({ name, queryable }) => queryable && Object.hasOwn(configuration, name))
          return !queried || /^[\w-]{1,20}$/.test(configuration[queried.name] ?? '')
            ? undefined
            : `the queryable ${queried.name} must have 20 letters, digits, underscores and hyphens at most`
        },
      }

const templateNames = (template: string) => [...template.matchAll(/\{([^{}]+)\}/g)].map(([, name = '']) => name)

/**
 * A link as the type's owner templates it: `{Config:NAME}` is what the action's configuration has, other names are those of
 * `values`. `undefined` while something that it names is not known.
 */
export const linkOf = (
  template: string | undefined,
  configuration: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string | undefined>> = {},
): string | undefined => {
  const known: Record<string, string | undefined> = {
    ...values,
    ...Object.fromEntries(Object.entries(configuration).map(([key, value]) => [`Config:${key}`, value])),
  }
  return templateNames(template ?? '').every((name) => Object.hasOwn(known, name) && known[name] !== undefined)
    ? template?.replace(/\{([^{}]+)\}/g, (_whole, name: string) => encodeURIComponent(known[name] ?? ''))
    : undefined
}

export const toActionType = (type: CustomTypeRecord): Output<'CreateCustomActionType'>['actionType'] => ({
  id: { category: type.category, owner: type.owner, provider: type.provider, version: type.version },
  settings: type.settings,
  actionConfigurationProperties: type.properties.map((property) => ({ ...property })),
  inputArtifactDetails: { minimumCount: type.inputs[0], maximumCount: type.inputs[1] },
  outputArtifactDetails: { minimumCount: type.outputs[0], maximumCount: type.outputs[1] },
})

const invalid = (message: string) => fail('ValidationException', message)

const countsOf = (
  what: string,
  { minimumCount, maximumCount }: { minimumCount: number; maximumCount: number },
): readonly [number, number] => {
  if (minimumCount > maximumCount)
    throw invalid(`The minimum count of ${what} artifacts is greater than the maximum count`)
  return [minimumCount, maximumCount]
}

/** What a link names of an action's configuration must be there, and nothing that nobody may see. */
const checkTemplates = ({ settings, properties }: Pick<CustomTypeRecord, 'settings' | 'properties'>): void => {
  for (const name of Object.values(settings).flatMap(templateNames)) {
    if (!name.startsWith('Config:')) continue
    const property = properties.find((one) => `Config:${one.name}` === name)
    if (!property?.required || property.secret)
      throw invalid(
        `The URL template refers to {${name}}, which is no configuration property that is both required and not secret`,
      )
  }
}

const checkProperties = (properties: readonly TypeProperty[]): readonly TypeProperty[] => {
  const names = properties.map(({ name }) => name)
  if (new Set(names).size < names.length) throw invalid('Names of configuration properties must be unique')
  const queried = properties.filter(({ queryable }) => queryable)
  if (queried.length > 1) throw invalid('An action type can have one queryable configuration property at most')
  if (queried.some(({ required, secret }) => !required || secret))
    throw invalid('A queryable configuration property must be both required and not secret')
  return properties
}

/** "Quotas in CodePipeline". */
const mostTypes = 50

/** AWS API: "CreateCustomActionType". */
export const CreateCustomActionType: Operation<'CreateCustomActionType'> = (ctx, input) => {
  const { category, provider, version, settings = {}, tags = [] } = input
  const record: CustomTypeRecord = {
    owner: 'Custom',
    category,
    provider,
    version,
    properties: checkProperties(
      (input.configurationProperties ?? []).map(({ queryable = false, type = 'String', ...property }) => ({
        ...property,
        queryable,
        type,
      })),
    ),
    inputs: countsOf('input', input.inputArtifactDetails),
    outputs: countsOf('output', input.outputArtifactDetails),
    settings,
    tags,
  }
  // "Create and add a custom action in CodePipeline": approvals and compute are AWS's own.
  if (category === 'Approval' || category === 'Compute')
    throw invalid(`There are no custom actions of the category ${category}`)
  checkTemplates(record)
  checkTags(typeArn(ctx, record), tags)
  return ctx.write(async (tx) => {
    const known = await tx.get(CustomType, typeKey(record))
    if (known)
      throw invalid(
        known.deleted
          ? `${typeSentence(record)} has been deleted: use a version that has never been used before`
          : `${typeSentence(record)} already exists`,
      )
    const all = await tx.list(CustomType, { prefix: 'Custom/' })
    if (all.filter(({ deleted }) => !deleted).length >= mostTypes)
      throw fail('LimitExceededException', `The account has reached the limit of ${mostTypes} custom action types.`)
    tx.put(CustomType, record)
    return { actionType: toActionType(record), ...(tags.length > 0 ? { tags } : {}) }
  })
}

/** AWS API: "DeleteCustomActionType". Workers find no jobs of it any more; its version is used up. */
export const DeleteCustomActionType: Operation<'DeleteCustomActionType'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const found = await findType(tx, { owner: 'Custom', ...input })
    if (found) tx.put(CustomType, { ...found, deleted: true, tags: [] })
    return {}
  })

/** AWS API: "GetActionType". Of a type that was registered by UpdateActionType. */
export const GetActionType: Operation<'GetActionType'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const type = await getType(ctx, tx, input)
    const { executor, settings, allowed, description } = type
    if (!executor) throw new Error(`The action type ${typeKey(type)} has no executor.`)
    const { thirdPartyConfigurationUrl, ...urls } = settings
    return {
      actionType: {
        ...(description ? { description } : {}),
        executor,
        id: { category: type.category, owner: type.owner, provider: type.provider, version: type.version },
        inputArtifactDetails: { minimumCount: type.inputs[0], maximumCount: type.inputs[1] },
        outputArtifactDetails: { minimumCount: type.outputs[0], maximumCount: type.outputs[1] },
        ...(allowed ? { permissions: { allowedAccounts: [...allowed] } } : {}),
        properties: type.properties.map(({ name, required, key, secret, queryable, description: about }) => ({
          name,
          optional: !required,
          key,
          noEcho: secret,
          queryable,
          ...(about ? { description: about } : {}),
        })),
        urls: { ...urls, ...(thirdPartyConfigurationUrl ? { configurationUrl: thirdPartyConfigurationUrl } : {}) },
      },
    }
  })

/**
 * AWS API: "UpdateActionType". On AWS a provider's type is first registered by CodePipeline's own people; here its first
 * update registers it.
 */
export const UpdateActionType: Operation<'UpdateActionType'> = (ctx, { actionType }) => {
  const { id, executor, urls = {}, permissions, description } = actionType
  if (id.owner !== 'ThirdParty')
    throw fail('ActionTypeNotFoundException', `${typeSentence(id)} is not one that can be updated`)
  if (executor.type !== 'JobWorker')
    throw fail(
      'RequestFailedException',
      'The executor Lambda is not implemented by Drydock: there is no AWS Lambda yet',
    )
  if (!executor.configuration.jobWorkerExecutorConfiguration)
    throw invalid('The executor JobWorker needs a jobWorkerExecutorConfiguration')
  const { configurationUrl, ...templates } = urls
  const record: CustomTypeRecord = {
    owner: 'ThirdParty',
    category: id.category,
    provider: id.provider,
    version: id.version,
    properties: checkProperties(
      (actionType.properties ?? []).map(({ name, optional, key, noEcho, queryable = false, description: about }) => ({
        name,
        required: !optional,
        key,
        secret: noEcho,
        queryable,
        type: 'String',
        ...(about ? { description: about } : {}),
      })),
    ),
    inputs: countsOf('input', actionType.inputArtifactDetails),
    outputs: countsOf('output', actionType.outputArtifactDetails),
    settings: { ...templates, ...(configurationUrl ? { thirdPartyConfigurationUrl: configurationUrl } : {}) },
    tags: [],
    executor,
    ...(description ? { description } : {}),
    ...(permissions ? { allowed: permissions.allowedAccounts } : {}),
  }
  checkTemplates(record)
  return ctx.write(async (tx) => {
    tx.put(CustomType, record)
    return {}
  })
}
