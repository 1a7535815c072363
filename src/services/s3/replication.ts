import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { vendedMetrics } from '../capabilities.ts'
import { type LoadedAnnotation, loadAnnotation, loadAnnotations } from './annotation-content.ts'
import { Annotation, type AnnotationRecord, findAnnotation } from './annotation-record.ts'
import { sendAnnotation } from './annotation-replication.ts'
import { Bucket, type BucketRecord, bucketArn, bucketOf } from './bucket.ts'
import { configuration } from './bucket-configuration.ts'
import { keeping, load, receive, stream } from './content.ts'
import { etagOf, newKey, openKey } from './encryption.ts'
import { emitCreated, emitDeleted } from './events.ts'
import { fail, type Input, type Operation, type Output } from './operation.ts'
import {
  checkReplication,
  destinationOf,
  type ReplicationDocument,
  ruleById,
  rulesFor,
  syncsReplicas,
} from './replication-rules.ts'
import { arrived, maySet } from './retention.ts'
import { isArchived } from './storage-class.ts'
import {
  findCurrent,
  findVersion,
  type MarkerRecord,
  type ObjectRecord,
  placeOf,
  putMarkerReplica,
  putReplica,
  replaceVersion,
  type VersionRecord,
} from './versions.ts'

const replication = configuration<ReplicationDocument>('replication')

/**
 * A version, or an annotation of it, that is still to go to another bucket. Those of a key and destination go in the order in
 * which the versions were made, annotations after their version.
 */
type Task = {
  readonly bucket: string
  readonly key: string
  readonly versionId: string
  readonly sequence: number
  readonly destination: string
  readonly rule: string
  /** Bytes that go. */
  readonly size?: number
  readonly annotation?: string
}
const lineOf = ({ bucket, key, destination }: Pick<Task, 'bucket' | 'key' | 'destination'>) =>
  `${placeOf(bucket, key)}\0${destination}`
export const ReplicationTask = table<Task>('s3.replication-task', {
  scope: 'global',
  key: (task) =>
    `${lineOf(task)}\0${task.sequence.toString(16).padStart(14, '0')}${task.annotation === undefined ? '' : `\0${task.annotation}`}`,
})

/** What waits to go by one rule to one destination: its numbers change with its tasks, in the same commits. */
type Flow = {
  readonly bucket: string
  readonly destination: string
  readonly rule: string
  readonly operations: number
  readonly bytes: number
}
const flowKey = ({ bucket, destination, rule }: Pick<Flow, 'bucket' | 'destination' | 'rule'>): string =>
  `${bucket}\0${destination}\0${rule}`
export const ReplicationFlow = table<Flow>('s3.replication-flow', { scope: 'global', key: flowKey })

type Rule = ReturnType<typeof rulesFor>[number]

const notVersioned = (message: string) => fail('InvalidRequest', message)

export const PutBucketReplication: Operation<'PutBucketReplication'> = async (ctx, input) => {
  const document = checkReplication(input.ReplicationConfiguration, () => ctx.newId())
  return ctx.write(async (tx) => {
    const bucket = await bucketOf(ctx, tx, input)
    if (bucket.versioning !== 'Enabled')
      throw notVersioned("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    for (const rule of document.Rules) {
      const destination = await tx.get(Bucket, destinationOf(rule))
      if (!destination) throw notVersioned('Destination bucket must exist.')
      if (destination.name === bucket.name)
        throw notVersioned('Destination bucket cannot be the same as the source bucket.')
      if (destination.versioning !== 'Enabled') throw notVersioned('Destination bucket must have versioning enabled.')
    }
    tx.put(Bucket, replication.put(tx, bucket, document))
    return {}
  })
}

export const GetBucketReplication: Operation<'GetBucketReplication'> = async (ctx, input) => {
  const found = await ctx.read(async (tx) => replication.find(tx, await bucketOf(ctx, tx, input)))
  if (!found)
    throw fail('ReplicationConfigurationNotFoundError', 'The replication configuration was not found', {
      BucketName: input.Bucket,
    })
  return { ReplicationConfiguration: found } as Output<'GetBucketReplication'>
}

