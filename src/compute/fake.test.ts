import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TaskSpec } from './driver.ts'
import { ComputeError } from './driver.ts'
import { fakeCompute } from './fake.ts'

const spec = (id: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  id,
  kind: 'task',
  image: { host: true },
  command: ['true'],
  env: {},
  network: 'host',
  ...more,
})
const text = async (output: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(output)).toString()

test('a task does what the script says: output, mounted files, exit code', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fake-'))
  await writeFile(join(folder, 'in.txt'), 'hello')
  const fake = fakeCompute().on('build-', async (_, task) => {
    task.write(`${await task.read('/src/in.txt')}\n`)
    await task.writeFile('/src/out/x.txt', 'made')
    await task.writeFile('/etc/own', 'own')
    task.write(await task.read('/etc/own'))
    return 3
  })
  const task = await fake.start(spec('build-1', { mounts: [{ source: folder, target: '/src', writable: true }] }))
  expect(await task.wait()).toEqual({ code: 3, reason: 'exited' })
  expect(await text(task.output())).toBe('hello\nown')
  expect(await text(task.output(6))).toBe('own')
  expect(await readFile(join(folder, 'out/x.txt'), 'utf8')).toBe('made')
  expect(fake.started.map(({ id }) => id)).toEqual(['build-1'])
  await rm(folder, { recursive: true })
})

test('a machine runs until stopped, answers scripted commands, starts again', async () => {
  const fake = fakeCompute().onExec('i-', (command, task) => {
    task.write(command.join(' '))
    return 7
  })
  const machine = await fake.start(spec('i-1', { kind: 'machine' }))
  const execution = await machine.exec(['ls', '-l'])
  expect(await text(execution.output)).toBe('ls -l')
  expect(await execution.wait()).toEqual({ code: 7, reason: 'exited' })
  await fake.stop(machine.handle, 1)
  expect(await machine.wait()).toEqual({ code: 143, reason: 'signalled' })
  expect(fake.running()).toEqual([])
  await fake.start(spec('i-1', { kind: 'machine' }))
  expect(fake.running()).toEqual(['i-1'])
})

test('a second fake on the same state is the server after a restart', async () => {
  const first = fakeCompute().on(
    't',
    (_, task) => new Promise((end) => task.stopping.addEventListener('abort', () => end(9))),
  )
  const { handle } = await first.start(spec('t'))
  const second = fakeCompute(undefined, first.state)
  const found = await second.attach(handle)
  await second.stop(handle, 0)
  expect(await found?.wait()).toEqual({ code: 9, reason: 'exited' })
  await second.remove(handle)
  expect(await second.attach(handle)).toBeUndefined()
})

test('a refused start rejects, and a throw in the script is a failing task', async () => {
  const fake = fakeCompute()
    .refuse('no', new ComputeError('unsupported', 'no machines here'))
    .on('bad', () => {
      throw new Error('script broke')
    })
  await expect(fake.start(spec('no'))).rejects.toThrow('no machines here')
  const task = await fake.start(spec('bad'))
  expect(await task.wait()).toEqual({ code: 1, reason: 'exited' })
  expect(fake.text('bad')).toContain('script broke')
})
