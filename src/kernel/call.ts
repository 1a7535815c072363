import { randomUUID } from 'node:crypto'
import type { Place } from '../store/store.ts'
import { actionModel, resourcesOf } from './actions.ts'
import { type AuditRecord, auditRecord, auditStream, sharedRecord } from './audit.ts'
import { authorize, requirementsOf } from './authorize.ts'
import type { Ctx, RequestFacts } from './context.ts'
import type { Era } from './era.ts'
import { AwsError, notImplemented } from './errors.ts'
import { type Attempt, identity } from './identity.ts'
import type { Kernel } from './kernel.ts'
import { schemaOf, serviceModel } from './model/catalog.ts'
import type { ServiceId } from './model/clients.ts'
import { withoutSecrets } from './model/secrets.ts'
import type { Principal } from './principal.ts'
import { protocols } from './protocols/protocols.ts'
import type { AnsweredCall, Service } from './service.ts'
import { validate } from './validate.ts'
import type { IdentifiedCall } from './wire.ts'

/** A call whose caller and input are known: the part of the way that calls from outside and between services share. */
export type Call = {
  readonly identified: IdentifiedCall
  readonly service: Service
  readonly ctx: Ctx
  readonly input: Record<string, unknown>
  /** What the call is about, once `authorize` knows: for the record. */
  resources?: readonly string[]
  /** Accounts whose resources those are. */
  owners?: ReadonlySet<string>
}

/** The service that does this operation; throws 501 `NotImplemented` naming it when none does. */
export const implementationOf = (kernel: Kernel, { service, operation }: IdentifiedCall): Service => {
  const found = kernel.services.get(service.id)
  if (!found || !Object.hasOwn(found.operations, operation.name))
    throw notImplemented(`${service.id}:${operation.name}`)
  return found
}

/** What "last accessed" information says of a call; `action` where IAM's name for it differs from the operation's. */
const attemptOf = ({ identified, service, ctx }: Call, action?: string): Attempt => {
  const { name } = identified.operation
  return {
    action: action ?? `${identified.service.iamPrefix}:${name}`,
    region: service.eventRegion?.(ctx.request) ?? ctx.region,
    tracked: !service.dataEvents.includes(name),
  }
}

/** May the caller do this? Throws the service's AccessDenied. */
export const authorizeCall = async (call: Call): Promise<void> => {
  const { identified, service, ctx, input } = call
  const { iamPrefix } = identified.service
  const { access, eventRegion } = service
  const scope = { access, iamPrefix, protocol: identified.protocol.name, ...(eventRegion ? { eventRegion } : {}) }
  try {
    const requirements = await requirementsOf(scope, identified.operation.name, input, ctx)
    call.resources = requirements.flatMap(({ resources }) => resources)
    ctx.use(identity).used(ctx.principal, attemptOf(call, requirements[0]?.action))
    call.owners = await authorize(scope, ctx.use(identity), ctx, requirements)
  } catch (thrown) {
    // Rules read members that nobody has validated yet: if one breaks over them, it is for `validate` to say which.
    if (!(thrown instanceof AwsError)) validate(identified, input)
    throw thrown
  }
}

export const handle = async ({ identified, service, ctx, input }: Call): Promise<Record<string, unknown>> => {
  const operation = service.operations[identified.operation.name]
  return ((await operation?.(ctx, input as never)) ?? {}) as Record<string, unknown>
}

/** What the caller gets of a thrown value: the caller's error as it is; anything else is our bug, told as InternalFailure. */
export const callerError = (
  thrown: unknown,
  kernel: Pick<Kernel, 'log'>,
  requestId: string,
  what: string,
): AwsError => {
  if (thrown instanceof AwsError) {
    if (thrown.code === 'NotImplemented') kernel.log.warn('not implemented', { what, requestId })
    return thrown
  }
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  kernel.log.error('internal failure', { what, requestId, stack })
  return new AwsError(
    'InternalFailure',
    'The request processing has failed because of an unknown error, exception or failure.',
    {
      status: 500,
      cause: thrown,
    },
  )
}

type Finished = {
  readonly identified: IdentifiedCall
  readonly principal: Principal
  readonly place: Place
  readonly request: RequestFacts
  readonly input: Record<string, unknown> | undefined
  readonly resources: readonly string[] | undefined
  readonly owners: ReadonlySet<string> | undefined
  readonly output: unknown
  readonly error: AwsError | undefined
  readonly era: Era
  /** What the handler adds to the record. */
  readonly added: Ctx['response']['record']
}

/**
 * Writes the record of a finished call; resolves when it is durable. What the call did stands even where its record
 * cannot be written, so the caller gets its answer, and the log says aloud that the record is missing.
 */
export const audit = async (kernel: Kernel, facts: Finished): Promise<void> => {
  const { identified, request, era } = facts
  try {
    await record(kernel, facts)
  } catch (error) {
    if (era.ended()) return
    const what = `${identified.service.id}:${identified.operation.name}`
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    kernel.log.error('a call could not be recorded in the audit log', { what, requestId: request.id, stack })
  }
}

