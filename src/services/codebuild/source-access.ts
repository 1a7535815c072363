import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Credential } from '../../remotes/git.ts'
import { type ProviderAccess, providerOf } from '../../remotes/provider.ts'
import type { Reach } from '../../remotes/reach.ts'
import { connections } from '../capabilities.ts'
import type { BuildRecord } from './build.ts'
import { PhaseFailure } from './environment.ts'
import { gitUrl } from './location.ts'
import type { Source } from './project.ts'
import { connectionPlace, credentialArn, SourceCredential } from './source-credentials.ts'

// What a source in a repository elsewhere is reached with: its own secret or connection, else what was imported for its provider.

const failure = (message: string) => new PhaseFailure('CLIENT_ERROR', message)

/** What AWS denied, in a phase's words. */
const told = (error: unknown): unknown =>
  error instanceof AwsError && error.code !== 'InternalFailure' ? failure(`${error.code}: ${error.message}`) : error

/** Where a type's provider is, unless its customer has installed it. */
const sites: Readonly<Record<string, { readonly kind: ProviderAccess['kind']; readonly host?: string }>> = {
  GITHUB: { kind: 'GITHUB', host: 'github.com' },
  GITHUB_ENTERPRISE: { kind: 'GITHUB' },
  GITLAB: { kind: 'GITLAB', host: 'gitlab.com' },
  GITLAB_SELF_MANAGED: { kind: 'GITLAB' },
  BITBUCKET: { kind: 'BITBUCKET', host: 'bitbucket.org' },
}

/** The repository as its provider names it: `owner/name`. */
export const repositoryOf = (url: URL): string => url.pathname.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '')

/** Whether a URL may lead to this host: it is of this server's own repositories, or its user has set up a provider there. */
export const reachOf = async (ctx: Ctx, url: URL): Promise<Reach> => {
  const here = new URL(ctx.compute.endpointFor('host')).origin
  if (url.origin === here && url.pathname.startsWith('/v1/repos/')) return 'own'
  return (await ctx.use(connections).isOwn(ctx.place, url)) ? 'own' : 'world'
}

const textOf = (json: unknown, member: string): string | undefined => {
  const value = json && typeof json === 'object' ? (json as Record<string, unknown>)[member] : undefined
  return typeof value === 'string' ? value : undefined
}

/** The token in a secret of Secrets Manager, read under the service role: JSON with a member `Token`. */
const tokenIn = async (role: Caller, secret: string): Promise<{ user?: string; token: string }> => {
  const { SecretString = '' } = await role.secretsmanager
    .getSecretValue({ SecretId: secret })
    .catch((error: unknown) => {
      throw told(error)
    })
  try {
    const json: unknown = JSON.parse(SecretString)
    const [token, user] = [textOf(json, 'Token'), textOf(json, 'Username')]
    if (token) return { token, ...(user ? { user } : {}) }
  } catch {
    // Said below: the secret is not shown.
  }
  throw failure(`the secret ${secret} holds no token`)
}

/**
 * For whom a source is reached, and what for: a pipeline's build uses the connection, any other has itself given its token.
 */
type Builder = Pick<BuildRecord, 'initiator'> & { readonly action?: 'CreateCommitStatus' | 'GitPull' | 'GitPush' }

/**
 * What a connection's provider is asked with, as the service role may: `UseConnection` for a pipeline's full clone
 * ("Add permissions for full clones", CodePipeline user guide), else `GetConnection` and `GetConnectionToken` ("Access your
 * source provider in CodeBuild"). Its token goes to its own provider only.
 */
