import type { AccessPreviewFinding, AccessPreviewSummary, Configuration } from '@aws-sdk/client-accessanalyzer'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import type { DomainEvent } from '../../work/outbox.ts'
import { done, type Reconciler } from '../../work/reconciler.ts'
import { UnreadablePolicy } from './analysis/read-document.ts'
import { type Analyzer, Analyzers, getAnalyzer, isInternal, isUnused } from './analyzer.ts'
import { checkFilter, matchesFilter } from './filters.ts'
import { analyzerEvent } from './findings/events.ts'
import { causeOf, externalOf, zoneOf } from './findings/external.ts'
import { type External, type Finding, Findings, factsOf, findingId } from './findings/finding.ts'
import { aclGrant, type Exposure, keyGrant, type ResourceSource, resourceSources } from './findings/resource-sources.ts'
import { linkedRole } from './linked-role.ts'
import { conflict, type Input, invalid, notFound, type Operation, overQuota } from './operation.ts'
import { page } from './page.ts'

// What a resource's policy would let in before it is put there (IAM user guide, "Preview access with IAM Access Analyzer APIs").

type Preview = {
  readonly id: string
  readonly analyzer: string
  readonly resource: string
  readonly configuration: Configuration
  readonly created: number
  readonly status: 'CREATING' | 'COMPLETED' | 'FAILED'
  readonly reason?: 'INTERNAL_ERROR' | 'INVALID_CONFIGURATION'
  readonly findings: readonly PreviewFinding[]
}
type PreviewFinding = {
  readonly id: string
  readonly change: 'NEW' | 'CHANGED' | 'UNCHANGED'
  readonly status: Finding['status']
  readonly existing?: { readonly id: string; readonly status: Finding['status'] }
  readonly external: External
}

export const Previews = table<Preview>('accessanalyzer.preview', {
  scope: 'region',
  key: ({ analyzer, id }) => `${analyzer} ${id}`,
})

const reconciler = 'accessanalyzer.preview'
const MOST_AN_HOUR = 1000

type Given = NonNullable<Input<'CreateAccessPreview'>['configurations'][string]>
type Kind = {
  readonly source: Pick<ResourceSource, 'type' | 'actions'>
  readonly exposure: (proposed: Configuration, present: Exposure) => Exposure
}

const byType = (type: ResourceSource['type']): ResourceSource => resourceSources.find((one) => one.type === type)!

/** A policy that is not given stays as it is; an empty one is taken away. */
const withPolicy = (policy: string | undefined, present: Exposure): Exposure => {
  if (policy === undefined) return present
  const { policy: _, ...rest } = present
  return policy === '' ? rest : { ...rest, policy }
}

const policyOnly = (source: Kind['source'], read: (proposed: Configuration) => string | undefined): Kind => ({
  source,
  exposure: (proposed, present) => withPolicy(read(proposed), present),
})

type ProposedPoints = NonNullable<NonNullable<Configuration['s3Bucket']>['accessPoints']>
const pointArn = /^arn:aws:s3:[a-z0-9-]+:(\d{12}):accesspoint\/[a-z0-9-]+$/

/** Access points as proposed, over those that are there; an empty policy is none. */
const withPoints = (proposed: ProposedPoints, present: Exposure): Pick<Exposure, 'accessPoints'> => {
  const points = new Map((present.accessPoints ?? []).map((point) => [point.arn, point]))
  for (const [arn, { accessPointPolicy, publicAccessBlock, networkOrigin }] of Object.entries(proposed)) {
    const account = pointArn.exec(arn)?.[1] ?? ''
    const before = points.get(arn)
    points.set(arn, {
      arn,
      account,
      policy: accessPointPolicy ?? before?.policy ?? '',
      restrictPublic: publicAccessBlock?.restrictPublicBuckets ?? before?.restrictPublic ?? false,
      vpcOnly: networkOrigin ? networkOrigin.vpcConfiguration !== undefined : (before?.vpcOnly ?? false),
    })
  }
  return { accessPoints: [...points.values()].filter(({ policy }) => policy !== '') }
}

