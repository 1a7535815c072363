import { identity } from '../../kernel/identity.ts'
import { defineService, provide } from '../../kernel/service.ts'
import { vendedMetrics } from '../capabilities.ts'
import { Alarm, AlarmMetric, AlarmParent, IdleAlarm } from './alarm.ts'
import { DueAction, takeAction } from './alarm-actions.ts'
import { evaluation } from './alarm-evaluation.ts'
import { AlarmHistory, DescribeAlarmHistory, forgetHistory } from './alarm-history.ts'
import { suppression } from './alarm-states.ts'
import { ListTagsForResource, TagResource, UntagResource } from './alarm-tags.ts'
import {
  DeleteAlarms,
  DisableAlarmActions,
  EnableAlarmActions,
  PutCompositeAlarm,
  PutMetricAlarm,
  SetAlarmState,
} from './alarms.ts'
import { DescribeAlarms, DescribeAlarmsForMetric } from './describe-alarms.ts'
import { access } from './iam.ts'
import { Metric } from './metric.ts'
import { GetMetricData, GetMetricStatistics } from './metric-data.ts'
import { expire, ListMetrics, PutMetricData, vended } from './metrics.ts'
import type { NS } from './operation.ts'

const others = 'Tags of other resources than alarms are refused.'

/** CloudWatch: metrics of users and of the other services, and alarms on them. */
export const service = defineService<NS>()({
  id: 'cloudwatch',
  tables: [Metric, Alarm, AlarmMetric, AlarmParent, IdleAlarm, AlarmHistory, DueAction],
  operations: {
    ...{ PutMetricData, GetMetricData, GetMetricStatistics, ListMetrics },
    ...{ PutMetricAlarm, PutCompositeAlarm, DescribeAlarms, DescribeAlarmsForMetric, DescribeAlarmHistory },
    ...{ DeleteAlarms, SetAlarmState, EnableAlarmActions, DisableAlarmActions },
    ...{ TagResource, UntagResource, ListTagsForResource },
  },
  partial: {
    PutMetricData: 'Entities (EntityMetricData) are refused.',
    GetMetricData:
      'Metrics Insights, the functions of metric math that look elsewhere (SEARCH, ANOMALY_DETECTION_BAND, LAMBDA, SERVICE_QUOTA, INSIGHT_RULE_METRIC, DB_PERF_INSIGHTS), dynamic labels and other accounts are refused.',
    ListMetrics: 'Metrics of linked accounts are refused.',
    PutMetricAlarm:
      'Alarms on anomaly detection bands, Metrics Insights, PromQL or metrics of other accounts, wall clock windows, warm-up periods, and all actions but those on EC2 instances are refused; to recover an instance is to reboot it.',
    PutCompositeAlarm: 'All actions are refused: none that a composite alarm takes is here.',
    DescribeAlarms: 'There are no log alarms.',
    DescribeAlarmHistory: 'Alarms have no contributors.',
    TagResource: others,
    UntagResource: others,
    ListTagsForResource: others,
  },
  access,
  dataEvents: ['PutMetricData', 'GetMetricData'],
  reconcilers: [expire, evaluation, suppression, takeAction, forgetHistory],
  provides: [provide(vendedMetrics, vended)],
  uses: [identity],
})
