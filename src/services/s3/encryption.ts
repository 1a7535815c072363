import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { table } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { awsManagedKeys } from '../capabilities.ts'
import { type BucketRecord, bucketArn } from './bucket.ts'
import { fail } from './operation.ts'
import type { ObjectKey } from './segments.ts'

// How an object's key is kept: by S3 itself, under a KMS key, or by the customer alone ("Protecting data with encryption",
// S3 user guide).

/** Absent for objects that were stored before there was encryption at rest. */
export type Encryption =
  /** `key`: sealed under the server's key. */
  | { readonly mode: 'AES256'; readonly key: string }
  | {
      readonly mode: 'aws:kms' | 'aws:kms:dsse'
      readonly kmsKey: string
      /** Base64, KMS's ciphertext: of the object's key or, with `wrapped`, of the bucket key. */
      readonly ciphertext: string
      /** The object's key under the bucket key. */
      readonly wrapped?: string
      /** What the caller added to the encryption context. */
      readonly context?: Readonly<Record<string, string>>
    }
  /** The key itself is not kept: the salt, and what only the key makes of it. */
  | { readonly mode: 'customer'; readonly salt: string; readonly proof: string }

/** What a request says of encryption. */
export type EncryptionAsked = {
  readonly ServerSideEncryption?: string | undefined
  readonly SSEKMSKeyId?: string | undefined
  readonly SSEKMSEncryptionContext?: string | undefined
  readonly BucketKeyEnabled?: boolean | undefined
} & CustomerKeyGiven
export type CustomerKeyGiven = {
  readonly SSECustomerAlgorithm?: string | undefined
  readonly SSECustomerKey?: string | undefined
  readonly SSECustomerKeyMD5?: string | undefined
}

/** An object's place and how its key is kept. */
type Kept = { readonly bucket: string; readonly key: string; readonly encryption?: Encryption }

const invalid = (message: string, name: string, value?: unknown) =>
  fail('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value ?? 'null' })

const withCustomerKeys = 'Requests specifying Server Side Encryption with Customer provided keys must provide'

/** The customer's key of a request, its MD5 verified. Throws InvalidArgument, InvalidEncryptionAlgorithmError. */
const customerKeyOf = (given: CustomerKeyGiven): Buffer | undefined => {
  const { SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: md5 } = given
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined
  const header = 'x-amz-server-side-encryption-customer'
  if (algorithm === undefined) throw invalid(`${withCustomerKeys} a valid encryption algorithm.`, `${header}-algorithm`)
  if (algorithm !== 'AES256')
    throw fail(
      'InvalidEncryptionAlgorithmError',
      'The encryption request you specified is not valid. Supported value: AES256.',
      { ArgumentName: `${header}-algorithm`, ArgumentValue: algorithm },
    )
  if (key === undefined) throw invalid(`${withCustomerKeys} an appropriate secret key.`, `${header}-key`)
  if (md5 === undefined)
    throw invalid(`${withCustomerKeys} the client calculated MD5 of the secret key.`, `${header}-key-MD5`)
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length !== 32) throw invalid('The secret key was invalid for the specified algorithm.', `${header}-key`)
  if (createHash('md5').update(bytes).digest('base64') !== md5)
    throw invalid('The calculated MD5 hash of the key did not match the hash that was provided.', `${header}-key-MD5`)
  return bytes
}

/** The headers of a copy's source, in the words of all others. */
export const copySourceKey = (input: {
  readonly CopySourceSSECustomerAlgorithm?: string | undefined
  readonly CopySourceSSECustomerKey?: string | undefined
  readonly CopySourceSSECustomerKeyMD5?: string | undefined
}): CustomerKeyGiven => ({
  SSECustomerAlgorithm: input.CopySourceSSECustomerAlgorithm,
  SSECustomerKey: input.CopySourceSSECustomerKey,
  SSECustomerKeyMD5: input.CopySourceSSECustomerKeyMD5,
})

const isKms = (mode: string | undefined): mode is 'aws:kms' | 'aws:kms:dsse' =>
  mode === 'aws:kms' || mode === 'aws:kms:dsse'

