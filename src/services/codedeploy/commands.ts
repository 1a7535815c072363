import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { instances } from '../capabilities.ts'
import type { Specification } from './agent/specification.ts'
import { Deployment } from './deployment.ts'
import { targetChanged } from './events.ts'
import { failedAt, type LifecycleEvent, presentEvent, Target } from './target.ts'

// The host command service: what the agent inside a machine talks to. Operations and members have the names that AWS's
// agent uses. A host may ask for its own commands and nothing else.

type Host = { readonly ctx: Ctx; readonly instanceId: string }
type Message = Readonly<Record<string, unknown>>

const denied = (message: string) => new AwsError('AccessDeniedException', message, { status: 403 })
const text = (message: Message, name: string): string => {
  const value = message[name]
  if (typeof value !== 'string' || value === '' || value.length > 100_000)
    throw new AwsError('ValidationException', `${name} is required.`)
  return value
}

/** Which machine asks: by its signature an instance-profile session, by its door the very machine. Throws AccessDenied. */
const hostOf = async (exchange: Exchange): Promise<Host> => {
  const ctx = await exchange.authenticate()
  const { principal } = ctx
  const instanceId = principal.kind === 'role' ? (principal.sessionName ?? '') : ''
  if (!/^i-[0-9a-f]{17}$/.test(instanceId) || principal.session?.invokedBy !== 'ec2.amazonaws.com')
    throw denied('Only an instance under its instance profile has host commands.')
  const machine = exchange.from && (await ctx.use(instances).ofTask(exchange.from.task))
  if (machine && machine.instanceId !== instanceId) throw denied('The credentials are those of another instance.')
  const place = machine?.place ?? ctx.place
  return { ctx: ctx.at(place), instanceId }
}

/** The host command service: POST with a JSON body, signed for `codedeploy-commands` by the instance profile's session. */
export const hostCommands: Route = {
  name: 'host commands',
  method: 'POST',
  path: /\/_drydock\/codedeploy\/(?<operation>[A-Za-z]+)/,
  handle: async (_ctx, exchange) => {
    const { response, params } = exchange
    const operation = Object.hasOwn(operations, params.operation ?? '') ? operations[params.operation ?? ''] : undefined
    if (!operation)
      throw new AwsError('UnknownOperationException', 'The host command service has no such operation.', {
        status: 404,
      })
    const host = await hostOf(exchange)
    let message: unknown
    try {
      message = JSON.parse(Buffer.from(await exchange.body()).toString('utf8'))
    } catch {
      throw new AwsError('SerializationException', 'The body is not JSON.')
    }
    if (typeof message !== 'object' || message === null)
      throw new AwsError('SerializationException', 'The body is not a JSON object.')
    const answer = await operation(host, message as Message)
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer))
  },
}

const identifierOf = ({ deploymentId, instanceId }: Target, event: string): string =>
  Buffer.from(JSON.stringify([deploymentId, instanceId, event])).toString('base64url')

/** The target and event that a command identifier of this host names. */
const commandOf = (host: Host, identifier: string): { key: string; event: string; deploymentId: string } => {
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(identifier, 'base64url').toString())
  } catch {
    parts = undefined
  }
  const [deploymentId, instanceId, event] = Array.isArray(parts) ? parts : []
  if (typeof deploymentId !== 'string' || instanceId !== host.instanceId || typeof event !== 'string')
    throw denied('The command is not one of this host.')
  return { key: `${deploymentId}/${instanceId}`, event, deploymentId }
}

type Waiting = { readonly target: Target; readonly at: number; readonly event: LifecycleEvent }

/** What deployments want of the host now, one event each; nothing of a deployment that somebody stops. */
const waitingFor = async (tx: ReadTx, host: Host): Promise<Waiting[]> => {
  const found: Waiting[] = []
  for (const target of await tx.list(Target, { index: 'active', equals: host.instanceId })) {
    const at = presentEvent(target)
    const event = target.events[at]
    if (event && !(await tx.get(Deployment, target.deploymentId))?.stop) found.push({ target, at, event })
    else if (event?.status === 'InProgress') found.push({ target, at, event })
  }
  return found
}

/**
 * The host's present event, if a deployment waits for it. An agent that polls is idle: what it has acknowledged itself it
 * is given again, for then the answer to its acknowledgement was lost; what an earlier run of it left is failed, as
 * AWS's agent does after a restart.
 */
const PollHostCommand = async (host: Host, message: Message) => {
  const session = text(message, 'AgentSession')
  const waiting = await host.ctx.read((tx) => waitingFor(tx, host))
  const left = waiting.filter(({ event }) => event.status === 'InProgress' && event.session !== session)
  if (left.length > 0)
    await host.ctx.write(async (tx) => {
      for (const { target, at, event } of await waitingFor(tx, host))
        if (event.status === 'InProgress' && event.session !== session)
          await fail(host, tx, target, at, {
            errorCode: 'UnknownError',
            scriptName: '',
            message: 'Failed: Failing in-progress lifecycle event after an agent restart.',
            logTail: '',
          })
    })
  const next = waiting.find((one) => !left.includes(one))
  if (!next) return {}
  return {
    HostCommand: {
      HostCommandIdentifier: identifierOf(next.target, next.event.name),
      HostIdentifier: message.HostIdentifier,
      DeploymentExecutionId: next.target.deploymentId,
      CommandName: next.event.name,
    },
  }
}

