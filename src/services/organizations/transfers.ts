import { asManagement } from './caller.ts'
import { openHandshake, toHandshake } from './handshake.ts'
import { newId } from './ids.ts'
import { fail, handshakeViolates, invalid, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { Transfers } from './records.ts'
import { withTags } from './tags.ts'
import { getTransfer, isUnderWay, toTransfer } from './transfer.ts'

const day = 86_400_000

const monthOf = (time: number, offset = 0): number => {
  const date = new Date(time)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1)
}
/** The last millisecond of a month. */
const endOfMonth = (time: number): number => monthOf(time, 1) - 1
/** Clients that know only seconds name the last one. */
const second = (time: number): number => Math.floor(time / 1000)

/** A transfer begins with a month, and is accepted a day before ("Sending invitations"). Throws InvalidInputException. */
const checkStart = (start: number, now: number) => {
  if (Number.isNaN(start)) throw invalid('INVALID_START_DATE', 'You specified a start date that is not valid.')
  if (start % day !== 0)
    throw invalid('START_DATE_NOT_BEGINNING_OF_DAY', 'The start date must be at the beginning of a day.')
  if (start !== monthOf(start))
    throw invalid('START_DATE_NOT_BEGINNING_OF_MONTH', 'The start date must be at the beginning of a month.')
  if (start <= now + day) throw invalid('START_DATE_TOO_EARLY', 'The start date is too early.')
}

/** Asks another organization's management account to let this one manage its bills. */
export const InviteOrganizationToTransferResponsibility: Operation<'InviteOrganizationToTransferResponsibility'> = (
  ctx,
  { Target, Notes, StartTimestamp, SourceName, Tags },
) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    if (Target.Type === 'ORGANIZATION')
      throw invalid('INVALID_PARTY_TYPE_TARGET', 'You specified a party type that is not valid for this operation.')
    if (Target.Type === 'ACCOUNT' && !/^\d{12}$/.test(Target.Id))
      throw invalid('INVALID_PATTERN_TARGET_ID', 'You specified an account ID that is not valid.')
    if (Target.Type === 'EMAIL' && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(Target.Id))
      throw invalid('INVALID_EMAIL_ADDRESS_TARGET', 'You specified an email address that is not valid.')
    if (Target.Id === ctx.account)
      throw handshakeViolates('SOURCE_AND_TARGET_CANNOT_MATCH', 'You cannot send a transfer invitation to yourself.')
    const start = StartTimestamp.getTime()
    checkStart(start, ctx.now().getTime())
    const asked = { type: Target.Type, id: Target.Id }
    const inbound = await tx.list(Transfers, { index: 'target', equals: ctx.account })
    if (inbound.some((one) => isUnderWay(one) && one.asked.id.toLowerCase() === asked.id.toLowerCase()))
      throw fail('DuplicateHandshakeException', 'A transfer invitation to the specified account already exists.')
    const id = newId.transfer(ctx)
    const opened = openHandshake(tx, ctx, {
      action: 'TRANSFER_RESPONSIBILITY',
      organization: organization.id,
      sender: ctx.account,
      recipient: asked,
      state: 'REQUESTED',
      tags: {},
      transfer: id,
      until: start - day,
      ...(Notes === undefined ? {} : { notes: Notes }),
    })
    tx.put(Transfers, {
      id,
      name: SourceName,
      status: 'REQUESTED',
      asked,
      ...(asked.type === 'ACCOUNT' ? { source: asked.id } : {}),
      target: ctx.account,
      organization: organization.id,
      start,
      handshake: opened.id,
      tags: withTags({}, Tags),
    })
    return { Handshake: await toHandshake(tx, opened) }
  })

export const DescribeResponsibilityTransfer: Operation<'DescribeResponsibilityTransfer'> = (ctx, { Id }) =>
  ctx.read(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const transfer = await getTransfer(tx, ctx.account, Id)
    return { ResponsibilityTransfer: await toTransfer(tx, ctx, organization, transfer) }
  })

export const ListInboundResponsibilityTransfers: Operation<'ListInboundResponsibilityTransfers'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const inbound = await tx.list(Transfers, { index: 'target', equals: ctx.account })
    const kept = inbound.filter(({ id }) => input.Id === undefined || id === input.Id)
    if (input.Id !== undefined && kept.length === 0)
      throw fail('ResponsibilityTransferNotFoundException', "You specified a transfer that doesn't exist.")
    const { page, NextToken } = pageOf(kept, ({ id }) => id, input)
    return {
      ResponsibilityTransfers: await Promise.all(page.map((one) => toTransfer(tx, ctx, organization, one))),
      NextToken,
    }
  })

export const ListOutboundResponsibilityTransfers: Operation<'ListOutboundResponsibilityTransfers'> = (ctx, input) =>
  ctx.read(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const outbound = await tx.list(Transfers, { index: 'source', equals: ctx.account })
    const { page, NextToken } = pageOf(outbound, ({ id }) => id, input)
    return {
      ResponsibilityTransfers: await Promise.all(page.map((one) => toTransfer(tx, ctx, organization, one))),
      NextToken,
    }
  })

/** Only who gave the name changes it. */
export const UpdateResponsibilityTransfer: Operation<'UpdateResponsibilityTransfer'> = (ctx, { Id, Name }) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const transfer = await getTransfer(tx, ctx.account, Id)
    if (transfer.target !== ctx.account)
      throw invalid(
        'UNSUPPORTED_ACTION_IN_RESPONSIBILITY_TRANSFER',
        'You can only perform this operation on an inbound transfer.',
      )
    const renamed = tx.put(Transfers, { ...transfer, name: Name })
    return { ResponsibilityTransfer: await toTransfer(tx, ctx, organization, renamed) }
  })

/** Either side ends it, with the end of a month; this month's unless told ("Withdrawing transfers"). */
export const TerminateResponsibilityTransfer: Operation<'TerminateResponsibilityTransfer'> = (
  ctx,
  { Id, EndTimestamp },
) =>
  ctx.write(async (tx) => {
    const organization = await asManagement(tx, ctx)
    const transfer = await getTransfer(tx, ctx.account, Id)
    if (transfer.status === 'WITHDRAWN')
      throw fail('ResponsibilityTransferAlreadyInStatusException', 'The specified transfer is already withdrawn.')
    if (transfer.status !== 'ACCEPTED')
      throw fail(
        'InvalidResponsibilityTransferTransitionException',
        `You can't withdraw a transfer whose status is ${transfer.status}.`,
      )
    const now = ctx.now().getTime()
    const end = EndTimestamp?.getTime() ?? endOfMonth(Math.max(now, transfer.start))
    if (Number.isNaN(end)) throw invalid('INVALID_END_DATE', 'You specified an end date that is not valid.')
    if (second(end) !== second(endOfMonth(end)))
      throw invalid('END_DATE_NOT_END_OF_MONTH', 'The end date must be at the end of a month.')
    if (end < now || end < transfer.start) throw invalid('END_DATE_TOO_EARLY', 'The end date is too early.')
    const withdrawn = tx.put(Transfers, { ...transfer, status: 'WITHDRAWN', end })
    return { ResponsibilityTransfer: await toTransfer(tx, ctx, organization, withdrawn) }
  })
