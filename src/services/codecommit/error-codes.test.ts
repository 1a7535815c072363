import {
  BatchGetCommitsCommand,
  BatchGetRepositoriesCommand,
  CodeCommitClient,
  CreatePullRequestCommand,
  CreateRepositoryCommand,
  DescribeMergeConflictsCommand,
  GetDifferencesCommand,
  GetFileCommand,
  GetFolderCommand,
  GetMergeConflictsCommand,
  PostCommentForComparedCommitCommand,
  PostCommentReplyCommand,
  PutRepositoryTriggersCommand,
  type RepositoryTrigger,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateApprovalRuleTemplateContentCommand,
  UpdateDefaultBranchCommand,
  UpdatePullRequestApprovalRuleContentCommand,
  UpdateRepositoryEncryptionKeyCommand,
  UpdateRepositoryNameCommand,
} from '@aws-sdk/client-codecommit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Story, story } from '../../../test/story.ts'

// The errors for members whose errors are not named as the members are; ValidationException is none of CodeCommit's.

let drydock: Story
let codecommit: CodeCommitClient
beforeAll(async () => {
  drydock = await story()
  codecommit = drydock.client(CodeCommitClient)
})
afterAll(() => drydock.close())

/** What no client lets through by its types. */
const absent = undefined as never
const repositoryName = 'repo'
const resourceArn = 'arn:aws:codecommit:us-east-1:000000000000:repo'
const compared = { repositoryName, beforeCommitId: 'b', afterCommitId: 'a', content: 'well' }
const trigger: RepositoryTrigger = {
  name: 'told',
  destinationArn: 'arn:aws:sns:us-east-1:000000000000:told',
  events: ['all'],
}
const triggered = (wrong: Partial<RepositoryTrigger>) =>
  new PutRepositoryTriggersCommand({ repositoryName, triggers: [{ ...trigger, ...wrong }] })
const merge = { repositoryName, sourceCommitSpecifier: 'a', destinationCommitSpecifier: 'b' }
const fastForward = { ...merge, mergeOption: 'FAST_FORWARD_MERGE' as const }

test.each<[string, unknown]>([
  ['RepositoryNamesRequiredException', new BatchGetRepositoriesCommand({ repositoryNames: absent })],
  ['InvalidRepositoryNameException', new BatchGetRepositoriesCommand({ repositoryNames: ['a b'] })],
  ['CommitIdsListRequiredException', new BatchGetCommitsCommand({ repositoryName, commitIds: absent })],
  ['CommitRequiredException', new GetDifferencesCommand({ repositoryName, afterCommitSpecifier: absent })],
  ['CommitRequiredException', new GetMergeConflictsCommand({ ...fastForward, sourceCommitSpecifier: absent })],
  ['PathRequiredException', new DescribeMergeConflictsCommand({ ...fastForward, filePath: absent })],
  ['PathRequiredException', new GetFileCommand({ repositoryName, filePath: absent })],
  ['PathRequiredException', new GetFolderCommand({ repositoryName, folderPath: absent })],
  ['CommitIdRequiredException', new PostCommentForComparedCommitCommand({ ...compared, afterCommitId: absent })],
  ['CommentContentRequiredException', new PostCommentForComparedCommitCommand({ ...compared, content: absent })],
  [
    'InvalidRelativeFileVersionEnumException',
    new PostCommentForComparedCommitCommand({ ...compared, location: { relativeFileVersion: 'BESIDE' as never } }),
  ],
  ['CommentIdRequiredException', new PostCommentReplyCommand({ inReplyTo: absent, content: 'well' })],
  ['BranchNameRequiredException', new UpdateDefaultBranchCommand({ repositoryName, defaultBranchName: absent })],
  ['InvalidBranchNameException', new UpdateDefaultBranchCommand({ repositoryName, defaultBranchName: '' })],
  ['InvalidRepositoryNameException', new UpdateRepositoryNameCommand({ oldName: 'a', newName: 'b c' })],
  ['EncryptionKeyRequiredException', new UpdateRepositoryEncryptionKeyCommand({ repositoryName, kmsKeyId: absent })],
  ['EncryptionKeyInvalidIdException', new CreateRepositoryCommand({ repositoryName, kmsKeyId: '???' })],
  ['TagKeysListRequiredException', new UntagResourceCommand({ resourceArn, tagKeys: absent })],
  ['TagKeysListRequiredException', new UntagResourceCommand({ resourceArn, tagKeys: [] })],
  ['TagsMapRequiredException', new TagResourceCommand({ resourceArn, tags: absent })],
  [
    'ApprovalRuleTemplateContentRequiredException',
    new UpdateApprovalRuleTemplateContentCommand({ approvalRuleTemplateName: 'two', newRuleContent: absent }),
  ],
  [
    'ApprovalRuleContentRequiredException',
    new UpdatePullRequestApprovalRuleContentCommand({
      pullRequestId: '1',
      approvalRuleName: 'two',
      newRuleContent: absent,
    }),
  ],
  [
    'ReferenceNameRequiredException',
    new CreatePullRequestCommand({ title: 'x', targets: [{ repositoryName, sourceReference: absent }] }),
  ],
  ['RepositoryTriggersListRequiredException', new PutRepositoryTriggersCommand({ repositoryName, triggers: absent })],
  ['RepositoryTriggerNameRequiredException', triggered({ name: absent })],
  ['RepositoryTriggerDestinationArnRequiredException', triggered({ destinationArn: absent })],
  ['RepositoryTriggerEventsListRequiredException', triggered({ events: absent })],
  ['InvalidRepositoryTriggerBranchNameException', triggered({ branches: [''] })],
  ['InvalidRepositoryTriggerEventsException', triggered({ events: ['none' as never] })],
])('%s', async (name, command) => {
  await expect(codecommit.send(command as never)).rejects.toMatchObject({ name })
})
