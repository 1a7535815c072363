import { AwsError } from '../../kernel/errors.ts'
import type { Operation as AnyOperation } from '../../kernel/service.ts'
import type { OperationInput, OperationName, OperationOutput } from '../../kernel/types.ts'

export type NS = typeof import('@aws-sdk/client-s3')
export type Operation<O extends OperationName<NS>> = AnyOperation<NS, O>
export type Input<O extends OperationName<NS>> = OperationInput<NS, O>
export type Output<O extends OperationName<NS>> = OperationOutput<NS, O>

/** S3's error codes with their status ("Error responses", S3 API reference); few of them are in the model. */
const statuses = {
  AccessControlListNotSupported: 400,
  AccessDenied: 403,
  AccessForbidden: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BadRequest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketHasAccessPointsAttached: 400,
  BucketNotEmpty: 409,
  CrossLocationLoggingProhibitted: 403,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  IllegalLocationConstraintException: 400,
  IncompleteBody: 400,
  InvalidAccessPointAliasError: 400,
  InvalidArgument: 400,
  InvalidBucketAclWithBlockPublicAccessError: 400,
  InvalidBucketAclWithObjectOwnership: 400,
  InvalidBucketName: 400,
  InvalidBucketState: 409,
  InvalidConfigurationId: 400,
  InvalidDigest: 400,
  InvalidEncryptionAlgorithmError: 400,
  InvalidLocationConstraint: 400,
  InvalidObjectState: 403,
  InvalidPart: 400,
  InvalidPartNumber: 416,
  InvalidPartOrder: 400,
  InvalidPolicyDocument: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidRetentionPeriod: 400,
  InvalidStorageClass: 400,
  InvalidTag: 400,
  InvalidS3DestinationBucket: 400,
  InvalidTargetBucketForLogging: 400,
  KeyTooLongError: 400,
  MalformedACLError: 400,
  MalformedPOSTRequest: 400,
  MalformedPolicy: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MaxPostPreDataLengthExceededError: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  MissingRequestBodyError: 400,
  MissingSecurityHeader: 400,
  NoSuchAccessPoint: 404,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchConfiguration: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchPublicAccessBlockConfiguration: 404,
  NoSuchObjectLockConfiguration: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NoSuchWebsiteConfiguration: 404,
  NotFound: 404,
  NotModified: 304,
  ObjectLockConfigurationNotFoundError: 404,
  OwnershipControlsNotFoundError: 404,
  PermanentRedirect: 301,
  PreconditionFailed: 412,
  ReplicationConfigurationNotFoundError: 404,
  RequestTimeout: 400,
  RestoreAlreadyInProgress: 409,
  TooManyBuckets: 400,
  TooManyConfigurations: 400,
  UserKeyMustBeSpecified: 400,
  UnexpectedContent: 400,
} as const

/** An error of S3. `members` are the elements beside `Code` and `Message`. */
export const fail = (
  code: keyof typeof statuses,
  message: string,
  members: Readonly<Record<string, unknown>> = {},
  headers: Record<string, string> = {},
): AwsError => new AwsError(code, message, { status: statuses[code], members, headers })

export const malformedXml = (): AwsError =>
  fail('MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema')
