import type { Handshake, HandshakeResource, HandshakeState } from '@aws-sdk/client-organizations'
import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { handshakeArn, newId, unnamed } from './ids.ts'
import { Accounts, change, type HandshakeRecord, Handshakes, Organizations, Transfers } from './records.ts'

const day = 86_400_000
/** How long a recipient may take, and how long an ended handshake is shown ("Quotas and service limits"). */
const lasts = {
  INVITE: 15 * day,
  ENABLE_ALL_FEATURES: 90 * day,
  APPROVE_ALL_FEATURES: 90 * day,
  TRANSFER_RESPONSIBILITY: 15 * day,
}
const shown = 30 * day

export const isPending = ({ state }: HandshakeRecord): boolean => state === 'REQUESTED' || state === 'OPEN'

type Asked = Omit<HandshakeRecord, 'id' | 'requested' | 'expires' | 'ended'> & { readonly until?: number }

export const openHandshake = (tx: WriteTx, ctx: Ctx, { until, ...asked }: Asked): HandshakeRecord => {
  const requested = ctx.now().getTime()
  const expires = Math.min(requested + lasts[asked.action], until ?? Number.POSITIVE_INFINITY)
  const handshake = tx.put(Handshakes, { ...asked, id: newId.handshake(ctx), requested, expires })
  tx.wake(expiry.name, handshake.id, { in: expires - requested })
  return handshake
}

/** Ends a handshake, with what it was about. */
export const closeHandshake = (
  tx: WriteTx,
  ctx: Ctx,
  handshake: HandshakeRecord,
  state: Extract<HandshakeState, 'CANCELED' | 'ACCEPTED' | 'DECLINED' | 'EXPIRED'>,
): HandshakeRecord => {
  tx.wake(expiry.name, handshake.id, { in: shown })
  return tx.put(Handshakes, { ...handshake, state, ended: ctx.now().getTime() })
}

/** What asks for the same end as another: transfers end unbegun, children with their parent. */
export const endWith = async (
  tx: WriteTx,
  ctx: Ctx,
  handshake: HandshakeRecord,
  state: 'CANCELED' | 'DECLINED' | 'EXPIRED',
): Promise<void> => {
  const transfer = handshake.transfer === undefined ? undefined : await tx.get(Transfers, handshake.transfer)
  if (transfer) tx.put(Transfers, { ...transfer, status: state })
  for (const child of await tx.list(Handshakes, { index: 'parent', equals: handshake.id }))
    if (isPending(child)) closeHandshake(tx, ctx, child, state === 'DECLINED' ? 'CANCELED' : state)
}

/** Handshakes that nobody answers expire; those that ended are forgotten after a while. */
export const expiry: Reconciler = {
  name: 'organizations.handshake',
  step: (ctx, id) =>
    change(ctx, async (tx) => {
      const handshake = await tx.get(Handshakes, id)
      if (!handshake) return done()
      const now = ctx.now().getTime()
      const { ended, expires } = handshake
      if (ended !== undefined) {
        if (now < ended + shown) return again({ in: ended + shown - now })
        tx.delete(Handshakes, id)
        return done()
      }
      if (now < expires) return again({ in: expires - now })
      closeHandshake(tx, ctx, handshake, 'EXPIRED')
      await endWith(tx, ctx, handshake, 'EXPIRED')
      return again({ in: shown })
    }),
}

const resourcesOf = async (tx: ReadTx, handshake: HandshakeRecord): Promise<HandshakeResource[]> => {
  const { organization, sender, recipient, notes, parent, transfer } = handshake
  const { email, name } = (await tx.get(Accounts, sender)) ?? unnamed(sender)
  const answers: HandshakeResource[] = [
    ...(recipient ? [{ Type: recipient.type, Value: recipient.id }] : []),
    ...(notes === undefined ? [] : [{ Type: 'NOTES' as const, Value: notes }]),
    ...(parent === undefined ? [] : [{ Type: 'PARENT_HANDSHAKE' as const, Value: parent }]),
  ]
  const about = transfer === undefined ? undefined : await tx.get(Transfers, transfer)
  if (about)
    return [
      {
        Type: 'RESPONSIBILITY_TRANSFER',
        Value: about.id,
        Resources: [
          { Type: 'TRANSFER_TYPE', Value: 'BILLING' },
          { Type: 'TRANSFER_START_TIMESTAMP', Value: new Date(about.start).toISOString() },
        ],
      },
      {
        Type: 'MANAGEMENT_ACCOUNT',
        Value: sender,
        Resources: [
          { Type: 'MANAGEMENT_EMAIL', Value: email },
          { Type: 'MANAGEMENT_NAME', Value: name },
        ],
      },
      ...answers,
    ]
  const featureSet = (await tx.get(Organizations, organization))?.featureSet
  return [
    {
      Type: 'ORGANIZATION',
      Value: organization,
      Resources: [
        { Type: 'MASTER_EMAIL', Value: email },
        { Type: 'MASTER_NAME', Value: name },
        ...(featureSet ? [{ Type: 'ORGANIZATION_FEATURE_SET' as const, Value: featureSet }] : []),
      ],
    },
    ...answers,
  ]
}

export const toHandshake = async (tx: ReadTx, handshake: HandshakeRecord): Promise<Handshake> => ({
  Id: handshake.id,
  Arn: handshakeArn(handshake),
  Parties: [
    { Type: 'ORGANIZATION', Id: handshake.organization },
    ...(handshake.recipient ? [{ Type: handshake.recipient.type, Id: handshake.recipient.id }] : []),
  ],
  State: handshake.state,
  RequestedTimestamp: new Date(handshake.requested),
  ExpirationTimestamp: new Date(handshake.expires),
  Action: handshake.action,
  Resources: await resourcesOf(tx, handshake),
})
