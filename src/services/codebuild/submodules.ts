import { posix } from 'node:path'
import type { Caller, Ctx } from '../../kernel/context.ts'
import { gitIn } from '../../remotes/git.ts'
import type { Sourced } from './build.ts'
import { PhaseFailure } from './environment.ts'
import { fetchCommit, optionsOf } from './git-source.ts'
import { gitUrl, parseCodeCommitLocation } from './location.ts'
import type { Source } from './project.ts'
import { reachOf } from './source-access.ts'

// Repositories within a repository (`gitSubmodulesConfig.fetchSubmodules`). Their addresses are the source's input: each is
// looked at as a source's own is, and the source's credential goes to the source's own host only.

/** Most repositories within a source, and how deep they lie. */
const most = 200
const deepest = 10

type Submodule = { readonly path: string; readonly url: URL; readonly commit: string }

const failure = (message: string) => new PhaseFailure('CLIENT_ERROR', message)

/** What the commit that is checked out says of submodules. */
const submodulesOf = async (host: string, parent: URL): Promise<Submodule[]> => {
  const git = gitIn(host)
  const listed = await git(
    'config',
    '-z',
    '--blob',
    'HEAD:.gitmodules',
    '--get-regexp',
    String.raw`^submodule\..*\.(path|url)$`,
  )
  const named = new Map<string, { path?: string; url?: string }>()
  for (const entry of listed.output.split('\0')) {
    const at = entry.indexOf('\n')
    const [, name, member] = /^submodule\.(.*)\.(path|url)$/s.exec(entry.slice(0, at)) ?? []
    if (name !== undefined && member !== undefined)
      named.set(name, { ...named.get(name), [member]: entry.slice(at + 1) })
  }
  const found: Submodule[] = []
  for (const { path, url } of named.values()) {
    if (path === undefined || url === undefined) continue
    // Only what the tree itself calls a submodule: such a path has no links in it and lies in the work tree.
    const { output } = await git('ls-tree', '-z', 'HEAD', '--', path)
    const [, commit, there] = /^160000 commit ([0-9a-f]{40})\t([^\0]*)/.exec(output) ?? []
    if (commit === undefined || there !== path || posix.normalize(path) !== path || path.startsWith('..')) continue
    const base = `${parent.href.replace(/\/+$/, '')}/`
    const whole = gitUrl(URL.canParse(url, base) ? new URL(url, base).href : undefined)
    if (!whole) throw failure(`the submodule ${path} has no HTTP URL: ${url}`)
    found.push({ path, url: whole, commit })
  }
  return found
}

/** A CodeCommit repository is cloned under the service role, whatever the address says of credentials. */
const isCodeCommit = (source: Source, url: URL): boolean =>
  parseCodeCommitLocation(bareHref(url)) !== undefined &&
  (source.type === 'CODECOMMIT' || /^git-codecommit(-fips)?\.[a-z0-9-]+\.amazonaws\.com$/.test(url.hostname))

const bareHref = (url: URL) => `${url.origin}${url.pathname}`

/**
 * Fetches the submodules of a work tree, and theirs.
 * @param host the work tree, on this host.
 * @param clone makes a work tree of a commit of a CodeCommit repository as the service role may.
 * @throws PhaseFailure that names the submodule.
 */
export const fetchSubmodules = async (
  ctx: Ctx,
  role: Caller,
  build: Sourced,
  source: Source,
  host: string,
  clone: (location: string, commit: string, host: string) => Promise<void>,
): Promise<void> => {
  const own = gitUrl(source.location)
  if (!own) return
  const options = source.type === 'CODECOMMIT' ? undefined : await optionsOf(ctx, role, source, own, build)
  let left = most
  const enter = async (folder: string, parent: URL, depth: number): Promise<void> => {
    for (const { path, url, commit } of await submodulesOf(folder, parent)) {
      if (--left < 0 || depth > deepest) throw failure(`more submodules than ${most}, or deeper than ${deepest}`)
      const inside = posix.join(folder, path)
      try {
        if (isCodeCommit(source, url)) await clone(bareHref(url), commit, inside)
        else {
          const known = url.origin === own.origin ? options : undefined
          const { insecureSsl } = source
          await fetchCommit(url, commit, inside, known ?? { insecureSsl, reach: await reachOf(ctx, url) })
        }
      } catch (error) {
        if (error instanceof PhaseFailure) throw failure(`submodule ${path}: ${error.message}`)
        throw error
      }
      await gitIn(folder)('submodule', 'init', '--', path)
      await enter(inside, url, depth + 1)
    }
  }
  await enter(host, own, 1)
}