export const DeleteBucketReplication: Operation<'DeleteBucketReplication'> = (ctx, input) =>
  ctx.write(async (tx) => {
    tx.put(Bucket, await replication.remove(tx, await bucketOf(ctx, tx, input)))
    return {}
  })

const isKms = ({ encryption }: ObjectRecord): boolean => encryption !== undefined && 'kmsKey' in encryption
const modeOf = ({ encryption }: ObjectRecord) => (encryption?.mode === 'aws:kms:dsse' ? 'aws:kms:dsse' : 'aws:kms')

/** Under no rule go replicas themselves, what is archived, and here also what only a customer's key opens. */
const isSource = (record: ObjectRecord): boolean =>
  record.replication !== 'REPLICA' && record.encryption?.mode !== 'customer' && !isArchived(record)

const subjectOf = (record: ObjectRecord) => ({
  key: record.key,
  kms: isKms(record),
  ...(record.tags ? { tags: record.tags } : {}),
})

const counted = async (tx: WriteTx, task: Task, by: 1 | -1): Promise<void> => {
  const flow = await tx.get(ReplicationFlow, flowKey(task))
  const operations = (flow?.operations ?? 0) + by
  const { bucket, destination, rule, size = 0 } = task
  if (operations <= 0) tx.delete(ReplicationFlow, flowKey(task))
  else tx.put(ReplicationFlow, { bucket, destination, rule, operations, bytes: (flow?.bytes ?? 0) + by * size })
}

const plan = async (
  tx: WriteTx,
  bucket: BucketRecord,
  version: VersionRecord,
  rules: readonly Rule[],
  annotation?: AnnotationRecord,
) => {
  for (const rule of rules) {
    const task: Task = {
      bucket: bucket.name,
      key: version.key,
      versionId: version.versionId,
      sequence: version.sequence,
      destination: destinationOf(rule),
      rule: rule.ID ?? '',
      ...(version.marker ? {} : { size: version.size }),
      ...(annotation ? { size: annotation.size, annotation: annotation.name } : {}),
    }
    const before = await tx.get(ReplicationTask, ReplicationTask.key(task))
    if (before) await counted(tx, before, -1)
    tx.put(ReplicationTask, task)
    await counted(tx, task, 1)
    tx.wake(replicate.name, lineOf(task), { at: { account: bucket.account, region: bucket.region } })
  }
}

/** Has a new object replicated as the bucket's rules say; returns its record as it is now. */
export const replicating = async (tx: WriteTx, bucket: BucketRecord, record: ObjectRecord): Promise<ObjectRecord> => {
  const document = await replication.find(tx, bucket)
  if (!document || bucket.versioning !== 'Enabled' || !isSource(record)) return record
  const rules = rulesFor(document, subjectOf(record))
  if (rules.length === 0) return record
  await plan(tx, bucket, record, rules)
  const pending: ObjectRecord = { ...record, replication: pendingAt(rules) }
  await replaceVersion(tx, pending)
  return pending
}

const pendingAt = (rules: readonly Rule[]) =>
  Object.fromEntries(rules.map((rule) => [destinationOf(rule), 'PENDING' as const]))

/** Has an annotation replicated to where its object goes or went; returns its record as it is now. */
export const replicatingAnnotation = async (
  tx: WriteTx,
  bucket: BucketRecord,
  record: ObjectRecord,
  annotation: AnnotationRecord,
): Promise<AnnotationRecord> => {
  const document = await replication.find(tx, bucket)
  if (!document || record.replication === undefined || record.replication === 'REPLICA') return annotation
  const rules = rulesFor(document, subjectOf(record))
  if (rules.length === 0) return annotation
  await plan(tx, bucket, record, rules, annotation)
  return tx.put(Annotation, { ...annotation, replication: pendingAt(rules) })
}

