import { at, etagOf, gone, list, maybe, pathOf, text, wanted } from './answers.ts'
import type { CommitState, HookSettings, Provider, ProviderAccess, PullRequest } from './provider.ts'
import { askJson } from './request.ts'

// "GitHub REST API documentation": users, commit statuses, pulls. A GitHub Enterprise Server has it below `/api/v3`.

const states: Readonly<Record<CommitState, string>> = {
  ...{ error: 'error', failure: 'failure', pending: 'pending', stopped: 'error', success: 'success' },
}

const roles = ['admin', 'maintain', 'write', 'triage', 'read']

const hookOf = ({ url, secret }: HookSettings) => ({
  active: true,
  events: ['push', 'pull_request', 'release', 'issue_comment'],
  config: { url, secret, content_type: 'json' },
})

const toPull = (json: unknown): PullRequest => ({
  number: text(json, 'number'),
  title: text(json, 'title'),
  state: text(json, 'state') === 'open' ? 'open' : at(json, 'merged_at') ? 'merged' : 'closed',
  head: { branch: text(json, 'head', 'ref'), commit: text(json, 'head', 'sha') },
  base: text(json, 'base', 'ref'),
})

export const github = ({ base, token, user, reach }: ProviderAccess): Provider => {
  const site = (base ?? 'https://github.com').replace(/\/+$/, '')
  const api = base === undefined ? 'https://api.github.com' : `${site}/api/v3`
  const ask = (method: string, path: string, more: { body?: unknown; headers?: Record<string, string> } = {}) =>
    askJson(method, new URL(api + path), {
      reach,
      headers: {
        accept: 'application/vnd.github+json',
        'x-github-api-version': '2022-11-28',
        authorization: `Bearer ${token}`,
        ...more.headers,
      },
      ...(more.body === undefined ? {} : { body: more.body }),
    })
  return {
    whoAmI: async () => text(wanted('the token’s user', await ask('GET', '/user')), 'login'),
    cloneUrl: (repository) => new URL(`${site}/${pathOf(repository)}.git`),
    credential: { user: user ?? 'x-access-token', token },
    commitUrl: (repository, commit) => `${site}/${pathOf(repository)}/commit/${commit}`,
    setStatus: async (repository, commit, { state, name, description, url }) => {
      wanted(
        'the commit’s status',
        await ask('POST', `/repos/${pathOf(repository)}/statuses/${commit}`, {
          body: {
            state: states[state],
            context: name.slice(0, 255),
            description: description.slice(0, 140),
            ...(url ? { target_url: url } : {}),
          },
        }),
      )
    },
    createHook: async (repository, hook) => {
      const body = { ...hookOf(hook), name: 'web' }
      const made = wanted('the webhook', await ask('POST', `/repos/${pathOf(repository)}/hooks`, { body }))
      return { id: text(made, 'id'), ...(text(made, 'url') ? { url: text(made, 'url') } : {}) }
    },
    updateHook: async (repository, id, hook) => {
      const path = `/repos/${pathOf(repository)}/hooks/${encodeURIComponent(id)}`
      wanted('the webhook', await ask('PATCH', path, { body: hookOf(hook) }))
    },
    deleteHook: async (repository, id) =>
      gone('the webhook', await ask('DELETE', `/repos/${pathOf(repository)}/hooks/${encodeURIComponent(id)}`)),
    pullRequest: async (repository, number) => {
      const path = `/repos/${pathOf(repository)}/pulls/${encodeURIComponent(number)}`
      return toPull(wanted('the pull request', await ask('GET', path)))
    },
    roleOf: async (repository, who) => {
      const path = `/repos/${pathOf(repository)}/collaborators/${encodeURIComponent(who)}/permission`
      const found = maybe('the contributor’s role', await ask('GET', path))
      // A role of an organization's own counts as what it permits.
      const named = [text(found, 'role_name'), text(found, 'permission')].find((name) => roles.includes(name))
      return named && `GITHUB_${named.toUpperCase()}`
    },
    pullRequests: async (repository, tag) => {
      const answer = await ask(
        'GET',
        `/repos/${pathOf(repository)}/pulls?state=all&sort=updated&direction=desc&per_page=50`,
        tag ? { headers: { 'if-none-match': tag } } : {},
      )
      if (answer.status === 304) return 'unchanged'
      return { ...etagOf(answer), pulls: list(wanted('its pull requests', answer)).map(toPull) }
    },
  }
}
