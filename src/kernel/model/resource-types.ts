// Types and names of resources as CloudTrail shows them: the types are CloudFormation's.

/** CloudFormation's types by the service and kind of resource that an ARN names; the kind is what stands before `/` or `:`. */
const types: Readonly<Record<string, string>> = {
  'codebuild:project': 'AWS::CodeBuild::Project',
  'codebuild:build': 'AWS::CodeBuild::Build',
  'codecommit:': 'AWS::CodeCommit::Repository',
  'cloudtrail:trail': 'AWS::CloudTrail::Trail',
  'cloudtrail:eventdatastore': 'AWS::CloudTrail::EventDataStore',
  'cloudtrail:channel': 'AWS::CloudTrail::Channel',
  'codedeploy:application': 'AWS::CodeDeploy::Application',
  'codedeploy:deploymentgroup': 'AWS::CodeDeploy::DeploymentGroup',
  'codedeploy:deploymentconfig': 'AWS::CodeDeploy::DeploymentConfig',
  'codepipeline:': 'AWS::CodePipeline::Pipeline',
  'ec2:instance': 'AWS::EC2::Instance',
  'ec2:image': 'AWS::EC2::Ami',
  'ec2:key-pair': 'AWS::EC2::KeyPair',
  'ec2:security-group': 'AWS::EC2::SecurityGroup',
  'ec2:subnet': 'AWS::EC2::Subnet',
  'ec2:vpc': 'AWS::EC2::VPC',
  'events:event-bus': 'AWS::Events::EventBus',
  'events:rule': 'AWS::Events::Rule',
  'iam:group': 'AWS::IAM::Group',
  'iam:instance-profile': 'AWS::IAM::InstanceProfile',
  'iam:policy': 'AWS::IAM::Policy',
  'iam:role': 'AWS::IAM::Role',
  'iam:user': 'AWS::IAM::User',
  'kms:key': 'AWS::KMS::Key',
  'logs:log-group': 'AWS::Logs::LogGroup',
  's3:': 'AWS::S3::Bucket',
  's3:accesspoint': 'AWS::S3::AccessPoint',
  'secretsmanager:secret': 'AWS::SecretsManager::Secret',
}

export type NamedResource = { readonly ResourceType?: string; readonly ResourceName: string }

/** Type and name of the resource that an ARN names; objects of a bucket show as `AWS::S3::Object`. */
export const namedResource = (arn: string): NamedResource => {
  const [, , service = '', , , ...rest] = arn.split(':')
  const resource = rest.join(':')
  const match = /^([a-z-]+)[/:](.+)$/.exec(resource)
  const exact = match && types[`${service}:${match[1]}`]
  // IAM's names stand behind a path, and what the policies of Logs name goes on beyond the group.
  const name = service === 'iam' ? match?.[2]?.split('/').at(-1) : match?.[2]?.split(':log-stream:')[0]
  if (exact === 'AWS::S3::AccessPoint') return { ResourceType: exact, ResourceName: name?.split('/')[0] ?? '' }
  if (exact) return { ResourceType: exact, ResourceName: name ?? '' }
  if (service === 's3' && resource.includes('/')) return { ResourceType: 'AWS::S3::Object', ResourceName: arn }
  const plain = types[`${service}:`]
  return plain === undefined
    ? { ResourceName: arn }
    : { ResourceType: plain, ResourceName: resource.split('/')[0] ?? '' }
}

/** One entry of a record's `resources` element. */
export type ResourceElement = {
  readonly accountId?: string
  readonly type?: string
  readonly ARN?: string
  readonly ARNPrefix?: string
}

const bucketOf = (arn: string) => /^arn:aws:s3:::[^/]+/.exec(arn)?.[0] ?? arn

/**
 * The `resources` element for the ARNs a call was about. A data event on objects names bucket and object, or all objects
 * of the bucket ("Amazon S3 CloudTrail events").
 */
export const resourceElements = (arns: readonly string[], account: string, dataEvent: boolean): ResourceElement[] =>
  arns.flatMap((ARN): ResourceElement[] => {
    const { ResourceType: type } = namedResource(ARN)
    if (dataEvent && type === 'AWS::S3::Object')
      return [
        { type, ARN },
        { accountId: account, type: 'AWS::S3::Bucket', ARN: bucketOf(ARN) },
      ]
    if (dataEvent && type === 'AWS::S3::Bucket')
      return [
        { type: 'AWS::S3::Object', ARNPrefix: `${ARN}/` },
        { accountId: account, type, ARN },
      ]
    if (type === 'AWS::S3::AccessPoint')
      return [{ ARN: ARN.replace(/\/object\/.*$/s, ''), accountId: ARN.split(':')[4] || account, type }]
    return [{ ARN, accountId: ARN.split(':')[4] || account, ...(type === undefined ? {} : { type }) }]
  })
