import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DescribeLogGroupsCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import {
  CodeStarConnectionsClient,
  CreateConnectionCommand,
  CreateHostCommand,
} from '@aws-sdk/client-codestar-connections'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServerProcess, startProcess } from '../../test/crash/server-process.ts'
import { gitProvider } from '../../test/git-provider.ts'
import { callServer } from './connection.ts'

// The command line as its users run it: in processes of its own.

const bin = join(import.meta.dirname, '..', '..', 'bin', 'drydock.js')
const folder = mkdtempSync(join(tmpdir(), 'drydock-cli-'))
const data = join(folder, 'data')
let server: ServerProcess
beforeAll(async () => {
  server = await startProcess(['--port', '0', '--data', data, '--compute', 'fake'])
})
afterAll(async () => {
  await server.signal('SIGTERM')
  rmSync(folder, { recursive: true, force: true })
})

type Ended = { readonly code: number; readonly out: string; readonly err: string }
const drydock = (
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ended> =>
  new Promise((resolve) => {
    const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: folder, ...options.env }
    execFile(
      process.execPath,
      [bin, ...args],
      { env, cwd: options.cwd ?? folder, timeout: 20_000 },
      (error, out, err) => resolve({ code: error ? Number(error.code ?? 99) : 0, out, err }),
    )
  })
/** A command against the running server. */
const ask = (...args: string[]) => drydock([...args, '--endpoint', server.endpoint])
const fails = async (
  code: number,
  line: RegExp,
  args: readonly string[],
  options: Parameters<typeof drydock>[1] = {},
) => {
  const ended = await drydock(args, options)
  expect({ ...ended, lines: ended.err.trimEnd().split('\n').length }).toEqual({
    code,
    out: '',
    err: expect.stringMatching(line),
    lines: 1,
  })
}

describe('a wrong command line is one line, and exit code 2', () => {
  test.each<[line: RegExp, ...args: string[]]>([
    [/^drydock: unknown option '--colour'/, 'up', '--colour', 'red'],
    [/^drydock: unknown command 'fly'/, 'fly'],
    [/^drydock: bad value for port: /, 'up', '--port', 'many'],
    [/^drydock: bad value for port: /, 'up', '--port', '70000'],
    [/^drydock: bad value for account: must be 12 digits/, 'up', '--account', '12'],
    [/^drydock: bad value for region: /, 'up', '--region', 'moon'],
    [/^drydock: bad value for auth: /, 'up', '--auth', 'maybe'],
    [/^drydock: bad value for compute: /, 'up', '--compute', 'cloud'],
    [/^drydock: option '--port <number>' argument missing/, 'up', '--port'],
    [/^drydock: missing required argument/, 'snapshot', 'save'],
    [/^drydock: required option '--token-file <file>'/, 'connection', 'complete', 'arn:x'],
    [/^drydock: too many arguments/, 'reset', 'now'],
  ])('%s', async (line, ...args) => {
    await fails(2, line, args)
  })

  test('from the environment and from drydock.yaml, too', async () => {
    await fails(2, /^drydock: bad value for port: /, ['up'], { env: { DRYDOCK_PORT: 'x' } })
    const project = join(folder, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'drydock.yaml'), 'colour: red\n')
    await fails(2, /^drydock: unknown option colour/, ['up'], { cwd: project })
    writeFileSync(join(project, 'drydock.yaml'), 'port: [\n')
    await fails(2, /^drydock: drydock.yaml is not valid YAML/, ['up'], { cwd: project })
    writeFileSync(join(project, 'drydock.yaml'), '- a\n')
    await fails(2, /^drydock: drydock.yaml must hold options/, ['up'], { cwd: project })
  })
})

