import { execFileSync, spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { release } from '../scripts/build.ts'

// What `npm pack` would ship, run as its users run it.
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-release-'))
  await release(folder)
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const program = () => join(folder, 'bin/drydock.js')

it('serves, without a source file', async () => {
  const data = join(folder, 'data')
  const server = spawn(process.execPath, [program(), 'up', '--port', '0', '--compute', 'fake', '--data', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => server.once('exit', resolve))
  try {
    const endpoint = await new Promise<string>((resolve, reject) => {
      let said = ''
      server.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        const found = /drydock ready (\S+)/.exec(said)?.[1]
        if (found) resolve(found)
      })
      ended.then(() => reject(new Error(`The server ended: ${said}`)))
    })
    const options = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }
    expect(await new STSClient(options).send(new GetCallerIdentityCommand({}))).toMatchObject({
      Account: '000000000000',
    })
    const ssm = new SSMClient(options)
    await ssm.send(new PutParameterCommand({ Name: '/a', Value: 'kept', Type: 'SecureString' }))
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: '/a', WithDecryption: true }))
    expect(Parameter?.Value).toBe('kept')
    // The refusal's sentence comes from the constraints, which the release keeps as files.
    await expect(ssm.send(new PutParameterCommand({ Name: '', Value: 'x' }))).rejects.toThrow(
      /length greater than or equal to 1/,
    )
  } finally {
    server.kill('SIGTERM')
  }
  expect(await ended).toBe(0)
})

it('has every program that runs beside the server', () => {
  const sources = join(import.meta.dirname, '../src')
  const programs = globSync('**/*.ts', { cwd: sources }).flatMap((file) =>
    [...readFileSync(join(sources, file), 'utf8').matchAll(/endsWith\('\.ts'\) \? '[^']+' : '\.\/([^']+)'/g)].map(
      ([, name]) => name,
    ),
  )
  expect(programs.length).toBeGreaterThan(1)
  expect(programs.filter((name) => !existsSync(join(folder, 'dist', name ?? '')))).toEqual([])
})

it('knows its version and has the agent of its machines', () => {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  expect(execFileSync(process.execPath, [program(), '--version'], { encoding: 'utf8' })).toContain(version)
  const agent = join(folder, 'dist/codedeploy-agent.mjs')
  execFileSync(process.execPath, ['--check', agent])
  expect(readFileSync(agent, 'utf8')).not.toMatch(/^import .* from ["'](?!node:)/m)
})
