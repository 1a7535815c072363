import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Exchange, Route } from '../../kernel/service.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { instances } from '../capabilities.ts'
import type { Specification } from './agent/specification.ts'
import { Deployment } from './deployment.ts'
import { targetChanged } from './events.ts'
import { noteInstalled } from './installed.ts'
import { machineOf } from './on-premises.ts'
import { isGitHub, type Revision } from './revisions.ts'
import { signedMessage } from './signer.ts'
import { endedAt, failedAt, type LifecycleEvent, presentEvent, Target } from './target.ts'

// The host command service: what the agent inside a machine talks to. Operations and members have the names that AWS's
// agent uses. A host may ask for its own commands and nothing else.

/** The machine that asks: an instance by its id, an on-premises one by its name. */
type Host = { readonly ctx: Ctx; readonly machine: string }
type Message = Readonly<Record<string, unknown>>

const denied = (message: string) => new AwsError('AccessDeniedException', message, { status: 403 })
const text = (message: Message, name: string): string => {
  const value = message[name]
  if (typeof value !== 'string' || value === '' || value.length > 100_000)
    throw new AwsError('ValidationException', `${name} is required.`)
  return value
}

/**
 * Which machine asks: an instance by its profile's session and by its door, an on-premises machine by the IAM user or
 * session it was registered with. Throws AccessDenied.
 */
const hostOf = async (exchange: Exchange): Promise<Host> => {
  const ctx = await exchange.authenticate()
  const { principal } = ctx
  if (principal.session?.invokedBy !== 'ec2.amazonaws.com') {
    const machine = await ctx.read((tx) => machineOf(tx, principal.arn))
    if (!machine)
      throw denied(
        'Only an instance under its instance profile, or a registered on-premises instance, has host commands.',
      )
    return { ctx, machine: machine.name }
  }
  const instanceId = principal.kind === 'role' ? (principal.sessionName ?? '') : ''
  if (!/^i-[0-9a-f]{17}$/.test(instanceId)) throw denied('The session is not that of an instance.')
  const machine = exchange.from && (await ctx.use(instances).ofTask(exchange.from.task))
  if (machine && machine.instanceId !== instanceId) throw denied('The credentials are those of another instance.')
  const place = machine?.place ?? ctx.place
  return { ctx: ctx.at(place), machine: instanceId }
}

const targetPrefix = 'CodeDeployCommandService_v20141006.'

/**
 * The host command service, `codedeploy-commands`: AWS JSON 1.1 that no SDK has, as AWS's agent speaks it. Signed by the
 * instance profile's session or the on-premises machine's own credentials.
 */
export const hostCommands: Route = {
  name: 'host commands',
  method: 'POST',
  path: /\/?/,
  target: targetPrefix,
  handle: async (_ctx, exchange) => {
    const { request, response } = exchange
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
    try {
      const name = String(request.headers['x-amz-target']).slice(targetPrefix.length)
      const operation = Object.hasOwn(operations, name) ? operations[name] : undefined
      if (!operation) throw new AwsError('UnknownOperationException', 'The host command service has no such operation.')
      const host = await hostOf(exchange)
      answer(200, await operation(host, readMessage(await exchange.body())))
    } catch (error) {
      if (!(error instanceof AwsError)) throw error
      answer(error.status ?? 400, { __type: error.code, message: error.message })
    }
  },
}

const readMessage = (body: Uint8Array): Message => {
  let message: unknown
  try {
    message = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    throw new AwsError('SerializationException', 'The body is not JSON.')
  }
  if (typeof message !== 'object' || message === null)
    throw new AwsError('SerializationException', 'The body is not a JSON object.')
  return message as Message
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
  if (typeof deploymentId !== 'string' || instanceId !== host.machine || typeof event !== 'string')
    throw denied('The command is not one of this host.')
  return { key: `${deploymentId}/${instanceId}`, event, deploymentId }
}

type Waiting = { readonly target: Target; readonly at: number; readonly event: LifecycleEvent }

/** What deployments want of the host now, one event each; nothing of a deployment that somebody stops. */
const waitingFor = async (tx: ReadTx, host: Host): Promise<Waiting[]> => {
  const found: Waiting[] = []
  for (const target of await tx.list(Target, { index: 'active', equals: host.machine })) {
    const at = presentEvent(target)
    const event = target.events[at]
    if (event && !(await tx.get(Deployment, target.deploymentId))?.stop) found.push({ target, at, event })
    else if (event?.status === 'InProgress') found.push({ target, at, event })
  }
  return found
}

/** Which run of Drydock's own agent asks; AWS's agent does not say. */
const sessionOf = ({ AgentSession }: Message): string | undefined =>
  typeof AgentSession === 'string' && AgentSession !== '' ? AgentSession.slice(0, 100) : undefined

/**
 * The host's present event, if a deployment waits for it. An agent that polls is idle: what it has acknowledged itself it
 * is given again, for then the answer to its acknowledgement was lost; what an earlier run of it left is failed, as
 * AWS's agent does after a restart.
 */
const PollHostCommand = async (host: Host, message: Message) => {
  const session = sessionOf(message)
  const all = await host.ctx.read((tx) => waitingFor(tx, host))
  // AWS's agent asks for more while it works, and fails what an earlier run of it left by itself.
  const waiting = session === undefined ? all.filter(({ event }) => event.status === 'Pending') : all
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
      Nonce: next.at,
    },
  }
}

/** How long the agent says that an event may take by its AppSpec file, in seconds, within what AWS's agent may say. */
const durationOf = ({ HostCommandMaxDurationInSeconds: said }: Message): number | undefined =>
  typeof said === 'number' && said > 0 ? Math.min(4200, Math.max(60, said)) : undefined

