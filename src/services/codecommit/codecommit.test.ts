import {
  BatchGetCommitsCommand,
  BatchGetRepositoriesCommand,
  CodeCommitClient,
  CreateBranchCommand,
  CreateCommitCommand,
  CreateRepositoryCommand,
  DeleteBranchCommand,
  DeleteFileCommand,
  DeleteRepositoryCommand,
  GetBlobCommand,
  GetBranchCommand,
  GetCommitCommand,
  GetDifferencesCommand,
  GetFileCommand,
  GetFolderCommand,
  GetRepositoryCommand,
  ListBranchesCommand,
  ListRepositoriesCommand,
  type ListRepositoriesCommandInput,
  ListTagsForResourceCommand,
  PutFileCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateDefaultBranchCommand,
  UpdateRepositoryDescriptionCommand,
  UpdateRepositoryNameCommand,
} from '@aws-sdk/client-codecommit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let codecommit: CodeCommitClient
beforeAll(async () => {
  drydock = await story()
  codecommit = drydock.client(CodeCommitClient)
})
afterAll(() => drydock.close())

const text = (content: string) => Buffer.from(content)
const refused = (name: string, message?: string | RegExp) =>
  expect.objectContaining({ name, ...(message ? { message: expect.stringMatching(message) } : {}) })
const create = (repositoryName: string) => codecommit.send(new CreateRepositoryCommand({ repositoryName }))
/** A repository with one commit on main that holds README. */
const begin = async (repositoryName: string): Promise<string> => {
  await create(repositoryName)
  const { commitId } = await codecommit.send(
    new PutFileCommand({ repositoryName, branchName: 'main', filePath: 'README', fileContent: text('hello\n') }),
  )
  return commitId ?? ''
}

