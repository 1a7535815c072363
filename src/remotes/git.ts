import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { addressOf, type Reach, RemoteError } from './reach.ts'

// This host's git, with nothing of the user's configuration, for repositories elsewhere over HTTP.

/** What a repository elsewhere is fetched with. */
export type Credential = { readonly user: string; readonly token: string }

export type Git = (...args: string[]) => Promise<{ code: number; output: string; complaint: string }>

const settings = {
  'core.hooksPath': '/dev/null',
  'protocol.allow': 'never',
  'protocol.http.allow': 'always',
  'protocol.https.allow': 'always',
  'fetch.fsckObjects': 'true',
  'http.followRedirects': 'false',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '60',
  'advice.detachedHead': 'false',
  'safe.directory': '*',
}

/** Most bytes of what git says that are kept: its end. */
const outputLimit = 256 * 1024

/** Git in a folder. What is secret goes by the environment, where no list of processes shows it. */
export const gitIn = (folder: string, more: Readonly<Record<string, string>> = {}, most = outputLimit): Git => {
  const all = Object.entries({ ...settings, ...more })
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_CONFIG_COUNT: String(all.length),
    ...Object.fromEntries(
      all.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  }
  return (...args) =>
    new Promise((resolve, reject) => {
      const child = spawn('git', args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      let complaint = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output = (output + chunk).slice(-most)))
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (complaint = (complaint + chunk).slice(-4096)))
      child.on('error', reject)
      child.on('close', (code) => resolve({ code: code ?? -1, output: output.trim(), complaint: complaint.trim() }))
    })
}

export type RemoteOptions = {
  readonly credential?: Credential | undefined
  readonly insecureSsl?: boolean | undefined
  readonly reach: Reach
  /** Most characters of what git says that are kept. */
  readonly most?: number
}

/**
 * Git in a folder of this host, for one repository elsewhere: it goes where was looked, with this credential. Throws
 * RemoteError for an address that may not be reached.
 */
export const remoteGit = async (folder: string, url: URL, options: RemoteOptions): Promise<Git> => {
  const { credential, insecureSsl, reach, most } = options
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const pin = `${host}:${url.port || (url.protocol === 'https:' ? 443 : 80)}:${await addressOf(url, reach)}`
  const basic = credential && Buffer.from(`${credential.user}:${credential.token}`).toString('base64')
  await mkdir(folder, { recursive: true })
  return gitIn(
    folder,
    {
      'http.curloptResolve': pin,
      ...(basic ? { 'http.extraHeader': `Authorization: Basic ${basic}` } : {}),
      ...(insecureSsl ? { 'http.sslVerify': 'false' } : {}),
    },
    most,
  )
}

/** Runs git to a good end; returns what it said. Throws RemoteError in git's words. */
export const must = async (git: Git, ...args: string[]): Promise<string> => {
  const { code, output, complaint } = await git(...args)
  if (code !== 0) throw new RemoteError(complaint.split('\n').at(-1) || `git ended with ${code}`)
  return output
}

export const isCommitId = (text: string): boolean => /^[0-9a-f]{40}$/.test(text)
