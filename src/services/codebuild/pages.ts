import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { Batch, type BatchRecord, toBatch } from './batch.ts'
import { Build, type BuildRecord, logNames, toBuild } from './build.ts'
import { parseS3Location } from './location.ts'
import { fail, type Operation } from './operation.ts'
import { checkRole, getProject, Page, Project, type ProjectRecord, projectArn, trustContext } from './project.ts'

// What of builds is shown to whoever knows an address: a badge, and the builds of a public project.

/** AWS API: "UpdateProjectVisibility". A public project's builds are shown under its alias. */
export const UpdateProjectVisibility: Operation<'UpdateProjectVisibility'> = async (ctx, input) => {
  const { name } = await getProject(ctx, input.projectArn)
  if (input.resourceAccessRole) await checkRole(ctx, input.resourceAccessRole, name)
  const fresh = ctx.random(40)
  const project = await ctx.write(async (tx) => {
    const before = await tx.get(Project, name)
    if (!before) throw fail('ResourceNotFoundException', `Project cannot be found: ${projectArn(ctx, name)}`)
    const alias = before.publicAlias ?? fresh
    const role = input.resourceAccessRole ?? before.resourceAccessRole
    tx.put(Page, { door: alias, ...ctx.place, project: name })
    return tx.put(Project, {
      ...before,
      publicAlias: alias,
      visibility: input.projectVisibility,
      ...(role ? { resourceAccessRole: role } : {}),
    })
  })
  return {
    projectArn: projectArn(ctx, name),
    ...(project.publicAlias ? { publicProjectAlias: project.publicAlias } : {}),
    projectVisibility: input.projectVisibility,
  }
}

const found = async (
  ctx: Ctx,
  door: string | undefined,
): Promise<{ here: Ctx; project: ProjectRecord } | undefined> => {
  const page = await ctx.read((tx) => tx.get(Page, door ?? ''))
  if (!page) return undefined
  const here = ctx.at({ account: page.account, region: page.region })
  const project = await here.read((tx) => tx.get(Project, page.project))
  return project && { here, project }
}

const latest = (ctx: Ctx, project: string, limit: number): Promise<BuildRecord[]> =>
  ctx.read((tx) => tx.list(Build, { index: 'project', prefix: `${project}/`, reverse: true, limit }))

const words: Readonly<Record<string, readonly [text: string, colour: string]>> = {
  SUCCEEDED: ['passing', '#1d8102'],
  IN_PROGRESS: ['in progress', '#0073bb'],
  unknown: ['unknown', '#687078'],
}

