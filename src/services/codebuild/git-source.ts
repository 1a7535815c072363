import { spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { mkdir, rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { isOwnAddress } from '../../kernel/own-addresses.ts'
import { PhaseFailure } from './environment.ts'
import { gitUrl } from './location.ts'
import type { Source } from './project.ts'
import { credentialOf } from './source-credentials.ts'

// Sources in git repositories elsewhere, fetched by this host's git over HTTP with nothing of the user's configuration.
// A repository's address is somebody's input: what leads back to this host or to a cloud's metadata is refused.

/** `host:port:address`, by which git goes where was looked; `undefined` for this server's own repositories. */
export const pinned = async (ctx: Ctx, url: URL): Promise<string | undefined> => {
  if (url.origin === new URL(ctx.compute.endpointFor('host')).origin && url.pathname.startsWith('/v1/repos/'))
    return undefined
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const found = isIP(host) ? [{ address: host }] : await lookup(host, { all: true }).catch(() => [])
  const [first] = found
  if (!first) throw new PhaseFailure('CLIENT_ERROR', `the host ${host} is not known`)
  for (const { address } of found)
    if (isOwnAddress(address))
      throw new PhaseFailure('CLIENT_ERROR', `${host} is an address of this host: sources are not fetched from there`)
  return `${host}:${url.port || (url.protocol === 'https:' ? 443 : 80)}:${first.address}`
}

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
const gitIn = (folder: string, more: Readonly<Record<string, string>>): Git => {
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
      child.stdout.on('data', (chunk: Buffer) => (output = (output + chunk).slice(-outputLimit)))
      child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk).slice(-4096)))
      child.on('error', reject)
      child.on('close', (code) => resolve({ code: code ?? -1, output: output.trim(), complaint: complaint.trim() }))
    })
}

/** What a repository elsewhere is fetched with. */
export type Credential = { readonly user: string; readonly token: string }

/** Git in a folder of this host, for one repository elsewhere: it goes where was looked, with this credential. */
const gitFor = async (
  ctx: Ctx,
  url: URL,
  folder: string,
  credential: Credential | undefined,
  insecureSsl: boolean | undefined,
): Promise<Git> => {
  const pin = await pinned(ctx, url)
  const basic = credential && Buffer.from(`${credential.user}:${credential.token}`).toString('base64')
  await mkdir(folder, { recursive: true })
  return gitIn(folder, {
    ...(pin ? { 'http.curloptResolve': pin } : {}),
    ...(basic ? { 'http.extraHeader': `Authorization: Basic ${basic}` } : {}),
    ...(insecureSsl ? { 'http.sslVerify': 'false' } : {}),
  })
}

/** Runs git to a good end. Throws PhaseFailure in git's words. */
const must = async (git: Git, ...args: string[]): Promise<string> => {
  const { code, output, complaint } = await git(...args)
  if (code !== 0) throw new PhaseFailure('CLIENT_ERROR', complaint.split('\n').at(-1) || `git ended with ${code}`)
  return output
}

const commitId = /^[0-9a-f]{40}$/

/** What a version may be called in the repository, the likeliest first. */
const candidates = (version: string): string[] =>
  commitId.test(version)
    ? [version]
    : version.startsWith('refs/heads/')
      ? [`refs/remotes/origin/${version.slice('refs/heads/'.length)}`]
      : [version, `refs/remotes/origin/${version}`, `refs/tags/${version}`].filter((one) => !one.startsWith('-'))

/** A URL without what may be secret in it. */
const bare = (url: URL): URL => {
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  return plain
}

/** Those who keep a copy of a repository change it one after the other. */
const turns = new WeakMap<object, Map<string, Promise<unknown>>>()

const inTurn = <T>(ctx: Ctx, folder: string, body: () => Promise<T>): Promise<T> => {
  const all = turns.get(ctx.compute) ?? new Map<string, Promise<unknown>>()
  turns.set(ctx.compute, all)
  const turn = (all.get(folder) ?? Promise.resolve()).then(body, body)
  all.set(folder, turn)
  return turn
}

