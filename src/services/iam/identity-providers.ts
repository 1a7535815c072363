import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { IdentityProviders } from '../capabilities.ts'
import { OidcProviders, oidcProviderArn } from './oidc-providers.ts'

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
})
