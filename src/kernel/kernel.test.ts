import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CodeCommitClient, CreateRepositoryCommand, ListRepositoriesCommand } from '@aws-sdk/client-codecommit'
import {
  CreateAccessKeyCommand,
  CreateServiceSpecificCredentialCommand,
  CreateUserCommand,
  IAMClient,
  ListUsersCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, ListBucketsCommand, PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3'
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { signed, wire } from '../../test/hostile/raw.ts'
import { allow, type Story, story } from '../../test/story.ts'
import { table } from '../store/store.ts'
import { auditStream } from './audit.ts'

let drydock: Story
beforeEach(async () => {
  drydock = await story()
})
afterEach(() => drydock.close())

const records = async () => {
  const entries = await drydock.server.kernel.append.range(auditStream(drydock.account, drydock.region))
  return entries.map(({ body }) => body as Record<string, unknown>)
}
const Note = table<{ id: string }>('kernel-test.note', { scope: 'global', key: ({ id }) => id })

describe('the audit log', () => {
  test('has every call once: who, where from, with what, and how it ended', async () => {
    const ana = await drydock.user('ana')
    await expect(
      drydock.client(CodeCommitClient, ana).send(new CreateRepositoryCommand({ repositoryName: 'r' })),
    ).rejects.toThrow()
    await drydock.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: 'r' }))
    const calls = (await records()).filter(({ eventName }) => eventName === 'CreateRepository')
    expect(calls).toMatchObject([
      {
        userIdentity: { type: 'IAMUser', userName: 'ana', accessKeyId: ana.accessKeyId },
        errorCode: 'AccessDenied',
        errorMessage: expect.stringContaining('codecommit:CreateRepository'),
        responseElements: null,
        sourceIPAddress: '127.0.0.1',
        readOnly: false,
      },
      {
        userIdentity: { type: 'Root' },
        requestParameters: { repositoryName: 'r' },
        responseElements: { repositoryMetadata: { repositoryName: 'r' } },
      },
    ])
    expect(calls[0]).not.toHaveProperty('requestID', calls[1]?.requestID)
    const { Events } = await drydock.client(CloudTrailClient).send(
      new LookupEventsCommand({
        LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'CreateRepository' }],
      }),
    )
    expect(Events).toHaveLength(2)
  })

  test('knows no secret, and neither does the log', async () => {
    const iam = drydock.client(IAMClient)
    await iam.send(new CreateUserCommand({ UserName: 'ana' }))
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'ana' }))
    const { ServiceSpecificCredential } = await iam.send(
      new CreateServiceSpecificCredentialCommand({ UserName: 'ana', ServiceName: 'codecommit.amazonaws.com' }),
    )
    const arn = await drydock.role('visitor', {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: drydock.account }, Action: 'sts:AssumeRole' }],
    })
    const bob = await drydock.user('bob', [allow('sts:AssumeRole')])
    const { Credentials } = await drydock
      .client(STSClient, bob)
      .send(new AssumeRoleCommand({ RoleArn: arn, RoleSessionName: 'visit' }))
    const secrets = [
      AccessKey?.SecretAccessKey,
      ServiceSpecificCredential?.ServicePassword,
      bob.secretAccessKey,
      Credentials?.SecretAccessKey,
      Credentials?.SessionToken,
    ]
    const written = JSON.stringify(await records()) + drydock.logged.join('\n')
    expect(written).toContain('CreateServiceSpecificCredential')
    for (const secret of secrets) {
      expect(secret).toEqual(expect.stringMatching(/.{20}/))
      expect(written).not.toContain(secret)
    }
  })

  test('that cannot be written hides no answer, and is missed aloud', async () => {
    const own = await story({ durable: true })
    const { append } = own.server.kernel
    await own.client(S3Client).send(new ListBucketsCommand({}))
    await append.close()
    const { Users } = await own.client(IAMClient).send(new ListUsersCommand({}))
    expect(Users).toEqual([])
    await expect(
      own.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: 'bad name' })),
    ).rejects.toMatchObject({ name: 'InvalidRepositoryNameException' })
    expect(own.logged.filter((line) => line.includes('could not be recorded'))).toHaveLength(2)
    await own.close()
  })
})

