import type { Readable } from 'node:stream'
import type { Blobs } from '../blobs/blobs.ts'
import type { ComputeDriver, RegisteredImage } from '../compute/driver.ts'
import type { AccessRequest, Decision } from '../policy/policy.ts'
import type { AppendStore } from '../store/append.ts'
import type { Place, ReadTx, WriteTx } from '../store/store.ts'
import type { Capability } from './capability.ts'
import type { AssumeRequest } from './identity.ts'
import type { ClientModules } from './model/clients.ts'
import type { Principal } from './principal.ts'
import type { OperationInput, OperationName, OperationOutput } from './types.ts'

/** What of the HTTP request an operation may need beyond its input. Header names in lower case. */
export type RequestFacts = {
  readonly id: string
  readonly method: string
  /** As sent, percent escapes kept, without the query. */
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  /** `http://host:port` by which the caller reached us: the base of URLs handed out. */
  readonly endpoint: string
  readonly sourceIp: string
  readonly userAgent: string
  readonly secure: boolean
  /** The request came out of a task or machine, by one of its doors. */
  readonly inside?: boolean
  /** When it came, by the clock nobody turns, in epoch milliseconds; calls between services have none. */
  readonly received?: number
  /** The body, where the operation's input does not stream it. */
  readonly body?: Uint8Array
  /** Trailing headers; complete once the body has been read. */
  readonly trailers: () => Readonly<Record<string, string>>
  /** The service that made this call on the caller's behalf, for calls from service to service. */
  readonly invokedBy?: string
  /** All services through whose hands the call came, the one that made it last: `aws:CalledVia`. */
  readonly calledVia?: readonly string[]
  /** Condition keys that the calling service states: for whom it acts (`aws:SourceArn`, `aws:SourceAccount`). */
  readonly stated?: Readonly<Record<string, readonly string[]>>
}

/** Temporary credentials in the words of STS. */
export type Credentials = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly expiration: Date
}

type Client<NS> = {
  readonly [O in OperationName<NS> as Uncapitalize<O>]: (
    input: OperationInput<NS, O>,
  ) => Promise<OperationOutput<NS, O>>
}

/**
 * Other services' operations under one identity: authorize, validate, handle and audit run as for a call from outside.
 * The role is assumed on first use, its trust policy checked.
 */
export type Caller = { readonly [S in keyof ClientModules]: Client<ClientModules[S]> } & {
  principal(): Promise<Principal>
  /** Throws AccessDenied unless IAM lets this identity do `action` on `resource`: for needs that are no API call. */
  authorize(action: string, resource: string, context?: Record<string, readonly string[]>): Promise<void>
  /** Temporary credentials of this identity, to hand to what runs under it. */
  credentials(durationSeconds: number): Promise<Credentials>
}

export type ActAs = Omit<AssumeRequest, 'by' | 'sessionName' | 'roleArn'> & {
  /** Session name as it shows in ARNs; AWS's own where it has one (CodeBuild: `AWSCodeBuild-…`). The service id unless told. */
  readonly sessionName?: string
  /** The name of the service that the role must trust, where the service has one of its own for this: `batchoperations.s3.amazonaws.com`. */
  readonly host?: string
  /** Where the calls go; the place of `ctx` unless told. */
  readonly account?: string
  readonly region?: string
}

export interface Logger {
  debug(message: string, facts?: Record<string, unknown>): void
  info(message: string, facts?: Record<string, unknown>): void
  warn(message: string, facts?: Record<string, unknown>): void
  error(message: string, facts?: Record<string, unknown>): void
}

/** Where a host name of the user's leads, and the authorities (PEM) that vouch for who answers there; Node's own unless told. */
export type KnownHost = { readonly address: string; readonly port: number; readonly ca?: string }

/** Everything an operation, reconciler, route or event handler may touch. Time and effects come from here and nowhere else. */
export interface Ctx {
  readonly service: string
  readonly account: string
  readonly region: string
  readonly partition: 'aws'
  /** Who calls; in reconcilers and event handlers the service itself. */
  readonly principal: Principal
  readonly request: RequestFacts
  /**
   * What a handler may set beyond its output: the status of a partial answer, extra headers, who the caller of an
   * unsigned operation proved to be, and what else the call's record says.
   */
  readonly response: {
    status?: number
    headers: Record<string, string>
    caller?: Principal
    record?: { readonly additionalEventData: Readonly<Record<string, unknown>> }
  }
  readonly log: Logger
  now(): Date
  /**
   * Calls `run` once the clock reaches `time`; returns what cancels it. For answers that go on while their client listens:
   * work that must not be lost is a reconciler's.
   */
  alarm(time: Date, run: () => void): () => void
  /** A UUID. */
  newId(): string
  /** `length` random characters of `alphabet` (lower-case hexadecimal digits unless told). */
  random(length: number, alphabet?: string): string
  /** `arn:aws:<service>:<region>:<account>:<resource>` of this context's service, account and region. */
  arn(resource: string): string
  /** The place of this context, or another one. */
  read<T>(body: (tx: ReadTx) => Promise<T>): Promise<T>
  write<T>(body: (tx: WriteTx) => Promise<T>): Promise<T>
  readonly place: Place
  /** This context at another place (an event handler that works in a resource's own account, say). */
  at(place: Place): Ctx
  readonly blobs: Blobs
  readonly append: AppendStore
  readonly compute: ComputeDriver
  /** Images the user registered (`images` of drydock.yaml), beside those that drivers know by themselves. */
  readonly images: readonly RegisteredImage[]
  /** Host names that lead where the user said (`hosts` of drydock.yaml), not where a resolver says. */
  readonly hosts: ReadonlyMap<string, KnownHost>
  /** By which base URL others reach this server from outside, where its user has said so. */
  readonly publicUrl: string | undefined
  /** One of this server's doors beside the endpoint (`ssh`), and the Region it leads to; `undefined` where it is not open. */
  port(door: string): { readonly port: number; readonly region: string } | undefined
  /** A folder of this service's own below the data folder, made on first use; emptied by reset. For repositories, build folders. */
  folder(): string
  /** Encrypts a secret for rest under the server's key file, and back. */
  seal(text: string): string
  unseal(sealed: string): string
  /** Other services under a role (an ARN) that trusts this service, or under a principal at hand (the caller's own rights: `ctx.principal`). */
  as(who: string | Principal, options?: ActAs): Caller
  /**
   * Checks one more action of the present caller, where AWS checks more than the operation's own (`iam:PassRole`).
   * Throws AccessDenied in the service's own form.
   */
  authorize(action: string, resource: string, context?: Record<string, readonly string[]>): Promise<void>
  /** Remembers why something was denied, for who asks (`drydock why`): by the id of this context's request, or of the one told. */
  denied(request: AccessRequest, decision: Decision, requestId?: string): void
  /** What another service provides. */
  use<T>(capability: Capability<T>): T
  /** Temporary credentials for a principal with a session. */
  issue(principal: Principal): Credentials
}

export type Bytes = Uint8Array | Readable
