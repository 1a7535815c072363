import type { Ctx } from '../../kernel/context.ts'
import { organization } from '../../kernel/organization.ts'
import { type Place, table } from '../../store/store.ts'
import type { RootAccess } from '../capabilities.ts'

/** Features of centralized root access that an organization has enabled. */
export type OrganizationFeaturesRecord = {
  /** `o-exampleorgid`. */
  readonly organization: string
  readonly sessions: boolean
  readonly credentialsManagement: boolean
}
export const OrganizationFeatures = table<OrganizationFeaturesRecord>('iam.organization-features', {
  scope: 'global',
  key: ({ organization: id }) => id,
})

export const rootAccessProvider = (at: (place: Place) => Ctx): RootAccess => ({
  enabled: async (account) => {
    const ctx = at({ account, region: 'us-east-1' })
    const membership = await ctx.use(organization).membershipOf(account)
    const found = membership && (await ctx.read((tx) => tx.get(OrganizationFeatures, membership.id)))
    return { sessions: found?.sessions ?? false, credentialsManagement: found?.credentialsManagement ?? false }
  },
})