/** Has a new delete marker replicated, where rules say that. */
export const replicatingMarker = async (tx: WriteTx, bucket: BucketRecord, marker: MarkerRecord): Promise<void> => {
  const document = await replication.find(tx, bucket)
  if (document && bucket.versioning === 'Enabled')
    await plan(tx, bucket, marker, rulesFor(document, { key: marker.key, marker: true, kms: false }))
}

/** Has a change of an object's tags, list or lock replicated: to where the object went, or back from a replica where rules say so. */
export const replicatingChange = async (tx: WriteTx, bucket: BucketRecord, record: ObjectRecord): Promise<void> => {
  const document = await replication.find(tx, bucket)
  if (!document || record.replication === undefined) return
  const replica = record.replication === 'REPLICA'
  const rules = rulesFor(document, subjectOf(record)).filter((rule) => !replica || syncsReplicas(rule))
  if (rules.length === 0) return
  await plan(tx, bucket, record, rules)
  if (replica) return
  await replaceVersion(tx, { ...record, replication: { ...(record.replication as object), ...pendingAt(rules) } })
}

/** `x-amz-replication-status`: the worst of all destinations. */
export const toReplicationStatus = ({ replication: state }: Pick<ObjectRecord, 'replication'>) => {
  if (state === undefined) return {}
  if (state === 'REPLICA') return { ReplicationStatus: 'REPLICA' as const }
  const all = Object.values(state)
  const status = (['FAILED', 'PENDING', 'COMPLETED'] as const).find((each) => all.includes(each))
  return status ? { ReplicationStatus: status } : {}
}

export type ReplicationJob = {
  /** The reconciler's context with the role's session in place of the service: KMS is asked with the role's rights. */
  readonly ctx: Ctx
  readonly role: Caller
  readonly source: BucketRecord
  readonly target: BucketRecord
  readonly rule: Rule
}

const authorizeObject = async (
  { role, source, target, rule }: ReplicationJob,
  { key, tags, lock }: ObjectRecord,
): Promise<void> => {
  const from = `${bucketArn(source.name)}/${key}`
  const to = `${bucketArn(target.name)}/${key}`
  await role.authorize('s3:GetReplicationConfiguration', bucketArn(source.name))
  await role.authorize('s3:ListBucket', bucketArn(source.name))
  await role.authorize('s3:GetObjectVersionForReplication', from)
  await role.authorize('s3:GetObjectVersionAcl', from)
  await role.authorize('s3:ReplicateObject', to)
  if (tags?.length) {
    await role.authorize('s3:GetObjectVersionTagging', from)
    await role.authorize('s3:ReplicateTags', to)
  }
  if (lock && target.objectLock) {
    await role.authorize('s3:GetObjectRetention', from)
    await role.authorize('s3:GetObjectLegalHold', from)
  }
  if (rule.Destination?.AccessControlTranslation) await role.authorize('s3:ObjectOwnerOverrideToBucketOwner', to)
}

const isThere = (job: ReplicationJob, { key, versionId }: VersionRecord): Promise<VersionRecord | undefined> =>
  job.ctx.read((tx) => findVersion(tx, job.target.name, key, versionId))

/** Whose a replica is: the source's owner's, unless the rule hands it over or the destination owns all that it has. */
const ownedIn = ({ source, target, rule }: ReplicationJob, { owner, acl }: ObjectRecord) => {
  if (target.ownership === undefined || rule.Destination?.AccessControlTranslation) return {}
  const whose = owner ?? source.account
  return { ...(whose === target.account ? {} : { owner: whose }), ...(acl ? { acl } : {}) }
}

