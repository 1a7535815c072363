import { AwsError, notImplemented } from './errors.ts'
import type { LoadedService, ProtocolName, ServiceFacts } from './model/catalog.ts'
import { facts, schemaOf, serviceModel } from './model/catalog.ts'
import { parseForm } from './protocols/form.ts'
import { protocols } from './protocols/protocols.ts'
import { addressS3 } from './s3-address.ts'
import type { IdentifiedCall, Protocol, UnidentifiedCall, WireRequest } from './wire.ts'

// Which service, operation and protocol a request means. Order: target header, CBOR path, Action and Version of a
// form, credential scope, host, and S3 for what is left. Everything compared is a row of model/services.json.

/** A request that means no operation of the wire; `call` says in which form to answer. */
export class UnidentifiedError extends Error {
  readonly call: UnidentifiedCall
  readonly error: AwsError

  constructor(call: UnidentifiedCall, { code, message, status }: { code: string; message: string; status: number }) {
    super(message)
    this.name = code
    this.call = call
    this.error = new AwsError(code, message, { status })
  }
}

const byTarget = new Map(facts.flatMap((row) => [row.target, ...(row.moreTargets ?? [])].map((name) => [name, row])))
const byName = new Map<string, ServiceFacts[]>()
for (const row of facts) for (const name of row.signingNames) byName.set(name, [...(byName.get(name) ?? []), row])

const speaks = (row: ServiceFacts, ...names: ProtocolName[]): boolean =>
  row.protocols.some((name) => names.includes(name))
const isRest = (row: ServiceFacts): boolean => speaks(row, 'restJson1', 'restXml')
const isQuery = (row: ServiceFacts): boolean => speaks(row, 'awsQuery', 'ec2Query')

const s3 = facts.find(({ id }) => id === 's3')!

/** The service part of the credential scope, from the Authorization header or a presigned query. */
const scopeOf = ({ headers, query }: WireRequest): string | undefined => {
  const authorization = headers.authorization
  const fromHeader = authorization && /Credential=([^,\s]+)/.exec(authorization)?.[1]
  const raw = fromHeader ?? /(?:^|&)X-Amz-Credential=([^&]+)/i.exec(query)?.[1]
  if (!raw) return undefined
  const scope = decodeLabel(raw)?.split('/')
  return scope && scope.length >= 4 ? scope.at(-2) : undefined
}

const decodeLabel = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Host prefixes that SDKs put before the endpoint for some operations. */
const hostPrefix = /^(?:sync-|stream(?:ing)?-|data-)/

const hostOf = ({ headers }: WireRequest): string => (headers.host ?? '').toLowerCase().replace(/:\d+$/, '')

/** The service a host name names: `lambda.us-east-1.amazonaws.com`, `monitoring.localhost`. */
const byHost = (host: string): ServiceFacts | undefined => {
  if (!/\.(?:amazonaws\.com|aws|localhost)$/.test(host)) return undefined
  const label = host.replace(hostPrefix, '').split('.')[0] ?? ''
  return byName.get(label)?.[0]
}

/**
 * Finds service, operation and labels of a request.
 * @throws UnidentifiedError: 501 NotImplemented for a service the wire does not have, AWS's own error (UnknownOperation…,
 * InvalidAction) for an operation the service does not have, 400 for a path that cannot be read.
 */
export const identify = async (request: WireRequest): Promise<IdentifiedCall> => {
  const target = request.headers['x-amz-target']
  if (target !== undefined) return byTargetHeader(request, target)

  const cbor = /^\/service\/([^/]+)\/operation\/([^/]+)$/.exec(request.path)
  if (cbor && request.headers['smithy-protocol'] === 'rpc-v2-cbor') return byCborPath(cbor[1]!, cbor[2]!)

  const scope = scopeOf(request)
  const scoped = scope === undefined ? undefined : byName.get(scope)
  if (!scoped || scoped.some(isQuery)) {
    const form = await actionOf(request)
    if (form) return byAction(form, scoped)
  }
  if (scope !== undefined && !scoped) throw unknownService(scope, protocols.restJson1)
  return byPath(request, candidates(request, scoped))
}

