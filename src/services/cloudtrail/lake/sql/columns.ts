import type { AuditRecord } from '../../../../kernel/audit.ts'

// Columns of an event data store of CloudTrail events ("CloudTrail Lake event record fields").

const plain = [
  'eventVersion',
  'userIdentity',
  'eventTime',
  'eventSource',
  'eventName',
  'awsRegion',
  'sourceIPAddress',
  'userAgent',
  'errorCode',
  'errorMessage',
  'requestParameters',
  'responseElements',
  'additionalEventData',
  'requestID',
  'eventID',
  'readOnly',
  'resources',
  'eventType',
  'apiVersion',
  'managementEvent',
  'recipientAccountId',
  'sharedEventID',
  'annotation',
  'vpcEndpointId',
  'vpcEndpointAccountId',
  'serviceEventDetails',
  'addendum',
  'edgeDeviceDetails',
  'insightDetails',
  'eventCategory',
  'tlsDetails',
  'sessionCredentialFromConsole',
] as const

const named = new Map<string, string>([...plain, 'eventJson'].map((name) => [name.toLowerCase(), name]))

/** The names `*` stands for. */
export const eventColumns: readonly string[] = plain

/** A column's name as AWS spells it, from any case; `undefined` where there is none. */
export const eventColumn = (name: string): string | undefined => named.get(name.toLowerCase())

/** Columns that are maps of texts; a map has no prototype, by which its keys keep their case when they are shown. */
const maps = new Set(['requestParameters', 'responseElements', 'additionalEventData', 'serviceEventDetails'])

export const readEvent = (event: AuditRecord, column: string): unknown => {
  if (column === 'eventTime') return new Date(event.eventTime)
  if (column === 'eventJson') return JSON.stringify(event)
  const value: unknown = Reflect.get(event, column) ?? null
  return maps.has(column) && typeof value === 'object' && value !== null
    ? Object.assign(Object.create(null), value)
    : value
}
