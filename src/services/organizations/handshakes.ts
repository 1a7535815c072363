import type { HandshakeFilter } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { accountOf, join, mostAccounts } from './accounts.ts'
import { asManagement, asReader, organizationOf } from './caller.ts'
import { finishFeatures, pendingFeatures, settleFeatures } from './features.ts'
import { closeHandshake, endWith, isPending, openHandshake, toHandshake } from './handshake.ts'
import { makeLinkedRole } from './linked-role.ts'
import { denied, fail, handshakeViolates, invalid, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import {
  Accounts,
  change,
  type HandshakeRecord,
  Handshakes,
  type OrganizationRecord,
  Organizations,
} from './records.ts'
import { withTags } from './tags.ts'
import { beginTransfer } from './transfer.ts'
import { membersOf } from './tree.ts'

const getHandshake = async (tx: ReadTx, id: string): Promise<HandshakeRecord> => {
  const found = await tx.get(Handshakes, id)
  if (!found) throw fail('HandshakeNotFoundException', "You specified a handshake that doesn't exist.")
  return found
}

/** An account is asked by its number or its e-mail address; the organization itself only by its management account. */
const isRecipient = async (tx: ReadTx, ctx: Ctx, { recipient, sender }: HandshakeRecord): Promise<boolean> => {
  if (!recipient) return sender === ctx.account
  if (recipient.type === 'ACCOUNT') return recipient.id === ctx.account
  const { email } = await accountOf(tx, ctx, ctx.account)
  return recipient.id.toLowerCase() === email.toLowerCase()
}

/** A handshake that may go over to `state`. Throws HandshakeAlreadyInStateException, InvalidHandshakeTransitionException. */
const getPending = async (tx: ReadTx, id: string, state: HandshakeRecord['state']): Promise<HandshakeRecord> => {
  const handshake = await getHandshake(tx, id)
  if (handshake.state === state)
    throw fail('HandshakeAlreadyInStateException', `The specified handshake is already in the ${state} state.`)
  if (!isPending(handshake))
    throw fail(
      'InvalidHandshakeTransitionException',
      `You can't change the state of a handshake from ${handshake.state} to ${state}.`,
    )
  return handshake
}

const getReceived = async (tx: ReadTx, ctx: Ctx, id: string, state: 'ACCEPTED' | 'DECLINED') => {
  const handshake = await getHandshake(tx, id)
  if (!(await isRecipient(tx, ctx, handshake))) throw denied()
  return getPending(tx, id, state)
}

const alreadyIn = () =>
  handshakeViolates('ALREADY_IN_AN_ORGANIZATION', 'The account is already a member of an organization.')

/** Room for one more account, invitations that are open included. Throws HandshakeConstraintViolationException. */
const checkRoom = async (tx: ReadTx, organization: OrganizationRecord, more: number) => {
  const members = await membersOf(tx, organization)
  const open = (await tx.list(Handshakes, { index: 'organization', equals: organization.id })).filter(
    (handshake) => handshake.action === 'INVITE' && isPending(handshake),
  )
  if (members.length + open.length + more > mostAccounts)
    throw handshakeViolates(
      'ACCOUNT_NUMBER_LIMIT_EXCEEDED',
      'You have exceeded the number of accounts that you can have in your organization.',
    )
}

export const InviteAccountToOrganization: Operation<'InviteAccountToOrganization'> = (ctx, input) =>
  ctx.write(async (tx) => {
    const { Target, Notes, Tags } = input
    const organization = await asManagement(tx, ctx)
    if (Target.Type === 'ORGANIZATION')
      throw invalid('INVALID_PARTY_TYPE_TARGET', 'You specified a party type that is not valid for this operation.')
    if (Target.Type === 'ACCOUNT' && !/^\d{12}$/.test(Target.Id))
      throw invalid('INVALID_PATTERN_TARGET_ID', 'You specified an account ID that is not valid.')
    if (Target.Type === 'EMAIL' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(Target.Id))
      throw invalid('INVALID_EMAIL_ADDRESS_TARGET', 'You specified an email address that is not valid.')
    if (await pendingFeatures(tx, organization))
      throw handshakeViolates(
        'INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES',
        "You can't issue new invitations to join an organization while it's in the process of enabling all features.",
      )
    const recipient = { type: Target.Type, id: Target.Id }
    const accounts = await found(tx, ctx, recipient)
    if (accounts.some(({ joined }) => joined)) throw alreadyIn()
    const sent = await tx.list(Handshakes, { index: 'recipient', equals: recipient.id.toLowerCase() })
    if (sent.some((one) => one.action === 'INVITE' && one.organization === organization.id && isPending(one)))
      throw fail('DuplicateHandshakeException', 'An invitation to the specified account is already pending.')
    await checkRoom(tx, organization, 1)
    const handshake = openHandshake(tx, ctx, {
      action: 'INVITE',
      organization: organization.id,
      sender: ctx.account,
      recipient,
      state: 'OPEN',
      tags: withTags({}, Tags),
      ...(Notes === undefined ? {} : { notes: Notes }),
    })
    return { Handshake: await toHandshake(tx, handshake) }
  })

/** Accounts that this number or address stands for, as far as they are known. */
const found = (tx: ReadTx, ctx: Ctx, { type, id }: { type: 'ACCOUNT' | 'EMAIL'; id: string }) =>
  type === 'ACCOUNT'
    ? accountOf(tx, ctx, id).then((account) => [account])
    : tx.list(Accounts, { index: 'email', equals: id.toLowerCase() })

/** What accepting does, for each kind of handshake. */
const accept = async (tx: WriteTx, ctx: Ctx, handshake: HandshakeRecord): Promise<HandshakeRecord> => {
  const sender = await tx.get(Organizations, handshake.organization)
  if (!sender) throw fail('HandshakeNotFoundException', "You specified a handshake that doesn't exist.")
  switch (handshake.action) {
    case 'INVITE': {
      const account = await accountOf(tx, ctx, ctx.account)
      if (account.joined) throw alreadyIn()
      await checkRoom(tx, sender, 0)
      await join(tx, ctx, sender, account, { method: 'INVITED', tags: handshake.tags })
      return closeHandshake(tx, ctx, handshake, 'ACCEPTED')
    }
    case 'APPROVE_ALL_FEATURES': {
      const accepted = closeHandshake(tx, ctx, handshake, 'ACCEPTED')
      await settleFeatures(tx, ctx, sender)
      return accepted
    }
    case 'ENABLE_ALL_FEATURES':
      return finishFeatures(tx, ctx, sender, handshake)
    case 'TRANSFER_RESPONSIBILITY':
      await beginTransfer(tx, ctx, handshake)
      return closeHandshake(tx, ctx, handshake, 'ACCEPTED')
  }
}

/** An account that joins, or that agrees to all features, gets AWSServiceRoleForOrganizations under the caller's rights. */
export const AcceptHandshake: Operation<'AcceptHandshake'> = async (ctx, { HandshakeId }) => {
  const { action } = await ctx.read(async (tx) => {
    const handshake = await getReceived(tx, ctx, HandshakeId, 'ACCEPTED')
    if (handshake.action === 'INVITE' && (await organizationOf(tx, ctx.account))) throw alreadyIn()
    return handshake
  })
  if (action === 'INVITE' || action === 'APPROVE_ALL_FEATURES') await makeLinkedRole(ctx.as(ctx.principal))
  return change(ctx, async (tx) => {
    const handshake = await getReceived(tx, ctx, HandshakeId, 'ACCEPTED')
    return { Handshake: await toHandshake(tx, await accept(tx, ctx, handshake)) }
  })
}

export const DeclineHandshake: Operation<'DeclineHandshake'> = (ctx, { HandshakeId }) =>
  change(ctx, async (tx) => {
    const handshake = await getReceived(tx, ctx, HandshakeId, 'DECLINED')
    if (!handshake.recipient) throw denied()
    await endWith(tx, ctx, handshake, 'DECLINED')
    return { Handshake: await toHandshake(tx, closeHandshake(tx, ctx, handshake, 'DECLINED')) }
  })

export const CancelHandshake: Operation<'CancelHandshake'> = (ctx, { HandshakeId }) =>
  change(ctx, async (tx) => {
    const { sender } = await getHandshake(tx, HandshakeId)
    if (sender !== ctx.account) throw denied()
    const handshake = await getPending(tx, HandshakeId, 'CANCELED')
    await endWith(tx, ctx, handshake, 'CANCELED')
    return { Handshake: await toHandshake(tx, closeHandshake(tx, ctx, handshake, 'CANCELED')) }
  })

/** For both sides. */
export const DescribeHandshake: Operation<'DescribeHandshake'> = (ctx, { HandshakeId }) =>
  ctx.read(async (tx) => {
    const handshake = await getHandshake(tx, HandshakeId)
    if (!(await isRecipient(tx, ctx, handshake))) {
      const mine = await organizationOf(tx, ctx.account)
      if (mine?.id !== handshake.organization) throw denied()
      await asReader(tx, ctx)
    }
    return { Handshake: await toHandshake(tx, handshake) }
  })

const listed = async (
  tx: ReadTx,
  handshakes: readonly HandshakeRecord[],
  input: { readonly Filter?: HandshakeFilter | undefined } & Parameters<typeof pageOf>[2],
) => {
  const { ActionType, ParentHandshakeId } = input.Filter ?? {}
  if (ActionType !== undefined && ParentHandshakeId !== undefined)
    throw invalid('MAX_LIMIT_EXCEEDED_FILTER', 'You can specify only one filter.')
  const kept = handshakes.filter(
    ({ action, parent }) =>
      (ActionType === undefined || action === ActionType) &&
      (ParentHandshakeId === undefined || parent === ParentHandshakeId),
  )
  const { page, NextToken } = pageOf(kept, ({ id }) => id, input)
  return { Handshakes: await Promise.all(page.map((handshake) => toHandshake(tx, handshake))), NextToken }
}

/** What the account has received, whether it is in an organization or not. */
export const ListHandshakesForAccount: Operation<'ListHandshakesForAccount'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { id, email } = await accountOf(tx, ctx, ctx.account)
    const received = await Promise.all(
      [id, email.toLowerCase()].map((recipient) => tx.list(Handshakes, { index: 'recipient', equals: recipient })),
    )
    return listed(tx, received.flat(), input)
  })

/** What the organization has sent. */
export const ListHandshakesForOrganization: Operation<'ListHandshakesForOrganization'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const { id } = await asReader(tx, ctx)
    return listed(tx, await tx.list(Handshakes, { index: 'organization', equals: id }), input)
  })
