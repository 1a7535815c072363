import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CloudWatchLogsClient, CreateLogGroupCommand, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { CodeCommitClient, CreateRepositoryCommand, GetRepositoryCommand } from '@aws-sdk/client-codecommit'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, expect, test } from 'vitest'
import type { Door } from '../src/compute/driver.ts'
import { fakeCompute } from '../src/compute/fake.ts'
import { type Story, story } from './story.ts'

let drydock: Story | undefined
afterEach(() => drydock?.close())

test('a call goes all the way and comes back typed', async () => {
  drydock = await story()
  const codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: 'shop' }))
  const { repositoryMetadata } = await codecommit.send(new GetRepositoryCommand({ repositoryName: 'shop' }))
  expect(repositoryMetadata?.Arn).toBe('arn:aws:codecommit:us-east-1:000000000000:shop')
  await expect(codecommit.send(new GetRepositoryCommand({ repositoryName: 'absent' }))).rejects.toMatchObject({
    name: 'RepositoryDoesNotExistException',
    message: 'absent does not exist',
  })
})

test('state survives a restart', async () => {
  drydock = await story({ durable: true })
  await drydock.client(CloudWatchLogsClient).send(new CreateLogGroupCommand({ logGroupName: 'kept' }))
  drydock = await drydock.restart()
  const { logGroups } = await drydock.client(CloudWatchLogsClient).send(new DescribeLogGroupsCommand({}))
  expect(logGroups?.map(({ logGroupName }) => logGroupName)).toEqual(['kept'])
})

test('a signature made with a wrong secret is refused', async () => {
  drydock = await story()
  const wrong = drydock.client(CodeCommitClient, { accessKeyId: 'test', secretAccessKey: 'wrong' })
  await expect(wrong.send(new GetRepositoryCommand({ repositoryName: 'shop' }))).rejects.toMatchObject({
    name: 'InvalidSignatureException',
  })
  const unknown = drydock.client(CodeCommitClient, { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' })
  await expect(unknown.send(new GetRepositoryCommand({ repositoryName: 'shop' }))).rejects.toMatchObject({
    name: 'UnrecognizedClientException',
  })
})

test('what runs inside a machine is not root by knowing the well-known key', async () => {
  let door: Door | undefined
  drydock = await story({
    driver: (parts) => {
      door = parts.door
      return fakeCompute(undefined, undefined, parts.endpoint)
    },
  })
  const inside = createServer((request, response) =>
    door?.(request, response, { door: 'endpoint', task: 'ec2-i-1', address: '172.31.0.4' }),
  )
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(inside.address() as AddressInfo).port}`
  const as = (credentials: { accessKeyId: string; secretAccessKey: string }) =>
    new STSClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 }).send(new GetCallerIdentityCommand({}))
  try {
    await expect(as(drydock.root)).rejects.toMatchObject({ name: 'InvalidClientTokenId' })
    expect((await as(await drydock.user('alice'))).Arn).toBe('arn:aws:iam::000000000000:user/alice')
    const reset = await fetch(`${endpoint}/_drydock/reset`, { method: 'POST' })
    expect(reset.status).not.toBe(200)
  } finally {
    inside.close()
  }
})
