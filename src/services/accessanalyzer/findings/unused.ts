import type { Ctx } from '../../../kernel/context.ts'
import { AwsError } from '../../../kernel/errors.ts'
import type { Analyzer } from '../analyzer.ts'
import { linkedRole } from '../linked-role.ts'
import { type Finding, findingId, type Unused } from './finding.ts'
import { type Entity, type HeldPolicy, unusedServices } from './unused-permissions.ts'

// Roles, keys, passwords and permissions that nobody uses (IAM user guide, "Unused access findings").

const DAY = 86_400_000

type Iam = ReturnType<Ctx['as']>['iam']
type Excluded = NonNullable<Analyzer['unusedAccess']>['exclusions']

const isExcluded = (
  exclusions: Excluded,
  account: string,
  tags: readonly { Key?: string | undefined; Value?: string | undefined }[] = [],
) =>
  exclusions.some(
    ({ accounts, tags: wanted }) =>
      (accounts.length === 0 || accounts.includes(account)) &&
      (wanted.length === 0
        ? accounts.length > 0
        : wanted.some((one) =>
            Object.entries(one).every(([key, value]) =>
              tags.some((tag) => tag.Key === key && (value === '' || tag.Value === value)),
            ),
          )),
  )

const decoded = (text: string | undefined) => decodeURIComponent(text ?? '')

type Details = Awaited<ReturnType<Iam['getAccountAuthorizationDetails']>>

const detailsOf = async (iam: Iam): Promise<Details[]> => {
  const pages: Details[] = []
  let Marker: string | undefined
  do {
    const page: Details = await iam.getAccountAuthorizationDetails(Marker === undefined ? {} : { Marker })
    pages.push(page)
    Marker = page.IsTruncated ? page.Marker : undefined
  } while (Marker !== undefined)
  return pages
}

/** Users and roles with the policies they hold, those of groups among them. */
export const entitiesOf = async (iam: Iam): Promise<Entity[]> => {
  const pages = await detailsOf(iam)
  const managed = new Map(
    pages.flatMap(({ Policies = [] }) =>
      Policies.map(
        ({ Arn = '', PolicyVersionList = [] }) =>
          [Arn, decoded(PolicyVersionList.find(({ IsDefaultVersion }) => IsDefaultVersion)?.Document)] as const,
      ),
    ),
  )
  const held = (
    inline: readonly { PolicyName?: string | undefined; PolicyDocument?: string | undefined }[] = [],
    attached: readonly { PolicyArn?: string | undefined }[] = [],
    group = false,
  ): HeldPolicy[] => [
    ...inline.map(({ PolicyName = '', PolicyDocument }) => ({
      id: PolicyName,
      text: decoded(PolicyDocument),
      inline: true,
      group,
    })),
    ...attached.map(({ PolicyArn = '' }) => ({
      id: PolicyArn,
      text: managed.get(PolicyArn) ?? '',
      inline: false,
      group,
    })),
  ]
  const boundary = ({
    PermissionsBoundary: { PermissionsBoundaryArn = '' } = {},
  }: {
    readonly PermissionsBoundary?: { readonly PermissionsBoundaryArn?: string | undefined } | undefined
  }) => (PermissionsBoundaryArn ? { boundary: managed.get(PermissionsBoundaryArn) ?? '' } : {})
  const groups = new Map(
    pages.flatMap(({ GroupDetailList = [] }) =>
      GroupDetailList.map(
        ({ GroupName = '', GroupPolicyList, AttachedManagedPolicies }) =>
          [GroupName, held(GroupPolicyList, AttachedManagedPolicies, true)] as const,
      ),
    ),
  )
  const users = pages.flatMap(({ UserDetailList = [] }) =>
    UserDetailList.map((user) => ({
      kind: 'user' as const,
      arn: user.Arn ?? '',
      name: user.UserName ?? '',
      id: user.UserId ?? '',
      ...boundary(user),
      created: user.CreateDate?.getTime() ?? 0,
      tags: user.Tags ?? [],
      policies: [
        ...held(user.UserPolicyList, user.AttachedManagedPolicies),
        ...(user.GroupList ?? []).flatMap((group) => groups.get(group) ?? []),
      ],
    })),
  )
  const roles = pages.flatMap(({ RoleDetailList = [] }) =>
    RoleDetailList.flatMap((role) =>
      role.Path?.startsWith('/aws-service-role/')
        ? []
        : [
            {
              kind: 'role' as const,
              arn: role.Arn ?? '',
              name: role.RoleName ?? '',
              id: role.RoleId ?? '',
              ...boundary(role),
              created: role.CreateDate?.getTime() ?? 0,
              tags: role.Tags ?? [],
              policies: held(role.RolePolicyList, role.AttachedManagedPolicies),
              ...(role.RoleLastUsed?.LastUsedDate ? { lastUsed: role.RoleLastUsed.LastUsedDate.getTime() } : {}),
            },
          ],
    ),
  )
  return [...users, ...roles]
}

