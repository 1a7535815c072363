import type { Ctx } from '../../kernel/context.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { asManagement } from './caller.ts'
import { closeHandshake, isPending, openHandshake, toHandshake } from './handshake.ts'
import { fail, handshakeViolates, type Operation } from './operation.ts'
import { change, type HandshakeRecord, Handshakes, type OrganizationRecord, Organizations } from './records.ts'
import { membersOf } from './tree.ts'

// From consolidated billing to all features: the management account asks, every invited account approves, the management
// account finishes ("Enabling all features in your organization", Organizations user guide).

/** The request under way, if there is one. */
export const pendingFeatures = async (tx: ReadTx, { id }: OrganizationRecord): Promise<HandshakeRecord | undefined> =>
  (await tx.list(Handshakes, { index: 'organization', equals: id })).find(
    (handshake) => handshake.action === 'ENABLE_ALL_FEATURES' && isPending(handshake),
  )

/** Invitations that are open end; accounts the organization created itself are not asked. */
export const EnableAllFeatures: Operation<'EnableAllFeatures'> = (ctx) =>
  change(ctx, async (tx) => {
    const organization = await asManagement(tx, ctx)
    if (organization.featureSet === 'ALL')
      throw handshakeViolates(
        'ORGANIZATION_ALREADY_HAS_ALL_FEATURES',
        'The organization already has all features enabled.',
      )
    if (await pendingFeatures(tx, organization))
      throw handshakeViolates(
        'ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION',
        'The organization has already started the process to enable all features.',
      )
    for (const handshake of await tx.list(Handshakes, { index: 'organization', equals: organization.id }))
      if (handshake.action === 'INVITE' && isPending(handshake)) closeHandshake(tx, ctx, handshake, 'CANCELED')
    const invited = (await membersOf(tx, organization)).filter(
      ({ id, joined, state }) => joined.method === 'INVITED' && state === 'ACTIVE' && id !== organization.management,
    )
    const shared = { organization: organization.id, sender: ctx.account, tags: {} }
    const parent = openHandshake(tx, ctx, {
      ...shared,
      action: 'ENABLE_ALL_FEATURES',
      state: invited.length > 0 ? 'REQUESTED' : 'OPEN',
    })
    for (const { id } of invited)
      openHandshake(tx, ctx, {
        ...shared,
        action: 'APPROVE_ALL_FEATURES',
        state: 'OPEN',
        recipient: { type: 'ACCOUNT', id },
        parent: parent.id,
      })
    return { Handshake: await toHandshake(tx, parent) }
  })

/** When every invited account has approved, the request can be finished. */
export const settleFeatures = async (
  tx: WriteTx,
  ctx: Ctx,
  organization: OrganizationRecord,
  gone?: string,
): Promise<void> => {
  const parent = await pendingFeatures(tx, organization)
  if (!parent) return
  let waiting = false
  for (const child of await tx.list(Handshakes, { index: 'parent', equals: parent.id })) {
    if (child.recipient?.id === gone) {
      if (isPending(child)) closeHandshake(tx, ctx, child, 'CANCELED')
    } else if (child.state !== 'ACCEPTED') waiting = true
  }
  tx.put(Handshakes, { ...parent, state: waiting ? 'REQUESTED' : 'OPEN' })
}

/** The management account's last word. Throws InvalidHandshakeTransitionException while approvals are missing. */
export const finishFeatures = (
  tx: WriteTx,
  ctx: Ctx,
  organization: OrganizationRecord,
  handshake: HandshakeRecord,
): HandshakeRecord => {
  if (handshake.state !== 'OPEN')
    throw fail(
      'InvalidHandshakeTransitionException',
      'All invited accounts must approve before you can finalize the request to enable all features.',
    )
  tx.put(Organizations, { ...organization, featureSet: 'ALL' })
  return closeHandshake(tx, ctx, handshake, 'ACCEPTED')
}
