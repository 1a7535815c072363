import { createHash, createPrivateKey, generateKeyPair, sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { Chain, type ChainRecord, Delivered, type DeliveredRecord, DigestDue } from './cursor.ts'
import { noteStatus, putAsCloudTrail } from './deliver.ts'
import { logsRoot } from './destinations.ts'
import { fail, type Operation, toText } from './operation.ts'
import { coveredStreams, placeOfStream, Trail, type TrailRecord } from './trail.ts'

// Digest files ("CloudTrail digest file structure", "Custom implementations of CloudTrail log file integrity
// validation"): every hour, one per account and Region, signed, each naming the one before.

const HOUR = 3_600_000
export const ALGORITHM = 'SHA256withRSA'
/** How long a public key is said to be good for. */
const VALIDITY = 10 * 365 * 86_400_000

type KeyRecord = {
  readonly region: string
  /** PKCS #1 DER in base64. */
  readonly publicKey: string
  /** PKCS #8 PEM, sealed. */
  readonly privateKey: string
  readonly fingerprint: string
  readonly created: number
}
/** The key pair of each Region, made when its first digest is signed. */
export const Key = table<KeyRecord>('cloudtrail.key', { scope: 'global', key: ({ region }) => region })

const makePair = promisify(generateKeyPair)

const keyOf = async (ctx: Ctx, region: string): Promise<KeyRecord> => {
  const known = await ctx.read((tx) => tx.get(Key, region))
  if (known) return known
  const pair = await makePair('rsa', { modulusLength: 2048 })
  const der = pair.publicKey.export({ type: 'pkcs1', format: 'der' })
  const made: KeyRecord = {
    region,
    publicKey: der.toString('base64'),
    privateKey: ctx.seal(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    // An identifier, not a protection: what is signed is hashed with SHA-256.
    fingerprint: createHash('md5').update(der).digest('hex'),
    created: ctx.now().getTime(),
  }
  return ctx.write(async (tx) => (await tx.get(Key, region)) ?? tx.put(Key, made))
}

/** Signs a text with a Region's key; the signature in hexadecimal. */
export const signWith = async (
  ctx: Ctx,
  region: string,
  text: string,
): Promise<{ signature: string; fingerprint: string }> => {
  const { privateKey, fingerprint } = await keyOf(ctx, region)
  const key = createPrivateKey(ctx.unseal(privateKey))
  return { signature: sign('RSA-SHA256', Buffer.from(text), key).toString('hex'), fingerprint }
}

/** Public keys of this Region that were valid at some time between two times; the last day unless told. */
export const ListPublicKeys: Operation<'ListPublicKeys'> = async (ctx, { StartTime, EndTime, NextToken }) => {
  if (NextToken !== undefined) throw fail('InvalidTokenException', 'The token is invalid.')
  const to = EndTime?.getTime() ?? ctx.now().getTime()
  const from = StartTime?.getTime() ?? Math.min(to, ctx.now().getTime()) - 24 * HOUR
  if (from > to) throw fail('InvalidTimeRangeException', 'The start time must be before the end time.')
  const key = await ctx.read((tx) => tx.get(Key, ctx.region))
  // A key is made with the first digest it signs, which covers the hours before.
  const begins = key ? key.created - 24 * HOUR : 0
  if (!key || begins > to || key.created + VALIDITY < from) return { PublicKeyList: [] }
  return {
    PublicKeyList: [
      {
        Value: new Uint8Array(Buffer.from(key.publicKey, 'base64')),
        ValidityStartTime: new Date(begins),
        ValidityEndTime: new Date(key.created + VALIDITY),
        Fingerprint: key.fingerprint,
      },
    ],
  }
}

/** A trail with validation begins to log: a new chain, its first digest in an hour. */
export const startDigests = (ctx: Ctx, tx: WriteTx, trail: TrailRecord): void => {
  const since = ctx.now().getTime()
  tx.put(DigestDue, { trail: trail.arn, since, due: since + HOUR })
  tx.wake('cloudtrail.digest', trail.arn, { in: HOUR })
}

const compact = (time: number) => `${new Date(time).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`

const digestOf = (
  trail: TrailRecord,
  place: { account: string; region: string },
  chain: ChainRecord,
  end: number,
  fingerprint: string,
  files: readonly DeliveredRecord[],
): { key: string; text: string } => {
  const day = new Date(end).toISOString().slice(0, 10).replaceAll('-', '/')
  const kind = 'CloudTrail-Digest'
  const name = `${place.account}_${kind}_${place.region}_${trail.name}_${trail.region}_${compact(end)}.json.gz`
  const key = `${logsRoot(trail, place.account)}/${kind}/${place.region}/${day}/${name}`
  const { previous } = chain
  const text = JSON.stringify({
    awsAccountId: place.account,
    digestStartTime: toText(chain.end),
    digestEndTime: toText(end),
    digestS3Bucket: trail.bucket,
    digestS3Object: key,
    digestPublicKeyFingerprint: fingerprint,
    digestSignatureAlgorithm: ALGORITHM,
    newestEventTime:
      files
        .map(({ newest }) => newest)
        .sort()
        .at(-1) ?? null,
    oldestEventTime: files.map(({ oldest }) => oldest).sort()[0] ?? null,
    previousDigestS3Bucket: previous?.bucket ?? null,
    previousDigestS3Object: previous?.key ?? null,
    previousDigestHashValue: previous?.hash ?? null,
    previousDigestHashAlgorithm: previous ? 'SHA-256' : null,
    previousDigestSignature: previous?.signature ?? null,
    logFiles: files.map((file) => ({
      s3Bucket: file.bucket,
      s3Object: file.key,
      hashValue: file.hash,
      hashAlgorithm: 'SHA-256',
      newestEventTime: file.newest,
      oldestEventTime: file.oldest,
    })),
  })
  return { key, text }
}

/** The digest of one place up to `end`; the same again when a server died over it. */
const deliverDigest = async (
  ctx: Ctx,
  trail: TrailRecord,
  stream: string,
  since: number,
  end: number,
): Promise<void> => {
  const place = placeOfStream(stream)
  const at = `${place.account}/${place.region}`
  const { chain, files } = await ctx.read(async (tx) => {
    const known = await tx.get(Chain, `${trail.arn}|${at}`)
    const waiting = await tx.list(Delivered, { prefix: `${trail.arn}|${at}|` })
    // Logging that began anew begins a new chain: nothing vouches for the time between.
    const chain = known && known.end >= since ? known : { trail: trail.arn, place: at, end: since }
    return { chain, files: waiting.filter(({ time }) => time < end) }
  })
  if (chain.end >= end) return
  const pair = await keyOf(ctx, place.region)
  const { key, text } = digestOf(trail, place, chain, end, pair.fingerprint, files)
  const hash = createHash('sha256').update(text).digest('hex')
  const signed = [toText(end), `${trail.bucket}/${key}`, hash, chain.previous?.signature ?? 'null'].join('\n')
  const { signature } = await signWith(ctx, place.region, signed)
  await putAsCloudTrail(ctx, trail, { key, text, metadata: { signature, 'signature-algorithm': ALGORITHM } })
  await ctx.write(async (tx) => {
    if (!(await tx.get(Trail, trail.arn))) return
    tx.put(Chain, { trail: trail.arn, place: at, end, previous: { bucket: trail.bucket, key, hash, signature } })
    for (const file of files) tx.delete(Delivered, Delivered.key(file))
  })
}

/** Digest files of one trail, every hour while it logs, and once more after it has stopped. Key: the trail's ARN. */
export const digest: Reconciler = {
  name: 'cloudtrail.digest',
  step: async (ctx, arn) => {
    const { trail, due } = await ctx.read(async (tx) => ({
      trail: await tx.get(Trail, arn),
      due: await tx.get(DigestDue, arn),
    }))
    if (!trail?.validation || !due) return done()
    const now = ctx.now().getTime()
    if (now < due.due) return again({ in: due.due - now })
    // After a long time without a server, one digest covers it. Whole seconds, as names and records have it.
    const end = Math.floor((now >= due.due + HOUR ? now : due.due) / 1000) * 1000
    try {
      for (const stream of await coveredStreams(ctx, trail)) await deliverDigest(ctx, trail, stream, due.since, end)
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      await noteStatus(ctx, arn, { digestError: error.code })
      return again({ in: HOUR / 12 })
    }
    await noteStatus(ctx, arn, { digestDelivered: now, digestError: undefined })
    if (!trail.logging) {
      await ctx.write(async (tx) => tx.delete(DigestDue, arn))
      return done()
    }
    const next = end + HOUR
    await ctx.write(async (tx) => {
      const present = await tx.get(DigestDue, arn)
      if (present?.since === due.since) tx.put(DigestDue, { ...present, due: next })
    })
    return again({ in: Math.max(0, next - now) })
  },
}
