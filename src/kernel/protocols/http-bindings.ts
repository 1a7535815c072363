import type { AwsError } from '../errors.ts'
import type { Member, Shape, StructureShape } from '../model/shapes.ts'
import { perShape } from '../model/shapes.ts'
import type { IdentifiedCall, WireRequest } from '../wire.ts'
import { setKey, toBase64 } from './json.ts'
import { formatTimestamp } from './timestamps.ts'
import { scalarFromText } from './xml-reader.ts'

// The HTTP side of REST protocols: which members travel in path, query, headers, status and payload.

export type Bindings = {
  readonly labels: readonly Member[]
  readonly query: readonly Member[]
  readonly queryParams: Member | undefined
  readonly headers: readonly (readonly [name: string, Member])[]
  readonly prefixHeaders: readonly (readonly [prefix: string, Member])[]
  readonly payload: Member | undefined
  readonly status: Member | undefined
  /** The members that are left for the body, as a structure of the same name. On output, query and label traits mean nothing. */
  readonly body: { readonly input: StructureShape; readonly output: StructureShape }
}

const bindings = new WeakMap<StructureShape, Bindings>()

export const bindingsOf = (shape: StructureShape): Bindings => {
  const found = bindings.get(shape)
  if (found) return found
  const headers: [string, Member][] = []
  const prefixHeaders: [string, Member][] = []
  const outside = new Set<Member>()
  const inputOnly = new Set<Member>()
  for (const member of shape.members) {
    const { httpHeader, httpPrefixHeaders, httpPayload, httpResponseCode, httpLabel, httpQuery, httpQueryParams } =
      member.traits
    if (httpHeader !== undefined) headers.push([httpHeader.toLowerCase(), member])
    if (httpPrefixHeaders !== undefined) prefixHeaders.push([httpPrefixHeaders.toLowerCase(), member])
    if (httpHeader !== undefined || httpPrefixHeaders !== undefined || httpPayload || httpResponseCode)
      outside.add(member)
    else if (httpLabel || httpQuery !== undefined || httpQueryParams) inputOnly.add(member)
  }
  const only = (wanted: (member: Member) => unknown): Member[] => shape.members.filter(wanted)
  const left = only((member) => !outside.has(member))
  const made: Bindings = {
    labels: only(({ traits }) => traits.httpLabel),
    query: only(({ traits }) => traits.httpQuery !== undefined),
    queryParams: only(({ traits }) => traits.httpQueryParams)[0],
    headers,
    prefixHeaders,
    payload: only(({ traits }) => traits.httpPayload)[0],
    status: only(({ traits }) => traits.httpResponseCode)[0],
    body: {
      output: left.length === shape.members.length ? shape : { ...shape, members: left },
      input: { ...shape, members: left.filter((member) => !inputOnly.has(member)) },
    },
  }
  bindings.set(shape, made)
  return made
}

/** Splits a header that holds a list; quoted items may hold commas, dates hold one each. */
const splitHeader = (text: string, shape: Shape): string[] => {
  if (shape.kind === 'timestamp' && shape.format !== 'date-time' && shape.format !== 'epoch-seconds') {
    const parts = text.split(',')
    return parts.flatMap((part, i) => (i % 2 === 0 ? [`${part},${parts[i + 1] ?? ''}`.trim()] : []))
  }
  const found: string[] = []
  for (const [, quoted, plain] of text.matchAll(/\s*(?:"((?:[^"\\]|\\.)*)"\s*|([^,]*))(?:,|$)/g)) {
    if (quoted !== undefined) found.push(quoted.replace(/\\(.)/g, '$1'))
    else if (plain !== undefined && plain.trim() !== '') found.push(plain.trim())
  }
  return found
}

