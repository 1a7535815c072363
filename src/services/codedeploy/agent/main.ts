import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { downloadBundle } from './bundle.ts'
import { CommandFailure } from './failure.ts'
import { runHook } from './hooks.ts'
import { callCommands, findHost, type Host, Refused } from './host.ts'
import { install } from './install.ts'
import { type Layout, layout, readOptional } from './layout.ts'
import type { Specification } from './specification.ts'

// The CodeDeploy agent: a program inside the machine that asks for commands, carries them out and says how they ended.
// Its operations have the names of AWS's host command service.

type HostCommand = {
  readonly HostCommandIdentifier: string
  readonly DeploymentExecutionId: string
  readonly CommandName: string
}

/** Between polls: soon after there was something to do, calmly otherwise (milliseconds). */
const [soonest, calmest] = [20, 250]

const specificationOf = async (host: Host, command: HostCommand): Promise<Specification> => {
  const { DeploymentSpecification } = await callCommands<{
    DeploymentSpecification: { GenericEnvelope: { Payload: string } }
  }>(host, 'GetDeploymentSpecification', {
    DeploymentExecutionId: command.DeploymentExecutionId,
    HostIdentifier: host.identifier,
    EnvelopeFormat: 'TEXT/JSON',
  })
  return JSON.parse(DeploymentSpecification.GenericEnvelope.Payload) as Specification
}

/** Which deployment's scripts an event runs: its own, or those the application that serves now came with. */
type ScriptsOf = 'this deployment' | 'last successful' | 'most recent'

/**
 * ApplicationStop and leading traffic away are for what was installed before. A rollback of a blue/green deployment
 * installs nothing: what traffic is led away from came last, what it is led back to is what was there.
 */
const scriptsOf = (event: string, { DeploymentCreator, DeploymentType }: Specification): ScriptsOf => {
  const rollback = DeploymentType === 'BLUE_GREEN' && DeploymentCreator === 'codeDeployRollback'
  if (event === 'ApplicationStop') return 'last successful'
  if (event === 'BeforeBlockTraffic' || event === 'AfterBlockTraffic')
    return rollback ? 'most recent' : 'last successful'
  if (event === 'BeforeAllowTraffic' || event === 'AfterAllowTraffic')
    return rollback ? 'last successful' : 'this deployment'
  return 'this deployment'
}

const carryOut = async (host: Host, place: Layout, event: string, specification: Specification): Promise<void> => {
  const { DeploymentGroupId, DeploymentId } = specification
  if (event === 'DownloadBundle') return downloadBundle(host, place, specification)
  if (event === 'Install') return install(place, specification)
  const which = scriptsOf(event, specification)
  if (which === 'this deployment')
    return runHook(place, place.deployment(DeploymentGroupId, DeploymentId), event, specification)
  const noted = which === 'most recent' ? place.mostRecent(DeploymentGroupId) : place.lastSuccessful(DeploymentGroupId)
  const installed = (await readOptional(noted))?.trim()
  return installed ? runHook(place, installed, event, specification) : undefined
}

const diagnostics = (error: unknown) => {
  const failure =
    error instanceof CommandFailure
      ? error
      : new CommandFailure('UnknownError', error instanceof Error ? error.message : String(error))
  return { error_code: failure.code, script_name: failure.scriptName, message: failure.message, log: failure.log }
}

/** Says how a command ended, until somebody hears it: the server may be away for a while. */
const report = async (
  host: Host,
  command: HostCommand,
  outcome: { CommandStatus: 'Succeeded' | 'Failed'; Payload: object },
): Promise<void> => {
  const { HostCommandIdentifier } = command
  const Diagnostics = { Format: 'JSON', Payload: JSON.stringify(outcome.Payload) }
  for (let wait = soonest; ; wait = Math.min(wait * 2, 2_000)) {
    try {
      await callCommands(host, 'PutHostCommandComplete', {
        HostCommandIdentifier,
        CommandStatus: outcome.CommandStatus,
        Diagnostics,
      })
      return
    } catch (error) {
      console.error(`report of ${command.CommandName}: ${error instanceof Error ? error.message : error}`)
      if (error instanceof Refused && error.status < 500 && error.status !== 403) return
      await pause(wait)
    }
  }
}

const poll = async (host: Host, place: Layout, session: string): Promise<boolean> => {
  const { HostCommand } = await callCommands<{ HostCommand?: HostCommand }>(host, 'PollHostCommand', {
    HostIdentifier: host.identifier,
    AgentSession: session,
  })
  if (!HostCommand) return false
  const { HostCommandIdentifier } = HostCommand
  // Asked for first: what fails up to here is simply asked again.
  const specification = await specificationOf(host, HostCommand)
  const { CommandStatus } = await callCommands<{ CommandStatus: string }>(host, 'PutHostCommandAcknowledgement', {
    HostCommandIdentifier,
    AgentSession: session,
  })
  if (CommandStatus !== 'InProgress') return true
  console.log(`${HostCommand.DeploymentExecutionId} ${HostCommand.CommandName}`)
  try {
    await carryOut(host, place, HostCommand.CommandName, specification)
    await report(host, HostCommand, {
      CommandStatus: 'Succeeded',
      Payload: { error_code: 'Success', script_name: '', message: 'Succeeded', log: '' },
    })
  } catch (error) {
    console.error(`${HostCommand.CommandName}: ${error instanceof Error ? error.message : error}`)
    await report(host, HostCommand, { CommandStatus: 'Failed', Payload: diagnostics(error) })
  }
  return true
}

const root = process.argv[2] ?? '/'
const place = layout(root)
await mkdir(place.deployments, { recursive: true })
const session = randomUUID()
let host: Host | undefined
let said = ''
for (let wait = soonest; ; ) {
  try {
    host ??= await findHost(root)
    const worked = await poll(host, place, session)
    wait = worked ? 0 : Math.min(Math.max(wait, soonest) * 1.5, calmest)
    said = ''
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (message !== said) console.error(message)
    said = message
    wait = Math.min(Math.max(wait, soonest) * 2, 2_000)
  }
  await pause(wait)
}
