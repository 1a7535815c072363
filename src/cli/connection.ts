import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../config.ts'
import { amzDate, sha256, sign, signingKey, stringToSign } from '../kernel/signature.ts'

/** Something the user can mend: one line, no stack. */
export class CliError extends Error {}

export type ConnectionOptions = { readonly endpoint?: string }

/** Where the server is, and its root credentials: from the environment, else from the data folder, else the loopback pair. */
export const connection = async (options: ConnectionOptions) => {
  const config = await readConfig({}, process.env)
  const endpoint = (
    options.endpoint ??
    process.env.AWS_ENDPOINT_URL ??
    `http://127.0.0.1:${config.port || 4566}`
  ).replace(/\/$/, '')
  const kept = join(config.data, 'root-credentials.json')
  const root: { accessKeyId: string; secretAccessKey: string } = existsSync(kept)
    ? JSON.parse(readFileSync(kept, 'utf8'))
    : { accessKeyId: 'test', secretAccessKey: 'test' }
  return { endpoint, region: config.region, ...root }
}

/** Calls one of the server's own doors, signed as root. Returns the decoded answer; throws CliError with the server's sentence. */
export const callServer = async (
  options: ConnectionOptions,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<unknown> => {
  const { endpoint, region, accessKeyId, secretAccessKey } = await connection(options)
  const url = new URL(endpoint + path)
  const text = body === undefined ? '' : JSON.stringify(body)
  const time = amzDate(Date.now())
  const payloadHash = sha256(text)
  const signed = { host: url.host, 'x-amz-content-sha256': payloadHash, 'x-amz-date': time }
  const scope = { date: time.slice(0, 8), region, service: 'drydock' }
  const parts = { accessKeyId, scope, signedHeaders: Object.keys(signed), signature: '', time }
  const toSign = stringToSign({ method, path: url.pathname, query: '', headers: signed, payloadHash }, parts, false)
  const signature = sign(signingKey(secretAccessKey, scope), toSign)
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.date}/${region}/drydock/aws4_request, SignedHeaders=${parts.signedHeaders.join(';')}, Signature=${signature}`
  let response: Response
  try {
    response = await fetch(url, { method, headers: { ...signed, authorization }, ...(text ? { body: text } : {}) })
  } catch {
    throw new CliError(`no server answers at ${endpoint}; start one with \`drydock up\``)
  }
  const answer = (await response.json()) as { message?: string }
  if (!response.ok) throw new CliError(answer.message ?? `the server answered ${response.status}`)
  return answer
}