/** What a user has to sign in with and does not. */
const credentialsOf = async (iam: Iam, { name }: Entity, before: number): Promise<Unused[]> => {
  const found: Unused[] = []
  const { AccessKeyMetadata = [] } = await iam.listAccessKeys({ UserName: name })
  for (const { AccessKeyId = '', CreateDate, Status } of AccessKeyMetadata) {
    if (Status !== 'Active') continue
    const used = (await iam.getAccessKeyLastUsed({ AccessKeyId })).AccessKeyLastUsed?.LastUsedDate?.getTime()
    if ((used ?? CreateDate?.getTime() ?? 0) >= before) continue
    found.push({
      kind: 'UnusedIAMUserAccessKey',
      accessKeyId: AccessKeyId,
      ...(used === undefined ? {} : { lastAccessed: used }),
    })
  }
  const profile = await iam.getLoginProfile({ UserName: name }).catch((error: unknown) => {
    if (error instanceof AwsError && error.code.startsWith('NoSuchEntity')) return undefined
    throw error
  })
  if (!profile) return found
  const used = (await iam.getUser({ UserName: name })).User?.PasswordLastUsed?.getTime()
  if ((used ?? profile.LoginProfile?.CreateDate?.getTime() ?? 0) < before)
    found.push({ kind: 'UnusedIAMUserPassword', ...(used === undefined ? {} : { lastAccessed: used }) })
  return found
}

const unusedOf = async (iam: Iam, entity: Entity, before: number): Promise<Unused[]> => {
  if (entity.kind === 'role' && (entity.lastUsed ?? entity.created) < before)
    return [{ kind: 'UnusedIAMRole', ...(entity.lastUsed === undefined ? {} : { lastAccessed: entity.lastUsed }) }]
  const found = entity.kind === 'user' ? await credentialsOf(iam, entity, before) : []
  // A permission is unused once it has been there unused for as long as the analyzer waits.
  if (entity.created >= before) return found
  const services = await unusedServices(iam, entity, before)
  return services.length > 0 ? [...found, { kind: 'UnusedPermission', services }] : found
}

const causeOf = (unused: Unused) =>
  unused.kind === 'UnusedIAMUserAccessKey' ? `${unused.kind} ${unused.accessKeyId}` : unused.kind

/** Findings about one account's users and roles, read under the service-linked role. */
export const unusedFindings = async (ctx: Ctx, analyzer: Analyzer, account: string): Promise<Finding[]> => {
  const { days = 90, exclusions = [] } = analyzer.unusedAccess ?? {}
  const now = ctx.now().getTime()
  const { iam } = ctx.as(linkedRole(account), { account })
  const findings: Finding[] = []
  for (const entity of await entitiesOf(iam)) {
    if (isExcluded(exclusions, account, entity.tags)) continue
    const all = await unusedOf(iam, entity, now - days * DAY).catch((error: unknown) => {
      // It was deleted since it was listed.
      if (error instanceof AwsError && error.code.startsWith('NoSuchEntity')) return []
      throw error
    })
    for (const unused of all)
      findings.push({
        analyzer: analyzer.arn,
        id: findingId(analyzer.arn, entity.arn, causeOf(unused)),
        resource: entity.arn,
        resourceType: entity.kind === 'role' ? 'AWS::IAM::Role' : 'AWS::IAM::User',
        owner: account,
        status: 'ACTIVE',
        created: now,
        updated: now,
        analyzed: now,
        unused,
      })
  }
  return findings
}
