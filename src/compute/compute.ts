import type { Logger } from '../kernel/context.ts'
import type { Capabilities, ComputeDriver, Image, TaskHandle, TaskSpec } from './driver.ts'
import { ComputeError } from './driver.ts'

export type ComputeMode = 'auto' | 'sandbox' | 'docker' | 'process' | 'fake'

/** Which drivers a mode may use, the preferred one first. Nothing falls back to `process`: it isolates nothing. */
const CHOICES: Readonly<Record<ComputeMode, readonly string[]>> = {
  auto: ['sandbox', 'docker'],
  sandbox: ['sandbox'],
  docker: ['docker'],
  process: ['process'],
  fake: ['fake'],
}

export interface Compute extends ComputeDriver {
  /** What each driver of this host can do, chosen or not, for `drydock status`. */
  probeAll(): Promise<readonly Capabilities[]>
}

const kindOf = (image: Image): Capabilities['images'][number] =>
  'host' in image ? 'host' : 'folder' in image ? 'folder' : 'tarball' in image ? 'tarball' : 'docker'

/**
 * One driver in front of several: a task goes to the first one of the mode that is available and knows its kind of
 * image, a handle to the driver that it names.
 */
export const composeCompute = (parts: {
  readonly mode: ComputeMode
  readonly drivers: readonly ComputeDriver[]
  readonly log?: Logger
}): Compute => {
  const { mode, drivers } = parts
  const chosen = CHOICES[mode].flatMap((name) => drivers.filter((driver) => driver.name === name))
  const name = chosen.length === 1 && chosen[0] ? chosen[0].name : mode
  const probes = new Map<ComputeDriver, Promise<Capabilities>>()
  const probe = (driver: ComputeDriver) => {
    const known = probes.get(driver) ?? driver.probe()
    probes.set(driver, known)
    // What is not there may come: an engine is started, a package installed.
    known.then(
      ({ available }) => void (available || probes.delete(driver)),
      () => probes.delete(driver),
    )
    return known
  }

  const pick = async (spec: TaskSpec): Promise<ComputeDriver> => {
    const reasons: string[] = []
    for (const driver of chosen) {
      const found = await probe(driver)
      if (!found.available) reasons.push(`${driver.name}: ${found.notes.join(' ')}`)
      else if (!found.images.includes(kindOf(spec.image)))
        reasons.push(`${driver.name} has no ${kindOf(spec.image)} images.`)
      else if (spec.privileged && !found.privileged) reasons.push(`${driver.name} has no privileged mode.`)
      else if (spec.kind === 'machine' && !found.machines) reasons.push(`${driver.name} has no machines.`)
      else if (spec.network === 'outbound' && !found.outbound)
        reasons.push(`${driver.name} has no networks with a way out.`)
      else if (typeof spec.network !== 'string' && !found.addresses)
        reasons.push(`${driver.name} has no addresses: ${found.notes.join(' ')}`)
      else return driver
    }
    const hint = mode === 'auto' ? ' (--compute process runs tasks without any isolation.)' : ''
    throw new ComputeError('unsupported', `Nothing on this host can run this. ${reasons.join(' ')}${hint}`)
  }
  /** Whoever may know the task: a handle made without a start (to remove what failed) names us, not a driver. */
  const owners = ({ driver }: TaskHandle): readonly ComputeDriver[] => {
    const owner = drivers.find((one) => one.name === driver)
    return owner ? [owner] : chosen
  }

  return {
    name,
    async probe() {
      const found = await Promise.all(chosen.map(probe))
      const able = found.filter(({ available }) => available)
      const first = able[0] ?? found[0]
      if (!first) throw new Error(`There is no driver for the mode ${mode}.`)
      if (found.length === 1) return first
      return {
        driver: name,
        available: able.length > 0,
        isolation: first.isolation,
        images: [...new Set(able.flatMap(({ images }) => images))],
        machines: able.some(({ machines }) => machines),
        addresses: able.some(({ addresses }) => addresses),
        peers: able.some(({ peers }) => peers),
        limits: first.limits,
        privileged: able.some(({ privileged }) => privileged),
        outbound: able.some(({ outbound }) => outbound),
        notes: found.flatMap(({ driver, notes }) => notes.map((note) => `${driver}: ${note}`)),
        missing: found.flatMap(({ missing }) => missing),
      }
    },
    probeAll: () => Promise.all(drivers.filter((driver) => mode === 'fake' || driver.name !== 'fake').map(probe)),
    async fetch(image, credentials) {
      for (const driver of chosen)
        if ((await probe(driver)).available && (await probe(driver)).images.includes(kindOf(image)))
          return driver.fetch?.(image, credentials)
    },
    start: async (spec) => (await pick(spec)).start(spec),
    async attach(handle) {
      for (const driver of owners(handle)) {
        const found = await driver.attach(handle)
        if (found) return found
      }
      return undefined
    },
    async stop(handle, graceSeconds) {
      await Promise.all(owners(handle).map((driver) => driver.stop(handle, graceSeconds)))
    },
    async remove(handle) {
      await Promise.all(owners(handle).map((driver) => driver.remove(handle)))
    },
    async open(network) {
      for (const driver of chosen) if ((await probe(driver)).available) await driver.open?.(network)
    },
    endpointFor(network) {
      const driver = chosen[0]
      if (!driver) throw new Error(`There is no driver for the mode ${mode}.`)
      return driver.endpointFor(network)
    },
    async removeAll() {
      await Promise.all(drivers.map((driver) => driver.removeAll()))
    },
    async close() {
      await Promise.all(drivers.map((driver) => driver.close()))
    },
  }
}
