import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { ExpirationModelType, KeyMetadata, KeySpec, KeyUsageType, OriginType } from '@aws-sdk/client-kms'
import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, table } from '../../store/store.ts'
import { keySpecs } from './key-spec.ts'
import { fail } from './operation.ts'
import { failed } from './xks-failure.ts'

/** One generation of key material. */
export type Material = {
  /** Names the material in ciphertexts: 64 hexadecimal digits. */
  readonly id: string
  /** Sealed; absent while imported material is deleted or expired. */
  readonly sealed?: string
  /** Epoch milliseconds, as all times here. */
  readonly created: number
  readonly rotated?: { readonly at: number; readonly type: 'AUTOMATIC' | 'ON_DEMAND' }
  /** Imported material: when it expires, if it does. */
  readonly expires?: number
  readonly description?: string
}

export type Tags = Readonly<Record<string, string>>

export type KeyRecord = {
  /** A UUID; `mrk-` and 32 digits for a multi-Region key. */
  readonly id: string
  readonly account: string
  readonly region: string
  readonly created: number
  readonly description: string
  readonly spec: KeySpec
  readonly usage: KeyUsageType
  readonly origin: OriginType
  readonly enabled: boolean
  /** In an external key store: its external key there. */
  readonly external?: { readonly store: string; readonly key: string }
  /** Its store was disconnected and has not been connected again. */
  readonly unavailable?: boolean
  readonly deletion?: { readonly at: number; readonly days: number }
  /** A primary key that waits for the deletion of its replicas: so many days after the last of them. */
  readonly awaitsReplicas?: number
  readonly policy: string
  readonly tags: Tags
  /** AWS managed keys: of which service, as in `alias/aws/s3`. */
  readonly managedFor?: string
  readonly multiRegion?: { readonly primary: string; readonly replicas: readonly string[] }
  readonly rotation?: { readonly days: number; readonly next: number }
  /** Oldest first. Ciphertexts name theirs; new ones are made with the one named `current`. */
  readonly materials: readonly Material[]
  readonly current?: string
}

export const Key = table<KeyRecord>('kms.key', {
  scope: 'region',
  key: ({ id }) => id,
  index: { store: ({ external }) => external?.store },
})

export type AliasRecord = {
  readonly name: string
  readonly key: string
  readonly created: number
  readonly updated: number
}
export const Alias = table<AliasRecord>('kms.alias', {
  scope: 'region',
  key: ({ name }) => name,
  index: { key: ({ key }) => key },
})

export const keyArn = ({ region, account, id }: Pick<KeyRecord, 'region' | 'account' | 'id'>): string =>
  `arn:aws:kms:${region}:${account}:key/${id}`
export const aliasArn = ({ region, account }: Place, name: string): string => `arn:aws:kms:${region}:${account}:${name}`

