import { isDeepStrictEqual } from 'node:util'
import { AwsQueryProtocol, AwsSmithyRpcV2CborProtocol } from '@aws-sdk/core/protocols'
import { describe, expect, test } from 'vitest'
import type { LoadedService, ProtocolName } from '../../src/kernel/model/catalog.ts'
import { facts, schemaOf, serviceModel } from '../../src/kernel/model/catalog.ts'
import type { ServiceId } from '../../src/kernel/model/clients.ts'
import { clientModules } from '../../src/kernel/model/clients.ts'
import type { Shape } from '../../src/kernel/model/shapes.ts'
import { protocols } from '../../src/kernel/protocols/protocols.ts'
import { bytesOf, inProcess } from './in-process.ts'
import { knownToSdk } from './known.ts'
import type { Taste } from './random.ts'
import { randomStructure, seeded, seedOf } from './random.ts'
import { specialTo, streamed } from './special.ts'

// The contract with the JavaScript SDK: for every operation of every client package, random input sent by the real
// client arrives deep-equal at decode, random output that we encode arrives deep-equal in the client, and every error
// shape arrives as its class with its members. Runs without sockets. `npm run test:fuzz -- --cases N --seed S`.

const cases = Number(process.env.FUZZ_CASES ?? 1)
const base = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const only = process.env.FUZZ_ONLY?.split(',')

type Command = { new (input: unknown): unknown }
type Client = { send(command: unknown): Promise<Record<string, unknown>>; destroy(): void }
type Module = Readonly<Record<string, unknown>>

const clientOf = (module: Module, options: Record<string, unknown>): Client => {
  const [, Make] = Object.entries(module).find(([name]) => name !== '__Client' && name.endsWith('Client'))!
  return new (Make as new (options: unknown) => Client)({
    region: 'us-east-1',
    endpoint: 'http://localhost:4566',
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI' },
    maxAttempts: 1,
    ...options,
  })
}

const tasteOf = (service: ServiceId, protocol: ProtocolName): Taste => ({
  empties: protocol.startsWith('awsJson') || protocol === 'rpcv2Cbor',
  fractions: protocol.startsWith('awsJson') || protocol === 'rpcv2Cbor',
  milliseconds: true,
  tricky: true,
  member: specialTo(service, 'sdk'),
})