const byConnection = async (
  ctx: Ctx,
  role: Caller,
  arn: string,
  url: URL,
  { initiator, action = 'GitPull' }: Builder,
): Promise<ProviderAccess> => {
  const there = connectionPlace(arn)
  if (!there) throw failure(`${arn} is not the ARN of a connection`)
  const { prefix, place } = there
  const repository = repositoryOf(url)
  const slash = repository.lastIndexOf('/')
  const found = await ctx.use(connections).find(place, arn)
  const keys = {
    ...{
      FullRepositoryId: repository,
      OwnerId: repository.slice(0, slash),
      RepositoryName: repository.slice(slash + 1),
    },
    ...{ ProviderAction: action, ProviderPermissionsRequired: action === 'GitPull' ? 'read_only' : 'read_write' },
  }
  const entries = (members: object, before: string) =>
    Object.fromEntries(Object.entries(members).map(([key, value]) => [`${before}${key}`, [String(value)]]))
  const tags = entries(found?.tags ?? {}, 'aws:ResourceTag/')
  const asked = initiator.startsWith('codepipeline/')
    ? [role.authorize(`${prefix}:UseConnection`, arn, { ...entries(keys, `${prefix}:`), ...tags })]
    : ['GetConnection', 'GetConnectionToken'].map((name) => role.authorize(`${prefix}:${name}`, arn, tags))
  await Promise.all(asked).catch((error: unknown) => {
    throw told(error)
  })
  if (!found) throw failure(`Connection ${arn} does not exist`)
  if (!found.access) throw failure(`Connection ${arn} is not in an available state`)
  if (providerOf(found.access).cloneUrl('owner/name').origin !== url.origin)
    throw failure(`${url.host} is not where the provider of the connection ${arn} is`)
  return found.access
}

/**
 * What a source's provider is asked with, by git and by its API; `undefined` where nothing was imported for it.
 * @throws PhaseFailure for what the service role may not have.
 */
export const accessOf = async (
  ctx: Ctx,
  role: Caller,
  source: Source,
  builder: Builder,
): Promise<ProviderAccess | undefined> => {
  const url = gitUrl(source.location)
  const site = sites[source.type]
  if (!url || !site) return undefined
  const imported = await ctx.read((tx) => tx.get(SourceCredential, credentialArn(ctx, source.type)))
  const own = source.auth?.type === 'OAUTH' ? undefined : source.auth
  const { type, resource } = own ?? { type: imported?.authType, resource: imported?.resource }
  if (type === 'CODECONNECTIONS' && resource) return byConnection(ctx, role, resource, url, builder)
  const secret = type === 'SECRETS_MANAGER' && resource ? await tokenIn(role, resource) : undefined
  const { username: user } = imported ?? {}
  const found =
    secret ?? (imported?.sealed ? { token: ctx.unseal(imported.sealed), ...(user ? { user } : {}) } : undefined)
  if (!found) return undefined
  const reach = await reachOf(ctx, url)
  const at = { kind: site.kind, reach, ...found }
  if (url.origin === `https://${site.host}`) return at
  // A provider's token is for the provider, and not for whom somebody names as the location of a project.
  if (site.host && reach !== 'own') {
    if (secret) throw failure(`${url.host} is not where ${source.type} is: the token of its secret is not sent there`)
    return undefined
  }
  return { ...at, base: url.origin }
}

/** Sources whose credential git in a build may ask for: those that name a connection. */
export const connected = ({ source, secondarySources }: Pick<BuildRecord, 'secondarySources' | 'source'>): Source[] =>
  [source, ...secondarySources].filter(({ auth }) => auth?.type === 'CODECONNECTIONS')

/**
 * What git in a build is given for an origin: the credential of the source there that is reached by a connection, if the
 * service role may push by it; `undefined` where there is no such source.
 * @throws PhaseFailure for what the service role may not have.
 */
export const gitCredentialOf = async (
  ctx: Ctx,
  role: Caller,
  build: Pick<BuildRecord, 'initiator' | 'secondarySources' | 'source'>,
  origin: string,
): Promise<Credential | undefined> => {
  const { initiator } = build
  const found = connected(build).find(({ location }) => gitUrl(location)?.origin === origin)
  const access = found && (await accessOf(ctx, role, found, { initiator, action: 'GitPush' }))
  return access && providerOf(access).credential
}
