import { defineService, provide } from '../../kernel/service.ts'
import { awsManagedKeys, gitCredentials, knownIdentities, repositoryObjects, sshKeys } from '../capabilities.ts'
import * as approvalRules from './approval-rules.ts'
import * as associations from './approval-template-associations.ts'
import * as templates from './approval-templates.ts'
import * as approvals from './approvals.ts'
import { GetBlobDifferences } from './blob-differences.ts'
import * as branchMerges from './branch-merges.ts'
import { CreateBranch, DeleteBranch, GetBranch, ListBranches, UpdateDefaultBranch } from './branches.ts'
import { Comment } from './comment.ts'
import * as comments from './comments.ts'
import { CreateCommit, DeleteFile, PutFile } from './commit-changes.ts'
import { BatchGetCommits, GetCommit } from './commits.ts'
import { GetDifferences } from './differences.ts'
import { UpdateRepositoryEncryptionKey } from './encryption-key.ts'
import { ListFileCommitHistory } from './file-history.ts'
import { GetBlob, GetFile, GetFolder } from './files.ts'
import { lacksGit } from './git.ts'
import { gitDoor } from './git-door.ts'
import { access } from './iam.ts'
import { underKey } from './key-guard.ts'
import { MergeCommit } from './merge-commits.ts'
import {
  BatchDescribeMergeConflicts,
  DescribeMergeConflicts,
  GetMergeConflicts,
  GetMergeOptions,
} from './merge-conflicts.ts'
import type { NS } from './operation.ts'
import { HistoryEntry, Numbering, PullRequest, Revision } from './pull-request.ts'
import * as pullRequestMerges from './pull-request-merges.ts'
import * as pullRequests from './pull-requests.ts'
import { GetCommentReactions, PutCommentReaction } from './reactions.ts'
import { announcement, maintenance, PendingMoves } from './references.ts'
import { removal } from './removal.ts'
import * as repositories from './repositories.ts'
import { makeRepositoryObjects } from './repository-objects.ts'
import { sshDoor } from './ssh-door.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

import { GetRepositoryTriggers, PutRepositoryTriggers, TestRepositoryTriggers, Triggers } from './triggers.ts'

