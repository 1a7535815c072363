import { type ReadTx, table } from '../../store/store.ts'

// Machines of an EC2 deployment, and how far each is.

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

export const targetsOf = (tx: ReadTx, action: string): Promise<TargetRecord[]> =>
  tx.list(Target, { prefix: `${action}/` })
