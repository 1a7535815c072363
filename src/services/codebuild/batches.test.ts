import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import {
  BatchGetBuildBatchesCommand,
  type BuildBatch,
  CodeBuildClient,
  DeleteBuildBatchCommand,
  ListBuildBatchesCommand,
  ListBuildBatchesForProjectCommand,
  ListBuildsCommand,
  RetryBuildBatchCommand,
  StartBuildBatchCommand,
  type StartBuildBatchCommandInput,
  StopBuildBatchCommand,
} from '@aws-sdk/client-codebuild'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { beforeEach, expect, it } from 'vitest'
import { story } from '../../../test/story.ts'
import { allow, codebuild, drydock, folder, logsPolicy, look, onBench, project } from './builds-bench.ts'
import { runsOnHost } from './host-runner.ts'

onBench()

let batchRole = ''
beforeEach(async () => {
  batchRole = await drydock.role('batches', 'codebuild.amazonaws.com', [
    allow(['codebuild:StartBuild', 'codebuild:StopBuild', 'codebuild:RetryBuild']),
  ])
})

const batched = (buildspec: string, more: Parameters<typeof project>[0] = {}) =>
  project({ buildspec, buildBatchConfig: { serviceRole: batchRole }, ...more })

const start = async (input: Partial<StartBuildBatchCommandInput> = {}) =>
  (await codebuild.send(new StartBuildBatchCommand({ projectName: 'app', ...input }))).buildBatch

const lookAt = async (id: string | undefined, server = codebuild): Promise<BuildBatch> => {
  const { buildBatches } = await server.send(new BatchGetBuildBatchesCommand({ ids: [id ?? ''] }))
  if (!buildBatches?.[0]) throw new Error(`no batch ${id}`)
  return buildBatches[0]
}
const when = async (id: string | undefined, until: (batch: BuildBatch) => boolean, server = codebuild) => {
  for (;;) {
    const batch = await lookAt(id, server)
    if (until(batch)) return batch
    await new Promise((turn) => setTimeout(turn, 5))
  }
}
const complete = ({ complete }: BuildBatch) => complete === true
const run = async (input: Partial<StartBuildBatchCommandInput> = {}) => when((await start(input))?.id, complete)
const phases = (batch: BuildBatch) => batch.phases?.map(({ phaseType, phaseStatus }) => `${phaseType} ${phaseStatus}`)
const groups = (batch: BuildBatch) =>
  Object.fromEntries(
    (batch.buildGroups ?? []).map((group) => [group.identifier, group.currentBuildSummary?.buildStatus ?? 'none']),
  )

it('builds of a batch have sessions where it says so, or its buildspec', async () => {
  await batched(
    'version: 0.2\nbatch: {build-list: [{identifier: one, debug-session: true}, {identifier: two}]}\nphases: {build: {commands: [id]}}',
  )
  const enabled = async (batch: BuildBatch) =>
    Promise.all(
      (batch.buildGroups ?? []).map(async ({ currentBuildSummary }) => {
        const { debugSession } = await look(currentBuildSummary?.arn)
        return debugSession?.sessionEnabled
      }),
    )
  const some = await run()
  expect([some.debugSessionEnabled, await enabled(some)]).toEqual([false, [true, false]])
  const all = await run({ debugSessionEnabled: true })
  expect([all.debugSessionEnabled, await enabled(all)]).toEqual([true, [true, true]])
})

it('a graph is built in order, its builds told which they are', async () => {
  const file = join(folder, 'order')
  await batched(`version: 0.2
batch:
  build-graph:
    - {identifier: first, env: {variables: {SAYS: hello}}}
    - {identifier: second, depend-on: [first], env: {compute-type: BUILD_GENERAL1_LARGE}}
phases: {build: {commands: ['echo $CODEBUILD_BATCH_BUILD_IDENTIFIER $SAYS >> ${file}']}}
`)
  const started = await start({ environmentVariablesOverride: [{ name: 'SAYS', value: 'nothing', type: 'PLAINTEXT' }] })
  expect(started).toMatchObject({
    buildBatchStatus: 'IN_PROGRESS',
    currentPhase: 'DOWNLOAD_BATCHSPEC',
    buildBatchNumber: 1,
  })
  const batch = await when(started?.id, complete)
  expect(batch).toMatchObject({ buildBatchStatus: 'SUCCEEDED', currentPhase: 'SUCCEEDED' })
  expect(phases(batch)).toEqual([
    'SUBMITTED SUCCEEDED',
    'DOWNLOAD_BATCHSPEC SUCCEEDED',
    'IN_PROGRESS SUCCEEDED',
    'SUCCEEDED SUCCEEDED',
  ])
  const text = await readFile(file, 'utf8')
  expect(text).toBe('first hello\nsecond nothing\n')
  const summary = batch.buildGroups?.[1]?.currentBuildSummary
  expect(await look(summary?.arn)).toMatchObject({
    buildBatchArn: batch.arn,
    environment: { computeType: 'BUILD_GENERAL1_LARGE' },
  })
  const { Events = [] } = await drydock
    .client(CloudTrailClient)
    .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'StartBuild' }] }))
  expect(Events.map(({ Username }) => Username)).toEqual(Array(2).fill(`AWSCodeBuild-${batch.id?.split(':')[1]}`))
  expect((await codebuild.send(new ListBuildBatchesForProjectCommand({ projectName: 'app' }))).ids).toEqual([batch.id])
  expect((await codebuild.send(new ListBuildBatchesCommand({ filter: { status: 'FAILED' } }))).ids).toEqual([])
  const deleted = await codebuild.send(new DeleteBuildBatchCommand({ id: batch.id }))
  expect(deleted.statusCode).toBe('BATCH_DELETED')
  expect(deleted.buildsDeleted).toHaveLength(2)
  expect((await codebuild.send(new ListBuildsCommand({}))).ids).toEqual([])
})

