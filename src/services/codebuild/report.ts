import type { Ctx } from '../../kernel/context.ts'
import { type Place, table, type WriteTx } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import type { FileCoverage } from './coverage-results.ts'
import { fail, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { type ExportConfig, getReportGroup, ReportGroup, reportGroupArn, reportGroupAt } from './report-group.ts'
import type { TestResult, TestStatus } from './test-results.ts'

/** What a report says in sum. */
export type TestSummary = {
  readonly total: number
  readonly statusCounts: Readonly<Record<TestStatus, number>>
  /** Nanoseconds. */
  readonly duration: number
}
export type CoverageSummary = Omit<FileCoverage, 'path'>

export type ReportRecord = {
  readonly id: string
  /** Name of its group. */
  readonly group: string
  readonly type: 'TEST' | 'CODE_COVERAGE'
  /** ARN of the build. */
  readonly execution: string
  readonly status: 'GENERATING' | 'SUCCEEDED' | 'FAILED' | 'INCOMPLETE'
  /** Milliseconds. */
  readonly created: number
  readonly exportConfig: ExportConfig
  readonly truncated: boolean
  readonly tests?: TestSummary
  readonly coverage?: CoverageSummary
}

const moment = ({ created, id }: ReportRecord) => `${new Date(created).toISOString()}/${id}`

export const Report = table<ReportRecord>('codebuild.report', {
  scope: 'region',
  key: ({ group, id }) => `${group}:${id}`,
  index: { time: moment, group: (report) => `${report.group}/${moment(report)}` },
})

/** The cases or files of a report: read only when they are asked for. */
export type ReportDetail = {
  readonly report: string
  readonly cases?: readonly (TestResult & { readonly file: string })[]
  readonly files?: readonly FileCoverage[]
}
export const Detail = table<ReportDetail>('codebuild.reportDetail', { scope: 'region', key: ({ report }) => report })

/** How long a report is kept, in milliseconds. */
const life = 30 * 24 * 3600_000

const keyOf = ({ group, id }: ReportRecord) => `${group}:${id}`

/** Its name as a reconciler's key too. */
const expiryReconciler = 'codebuild.report'

/** Puts a new report; it goes by itself after thirty days. */
export const putReport = (tx: WriteTx, report: ReportRecord): ReportRecord => {
  tx.wake(expiryReconciler, keyOf(report), { in: life })
  return tx.put(Report, report)
}

export const removeReport = (tx: WriteTx, report: ReportRecord): void => {
  tx.delete(Report, keyOf(report))
  tx.delete(Detail, keyOf(report))
}

export const reportExpiry: Reconciler = {
  name: expiryReconciler,
  step: async (ctx, key) => {
    await ctx.write(async (tx) => {
      const report = await tx.get(Report, key)
      if (report && ctx.now().getTime() >= report.created + life) removeReport(tx, report)
    })
    return done()
  },
}

export const reportArn = (ctx: Pick<Ctx, 'arn'>, report: Pick<ReportRecord, 'group' | 'id'>) =>
  ctx.arn(`report/${report.group}:${report.id}`)

/** Where a report lies, by its ARN. */
export const reportAt = (arn: string): { place: Place; group: string; key: string } => {
  const [, region, account, group, id] =
    /^arn:aws:codebuild:([a-z0-9-]+):(\d{12}):report\/([A-Za-z0-9][\w-]{1,127}):([0-9a-f-]{36})$/.exec(arn) ?? []
  if (!region || !account || !group) throw fail('InvalidInputException', `Invalid report ARN: ${arn}`)
  return { place: { account, region }, group, key: `${group}:${id}` }
}

type Wire = NonNullable<Awaited<ReturnType<Operation<'BatchGetReports'>>>['reports']>[number]

/** Percent, as AWS rounds it: two decimals. Nothing to cover is covered. */
export const percent = (covered: number, missed: number): number =>
  covered + missed === 0 ? 0 : Math.round((covered / (covered + missed)) * 10_000) / 100

const toCoverage = (facts: CoverageSummary) => ({
  lineCoveragePercentage: percent(facts.linesCovered, facts.linesMissed),
  linesCovered: facts.linesCovered,
  linesMissed: facts.linesMissed,
  branchCoveragePercentage: percent(facts.branchesCovered, facts.branchesMissed),
  branchesCovered: facts.branchesCovered,
  branchesMissed: facts.branchesMissed,
})

const toReport = (ctx: Ctx, report: ReportRecord): Wire => ({
  arn: reportArn(ctx, report),
  type: report.type,
  name: report.group,
  reportGroupArn: reportGroupArn(ctx, report.group),
  executionId: report.execution,
  status: report.status,
  created: new Date(report.created),
  expired: new Date(report.created + life),
  exportConfig: report.exportConfig,
  truncated: report.truncated,
  ...(report.tests
    ? {
        testSummary: {
          total: report.tests.total,
          statusCounts: { ...report.tests.statusCounts },
          durationInNanoSeconds: report.tests.duration,
        },
      }
    : {}),
  ...(report.coverage ? { codeCoverageSummary: toCoverage(report.coverage) } : {}),
})

/** AWS API: "BatchGetReports". */
export const BatchGetReports: Operation<'BatchGetReports'> = async (ctx, { reportArns }) => {
  const reports: Wire[] = []
  const reportsNotFound: string[] = []
  for (const arn of new Set(reportArns)) {
    const { place, key } = reportAt(arn)
    const there = ctx.at(place)
    const report = await there.read((tx) => tx.get(Report, key))
    if (report) reports.push(toReport(there, report))
    else reportsNotFound.push(arn)
  }
  return { reports, reportsNotFound }
}

/** AWS API: "DeleteReport". Deleting what is not there is no error. */
export const DeleteReport: Operation<'DeleteReport'> = async (ctx, { arn }) => {
  const { place, key } = reportAt(arn)
  await ctx.at(place).write(async (tx) => {
    const report = await tx.get(Report, key)
    if (report) removeReport(tx, report)
  })
  return {}
}

/** AWS API: "DeleteReportGroup". One that has reports goes only with them (`deleteReports`). */
export const DeleteReportGroup: Operation<'DeleteReportGroup'> = async (ctx, { arn, deleteReports }) => {
  const { place, name } = reportGroupAt(arn)
  await ctx.at(place).write(async (tx) => {
    const reports = await tx.list(Report, { index: 'group', prefix: `${name}/` })
    if (reports.length > 0 && !deleteReports)
      throw fail('InvalidInputException', `Report group ${arn} cannot be deleted: it contains reports`)
    for (const report of reports) removeReport(tx, report)
    tx.delete(ReportGroup, name)
  })
  return {}
}

/** A page of ids out of all that fit; reports are few enough to be looked at one by one. */
const pageOf = (
  ctx: Ctx,
  reports: readonly ReportRecord[],
  input: {
    nextToken?: string | undefined
    maxResults?: number | undefined
    filter?: { status?: string | undefined } | undefined
  },
) => {
  const fitting = reports.filter(({ status }) => !input.filter?.status || status === input.filter.status)
  const from = Number(positionOf(input.nextToken) ?? 0)
  const page = fitting.slice(from, from + (input.maxResults ?? pageSize))
  const next = from + page.length
  return {
    reports: page.map((report) => reportArn(ctx, report)),
    ...(next < fitting.length ? { nextToken: tokenOf(String(next)) } : {}),
  }
}

/** AWS API: "ListReports". Newest first unless told otherwise. */
export const ListReports: Operation<'ListReports'> = async (ctx, input) =>
  pageOf(
    ctx,
    await ctx.read((tx) => tx.list(Report, { index: 'time', reverse: input.sortOrder !== 'ASCENDING' })),
    input,
  )

const reportsOf = async (ctx: Ctx, groupArn: string, options: { reverse: boolean; limit?: number }) => {
  await getReportGroup(ctx, groupArn)
  const { place, name } = reportGroupAt(groupArn)
  const there = ctx.at(place)
  return {
    there,
    reports: await there.read((tx) => tx.list(Report, { index: 'group', prefix: `${name}/`, ...options })),
  }
}

/** AWS API: "ListReportsForReportGroup". Newest first unless told otherwise. */
export const ListReportsForReportGroup: Operation<'ListReportsForReportGroup'> = async (ctx, input) => {
  const { there, reports } = await reportsOf(ctx, input.reportGroupArn, { reverse: input.sortOrder !== 'ASCENDING' })
  return pageOf(there, reports, input)
}

/** Throws ResourceNotFoundException. */
const detailOf = async (ctx: Ctx, arn: string) => {
  const { place, key } = reportAt(arn)
  return ctx.at(place).read(async (tx) => {
    const report = await tx.get(Report, key)
    if (!report) throw fail('ResourceNotFoundException', `Report with ARN ${arn} does not exist`)
    return { report, detail: await tx.get(Detail, key) }
  })
}

/** AWS API: "DescribeTestCases". A keyword is looked for in prefix and name. */
export const DescribeTestCases: Operation<'DescribeTestCases'> = async (ctx, input) => {
  const { report, detail } = await detailOf(ctx, input.reportArn)
  const { status, keyword } = input.filter ?? {}
  const fitting = (detail?.cases ?? []).filter(
    (one) => (!status || one.status === status) && (!keyword || `${one.prefix ?? ''}.${one.name}`.includes(keyword)),
  )
  const from = Number(positionOf(input.nextToken) ?? 0)
  const page = fitting.slice(from, from + (input.maxResults ?? pageSize))
  const next = from + page.length
  return {
    testCases: page.map((one) => ({
      reportArn: input.reportArn,
      testRawDataPath: one.file,
      ...(one.prefix === undefined ? {} : { prefix: one.prefix }),
      name: one.name,
      status: one.status,
      durationInNanoSeconds: one.duration,
      message: one.message ?? '',
      expired: new Date(report.created + life),
      ...(one.suite === undefined ? {} : { testSuiteName: one.suite }),
    })),
    ...(next < fitting.length ? { nextToken: tokenOf(String(next)) } : {}),
  }
}

/** AWS API: "DescribeCodeCoverages". By line coverage, lowest first, unless told otherwise. */
export const DescribeCodeCoverages: Operation<'DescribeCodeCoverages'> = async (ctx, input) => {
  const { report, detail } = await detailOf(ctx, input.reportArn)
  const { minLineCoveragePercentage: least = 0, maxLineCoveragePercentage: most = 100 } = input
  const fitting = (detail?.files ?? [])
    .map((file) => ({ path: file.path, ...toCoverage(file) }))
    .filter(({ lineCoveragePercentage: share }) => share >= least && share <= most)
    .sort((a, b) => {
      const byPath = a.path < b.path ? -1 : 1
      return input.sortBy === 'FILE_PATH' ? byPath : a.lineCoveragePercentage - b.lineCoveragePercentage || byPath
    })
  if (input.sortOrder === 'DESCENDING') fitting.reverse()
  const from = Number(positionOf(input.nextToken) ?? 0)
  const page = fitting.slice(from, from + (input.maxResults ?? pageSize))
  const next = from + page.length
  return {
    codeCoverages: page.map(({ path, ...facts }) => ({
      id: `${report.id}:${path}`,
      reportARN: input.reportArn,
      filePath: path,
      ...facts,
      expired: new Date(report.created + life),
    })),
    ...(next < fitting.length ? { nextToken: tokenOf(String(next)) } : {}),
  }
}

const trends: Readonly<Record<string, (report: ReportRecord) => number | undefined>> = {
  PASS_RATE: ({ tests }) => tests && percent(tests.statusCounts.SUCCEEDED, tests.total - tests.statusCounts.SUCCEEDED),
  DURATION: ({ tests }) => tests?.duration,
  TOTAL: ({ tests }) => tests?.total,
  LINE_COVERAGE: ({ coverage }) => coverage && percent(coverage.linesCovered, coverage.linesMissed),
  LINES_COVERED: ({ coverage }) => coverage?.linesCovered,
  LINES_MISSED: ({ coverage }) => coverage?.linesMissed,
  BRANCH_COVERAGE: ({ coverage }) => coverage && percent(coverage.branchesCovered, coverage.branchesMissed),
  BRANCHES_COVERED: ({ coverage }) => coverage?.branchesCovered,
  BRANCHES_MISSED: ({ coverage }) => coverage?.branchesMissed,
}

/** AWS API: "GetReportGroupTrend". Of the most recent reports. Throws InvalidInputException for a field of the other type of report. */
export const GetReportGroupTrend: Operation<'GetReportGroupTrend'> = async (ctx, input) => {
  const group = await getReportGroup(ctx, input.reportGroupArn)
  const ofTests = ['PASS_RATE', 'DURATION', 'TOTAL'].includes(input.trendField)
  if (ofTests !== (group.type === 'TEST'))
    throw fail(
      'InvalidInputException',
      `Trend field ${input.trendField} is not valid for report group type ${group.type}`,
    )
  const { there, reports } = await reportsOf(ctx, input.reportGroupArn, {
    reverse: true,
    limit: input.numOfReports ?? 100,
  })
  const found = reports.flatMap((report) => {
    const value = trends[input.trendField]?.(report)
    return value === undefined ? [] : [{ arn: reportArn(there, report), value }]
  })
  const values = found.map(({ value }) => value)
  if (values.length === 0) return { stats: {}, rawData: [] }
  return {
    stats: {
      average: String(values.reduce((sum, value) => sum + value, 0) / values.length),
      max: String(Math.max(...values)),
      min: String(Math.min(...values)),
    },
    rawData: found.map(({ arn, value }) => ({ reportArn: arn, data: String(value) })),
  }
}
