import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { zip } from '../../archives/zip.ts'
import type { Caller } from '../../kernel/context.ts'
import { ArtifactError, type ArtifactFile, findArtifactFiles, type View } from './artifact-files.ts'
import type { BuildRecord, StoredArtifact } from './build.ts'
import type { BuildLog } from './build-log.ts'
import type { ArtifactSpec, Buildspec } from './buildspec.ts'
import { PhaseFailure } from './environment.ts'
import type { Artifacts } from './project.ts'
import { encryptionOf, ownerAccessOf, putFile } from './upload.ts'

/** Every text of an artifact that the build's shell may have to expand. */
export const artifactTexts = (spec: Buildspec): string[] =>
  [spec.artifacts, ...Object.values(spec.secondaryArtifacts)].flatMap((one) =>
    one
      ? [one.name, one.baseDirectory, one.s3Prefix, ...one.files, ...one.excludePaths].filter(
          (text) => text !== undefined,
        )
      : [],
  )

const expanded = (spec: ArtifactSpec, expand: (text: string) => string): ArtifactSpec => ({
  ...spec,
  files: spec.files.map(expand),
  excludePaths: spec.excludePaths.map(expand),
  ...(spec.name === undefined ? {} : { name: expand(spec.name) }),
  ...(spec.baseDirectory === undefined ? {} : { baseDirectory: expand(spec.baseDirectory) }),
  ...(spec.s3Prefix === undefined ? {} : { s3Prefix: expand(spec.s3Prefix) }),
})

/** Which of them are paths that may lie outside the build folder. */
export const artifactPaths = (spec: Buildspec): string[] =>
  [spec.artifacts, ...Object.values(spec.secondaryArtifacts)].flatMap((one) =>
    one ? [...(one.baseDirectory === undefined ? [] : [one.baseDirectory]), ...one.files] : [],
  )

/** `path/namespace/name`, as documented at ProjectArtifacts; without the slashes of what is empty. */
export const artifactKey = (config: Artifacts, uuid: string, name: string, prefix?: string): string =>
  [
    prefix,
    config.path,
    config.namespaceType === 'BUILD_ID' ? uuid : undefined,
    // A slash as name is the folder itself.
    name === '/' ? undefined : name,
  ]
    .map((part) => (part ?? '').replace(/^\/+|\/+$/g, ''))
    .filter((part) => part !== '')
    .join('/')

/** Uploads one artifact's files under the service role. */
const store = async (
  role: Caller,
  build: BuildRecord,
  config: Artifacts,
  spec: ArtifactSpec,
  files: readonly ArtifactFile[],
  scratch: string,
): Promise<StoredArtifact> => {
  const bucket = (config.location ?? '').replace(/^arn:aws:s3:::/, '')
  const name = config.overrideArtifactName && spec.name ? spec.name : (config.name ?? build.project)
  const key = artifactKey(config, build.uuid, name, spec.s3Prefix)
  const facts = {
    ...(config.artifactIdentifier ? { identifier: config.artifactIdentifier } : {}),
    location: `arn:aws:s3:::${key === '' ? bucket : `${bucket}/${key}`}`,
    overrideName: config.overrideArtifactName ?? false,
    encryptionDisabled: config.encryptionDisabled ?? false,
  }
  const to = {
    Bucket: bucket,
    ...encryptionOf(build.encryptionKey, config.encryptionDisabled),
    ...(await ownerAccessOf(role, bucket, config.bucketOwnerAccess)),
  }
  if (config.packaging !== 'ZIP') {
    for (const { path, source } of files)
      await putFile(role, { ...to, Key: key === '' ? path : `${key}/${path}` }, source, 'application/octet-stream')
    return facts
  }
  if (key === '') throw new PhaseFailure('CLIENT_ERROR', 'the artifact has no name')
  await mkdir(scratch, { recursive: true })
  const archive = join(scratch, `artifact-${config.artifactIdentifier ?? ''}.zip`)
  const { sha256, md5 } = await zip(
    files.map(({ path, ...file }) => ({ ...file, name: path })),
    archive,
  )
  await putFile(role, { ...to, Key: key }, archive, 'application/zip')
  await rm(archive, { force: true })
  return { ...facts, sha256, md5 }
}

/**
 * Uploads what the buildspec calls artifacts to where the build's settings say.
 * @param expand gives what the build's shell made of a text.
 * @throws PhaseFailure with what UPLOAD_ARTIFACTS shows.
 */
export const uploadArtifacts = async (
  role: Caller,
  build: BuildRecord,
  spec: Buildspec,
  expand: (text: string) => string,
  views: readonly View[],
  sourceFolder: string,
  scratch: string,
  log: BuildLog,
): Promise<StoredArtifact[]> => {
  const stored: StoredArtifact[] = []
  for (const [index, config] of [build.artifacts, ...build.secondaryArtifacts].entries()) {
    if (config.type !== 'S3') continue
    const id = config.artifactIdentifier
    const wanted =
      (id === undefined ? undefined : spec.secondaryArtifacts[id]) ?? (index === 0 ? spec.artifacts : undefined)
    if (!wanted) {
      if (index > 0)
        throw new PhaseFailure(
          'CLIENT_ERROR',
          `no definition for artifact with identifier ${id ?? ''} in the buildspec`,
        )
      log.say('No artifact files specified in the buildspec: nothing is uploaded')
      continue
    }
    const plain = expanded(wanted, expand)
    try {
      const { files, said } = await findArtifactFiles(plain, views, sourceFolder)
      log.say(...said)
      stored.push(await store(role, build, config, plain, files, scratch))
    } catch (error) {
      if (error instanceof ArtifactError) throw new PhaseFailure('CLIENT_ERROR', error.message)
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'EACCES' || code === 'ENOENT')
        throw new PhaseFailure('CLIENT_ERROR', `files cannot be read: ${code}`)
      throw error
    }
  }
  return stored
}