describe('repositories', () => {
  it('are created, found, described, renamed and deleted', async () => {
    const { repositoryMetadata } = await codecommit.send(
      new CreateRepositoryCommand({ repositoryName: 'first', repositoryDescription: 'The first', tags: { team: 'a' } }),
    )
    const port = new URL(drydock.endpoint).port
    expect(repositoryMetadata).toMatchObject({
      accountId: drydock.account,
      repositoryName: 'first',
      repositoryDescription: 'The first',
      Arn: `arn:aws:codecommit:us-east-1:${drydock.account}:first`,
      cloneUrlHttp: `http://git-codecommit.us-east-1.localhost:${port}/v1/repos/first`,
    })
    expect(repositoryMetadata?.defaultBranch).toBeUndefined()
    await expect(create('first')).rejects.toEqual(
      refused('RepositoryNameExistsException', /^Repository named first already exists$/),
    )
    await codecommit.send(new UpdateRepositoryNameCommand({ oldName: 'first', newName: 'renamed' }))
    await codecommit.send(new UpdateRepositoryDescriptionCommand({ repositoryName: 'renamed' }))
    await expect(codecommit.send(new GetRepositoryCommand({ repositoryName: 'first' }))).rejects.toEqual(
      refused('RepositoryDoesNotExistException', /^first does not exist$/),
    )
    const found = await codecommit.send(new GetRepositoryCommand({ repositoryName: 'renamed' }))
    expect(found.repositoryMetadata?.repositoryId).toBe(repositoryMetadata?.repositoryId)
    expect(found.repositoryMetadata?.repositoryDescription).toBeUndefined()
    const deleted = await codecommit.send(new DeleteRepositoryCommand({ repositoryName: 'renamed' }))
    expect(deleted.repositoryId).toBe(repositoryMetadata?.repositoryId)
    expect(
      (await codecommit.send(new DeleteRepositoryCommand({ repositoryName: 'renamed' }))).repositoryId,
    ).toBeUndefined()
  })

  it('are listed by name or by time, and got in batches', async () => {
    const client = drydock.client(CodeCommitClient, drydock.root, 'eu-west-1')
    for (const repositoryName of ['b', 'c', 'a']) {
      await client.send(new CreateRepositoryCommand({ repositoryName }))
      await drydock.advance({ seconds: 1 })
    }
    const names = async (input: ListRepositoriesCommandInput) =>
      (await client.send(new ListRepositoriesCommand(input))).repositories?.map(({ repositoryName }) => repositoryName)
    expect(await names({})).toEqual(['a', 'b', 'c'])
    expect(await names({ sortBy: 'lastModifiedDate', order: 'descending' })).toEqual(['a', 'c', 'b'])
    await expect(names({ nextToken: 'x' })).rejects.toEqual(refused('InvalidContinuationTokenException'))
    const batch = await client.send(new BatchGetRepositoriesCommand({ repositoryNames: ['a', 'nobody'] }))
    expect(batch.repositories?.map(({ repositoryName }) => repositoryName)).toEqual(['a'])
    expect(batch.repositoriesNotFound).toEqual(['nobody'])
  })

  it.each(['web.git', '..', 'a/b', 'x'.repeat(101), ''])('refuse the name %j', async (name) => {
    await expect(create(name)).rejects.toEqual(refused('InvalidRepositoryNameException'))
  })

  it('have tags', async () => {
    const resourceArn = (await create('tagged')).repositoryMetadata?.Arn ?? ''
    await codecommit.send(new TagResourceCommand({ resourceArn, tags: { a: '1', b: '2' } }))
    await codecommit.send(new UntagResourceCommand({ resourceArn, tagKeys: ['a'] }))
    expect((await codecommit.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({ b: '2' })
    await expect(codecommit.send(new TagResourceCommand({ resourceArn, tags: { 'aws:x': '1' } }))).rejects.toEqual(
      refused('InvalidSystemTagUsageException'),
    )
    await expect(
      codecommit.send(new ListTagsForResourceCommand({ resourceArn: 'arn:aws:s3:::x' })),
    ).rejects.toMatchObject({
      $metadata: { httpStatusCode: 400 },
    })
  })
})

describe('branches', () => {
  it('are created at commits, listed and deleted, with events', async () => {
    const commitId = await begin('branches')
    const repositoryName = 'branches'
    await codecommit.send(new CreateBranchCommand({ repositoryName, branchName: 'feature/x', commitId }))
    expect((await codecommit.send(new ListBranchesCommand({ repositoryName }))).branches).toEqual(['feature/x', 'main'])
    expect((await codecommit.send(new GetBranchCommand({ repositoryName, branchName: 'feature/x' }))).branch).toEqual({
      branchName: 'feature/x',
      commitId,
    })
    await expect(
      codecommit.send(new CreateBranchCommand({ repositoryName, branchName: 'main', commitId })),
    ).rejects.toEqual(refused('BranchNameExistsException'))
    await expect(
      codecommit.send(new CreateBranchCommand({ repositoryName, branchName: 'x', commitId: '1'.repeat(40) })),
    ).rejects.toEqual(refused('CommitDoesNotExistException'))
    for (const branchName of ['--delete', 'a..b', 'a b', 'refs/../x'])
      await expect(codecommit.send(new CreateBranchCommand({ repositoryName, branchName, commitId }))).rejects.toEqual(
        refused('InvalidBranchNameException'),
      )
    await expect(codecommit.send(new DeleteBranchCommand({ repositoryName, branchName: 'main' }))).rejects.toEqual(
      refused('DefaultBranchCannotBeDeletedException'),
    )
    await codecommit.send(new UpdateDefaultBranchCommand({ repositoryName, defaultBranchName: 'feature/x' }))
    const { deletedBranch } = await codecommit.send(new DeleteBranchCommand({ repositoryName, branchName: 'main' }))
    expect(deletedBranch).toEqual({ branchName: 'main', commitId })
    await expect(codecommit.send(new GetBranchCommand({ repositoryName, branchName: 'main' }))).rejects.toEqual(
      refused('BranchDoesNotExistException'),
    )
    await drydock.settled()
    const details = drydock.events
      .map(({ detail }) => detail)
      .filter((detail) => detail.repositoryName === repositoryName)
    expect(
      details.map(({ event, referenceFullName, commitId: to, oldCommitId }) => [
        event,
        referenceFullName,
        to,
        oldCommitId,
      ]),
    ).toEqual([
      ['referenceCreated', 'refs/heads/main', commitId, undefined],
      ['referenceCreated', 'refs/heads/feature/x', commitId, undefined],
      ['referenceDeleted', 'refs/heads/main', undefined, commitId],
    ])
    expect(details[0]).toMatchObject({ referenceType: 'branch', callerUserArn: `arn:aws:iam::${drydock.account}:root` })
  })
})

describe('commits', () => {
  it('are made by PutFile and DeleteFile on the tip of a branch only', async () => {
    const repositoryName = 'files'
    const first = await begin(repositoryName)
    const put = (changes: object) =>
      codecommit.send(
        new PutFileCommand({
          repositoryName,
          branchName: 'main',
          filePath: 'src/run.sh',
          fileContent: text('#!/bin/sh\n'),
          fileMode: 'EXECUTABLE',
          parentCommitId: first,
          name: 'Ana',
          email: 'ana@example.com',
          commitMessage: 'Add a script',
          ...changes,
        }),
      )
    await expect(put({ parentCommitId: undefined })).rejects.toEqual(refused('ParentCommitIdRequiredException'))
    await expect(put({ parentCommitId: '1'.repeat(40) })).rejects.toEqual(refused('ParentCommitDoesNotExistException'))
    await expect(put({ parentCommitId: 'main' })).rejects.toEqual(refused('InvalidParentCommitIdException'))
    await expect(put({ branchName: 'other' })).rejects.toEqual(refused('BranchDoesNotExistException'))
    await expect(put({ filePath: '../outside' })).rejects.toEqual(refused('InvalidPathException'))
    await expect(put({ filePath: '.git/config' })).rejects.toEqual(refused('InvalidPathException'))
    await expect(put({ filePath: 'README/x' })).rejects.toEqual(refused('DirectoryNameConflictsWithFileNameException'))
    await expect(put({ filePath: 'README', fileContent: text('hello\n'), fileMode: 'NORMAL' })).rejects.toEqual(
      refused('SameFileContentException'),
    )
    const { commitId, blobId } = await put({})
    await expect(put({ filePath: 'y' })).rejects.toEqual(refused('ParentCommitIdOutdatedException'))
    const { commit } = await codecommit.send(new GetCommitCommand({ repositoryName, commitId }))
    expect(commit).toMatchObject({
      commitId,
      parents: [first],
      message: 'Add a script',
      author: { name: 'Ana', email: 'ana@example.com', date: expect.stringMatching(/^\d+ \+0000$/) },
    })
    const file = await codecommit.send(new GetFileCommand({ repositoryName, filePath: 'src/run.sh' }))
    expect(file).toMatchObject({ commitId, blobId, fileMode: 'EXECUTABLE', fileSize: 10, filePath: 'src/run.sh' })
    expect(Buffer.from(file.fileContent ?? '').toString()).toBe('#!/bin/sh\n')
    const blob = await codecommit.send(new GetBlobCommand({ repositoryName, blobId }))
    expect(Buffer.from(blob.content ?? '').toString()).toBe('#!/bin/sh\n')
    const deleted = await codecommit.send(
      new DeleteFileCommand({
        repositoryName,
        branchName: 'main',
        filePath: 'src/run.sh',
        parentCommitId: commitId,
        keepEmptyFolders: true,
      }),
    )
    expect(deleted.blobId).toBe(blobId)
    const folder = await codecommit.send(new GetFolderCommand({ repositoryName, folderPath: 'src' }))
    expect(folder.files?.map(({ absolutePath }) => absolutePath)).toEqual(['src/.gitkeep'])
    const commits = await codecommit.send(
      new BatchGetCommitsCommand({ repositoryName, commitIds: [first, 'x', '1'.repeat(40)] }),
    )
    expect(commits.commits?.map((one) => one.commitId)).toEqual([first])
    expect(commits.errors?.map(({ errorCode }) => errorCode)).toEqual([
      'InvalidCommitIdException',
      'CommitIdDoesNotExistException',
    ])
  })

  it('of many files put, copy, move, delete and change modes at once', async () => {
    const repositoryName = 'many'
    const first = await begin(repositoryName)
    const second = await codecommit.send(
      new CreateCommitCommand({
        repositoryName,
        branchName: 'main',
        parentCommitId: first,
        putFiles: [
          { filePath: 'a/one', fileContent: text('1') },
          { filePath: 'a/two', fileContent: text('2') },
          { filePath: 'docs/README', sourceFile: { filePath: 'README', isMove: true } },
          { filePath: 'link', fileContent: text('a/one'), fileMode: 'SYMLINK' },
        ],
      }),
    )
    expect(second.filesAdded?.map(({ absolutePath }) => absolutePath).sort()).toEqual([
      'a/one',
      'a/two',
      'docs/README',
      'link',
    ])
    expect(second.filesDeleted?.map(({ absolutePath }) => absolutePath)).toEqual(['README'])
    const third = await codecommit.send(
      new CreateCommitCommand({
        repositoryName,
        branchName: 'main',
        parentCommitId: second.commitId,
        deleteFiles: [{ filePath: 'a/one' }, { filePath: 'a/two' }],
        putFiles: [{ filePath: 'a', fileContent: text('a file now') }],
        setFileModes: [{ filePath: 'docs/README', fileMode: 'EXECUTABLE' }],
      }),
    )
    const root = await codecommit.send(new GetFolderCommand({ repositoryName, folderPath: '/' }))
    expect(root.commitId).toBe(third.commitId)
    expect(root.files?.map(({ relativePath }) => relativePath)).toEqual(['a'])
    expect(root.subFolders?.map(({ relativePath }) => relativePath)).toEqual(['docs'])
    expect(root.symbolicLinks?.map(({ relativePath }) => relativePath)).toEqual(['link'])
    const differences = await codecommit.send(
      new GetDifferencesCommand({
        repositoryName,
        beforeCommitSpecifier: second.commitId,
        afterCommitSpecifier: 'main',
      }),
    )
    expect(
      differences.differences?.map(({ changeType, beforeBlob, afterBlob }) => [
        changeType,
        beforeBlob?.path,
        afterBlob?.path,
      ]),
    ).toEqual([
      ['A', undefined, 'a'],
      ['D', 'a/one', undefined],
      ['D', 'a/two', undefined],
      ['M', 'docs/README', 'docs/README'],
    ])
    const again = (changes: object) =>
      codecommit.send(
        new CreateCommitCommand({ repositoryName, branchName: 'main', parentCommitId: third.commitId, ...changes }),
      )
    await expect(again({})).rejects.toEqual(refused('FileEntryRequiredException'))
    await expect(again({ putFiles: [{ filePath: 'x' }] })).rejects.toEqual(
      refused('SourceFileOrContentRequiredException'),
    )
    await expect(again({ putFiles: [{ filePath: 'a', fileContent: text('a file now') }] })).rejects.toEqual(
      refused('NoChangeException'),
    )
    await expect(again({ deleteFiles: [{ filePath: 'x' }] })).rejects.toEqual(refused('FileDoesNotExistException'))
    await expect(
      again({
        putFiles: [
          { filePath: 'p', fileContent: text('1') },
          { filePath: 'p/q', fileContent: text('2') },
        ],
      }),
    ).rejects.toEqual(refused('PutFileEntryConflictException'))
  })

  it('are compared page by page, by paths, and from nothing', async () => {
    const repositoryName = 'pages'
    const first = await begin(repositoryName)
    const putFiles = Array.from({ length: 5 }, (_, index) => ({
      filePath: `d/${index}`,
      fileContent: text(`${index}`),
    }))
    const { commitId } = await codecommit.send(
      new CreateCommitCommand({ repositoryName, branchName: 'main', parentCommitId: first, putFiles }),
    )
    const paths: (string | undefined)[] = []
    let NextToken: string | undefined
    do {
      const page = await codecommit.send(
        new GetDifferencesCommand({ repositoryName, afterCommitSpecifier: 'main', MaxResults: 4, NextToken }),
      )
      paths.push(...(page.differences ?? []).map(({ afterBlob }) => afterBlob?.path))
      NextToken = page.NextToken
    } while (NextToken)
    expect(paths).toEqual(['README', 'd/0', 'd/1', 'd/2', 'd/3', 'd/4'])
    const one = await codecommit.send(
      new GetDifferencesCommand({
        repositoryName,
        beforeCommitSpecifier: first,
        afterCommitSpecifier: commitId,
        afterPath: 'd/3',
      }),
    )
    expect(one.differences?.map(({ changeType, afterBlob }) => [changeType, afterBlob?.path])).toEqual([['A', 'd/3']])
    const below = await codecommit.send(
      new GetDifferencesCommand({ repositoryName, afterCommitSpecifier: 'HEAD', afterPath: 'd' }),
    )
    expect(below.differences).toHaveLength(5)
    const compare = (changes: object) =>
      codecommit.send(new GetDifferencesCommand({ repositoryName, afterCommitSpecifier: 'main', ...changes }))
    await expect(compare({ afterPath: 'nowhere' })).rejects.toEqual(refused('PathDoesNotExistException'))
    await expect(compare({ afterCommitSpecifier: 'nowhere' })).rejects.toEqual(refused('CommitDoesNotExistException'))
    await expect(compare({ afterCommitSpecifier: '--all' })).rejects.toEqual(refused('InvalidCommitException'))
    await expect(compare({ NextToken: 'x' })).rejects.toEqual(refused('InvalidContinuationTokenException'))
    await expect(compare({ MaxResults: 0 })).rejects.toEqual(refused('InvalidMaxResultsException'))
  })

  it('missing files, folders, blobs and commits have their own errors', async () => {
    const repositoryName = 'missing'
    await begin(repositoryName)
    const blobId = '1'.repeat(40)
    await expect(codecommit.send(new GetFileCommand({ repositoryName, filePath: 'x' }))).rejects.toEqual(
      refused('FileDoesNotExistException'),
    )
    await expect(codecommit.send(new GetFolderCommand({ repositoryName, folderPath: 'x' }))).rejects.toEqual(
      refused('FolderDoesNotExistException'),
    )
    await expect(codecommit.send(new GetBlobCommand({ repositoryName, blobId }))).rejects.toEqual(
      refused('BlobIdDoesNotExistException'),
    )
    await expect(codecommit.send(new GetCommitCommand({ repositoryName, commitId: blobId }))).rejects.toEqual(
      refused('CommitIdDoesNotExistException'),
    )
    await expect(codecommit.send(new GetCommitCommand({ repositoryName, commitId: 'main' }))).rejects.toEqual(
      refused('InvalidCommitIdException'),
    )
  })

  it('have files of at most 6 MB', async () => {
    await create('large')
    const put = (size: number) =>
      codecommit.send(
        new PutFileCommand({
          repositoryName: 'large',
          branchName: 'main',
          filePath: 'f',
          fileContent: Buffer.alloc(size),
        }),
      )
    await expect(put(6 * 1024 * 1024 + 1)).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } })
    await put(6 * 1024 * 1024)
  })
})

