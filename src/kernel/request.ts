import { Readable } from 'node:stream'
import type { Place } from '../store/store.ts'
import { type Authenticated, authenticate } from './authenticate.ts'
import { audit, authorizeCall, callerError, handle, implementationOf, tellService } from './call.ts'
import type { Ctx, RequestFacts } from './context.ts'
import type { Era } from './era.ts'
import { AwsError, incompleteBody } from './errors.ts'
import { identify, UnidentifiedError } from './identify.ts'
import type { Kernel } from './kernel.ts'
import { inTime } from './late-answer.ts'
import { anonymous } from './principal.ts'
import type { Service } from './service.ts'
import { validate } from './validate.ts'
import type { IdentifiedCall, UnidentifiedCall, WireRequest, WireResponse } from './wire.ts'

/** One request on its way; each step fills in what it found. */
type Journey = {
  readonly kernel: Kernel
  readonly wire: WireRequest
  readonly era: Era
  facts: RequestFacts
  identified?: IdentifiedCall
  unidentified?: UnidentifiedCall
  service?: Service
  authenticated?: Authenticated
  place: Place
  ctx?: Ctx
  input?: Record<string, unknown>
  resources?: readonly string[]
  owners?: ReadonlySet<string>
  output?: Record<string, unknown>
  error?: AwsError
  response?: WireResponse
  /** The answer began before there was a result. */
  begun?: Pick<WireResponse, 'status' | 'headers'> & { readonly took: number }
}

/** The way of a request up to its operation. A throw jumps to `encode`; `encode` and `record` always run. */
const steps = [
  async function identifyStep(journey: Journey) {
    journey.identified = await identify(journey.wire)
  },
  async function authenticateStep(journey: Journey) {
    const { kernel, wire, identified } = journey as Required<Journey>
    const access = kernel.services.get(identified.service.id)?.access
    const authenticated = await authenticate(kernel.credentialsFor(journey.facts), wire, identified.protocol.name, {
      streams: identified.operation.streamingInput,
      mayBeUnsigned: access?.unsigned.includes(identified.operation.name) ?? false,
      signingNames: identified.service.signingNames,
    })
    const { principal, region, trailers, body } = authenticated
    journey.authenticated = authenticated
    journey.place = { account: principal.account || kernel.account, region: region || kernel.region }
    journey.facts = { ...journey.facts, trailers, ...(body instanceof Uint8Array ? { body } : {}) }
    journey.service = implementationOf(kernel, identified)
    journey.ctx = kernel.contextFor({
      service: journey.service,
      principal,
      place: journey.place,
      request: journey.facts,
      era: journey.era,
    })
  },
  async function decodeStep(journey: Journey) {
    const { identified, wire, authenticated } = journey as Required<Journey>
    journey.input = await identified.protocol.decode(identified, wire, authenticated.body)
  },
  async function authorizeStep(journey: Journey) {
    const { service, ctx, identified, input } = journey as Required<Journey>
    await service.before?.(ctx, { operation: identified.operation.name, input })
    await authorizeCall(journey as Required<Journey>)
  },
  async function validateStep(journey: Journey) {
    const { identified, input } = journey as Required<Journey>
    validate(identified, input)
  },
]

const handleStep = async (journey: Journey): Promise<void> => {
  journey.wire.goOn?.()
  journey.output = await handle(journey as Required<Journey>)
}

/** Takes a request all its way and returns the answer; never throws for what a caller sent. */
export const serve = async (kernel: Kernel, wire: WireRequest, facts: RequestFacts): Promise<WireResponse> => {
  const journey: Journey = {
    kernel,
    wire,
    facts,
    era: kernel.era(),
    place: { account: kernel.account, region: kernel.region },
  }
  const ready = await attempt(journey, async () => {
    for (const step of steps) await step(journey)
  })
  const answer = finish(journey, ready)
  const { service, identified } = journey
  return ready && service?.longAnswers.includes(identified?.operation.name ?? '')
    ? inTime(answer, kernel.patience, () => begin(journey))
    : answer
}

