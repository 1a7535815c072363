import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import {
  CancelCommandCommand,
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  ListCommandInvocationsCommand,
  ListCommandsCommand,
  SendCommandCommand,
  type SendCommandCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fleet, managedCore, shellsOnHost } from '../../../test/machine-fleet.ts'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let ssm: SSMClient
let shells: ReturnType<typeof shellsOnHost>
let managed: string[]
let alien: string
beforeAll(async () => {
  drydock = await story()
  shells = shellsOnHost(drydock)
  ssm = drydock.client(SSMClient)
  managed = await fleet(drydock, 'managed', 3, [managedCore, allow('s3:PutObject')], { team: 'blue' })
  alien = (await fleet(drydock, 'alien', 1, []))[0] ?? ''
})
afterAll(async () => {
  await drydock.close()
  shells.remove()
})

const send = async (commands: string[], more: Partial<SendCommandCommandInput> = {}, by = ssm) => {
  const input = {
    DocumentName: 'AWS-RunShellScript',
    Parameters: { commands },
    InstanceIds: [managed[0] ?? ''],
    ...more,
  }
  return (await by.send(new SendCommandCommand(input))).Command
}
const invocationsOf = async (CommandId: string | undefined) =>
  (await ssm.send(new ListCommandInvocationsCommand({ CommandId, Details: true }))).CommandInvocations ?? []
