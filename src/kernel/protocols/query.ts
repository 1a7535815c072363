import { AwsError } from '../errors.ts'
import type { LoadedService } from '../model/catalog.ts'
import { schemaOf } from '../model/catalog.ts'
import type { IdentifiedCall, Protocol, UnidentifiedCall, WireError, WireResponse } from '../wire.ts'
import { formTree, parseForm, readForm } from './form.ts'
import { errorFacts, errorMembers } from './wire-errors.ts'
import { escapeXml, writeXmlElement, writeXmlMembers, xmlDeclaration } from './xml-writer.ts'

// awsQuery and ec2Query: `Action=…&Version=…` in a form body (or the query string of a GET), XML in answer.

const contentType = 'text/xml;charset=UTF-8'

const namespaceOf = (call: IdentifiedCall | UnidentifiedCall): string | undefined =>
  (call.service as LoadedService | undefined)?.facts?.xmlNamespace

const parametersOf = (request: { query: string; method: string }, body: Uint8Array): [string, string][] => [
  ...parseForm(body),
  ...(request.query ? parseForm(request.query) : []),
]

export const awsQuery: Protocol = {
  name: 'awsQuery',
  async decode(call, request, body) {
    const tree = formTree(parametersOf(request, body as Uint8Array))
    return readForm(
      schemaOf(call.operation).input,
      tree,
      'awsQuery',
      (path, _value, kind) =>
        new AwsError('MalformedInput', `Unexpected value for ${path}: a ${kind} was expected.`, { status: 400 }),
    )
  },
  encode(call, output, requestId): WireResponse {
    const { name, output: shape } = schemaOf(call.operation)
    const result = shape.name === 'Unit' ? '' : writeXmlElement(`${name}Result`, undefined, shape, output)
    const namespace = namespaceOf(call)
    return {
      status: 200,
      headers: { 'content-type': contentType, 'x-amzn-requestid': requestId },
      body: `<${name}Response${namespace ? ` xmlns="${namespace}"` : ''}>${result}<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${name}Response>`,
    }
  },
  encodeError(call, error, requestId): WireResponse {
    const { queryCode, shape, fault, status } = errorFacts(call, error)
    const namespace = namespaceOf(call)
    const head = `<Type>${fault === 'server' ? 'Receiver' : 'Sender'}</Type><Code>${escapeXml(queryCode)}</Code><Message>${escapeXml(error.message)}</Message>`
    const members = shape ? extraMembers(shape, error) : ''
    return {
      status,
      headers: { 'content-type': contentType, 'x-amzn-requestid': requestId, ...error.headers },
      body: `<ErrorResponse${namespace ? ` xmlns="${namespace}"` : ''}><Error>${head}${members}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
    }
  },
}

/** What an error carries beside type, code and message. */
const extraMembers = (shape: NonNullable<ReturnType<typeof errorFacts>['shape']>, error: WireError): string => {
  const members = errorMembers(shape, error)
  for (const key of Object.keys(members)) if (/^(message|code|type)$/i.test(key)) delete members[key]
  return Object.keys(members).length > 0 ? writeXmlMembers(shape, members) : ''
}

export const ec2Query: Protocol = {
  name: 'ec2Query',
  async decode(call, request, body) {
    const tree = formTree(parametersOf(request, body as Uint8Array))
    return readForm(
      schemaOf(call.operation).input,
      tree,
      'ec2Query',
      (path, value, kind) =>
        new AwsError(
          'InvalidParameterValue',
          kind === 'number' || kind === 'boolean' || kind === 'timestamp'
            ? `Invalid value '${value}' for ${path}. Expected a ${kind}.`
            : `Value (${value}) for parameter ${path} is invalid.`,
          { status: 400 },
        ),
    )
  },
  encode(call, output, requestId): WireResponse {
    const { name, output: shape } = schemaOf(call.operation)
    const namespace = namespaceOf(call)
    return {
      status: 200,
      headers: { 'content-type': contentType, 'x-amzn-requestid': requestId },
      body: `${xmlDeclaration}<${name}Response${namespace ? ` xmlns="${namespace}/"` : ''}><requestId>${requestId}</requestId>${writeXmlMembers(shape, output)}</${name}Response>`,
    }
  },
  encodeError(call, error, requestId): WireResponse {
    const { queryCode, status } = errorFacts(call, error)
    return {
      status,
      headers: { 'content-type': contentType, 'x-amzn-requestid': requestId, ...error.headers },
      body: `${xmlDeclaration}<Response><Errors><Error><Code>${escapeXml(queryCode)}</Code><Message>${escapeXml(error.message)}</Message></Error></Errors><RequestID>${requestId}</RequestID></Response>`,
    }
  },
}
