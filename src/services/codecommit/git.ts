// The system's git, run per request: arguments as arrays, an environment of our own, nothing of the user's configuration.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { AwsError } from '../../kernel/errors.ts'

export const zeroId = '0'.repeat(40)
export const emptyTreeId = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

const environment = {
  PATH: '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_LITERAL_PATHSPECS: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_OPTIONAL_LOCKS: '0',
}

const configuration = [
  'safe.directory=*',
  'core.hooksPath=/dev/null',
  'core.quotePath=false',
  'receive.autogc=false',
  'gc.auto=0',
  // Objects that would surprise a checkout (`..`, `.git`, bad modes) are refused; old but harmless flaws are not.
  'receive.fsckObjects=true',
  'receive.fsck.zeroPaddedFilemode=ignore',
  'receive.fsck.missingSpaceBeforeDate=ignore',
  'receive.fsck.badTimezone=ignore',
  'init.defaultBranch=main',
  'advice.detachedHead=false',
].flatMap((setting) => ['-c', setting])

/** What CodeCommit answers when this host has no git. */
const gitIsMissing = (cause: unknown): AwsError =>
  new AwsError(
    'ServiceUnavailable',
    'CodeCommit needs the program git (2.38 or later) on the host of Drydock, and it is not there. Install git and try again.',
    { status: 503, cause },
  )

export type GitOptions = { readonly env?: Readonly<Record<string, string>>; readonly folder?: string }

/** A git that runs: its streams, and how it ends. */
export type RunningGit = {
  readonly child: ChildProcessWithoutNullStreams
  /** The exit code, once all output is read; -1 for a signal. Rejects with CodeCommit's own error when there is no git. */
  readonly ended: Promise<number>
  /** The beginning of what it wrote to standard error. */
  readonly complaint: () => string
}

/** Starts git with its streams open. */
export const startGit = (args: readonly string[], options: GitOptions = {}): RunningGit => {
  const child = spawn('git', [...configuration, ...args], {
    cwd: options.folder ?? '/',
    env: { ...environment, ...options.env },
    stdio: 'pipe',
  })
  // A git that ends before it has read its input is told by its exit code, not by a broken pipe.
  child.stdin.on('error', () => {})
  const stderr: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => stderr.length < 16 && stderr.push(chunk))
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', (error) => reject('code' in error && error.code === 'ENOENT' ? gitIsMissing(error) : error))
    child.on('close', (code) => resolve(code ?? -1))
  })
  // A missing program fails before anyone waits; whoever waits later still learns it.
  ended.catch(() => {})
  return { child, ended, complaint: () => Buffer.concat(stderr).toString('utf8').trim() }
}

/** What git writes, as it comes. A git that fails makes the stream fail, so that a part never looks whole. */
export async function* outputOf(args: readonly string[], options: GitOptions = {}): AsyncGenerator<Uint8Array> {
  const { child, ended, complaint } = startGit(args, options)
  child.stdin.end()
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>
    const code = await ended
    if (code !== 0) throw new Error(`git ended with ${code}: ${complaint()}`)
  } catch (error) {
    child.kill('SIGTERM')
    // Why git did not even start says more than that its output broke off.
    await ended
    throw error
  } finally {
    child.kill('SIGTERM')
  }
}

export type GitResult = { readonly code: number; readonly stdout: Buffer; readonly stderr: string }

/** All that a running git writes, and how it ends: for what is small. */
export const finish = async ({ child, ended, complaint }: RunningGit): Promise<GitResult> => {
  const stdout: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  const code = await ended
  return { code, stdout: Buffer.concat(stdout), stderr: complaint() }
}

/** Runs git to its end. Exit codes are the caller's to judge. */
export const runGit = (
  args: readonly string[],
  options: GitOptions & { readonly input?: string | Uint8Array } = {},
): Promise<GitResult> => {
  const running = startGit(args, options)
  running.child.stdin.end(options.input)
  return finish(running)
}

/** As `runGit`, for what can only fail by a fault of ours or of the disk. */
export const git = async (...[args, options]: Parameters<typeof runGit>): Promise<Buffer> => {
  const { code, stdout, stderr } = await runGit(args, options)
  if (code !== 0)
    throw new Error(`git ${args[0]?.startsWith('--git-dir') ? args[1] : args[0]} ended with ${code}: ${stderr}`)
  return stdout
}

/** What this host lacks for CodeCommit, if anything. */
export const lacksGit = async (): Promise<string | undefined> => {
  const version = await runGit(['--version']).catch(() => undefined)
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(version?.stdout.toString('latin1') ?? '')?.map(Number) ?? []
  if (major > 2 || (major === 2 && minor >= 38)) return undefined
  return version
    ? `git is ${major}.${minor}; CodeCommit needs 2.38 or later`
    : 'git is not installed; CodeCommit needs it (Debian: apt-get install git)'
}
