import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import {
  CreateNamespaceCommand,
  CreateTableBucketCommand,
  CreateTableCommand,
  GetTableBucketMaintenanceConfigurationCommand,
  GetTableMaintenanceConfigurationCommand,
  GetTableMaintenanceJobStatusCommand,
  GetTableMetadataLocationCommand,
  PutTableBucketMaintenanceConfigurationCommand,
  PutTableMaintenanceConfigurationCommand,
  S3TablesClient,
  UpdateTableMetadataLocationCommand,
} from '@aws-sdk/client-s3tables'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { applyUpdates } from './iceberg/commit.ts'
import { type DataFile, writeManifest, writeManifestList } from './iceberg/manifest.ts'
import { currentSchema, parseMetadata, toText } from './iceberg/table-metadata.ts'

let drydock: Story
let s3: S3Client
let tables: S3TablesClient
let tableBucketARN: string
let names = 0
beforeAll(async () => {
  drydock = await story()
  s3 = drydock.client(S3Client)
  tables = drydock.client(S3TablesClient)
  tableBucketARN = (await tables.send(new CreateTableBucketCommand({ name: 'kept' }))).arn ?? ''
  await tables.send(new CreateNamespaceCommand({ tableBucketARN, namespace: ['n'] }))
})
afterAll(() => drydock.close())

const sync = new Uint8Array(16).fill(7)

/** A table, and a writer that adds a file to it as query engines do. */
const makeTable = async () => {
  const named = { tableBucketARN, namespace: 'n', name: `t${++names}` }
  const iceberg = { schema: { fields: [{ name: 'id', type: 'long' }] } }
  await tables.send(new CreateTableCommand({ ...named, format: 'ICEBERG', metadata: { iceberg } }))
  const where = () => tables.send(new GetTableMetadataLocationCommand(named))
  const { warehouseLocation = '' } = await where()
  const Bucket = warehouseLocation.slice('s3://'.length)
  const put = async (Key: string, Body: Uint8Array | string) => {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body }))
    return `${warehouseLocation}/${Key}`
  }
  const metadata = async (location = '') => {
    const Key = location.slice(warehouseLocation.length + 1)
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }))
    return parseMetadata((await Body?.transformToByteArray()) ?? new Uint8Array())
  }
  const files: DataFile[] = []
  const append = async (id: number, properties: Record<string, string> = {}) => {
    const { versionToken, metadataLocation: file = '' } = await where()
    const before = await metadata(file)
    const sequence = Number(before['last-sequence-number']) + 1
    const added = { path: await put(`data/${id}.parquet`, 'rows'), records: 1, size: 4, snapshot: id, sequence }
    const changes = { existing: [...files], added: [added], deleted: [] }
    files.push(added)
    const manifest = writeManifest(changes, currentSchema(before), id, sync)
    const path = await put(`metadata/${id}-m0.avro`, manifest)
    const list = writeManifestList(
      { path, length: manifest.length },
      changes,
      { id, parent: undefined, sequence },
      sync,
    )
    const now = drydock.clock.now().getTime()
    const snapshot = {
      'snapshot-id': id,
      'sequence-number': sequence,
      'timestamp-ms': now,
      'manifest-list': await put(`metadata/snap-${id}.avro`, list),
    }
    const after = applyUpdates(
      before,
      [
        { action: 'add-snapshot', snapshot },
        { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id },
        { action: 'set-properties', updates: properties },
      ],
      { file, now },
    )
    const metadataLocation = await put(`metadata/0000${id}-x.metadata.json`, toText(after))
    await tables.send(new UpdateTableMetadataLocationCommand({ ...named, versionToken, metadataLocation }))
  }
  const isThere = async (Key: string) => {
    try {
      return (await s3.send(new HeadObjectCommand({ Bucket, Key }))) !== undefined
    } catch (error) {
      if ((error as Error).name === 'NotFound') return false
      throw error
    }
  }
  const snapshots = async () =>
    (await metadata((await where()).metadataLocation)).snapshots.map((each) => each['snapshot-id'])
  const status = async () => (await tables.send(new GetTableMaintenanceJobStatusCommand(named))).status
  return { named, put, append, isThere, snapshots, status }
}