const kinds: Readonly<Record<string, Kind>> = {
  s3Bucket: {
    source: byType('AWS::S3::Bucket'),
    exposure: ({ s3Bucket }, present) => {
      const { bucketPolicy, bucketAclGrants, bucketPublicAccessBlock, accessPoints } = s3Bucket ?? {}
      const grants = bucketAclGrants?.flatMap(({ grantee, permission }) =>
        aclGrant({ ID: grantee?.id, URI: grantee?.uri }, permission, undefined),
      )
      const ignored = bucketPublicAccessBlock?.ignorePublicAcls ?? false
      return {
        ...withPolicy(bucketPolicy, present),
        ...(accessPoints ? withPoints(accessPoints, present) : {}),
        ...(grants ? { grants: ignored ? grants.filter(({ isPublic }) => !isPublic) : grants } : {}),
        ...(bucketPublicAccessBlock ? { restrictPublic: bucketPublicAccessBlock.restrictPublicBuckets ?? false } : {}),
      }
    },
  },
  iamRole: policyOnly(byType('AWS::IAM::Role'), ({ iamRole }) => iamRole?.trustPolicy),
  sqsQueue: policyOnly(byType('AWS::SQS::Queue'), ({ sqsQueue }) => sqsQueue?.queuePolicy),
  secretsManagerSecret: policyOnly(
    byType('AWS::SecretsManager::Secret'),
    ({ secretsManagerSecret }) => secretsManagerSecret?.secretPolicy,
  ),
  kmsKey: {
    source: byType('AWS::KMS::Key'),
    exposure: ({ kmsKey }, present) => ({
      ...withPolicy(kmsKey?.keyPolicies?.default, present),
      ...(kmsKey?.grants
        ? {
            grants: kmsKey.grants.flatMap(({ granteePrincipal, operations = [], constraints }) =>
              keyGrant(granteePrincipal, operations, {
                ...constraints?.encryptionContextEquals,
                ...constraints?.encryptionContextSubset,
              }),
            ),
          }
        : {}),
    }),
  },
  snsTopic: policyOnly(
    { type: 'AWS::SNS::Topic', actions: { prefix: 'sns', types: ['topic'] } },
    ({ snsTopic }) => snsTopic?.topicPolicy,
  ),
  ecrRepository: policyOnly(
    { type: 'AWS::ECR::Repository', actions: { prefix: 'ecr', types: ['repository'] } },
    ({ ecrRepository }) => ecrRepository?.repositoryPolicy,
  ),
  efsFileSystem: policyOnly(
    { type: 'AWS::EFS::FileSystem', actions: { prefix: 'elasticfilesystem', types: ['file-system'] } },
    ({ efsFileSystem }) => efsFileSystem?.fileSystemPolicy,
  ),
  dynamodbTable: policyOnly(
    { type: 'AWS::DynamoDB::Table', actions: { prefix: 'dynamodb', types: ['table'] } },
    ({ dynamodbTable }) => dynamodbTable?.tablePolicy,
  ),
  dynamodbStream: policyOnly(
    { type: 'AWS::DynamoDB::Stream', actions: { prefix: 'dynamodb', types: ['stream'] } },
    ({ dynamodbStream }) => dynamodbStream?.streamPolicy,
  ),
}

/** IAM prefixes are not always the service's name in ARNs. */
const arnService = ({ source }: Kind) => (source.type === 'AWS::IAM::Role' ? 'iam' : source.actions.prefix)

const kindOf = (arn: string, configuration: Given | Configuration): Kind => {
  const [member = ''] = Object.keys(configuration).filter((name) => Object.hasOwn(kinds, name))
  const kind = kinds[member]
  if (!kind)
    throw notImplemented(`access-analyzer:CreateAccessPreview of ${Object.keys(configuration).join(', ') || 'nothing'}`)
  const odd = Object.keys(configuration.s3Bucket?.accessPoints ?? {}).find((point) => !pointArn.test(point))
  if (odd !== undefined) throw notImplemented(`access-analyzer:CreateAccessPreview of the access point ${odd}`)
  const [, , service, , account] = arn.split(':')
  if (!arn.startsWith('arn:') || service !== arnService(kind))
    throw invalid(`The resource ${arn} is not of the type of its configuration.`)
  if (account && !/^\d{12}$/.test(account)) throw invalid(`The resource ${arn} is not valid.`)
  return kind
}

