import { isRegion } from '../../../kernel/region.ts'
import { globOf, intersects } from '../analysis/globs.ts'
import type { StringNode } from '../analysis/positioned-json.ts'
import { type Check, hasVariable, hasWildcard, type Subject } from './check.ts'
import { partOf, type Spot } from './policy-view.ts'

export const partitions: readonly string[] = [
  'aws',
  'aws-cn',
  'aws-us-gov',
  'aws-iso',
  'aws-iso-b',
  'aws-iso-e',
  'aws-iso-f',
  'aws-eusc',
]

/** Whether a part of an ARN says nothing definite. */
const open = (text: string) => hasWildcard(text) || hasVariable(text)

const checkArn = ({ services, report }: Subject, spot: Spot<StringNode>) => {
  const { text } = spot.node
  if (text === '*' || text === '') return
  const parts = text.split(':')
  const partAt = (index: number) => {
    const before = parts.slice(0, index).join(':').length + (index > 0 ? 1 : 0)
    return partOf(spot, before, parts[index]?.length ?? 0)
  }
  if (parts[0] !== 'arn') {
    if (!text.startsWith('*') && !hasVariable(parts[0] ?? ''))
      report('INVALID_ARN_PREFIX', 'Add the required prefix (arn) to the resource ARN.', spot)
    return
  }
  if (parts.length < 6) {
    if (!text.endsWith('*'))
      report(
        'MISSING_ARN_FIELD',
        'Resource ARNs must include at least 6 fields in the following structure: arn:partition:service:region:account:resource',
        spot,
      )
    return
  }
  const [, partition = '', service = '', region = '', account = ''] = parts
  if (!open(partition) && !partitions.includes(partition))
    report(
      'INVALID_PARTITION',
      `The resource ARN for the service ${service} does not support the partition ${partition}. Use the supported values: ${partitions.join(', ')}`,
      partAt(1),
    )
  if (hasWildcard(service)) {
    if (service !== '*')
      report(
        'WILDCARD_IN_SERVICE_NAME',
        'Avoid using wildcards (*, ?) in the service name because it might grant unintended access to other AWS services with similar names.',
        partAt(2),
      )
    return
  }
  if (hasVariable(service)) return
  if (service !== service.toLowerCase())
    return report(
      'INVALID_ARN_SERVICE_CASE',
      `Update the service name ${service} in the resource ARN to use all lowercase letters.`,
      partAt(2),
    )
  const model = services.get(service)
  if (!model)
    return report('INVALID_SERVICE', `The service ${service} does not exist. Use a valid service name.`, partAt(2))
  if (!open(region) && region !== '' && !isRegion(region))
    report(
      'INVALID_ARN_REGION',
      `The Region ${region} is not valid for this resource. Update the resource ARN to include a supported Region.`,
      partAt(3),
    )
  if (!open(account) && account !== '' && account !== 'aws' && account !== 'cloudfront' && !/^\d{12}$/.test(account))
    report(
      'INVALID_ARN_ACCOUNT',
      `The resource ARN account ID ${account} is not valid. Provide a 12-digit account ID.`,
      partAt(4),
    )
  const resource = parts.slice(5).join(':')
  if (model.resources.length === 0) return
  const pattern = globOf(resource)
  const types = model.resources.filter((type) => intersects(type.resource, pattern))
  if (types.length === 0)
    return report(
      'INVALID_ARN_RESOURCE',
      'Resource ARN does not match the expected ARN format. Update the resource portion of the ARN.',
      partOf(spot, text.length - resource.length, resource.length),
    )
  // `*` in a resource's place may be of any type: only what holds for all of them is said.
  const every = (index: number, filled: boolean) => types.every(({ parts: own }) => (own[index] !== '') === filled)
  if (region !== '' && region !== '*' && every(3, false))
    report(
      'ARN_REGION_NOT_ALLOWED',
      `The service ${service} does not support specifying a Region in the resource ARN.`,
      partAt(3),
    )
  if (region === '' && every(3, true))
    report('MISSING_ARN_REGION', `Add a Region to the ${service} resource ARN.`, spot)
  if (account !== '' && account !== '*' && every(4, false))
    report(
      'ARN_ACCOUNT_NOT_ALLOWED',
      `The service ${service} does not support specifying an account ID in the resource ARN.`,
      partAt(4),
    )
  if (account === '' && every(4, true) && resource !== '*')
    report(
      'MISSING_ARN_ACCOUNT',
      `The resource ${types[0]?.type} in the arn is missing an account id. Please provide a 12 digit account id.`,
      spot,
    )
}

const arns: Check = (subject) => {
  for (const { resources } of subject.view.statements) for (const spot of resources) checkArn(subject, spot)
}

/** Which services' actions and ARNs a policy attached to this type may speak of. */
const attachedTo: Readonly<Record<string, { readonly actions: readonly string[]; readonly arns: readonly string[] }>> =
  {
    'AWS::S3::Bucket': { actions: ['s3'], arns: ['s3'] },
    'AWS::S3::AccessPoint': { actions: ['s3'], arns: ['s3'] },
    'AWS::S3::MultiRegionAccessPoint': { actions: ['s3'], arns: ['s3'] },
    'AWS::S3ObjectLambda::AccessPoint': { actions: ['s3-object-lambda'], arns: ['s3-object-lambda'] },
    'AWS::IAM::AssumeRolePolicyDocument': { actions: ['sts'], arns: [] },
    'AWS::DynamoDB::Table': { actions: ['dynamodb'], arns: ['dynamodb'] },
  }

const attached: Check = ({ view, policyType, resourceType = '', report }) => {
  const fitting = policyType === 'RESOURCE_POLICY' ? attachedTo[resourceType] : undefined
  if (!fitting) return
  for (const { actions, resources } of view.statements) {
    for (const spot of actions) {
      const [prefix = ''] = spot.node.text.split(':')
      if (spot.node.text !== '*' && !hasWildcard(prefix) && !fitting.actions.includes(prefix.toLowerCase()))
        report(
          'UNSUPPORTED_ACTION_IN_POLICY',
          `The action ${spot.node.text} is not supported for the resource-based policy attached to the resource type ${resourceType}.`,
          spot,
        )
    }
    if (fitting.arns.length === 0) continue
    for (const spot of resources) {
      const [arn, , service = ''] = spot.node.text.split(':')
      const wrongPoint =
        resourceType === 'AWS::S3::AccessPoint' &&
        !open(spot.node.text.split(':').slice(5).join(':')) &&
        !spot.node.text.includes(':accesspoint/')
      if (arn === 'arn' && !open(service) && (!fitting.arns.includes(service) || wrongPoint))
        report(
          'UNSUPPORTED_RESOURCE_ARN_IN_POLICY',
          `The resource ARN is not supported for the resource-based policy attached to the resource type ${resourceType}.`,
          spot,
        )
    }
  }
}

export const resourceChecks: readonly Check[] = [arns, attached]
