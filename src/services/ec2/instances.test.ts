import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  RebootInstancesCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ComputeError } from '../../compute/driver.ts'
import { type InstancesBench, instancesBench } from './instances-bench.ts'

let bench: InstancesBench
beforeEach(async () => {
  bench = await instancesBench()
})
afterEach(() => bench.drydock.close())

const run = (more: Partial<RunInstancesCommandInput> = {}) =>
  bench.ec2.send(new RunInstancesCommand({ ImageId: bench.imageId, MinCount: 1, MaxCount: 1, ...more }))
const ids = { absent: 'i-0123456789abcdef0' }

describe('life', () => {
  test('an instance boots with a private and a public address', async () => {
    const { Instances } = await run({
      InstanceType: 't3.micro',
      TagSpecifications: [
        { ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'web' }] },
        { ResourceType: 'network-interface', Tags: [{ Key: 'part', Value: 'nic' }] },
      ],
    })
    const [{ InstanceId: id = '', State }] = Instances as [{ InstanceId?: string; State?: object }]
    expect(State).toEqual({ Code: 0, Name: 'pending' })
    await bench.drydock.settled()
    const instance = await bench.see(id)
    expect(instance).toMatchObject({
      State: { Code: 16, Name: 'running' },
      PrivateIpAddress: '172.31.0.4',
      PrivateDnsName: 'ip-172-31-0-4.ec2.internal',
      Tags: [{ Key: 'Name', Value: 'web' }],
    })
    expect(instance.PublicIpAddress).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./)
    const [task] = bench.drydock.compute.started
    expect(task).toMatchObject({
      id: `ec2-${id}`,
      kind: 'machine',
      hostname: 'ip-172-31-0-4',
      limits: { memoryMiB: 1024, cpus: 2 },
      network: { cidr: '172.31.0.0/20', address: '172.31.0.4', publicAddress: instance.PublicIpAddress },
    })
    const changes = bench.drydock.events.filter(({ source }) => source === 'aws.ec2')
    expect(changes.map(({ detail }) => detail.state)).toEqual(['pending', 'running'])
    expect(changes[0]).toMatchObject({
      'detail-type': 'EC2 Instance State-change Notification',
      resources: [`arn:aws:ec2:us-east-1:000000000000:instance/${id}`],
      detail: { 'instance-id': id },
    })
  })

  test('stop keeps the machine, start gives it a new public address, terminate removes it', async () => {
    const id = await bench.launch()
    const { StoppingInstances } = await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    expect(StoppingInstances).toEqual([
      { InstanceId: id, PreviousState: { Code: 16, Name: 'running' }, CurrentState: { Code: 64, Name: 'stopping' } },
    ])
    await bench.drydock.settled()
    const stopped = await bench.see(id)
    expect(stopped).toMatchObject({
      State: { Code: 80, Name: 'stopped' },
      StateReason: { Code: 'Client.UserInitiatedShutdown' },
      StateTransitionReason: 'User initiated (2026-11-23 09:00:00 GMT)',
    })
    expect(stopped.PublicIpAddress).toBeUndefined()
    expect(bench.drydock.compute.running()).toEqual([])
    await bench.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    expect(await bench.see(id)).toMatchObject({ State: { Name: 'running' }, PrivateIpAddress: '172.31.0.4' })
    await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    const gone = await bench.see(id)
    expect(gone).toMatchObject({ State: { Code: 48, Name: 'terminated' } })
    expect(gone.PrivateIpAddress).toBeUndefined()
    await bench.drydock.advance({ hours: 2 })
    await expect(bench.see(id)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' })
    expect(bench.drydock.events.filter(({ source }) => source === 'aws.ec2').map(({ detail }) => detail.state)).toEqual(
      ['pending', 'running', 'stopping', 'stopped', 'pending', 'running', 'shutting-down', 'terminated'],
    )
  })

  test('a reboot keeps state and addresses, and boots the machine again', async () => {
    const id = await bench.launch()
    const before = await bench.see(id)
    await bench.ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    const after = await bench.see(id)
    expect(after.State?.Name).toBe('running')
    expect(after.PublicIpAddress).toBe(before.PublicIpAddress)
    expect(bench.drydock.compute.started.length).toBe(2)
    expect(bench.drydock.compute.running()).toEqual([`ec2-${id}`])
  })

  test('an instance without a public address has none after a start either', async () => {
    const id = await bench.launch({ NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: false }] })
    expect((await bench.see(id)).PublicIpAddress).toBeUndefined()
    await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    await bench.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    expect((await bench.see(id)).PublicIpAddress).toBeUndefined()
  })

  test('a machine that ends by itself is stopped, or terminated where it was launched so', async () => {
    const stops = await bench.launch()
    const ends = await bench.launch({ InstanceInitiatedShutdownBehavior: 'terminate' })
    await bench.drydock.compute.end(`ec2-${stops}`, 0)
    await bench.drydock.compute.end(`ec2-${ends}`, 0)
    await bench.drydock.settled()
    expect(await bench.see(stops)).toMatchObject({
      State: { Name: 'stopped' },
      StateReason: { Code: 'Client.InstanceInitiatedShutdown' },
    })
    expect(await bench.stateOf(ends)).toBe('terminated')
  })

  test('a machine that dies at once is stopped, and may be started again', async () => {
    bench.drydock.compute.on('ec2-', (_, task) => {
      task.write('no shell here\n')
      return 126
    })
    const id = await bench.launch()
    expect(await bench.stateOf(id)).toBe('stopped')
    const { Output = '' } = await bench.ec2.send(new GetConsoleOutputCommand({ InstanceId: id }))
    expect(Buffer.from(Output, 'base64').toString()).toBe('no shell here\n')
    bench.drydock.compute.on('ec2-', () => new Promise(() => {}))
    await bench.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    expect(await bench.stateOf(id)).toBe('running')
  })

  test('what this host cannot run is terminated, and says why', async () => {
    bench.drydock.compute.refuse('ec2-', new ComputeError('unsupported', 'This host cannot give a task an address.'))
    const id = await bench.launch()
    expect(await bench.see(id)).toMatchObject({
      State: { Name: 'terminated' },
      StateReason: {
        Code: 'Server.InternalError',
        Message: 'Server.InternalError: This host cannot give a task an address.',
      },
    })
  })

  test('terminating while it is being stopped wins', async () => {
    const id = await bench.launch()
    await Promise.all([
      bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] })),
      bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] })),
    ]).catch(() => bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] })))
    await bench.drydock.settled()
    expect(await bench.stateOf(id)).toBe('terminated')
    expect(bench.drydock.compute.running()).toEqual([])
  })

  test('console output is the last 64 KB, of a stopped machine too', async () => {
    bench.drydock.compute.on('ec2-', (_, task) => {
      task.write(`${'x'.repeat(70_000)}\n`)
      task.write('the end\n')
      return new Promise(() => {})
    })
    const id = await bench.launch()
    const output = async () =>
      Buffer.from(
        (await bench.ec2.send(new GetConsoleOutputCommand({ InstanceId: id }))).Output ?? '',
        'base64',
      ).toString()
    expect((await output()).length).toBe(65_536)
    expect((await output()).endsWith('x\nthe end\n')).toBe(true)
    await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    expect((await output()).endsWith('x\nthe end\n')).toBe(true)
  })
})

