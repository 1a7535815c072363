import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { lstat, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ArchiveError, unzip } from '../../archives/zip.ts'
import type { Network } from '../../compute/driver.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { repositoryObjects } from '../capabilities.ts'
import { locate, type View } from './artifact-files.ts'
import type { Sourced } from './build.ts'
import { buildspecLimit } from './buildspec.ts'
import { PhaseFailure } from './environment.ts'
import { authorizePull, recordPull } from './git-pull.ts'
import { fetchGit } from './git-source.ts'
import { gitUrl, isInlineBuildspec, parseCodeCommitLocation, parseS3Location } from './location.ts'
import { isGit, type Source } from './project.ts'
import { fetchSubmodules } from './submodules.ts'

/** Where sources lie, as the build sees them. */
export type Fetched = {
  readonly folder: string
  readonly secondary: Readonly<Record<string, string>>
  readonly resolvedVersion?: string
}

/** Largest source object taken, in bytes. */
const objectLimit = 5 * 1024 ** 3

const which = (source: Source) => (source.sourceIdentifier ? `source ${source.sourceIdentifier}` : 'primary source')

const failure = (message: string, source: Source, version: string | undefined) =>
  new PhaseFailure('CLIENT_ERROR', `${message} for ${which(source)} and source version ${version ?? ''}`)

const told = (error: unknown, source: Source, version: string | undefined): unknown =>
  error instanceof AwsError && error.code !== 'InternalFailure'
    ? failure(`${error.code}: ${error.message}`, source, version)
    : error

/** Saves an S3 object in a file; returns the revision it holds: its version id, unless CodePipeline named another. */
export const saveObject = async (
  role: Caller,
  place: { bucket: string; key: string },
  version: string | undefined,
  file: string,
): Promise<string | undefined> => {
  const object = await role.s3.getObject({
    Bucket: place.bucket,
    Key: place.key,
    ...(version ? { VersionId: version } : {}),
  })
  await mkdir(dirname(file), { recursive: true })
  const body = object.Body
  let size = 0
  await pipeline(
    body instanceof Readable ? body : Readable.from(body ? [body] : []),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        size += chunk.length
        if (size > objectLimit) throw new ArchiveError(`the source is larger than ${objectLimit} bytes`)
        yield chunk
      }
    },
    createWriteStream(file),
  )
  // A source artifact of CodePipeline says which revision it holds.
  return object.Metadata?.['codepipeline-artifact-revision'] ?? object.VersionId
}

/** The folder of a source, as the build sees it. */
const folderOf = (ctx: Ctx, build: Sourced, source: Source, index: number): string => {
  const base = `/codebuild/output/src${Number.parseInt(build.uuid.slice(0, 8), 16)}/src`
  if (source.type === 'CODECOMMIT') {
    const found = parseCodeCommitLocation(source.location ?? '')
    return `${base}/git-codecommit.${found?.region ?? ctx.region}.amazonaws.com/v1/repos/${found?.repository ?? ''}`
  }
  const url = isGit(source.type) ? gitUrl(source.location) : undefined
  if (url) return posix.join(base, url.hostname, url.pathname.replace(/\.git\/?$/, '').replace(/[^\w./-]/g, '_'))
  return build.secondarySources.length === 0 ? base : `${base}/s3/${String(index).padStart(2, '0')}`
}

/**
 * Makes a clone of a CodeCommit repository as the service role may, and records it. Returns the commit; `undefined` when
 * the revision stands for none.
 */
const cloneCodeCommit = async (
  ctx: Ctx,
  role: Caller,
  location: string | undefined,
  revision: string,
  host: string,
  network: Network,
  depth = 0,
): Promise<string | undefined> => {
  const found = parseCodeCommitLocation(location ?? '')
  if (!found) throw new PhaseFailure('CLIENT_ERROR', 'repository not found')
  const place = { account: ctx.account, region: found.region ?? ctx.region }
  await authorizePull(ctx, role, place, found.repository)
  const objects = ctx.use(repositoryObjects)
  const commit = await objects.resolve(place, found.repository, revision)
  if (!commit) return undefined
  await mkdir(dirname(host), { recursive: true })
  const originUrl = `${ctx.compute.endpointFor(network)}/v1/repos/${found.repository}`
  await objects.checkout(place, found.repository, commit.commitId, host, {
    ...(depth > 0 ? { depth } : {}),
    originUrl,
  })
  await recordPull(ctx, role, place, found.repository)
  return commit.commitId
}

