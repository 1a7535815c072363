import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import { connections } from '../capabilities.ts'
import { fail, type Input, type Operation } from './operation.ts'

type Imported = Input<'ImportSourceCredentials'>

export type SourceCredentialRecord = {
  readonly arn: string
  readonly serverType: Imported['serverType']
  readonly authType: Imported['authType']
  readonly username?: string
  /** ARN of the secret that holds the token, or of the connection. */
  readonly resource?: string
  /** The token, encrypted. */
  readonly sealed?: string
}

export const SourceCredential = table<SourceCredentialRecord>('codebuild.sourceCredential', {
  scope: 'region',
  key: ({ arn }) => arn,
})

const invalid = (message: string) => fail('InvalidInputException', message)

/** Of what was imported for a provider. */
export const credentialArn = (ctx: Pick<Ctx, 'arn'>, serverType: string) => ctx.arn(`token/${serverType.toLowerCase()}`)

/** Where a connection is, and by which of its service's names; `undefined` for what is none. */
export const connectionPlace = (arn: string) => {
  const [, prefix, region, account] =
    /^arn:aws:(codestar-connections|codeconnections):([a-z0-9-]+):(\d{12}):connection\/[\w-]+$/.exec(arn) ?? []
  return prefix && region && account ? { prefix, place: { region, account } } : undefined
}

/** Types of connections that serve for a kind of provider. */
const providerTypes: Readonly<Record<string, string>> = {
  ...{ BITBUCKET: 'Bitbucket', GITHUB: 'GitHub', GITHUB_ENTERPRISE: 'GitHubEnterpriseServer' },
  ...{ GITLAB: 'GitLab', GITLAB_SELF_MANAGED: 'GitLabSelfManaged' },
}

/** Throws InvalidInputException unless it is a connection to such a provider. */
const checkConnection = async (ctx: Ctx, serverType: string, arn: string): Promise<void> => {
  const there = connectionPlace(arn)
  if (!there) throw invalid('Invalid token: the ARN of a connection is required for CODECONNECTIONS')
  const found = there.place.account === ctx.account ? await ctx.use(connections).find(there.place, arn) : undefined
  if (!found) throw invalid(`Invalid token: connection ${arn} does not exist`)
  if (found.providerType !== providerTypes[serverType])
    throw invalid(`Invalid token: connection ${arn} is of ${found.providerType}, not of ${serverType}`)
}

/** AWS API: "ImportSourceCredentials". One per kind of provider; another one only when it may overwrite. */
export const ImportSourceCredentials: Operation<'ImportSourceCredentials'> = async (ctx, input) => {
  const { serverType, authType, token, username } = input
  if (authType === 'OAUTH') throw invalid('OAUTH is not supported by the API: connect in the console of AWS CodeBuild')
  if (authType === 'BASIC_AUTH' && serverType !== 'BITBUCKET')
    throw invalid('BASIC_AUTH is supported for the server type BITBUCKET only')
  if (authType === 'BASIC_AUTH' && !username) throw invalid('A username is required for BASIC_AUTH')
  const secret = authType === 'SECRETS_MANAGER'
  if (secret && !/^arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:.+$/.test(token))
    throw invalid('Invalid token: the ARN of a secret is required for SECRETS_MANAGER')
  const connection = authType === 'CODECONNECTIONS'
  if (connection) await checkConnection(ctx, serverType, token)
  const arn = credentialArn(ctx, serverType)
  await ctx.write(async (tx) => {
    if (input.shouldOverwrite === false && (await tx.get(SourceCredential, arn)))
      throw fail('ResourceAlreadyExistsException', `Source credentials already exist: ${arn}`)
    tx.put(SourceCredential, {
      arn,
      serverType,
      authType,
      ...(username ? { username } : {}),
      ...(secret || connection ? { resource: token } : { sealed: ctx.seal(token) }),
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
