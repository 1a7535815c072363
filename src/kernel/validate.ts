import { AwsError } from './errors.ts'
import type { LoadedService } from './model/catalog.ts'
import { schemaOf } from './model/catalog.ts'
import type { Constraint, Constraints } from './model/constraints.ts'
import type { Member, Shape, StructureShape } from './model/shapes.ts'
import sentences from './model/validation.json' with { type: 'json' }
import { compilePattern } from './pattern.ts'
import { wireName } from './protocols/form.ts'
import type { IdentifiedCall } from './wire.ts'

// Checks an input against the model: types, required members, length, range, pattern, enum, in AWS's sentences. Both
// the schema and the constraints are walked once per operation and left as a tree of small functions.

type Kind = 'missing' | 'enum' | 'pattern' | 'length' | 'range' | 'type'

type Violation = {
  kind: Kind
  /** Model names from the outside in; list items as `1.member`, map entries by their key. */
  path: string
  /** As AWS's sentences show it; undefined where it is a secret. */
  value: string | undefined
  constraint: string
}

type Check = (value: unknown, into: Violation[]) => void

const nothing: Check = () => {}

const under = (name: string, path: string): string => (path === '' ? name : `${name}.${path}`)

/** Runs a check one level deeper and puts the level's name before what it found; costs nothing when it found nothing. */
const within = (check: Check, name: string | number, value: unknown, into: Violation[]): void => {
  const before = into.length
  check(value, into)
  for (let i = before; i < into.length; i++) {
    const violation = into[i]!
    violation.path = under(String(name), violation.path)
  }
}

