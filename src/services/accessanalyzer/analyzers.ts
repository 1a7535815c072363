import type {
  AnalyzerConfiguration,
  AnalyzerSummary,
  InternalAccessConfiguration,
  UnusedAccessConfiguration,
} from '@aws-sdk/client-accessanalyzer'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { organization } from '../../kernel/organization.ts'
import type { ReadTx } from '../../store/store.ts'
import {
  type Analyzer,
  Analyzers,
  type AnalyzerType,
  analyzerArn,
  getAnalyzer,
  getNamed,
  isInternal,
  isOrganization,
  isUnused,
  scanSoon,
} from './analyzer.ts'
import { deleteRules, putRules } from './archive-rules.ts'
import { follow } from './findings/follower.ts'
import { deleteFindings } from './findings/keeping.ts'
import { deleteRecommendations } from './findings/recommendations.ts'
import { ensureLinkedRole, linkedRole } from './linked-role.ts'
import { conflict, fail, type Input, invalid, notFound, type Operation, overQuota } from './operation.ts'
import { page } from './page.ts'
import { deletePreviews } from './previews.ts'

// Analyzers: what they look at, and for whom (IAM user guide, "Create an IAM Access Analyzer ... analyzer").

const DEFAULT_DAYS = 90
const MOST_TAGS = 50
const MOST_EXCLUSIONS = 100

const unusedAccessOf = (
  configuration: Input<'CreateAnalyzer'>['configuration'],
): NonNullable<Analyzer['unusedAccess']> => {
  const unused = configuration && 'unusedAccess' in configuration ? configuration.unusedAccess : undefined
  const days = unused?.unusedAccessAge ?? DEFAULT_DAYS
  if (days < 1 || days > 365) throw invalid('unusedAccessAge must be between 1 and 365 days.')
  const exclusions = (unused?.analysisRule?.exclusions ?? []).map(({ accountIds = [], resourceTags = [] }) => ({
    accounts: accountIds,
    tags: resourceTags,
  }))
  if (exclusions.length > MOST_EXCLUSIONS) throw invalid(`The maximum number of exclusions is ${MOST_EXCLUSIONS}.`)
  return { days, exclusions }
}

/** "InternalAccessAnalysisRuleCriteria", API reference. */
const internalTypes: ReadonlySet<string> = new Set([
  'AWS::S3::Bucket',
  'AWS::RDS::DBSnapshot',
  'AWS::RDS::DBClusterSnapshot',
  'AWS::S3Express::DirectoryBucket',
  'AWS::DynamoDB::Table',
  'AWS::DynamoDB::Stream',
])

const internalAccessOf = (
  type: AnalyzerType,
  configuration: Input<'CreateAnalyzer'>['configuration'],
): NonNullable<Analyzer['internalAccess']> => {
  const internal = configuration && 'internalAccess' in configuration ? configuration.internalAccess : undefined
  const given = internal?.analysisRule?.inclusions ?? []
  const inclusions = given.map(({ accountIds, resourceTypes, resourceArns }) => {
    if (accountIds && !isOrganization({ type }))
      throw invalid('Account IDs can only be specified for organization-level analyzers.')
    const unsupported = resourceTypes?.find((one) => !internalTypes.has(one))
    if (unsupported) throw invalid(`The resource type ${unsupported} is not supported for internal access analyzers.`)
    const bad = resourceArns?.find((arn) => !/^arn:[^:]*:[^:]+:[^:]*:[^:]*:.+$/.test(arn))
    if (bad !== undefined) throw invalid(`The resource ARN ${bad} is not valid.`)
    return {
      ...(accountIds ? { accounts: accountIds } : {}),
      ...(resourceTypes ? { types: resourceTypes } : {}),
      ...(resourceArns ? { resources: resourceArns } : {}),
    }
  })
  return { inclusions }
}

const checkConfiguration = (type: AnalyzerType, configuration: Input<'CreateAnalyzer'>['configuration']) => {
  const member = isUnused({ type }) ? 'unusedAccess' : isInternal({ type }) ? 'internalAccess' : undefined
  if (configuration && (member === undefined || !(member in configuration)))
    throw invalid(`The configuration is not supported for analyzers of type ${type}.`)
}

/** The caller's account leads the organization or administers Access Analyzer for it. Throws ValidationException. */
const checkOrganization = async (ctx: Ctx): Promise<void> => {
  const membership = await ctx.use(organization).membershipOf(ctx.account)
  if (!membership) throw invalid('The account is not a member of an organization.')
  if (membership.management) return
  const { DelegatedAdministrators = [] } = await ctx
    .as(linkedRole(ctx.account))
    .organizations.listDelegatedAdministrators({ ServicePrincipal: 'access-analyzer.amazonaws.com' })
    .catch((error: unknown) => {
      // Who may not ask is no delegated administrator; anything else is a failure of ours.
      if (error instanceof AwsError && error.status !== 500) return { DelegatedAdministrators: [] }
      throw error
    })
  if (!DelegatedAdministrators.some(({ Id }) => Id === ctx.account))
    throw fail(
      'AccessDeniedException',
      'The account is neither the management account nor a delegated administrator of the organization.',
    )
}

