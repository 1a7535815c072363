import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { amzDate, canonicalPath, emptyHash, sha256, sign, signingKey, stringToSign } from '../../../kernel/signature.ts'

// What the agent knows of the machine it runs in and how it asks AWS: as any SDK would, by the instance metadata service.

const metadata = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? 'http://169.254.169.254'

/** Reads one item of the instance metadata, version 2. */
const readMetadata = async (path: string): Promise<string> => {
  const limit = { signal: AbortSignal.timeout(2_000) }
  const token = await fetch(`${metadata}/latest/api/token`, {
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '300' },
    ...limit,
  })
  if (!token.ok) throw new Error(`the instance metadata service answered ${token.status}`)
  const answer = await fetch(`${metadata}/latest/${path}`, {
    headers: { 'x-aws-ec2-metadata-token': await token.text() },
    ...limit,
  })
  if (!answer.ok) throw new Error(`the instance metadata service answered ${answer.status} for ${path}`)
  return answer.text()
}

type Keys = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expires: number
}

/** The machine, once it is known. */
export type Host = {
  readonly endpoint: string
  readonly region: string
  readonly identifier: string
  readonly keys: () => Promise<Keys>
  /** The credentials were refused: fresh ones next time. */
  readonly forgetKeys: () => void
}

const endpointOf = (region: string): string =>
  (process.env.AWS_ENDPOINT_URL ?? `https://codedeploy-commands.${region}.amazonaws.com`).replace(/\/$/, '')

/**
 * Finds out who this machine is: what `etc/codedeploy-agent/conf/codedeploy.onpremises.yml` says, or else the instance
 * metadata. Throws while the metadata service does not answer.
 */
export const findHost = async (root: string): Promise<Host> => (await onPremisesHost(root)) ?? findInstance()

const findInstance = async (): Promise<Host> => {
  const document = JSON.parse(await readMetadata('dynamic/instance-identity/document')) as {
    accountId: string
    region: string
    instanceId: string
  }
  const { accountId, region, instanceId } = document
  let keys: Keys | undefined
  return {
    endpoint: endpointOf(region),
    region,
    identifier: `arn:aws:ec2:${region}:${accountId}:instance/${instanceId}`,
    keys: async () => {
      if (!keys || keys.expires - Date.now() < 300_000) keys = await readKeys()
      return keys
    },
    forgetKeys: () => {
      keys = undefined
    },
  }
}

const readKeys = async (): Promise<Keys> => {
  const role = (await readMetadata('meta-data/iam/security-credentials/')).trim().split('\n')[0]
  if (!role) throw new Error('the instance has no instance profile')
  const found = JSON.parse(await readMetadata(`meta-data/iam/security-credentials/${role}`)) as Record<string, string>
  if (found.Code !== 'Success') throw new Error(found.Message ?? 'the instance profile gives no credentials')
  return {
    accessKeyId: found.AccessKeyId ?? '',
    secretAccessKey: found.SecretAccessKey ?? '',
    sessionToken: found.Token ?? '',
    expires: Date.parse(found.Expiration ?? ''),
  }
}

/**
 * A machine outside of EC2 ("Configuring an on-premises instance"): an IAM user with the keys in the file, or a session
 * whose keys somebody renews in a credentials file of the AWS SDKs.
 */
const onPremisesHost = async (root: string): Promise<Host | undefined> => {
  const path = join(root, 'etc/codedeploy-agent/conf/codedeploy.onpremises.yml')
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const file: Record<string, unknown> = parse(text) ?? {}
  const setting = (name: string): string => {
    const value = file[name] ?? file[`:${name}`]
    if (typeof value !== 'string' || value === '') throw new Error(`${path} has no ${name}`)
    return value
  }
  const session = file.iam_session_arn !== undefined || file[':iam_session_arn'] !== undefined
  const region = setting('region')
  return {
    endpoint: endpointOf(region),
    region,
    identifier: setting(session ? 'iam_session_arn' : 'iam_user_arn'),
    keys: async () =>
      session
        ? readCredentials(await readFile(setting('aws_credentials_file'), 'utf8'))
        : {
            accessKeyId: setting('aws_access_key_id'),
            secretAccessKey: setting('aws_secret_access_key'),
            expires: Number.POSITIVE_INFINITY,
          },
    forgetKeys: () => {},
  }
}

