import { createHash } from 'node:crypto'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { zip } from '../../archives/zip.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { ArtifactError, type ArtifactFile, findArtifactFiles, type View } from './artifact-files.ts'
import { type BuildRecord, buildArn } from './build.ts'
import type { BuildLog } from './build-log.ts'
import type { Buildspec, ReportSpec } from './buildspec.ts'
import { type FileCoverage, readCoverage } from './coverage-results.ts'
import { PhaseFailure } from './environment.ts'
import {
  type CoverageSummary,
  Detail,
  putReport,
  Report,
  type ReportRecord,
  reportArn,
  type TestSummary,
} from './report.ts'
import { ReportGroup, type ReportGroupRecord, reportGroupArn, reportGroupAt } from './report-group.ts'
import { ReportError } from './report-xml.ts'
import { isTestFormat, readTestResults, type TestResult } from './test-results.ts'
import { encryptionOf, putFile } from './upload.ts'

// The reports of a build, made under its service role. AWS documentation: "Test report permissions": the role needs
// CreateReportGroup, CreateReport, UpdateReport, and BatchPutTestCases or BatchPutCodeCoverages on the report group.

/** Largest report file read, in bytes. */
const fileLimit = 32 * 1024 * 1024
/** Most test cases a report keeps: a quota of AWS's; those that failed come first. */
const caseLimit = 500
const coverageLimit = 10_000

/** Paths of a build's reports: its shell may have to expand them, and they may lie outside the build folder. */
export const reportPaths = (spec: Buildspec): string[] =>
  spec.reports.flatMap(({ files, baseDirectory }) => [
    ...files,
    ...(baseDirectory === undefined ? [] : [baseDirectory]),
  ])

export type ReportFolders = {
  readonly views: readonly View[]
  readonly sourceFolder: string
  readonly scratch: string
}

type Parsed =
  | { readonly cases: (TestResult & { file: string })[]; readonly tests: TestSummary; readonly truncated: boolean }
  | { readonly files: FileCoverage[]; readonly coverage: CoverageSummary; readonly truncated: boolean }

const order = ['FAILED', 'ERROR', 'SUCCEEDED', 'SKIPPED', 'UNKNOWN'] as const

const summed = (all: (TestResult & { file: string })[]): Parsed => {
  const count = (status: TestResult['status']) => all.filter((one) => one.status === status).length
  const truncated = all.length > caseLimit
  const kept = truncated
    ? all.toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status)).slice(0, caseLimit)
    : all
  return {
    cases: kept,
    truncated,
    tests: {
      total: all.length,
      statusCounts: {
        ERROR: count('ERROR'),
        FAILED: count('FAILED'),
        SKIPPED: count('SKIPPED'),
        SUCCEEDED: count('SUCCEEDED'),
        UNKNOWN: count('UNKNOWN'),
      },
      duration: all.reduce((sum, { duration }) => sum + duration, 0),
    },
  }
}

const covered = (all: FileCoverage[]): Parsed => {
  // A file that several reports tell of counts once, as the run saw it that covered most.
  const best = new Map<string, FileCoverage>()
  for (const file of all) if ((best.get(file.path)?.linesCovered ?? -1) < file.linesCovered) best.set(file.path, file)
  const files = [...best.values()]
  const sum = (member: keyof CoverageSummary) => files.reduce((total, file) => total + file[member], 0)
  return {
    files: files.slice(0, coverageLimit),
    truncated: files.length > coverageLimit,
    coverage: {
      linesCovered: sum('linesCovered'),
      linesMissed: sum('linesMissed'),
      branchesCovered: sum('branchesCovered'),
      branchesMissed: sum('branchesMissed'),
    },
  }
}

const parse = async (spec: ReportSpec, files: readonly ArtifactFile[]): Promise<Parsed> => {
  const cases: (TestResult & { file: string })[] = []
  const coverage: FileCoverage[] = []
  for (const { path, source } of files) {
    if ((await stat(source)).size > fileLimit)
      throw new ReportError(`${path} is larger than the maximum of ${fileLimit} bytes`)
    const text = await readFile(source, 'utf8')
    try {
      if (isTestFormat(spec.format))
        for (const one of readTestResults(spec.format, text)) cases.push({ ...one, file: path })
      else for (const one of readCoverage(spec.format, text)) coverage.push(one)
    } catch (error) {
      if (error instanceof ReportError) throw new ReportError(`${path}: ${error.message}`)
      throw error
    }
  }
  return isTestFormat(spec.format) ? summed(cases) : covered(coverage)
}

/** The group a buildspec names: one by its ARN, else the project's own, which is made when it is not there. */
const groupOf = async (
  ctx: Ctx,
  role: Caller,
  build: BuildRecord,
  spec: ReportSpec,
): Promise<{ there: Ctx; group: ReportGroupRecord }> => {
  const type = isTestFormat(spec.format) ? 'TEST' : 'CODE_COVERAGE'
  const arn = spec.group.startsWith('arn:') ? spec.group : reportGroupArn(ctx, `${build.project}-${spec.group}`)
  const { place, name } = reportGroupAt(arn)
  const there = ctx.at(place)
  const find = () => there.read((tx) => tx.get(ReportGroup, name))
  let group = await find()
  if (!group && !spec.group.startsWith('arn:')) {
    await role.codebuild
      .createReportGroup({ name, type, exportConfig: { exportConfigType: 'NO_EXPORT' } })
      .catch((error: unknown) => {
        if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error
      })
    group = await find()
  }
  if (!group) throw new ReportError(`Report group with ARN ${arn} does not exist`)
  if (group.type !== type) throw new ReportError(`the report group is of type ${group.type}: ${spec.format} is none`)
  return { there, group }
}

