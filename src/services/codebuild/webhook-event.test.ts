import type { WebhookFilter } from '@aws-sdk/client-codebuild'
import { describe, expect, it } from 'vitest'
import { readEvent, startsBuild } from './webhook-event.ts'

describe('events', () => {
  const bytes = (json: object) => new TextEncoder().encode(JSON.stringify(json))
  const github = (kind: string, json: object) => readEvent('GITHUB', { 'x-github-event': kind }, bytes(json))
  const sha = 'b'.repeat(40)
  const push = {
    ...{
      ref: 'refs/heads/main',
      before: 'a'.repeat(40),
      after: sha,
      sender: { id: 7 },
      head_commit: { message: 'Fix #1' },
    },
    commits: [{ added: ['a.md'], modified: ['src/b.ts'], removed: [] }],
  }
  const pull = (action: string, merged = false) => ({
    ...{ action, number: 9, sender: { id: 7 } },
    pull_request: { merged, head: { ref: 'topic' }, base: { ref: 'main' } },
  })

  it('of GitHub', () => {
    expect(github('push', push)).toEqual({
      ...{ event: 'PUSH', headRef: 'refs/heads/main', actor: '7', files: ['a.md', 'src/b.ts'], message: 'Fix #1' },
      ...{ previous: 'a'.repeat(40), sourceVersion: sha, trigger: 'branch/main' },
    })
    expect(github('push', { ...push, after: '0'.repeat(40) })).toBeUndefined()
    expect(github('ping', {})).toBeUndefined()
    expect(github('pull_request', pull('opened'))).toMatchObject({
      ...{
        event: 'PULL_REQUEST_CREATED',
        headRef: 'refs/heads/topic',
        baseRef: 'refs/heads/main',
        sourceVersion: 'pr/9',
      },
    })
    expect(github('pull_request', pull('closed', true))?.event).toBe('PULL_REQUEST_MERGED')
    expect(github('pull_request', pull('closed'))?.event).toBe('PULL_REQUEST_CLOSED')
    expect(github('release', { action: 'released', release: { tag_name: 'v1', name: 'One' } })).toMatchObject({
      ...{ event: 'RELEASED', tag: 'v1', release: 'One', sourceVersion: 'refs/tags/v1' },
    })
    expect(readEvent('GITHUB', { 'x-github-event': 'push' }, new TextEncoder().encode('{'))).toBeUndefined()
  })

  it('of GitLab', () => {
    const merge = {
      user: { id: 3 },
      object_attributes: {
        action: 'merge',
        iid: 4,
        source_branch: 'topic',
        target_branch: 'main',
        last_commit: { id: sha },
      },
    }
    expect(readEvent('GITLAB', { 'x-gitlab-event': 'Merge Request Hook' }, bytes(merge))).toMatchObject({
      ...{ event: 'PULL_REQUEST_MERGED', trigger: 'pr/4', sourceVersion: sha, actor: '3' },
    })
    const tag = { ref: 'refs/tags/v1', checkout_sha: sha, user_id: 3, commits: [] }
    expect(readEvent('GITLAB', { 'x-gitlab-event': 'Tag Push Hook' }, bytes(tag))?.trigger).toBe('tag/v1')
  })

  const filter = (type: WebhookFilter['type'], pattern: string, excludeMatchedPattern = false) =>
    ({ type, pattern, excludeMatchedPattern }) as WebhookFilter & {
      type: NonNullable<WebhookFilter['type']>
      pattern: string
    }
  const event = filter('EVENT', 'PUSH, PULL_REQUEST_CREATED')
  it.each([
    [[event], true],
    [[filter('EVENT', 'PULL_REQUEST_MERGED')], false],
    [[event, filter('FILE_PATH', '^src/')], true],
    [[event, filter('FILE_PATH', '^docs/')], false],
    [[event, filter('FILE_PATH', '\\.md$', true)], false],
    [[event, filter('COMMIT_MESSAGE', '\\[skip\\]', true)], true],
    [[event, filter('ACTOR_ACCOUNT_ID', '^7$')], true],
    [[event, filter('ACTOR_ACCOUNT_ID', '^8$')], false],
    [[event, filter('HEAD_REF', '(')], false],
    [[event, filter('BASE_REF', 'main')], false],
  ] as const)('%j', (group, expected) => {
    const told = github('push', push)
    expect(told && startsBuild({ filterGroups: [[...group]] }, told)).toBe(expected)
  })
})
