import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { DoorRequest } from '../compute/driver.ts'
import type { AccessRequest, PolicyDocument } from '../policy/policy.ts'
import type { DeliveredEvent } from '../work/outbox.ts'
import type { Reconciler } from '../work/reconciler.ts'
import type { Capability } from './capability.ts'
import type { Ctx, RequestFacts } from './context.ts'
import type { AwsError } from './errors.ts'
import type { ServiceId } from './model/clients.ts'
import type { Principal } from './principal.ts'
import type { OperationInput, OperationName, OperationOutput } from './types.ts'

/** One operation: a function of context and typed input. */
export type Operation<NS, O extends OperationName<NS>> = (
  ctx: Ctx,
  input: OperationInput<NS, O>,
) => Promise<OperationOutput<NS, O>> | OperationOutput<NS, O>

export type Operations<NS> = { readonly [O in OperationName<NS>]?: Operation<NS, O> }

/** One action on some resources that the caller must be allowed. `context` adds condition keys (any case). */
export type Requirement = {
  /** With prefix: `s3:GetObject`. */
  readonly action: string
  /** ARNs; `*` where the action has no resource. */
  readonly resources: readonly string[]
  readonly context?: Readonly<Record<string, string | readonly string[] | undefined>>
}

/**
 * What must be allowed before the operation runs. Returning a part replaces only that part of the default, which is
 * the action `prefix:Operation` on the resources that the service authorization reference's ARN templates give.
 */
export type AccessRule<I> = (
  input: I,
  ctx: Ctx,
) => Partial<Requirement> | readonly Requirement[] | Promise<Partial<Requirement> | readonly Requirement[]>

export type AccessRules<NS> = {
  readonly operations?: { readonly [O in OperationName<NS>]?: AccessRule<OperationInput<NS, O>> }
  /** Operations that AWS does not authorize (sts:GetCallerIdentity), or that need no signature. */
  readonly unauthorized?: readonly OperationName<NS>[]
  readonly unsigned?: readonly OperationName<NS>[]
  /**
   * The policy attached to a resource, and the account that owns it. `undefined` where there is no such resource.
   * `required`: within an account too it must allow, or leave it to the account's own policies (KMS keys).
   */
  readonly resourcePolicy?: (
    ctx: Ctx,
    arn: string,
    action: string,
  ) => Promise<{ account: string; document?: PolicyDocument; required?: boolean } | undefined>
  /** Tags of a resource, for `aws:ResourceTag/…`. */
  readonly resourceTags?: (ctx: Ctx, arn: string) => Promise<Readonly<Record<string, string>> | undefined>
  /** Says a denial in the service's own words, where they are not everybody's: `sentence`. */
  readonly denial?: (denied: Pick<AccessRequest, 'principal' | 'resource'>, sentence: string) => string
}

/**
 * An odd door: HTTP that is no AWS API (git, metadata, console), matched as data: method (any unless told), path, door.
 */
export type Route = {
  readonly name: string
  readonly door?: DoorRequest['door']
  readonly method?: string
  /** A regular expression over the host name, without port and in lower case, anchored by us. Its named groups are `params` too. */
  readonly host?: RegExp
  /** A regular expression over the path, anchored by us. Named groups become `params`. */
  readonly path: RegExp
  /** How `x-amz-target` begins, for AWS JSON services that no SDK has. */
  readonly target?: string
  /** The service that the request is signed for, in its credential scope, where paths alone could be a bucket's too. */
  readonly signingName?: string
  /** The media type that the request's body must have, in lower case: `multipart/form-data`. */
  readonly mediaType?: string
  /** `ctx.principal` is anonymous: the route authenticates by itself through `authenticate` where it must. */
  readonly handle: (ctx: Ctx, exchange: Exchange) => Promise<void>
}

/**
 * A door for WebSockets, matched as data like a route, on the endpoint only. Who connects is nobody: the door knows its
 * visitors by what they say. It completes the handshake itself, and speaks until either side closes the connection.
 */
export type SocketDoor = {
  readonly name: string
  /** A regular expression over the path, anchored by us. Named groups become `params`. */
  readonly path: RegExp
  readonly open: (ctx: Ctx, arrival: Arrival) => Promise<void>
}

export type Arrival = {
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** What came behind the request's headers already. */
  readonly head: Buffer
  readonly params: Readonly<Record<string, string>>
}