/** What a request may say of encryption, whatever the bucket. Throws InvalidArgument. */
export const checkEncryptionAsked = (asked: EncryptionAsked): void => {
  const { ServerSideEncryption: mode } = asked
  const customerKey = customerKeyOf(asked)
  if (mode !== undefined && mode !== 'AES256' && !isKms(mode))
    throw invalid('The encryption method specified is not supported', 'x-amz-server-side-encryption', mode)
  if (customerKey && mode !== undefined)
    throw invalid(
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      'x-amz-server-side-encryption',
      mode,
    )
  if (!isKms(mode) && (asked.SSEKMSKeyId !== undefined || asked.SSEKMSEncryptionContext !== undefined))
    throw invalid(
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
      'x-amz-server-side-encryption',
      mode,
    )
  contextGiven(asked.SSEKMSEncryptionContext)
}

const contextGiven = (header: string | undefined): Readonly<Record<string, string>> | undefined => {
  if (header === undefined) return undefined
  const name = 'x-amz-server-side-encryption-context'
  try {
    const context: unknown = JSON.parse(Buffer.from(header, 'base64').toString('utf8'))
    if (typeof context === 'object' && context !== null && !Array.isArray(context)) {
      const pairs = Object.entries(context)
      if (pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string')) return Object.fromEntries(pairs)
    }
  } catch {
    // Told below.
  }
  throw invalid(
    `The header '${name}' shall be a Base64-encoded UTF-8 string holding JSON with string pairs.`,
    name,
    header,
  )
}

/** A key for a new object or upload, and how it will be kept. */
export type NewKey = { readonly encryption: Encryption; readonly key: ObjectKey }

/**
 * Makes the key of an object to be: as the request says, else as the bucket's default says. KMS is asked with the caller's
 * own rights. Throws AccessDenied where the bucket blocks customers' keys, and KMS's errors.
 */
export const newKey = async (ctx: Ctx, bucket: BucketRecord, key: string, asked: EncryptionAsked): Promise<NewKey> => {
  const customerKey = customerKeyOf(asked)
  if (customerKey) {
    if (bucket.customerKeys !== 'allowed')
      throw fail(
        'AccessDenied',
        'Server-side encryption with customer-provided keys (SSE-C) is blocked for this bucket.',
      )
    return withCustomerKey(customerKey)
  }
  const byDefault = asked.ServerSideEncryption === undefined
  const mode = asked.ServerSideEncryption ?? bucket.encryption?.algorithm ?? 'AES256'
  if (!isKms(mode)) {
    const bytes = randomBytes(32)
    return { encryption: { mode: 'AES256', key: ctx.seal(bytes.toString('base64')) }, key: { bytes, layers: 1 } }
  }
  return withKms(ctx, {
    mode,
    bucket,
    key,
    keyId: byDefault ? bucket.encryption?.keyId : asked.SSEKMSKeyId,
    context: contextGiven(asked.SSEKMSEncryptionContext),
    bucketKey: mode === 'aws:kms' && (asked.BucketKeyEnabled ?? bucket.bucketKey ?? false),
  })
}

const withCustomerKey = (customerKey: Uint8Array): NewKey => {
  const salt = randomBytes(16).toString('base64')
  return {
    encryption: { mode: 'customer', salt, proof: proofOf(customerKey, salt).toString('base64') },
    key: { bytes: keyedBy(customerKey, salt), layers: 1 },
  }
}
const proofOf = (customerKey: Uint8Array, salt: string) =>
  createHmac('sha256', customerKey).update(`proof ${salt}`).digest()
const keyedBy = (customerKey: Uint8Array, salt: string) =>
  createHmac('sha256', customerKey).update(`object key ${salt}`).digest()

type KmsAsked = {
  readonly mode: 'aws:kms' | 'aws:kms:dsse'
  readonly bucket: BucketRecord
  readonly key: string
  readonly keyId: string | undefined
  readonly context: Readonly<Record<string, string>> | undefined
  readonly bucketKey: boolean
}

const withKms = async (ctx: Ctx, asked: KmsAsked): Promise<NewKey> => {
  const { mode, bucket, key, context, bucketKey } = asked
  const layers = mode === 'aws:kms:dsse' ? 2 : 1
  const place = { account: ctx.account, region: bucket.region }
  const keyId = asked.keyId ?? (await ctx.use(awsManagedKeys).arnOf(place, 's3'))
  const kept = { mode, ...(context ? { context } : {}) }
  if (bucketKey) {
    const { plain, ...made } = await presentBucketKey(ctx, bucket, keyId, context)
    const bytes = randomBytes(32)
    return { encryption: { ...kept, ...made, wrapped: wrap(plain, bytes) }, key: { bytes, layers } }
  }
  const { plain, ...made } = await dataKey(ctx, bucket, keyId, contextOf(bucket.name, key, false, context))
  return { encryption: { ...kept, ...made }, key: { bytes: plain, layers } }
}

/** With a bucket key the context names the bucket: one key serves all its objects. */
const contextOf = (
  bucket: string,
  key: string,
  bucketKey: boolean,
  added: Readonly<Record<string, string>> | undefined,
): Record<string, string> => ({ 'aws:s3:arn': bucketKey ? bucketArn(bucket) : `${bucketArn(bucket)}/${key}`, ...added })

/** KMS in the bucket's Region, with the caller's rights. Throws InvalidArgument for callers whom KMS cannot know. */
const kmsOf = (ctx: Ctx, region: string) => {
  if (ctx.principal.kind === 'anonymous')
    throw fail(
      'InvalidArgument',
      'Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.',
      { ArgumentName: 'Authorization', ArgumentValue: 'null' },
    )
  return ctx.as(ctx.principal, { region }).kms
}

/** KMS's errors as S3 tells them: a denial is one of S3's own, all others carry KMS's name. */
const asS3 = async <T>(ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    if (/^AccessDenied/.test(error.code)) throw fail('AccessDenied', error.message)
    throw new AwsError(`KMS.${error.code}`, error.message, { status: 400 })
  }
}

