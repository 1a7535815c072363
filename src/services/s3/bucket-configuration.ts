import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { BucketRecord } from './bucket.ts'
import { fail } from './operation.ts'

// What a bucket can be configured with, each kind a row of its own (several, for kinds with ids): the bucket's row is read by
// every request, and says only which kinds there are.

type Row = { readonly bucket: string; readonly kind: string; readonly id: string; readonly document: unknown }

export const Configuration = table<Row>('s3.bucket-configuration', {
  scope: 'global',
  key: ({ bucket, kind, id }) => keyOf(bucket, kind, id),
})

const keyOf = (bucket: string, kind: string, id: string) => `${bucket}\0${kind}\0${id}`

export type ConfigurationKind =
  | 'analytics'
  | 'cors'
  | 'inventory'
  | 'lifecycle'
  | 'logging'
  | 'metadata'
  | 'metrics'
  | 'replication'
  | 'tiering'
  | 'website'

/** Rows are plain JSON: no absent members, times as ISO text. */
const plain = (document: unknown): unknown => JSON.parse(JSON.stringify(document))

/** A kind of configuration. `put` and `remove` return the bucket's row as it is to be put. */
export const configuration = <D>(kind: ConfigurationKind) => ({
  find: async (tx: ReadTx, bucket: BucketRecord, id = ''): Promise<D | undefined> => {
    if (!bucket.configured?.includes(kind)) return undefined
    return (await tx.get(Configuration, keyOf(bucket.name, kind, id)))?.document as D | undefined
  },
  list: async (tx: ReadTx, bucket: BucketRecord, after = '', limit?: number): Promise<D[]> => {
    if (!bucket.configured?.includes(kind)) return []
    const rows = await tx.list(Configuration, {
      prefix: keyOf(bucket.name, kind, ''),
      after: keyOf(bucket.name, kind, after),
      ...(limit === undefined ? {} : { limit }),
    })
    return rows.map(({ document }) => document as D)
  },
  put: (tx: WriteTx, bucket: BucketRecord, document: D, id = ''): BucketRecord => {
    tx.put(Configuration, { bucket: bucket.name, kind, id, document: plain(document) })
    return { ...bucket, configured: [...new Set([...(bucket.configured ?? []), kind])].sort() }
  },
  remove: async (tx: WriteTx, bucket: BucketRecord, id = ''): Promise<BucketRecord> => {
    const key = keyOf(bucket.name, kind, id)
    tx.delete(Configuration, key)
    const others = await tx.list(Configuration, { prefix: keyOf(bucket.name, kind, ''), limit: 2 })
    if (others.some((row) => Configuration.key(row) !== key)) return bucket
    const { configured = [], ...rest } = bucket
    const left = configured.filter((each) => each !== kind)
    return left.length > 0 ? { ...rest, configured: left } : rest
  },
})

/** A bucket goes with its configurations. */
export const dropConfigurations = async (tx: WriteTx, bucket: string): Promise<void> => {
  for (const row of await tx.list(Configuration, { prefix: `${bucket}\0` }))
    tx.delete(Configuration, Configuration.key(row))
}

export const noSuchConfiguration = () => fail('NoSuchConfiguration', 'The specified configuration does not exist.')

/** How many configurations a list shows at once. */
const pageSize = 100

/** One page of a bucket's configurations, in the order of their ids; `read` gives what comes behind an id, so many. */
export const pageOfConfigurations = async <T extends { readonly Id?: string | undefined }>(
  { ContinuationToken }: { readonly ContinuationToken?: string | undefined },
  read: (after: string, limit: number) => Promise<readonly T[]>,
) => {
  const found = await read(Buffer.from(ContinuationToken ?? '', 'base64url').toString(), pageSize + 1)
  const shown = found.slice(0, pageSize)
  const more = found.length > pageSize
  return {
    shown,
    tail: {
      IsTruncated: more,
      ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      ...(more ? { NextContinuationToken: Buffer.from(shown.at(-1)?.Id ?? '').toString('base64url') } : {}),
    },
  }
}
