import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import {
  BatchDescribeMergeConflictsCommand,
  CodeCommitClient,
  type ConflictResolution,
  CreateRepositoryCommand,
  CreateUnreferencedMergeCommitCommand,
  DescribeMergeConflictsCommand,
  GetCommitCommand,
  GetFileCommand,
  GetFolderCommand,
  GetMergeCommitCommand,
  GetMergeConflictsCommand,
  GetMergeOptionsCommand,
  MergeBranchesByFastForwardCommand,
  MergeBranchesBySquashCommand,
  MergeBranchesByThreeWayCommand,
  type MergeBranchesByThreeWayCommandInput,
} from '@aws-sdk/client-codecommit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { service } from './index.ts'
import { databaseOf } from './repositories.ts'

const run = promisify(execFile)

let drydock: Story
let codecommit: CodeCommitClient
let scratch: string
let serial = 0

beforeAll(async () => {
  drydock = await story()
  codecommit = drydock.client(CodeCommitClient)
  scratch = await mkdtemp(join(tmpdir(), 'merges-'))
})
afterAll(async () => {
  await drydock.close()
  await rm(scratch, { recursive: true, force: true })
})

const refused = (name: string) => expect.objectContaining({ name })

/** git in a work tree, as a person would use it. */
const git = async (tree: string, ...args: string[]): Promise<string> => {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: scratch,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ana',
    GIT_AUTHOR_EMAIL: 'ana@example.com',
    GIT_COMMITTER_NAME: 'Ana',
    GIT_COMMITTER_EMAIL: 'ana@example.com',
  }
  return (await run('git', args, { cwd: tree, env })).stdout.trim()
}

type Files = Readonly<Record<string, string | Buffer>>

/** Three versions of a tree: their beginning, and what `main` and `feature` made of it, put into a repository. */
const arrange = async (base: Files, main: Files, feature: Files) => {
  const repositoryName = `merge-${++serial}`
  const { repositoryMetadata } = await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
  const tree = join(scratch, repositoryName)
  await mkdir(tree)
  await git(tree, 'init', '--quiet', '--initial-branch=main')
  const commit = async (files: Files, message: string) => {
    await git(tree, 'rm', '-rfq', '--ignore-unmatch', '.')
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true })
      await writeFile(join(tree, path), content)
    }
    await git(tree, 'add', '-A')
    await git(tree, 'commit', '--quiet', '--allow-empty', '-m', message)
    return git(tree, 'rev-parse', 'HEAD')
  }
  const first = await commit(base, 'base')
  await git(tree, 'branch', 'feature')
  const destination = await commit(main, 'main')
  await git(tree, 'checkout', '--quiet', 'feature')
  const source = await commit(feature, 'feature')
  await git(tree, 'checkout', '--quiet', 'main')
  const { kernel } = drydock.server
  const ctx = kernel.ownContext(service, { account: drydock.account, region: drydock.region })
  const folder = databaseOf(ctx, repositoryMetadata?.repositoryId ?? '')
  await git(tree, 'push', '--quiet', folder, 'main', 'feature')
  return { repositoryName, tree, folder, first, destination, source }
}

const between = { sourceCommitSpecifier: 'feature', destinationCommitSpecifier: 'main' }

const merge = (repositoryName: string, changes: Partial<MergeBranchesByThreeWayCommandInput> = {}) =>
  codecommit.send(new MergeBranchesByThreeWayCommand({ repositoryName, ...between, ...changes }))

const read = async (repositoryName: string, filePath: string) => {
  const { fileContent } = await codecommit.send(
    new GetFileCommand({ repositoryName, commitSpecifier: 'main', filePath }),
  )
  return Buffer.from(fileContent ?? []).toString('utf8')
}

const poem = 'one\ntwo\nthree\nfour\nfive\nsix\nseven\n'
const at = (line: number, text: string) =>
  poem
    .split('\n')
    .map((present, index) => (index === line ? text : present))
    .join('\n')

