// Git's smart HTTP protocol (gitprotocol-http) on the endpoint's port: git itself speaks, we say who may.

import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { finish, startGit } from './git.ts'
import { gitCaller, Refusal } from './git-caller.ts'
import { isReferenceName, isRepositoryName } from './names.ts'
import { flush, PktLineError, type PushHead, pktLine, readLine, readPushHead, readReport, refusal } from './pkt-line.ts'
import { withAnnouncement } from './references.ts'
import { arnOf, databaseOf, Repository } from './repositories.ts'
import { turns } from './turns.ts'

type Service = 'git-upload-pack' | 'git-receive-pack'

const actions = { 'git-upload-pack': 'GitPull', 'git-receive-pack': 'GitPush' } as const

const isService = (text: string | null | undefined): text is Service =>
  text === 'git-upload-pack' || text === 'git-receive-pack'

/** Clone, fetch and push at `/v1/repos/NAME`, with and without `.git`, by the endpoint's name or CodeCommit's own. */
export const gitDoor: Route = {
  name: 'git',
  path: /\/v1\/repos\/(?<name>[^/]+?)(?<suffix>\.git)?\/(?<what>info\/refs|git-upload-pack|git-receive-pack)/,
  handle: async (ctx, exchange) => {
    try {
      await serveGit(ctx, exchange)
    } catch (thrown) {
      refuse(exchange, toRefusal(ctx, thrown))
    }
  },
}

const toRefusal = (ctx: Ctx, thrown: unknown): Refusal => {
  if (thrown instanceof Refusal) return thrown
  if (thrown instanceof PktLineError) return new Refusal(400, thrown.message)
  if (thrown instanceof AwsError) return new Refusal(thrown.status ?? 400, thrown.message)
  ctx.log.error('git door failed', {
    error: thrown instanceof Error ? thrown.stack : String(thrown),
    request: ctx.request.id,
  })
  return new Refusal(500, `Internal failure. Request id: ${ctx.request.id}`)
}

const refuse = ({ request, response }: Exchange, { status, message, headers }: Refusal): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  // What of a body is still to come is nobody's: the connection ends with the answer.
  const close = request.complete ? {} : { connection: 'close' }
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...uncached, ...close, ...headers })
  response.end(`${message}\n`)
  request.resume()
}

const uncached = { 'cache-control': 'no-cache, max-age=0, must-revalidate', pragma: 'no-cache', expires: '0' }

const serveGit = async (anyone: Ctx, exchange: Exchange): Promise<void> => {
  const { name = '', suffix = '', what = '' } = exchange.params
  const query = new URLSearchParams(anyone.request.query)
  const service = what === 'info/refs' ? query.get('service') : what
  const method = what === 'info/refs' ? 'GET' : 'POST'
  if (!isService(service)) throw new Refusal(400, 'Git over HTTP is served by its smart protocol only.')
  if (exchange.request.method !== method) throw new Refusal(405, `Use ${method}.`, { allow: method })
  const ctx = await gitCaller(anyone, exchange, `/v1/repos/${name}${suffix}`)
  const notFound = new Refusal(404, `Repository ${name} does not exist in ${ctx.region}.`)
  if (!isRepositoryName(name)) throw notFound
  await authorize(ctx, exchange, service, name)
  const repository = await ctx.read((tx) => tx.get(Repository, name))
  if (!repository) throw notFound
  const asked: Asked = { ctx, exchange, repository }
  const serve = service === 'git-upload-pack' ? uploadPack : receivePack
  await inTurn(() => (what === 'info/refs' ? advertise(asked, service) : serve(asked)))
}

/** How many gits serve clients at a time: a host has so many processes for all repositories together. */
const inTurn = turns(32)

type Asked = { readonly ctx: Ctx; readonly exchange: Exchange; readonly repository: Repository }

