import { notImplemented } from '../../kernel/errors.ts'
import type { Input } from './operation.ts'
import { fail, malformedXml } from './operation.ts'
import { isStorageClass } from './storage-class.ts'
import { checkTags, type Tag } from './tags.ts'

// What a replication configuration says of an object ("Replication configuration file elements", S3 user guide). A pure engine.

export type ReplicationDocument = Input<'PutBucketReplication'>['ReplicationConfiguration']
type Rule = NonNullable<ReplicationDocument['Rules']>[number]

export const destinationOf = ({ Destination: destination }: Rule): string =>
  (destination?.Bucket ?? '').replace(/^arn:aws:s3:::/, '')

const filterOf = ({ Filter: filter, Prefix }: Rule) => ({
  prefix: Prefix ?? filter?.Prefix ?? filter?.And?.Prefix ?? '',
  tags: [...(filter?.Tag ? [filter.Tag] : []), ...(filter?.And?.Tags ?? [])],
})

/** Replication Time Control and the metrics that go with it: of 15 minutes, no other. */
const checkTime = (destination: Rule['Destination']): void => {
  const { ReplicationTime: control, Metrics: metrics } = destination ?? {}
  if (control?.Status === 'Enabled' && metrics?.Status !== 'Enabled')
    throw fail('InvalidRequest', 'ReplicationTime must be specified together with Metrics.')
  for (const [name, minutes] of [
    ['ReplicationTime', control?.Status === 'Enabled' ? (control.Time?.Minutes ?? 0) : undefined],
    ['EventThreshold', metrics?.EventThreshold?.Minutes],
  ] as const)
    if (minutes !== undefined && minutes !== 15)
      throw fail('InvalidArgument', `Minutes in ${name} must be 15.`, {
        ArgumentName: name,
        ArgumentValue: String(minutes),
      })
}

const checkRule = (rule: Rule): void => {
  const { ID, Status, Filter: filter, Prefix, Priority, Destination: destination } = rule
  if (ID !== undefined && ID.length > 255) throw fail('InvalidArgument', 'Rule Id must be less than 255 characters')
  if (Status !== 'Enabled' && Status !== 'Disabled') throw malformedXml()
  if (!/^arn:aws:s3:::[^/]+$/.test(destination?.Bucket ?? ''))
    throw fail('InvalidArgument', 'Invalid bucket ARN.', {
      ArgumentName: 'Bucket',
      ArgumentValue: destination?.Bucket ?? '',
    })
  if (filter !== undefined && Prefix !== undefined) throw malformedXml()
  if (filter === undefined && Prefix === undefined) throw malformedXml()
  if ([filter?.Prefix, filter?.Tag, filter?.And].filter((each) => each !== undefined).length > 1) throw malformedXml()
  if (filter && Priority === undefined)
    throw fail(
      'InvalidRequest',
      'Priority must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.',
    )
  if (filter && rule.DeleteMarkerReplication === undefined)
    throw fail(
      'InvalidRequest',
      'DeleteMarkerReplication must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.',
    )
  const { prefix, tags } = filterOf(rule)
  if (Buffer.byteLength(prefix) > 1024) throw fail('InvalidRequest', 'The maximum size of a prefix is 1024.')
  checkTags(tags, 'object')
  if (tags.length > 0 && rule.DeleteMarkerReplication?.Status === 'Enabled')
    throw fail(
      'InvalidRequest',
      'Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.',
    )
  if (rule.ExistingObjectReplication?.Status === 'Enabled') throw notImplemented('S3 replication of existing objects')
  checkTime(destination)
  if (destination?.StorageClass !== undefined && !isStorageClass(destination.StorageClass)) throw malformedXml()
  if (destination?.AccessControlTranslation && destination.Account === undefined)
    throw fail('InvalidRequest', 'Account must be specified with AccessControlTranslation.')
  const selects = rule.SourceSelectionCriteria?.SseKmsEncryptedObjects?.Status === 'Enabled'
  const replicaKey = destination?.EncryptionConfiguration?.ReplicaKmsKeyID
  if (selects !== (replicaKey !== undefined))
    throw fail(
      'InvalidRequest',
      selects
        ? 'ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.'
        : 'SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.',
    )
}

/** Throws MalformedXML, InvalidRequest, InvalidArgument; 501 for what Drydock does not do. */
export const checkReplication = (
  document: ReplicationDocument,
  newId: () => string,
): ReplicationDocument & { readonly Rules: readonly Rule[] } => {
  const { Role, Rules: rules } = document
  if (!rules || rules.length === 0 || rules.length > 1000) throw malformedXml()
  if (!/^arn:aws:iam::\d{12}:role\/.+$/.test(Role ?? ''))
    throw fail('InvalidArgument', 'Invalid Role ARN.', { ArgumentName: 'Role', ArgumentValue: Role ?? '' })
  for (const rule of rules) checkRule(rule)
  const checked = rules.map((rule) => ({ ...rule, ID: rule.ID || newId() }))
  if (new Set(checked.map(({ ID }) => ID)).size < checked.length)
    throw fail('InvalidArgument', 'Rule Id must be unique. Found same Id for more than one rule')
  const byPriority = new Set<string>()
  for (const rule of checked) {
    if (rule.Priority === undefined) continue
    const at = `${rule.Priority}`
    if (byPriority.has(at))
      throw fail('InvalidRequest', `Found duplicate priority ${at}. Rule priorities must be unique.`)
    byPriority.add(at)
  }
  return { ...document, Rules: checked }
}

export type ReplicationSubject = {
  readonly key: string
  readonly tags?: readonly Tag[]
  readonly marker?: boolean
  /** Encrypted under a KMS key. */
  readonly kms: boolean
}

const concerns = (rule: Rule, { key, tags = [], marker = false, kms }: ReplicationSubject): boolean => {
  const filter = filterOf(rule)
  if (rule.Status !== 'Enabled' || !key.startsWith(filter.prefix)) return false
  // The first version of the schema, by prefix alone, replicates delete markers unasked.
  if (marker) return rule.DeleteMarkerReplication?.Status === 'Enabled' || rule.Filter === undefined
  if (kms && rule.SourceSelectionCriteria?.SseKmsEncryptedObjects?.Status !== 'Enabled') return false
  return filter.tags.every(({ Key, Value }) => tags.some((tag) => tag.key === Key && tag.value === Value))
}

/** The rules for an object, one for each destination: the one of highest priority. */
export const rulesFor = (document: ReplicationDocument, subject: ReplicationSubject): Rule[] => {
  const chosen = new Map<string, Rule>()
  for (const rule of document.Rules ?? []) {
    const before = chosen.get(destinationOf(rule))
    if (concerns(rule, subject) && (!before || (rule.Priority ?? 0) > (before.Priority ?? 0)))
      chosen.set(destinationOf(rule), rule)
  }
  return [...chosen.values()]
}

export const ruleById = (document: ReplicationDocument, id: string): Rule | undefined =>
  document.Rules?.find(({ ID }) => ID === id)

export const syncsReplicas = (rule: Rule): boolean =>
  rule.SourceSelectionCriteria?.ReplicaModifications?.Status === 'Enabled'