describe('a reset', () => {
  const repositories = async () =>
    (await drydock.client(CodeCommitClient).send(new ListRepositoriesCommand({}))).repositories

  test('overtakes a request that was under way: nothing of it is written', async () => {
    const s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'hold' }))
    const body = 'x'.repeat(200_000)
    const request = signed(
      drydock.endpoint,
      { method: 'PUT', path: '/hold/late', body },
      { keys: drydock.root, service: 's3' },
    )
    const { socket, read } = await wire(drydock.endpoint)
    const headers = Object.entries(request.headers ?? {})
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    socket.write(`PUT /hold/late HTTP/1.1\r\n${headers}content-length: ${body.length}\r\n\r\n`)
    await new Promise<void>((resolve) => socket.write(body.slice(0, 100_000), () => resolve()))
    // By the time another call has been answered, this one has begun.
    await s3.send(new ListBucketsCommand({}))
    await drydock.server.reset()
    await s3.send(new CreateBucketCommand({ Bucket: 'hold' }))
    socket.write(body.slice(100_000))
    expect(await read((text) => text.includes('</Error>'))).toMatch(
      /^HTTP\/1.1 503 [\s\S]*<Code>ServiceUnavailable<\/Code>/,
    )
    socket.destroy()
    expect(await Array.fromAsync(drydock.server.kernel.blobs.ids())).toEqual([])
    expect((await records()).map(({ eventName }) => eventName)).not.toContain('PutObject')
    expect(drydock.logged.filter((line) => / error /.test(line))).toEqual([])
  })

  test('overtakes work: its context reads, writes, starts and remembers nothing more', async () => {
    const { kernel } = drydock.server
    const service = kernel.services.get('codecommit')!
    const place = { account: drydock.account, region: drydock.region }
    const old = kernel.ownContext(service, place)
    const writer = await old.blobs.writer()
    await writer.write(new Uint8Array(10))
    await old.write(async (tx) => tx.put(Note, { id: 'before' }))
    await drydock.server.reset()
    const gone = { code: 'ServiceUnavailable' }
    await expect(old.write(async (tx) => tx.put(Note, { id: 'after' }))).rejects.toMatchObject(gone)
    await expect(old.at({ ...place, region: 'eu-west-1' }).read((tx) => tx.list(Note))).rejects.toMatchObject(gone)
    await expect(writer.commit()).rejects.toMatchObject(gone)
    await expect(old.blobs.put(new Uint8Array(1))).rejects.toMatchObject(gone)
    await expect(old.append.append('stream', [{ time: 0, body: 1 }])).rejects.toMatchObject(gone)
    await expect(old.compute.start({} as never)).rejects.toMatchObject(gone)
    expect(() => old.folder()).toThrow(expect.objectContaining(gone))
    await expect(old.as(old.principal).codecommit.createRepository({ repositoryName: 'late' })).rejects.toMatchObject(
      gone,
    )
    const fresh = kernel.ownContext(service, place)
    expect(await fresh.read((tx) => tx.list(Note))).toEqual([])
    expect(await Array.fromAsync(fresh.blobs.ids())).toEqual([])
    expect(await repositories()).toEqual([])
  })

  test('overtakes a transaction that is open: it does not commit', async () => {
    const { kernel } = drydock.server
    const service = kernel.services.get('codecommit')!
    const old = kernel.ownContext(service, { account: drydock.account, region: drydock.region })
    const writes = Array.from({ length: 50 }, (_, i) =>
      old.write(async (tx) => tx.put(Note, { id: `${i}` })).catch(() => undefined),
    )
    const reset = drydock.server.reset()
    const more = Array.from({ length: 50 }, (_, i) =>
      old.write(async (tx) => tx.put(Note, { id: `more ${i}` })).catch(() => undefined),
    )
    await Promise.all([reset, ...writes, ...more])
    await old.write(async (tx) => tx.put(Note, { id: 'last' })).catch(() => undefined)
    expect(await kernel.store.read(old.place, (tx) => tx.list(Note))).toEqual([])
  })

  test('many at once, with calls in between, end in an empty account', async () => {
    const codecommit = drydock.client(CodeCommitClient)
    const calls = Array.from({ length: 30 }, (_, i) =>
      codecommit
        .send(new CreateRepositoryCommand({ repositoryName: `r${i}` }))
        .catch((error: { $metadata?: { httpStatusCode?: number } }) =>
          expect(error.$metadata?.httpStatusCode).toBe(503),
        ),
    )
    await Promise.all([drydock.server.reset(), drydock.server.reset(), ...calls, drydock.server.reset()])
    await drydock.server.reset()
    expect(await repositories()).toEqual([])
    expect(drydock.logged.filter((line) => / error /.test(line))).toEqual([])
  })
})

describe('authorization', () => {
  test('a denial names who, what, on what, and why', async () => {
    const ana = await drydock.user('ana', [allow('codecommit:*', 'arn:aws:codecommit:us-east-1:000000000000:own-*')])
    const codecommit = drydock.client(CodeCommitClient, ana)
    await codecommit.send(new CreateRepositoryCommand({ repositoryName: 'own-1' }))
    await expect(codecommit.send(new CreateRepositoryCommand({ repositoryName: 'other' }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message:
        'User: arn:aws:iam::000000000000:user/ana is not authorized to perform: codecommit:CreateRepository on resource: arn:aws:codecommit:us-east-1:000000000000:other because no identity-based policy allows the codecommit:CreateRepository action',
    })
  })

  test('conditions see the tags of a request, the caller’s address and the region', async () => {
    const ana = await drydock.user('ana', [
      allow('codecommit:CreateRepository', '*', {
        StringEquals: { 'aws:RequestTag/team': 'a', 'aws:RequestedRegion': 'us-east-1' },
        IpAddress: { 'aws:SourceIp': '127.0.0.0/8' },
        'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] },
      }),
    ])
    const create = (repositoryName: string, tags: Record<string, string>, region?: string) =>
      drydock.client(CodeCommitClient, ana, region).send(new CreateRepositoryCommand({ repositoryName, tags }))
    await create('one', { team: 'a' })
    await expect(create('two', { team: 'b' })).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(create('three', { team: 'a', more: 'x' })).rejects.toMatchObject({ name: 'AccessDeniedException' })
    await expect(create('four', { team: 'a' }, 'eu-west-1')).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  test('a resource’s policy denies what an identity’s allows', async () => {
    const ana = await drydock.user('ana', [allow('s3:*')])
    const s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'shut' }))
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Deny',
          Principal: '*',
          Action: 's3:ListBucket',
          Resource: 'arn:aws:s3:::shut',
          Condition: { StringNotEquals: { 'aws:PrincipalType': 'Account' } },
        },
      ],
    })
    await s3.send(new PutBucketPolicyCommand({ Bucket: 'shut', Policy }))
    const list = signed(
      drydock.endpoint,
      { method: 'GET', path: '/shut', query: 'list-type=2' },
      { keys: ana, service: 's3' },
    )
    const { send } = await import('../../test/hostile/raw.ts')
    expect(await send(drydock.endpoint, list)).toMatchObject({
      status: 403,
      text: expect.stringContaining('with an explicit deny in a resource-based policy'),
    })
  })
})
