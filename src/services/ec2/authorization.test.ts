import {
  AssociateIamInstanceProfileCommand,
  CreateTagsCommand,
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  ModifyInstanceAttributeCommand,
  ModifyInstanceMetadataOptionsCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { allow, type Keys } from '../../../test/story.ts'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

const arn = (resource: string) => `arn:aws:ec2:us-east-1:000000000000:${resource}`
const run = (keys: Keys, more: Partial<RunInstancesCommandInput> = {}) =>
  bench
    .as(keys)
    .send(
      new RunInstancesCommand({ ImageId: bench.imageId, InstanceType: 't3.micro', MinCount: 1, MaxCount: 1, ...more }),
    )
const tagged = (Key: string, Value: string): Partial<RunInstancesCommandInput> => ({
  TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key, Value }] }],
})
const denied = (action: string, resource: string) => ({
  name: 'UnauthorizedOperation',
  message: expect.stringContaining(`is not authorized to perform: ${action} on resource: ${resource}`),
})

test('launching needs its right on every resource that it uses', async () => {
  const anything = await bench.drydock.user('anything', [allow('ec2:RunInstances')])
  await run(anything)
  const elsewhere = await bench.drydock.user('elsewhere', [
    allow('ec2:RunInstances', ['instance/*', 'network-interface/*', 'volume/*', 'security-group/*'].map(arn)),
    allow('ec2:RunInstances', `arn:aws:ec2:us-east-1::image/${bench.imageId}`),
  ])
  await expect(run(elsewhere)).rejects.toMatchObject(denied('ec2:RunInstances', arn('subnet/*')))
  const none = await bench.drydock.user('none', [])
  await expect(run(none, { DryRun: true })).rejects.toMatchObject({ name: 'UnauthorizedOperation' })
  await expect(run(anything, { DryRun: true })).rejects.toMatchObject({ name: 'DryRunOperation' })
})

test('conditions on type, metadata options and tags', async () => {
  const rest = allow('ec2:RunInstances', [
    ...['network-interface/*', 'volume/*', 'security-group/*', 'subnet/*'].map(arn),
    'arn:aws:ec2:us-east-1::image/*',
  ])
  const careful = await bench.drydock.user('careful', [
    rest,
    allow('ec2:RunInstances', arn('instance/*'), {
      StringEquals: {
        'ec2:InstanceType': 't3.micro',
        'ec2:MetadataHttpTokens': 'required',
        'aws:RequestTag/team': 'blue',
      },
      'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] },
    }),
    allow('ec2:CreateTags', arn('instance/*'), { StringEquals: { 'ec2:CreateAction': 'RunInstances' } }),
  ])
  const MetadataOptions = { HttpTokens: 'required' as const }
  await run(careful, { ...tagged('team', 'blue'), MetadataOptions })
  const refusal = denied('ec2:RunInstances', arn('instance/*'))
  await expect(run(careful, { ...tagged('team', 'red'), MetadataOptions })).rejects.toMatchObject(refusal)
  await expect(run(careful, { MetadataOptions })).rejects.toMatchObject(refusal)
  await expect(run(careful, tagged('team', 'blue'))).rejects.toMatchObject(refusal)
  await expect(
    run(careful, { ...tagged('team', 'blue'), MetadataOptions, InstanceType: 't3.large' }),
  ).rejects.toMatchObject(refusal)
  // The right to tag is for what is being made, not for what is there.
  const id = await bench.launch()
  await expect(
    bench.as(careful).send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: 'team', Value: 'blue' }] })),
  ).rejects.toMatchObject(denied('ec2:CreateTags', arn(`instance/${id}`)))
  const untagging = await bench.drydock.user('untagging', [allow('ec2:RunInstances')])
  await expect(run(untagging, tagged('team', 'blue'))).rejects.toMatchObject(
    denied('ec2:CreateTags', arn('instance/*')),
  )
})

