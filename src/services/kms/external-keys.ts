import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { bindingOf, type EncryptionContext, partsOfBlob } from './ciphertext.ts'
import { invalidInput } from './invalid-input.ts'
import { Key, type KeyRecord, keyArn, placeOf } from './key.ts'
import { getStore, KeyStore, type KeyStoreRecord } from './key-store.ts'
import { fail, type Input } from './operation.ts'
import { asOperation, failed } from './xks-failure.ts'
import { checkKey, unwrap, type Wrapped, wrap } from './xks-proxy.ts'

// Keys in external key stores: what KMS has encrypted with its own material is encrypted again by the key manager outside
// ("Double encryption", KMS developer guide), so that neither side alone can read it.

/** The external key of a KMS key. */
export type External = { readonly store: string; readonly key: string }

const unsupported = (message: string) => fail('UnsupportedOperationException', message)

/** Whether the key goes into a store, as asked. Raises ValidationException, UnsupportedOperationException. */
const externalOf = (input: Input<'CreateKey'>): External | undefined => {
  const { CustomKeyStoreId, XksKeyId, Origin = 'AWS_KMS' } = input
  const stored = Origin === 'EXTERNAL_KEY_STORE' || Origin === 'AWS_CLOUDHSM'
  if (!stored) {
    if (CustomKeyStoreId !== undefined)
      throw invalidInput(`A CustomKeyStoreId cannot be given for a KMS key with an Origin of ${Origin}.`)
    if (XksKeyId !== undefined)
      throw invalidInput(`An XksKeyId cannot be given for a KMS key with an Origin of ${Origin}.`)
    return undefined
  }
  if (CustomKeyStoreId === undefined)
    throw invalidInput(`A CustomKeyStoreId is required for a KMS key with an Origin of ${Origin}.`)
  if (input.MultiRegion) throw unsupported('Multi-Region keys are not supported in custom key stores.')
  if ((input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT') !== 'SYMMETRIC_DEFAULT')
    throw unsupported('Only SYMMETRIC_DEFAULT keys are supported in custom key stores.')
  if (Origin === 'EXTERNAL_KEY_STORE' && XksKeyId === undefined)
    throw invalidInput('An XksKeyId is required for a KMS key with an Origin of EXTERNAL_KEY_STORE.')
  return { store: CustomKeyStoreId, key: XksKeyId ?? '' }
}

/** Raises CustomKeyStoreNotFoundException, CustomKeyStoreInvalidStateException, XksKeyAlreadyInUseException, UnsupportedOperationException. */
const storeForKey = async (tx: ReadTx, { store: id, key }: External, origin: string | undefined) => {
  const store = await getStore(tx, id)
  if (origin !== 'EXTERNAL_KEY_STORE')
    throw unsupported(
      `The custom key store ${id} is an external key store, which does not take keys of origin ${origin}.`,
    )
  if (store.state !== 'CONNECTED') throw fail('CustomKeyStoreInvalidStateException', failed('disconnected').message)
  const keys = await tx.list(Key, { index: 'store', equals: id })
  if (keys.some(({ external }) => external?.key === key))
    throw fail(
      'XksKeyAlreadyInUseException',
      `The external key ${key} is already associated with another KMS key in this external key store.`,
    )
  return store
}

/**
 * The external key of a new KMS key, found good by asking the proxy; `settle` says in the transaction that makes the key
 * whether that is still so. `undefined` for keys of KMS' own store. Raises what `storeForKey` and the proxy's failures mean.
 */
export const externalKeyFor = async (
  ctx: Ctx,
  input: Input<'CreateKey'>,
): Promise<{ external: External; settle: (tx: ReadTx) => Promise<unknown> } | undefined> => {
  const external = externalOf(input)
  if (!external) return undefined
  const settle = (tx: ReadTx) => storeForKey(tx, external, input.Origin)
  const store = await ctx.read(settle)
  await asOperation('createKey', () => checkKey(ctx, store, external.key, { operation: 'CreateKey' }))
  return { external, settle }
}

/** The store of a key, connected, and where it is: its keys may be used from other accounts. */
const storeOf = async (
  ctx: Ctx,
  key: KeyRecord,
  { store: id }: External,
): Promise<{ home: Ctx; store: KeyStoreRecord }> => {
  const home = ctx.at(placeOf(key))
  const store = await home.read((tx) => tx.get(KeyStore, id))
  if (store?.state !== 'CONNECTED') throw failed('disconnected')
  return { home, store }
}

const lengthAndBytes = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([bytes.length]), bytes])

/** Encrypts what KMS has sealed once more, outside. `operation`: of KMS, for the proxy. Raises KMSInvalidStateException. */
export const sealOutside = (
  ctx: Ctx,
  key: KeyRecord,
  external: External,
  blob: Buffer,
  context: EncryptionContext,
  operation: string,
): Promise<Buffer> =>
  asOperation('cryptographic', async () => {
    const { home, store } = await storeOf(ctx, key, external)
    const { head, sealed } = partsOfBlob(blob)
    const asked = { operation, keyArn: keyArn(key), aad: bindingOf(head, context) }
    const { iv, tag, metadata, ciphertext } = await wrap(home, store, external.key, sealed, asked)
    return Buffer.concat([head, lengthAndBytes(iv), lengthAndBytes(tag), lengthAndBytes(metadata), ciphertext])
  })

/** What `sealOutside` was given. Raises KMSInvalidStateException, also for what is no such ciphertext. */
export const openOutside = (
  ctx: Ctx,
  key: KeyRecord,
  external: External,
  blob: Uint8Array,
  context: EncryptionContext,
  operation: string,
): Promise<Buffer> =>
  asOperation('cryptographic', async () => {
    const { home, store } = await storeOf(ctx, key, external)
    const { head, sealed } = partsOfBlob(blob)
    const asked = { operation, keyArn: keyArn(key), aad: bindingOf(head, context) }
    return Buffer.concat([head, await unwrap(home, store, external.key, wrappedIn(sealed), asked)])
  })

/** Throws ProxyFailure where a length says more than there is. */
const wrappedIn = (sealed: Buffer): Wrapped => {
  let rest = sealed
  const take = () => {
    const end = 1 + (rest[0] ?? 0)
    if (rest.length < end) throw failed('unreadable')
    const bytes = rest.subarray(1, end)
    rest = rest.subarray(end)
    return bytes
  }
  const [iv, tag, metadata] = [take(), take(), take()]
  return { iv, tag, metadata, ciphertext: rest }
}