describe('access', () => {
  it('to a branch is a condition on references', async () => {
    const repositoryName = 'guarded'
    const first = await begin(repositoryName)
    const keys = await drydock.user('dev', [
      allow('codecommit:*'),
      {
        Version: '2012-10-17',
        Statement: {
          Effect: 'Deny',
          Action: ['codecommit:PutFile', 'codecommit:GitPush'],
          Resource: `arn:aws:codecommit:us-east-1:${drydock.account}:${repositoryName}`,
          Condition: {
            StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
            Null: { 'codecommit:References': 'false' },
          },
        },
      },
    ])
    const developer = drydock.client(CodeCommitClient, keys)
    const put = (branchName: string) =>
      developer.send(
        new PutFileCommand({
          repositoryName,
          branchName,
          filePath: 'x',
          fileContent: text('x'),
          parentCommitId: first,
        }),
      )
    await expect(put('main')).rejects.toEqual(refused('AccessDeniedException', /codecommit:PutFile.*explicit deny/))
    await developer.send(new CreateBranchCommand({ repositoryName, branchName: 'work', commitId: first }))
    await put('work')
  })
})

it('everything is there after a restart', async () => {
  let durable = await story({ durable: true })
  try {
    const input = { repositoryName: 'kept', branchName: 'main', filePath: 'f', fileContent: text('kept\n') }
    const before = durable.client(CodeCommitClient)
    await before.send(new CreateRepositoryCommand({ repositoryName: 'kept' }))
    const { commitId } = await before.send(new PutFileCommand(input))
    durable = await durable.restart()
    const after = await durable
      .client(CodeCommitClient)
      .send(new GetFileCommand({ repositoryName: 'kept', filePath: 'f' }))
    expect([after.commitId, Buffer.from(after.fileContent ?? '').toString()]).toEqual([commitId, 'kept\n'])
  } finally {
    await durable.close()
  }
})
