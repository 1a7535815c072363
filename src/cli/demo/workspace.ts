import { execFile } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageFolder } from '../../package.ts'

const run = promisify(execFile)
const sample = join(packageFolder, 'examples/web-app')

/** The developer's clone of the sample application. */
export type Workspace = {
  /** Changes one file by replacing `from`, which must be there, or writing the whole of it. */
  change(file: string, change: { from: string; to: string } | { content: string }): void
  /** Takes the sample's own version of a file back. */
  restore(file: string): void
  /** Commits everything and pushes `main`. Returns the commit id. */
  push(message: string): Promise<string>
}

/** Makes a repository of the sample application in `folder`, to be pushed to `url` with these Git credentials. */
export const workspace = async (
  folder: string,
  url: string,
  login: { userName: string; password: string },
): Promise<Workspace> => {
  const remote = new URL(url)
  remote.username = encodeURIComponent(login.userName)
  remote.password = encodeURIComponent(login.password)
  const identity = {
    GIT_AUTHOR_NAME: 'Demo',
    GIT_AUTHOR_EMAIL: 'demo@example.com',
    GIT_COMMITTER_NAME: 'Demo',
    GIT_COMMITTER_EMAIL: 'demo@example.com',
  }
  const env = {
    ...process.env,
    ...identity,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
  }
  const git = async (...args: string[]) => (await run('git', args, { cwd: folder, env })).stdout.trim()

  cpSync(sample, folder, { recursive: true })
  await git('init', '--quiet', '--initial-branch', 'main')
  await git('remote', 'add', 'origin', remote.href)
  return {
    change: (file, change) => {
      const path = join(folder, file)
      if ('content' in change) return writeFileSync(path, change.content)
      const text = readFileSync(path, 'utf8')
      if (!text.includes(change.from)) throw new Error(`${file} does not contain ${change.from}`)
      writeFileSync(
        path,
        text.replace(change.from, () => change.to),
      )
    },
    restore: (file) => cpSync(join(sample, file), join(folder, file)),
    push: async (message) => {
      await git('add', '--all')
      await git('commit', '--quiet', '--allow-empty', '--message', message)
      await git('push', '--quiet', 'origin', 'main')
      return git('rev-parse', 'HEAD')
    },
  }
}
