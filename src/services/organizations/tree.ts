import type { TargetType } from '@aws-sdk/client-organizations'
import type { ReadTx } from '../../store/store.ts'
import { accountArn, rootArn, unitArn } from './ids.ts'
import { fail } from './operation.ts'
import { type AccountRecord, Accounts, type OrganizationRecord, type UnitRecord, Units } from './records.ts'

/** A root, unit or account of an organization: what policies are attached to. */
export type Node = { readonly id: string; readonly arn: string; readonly name: string; readonly type: TargetType }

export type Member = AccountRecord & Required<Pick<AccountRecord, 'joined'>>

export const findUnit = async (
  tx: ReadTx,
  { id }: OrganizationRecord,
  unit: string,
): Promise<UnitRecord | undefined> => {
  const found = await tx.get(Units, unit)
  return found?.organization === id ? found : undefined
}

/** Throws OrganizationalUnitNotFoundException. */
export const getUnit = async (tx: ReadTx, organization: OrganizationRecord, unit: string): Promise<UnitRecord> => {
  const found = await findUnit(tx, organization, unit)
  if (!found)
    throw fail('OrganizationalUnitNotFoundException', "You specified an organizational unit that doesn't exist.")
  return found
}

export const findMember = async (
  tx: ReadTx,
  { id }: OrganizationRecord,
  account: string,
): Promise<Member | undefined> => {
  const found = await tx.get(Accounts, account)
  return found?.joined?.organization === id ? { ...found, joined: found.joined } : undefined
}

/** Throws AccountNotFoundException. */
export const getMember = async (tx: ReadTx, organization: OrganizationRecord, account: string): Promise<Member> => {
  const found = await findMember(tx, organization, account)
  if (!found) throw fail('AccountNotFoundException', "You specified an account that doesn't exist.")
  return found
}

const joinedOf = (accounts: readonly AccountRecord[]): Member[] =>
  accounts.flatMap((account) => (account.joined ? [{ ...account, joined: account.joined }] : []))

export const membersOf = async (tx: ReadTx, { id }: OrganizationRecord): Promise<Member[]> =>
  joinedOf(await tx.list(Accounts, { index: 'organization', equals: id }))

/** Accounts that are in this root or unit itself. */
export const membersIn = async (tx: ReadTx, parent: string): Promise<Member[]> =>
  joinedOf(await tx.list(Accounts, { index: 'parent', equals: parent }))

/** `undefined`: the organization has no such root, unit or account. */
export const findNode = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<Node | undefined> => {
  if (id === organization.root) return { id, arn: rootArn(organization), name: 'Root', type: 'ROOT' }
  if (id.startsWith('ou-')) {
    const unit = await findUnit(tx, organization, id)
    return unit && { id, arn: unitArn(organization, id), name: unit.name, type: 'ORGANIZATIONAL_UNIT' }
  }
  const account = await findMember(tx, organization, id)
  return account && { id, arn: accountArn(organization, id), name: account.name, type: 'ACCOUNT' }
}

/** Throws TargetNotFoundException. */
export const getTarget = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<Node> => {
  const found = await findNode(tx, organization, id)
  if (!found) throw fail('TargetNotFoundException', "You specified a target that doesn't exist.")
  return found
}

/** Whether accounts and units may be in it: a root or unit of the organization. */
export const isParent = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<boolean> =>
  id === organization.root || (await findUnit(tx, organization, id)) !== undefined

/** Throws ParentNotFoundException. */
export const checkParent = async (tx: ReadTx, organization: OrganizationRecord, id: string): Promise<void> => {
  if (!(await isParent(tx, organization, id)))
    throw fail('ParentNotFoundException', "You specified a parent that doesn't exist.")
}

/** Ids from the root down to this root or unit. */
export const chainTo = async (tx: ReadTx, organization: OrganizationRecord, parent: string): Promise<string[]> => {
  const chain: string[] = []
  for (let at = parent; at !== organization.root; ) {
    chain.unshift(at)
    at = (await findUnit(tx, organization, at))?.parent ?? organization.root
  }
  return [organization.root, ...chain]
}

/** `o-exampleorgid/r-root/ou-unit/`: how AWS writes where something is. */
export const pathOf = ({ id }: OrganizationRecord, chain: readonly string[]): string => `${[id, ...chain].join('/')}/`
