import type { TaskHandle } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { table } from '../../store/store.ts'
import { type BuildRecord, type PhaseRecord, serviceRoleOf, toLogs, toPhases } from './build.ts'
import { fail, type Operation, pageSize, positionOf, tokenOf } from './operation.ts'
import { getProject } from './project.ts'
import { once, type Settings, settingsOf } from './start.ts'

// Sandboxes: an environment of a project without a build, in which commands run one by one.
// AWS documentation: "Debug builds with CodeBuild sandbox".

export type SandboxPhase = 'SUBMITTED' | 'QUEUED' | 'PROVISIONING' | 'DOWNLOAD_SOURCE' | 'RUN_SANDBOX' | 'COMPLETED'

export type SandboxRecord = {
  /** `project:uuid`. */
  readonly id: string
  readonly uuid: string
  readonly project: string
  /** Milliseconds. */
  readonly created: number
  readonly started?: number
  readonly ended?: number
  readonly status: 'QUEUED' | 'PROVISIONING' | 'RUN_SANDBOX' | 'STOPPED' | 'FAILED' | 'TIMED_OUT'
  readonly phases: readonly PhaseRecord<SandboxPhase>[]
  readonly settings: Settings
  readonly resolvedSourceVersion?: string
  readonly interrupted?: 'STOPPED' | 'TIMED_OUT'
  readonly task?: TaskHandle
  readonly folder?: string
  /** The log stream has been made. */
  readonly logging?: boolean
  /** Sealed: the environment of commands, and what must not show in what they print. */
  readonly sealed?: string
}

const moment = ({ created, id }: { created: number; id: string }) => `${new Date(created).toISOString()}/${id}`

export const Sandbox = table<SandboxRecord>('codebuild.sandbox', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    time: moment,
    project: (sandbox) => `${sandbox.project}/${moment(sandbox)}`,
    open: ({ status, interrupted, uuid }) => (status === 'RUN_SANDBOX' && !interrupted ? uuid : undefined),
  },
})

export type CommandRecord = {
  readonly id: string
  readonly sandbox: string
  /** Milliseconds. */
  readonly created: number
  readonly started?: number
  readonly ended?: number
  readonly status: 'SUBMITTED' | 'IN_PROGRESS' | 'SUCCEEDED' | 'FAILED'
  /** Sealed: a command may hold secrets. */
  readonly command: string
  readonly code?: number
  readonly output?: string
  readonly errors?: string
}

export const Command = table<CommandRecord>('codebuild.command', {
  scope: 'region',
  key: ({ sandbox, id }) => `${sandbox}/${id}`,
  index: { time: (command) => `${command.sandbox}/${moment(command)}` },
})

export const sandboxReconciler = 'codebuild.sandbox'
export const commandReconciler = 'codebuild.command'

export const sandboxArn = (ctx: Pick<Ctx, 'arn'>, id: string) => ctx.arn(`sandbox/${id}`)
export const sandboxIdOf = (idOrArn: string) =>
  /^arn:aws:codebuild:[^:]*:\d*:sandbox\/(.+)$/.exec(idOrArn)?.[1] ?? idOrArn

const invalid = (message: string) => fail('InvalidInputException', message)

/** AWS's services under a sandbox's service role. */
export const roleOfSandbox = (ctx: Ctx, { settings, uuid }: SandboxRecord) => serviceRoleOf(ctx, { ...settings, uuid })

export const getSandbox = async (ctx: Ctx, id: string): Promise<SandboxRecord> => {
  const sandbox = await ctx.read((tx) => tx.get(Sandbox, sandboxIdOf(id)))
  if (!sandbox) throw fail('ResourceNotFoundException', `Sandbox ${sandboxIdOf(id)} cannot be found`)
  return sandbox
}

/** What of a build a sandbox has: its variables and its log are made from it. */
export const asBuild = (sandbox: SandboxRecord): BuildRecord => ({
  ...sandbox.settings,
  ...{ id: sandbox.id, uuid: sandbox.uuid, number: 0, created: sandbox.created, status: 'IN_PROGRESS', phases: [] },
  ...{ stored: [], exported: [], stage: 'new', logging: sandbox.logging ?? false },
})

