import { CreateTrailCommand, PutEventSelectorsCommand, StartLoggingCommand } from '@aws-sdk/client-cloudtrail'
import { CreateProjectCommand } from '@aws-sdk/client-codebuild'
import { CreateRepositoryCommand } from '@aws-sdk/client-codecommit'
import { CreateApplicationCommand, CreateDeploymentGroupCommand } from '@aws-sdk/client-codedeploy'
import { CreatePipelineCommand } from '@aws-sdk/client-codepipeline'
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2'
import { PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  CreateServiceSpecificCredentialCommand,
  CreateUserCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutBucketPolicyCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import type { Clients } from './clients.ts'

const account = '000000000000'
const region = 'us-east-1'
export const names = {
  repository: 'web-app',
  bucket: 'web-app-artifacts',
  project: 'web-app-build',
  application: 'web-app',
  group: 'production',
  pipeline: 'web-app',
  buildRole: 'web-app-build',
  trail: 'web-app',
  trailBucket: 'web-app-trail',
}
const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`
export const roleArn = (name: string): string => `arn:aws:iam::${account}:role/${name}`
export const trailArn = arn('cloudtrail', `trail/${names.trail}`)
/** Reads the trail for Access Analyzer. */
export const trailReader = 'web-app-trail-reader'
const artifacts = `arn:aws:s3:::${names.bucket}/*`
const pipelineArn = arn('codepipeline', names.pipeline)
const repositoryArn = arn('codecommit', names.repository)

const allow = (Action: string[], Resource: string | string[]) => ({ Effect: 'Allow', Action, Resource })
const document = (...statements: object[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements })

const buildStatements = (...artifactActions: string[]) => [
  allow(
    ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
    arn('logs', `log-group:/aws/codebuild/${names.project}*`),
  ),
  allow(artifactActions, artifacts),
  // Artifacts are kept under the key that AWS manages for S3: its use is the role's own call, and recorded as one.
  allow(['kms:Decrypt', 'kms:GenerateDataKey'], arn('kms', 'key/*')),
]
/** What the build role may do: all it needs, and what is left when `s3:PutObject` is taken from it. */
export const buildPolicies = {
  whole: document(...buildStatements('s3:GetObject', 's3:GetObjectVersion', 's3:PutObject')),
  withoutPut: document(...buildStatements('s3:GetObject', 's3:GetObjectVersion')),
}

/** Identities first, each with the least it needs: a developer who may push, and a role per service. */
export const setUpIdentities = async ({ iam }: Clients): Promise<{ userName: string; password: string }> => {
  const role = async (RoleName: string, service: string, policy?: string): Promise<void> => {
    const trust = document({ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' })
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }))
    if (policy)
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'least-privilege', PolicyDocument: policy }))
  }
  await role(names.buildRole, 'codebuild.amazonaws.com', buildPolicies.whole)
  await role(
    'web-app-pipeline',
    'codepipeline.amazonaws.com',
    document(
      allow(
        [
          'codecommit:GetBranch',
          'codecommit:GetCommit',
          'codecommit:UploadArchive',
          'codecommit:GetUploadArchiveStatus',
        ],
        repositoryArn,
      ),
      allow(['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'], artifacts),
      allow(['s3:GetBucketVersioning'], `arn:aws:s3:::${names.bucket}`),
      allow(['codebuild:StartBuild', 'codebuild:BatchGetBuilds'], arn('codebuild', `project/${names.project}`)),
      allow(
        [
          'codedeploy:CreateDeployment',
          'codedeploy:GetDeployment',
          'codedeploy:GetDeploymentConfig',
          'codedeploy:RegisterApplicationRevision',
          'codedeploy:GetApplicationRevision',
          'codedeploy:GetApplication',
        ],
        [
          arn('codedeploy', `application:${names.application}`),
          arn('codedeploy', `deploymentgroup:${names.application}/${names.group}`),
          arn('codedeploy', 'deploymentconfig:*'),
        ],
      ),
    ),
  )
  await role('web-app-deploy', 'codedeploy.amazonaws.com')
  await iam.send(
    new AttachRolePolicyCommand({
      RoleName: 'web-app-deploy',
      PolicyArn: 'arn:aws:iam::aws:policy/service-role/AWSCodeDeployRole',
    }),
  )
  await role(
    'web-app-events',
    'events.amazonaws.com',
    document(allow(['codepipeline:StartPipelineExecution'], pipelineArn)),
  )
  await role(
    'web-app-instance',
    'ec2.amazonaws.com',
    document(allow(['s3:GetObject', 's3:GetObjectVersion'], artifacts)),
  )
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'web-app-instance' }))
  await iam.send(
    new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'web-app-instance', RoleName: 'web-app-instance' }),
  )

  const trail = `arn:aws:s3:::${names.trailBucket}`
  await role(
    trailReader,
    'access-analyzer.amazonaws.com',
    document(
      allow(['cloudtrail:GetTrail'], trailArn),
      allow(['iam:GenerateServiceLastAccessedDetails', 'iam:GetServiceLastAccessedDetails'], '*'),
      allow(['s3:GetObject', 's3:ListBucket'], [trail, `${trail}/*`]),
    ),
  )

  await iam.send(new CreateUserCommand({ UserName: 'developer' }))
  const push = document(allow(['codecommit:GitPull', 'codecommit:GitPush'], repositoryArn))
  await iam.send(new PutUserPolicyCommand({ UserName: 'developer', PolicyName: 'push', PolicyDocument: push }))
  const { ServiceSpecificCredential: login } = await iam.send(
    new CreateServiceSpecificCredentialCommand({ UserName: 'developer', ServiceName: 'codecommit.amazonaws.com' }),
  )
  return { userName: login?.ServiceUserName ?? '', password: login?.ServicePassword ?? '' }
}

