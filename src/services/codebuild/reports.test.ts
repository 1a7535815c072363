import {
  BatchGetReportGroupsCommand,
  BatchGetReportsCommand,
  CreateReportGroupCommand,
  DeleteReportGroupCommand,
  DescribeCodeCoveragesCommand,
  DescribeTestCasesCommand,
  GetReportGroupTrendCommand,
  ListReportGroupsCommand,
  ListReportsCommand,
  ListReportsForReportGroupCommand,
  UpdateReportGroupCommand,
} from '@aws-sdk/client-codebuild'
import { CreateBucketCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { allow, codebuild, contextOf, drydock, logOf, logsPolicy, onBench, project, run } from './builds-bench.ts'

onBench()

const rights = [
  ...['CreateReportGroup', 'CreateReport', 'UpdateReport', 'BatchPutTestCases', 'BatchPutCodeCoverages'],
].map((action) => `codebuild:${action}`)

/** A build of a role with these rights on the project's own report groups. */
const reporter = (name: string, actions: string[] = rights) =>
  drydock.role(name, 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['s3:PutObject']),
    ...(actions.length > 0 ? [allow(actions, `arn:aws:codebuild:us-east-1:${drydock.account}:report-group/*`)] : []),
  ])

const buildspec = `version: 0.2
env: {variables: {OUT: reports}}
phases:
  build:
    commands:
      - mkdir -p reports/coverage
      - |
        cat >reports/junit.xml <<'END'
        <testsuite name="cart"><testcase classname="Cart" name="adds" time="0.5"/><testcase classname="Cart" name="fails" time="0.1"><failure message="no"/></testcase></testsuite>
        END
      - printf 'SF:a.ts\\nDA:1,1\\nDA:2,0\\nend_of_record\\nSF:b.ts\\nDA:1,1\\nend_of_record\\n' >reports/coverage/lcov.info
reports:
  units: {files: ['*.xml'], base-directory: $OUT}
  coverage: {files: [reports/coverage/lcov.info], file-format: LCOV, discard-paths: yes}
`

it('a build makes its reports, in groups of the project’s own', async () => {
  await project({ buildspec, serviceRole: await reporter('reporter') })
  const build = await run()
  expect(build.buildStatus).toBe('SUCCEEDED')
  expect(build.reportArns).toHaveLength(2)
  const { reports = [] } = await codebuild.send(new BatchGetReportsCommand({ reportArns: build.reportArns }))
  expect(reports).toMatchObject([
    {
      name: 'app-units',
      type: 'TEST',
      status: 'FAILED',
      executionId: build.arn,
      truncated: false,
      testSummary: {
        total: 2,
        statusCounts: { ERROR: 0, FAILED: 1, SKIPPED: 0, SUCCEEDED: 1, UNKNOWN: 0 },
        durationInNanoSeconds: 600_000_000,
      },
    },
    {
      name: 'app-coverage',
      type: 'CODE_COVERAGE',
      status: 'SUCCEEDED',
      codeCoverageSummary: { lineCoveragePercentage: 66.67, linesCovered: 2, linesMissed: 1 },
    },
  ])
  const [units, coverage] = reports
  expect(await logOf(build)).toContain(`# Preparing to copy TEST report ${units?.arn}`)
  const cases = await codebuild.send(
    new DescribeTestCasesCommand({ reportArn: units?.arn, filter: { status: 'FAILED', keyword: 'Cart' } }),
  )
  expect(cases.testCases).toMatchObject([
    { prefix: 'Cart', name: 'fails', message: 'no', testSuiteName: 'cart', testRawDataPath: 'junit.xml' },
  ])
  const first = await codebuild.send(new DescribeCodeCoveragesCommand({ reportArn: coverage?.arn, maxResults: 1 }))
  expect(first.codeCoverages).toMatchObject([{ filePath: 'a.ts', lineCoveragePercentage: 50, linesMissed: 1 }])
  const { codeCoverages } = await codebuild.send(
    new DescribeCodeCoveragesCommand({ reportArn: coverage?.arn, nextToken: first.nextToken, maxResults: 1 }),
  )
  expect(codeCoverages?.map(({ filePath }) => filePath)).toEqual(['b.ts'])
  const sorted = await codebuild.send(
    new DescribeCodeCoveragesCommand({
      reportArn: coverage?.arn,
      sortBy: 'FILE_PATH',
      sortOrder: 'DESCENDING',
      minLineCoveragePercentage: 60,
    }),
  )
  expect(sorted.codeCoverages?.map(({ filePath }) => filePath)).toEqual(['b.ts'])

  await run()
  const reportGroupArn = units?.reportGroupArn
  const trend = await codebuild.send(new GetReportGroupTrendCommand({ reportGroupArn, trendField: 'PASS_RATE' }))
  expect(trend.stats).toEqual({ average: '50', max: '50', min: '50' })
  expect(trend.rawData).toHaveLength(2)
  await expect(
    codebuild.send(new GetReportGroupTrendCommand({ reportGroupArn, trendField: 'LINES_MISSED' })),
  ).rejects.toMatchObject({ name: 'InvalidInputException' })
  const failed = await codebuild.send(
    new ListReportsForReportGroupCommand({ reportGroupArn, filter: { status: 'FAILED' } }),
  )
  expect(failed.reports).toHaveLength(2)
  expect((await codebuild.send(new ListReportsCommand({}))).reports).toHaveLength(4)
  expect((await codebuild.send(new ListReportGroupsCommand({}))).reportGroups).toHaveLength(2)
  await expect(codebuild.send(new DeleteReportGroupCommand({ arn: reportGroupArn }))).rejects.toThrow(
    /contains reports/,
  )
  await codebuild.send(new DeleteReportGroupCommand({ arn: reportGroupArn, deleteReports: true }))
  const gone = await codebuild.send(new BatchGetReportsCommand({ reportArns: [units?.arn ?? ''] }))
  expect(gone.reportsNotFound).toEqual([units?.arn])
  await drydock.advance({ days: 31 })
  expect((await codebuild.send(new ListReportsCommand({}))).reports).toEqual([])
})

