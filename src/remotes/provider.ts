import { bitbucket } from './bitbucket.ts'
import type { Credential } from './git.ts'
import { github } from './github.ts'
import { gitlab } from './gitlab.ts'
import type { Reach } from './reach.ts'

// What is asked of a Git provider elsewhere beside git itself: the same questions, each provider's own words.

export type ProviderKind = 'BITBUCKET' | 'GITHUB' | 'GITLAB'

/** A provider and who asks: plain JSON. */
export type ProviderAccess = {
  readonly kind: ProviderKind
  /** Where it is, if not at the provider's own address: installed by a customer. */
  readonly base?: string
  readonly reach: Reach
  /** Goes with a token that is a password. */
  readonly user?: string
  readonly token: string
}

export type CommitState = 'error' | 'failure' | 'pending' | 'stopped' | 'success'

export type CommitStatus = {
  readonly state: CommitState
  /** Which check it is: a later status of the same name takes the place of an earlier one. */
  readonly name: string
  readonly description: string
  readonly url?: string
}

export type PullRequest = {
  readonly number: string
  readonly title: string
  readonly state: 'closed' | 'merged' | 'open'
  /** Where the change comes from; `branch` by its short name. */
  readonly head: { readonly branch: string; readonly commit: string }
  /** Short name of the branch it shall go into. */
  readonly base: string
}

export type HookSettings = { readonly url: string; readonly secret: string }

/** A webhook at its provider: its id there, and its own address. */
export type Hook = { readonly id: string; readonly url?: string }

export interface Provider {
  /** Whose token it is. Throws RemoteError: with status 401 or 403 where the token is refused. */
  whoAmI(): Promise<string>
  /** The address to clone a repository (`owner/name`) from. */
  cloneUrl(repository: string): URL
  /** What git is given there. */
  readonly credential: Credential
  /** A web page of a commit. */
  commitUrl(repository: string, commit: string): string
  /** Says of a commit how a check of it stands. */
  setStatus(repository: string, commit: string, status: CommitStatus): Promise<void>
  /** Has the provider tell a URL of pushes, pull requests and releases, signed with this secret. */
  createHook(repository: string, hook: HookSettings): Promise<Hook>
  /** Another secret for it. */
  updateHook(repository: string, id: string, hook: HookSettings): Promise<void>
  /** No more of it; one that is gone is gone. */
  deleteHook(repository: string, id: string): Promise<void>
  /** One of them. */
  pullRequest(repository: string, number: string): Promise<PullRequest>
  /**
   * What somebody is in a repository, in CodeBuild's words (`GITHUB_WRITE`); `undefined` for a stranger.
   * @param who as the provider's webhooks name him: login (GitHub), user id (GitLab), UUID (Bitbucket).
   */
  roleOf(repository: string, who: string): Promise<string | undefined>
  /** Pull requests, those changed last first, as many as a page has; `unchanged` since the answer with this `tag`. */
  pullRequests(
    repository: string,
    tag?: string,
  ): Promise<'unchanged' | { readonly tag?: string; readonly pulls: readonly PullRequest[] }>
}

const makers: Readonly<Record<ProviderKind, (access: ProviderAccess) => Provider>> = {
  BITBUCKET: bitbucket,
  GITHUB: github,
  GITLAB: gitlab,
}

export const providerOf = (access: ProviderAccess): Provider => makers[access.kind](access)