/** What a visitor by a door of its own is served with: nobody yet, until the door has authenticated by its own means. */
export type Visit = {
  readonly ctx: Ctx
  /** The context of a caller whom the door has authenticated (git's password, a task's token, an SSH key). */
  readonly actAs: (principal: Principal, place?: Ctx['place']) => Ctx
  /** Records the call in the audit log as CloudTrail does for calls that are no API operation (`GitPush`). */
  readonly audit: (
    ctx: Ctx,
    call: {
      eventName: string
      readOnly: boolean
      /** Not in the event history. */
      dataEvent?: boolean
      requestParameters: unknown
      /** ARNs of what it was about. */
      resources: readonly string[]
      additionalEventData?: unknown
      error?: { code: string; message: string }
    },
  ) => Promise<void>
}

/** A door with a port and a protocol of its own (git over SSH). The server opens it where its port is configured. */
export type PortDoor = {
  /** Its key in the configuration is `sshPort`. */
  readonly name: 'ssh'
  readonly open: (house: House) => Promise<OpenDoor>
}

/** What a door with a port of its own gets of the server. */
export type House = {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  readonly log: Ctx['log']
  /** A secret of this server that survives restarts and resets: made once, kept sealed. */
  readonly secret: (name: string, make: () => string) => string
  /** Begins one visit: with each thing a visitor asks for, so that a reset ends what went before it. */
  readonly visit: (facts: { sourceIp: string; userAgent: string; path: string }) => Visit
}

export type OpenDoor = {
  readonly port: number
  /** One line for `drydock status`. */
  readonly about: string
  /** Ends what still goes on. */
  readonly close: () => Promise<void>
}

export type Exchange = Omit<Visit, 'ctx'> & {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly params: Readonly<Record<string, string>>
  /** Which task asks, for doors inside a VPC or build. */
  readonly from: DoorRequest | undefined
  /** Verifies the request's SigV4 signature as for an AWS call; throws AWS's error. Returns ctx with the caller in place. */
  readonly authenticate: () => Promise<Ctx>
  /** The whole body, read once and remembered; also what `authenticate` verified. */
  readonly body: () => Promise<Uint8Array>
  /**
   * Secret and owner of an access key, for routes with a signature of their own. `undefined`: unknown, wrong or expired.
   * No secret: the key is believed unverified (`--auth trust`).
   */
  readonly credential: (
    accessKeyId: string,
    sessionToken?: string,
  ) => Promise<{ secret: string | undefined; principal: Principal } | undefined>
  /** The clock nobody turns, in epoch milliseconds: times in clients' signatures are held against it. */
  readonly wallClock: () => number
}

/** A finished call, as `auditFacts` sees it: secrets are hidden already. */
export type AuditedCall = {
  readonly operation: string
  readonly request: RequestFacts
  readonly input: unknown
  readonly output: unknown
}
export type AuditFacts = {
  readonly eventName?: string
  readonly requestParameters?: unknown
  readonly additionalEventData?: unknown
}

/** A call that has its answer. */
export type AnsweredCall = {
  readonly operation: string
  readonly input: Readonly<Record<string, unknown>>
  readonly output: Readonly<Record<string, unknown>> | undefined
  readonly error: AwsError | undefined
  readonly status: number
  /** Bytes of the answer's body that went out, as far as they are known. */
  readonly bytes: number
  /**
   * Milliseconds from its receipt to the beginning of its answer, and until that was through, by the clock nobody turns; calls
   * between services have none.
   */
  readonly took?: number
  readonly total?: number
}

export type Provided = {
  readonly capability: Capability<unknown>
  readonly make: (ctx: (place: Ctx['place']) => Ctx) => unknown
}

/** Binds a capability to what makes it. The maker gets a context factory: capabilities work at any place. */
export const provide = <T>(capability: Capability<T>, make: (at: (place: Ctx['place']) => Ctx) => T): Provided => ({
  capability,
  make,
})

