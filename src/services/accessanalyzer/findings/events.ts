import type { DomainEvent } from '../../../work/outbox.ts'
import { type Finding, findingId, findingType } from './finding.ts'

// Findings as EventBridge hears of them (IAM user guide, "Monitoring AWS Identity and Access Management Access Analyzer
// with Amazon EventBridge").

/** What happened to a finding: it was deleted, or its status changed from `previous` (none: it is new). */
export type Happening = { readonly deleted?: boolean; readonly previous?: Finding['status'] | undefined }

const date = (at: number) => new Date(at).toISOString()

const detailOf = (finding: Finding, region: string, { deleted = false, previous }: Happening) => {
  const { external, internal, unused, error } = finding
  const common = {
    resource: finding.resource,
    resourceType: finding.resourceType,
    accountId: finding.owner,
    createdAt: date(finding.created),
    updatedAt: date(finding.updated),
    analyzedAt: date(finding.analyzed),
    status: finding.status,
    isDeleted: deleted,
    ...(error ? { error } : {}),
  }
  if (unused) {
    const services = unused.kind === 'UnusedPermission' ? unused.services : undefined
    return {
      ...common,
      findingId: finding.id,
      findingType: unused.kind,
      previousStatus: previous ?? '',
      version: findingId(finding.id, finding.status, String(finding.updated)),
      ...(services
        ? {
            numberOfUnusedServices: services.filter(({ actions }) => !actions).length,
            numberOfUnusedActions: services.flatMap(({ actions = [] }) => actions).length,
          }
        : {}),
    }
  }
  if (findingType(finding) === 'InternalAccess')
    return {
      ...common,
      id: finding.id,
      findingType: 'InternalAccess',
      version: '1.0',
      ...(internal
        ? {
            accessType: internal.accessType,
            principal: internal.principal,
            principalOwnerAccount: internal.principalOwner,
            principalType: internal.principalType,
            resourceControlPolicyRestrictionType: internal.resourceControlPolicyRestriction,
            serviceControlPolicyRestrictionType: internal.serviceControlPolicyRestriction,
            ...(error ? {} : { action: internal.actions, condition: internal.condition }),
          }
        : {}),
    }
  return {
    ...common,
    id: finding.id,
    region,
    version: '1.0',
    ...(external
      ? {
          action: external.actions,
          condition: external.condition,
          isPublic: external.isPublic,
          principal: external.principal,
          resourceControlPolicyRestriction: external.resourceControlPolicyRestriction,
        }
      : {}),
  }
}

const detailTypeOf = (finding: Finding): string => {
  if (finding.unused) return 'Unused Access Finding for IAM entities'
  return findingType(finding) === 'InternalAccess' ? 'Internal Access Finding' : 'Access Analyzer Finding'
}

/** An event at the analyzer's place. */
export const analyzerEvent = (analyzer: string, detailType: string, detail: DomainEvent['detail']): DomainEvent => {
  const [, , , region = '', account = ''] = analyzer.split(':')
  return { source: 'aws.access-analyzer', 'detail-type': detailType, account, region, resources: [analyzer], detail }
}

export const findingEvent = (finding: Finding, happening: Happening): DomainEvent =>
  analyzerEvent(
    finding.analyzer,
    detailTypeOf(finding),
    detailOf(finding, finding.analyzer.split(':')[3] ?? '', happening),
  )
