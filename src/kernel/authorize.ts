import { denialMessage, evaluate } from '../policy/evaluate.ts'
import type { AppliedPolicy } from '../policy/policy.ts'
import { actionModel, resourcesOf } from './actions.ts'
import { encodeAuthorizationMessage } from './authorization-message.ts'
import type { Ctx } from './context.ts'
import { AwsError } from './errors.ts'
import type { Bindings, Identity } from './identity.ts'
import { controlsOf, membershipsOf, organizationContext } from './organization.ts'
import type { Principal } from './principal.ts'
import type { Requirement, Service } from './service.ts'
import type { Protocol } from './wire.ts'

/** Whose rules apply, and in whose words a denial is said. */
export type AccessScope = {
  readonly access: Service['access']
  readonly iamPrefix: string
  readonly protocol: Protocol['name']
  /** Where a global service is, whatever region its client signed for: `aws:RequestedRegion`. */
  readonly eventRegion?: Service['eventRegion']
}

/** What must be allowed before this operation may run: the service's rule over the default. */
export const requirementsOf = async (
  { access, iamPrefix }: AccessScope,
  operation: string,
  input: Readonly<Record<string, unknown>>,
  ctx: Ctx,
): Promise<readonly Requirement[]> => {
  if (access.unauthorized.includes(operation)) return []
  const rule = access.operations[operation]
  const given = rule ? await rule(input as never, ctx) : {}
  if (Array.isArray(given)) return given
  const part = given as Partial<Requirement>
  const action = part.action ?? `${iamPrefix}:${operation}`
  const resources = part.resources ?? resourcesOf(await actionModel(action), input, ctx)
  return [{ action, resources, context: { ...requestTags(input), ...part.context } }]
}

/**
 * Throws the service's form of AccessDenied unless every requirement is allowed on every resource. Returns the accounts
 * whose resources they are.
 */
export const authorize = async (
  scope: AccessScope,
  identity: Identity,
  ctx: Ctx,
  requirements: readonly Requirement[],
): Promise<ReadonlySet<string>> => {
  const owners = new Set<string>()
  if (requirements.length === 0) return owners
  const { policies, tags } = await identity.bindingsOf(ctx.principal)
  const caller = contextOf(ctx, tags, scope.eventRegion?.(ctx.request))
  for (const { action, resources, context } of requirements)
    for (const resource of resources.length > 0 ? resources : ['*']) {
      const { decision, request } = await decide(scope, ctx, policies, action, resource, {
        ...caller,
        ...lowered(context),
      })
      if (decision.decision === 'allowed') {
        owners.add(request.resourceAccount)
        continue
      }
      ctx.denied(request, decision)
      const sentence = denialMessage(request, decision)
      const message = scope.access.denial?.(request, sentence) ?? sentence
      throw accessDenied(
        scope.protocol,
        scope.protocol === 'ec2Query'
          ? `${message}. Encoded authorization failure message: ${encodeAuthorizationMessage(ctx, request, decision)}`
          : message,
      )
    }
  return owners
}

const decide = async (
  { access, protocol }: AccessScope,
  ctx: Ctx,
  policies: readonly AppliedPolicy[],
  action: string,
  resource: string,
  context: Record<string, readonly string[]>,
) => {
  const owned = await access.resourcePolicy?.(ctx, resource, action)
  const tags = resource === '*' ? undefined : await access.resourceTags?.(ctx, resource)
  for (const [key, value] of Object.entries(tags ?? {})) {
    context[`aws:resourcetag/${key.toLowerCase()}`] = [value]
    context[`${action.split(':')[0]}:resourcetag/${key.toLowerCase()}`] = [value]
  }
  const resourceAccount = owned?.account ?? (resource.split(':')[4] || ctx.account)
  context['aws:resourceaccount'] = [resourceAccount]
  const memberships = await membershipsOf(ctx, ctx.principal, resourceAccount, context['aws:sourceaccount']?.[0])
  refuseClosed(memberships, ctx.principal, protocol, action, resource)
  Object.assign(context, organizationContext(memberships))
  const controls = await controlsOf(ctx.principal, action, memberships)
  const applied: readonly AppliedPolicy[] = [
    ...policies,
    ...controls,
    ...(owned?.document ? [{ kind: 'resource' as const, id: resource, document: owned.document }] : []),
  ]
  const request = {
    principal: ctx.principal,
    action,
    resource,
    resourceAccount,
    needsResourcePolicy: owned?.required ?? false,
    context,
    policies: applied,
  }
  return { request, decision: evaluate(request) }
}

/** Nobody of a closed account may do anything, and nobody anything in it ("Close an AWS account"). */
const refuseClosed = (
  { caller, resource: owner }: Awaited<ReturnType<typeof membershipsOf>>,
  principal: Principal,
  protocol: Protocol['name'],
  action: string,
  resource: string,
): void => {
  if (caller?.closed || owner?.closed)
    throw accessDenied(
      protocol,
      `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} because the account is closed`,
    )
}

/** The global condition keys that this caller and request carry ("AWS global condition context keys", IAM user guide). */
export const callerContext = async (identity: Identity, ctx: Ctx): Promise<Record<string, readonly string[]>> =>
  contextOf(ctx, await identity.tagsOf(ctx.principal))

