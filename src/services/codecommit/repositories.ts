import { join } from 'node:path'
import type { RepositoryMetadata } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { encryptionOf } from './encryption-key.ts'
import { isRepositoryName } from './names.ts'
import { createDatabase, removeDatabase, setHead } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { checkTags } from './tags.ts'

/** A repository. Its objects are a bare git repository named by `id`, so a new name moves nothing. Times are ISO 8601. */
export type Repository = {
  readonly id: string
  readonly name: string
  readonly description?: string
  /** Name without `refs/heads/`; absent until the first branch is there. */
  readonly defaultBranch?: string
  readonly created: string
  readonly modified: string
  readonly tags: Readonly<Record<string, string>>
  /** ARN of the key that lets callers in. */
  readonly kmsKeyId?: string
  /** Under a customer's key: a data key that only KMS can open, in base 64. */
  readonly dataKey?: string
}

export const Repository = table<Repository>('codecommit.repository', {
  scope: 'region',
  key: (repository) => repository.name,
  index: { id: (repository) => repository.id },
})

/** The folder of a repository's objects. */
export const databaseOf = (ctx: Ctx, id: string): string => join(ctx.folder(), `${id}.git`)

export const arnOf = (ctx: Ctx, name: string): string => ctx.arn(name)

/** The host name and path that git is given; the port is the endpoint's own. */
export const cloneUrl = (ctx: Ctx, name: string): string => {
  const { port } = new URL(ctx.request.endpoint)
  return `http://git-codecommit.${ctx.region}.localhost${port ? `:${port}` : ''}/v1/repos/${name}`
}

/** Where git over SSH reaches a repository, if this server has a port for it, which serves its own Region only. */
const sshUrl = (ctx: Ctx, name: string): string | undefined => {
  const door = ctx.port('ssh')
  if (door === undefined || door.region !== ctx.region || ctx.request.inside) return undefined
  // Names below `.localhost` are not known to every resolver, and ssh asks the resolver.
  const host = new URL(ctx.request.endpoint).hostname.replace(/^.*\.localhost$/, 'localhost')
  return `ssh://${host}:${door.port}/v1/repos/${name}`
}

export const toMetadata = (ctx: Ctx, repository: Repository): RepositoryMetadata => ({
  accountId: ctx.account,
  repositoryId: repository.id,
  repositoryName: repository.name,
  repositoryDescription: repository.description,
  defaultBranch: repository.defaultBranch,
  creationDate: new Date(repository.created),
  lastModifiedDate: new Date(repository.modified),
  cloneUrlHttp: cloneUrl(ctx, repository.name),
  cloneUrlSsh: sshUrl(ctx, repository.name),
  Arn: arnOf(ctx, repository.name),
  kmsKeyId: repository.kmsKeyId,
})

export const checkRepositoryName = (name: string): void => {
  if (!isRepositoryName(name))
    throw fail(
      'InvalidRepositoryNameException',
      'The repository name is not valid. Repository names can be any valid combination of letters, numbers, periods, underscores, and dashes between 1 and 100 characters in length. Names are case sensitive. Names cannot end in .git.',
    )
}

export const doesNotExist = (name: string) => fail('RepositoryDoesNotExistException', `${name} does not exist`)

export const findRepositoryById = async (tx: ReadTx, id: string): Promise<Repository | undefined> =>
  (await tx.list(Repository, { index: 'id', equals: id, limit: 1 }))[0]

/** Raises RepositoryDoesNotExistException. */
export const getRepository = async (tx: ReadTx, name: string): Promise<Repository> => {
  checkRepositoryName(name)
  const repository = await tx.get(Repository, name)
  if (!repository) throw doesNotExist(name)
  return repository
}

/** Changes a repository's record and its time of modification. */
export const change = (ctx: Ctx, tx: WriteTx, repository: Repository, changes: Partial<Repository>): Repository =>
  tx.put(Repository, { ...repository, ...changes, modified: ctx.now().toISOString() })

/** Raises RepositoryNameExistsException, InvalidTagsMapException and the other tag errors, and those of keys. */
export const CreateRepository: Operation<'CreateRepository'> = async (ctx, input) => {
  const { repositoryName: name, repositoryDescription: description, tags = {} } = input
  checkRepositoryName(name)
  checkTags(tags)
  const id = ctx.newId()
  const taken = fail('RepositoryNameExistsException', `Repository named ${name} already exists`)
  if (await ctx.read((tx) => tx.get(Repository, name))) throw taken
  const encryption = await encryptionOf(ctx, id, input.kmsKeyId)
  await createDatabase(databaseOf(ctx, id))
  const now = ctx.now().toISOString()
  const repository = await ctx.write(async (tx) => {
    if (await tx.get(Repository, name)) return undefined
    const facts = {
      id,
      name,
      ...(description ? { description } : {}),
      created: now,
      modified: now,
      tags,
      ...encryption,
    }
    return tx.put(Repository, facts)
  })
  if (!repository) {
    await removeDatabase(databaseOf(ctx, id))
    throw taken
  }
  return { repositoryMetadata: toMetadata(ctx, repository) }
}

