import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SqliteStore } from '../../src/store/sqlite.ts'
import { type Random, seeded, seedOf } from '../fuzz/random.ts'
import { send, signed } from '../hostile/raw.ts'
import { type Keys, type Story, story } from '../story.ts'
import {
  caller,
  type Implemented,
  implemented,
  nastyInput,
  type Outcome,
  requiredInput,
  requiredMembers,
} from './calls.ts'

// What holds for every operation of every service, whatever it does: nobody may call it without a permission, nothing
// is done without the members it needs, and no input at all makes it fail instead of refuse.
// `CONTRACT_SEED=N CONTRACT_CASES=N CONTRACT_ONLY=s3,iam` repeat and narrow a run.

const base = Number(process.env.CONTRACT_SEED ?? Math.floor(Math.random() * 2 ** 31))
const cases = Number(process.env.CONTRACT_CASES ?? 4)
const only = process.env.CONTRACT_ONLY?.split(',')

let drydock: Story
let nobody: Keys
let services: Implemented[]
beforeAll(async () => {
  drydock = await story()
  nobody = await drydock.user('nobody')
  services = (await implemented(drydock)).filter(({ model }) => !only || only.includes(model.id))
})
afterAll(() => drydock.close())

const each = async (
  visit: (
    call: (operation: string, input: unknown) => Promise<Outcome | undefined>,
    at: Implemented,
    operation: string,
    random: Random,
  ) => Promise<void>,
  keys: () => Keys,
) => {
  for (const at of services) {
    const call = await caller(at, drydock, keys())
    for (const operation of at.operations)
      await visit(call, at, operation, seeded(seedOf(base, `${at.model.id}:${operation}`)))
  }
}

/** Every row; but for when a key was last used and what was last tried, which a refused call may touch. */
const rows = (): string[] => {
  const store = drydock.server.kernel.store as unknown as SqliteStore
  return [...store.export()]
    .filter((row) => !('table' in row) || row.table !== 'iam.access')
    .map((row) => JSON.stringify(row, (name, value) => (/^lastUsed/.test(name) ? undefined : value)))
}

/**
 * Operations that answer something else to a user without permissions, each with why. The kernel's own exceptions
 * (`unauthorized`, `unsigned`) are read from the services.
 */
const otherDenials: Readonly<Record<string, RegExp>> = {
  // Where nothing can be copied from, nobody's permission is asked.
  's3:CopyObject': /^400 InvalidArgument Copy Source/,
  's3:UploadPartCopy': /^400 InvalidArgument Copy Source/,
  // Which key, or which grant, is in what was not made here.
  'kms:Decrypt': /^400 InvalidCiphertextException/,
  'kms:ReEncrypt': /^400 InvalidCiphertextException/,
  'kms:RetireGrant': /^400 (NotFoundException|InvalidGrantTokenException)/,
  // Each key is denied by itself, in the answer; that needs a bucket.
  's3:DeleteObjects': /^404 NoSuchBucket/,
}

/**
 * A random name of nothing but dots goes from the URL's path: nothing is left that a method would be for, or the client signs
 * another path than it sends.
 */
const vanishes = (input: Record<string, unknown>): boolean =>
  Object.values(input).some((part) => part === '.' || part === '..')
const isOfPath = (code: string): boolean => /^MethodNotAllowed$|Signature/.test(code)

test('a user without any policy is denied every call, by the name of its action, and nothing changes', async () => {
  const before = rows()
  const wrong: string[] = []
  await each(
    async (call, { service, model }, operation, random) => {
      const name = `${model.id}:${operation}`
      if (service.access.unauthorized.includes(operation) || service.access.unsigned.includes(operation)) return
      const input = requiredInput(model, operation, random)
      const outcome = await call(operation, input)
      if (!outcome) return
      const { status, code, message } = outcome
      if (isOfPath(code) && vanishes(input)) return
      if (otherDenials[name]?.test(`${status} ${code} ${message}`)) return
      const denied =
        model.protocol === 'ec2Query'
          ? 'UnauthorizedOperation'
          : /^aws(Query)$|restXml/.test(model.protocol)
            ? 'AccessDenied'
            : 'AccessDeniedException'
      // An answer to HEAD has no body, so it says no more than its status.
      if (/^Head/.test(operation) && status === 403) return
      const said = message.match(/is not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)/)?.[1]
      const says =
        said !== undefined &&
        (service.access.operations[operation] !== undefined || said === `${model.iamPrefix}:${operation}`)
      const right = model.protocol.startsWith('awsJson') || model.protocol === 'rpcv2Cbor' ? 400 : 403
      if (code !== denied || !says || status !== right)
        wrong.push(`${name}: ${status} ${code} ${message.slice(0, 200)}`)
    },
    () => nobody,
  )
  expect(wrong, `seed ${base}`).toEqual([])
  const after = rows()
  expect(after.filter((row) => !before.includes(row))).toEqual([])
  expect(before.filter((row) => !after.includes(row))).toEqual([])
})