const badge = (status: string | undefined): string => {
  const [text, colour] = words[status ?? 'unknown'] ?? ['failing', '#d13212']
  const width = 50 + text.length * 7
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="build: ${text}"><rect width="40" height="20" fill="#555"/><rect x="40" width="${width - 40}" height="20" fill="${colour}"/><g fill="#fff" font-family="sans-serif" font-size="11"><text x="7" y="14">build</text><text x="46" y="14">${text}</text></g></svg>`
}

const refuse = ({ response }: Exchange) => {
  response.writeHead(404, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ message: 'There is no such page.' }))
}

/** How many builds a badge looks back for one of its branch. */
const lookBack = 100

/** A project's badge: how its last build went, of a branch (`?branch=main`) or of any. */
export const badgeRoute: Route = {
  name: 'codebuild badge',
  method: 'GET',
  path: /\/_drydock\/codebuild\/badges\/(?<door>[0-9a-f]{32})/,
  handle: async (ctx, exchange) => {
    const at = await found(ctx, exchange.params.door)
    if (!at || at.project.badge !== exchange.params.door) return refuse(exchange)
    const branch = new URL(exchange.request.url ?? '/', 'http://localhost').searchParams.get('branch')
    const builds = await latest(at.here, at.project.name, lookBack)
    const last = builds.find(
      ({ sourceVersion = '' }) => !branch || sourceVersion.replace(/^refs\/heads\//, '') === branch,
    )
    exchange.response.writeHead(200, { 'content-type': 'image/svg+xml', 'cache-control': 'no-cache' })
    exchange.response.end(badge(last?.status))
  },
}

/** What strangers see of a build: no environment, no roles, no keys. */
const shown = (ctx: Ctx, build: BuildRecord) => {
  const { id, buildNumber, buildStatus, startTime, endTime, currentPhase, phases, resolvedSourceVersion } = toBuild(
    ctx,
    build,
  )
  return { id, buildNumber, buildStatus, startTime, endTime, currentPhase, phases, resolvedSourceVersion }
}

const shownBatch = (ctx: Ctx, batch: BatchRecord) => {
  const { id, buildBatchNumber, buildBatchStatus, startTime, endTime, currentPhase, phases, buildGroups } = toBatch(
    ctx,
    batch,
  )
  return {
    ...{ id, buildBatchNumber, buildBatchStatus, startTime, endTime, currentPhase, phases },
    buildGroups: buildGroups?.map(({ identifier, dependsOn, currentBuildSummary }) => ({
      ...{ identifier, dependsOn, buildStatus: currentBuildSummary?.buildStatus },
      build: currentBuildSummary?.arn?.split('/')[1],
    })),
  }
}

/** A build, or a batch: its artifacts are those it combined. */
type Built = Pick<BuildRecord, 'uuid' | 'stored'>

/** What the role that the project names for it may read: without it, or its rights, there is nothing to see. */
const readable = async <T>(
  ctx: Ctx,
  project: ProjectRecord,
  { uuid }: Built,
  read: (role: Caller) => Promise<T>,
): Promise<T | undefined> => {
  if (!project.resourceAccessRole) return undefined
  const context = trustContext(ctx, project.name)
  const role = ctx.as(project.resourceAccessRole, { sessionName: `AWSCodeBuild-${uuid}`, context })
  return read(role).catch((error: unknown) => {
    if (error instanceof AwsError && error.code !== 'InternalFailure') return undefined
    throw error
  })
}

const logOf = async (ctx: Ctx, project: ProjectRecord, build: BuildRecord): Promise<string[] | undefined> => {
  const names = logNames(build)
  if (!names || !build.logging) return undefined
  return readable(ctx, project, build, async (role) => {
    const { events } = await role.logs.getLogEvents({
      logGroupName: names.group,
      logStreamName: names.stream,
      startFromHead: true,
    })
    return (events ?? []).map(({ message = '' }) => message)
  })
}

/** Objects that make up an artifact, by the path below its name; one that is an archive is its only object. */
const filesOf = async (role: Caller, location: string): Promise<readonly string[]> => {
  const { bucket, key } = parseS3Location(location) ?? { bucket: '', key: '' }
  const files: string[] = []
  for (let token: string | undefined; ; ) {
    const page = await role.s3.listObjectsV2({
      Bucket: bucket,
      Prefix: key,
      ...(token ? { ContinuationToken: token } : {}),
    })
    for (const { Key = '' } of page.Contents ?? [])
      if (Key === key || key === '' || Key.startsWith(`${key}/`)) files.push(Key.slice(key.length))
    token = page.NextContinuationToken
    if (!token || files.length >= mostFiles) return files.slice(0, mostFiles)
  }
}

/** Files of one artifact that are listed. */
const mostFiles = 1000

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
const decoded = (path: string): string | undefined => {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** Where each file of a build's artifacts is to be had, with what tells whether it is the right one. */
const artifactsOf = (ctx: Ctx, project: ProjectRecord, build: Built, page: string) =>
  readable(ctx, project, build, (role) =>
    Promise.all(
      build.stored.map(async ({ identifier, location, sha256, md5 }, index) => ({
        ...(identifier ? { artifactIdentifier: identifier } : {}),
        ...(sha256 ? { sha256sum: sha256 } : {}),
        ...(md5 ? { md5sum: md5 } : {}),
        files: (await filesOf(role, location)).map((path) => `${page}/artifacts/${index}${encoded(path)}`),
      })),
    ),
  )

/** One file of an artifact, as the object that it is. Whoever made it is not trusted: no browser shall run it as ours. */
const sendFile = async (here: Ctx, project: ProjectRecord, build: Built, exchange: Exchange): Promise<void> => {
  const stored = build.stored[Number(exchange.params.index)]
  const path = decoded(exchange.params.path ?? '')
  const place = stored && parseS3Location(stored.location)
  const object =
    place &&
    path !== undefined &&
    (await readable(here, project, build, (role) =>
      role.s3.getObject({ Bucket: place.bucket, Key: `${place.key}${path}` }),
    ))
  if (!object) return refuse(exchange)
  exchange.response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': 'attachment',
    'x-content-type-options': 'nosniff',
    ...(object.ContentLength === undefined ? {} : { 'content-length': object.ContentLength }),
  })
  const { Body: body } = object
  await pipeline(body instanceof Readable ? body : Readable.from(body ? [body] : []), exchange.response).catch(
    (error: unknown) => {
      // Whoever asked for it went away.
      if (!exchange.response.destroyed) throw error
    },
  )
}

/** Builds and batches of a public project, one of them with its log and artifacts, as JSON, and the artifacts' files. */
export const publicRoute: Route = {
  name: 'codebuild public builds',
  method: 'GET',
  path: /(?<page>\/_drydock\/codebuild\/public\/(?<door>[0-9a-f]{40})(?:\/(?<kind>batches\/)?(?<build>[0-9a-f-]{36}))?)(?:\/artifacts\/(?<index>\d{1,3})(?<path>(?:\/[^?]*)?))?/,
  handle: async (ctx, exchange) => {
    const { door, kind, build: uuid, index, page } = exchange.params
    const at = await found(ctx, door)
    if (!at || at.project.publicAlias !== door || at.project.visibility !== 'PUBLIC_READ') return refuse(exchange)
    const { here, project } = at
    const answer = (content: object) => {
      exchange.response.writeHead(200, { 'content-type': 'application/json' })
      exchange.response.end(JSON.stringify(content))
    }
    if (!uuid) {
      const builds = await latest(here, project.name, lookBack)
      const options = { index: 'project', prefix: `${project.name}/`, reverse: true, limit: lookBack }
      const batches = await here.read((tx) => tx.list(Batch, options))
      return answer({
        project: project.name,
        builds: builds.map((build) => shown(here, build)),
        batches: batches.map((batch) => shownBatch(here, batch)),
      })
    }
    if (kind !== undefined) {
      const batch = await here.read((tx) => tx.get(Batch, `${project.name}:${uuid}`))
      if (!batch) return refuse(exchange)
      if (index !== undefined) return sendFile(here, project, batch, exchange)
      const artifacts = await artifactsOf(here, project, batch, `${ctx.request.endpoint}${page}`)
      return answer({ ...shownBatch(here, batch), artifacts })
    }
    const build = await here.read((tx) => tx.get(Build, `${project.name}:${uuid}`))
    if (!build) return refuse(exchange)
    if (index !== undefined) return sendFile(here, project, build, exchange)
    const [log, artifacts] = await Promise.all([
      logOf(here, project, build),
      artifactsOf(here, project, build, `${ctx.request.endpoint}${page}`),
    ])
    answer({ ...shown(here, build), log, artifacts })
  },
}
