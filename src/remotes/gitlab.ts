import { etagOf, gone, list, maybe, pathOf, text, wanted } from './answers.ts'
import type { CommitState, HookSettings, Provider, ProviderAccess, PullRequest } from './provider.ts'
import { askJson } from './request.ts'

// GitLab's "REST API resources": users, commits, merge requests.

const states: Readonly<Record<CommitState, string>> = {
  ...{ error: 'failed', failure: 'failed', pending: 'running', stopped: 'canceled', success: 'success' },
}

/** By its levels of access. */
const roles: Readonly<Record<string, string>> = {
  ...{ 50: 'GITLAB_OWNER', 40: 'GITLAB_MAINTAINER', 30: 'GITLAB_DEVELOPER' },
  ...{ 20: 'GITLAB_REPORTER', 15: 'GITLAB_PLANNER', 10: 'GITLAB_GUEST' },
}

const hookOf = ({ url, secret }: HookSettings) => ({
  ...{ url, token: secret },
  ...{
    push_events: true,
    tag_push_events: true,
    merge_requests_events: true,
    note_events: true,
    enable_ssl_verification: true,
  },
})

const toPull = (json: unknown): PullRequest => {
  const state = text(json, 'state')
  return {
    number: text(json, 'iid'),
    title: text(json, 'title'),
    state: state === 'merged' || state === 'closed' ? state : 'open',
    head: { branch: text(json, 'source_branch'), commit: text(json, 'sha') },
    base: text(json, 'target_branch'),
  }
}

export const gitlab = ({ base, token, user, reach }: ProviderAccess): Provider => {
  const site = (base ?? 'https://gitlab.com').replace(/\/+$/, '')
  const ask = (method: string, path: string, more: { body?: unknown; headers?: Record<string, string> } = {}) =>
    askJson(method, new URL(`${site}/api/v4${path}`), {
      reach,
      headers: { authorization: `Bearer ${token}`, ...more.headers },
      ...(more.body === undefined ? {} : { body: more.body }),
    })
  /** A project by its path, in one piece. */
  const project = (repository: string) => `/projects/${pathOf(repository).replaceAll('/', '%2F')}`
  return {
    whoAmI: async () => text(wanted('the token’s user', await ask('GET', '/user')), 'username'),
    cloneUrl: (repository) => new URL(`${site}/${pathOf(repository)}.git`),
    credential: { user: user ?? 'oauth2', token },
    commitUrl: (repository, commit) => `${site}/${pathOf(repository)}/-/commit/${commit}`,
    setStatus: async (repository, commit, { state, name, description, url }) => {
      const body = { state: states[state], name, description, ...(url ? { target_url: url } : {}) }
      wanted('the commit’s status', await ask('POST', `${project(repository)}/statuses/${commit}`, { body }))
    },
    createHook: async (repository, hook) => {
      const made = wanted('the webhook', await ask('POST', `${project(repository)}/hooks`, { body: hookOf(hook) }))
      return { id: text(made, 'id') }
    },
    updateHook: async (repository, id, hook) => {
      const path = `${project(repository)}/hooks/${encodeURIComponent(id)}`
      wanted('the webhook', await ask('PUT', path, { body: hookOf(hook) }))
    },
    deleteHook: async (repository, id) =>
      gone('the webhook', await ask('DELETE', `${project(repository)}/hooks/${encodeURIComponent(id)}`)),
    pullRequest: async (repository, number) => {
      const path = `${project(repository)}/merge_requests/${encodeURIComponent(number)}`
      return toPull(wanted('the merge request', await ask('GET', path)))
    },
    roleOf: async (repository, who) => {
      const path = `${project(repository)}/members/all/${encodeURIComponent(who)}`
      return roles[text(maybe('the contributor’s role', await ask('GET', path)), 'access_level')]
    },
    pullRequests: async (repository, tag) => {
      const answer = await ask(
        'GET',
        `${project(repository)}/merge_requests?state=all&order_by=updated_at&sort=desc&per_page=50`,
        tag ? { headers: { 'if-none-match': tag } } : {},
      )
      if (answer.status === 304) return 'unchanged'
      return { ...etagOf(answer), pulls: list(wanted('its merge requests', answer)).map(toPull) }
    },
  }
}
