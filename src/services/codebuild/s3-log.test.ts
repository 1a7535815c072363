import { gunzipSync } from 'node:zlib'
import { CreateProjectCommand } from '@aws-sdk/client-codebuild'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, it } from 'vitest'
import { allow, codebuild, contextOf, drydock, logsPolicy, onBench, project, role, run } from './builds-bench.ts'

onBench()

describe('what a build leaves in S3', () => {
  let s3: S3Client
  beforeEach(async () => {
    s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'store' }))
  })
  const object = async (Key: string) => {
    const found = await s3.send(new GetObjectCommand({ Bucket: 'store', Key }))
    return { ...found, bytes: Buffer.from((await found.Body?.transformToByteArray()) ?? []) }
  }

  it('is its log, packed, without secrets, beside or in place of CloudWatch Logs', async () => {
    await project({
      buildspec: 'version: 0.2\nphases: {build: {commands: [echo hello, "printf a; exit 3"]}}',
      logsConfig: {
        cloudWatchLogs: { status: 'DISABLED' },
        s3Logs: { status: 'ENABLED', location: 'store/logs/of-app' },
      },
    })
    const build = await run()
    const key = `logs/of-app/${build.id?.split(':')[1]}.gz`
    expect(build).toMatchObject({
      buildStatus: 'FAILED',
      logs: { s3LogsArn: `arn:aws:s3:::store/${key}`, s3DeepLink: `${drydock.endpoint}/store/${key}` },
    })
    expect(build.logs?.groupName).toBeUndefined()
    const log = await object(key)
    expect(log.ServerSideEncryption).toBe('aws:kms')
    const lines = gunzipSync(log.bytes).toString().split('\n')
    expect(lines).toContain('hello')
    expect(lines.at(-2)).toMatch(/^\[Container\] 2026\/11\/23 .* Phase context status code:/)
  })

  it('is encrypted under the key of the project, as far as the role may use it', async () => {
    const { KeyMetadata } = await drydock.client(KMSClient).send(new CreateKeyCommand({}))
    const kms = ['kms:GenerateDataKey', 'kms:Decrypt']
    const able = await drydock.role('able', 'codebuild.amazonaws.com', [
      logsPolicy,
      allow(['s3:PutObject', 's3:GetObject']),
      allow(kms, KeyMetadata?.Arn),
    ])
    const settings = {
      buildspec: 'version: 0.2\nphases: {build: {commands: [echo x > made]}}\nartifacts: {files: [made]}',
      artifacts: { type: 'S3', location: 'store', packaging: 'ZIP' },
      encryptionKey: KeyMetadata?.Arn,
      logsConfig: { s3Logs: { status: 'ENABLED', location: 'arn:aws:s3:::store/logs' } },
    } as const
    await project({ ...settings, serviceRole: able })
    const build = await run()
    expect(build.buildStatus).toBe('SUCCEEDED')
    const under = async (Key: string) => (await s3.send(new HeadObjectCommand({ Bucket: 'store', Key }))).SSEKMSKeyId
    expect(await under('app')).toBe(KeyMetadata?.Arn)
    expect(await under(`logs/${build.id?.split(':')[1]}.gz`)).toBe(KeyMetadata?.Arn)

    await project({ ...settings, name: 'unable', serviceRole: role })
    const refused = await run({ projectName: 'unable' })
    expect(refused.buildStatus).toBe('FAILED')
    expect(contextOf(refused, 'UPLOAD_ARTIFACTS')?.message).toMatch(/AccessDenied.*kms:GenerateDataKey/)
    expect(contextOf(refused, 'FINALIZING')).toMatchObject({
      statusCode: 'CLIENT_ERROR',
      message: expect.stringMatching(/^Unable to upload the log to S3: AccessDenied/),
    })
  })

  it('is kept as the bucket keeps it where encryption is off, and given to the owner of the bucket', async () => {
    const owning = await drydock.role('owning', 'codebuild.amazonaws.com', [
      logsPolicy,
      allow(['s3:PutObject', 's3:PutObjectAcl', 's3:PutBucketAcl']),
    ])
    await project({
      serviceRole: owning,
      logsConfig: {
        s3Logs: { status: 'ENABLED', location: 'store', encryptionDisabled: true, bucketOwnerAccess: 'FULL' },
      },
    })
    const build = await run()
    expect(build.buildStatus).toBe('SUCCEEDED')
    expect((await object(`${build.id?.split(':')[1]}.gz`)).ServerSideEncryption).toBe('AES256')
    const denied = await run({ serviceRoleOverride: role })
    expect(contextOf(denied, 'FINALIZING')?.message).toMatch(/AccessDenied.*s3:PutBucketAcl/)
  })

  it('needs a place', async () => {
    const refused = await codebuild
      .send(
        new CreateProjectCommand({
          name: 'placeless',
          source: { type: 'NO_SOURCE', buildspec: 'version: 0.2' },
          artifacts: { type: 'NO_ARTIFACTS' },
          environment: { type: 'LINUX_CONTAINER', image: 'x', computeType: 'BUILD_GENERAL1_SMALL' },
          serviceRole: role,
          logsConfig: { s3Logs: { status: 'ENABLED' } },
        }),
      )
      .catch((error: Error) => error)
    expect(refused).toMatchObject({ name: 'InvalidInputException' })
  })
})
