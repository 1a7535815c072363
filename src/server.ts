import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adminListener } from './admin.ts'
import { fsBlobs } from './blobs/fs.ts'
import { memoryBlobs } from './blobs/memory.ts'
import type { ComputeDriver, Door } from './compute/driver.ts'
import { hostCompute } from './compute/host.ts'
import { type Config, isLoopback } from './config.ts'
import type { Logger } from './kernel/context.ts'
import { httpListener, httpServer, type Listener } from './kernel/http.ts'
import { createKernel, type Kernel } from './kernel/kernel.ts'
import { type Patience, usualPatience } from './kernel/late-answer.ts'
import type { House, OpenDoor, Service } from './kernel/service.ts'
import { type Vault, vault } from './kernel/session.ts'
import { socketListener } from './kernel/sockets.ts'
import { visitOf } from './kernel/visit.ts'
import { logger } from './log.ts'
import { loadServices } from './services/index.ts'
import { snapshots } from './snapshot.ts'
import { type SqliteAppend, sqliteAppend } from './store/append-sqlite.ts'
import { type SqliteStore, sqliteStore } from './store/sqlite.ts'
import { type Clock, systemClock } from './work/clock.ts'
import type { DeliveredEvent } from './work/outbox.ts'
import { createWork } from './work/work.ts'

/** What a test or an embedding program puts in place of the real thing. */
export type ServerParts = {
  readonly clock?: Clock
  readonly compute?: (parts: { folder: string; endpoint: () => string; door: Door }) => ComputeDriver
  readonly log?: Logger
  /** Rows, appended entries and blobs in memory: for tests that need no restart. */
  readonly memory?: boolean
  /** How long an answer that may begin without its result waits for it. */
  readonly patience?: Patience
  /** Sees every event of the outbox as it is delivered. */
  readonly observe?: (event: DeliveredEvent) => void
}

export type Server = {
  readonly endpoint: string
  readonly root: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly kernel: Kernel
  /** Resolves when no reconciler or event is due at the clock's present time and none is running. */
  settled(): Promise<void>
  /** Ends what runs and empties the state of every account. */
  reset(): Promise<void>
  /** Drains and stops. Tasks and machines go on, unless the server is ephemeral. */
  close(): Promise<void>
}

/** The composition root: configuration → store → drivers → services → listen. Rejects with one clear sentence when it cannot start. */
export const startServer = async (config: Config, parts: ServerParts = {}): Promise<Server> => {
  const log = parts.log ?? logger(config)
  const data = config.ephemeral ? mkdtempSync(join(tmpdir(), 'drydock-')) : config.data
  const clock = parts.clock ?? storedClock(join(data, 'clock.json'))
  const now = () => clock.now()
  const store = sqliteStore(parts.memory ? { memory: true, now } : { folder: data, now })
  let append: SqliteAppend | undefined
  try {
    append = sqliteAppend(parts.memory ? { memory: true } : { folder: data })
    return await compose(config, parts, { log, data, clock, store, append })
  } catch (error) {
    await append?.close()
    await store.close()
    if (config.ephemeral) rmSync(data, { recursive: true, force: true })
    throw error
  }
}

