import type { Account } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { attachManaged, detachAll } from './attachments.ts'
import { asManagement, asMember, asReader, isAdministrator } from './caller.ts'
import { settleFeatures } from './features.ts'
import { accountArn, unnamed } from './ids.ts'
import { fail, type Operation, violates } from './operation.ts'
import { pageOf } from './page.ts'
import { type AccountRecord, Accounts, change, type Joined, type OrganizationRecord, type Tags } from './records.ts'
import { chainTo, checkParent, getMember, isParent, type Member, membersIn, membersOf, pathOf } from './tree.ts'

const day = 86_400_000
/** A created account stays this long at least ("RemoveAccountFromOrganization"). */
const waitPeriod = 4 * day

/** Accounts of an organization, invitations included: the highest quota that AWS grants without asking for more. */
export const mostAccounts = 10_000

const statuses = { ACTIVE: 'ACTIVE', PENDING_CLOSURE: 'PENDING_CLOSURE', CLOSED: 'SUSPENDED' } as const

/** What describing an account and an administrator share. */
export const toMember = (organization: OrganizationRecord, { id, email, name, state, joined }: Member) => ({
  Id: id,
  Arn: accountArn(organization, id),
  Email: email,
  Name: name,
  Status: statuses[state],
  State: state,
  JoinedMethod: joined.method,
  JoinedTimestamp: new Date(joined.at),
})

export const toAccount = async (tx: ReadTx, organization: OrganizationRecord, member: Member): Promise<Account> => ({
  ...toMember(organization, member),
  Paths: [pathOf(organization, [...(await chainTo(tx, organization, member.joined.parent)), member.id])],
})

/** An account that may never have been in an organization. */
export const accountOf = async (tx: ReadTx, ctx: Ctx, id: string): Promise<AccountRecord> =>
  (await tx.get(Accounts, id)) ?? { id, ...unnamed(id), created: ctx.now().getTime(), state: 'ACTIVE' }

/** Makes an account a member, below the root and under the policies that everything has. */
export const join = async (
  tx: WriteTx,
  ctx: Ctx,
  organization: OrganizationRecord,
  account: AccountRecord,
  how: { readonly method: Joined['method']; readonly tags: Tags },
): Promise<void> => {
  tx.put(Accounts, {
    ...account,
    joined: {
      organization: organization.id,
      parent: organization.root,
      at: ctx.now().getTime(),
      method: how.method,
      tags: how.tags,
      administers: {},
    },
  })
  await attachManaged(tx, ctx, organization, account.id)
}

/** Its tags and policies stay behind. */
export const part = async (tx: WriteTx, { joined: _joined, ...account }: AccountRecord): Promise<void> => {
  await detachAll(tx, account.id)
  tx.put(Accounts, account)
}

export const DescribeAccount: Operation<'DescribeAccount'> = (ctx, { AccountId }) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    return { Account: await toAccount(tx, organization, await getMember(tx, organization, AccountId)) }
  })

const listed = async (
  tx: ReadTx,
  organization: OrganizationRecord,
  members: readonly Member[],
  asked: Parameters<typeof pageOf>[2],
) => {
  const { page, NextToken } = pageOf(members, ({ id }) => id, asked)
  return { Accounts: await Promise.all(page.map((member) => toAccount(tx, organization, member))), NextToken }
}

export const ListAccounts: Operation<'ListAccounts'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    return listed(tx, organization, await membersOf(tx, organization), input)
  })

export const ListAccountsForParent: Operation<'ListAccountsForParent'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asReader(tx, ctx)
    await checkParent(tx, organization, input.ParentId)
    return listed(tx, organization, await membersIn(tx, input.ParentId), input)
  })

/** Errors: AccountNotFoundException, SourceParentNotFoundException, DestinationParentNotFoundException, DuplicateAccountException. */
export const MoveAccount: Operation<'MoveAccount'> = (ctx, { AccountId, SourceParentId, DestinationParentId }) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    const member = await getMember(tx, organization, AccountId)
    if (!(await isParent(tx, organization, DestinationParentId)))
      throw fail('DestinationParentNotFoundException', "You specified a destination parent that doesn't exist.")
    if (member.joined.parent === DestinationParentId)
      throw fail('DuplicateAccountException', 'The account is already present in the specified destination.')
    if (member.joined.parent !== SourceParentId)
      throw fail('SourceParentNotFoundException', "You specified a source parent that doesn't exist.")
    tx.put(Accounts, { ...member, joined: { ...member.joined, parent: DestinationParentId } })
    return {}
  })

/** Both ways out of an organization: `member` goes. */
const leave = async (tx: WriteTx, ctx: Ctx, organization: OrganizationRecord, member: Member): Promise<void> => {
  if (member.id === organization.management)
    throw fail(
      'MasterCannotLeaveOrganizationException',
      "You can't remove a management account from an organization. If you want the management account to become a member account in another organization, you must first delete the current organization of the management account.",
    )
  if (isAdministrator(member))
    throw violates(
      'CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG',
      'You must first deregister this account as a delegated administrator.',
    )
  if (member.state !== 'ACTIVE')
    throw violates(
      'MEMBER_ACCOUNT_PAYMENT_INSTRUMENT_REQUIRED',
      'The member account is missing one or more of the prerequisites required to operate as a standalone account.',
    )
  if (member.joined.method === 'CREATED' && ctx.now().getTime() - member.created < waitPeriod)
    throw violates(
      'WAIT_PERIOD_ACTIVE',
      'This operation requires a wait period. You must wait until at least four days after the account was created.',
    )
  await part(tx, member)
  await settleFeatures(tx, ctx, organization, member.id)
}

export const RemoveAccountFromOrganization: Operation<'RemoveAccountFromOrganization'> = (ctx, { AccountId }) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    await leave(tx, ctx, organization, await getMember(tx, organization, AccountId))
    return {}
  })

export const LeaveOrganization: Operation<'LeaveOrganization'> = (ctx) =>
  change(ctx, async (tx) => {
    const { organization } = await asMember(tx, ctx)
    await leave(tx, ctx, organization, await getMember(tx, organization, ctx.account))
    return {}
  })
