import { readdir, readFile } from 'node:fs/promises'
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseBatchspec } from './batchspec.ts'
import { allow, drydock, logOf, logsPolicy, onBench, phasesOf, project, run } from './builds-bench.ts'

onBench()

// Buildspecs in the shape of those of public projects, and what becomes of a build of each.

type Outcome = {
  readonly status: string
  /** Phases that did not succeed, with what their context says. */
  readonly failed?: Readonly<Record<string, string | RegExp>>
  readonly log?: readonly string[]
  readonly objects?: readonly (string | RegExp)[]
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
  graph: { status: 'SUCCEEDED', log: ['step none'], batch: 3 },
  list: { status: 'SUCCEEDED', log: ['listed'], batch: 2 },
  fanout: { status: 'SUCCEEDED', log: ['shard none'], batch: 3 },
  secrets: { status: 'SUCCEEDED', log: ['color ***', 'both'], exported: { COLOR: 'blue' } },
  cached: {
    status: 'SUCCEEDED',
    objects: [
      /^cache\/cached\/[0-9a-f-]+\/deps-[0-9a-f]{64}\.zip$/,
      'releases/cached/index.html',
      'releases/cached/page.html',
    ],
  },
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
  await drydock
    .client(SSMClient)
    .send(new PutParameterCommand({ Name: '/shop/color', Value: 'blue', Type: 'SecureString' }))
  await drydock
    .client(SecretsManagerClient)
    .send(new CreateSecretCommand({ Name: 'shop/token', SecretString: '{"password":"hunter2"}' }))
  await project({
    name,
    ...(text.includes('fallback-keys') ? { cache: { type: 'S3', location: 'artifacts/cache' } } : {}),
    buildspec: text,
    serviceRole: await drydock.role('fixtures', 'codebuild.amazonaws.com', [
      logsPolicy,
      allow(['s3:PutObject', 's3:GetObject', 'codebuild:*Report*', 'codebuild:BatchPut*']),
      allow(['ssm:GetParameters', 'secretsmanager:GetSecretValue', 's3:ListBucket']),
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
  const keys = (expected.objects ?? []).map((key) => (typeof key === 'string' ? key : expect.stringMatching(key)))
  expect(Contents.map(({ Key }) => Key)).toEqual(keys)
  expect(build.reportArns ?? []).toHaveLength(expected.reports ?? 0)
  const exported = (build.exportedEnvironmentVariables ?? []).map((one) => [one.name, one.value])
  expect(Object.fromEntries(exported)).toEqual(expected.exported ?? {})
  if (expected.batch) expect(parseBatchspec(text, 100).tasks).toHaveLength(expected.batch)
})

it('every key of the reference is in one of them that is accepted', async () => {
  const accepted = Object.entries(outcomes).filter(([, { failed }]) => !failed?.DOWNLOAD_SOURCE)
  const keys = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, member] of Object.entries(value)) {
      keys.add(key)
      collect(member)
    }
  }
  for (const [name] of accepted) collect(parse(await readFile(new URL(`${name}.yml`, folder), 'utf8')))
  // All but debug-session, which would wait: "Build specification reference for CodeBuild" and "Batch build buildspec reference", CodeBuild user guide.
  for (const key of [
    ...['version', 'run-as', 'env', 'proxy', 'batch', 'phases', 'reports', 'artifacts', 'cache'],
    ...['shell', 'variables', 'parameter-store', 'secrets-manager', 'exported-variables', 'git-credential-helper'],
    ...['upload-artifacts', 'logs', 'install', 'pre_build', 'build', 'post_build'],
    ...['on-failure', 'runtime-versions', 'commands', 'finally'],
    ...['files', 'base-directory', 'discard-paths', 'file-format', 'name', 'exclude-paths', 'enable-symlinks'],
    ...['s3-prefix', 'secondary-artifacts', 'key', 'fallback-keys', 'action', 'paths'],
    ...['fast-fail', 'build-graph', 'build-list', 'build-matrix', 'build-fanout', 'parallelism', 'static', 'dynamic'],
    ...['identifier', 'buildspec', 'depend-on', 'ignore-failure'],
    ...['compute-type', 'image', 'type', 'privileged-mode'],
  ])
    expect(keys).toContain(key)
})
