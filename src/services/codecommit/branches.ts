import type { Ctx } from '../../kernel/context.ts'
import { zeroId } from './git.ts'
import { isBranchName, isObjectId } from './names.ts'
import { listReferences, lookUp, readReference } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { move } from './references.ts'
import { databaseOf, getRepository, type Repository, setDefaultBranch } from './repositories.ts'

const heads = 'refs/heads/'

export const checkBranchName = (name: string): void => {
  if (!isBranchName(name)) throw fail('InvalidBranchNameException', `The branch name ${name} is not valid.`)
}

const branchDoesNotExist = (name: string) => fail('BranchDoesNotExistException', `Branch ${name} does not exist`)

/** The tip of a branch. */
export const findBranch = (ctx: Ctx, repository: Repository, name: string): Promise<string | undefined> =>
  readReference(databaseOf(ctx, repository.id), `${heads}${name}`)

/** Raises InvalidBranchNameException and BranchDoesNotExistException. */
export const getBranch = async (ctx: Ctx, repository: Repository, name: string): Promise<string> => {
  checkBranchName(name)
  const commitId = await findBranch(ctx, repository, name)
  if (!commitId) throw branchDoesNotExist(name)
  return commitId
}

export const isEmpty = async (ctx: Ctx, repository: Repository): Promise<boolean> =>
  (await listReferences(databaseOf(ctx, repository.id), heads)).size === 0

/** Raises CommitDoesNotExistException and BranchNameExistsException. */
export const CreateBranch: Operation<'CreateBranch'> = async (ctx, { repositoryName, branchName, commitId }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  checkBranchName(branchName)
  if (!isObjectId(commitId)) throw fail('InvalidCommitIdException', `The commit ID ${commitId} is not valid.`)
  const id = commitId.toLowerCase()
  const [commit] = await lookUp(databaseOf(ctx, repository.id), [id])
  if (commit?.kind !== 'commit') throw fail('CommitDoesNotExistException', `The commit ${commitId} does not exist.`)
  const created =
    !(await findBranch(ctx, repository, branchName)) &&
    (await move(ctx, repository, { reference: `${heads}${branchName}`, from: zeroId, to: id }))
  if (!created) throw fail('BranchNameExistsException', `Branch ${branchName} already exists`)
  return {}
}

export const GetBranch: Operation<'GetBranch'> = async (ctx, { repositoryName, branchName }) => {
  if (repositoryName === undefined) throw fail('RepositoryNameRequiredException', 'A repository name is required.')
  if (branchName === undefined) throw fail('BranchNameRequiredException', 'A branch name is required.')
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  return { branch: { branchName, commitId: await getBranch(ctx, repository, branchName) } }
}

const pageSize = 100

/** Raises InvalidContinuationTokenException. */
export const ListBranches: Operation<'ListBranches'> = async (ctx, { repositoryName, nextToken }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  const names = [...(await listReferences(databaseOf(ctx, repository.id), heads)).keys()]
  const list = pageOf(names, nextToken, pageSize)
  if (!list) throw fail('InvalidContinuationTokenException', 'The specified continuation token is not valid.')
  return { branches: list.page.map((name) => name.slice(heads.length)), nextToken: list.nextToken }
}

/** A branch that is not there is no error. Raises DefaultBranchCannotBeDeletedException. */
export const DeleteBranch: Operation<'DeleteBranch'> = async (ctx, { repositoryName, branchName }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  checkBranchName(branchName)
  if (repository.defaultBranch === branchName)
    throw fail('DefaultBranchCannotBeDeletedException', `${branchName} is the default branch and cannot be deleted.`)
  // A push that moves the branch in between makes the deletion fail; then the new tip is what is deleted.
  for (let attempt = 1; ; attempt++) {
    const commitId = await findBranch(ctx, repository, branchName)
    if (!commitId) return {}
    if (await move(ctx, repository, { reference: `${heads}${branchName}`, from: commitId, to: zeroId }))
      return { deletedBranch: { branchName, commitId } }
    if (attempt === 5) throw new Error(`git does not delete ${branchName}, which is at ${commitId}.`)
  }
}

/** Raises BranchDoesNotExistException. */
export const UpdateDefaultBranch: Operation<'UpdateDefaultBranch'> = async (ctx, input) => {
  const repository = await ctx.read((tx) => getRepository(tx, input.repositoryName))
  await getBranch(ctx, repository, input.defaultBranchName)
  await setDefaultBranch(ctx, repository, input.defaultBranchName)
  return {}
}