it('a report needs rights, files and a format: the build fails and says why', async () => {
  await project({ buildspec, serviceRole: await reporter('silent', []) })
  const denied = await run()
  expect(denied.buildStatus).toBe('FAILED')
  expect(contextOf(denied, 'UPLOAD_ARTIFACTS')).toMatchObject({
    statusCode: 'CLIENT_ERROR',
    message: expect.stringMatching(
      /^Error in UPLOAD_ARTIFACTS phase: \[units: \[AccessDeniedException: .*codebuild:CreateReportGroup on resource: arn:aws:codebuild:us-east-1:\d+:report-group\/app-units.*\]\], \[coverage: /,
    ),
  })
  const serviceRoleOverride = await reporter('reporter')
  const partly = await reporter('half', rights.slice(0, 2))
  const absent = await run({
    serviceRoleOverride,
    buildspecOverride: 'version: 0.2\nphases: {build: {commands: [echo a]}}\nreports: {units: {files: [none.xml]}}',
  })
  expect(contextOf(absent, 'UPLOAD_ARTIFACTS')?.message).toBe(
    'Error in UPLOAD_ARTIFACTS phase: [units: [report files not found in build]]',
  )
  const wrong = await run({
    serviceRoleOverride,
    buildspecOverride:
      'version: 0.2\nphases: {build: {commands: [\'echo "<html/>" > a.xml\']}}\nreports: {units: {files: [a.xml]}}',
  })
  expect(contextOf(wrong, 'UPLOAD_ARTIFACTS')?.message).toContain('a.xml: <html> is no root of a JUnit report')
  const half = await run({ serviceRoleOverride: partly })
  expect(contextOf(half, 'UPLOAD_ARTIFACTS')?.message).toContain('codebuild:BatchPutTestCases')
  const { reports } = await codebuild.send(
    new BatchGetReportsCommand({ reportArns: [absent, wrong, half].flatMap(({ reportArns = [] }) => reportArns) }),
  )
  expect(new Set(reports?.map(({ status }) => status))).toEqual(new Set(['INCOMPLETE']))
})

it('raw data go where a named group exports them', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'raw-data' }))
  const { reportGroup } = await codebuild.send(
    new CreateReportGroupCommand({
      name: 'shared',
      type: 'TEST',
      exportConfig: { exportConfigType: 'S3', s3Destination: { bucket: 'raw-data', path: 'runs', packaging: 'ZIP' } },
      tags: [{ key: 'team', value: 'blue' }],
    }),
  )
  await project({
    serviceRole: await reporter('reporter'),
    buildspec: `version: 0.2
phases: {build: {commands: ['echo "<testsuite><testcase name=\\"a\\"/></testsuite>" > junit.xml']}}
reports: {'${reportGroup?.arn}': {files: [junit.xml]}}
`,
  })
  const build = await run()
  expect(build.buildStatus).toBe('SUCCEEDED')
  const keys = async () =>
    (await s3.send(new ListObjectsV2Command({ Bucket: 'raw-data' }))).Contents?.map(({ Key = '' }) => Key)
  const id = build.reportArns?.[0]?.split(':').at(-1)
  expect(await keys()).toEqual([`runs/shared/${id}.zip`])
  await codebuild.send(
    new UpdateReportGroupCommand({
      arn: reportGroup?.arn,
      exportConfig: { exportConfigType: 'S3', s3Destination: { bucket: 'raw-data', encryptionDisabled: true } },
    }),
  )
  const second = await run()
  const plain = `shared/${second.reportArns?.[0]?.split(':').at(-1)}/junit.xml`
  expect(await keys()).toContain(plain)
  const kept = async (Key: string) =>
    (await s3.send(new HeadObjectCommand({ Bucket: 'raw-data', Key }))).ServerSideEncryption
  expect(await kept(`runs/shared/${id}.zip`)).toBe('aws:kms')
  expect(await kept(plain)).toBe('AES256')
  const { reportGroups } = await codebuild.send(
    new BatchGetReportGroupsCommand({ reportGroupArns: [reportGroup?.arn ?? ''] }),
  )
  expect(reportGroups).toMatchObject([{ name: 'shared', status: 'ACTIVE', tags: [{ key: 'team', value: 'blue' }] }])
  await expect(
    codebuild.send(new CreateReportGroupCommand({ name: 'shared', type: 'TEST', exportConfig: {} })),
  ).rejects.toMatchObject({ name: 'ResourceAlreadyExistsException' })
})
