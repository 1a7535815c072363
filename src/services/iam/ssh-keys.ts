import type { SSHPublicKeyMetadata } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { sshKeyId, stamp } from './ids.ts'
import { namedOrCaller } from './names.ts'
import { fail, type Operation } from './operation.ts'
import { pageOfTable, tail } from './page.ts'
import { getEntity, type SshKeyRecord, SshKeys, type UserRecord } from './records.ts'
import { fingerprint, readSshKey, toPem, toSshLine, unrecognized } from './ssh-encoding.ts'
import { isActive } from './statuses.ts'

const toMetadata = (user: UserRecord, key: SshKeyRecord): SSHPublicKeyMetadata => ({
  UserName: user.name,
  SSHPublicKeyId: key.id,
  Status: key.active ? 'Active' : 'Inactive',
  UploadDate: new Date(key.uploaded),
})

const toKey = (user: UserRecord, key: SshKeyRecord, body: string) => ({
  UserName: user.name,
  SSHPublicKeyId: key.id,
  Fingerprint: key.fingerprint,
  SSHPublicKeyBody: body,
  Status: key.active ? ('Active' as const) : ('Inactive' as const),
  UploadDate: new Date(key.uploaded),
})

const getKey = async (tx: ReadTx, userName: string, id: string) => {
  const user = await getEntity(tx, 'user', userName)
  const key = await tx.get(SshKeys, id)
  if (!key || key.user !== user.id)
    throw fail('NoSuchEntityException', `The SSH Public Key with id ${id} cannot be found.`)
  return { user, key }
}

const UploadSSHPublicKey: Operation<'UploadSSHPublicKey'> = (ctx, { UserName, SSHPublicKeyBody }) => {
  const print = fingerprint(readSshKey(SSHPublicKeyBody))
  return ctx.write(async (tx) => {
    const user = await getEntity(tx, 'user', UserName)
    const own = await tx.list(SshKeys, { index: 'user', equals: user.id })
    if (own.some((key) => key.fingerprint === print))
      throw fail(
        'DuplicateSSHPublicKeyException',
        'The SSH public key is already associated with the specified IAM user.',
      )
    if (own.length >= 5) throw fail('LimitExceededException', 'Cannot exceed quota for SSHPublicKeysPerUser: 5')
    const key = tx.put(SshKeys, {
      id: sshKeyId(ctx),
      user: user.id,
      body: SSHPublicKeyBody,
      fingerprint: print,
      active: true,
      uploaded: stamp(ctx),
    })
    return { SSHPublicKey: toKey(user, key, key.body) }
  })
}

/** In the form asked for. A key in the form it was uploaded in is as it was given, comment and all. */
const bodyIn = (encoding: 'SSH' | 'PEM', { body }: SshKeyRecord): string => {
  const text = body.trim()
  if (encoding === 'PEM' ? text.startsWith('-----BEGIN PUBLIC KEY') : text.startsWith('ssh-rsa')) return body
  const key = readSshKey(body)
  return encoding === 'PEM' ? toPem(key) : toSshLine(key)
}

const GetSSHPublicKey: Operation<'GetSSHPublicKey'> = async (ctx, { UserName, SSHPublicKeyId, Encoding }) => {
  if (Encoding !== 'SSH' && Encoding !== 'PEM') throw unrecognized()
  const { user, key } = await ctx.read((tx) => getKey(tx, UserName, SSHPublicKeyId))
  return { SSHPublicKey: toKey(user, key, bodyIn(Encoding, key)) }
}

const ListSSHPublicKeys: Operation<'ListSSHPublicKeys'> = (ctx: Ctx, input) =>
  ctx.read(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    const page = await pageOfTable(tx, SshKeys, input, () => true, { index: 'user', equals: user.id })
    return { SSHPublicKeys: page.items.map((key) => toMetadata(user, key)), ...tail(page) }
  })

const UpdateSSHPublicKey: Operation<'UpdateSSHPublicKey'> = async (ctx, { UserName, SSHPublicKeyId, Status }) => {
  await ctx.write(async (tx) => {
    const { key } = await getKey(tx, UserName, SSHPublicKeyId)
    tx.put(SshKeys, { ...key, active: isActive(Status) })
  })
  return {}
}

const DeleteSSHPublicKey: Operation<'DeleteSSHPublicKey'> = async (ctx, { UserName, SSHPublicKeyId }) => {
  await ctx.write(async (tx) => tx.delete(SshKeys, (await getKey(tx, UserName, SSHPublicKeyId)).key.id))
  return {}
}

export const sshKeys = {
  UploadSSHPublicKey,
  GetSSHPublicKey,
  ListSSHPublicKeys,
  UpdateSSHPublicKey,
  DeleteSSHPublicKey,
}