const sendObject = async (job: ReplicationJob, record: ObjectRecord): Promise<void> => {
  const { ctx, target, rule } = job
  await authorizeObject(job, record)
  const there = await isThere(job, record)
  if (there && !there.marker) return sendChange(job, record, there)
  const loaded = await ctx.read((tx) => load(tx, record.content, record.size))
  const asked: Pick<Input<'PutObject'>, 'ServerSideEncryption' | 'SSEKMSKeyId'> = isKms(record)
    ? { ServerSideEncryption: modeOf(record), SSEKMSKeyId: rule.Destination?.EncryptionConfiguration?.ReplicaKmsKeyID }
    : {}
  const made = await newKey(ctx, target, record.key, asked)
  const key = await openKey(ctx, record, {})
  const { algorithm, type } = record.checksum
  const received = await receive(ctx, stream(ctx, loaded, key), { algorithm, key: made.key })
  const { upload: _, owner: __, acl: ___, content: ____, lock, restore: _____, accessed: ______, ...rest } = record
  // Annotations go by themselves.
  const { annotations: _______, ...facts } = rest
  await keeping(received, () =>
    ctx.write(async (tx) => {
      if (await findVersion(tx, target.name, record.key, record.versionId)) return
      const content = received.keep(tx)
      const replica = await putReplica(tx, target, {
        ...facts,
        ...(content ? { content } : {}),
        ...ownedIn(job, record),
        bucket: target.name,
        etag:
          made.encryption.mode === 'AES256' && record.encryption?.mode === 'AES256'
            ? record.etag
            : etagOf(made, received.md5),
        encryption: made.encryption,
        ...(lock && target.objectLock ? { lock } : {}),
        // The parts of an upload arrive as one piece; their number and checksum stay.
        checksum: type === 'FULL_OBJECT' ? { algorithm, type, value: received.checksum } : record.checksum,
        ...(rule.Destination?.StorageClass ? { storageClass: rule.Destination.StorageClass } : {}),
        replication: 'REPLICA',
      })
      await emitCreated(ctx, tx, target, replica, 'PutObject')
    }),
  )
}

/** The replica is there: what may have changed since is its tags, list and lock, which no source loosens. */
const sendChange = async (job: ReplicationJob, record: ObjectRecord, there: ObjectRecord): Promise<void> => {
  await job.ctx.write(async (tx) => {
    const present = await findVersion(tx, job.target.name, there.key, there.versionId)
    if (!present || present.marker) return
    const { tags: _, acl: __, owner: ___, ...rest } = present
    const now = job.ctx.now().getTime()
    const retention = arrived(present.lock?.retention, record.lock?.retention, now)
    const mayLock = maySet(present.lock?.retention, retention, { now, bypass: true })
    await replaceVersion(tx, {
      ...rest,
      ...(record.tags ? { tags: record.tags } : {}),
      ...(record.lock && job.target.objectLock && mayLock
        ? { lock: { ...record.lock, ...(retention ? { retention } : {}) } }
        : {}),
      ...ownedIn(job, record),
    })
  })
}

const sendMarker = async (job: ReplicationJob, marker: MarkerRecord): Promise<void> => {
  const { ctx, role, target } = job
  await role.authorize('s3:ReplicateDelete', `${bucketArn(target.name)}/${marker.key}`)
  await ctx.write(async (tx) => {
    if (await findVersion(tx, target.name, marker.key, marker.versionId)) return
    const put = await putMarkerReplica(tx, target, { ...marker, bucket: target.name })
    await emitDeleted(ctx, tx, target, put, 'Delete Marker Created')
  })
}

type Sending = { readonly job: ReplicationJob; readonly version: VersionRecord; readonly annotation?: LoadedAnnotation }

