import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type Provider, providerOf } from '../../remotes/provider.ts'
import { RemoteError } from '../../remotes/reach.ts'
import { PhaseFailure } from './environment.ts'
import { gitUrl } from './location.ts'
import { fail, type Input } from './operation.ts'
import { type ProjectRecord, roleOfProject } from './project.ts'
import { accessOf, repositoryOf } from './source-access.ts'
import { type Approval, startsBuild, type WebhookEvent } from './webhook-event.ts'
import type { WebhookRecord } from './webhook-record.ts'

// Pull requests of people whom the project does not trust are built once somebody whom it trusts has said so in a comment
// ("Pull request comment approval", CodeBuild user guide).

type Policy = NonNullable<WebhookRecord['policy']>
type Role = NonNullable<Policy['approverRoles']>[number]

const trusted: Readonly<Record<string, readonly Role[]>> = {
  GITHUB: ['GITHUB_ADMIN', 'GITHUB_MAINTAIN', 'GITHUB_WRITE'],
  GITLAB: ['GITLAB_OWNER', 'GITLAB_MAINTAINER', 'GITLAB_DEVELOPER'],
  BITBUCKET: ['BITBUCKET_ADMIN', 'BITBUCKET_WRITE'],
}

/** A webhook's policy: what is given, or that all pull requests of strangers wait. Raises InvalidInputException. */
export const policyOf = (given: Input<'CreateWebhook'>['pullRequestBuildPolicy'], kind: string): Policy => {
  const { requiresCommentApproval = 'ALL_PULL_REQUESTS', approverRoles } = given ?? {}
  if (requiresCommentApproval === 'DISABLED') return { requiresCommentApproval }
  const wrong = approverRoles?.find((role) => !role.startsWith(`${kind}_`))
  if (wrong) throw fail('InvalidInputException', `Invalid pull request build policy: ${wrong} is no role of ${kind}`)
  return { requiresCommentApproval, approverRoles: approverRoles?.length ? approverRoles : [...(trusted[kind] ?? [])] }
}

type Ask = { readonly provider: Provider; readonly repository: string }

/** What the provider says, by what the project's source is reached with; `undefined` where it says nothing. */
const ask = async <T>(ctx: Ctx, project: ProjectRecord, body: (asked: Ask) => Promise<T>): Promise<T | undefined> => {
  const url = gitUrl(project.source.location)
  try {
    const access = await accessOf(ctx, roleOfProject(ctx, project), project.source, { initiator: project.name })
    return access && url && (await body({ provider: providerOf(access), repository: repositoryOf(url) }))
  } catch (error) {
    if (!(error instanceof RemoteError || error instanceof PhaseFailure || error instanceof AwsError)) throw error
    ctx.log.warn('a provider could not be asked of a pull request', { project: project.name, error: error.message })
    return undefined
  }
}

/** Whether somebody has one of the roles that the policy trusts. Who cannot be asked after has none. */
const isTrusted = async (ctx: Ctx, project: ProjectRecord, { approverRoles = [] }: Policy, who: string) => {
  const role = who && (await ask(ctx, project, ({ provider, repository }) => provider.roleOf(repository, who)))
  return approverRoles.some((one) => one === role)
}

/** Whether an event that may start a build has to wait for a comment. The provider is told so. */
export const waitsForComment = async (
  ctx: Ctx,
  project: ProjectRecord,
  { policy }: WebhookRecord,
  { event, pull }: WebhookEvent,
): Promise<boolean> => {
  if (!policy || policy.requiresCommentApproval === 'DISABLED') return false
  // What is merged is the repository's own.
  if (!event.startsWith('PULL_REQUEST_') || event === 'PULL_REQUEST_MERGED') return false
  if (policy.requiresCommentApproval === 'FORK_PULL_REQUESTS' && pull && !pull.fork) return false
  if (await isTrusted(ctx, project, policy, pull?.author ?? '')) return false
  const status = {
    ...{ state: 'failure' as const, name: `AWS CodeBuild ${ctx.region} (${project.name})` },
    description: 'Pull request approval required for starting a build',
  }
  if (pull?.commit)
    await ask(ctx, project, ({ provider, repository }) => provider.setStatus(repository, pull.commit, status))
  return true
}

/**
 * The event that a comment lets start a build: of that very commit, which is the newest of its pull request. `undefined` where
 * it lets none.
 */
export const approvedEvent = async (
  ctx: Ctx,
  project: ProjectRecord,
  webhook: WebhookRecord,
  { number, commit, by, actor, repository: name }: Approval,
): Promise<WebhookEvent | undefined> => {
  const { policy } = webhook
  if (!policy || policy.requiresCommentApproval === 'DISABLED') return undefined
  if (!(await isTrusted(ctx, project, policy, by))) return undefined
  const pull = await ask(ctx, project, ({ provider, repository }) => provider.pullRequest(repository, number))
  if (pull?.state !== 'open' || pull.head.commit === '' || !commit.startsWith(pull.head.commit)) return undefined
  return ['CREATED', 'UPDATED', 'REOPENED']
    .map((what) => ({
      event: `PULL_REQUEST_${what}`,
      headRef: `refs/heads/${pull.head.branch}`,
      baseRef: `refs/heads/${pull.base}`,
      ...(actor ? { actor } : {}),
      ...(name ? { repository: name } : {}),
      message: pull.title,
      sourceVersion: commit,
      trigger: `pr/${number}`,
    }))
    .find((event) => startsBuild(webhook, event))
}
