import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { publicAccessOf } from './account.ts'
import {
  type Acl,
  type AclAsked,
  aclAsked,
  grantsOthers,
  hasGrantHeaders,
  isPublicAcl,
  ownersAcl,
  toGrants,
} from './acl.ts'
import { Bucket, type BucketRecord, bucketOf, ownerOf } from './bucket.ts'
import { emitAclUpdated } from './events.ts'
import { find, missing, versionIdOf } from './object.ts'
import { fail, malformedXml, type Operation } from './operation.ts'
import { replicatingChange } from './replication.ts'
import { type ObjectFacts, replaceVersion } from './versions.ts'

// Whose objects are, and the lists that share them ("Controlling ownership of objects and disabling ACLs", S3 user guide).

const noAcls = () => fail('AccessControlListNotSupported', 'The bucket does not allow ACLs')

const hasAcls = ({ ownership }: BucketRecord): boolean => ownership !== undefined

const checkPublic = async (tx: ReadTx, bucket: BucketRecord, acl: Acl): Promise<void> => {
  if (isPublicAcl(acl) && (await publicAccessOf(tx, bucket)).blockPublicAcls)
    throw fail('AccessDenied', 'Access Denied')
}

/**
 * Whose a new object becomes, and its list. Throws AccessControlListNotSupported where the bucket's owner owns everything
 * and the request says otherwise, AccessDenied for a public list that is blocked.
 */
export const ownedAs = async (
  { principal }: Ctx,
  tx: ReadTx,
  bucket: BucketRecord,
  input: AclAsked,
): Promise<Pick<ObjectFacts, 'owner' | 'acl'>> => {
  if (!hasAcls(bucket)) {
    const harmless = input.ACL === undefined || input.ACL === 'private' || input.ACL === 'bucket-owner-full-control'
    if (!harmless || hasGrantHeaders(input)) throw noAcls()
    return {}
  }
  const foreign = principal.account !== '' && principal.account !== bucket.account
  const handedOver = bucket.ownership === 'BucketOwnerPreferred' && input.ACL === 'bucket-owner-full-control'
  const owner = foreign && !handedOver ? principal.account : bucket.account
  const acl = aclAsked(input, owner, bucket.account)
  if (acl) await checkPublic(tx, bucket, acl)
  return { ...(owner === bucket.account ? {} : { owner }), ...(acl && grantsOthers(acl, owner) ? { acl } : {}) }
}

export const PutBucketOwnershipControls: Operation<'PutBucketOwnershipControls'> = (ctx, input) => {
  const ownership = input.OwnershipControls.Rules[0]?.ObjectOwnership
  if (input.OwnershipControls.Rules.length !== 1 || ownership === undefined) throw malformedXml()
  return ctx.write(async (tx) => {
    const { ownership: _, ...bucket } = await bucketOf(ctx, tx, input)
    if (ownership === 'BucketOwnerEnforced' && bucket.acl && grantsOthers(bucket.acl, bucket.account))
      throw fail(
        'InvalidBucketAclWithObjectOwnership',
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
      )
    tx.put(Bucket, ownership === 'BucketOwnerEnforced' ? bucket : { ...bucket, ownership })
    return {}
  })
}

export const GetBucketOwnershipControls: Operation<'GetBucketOwnershipControls'> = async (ctx, input) => {
  const { name, ownership = 'BucketOwnerEnforced' } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  if (ownership === 'none')
    throw fail('OwnershipControlsNotFoundError', 'The bucket ownership controls were not found', { BucketName: name })
  return { OwnershipControls: { Rules: [{ ObjectOwnership: ownership }] } }
}

/** Without controls a bucket is as all were once: lists count, and uploaders own what they upload. */
export const DeleteBucketOwnershipControls: Operation<'DeleteBucketOwnershipControls'> = (ctx, input) =>
  ctx.write(async (tx) => {
    tx.put(Bucket, { ...(await bucketOf(ctx, tx, input)), ownership: 'none' })
    return {}
  })

export const GetBucketAcl: Operation<'GetBucketAcl'> = async (ctx, input) => {
  const { account, acl } = await ctx.read((tx) => bucketOf(ctx, tx, input))
  return { Owner: ownerOf(account), Grants: toGrants(acl ?? ownersAcl(account)) }
}

export const GetObjectAcl: Operation<'GetObjectAcl'> = async (ctx, input) => {
  const found = await ctx.read((tx) => find(ctx, tx, input))
  const { bucket, record } = found
  if (!record) throw await missing(ctx, found, input)
  const lists = hasAcls(bucket)
  const owner = (lists ? record.owner : undefined) ?? bucket.account
  return {
    Owner: ownerOf(owner),
    Grants: toGrants((lists ? record.acl : undefined) ?? ownersAcl(owner)),
    ...versionIdOf(bucket, record),
  }
}

const given = (input: AclAsked, owner: string, bucketOwner?: string): Acl => {
  const acl = aclAsked(input, owner, bucketOwner)
  if (!acl)
    throw fail('MissingSecurityHeader', 'Your request was missing a required header', {
      MissingHeaderName: 'x-amz-acl',
    })
  return acl
}

export const PutBucketAcl: Operation<'PutBucketAcl'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { acl: _, ...bucket } = await bucketOf(ctx, tx, input)
    if (!hasAcls(bucket)) throw noAcls()
    const acl = given(input, bucket.account)
    await checkPublic(tx, bucket, acl)
    tx.put(Bucket, { ...bucket, acl })
    return {}
  })

export const PutObjectAcl: Operation<'PutObjectAcl'> = async (ctx, input) => {
  const found = await ctx.write(async (tx) => {
    const found = await find(ctx, tx, input)
    const { bucket, record } = found
    if (!record) return found
    if (!hasAcls(bucket)) {
      // What changes nothing is accepted.
      if (input.ACL === 'bucket-owner-full-control' && !input.AccessControlPolicy && !hasGrantHeaders(input))
        return found
      throw noAcls()
    }
    const { acl: _, ...rest } = record
    const acl = given(input, record.owner ?? bucket.account, bucket.account)
    await checkPublic(tx, bucket, acl)
    await replaceVersion(tx, { ...rest, acl })
    await replicatingChange(tx, bucket, { ...rest, acl })
    emitAclUpdated(ctx, tx, bucket, record)
    return found
  })
  if (!found.record) throw await missing(ctx, found, input)
  return {}
}