/** Whether a part of the way was gone; a throw is encoded as the answer. */
const attempt = async (journey: Journey, part: () => Promise<void>): Promise<boolean> => {
  try {
    await part()
    return true
  } catch (thrown) {
    const { kernel, wire, facts } = journey
    if (thrown instanceof UnidentifiedError) journey.unidentified = thrown.call
    journey.error = callerError(errorOf(thrown, wire), kernel, facts.id, nameOf(journey))
    encodeError(journey)
    return false
  }
}

const finish = async (journey: Journey, ready: boolean): Promise<WireResponse> => {
  if (ready)
    await attempt(journey, async () => {
      await handleStep(journey)
      await encode(journey)
    })
  const response = journey.response as WireResponse
  if (journey.begun) response.status = journey.begun.status
  await record(journey)
  return response
}

/** Begins an answer whose result is not there yet: with what is known by now. */
const begin = async (journey: Journey): Promise<Pick<WireResponse, 'status' | 'headers'>> => {
  const { identified, ctx, facts } = journey as Required<Journey>
  const { status, headers } = await identified.protocol.encode(identified, {}, facts.id)
  journey.begun = {
    took: age(journey),
    status,
    headers: { 'content-type': 'application/xml', ...headers, ...ctx.response.headers },
  }
  return journey.begun
}

/** A client that breaks off its body makes whatever reads it fail: that is no failure of ours. */
const errorOf = (thrown: unknown, wire: WireRequest): unknown => {
  if (thrown instanceof UnidentifiedError) return thrown.error
  return wire.broken?.() && !(thrown instanceof AwsError) ? incompleteBody() : thrown
}

const nameOf = ({ identified, wire }: Journey): string =>
  identified ? `${identified.service.id}:${identified.operation.name}` : `${wire.method} ${wire.path.slice(0, 200)}`

const encode = async (journey: Journey): Promise<void> => {
  const { identified, output, ctx, facts } = journey as Required<Journey>
  const response = await identified.protocol.encode(identified, output, facts.id)
  Object.assign(response.headers, ctx.response.headers)
  if (ctx.response.status) response.status = ctx.response.status
  journey.response = response
}

const encodeError = (journey: Journey): void => {
  const call = journey.identified ?? journey.unidentified
  const error = journey.error as AwsError
  if (!call) throw error
  journey.response = call.protocol.encodeError(call, error, journey.facts.id)
  Object.assign(journey.response.headers, journey.ctx?.response.headers)
}

/** Milliseconds since the request came. */
const age = ({ kernel, facts: { received } }: Journey): number => {
  const now = kernel.credentials.wallClock()
  return now - (received ?? now)
}

/** Tells the service of its call: now, or when its answer has gone out. */
const tell = async (journey: Journey): Promise<void> => {
  const { kernel, era, service, ctx, identified, input = {}, output, error, response, begun } = journey
  if (!service?.after || !ctx || !identified || !response) return
  const { status, headers, body } = response
  const took = begun?.took ?? age(journey)
  const tellOf = (bytes: number): Promise<void> => {
    const answered = {
      operation: identified.operation.name,
      input,
      output,
      error,
      status,
      bytes,
      took,
      total: age(journey),
    }
    return tellService(kernel, service, ctx, answered, era)
  }
  if (!(body instanceof Readable)) return tellOf(body?.length ?? Number(headers['content-length'] ?? 0))
  response.through = (bytes) => {
    const told = tellOf(bytes).finally(() => kernel.telling.delete(told))
    kernel.telling.add(told)
  }
}

const record = async (journey: Journey): Promise<void> => {
  const { kernel, era, identified, authenticated, place, facts, input, resources, owners, output, error } = journey
  if (!identified) return
  await tell(journey)
  const proven = journey.ctx?.response.caller
  await audit(kernel, {
    identified,
    principal: proven ?? authenticated?.principal ?? anonymous,
    place: proven ? { ...place, account: proven.account } : place,
    request: facts,
    input,
    resources,
    owners,
    output,
    error,
    era,
    added: journey.ctx?.response.record,
  })
}
