import type { ConnectionErrorCodeType, CustomKeyStoresListEntry } from '@aws-sdk/client-kms'
import { type ReadTx, table } from '../../store/store.ts'
import { fail } from './operation.ts'

/** How the proxy of an external key store is reached. */
export type ProxySettings = {
  /** `https://` and a host name; port 443. */
  readonly endpoint: string
  /** Ends in `/kms/xks/v1`. */
  readonly path: string
  readonly accessKeyId: string
  /** Sealed. */
  readonly secret: string
}

/** A custom key store. All are external key stores that are reached by a public endpoint. */
export type KeyStoreRecord = ProxySettings & {
  /** `cks-` and 17 hexadecimal digits. */
  readonly id: string
  readonly name: string
  /** Epoch milliseconds. */
  readonly created: number
  readonly state: 'DISCONNECTED' | 'CONNECTING' | 'CONNECTED' | 'FAILED'
  /** Of a failed connection. */
  readonly error?: ConnectionErrorCodeType
  /** The request that connects it, which the proxy is told of. */
  readonly requestId?: string
}

export const KeyStore = table<KeyStoreRecord>('kms.key-store', {
  scope: 'region',
  key: ({ id }) => id,
  index: { name: ({ name }) => name },
})

/** Raises CustomKeyStoreNotFoundException. */
export const getStore = async (tx: ReadTx, id: string): Promise<KeyStoreRecord> => {
  const store = await tx.get(KeyStore, id)
  if (!store) throw storeNotFound(id)
  return store
}

export const storeNotFound = (given: string | undefined) =>
  fail('CustomKeyStoreNotFoundException', `The custom key store ${given} was not found in this account and Region.`)

export const toStoreEntry = (store: KeyStoreRecord): CustomKeyStoresListEntry => ({
  CustomKeyStoreId: store.id,
  CustomKeyStoreName: store.name,
  CustomKeyStoreType: 'EXTERNAL_KEY_STORE',
  ConnectionState: store.state,
  ...(store.error === undefined ? {} : { ConnectionErrorCode: store.error }),
  CreationDate: new Date(store.created),
  XksProxyConfiguration: {
    Connectivity: 'PUBLIC_ENDPOINT',
    AccessKeyId: store.accessKeyId,
    UriEndpoint: store.endpoint,
    UriPath: store.path,
  },
})
