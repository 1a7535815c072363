import type { CreateCustomKeyStoreRequest } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { invalidInput } from './invalid-input.ts'
import { Key } from './key.ts'
import {
  getStore,
  KeyStore,
  type KeyStoreRecord,
  type ProxySettings,
  storeNotFound,
  toStoreEntry,
} from './key-store.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { asOperation, ProxyFailure } from './xks-failure.ts'
import { checkHealth } from './xks-proxy.ts'

/** "Resource quotas", KMS developer guide. */
const MOST_STORES = 10

type Settings = Pick<
  CreateCustomKeyStoreRequest,
  | 'XksProxyAuthenticationCredential'
  | 'XksProxyConnectivity'
  | 'XksProxyUriEndpoint'
  | 'XksProxyUriPath'
  | 'XksProxyVpcEndpointServiceName'
  | 'XksProxyVpcEndpointServiceOwner'
>

/** There are no VPC endpoint services here, so none is found. Raises XksProxyVpcEndpointServiceNotFoundException, ValidationException. */
const refuseVpc = (input: Settings): void => {
  const { XksProxyConnectivity: connectivity, XksProxyVpcEndpointServiceName: service } = input
  if (connectivity === 'VPC_ENDPOINT_SERVICE' && service === undefined)
    throw invalidInput('XksProxyVpcEndpointServiceName is required for VPC_ENDPOINT_SERVICE connectivity.')
  if (connectivity === 'PUBLIC_ENDPOINT' && service !== undefined)
    throw invalidInput('XksProxyVpcEndpointServiceName cannot be given for PUBLIC_ENDPOINT connectivity.')
  if (service !== undefined)
    throw fail(
      'XksProxyVpcEndpointServiceNotFoundException',
      `AWS KMS could not find the VPC endpoint service ${service}.`,
    )
}

/** The settings as asked. Raises what `refuseVpc` does. */
const settingsOf = (ctx: Ctx, input: Settings): Partial<ProxySettings> => {
  refuseVpc(input)
  const { XksProxyAuthenticationCredential: credential } = input
  return {
    ...(input.XksProxyUriEndpoint === undefined ? {} : { endpoint: input.XksProxyUriEndpoint.toLowerCase() }),
    ...(input.XksProxyUriPath === undefined ? {} : { path: input.XksProxyUriPath }),
    ...(credential
      ? { accessKeyId: credential.AccessKeyId ?? '', secret: ctx.seal(credential.RawSecretAccessKey ?? '') }
      : {}),
  }
}

/** Raises CustomKeyStoreNameInUseException. */
const refuseName = async (tx: ReadTx, name: string | undefined, own?: string): Promise<void> => {
  if (name === undefined) return
  const [other] = await tx.list(KeyStore, { index: 'name', equals: name })
  if (other && other.id !== own)
    throw fail('CustomKeyStoreNameInUseException', `The custom key store name ${name} is already in use.`)
}

/** Raises XksProxyUriInUseException. */
const refuseUri = async (tx: ReadTx, { endpoint, path }: ProxySettings, own?: string): Promise<void> => {
  for (const store of await tx.list(KeyStore))
    if (store.id !== own && store.endpoint === endpoint && store.path === path)
      throw fail(
        'XksProxyUriInUseException',
        `The XKS proxy URI ${endpoint}${path} is already associated with another external key store in this Region.`,
      )
}

const isWhole = (settings: Partial<ProxySettings>): settings is ProxySettings =>
  ![settings.endpoint, settings.path, settings.accessKeyId, settings.secret].includes(undefined)

