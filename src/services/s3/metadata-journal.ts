import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { ManagedRow } from '../capabilities.ts'
import type { BucketRecord } from './bucket.ts'
import { configuration } from './bucket-configuration.ts'
import { type ChangeType, journalRow } from './metadata-columns.ts'
import type { VersionRecord } from './versions.ts'

// What a bucket's metadata tables are to be, and the changes of its objects that are still to go there: each is written in the
// transaction of the change itself, so that none is lost.

/** How far a table has come. */
export type TableState = {
  /** Of the table: it is made under this id once. */
  readonly id: string
  readonly name: string
  readonly status: 'CREATING' | 'BACKFILLING' | 'ACTIVE' | 'FAILED'
  readonly arn?: string
  readonly error?: { readonly code: string; readonly message: string }
  readonly kmsKey?: string
}

export type MetadataDocument = {
  /** Changes with every new configuration: what is left of an old one is not this one's. */
  readonly id: string
  /** 1: one table of changes, in a table bucket of the customer's. */
  readonly version: 1 | 2
  /** The table bucket. */
  readonly destination: string
  readonly namespace: string
  readonly journal: TableState
  /** How long records of the journal stay; for ever where absent. */
  readonly days?: number
  readonly inventory?: TableState & {
    readonly enabled: boolean
    /** While it is being filled: the place in the order of keys from which it goes on. */
    readonly from?: string
  }
}

export const metadataTables = configuration<MetadataDocument>('metadata')

type Change = {
  readonly configuration: string
  /** In the order in which they were made. */
  readonly number: number
  readonly key: string
  readonly row: ManagedRow
}
const ordered = (number: number): string => number.toString(16).padStart(14, '0')
export const MetadataChange = table<Change>('s3.metadata-change', {
  scope: 'global',
  key: ({ configuration: id, number }) => `${id}\0${ordered(number)}`,
})

type Count = { readonly configuration: string; readonly changes: number }
export const MetadataCount = table<Count>('s3.metadata-count', {
  scope: 'global',
  key: ({ configuration: id }) => id,
})

/** Name of the reconciler that takes changes to the tables; its keys are bucket and configuration. */
export const deliverer = 's3.metadata-tables'
export const delivererKey = (bucket: string, id: string): string => `${bucket}\0${id}`

/** In milliseconds: changes go together, within minutes ("S3 Metadata journal tables schema": near real time). */
const delay = 60_000

/** Has a change of an object go to the journal, where its bucket has one. */
export const journal = async (
  ctx: Ctx,
  tx: WriteTx,
  bucket: BucketRecord,
  version: VersionRecord,
  type: ChangeType,
): Promise<void> => {
  const document = await metadataTables.find(tx, bucket)
  if (!document || document.journal.status === 'FAILED') return
  const number = ((await tx.get(MetadataCount, document.id))?.changes ?? 0) + 1
  tx.put(MetadataCount, { configuration: document.id, changes: number })
  tx.put(MetadataChange, {
    configuration: document.id,
    number,
    key: version.key,
    row: journalRow(ctx, version, type, number),
  })
  tx.wake(deliverer, delivererKey(bucket.name, document.id), {
    in: delay,
    at: { account: bucket.account, region: bucket.region },
  })
}

/** The next changes that are to go, in order. */
export const nextChanges = (tx: ReadTx, id: string, limit: number): Promise<Change[]> =>
  tx.list(MetadataChange, { prefix: `${id}\0`, limit })

/** A change's place in the order of all, as text. */
export const changeTag = ({ number }: Change): string => ordered(number)
