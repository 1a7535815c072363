import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { CASES, runCase } from './contract.ts'
import { sandboxDriver } from './sandbox.ts'

describe('sandbox', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'dd-'))
  afterAll(() => rm(scratch, { recursive: true, force: true }))
  test.each(CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const lacks = await runCase(one, {
      scratch,
      image: { host: true },
      make: (folder, door) => sandboxDriver({ folder, door, endpoint: () => 'http://127.0.0.1:4566' }),
    })
    if (lacks !== undefined) console.log(`skipped on the sandbox: ${one.name}: ${lacks}`)
  })
})
