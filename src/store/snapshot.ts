import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** What can put itself into a folder at one moment, and be replaced by what such a folder holds. */
export interface Saveable {
  save(folder: string): void
  restore(folder: string): void
}

export type SnapshotParts = {
  readonly store: Saveable
  readonly append: Saveable
  /** `adopt` adds what the folder holds without taking away anything. */
  readonly blobs: Saveable & { adopt(folder: string): void }
  /** Other folders that belong to the state, by name: the services' own. */
  readonly folders: Readonly<Record<string, string>>
}

/** There is no snapshot of this name. */
export class NoSuchSnapshotError extends Error {
  constructor(folder: string) {
    super(`There is no snapshot in ${folder}.`)
    this.name = 'NoSuchSnapshotError'
  }
}

/**
 * Writes rows, entries, blobs and folders into `to`, replacing an older snapshot there. It is one synchronous piece, so
 * nothing moves meanwhile; programs outside this process that write into `folders` are the caller's to hold still.
 */
export const saveSnapshot = (parts: SnapshotParts, to: string): void => {
  const fresh = `${to}.new`
  rmSync(fresh, { recursive: true, force: true })
  mkdirSync(fresh, { recursive: true, mode: 0o700 })
  parts.store.save(fresh)
  parts.append.save(fresh)
  parts.blobs.save(join(fresh, 'blobs'))
  for (const [name, folder] of Object.entries(parts.folders))
    if (existsSync(folder))
      cpSync(folder, join(fresh, 'folders', name), {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
      })
  rmSync(to, { recursive: true, force: true })
  renameSync(fresh, to)
}

/**
 * Replaces the whole state by the snapshot's. To be called while work is paused. Blobs are added before the rows that
 * name them and removed after those that named them, so a death on the way loses none that a row names.
 */
export const restoreSnapshot = (parts: SnapshotParts, from: string): void => {
  if (!existsSync(join(from, 'rows.db'))) throw new NoSuchSnapshotError(from)
  parts.blobs.adopt(join(from, 'blobs'))
  parts.store.restore(from)
  parts.append.restore(from)
  parts.blobs.restore(join(from, 'blobs'))
  for (const [name, folder] of Object.entries(parts.folders)) {
    rmSync(folder, { recursive: true, force: true })
    const saved = join(from, 'folders', name)
    if (existsSync(saved)) cpSync(saved, folder, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  }
}