const compose = async (
  config: Config,
  parts: ServerParts,
  opened: { log: Logger; data: string; clock: Clock; store: SqliteStore; append: SqliteAppend },
): Promise<Server> => {
  const { log, data, clock, store, append } = opened
  const files = fsBlobs(join(data, 'blobs'))
  const blobs = parts.memory ? memoryBlobs() : files
  const secrets = vault(keyFile(join(data, 'master.key')))
  const root = { ...rootCredentials(config, data), account: config.account }

  let endpoint = ''
  let listener: Listener | undefined
  const door: Door = (request, response, from) => {
    if (listener) listener(request, response, from)
    else response.writeHead(503).end()
  }
  const computeParts = { folder: join(data, 'compute'), endpoint: () => endpoint, door }
  const compute =
    parts.compute?.(computeParts) ??
    hostCompute({
      ...computeParts,
      mode: config.compute,
      log,
      dockerHost: config.dockerHost,
      privileged: config.privileged,
    })

  const folder = join(data, 'services')
  const services = await loadServices()
  const doors = new Map<string, OpenDoor>()
  const kernel = createKernel({
    account: config.account,
    region: config.region,
    trust: config.auth === 'trust',
    root,
    services,
    store,
    append,
    blobs,
    compute,
    images: config.images,
    hosts: config.hosts,
    clock,
    vault: secrets,
    log,
    patience: parts.patience ?? usualPatience,
    folder,
    endpoint: () => endpoint,
    publicUrl: config.publicUrl,
    doors,
  })
  const reconcilers = new Map(
    [...services.values()].flatMap((service) =>
      service.reconcilers.map((reconciler) => [reconciler.name, { service, reconciler }] as const),
    ),
  )
  const work = createWork({
    store,
    clock,
    log,
    reconcilers: new Map([...reconcilers].map(([name, { reconciler }]) => [name, reconciler])),
    contextFor: (name, place) => {
      const found = reconcilers.get(name)
      if (!found) throw new Error(`No service has a reconciler ${name}.`)
      return kernel.ownContext(found.service, place)
    },
    deliver: async (event) => {
      parts.observe?.(event)
      const place = { account: event.account, region: event.region }
      const failures: unknown[] = []
      for (const service of services.values())
        try {
          await service.onEvent?.(kernel.ownContext(service, place), event)
        } catch (error) {
          // The others get it all the same; then it is delivered again.
          failures.push(error)
        }
      if (failures.length > 0) throw failures[0]
    },
  })

  const reset = async () => {
    await work.pause(async () => {
      kernel.forget()
      await compute.removeAll()
      await store.reset()
      await append.reset()
      await blobs.reset()
      rmSync(folder, { recursive: true, force: true })
      kernel.forget()
    })
  }

  const aws = httpListener(kernel)
  const admin = adminListener({
    kernel,
    config,
    reset,
    advance: (milliseconds) => work.advance(milliseconds),
    snapshots: snapshots({
      data,
      folder,
      store,
      append,
      blobs: files,
      quiet: (body) => work.pause(body),
      endTasks: () => compute.removeAll(),
      forget: () => kernel.forget(),
    }),
  })
  listener = (request, response, from) => {
    if (!admin(request, response, from)) aws(request, response, from)
  }
  const sockets = socketListener(kernel)
  const http = httpServer(listener, { sockets })
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new Error(`port ${config.port} on ${config.host} is taken`) : error),
    )
    http.listen(config.port, config.host, resolve)
  })
  const { port } = http.address() as AddressInfo
  const host = config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host
  endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  if (config.auth === 'trust')
    log.warn('TRUST MODE: access keys that IAM did not issue act as root, unverified. Do not expose this server.')
  try {
    await openDoors({ config, data, kernel, vault: secrets, log, doors })
  } catch (error) {
    http.close()
    throw error
  }
  await work.start()

  return {
    endpoint,
    root: { accessKeyId: root.accessKeyId, secretAccessKey: root.secretAccessKey },
    kernel,
    settled: async () => {
      await Promise.all(kernel.telling)
      await work.settled()
    },
    reset,
    close: async () => {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()))
      http.closeIdleConnections()
      const impatient = setTimeout(() => http.closeAllConnections(), 2_000)
      impatient.unref()
      sockets.close()
      await Promise.all([...doors.values()].map((door) => door.close()))
      await work.stop()
      http.closeAllConnections()
      await closed
      await Promise.all(kernel.telling)
      if (config.ephemeral) await compute.removeAll()
      await compute.close()
      await append.close()
      await store.close()
      if (config.ephemeral) rmSync(data, { recursive: true, force: true })
    },
  }
}

/** Opens the services' doors with ports of their own: those whose port is configured. */
const openDoors = async (parts: {
  config: Config
  data: string
  kernel: Kernel
  vault: Vault
  log: Logger
  doors: Map<string, OpenDoor>
}): Promise<void> => {
  const { config, kernel, doors } = parts
  for (const service of kernel.services.values())
    for (const { name, open } of service.portDoors) {
      const port = config[`${name}Port`]
      if (port !== undefined) doors.set(name, await open(houseOf(parts, service, port)))
    }
}

const houseOf = (
  { config, data, kernel, vault, log }: { config: Config; data: string; kernel: Kernel; vault: Vault; log: Logger },
  service: Service,
  port: number,
): House => ({
  host: config.host,
  port,
  log,
  secret: (name, make) => {
    const path = join(data, `${name}.sealed`)
    if (!existsSync(path)) writeFileSync(path, vault.seal(make()), { mode: 0o600 })
    return vault.unseal(readFileSync(path, 'utf8'))
  },
  visit: ({ sourceIp, userAgent, path }) =>
    visitOf(kernel, service, {
      id: randomUUID(),
      method: '',
      path,
      query: '',
      headers: {},
      endpoint: kernel.endpoint(),
      sourceIp,
      userAgent,
      secure: true,
      received: kernel.credentials.wallClock(),
      trailers: () => ({}),
    }),
})

/** The turned clock keeps its offset over restarts. */
const storedClock = (path: string): Clock => {
  const offset = existsSync(path) ? Number(JSON.parse(readFileSync(path, 'utf8')).offset) || 0 : 0
  return systemClock({ offset, onOffset: (moved) => writeFileSync(path, JSON.stringify({ offset: moved })) })
}

const keyFile = (path: string): Uint8Array => {
  if (existsSync(path)) return readFileSync(path)
  mkdirSync(join(path, '..'), { recursive: true })
  const key = randomBytes(32)
  writeFileSync(path, key, { mode: 0o600 })
  return key
}

/** `test`/`test` while only this machine can reach the server; else a random pair kept in the data folder. */
const rootCredentials = (config: Config, data: string): { accessKeyId: string; secretAccessKey: string } => {
  if (isLoopback(config.host)) return { accessKeyId: 'test', secretAccessKey: 'test' }
  const path = join(data, 'root-credentials.json')
  if (!existsSync(path)) {
    const pair = {
      accessKeyId: `AKIA${randomBytes(10).toString('hex').slice(0, 16).toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
    }
    writeFileSync(path, JSON.stringify(pair), { mode: 0o600 })
  }
  return JSON.parse(readFileSync(path, 'utf8'))
}
