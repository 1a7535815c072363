import type { Ctx } from '../../kernel/context.ts'
import type { WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { part } from './accounts.ts'
import { asManagement } from './caller.ts'
import { settleFeatures } from './features.ts'
import { fail, type Operation, violates } from './operation.ts'
import { Accounts, change, Organizations } from './records.ts'
import { recordServiceEvent, type ServiceEvent } from './service-event.ts'
import { getMember, membersOf } from './tree.ts'

const day = 86_400_000
/** How long a closed account stays in its organization and could be reopened. */
const graceDays = 90
/** How many may be closed within 30 days: the higher of 250 or 20% of the members, at most 1,000 ("CloseAccount"). */
const quotaOf = (members: number) => Math.min(1000, Math.max(250, Math.floor(members / 5)))

/**
 * The account is closed a moment later. Errors: AccountNotFoundException, AccountAlreadyClosedException,
 * ConflictException, ConstraintViolationException.
 */
export const CloseAccount: Operation<'CloseAccount'> = (ctx, { AccountId }) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    if (organization.featureSet !== 'ALL')
      throw violates(
        'ORGANIZATION_NOT_IN_ALL_FEATURES_MODE',
        'To perform this operation, the organization must support all features.',
      )
    const member = await getMember(tx, organization, AccountId)
    if (AccountId === organization.management)
      throw violates('CANNOT_CLOSE_MANAGEMENT_ACCOUNT', 'You attempted to close the management account.')
    if (member.state === 'CLOSED')
      throw fail('AccountAlreadyClosedException', 'You attempted to close an account that is already closed.')
    if (member.state === 'PENDING_CLOSURE')
      throw fail('ConflictException', 'The request to close the account is already in progress.')
    const now = ctx.now().getTime()
    const members = await membersOf(tx, organization)
    const recently = members.filter(({ closed }) => closed !== undefined && closed > now - 30 * day)
    if (recently.length >= quotaOf(members.length))
      throw violates('CLOSE_ACCOUNT_QUOTA_EXCEEDED', 'You have exceeded close account quota for the past 30 days.')
    tx.put(Accounts, { ...member, state: 'PENDING_CLOSURE', closed: now, closing: ctx.newId() })
    tx.wake(closer.name, AccountId)
    return {}
  })

const eventOf = (id: string, account: string, management: string, closed: number): ServiceEvent => ({
  id,
  account: management,
  name: 'CloseAccountResult',
  time: closed,
  details: {
    closeAccountStatus: {
      accountId: account,
      state: 'SUCCEEDED',
      requestedTimestamp: new Date(closed).toISOString(),
      completedTimestamp: new Date(closed).toISOString(),
    },
  },
})

const close = async (tx: WriteTx, ctx: Ctx, id: string): Promise<void> => {
  const account = await tx.get(Accounts, id)
  const organization = account?.joined && (await tx.get(Organizations, account.joined.organization))
  if (account?.state !== 'PENDING_CLOSURE' || !organization) return
  const { closing: _done, ...closed } = account
  tx.put(Accounts, { ...closed, state: 'CLOSED' })
  await settleFeatures(tx, ctx, organization, id)
}

/** Closes accounts, and takes them out of their organizations when nobody can reopen them any more. */
export const closer: Reconciler = {
  name: 'organizations.closure',
  step: async (ctx, id) => {
    const { account, organization } = await ctx.read(async (tx) => {
      const account = await tx.get(Accounts, id)
      return { account, organization: account?.joined && (await tx.get(Organizations, account.joined.organization)) }
    })
    if (account?.closing !== undefined && organization) {
      await recordServiceEvent(ctx, eventOf(account.closing, id, organization.management, account.closed ?? 0))
      await change(ctx, (tx) => close(tx, ctx, id))
    }
    return change(ctx, async (tx) => {
      const account = await tx.get(Accounts, id)
      if (account?.state !== 'CLOSED' || !account.joined) return done()
      const due = (account.closed ?? 0) + graceDays * day
      const now = ctx.now().getTime()
      if (now < due) return again({ in: due - now })
      await part(tx, { ...account, joined: { ...account.joined, administers: {} } })
      return done()
    })
  },
}