const byTargetHeader = async ({ headers }: WireRequest, target: string): Promise<IdentifiedCall> => {
  const [operation = '', service = ''] = target.split('.').reverse()
  const row = byTarget.get(service)
  const protocol = /x-amz-json-1\.0/.test(headers['content-type'] ?? '')
    ? protocols.awsJson1_0
    : /x-amz-json-1\.1/.test(headers['content-type'] ?? '')
      ? protocols.awsJson1_1
      : protocols[row && speaks(row, 'awsJson1_0') ? 'awsJson1_0' : 'awsJson1_1']
  if (!row) throw unknownService(service || target, protocol)
  const model = await serviceModel(row.id)
  return found(model, operation, protocol, () => unknownOperation(model, protocol))
}

const byCborPath = async (service: string, operation: string): Promise<IdentifiedCall> => {
  const row = byTarget.get(service)
  const protocol = protocols.rpcv2Cbor
  if (!row || !speaks(row, 'rpcv2Cbor')) throw unknownService(service, protocol)
  const model = await serviceModel(row.id)
  return found(model, operation, protocol, () => unknownOperation(model, protocol))
}

type Action = { readonly action: string; readonly version: string | undefined }

/** Action and Version, from a form body or the query string of any request. */
const actionOf = async (request: WireRequest): Promise<Action | undefined> => {
  const type = request.headers['content-type'] ?? ''
  const inQuery = /(?:^|&)Action=/.test(request.query) && /(?:^|&)Version=/.test(request.query)
  if (!inQuery && !(request.method === 'POST' && /^application\/x-www-form-urlencoded/i.test(type))) return undefined
  const parameters = new Map<string, string>()
  const texts = inQuery ? [request.query] : [await request.bytes()]
  for (const text of texts)
    for (const [name, value] of formOf(text)) if (name === 'Action' || name === 'Version') parameters.set(name, value)
  const action = parameters.get('Action')
  return action === undefined ? undefined : { action, version: parameters.get('Version') }
}

const formOf = (text: string | Uint8Array): [string, string][] => {
  try {
    return parseForm(text)
  } catch (error) {
    if (!(error instanceof AwsError)) throw error
    const { code, message } = error
    throw new UnidentifiedError({ service: undefined, protocol: protocols.awsQuery }, { code, message, status: 400 })
  }
}

const byAction = async (
  { action, version }: Action,
  scoped: readonly ServiceFacts[] | undefined,
): Promise<IdentifiedCall> => {
  const speakers = (scoped ?? facts).filter(isQuery)
  const row = speakers.find((candidate) => candidate.version === version) ?? (scoped ? speakers[0] : undefined)
  if (!row) throw unknownService(`the query API version ${version ?? '(none)'}`, protocols.awsQuery)
  const protocol = protocols[speaks(row, 'ec2Query') ? 'ec2Query' : 'awsQuery']
  const model = await serviceModel(row.id)
  const invalid = (code: string, message: string): UnidentifiedError =>
    new UnidentifiedError({ service: model, protocol }, { code, message, status: 400 })
  if (version !== row.version)
    throw version === undefined
      ? invalid('MissingParameter', 'The request must contain the parameter Version.')
      : invalid('NoSuchVersion', `The requested version (${version}) of service ${row.target} does not exist.`)
  return found(model, action, protocol, () => {
    const name = /^[\w-]{1,128}$/.test(action) ? action : ''
    return invalid('InvalidAction', `The action ${name} is not valid for this web service.`)
  })
}

const candidates = (request: WireRequest, scoped: readonly ServiceFacts[] | undefined): readonly ServiceFacts[] => {
  if (scoped) return scoped
  const named = byHost(hostOf(request))
  if (named) return [named]
  // Unsigned calls of REST APIs whose paths start with a date or version are told from a bucket's by that.
  const first = request.path.split('/')[1] ?? ''
  const dated = /^(?:\d{4}-\d\d-\d\d|v\d{8})$/.test(first)
    ? facts.filter((row) => row.routes.some((route) => route.split(' ')[1]!.startsWith(`/${first}/`)))
    : []
  return dated.length > 0 ? dated : [s3]
}

