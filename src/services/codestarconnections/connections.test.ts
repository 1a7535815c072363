import {
  CodeStarConnectionsClient,
  CreateConnectionCommand,
  CreateHostCommand,
  DeleteConnectionCommand,
  DeleteHostCommand,
  GetConnectionCommand,
  GetHostCommand,
  ListConnectionsCommand,
  ListHostsCommand,
  ListTagsForResourceCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateHostCommand,
} from '@aws-sdk/client-codestar-connections'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let client: CodeStarConnectionsClient
beforeAll(async () => {
  drydock = await story()
  client = drydock.client(CodeStarConnectionsClient)
})
afterAll(() => drydock.close())

const connect = async (ConnectionName: string, more: object = { ProviderType: 'GitHub' }, by = client) =>
  (await by.send(new CreateConnectionCommand({ ConnectionName, ...more }))).ConnectionArn ?? ''
const refusal = (name: string, message?: RegExp) =>
  expect.objectContaining({ name, ...(message ? { message: expect.stringMatching(message) } : {}) })

test('a connection is pending, is listed, has tags, and goes', async () => {
  const ConnectionArn = await connect('mine', { ProviderType: 'Bitbucket', Tags: [{ Key: 'team', Value: 'blue' }] })
  expect(ConnectionArn).toMatch(/^arn:aws:codestar-connections:us-east-1:\d{12}:connection\/[0-9a-f-]{36}$/)
  const whole = {
    ConnectionName: 'mine',
    ConnectionArn,
    ProviderType: 'Bitbucket',
    OwnerAccountId: drydock.account,
    ConnectionStatus: 'PENDING',
  }
  expect((await client.send(new GetConnectionCommand({ ConnectionArn }))).Connection).toEqual(whole)
  const list = async (more: object) => (await client.send(new ListConnectionsCommand(more))).Connections
  expect(await list({ ProviderTypeFilter: 'Bitbucket' })).toEqual([whole])
  const of = { ResourceArn: ConnectionArn }
  await client.send(new TagResourceCommand({ ...of, Tags: [{ Key: 'cost', Value: '7' }] }))
  await client.send(new UntagResourceCommand({ ...of, TagKeys: ['team'] }))
  expect((await client.send(new ListTagsForResourceCommand(of))).Tags).toEqual([{ Key: 'cost', Value: '7' }])
  await client.send(new DeleteConnectionCommand({ ConnectionArn }))
  expect(await list({ ProviderTypeFilter: 'Bitbucket' })).toEqual([])
  for (const gone of [new GetConnectionCommand({ ConnectionArn }), new DeleteConnectionCommand({ ConnectionArn })])
    await expect(client.send(gone as GetConnectionCommand)).rejects.toEqual(refusal('ResourceNotFoundException'))
  await expect(client.send(new ListTagsForResourceCommand(of))).rejects.toEqual(refusal('ResourceNotFoundException'))
})

test('connections are listed by pages', async () => {
  const arns = [await connect('a', { ProviderType: 'GitLab' }), await connect('b', { ProviderType: 'GitLab' })]
  const found: (string | undefined)[] = []
  let NextToken: string | undefined
  do {
    const page = await client.send(
      new ListConnectionsCommand({ ProviderTypeFilter: 'GitLab', MaxResults: 1, NextToken }),
    )
    expect(page.Connections).toHaveLength(1)
    found.push(page.Connections?.[0]?.ConnectionArn)
    NextToken = page.NextToken
  } while (NextToken)
  expect(found.sort()).toEqual(arns.sort())
  await expect(client.send(new ListConnectionsCommand({ NextToken: 'x' }))).rejects.toEqual(
    refusal('ValidationException'),
  )
})

test('a host is pending; nothing connects to it', async () => {
  const made = {
    Name: 'ghe',
    ProviderType: 'GitHubEnterpriseServer',
    ProviderEndpoint: 'https://git.example.com',
  } as const
  const { HostArn = '' } = await client.send(new CreateHostCommand(made))
  expect(HostArn).toMatch(/:host\/ghe-[0-9a-f]{8}$/)
  const whole = { ...made, Status: 'PENDING' }
  expect(await client.send(new GetHostCommand({ HostArn }))).toMatchObject(whole)
  expect((await client.send(new ListHostsCommand({}))).Hosts).toContainEqual({ HostArn, ...whole })
  await client.send(new UpdateHostCommand({ HostArn, ProviderEndpoint: 'https://code.example.com' }))
  expect((await client.send(new GetHostCommand({ HostArn }))).ProviderEndpoint).toBe('https://code.example.com')
  await expect(connect('theirs', { HostArn })).rejects.toEqual(
    refusal('ResourceUnavailableException', /not in an available state/),
  )
  await expect(
    client.send(new UpdateHostCommand({ HostArn, ProviderEndpoint: 'http://git.example.com' })),
  ).rejects.toEqual(refusal('ValidationException', /not an https URL/))
  await client.send(new DeleteHostCommand({ HostArn }))
  await expect(connect('theirs', { HostArn })).rejects.toEqual(refusal('ResourceNotFoundException'))
  await expect(client.send(new GetHostCommand({ HostArn }))).rejects.toEqual(refusal('ResourceNotFoundException'))
})

test.each([
  ['neither provider nor host', {}, /either/],
  ['a provider that is installed somewhere, without its host', { ProviderType: 'GitLabSelfManaged' }, /HostArn/],
  ['a tag of AWS', { ProviderType: 'GitHub', Tags: [{ Key: 'aws:x', Value: '' }] }, /aws:/],
])('a connection with %s is refused', async (_what, more, message) => {
  await expect(connect('wrong', more)).rejects.toEqual(refusal('ValidationException', message))
})

test('the newer name of the service has actions and ARNs of its own', async () => {
  const keys = await drydock.user('newer', [allow('codeconnections:*')])
  const named = drydock.client(CodeStarConnectionsClient, keys)
  await expect(connect('old', { ProviderType: 'GitHub' }, named)).rejects.toEqual(
    refusal('AccessDeniedException', /codestar-connections:CreateConnection/),
  )
  // Its package is not at hand: the same call under the other target.
  named.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers['x-amz-target'] = 'com.amazonaws.codeconnections.CodeConnections_20231201.CreateConnection'
      return next(args)
    },
    { step: 'build', name: 'newer' },
  )
  expect(await connect('new', { ProviderType: 'GitHub' }, named)).toMatch(/^arn:aws:codeconnections:us-east-1:/)
})