type Wire = NonNullable<Awaited<ReturnType<Operation<'StartSandbox'>>>['sandbox']>
type WireCommand = NonNullable<Awaited<ReturnType<Operation<'StartCommandExecution'>>>['commandExecution']>

const toSandbox = (ctx: Ctx, sandbox: SandboxRecord): Wire => {
  const { settings } = sandbox
  return {
    id: sandbox.id,
    arn: sandboxArn(ctx, sandbox.id),
    projectName: sandbox.project,
    requestTime: new Date(sandbox.created),
    ...(sandbox.started === undefined ? {} : { startTime: new Date(sandbox.started) }),
    ...(sandbox.ended === undefined ? {} : { endTime: new Date(sandbox.ended) }),
    status: sandbox.status,
    source: settings.source,
    ...(settings.sourceVersion ? { sourceVersion: settings.sourceVersion } : {}),
    secondarySources: [...settings.secondarySources],
    secondarySourceVersions: [...settings.secondarySourceVersions],
    environment: settings.environment,
    timeoutInMinutes: settings.timeoutInMinutes,
    queuedTimeoutInMinutes: settings.queuedTimeoutInMinutes,
    encryptionKey: settings.encryptionKey,
    serviceRole: settings.serviceRole,
    ...(settings.vpcConfig ? { vpcConfig: settings.vpcConfig } : {}),
    currentSession: {
      id: sandbox.uuid,
      status: sandbox.status,
      ...(sandbox.started === undefined ? {} : { startTime: new Date(sandbox.started) }),
      ...(sandbox.ended === undefined ? {} : { endTime: new Date(sandbox.ended) }),
      currentPhase: sandbox.phases.at(-1)?.type ?? 'SUBMITTED',
      phases: toPhases(sandbox.phases),
      logs: toLogs(ctx, asBuild(sandbox)),
      ...(sandbox.resolvedSourceVersion ? { resolvedSourceVersion: sandbox.resolvedSourceVersion } : {}),
    },
  }
}

const toCommand = (ctx: Ctx, command: CommandRecord): WireCommand => ({
  id: command.id,
  sandboxId: command.sandbox,
  sandboxArn: sandboxArn(ctx, command.sandbox),
  submitTime: new Date(command.created),
  ...(command.started === undefined ? {} : { startTime: new Date(command.started) }),
  ...(command.ended === undefined ? {} : { endTime: new Date(command.ended) }),
  status: command.status,
  command: ctx.unseal(command.command),
  type: 'SHELL',
  ...(command.code === undefined ? {} : { exitCode: String(command.code) }),
  ...(command.output ? { standardOutputContent: command.output } : {}),
  ...(command.errors ? { standardErrContent: command.errors } : {}),
})

/** AWS API: "StartSandbox". */
export const StartSandbox: Operation<'StartSandbox'> = async (ctx, input) => {
  if (input.projectName === undefined) throw invalid('Invalid project name: a project name is required')
  const project = await getProject(ctx, input.projectName)
  const settings = settingsOf(ctx, project, { projectName: project.name })
  const uuid = ctx.newId()
  const sandbox = await once(ctx, Sandbox, input.idempotencyToken, input, async (tx) => {
    const now = ctx.now().getTime()
    tx.wake(sandboxReconciler, `${project.name}:${uuid}`)
    return tx.put(Sandbox, {
      ...{
        id: `${project.name}:${uuid}`,
        uuid,
        project: project.name,
        created: now,
        status: 'QUEUED' as const,
        settings,
      },
      phases: [
        { type: 'SUBMITTED' as const, status: 'SUCCEEDED' as const, start: now, end: now },
        { type: 'QUEUED' as const, start: now },
      ],
    })
  })
  return { sandbox: toSandbox(ctx, sandbox) }
}

/** AWS API: "StopSandbox". One that has ended stays as it is. */
export const StopSandbox: Operation<'StopSandbox'> = async (ctx, { id }) => {
  const found = await getSandbox(ctx, id)
  const sandbox = await ctx.write(async (tx) => {
    const present = (await tx.get(Sandbox, found.id)) ?? found
    if (present.ended !== undefined || present.interrupted) return present
    tx.wake(sandboxReconciler, present.id)
    return tx.put(Sandbox, { ...present, interrupted: 'STOPPED' as const })
  })
  return { sandbox: toSandbox(ctx, sandbox) }
}