const quoteItem = (text: string): string =>
  /[",]/.test(text) ? `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : text

type Invalid = (member: string, value: string) => AwsError

const fromHeader = (member: Member, text: string, invalid: Invalid): unknown => {
  const { shape, traits } = member
  if (shape.kind === 'list')
    return splitHeader(text, shape.member.shape).map((item) => fromHeader(shape.member, item, invalid))
  const raw =
    traits.mediaType !== undefined && shape.kind === 'string' ? Buffer.from(text, 'base64').toString('utf8') : text
  const value = scalarFromText(shape, shape.kind === 'string' ? raw : raw.trim())
  if (value === undefined) throw invalid(member.name, text)
  return value
}

/** Reads everything of the input but the body. `invalid` makes the error for text that is not of its member's type. */
export const readBindings = (
  shape: StructureShape,
  call: IdentifiedCall,
  request: WireRequest,
  parameters: readonly (readonly [string, string])[],
  invalid: Invalid,
): Record<string, unknown> => {
  const found = bindingsOf(shape)
  const input: Record<string, unknown> = {}
  for (const { name, shape: target } of found.labels) {
    const text = call.labels[name]
    if (text === undefined) continue
    const value = scalarFromText(target, text)
    if (value === undefined) throw invalid(name, text)
    input[name] = value
  }
  if (found.query.length > 0 || found.queryParams) readQuery(found, parameters, input, invalid)
  for (const [name, member] of found.headers) {
    const text = Object.hasOwn(request.headers, name) ? request.headers[name] : undefined
    if (text !== undefined) input[member.name] = fromHeader(member, text, invalid)
  }
  for (const [prefix, { name }] of found.prefixHeaders) {
    const map: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(request.headers))
      if (key.startsWith(prefix) && key.length > prefix.length) setKey(map, key.slice(prefix.length), value)
    if (Object.keys(map).length > 0) input[name] = map
  }
  return input
}

const readQuery = (
  { query, queryParams }: Bindings,
  parameters: readonly (readonly [string, string])[],
  input: Record<string, unknown>,
  invalid: Invalid,
): void => {
  for (const { name, traits, shape } of query) {
    const texts = parameters.filter(([key]) => key === traits.httpQuery).map(([, text]) => text)
    const [first] = texts
    if (first === undefined) continue
    const scalar = (target: Shape, text: string): unknown => {
      const value = scalarFromText(target, text)
      if (value === undefined) throw invalid(name, text)
      return value
    }
    if (shape.kind === 'list') input[name] = texts.map((text) => scalar(shape.member.shape, text))
    // An empty `max-keys=` is no number and says nothing.
    else if (first !== '' || shape.kind === 'string') input[name] = scalar(shape, first)
  }
  if (queryParams?.shape.kind !== 'map') return
  const bound = new Set(query.map(({ traits }) => traits.httpQuery))
  const lists = queryParams.shape.value.shape.kind === 'list'
  const map: Record<string, unknown> = {}
  for (const [key, text] of parameters) {
    if (bound.has(key)) continue
    const before = Object.hasOwn(map, key) ? map[key] : undefined
    if (lists) setKey(map, key, [...(Array.isArray(before) ? before : []), text])
    else if (before === undefined) setKey(map, key, text)
  }
  if (Object.keys(map).length > 0) input[queryParams.name] = map
}

const headerText = perShape<[value: unknown], string>((shape: Shape): ((value: unknown) => string) => {
  switch (shape.kind) {
    case 'timestamp': {
      const format = shape.format === 'default' ? 'http-date' : shape.format
      return (value) => formatTimestamp(value as Date, format)
    }
    case 'blob':
      return toBase64
    case 'list': {
      const item = headerText(shape.member.shape)
      const plain = shape.member.shape.kind === 'timestamp'
      return (value) =>
        [...(value as Iterable<unknown>)].map((one) => (plain ? item(one) : quoteItem(item(one)))).join(', ')
    }
    default:
      return String
  }
})

/** A header's value cannot hold line breaks, whatever a user stored. */
const oneLine = (text: string): string => (/[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]+/g, ' ') : text)

/** Writes the headers an output or error binds; gives back the status the output asks for. */
export const writeBindings = (
  shape: StructureShape,
  output: Readonly<Record<string, unknown>>,
  headers: Record<string, string>,
): number | undefined => {
  const found = bindingsOf(shape)
  for (const [name, member] of found.headers) {
    const value = output[member.name]
    if (value === undefined || value === null) continue
    const text = headerText(member.shape)(value)
    headers[name] = oneLine(
      member.traits.mediaType !== undefined && member.shape.kind === 'string'
        ? Buffer.from(text).toString('base64')
        : text,
    )
  }
  for (const [prefix, { name }] of found.prefixHeaders) {
    const map = output[name]
    if (typeof map === 'object' && map !== null)
      for (const [key, value] of Object.entries(map))
        if (value !== undefined && value !== null) headers[prefix + key.toLowerCase()] = oneLine(String(value))
  }
  const status = found.status && output[found.status.name]
  return typeof status === 'number' ? status : undefined
}
