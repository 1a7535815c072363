import type { AccessKeyMetadata } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { accessKeyId, stamp } from './ids.ts'
import { namedOrCaller } from './names.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { type AccessKeyRecord, AccessKeys, findById, User, type UserRecord } from './records.ts'
import { isActive } from './statuses.ts'

const secretAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const status = (active: boolean): 'Active' | 'Inactive' => (active ? 'Active' : 'Inactive')

const ownerOf = (ctx: Ctx, user: UserRecord) => `${ctx.account}/${user.id}`

const toMetadata = (user: UserRecord, key: AccessKeyRecord): AccessKeyMetadata => ({
  UserName: user.name,
  AccessKeyId: key.id,
  Status: status(key.active),
  CreateDate: new Date(key.created),
})

/** The only answer that ever tells the secret. */
const CreateAccessKey: Operation<'CreateAccessKey'> = async (ctx, { UserName }) => {
  const secret = ctx.random(40, secretAlphabet)
  return ctx.write(async (tx) => {
    const user = await namedOrCaller(ctx, tx, UserName)
    const keys = await tx.list(AccessKeys, { index: 'user', equals: ownerOf(ctx, user) })
    if (keys.length >= 2) throw fail('LimitExceededException', 'Cannot exceed quota for AccessKeysPerUser: 2')
    const key = tx.put(AccessKeys, {
      id: accessKeyId(ctx),
      account: ctx.account,
      user: user.id,
      secret: ctx.seal(secret),
      active: true,
      created: stamp(ctx),
    })
    return {
      AccessKey: {
        UserName: user.name,
        AccessKeyId: key.id,
        Status: status(key.active),
        SecretAccessKey: secret,
        CreateDate: new Date(key.created),
      },
    }
  })
}

/** The root user's keys are the server's own, and not listed. */
const ListAccessKeys: Operation<'ListAccessKeys'> = async (ctx, input) => {
  if (input.UserName === undefined && ctx.principal.kind === 'root')
    return { AccessKeyMetadata: [], IsTruncated: false }
  return ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    const page = await pageOfTable(tx, AccessKeys, input, () => true, { index: 'user', equals: ownerOf(ctx, user) })
    return { AccessKeyMetadata: page.items.map((key) => toMetadata(user, key)), ...tail(page) }
  })
}

const missing = (id: string) => fail('NoSuchEntityException', `The Access Key with id ${id} cannot be found.`)

const getKey = async (ctx: Ctx, tx: ReadTx, userName: string | undefined, id: string): Promise<AccessKeyRecord> => {
  const user = await namedOrCaller(ctx, tx, userName)
  const key = await tx.get(AccessKeys, id)
  if (!key || key.account !== ctx.account || key.user !== user.id) throw missing(id)
  return key
}

const UpdateAccessKey: Operation<'UpdateAccessKey'> = async (ctx, { UserName, AccessKeyId, Status }) => {
  await ctx.write(async (tx) => {
    const key = await getKey(ctx, tx, UserName, AccessKeyId)
    tx.put(AccessKeys, { ...key, active: isActive(Status) })
  })
  return {}
}

const DeleteAccessKey: Operation<'DeleteAccessKey'> = async (ctx, { UserName, AccessKeyId }) => {
  await ctx.write(async (tx) => tx.delete(AccessKeys, (await getKey(ctx, tx, UserName, AccessKeyId)).id))
  return {}
}

/** Exact to the minute. */
const GetAccessKeyLastUsed: Operation<'GetAccessKeyLastUsed'> = (ctx, { AccessKeyId }) =>
  ctx.read(async (tx) => {
    const key = await tx.get(AccessKeys, AccessKeyId)
    const user = key && key.account === ctx.account ? await findById(tx, User, key.user) : undefined
    if (!key || !user) throw missing(AccessKeyId)
    const used = key.lastUsed
    return {
      UserName: user.name,
      AccessKeyLastUsed: used
        ? { LastUsedDate: new Date(used.at), ServiceName: used.service, Region: used.region }
        : { LastUsedDate: undefined, ServiceName: 'N/A', Region: 'N/A' },
    }
  })

export const accessKeys = { CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed }
