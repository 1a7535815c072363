import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { access, constants, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Appspec, AppspecError, parseAppspec, type Script } from '../appspec.ts'
import { CommandFailure } from './failure.ts'
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

/** How much of the log a failure carries. */
const logTail = 2_048

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
  const log = place.scriptLog(folder)
  await mkdir(dirname(log), { recursive: true })
  await writeFile(log, `${stamp()} LifecycleEvent - ${event}\n`, { flag: 'a' })
  for (const script of scripts) await runScript(archive, script, event, specification, log)
}

const stamp = (): string => new Date().toISOString().slice(0, 19).replace('T', ' ')

const runScript = async (
  archive: string,
  script: Script,
  event: string,
  specification: Specification,
  log: string,
): Promise<void> => {
  const path = join(archive, script.location)
  if (!(await stat(path).catch(() => undefined))?.isFile())
    throw new CommandFailure('ScriptMissing', `Script does not exist at specified location: ${path}`, script.location)
  const executable = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
  await writeFile(log, `${stamp()} Script - ${script.location}\n`, { flag: 'a' })
  const { S3Revision } = specification.Revision
  const env = {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: process.env.HOME ?? '/root',
    LANG: process.env.LANG ?? 'C.UTF-8',
    LIFECYCLE_EVENT: event,
    DEPLOYMENT_ID: specification.DeploymentId,
    APPLICATION_NAME: specification.ApplicationName,
    DEPLOYMENT_GROUP_NAME: specification.DeploymentGroupName,
    DEPLOYMENT_GROUP_ID: specification.DeploymentGroupId,
    BUNDLE_BUCKET: S3Revision.Bucket,
    BUNDLE_KEY: S3Revision.Key,
    BUNDLE_VERSION: S3Revision.Version ?? '',
    BUNDLE_ETAG: S3Revision.ETag ?? '',
  }
  const [program = path, ...args] = script.runas
    ? [
        'su',
        script.runas,
        '-c',
        executable ? `'${path.replaceAll("'", `'\\''`)}'` : `sh '${path.replaceAll("'", `'\\''`)}'`,
      ]
    : executable
      ? [path]
      : ['sh', path]
  const exit = await run(program, args, archive, env, script.timeout, log)
  if (exit === 'timeout')
    throw new CommandFailure(
      'ScriptTimedOut',
      `Script at specified location: ${script.location} failed to complete in ${script.timeout} seconds`,
      script.location,
      await tail(log),
    )
  if (exit !== 0) {
    const as = script.runas ? ` run as user ${script.runas}` : ''
    throw new CommandFailure(
      'ScriptFailed',
      `Script at specified location: ${script.location}${as} failed with exit code ${exit}`,
      script.location,
      await tail(log),
    )
  }
}

/** A service that a script starts keeps the pipe open: the script is over when it has exited, not when its output ends. */
const run = (
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  seconds: number,
  log: string,
): Promise<number | 'timeout'> =>
  new Promise((resolve) => {
    const output = createWriteStream(log, { flags: 'a' })
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const write = (prefix: string) => {
      let rest = ''
      return (chunk: Buffer) => {
        const lines = (rest + chunk.toString('utf8')).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) output.write(`${stamp()} [${prefix}]${line}\n`)
      }
    }
    child.stdout.on('data', write('stdout'))
    child.stderr.on('data', write('stderr'))
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      if (child.pid) {
        try {
          process.kill(-child.pid, 'SIGKILL')
        } catch {
          child.kill('SIGKILL')
        }
      }
    }, seconds * 1000)
    const finish = (result: number | 'timeout') => {
      clearTimeout(timer)
      setImmediate(() => {
        child.stdout.destroy()
        child.stderr.destroy()
        output.end(() => resolve(result))
      })
    }
    child.on('error', (error) => {
      output.write(`${stamp()} [stderr]${error.message}\n`)
      finish(127)
    })
    child.on('exit', (code, signal) => finish(timedOut ? 'timeout' : (code ?? 128 + (signal ? 9 : 0))))
  })

const tail = async (log: string): Promise<string> => (await readFile(log, 'utf8').catch(() => '')).slice(-logTail)
