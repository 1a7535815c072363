import { isIP } from 'node:net'
import type { Ctx } from '../../kernel/context.ts'
import { organization } from '../../kernel/organization.ts'
import { compile } from '../../policy/compile.ts'
import { type DocumentKind, PolicyFinding, parsePolicy } from '../../policy/parse.ts'
import { cutArn } from '../../policy/pattern.ts'
import type { AppliedPolicy, PolicyDocument, PolicyKind, PolicyPrincipal } from '../../policy/policy.ts'
import { type Entity, findEntity, policiesHeld } from './entity-policies.ts'
import { findManaged } from './managed.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { keysOf, type Simulated, type Simulation, simulateAction } from './simulation.ts'

const invalid = (message: string) => fail('InvalidInputException', message)

const parse = (text: string, kind: DocumentKind): PolicyDocument => {
  try {
    return parsePolicy(text, kind)
  } catch (thrown) {
    if (thrown instanceof PolicyFinding) throw invalid(thrown.message)
    throw thrown
  }
}

const given = (kind: PolicyKind, list: string, texts: readonly string[] | undefined): Simulated[] =>
  (texts ?? []).map((text, index) => ({ kind, id: `${list}.${index + 1}`, document: parse(text, kind), text }))

type Value = (text: string) => boolean

const isDate: Value = (text) => /^\d+$/.test(text) || !Number.isNaN(Date.parse(text))

const valueTypes: Readonly<Record<string, Value>> = {
  string: () => true,
  numeric: (text) => text.trim() !== '' && Number.isFinite(Number(text)),
  boolean: (text) => /^(true|false)$/i.test(text),
  ip: (text) => isIP(text.replace(/\/\d{1,3}$/, '')) !== 0,
  binary: (text) => /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  date: isDate,
}

/** Throws InvalidInput for values that are not of their type. */
const contextOf = (entries: Input<'SimulateCustomPolicy'>['ContextEntries']): Record<string, readonly string[]> =>
  Object.fromEntries(
    (entries ?? []).map(({ ContextKeyName: name, ContextKeyValues: values, ContextKeyType: type }) => {
      if (name === undefined || !name.includes(':') || type === undefined || !values?.length)
        throw invalid(`Invalid context entry: ${name ?? ''} must have a name, a type and values.`)
      const fits = valueTypes[type.replace(/List$/, '')]
      if (!type.endsWith('List') && values.length > 1)
        throw invalid(`Context key ${name} of type ${type} has more than one value.`)
      for (const value of values)
        if (!fits?.(value)) throw invalid(`Value ${value} of context key ${name} is not of type ${type}.`)
      return [name.toLowerCase(), values]
    }),
  )

/** What each scenario needs (API reference, `ResourceHandlingOption`). */
const scenarios: Readonly<Record<string, readonly string[]>> = {
  'EC2-VPC-InstanceStore': ['instance', 'image', 'security-group', 'network-interface'],
  'EC2-VPC-InstanceStore-Subnet': ['instance', 'image', 'security-group', 'network-interface', 'subnet'],
  'EC2-VPC-EBS': ['instance', 'image', 'security-group', 'network-interface', 'volume'],
  'EC2-VPC-EBS-Subnet': ['instance', 'image', 'security-group', 'network-interface', 'subnet', 'volume'],
}

const checkScenario = (option: string | undefined, resources: readonly string[]) => {
  if (option === undefined) return
  const needed = Object.hasOwn(scenarios, option) ? scenarios[option] : undefined
  if (!needed) throw invalid(`Invalid resource handling option: ${option}`)
  for (const type of needed)
    if (
      !resources.some((resource) => /^arn:[^:]+:ec2:/.test(resource) && resource.split(':')[5]?.startsWith(`${type}/`))
    )
      throw invalid(`Resource handling option ${option} needs a resource of type ${type}.`)
}

/** Decisions in one answer: IAM may return fewer results than MaxItems, and then says that there are more. */
const mostAtOnce = 2000

type Asked = Omit<Input<'SimulateCustomPolicy'>, 'PolicyInputList'>

