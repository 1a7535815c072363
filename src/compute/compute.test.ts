import { expect, test } from 'vitest'
import { composeCompute } from './compute.ts'
import type { Capabilities, ComputeDriver, TaskSpec } from './driver.ts'
import { fakeCompute } from './fake.ts'

const named = (name: string, more: Partial<Capabilities> = {}) => {
  const fake = fakeCompute()
  const driver: ComputeDriver = {
    ...fake,
    name,
    probe: async () => ({ ...(await fake.probe()), driver: name, notes: [`${name} speaks`], ...more }),
    start: async (spec) => {
      const task = await fake.start(spec)
      return { ...task, handle: { ...task.handle, driver: name } }
    },
  }
  return { driver, fake }
}
const spec = (id: string, image: TaskSpec['image']): TaskSpec => ({
  id,
  kind: 'task',
  image,
  command: ['true'],
  env: {},
  network: 'host',
})

test('a task goes to the first driver that can, a handle to its own', async () => {
  const sandbox = named('sandbox', { images: ['host', 'folder'] })
  const docker = named('docker')
  const compute = composeCompute({ mode: 'auto', drivers: [sandbox.driver, docker.driver] })
  const { handle } = await compute.start(spec('a', { host: true }))
  expect(handle.driver).toBe('sandbox')
  const other = await compute.start(spec('b', { docker: 'alpine' }))
  expect(other.handle.driver).toBe('docker')
  await compute.remove(other.handle)
  expect(await compute.attach(other.handle)).toBeUndefined()
  expect(await compute.attach({ ...handle, driver: compute.name })).toBeDefined()
  expect((await compute.probe()).images).toEqual(['host', 'folder', 'tarball', 'docker'])
  expect((await compute.probeAll()).map(({ driver }) => driver)).toEqual(['sandbox', 'docker'])
})

test('nothing falls back to a driver that was not asked for, and the reason is said', async () => {
  const sandbox = named('sandbox', { available: false })
  const docker = named('docker', { available: false })
  const process = named('process', { isolation: 'none' })
  const drivers = [sandbox.driver, docker.driver, process.driver]
  const auto = composeCompute({ mode: 'auto', drivers })
  await expect(auto.start(spec('a', { host: true }))).rejects.toThrow(
    /sandbox speaks.*docker speaks.*--compute process/,
  )
  expect((await auto.probe()).available).toBe(false)
  const asked = composeCompute({ mode: 'process', drivers })
  expect((await asked.start(spec('a', { host: true }))).handle.driver).toBe('process')
})

test('what has no addresses gets no task in a VPC', async () => {
  const sandbox = named('sandbox', { addresses: false })
  const compute = composeCompute({ mode: 'sandbox', drivers: [sandbox.driver] })
  await expect(
    compute.start({
      ...spec('a', { host: true }),
      network: { vpc: 'v', subnet: 's', cidr: '10.0.0.0/24', address: '10.0.0.9', ingress: [] },
    }),
  ).rejects.toThrow('sandbox has no addresses')
})
