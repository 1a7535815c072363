import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Capability, capability } from './capability.ts'
import type { RequestFacts } from './context.ts'
import { type ResourceElement, resourceElements } from './model/resource-types.ts'
import type { Principal } from './principal.ts'

/** One call as CloudTrail records it ("CloudTrail record contents"). Kept in the append stream `audit/<account>/<region>`. */
export type AuditRecord = {
  readonly eventVersion: '1.11'
  readonly userIdentity: Readonly<Record<string, unknown>>
  readonly eventTime: string
  readonly eventSource: string
  readonly eventName: string
  readonly awsRegion: string
  readonly sourceIPAddress: string
  readonly userAgent: string
  readonly errorCode?: string
  readonly errorMessage?: string
  readonly requestParameters: unknown
  readonly responseElements: unknown
  readonly additionalEventData?: unknown
  readonly requestID: string
  readonly eventID: string
  readonly readOnly: boolean
  readonly resources?: readonly ResourceElement[]
  readonly eventType: 'AwsApiCall' | 'AwsServiceEvent'
  readonly managementEvent: boolean
  readonly recipientAccountId: string
  /** The same in the records of one call that several accounts got. */
  readonly sharedEventID?: string
  readonly eventCategory: 'Management' | 'Data'
}

/** What is kept of data events: without somebody who asked for them they are recorded nowhere ("Logging data events"). */
export interface Recording {
  /** Whether anybody takes data events, of whatever account and Region. */
  dataEvents(): Promise<boolean>
}
export const recording: Capability<Recording> = capability<Recording>('audit.recording')

export const auditStream = (account: string, region: string): string => `audit/${account}/${region}`

const secretName =
  /password|secret|token(value)?$|securitytoken|credential(?!s?(id|provider|type|names?)$)|privatekey|plaintext|authorization|^securestring|sshpublickeybody|certificatebody|tokencode|authenticationcode/i
/** What callers store, not how they ask: log lines and metrics would be kept twice, and may hold anything. */
const payloads = new Set(['logEvents', 'MetricData'])
const hidden = 'HIDDEN_DUE_TO_SECURITY_REASONS'
const longest = 4_000
const mostResources = 100

/** A value as a record may hold it: no secrets, no bytes, no streams, nothing endless. Member names start in lower case, as CloudTrail's do. */
export const redacted = (value: unknown, name = '', depth = 0): unknown => {
  if (value === undefined || value === null || payloads.has(name)) return undefined
  if (secretName.test(name) && typeof value !== 'object') return hidden
  if (typeof value === 'string') return value.length > longest ? `${value.slice(0, longest)}…` : value
  if (typeof value !== 'object') return value
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array || value instanceof Readable) return undefined
  if (depth > 12) return undefined
  if (Array.isArray(value)) return value.slice(0, 200).map((item) => redacted(item, name, depth + 1))
  const result: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    const kept = redacted(member, key, depth + 1)
    if (kept !== undefined) result[key.charAt(0).toLowerCase() + key.slice(1)] = kept
  }
  return result
}

const identityTypes: Record<Principal['kind'], string> = {
  root: 'Root',
  user: 'IAMUser',
  role: 'AssumedRole',
  federated: 'FederatedUser',
  service: 'AWSService',
  anonymous: 'AWSAccount',
}

/** Who issued a session: a role, or for a federated user the user who asked for it. */
const issuerType = ({ kind, roleArn }: Principal): string =>
  kind !== 'federated' ? 'Role' : roleArn?.endsWith(':root') ? 'Root' : 'IAMUser'

/** The `userIdentity` element. */
export const userIdentity = (principal: Principal): Record<string, unknown> => {
  if (principal.kind === 'service') return { type: 'AWSService', invokedBy: principal.arn }
  if (principal.kind === 'anonymous') return { type: 'AWSAccount', principalId: '', accountId: 'anonymous' }
  if (principal.federation) {
    const { type, principalId, userName, identityProvider } = principal.federation
    return { type, principalId, userName, identityProvider }
  }
  return {
    type: identityTypes[principal.kind],
    principalId: principal.id,
    arn: principal.arn,
    accountId: principal.account,
    ...(principal.accessKeyId ? { accessKeyId: principal.accessKeyId } : {}),
    ...(principal.kind === 'user' ? { userName: principal.name } : {}),
    ...(principal.session
      ? {
          sessionContext: {
            ...(principal.roleArn
              ? {
                  sessionIssuer: {
                    type: issuerType(principal),
                    principalId: principal.id.split(':')[0],
                    arn: principal.roleArn,
                    accountId: principal.account,
                    userName: principal.name,
                  },
                }
              : {}),
            ...(principal.session.federation?.type === 'WebIdentityUser'
              ? { webIdFederationData: { federatedProvider: principal.session.federation.provider, attributes: {} } }
              : {}),
            // A task on a member account, by sts:AssumeRoot.
            ...(principal.kind === 'root' && principal.session.policyArns.length > 0 ? { assumedRoot: 'true' } : {}),
            attributes: {
              creationDate: new Date(principal.session.issued).toISOString(),
              mfaAuthenticated: String(principal.session.mfa),
            },
            ...(principal.session.sourceIdentity ? { sourceIdentity: principal.session.sourceIdentity } : {}),
          },
          ...(principal.session.invokedBy ? { invokedBy: principal.session.invokedBy } : {}),
        }
      : {}),
  }
}