describe('merges of branches', () => {
  it('make the same tree as git merge, or refuse what it refuses', async () => {
    const line = fc.constantFrom('a', 'b', 'c', 'd')
    const content = fc.array(line, { minLength: 1, maxLength: 8 }).map((lines) => `${lines.join('\n')}\n`)
    const path = fc.constantFrom('x', 'y', 'dir/x', 'dir/z', 'x/y')
    const files = fc.dictionary(path, content, { maxKeys: 4 }).map((all) => {
      // A file cannot be a folder too.
      const { x, ...others } = all
      return x !== undefined && 'x/y' in all ? others : all
    })
    await fc.assert(
      fc.asyncProperty(files, files, files, async (base, main, feature) => {
        const { repositoryName, tree } = await arrange(
          { keep: 'k\n', ...base },
          { keep: 'k\n', ...main },
          { keep: 'k\n', ...feature },
        )
        const theirs = await git(tree, 'merge', '--quiet', '--no-ff', '-m', 'merged', 'feature').then(
          () => git(tree, 'rev-parse', 'HEAD^{tree}'),
          () => undefined,
        )
        const ours = await merge(repositoryName, { conflictDetailLevel: 'LINE_LEVEL' }).then(
          ({ treeId }) => treeId,
          (error: Error) => {
            expect(error.name).toBe('ManualMergeRequiredException')
            return undefined
          },
        )
        expect(ours).toBe(theirs)
      }),
      { numRuns: 12 },
    )
  }, 120_000)

  it('by fast-forward move the branch only when it has nothing of its own', async () => {
    const { repositoryName, source, first } = await arrange({ a: 'a' }, { a: 'a' }, { a: 'b' })
    const forward = (changes: object) =>
      codecommit.send(new MergeBranchesByFastForwardCommand({ repositoryName, ...between, ...changes }))
    await expect(forward({})).rejects.toEqual(refused('ManualMergeRequiredException'))
    await expect(forward({ destinationCommitSpecifier: first })).rejects.toEqual(refused('BranchNameRequiredException'))
    await expect(forward({ destinationCommitSpecifier: first, targetBranch: 'main' })).rejects.toEqual(
      refused('ConcurrentReferenceUpdateException'),
    )
    await expect(forward({ targetBranch: 'nobody' })).rejects.toEqual(refused('BranchDoesNotExistException'))
    const { commitId } = await merge(repositoryName)
    const done = await codecommit.send(
      new MergeBranchesByFastForwardCommand({
        repositoryName,
        sourceCommitSpecifier: 'main',
        destinationCommitSpecifier: 'feature',
      }),
    )
    expect(done.commitId).toBe(commitId)
    const { commit } = await codecommit.send(new GetCommitCommand({ repositoryName, commitId }))
    expect(commit?.parents?.[1]).toBe(source)
  })

  it('are not made of files that both sides changed, unless by lines', async () => {
    const { repositoryName } = await arrange({ poem }, { poem: at(0, 'ONE') }, { poem: at(5, 'SIX') })
    const options = async (conflictDetailLevel: 'FILE_LEVEL' | 'LINE_LEVEL') =>
      (await codecommit.send(new GetMergeOptionsCommand({ repositoryName, ...between, conflictDetailLevel })))
        .mergeOptions
    expect(await options('FILE_LEVEL')).toEqual([])
    expect(await options('LINE_LEVEL')).toEqual(['SQUASH_MERGE', 'THREE_WAY_MERGE'])
    await expect(merge(repositoryName)).rejects.toEqual(refused('ManualMergeRequiredException'))
    await merge(repositoryName, { conflictDetailLevel: 'LINE_LEVEL' })
    expect(await read(repositoryName, 'poem')).toBe(at(0, 'ONE').replace('six', 'SIX'))
  })

  it.each([
    ['FILE_LEVEL', 'ACCEPT_SOURCE', at(1, 'source').replace('six', 'SIX')],
    ['FILE_LEVEL', 'ACCEPT_DESTINATION', at(1, 'destination').replace('one', 'ONE')],
    ['LINE_LEVEL', 'ACCEPT_SOURCE', at(1, 'source').replace('six', 'SIX')],
    ['LINE_LEVEL', 'ACCEPT_DESTINATION', at(1, 'destination').replace('one', 'ONE').replace('six', 'SIX')],
  ] as const)('%s %s', async (conflictDetailLevel, conflictResolutionStrategy, expected) => {
    const { repositoryName } = await arrange(
      { poem, gone: 'here\n' },
      { poem: at(1, 'destination').replace('one', 'ONE') },
      { poem: at(1, 'source').replace('six', 'SIX'), gone: 'changed\n' },
    )
    await merge(repositoryName, { conflictDetailLevel, conflictResolutionStrategy })
    expect(await read(repositoryName, 'poem')).toBe(expected)
    const gone = read(repositoryName, 'gone')
    if (conflictResolutionStrategy === 'ACCEPT_SOURCE') expect(await gone).toBe('changed\n')
    else await expect(gone).rejects.toEqual(refused('FileDoesNotExistException'))
  })

  it('let a folder and a file of one name be chosen between', async () => {
    for (const [conflictResolutionStrategy, path] of [
      ['ACCEPT_SOURCE', 'thing/part'],
      ['ACCEPT_DESTINATION', 'thing'],
    ] as const) {
      const { repositoryName } = await arrange({ thing: '1\n' }, { thing: '2\n' }, { 'thing/part': '3\n' })
      await merge(repositoryName, { conflictResolutionStrategy })
      const { files, subFolders } = await codecommit.send(
        new GetFolderCommand({ repositoryName, commitSpecifier: 'main', folderPath: '/' }),
      )
      expect([...(files ?? []), ...(subFolders ?? [])].map(({ absolutePath }) => absolutePath)).toEqual(['thing'])
      expect(await read(repositoryName, path)).toBe(path === 'thing' ? '2\n' : '3\n')
    }
  })

  it('take resolutions of conflicts, one for each', async () => {
    const { repositoryName, destination } = await arrange(
      { a: '1\n', b: '1\n', c: '1\n', clean: poem },
      { a: '2\n', b: '2\n', c: '2\n', clean: at(0, 'ONE') },
      { a: '3\n', b: '3\n', c: '3\n', clean: at(5, 'SIX') },
    )
    const squash = (conflictResolution: ConflictResolution, more: object = {}) =>
      codecommit.send(
        new MergeBranchesBySquashCommand({
          repositoryName,
          ...between,
          conflictResolutionStrategy: 'AUTOMERGE',
          conflictResolution,
          ...more,
        }),
      )
    const text = (content: string) => Buffer.from(content)
    const a = { filePath: 'a', replacementType: 'USE_NEW_CONTENT', content: text('4\n') } as const
    const b = { filePath: 'b', replacementType: 'KEEP_SOURCE' } as const
    const whole = { replaceContents: [{ ...a, fileMode: 'EXECUTABLE' as const }, b], deleteFiles: [{ filePath: 'c' }] }
    const wrong: [string, ConflictResolution][] = [
      ['ManualMergeRequiredException', { replaceContents: [a, b] }],
      ['MultipleConflictResolutionEntriesException', { replaceContents: [a, a] }],
      ['InvalidConflictResolutionException', { deleteFiles: [{ filePath: 'clean' }] }],
      ['ReplacementContentRequiredException', { replaceContents: [{ ...a, content: undefined }] }],
      ['InvalidReplacementContentException', { replaceContents: [{ ...b, content: text('x') }] }],
      ['InvalidPathException', { deleteFiles: [{ filePath: '../x' }] }],
    ]
    for (const [name, resolution] of wrong) await expect(squash(resolution)).rejects.toEqual(refused(name))
    await expect(squash(whole, { conflictResolutionStrategy: 'ACCEPT_SOURCE' })).rejects.toEqual(
      refused('InvalidConflictResolutionException'),
    )
    const { commitId } = await squash(whole)
    const { commit } = await codecommit.send(new GetCommitCommand({ repositoryName, commitId }))
    expect(commit).toMatchObject({ parents: [destination], message: 'feature' })
    const { files } = await codecommit.send(
      new GetFolderCommand({ repositoryName, commitSpecifier: 'main', folderPath: '/' }),
    )
    expect(files?.map(({ absolutePath, fileMode }) => [absolutePath, fileMode])).toEqual([
      ['a', 'EXECUTABLE'],
      ['b', 'NORMAL'],
      ['clean', 'NORMAL'],
    ])
    expect([await read(repositoryName, 'a'), await read(repositoryName, 'b')]).toEqual(['4\n', '3\n'])
    expect(await read(repositoryName, 'clean')).toBe(at(0, 'ONE').replace('six', 'SIX'))
  })

  it('keep folders that would go empty, when asked', async () => {
    const { repositoryName } = await arrange({ a: '1', 'd/x': '1' }, { a: '2', 'd/x': '1' }, { a: '1' })
    await merge(repositoryName, { keepEmptyFolders: true })
    expect(await read(repositoryName, 'd/.gitkeep')).toBe('')
  })

  it('are made beside all branches, and found again', async () => {
    const { repositoryName, source, destination, first } = await arrange({ a: '1' }, { a: '1', b: '1' }, { a: '2' })
    const create = (mergeOption: 'FAST_FORWARD_MERGE' | 'SQUASH_MERGE') =>
      codecommit.send(new CreateUnreferencedMergeCommitCommand({ repositoryName, ...between, mergeOption }))
    await expect(create('FAST_FORWARD_MERGE')).rejects.toEqual(refused('InvalidMergeOptionException'))
    const { commitId, treeId } = await create('SQUASH_MERGE')
    const { commit } = await codecommit.send(new GetCommitCommand({ repositoryName, commitId }))
    expect(commit).toMatchObject({ treeId, parents: [destination] })
    const found = await codecommit.send(new GetMergeCommitCommand({ repositoryName, ...between }))
    expect(found).toMatchObject({
      sourceCommitId: source,
      destinationCommitId: destination,
      baseCommitId: first,
      mergedCommitId: commitId,
    })
    await drydock.settled()
    expect(drydock.events.map(({ detail }) => detail)).toContainEqual(
      expect.objectContaining({ event: 'unreferencedMergeCommitCreated', commitId, mergeOption: 'SQUASH_MERGE' }),
    )
  })

  it('into a protected branch are denied', async () => {
    const { repositoryName } = await arrange({ a: '1' }, { a: '1', b: '1' }, { a: '2' })
    const keys = await drydock.user(`junior-${serial}`, [
      allow('codecommit:*'),
      {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Deny',
            Action: 'codecommit:Merge*',
            Resource: '*',
            Condition: {
              StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
              Null: { 'codecommit:References': 'false' },
            },
          },
        ],
      },
    ])
    const junior = drydock.client(CodeCommitClient, keys)
    const tries = [
      between,
      { ...between, destinationCommitSpecifier: 'HEAD' },
      { ...between, destinationCommitSpecifier: 'refs/heads/main' },
      { ...between, targetBranch: 'main' },
    ]
    for (const [index, input] of tries.entries()) {
      const denied = junior.send(new MergeBranchesBySquashCommand({ repositoryName, ...input }))
      // HEAD is nothing in a repository without a default branch.
      await expect(denied).rejects.toEqual(
        refused(index === 1 ? 'CommitDoesNotExistException' : 'AccessDeniedException'),
      )
    }
    await junior.send(
      new MergeBranchesBySquashCommand({
        repositoryName,
        sourceCommitSpecifier: 'main',
        destinationCommitSpecifier: 'feature',
      }),
    )
  })
})