/** Throws ValidationException, ServiceQuotaExceededException; types of resources that are absent here are 501. */
const CreateAccessPreview: Operation<'CreateAccessPreview'> = async (ctx, { analyzerArn, configurations }) => {
  const [entry, more] = Object.entries(configurations)
  if (!entry || more) throw invalid('Exactly one configuration must be specified.')
  const [resource, configuration] = entry
  const analyzer = await ctx.read((tx) => getAnalyzer(ctx, tx, analyzerArn))
  if (isUnused(analyzer) || isInternal(analyzer))
    throw invalid(`Access previews are not supported for analyzers of type ${analyzer.type}.`)
  kindOf(resource, configuration)
  return ctx.write(async (tx) => {
    const now = ctx.now().getTime()
    const recent = (await previewsOf(tx, analyzerArn)).filter(({ created }) => created > now - 3_600_000)
    if (recent.length >= MOST_AN_HOUR)
      throw overQuota(
        'AccessPreview',
        analyzerArn,
        `The maximum number of access previews per hour is ${MOST_AN_HOUR}.`,
      )
    const preview = tx.put(Previews, {
      id: ctx.newId(),
      analyzer: analyzerArn,
      resource,
      // Grants carry no dates or bytes: the configuration is plain JSON.
      configuration: configuration as Configuration,
      created: now,
      status: 'CREATING' as const,
      findings: [],
    })
    tx.wake(reconciler, Previews.key(preview))
    tx.emit(previewEvent(preview))
    return { id: preview.id }
  })
}

const previewsOf = (tx: ReadTx, analyzer: string): Promise<Preview[]> => tx.list(Previews, { prefix: `${analyzer} ` })

export const deletePreviews = async (tx: WriteTx, analyzer: string): Promise<void> => {
  for (const preview of await previewsOf(tx, analyzer)) tx.delete(Previews, Previews.key(preview))
}

/** "Access preview events" of the IAM user guide's page on EventBridge. */
const previewEvent = (preview: Preview, previousStatus?: Preview['status']): DomainEvent =>
  analyzerEvent(preview.analyzer, 'Access Preview State Change', {
    accessPreviewId: preview.id,
    configuredResources: [preview.resource],
    createdAt: new Date(preview.created).toISOString(),
    region: preview.analyzer.split(':')[3],
    status: preview.status,
    ...(previousStatus ? { previousStatus } : {}),
    ...(preview.reason ? { statusReason: { code: preview.reason } } : {}),
    version: '1.0',
  })

const getPreview = async (ctx: Ctx, tx: ReadTx, analyzer: string, id: string): Promise<Preview> => {
  await getAnalyzer(ctx, tx, analyzer)
  const preview = await tx.get(Previews, `${analyzer} ${id}`)
  if (!preview) throw notFound('AccessPreview', id)
  return preview
}

const toSummary = ({ id, analyzer, created, status, reason }: Preview): AccessPreviewSummary => ({
  id,
  analyzerArn: analyzer,
  createdAt: new Date(created),
  status,
  ...(reason ? { statusReason: { code: reason } } : {}),
})

const GetAccessPreview: Operation<'GetAccessPreview'> = async (ctx, { analyzerArn, accessPreviewId }) => {
  const preview = await ctx.read((tx) => getPreview(ctx, tx, analyzerArn, accessPreviewId))
  return {
    accessPreview: {
      ...toSummary(preview),
      id: preview.id,
      configurations: { [preview.resource]: preview.configuration },
    },
  } as Awaited<ReturnType<Operation<'GetAccessPreview'>>>
}

const ListAccessPreviews: Operation<'ListAccessPreviews'> = async (ctx, input) => {
  const all = await ctx.read(async (tx) => {
    await getAnalyzer(ctx, tx, input.analyzerArn)
    return previewsOf(tx, input.analyzerArn)
  })
  const { items, nextToken } = page(
    all.toSorted((a, b) => b.created - a.created),
    input,
  )
  return { accessPreviews: items.map(toSummary), ...(nextToken === undefined ? {} : { nextToken }) }
}

const asFinding = (preview: Preview, found: PreviewFinding, owner: string, type: Finding['resourceType']) => ({
  id: found.id,
  resource: preview.resource,
  resourceType: type,
  owner,
  status: found.status,
  created: preview.created,
  updated: preview.created,
  analyzed: preview.created,
  external: found.external,
})