/** The default profile of a credentials file. */
const readCredentials = (text: string): Keys => {
  const found: Record<string, string> = {}
  let profile = ''
  for (const line of text.split(/\r?\n/)) {
    profile = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1] ?? profile
    const [, name = '', value = ''] = /^\s*([a-z_]+)\s*=\s*(\S+)\s*$/.exec(line) ?? []
    if (profile === 'default' && name) found[name] = value
  }
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey, aws_session_token: token } = found
  if (!accessKeyId || !secretAccessKey) throw new Error('the credentials file has no keys in its default profile')
  return { accessKeyId, secretAccessKey, ...(token ? { sessionToken: token } : {}), expires: Number.POSITIVE_INFINITY }
}

/** Sends a request signed with the instance's credentials (Signature Version 4). */
export const signedFetch = async (
  host: Host,
  request: {
    service: string
    method: 'GET' | 'POST'
    path: string
    query?: string
    body?: string
    headers?: Record<string, string>
    signal?: AbortSignal
  },
): Promise<Response> => {
  const { service, method, path, query = '', body = '' } = request
  const keys = await host.keys()
  const url = new URL(`${host.endpoint}${path}${query ? `?${query}` : ''}`)
  const time = amzDate(Date.now())
  const payloadHash = body === '' ? emptyHash : sha256(body)
  const headers: Record<string, string> = {
    ...request.headers,
    host: url.host,
    'x-amz-content-sha256': payloadHash,
    'x-amz-date': time,
    ...(keys.sessionToken ? { 'x-amz-security-token': keys.sessionToken } : {}),
  }
  const scope = { date: time.slice(0, 8), region: host.region, service }
  const signedHeaders = Object.keys(headers).sort()
  const parts = { accessKeyId: keys.accessKeyId, scope, signedHeaders, signature: '', time }
  const signature = sign(
    signingKey(keys.secretAccessKey, scope),
    stringToSign({ method, path, query, headers, payloadHash }, parts, service === 's3'),
  )
  const { host: _host, ...sent } = headers
  return fetch(url, {
    method,
    headers: {
      ...sent,
      authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope.date}/${scope.region}/${service}/aws4_request, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`,
    },
    ...(method === 'POST' ? { body } : {}),
    ...(request.signal ? { signal: request.signal } : {}),
  })
}

/** A key as the path of a request: each segment percent-encoded. */
export const objectPath = (bucket: string, key: string): string => canonicalPath(`/${bucket}/${key}`, false)

/** The host command service's own answer that a call cannot be carried out. */
export class Refused extends Error {
  readonly status: number
  constructor(operation: string, status: number, text: string) {
    super(`${operation} was answered ${status}: ${text.slice(0, 500)}`)
    this.status = status
  }
}

/** A server that died may leave a connection behind on which nothing ever comes, in milliseconds. */
const patience = 10_000

/** Calls one operation of the host command service. Throws Refused with the service's sentence. */
export const callCommands = async <T>(host: Host, operation: string, input: object): Promise<T> => {
  const body = JSON.stringify(input)
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': `CodeDeployCommandService_v20141006.${operation}`,
  }
  const response = await signedFetch(host, {
    service: 'codedeploy-commands',
    method: 'POST',
    path: '/',
    body,
    headers,
    signal: AbortSignal.timeout(patience),
  })
  const text = await response.text()
  if (response.status === 403) host.forgetKeys()
  if (!response.ok) throw new Refused(operation, response.status, text)
  return JSON.parse(text) as T
}
