import { EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { IAMClient, ListUsersCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../../test/story.ts'
import { decodeAuthorizationMessage, encodeAuthorizationMessage } from './authorization-message.ts'
import { callerContext } from './authorize.ts'
import type { RequestFacts } from './context.ts'
import { identity } from './identity.ts'
import { type Principal, rootOf, servicePrincipal } from './principal.ts'

let drydock: Story
beforeAll(async () => {
  drydock = await story()
})
afterAll(() => drydock.close())

/** The condition keys of a call by this principal, as a service would see them. */
const contextOf = async (principal: Principal, more: Partial<RequestFacts> = {}) => {
  const { kernel } = drydock.server
  const own = kernel.ownContext(kernel.services.get('s3')!, { account: drydock.account, region: 'eu-west-1' })
  const ctx = { ...own, principal, request: { ...own.request, ...more } }
  return callerContext(own.use(identity), ctx)
}

test('a global service is in us-east-1, whatever region its client signed for', async () => {
  const keys = await drydock.user('north', [
    allow('iam:ListUsers', '*', { StringEquals: { 'aws:RequestedRegion': 'us-east-1' } }),
  ])
  await expect(drydock.client(IAMClient, keys, 'eu-west-1').send(new ListUsersCommand({}))).resolves.toBeDefined()
})

test('a service tells for whom it acts; a chain of services tells its links', async () => {
  const rule = 'arn:aws:events:eu-west-1:000000000000:rule/nightly'
  expect(
    await contextOf(servicePrincipal('events.amazonaws.com'), { stated: { 'aws:SourceArn': [rule] } }),
  ).toMatchObject({
    'aws:sourcearn': [rule],
    'aws:sourceaccount': ['000000000000'],
    'aws:principalisawsservice': ['true'],
    'aws:principalservicename': ['events.amazonaws.com'],
    'aws:principalservicenameslist': ['events.amazonaws.com', 'events.eu-west-1.amazonaws.com'],
  })
  const calledVia = ['cloudformation.amazonaws.com', 's3.amazonaws.com']
  const chained = await contextOf(rootOf(drydock.account), {
    invokedBy: 's3.amazonaws.com',
    calledVia,
    sourceIp: '203.0.113.9',
  })
  expect(chained).toMatchObject({
    'aws:calledvia': calledVia,
    'aws:calledviafirst': ['cloudformation.amazonaws.com'],
    'aws:calledvialast': ['s3.amazonaws.com'],
    'aws:viaawsservice': ['true'],
  })
  expect(chained).not.toHaveProperty('aws:sourceip')
})

test('what anybody else states about a source is not believed', async () => {
  const context = await contextOf(rootOf(drydock.account), { stated: { 'aws:SourceArn': ['arn:aws:s3:::mine'] } })
  expect(context).not.toHaveProperty('aws:sourcearn')
  expect(context).not.toHaveProperty('aws:sourceaccount')
})

test('the message in a denial of EC2 tells why, to who can decode it here', async () => {
  const keys = await drydock.user('curious')
  const denied = await drydock
    .client(EC2Client, keys)
    .send(new RunInstancesCommand({ ImageId: 'ami-00000000', MinCount: 1, MaxCount: 1 }))
    .catch((error: Error) => error.message)
  const encoded = /Encoded authorization failure message: ([\w-]+)$/.exec(String(denied))?.[1] ?? ''
  const { kernel } = drydock.server
  expect(JSON.parse(decodeAuthorizationMessage(kernel.vault, encoded) ?? '')).toMatchObject({
    allowed: false,
    explicitDeny: false,
    context: {
      principal: { arn: 'arn:aws:iam::000000000000:user/curious' },
      action: 'ec2:RunInstances',
      conditions: {
        items: expect.arrayContaining([{ key: 'aws:username', values: { items: [{ value: 'curious' }] } }]),
      },
    },
  })
  const secret = kernel.vault.seal('a password')
  expect(decodeAuthorizationMessage(kernel.vault, Buffer.from(secret, 'base64').toString('base64url'))).toBeUndefined()
  expect(decodeAuthorizationMessage(kernel.vault, 'AAAA')).toBeUndefined()
  const request = {
    principal: rootOf(drydock.account),
    action: 'ec2:StopInstances',
    resource: '*',
    context: {},
    policies: [],
  }
  const again = encodeAuthorizationMessage({ ...kernel.vault, principal: request.principal }, request, {
    decision: 'explicitDeny',
    matched: [{ kind: 'identity', id: 'p', index: 0, sid: 'No', effect: 'Deny' }],
    missingContext: [],
  })
  expect(JSON.parse(decodeAuthorizationMessage(kernel.vault, again) ?? '')).toMatchObject({
    explicitDeny: true,
    matchedStatements: { items: [{ statementId: 'No', effect: 'DENY' }] },
  })
})
