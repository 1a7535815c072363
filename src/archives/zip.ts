import { createHash } from 'node:crypto'
import { constants, createWriteStream } from 'node:fs'
import { mkdir, open, symlink } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Entry, openPromise } from 'yauzl'
import { ZipFile } from 'yazl'

// Archives in and out. What comes in is hostile; what goes out keeps modes and times.

export type ZipLimits = { readonly entries: number; readonly bytes: number }

export const sourceLimits: ZipLimits = { entries: 300_000, bytes: 16 * 1024 ** 3 }

/** An archive that is none, or that reaches beyond its folder or its limits. */
export class ArchiveError extends Error {}

const kindMask = 0o170000
const linkKind = 0o120000
const folderKind = 0o040000

const modeOf = (entry: Entry) => (entry.versionMadeBy >> 8 === 3 ? entry.externalFileAttributes >>> 16 : 0)

/** The entry's path below the folder; throws for what would lie outside it. */
const pathOf = (entry: Entry): string => {
  const path = entry.fileName.replaceAll('\\', '/')
  const parts = path.split('/')
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path) || parts.includes('..') || path.includes('\0'))
    throw new ArchiveError(`the archive holds an entry outside its folder: ${entry.fileName}`)
  return parts.filter((part) => part !== '' && part !== '.').join('/')
}

/**
 * Unpacks a zip archive into a folder, which is made. Links are kept when they stay inside; nothing is written through one.
 * @throws ArchiveError for what is no archive, for names or links that leave the folder, and beyond the limits.
 */
export const unzip = async (archive: string, folder: string, limits: ZipLimits = sourceLimits): Promise<void> => {
  await mkdir(folder, { recursive: true })
  try {
    await unpack(archive, folder, limits)
  } catch (error) {
    if (error instanceof ArchiveError) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOSPC' || code === 'EMFILE' || code === 'EDQUOT') throw error
    throw new ArchiveError(error instanceof Error ? error.message : String(error))
  }
}

const unpack = async (archive: string, folder: string, limits: ZipLimits): Promise<void> => {
  const zip = await openPromise(archive, { strictFileNames: false, validateEntrySizes: true })
  const links: { path: string; target: string }[] = []
  const made = new Set<string>()
  let bytes = 0
  const makeFolder = async (path: string) => {
    if (made.has(path)) return
    await mkdir(join(folder, path), { recursive: true })
    made.add(path)
  }
  try {
    if (zip.entryCount > limits.entries) throw new ArchiveError(`the archive has more than ${limits.entries} entries`)
    let entries = 0
    for await (const entry of zip.eachEntry()) {
      if (++entries > limits.entries) throw new ArchiveError(`the archive has more than ${limits.entries} entries`)
      bytes += entry.uncompressedSize
      if (bytes > limits.bytes) throw new ArchiveError(`the archive unpacks to more than ${limits.bytes} bytes`)
      if (entry.isEncrypted()) throw new ArchiveError('the archive is encrypted')
      const path = pathOf(entry)
      const mode = modeOf(entry)
      if (path === '') continue
      if (entry.fileName.endsWith('/') || (mode & kindMask) === folderKind) {
        await makeFolder(path)
        continue
      }
      await makeFolder(dirname(path))
      const content = await zip.openReadStreamPromise(entry)
      if ((mode & kindMask) === linkKind) {
        const target = Buffer.concat(await content.toArray()).toString()
        const resolved = posix.normalize(posix.join(dirname(path), target))
        if (target === '' || posix.isAbsolute(target) || resolved === '..' || resolved.startsWith('../'))
          throw new ArchiveError(`the archive holds a link that leaves its folder: ${entry.fileName}`)
        links.push({ path, target })
        continue
      }
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW
      const file = await open(join(folder, path), flags, (mode & 0o777) | 0o600 | (mode === 0 ? 0o044 : 0))
      await pipeline(content, file.createWriteStream())
    }
  } finally {
    zip.close()
  }
  // Links come last: no entry was written through them. A link through another link could still leave, so none may.
  const linked = new Set(links.map(({ path }) => path))
  for (const { path, target } of links) {
    const parts = posix.join(dirname(path), target).split('/')
    if (parts.some((_, index) => index > 0 && linked.has(parts.slice(0, index).join('/'))))
      throw new ArchiveError(`the archive holds a link through another link: ${path}`)
    await symlink(target, join(folder, path))
  }
}

/** A file to pack: where it lies, and its name inside. */
export type Packed = {
  readonly source: string
  readonly name: string
  readonly mode: number
  readonly modified: Date
  /** A symbolic link is kept as one, with this target. */
  readonly link?: string
}

/** Packs files into an archive; returns its digests (hexadecimal) and size in bytes. */
export const zip = async (
  files: readonly Packed[],
  archive: string,
): Promise<{ sha256: string; md5: string; size: number }> => {
  const packer = new ZipFile()
  for (const { source, name, mode, modified, link } of files) {
    if (link !== undefined) {
      packer.addBuffer(Buffer.from(link), name, { mode: linkKind | 0o777, mtime: modified, compress: false })
      continue
    }
    packer.addReadStreamLazy(name, { mode, mtime: modified }, (give) => {
      open(source, constants.O_RDONLY | constants.O_NOFOLLOW).then(
        (file) => give(null, file.createReadStream()),
        (error) => give(error, undefined as never),
      )
    })
  }
  packer.end()
  const sha256 = createHash('sha256')
  const md5 = createHash('md5')
  let size = 0
  const digest = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sha256.update(chunk)
      md5.update(chunk)
      size += chunk.length
      done(null, chunk)
    },
  })
  const failed = new AbortController()
  let cause: unknown
  packer.on('error', (error) => {
    cause = error
    failed.abort()
  })
  try {
    await pipeline(packer.outputStream, digest, createWriteStream(archive), { signal: failed.signal })
  } catch (error) {
    throw cause ?? error
  }
  return { sha256: sha256.digest('hex'), md5: md5.digest('hex'), size }
}
