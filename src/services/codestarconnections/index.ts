import { defineService, provide } from '../../kernel/service.ts'
import { connections } from '../capabilities.ts'
import { Connection } from './connection.ts'
import { CreateConnection, DeleteConnection, GetConnection, ListConnections, makeConnections } from './connections.ts'
import { Host } from './host.ts'
import { CreateHost, DeleteHost, GetHost, ListHosts, UpdateHost } from './hosts.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { setupRoutes } from './setup.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

const vpcs = 'A VPC of a host is recorded only: the host is reached from this server, not from within the VPC.'

/** CodeConnections: connections to Git providers elsewhere, and the hosts of those that customers run. */
export const service = defineService<NS>()({
  id: 'codestarconnections',
  tables: [Connection, Host],
  operations: {
    ...{ CreateConnection, GetConnection, DeleteConnection, ListConnections },
    ...{ CreateHost, GetHost, UpdateHost, DeleteHost, ListHosts },
    ...{ TagResource, UntagResource, ListTagsForResource },
  },
  partial: { CreateHost: vpcs, UpdateHost: vpcs },
  access,
  routes: setupRoutes,
  provides: [provide(connections, makeConnections)],
})
