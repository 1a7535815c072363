import type { ServiceSpecificCredential, ServiceSpecificCredentialMetadata } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { ReadTx } from '../../store/store.ts'
import { stamp, uniqueId } from './ids.ts'
import { namedOrCaller } from './names.ts'
import { fail, invalid, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { type ServiceCredentialRecord, ServiceCredentials, User, type UserRecord } from './records.ts'

// Git credentials (IAM user guide, "Use IAM with CodeCommit: Git credentials, SSH keys, and AWS access keys").

const passwordAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='

const toMetadata = (user: UserRecord, record: ServiceCredentialRecord): ServiceSpecificCredentialMetadata => ({
  UserName: user.name,
  Status: record.active ? 'Active' : 'Inactive',
  ServiceUserName: record.userName,
  CreateDate: new Date(record.created),
  ServiceSpecificCredentialId: record.id,
  ServiceName: record.service,
})

/** With the password, which is told once. */
const toCredential = (
  user: UserRecord,
  record: ServiceCredentialRecord,
  password: string,
): ServiceSpecificCredential => ({
  CreateDate: new Date(record.created),
  ServiceName: record.service,
  ServiceUserName: record.userName,
  ServicePassword: password,
  ServiceSpecificCredentialId: record.id,
  UserName: user.name,
  Status: record.active ? 'Active' : 'Inactive',
})

const ownerOf = (ctx: Ctx, user: UserRecord) => `${ctx.account}/${user.id}`

/** Two per user and service: `alice-at-123456789012`, and `alice+1-at-123456789012`. */
const CreateServiceSpecificCredential: Operation<'CreateServiceSpecificCredential'> = async (ctx, input) => {
  const service = input.ServiceName
  if (service !== 'codecommit.amazonaws.com') {
    if (service === 'cassandra.amazonaws.com' || service === 'bedrock.amazonaws.com')
      throw notImplemented(`service-specific credentials for ${service}`)
    throw fail(
      'ServiceNotSupportedException',
      `No such service ${service} is supported for Service Specific Credentials`,
    )
  }
  if (input.CredentialAgeDays !== undefined)
    throw invalid('Credential age is not supported for service codecommit.amazonaws.com.')
  const password = ctx.random(44, passwordAlphabet)
  return ctx.write(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    const own = await tx.list(ServiceCredentials, { index: 'user', equals: ownerOf(ctx, user) })
    if (own.length >= 2)
      throw fail('LimitExceededException', 'Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2')
    const names = [`${user.name}-at-${ctx.account}`, `${user.name}+1-at-${ctx.account}`]
    const userName = names.find((name) => !own.some((record) => record.userName === name))!
    const record = tx.put(ServiceCredentials, {
      id: uniqueId(ctx, 'ACCA'),
      account: ctx.account,
      user: user.id,
      service,
      userName,
      password: ctx.seal(password),
      active: true,
      created: stamp(ctx),
    })
    return { ServiceSpecificCredential: toCredential(user, record, password) }
  })
}

/** Of one user, or of all users of the account. */
const ListServiceSpecificCredentials: Operation<'ListServiceSpecificCredentials'> = (ctx, input) =>
  ctx.read(async (tx) => {
    if (input.AllUsers && input.UserName !== undefined)
      throw invalid('UserName and AllUsers cannot be specified together.')
    const users = input.AllUsers ? await tx.list(User) : [await namedOrCaller(ctx, tx, input.UserName)]
    const found = await Promise.all(
      users.map(async (user) => {
        const own = await tx.list(ServiceCredentials, { index: 'user', equals: ownerOf(ctx, user) })
        return own.map((record) => ({ user, record }))
      }),
    )
    const kept = found
      .flat()
      .filter(({ record }) => input.ServiceName === undefined || record.service === input.ServiceName)
    const page = pageOfList(kept, ({ record }) => record.id, input)
    return {
      ServiceSpecificCredentials: page.items.map(({ user, record }) => toMetadata(user, record)),
      ...tail(page),
    }
  })

const getCredential = async (ctx: Ctx, tx: ReadTx, userName: string | undefined, id: string) => {
  const user = await namedOrCaller(ctx, tx, userName)
  const record = await tx.get(ServiceCredentials, id)
  if (!record || record.account !== ctx.account || record.user !== user.id)
    throw fail('NoSuchEntityException', `No such credential ${id} exists`)
  return { user, record }
}

const UpdateServiceSpecificCredential: Operation<'UpdateServiceSpecificCredential'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const { record } = await getCredential(ctx, tx, input.UserName, input.ServiceSpecificCredentialId)
    tx.put(ServiceCredentials, { ...record, active: input.Status === 'Active' })
  })
  return {}
}

const ResetServiceSpecificCredential: Operation<'ResetServiceSpecificCredential'> = async (ctx, input) => {
  const password = ctx.random(44, passwordAlphabet)
  return ctx.write(async (tx) => {
    const { user, record } = await getCredential(ctx, tx, input.UserName, input.ServiceSpecificCredentialId)
    const reset = tx.put(ServiceCredentials, { ...record, password: ctx.seal(password) })
    return { ServiceSpecificCredential: toCredential(user, reset, password) }
  })
}

const DeleteServiceSpecificCredential: Operation<'DeleteServiceSpecificCredential'> = async (ctx, input) => {
  await ctx.write(async (tx) => {
    const { record } = await getCredential(ctx, tx, input.UserName, input.ServiceSpecificCredentialId)
    tx.delete(ServiceCredentials, record.id)
  })
  return {}
}

export const serviceCredentials = {
  CreateServiceSpecificCredential,
  ListServiceSpecificCredentials,
  UpdateServiceSpecificCredential,
  ResetServiceSpecificCredential,
  DeleteServiceSpecificCredential,
}
