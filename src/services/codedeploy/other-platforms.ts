import { getDeployment } from './deployment.ts'
import { fail, type Operation } from './operation.ts'

// What is for deployments of Lambda and ECS only, which come with their services.

/** Results of hooks that are Lambda functions: a deployment to machines has none. */
export const PutLifecycleEventHookExecutionStatus: Operation<'PutLifecycleEventHookExecutionStatus'> = (
  ctx,
  { deploymentId, lifecycleEventHookExecutionId, status },
) => {
  if (!deploymentId) throw fail('DeploymentIdRequiredException', 'A deployment ID must be specified.')
  if (!lifecycleEventHookExecutionId)
    throw fail(
      'InvalidLifecycleEventHookExecutionIdException',
      'A lifecycle event hook execution ID must be specified.',
    )
  if (status !== 'Succeeded' && status !== 'Failed')
    throw fail('InvalidLifecycleEventHookExecutionStatusException', 'The status must be Succeeded or Failed.')
  return ctx.read(async (tx) => {
    await getDeployment(tx, deploymentId)
    throw fail(
      'UnsupportedActionForDeploymentTypeException',
      'Lifecycle event hooks with results are those of AWS Lambda and Amazon ECS deployments.',
    )
  })
}

/** Only AWS CloudFormation links resources to an external ID, for blue/green deployments of ECS: there are none to delete. */
export const DeleteResourcesByExternalId: Operation<'DeleteResourcesByExternalId'> = () => ({})
