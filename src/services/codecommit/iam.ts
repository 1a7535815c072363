import type { AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'
import { Repository } from './repositories.ts'

/** Changes of a branch are checked with the branch as `codecommit:References`. */
const onBranch = (input: { branchName: string }) => ({
  context: { 'codecommit:References': `refs/heads/${input.branchName}` },
})

/** Repository ARNs are `arn:aws:codecommit:REGION:ACCOUNT:NAME`. */
export const access: AccessRules<NS> = {
  operations: {
    BatchGetRepositories: ({ repositoryNames }, ctx) => ({
      resources: (repositoryNames ?? []).map((name) => ctx.arn(name)),
    }),
    UpdateRepositoryName: ({ oldName }, ctx) => ({ resources: [ctx.arn(oldName)] }),
    TagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    UntagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    ListTagsForResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    CreateBranch: onBranch,
    DeleteBranch: onBranch,
    CreateCommit: onBranch,
    PutFile: onBranch,
    DeleteFile: onBranch,
  },
  resourceTags: async (ctx, arn) => {
    const name = arn.slice(arn.lastIndexOf(':') + 1)
    return (await ctx.read((tx) => tx.get(Repository, name)))?.tags
  },
}
