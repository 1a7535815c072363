import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Appspec, AppspecError, longestTimeout, parseAppspec, type Script } from '../appspec.ts'
import { CommandFailure, type FailureCode } from './failure.ts'
import type { Layout } from './layout.ts'
import type { Specification } from './specification.ts'

/** Reads the AppSpec file of an unpacked bundle. Throws CommandFailure. */
export const readAppspec = async (archive: string): Promise<Appspec> => {
  const names = ['appspec.yml', 'appspec.yaml']
  for (const name of names) {
    const text = await readFile(join(archive, name), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    try {
      return parseAppspec(text)
    } catch (error) {
      throw new CommandFailure('UnknownError', error instanceof AppspecError ? error.message : String(error))
    }
  }
  throw new CommandFailure(
    'UnknownError',
    `The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at revision-relative path "appspec.yml". The revision was unpacked to directory "${archive}", and the AppSpec file was expected but not found at path "${join(archive, 'appspec.yml')}". Consult the AWS CodeDeploy Appspec documentation for more information at http://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file.html`,
  )
}

/** How many characters of its log a failure carries. */
const longestTail = 2_048

/** What the scripts of one event wrote: to the deployment's log, to the log of all deployments, and the end of it kept. */
type ScriptLog = {
  readonly say: (line: string) => void
  readonly tail: () => string
  readonly close: () => Promise<void>
}

const stamp = (): string => new Date().toISOString().replace('T', ' ').replace('Z', '')

const openLog = async (place: Layout, folder: string, { DeploymentId }: Specification): Promise<ScriptLog> => {
  const paths = [place.scriptLog(folder), place.deploymentLog]
  for (const path of paths) await mkdir(dirname(path), { recursive: true })
  const [own, all] = paths.map((path) => createWriteStream(path, { flags: 'a' }))
  let kept: string[] = []
  let length = 0
  return {
    say: (line) => {
      const time = stamp()
      own?.write(`${time.slice(0, 19)} ${line}\n`)
      all?.write(`[${time}] [${DeploymentId}]${line}\n`)
      kept.push(`${line}\n`)
      length += line.length + 1
      while (length > longestTail && kept.length > 1) length -= kept.shift()?.length ?? 0
    },
    tail: () => kept.join('').slice(-longestTail),
    close: async () => {
      await Promise.all([own, all].map((stream) => new Promise<void>((closed) => stream?.end(closed))))
      kept = []
    },
  }
}

/**
 * Runs an event's scripts one after the other, in the archive of `folder`'s deployment, under their users and timeouts.
 * What they write goes to the deployment's script log. Throws CommandFailure at the first that fails.
 */
export const runHook = async (
  place: Layout,
  folder: string,
  event: string,
  specification: Specification,
): Promise<void> => {
  const archive = place.archive(folder)
  const scripts = (await readAppspec(archive)).hooks[event] ?? []
  if (scripts.length === 0) return
  const log = await openLog(place, folder, specification)
  try {
    log.say(`LifecycleEvent - ${event}`)
    const deadline = Date.now() + longestTimeout * 1000
    for (const script of scripts) await runScript(archive, script, environment(event, specification), log, deadline)
  } finally {
    await log.close()
  }
}

/** The agent's own environment, by which AWS's SDKs find endpoint and region, and what the user guide promises scripts. */
const environment = (event: string, specification: Specification): NodeJS.ProcessEnv => {
  const { Revision } = specification
  const bundle: NodeJS.ProcessEnv =
    Revision.RevisionType === 'GitHub'
      ? { BUNDLE_COMMIT: Revision.GitHubRevision.CommitId }
      : {
          BUNDLE_BUCKET: Revision.S3Revision.Bucket,
          BUNDLE_KEY: Revision.S3Revision.Key,
          BUNDLE_VERSION: Revision.S3Revision.Version ?? '',
          BUNDLE_ETAG: Revision.S3Revision.ETag ?? '',
        }
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    ...process.env,
    LIFECYCLE_EVENT: event,
    DEPLOYMENT_ID: specification.DeploymentId,
    APPLICATION_NAME: specification.ApplicationName,
    DEPLOYMENT_GROUP_NAME: specification.DeploymentGroupName,
    DEPLOYMENT_GROUP_ID: specification.DeploymentGroupId,
    ...bundle,
  }
}

