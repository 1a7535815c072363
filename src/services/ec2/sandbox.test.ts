import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateKeyPairCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  GetConsoleOutputCommand,
  type Instance,
  RebootInstancesCommand,
  RevokeSecurityGroupIngressCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Story, story } from '../../../test/story.ts'
import { sandboxDriver } from '../../compute/sandbox.ts'
import { systemClock } from '../../work/clock.ts'

// Machines as a user has them: real processes in Linux namespaces, their own addresses, a real clock.

const probed = await mkdtemp(join(tmpdir(), 'drydock-probe-'))
const { machines, addresses, notes } = await sandboxDriver({ folder: probed, endpoint: () => '' }).probe()
const able = machines && addresses
if (!able) console.log(`Skipped: EC2 machines in the sandbox. ${notes.join(' ')}`)
afterAll(() => rm(probed, { recursive: true, force: true }))

/** What a port of a public address answers; `undefined` when nothing does. */
const answer = (host: string, port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const asked = request({ host, port, path: '/', timeout: 2000, agent: false }, async (response) => {
      let text = ''
      for await (const chunk of response) text += String(chunk)
      resolve(text)
    })
    asked.on('timeout', () => asked.destroy(new Error('late')))
    asked.on('error', () => resolve(undefined))
    asked.end()
  })

