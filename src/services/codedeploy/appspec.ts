import { posix } from 'node:path'
import { parseDocument, type ScalarTag } from 'yaml'

// The AppSpec file of EC2 and on-premises deployments ("CodeDeploy AppSpec file reference"). Pure: text in, plan or
// `AppspecError` out. The agent reads it inside the machine.

export type FileMapping = { readonly source: string; readonly destination: string }
export type Permission = {
  readonly object: string
  readonly pattern: string
  readonly except: readonly string[]
  readonly owner?: string
  readonly group?: string
  /** Octal digits. */
  readonly mode?: string
  readonly acls?: readonly string[]
  readonly context?: { readonly user?: string; readonly type: string; readonly range?: string }
  readonly type: readonly ('file' | 'directory')[]
}
export type Script = { readonly location: string; readonly timeout: number; readonly runas?: string }
export type FileExistsBehavior = 'DISALLOW' | 'OVERWRITE' | 'RETAIN'
export type Appspec = {
  readonly files: readonly FileMapping[]
  readonly fileExistsBehavior?: FileExistsBehavior
  readonly permissions: readonly Permission[]
  readonly hooks: Readonly<Record<string, readonly Script[]>>
}

/** An AppSpec file that cannot be carried out; the message is what the agent reports. */
export class AppspecError extends Error {}

/** Every event of a deployment in place; scripts for those of the agent itself (Install …) are not run, as on AWS. */
const lifecycleEvents = [
  'BeforeBlockTraffic',
  'BlockTraffic',
  'AfterBlockTraffic',
  'ApplicationStop',
  'DownloadBundle',
  'BeforeInstall',
  'Install',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
  'BeforeAllowTraffic',
  'AllowTraffic',
  'AfterAllowTraffic',
]
/** Seconds that a script has unless it says otherwise, and that all scripts of one lifecycle event have together. */
export const longestTimeout = 3600

/** The agent's YAML is 1.1, where a number that begins with 0 is octal: `mode: 0644` is 420, which AWS says to put in quotes. */
const octal: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => Number.parseInt(text, 8),
}

/** Reads an AppSpec file, YAML or JSON. Throws AppspecError with the sentence that says what is wrong. */
export const parseAppspec = (text: string): Appspec => {
  if (text.length > 1024 * 1024) throw new AppspecError('The deployment specification is too large')
  const document = parseDocument(text, {
    schema: 'core',
    customTags: (tags) => [octal, ...tags],
    prettyErrors: false,
  })
  const [error] = document.errors
  if (error) throw new AppspecError(`The AppSpec file is not valid YAML: ${error.message}`)
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: 100 })
  } catch {
    throw new AppspecError('The AppSpec file has too many aliases')
  }
  const root = mapping(content, 'The AppSpec file')
  if (root.version !== 0)
    throw new AppspecError(
      `The deployment failed because an invalid version value (${shown(root.version)}) was entered in the application specification file. Make sure your AppSpec file specifies "0.0" as the version, and then try again.`,
    )
  if (root.os === 'windows')
    throw new AppspecError(
      'The deployment failed because the application specification file is for Windows Server (os: windows), and this instance runs Linux. Deploy it to instances that run Windows Server, or specify "linux" in the os section of the AppSpec file.',
    )
  if (root.os !== 'linux')
    throw new AppspecError(
      `The deployment failed because the application specification file specifies an unsupported operating system (${shown(root.os)}). Specify either "linux" or "windows" in the os section of the AppSpec file, and then try again.`,
    )
  const behavior = root.file_exists_behavior
  if (behavior !== undefined && behavior !== 'DISALLOW' && behavior !== 'OVERWRITE' && behavior !== 'RETAIN')
    throw new AppspecError(
      `The deployment failed because an invalid option was specified for fileExistsBehavior: ${shown(behavior)}. Valid options include OVERWRITE, RETAIN, and DISALLOW.`,
    )
  return {
    files: list(root.files, 'files').map(readFile),
    ...(behavior ? { fileExistsBehavior: behavior } : {}),
    permissions: list(root.permissions, 'permissions').map(readPermission),
    hooks: readHooks(root.hooks),
  }
}

const shown = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value).slice(0, 100)
    : ''

type Mapping = Readonly<Record<string, unknown>>

const mapping = (value: unknown, what: string): Mapping => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AppspecError(`${what} is not a mapping`)
  return value as Mapping
}
const list = (value: unknown, what: string): readonly unknown[] => {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new AppspecError(`The ${what} section of the AppSpec file is not a list`)
  return value
}
const text = (value: unknown, what: string): string => {
  if (typeof value === 'string' && value.trim() !== '') return value.trim()
  if (typeof value === 'number') return String(value)
  throw new AppspecError(`The AppSpec file has no ${what}`)
}

/** A path inside the bundle; throws for one that leaves it. */
const inside = (path: string, what: string): string => {
  const plain = posix.normalize(path.replace(/^\/+/, '') || '.')
  if (plain === '..' || plain.startsWith('../') || path.includes('\0'))
    throw new AppspecError(`The ${what} ${path} is outside of the deployment archive`)
  return plain
}

const readFile = (value: unknown): FileMapping => {
  const entry = mapping(value, 'An entry of the files section')
  const destination = text(entry.destination, 'destination for a file')
  if (!posix.isAbsolute(destination)) throw new AppspecError(`The destination ${destination} is not an absolute path`)
  return {
    source: inside(text(entry.source, 'source for a file'), 'source'),
    destination: withoutSlash(posix.normalize(destination)),
  }
}

