import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  IAMClient,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import type { ComputeDriver } from '../src/compute/driver.ts'
import { type FakeCompute, type FakeState, fakeCompute, fakeState } from '../src/compute/fake.ts'
import { type ConfigInput, readConfig } from '../src/config.ts'
import type { Logger } from '../src/kernel/context.ts'
import { logger } from '../src/log.ts'
import { type Server, type ServerParts, startServer } from '../src/server.ts'
import { manualClock, type TurnableClock } from '../src/work/clock.ts'
import type { DeliveredEvent } from '../src/work/outbox.ts'

export type Keys = { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }

type ClientClass<C> = new (configuration: {
  endpoint: string
  region: string
  credentials: Keys
  maxAttempts: number
  forcePathStyle?: boolean
}) => C

export type Story = {
  readonly server: Server
  readonly endpoint: string
  readonly clock: TurnableClock
  /** The fake driver: script what tasks do. */
  readonly compute: FakeCompute
  readonly root: Keys
  readonly account: string
  readonly region: string
  /** Log lines of level warn and above, for stories about them. */
  readonly logged: readonly string[]
  /** Every event that services emitted, as delivered (after `settled()`). */
  readonly events: readonly DeliveredEvent[]
  /** An SDK client of this server: as root of the default account unless told. */
  client<C>(Client: ClientClass<C>, keys?: Keys, region?: string): C
  /** A new user with these inline policies (documents), and his access key. */
  user(name: string, policies?: readonly object[], managed?: readonly string[]): Promise<Keys>
  /** A new role that `trusted` (a service host name such as `codebuild.amazonaws.com`, or a trust policy) may assume. Returns its ARN. */
  role(name: string, trusted: string | object, policies?: readonly object[]): Promise<string>
  /** Every due reconciler and event has run, and nothing is under way. */
  settled(): Promise<void>
  /** Turns the clock, then settles. */
  advance(by: {
    days?: number
    hours?: number
    minutes?: number
    seconds?: number
    milliseconds?: number
  }): Promise<void>
  /** Stops the server and starts another on the same data folder and the same fake world. Only with `{ durable: true }`. */
  restart(): Promise<Story>
  close(): Promise<void>
}

export type StoryOptions = {
  /** State on disk instead of in memory, so that the story can restart. */
  readonly durable?: boolean
  readonly config?: ConfigInput
  /** A real driver instead of the fake one. */
  readonly driver?: NonNullable<ServerParts['compute']>
  /** How long an answer that may begin without its result waits for it. */
  readonly patience?: NonNullable<ServerParts['patience']>
  /** A real clock instead of the hand-turned one: for stories with real processes. */
  readonly clock?: TurnableClock
}

/**
 * The bench on which every story runs: a server of its own in this process, memory store, fake driver, hand-turned clock,
 * free port.
 */
export const story = async (options: StoryOptions = {}): Promise<Story> => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-story-'))
  return begin(options, folder, options.clock ?? manualClock(new Date('2026-11-23T09:00:00Z')), fakeState())
}

const begin = async (options: StoryOptions, folder: string, clock: TurnableClock, world: FakeState): Promise<Story> => {
  const logged: string[] = []
  const events: DeliveredEvent[] = []
  const log: Logger = logger({ json: false, logLevel: 'warn' }, (line) => {
    logged.push(line)
    if (process.env.DRYDOCK_STORY_LOG) process.stderr.write(line)
    return true
  })
  let compute: FakeCompute | undefined
  const driver: NonNullable<ServerParts['compute']> =
    options.driver ??
    ((parts): ComputeDriver => {
      compute = fakeCompute(clock, world, parts.endpoint)
      return compute
    })
  const config = await readConfig({ port: 0, data: folder, logLevel: 'warn', ...options.config })
  const server = await startServer(config, {
    clock,
    compute: driver,
    log,
    memory: !options.durable,
    ...(options.patience ? { patience: options.patience } : {}),
    observe: (event) => events.push(event),
  })
  const root = server.root
  const client = <C>(Client: ClientClass<C>, keys: Keys = root, region = config.region): C =>
    new Client({ endpoint: server.endpoint, region, credentials: keys, maxAttempts: 1, forcePathStyle: true })
  const iam = client(IAMClient)

  return {
    server,
    endpoint: server.endpoint,
    clock,
    get compute(): FakeCompute {
      if (!compute) throw new Error('This story runs on a real driver.')
      return compute
    },
    root,
    account: config.account,
    region: config.region,
    logged,
    events,
    client,
    user: async (name, policies = [], managed = []) => {
      await iam.send(new CreateUserCommand({ UserName: name }))
      for (const [index, policy] of policies.entries())
        await iam.send(
          new PutUserPolicyCommand({
            UserName: name,
            PolicyName: `policy-${index}`,
            PolicyDocument: JSON.stringify(policy),
          }),
        )
      for (const arn of managed) await iam.send(new AttachUserPolicyCommand({ UserName: name, PolicyArn: arn }))
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: name }))
      return { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: AccessKey?.SecretAccessKey ?? '' }
    },
    role: async (name, trusted, policies = []) => {
      const trust =
        typeof trusted === 'string'
          ? {
              Version: '2012-10-17',
              Statement: [{ Effect: 'Allow', Principal: { Service: trusted }, Action: 'sts:AssumeRole' }],
            }
          : trusted
      const { Role } = await iam.send(
        new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }),
      )
      for (const [index, policy] of policies.entries())
        await iam.send(
          new PutRolePolicyCommand({
            RoleName: name,
            PolicyName: `policy-${index}`,
            PolicyDocument: JSON.stringify(policy),
          }),
        )
      return Role?.Arn ?? ''
    },
    settled: () => server.settled(),
    advance: async ({ days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0 }) => {
      await server.settled()
      const target = clock.now().getTime() + (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
      for (let next = clock.next(); next && next.getTime() <= target; next = clock.next()) {
        clock.advance(Math.max(0, next.getTime() - clock.now().getTime()))
        await server.settled()
      }
      clock.advance(Math.max(0, target - clock.now().getTime()))
      await server.settled()
    },
    restart: async () => {
      if (!options.durable) throw new Error('Only a durable story restarts.')
      await server.close()
      return begin(options, folder, clock, world)
    },
    close: async () => {
      // What still runs would outlive the story: tasks do.
      await server.kernel.compute.removeAll()
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A policy document with one statement that allows these actions on these resources. */
export const allow = (
  actions: string | readonly string[],
  resources: string | readonly string[] = '*',
  condition?: object,
) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: actions, Resource: resources, ...(condition ? { Condition: condition } : {}) },
  ],
})
