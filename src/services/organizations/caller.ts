import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx } from '../../store/store.ts'
import { denied, fail } from './operation.ts'
import { type AccountRecord, Accounts, type OrganizationRecord, Organizations } from './records.ts'

// Who may call what, beyond IAM: each operation of the API reference says "only from the management account", "or a
// member account that is a delegated administrator", or "from any account in an organization".

export const organizationOf = async (tx: ReadTx, account: string): Promise<OrganizationRecord | undefined> => {
  const id = (await tx.get(Accounts, account))?.joined?.organization
  return id === undefined ? undefined : tx.get(Organizations, id)
}

const notInUse = () => fail('AWSOrganizationsNotInUseException', 'Your account is not a member of an organization.')

type Standing = { readonly organization: OrganizationRecord; readonly account: AccountRecord }

/** The caller's organization, of which it may be any member. Throws AWSOrganizationsNotInUseException. */
export const asMember = async (tx: ReadTx, ctx: Ctx): Promise<Standing> => {
  const account = await tx.get(Accounts, ctx.account)
  const organization = account?.joined && (await tx.get(Organizations, account.joined.organization))
  if (!account || !organization) throw notInUse()
  return { organization, account }
}

/** For the management account only. Throws AccessDeniedException. */
export const asManagement = async (tx: ReadTx, ctx: Ctx): Promise<OrganizationRecord> => {
  const { organization } = await asMember(tx, ctx)
  if (organization.management !== ctx.account) throw denied()
  return organization
}

/** A delegated administrator of any service may read; the kernel has asked the delegation policy where there is one. */
export const isAdministrator = ({ joined }: AccountRecord): boolean => Object.keys(joined?.administers ?? {}).length > 0

/** For the management account and those to whom its delegation policy gives the action. Throws AccessDeniedException. */
export const asDelegate = async (tx: ReadTx, ctx: Ctx): Promise<OrganizationRecord> => {
  const { organization } = await asMember(tx, ctx)
  if (organization.management !== ctx.account && !organization.delegation) throw denied()
  return organization
}

/** The same, and for delegated administrators: operations that read. Throws AccessDeniedException. */
export const asReader = async (tx: ReadTx, ctx: Ctx): Promise<OrganizationRecord> => {
  const { organization, account } = await asMember(tx, ctx)
  if (organization.management !== ctx.account && !organization.delegation && !isAdministrator(account)) throw denied()
  return organization
}
