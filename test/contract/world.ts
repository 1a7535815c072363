import { testCertificate } from '../certificates.ts'
import * as identityProvider from '../saml-idp.ts'
import { allow, type Story } from '../story.ts'
import type { Outcome } from './calls.ts'

// One resource of every kind, so that calls made from the model are about something: names of input members, and what
// they are to say. A service that is not here gets values that mean nothing, which is enough for its actions and ARNs.

/** What an input member says: by `member`, or by `Operation.member`; for lists of texts what each item says. */
export type Values = Readonly<Record<string, unknown>>
export type World = {
  readonly values: Readonly<Record<string, Values>>
  /** Whole inputs beside those made from the model: of calls that ask for more once their input holds together. */
  readonly cases: Readonly<Record<string, readonly Record<string, unknown>[]>>
}

type Call = (service: string, operation: string, input: Record<string, unknown>) => Promise<Record<string, unknown>>

const tag = { Key: 'team', Value: 'blue' }
const tags = [tag]

/** Operations of KMS on a key that an alias may stand for. */
const aliasTakers = [
  ...['DescribeKey', 'GetPublicKey', 'Encrypt', 'Decrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext'],
  ...['GenerateDataKeyPair', 'GenerateDataKeyPairWithoutPlaintext', 'Sign', 'Verify', 'GenerateMac', 'VerifyMac'],
  'DeriveSharedSecret',
]