describe('launching', () => {
  test.each([
    [
      { ImageId: 'ami-0123456789abcdef0' },
      'InvalidAMIID.NotFound',
      "The image id '[ami-0123456789abcdef0]' does not exist",
    ],
    [{ ImageId: 'debian' }, 'InvalidAMIID.Malformed', 'Invalid id: "debian"'],
    [
      { InstanceType: 'p5.48xlarge' as const },
      'InvalidParameterValue',
      "Invalid value 'p5.48xlarge' for InstanceType.",
    ],
    [{ KeyName: 'lost' }, 'InvalidKeyPair.NotFound', "The key pair 'lost' does not exist"],
    [{ SubnetId: 'subnet-1' }, 'InvalidSubnetID.NotFound', "The subnet ID 'subnet-1' does not exist"],
    [{ SecurityGroupIds: ['sg-1'] }, 'InvalidGroup.NotFound', "The security group 'sg-1' does not exist"],
    [
      { Placement: { AvailabilityZone: 'us-east-1z' } },
      'InvalidParameterValue',
      'Invalid availability zone: [us-east-1z]',
    ],
    [{ MinCount: 2 }, 'InvalidParameterValue', undefined],
    [{ UserData: '???' }, 'InvalidUserData.Malformed', undefined],
    [
      { UserData: Buffer.alloc(16_385).toString('base64') },
      'InvalidParameterValue',
      'User data is limited to 16384 bytes',
    ],
    [
      { PrivateIpAddress: '10.0.0.4' },
      'InvalidParameterValue',
      "Address 10.0.0.4 does not fall within the subnet's address range",
    ],
    [{ IamInstanceProfile: { Name: 'lost' } }, 'InvalidParameterValue', undefined],
    [{ BlockDeviceMappings: [{ DeviceName: '/dev/xvda' }] }, 'UnsupportedOperation', undefined],
    [{ InstanceMarketOptions: { MarketType: 'spot' as const } }, 'UnsupportedOperation', undefined],
    [{ Placement: { Tenancy: 'dedicated' as const } }, 'UnsupportedOperation', undefined],
    [{ MetadataOptions: { HttpPutResponseHopLimit: 65 } }, 'InvalidParameterValue', undefined],
    [
      { TagSpecifications: [{ ResourceType: 'volume' as const, Tags: [{ Key: 'a', Value: 'b' }] }] },
      'InvalidParameterValue',
      "'volume' is not a valid taggable resource type for this operation.",
    ],
    [
      { TagSpecifications: [{ ResourceType: 'instance' as const, Tags: [{ Key: 'aws:x', Value: 'b' }] }] },
      'InvalidParameterValue',
      "Tag keys starting with 'aws:' are reserved for internal use",
    ],
    [{ MinCount: 300, MaxCount: 300 }, 'InstanceLimitExceeded', undefined],
    [{ DryRun: true }, 'DryRunOperation', 'Request would have succeeded, but DryRun flag is set.'],
  ])('%j is refused and nothing is launched', async (more, name, message) => {
    const refusal = expect(run(more)).rejects
    await refusal.toMatchObject({ name, ...(message === undefined ? {} : { message }) })
    const { Reservations } = await bench.ec2.send(new DescribeInstancesCommand({}))
    expect(Reservations).toEqual([])
  })

  test('a private address is taken once', async () => {
    await bench.launch({ PrivateIpAddress: '172.31.0.9' })
    await expect(run({ PrivateIpAddress: '172.31.0.9' })).rejects.toMatchObject({
      name: 'InvalidIPAddress.InUse',
      message: 'Address 172.31.0.9 is in use.',
    })
  })

  test('a client token launches once', async () => {
    const first = await run({ ClientToken: 'once', MaxCount: 2 })
    const again = await run({ ClientToken: 'once', MaxCount: 2 })
    expect(again.ReservationId).toBe(first.ReservationId)
    expect(again.Instances?.map(({ InstanceId }) => InstanceId)).toEqual(
      first.Instances?.map(({ InstanceId }) => InstanceId),
    )
    await expect(run({ ClientToken: 'once', MaxCount: 3 })).rejects.toMatchObject({
      name: 'IdempotentParameterMismatch',
      message: 'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    })
    await bench.drydock.settled()
    const InstanceIds = (first.Instances ?? []).map(({ InstanceId = '' }) => InstanceId)
    await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds }))
    await bench.drydock.settled()
    await expect(run({ ClientToken: 'once', MaxCount: 2 })).rejects.toMatchObject({
      name: 'IdempotentInstanceTerminated',
    })
  })

  test('user data is unpacked, and comes into the machine as it was given', async () => {
    const script = '#!/bin/sh\necho hi\n'
    const { gzipSync } = await import('node:zlib')
    await bench.launch({ UserData: gzipSync(script).toString('base64') })
    await bench.launch({ UserData: Buffer.from([0x1f, 0x8b, 1, 2]).toString('base64') })
    const files = bench.drydock.compute.started.map(
      ({ files = [] }) => files.find(({ path }) => path === '/opt/drydock/user-data')?.content,
    )
    expect(files[0]).toBe(script)
    expect(files[1]?.startsWith('#!')).toBe(false)
  })
})

