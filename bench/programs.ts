import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { release } from '../scripts/build.ts'
import type { Job, Outcome } from './load.ts'

/** A program under measurement, started by us and ended by us. */
export type Program = {
  readonly name: string
  readonly endpoint: string
  readonly pid: number
  stop(): Promise<void>
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Starts a program and resolves when it prints a line that `ready` finds its endpoint in. */
const start = (
  name: string,
  command: readonly string[],
  ready: RegExp,
  env: NodeJS.ProcessEnv = {},
): Promise<Program> => {
  const [path = '', ...args] = command
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  return new Promise((resolve, reject) => {
    let said = ''
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${name} was not ready within 30 seconds: ${said.slice(-500)}`))
    }, 30_000)
    const hear = (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-10_000)
      const endpoint = ready.exec(said)?.[1]
      if (endpoint === undefined) return
      clearTimeout(late)
      resolve({ name, endpoint, pid: child.pid ?? 0, stop: () => stop(child) })
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', reject)
    child.once('exit', () => {
      clearTimeout(late)
      reject(new Error(`${name} ended before it was ready: ${said.slice(-500)}`))
    })
  })
}

const stop = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const impatient = setTimeout(() => child.kill('SIGKILL'), 5_000)
    child.once('exit', () => {
      clearTimeout(impatient)
      resolve()
    })
    child.kill('SIGTERM')
  })

export type DrydockOptions = { readonly data?: string; readonly compute?: string; readonly node?: readonly string[] }

let released: Promise<string> | undefined

/** The package as its users have it, built once. */
const releaseFolder = (): Promise<string> => {
  released ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), 'drydock-release-'))
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
    await release(folder)
    return folder
  })()
  return released
}

/** A server as a user would start it, on a free port. */
export const drydock = async ({ data, compute = 'fake', node = [] }: DrydockOptions = {}): Promise<Program> => {
  const program = join(await releaseFolder(), 'bin/drydock.js')
  const options = ['up', '--port', '0', '--log-level', 'error', '--compute', compute]
  const state = data === undefined ? ['--ephemeral'] : ['--data', data]
  return start('drydock', [process.execPath, ...node, program, ...options, ...state], /drydock ready (\S+)/)
}

export const bare = (folder: string): Promise<Program> =>
  start(`node:http ${process.version}`, [process.execPath, here('bare.ts'), folder], /ready (\S+)/)

/** moto's server, where Python has it. */
export const moto = async (): Promise<Program | undefined> => {
  const found = spawnSync('python3', ['-c', 'import moto, moto.server; print(moto.__version__)'], { encoding: 'utf8' })
  if (found.status !== 0) return undefined
  const port = await freePort()
  return start(
    `moto_server ${found.stdout.trim()}`,
    ['python3', '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    /Running on (http:\/\/\S+)/,
    { PYTHONUNBUFFERED: '1' },
  )
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })

/** Runs a job in the load generator's own process. */
export const load = (endpoint: string, job: Omit<Job, 'host' | 'port'>): Promise<Outcome> => {
  const { hostname, port } = new URL(endpoint)
  const child = spawn(process.execPath, [here('load.ts')], { stdio: ['pipe', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => child.kill('SIGKILL'), job.duration + 30_000)
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(late)
      if (code === 0) resolve(JSON.parse(Buffer.concat(chunks).toString()) as Outcome)
      else reject(new Error(`the load generator ended with ${code}`))
    })
    child.stdin.end(JSON.stringify({ ...job, host: hostname, port: Number(port) }))
  })
}

/** Processor time a process has used, in milliseconds; `undefined` where there is no /proc. */
export const cpuOf = (pid: number): number | undefined => {
  const stat = readProc(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  // Ticks of 10 ms: user and system time, of all its threads.
  return fields && (Number(fields[11]) + Number(fields[12])) * 10
}

/** Resident memory of a process in MiB. */
export const memoryOf = (pid: number): number | undefined => {
  const found = /VmRSS:\s+(\d+) kB/.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1]
  return found === undefined ? undefined : Number(found) / 1024
}

const readProc = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
