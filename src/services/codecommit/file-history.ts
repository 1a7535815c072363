import type { FileVersion } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { readCommitObject } from './commit-object.ts'
import { checkPath } from './files.ts'
import { git } from './git.ts'
import { lookUp, readCommits } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { getPage } from './page.ts'
import { databaseOf, getRepository, type Repository } from './repositories.ts'
import { getCommitId } from './specifiers.ts'

/** How many names of one file are followed back. */
const mostNames = 20

type Version = { readonly commitId: string; readonly path: string; readonly children: readonly string[] }

/** The commits that changed a file, newest first, with those that changed it next; a file that was renamed has its former names too. */
const versionsOf = async (folder: string, commitId: string, filePath: string): Promise<Version[]> => {
  const at = `--git-dir=${folder}`
  const versions: Version[] = []
  let from = { start: commitId, path: filePath, child: undefined as string | undefined }
  for (let name = 0; name < mostNames; name++) {
    const { start, path, child } = from
    const output = await git([at, 'rev-list', '--topo-order', '--parents', start, '--', path])
    const lines = output.toString('latin1').split('\n').filter(Boolean)
    const children = new Map<string, string[]>()
    for (const line of lines) {
      const [id = '', ...parents] = line.split(' ')
      for (const parent of parents) children.set(parent, [...(children.get(parent) ?? []), id])
    }
    const ids = lines.map((line) => line.slice(0, 40))
    for (const [index, id] of ids.entries()) {
      const first = index === 0 && child !== undefined ? [child] : []
      versions.push({ commitId: id, path, children: children.get(id) ?? first })
    }
    const oldest = ids.at(-1)
    const before = oldest && (await formerName(folder, oldest, path))
    if (!before) break
    from = { start: `${oldest}^`, path: before, child: oldest }
  }
  return versions
}

/** What a file was called before this commit, if it was renamed in it. */
const formerName = async (folder: string, commitId: string, path: string): Promise<string | undefined> => {
  const diff = ['diff-tree', '-r', '-z', '-M', '--no-commit-id', '--diff-filter=R', '--name-status']
  const output = await git([`--git-dir=${folder}`, ...diff, '--end-of-options', commitId])
  const fields = output.toString('utf8').split('\0')
  for (let index = 0; index + 2 < fields.length; index += 3) if (fields[index + 2] === path) return fields[index + 1]
  return undefined
}

/** Where a listing stands: the commit is in the token, so that pages agree although a branch may move between them. */
const startOf = async (ctx: Ctx, repository: Repository, specifier: string, token: string | undefined) => {
  if (token === undefined) return { commitId: await getCommitId(ctx, repository, specifier), nextToken: undefined }
  const [, commitId, nextToken] = /^([0-9a-f]{40})\.([\w-]+)$/.exec(token) ?? []
  const [known] = commitId ? await lookUp(databaseOf(ctx, repository.id), [commitId]) : []
  if (!commitId || known?.kind !== 'commit')
    throw fail('InvalidContinuationTokenException', 'The specified continuation token is not valid.')
  return { commitId, nextToken }
}

/** A path that never was has no history. A commit that deleted the file is there without a blob. Raises the exceptions of specifiers and pages. */
export const ListFileCommitHistory: Operation<'ListFileCommitHistory'> = async (ctx, input) => {
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  const path = checkPath(input.filePath)
  const folder = databaseOf(ctx, repository.id)
  const start = await startOf(ctx, repository, input.commitSpecifier ?? 'HEAD', input.nextToken)
  const all = await versionsOf(folder, start.commitId, path)
  const { maxResults } = input
  const { page, nextToken } = getPage(all, { nextToken: start.nextToken, maxResults }, { usual: 100, most: 1000 })
  const commits = await readCommits(
    folder,
    page.map(({ commitId }) => commitId),
  )
  const blobs = await lookUp(
    folder,
    page.map((version) => `${version.commitId}:${version.path}`),
  )
  return {
    revisionDag: page.map(({ commitId, path: name, children }, index): FileVersion => {
      const [commit, blob] = [commits[index], blobs[index]]
      return {
        commit: commit && readCommitObject(commitId, commit),
        blobId: blob?.kind === 'blob' ? blob.id : undefined,
        path: name,
        revisionChildren: [...children],
      }
    }),
    nextToken: nextToken && `${start.commitId}.${nextToken}`,
  }
}