/** AWS API: "BatchGetSandboxes". Takes ids and ARNs. */
export const BatchGetSandboxes: Operation<'BatchGetSandboxes'> = (ctx, { ids }) =>
  ctx.read(async (tx) => {
    const sandboxes: Wire[] = []
    const sandboxesNotFound: string[] = []
    for (const id of new Set(ids)) {
      const sandbox = await tx.get(Sandbox, sandboxIdOf(id))
      if (sandbox) sandboxes.push(toSandbox(ctx, sandbox))
      else sandboxesNotFound.push(id)
    }
    return { sandboxes, sandboxesNotFound }
  })

const page = <R>(all: readonly R[], input: { nextToken?: string | undefined; maxResults?: number | undefined }) => {
  const from = Number(positionOf(input.nextToken) ?? 0)
  const shown = all.slice(from, from + (input.maxResults ?? pageSize))
  const next = from + shown.length
  return { shown, more: next < all.length ? { nextToken: tokenOf(String(next)) } : {} }
}

/** AWS API: "ListSandboxes". Newest first unless told otherwise. */
export const ListSandboxes: Operation<'ListSandboxes'> = async (ctx, input) => {
  const options = { index: 'time', reverse: input.sortOrder !== 'ASCENDING' }
  const { shown, more } = page(await ctx.read((tx) => tx.list(Sandbox, options)), input)
  return { ids: shown.map(({ id }) => id), ...more }
}

/** AWS API: "ListSandboxesForProject". Newest first unless told otherwise. */
export const ListSandboxesForProject: Operation<'ListSandboxesForProject'> = async (ctx, input) => {
  const { name } = await getProject(ctx, input.projectName)
  const options = { index: 'project', prefix: `${name}/`, reverse: input.sortOrder !== 'ASCENDING' }
  const { shown, more } = page(await ctx.read((tx) => tx.list(Sandbox, options)), input)
  return { ids: shown.map(({ id }) => id), ...more }
}

/** Longest command, in characters. */
const commandLimit = 64 * 1024

/** AWS API: "StartCommandExecution". The sandbox must run. */
export const StartCommandExecution: Operation<'StartCommandExecution'> = async (ctx, input) => {
  const sandbox = await getSandbox(ctx, input.sandboxId)
  if (sandbox.status !== 'RUN_SANDBOX' || sandbox.interrupted) throw invalid(`Sandbox ${sandbox.id} is not running`)
  if (input.command.length > commandLimit) throw invalid('The command is too long')
  const command: CommandRecord = {
    ...{ id: ctx.newId(), sandbox: sandbox.id, created: ctx.now().getTime(), status: 'SUBMITTED' },
    command: ctx.seal(input.command),
  }
  await ctx.write(async (tx) => {
    tx.put(Command, command)
    tx.wake(commandReconciler, `${command.sandbox}/${command.id}`)
  })
  return { commandExecution: toCommand(ctx, command) }
}

/** AWS API: "BatchGetCommandExecutions". */
export const BatchGetCommandExecutions: Operation<'BatchGetCommandExecutions'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const commandExecutions: WireCommand[] = []
    const commandExecutionsNotFound: string[] = []
    for (const id of new Set(input.commandExecutionIds)) {
      const command = await tx.get(Command, `${sandboxIdOf(input.sandboxId)}/${id}`)
      if (command) commandExecutions.push(toCommand(ctx, command))
      else commandExecutionsNotFound.push(id)
    }
    return { commandExecutions, commandExecutionsNotFound }
  })

/** AWS API: "ListCommandExecutionsForSandbox". Newest first unless told otherwise. */
export const ListCommandExecutionsForSandbox: Operation<'ListCommandExecutionsForSandbox'> = async (ctx, input) => {
  const { id } = await getSandbox(ctx, input.sandboxId)
  const options = { index: 'time', prefix: `${id}/`, reverse: input.sortOrder !== 'ASCENDING' }
  const { shown, more } = page(await ctx.read((tx) => tx.list(Command, options)), input)
  return { commandExecutions: shown.map((command) => toCommand(ctx, command)), ...more }
}
