import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { FsBlobs } from './blobs/fs.ts'
import { AwsError } from './kernel/errors.ts'
import type { SqliteAppend } from './store/append-sqlite.ts'
import { restoreSnapshot, saveSnapshot } from './store/snapshot.ts'
import type { SqliteStore } from './store/sqlite.ts'

export type Snapshots = Record<'save' | 'restore', (name: string) => Promise<void>>

/**
 * The whole state kept under a name in the data folder: rows, appended entries, blobs and the services' own folders, of
 * one moment. `quiet` runs its body while no reconciler does. Restoring ends what runs: a snapshot holds no processes.
 */
export const snapshots = (parts: {
  readonly data: string
  /** The services' folders. */
  readonly folder: string
  readonly store: SqliteStore
  readonly append: SqliteAppend
  readonly blobs: FsBlobs
  readonly quiet: (body: () => Promise<void>) => Promise<void>
  readonly endTasks: () => Promise<void>
  readonly forget: () => void
}): Snapshots => {
  const { store, append, blobs } = parts
  const state = { store, append, blobs, folders: { services: parts.folder } }
  const folderOf = (name: string) => join(parts.data, 'snapshots', name)
  return {
    save: (name) => parts.quiet(async () => saveSnapshot(state, folderOf(name))),
    restore: async (name) => {
      if (!existsSync(folderOf(name)))
        throw new AwsError('ResourceNotFoundException', `There is no snapshot named ${name}.`, { status: 404 })
      await parts.quiet(async () => {
        parts.forget()
        await parts.endTasks()
        restoreSnapshot(state, folderOf(name))
        parts.forget()
      })
    },
  }
}