test('a call that lacks what it needs is refused in the service’s own words', async () => {
  const wrong: string[] = []
  await each(
    async (call, { model }, operation, random) => {
      for (const member of requiredMembers(model, operation)) {
        const input = requiredInput(model, operation, random)
        delete input[member]
        const outcome = await call(operation, input)
        if (!outcome) continue
        const { status, code } = outcome
        if (isOfPath(code) && vanishes(input)) continue
        if (status >= 400 && status < 500 && code !== 'InternalFailure' && !/AccessDenied|Signature/.test(code))
          continue
        wrong.push(`${model.id}:${operation} without ${member}: ${status} ${code}`)
      }
    },
    () => drydock.root,
  )
  expect(wrong, `seed ${base}`).toEqual([])
}, 60_000)

test('no nonsense makes an operation fail', async () => {
  const wrong: string[] = []
  const logged = () => drydock.logged.filter((line) => line.includes('internal failure')).length
  for (let turn = 0; turn < cases; turn++)
    await each(
      async (call, { model }, operation, first) => {
        const random = turn === 0 ? first : seeded(seedOf(base + turn, `${model.id}:${operation}`))
        const input = nastyInput(model, operation, random, [0.5, 0.2, 0, 0.05][turn % 4] ?? 0)
        const before = logged()
        const outcome = await call(operation, input)
        const failed = outcome && outcome.status >= 500 && outcome.status !== 501
        if (!failed && logged() === before) return
        const stack = drydock.logged.findLast((line) => line.includes('internal failure')) ?? ''
        wrong.push(
          `${model.id}:${operation} ${JSON.stringify(input)?.slice(0, 600)}\n${outcome?.status} ${outcome?.code} ${stack.slice(0, 900)}`,
        )
      },
      () => drydock.root,
    )
  expect(wrong.join('\n\n'), `seed ${base}`).toBe('')
}, 120_000)

test('no JSON of the wrong shape makes an operation fail', async () => {
  const wrong: string[] = []
  const values: unknown[] = [
    null,
    true,
    -1.5,
    'text',
    [],
    {},
    [null],
    [[[]]],
    { a: { b: {} } },
    '\u0000',
    1e308,
    ['x', 1],
    { __proto__: null, constructor: 1 },
  ]
  for (const { model, operations } of services) {
    if (!model.protocol.startsWith('awsJson')) continue
    for (const operation of operations) {
      const random = seeded(seedOf(base, `types ${operation}`))
      const input = nastyInput(model, operation, random, 0)
      const keys = Object.keys(input)
      const spoiled = { ...input, ...(keys.length > 0 ? { [random.pick(keys)]: random.pick(values) } : {}) }
      for (const body of [spoiled, random.pick(values)]) {
        const request = signed(
          drydock.endpoint,
          {
            method: 'POST',
            path: '/',
            headers: {
              'content-type':
                model.protocol === 'awsJson1_0' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1',
              'x-amz-target': `${model.facts.target}.${operation}`,
            },
            body: JSON.stringify(body),
          },
          { keys: drydock.root, service: model.signingNames[0] ?? '' },
        )
        const { status, code } = await send(drydock.endpoint, request)
        if (status >= 500 && status !== 501)
          wrong.push(`${model.id}:${operation} ${JSON.stringify(body).slice(0, 300)}: ${status} ${code}`)
      }
    }
  }
  expect(wrong, `seed ${base}`).toEqual([])
}, 60_000)
