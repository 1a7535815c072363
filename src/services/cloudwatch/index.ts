import { defineService, provide } from '../../kernel/service.ts'
import { vendedMetrics } from '../capabilities.ts'
import { access } from './iam.ts'
import { GetMetricData, GetMetricStatistics } from './metric-data.ts'
import { expire, ListMetrics, Metric, PutMetricData, vended } from './metrics.ts'
import type { NS } from './operation.ts'

/** CloudWatch: metrics of users and of the other services. */
export const service = defineService<NS>()({
  id: 'cloudwatch',
  tables: [Metric],
  operations: { PutMetricData, GetMetricData, GetMetricStatistics, ListMetrics },
  partial: {
    PutMetricData: 'Entities (EntityMetricData) are refused.',
    GetMetricData:
      'Expressions (metric math, SEARCH, Metrics Insights), dynamic labels and other accounts are refused.',
    ListMetrics: 'Metrics of linked accounts are refused.',
  },
  access,
  dataEvents: ['PutMetricData', 'GetMetricData'],
  reconcilers: [expire],
  provides: [provide(vendedMetrics, vended)],
})
