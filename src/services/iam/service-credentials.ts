import type { ServiceSpecificCredential, ServiceSpecificCredentialMetadata } from '@aws-sdk/client-iam'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { stamp, uniqueId } from './ids.ts'
import { namedOrCaller } from './names.ts'
import { fail, invalid, type Operation } from './operation.ts'
import { pageOfList, tail } from './page.ts'
import { type ServiceCredentialRecord, ServiceCredentials, User, type UserRecord } from './records.ts'
import { isActive } from './statuses.ts'

// Credentials for one service each (IAM user guide, "Service-specific credentials for IAM users"): user name and password for
// git and Cassandra's clients, a bearer token ("API key") for Bedrock and CloudWatch Logs.

const passwordAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='
const tokenAlphabet = passwordAlphabet.slice(0, -1)
const day = 24 * 60 * 60 * 1000

/** By service: what its API keys start with, where it has API keys. Only those may expire. */
const kinds: Readonly<Record<string, { readonly apiKey?: string }>> = {
  'codecommit.amazonaws.com': {},
  'cassandra.amazonaws.com': {},
  'bedrock.amazonaws.com': { apiKey: 'ABSK' },
  'logs.amazonaws.com': { apiKey: 'ACWL' },
}

const perService = 2

const secretFor = (ctx: Ctx, service: string, userName: string): string => {
  const start = kinds[service]?.apiKey
  if (start === undefined) return ctx.random(44, passwordAlphabet)
  return `${start}${Buffer.from(`${userName}:${ctx.random(44, tokenAlphabet)}`).toString('base64')}`
}

const statusOf = (ctx: Ctx, { active, expires }: ServiceCredentialRecord): 'Active' | 'Inactive' | 'Expired' => {
  if (expires !== undefined && expires <= ctx.now().getTime()) return 'Expired'
  return active ? 'Active' : 'Inactive'
}

const toMetadata = (
  ctx: Ctx,
  user: UserRecord,
  record: ServiceCredentialRecord,
): ServiceSpecificCredentialMetadata => ({
  UserName: user.name,
  Status: statusOf(ctx, record),
  ...(kinds[record.service]?.apiKey === undefined
    ? { ServiceUserName: record.userName }
    : { ServiceCredentialAlias: record.userName }),
  CreateDate: new Date(record.created),
  ...(record.expires === undefined ? {} : { ExpirationDate: new Date(record.expires) }),
  ServiceSpecificCredentialId: record.id,
  ServiceName: record.service,
})

/** With the password or API key, which is told once. */
const toCredential = (
  ctx: Ctx,
  user: UserRecord,
  record: ServiceCredentialRecord,
  secret: string,
): ServiceSpecificCredential => ({
  ...toMetadata(ctx, user, record),
  ...(kinds[record.service]?.apiKey === undefined ? { ServicePassword: secret } : { ServiceCredentialSecret: secret }),
})

const ownerOf = (ctx: Ctx, user: UserRecord) => `${ctx.account}/${user.id}`

/** Two per user and service: `alice-at-123456789012`, and `alice+1-at-123456789012`. */
const CreateServiceSpecificCredential: Operation<'CreateServiceSpecificCredential'> = async (ctx, input) => {
  const service = input.ServiceName
  const kind = Object.hasOwn(kinds, service) ? kinds[service] : undefined
  if (!kind)
    throw fail(
      'ServiceNotSupportedException',
      `No such service ${service} is supported for Service Specific Credentials`,
    )
  if (input.CredentialAgeDays !== undefined && kind.apiKey === undefined)
    throw invalid(`Credential age is not supported for service ${service}.`)
  return ctx.write(async (tx) => {
    const user = await namedOrCaller(ctx, tx, input.UserName)
    const all = await tx.list(ServiceCredentials, { index: 'user', equals: ownerOf(ctx, user) })
    const own = all.filter((record) => record.service === service)
    if (own.length >= perService)
      throw fail('LimitExceededException', `Cannot exceed quota for ServiceSpecificCredentialsPerUser: ${perService}`)
    const names = [`${user.name}-at-${ctx.account}`, `${user.name}+1-at-${ctx.account}`]
    const userName = names.find((name) => !own.some((record) => record.userName === name))!
    const secret = secretFor(ctx, service, userName)
    const created = stamp(ctx)
    const record: ServiceCredentialRecord = tx.put(ServiceCredentials, {
      id: uniqueId(ctx, 'ACCA'),
      account: ctx.account,
      user: user.id,
      service,
      userName,
      password: ctx.seal(secret),
      active: true,
      created,
      ...(input.CredentialAgeDays === undefined ? {} : { expires: created + input.CredentialAgeDays * day }),
    })
    return { ServiceSpecificCredential: toCredential(ctx, user, record, secret) }
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
      ServiceSpecificCredentials: page.items.map(({ user, record }) => toMetadata(ctx, user, record)),
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
    tx.put(ServiceCredentials, { ...record, active: isActive(input.Status) })
  })
  return {}
}

const ResetServiceSpecificCredential: Operation<'ResetServiceSpecificCredential'> = async (ctx, input) =>
  ctx.write(async (tx) => {
    const { user, record } = await getCredential(ctx, tx, input.UserName, input.ServiceSpecificCredentialId)
    const secret = secretFor(ctx, record.service, record.userName)
    const reset = tx.put(ServiceCredentials, { ...record, password: ctx.seal(secret) })
    return { ServiceSpecificCredential: toCredential(ctx, user, reset, secret) }
  })

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
