import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { Deployment, type Phase, unfinished } from './deployment.ts'
import { type Health, healthyMinimum, type MinimumHealthyHosts } from './deployment-configs.ts'
import { deploymentChanged, targetChanged } from './events.ts'
import { finish, stopped } from './finish.ts'
import { noteInstalled } from './installed.ts'
import { allowing, blocking, failedAt, goesThrough, installing, presentEvent, Target, targetsOf } from './target.ts'

/** An instance whose agent takes up nothing for this long has none ("Troubleshoot deployment issues", user guide). */
const pickUpTime = 5 * 60_000
const lookAgain = 30_000
const minute = 60_000
const hour = 60 * minute
/** The scripts of one lifecycle event have an hour unless the agent says otherwise; it ends them before we do. */
const [eventTime, eventGrace] = [hour, 5 * minute]
/** How long a deployment may take, by its type ("Deployments", CodeDeploy quotas). */
const longest = { IN_PLACE: 12 * hour, BLUE_GREEN: 109 * hour } as const

/** What is left to do: look again in so many milliseconds, terminate the original instances, nothing. */
export type Step = { readonly in: number } | 'terminate' | 'ended'

const tooFewHealthy = {
  code: 'HEALTH_CONSTRAINTS' as const,
  message:
    'The overall deployment failed because too many individual instances failed deployment, too few healthy instances are available for deployment, or some instances in your deployment group are experiencing problems.',
}
const notContinued = {
  code: 'TIMEOUT' as const,
  message: 'The deployment was stopped: nobody had traffic rerouted before the wait time was over.',
}

const timedOut = (hours: number) => ({
  code: 'TIMEOUT' as const,
  message: `The deployment timed out: it did not come to its end within ${hours} hours.`,
})

/** The instances of a deployment as they are changed within one look at it. */
type Fleet = { readonly targets: Target[]; readonly change: (changed: Target) => void; readonly now: number }

/** One look at a deployment in progress. */
export const advance = async (ctx: Ctx, tx: WriteTx, id: string, gone: ReadonlySet<string>): Promise<Step> => {
  const deployment = await tx.get(Deployment, id)
  if (!deployment || !unfinished(deployment)) return 'ended'
  if (deployment.status !== 'InProgress' && deployment.status !== 'Ready') return { in: lookAgain }
  const targets = await targetsOf(tx, id)
  let begun = false
  const fleet: Fleet = {
    targets,
    now: ctx.now().getTime(),
    change: (changed) => {
      tx.put(Target, changed)
      begun ||= changed.status === 'InProgress'
      noteInstalled(tx, deployment, changed)
      tx.emit(targetChanged(ctx, deployment, changed))
      targets[targets.findIndex(({ instanceId }) => instanceId === changed.instanceId)] = changed
    },
  }
  for (const target of withStatus(targets, 'InProgress')) {
    const ended = deployment.stop ? interrupted(target, fleet.now) : overdue(target, fleet.now, gone)
    if (ended) fleet.change(ended)
  }
  if (deployment.stop) {
    for (const target of withStatus(targets, 'Pending', 'Ready')) fleet.change(skipped(target, fleet.now))
    if (withStatus(targets, 'InProgress').length > 0) return { in: lookAgain }
    await finish(ctx, tx, id, 'Stopped', stopped(deployment))
    return 'ended'
  }
  const limit = longest[deployment.style.type]
  const left = (deployment.started ?? fleet.now) + limit - fleet.now
  if (left <= 0) {
    for (const target of withStatus(targets, 'InProgress')) fleet.change(cutOff(target, fleet.now))
    for (const target of withStatus(targets, 'Pending', 'Ready')) fleet.change(skipped(target, fleet.now))
    await finish(ctx, tx, id, 'Failed', timedOut(limit / hour))
    return 'ended'
  }
  const step = await goOn(ctx, tx, deployment, fleet)
  if (typeof step === 'string') return step
  // Whoever is sent on its way may not be running at all.
  return { in: begun ? 0 : Math.min(step.in, left) }
}

