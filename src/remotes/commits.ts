import { mkdir, rm } from 'node:fs/promises'
import { isCommitId, must, remoteGit } from './git.ts'
import { type ProviderAccess, providerOf } from './provider.ts'
import { RemoteError } from './reach.ts'

// Commits of repositories elsewhere, without a work tree: what they are, what is in them, what changed between them.

export type CommitFacts = {
  readonly id: string
  readonly author: { readonly name: string; readonly email: string }
  /** ISO 8601, in UTC, to the second; empty where the commit has none. */
  readonly date: string
  readonly message: string
}

export type RemoteRepository = { readonly access: ProviderAccess; readonly repository: string }

const gitFor = async ({ access, repository }: RemoteRepository, folder: string) => {
  const provider = providerOf(access)
  const url = provider.cloneUrl(repository)
  const git = await remoteGit(folder, url, { credential: provider.credential, reach: access.reach, most: atLength })
  return { git, url: url.href }
}

/** Most characters of what git says at length: references, paths, a commit's message. */
const atLength = 64 * 1024 ** 2
/** Most characters of a message that are kept. */
const longestMessage = 16 * 1024

/**
 * References of a repository that fit these patterns, and the commit each stands for, whatever a tag says of itself.
 * @param folder any folder of this host: nothing is written there.
 * @throws RemoteError in git's words.
 */
export const remoteReferences = async (
  remote: RemoteRepository,
  folder: string,
  patterns: readonly string[],
): Promise<Map<string, string>> => {
  const { git, url } = await gitFor(remote, folder)
  const found = new Map<string, string>()
  for (const line of (await must(git, 'ls-remote', '-q', url, ...patterns)).split('\n')) {
    const [commit = '', name = ''] = line.split('\t')
    // A tag's own object comes first, what it stands for after it.
    if (isCommitId(commit)) found.set(name.replace(/\^\{\}$/, ''), commit)
  }
  return found
}

/** A bare repository in a folder of this host for as long as `body` takes. */
const withFolder = async <T>(folder: string, body: () => Promise<T>): Promise<T> => {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    return await body()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const everything = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']

/** A commit may say of itself what is no date at all. */
const inUtc = (date: string): string => {
  const time = new Date(date)
  return Number.isNaN(time.getTime()) ? '' : time.toISOString().replace(/\.\d+Z$/, 'Z')
}

/**
 * Takes one commit of a repository: a branch's head, or a commit by its id.
 * @param folder of this host, for as long as it takes; `use` finds what it asked for in there.
 * @param archive where a zip archive of the commit goes.
 * @throws RemoteError in git's words.
 */
export const takeCommit = <T>(
  remote: RemoteRepository,
  wanted: { readonly branch: string } | { readonly commit: string },
  folder: string,
  archive: string | undefined,
  use: (commit: CommitFacts) => Promise<T>,
): Promise<T> =>
  withFolder(folder, async () => {
    const { git, url } = await gitFor(remote, folder)
    await must(git, 'init', '-q', '--bare', '.')
    if ('branch' in wanted) await must(git, 'fetch', '-q', '--depth=1', url, `refs/heads/${wanted.branch}:refs/taken`)
    else {
      if (!isCommitId(wanted.commit)) throw new RemoteError(`${wanted.commit} is not the id of a commit`)
      // Not every server gives out a commit that no branch or tag ends in.
      const { code } = await git('fetch', '-q', '--depth=1', url, `${wanted.commit}:refs/taken`)
      if (code !== 0) {
        await must(git, 'fetch', '-q', url, ...everything)
        await must(git, 'update-ref', 'refs/taken', wanted.commit)
      }
    }
    const shown = await must(
      git,
      'log',
      '-1',
      '--date=iso-strict',
      '--format=%H%x00%an%x00%ae%x00%aI%x00%B',
      'refs/taken',
    )
    const [id = '', name = '', email = '', date = '', message = ''] = shown.split('\0')
    if (archive !== undefined) await must(git, 'archive', '--format=zip', '-o', archive, 'refs/taken')
    return use({
      id,
      author: { name, email },
      date: inUtc(date),
      message: message.trim().slice(0, longestMessage),
    })
  })

/**
 * Paths that changed from one commit to another, or (`since: 'fork'`) on the second's side since they parted, if they ever were
 * together. `undefined` where one of them is not to be had any more: it was pushed away.
 * @throws RemoteError in git's words.
 */
export const changedPaths = (
  remote: RemoteRepository,
  { from, to, since }: { readonly from: string; readonly to: string; readonly since: 'commit' | 'fork' },
  folder: string,
): Promise<string[] | undefined> =>
  withFolder(folder, async () => {
    const { git, url } = await gitFor(remote, folder)
    await must(git, 'init', '-q', '--bare', '.')
    const { code } = await git('fetch', '-q', '--no-tags', '--filter=blob:none', url, from, to)
    if (code !== 0) await must(git, 'fetch', '-q', '--filter=blob:none', url, ...everything)
    for (const commit of [from, to])
      if ((await git('cat-file', '-e', `${commit}^{commit}`)).code !== 0) return undefined
    const base = since === 'fork' ? (await git('merge-base', from, to)).output || from : from
    const listed = await must(git, 'diff', '--name-only', '--no-renames', '-z', base, to)
    return listed.split('\0').filter(Boolean)
  })
