import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { type Hook, type Provider, providerOf } from '../../remotes/provider.ts'
import { RemoteError } from '../../remotes/reach.ts'
import { PhaseFailure } from './environment.ts'
import { gitUrl } from './location.ts'
import { fail } from './operation.ts'
import { type ProjectRecord, roleOfProject } from './project.ts'
import { accessOf, repositoryOf } from './source-access.ts'
import { payloadUrlOf, type WebhookRecord } from './webhook-record.ts'

// Webhooks at their providers: made, changed and removed there with what the project's source is reached with, where the
// provider can reach this server (`--public-url`). Else they are entered there by hand.

/** Asks the provider of a project's source. Throws OAuthProviderException with what it says. */
const ask = async <T>(
  ctx: Ctx,
  project: ProjectRecord,
  what: string,
  body: (provider: Provider, repository: string) => Promise<T>,
): Promise<T> => {
  const url = gitUrl(project.source.location)
  try {
    const access = await accessOf(ctx, roleOfProject(ctx, project), project.source, { initiator: project.name })
    if (!url || !access)
      throw fail('InvalidInputException', `Could not find access token for server type ${project.source.type}`)
    return await body(providerOf(access), repositoryOf(url))
  } catch (error) {
    if (error instanceof AwsError || !(error instanceof RemoteError || error instanceof PhaseFailure)) throw error
    throw fail('OAuthProviderException', `Failed to ${what} webhook. ${error.message}`)
  }
}

/** Has the provider tell this webhook; `undefined` where that is for hand. Raises OAuthProviderException. */
export const createAtProvider = async (
  ctx: Ctx,
  project: ProjectRecord,
  webhook: WebhookRecord,
): Promise<Hook | undefined> => {
  if (ctx.publicUrl === undefined || webhook.manualCreation) return undefined
  const settings = { url: payloadUrlOf(ctx, webhook), secret: ctx.unseal(webhook.sealed) }
  return ask(ctx, project, 'create', (provider, repository) => provider.createHook(repository, settings))
}

/** Tells the provider, if it knows the webhook, its new secret. Raises OAuthProviderException. */
export const updateAtProvider = async (
  ctx: Ctx,
  project: ProjectRecord,
  webhook: WebhookRecord,
  secret: string,
): Promise<void> => {
  const { hook } = webhook
  if (!hook) return
  const settings = { url: payloadUrlOf(ctx, webhook), secret }
  await ask(ctx, project, 'update', (provider, repository) => provider.updateHook(repository, hook.id, settings))
}

/** Removes the webhook at its provider, if that knows it. Raises OAuthProviderException. */
export const deleteAtProvider = async (ctx: Ctx, project: ProjectRecord, hook: Hook | undefined): Promise<void> => {
  if (hook) await ask(ctx, project, 'delete', (provider, repository) => provider.deleteHook(repository, hook.id))
}
