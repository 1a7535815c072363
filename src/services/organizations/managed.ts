import type { PolicyType } from '@aws-sdk/client-organizations'
import type { PolicyRecord } from './records.ts'

type Managed = Pick<PolicyRecord, 'id' | 'type' | 'name' | 'description' | 'content'>

/** The policies that AWS attaches to everything when their type is enabled. */
const managed: readonly Managed[] = [
  {
    id: 'p-FullAWSAccess',
    type: 'SERVICE_CONTROL_POLICY',
    name: 'FullAWSAccess',
    description: 'Allows access to every operation',
    content: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }),
  },
  {
    id: 'p-RCPFullAWSAccess',
    type: 'RESOURCE_CONTROL_POLICY',
    name: 'RCPFullAWSAccess',
    description: 'Allows access to every resource',
    content: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }],
    }),
  },
]

export const findManaged = (id: string): Managed | undefined => managed.find((one) => one.id === id)

/** The policy that everything has when this type is enabled. */
export const managedOf = (type: PolicyType): Managed | undefined => managed.find((one) => one.type === type)