/** Makes the world with the root user's rights. */
export const makeWorld = async (
  drydock: Story,
  send: (service: string) => (operation: string, input: unknown) => Promise<Outcome | undefined>,
): Promise<World> => {
  const call: Call = async (service, operation, input) => {
    const outcome = await send(service)(operation, input)
    if (outcome && outcome.status < 300) return outcome.output ?? {}
    throw new Error(`${service}:${operation}: ${outcome?.code} ${outcome?.message}`)
  }
  const { account, region } = drydock
  const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`
  const iamArn = (resource: string) => `arn:aws:iam::${account}:${resource}`

  const boundary = 'arn:aws:iam::aws:policy/ReadOnlyAccess'
  const document = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:ListAllMyBuckets', Resource: '*' }],
  })
  const control = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Deny', Action: 'sqs:*', Resource: '*' }],
  })
  await call('iam', 'CreateUser', { UserName: 'alice', Path: '/people/', Tags: tags, PermissionsBoundary: boundary })
  const { AccessKey } = await call('iam', 'CreateAccessKey', { UserName: 'alice' })
  const { accessKeyId } = { accessKeyId: (AccessKey as { AccessKeyId: string }).AccessKeyId }
  const { ServiceSpecificCredential } = await call('iam', 'CreateServiceSpecificCredential', {
    UserName: 'alice',
    ServiceName: 'codecommit.amazonaws.com',
  })
  await call('iam', 'CreateGroup', { GroupName: 'people', Path: '/all/' })
  await call('iam', 'CreatePolicy', { PolicyName: 'mine', PolicyDocument: document, Tags: tags })
  const services = ['codebuild', 'codedeploy', 'codepipeline', 'ec2', 'events'].map((one) => `${one}.amazonaws.com`)
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { Service: services }, Action: 'sts:AssumeRole' },
      {
        Effect: 'Allow',
        Principal: { Service: 'access-grants.s3.amazonaws.com' },
        Action: ['sts:AssumeRole', 'sts:SetSourceIdentity'],
      },
    ],
  })
  const role = { AssumeRolePolicyDocument: trust, Path: '/work/', Tags: tags }
  await call('iam', 'CreateRole', { ...role, RoleName: 'worker', PermissionsBoundary: boundary })
  await call('iam', 'CreateRole', { ...role, RoleName: 'passed' })
  const passed = iamArn('role/work/passed')
  await call('iam', 'CreateInstanceProfile', { InstanceProfileName: 'machine', Tags: tags })
  await call('iam', 'AddRoleToInstanceProfile', { InstanceProfileName: 'machine', RoleName: 'passed' })
  await call('iam', 'CreateInstanceProfile', { InstanceProfileName: 'spare', Tags: tags })

  const { OpenIDConnectProviderArn } = await call('iam', 'CreateOpenIDConnectProvider', {
    Url: 'https://issuer.example.com',
    ThumbprintList: ['a'.repeat(40)],
    ClientIDList: ['web'],
    Tags: tags,
  })
  const { certificate, key } = testCertificate('site')
  await call('iam', 'UploadServerCertificate', {
    ServerCertificateName: 'site',
    CertificateBody: certificate,
    PrivateKey: key,
    Tags: tags,
  })
  await call('iam', 'CreateVirtualMFADevice', { VirtualMFADeviceName: 'phone', Tags: tags })

  await call('iam', 'CreateSAMLProvider', {
    Name: 'directory',
    SAMLMetadataDocument: identityProvider.metadata(),
    Tags: tags,
  })

  const keyTags = [{ TagKey: 'team', TagValue: 'blue' }]
  const { KeyMetadata } = await call('kms', 'CreateKey', { Tags: keyTags, MultiRegion: true })
  const { KeyId, Arn: keyArn } = KeyMetadata as { KeyId: string; Arn: string }
  await call('kms', 'CreateAlias', { AliasName: 'alias/app', TargetKeyId: KeyId })
  const EncryptionContext = { team: 'blue' }
  const plain = { Plaintext: new TextEncoder().encode('x'), EncryptionContext }
  const { CiphertextBlob } = await call('kms', 'Encrypt', { KeyId, ...plain })
  const { GrantId } = await call('kms', 'CreateGrant', {
    ...{ KeyId, GranteePrincipal: iamArn('user/people/alice'), Operations: ['Decrypt'] },
    Constraints: { EncryptionContextEquals: EncryptionContext },
  })

  await call('s3', 'CreateBucket', { Bucket: 'papers' })
  await call('s3', 'PutBucketTagging', { Bucket: 'papers', Tagging: { TagSet: tags } })
  await call('s3', 'PutBucketVersioning', { Bucket: 'papers', VersioningConfiguration: { Status: 'Enabled' } })
  const object = { Bucket: 'papers', Key: 'letters/one' }
  const { VersionId } = await call('s3', 'PutObject', { ...object, Body: 'Dear', Tagging: 'team=blue' })
  await call('s3', 'PutObjectAnnotation', { ...object, AnnotationName: 'note', AnnotationPayload: 'x' })
  const { UploadId } = await call('s3', 'CreateMultipartUpload', object)
  const job = {
    AccountId: account,
    Operation: { S3DeleteObjectTagging: {} },
    Report: { Enabled: false },
    Priority: 1,
    RoleArn: passed,
    Manifest: {
      Spec: { Format: 'S3BatchOperations_CSV_20180820', Fields: ['Bucket', 'Key'] },
      Location: { ObjectArn: 'arn:aws:s3:::papers/none', ETag: 'x' },
    },
    Tags: tags,
  }
  const { JobId } = await call('s3control', 'CreateJob', job)
  const tableTags = { team: 'blue' }
  const encrypted = { sseAlgorithm: 'AES256' }
  const { arn: tableBucketARN } = await call('s3tables', 'CreateTableBucket', {
    ...{ name: 'lake', tags: tableTags, encryptionConfiguration: encrypted },
  })
  await call('s3tables', 'CreateNamespace', { tableBucketARN, namespace: ['sales'] })
  const iceberg = { schema: { fields: [{ name: 'id', type: 'long' }] } }
  const orders = { tableBucketARN, namespace: 'sales', name: 'orders', format: 'ICEBERG' }
  const { tableARN } = await call('s3tables', 'CreateTable', { ...orders, metadata: { iceberg }, tags: tableTags })
  await call('s3control', 'CreateAccessPoint', { AccountId: account, Name: 'door', Bucket: 'papers', Tags: tags })
  await call('s3control', 'CreateAccessGrantsInstance', { AccountId: account, Tags: tags })
  const location = { AccountId: account, LocationScope: 's3://', IAMRoleArn: passed, Tags: tags }
  const { AccessGrantsLocationId } = await call('s3control', 'CreateAccessGrantsLocation', location)
  const grant = {
    AccountId: account,
    AccessGrantsLocationId,
    AccessGrantsLocationConfiguration: { S3SubPrefix: 'papers/*' },
    Grantee: { GranteeType: 'IAM', GranteeIdentifier: iamArn('role/work/worker') },
    Permission: 'READ',
    Tags: tags,
  }
  const { AccessGrantId } = await call('s3control', 'CreateAccessGrant', grant)

  await call('codecommit', 'CreateRepository', { repositoryName: 'app', tags: { team: 'blue' } })
  await call('codecommit', 'CreateRepository', {
    repositoryName: 'sealed-before',
    kmsKeyId: KeyId,
    tags: { team: 'blue' },
  })
  const commit = await call('codecommit', 'PutFile', {
    repositoryName: 'app',
    branchName: 'main',
    filePath: 'readme',
    fileContent: new TextEncoder().encode('Read me'),
  })
  const inApp = { repositoryName: 'app' }
  await call('codecommit', 'CreateBranch', { ...inApp, branchName: 'feature', commitId: commit.commitId })
  const ahead = await call('codecommit', 'PutFile', {
    ...{ ...inApp, branchName: 'feature', filePath: 'feature', parentCommitId: commit.commitId },
    fileContent: new TextEncoder().encode('New'),
  })
  const opened = await call('codecommit', 'CreatePullRequest', {
    title: 'A feature',
    targets: [{ ...inApp, sourceReference: 'feature', destinationReference: 'main' }],
  })
  const { pullRequestId, revisionId } = opened.pullRequest as Record<string, unknown>
  const remark = await call('codecommit', 'PostCommentForComparedCommit', {
    ...{ ...inApp, beforeCommitId: commit.commitId, afterCommitId: ahead.commitId, content: 'Good' },
  })
  const { commentId } = remark.comment as Record<string, unknown>

  const project = {
    name: 'app',
    source: { type: 'NO_SOURCE', buildspec: 'version: 0.2' },
    artifacts: { type: 'NO_ARTIFACTS' },
    environment: {
      type: 'LINUX_CONTAINER',
      image: 'aws/codebuild/standard:7.0',
      computeType: 'BUILD_GENERAL1_SMALL',
    },
    serviceRole: passed,
    buildBatchConfig: { serviceRole: passed },
  }
  await call('codebuild', 'CreateProject', { ...project, tags: [{ key: 'team', value: 'blue' }] })
  const { reportGroup } = await call('codebuild', 'CreateReportGroup', {
    ...{ name: 'units', type: 'TEST', exportConfig: { exportConfigType: 'NO_EXPORT' } },
    tags: [{ key: 'team', value: 'blue' }],
  })
  const { fleet } = await call('codebuild', 'CreateFleet', {
    ...{ name: 'pool', baseCapacity: 1, environmentType: 'LINUX_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL' },
    tags: [{ key: 'team', value: 'blue' }],
  })
  const fleetArn = (fleet as { arn: string }).arn
  const rawData = {
    exportConfigType: 'S3',
    s3Destination: {
      bucket: 'papers',
      bucketOwner: account,
      path: 'raw',
      encryptionKey: 'alias/x',
      encryptionDisabled: false,
    },
  }
  const reportGroupArn = (reportGroup as { arn: string }).arn
  const reportArn = `${reportGroupArn.replace(':report-group/', ':report/')}:00000000-0000-0000-0000-000000000000`

  const watched = {
    Namespace: 'AWS/EC2',
    MetricName: 'CPUUtilization',
    Dimensions: [{ Name: 'InstanceId', Value: 'i-0123456789abcdef0' }],
    Statistic: 'Average',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 90,
    ComparisonOperator: 'GreaterThanThreshold',
  }
  await call('cloudwatch', 'PutMetricAlarm', { ...watched, AlarmName: 'busy', Tags: tags })
  await call('codedeploy', 'CreateApplication', { applicationName: 'app', tags })
  const group = { applicationName: 'app', deploymentGroupName: 'all', serviceRoleArn: passed }
  await call('codedeploy', 'CreateDeploymentGroup', { ...group, tags })
  await call('codedeploy', 'CreateDeploymentConfig', {
    deploymentConfigName: 'careful',
    minimumHealthyHosts: { type: 'HOST_COUNT', value: 1 },
  })
  await call('codedeploy', 'RegisterOnPremisesInstance', {
    instanceName: 'rack',
    iamUserArn: `arn:aws:iam::${account}:user/rack`,
  })
  const { deploymentId } = await call('codedeploy', 'CreateDeployment', {
    applicationName: 'app',
    deploymentGroupName: 'all',
    revision: { revisionType: 'S3', s3Location: { bucket: 'papers', key: 'app.zip', bundleType: 'zip' } },
  })

  const { ConnectionArn } = await call('codestarconnections', 'CreateConnection', {
    ConnectionName: 'hub',
    ProviderType: 'GitHub',
    Tags: tags,
  })
  const host = { Name: 'ours', ProviderType: 'GitHubEnterpriseServer', ProviderEndpoint: 'https://git.example.com' }
  const { HostArn } = await call('codestarconnections', 'CreateHost', { ...host, Tags: tags })

  const pipeline = {
    name: 'release',
    roleArn: passed,
    artifactStore: { type: 'S3', location: 'papers' },
    stages: [
      {
        name: 'Source',
        actions: [
          {
            name: 'Fetch',
            actionTypeId: { category: 'Source', owner: 'AWS', provider: 'CodeCommit', version: '1' },
            configuration: { RepositoryName: 'app', BranchName: 'main', PollForSourceChanges: 'false' },
            outputArtifacts: [{ name: 'source' }],
          },
        ],
      },
      {
        name: 'Approval',
        actions: [
          {
            name: 'Look',
            actionTypeId: { category: 'Approval', owner: 'AWS', provider: 'Manual', version: '1' },
          },
        ],
      },
    ],
  }
  await call('codepipeline', 'CreatePipeline', { pipeline, tags: [{ key: 'team', value: 'blue' }] })
  const actionType = { category: 'Build', provider: 'Jenkins', version: '1' }
  const anyCount = { minimumCount: 0, maximumCount: 5 }
  const newType = { ...actionType, inputArtifactDetails: anyCount, outputArtifactDetails: anyCount }
  await call('codepipeline', 'CreateCustomActionType', { ...newType, tags: [{ key: 'team', value: 'blue' }] })
  const webhook = {
    name: 'release',
    targetPipeline: 'release',
    targetAction: 'Fetch',
    filters: [{ jsonPath: '$.ref' }],
    authentication: 'UNAUTHENTICATED',
    authenticationConfiguration: {},
  }
  await call('codepipeline', 'PutWebhook', { webhook, tags: [{ key: 'team', value: 'blue' }] })

  const logs = { Effect: 'Allow', Principal: { Service: 'cloudtrail.amazonaws.com' } }
  await call('s3', 'CreateBucket', { Bucket: 'trail' })
  await call('s3', 'PutBucketPolicy', {
    Bucket: 'trail',
    Policy: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        { ...logs, Action: 's3:GetBucketAcl', Resource: 'arn:aws:s3:::trail' },
        { ...logs, Action: 's3:PutObject', Resource: 'arn:aws:s3:::trail/*' },
      ],
    }),
  })
  const TagsList = tags
  const lake = await call('cloudtrail', 'CreateEventDataStore', { Name: 'events', TagsList })
  const storeArn = String(lake.EventDataStoreArn)
  const storeId = storeArn.split('/').at(-1)
  const outside = await call('cloudtrail', 'CreateEventDataStore', {
    Name: 'outside',
    AdvancedEventSelectors: [
      { Name: 'all', FieldSelectors: [{ Field: 'eventCategory', Equals: ['ActivityAuditLog'] }] },
    ],
  })
  const { ChannelArn } = await call('cloudtrail', 'CreateChannel', {
    Name: 'events',
    Source: 'Custom',
    Destinations: [{ Type: 'EVENT_DATA_STORE', Location: outside.EventDataStoreArn }],
    Tags: tags,
  })
  const { DashboardArn } = await call('cloudtrail', 'CreateDashboard', { Name: 'events', TagsList })
  const QueryStatement = `SELECT eventID FROM ${storeId}`
  const { QueryId } = await call('cloudtrail', 'StartQuery', { QueryStatement })
  await call('cloudtrail', 'CreateTrail', { Name: 'audit', S3BucketName: 'trail', TagsList: tags })

  await call('logs', 'CreateLogGroup', { logGroupName: '/app/web', tags: { team: 'blue' } })
  await call('logs', 'CreateLogStream', { logGroupName: '/app/web', logStreamName: 'one' })

  await call('events', 'CreateEventBus', { Name: 'orders', Tags: tags })
  const pattern = JSON.stringify({
    source: ['shop'],
    'detail-type': ['Order placed'],
    detail: { service: ['EC2'], eventTypeCode: ['x'], userIdentity: { principalId: ['p'] } },
  })
  await call('events', 'PutRule', { Name: 'placed', EventBusName: 'orders', EventPattern: pattern, Tags: tags })

  await call('organizations', 'CreateOrganization', { FeatureSet: 'ALL' })
  const { Roots } = await call('organizations', 'ListRoots', {})
  const root = (Roots as { Id: string }[])[0]?.Id
  await call('organizations', 'TagResource', { ResourceId: root, Tags: tags })
  const made = await call('organizations', 'CreateOrganizationalUnit', { ParentId: root, Name: 'work', Tags: tags })
  const unit = (made.OrganizationalUnit as { Id: string }).Id
  await call('organizations', 'CreateAccount', { Email: 'a@example.com', AccountName: 'a', Tags: tags })
  await drydock.settled()
  const { Accounts } = await call('organizations', 'ListAccounts', {})
  const member = (Accounts as { Id: string }[]).find(({ Id }) => Id !== account)?.Id
  const Type = 'SERVICE_CONTROL_POLICY'
  await call('organizations', 'EnablePolicyType', { RootId: root, PolicyType: Type })
  const { Policy } = await call('organizations', 'CreatePolicy', {
    ...{ Name: 'c', Description: 'd', Content: control, Type, Tags: tags },
  })
  const controlId = (Policy as { PolicySummary: { Id: string } }).PolicySummary.Id
  const { Handshake } = await call('organizations', 'InviteAccountToOrganization', {
    Target: { Id: '111122223333', Type: 'ACCOUNT' },
  })

  await call('secretsmanager', 'CreateSecret', { Name: 'db', SecretString: 'x', Tags: tags })
  await call('ssm', 'PutParameter', { Name: '/app/one', Value: '1', Type: 'String', Tags: tags })
  await call('ssm', 'PutParameter', { Name: '/app', Value: '1', Type: 'String', Tags: tags })
  const { arn: analyzerArn } = await call('accessanalyzer', 'CreateAnalyzer', {
    ...{ analyzerName: 'look', type: 'ACCOUNT', tags: { team: 'blue' } },
  })

  const { Images } = await call('ec2', 'DescribeImages', { Owners: ['amazon'] })
  const ImageId = (Images as { ImageId: string }[])[0]?.ImageId
  await call('ec2', 'CreateKeyPair', { KeyName: 'mine', TagSpecifications: [{ ResourceType: 'key-pair', Tags: tags }] })
  const { Instances } = await call('ec2', 'RunInstances', {
    ImageId,
    InstanceType: 't3.micro',
    MinCount: 2,
    MaxCount: 2,
    IamInstanceProfile: { Name: 'machine' },
    TagSpecifications: [{ ResourceType: 'instance', Tags: tags }],
  })
  // One is terminated on the way; the other stays for Systems Manager.
  const [machine, lasting] = Instances as {
    InstanceId: string
    SubnetId: string
    VpcId: string
    SecurityGroups: { GroupId: string; GroupName: string }[]
  }[]
  const { IamInstanceProfileAssociations } = await call('ec2', 'DescribeIamInstanceProfileAssociations', {})
  const [association] = IamInstanceProfileAssociations as { AssociationId: string }[]
  const { GroupId } = await call('ec2', 'CreateSecurityGroup', {
    GroupName: 'web',
    Description: 'Web',
    VpcId: machine?.VpcId,
    TagSpecifications: [{ ResourceType: 'security-group', Tags: tags }],
  })
  await call('ec2', 'CreateTags', { Resources: [machine?.VpcId], Tags: tags })
  await drydock.settled()
  await call('iam', 'PutRolePolicy', {
    ...{ RoleName: 'passed', PolicyName: 'sessions' },
    PolicyDocument: JSON.stringify(allow(['ssm:UpdateInstanceInformation', 'ssmmessages:*'])),
  })
  const { SessionId } = await call('ssm', 'StartSession', { Target: lasting?.InstanceId })

  return {
    values: {
      accessanalyzer: { analyzerArn, resourceArn: analyzerArn, analyzerName: 'look' },
      cloudtrail: {
        Name: 'audit',
        TrailName: 'audit',
        ResourceId: arn('cloudtrail', 'trail/audit'),
        ResourceIdList: arn('cloudtrail', 'trail/audit'),
        InsightSource: arn('cloudtrail', 'trail/audit'),
        EventDataStore: storeArn,
        'PutInsightSelectors.EventDataStore': undefined,
        'GetInsightSelectors.EventDataStore': undefined,
        'PutEventConfiguration.EventDataStore': undefined,
        'GetEventConfiguration.EventDataStore': undefined,
        ResourceArn: storeArn,
        Channel: ChannelArn,
        DashboardId: DashboardArn,
        QueryStatement,
        QueryId,
        S3BucketName: 'trail',
      },
      codebuild: {
        name: 'app',
        projectName: 'app',
        names: 'app',
        id: 'app:00000000-0000-0000-0000-000000000000',
        ids: 'app:00000000-0000-0000-0000-000000000000',
        serviceRole: passed,
        serviceRoleOverride: passed,
        reportGroupArn,
        reportGroupArns: reportGroupArn,
        reportArn,
        reportArns: reportArn,
        'UpdateReportGroup.arn': reportGroupArn,
        'DeleteReportGroup.arn': reportGroupArn,
        'DeleteReport.arn': reportArn,
        trendField: 'TOTAL',
        sandboxId: 'app:00000000-0000-0000-0000-000000000000',
        'UpdateFleet.arn': fleetArn,
        'DeleteFleet.arn': fleetArn,
        'BatchGetFleets.names': fleetArn,
        resourceArn: reportGroupArn,
        projectArn: arn('codebuild', 'project/app'),
        'UpdateProjectVisibility.resourceAccessRole': passed,
        policy: document,
      },
      codecommit: {
        repositoryName: 'app',
        repositoryNames: 'app',
        branchName: 'main',
        oldName: 'app',
        resourceArn: arn('codecommit', 'app'),
        commitId: commit.commitId,
        commitIds: commit.commitId,
        parentCommitId: commit.commitId,
        beforeCommitId: commit.commitId,
        afterCommitId: ahead.commitId,
        sourceCommitId: ahead.commitId,
        sourceCommitSpecifier: 'feature',
        destinationCommitSpecifier: 'main',
        targetBranch: 'main',
        pullRequestId,
        revisionId,
        commentId,
        inReplyTo: commentId,
        kmsKeyId: KeyId,
        'UpdateRepositoryEncryptionKey.repositoryName': 'sealed-before',
        filePath: 'readme',
      },
      cloudwatch: {
        AlarmName: 'busy',
        AlarmNames: 'busy',
        ResourceARN: arn('cloudwatch', 'alarm:busy'),
      },
      codedeploy: {
        applicationName: 'app',
        applicationNames: 'app',
        deploymentGroupName: 'all',
        deploymentGroupNames: 'all',
        currentDeploymentGroupName: 'all',
        deploymentConfigName: 'careful',
        deploymentId,
        deploymentIds: deploymentId,
        ResourceArn: arn('codedeploy', 'application:app'),
        serviceRoleArn: passed,
        instanceName: 'rack',
        instanceNames: 'rack',
      },
      codepipeline: {
        name: 'release',
        pipelineName: 'release',
        stageName: 'Approval',
        actionName: 'Look',
        resourceArn: arn('codepipeline', 'release'),
        pipeline,
        ...actionType,
        actionTypeId: { ...actionType, owner: 'Custom' },
        webhook,
        webhookName: 'release',
      },
      codestarconnections: { ConnectionArn, HostArn, ResourceArn: ConnectionArn },
      ec2: {
        ImageId,
        InstanceId: machine?.InstanceId,
        InstanceIds: machine?.InstanceId,
        SubnetId: machine?.SubnetId,
        VpcId: machine?.VpcId,
        GroupId,
        SecurityGroupIds: GroupId,
        Groups: GroupId,
        KeyName: 'mine',
        AssociationId: association?.AssociationId,
        Resources: [machine?.InstanceId, GroupId],
        IamInstanceProfile: { Name: 'machine' },
        ResourceType: 'instance',
        'CreateKeyPair.ResourceType': 'key-pair',
        'ImportKeyPair.ResourceType': 'key-pair',
        'CreateSecurityGroup.ResourceType': 'security-group',
        'AuthorizeSecurityGroupEgress.ResourceType': 'security-group-rule',
        'AuthorizeSecurityGroupIngress.ResourceType': 'security-group-rule',
      },
      events: {
        Name: 'placed',
        Rule: 'placed',
        EventBusName: 'orders',
        'CreateEventBus.Name': 'orders',
        'DescribeEventBus.Name': 'orders',
        'UpdateEventBus.Name': 'orders',
        'DeleteEventBus.Name': 'orders',
        ResourceARN: arn('events', 'rule/orders/placed'),
        EventPattern: pattern,
        RoleArn: passed,
      },
      iam: {
        UserName: 'alice',
        GroupName: 'people',
        RoleName: 'worker',
        InstanceProfileName: 'spare',
        PolicyArn: iamArn('policy/mine'),
        PolicyName: 'mine',
        PolicySourceArn: iamArn('user/people/alice'),
        Arn: iamArn('user/people/alice'),
        SerialNumber: iamArn('mfa/phone'),
        OpenIDConnectProviderArn,
        ServerCertificateName: 'site',
        SAMLProviderArn: iamArn('saml-provider/directory'),
        'CreateOpenIDConnectProvider.Url': 'https://other.example.com',
        PolicyDocument: document,
        AssumeRolePolicyDocument: trust,
        PermissionsBoundary: boundary,
        AccessKeyId: accessKeyId,
        ServiceSpecificCredentialId: (ServiceSpecificCredential as { ServiceSpecificCredentialId: string })
          .ServiceSpecificCredentialId,
        Path: '/people/',
        NewPath: '/people/',
        'UpdateAssumeRolePolicy.PolicyDocument': trust,
        PathPrefix: '/people/',
        AWSServiceName: 'autoscaling.amazonaws.com',
        DeletionTaskId: 'task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/1',
      },
      kms: {
        KeyId,
        ...Object.fromEntries(aliasTakers.map((operation) => [`${operation}.KeyId`, 'alias/app'])),
        AliasName: 'alias/app',
        'CreateAlias.AliasName': 'alias/other',
        TargetKeyId: KeyId,
        SourceKeyId: 'alias/app',
        DestinationKeyId: 'alias/app',
        CiphertextBlob,
        EncryptionContext,
        EncryptionContextEquals: EncryptionContext,
        EncryptionContextSubset: undefined,
        SourceEncryptionContext: EncryptionContext,
        DestinationEncryptionContext: EncryptionContext,
        EncryptionAlgorithm: undefined,
        SourceEncryptionAlgorithm: undefined,
        DestinationEncryptionAlgorithm: undefined,
        DryRun: undefined,
        Recipient: undefined,
        GrantId,
        GrantToken: undefined,
        'RetireGrant.KeyId': keyArn,
      },
      logs: {
        logGroupName: '/app/web',
        logGroupIdentifier: undefined,
        'PutLogGroupDeletionProtection.logGroupIdentifier': '/app/web',
        logGroupIdentifiers: arn('logs', 'log-group:/app/web'),
        logGroupNamePrefix: '/app',
        logStreamName: 'one',
        resourceArn: arn('logs', 'log-group:/app/web'),
      },
      organizations: {
        AccountId: member,
        ChildId: unit,
        Content: control,
        DestinationParentId: unit,
        HandshakeId: (Handshake as { Id: string }).Id,
        OrganizationalUnitId: unit,
        ParentId: root,
        PolicyId: controlId,
        'DescribeEffectivePolicy.TargetId': member,
        'ListTagsForResource.ResourceId': controlId,
        'UntagResource.ResourceId': controlId,
        Id: 'rt-12345678',
        ResourceId: unit,
        RootId: root,
        ServicePrincipal: 'config.amazonaws.com',
        SourceParentId: root,
        TargetId: unit,
        Type: 'SERVICE_CONTROL_POLICY',
        'InviteAccountToOrganization.Target': { Id: member, Type: 'ACCOUNT' },
        'InviteOrganizationToTransferResponsibility.Target': { Id: member, Type: 'ACCOUNT' },
      },
      s3: {
        ...object,
        VersionId,
        UploadId,
        AnnotationName: 'note',
        ExpectedBucketOwner: account,
        ExpectedSourceBucketOwner: account,
        CopySource: 'papers/letters/one',
        Tagging: 'team=blue',
        'PutObjectTagging.Tagging': { TagSet: tags },
        'PutBucketTagging.Tagging': { TagSet: tags },
        'PutBucketVersioning.VersioningConfiguration': { Status: 'Enabled' },
      },
      s3control: {
        AccountId: account,
        Name: 'door',
        Bucket: 'papers',
        BucketAccountId: account,
        'CreateAccessPoint.Name': 'new-door',
        ResourceArn: 'arn:aws:s3:us-east-1:000000000000:accesspoint/door',
        Tags: [{ Key: 'team', Value: 'blue' }],
        JobId,
        'CreateJob.RoleArn': passed,
        'CreateJob.Operation': job.Operation,
        'CreateJob.Report': job.Report,
        'CreateJob.Manifest': job.Manifest,
        'CreateJob.ManifestGenerator': undefined,
        AccessGrantsLocationId,
        AccessGrantId,
        S3Prefix: 's3://papers/letters/*',
        'CreateAccessGrantsLocation.IAMRoleArn': passed,
        'UpdateAccessGrantsLocation.IAMRoleArn': passed,
      },
      s3tables: {
        tableBucketARN,
        namespace: 'sales',
        name: 'orders',
        tableArn: tableARN,
        resourceArn: tableARN,
        tags: tableTags,
        tagKeys: 'team',
        'CreateNamespace.namespace': 'other',
        'CreateTable.name': 'other',
        'CreateTable.metadata': { iceberg },
        'CreateTableBucket.name': 'other',
        'GetTable.tableBucketARN': undefined,
        'GetTable.namespace': undefined,
        'GetTable.name': undefined,
      },
      secretsmanager: { SecretId: 'db', SecretIdList: 'db' },
      ssm: {
        Name: '/app/one',
        Names: '/app/one',
        Path: '/app',
        ResourceArn: `arn:aws:ssm:us-east-1:${account}:parameter/app/one`,
        ResourceId: '/app/one',
        ResourceType: 'Parameter',
        Target: lasting?.InstanceId,
        SessionId,
      },
      sts: {
        RoleArn: iamArn('role/work/worker'),
        Name: 'guest',
        TargetPrincipal: account,
      },
    },
    cases: {
      'codebuild:CreateProject': [{ ...project, name: 'other' }],
      'codebuild:UpdateProject': [project],
      'codebuild:CreateReportGroup': [{ name: 'other', type: 'TEST', exportConfig: rawData }],
      'codebuild:UpdateReportGroup': [{ arn: reportGroupArn, exportConfig: rawData }],
      'codebuild:StartBuild': [{ projectName: 'app', serviceRoleOverride: passed }],
      'codebuild:StartBuildBatch': [{ projectName: 'app', serviceRoleOverride: passed }],
      'cloudwatch:PutMetricAlarm': [
        { ...watched, AlarmName: 'busier', AlarmActions: ['arn:aws:automate:us-east-1:ec2:stop'] },
      ],
      'cloudwatch:PutCompositeAlarm': [{ AlarmName: 'busiest', AlarmRule: 'ALARM(busy)' }],
      'codecommit:CreateRepository': [{ repositoryName: 'sealed', kmsKeyId: KeyId }],
      'codedeploy:CreateDeploymentGroup': [{ ...group, deploymentGroupName: 'some' }],
      'codedeploy:UpdateDeploymentGroup': [
        { applicationName: 'app', currentDeploymentGroupName: 'all', serviceRoleArn: passed },
      ],
      'codepipeline:CreatePipeline': [{ pipeline: { ...pipeline, name: 'other' } }],
      'codepipeline:UpdatePipeline': [{ pipeline }],
      'codepipeline:CreateCustomActionType': [{ ...newType, version: '2' }],
      'ec2:AssociateIamInstanceProfile': [{ InstanceId: machine?.InstanceId, IamInstanceProfile: { Name: 'machine' } }],
      'ec2:RunInstances': [
        { ImageId, MinCount: 1, MaxCount: 1 },
        {
          ImageId,
          InstanceType: 't3.micro',
          MinCount: 1,
          MaxCount: 1,
          IamInstanceProfile: { Name: 'machine' },
          KeyName: 'mine',
          SubnetId: machine?.SubnetId,
          SecurityGroupIds: [GroupId],
          TagSpecifications: ['instance', 'network-interface'].map((ResourceType) => ({
            ResourceType,
            Tags: tags,
          })),
        },
      ],
      'ssm:SendCommand': [
        {
          DocumentName: 'AWS-RunShellScript',
          Parameters: { commands: ['true'] },
          InstanceIds: [lasting?.InstanceId],
        },
      ],
      'ssm:StartSession': [
        {
          ...{ Target: lasting?.InstanceId, DocumentName: 'AWS-StartInteractiveCommand' },
          Parameters: { command: ['true'] },
        },
      ],
      'events:PutRule': [{ Name: 'other', ScheduleExpression: 'rate(1 hour)', RoleArn: passed }],
      'events:PutTargets': [
        {
          Rule: 'placed',
          EventBusName: 'orders',
          Targets: [{ Id: 'one', Arn: arn('codepipeline', 'release'), RoleArn: passed }],
        },
      ],
      'iam:AddRoleToInstanceProfile': [{ InstanceProfileName: 'spare', RoleName: 'passed' }],
      'iam:CreateUser': [{ UserName: 'bob', Tags: tags, PermissionsBoundary: boundary }],
      'iam:CreateRole': [{ RoleName: 'other', AssumeRolePolicyDocument: trust, Tags: tags }],
      'iam:CreatePolicy': [{ PolicyName: 'other', PolicyDocument: document, Tags: tags }],
      'iam:CreateInstanceProfile': [{ InstanceProfileName: 'other', Tags: tags }],
      's3:DeleteObject': [{ ...object, IfMatch: '"none"' }],
      's3:DeleteObjects': [
        { Bucket: 'papers', Delete: { Objects: [{ Key: 'letters/one' }, { Key: 'letters/one', VersionId }] } },
      ],
      's3:DeleteObjectAnnotation': [{ ...object, AnnotationName: 'note', ObjectIfMatch: '"none"' }],
      's3:ListObjectAnnotations': [{ ...object, AnnotationPrefix: 'n', MaxAnnotationResults: 9 }],
      's3:PutObjectAnnotation': [
        { ...object, AnnotationName: 'note', AnnotationPayload: 'x', ObjectIfMatch: '"none"' },
      ],
      's3:CopyObject': [{ Bucket: 'papers', Key: 'letters/two', CopySource: 'papers/letters/one' }],
      's3:GetObject': [{ Bucket: 'papers', Key: 'letters/none' }],
      's3:CreateBucket': [{ Bucket: 'boxes', CreateBucketConfiguration: { Tags: tags } }],
      's3:CreateBucketMetadataConfiguration': [
        {
          Bucket: 'papers',
          MetadataConfiguration: { JournalTableConfiguration: { RecordExpiration: { Expiration: 'DISABLED' } } },
        },
      ],
      's3:UpdateBucketMetadataInventoryTableConfiguration': [
        { Bucket: 'papers', InventoryTableConfiguration: { ConfigurationState: 'ENABLED' } },
      ],
      's3:PutObject': [
        { ...object, Body: 'x', ACL: 'bucket-owner-full-control', Tagging: 'team=blue' },
        { ...object, Body: 'x', ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date('2027-01-01') },
      ],
    },
  }
}