const show = (value: unknown): string => {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return 'java.nio.HeapByteBuffer'
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([key, item]) => `${key}=${show(item)}`)
      .join(', ')}}`
  return String(value)
}

const violation = (kind: Kind, value: unknown, secret: boolean, constraint: string): Violation => {
  const text = secret ? undefined : show(value)
  return {
    kind,
    path: '',
    value: text !== undefined && text.length > 1024 ? `${text.slice(0, 1024)}...` : text,
    constraint,
  }
}

const typeNames: Readonly<Record<Exclude<Shape['kind'], 'document'>, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'a boolean',
  blob: 'bytes',
  timestamp: 'a timestamp',
  list: 'a list',
  map: 'a map',
  structure: 'a structure',
}

const isOfType = (shape: Shape, value: unknown): boolean => {
  switch (shape.kind) {
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === shape.kind
    case 'timestamp':
      return value instanceof Date
    case 'list':
      return Array.isArray(value)
    case 'map':
    case 'structure':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'blob':
      return value instanceof Uint8Array || typeof value === 'string' || (typeof value === 'object' && value !== null)
    case 'document':
      return true
  }
}

const scalarChecks = (shape: Shape, { int, min, max, pattern, enum: values }: Constraint, secret: boolean): Check[] => {
  const checks: Check[] = []
  if (shape.kind === 'number') {
    if (int !== undefined) {
      const limit = int === 32 ? 2 ** 31 : 2 ** 63
      checks.push((value, into) => {
        const number = value as number
        if (!Number.isInteger(number) || number < -limit || number >= limit)
          into.push(violation('type', value, secret, `Member must be ${int === 32 ? 'an integer' : 'a long'}`))
      })
    }
    if (max !== undefined)
      checks.push((value, into) => {
        if ((value as number) > max)
          into.push(violation('range', value, secret, `Member must have value less than or equal to ${max}`))
      })
    if (min !== undefined)
      checks.push((value, into) => {
        if ((value as number) < min)
          into.push(violation('range', value, secret, `Member must have value greater than or equal to ${min}`))
      })
    return checks
  }
  if (shape.kind === 'string' && pattern !== undefined) {
    const matches = compilePattern(pattern)
    const most = max ?? 65_536
    if (matches)
      checks.push((value, into) => {
        const text = value as string
        // A value that is too long anyway is not held against the pattern.
        if (text.length <= most * 2 && !matches(text))
          into.push(violation('pattern', value, secret, `Member must satisfy regular expression pattern: ${pattern}`))
      })
  }
  if (shape.kind === 'string' && values) {
    const allowed = new Set(values)
    checks.push((value, into) => {
      if (!allowed.has(value as string))
        into.push(violation('enum', value, secret, `Member must satisfy enum value set: [${values.join(', ')}]`))
    })
  }
  const size = sizeOf(shape)
  if (size && max !== undefined)
    checks.push((value, into) => {
      const length = size(value)
      if (length !== undefined && length > max)
        into.push(violation('length', value, secret, `Member must have length less than or equal to ${max}`))
    })
  if (size && min !== undefined && min > 0)
    checks.push((value, into) => {
      const length = size(value)
      if (length !== undefined && length < min)
        into.push(violation('length', value, secret, `Member must have length greater than or equal to ${min}`))
    })
  return checks
}

const sizeOf = (shape: Shape): ((value: unknown) => number | undefined) | undefined => {
  switch (shape.kind) {
    case 'string':
      return (value) => (value as string).length
    case 'list':
      return (value) => (value as unknown[]).length
    case 'map':
      return (value) => Object.keys(value as object).length
    case 'blob':
      return (value) =>
        value instanceof Uint8Array ? value.byteLength : typeof value === 'string' ? value.length : undefined
    default:
      return undefined
  }
}

type Compiler = (shape: Shape, at: number | undefined, secret: boolean) => Check

const compiler = ({ nodes }: Constraints, nameOf: (member: Member) => string): Compiler => {
  const made = new Map<Shape, Map<string, Check>>()
  const compile: Compiler = (shape, at, secret) => {
    const key = `${at}${secret}`
    const known = made.get(shape)?.get(key)
    if (known) return known
    let real: Check = nothing
    const byKey = made.get(shape) ?? new Map<string, Check>()
    made.set(shape, byKey)
    byKey.set(key, (value, into) => real(value, into))
    real = build(shape, at === undefined ? {} : (nodes[at] ?? {}), secret)
    byKey.set(key, real)
    return real
  }
  const build = (shape: Shape, constraint: Constraint, inherited: boolean): Check => {
    const secret = inherited || shape.traits.sensitive === 1
    const checks = scalarChecks(shape, constraint, secret)
    switch (shape.kind) {
      case 'structure':
        checks.push(structure(shape, constraint, secret))
        break
      case 'list': {
        const item = compile(shape.member.shape, constraint.item, secret)
        checks.push((value, into) => {
          const items = value as unknown[]
          for (let i = 0; i < items.length; i++) within(item, `${i + 1}.member`, items[i], into)
        })
        break
      }
      case 'map': {
        const key = compile(shape.key.shape, constraint.key, secret)
        const item = compile(shape.value.shape, constraint.value, secret)
        checks.push((value, into) => {
          for (const [name, one] of Object.entries(value as object)) {
            within(key, 'key', name, into)
            within(item, `${name}.member`, one, into)
          }
        })
        break
      }
    }
    return (value, into) => {
      if (value === null || value === undefined)
        into.push({ ...violation('missing', null, false, 'Member must not be null') })
      else if (shape.kind !== 'document' && !isOfType(shape, value))
        into.push(violation('type', value, secret, `Member must be ${typeNames[shape.kind]}`))
      else for (const check of checks) check(value, into)
    }
  }
  const structure = (shape: StructureShape, constraint: Constraint, secret: boolean): Check => {
    const required = new Set(constraint.required ?? [])
    const members = shape.members.map((member) => ({
      name: member.name,
      shown: nameOf(member),
      required: required.has(member.name) && !isPayload(member),
      check: compile(member.shape, constraint.members?.[member.name], secret || member.own.sensitive === 1),
    }))
    return (value, into) => {
      const from = value as Readonly<Record<string, unknown>>
      for (const { name, shown, required: must, check } of members) {
        const one = from[name]
        if (one !== undefined && one !== null) within(check, shown, one, into)
        else if (must) into.push({ kind: 'missing', path: shown, value: 'null', constraint: 'Member must not be null' })
      }
    }
  }
  return compile
}

/** An empty HTTP payload cannot be told from none. */
const isPayload = ({ traits, shape }: Member): boolean =>
  traits.httpPayload === 1 && (shape.kind === 'blob' || shape.kind === 'string')

const compilers = new WeakMap<Constraints, Compiler>()
const checks = new WeakMap<object, Check>()

const checkOf = (call: IdentifiedCall, constraints: Constraints): Check => {
  const schema = schemaOf(call.operation)
  const known = checks.get(schema)
  if (known) return known
  let compile = compilers.get(constraints)
  if (!compile) {
    const parameters = call.service.protocol === 'ec2Query'
    compile = compiler(constraints, parameters ? (member) => wireName(member, 'ec2Query') : ({ name }) => name)
    compilers.set(constraints, compile)
  }
  const check = compile(schema.input, constraints.operations[schema.name]?.input, false)
  checks.set(schema, check)
  return check
}

// How each service says it.

type Sentence = { readonly code?: string; readonly message?: string }
/** The general sentence, and those of their own for some kinds of violation. */
type Manner = Sentence & { readonly [K in Kind]?: Sentence } & {
  /** Checks the service does not make here, or makes itself. */
  readonly skip?: readonly Kind[]
  /** It names the first thing wrong, not all. */
  readonly only?: 'first'
  /** It has an error for each of its members: RepositoryNameRequiredException, InvalidRepositoryNameException. */
  readonly own?: boolean
  /** Members by their path whose errors are named otherwise, as nouns (`DeployedStateFilter`) or in full (`…Exception`). */
  readonly nouns?: Readonly<Record<string, string | readonly string[]>>
}

const manners: Readonly<Record<string, Manner>> = sentences.services as Record<string, Manner>

const lowerFirst = (path: string): string =>
  path
    .split('.')
    .map((part) => part.charAt(0).toLowerCase() + part.slice(1))
    .join('.')

/** EC2 and SQS name parameters as their forms do: `Filter.1.Value`, not `filters.1.member.values`. */
const asParameter = (path: string): string => path.replace(/\.member(?=\.|$)/g, '')

const fill = (message: string, { path, value, constraint }: Violation): string =>
  message
    .replaceAll('{path}', () => lowerFirst(path))
    .replaceAll('{Path}', () => asParameter(path))
    .replaceAll('{Name}', () => path.split('.').at(-1) ?? path)
    .replaceAll('{value}', () => value ?? '')
    .replaceAll('{pattern}', () => constraint.replace(/^.*? pattern: /, ''))
    .replaceAll('{constraint}', () => constraint.replace(/^Member must /, 'must '))

const coral = ({ path, value, constraint }: Violation): string => {
  const shown = value === undefined ? 'Value' : value === 'null' ? 'Value null' : `Value '${value}'`
  return `${shown} at '${lowerFirst(path)}' failed to satisfy constraint: ${constraint}`
}

/** The error for the innermost member on the path that the operation has one for. */
const ownError = (
  call: IdentifiedCall,
  constraints: Constraints,
  first: Violation,
  nouns: Manner['nouns'] = {},
): string | undefined => {
  const errors = constraints.operations[call.operation.name]?.errors ?? []
  const parts = first.path.split('.').filter((part) => part !== 'member' && !/^\d+$/.test(part))
  for (let end = parts.length; end > 0; end--) {
    const name = parts[end - 1] ?? ''
    const named = nouns[parts.slice(0, end).join('.')] ?? name.charAt(0).toUpperCase() + name.slice(1)
    const missing = first.kind === 'missing' && end === parts.length
    const wanted = [named].flat().flatMap((noun) => {
      if (noun.endsWith('Exception')) return [noun]
      return missing ? [`${noun}RequiredException`, `Invalid${noun}Exception`] : [`Invalid${noun}Exception`]
    })
    const found = wanted.find((error) => errors.includes(error))
    if (found) return found
  }
  return undefined
}

const errorFor = (call: IdentifiedCall, constraints: Constraints, found: readonly Violation[]): AwsError => {
  const manner = manners[call.service.id] ?? {}
  const first = found[0]!
  const wrongType = found.find(({ kind }) => kind === 'type')
  if (wrongType && call.service.protocol.startsWith('awsJson'))
    return new AwsError('SerializationException', `${wrongType.path}: ${wrongType.constraint}`, { status: 400 })
  const special = manner[first.kind] ?? {}
  const own = manner.own ? ownError(call, constraints, first, manner.nouns) : undefined
  const code = own ?? special.code ?? manner.code ?? 'ValidationException'
  const template = special.message ?? manner.message
  if (template) return new AwsError(code, fill(template, first), { status: 400 })
  if (own) return new AwsError(own, coral(first), { status: 400 })
  const shown = manner.only ? [first] : found.slice(0, 20)
  const head = `${found.length} validation error${found.length === 1 ? '' : 's'} detected: `
  return new AwsError(code, head + shown.map(coral).join('; '), { status: 400 })
}

/**
 * Checks an input against the model before its handler sees it.
 * @throws the service's validation error, in AWS's sentences.
 */
export const validate = (call: IdentifiedCall, input: Readonly<Record<string, unknown>>): void => {
  const { constraints } = call.service as LoadedService
  const all: Violation[] = []
  checkOf(call, constraints)(input, all)
  if (all.length === 0) return
  const skip = manners[call.service.id]?.skip ?? []
  const found = all.filter(({ kind }) => !skip.includes(kind))
  if (found.length > 0) throw errorFor(call, constraints, found)
}
