import type { ServiceId } from './clients.ts'

// The SDK's schemas, read once into shapes that the codecs and the validator compile from. An SDK schema is a tuple:
// [kind, namespace, name, traits, …]; simple types are bare numbers, a member may be [schema, traits].

export type Traits = {
  readonly httpLabel?: 1
  readonly httpQuery?: string
  readonly httpQueryParams?: 1
  readonly httpHeader?: string
  readonly httpPrefixHeaders?: string
  readonly httpPayload?: 1
  readonly httpResponseCode?: 1
  readonly idempotencyToken?: 1
  readonly sensitive?: 1
  readonly jsonName?: string
  readonly xmlName?: string
  readonly xmlFlattened?: 1
  readonly xmlAttribute?: 1
  readonly xmlNamespace?: readonly [prefix: string, uri: string]
  readonly ec2QueryName?: string
  readonly streaming?: 1
  readonly mediaType?: string
  readonly eventHeader?: 1
  readonly eventPayload?: 1
  readonly hostLabel?: 1
  readonly error?: 'client' | 'server'
  readonly httpError?: number
  readonly awsQueryError?: readonly [code: string, status: number]
  readonly http?: readonly [method: string, uri: string, status: number]
  readonly endpoint?: readonly [hostPrefix: string]
}

export type TimestampFormat = 'default' | 'date-time' | 'http-date' | 'epoch-seconds'

export type ScalarShape = {
  readonly kind: 'string' | 'number' | 'boolean' | 'blob' | 'timestamp' | 'document'
  readonly traits: Traits
  /** Of timestamps: what the model asks for; `default` is the protocol's own. */
  readonly format: TimestampFormat
  readonly streaming: boolean
}
export type ListShape = { readonly kind: 'list'; readonly traits: Traits; readonly member: Member }
export type MapShape = { readonly kind: 'map'; readonly traits: Traits; readonly key: Member; readonly value: Member }
export type StructureShape = {
  readonly kind: 'structure'
  readonly name: string
  readonly namespace: string
  readonly traits: Traits
  readonly union: boolean
  readonly error: boolean
  readonly streaming: boolean
  readonly members: readonly Member[]
  /** How many of the first members the SDK's model says are required. */
  readonly required: number
}
export type Shape = ScalarShape | ListShape | MapShape | StructureShape

/** `own` are the member's traits alone, `traits` those of its target too, the member's on top. */
export type Member = {
  readonly name: string
  readonly own: Traits
  readonly traits: Traits
  readonly shape: Shape
}

/** An operation's wire: what the protocols read of it. */
export type OperationSchema = {
  readonly name: string
  readonly service: ServiceId
  readonly traits: Traits
  readonly input: StructureShape
  readonly output: StructureShape
}

const none: Traits = {}
const bits = [
  'httpLabel',
  'idempotent',
  'idempotencyToken',
  'sensitive',
  'httpPayload',
  'httpResponseCode',
  'httpQueryParams',
]

const traitsOf = (traits: unknown): Traits => {
  if (typeof traits === 'object' && traits !== null) return traits
  if (typeof traits !== 'number' || traits === 0) return none
  return Object.fromEntries(bits.flatMap((name, bit) => ((traits >> bit) & 1 ? [[name, 1]] : [])))
}

const deref = (ref: unknown): unknown => (typeof ref === 'function' ? deref(ref()) : ref)

const formats: readonly TimestampFormat[] = ['default', 'date-time', 'http-date', 'epoch-seconds']

const scalar = (code: number, traits: Traits): ScalarShape => {
  const shape = (kind: ScalarShape['kind'], more: Partial<ScalarShape> = {}): ScalarShape => ({
    kind,
    traits,
    format: 'default',
    streaming: false,
    ...more,
  })
  switch (code) {
    case 0:
      return shape('string')
    case 1:
      return shape('number')
    case 2:
      return shape('boolean')
    case 4:
    case 5:
    case 6:
    case 7:
      return shape('timestamp', { format: formats[code - 4] })
    case 15:
      return shape('document')
    case 21:
      return shape('blob')
    case 42:
      return shape('blob', { streaming: true })
    default:
      throw new Error(`The SDK's schemas use a simple type (${code}) that the wire does not know yet.`)
  }
}