/** Turns the clock until nothing of the command is open; scripts are real, and end when they do. */
const ended = async (CommandId: string | undefined) => {
  for (let turns = 0; turns < 2000; turns++) {
    await drydock.advance({ milliseconds: 500 })
    const all = await invocationsOf(CommandId)
    if (!all.some(({ Status }) => ['Pending', 'InProgress', 'Cancelling'].includes(Status ?? ''))) return all
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the command does not end')
}
const refusal = (name: string) => expect.objectContaining({ name })

test('machines whose role lets them are managed, and no others', async () => {
  const { InstanceInformationList = [] } = await ssm.send(new DescribeInstanceInformationCommand({}))
  expect(InstanceInformationList.map(({ InstanceId }) => InstanceId)).toEqual(managed.toSorted())
  expect(InstanceInformationList[0]).toMatchObject({ PingStatus: 'Online', PlatformType: 'Linux' })
  const Filters = [{ Key: 'InstanceIds', Values: [alien] }]
  expect((await ssm.send(new DescribeInstanceInformationCommand({ Filters }))).InstanceInformationList).toEqual([])
  await expect(send(['true'], { InstanceIds: [alien] })).rejects.toEqual(refusal('InvalidInstanceId'))
})

test('a script runs, and its output and exit code are told', async () => {
  const command = await send(['echo out; echo err >&2', 'exit 3'], { Comment: 'look' })
  expect(command).toMatchObject({ Status: 'Pending', TargetCount: 1, Comment: 'look' })
  await ended(command?.CommandId)
  const of = { CommandId: command?.CommandId, InstanceId: managed[0] }
  expect(await ssm.send(new GetCommandInvocationCommand(of))).toMatchObject({
    Status: 'Failed',
    StatusDetails: 'Failed',
    ResponseCode: 3,
    StandardOutputContent: 'out\n',
    StandardErrorContent: 'err\n',
    PluginName: 'aws:runShellScript',
  })
  expect((await invocationsOf(command?.CommandId))[0]?.CommandPlugins?.[0]?.Output).toBe(
    'out\n\n----------ERROR-------\nerr\n',
  )
  const states = drydock.events
    .filter(({ detail }) => detail['command-id'] === command?.CommandId)
    .map((event) => `${event['detail-type'].includes('Invocation') ? 'invocation' : 'command'} ${event.detail.status}`)
  expect(states).toEqual([
    'command Pending',
    'invocation InProgress',
    'command InProgress',
    'invocation Failed',
    'command Failed',
  ])
})

test('targets are chosen by tag; output goes to S3 under the machine’s role', async () => {
  await drydock.client(S3Client).send(new CreateBucketCommand({ Bucket: 'outputs' }))
  const command = await send(['echo hello'], {
    InstanceIds: undefined,
    Targets: [{ Key: 'tag:team', Values: ['blue'] }],
    OutputS3BucketName: 'outputs',
    OutputS3KeyPrefix: 'run',
  })
  const all = await ended(command?.CommandId)
  expect(all.map(({ InstanceId, Status }) => [InstanceId, Status]).sort()).toEqual(
    managed.map((id) => [id, 'Success']).sort(),
  )
  const Key = `run/${command?.CommandId}/${managed[1]}/awsrunShellScript/0.awsrunShellScript/stdout`
  const stored = await drydock.client(S3Client).send(new GetObjectCommand({ Bucket: 'outputs', Key }))
  expect(await stored.Body?.transformToString()).toBe('hello\n')
  const { Commands } = await ssm.send(new ListCommandsCommand({ CommandId: command?.CommandId }))
  expect(Commands?.[0]).toMatchObject({ Status: 'Success', TargetCount: 3, CompletedCount: 3, ErrorCount: 0 })
})

test('one at a time, and no further after an error', async () => {
  const command = await send(['exit 1'], { InstanceIds: managed, MaxConcurrency: '1', MaxErrors: '0' })
  const all = await ended(command?.CommandId)
  expect(all.map(({ StatusDetails }) => StatusDetails).sort()).toEqual(['Failed', 'Terminated', 'Terminated'])
})

test('what runs is cancelled, and what takes too long is ended', async () => {
  const sleeping = await send(['sleep 600'])
  await drydock.settled()
  await ssm.send(new CancelCommandCommand({ CommandId: sleeping?.CommandId }))
  expect((await ended(sleeping?.CommandId))[0]).toMatchObject({ Status: 'Cancelled' })
  const slow = await send(['sleep 600'], { Parameters: { commands: ['sleep 600'], executionTimeout: ['60'] } })
  await drydock.settled()
  await drydock.advance({ seconds: 61 })
  expect((await ended(slow?.CommandId))[0]).toMatchObject({ Status: 'TimedOut', StatusDetails: 'ExecutionTimedOut' })
})

test('the right to send is on the document and on each machine, by its tags', async () => {
  const document = allow('ssm:SendCommand', 'arn:aws:ssm:us-east-1::document/AWS-RunShellScript')
  const onBlue = allow('ssm:SendCommand', `arn:aws:ec2:us-east-1:${drydock.account}:instance/*`, {
    StringEquals: { 'aws:ResourceTag/team': 'blue' },
  })
  const half = drydock.client(SSMClient, await drydock.user('half', [document]))
  await expect(send(['true'], {}, half)).rejects.toEqual(refusal('AccessDeniedException'))
  const whole = drydock.client(SSMClient, await drydock.user('whole', [document, onBlue]))
  expect((await ended((await send(['true'], {}, whole))?.CommandId))[0]?.Status).toBe('Success')
  await expect(send(['true'], { InstanceIds: [alien] }, whole)).rejects.toEqual(refusal('AccessDeniedException'))
})

test('a script goes on while the server is away; commands are forgotten after a month', async () => {
  const first = await story({ durable: true })
  const shell = shellsOnHost(first)
  const [InstanceId = ''] = await fleet(first, 'managed', 1, [managedCore])
  const gate = join(shell.root, 'gate')
  const script = [`until [ -e ${gate} ]; do sleep 0.05; done`, 'echo after all']
  const command = await send(script, { InstanceIds: [InstanceId] }, first.client(SSMClient))
  await first.settled()
  const second = await first.restart()
  const again = shellsOnHost(second, undefined, shell.root)
  writeFileSync(gate, '')
  const of = { CommandId: command?.CommandId, InstanceId }
  const look = () => second.client(SSMClient).send(new GetCommandInvocationCommand(of))
  for (let turns = 0; turns < 2000 && (await look()).Status === 'InProgress'; turns++) {
    await second.advance({ milliseconds: 500 })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(await look()).toMatchObject({ Status: 'Success', StandardOutputContent: 'after all\n' })
  await second.advance({ days: 31 })
  await expect(look()).rejects.toEqual(refusal('InvocationDoesNotExist'))
  await second.close()
  again.remove()
}, 60_000)

test.each([
  ['InvalidDocument', { DocumentName: 'mine' }],
  ['InvalidDocumentVersion', { DocumentVersion: '7' }],
  ['NotImplemented', { DocumentName: 'AWS-RunPowerShellScript' }],
  ['InvalidParameters', { Parameters: {} }],
  ['InvalidParameters', { Parameters: { commands: ['true'], executionTimeout: ['soon'] } }],
  ['InvalidParameters', { InstanceIds: undefined }],
  ['InvalidInstanceId', { InstanceIds: ['i-00000000000000000'] }],
])('%s: %j', async (name, more) => {
  await expect(send(['true'], more as Partial<SendCommandCommandInput>)).rejects.toEqual(refusal(name))
})
