// Commits made through the API: CreateCommit, PutFile, DeleteFile.

import type { FileMetadata } from '@aws-sdk/client-codecommit'
import type { Ctx } from '../../kernel/context.ts'
import { type Author, checkAuthor, signatureOf } from './author.ts'
import { checkBranchName, findBranch, isEmpty } from './branches.ts'
import { applyChanges, type Change, type Entry, type Outcome } from './changes.ts'
import { type NewCommit, writeCommitObject } from './commit-object.ts'
import { checkPath, fileMode, largestFile, modeOf } from './files.ts'
import { zeroId } from './git.ts'
import { isObjectId } from './names.ts'
import { emptyBlob, listFiles, lookUp, readReference, writeObject } from './object-database.ts'
import { editTree } from './object-merges.ts'
import { fail, type Input, type Operation } from './operation.ts'
import { move } from './references.ts'
import { databaseOf, getRepository, type Repository } from './repositories.ts'

/** Bytes. "The combined file content change size is 7 MB" (FileContentSizeLimitExceededException). */
const largestChange = 7 * 1024 * 1024
const mostFiles = 100

type Target = {
  readonly repository: Repository
  readonly folder: string
  readonly reference: string
  /** The branch's tip; `undefined` in an empty repository, whose first branch this will be. */
  readonly parent: string | undefined
}

/** Checks that the parent named is the tip of the branch. An empty repository needs none. */
const getTarget = async (
  ctx: Ctx,
  {
    repositoryName,
    branchName,
    parentCommitId,
  }: { repositoryName: string; branchName: string; parentCommitId?: string | undefined },
): Promise<Target> => {
  const repository = await ctx.read((tx) => getRepository(tx, repositoryName))
  checkBranchName(branchName)
  if (parentCommitId !== undefined && !isObjectId(parentCommitId))
    throw fail('InvalidParentCommitIdException', `The parent commit ID ${parentCommitId} is not valid.`)
  const folder = databaseOf(ctx, repository.id)
  const target = { repository, folder, reference: `refs/heads/${branchName}` }
  const tip = await findBranch(ctx, repository, branchName)
  const given = parentCommitId?.toLowerCase()
  if (tip === undefined) {
    if (await readReference(folder, `refs/tags/${branchName}`))
      throw fail('BranchNameIsTagNameException', `${branchName} is the name of a tag.`)
    if (!(await isEmpty(ctx, repository)))
      throw fail('BranchDoesNotExistException', `Branch ${branchName} does not exist`)
    if (given !== undefined)
      throw fail('ParentCommitDoesNotExistException', `The parent commit ${parentCommitId} does not exist.`)
    return { ...target, parent: undefined }
  }
  if (given === undefined)
    throw fail('ParentCommitIdRequiredException', 'A parent commit ID is required: the tip of the branch.')
  if (given !== tip) {
    const [commit] = await lookUp(folder, [given])
    throw commit?.kind === 'commit'
      ? fail('ParentCommitIdOutdatedException', `The parent commit ${parentCommitId} is not the tip of ${branchName}.`)
      : fail('ParentCommitDoesNotExistException', `The parent commit ${parentCommitId} does not exist.`)
  }
  return { ...target, parent: tip }
}

export const checkSizes = (contents: readonly Uint8Array[]): void => {
  const sizes = contents.map((content) => content.byteLength)
  if (sizes.some((size) => size > largestFile) || sizes.reduce((sum, size) => sum + size, 0) > largestChange)
    throw fail('FileContentSizeLimitExceededException', 'A file can have at most 6 MB, all of a commit together 7 MB.')
}

const readParent = async ({ folder, parent }: Target): Promise<Map<string, Entry>> =>
  new Map(
    parent === undefined ? [] : (await listFiles(folder, parent)).map(({ path, mode, id }) => [path, { mode, id }]),
  )

/** The tree of the changed files, all else taken from the parent. */
const writeTree = ({ folder, parent }: Target, { files, added, updated, deleted }: Outcome): Promise<string> =>
  editTree(folder, parent, new Map([...deleted, ...added, ...updated].map((path) => [path, files.get(path)])))

/** Makes the commit and moves the branch to it. A branch that moved meanwhile is ParentCommitIdOutdatedException. */
const commit = async (ctx: Ctx, target: Target, outcome: Outcome, author: Author & { message: string }) => {
  const treeId = await writeTree(target, outcome)
  const facts: NewCommit = {
    tree: treeId,
    parents: target.parent === undefined ? [] : [target.parent],
    ...signatureOf(ctx, author),
    message: author.message,
  }
  const commitId = await writeObject(target.folder, 'commit', writeCommitObject(facts))
  const { repository, reference, parent } = target
  if (!(await move(ctx, repository, { reference, from: parent ?? zeroId, to: commitId })))
    throw fail('ParentCommitIdOutdatedException', `The branch ${reference.slice('refs/heads/'.length)} has moved.`)
  return { commitId, treeId }
}

/** Raises SameFileContentException when nothing would change, and the exceptions of the checks above. */
export const PutFile: Operation<'PutFile'> = async (ctx, input) => {
  const author = { name: input.name, email: input.email, message: input.commitMessage }
  checkAuthor(author)
  checkSizes([input.fileContent])
  const target = await getTarget(ctx, input)
  const path = checkPath(input.filePath)
  const before = await readParent(target)
  const blobId = await writeObject(target.folder, 'blob', input.fileContent)
  const mode = input.fileMode && modeOf[input.fileMode]
  const change: Change = { kind: 'put', path, id: blobId, ...(mode ? { mode } : {}) }
  const outcome = applyChanges(before, [change], false)
  if (outcome.added.length + outcome.updated.length === 0)
    throw fail('SameFileContentException', `The file ${path} already has this content.`)
  const message = input.commitMessage ?? `${outcome.added.length > 0 ? 'Added' : 'Edited'} ${path}`
  return { ...(await commit(ctx, target, outcome, { ...author, message })), blobId }
}

