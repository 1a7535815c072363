import { defineService } from '../../kernel/service.ts'
import { checks } from './checks.ts'
import { Generations, generationReconcilers, generations } from './generation/jobs.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'

/** IAM Access Analyzer. */
export const service = defineService<NS>()({
  id: 'accessanalyzer',
  tables: [Generations],
  operations: { ...checks, ...generations },
  partial: {
    GetGeneratedPolicy: 'The form of the service-level template is ours: AWS documents none.',
    StartPolicyGeneration:
      "Records come from this server's audit log, which is what trails deliver, and not from the files in the trail's bucket.",
  },
  access,
  reconcilers: [...generationReconcilers],
})