/** Fetches by way of a copy kept on this host (LOCAL_SOURCE_CACHE): only what changed comes from elsewhere. */
const fetchByCopy = async (
  ctx: Ctx,
  url: URL,
  copy: string,
  credential: Credential | undefined,
  insecureSsl: boolean | undefined,
  into: (from: string) => Promise<void>,
  pull: string | undefined,
): Promise<void> =>
  inTurn(ctx, copy, async () => {
    const refresh = async () => {
      const git = await gitFor(ctx, url, copy, credential, insecureSsl)
      await must(git, 'init', '-q', '--bare', '.')
      const refs = pull
        ? [`+refs/pull/${pull}/head:refs/pull/${pull}/head`]
        : ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
      await must(git, 'fetch', '-q', ...(pull ? [] : ['--prune']), url.href, ...refs)
    }
    await refresh().catch(async () => {
      // What a server that was killed left half done is not mended: the copy is made anew.
      await rm(copy, { recursive: true, force: true })
      await refresh()
    })
    await into(`file://${copy}`)
  })

/**
 * Makes a work tree of a source in a repository elsewhere. Returns the commit.
 * @param version commit, branch, tag, `pr/NUMBER`, or the default branch's head.
 * @param copy where the repository is kept between builds, if it is.
 * @throws PhaseFailure in git's words.
 */
export const fetchGit = async (
  ctx: Ctx,
  role: Caller,
  source: Source,
  version: string | undefined,
  host: string,
  copy?: string,
): Promise<string> => {
  const location = gitUrl(source.location)
  if (!location) throw new PhaseFailure('CLIENT_ERROR', 'the location is no HTTP URL of a repository')
  const url = bare(location)
  const credential = await credentialOf(ctx, role, source)
  const git = await gitFor(ctx, url, host, credential, source.insecureSsl)
  await must(git, 'init', '-q', '.')
  await must(git, 'remote', 'add', 'origin', url.href)
  const depth = source.gitCloneDepth ? [`--depth=${source.gitCloneDepth}`] : []
  const pull = /^pr\/(\d{1,9})$/.exec(version ?? '')?.[1]
  const refs = pull
    ? [`+refs/pull/${pull}/head:refs/remotes/origin/pr/${pull}`]
    : ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']
  if (copy) {
    const local = gitIn(host, { 'protocol.file.allow': 'always' })
    const into = async (from: string) => void (await must(local, 'fetch', '-q', ...depth, from, ...refs))
    await fetchByCopy(ctx, url, copy, credential, source.insecureSsl, into, pull)
  } else await must(git, 'fetch', '-q', ...depth, 'origin', ...refs)
  // A shallow clone may not have a commit that is asked for.
  if (version && commitId.test(version) && depth.length > 0) await git('fetch', '-q', ...depth, 'origin', version)
  if (version === undefined) await must(git, 'remote', 'set-head', 'origin', '--auto')
  for (const name of candidates(version ?? 'refs/remotes/origin/HEAD')) {
    const { code, output } = await git('rev-parse', '-q', '--verify', '--end-of-options', `${name}^{commit}`)
    if (code !== 0) continue
    await must(git, 'checkout', '-q', '--detach', output)
    return output
  }
  throw new PhaseFailure('CLIENT_ERROR', 'reference not found')
}

/**
 * Makes a work tree of one commit of a repository elsewhere.
 * @throws PhaseFailure in git's words.
 */
export const fetchCommit = async (
  ctx: Ctx,
  url: URL,
  commit: string,
  host: string,
  credential: Credential | undefined,
  insecureSsl: boolean | undefined,
): Promise<void> => {
  const plain = bare(url)
  const git = await gitFor(ctx, plain, host, credential, insecureSsl)
  await must(git, 'init', '-q', '.')
  await must(git, 'remote', 'add', 'origin', plain.href)
  await must(git, 'fetch', '-q', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*')
  // Not every server gives out a commit that no branch or tag leads to any more.
  if ((await git('cat-file', '-e', `${commit}^{commit}`)).code !== 0) await must(git, 'fetch', '-q', 'origin', commit)
  await must(git, 'checkout', '-q', '--detach', commit)
}

/** Git in a work tree of this host, to read it: it fetches nothing. */
export const localGit = (host: string): Git => gitIn(host, {})
