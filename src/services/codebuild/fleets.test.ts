import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BatchGetBuildBatchesCommand,
  CreateFleetCommand,
  type CreateFleetCommandInput,
  DeleteFleetCommand,
  StartBuildBatchCommand,
  StopBuildCommand,
  UpdateFleetCommand,
} from '@aws-sdk/client-codebuild'
import { CreateSecurityGroupCommand, DescribeSubnetsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { expect, it } from 'vitest'
import {
  allow,
  codebuild,
  contextOf,
  drydock,
  ended,
  folder,
  logsPolicy,
  look,
  onBench,
  project,
  start,
  waits,
  when,
} from './builds-bench.ts'

onBench()

const fleet = async (more: Partial<CreateFleetCommandInput> = {}) => {
  const { fleet } = await codebuild.send(
    new CreateFleetCommand({
      name: 'pool',
      baseCapacity: 1,
      environmentType: 'LINUX_CONTAINER',
      computeType: 'BUILD_GENERAL1_SMALL',
      ...more,
    }),
  )
  return fleet
}
const environment = (fleetArn?: string) =>
  ({
    type: 'LINUX_CONTAINER',
    image: 'aws/codebuild/standard:7.0',
    computeType: 'BUILD_GENERAL1_MEDIUM',
    ...(fleetArn ? { fleet: { fleetArn } } : {}),
  }) as const
const building = ({ currentPhase }: { currentPhase?: string | undefined }) => currentPhase === 'BUILD'
const taskOf = (id: string | undefined) =>
  drydock.compute.started.find((spec) => spec.id === `build-${id?.split(':')[1]}`)

it('a build has the size of its fleet’s machines, one that overflows that of its own compute type', async () => {
  const made = await fleet({
    overflowBehavior: 'ON_DEMAND',
    computeType: 'ATTRIBUTE_BASED_COMPUTE',
    computeConfiguration: { vCpu: 3, memory: 5 },
  })
  await project({ buildspec: waits, environment: environment(made?.arn) })
  const first = await start()
  await when(first?.id, building)
  const second = await start()
  await when(second?.id, building)
  expect(taskOf(first?.id)?.limits).toEqual({ memoryMiB: 5 * 1024, cpus: 3 })
  expect(taskOf(second?.id)?.limits).toEqual({ memoryMiB: 8 * 1024, cpus: 4 })
  // The one that overflowed takes no machine: a third overflows as well, and one more after the first has gone does not.
  await codebuild.send(new StopBuildCommand({ id: first?.id }))
  await when(first?.id, ended)
  const third = await start()
  await when(third?.id, building)
  expect(taskOf(third?.id)?.limits).toEqual({ memoryMiB: 5 * 1024, cpus: 3 })
})

it('builds of a fleet in a VPC get their place as the fleet’s role may', async () => {
  const ec2 = drydock.client(EC2Client)
  const { Subnets: [subnet] = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const { GroupId = '' } = await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'fleet', Description: 'x' }))
  const vpcConfig = { vpcId: subnet?.VpcId, subnets: [subnet?.SubnetId ?? ''], securityGroupIds: [GroupId] }
  const looks = ['ec2:DescribeVpcs', 'ec2:DescribeSubnets', 'ec2:DescribeSecurityGroups']
  const makes = ['ec2:DescribeDhcpOptions', 'ec2:DescribeNetworkInterfaces', 'ec2:CreateNetworkInterface']
  const sourced = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'codebuild.amazonaws.com' },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'aws:SourceAccount': drydock.account } },
      },
    ],
  }
  const able = await drydock.role('fleet', sourced, [
    allow([...looks, ...makes, 'ec2:CreateNetworkInterfacePermission']),
  ])
  const refusal = (more: Partial<CreateFleetCommandInput>) =>
    fleet(more).catch((error: Error) => `${error.name}: ${error.message}`)
  expect(await refusal({ vpcConfig })).toMatch(/^InvalidInputException: .*fleet service role is required/)
  const blind = await drydock.role('blind', sourced, [])
  expect(await refusal({ vpcConfig, fleetServiceRole: blind })).toBe(
    'InvalidInputException: Not authorized to perform DescribeVpcs',
  )
  expect(await refusal({ imageId: 'ami-1', fleetServiceRole: able })).toMatch(/^NotImplemented/)

  const made = await fleet({ vpcConfig, fleetServiceRole: able })
  expect(made).toMatchObject({ vpcConfig, fleetServiceRole: able })
  const plain = await drydock.role('plain', 'codebuild.amazonaws.com', [logsPolicy])
  await project({ buildspec: waits, environment: environment(made?.arn), serviceRole: plain })
  const begun = await when((await start())?.id, building)
  expect(begun).toMatchObject({ vpcConfig, networkInterface: { subnetId: subnet?.SubnetId } })
  expect(taskOf(begun.id)?.network).toMatchObject({ vpc: subnet?.VpcId })

  await codebuild.send(new UpdateFleetCommand({ arn: made?.arn, overflowBehavior: 'ON_DEMAND' }))
  const beside = await when((await start())?.id, ended)
  expect(contextOf(beside, 'PROVISIONING')?.statusCode, 'its own role may not').toBe('VPC_CLIENT_ERROR')
  await codebuild.send(new StopBuildCommand({ id: begun.id }))
  await when(begun.id, ended)
  const { fleet: out } = await codebuild.send(new UpdateFleetCommand({ arn: made?.arn, vpcConfig: {} }))
  expect(out?.vpcConfig).toBeUndefined()
  const outside = await when((await start())?.id, building)
  expect(outside.networkInterface).toBeUndefined()
})

