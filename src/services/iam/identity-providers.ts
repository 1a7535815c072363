import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { IdentityProviders } from '../capabilities.ts'
import { OidcProviders, oidcProviderArn } from './oidc-providers.ts'
import { SamlProviders, samlProviderArn, validUntilOf } from './saml-providers.ts'

/** The identity providers of an account, for STS. */
export const identityProvidersProvider = (at: (place: Place) => Ctx): IdentityProviders => ({
  oidc: async (account, issuer) => {
    const url = /^https?:\/\/(.+)$/.exec(issuer)?.[1]
    if (url === undefined) return undefined
    const found = await at({ account, region: 'us-east-1' }).read((tx) => tx.get(OidcProviders, url))
    if (!found || `${found.scheme}://${found.url}` !== issuer) return undefined
    const { clientIds, thumbprints } = found
    return { arn: oidcProviderArn(account, url), name: url, issuer, clientIds, thumbprints }
  },
  saml: async (account, arn) => {
    const start = samlProviderArn(account, '')
    if (!arn.startsWith(start)) return undefined
    const ctx = at({ account, region: 'us-east-1' })
    const found = await ctx.read((tx) => tx.get(SamlProviders, arn.slice(start.length)))
    if (!found) return undefined
    const { name, uuid, metadata, encryption, keys } = found
    return {
      arn,
      name,
      uuid,
      entityId: metadata.entityId,
      certificates: metadata.certificates,
      validUntil: validUntilOf(found),
      encryptionRequired: encryption === 'Required',
      privateKeys: keys.map(({ key }) => ctx.unseal(key)),
    }
  },
})
