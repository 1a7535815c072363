// Runs inside a machine, sent there by Run Command as text: it has nothing but Node itself. `DEPLOY` says what to do: fetch the
// artifact under the machine's own role, and carry out one step of a deployment with it.
import { spawnSync } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, normalize, resolve } from 'node:path'
import { inflateRawSync } from 'node:zlib'

type Script = { location: string; timeout: number; runas?: string; folder?: string }
type Work = {
  region: string
  bucket: string
  key: string
  id: string
  step: 'AfterDeploy' | 'BeforeDeploy' | 'Deploy'
  files: { source: string; destination: string }[]
  before: Script[]
  after: Script[]
  /** Nothing comes after this step. */
  last: boolean
}

const work = JSON.parse(process.env.DEPLOY ?? '{}') as Work
const metadata = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? 'http://169.254.169.254'

const credentials = async (): Promise<{ id: string; secret: string; token: string }> => {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token = '' } = process.env
  if (id && secret) return { id, secret, token }
  const session = await fetch(`${metadata}/latest/api/token`, {
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
  })
  const headers = { 'x-aws-ec2-metadata-token': await session.text() }
  const base = `${metadata}/latest/meta-data/iam/security-credentials/`
  const role = (await (await fetch(base, { headers })).text()).trim()
  const found = (await (await fetch(`${base}${role}`, { headers })).json()) as Record<string, string>
  return { id: found.AccessKeyId ?? '', secret: found.SecretAccessKey ?? '', token: found.Token ?? '' }
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

/** GetObject, signed by hand (Signature Version 4). */
const fetchArtifact = async (): Promise<Buffer> => {
  const { id, secret, token } = await credentials()
  const endpoint = (process.env.AWS_ENDPOINT_URL ?? `https://s3.${work.region}.amazonaws.com`).replace(/\/$/, '')
  const path = `/${work.bucket}/${work.key.split('/').map(escaped).join('/')}`
  const time = `${new Date()
    .toISOString()
    .replace(/[-:]|\.\d+/g, '')
    .slice(0, 15)}Z`
  const headers: Record<string, string> = {
    host: new URL(endpoint).host,
    'x-amz-content-sha256': hash(''),
    'x-amz-date': time,
    ...(token ? { 'x-amz-security-token': token } : {}),
  }
  const names = Object.keys(headers).sort()
  const request = ['GET', path, '', ...names.map((name) => `${name}:${headers[name]}`), '', names.join(';'), hash('')]
  const scope = `${time.slice(0, 8)}/${work.region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, hash(request.join('\n'))].join('\n')
  const key = ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${secret}`, time.slice(0, 8)), work.region))
  const authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${hmac(key, text).toString('hex')}`
  const { host: _host, ...sent } = headers
  const answer = await fetch(`${endpoint}${path}`, { headers: { ...sent, authorization } })
  if (!answer.ok)
    throw new Error(`The artifact cannot be fetched: ${answer.status} ${(await answer.text()).slice(0, 1000)}`)
  return Buffer.from(await answer.arrayBuffer())
}

/** Unpacks a zip archive; what would lie outside of the folder is refused. */
const unpack = (zip: Buffer, folder: string): void => {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
  if (end < 0) throw new Error('The artifact is not a zip archive.')
  let at = zip.readUInt32LE(end + 16)
  for (let count = zip.readUInt16LE(end + 10); count > 0; count--) {
    const [method, packed, nameLength] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 20),
      zip.readUInt16LE(at + 28),
    ]
    const mode = zip.readUInt32LE(at + 38) >>> 16
    const start = zip.readUInt32LE(at + 42)
    const name = zip.subarray(at + 46, at + 46 + nameLength).toString()
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
    const path = normalize(name)
    if (path.startsWith('..') || path.startsWith('/'))
      throw new Error(`The artifact holds a path that leaves it: ${name}`)
    const target = join(folder, path)
    if (name.endsWith('/')) {
      mkdirSync(target, { recursive: true })
      continue
    }
    const from = start + 30 + zip.readUInt16LE(start + 26) + zip.readUInt16LE(start + 28)
    const bytes = zip.subarray(from, from + packed)
    const content = method === 0 ? bytes : inflateRawSync(bytes)
    mkdirSync(dirname(target), { recursive: true })
    if ((mode & 0o170000) === 0o120000) {
      const to = content.toString()
      if (normalize(join(dirname(path), to)).startsWith('..') || to.startsWith('/'))
        throw new Error(`The artifact holds a link that leaves it: ${name}`)
      symlinkSync(to, target)
    } else writeFileSync(target, content, { mode: mode & 0o777 || 0o644 })
  }
}

/** Beside the folders of the commands, which follow each other. */
const folder = resolve('../../../codepipeline', work.id)
const archive = join(folder, 'archive')
const ready = async (): Promise<void> => {
  if (existsSync(archive)) return
  const partial = join(folder, 'partial')
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  unpack(await fetchArtifact(), partial)
  renameSync(partial, archive)
}

const run = ({ location, timeout, runas, folder = archive }: Script): void => {
  const script = join(folder, location)
  if (!existsSync(script)) throw new Error(`No such file: ${location}`)
  chmodSync(script, statSync(script).mode | 0o555)
  console.log(`${location}:`)
  const [program, args] = runas ? ['su', ['-s', '/bin/sh', runas, '-c', script]] : [script, []]
  const { status, signal, error } = spawnSync(program as string, args as string[], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: timeout * 1000,
    killSignal: 'SIGKILL',
  })
  if (status !== 0) throw new Error(`${location} ended with ${status ?? signal ?? error?.message}`)
}

const copy = ({ source, destination }: Work['files'][number]): void => {
  const from = join(archive, source)
  if (!existsSync(from)) throw new Error(`No such file: ${source}`)
  mkdirSync(destination, { recursive: true })
  const to = statSync(from).isDirectory() ? destination : join(destination, source.split('/').at(-1) ?? '')
  cpSync(from, to, { recursive: true, force: true, verbatimSymlinks: true })
  console.log(`${source} is at ${destination}`)
}

try {
  await ready()
  if (work.step === 'Deploy') for (const one of work.files) copy(one)
  else for (const script of work.step === 'BeforeDeploy' ? work.before : work.after) run(script)
  if (work.last) rmSync(folder, { recursive: true, force: true })
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
