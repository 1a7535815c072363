import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { DoorRequest } from './compute/driver.ts'
import type { Config } from './config.ts'
import { coverageOf } from './coverage.ts'
import { authenticate } from './kernel/authenticate.ts'
import { callerError } from './kernel/call.ts'
import type { RequestFacts } from './kernel/context.ts'
import { AwsError } from './kernel/errors.ts'
import { factsOf, sendJson, wireRequest } from './kernel/http.ts'
import type { Kernel } from './kernel/kernel.ts'
import type { WireRequest } from './kernel/wire.ts'
import { version } from './package.ts'
import type { Snapshots } from './snapshot.ts'

type AdminParts = {
  readonly kernel: Kernel
  readonly config: Config
  readonly reset: () => Promise<void>
  readonly advance: (milliseconds: number) => Promise<void>
  readonly snapshots: Snapshots
}

const clockInput = z.strictObject({
  advance: z
    .number()
    .int()
    .min(0)
    .max(100 * 365 * 86_400_000),
})
const credentialsInput = z.strictObject({ account: z.string().regex(/^\d{12}$/, 'An account id has twelve digits.') })
const snapshotInput = z.strictObject({
  action: z.enum(['save', 'restore']),
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/)
    .refine((name) => !name.startsWith('.')),
})

/**
 * Drydock's own doors below `/_drydock/`: what no AWS API has. Reading needs no signature; what changes anything, or
 * tells of policies, must be signed by the root user of the default account (in trust mode by anyone, web pages
 * excepted). Answers whether the request was one of its own.
 */
export const adminListener = (parts: AdminParts) => {
  const { kernel, config } = parts
  const doors: Record<string, (wire: WireRequest) => Promise<unknown>> = {
    'GET /_drydock/health': () => health(kernel, config),
    'GET /_drydock/coverage': () => coverageOf(kernel.services),
    'GET /_drydock/status': async () => ({
      ...(await health(kernel, config)),
      data: config.ephemeral ? 'ephemeral' : config.data,
    }),
    'GET /_drydock/clock': async () => ({ now: kernel.clock.now().toISOString() }),
    'POST /_drydock/clock': async (wire) => {
      const { advance } = await read(wire, clockInput)
      await parts.advance(advance)
      return { now: kernel.clock.now().toISOString() }
    },
    'POST /_drydock/credentials': async (wire) => {
      const { account } = await read(wire, credentialsInput)
      return kernel.vault.rootKey(account)
    },
    'POST /_drydock/reset': async () => {
      await parts.reset()
      return { reset: true }
    },
    'POST /_drydock/snapshot': async (wire) => {
      const { action, name } = await read(wire, snapshotInput)
      await parts.snapshots[action](name)
      return { [action]: name }
    },
  }

  return (request: IncomingMessage, response: ServerResponse, from?: DoorRequest): boolean => {
    const url = request.url ?? '/'
    if (!url.startsWith('/_drydock/') || (from && from.door !== 'endpoint')) return false
    const [path = '', query = ''] = url.split('?')
    // Services have doors of their own below `/_drydock/<service>/`.
    if (path.slice('/_drydock/'.length).includes('/') && !path.startsWith('/_drydock/why/')) return false
    const reads = request.method === 'GET' || request.method === 'HEAD'
    const asked = reads ? /^\/_drydock\/why\/([\w-]{1,100})$/.exec(path)?.[1] : undefined
    const door =
      (asked ? async () => whyDenied(kernel, asked) : doors[`${reads ? 'GET' : request.method} ${path}`]) ??
      (() => Promise.reject(unknownDoor(doors, path)))
    const facts = factsOf(kernel, request, path, query, from)
    const wire = wireRequest(request, response, path, query, facts.headers)
    const answer = (status: number, body: unknown) => sendJson(request, response, facts.id, status, body)
    const act = async () => {
      if (asked || !reads) await requireRoot(kernel, wire, facts)
      return door(wire)
    }
    act().then(
      (body) => answer(200, body),
      (thrown) => {
        const error = callerError(thrown, kernel, facts.id, `${request.method} ${path}`)
        answer(error.status ?? 400, { __type: error.code, message: error.message })
      },
    )
    return true
  }
}

/** Why a request was denied, as long as it is remembered. */
const whyDenied = ({ denials }: Kernel, requestId: string) => {
  const found = denials.of(requestId)
  if (found.length === 0)
    throw new AwsError(
      'ResourceNotFoundException',
      `No denial of a request ${requestId} is remembered: it was not denied by IAM, or too long ago, or before a restart.`,
      { status: 404 },
    )
  return { requestId, denials: found }
}

const unknownDoor = (doors: Readonly<Record<string, unknown>>, path: string): AwsError => {
  const methods = Object.keys(doors)
    .filter((door) => door.endsWith(` ${path}`))
    .map((door) => door.split(' ')[0])
  return methods.length > 0
    ? new AwsError('MethodNotAllowed', `${path} takes ${methods.join(' and ')}.`, {
        status: 405,
        headers: { allow: methods.join(', ') },
      })
    : new AwsError('NotFound', `There is no ${path.slice(0, 100)}.`, { status: 404 })
}

const requireRoot = async (kernel: Kernel, wire: WireRequest, facts: RequestFacts): Promise<void> => {
  // Where no signature is asked for, a web page must not be able to ask on its reader's behalf.
  if (facts.headers.origin !== undefined)
    throw new AwsError('AccessDeniedException', 'Web pages may not do this.', { status: 403 })
  if (kernel.trust && !facts.inside) return
  const { principal } = await authenticate(kernel.credentialsFor(facts), wire, 'restJson1', {
    streams: false,
    mayBeUnsigned: false,
  })
  if (principal.kind !== 'root' || principal.account !== kernel.account)
    throw new AwsError('AccessDeniedException', 'Only the root user of the default account may do this.', {
      status: 403,
    })
}

const read = async <T>(wire: WireRequest, schema: z.ZodType<T>): Promise<T> => {
  let content: unknown
  try {
    content = JSON.parse(Buffer.from(await wire.bytes()).toString('utf8'))
  } catch {
    throw new AwsError('SerializationException', 'The body is not JSON.')
  }
  const result = schema.safeParse(content)
  if (!result.success)
    throw new AwsError('ValidationException', result.error.issues[0]?.message ?? 'The body is not as expected.')
  return result.data
}

const health = async (kernel: Kernel, config: Config) => {
  const services = await Promise.all(
    [...kernel.services.values()].map(async (service) => {
      const lacks = await service.lacks?.()
      return [service.id, lacks ? { state: 'degraded', lacks } : { state: 'available' }] as const
    }),
  )
  const capabilities = (await kernel.compute.probeAll?.()) ?? [await kernel.compute.probe()]
  return {
    version,
    account: config.account,
    region: config.region,
    auth: config.auth,
    ...(config.auth === 'trust' ? { warning: 'Trust mode: unknown access keys act as root, unverified.' } : {}),
    compute: capabilities,
    doors: [...kernel.doors.values()].map(({ port, about }) => ({ port, about })),
    services: Object.fromEntries(services.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  }
}
