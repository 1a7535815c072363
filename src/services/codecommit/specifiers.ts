import type { Ctx } from '../../kernel/context.ts'
import { specifierCandidates } from './names.ts'
import { lookUp } from './object-database.ts'
import { fail } from './operation.ts'
import { databaseOf, type Repository } from './repositories.ts'

/** The commit a branch, tag, full reference, `HEAD` or commit id stands for. */
export const findCommit = async (ctx: Ctx, repository: Repository, specifier: string): Promise<string | undefined> => {
  const candidates = specifierCandidates(specifier, repository.defaultBranch) ?? []
  const found = await lookUp(
    databaseOf(ctx, repository.id),
    candidates.map((candidate) => `${candidate}^{commit}`),
  )
  return found.find((object) => object?.kind === 'commit')?.id
}

/** As `findCommit`. Raises InvalidCommitException and CommitDoesNotExistException. */
export const getCommitId = async (ctx: Ctx, repository: Repository, specifier: string): Promise<string> => {
  if (!specifierCandidates(specifier, repository.defaultBranch))
    throw fail('InvalidCommitException', `${specifier} is not a valid commit specifier.`)
  const commitId = await findCommit(ctx, repository, specifier)
  if (!commitId) throw fail('CommitDoesNotExistException', `The commit ${specifier} does not exist.`)
  return commitId
}
