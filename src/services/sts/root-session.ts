import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { organization } from '../../kernel/organization.ts'
import { rootOf } from '../../kernel/principal.ts'
import { rootAccess } from '../capabilities.ts'
import { invalid, type Operation, refused } from './operation.ts'
import { toCredentials } from './session-request.ts'

// IAM user guide, "Perform a privileged task on an AWS Organizations member account".

const tasks = 'arn:aws:iam::aws:policy/root-task/'

/** Task policies, and the feature of centralized root access that each belongs to. */
const features: Readonly<Record<string, 'credentialsManagement' | 'sessions'>> = {
  IAMAuditRootUserCredentials: 'credentialsManagement',
  IAMCreateRootUserPassword: 'credentialsManagement',
  IAMDeleteRootUserCredentials: 'credentialsManagement',
  S3UnlockBucketPolicy: 'sessions',
  SQSUnlockQueuePolicy: 'sessions',
}

/** The account of a root user, named by number or ARN; `undefined` for anything else. */
const accountOf = (target: string): string | undefined =>
  /^(?:arn:aws:iam::(\d{12}):root|(\d{12}))$/.exec(target)?.slice(1).find(Boolean)

/** What sts:AssumeRoot is about. */
export const rootArn = (target: string): string => rootOf(accountOf(target) ?? '').arn

/** Whether the account administers IAM for its organization, which tells so to administrators only. */
const isAdministrator = async (ctx: Ctx): Promise<boolean> => {
  const { organizations } = ctx.as(rootOf(ctx.account))
  let NextToken: string | undefined
  try {
    do {
      const page = await organizations.listDelegatedServicesForAccount({ AccountId: ctx.account, NextToken })
      if (page.DelegatedServices?.some(({ ServicePrincipal }) => ServicePrincipal === 'iam.amazonaws.com')) return true
      NextToken = page.NextToken
    } while (NextToken !== undefined)
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || !/^(AccessDenied|AccountNotRegistered)/.test(thrown.code)) throw thrown
  }
  return false
}

/**
 * Credentials of a member account's root user for one task, a quarter of an hour at most. For users and roles of the
 * management account and of delegated administrators of IAM. Errors: AccessDenied, ValidationError.
 */
export const AssumeRoot: Operation<'AssumeRoot'> = async (ctx, input) => {
  const { principal } = ctx
  const account = accountOf(input.TargetPrincipal)
  if (account === undefined) throw invalid(`${input.TargetPrincipal} is invalid`)
  const arn = input.TaskPolicyArn.arn ?? ''
  const task = arn.startsWith(tasks) ? arn.slice(tasks.length) : ''
  if (!Object.hasOwn(features, task)) throw invalid(`${arn} is not a task policy.`)
  const denied = (why: string) =>
    refused(
      `User: ${principal.arn} is not authorized to perform: sts:AssumeRoot on resource: ${rootArn(account)} ${why}`,
    )
  if (principal.kind !== 'user' && principal.kind !== 'role') throw denied('because it is no user and no role')

  const known = ctx.use(organization)
  const mine = await known.membershipOf(ctx.account)
  const target = await known.membershipOf(account)
  if (!mine?.id || mine.id !== target?.id || target.management || target.closed)
    throw denied('because it is no member account of your organization')
  if (!mine.management && !(await isAdministrator(ctx)))
    throw denied('because your account is neither the management account nor a delegated administrator of IAM')
  const feature = features[task] ?? 'sessions'
  if (!(await ctx.use(rootAccess).enabled(ctx.account))[feature])
    throw denied('because centralized root access for this task is not enabled in your organization')

  const issued = ctx.now().getTime()
  const sourceIdentity = principal.session?.sourceIdentity
  const credentials = ctx.issue({
    ...rootOf(account),
    session: {
      issued,
      expires: issued + (input.DurationSeconds ?? 900) * 1000,
      policies: [],
      policyArns: [arn],
      tags: {},
      transitiveTagKeys: [],
      mfa: false,
      ...(sourceIdentity === undefined ? {} : { sourceIdentity }),
      context: { 'aws:assumedroot': ['true'] },
    },
  })
  return {
    Credentials: toCredentials(credentials),
    ...(sourceIdentity === undefined ? {} : { SourceIdentity: sourceIdentity }),
  }
}
