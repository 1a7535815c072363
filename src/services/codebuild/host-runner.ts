import { spawn } from 'node:child_process'
import type { Behaviour } from '../../compute/fake.ts'

/** For stories: what a build's task does under the fake driver is to run its real runner on this host, in its folder. */
export const runsOnHost: Behaviour = (spec, task) => {
  const root = task.hostPath('/codebuild') ?? '/nowhere'
  const here = (text: string) => (text.startsWith('/codebuild') ? text.replace('/codebuild', root) : text)
  const env = Object.fromEntries(Object.entries(spec.env).map(([name, value]) => [name, here(value)]))
  const [program = '', ...args] = spec.command.map(here)
  const child = spawn(program, args, {
    env: { ...env, HOME: root },
    cwd: here(spec.workdir ?? '/'),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  if (task.stopping.aborted) end()
  task.stopping.addEventListener('abort', end)
  child.stdout.on('data', (chunk: Buffer) => task.write(chunk))
  child.stderr.on('data', (chunk: Buffer) => task.write(chunk))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      task.stopping.removeEventListener('abort', end)
      resolve(code ?? 137)
    })
  })
}
