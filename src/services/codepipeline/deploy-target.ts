import { type ReadTx, table } from '../../store/store.ts'

import type { Plan } from './actions/ec2-plan.ts'

// EC2 deployments: what each does, its machines, and how far each of them is.

export type DeployStep = 'AfterDeploy' | 'BeforeDeploy' | 'Deploy'
export const deploySteps: readonly DeployStep[] = ['BeforeDeploy', 'Deploy', 'AfterDeploy']

export type TargetEvent = {
  readonly name: DeployStep
  readonly status: 'Failed' | 'InProgress' | 'Succeeded'
  /** Milliseconds since the epoch. */
  readonly started: number
  readonly ended?: number
  readonly command?: string
  readonly message?: string
}

export type TargetRecord = {
  /** The action execution's id. */
  readonly action: string
  readonly instanceId: string
  /** `pipeline/stage/action bucket/key`: whoever succeeded with this is not deployed to again. */
  readonly work: string
  readonly status: 'Failed' | 'InProgress' | 'Pending' | 'Skipped' | 'Succeeded'
  readonly started?: number
  readonly ended?: number
  readonly events: readonly TargetEvent[]
}

export const Target = table<TargetRecord>('codepipeline.deploy-target', {
  scope: 'region',
  key: ({ action, instanceId }) => `${action}/${instanceId}`,
  index: {
    work: ({ work }) => work,
    /** Commands that are waited for. */
    command: ({ events }) => events.find(({ status }) => status === 'InProgress')?.command,
  },
})

/** What an action execution does on each machine: its deploy spec is read once. */
export const DeployPlan = table<{ readonly action: string; readonly plan: Plan }>('codepipeline.deploy-plan', {
  scope: 'region',
  key: ({ action }) => action,
})

export const targetsOf = (tx: ReadTx, action: string): Promise<TargetRecord[]> =>
  tx.list(Target, { prefix: `${action}/` })
