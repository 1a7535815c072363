import { table } from '../../store/store.ts'

export type ManagedInterface = {
  readonly id: string
  /** Whose task it is, in the words of the service that made it. */
  readonly owner: string
  readonly description: string
  readonly vpcId: string
  readonly subnetId: string
  readonly subnetCidr: string
  readonly zone: string
  readonly privateIp: string
  readonly groupIds: readonly string[]
}

export const ManagedInterface = table<ManagedInterface>('ec2.managedInterface', {
  scope: 'region',
  key: ({ owner }) => owner,
})
