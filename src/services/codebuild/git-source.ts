import { rm } from 'node:fs/promises'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { gitIn, isCommitId, must, type RemoteOptions, remoteGit } from '../../remotes/git.ts'
import { providerOf } from '../../remotes/provider.ts'
import { RemoteError } from '../../remotes/reach.ts'
import type { Sourced } from './build.ts'
import { PhaseFailure } from './environment.ts'
import { gitUrl } from './location.ts'
import type { Source } from './project.ts'
import { accessOf, reachOf } from './source-access.ts'

// Sources in git repositories elsewhere.

/** What git fails with fails the phase, in git's words. */
const inGitsWords = (error: unknown): never => {
  throw error instanceof RemoteError ? new PhaseFailure('CLIENT_ERROR', error.message) : error
}

/** How a source's repository is reached. */
export const optionsOf = async (
  ctx: Ctx,
  role: Caller,
  source: Source,
  url: URL,
  build: Sourced,
): Promise<RemoteOptions> => {
  const access = await accessOf(ctx, role, source, build)
  return {
    credential: access && providerOf(access).credential,
    insecureSsl: source.insecureSsl,
    reach: access?.reach ?? (await reachOf(ctx, url)),
  }
}

/** What a version may be called in the repository, the likeliest first. */
const candidates = (version: string): string[] =>
  isCommitId(version)
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
  options: RemoteOptions,
  into: (from: string) => Promise<void>,
  pull: string | undefined,
): Promise<void> =>
  inTurn(ctx, copy, async () => {
    const refresh = async () => {
      const git = await remoteGit(copy, url, options)
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
export const fetchGit = (...asked: Parameters<typeof fetchVersion>): Promise<string> =>
  fetchVersion(...asked).catch(inGitsWords)

const fetchVersion = async (
  ctx: Ctx,
  role: Caller,
  build: Sourced,
  source: Source,
  version: string | undefined,
  host: string,
  copy?: string,
): Promise<string> => {
  const location = gitUrl(source.location)
  if (!location) throw new PhaseFailure('CLIENT_ERROR', 'the location is no HTTP URL of a repository')
  const url = bare(location)
  const options = await optionsOf(ctx, role, source, url, build)
  const git = await remoteGit(host, url, options)
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
    await fetchByCopy(ctx, url, copy, options, into, pull)
  } else await must(git, 'fetch', '-q', ...depth, 'origin', ...refs)
  // A shallow clone may not have a commit that is asked for, nor has any one that only a pull request leads to.
  if (version && isCommitId(version) && (await git('cat-file', '-e', `${version}^{commit}`)).code !== 0)
    await git('fetch', '-q', ...depth, 'origin', version)
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
export const fetchCommit = async (url: URL, commit: string, host: string, options: RemoteOptions): Promise<void> => {
  const plain = bare(url)
  const fetched = async () => {
    const git = await remoteGit(host, plain, options)
    await must(git, 'init', '-q', '.')
    await must(git, 'remote', 'add', 'origin', plain.href)
    await must(git, 'fetch', '-q', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*')
    // Not every server gives out a commit that no branch or tag leads to any more.
    if ((await git('cat-file', '-e', `${commit}^{commit}`)).code !== 0) await must(git, 'fetch', '-q', 'origin', commit)
    await must(git, 'checkout', '-q', '--detach', commit)
  }
  await fetched().catch(inGitsWords)
}
