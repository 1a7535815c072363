import type { Readable } from 'node:stream'
import type { ServiceId } from './model/clients.ts'

/** A request as it came: names of headers in lower case, path and query as sent (percent escapes kept, no `?`). */
export type WireRequest = {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  /** The whole body, read once and remembered; rejects with RequestEntityTooLarge beyond the limit. */
  readonly bytes: () => Promise<Uint8Array>
  /** The body as it comes, for operations whose input streams. Use one of `bytes` and `stream`. */
  readonly stream: () => Readable
  /** Tells a client that waits for it (`Expect: 100-continue`) to send its body: once nothing speaks against the call. */
  readonly goOn?: () => void
  /** The client went away, or stopped sending, before its body was complete. */
  readonly broken?: () => boolean
}

export type WireResponse = {
  status: number
  headers: Record<string, string>
  body: string | Uint8Array | Readable | undefined
  /** For a body that streams: called once it is through, or has broken off, with how many of its bytes went out. */
  through?: (bytes: number) => void
}

/** An operation of the model. `input` and `output` are the SDK's schemas, opaque outside `model/` and `protocols/`. */
export type OperationModel = {
  readonly service: ServiceId
  readonly name: string
  /** The input has a streaming blob: the body must not be buffered. */
  readonly streamingInput: boolean
  readonly streamingOutput: boolean
  /** Name of an input member that is its payload, where there is one. */
  readonly schema: unknown
}

export type ServiceModel = {
  readonly id: ServiceId
  /** As in credential scopes: `codecommit`, `monitoring`, `execute-api`. */
  readonly signingNames: readonly string[]
  /** As in `iam:PassRole`: the prefix of IAM actions. */
  readonly iamPrefix: string
  /** As in ARNs and CloudTrail's `eventSource`: `monitoring.amazonaws.com`. */
  readonly eventSource: string
  readonly version: string
  /** The protocol today's SDKs speak to it. */
  readonly protocol: Protocol['name']
  operation(name: string): OperationModel | undefined
  readonly operationNames: readonly string[]
}

/** One wire protocol, server side, for all services. */
export interface Protocol {
  readonly name: 'awsJson1_0' | 'awsJson1_1' | 'restJson1' | 'restXml' | 'awsQuery' | 'ec2Query' | 'rpcv2Cbor'
  /** Bytes to typed input. Throws the protocol's own AwsError (SerializationException, MalformedXML …) for what cannot be read. */
  decode(call: IdentifiedCall, request: WireRequest, body: Uint8Array | Readable): Promise<Record<string, unknown>>
  encode(call: IdentifiedCall, output: Record<string, unknown>, requestId: string): WireResponse | Promise<WireResponse>
  /** `error.code` may be modelled (class, status, members from its shape) or not (status as given, 400 unless told; `InternalFailure` 500). */
  encodeError(call: IdentifiedCall | UnidentifiedCall, error: WireError, requestId: string): WireResponse
}

export type WireError = {
  readonly code: string
  readonly message: string
  readonly status: number | undefined
  readonly members: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
}

/** What the `identify` step found. */
export type IdentifiedCall = {
  readonly service: ServiceModel
  readonly operation: OperationModel
  readonly protocol: Protocol
  /** S3: bucket and key addressed by path or host; REST protocols: URI labels, percent-decoded. */
  readonly labels: Readonly<Record<string, string>>
}

/** Neither service nor operation are known, or only the service: enough to answer an error in the right form. */
export type UnidentifiedCall = { readonly service: ServiceModel | undefined; readonly protocol: Protocol }
