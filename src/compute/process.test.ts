import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CASES, runCase, textOf } from './contract.ts'
import { processDriver } from './process.ts'

describe('process', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'dd-'))
  afterAll(() => rm(scratch, { recursive: true, force: true }))
  test.for(CASES.map((one) => [one.name, one] as const))('%s', async ([, one], { skip }) => {
    const lacks = await runCase(one, {
      scratch,
      image: { host: true },
      make: (folder) => processDriver({ folder, endpoint: () => 'http://127.0.0.1:4566' }),
    })
    if (lacks !== undefined) console.log(`skipped on plain processes: ${one.name}: ${lacks}`)
    skip(lacks !== undefined, lacks)
  })

  test('targets of mounts and files are replaced by their places on the host', async () => {
    const folder = await mkdtemp(join(scratch, 'process-'))
    const driver = processDriver({ folder, endpoint: () => '' })
    const task = await driver.start({
      id: 'paths',
      kind: 'task',
      image: { host: true },
      command: ['sh', '/build/run'],
      env: { SOURCE: '/src', OTHER: '/srcs' },
      workdir: '/src',
      files: [{ path: '/build/run', content: 'pwd; echo $SOURCE $OTHER; echo made > /src/file' }],
      mounts: [{ source: scratch, target: '/src', writable: true }],
      network: 'host',
    })
    expect(await textOf(task.output())).toBe(`${scratch}\n${scratch} /srcs\n`)
    expect(await readFile(join(scratch, 'file'), 'utf8')).toBe('made\n')
    await driver.removeAll()
    await driver.close()
  })
})
