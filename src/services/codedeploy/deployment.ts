import { type ReadTx, table } from '../../store/store.ts'
import type { AutoRollback } from './deployment-groups.ts'
import { fail } from './operation.ts'
import type { Revision } from './revisions.ts'

export type DeploymentStatus = 'Created' | 'Queued' | 'InProgress' | 'Succeeded' | 'Failed' | 'Stopped'
export type ErrorCode =
  | 'APPLICATION_MISSING'
  | 'DEPLOYMENT_GROUP_MISSING'
  | 'HEALTH_CONSTRAINTS'
  | 'HEALTH_CONSTRAINTS_INVALID'
  | 'NO_INSTANCES'
  | 'IAM_ROLE_MISSING'
  | 'IAM_ROLE_PERMISSIONS'
  | 'REVISION_MISSING'
  | 'MANUAL_STOP'

/** A deployment. Times in epoch milliseconds. */
export type Deployment = {
  readonly id: string
  readonly application: string
  readonly group: string
  readonly groupId: string
  readonly config: string
  readonly serviceRoleArn: string
  readonly revision: Revision
  readonly previousRevision?: Revision
  readonly status: DeploymentStatus
  readonly error?: { readonly code: ErrorCode; readonly message: string }
  readonly created: number
  readonly started?: number
  readonly completed?: number
  readonly description?: string
  readonly creator: 'user' | 'codeDeployRollback'
  readonly ignoreStopFailures: boolean
  readonly fileExists: 'DISALLOW' | 'OVERWRITE' | 'RETAIN'
  readonly autoRollback: AutoRollback
  readonly rollback?: { readonly deploymentId?: string; readonly triggeringId?: string; readonly message: string }
  /** Somebody asked to stop it; `rollback` if it is to be rolled back for that. */
  readonly stop?: { readonly rollback: boolean }
  /** How many instances must stay healthy, once they are counted. */
  readonly healthyMinimum?: number
}
export const Deployment = table<Deployment>('codedeploy.deployment', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    created: ({ created, id }) => `${String(created).padStart(15, '0')} ${id}`,
    group: ({ groupId }) => groupId,
  },
})

/** Whether it has yet to come to its end. */
export const unfinished = ({ status }: Pick<Deployment, 'status'>): boolean =>
  status === 'Created' || status === 'Queued' || status === 'InProgress'

/** Throws InvalidDeploymentIdException for what is no id, DeploymentDoesNotExistException. */
export const getDeployment = async (tx: ReadTx, id: string): Promise<Deployment> => {
  if (!/^d-[A-Z0-9]{9}$/.test(id)) throw fail('InvalidDeploymentIdException', `Deployment Id is not valid: ${id}`)
  const deployment = await tx.get(Deployment, id)
  if (!deployment) throw fail('DeploymentDoesNotExistException', `The deployment ${id} could not be found`)
  return deployment
}