describe('what cannot be is one line, and exit code 1', () => {
  test('a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    await fails(1, new RegExp(`^drydock: port ${port} on 127\\.0\\.0\\.1 is taken`), [
      'up',
      '--port',
      String(port),
      '--data',
      join(folder, 'taken'),
    ])
    other.close()
  })

  test('an address this host does not have', async () => {
    await fails(1, /^drydock: /, ['up', '--port', '0', '--host', '192.0.2.1', '--data', join(folder, 'nowhere')])
  })

  test('a data folder that cannot be used', async () => {
    writeFileSync(join(folder, 'file'), '')
    await fails(1, /^drydock: The data folder .*file\/data cannot be used: /, [
      'up',
      '--port',
      '0',
      '--data',
      join(folder, 'file', 'data'),
    ])
  })

  test('a second server on the same folder', async () => {
    await fails(1, /^drydock: The data folder .* is in use by another server/, ['up', '--port', '0', '--data', data])
  })

  test('data of a newer version', async () => {
    const newer = join(folder, 'newer')
    mkdirSync(newer)
    const db = new Database(join(newer, 'rows.db'))
    db.pragma('user_version = 999')
    db.exec('CREATE TABLE t (x)')
    db.close()
    await fails(1, /^drydock: .* was written by a newer version of Drydock/, ['up', '--port', '0', '--data', newer])
  })

  test('no server, no such service, no duration, no snapshot', async () => {
    await fails(1, /^drydock: no server answers at http:\/\/127\.0\.0\.1:1;/, [
      'status',
      '--endpoint',
      'http://127.0.0.1:1',
    ])
    await fails(1, /^drydock: no service rocket; there are /, ['coverage', 'rocket', '--endpoint', server.endpoint])
    await fails(1, /^drydock: 'soon' is no duration/, ['clock', 'advance', 'soon', '--endpoint', server.endpoint])
    await fails(1, /^drydock: There is no snapshot named absent/, [
      'snapshot',
      'restore',
      'absent',
      '--endpoint',
      server.endpoint,
    ])
  })
})