/** Throws `Refusal` 403 with IAM's sentence, and leaves a record of the denial. */
const authorize = async (ctx: Ctx, exchange: Exchange, service: Service, name: string, references?: string[]) => {
  const eventName = actions[service]
  const action = `codecommit:${eventName}`
  try {
    // A push is allowed in general before it says which references it wants to move, as on AWS: policies that restrict
    // references say so with a `Null` condition (CodeCommit user guide, "Limit pushes and merges to branches").
    if (!references) await ctx.authorize(action, arnOf(ctx, name))
    for (const reference of references ?? [])
      await ctx.authorize(action, arnOf(ctx, name), { 'codecommit:References': [reference] })
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || !thrown.code.startsWith('AccessDenied')) throw thrown
    const { code, message } = thrown
    const readOnly = eventName === 'GitPull'
    await exchange.audit(ctx, {
      eventName,
      readOnly,
      requestParameters: null,
      resources: [arnOf(ctx, name)],
      additionalEventData: { protocol: 'HTTP', dataTransferred: false, repositoryName: name },
      error: { code, message },
    })
    throw new Refusal(403, message)
  }
}

/** The protocol version the client asks for, if it is one that git knows. */
const protocol = (exchange: Exchange): Record<string, string> => {
  const header = exchange.request.headers['git-protocol']
  return typeof header === 'string' && /^version=[0-2]$/.test(header) ? { GIT_PROTOCOL: header } : {}
}

const program = { 'git-upload-pack': ['upload-pack', '--strict'], 'git-receive-pack': ['receive-pack'] } as const

const start = ({ ctx, exchange, repository }: Asked, service: Service, ...options: string[]) =>
  startGit([...program[service], '--stateless-rpc', ...options, '--', databaseOf(ctx, repository.id)], {
    env: protocol(exchange),
  })

const advertise = async (asked: Asked, service: Service): Promise<void> => {
  const running = start(asked, service, '--advertise-refs')
  running.child.stdin.end()
  const { code, stdout: references } = await finish(running)
  if (code !== 0) throw new Error(`git ${service} --advertise-refs ended with ${code}`)
  const version2 = service === 'git-upload-pack' && protocol(asked.exchange).GIT_PROTOCOL === 'version=2'
  const { response } = asked.exchange
  response.writeHead(200, { 'content-type': `application/x-${service}-advertisement`, ...uncached })
  response.end(version2 ? references : Buffer.concat([pktLine(`# service=${service}\n`), flush, references]))
}

/** The request's body as git wrote it. */
const bodyOf = ({ request, response }: Exchange): Readable => {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return request
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new Refusal(415, `Content encoding ${encoding} is not supported.`)
  const gunzip = createGunzip()
  pipeline(request, gunzip).catch(() => {})
  return gunzip
}

/** Reads until `read` has found what it needs at the beginning; gives that, and the whole body again as a stream of bytes. */
const readHead = async <T>(body: Readable, read: (bytes: Buffer) => T | undefined) => {
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Uint8Array>
  let bytes = Buffer.alloc(0)
  let head: T | undefined
  while (head === undefined) {
    const next = await chunks.next()
    if (next.done) break
    bytes = Buffer.concat([bytes, next.value])
    head = read(bytes)
  }
  const whole = async function* () {
    yield bytes
    yield* chunks
  }
  return { head, whole: whole() }
}

const expectType = ({ request }: Exchange, service: Service): void => {
  if (request.headers['content-type'] !== `application/x-${service}-request`)
    throw new Refusal(415, `The content type must be application/x-${service}-request.`)
}

const resultHead = (service: Service) => ({ 'content-type': `application/x-${service}-result`, ...uncached })