/** `arn:aws:iam::123456789012:root`, or the account by itself. */
const ownerOf = ({ ResourceOwner: owner }: Asked): string | undefined => {
  if (owner === undefined) return undefined
  const account = /^(?:arn:[^:]+:iam::)?(\d{12})(?::root)?$/.exec(owner)?.[1]
  if (!account) throw invalid(`Invalid resource owner: ${owner}`)
  return account
}

const simulate = async (
  asked: Asked,
  from: Pick<Simulation, 'caller' | 'controls'> & {
    readonly facts: Simulation['context']
    readonly policies: readonly Simulated[]
  },
) => {
  for (const action of asked.ActionNames)
    if (!/^[A-Za-z0-9-]+:[A-Za-z0-9_]+$/.test(action)) throw invalid(`Invalid Action Name: ${action}`)
  const boundaries = given('boundary', 'PermissionsBoundaryPolicyInputList', asked.PermissionsBoundaryPolicyInputList)
  if (boundaries.length > 1) throw invalid('Only one permissions boundary policy can be given.')
  const resourcePolicy =
    asked.ResourcePolicy === undefined ? [] : given('resource', 'ResourcePolicy', [asked.ResourcePolicy])
  const resources = asked.ResourceArns?.length ? [...new Set(asked.ResourceArns)] : ['*']
  checkScenario(asked.ResourceHandlingOption, resources)
  const context = { ...from.facts, ...contextOf(asked.ContextEntries) }
  for (const { document } of resourcePolicy)
    for (const resource of resources)
      if (resource !== '*' && !compile(document).some((one) => one.resource(cutArn(resource), context)))
        throw invalid(`The resource policy does not apply to ${resource}.`)
  // A boundary in the question takes the place of the identity's own.
  const own = boundaries.length > 0 ? from.policies.filter(({ kind }) => kind !== 'boundary') : from.policies
  const simulation: Simulation = {
    caller: from.caller,
    controls: from.controls,
    context,
    policies: [...own, ...boundaries, ...resourcePolicy],
    owner: ownerOf(asked),
    together: asked.ResourceHandlingOption !== undefined,
  }
  const ranked = asked.ActionNames.map((action, index) => ({ action, rank: String(index).padStart(9, '0') }))
  const MaxItems = Math.min(asked.MaxItems ?? 100, Math.max(1, Math.floor(mostAtOnce / resources.length)))
  const page = pageOfList(ranked, ({ rank }) => rank, { ...asked, MaxItems })
  const results = await Promise.all(page.items.map(({ action }) => simulateAction(simulation, action, resources)))
  return { EvaluationResults: results, ...tail(page) }
}

const callerOf = (arn: string): PolicyPrincipal => {
  const account = /^arn:aws:iam::(\d{12}):user\/(?:.*\/)?[^/]+$/.exec(arn)?.[1]
  if (!account) throw invalid(`Invalid caller ARN: ${arn}`)
  return { kind: 'user', account, arn }
}

/** Whose policies are simulated where nobody is named. */
const somebody = (account: string): PolicyPrincipal => ({
  kind: 'user',
  account,
  arn: `arn:aws:iam::${account}:user/simulated`,
})

const callerNeeded = () =>
  invalid('CallerArn is required with a ResourcePolicy, unless the policies simulated are those of a user.')

/** Condition keys that follow from who asks. */
const factsOf = (caller: PolicyPrincipal, id?: string): Record<string, readonly string[]> => ({
  'aws:principalarn': [caller.roleArn ?? caller.arn],
  'aws:principalaccount': [caller.account],
  ...(caller.kind === 'user' ? { 'aws:username': [caller.arn.slice(caller.arn.lastIndexOf('/') + 1)] } : {}),
  ...(id === undefined ? {} : { 'aws:userid': [id] }),
})

/** Throws InvalidInput. */
const SimulateCustomPolicy: Operation<'SimulateCustomPolicy'> = (ctx, input) => {
  if (input.ResourcePolicy !== undefined && input.CallerArn === undefined) throw callerNeeded()
  const caller = input.CallerArn === undefined ? somebody(ctx.account) : callerOf(input.CallerArn)
  return simulate(input, {
    caller,
    facts: input.CallerArn === undefined ? {} : factsOf(caller),
    policies: given('identity', 'PolicyInputList', input.PolicyInputList),
    controls: undefined,
  })
}