const PutHostCommandAcknowledgement = (host: Host, message: Message) =>
  host.ctx.write(async (tx) => {
    const { key, event: name } = commandOf(host, text(message, 'HostCommandIdentifier'))
    const session = sessionOf(message)
    const target = await tx.get(Target, key)
    const event = target?.events.find((one) => one.name === name)
    if (!target || !event || target.status !== 'InProgress') return { CommandStatus: 'Failed' }
    if (event.status === 'InProgress' && event.session === session) return { CommandStatus: 'InProgress' }
    if (event.status !== 'Pending' || (await tx.get(Deployment, target.deploymentId))?.stop)
      return { CommandStatus: 'Failed' }
    const now = host.ctx.now().getTime()
    const atMost = durationOf(message)
    const taken: LifecycleEvent = {
      ...event,
      status: 'InProgress',
      started: now,
      ...(session ? { session } : {}),
      ...(atMost === undefined ? {} : { atMost }),
    }
    tx.put(Target, { ...target, updated: now, events: target.events.map((one) => (one === event ? taken : one)) })
    return { CommandStatus: 'InProgress' }
  })

/** In the signed envelope that AWS's agent wants, or bare for one that asks for that. */
const GetDeploymentSpecification = async (host: Host, message: Message) => {
  const payload = JSON.stringify(await specificationFor(host, text(message, 'DeploymentExecutionId')))
  const GenericEnvelope =
    message.EnvelopeFormat === 'TEXT/JSON'
      ? { Format: 'TEXT/JSON', Payload: payload }
      : { Format: 'PKCS7/JSON', Payload: await signedMessage(host.ctx, payload) }
  return { DeploymentSystem: 'CodeDeploy', DeploymentSpecification: { GenericEnvelope } }
}

const specificationFor = (host: Host, id: string): Promise<Specification> =>
  host.ctx.read(async (tx) => {
    const deployment = await tx.get(Deployment, id)
    if (!deployment || !(await tx.get(Target, `${id}/${host.machine}`)))
      throw denied('The deployment is not one of this host.')
    return {
      DeploymentId: id,
      DeploymentGroupId: deployment.groupId,
      DeploymentGroupName: deployment.group,
      ApplicationName: deployment.application,
      DeploymentCreator: deployment.creator,
      DeploymentType: deployment.style.type,
      Revision: toSpecification(deployment.revision),
      AgentActionOverrides: { AgentOverrides: { FileExistsBehavior: deployment.fileExists } },
    }
  })

const toSpecification = (revision: Revision): Specification['Revision'] => {
  if (isGitHub(revision)) {
    const [account = '', repository = ''] = revision.repository.split('/')
    const GitHubRevision = { Account: account, Repository: repository, CommitId: revision.commitId }
    return { RevisionType: 'GitHub', GitHubRevision }
  }
  const { bucket, key, bundleType, version, eTag } = revision
  return {
    RevisionType: 'S3',
    S3Revision: {
      Bucket: bucket,
      Key: key,
      BundleType: bundleType,
      ...(version ? { Version: version } : {}),
      ...(eTag ? { ETag: eTag } : {}),
    },
  }
}

/** Scripts of the revision before: a deployment may go on without them (`ignoreApplicationStopFailures`, CreateDeployment). */
const forgivable = ['ApplicationStop', 'BeforeBlockTraffic', 'AfterBlockTraffic']

const PutHostCommandComplete = (host: Host, message: Message) =>
  host.ctx.write(async (tx) => {
    const { key, event: name, deploymentId } = commandOf(host, text(message, 'HostCommandIdentifier'))
    const target = await tx.get(Target, key)
    const at = target?.events.findIndex((event) => event.name === name) ?? -1
    if (target?.events[at]?.status !== 'InProgress') return {}
    const deployment = await tx.get(Deployment, deploymentId)
    const diagnostics = readDiagnostics(message)
    const forgiven = forgivable.includes(name) && deployment?.ignoreStopFailures
    if (message.CommandStatus !== 'Succeeded' && !forgiven) return fail(host, tx, target, at, diagnostics)
    const status = message.CommandStatus === 'Succeeded' ? ('Succeeded' as const) : ('Failed' as const)
    const changed = tx.put(Target, endedAt(target, at, host.ctx.now().getTime(), { status, diagnostics }))
    const last = changed.status !== 'InProgress'
    if (deployment) noteInstalled(tx, deployment, changed)
    if (last && deployment) tx.emit(targetChanged(host.ctx, deployment, changed))
    if (last || deployment?.stop) tx.wake('codedeploy.deployment', deploymentId)
    return {}
  })

/** What a host says of an event that is under way: nothing that AWS shows. */
const PostHostCommandUpdate = (host: Host, message: Message) =>
  host.ctx.read(async (tx) => {
    const { key, event: name } = commandOf(host, text(message, 'HostCommandIdentifier'))
    const event = (await tx.get(Target, key))?.events.find((one) => one.name === name)
    return { CommandStatus: event?.status === 'InProgress' ? 'InProgress' : 'Failed' }
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
  if (deployment) {
    noteInstalled(tx, deployment, failed)
    tx.emit(targetChanged(host.ctx, deployment, failed))
  }
  tx.wake('codedeploy.deployment', target.deploymentId)
  return {}
}

/** AWS's agent numbers how a script ended. */
const endings = ['Success', 'ScriptMissing', 'ScriptNotExecutable', 'ScriptTimedOut', 'ScriptFailed']

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
    errorCode:
      typeof content.error_code === 'number'
        ? (endings[content.error_code] ?? 'UnknownError')
        : part('error_code', 64) || 'UnknownError',
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
  PostHostCommandUpdate,
}
