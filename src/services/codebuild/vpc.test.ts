import { StopBuildCommand, UpdateProjectCommand } from '@aws-sdk/client-codebuild'
import {
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeNetworkInterfacesCommand,
  DescribeSubnetsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2'
import { beforeEach, expect, it } from 'vitest'
import {
  allow,
  codebuild,
  contextOf,
  drydock,
  ended,
  logsPolicy,
  onBench,
  project,
  role,
  run,
  start,
  waits,
  when,
} from './builds-bench.ts'

onBench()

const looks = ['ec2:DescribeVpcs', 'ec2:DescribeSubnets', 'ec2:DescribeSecurityGroups']
const makes = [...looks, 'ec2:DescribeDhcpOptions', 'ec2:DescribeNetworkInterfaces', 'ec2:CreateNetworkInterface']

let ec2: EC2Client
let vpcConfig = { vpcId: '', subnets: [''], securityGroupIds: [''] }
beforeEach(async () => {
  ec2 = drydock.client(EC2Client)
  const { Subnets: [subnet] = [] } = await ec2.send(new DescribeSubnetsCommand({}))
  const { GroupId = '' } = await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'builds', Description: 'x' }))
  vpcConfig = { vpcId: subnet?.VpcId ?? '', subnets: [subnet?.SubnetId ?? ''], securityGroupIds: [GroupId] }
})

it('a build in a VPC has a network interface while it runs, made as the service role may', async () => {
  const permission = {
    ...allow(['ec2:CreateNetworkInterfacePermission'], `arn:aws:ec2:us-east-1:${drydock.account}:network-interface/*`),
  }
  Object.assign(permission.Statement[0] ?? {}, {
    Condition: {
      StringEquals: {
        'ec2:Subnet': [`arn:aws:ec2:us-east-1:${drydock.account}:subnet/${vpcConfig.subnets[0]}`],
        'ec2:AuthorizedService': 'codebuild.amazonaws.com',
      },
    },
  })
  const able = await drydock.role('able', 'codebuild.amazonaws.com', [logsPolicy, allow(makes), permission])
  await project({ buildspec: waits, vpcConfig, serviceRole: able })
  const begun = await when((await start())?.id, ({ currentPhase }) => currentPhase === 'BUILD')
  expect(begun).toMatchObject({ vpcConfig, networkInterface: { subnetId: vpcConfig.subnets[0] } })
  const shown = async () => (await ec2.send(new DescribeNetworkInterfacesCommand({}))).NetworkInterfaces ?? []
  const [found] = await shown()
  expect(found).toMatchObject({
    NetworkInterfaceId: begun.networkInterface?.networkInterfaceId,
    RequesterManaged: true,
    VpcId: vpcConfig.vpcId,
  })
  expect(drydock.compute.started.at(-1)?.network).toMatchObject({
    vpc: vpcConfig.vpcId,
    subnet: vpcConfig.subnets[0],
    address: found?.PrivateIpAddress,
    ingress: [],
  })
  const removal = new DeleteSecurityGroupCommand({ GroupId: vpcConfig.securityGroupIds[0] })
  await expect(ec2.send(removal)).rejects.toMatchObject({ name: 'DependencyViolation' })
  await codebuild.send(new StopBuildCommand({ id: begun.id }))
  await when(begun.id, ended)
  await drydock.settled()
  expect(await shown()).toEqual([])
  await codebuild.send(new UpdateProjectCommand({ name: 'app', vpcConfig: {} }))
  const outside = await start()
  await when(outside?.id, ({ currentPhase }) => currentPhase === 'BUILD')
  expect(outside?.vpcConfig).toBeUndefined()
  expect(await shown()).toEqual([])
})

it('what the service role may not, and what is not there, is said when it is asked for', async () => {
  const refusal = (more: object, serviceRole = role) =>
    project({ ...more, serviceRole }).catch((error: Error) => `${error.name}: ${error.message}`)
  const looker = await drydock.role('looker', 'codebuild.amazonaws.com', [logsPolicy, allow(looks)])
  expect(await refusal({ vpcConfig })).toBe('InvalidInputException: Not authorized to perform DescribeVpcs')
  expect(await refusal({ vpcConfig: { ...vpcConfig, subnets: [] } }, looker)).toMatch(/subnets must be specified/)
  expect(await refusal({ vpcConfig: { ...vpcConfig, subnets: ['subnet-0'] } }, looker)).toMatch(
    /^InvalidInputException: Invalid vpc config: The subnet ID 'subnet-0'/,
  )
  await project({ vpcConfig, serviceRole: looker })
  const build = await run()
  expect(contextOf(build, 'PROVISIONING')).toMatchObject({
    statusCode: 'VPC_CLIENT_ERROR',
    message: expect.stringMatching(/^Unexpected EC2 error: UnauthorizedOperation/),
  })
  const found = await drydock.compute.probe()
  drydock.compute.probe = async () => ({ ...found, addresses: false })
  const refused = project({ name: 'other', serviceRole: looker, vpcConfig })
  await expect(refused).rejects.toMatchObject({ $metadata: { httpStatusCode: 501 } })
})
