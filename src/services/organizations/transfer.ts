import type { ResponsibilityTransfer } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { accountOf } from './accounts.ts'
import { asManagement } from './caller.ts'
import { transferArn } from './ids.ts'
import { fail, handshakeViolates, violates } from './operation.ts'
import { type HandshakeRecord, type OrganizationRecord, type TransferRecord, Transfers } from './records.ts'

// One management account takes over another's bills ("Transfer billing management to external accounts", AWS Billing
// user guide): `inbound` for the one that pays, `outbound` for the one whose bills they are.

export type Direction = 'inbound' | 'outbound'

/** Invited and not answered, or accepted and not over. */
export const isUnderWay = ({ status }: TransferRecord): boolean => status === 'REQUESTED' || status === 'ACCEPTED'

/** Both ways. */
export const transfersOf = async (tx: ReadTx, account: string): Promise<TransferRecord[]> => [
  ...(await tx.list(Transfers, { index: 'target', equals: account })),
  ...(await tx.list(Transfers, { index: 'source', equals: account })),
]

export const directionOf = ({ target }: TransferRecord, account: string): Direction =>
  target === account ? 'inbound' : 'outbound'

const participant = async (tx: ReadTx, ctx: Ctx, account: string) => ({
  ManagementAccountId: account,
  ManagementAccountEmail: (await accountOf(tx, ctx, account)).email,
})

export const toTransfer = async (
  tx: ReadTx,
  ctx: Ctx,
  organization: OrganizationRecord,
  transfer: TransferRecord,
): Promise<ResponsibilityTransfer> => ({
  Arn: transferArn(organization, directionOf(transfer, organization.management), transfer.id),
  Name: transfer.name,
  Id: transfer.id,
  Type: 'BILLING',
  Status: transfer.status,
  Source:
    transfer.source === undefined
      ? transfer.asked.type === 'EMAIL'
        ? { ManagementAccountEmail: transfer.asked.id }
        : { ManagementAccountId: transfer.asked.id }
      : await participant(tx, ctx, transfer.source),
  Target: await participant(tx, ctx, transfer.target),
  StartTimestamp: new Date(transfer.start),
  ...(transfer.end === undefined ? {} : { EndTimestamp: new Date(transfer.end) }),
  ...(transfer.status === 'REQUESTED' ? { ActiveHandshakeId: transfer.handshake } : {}),
})

/** Throws ResponsibilityTransferNotFoundException for what neither comes in nor goes out. */
export const getTransfer = async (tx: ReadTx, account: string, id: string): Promise<TransferRecord> => {
  const found = await tx.get(Transfers, id)
  if (!found || (found.target !== account && found.source !== account))
    throw fail('ResponsibilityTransferNotFoundException', "You specified a transfer that doesn't exist.")
  return found
}

/** The invited management account agrees. Errors: HandshakeConstraintViolationException, ConstraintViolationException. */
export const beginTransfer = async (tx: WriteTx, ctx: Ctx, { transfer: id = '' }: HandshakeRecord): Promise<void> => {
  const organization = await asManagement(tx, ctx)
  const transfer = await tx.get(Transfers, id)
  if (!transfer) throw fail('HandshakeNotFoundException', "You specified a handshake that doesn't exist.")
  if (transfer.target === ctx.account)
    throw handshakeViolates(
      'SOURCE_AND_TARGET_CANNOT_MATCH',
      "An account can't accept a transfer invitation if it is both the sender and recipient of the invitation.",
    )
  const outbound = await tx.list(Transfers, { index: 'source', equals: organization.management })
  if (outbound.some(({ status }) => status === 'ACCEPTED'))
    throw handshakeViolates(
      'RESPONSIBILITY_TRANSFER_ALREADY_EXISTS',
      'The organization already has a billing transfer.',
    )
  if (await wouldLoop(tx, transfer.target, ctx.account))
    throw violates(
      'RESPONSIBILITY_TRANSFER_MAX_LEVEL_VIOLATION',
      'You have exceeded the maximum length of your transfer chain.',
    )
  tx.put(Transfers, { ...transfer, status: 'ACCEPTED', source: ctx.account })
}

/** Whether `account` pays, through others, for who is to pay for it. */
const wouldLoop = async (tx: ReadTx, from: string, account: string): Promise<boolean> => {
  for (let at: string | undefined = from, steps = 0; at !== undefined && steps < 100; steps++) {
    if (at === account) return true
    const outbound: TransferRecord[] = await tx.list(Transfers, { index: 'source', equals: at })
    at = outbound.find(({ status }) => status === 'ACCEPTED')?.target
  }
  return false
}