const PutHostCommandAcknowledgement = (host: Host, message: Message) =>
  host.ctx.write(async (tx) => {
    const { key, event: name } = commandOf(host, text(message, 'HostCommandIdentifier'))
    const session = text(message, 'AgentSession')
    const target = await tx.get(Target, key)
    const event = target?.events.find((one) => one.name === name)
    if (!target || !event || target.status !== 'InProgress') return { CommandStatus: 'Failed' }
    if (event.status === 'InProgress' && event.session === session) return { CommandStatus: 'InProgress' }
    if (event.status !== 'Pending' || (await tx.get(Deployment, target.deploymentId))?.stop)
      return { CommandStatus: 'Failed' }
    const now = host.ctx.now().getTime()
    tx.put(Target, {
      ...target,
      updated: now,
      events: target.events.map((one) =>
        one.name === name ? { ...one, status: 'InProgress' as const, started: now, session } : one,
      ),
    })
    return { CommandStatus: 'InProgress' }
  })

const GetDeploymentSpecification = (host: Host, message: Message) =>
  host.ctx.read(async (tx) => {
    const id = text(message, 'DeploymentExecutionId')
    const deployment = await tx.get(Deployment, id)
    if (!deployment || !(await tx.get(Target, `${id}/${host.instanceId}`)))
      throw denied('The deployment is not one of this host.')
    const { bucket, key, bundleType, version, eTag } = deployment.revision
    const specification: Specification = {
      DeploymentId: id,
      DeploymentGroupId: deployment.groupId,
      DeploymentGroupName: deployment.group,
      ApplicationName: deployment.application,
      Revision: {
        RevisionType: 'S3',
        S3Revision: {
          Bucket: bucket,
          Key: key,
          BundleType: bundleType,
          ...(version ? { Version: version } : {}),
          ...(eTag ? { ETag: eTag } : {}),
        },
      },
      FileExistsBehavior: deployment.fileExists,
    }
    return {
      DeploymentSystem: 'CodeDeploy',
      DeploymentSpecification: { GenericEnvelope: { Format: 'TEXT/JSON', Payload: JSON.stringify(specification) } },
    }
  })

const PutHostCommandComplete = (host: Host, message: Message) =>
  host.ctx.write(async (tx) => {
    const { key, event: name, deploymentId } = commandOf(host, text(message, 'HostCommandIdentifier'))
    const target = await tx.get(Target, key)
    const at = target?.events.findIndex((event) => event.name === name) ?? -1
    if (target?.events[at]?.status !== 'InProgress') return {}
    const deployment = await tx.get(Deployment, deploymentId)
    const diagnostics = readDiagnostics(message)
    const forgiven = name === 'ApplicationStop' && deployment?.ignoreStopFailures
    if (message.CommandStatus !== 'Succeeded' && !forgiven) return fail(host, tx, target, at, diagnostics)
    const now = host.ctx.now().getTime()
    const events = target.events.map((event, index) =>
      index === at
        ? {
            ...event,
            status: message.CommandStatus === 'Succeeded' ? ('Succeeded' as const) : ('Failed' as const),
            ended: now,
            diagnostics,
          }
        : event,
    )
    const last = at === events.length - 1
    const changed: Target = { ...target, updated: now, events, status: last ? 'Succeeded' : target.status }
    tx.put(Target, changed)
    if (last && deployment) tx.emit(targetChanged(host.ctx, deployment, changed))
    if (last || deployment?.stop) tx.wake('codedeploy.deployment', deploymentId)
    return {}
  })

const fail = async (
  host: Host,
  tx: WriteTx,
  target: Target,
  at: number,
  diagnostics: Parameters<typeof failedAt>[3],
) => {
  const failed = tx.put(Target, failedAt(target, at, host.ctx.now().getTime(), diagnostics))
  const deployment = await tx.get(Deployment, target.deploymentId)
  if (deployment) tx.emit(targetChanged(host.ctx, deployment, failed))
  tx.wake('codedeploy.deployment', target.deploymentId)
  return {}
}

const readDiagnostics = (message: Message): Parameters<typeof failedAt>[3] => {
  const { Payload } = (message.Diagnostics ?? {}) as { Payload?: unknown }
  let content: Message = {}
  try {
    content = JSON.parse(typeof Payload === 'string' ? Payload : '{}') as Message
  } catch {
    content = { message: 'The agent sent diagnostics that cannot be read.' }
  }
  const part = (name: string, longest: number) => String(content[name] ?? '').slice(0, longest)
  return {
    errorCode: part('error_code', 64) || 'UnknownError',
    scriptName: part('script_name', 1_024),
    message: part('message', 4_096),
    logTail: part('log', 4_096),
  }
}

const operations: Readonly<Record<string, (host: Host, message: Message) => Promise<object>>> = {
  PollHostCommand,
  PutHostCommandAcknowledgement,
  GetDeploymentSpecification,
  PutHostCommandComplete,
}