/** Raises FileDoesNotExistException. */
export const DeleteFile: Operation<'DeleteFile'> = async (ctx, input) => {
  const author = { name: input.name, email: input.email, message: input.commitMessage }
  checkAuthor(author)
  const target = await getTarget(ctx, input)
  const path = checkPath(input.filePath)
  const before = await readParent(target)
  const outcome = applyChanges(before, [{ kind: 'delete', path }], input.keepEmptyFolders ?? false)
  await writeKept(target, outcome)
  const message = input.commitMessage ?? `Deleted ${path}`
  const made = await commit(ctx, target, outcome, { ...author, message })
  return { ...made, blobId: before.get(path)?.id ?? '', filePath: path }
}

/** A `.gitkeep` names the empty file, which must be there. */
const writeKept = async ({ folder }: Target, outcome: Outcome): Promise<void> => {
  if (outcome.added.some((path) => path.endsWith('/.gitkeep'))) await emptyBlob(folder)
}

type PutFileEntry = NonNullable<Input<'CreateCommit'>['putFiles']>[number]

/** One `putFiles` entry as changes: new content, or the content of another file, which a move takes away. */
const readPut = async (target: Target, before: ReadonlyMap<string, Entry>, entry: PutFileEntry): Promise<Change[]> => {
  const path = checkPath(entry.filePath)
  const mode = entry.fileMode && modeOf[entry.fileMode]
  if (entry.fileContent !== undefined && entry.sourceFile !== undefined)
    throw fail('FileContentAndSourceFileSpecifiedException', `Give content or a source file for ${path}, not both.`)
  if (entry.fileContent !== undefined) {
    const id = await writeObject(target.folder, 'blob', entry.fileContent)
    return [{ kind: 'put', path, id, ...(mode ? { mode } : {}) }]
  }
  if (entry.sourceFile === undefined)
    throw fail('SourceFileOrContentRequiredException', `Content or a source file is required for ${path}.`)
  const source = checkPath(entry.sourceFile.filePath)
  if (source.split('/').at(-1) === '.gitkeep')
    throw fail('RestrictedSourceFileException', 'A .gitkeep file cannot be copied or moved.')
  const present = before.get(source)
  if (!present) throw fail('FileDoesNotExistException', `The file ${source} does not exist.`)
  const put: Change = { kind: 'put', path, id: present.id, mode: mode ?? present.mode }
  return entry.sourceFile.isMove ? [put, { kind: 'delete', path: source }] : [put]
}

/** Raises FileEntryRequiredException, MaximumFileEntriesExceededException (100), NoChangeException, and those of the checks above. */
export const CreateCommit: Operation<'CreateCommit'> = async (ctx, input) => {
  const { putFiles = [], deleteFiles = [], setFileModes = [] } = input
  const author = { name: input.authorName, email: input.email, message: input.commitMessage }
  checkAuthor(author)
  const count = putFiles.length + deleteFiles.length + setFileModes.length
  if (count === 0) throw fail('FileEntryRequiredException', 'At least one change is required.')
  if (count > mostFiles)
    throw fail('MaximumFileEntriesExceededException', `A commit can change at most ${mostFiles} files.`)
  checkSizes(putFiles.flatMap(({ fileContent }) => (fileContent ? [fileContent] : [])))
  const target = await getTarget(ctx, input)
  const before = await readParent(target)
  const changes: Change[] = [
    ...deleteFiles.map(({ filePath }) => ({ kind: 'delete' as const, path: checkPath(filePath) })),
    ...setFileModes.map(({ filePath, fileMode: mode }) => ({
      kind: 'mode' as const,
      path: checkPath(filePath),
      mode: modeOf[mode],
    })),
  ]
  for (const entry of putFiles) changes.push(...(await readPut(target, before, entry)))
  checkAmong(changes)
  const outcome = applyChanges(before, changes, input.keepEmptyFolders ?? false)
  const { added, updated, deleted } = outcome
  if (added.length + updated.length + deleted.length === 0)
    throw fail('NoChangeException', 'The commit would change nothing.')
  await writeKept(target, outcome)
  const message = input.commitMessage ?? 'Commit created by CreateCommit'
  const { commitId, treeId } = await commit(ctx, target, outcome, { ...author, message })
  const metadata = (path: string): FileMetadata => {
    const entry = outcome.files.get(path) ?? before.get(path)
    return { absolutePath: path, blobId: entry?.id, fileMode: fileMode(entry?.mode ?? '') }
  }
  return {
    commitId,
    treeId,
    filesAdded: added.map(metadata),
    filesUpdated: updated.map(metadata),
    filesDeleted: deleted.map(metadata),
  }
}

/** Two files of one commit cannot be each other's folder. */
const checkAmong = (changes: readonly Change[]): void => {
  const puts = changes.flatMap((change) => (change.kind === 'put' ? [change.path] : []))
  const conflict = puts.find((path) => puts.some((other) => other.startsWith(`${path}/`)))
  if (conflict !== undefined)
    throw fail('PutFileEntryConflictException', `${conflict} is named as a file and as a folder.`)
}