test('maintenance is configured for table buckets and tables, within bounds', async () => {
  const { named, status } = await makeTable()
  const { configuration } = await tables.send(new GetTableBucketMaintenanceConfigurationCommand({ tableBucketARN }))
  expect(configuration).toEqual({
    icebergUnreferencedFileRemoval: {
      status: 'enabled',
      settings: { icebergUnreferencedFileRemoval: { unreferencedDays: 3, nonCurrentDays: 10 } },
    },
  })
  const put = (type: 'icebergCompaction' | 'icebergSnapshotManagement', value: object) =>
    tables.send(new PutTableMaintenanceConfigurationCommand({ ...named, type, value }))
  await put('icebergCompaction', { status: 'disabled' })
  await put('icebergSnapshotManagement', { settings: { icebergSnapshotManagement: { minSnapshotsToKeep: 3 } } })
  expect((await tables.send(new GetTableMaintenanceConfigurationCommand(named))).configuration).toEqual({
    icebergCompaction: {
      status: 'disabled',
      settings: { icebergCompaction: { targetFileSizeMB: 512, strategy: 'auto' } },
    },
    icebergSnapshotManagement: {
      status: 'enabled',
      settings: { icebergSnapshotManagement: { minSnapshotsToKeep: 3, maxSnapshotAgeHours: 120 } },
    },
  })
  const settings = { icebergCompaction: { targetFileSizeMB: 1024 } }
  await expect(put('icebergCompaction', { settings })).rejects.toMatchObject({ name: 'BadRequestException' })
  await expect(put('icebergSnapshotManagement', { settings })).rejects.toMatchObject({ name: 'BadRequestException' })
  expect(await status()).toEqual({
    icebergCompaction: { status: 'Disabled' },
    icebergSnapshotManagement: { status: 'Not_Yet_Run' },
    icebergUnreferencedFileRemoval: { status: 'Not_Yet_Run' },
  })
})

test('old snapshots go, and later the files that nothing names any more', async () => {
  const { append, put, isThere, snapshots, status } = await makeTable()
  await append(1)
  await append(2)
  await put('data/stray.parquet', 'of a commit that failed')
  await drydock.advance({ days: 4 })
  expect(await snapshots()).toEqual([1, 2])
  await append(3)
  await drydock.advance({ days: 3 })
  // Five days is the age; the last one stays whatever its own.
  expect(await snapshots()).toEqual([3])
  expect(await status()).toMatchObject({
    icebergSnapshotManagement: { status: 'Successful' },
    icebergUnreferencedFileRemoval: { status: 'Successful' },
  })
  expect(await isThere('metadata/snap-1.avro')).toBe(true)
  await drydock.advance({ days: 12 })
  for (const gone of ['metadata/snap-1.avro', 'metadata/2-m0.avro', 'data/stray.parquet'])
    expect(await isThere(gone)).toBe(false)
  // The present snapshot has what the earlier ones brought.
  for (const left of ['data/1.parquet', 'data/2.parquet', 'metadata/snap-3.avro', 'metadata/3-m0.avro'])
    expect(await isThere(left)).toBe(true)
})

test('a table that says itself how long snapshots stay keeps them', async () => {
  const { append, snapshots } = await makeTable()
  await append(1, { 'history.expire.min-snapshots-to-keep': '5' })
  await append(2)
  await drydock.advance({ days: 8 })
  expect(await snapshots()).toEqual([1, 2])
})

test('files of a table that cannot be read are not touched', async () => {
  const { append, put, isThere, status } = await makeTable()
  await append(1)
  await put('metadata/snap-1.avro', 'no Avro')
  await put('data/stray.parquet', 'x')
  await drydock.advance({ days: 20 })
  expect(await isThere('data/stray.parquet')).toBe(true)
  expect(await status()).toMatchObject({
    icebergUnreferencedFileRemoval: { status: 'Failed', failureMessage: expect.stringContaining('Avro') },
  })
})

test('removal can be switched off', async () => {
  const { put, isThere } = await makeTable()
  const configure = (status: 'enabled' | 'disabled') =>
    tables.send(
      new PutTableBucketMaintenanceConfigurationCommand({
        ...{ tableBucketARN, type: 'icebergUnreferencedFileRemoval' },
        value: { status },
      }),
    )
  await put('data/stray.parquet', 'x')
  await configure('disabled')
  await drydock.advance({ days: 20 })
  expect(await isThere('data/stray.parquet')).toBe(true)
  await configure('enabled')
})
