import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type Place, type ReadTx, table } from '../../store/store.ts'
import type { AccessPointFacts, AccessPoints } from '../capabilities.ts'
import { AccountBlock } from './account.ts'
import { Bucket, type PublicAccessBlock } from './bucket.ts'
import { fail } from './operation.ts'
import { isPublic } from './public-policy.ts'

// Named doors to a bucket, each with a policy of its own ("Managing access to shared datasets with access points", S3 user
// guide). S3 Control makes them; here is how a request finds one.

export type AccessPointRecord = AccessPointFacts

export const AccessPoint = table<AccessPointRecord>('s3.access-point', {
  scope: 'global',
  key: ({ account, region, name }) => keyOf(account, region, name),
  index: { alias: ({ alias }) => alias, bucket: ({ bucket }) => bucket },
})

const keyOf = (account: string, region: string, name: string) => `${account}\0${region}\0${name}`

export const accessPointArn = ({
  account,
  region,
  name,
}: Pick<AccessPointRecord, 'account' | 'region' | 'name'>): string =>
  `arn:aws:s3:${region}:${account}:accesspoint/${name}`

const arnPattern = /^arn:aws:s3:([a-z0-9-]+):(\d{12}):accesspoint[/:]([a-z0-9-]+)$/

const noSuchAccessPoint = (name: string) =>
  fail('NoSuchAccessPoint', 'The specified accesspoint does not exist', { AccessPointName: name })

/** An access point by its ARN. */
export const accessPointByArn = (tx: ReadTx, arn: string): Promise<AccessPointRecord | undefined> => {
  const [, region = '', account = '', name = ''] = arnPattern.exec(arn) ?? []
  return tx.get(AccessPoint, keyOf(account, region, name))
}

/**
 * The access point that stands in a bucket's place: by its ARN, its alias, or as SDKs put it before an endpoint of one's own
 * (`NAME-ACCOUNT.localhost`). `undefined` for a bucket's name. Throws NoSuchAccessPoint, InvalidAccessPointAliasError.
 */
export const accessPointNamed = async (ctx: Ctx, name: string): Promise<AccessPointRecord | undefined> => {
  if (name.endsWith('-s3alias'))
    return ctx.read(async (tx) => {
      const [found] = await tx.list(AccessPoint, { index: 'alias', equals: name, limit: 1 })
      if (!found) throw fail('InvalidAccessPointAliasError', 'The specified access point alias name is not valid.')
      return found
    })
  if (name.startsWith('arn:'))
    return ctx.read(async (tx) => {
      const found = await accessPointByArn(tx, name)
      if (!found && arnPattern.test(name)) throw noSuchAccessPoint(name.split('/').at(-1) ?? '')
      return found
    })
  const [, point, account] = /^([a-z0-9-]{3,50})-(\d{12})$/.exec(name) ?? []
  if (point === undefined || account === undefined || !ctx.request.headers.host?.startsWith(`${name}.`))
    return undefined
  // A bucket may be named so, and comes first.
  return ctx.read(async (tx) =>
    (await tx.get(Bucket, name)) ? undefined : tx.get(AccessPoint, keyOf(account, ctx.region, point)),
  )
}

/** The bucket that a call is about, through an access point too; `undefined` where there is none to be told. */
export const calledBucket = async (ctx: Ctx, name: unknown): Promise<string | undefined> => {
  if (typeof name !== 'string') return undefined
  try {
    return (await accessPointNamed(ctx, name))?.bucket ?? name
  } catch (error) {
    if (error instanceof AwsError) return undefined
    throw error
  }
}

/** An access point's block together with its account's: the stricter of each. */
export const blockOf = async (
  tx: ReadTx,
  { account, publicAccessBlock: own }: AccessPointRecord,
): Promise<PublicAccessBlock> => {
  const all = await tx.get(AccountBlock, account)
  return {
    blockPublicAcls: own.blockPublicAcls || (all?.blockPublicAcls ?? false),
    ignorePublicAcls: own.ignorePublicAcls || (all?.ignorePublicAcls ?? false),
    blockPublicPolicy: own.blockPublicPolicy || (all?.blockPublicPolicy ?? false),
    restrictPublicBuckets: own.restrictPublicBuckets || (all?.restrictPublicBuckets ?? false),
  }
}

/** Access points of its own owner's account: they keep a bucket from being deleted. */
export const hasAccessPoints = async (tx: ReadTx, bucket: { name: string; account: string }): Promise<boolean> =>
  (await tx.list(AccessPoint, { index: 'bucket', equals: bucket.name })).some(
    ({ account }) => account === bucket.account,
  )

/** What S3 Control makes of them. The table is global: any place will do. */
export const makeAccessPoints = (at: (place: Place) => Ctx): AccessPoints => {
  const ctx = at({ account: '000000000000', region: 'us-east-1' })
  return {
    create: (point) =>
      ctx.write(async (tx) => {
        if (await tx.get(AccessPoint, AccessPoint.key(point))) return false
        tx.put(AccessPoint, point)
        return true
      }),
    find: (account, region, name) => ctx.read((tx) => tx.get(AccessPoint, keyOf(account, region, name))),
    list: (account, region, after, limit) =>
      ctx.read((tx) =>
        tx.list(AccessPoint, {
          prefix: keyOf(account, region, ''),
          ...(after === undefined ? {} : { after: keyOf(account, region, after) }),
          limit,
        }),
      ),
    change: (account, region, name, change) =>
      ctx.write(async (tx) => {
        const found = await tx.get(AccessPoint, keyOf(account, region, name))
        if (!found) return false
        const next = change(found)
        if (next) tx.put(AccessPoint, next)
        else tx.delete(AccessPoint, AccessPoint.key(found))
        return true
      }),
    isPublic: ({ vpc }, document) => vpc === undefined && isPublic(document),
    block: (point) => ctx.read((tx) => blockOf(tx, point)),
  }
}
