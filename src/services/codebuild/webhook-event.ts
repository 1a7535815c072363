import { createHmac, timingSafeEqual } from 'node:crypto'
import { RE2JS } from 're2js'
import type { WebhookRecord } from './webhook-record.ts'

// What a provider tells of a repository, and which of it starts builds. Pure.
// AWS documentation: "Filter GitHub webhook events", and those of GitLab and Bitbucket.

export type Provider = 'GITHUB' | 'GITLAB' | 'BITBUCKET'

export type WebhookEvent = {
  /** `PUSH`, `PULL_REQUEST_CREATED`… */
  readonly event: string
  readonly headRef?: string
  readonly baseRef?: string
  readonly actor?: string
  /** Changed paths; absent where the provider does not tell. */
  readonly files?: readonly string[]
  readonly message?: string
  readonly tag?: string
  readonly release?: string
  readonly repository?: string
  readonly previous?: string
  /** Of a pull request: who made it, as its provider is asked of him; its newest commit; whether that lies in a fork. */
  readonly pull?: { readonly author: string; readonly commit: string; readonly fork: boolean }
  readonly sourceVersion: string
  /** `branch/main`, `tag/v1`, `pr/7`. */
  readonly trigger: string
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

const header = (headers: Headers, name: string): string => String(headers[name] ?? '')

const same = (a: string, b: string): boolean => {
  const [one, other] = [a, b].map((text) => createHmac('sha256', 'compare').update(text).digest())
  return one !== undefined && other !== undefined && timingSafeEqual(one, other)
}

/** Whether the provider signed this body with the webhook's secret (GitLab: shows it). */
export const isSigned = (provider: Provider, headers: Headers, body: Uint8Array, secret: string): boolean => {
  if (provider === 'GITLAB') return same(header(headers, 'x-gitlab-token'), secret)
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  return same(header(headers, provider === 'GITHUB' ? 'x-hub-signature-256' : 'x-hub-signature'), signature)
}

/** A value inside of JSON, by its path. */
const at = (json: unknown, ...path: (string | number)[]): unknown =>
  path.reduce<unknown>(
    (inner, name) =>
      inner && typeof inner === 'object' ? (inner as Record<string, unknown>)[String(name)] : undefined,
    json,
  )
const text = (json: unknown, ...path: (string | number)[]): string | undefined => {
  const value = at(json, ...path)
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const changed = (commits: readonly unknown[]): string[] => [
  ...new Set(
    commits.flatMap((commit) =>
      ['added', 'modified', 'removed'].flatMap((kind) =>
        list(at(commit, kind)).filter((path): path is string => typeof path === 'string'),
      ),
    ),
  ),
]

const triggerOf = (ref: string) => ref.replace(/^refs\/heads\//, 'branch/').replace(/^refs\/tags\//, 'tag/')
const branch = (name: string | undefined) => (name === undefined ? {} : { name: `refs/heads/${name}` })
const none = /^0*$/

type Facts = { [K in Exclude<keyof WebhookEvent, 'pull'>]: WebhookEvent[K] | undefined } & Pick<WebhookEvent, 'pull'>

/** An event, without what is not known; `undefined` when it is none that could start a build. */
const event = (facts: Facts): WebhookEvent | undefined => {
  if (!facts.event || !facts.sourceVersion || none.test(facts.sourceVersion)) return undefined
  const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
  return known as WebhookEvent
}

const actions: Readonly<Record<string, string>> = {
  ...{ opened: 'CREATED', open: 'CREATED', created: 'CREATED', synchronize: 'UPDATED', update: 'UPDATED' },
  ...{ updated: 'UPDATED', closed: 'CLOSED', close: 'CLOSED', rejected: 'CLOSED', reopened: 'REOPENED' },
  ...{ reopen: 'REOPENED', merge: 'MERGED', fulfilled: 'MERGED' },
}

const github = (kind: string, json: unknown): WebhookEvent | undefined => {
  const common = { actor: text(json, 'sender', 'id'), repository: text(json, 'repository', 'name') }
  const plain = { baseRef: undefined, files: undefined, message: undefined, tag: undefined, release: undefined }
  const action = text(json, 'action') ?? ''
  if (kind === 'push') {
    const ref = text(json, 'ref') ?? ''
    return event({
      ...plain,
      ...common,
      event: 'PUSH',
      headRef: ref,
      files: changed(list(at(json, 'commits'))),
      message: text(json, 'head_commit', 'message'),
      previous: text(json, 'before'),
      sourceVersion: text(json, 'after'),
      trigger: triggerOf(ref),
    })
  }
  if (kind === 'pull_request') {
    const merged = action === 'closed' && at(json, 'pull_request', 'merged') === true
    const what = merged ? 'MERGED' : actions[action]
    const number = text(json, 'number')
    return event({
      ...plain,
      ...common,
      event: what && `PULL_REQUEST_${what}`,
      headRef: branch(text(json, 'pull_request', 'head', 'ref')).name,
      baseRef: branch(text(json, 'pull_request', 'base', 'ref')).name,
      previous: undefined,
      pull: {
        author: text(json, 'pull_request', 'user', 'login') ?? '',
        commit: text(json, 'pull_request', 'head', 'sha') ?? '',
        fork: text(json, 'pull_request', 'head', 'repo', 'id') !== text(json, 'pull_request', 'base', 'repo', 'id'),
      },
      sourceVersion: number && `pr/${number}`,
      trigger: `pr/${number}`,
    })
  }
  if (kind === 'release') {
    const tag = text(json, 'release', 'tag_name')
    const what = action === 'released' ? 'RELEASED' : action === 'prereleased' ? 'PRERELEASED' : undefined
    return event({
      ...plain,
      ...common,
      event: what,
      headRef: undefined,
      tag,
      release: text(json, 'release', 'name'),
      previous: undefined,
      sourceVersion: tag && `refs/tags/${tag}`,
      trigger: `tag/${tag}`,
    })
  }
  return undefined
}

const gitlab = (kind: string, json: unknown): WebhookEvent | undefined => {
  const common = { actor: text(json, 'user_id') ?? text(json, 'user', 'id'), repository: text(json, 'project', 'name') }
  if (kind === 'Push Hook' || kind === 'Tag Push Hook') {
    const ref = text(json, 'ref') ?? ''
    const commits = list(at(json, 'commits'))
    return event({
      ...{ ...common, event: 'PUSH', headRef: ref, baseRef: undefined, tag: undefined, release: undefined },
      files: changed(commits),
      message: text(commits.at(-1), 'message'),
      previous: text(json, 'before'),
      sourceVersion: text(json, 'checkout_sha') ?? text(json, 'after'),
      trigger: triggerOf(ref),
    })
  }
  if (kind !== 'Merge Request Hook') return undefined
  const facts = at(json, 'object_attributes')
  const what = actions[text(facts, 'action') ?? '']
  return event({
    ...{ ...common, files: undefined, tag: undefined, release: undefined, previous: undefined },
    event: what && `PULL_REQUEST_${what}`,
    headRef: branch(text(facts, 'source_branch')).name,
    baseRef: branch(text(facts, 'target_branch')).name,
    message: text(facts, 'last_commit', 'message'),
    pull: {
      author: text(facts, 'author_id') ?? '',
      commit: text(facts, 'last_commit', 'id') ?? '',
      fork: text(facts, 'source_project_id') !== text(facts, 'target_project_id'),
    },
    sourceVersion: text(facts, 'last_commit', 'id'),
    trigger: `pr/${text(facts, 'iid')}`,
  })
}

const bitbucket = (kind: string, json: unknown): WebhookEvent | undefined => {
  const common = {
    actor: text(json, 'actor', 'account_id') ?? text(json, 'actor', 'uuid'),
    repository: text(json, 'repository', 'name'),
  }
  const unknown = { files: undefined, tag: undefined, release: undefined }
  if (kind === 'repo:push') {
    const change = at(json, 'push', 'changes', 0)
    const ref = `refs/${text(change, 'new', 'type') === 'tag' ? 'tags' : 'heads'}/${text(change, 'new', 'name')}`
    return event({
      ...{ ...common, ...unknown, event: 'PUSH', headRef: ref, baseRef: undefined },
      message: text(change, 'new', 'target', 'message'),
      previous: text(change, 'old', 'target', 'hash'),
      sourceVersion: text(change, 'new', 'target', 'hash'),
      trigger: triggerOf(ref),
    })
  }
  const what = kind.startsWith('pullrequest:') ? actions[kind.slice('pullrequest:'.length)] : undefined
  return event({
    ...{ ...common, ...unknown, previous: undefined, message: text(json, 'pullrequest', 'title') },
    event: what && `PULL_REQUEST_${what}`,
    headRef: branch(text(json, 'pullrequest', 'source', 'branch', 'name')).name,
    baseRef: branch(text(json, 'pullrequest', 'destination', 'branch', 'name')).name,
    pull: {
      author: text(json, 'pullrequest', 'author', 'uuid') ?? '',
      commit: text(json, 'pullrequest', 'source', 'commit', 'hash') ?? '',
      fork:
        text(json, 'pullrequest', 'source', 'repository', 'full_name') !==
        text(json, 'pullrequest', 'destination', 'repository', 'full_name'),
    },
    sourceVersion: text(json, 'pullrequest', 'source', 'commit', 'hash'),
    trigger: `pr/${text(json, 'pullrequest', 'id')}`,
  })
}

const parsed = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    return undefined
  }
}

/** A comment that approves a commit of a pull request: `/codebuild_run(COMMIT)`. */
export type Approval = {
  readonly number: string
  readonly commit: string
  /** Who says so, as its provider is asked of him, and by the id that filters know. */
  readonly by: string
  readonly actor?: string
  readonly repository?: string
}

/** The approval in a delivery; `undefined` where there is none. */
export const readApproval = (provider: Provider, headers: Headers, body: Uint8Array): Approval | undefined => {
  const json = parsed(body)
  const [made, comment, number, by, actor] =
    provider === 'GITHUB'
      ? [
          header(headers, 'x-github-event') === 'issue_comment' && text(json, 'action') === 'created',
          text(json, 'comment', 'body'),
          at(json, 'issue', 'pull_request') ? text(json, 'issue', 'number') : undefined,
          text(json, 'comment', 'user', 'login'),
          text(json, 'sender', 'id'),
        ]
      : provider === 'GITLAB'
        ? [
            header(headers, 'x-gitlab-event') === 'Note Hook' && text(json, 'object_attributes', 'action') !== 'update',
            text(json, 'object_attributes', 'note'),
            text(json, 'merge_request', 'iid'),
            text(json, 'object_attributes', 'author_id'),
            text(json, 'user', 'id'),
          ]
        : [
            header(headers, 'x-event-key') === 'pullrequest:comment_created',
            text(json, 'comment', 'content', 'raw'),
            text(json, 'pullrequest', 'id'),
            text(json, 'comment', 'user', 'uuid'),
            text(json, 'actor', 'account_id') ?? text(json, 'actor', 'uuid'),
          ]
  const commit = /^\s*\/codebuild_run\(([0-9a-f]{40})\)\s*$/.exec(comment ?? '')?.[1]
  if (!made || !commit || !number || !by) return undefined
  const repository = text(json, 'repository', 'name') ?? text(json, 'project', 'name')
  return { number, commit, by, ...(actor ? { actor } : {}), ...(repository ? { repository } : {}) }
}

/** What a delivery says; `undefined` when it is nothing that could start a build. */
export const readEvent = (provider: Provider, headers: Headers, body: Uint8Array): WebhookEvent | undefined => {
  const json = parsed(body)
  if (provider === 'GITHUB') return github(header(headers, 'x-github-event'), json)
  if (provider === 'GITLAB') return gitlab(header(headers, 'x-gitlab-event'), json)
  return bitbucket(header(headers, 'x-event-key'), json)
}

/** The user's pattern, by an engine that never backtracks. One that is no pattern matches nothing. */
const matches = (pattern: string, value: string | undefined): boolean => {
  try {
    return value !== undefined && RE2JS.compile(pattern).matcher(value).find()
  } catch {
    return false
  }
}

type Filter = WebhookRecord['filterGroups'][number][number]

const filterMatches = ({ type, pattern, excludeMatchedPattern }: Filter, event: WebhookEvent): boolean => {
  const value: Readonly<Record<string, string | undefined>> = {
    HEAD_REF: event.headRef,
    BASE_REF: event.baseRef,
    ACTOR_ACCOUNT_ID: event.actor,
    COMMIT_MESSAGE: event.message,
    TAG_NAME: event.tag,
    RELEASE_NAME: event.release,
    REPOSITORY_NAME: event.repository,
  }
  const found =
    type === 'EVENT'
      ? pattern.split(',').some((one) => one.trim() === event.event)
      : type === 'FILE_PATH'
        ? (event.files ?? []).some((path) => matches(pattern, path))
        : matches(pattern, value[type])
  return found !== (excludeMatchedPattern ?? false)
}

/** Whether a webhook's filters let an event start a build: all filters of any group; without groups every push and pull request. */
export const startsBuild = (
  webhook: Pick<WebhookRecord, 'filterGroups' | 'branchFilter'>,
  event: WebhookEvent,
): boolean => {
  if (webhook.filterGroups.length > 0)
    return webhook.filterGroups.some((group) => group.every((filter) => filterMatches(filter, event)))
  if (webhook.branchFilter) return matches(webhook.branchFilter, event.headRef?.replace(/^refs\/heads\//, ''))
  return ['PUSH', 'PULL_REQUEST_CREATED', 'PULL_REQUEST_UPDATED', 'PULL_REQUEST_REOPENED'].includes(event.event)
}

/** What a build is told of the event that started it. */
export const webhookVariables = (event: WebhookEvent): Record<string, string> => ({
  CODEBUILD_WEBHOOK_EVENT: event.event,
  CODEBUILD_WEBHOOK_TRIGGER: event.trigger,
  ...(event.actor ? { CODEBUILD_WEBHOOK_ACTOR_ACCOUNT_ID: event.actor } : {}),
  ...(event.headRef ? { CODEBUILD_WEBHOOK_HEAD_REF: event.headRef } : {}),
  ...(event.baseRef ? { CODEBUILD_WEBHOOK_BASE_REF: event.baseRef } : {}),
  ...(event.previous ? { CODEBUILD_WEBHOOK_PREV_COMMIT: event.previous } : {}),
})