it('what fails keeps from running what depends on it, unless that is ignored, and is retried', async () => {
  const gate = join(folder, 'gate')
  await batched(`version: 0.2
batch:
  build-graph:
    - {identifier: fine}
    - {identifier: bad, env: {variables: {NEEDS: ${gate}}}}
    - {identifier: after, depend-on: [bad, fine]}
    - {identifier: never, ignore-failure: true, env: {variables: {NEEDS: /no/where}}}
    - {identifier: regardless, depend-on: [never]}
phases: {build: {commands: ['test -z "$NEEDS" || test -e $NEEDS']}}
`)
  const batch = await run()
  expect(batch.buildBatchStatus).toBe('FAILED')
  expect(groups(batch)).toEqual({
    fine: 'SUCCEEDED',
    bad: 'FAILED',
    after: 'none',
    never: 'FAILED',
    regardless: 'SUCCEEDED',
  })
  await writeFile(gate, '')
  const retried = await codebuild.send(new RetryBuildBatchCommand({ id: batch.id, retryType: 'RETRY_FAILED_BUILDS' }))
  expect(retried.buildBatch).toMatchObject({ id: batch.id, buildBatchStatus: 'IN_PROGRESS' })
  const again = await when(batch.id, complete)
  expect(again.buildBatchStatus).toBe('SUCCEEDED')
  expect(groups(again)).toMatchObject({ fine: 'SUCCEEDED', bad: 'SUCCEEDED', after: 'SUCCEEDED', never: 'FAILED' })
  const bad = again.buildGroups?.find(({ identifier }) => identifier === 'bad')
  expect(bad?.priorBuildSummaryList).toMatchObject([{ buildStatus: 'FAILED' }])
  const fine = (found: BuildBatch) => found.buildGroups?.find(({ identifier }) => identifier === 'fine')
  expect(fine(again)?.currentBuildSummary?.arn).toBe(fine(batch)?.currentBuildSummary?.arn)
  await expect(codebuild.send(new RetryBuildBatchCommand({ id: batch.id }))).rejects.toThrow(/has succeeded/)
})

it('a batch ends its builds: at the first failure, when it is stopped, when its time is over', async () => {
  await batched(`version: 0.2
batch:
  fast-fail: true
  build-list:
    - {identifier: waits}
    - {identifier: fails, env: {variables: {DO: exit 1}}}
phases: {build: {commands: ['\${DO:-sleep 600}']}}
`)
  const failed = await run()
  expect(failed.buildBatchStatus).toBe('FAILED')
  expect(groups(failed)).toEqual({ waits: 'STOPPED', fails: 'FAILED' })
  const begun = ({ buildGroups = [] }: BuildBatch) => buildGroups.some(({ currentBuildSummary }) => currentBuildSummary)
  const waiting = {
    buildspecOverride: `version: 0.2\nbatch: {build-list: [{identifier: a}]}\nphases: {build: {commands: [sleep 600]}}`,
  }
  const id = (await start(waiting))?.id
  await when(id, begun)
  await expect(codebuild.send(new DeleteBuildBatchCommand({ id }))).rejects.toThrow(/in progress/)
  await codebuild.send(new StopBuildBatchCommand({ id }))
  const stopped = await when(id, complete)
  expect(stopped).toMatchObject({ buildBatchStatus: 'STOPPED', currentPhase: 'STOPPED' })
  expect(groups(stopped)).toEqual({ a: 'STOPPED' })
  const late = (await start({ ...waiting, buildBatchConfigOverride: { serviceRole: batchRole, timeoutInMins: 5 } }))?.id
  await when(late, begun)
  await drydock.advance({ minutes: 6 })
  expect((await when(late, complete)).buildBatchStatus).toBe('TIMED_OUT')
})

