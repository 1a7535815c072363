import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { table } from '../../store/store.ts'
import { Build } from './build.ts'
import { fail, type Input, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'

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

type Wire = NonNullable<Awaited<ReturnType<Operation<'CreateFleet'>>>['fleet']>

const toFleet = async (ctx: Ctx, fleet: FleetRecord): Promise<Wire> => {
  const arn = fleetArn(ctx, fleet)
  const running = await ctx.read((tx) => tx.list(Build, { index: 'running', equals: 'running' }))
  const busy = running.filter(({ environment }) => environment.fleet?.fleetArn === arn).length
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
  const { environmentType, baseCapacity, scalingConfiguration: scaling } = input
  if (environmentType && environmentType !== 'LINUX_CONTAINER' && environmentType !== 'ARM_CONTAINER')
    throw notImplemented(`fleets of environment type ${environmentType}`)
  if (input.vpcConfig?.vpcId) throw notImplemented('fleets inside a VPC (vpcConfig)')
  if (input.proxyConfiguration) throw notImplemented('proxies of fleets (proxyConfiguration)')
  if (input.imageId) throw notImplemented('images of fleets (imageId)')
  if (input.fleetServiceRole) throw notImplemented('service roles of fleets (fleetServiceRole)')
  if (baseCapacity !== undefined && baseCapacity < 1) throw invalid('Invalid baseCapacity: must be at least 1')
  if (scaling && (scaling.maxCapacity ?? 0) < (baseCapacity ?? 1))
    throw invalid('Invalid scaling configuration: maxCapacity must not be less than baseCapacity')
  const keys = (input.tags ?? []).map(({ key }) => key)
  if (new Set(keys).size !== keys.length) throw invalid('Duplicate tag keys are not allowed')
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
    overflowBehavior: input.overflowBehavior ?? 'QUEUE',
  }
  await ctx.write(async (tx) => {
    if (await tx.get(Fleet, fleet.name))
      throw fail('ResourceAlreadyExistsException', `Fleet already exists: ${fleet.name}`)
    tx.put(Fleet, fleet)
  })
  return { fleet: await toFleet(ctx, fleet) }
}

/** AWS API: "UpdateFleet". What is absent stays. */
export const UpdateFleet: Operation<'UpdateFleet'> = async (ctx, input) => {
  const fleet = await ctx.write(async (tx) => {
    const before = await tx.get(Fleet, fleetNameOf(input.arn))
    if (!before || fleetArn(ctx, before) !== input.arn) throw missing(input.arn)
    const scaling = input.scalingConfiguration ?? before.scaling
    check({ ...input, baseCapacity: input.baseCapacity ?? before.baseCapacity, scalingConfiguration: scaling })
    return tx.put(Fleet, {
      ...before,
      modified: ctx.now().getTime(),
      baseCapacity: input.baseCapacity ?? before.baseCapacity,
      environmentType: input.environmentType ?? before.environmentType,
      computeType: input.computeType ?? before.computeType,
      overflowBehavior: input.overflowBehavior ?? before.overflowBehavior,
      tags: input.tags ?? before.tags,
      ...(input.computeConfiguration ? { computeConfiguration: input.computeConfiguration } : {}),
      ...(scaling ? { scaling } : {}),
    })
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