const member = (name: string, ref: unknown): Member => {
  let target: unknown = ref
  let own = none
  while (Array.isArray(target) && target.length === 2) {
    own = { ...traitsOf(target[1]), ...own }
    target = deref(target[0])
  }
  return {
    name,
    own,
    // Recursive shapes are not built yet when their member is, so both are found on first use and then kept.
    get shape() {
      return keep(this, 'shape', shapeOf(target))
    },
    get traits() {
      return keep(this, 'traits', { ...this.shape.traits, ...own })
    },
  }
}

const keep = <T>(of: object, name: string, value: T): T => {
  Object.defineProperty(of, name, { value })
  return value
}

const simple = new Map<number, Shape>()
const known = new WeakMap<object, Shape>()

/** The shape of an SDK schema; the same schema gives the same object, so compiled codecs can be kept by it. */
export const shapeOf = (ref: unknown): Shape => {
  const schema = deref(ref)
  if (schema === 'unit') return unit
  if (typeof schema === 'number') {
    const found = simple.get(schema)
    if (found) return found
    const of = schema & 63
    const shape: Shape =
      schema >= 128
        ? { kind: 'map', traits: none, key: member('key', 0), value: member('value', of) }
        : schema >= 64
          ? { kind: 'list', traits: none, member: member('member', of) }
          : scalar(schema, none)
    simple.set(schema, shape)
    return shape
  }
  if (!Array.isArray(schema) || schema.length < 5)
    throw new Error('The SDK exports a schema that the wire cannot read.')
  const found = known.get(schema)
  if (found) return found
  const shape = shapeOfTuple(schema)
  known.set(schema, shape)
  return shape
}

const shapeOfTuple = (schema: readonly unknown[]): Shape => {
  const [kind, namespace, name, raw] = schema
  const traits = traitsOf(raw)
  switch (kind) {
    case 0:
      return scalar(Number(deref(schema[4])), traits)
    case 1:
      return { kind: 'list', traits, member: member('member', schema[4]) }
    case 2:
      return { kind: 'map', traits, key: member('key', schema[4]), value: member('value', schema[5]) }
    case 3:
    case 4:
    case -3: {
      const names = schema[4] as readonly string[]
      const refs = schema[5] as readonly unknown[]
      return {
        kind: 'structure',
        name: String(name),
        namespace: String(namespace),
        traits,
        union: kind === 4,
        error: kind === -3,
        streaming: traits.streaming === 1,
        members: names.map((memberName, i) => member(memberName, refs[i])),
        required: typeof schema[6] === 'number' ? schema[6] : 0,
      }
    }
    default:
      throw new Error(`The SDK's schemas have a kind (${String(kind)}) that the wire does not know yet.`)
  }
}

/** No input, or no output. */
export const unit: StructureShape = {
  kind: 'structure',
  name: 'Unit',
  namespace: 'smithy.api',
  traits: none,
  union: false,
  error: false,
  streaming: false,
  members: [],
  required: 0,
}

export const structureOf = (ref: unknown): StructureShape => {
  const shape = shapeOf(ref)
  if (shape.kind !== 'structure') throw new Error('An operation of the SDK has no structure as its input or output.')
  return shape
}

/**
 * One function per shape, made when first asked for. A recursive shape finds itself: while it is being made, its place
 * is held by a function that calls it.
 */
export const perShape = <A extends readonly unknown[], R>(make: (shape: Shape) => (...args: A) => R) => {
  const made = new WeakMap<Shape, (...args: A) => R>()
  return (shape: Shape): ((...args: A) => R) => {
    const found = made.get(shape)
    if (found) return found
    let real: ((...args: A) => R) | undefined
    made.set(shape, (...args) => real!(...args))
    real = make(shape)
    made.set(shape, real)
    return real
  }
}
