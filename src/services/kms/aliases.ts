import type { AliasListEntry } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { Alias, type AliasRecord, aliasArn, getCustomerKey, getOwnKey, type KeyRecord, refuseStates } from './key.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'

const MOST_PER_KEY = 50

/** Raises InvalidAliasNameException, ValidationException's kin of KMS. */
const checkName = (name: string): void => {
  if (!name.startsWith('alias/')) throw fail('InvalidAliasNameException', 'Invalid identifier')
  if (name === 'alias/' || !/^alias\/[a-zA-Z0-9/_-]+$/.test(name))
    throw fail('InvalidAliasNameException', `${name} contains invalid characters for an alias`)
  if (name.startsWith('alias/aws/'))
    throw fail('InvalidAliasNameException', 'Alias names beginning with alias/aws/ are reserved for AWS managed keys.')
}

const toEntry = (ctx: Ctx, { name, key, created, updated }: AliasRecord): AliasListEntry => ({
  AliasName: name,
  AliasArn: aliasArn(ctx.place, name),
  TargetKeyId: key,
  CreationDate: new Date(created),
  LastUpdatedDate: new Date(updated),
})

export const CreateAlias: Operation<'CreateAlias'> = async (ctx, { AliasName, TargetKeyId }) => {
  checkName(AliasName)
  await ctx.write(async (tx) => {
    const key = refuseStates(
      await getCustomerKey(tx, ctx.place, TargetKeyId),
      'PendingDeletion',
      'PendingReplicaDeletion',
    )
    if (await tx.get(Alias, AliasName))
      throw fail('AlreadyExistsException', `An alias with the name ${aliasArn(ctx.place, AliasName)} already exists`)
    if ((await tx.list(Alias, { index: 'key', equals: key.id })).length >= MOST_PER_KEY)
      throw fail('LimitExceededException', 'You have reached the limit of aliases for this key.')
    const now = ctx.now().getTime()
    tx.put(Alias, { name: AliasName, key: key.id, created: now, updated: now })
  })
  return {}
}

const kind = ({ spec, usage }: KeyRecord) =>
  spec === 'SYMMETRIC_DEFAULT' || spec.startsWith('HMAC') ? spec : `asymmetric ${usage}`

/** The alias goes to another key of the same kind and usage. */
export const UpdateAlias: Operation<'UpdateAlias'> = async (ctx, { AliasName, TargetKeyId }) => {
  checkName(AliasName)
  await ctx.write(async (tx) => {
    const alias = await tx.get(Alias, AliasName)
    if (!alias) throw fail('NotFoundException', `Alias ${aliasArn(ctx.place, AliasName)} is not found.`)
    const next = refuseStates(
      await getCustomerKey(tx, ctx.place, TargetKeyId),
      'PendingDeletion',
      'PendingReplicaDeletion',
    )
    const present = await getOwnKey(tx, ctx.place, alias.key)
    if (kind(next) !== kind(present))
      throw fail(
        'KMSInvalidStateException',
        'The current and new key must be the same type (both symmetric or both asymmetric or both HMAC) and have the same key usage.',
      )
    tx.put(Alias, { ...alias, key: next.id, updated: ctx.now().getTime() })
  })
  return {}
}

export const DeleteAlias: Operation<'DeleteAlias'> = async (ctx, { AliasName }) => {
  checkName(AliasName)
  await ctx.write(async (tx) => {
    if (!(await tx.get(Alias, AliasName)))
      throw fail('NotFoundException', `Alias ${aliasArn(ctx.place, AliasName)} is not found.`)
    tx.delete(Alias, AliasName)
  })
  return {}
}

export const ListAliases: Operation<'ListAliases'> = async (ctx, input) => {
  const aliases = await ctx.read(async (tx) => {
    if (input.KeyId === undefined) return tx.list(Alias)
    const { id } = await getOwnKey(tx, ctx.place, input.KeyId)
    return tx.list(Alias, { index: 'key', equals: id })
  })
  const { items, tail } = pageOf(aliases, input, ({ name }) => name, 50)
  return { Aliases: items.map((alias) => toEntry(ctx, alias)), ...tail }
}