describe('conflicts', () => {
  it('are told file by file, by pages', async () => {
    const binary = Buffer.from([0, 1, 2])
    const { repositoryName, first } = await arrange(
      { a: '1\n', image: binary, gone: 'x\n' },
      { a: '22\n', image: Buffer.from([0, 2]), new: 'mine\n' },
      { a: '333\n', image: Buffer.from([0, 3]), gone: 'y\n', new: 'yours\n' },
    )
    const get = (changes: object = {}) =>
      codecommit.send(
        new GetMergeConflictsCommand({ repositoryName, ...between, mergeOption: 'THREE_WAY_MERGE', ...changes }),
      )
    const all = await get()
    expect(all).toMatchObject({ mergeable: false, baseCommitId: first })
    expect(all.conflictMetadataList?.map(({ filePath }) => filePath)).toEqual(['a', 'gone', 'image', 'new'])
    const [a, gone, image, added] = all.conflictMetadataList ?? []
    expect(a).toEqual({
      filePath: 'a',
      fileSizes: { source: 4, destination: 3, base: 2 },
      fileModes: { source: 'NORMAL', destination: 'NORMAL', base: 'NORMAL' },
      objectTypes: { source: 'FILE', destination: 'FILE', base: 'FILE' },
      numberOfConflicts: 1,
      isBinaryFile: { source: false, destination: false, base: false },
      contentConflict: true,
      fileModeConflict: false,
      objectTypeConflict: false,
      mergeOperations: { source: 'M', destination: 'M' },
    })
    expect(gone).toMatchObject({ mergeOperations: { source: 'M', destination: 'D' }, contentConflict: true })
    expect(image).toMatchObject({ isBinaryFile: { source: true, destination: true, base: true } })
    expect(added).toMatchObject({ mergeOperations: { source: 'A', destination: 'A' } })
    const first2 = await get({ maxConflictFiles: 3 })
    const rest = await get({ maxConflictFiles: 3, nextToken: first2.nextToken })
    expect(rest.conflictMetadataList?.map(({ filePath }) => filePath)).toEqual(['new'])
    await expect(get({ nextToken: 'x' })).rejects.toEqual(refused('InvalidContinuationTokenException'))
    await expect(get({ maxConflictFiles: 0 })).rejects.toEqual(refused('InvalidMaxConflictFilesException'))
    expect(await get({ conflictResolutionStrategy: 'ACCEPT_SOURCE' })).toMatchObject({
      mergeable: true,
      conflictMetadataList: [],
    })
  })

  it('are told line by line', async () => {
    const { repositoryName } = await arrange(
      { poem, calm: 'c\n' },
      { poem: at(1, 'D').replace('seven', 'SEVEN'), calm: 'c\n', new: 'a\n' },
      { poem: at(1, 'S1\nS2'), calm: 'c\n', new: 'b\n' },
    )
    const describe = (filePath: string, changes: object = {}) =>
      codecommit.send(
        new DescribeMergeConflictsCommand({
          repositoryName,
          ...between,
          mergeOption: 'SQUASH_MERGE',
          conflictDetailLevel: 'LINE_LEVEL',
          filePath,
          ...changes,
        }),
      )
    const { conflictMetadata, mergeHunks } = await describe('poem')
    expect(conflictMetadata).toMatchObject({ numberOfConflicts: 1, contentConflict: true })
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    expect(mergeHunks).toEqual([
      {
        isConflict: true,
        source: { startLine: 1, endLine: 3, hunkContent: base64('S1\nS2\n') },
        destination: { startLine: 1, endLine: 2, hunkContent: base64('D\n') },
        base: { startLine: 1, endLine: 2, hunkContent: base64('two\n') },
      },
      {
        isConflict: false,
        source: { startLine: 7, endLine: 8, hunkContent: base64('seven\n') },
        destination: { startLine: 6, endLine: 7, hunkContent: base64('SEVEN\n') },
        base: { startLine: 6, endLine: 7, hunkContent: base64('seven\n') },
      },
    ])
    const first = await describe('poem', { maxMergeHunks: 1 })
    expect((await describe('poem', { maxMergeHunks: 1, nextToken: first.nextToken })).mergeHunks).toHaveLength(1)
    const whole = await describe('poem', { conflictDetailLevel: 'FILE_LEVEL' })
    expect(whole.mergeHunks).toMatchObject([{ isConflict: true, source: { startLine: 0, endLine: 8 } }])
    expect((await describe('calm')).conflictMetadata).toMatchObject({ numberOfConflicts: 0, contentConflict: false })
    const added = await describe('new')
    expect(added.conflictMetadata).toMatchObject({ numberOfConflicts: 1, fileModes: { source: 'NORMAL' } })
    expect(added.mergeHunks).toMatchObject([{ isConflict: true, base: { startLine: 0, endLine: 0 } }])
    await expect(describe('nothing')).rejects.toEqual(refused('FileDoesNotExistException'))
    const batch = await codecommit.send(
      new BatchDescribeMergeConflictsCommand({
        repositoryName,
        ...between,
        mergeOption: 'SQUASH_MERGE',
        conflictDetailLevel: 'LINE_LEVEL',
        filePaths: ['poem', 'calm'],
      }),
    )
    expect(batch.conflicts).toMatchObject([{ conflictMetadata: { filePath: 'poem' }, mergeHunks: [{}, {}] }])
    expect(batch.errors).toMatchObject([{ filePath: 'calm' }])
  })

  it('of branches that are strangers to each other have no base', async () => {
    const { repositoryName, tree, folder } = await arrange({ a: '1' }, { a: '1' }, { a: '1' })
    await git(tree, 'checkout', '--quiet', '--orphan', 'stranger')
    await git(tree, 'commit', '--quiet', '-m', 'stranger')
    await git(tree, 'push', '--quiet', folder, 'stranger')
    const options = await codecommit.send(
      new GetMergeOptionsCommand({
        repositoryName,
        sourceCommitSpecifier: 'stranger',
        destinationCommitSpecifier: 'main',
      }),
    )
    expect(options.baseCommitId).toBeUndefined()
    expect(options.mergeOptions).toEqual(['SQUASH_MERGE', 'THREE_WAY_MERGE'])
  })
})
