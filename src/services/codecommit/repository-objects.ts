import { Readable } from 'node:stream'
import type { Ctx } from '../../kernel/context.ts'
import type { Place } from '../../store/store.ts'
import type { RepositoryObjects } from '../capabilities.ts'
import { authoredAt, readCommitObject } from './commit-object.ts'
import { git, outputOf } from './git.ts'
import { isObjectId } from './names.ts'
import { readCommits } from './object-database.ts'
import { databaseOf, getRepository } from './repositories.ts'
import { findCommit } from './specifiers.ts'

/** What CodeBuild and CodePipeline need of a repository beside CodeCommit's API. */
export const makeRepositoryObjects = (at: (place: Place) => Ctx): RepositoryObjects => {
  const open = async (place: Place, name: string) => {
    const ctx = at(place)
    const repository = await ctx.read((tx) => getRepository(tx, name))
    return { ctx, repository, folder: databaseOf(ctx, repository.id) }
  }
  const checkCommit = (commitId: string) => {
    if (!isObjectId(commitId)) throw new Error(`${commitId} is not a full commit id.`)
  }
  return {
    resolve: async (place, name, revision) => {
      const { ctx, repository, folder } = await open(place, name)
      const commitId = await findCommit(ctx, repository, revision)
      const [bytes] = commitId === undefined ? [] : await readCommits(folder, [commitId])
      if (commitId === undefined || !bytes) return undefined
      const commit = readCommitObject(commitId, bytes)
      const authorDate =
        authoredAt(commit)
          ?.toISOString()
          .replace(/\.\d+Z$/, 'Z') ?? ''
      return { commitId, message: commit.message ?? '', authorDate }
    },
    archive: async (place, name, commitId) => {
      checkCommit(commitId)
      const { folder } = await open(place, name)
      return Readable.from(outputOf([`--git-dir=${folder}`, 'archive', '--format=zip', '--', commitId]), {
        objectMode: false,
      })
    },
    checkout: async (place, name, commitId, target, { depth, originUrl } = {}) => {
      checkCommit(commitId)
      const { folder } = await open(place, name)
      const inside = { folder: target }
      await git(['init', '--quiet', '--template=', '--', target])
      await git(['remote', 'add', 'origin', `file://${folder}`], inside)
      // Nothing is shared with the repository's own files: what a build does to its clone stays there.
      const shallow = depth === undefined ? [] : [`--depth=${depth}`]
      const wanted = depth === undefined ? ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'] : []
      await git(['fetch', '--quiet', '--no-tags', ...shallow, 'origin', commitId, ...wanted], inside)
      await git(['checkout', '--quiet', '--detach', commitId, '--'], inside)
      if (originUrl !== undefined) await git(['remote', 'set-url', '--', 'origin', originUrl], inside)
      else await git(['remote', 'remove', 'origin'], inside)
    },
  }
}
