import { join } from 'node:path'
import type { Logger } from '../kernel/context.ts'
import type { Compute, ComputeMode } from './compute.ts'
import { composeCompute } from './compute.ts'
import { dockerDriver } from './docker.ts'
import type { Door } from './driver.ts'
import { fakeCompute } from './fake.ts'
import { processDriver } from './process.ts'
import { sandboxDriver } from './sandbox.ts'

/** The drivers of this host behind one: which of them runs a task is decided by `mode` and by the image it needs. */
export const hostCompute = (parts: {
  readonly folder: string
  readonly endpoint: () => string
  readonly door: Door
  readonly mode: ComputeMode
  readonly log: Logger
  /** `DOCKER_HOST`; the usual sockets unless told. */
  readonly dockerHost?: string | undefined
  /** Whether tasks may be privileged, where a container engine runs them. */
  readonly privileged?: boolean
}): Compute => {
  const { folder, endpoint, door, mode, log, dockerHost, privileged = false } = parts
  return composeCompute({
    mode,
    log,
    drivers: [
      ...(mode === 'fake' ? [fakeCompute(undefined, undefined, endpoint)] : []),
      sandboxDriver({ folder: join(folder, 'sandbox'), endpoint, door, log }),
      dockerDriver({ folder: join(folder, 'docker'), endpoint, host: dockerHost, privileged }),
      ...(mode === 'process' ? [processDriver({ folder: join(folder, 'process'), endpoint })] : []),
    ],
  })
}
