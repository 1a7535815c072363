import { fail, type Input } from './operation.ts'

// What a blue/green deployment is to do ("Create a deployment group for an EC2/On-Premises blue/green deployment").

/** How a group deploys. Traffic control comes with load balancers, and is refused until then. */
export type Style = {
  readonly type: 'IN_PLACE' | 'BLUE_GREEN'
}
export const inPlace: Style = { type: 'IN_PLACE' }

/** Minutes. */
export type BlueGreen = {
  /** Wait for ContinueDeployment before traffic is rerouted, and stop after so many minutes without it. */
  readonly readyWait?: number
  /** Terminate the original instances so many minutes after the traffic was rerouted; never unless told. */
  readonly terminateAfter?: number
}

/** "CodeDeploy quotas", user guide: 48 hours. */
const longestWait = 48 * 60

type Settings = Pick<Input<'CreateDeploymentGroup'>, 'blueGreenDeploymentConfiguration' | 'deploymentStyle'>

/** Reads a deployment style. Throws InvalidDeploymentStyleException. */
export const readStyle = (style: Settings['deploymentStyle']): Style | undefined => {
  const type = style?.deploymentType
  if (type === undefined) return undefined
  if (type !== 'IN_PLACE' && type !== 'BLUE_GREEN')
    throw fail(
      'InvalidDeploymentStyleException',
      'An invalid deployment style was specified. Valid deployment types are IN_PLACE and BLUE_GREEN.',
    )
  return { type }
}

const invalid = (message: string) => fail('InvalidBlueGreenDeploymentConfigurationException', message)

const readWait = (minutes: number | undefined, what: string): number => {
  const wait = minutes ?? 0
  if (!Number.isInteger(wait) || wait < 0 || wait > longestWait)
    throw invalid(`The ${what} must be between 0 and ${longestWait} minutes.`)
  return wait
}

/** Reads a blue/green configuration. Throws InvalidBlueGreenDeploymentConfigurationException. */
export const readBlueGreen = (configuration: Settings['blueGreenDeploymentConfiguration']): BlueGreen | undefined => {
  if (!configuration) return undefined
  const { terminateBlueInstancesOnDeploymentSuccess: end, deploymentReadyOption: ready } = configuration
  const provisioning = configuration.greenFleetProvisioningOption?.action ?? 'DISCOVER_EXISTING'
  if (provisioning === 'COPY_AUTO_SCALING_GROUP')
    throw invalid('COPY_AUTO_SCALING_GROUP comes with Auto Scaling; DISCOVER_EXISTING uses instances that are there.')
  if (provisioning !== 'DISCOVER_EXISTING')
    throw invalid(`There is no way to provision instances named ${provisioning}.`)
  const action = ready?.actionOnTimeout ?? 'CONTINUE_DEPLOYMENT'
  if (action !== 'CONTINUE_DEPLOYMENT' && action !== 'STOP_DEPLOYMENT')
    throw invalid(`The action when the replacement instances are ready is not valid: ${action}`)
  if (end?.action !== undefined && end.action !== 'TERMINATE' && end.action !== 'KEEP_ALIVE')
    throw invalid(`The action on the original instances is not valid: ${end.action}`)
  const readyWait = readWait(ready?.waitTimeInMinutes, 'wait time for rerouting')
  const terminateAfter = readWait(end?.terminationWaitTimeInMinutes, 'wait time before termination')
  return {
    ...(action === 'STOP_DEPLOYMENT' ? { readyWait } : {}),
    ...(end?.action === 'TERMINATE' ? { terminateAfter } : {}),
  }
}

export const toStyle = ({ type }: Style) => ({
  deploymentType: type,
  deploymentOption: 'WITHOUT_TRAFFIC_CONTROL' as const,
})

export const toBlueGreen = ({ readyWait, terminateAfter }: BlueGreen) => ({
  deploymentReadyOption:
    readyWait === undefined
      ? { actionOnTimeout: 'CONTINUE_DEPLOYMENT' as const, waitTimeInMinutes: 0 }
      : { actionOnTimeout: 'STOP_DEPLOYMENT' as const, waitTimeInMinutes: readyWait },
  terminateBlueInstancesOnDeploymentSuccess:
    terminateAfter === undefined
      ? { action: 'KEEP_ALIVE' as const }
      : { action: 'TERMINATE' as const, terminationWaitTimeInMinutes: terminateAfter },
  greenFleetProvisioningOption: { action: 'DISCOVER_EXISTING' as const },
})
