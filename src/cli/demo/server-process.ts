import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { packageFolder } from '../../package.ts'

const drydock = join(packageFolder, 'bin/drydock.js')

/** A server in a process of its own, so that the demo can kill it without warning and start it again. */
export type ServerProcess = {
  readonly endpoint: string
  /** SIGKILL: no chance to tidy up. */
  kill(): Promise<void>
  /** SIGTERM: drains. */
  stop(): Promise<void>
}

/** Starts `drydock up` on this data folder and waits until it is ready. Port 0 picks a free one. Rejects with its last words. */
export const startServerProcess = async (
  data: string,
  port: number,
  env: NodeJS.ProcessEnv = {},
): Promise<ServerProcess> => {
  const args = [
    drydock,
    'up',
    '--port',
    String(port),
    '--data',
    data,
    '--log-level',
    process.env.DRYDOCK_LOG_LEVEL ?? 'error',
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const endpoint = await ready(child)
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    child.kill(signal)
    await ended
  }
  return { endpoint, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') }
}

const ready = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let output = ''
    let complaints = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk
      const url = /^drydock ready (\S+)/m.exec(output)?.[1]
      if (url) resolve(url)
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints += chunk
      if (process.env.DRYDOCK_LOG_LEVEL) process.stderr.write(chunk)
    })
    child.once('error', reject)
    child.once('exit', (code) =>
      reject(new Error(`the server ended with code ${code}: ${complaints.trim().split('\n').at(-1) ?? ''}`)),
    )
  })
