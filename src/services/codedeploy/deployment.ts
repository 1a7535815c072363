import { type ReadTx, table } from '../../store/store.ts'
import type { Alarms } from './alarms.ts'
import { type BlueGreen, inPlace, type Style } from './blue-green.ts'
import type { Health } from './deployment-configs.ts'
import type { AutoRollback } from './deployment-groups.ts'
import { fail } from './operation.ts'
import type { Revision } from './revisions.ts'
import type { TagSet } from './tag-filters.ts'

export type DeploymentStatus = 'Created' | 'Queued' | 'InProgress' | 'Ready' | 'Succeeded' | 'Failed' | 'Stopped'
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
  | 'ALARM_ACTIVE'
  | 'TIMEOUT'

export type Phase =
  | 'install'
  /** The replacements have the revision; somebody is to look at them. */
  | 'ready'
  | 'allow'
  | 'block'
  /** The originals are done with; they live until their time is over. */
  | 'termination'

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
  readonly creator: 'user' | 'codeDeployRollback' | 'CodeDeployAutoUpdate'
  /** Only to machines that do not have the revision. */
  readonly outdatedOnly?: boolean
  /** The deployment after which instances were found that had come while it went on, and those that brought them up to date. */
  readonly autoUpdateRoot?: string
  readonly autoUpdates?: readonly string[]
  readonly ignoreStopFailures: boolean
  readonly fileExists: 'DISALLOW' | 'OVERWRITE' | 'RETAIN'
  readonly autoRollback: AutoRollback
  readonly rollback?: { readonly deploymentId?: string; readonly triggeringId?: string; readonly message: string }
  /** Somebody or an alarm (in words) stops it; `rollback` if it is to be rolled back for that. */
  readonly stop?: { readonly rollback: boolean; readonly alarm?: string }
  readonly alarms?: Alarms
  /** The alarms are those of this deployment and not its group's. */
  readonly ownAlarms?: boolean
  readonly style: Style
  readonly blueGreen?: BlueGreen
  /** The replacement instances of a blue/green deployment. */
  readonly replacements?: TagSet
  /** How many instances must stay healthy, as the configuration had it when the instances were counted. */
  readonly health?: Health
  /** Where it is since when; a deployment in place installs and no more. */
  readonly phase?: { readonly name: Phase; readonly since: number }
  /** Somebody said that it need not wait any longer: for the traffic to be rerouted, for the originals to be terminated. */
  readonly goOn?: { readonly ready?: boolean; readonly termination?: boolean }
}
export const Deployment = table<Deployment>('codedeploy.deployment', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    created: ({ created, id }) => `${String(created).padStart(15, '0')} ${id}`,
    group: ({ groupId }) => groupId,
  },
  version: 2,
  upgrade: (old) => {
    const { healthyMinimum: value = 0, ...rest } = old as Deployment & { healthyMinimum?: number }
    return { ...rest, style: inPlace, health: { hosts: { type: 'HOST_COUNT', value } } }
  },
})

/** Whether it has yet to come to its end. */
export const unfinished = ({ status }: Pick<Deployment, 'status'>): boolean =>
  status === 'Created' || status === 'Queued' || status === 'InProgress' || status === 'Ready'

/** Throws InvalidDeploymentIdException for what is no id. */
export const checkId = (id: string): void => {
  if (!/^d-[A-Z0-9]{9}$/.test(id)) throw fail('InvalidDeploymentIdException', `Deployment Id is not valid: ${id}`)
}

/** Throws InvalidDeploymentIdException for what is no id, DeploymentDoesNotExistException. */
export const getDeployment = async (tx: ReadTx, id: string): Promise<Deployment> => {
  checkId(id)
  const deployment = await tx.get(Deployment, id)
  if (!deployment) throw fail('DeploymentDoesNotExistException', `The deployment ${id} could not be found`)
  return deployment
}