/** An external key store, its proxy asked first. There are no CloudHSM clusters, so none is found. */
export const CreateCustomKeyStore: Operation<'CreateCustomKeyStore'> = async (ctx, input) => {
  if (input.CustomKeyStoreType !== 'EXTERNAL_KEY_STORE') {
    if (input.CloudHsmClusterId === undefined)
      throw invalidInput('CloudHsmClusterId is required for a custom key store of type AWS_CLOUDHSM.')
    throw fail('CloudHsmClusterNotFoundException', `The CloudHSM cluster ${input.CloudHsmClusterId} was not found.`)
  }
  if (input.CloudHsmClusterId !== undefined || input.KeyStorePassword !== undefined || input.TrustAnchorCertificate)
    throw invalidInput('Parameters of a CloudHSM key store cannot be given for an external key store.')
  const settings = settingsOf(ctx, input)
  if (!isWhole(settings) || input.XksProxyConnectivity === undefined)
    throw invalidInput(
      'XksProxyConnectivity, XksProxyUriEndpoint, XksProxyUriPath and XksProxyAuthenticationCredential are required for an external key store.',
    )
  const refuse = async (tx: ReadTx) => {
    await refuseName(tx, input.CustomKeyStoreName)
    await refuseUri(tx, settings)
    if ((await tx.list(KeyStore)).length >= MOST_STORES)
      throw fail(
        'LimitExceededException',
        'You have reached the limit of custom key stores in this account and Region.',
      )
  }
  await ctx.read(refuse)
  await asOperation('store', () => checkHealth(ctx, settings, { operation: 'CreateCustomKeyStore' }))
  const store: KeyStoreRecord = {
    ...settings,
    id: `cks-${ctx.random(17)}`,
    name: input.CustomKeyStoreName,
    created: ctx.now().getTime(),
    state: 'DISCONNECTED',
  }
  await ctx.write(async (tx) => {
    await refuse(tx)
    tx.put(KeyStore, store)
  })
  return { CustomKeyStoreId: store.id }
}

export const DescribeCustomKeyStores: Operation<'DescribeCustomKeyStores'> = async (ctx, input) => {
  const { CustomKeyStoreId: id, CustomKeyStoreName: name } = input
  if (id !== undefined && name !== undefined)
    throw invalidInput('CustomKeyStoreId and CustomKeyStoreName cannot be given together.')
  const stores = await ctx.read((tx) =>
    name === undefined ? tx.list(KeyStore, { prefix: id ?? '' }) : tx.list(KeyStore, { index: 'name', equals: name }),
  )
  const wanted = stores.filter((store) => id === undefined || store.id === id)
  if (wanted.length === 0 && (id ?? name) !== undefined) throw storeNotFound(id ?? name)
  const { items, tail } = pageOf(wanted, input, (store) => store.id, 1000)
  return { CustomKeyStores: items.map(toStoreEntry), ...tail }
}

/** Raises CustomKeyStoreInvalidStateException. */
const inState = (store: KeyStoreRecord, ...states: KeyStoreRecord['state'][]): KeyStoreRecord => {
  if (!states.includes(store.state))
    throw fail(
      'CustomKeyStoreInvalidStateException',
      `The custom key store ${store.id} is ${store.state}. This operation is valid only when it is ${states.join(' or ')}.`,
    )
  return store
}

/** AWS names the store in the records of calls about it ("ConnectCustomKeyStore", logging examples of the developer guide). */
const recorded = (ctx: Ctx, { name }: KeyStoreRecord): Record<string, never> => {
  ctx.response.record = { additionalEventData: { customKeyStoreName: name } }
  return {}
}

/** Begins to connect: whether it succeeds is told by DescribeCustomKeyStores. */
export const ConnectCustomKeyStore: Operation<'ConnectCustomKeyStore'> = async (ctx, { CustomKeyStoreId }) => {
  const store = await ctx.write(async (tx) => {
    const found = inState(await getStore(tx, CustomKeyStoreId), 'DISCONNECTED', 'CONNECTING', 'CONNECTED')
    if (found.state !== 'DISCONNECTED') return found
    tx.wake('kms.key-store', found.id)
    return tx.put(KeyStore, { ...found, state: 'CONNECTING', requestId: ctx.request.id })
  })
  return recorded(ctx, store)
}

/** A store's keys cannot be used from its disconnection until it is connected again. */
const setUnavailable = async (tx: WriteTx, { id }: KeyStoreRecord, unavailable: boolean): Promise<void> => {
  for (const { unavailable: _, ...key } of await tx.list(Key, { index: 'store', equals: id }))
    tx.put(Key, { ...key, ...(unavailable ? { unavailable } : {}) })
}