describe('against a running server', () => {
  const options = () => ({
    endpoint: server.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  })

  test('env --account: as the root user of another account', async () => {
    const { code, out } = await ask('env', '--account', '111122223333')
    expect(code).toBe(0)
    const value = (name: string) => new RegExp(`^export ${name}=(.+)$`, 'm').exec(out)?.[1] ?? ''
    const credentials = {
      accessKeyId: value('AWS_ACCESS_KEY_ID'),
      secretAccessKey: value('AWS_SECRET_ACCESS_KEY'),
    }
    const whoami = (secretAccessKey: string) =>
      new STSClient({
        endpoint: server.endpoint,
        region: 'us-east-1',
        credentials: { ...credentials, secretAccessKey },
      }).send(new GetCallerIdentityCommand({}))
    expect(await whoami(credentials.secretAccessKey)).toMatchObject({ Arn: 'arn:aws:iam::111122223333:root' })
    await expect(whoami('wrong')).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' })
    expect((await ask('env', '--account', '111122223333')).out).toBe(out)
    await fails(1, /twelve digits/, ['env', '--account', 'mine', '--endpoint', server.endpoint])
  })

  test('connection completes what was PENDING, by a token that is no argument', async () => {
    const provider = await gitProvider()
    const client = new CodeStarConnectionsClient(options())
    const { HostArn = '' } = await client.send(
      new CreateHostCommand({ Name: 'ours', ProviderType: 'GitHubEnterpriseServer', ProviderEndpoint: provider.url }),
    )
    expect(await ask('connection', 'host', HostArn)).toMatchObject({ code: 0, out: `${HostArn} is available\n` })
    const { ConnectionArn = '' } = await client.send(new CreateConnectionCommand({ ConnectionName: 'hub', HostArn }))
    const [right, wrong] = [join(folder, 'right'), join(folder, 'wrong')]
    writeFileSync(right, `${provider.token}\n`)
    writeFileSync(wrong, 'guessed')
    const complete = ['connection', 'complete', ConnectionArn, '--endpoint', server.endpoint, '--token-file']
    await fails(1, /^drydock: The token is refused: .*\(Bad credentials\)/, [...complete, wrong])
    await fails(1, /^drydock: the token cannot be read: /, [...complete, join(folder, 'none')])
    expect(await drydock([...complete, right])).toMatchObject({
      ...{ code: 0, err: '', out: `${ConnectionArn} is available, as ann\n` },
    })
    await provider.close()
  })

  test('env prints what a shell needs', async () => {
    const { code, out } = await ask('env')
    expect([code, out.trim().split('\n')]).toEqual([
      0,
      [
        `export AWS_ENDPOINT_URL=${server.endpoint}`,
        'export AWS_ACCESS_KEY_ID=test',
        'export AWS_SECRET_ACCESS_KEY=test',
        'export AWS_REGION=us-east-1',
        'export AWS_DEFAULT_REGION=us-east-1',
        'export AWS_DISABLE_HOST_PREFIX_INJECTION=true',
      ],
    ])
  })

  test('status and coverage', async () => {
    const { code, out } = await ask('status')
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^drydock \d+\.\d+\.\d+, account 000000000000, region us-east-1, auth enforce, data /),
    ])
    expect(out).toMatch(/\n {2}s3 +available/)
    expect(JSON.parse((await ask('status', '--json')).out)).toMatchObject({
      auth: 'enforce',
      services: { s3: { state: 'available' } },
    })
    expect((await ask('coverage')).out).toMatch(/^service +real +partial +absent\n/)
    expect((await ask('coverage', 's3')).out).toMatch(
      /\nreal +DeleteObject\n[\s\S]*operations are absent and answer 501 NotImplemented\n$/,
    )
    const all = JSON.parse((await ask('coverage', '--json')).out)
    expect(all.s3.operations.DeleteObject).toEqual({ state: 'real' })
  })

  test('logs prints a group’s events', async () => {
    const logs = new CloudWatchLogsClient(options())
    await logs.send(new CreateLogGroupCommand({ logGroupName: 'printed' }))
    await logs.send(new CreateLogStreamCommand({ logGroupName: 'printed', logStreamName: 's' }))
    await logs.send(
      new PutLogEventsCommand({
        logGroupName: 'printed',
        logStreamName: 's',
        logEvents: [{ timestamp: Date.now(), message: 'hello there' }],
      }),
    )
    expect(await ask('logs', 'printed')).toMatchObject({ code: 0, out: expect.stringMatching(/Z hello there\n$/) })
  })

  test('a snapshot brings everything back, reset takes it away, the clock moves', async () => {
    const s3 = new S3Client({ ...options(), forcePathStyle: true })
    const logs = new CloudWatchLogsClient(options())
    const read = async (Key: string) =>
      (await s3.send(new GetObjectCommand({ Bucket: 'kept', Key }))).Body?.transformToString()
    const large = 'x'.repeat(100_000)
    await s3.send(new CreateBucketCommand({ Bucket: 'kept' }))
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'small', Body: 'small' }))
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'large', Body: large }))
    expect(await ask('snapshot', 'save', 'one')).toMatchObject({ code: 0, out: 'snapshot one saved\n' })
    await s3.send(new PutObjectCommand({ Bucket: 'kept', Key: 'small', Body: 'changed' }))
    await logs.send(new CreateLogGroupCommand({ logGroupName: 'later' }))

    expect(await ask('reset')).toMatchObject({ code: 0, out: 'reset: nothing runs, every account is empty\n' })
    await expect(read('small')).rejects.toMatchObject({ name: 'NoSuchBucket' })
    expect((await logs.send(new DescribeLogGroupsCommand({}))).logGroups).toEqual([])

    expect(await ask('snapshot', 'restore', 'one')).toMatchObject({ code: 0, out: 'snapshot one restored\n' })
    expect([await read('small'), await read('large')]).toEqual(['small', large])
    expect((await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: 'later' }))).logGroups).toEqual([])

    const before = Date.parse((await ask('clock')).out.trim())
    const after = Date.parse((await ask('clock', 'advance', '1d12h')).out.trim())
    expect(after - before).toBeGreaterThanOrEqual(36 * 3_600_000)
    expect(after - before).toBeLessThan(36 * 3_600_000 + 60_000)
  })

  test('reset takes well under 50 ms where little runs', async () => {
    const s3 = new S3Client({ ...options(), forcePathStyle: true })
    const times: number[] = []
    for (let i = 0; i < 9; i++) {
      await s3.send(new CreateBucketCommand({ Bucket: `bucket-${i}` }))
      const began = performance.now()
      await callServer({ endpoint: server.endpoint }, 'POST', '/_drydock/reset')
      times.push(performance.now() - began)
    }
    // The quickest: the others may have shared the processor.
    expect(Math.min(...times)).toBeLessThan(50)
  })
})

test('an ephemeral server leaves nothing, and SIGTERM ends it with exit code 0', async () => {
  const one = await startProcess(['--port', '0', '--ephemeral', '--compute', 'fake'])
  const status = (await callServer({ endpoint: one.endpoint }, 'GET', '/_drydock/status')) as { data: string }
  expect(status.data).toBe('ephemeral')
  expect(await one.signal('SIGTERM')).toBe(0)
})

test('trust mode is said loudly', async () => {
  const one = await startProcess(['--port', '0', '--ephemeral', '--compute', 'fake', '--auth', 'trust'])
  expect(one.complaints()).toContain('TRUST MODE')
  expect((await drydock(['status', '--endpoint', one.endpoint])).out).toContain('! Trust mode')
  await one.signal('SIGTERM')
})