export const checkTags = (tags: Readonly<Record<string, string>>): void => {
  if (Object.keys(tags).length > MOST_TAGS) throw invalid(`A resource can have up to ${MOST_TAGS} tags.`)
  for (const [key, value] of Object.entries(tags)) {
    if (key.length < 1 || key.length > 128 || value.length > 256)
      throw invalid('A tag key or value is too long or empty.')
    if (/^aws:/i.test(key)) throw invalid('Tag keys must not start with aws:.')
  }
}

/**
 * The analyzer works when the call answers; its first scan follows at once. Throws ConflictException for a name in use,
 * ServiceQuotaExceededException, ValidationException.
 */
const CreateAnalyzer: Operation<'CreateAnalyzer'> = async (ctx, input) => {
  const { analyzerName: name, type, tags = {}, archiveRules = [] } = input
  checkConfiguration(type, input.configuration)
  checkTags(tags)
  await ensureLinkedRole(ctx, ctx.principal)
  if (isOrganization({ type })) await checkOrganization(ctx)
  const arn = analyzerArn(ctx, name)
  const most = isOrganization({ type }) ? 5 : 1
  return ctx.write(async (tx) => {
    if (await tx.get(Analyzers, arn))
      throw conflict('Analyzer', arn, `An analyzer with the name ${name} already exists.`)
    const present = await tx.list(Analyzers, { index: 'place', equals: `${ctx.account} ${ctx.region}` })
    if (present.filter((one) => one.type === type).length >= most)
      throw overQuota('Analyzer', arn, `The maximum number of analyzers of type ${type} is ${most}.`)
    tx.put(Analyzers, {
      arn,
      name,
      type,
      account: ctx.account,
      region: ctx.region,
      created: ctx.now().getTime(),
      tags,
      ...(isUnused({ type }) ? { unusedAccess: unusedAccessOf(input.configuration) } : {}),
      ...(isInternal({ type }) ? { internalAccess: internalAccessOf(type, input.configuration) } : {}),
    })
    await putRules(ctx, tx, { arn, type }, archiveRules)
    follow(tx)
    scanSoon(tx, { arn, account: ctx.account, region: ctx.region })
    return { arn }
  })
}

const toUnusedAccess = ({ days, exclusions }: NonNullable<Analyzer['unusedAccess']>): UnusedAccessConfiguration => ({
  unusedAccessAge: days,
  ...(exclusions.length > 0
    ? {
        analysisRule: {
          exclusions: exclusions.map(({ accounts, tags }) => ({
            ...(accounts.length > 0 ? { accountIds: [...accounts] } : {}),
            ...(tags.length > 0 ? { resourceTags: tags.map((one) => ({ ...one })) } : {}),
          })),
        },
      }
    : {}),
})

const toInternalAccess = ({ inclusions }: NonNullable<Analyzer['internalAccess']>): InternalAccessConfiguration => ({
  analysisRule: {
    inclusions: inclusions.map(({ accounts, types, resources }) => ({
      ...(accounts ? { accountIds: [...accounts] } : {}),
      ...(types ? { resourceTypes: [...types] } : {}),
      ...(resources ? { resourceArns: [...resources] } : {}),
    })),
  },
})

const toConfiguration = ({ unusedAccess, internalAccess }: Analyzer): AnalyzerConfiguration | undefined => {
  if (internalAccess) return { internalAccess: toInternalAccess(internalAccess) }
  return unusedAccess && { unusedAccess: toUnusedAccess(unusedAccess) }
}

const toSummary = ({ arn, name, type, created, tags, last }: Analyzer): AnalyzerSummary => ({
  arn,
  name,
  type,
  status: 'ACTIVE',
  createdAt: new Date(created),
  tags,
  ...(last ? { lastResourceAnalyzed: last.resource, lastResourceAnalyzedAt: new Date(last.at) } : {}),
})

/** Has the configuration, which lists leave out (API reference, "AnalyzerSummary"). */
const GetAnalyzer: Operation<'GetAnalyzer'> = async (ctx, { analyzerName }) => {
  const analyzer = await ctx.read((tx) => getNamed(ctx, tx, analyzerName))
  const configuration = toConfiguration(analyzer)
  return { analyzer: { ...toSummary(analyzer), ...(configuration ? { configuration } : {}) } }
}

