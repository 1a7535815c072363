import { foldAccesses } from './access-notes.ts'
import { awsManagedPolicies } from './aws-managed.ts'
import { stamp, uniqueId } from './ids.ts'
import { fail, type Operation } from './operation.ts'
import { Attachments, change, Deletions, getEntity, nameKey, Role } from './records.ts'
import { toRole } from './shapes.ts'

/**
 * Names that AWS gives (IAM user guide, "AWS services that work with IAM", and each service's page on its role), and
 * the AWS managed policy that comes with the role.
 */
const linked: Readonly<Record<string, { readonly role: string; readonly policy: string; readonly suffix?: true }>> = {
  'apigateway.amazonaws.com': { role: 'APIGateway', policy: 'APIGatewayServiceRolePolicy' },
  'autoscaling.amazonaws.com': { role: 'AutoScaling', policy: 'AutoScalingServiceRolePolicy', suffix: true },
  'cloudtrail.amazonaws.com': { role: 'CloudTrail', policy: 'CloudTrailServiceRolePolicy' },
  'config.amazonaws.com': { role: 'Config', policy: 'AWSConfigServiceRolePolicy' },
  'dynamodb.application-autoscaling.amazonaws.com': {
    role: 'ApplicationAutoScaling_DynamoDBTable',
    policy: 'AWSApplicationAutoscalingDynamoDBTablePolicy',
  },
  'ecs.amazonaws.com': { role: 'ECS', policy: 'AmazonECSServiceRolePolicy' },
  'ecs.application-autoscaling.amazonaws.com': {
    role: 'ApplicationAutoScaling_ECSService',
    policy: 'AWSApplicationAutoscalingECSServicePolicy',
  },
  'eks.amazonaws.com': { role: 'AmazonEKS', policy: 'AmazonEKSServiceRolePolicy' },
  'eks-nodegroup.amazonaws.com': { role: 'AmazonEKSNodegroup', policy: 'AWSServiceRoleForAmazonEKSNodegroup' },
  'elasticbeanstalk.amazonaws.com': { role: 'ElasticBeanstalk', policy: 'AWSElasticBeanstalkServiceRolePolicy' },
  'elasticloadbalancing.amazonaws.com': {
    role: 'ElasticLoadBalancing',
    policy: 'AWSElasticLoadBalancingServiceRolePolicy',
  },
  'events.amazonaws.com': { role: 'CloudWatchEvents', policy: 'CloudWatchEventsServiceRolePolicy' },
  'organizations.amazonaws.com': { role: 'Organizations', policy: 'AWSOrganizationsServiceTrustPolicy' },
  'replication.ecr.amazonaws.com': { role: 'ECRReplication', policy: 'ECRReplicationServiceRolePolicy' },
  'spot.amazonaws.com': { role: 'EC2Spot', policy: 'AWSEC2SpotServiceRolePolicy' },
}

/** Throws InvalidInput for a service that has no such role, or when it exists already. */
const CreateServiceLinkedRole: Operation<'CreateServiceLinkedRole'> = async (ctx, input) => {
  const service = Object.hasOwn(linked, input.AWSServiceName) ? linked[input.AWSServiceName] : undefined
  if (!service)
    throw fail('InvalidInputException', `Service role name ${input.AWSServiceName} is not a valid service principal.`)
  if (input.CustomSuffix !== undefined && !service.suffix)
    throw fail('InvalidInputException', `Custom suffix is not allowed for ${input.AWSServiceName}`)
  const suffix = input.CustomSuffix === undefined ? '' : `_${input.CustomSuffix}`
  const name = `AWSServiceRoleFor${service.role}${suffix}`
  const policy = (await awsManagedPolicies()).find((one) => one.name === service.policy)
  return change(ctx, async (tx) => {
    if (await tx.get(Role, nameKey(name)))
      throw fail(
        'InvalidInputException',
        `Service role name ${name} has been taken in this account, please try a different suffix.`,
      )
    const role = tx.put(Role, {
      name,
      path: `/aws-service-role/${input.AWSServiceName}/`,
      id: uniqueId(ctx, 'AROA'),
      created: stamp(ctx),
      inline: {},
      tags: {},
      trust: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: input.AWSServiceName }, Action: 'sts:AssumeRole' }],
      }),
      maxSessionDuration: 3600,
      linkedTo: input.AWSServiceName,
      ...(input.Description === undefined ? {} : { description: input.Description }),
    })
    if (policy) tx.put(Attachments, { policy: policy.arn, entity: role.id, kind: 'role' as const })
    return { Role: toRole(ctx.account, role) }
  })
}

/** Done when it answers; the task id is for GetServiceLinkedRoleDeletionStatus. */
const DeleteServiceLinkedRole: Operation<'DeleteServiceLinkedRole'> = (ctx, { RoleName }) =>
  change(ctx, async (tx) => {
    const role = await getEntity(tx, 'role', RoleName)
    if (role.linkedTo === undefined)
      throw fail('NoSuchEntityException', `The service-linked role with name ${RoleName} cannot be found.`)
    for (const attachment of await tx.list(Attachments, { index: 'entity', equals: role.id }))
      tx.delete(Attachments, Attachments.key(attachment))
    await foldAccesses(tx, role.id)
    tx.delete(Role, nameKey(role.name))
    const { id } = tx.put(Deletions, { id: `task/aws-service-role/${role.linkedTo}/${role.name}/${ctx.newId()}` })
    return { DeletionTaskId: id }
  })

const GetServiceLinkedRoleDeletionStatus: Operation<'GetServiceLinkedRoleDeletionStatus'> = async (
  ctx,
  { DeletionTaskId },
) => {
  if (!(await ctx.read((tx) => tx.get(Deletions, DeletionTaskId))))
    throw fail('NoSuchEntityException', `Deletion task ${DeletionTaskId} cannot be found.`)
  return { Status: 'SUCCEEDED' }
}

export const serviceLinkedRoles = {
  CreateServiceLinkedRole,
  DeleteServiceLinkedRole,
  GetServiceLinkedRoleDeletionStatus,
}
