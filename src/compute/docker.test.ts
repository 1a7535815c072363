import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CASES, runCase } from './contract.ts'
import { dockerDriver } from './docker.ts'

describe('docker', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'dd-'))
  afterAll(() => rm(scratch, { recursive: true, force: true }))
  const make = (folder: string) =>
    dockerDriver({ folder, endpoint: () => 'http://127.0.0.1:4566', host: process.env.DOCKER_HOST })
  const { available, notes } = await make(scratch).probe()
  if (!available) console.log(`skipped: the contract on docker: ${notes.join(' ')}`)

  test.runIf(available).for(CASES.map((one) => [one.name, one] as const))(
    '%s',
    { timeout: 60_000 },
    async ([, one], { skip }) => {
      const lacks = await runCase(one, { scratch, image: { host: true }, make })
      if (lacks !== undefined) console.log(`skipped on docker: ${one.name}: ${lacks}`)
      skip(lacks !== undefined, lacks)
    },
  )
  test('the probe says what it found', () => expect(notes.join(' ')).toMatch(/engine|Containers/))
})