const dataKey = async (
  ctx: Ctx,
  { region }: BucketRecord,
  KeyId: string,
  EncryptionContext: Record<string, string>,
) => {
  const answer = await asS3(() => kmsOf(ctx, region).generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext }))
  const { Plaintext, CiphertextBlob, KeyId: kmsKey } = answer
  if (!Plaintext || !CiphertextBlob || kmsKey === undefined) throw new TypeError('KMS made no data key.')
  return { plain: Buffer.from(Plaintext), kmsKey, ciphertext: Buffer.from(CiphertextBlob).toString('base64') }
}

/** A key at the bucket's level, as S3 keeps it for a while for each requester ("Reducing the cost of SSE-KMS with S3 Bucket Keys"). */
type BucketKeyRecord = {
  readonly bucket: string
  /** As the caller named it, and who he is. */
  readonly named: string
  readonly requester: string
  readonly kmsKey: string
  readonly ciphertext: string
  /** Sealed. */
  readonly plain: string
  /** Epoch milliseconds. */
  readonly expires: number
}
const bucketKeyPrefix = (record: Pick<BucketKeyRecord, 'bucket' | 'named' | 'requester'>) =>
  `${record.bucket}\0${record.requester}\0${record.named}\0`
export const BucketKey = table<BucketKeyRecord>('s3.bucket-key', {
  scope: 'global',
  key: (record) => bucketKeyPrefix(record) + createHash('sha256').update(record.ciphertext).digest('hex'),
})
/** In milliseconds. */
const bucketKeyLife = 5 * 60_000

/** Forgets a bucket key once its time is over. */
export const bucketKeys: Reconciler = {
  name: 's3.bucket-keys',
  step: async (ctx, key) => {
    await ctx.write(async (tx) => tx.delete(BucketKey, key))
    return done()
  },
}

const remember = (ctx: Ctx, record: Omit<BucketKeyRecord, 'expires'>): Promise<void> =>
  ctx.write(async (tx) => {
    const kept = tx.put(BucketKey, { ...record, expires: ctx.now().getTime() + bucketKeyLife })
    tx.wake(bucketKeys.name, BucketKey.key(kept), { in: bucketKeyLife })
  })

const nameOf = (kmsKey: string, context: Readonly<Record<string, string>> | undefined) =>
  context ? `${kmsKey} ${JSON.stringify(context)}` : kmsKey

