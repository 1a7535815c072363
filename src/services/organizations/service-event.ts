import { type AuditRecord, auditStream } from '../../kernel/audit.ts'
import type { Ctx } from '../../kernel/context.ts'

// What Organizations itself reports ("Logging API calls with AWS CloudTrail for AWS Organizations"): to CloudTrail of the
// management account, in us-east-1.

const region = 'us-east-1'
const internal = 'AWS Internal'

export type ServiceEvent = {
  readonly id: string
  readonly account: string
  readonly name: 'CreateAccountResult' | 'CloseAccountResult'
  readonly time: number
  readonly details: Readonly<Record<string, unknown>>
}

type Detail = Pick<AuditRecord, 'eventVersion' | 'eventTime' | 'eventSource' | 'eventName' | 'awsRegion'> &
  Pick<AuditRecord, 'sourceIPAddress' | 'userAgent' | 'requestParameters' | 'responseElements' | 'eventID'> &
  Pick<AuditRecord, 'readOnly' | 'eventType' | 'managementEvent' | 'recipientAccountId' | 'eventCategory'> & {
    readonly userIdentity: Readonly<Record<string, unknown>>
    readonly serviceEventDetails: Readonly<Record<string, unknown>>
  }

const detailOf = ({ id, account, name, time, details }: ServiceEvent): Detail => ({
  eventVersion: '1.11',
  userIdentity: { accountId: account, invokedBy: internal },
  eventTime: `${new Date(time).toISOString().slice(0, 19)}Z`,
  eventSource: 'organizations.amazonaws.com',
  eventName: name,
  awsRegion: region,
  sourceIPAddress: internal,
  userAgent: internal,
  requestParameters: null,
  responseElements: null,
  eventID: id,
  readOnly: false,
  eventType: 'AwsServiceEvent',
  managementEvent: true,
  recipientAccountId: account,
  serviceEventDetails: details,
  eventCategory: 'Management',
})

/** To the event history; from there CloudTrail takes it to trails and EventBridge. */
export const recordServiceEvent = (ctx: Ctx, event: ServiceEvent): Promise<unknown> =>
  ctx.append.append(auditStream(event.account, region), [{ time: event.time, body: detailOf(event) }])