describe('changing states', () => {
  type Ids = { InstanceIds: string[] }
  const all: Record<string, (input: Ids) => Promise<unknown>> = {
    start: (input) => bench.ec2.send(new StartInstancesCommand(input)),
    stop: (input) => bench.ec2.send(new StopInstancesCommand(input)),
    reboot: (input) => bench.ec2.send(new RebootInstancesCommand(input)),
    terminate: (input) => bench.ec2.send(new TerminateInstancesCommand(input)),
  }
  test.each(Object.entries(all))('%s knows ids', async (_, change) => {
    await expect(change({ InstanceIds: [ids.absent] })).rejects.toMatchObject({
      name: 'InvalidInstanceID.NotFound',
      message: `The instance ID '${ids.absent}' does not exist`,
    })
    await expect(change({ InstanceIds: ['i-0123456789abcdef1', ids.absent] })).rejects.toMatchObject({
      message: `The instance IDs 'i-0123456789abcdef1, ${ids.absent}' do not exist`,
    })
    await expect(change({ InstanceIds: ['web'] })).rejects.toMatchObject({
      name: 'InvalidInstanceID.Malformed',
      message: 'Invalid id: "web"',
    })
  })

  test('only from the states that allow it', async () => {
    const id = await bench.launch()
    const { StartingInstances } = await bench.ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))
    expect(StartingInstances?.[0]?.CurrentState?.Name).toBe('running')
    await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    await expect(bench.ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject({
      name: 'IncorrectInstanceState',
      message: `The instance '${id}' is not in a state from which it can be rebooted.`,
    })
    await bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    for (const change of [all.start, all.stop])
      await expect(change?.({ InstanceIds: [id] })).rejects.toMatchObject({
        name: 'IncorrectInstanceState',
      })
  })

  test('one that cannot be changed keeps all from changing', async () => {
    const free = await bench.launch()
    const kept = await bench.launch({ DisableApiTermination: true, DisableApiStop: true })
    await expect(bench.ec2.send(new TerminateInstancesCommand({ InstanceIds: [free, kept] }))).rejects.toMatchObject({
      name: 'OperationNotPermitted',
      message: `The instance '${kept}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
    })
    await expect(bench.ec2.send(new StopInstancesCommand({ InstanceIds: [kept] }))).rejects.toMatchObject({
      name: 'OperationNotPermitted',
    })
    await bench.drydock.settled()
    expect([await bench.stateOf(free), await bench.stateOf(kept)]).toEqual(['running', 'running'])
  })
})

describe('describing', () => {
  test('by filters, in pages', async () => {
    const { Instances = [] } = await run({ MinCount: 7, MaxCount: 7 })
    const web = await bench.launch({
      InstanceType: 't3.small',
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'role', Value: 'web-1' }] }],
    })
    const find = async (Name: string, ...Values: string[]) =>
      (
        (await bench.ec2.send(new DescribeInstancesCommand({ Filters: [{ Name, Values }] }))).Reservations ?? []
      ).flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId))
    expect(await find('tag:role', 'web-*')).toEqual([web])
    expect(await find('tag-key', 'role')).toEqual([web])
    expect(await find('instance-type', 't3.small')).toEqual([web])
    expect(await find('private-ip-address', '172.31.0.11')).toEqual([web])
    expect(await find('ip-address', (await bench.see(web)).PublicIpAddress ?? '')).toEqual([web])
    expect((await find('instance-state-name', 'running', 'pending')).length).toBe(8)
    expect(await find('instance-state-name', 'stopped')).toEqual([])
    expect(await find('tag:constructor', '*')).toEqual([])
    await expect(find('colour', 'red')).rejects.toMatchObject({
      name: 'InvalidParameterValue',
      message: "The filter 'colour' is invalid",
    })

    const seen: (string | undefined)[] = []
    for (let NextToken: string | undefined, first = true; first || NextToken; first = false) {
      const page = await bench.ec2.send(new DescribeInstancesCommand({ MaxResults: 5, NextToken }))
      seen.push(...(page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances.map((one) => one.InstanceId)))
      NextToken = page.NextToken
    }
    expect(seen.toSorted()).toEqual([...Instances.map(({ InstanceId }) => InstanceId), web].toSorted())
    for (const MaxResults of [4, 1001])
      await expect(bench.ec2.send(new DescribeInstancesCommand({ MaxResults }))).rejects.toMatchObject({
        name: 'InvalidParameterValue',
      })
    await expect(bench.ec2.send(new DescribeInstancesCommand({ NextToken: 'nonsense' }))).rejects.toMatchObject({
      name: 'InvalidNextToken',
    })
    await expect(
      bench.ec2.send(new DescribeInstancesCommand({ MaxResults: 5, InstanceIds: [web] })),
    ).rejects.toMatchObject({ name: 'InvalidParameterCombination' })
  })

  test('status is of running instances unless all are asked for', async () => {
    const id = await bench.launch()
    const statuses = async (IncludeAllInstances: boolean) =>
      (await bench.ec2.send(new DescribeInstanceStatusCommand({ IncludeAllInstances }))).InstanceStatuses
    expect(await statuses(false)).toMatchObject([{ InstanceId: id, InstanceStatus: { Status: 'ok' } }])
    await bench.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    await bench.drydock.settled()
    expect(await statuses(false)).toEqual([])
    expect(await statuses(true)).toMatchObject([{ InstanceId: id, InstanceStatus: { Status: 'not-applicable' } }])
  })
})
