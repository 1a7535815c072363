import { createHmac } from 'node:crypto'
import {
  BatchGetBuildsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  CreateWebhookCommand,
  type PullRequestBuildPolicy,
  UpdateWebhookCommand,
} from '@aws-sdk/client-codebuild'
import { CodeStarConnectionsClient, CreateConnectionCommand } from '@aws-sdk/client-codestar-connections'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type GitProvider, gitProvider } from '../../../test/git-provider.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import { callServer } from '../../cli/connection.ts'

// Pull requests of strangers wait for a comment of somebody whom the project trusts.

let drydock: Story
let provider: GitProvider
let codebuild: CodeBuildClient
beforeEach(async () => {
  ;[drydock, provider] = await Promise.all([story(), gitProvider()])
  codebuild = drydock.client(CodeBuildClient)
})
afterEach(() => Promise.all([drydock.close(), provider.close()]))

type Kind = 'Bitbucket' | 'GitHub' | 'GitLab'
const types = { Bitbucket: 'BITBUCKET', GitHub: 'GITHUB', GitLab: 'GITLAB' } as const
const commit = 'c0ffee'.padEnd(40, '0')

/** A webhook of a project for pull requests; returns what delivers to it, signed. */
const webhook = async (kind: Kind, pullRequestBuildPolicy?: PullRequestBuildPolicy) => {
  const { ConnectionArn: arn } = await drydock
    .client(CodeStarConnectionsClient)
    .send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType: kind }))
  const path = '/_drydock/codestarconnections/connection'
  await callServer({ endpoint: drydock.endpoint }, 'POST', path, { arn, token: provider.token, url: provider.url })
  const rights = allow(['codestar-connections:GetConnection', 'codestar-connections:GetConnectionToken'])
  await codebuild.send(
    new CreateProjectCommand({
      ...{ name: 'app', artifacts: { type: 'NO_ARTIFACTS' } },
      serviceRole: await drydock.role('builder', 'codebuild.amazonaws.com', [rights]),
      source: {
        ...{ type: types[kind], location: `${provider.url}/me/app.git` },
        auth: { type: 'CODECONNECTIONS', resource: arn },
      },
      environment: {
        ...{ type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
      },
    }),
  )
  const filterGroups = [[{ type: 'EVENT' as const, pattern: 'PULL_REQUEST_CREATED' }]]
  const made = await codebuild.send(
    new CreateWebhookCommand({ projectName: 'app', filterGroups, pullRequestBuildPolicy }),
  )
  const { payloadUrl = '', secret = '' } = made.webhook ?? {}
  const deliver = async (name: string, content: object): Promise<string> => {
    const body = JSON.stringify(content)
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    const headers = {
      GitHub: { 'x-github-event': name, 'x-hub-signature-256': signature },
      GitLab: { 'x-gitlab-event': name, 'x-gitlab-token': secret },
      Bitbucket: { 'x-event-key': name, 'x-hub-signature': signature },
    }[kind]
    const answer = await fetch(payloadUrl, { method: 'POST', headers: new Headers(Object.entries(headers)), body })
    const { id, message } = (await answer.json()) as { id?: string; message?: string }
    return id ?? message ?? ''
  }
  return { policy: made.webhook?.pullRequestBuildPolicy, deliver }
}

