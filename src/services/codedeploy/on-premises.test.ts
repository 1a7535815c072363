import {
  AddTagsToOnPremisesInstancesCommand,
  BatchGetOnPremisesInstancesCommand,
  type CodeDeployClient,
  DeregisterOnPremisesInstanceCommand,
  GetDeploymentTargetCommand,
  GetOnPremisesInstanceCommand,
  ListOnPremisesInstancesCommand,
  type ListOnPremisesInstancesCommandInput,
  RegisterOnPremisesInstanceCommand,
  RemoveTagsFromOnPremisesInstancesCommand,
} from '@aws-sdk/client-codedeploy'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// Machines outside of EC2: how they are registered, and how their agents deploy under their own credentials.

let it: Fleet
let client: CodeDeployClient
beforeEach(async () => {
  it = await fleet()
  client = it.codedeploy
})
afterEach(() => it.close())

const user = (name: string) => `arn:aws:iam::000000000000:user/${name}`
const register = (instanceName: string, more: object = { iamUserArn: user(instanceName) }) =>
  client.send(new RegisterOnPremisesInstanceCommand({ instanceName, ...more }))
const tag = (instanceNames: string[], ...tags: { Key: string; Value?: string }[]) =>
  client.send(new AddTagsToOnPremisesInstancesCommand({ instanceNames, tags }))
const list = async (input: ListOnPremisesInstancesCommandInput = {}) =>
  (await client.send(new ListOnPremisesInstancesCommand(input))).instanceNames

test('a machine is registered, tagged, found, and deregistered', async () => {
  await register('rack-1')
  await register('rack-2', { iamSessionArn: 'arn:aws:sts::000000000000:assumed-role/racks/rack-2' })
  await tag(['rack-1', 'rack-2'], { Key: 'stage', Value: 'test' })
  await tag(['rack-1'], { Key: 'stage', Value: 'prod' }, { Key: 'room', Value: '12' })
  const { instanceInfo } = await client.send(new GetOnPremisesInstanceCommand({ instanceName: 'rack-1' }))
  expect(instanceInfo).toEqual({
    instanceName: 'rack-1',
    instanceArn: expect.stringMatching(/^arn:aws:codedeploy:us-east-1:000000000000:instance\/rack-1_[A-Za-z0-9]{10}$/),
    iamUserArn: user('rack-1'),
    registerTime: expect.any(Date),
    tags: [
      { Key: 'stage', Value: 'prod' },
      { Key: 'room', Value: '12' },
    ],
  })
  const filter = (Type: 'KEY_ONLY' | 'VALUE_ONLY' | 'KEY_AND_VALUE', Key?: string, Value?: string) => ({
    Type,
    ...(Key ? { Key } : {}),
    ...(Value ? { Value } : {}),
  })
  expect(await list({ tagFilters: [filter('KEY_ONLY', 'stage')] })).toEqual(['rack-1', 'rack-2'])
  expect(await list({ tagFilters: [filter('KEY_ONLY', 'stage'), filter('VALUE_ONLY', undefined, '12')] })).toEqual([
    'rack-1',
  ])
  expect(await list({ tagFilters: [filter('KEY_AND_VALUE', 'stage', 'test')] })).toEqual(['rack-2'])
  await client.send(
    new RemoveTagsFromOnPremisesInstancesCommand({
      instanceNames: ['rack-1', 'rack-2'],
      tags: [{ Key: 'stage', Value: 'test' }, { Key: 'room' }],
    }),
  )
  const { instanceInfos } = await client.send(
    new BatchGetOnPremisesInstancesCommand({ instanceNames: ['rack-1', 'nowhere', 'rack-2'] }),
  )
  expect(instanceInfos).toMatchObject([
    { instanceName: 'rack-1', tags: [{ Key: 'stage', Value: 'prod' }] },
    { instanceName: 'rack-2', iamSessionArn: 'arn:aws:sts::000000000000:assumed-role/racks/rack-2', tags: [] },
  ])

  await client.send(new DeregisterOnPremisesInstanceCommand({ instanceName: 'rack-1' }))
  expect(await list({ registrationStatus: 'Registered' })).toEqual(['rack-2'])
  expect(await list({ registrationStatus: 'Deregistered' })).toEqual(['rack-1'])
  expect(await list()).toEqual(['rack-1', 'rack-2'])
  const gone = await client.send(new GetOnPremisesInstanceCommand({ instanceName: 'rack-1' }))
  expect(gone.instanceInfo?.deregisterTime).toBeInstanceOf(Date)
  await expect(tag(['rack-1'], { Key: 'a' })).rejects.toMatchObject({ name: 'InstanceNotRegisteredException' })
  // Name and user are free again.
  await register('rack-1')
})

