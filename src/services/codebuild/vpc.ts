import type { Attachment } from '../../compute/driver.ts'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError, notImplemented } from '../../kernel/errors.ts'
import { vpcPlaces } from '../capabilities.ts'
import type { BuildRecord } from './build.ts'
import { imageOf, PhaseFailure } from './environment.ts'
import { fail } from './operation.ts'
import { type Environment, trustOf, type VpcConfig } from './project.ts'

// Builds in a VPC: CodeBuild makes a network interface in one of the subnets, as the service role may. AWS documentation: "Use
// AWS CodeBuild with Amazon Virtual Private Cloud", "Allow CodeBuild access to AWS services required to create a VPC network interface".

const invalid = (message: string) => fail('InvalidInputException', message)

/** Whether a project's builds are in a VPC: an empty id takes it out again. */
export const inVpc = (config: VpcConfig | undefined): config is VpcConfig & { vpcId: string } => Boolean(config?.vpcId)

const lookUp = async (role: Caller, { vpcId, subnets = [], securityGroupIds = [] }: VpcConfig): Promise<void> => {
  await role.ec2.describeVpcs({ VpcIds: [vpcId ?? ''] })
  await role.ec2.describeSubnets({ SubnetIds: subnets })
  await role.ec2.describeSecurityGroups({ GroupIds: securityGroupIds })
}

/** Checks a project's configuration as CreateProject does: all is there, and the service role may look at it. */
export const checkVpcConfig = async (
  ctx: Ctx,
  role: Caller,
  config: VpcConfig | undefined,
  environment?: Environment,
): Promise<void> => {
  if (!inVpc(config)) return
  if (!config.subnets?.length) throw invalid('Invalid vpc config: subnets must be specified')
  if (!config.securityGroupIds?.length) throw invalid('Invalid vpc config: securityGroupIds must be specified')
  if (!(await ctx.compute.probe()).addresses || (environment && 'docker' in imageOf(ctx, environment.image)))
    throw notImplemented('builds inside a VPC (vpcConfig) on this compute driver')
  await lookUp(role, config).catch((error: unknown) => {
    if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
    throw invalid(
      error.code === 'UnauthorizedOperation'
        ? `Not authorized to perform ${/perform: ec2:(\w+)/.exec(error.message)?.[1] ?? 'DescribeVpcs'}`
        : `Invalid vpc config: ${error.message}`,
    )
  })
}

type Placed = Pick<BuildRecord, 'id' | 'project' | 'vpcConfig'> &
  Partial<Pick<BuildRecord, 'uuid' | 'environment' | 'machine'>>

/** Under whose rights a build gets its place: a machine of a fleet has the fleet's role. */
const placing = (ctx: Ctx, service: Caller, { uuid, environment, machine }: Placed): Caller =>
  machine?.role
    ? ctx.as(machine.role, {
        sessionName: `AWSCodeBuild-${uuid}`,
        context: trustOf(ctx, environment?.fleet?.fleetArn ?? ''),
      })
    : service

const ownerOf = (build: Pick<BuildRecord, 'id'>) => `codebuild/${build.id}`

/**
 * The build's network interface, made on first use as its service role may. `undefined` for builds outside of VPCs.
 * @throws PhaseFailure with what PROVISIONING shows.
 */
export const takePlace = async (
  ctx: Ctx,
  service: Caller,
  build: Placed,
): Promise<{ networkInterfaceId: string; subnetId: string; attachment: Attachment } | undefined> => {
  const { vpcConfig } = build
  if (!inVpc(vpcConfig)) return undefined
  const { vpcId, subnets = [], securityGroupIds = [] } = vpcConfig
  const role = placing(ctx, service, build)
  const arn = (resource: string) => `arn:aws:ec2:${ctx.region}:${ctx.account}:${resource}`
  const interfaces = arn('network-interface/*')
  try {
    await lookUp(role, vpcConfig)
    for (const action of ['DescribeDhcpOptions', 'DescribeNetworkInterfaces'])
      await role.authorize(`ec2:${action}`, '*')
    for (const resource of [...securityGroupIds.map((id) => arn(`security-group/${id}`)), interfaces])
      await role.authorize('ec2:CreateNetworkInterface', resource)
    for (const id of subnets) {
      await role.authorize('ec2:CreateNetworkInterface', arn(`subnet/${id}`))
      await role.authorize('ec2:CreateNetworkInterfacePermission', interfaces, {
        'ec2:Subnet': [arn(`subnet/${id}`)],
        'ec2:AuthorizedService': ['codebuild.amazonaws.com'],
      })
    }
    return await ctx.use(vpcPlaces).take(ctx.place, {
      owner: ownerOf(build),
      description: `AWS CodeBuild ${build.project}`,
      ...{ vpcId, subnetIds: subnets, groupIds: securityGroupIds },
    })
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
    if (error.code === 'InsufficientFreeAddressesInSubnet') throw new PhaseFailure('INSUFFICIENT_SUBNET', error.message)
    const code = /^AccessDenied/.test(error.code) ? 'UnauthorizedOperation' : error.code
    throw new PhaseFailure('VPC_CLIENT_ERROR', `Unexpected EC2 error: ${code}. ${error.message}`)
  }
}

/** Gives the build's network interface back. */
export const releasePlace = async (ctx: Ctx, build: Pick<BuildRecord, 'id' | 'vpcConfig'>): Promise<void> => {
  if (inVpc(build.vpcConfig)) await ctx.use(vpcPlaces).release(ctx.place, ownerOf(build))
}
