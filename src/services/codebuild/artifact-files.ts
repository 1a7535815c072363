import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import type { ArtifactSpec } from './buildspec.ts'

// Which files of a build are its artifacts. The build made the folder, so every link in it is looked at before it is
// followed: paths are those the task saw, and nothing outside its folder is ever read.

/** How a folder of this host appeared inside the task. */
export type View = { readonly inside: string; readonly outside: string }

/** CodeBuild's `CLIENT_ERROR`. */
export class ArtifactError extends Error {}

/** Most files one artifact may have. */
const fileLimit = 500_000
const linkLimit = 40

const segmentMatches = (pattern: string, text: string): boolean => {
  let p = 0
  let t = 0
  let star = -1
  let mark = 0
  while (t < text.length) {
    const wanted = pattern[p]
    const close = wanted === '[' ? pattern.indexOf(']', p + 2) : -1
    if (wanted === '*') {
      star = p++
      mark = t
      continue
    }
    if (close > 0) {
      if (classMatches(pattern.slice(p + 1, close), text[t] ?? '')) {
        p = close + 1
        t++
        continue
      }
    } else if (wanted === '?' || (wanted !== undefined && wanted === text[t])) {
      p++
      t++
      continue
    }
    if (star < 0) return false
    p = star + 1
    t = ++mark
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

const classMatches = (inside: string, character: string): boolean => {
  const negated = inside.startsWith('!') || inside.startsWith('^')
  const list = negated ? inside.slice(1) : inside
  let found = false
  for (let i = 0; i < list.length; i++) {
    const from = list[i] ?? ''
    if (list[i + 1] === '-' && i + 2 < list.length) {
      if (character >= from && character <= (list[i + 2] ?? '')) found = true
      i += 2
    } else if (from === character) found = true
  }
  return found !== negated
}

/** Does a relative path match a pattern? Not more than pattern × path steps, whatever they hold. `**` is any number of folders. */
export const globMatches = (pattern: string, path: string): boolean => {
  const wanted = pattern.split('/')
  const parts = path.split('/')
  // reached[i]: the first patterns consumed so far match the first i parts.
  let reached = new Array<boolean>(parts.length + 1).fill(false)
  reached[0] = true
  for (const segment of wanted) {
    const next = new Array<boolean>(parts.length + 1).fill(false)
    if (segment === '**') {
      let any = false
      for (let i = 0; i <= parts.length; i++) {
        any ||= reached[i] === true
        next[i] = any
      }
    } else {
      for (let i = 0; i < parts.length; i++) if (reached[i]) next[i + 1] = segmentMatches(segment, parts[i] ?? '')
    }
    reached = next
  }
  return reached[parts.length] === true
}

const hasWildcard = (text: string) => /[*?[]/.test(text)

/** Where a path of the task really lies: links resolved one by one, as the task would. `undefined` when it is not there or not in the view. */
export const locate = async (view: View, path: string): Promise<string | undefined> => {
  let rest = posix.normalize(path)
  let links = 0
  let done = ''
  for (;;) {
    if (rest !== view.inside && !rest.startsWith(`${view.inside}/`)) return undefined
    done = view.inside
    let linked = false
    const parts = rest.slice(view.inside.length).split('/').filter(Boolean)
    for (const [index, part] of parts.entries()) {
      const here = `${done}/${part}`
      const host = view.outside + here.slice(view.inside.length)
      const facts = await lstat(host).catch(() => undefined)
      if (!facts) return undefined
      if (facts.isSymbolicLink()) {
        if (++links > linkLimit) return undefined
        const target = await readlink(host)
        rest = posix.normalize(posix.join(posix.resolve(done, target), ...parts.slice(index + 1)))
        linked = true
        break
      }
      done = here
    }
    if (!linked) return view.outside + done.slice(view.inside.length)
  }
}

export type ArtifactFile = {
  /** Relative to the base folder. */
  readonly path: string
  readonly source: string
  readonly mode: number
  readonly modified: Date
  readonly link?: string
}

/** What to write to the build's log beside the result. */
export type Found = { readonly files: readonly ArtifactFile[]; readonly said: readonly string[] }

/** Regular files and links below a folder, sorted; folders behind links are not entered. */
const walk = async (host: string, prefix = '', into: string[] = []): Promise<string[]> => {
  const entries = await readdir(host, { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
    if (entry.isDirectory()) await walk(join(host, entry.name), path, into)
    else if (entry.isFile() || entry.isSymbolicLink()) into.push(path)
    if (into.length > fileLimit)
      throw new ArtifactError(`more than ${fileLimit} files in the artifact's base directory`)
  }
  return into
}

/** The view a path belongs to. */
const viewOf = (views: readonly View[], path: string): View | undefined =>
  views.find(({ inside }) => path === inside || path.startsWith(`${inside}/`))

const locateIn = async (views: readonly View[], path: string): Promise<string | undefined> => {
  const view = viewOf(views, posix.normalize(path))
  return view && locate(view, path)
}

const baseFolders = async (
  views: readonly View[],
  sourceFolder: string,
  base: string,
  said: string[],
): Promise<string[]> => {
  said.push(`Expanding base directory path: ${base}`)
  const absolute = posix.resolve(sourceFolder, base)
  if (!hasWildcard(base)) {
    const host = await locateIn(views, absolute)
    const facts = host === undefined ? undefined : await lstat(host)
    return facts?.isDirectory() ? [absolute] : []
  }
  // Level by level, so that only folders that can match are read.
  let reached = ['/']
  for (const part of absolute.split('/').filter(Boolean)) {
    const next: string[] = []
    for (const folder of reached) {
      if (!hasWildcard(part)) {
        next.push(posix.join(folder, part))
        continue
      }
      const host = await locateIn(views, folder)
      if (host === undefined) continue
      const names = await readdir(host).catch(() => [])
      next.push(...names.filter((name) => segmentMatches(part, name)).map((name) => posix.join(folder, name)))
    }
    reached = next
  }
  const found: string[] = []
  for (const folder of reached.sort()) {
    const host = await locateIn(views, folder)
    if (host !== undefined && (await lstat(host)).isDirectory()) found.push(folder)
  }
  return found
}

/**
 * Finds the files an artifact is made of.
 * @param spec with variables already expanded.
 * @param views what of the task's paths lies where; the first that fits counts.
 * @param sourceFolder `CODEBUILD_SRC_DIR`, as the task saw it.
 * @throws ArtifactError in CodeBuild's words when nothing is there.
 */
export const findArtifactFiles = async (
  spec: ArtifactSpec,
  views: readonly View[],
  sourceFolder: string,
): Promise<Found> => {
  const said: string[] = []
  const base = spec.baseDirectory ?? '.'
  const folders = await baseFolders(views, sourceFolder, base, said)
  if (folders.length === 0) throw new ArtifactError(`no matching base directory path found for ${base}`)
  said.push('Assembling file list')

  const files = new Map<string, ArtifactFile>()
  for (const folder of folders) {
    const relative = (pattern: string) =>
      posix.isAbsolute(pattern) ? posix.relative(folder, pattern) : posix.normalize(pattern)
    const patterns = spec.files.map(relative)
    const excluded = spec.excludePaths.map(relative)
    const host = await locateIn(views, folder)
    if (host === undefined) continue
    said.push(`Expanding file paths for base directory ${base}`)
    // Only patterns need the whole tree; plain names are looked at one by one.
    const candidates = new Set<string>(patterns.some(hasWildcard) ? await walk(host) : [])
    for (const pattern of patterns) if (!hasWildcard(pattern)) candidates.add(pattern)
    for (const [index, pattern] of patterns.entries()) {
      said.push(`Expanding ${spec.files[index]}`)
      for (const path of hasWildcard(pattern) ? candidates : [pattern]) {
        if (!globMatches(pattern, path) || excluded.some((one) => globMatches(one, path))) continue
        const inside = posix.join(folder, path)
        // A name that climbs out of the base folder keeps its last part.
        const name = spec.discardPaths || path.startsWith('../') ? posix.basename(path) : path
        const parent = await locateIn(views, posix.dirname(inside))
        if (parent === undefined) continue
        const own = await lstat(join(parent, posix.basename(inside))).catch(() => undefined)
        if (spec.enableSymlinks && own?.isSymbolicLink()) {
          const link = await readlink(join(parent, posix.basename(inside)))
          files.set(name, {
            path: name,
            source: join(parent, posix.basename(inside)),
            mode: 0o777,
            modified: own.mtime,
            link,
          })
          continue
        }
        const source = await locateIn(views, inside)
        const facts = source === undefined ? undefined : await lstat(source)
        if (source === undefined || !facts?.isFile()) continue
        files.set(name, { path: name, source, mode: facts.mode, modified: facts.mtime })
      }
    }
  }
  if (files.size === 0) throw new ArtifactError('no matching artifact paths found')
  said.push(`Found ${files.size} file(s)`)
  return { files: [...files.values()], said }
}
