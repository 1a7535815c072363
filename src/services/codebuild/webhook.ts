import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import type { Route } from '../../kernel/service.ts'
import { table } from '../../store/store.ts'
import { startBatch } from './batches.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { getProject, Project, type ProjectRecord, projectArn } from './project.ts'
import { createAtProvider, deleteAtProvider, updateAtProvider } from './provider-hook.ts'
import { approvedEvent, policyOf, waitsForComment } from './pull-approval.ts'
import { settingsOf, submit } from './start.ts'
import { isSigned, type Provider, readApproval, readEvent, startsBuild, webhookVariables } from './webhook-event.ts'
import { toWebhook, type WebhookRecord } from './webhook-record.ts'

/** Whose webhook a URL is. Global: the URL does not tell account and region. */
type HookRecord = { readonly door: string; readonly account: string; readonly region: string; readonly project: string }
export const Hook = table<HookRecord>('codebuild.hook', { scope: 'global', key: ({ door }) => door })

const invalid = (message: string) => fail('InvalidInputException', message)

const providers: Readonly<Record<string, Provider>> = {
  GITHUB: 'GITHUB',
  GITHUB_ENTERPRISE: 'GITHUB',
  GITLAB: 'GITLAB',
  GITLAB_SELF_MANAGED: 'GITLAB',
  BITBUCKET: 'BITBUCKET',
}

const checkFilters = (groups: Input<'CreateWebhook'>['filterGroups'], buildType: string | undefined): void => {
  if (buildType === 'RUNNER_BUILDKITE_BUILD') throw notImplemented('runners of Buildkite')
  for (const group of groups ?? []) {
    if (group.some(({ type }) => type === 'WORKFLOW_NAME' || type === 'ORGANIZATION_NAME'))
      throw notImplemented('webhooks of organizations, and of workflows of GitHub Actions')
    if (group.filter(({ type }) => type === 'EVENT').length !== 1)
      throw invalid('Invalid filter group: a filter group must have exactly one EVENT filter')
  }
}

const change = (ctx: Ctx, name: string, to: (project: ProjectRecord) => ProjectRecord) =>
  ctx.write(async (tx) => {
    const project = await tx.get(Project, name)
    if (!project) throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, name)}`)
    const after = tx.put(Project, to(project))
    if (after.webhook) tx.put(Hook, { door: after.webhook.door, ...ctx.place, project: name })
    if (project.webhook && project.webhook.door !== after.webhook?.door) tx.delete(Hook, project.webhook.door)
    return after
  })

/**
 * AWS API: "CreateWebhook". The provider is told where it can reach this server (`--public-url`); else URL and secret are to be
 * entered there, as with manual creation. Raises OAuthProviderException.
 */
export const CreateWebhook: Operation<'CreateWebhook'> = async (ctx, input) => {
  if (input.scopeConfiguration) throw notImplemented('webhooks of organizations and groups (scopeConfiguration)')
  checkFilters(input.filterGroups, input.buildType)
  const project = await getProject(ctx, input.projectName)
  const { name, source } = project
  if (!providers[source.type])
    throw invalid(
      `Webhooks are for sources of GitHub, GitLab and Bitbucket: the project's source is of type ${source.type}`,
    )
  const secret = ctx.random(40)
  const webhook: WebhookRecord = {
    door: ctx.random(40),
    sealed: ctx.seal(secret),
    secretModified: ctx.now().getTime(),
    ...(input.branchFilter ? { branchFilter: input.branchFilter } : {}),
    filterGroups: input.filterGroups ?? [],
    buildType: input.buildType === 'BUILD_BATCH' ? 'BUILD_BATCH' : 'BUILD',
    manualCreation: input.manualCreation ?? false,
    policy: policyOf(input.pullRequestBuildPolicy, providers[source.type] ?? ''),
  }
  const free = ({ webhook: before }: ProjectRecord) => {
    if (before) throw fail('ResourceAlreadyExistsException', `Webhook already exists for project ${name}`)
  }
  free(project)
  const hook = await createAtProvider(ctx, project, webhook)
  const made = { ...webhook, ...(hook ? { hook } : {}) }
  await change(ctx, name, (fresh) => {
    free(fresh)
    return { ...fresh, webhook: made }
  }).catch(async (error: unknown) => {
    await deleteAtProvider(ctx, project, hook)
    throw error
  })
  return { webhook: toWebhook(ctx, made, secret) }
}