/** Repository, artifact store, build project, and an instance that the world reaches on port 8080. */
export const setUpInfrastructure = async (aws: Clients): Promise<{ cloneUrl: string; instanceId: string }> => {
  const { repositoryMetadata } = await aws.codecommit.send(
    new CreateRepositoryCommand({ repositoryName: names.repository }),
  )
  await aws.s3.send(new CreateBucketCommand({ Bucket: names.bucket }))
  await aws.s3.send(
    new PutBucketVersioningCommand({ Bucket: names.bucket, VersioningConfiguration: { Status: 'Enabled' } }),
  )
  await aws.codebuild.send(
    new CreateProjectCommand({
      name: names.project,
      serviceRole: `arn:aws:iam::${account}:role/${names.buildRole}`,
      source: { type: 'CODEPIPELINE' },
      artifacts: { type: 'CODEPIPELINE' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
    }),
  )
  const { GroupId } = await aws.ec2.send(
    new CreateSecurityGroupCommand({ GroupName: 'web-app', Description: 'The web application' }),
  )
  const web = { IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }
  await aws.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [web] }))
  const { Images } = await aws.ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }))
  const { Instances } = await aws.ec2.send(
    new RunInstancesCommand({
      ImageId: Images?.[0]?.ImageId,
      InstanceType: 't3.micro',
      MinCount: 1,
      MaxCount: 1,
      SecurityGroupIds: [GroupId ?? ''],
      IamInstanceProfile: { Name: 'web-app-instance' },
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Application', Value: 'web-app' }] }],
    }),
  )
  return { cloneUrl: repositoryMetadata?.cloneUrlHttp ?? '', instanceId: Instances?.[0]?.InstanceId ?? '' }
}

