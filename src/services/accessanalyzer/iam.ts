import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules } from '../../kernel/service.ts'
import { Analyzers, analyzerArn } from './analyzer.ts'
import type { NS } from './operation.ts'

const any = () => ({ resources: ['*'] })
const named = ({ analyzerName }: { analyzerName: string }, ctx: Ctx) => ({
  resources: [analyzerArn(ctx, analyzerName)],
})
const rule = ({ analyzerName, ruleName }: { analyzerName: string; ruleName: string }, ctx: Ctx) => ({
  resources: [`${analyzerArn(ctx, analyzerName)}/archive-rule/${ruleName}`],
})
const analyzer = ({ analyzerArn: arn }: { analyzerArn: string }) => ({ resources: [arn] })
/** The second version of these operations is the same right as the first. */
const as =
  (action: string) =>
  ({ analyzerArn: arn }: { analyzerArn: string }) => ({ action: `access-analyzer:${action}`, resources: [arn] })

export const access: AccessRules<NS> = {
  operations: {
    ValidatePolicy: any,
    CheckNoNewAccess: any,
    CheckAccessNotGranted: any,
    CheckNoPublicAccess: any,
    StartPolicyGeneration: any,
    CancelPolicyGeneration: any,
    GetGeneratedPolicy: any,
    ListPolicyGenerations: any,
    CreateAnalyzer: named,
    GetAnalyzer: named,
    UpdateAnalyzer: named,
    DeleteAnalyzer: named,
    // Its name is the service's to choose.
    CreateServiceLinkedAnalyzer: (_, ctx) => ({ resources: [analyzerArn(ctx, '*')] }),
    DeleteServiceLinkedAnalyzer: named,
    ListAnalyzers: any,
    ListArchiveRules: named,
    CreateArchiveRule: rule,
    GetArchiveRule: rule,
    UpdateArchiveRule: rule,
    DeleteArchiveRule: rule,
    ApplyArchiveRule: analyzer,
    ListFindings: analyzer,
    GetFinding: analyzer,
    ListFindingsV2: as('ListFindings'),
    GetFindingV2: as('GetFinding'),
    GetFindingsStatistics: analyzer,
    UpdateFindings: analyzer,
    GetAnalyzedResource: analyzer,
    ListAnalyzedResources: analyzer,
    StartResourceScan: analyzer,
    GenerateFindingRecommendation: analyzer,
    GetFindingRecommendation: analyzer,
    CreateAccessPreview: analyzer,
    GetAccessPreview: analyzer,
    ListAccessPreviews: analyzer,
    ListAccessPreviewFindings: analyzer,
    TagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    UntagResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
    ListTagsForResource: ({ resourceArn }) => ({ resources: [resourceArn] }),
  },
  resourceTags: (ctx, arn) =>
    ctx.read(async (tx) => (await tx.get(Analyzers, arn.replace(/\/archive-rule\/.*$/, '')))?.tags),
}
