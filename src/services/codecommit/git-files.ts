// What git keeps in files of its own (gitrepository-layout), read without a git: starting one costs more than most answers.
// Whatever is not where it is looked for here is for git to find.

import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, inflate } from 'node:zlib'
import { isObjectId, isReferenceName } from './names.ts'

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')
const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(codeOf(error))
/** Not compressed as git does it, or endless: git shall say what is wrong. */
const isBroken = (error: unknown): boolean => /^(Z_|ERR_BUFFER_TOO_LARGE)/.test(codeOf(error))

const readText = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

const idIn = (text: string | undefined): string | undefined => {
  const id = text?.trimEnd()
  return id !== undefined && isObjectId(id) ? id : undefined
}

/** A reference of `packed-refs`; `peeled`: what the tag object that it names is about in the end. */
type Packed = { readonly id: string; readonly peeled?: string }

const readPacked = async (folder: string): Promise<Map<string, Packed>> => {
  const packed = new Map<string, Packed>()
  let last = ''
  for (const line of ((await readText(join(folder, 'packed-refs'))) ?? '').split('\n')) {
    if (line.startsWith('^')) packed.set(last, { id: packed.get(last)?.id ?? '', peeled: line.slice(1) })
    else if (isObjectId(line.slice(0, 40))) {
      last = line.slice(41)
      packed.set(last, { id: line.slice(0, 40) })
    }
  }
  return packed
}

/** The object that a full reference names; `undefined` when there is no such reference. */
export const readReferenceFile = async (folder: string, reference: string): Promise<string | undefined> => {
  if (!reference.startsWith('refs/') || !isReferenceName(reference)) return undefined
  // A reference leaves its own file for the packed ones, not the other way without being written anew.
  const loose = idIn(await readText(join(folder, reference)))
  if (loose !== undefined) return loose
  const packed = await readText(join(folder, 'packed-refs'))
  const end = packed === undefined ? -1 : `\n${packed}`.indexOf(` ${reference}\n`) - 1
  return end < 40 ? undefined : idIn(packed?.slice(end - 40, end))
}

/** How many files are read at a time. */
const atOnce = 64

/** All references below `refs/`, by name in the order of its bytes, as git lists them. */
export const readReferenceFiles = async (
  folder: string,
): Promise<Map<string, { id: string; peeled?: string; packed: boolean }>> => {
  const names = (await readdir(join(folder, 'refs'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => isReferenceName(name))
  const found = new Map<string, { id: string; peeled?: string; packed: boolean }>()
  for (let start = 0; start < names.length; start += atOnce) {
    const some = names.slice(start, start + atOnce)
    const ids = await Promise.all(some.map(async (name) => idIn(await readText(join(folder, name)))))
    for (const [index, name] of some.entries()) {
      const id = ids[index]
      if (id !== undefined) found.set(name, { id, packed: false })
    }
  }
  for (const [name, packed] of await readPacked(folder))
    if (!found.has(name)) found.set(name, { ...packed, packed: true })
  return new Map([...found].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
}

/** The branch that `HEAD` names, as a full reference. */
export const readHeadFile = async (folder: string): Promise<string | undefined> =>
  /^ref: (refs\/.+?)\s*$/.exec((await readText(join(folder, 'HEAD'))) ?? '')?.[1]

export type ObjectKind = 'commit' | 'tree' | 'blob' | 'tag'
export type ObjectInfo = { readonly id: string; readonly kind: ObjectKind; readonly size: number }

const header = /^(commit|tree|blob|tag) (\d+)$/
const isKind = (text: string | undefined): text is ObjectKind => ['commit', 'tree', 'blob', 'tag'].includes(text ?? '')

const pathOf = (folder: string, id: string) => join(folder, 'objects', id.slice(0, 2), id.slice(2))

const unpack = promisify(inflate)

const readHeader = (id: string, bytes: Buffer): { info: ObjectInfo; end: number } | undefined => {
  const end = bytes.subarray(0, 40).indexOf(0)
  const [, kind, size] = header.exec(bytes.toString('latin1', 0, Math.max(end, 0))) ?? []
  return isKind(kind) ? { info: { id, kind, size: Number(size) }, end: end + 1 } : undefined
}

/** Kind and size of an object that no pack holds. */
export const lookUpLoose = async (folder: string, id: string): Promise<ObjectInfo | undefined> => {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(pathOf(folder, id))
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(128), 0, 128, 0)
    // The beginning of a compressed text has its beginning.
    const start = await unpack(buffer.subarray(0, bytesRead), { finishFlush: constants.Z_SYNC_FLUSH })
    return readHeader(id, start)?.info
  } catch (error) {
    if (isBroken(error)) return undefined
    throw error
  } finally {
    await file.close()
  }
}

/** The largest object read here, so that no compressed file grows without bound. Bytes. */
const largest = 8 * 1024 * 1024

/** An object that no pack holds and that is not large. */
export const readLoose = async (
  folder: string,
  id: string,
): Promise<{ readonly kind: ObjectKind; readonly bytes: Buffer } | undefined> => {
  const info = await lookUpLoose(folder, id)
  if (!info || info.size > largest) return undefined
  try {
    const whole = await unpack(await readFile(pathOf(folder, id)), { maxOutputLength: largest + 64 })
    const found = readHeader(id, whole)
    return found && { kind: info.kind, bytes: whole.subarray(found.end) }
  } catch (error) {
    // It may have gone into a pack meanwhile.
    if (isAbsent(error) || isBroken(error)) return undefined
    throw error
  }
}