/** A trail of all calls, those on artifacts among them. */
export const setUpTrail = async ({ cloudtrail, s3 }: Clients): Promise<void> => {
  const bucket = `arn:aws:s3:::${names.trailBucket}`
  const statement = (Action: string, Resource: string) => ({
    ...allow([Action], Resource),
    Principal: { Service: 'cloudtrail.amazonaws.com' },
    Condition: { StringEquals: { 'aws:SourceArn': trailArn } },
  })
  await s3.send(new CreateBucketCommand({ Bucket: names.trailBucket }))
  const Policy = document(
    statement('s3:GetBucketAcl', bucket),
    statement('s3:PutObject', `${bucket}/AWSLogs/${account}/*`),
  )
  await s3.send(new PutBucketPolicyCommand({ Bucket: names.trailBucket, Policy }))
  await cloudtrail.send(new CreateTrailCommand({ Name: names.trail, S3BucketName: names.trailBucket }))
  const objects = { Type: 'AWS::S3::Object', Values: [`arn:aws:s3:::${names.bucket}/`] }
  await cloudtrail.send(
    new PutEventSelectorsCommand({
      TrailName: names.trail,
      EventSelectors: [{ ReadWriteType: 'All', IncludeManagementEvents: true, DataResources: [objects] }],
    }),
  )
  await cloudtrail.send(new StartLoggingCommand({ Name: names.trail }))
}

/** The deployment group, the pipeline, and the rule that starts it when `main` moves. */
export const setUpPipeline = async (aws: Clients): Promise<void> => {
  await aws.codedeploy.send(
    new CreateApplicationCommand({ applicationName: names.application, computePlatform: 'Server' }),
  )
  await aws.codedeploy.send(
    new CreateDeploymentGroupCommand({
      applicationName: names.application,
      deploymentGroupName: names.group,
      serviceRoleArn: `arn:aws:iam::${account}:role/web-app-deploy`,
      deploymentConfigName: 'CodeDeployDefault.AllAtOnce',
      ec2TagFilters: [{ Key: 'Application', Value: 'web-app', Type: 'KEY_AND_VALUE' }],
      autoRollbackConfiguration: { enabled: true, events: ['DEPLOYMENT_FAILURE'] },
    }),
  )
  const action = (
    name: string,
    category: 'Source' | 'Build' | 'Deploy',
    provider: string,
    configuration: Record<string, string>,
  ) => ({
    name,
    actionTypeId: { category, owner: 'AWS' as const, provider, version: '1' },
    configuration,
  })
  await aws.codepipeline.send(
    new CreatePipelineCommand({
      pipeline: {
        name: names.pipeline,
        roleArn: `arn:aws:iam::${account}:role/web-app-pipeline`,
        artifactStore: { type: 'S3', location: names.bucket },
        stages: [
          {
            name: 'Source',
            actions: [
              {
                ...action('Source', 'Source', 'CodeCommit', {
                  RepositoryName: names.repository,
                  BranchName: 'main',
                  PollForSourceChanges: 'false',
                }),
                outputArtifacts: [{ name: 'SourceOutput' }],
              },
            ],
          },
          {
            name: 'Build',
            actions: [
              {
                ...action('Build', 'Build', 'CodeBuild', { ProjectName: names.project }),
                inputArtifacts: [{ name: 'SourceOutput' }],
                outputArtifacts: [{ name: 'BuildOutput' }],
              },
            ],
          },
          {
            name: 'Deploy',
            actions: [
              {
                ...action('Deploy', 'Deploy', 'CodeDeploy', {
                  ApplicationName: names.application,
                  DeploymentGroupName: names.group,
                }),
                inputArtifacts: [{ name: 'BuildOutput' }],
              },
            ],
          },
        ],
      },
    }),
  )
  await aws.events.send(
    new PutRuleCommand({
      Name: 'web-app-push',
      EventPattern: JSON.stringify({
        source: ['aws.codecommit'],
        'detail-type': ['CodeCommit Repository State Change'],
        resources: [repositoryArn],
        detail: { event: ['referenceCreated', 'referenceUpdated'], referenceType: ['branch'], referenceName: ['main'] },
      }),
    }),
  )
  await aws.events.send(
    new PutTargetsCommand({
      Rule: 'web-app-push',
      Targets: [{ Id: 'pipeline', Arn: pipelineArn, RoleArn: `arn:aws:iam::${account}:role/web-app-events` }],
    }),
  )
}
