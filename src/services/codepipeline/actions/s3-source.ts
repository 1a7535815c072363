import { AwsError } from '../../../kernel/errors.ts'
import { ActionFailure, type ActionKind, checkBooleans, copySource, encryptionOf, revisionMetadata } from './action.ts'

/** "Amazon S3 source action reference", CodePipeline user guide. */
export const s3Source: ActionKind = {
  category: 'Source',
  provider: 'S3',
  properties: [
    { name: 'S3Bucket', required: true, description: 'The bucket where source changes are detected: versioned.' },
    {
      name: 'S3ObjectKey',
      required: true,
      description: 'The object where source changes are detected: a zip archive.',
    },
    {
      name: 'PollForSourceChanges',
      required: false,
      description: 'Whether a new version starts the pipeline without a rule: true unless told.',
    },
    {
      name: 'AllowOverrideForS3ObjectKey',
      required: false,
      description: 'Whether a start may name another object key.',
    },
  ],
  inputs: [0, 0],
  outputs: [1, 1],
  timeoutMinutes: 60,
  check: ({ configuration = {} }) =>
    checkBooleans(configuration, 'PollForSourceChanges', 'AllowOverrideForS3ObjectKey'),
  start: async ({ ctx, configuration, outputs, role, overrides }) => {
    const Bucket = configuration.S3Bucket ?? ''
    const given = (wanted: string) => overrides.find(({ type }) => type === wanted)?.value
    const Key = given('S3_OBJECT_KEY') ?? configuration.S3ObjectKey ?? ''
    const version = given('S3_OBJECT_VERSION_ID')
    const { s3 } = await role()
    const versioning = await s3.getBucketVersioning({ Bucket })
    if (versioning.Status !== 'Enabled')
      throw new ActionFailure('ConfigurationError', `The source bucket ${Bucket} must have versioning enabled.`)
    const head = await s3
      .headObject({ Bucket, Key, ...(version === undefined ? {} : { VersionId: version }) })
      .catch((error: unknown) => {
        if (!(error instanceof AwsError && /^(NotFound|NoSuch)/.test(error.code))) throw error
        throw new ActionFailure('ConfigurationError', `There is no object ${Key} in the source bucket ${Bucket}.`)
      })
    const versionId = head.VersionId ?? ''
    const [output] = outputs
    if (output) {
      await s3.copyObject({
        Bucket: output.bucket,
        Key: output.key,
        CopySource: `${copySource({ bucket: Bucket, key: Key })}?versionId=${encodeURIComponent(versionId)}`,
        MetadataDirective: 'REPLACE',
        ContentType: 'application/zip',
        Metadata: revisionMetadata(versionId),
        ...encryptionOf(output),
      })
    }
    const summary = head.Metadata?.['codepipeline-artifact-revision-summary'] ?? `Amazon S3 version id: ${versionId}`
    const url = `https://console.aws.amazon.com/s3/object/${Bucket}?region=${ctx.region}&prefix=${encodeURIComponent(Key)}`
    return {
      state: 'succeeded',
      external: { id: versionId, url, summary },
      revision: { id: versionId, summary, url, created: (head.LastModified ?? ctx.now()).toISOString() },
      variables: {
        BucketName: Bucket,
        ObjectKey: Key,
        VersionId: versionId,
        ETag: (head.ETag ?? '').replaceAll('"', ''),
      },
    }
  },
  urls: {
    entity: (ctx, { S3Bucket = '', S3ObjectKey = '' }) =>
      `https://console.aws.amazon.com/s3/object/${S3Bucket}?region=${ctx.region}&prefix=${encodeURIComponent(S3ObjectKey)}`,
  },
}
