import { CloudTrailClient, CreateEventDataStoreCommand } from '@aws-sdk/client-cloudtrail'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { CodeBuildClient, ImportSourceCredentialsCommand } from '@aws-sdk/client-codebuild'
import { CreateKeyPairCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2'
import {
  CreateAccessKeyCommand,
  CreateLoginProfileCommand,
  CreateServiceSpecificCredentialCommand,
  CreateUserCommand,
  IAMClient,
  UpdateLoginProfileCommand,
} from '@aws-sdk/client-iam'
import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
} from '@aws-sdk/client-kms'
import { AssumeRoleCommand, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
beforeEach(async () => {
  drydock = await story()
})
afterEach(() => drydock.close())

const base64 = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('base64')

test('what services hand out or are told in confidence is in no record', async () => {
  const secrets: string[] = []
  const secret = (value: string | undefined) => {
    expect(value).toBeTruthy()
    secrets.push(value ?? '')
  }
  // So that data events are recorded too.
  await drydock.client(CloudTrailClient).send(new CreateEventDataStoreCommand({ Name: 'everything' }))
  const iam = drydock.client(IAMClient)
  const UserName = 'ana'
  await iam.send(new CreateUserCommand({ UserName }))
  await iam.send(new CreateLoginProfileCommand({ UserName, Password: 'first-Passw0rd!' }))
  await iam.send(new UpdateLoginProfileCommand({ UserName, Password: 'second-Passw0rd!' }))
  secret('first-Passw0rd!')
  secret('second-Passw0rd!')
  secret((await iam.send(new CreateAccessKeyCommand({ UserName }))).AccessKey?.SecretAccessKey)
  const git = { UserName, ServiceName: 'codecommit.amazonaws.com' }
  const { ServiceSpecificCredential } = await iam.send(new CreateServiceSpecificCredentialCommand(git))
  secret(ServiceSpecificCredential?.ServicePassword)

  const caller = drydock.client(STSClient, await drydock.user('caller', [allow('sts:*')]))
  const RoleArn = await drydock.role('worker', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: '000000000000' }, Action: 'sts:AssumeRole' }],
  })
  const session = await caller.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'work' }))
  const token = await caller.send(new GetSessionTokenCommand({}))
  for (const { Credentials } of [session, token]) {
    secret(Credentials?.SecretAccessKey)
    secret(Credentials?.SessionToken)
  }

  const ec2 = drydock.client(EC2Client)
  secret((await ec2.send(new CreateKeyPairCommand({ KeyName: 'key' }))).KeyMaterial?.split('\n')[1])
  const UserData = Buffer.from('export TOKEN=from-user-data').toString('base64')
  await ec2
    .send(new RunInstancesCommand({ ImageId: 'ami-none', MinCount: 1, MaxCount: 1, UserData }))
    .catch(() => undefined)
  secret(UserData)

  await drydock
    .client(CodeBuildClient)
    .send(
      new ImportSourceCredentialsCommand({
        serverType: 'GITHUB',
        authType: 'PERSONAL_ACCESS_TOKEN',
        token: 'ghp-confidential',
      }),
    )
    .catch(() => undefined)
  secret('ghp-confidential')

  const kms = drydock.client(KMSClient)
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  const KeyId = KeyMetadata?.KeyId
  const Plaintext = Buffer.from('a-plain-text-of-kms')
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext }))
  await kms.send(new DecryptCommand({ CiphertextBlob }))
  secret('a-plain-text-of-kms')
  secret(base64(Plaintext))
  secret(base64((await kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))).Plaintext))

  const logs = drydock.client(CloudWatchLogsClient)
  const stream = { logGroupName: 'g', logStreamName: 's' }
  await logs.send(new CreateLogGroupCommand({ logGroupName: 'g' }))
  await logs.send(new CreateLogStreamCommand(stream))
  await logs.send(
    new PutLogEventsCommand({
      ...stream,
      logEvents: [{ timestamp: drydock.clock.now().getTime(), message: 'a log line of mine' }],
    }),
  )
  secret('a log line of mine')

  const records = await drydock.server.kernel.append.range('audit/000000000000/us-east-1', { limit: 10_000 })
  const text = JSON.stringify(records)
  for (const name of [
    'CreateAccessKey',
    'AssumeRole',
    'CreateKeyPair',
    'RunInstances',
    'GenerateDataKey',
    'PutLogEvents',
  ])
    expect(text).toContain(`"eventName":"${name}"`)
  for (const value of secrets) expect(text).not.toContain(value)
})

test('EC2 says whose fault an error is, other services that access was denied', async () => {
  const nobody = await drydock.user('nobody')
  await drydock
    .client(EC2Client, nobody)
    .send(new CreateKeyPairCommand({ KeyName: 'k' }))
    .catch(() => undefined)
  await drydock
    .client(CloudWatchLogsClient, nobody)
    .send(new CreateLogGroupCommand({ logGroupName: 'g' }))
    .catch(() => undefined)
  await drydock
    .client(EC2Client)
    .send(new RunInstancesCommand({ ImageId: 'ami-none', MinCount: 1, MaxCount: 1 }))
    .catch(() => undefined)
  const records = await drydock.server.kernel.append.range('audit/000000000000/us-east-1')
  const codes = records
    .map(({ body }) => (body as { errorCode?: string }).errorCode)
    .filter((code) => code !== undefined)
  expect(codes).toEqual([
    'Client.UnauthorizedOperation',
    'AccessDenied',
    expect.stringMatching(/^Client\.InvalidAMIID/),
  ])
})