test("an instance's tags decide who may touch it", async () => {
  const blue = await bench.launch(tagged('team', 'blue'))
  const red = await bench.launch(tagged('team', 'red'))
  const keys = await bench.drydock.user('blue', [
    allow(['ec2:StopInstances', 'ec2:TerminateInstances', 'ec2:GetConsoleOutput'], '*', {
      StringEquals: { 'ec2:ResourceTag/team': 'blue' },
    }),
  ])
  const ec2 = bench.as(keys)
  await ec2.send(new StopInstancesCommand({ InstanceIds: [blue] }))
  await bench.drydock.settled()
  for (const Command of [StopInstancesCommand, TerminateInstancesCommand])
    await expect(ec2.send(new Command({ InstanceIds: [blue, red] }))).rejects.toMatchObject({
      name: 'UnauthorizedOperation',
    })
  await expect(ec2.send(new GetConsoleOutputCommand({ InstanceId: red }))).rejects.toMatchObject(
    denied('ec2:GetConsoleOutput', arn(`instance/${red}`)),
  )
  await expect(ec2.send(new DescribeInstancesCommand({}))).rejects.toMatchObject({ name: 'UnauthorizedOperation' })
  expect([await bench.stateOf(blue), await bench.stateOf(red)]).toEqual(['stopped', 'running'])
})

test('a role is passed only by who may pass it', async () => {
  const role = await bench.drydock.role('web', 'ec2.amazonaws.com')
  const iam = bench.drydock.client(IAMClient)
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'frontend' }))
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'frontend', RoleName: 'web' }))
  const IamInstanceProfile = { Name: 'frontend' }
  const runner = await bench.drydock.user('runner', [allow(['ec2:RunInstances', 'ec2:AssociateIamInstanceProfile'])])
  await expect(run(runner, { IamInstanceProfile })).rejects.toMatchObject(denied('iam:PassRole', role))
  const id = await bench.launch()
  await expect(
    bench.as(runner).send(new AssociateIamInstanceProfileCommand({ InstanceId: id, IamInstanceProfile })),
  ).rejects.toMatchObject(denied('iam:PassRole', role))
  const passer = await bench.drydock.user('passer', [
    allow('ec2:RunInstances'),
    allow('iam:PassRole', role, { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } }),
  ])
  const { Instances } = await run(passer, { IamInstanceProfile })
  expect(Instances?.[0]?.IamInstanceProfile?.Arn).toBe('arn:aws:iam::000000000000:instance-profile/frontend')
})

test('what an instance is like, and what is to be set on it, decide', async () => {
  const InstanceId = await bench.launch()
  const keys = await bench.drydock.user('setter', [
    allow('ec2:ModifyInstanceMetadataOptions', arn('instance/*'), {
      StringEquals: { 'ec2:Attribute/HttpTokens': 'required', 'ec2:Region': 'us-east-1' },
    }),
    allow('ec2:ModifyInstanceAttribute', arn('instance/*'), {
      'ForAllValues:StringEquals': { 'ec2:Attribute': ['DisableApiTermination'] },
      StringEquals: { 'ec2:InstanceType': 't3.micro' },
    }),
    allow('ec2:DescribeInstances', '*', { StringEquals: { 'ec2:Region': 'eu-west-1' } }),
  ])
  const ec2 = bench.as(keys)
  await ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId, HttpTokens: 'required' }))
  await expect(
    ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId, HttpTokens: 'optional' })),
  ).rejects.toMatchObject(denied('ec2:ModifyInstanceMetadataOptions', arn(`instance/${InstanceId}`)))
  await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, DisableApiTermination: { Value: true } }))
  await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, Attribute: 'disableApiTermination', Value: 'false' }))
  await expect(
    ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, SourceDestCheck: { Value: false } })),
  ).rejects.toMatchObject(denied('ec2:ModifyInstanceAttribute', arn(`instance/${InstanceId}`)))
  await expect(ec2.send(new DescribeInstancesCommand({}))).rejects.toMatchObject({ name: 'UnauthorizedOperation' })
})
