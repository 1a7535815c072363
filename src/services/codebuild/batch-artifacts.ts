import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { unzip, zip } from '../../archives/zip.ts'
import type { Caller } from '../../kernel/context.ts'
import { findArtifactFiles } from './artifact-files.ts'
import { artifactKey } from './artifacts.ts'
import type { BatchRecord } from './batch.ts'
import type { StoredArtifact } from './build.ts'
import { parseS3Location } from './location.ts'
import type { Artifacts } from './project.ts'
import { encryptionOf, ownerAccessOf, putFile } from './upload.ts'

/** Fetches what one build stored, unpacked, into a folder. Builds later in the batch win. */
const fetchInto = async (role: Caller, artifact: StoredArtifact, zipped: boolean, folder: string, scratch: string) => {
  const place = parseS3Location(artifact.location)
  if (!place) return
  const save = async (key: string, file: string) => {
    const { Body } = await role.s3.getObject({ Bucket: place.bucket, Key: key })
    await pipeline(Body instanceof Readable ? Body : Readable.from(Body ? [Body] : []), createWriteStream(file))
  }
  if (zipped) {
    const archive = join(scratch, 'part.zip')
    await save(place.key, archive)
    await unzip(archive, folder)
    return
  }
  let token: string | undefined
  do {
    const listed = await role.s3.listObjectsV2({
      Bucket: place.bucket,
      Prefix: `${place.key}/`,
      ...(token ? { ContinuationToken: token } : {}),
    })
    for (const { Key = '' } of listed.Contents ?? []) {
      const path = Key.slice(place.key.length + 1)
      if (path === '' || path.split('/').includes('..')) continue
      const file = join(folder, path)
      await mkdir(join(file, '..'), { recursive: true })
      await save(Key, file)
    }
    token = listed.NextContinuationToken
  } while (token)
}

/**
 * COMBINE_ARTIFACTS: what the builds of a batch stored under their identifiers, as one artifact where the project says.
 * Under the service role, which needs `s3:GetObject`, `s3:ListBucket` and `s3:PutObject`.
 */
export const combineArtifacts = async (
  role: Caller,
  batch: BatchRecord,
  scratch: string,
): Promise<StoredArtifact[]> => {
  const { settings } = batch
  const combined: StoredArtifact[] = []
  for (const config of [settings.artifacts, ...settings.secondaryArtifacts]) {
    if (config.type !== 'S3') continue
    const parts = batch.groups.flatMap(({ current }) =>
      (current?.artifacts ?? []).filter(({ identifier }) => identifier === config.artifactIdentifier),
    )
    if (parts.length === 0) continue
    const folder = join(scratch, 'combined')
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    for (const part of parts) await fetchInto(role, part, config.packaging === 'ZIP', folder, scratch)
    combined.push(await store(role, batch, config, folder, scratch))
  }
  return combined
}

const store = async (
  role: Caller,
  batch: BatchRecord,
  config: Artifacts,
  folder: string,
  scratch: string,
): Promise<StoredArtifact> => {
  const Bucket = (config.location ?? '').replace(/^arn:aws:s3:::/, '')
  const key = artifactKey(config, batch.uuid, config.name ?? batch.project)
  const spec = { files: ['**/*'], excludePaths: [], discardPaths: false, enableSymlinks: true }
  const { files } = await findArtifactFiles(spec, [{ inside: '/combined', outside: folder }], '/combined')
  const facts = {
    ...(config.artifactIdentifier ? { identifier: config.artifactIdentifier } : {}),
    location: `arn:aws:s3:::${Bucket}/${key}`,
    overrideName: false,
    encryptionDisabled: config.encryptionDisabled ?? false,
  }
  const to = {
    Bucket,
    ...encryptionOf(batch.settings.encryptionKey, config.encryptionDisabled),
    ...(await ownerAccessOf(role, Bucket, config.bucketOwnerAccess)),
  }
  if (config.packaging !== 'ZIP') {
    for (const { path, source } of files)
      await putFile(role, { ...to, Key: `${key}/${path}` }, source, 'application/octet-stream')
    return facts
  }
  const archive = join(scratch, 'combined.zip')
  const { sha256, md5 } = await zip(
    files.map(({ path, ...file }) => ({ ...file, name: path })),
    archive,
  )
  await putFile(role, { ...to, Key: key }, archive, 'application/zip')
  return { ...facts, sha256, md5 }
}
