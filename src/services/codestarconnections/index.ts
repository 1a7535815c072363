import { defineService, provide } from '../../kernel/service.ts'
import { connections } from '../capabilities.ts'
import { Connection } from './connection.ts'
import { CreateConnection, DeleteConnection, GetConnection, ListConnections, makeConnections } from './connections.ts'
import { CreateHost, DeleteHost, GetHost, Host, ListHosts, UpdateHost } from './hosts.ts'
import { access } from './iam.ts'
import type { NS } from './operation.ts'
import { ListTagsForResource, TagResource, UntagResource } from './tags.ts'

const pending =
  'A connection stays PENDING, as on AWS until somebody logs in at the provider in the console: there is no such door here.'

/** CodeConnections: connections to Git providers elsewhere, and the hosts of those that customers run. */
export const service = defineService<NS>()({
  id: 'codestarconnections',
  tables: [Connection, Host],
  operations: {
    ...{ CreateConnection, GetConnection, DeleteConnection, ListConnections },
    ...{ CreateHost, GetHost, UpdateHost, DeleteHost, ListHosts },
    ...{ TagResource, UntagResource, ListTagsForResource },
  },
  partial: {
    CreateConnection: pending,
    CreateHost: 'A host stays PENDING, as on AWS until somebody sets it up in the console: there is no such door here.',
  },
  access,
  provides: [provide(connections, makeConnections)],
})
