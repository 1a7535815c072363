import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { identify } from '../../src/kernel/identify.ts'
import type { ProtocolName } from '../../src/kernel/model/catalog.ts'
import { facts, schemaOf, serviceModel } from '../../src/kernel/model/catalog.ts'
import type { ServiceId } from '../../src/kernel/model/clients.ts'
import type { Shape } from '../../src/kernel/model/shapes.ts'
import { protocols } from '../../src/kernel/protocols/protocols.ts'
import type { IdentifiedCall, WireRequest, WireResponse } from '../../src/kernel/wire.ts'
import { bytesOf } from './in-process.ts'
import { knownToBotocore } from './known.ts'
import type { Taste } from './random.ts'
import { randomStructure, seeded, seedOf } from './random.ts'
import { specialTo, streamed } from './special.ts'

// The contract with botocore (boto3, the AWS CLI): as sdk.test.ts, but the client is Python's. Its requests come and
// our answers go over pipes. Members that this botocore's model does not have are left out by it.

const cases = Number(process.env.FUZZ_CASES ?? 1)
const base = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const only = process.env.FUZZ_ONLY?.split(',')

const probe = spawnSync('python3', ['-c', 'import botocore; print(botocore.__version__)'])
const version = probe.status === 0 ? probe.stdout.toString().trim() : undefined
if (!version) console.log('SKIPPED: the botocore contract needs python3 with botocore (pip install botocore).')

const names: { readonly [S in ServiceId]?: string } = {
  applicationautoscaling: 'application-autoscaling',
  codestarconnections: 'codestar-connections',
  sfn: 'stepfunctions',
}

const protocolNames: { readonly [P in ProtocolName]?: string } = {
  awsJson1_0: 'json',
  awsQuery: 'query',
  rpcv2Cbor: 'smithy-rpc-v2-cbor',
}

type Line = {
  request?: { method: string; url: string; headers: Record<string, string>; body: string }
  sent?: unknown
  wanted?: unknown
  result?: unknown
  error?: { class: string; code: string; message: string; modelled: string[] }
  skipped?: string
  failed?: string
  version?: string
}

let python: ChildProcessWithoutNullStreams
let lines: AsyncIterator<string>
const next = async (): Promise<Line> => {
  const { value, done } = await lines.next()
  if (done) throw new Error('Python ended.')
  return JSON.parse(value)
}
const tell = (value: unknown): void => void python.stdin.write(`${JSON.stringify(value)}\n`)

const wireOf = ({ method, url, headers, body }: NonNullable<Line['request']>): WireRequest => {
  const [, host, path = '/', query = ''] = /^https?:\/\/([^/?]+)([^?]*)\??(.*)$/.exec(url) ?? []
  const bytes = new Uint8Array(Buffer.from(body, 'base64'))
  return {
    method,
    path: path || '/',
    query,
    headers: {
      host: host ?? '',
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    },
    bytes: async () => bytes,
    stream: () => Readable.from([bytes], { objectMode: false }),
  }
}

/** Values as both sides can compare them: bytes and times tagged, unset members gone. */
const tag = async (shape: Shape, value: unknown): Promise<unknown> => {
  if (value === undefined || value === null) return undefined
  switch (shape.kind) {
    case 'blob':
      return { $bytes: Buffer.from(await bytesOf(value)).toString('base64') }
    case 'timestamp':
      return { $time: (value as Date).getTime() / 1000 }
    case 'list':
      return Promise.all((value as unknown[]).map((item) => tag(shape.member.shape, item)))
    case 'map':
      return Object.fromEntries(
        await Promise.all(
          Object.entries(value as object).map(async ([key, item]) => [key, await tag(shape.value.shape, item)]),
        ),
      )
    case 'structure': {
      if (Array.isArray(value)) return Promise.all(value.map((item) => tag(shape, item)))
      const result: Record<string, unknown> = {}
      for (const { name, shape: target } of shape.members) {
        const item = await tag(target, (value as Record<string, unknown>)[name])
        if (item !== undefined) result[name] = item
      }
      return result
    }
    default:
      return value
  }
}