export const service = defineService<NS>()({
  id: 'codecommit',
  tables: [
    repositories.Repository,
    PendingMoves,
    PullRequest,
    Revision,
    HistoryEntry,
    Numbering,
    templates.Template,
    templates.Association,
    MergeCommit,
    Comment,
    Triggers,
  ],
  operations: {
    AssociateApprovalRuleTemplateWithRepository: associations.AssociateApprovalRuleTemplateWithRepository,
    BatchAssociateApprovalRuleTemplateWithRepositories: associations.BatchAssociateApprovalRuleTemplateWithRepositories,
    BatchDisassociateApprovalRuleTemplateFromRepositories:
      associations.BatchDisassociateApprovalRuleTemplateFromRepositories,
    BatchGetRepositories: repositories.BatchGetRepositories,
    CreateApprovalRuleTemplate: templates.CreateApprovalRuleTemplate,
    CreateRepository: repositories.CreateRepository,
    DeleteApprovalRuleTemplate: templates.DeleteApprovalRuleTemplate,
    DeleteRepository: repositories.DeleteRepository,
    DisassociateApprovalRuleTemplateFromRepository: associations.DisassociateApprovalRuleTemplateFromRepository,
    GetApprovalRuleTemplate: templates.GetApprovalRuleTemplate,
    GetRepository: repositories.GetRepository,
    GetRepositoryTriggers,
    ListApprovalRuleTemplates: templates.ListApprovalRuleTemplates,
    ListAssociatedApprovalRuleTemplatesForRepository: associations.ListAssociatedApprovalRuleTemplatesForRepository,
    ListRepositories: repositories.ListRepositories,
    ListRepositoriesForApprovalRuleTemplate: associations.ListRepositoriesForApprovalRuleTemplate,
    ListTagsForResource,
    PutRepositoryTriggers,
    TagResource,
    TestRepositoryTriggers,
    UntagResource,
    UpdateApprovalRuleTemplateContent: templates.UpdateApprovalRuleTemplateContent,
    UpdateApprovalRuleTemplateDescription: templates.UpdateApprovalRuleTemplateDescription,
    UpdateApprovalRuleTemplateName: templates.UpdateApprovalRuleTemplateName,
    UpdateRepositoryDescription: repositories.UpdateRepositoryDescription,
    UpdateRepositoryEncryptionKey,
    UpdateRepositoryName: repositories.UpdateRepositoryName,
    ...underKey({
      BatchDescribeMergeConflicts,
      BatchGetCommits,
      CreateBranch,
      CreateCommit,
      CreatePullRequest: pullRequests.CreatePullRequest,
      CreatePullRequestApprovalRule: approvalRules.CreatePullRequestApprovalRule,
      CreateUnreferencedMergeCommit: branchMerges.CreateUnreferencedMergeCommit,
      DeleteBranch,
      DeleteCommentContent: comments.DeleteCommentContent,
      DeleteFile,
      DeletePullRequestApprovalRule: approvalRules.DeletePullRequestApprovalRule,
      DescribeMergeConflicts,
      DescribePullRequestEvents: pullRequests.DescribePullRequestEvents,
      EvaluatePullRequestApprovalRules: approvalRules.EvaluatePullRequestApprovalRules,
      GetBlob,
      GetBlobDifferences,
      GetBranch,
      GetComment: comments.GetComment,
      GetCommentReactions,
      GetCommentsForComparedCommit: comments.GetCommentsForComparedCommit,
      GetCommentsForPullRequest: comments.GetCommentsForPullRequest,
      GetCommit,
      GetDifferences,
      GetFile,
      GetFolder,
      GetMergeCommit: branchMerges.GetMergeCommit,
      GetMergeConflicts,
      GetMergeOptions,
      GetPullRequest: pullRequests.GetPullRequest,
      GetPullRequestApprovalStates: approvals.GetPullRequestApprovalStates,
      GetPullRequestOverrideState: approvals.GetPullRequestOverrideState,
      ListBranches,
      ListFileCommitHistory,
      ListPullRequests: pullRequests.ListPullRequests,
      MergeBranchesByFastForward: branchMerges.MergeBranchesByFastForward,
      MergeBranchesBySquash: branchMerges.MergeBranchesBySquash,
      MergeBranchesByThreeWay: branchMerges.MergeBranchesByThreeWay,
      MergePullRequestByFastForward: pullRequestMerges.MergePullRequestByFastForward,
      MergePullRequestBySquash: pullRequestMerges.MergePullRequestBySquash,
      MergePullRequestByThreeWay: pullRequestMerges.MergePullRequestByThreeWay,
      OverridePullRequestApprovalRules: approvals.OverridePullRequestApprovalRules,
      PostCommentForComparedCommit: comments.PostCommentForComparedCommit,
      PostCommentForPullRequest: comments.PostCommentForPullRequest,
      PostCommentReply: comments.PostCommentReply,
      PutCommentReaction,
      PutFile,
      UpdateComment: comments.UpdateComment,
      UpdateDefaultBranch,
      UpdatePullRequestApprovalRuleContent: approvalRules.UpdatePullRequestApprovalRuleContent,
      UpdatePullRequestApprovalState: approvals.UpdatePullRequestApprovalState,
      UpdatePullRequestDescription: pullRequests.UpdatePullRequestDescription,
      UpdatePullRequestStatus: pullRequests.UpdatePullRequestStatus,
      UpdatePullRequestTitle: pullRequests.UpdatePullRequestTitle,
    }),
  },
  partial: {
    CreateRepository:
      'A customer’s key lets callers in or keeps them out as on AWS; the objects on disk are not encrypted with it.',
    UpdateRepositoryEncryptionKey:
      'A customer’s key lets callers in or keeps them out as on AWS; the objects on disk are not encrypted with it.',
    PutRepositoryTriggers:
      'Topics of SNS and functions of Lambda are not here, so every trigger is refused for its destination.',
    TestRepositoryTriggers:
      'Topics of SNS and functions of Lambda are not here, so every trigger is refused for its destination.',
  },
  access,
  routes: [gitDoor],
  portDoors: [sshDoor],
  reconcilers: [announcement, maintenance, removal],
  provides: [provide(repositoryObjects, makeRepositoryObjects)],
  uses: [gitCredentials, sshKeys, knownIdentities, awsManagedKeys],
  lacks: lacksGit,
})
