import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Caller } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { PhaseFailure } from './environment.ts'
import type { Artifacts } from './project.ts'

// What a build leaves in S3: artifacts, caches, logs and raw data of reports, put there as the service role may and encrypted
// "by default using AWS managed keys" ("Data encryption", CodeBuild user guide).

/** Where a file goes. */
export type Destination = {
  readonly Bucket: string
  readonly Key: string
  readonly ExpectedBucketOwner?: string
  readonly ServerSideEncryption?: 'aws:kms'
  readonly SSEKMSKeyId?: string
  readonly ACL?: 'bucket-owner-read' | 'bucket-owner-full-control'
}

/** Under the key that is named; S3's own where that is meant; as the bucket does it where encryption is off. */
export const encryptionOf = (
  encryptionKey: string | undefined,
  disabled: boolean | undefined = false,
): Pick<Destination, 'ServerSideEncryption' | 'SSEKMSKeyId'> => {
  if (disabled) return {}
  const own = encryptionKey === undefined || /(^|:)alias\/aws\/s3$/.test(encryptionKey)
  return { ServerSideEncryption: 'aws:kms', ...(own ? {} : { SSEKMSKeyId: encryptionKey }) }
}

/**
 * What the owner of the bucket may do with what another account puts there. AWS API: "ProjectArtifacts": the service role
 * needs `s3:PutBucketAcl`.
 */
export const ownerAccessOf = async (
  role: Caller,
  bucket: string,
  access: Artifacts['bucketOwnerAccess'],
): Promise<Pick<Destination, 'ACL'>> => {
  if (access === undefined || access === 'NONE') return {}
  await role.authorize('s3:PutBucketAcl', `arn:aws:s3:::${bucket}`)
  return { ACL: access === 'FULL' ? 'bucket-owner-full-control' : 'bucket-owner-read' }
}

/**
 * Puts a file into a bucket as the role may.
 * @throws AwsError in S3's or KMS's words.
 */
export const putObjectOf = async (role: Caller, to: Destination, file: string, type: string): Promise<void> => {
  const { size } = await stat(file)
  const body = createReadStream(file)
  try {
    await role.s3.putObject({ ...to, Body: body, ContentLength: size, ContentType: type })
  } finally {
    body.destroy()
  }
}

/** The same, its refusals told as UPLOAD_ARTIFACTS tells them. */
export const putFile = async (role: Caller, to: Destination, file: string, type: string): Promise<void> => {
  try {
    await putObjectOf(role, to, file, type)
  } catch (error) {
    if (error instanceof AwsError && error.code !== 'InternalFailure')
      throw new PhaseFailure('CLIENT_ERROR', `Error in UPLOAD_ARTIFACTS phase: ${error.code}: ${error.message}`)
    throw error
  }
}
