import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Blobs } from '../blobs/blobs.ts'
import type { ComputeDriver, RegisteredImage } from '../compute/driver.ts'
import type { AppendStore } from '../store/append.ts'
import type { Place, Store } from '../store/store.ts'
import type { Clock } from '../work/clock.ts'
import { recording } from './audit.ts'
import { type CredentialSource, withoutRoot } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { invoke } from './call.ts'
import type { Capability } from './capability.ts'
import type { ActAs, Caller, Ctx, KnownHost, Logger, RequestFacts } from './context.ts'
import { type Denials, rememberDenials } from './denials.ts'
import { beginEra, type Era } from './era.ts'
import { identity } from './identity.ts'
import type { Patience } from './late-answer.ts'
import { serviceFacts } from './model/catalog.ts'
import type { ServiceId } from './model/clients.ts'
import { type Principal, servicePrincipal } from './principal.ts'
import type { OpenDoor, Service } from './service.ts'
import type { Vault } from './session.ts'

/** What the server hands to the kernel: every effect there is. */
export type KernelParts = {
  readonly account: string
  readonly region: string
  readonly trust: boolean
  readonly root: CredentialSource['root']
  readonly services: ReadonlyMap<ServiceId, Service>
  readonly store: Store
  readonly append: AppendStore
  readonly blobs: Blobs
  readonly compute: ComputeDriver
  readonly images: readonly RegisteredImage[]
  readonly hosts: ReadonlyMap<string, KnownHost>
  readonly clock: Clock
  readonly vault: Vault
  readonly log: Logger
  /** How long results are waited for where an answer may begin without. */
  readonly patience: Patience
  /** Folder below which each service gets its own. */
  readonly folder: string
  /** The server's own base URL, once it listens. */
  readonly endpoint: () => string
  /** By which others reach it from outside, if its user has said so. */
  readonly publicUrl: string | undefined
  /** Doors beside the endpoint that are open, by name. */
  readonly doors: ReadonlyMap<string, OpenDoor>
}

/** A service that goes on for another one goes on for whom that one acts. */
const statedOf = (own: ActAs['context'], callers: RequestFacts['stated']): Pick<RequestFacts, 'stated'> => {
  const stated = own ?? callers
  return stated ? { stated } : {}
}

/** Where a context stands: whose it is, where, and by which request. */
export type Standing = {
  readonly service: Service
  readonly principal: Principal
  readonly place: Place
  readonly request: RequestFacts
  /** The era of the work it is part of; the present one unless told. */
  readonly era?: Era
}

export type Kernel = KernelParts & {
  readonly credentials: CredentialSource
  /** Why the latest requests were denied. */
  readonly denials: Denials
  /** Who may be believed to have sent this request. */
  credentialsFor(request: Pick<RequestFacts, 'inside'>): CredentialSource
  contextFor(standing: Standing): Ctx
  /** The context of work that no request asked for: reconcilers, event handlers, capabilities. */
  ownContext(service: Service, place: Place, era?: Era): Ctx
  /** The present era: what a request that begins now belongs to. */
  era(): Era
  /** Whether a data event is recorded: where no service says who wants them, always. */
  keepsDataEvents(era: Era): Promise<boolean>
  /** Services that are being told of answers that have gone out. */
  readonly telling: Set<Promise<void>>
  /** Ends the present era and begins another: capabilities are made anew, and work that is under way writes nothing more. */
  forget(): void
}

const hexadecimal = '0123456789abcdef'

const noRequest = (endpoint: string): RequestFacts => ({
  id: randomUUID(),
  method: '',
  path: '',
  query: '',
  headers: {},
  endpoint,
  sourceIp: '',
  userAgent: '',
  secure: false,
  trailers: () => ({}),
})