const jobOf = async (ctx: Ctx, task: Task): Promise<Sending | undefined> => {
  const found = await ctx.read(async (tx) => {
    const source = await tx.get(Bucket, task.bucket)
    const document = source && (await replication.find(tx, source))
    const rule = document && ruleById(document, task.rule)
    const version = await findVersion(tx, task.bucket, task.key, task.versionId)
    const target = await tx.get(Bucket, task.destination)
    if (!source || !document?.Role || rule?.Status !== 'Enabled' || !version) return undefined
    const sending = { source, target, rule, version, arn: document.Role }
    if (task.annotation === undefined) return sending
    const annotation = await findAnnotation(tx, version, task.annotation)
    return annotation && { ...sending, annotation: await loadAnnotation(tx, annotation) }
  })
  if (!found) return undefined
  const { source, target, rule, version, arn, ...more } = found
  if (!target) throw fail('NoSuchBucket', 'The specified bucket does not exist')
  if (target.versioning !== 'Enabled') throw notVersioned('Destination bucket must have versioning enabled.')
  if (rule.Destination?.Account !== undefined && rule.Destination.Account !== target.account)
    throw fail('AccessDenied', 'Access Denied')
  const role = ctx.as(arn, {
    sessionName: 's3-replication',
    context: { 'aws:SourceArn': [bucketArn(source.name)], 'aws:SourceAccount': [source.account] },
  })
  return { job: { ctx: { ...ctx, principal: await role.principal() }, role, source, target, rule }, version, ...more }
}

const send = ({ job, version, annotation }: Sending): Promise<void> => {
  if (version.marker) return sendMarker(job, version)
  return annotation ? sendAnnotation(job, version, annotation) : sendObject(job, version)
}

const settle = (ctx: Ctx, task: Task, status: 'COMPLETED' | 'FAILED', sent?: LoadedAnnotation) =>
  ctx.write(async (tx) => {
    const annotation = task.annotation === undefined ? undefined : await findAnnotation(tx, task, task.annotation)
    // Put anew while it was sent: what it is now is still to go.
    if (annotation && sent && annotation.content.id !== sent.annotation.content.id) return
    const planned = await tx.get(ReplicationTask, ReplicationTask.key(task))
    if (planned) await counted(tx, planned, -1)
    tx.delete(ReplicationTask, ReplicationTask.key(task))
    if (task.annotation !== undefined) {
      if (annotation && annotation.replication !== 'REPLICA')
        tx.put(Annotation, { ...annotation, replication: { ...annotation.replication, [task.destination]: status } })
      return
    }
    const version = await findVersion(tx, task.bucket, task.key, task.versionId)
    if (!version || version.marker || version.replication === 'REPLICA') return
    await replaceVersion(tx, { ...version, replication: { ...version.replication, [task.destination]: status } })
  })

/** "Replication metrics" ("Monitoring replication with metrics, event notifications, and statuses", S3 user guide). */
const publish = async (ctx: Ctx, task: Task, outcome?: { failed: boolean; made: number | undefined }) => {
  const { flow, measured } = await ctx.read(async (tx) => {
    const bucket = await tx.get(Bucket, task.bucket)
    const document = bucket && (await replication.find(tx, bucket))
    return {
      flow: await tx.get(ReplicationFlow, flowKey(task)),
      measured: document && ruleById(document, task.rule)?.Destination?.Metrics?.Status === 'Enabled',
    }
  })
  if (!measured) return
  const time = ctx.now()
  const dimensions = { SourceBucket: task.bucket, DestinationBucket: task.destination, RuleId: task.rule }
  const one = (name: string, value: number, unit: string) => ({ name, dimensions, value, unit, time })
  await ctx
    .use(vendedMetrics)
    .put(ctx.place, 'AWS/S3', [
      one('OperationsPendingReplication', flow?.operations ?? 0, 'Count'),
      one('BytesPendingReplication', flow?.bytes ?? 0, 'Bytes'),
      ...(outcome ? [one('OperationsFailedReplication', outcome.failed ? 1 : 0, 'Count')] : []),
      ...(outcome?.made === undefined
        ? []
        : [one('ReplicationLatency', Math.max(0, (time.getTime() - outcome.made) / 1000), 'Seconds')]),
    ])
}

/**
 * Sends the versions of one key to one destination, oldest first, under the configuration's role. The key is bucket, key and
 * destination. What the role may not do, or a destination that cannot take it, is FAILED; anything else is tried again.
 */
