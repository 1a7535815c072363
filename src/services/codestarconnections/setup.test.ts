import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import {
  CodeStarConnectionsClient,
  CreateConnectionCommand,
  CreateHostCommand,
  GetConnectionCommand,
  GetHostCommand,
  type ProviderType,
  UpdateHostCommand,
} from '@aws-sdk/client-codestar-connections'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type GitProvider, gitProvider } from '../../../test/git-provider.ts'
import { type Story, story } from '../../../test/story.ts'
import { callServer } from '../../cli/connection.ts'

let drydock: Story
let client: CodeStarConnectionsClient
let provider: GitProvider
beforeAll(async () => {
  ;[drydock, provider] = await Promise.all([story(), gitProvider()])
  client = drydock.client(CodeStarConnectionsClient)
})
afterAll(() => Promise.all([drydock.close(), provider.close()]))

const path = (kind: 'connection' | 'host') => `/_drydock/codestarconnections/${kind}`
const complete = (arn: string | undefined, more: object = { url: provider.url }) =>
  callServer({ endpoint: drydock.endpoint }, 'POST', path('connection'), { arn, token: provider.token, ...more })
const setUp = (arn: string | undefined) => callServer({ endpoint: drydock.endpoint }, 'POST', path('host'), { arn })
const connect = async (more: { ProviderType: ProviderType } | { HostArn: string | undefined }) =>
  (await client.send(new CreateConnectionCommand({ ConnectionName: 'mine', ...more }))).ConnectionArn
const statusOf = async (ConnectionArn: string | undefined) =>
  (await client.send(new GetConnectionCommand({ ConnectionArn }))).Connection?.ConnectionStatus
const endpoint = (ProviderEndpoint: string) => ({
  Name: 'ours',
  ProviderType: 'GitLabSelfManaged' as const,
  ProviderEndpoint,
})
const host = async (at: string) => (await client.send(new CreateHostCommand(endpoint(at)))).HostArn

test.each(['GitHub', 'GitLab', 'Bitbucket'] as const)('a token of %s completes a connection', async (ProviderType) => {
  const arn = await connect({ ProviderType })
  await expect(complete(arn, { url: provider.url, token: 'guessed' })).rejects.toThrow(
    /^The token is refused: .*Bad credentials/,
  )
  expect(await statusOf(arn)).toBe('PENDING')
  const user = ProviderType === 'Bitbucket' ? { user: provider.user } : {}
  expect(await complete(arn, { url: provider.url, ...user })).toEqual({
    connectionArn: arn,
    status: 'AVAILABLE',
    login: 'ann',
  })
  expect(await statusOf(arn)).toBe('AVAILABLE')
  // A wrong one later takes nothing away.
  await expect(complete(arn, { url: provider.url, token: 'guessed' })).rejects.toThrow(/refused/)
  expect(await statusOf(arn)).toBe('AVAILABLE')
})

test('the token is in no record of the call, and nowhere as it is', async () => {
  const arn = await connect({ ProviderType: 'GitHub' })
  await complete(arn)
  const { Events = [] } = await drydock.client(CloudTrailClient).send(
    new LookupEventsCommand({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'UpdateConnectionInstallation' }],
    }),
  )
  const record = Events.find(({ CloudTrailEvent }) => CloudTrailEvent?.includes(arn ?? ''))?.CloudTrailEvent
  expect(record).toContain(provider.url)
  expect(record).not.toContain(provider.token)
  expect(JSON.stringify(drydock.logged)).not.toContain(provider.token)
})

test('a host is set up once it answers; a connection of it needs it where it was', async () => {
  const silent = await host('https://127.0.0.1:1')
  await expect(setUp(silent)).rejects.toThrow(/^The host cannot be reached: .*ECONNREFUSED/)
  // A web server, but no GitLab.
  const other = await host(drydock.endpoint)
  await expect(setUp(other)).rejects.toThrow(/and not as GitLabSelfManaged does/)
  const HostArn = await host(provider.url)
  await setUp(HostArn)
  expect((await client.send(new GetHostCommand({ HostArn }))).Status).toBe('AVAILABLE')
  const arn = await connect({ HostArn })
  await expect(complete(arn)).rejects.toThrow(/connection’s host/)
  await complete(arn, {})
  expect((await client.send(new GetConnectionCommand({ ConnectionArn: arn }))).Connection).toMatchObject({
    ...{ ConnectionStatus: 'AVAILABLE', ProviderType: 'GitLabSelfManaged', HostArn },
  })
  // Who may move a host must not get the tokens of its connections.
  await client.send(new UpdateHostCommand({ HostArn, ProviderEndpoint: 'https://elsewhere.example.com' }))
  expect((await client.send(new GetHostCommand({ HostArn }))).Status).toBe('PENDING')
  expect(await statusOf(arn)).toBe('PENDING')
})

test('only the root user of the default account may', async () => {
  const arn = await connect({ ProviderType: 'GitHub' })
  const body = JSON.stringify({ arn, token: provider.token, url: provider.url })
  const url = drydock.endpoint + path('connection')
  expect((await fetch(url, { method: 'POST', body })).status).toBe(403)
  expect((await fetch(url, { method: 'POST', body, headers: { origin: 'https://example.com' } })).status).toBe(403)
  expect(await statusOf(arn)).toBe('PENDING')
})

test.each([
  ['no connection', { arn: 'arn:aws:codeconnections:us-east-1:000000000000:connection/none' }, /not found/],
  ['no ARN', { arn: 'mine' }, /ARN of a connection/],
  ['no token', { token: '' }, /one line/],
  ['a token of two lines', { token: 'a\nb' }, /one line/],
  ['a URL of another kind', { url: 'file:///etc' }, /http/],
  ['metadata of a cloud', { url: 'http://169.254.169.254' }, /an address of this host/],
  ['too much', { more: 1 }, /[Uu]nrecognized/],
])('with %s it is refused', async (_what, more, message) => {
  const arn = await connect({ ProviderType: 'GitHub' })
  await expect(complete(arn, { arn, ...more })).rejects.toThrow(message)
})