describe.skipIf(!able)('machines in the sandbox', { timeout: 60_000 }, () => {
  let drydock: Story
  let ec2: EC2Client
  let groupId = ''
  let imageId = ''
  const use = (other: Story) => {
    drydock = other
    ec2 = drydock.client(EC2Client)
  }
  beforeAll(async () => {
    use(
      await story({
        durable: true,
        clock: systemClock(),
        driver: (parts) => sandboxDriver({ folder: parts.folder, endpoint: parts.endpoint, door: parts.door }),
      }),
    )
    imageId = (await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))).Images?.[0]?.ImageId ?? ''
    groupId = (await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'web', Description: 'web' }))).GroupId ?? ''
  })
  afterAll(async () => {
    await drydock.server.kernel.compute.removeAll()
    await drydock.close()
  })

  const eventually = async <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> => {
    for (const end = Date.now() + 20_000; Date.now() < end; ) {
      const found = await look()
      if (found !== undefined && found !== false) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`never came: ${what}`)
  }
  const see = async (id: string): Promise<Instance> => {
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
    const found = Reservations?.[0]?.Instances?.[0]
    if (!found) throw new Error(`${id} is not there`)
    return found
  }
  const state = (id: string, name: string) =>
    eventually(`${id} ${name}`, async () => {
      const instance = await see(id)
      return instance.State?.Name === name && instance
    })
  const said = async (id: string) => {
    const { Output = '' } = await ec2.send(new GetConsoleOutputCommand({ InstanceId: id }))
    return Buffer.from(Output, 'base64').toString()
  }
  const says = (id: string, line: string) =>
    eventually(`"${line}" on the console`, async () => {
      const text = await said(id)
      return text.includes(line) && text
    })
  const launch = async (userData: string, more: Partial<RunInstancesCommandInput> = {}): Promise<string> => {
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: imageId,
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        SecurityGroupIds: [groupId],
        UserData: Buffer.from(userData).toString('base64'),
        ...more,
      }),
    )
    return Instances?.[0]?.InstanceId ?? ''
  }
  const http = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
  const serve = (text: string) =>
    `/opt/drydock/node/node -e "require('http').createServer((q, r) => r.end('${text}')).listen(80, () => console.log('listening'))"`

  it('runs user data at the first boot, and keeps files over stop, start and reboot', async () => {
    const id = await launch('#!/bin/sh\necho "first words"\ndate +%s%N > /root/born; id -un; pwd\n')
    const text = await says(id, 'user data ended with status 0')
    // The machine is up whenever it is: user data does not hold it back.
    expect(text.replace('drydock: up\n', '')).toMatch(/first words\nroot\n\/\n/)
    const first = await state(id, 'running')

    await ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }))
    await eventually('the second boot', async () => (await said(id)).split('drydock: up').length === 3)
    const rebooted = await state(id, 'running')
    expect(rebooted.PublicIpAddress).toBe(first.PublicIpAddress)

    const began = Date.now()
    await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    const stopped = await state(id, 'stopped')
    expect(Date.now() - began).toBeLessThan(7_000)
    expect(stopped.PublicIpAddress).toBeUndefined()
    expect(stopped.PrivateIpAddress).toBe(first.PrivateIpAddress)
    expect(await said(id)).toContain('drydock: stopping')

    await ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
    await state(id, 'running')
    await eventually('the third boot', async () => (await said(id)).split('drydock: up').length === 4)
    expect((await said(id)).split('first words').length).toBe(2)
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await state(id, 'terminated')
    expect(await said(id)).toBe('')
  })

  it('answers at its public address what its security groups admit, and nothing else', async () => {
    const id = await launch(`#!/bin/sh\n${serve('hello')}\n`)
    await says(id, 'listening')
    const { PublicIpAddress = '' } = await state(id, 'running')
    expect(await answer(PublicIpAddress, 80)).toBeUndefined()
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions: [http] }))
    await eventually('an answer', async () => (await answer(PublicIpAddress, 80)) === 'hello')

    // The server goes and another one comes: the machine has gone on, its address and its doors work as before.
    use(await drydock.restart())
    await eventually('an answer after the restart', async () => (await answer(PublicIpAddress, 80)) === 'hello')
    expect((await see(id)).State?.Name).toBe('running')
    await ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions: [http] }))
    await eventually('no answer', async () => (await answer(PublicIpAddress, 80)) === undefined)
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await state(id, 'terminated')
  })

  it('finds its metadata, its role and the endpoint inside', async () => {
    const role = await drydock.role('web', 'ec2.amazonaws.com')
    const iam = drydock.client(IAMClient)
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'web' }))
    await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'web', RoleName: 'web' }))
    await ec2.send(new CreateKeyPairCommand({ KeyName: 'mine', KeyType: 'ed25519' }))
    const program = `
      const base = 'http://169.254.169.254/latest/'
      const put = (ttl) => fetch(base + 'api/token', { method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': ttl } })
      const token = await (await put('60')).text()
      const get = async (path, headers = { 'x-aws-ec2-metadata-token': token }) => {
        const answer = await fetch(base + path, { headers })
        return answer.ok ? answer.text() : answer.status
      }
      console.log(JSON.stringify({
        plain: await get('meta-data/instance-id', {}),
        wrong: await get('meta-data/instance-id', { 'x-aws-ec2-metadata-token': 'x' }),
        none: await get('meta-data/no-such-thing'),
        long: (await put('21601')).status,
        id: await get('meta-data/instance-id'),
        ip: await get('meta-data/local-ipv4'),
        key: await get('meta-data/public-keys/'),
        role: await get('meta-data/iam/security-credentials/'),
        same: await get('meta-data/iam/security-credentials/web') === await get('meta-data/iam/security-credentials/web'),
        credentials: JSON.parse(await get('meta-data/iam/security-credentials/web')),
        endpoint: process.env.AWS_ENDPOINT_URL,
        health: (await fetch(process.env.AWS_ENDPOINT_URL + '/_drydock/health')).status,
      }) + '|end')`
    const id = await launch(
      `#!/bin/sh\ncat >/root/p.mjs <<'END'\n${program}\nEND\n/opt/drydock/node/node /root/p.mjs; cut -d' ' -f1 /root/.ssh/authorized_keys /home/ec2-user/.ssh/authorized_keys; sh -c '. /etc/profile.d/drydock.sh; command -v node'\n`,
      { IamInstanceProfile: { Name: 'web' }, KeyName: 'mine', MetadataOptions: { HttpTokens: 'required' } },
    )
    const text = await says(id, 'user data ended with status')
    const found = JSON.parse(/^(\{.*\})\|end$/m.exec(text)?.[1] ?? '{}')
    expect(found).toMatchObject({
      plain: 401,
      wrong: 401,
      none: 404,
      long: 400,
      id,
      ip: (await see(id)).PrivateIpAddress,
      key: '0=mine',
      role: 'web',
      same: true,
      health: 200,
      credentials: { Code: 'Success', Type: 'AWS-HMAC' },
    })
    expect(text).toContain('ssh-ed25519\nssh-ed25519\n')
    // The credentials are those of the role: they say so themselves.
    const { AccessKeyId, SecretAccessKey, Token } = found.credentials
    const who = await drydock
      .client(STSClient, { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token })
      .send(new GetCallerIdentityCommand({}))
    expect(who.Arn).toBe(`${role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${id}`)
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await state(id, 'terminated')
  })

  it('is stopped or terminated by itself, as it was launched to be', async () => {
    const off = await launch('#!/bin/sh\nshutdown -h now\n')
    const stopped = await state(off, 'stopped')
    expect(stopped.StateReason?.Code).toBe('Client.InstanceInitiatedShutdown')
    const gone = await launch('#!/bin/sh\npoweroff\n', { InstanceInitiatedShutdownBehavior: 'terminate' })
    await state(gone, 'terminated')
    const again = await launch('#!/bin/sh\nreboot\n')
    await eventually('its second boot', async () => (await said(again)).split('is starting').length === 3)
    await state(again, 'running')
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [off, again] }))
    await state(off, 'terminated')
    await state(again, 'terminated')
  })

  it('launches into a VPC whose last machine is just going', async () => {
    let last = await launch('#!/bin/sh\n')
    for (let times = 0; times < 3; times++) {
      await state(last, 'running')
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [last] }))
      last = await launch('#!/bin/sh\n')
    }
    await state(last, 'running')
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [last] }))
    await state(last, 'terminated')
  })

  it('says on the console why it does not run user data', async () => {
    const id = await launch('#cloud-config\npackages: [nginx]\n')
    await says(id, 'user data is not run: there is no cloud-init here')
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await state(id, 'terminated')
  })
})
