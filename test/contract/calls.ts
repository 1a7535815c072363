import type { LoadedService } from '../../src/kernel/model/catalog.ts'
import { schemaOf, serviceModel } from '../../src/kernel/model/catalog.ts'
import { clientModules } from '../../src/kernel/model/clients.ts'
import type { Shape } from '../../src/kernel/model/shapes.ts'
import type { Service } from '../../src/kernel/service.ts'
import { omit, type Random, randomStructure, type Taste } from '../fuzz/random.ts'
import { s3Control } from '../s3-hosts.ts'
import type { Keys, Story } from '../story.ts'

// Calls of every operation there is, made from the model, sent by the real SDK clients.

/** What came of a call. `unsent`: the client itself would not send it. */
export type Outcome = {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly output?: Record<string, unknown>
}

type Sender = {
  send(command: unknown, options: { abortSignal: AbortSignal }): Promise<{ $metadata?: { httpStatusCode?: number } }>
}
type Command = new (input: unknown) => unknown

export type Implemented = {
  readonly service: Service
  readonly model: LoadedService
  readonly operations: readonly string[]
}

/** Every service with the operations it does. */
export const implemented = (drydock: Story): Promise<Implemented[]> =>
  Promise.all(
    [...drydock.server.kernel.services.values()].map(async (service) => ({
      service,
      model: (await serviceModel(service.id)) as LoadedService,
      operations: Object.keys(service.operations),
    })),
  )

/** A client of one service whose outcomes are values, errors too. */
export const caller = async ({ model }: Implemented, drydock: Story, keys: Keys) => {
  const module: Readonly<Record<string, unknown>> = { ...(await clientModules[model.id]()) }
  const [, Client] = Object.entries(module).find(([name]) => name !== '__Client' && name.endsWith('Client')) ?? []
  const client: Sender =
    model.id === 's3control'
      ? (s3Control(drydock, keys) as unknown as Sender)
      : drydock.client(Client as new () => Sender, keys)
  return async (operation: string, input: unknown): Promise<Outcome | undefined> => {
    try {
      const command = new (module[`${operation}Command`] as Command)(input)
      const { $metadata, ...output } = await client.send(command, { abortSignal: AbortSignal.timeout(10_000) })
      // A body that nobody reads breaks off at the signal, and nobody catches that.
      for (const member of Object.values(output) as (
        | { transformToByteArray?: () => Promise<Uint8Array> }
        | undefined
      )[])
        await member?.transformToByteArray?.()
      return { status: $metadata?.httpStatusCode ?? 0, code: '', message: '', output }
    } catch (error) {
      const { $metadata, name, message } = error as {
        $metadata?: { httpStatusCode?: number }
        name: string
        message: string
      }
      // An answer carries a status; without one the client refused the input.
      if ($metadata?.httpStatusCode === undefined) {
        if (name === 'AbortError' || name === 'TimeoutError') return { status: 599, code: 'no answer', message }
        return undefined
      }
      return { status: $metadata.httpStatusCode, code: name, message }
    }
  }
}

const plainTaste: Taste = { empties: false, fractions: false, milliseconds: true, tricky: false }

/** Input with every member the model requires, of values that mean nothing. */
export const requiredInput = (model: LoadedService, operation: string, random: Random): Record<string, unknown> => {
  const { input } = schemaOf(model.operation(operation)!)
  const required = new Set(requiredMembers(model, operation))
  for (const { name, traits } of input.members) if (traits.httpLabel) required.add(name)
  const taste: Taste = {
    ...plainTaste,
    member: (member) => (input.members.includes(member) && !required.has(member.name) ? omit : undefined),
  }
  const made = randomStructure(input, random, taste, 'input', operation)
  return conform(model, operation, made, random) as Record<string, unknown>
}

export const requiredMembers = (model: LoadedService, operation: string): readonly string[] => {
  const at = model.constraints.operations[operation]?.input
  return (at === undefined ? undefined : model.constraints.nodes[at]?.required) ?? []
}

const nasty = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\u0007\u001b[31m',
  '\ud800',
  '../../../../etc/passwd',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'x'.repeat(10_240),
  '%00',
  '%',
  '*',
  '$'.concat('{aws:username}'),
  'arn:',
  'arn:aws:::::',
  'arn:aws:s3:::',
  'arn:aws:iam::000000000000:role/absent',
  'https://example.com/x?y=z#w',
  '-1',
  'null',
  '{}',
  '[]',
  '"',
  "'; DROP TABLE row; --",
  '<a>&lt;</a>',
  '🚢'.repeat(50),
  'NaN',
  '\r\nX-Injected: 1',
  '(a+)+$',
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
]

