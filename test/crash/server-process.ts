import { spawn } from 'node:child_process'
import { join } from 'node:path'

const drydock = join(import.meta.dirname, '..', '..', 'bin', 'drydock.js')

export type ServerProcess = {
  readonly endpoint: string
  readonly pid: number
  /** What it said on standard error so far. */
  complaints(): string
  signal(name: 'SIGKILL' | 'SIGTERM'): Promise<number | null>
}

/** Starts `drydock up` and waits until it is ready. Rejects with its last words when it ends before. */
export const startProcess = (args: readonly string[]): Promise<ServerProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [drydock, 'up', '--log-level', 'warn', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let complaints = ''
    let output = ''
    const ended = new Promise<number | null>((end) => child.once('exit', (code) => end(code)))
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk
    })
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk
      const endpoint = /^drydock ready (\S+)/m.exec(output)?.[1]
      if (!endpoint) return
      resolve({
        endpoint,
        pid: child.pid ?? 0,
        complaints: () => complaints,
        signal: (name) => {
          child.kill(name)
          return ended
        },
      })
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server ended with code ${code}: ${complaints.trim()}`)))
  })
