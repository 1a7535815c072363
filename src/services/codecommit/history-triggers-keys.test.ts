import {
  CodeCommitClient,
  CreateCommitCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  GetRepositoryCommand,
  GetRepositoryTriggersCommand,
  ListFileCommitHistoryCommand,
  PutFileCommand,
  PutRepositoryTriggersCommand,
  type RepositoryTrigger,
  TestRepositoryTriggersCommand,
  UpdateRepositoryEncryptionKeyCommand,
} from '@aws-sdk/client-codecommit'
import { CreateKeyCommand, DisableKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'

let drydock: Story
let codecommit: CodeCommitClient
beforeAll(async () => {
  drydock = await story()
  codecommit = drydock.client(CodeCommitClient)
})
afterAll(() => drydock.close())

const refused = (name: string) => expect.objectContaining({ name })

describe('the history of a file', () => {
  it('is what changed it, under its former names too', async () => {
    const repositoryName = 'history'
    await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
    const put = (filePath: string, content: string, parentCommitId?: string) =>
      codecommit
        .send(
          new PutFileCommand({
            repositoryName,
            branchName: 'main',
            filePath,
            fileContent: Buffer.from(content),
            ...(parentCommitId === undefined ? {} : { parentCommitId }),
          }),
        )
        .then(({ commitId }) => commitId ?? '')
    const text = 'a line\nanother\nand one more\n'
    const first = await put('old', text)
    const second = await put('old', `${text}end\n`, first)
    const aside = await put('other', 'x', second)
    const { commitId: renamed } = await codecommit.send(
      new CreateCommitCommand({
        repositoryName,
        branchName: 'main',
        parentCommitId: aside,
        putFiles: [{ filePath: 'new', sourceFile: { filePath: 'old', isMove: true } }],
      }),
    )
    const last = await put('new', `${text}the end\n`, renamed)
    const list = (input: object) =>
      codecommit.send(new ListFileCommitHistoryCommand({ repositoryName, filePath: 'new', ...input }))
    const { revisionDag } = await list({})
    expect(
      revisionDag?.map(({ commit, path, revisionChildren }) => [commit?.commitId, path, revisionChildren]),
    ).toEqual([
      [last, 'new', []],
      [renamed, 'new', [last]],
      [second, 'old', [renamed]],
      [first, 'old', [second]],
    ])
    const page = await list({ maxResults: 3 })
    await put('new', 'after\n', last)
    expect((await list({ maxResults: 3, nextToken: page.nextToken })).revisionDag).toMatchObject([
      { commit: { commitId: first } },
    ])
    expect((await list({ filePath: 'never' })).revisionDag).toEqual([])
    await expect(list({ commitSpecifier: 'nobody' })).rejects.toEqual(refused('CommitDoesNotExistException'))
    await expect(list({ nextToken: 'x' })).rejects.toEqual(refused('InvalidContinuationTokenException'))
  })
})

describe('triggers', () => {
  it('are refused, since what they could trigger is not here', async () => {
    const repositoryName = 'triggered'
    await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
    const put = (changes: Partial<RepositoryTrigger>) => {
      const destinationArn = `arn:aws:sns:us-east-1:${drydock.account}:topic`
      const trigger: RepositoryTrigger = { name: 'one', destinationArn, branches: [], events: ['all'], ...changes }
      return codecommit.send(new PutRepositoryTriggersCommand({ repositoryName, triggers: [trigger] }))
    }
    const wrong: [string, Partial<RepositoryTrigger>][] = [
      ['InvalidRepositoryTriggerDestinationArnException', {}],
      ['InvalidRepositoryTriggerDestinationArnException', { destinationArn: 'arn:aws:sqs:us-east-1:1:x' }],
      ['InvalidRepositoryTriggerRegionException', { destinationArn: `arn:aws:sns:eu-west-1:${drydock.account}:x` }],
      ['InvalidRepositoryTriggerNameException', { name: 'a, b' }],
      ['InvalidRepositoryTriggerEventsException', { events: ['all', 'createReference'] }],
      ['InvalidRepositoryTriggerBranchNameException', { branches: ['a..b'] }],
      ['MaximumBranchesExceededException', { branches: Array(11).fill('main') }],
      ['InvalidRepositoryTriggerCustomDataException', { customData: 'x'.repeat(1001) }],
    ]
    for (const [name, changes] of wrong) await expect(put(changes)).rejects.toEqual(refused(name))
    await expect(codecommit.send(new TestRepositoryTriggersCommand({ repositoryName, triggers: [] }))).rejects.toEqual(
      refused('RepositoryTriggersListRequiredException'),
    )
    const { configurationId } = await codecommit.send(
      new PutRepositoryTriggersCommand({ repositoryName, triggers: [] }),
    )
    expect(await codecommit.send(new GetRepositoryTriggersCommand({ repositoryName }))).toMatchObject({
      configurationId,
      triggers: [],
    })
  })
})

describe('keys of repositories', () => {
  it('are AWS’s own, or one that the caller may use', async () => {
    const repositoryName = 'sealed'
    const { repositoryMetadata } = await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
    const own = repositoryMetadata?.kmsKeyId
    expect(own).toMatch(/^arn:aws:kms:us-east-1:\d{12}:key\//)
    const kms = drydock.client(KMSClient)
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
    const update = (kmsKeyId: string | undefined, by = codecommit) =>
      by.send(new UpdateRepositoryEncryptionKeyCommand({ repositoryName, kmsKeyId }))
    const junior = drydock.client(CodeCommitClient, await drydock.user('junior', [allow('codecommit:*')]))
    await expect(update(KeyMetadata?.KeyId, junior)).rejects.toEqual(refused('EncryptionKeyAccessDeniedException'))
    expect(await update(KeyMetadata?.KeyId)).toMatchObject({
      repositoryId: repositoryMetadata?.repositoryId,
      kmsKeyId: KeyMetadata?.Arn,
      originalKmsKeyId: own,
    })
    const found = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    expect(found.repositoryMetadata?.kmsKeyId).toBe(KeyMetadata?.Arn)
    expect((await update('alias/aws/codecommit')).kmsKeyId).toBe(own)
    await kms.send(new DisableKeyCommand({ KeyId: KeyMetadata?.KeyId }))
    await expect(update(KeyMetadata?.KeyId)).rejects.toEqual(refused('EncryptionKeyDisabledException'))
    await expect(update('00000000-0000-0000-0000-000000000000')).rejects.toEqual(
      refused('EncryptionKeyNotFoundException'),
    )
    await codecommit.send(new DeleteRepositoryCommand({ repositoryName }))
  })
})