const clientOptions: { readonly [S in ServiceId]?: Record<string, unknown> } = {
  // The client checks MD5 sums of messages, which random answers do not have.
  sqs: { md5: false },
  // Nor can random checksums be right.
  s3: { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
}

/** Streams read, class instances plain, undefined gone, so that two values can be compared. */
const settle = async (shape: Shape, value: unknown): Promise<unknown> => {
  if (value === undefined || value === null) return undefined
  switch (shape.kind) {
    case 'blob': {
      if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
      const stream = value as { transformToByteArray?: () => Promise<Uint8Array> }
      const bytes = stream.transformToByteArray ? await stream.transformToByteArray() : await bytesOf(value)
      return Buffer.from(bytes).toString('hex')
    }
    case 'timestamp':
      return (value as Date).toISOString()
    case 'list':
      return Promise.all((value as unknown[]).map((item) => settle(shape.member.shape, item)))
    case 'map': {
      const entries = Object.entries(value as object)
      return Object.fromEntries(
        await Promise.all(entries.map(async ([key, item]) => [key, await settle(shape.value.shape, item)])),
      )
    }
    case 'structure': {
      if (shape.streaming) {
        const events: unknown[] = []
        for await (const event of value as AsyncIterable<unknown>)
          events.push(await settle({ ...shape, streaming: false }, event))
        return events
      }
      const from = value as Record<string, unknown>
      const result: Record<string, unknown> = {}
      for (const { name, traits, shape: target } of shape.members) {
        const item = await settle(target, from[name])
        // Headers with a prefix come as an empty map where there are none.
        const empty = traits.httpPrefixHeaders !== undefined && item && Object.keys(item).length === 0
        if (item !== undefined && !empty) result[name] = item
      }
      return result
    }
    default:
      return value
  }
}

const without = (value: unknown, members: readonly string[]): unknown =>
  Object.fromEntries(Object.entries(value as object).filter(([name]) => !members.includes(name)))

const known = (service: string, operation: string, direction: 'input' | 'output') => {
  const found = knownToSdk.filter(
    (row) => row.service === service && row.in === direction && (row.operation ?? operation) === operation,
  )
  return { whole: found.some((row) => !row.members), members: found.flatMap((row) => row.members ?? []) }
}

const brief = (value: unknown): string => JSON.stringify(value)?.slice(0, 1500) ?? 'undefined'

const protocolClasses: { readonly [P in ProtocolName]?: unknown } = {
  awsQuery: AwsQueryProtocol,
  rpcv2Cbor: AwsSmithyRpcV2CborProtocol,
}

const roundTrips = async (id: ServiceId, protocol: ProtocolName, isDefault: boolean): Promise<string[]> => {
  const module: Module = await clientModules[id]()
  const service = await serviceModel(id)
  const taste = tasteOf(id, protocol)
  type Received = { operation: string; protocol: string; input: Record<string, unknown> }
  const arrived: Received[] = []
  let output: Record<string, unknown> = {}
  const client = clientOf(module, {
    ...clientOptions[id],
    ...(!isDefault && { protocol: protocolClasses[protocol] }),
    requestHandler: inProcess(async (call, input) => {
      const { name, input: shape } = schemaOf(call.operation)
      arrived.push({
        operation: name,
        protocol: call.protocol.name,
        input: (await settle(shape, input)) as Record<string, unknown>,
      })
      return call.protocol.encode(call, output, 'b7c1a0e2-0000-4000-8000-000000000001')
    }),
  })
  const failures: string[] = []
  for (const name of service.operationNames) {
    const schema = schemaOf(service.operation(name)!)
    const Make = module[`${name}Command`] as Command
    for (let i = 0; i < cases; i++) {
      const seed = seedOf(base, `${id}.${protocol}.${name}.${i}`)
      const random = seeded(seed)
      const input = randomStructure(schema.input, random, taste, 'input', name)
      output = randomStructure(schema.output, random, taste, 'output', name)
      for (const { name: member, traits } of schema.output.members)
        if (traits.httpResponseCode) output[member] = 200 + random.below(4)
      streamed(schema.output, output, random, taste)
      const sent = await settle(schema.input, input)
      let answer: Record<string, unknown> | undefined
      try {
        answer = await client.send(new Make(input))
      } catch (error) {
        failures.push(
          `${name}: ${error instanceof Error ? error.stack?.split('\n').slice(0, 4).join(' | ') : String(error)}`,
        )
        continue
      }
      const there = known(id, name, 'input')
      const got = arrived.pop()
      if (!got) failures.push(`${name}: no request arrived`)
      else if ((got.operation !== name && !there.whole) || got.protocol !== protocol)
        failures.push(`${name}: arrived as ${got.operation} in ${got.protocol}`)
      else if (!there.whole && !isDeepStrictEqual(without(got.input, there.members), without(sent, there.members)))
        failures.push(`${name} input:\n  sent ${brief(sent)}\n  came ${brief(got.input)}`)
      const back = known(id, name, 'output')
      const wanted = await settle({ ...schema.output }, output)
      const came = await settle(schema.output, answer)
      if (!back.whole && !isDeepStrictEqual(without(came, back.members), without(wanted, back.members)))
        failures.push(`${name} output:\n  sent ${brief(wanted)}\n  came ${brief(came)}`)
    }
  }
  client.destroy()
  return failures
}

const errors = async (id: ServiceId, protocol: ProtocolName, isDefault: boolean): Promise<string[]> => {
  const module: Module = await clientModules[id]()
  const service: LoadedService = await serviceModel(id)
  const taste: Taste = { ...tasteOf(id, protocol), empties: false }
  const name = service.operationNames.find((operation) => {
    const { traits } = schemaOf(service.operation(operation)!)
    return traits.http?.[0] !== 'HEAD'
  })!
  const schema = schemaOf(service.operation(name)!)
  let thrown: { code: string; message: string; members: Record<string, unknown> } | undefined
  const client = clientOf(module, {
    ...clientOptions[id],
    ...(!isDefault && { protocol: protocolClasses[protocol] }),
    requestHandler: inProcess((call) =>
      protocols[protocol].encodeError(
        call,
        { ...thrown!, status: undefined, headers: {} },
        'b7c1a0e2-0000-4000-8000-000000000001',
      ),
    ),
  })
  const failures: string[] = []
  for (const code of service.errorNames) {
    const shape = service.error(code)!
    const random = seeded(seedOf(base, `${id}.${protocol}.${code}`))
    const members = randomStructure(shape, random, taste, 'output', code)
    for (const key of Object.keys(members)) if (/^(?:message|code|type)$/i.test(key)) delete members[key]
    thrown = { code, message: `What went wrong with ${code} <&>`, members }
    const Make = module[`${name}Command`] as Command
    try {
      await client.send(new Make(randomStructure(schema.input, random, { ...taste, tricky: false }, 'input', name)))
      failures.push(`${code}: the client saw no error`)
    } catch (error) {
      const Class = module[code] as new () => Error & Record<string, unknown>
      const came: Error = error as Error
      const there = known(id, code, 'output')
      if (there.whole) continue
      if (!(came instanceof Class))
        failures.push(
          `${code}: arrived as ${came.constructor.name} ${came.name}: ${came.message} ${came.stack?.slice(0, 300)}`,
        )
      else if (came.message !== thrown.message) failures.push(`${code}: message ${came.message}`)
      const wanted = await settle(shape, members)
      const got = without(await settle(shape, came), ['message', 'Message', 'Code', 'Type', 'code', 'type'])
      if (came instanceof Class && !isDeepStrictEqual(without(got, there.members), without(wanted, there.members)))
        failures.push(`${code} members:\n  sent ${brief(wanted)}\n  came ${brief(got)}`)
    }
  }
  client.destroy()
  return failures
}

const report = (failures: readonly string[]): string =>
  failures.length === 0
    ? ''
    : `${failures.length} differ (FUZZ_SEED=${base}):\n${failures.slice(0, Number(process.env.FUZZ_SHOW ?? 8)).join('\n')}`

describe(`every operation through the JavaScript SDK (${cases} a piece, seed ${base})`, () => {
  for (const { id, protocols: names } of facts) {
    if (only && !only.includes(id)) continue
    for (const [i, protocol] of names.entries()) {
      test(`${id} by ${protocol}: inputs and outputs arrive as they were sent`, {
        timeout: 60_000 + cases * 60_000,
      }, async () => {
        expect(report(await roundTrips(id, protocol, i === 0))).toBe('')
      })
      test(`${id} by ${protocol}: errors arrive as their class`, { timeout: 60_000 }, async () => {
        expect(report(await errors(id, protocol, i === 0))).toBe('')
      })
    }
  }
})
