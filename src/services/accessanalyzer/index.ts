import { defineService, provide } from '../../kernel/service.ts'
import { Analyzers } from './analyzer.ts'
import { analyzers } from './analyzers.ts'
import { ArchiveRules, archiveRules } from './archive-rules.ts'
import { checks } from './checks.ts'
import { AnalyzedResources, Findings } from './findings/finding.ts'
import { follower, followReconciler, makeFollower } from './findings/follower.ts'
import { findings } from './findings/operations.ts'
import { Recommendations, recommendations } from './findings/recommendations.ts'
import { scan } from './findings/scan.ts'
import { Generations, generationReconcilers, generations } from './generation/jobs.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { Previews, previewReconciler, previews } from './previews.ts'

/** IAM Access Analyzer. */
export const service = defineService<NS>()({
  id: 'accessanalyzer',
  tables: [Analyzers, ArchiveRules, Findings, AnalyzedResources, Recommendations, Previews, Generations],
  operations: {
    ...checks,
    ...analyzers,
    ...archiveRules,
    ...findings,
    ...recommendations,
    ...previews,
    ...generations,
  },
  partial: {
    CreateAccessPreview: 'Multi-Region access points, EBS and RDS snapshots are refused.',
    CreateAnalyzer: 'Internal access analyzers look at buckets (the other types they support have no service here).',
    GetGeneratedPolicy: 'The form of the service-level template is ours: AWS documents none.',
    StartPolicyGeneration:
      "Records come from this server's audit log, which is what trails deliver, and not from the files in the trail's bucket.",
  },
  access,
  reconcilers: [scan, followReconciler, previewReconciler, ...generationReconcilers],
  provides: [provide(follower, makeFollower)],
})
