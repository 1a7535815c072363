import { createPrivateKey } from 'node:crypto'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { stamp } from './ids.ts'
import { fail, type Operation } from './operation.ts'
import { change, type Tags } from './records.ts'
import type { SamlMetadata } from './saml-metadata.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

// IAM user guide, "Create a SAML identity provider in IAM" and "Troubleshoot SAML federation with IAM".

type PrivateKeyRecord = { readonly id: string; readonly added: number /** PEM, sealed. */; readonly key: string }
type SamlProviderRecord = {
  readonly name: string
  readonly uuid: string
  readonly document: string
  readonly metadata: SamlMetadata
  readonly created: number
  readonly tags: Tags
  readonly encryption?: 'Required' | 'Allowed'
  readonly keys: readonly PrivateKeyRecord[]
}
export const SamlProviders = table<SamlProviderRecord>('iam.saml-provider', {
  scope: 'account',
  key: ({ name }) => name,
})

const mostProviders = 100
const mostKeys = 2
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export const samlProviderArn = (account: string, name: string): string =>
  `arn:aws:iam::${account}:saml-provider/${name}`

/** Metadata that says nothing is good for a hundred years. Epoch milliseconds. */
export const validUntilOf = ({ metadata, created }: SamlProviderRecord): number => {
  if (metadata.validUntil !== undefined) return metadata.validUntil
  const until = new Date(created)
  until.setUTCFullYear(until.getUTCFullYear() + 100)
  return until.getTime()
}

const invalid = (message: string) => fail('InvalidInputException', message)

/** Throws NoSuchEntity. */
const getProvider = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<SamlProviderRecord> => {
  const start = samlProviderArn(ctx.account, '')
  const provider = arn.startsWith(start) ? await tx.get(SamlProviders, arn.slice(start.length)) : undefined
  if (!provider) throw fail('NoSuchEntityException', `Manifest not found for arn ${arn}`)
  return provider
}

const edit = (
  ctx: Ctx,
  arn: string,
  edited: (provider: SamlProviderRecord) => Partial<SamlProviderRecord>,
): Promise<SamlProviderRecord> =>
  change(ctx, async (tx) => {
    const provider = await getProvider(ctx, tx, arn)
    return tx.put(SamlProviders, { ...provider, ...edited(provider) })
  })

/** A key to decrypt assertions with. Throws InvalidInput. */
const newKey = (ctx: Ctx, pem: string): PrivateKeyRecord => {
  try {
    if (createPrivateKey(pem).asymmetricKeyType !== 'rsa') throw new TypeError('not RSA')
  } catch {
    throw invalid('Invalid private key.')
  }
  return { id: `SAMLPK${ctx.random(20, alphabet)}`, added: stamp(ctx), key: ctx.seal(pem) }
}

const requireKey = (mode: string | undefined, keys: readonly PrivateKeyRecord[]): void => {
  if (mode === 'Required' && keys.length === 0)
    throw invalid('Unable to set assertion encryption mode to Required because no private key is provided.')
}

/** Its reader brings an XML library along, which few servers ever need. */
const readMetadata = async (document: string): Promise<SamlMetadata> =>
  (await import('./saml-metadata.ts')).readMetadata(document)

/** Errors: InvalidInput, EntityAlreadyExists, LimitExceeded. */
const CreateSAMLProvider: Operation<'CreateSAMLProvider'> = async (ctx, input) => {
  const metadata = await readMetadata(input.SAMLMetadataDocument)
  const tags = withTags({}, input.Tags)
  const keys = input.AddPrivateKey === undefined ? [] : [newKey(ctx, input.AddPrivateKey)]
  requireKey(input.AssertionEncryptionMode, keys)
  return change(ctx, async (tx) => {
    if (await tx.get(SamlProviders, input.Name))
      throw fail('EntityAlreadyExistsException', `SAMLProvider ${input.Name} already exists.`)
    if ((await tx.list(SamlProviders, { limit: mostProviders })).length === mostProviders)
      throw fail('LimitExceededException', `Cannot exceed quota for SAMLProvidersPerAccount: ${mostProviders}`)
    tx.put(SamlProviders, {
      name: input.Name,
      uuid: `SAMLSP${ctx.random(20, alphabet)}`,
      document: input.SAMLMetadataDocument,
      metadata,
      created: stamp(ctx),
      tags,
      keys,
      ...(input.AssertionEncryptionMode === undefined ? {} : { encryption: input.AssertionEncryptionMode }),
    })
    return { SAMLProviderArn: samlProviderArn(ctx.account, input.Name), Tags: toTags(tags) }
  })
}

