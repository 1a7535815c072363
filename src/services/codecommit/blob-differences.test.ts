import {
  CodeCommitClient,
  CreateRepositoryCommand,
  GetBlobDifferencesCommand,
  PutFileCommand,
} from '@aws-sdk/client-codecommit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

const repositoryName = 'compared'
let drydock: Story
let codecommit: CodeCommitClient
let tip: string | undefined
beforeAll(async () => {
  drydock = await story()
  codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
})
afterAll(() => drydock.close())

const blob = async (fileContent: Buffer): Promise<string | undefined> => {
  const { blobId, commitId } = await codecommit.send(
    new PutFileCommand({
      ...{ repositoryName, branchName: 'main', filePath: `file-${tip ?? 0}`, fileContent },
      ...(tip === undefined ? {} : { parentCommitId: tip }),
    }),
  )
  tip = commitId
  return blobId
}

const lines = (...changed: [number, string][]) => {
  const all = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`)
  for (const [line, text] of changed) all[line - 1] = text
  return Buffer.from(`${all.join('\n')}\n`)
}

it('blobs are compared line by line', async () => {
  const beforeBlobId = await blob(lines())
  const afterBlobId = await blob(lines([2, 'two\nand a half'], [18, 'line  18']))
  const compare = (changes: object = {}) =>
    codecommit.send(new GetBlobDifferencesCommand({ repositoryName, beforeBlobId, afterBlobId, ...changes }))
  const { hunks, ...facts } = await compare({ contextLines: 1 })
  expect(facts).toMatchObject({ isBinary: false, beforeBlobSize: lines().length })
  expect(hunks).toEqual([
    {
      ...{ beforeStartLine: 1, beforeLineCount: 3, afterStartLine: 1, afterLineCount: 4 },
      changes: [
        { type: 'CONTEXT', beforeLineNumber: 1, afterLineNumber: 1, content: 'line 1' },
        { type: 'DELETE', beforeLineNumber: 2, content: 'line 2' },
        { type: 'ADD', afterLineNumber: 2, content: 'two' },
        { type: 'ADD', afterLineNumber: 3, content: 'and a half' },
        { type: 'CONTEXT', beforeLineNumber: 3, afterLineNumber: 4, content: 'line 3' },
      ],
    },
    expect.objectContaining({ beforeStartLine: 17, afterStartLine: 18 }),
  ])
  expect((await compare({ ignoreWhitespace: true })).hunks).toHaveLength(1)
  expect((await compare({ contextLines: 20 })).hunks).toHaveLength(1)
  const first = await compare({ MaxResults: 1 })
  expect((await compare({ MaxResults: 1, NextToken: first.NextToken })).hunks).toMatchObject([{ beforeStartLine: 15 }])
  const added = await compare({ beforeBlobId: undefined })
  expect(added).toMatchObject({ beforeBlobSize: 0, hunks: [{ beforeLineCount: 0, afterLineCount: 21 }] })
  expect((await compare({ beforeBlobId: afterBlobId })).hunks).toEqual([])
  expect(await compare({ afterBlobId: await blob(Buffer.from([1, 0, 2])) })).toMatchObject({
    isBinary: true,
    hunks: [],
  })
  await expect(compare({ beforeBlobId: '1'.repeat(40) })).rejects.toMatchObject({ name: 'BlobIdDoesNotExistException' })
  await expect(compare({ beforeBlobId: 'main' })).rejects.toMatchObject({ name: 'InvalidBlobIdException' })
  await expect(compare({ contextLines: 21 })).rejects.toMatchObject({ name: 'ValidationException' })
  await expect(compare({ MaxResults: 0 })).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } })
})