const noWebhook = (name: string) => fail('ResourceNotFoundException', `Webhook cannot be found for project ${name}`)

/** AWS API: "UpdateWebhook". A new secret is told to a provider that knows the webhook. Raises OAuthProviderException. */
export const UpdateWebhook: Operation<'UpdateWebhook'> = async (ctx, input) => {
  checkFilters(input.filterGroups, input.buildType)
  const present = await getProject(ctx, input.projectName)
  const { name } = present
  const given = input.pullRequestBuildPolicy
  const policy = given && policyOf(given, providers[present.source.type] ?? '')
  const secret = input.rotateSecret ? ctx.random(40) : undefined
  if (secret !== undefined && present.webhook) await updateAtProvider(ctx, present, present.webhook, secret)
  const after = await change(ctx, name, (project) => {
    const before = project.webhook
    if (!before) throw noWebhook(name)
    const { branchFilter: _, ...kept } = before
    const branchFilter = input.branchFilter ?? before.branchFilter
    return {
      ...project,
      webhook: {
        ...kept,
        ...(branchFilter ? { branchFilter } : {}),
        ...(input.filterGroups ? { filterGroups: input.filterGroups } : {}),
        ...(policy ? { policy } : {}),
        ...(input.buildType === 'BUILD' || input.buildType === 'BUILD_BATCH' ? { buildType: input.buildType } : {}),
        ...(secret === undefined ? {} : { sealed: ctx.seal(secret), secretModified: ctx.now().getTime() }),
      },
    }
  })
  if (!after.webhook) throw noWebhook(name)
  return { webhook: toWebhook(ctx, after.webhook, secret) }
}

/** AWS API: "DeleteWebhook". It goes at its provider too. Raises OAuthProviderException. */
export const DeleteWebhook: Operation<'DeleteWebhook'> = async (ctx, { projectName }) => {
  const present = await getProject(ctx, projectName)
  const { name } = present
  await deleteAtProvider(ctx, present, present.webhook?.hook)
  await change(ctx, name, ({ webhook, ...project }) => {
    if (!webhook) throw noWebhook(name)
    return project
  })
  return {}
}

/** Where providers tell of pushes and pull requests: whoever does not know the secret is refused. */
export const webhookRoute: Route = {
  name: 'codebuild webhook',
  method: 'POST',
  path: /\/_drydock\/codebuild\/webhooks\/(?<door>[0-9a-f]{40})/,
  handle: async (ctx, { request, response, params, body }) => {
    const answer = (status: number, content: object) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(content))
    }
    const hook = await ctx.read((tx) => tx.get(Hook, params.door ?? ''))
    if (!hook) return answer(404, { message: 'There is no such webhook.' })
    const here = ctx.at({ account: hook.account, region: hook.region })
    const project = await here.read((tx) => tx.get(Project, hook.project))
    const webhook = project?.webhook
    const provider = providers[project?.source.type ?? '']
    if (!project || !webhook || webhook.door !== hook.door || !provider)
      return answer(404, { message: 'There is no such webhook.' })
    const bytes = await body()
    if (!isSigned(provider, request.headers, bytes, ctx.unseal(webhook.sealed)))
      return answer(403, { message: 'The signature is wrong.' })
    const approval = readApproval(provider, request.headers, bytes)
    const event = approval
      ? await approvedEvent(here, project, webhook, approval)
      : readEvent(provider, request.headers, bytes)
    if (!event || !startsBuild(webhook, event)) return answer(200, { message: 'No build was started.' })
    if (!approval && (await waitsForComment(here, project, webhook, event)))
      return answer(200, { message: 'Pull request approval required for starting a build' })
    const initiator = String(request.headers['user-agent'] ?? `${provider}-Webhook`).slice(0, 128)
    const input = { projectName: project.name, sourceVersion: event.sourceVersion }
    const settings = { ...settingsOf(here, project, input), initiator, webhook: webhookVariables(event) }
    const started = await here.write<{ readonly id: string }>((tx) =>
      webhook.buildType === 'BUILD_BATCH'
        ? startBatch(here, tx, settings, project.buildBatchConfig)
        : submit(here, tx, settings),
    )
    answer(200, { id: started.id })
  },
}
