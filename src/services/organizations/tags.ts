import type { Tag } from '@aws-sdk/client-organizations'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { asDelegate, asReader } from './caller.ts'
import { findManaged } from './managed.ts'
import { fail, invalid, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import {
  Accounts,
  change,
  type OrganizationRecord,
  Organizations,
  Policies,
  type Tags,
  Transfers,
  Units,
} from './records.ts'
import { findMember, findUnit } from './tree.ts'

const most = 50

/** Tags as they will be kept. Throws InvalidInputException, ConstraintViolationException. */
export const withTags = (present: Tags, given: readonly Tag[] = []): Tags => {
  const keys = new Set(given.map(({ Key }) => Key))
  if (keys.size !== given.length) throw invalid('DUPLICATE_TAG_KEY', 'You specified a tag key more than once.')
  if (given.some(({ Key }) => Key?.toLowerCase().startsWith('aws:')))
    throw invalid('INVALID_SYSTEM_TAGS_PARAMETER', 'You specified a tag key that is reserved for AWS use.')
  const tags = { ...present, ...Object.fromEntries(given.map(({ Key, Value }) => [Key ?? '', Value ?? ''])) }
  if (Object.keys(tags).length > most)
    throw violates('MAX_TAG_LIMIT_EXCEEDED', 'You have exceeded the number of tags allowed on this resource.')
  return tags
}

/** Something that has tags, and how it is kept with others. */
type Tagged = { readonly tags: Tags; readonly keep: (tx: WriteTx, tags: Tags) => void }

/** A root, unit, account, policy, delegation policy or transfer of the organization. */
export const findTagged = async (
  tx: ReadTx,
  organization: OrganizationRecord,
  id: string,
): Promise<Tagged | undefined> => {
  const { delegation } = organization
  if (id === organization.root)
    return { tags: organization.rootTags, keep: (w, rootTags) => w.put(Organizations, { ...organization, rootTags }) }
  if (delegation && id === delegation.id)
    return {
      tags: delegation.tags,
      keep: (w, tags) => w.put(Organizations, { ...organization, delegation: { ...delegation, tags } }),
    }
  if (id.startsWith('ou-')) {
    const unit = await findUnit(tx, organization, id)
    return unit && { tags: unit.tags, keep: (w, tags) => w.put(Units, { ...unit, tags }) }
  }
  if (id.startsWith('p-')) {
    const policy = await tx.get(Policies, id)
    if (policy?.organization !== organization.id) return undefined
    return { tags: policy.tags, keep: (w, tags) => w.put(Policies, { ...policy, tags }) }
  }
  if (id.startsWith('rt-')) {
    const transfer = await tx.get(Transfers, id)
    if (transfer?.organization !== organization.id) return undefined
    return { tags: transfer.tags, keep: (w, tags) => w.put(Transfers, { ...transfer, tags }) }
  }
  const account = await findMember(tx, organization, id)
  return (
    account && {
      tags: account.joined.tags,
      keep: (w, tags) => w.put(Accounts, { ...account, joined: { ...account.joined, tags } }),
    }
  )
}

const getTagged = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<Tagged> => {
  if (findManaged(id)) throw invalid('IMMUTABLE_POLICY', 'You specified a policy that is managed by AWS.')
  const found = await findTagged(tx, organization, id)
  if (!found) throw fail('TargetNotFoundException', "You specified a target that doesn't exist.")
  return found
}

export const TagResource: Operation<'TagResource'> = (ctx, { ResourceId, Tags: given }) =>
  change(ctx, async (tx) => {
    const tagged = await getTagged(tx, await asDelegate(tx, ctx), ResourceId)
    tagged.keep(tx, withTags(tagged.tags, given))
    return {}
  })

export const UntagResource: Operation<'UntagResource'> = (ctx, { ResourceId, TagKeys }) =>
  change(ctx, async (tx) => {
    const tagged = await getTagged(tx, await asDelegate(tx, ctx), ResourceId)
    tagged.keep(tx, Object.fromEntries(Object.entries(tagged.tags).filter(([key]) => !TagKeys.includes(key))))
    return {}
  })

export const ListTagsForResource: Operation<'ListTagsForResource'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { tags } = await getTagged(tx, await asReader(tx, ctx), input.ResourceId)
    const all = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const { page, NextToken } = pageOf(all, ({ Key }) => Key, { ...input, MaxResults: most })
    return { Tags: page, NextToken }
  })
