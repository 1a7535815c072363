import { createHash, timingSafeEqual } from 'node:crypto'
import type { Network } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import type { Route } from '../../kernel/service.ts'
import type { Credential } from '../../remotes/git.ts'
import { table, type WriteTx } from '../../store/store.ts'
import { Build, type BuildRecord, serviceRoleOf } from './build.ts'
import { PhaseFailure } from './environment.ts'
import { Sandbox } from './sandbox.ts'
import { gitCredentialOf } from './source-access.ts'

// The container-credentials way of the SDKs: a URL that answers the build's credentials to whoever knows its token.

/** Whose credentials a URL answers. Global: the URL does not tell account and region. */
type DoorRecord = {
  readonly path: string
  readonly account: string
  readonly region: string
  readonly build: string
  readonly digest: string
}

const owner = ({ account, region, build }: Omit<DoorRecord, 'path' | 'digest'>) => `${account}/${region}/${build}`

export const Door = table<DoorRecord>('codebuild.door', {
  scope: 'global',
  key: ({ path }) => path,
  index: { build: owner },
})

/** Forgets every way to a build's credentials. */
export const closeDoors = async (ctx: Ctx, tx: WriteTx, build: string): Promise<void> => {
  for (const { path } of await tx.list(Door, { index: 'build', equals: owner({ ...ctx.place, build }) }))
    tx.delete(Door, path)
}

const digestOf = (token: string) => createHash('sha256').update(token).digest('hex')

const prefix = '/_drydock/codebuild/credentials/'

/**
 * Opens the way to a build's credentials. Returns the variables by which SDKs find it, and what of them is secret. A task with
 * doors of its own asks at 169.254.170.2, where it is known by its address; others show a token.
 */
export const openDoor = async (
  ctx: Ctx,
  build: string,
  network: Network,
): Promise<{ variables: Readonly<Record<string, string>>; secrets: readonly string[] }> => {
  const path = ctx.random(32)
  const token = ctx.random(64)
  await ctx.write(async (tx) => {
    tx.put(Door, { path, ...ctx.place, build, digest: digestOf(token) })
  })
  if (network !== 'host')
    return { variables: { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: `${prefix}${path}` }, secrets: [path] }
  return {
    variables: {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${ctx.compute.endpointFor(network)}${prefix}${path}`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
    },
    secrets: [token],
  }
}

/** How long the credentials handed out live, in seconds; SDKs ask again before. */
const life = 3600

/** Whose task it is: those of builds and of sandboxes are named after them. */
const isTaskOf = (task: string, id: string) =>
  ['build', 'sandbox'].some((kind) => task === `${kind}-${id.slice(id.lastIndexOf(':') + 1)}`)

/** What git in a build asks for; `undefined` for what the service role may not have. */
const gitCredential = async (ctx: Ctx, build: BuildRecord, query: string): Promise<Credential | undefined> => {
  const origin = new URLSearchParams(query).get('origin') ?? ''
  try {
    return await gitCredentialOf(ctx, serviceRoleOf(ctx, build), build, origin)
  } catch (error) {
    if (!(error instanceof PhaseFailure)) throw error
    ctx.log.warn('git in a build was given no credential', { build: build.id, error: error.message })
    return undefined
  }
}

const route = (door: 'credentials' | 'endpoint'): Route => ({
  name: `codebuild credentials by the door ${door}`,
  door,
  method: 'GET',
  path: /\/_drydock\/codebuild\/credentials\/(?<door>[0-9a-f]{32})(?<git>\/git)?/,
  handle: async (ctx, { request, response, params, from }) => {
    const refuse = (status: number, message: string) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ code: 'AccessDenied', message }))
    }
    const door = await ctx.read((tx) => tx.get(Door, params.door ?? ''))
    const shown = Buffer.from(digestOf(request.headers.authorization ?? ''))
    const known = door && from?.door === 'credentials' && isTaskOf(from.task, door.build)
    if (!door || !(known || timingSafeEqual(shown, Buffer.from(door.digest)))) return refuse(403, 'The token is wrong.')
    const here = ctx.at({ account: door.account, region: door.region })
    const build = await here.read(async (tx) => {
      const sandbox = await tx.get(Sandbox, door.build)
      return sandbox ? { ...sandbox, serviceRole: sandbox.settings.serviceRole } : await tx.get(Build, door.build)
    })
    if (!build || build.ended !== undefined) return refuse(403, 'The build has ended.')
    if (params.git !== undefined) {
      const found = 'source' in build ? await gitCredential(here, build, ctx.request.query) : undefined
      if (!found) return refuse(404, 'There is no source by connection, or none that the service role may push to.')
      response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' })
      return void response.end(`username=${found.user}\npassword=${found.token}\n`)
    }
    const issued = await serviceRoleOf(here, build).credentials(life)
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(
      JSON.stringify({
        RoleArn: build.serviceRole,
        AccessKeyId: issued.accessKeyId,
        SecretAccessKey: issued.secretAccessKey,
        Token: issued.sessionToken,
        Expiration: issued.expiration.toISOString().replace(/\.\d+Z$/, 'Z'),
      }),
    )
  },
})

/** Answer the service role's credentials to a running build: by its token, or by the door it comes through. */
export const credentialsRoutes: readonly Route[] = [route('endpoint'), route('credentials')]
