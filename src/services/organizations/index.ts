import { organization } from '../../kernel/organization.ts'
import { defineService, provide } from '../../kernel/service.ts'
import type { NS } from './operation.ts'

/** Organizations: none can be made yet, so that no account is in one. */
export const service = defineService<NS>()({
  id: 'organizations',
  tables: [],
  operations: {},
  eventRegion: () => 'us-east-1',
  provides: [provide(organization, () => ({ membershipOf: async () => undefined }))],
})