const uploadPack = async (asked: Asked): Promise<void> => {
  const { ctx, exchange } = asked
  expectType(exchange, 'git-upload-pack')
  const { head, whole } = await readHead(bodyOf(exchange), (bytes) => readLine(bytes, 0))
  const { child, ended, complaint } = start(asked, 'git-upload-pack')
  const { response } = exchange
  // A client that goes away takes its git with it.
  response.once('close', () => child.kill('SIGTERM'))
  pipeline(whole, child.stdin).catch(() => child.kill('SIGTERM'))
  // git's first bytes show that it runs; until then a failure can still be told.
  await Promise.race([once(child.stdout, 'readable'), ended])
  response.writeHead(200, resultHead('git-upload-pack'))
  await pipeline(child.stdout, response, { end: false }).catch(() => child.kill('SIGTERM'))
  const code = await ended
  if (code !== 0) ctx.log.debug('git upload-pack ended with an error', { code, stderr: complaint() })
  if (head?.payload?.toString('utf8').trim() !== 'command=ls-refs')
    await exchange.audit(ctx, {
      eventName: 'GitPull',
      readOnly: true,
      requestParameters: null,
      ...transferred(asked),
    })
  response.end()
}

/** What a record of git's traffic has besides (CodeCommit user guide, "Logging AWS CodeCommit API calls with AWS CloudTrail"). */
const transferred = ({ ctx, repository: { id, name } }: Asked) => ({
  resources: [arnOf(ctx, name)],
  additionalEventData: { protocol: 'HTTP', dataTransferred: true, repositoryName: name, repositoryId: id },
})

const receivePack = async (asked: Asked): Promise<void> => {
  const { ctx, exchange, repository } = asked
  expectType(exchange, 'git-receive-pack')
  const { head: found, whole } = await readHead(bodyOf(exchange), readPushHead)
  const head: PushHead = found?.head ?? { commands: [], capabilities: [] }
  const denial = await deny(asked, head)
  if (denial) {
    // git reads the answer once it has sent everything.
    for await (const _ of whole);
    exchange.response.writeHead(200, resultHead('git-receive-pack'))
    exchange.response.end(denial)
    return
  }
  let report: Buffer | undefined
  const push = async () => {
    report = await receive(asked, whole)
    const done = new Set(readReport(report, head.capabilities))
    return head.commands.filter(({ reference }) => done.has(reference))
  }
  // git asks with an empty request first when it does not know whether it may.
  if (head.commands.length === 0) await push()
  else {
    const made = await withAnnouncement(ctx, repository, head.commands, push)
    const references = made.map(({ reference, to }) => ({ ref: reference, commit: to }))
    await exchange.audit(ctx, {
      eventName: 'GitPush',
      readOnly: false,
      requestParameters: { references },
      ...transferred(asked),
    })
  }
  exchange.response.writeHead(200, resultHead('git-receive-pack'))
  exchange.response.end(report)
}

/** Has git take the push. Its report is kept back until the push is announced: what is acknowledged is never lost. */
const receive = async (asked: Asked, body: AsyncGenerator<Uint8Array>): Promise<Buffer> => {
  const running = start(asked, 'git-receive-pack')
  // A push cut off on its way changes nothing: git is ended before it could take the pack for whole.
  const feeding = pipeline(body, running.child.stdin).catch(() => running.child.kill('SIGTERM'))
  const { stdout, code, stderr } = await finish(running)
  await feeding
  if (code !== 0) asked.ctx.log.debug('git receive-pack ended with an error', { code, stderr })
  return stdout
}

/** Quotas in CodeCommit, for one push. */
const mostReferences = 4000

/** The report that refuses a push which would move a reference the caller may not move, or one that no one may have. */
const deny = async ({ ctx, exchange, repository }: Asked, head: PushHead): Promise<Buffer | undefined> => {
  const references = head.commands.map(({ reference }) => reference)
  const bad = references.find((reference) => !reference.startsWith('refs/') || !isReferenceName(reference))
  if (bad !== undefined) return refusal(head, 'invalid reference name', `${bad} is not a valid reference name.`)
  if (references.length > mostReferences)
    return refusal(head, 'too many references', `A push can change at most ${mostReferences} references.`)
  try {
    await authorize(ctx, exchange, 'git-receive-pack', repository.name, references)
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    return refusal(head, "You don't have permission to push changes to this branch.", thrown.message)
  }
}
