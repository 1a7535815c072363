import {
  DescribeSessionsCommand,
  type DescribeSessionsCommandInput,
  GetConnectionStatusCommand,
  ResumeSessionCommand,
  SSMClient,
  StartSessionCommand,
  type StartSessionCommandInput,
  TerminateSessionCommand,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lineShell } from '../../../test/line-shell.ts'
import { fleet, managedCore } from '../../../test/machine-fleet.ts'
import { connectSession, newStanding, type SessionClient } from '../../../test/session-client.ts'
import { allow, type Story, story } from '../../../test/story.ts'
import type { TerminalBehaviour } from '../../compute/fake.ts'

const sessionCore = allow([
  'ssmmessages:CreateControlChannel',
  'ssmmessages:CreateDataChannel',
  'ssmmessages:OpenControlChannel',
  'ssmmessages:OpenDataChannel',
])

/** A shell on the fake's machines: `say WORD` says it, `many N` that many lines. */
const shell = lineShell((line) => {
  const [word = '', what = ''] = line.split(' ')
  if (word === 'say') return `${what}\n`
  if (word === 'many') return Array.from({ length: Number(what) }, (_, at) => `line ${at} ${'x'.repeat(80)}\n`).join('')
  return ''
})

/** What a port answers on the fake's machines: the same in capitals, until it is told `bye`. Nobody listens on 1. */
const loud = async (port: string, task: Parameters<TerminalBehaviour>[1]): Promise<number> => {
  if (port === '1') return 1
  task.write(`\x06${port} `)
  for await (const chunk of task.input) {
    if (String(chunk).includes('bye')) return 0
    task.write(String(chunk).toUpperCase())
  }
  return 0
}

let drydock: Story
let ssm: SSMClient
let target = ''
let alien = ''
beforeAll(async () => {
  drydock = await story()
  drydock.compute.onTerminal('ec2-', (command, task) => {
    const [program, , , port, given] = command
    if (program === '/bin/bash') return loud(port ?? '', task)
    if (given === undefined) return shell(command, task)
    task.write(`ran: ${given}\r\n`)
    return 0
  })
  ssm = drydock.client(SSMClient)
  target = (await fleet(drydock, 'managed', 1, [managedCore, sessionCore], { team: 'blue' }))[0] ?? ''
  alien = (await fleet(drydock, 'commands-only', 1, [managedCore]))[0] ?? ''
})
afterAll(() => drydock.close())

const start = (more: Partial<StartSessionCommandInput> = {}, by = ssm) =>
  by.send(new StartSessionCommand({ Target: target, ...more }))
const described = async (State: 'Active' | 'History', id: string | undefined) => {
  const Filters = [{ key: 'SessionId' as const, value: id }]
  return (await ssm.send(new DescribeSessionsCommand({ State, Filters }))).Sessions?.[0]
}
/** A session ends a moment after its connection. */
const over = async (id: string | undefined) => {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const found = await described('History', id)
    if (found) return found
    await new Promise((turn) => setTimeout(turn, 10))
  }
  throw new Error(`session ${id} does not end`)
}
const refusal = (name: string) => expect.objectContaining({ name })

test('a shell is typed into, resized and left', async () => {
  const session = await start({ Reason: 'to look' })
  expect(session.SessionId).toMatch(/^root-0[0-9a-f]{16}$/)
  expect(session.StreamUrl).toBe(
    `${drydock.endpoint.replace('http', 'ws')}/_drydock/ssm/v1/data-channel/${session.SessionId}?role=publish_subscribe`,
  )
  expect(await described('Active', session.SessionId)).toMatchObject({
    ...{ Status: 'Connecting', Target: target, DocumentName: 'SSM-SessionManagerRunShell', Reason: 'to look' },
    Owner: `arn:aws:iam::${drydock.account}:root`,
  })
  const client = await connectSession(session)
  client.resize(132, 43)
  client.type('stty size\n')
  await client.shows(/43 132\r\n/)
  expect((await described('Active', session.SessionId))?.Status).toBe('Connected')
  client.type('say hello\n')
  await client.shows(/hello\r\n/)
  client.type('exit\n')
  expect(await client.closed).toEqual({ code: 1000, reason: '', output: '' })
  expect(client.heard.slice(0, 2)).toEqual(['start_publication', 'output_stream_data 5'])
  expect(client.heard.at(-1)).toBe('channel_closed')
  expect(client.acknowledged).toEqual([0, 1, 2, 3, 4])
  expect(await over(session.SessionId)).toMatchObject({ Status: 'Terminated', EndDate: expect.any(Date) })
})

