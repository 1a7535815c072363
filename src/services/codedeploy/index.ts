import { defineService, provide } from '../../kernel/service.ts'
import { machineAgents } from '../capabilities.ts'

export const service = defineService<typeof import('@aws-sdk/client-codedeploy')>()({
  id: 'codedeploy',
  tables: [],
  operations: {},
  provides: [provide(machineAgents, () => ({ agents: () => [] }))],
})
