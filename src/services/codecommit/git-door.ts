// Git's smart HTTP protocol (gitprotocol-http) on the endpoint's port: git itself speaks, we say who may.

import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import { answerReferences, readQuestion } from './git-answers.ts'
import { gitCaller, Refusal } from './git-caller.ts'
import {
  type Asked as AskedOfGit,
  advertise,
  deny,
  type GitService,
  inTurn,
  isGitService,
  openRepository,
  readHead,
  recordPull,
  serve,
  takePush,
} from './git-serving.ts'
import { flush, PktLineError, type PushHead, pktLine, readPushHead } from './pkt-line.ts'
import { databaseOf } from './repositories.ts'

type Asked = AskedOfGit & { readonly exchange: Exchange }

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
  if (!isGitService(service)) throw new Refusal(400, 'Git over HTTP is served by its smart protocol only.')
  if (exchange.request.method !== method) throw new Refusal(405, `Use ${method}.`, { allow: method })
  const ctx = await gitCaller(anyone, exchange, `/v1/repos/${name}${suffix}`)
  const visitor = { ctx, protocol: 'HTTP', audit: exchange.audit, version: versionOf(exchange) } as const
  const asked: Asked = { ...(await openRepository(visitor, service, name)), exchange }
  const answer = service === 'git-upload-pack' ? uploadPack : receivePack
  await inTurn(() => (what === 'info/refs' ? introduce(asked, service) : answer(asked)))
}

/** The protocol version the client asks for, if it is one that git knows. */
const versionOf = ({ request }: Exchange): string | undefined => {
  const header = request.headers['git-protocol']
  return typeof header === 'string' && /^version=[0-2]$/.test(header) ? header : undefined
}

const introduce = async (asked: Asked, service: GitService): Promise<void> => {
  const references = await advertise(asked, service)
  const version2 = service === 'git-upload-pack' && asked.version === 'version=2'
  const { response } = asked.exchange
  response.writeHead(200, { 'content-type': `application/x-${service}-advertisement`, ...uncached })
  response.end(version2 ? references : Buffer.concat([pktLine(`# service=${service}\n`), flush, references]))
}

/** The request's body as git wrote it. */
async function* bodyOf({ request, response }: Exchange): AsyncGenerator<Uint8Array> {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && !['identity', 'gzip', 'x-gzip'].includes(encoding))
    throw new Refusal(415, `Content encoding ${encoding} is not supported.`)
  let body: Readable = request
  if (encoding?.endsWith('gzip')) {
    const gunzip = createGunzip()
    pipeline(request, gunzip).catch(() => {})
    body = gunzip
  }
  // Leaving early must not destroy the connection before the answer is out.
  yield* body.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Uint8Array>
}

const expectType = ({ request }: Exchange, service: GitService): void => {
  if (request.headers['content-type'] !== `application/x-${service}-request`)
    throw new Refusal(415, `The content type must be application/x-${service}-request.`)
}

const resultHead = (service: GitService) => ({ 'content-type': `application/x-${service}-result`, ...uncached })

const uploadPack = async (asked: Asked): Promise<void> => {
  const { ctx, exchange } = asked
  expectType(exchange, 'git-upload-pack')
  const { head, whole } = await readHead(bodyOf(exchange), readQuestion)
  const { response } = exchange
  if (typeof head === 'object' && asked.version === 'version=2') {
    const answer = await answerReferences(databaseOf(ctx, asked.repository.id), head)
    if (answer) {
      response.writeHead(200, resultHead('git-upload-pack'))
      response.end(answer)
      return
    }
  }
  const { child, ended, complaint } = serve(asked, 'git-upload-pack', {}, '--stateless-rpc')
  // A client that goes away takes its git with it.
  response.once('close', () => child.kill('SIGTERM'))
  pipeline(whole, child.stdin).catch(() => child.kill('SIGTERM'))
  // git's first bytes show that it runs; until then a failure can still be told.
  await Promise.race([once(child.stdout, 'readable'), ended])
  response.writeHead(200, resultHead('git-upload-pack'))
  await pipeline(child.stdout, response, { end: false }).catch(() => child.kill('SIGTERM'))
  const code = await ended
  if (code !== 0) ctx.log.debug('git upload-pack ended with an error', { code, stderr: complaint() })
  if (typeof head !== 'object') await recordPull(asked)
  response.end()
}

const receivePack = async (asked: Asked): Promise<void> => {
  const { exchange } = asked
  expectType(exchange, 'git-receive-pack')
  const { head: found, whole } = await readHead(bodyOf(exchange), readPushHead)
  const head: PushHead = found?.head ?? { commands: [], capabilities: [] }
  const denial = await deny(asked, head)
  // git reads the answer once it has sent everything.
  if (denial) for await (const _ of whole);
  const report = denial ?? (await takePush(asked, head, whole))
  exchange.response.writeHead(200, resultHead('git-receive-pack'))
  exchange.response.end(report)
}
