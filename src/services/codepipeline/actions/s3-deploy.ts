import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Entry, openPromise } from 'yauzl'
import type { Caller } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import {
  ActionFailure,
  type ActionKind,
  type Artifact,
  checkBooleans,
  copySource,
  encryptionOf,
  isTrue,
  type Job,
  type Progress,
} from './action.ts'

/** Most entries of an archive that is extracted, and most bytes they may unpack to. */
const limits = { entries: 100_000, bytes: 10 * 1024 ** 3 }

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.gif': 'image/gif',
  '.htm': 'text/html',
  '.html': 'text/html',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'application/javascript',
  '.json': 'application/json',
  '.mjs': 'application/javascript',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
  '.zip': 'application/zip',
}

const contentTypeOf = (key: string) => contentTypes[extname(key).toLowerCase()] ?? 'application/octet-stream'

const isFolder = ({ fileName }: Entry) => fileName.endsWith('/')

/** A symbolic link by its Unix mode: objects cannot be links. */
const isLink = ({ externalFileAttributes, versionMadeBy }: Entry) =>
  versionMadeBy >> 8 === 3 && ((externalFileAttributes >>> 16) & 0o170000) === 0o120000

type Target = { readonly bucket: string; readonly prefix: string; readonly options: Options }

const cannedAcls = [
  'authenticated-read',
  'aws-exec-read',
  'bucket-owner-full-control',
  'bucket-owner-read',
  'private',
  'public-read',
  'public-read-write',
] as const
type CannedAcl = (typeof cannedAcls)[number]
const isCannedAcl = (name: string): name is CannedAcl => (cannedAcls as readonly string[]).includes(name)

/** What every object is stored with. */
const optionsOf = ({ CacheControl, CannedACL = '', KMSEncryptionKeyARN: kmsKey }: Job['configuration']) => ({
  ...(CacheControl === undefined ? {} : { CacheControl }),
  ...(isCannedAcl(CannedACL) ? { ACL: CannedACL } : {}),
  ...(kmsKey === undefined ? {} : encryptionOf({ kmsKey })),
})
type Options = ReturnType<typeof optionsOf>

/** Puts every file of the archive into the bucket. yauzl refuses names that leave the archive. */
const extract = async ({ s3 }: Caller, archive: string, { bucket, prefix, options }: Target): Promise<void> => {
  const zip = await openPromise(archive).catch(() => {
    throw new ActionFailure('ConfigurationError', 'The input artifact is not a zip archive.')
  })
  let entries = 0
  let bytes = 0
  try {
    for await (const entry of zip.eachEntry()) {
      entries += 1
      bytes += entry.uncompressedSize
      if (entries > limits.entries || bytes > limits.bytes)
        throw new ActionFailure('ConfigurationError', 'The input artifact is too large to extract.')
      if (isFolder(entry)) continue
      if (isLink(entry))
        throw new ActionFailure('ConfigurationError', `The input artifact holds a symbolic link: ${entry.fileName}`)
      const key = `${prefix}${entry.fileName}`
      const content = await zip.openReadStreamPromise(entry)
      try {
        await s3.putObject({
          Bucket: bucket,
          Key: key,
          Body: content,
          ContentLength: entry.uncompressedSize,
          ContentType: contentTypeOf(key),
          ...options,
        })
      } finally {
        content.destroy()
      }
    }
  } catch (error) {
    // What yauzl finds wrong with the archive: names that leave it, lengths that lie.
    if (error instanceof AwsError || error instanceof ActionFailure) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new ActionFailure('ConfigurationError', `The input artifact cannot be extracted: ${why}`)
  } finally {
    zip.close()
  }
}

/** Fetches an artifact into a file. */
export const download = async ({ s3 }: Caller, { bucket, key }: Artifact, file: string): Promise<void> => {
  const { Body } = await s3.getObject({ Bucket: bucket, Key: key })
  await pipeline(Body instanceof Readable ? Body : Readable.from(Body ? [Body] : []), createWriteStream(file))
}

const start = async ({ ctx, id, configuration, inputs, role }: Job): Promise<Progress> => {
  const { BucketName: bucket = '', ObjectKey = '' } = configuration
  const options = optionsOf(configuration)
  const [input] = inputs
  if (!input) throw new ActionFailure('ConfigurationError', 'The action has no input artifact.')
  const caller = await role()
  if (!isTrue(configuration.Extract)) {
    await caller.s3.copyObject({
      Bucket: bucket,
      Key: ObjectKey,
      CopySource: copySource(input),
      MetadataDirective: 'REPLACE',
      ContentType: contentTypeOf(ObjectKey),
      ...options,
    })
  } else {
    const folder = join(ctx.folder(), 'deploy')
    const archive = join(folder, `${id}.zip`)
    await mkdir(folder, { recursive: true })
    try {
      await download(caller, input, archive)
      const prefix = ObjectKey === '' || ObjectKey.endsWith('/') ? ObjectKey : `${ObjectKey}/`
      await extract(caller, archive, { bucket, prefix, options })
    } finally {
      await rm(archive, { force: true })
    }
  }
  return { state: 'succeeded', external: { summary: 'Deployment Succeeded' } }
}

/** "Amazon S3 deploy action reference", CodePipeline user guide. */
export const s3Deploy: ActionKind = {
  category: 'Deploy',
  provider: 'S3',
  properties: [
    { name: 'BucketName', required: true, description: 'The bucket to deploy to.' },
    { name: 'Extract', required: true, description: 'Whether the files of the archive are deployed, or the archive.' },
    { name: 'ObjectKey', required: false, description: 'The object, or with Extract the folder: required without it.' },
    { name: 'CacheControl', required: false, description: 'The Cache-Control header of the objects.' },
    { name: 'CannedACL', required: false, description: 'The canned access control list.' },
    { name: 'KMSEncryptionKeyARN', required: false, description: 'The key that encrypts the objects.' },
  ],
  inputs: [1, 1],
  outputs: [0, 0],
  timeoutMinutes: 90,
  check: ({ configuration = {} }) => {
    const { CannedACL, Extract = '', ObjectKey } = configuration
    if (CannedACL !== undefined && !CannedACL.includes('#{') && !isCannedAcl(CannedACL))
      return `CannedACL ${CannedACL} is not one of ${cannedAcls.join(', ')}`
    const odd = checkBooleans({ Extract }, 'Extract')
    if (odd) return odd
    if (!isTrue(Extract) && !ObjectKey) return 'ObjectKey is required when Extract is false'
    return undefined
  },
  start,
  urls: {
    entity: (ctx, { BucketName = '' }) =>
      `https://console.aws.amazon.com/s3/buckets/${BucketName}?region=${ctx.region}`,
  },
}
