import type { AccessRules } from '../../kernel/service.ts'
import type { NS } from './operation.ts'

/** Metrics are no resources for IAM: every statement about them says `*`; a namespace can be a condition of putting. */
export const access: AccessRules<NS> = {
  operations: {
    PutMetricData: ({ Namespace }) => ({ resources: ['*'], context: { 'cloudwatch:namespace': Namespace } }),
    GetMetricData: () => ({ resources: ['*'] }),
    GetMetricStatistics: () => ({ resources: ['*'] }),
    ListMetrics: () => ({ resources: ['*'] }),
  },
}