const presentBucketKey = async (
  ctx: Ctx,
  bucket: BucketRecord,
  keyId: string,
  context: Readonly<Record<string, string>> | undefined,
) => {
  const asker = { bucket: bucket.name, named: nameOf(keyId, context), requester: ctx.principal.arn }
  const [known] = await ctx.read((tx) => tx.list(BucketKey, { prefix: bucketKeyPrefix(asker), limit: 1 }))
  if (known && known.expires > ctx.now().getTime()) {
    const { kmsKey, ciphertext, plain } = known
    return { kmsKey, ciphertext, plain: Buffer.from(ctx.unseal(plain), 'base64') }
  }
  const made = await dataKey(ctx, bucket, keyId, contextOf(bucket.name, '', true, context))
  await remember(ctx, { ...asker, ...made, plain: ctx.seal(made.plain.toString('base64')) })
  return made
}

const wrap = (key: Uint8Array, bytes: Uint8Array): string => {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]).toString('base64')
}
const unwrap = (key: Uint8Array, wrapped: string): Buffer => {
  const bytes = Buffer.from(wrapped, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
  decipher.setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
}

const decrypted = async (ctx: Ctx, kept: Kept & { encryption: Extract<Encryption, { kmsKey: string }> }) => {
  const { bucket, key, encryption } = kept
  const { kmsKey, ciphertext, wrapped, context } = encryption
  const region = kmsKey.split(':')[3] ?? ctx.region
  const { Plaintext } = await asS3(() =>
    kmsOf(ctx, region).decrypt({
      KeyId: kmsKey,
      CiphertextBlob: Buffer.from(ciphertext, 'base64'),
      EncryptionContext: contextOf(bucket, key, wrapped !== undefined, context),
    }),
  )
  if (!Plaintext) throw new TypeError('KMS decrypted to nothing.')
  return Buffer.from(Plaintext)
}

const openedByKms = async (
  ctx: Ctx,
  kept: Kept & { encryption: Extract<Encryption, { kmsKey: string }> },
): Promise<Buffer> => {
  const { bucket, encryption } = kept
  const { kmsKey, ciphertext, wrapped, context } = encryption
  if (wrapped === undefined) return decrypted(ctx, kept)
  const record = { bucket, named: nameOf(kmsKey, context), requester: ctx.principal.arn, kmsKey, ciphertext }
  const known = await ctx.read((tx) => tx.get(BucketKey, BucketKey.key({ ...record, plain: '', expires: 0 })))
  if (known && known.expires > ctx.now().getTime())
    return unwrap(Buffer.from(ctx.unseal(known.plain), 'base64'), wrapped)
  const plain = await decrypted(ctx, kept)
  await remember(ctx, { ...record, plain: ctx.seal(plain.toString('base64')) })
  return unwrap(plain, wrapped)
}

/**
 * Refuses a customer's key that is wrong, missing or out of place for this object. Throws InvalidRequest, AccessDenied,
 * InvalidArgument.
 */
export const checkCustomerKey = (
  { encryption }: Pick<Kept, 'encryption'>,
  given: CustomerKeyGiven,
): Buffer | undefined => {
  const customerKey = customerKeyOf(given)
  if (encryption?.mode !== 'customer') {
    if (customerKey) throw fail('InvalidRequest', 'The encryption parameters are not applicable to this object.')
    return undefined
  }
  if (!customerKey)
    throw fail(
      'InvalidRequest',
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    )
  if (!isKeyOf(encryption, customerKey)) throw fail('AccessDenied', 'Access Denied')
  return customerKey
}

const isKeyOf = ({ salt, proof }: { salt: string; proof: string }, customerKey: Uint8Array): boolean =>
  timingSafeEqual(proofOf(customerKey, salt), Buffer.from(proof, 'base64'))

/**
 * The key of an object that is there: `undefined` for content that is not encrypted. KMS is asked with the caller's own
 * rights. Throws as `checkCustomerKey`, and KMS's errors.
 */
export const openKey = async (ctx: Ctx, kept: Kept, given: CustomerKeyGiven): Promise<ObjectKey | undefined> => {
  const { encryption } = kept
  const customerKey = checkCustomerKey(kept, given)
  if (!encryption) return undefined
  if (encryption.mode === 'AES256') return { bytes: Buffer.from(ctx.unseal(encryption.key), 'base64'), layers: 1 }
  if (encryption.mode === 'customer') return customerKey && { bytes: keyedBy(customerKey, encryption.salt), layers: 1 }
  return {
    bytes: await openedByKms(ctx, { ...kept, encryption }),
    layers: encryption.mode === 'aws:kms:dsse' ? 2 : 1,
  }
}

/** The key of an upload's parts. Throws InvalidRequest for another customer's key than it was begun with. */
export const partKey = async (ctx: Ctx, upload: Kept, given: CustomerKeyGiven): Promise<ObjectKey | undefined> => {
  const customerKey = customerKeyOf(given)
  const { encryption } = upload
  if (encryption?.mode !== 'customer' && customerKey)
    throw fail(
      'InvalidRequest',
      'The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.',
    )
  if (encryption?.mode === 'customer' && !customerKey)
    throw fail(
      'InvalidRequest',
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    )
  if (encryption?.mode === 'customer' && customerKey && !isKeyOf(encryption, customerKey))
    throw fail('InvalidRequest', 'The provided encryption parameters did not match the ones used originally.')
  return openKey(ctx, upload, given)
}

/** Keeps the key of an object anew, under a KMS key: its content stays as it is ("UpdateObjectEncryption", S3 API reference). */
export const keepUnderKms = async (
  ctx: Ctx,
  bucket: BucketRecord,
  object: { readonly key: string },
  bytes: Uint8Array,
  asked: { readonly kmsKey: string; readonly bucketKey: boolean },
): Promise<Encryption> => {
  if (asked.bucketKey) {
    const { plain, ...made } = await presentBucketKey(ctx, bucket, asked.kmsKey, undefined)
    return { mode: 'aws:kms', ...made, wrapped: wrap(plain, bytes) }
  }
  const { CiphertextBlob, KeyId } = await asS3(() =>
    kmsOf(ctx, bucket.region).encrypt({
      KeyId: asked.kmsKey,
      Plaintext: bytes,
      EncryptionContext: contextOf(bucket.name, object.key, false, undefined),
    }),
  )
  if (!CiphertextBlob || KeyId === undefined) throw new TypeError('KMS encrypted to nothing.')
  return { mode: 'aws:kms', kmsKey: KeyId, ciphertext: Buffer.from(CiphertextBlob).toString('base64') }
}

/** Members that tell how an object is encrypted. */
export const toEncryption = ({ encryption }: Pick<Kept, 'encryption'>, given: CustomerKeyGiven = {}) => {
  if (!encryption) return {}
  if (encryption.mode === 'AES256') return { ServerSideEncryption: 'AES256' as const }
  if (encryption.mode === 'customer')
    return {
      SSECustomerAlgorithm: 'AES256',
      ...(given.SSECustomerKeyMD5 === undefined ? {} : { SSECustomerKeyMD5: given.SSECustomerKeyMD5 }),
    }
  const { mode, kmsKey, wrapped } = encryption
  return {
    ServerSideEncryption: mode,
    SSEKMSKeyId: kmsKey,
    ...(wrapped === undefined ? {} : { BucketKeyEnabled: true }),
  }
}

/** Those, with the context that the caller added: in answers to whoever brought the object. */
export const toNewEncryption = (kept: Pick<Kept, 'encryption'>, given: CustomerKeyGiven = {}) => ({
  ...toEncryption(kept, given),
  ...(kept.encryption && 'context' in kept.encryption
    ? { SSEKMSEncryptionContext: Buffer.from(JSON.stringify(kept.encryption.context)).toString('base64') }
    : {}),
})

/** An entity tag is the MD5 of the bytes only where S3 keeps the key; else it tells nothing of them. */
export const etagOf = ({ encryption, key }: NewKey, md5: string): string => opaqueEtag(encryption, key, md5)
export const opaqueEtag = (encryption: Encryption | undefined, key: ObjectKey | undefined, md5: string): string =>
  !key || encryption?.mode === 'AES256'
    ? md5
    : createHmac('sha256', key.bytes).update(`etag ${md5}`).digest('hex').slice(0, 32)
