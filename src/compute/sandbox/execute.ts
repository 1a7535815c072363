import { spawn } from 'node:child_process'
import { PassThrough, type Writable } from 'node:stream'
import type { ExecOptions, Execution, Exit, TaskSpec } from '../driver.ts'
import { toExit } from './endings.ts'
import type { ProcessId, Rights } from './host.ts'
import { HOST_ENV } from './host.ts'
import { dropRights, execScript } from './launch.ts'

/** How long nothing may come after the command has ended, when something it left behind keeps the pipe; and how often. */
const LAST_WORDS_MS = 200
const LAST_WORDS = 25

/**
 * Runs one more command in a task. The task's mount namespace is not entered: its root is reached through /proc, so
 * that every program up to the change of root is the host's, and rights are dropped before it.
 */
export const executeInside = (parts: {
  readonly spec: TaskSpec
  readonly init: ProcessId
  readonly rights: Rights
  readonly groups: readonly string[]
  readonly command: readonly string[]
  readonly options: ExecOptions
  /** Standard input stays open: what is written to `input` is read inside. */
  readonly open?: boolean
}): Execution & { readonly input: Writable } => {
  const { spec, init, rights, groups, command, options } = parts
  const join = groups.map((group) => `echo $$ > '${group}/cgroup.procs' && `).join('')
  const child = spawn(
    '/bin/sh',
    [
      '-c',
      `${join}exec "$@"`,
      'drydock-exec',
      'nsenter',
      '-t',
      String(init.pid),
      ...(rights === 'root' ? [] : ['-U', '--preserve-credentials']),
      ...(spec.network === 'host' ? [] : ['-n']),
      '-p',
      '-i',
      '-u',
      ...dropRights(spec),
      'chroot',
      ...(options.user === undefined ? [] : [`--userspec=${options.user}`]),
      `/proc/${init.pid}/root`,
      '/bin/sh',
      '-c',
      execScript(spec, command, options),
    ],
    { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: HOST_ENV, cwd: '/' },
  )
  const output = new PassThrough()
  child.stdin.on('error', () => {})
  if (!parts.open) child.stdin.end(options.input ?? '')
  // Only what cannot enter speaks here: the script inside joins both streams at once.
  child.stderr.on('data', (chunk: Buffer) => output.write(chunk))
  child.stdout.pipe(output, { end: false })
  let speaks = true
  child.on('close', () => {
    speaks = false
    output.end()
  })
  let heard = 0
  child.stdout.on('data', () => heard++)
  /** Ends the output once nothing has come for a while, although there was time to read it and somebody who did. */
  const listen = (before: number, times: number): void => {
    const look = () => {
      if (!speaks) return
      if (output.writableNeedDrain) return listen(heard, times)
      if (heard !== before && times > 1) return listen(heard, times - 1)
      child.stdout.unpipe(output)
      child.stdout.destroy()
      child.stderr.destroy()
      output.end()
    }
    // A loop that was busy has not read what is there when its timers are due.
    setTimeout(() => setImmediate(look), LAST_WORDS_MS)
  }
  const exit = new Promise<Exit>((done) => {
    child.on('error', () => done({ code: 127, reason: 'exited' }))
    child.on('exit', (code, signal) => {
      listen(heard, LAST_WORDS)
      done(signal ? { code: signal === 'SIGKILL' ? 137 : 143, reason: 'signalled' } : toExit(code ?? 255, false))
    })
  })
  return {
    input: child.stdin,
    output,
    wait: () => exit,
    kill: (name) => {
      // Its own session: the command and what it started, but nothing of the task itself.
      try {
        if (child.pid) process.kill(-child.pid, name)
      } catch {}
    },
  }
}
