// Who is behind a git client: the Basic credentials it sends.

import type { Ctx } from '../../kernel/context.ts'
import type { Exchange } from '../../kernel/service.ts'
import { gitCredentials } from '../capabilities.ts'
import { readGitPassword, signedAt, verifyGit } from './signature.ts'

/** An answer of the git door that is not git's own. Plain text: git shows it to the person at the terminal. */
export class Refusal extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.headers = headers
  }
}

/** How far a signature's time may be from ours. Milliseconds. */
const tolerance = 15 * 60_000

const readBasic = (header: string | undefined): { userName: string; password: string } | undefined => {
  const encoded = /^basic ([a-z0-9+/=_-]+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { userName: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** The host as git named it, without port, and the region in it, if it has AWS's form. */
export const hostOf = (exchange: Exchange): { host: string; region: string | undefined } => {
  const host = (exchange.request.headers.host ?? '').replace(/:\d+$/, '')
  return { host, region: /^git-codecommit\.([a-z0-9-]+)\./.exec(host)?.[1] }
}

/**
 * The caller's context in the account of the caller and the region of the host name (the default one by the endpoint's
 * own name). Takes Git credentials of IAM users, and the signed passwords of `aws codecommit credential-helper`, whose
 * user name is an access key id, for temporary credentials with `%` and the session token after it.
 * Throws `Refusal`: 401 when nothing was sent, 403 when it is wrong, as CodeCommit does.
 */
export const gitCaller = async (ctx: Ctx, exchange: Exchange, urlPath: string): Promise<Ctx> => {
  const sent = readBasic(exchange.request.headers.authorization)
  if (!sent)
    throw new Refusal(401, 'CodeCommit asks for a user name and a password.', {
      'www-authenticate': 'Basic realm="AWS CodeCommit"',
    })
  const { host, region } = hostOf(exchange)
  const wrong = () => new Refusal(403, 'The user name or the password is not valid, or it has expired.')
  const signature = readGitPassword(sent.password)
  const actAs = (principal: Ctx['principal']) =>
    exchange.actAs(principal, { account: principal.account || ctx.account, region: region ?? ctx.region })
  if (!signature) {
    const principal = await ctx.use(gitCredentials).verify(sent.userName, sent.password)
    if (!principal) throw wrong()
    return actAs(principal)
  }
  const [accessKeyId = '', ...token] = sent.userName.split('%')
  const credential = await exchange.credential(accessKeyId, token.length > 0 ? token.join('%') : undefined)
  if (!credential) throw wrong()
  const { secret, principal } = credential
  if (secret !== undefined) {
    const age = Math.abs(exchange.wallClock() - signedAt(signature))
    // git asks its helper with the remote's URL, which may end in a slash that its requests no longer have.
    const paths = [urlPath, `${urlPath}/`]
    const regions = [...new Set([region ?? ctx.region, ctx.region])]
    if (!(age <= tolerance) || !verifyGit(signature, { secret, regions, host, paths })) throw wrong()
  }
  return actAs(principal)
}
