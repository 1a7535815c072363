import { defineService } from '../../kernel/service.ts'
import { startTrimming, Trimming, trim } from './history.ts'
import { LookupEvents } from './lookup-events.ts'
import type { NS } from './operation.ts'

/** CloudTrail: the history of calls that the kernel's audit step records. */
export const service = defineService<NS>()({
  id: 'cloudtrail',
  tables: [Trimming],
  operations: { LookupEvents },
  partial: { LookupEvents: 'Insights events are refused.' },
  access: { operations: { LookupEvents: () => ({ resources: ['*'] }) } },
  reconcilers: [trim],
  onEvent: startTrimming,
})