export const DisconnectCustomKeyStore: Operation<'DisconnectCustomKeyStore'> = async (ctx, { CustomKeyStoreId }) => {
  const store = await ctx.write(async (tx) => {
    const found = inState(await getStore(tx, CustomKeyStoreId), 'CONNECTING', 'CONNECTED', 'FAILED')
    const { error: _, requestId: __, ...rest } = found
    await setUnavailable(tx, found, true)
    return tx.put(KeyStore, { ...rest, state: 'DISCONNECTED' })
  })
  return recorded(ctx, store)
}

/** Connects a store: asks its proxy once. A failure is final until somebody disconnects the store and connects it again. */
export const connecting: Reconciler = {
  name: 'kms.key-store',
  step: async (ctx, id) => {
    const seen = await ctx.read((tx) => tx.get(KeyStore, id))
    if (seen?.state !== 'CONNECTING') return done()
    const failure = await checkHealth(ctx, seen, {
      operation: 'ConnectCustomKeyStore',
      ...(seen.requestId === undefined ? {} : { requestId: seen.requestId }),
    }).then(
      () => undefined,
      (thrown: unknown) => {
        if (thrown instanceof ProxyFailure) return thrown.failure
        throw thrown
      },
    )
    await ctx.write(async (tx) => {
      const store = await tx.get(KeyStore, id)
      if (store?.state !== 'CONNECTING' || store.requestId !== seen.requestId) return
      const { requestId: _, ...rest } = store
      tx.put(
        KeyStore,
        failure ? { ...rest, state: 'FAILED', error: failure.connection } : { ...rest, state: 'CONNECTED' },
      )
      if (!failure) await setUnavailable(tx, store, false)
    })
    return done()
  },
}

/** Name, credential and path may change while the store is connected; its endpoint may not. */
export const UpdateCustomKeyStore: Operation<'UpdateCustomKeyStore'> = async (ctx, input) => {
  const { CustomKeyStoreId, NewCustomKeyStoreName: name } = input
  await ctx.read((tx) => getStore(tx, CustomKeyStoreId))
  const settings = settingsOf(ctx, input)
  const moves = input.XksProxyUriEndpoint !== undefined || input.XksProxyConnectivity !== undefined
  const checked = async (tx: ReadTx) => {
    const store = await getStore(tx, CustomKeyStoreId)
    if (input.CloudHsmClusterId !== undefined || input.KeyStorePassword !== undefined)
      throw invalidInput('Parameters of a CloudHSM key store cannot be given for an external key store.')
    inState(store, 'DISCONNECTED', ...(moves ? [] : ['CONNECTED' as const]))
    const next: KeyStoreRecord = { ...store, ...settings, ...(name === undefined ? {} : { name }) }
    await refuseName(tx, name, store.id)
    await refuseUri(tx, next, store.id)
    return next
  }
  const next = await ctx.read(checked)
  if (Object.keys(settings).length > 0)
    await asOperation('store', () => checkHealth(ctx, next, { operation: 'UpdateCustomKeyStore' }))
  await ctx.write(async (tx) => tx.put(KeyStore, await checked(tx)))
  return recorded(ctx, next)
}

/** Only a disconnected store without keys, be they scheduled for deletion, goes. The proxy is not told. */
export const DeleteCustomKeyStore: Operation<'DeleteCustomKeyStore'> = async (ctx, { CustomKeyStoreId }) => {
  const store = await ctx.write(async (tx) => {
    const found = inState(await getStore(tx, CustomKeyStoreId), 'DISCONNECTED')
    if ((await tx.list(Key, { index: 'store', equals: found.id, limit: 1 })).length > 0)
      throw fail('CustomKeyStoreHasCMKsException', `The custom key store ${found.id} contains KMS keys.`)
    tx.delete(KeyStore, found.id)
    return found
  })
  return recorded(ctx, store)
}
