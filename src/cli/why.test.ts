import { CloudWatchLogsClient, CreateLogGroupCommand, DeleteLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { allow, type Keys, type Story, story } from '../../test/story.ts'
import { why } from './why.ts'

let drydock: Story
let lines: [message: string, facts: Record<string, unknown> | undefined][]
beforeEach(async () => {
  drydock = await story()
  lines = []
  drydock.server.kernel.log.info = (...line: (typeof lines)[number]) => lines.push(line)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await drydock.close()
})

/** The id of a request that is denied. */
const denied = async (call: Promise<unknown>): Promise<string> => {
  const error = await call.then(
    () => undefined,
    (thrown: { name: string; $metadata: { requestId?: string } }) => thrown,
  )
  expect(error?.name).toMatch(/^AccessDenied/)
  return error?.$metadata.requestId ?? ''
}
const create = (keys: Keys, logGroupName = 'a') =>
  drydock.client(CloudWatchLogsClient, keys).send(new CreateLogGroupCommand({ logGroupName }))
const told = async (requestId: string, options = {}): Promise<string> => {
  const print = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  await why(requestId, { endpoint: drydock.endpoint, ...options })
  const text = print.mock.calls.join('\n')
  print.mockRestore()
  return text
}

test('the statement that denies', async () => {
  const never = {
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 's3:*', Resource: '*' },
      { Sid: 'NoGroups', Effect: 'Deny', Action: 'logs:Create*', Resource: '*' },
    ],
  }
  const keys = await drydock.user('ana', [allow('*'), never])
  const requestId = await denied(create(keys))
  expect(await told(requestId)).toContain(`arn:aws:iam::000000000000:user/ana
was denied logs:CreateLogGroup on arn:aws:logs:us-east-1:000000000000:log-group:a:log-stream: at 2026-11-23T09:00:00.000Z
because it is denied by
  identity-based policy inline:user/ana/policy-1 statement 2 (NoGroups)
the request carried
  aws:currenttime: 2026-11-23T09:00:00.000Z
`)
  expect(lines.filter(([message]) => message === 'denied')).toEqual([
    [
      'denied',
      {
        requestId,
        caller: 'arn:aws:iam::000000000000:user/ana',
        action: 'logs:CreateLogGroup',
        resource: 'arn:aws:logs:us-east-1:000000000000:log-group:a:log-stream:',
        decision: 'explicitDeny',
        decidedBy: 'identity',
        statements: ['inline:user/ana/policy-1 statement 2 (NoGroups)'],
        policies: ['inline:user/ana/policy-0', 'inline:user/ana/policy-1'],
        missingContext: [],
      },
    ],
  ])
})

test('the policies that do not allow, and what conditions missed', async () => {
  const keys = await drydock.user('bob', [
    allow('s3:*'),
    allow('logs:*', '*', { StringEquals: { 'aws:SourceVpc': 'vpc-1' } }),
  ])
  const text = await told(await denied(create(keys)))
  expect(text).toContain(`because no identity-based policy allows it; looked at
  inline:user/bob/policy-0
  inline:user/bob/policy-1
    statement 1 does not apply: StringEquals aws:SourceVpc: vpc-1, where the request has none
conditions asked for what the request did not carry: aws:sourcevpc
the request carried`)
  expect(text).toContain('\n  aws:username: bob\n')
  const nobody = await drydock.user('eve')
  expect(await told(await denied(create(nobody)))).toMatch(
    /because there is no identity-based policy that allows it\nthe request carried\n/,
  )
})

test('a role that does not trust its caller', async () => {
  const role = await drydock.role('builder', 'codebuild.amazonaws.com')
  const keys = await drydock.user('ana', [allow('sts:AssumeRole')])
  const call = drydock
    .client(STSClient, keys)
    .send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'session' }))
  const requestId = await denied(call)
  expect(await told(requestId)).toContain(`was denied sts:AssumeRole on ${role}`)
  const [denial] = JSON.parse(await told(requestId, { json: true }))
  expect(denial).toMatchObject({
    decision: 'implicitDeny',
    decidedBy: 'resource',
    policies: [role],
    statements: [{ kind: 'identity', id: 'inline:user/ana/policy-0', index: 0, effect: 'Allow' }],
    looked: [
      { kind: 'identity', id: 'inline:user/ana/policy-0', statements: [{ index: 0, effect: 'Allow', mismatches: [] }] },
      {
        kind: 'resource',
        id: role,
        statements: [{ mismatches: [{ element: 'Principal', wanted: ['codebuild.amazonaws.com'] }] }],
      },
    ],
    context: { 'aws:principalarn': ['arn:aws:iam::000000000000:user/ana'], 'sts:rolesessionname': ['session'] },
  })
  expect(await told(requestId)).toContain(`took part as well
  identity-based policy inline:user/ana/policy-0`)
})

test('only the root user may ask, and only of what is remembered', async () => {
  const keys = await drydock.user('ana')
  const requestId = await denied(create(keys))
  expect((await fetch(`${drydock.endpoint}/_drydock/why/${requestId}`)).status).toBe(403)
  await expect(told('another')).rejects.toThrow('No denial of a request another is remembered')
  expect(await told(requestId)).toContain('logs:CreateLogGroup')
  await create(drydock.root)
  await denied(drydock.client(CloudWatchLogsClient, keys).send(new DeleteLogGroupCommand({ logGroupName: 'a' })))
  await drydock.server.reset()
  await expect(told(requestId)).rejects.toThrow('is remembered')
})
