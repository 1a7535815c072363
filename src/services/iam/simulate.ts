import type { EvaluationResult, Statement as WireStatement } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import { identity } from '../../kernel/identity.ts'
import type { Principal } from '../../kernel/principal.ts'
import { evaluate } from '../../policy/evaluate.ts'
import type { AppliedPolicy, Decision, PolicyDocument, PolicyKind, PolicyPrincipal } from '../../policy/policy.ts'
import { isAwsManaged } from './aws-managed.ts'
import { checkDocument } from './documents.ts'
import { findManaged } from './managed.ts'
import { findRoleByArn } from './names.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { Attachments, Group, nameKey, User } from './records.ts'
import { groupArn, userArn } from './shapes.ts'
import { type Span, statementSpans } from './statement-spans.ts'

// The simulator is the engine that decides real requests (IAM user guide, "IAM policy testing with the IAM policy simulator").

/** A policy in a simulation, with its text where we have it: answers point into it. */
type Simulated = AppliedPolicy & { readonly text?: string }

type Asked = Pick<
  Input<'SimulateCustomPolicy'>,
  | 'ActionNames'
  | 'ResourceArns'
  | 'ResourcePolicy'
  | 'ResourceOwner'
  | 'ContextEntries'
  | 'PermissionsBoundaryPolicyInputList'
  | 'PolicyInputList'
  | 'MaxItems'
  | 'Marker'
>

const given = (kind: PolicyKind, list: string, texts: readonly string[] | undefined): Simulated[] =>
  (texts ?? []).map((text, index) => ({
    kind,
    id: `${list}.${index + 1}`,
    document: checkDocument(text, kind),
    text,
  }))

const sourceType = (id: string): string => {
  if (isAwsManaged(id)) return 'aws-managed'
  if (id.startsWith('arn:')) return 'user-managed'
  return /^inline:(user|group|role)\//.exec(id)?.[1] ?? 'IAM Policy'
}

const sourceId = (id: string): string =>
  id.startsWith('arn:') ? id.slice(id.lastIndexOf('/') + 1) : id.replace(/^inline:/, '').replaceAll('/', '_')

const toStatements = (decision: Decision, policies: readonly Simulated[]): WireStatement[] => {
  const spans = new Map<string, Span[]>()
  return decision.matched.map(({ id, index, kind }) => {
    const text = policies.find((policy) => policy.id === id && policy.kind === kind)?.text
    if (text !== undefined && !spans.has(id)) spans.set(id, statementSpans(text))
    return {
      SourcePolicyId: sourceId(id),
      SourcePolicyType: kind === 'resource' ? 'resource' : sourceType(id),
      ...spans.get(id)?.[index],
    } as WireStatement
  })
}

const simulate = (
  asked: Asked,
  caller: PolicyPrincipal,
  facts: Record<string, readonly string[]>,
  policies: readonly Simulated[],
) => {
  for (const action of asked.ActionNames)
    if (!/^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$/.test(action))
      throw fail('InvalidInputException', `Invalid Input Invalid Action name: ${action}`)
  const boundaries = given('boundary', 'PermissionsBoundaryPolicyInputList', asked.PermissionsBoundaryPolicyInputList)
  const resourcePolicy = given(
    'resource',
    'ResourcePolicy',
    asked.ResourcePolicy === undefined ? [] : [asked.ResourcePolicy],
  )
  // A boundary in the question takes the place of the identity's own.
  const own = boundaries.length > 0 ? policies.filter(({ kind }) => kind !== 'boundary') : policies
  const all = [...own, ...boundaries, ...resourcePolicy]
  const bounded = all.some(({ kind }) => kind === 'boundary')
  const context = {
    ...facts,
    ...Object.fromEntries(
      (asked.ContextEntries ?? []).flatMap(({ ContextKeyName, ContextKeyValues }) =>
        ContextKeyName === undefined ? [] : [[ContextKeyName.toLowerCase(), ContextKeyValues ?? []]],
      ),
    ),
  }
  const resources = asked.ResourceArns?.length ? asked.ResourceArns : ['*']
  const owner = asked.ResourceOwner?.split(':')[4] ?? asked.ResourceOwner
  const pairs = asked.ActionNames.flatMap((action) => resources.map((resource) => ({ action, resource })))
  const page = pageOfList(
    pairs.map((pair, index) => ({ ...pair, rank: String(index).padStart(9, '0') })),
    ({ rank }) => rank,
    asked,
  )
  const results = page.items.map(({ action, resource }): EvaluationResult => {
    const decision = evaluate({
      principal: caller,
      action,
      resource,
      resourceAccount: owner ?? caller.account,
      context,
      policies: all,
    })
    const bounds = () =>
      evaluate({
        principal: { ...caller, kind: 'user' },
        action,
        resource,
        context,
        policies: all.filter(({ kind }) => kind === 'boundary').map((policy) => ({ ...policy, kind: 'identity' })),
      })
    return {
      EvalActionName: action,
      EvalResourceName: resource,
      EvalDecision: decision.decision,
      MatchedStatements: toStatements(decision, all),
      MissingContextValues: [...decision.missingContext],
      ...(bounded
        ? { PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: bounds().decision === 'allowed' } }
        : {}),
    }
  })
  return { EvaluationResults: results, ...tail(page) }
}