const readMode = (mode: string): string => {
  if (mode.length > 4)
    throw new AppspecError(
      `The deployment failed because the length of a permissions mode (${mode}) in the application specification file is invalid. Permissions modes must be between one and four characters long. Update the permissions section of the AppSpec file, and then try again.`,
    )
  const bad = /[^0-7]/.exec(mode)?.[0]
  if (bad)
    throw new AppspecError(
      `The deployment failed because the permissions mode (${mode}) in the application specification file contains an invalid character (${bad}). Update the permissions section of the AppSpec file, and then try again.`,
    )
  return mode.padStart(4, '0')
}

const readTypes = (value: unknown): Permission['type'] => {
  if (value === undefined || value === null) return ['file', 'directory']
  return list(value, 'type of a permission').map((type) => {
    if (type !== 'file' && type !== 'directory')
      throw new AppspecError(
        `The deployment failed because the application specification file specifies a permission for an object type not supported for permissions (${shown(type)}). Update the permissions section of the AppSpec file, and then try again.`,
      )
    return type
  })
}

const readContext = (value: unknown): Permission['context'] => {
  if (value === undefined || value === null) return undefined
  const context = mapping(value, 'The context of a permission')
  if (context.role !== undefined && context.role !== null)
    throw new AppspecError(
      'The deployment failed because the application specification file specifies a role, but roles are not supported. Remove the role from the AppSpec file, and then try again.',
    )
  const part = (name: string) =>
    context[name] === undefined || context[name] === null ? {} : { [name]: text(context[name], `${name} in context`) }
  return { type: text(context.type, 'type in context'), ...part('user'), ...part('range') }
}

const readPermission = (value: unknown): Permission => {
  const entry = mapping(value, 'An entry of the permissions section')
  if (entry.object === undefined || entry.object === null || entry.object === '')
    throw new AppspecError(
      'The deployment failed because a permission listed in the application specification file has no object value. Update the permissions section of the AppSpec file, and then try again.',
    )
  const optional = (name: string) =>
    entry[name] === undefined || entry[name] === null ? undefined : text(entry[name], name)
  const [pattern = '**', owner, group, mode] = [
    optional('pattern'),
    optional('owner'),
    optional('group'),
    optional('mode'),
  ]
  const object = text(entry.object, 'object for a permission')
  if (!posix.isAbsolute(object)) throw new AppspecError(`The object ${object} of a permission is not an absolute path`)
  const acls = list(entry.acls, 'acls of a permission').map((acl) => readAcl(text(acl, 'entry in acls')))
  const context = readContext(entry.context)
  return {
    object: withoutSlash(posix.normalize(object)),
    pattern,
    except: list(entry.except, 'except of a permission').map((item) => text(item, 'entry in except')),
    ...(owner ? { owner } : {}),
    ...(group ? { group } : {}),
    ...(mode ? { mode: readMode(mode) } : {}),
    ...(acls.length > 0 ? { acls } : {}),
    ...(context ? { context } : {}),
    type: readTypes(entry.type),
  }
}

const withoutSlash = (path: string): string => (path === '/' ? path : path.replace(/\/+$/, ''))

/** An entry of an access control list: `[default:][user|group|mask|other]:[name]:permissions`, as setfacl has it. */
const readAcl = (acl: string): string => {
  if (!/^(d(efault)?:)?((u(ser)?|g(roup)?|m(ask)?|o(ther)?)?:)?([\w.@-]*:)?([0-7]|[rwxX-]{1,4})$/.test(acl))
    throw new AppspecError(`The entry ${acl} in the acls of a permission is not valid`)
  if (/^((u(ser)?|g(roup)?|o(ther)?)?::|o(ther)?:)/.test(acl))
    throw new AppspecError(
      `The entry ${acl} in the acls of a permission names nobody: use mode for the owner, the group and others`,
    )
  return acl
}

const readHooks = (value: unknown): Appspec['hooks'] => {
  if (value === undefined || value === null) return {}
  const sections = Object.entries(mapping(value, 'The hooks section'))
  const unknown = sections.map(([event]) => event).filter((event) => !lifecycleEvents.includes(event))
  if (unknown.length > 0)
    throw new AppspecError(
      `appspec.yml file contains unknown lifecycle events: [${unknown.map((event) => JSON.stringify(event)).join(', ')}]`,
    )
  return Object.fromEntries(
    sections.map(([event, scripts]) => [event, list(scripts, event).map((script) => readScript(script, event))]),
  )
}

const readScript = (value: unknown, event: string): Script => {
  const { location, timeout, runas } = mapping(value, `A script of ${event}`)
  if (location === undefined || location === null || location === '')
    throw new AppspecError(
      'The deployment failed because the application specification file specifies a script with no location value. Specify the location in the hooks section of the AppSpec file, and then try again.',
    )
  const seconds = timeout === undefined || timeout === null ? longestTimeout : Math.trunc(Number(timeout))
  if (!(seconds > 0) || !Number.isFinite(seconds))
    throw new AppspecError(
      'The deployment failed because an invalid timeout value was provided for a script in the application specification file. Make corrections in the hooks section of the AppSpec file, and then try again.',
    )
  return {
    location: inside(text(location, `location for a script of ${event}`), 'script'),
    timeout: seconds,
    ...(runas === undefined || runas === null || runas === '' ? {} : { runas: text(runas, 'runas') }),
  }
}

/**
 * Matches a permission's pattern or exception against a name below its object: `**` everything below, any other pattern
 * only what lies directly in it, `*` standing for any characters ("AppSpec 'permissions' section", user guide).
 */
export const matchesPattern = (pattern: string, path: string): boolean => {
  if (pattern === '**') return true
  if (path.includes('/')) return false
  const [first = '', ...parts] = pattern.split('*')
  const last = parts.pop()
  if (last === undefined) return path === first
  if (!path.startsWith(first)) return false
  let at = first.length
  for (const part of parts) {
    const found = path.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return path.length - last.length >= at && path.endsWith(last)
}
