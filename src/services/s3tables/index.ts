import { defineService, provide } from '../../kernel/service.ts'
import { managedTables, principals, tableGuards, tableStores } from '../capabilities.ts'
import { icebergByHost, icebergBySignature } from './catalog.ts'
import {
  DeleteTableBucketEncryption,
  GetTableBucketEncryption,
  GetTableEncryption,
  PutTableBucketEncryption,
} from './encryption.ts'
import { FiledData } from './filed-data.ts'
import { access } from './iam.ts'
import { maintain, NoncurrentFile } from './maintain.ts'
import {
  GetTableBucketMaintenanceConfiguration,
  GetTableMaintenanceConfiguration,
  GetTableMaintenanceJobStatus,
  PutTableBucketMaintenanceConfiguration,
  PutTableMaintenanceConfiguration,
} from './maintenance.ts'
import { makeManagedTables } from './managed.ts'
import { CreateNamespace, DeleteNamespace, GetNamespace, ListNamespaces, Namespace } from './namespaces.ts'
import type { NS } from './operation.ts'
import {
  DeleteTableBucketPolicy,
  DeleteTablePolicy,
  GetTableBucketPolicy,
  GetTablePolicy,
  makeTableGuards,
  PutTableBucketPolicy,
  PutTablePolicy,
} from './policies.ts'
import { GetTableBucketStorageClass, GetTableStorageClass, PutTableBucketStorageClass } from './storage-class.ts'
import { Table } from './table.ts'
import { CreateTableBucket, DeleteTableBucket, GetTableBucket, ListTableBuckets, TableBucket } from './table-buckets.ts'
import {
  CreateTable,
  DeleteTable,
  GetTable,
  GetTableMetadataLocation,
  ListTables,
  orphanStores,
  RenameTable,
  UpdateTableMetadataLocation,
} from './tables.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

export const service = defineService<NS>()({
  id: 's3tables',
  tables: [TableBucket, Namespace, Table, FiledData, NoncurrentFile],
  operations: {
    CreateNamespace,
    CreateTable,
    CreateTableBucket,
    DeleteNamespace,
    DeleteTable,
    DeleteTableBucket,
    DeleteTableBucketEncryption,
    DeleteTableBucketPolicy,
    DeleteTablePolicy,
    GetNamespace,
    GetTable,
    GetTableBucket,
    GetTableBucketEncryption,
    GetTableBucketMaintenanceConfiguration,
    GetTableBucketPolicy,
    GetTableBucketStorageClass,
    GetTableEncryption,
    GetTableMaintenanceConfiguration,
    GetTableMaintenanceJobStatus,
    GetTableMetadataLocation,
    GetTablePolicy,
    GetTableStorageClass,
    ListNamespaces,
    ListTableBuckets,
    ListTables,
    ListTagsForResource,
    PutTableBucketEncryption,
    PutTableBucketMaintenanceConfiguration,
    PutTableBucketPolicy,
    PutTableBucketStorageClass,
    PutTableMaintenanceConfiguration,
    PutTablePolicy,
    RenameTable,
    TagResource,
    UntagResource,
    UpdateTableMetadataLocation,
  },
  partial: {
    CreateTable: 'Tables of format version 2 only; INTELLIGENT_TIERING moves no file from tier to tier.',
    CreateTableBucket: 'INTELLIGENT_TIERING is told, and moves no file from tier to tier.',
    PutTableMaintenanceConfiguration: 'No compaction: it is configured, and has never run.',
    PutTableBucketStorageClass: 'INTELLIGENT_TIERING is told, and moves no file from tier to tier.',
  },
  access,
  provides: [provide(tableGuards, makeTableGuards), provide(managedTables, makeManagedTables)],
  uses: [principals, tableStores],
  routes: [icebergByHost, icebergBySignature],
  reconcilers: [orphanStores, maintain],
})
