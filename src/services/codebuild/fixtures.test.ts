import { readdir, readFile } from 'node:fs/promises'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { parseBatchspec } from './batchspec.ts'
import { allow, drydock, logOf, logsPolicy, onBench, phasesOf, project, run } from './builds-bench.ts'

onBench()

// Buildspecs in the shape of those of public projects, and what becomes of a build of each.

type Outcome = {
  readonly status: string
  /** Phases that did not succeed, with what their context says. */
  readonly failed?: Readonly<Record<string, string | RegExp>>
  readonly log?: readonly string[]
  readonly objects?: readonly string[]
  readonly reports?: number
  readonly exported?: Readonly<Record<string, string>>
  readonly batch?: number
}

const folder = new URL('../../../test/fixtures/buildspecs/', import.meta.url)

const outcomes: Readonly<Record<string, Outcome>> = {
  'web-frontend': {
    status: 'SUCCEEDED',
    objects: ['site-web-00001/assets/site.css', 'site-web-00001/index.html'],
    exported: { RELEASE: 'web-00001' },
  },
  'java-service': {
    status: 'FAILED',
    failed: { BUILD: 'Error while executing command: exit 3. Reason: exit status 3' },
    log: ['cleaned up', 'succeeding 0'],
    reports: 1,
  },
  'python-library': {
    status: 'SUCCEEDED',
    objects: ['docs/index.html', 'python-library/shop-1.0.whl'],
    reports: 1,
  },
  'docker-image': { status: 'SUCCEEDED', objects: ['docker-image/imagedefinitions.json'] },
  infrastructure: {
    status: 'FAILED',
    failed: { BUILD: 'Error while executing command: test -f template.yml. Reason: exit status 1' },
    log: ['checking'],
  },
  legacy: { status: 'SUCCEEDED' },
  matrix: { status: 'SUCCEEDED', log: ['version none'], batch: 4 },
  'wrong-colon': {
    status: 'FAILED',
    failed: {
      DOWNLOAD_SOURCE:
        'Expected Commands[1] to be of string type: found subkeys instead at line 7, value of the key echo Status on line 7 might be empty',
    },
  },
}

it('every fixture has an outcome', async () => {
  const names = (await readdir(folder)).map((name) => name.replace(/\.yml$/, ''))
  expect(names.sort()).toEqual(Object.keys(outcomes).sort())
})

it.each(Object.entries(outcomes))('%s', async (name, expected) => {
  const text = await readFile(new URL(`${name}.yml`, folder), 'utf8')
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'artifacts' }))
  const secondary = text.includes('secondary-artifacts')
  await project({
    name,
    buildspec: text,
    serviceRole: await drydock.role('fixtures', 'codebuild.amazonaws.com', [
      logsPolicy,
      allow(['s3:PutObject', 'codebuild:*Report*', 'codebuild:BatchPut*']),
    ]),
    artifacts: { type: 'S3', location: 'artifacts', overrideArtifactName: text.includes('name: site-') },
    ...(secondary
      ? { secondaryArtifacts: [{ type: 'S3', location: 'artifacts', name: 'docs', artifactIdentifier: 'docs' }] }
      : {}),
  })
  const build = await run({ projectName: name })
  expect(build.buildStatus, phasesOf(build)?.join()).toBe(expected.status)
  const failed = (build.phases ?? []).filter(({ phaseStatus }) => phaseStatus === 'FAILED')
  expect(Object.fromEntries(failed.map(({ phaseType, contexts }) => [phaseType, contexts?.[0]?.message]))).toEqual(
    expected.failed ?? {},
  )
  if (expected.log) expect(await logOf(build)).toEqual(expect.arrayContaining([...expected.log]))
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'artifacts' }))
  expect(Contents.map(({ Key }) => Key)).toEqual(expected.objects ?? [])
  expect(build.reportArns ?? []).toHaveLength(expected.reports ?? 0)
  const exported = (build.exportedEnvironmentVariables ?? []).map((one) => [one.name, one.value])
  expect(Object.fromEntries(exported)).toEqual(expected.exported ?? {})
  if (expected.batch) expect(parseBatchspec(text, 100).tasks).toHaveLength(expected.batch)
})
