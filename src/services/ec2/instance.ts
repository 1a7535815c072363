import type { TaskHandle } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { type Place, type ReadTx, table } from '../../store/store.ts'
import { fail } from './operation.ts'

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped'

/** An instance. `wanted` is what its owner asked for last; the reconciler brings `state` there. */
export type Instance = {
  readonly id: string
  readonly reservationId: string
  readonly launchIndex: number
  readonly imageId: string
  readonly type: string
  readonly keyName?: string
  readonly subnetId: string
  readonly subnetCidr: string
  readonly vpcId: string
  readonly zone: string
  readonly networkInterfaceId: string
  readonly mac: string
  readonly privateIp: string
  /** It was launched to have a public address: every start takes one. */
  readonly hasPublicIp: boolean
  readonly publicIp?: string
  readonly groupIds: readonly string[]
  /** As the user gave it, base64. */
  readonly userData?: string
  readonly profile?: { readonly arn: string; readonly id: string; readonly associationId: string }
  readonly metadata: {
    readonly tokens: 'optional' | 'required'
    readonly endpoint: 'enabled' | 'disabled'
    readonly hopLimit: number
    readonly tags: 'enabled' | 'disabled'
  }
  readonly state: InstanceState
  readonly wanted: 'running' | 'stopped' | 'terminated'
  readonly transitionReason: string
  readonly stateReason?: { readonly code: string; readonly message: string }
  /** Epoch milliseconds; of the last start. */
  readonly launched: number
  /** Epoch milliseconds; when a terminated instance was terminated. */
  readonly ended?: number
  readonly clientToken?: string
  /** Of the request that launched it: the same client token must come with the same request. */
  readonly requestHash: string
  readonly disableApiTermination: boolean
  readonly disableApiStop: boolean
  readonly shutdownBehavior: 'stop' | 'terminate'
  readonly sourceDestCheck: boolean
  readonly monitoring: boolean
  readonly handle?: TaskHandle
  /** A reboot was asked for and has not been done yet. */
  readonly rebooting?: boolean
}

export const Instance = table<Instance>('ec2.instance', {
  scope: 'region',
  key: ({ id }) => id,
  index: {
    clientToken: ({ clientToken, launchIndex }) => (clientToken ? `${clientToken}\0${launchIndex}` : undefined),
    vpc: ({ vpcId }) => vpcId,
  },
})

/** Whose machine a compute task is: doors know tasks, not accounts. */
export const Machine = table<{ readonly task: string; readonly place: Place; readonly instanceId: string }>(
  'ec2.machine',
  {
    scope: 'global',
    key: ({ task }) => task,
  },
)

/** Public addresses in use, all accounts': host loopback addresses of 127.64.0.0/10. */
export const PublicAddress = table<{ readonly address: string; readonly instanceId: string }>('ec2.public-address', {
  scope: 'global',
  key: ({ address }) => address,
})

export const taskOf = (instanceId: string): string => `ec2-${instanceId}`

export const stateCodes: Record<InstanceState, number> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
}

export const toState = (state: InstanceState) => ({ Code: stateCodes[state], Name: state })

export const getInstance = async (tx: ReadTx, id: string): Promise<Instance> => {
  if (!/^i-[0-9a-f]{8}([0-9a-f]{9})?$/.test(id)) throw fail('InvalidInstanceID.Malformed', `Invalid id: "${id}"`)
  const instance = await tx.get(Instance, id)
  if (!instance) throw fail('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`)
  return instance
}

/** All of them, or the error that names those that do not exist. */
export const getInstances = async (tx: ReadTx, ids: readonly string[]): Promise<Instance[]> => {
  const found: Instance[] = []
  const missing: string[] = []
  for (const id of ids) {
    if (!/^i-[0-9a-f]{8}([0-9a-f]{9})?$/.test(id)) throw fail('InvalidInstanceID.Malformed', `Invalid id: "${id}"`)
    const instance = await tx.get(Instance, id)
    if (instance) found.push(instance)
    else missing.push(id)
  }
  if (missing.length === 1) throw fail('InvalidInstanceID.NotFound', `The instance ID '${missing[0]}' does not exist`)
  if (missing.length > 1)
    throw fail('InvalidInstanceID.NotFound', `The instance IDs '${missing.join(', ')}' do not exist`)
  return found
}

/** `GMT` time in the words of `StateTransitionReason`. */
export const userInitiated = (ctx: Ctx): string =>
  `User initiated (${ctx.now().toISOString().slice(0, 19).replace('T', ' ')} GMT)`
