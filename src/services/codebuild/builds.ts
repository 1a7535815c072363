import { Build, type BuildRecord, buildArn, buildIdOf, getBuild, toBuild } from './build.ts'
import { fail, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { getProject, placed } from './project.ts'
import { buildReconciler } from './start.ts'

const moment = (build: BuildRecord) => `${new Date(build.created).toISOString()}/${build.id}`

/** AWS API: "StopBuild". The build ends as STOPPED once its task is gone; one that has ended stays as it is. */
export const StopBuild: Operation<'StopBuild'> = async (ctx, { id }) => {
  await getBuild(ctx, id)
  const build = await ctx.write(async (tx) => {
    const present = await tx.get(Build, buildIdOf(id))
    if (!present || present.ended !== undefined || present.interrupted) return present
    tx.wake(buildReconciler, present.id)
    return tx.put(Build, { ...present, interrupted: 'STOPPED' as const })
  })
  if (!build) throw fail('ResourceNotFoundException', `Build ${buildIdOf(id)} cannot be found`)
  return { build: toBuild(ctx, build) }
}

/** AWS API: "BatchGetBuilds". Takes ids and ARNs. */
export const BatchGetBuilds: Operation<'BatchGetBuilds'> = async (ctx, { ids }) => {
  const builds: ReturnType<typeof toBuild>[] = []
  const buildsNotFound: string[] = []
  for (const id of new Set(ids)) {
    const there = placed(ctx, id)
    const build = await there.read((tx) => tx.get(Build, buildIdOf(id)))
    if (build) builds.push(toBuild(there, build))
    else buildsNotFound.push(id)
  }
  return { builds, buildsNotFound }
}

/** AWS API: "ListBuilds". Newest first unless told otherwise. */
export const ListBuilds: Operation<'ListBuilds'> = async (ctx, { sortOrder, nextToken }) => {
  const after = positionOf(nextToken)
  const builds = await ctx.read((tx) =>
    tx.list(Build, {
      index: 'time',
      reverse: sortOrder !== 'ASCENDING',
      limit: pageSize + 1,
      ...(after === undefined ? {} : { after }),
    }),
  )
  return page(builds, moment)
}

/** AWS API: "ListBuildsForProject". Newest first unless told otherwise. */
export const ListBuildsForProject: Operation<'ListBuildsForProject'> = async (
  ctx,
  { projectName, sortOrder, nextToken },
) => {
  const there = placed(ctx, projectName)
  const { name } = await getProject(there, projectName)
  const after = positionOf(nextToken)
  const builds = await there.read((tx) =>
    tx.list(Build, {
      index: 'project',
      prefix: `${name}/`,
      reverse: sortOrder !== 'ASCENDING',
      limit: pageSize + 1,
      ...(after === undefined ? {} : { after }),
    }),
  )
  return page(builds, (build) => `${name}/${moment(build)}`)
}

const page = (builds: readonly BuildRecord[], position: (build: BuildRecord) => string) => {
  const shown = builds.slice(0, pageSize)
  const last = shown.at(-1)
  return {
    ids: shown.map(({ id }) => id),
    ...(last && builds.length > pageSize ? { nextToken: tokenOf(position(last)) } : {}),
  }
}

/** AWS API: "BatchDeleteBuilds". A build in progress is not deleted. */
export const BatchDeleteBuilds: Operation<'BatchDeleteBuilds'> = (ctx, { ids }) =>
  ctx.write(async (tx) => {
    const buildsDeleted: string[] = []
    const buildsNotDeleted: { id: string; statusCode: string }[] = []
    for (const id of new Set(ids)) {
      const build = await tx.get(Build, buildIdOf(id))
      if (!build) buildsNotDeleted.push({ id, statusCode: 'BUILD_NOT_FOUND' })
      else if (build.ended === undefined) buildsNotDeleted.push({ id, statusCode: 'BUILD_IN_PROGRESS' })
      else {
        tx.delete(Build, build.id)
        buildsDeleted.push(buildArn(ctx, build.id))
      }
    }
    return { buildsDeleted, buildsNotDeleted }
  })
