import { recording } from '../../kernel/audit.ts'
import { organization } from '../../kernel/organization.ts'
import { defineService, provide } from '../../kernel/service.ts'
import { Chain, Cursor, Delivered, DigestDue } from './cursor.ts'
import { deliver } from './deliver.ts'
import { digest, Key, ListPublicKeys } from './digest.ts'
import { GetEventConfiguration, PutEventConfiguration } from './event-configuration.ts'
import { GetEventSelectors, PutEventSelectors } from './event-selectors.ts'
import { follow, follower, makeFollower } from './follower.ts'
import { startTrimming, Trimming, trim } from './history.ts'
import { access } from './iam.ts'
import * as insightOperations from './insight-operations.ts'
import { Counter, Insight, insight } from './insights.ts'
import * as channels from './lake/channels.ts'
import * as dashboards from './lake/dashboards.ts'
import { EventDataStore } from './lake/event-data-store.ts'
import * as imports from './lake/imports.ts'
import * as queries from './lake/queries.ts'
import { Query } from './lake/query.ts'
import { runQueries } from './lake/query-run.ts'
import { DeleteResourcePolicy, GetResourcePolicy, PutResourcePolicy, ResourcePolicy } from './lake/resource-policies.ts'
import { SearchSampleQueries } from './lake/sample-queries.ts'
import * as stores from './lake/stores.ts'
import { GetTrailStatus, StartLogging, StopLogging } from './logging.ts'
import { LookupEvents } from './lookup-events.ts'
import { near } from './near.ts'
import type { NS } from './operation.ts'
import { DeregisterOrganizationDelegatedAdmin, RegisterOrganizationDelegatedAdmin } from './organization.ts'
import { makeRecording } from './recording.ts'
import { AddTags, ListTags, RemoveTags } from './tags.ts'
import { Status, Trail } from './trail.ts'
import * as trails from './trails.ts'

/** CloudTrail: what becomes of the records of calls that the kernel's audit step keeps. */
export const service = defineService<NS>()({
  id: 'cloudtrail',
  tables: [
    Trimming,
    Trail,
    Status,
    Cursor,
    Delivered,
    Chain,
    DigestDue,
    Key,
    Counter,
    Insight,
    EventDataStore,
    Query,
    ResourcePolicy,
    channels.Channel,
    dashboards.Dashboard,
    imports.Import,
    imports.ImportFailure,
  ],
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
    PutEventConfiguration,
    GetEventConfiguration,
    CreateEventDataStore: stores.CreateEventDataStore,
    GetEventDataStore: stores.GetEventDataStore,
    ListEventDataStores: stores.ListEventDataStores,
    UpdateEventDataStore: stores.UpdateEventDataStore,
    DeleteEventDataStore: stores.DeleteEventDataStore,
    RestoreEventDataStore: stores.RestoreEventDataStore,
    StartEventDataStoreIngestion: stores.StartEventDataStoreIngestion,
    StopEventDataStoreIngestion: stores.StopEventDataStoreIngestion,
    StartQuery: queries.StartQuery,
    DescribeQuery: queries.DescribeQuery,
    GetQueryResults: queries.GetQueryResults,
    CancelQuery: queries.CancelQuery,
    ListQueries: queries.ListQueries,
    SearchSampleQueries,
    CreateChannel: channels.CreateChannel,
    GetChannel: channels.GetChannel,
    ListChannels: channels.ListChannels,
    UpdateChannel: channels.UpdateChannel,
    DeleteChannel: channels.DeleteChannel,
    CreateDashboard: dashboards.CreateDashboard,
    GetDashboard: dashboards.GetDashboard,
    ListDashboards: dashboards.ListDashboards,
    UpdateDashboard: dashboards.UpdateDashboard,
    DeleteDashboard: dashboards.DeleteDashboard,
    StartDashboardRefresh: dashboards.StartDashboardRefresh,
    StartImport: imports.StartImport,
    GetImport: imports.GetImport,
    StopImport: imports.StopImport,
    ListImports: imports.ListImports,
    ListImportFailures: imports.ListImportFailures,
    PutResourcePolicy,
    GetResourcePolicy,
    DeleteResourcePolicy,
    RegisterOrganizationDelegatedAdmin,
    DeregisterOrganizationDelegatedAdmin,
    AddTags,
    RemoveTags,
    ListTags,
  },
  partial: {
    CreateTrail: 'SNS topics are refused.',
    UpdateTrail: 'SNS topics are refused.',
    PutEventSelectors: 'Network activity events are accepted and never occur, for there are no VPC endpoints.',
    PutInsightSelectors: 'Insights of event data stores and on data events are refused.',
    GetInsightSelectors: 'Insights of event data stores are refused.',
    PutEventConfiguration: 'Large events, event context and aggregation are refused.',
    CreateEventDataStore: 'KMS keys are refused; categories Insight, ConfigurationItem and Evidence are refused.',
    UpdateEventDataStore: 'KMS keys are refused; categories Insight, ConfigurationItem and Evidence are refused.',
    StartQuery:
      'No window functions, UNNEST, lambdas or correlated subqueries; there are no predefined queries for QueryAlias.',
    SearchSampleQueries: 'The samples are a few of our own, found by their words.',
    CreateChannel: 'Only custom sources; what would send events, PutAuditEvents, is not here.',
    ListDashboards: 'There are no managed dashboards.',
    RegisterOrganizationDelegatedAdmin:
      'Organization trails and stores are the management account\u2019s only; a delegated administrator makes none.',
  },
  access,
  reconcilers: [
    trim,
    follow,
    near,
    deliver,
    digest,
    insight,
    runQueries,
    stores.expireStore,
    dashboards.refreshDashboards,
    imports.runImports,
  ],
  provides: [provide(follower, makeFollower), provide(recording, makeRecording)],
  uses: [organization],
  onEvent: startTrimming,
})