const runScript = async (
  archive: string,
  script: Script,
  env: NodeJS.ProcessEnv,
  log: ScriptLog,
  deadline: number,
): Promise<void> => {
  const { location, runas } = script
  const path = join(archive, location)
  const failure = (code: FailureCode, message: string) => new CommandFailure(code, message, location, log.tail())
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) throw failure('ScriptMissing', `Script does not exist at specified location: ${path}`)
  if ((found.mode & 0o111) === 0)
    await chmod(path, found.mode | 0o111).catch(() => {
      throw failure('ScriptNotExecutable', `Unable to set script at specified location: ${location} as executable`)
    })
  log.say(`Script - ${location}`)
  const seconds = Math.min(script.timeout, Math.max(1, Math.round((deadline - Date.now()) / 1000)))
  const command = runas ? ['su', runas, '-c', `'${path.replaceAll("'", "'\\''")}'`] : [path]
  let ending = await run(command, archive, env, seconds, log)
  // A script without an interpreter line is one for the shell, as for any program that starts another.
  if (ending.kind === 'not started' && ending.code === 'ENOEXEC')
    ending = await run(['sh', path], archive, env, seconds, log)
  if (ending.kind === 'not started')
    throw failure('UnknownError', `${reasons[ending.code] ?? ending.code} - ${command[0]}`)
  if (ending.kind === 'timed out')
    throw failure(
      'ScriptTimedOut',
      `Script at specified location: ${location} failed to ${ending.exited ? 'close STDOUT' : `complete in ${seconds} seconds`}`,
    )
  if (ending.code !== 0) {
    const as = runas ? ` run as user ${runas}` : ''
    throw failure('ScriptFailed', `Script at specified location: ${location}${as} failed with exit code ${ending.code}`)
  }
}

const reasons: Readonly<Record<string, string>> = { ENOENT: 'No such file or directory', EACCES: 'Permission denied' }

type Ending =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'timed out'; readonly exited: boolean }
  | { readonly kind: 'not started'; readonly code: string }

/** How long a script that is told to end may take for it, in milliseconds. */
const grace = 1_000

/**
 * Runs a program until it has ended and nobody writes to its output any more: a service that a script leaves behind must
 * write elsewhere, or the event lasts until its timeout, as on AWS ("Troubleshooting", long-running processes).
 */
const run = (
  [program = '', ...args]: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  seconds: number,
  log: ScriptLog,
): Promise<Ending> =>
  new Promise((resolve) => {
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const follow = (stream: typeof child.stdout, name: string) => {
      const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })
      lines.on('line', (line) => log.say(`[${name}]${line}`))
      return lines
    }
    const outputs = [follow(child.stdout, 'stdout'), follow(child.stderr, 'stderr')]
    let exited = false
    let late: Ending | undefined
    const signal = (name: NodeJS.Signals) => {
      try {
        if (child.pid) process.kill(-child.pid, name)
      } catch {
        // The whole group is gone already.
      }
    }
    const finish = (ending: Ending) => {
      clearTimeout(timer)
      for (const output of outputs) output.close()
      child.stdout.destroy()
      child.stderr.destroy()
      resolve(ending)
    }
    let timer = setTimeout(() => {
      late = { kind: 'timed out', exited }
      // What a script left running stays, what hangs ends.
      if (exited) return finish(late)
      signal('SIGTERM')
      timer = setTimeout(() => {
        signal('SIGKILL')
        finish({ kind: 'timed out', exited: false })
      }, grace)
    }, seconds * 1000)
    child.on('error', (error) =>
      finish({ kind: 'not started', code: 'code' in error ? String(error.code) : error.message }),
    )
    child.on('exit', () => {
      exited = true
    })
    child.on('close', (code, name) =>
      setImmediate(finish, late ?? { kind: 'exited', code: code ?? 128 + (name ? constants.signals[name] : 0) }),
    )
  })