test('much output arrives whole and in order, whatever arrives twice', async () => {
  const client = await connectSession(await start())
  client.acknowledges = false
  client.type('many 100\n')
  await client.shows(/line 99 /)
  client.acknowledges = true
  // What was not acknowledged comes again.
  const before = client.heard.length
  client.type('many 2000\n')
  const shown = await client.shows(/line 1999 x+\r\n/)
  expect(client.heard.length).toBeGreaterThan(before)
  expect([...shown.matchAll(/line (\d+) /g)].map(([, at]) => Number(at))).toEqual([
    ...Array.from({ length: 100 }, (_, at) => at),
    ...Array.from({ length: 2000 }, (_, at) => at),
  ])
  client.type('exit\n')
  await client.closed
})

test('input is done once and in order, in whatever order it comes', async () => {
  const client = await connectSession(await start())
  client.resize(80, 24)
  // The handshake's answer is 0, the size 1.
  while (client.acknowledged.length < 2) await new Promise((turn) => setTimeout(turn, 5))
  client.send({ sequence: 4, payload: 'say three\n' })
  client.send({ sequence: 3, payload: 'say two\n' })
  client.send({ sequence: 2, payload: 'say one\n' })
  client.send({ sequence: 3, payload: 'say two\n' })
  client.send({ sequence: 5, payload: 'say four\n' })
  await client.shows(/^one\r\ntwo\r\nthree\r\nfour\r\n$/)
  expect(client.acknowledged.slice(2)).toEqual([4, 3, 2, 3, 5])
  client.send({ sequence: 6, payloadType: 10, payload: Buffer.from([0, 0, 0, 2]) })
  expect((await client.closed).output).toBe('')
})

test('a client that knows no handshake just talks', async () => {
  const client = await connectSession(await start(), newStanding(), { handshake: false })
  client.resize(132, 43)
  client.type('stty size\n')
  await client.shows(/43 132\r\n/)
  client.type('exit\n')
  await client.closed
})

test('clients that pad with zeros and have digests wrong are understood, as on AWS', async () => {
  const client = await connectSession(await start())
  const payload = 'say padded\n'
  client.send({ sequence: 1, payload, type: 'input_stream_data'.padStart(32, '\0'), digest: Buffer.alloc(32) })
  await client.shows(/padded\r\n/)
  client.drop()
})

test('a client that is gone comes back with a new token, and nothing is lost', async () => {
  const session = await start()
  const standing = newStanding()
  const first = await connectSession(session, standing)
  first.type('say one\n')
  await first.shows(/one\r\n/)
  first.acknowledges = false
  first.type('say two\n')
  await first.shows(/two\r\n/)
  first.drop()
  await first.closed
  const resumed = await ssm.send(new ResumeSessionCommand({ SessionId: session.SessionId }))
  expect(resumed.TokenValue).not.toBe(session.TokenValue)
  // The token it had opens nothing any more.
  expect((await (await connectSession(session)).closed).code).toBe(1008)
  const second = await connectSession(resumed, standing)
  second.type('say three\n')
  expect(await second.shows(/three/)).toBe('one\r\ntwo\r\nthree\r\n')
  second.type('exit\n')
  await second.closed
  await over(session.SessionId)
  const late = await ssm.send(new ResumeSessionCommand({ SessionId: session.SessionId }))
  expect(late).toMatchObject({ SessionId: session.SessionId })
  expect(late.TokenValue).toBeUndefined()
  await expect(ssm.send(new ResumeSessionCommand({ SessionId: 'root-0' }))).rejects.toEqual(
    refusal('DoesNotExistException'),
  )
})