/** Goes through the phases as far as that is possible now. */
const goOn = async (ctx: Ctx, tx: WriteTx, before: Deployment, fleet: Fleet): Promise<Step> => {
  let deployment = before
  const enter = (name: Phase, status: 'InProgress' | 'Ready' = 'InProgress') => {
    const changed = tx.put(Deployment, { ...deployment, status, phase: { name, since: fleet.now } })
    if (changed.status !== deployment.status) tx.emit(deploymentChanged(ctx, changed))
    deployment = changed
  }
  const end = async (status: 'Succeeded' | 'Failed' | 'Stopped', error?: Deployment['error']): Promise<Step> => {
    await finish(ctx, tx, deployment.id, status, error)
    return 'ended'
  }
  const health: Health = deployment.health ?? { hosts: { type: 'HOST_COUNT', value: 0 } }
  const { targets, now } = fleet
  for (;;) {
    const { name, since } = deployment.phase ?? { name: 'install', since: now }
    switch (name) {
      case 'install': {
        const chosen = targets.filter((target) => goesThrough(target, installing))
        const outcome = health.zonal
          ? zoneByZone(fleet, chosen, health)
          : wave(fleet, chosen, health.hosts, ['Pending'])
        if (typeof outcome === 'object') return outcome
        if (outcome === 'too few') return end('Failed', tooFewHealthy)
        if (deployment.style.type === 'IN_PLACE') return end('Succeeded')
        if (deployment.blueGreen?.readyWait === undefined) enter('allow')
        else enter('ready', 'Ready')
        break
      }
      case 'ready': {
        const until = since + (deployment.blueGreen?.readyWait ?? 0) * minute
        if (deployment.goOn?.ready) {
          enter('allow')
          break
        }
        if (now < until) return { in: until - now }
        for (const target of withStatus(targets, 'Pending', 'Ready')) fleet.change(skipped(target, now))
        return end('Stopped', notContinued)
      }
      case 'allow': {
        // A replacement that failed before its pause gets no traffic.
        const chosen = targets.filter(
          (target) =>
            goesThrough(target, allowing) &&
            !(target.pause !== undefined && (target.status === 'Failed' || target.status === 'Skipped')),
        )
        const outcome = wave(fleet, chosen, health.hosts, ['Pending', 'Ready'])
        if (typeof outcome === 'object') return outcome
        if (outcome === 'too few') return end('Failed', tooFewHealthy)
        enter('block')
        break
      }
      case 'block': {
        const chosen = targets.filter((target) => goesThrough(target, blocking))
        const outcome = chosen.length > 0 ? wave(fleet, chosen, health.hosts, ['Pending']) : 'enough'
        if (typeof outcome === 'object') return outcome
        if (outcome === 'too few') return end('Failed', tooFewHealthy)
        if (deployment.blueGreen?.terminateAfter === undefined || deployment.creator === 'codeDeployRollback')
          return end('Succeeded')
        enter('termination')
        break
      }
      case 'termination': {
        const until = since + (deployment.blueGreen?.terminateAfter ?? 0) * minute
        return deployment.goOn?.termination || now >= until ? 'terminate' : { in: until - now }
      }
    }
  }
}

const withStatus = (targets: readonly Target[], ...wanted: Target['status'][]): Target[] =>
  targets.filter(({ status }) => wanted.includes(status))

/** How many more of these instances may be worked on: those under way and those that failed take their room. */
const room = (targets: readonly Target[], hosts: MinimumHealthyHosts): number =>
  targets.length - healthyMinimum(hosts, targets.length) - withStatus(targets, 'InProgress', 'Failed').length

type Outcome = { readonly in: number } | 'enough' | 'too few'

/** Sends instances of a phase on their way, as many as may be at a time, and says how it went once all have ended. */
const wave = (
  fleet: Fleet,
  chosen: readonly Target[],
  hosts: MinimumHealthyHosts,
  waiting: readonly Target['status'][],
): Outcome => {
  const own = () => fleet.targets.filter(({ instanceId }) => chosen.some((one) => one.instanceId === instanceId))
  for (const target of withStatus(chosen, ...waiting)) {
    if (room(own(), hosts) <= 0) break
    const { pause: _over, ...rest } = target
    fleet.change({ ...(waiting.includes('Ready') ? rest : target), status: 'InProgress', updated: fleet.now })
  }
  if (withStatus(own(), 'InProgress').length > 0) return { in: lookAgain }
  // Those that failed take all the room there is, and yet none too many: the others are not tried.
  for (const target of withStatus(own(), ...waiting)) fleet.change(skipped(target, fleet.now))
  const well = withStatus(own(), 'Succeeded', 'Ready').length
  return well >= Math.max(1, healthyMinimum(hosts, chosen.length)) ? 'enough' : 'too few'
}