it('says what is not allowed', async () => {
  const list =
    'version: 0.2\nbatch: {build-list: [{identifier: a}, {identifier: b}]}\nphases: {build: {commands: [echo a]}}'
  await project({ buildspec: list })
  await expect(start()).rejects.toThrow(/a service role for batch builds is required/)
  const serviceRole = batchRole
  const message = async (input: Partial<StartBuildBatchCommandInput>, phase = 'DOWNLOAD_BATCHSPEC') => {
    const batch = await run({ buildBatchConfigOverride: { serviceRole }, ...input })
    expect(batch.buildBatchStatus).toBe('FAILED')
    return batch.phases?.find(({ phaseType }) => phaseType === phase)?.contexts?.[0]?.message
  }
  expect(await message({ buildspecOverride: 'version: 0.2\nphases: {build: {commands: [a]}}' })).toMatch(/no batch/)
  const limits = { maximumBuildsAllowed: 1 }
  expect(await message({ buildBatchConfigOverride: { serviceRole, restrictions: limits } })).toMatch(
    /more than 1 builds/,
  )
  const types = { computeTypesAllowed: ['BUILD_GENERAL1_LARGE'] }
  expect(await message({ buildBatchConfigOverride: { serviceRole, restrictions: types } })).toMatch(/is not allowed/)
  const unknown = list.replace('{identifier: a}', '{identifier: a, env: {compute-type: BUILD_GENERAL1_HUGE}}')
  expect(await message({ buildspecOverride: unknown })).toMatch(/no compute type BUILD_GENERAL1_HUGE/)
  const powerless = await drydock.role('powerless', 'codebuild.amazonaws.com')
  expect(await message({ buildBatchConfigOverride: { serviceRole: powerless } }, 'IN_PROGRESS')).toMatch(
    /codebuild:StartBuild/,
  )
})

it('artifacts lie side by side, or are combined into one', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'artifacts' }))
  const buildspec = `version: 0.2
batch: {build-matrix: {dynamic: {env: {variables: {WHO: [ann, bob]}}}}}
phases: {build: {commands: ['echo $WHO > $WHO.txt']}}
artifacts: {files: ['*.txt']}
`
  const serviceRole = await drydock.role('storing', 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['s3:PutObject', 's3:GetObject', 's3:ListBucket']),
  ])
  await batched(buildspec, {
    serviceRole,
    artifacts: { type: 'S3', location: 'artifacts', name: 'site', packaging: 'NONE' },
    buildBatchConfig: { serviceRole: batchRole, combineArtifacts: true },
  })
  const batch = await run()
  expect(phases(batch)).toContain('COMBINE_ARTIFACTS SUCCEEDED')
  expect(batch.artifacts?.location).toBe('arn:aws:s3:::artifacts/site')
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'artifacts' }))
  expect(Contents?.map(({ Key }) => Key)).toEqual([
    'build0/site/ann.txt',
    'build1/site/bob.txt',
    'site/ann.txt',
    'site/bob.txt',
  ])
  const zipped = await run({
    artifactsOverride: { type: 'S3', location: 'artifacts', name: 'site.zip', packaging: 'ZIP' },
  })
  expect(zipped.buildBatchStatus).toBe('SUCCEEDED')
  expect(zipped.artifacts?.sha256sum).toMatch(/^[0-9a-f]{64}$/)
})

it('a batch goes on where its server was killed', async () => {
  const first = await story({ durable: true })
  first.compute.on('build-', runsOnHost)
  const gate = join(folder, 'gate')
  const server = first.client(CodeBuildClient)
  const roles = {
    serviceRole: await first.role('builder', 'codebuild.amazonaws.com', [logsPolicy]),
    batch: await first.role('batches', 'codebuild.amazonaws.com', [allow(['codebuild:StartBuild'])]),
  }
  await project(
    {
      serviceRole: roles.serviceRole,
      buildBatchConfig: { serviceRole: roles.batch },
      buildspec: `version: 0.2
batch: {build-graph: [{identifier: a}, {identifier: b, depend-on: [a]}]}
phases: {build: {commands: ['while [ ! -e ${gate} ]; do sleep 0.01; done']}}
`,
    },
    server,
  )
  const { buildBatch } = await server.send(new StartBuildBatchCommand({ projectName: 'app' }))
  await when(buildBatch?.id, (batch) => groups(batch).a === 'IN_PROGRESS', server)
  const second = await first.restart()
  second.compute.on('build-', runsOnHost)
  await writeFile(gate, '')
  await second.advance({ seconds: 1 })
  const after = second.client(CodeBuildClient)
  const batch = await when(buildBatch?.id, complete, after)
  expect(groups(batch)).toEqual({ a: 'SUCCEEDED', b: 'SUCCEEDED' })
  await second.close()
})