/** Throws ConflictException while the preview is being made. */
const ListAccessPreviewFindings: Operation<'ListAccessPreviewFindings'> = async (ctx, input) => {
  const filter = checkFilter(input.filter ?? {})
  const preview = await ctx.read((tx) => getPreview(ctx, tx, input.analyzerArn, input.accessPreviewId))
  if (preview.status === 'CREATING')
    throw conflict('AccessPreview', preview.id, `The access preview ${preview.id} is still being created.`)
  const owner = ownerOf(preview.resource, ctx.account)
  const { type } = kindOf(preview.resource, preview.configuration).source
  const wanted = preview.findings.filter((found) =>
    matchesFilter(filter, {
      ...factsOf(asFinding(preview, found, owner, type)),
      changeType: [found.change],
      ...(found.existing
        ? { existingFindingId: [found.existing.id], existingFindingStatus: [found.existing.status] }
        : {}),
    }),
  )
  const { items, nextToken } = page(wanted, input)
  return {
    findings: items.map(
      ({ id, change, status, existing, external }): AccessPreviewFinding => ({
        id,
        changeType: change,
        status,
        ...(existing ? { existingFindingId: existing.id, existingFindingStatus: existing.status } : {}),
        resource: preview.resource,
        resourceType: type,
        resourceOwnerAccount: owner,
        createdAt: new Date(preview.created),
        principal: { ...external.principal },
        action: [...external.actions],
        condition: { ...external.condition },
        isPublic: external.isPublic,
        sources: [...external.sources],
        resourceControlPolicyRestriction: external.resourceControlPolicyRestriction,
      }),
    ),
    ...(nextToken === undefined ? {} : { nextToken }),
  }
}

const ownerOf = (arn: string, own: string) => arn.split(':')[4] || own

/** What is there now; a resource that is not there exposes nothing. */
const presentOf = async (ctx: Ctx, { source }: Kind, arn: string, owner: string): Promise<Exposure> => {
  const reading = resourceSources.find(({ type }) => type === source.type)
  if (!reading) return {}
  try {
    return await reading.read(ctx.as(linkedRole(owner), { account: owner, region: ctx.region }), arn)
  } catch (error) {
    if (error instanceof AwsError && /NotFound|NoSuch|NotExist|NonExistent|NotImplemented/.test(error.code)) return {}
    throw error
  }
}

const compare = (
  analyzer: Analyzer,
  resource: string,
  proposed: readonly External[],
  present: readonly Finding[],
): PreviewFinding[] => {
  const before = new Map(present.flatMap((one) => (one.external ? [[causeOf(one.external), one] as const] : [])))
  const found = proposed.map((external): PreviewFinding => {
    const known = before.get(causeOf(external))
    before.delete(causeOf(external))
    const id = findingId('preview', analyzer.arn, resource, causeOf(external))
    if (!known) return { id, change: 'NEW', status: 'ACTIVE', external }
    const same = JSON.stringify(known.external) === JSON.stringify(external)
    const wasResolved = known.status === 'RESOLVED'
    return {
      id,
      change: wasResolved ? 'NEW' : same ? 'UNCHANGED' : 'CHANGED',
      status: wasResolved ? 'ACTIVE' : known.status,
      existing: { id: known.id, status: known.status },
      external,
    }
  })
  const gone = [...before.values()].flatMap((one): PreviewFinding[] =>
    one.external && one.status !== 'RESOLVED'
      ? [
          {
            id: findingId('preview', analyzer.arn, resource, one.id),
            change: 'CHANGED',
            status: 'RESOLVED',
            existing: { id: one.id, status: one.status },
            external: one.external,
          },
        ]
      : [],
  )
  return [...found, ...gone]
}

const outcomeOf = async (ctx: Ctx, preview: Preview, analyzer: Analyzer): Promise<Partial<Preview>> => {
  const { resource, configuration } = preview
  const kind = kindOf(resource, configuration)
  const owner = ownerOf(resource, ctx.account)
  try {
    const exposure = kind.exposure(configuration, await presentOf(ctx, kind, resource, owner))
    const proposed = await externalOf(ctx, kind.source, exposure, await zoneOf(ctx, analyzer), owner)
    const present = await ctx.read((tx) =>
      tx.list(Findings, { index: 'resource', equals: `${analyzer.arn} ${resource}` }),
    )
    return { status: 'COMPLETED', findings: compare(analyzer, resource, proposed, present) }
  } catch (error) {
    if (error instanceof UnreadablePolicy) return { status: 'FAILED', reason: 'INVALID_CONFIGURATION' }
    throw error
  }
}

export const previewReconciler: Reconciler = {
  name: reconciler,
  step: async (ctx, key) => {
    const { preview, analyzer } = await ctx.read(async (tx) => {
      const preview = await tx.get(Previews, key)
      return { preview, analyzer: preview && (await tx.get(Analyzers, preview.analyzer)) }
    })
    if (preview?.status !== 'CREATING' || !analyzer) return done()
    const outcome = await outcomeOf(ctx, preview, analyzer)
    await ctx.write(async (tx) => {
      if (!(await tx.get(Previews, key))) return
      tx.emit(previewEvent(tx.put(Previews, { ...preview, ...outcome }), preview.status))
    })
    return done()
  },
}

export const previews = { CreateAccessPreview, GetAccessPreview, ListAccessPreviews, ListAccessPreviewFindings }