describe('refusals', () => {
  test.each([
    ['no identity', 'a', {}, 'IamArnRequiredException'],
    ['two identities', 'a', { iamUserArn: user('a'), iamSessionArn: 'x' }, 'MultipleIamArnsProvidedException'],
    ['a role', 'a', { iamUserArn: 'arn:aws:iam::000000000000:role/a' }, 'InvalidIamUserArnException'],
    ['no session', 'a', { iamSessionArn: user('a') }, 'InvalidIamSessionArnException'],
    ['an id of EC2', 'i-0123', { iamUserArn: user('a') }, 'InvalidInstanceNameException'],
    ['a slash', 'a/b', { iamUserArn: user('a') }, 'InvalidInstanceNameException'],
    ['a name in use', 'taken', { iamUserArn: user('a') }, 'InstanceNameAlreadyRegisteredException'],
    ['a user in use', 'a', { iamUserArn: user('taken') }, 'IamUserArnAlreadyRegisteredException'],
  ])('of a registration: %s', async (_what, name, identity, code) => {
    await register('taken')
    await expect(register(name, identity)).rejects.toMatchObject({ name: code })
    expect(await list()).toEqual(['taken'])
  })

  test('of tags: all machines have them, or none', async () => {
    await register('a')
    await expect(tag(['a', 'b'], { Key: 'x' })).rejects.toMatchObject({ name: 'InstanceNotRegisteredException' })
    await expect(tag(['a'])).rejects.toMatchObject({ name: 'TagRequiredException' })
    await expect(tag(['a'], { Key: '' })).rejects.toMatchObject({ name: 'InvalidTagException' })
    const eleven = Array.from({ length: 11 }, (_one, index) => ({ Key: `k${index}` }))
    await expect(tag(['a'], ...eleven)).rejects.toMatchObject({ name: 'TagLimitExceededException' })
    await expect(tag(Array(101).fill('a'), { Key: 'x' })).rejects.toMatchObject({
      name: 'InstanceLimitExceededException',
    })
    expect((await client.send(new GetOnPremisesInstanceCommand({ instanceName: 'a' }))).instanceInfo?.tags).toEqual([])
    await expect(list({ tagFilters: [{ Key: 'a', Type: 'VALUE_ONLY' }] })).rejects.toMatchObject({
      name: 'InvalidTagFilterException',
    })
  })
})

test('machines of both kinds take a revision, each under its own credentials', async () => {
  const [id = ''] = await it.launch()
  await it.onPremises('rack-1')
  await it.onPremisesSession('rack-2')
  const filter = { Key: 'Application', Value: 'app', Type: 'KEY_AND_VALUE' as const }
  await it.group({ onPremisesInstanceTagFilters: [filter] })
  await it.put('one.zip', {
    'appspec.yml': appspec({ AfterInstall: 'note.sh' }),
    'app/index.html': 'one',
    'note.sh': '#!/bin/sh\necho "$DEPLOYMENT_ID" >"$ROOT/note"',
  })
  const { deploymentId = '', ...info } = await it.deploy('one.zip')
  expect(await it.targets(deploymentId)).toMatchObject([
    { id, status: 'Succeeded' },
    { id: 'rack-1', status: 'Succeeded' },
    { id: 'rack-2', status: 'Succeeded' },
  ])
  expect(info.deploymentOverview).toMatchObject({ Succeeded: 3 })
  for (const name of ['rack-1', 'rack-2']) {
    expect(await it.read(name, 'srv/app/index.html')).toBe('one')
    expect(await it.read(name, 'note')).toBe(`${deploymentId}\n`)
  }
  const { instanceInfo } = await client.send(new GetOnPremisesInstanceCommand({ instanceName: 'rack-1' }))
  const targetId = instanceInfo?.instanceArn ?? ''
  const { deploymentTarget } = await client.send(new GetDeploymentTargetCommand({ deploymentId, targetId }))
  expect(deploymentTarget?.instanceTarget).toMatchObject({ targetId: 'rack-1', targetArn: targetId })
  await it.story.settled()
  expect(it.story.events.filter(({ resources }) => resources.includes(targetId))).toMatchObject([
    { detail: { instanceId: 'rack-1', state: 'START' } },
    { detail: { instanceId: 'rack-1', state: 'SUCCESS' } },
  ])
})

test('a tag set chooses machines that match each of its groups; one that is deregistered has failed', async () => {
  for (const name of ['a', 'b', 'c']) await register(name)
  await tag(['a', 'b', 'c'], { Key: 'app', Value: 'shop' })
  await tag(['a'], { Key: 'stage', Value: 'test' })
  await tag(['b'], { Key: 'stage', Value: 'prod' })
  const value = (Key: string, Value: string) => ({ Key, Value, Type: 'KEY_AND_VALUE' as const })
  const onPremisesTagSet = {
    onPremisesTagSetList: [[value('app', 'shop')], [value('stage', 'test'), value('stage', 'prod')]],
  }
  await it.group({ ec2TagFilters: [], onPremisesTagSet })
  const deploymentId = await it.start('any.zip')
  await it.story.settled()
  expect(await it.targets(deploymentId)).toMatchObject([
    { id: 'a', status: 'InProgress' },
    { id: 'b', status: 'InProgress' },
  ])
  for (const instanceName of ['a', 'b']) await client.send(new DeregisterOnPremisesInstanceCommand({ instanceName }))
  await it.story.settled()
  expect(await it.ended(deploymentId)).toMatchObject({ status: 'Failed' })
})
