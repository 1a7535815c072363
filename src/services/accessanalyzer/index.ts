import { defineService } from '../../kernel/service.ts'
import { checks } from './checks.ts'
import type { NS } from './operation.ts'

/** IAM Access Analyzer. */
export const service = defineService<NS>()({
  id: 'accessanalyzer',
  tables: [],
  operations: { ...checks },
})