/** Throws NoSuchEntity. */
const sourceOf = async (ctx: Ctx, arn: string): Promise<{ entity: Entity; policies: Simulated[] }> => {
  const entity = await ctx.read((tx) => findEntity(tx, ctx.account, arn))
  if (!entity) throw fail('NoSuchEntityException', `The Policy Source ARN ${arn} cannot be found.`)
  const held = (await policiesHeld(ctx, entity)).map(
    ({ name, arn: own, holder, text }): Simulated => ({
      kind: 'identity',
      id: own ?? `inline:${holder.kind}/${holder.name}/${name}`,
      document: JSON.parse(text) as PolicyDocument,
      text,
    }),
  )
  const bound = entity.kind === 'group' ? undefined : entity.record.boundary
  const boundary = bound === undefined ? undefined : await findManaged(ctx, bound)
  if (!boundary) return { entity, policies: held }
  const document = JSON.parse(boundary.document) as PolicyDocument
  return { entity, policies: [...held, { kind: 'boundary', id: boundary.arn, document, text: boundary.document }] }
}

const principalOf = (account: string, arn: string, { kind, record }: Entity): PolicyPrincipal | undefined => {
  if (kind === 'group') return undefined
  if (kind === 'user') return { kind, account, arn }
  return { kind, account, arn: `arn:aws:sts::${account}:assumed-role/${record.name}/simulated`, roleArn: arn }
}

/** Service control policies bind every account of an organization but the management account, and no service-linked role. */
const controlsOn = async (ctx: Ctx, entity: Entity): Promise<readonly AppliedPolicy[] | undefined> => {
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  if (!membership) return undefined
  if (membership.management || (entity.kind === 'role' && entity.record.linkedTo !== undefined)) return []
  return membership.controls.filter(({ kind }) => kind === 'service-control')
}

/** The policies that bind a user, group or role, and any more that are given. Throws NoSuchEntity, InvalidInput. */
const SimulatePrincipalPolicy: Operation<'SimulatePrincipalPolicy'> = async (ctx, input) => {
  const { entity, policies } = await sourceOf(ctx, input.PolicySourceArn)
  if (input.ResourcePolicy !== undefined && input.CallerArn === undefined && entity.kind !== 'user')
    throw callerNeeded()
  const principal = principalOf(ctx.account, input.PolicySourceArn, entity)
  const caller = input.CallerArn === undefined ? (principal ?? somebody(ctx.account)) : callerOf(input.CallerArn)
  const { id } = entity.record
  const facts = factsOf(caller, entity.kind === 'group' ? undefined : entity.kind === 'role' ? `${id}:simulated` : id)
  const more = given('identity', 'PolicyInputList', input.PolicyInputList)
  const controls = await controlsOn(ctx, entity)
  return simulate(input, { caller, facts, policies: [...policies, ...more], controls })
}

const contextKeys = (documents: readonly PolicyDocument[]) => ({
  ContextKeyNames: [...new Map(documents.flatMap(keysOf).map((key) => [key.toLowerCase(), key])).values()],
})

/** Condition keys and variables that the policies ask for. Throws InvalidInput. */
const GetContextKeysForCustomPolicy: Operation<'GetContextKeysForCustomPolicy'> = (_, { PolicyInputList }) =>
  contextKeys(PolicyInputList.map((text) => parse(text, 'identity')))

/** Throws NoSuchEntity, InvalidInput. */
const GetContextKeysForPrincipalPolicy: Operation<'GetContextKeysForPrincipalPolicy'> = async (ctx, input) => {
  const { policies } = await sourceOf(ctx, input.PolicySourceArn)
  const more = (input.PolicyInputList ?? []).map((text) => parse(text, 'identity'))
  const own = policies.filter(({ kind }) => kind === 'identity').map(({ document }) => document)
  return contextKeys([...own, ...more])
}

export const simulations = {
  SimulateCustomPolicy,
  SimulatePrincipalPolicy,
  GetContextKeysForCustomPolicy,
  GetContextKeysForPrincipalPolicy,
}