/** Everything a service has, on one screen. `id` is its row in the kernel's model table. */
export type ServiceDefinition<NS> = {
  readonly id: ServiceId
  readonly tables: readonly { readonly name: string }[]
  readonly operations: Operations<NS>
  /** Operations that do less than AWS's, each with the sentence that says what is missing. All others are `real`. */
  readonly partial?: { readonly [O in OperationName<NS>]?: string }
  readonly access?: AccessRules<NS>
  /** Operations that CloudTrail counts as data events: not in the event history. */
  readonly dataEvents?: readonly OperationName<NS>[]
  /**
   * Operations that may take long: their answer begins with status 200 when it has been waited for a while, goes on with white
   * space, and ends with the result, or with an error. For protocols that answer in XML.
   */
  readonly longAnswers?: readonly OperationName<NS>[]
  /** Runs before a call from outside is authorized: for headers that every answer has, and refusals that come first. */
  readonly before?: (ctx: Ctx, call: { operation: string; input: Readonly<Record<string, unknown>> }) => Promise<void>
  /**
   * Runs when a call has its answer, before that leaves; one that streams has gone out by then, or broken off. A throw is
   * logged and changes nothing.
   */
  readonly after?: (ctx: Ctx, call: AnsweredCall) => Promise<void>
  /** What CloudTrail's record of a call says otherwise than the model would. */
  readonly auditFacts?: (call: AuditedCall) => AuditFacts
  /** Where CloudTrail records a call, if not where it was made: global services record theirs in us-east-1. */
  readonly eventRegion?: (request: RequestFacts) => string | undefined
  readonly routes?: readonly Route[]
  readonly socketDoors?: readonly SocketDoor[]
  readonly portDoors?: readonly PortDoor[]
  readonly reconcilers?: readonly Reconciler[]
  readonly provides?: readonly Provided[]
  /** Capabilities it uses, for readers and the arrows check. */
  readonly uses?: readonly Capability<unknown>[]
  /** Called for every event of the outbox, at least once each, at the event's own account and region. */
  readonly onEvent?: (ctx: Ctx, event: DeliveredEvent) => Promise<void>
  /** What of this host the service lacks (a program), with how to get it; `undefined` when nothing. Shown by health and `drydock status`. */
  readonly lacks?: () => Promise<string | undefined>
}

/** A service as the kernel holds it, its types folded away. */
export type Service = {
  readonly id: ServiceId
  readonly tables: readonly { readonly name: string }[]
  readonly operations: Readonly<Record<string, (ctx: Ctx, input: never) => unknown>>
  readonly partial: Readonly<Record<string, string>>
  readonly access: {
    readonly operations: Readonly<Record<string, AccessRule<never>>>
    readonly unauthorized: readonly string[]
    readonly unsigned: readonly string[]
    readonly resourcePolicy?: AccessRules<unknown>['resourcePolicy']
    readonly resourceTags?: AccessRules<unknown>['resourceTags']
    readonly denial?: AccessRules<unknown>['denial']
  }
  readonly dataEvents: readonly string[]
  readonly longAnswers: readonly string[]
  readonly before?: ServiceDefinition<unknown>['before']
  readonly after?: ServiceDefinition<unknown>['after']
  readonly auditFacts?: ServiceDefinition<unknown>['auditFacts']
  readonly eventRegion?: ServiceDefinition<unknown>['eventRegion']
  readonly routes: readonly Route[]
  readonly socketDoors: readonly SocketDoor[]
  readonly portDoors: readonly PortDoor[]
  readonly reconcilers: readonly Reconciler[]
  readonly provides: readonly Provided[]
  readonly onEvent?: ServiceDefinition<unknown>['onEvent']
  readonly lacks?: ServiceDefinition<unknown>['lacks']
}

/**
 * Defines a service against its SDK package: `defineService<typeof import('@aws-sdk/client-codecommit')>()({ … })`.
 * A misspelt operation, a wrong member or enum value does not compile.
 */
export const defineService =
  <NS>() =>
  <const D extends ServiceDefinition<NS>>(
    definition: D & { operations: Record<Exclude<keyof D['operations'], OperationName<NS>>, never> },
  ): Service => ({
    routes: [],
    socketDoors: [],
    portDoors: [],
    reconcilers: [],
    provides: [],
    ...definition,
    dataEvents: definition.dataEvents ?? [],
    longAnswers: definition.longAnswers ?? [],
    partial: (definition.partial ?? {}) as Record<string, string>,
    operations: definition.operations as Service['operations'],
    access: {
      ...definition.access,
      operations: (definition.access?.operations ?? {}) as Service['access']['operations'],
      unauthorized: definition.access?.unauthorized ?? [],
      unsigned: definition.access?.unsigned ?? [],
    },
  })

export type { Principal }
