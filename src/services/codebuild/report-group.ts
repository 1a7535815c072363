import type { Ctx } from '../../kernel/context.ts'
import { type Place, table } from '../../store/store.ts'
import { parseS3Location } from './location.ts'
import { fail, type Input, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'

export type ExportConfig = Input<'CreateReportGroup'>['exportConfig']
type Tag = NonNullable<Input<'CreateReportGroup'>['tags']>[number]

export type ReportGroupRecord = {
  readonly name: string
  readonly type: 'TEST' | 'CODE_COVERAGE'
  readonly exportConfig: ExportConfig
  readonly tags: readonly Tag[]
  /** Milliseconds. */
  readonly created: number
  readonly modified: number
}

export const ReportGroup = table<ReportGroupRecord>('codebuild.reportGroup', {
  scope: 'region',
  key: ({ name }) => name,
})

export const reportGroupArn = (ctx: Pick<Ctx, 'arn'>, name: string) => ctx.arn(`report-group/${name}`)

const invalid = (message: string) => fail('InvalidInputException', message)

/** Where a report group lies, by its ARN: one that is shared lies in another account. */
export const reportGroupAt = (arn: string): { place: Place; name: string } => {
  const [, region, account, name] =
    /^arn:aws:codebuild:([a-z0-9-]+):(\d{12}):report-group\/([A-Za-z0-9][\w-]{1,127})$/.exec(arn) ?? []
  if (!region || !account || !name) throw invalid(`Invalid report group ARN: ${arn}`)
  return { place: { account, region }, name }
}

/** Throws ResourceNotFoundException. */
export const getReportGroup = async (ctx: Ctx, arn: string): Promise<ReportGroupRecord> => {
  const { place, name } = reportGroupAt(arn)
  const group = await ctx.at(place).read((tx) => tx.get(ReportGroup, name))
  if (!group) throw fail('ResourceNotFoundException', `Report group with ARN ${arn} does not exist`)
  return group
}

type Wire = NonNullable<Awaited<ReturnType<Operation<'CreateReportGroup'>>>['reportGroup']>

const toReportGroup = (ctx: Ctx, group: ReportGroupRecord): Wire => ({
  arn: reportGroupArn(ctx, group.name),
  name: group.name,
  type: group.type,
  exportConfig: group.exportConfig,
  created: new Date(group.created),
  lastModified: new Date(group.modified),
  tags: [...group.tags],
  status: 'ACTIVE',
})

const checkedExport = (ctx: Ctx, config: ExportConfig): ExportConfig => {
  if (config.exportConfigType !== 'S3') return { exportConfigType: 'NO_EXPORT' }
  const to = config.s3Destination
  if (!to?.bucket || !parseS3Location(`${to.bucket}/x`))
    throw invalid('Invalid export config: s3Destination must name a valid S3 bucket')
  return {
    exportConfigType: 'S3',
    s3Destination: {
      bucket: to.bucket,
      ...(to.bucketOwner ? { bucketOwner: to.bucketOwner } : {}),
      path: to.path ?? '',
      packaging: to.packaging ?? 'NONE',
      ...(to.encryptionDisabled
        ? { encryptionDisabled: true }
        : { encryptionKey: to.encryptionKey ?? `arn:aws:kms:${ctx.region}:${ctx.account}:alias/aws/s3` }),
    },
  }
}

const checkTags = (tags: readonly Tag[]): void => {
  if (new Set(tags.map(({ key }) => key)).size !== tags.length) throw invalid('Duplicate tag keys are not allowed')
}

/** AWS API: "CreateReportGroup". */
export const CreateReportGroup: Operation<'CreateReportGroup'> = async (ctx, { name, type, exportConfig, tags }) => {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{1,127}$/.test(name)) throw invalid(`Invalid report group name: ${name}`)
  checkTags(tags ?? [])
  const now = ctx.now().getTime()
  const group: ReportGroupRecord = {
    name,
    type,
    exportConfig: checkedExport(ctx, exportConfig),
    tags: tags ?? [],
    created: now,
    modified: now,
  }
  await ctx.write(async (tx) => {
    if (await tx.get(ReportGroup, name))
      throw fail('ResourceAlreadyExistsException', `Report group already exists: ${reportGroupArn(ctx, name)}`)
    tx.put(ReportGroup, group)
  })
  return { reportGroup: toReportGroup(ctx, group) }
}

/** AWS API: "UpdateReportGroup". What is absent stays. */
export const UpdateReportGroup: Operation<'UpdateReportGroup'> = async (ctx, { arn, exportConfig, tags }) => {
  const { name } = await getReportGroup(ctx, arn)
  if (tags) checkTags(tags)
  const there = ctx.at(reportGroupAt(arn).place)
  const config = exportConfig && checkedExport(there, exportConfig)
  const group = await there.write(async (tx) => {
    const before = await tx.get(ReportGroup, name)
    if (!before) throw fail('ResourceNotFoundException', `Report group with ARN ${arn} does not exist`)
    return tx.put(ReportGroup, {
      ...before,
      exportConfig: config ?? before.exportConfig,
      tags: tags ?? before.tags,
      modified: ctx.now().getTime(),
    })
  })
  return { reportGroup: toReportGroup(there, group) }
}

/** AWS API: "BatchGetReportGroups". */
export const BatchGetReportGroups: Operation<'BatchGetReportGroups'> = async (ctx, { reportGroupArns }) => {
  const reportGroups: Wire[] = []
  const reportGroupsNotFound: string[] = []
  for (const arn of new Set(reportGroupArns)) {
    const { place, name } = reportGroupAt(arn)
    const there = ctx.at(place)
    const group = await there.read((tx) => tx.get(ReportGroup, name))
    if (group) reportGroups.push(toReportGroup(there, group))
    else reportGroupsNotFound.push(arn)
  }
  return { reportGroups, reportGroupsNotFound }
}

/** AWS API: "ListReportGroups". */
export const ListReportGroups: Operation<'ListReportGroups'> = async (
  ctx,
  { sortBy = 'NAME', sortOrder, nextToken, maxResults = pageSize },
) => {
  const groups = await ctx.read((tx) => tx.list(ReportGroup))
  const value = (group: ReportGroupRecord) =>
    sortBy === 'NAME'
      ? group.name
      : `${new Date(sortBy === 'CREATED_TIME' ? group.created : group.modified).toISOString()}/${group.name}`
  const values = groups
    .map((group) => ({ name: group.name, value: value(group) }))
    .sort((a, b) => (a.value < b.value ? -1 : 1))
  if (sortOrder === 'DESCENDING') values.reverse()
  const after = positionOf(nextToken)
  const rest =
    after === undefined
      ? values
      : values.filter((one) => (sortOrder === 'DESCENDING' ? one.value < after : one.value > after))
  const page = rest.slice(0, maxResults)
  const last = page.at(-1)
  return {
    reportGroups: page.map(({ name }) => reportGroupArn(ctx, name)),
    ...(last && rest.length > page.length ? { nextToken: tokenOf(last.value) } : {}),
  }
}
