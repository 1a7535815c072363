import type { Ctx } from '../../kernel/context.ts'
import type { AccessRules, Requirement } from '../../kernel/service.ts'
import { type NS, newArn, prefixOf } from './operation.ts'
import { tagsAt } from './tags.ts'

type Asked = Omit<Requirement, 'action'>

/** The action of this name, by the name of the service that the caller used. */
const on =
  <I>(name: string, what: (input: I, prefix: string, ctx: Ctx) => Asked) =>
  (input: I, ctx: Ctx): Requirement => {
    const prefix = prefixOf(ctx)
    return { action: `${prefix}:${name}`, ...what(input, prefix, ctx) }
  }
const tagged = ({ ResourceArn }: { readonly ResourceArn: string }): Asked => ({ resources: [ResourceArn] })
const connection = ({ ConnectionArn }: { readonly ConnectionArn: string }): Asked => ({ resources: [ConnectionArn] })
const host = ({ HostArn }: { readonly HostArn: string }): Asked => ({ resources: [HostArn] })

/** "Actions, resources, and condition keys for AWS CodeStar Connections", service authorization reference. */
export const access: AccessRules<NS> = {
  operations: {
    CreateConnection: on('CreateConnection', ({ ProviderType }, prefix) => ({
      resources: ['*'],
      context: { [`${prefix}:ProviderType`]: ProviderType },
    })),
    CreateHost: on('CreateHost', ({ ProviderType, VpcConfiguration }, prefix) => ({
      resources: ['*'],
      context: { [`${prefix}:ProviderType`]: ProviderType, [`${prefix}:VpcId`]: VpcConfiguration?.VpcId },
    })),
    UpdateHost: on('UpdateHost', ({ HostArn, VpcConfiguration }, prefix) => ({
      resources: [HostArn],
      context: { [`${prefix}:VpcId`]: VpcConfiguration?.VpcId },
    })),
    ListConnections: on('ListConnections', ({ ProviderTypeFilter }, prefix, ctx) => ({
      resources: [newArn(ctx, 'connection', '*')],
      context: { [`${prefix}:ProviderTypeFilter`]: ProviderTypeFilter },
    })),
    ListHosts: on('ListHosts', () => ({ resources: ['*'] })),
    GetConnection: on('GetConnection', connection),
    DeleteConnection: on('DeleteConnection', connection),
    GetHost: on('GetHost', host),
    DeleteHost: on('DeleteHost', host),
    TagResource: on('TagResource', tagged),
    UntagResource: on('UntagResource', tagged),
    ListTagsForResource: on('ListTagsForResource', tagged),
  },
  resourceTags: (ctx, arn) => ctx.read((tx) => tagsAt(tx, arn)),
}