/**
 * One Availability Zone after the other, with a pause for looking after each ("Create a deployment configuration", zonal
 * configuration). Both minima hold: that of the zone and that of all instances.
 */
const zoneByZone = (fleet: Fleet, chosen: readonly Target[], { hosts, zonal = {} }: Health): Outcome => {
  const zones = [...new Set(chosen.map(({ zone = '' }) => zone))].toSorted()
  const perZone: MinimumHealthyHosts = zonal.hosts ?? { type: 'FLEET_PERCENT', value: 0 }
  const inZone = (wanted: string) => fleet.targets.filter(({ zone = '' }) => zone === wanted)
  for (const [index, zone] of zones.entries()) {
    for (const target of withStatus(inZone(zone), 'Pending')) {
      if (room(fleet.targets, hosts) <= 0 || room(inZone(zone), perZone) <= 0) break
      fleet.change({ ...target, status: 'InProgress', updated: fleet.now })
    }
    if (withStatus(inZone(zone), 'InProgress').length > 0) return { in: lookAgain }
    for (const target of withStatus(inZone(zone), 'Pending')) fleet.change(skipped(target, fleet.now))
    const well = withStatus(inZone(zone), 'Succeeded').length
    if (well < healthyMinimum(perZone, inZone(zone).length)) {
      for (const target of withStatus(fleet.targets, 'Pending')) fleet.change(skipped(target, fleet.now))
      return 'too few'
    }
    if (withStatus(fleet.targets, 'Pending').length === 0) continue
    const seconds = (index === 0 ? zonal.firstMonitor : undefined) ?? zonal.monitor ?? 0
    const until = Math.max(...inZone(zone).map(({ updated }) => updated)) + seconds * 1000
    const next = inZone(zones[index + 1] ?? '')
    if (fleet.now < until && next.every(({ status }) => status === 'Pending')) return { in: until - fleet.now }
  }
  const well = withStatus(fleet.targets, 'Succeeded').length
  return well >= Math.max(1, healthyMinimum(hosts, chosen.length)) ? 'enough' : 'too few'
}

const skipped = (target: Target, now: number): Target => ({
  ...target,
  status: 'Skipped',
  updated: now,
  events: target.events.map((event) => (event.status === 'Pending' ? { ...event, status: 'Skipped' } : event)),
})

/** In a deployment that is stopped, an instance ends after the event it is in; those that follow are skipped. */
const interrupted = (target: Target, now: number): Target | undefined => {
  if (target.events.some(({ status }) => status === 'InProgress')) return undefined
  const untouched = target.events.every(({ status }) => status === 'Pending' || status === 'Skipped')
  return untouched ? skipped(target, now) : { ...skipped(target, now), status: 'Failed' }
}

const noAgent =
  'CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and make sure the agent is running and can connect to the CodeDeploy server.'

/** An instance that is silent for too long, or that does not run any more, has failed. */
const overdue = (target: Target, now: number, gone: ReadonlySet<string>): Target | undefined => {
  const at = presentEvent(target)
  const event = target.events[at]
  if (!event) return undefined
  const silent =
    event.status === 'Pending'
      ? now - target.updated > pickUpTime
      : now - (event.started ?? now) > (event.atMost === undefined ? eventTime : event.atMost * 1000) + eventGrace
  if (!silent && !gone.has(target.instanceId)) return undefined
  return failedAt(target, at, now, { errorCode: 'UnknownError', scriptName: '', message: noAgent, logTail: '' })
}

/** An instance that is at work when the time of its deployment is over. */
const cutOff = (target: Target, now: number): Target => {
  const at = presentEvent(target)
  const message = 'The deployment timed out.'
  return at < 0
    ? target
    : failedAt(target, at, now, { errorCode: 'UnknownError', scriptName: '', message, logTail: '' })
}
