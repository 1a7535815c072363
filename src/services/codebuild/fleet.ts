import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { table } from '../../store/store.ts'
import { Build, type BuildRecord } from './build.ts'
import { limitsOf } from './environment.ts'
import { fail, type Input, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { checkCompute, checkRoleFor, given, trustOf, type VpcConfig } from './project.ts'
import { checkVpcConfig, inVpc } from './vpc.ts'

type Settings = Input<'CreateFleet'>
type Tag = NonNullable<Settings['tags']>[number]

export type FleetRecord = {
  readonly name: string
  readonly id: string
  /** Milliseconds. */
  readonly created: number
  readonly modified: number
  readonly baseCapacity: number
  readonly environmentType: Settings['environmentType']
  readonly computeType: Settings['computeType']
  readonly computeConfiguration?: NonNullable<Settings['computeConfiguration']>
  readonly scaling?: NonNullable<Settings['scalingConfiguration']>
  readonly overflowBehavior: 'QUEUE' | 'ON_DEMAND'
  readonly fleetServiceRole?: string
  readonly vpcConfig?: VpcConfig
  readonly tags: readonly Tag[]
}

export const Fleet = table<FleetRecord>('codebuild.fleet', { scope: 'region', key: ({ name }) => name })

export const fleetArn = (ctx: Pick<Ctx, 'arn'>, { name, id }: Pick<FleetRecord, 'name' | 'id'>) =>
  ctx.arn(`fleet/${name}:${id}`)

/** The name in a fleet's name or ARN. */
export const fleetNameOf = (nameOrArn: string) => /:fleet\/([^:/]+)/.exec(nameOrArn)?.[1] ?? nameOrArn

const invalid = (message: string) => fail('InvalidInputException', message)
const missing = (arn: string) => fail('ResourceNotFoundException', `Fleet cannot be found: ${arn}`)

/** How many builds it runs at a time: as far as it may scale. */
export const capacityOf = ({ baseCapacity, scaling }: FleetRecord): number =>
  Math.max(baseCapacity, scaling?.maxCapacity ?? 0)

/** Those of the running builds that are on its machines; others of it run beside it. */
export const busyOf = (running: readonly BuildRecord[], arn: string): number =>
  running.filter(({ environment, machine }) => machine && environment.fleet?.fleetArn === arn).length

/**
 * A build that leaves the queue, on a machine of this fleet or, when all are `busy`, beside it: in the fleet's VPC either way,
 * as the fleet's role may, or as its own ("Reserved capacity fleet properties").
 */
export const onFleet = (build: BuildRecord, fleet: FleetRecord, busy: boolean): BuildRecord => {
  const { fleetServiceRole: role, vpcConfig } = fleet
  return {
    ...build,
    ...(vpcConfig ? { vpcConfig } : {}),
    ...(busy ? {} : { machine: { ...(role ? { role } : {}), ...limitsOf(fleet) } }),
  }
}

type Wire = NonNullable<Awaited<ReturnType<Operation<'CreateFleet'>>>['fleet']>

const toFleet = async (ctx: Ctx, fleet: FleetRecord): Promise<Wire> => {
  const arn = fleetArn(ctx, fleet)
  const busy = busyOf(await ctx.read((tx) => tx.list(Build, { index: 'running', equals: 'running' })), arn)
  const { name, id, created, modified, scaling, tags, ...settings } = fleet
  return {
    ...settings,
    ...{ arn, name, id, tags: [...tags] },
    created: new Date(created),
    lastModified: new Date(modified),
    status: { statusCode: 'ACTIVE' },
    ...(scaling
      ? {
          scalingConfiguration: {
            ...scaling,
            desiredCapacity: Math.max(fleet.baseCapacity, Math.min(busy, capacityOf(fleet))),
          },
        }
      : {}),
  }
}

const check = (input: Partial<Settings> | Input<'UpdateFleet'>): void => {
  const { environmentType, computeType, computeConfiguration, baseCapacity, scalingConfiguration: scaling } = input
  if (environmentType && environmentType !== 'LINUX_CONTAINER' && environmentType !== 'ARM_CONTAINER')
    throw notImplemented(`fleets of environment type ${environmentType}`)
  if (input.proxyConfiguration) throw notImplemented('proxies of fleets (proxyConfiguration)')
  if (input.imageId) throw notImplemented('images of fleets (imageId)')
  checkCompute({ computeType, computeConfiguration })
  if (inVpc(input.vpcConfig) && !input.fleetServiceRole)
    throw invalid('Invalid vpc config: a fleet service role is required')
  if (baseCapacity !== undefined && baseCapacity < 1) throw invalid('Invalid baseCapacity: must be at least 1')
  if (scaling && (scaling.maxCapacity ?? 0) < (baseCapacity ?? 1))
    throw invalid('Invalid scaling configuration: maxCapacity must not be less than baseCapacity')
  const keys = (input.tags ?? []).map(({ key }) => key)
  if (new Set(keys).size !== keys.length) throw invalid('Duplicate tag keys are not allowed')
}

/** May the caller hand over the role, and may it look at the VPC? */
const checkPlace = async (ctx: Ctx, fleet: FleetRecord): Promise<void> => {
  const { fleetServiceRole: role, vpcConfig: config } = fleet
  if (!role) return
  const arn = fleetArn(ctx, fleet)
  await checkRoleFor(ctx, role, arn)
  await checkVpcConfig(ctx, ctx.as(role, { context: trustOf(ctx, arn) }), config)
}

/** AWS API: "CreateFleet". Its capacity is at hand at once. */
export const CreateFleet: Operation<'CreateFleet'> = async (ctx, input) => {
  check(input)
  const now = ctx.now().getTime()
  const fleet: FleetRecord = {
    ...{ name: input.name, id: ctx.newId(), created: now, modified: now, tags: input.tags ?? [] },
    ...{ baseCapacity: input.baseCapacity, environmentType: input.environmentType, computeType: input.computeType },
    ...(input.computeConfiguration ? { computeConfiguration: input.computeConfiguration } : {}),
    ...(input.scalingConfiguration ? { scaling: input.scalingConfiguration } : {}),
    ...(input.fleetServiceRole ? { fleetServiceRole: input.fleetServiceRole } : {}),
    ...(inVpc(input.vpcConfig) ? { vpcConfig: input.vpcConfig } : {}),
    overflowBehavior: input.overflowBehavior ?? 'QUEUE',
  }
  await checkPlace(ctx, fleet)
  await ctx.write(async (tx) => {
    if (await tx.get(Fleet, fleet.name))
      throw fail('ResourceAlreadyExistsException', `Fleet already exists: ${fleet.name}`)
    tx.put(Fleet, fleet)
  })
  return { fleet: await toFleet(ctx, fleet) }
}

/** AWS API: "UpdateFleet". What is absent stays. */
export const UpdateFleet: Operation<'UpdateFleet'> = async (ctx, input) => {
  const present = await ctx.read((tx) => tx.get(Fleet, fleetNameOf(input.arn)))
  if (!present || fleetArn(ctx, present) !== input.arn) throw missing(input.arn)
  const change = (before: FleetRecord): FleetRecord => {
    const { vpcConfig: _vpc, ...kept } = before
    const vpcConfig = input.vpcConfig ?? before.vpcConfig
    return {
      ...kept,
      modified: ctx.now().getTime(),
      baseCapacity: input.baseCapacity ?? before.baseCapacity,
      environmentType: input.environmentType ?? before.environmentType,
      computeType: input.computeType ?? before.computeType,
      overflowBehavior: input.overflowBehavior ?? before.overflowBehavior,
      tags: input.tags ?? before.tags,
      ...(input.computeConfiguration ? { computeConfiguration: input.computeConfiguration } : {}),
      ...(input.scalingConfiguration ? { scaling: input.scalingConfiguration } : {}),
      ...(input.fleetServiceRole ? { fleetServiceRole: input.fleetServiceRole } : {}),
      // An empty id takes the fleet out of its VPC.
      ...(inVpc(vpcConfig) ? { vpcConfig } : {}),
    }
  }
  const { scaling, tags, ...after } = change(present)
  const { proxyConfiguration, imageId } = input
  check({ ...after, tags: [...tags], ...given({ scalingConfiguration: scaling, proxyConfiguration, imageId }) })
  if (input.fleetServiceRole || inVpc(input.vpcConfig)) await checkPlace(ctx, change(present))
  const fleet = await ctx.write(async (tx) => {
    const before = await tx.get(Fleet, after.name)
    if (before?.id !== after.id) throw missing(input.arn)
    return tx.put(Fleet, change(before))
  })
  return { fleet: await toFleet(ctx, fleet) }
}

/** AWS API: "DeleteFleet". Builds that run in it go on; those that wait for it fail. */
export const DeleteFleet: Operation<'DeleteFleet'> = async (ctx, { arn }) => {
  await ctx.write(async (tx) => {
    const fleet = await tx.get(Fleet, fleetNameOf(arn))
    if (fleet && fleetArn(ctx, fleet) === arn) tx.delete(Fleet, fleet.name)
  })
  return {}
}

/** AWS API: "BatchGetFleets". Takes names and ARNs. */
export const BatchGetFleets: Operation<'BatchGetFleets'> = async (ctx, { names }) => {
  const fleets: Wire[] = []
  const fleetsNotFound: string[] = []
  for (const name of new Set(names)) {
    const fleet = await ctx.read((tx) => tx.get(Fleet, fleetNameOf(name)))
    if (fleet && (!name.startsWith('arn:') || fleetArn(ctx, fleet) === name)) fleets.push(await toFleet(ctx, fleet))
    else fleetsNotFound.push(name)
  }
  return { fleets, fleetsNotFound }
}

/** AWS API: "ListFleets". */
export const ListFleets: Operation<'ListFleets'> = async (ctx, input) => {
  const { sortBy = 'NAME', sortOrder, nextToken, maxResults = pageSize } = input
  const all = await ctx.read((tx) => tx.list(Fleet))
  const time = (fleet: FleetRecord) => (sortBy === 'CREATED_TIME' ? fleet.created : fleet.modified)
  const sorted = sortBy === 'NAME' ? all : all.toSorted((a, b) => time(a) - time(b))
  const ordered = sortOrder === 'DESCENDING' ? sorted.toReversed() : sorted
  const from = Number(positionOf(nextToken) ?? 0)
  const page = ordered.slice(from, from + maxResults)
  const next = from + page.length
  return {
    fleets: page.map((fleet) => fleetArn(ctx, fleet)),
    ...(next < ordered.length ? { nextToken: tokenOf(String(next)) } : {}),
  }
}