export const GetRepository: Operation<'GetRepository'> = (ctx, { repositoryName }) =>
  ctx.read(async (tx) => ({ repositoryMetadata: toMetadata(ctx, await getRepository(tx, repositoryName)) }))

export const BatchGetRepositories: Operation<'BatchGetRepositories'> = (ctx, { repositoryNames }) => {
  if (repositoryNames.length === 0)
    throw fail('RepositoryNamesRequiredException', 'At least one repository name is required.')
  if (repositoryNames.length > 100)
    throw fail('MaximumRepositoryNamesExceededException', 'The maximum number of repository names is 100.')
  for (const name of repositoryNames) checkRepositoryName(name)
  return ctx.read(async (tx) => {
    const repositories: RepositoryMetadata[] = []
    const repositoriesNotFound: string[] = []
    for (const name of new Set(repositoryNames)) {
      const repository = await tx.get(Repository, name)
      if (repository) repositories.push(toMetadata(ctx, repository))
      else repositoriesNotFound.push(name)
    }
    const errors = repositoriesNotFound.map((repositoryName) => ({
      repositoryName,
      errorCode: 'RepositoryDoesNotExistException' as const,
      errorMessage: `${repositoryName} does not exist`,
    }))
    return { repositories, repositoriesNotFound, errors }
  })
}

const pageSize = 1000

/** Sorted by name, ascending, unless told. Raises InvalidContinuationTokenException. */
export const ListRepositories: Operation<'ListRepositories'> = async (ctx, { sortBy, order, nextToken }) => {
  const all = await ctx.read((tx) => tx.list(Repository))
  if (sortBy === 'lastModifiedDate')
    all.sort((a, b) => (a.modified < b.modified ? -1 : a.modified > b.modified ? 1 : 0))
  if (order === 'descending') all.reverse()
  const list = pageOf(all, nextToken, pageSize)
  if (!list) throw fail('InvalidContinuationTokenException', 'The specified continuation token is not valid.')
  return {
    repositories: list.page.map(({ name, id }) => ({ repositoryName: name, repositoryId: id })),
    nextToken: list.nextToken,
  }
}

/** Raises RepositoryDoesNotExistException and RepositoryNameExistsException. */
export const UpdateRepositoryName: Operation<'UpdateRepositoryName'> = (ctx, { oldName, newName }) =>
  ctx.write(async (tx) => {
    checkRepositoryName(newName)
    const repository = await getRepository(tx, oldName)
    if (await tx.get(Repository, newName))
      throw fail('RepositoryNameExistsException', `Repository named ${newName} already exists`)
    tx.delete(Repository, oldName)
    change(ctx, tx, repository, { name: newName })
    return {}
  })

/** No description removes the one there was. */
export const UpdateRepositoryDescription: Operation<'UpdateRepositoryDescription'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { description: _, ...rest } = await getRepository(tx, input.repositoryName)
    change(ctx, tx, rest, input.repositoryDescription ? { description: input.repositoryDescription } : {})
    return {}
  })

/** The reconciler that takes away what is left of a deleted repository. */
export const removalName = 'codecommit.removal'

/** A repository that is not there is no error: the answer then has no id. */
export const DeleteRepository: Operation<'DeleteRepository'> = (ctx, { repositoryName }) =>
  ctx.write(async (tx) => {
    checkRepositoryName(repositoryName)
    const repository = await tx.get(Repository, repositoryName)
    if (!repository) return {}
    tx.delete(Repository, repositoryName)
    tx.wake(removalName, repository.id)
    return { repositoryId: repository.id }
  })

/** What a clone checks out from now on. The branch must be there. */
export const setDefaultBranch = async (ctx: Ctx, repository: Repository, branch: string): Promise<void> => {
  await setHead(databaseOf(ctx, repository.id), branch)
  await ctx.write(async (tx) => {
    const present = await findRepositoryById(tx, repository.id)
    if (present) change(ctx, tx, present, { defaultBranch: branch })
  })
}