const callerOf = (account: string, arn: string | undefined): PolicyPrincipal => {
  if (arn === undefined) return { kind: 'user', account, arn: `arn:aws:iam::${account}:user/simulated` }
  const found = /^arn:aws:iam::(\d{12}):user\/(?:.*\/)?([^/]+)$/.exec(arn)
  if (!found) throw fail('InvalidInputException', `Invalid Input Invalid caller ARN: ${arn}`)
  return { kind: 'user', account: found[1]!, arn }
}

/** Condition keys that follow from who asks. */
const factsOf = (caller: PolicyPrincipal, id?: string): Record<string, readonly string[]> => ({
  'aws:principalarn': [caller.roleArn ?? caller.arn],
  'aws:principalaccount': [caller.account],
  ...(caller.kind === 'user' ? { 'aws:username': [caller.arn.slice(caller.arn.lastIndexOf('/') + 1)] } : {}),
  ...(id === undefined ? {} : { 'aws:userid': [id] }),
})

const SimulateCustomPolicy: Operation<'SimulateCustomPolicy'> = (ctx, input) => {
  const caller = callerOf(ctx.account, input.CallerArn)
  const facts = input.CallerArn === undefined ? {} : factsOf(caller)
  return simulate(input, caller, facts, given('identity', 'PolicyInputList', input.PolicyInputList))
}

/** Who a policy source is, and the policies that bind it. Throws NoSuchEntity. */
const sourceOf = async (
  ctx: Ctx,
  arn: string,
): Promise<{ principal?: Principal; policies: readonly AppliedPolicy[] }> => {
  const { account } = ctx
  const name = arn.slice(arn.lastIndexOf('/') + 1)
  const found = await ctx.read(async (tx) => {
    const user = await tx.get(User, nameKey(name))
    if (user && userArn(account, user) === arn) return { user }
    const role = await findRoleByArn(tx, account, arn)
    if (role) return { role }
    const group = await tx.get(Group, nameKey(name))
    if (!group || groupArn(account, group) !== arn)
      throw fail('NoSuchEntityException', `The Policy Source ARN ${arn} cannot be found.`)
    return { group, attached: await tx.list(Attachments, { index: 'entity', equals: group.id }) }
  })
  if (found.group) {
    const { group } = found
    const inline = Object.entries(group.inline).map(([policy, text]) => ({
      kind: 'identity' as const,
      id: `inline:group/${group.name}/${policy}`,
      document: JSON.parse(text) as PolicyDocument,
    }))
    const managed = await Promise.all(found.attached.map(({ policy }) => findManaged(ctx, policy)))
    const attached = managed.flatMap((policy) =>
      policy
        ? [{ kind: 'identity' as const, id: policy.arn, document: JSON.parse(policy.document) as PolicyDocument }]
        : [],
    )
    return { policies: [...inline, ...attached] }
  }
  const principal: Principal = found.user
    ? { kind: 'user', account, arn, id: found.user.id, name: found.user.name }
    : {
        kind: 'role',
        account,
        arn: `arn:aws:sts::${account}:assumed-role/${found.role!.name}/simulated`,
        roleArn: arn,
        id: `${found.role!.id}:simulated`,
        name: found.role!.name,
      }
  return { principal, policies: await ctx.use(identity).policiesOf(principal) }
}

/** The policies that bind a user, group or role, and any more that are given. */
const SimulatePrincipalPolicy: Operation<'SimulatePrincipalPolicy'> = async (ctx, input) => {
  const { principal, policies } = await sourceOf(ctx, input.PolicySourceArn)
  const caller =
    input.CallerArn === undefined
      ? (principal ?? callerOf(ctx.account, undefined))
      : callerOf(ctx.account, input.CallerArn)
  const more = given('identity', 'PolicyInputList', input.PolicyInputList)
  return simulate({ ...input, PolicyInputList: [] }, caller, factsOf(caller, principal?.id), [...policies, ...more])
}

const keysOf = (document: PolicyDocument): string[] => {
  const variables = [...JSON.stringify(document).matchAll(/\$\{([A-Za-z0-9-]+:[^},]+?)\s*(?:,[^}]*)?\}/g)].map(
    ([, key]) => key!,
  )
  const conditions = [document.Statement]
    .flat()
    .flatMap(({ Condition }) => Object.values(Condition ?? {}).flatMap(Object.keys))
  return [...conditions, ...variables]
}

const contextKeys = (documents: readonly PolicyDocument[]) => ({
  ContextKeyNames: [...new Map(documents.flatMap(keysOf).map((key) => [key.toLowerCase(), key])).values()],
})

/** Condition keys and variables that the policies ask for. */
const GetContextKeysForCustomPolicy: Operation<'GetContextKeysForCustomPolicy'> = (_, { PolicyInputList }) =>
  contextKeys(PolicyInputList.map((text) => checkDocument(text, 'identity')))

const GetContextKeysForPrincipalPolicy: Operation<'GetContextKeysForPrincipalPolicy'> = async (ctx, input) => {
  const { policies } = await sourceOf(ctx, input.PolicySourceArn)
  const more = (input.PolicyInputList ?? []).map((text) => checkDocument(text, 'identity'))
  return contextKeys([...policies.map(({ document }) => document), ...more])
}

export const simulations = {
  SimulateCustomPolicy,
  SimulatePrincipalPolicy,
  GetContextKeysForCustomPolicy,
  GetContextKeysForPrincipalPolicy,
}
