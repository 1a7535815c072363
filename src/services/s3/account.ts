import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, table } from '../../store/store.ts'
import type { AccountBlocks, Buckets } from '../capabilities.ts'
import { Bucket, type BucketRecord, type PublicAccessBlock } from './bucket.ts'

/** What an account has set for all its buckets. */
type AccountBlockRecord = PublicAccessBlock & { readonly account: string }
export const AccountBlock = table<AccountBlockRecord>('s3.account-public-access-block', {
  scope: 'global',
  key: ({ account }) => account,
})

/** The bucket's public access block together with its account's: the stricter of each ("Blocking public access", S3 user guide). */
export const publicAccessOf = async (
  tx: ReadTx,
  { account, publicAccessBlock: own }: Pick<BucketRecord, 'account' | 'publicAccessBlock'>,
): Promise<PublicAccessBlock> => {
  const all = await tx.get(AccountBlock, account)
  return {
    blockPublicAcls: (own?.blockPublicAcls || all?.blockPublicAcls) ?? false,
    ignorePublicAcls: (own?.ignorePublicAcls || all?.ignorePublicAcls) ?? false,
    blockPublicPolicy: (own?.blockPublicPolicy || all?.blockPublicPolicy) ?? false,
    restrictPublicBuckets: (own?.restrictPublicBuckets || all?.restrictPublicBuckets) ?? false,
  }
}

/** What S3 Control sets. The table is global: any place will do. */
export const makeAccountBlocks = (at: (place: Place) => Ctx): AccountBlocks => {
  const ctx = (account: string) => at({ account, region: 'us-east-1' })
  return {
    find: async (account) => {
      const found = await ctx(account).read((tx) => tx.get(AccountBlock, account))
      if (!found) return undefined
      const { account: _, ...block } = found
      return block
    },
    put: async (account, block) => {
      await ctx(account).write(async (tx) => tx.put(AccountBlock, { ...block, account }))
    },
    delete: (account) => ctx(account).write(async (tx) => tx.delete(AccountBlock, account)),
  }
}

export const makeBuckets = (at: (place: Place) => Ctx): Buckets => {
  const ctx = at({ account: '000000000000', region: 'us-east-1' })
  return {
    find: async (name) => {
      const found = await ctx.read((tx) => tx.get(Bucket, name))
      // A table's files are in a bucket that nobody names.
      if (found?.table !== undefined) return undefined
      return found && { account: found.account, region: found.region, tags: found.tags ?? [] }
    },
    tag: (name, tags) =>
      ctx.write(async (tx) => {
        const found = await tx.get(Bucket, name)
        if (!found) return
        const { tags: _, ...bucket } = found
        tx.put(Bucket, tags.length > 0 ? { ...bucket, tags } : bucket)
      }),
  }
}
