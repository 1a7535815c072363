import { AwsError } from './errors.ts'
import type { Protocol } from './wire.ts'

/** What can be wrong with who a request claims to come from. */
export type Failure =
  | 'missing'
  | 'incomplete'
  | 'unknownKey'
  | 'badToken'
  | 'expiredToken'
  | 'mismatch'
  | 'skewed'
  | 'expiredUrl'
  | 'payload'
/** Services that say it in the same words. */
export type Family = 'json' | 'rest' | 'query' | 'ec2' | 's3'

export const familyOf: Record<Protocol['name'], Family> = {
  awsJson1_0: 'json',
  awsJson1_1: 'json',
  restJson1: 'rest',
  rpcv2Cbor: 'json',
  awsQuery: 'query',
  ec2Query: 'ec2',
  restXml: 's3',
}

const mismatch =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.'
const tokenInvalid = 'The security token included in the request is invalid.'
const tokenExpired = 'The security token included in the request is expired'
const ec2Refusal: [string, number, string] = [
  'AuthFailure',
  401,
  'AWS was not able to validate the provided access credentials',
]

const jsonFailures = (status: number): Record<Failure, [string, number, string]> => ({
  missing: ['MissingAuthenticationTokenException', status, 'Missing Authentication Token'],
  incomplete: ['IncompleteSignatureException', status, 'The request signature does not conform to AWS standards.'],
  unknownKey: ['UnrecognizedClientException', status, tokenInvalid],
  badToken: ['UnrecognizedClientException', status, tokenInvalid],
  expiredToken: ['ExpiredTokenException', status, tokenExpired],
  mismatch: ['InvalidSignatureException', status, mismatch],
  skewed: ['InvalidSignatureException', status, 'Signature expired'],
  expiredUrl: ['InvalidSignatureException', status, 'Signature expired'],
  payload: ['InvalidSignatureException', status, mismatch],
})

/** Each family of services has its own words for the same failure ("Common errors" of each API reference). */
const failures: Record<Family, Record<Failure, [string, number, string]>> = {
  json: jsonFailures(400),
  rest: jsonFailures(403),
  query: {
    missing: ['MissingAuthenticationToken', 403, 'Request is missing Authentication Token'],
    incomplete: ['IncompleteSignature', 400, 'The request signature does not conform to AWS standards.'],
    unknownKey: ['InvalidClientTokenId', 403, tokenInvalid],
    badToken: ['InvalidClientTokenId', 403, tokenInvalid],
    expiredToken: ['ExpiredToken', 403, tokenExpired],
    mismatch: ['SignatureDoesNotMatch', 403, mismatch],
    skewed: ['SignatureDoesNotMatch', 403, 'Signature expired'],
    expiredUrl: ['SignatureDoesNotMatch', 403, 'Signature expired'],
    payload: ['SignatureDoesNotMatch', 403, mismatch],
  },
  ec2: {
    missing: ['MissingParameter', 400, 'The request must contain the parameter AWSAccessKeyId'],
    incomplete: ['IncompleteSignature', 400, 'The request signature does not conform to AWS standards'],
    unknownKey: ec2Refusal,
    badToken: ec2Refusal,
    expiredToken: ['RequestExpired', 400, 'Request has expired.'],
    mismatch: ec2Refusal,
    skewed: ['RequestExpired', 400, 'Request has expired.'],
    expiredUrl: ['RequestExpired', 400, 'Request has expired.'],
    payload: ec2Refusal,
  },
  s3: {
    missing: ['AccessDenied', 403, 'Access Denied'],
    incomplete: ['AuthorizationHeaderMalformed', 400, 'The authorization header is malformed.'],
    unknownKey: ['InvalidAccessKeyId', 403, 'The AWS Access Key Id you provided does not exist in our records.'],
    badToken: ['InvalidToken', 400, 'The provided token is malformed or otherwise invalid.'],
    expiredToken: ['ExpiredToken', 400, 'The provided token has expired.'],
    mismatch: [
      'SignatureDoesNotMatch',
      403,
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    ],
    skewed: ['RequestTimeTooSkewed', 403, 'The difference between the request time and the current time is too large.'],
    expiredUrl: ['AccessDenied', 403, 'Request has expired'],
    payload: [
      'XAmzContentSHA256Mismatch',
      400,
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ],
  },
}

/** The error of a failure in a family's words; `detail` where the caller knows more than the usual sentence. */
export const refuse = (family: Family, failure: Failure, detail?: string): AwsError => {
  const [code, status, message] = failures[family][failure]
  return new AwsError(code, detail ?? message, { status })
}
