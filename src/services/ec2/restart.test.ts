import { AuthorizeSecurityGroupIngressCommand, StopInstancesCommand } from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench({ durable: true })
})
afterEach(() => bench.drydock.close())

test('machines go on while the server is away, and are known again', async () => {
  const id = await bench.launch()
  const before = await bench.see(id)
  await bench.restart()
  await bench.drydock.settled()
  expect(bench.drydock.compute.running()).toEqual([`ec2-${id}`])
  expect(await bench.see(id)).toEqual(before)
  const GroupId = before.SecurityGroups?.[0]?.GroupId
  const ssh = { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
  await bench.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [ssh] }))
  await bench.drydock.settled()
  expect(bench.drydock.compute.ingress(`ec2-${id}`)).toContainEqual({
    protocol: 'tcp',
    fromPort: 22,
    toPort: 22,
    sources: ['0.0.0.0/0'],
  })
  // Its end is noticed by the server of now.
  await bench.drydock.compute.end(`ec2-${id}`, 0)
  await bench.drydock.settled()
  expect(await bench.stateOf(id)).toBe('stopped')
})

test('a machine that ended while the server was away is found to have', async () => {
  const id = await bench.launch()
  const world = bench.drydock.compute
  await bench.drydock.server.close()
  await world.end(`ec2-${id}`, 0)
  await bench.restart()
  await bench.drydock.settled()
  expect(await bench.see(id)).toMatchObject({
    State: { Name: 'stopped' },
    StateReason: { Code: 'Client.InstanceInitiatedShutdown' },
  })
})

test('a machine of which nothing is left is stopped by an internal error', async () => {
  const id = await bench.launch()
  bench.drydock.compute.state.tasks.clear()
  await bench.restart()
  await bench.drydock.settled()
  expect(await bench.see(id)).toMatchObject({
    State: { Name: 'stopped' },
    StateReason: { Code: 'Server.InternalError' },
  })
})

test('what was asked for before the end is done after the start', async () => {
  const id = await bench.launch()
  await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
  await bench.restart()
  await bench.drydock.settled()
  expect(await bench.stateOf(id)).toBe('stopped')
  expect(bench.drydock.compute.running()).toEqual([])
})