const byPath = async (request: WireRequest, rows: readonly ServiceFacts[]): Promise<IdentifiedCall> => {
  const rest = rows.filter(isRest)
  if (rest.length === 0) {
    const row = rows[0]!
    const service = await serviceModel(row.id)
    const protocol = protocols[row.protocols[0]!]
    if (!isQuery(row) || speaks(row, 'awsJson1_0', 'awsJson1_1')) throw unknownOperation(service, protocol)
    const missing = { code: 'MissingAction', message: 'The request must contain the parameter Action', status: 400 }
    throw new UnidentifiedError({ service, protocol }, missing)
  }
  const control = rest.find(({ id }) => id === 's3control')
  // S3 Control shares S3's signing name; its own version begins all its paths.
  const isControl = control && request.path.startsWith(`/v${control.version.replaceAll('-', '')}/`)
  const chosen = isControl ? [control] : rest.filter((row) => row !== control || rest.length === 1)
  for (const row of chosen) {
    const call = await matchPath(request, row)
    if (call) return call
  }
  const row = chosen[0]!
  const call = { service: await serviceModel(row.id), protocol: protocols[row.protocols[0]!] }
  throw new UnidentifiedError(
    call,
    row === s3
      ? { code: 'MethodNotAllowed', message: 'The specified method is not allowed against this resource.', status: 405 }
      : {
          code: 'UnknownOperationException',
          message: 'The requested operation is not recognized by the service.',
          status: 404,
        },
  )
}

// Paths of REST services, compiled per service on first use.

type Segment = { readonly text: string } | { readonly label: string; readonly greedy: boolean }

type Pattern = {
  readonly operation: string
  readonly method: string
  readonly segments: readonly Segment[]
  readonly greedy: boolean
  /** Fixed query parameters, `x-id` aside, and required members in query and headers: all must be there. */
  readonly fixed: readonly (readonly [string, string])[]
  readonly needsQuery: readonly string[]
  readonly needsHeaders: readonly string[]
}

const patternsOf = (model: LoadedService): Map<string, Pattern[]> => {
  const patterns = new Map<string, Pattern[]>()
  const isS3 = model.facts === s3
  for (const route of model.facts.routes) {
    const [method = '', uri = '', operation = ''] = route.split(' ')
    const [path = '', query = ''] = uri.split('?')
    const known = model.operation(operation)
    if (!known) continue
    const { input } = schemaOf(known)
    const required = input.members.slice(0, input.required)
    const own = split(path).map(
      (text): Segment =>
        text.startsWith('{') ? { label: text.replace(/[{}+]/g, ''), greedy: text.endsWith('+}') } : { text },
    )
    // S3's URIs do not name the bucket; it is a label of every operation that has it as a member.
    const bucket = isS3 && required.some(({ name }) => name === 'Bucket')
    const segments: readonly Segment[] = bucket ? [{ label: 'Bucket', greedy: false }, ...own] : own
    const pattern: Pattern = {
      operation,
      method,
      segments,
      greedy: segments.some((segment) => 'greedy' in segment && segment.greedy),
      fixed: parseForm(query).filter(([name]) => name !== 'x-id'),
      needsQuery: required.flatMap(({ traits }) => (traits.httpQuery === undefined ? [] : [traits.httpQuery])),
      needsHeaders: isS3
        ? required.flatMap(({ traits }) => (traits.httpHeader === undefined ? [] : [traits.httpHeader.toLowerCase()]))
        : [],
    }
    patterns.set(method, [...(patterns.get(method) ?? []), pattern])
  }
  return patterns
}

const split = (path: string): string[] =>
  path
    .split('/')
    .filter((text, i) => i > 0 || text !== '')
    .filter((text, i, all) => text !== '' || i < all.length - 1)

const compiled = new WeakMap<LoadedService, Map<string, Pattern[]>>()

const badPath = (service: LoadedService): UnidentifiedError =>
  new UnidentifiedError(
    { service, protocol: protocols[service.facts.protocols[0]!] },
    service.facts === s3
      ? { code: 'InvalidURI', message: "Couldn't parse the specified URI.", status: 400 }
      : { code: 'BadRequestException', message: 'The request path has an invalid percent escape.', status: 400 },
  )