/** Empty lists, maps and texts come as such or not at all. */
const lean = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const items = value.map(lean).filter((item) => item !== undefined)
    return items.length > 0 ? items : undefined
  }
  if (typeof value !== 'object' || value === null) return value === '' || value === null ? undefined : value
  const entries = Object.entries(value).flatMap(([key, item]) => {
    const kept = lean(item)
    return kept === undefined ? [] : [[key, kept] as const]
  })
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

const plain = (value: unknown, drop: readonly string[] = []): unknown =>
  lean(Object.fromEntries(Object.entries(value ?? {}).filter(([name]) => !drop.includes(name)))) ?? {}

const known = (service: string, protocol: string, operation: string, direction: 'input' | 'output') => {
  const found = knownToBotocore.filter(
    (row) =>
      row.service === service &&
      row.in === direction &&
      (row.operation ?? operation) === operation &&
      (row.protocol ?? protocol) === protocol,
  )
  return { whole: found.some((row) => !row.members), members: found.flatMap((row) => row.members ?? []) }
}

const brief = (value: unknown): string => JSON.stringify(value)?.slice(0, 1500) ?? 'undefined'

const tasteOf = (id: ServiceId, protocol: ProtocolName): Taste => ({
  empties: protocol.startsWith('awsJson') || protocol === 'rpcv2Cbor',
  fractions: false,
  milliseconds: false,
  tricky: true,
  member: specialTo(id, 'botocore'),
})

type Told = { call: IdentifiedCall; input: Record<string, unknown> }

const converse = async (
  message: unknown,
  answer: (call: IdentifiedCall) => WireResponse | Promise<WireResponse>,
): Promise<{ told: Told[]; line: Line }> => {
  const told: Told[] = []
  tell(message)
  for (;;) {
    const line = await next()
    if (!line.request) return { told, line }
    try {
      const wire = wireOf(line.request)
      const call = await identify(wire)
      const input = await call.protocol.decode(
        call,
        wire,
        call.operation.streamingInput ? wire.stream() : await wire.bytes(),
      )
      told.push({ call, input })
      const { status, headers, body } = await answer(call)
      tell({ status, headers, body: Buffer.from(await bytesOf(body)).toString('base64') })
    } catch (error) {
      tell({
        status: 599,
        headers: {
          'x-failed': String(error)
            .replace(/[\r\n]/g, ' ')
            .slice(0, 200),
        },
        body: '',
      })
      const rest = await next()
      return {
        told,
        line: { ...rest, failed: error instanceof Error ? (error.stack ?? '').slice(0, 500) : String(error) },
      }
    }
  }
}

const requestId = 'b7c1a0e2-0000-4000-8000-000000000001'

const roundTrips = async (id: ServiceId, protocol: ProtocolName, forced: boolean): Promise<string[]> => {
  const service = await serviceModel(id)
  const taste = tasteOf(id, protocol)
  const failures: string[] = []
  for (const name of service.operationNames) {
    const schema = schemaOf(service.operation(name)!)
    const there = known(id, protocol, name, 'input')
    if (there.whole && known(id, protocol, name, 'output').whole) continue
    for (let i = 0; i < cases; i++) {
      const random = seeded(seedOf(base, `${id}.${protocol}.${name}.${i}`))
      const input = randomStructure(schema.input, random, taste, 'input', name)
      const output = randomStructure(schema.output, random, taste, 'output', name)
      for (const { name: member, traits } of schema.output.members)
        if (traits.httpResponseCode) output[member] = 200 + random.below(4)
      streamed(schema.output, output, random, taste)
      const { told, line } = await converse(
        {
          service: names[id] ?? id,
          operation: name,
          input: await tag(schema.input, input),
          output: await tag(schema.output, output),
          protocol: forced ? protocolNames[protocol] : undefined,
        },
        (call) => call.protocol.encode(call, output, requestId),
      )
      if (line.skipped === 'operation') break
      const got = told.at(-1)
      if (line.skipped || line.failed || line.error)
        failures.push(`${name}: ${line.skipped ?? line.failed ?? brief(line.error)}\n  sent ${brief(line.sent)}`)
      else if (!got) failures.push(`${name}: no request arrived`)
      else {
        if (!there.whole && (got.call.operation.name !== name || got.call.protocol.name !== protocol))
          failures.push(`${name}: arrived as ${got.call.operation.name} in ${got.call.protocol.name}`)
        const came = plain(await tag(schema.input, got.input), there.members)
        const sent = plain(line.sent, there.members)
        if (!there.whole && !isDeepStrictEqual(came, sent))
          failures.push(`${name} input:\n  sent ${brief(sent)}\n  came ${brief(came)}`)
        const back = known(id, protocol, name, 'output')
        const wanted = plain(line.wanted, back.members)
        const result = plain(line.result, back.members)
        if (!back.whole && !isDeepStrictEqual(result, wanted))
          failures.push(`${name} output:\n  sent ${brief(wanted)}\n  came ${brief(result)}`)
      }
    }
  }
  return failures
}

