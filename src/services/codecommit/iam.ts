import type { AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'
import { Repository } from './repositories.ts'

/** Changes of a branch are checked with the branch as `codecommit:References`. */
const onBranch = ({ branchName }: { branchName?: string }) =>
  branchName === undefined ? {} : { context: { 'codecommit:References': `refs/heads/${branchName}` } }

/** Members are not yet checked when access is: what is missing is told by `validate`, to those who may ask at all. */
const onArn = ({ resourceArn = '*' }: { resourceArn?: string }) => ({ resources: [resourceArn] })

/** Repository ARNs are `arn:aws:codecommit:REGION:ACCOUNT:NAME`. */
export const access: AccessRules<NS> = {
  operations: {
    BatchGetRepositories: ({ repositoryNames }, ctx) => ({
      resources: (repositoryNames ?? []).map((name) => ctx.arn(name)),
    }),
    UpdateRepositoryName: ({ oldName = '*' }, ctx) => ({ resources: [ctx.arn(oldName)] }),
    TagResource: onArn,
    UntagResource: onArn,
    ListTagsForResource: onArn,
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
