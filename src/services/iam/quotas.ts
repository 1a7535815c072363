import type { ReadTx, Table } from '../../store/store.ts'
import { fail } from './operation.ts'
import { Group, InstanceProfiles, Policy, Role, User } from './records.ts'

/** What an account may hold, at AWS's defaults (IAM user guide, "IAM and AWS STS quotas"). */
export const quotas = {
  UsersPerAccount: 5000,
  GroupsPerAccount: 300,
  RolesPerAccount: 1000,
  PoliciesPerAccount: 1500,
  InstanceProfilesPerAccount: 1000,
} as const

const tables: Readonly<Record<keyof typeof quotas, Table<never>>> = {
  UsersPerAccount: User as Table<never>,
  GroupsPerAccount: Group as Table<never>,
  RolesPerAccount: Role as Table<never>,
  PoliciesPerAccount: Policy as Table<never>,
  InstanceProfilesPerAccount: InstanceProfiles as Table<never>,
}

/** To be asked before one more is made. Throws LimitExceeded. */
export const checkQuota = async (tx: ReadTx, name: keyof typeof quotas): Promise<void> => {
  const rows = await tx.list(tables[name], { limit: quotas[name] })
  if (rows.length >= quotas[name])
    throw fail('LimitExceededException', `Cannot exceed quota for ${name}: ${quotas[name]}`)
}
