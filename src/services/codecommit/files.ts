import type { File, FileModeTypeEnum, Folder, SubModule, SymbolicLink } from '@aws-sdk/client-codecommit'
import { isObjectId, repositoryPath } from './names.ts'
import { findEntry, listTree, lookUp, readObject } from './object-database.ts'
import { fail, type Operation } from './operation.ts'
import { databaseOf, getRepository } from './repositories.ts'
import { getCommitId } from './specifiers.ts'

/** The most that the API hands out or takes of one file: 6 MB (quotas in CodeCommit). Bytes. */
export const largestFile = 6 * 1024 * 1024

export const fileMode = (mode: string): FileModeTypeEnum =>
  mode === '120000' ? 'SYMLINK' : mode === '100755' ? 'EXECUTABLE' : 'NORMAL'

export const modeOf: Record<FileModeTypeEnum, string> = { NORMAL: '100644', EXECUTABLE: '100755', SYMLINK: '120000' }

/** A path as git has it. Raises InvalidPathException, and PathRequiredException for the root unless that is allowed. */
export const checkPath = (text: string, options: { root?: boolean } = {}): string => {
  const path = repositoryPath(text)
  if (path === undefined) throw fail('InvalidPathException', `The path ${text} is not valid.`)
  if (path === '' && !options.root) throw fail('PathRequiredException', 'A file path is required.')
  return path
}

/** Raises FileDoesNotExistException and FileTooLargeException (6 MB). */
export const GetFile: Operation<'GetFile'> = async (ctx, { repositoryName, commitSpecifier = 'HEAD', filePath }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  const path = checkPath(filePath)
  const folder = databaseOf(ctx, repository.id)
  const commitId = await getCommitId(ctx, repository, commitSpecifier)
  const entry = await findEntry(folder, commitId, path)
  if (entry?.size === undefined) throw fail('FileDoesNotExistException', `The file ${filePath} does not exist.`)
  if (entry.size > largestFile) throw fail('FileTooLargeException', `The file ${filePath} is larger than 6 MB.`)
  return {
    commitId,
    blobId: entry.id,
    filePath: path,
    fileMode: fileMode(entry.mode),
    fileSize: entry.size,
    fileContent: await readObject(folder, 'blob', entry.id),
  }
}

/** `/` is the root folder. Raises FolderDoesNotExistException. */
export const GetFolder: Operation<'GetFolder'> = async (
  ctx,
  { repositoryName, commitSpecifier = 'HEAD', folderPath },
) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  const path = checkPath(folderPath, { root: true })
  const folder = databaseOf(ctx, repository.id)
  const commitId = await getCommitId(ctx, repository, commitSpecifier)
  const [tree] = await lookUp(folder, [`${commitId}:${path}`])
  if (tree?.kind !== 'tree') throw fail('FolderDoesNotExistException', `The folder ${folderPath} does not exist.`)
  const files: File[] = []
  const subFolders: Folder[] = []
  const symbolicLinks: SymbolicLink[] = []
  const subModules: SubModule[] = []
  for (const { mode, id, path: relativePath } of await listTree(folder, tree.id)) {
    const place = { absolutePath: path === '' ? relativePath : `${path}/${relativePath}`, relativePath }
    if (mode === '040000') subFolders.push({ treeId: id, ...place })
    else if (mode === '160000') subModules.push({ commitId: id, ...place })
    else if (mode === '120000') symbolicLinks.push({ blobId: id, ...place, fileMode: 'SYMLINK' })
    else files.push({ blobId: id, ...place, fileMode: fileMode(mode) })
  }
  return {
    commitId,
    folderPath: path === '' ? '/' : path,
    treeId: tree.id,
    subFolders,
    files,
    symbolicLinks,
    subModules,
  }
}

/** Raises InvalidBlobIdException, BlobIdDoesNotExistException and FileTooLargeException (6 MB). */
export const GetBlob: Operation<'GetBlob'> = async (ctx, { repositoryName, blobId }) => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  if (!isObjectId(blobId)) throw fail('InvalidBlobIdException', `The blob ID ${blobId} is not valid.`)
  const folder = databaseOf(ctx, repository.id)
  const [blob] = await lookUp(folder, [blobId.toLowerCase()])
  if (blob?.kind !== 'blob') throw fail('BlobIdDoesNotExistException', `The blob ${blobId} does not exist.`)
  if (blob.size > largestFile) throw fail('FileTooLargeException', `The blob ${blobId} is larger than 6 MB.`)
  return { content: await readObject(folder, 'blob', blob.id) }
}
