import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidateProjectCacheCommand, UpdateProjectCommand } from '@aws-sdk/client-codebuild'
import { CreateBucketCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { allow, codebuild, drydock, folder, logOf, logsPolicy, onBench, project, run } from './builds-bench.ts'

onBench()

/** Does work only where its cache does not hold the result: how often is counted outside. */
const buildspec = (cache: string) => `version: 0.2
phases:
  build:
    commands:
      - mkdir -p deps/bin && [ -e deps/done ] || { echo worked >> ${join(folder, 'work')}; echo "$LOCK" > deps/done; ln -sf ../done deps/bin/link; }
      - cat deps/bin/link
cache: ${cache}
`
const worked = async () => (await readFile(join(folder, 'work'), 'utf8')).split('\n').length - 1

it('what is kept on the host spares the next build its work, until it is invalidated', async () => {
  await project({
    buildspec: buildspec("{paths: ['deps/**/*', 'nothing/**/*']}"),
    cache: { type: 'LOCAL', modes: ['LOCAL_CUSTOM_CACHE'] },
  })
  const first = await run()
  expect(first.buildStatus).toBe('SUCCEEDED')
  expect(await logOf(first)).toContain('# Unable to download cache: NoSuchKey: The specified key does not exist.')
  const second = await run()
  expect(second.buildStatus).toBe('SUCCEEDED')
  expect(await logOf(second)).toContain('# Downloaded cache cache.zip')
  expect(await worked()).toBe(1)
  await codebuild.send(new InvalidateProjectCacheCommand({ projectName: 'app' }))
  await run()
  expect(await worked()).toBe(2)
  await codebuild.send(new UpdateProjectCommand({ name: 'app', cache: { type: 'NO_CACHE' } }))
  await run()
  expect(await worked()).toBe(3)
  await expect(
    codebuild.send(
      new UpdateProjectCommand({ name: 'app', cache: { type: 'LOCAL', modes: ['LOCAL_DOCKER_LAYER_CACHE'] } }),
    ),
  ).rejects.toMatchObject({ name: 'InvalidInputException' })
  await expect(codebuild.send(new UpdateProjectCommand({ name: 'app', cache: { type: 'S3' } }))).rejects.toMatchObject({
    name: 'InvalidInputException',
  })
})

it('what is kept in S3 is found by its key, or by the newest that begins like a fallback key', async () => {
  const s3 = drydock.client(S3Client)
  await s3.send(new CreateBucketCommand({ Bucket: 'caches' }))
  await s3.send(new CreateBucketCommand({ Bucket: 'sources' }))
  const serviceRole = await drydock.role('caching', 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['s3:PutObject', 's3:GetObject', 's3:ListBucket']),
  ])
  const lock = (text: string) =>
    s3.send(new PutObjectCommand({ Bucket: 'sources', Key: 'src/package-lock.json', Body: text }))
  await lock('one')
  await project({
    serviceRole,
    source: {
      type: 'S3',
      location: 'sources/src/',
      buildspec: buildspec(
        '{paths: [deps], key: npm-$KIND-$(codebuild-hash-files package-lock.json), fallback-keys: [npm-$KIND-, npm-]}',
      ),
    },
    cache: { type: 'S3', location: 'caches/of-builds', cacheNamespace: 'shared' },
    environment: {
      type: 'LINUX_CONTAINER',
      image: 'aws/codebuild/standard:7.0',
      computeType: 'BUILD_GENERAL1_SMALL',
      environmentVariables: [{ name: 'KIND', value: 'x64' }],
    },
  })
  const keys = async () =>
    (await s3.send(new ListObjectsV2Command({ Bucket: 'caches' }))).Contents?.map(({ Key = '' }) => Key)
  const first = await run()
  expect(first.buildStatus).toBe('SUCCEEDED')
  expect(await keys()).toEqual([expect.stringMatching(/^of-builds\/shared\/npm-x64-[0-9a-f]{64}\.zip$/)])
  await run()
  expect(await worked()).toBe(1)
  await lock('two')
  const third = await run()
  expect((await logOf(third)).join('\n')).toMatch(/Downloaded cache npm-x64-/)
  expect(await worked()).toBe(1)
  expect(await keys()).toHaveLength(2)
  const denied = await drydock.role('denied', 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['s3:GetObject', 's3:ListBucket'], ['arn:aws:s3:::sources', 'arn:aws:s3:::sources/*']),
  ])
  const without = await run({ serviceRoleOverride: denied })
  expect(without.buildStatus).toBe('SUCCEEDED')
  const log = (await logOf(without)).join('\n')
  expect(log).toMatch(/Unable to download cache: AccessDenied/)
  expect(log).toMatch(/Unable to upload cache: .*s3:PutObject/)
  const other = await run({
    buildspecOverride: buildspec('{paths: [deps], key: "$(date)"}'),
  })
  expect(other.phases?.find(({ phaseType }) => phaseType === 'DOWNLOAD_SOURCE')?.contexts?.[0]?.message).toMatch(
    /runs no commands in cache keys/,
  )
})