const errors = async (id: ServiceId, protocol: ProtocolName, forced: boolean): Promise<string[]> => {
  const service = await serviceModel(id)
  const taste = tasteOf(id, protocol)
  const name = service.operationNames.find((operation) => {
    const { traits } = schemaOf(service.operation(operation)!)
    return traits.http?.[0] !== 'HEAD'
  })!
  const failures: string[] = []
  for (const code of service.errorNames) {
    const shape = service.error(code)!
    const random = seeded(seedOf(base, `${id}.${protocol}.${code}`))
    const members = randomStructure(shape, random, taste, 'output', code)
    for (const key of Object.keys(members)) if (/^(?:message|code|type)$/i.test(key)) delete members[key]
    const message = `What went wrong with ${code} <&>`
    const input = randomStructure(
      schemaOf(service.operation(name)!).input,
      random,
      { ...taste, tricky: false },
      'input',
      name,
    )
    const { line } = await converse(
      {
        service: names[id] ?? id,
        operation: name,
        input: await tag(schemaOf(service.operation(name)!).input, input),
        output: {},
        protocol: forced ? protocolNames[protocol] : undefined,
      },
      (call) =>
        protocols[protocol].encodeError(call, { code, message, members, status: undefined, headers: {} }, requestId),
    )
    if (line.skipped === 'operation') break
    if (!line.error) failures.push(`${code}: ${line.skipped ?? line.failed ?? 'no error arrived'}`)
    else {
      const wire = [code, shape.traits.awsQueryError?.[0] ?? code]
      const { code: came, class: Class, modelled } = line.error
      if (line.error.message !== message) failures.push(`${code}: message ${line.error.message}`)
      else if (!wire.includes(came)) failures.push(`${code}: arrived as ${came}`)
      else if (modelled.includes(code) && Class !== code && !known(id, protocol, code, 'output').whole)
        failures.push(`${code}: arrived as class ${Class}`)
    }
  }
  return failures
}

const report = (failures: readonly string[]): string =>
  failures.length === 0
    ? ''
    : `${failures.length} differ (FUZZ_SEED=${base}):\n${failures.slice(0, Number(process.env.FUZZ_SHOW ?? 8)).join('\n')}`

// One conversation at a time: there is one Python.
describe.skipIf(!version)(
  `every operation through botocore ${version ?? ''} (${cases} a piece, seed ${base})`,
  { shuffle: false },
  () => {
    beforeAll(() => {
      python = spawn('python3', ['-B', join(import.meta.dirname, 'botocore_fuzz.py')], {
        env: { ...process.env, PYTHONWARNINGS: 'ignore', AWS_EC2_METADATA_DISABLED: 'true' },
      })
      python.stderr.on('data', (text: Buffer) => process.stderr.write(text))
      lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]()
      return next().then(() => {})
    })
    afterAll(() => {
      python.stdin.end()
    })
    for (const { id, protocols: spoken } of facts) {
      if (only && !only.includes(id)) continue
      for (const [i, protocol] of spoken.entries()) {
        const forced = i > 0 || spoken.length > 1
        test(`${id} by ${protocol}: inputs and outputs arrive as they were sent`, {
          timeout: 60_000 + cases * 60_000,
        }, async () => {
          expect(report(await roundTrips(id, protocol, forced))).toBe('')
        })
        test(`${id} by ${protocol}: errors arrive as their class`, { timeout: 60_000 }, async () => {
          expect(report(await errors(id, protocol, forced))).toBe('')
        })
      }
    }
  },
)
