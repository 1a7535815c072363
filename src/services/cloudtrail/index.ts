import { organization } from '../../kernel/organization.ts'
import { defineService, provide } from '../../kernel/service.ts'
import { Chain, Cursor, Delivered, DigestDue } from './cursor.ts'
import { deliver } from './deliver.ts'
import { digest, Key, ListPublicKeys } from './digest.ts'
import { GetEventSelectors, PutEventSelectors } from './event-selectors.ts'
import { follow, follower, makeFollower } from './follower.ts'
import { startTrimming, Trimming, trim } from './history.ts'
import { access } from './iam.ts'
import * as insightOperations from './insight-operations.ts'
import { Counter, Insight, insight } from './insights.ts'
import { EventDataStore } from './lake/event-data-store.ts'
import { GetTrailStatus, StartLogging, StopLogging } from './logging.ts'
import { LookupEvents } from './lookup-events.ts'
import { near } from './near.ts'
import type { NS } from './operation.ts'
import { AddTags, ListTags, RemoveTags } from './tags.ts'
import { Status, Trail } from './trail.ts'
import * as trails from './trails.ts'

/** CloudTrail: what becomes of the records of calls that the kernel's audit step keeps. */
export const service = defineService<NS>()({
  id: 'cloudtrail',
  tables: [Trimming, Trail, Status, Cursor, Delivered, Chain, DigestDue, Key, Counter, Insight, EventDataStore],
  operations: {
    LookupEvents,
    CreateTrail: trails.CreateTrail,
    UpdateTrail: trails.UpdateTrail,
    DeleteTrail: trails.DeleteTrail,
    DescribeTrails: trails.DescribeTrails,
    GetTrail: trails.GetTrail,
    ListTrails: trails.ListTrails,
    StartLogging,
    StopLogging,
    GetTrailStatus,
    ListPublicKeys,
    PutEventSelectors,
    GetEventSelectors,
    PutInsightSelectors: insightOperations.PutInsightSelectors,
    GetInsightSelectors: insightOperations.GetInsightSelectors,
    ListInsightsMetricData: insightOperations.ListInsightsMetricData,
    ListInsightsData: insightOperations.ListInsightsData,
    AddTags,
    RemoveTags,
    ListTags,
  },
  partial: {
    CreateTrail: 'KMS keys and SNS topics are refused as not existing.',
    UpdateTrail: 'KMS keys and SNS topics are refused as not existing.',
    PutEventSelectors: 'Network activity events are accepted and never occur, for there are no VPC endpoints.',
    PutInsightSelectors: 'Insights of event data stores and on data events are refused.',
    GetInsightSelectors: 'Insights of event data stores are refused.',
  },
  access,
  reconcilers: [trim, follow, near, deliver, digest, insight],
  provides: [provide(follower, makeFollower)],
  uses: [organization],
  onEvent: startTrimming,
})
