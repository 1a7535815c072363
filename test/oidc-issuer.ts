import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

/** A small OpenID Connect issuer on this machine, as users run one offline. */
export type OidcIssuer = {
  /** `http://localhost:PORT`. */
  readonly url: string
  /** The provider's name in ARNs and condition keys: `localhost:PORT`. */
  readonly name: string
  /** Its public key, as its key set shows it. */
  readonly jwk: JWK
  /** Paths asked for, in order. */
  readonly asked: string[]
  /** Answers other than the usual ones, by path. */
  readonly answers: Map<string, { status: number; headers?: Record<string, string>; body: string }>
  /** A token with these claims over the usual ones, signed by its key. */
  token(claims: JWTPayload, header?: { kid?: string }): Promise<string>
  close(): Promise<void>
}

/** `now` is the clock by which its tokens are issued; they last an hour. */
export const oidcIssuer = async (now: () => Date): Promise<OidcIssuer> => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' }
  const asked: string[] = []
  const answers: OidcIssuer['answers'] = new Map()
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const usual: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/keys` },
      '/keys': { keys: [jwk] },
    }
    const answer = answers.get(path) ?? {
      status: usual[path] ? 200 : 404,
      body: JSON.stringify(usual[path] ?? {}),
    }
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const name = `localhost:${(server.address() as AddressInfo).port}`
  const url = `http://${name}`
  return {
    url,
    name,
    jwk,
    asked,
    answers,
    token: (claims, header = { kid: 'key-1' }) => {
      const iat = Math.floor(now().getTime() / 1000)
      return new SignJWT({ iss: url, aud: 'sts.amazonaws.com', iat, exp: iat + 3600, ...claims })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header })
        .sign(privateKey)
    },
    close: async () => {
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}
