import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { ArchiveError, unzip, zip } from '../../archives/zip.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { ArtifactError, type ArtifactFile, findArtifactFiles, type View } from './artifact-files.ts'
import type { BuildRecord } from './build.ts'
import type { BuildLog } from './build-log.ts'
import type { Buildspec } from './buildspec.ts'
import { PhaseFailure } from './environment.ts'
import { fail, type Operation } from './operation.ts'
import { getProject, Project, projectArn } from './project.ts'
import { cacheFolder } from './runner.ts'
import { localCacheFolder as localFolder, saveObject } from './source.ts'
import { encryptionOf, putFile } from './upload.ts'

// What builds of a project leave for the next one: an archive, in S3 or on this host. What lay below the source folder is
// kept apart from the rest, since every build has a source folder of its own. The build itself puts it in its places
// (`runner.ts`): what a source put there before, links included, is never followed by the server.
// AWS documentation: "Cache builds to improve performance".

/** What of a build's cache is to be done once it has ended. */
export type CachePlan = {
  readonly key?: string
  /** The archive was there under this very key. */
  readonly exact: boolean
  readonly save: boolean
}

const trees = { source: 'source', build: 'build', outside: 'outside' } as const

/** Where a pattern has no wildcards yet. */
const baseOf = (pattern: string): string => {
  const parts = pattern.split('/')
  const wild = parts.findIndex((part) => /[*?[]/.test(part))
  return wild < 0 ? pattern : parts.slice(0, wild).join('/')
}

/** Folders that the build must bring into its own, where they lie elsewhere. */
export const cacheFolders = (spec: Buildspec): string[] => spec.cache.paths.map(baseOf).filter((path) => path !== '')

const active = (build: BuildRecord, spec: Buildspec): boolean =>
  spec.cache.paths.length > 0 &&
  (build.cache.type === 'S3' ||
    (build.cache.type === 'LOCAL' && (build.cache.modes ?? []).includes('LOCAL_CUSTOM_CACHE')))

/**
 * A key as the build's shell would read it, as far as keys go: variables, and `codebuild-hash-files`.
 * @throws PhaseFailure for any other command.
 */
const expandedKey = async (
  text: string,
  env: Readonly<Record<string, string>>,
  view: View,
  folder: string,
): Promise<string> => {
  const hashes = new Map<string, string>()
  for (const [whole, list = ''] of text.matchAll(/\$\(\s*codebuild-hash-files\s+([^()]*)\)/g)) {
    const files = [...list.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '')
    hashes.set(whole, await hashOf(files, view, folder))
  }
  let key = text
  for (const [whole, hash] of hashes) key = key.replaceAll(whole, hash)
  if (/\$\(|`/.test(key))
    throw new PhaseFailure(
      'YAML_FILE_ERROR',
      `Drydock runs no commands in cache keys but codebuild-hash-files: ${text}`,
    )
  return key.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced, plain) => env[String(braced ?? plain)] ?? '')
}

const hashOf = async (files: readonly string[], view: View, folder: string): Promise<string> => {
  const spec = { files, excludePaths: [], discardPaths: false, enableSymlinks: false }
  const found = await findArtifactFiles(spec, [view], folder).catch((error: unknown) => {
    if (error instanceof ArtifactError) return { files: [] }
    throw error
  })
  const hash = createHash('sha256')
  for (const { path, source } of found.files.toSorted((a, b) => (a.path < b.path ? -1 : 1)))
    hash.update(`${path}\0`).update(await readFile(source))
  return hash.digest('hex')
}

/** The place of a project's archives in its bucket. */
const placeOf = (build: BuildRecord): { bucket: string; prefix: string } => {
  const [bucket = '', ...path] = (build.cache.location ?? '').replace(/^arn:aws:s3:::/, '').split('/')
  const shared = build.cache.cacheNamespace
  const parts = [...path, ...(shared ? [shared] : [build.project, build.cacheId])]
  return { bucket, prefix: `${parts.filter(Boolean).join('/')}/` }
}

const nameOf = (key: string | undefined) => `${key ?? 'cache'}.zip`

const reasonOf = (error: unknown): string => {
  if (error instanceof AwsError && error.code !== 'InternalFailure') return `${error.code}: ${error.message}`
  if (error instanceof ArchiveError || error instanceof PhaseFailure) return error.message
  throw error
}

/** The archive that fits best: the key's own, else the newest that begins with a fallback key. Returns the key it has. */
const fetchArchive = async (
  ctx: Ctx,
  role: Caller,
  build: BuildRecord,
  key: string | undefined,
  fallbacks: readonly string[],
  file: string,
): Promise<string | undefined> => {
  if (build.cache.type === 'LOCAL') {
    const from = join(localFolder(ctx, build.project, build.cacheId), nameOf(undefined))
    if (!(await stat(from).catch(() => undefined))) return undefined
    await copyFile(from, file)
    return nameOf(undefined)
  }
  const { bucket, prefix } = placeOf(build)
  const missing = (error: unknown) => {
    if (!(error instanceof AwsError) || error.code !== 'NoSuchKey') throw error
    return false
  }
  const take = (name: string) =>
    saveObject(role, { bucket, key: `${prefix}${name}` }, undefined, file).then(() => true, missing)
  if (await take(nameOf(key))) return nameOf(key)
  for (const fallback of fallbacks) {
    const { Contents = [] } = await role.s3.listObjectsV2({ Bucket: bucket, Prefix: `${prefix}${fallback}` })
    const newest = Contents.toSorted((a, b) => (b.LastModified?.getTime() ?? 0) - (a.LastModified?.getTime() ?? 0))[0]
    const name = newest?.Key?.slice(prefix.length)
    if (name && (await take(name))) return name
  }
  return undefined
}

/**
 * Lays a project's cache ready for the build to put in place. A cache that cannot be had is no failure: the log says so.
 * @param said lines for the log.
 */
export const restoreCache = async (
  ctx: Ctx,
  role: Caller,
  build: BuildRecord,
  spec: Buildspec,
  env: Readonly<Record<string, string>>,
  view: View,
  folder: string,
  scratch: string,
  said: string[],
): Promise<CachePlan | undefined> => {
  if (!active(build, spec)) return undefined
  const { action, key: written, fallbackKeys } = spec.cache
  const expand = (text: string) => expandedKey(text, env, view, folder)
  const key = written === undefined ? undefined : await expand(written)
  const plan = { ...(key === undefined ? {} : { key }), save: action !== 'restore', exact: false }
  if (action === 'save') return plan
  const archive = join(scratch, 'cache.zip')
  try {
    const found = await fetchArchive(ctx, role, build, key, await Promise.all(fallbackKeys.map(expand)), archive)
    if (found === undefined) {
      said.push('Unable to download cache: NoSuchKey: The specified key does not exist.')
      return plan
    }
    const folderOfCache = join(view.outside, cacheFolder)
    await unzip(archive, folderOfCache)
    // Where builds are not kept apart from this host, what lies outside of their folder lies there still.
    const { isolation } = await ctx.compute.probe()
    if (isolation === 'none') await rm(join(folderOfCache, trees.outside), { recursive: true, force: true })
    said.push(`Downloaded cache ${found}`)
    return { ...plan, exact: found === nameOf(key) }
  } catch (error) {
    said.push(`Unable to download cache: ${reasonOf(error)}`)
    await rm(join(view.outside, cacheFolder), { recursive: true, force: true })
    return plan
  } finally {
    await rm(archive, { force: true })
  }
}

/** A link that stays in its folder: others could not be unpacked. */
const staysInside = ({ path, link }: ArtifactFile): boolean =>
  link === undefined ||
  !(posix.isAbsolute(link) || posix.normalize(posix.join(posix.dirname(path), link)).startsWith('..'))

/** Files that one path of the cache names, by their names in the archive. */
const filesOf = async (path: string, views: readonly View[], sourceFolder: string): Promise<ArtifactFile[]> => {
  const pattern = posix.resolve(sourceFolder, path)
  const find = (files: string, baseDirectory: string) =>
    findArtifactFiles(
      { files: [files], baseDirectory, excludePaths: [], discardPaths: false, enableSymlinks: true },
      views,
      sourceFolder,
    )
  const base = baseOf(pattern)
  const wild = base !== pattern
  const found = await find(wild ? pattern : '**/*', base).catch((error: unknown) => {
    // A plain path may be a file.
    if (error instanceof ArtifactError && !wild) return find(posix.basename(pattern), posix.dirname(pattern))
    throw error
  })
  const root = found.files.some(({ path: name }) => posix.join(posix.dirname(pattern), name) === pattern) && !wild
  const from = root ? posix.dirname(pattern) : base
  const tree = (absolute: string) =>
    absolute === sourceFolder || absolute.startsWith(`${sourceFolder}/`)
      ? `${trees.source}${absolute.slice(sourceFolder.length)}`
      : absolute.startsWith('/codebuild/')
        ? `${trees.build}${absolute.slice('/codebuild'.length)}`
        : `${trees.outside}${absolute}`
  return found.files.filter(staysInside).map((file) => ({ ...file, path: tree(posix.join(from, file.path)) }))
}

/** Keeps what the paths of a build's cache name, for the next build. What cannot be kept is no failure: the log says so. */
export const saveCache = async (
  ctx: Ctx,
  role: Caller,
  build: BuildRecord,
  spec: Buildspec,
  plan: CachePlan | undefined,
  expand: (text: string) => string,
  views: readonly View[],
  sourceFolder: string,
  scratch: string,
  log: BuildLog,
): Promise<void> => {
  // What has this very key is what it was.
  if (!plan?.save || (plan.exact && plan.key !== undefined)) return
  const files = new Map<string, ArtifactFile>()
  const archive = join(scratch, 'cache.zip')
  try {
    for (const path of spec.cache.paths) {
      const found = await filesOf(expand(path), views, sourceFolder).catch((error: unknown) => {
        if (!(error instanceof ArtifactError)) throw error
        log.say(`Unable to cache ${path}: ${error.message}`)
        return []
      })
      for (const file of found) files.set(file.path, file)
    }
    if (files.size === 0) return
    await zip(
      [...files.values()].map(({ path, ...file }) => ({ ...file, name: path })),
      archive,
    )
    log.say(`Uploading cache (${files.size} files)`)
    if (build.cache.type === 'LOCAL') {
      const folder = localFolder(ctx, build.project, build.cacheId)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await rename(archive, join(folder, nameOf(undefined)))
      return
    }
    const { bucket, prefix } = placeOf(build)
    const to = { Bucket: bucket, Key: `${prefix}${nameOf(plan.key)}`, ...encryptionOf(build.encryptionKey) }
    await putFile(role, to, archive, 'application/zip')
  } catch (error) {
    log.say(`Unable to upload cache: ${reasonOf(error)}`)
  } finally {
    await rm(archive, { force: true })
  }
}

/** AWS API: "InvalidateProjectCache". The next build finds none; archives in S3 stay there, unused. */
export const InvalidateProjectCache: Operation<'InvalidateProjectCache'> = async (ctx, { projectName }) => {
  const { name } = await getProject(ctx, projectName)
  await ctx.write(async (tx) => {
    const project = await tx.get(Project, name)
    if (!project) throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, name)}`)
    tx.put(Project, { ...project, cacheId: ctx.newId() })
  })
  await rm(localFolder(ctx, name), { recursive: true, force: true })
  return {}
}
