import { posix } from 'node:path'
import { parseDocument } from 'yaml'

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
  readonly context?: { readonly user?: string; readonly type?: string; readonly range?: string }
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

/** Hooks that scripts may be given for; the others belong to the agent alone. */
const scriptHooks = [
  'ApplicationStop',
  'BeforeInstall',
  'AfterInstall',
  'ApplicationStart',
  'ValidateService',
  'BeforeBlockTraffic',
  'AfterBlockTraffic',
  'BeforeAllowTraffic',
  'AfterAllowTraffic',
]
/** Seconds; also the longest a lifecycle event's scripts may take together. */
const longestTimeout = 3600

/** Reads an AppSpec file, YAML or JSON. Throws AppspecError with the sentence that says what is wrong. */
export const parseAppspec = (text: string): Appspec => {
  if (text.length > 1024 * 1024) throw new AppspecError('The deployment specification is too large')
  const document = parseDocument(text, { schema: 'core', prettyErrors: false })
  const [error] = document.errors
  if (error) throw new AppspecError(`The AppSpec file is not valid YAML: ${error.message}`)
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: 100 })
  } catch {
    throw new AppspecError('The AppSpec file has too many aliases')
  }
  const root = mapping(content, 'The AppSpec file')
  const version = String(root.version ?? '')
  if (version !== '0' && version !== '0.0')
    throw new AppspecError(`The deployment specification has an invalid version: ${version || '(none)'}`)
  if (root.os !== 'linux') {
    if (root.os === 'windows') throw new AppspecError('The AppSpec file is for windows, and this host runs linux')
    throw new AppspecError(`The deployment specification has an unsupported os: ${String(root.os ?? '(none)')}`)
  }
  const behavior = root.file_exists_behavior
  if (behavior !== undefined && behavior !== 'DISALLOW' && behavior !== 'OVERWRITE' && behavior !== 'RETAIN')
    throw new AppspecError(`The deployment specification has an invalid file_exists_behavior: ${String(behavior)}`)
  return {
    files: list(root.files, 'files').map(readFile),
    ...(behavior ? { fileExistsBehavior: behavior } : {}),
    permissions: list(root.permissions, 'permissions').map(readPermission),
    hooks: readHooks(root.hooks),
  }
}

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
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number') return String(value)
  throw new AppspecError(`The deployment specification has no ${what}`)
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
    destination: posix.normalize(destination),
  }
}

const readPermission = (value: unknown): Permission => {
  const entry = mapping(value, 'An entry of the permissions section')
  const optional = (name: string) =>
    entry[name] === undefined || entry[name] === null ? undefined : text(entry[name], name)
  const [pattern = '**', owner, group] = [optional('pattern'), optional('owner'), optional('group')]
  const modeText = optional('mode')
  if (modeText !== undefined && !/^[0-7]{1,4}$/.test(modeText))
    throw new AppspecError(`The mode ${modeText} of a permission is not valid`)
  const types = entry.type === undefined ? ['file', 'directory'] : list(entry.type, 'type of a permission')
  for (const type of types)
    if (type !== 'file' && type !== 'directory')
      throw new AppspecError(`The type ${String(type)} of a permission is not valid`)
  const object = text(entry.object, 'object for a permission')
  if (!posix.isAbsolute(object)) throw new AppspecError(`The object ${object} of a permission is not an absolute path`)
  const acls = list(entry.acls, 'acls of a permission').map((acl) => text(acl, 'entry in acls'))
  const context = entry.context === undefined ? undefined : mapping(entry.context, 'The context of a permission')
  const part = (name: string) =>
    context?.[name] === undefined ? {} : { [name]: text(context[name], `${name} in context`) }
  return {
    object: posix.normalize(object),
    pattern,
    except: list(entry.except, 'except of a permission').map((item) => text(item, 'entry in except')),
    ...(owner ? { owner } : {}),
    ...(group ? { group } : {}),
    ...(modeText ? { mode: modeText.padStart(4, '0') } : {}),
    ...(acls.length > 0 ? { acls } : {}),
    ...(context ? { context: { ...part('user'), ...part('type'), ...part('range') } } : {}),
    type: types.filter((type): type is 'file' | 'directory' => type === 'file' || type === 'directory'),
  }
}

const readHooks = (value: unknown): Appspec['hooks'] => {
  if (value === undefined || value === null) return {}
  const hooks: Record<string, readonly Script[]> = {}
  for (const [event, scripts] of Object.entries(mapping(value, 'The hooks section'))) {
    if (!scriptHooks.includes(event))
      throw new AppspecError(
        `The deployment specification has a script for ${event}, which is not a lifecycle event that runs scripts`,
      )
    const read = list(scripts, event).map((script): Script => {
      const entry = mapping(script, `A script of ${event}`)
      const timeout = entry.timeout === undefined ? longestTimeout : Number(entry.timeout)
      if (!Number.isInteger(timeout) || timeout < 1)
        throw new AppspecError(`The timeout of a script of ${event} is not valid`)
      return {
        location: inside(text(entry.location, `location for a script of ${event}`), 'script'),
        timeout,
        ...(entry.runas === undefined || entry.runas === null ? {} : { runas: text(entry.runas, 'runas') }),
      }
    })
    if (
      read.reduce(
        (sum, { timeout }, index) =>
          sum +
          (list(scripts, event)[index] && mapping(list(scripts, event)[index], event).timeout === undefined
            ? 0
            : timeout),
        0,
      ) > longestTimeout
    )
      throw new AppspecError(`The timeouts of the scripts of ${event} add up to more than ${longestTimeout} seconds`)
    hooks[event] = read
  }
  return hooks
}

/** Matches a permission's pattern or exception against a name below its object: `**` everything, `*` within one name. */
export const matchesPattern = (pattern: string, path: string): boolean => {
  if (pattern === '**') return true
  const parts = pattern.split('*')
  let rest = path
  for (const [index, part] of parts.entries()) {
    if (index === 0) {
      if (!rest.startsWith(part)) return false
      rest = rest.slice(part.length)
      continue
    }
    if (index === parts.length - 1)
      return part === ''
        ? !rest.includes('/')
        : rest.endsWith(part) && !rest.slice(0, -part.length || undefined).includes('/')
    const at = rest.indexOf(part)
    if (at < 0 || rest.slice(0, at).includes('/')) return false
    rest = rest.slice(at + part.length)
  }
  return rest === ''
}