const matchPath = async (request: WireRequest, row: ServiceFacts): Promise<IdentifiedCall | undefined> => {
  const model = await serviceModel(row.id)
  let patterns = compiled.get(model)
  if (!patterns) {
    patterns = patternsOf(model)
    compiled.set(model, patterns)
  }
  const segments = row === s3 ? addressS3(hostOf(request), request.path) : split(request.path)
  const plain = row === s3 ? split(request.path) : segments
  const parameters = parseQuery(request.query, model)
  let best: Pattern | undefined
  let bestScore = -1
  for (const pattern of patterns.get(request.method) ?? []) {
    // WriteGetObjectResponse names no bucket, whatever the host.
    const fixedPath = pattern.segments[0] !== undefined && 'text' in pattern.segments[0]
    if (!fits(pattern, fixedPath ? plain : segments, row === s3)) continue
    if (
      !pattern.fixed.every(([name, value]) => parameters.has(name) && (value === '' || parameters.get(name) === value))
    )
      continue
    if (!pattern.needsQuery.every((name) => parameters.has(name))) {
      // S3 tells operations apart by them, beyond a subresource that says enough; elsewhere their absence is for `validate` to say.
      const score = row === s3 ? (pattern.fixed.length > 0 ? 5 : -1) : best ? -1 : 0
      if (score <= bestScore) continue
      best = pattern
      bestScore = score
      continue
    }
    if (!pattern.needsHeaders.every((name) => request.headers[name] !== undefined)) continue
    const statics = pattern.segments.filter((segment) => 'text' in segment).length
    const score =
      1000 * statics +
      10 * (pattern.fixed.length + pattern.needsQuery.length + pattern.needsHeaders.length) +
      (pattern.greedy ? 0 : 1)
    if (score > bestScore) {
      best = pattern
      bestScore = score
    }
  }
  if (!best) return undefined
  const labels: Record<string, string> = {}
  for (let i = 0; i < best.segments.length; i++) {
    const segment = best.segments[i]!
    if ('text' in segment) continue
    const after = best.segments.length - i - 1
    const raw = segment.greedy ? segments.slice(i, segments.length - after).join('/') : segments[i]!
    const text = decodeLabel(raw)
    if (text === undefined) throw badPath(model)
    labels[segment.label] = text
  }
  return { service: model, operation: model.operation(best.operation)!, protocol: protocols[row.protocols[0]!], labels }
}

const fits = (pattern: Pattern, segments: readonly string[], emptyLabels: boolean): boolean => {
  const { length } = pattern.segments
  if (pattern.greedy ? segments.length < length : segments.length !== length) return false
  let at = 0
  for (let i = 0; i < length; i++) {
    const segment = pattern.segments[i]!
    if ('text' in segment) {
      if (segments[at] !== segment.text && decodeLabel(segments[at]!) !== segment.text) return false
      at++
    } else if (segment.greedy) at += segments.length - length + 1
    else {
      if (segments[at] === '' && !emptyLabels) return false
      at++
    }
  }
  return true
}

const parseQuery = (query: string, service: LoadedService): Map<string, string> => {
  if (query === '') return new Map()
  try {
    return new Map(parseForm(query))
  } catch {
    throw badPath(service)
  }
}

const found = (
  service: LoadedService,
  name: string,
  protocol: Protocol,
  unknown: () => UnidentifiedError,
): IdentifiedCall => {
  const operation = service.operation(name)
  if (!operation) throw unknown()
  return { service, operation, protocol, labels: {} }
}

const unknownService = (name: string, protocol: Protocol): UnidentifiedError => {
  const { code, message } = notImplemented(/^[\w .():-]{1,128}$/.test(name) ? name : 'this service')
  return new UnidentifiedError({ service: undefined, protocol }, { code, message, status: 501 })
}

const unknownOperation = (service: LoadedService, protocol: Protocol): UnidentifiedError =>
  new UnidentifiedError(
    { service, protocol },
    {
      code: 'UnknownOperationException',
      message: 'The requested operation is not recognized by the service.',
      status: 404,
    },
  )
