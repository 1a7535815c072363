import { type ReadTx, table, type WriteTx } from '../../store/store.ts'
import { type Revision, sameRevision } from './revisions.ts'
import { goesThrough, installing, type Target } from './target.ts'

/** Which revision of a deployment group a machine has, as far as deployments left it in a good state. */
type Installed = { readonly groupId: string; readonly instanceId: string; readonly revision: Revision }
export const Installed = table<Installed>('codedeploy.installed', {
  scope: 'region',
  key: ({ groupId, instanceId }) => `${groupId}/${instanceId}`,
})

/** Notes what a deployment left on a machine: its revision, or nobody knows what. */
export const noteInstalled = (
  tx: WriteTx,
  { groupId, revision }: { readonly groupId: string; readonly revision: Revision },
  target: Target,
): void => {
  if (!goesThrough(target, installing)) return
  const { instanceId, status } = target
  if (status === 'Succeeded' || status === 'Ready') tx.put(Installed, { groupId, instanceId, revision })
  else if (status === 'Failed') tx.delete(Installed, `${groupId}/${instanceId}`)
}

/** Whether a machine does not have this revision of a group ("outdated"). */
export const isOutdated = async (
  tx: ReadTx,
  { groupId, revision }: { readonly groupId: string; readonly revision: Revision },
  instanceId: string,
): Promise<boolean> => {
  const found = await tx.get(Installed, `${groupId}/${instanceId}`)
  return !found || !sameRevision(found.revision, revision)
}
