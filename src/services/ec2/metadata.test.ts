import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateKeyPairCommand, ModifyInstanceMetadataOptionsCommand } from '@aws-sdk/client-ec2'
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  IAMClient,
  ListUsersCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow } from '../../../test/story.ts'
import type { Door } from '../../compute/driver.ts'
import { fakeCompute } from '../../compute/fake.ts'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

// The door stands open on a port of this host: `from` says whose request it is meant to be.

let bench: InstancesBench
let open: Server
let from = ''
beforeEach(async () => {
  let door: Door | undefined
  bench = await instancesBench({
    driver: (parts) => {
      door = parts.door
      return fakeCompute(undefined, undefined, parts.endpoint)
    },
  })
  open = createServer((request, response) =>
    door?.(request, response, { door: 'metadata', task: from, address: '172.31.0.4' }),
  )
  await new Promise<void>((resolve) => open.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  open.closeAllConnections()
  open.close()
  await bench.drydock.close()
})

const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
  const { port } = open.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/${path}`, { method, headers })
  return { status: response.status, text: await response.text(), headers: response.headers }
}
const token = async (seconds = '60') =>
  (await ask('latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': seconds }, 'PUT')).text
const get = async (path: string) => (await ask(`latest/${path}`)).text
const launch = async (...given: Parameters<InstancesBench['launch']>) => {
  const id = await bench.launch(...given)
  from = `ec2-${id}`
  return id
}

test('the tree is listed and read as on AWS', async () => {
  await bench.ec2.send(new CreateKeyPairCommand({ KeyName: 'mine', KeyType: 'ed25519' }))
  const id = await launch({
    KeyName: 'mine',
    UserData: Buffer.from('#!/bin/sh\ntrue\n').toString('base64'),
    TagSpecifications: [
      {
        ResourceType: 'instance',
        Tags: [
          { Key: 'Name', Value: 'web one' },
          { Key: 'a b', Value: 'c' },
        ],
      },
    ],
    MetadataOptions: { InstanceMetadataTags: 'enabled' },
  })
  const { PublicIpAddress, NetworkInterfaces, SubnetId } = await bench.see(id)
  const mac = NetworkInterfaces?.[0]?.MacAddress
  expect((await get('')).split('\n')).toEqual(['dynamic/', 'meta-data/', 'user-data'])
  expect((await get('meta-data/')).split('\n')).toEqual(
    expect.arrayContaining(['ami-id', 'instance-id', 'network/', 'placement/', 'public-keys/', 'tags/']),
  )
  expect(await get('meta-data')).toBe(await get('meta-data/'))
  expect(await get('meta-data/instance-id')).toBe(id)
  expect(await get('meta-data/instance-type')).toBe('t3.micro')
  expect(await get('meta-data/local-ipv4')).toBe('172.31.0.4')
  expect(await get('meta-data/public-ipv4')).toBe(PublicIpAddress)
  expect(await get('meta-data/placement/availability-zone')).toBe('us-east-1a')
  expect(await get('meta-data/placement/region')).toBe('us-east-1')
  expect(await get('meta-data/security-groups')).toBe('default')
  expect(await get('meta-data/network/interfaces/macs/')).toBe(`${mac}/`)
  expect(await get(`meta-data/network/interfaces/macs/${mac}/subnet-id`)).toBe(SubnetId)
  expect(await get('meta-data/public-keys/')).toBe('0=mine')
  expect(await get('meta-data/public-keys/0/')).toBe('openssh-key')
  expect(await get('meta-data/public-keys/0/openssh-key')).toMatch(/^ssh-ed25519 /)
  expect((await get('meta-data/tags/instance/')).split('\n').toSorted()).toEqual(['Name', 'a b'])
  expect(await get('meta-data/tags/instance/a%20b')).toBe('c')
  expect(await get('user-data')).toBe('#!/bin/sh\ntrue\n')
  expect(JSON.parse(await get('dynamic/instance-identity/document'))).toMatchObject({
    instanceId: id,
    accountId: '000000000000',
    region: 'us-east-1',
    version: '2017-09-30',
  })
  for (const path of [
    'meta-data/no',
    'meta-data/instance-id/x',
    'meta-data/iam/',
    'meta-data/constructor',
    '%',
    'meta-data/tags/instance/constructor',
  ])
    expect((await ask(`latest/${path}`)).status).toBe(404)
})

test('tokens: asked for by PUT, held for their time, needed when the instance says so', async () => {
  const id = await launch()
  const given = await token('60')
  const header = { 'x-aws-ec2-metadata-token': given }
  expect((await ask('latest/meta-data/instance-id', header)).text).toBe(id)
  expect((await ask('latest/meta-data/instance-id', { 'x-aws-ec2-metadata-token': 'guess' })).status).toBe(401)
  await bench.ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: id, HttpTokens: 'required' }))
  expect((await ask('latest/meta-data/instance-id')).status).toBe(401)
  expect((await ask('latest/meta-data/instance-id', header)).status).toBe(200)
  await bench.drydock.advance({ seconds: 61 })
  expect((await ask('latest/meta-data/instance-id', header)).status).toBe(401)

  const ttl = 'x-aws-ec2-metadata-token-ttl-seconds'
  const put = (headers: Record<string, string>) => ask('latest/api/token', headers, 'PUT')
  for (const wrong of ['0', '21601', 'long', '1.5', '']) expect((await put({ [ttl]: wrong })).status).toBe(400)
  expect((await put({})).status).toBe(400)
  expect((await put({ [ttl]: '60', 'x-forwarded-for': '1.2.3.4' })).status).toBe(403)
  expect((await put({ [ttl]: '21600' })).headers.get(ttl)).toBe('21600')
  expect((await ask('latest/meta-data/', {}, 'POST')).status).toBe(405)
  expect((await ask('latest/meta-data/', {}, 'DELETE')).status).toBe(405)

  // One instance's token is nothing to another, and to nobody there is no metadata at all.
  const mine = await token()
  await launch()
  expect((await ask('latest/meta-data/instance-id', { 'x-aws-ec2-metadata-token': mine })).status).toBe(401)
  from = 'build-1'
  expect((await ask('latest/meta-data/instance-id')).status).toBe(403)
})

test('the endpoint can be turned off', async () => {
  const id = await launch({ MetadataOptions: { HttpEndpoint: 'disabled' } })
  expect((await ask('latest/meta-data/instance-id')).status).toBe(403)
  await bench.ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: id, HttpEndpoint: 'enabled' }))
  expect(await get('meta-data/instance-id')).toBe(id)
  expect((await ask('latest/meta-data/tags/')).status).toBe(404)
})

test('calls with an instance’s credentials tell which instance, where it is, and how it got them', async () => {
  const iam = bench.drydock.client(IAMClient)
  await bench.drydock.role('web', 'ec2.amazonaws.com')
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'frontend' }))
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'frontend', RoleName: 'web' }))
  const id = await launch({ IamInstanceProfile: { Name: 'frontend' } })
  const { PrivateIpAddress = '', VpcId = '' } = await bench.see(id)
  const PolicyDocument = JSON.stringify(
    allow('iam:ListUsers', '*', {
      NumericLessThan: { 'ec2:RoleDelivery': '2.0' },
      ArnEquals: { 'ec2:SourceInstanceArn': `arn:aws:ec2:us-east-1:000000000000:instance/${id}` },
      StringEquals: { 'aws:Ec2InstanceSourceVpc': VpcId, 'aws:Ec2InstanceSourcePrivateIPv4': PrivateIpAddress },
    }),
  )
  await iam.send(new PutRolePolicyCommand({ RoleName: 'web', PolicyName: 'own', PolicyDocument }))
  const list = async (headers: Record<string, string>) => {
    const { text } = await ask('latest/meta-data/iam/security-credentials/web', headers)
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken } = JSON.parse(text)
    return bench.drydock
      .client(IAMClient, { accessKeyId, secretAccessKey, sessionToken })
      .send(new ListUsersCommand({}))
  }
  await expect(list({})).resolves.toMatchObject({ Users: [] })
  await expect(list({ 'x-aws-ec2-metadata-token': await token() })).rejects.toMatchObject({ name: 'AccessDenied' })
})

test('credentials of the role: kept, renewed before they end, refused when the role does not trust EC2', async () => {
  const iam = bench.drydock.client(IAMClient)
  await bench.drydock.role('web', 'ec2.amazonaws.com')
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'frontend' }))
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'frontend', RoleName: 'web' }))
  const id = await launch({ IamInstanceProfile: { Name: 'frontend' } })
  expect(JSON.parse(await get('meta-data/iam/info'))).toMatchObject({
    Code: 'Success',
    InstanceProfileArn: 'arn:aws:iam::000000000000:instance-profile/frontend',
  })
  const path = 'meta-data/iam/security-credentials/'
  expect(await get(path)).toBe('web')
  expect((await ask(`latest/${path}other`)).status).toBe(404)
  const credentials = async () => JSON.parse(await get(`${path}web`))
  const first = await credentials()
  expect(first).toMatchObject({ Code: 'Success', Type: 'AWS-HMAC', Expiration: '2026-11-23T15:00:00Z' })
  const who = await bench.drydock
    .client(STSClient, {
      accessKeyId: first.AccessKeyId,
      secretAccessKey: first.SecretAccessKey,
      sessionToken: first.Token,
    })
    .send(new GetCallerIdentityCommand({}))
  expect(who.Arn).toBe(`arn:aws:sts::000000000000:assumed-role/web/${id}`)
  await bench.drydock.advance({ hours: 4 })
  expect(await credentials()).toEqual(first)
  await bench.drydock.advance({ minutes: 61 })
  expect(await credentials()).toMatchObject({ Code: 'Success', Expiration: '2026-11-23T20:01:00Z' })

  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  })
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'web', PolicyDocument }))
  await bench.drydock.advance({ hours: 6 })
  expect(await credentials()).toMatchObject({ Code: 'AssumeRoleUnauthorizedAccess' })
})
