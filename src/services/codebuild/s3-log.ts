import { createReadStream, createWriteStream } from 'node:fs'
import { appendFile, mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type BuildRecord, type PhaseContext, s3LogOf, serviceRoleOf } from './build.ts'
import { encryptionOf, ownerAccessOf, putObjectOf } from './upload.ts'

// The log of a build as an object: `LOCATION/BUILD-UUID.gz`. Until the build ends its lines are kept on this host.

const spoolOf = (ctx: Ctx, { uuid }: Pick<BuildRecord, 'uuid'>) => join(ctx.folder(), 'logs', `${uuid}.log`)

/** Keeps lines for the log's end. */
export const spool = async (ctx: Ctx, build: Pick<BuildRecord, 'uuid'>, lines: readonly string[]): Promise<void> => {
  const file = spoolOf(ctx, build)
  const text = `${lines.join('\n')}\n`
  await appendFile(file, text, { mode: 0o600 }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await appendFile(file, text, { mode: 0o600 })
  })
}

/**
 * Puts the log of a build that ends where its settings say, under the service role. May be repeated.
 * @returns why it could not be put there.
 */
export const deliverLog = async (ctx: Ctx, build: BuildRecord): Promise<PhaseContext | undefined> => {
  const place = s3LogOf(build)
  const settings = build.logsConfig?.s3Logs
  const file = spoolOf(ctx, build)
  if (!place || !(await stat(file).catch(() => undefined))) return undefined
  const packed = `${file}.gz`
  try {
    await pipeline(createReadStream(file), createGzip(), createWriteStream(packed, { mode: 0o600 }))
    const role = serviceRoleOf(ctx, build)
    const to = {
      Bucket: place.bucket,
      Key: place.key,
      ...encryptionOf(build.encryptionKey, settings?.encryptionDisabled),
      ...(await ownerAccessOf(role, place.bucket, settings?.bucketOwnerAccess)),
    }
    await putObjectOf(role, to, packed, 'application/gzip')
    return undefined
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
    return { code: 'CLIENT_ERROR', message: `Unable to upload the log to S3: ${error.code}: ${error.message}` }
  } finally {
    await rm(packed, { force: true })
  }
}

/** Forgets what was kept of a log. */
export const dropSpool = (ctx: Ctx, build: Pick<BuildRecord, 'uuid'>): Promise<void> =>
  rm(spoolOf(ctx, build), { force: true })