/** Raw data to where the group says, as the service role may. */
const exportRaw = async (
  role: Caller,
  report: ReportRecord,
  files: readonly ArtifactFile[],
  scratch: string,
): Promise<void> => {
  const to = report.exportConfig.s3Destination
  if (report.exportConfig.exportConfigType !== 'S3' || !to?.bucket) return
  const key = [to.path?.replace(/^\/+|\/+$/g, ''), report.group, report.id].filter(Boolean).join('/')
  const bucket = {
    Bucket: to.bucket,
    ...encryptionOf(to.encryptionKey, to.encryptionDisabled),
    ...(to.bucketOwner ? { ExpectedBucketOwner: to.bucketOwner } : {}),
  }
  if (to.packaging !== 'ZIP') {
    for (const { path, source } of files)
      await putFile(role, { ...bucket, Key: `${key}/${path}` }, source, 'application/octet-stream')
    return
  }
  const archive = join(scratch, `report-${report.id}.zip`)
  await zip(
    files.map(({ path, ...file }) => ({ ...file, name: path })),
    archive,
  )
  await putFile(role, { ...bucket, Key: `${key}.zip` }, archive, 'application/zip')
  await rm(archive, { force: true })
}

/** The same for the same build: a step that is repeated makes no second report. */
const reportId = (build: BuildRecord, { group }: ReportSpec): string => {
  const digest = createHash('sha256').update(`${build.id}/${group}`).digest('hex')
  return [8, 12, 16, 20, 32].map((end, index) => digest.slice([0, 8, 12, 16, 20][index], end)).join('-')
}

/** One report, from the group to the summary. Its record is there, INCOMPLETE, even when the rest fails. */
const upload = async (
  ctx: Ctx,
  role: Caller,
  build: BuildRecord,
  spec: ReportSpec,
  at: ReportFolders,
  log: BuildLog,
  made: (arn: string) => void,
): Promise<void> => {
  const { there, group } = await groupOf(ctx, role, build, spec)
  const arn = reportGroupArn(there, group.name)
  await role.authorize('codebuild:CreateReport', arn)
  const report: ReportRecord = {
    id: reportId(build, spec),
    group: group.name,
    type: group.type,
    execution: buildArn(ctx, build.id),
    status: 'GENERATING',
    created: ctx.now().getTime(),
    exportConfig: group.exportConfig,
    truncated: false,
  }
  await there.write(async (tx) => putReport(tx, report))
  made(reportArn(there, report))
  log.say(`Preparing to copy ${group.type} report ${reportArn(there, report)}`)
  try {
    const found = await findArtifactFiles(
      { ...spec, excludePaths: [], enableSymlinks: false },
      at.views,
      at.sourceFolder,
    ).catch((error: unknown) => {
      throw error instanceof ArtifactError ? new ReportError('report files not found in build') : error
    })
    log.say(...found.said)
    const parsed = await parse(spec, found.files)
    await role.authorize('cases' in parsed ? 'codebuild:BatchPutTestCases' : 'codebuild:BatchPutCodeCoverages', arn)
    await role.authorize('codebuild:UpdateReport', arn)
    await exportRaw(role, report, found.files, at.scratch)
    await there.write(async (tx) => {
      const { truncated } = parsed
      const key = `${report.group}:${report.id}`
      if ('cases' in parsed) {
        const { FAILED, ERROR } = parsed.tests.statusCounts
        tx.put(Report, {
          ...report,
          truncated,
          tests: parsed.tests,
          status: FAILED + ERROR > 0 ? 'FAILED' : 'SUCCEEDED',
        })
        tx.put(Detail, { report: key, cases: parsed.cases })
      } else {
        tx.put(Report, { ...report, truncated, coverage: parsed.coverage, status: 'SUCCEEDED' })
        tx.put(Detail, { report: key, files: parsed.files })
      }
    })
  } catch (error) {
    await there.write(async (tx) => tx.put(Report, { ...report, status: 'INCOMPLETE' }))
    throw error
  }
}

const reasonOf = (error: unknown): string | undefined => {
  if (error instanceof ReportError || error instanceof PhaseFailure) return error.message
  return error instanceof AwsError && error.code !== 'InternalFailure' ? `${error.code}: ${error.message}` : undefined
}

/**
 * Makes all reports of a build that got as far as UPLOAD_ARTIFACTS.
 * @param made called with the ARN of each report there is, complete or not.
 * @throws PhaseFailure that names every report that could not be made.
 */
export const uploadReports = async (
  ctx: Ctx,
  role: Caller,
  build: BuildRecord,
  spec: Buildspec,
  expand: (text: string) => string,
  at: ReportFolders,
  log: BuildLog,
  made: (arn: string) => void,
): Promise<void> => {
  const failures: string[] = []
  for (const report of spec.reports) {
    try {
      const plain = {
        ...report,
        files: report.files.map(expand),
        ...(report.baseDirectory === undefined ? {} : { baseDirectory: expand(report.baseDirectory) }),
      }
      await upload(ctx, role, build, plain, at, log, made)
    } catch (error) {
      const reason = reasonOf(error)
      if (reason === undefined) throw error
      failures.push(`[${report.group}: [${reason}]]`)
    }
  }
  if (failures.length > 0)
    throw new PhaseFailure('CLIENT_ERROR', `Error in UPLOAD_ARTIFACTS phase: ${failures.join(', ')}`)
}