test('a session is terminated from outside', async () => {
  const session = await start()
  const client = await connectSession(session)
  client.type('say here\n')
  await client.shows(/here/)
  await ssm.send(new TerminateSessionCommand({ SessionId: session.SessionId }))
  expect((await client.closed).code).toBe(1000)
  expect((await described('History', session.SessionId))?.Status).toBe('Terminated')
  expect(await ssm.send(new TerminateSessionCommand({ SessionId: session.SessionId }))).toMatchObject({
    SessionId: session.SessionId,
  })
})

test.each([
  ['AWS-StartInteractiveCommand', 'top', /ran: top\r\n/],
  ['AWS-StartNonInteractiveCommand', 'ls /', /ran: stty -opost -echo; \{ ls \/\n\} <\/dev\/null 2>&1 \| cat/],
])('%s runs a command', async (DocumentName, command, shown) => {
  const client = await connectSession(await start({ DocumentName, Parameters: { command: [command] } }))
  await client.shows(shown)
  expect((await client.closed).output).toBe('')
})

const flag = (client: SessionClient, which: number) =>
  client.send({ sequence: client.standing.next++, payloadType: 10, payload: Buffer.from([0, 0, 0, which]) })

test('a port is forwarded, one connection after another', async () => {
  const session = await start({ DocumentName: 'AWS-StartPortForwardingSession', Parameters: { portNumber: ['8080'] } })
  const client = await connectSession(session)
  expect(client.properties()).toEqual({ portNumber: '8080', localPortNumber: '0', type: 'LocalPortForwarding' })
  client.type('one ')
  await client.shows(/^8080 ONE $/)
  flag(client, 1)
  client.type('two ')
  await client.shows(/^8080 ONE 8080 TWO $/)
  // The other side hangs up, and says so.
  client.type('bye')
  while (!client.heard.includes('output_stream_data 10')) await new Promise((turn) => setTimeout(turn, 5))
  client.type('three ')
  await client.shows(/8080 THREE $/)
  flag(client, 2)
  expect((await client.closed).output).toBe('')
})

test('a session for SSH is one connection; where nobody listens the client is told', async () => {
  const client = await connectSession(await start({ DocumentName: 'AWS-StartSSHSession' }))
  expect(client.properties()).toEqual({ portNumber: '22' })
  client.type('hello ')
  await client.shows(/^22 HELLO $/)
  client.type('bye')
  expect((await client.closed).output).toBe('')
  const refused = await connectSession(
    await start({ DocumentName: 'AWS-StartSSHSession', Parameters: { portNumber: ['1'] } }),
  )
  await refused.closed
  expect(refused.heard).toContain('output_stream_data 10')
})

test.each([
  ['a frame that is too short', Buffer.from('short'), 1008],
  ['a frame of zeros', new Uint8Array(200), 1008],
  ['a frame that is too long', new Uint8Array(100_000), 1009],
])('%s closes the channel', async (_, frame, code) => {
  const client = await connectSession(await start())
  client.type('say up\n')
  await client.shows(/up/)
  client.raw(frame)
  expect((await client.closed).code).toBe(code)
})

test.each([
  ['a length', { length: 7 }],
  ['a sequence far ahead', { sequence: 1_000_000 }],
  ['a sequence below zero', { sequence: -1 }],
  ['a type', { type: 'interactive_shell' }],
  ['a payload that is no JSON', { sequence: 1, payloadType: 3, payload: 'wide' }],
])('%s that is wrong closes the channel', async (_, frame) => {
  const client = await connectSession(await start())
  client.send(frame)
  expect((await client.closed).code).toBe(1008)
})

test('who comes without the right token is sent away', async () => {
  const session = await start()
  const other = await start()
  const wrong = { ...session, TokenValue: other.TokenValue }
  expect((await (await connectSession(wrong)).closed).code).toBe(1008)
  expect((await (await connectSession({ ...session, TokenValue: 'guess' })).closed).code).toBe(1008)
  expect((await (await connectSession({ ...session, TokenValue: undefined })).closed).code).toBe(1008)
  const odd = session.StreamUrl?.replace(/[^/]*$/, '%zz')
  expect((await (await connectSession({ ...session, StreamUrl: odd })).closed).code).toBe(1008)
  const nowhere = session.StreamUrl?.replace('data-channel', 'control-channel')
  await expect(connectSession({ ...session, StreamUrl: nowhere })).rejects.toThrow(/Unexpected server response/)
})

