import type {
  AnalyzedResource,
  FindingDetails,
  FindingSummary,
  FindingSummaryV2,
  FindingsStatistics,
  InternalAccessDetails,
} from '@aws-sdk/client-accessanalyzer'
import { type Analyzer, getAnalyzer, isInternal, isOrganization, isUnused } from '../analyzer.ts'
import { checkFilter, matchesFilter, sorted } from '../filters.ts'
import { invalid, notFound, type Operation } from '../operation.ts'
import { page } from '../page.ts'
import {
  AnalyzedResources,
  type Finding,
  Findings,
  factsOf,
  findingsOf,
  findingType,
  type Internal,
} from './finding.ts'
import { keepFinding } from './keeping.ts'
import { scanExternal } from './scan.ts'

const dates = ({ created, analyzed, updated }: Pick<Finding, 'created' | 'analyzed' | 'updated'>) => ({
  createdAt: new Date(created),
  analyzedAt: new Date(analyzed),
  updatedAt: new Date(updated),
})

const optional = (at: number | undefined) => (at === undefined ? {} : { lastAccessed: new Date(at) })

const toV1 = (finding: Finding): FindingSummary => {
  const { external, error } = finding
  return {
    id: finding.id,
    resource: finding.resource,
    resourceType: finding.resourceType,
    resourceOwnerAccount: finding.owner,
    status: finding.status,
    condition: { ...external?.condition },
    ...dates(finding),
    ...(error ? { error } : {}),
    ...(external
      ? {
          principal: { ...external.principal },
          action: [...external.actions],
          isPublic: external.isPublic,
          sources: [...external.sources],
          resourceControlPolicyRestriction: external.resourceControlPolicyRestriction,
        }
      : {}),
  }
}

const toV2 = (finding: Finding): FindingSummaryV2 => ({
  id: finding.id,
  resource: finding.resource,
  resourceType: finding.resourceType,
  resourceOwnerAccount: finding.owner,
  status: finding.status,
  findingType: findingType(finding),
  ...dates(finding),
  ...(finding.error ? { error: finding.error } : {}),
})

const toInternal = (internal: Internal | undefined, error: Finding['error']): InternalAccessDetails => {
  if (!internal) return {}
  const about = {
    principal: { ...internal.principal },
    principalOwnerAccount: internal.principalOwner,
    principalType: internal.principalType,
    accessType: internal.accessType,
  }
  if (error) return about
  return {
    ...about,
    action: [...internal.actions],
    condition: { ...internal.condition },
    sources: internal.sources.map((type) => ({ type })),
    resourceControlPolicyRestriction: internal.resourceControlPolicyRestriction,
    serviceControlPolicyRestriction: internal.serviceControlPolicyRestriction,
  }
}

const toDetails = ({ external, internal, inside, unused, error }: Finding): FindingDetails[] => {
  if (inside) return [{ internalAccessDetails: toInternal(internal, error) }]
  if (external)
    return [
      {
        externalAccessDetails: {
          action: [...external.actions],
          condition: { ...external.condition },
          isPublic: external.isPublic,
          principal: { ...external.principal },
          sources: [...external.sources],
          resourceControlPolicyRestriction: external.resourceControlPolicyRestriction,
        },
      },
    ]
  switch (unused?.kind) {
    case 'UnusedIAMRole':
      return [{ unusedIamRoleDetails: optional(unused.lastAccessed) }]
    case 'UnusedIAMUserPassword':
      return [{ unusedIamUserPasswordDetails: optional(unused.lastAccessed) }]
    case 'UnusedIAMUserAccessKey':
      return [{ unusedIamUserAccessKeyDetails: { accessKeyId: unused.accessKeyId, ...optional(unused.lastAccessed) } }]
    case 'UnusedPermission':
      return unused.services.map(({ namespace, lastAccessed, actions }) => ({
        unusedPermissionDetails: {
          serviceNamespace: namespace,
          ...optional(lastAccessed),
          ...(actions ? { actions: actions.map(({ action, lastAccessed: at }) => ({ action, ...optional(at) })) } : {}),
        },
      }))
    default:
      return []
  }
}

/** The first version of the API knows external access only. Throws ValidationException. */
const externalOnly = (analyzer: Analyzer): Analyzer => {
  if (isUnused(analyzer) || isInternal(analyzer))
    throw invalid(`The operation is not supported for analyzers of type ${analyzer.type}.`)
  return analyzer
}

