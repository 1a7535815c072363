import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../../store/store.ts'
import { accessDenied } from '../operation.ts'
import type { Tag, Tagged } from '../tags.ts'
import { Grant, getGrant, getInstance, getLocation, Instance, Location } from './grant.ts'

/** ARNs of an instance, its locations and its grants. */
export const grantsPattern =
  /^arn:aws:s3:([a-z0-9-]+):(\d{12}):access-grants\/default(?:\/(location|grant)\/([a-zA-Z0-9-]+))?$/

const readTags = async (tx: ReadTx, kind: string | undefined, id: string): Promise<readonly Tag[]> => {
  if (kind === 'location') return (await getLocation(tx, id)).tags
  return kind === 'grant' ? (await getGrant(tx, id)).tags : (await getInstance(tx)).tags
}

const writeTags = async (tx: WriteTx, kind: string | undefined, id: string, tags: readonly Tag[]): Promise<void> => {
  if (kind === 'location') tx.put(Location, { ...(await getLocation(tx, id)), tags })
  else if (kind === 'grant') tx.put(Grant, { ...(await getGrant(tx, id)), tags })
  else tx.put(Instance, { ...(await getInstance(tx)), tags })
}

/** Throws AccessDenied for another account's or Region's, and what says that it is not there. */
export const findGrantsResource = (ctx: Ctx, account: string, arn: string): Tagged => {
  const [, region, owner, kind, id = ''] = grantsPattern.exec(arn) ?? []
  if (owner !== account || region !== ctx.region) throw accessDenied()
  return {
    read: () => ctx.read((tx) => readTags(tx, kind, id)),
    write: (tags) => ctx.write((tx) => writeTags(tx, kind, id, tags)),
  }
}

/** Its tags, for conditions on them; `undefined` where it is not there. */
export const tagsOfGrantsResource = async (
  ctx: Ctx,
  arn: string,
): Promise<Readonly<Record<string, string>> | undefined> => {
  const [, region = '', account = '', kind, id = ''] = grantsPattern.exec(arn) ?? []
  try {
    const tags = await ctx.at({ account, region }).read((tx) => readTags(tx, kind, id))
    return Object.fromEntries(tags.map(({ key, value }) => [key, value]))
  } catch (error) {
    if (error instanceof AwsError) return undefined
    throw error
  }
}