test('targets that are not connected', async () => {
  await expect(start({ Target: alien })).rejects.toThrow(`${alien} is not connected.`)
  await expect(start({ Target: alien })).rejects.toEqual(refusal('TargetNotConnected'))
  const statusOf = async (Target: string) => (await ssm.send(new GetConnectionStatusCommand({ Target }))).Status
  expect([await statusOf(target), await statusOf(alien), await statusOf('i-0')]).toEqual([
    ...['connected', 'notconnected', 'notconnected'],
  ])
})

test.each([
  ['InvalidDocument', { DocumentName: 'mine' }],
  ['NotImplemented', { DocumentName: 'AWS-StartPortForwardingSessionToRemoteHost' }],
  ['InvalidParameters', { Parameters: { command: ['ls'] } }],
  ['InvalidParameters', { DocumentName: 'AWS-StartInteractiveCommand' }],
  ['InvalidParameters', { DocumentName: 'AWS-StartSSHSession', Parameters: { portNumber: ['22; reboot'] } }],
  ['InvalidParameters', { DocumentName: 'AWS-StartPortForwardingSession', Parameters: { portNumber: ['70000'] } }],
  ['InvalidParameters', { DocumentName: 'AWS-StartInteractiveCommand', Parameters: { commands: ['ls'] } }],
])('%s: %j', async (name, more) => {
  await expect(start(more as Partial<StartSessionCommandInput>)).rejects.toEqual(refusal(name))
})

test('rights are on the target by its tags, on the document where one is named, and on one’s own sessions', async () => {
  const instances = `arn:aws:ec2:us-east-1:${drydock.account}:instance/*`
  const blue = allow('ssm:StartSession', instances, { StringEquals: { 'ssm:resourceTag/team': 'blue' } })
  const checked = allow(
    'ssm:StartSession',
    [instances, 'arn:aws:ssm:us-east-1::document/AWS-StartInteractiveCommand'],
    {
      BoolIfExists: { 'ssm:SessionDocumentAccessCheck': 'true' },
    },
  )
  const own = (pattern: string, Condition?: object) =>
    allow(['ssm:TerminateSession', 'ssm:ResumeSession'], `arn:aws:ssm:*:*:session/${pattern}`, Condition)
  const named = { DocumentName: 'AWS-StartInteractiveCommand', Parameters: { command: ['ls'] } }
  const by = async (name: string, ...policies: object[]) =>
    drydock.client(SSMClient, await drydock.user(name, policies))
  const mary = await by('mary', blue, own('${aws:username}-*'))
  const theirs = await start({}, mary)
  expect(theirs.SessionId).toMatch(/^mary-0[0-9a-f]{16}$/)
  await expect(start(named, mary)).rejects.toEqual(refusal('AccessDeniedException'))
  await expect(start({ Target: alien }, mary)).rejects.toEqual(refusal('AccessDeniedException'))
  const careful = await by('careful', checked)
  await expect(start({}, careful)).rejects.toEqual(refusal('AccessDeniedException'))
  const opened = await start(named, careful)
  const end = (SessionId: string | undefined, who: SSMClient) => who.send(new TerminateSessionCommand({ SessionId }))
  await expect(end(opened.SessionId, mary)).rejects.toEqual(refusal('AccessDeniedException'))
  await end(theirs.SessionId, mary)
  const byId = await by('by-id', blue, own('${aws:userid}-*'))
  await end((await start({}, byId)).SessionId, byId)
  await expect(end(opened.SessionId, byId)).rejects.toEqual(refusal('AccessDeniedException'))
  const tagged = { StringLike: { 'ssm:resourceTag/aws:ssmmessages:session-id': '${aws:userid}' } }
  const byTag = await by('by-tag', blue, own('*', tagged))
  await end((await start({}, byTag)).SessionId, byTag)
  await expect(end(opened.SessionId, byTag)).rejects.toEqual(refusal('AccessDeniedException'))
})