export const replicate: Reconciler = {
  name: 's3.replication',
  step: async (ctx, line) => {
    const [task] = await ctx.read((tx) => tx.list(ReplicationTask, { prefix: `${line}\0`, limit: 1 }))
    if (!task) return done()
    await publish(ctx, task)
    let found: Sending | undefined
    try {
      found = await jobOf(ctx, task)
      if (found) await send(found)
      await settle(ctx, task, 'COMPLETED', found?.annotation)
      const { modified: made } = found?.annotation?.annotation ?? found?.version ?? { modified: undefined }
      await publish(ctx, task, { failed: false, made })
    } catch (error) {
      if (!(error instanceof AwsError) || (error.status ?? 400) >= 500) throw error
      ctx.log.warn('an object was not replicated', { bucket: task.bucket, to: task.destination, error: error.message })
      await settle(ctx, task, 'FAILED', found?.annotation)
      await publish(ctx, task, { failed: true, made: undefined })
    }
    return again({ in: 0 })
  },
}

/** Annotations go with an object that is sent on demand, each by itself: no task, and so no failure, is theirs. */
const sendExistingAnnotations = async (
  ctx: Ctx,
  task: Task,
  job: ReplicationJob,
  version: ObjectRecord,
): Promise<void> => {
  for (const loaded of await ctx.read((tx) => loadAnnotations(tx, version))) {
    const { name } = loaded.annotation
    try {
      await sendAnnotation(job, version, loaded)
      await settle(ctx, { ...task, annotation: name }, 'COMPLETED', loaded)
    } catch (error) {
      if (!(error instanceof AwsError) || (error.status ?? 400) >= 500) throw error
      await settle(ctx, { ...task, annotation: name }, 'FAILED', loaded)
    }
  }
}

/**
 * Sends a version that was there before its rules, or failed, to all destinations that rules have for it ("Replicating
 * existing objects with Batch Replication", S3 user guide). Throws what hinders it; each destination's state is kept.
 */
export const replicateExisting = async (
  at: (place: { account: string; region: string }) => Ctx,
  { bucket: name, key, versionId }: { bucket: string; key: string; versionId?: string | undefined },
): Promise<void> => {
  const anywhere = at({ account: '000000000000', region: 'us-east-1' })
  const found = await anywhere.read(async (tx) => {
    const bucket = await tx.get(Bucket, name)
    if (!bucket) throw fail('NoSuchBucket', 'The specified bucket does not exist', { BucketName: name })
    const version =
      versionId === undefined ? await findCurrent(tx, name, key) : await findVersion(tx, name, key, versionId)
    return { bucket, version, document: await replication.find(tx, bucket) }
  })
  const { bucket, version, document } = found
  if (!version) throw fail('NoSuchKey', 'The specified key does not exist.', { Key: key })
  if (!document)
    throw fail('ReplicationConfigurationNotFoundError', 'The replication configuration was not found', {
      BucketName: name,
    })
  const rules = version.marker || !isSource(version) ? [] : rulesFor(document, subjectOf(version))
  if (rules.length === 0 || version.marker)
    throw fail('InvalidRequest', 'The object is not eligible for replication under the configuration of its bucket.')
  const ctx = at({ account: bucket.account, region: bucket.region })
  for (const rule of rules) {
    const task: Task = {
      bucket: name,
      key,
      versionId: version.versionId,
      sequence: version.sequence,
      destination: destinationOf(rule),
      rule: rule.ID ?? '',
    }
    try {
      const found = await jobOf(ctx, task)
      if (found) await send(found)
      await settle(ctx, task, 'COMPLETED')
      if (found) await sendExistingAnnotations(ctx, task, found.job, version)
    } catch (error) {
      if (error instanceof AwsError && (error.status ?? 400) < 500) await settle(ctx, task, 'FAILED')
      throw error
    }
  }
}

/** Whether some rule of its bucket is about an object. */
export const isReplicable = async (tx: ReadTx, bucket: BucketRecord, record: ObjectRecord): Promise<boolean> => {
  const document = await replication.find(tx, bucket)
  return document !== undefined && isSource(record) && rulesFor(document, subjectOf(record)).length > 0
}
