import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { FsBlobs } from './blobs/fs.ts'
import { AwsError } from './kernel/errors.ts'
import type { SqliteAppend } from './store/append-sqlite.ts'
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
}): Snapshots => ({
  save: (name) =>
    parts.quiet(async () => {
      const target = join(parts.data, 'snapshots', name)
      const partial = `${target}.partial`
      rmSync(partial, { recursive: true, force: true })
      mkdirSync(partial, { recursive: true, mode: 0o700 })
      parts.store.save(partial)
      parts.append.save(partial)
      parts.blobs.save(join(partial, 'blobs'))
      if (existsSync(parts.folder)) cpSync(parts.folder, join(partial, 'services'), { recursive: true, verbatimSymlinks: true })
      rmSync(target, { recursive: true, force: true })
      renameSync(partial, target)
    }),
  restore: async (name) => {
    const source = join(parts.data, 'snapshots', name)
    if (!existsSync(source)) throw new AwsError('ResourceNotFoundException', `There is no snapshot named ${name}.`, { status: 404 })
    await parts.quiet(async () => {
      await parts.endTasks()
      parts.store.restore(source)
      parts.append.restore(source)
      parts.blobs.restore(join(source, 'blobs'))
      rmSync(parts.folder, { recursive: true, force: true })
      if (existsSync(join(source, 'services'))) cpSync(join(source, 'services'), parts.folder, { recursive: true, verbatimSymlinks: true })
      parts.forget()
    })
  },
})
