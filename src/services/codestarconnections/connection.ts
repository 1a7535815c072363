import { table } from '../../store/store.ts'
import type { Output } from './operation.ts'
import type { Tags } from './tag.ts'

export type ConnectionRecord = {
  readonly arn: string
  readonly name: string
  readonly provider: NonNullable<NonNullable<Output<'GetConnection'>['Connection']>['ProviderType']>
  readonly host?: string
  readonly tags: Tags
}

export const Connection = table<ConnectionRecord>('codestarconnections.connection', {
  scope: 'region',
  key: ({ arn }) => arn,
  index: { host: ({ host }) => host },
})