/** Random input of which a part is nonsense: strings no one expects, numbers out of any range. */
export const nastyInput = (
  model: LoadedService,
  operation: string,
  random: Random,
  portion: number,
): Record<string, unknown> => {
  const { input } = schemaOf(model.operation(operation)!)
  const made = randomStructure(input, random, plainTaste, 'input', operation)
  // A length that is not the body's makes the client's next request on that connection a part of this one.
  const { ContentLength: _, ...rest } = conform(model, operation, made, random, portion) as Record<string, unknown>
  return rest
}

/** Values of enums and lengths as the model has them, but for the `portion` that is to be nonsense. */
const conform = (model: LoadedService, operation: string, value: unknown, random: Random, portion = 0): unknown => {
  const { nodes, operations } = model.constraints
  const walk = (shape: Shape, one: unknown, at: number | undefined, label = false): unknown => {
    const node = at === undefined ? {} : (nodes[at] ?? {})
    const spoil = portion > 0 && random.chance(portion)
    switch (shape.kind) {
      case 'string':
        if (typeof one !== 'string') return one
        if (spoil) return random.pick(label ? nasty.filter((text) => text !== '') : nasty)
        if (node.enum && node.enum.length > 0) return random.pick(node.enum)
        return one.padEnd(node.min ?? 0, 'x').slice(0, node.max ?? 1_000)
      case 'number':
        if (spoil) return random.pick([-1, 0, 2 ** 31, 2 ** 53, -(2 ** 63), 1e300])
        return Math.min(Math.max(Number(one), node.min ?? 0), node.max ?? 1_000)
      case 'timestamp':
        return spoil ? new Date(random.pick([0, -1, 8.64e15, -8.64e15])) : one
      case 'list':
        return Array.isArray(one) ? one.map((item) => walk(shape.member.shape, item, node.item)) : one
      case 'map':
        return Object.fromEntries(
          Object.entries(one as object).map(([key, item]) => [
            spoil ? random.pick(nasty) : key,
            walk(shape.value.shape, item, node.value),
          ]),
        )
      case 'structure': {
        const from = one as Record<string, unknown>
        const result: Record<string, unknown> = {}
        for (const member of shape.members)
          if (from[member.name] !== undefined)
            result[member.name] = walk(
              member.shape,
              from[member.name],
              node.members?.[member.name],
              member.traits.httpLabel === 1,
            )
        return result
      }
      default:
        return one
    }
  }
  return walk(schemaOf(model.operation(operation)!).input, value, operations[operation]?.input)
}

/**
 * Input with every member there is, to a depth: what `values` knows by `Operation.member` or `member`, `arn` where a member
 * wants one, else any text the model admits. `undefined` in `values` leaves a member out.
 */
export const wholeInput = (
  model: LoadedService,
  operation: string,
  values: Readonly<Record<string, unknown>>,
  arn: string,
  random: Random,
  members: 'all' | 'required' = 'all',
): Record<string, unknown> => {
  const { nodes, operations } = model.constraints
  const known = (name: string): { value: unknown } | undefined => {
    const key = [`${operation}.${name}`, name].find((one) => Object.hasOwn(values, one))
    return key === undefined ? undefined : { value: values[key] }
  }
  const make = (shape: Shape, at: number | undefined, name: string, depth: number): unknown => {
    const node = at === undefined ? {} : (nodes[at] ?? {})
    const given = known(name)
    if (given && (shape.kind !== 'list' || Array.isArray(given.value))) return given.value
    switch (shape.kind) {
      case 'list': {
        const item = depth > 5 ? undefined : (given?.value ?? make(shape.member.shape, node.item, name, depth + 1))
        return item === undefined ? undefined : [item]
      }
      case 'map': {
        const value = depth > 5 ? undefined : make(shape.value.shape, node.value, `${name}.value`, depth + 1)
        return value === undefined ? undefined : { team: value }
      }
      case 'structure': {
        if (depth > 5) return undefined
        const wanted = new Set(node.required ?? [])
        const chosen =
          shape.union || shape.members.length === 0
            ? shape.members.slice(0, 1)
            : shape.members.filter(
                (member) => members === 'all' || wanted.has(member.name) || member.traits.httpLabel === 1 || depth > 0,
              )
        const entries = chosen.map((member) => [
          member.name,
          make(member.shape, node.members?.[member.name], member.name, depth + 1),
        ])
        return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
      }
      case 'string': {
        if (node.enum && node.enum.length > 0) return node.enum[0]
        if (/Arns?$|^ResourceId(List)?$/i.test(name)) return arn
        const text = `x${random.below(1_000_000)}`
        return text.padEnd(node.min ?? 0, 'x').slice(0, node.max ?? 100)
      }
      case 'number':
        return Math.max(node.min ?? 1, 1)
      case 'boolean':
        return true
      case 'timestamp':
        return new Date('2026-11-23T10:00:00Z')
      case 'blob':
        return new TextEncoder().encode('x')
      default:
        return {}
    }
  }
  return make(schemaOf(model.operation(operation)!).input, operations[operation]?.input, '', 0) as Record<
    string,
    unknown
  >
}
