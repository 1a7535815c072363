import type { ProviderAccess } from '../../remotes/provider.ts'
import { type ReadTx, table } from '../../store/store.ts'
import { Host } from './host.ts'
import type { Output } from './operation.ts'
import type { Tags } from './tag.ts'

export type ConnectionRecord = {
  readonly arn: string
  readonly name: string
  readonly provider: NonNullable<NonNullable<Output<'GetConnection'>['Connection']>['ProviderType']>
  readonly host?: string
  readonly tags: Tags
  /** What somebody completed it with. */
  readonly login?: {
    /** Where the provider was then, if not at its own address. */
    readonly base?: string
    /** Goes with a token that is a password. */
    readonly user?: string
    /** The token. */
    readonly sealed: string
  }
}

export const Connection = table<ConnectionRecord>('codestarconnections.connection', {
  scope: 'region',
  key: ({ arn }) => arn,
  index: { host: ({ host }) => host },
})

const kinds: Readonly<Record<string, ProviderAccess['kind']>> = {
  ...{ Bitbucket: 'BITBUCKET', GitHub: 'GITHUB', GitHubEnterpriseServer: 'GITHUB' },
  ...{ GitLab: 'GITLAB', GitLabSelfManaged: 'GITLAB' },
}

/** How a provider is spoken to. */
export const kindOf = ({ provider }: Pick<ConnectionRecord, 'provider'>): ProviderAccess['kind'] | undefined =>
  kinds[provider]

/**
 * Whether a connection is AVAILABLE: completed, and its host still where it was then. Who may move a host may not have its
 * connections' tokens sent elsewhere.
 */
export const isAvailable = async (tx: ReadTx, { host, login }: ConnectionRecord): Promise<boolean> => {
  if (!login || host === undefined) return login !== undefined
  const there = await tx.get(Host, host)
  return there?.reached === true && there.endpoint === login.base
}