/** Makes a work tree of a commit of a CodeCommit repository that is a submodule. */
const cloneOf =
  (ctx: Ctx, role: Caller, network: Network) => async (location: string, commit: string, host: string) => {
    const found = await cloneCodeCommit(ctx, role, location, commit, host, network).catch((error: unknown) => {
      if (error instanceof AwsError && error.code !== 'InternalFailure')
        throw new PhaseFailure('CLIENT_ERROR', `${error.code}: ${error.message}`)
      throw error
    })
    if (!found) throw new PhaseFailure('CLIENT_ERROR', 'reference not found')
  }

/** Where a repository elsewhere is kept between builds, if the cache has that mode; other sources ignore it. */
const copyOf = (ctx: Ctx, build: Sourced, source: Source): string | undefined => {
  if (!isGit(source.type) || build.cache?.type !== 'LOCAL' || !build.cache.modes?.includes('LOCAL_SOURCE_CACHE'))
    return undefined
  const name = createHash('sha256').update(`${source.type} ${source.location}`).digest('hex')
  return join(localCacheFolder(ctx, build.project, build.cacheId), 'sources', name)
}

/** Where a project's caches lie on this host. */
export const localCacheFolder = (ctx: Ctx, project: string, id = '') =>
  join(ctx.folder(), 'caches', ctx.account, ctx.region, project, id)

/**
 * Fetches one source under the service role.
 * @param host the folder on this host; absent or empty.
 * @param scratch a folder of this host that the build does not see.
 * @param copy where a repository elsewhere is kept between builds, if it is.
 */
const fetchSource = async (
  ctx: Ctx,
  role: Caller,
  build: Sourced,
  source: Source,
  version: string | undefined,
  host: string,
  scratch: string,
  copy: string | undefined,
  network: Network,
): Promise<string | undefined> => {
  if (source.type === 'NO_SOURCE') {
    await mkdir(host, { recursive: true })
    return undefined
  }
  const submodules = source.gitSubmodulesConfig?.fetchSubmodules
  if (source.type === 'CODECOMMIT') {
    const commit = await cloneCodeCommit(
      ctx,
      role,
      source.location,
      version ?? 'HEAD',
      host,
      network,
      source.gitCloneDepth,
    )
    if (!commit) throw new PhaseFailure('CLIENT_ERROR', 'reference not found')
    if (submodules) await fetchSubmodules(ctx, role, build, source, host, cloneOf(ctx, role, network))
    return commit
  }
  if (isGit(source.type)) {
    const commit = await fetchGit(ctx, role, build, source, version, host, copy)
    if (submodules) await fetchSubmodules(ctx, role, build, source, host, cloneOf(ctx, role, network))
    return commit
  }
  const place = parseS3Location(source.location ?? '')
  if (source.type !== 'S3' || !place) throw failure(`sources of type ${source.type} are not supported`, source, version)
  if (place.key.endsWith('/')) {
    await fetchFolder(role, place, host)
    return undefined
  }
  const archive = join(scratch, `${source.sourceIdentifier ?? 'source'}.zip`)
  const found = await saveObject(role, place, version, archive)
  await unzip(archive, host)
  await rm(archive, { force: true })
  return found
}

/** Every object below a prefix, as files. */
const fetchFolder = async (role: Caller, { bucket, key }: { bucket: string; key: string }, host: string) => {
  await mkdir(host, { recursive: true })
  let token: string | undefined
  do {
    const listed = await role.s3.listObjectsV2({
      Bucket: bucket,
      Prefix: key,
      ...(token ? { ContinuationToken: token } : {}),
    })
    for (const { Key = '' } of listed.Contents ?? []) {
      const path = Key.slice(key.length)
      if (path === '' || path.endsWith('/')) continue
      if (path.split('/').includes('..') || path.startsWith('/') || path.includes('\0'))
        throw new ArchiveError(`the object ${Key} lies outside its folder`)
      await saveObject(role, { bucket, key: Key }, undefined, join(host, path))
    }
    token = listed.NextContinuationToken
  } while (token)
}