const record = async (kernel: Kernel, facts: Finished): Promise<void> => {
  const { identified, principal, place, error } = facts
  const service = kernel.services.get(identified.service.id)
  const dataEvent = service?.dataEvents.includes(identified.operation.name) ?? false
  if (dataEvent && !(await kernel.keepsDataEvents(facts.era))) return
  const action = await actionModel(`${identified.service.iamPrefix}:${identified.operation.name}`)
  const now = kernel.clock.now()
  const region = service?.eventRegion?.(facts.request) ?? place.region
  // What decides by itself (sts:AssumeRole) has not been through `authorize`.
  const resources = facts.resources?.length
    ? facts.resources
    : resourcesOf(action, facts.input ?? {}, { ...place, partition: 'aws' })
  const owners = facts.owners?.size ? facts.owners : error ? undefined : ownersOf(resources)
  const { input, output } = schemaOf(identified.operation)
  const requestParameters = withoutSecrets(input, facts.input)
  const responseElements = withoutSecrets(output, facts.output)
  const record = auditRecord({
    principal,
    account: place.account,
    region,
    now,
    eventSource: identified.service.eventSource,
    eventName: identified.operation.name,
    request: facts.request,
    readOnly: action
      ? action.accessLevel === 'Read' || action.accessLevel === 'List'
      : /^(Get|List|Describe|BatchGet|Head)/.test(identified.operation.name),
    dataEvent,
    protocol: identified.protocol.name,
    requestParameters,
    responseElements,
    resources,
    error,
    ...facts.added,
    ...service?.auditFacts?.({
      operation: identified.operation.name,
      request: facts.request,
      input: requestParameters,
      output: responseElements,
    }),
  })
  await recordIn({ era: facts.era, place, owners, principal }, region, record, now.getTime())
}

/** Accounts that ARNs name. */
const ownersOf = (resources: readonly unknown[]): ReadonlySet<string> =>
  new Set(resources.flatMap((arn) => (typeof arn === 'string' ? [arn.split(':')[4] ?? ''] : [])))

/** In the caller's account, and in those whose resources the call was about; who has no account is recorded in theirs only. */
const recordIn = async (
  { era, place, owners = new Set<string>(), principal }: Pick<Finished, 'era' | 'place' | 'owners' | 'principal'>,
  region: string,
  record: AuditRecord,
  time: number,
): Promise<void> => {
  const append = (account: string, body: AuditRecord) =>
    era.append.append(auditStream(account, region), [{ time, body }])
  const others = [...owners].filter((account) => account !== place.account && /^\d{12}$/.test(account))
  if (others.length === 0) {
    await append(place.account, record)
    return
  }
  const [only, ...more] = owners
  if (!principal.account && only !== undefined && more.length === 0) {
    await append(only, { ...record, recipientAccountId: only })
    return
  }
  const sharedEventID = randomUUID()
  await Promise.all([
    append(place.account, { ...record, sharedEventID }),
    ...others.map((account) => append(account, sharedRecord(record, account, sharedEventID))),
  ])
}

/**
 * Tells a service of a call of its own that has ended. The call stands and is answered also where that fails, and the log
 * says so.
 */
export const tellService = async (
  kernel: Pick<Kernel, 'log'>,
  service: Service,
  ctx: Ctx,
  answered: AnsweredCall,
  era: Era,
): Promise<void> => {
  try {
    await service.after?.(ctx, answered)
  } catch (error) {
    if (era.ended()) return
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const what = `${service.id}:${answered.operation}`
    kernel.log.error('a service could not take note of a call', { what, requestId: ctx.request.id, stack })
  }
}

/** A call from one service to another: the same way without the bytes. */
export const invoke = async (
  kernel: Kernel,
  asked: {
    service: ServiceId
    operation: string
    input: Record<string, unknown>
    principal: Principal
    place: Place
    request: RequestFacts
    era: Era
  },
): Promise<Record<string, unknown>> => {
  const { principal, place, request, input, era } = asked
  const model = await serviceModel(asked.service)
  const operation = model.operation(asked.operation)
  if (!operation) throw new TypeError(`${asked.service} has no operation ${asked.operation}.`)
  const identified: IdentifiedCall = { service: model, operation, protocol: protocols[model.protocol], labels: {} }
  const service = implementationOf(kernel, identified)
  const ctx = kernel.contextFor({ service, principal, place, request, era })
  const call: Call = { identified, service, ctx, input }
  let error: AwsError | undefined
  let output: Record<string, unknown> | undefined
  try {
    await authorizeCall(call)
    validate(identified, input)
    output = await handle(call)
    return output
  } catch (thrown) {
    error = callerError(thrown, kernel, request.id, `${asked.service}:${asked.operation}`)
    throw error
  } finally {
    const { resources, owners } = call
    const answered = {
      operation: operation.name,
      input,
      output,
      error,
      status: error?.status ?? (error ? 400 : 200),
      bytes: 0,
    }
    await tellService(kernel, service, ctx, answered, era)
    const added = ctx.response.record
    await audit(kernel, { identified, principal, place, request, input, resources, owners, output, error, era, added })
  }
}
