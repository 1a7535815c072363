import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { table } from '../../store/store.ts'
import { PhaseFailure } from './environment.ts'
import { fail, type Input, type Operation } from './operation.ts'
import type { Source } from './project.ts'

type Imported = Input<'ImportSourceCredentials'>

export type SourceCredentialRecord = {
  readonly arn: string
  readonly serverType: Imported['serverType']
  readonly authType: Imported['authType']
  readonly username?: string
  /** A secret's ARN, where the token lies in Secrets Manager. */
  readonly resource?: string
  /** The token, encrypted. */
  readonly sealed?: string
}

export const SourceCredential = table<SourceCredentialRecord>('codebuild.sourceCredential', {
  scope: 'region',
  key: ({ arn }) => arn,
})

const invalid = (message: string) => fail('InvalidInputException', message)

const arnOf = (ctx: Pick<Ctx, 'arn'>, serverType: string) => ctx.arn(`token/${serverType.toLowerCase()}`)

/** AWS API: "ImportSourceCredentials". One per kind of provider; another one only when it may overwrite. */
export const ImportSourceCredentials: Operation<'ImportSourceCredentials'> = async (ctx, input) => {
  const { serverType, authType, token, username } = input
  if (authType === 'OAUTH') throw invalid('OAUTH is not supported by the API: connect in the console of AWS CodeBuild')
  if (authType === 'CODECONNECTIONS') throw notImplemented('source credentials of CodeConnections')
  if (authType === 'BASIC_AUTH' && serverType !== 'BITBUCKET')
    throw invalid('BASIC_AUTH is supported for the server type BITBUCKET only')
  if (authType === 'BASIC_AUTH' && !username) throw invalid('A username is required for BASIC_AUTH')
  const secret = authType === 'SECRETS_MANAGER'
  if (secret && !/^arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+$/.test(token))
    throw invalid('Invalid token: the ARN of a secret is required for SECRETS_MANAGER')
  const arn = arnOf(ctx, serverType)
  await ctx.write(async (tx) => {
    if (input.shouldOverwrite === false && (await tx.get(SourceCredential, arn)))
      throw fail('ResourceAlreadyExistsException', `Source credentials already exist: ${arn}`)
    tx.put(SourceCredential, {
      arn,
      serverType,
      authType,
      ...(username ? { username } : {}),
      ...(secret ? { resource: token } : { sealed: ctx.seal(token) }),
    })
  })
  return { arn }
}

/** AWS API: "ListSourceCredentials". Tokens are never shown. */
export const ListSourceCredentials: Operation<'ListSourceCredentials'> = async (ctx) => ({
  sourceCredentialsInfos: (await ctx.read((tx) => tx.list(SourceCredential))).map(
    ({ arn, serverType, authType, resource }) => ({ arn, serverType, authType, ...(resource ? { resource } : {}) }),
  ),
})

/** AWS API: "DeleteSourceCredentials". */
export const DeleteSourceCredentials: Operation<'DeleteSourceCredentials'> = async (ctx, { arn }) => {
  await ctx.write(async (tx) => {
    if (!(await tx.get(SourceCredential, arn)))
      throw fail('ResourceNotFoundException', `Source credentials cannot be found: ${arn}`)
    tx.delete(SourceCredential, arn)
  })
  return { arn }
}

/** Names that providers take where a token is the password. */
const users: Readonly<Record<string, string>> = {
  GITHUB: 'x-access-token',
  GITHUB_ENTERPRISE: 'x-access-token',
  GITLAB: 'oauth2',
  GITLAB_SELF_MANAGED: 'oauth2',
  BITBUCKET: 'x-token-auth',
}

const textOf = (json: unknown, member: string): string | undefined => {
  const value = json && typeof json === 'object' ? (json as Record<string, unknown>)[member] : undefined
  return typeof value === 'string' ? value : undefined
}

/** The token in a secret of Secrets Manager, read under the service role: JSON with a member `Token`. */
const tokenIn = async (role: Caller, secret: string): Promise<{ user: string | undefined; token: string }> => {
  const { SecretString = '' } = await role.secretsmanager
    .getSecretValue({ SecretId: secret })
    .catch((error: unknown) => {
      if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
      throw new PhaseFailure('CLIENT_ERROR', `${error.code}: ${error.message}`)
    })
  try {
    const json: unknown = JSON.parse(SecretString)
    const token = textOf(json, 'Token')
    if (token) return { user: textOf(json, 'Username'), token }
  } catch {
    // Said below: the secret is not shown.
  }
  throw new PhaseFailure('CLIENT_ERROR', `the secret ${secret} holds no token`)
}

/** What a source is fetched with: its own secret, else the credentials imported for its provider. */
export const credentialOf = async (
  ctx: Ctx,
  role: Caller,
  source: Source,
): Promise<{ user: string; token: string } | undefined> => {
  const user = users[source.type] ?? 'git'
  const imported = await ctx.read((tx) => tx.get(SourceCredential, arnOf(ctx, source.type)))
  const secret = source.auth?.type === 'SECRETS_MANAGER' ? source.auth.resource : imported?.resource
  if (secret) {
    const found = await tokenIn(role, secret)
    return { user: found.user ?? user, token: found.token }
  }
  return imported?.sealed ? { user: imported.username ?? user, token: ctx.unseal(imported.sealed) } : undefined
}
