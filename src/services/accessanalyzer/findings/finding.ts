import { createHash } from 'node:crypto'
import type { FindingSource, ResourceType } from '@aws-sdk/client-accessanalyzer'
import { type ReadTx, table } from '../../../store/store.ts'
import type { Facts } from '../filters.ts'

// What an analyzer found. A finding lives as long as its cause: it is resolved when that is gone, active again when it is back.

export type External = {
  readonly principal: Readonly<Record<string, string>>
  readonly isPublic: boolean
  readonly actions: readonly string[]
  readonly condition: Readonly<Record<string, string>>
  readonly sources: readonly FindingSource[]
  readonly resourceControlPolicyRestriction: 'APPLICABLE' | 'NOT_APPLICABLE' | 'FAILED_TO_EVALUATE_RCP'
}

/** What a user or role inside the zone may do with a resource. */
export type Internal = {
  readonly principal: Readonly<Record<string, string>>
  readonly principalType: 'IAM_ROLE' | 'IAM_USER'
  readonly principalOwner: string
  readonly accessType: 'INTRA_ACCOUNT' | 'INTRA_ORG'
  readonly actions: readonly string[]
  readonly condition: Readonly<Record<string, string>>
  readonly sources: readonly ('POLICY' | 'BUCKET_ACL')[]
  readonly resourceControlPolicyRestriction: 'APPLICABLE' | 'APPLIED' | 'NOT_APPLICABLE'
  readonly serviceControlPolicyRestriction: 'APPLICABLE' | 'APPLIED' | 'NOT_APPLICABLE'
}

export type Unused =
  | { readonly kind: 'UnusedIAMRole' | 'UnusedIAMUserPassword'; readonly lastAccessed?: number }
  | { readonly kind: 'UnusedIAMUserAccessKey'; readonly accessKeyId: string; readonly lastAccessed?: number }
  | {
      readonly kind: 'UnusedPermission'
      readonly services: readonly {
        readonly namespace: string
        readonly lastAccessed?: number
        /** None listed: the whole service is unused. */
        readonly actions?: readonly { readonly action: string; readonly lastAccessed?: number }[]
      }[]
    }

export type Finding = {
  readonly analyzer: string
  readonly id: string
  readonly resource: string
  readonly resourceType: ResourceType
  readonly owner: string
  readonly status: 'ACTIVE' | 'ARCHIVED' | 'RESOLVED'
  /** Epoch milliseconds. */
  readonly created: number
  readonly updated: number
  readonly analyzed: number
  readonly external?: External
  readonly internal?: Internal
  readonly unused?: Unused
  /** Why the resource could not be analyzed: nothing else is known then, but perhaps the principal it was about. */
  readonly error?: 'ACCESS_DENIED' | 'INTERNAL_ERROR' | 'PRINCIPAL_LIMIT_EXCEEDED'
  /** Of an analyzer of internal access. */
  readonly inside?: boolean
}

/** A resource that an analyzer of external access looked at. */
export type Analyzed = {
  readonly analyzer: string
  readonly resource: string
  readonly resourceType: ResourceType
  readonly owner: string
  readonly created: number
  readonly analyzed: number
  readonly updated: number
}

export const Findings = table<Finding>('accessanalyzer.finding', {
  scope: 'region',
  key: ({ analyzer, id }) => `${analyzer} ${id}`,
  index: { resource: ({ analyzer, resource }) => `${analyzer} ${resource}` },
})
export const AnalyzedResources = table<Analyzed>('accessanalyzer.analyzed-resource', {
  scope: 'region',
  key: ({ analyzer, resource }) => `${analyzer} ${resource}`,
})

export const findingsOf = (tx: ReadTx, analyzer: string): Promise<Finding[]> =>
  tx.list(Findings, { prefix: `${analyzer} ` })

/** One id for one cause, however often it is looked at. */
export const findingId = (...cause: readonly string[]): string => {
  const digest = createHash('sha256').update(cause.join('\n')).digest('hex')
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    digest.slice(12, 16),
    digest.slice(16, 20),
    digest.slice(20, 32),
  ].join('-')
}

export const findingType = ({ unused, inside }: Pick<Finding, 'unused' | 'inside'>) =>
  unused?.kind ?? (inside ? ('InternalAccess' as const) : ('ExternalAccess' as const))

/** What filters ask for. */
export const factsOf = (finding: Omit<Finding, 'analyzer'>): Facts => {
  const { external, internal, error } = finding
  return {
    id: [finding.id],
    resource: [finding.resource],
    resourceType: [finding.resourceType],
    resourceOwnerAccount: [finding.owner],
    status: [finding.status],
    findingType: [findingType(finding)],
    createdAt: [new Date(finding.created).toISOString()],
    updatedAt: [new Date(finding.updated).toISOString()],
    analyzedAt: [new Date(finding.analyzed).toISOString()],
    ...(error ? { error: [error] } : {}),
    ...(external
      ? {
          isPublic: [String(external.isPublic)],
          action: external.actions,
          sources: external.sources.map(({ type }) => type ?? ''),
          resourceControlPolicyRestriction: [external.resourceControlPolicyRestriction],
          ...prefixed('principal', external.principal),
          ...prefixed('condition', external.condition),
        }
      : {}),
    ...(internal
      ? {
          action: internal.actions,
          accessType: [internal.accessType],
          principalType: [internal.principalType],
          principalOwnerAccount: [internal.principalOwner],
          sources: internal.sources,
          resourceControlPolicyRestriction: [internal.resourceControlPolicyRestriction],
          serviceControlPolicyRestriction: [internal.serviceControlPolicyRestriction],
          ...prefixed('principal', internal.principal),
          ...prefixed('condition', internal.condition),
        }
      : {}),
  }
}

const prefixed = (prefix: string, map: Readonly<Record<string, string>>): Facts =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [`${prefix}.${key}`, [value]]))
