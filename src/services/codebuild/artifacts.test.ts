import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, it } from 'vitest'
import { unzip, zip } from '../../archives/zip.ts'
import { allow, contextOf, drydock, folder, logsPolicy, onBench, project, run, start } from './builds-bench.ts'

onBench()

describe('sources and artifacts in S3', () => {
  const archive = async (files: Record<string, string>) => {
    const packed = []
    for (const [name, content] of Object.entries(files)) {
      const source = join(folder, name.replaceAll('/', '_'))
      await writeFile(source, content)
      packed.push({ source, name, mode: 0o644, modified: new Date('2026-01-01T00:00:00Z') })
    }
    const file = join(folder, 'made.zip')
    await zip(packed, file)
    return readFile(file)
  }
  let s3: S3Client
  beforeEach(async () => {
    s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'store' }))
    await s3.send(new PutBucketVersioningCommand({ Bucket: 'store', VersioningConfiguration: { Status: 'Enabled' } }))
  })
  const put = async (key: string, files: Record<string, string>) =>
    (await s3.send(new PutObjectCommand({ Bucket: 'store', Key: key, Body: await archive(files) }))).VersionId
  const keys = async () =>
    ((await s3.send(new ListObjectsV2Command({ Bucket: 'store' }))).Contents ?? []).map(({ Key }) => Key)

  it('are fetched, built and stored, primary and secondary', async () => {
    const version = await put('in/source.zip', {
      'buildspec.yml': `version: 0.2
phases: {build: {commands: ['mkdir -p dist/lib; cp text dist/; cat $CODEBUILD_SRC_DIR_more/extra > dist/lib/extra', 'V=7']}}
artifacts:
  files: ['**/*']
  base-directory: dist
  name: app-$V.zip
  secondary-artifacts:
    docs: {files: [text], discard-paths: yes}
`,
      text: 'first',
    })
    await put('in/source.zip', { 'buildspec.yml': 'version: 0.2' })
    await put('in/more.zip', { extra: 'and more' })
    await project({
      source: { type: 'S3', location: 'store/in/source.zip' },
      secondarySources: [{ type: 'S3', location: 'store/in/more.zip', sourceIdentifier: 'more' }],
      artifacts: { type: 'S3', location: 'store', path: 'out', packaging: 'ZIP', overrideArtifactName: true },
      secondaryArtifacts: [
        { type: 'S3', location: 'store', name: 'docs', namespaceType: 'BUILD_ID', artifactIdentifier: 'docs' },
      ],
    })
    const build = await run({ sourceVersion: version })
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(build.resolvedSourceVersion).toBe(version)
    const uuid = build.id?.split(':')[1]
    expect((await keys()).filter((key) => !key?.startsWith('in/'))).toEqual(
      [`${uuid}/docs/text`, 'out/app-7.zip'].sort(),
    )
    expect(build.artifacts).toMatchObject({
      location: 'arn:aws:s3:::store/out/app-7.zip',
      sha256sum: expect.any(String),
    })
    expect(build.secondaryArtifacts).toMatchObject([
      { artifactIdentifier: 'docs', location: `arn:aws:s3:::store/${uuid}/docs` },
    ])
    const object = await s3.send(new GetObjectCommand({ Bucket: 'store', Key: 'out/app-7.zip' }))
    await writeFile(join(folder, 'got.zip'), (await object.Body?.transformToByteArray()) ?? '')
    await unzip(join(folder, 'got.zip'), join(folder, 'got'))
    expect(await readFile(join(folder, 'got/lib/extra'), 'utf8')).toBe('and more')
    expect(await readFile(join(folder, 'got/text'), 'utf8')).toBe('first')
  })

  it("stand in for CodePipeline's", async () => {
    await put('pipe/in', {
      'ci/spec.yml': 'version: 0.2\nphases: {build: {commands: [date > made]}}\nartifacts: {files: [made]}',
    })
    await project({
      source: { type: 'CODEPIPELINE', buildspec: 'ci/spec.yml' },
      artifacts: { type: 'CODEPIPELINE' },
    })
    await expect(start()).rejects.toMatchObject({ name: 'InvalidInputException' })
    const build = await run({
      sourceTypeOverride: 'S3',
      sourceLocationOverride: 'store/pipe/in',
      artifactsOverride: { type: 'S3', location: 'store', path: 'pipe', name: 'out', packaging: 'ZIP' },
    })
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect(await keys()).toContain('pipe/out')
  })

  it.each([
    ['nothing matches', 'artifacts: {files: ["*.jar"]}', 'no matching artifact paths found'],
    ['a name of nothing', 'artifacts: {files: [$NOTHING]}', '$NOTHING expands to nothing'],
    [
      'no base folder',
      'artifacts: {files: ["*"], base-directory: dist}',
      'no matching base directory path found for dist',
    ],
  ])('fail UPLOAD_ARTIFACTS: %s', async (_, artifacts, message) => {
    await project({
      buildspec: `version: 0.2\nphases: {build: {commands: ['true']}}\n${artifacts}`,
      artifacts: { type: 'S3', location: 'store' },
    })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'UPLOAD_ARTIFACTS')).toEqual({ statusCode: 'CLIENT_ERROR', message })
  })

  it('are denied with the sentence that names the action', async () => {
    await put('in.zip', {
      'buildspec.yml': 'version: 0.2\nphases: {build: {commands: [date > x]}}\nartifacts: {files: [x]}',
    })
    await project({
      source: { type: 'S3', location: 'store/in.zip' },
      artifacts: { type: 'S3', location: 'store', name: 'out', packaging: 'ZIP' },
      serviceRole: await drydock.role('reader', 'codebuild.amazonaws.com', [logsPolicy, allow(['s3:GetObject'])]),
    })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'UPLOAD_ARTIFACTS')?.message).toMatch(/AccessDenied.*s3:PutObject/)
    const blind = await drydock.role('blind', 'codebuild.amazonaws.com', [logsPolicy])
    const other = await run({ serviceRoleOverride: blind })
    expect(contextOf(other, 'DOWNLOAD_SOURCE')?.message).toMatch(/AccessDenied.*s3:GetObject.*for primary source/)
  })

  it('may be hostile', async () => {
    await s3.send(new PutObjectCommand({ Bucket: 'store', Key: 'in.zip', Body: 'no archive' }))
    await project({ source: { type: 'S3', location: 'store/in.zip' } })
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'DOWNLOAD_SOURCE')?.statusCode).toBe('CLIENT_ERROR')
  })
})