const ListFindings: Operation<'ListFindings'> = async (ctx, input) => {
  const filter = checkFilter(input.filter ?? {})
  const all = await ctx.read(async (tx) => {
    externalOnly(await getAnalyzer(ctx, tx, input.analyzerArn))
    return findingsOf(tx, input.analyzerArn)
  })
  const wanted = all.filter((finding) => matchesFilter(filter, factsOf(finding)))
  const { items, nextToken } = page(sorted(wanted, factsOf, input.sort), input)
  return { findings: items.map(toV1), ...(nextToken === undefined ? {} : { nextToken }) }
}

const ListFindingsV2: Operation<'ListFindingsV2'> = async (ctx, input) => {
  const filter = checkFilter(input.filter ?? {})
  const all = await ctx.read(async (tx) => {
    await getAnalyzer(ctx, tx, input.analyzerArn)
    return findingsOf(tx, input.analyzerArn)
  })
  const wanted = all.filter((finding) => matchesFilter(filter, factsOf(finding)))
  const { items, nextToken } = page(sorted(wanted, factsOf, input.sort), input)
  return { findings: items.map(toV2), ...(nextToken === undefined ? {} : { nextToken }) }
}

const GetFinding: Operation<'GetFinding'> = async (ctx, { analyzerArn, id }) => {
  const finding = await ctx.read(async (tx) => {
    externalOnly(await getAnalyzer(ctx, tx, analyzerArn))
    return tx.get(Findings, `${analyzerArn} ${id}`)
  })
  if (!finding) throw notFound('Finding', id)
  return { finding: toV1(finding) }
}

const GetFindingV2: Operation<'GetFindingV2'> = async (ctx, input) => {
  const finding = await ctx.read(async (tx) => {
    await getAnalyzer(ctx, tx, input.analyzerArn)
    return tx.get(Findings, `${input.analyzerArn} ${input.id}`)
  })
  if (!finding) throw notFound('Finding', input.id)
  const { items, nextToken } = page(toDetails(finding), input)
  return { ...toV2(finding), findingDetails: items, ...(nextToken === undefined ? {} : { nextToken }) }
}

/** By ids, or all of one resource. Resolved findings have no status to choose. Throws ValidationException. */
const UpdateFindings: Operation<'UpdateFindings'> = (ctx, { analyzerArn, ids, resourceArn, status }) =>
  ctx.write(async (tx) => {
    await getAnalyzer(ctx, tx, analyzerArn)
    if ((ids === undefined) === (resourceArn === undefined))
      throw invalid('Either ids or resourceArn must be specified.')
    const wanted = new Set(ids)
    const all = await findingsOf(tx, analyzerArn)
    for (const id of wanted) if (!all.some((finding) => finding.id === id)) throw notFound('Finding', id)
    for (const finding of all) {
      if (!(resourceArn === undefined ? wanted.has(finding.id) : finding.resource === resourceArn)) continue
      if (finding.status === 'RESOLVED') continue
      keepFinding(tx, { ...finding, status, updated: ctx.now().getTime() }, finding)
    }
    return {}
  })

const count = (findings: readonly Finding[]) => ({
  totalActiveFindings: findings.filter(({ status }) => status === 'ACTIVE').length,
  totalArchivedFindings: findings.filter(({ status }) => status === 'ARCHIVED').length,
  totalResolvedFindings: findings.filter(({ status }) => status === 'RESOLVED').length,
})

const externalStatistics = (findings: readonly Finding[]): FindingsStatistics => {
  const active = Map.groupBy(
    findings.filter(({ status }) => status === 'ACTIVE'),
    ({ resourceType }) => resourceType,
  )
  return {
    externalAccessFindingsStatistics: {
      ...count(findings),
      resourceTypeStatistics: Object.fromEntries(
        [...active].map(([type, all]) => [
          type,
          {
            totalActivePublic: all.filter(({ external }) => external?.isPublic).length,
            totalActiveCrossAccount: all.filter(({ external }) => external && !external.isPublic).length,
            totalActiveErrors: all.filter(({ error }) => error).length,
          },
        ]),
      ),
    },
  }
}

const internalStatistics = (findings: readonly Finding[]): FindingsStatistics => ({
  internalAccessFindingsStatistics: {
    ...count(findings),
    resourceTypeStatistics: Object.fromEntries(
      [...Map.groupBy(findings, ({ resourceType }) => resourceType)].map(([type, all]) => [type, count(all)]),
    ),
  },
})