/**
 * Fetches all sources of a build below its folder.
 * @param network from which the build will reach the repositories again.
 * @throws PhaseFailure with what DOWNLOAD_SOURCE shows.
 */
export const fetchSources = async (
  ctx: Ctx,
  role: Caller,
  build: Sourced,
  view: View,
  scratch: string,
  network: Network = 'host',
): Promise<Fetched> => {
  const secondary: Record<string, string> = {}
  let resolvedVersion: string | undefined
  const taken = new Set<string>()
  for (const [index, source] of [build.source, ...build.secondarySources].entries()) {
    const id = source.sourceIdentifier ?? ''
    const version =
      index === 0
        ? build.sourceVersion
        : build.secondarySourceVersions.find(({ sourceIdentifier }) => sourceIdentifier === id)?.sourceVersion
    const wanted = folderOf(ctx, build, source, index)
    const folder = taken.has(wanted) ? `${wanted}-${id}` : wanted
    taken.add(folder)
    const host = view.outside + folder.slice(view.inside.length)
    try {
      const resolved = await fetchSource(
        ctx,
        role,
        build,
        source,
        version,
        host,
        scratch,
        copyOf(ctx, build, source),
        network,
      )
      if (index === 0) resolvedVersion = resolved
    } catch (error) {
      if (error instanceof PhaseFailure && (isGit(source.type) || source.type === 'CODECOMMIT'))
        throw failure(error.message, source, version)
      if (error instanceof ArchiveError) throw failure(error.message, source, version)
      throw told(error, source, version)
    }
    if (index > 0) secondary[id] = folder
  }
  return {
    folder: folderOf(ctx, build, build.source, 0),
    secondary,
    ...(resolvedVersion ? { resolvedVersion } : {}),
  }
}

/** Where the buildspec came from, as the log says it, and its text. */
export type FoundBuildspec = { readonly where: string; readonly text: string }

/** A file that is too large to be a buildspec is never read into memory. */
const readSpec = async (file: string): Promise<string> => {
  if ((await stat(file)).size > buildspecLimit)
    throw new PhaseFailure('YAML_FILE_ERROR', `buildspec is larger than the maximum of ${buildspecLimit} bytes`)
  return readFile(file, 'utf8')
}

/**
 * Finds the build specification: inline, an object in S3, or a file of the source.
 * @throws PhaseFailure with YAML_FILE_ERROR when it is not there.
 */
export const findBuildspec = async (
  role: Caller,
  build: Sourced,
  fetched: Fetched,
  view: View,
  scratch: string,
): Promise<FoundBuildspec> => {
  const spec = build.source.buildspec
  if (spec && isInlineBuildspec(spec)) return { where: '/codebuild/readonly/buildspec.yml', text: spec }
  if (spec?.startsWith('arn:aws:s3:::')) {
    const place = parseS3Location(spec)
    if (!place) throw new PhaseFailure('YAML_FILE_ERROR', `${spec} is not the ARN of an S3 object`)
    const file = join(scratch, 'buildspec')
    await saveObject(role, place, undefined, file).catch((error: unknown) => {
      if (error instanceof AwsError && error.code !== 'InternalFailure')
        throw new PhaseFailure('YAML_FILE_ERROR', `${error.code}: ${error.message}`)
      throw error
    })
    return { where: spec, text: await readSpec(file) }
  }
  const path = posix.resolve(fetched.folder, spec || 'buildspec.yml')
  const host = path.startsWith(`${fetched.folder}/`) ? await locate(view, path) : undefined
  if (host === undefined || !(await lstat(host)).isFile())
    throw new PhaseFailure(
      'YAML_FILE_ERROR',
      spec ? `stat ${path}: no such file or directory` : 'YAML file does not exist',
    )
  return { where: path, text: await readSpec(host) }
}