export const createKernel = (parts: KernelParts): Kernel => {
  let present = beginEra(parts)
  const denials = rememberDenials(parts.log)
  const provided = new Map<string, (era: Era) => unknown>()
  const useIn = <T>(era: Era, capability: Capability<T>): T => {
    if (!era.made.has(capability.name)) {
      const make = provided.get(capability.name)
      if (!make) throw new Error(`No service provides ${capability.name}.`)
      era.made.set(capability.name, make(era))
    }
    return era.made.get(capability.name) as T
  }

  const contextFor = (standing: Standing): Ctx => {
    const { service, principal, place, request, era = present } = standing
    const use = <T>(capability: Capability<T>): T => useIn(era, capability)
    const here = { account: place.account, region: place.region }
    const ctx: Ctx = {
      service: service.id,
      ...here,
      partition: 'aws',
      principal,
      request,
      response: { headers: {} },
      log: parts.log,
      now: () => parts.clock.now(),
      alarm: (time, run) => parts.clock.at(time, run),
      newId: randomUUID,
      random: (length, alphabet = hexadecimal) =>
        [...randomBytes(length)].map((byte) => alphabet[byte % alphabet.length]).join(''),
      arn: (resource) => `arn:aws:${serviceFacts(service.id).iamPrefix}:${place.region}:${place.account}:${resource}`,
      place: here,
      read: (body) => era.store.read(here, body),
      write: (body) => era.store.write(here, body),
      at: (other) => contextFor({ ...standing, era, place: other }),
      blobs: era.blobs,
      append: era.append,
      compute: era.compute,
      images: parts.images,
      hosts: parts.hosts,
      publicUrl: parts.publicUrl,
      port: (name) => {
        const door = parts.doors.get(name)
        return door && { port: door.port, region: parts.region }
      },
      folder: () => {
        era.check()
        const folder = join(parts.folder, service.id)
        mkdirSync(folder, { recursive: true })
        return folder
      },
      seal: parts.vault.seal,
      unseal: parts.vault.unseal,
      as: (who, options) => callerOf(ctx, era, service, who, options),
      authorize: async (action, resource, context) => {
        const { iamPrefix, protocol } = serviceFacts(service.id)
        const scope = { access: accessOf(action), iamPrefix, protocol }
        await authorize(scope, use(identity), ctx, [{ action, resources: [resource], ...(context ? { context } : {}) }])
      },
      denied: (access, decision, requestId = request.id) =>
        denials.note(requestId, parts.clock.now(), access, decision),
      use,
      issue: parts.vault.issue,
    }
    return ctx
  }

  /** The rules of the service whose resources an action is about, for its resource policies: found by the action's prefix. */
  const accessOf = (action: string): Service['access'] => {
    const prefix = action.split(':')[0]
    for (const service of parts.services.values())
      if (serviceFacts(service.id).iamPrefix === prefix) return service.access
    return { operations: {}, unauthorized: [], unsigned: [] }
  }

  const callerOf = (ctx: Ctx, era: Era, service: Service, who: string | Principal, options: ActAs = {}): Caller => {
    const host = options.host ?? serviceFacts(service.id).eventSource
    let acting: Promise<Principal> | undefined
    const principal = (): Promise<Principal> => {
      if (typeof who !== 'string') return Promise.resolve(who)
      const context = { 'aws:RequestedRegion': [place.region], ...options.context }
      acting ??= useIn(era, identity).assume({
        ...options,
        context,
        requestId: ctx.request.id,
        roleArn: who,
        sessionName: options.sessionName ?? service.id,
        by: servicePrincipal(host),
      })
      return acting
    }
    const place = { account: options.account ?? ctx.account, region: options.region ?? ctx.region }
    const onBehalf = typeof who !== 'string' && who.kind !== 'service'
    const request: RequestFacts = {
      ...noRequest(ctx.request.endpoint || parts.endpoint()),
      ...(onBehalf ? { invokedBy: host, calledVia: [...(ctx.request.calledVia ?? []), host] } : {}),
      ...statedOf(options.context, who === ctx.principal ? ctx.request.stated : undefined),
    }
    const own = {
      principal,
      authorize: async (action: string, resource: string, context?: Record<string, readonly string[]>) => {
        const as = contextFor({ service, principal: await principal(), place, request, era })
        await as.authorize(action, resource, context)
      },
      credentials: async (durationSeconds: number) => {
        const session = await principal()
        if (!session.session) throw new TypeError('Only a role session has credentials to hand out.')
        const issued = parts.clock.now().getTime()
        return parts.vault.issue({
          ...session,
          session: { ...session.session, issued, expires: issued + durationSeconds * 1000 },
        })
      },
    }
    const clients = new Map<string, unknown>()
    return new Proxy(own, {
      get: (target, name) => {
        if (typeof name !== 'string' || name === 'then') return undefined
        if (Object.hasOwn(target, name)) return Reflect.get(target, name)
        let client = clients.get(name)
        if (!client) {
          client = new Proxy(
            {},
            {
              get: (_client, operation) => {
                if (typeof operation !== 'string' || operation === 'then') return undefined
                return async (input: Record<string, unknown>) =>
                  invoke(kernel, {
                    service: name as ServiceId,
                    operation: operation.charAt(0).toUpperCase() + operation.slice(1),
                    input,
                    principal: await principal(),
                    place,
                    request: { ...request, id: randomUUID() },
                    era,
                  })
              },
            },
          )
          clients.set(name, client)
        }
        return client
      },
    }) as unknown as Caller
  }

  const ownContext = (service: Service, place: Place, era?: Era): Ctx =>
    contextFor({
      service,
      place,
      ...(era ? { era } : {}),
      principal: servicePrincipal(serviceFacts(service.id).eventSource),
      request: noRequest(parts.endpoint()),
    })

  for (const service of parts.services.values())
    for (const { capability, make } of service.provides)
      provided.set(capability.name, (era) => make((place) => ownContext(service, place, era)))

  const credentials: CredentialSource = {
    identity: () => useIn(present, identity),
    vault: parts.vault,
    root: parts.root,
    trust: parts.trust,
    region: parts.region,
    now: () => parts.clock.now().getTime(),
    wallClock: Date.now,
  }
  const insideCredentials = withoutRoot(credentials)

  const kernel: Kernel = {
    ...parts,
    credentials,
    credentialsFor: ({ inside }) => (inside ? insideCredentials : credentials),
    denials,
    contextFor,
    ownContext,
    era: () => present,
    telling: new Set(),
    keepsDataEvents: async (era) => !provided.has(recording.name) || (await useIn(era, recording).dataEvents()),
    forget: () => {
      present.end()
      denials.forget()
      present = beginEra(parts)
    },
  }
  return kernel
}
