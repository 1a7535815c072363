import {
  AssociateIamInstanceProfileCommand,
  DescribeIamInstanceProfileAssociationsCommand,
  DescribeInstanceAttributeCommand,
  DisassociateIamInstanceProfileCommand,
  type InstanceAttributeName,
  ModifyInstanceAttributeCommand,
  type ModifyInstanceAttributeCommandInput,
  ModifyInstanceMetadataOptionsCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { AddRoleToInstanceProfileCommand, CreateInstanceProfileCommand, IAMClient } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

const modify = (InstanceId: string, change: Partial<ModifyInstanceAttributeCommandInput>) =>
  bench.ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, ...change }))
const attribute = (InstanceId: string, Attribute: InstanceAttributeName) =>
  bench.ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }))

test('type and user data change while it is stopped, and hold from the next start', async () => {
  const id = await bench.launch()
  await expect(modify(id, { InstanceType: { Value: 't3.large' } })).rejects.toMatchObject({
    name: 'IncorrectInstanceState',
    message: `The instance '${id}' is not in the 'stopped' state.`,
  })
  await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
  await bench.drydock.settled()
  await modify(id, { InstanceType: { Value: 't3.large' } })
  await modify(id, { UserData: { Value: Buffer.from('#!/bin/sh\n') } })
  expect(await attribute(id, 'instanceType')).toMatchObject({ InstanceType: { Value: 't3.large' } })
  expect((await attribute(id, 'userData')).UserData?.Value).toBe(Buffer.from('#!/bin/sh\n').toString('base64'))
  await bench.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
  await bench.drydock.settled()
  expect(bench.drydock.compute.started.at(-1)?.limits).toEqual({ memoryMiB: 8192, cpus: 2 })
})

test('protection and shutdown behaviour', async () => {
  const id = await bench.launch()
  await modify(id, { DisableApiTermination: { Value: true } })
  await modify(id, { Attribute: 'disableApiStop', Value: 'true' })
  await modify(id, { InstanceInitiatedShutdownBehavior: { Value: 'terminate' } })
  expect((await attribute(id, 'disableApiTermination')).DisableApiTermination?.Value).toBe(true)
  expect((await attribute(id, 'disableApiStop')).DisableApiStop?.Value).toBe(true)
  expect((await attribute(id, 'instanceInitiatedShutdownBehavior')).InstanceInitiatedShutdownBehavior?.Value).toBe(
    'terminate',
  )
  await expect(bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject({
    name: 'OperationNotPermitted',
  })
  await modify(id, { DisableApiTermination: { Value: false } })
  await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
})

test('what is not done is refused', async () => {
  const id = await bench.launch()
  for (const [change, name] of [
    [{ EbsOptimized: { Value: true } }, 'UnsupportedOperation'],
    [{ InstanceType: { Value: 'x1.huge' } }, 'InvalidParameterValue'],
    [{ InstanceInitiatedShutdownBehavior: { Value: 'explode' } }, 'InvalidParameterValue'],
    [{ Groups: ['sg-1'] }, 'InvalidGroup.NotFound'],
    [{}, 'InvalidParameterCombination'],
  ] as const)
    await expect(modify(id, change as object)).rejects.toMatchObject({ name })
  await expect(attribute(id, 'enclaveOptions')).rejects.toMatchObject({ name: 'InvalidParameterValue' })
  await expect(attribute('i-0123456789abcdef0', 'userData')).rejects.toMatchObject({
    name: 'InvalidInstanceID.NotFound',
  })
})

test('metadata options change one by one', async () => {
  const id = await bench.launch()
  const set = (change: object) =>
    bench.ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: id, ...change }))
  await set({ HttpTokens: 'required' })
  await set({ HttpPutResponseHopLimit: 2, InstanceMetadataTags: 'enabled' })
  expect((await bench.see(id)).MetadataOptions).toMatchObject({
    State: 'applied',
    HttpTokens: 'required',
    HttpEndpoint: 'enabled',
    HttpPutResponseHopLimit: 2,
    InstanceMetadataTags: 'enabled',
  })
  await expect(set({ HttpPutResponseHopLimit: 0 })).rejects.toMatchObject({ name: 'InvalidParameterValue' })
  await expect(set({ HttpProtocolIpv6: 'enabled' })).rejects.toMatchObject({ name: 'UnsupportedOperation' })
})

test('an instance profile is associated, shown and taken away', async () => {
  const iam = bench.drydock.client(IAMClient)
  await bench.drydock.role('web', 'ec2.amazonaws.com')
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'web' }))
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'web', RoleName: 'web' }))
  const id = await bench.launch()
  const associate = () =>
    bench.ec2.send(new AssociateIamInstanceProfileCommand({ InstanceId: id, IamInstanceProfile: { Name: 'web' } }))
  const { IamInstanceProfileAssociation } = await associate()
  expect(IamInstanceProfileAssociation).toMatchObject({
    InstanceId: id,
    IamInstanceProfile: { Arn: 'arn:aws:iam::000000000000:instance-profile/web' },
  })
  await expect(associate()).rejects.toMatchObject({ name: 'IncorrectState' })
  const shown = await bench.ec2.send(
    new DescribeIamInstanceProfileAssociationsCommand({ Filters: [{ Name: 'instance-id', Values: [id] }] }),
  )
  expect(shown.IamInstanceProfileAssociations?.length).toBe(1)
  const AssociationId = IamInstanceProfileAssociation?.AssociationId ?? ''
  await bench.ec2.send(new DisassociateIamInstanceProfileCommand({ AssociationId }))
  expect((await bench.see(id)).IamInstanceProfile).toBeUndefined()
  await expect(bench.ec2.send(new DisassociateIamInstanceProfileCommand({ AssociationId }))).rejects.toMatchObject({
    name: 'InvalidAssociationID.NotFound',
  })
})
