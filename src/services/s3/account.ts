import { type ReadTx, table } from '../../store/store.ts'
import type { BucketRecord, PublicAccessBlock } from './bucket.ts'

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
