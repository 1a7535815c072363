import { randomBytes } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  createReadStream,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type Blobs, type BlobWriter, failing, NoSuchBlobError } from './blobs.ts'

/** Up to this size bytes are held in memory and written, or read, in one go. */
const SMALL = 64 * 1024

const READ_CHUNK = 256 * 1024

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

export interface FsBlobs extends Blobs {
  /** Puts every blob into `folder` at one moment, by hard links where the file system has them: blobs do not change. */
  save(folder: string): void
  /** Adds the blobs that `save` put into `folder`. */
  adopt(folder: string): void
  /** Replaces all blobs by those that `save` put into `folder`. */
  restore(folder: string): void
}

/**
 * Blobs as files: `<folder>/ab/abcdef…`, written under `<folder>/tmp` and renamed at commit. Without `fsync` (the
 * default) what was committed survives the death of the process, not a power cut; with it, that too. Small blobs go by
 * synchronous calls: tens of microseconds, against hundreds through the thread pool.
 */
export const fsBlobs = (folder: string, options: { fsync?: boolean } = {}): FsBlobs => {
  const temporary = join(folder, 'tmp')
  const made = new Set<string>()

  const prepare = () => {
    made.clear()
    rmSync(temporary, { recursive: true, force: true })
    mkdirSync(temporary, { recursive: true, mode: 0o700 })
  }
  prepare()

  const newId = () => randomBytes(16).toString('hex')
  const fan = (id: string) => join(folder, id.slice(0, 2))
  /** Where a blob lives; ids that we did not make lead nowhere. */
  const pathOf = (id: string): string => {
    if (!/^[0-9a-f]{32}$/.test(id)) throw new NoSuchBlobError(id)
    return join(fan(id), id)
  }
  const settle = (from: string, id: string) => {
    const home = fan(id)
    if (!made.has(home)) {
      mkdirSync(home, { recursive: true, mode: 0o700 })
      made.add(home)
    }
    renameSync(from, join(home, id))
  }
  const putSmall = (bytes: Uint8Array, id = newId()): string => {
    const path = join(temporary, id)
    writeFileSync(path, bytes, { mode: 0o600, flag: 'wx', flush: options.fsync === true })
    settle(path, id)
    return id
  }
  const folders = () => readdirSync(folder).filter((name) => /^[0-9a-f]{2}$/.test(name))

  const writer = (): BlobWriter => {
    const id = newId()
    const path = join(temporary, id)
    let held: Uint8Array[] = []
    let heldSize = 0
    let size = 0
    let file: FileHandle | undefined
    let ended = false
    const check = () => {
      if (ended) throw new Error('This blob was already committed or cancelled.')
    }
    const flush = async () => {
      file ??= await open(path, 'wx', 0o600)
      let rest = held
      let restSize = heldSize
      held = []
      heldSize = 0
      while (restSize > 0) {
        const { bytesWritten } = await file.writev(rest)
        restSize -= bytesWritten
        if (restSize > 0) rest = [Buffer.concat(rest).subarray(bytesWritten)]
      }
    }
    const discard = async () => {
      await file?.close().catch(() => undefined)
      if (file) await unlink(path).catch(() => undefined)
    }
    return {
      id,
      get size() {
        return size
      },
      async write(chunk) {
        check()
        size += chunk.length
        if (heldSize + chunk.length <= SMALL) {
          // The caller may use its buffer again once we have answered.
          held.push(Uint8Array.prototype.slice.call(chunk))
          heldSize += chunk.length
          return
        }
        held.push(chunk)
        heldSize += chunk.length
        await flush()
      },
      async commit() {
        check()
        ended = true
        if (!file) return putSmall(held.length === 1 ? held[0]! : Buffer.concat(held), id)
        try {
          await flush()
          if (options.fsync) await file.sync()
          await file.close()
          settle(path, id)
        } catch (error) {
          await discard()
          throw error
        }
        return id
      },
      async cancel() {
        if (ended) return
        ended = true
        held = []
        await discard()
      },
    }
  }

  const whole = async (id: string): Promise<Uint8Array> => {
    try {
      return await readFile(pathOf(id))
    } catch (error) {
      throw isMissing(error) ? new NoSuchBlobError(id) : error
    }
  }

  const read = (id: string, range: { start?: number; end?: number }): Readable => {
    const file = openSync(pathOf(id), 'r')
    try {
      const size = fstatSync(file).size
      const start = Math.min(range.start ?? 0, size)
      const end = Math.max(start, Math.min(range.end ?? size, size))
      if (end - start > SMALL)
        return createReadStream('', { fd: file, start, end: end - 1, highWaterMark: READ_CHUNK, autoClose: true })
      const bytes = Buffer.allocUnsafe(end - start)
      let filled = 0
      while (filled < bytes.length) {
        const count = readSync(file, bytes, filled, bytes.length - filled, start + filled)
        if (count === 0) throw new Error(`Blob ${id} ended early.`)
        filled += count
      }
      closeSync(file)
      const stream = new Readable({ read() {} })
      if (filled > 0) stream.push(bytes)
      stream.push(null)
      return stream
    } catch (error) {
      closeSync(file)
      throw error
    }
  }

  const link = (from: string, to: string) => {
    if (existsSync(to)) return
    try {
      linkSync(from, to)
    } catch {
      // Another file system, or one without hard links.
      copyFileSync(from, to)
    }
  }
  const copyAll = (from: string, to: string) => {
    for (const name of readdirSync(from).filter((each) => /^[0-9a-f]{2}$/.test(each))) {
      mkdirSync(join(to, name), { recursive: true, mode: 0o700 })
      for (const id of readdirSync(join(from, name))) link(join(from, name, id), join(to, name, id))
    }
  }
  const empty = () => {
    for (const name of folders()) rmSync(join(folder, name), { recursive: true, force: true })
    prepare()
  }

  return {
    writer: async () => writer(),
    async put(bytes) {
      if (bytes.length <= SMALL) return putSmall(bytes)
      const one = writer()
      try {
        await one.write(bytes)
        return await one.commit()
      } catch (error) {
        await one.cancel()
        throw error
      }
    },
    open(id, range = {}) {
      try {
        return read(id, range)
      } catch (error) {
        return failing(isMissing(error) ? new NoSuchBlobError(id) : error)
      }
    },
    get: whole,
    async size(id) {
      try {
        return (await stat(pathOf(id))).size
      } catch (error) {
        if (isMissing(error) || error instanceof NoSuchBlobError) return undefined
        throw error
      }
    },
    async delete(id) {
      try {
        await unlink(pathOf(id))
      } catch (error) {
        if (!isMissing(error) && !(error instanceof NoSuchBlobError)) throw error
      }
    },
    async *ids() {
      for (const name of folders()) yield* readdirSync(join(folder, name))
    },
    async reset() {
      empty()
    },
    save(to) {
      mkdirSync(to, { recursive: true, mode: 0o700 })
      copyAll(folder, to)
    },
    adopt: (from) => copyAll(from, folder),
    restore(from) {
      copyAll(from, folder)
      for (const name of folders())
        for (const id of readdirSync(join(folder, name)))
          if (!existsSync(join(from, name, id))) rmSync(join(folder, name, id))
    },
  }
}