const unusedStatistics = (analyzer: Analyzer, findings: readonly Finding[]): FindingsStatistics => {
  const active = findings.filter(({ status }) => status === 'ACTIVE')
  const byAccount = [...Map.groupBy(active, ({ owner }) => owner)]
    .map(([account, all]) => ({
      account,
      numberOfActiveFindings: all.length,
      details: Object.fromEntries([...Map.groupBy(all, findingType)].map(([type, some]) => [type, some.length])),
    }))
    .toSorted((a, b) => b.numberOfActiveFindings - a.numberOfActiveFindings)
    .slice(0, 10)
  return {
    unusedAccessFindingsStatistics: {
      ...count(findings),
      unusedAccessTypeStatistics: [...Map.groupBy(active, findingType)].map(([unusedAccessType, all]) => ({
        unusedAccessType,
        total: all.length,
      })),
      ...(isOrganization(analyzer) && byAccount.length > 0 ? { topAccounts: byAccount } : {}),
    },
  }
}

const GetFindingsStatistics: Operation<'GetFindingsStatistics'> = async (ctx, { analyzerArn }) => {
  const { analyzer, findings } = await ctx.read(async (tx) => ({
    analyzer: await getAnalyzer(ctx, tx, analyzerArn),
    findings: await findingsOf(tx, analyzerArn),
  }))
  const statistics = isUnused(analyzer)
    ? unusedStatistics(analyzer, findings)
    : isInternal(analyzer)
      ? internalStatistics(findings)
      : externalStatistics(findings)
  return { findingsStatistics: [statistics], lastUpdatedAt: ctx.now() }
}

const GetAnalyzedResource: Operation<'GetAnalyzedResource'> = async (ctx, { analyzerArn, resourceArn }) => {
  const { found, findings } = await ctx.read(async (tx) => {
    externalOnly(await getAnalyzer(ctx, tx, analyzerArn))
    return {
      found: await tx.get(AnalyzedResources, `${analyzerArn} ${resourceArn}`),
      findings: await tx.list(Findings, { index: 'resource', equals: `${analyzerArn} ${resourceArn}` }),
    }
  })
  if (!found) throw notFound('Resource', resourceArn)
  const present = findings.filter(({ status }) => status !== 'RESOLVED')
  const actions = [...new Set(present.flatMap(({ external }) => external?.actions ?? []))].toSorted()
  const sharedVia = [
    ...new Set(present.flatMap(({ external }) => external?.sources.map(({ type }) => type ?? '') ?? [])),
  ]
  const error = present.find((finding) => finding.error)?.error
  const resource: AnalyzedResource = {
    resourceArn,
    resourceType: found.resourceType,
    resourceOwnerAccount: found.owner,
    ...dates(found),
    isPublic: present.some(({ external }) => external?.isPublic),
    ...(actions.length > 0 ? { actions, sharedVia } : {}),
    ...(present[0] ? { status: present.some(({ status }) => status === 'ACTIVE') ? 'ACTIVE' : 'ARCHIVED' } : {}),
    ...(error ? { error } : {}),
  }
  return { resource }
}

const ListAnalyzedResources: Operation<'ListAnalyzedResources'> = async (ctx, input) => {
  const all = await ctx.read(async (tx) => {
    const analyzer = await getAnalyzer(ctx, tx, input.analyzerArn)
    if (!isInternal(analyzer)) externalOnly(analyzer)
    return tx.list(AnalyzedResources, { prefix: `${input.analyzerArn} ` })
  })
  const wanted = all.filter(
    ({ resourceType }) => input.resourceType === undefined || resourceType === input.resourceType,
  )
  const { items, nextToken } = page(wanted, input)
  return {
    analyzedResources: items.map(({ resource, owner, resourceType }) => ({
      resourceArn: resource,
      resourceOwnerAccount: owner,
      resourceType,
    })),
    ...(nextToken === undefined ? {} : { nextToken }),
  }
}

/** The resource has been looked at when the call answers. Throws ResourceNotFoundException where there is none. */
const StartResourceScan: Operation<'StartResourceScan'> = async (ctx, { analyzerArn, resourceArn }) => {
  const analyzer = externalOnly(await ctx.read((tx) => getAnalyzer(ctx, tx, analyzerArn)))
  if (!(await scanExternal(ctx, analyzer, resourceArn))) throw notFound('Resource', resourceArn)
  return {}
}

export const findings = {
  ListFindings,
  ListFindingsV2,
  GetFinding,
  GetFindingV2,
  UpdateFindings,
  GetFindingsStatistics,
  GetAnalyzedResource,
  ListAnalyzedResources,
  StartResourceScan,
}