test('sessions are listed by state, newest first, filtered and paged', async () => {
  const mine = await fleet(drydock, 'listed', 1, [managedCore, sessionCore])
  const of = (more: Partial<DescribeSessionsCommandInput>) =>
    ssm.send(new DescribeSessionsCommand({ State: 'Active', Filters: [{ key: 'Target', value: mine[0] }], ...more }))
  const ids: (string | undefined)[] = []
  for (let at = 0; at < 3; at++) {
    ids.unshift((await start({ Target: mine[0] ?? '' })).SessionId)
    await drydock.advance({ milliseconds: 10 })
  }
  const first = await of({ MaxResults: 2 })
  const second = await of({ MaxResults: 2, NextToken: first.NextToken })
  expect([...(first.Sessions ?? []), ...(second.Sessions ?? [])].map(({ SessionId }) => SessionId)).toEqual(ids)
  expect(second.NextToken).toBeUndefined()
  expect((await of({ State: 'History' })).Sessions).toEqual([])
  const Target = { key: 'Target' as const, value: mine[0] }
  const status = await of({ Filters: [Target, { key: 'Status', value: 'Connected' }] })
  expect(status.Sessions).toEqual([])
  const later = await of({ Filters: [Target, { key: 'InvokedAfter', value: '2099-01-01T00:00:00Z' }] })
  expect(later.Sessions).toEqual([])
  await expect(of({ NextToken: 'what' })).rejects.toEqual(refusal('InvalidNextToken'))
})

test('nobody’s token is in the record of a call', async () => {
  const session = await start()
  const { LookupEventsCommand, CloudTrailClient } = await import('@aws-sdk/client-cloudtrail')
  const { Events = [] } = await drydock
    .client(CloudTrailClient)
    .send(
      new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'StartSession' }] }),
    )
  const record = Events.find(({ CloudTrailEvent = '' }) => CloudTrailEvent.includes(session.SessionId ?? '-'))
  expect(record?.CloudTrailEvent).toContain('HIDDEN_DUE_TO_SECURITY_REASONS')
  expect(record?.CloudTrailEvent).not.toContain(session.TokenValue)
})

test('sessions end after twenty minutes of silence, and are forgotten after a month', async () => {
  const own = await story()
  own.compute.onTerminal('ec2-', shell)
  const [Target = ''] = await fleet(own, 'managed', 1, [managedCore, sessionCore])
  const client = own.client(SSMClient)
  const session = await client.send(new StartSessionCommand({ Target }))
  const connected = await connectSession(session)
  await own.advance({ minutes: 19 })
  connected.type('say here\n')
  await connected.shows(/here/)
  await own.advance({ minutes: 19 })
  connected.type('say still\n')
  await connected.shows(/still/)
  await own.advance({ minutes: 21 })
  expect((await connected.closed).output).toContain('timed out')
  const history = async () =>
    (await client.send(new DescribeSessionsCommand({ State: 'History' }))).Sessions?.map(({ Status }) => Status)
  expect(await history()).toEqual(['Terminated'])
  await own.advance({ days: 31 })
  expect(await history()).toEqual([])
  await own.close()
})

test('sessions end with the server that held them; those that wait for their client do not', async () => {
  const first = await story({ durable: true })
  first.compute.onTerminal('ec2-', shell)
  const [Target = ''] = await fleet(first, 'managed', 1, [managedCore, sessionCore])
  const held = await first.client(SSMClient).send(new StartSessionCommand({ Target }))
  const client = await connectSession(held)
  client.type('say here\n')
  await client.shows(/here/)
  const waiting = await first.client(SSMClient).send(new StartSessionCommand({ Target }))
  const second = await first.restart()
  second.compute.onTerminal('ec2-', shell)
  expect((await client.closed).code).toBe(1006)
  await second.settled()
  const list = async (State: 'Active' | 'History') =>
    (await second.client(SSMClient).send(new DescribeSessionsCommand({ State }))).Sessions?.map(
      ({ SessionId }) => SessionId,
    )
  expect(await list('History')).toEqual([held.SessionId])
  expect(await list('Active')).toEqual([waiting.SessionId])
  const moved = `${second.endpoint.replace('http', 'ws')}${new URL(waiting.StreamUrl ?? '').pathname}`
  const late = await connectSession({ ...waiting, StreamUrl: moved })
  late.type('say late\n')
  await late.shows(/late/)
  await second.close()
})