const identityElement = (principal: Principal, invokedBy: string | undefined): Record<string, unknown> => {
  const element = userIdentity(principal)
  return invokedBy === undefined ? element : { ...element, invokedBy }
}

/**
 * The record that the account gets whose resource another account's call was about: it is told which account called, not
 * who in it ("CloudTrail record contents", sharedEventID).
 */
export const sharedRecord = (record: AuditRecord, account: string, sharedEventID: string): AuditRecord => {
  const { principalId, accountId, type, invokedBy } = record.userIdentity
  return {
    ...record,
    userIdentity: type === 'AWSService' ? { type, invokedBy } : { type: 'AWSAccount', principalId, accountId },
    eventID: randomUUID(),
    recipientAccountId: account,
    sharedEventID,
  }
}

/** The `resources` element: what the call was about, where it is named exactly. */
const resourcesElement = (arns: readonly unknown[], account: string, dataEvent: boolean): Partial<AuditRecord> => {
  // Rules read what nobody has validated yet, so anything may stand in an ARN's place.
  const named = [...new Set(arns)]
    .filter((arn) => typeof arn === 'string')
    .filter((arn) => arn.startsWith('arn:') && !arn.includes('*') && arn.length < longest)
    .slice(0, mostResources)
  if (named.length === 0) return {}
  return { resources: resourceElements(named, account, dataEvent) }
}

/** CloudTrail says AccessDenied for every service, and whose fault an error of EC2 is. */
const errorCode = ({ code, status }: { code: string; status?: number | undefined }, protocol?: string): string => {
  if (protocol === 'ec2Query') return `${(status ?? 400) >= 500 ? 'Server' : 'Client'}.${code}`
  return code === 'AccessDeniedException' ? 'AccessDenied' : code
}

/** Builds the record of one finished call. */
export const auditRecord = (facts: {
  principal: Principal
  account: string
  region: string
  now: Date
  eventSource: string
  eventName: string
  request: RequestFacts
  readOnly: boolean
  dataEvent: boolean
  requestParameters: unknown
  responseElements: unknown
  /** ARNs that were authorized; patterns among them are left out. */
  resources: readonly string[]
  additionalEventData?: unknown
  error?: { code: string; message: string; status?: number | undefined } | undefined
  /** Of the call, where its errors are spelt after it. */
  protocol?: string
}): AuditRecord => {
  const { principal, request, error } = facts
  const invokedBy =
    request.invokedBy ?? principal.session?.invokedBy ?? (principal.kind === 'service' ? principal.arn : undefined)
  return {
    eventVersion: '1.11',
    userIdentity: identityElement(principal, request.invokedBy),
    eventTime: `${facts.now.toISOString().slice(0, 19)}Z`,
    eventSource: facts.eventSource,
    eventName: facts.eventName,
    awsRegion: facts.region,
    sourceIPAddress: request.sourceIp || (invokedBy ?? ''),
    userAgent: request.userAgent || (invokedBy ?? ''),
    ...(error ? { errorCode: errorCode(error, facts.protocol), errorMessage: error.message } : {}),
    requestParameters: redacted(facts.requestParameters) ?? null,
    responseElements: facts.readOnly || error ? null : (redacted(facts.responseElements) ?? null),
    ...(facts.additionalEventData === undefined ? {} : { additionalEventData: facts.additionalEventData }),
    requestID: request.id,
    eventID: randomUUID(),
    readOnly: facts.readOnly,
    ...resourcesElement(facts.resources, facts.account, facts.dataEvent),
    eventType: 'AwsApiCall',
    managementEvent: !facts.dataEvent,
    recipientAccountId: facts.account,
    eventCategory: facts.dataEvent ? 'Data' : 'Management',
  }
}
