import type { OperationModel, Protocol, ServiceModel } from '../wire.ts'
import type { ServiceId } from './clients.ts'
import { clientModules } from './clients.ts'
import type { Constraints } from './constraints.ts'
import { loadConstraints } from './constraints.ts'
import services from './services.json' with { type: 'json' }
import type { OperationSchema, StructureShape } from './shapes.ts'
import { structureOf } from './shapes.ts'

export type ProtocolName = Protocol['name']

/** What is known of a service before its package is loaded. The first protocol is the one today's SDKs speak. */
export type ServiceFacts = {
  readonly id: ServiceId
  readonly signingNames: readonly string[]
  readonly iamPrefix: string
  readonly eventSource: string
  readonly version: string
  /** Before the last dot of `X-Amz-Target`, without what comes before its own last dot. */
  readonly target: string
  /** The same of a service that has two names. */
  readonly moreTargets?: readonly string[]
  readonly protocols: readonly ProtocolName[]
  /** A JSON service whose errors still carry their old query codes. */
  readonly queryCompatible: boolean
  readonly xmlNamespace: string | undefined
  /** `METHOD uri Operation`, of REST services. */
  readonly routes: readonly string[]
}

type Row = Omit<ServiceFacts, 'id' | 'queryCompatible' | 'xmlNamespace' | 'routes'> &
  Partial<Pick<ServiceFacts, 'queryCompatible' | 'xmlNamespace' | 'routes'>>

/** Every service of the wire, handlers or not. */
export const facts: readonly ServiceFacts[] = Object.entries(services as Record<string, unknown>).map(([id, row]) => ({
  queryCompatible: false,
  xmlNamespace: undefined,
  routes: [],
  ...(row as Row),
  id: id as ServiceId,
}))

const byId = new Map(facts.map((row) => [row.id, row]))

/** A service's row of the table: at hand without loading its package. */
export const serviceFacts = (id: ServiceId): ServiceFacts & { readonly protocol: ProtocolName } => {
  const row = byId.get(id)
  if (!row) throw new Error(`services.json has no row for ${id}; run scripts/generate-services.ts.`)
  return { ...row, protocol: row.protocols[0]! }
}

/** A service with its shapes, as the protocols use it. */
export type LoadedService = ServiceModel & {
  readonly facts: ServiceFacts
  /** An error shape by its name, or by its code in the query protocol. */
  error(code: string): StructureShape | undefined
  readonly errorNames: readonly string[]
  readonly constraints: Constraints
}

const loaded = new Map<ServiceId, Promise<LoadedService>>()

/** The model of a service; loads its SDK package the first time. */
export const serviceModel = (id: ServiceId): Promise<LoadedService> => {
  const known = loaded.get(id)
  if (known) return known
  const model = load(id)
  loaded.set(id, model)
  // A failure to load is not kept.
  model.catch(() => loaded.delete(id))
  return model
}

const load = async (id: ServiceId): Promise<LoadedService> => {
  const row = byId.get(id)
  if (!row) throw new Error(`services.json has no row for ${id}; run scripts/generate-services.ts.`)
  const [module, constraints]: [Readonly<Record<string, unknown>>, Constraints] = await Promise.all([
    clientModules[id](),
    loadConstraints(id),
  ])
  const schemas = new Map<string, readonly unknown[]>()
  const errors = new Map<string, StructureShape>()
  const errorNames: string[] = []
  for (const schema of Object.values(module)) {
    if (!Array.isArray(schema) || schema.length < 5) continue
    if (schema[0] === 9) schemas.set(String(schema[2]), schema)
    else if (schema[0] === -3) {
      const shape = structureOf(schema)
      if (shape.namespace.startsWith('smithy.ts')) continue
      errorNames.push(shape.name)
      errors.set(shape.name, shape)
    }
  }
  for (const name of errorNames) {
    const shape = errors.get(name)!
    const code = shape.traits.awsQueryError?.[0]
    if (code && !errors.has(code)) errors.set(code, shape)
  }
  const operations = new Map<string, OperationModel>()
  return {
    ...row,
    protocol: row.protocols[0]!,
    facts: row,
    operationNames: [...schemas.keys()],
    errorNames,
    constraints,
    error: (code) => errors.get(code),
    operation(name) {
      const found = operations.get(name)
      if (found) return found
      const schema = schemas.get(name)
      if (!schema) return undefined
      const operation = operationOf(id, schema)
      operations.set(name, operation)
      return operation
    },
  }
}

const operationOf = (service: ServiceId, tuple: readonly unknown[]): OperationModel => {
  const traits = tuple[3]
  const schema: OperationSchema = {
    name: String(tuple[2]),
    service,
    traits: typeof traits === 'object' && traits !== null ? traits : {},
    input: structureOf(tuple[4]),
    output: structureOf(tuple[5]),
  }
  return {
    service,
    name: schema.name,
    streamingInput: streams(schema.input),
    streamingOutput: streams(schema.output),
    schema,
  }
}

const streams = (shape: StructureShape): boolean =>
  shape.members.some(
    ({ shape, traits }) =>
      traits.streaming === 1 || ((shape.kind === 'blob' || shape.kind === 'structure') && shape.streaming),
  )

/** The schema of an operation that `serviceModel` made. */
export const schemaOf = (operation: OperationModel): OperationSchema => operation.schema as OperationSchema
