// What maintenance of tables goes by ("Maintenance for tables", "Maintenance for table buckets", S3 user guide).

type Status = 'enabled' | 'disabled'
export type FileRemoval = {
  readonly status: Status
  readonly unreferencedDays: number
  readonly nonCurrentDays: number
}
export type SnapshotManagement = {
  readonly status: Status
  readonly minSnapshotsToKeep: number
  readonly maxSnapshotAgeHours: number
}
export type Compaction = {
  readonly status: Status
  readonly targetFileSizeMB: number
  readonly strategy: 'auto' | 'binpack' | 'sort' | 'z-order'
}

export const defaultRemoval: FileRemoval = { status: 'enabled', unreferencedDays: 3, nonCurrentDays: 10 }
export const defaultSnapshots: SnapshotManagement = {
  status: 'enabled',
  minSnapshotsToKeep: 1,
  maxSnapshotAgeHours: 120,
}
export const defaultCompaction: Compaction = { status: 'enabled', targetFileSizeMB: 512, strategy: 'auto' }

export type TableSettings = { readonly snapshots: SnapshotManagement } | { readonly compaction: Compaction }