const ListAnalyzers: Operation<'ListAnalyzers'> = async (ctx, input) => {
  const all = await ctx.read((tx) => tx.list(Analyzers, { index: 'place', equals: `${ctx.account} ${ctx.region}` }))
  const { items, nextToken } = page(
    all.filter(({ type }) => input.type === undefined || type === input.type),
    input,
  )
  return { analyzers: items.map(toSummary), ...(nextToken === undefined ? {} : { nextToken }) }
}

/**
 * The analysis rule of an unused or internal access analyzer changes; an age does not. Not for external access analyzers
 * (API reference, "UpdateAnalyzer").
 */
const UpdateAnalyzer: Operation<'UpdateAnalyzer'> = (ctx, { analyzerName, configuration }) =>
  ctx.write(async (tx) => {
    const analyzer = await getNamed(ctx, tx, analyzerName)
    if (!isUnused(analyzer) && !isInternal(analyzer))
      throw invalid(`The operation is not supported for analyzers of type ${analyzer.type}.`)
    if (configuration === undefined) return { configuration: toConfiguration(analyzer) }
    checkConfiguration(analyzer.type, configuration)
    if (isInternal(analyzer)) {
      const changed = tx.put(Analyzers, { ...analyzer, internalAccess: internalAccessOf(analyzer.type, configuration) })
      scanSoon(tx, changed)
      return { configuration: toConfiguration(changed) }
    }
    const wanted = unusedAccessOf(configuration)
    const given = 'unusedAccess' in configuration ? configuration.unusedAccess?.unusedAccessAge : undefined
    if (given !== undefined && given !== analyzer.unusedAccess?.days)
      throw invalid('The unusedAccessAge of an analyzer cannot be changed.')
    const days = analyzer.unusedAccess?.days ?? wanted.days
    const changed = tx.put(Analyzers, { ...analyzer, unusedAccess: { ...wanted, days } })
    scanSoon(tx, changed)
    return { configuration: toConfiguration(changed) }
  })

/** Findings and archive rules go with it. */
const DeleteAnalyzer: Operation<'DeleteAnalyzer'> = (ctx, { analyzerName }) =>
  ctx.write(async (tx) => {
    const { arn } = await getNamed(ctx, tx, analyzerName)
    tx.delete(Analyzers, arn)
    await deleteRules(tx, arn)
    await deleteFindings(tx, arn)
    await deleteRecommendations(tx, arn)
    await deletePreviews(tx, arn)
    return {}
  })

/** "Direct customer invocation returns AccessDeniedException" (API reference), and no service here manages analyzers. */
const CreateServiceLinkedAnalyzer: Operation<'CreateServiceLinkedAnalyzer'> = (ctx) => {
  throw fail(
    'AccessDeniedException',
    `User: ${ctx.principal.arn} is not authorized to perform: access-analyzer:CreateServiceLinkedAnalyzer`,
  )
}

/** Customers may, but no analyzer of theirs is a service-linked one. */
const DeleteServiceLinkedAnalyzer: Operation<'DeleteServiceLinkedAnalyzer'> = (ctx, { analyzerName }) => {
  throw notFound('Analyzer', analyzerArn(ctx, analyzerName))
}

const tagged = (ctx: Ctx, tx: ReadTx, resourceArn: string): Promise<Analyzer> => getAnalyzer(ctx, tx, resourceArn)

const TagResource: Operation<'TagResource'> = (ctx, { resourceArn, tags }) =>
  ctx.write(async (tx) => {
    const analyzer = await tagged(ctx, tx, resourceArn)
    const all = { ...analyzer.tags, ...tags }
    checkTags(all)
    tx.put(Analyzers, { ...analyzer, tags: all })
    return {}
  })

const UntagResource: Operation<'UntagResource'> = (ctx, { resourceArn, tagKeys }) =>
  ctx.write(async (tx) => {
    const analyzer = await tagged(ctx, tx, resourceArn)
    const tags = Object.fromEntries(Object.entries(analyzer.tags).filter(([key]) => !tagKeys.includes(key)))
    tx.put(Analyzers, { ...analyzer, tags })
    return {}
  })

const ListTagsForResource: Operation<'ListTagsForResource'> = async (ctx, { resourceArn }) => ({
  tags: { ...(await ctx.read((tx) => tagged(ctx, tx, resourceArn))).tags },
})

export const analyzers = {
  CreateAnalyzer,
  GetAnalyzer,
  ListAnalyzers,
  UpdateAnalyzer,
  DeleteAnalyzer,
  CreateServiceLinkedAnalyzer,
  DeleteServiceLinkedAnalyzer,
  TagResource,
  UntagResource,
  ListTagsForResource,
}
