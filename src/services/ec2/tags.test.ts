import { CreateTagsCommand, DeleteTagsCommand, DescribeTagsCommand } from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

const tag = (Resources: string[], tags: Record<string, string>) =>
  bench.ec2.send(
    new CreateTagsCommand({ Resources, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }),
  )

test('tags are put, replaced, found and taken away', async () => {
  const id = await bench.launch()
  const { SubnetId = '', VpcId = '', SecurityGroups, NetworkInterfaces } = await bench.see(id)
  const nic = NetworkInterfaces?.[0]?.NetworkInterfaceId ?? ''
  const group = SecurityGroups?.[0]?.GroupId ?? ''
  await tag([id, SubnetId, VpcId, group, nic], { stage: 'test', Name: 'one', __proto__x: 'odd' })
  await tag([id], { stage: 'prod' })
  const find = async (Name: string, ...Values: string[]) =>
    ((await bench.ec2.send(new DescribeTagsCommand({ Filters: [{ Name, Values }] }))).Tags ?? []).map(
      ({ ResourceId, ResourceType, Key, Value }) => [ResourceId, ResourceType, Key, Value],
    )
  expect(await find('value', 'prod')).toEqual([[id, 'instance', 'stage', 'prod']])
  expect((await find('value', 'test')).map(([, type]) => type).toSorted()).toEqual([
    'network-interface',
    'security-group',
    'subnet',
    'vpc',
  ])
  const remove = (Tags?: { Key: string; Value?: string }[]) =>
    bench.ec2.send(new DeleteTagsCommand({ Resources: [id], Tags }))
  await remove([{ Key: 'stage', Value: 'other' }, { Key: 'absent' }])
  expect((await find('resource-id', id)).length).toBe(3)
  await remove([{ Key: 'stage', Value: 'prod' }])
  expect((await find('resource-id', id)).length).toBe(2)
  await remove()
  expect(await find('resource-id', id)).toEqual([])
})

test('all or nothing, and only on what exists', async () => {
  const id = await bench.launch()
  for (const [other, name] of [
    ['i-0123456789abcdef0', 'InvalidInstanceID.NotFound'],
    ['sg-0123456789abcdef0', 'InvalidGroup.NotFound'],
    ['vpc-0123456789abcdef0', 'InvalidVpcID.NotFound'],
    ['subnet-0123456789abcdef0', 'InvalidSubnetID.NotFound'],
    ['eni-0123456789abcdef0', 'InvalidNetworkInterfaceID.NotFound'],
    ['key-0123456789abcdef0', 'InvalidKeyPair.NotFound'],
    ['ami-0123456789abcdef0', 'InvalidAMIID.NotFound'],
    ['vol-0123456789abcdef0', 'InvalidID'],
    ['constructor-1', 'InvalidID'],
  ] as const)
    await expect(tag([id, other], { a: 'b' })).rejects.toMatchObject({ name })
  const wrong: Record<string, string>[] = [
    { 'aws:x': '1' },
    { '': '1' },
    { ['k'.repeat(128)]: '1' },
    { k: 'v'.repeat(257) },
  ]
  for (const tags of wrong) await expect(tag([id], tags)).rejects.toMatchObject({ name: 'InvalidParameterValue' })
  await tag([id], Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, 'v'])))
  await expect(tag([id], { more: 'v' })).rejects.toMatchObject({
    name: 'TagLimitExceeded',
    message: 'The maximum number of Tags for a resource has been reached.',
  })
  expect((await bench.see(id)).Tags?.length).toBe(50)
})