const contextOf = (ctx: Ctx, tags: Bindings['tags'], region = ctx.region): Record<string, readonly string[]> => {
  const { principal, request } = ctx
  const now = ctx.now()
  const context: Record<string, readonly string[]> = {
    'aws:currenttime': [now.toISOString()],
    'aws:epochtime': [String(Math.floor(now.getTime() / 1000))],
    'aws:securetransport': [String(request.secure)],
    'aws:requestedregion': [region],
    'aws:principalisawsservice': [String(principal.kind === 'service')],
    'aws:viaawsservice': [String(request.invokedBy !== undefined)],
    'aws:useragent': [request.userAgent],
  }
  const { calledVia, stated } = request
  if (calledVia && calledVia.length > 0) {
    context['aws:calledvia'] = calledVia
    context['aws:calledviafirst'] = calledVia.slice(0, 1)
    context['aws:calledvialast'] = calledVia.slice(-1)
  } else if (request.sourceIp) context['aws:sourceip'] = [request.sourceIp]
  if (request.headers.referer) context['aws:referer'] = [request.headers.referer]
  if (principal.kind === 'service') {
    context['aws:principalservicename'] = [principal.arn]
    context['aws:principalservicenameslist'] = serviceNames(principal.arn, ctx.region)
    Object.assign(context, sourceAccountOf(stated), lowered(stated))
  }
  if (principal.kind === 'anonymous' || principal.kind === 'service') return context
  context['aws:userid'] = [principal.id]
  context['aws:principalarn'] = [principal.kind === 'role' && principal.roleArn ? principal.roleArn : principal.arn]
  context['aws:principalaccount'] = [principal.account]
  context['aws:principaltype'] = [principalTypes[principal.kind]]
  if (principal.kind === 'user' && principal.name) context['aws:username'] = [principal.name]
  if (principal.session) {
    context['aws:tokenissuetime'] = [new Date(principal.session.issued).toISOString()]
    context['aws:multifactorauthpresent'] = [String(principal.session.mfa)]
    if (principal.session.mfaAt !== undefined)
      context['aws:multifactorauthage'] = [String(Math.floor((now.getTime() - principal.session.mfaAt) / 1000))]
    if (principal.session.sourceIdentity) context['aws:sourceidentity'] = [principal.session.sourceIdentity]
    Object.assign(context, principal.session.context)
  }
  for (const [key, value] of Object.entries(tags)) context[`aws:principaltag/${key.toLowerCase()}`] = [value]
  return context
}

/** A service has a name for everywhere and one for each region ("AWS global condition context keys"). */
const serviceNames = (host: string, region: string): readonly string[] => {
  const [name, ...rest] = host.split('.')
  return [host, [name, region, ...rest].join('.')]
}

/** The account for which a service acts, where the resource's ARN tells it. */
const sourceAccountOf = (stated: Requirement['context']): Record<string, readonly string[]> => {
  const arn = stated?.['aws:SourceArn']?.[0]
  const account = arn?.split(':')[4]
  return account ? { 'aws:sourceaccount': [account] } : {}
}

const principalTypes: Record<Principal['kind'], string> = {
  root: 'Account',
  user: 'User',
  role: 'AssumedRole',
  federated: 'FederatedUser',
  service: 'Service',
  anonymous: 'Anonymous',
}

const lowered = (context: Requirement['context']): Record<string, readonly string[]> => {
  const result: Record<string, readonly string[]> = {}
  for (const [key, value] of Object.entries(context ?? {}))
    if (value !== undefined) result[key.toLowerCase()] = typeof value === 'string' ? [value] : value
  return result
}

/** `aws:RequestTag/…` and `aws:TagKeys` from the input's tag member, whatever form the service gives it. */
export const requestTags = (input: Readonly<Record<string, unknown>>): Record<string, readonly string[]> => {
  const member = Object.entries(input).find(([name]) => /^(tags|taglist|tagging)$/i.test(name))?.[1]
  const pairs: [string, string][] = []
  if (Array.isArray(member))
    for (const tag of member as Record<string, unknown>[]) {
      const [key, value] = [tag?.Key ?? tag?.key ?? tag?.TagKey, tag?.Value ?? tag?.value ?? tag?.TagValue ?? '']
      if (typeof key === 'string' && typeof value === 'string') pairs.push([key, value])
    }
  else if (member && typeof member === 'object')
    for (const [key, value] of Object.entries(member)) if (typeof value === 'string') pairs.push([key, value])
  const keys = Object.entries(input).find(([name]) => /^tagkeys(list)?$/i.test(name))?.[1]
  const named = Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : []
  if (pairs.length === 0 && named.length === 0) return {}
  return {
    ...Object.fromEntries(pairs.map(([key, value]) => [`aws:requesttag/${key.toLowerCase()}`, [value]])),
    'aws:tagkeys': [...pairs.map(([key]) => key), ...named],
  }
}

/** Each protocol's services name a denial in their own way. */
export const accessDenied = (protocol: Protocol['name'], message: string): AwsError => {
  if (protocol === 'ec2Query')
    return new AwsError('UnauthorizedOperation', `You are not authorized to perform this operation. ${message}`, {
      status: 403,
    })
  if (protocol === 'awsQuery' || protocol === 'restXml') return new AwsError('AccessDenied', message, { status: 403 })
  return new AwsError('AccessDeniedException', message, { status: protocol === 'restJson1' ? 403 : 400 })
}
