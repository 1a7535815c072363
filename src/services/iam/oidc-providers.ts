import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { stamp } from './ids.ts'
import { fail, type Operation } from './operation.ts'
import { change, type Tags } from './records.ts'
import { tagPage, toTags, withoutTags, withTags } from './tags.ts'

// IAM user guide, "Create an OpenID Connect (OIDC) identity provider in IAM".

type OidcProviderRecord = {
  /** The issuer without its scheme, as ARNs, condition keys and answers have it: `token.example.com/tenant`. */
  readonly url: string
  readonly scheme: 'https' | 'http'
  readonly clientIds: readonly string[]
  /** SHA-1 of certificates, in lower-case hexadecimal digits. */
  readonly thumbprints: readonly string[]
  readonly created: number
  readonly tags: Tags
}
export const OidcProviders = table<OidcProviderRecord>('iam.oidc-provider', {
  scope: 'account',
  key: ({ url }) => url,
})

const mostProviders = 100
const mostClientIds = 100
const mostThumbprints = 5

export const oidcProviderArn = (account: string, url: string): string => `arn:aws:iam::${account}:oidc-provider/${url}`

/** Hosts of this machine: where a user runs an issuer of his own, offline. */
const isLocal = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || /^127(\.\d{1,3}){3}$/.test(host) || host === '[::1]'

const invalidUrl = () => fail('InvalidInputException', 'Invalid Open ID Connect Provider URL')

/** Scheme and rest of an issuer's URL. Throws InvalidInput. */
const readUrl = (text: string): Pick<OidcProviderRecord, 'scheme' | 'url'> => {
  const [, scheme, rest] = /^(https|http):\/\/([\w.:[\]~/-]+)$/.exec(text) ?? []
  if (!scheme || !rest || !URL.canParse(text)) throw invalidUrl()
  const url = new URL(text)
  // What the parser puts right (`..`, capitals, the usual port) would make two names of one issuer.
  if (rest !== url.host + url.pathname && `${rest}/` !== url.host + url.pathname) throw invalidUrl()
  if (!isLocal(url.hostname) && (scheme === 'http' || url.port !== '')) throw invalidUrl()
  return { scheme: scheme === 'http' ? 'http' : 'https', url: rest }
}

const checkClientIds = (clientIds: readonly string[]): readonly string[] => {
  const distinct = [...new Set(clientIds)]
  if (distinct.length > mostClientIds)
    throw fail('LimitExceededException', `Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${mostClientIds}`)
  return distinct
}

const checkThumbprints = (thumbprints: readonly string[]): readonly string[] => {
  if (thumbprints.length > mostThumbprints)
    throw fail('InvalidInputException', `Thumbprint list must contain fewer than ${mostThumbprints} entries.`)
  for (const thumbprint of thumbprints)
    if (!/^[0-9a-f]{40}$/i.test(thumbprint)) throw fail('InvalidInputException', 'Invalid thumbprint.')
  return thumbprints.map((thumbprint) => thumbprint.toLowerCase())
}

/** Throws NoSuchEntity. */
const getProvider = async (ctx: Ctx, tx: ReadTx, arn: string): Promise<OidcProviderRecord> => {
  const start = oidcProviderArn(ctx.account, '')
  const provider = arn.startsWith(start) ? await tx.get(OidcProviders, arn.slice(start.length)) : undefined
  if (!provider) throw fail('NoSuchEntityException', `OpenIDConnect Provider not found for arn ${arn}`)
  return provider
}

const edit = (
  ctx: Ctx,
  arn: string,
  edited: (provider: OidcProviderRecord) => Partial<OidcProviderRecord>,
): Promise<OidcProviderRecord> =>
  change(ctx, async (tx) => {
    const provider = await getProvider(ctx, tx, arn)
    return tx.put(OidcProviders, { ...provider, ...edited(provider) })
  })

