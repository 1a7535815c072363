import { AwsError } from '../errors.ts'
import type { LoadedService } from '../model/catalog.ts'
import { schemaOf } from '../model/catalog.ts'
import type { StructureShape } from '../model/shapes.ts'
import type { IdentifiedCall, Protocol, UnidentifiedCall, WireRequest, WireResponse } from '../wire.ts'
import { parseForm } from './form.ts'
import { writeBindings } from './http-bindings.ts'
import { decodeUtf8 } from './json.ts'
import type { RestForm } from './rest.ts'
import { decodeRest, encodeRest } from './rest.ts'
import { errorFacts, errorMembers } from './wire-errors.ts'
import { malformedXml, parseXml, readXml } from './xml-reader.ts'
import { escapeXml, writeXmlElement, writeXmlMembers, xmlDeclaration } from './xml-writer.ts'

// restXml: operations by method and path, members in path, query, headers and an XML body. S3 says its errors without
// a wrapper; that is data below.

const bareErrors: ReadonlySet<string> = new Set(['s3'])

const namespaceOf = (call: IdentifiedCall | UnidentifiedCall): string | undefined =>
  (call.service as LoadedService | undefined)?.facts?.xmlNamespace

const structure = (shape: { readonly kind: string }): StructureShape => {
  if (shape.kind !== 'structure') throw new Error('An XML payload is a structure.')
  return shape as StructureShape
}

const text = (body: Uint8Array): string => {
  try {
    return decodeUtf8(body)
  } catch {
    throw malformedXml()
  }
}

const form: RestForm = {
  contentType: 'application/xml',
  requestIdHeader: 'x-amz-request-id',
  readBody: (shape, body) => readXml(shape, parseXml(text(body))),
  readPayload: (member, body) => readXml(structure(member.shape), parseXml(text(body))),
  writeBody(call, shape, output) {
    const root = shape.traits.xmlName ?? shape.name
    const [only] = shape.members
    // GetBucketLocation: the root element is the member itself.
    if (only && shape.members.length === 1 && only.name === root && only.shape.kind === 'string') {
      const value = output[only.name]
      const content = value === undefined || value === null ? '' : escapeXml(String(value))
      return `${xmlDeclaration}<${root} xmlns="${namespaceOf(call) ?? ''}">${content}</${root}>`
    }
    return xmlDeclaration + writeXmlElement(root, namespaceOf(call), shape, output)
  },
  writePayload(call, member, value) {
    const shape = structure(member.shape)
    const root = member.own.xmlName ?? shape.traits.xmlName ?? shape.name
    return xmlDeclaration + writeXmlElement(root, namespaceOf(call), shape, value)
  },
  writeEvent: (shape, value) => {
    const target = structure(shape)
    return writeXmlElement(target.traits.xmlName ?? target.name, undefined, target, value)
  },
  invalid: (member, value) =>
    new AwsError('InvalidArgument', `Argument ${member} must be of the right type.`, {
      status: 400,
      members: { ArgumentName: member, ArgumentValue: value },
    }),
}

export const restXml: Protocol = {
  name: 'restXml',
  decode: (call, request, body) => decodeRest(form, call, withSignedQuery(call, request), body),
  encode: (call, output, requestId) => encodeRest(form, call, output, requestId),
  encodeError(call, error, requestId): WireResponse {
    const { name, shape, fault, status } = errorFacts(call, error)
    const headers: Record<string, string> = {
      'content-type': 'application/xml',
      'x-amz-request-id': requestId,
      'x-amzn-requestid': requestId,
    }
    const bodyless = 'operation' in call && schemaOf(call.operation).traits.http?.[0] === 'HEAD'
    if (bodyless || status === 304) return { status, headers: { ...headers, ...error.headers }, body: undefined }
    let members: string
    if (shape) {
      const values = errorMembers(shape, error)
      writeBindings(shape, values, headers)
      delete values.message
      delete values.Message
      members = writeXmlMembers(shape, values) + unmodelled(shape, values)
    } else members = unmodelled(undefined, error.members)
    const head = `<Code>${escapeXml(name)}</Code><Message>${escapeXml(error.message)}</Message>`
    const service = call.service
    const body =
      !service || bareErrors.has(service.id)
        ? `${xmlDeclaration}<Error>${head}${members}<RequestId>${requestId}</RequestId></Error>`
        : `${xmlDeclaration}<ErrorResponse xmlns="${namespaceOf(call) ?? ''}"><Error><Type>${fault === 'server' ? 'Receiver' : 'Sender'}</Type>${head}${members}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`
    return { status, headers: { ...headers, ...error.headers }, body }
  },
}

/** Services whose presigned URLs may say in the query what would be headers. */
const headersInQuery: ReadonlySet<string> = new Set(['s3'])

/**
 * A presigned URL carries its `x-amz-…` headers in the signed query, as SDKs put them there; a real header wins. Not so
 * checksums: the SDK signs that of a body it does not have yet, and S3 does not look at it.
 */
const withSignedQuery = (call: IdentifiedCall, request: WireRequest): WireRequest => {
  if (!headersInQuery.has(call.service.id) || !/(^|&)X-Amz-Signature=/i.test(request.query)) return request
  const said = parseForm(request.query)
    .map(([name, value]): [string, string] => [name.toLowerCase(), value])
    .filter(([name]) => name.startsWith('x-amz-') && !/^x-amz-(sdk-)?checksum-/.test(name))
  return { ...request, headers: { ...Object.fromEntries(said), ...request.headers } }
}

/** S3 tells more than its model has: BucketName, Key, Condition and the like. */
const unmodelled = (shape: StructureShape | undefined, members: Readonly<Record<string, unknown>>): string =>
  Object.entries(members)
    .filter(
      ([name, value]) =>
        typeof value !== 'object' &&
        value !== undefined &&
        /^\w+$/.test(name) &&
        !shape?.members.some((member) => member.name === name),
    )
    .map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
    .join('')
