import { accessSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { FolderInUseError, FolderUnusableError, NewerDataError } from './store.ts'

export type Sqlite = Database.Database
export type Statement<Row> = Database.Statement<(string | number)[], Row>

/**
 * Opens (or creates) a SQLite file for this process alone: write-ahead log, no fsync per commit, so a commit survives the
 * death of the process. The lock goes with the process, however that ends.
 */
export const openSqlite = (options: {
  /** `undefined`: in memory. */
  folder: string | undefined
  file: string
  /** Version of the schema that `schema` makes in an empty file. */
  version: number
  schema: string
}): Sqlite => {
  const { folder, file, version } = options
  let db: Sqlite
  try {
    if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 })
    db = new Database(folder === undefined ? ':memory:' : join(folder, file), { timeout: 0 })
  } catch (error) {
    throw new FolderUnusableError(folder ?? file, error)
  }
  try {
    db.pragma('locking_mode = EXCLUSIVE')
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = NORMAL')
    db.pragma('cache_size = -32768')
    db.pragma('temp_store = MEMORY')
    // Takes the lock: in exclusive mode it is kept until the file is closed.
    db.exec('BEGIN IMMEDIATE')
    const found = Number(db.pragma('user_version', { simple: true }))
    if (found > version) throw new NewerDataError(`The data in ${folder}`)
    if (found < version) {
      db.exec(options.schema)
      db.pragma(`user_version = ${version}`)
    }
    db.exec('COMMIT')
    return db
  } catch (error) {
    db.close()
    if (error instanceof NewerDataError) throw error
    if (error instanceof Database.SqliteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code))
      throw new FolderInUseError(folder ?? file)
    throw new FolderUnusableError(folder ?? file, error)
  }
}

/** Writes a consistent copy of the whole database into `folder` at one moment. */
export const saveSqlite = (db: Sqlite, folder: string, file: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  db.prepare('VACUUM INTO ?').run(join(folder, file))
}

/** Replaces the content of `tables` by what `saveSqlite` wrote. */
export const restoreSqlite = (
  db: Sqlite,
  options: { folder: string; file: string; version: number; tables: readonly string[] },
): void => {
  // ATTACH would make a file that is not there.
  accessSync(join(options.folder, options.file))
  db.prepare('ATTACH ? AS saved').run(join(options.folder, options.file))
  try {
    const found = Number(db.pragma('saved.user_version', { simple: true }))
    if (found > options.version) throw new NewerDataError(`The snapshot in ${options.folder}`)
    db.transaction(() => {
      for (const each of options.tables)
        db.exec(`DELETE FROM main.${each}; INSERT INTO main.${each} SELECT * FROM saved.${each}`)
    })()
  } finally {
    db.exec('DETACH saved')
  }
}