it('tasks of a batch run on the fleets they name, as far as the batch may', async () => {
  const pool = await fleet()
  const wide = await fleet({ name: 'wide', computeType: 'BUILD_GENERAL1_LARGE' })
  const serviceRole = await drydock.role('batches', 'codebuild.amazonaws.com', [allow(['codebuild:StartBuild'])])
  const batched = (fleets: string) => `version: 0.2
batch:
  build-matrix: {dynamic: {env: {fleet: [${fleets}]}}}
phases: {build: {commands: [echo built]}}
`
  await project({
    environment: environment(),
    buildBatchConfig: { serviceRole, restrictions: { fleetsAllowed: ['pool', wide?.arn ?? ''] } },
  })
  const run = async (fleets: string) => {
    const input = { projectName: 'app', buildspecOverride: batched(fleets) }
    const { buildBatch } = await codebuild.send(new StartBuildBatchCommand(input))
    for (;;) {
      const { buildBatches: [batch] = [] } = await codebuild.send(
        new BatchGetBuildBatchesCommand({ ids: [buildBatch?.id ?? ''] }),
      )
      if (batch?.complete) return batch
      await new Promise((turn) => setTimeout(turn, 5))
    }
  }
  const batch = await run(`pool, '${wide?.arn}'`)
  expect(batch.buildBatchStatus).toBe('SUCCEEDED')
  const builds = await Promise.all(
    (batch.buildGroups ?? []).map(({ currentBuildSummary }) => look(currentBuildSummary?.arn?.split('/')[1])),
  )
  expect(builds.map(({ environment }) => environment?.fleet?.fleetArn)).toEqual([pool?.arn, wide?.arn])
  expect(builds.map(({ id }) => taskOf(id)?.limits?.cpus)).toEqual([2, 8])

  const why = async (fleets: string) => (await run(fleets)).phases?.map(({ contexts }) => contexts?.[0]?.message)
  expect(await why('pool, nowhere')).toContain('Fleet cannot be found: nowhere')
  const other = await fleet({ name: 'other' })
  expect(await why('pool, other')).toContain(`Fleet ${other?.arn} of the build build1 is not allowed`)
})

it('a batch whose fleet goes while it runs fails, and says why', async () => {
  const pool = await fleet()
  const serviceRole = await drydock.role('batches', 'codebuild.amazonaws.com', [allow(['codebuild:StartBuild'])])
  const buildspec = `version: 0.2
batch:
  build-graph: [{identifier: a}, {identifier: b, depend-on: [a], env: {fleet: pool}}]
phases: {build: {commands: ['until [ -e ${folder}/go ]; do sleep 0.02; done']}}
`
  await project({ buildspec, environment: environment(), buildBatchConfig: { serviceRole } })
  const { buildBatch } = await codebuild.send(new StartBuildBatchCommand({ projectName: 'app' }))
  const batch = async () => {
    const { buildBatches } = await codebuild.send(new BatchGetBuildBatchesCommand({ ids: [buildBatch?.id ?? ''] }))
    return buildBatches?.[0]
  }
  let first: string | undefined
  for (; !first; await new Promise((turn) => setTimeout(turn, 5)))
    first = (await batch())?.buildGroups?.[0]?.currentBuildSummary?.arn?.split('/')[1]
  await when(first, building)
  await codebuild.send(new DeleteFleetCommand({ arn: pool?.arn }))
  await writeFile(join(folder, 'go'), '')
  await when(first, ended)
  await drydock.settled()
  const last = await batch()
  expect(last?.buildBatchStatus).toBe('FAILED')
  expect(last?.phases?.map(({ contexts }) => contexts?.[0]?.message).join()).toContain('Fleet cannot be found')
})
