import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import * as z from 'zod'
import type { RegisteredImage } from './compute/driver.ts'
import type { KnownHost } from './kernel/context.ts'

/** The options of `drydock up`. Each is a command-line option, an environment variable `DRYDOCK_…` and a key of `drydock.yaml`. */
const schema = z.strictObject({
  port: z.coerce.number().int().min(0).max(65_535).default(4566),
  /** Where git over SSH is served; not at all unless told. */
  sshPort: z.coerce.number().int().min(0).max(65_535).optional(),
  host: z.string().min(1).default('127.0.0.1'),
  /** By which base URL others reach this server from outside; Git providers are told of webhooks only with it. */
  publicUrl: z
    .url({ protocol: /^https?$/, message: 'must begin with http:// or https://' })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
  data: z.string().min(1).default('.drydock'),
  ephemeral: flag(),
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be 12 digits')
    .default('000000000000'),
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a region name such as us-east-1')
    .default('us-east-1'),
  auth: z.enum(['enforce', 'trust']).default('enforce'),
  compute: z.enum(['auto', 'sandbox', 'docker', 'process', 'fake']).default('auto'),
  /** Where a container engine listens, in the engine's own words; `DOCKER_HOST` says it too. */
  dockerHost: z
    .string()
    .regex(/^(unix|tcp|http):\/\//, 'must begin with unix://, tcp:// or http://')
    .optional(),
  /** Whether privileged builds run, where there is a container engine: what they do to this host is as root does it. */
  privileged: flag(),
  json: flag(),
  /** Root file systems for instances and builds: name to a folder or a tarball. In `drydock.yaml` only. */
  images: z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$/), z.string().min(1)).default({}),
  /** Where host names of the user's own programs lead, and which authorities (a PEM file) vouch for them. In `drydock.yaml` only. */
  hosts: z
    .record(
      z.string().regex(/^[a-z0-9.-]+$/, 'must be a host name in lower case'),
      z.strictObject({
        address: z.string().min(1).default('127.0.0.1'),
        port: z.number().int().min(1).max(65_535).default(443),
        ca: z.string().min(1).optional(),
      }),
    )
    .default({}),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

function flag() {
  return z
    .union([z.boolean(), z.enum(['true', 'false', '1', '0', '']).transform((text) => text === 'true' || text === '1')])
    .default(false)
}

export type Config = Readonly<Omit<z.output<typeof schema>, 'images' | 'hosts'>> & {
  readonly images: readonly RegisteredImage[]
  readonly hosts: ReadonlyMap<string, KnownHost>
}
export type ConfigInput = { readonly [K in keyof Config]?: unknown }

/** A wrong option: one line for the user. */
export class ConfigError extends Error {}

/**
 * Reads options in order of precedence: command line, environment, `drydock.yaml` in the working directory. Throws
 * ConfigError with one clear line for an unknown key or a bad value.
 */
export const readConfig = async (options: ConfigInput, env: NodeJS.ProcessEnv = {}, folder = '.'): Promise<Config> => {
  const fromEnv: Record<string, unknown> = {}
  for (const key of Object.keys(schema.shape)) {
    const value = env[`DRYDOCK_${key.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`]
    if (value !== undefined && value !== '') fromEnv[key] = value
  }
  if (env.DOCKER_HOST && /^(unix|tcp|http):\/\//.test(env.DOCKER_HOST)) fromEnv.dockerHost ??= env.DOCKER_HOST
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const result = schema.safeParse({ ...(await fromFile(folder)), ...fromEnv, ...given })
  if (!result.success) {
    const [issue] = result.error.issues
    const where = issue?.path.join('.') || (issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : 'options')
    throw new ConfigError(
      issue?.code === 'unrecognized_keys' ? `unknown option ${where}` : `bad value for ${where}: ${issue?.message}`,
    )
  }
  const { data, images, hosts, ...rest } = result.data
  return Object.freeze({
    ...rest,
    data: resolve(folder, data),
    images: readImages(images, folder),
    hosts: readHosts(hosts, folder),
  })
}

const readImages = (images: Readonly<Record<string, string>>, folder: string): RegisteredImage[] =>
  Object.entries(images).map(([name, given]) => {
    const path = resolve(folder, given)
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) throw new ConfigError(`bad value for images: there is no ${path} for ${name}`)
    return { name, image: found.isDirectory() ? { folder: path } : { tarball: path } }
  })

const readHosts = (hosts: z.output<typeof schema>['hosts'], folder: string): ReadonlyMap<string, KnownHost> =>
  new Map(
    Object.entries(hosts).map(([name, { address, port, ca }]) => {
      const path = ca === undefined ? undefined : resolve(folder, ca)
      if (path !== undefined && !existsSync(path))
        throw new ConfigError(`bad value for hosts: there is no ${path} for ${name}`)
      return [name, { address, port, ...(path === undefined ? {} : { ca: readFileSync(path, 'utf8') }) }]
    }),
  )

const fromFile = async (folder: string): Promise<Record<string, unknown>> => {
  const path = resolve(folder, 'drydock.yaml')
  if (!existsSync(path)) return {}
  const { parse } = await import('yaml')
  let content: unknown
  try {
    content = parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new ConfigError(
      `drydock.yaml is not valid YAML: ${error instanceof Error ? error.message.split('\n')[0] : error}`,
    )
  }
  if (content === null || content === undefined) return {}
  if (typeof content !== 'object' || Array.isArray(content))
    throw new ConfigError('drydock.yaml must hold options as key: value')
  return content as Record<string, unknown>
}

/** Does the server listen for this machine only? Then the well-known root credentials are allowed. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host)