const keyIdText = /^(mrk-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/

/** Where a key is and what it is called there: a key id, key ARN, alias name or alias ARN taken apart. Raises NotFoundException. */
export const partsOf = (place: Place, given: string): { place: Place; id?: string; alias?: string } => {
  const arn = /^arn:[\w-]+:kms:([\w-]*):(\d{12}):(?:key\/(.+)|(alias\/.+))$/.exec(given)
  if (arn) {
    const [, region = '', account = '', id, alias] = arn
    if (region !== place.region) throw fail('NotFoundException', `Invalid arn ${region}`)
    return {
      place: { region, account },
      ...(id === undefined ? {} : { id }),
      ...(alias === undefined ? {} : { alias }),
    }
  }
  if (given.startsWith('alias/')) return { place, alias: given }
  return { place, id: given }
}

/** The key that an id, ARN or alias stands for. */
export const findKey = async (tx: ReadTx, here: Place, given: string): Promise<KeyRecord | undefined> => {
  const { place, id, alias } = partsOf(here, given)
  if (id !== undefined) return tx.get(Key, id, place)
  const found = await tx.get(Alias, alias ?? '', place)
  return found && tx.get(Key, found.key, place)
}

/** Raises NotFoundException. */
export const getKey = async (tx: ReadTx, here: Place, given: string): Promise<KeyRecord> => {
  const found = await findKey(tx, here, given)
  if (found) return found
  const { place, id, alias } = partsOf(here, given)
  if (alias !== undefined) throw fail('NotFoundException', `Alias ${aliasArn(place, alias)} is not found.`)
  if (!keyIdText.test(id ?? '')) throw fail('NotFoundException', `Invalid keyId '${given}'`)
  throw fail('NotFoundException', `Key '${keyArn({ ...place, id: id ?? '' })}' does not exist`)
}

/** A key of the caller's own account, by id or ARN: what no alias and no other account's key may do. Raises NotFoundException, InvalidArnException. */
export const getOwnKey = async (tx: ReadTx, here: Place, given: string): Promise<KeyRecord> => {
  const { place, alias } = partsOf(here, given)
  if (alias !== undefined) throw fail('InvalidArnException', `Invalid keyId '${given}'`)
  if (place.account !== here.account) throw fail('NotFoundException', `Key '${given}' does not exist`)
  return getKey(tx, here, given)
}

/** As `getOwnKey`, and no AWS managed key: those are AWS's to change. Raises UnsupportedOperationException too. */
export const getCustomerKey = async (tx: ReadTx, here: Place, given: string): Promise<KeyRecord> => {
  const key = await getOwnKey(tx, here, given)
  if (key.managedFor !== undefined)
    throw fail('UnsupportedOperationException', `${keyArn(key)} is an AWS managed key and cannot be changed.`)
  return key
}

export const currentMaterial = (key: KeyRecord): Material | undefined =>
  key.materials.find(({ id, sealed }) => id === key.current && sealed !== undefined)

/**
 * Imported material that RotateKeyOnDemand has yet to make the current one. All other is permanently the key's: without any
 * of it the key cannot be used ("Delete imported key material", KMS developer guide).
 */
export const isWaiting = ({ materials, current }: KeyRecord, material: Material): boolean =>
  material !== materials[0] && material.id !== current && !material.rotated

/** "Key states of AWS KMS keys", KMS developer guide. */
export const stateOf = (key: KeyRecord): NonNullable<KeyMetadata['KeyState']> => {
  if (key.deletion) return 'PendingDeletion'
  if (key.awaitsReplicas !== undefined) return 'PendingReplicaDeletion'
  if (!currentMaterial(key) || key.materials.some((one) => one.sealed === undefined && !isWaiting(key, one)))
    return 'PendingImport'
  if (key.unavailable) return 'Unavailable'
  return key.enabled ? 'Enabled' : 'Disabled'
}

const stateWords: Readonly<Record<string, string>> = {
  PendingDeletion: 'is pending deletion.',
  PendingReplicaDeletion: 'is pending replica deletion.',
  PendingImport: 'is pending import.',
}

/** Raises KMSInvalidStateException where the key is in one of these states. */
export const refuseStates = (key: KeyRecord, ...states: string[]): KeyRecord => {
  const state = stateOf(key)
  if (states.includes(state)) throw fail('KMSInvalidStateException', `${keyArn(key)} ${stateWords[state] ?? state}`)
  return key
}

/** A key that may be used in a cryptographic operation. Raises DisabledException, KMSInvalidStateException. */
export const usable = (key: KeyRecord): KeyRecord => {
  const state = stateOf(key)
  if (state === 'Disabled') throw fail('DisabledException', `${keyArn(key)} is disabled.`)
  if (state === 'Unavailable') throw fail('KMSInvalidStateException', failed('disconnected').message)
  return refuseStates(key, 'PendingDeletion', 'PendingReplicaDeletion', 'PendingImport')
}

/** Raises InvalidKeyUsageException. */
export const forUsage = (key: KeyRecord, usage: KeyUsageType, operation: string): KeyRecord => {
  usable(key)
  if (key.usage !== usage)
    throw fail(
      'InvalidKeyUsageException',
      `${keyArn(key)} key usage is ${key.usage} which is not valid for ${operation}.`,
    )
  return key
}

/** The key, for one algorithm of its spec. Raises InvalidKeyUsageException. */
export const forAlgorithm = (key: KeyRecord, kind: 'encryption' | 'signing' | 'mac', algorithm: string): KeyRecord => {
  const known: readonly string[] = keySpecs[key.spec][kind] ?? []
  if (!known.includes(algorithm))
    throw fail('InvalidKeyUsageException', `Algorithm ${algorithm} is incompatible with key spec ${key.spec}.`)
  return key
}

/** A material's bytes. Raises KMSInvalidStateException where it is not there. */
export const bytesOf = (ctx: Pick<Ctx, 'unseal'>, key: KeyRecord, material = currentMaterial(key)): Buffer => {
  if (material?.sealed === undefined) throw fail('KMSInvalidStateException', `${keyArn(key)} is pending import.`)
  return Buffer.from(ctx.unseal(material.sealed), 'base64')
}

export const privateKeyOf = (ctx: Pick<Ctx, 'unseal'>, key: KeyRecord): KeyObject =>
  createPrivateKey({ key: bytesOf(ctx, key), format: 'der', type: 'pkcs8' })
export const publicKeyOf = (ctx: Pick<Ctx, 'unseal'>, key: KeyRecord): KeyObject =>
  createPublicKey(privateKeyOf(ctx, key))

export const materialOf = (ctx: Pick<Ctx, 'seal'>, key: string, bytes: Uint8Array, now: number): Material => ({
  id: createHash('sha256').update(key).update(bytes).digest('hex'),
  sealed: ctx.seal(Buffer.from(bytes).toString('base64')),
  created: now,
})

const multiRegionOf = ({ account, id, region, multiRegion }: KeyRecord): Partial<KeyMetadata> => {
  if (!multiRegion) return {}
  const at = (where: string) => ({ Arn: keyArn({ account, id, region: where }), Region: where })
  return {
    MultiRegionConfiguration: {
      MultiRegionKeyType: multiRegion.primary === region ? 'PRIMARY' : 'REPLICA',
      PrimaryKey: at(multiRegion.primary),
      ReplicaKeys: multiRegion.replicas.map(at),
    },
  }
}

const importOf = (key: KeyRecord): Partial<KeyMetadata> => {
  const material = key.origin === 'EXTERNAL' ? currentMaterial(key) : undefined
  if (!material) return {}
  const model: ExpirationModelType =
    material.expires === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES'
  return {
    ExpirationModel: model,
    ...(material.expires === undefined ? {} : { ValidTo: new Date(material.expires) }),
  }
}

export const toMetadata = (key: KeyRecord): KeyMetadata => {
  const { spec, usage, deletion } = key
  const { encryption, signing, mac } = keySpecs[spec]
  return {
    AWSAccountId: key.account,
    KeyId: key.id,
    Arn: keyArn(key),
    CreationDate: new Date(key.created),
    Enabled: stateOf(key) === 'Enabled',
    Description: key.description,
    KeyUsage: usage,
    KeyState: stateOf(key),
    ...(deletion ? { DeletionDate: new Date(deletion.at) } : {}),
    ...(key.awaitsReplicas === undefined ? {} : { PendingDeletionWindowInDays: key.awaitsReplicas }),
    Origin: key.origin,
    ...(key.external ? { CustomKeyStoreId: key.external.store, XksKeyConfiguration: { Id: key.external.key } } : {}),
    ...importOf(key),
    KeyManager: key.managedFor === undefined ? 'CUSTOMER' : 'AWS',
    // The older name of the spec, which knows fewer of them.
    CustomerMasterKeySpec: spec as KeyMetadata['CustomerMasterKeySpec'],
    KeySpec: spec,
    ...(usage === 'ENCRYPT_DECRYPT' && encryption ? { EncryptionAlgorithms: [...encryption] } : {}),
    ...(usage === 'SIGN_VERIFY' && signing ? { SigningAlgorithms: [...signing] } : {}),
    ...(usage === 'GENERATE_VERIFY_MAC' && mac ? { MacAlgorithms: [...mac] } : {}),
    ...(usage === 'KEY_AGREEMENT' ? { KeyAgreementAlgorithms: ['ECDH'] } : {}),
    ...(usage === 'ENCAPSULATE_DECAPSULATE' ? { EncapsulationAlgorithms: ['ML_KEM'] } : {}),
    MultiRegion: key.multiRegion !== undefined,
    ...multiRegionOf(key),
    ...(spec === 'SYMMETRIC_DEFAULT' && key.current !== undefined && !key.external
      ? { CurrentKeyMaterialId: key.current }
      : {}),
  }
}

/** Every Region's copy of a key: the key alone, unless it is a multi-Region one. */
export const copiesOf = async (tx: ReadTx, key: KeyRecord): Promise<readonly KeyRecord[]> => {
  if (!key.multiRegion) return [key]
  const regions = [key.multiRegion.primary, ...key.multiRegion.replicas]
  const found = await Promise.all(regions.map((region) => tx.get(Key, key.id, { account: key.account, region })))
  return found.filter((copy) => copy !== undefined)
}

export const placeOf = ({ account, region }: KeyRecord): Place => ({ account, region })
