import { defineService, provide } from '../../kernel/service.ts'
import { gitCredentials, repositoryObjects } from '../capabilities.ts'
import { CreateBranch, DeleteBranch, GetBranch, ListBranches, UpdateDefaultBranch } from './branches.ts'
import { CreateCommit, DeleteFile, PutFile } from './commit-changes.ts'
import { BatchGetCommits, GetCommit } from './commits.ts'
import { GetDifferences } from './differences.ts'
import { GetBlob, GetFile, GetFolder } from './files.ts'
import { lacksGit } from './git.ts'
import { gitDoor } from './git-door.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { announcement, maintenance, PendingMoves } from './references.ts'
import * as repositories from './repositories.ts'
import { makeRepositoryObjects } from './repository-objects.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

export const service = defineService<NS>()({
  id: 'codecommit',
  tables: [repositories.Repository, PendingMoves],
  operations: {
    BatchGetCommits,
    BatchGetRepositories: repositories.BatchGetRepositories,
    CreateBranch,
    CreateCommit,
    CreateRepository: repositories.CreateRepository,
    DeleteBranch,
    DeleteFile,
    DeleteRepository: repositories.DeleteRepository,
    GetBlob,
    GetBranch,
    GetCommit,
    GetDifferences,
    GetFile,
    GetFolder,
    GetRepository: repositories.GetRepository,
    ListBranches,
    ListRepositories: repositories.ListRepositories,
    ListTagsForResource,
    PutFile,
    TagResource,
    UntagResource,
    UpdateDefaultBranch,
    UpdateRepositoryDescription: repositories.UpdateRepositoryDescription,
    UpdateRepositoryName: repositories.UpdateRepositoryName,
  },
  access,
  routes: [gitDoor],
  reconcilers: [announcement, maintenance, repositories.removal],
  provides: [provide(repositoryObjects, makeRepositoryObjects)],
  uses: [gitCredentials],
  lacks: lacksGit,
})
