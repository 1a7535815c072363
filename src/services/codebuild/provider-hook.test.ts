import { createHmac } from 'node:crypto'
import {
  CodeBuildClient,
  CreateProjectCommand,
  CreateWebhookCommand,
  DeleteWebhookCommand,
  ListBuildsForProjectCommand,
  type SourceType,
  UpdateWebhookCommand,
} from '@aws-sdk/client-codebuild'
import { CodeStarConnectionsClient, CreateConnectionCommand } from '@aws-sdk/client-codestar-connections'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type GitProvider, gitProvider } from '../../../test/git-provider.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import { callServer } from '../../cli/connection.ts'

// Webhooks that their provider is told of, since the server has an address it can reach.

let drydock: Story
let provider: GitProvider
let codebuild: CodeBuildClient
let serviceRole = ''
beforeAll(async () => {
  ;[drydock, provider] = await Promise.all([
    story({ config: { publicUrl: 'https://builds.example.com/' } }),
    gitProvider(),
  ])
  codebuild = drydock.client(CodeBuildClient)
  const rights = allow(['codestar-connections:GetConnection', 'codestar-connections:GetConnectionToken', 'logs:*'])
  serviceRole = await drydock.role('builder', 'codebuild.amazonaws.com', [rights])
})
afterAll(() => Promise.all([drydock.close(), provider.close()]))

const connect = async (ProviderType: 'Bitbucket' | 'GitHub' | 'GitLab') => {
  const { ConnectionArn: arn } = await drydock
    .client(CodeStarConnectionsClient)
    .send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType }))
  const path = '/_drydock/codestarconnections/connection'
  await callServer({ endpoint: drydock.endpoint }, 'POST', path, { arn, token: provider.token, url: provider.url })
  return { type: 'CODECONNECTIONS' as const, resource: arn }
}
const project = async (name: string, type: SourceType, kind: Parameters<typeof connect>[0], auth = true) => {
  const location = `${provider.url}/me/${name}.git`
  await codebuild.send(
    new CreateProjectCommand({
      ...{ name, serviceRole, artifacts: { type: 'NO_ARTIFACTS' } },
      source: { type, location, ...(auth ? { auth: await connect(kind) } : {}) },
      environment: {
        ...{ type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL' },
      },
    }),
  )
}
const create = async (projectName: string, more: object = {}) =>
  (await codebuild.send(new CreateWebhookCommand({ projectName, ...more }))).webhook
/** What the provider was asked about a repository's webhooks. */
const asked = (repository: string) => provider.asked.filter(({ path }) => path.includes(repository))

it('GitHub is told of one, of its new secret and of its end', async () => {
  await project('hub', 'GITHUB', 'GitHub')
  const webhook = await create('hub')
  expect(webhook?.payloadUrl).toMatch(/^https:\/\/builds\.example\.com\/_drydock\/codebuild\/webhooks\//)
  const config = { url: webhook?.payloadUrl, secret: webhook?.secret, content_type: 'json' }
  const events = ['push', 'pull_request', 'release', 'issue_comment']
  const hooks = '/api/v3/repos/me/hub/hooks'
  const first = { method: 'POST', path: hooks, body: { name: 'web', active: true, events, config } }
  expect(asked('/me/hub/')).toEqual([first])
  await expect(create('hub')).rejects.toMatchObject({ name: 'ResourceAlreadyExistsException' })
  expect(asked('/me/hub/')).toHaveLength(1)

  const rotated = await codebuild.send(new UpdateWebhookCommand({ projectName: 'hub', rotateSecret: true }))
  const secret = rotated.webhook?.secret ?? ''
  expect(secret).not.toBe(webhook?.secret)
  expect(asked('/me/hub/').at(-1)).toMatchObject({
    ...{ method: 'PATCH', path: `${hooks}/77`, body: { config: { ...config, secret } } },
  })
  // The provider signs with the secret that it was told.
  const body = JSON.stringify({ ref: 'refs/heads/main', after: 'a'.repeat(40), repository: { name: 'hub' } })
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const path = new URL(webhook?.payloadUrl ?? '').pathname
  const headers = { 'x-github-event': 'push', 'x-hub-signature-256': signature }
  const { id } = (await (await fetch(drydock.endpoint + path, { method: 'POST', headers, body })).json()) as {
    id: string
  }
  expect((await codebuild.send(new ListBuildsForProjectCommand({ projectName: 'hub' }))).ids).toEqual([id])

  await codebuild.send(new DeleteWebhookCommand({ projectName: 'hub' }))
  expect(asked('/me/hub/').at(-1)).toMatchObject({ method: 'DELETE', path: `${hooks}/77` })
})

it.each([
  ['lab', 'GITLAB', 'GitLab', '/api/v4/projects/me%2Flab/hooks', 'PUT', '77', 'token'],
  ['bucket', 'BITBUCKET', 'Bitbucket', '/2.0/repositories/me/bucket/hooks', 'PUT', '%7B77%7D', 'secret'],
] as const)('so is %s of its own', async (name, type, kind, path, method, id, member) => {
  await project(name, type, kind)
  const webhook = await create(name)
  const { webhook: rotated } = await codebuild.send(new UpdateWebhookCommand({ projectName: name, rotateSecret: true }))
  await codebuild.send(new DeleteWebhookCommand({ projectName: name }))
  expect(provider.asked.filter((one) => one.path.startsWith(path))).toMatchObject([
    { method: 'POST', path, body: { url: webhook?.payloadUrl, [member]: webhook?.secret } },
    { method, path: `${path}/${id}`, body: { [member]: rotated?.secret } },
    { method: 'DELETE', path: `${path}/${id}` },
  ])
})

it('one made by hand is not told, and one without credentials not made', async () => {
  await project('hand', 'GITHUB', 'GitHub')
  expect((await create('hand', { manualCreation: true }))?.manualCreation).toBe(true)
  await project('bare', 'GITHUB', 'GitHub', false)
  await expect(create('bare')).rejects.toThrow('Could not find access token for server type GITHUB')
  expect([...asked('/me/hand/'), ...asked('/me/bare/')]).toEqual([])
})

it('one that the provider refuses is not made', async () => {
  await project('shut', 'GITHUB', 'GitHub')
  provider.refuse(/\/me\/shut\/hooks/)
  await expect(create('shut')).rejects.toMatchObject({
    ...{ name: 'OAuthProviderException', message: expect.stringMatching(/^Failed to create webhook\. .*403/) },
  })
  provider.refuse(undefined)
  expect((await create('shut'))?.status).toBe('ACTIVE')
})