const GetSAMLProvider: Operation<'GetSAMLProvider'> = async (ctx, { SAMLProviderArn }) => {
  const provider = await ctx.read((tx) => getProvider(ctx, tx, SAMLProviderArn))
  return {
    SAMLProviderUUID: provider.uuid,
    SAMLMetadataDocument: provider.document,
    CreateDate: new Date(provider.created),
    ValidUntil: new Date(validUntilOf(provider)),
    Tags: toTags(provider.tags),
    ...(provider.encryption === undefined ? {} : { AssertionEncryptionMode: provider.encryption }),
    PrivateKeyList: provider.keys.map(({ id, added }) => ({ KeyId: id, Timestamp: new Date(added) })),
  }
}

const ListSAMLProviders: Operation<'ListSAMLProviders'> = async (ctx) => ({
  SAMLProviderList: (await ctx.read((tx) => tx.list(SamlProviders))).map((provider) => ({
    Arn: samlProviderArn(ctx.account, provider.name),
    ValidUntil: new Date(validUntilOf(provider)),
    CreateDate: new Date(provider.created),
  })),
})

/** Errors: InvalidInput, LimitExceeded, NoSuchEntity. */
const UpdateSAMLProvider: Operation<'UpdateSAMLProvider'> = async (ctx, input) => {
  const { SAMLProviderArn, SAMLMetadataDocument: document, AddPrivateKey, RemovePrivateKey } = input
  const mode = input.AssertionEncryptionMode
  if (document === undefined && mode === undefined && AddPrivateKey === undefined && RemovePrivateKey === undefined)
    throw invalid('Unable to update identity provider. No updates are defined for metadata or encryption assertion.')
  if (AddPrivateKey !== undefined && RemovePrivateKey !== undefined)
    throw invalid(
      'Unable to add and remove private keys in the same request. Set a value for only one of the two parameters.',
    )
  const metadata = document === undefined ? {} : { document, metadata: await readMetadata(document) }
  const added = AddPrivateKey === undefined ? [] : [newKey(ctx, AddPrivateKey)]
  await edit(ctx, SAMLProviderArn, (provider) => {
    if (RemovePrivateKey !== undefined && !provider.keys.some(({ id }) => id === RemovePrivateKey))
      throw invalid('Failed to remove private key because the Key ID does not match a private key.')
    const keys = [...provider.keys.filter(({ id }) => id !== RemovePrivateKey), ...added]
    if (keys.length > mostKeys) throw fail('LimitExceededException', `Private key limit of ${mostKeys} is reached.`)
    const encryption = mode ?? provider.encryption
    if (RemovePrivateKey !== undefined && encryption === 'Required' && keys.length === 0)
      throw invalid('Failed to remove private key.')
    requireKey(encryption, keys)
    return { ...metadata, keys, ...(encryption === undefined ? {} : { encryption }) }
  })
  return { SAMLProviderArn }
}

/** Roles that trust it stay, and nobody can assume them by its word any more. Errors: NoSuchEntity. */
const DeleteSAMLProvider: Operation<'DeleteSAMLProvider'> = async (ctx, { SAMLProviderArn }) => {
  await change(ctx, async (tx) => tx.delete(SamlProviders, (await getProvider(ctx, tx, SAMLProviderArn)).name))
  return {}
}

const TagSAMLProvider: Operation<'TagSAMLProvider'> = async (ctx, input) => {
  await edit(ctx, input.SAMLProviderArn, ({ tags }) => ({ tags: withTags(tags, input.Tags) }))
  return {}
}

const UntagSAMLProvider: Operation<'UntagSAMLProvider'> = async (ctx, input) => {
  await edit(ctx, input.SAMLProviderArn, ({ tags }) => ({ tags: withoutTags(tags, input.TagKeys) }))
  return {}
}

const ListSAMLProviderTags: Operation<'ListSAMLProviderTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getProvider(ctx, tx, input.SAMLProviderArn))).tags, input)

export const samlProviders = {
  CreateSAMLProvider,
  GetSAMLProvider,
  ListSAMLProviders,
  UpdateSAMLProvider,
  DeleteSAMLProvider,
  TagSAMLProvider,
  UntagSAMLProvider,
  ListSAMLProviderTags,
}
