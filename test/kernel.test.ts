import { CloudWatchLogsClient, CreateLogGroupCommand, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { CodeCommitClient, CreateRepositoryCommand, GetRepositoryCommand } from '@aws-sdk/client-codecommit'
import { afterEach, expect, test } from 'vitest'
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
