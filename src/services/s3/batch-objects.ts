import type { Ctx } from '../../kernel/context.ts'
import type { Place, ReadTx } from '../../store/store.ts'
import type { BatchObject, BatchObjects } from '../capabilities.ts'
import { Bucket, type BucketRecord, noSuchBucket } from './bucket.ts'
import { isReplicable, replicateExisting, toReplicationStatus } from './replication.ts'
import { storageClassOf } from './storage-class.ts'
import { Current, type ObjectRecord, Older, type VersionRecord } from './versions.ts'

// What S3 Batch Operations selects, and has sent, of a bucket's objects.

const toBatchObject = async (tx: ReadTx, bucket: BucketRecord, record: ObjectRecord): Promise<BatchObject> => {
  const { encryption } = record
  const kms = encryption && 'kmsKey' in encryption ? encryption : undefined
  return {
    key: record.key,
    ...(bucket.versioning ? { versionId: record.versionId } : {}),
    size: record.size,
    modified: record.modified,
    storageClass: storageClassOf(record),
    encryption: {
      ...(encryption ? { mode: encryption.mode } : {}),
      ...(kms ? { kmsKey: kms.kmsKey } : {}),
      bucketKey: kms?.wrapped !== undefined,
    },
    replication: toReplicationStatus(record).ReplicationStatus ?? 'NONE',
    replicable: await isReplicable(tx, bucket, record),
  }
}

/** `older` versions come first, then what is current; a place is the table's first letter and the row's key. */
const readPage = async (
  tx: ReadTx,
  bucket: BucketRecord,
  { every, after, limit }: { every: boolean; after?: string | undefined; limit: number },
): Promise<{ rows: readonly VersionRecord[]; after?: string }> => {
  const inOlder = every && !after?.startsWith('c')
  const options = {
    prefix: `${bucket.name}\0`,
    limit,
    ...(after === undefined || after === 'c' ? {} : { after: after.slice(1) }),
  }
  if (inOlder) {
    const rows = await tx.list(Older, options)
    const last = rows.at(-1)
    return { rows, after: last && rows.length === limit ? `o${Older.key(last)}` : 'c' }
  }
  const rows = await tx.list(Current, options)
  const last = rows.at(-1)
  return { rows, ...(last && rows.length === limit ? { after: `c${Current.key(last)}` } : {}) }
}

export const makeBatchObjects = (at: (place: Place) => Ctx): BatchObjects => {
  const ctx = at({ account: '000000000000', region: 'us-east-1' })
  return {
    page: (name, options) =>
      ctx.read(async (tx) => {
        const bucket = await tx.get(Bucket, name)
        if (!bucket) throw noSuchBucket(name)
        const { rows, after } = await readPage(tx, bucket, options)
        const objects: BatchObject[] = []
        for (const row of rows) if (!row.marker) objects.push(await toBatchObject(tx, bucket, row))
        return { objects, ...(after === undefined ? {} : { after }) }
      }),
    replicate: (object) => replicateExisting(at, object),
  }
}
