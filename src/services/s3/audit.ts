import type { AuditedCall, AuditFacts } from '../../kernel/service.ts'

// How CloudTrail records calls of S3 ("Amazon S3 CloudTrail events", "Example: Amazon S3 log file entries").

/** Object-level calls: in no event history. */
export const dataEvents = [
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateMultipartUpload',
  'DeleteObject',
  'DeleteObjectAnnotation',
  'DeleteObjectTagging',
  'DeleteObjects',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAnnotation',
  'GetObjectAttributes',
  'GetObjectLegalHold',
  'GetObjectRetention',
  'GetObjectTagging',
  'HeadBucket',
  'HeadObject',
  'ListMultipartUploads',
  'ListObjectAnnotations',
  'ListObjectVersions',
  'ListObjects',
  'ListObjectsV2',
  'ListParts',
  'PutObject',
  'PutObjectAcl',
  'PutObjectAnnotation',
  'PutObjectLegalHold',
  'PutObjectRetention',
  'PutObjectTagging',
  'RestoreObject',
  'SelectObjectContent',
  'UpdateObjectEncryption',
  'UploadPart',
  'UploadPartCopy',
] as const

const downloads = new Set(['GetObject', 'GetObjectAnnotation'])

const names: Readonly<Record<string, string>> = { ListObjectsV2: 'ListObjects' }

const sizeIn = (value: unknown, member: string): number => {
  const size = typeof value === 'object' && value !== null ? Reflect.get(value, member) : undefined
  return typeof size === 'number' ? size : 0
}

export const auditFacts = ({ operation, request, input, output }: AuditedCall): AuditFacts => {
  const { headers, query } = request
  const {
    Bucket,
    Body: _,
    AnnotationPayload: __,
    ...parameters
  } = { ...(input as Readonly<Record<string, unknown>> | undefined) }
  const inQuery = /(^|&)(X-Amz-Signature|Signature)=/i.test(query)
  const signed = inQuery || headers.authorization !== undefined
  return {
    eventName: names[operation] ?? operation,
    requestParameters: {
      ...(Bucket === undefined ? {} : { bucketName: Bucket }),
      ...(headers.host === undefined ? {} : { Host: headers.host }),
      ...parameters,
    },
    additionalEventData: {
      ...(signed ? { SignatureVersion: 'SigV4', AuthenticationMethod: inQuery ? 'QueryString' : 'AuthHeader' } : {}),
      bytesTransferredIn: Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0) || 0,
      bytesTransferredOut: downloads.has(operation) ? sizeIn(output, 'ContentLength') : 0,
      'x-amz-id-2': request.id,
    },
  }
}
