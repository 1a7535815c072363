/**
 * The SDK packages that define the wire, by service id. Data, not code: the kernel knows these names only as rows of
 * this table. The id is the key of `ctx.as(role).<id>` and the folder name below `src/services/`.
 */
export type ClientModules = {
  accessanalyzer: typeof import('@aws-sdk/client-accessanalyzer')
  acm: typeof import('@aws-sdk/client-acm')
  apigateway: typeof import('@aws-sdk/client-api-gateway')
  apigatewaymanagementapi: typeof import('@aws-sdk/client-apigatewaymanagementapi')
  apigatewayv2: typeof import('@aws-sdk/client-apigatewayv2')
  applicationautoscaling: typeof import('@aws-sdk/client-application-auto-scaling')
  autoscaling: typeof import('@aws-sdk/client-auto-scaling')
  cloudformation: typeof import('@aws-sdk/client-cloudformation')
  cloudtrail: typeof import('@aws-sdk/client-cloudtrail')
  cloudwatch: typeof import('@aws-sdk/client-cloudwatch')
  codeartifact: typeof import('@aws-sdk/client-codeartifact')
  codebuild: typeof import('@aws-sdk/client-codebuild')
  codecommit: typeof import('@aws-sdk/client-codecommit')
  codestarconnections: typeof import('@aws-sdk/client-codestar-connections')
  codedeploy: typeof import('@aws-sdk/client-codedeploy')
  codepipeline: typeof import('@aws-sdk/client-codepipeline')
  config: typeof import('@aws-sdk/client-config-service')
  dynamodb: typeof import('@aws-sdk/client-dynamodb')
  dynamodbstreams: typeof import('@aws-sdk/client-dynamodb-streams')
  ec2: typeof import('@aws-sdk/client-ec2')
  ecr: typeof import('@aws-sdk/client-ecr')
  ecs: typeof import('@aws-sdk/client-ecs')
  eks: typeof import('@aws-sdk/client-eks')
  elasticbeanstalk: typeof import('@aws-sdk/client-elastic-beanstalk')
  elbv2: typeof import('@aws-sdk/client-elastic-load-balancing-v2')
  events: typeof import('@aws-sdk/client-eventbridge')
  iam: typeof import('@aws-sdk/client-iam')
  kinesis: typeof import('@aws-sdk/client-kinesis')
  kms: typeof import('@aws-sdk/client-kms')
  lambda: typeof import('@aws-sdk/client-lambda')
  logs: typeof import('@aws-sdk/client-cloudwatch-logs')
  organizations: typeof import('@aws-sdk/client-organizations')
  pipes: typeof import('@aws-sdk/client-pipes')
  route53: typeof import('@aws-sdk/client-route-53')
  s3: typeof import('@aws-sdk/client-s3')
  s3control: typeof import('@aws-sdk/client-s3-control')
  s3tables: typeof import('@aws-sdk/client-s3tables')
  scheduler: typeof import('@aws-sdk/client-scheduler')
  secretsmanager: typeof import('@aws-sdk/client-secrets-manager')
  servicediscovery: typeof import('@aws-sdk/client-servicediscovery')
  sfn: typeof import('@aws-sdk/client-sfn')
  sns: typeof import('@aws-sdk/client-sns')
  sqs: typeof import('@aws-sdk/client-sqs')
  ssm: typeof import('@aws-sdk/client-ssm')
  sts: typeof import('@aws-sdk/client-sts')
  xray: typeof import('@aws-sdk/client-xray')
}

/** The packages, loaded on first use. */
export const clientModules: { readonly [K in keyof ClientModules]: () => Promise<ClientModules[K]> } = {
  accessanalyzer: () => import('@aws-sdk/client-accessanalyzer'),
  acm: () => import('@aws-sdk/client-acm'),
  apigateway: () => import('@aws-sdk/client-api-gateway'),
  apigatewaymanagementapi: () => import('@aws-sdk/client-apigatewaymanagementapi'),
  apigatewayv2: () => import('@aws-sdk/client-apigatewayv2'),
  applicationautoscaling: () => import('@aws-sdk/client-application-auto-scaling'),
  autoscaling: () => import('@aws-sdk/client-auto-scaling'),
  cloudformation: () => import('@aws-sdk/client-cloudformation'),
  cloudtrail: () => import('@aws-sdk/client-cloudtrail'),
  cloudwatch: () => import('@aws-sdk/client-cloudwatch'),
  codeartifact: () => import('@aws-sdk/client-codeartifact'),
  codebuild: () => import('@aws-sdk/client-codebuild'),
  codecommit: () => import('@aws-sdk/client-codecommit'),
  codestarconnections: () => import('@aws-sdk/client-codestar-connections'),
  codedeploy: () => import('@aws-sdk/client-codedeploy'),
  codepipeline: () => import('@aws-sdk/client-codepipeline'),
  config: () => import('@aws-sdk/client-config-service'),
  dynamodb: () => import('@aws-sdk/client-dynamodb'),
  dynamodbstreams: () => import('@aws-sdk/client-dynamodb-streams'),
  ec2: () => import('@aws-sdk/client-ec2'),
  ecr: () => import('@aws-sdk/client-ecr'),
  ecs: () => import('@aws-sdk/client-ecs'),
  eks: () => import('@aws-sdk/client-eks'),
  elasticbeanstalk: () => import('@aws-sdk/client-elastic-beanstalk'),
  elbv2: () => import('@aws-sdk/client-elastic-load-balancing-v2'),
  events: () => import('@aws-sdk/client-eventbridge'),
  iam: () => import('@aws-sdk/client-iam'),
  kinesis: () => import('@aws-sdk/client-kinesis'),
  kms: () => import('@aws-sdk/client-kms'),
  lambda: () => import('@aws-sdk/client-lambda'),
  logs: () => import('@aws-sdk/client-cloudwatch-logs'),
  organizations: () => import('@aws-sdk/client-organizations'),
  pipes: () => import('@aws-sdk/client-pipes'),
  route53: () => import('@aws-sdk/client-route-53'),
  s3: () => import('@aws-sdk/client-s3'),
  s3control: () => import('@aws-sdk/client-s3-control'),
  s3tables: () => import('@aws-sdk/client-s3tables'),
  scheduler: () => import('@aws-sdk/client-scheduler'),
  secretsmanager: () => import('@aws-sdk/client-secrets-manager'),
  servicediscovery: () => import('@aws-sdk/client-servicediscovery'),
  sfn: () => import('@aws-sdk/client-sfn'),
  sns: () => import('@aws-sdk/client-sns'),
  sqs: () => import('@aws-sdk/client-sqs'),
  ssm: () => import('@aws-sdk/client-ssm'),
  sts: () => import('@aws-sdk/client-sts'),
  xray: () => import('@aws-sdk/client-xray'),
}

export type ServiceId = keyof ClientModules
