import type { Ctx } from '../../kernel/context.ts'
import type { Principal } from '../../kernel/principal.ts'
import type { Requirement } from '../../kernel/service.ts'
import type { Place, WriteTx } from '../../store/store.ts'
import { type TableStores, tableGuards } from '../capabilities.ts'
import { Bucket, type BucketRecord, noSuchBucket } from './bucket.ts'
import { drop, keeping, load, receive, stream } from './content.ts'
import { etagOf, newKey, openKey } from './encryption.ts'
import { withContent } from './object.ts'
import { fail } from './operation.ts'
import { requestKeys } from './request-keys.ts'
import { dropUploads } from './upload.ts'
import { Current, findCurrent, type ObjectRecord, placeOf, putCurrent } from './versions.ts'

// The files of tables of S3 Tables: objects of a bucket that is nobody's but the table's. Rights to the table's data open it,
// and a few operations reach it ("Actions for S3 Tables", S3 user guide).

const suffix = '--table-s3'

/** The right each operation needs; no others work on the files of a table. */
const actions: Readonly<Record<string, 's3tables:GetTableData' | 's3tables:PutTableData'>> = {
  GetObject: 's3tables:GetTableData',
  HeadObject: 's3tables:GetTableData',
  AbortMultipartUpload: 's3tables:PutTableData',
  CompleteMultipartUpload: 's3tables:PutTableData',
  CreateMultipartUpload: 's3tables:PutTableData',
  ListMultipartUploads: 's3tables:PutTableData',
  ListParts: 's3tables:PutTableData',
  PutObject: 's3tables:PutTableData',
  UploadPart: 's3tables:PutTableData',
}

type Input = Readonly<Record<string, unknown>>
type Operations = Readonly<Record<string, (...args: never[]) => unknown>>

const isStore = (name: unknown): name is string => typeof name === 'string' && name.endsWith(suffix)

/** A copy out of a table's files is no more allowed than one into them. */
const copiesFrom = ({ CopySource: source }: Input): boolean =>
  typeof source === 'string' && /^(?:\/|%2F)?[^/%?]*--table-s3(?:\/|%2F)/i.test(source)

const notAllowed = () =>
  fail('MethodNotAllowed', 'The specified method is not allowed against this resource.', { ResourceType: 'TABLE' })

/** What the caller must be allowed on the table whose files these are. Throws MethodNotAllowed, NoSuchBucket, AccessDenied. */
const requirementOf = async (ctx: Ctx, operation: string, name: string): Promise<Requirement> => {
  const action = actions[operation]
  if (!action) throw notAllowed()
  const arn = (await ctx.read((tx) => tx.get(Bucket, name)))?.table
  const table = arn === undefined ? undefined : await ctx.use(tableGuards).find(arn)
  if (arn === undefined || !table) throw noSuchBucket(name)
  if (table.readOnly && action === 's3tables:PutTableData') throw fail('AccessDenied', 'Access Denied')
  const tags = Object.entries(table.bucketTags).map(([key, value]) => [`s3tables:TableBucketTag/${key}`, value])
  return {
    action,
    resources: [arn],
    context: {
      ...requestKeys(ctx),
      's3tables:namespace': table.namespace,
      's3tables:tableName': table.name,
      ...Object.fromEntries(tags),
    },
  }
}

/** Rules that ask for the right to a table's data where a request is about its files. */
export const guardingTables = <R extends Operations>(rules: R): R =>
  Object.fromEntries(
    Object.entries(rules).map(([operation, rule]) => [
      operation,
      async (input: Input, ctx: Ctx) => {
        if (copiesFrom(input)) throw notAllowed()
        return isStore(input.Bucket) && operation !== 'CreateBucket'
          ? [await requirementOf(ctx, operation, input.Bucket)]
          : (rule as (input: Input, ctx: Ctx) => unknown)(input, ctx)
      },
    ]),
  ) as unknown as R

const chunk = 500

/** What S3 Tables does with the files itself. */
export const makeTableStores = (at: (place: Place) => Ctx): TableStores => {
  const ctxAs = (place: Place, as: Principal | undefined): Ctx => {
    const ctx = at(place)
    return as ? { ...ctx, principal: as } : ctx
  }
  const bucketOf = async (ctx: Ctx, name: string): Promise<BucketRecord> => {
    const bucket = await ctx.read((tx) => tx.get(Bucket, name))
    if (bucket?.table === undefined) throw noSuchBucket(name)
    return bucket
  }
  const dropObjects = async (tx: WriteTx, records: readonly ObjectRecord[]): Promise<void> => {
    for (const record of records) {
      tx.delete(Current, Current.key(record))
      await drop(tx, record.content)
    }
  }
  return {
    create: (place, { name, table, kmsKey }) =>
      at(place).write(async (tx) => {
        if (await tx.get(Bucket, name)) throw new Error(`There is a bucket ${name}.`)
        tx.put(Bucket, {
          name,
          ...place,
          table,
          created: at(place).now().getTime(),
          ...(kmsKey === undefined
            ? {}
            : { encryption: { algorithm: 'aws:kms' as const, keyId: kmsKey }, bucketKey: true }),
        })
      }),
    remove: async (place, name) => {
      const ctx = at(place)
      for (;;) {
        const left = await ctx.write(async (tx) => {
          const records = await tx.list(Current, { prefix: `${name}\0`, limit: chunk })
          await dropObjects(tx, records)
          if (records.length === chunk) return true
          await dropUploads(tx, name)
          tx.delete(Bucket, name)
          return false
        })
        if (!left) return
      }
    },
    put: async (place, name, key, bytes, as) => {
      const ctx = ctxAs(place, as)
      const bucket = await bucketOf(ctx, name)
      const made = await newKey(ctx, bucket, key, {})
      const received = await receive(ctx, bytes, { algorithm: 'CRC64NVME', key: made.key })
      await keeping(received, () =>
        ctx.write(async (tx) => {
          await putCurrent(ctx, tx, bucket, key, {
            etag: etagOf(made, received.md5),
            size: received.size,
            encryption: made.encryption,
            headers: { contentType: 'binary/octet-stream' },
            metadata: {},
            checksum: { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value: received.checksum },
            ...withContent(received.keep(tx)),
          })
        }),
      )
    },
    get: async (place, name, key, as) => {
      const ctx = ctxAs(place, as)
      const found = await ctx.read(async (tx) => {
        const record = await findCurrent(tx, name, key)
        return record && { record, loaded: await load(tx, record.content, record.size) }
      })
      if (!found) return undefined
      const content = stream(ctx, found.loaded, await openKey(ctx, found.record, {}))
      if (content instanceof Uint8Array) return content
      const chunks: Buffer[] = []
      for await (const bytes of content) chunks.push(bytes as Buffer)
      return Buffer.concat(chunks)
    },
    has: async (place, name, key) => (await at(place).read((tx) => findCurrent(tx, name, key))) !== undefined,
    list: async (place, name, after, limit) => {
      const options = { prefix: `${name}\0`, limit, ...(after === '' ? {} : { after: placeOf(name, after) }) }
      const records = await at(place).read((tx) => tx.list(Current, options))
      return records.map(({ key, size, modified }) => ({ key, size, modified }))
    },
    delete: (place, name, keys) =>
      at(place).write(async (tx) => {
        const records = []
        for (const key of keys) records.push(await findCurrent(tx, name, key))
        await dropObjects(
          tx,
          records.filter((record) => record !== undefined),
        )
      }),
  }
}
