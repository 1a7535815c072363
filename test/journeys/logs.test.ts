import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/work/clock.ts'
import { type Story, story } from '../story.ts'
import { hasBoto3, hasCli, rootEnvironment, run } from './clients.ts'

// CloudWatch Logs with clients that no one here wrote: the AWS CLI and boto3.

const cli = await hasCli('CloudWatch Logs')
const boto3 = await hasBoto3('live tail')

let drydock: Story
let folder: string
let environment: Record<string, string | undefined>
beforeAll(async () => {
  // Live tail tells what is new once a second of the clock.
  drydock = await story({ clock: systemClock() })
  folder = mkdtempSync(join(tmpdir(), 'drydock-logs-journey-'))
  environment = {
    ...rootEnvironment(drydock, folder),
    // As `drydock env` has it: `stream-127.0.0.1` is no host.
    AWS_DISABLE_HOST_PREFIX_INJECTION: 'true',
  }
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

const aws = async (...args: string[]): Promise<string> =>
  (await run('aws', ['logs', ...args], { env: environment, cwd: folder })).stdout

test.skipIf(!cli)('the AWS CLI writes events and finds them again', async () => {
  const group = ['--log-group-name', '/app/web']
  await aws('create-log-group', ...group, '--tags', 'team=web')
  await aws('create-log-stream', ...group, '--log-stream-name', 'one')
  const events = ['INFO started', 'ERROR {"code": 503}', 'INFO done'].map((message, i) => ({
    timestamp: Date.now() + i,
    message,
  }))
  writeFileSync(join(folder, 'events.json'), JSON.stringify(events))
  await aws('put-log-events', ...group, '--log-stream-name', 'one', '--log-events', 'file://events.json')
  const found = await aws('filter-log-events', ...group, '--filter-pattern', 'ERROR', '--query', 'events[].message')
  expect(JSON.parse(found)).toEqual(['ERROR {"code": 503}'])
  const page = await aws('get-log-events', ...group, '--log-stream-name', 'one', '--query', 'events[].message')
  expect(JSON.parse(page)).toEqual(events.map(({ message }) => message))
  const streams = await aws(
    'describe-log-streams',
    ...group,
    '--query',
    'logStreams[].logStreamName',
    '--output',
    'text',
  )
  expect(streams.trim()).toBe('one')
})

const follow = `
import json, time, boto3

logs = boto3.client("logs")
group = "/app/live"
logs.create_log_group(logGroupName=group)
arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupArn"]

def put(stream, *messages):
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    logs.put_log_events(logGroupName=group, logStreamName=stream,
                        logEvents=[{"timestamp": now, "message": message} for message in messages])

put("before", "ERROR before")
answer = logs.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="ERROR")
stream = answer["responseStream"]
found = []
for event in stream:
    if "sessionStart" in event:
        put("one", "ERROR first", "INFO nothing")
        put("two", "ERROR second")
    else:
        found += event["sessionUpdate"]["sessionResults"]
    if len(found) == 2:
        break
stream.close()
print(json.dumps([[event["logStreamName"], event["message"], event["logGroupIdentifier"] == arn] for event in found]))
`

test.skipIf(!cli)('the AWS CLI follows a log group live', async () => {
  const logs = drydock.client(CloudWatchLogsClient)
  const [logGroupName, logStreamName] = ['/app/tailed', 'one']
  await logs.send(new CreateLogGroupCommand({ logGroupName }))
  await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }))
  const { append } = drydock.server.kernel
  const followed = Promise.withResolvers<void>()
  const follow = append.follow
  append.follow = (...asked) => {
    followed.resolve()
    return follow(...asked)
  }
  drydock.server.kernel.forget()
  const arn = `arn:aws:logs:us-east-1:000000000000:log-group:${logGroupName}`
  const child = spawn('aws', ['logs', 'start-live-tail', '--log-group-identifiers', arn], {
    env: environment,
    cwd: folder,
    timeout: 30_000,
  })
  let shown = ''
  child.stderr.on('data', (chunk) => {
    shown += chunk
  })
  const ended = once(child, 'close')
  await Promise.race([followed.promise, ended])
  const logEvents = [{ timestamp: Date.now(), message: 'hello from the log' }]
  await logs.send(new PutLogEventsCommand({ logGroupName, logStreamName, logEvents }))
  for await (const chunk of child.stdout) {
    shown += chunk
    if (shown.includes('hello from the log')) child.kill('SIGINT')
  }
  await ended
  expect(shown).toContain('hello from the log')
})

test.skipIf(!boto3)('boto3 follows a log group live', async () => {
  const { stdout } = await run('python3', ['-c', follow], { env: environment, cwd: folder, timeout: 30_000 })
  expect(JSON.parse(stdout)).toEqual([
    ['one', 'ERROR first', true],
    ['two', 'ERROR second', true],
  ])
  expect(drydock.logged).toEqual([])
})