/** A pull request of `author` as each provider tells of it, and a comment on it. */
const deliveries = {
  GitHub: {
    opened: (author: string, fork = true) => [
      'pull_request',
      {
        ...{ action: 'opened', number: 7, repository: { name: 'app' } },
        pull_request: {
          ...{ user: { login: author }, base: { ref: 'main', repo: { id: 1 } } },
          head: { ref: 'topic', sha: commit, repo: { id: fork ? 2 : 1 } },
        },
      },
    ],
    comment: (by: string, body: string) => [
      'issue_comment',
      { action: 'created', issue: { number: 7, pull_request: {} }, comment: { body, user: { login: by } } },
    ],
  },
  GitLab: {
    opened: (author: string) => [
      'Merge Request Hook',
      {
        object_attributes: {
          ...{ action: 'open', iid: 7, author_id: author, source_branch: 'topic', target_branch: 'main' },
          ...{ last_commit: { id: commit }, source_project_id: 2, target_project_id: 1 },
        },
      },
    ],
    comment: (by: string, note: string) => [
      'Note Hook',
      { object_attributes: { note, author_id: by }, merge_request: { iid: 7 } },
    ],
  },
  Bitbucket: {
    opened: (author: string) => [
      'pullrequest:created',
      {
        pullrequest: {
          ...{ id: 7, author: { uuid: author }, destination: { branch: { name: 'main' } } },
          source: {
            branch: { name: 'topic' },
            commit: { hash: commit.slice(0, 12) },
            repository: { full_name: 'x/y' },
          },
        },
      },
    ],
    comment: (by: string, raw: string) => [
      'pullrequest:comment_created',
      { pullrequest: { id: 7 }, comment: { content: { raw }, user: { uuid: by } } },
    ],
  },
} as const satisfies Record<Kind, Record<string, (...args: never[]) => readonly [string, object] | (string | object)[]>>

it.each(['GitHub', 'GitLab', 'Bitbucket'] as const)(
  'at %s, a stranger’s waits until a writer approves its commit',
  async (kind) => {
    provider.roles.set('2', 'write').set('3', 'read')
    provider.pulls.push({ number: 7, title: 'Mine', state: 'open', branch: 'topic', commit, base: 'main' })
    const { deliver } = await webhook(kind)
    const { opened, comment } = deliveries[kind]
    const send = (delivery: readonly (string | object)[]) => deliver(String(delivery[0]), Object(delivery[1]))
    const refused = 'No build was started.'
    expect(await send(opened('9'))).toBe('Pull request approval required for starting a build')
    expect(provider.asked.at(-1)?.body).toMatchObject({
      description: 'Pull request approval required for starting a build',
    })
    const right = `/codebuild_run(${commit})`
    expect(await send(comment('9', right))).toBe(refused)
    expect(await send(comment('3', right))).toBe(refused)
    expect(await send(comment('2', 'looks good'))).toBe(refused)
    expect(await send(comment('2', `${right} or so`))).toBe(refused)
    expect(await send(comment('2', `/codebuild_run(${'a'.repeat(40)})`))).toBe(refused)
    const id = await send(comment('2', right))
    const { builds } = await codebuild.send(new BatchGetBuildsCommand({ ids: [id] }))
    expect(builds?.[0]).toMatchObject({ projectName: 'app', sourceVersion: commit })
    // Those of whom the project trusts do not wait.
    expect(await send(opened('2'))).toMatch(/^app:/)
  },
)

it('policies say whose wait, and are shown', async () => {
  const { deliver, policy } = await webhook('GitHub', { requiresCommentApproval: 'FORK_PULL_REQUESTS' })
  const all = ['GITHUB_ADMIN', 'GITHUB_MAINTAIN', 'GITHUB_WRITE']
  expect(policy).toEqual({ requiresCommentApproval: 'FORK_PULL_REQUESTS', approverRoles: all })
  const { opened } = deliveries.GitHub
  const send = (fork: boolean) => deliver('pull_request', Object(opened('9', fork)[1]))
  expect(await send(false)).toMatch(/^app:/)
  expect(await send(true)).toMatch(/approval required/)
  const update = (pullRequestBuildPolicy: PullRequestBuildPolicy) =>
    codebuild.send(new UpdateWebhookCommand({ projectName: 'app', pullRequestBuildPolicy }))
  await expect(
    update({ requiresCommentApproval: 'ALL_PULL_REQUESTS', approverRoles: ['GITLAB_OWNER'] }),
  ).rejects.toThrow(/GITLAB_OWNER is no role of GITHUB/)
  await update({ requiresCommentApproval: 'DISABLED' })
  expect(await send(true)).toMatch(/^app:/)
})
