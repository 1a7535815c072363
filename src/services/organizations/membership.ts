import { LRUCache } from 'lru-cache'
import type { Ctx } from '../../kernel/context.ts'
import type { Membership, Organization } from '../../kernel/organization.ts'
import type { AppliedPolicy, PolicyDocument } from '../../policy/policy.ts'
import type { Place, ReadTx } from '../../store/store.ts'
import { attachedTo } from './attachments.ts'
import { managedPolicyArn, policyArn } from './ids.ts'
import { findManaged } from './managed.ts'
import { findPolicy } from './policies.ts'
import { Accounts, type OrganizationRecord, Organizations, Revision } from './records.ts'
import { chainTo, pathOf } from './tree.ts'

const kinds = [
  { type: 'SERVICE_CONTROL_POLICY', kind: 'service-control' },
  { type: 'RESOURCE_CONTROL_POLICY', kind: 'resource-control' },
] as const

/**
 * Who is in which organization, and under which control policies, for every request. What was found is remembered until
 * the revision changes, which is looked up each time: changes act at once.
 */
export const organizationProvider = (at: (place: Place) => Ctx): Organization => {
  let ctx: Ctx | undefined
  const known = new LRUCache<string, { readonly revision: string; readonly membership: Membership | undefined }>({
    max: 2000,
  })
  const documents = new LRUCache<string, PolicyDocument>({ max: 2000 })

  /** The same text is the same object, so that it is compiled once. */
  const documentOf = (text: string): PolicyDocument => {
    const found = documents.get(text) ?? (JSON.parse(text) as PolicyDocument)
    documents.set(text, found)
    return found
  }

  const controlsAt = async (
    tx: ReadTx,
    organization: OrganizationRecord,
    levels: readonly string[],
  ): Promise<AppliedPolicy[]> => {
    const controls: AppliedPolicy[] = []
    for (const level of levels)
      for (const { type, kind } of kinds)
        for (const attachment of await attachedTo(tx, level, type)) {
          const policy = await findPolicy(tx, organization, attachment.policy)
          if (!policy) continue
          const id = findManaged(policy.id) ? managedPolicyArn(policy) : policyArn(organization, policy)
          controls.push({ kind, id, document: documentOf(policy.content), level })
        }
    return controls
  }

  const read = async (tx: ReadTx, id: string): Promise<Membership | undefined> => {
    const account = await tx.get(Accounts, id)
    const closed = account !== undefined && account.state === 'CLOSED'
    const organization = account?.joined && (await tx.get(Organizations, account.joined.organization))
    if (!account?.joined || !organization)
      return closed ? { id: '', path: '', management: false, controls: [], closed } : undefined
    const chain = await chainTo(tx, organization, account.joined.parent)
    return {
      id: organization.id,
      path: pathOf(organization, chain),
      management: organization.management === id,
      controls: organization.management === id ? [] : await controlsAt(tx, organization, [...chain, id]),
      ...(closed ? { closed } : {}),
    }
  }

  return {
    membershipOf: (account) => {
      ctx ??= at({ account: '', region: 'us-east-1' })
      return ctx.read(async (tx) => {
        const revision = (await tx.get(Revision, 'revision'))?.revision
        // Nothing has ever been organized.
        if (revision === undefined) return undefined
        const remembered = known.get(account)
        if (remembered?.revision === revision) return remembered.membership
        const membership = await read(tx, account)
        known.set(account, { revision, membership })
        return membership
      })
    },
  }
}
