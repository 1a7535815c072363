import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ArchiveError, sourceLimits, unzip } from '../../../archives/zip.ts'
import { CommandFailure } from './failure.ts'
import { type Host, objectPath, signedFetch } from './host.ts'
import { type Layout, readOptional, writeWhole } from './layout.ts'
import type { GitHubRevision, S3Revision, Specification } from './specification.ts'

const run = promisify(execFile)
/** Revisions kept per deployment group, as AWS's agent's `max_revisions`. */
const keptRevisions = 5

/** Fetches the revision from S3 or GitHub, checks it is the one meant, and unpacks it. Throws CommandFailure. */
export const downloadBundle = async (host: Host, place: Layout, specification: Specification): Promise<void> => {
  const { Revision } = specification
  const folder = place.deployment(specification.DeploymentGroupId, specification.DeploymentId)
  const archive = place.archive(folder)
  const file = join(folder, 'bundle.tar')
  await rm(archive, { recursive: true, force: true })
  await mkdir(archive, { recursive: true })
  if (Revision.RevisionType === 'GitHub') {
    await fetchCommit(Revision.GitHubRevision, file)
    await unpackCommit(file, archive)
  } else {
    await persistently(() => fetchObject(host, Revision.S3Revision, file))
    await unpack(file, archive, Revision.S3Revision.BundleType)
  }
  await writeWhole(place.mostRecent(specification.DeploymentGroupId), folder)
  await forgetOldRevisions(place, specification)
}

/** How long a download waits before it is begun again: at first, and at most (milliseconds); half a minute in all. */
const [firstWait, longestWait] = [100, 12_800]

/** A server that dies breaks off what it was sending, and `fetch` says so by a TypeError: as AWS's agent, this one asks again. */
const persistently = async (download: () => Promise<void>): Promise<void> => {
  for (let wait = firstWait; ; wait *= 2)
    try {
      return await download()
    } catch (error) {
      if (!(error instanceof TypeError) || wait > longestWait) throw error
      await pause(wait)
    }
}

/** An object of S3, read under the machine's own rights. */
const fetchObject = async (host: Host, { Bucket, Key, Version, ETag }: S3Revision, file: string): Promise<void> => {
  const response = await signedFetch(host, {
    service: 's3',
    method: 'GET',
    path: objectPath(Bucket, Key),
    query: Version ? `versionId=${encodeURIComponent(Version)}` : '',
  })
  if (!response.ok || !response.body) {
    const why =
      /<Message>([^<]*)<\/Message>/.exec(await response.text())?.[1] ?? `Amazon S3 answered ${response.status}`
    throw new CommandFailure('UnknownError', unescapeXml(why), '', `GET s3://${Bucket}/${Key}: ${response.status}`)
  }
  const found = response.headers.get('etag')?.replaceAll('"', '')
  if (ETag && found !== ETag.replaceAll('"', '')) {
    await response.body.cancel()
    throw new CommandFailure(
      'UnknownError',
      `Expected deployment artifact bundle etag ${ETag} but was actually ${found}`,
    )
  }
  const md5 = createHash('md5')
  await save(response.body, file, (chunk) => md5.update(chunk))
  // The ETag of an object under a KMS key is no digest of its bytes ("Checking object integrity", S3 user guide).
  const encryption = response.headers.get('x-amz-server-side-encryption')
  if (found && encryption !== 'aws:kms' && /^[0-9a-f]{32}$/.test(found) && md5.digest('hex') !== found)
    throw new CommandFailure('UnknownError', `The bytes of s3://${Bucket}/${Key} are not those of its ETag`)
}

const save = (body: ReadableStream, file: string, see: (chunk: Uint8Array) => void): Promise<void> =>
  pipeline(
    Readable.fromWeb(body as never),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        see(chunk)
        yield chunk
      }
    },
    createWriteStream(file),
  )

/** A commit of a public repository, as GitHub packs it; `GITHUB_API_URL` names a server of one's own that does the same. */
const fetchCommit = async ({ Account, Repository, CommitId }: GitHubRevision, file: string): Promise<void> => {
  const base = (process.env.GITHUB_API_URL ?? 'https://api.github.com').replace(/\/$/, '')
  const url = `${base}/repos/${encodeURIComponent(Account)}/${encodeURIComponent(Repository)}/tarball/${CommitId}`
  const failed = (why: string) => new CommandFailure('UnknownError', `Could not download ${url}: ${why}`)
  const response = await fetch(url, { headers: { 'user-agent': 'codedeploy-agent' } }).catch((error: unknown) => {
    const { cause, message } = error instanceof Error ? error : new Error(String(error))
    throw failed(cause instanceof Error && cause.message ? cause.message : message)
  })
  if (!response.ok || !response.body) {
    await response.body?.cancel()
    throw failed(`it was answered ${response.status}. Private repositories need a token, and there are none.`)
  }
  await save(response.body, file, () => {})
}

/** GitHub's archives hold one folder, which is not part of the revision. */
const unpackCommit = async (file: string, archive: string): Promise<void> => {
  const whole = `${archive}.whole`
  await rm(whole, { recursive: true, force: true })
  await mkdir(whole)
  await unpack(file, whole, 'tgz')
  const [top, ...others] = await readdir(whole)
  if (top === undefined || others.length > 0)
    throw new CommandFailure('UnknownError', 'The archive of the commit does not hold exactly one folder')
  await rm(archive, { recursive: true, force: true })
  await rename(join(whole, top), archive)
  await rm(whole, { recursive: true, force: true })
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const unescapeXml = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos);/g, (_whole, name: string) => entities[name] ?? '')

const unpack = async (file: string, archive: string, type: string): Promise<void> => {
  try {
    if (type === 'zip') return await unzip(file, archive)
    const kind = type === 'tgz' ? ['-z'] : []
    const { stdout } = await run('tar', [...kind, '-tf', file], { maxBuffer: 64 * 1024 * 1024 })
    const names = stdout.split('\n')
    if (names.length > sourceLimits.entries)
      throw new ArchiveError(`the archive has more than ${sourceLimits.entries} entries`)
    for (const name of names)
      if (name.startsWith('/') || name.split('/').includes('..'))
        throw new ArchiveError(`the archive holds an entry outside its folder: ${name}`)
    // Links are the revision's own, as on AWS, but tar writes nothing through them: it makes them last.
    await run('tar', [...kind, '-xpf', file, '-C', archive, '--no-same-owner'])
  } catch (error) {
    throw new CommandFailure(
      'UnknownError',
      `The bundle could not be unpacked: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

/** Keeps the newest revisions, and always the one that was installed last. */
const forgetOldRevisions = async (place: Layout, { DeploymentGroupId, DeploymentId }: Specification): Promise<void> => {
  const group = place.group(DeploymentGroupId)
  const installed = await readOptional(place.lastSuccessful(DeploymentGroupId))
  const found = await Promise.all(
    (await readdir(group)).map(async (name) => ({
      path: join(group, name),
      changed: (await stat(join(group, name))).mtimeMs,
    })),
  )
  const kept = new Set([place.deployment(DeploymentGroupId, DeploymentId), installed?.trim()])
  for (const { path } of found.toSorted((a, b) => b.changed - a.changed).slice(keptRevisions))
    if (!kept.has(path) && dirname(path) === group) await rm(path, { recursive: true, force: true })
}
