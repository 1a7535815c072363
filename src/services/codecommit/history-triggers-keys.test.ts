import {
  CodeCommitClient,
  CreateBranchCommand,
  CreateCommitCommand,
  CreatePullRequestCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  GetFileCommand,
  GetPullRequestCommand,
  GetRepositoryCommand,
  GetRepositoryTriggersCommand,
  ListFileCommitHistoryCommand,
  PutFileCommand,
  PutRepositoryTriggersCommand,
  type RepositoryTrigger,
  TestRepositoryTriggersCommand,
  UpdateRepositoryEncryptionKeyCommand,
} from '@aws-sdk/client-codecommit'
import { CreateServiceSpecificCredentialCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
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
      ['RepositoryTriggerNameRequiredException', { name: '' }],
      ['RepositoryTriggerDestinationArnRequiredException', { destinationArn: '' }],
      ['RepositoryTriggerBranchNameListRequiredException', { branches: undefined }],
      ['RepositoryTriggerEventsListRequiredException', { events: [] }],
      // The first that is wrong is told.
      [
        'InvalidRepositoryTriggerRegionException',
        { destinationArn: 'arn:aws:lambda:eu-west-1:123456789012:function:x', events: [] },
      ],
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

  it('keep the contents shut for whom they do not let in', async () => {
    const kms = drydock.client(KMSClient)
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
    const KeyId = KeyMetadata?.KeyId ?? ''
    const repositoryName = 'locked'
    await codecommit.send(new CreateRepositoryCommand({ repositoryName, kmsKeyId: KeyId }))
    const put = (by: CodeCommitClient, parentCommitId?: string) =>
      by.send(
        new PutFileCommand({
          repositoryName,
          branchName: 'main',
          filePath: 'f',
          fileContent: Buffer.from('x'),
          parentCommitId,
        }),
      )
    const { commitId } = await put(codecommit)
    const get = (by: CodeCommitClient) => by.send(new GetFileCommand({ repositoryName, filePath: 'f' }))
    expect(Buffer.from((await get(codecommit)).fileContent ?? []).toString()).toBe('x')
    const without = drydock.client(CodeCommitClient, await drydock.user('keyless', [allow('codecommit:*')]))
    const withKey = drydock.client(
      CodeCommitClient,
      await drydock.user('keyed', [
        allow('codecommit:*'),
        allow('kms:Decrypt', '*', {
          StringEquals: {
            'kms:ViaService': 'codecommit.us-east-1.amazonaws.com',
            'kms:EncryptionContextKeys': 'aws:codecommit:id',
          },
        }),
      ]),
    )
    await expect(get(without)).rejects.toEqual(refused('EncryptionKeyAccessDeniedException'))
    await expect(put(without, commitId)).rejects.toEqual(refused('EncryptionKeyAccessDeniedException'))
    await get(withKey)
    const { pullRequest } = await withKey
      .send(new CreateBranchCommand({ repositoryName, branchName: 'topic', commitId: commitId ?? '' }))
      .then(() =>
        withKey.send(
          new CreatePullRequestCommand({
            title: 't',
            targets: [{ repositoryName, sourceReference: 'topic', destinationReference: 'main' }],
          }),
        ),
      )
    const look = (by: CodeCommitClient) =>
      by.send(new GetPullRequestCommand({ pullRequestId: pullRequest?.pullRequestId ?? '' }))
    await look(withKey)
    await expect(look(without)).rejects.toEqual(refused('EncryptionKeyAccessDeniedException'))
    const http = await fetch(`${drydock.endpoint}/v1/repos/${repositoryName}/info/refs?service=git-upload-pack`, {
      headers: { authorization: await gitAuthorization('gitter') },
    })
    expect([http.status, await http.text()]).toEqual([403, 'The encryption key could not be accessed.\n'])
    await kms.send(new DisableKeyCommand({ KeyId }))
    await expect(get(codecommit)).rejects.toEqual(refused('EncryptionKeyDisabledException'))
    await kms.send(new EnableKeyCommand({ KeyId }))
    await get(codecommit)
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    await expect(get(codecommit)).rejects.toEqual(refused('EncryptionKeyUnavailableException'))
    // What is told of a repository is not under its key, and it can always be deleted.
    await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    await codecommit.send(new DeleteRepositoryCommand({ repositoryName }))
  })
})

/** The Basic header of a new user with Git credentials, who may do everything with repositories and nothing with keys. */
const gitAuthorization = async (UserName: string): Promise<string> => {
  await drydock.user(UserName, [allow('codecommit:*')])
  const { ServiceSpecificCredential: made } = await drydock
    .client(IAMClient)
    .send(new CreateServiceSpecificCredentialCommand({ UserName, ServiceName: 'codecommit.amazonaws.com' }))
  return `Basic ${Buffer.from(`${made?.ServiceUserName}:${made?.ServicePassword}`).toString('base64')}`
}