/** Errors: InvalidInput, EntityAlreadyExists, LimitExceeded. */
const CreateOpenIDConnectProvider: Operation<'CreateOpenIDConnectProvider'> = (ctx, input) => {
  const { scheme, url } = readUrl(input.Url)
  const clientIds = checkClientIds(input.ClientIDList ?? [])
  const thumbprints = checkThumbprints(input.ThumbprintList ?? [])
  const tags = withTags({}, input.Tags)
  return change(ctx, async (tx) => {
    if (await tx.get(OidcProviders, url))
      throw fail('EntityAlreadyExistsException', `Provider with url ${input.Url} already exists.`)
    if ((await tx.list(OidcProviders, { limit: mostProviders })).length === mostProviders)
      throw fail('LimitExceededException', `Cannot exceed quota for OpenIdConnectProvidersPerAccount: ${mostProviders}`)
    tx.put(OidcProviders, { url, scheme, clientIds, thumbprints, created: stamp(ctx), tags })
    return { OpenIDConnectProviderArn: oidcProviderArn(ctx.account, url), Tags: toTags(tags) }
  })
}

const GetOpenIDConnectProvider: Operation<'GetOpenIDConnectProvider'> = async (ctx, input) => {
  const provider = await ctx.read((tx) => getProvider(ctx, tx, input.OpenIDConnectProviderArn))
  return {
    Url: provider.url,
    ClientIDList: [...provider.clientIds],
    ThumbprintList: [...provider.thumbprints],
    CreateDate: new Date(provider.created),
    Tags: toTags(provider.tags),
  }
}

const ListOpenIDConnectProviders: Operation<'ListOpenIDConnectProviders'> = async (ctx) => {
  const providers = await ctx.read((tx) => tx.list(OidcProviders))
  return { OpenIDConnectProviderList: providers.map(({ url }) => ({ Arn: oidcProviderArn(ctx.account, url) })) }
}

/** Roles that trust it stay, and nobody can assume them by its word any more. Errors: NoSuchEntity. */
const DeleteOpenIDConnectProvider: Operation<'DeleteOpenIDConnectProvider'> = async (ctx, input) => {
  await change(ctx, async (tx) =>
    tx.delete(OidcProviders, (await getProvider(ctx, tx, input.OpenIDConnectProviderArn)).url),
  )
  return {}
}

const AddClientIDToOpenIDConnectProvider: Operation<'AddClientIDToOpenIDConnectProvider'> = async (ctx, input) => {
  await edit(ctx, input.OpenIDConnectProviderArn, ({ clientIds }) => ({
    clientIds: checkClientIds([...clientIds, input.ClientID]),
  }))
  return {}
}

const RemoveClientIDFromOpenIDConnectProvider: Operation<'RemoveClientIDFromOpenIDConnectProvider'> = async (
  ctx,
  input,
) => {
  await edit(ctx, input.OpenIDConnectProviderArn, ({ clientIds }) => ({
    clientIds: clientIds.filter((clientId) => clientId !== input.ClientID),
  }))
  return {}
}

const UpdateOpenIDConnectProviderThumbprint: Operation<'UpdateOpenIDConnectProviderThumbprint'> = async (
  ctx,
  input,
) => {
  const thumbprints = checkThumbprints(input.ThumbprintList)
  await edit(ctx, input.OpenIDConnectProviderArn, () => ({ thumbprints }))
  return {}
}

const TagOpenIDConnectProvider: Operation<'TagOpenIDConnectProvider'> = async (ctx, input) => {
  await edit(ctx, input.OpenIDConnectProviderArn, ({ tags }) => ({ tags: withTags(tags, input.Tags) }))
  return {}
}

const UntagOpenIDConnectProvider: Operation<'UntagOpenIDConnectProvider'> = async (ctx, input) => {
  await edit(ctx, input.OpenIDConnectProviderArn, ({ tags }) => ({ tags: withoutTags(tags, input.TagKeys) }))
  return {}
}

const ListOpenIDConnectProviderTags: Operation<'ListOpenIDConnectProviderTags'> = async (ctx, input) =>
  tagPage((await ctx.read((tx) => getProvider(ctx, tx, input.OpenIDConnectProviderArn))).tags, input)

export const oidcProviders = {
  CreateOpenIDConnectProvider,
  GetOpenIDConnectProvider,
  ListOpenIDConnectProviders,
  DeleteOpenIDConnectProvider,
  AddClientIDToOpenIDConnectProvider,
  RemoveClientIDFromOpenIDConnectProvider,
  UpdateOpenIDConnectProviderThumbprint,
  TagOpenIDConnectProvider,
  UntagOpenIDConnectProvider,
  ListOpenIDConnectProviderTags,
}
