import { createHash } from 'node:crypto'
import { at, etagOf, gone, list, maybe, pathOf, text, wanted } from './answers.ts'
import type { CommitState, HookSettings, Provider, ProviderAccess, PullRequest } from './provider.ts'
import { askJson } from './request.ts'

// "The Bitbucket Cloud REST API": users, commit statuses, pull requests. A token with a user is his password, one without
// speaks for itself.

const states: Readonly<Record<CommitState, string>> = {
  ...{ error: 'FAILED', failure: 'FAILED', pending: 'INPROGRESS', stopped: 'STOPPED', success: 'SUCCESSFUL' },
}

const hookOf = ({ url, secret }: HookSettings) => ({
  ...{ description: 'AWS CodeBuild', url, secret, active: true },
  events: [
    'repo:push',
    ...['created', 'updated', 'fulfilled', 'rejected', 'comment_created'].map((event) => `pullrequest:${event}`),
  ],
})

const toPull = (json: unknown): PullRequest => {
  const state = text(json, 'state')
  return {
    number: text(json, 'id'),
    title: text(json, 'title'),
    state: state === 'OPEN' ? 'open' : state === 'MERGED' ? 'merged' : 'closed',
    head: { branch: text(json, 'source', 'branch', 'name'), commit: text(json, 'source', 'commit', 'hash') },
    base: text(json, 'destination', 'branch', 'name'),
  }
}

export const bitbucket = ({ base, token, user, reach }: ProviderAccess): Provider => {
  const site = (base ?? 'https://bitbucket.org').replace(/\/+$/, '')
  const api = `${base === undefined ? 'https://api.bitbucket.org' : site}/2.0`
  const authorization =
    user === undefined ? `Bearer ${token}` : `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`
  const ask = (method: string, path: string, more: { body?: unknown; headers?: Record<string, string> } = {}) =>
    askJson(method, new URL(api + path), {
      reach,
      headers: { authorization, ...more.headers },
      ...(more.body === undefined ? {} : { body: more.body }),
    })
  return {
    whoAmI: async () => {
      const found = wanted('the token’s user', await ask('GET', '/user'))
      return text(found, 'username') || text(found, 'display_name')
    },
    cloneUrl: (repository) => new URL(`${site}/${pathOf(repository)}.git`),
    credential: { user: user ?? 'x-token-auth', token },
    commitUrl: (repository, commit) => `${site}/${pathOf(repository)}/commits/${commit}`,
    setStatus: async (repository, commit, { state, name, description, url }) => {
      const key = createHash('sha256').update(name).digest('hex').slice(0, 40)
      // Its API wants a page to lead to.
      const body = { key, state: states[state], name, description, url: url ?? site }
      const path = `/repositories/${pathOf(repository)}/commit/${commit}/statuses/build`
      wanted('the commit’s status', await ask('POST', path, { body }))
    },
    createHook: async (repository, hook) => {
      const path = `/repositories/${pathOf(repository)}/hooks`
      return { id: text(wanted('the webhook', await ask('POST', path, { body: hookOf(hook) })), 'uuid') }
    },
    updateHook: async (repository, id, hook) => {
      const path = `/repositories/${pathOf(repository)}/hooks/${encodeURIComponent(id)}`
      wanted('the webhook', await ask('PUT', path, { body: hookOf(hook) }))
    },
    deleteHook: async (repository, id) => {
      const path = `/repositories/${pathOf(repository)}/hooks/${encodeURIComponent(id)}`
      gone('the webhook', await ask('DELETE', path))
    },
    pullRequest: async (repository, number) => {
      const path = `/repositories/${pathOf(repository)}/pullrequests/${encodeURIComponent(number)}`
      return toPull(wanted('the pull request', await ask('GET', path)))
    },
    roleOf: async (repository, who) => {
      const path = `/repositories/${pathOf(repository)}/permissions-config/users/${encodeURIComponent(who)}`
      const name = text(maybe('the contributor’s role', await ask('GET', path)), 'permission')
      return ['admin', 'write', 'read'].includes(name) ? `BITBUCKET_${name.toUpperCase()}` : undefined
    },
    pullRequests: async (repository, tag) => {
      const answer = await ask(
        'GET',
        `/repositories/${pathOf(repository)}/pullrequests?state=OPEN&state=MERGED&state=DECLINED&sort=-updated_on&pagelen=50`,
        tag ? { headers: { 'if-none-match': tag } } : {},
      )
      if (answer.status === 304) return 'unchanged'
      return { ...etagOf(answer), pulls: list(at(wanted('its pull requests', answer), 'values')).map(toPull) }
    },
  }
}
