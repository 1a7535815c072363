// Where an operation's authorization is not simply the action of its own name on the resources that the service
// authorization reference gives for it, with AWS's reason. A row that no operation needs any more fails the contract.

type Rows<T> = readonly { readonly why: string; readonly rows: Readonly<Record<string, T>> }[]

/** Actions that an operation asks for in place of, or beside, the one of its name: all of them, over all inputs. */
export const asks: Rows<string> = [
  {
    why: 'Whoever names a role for a service to act under must be allowed to pass it ("Granting a user permissions to pass a role to an AWS service", IAM user guide).',
    rows: {
      'codebuild:CreateProject': 'codebuild:CreateProject iam:PassRole',
      'codebuild:StartBuild': 'codebuild:StartBuild iam:PassRole',
      'codebuild:StartBuildBatch': 'codebuild:StartBuildBatch iam:PassRole',
      'codebuild:UpdateProjectVisibility': 'codebuild:UpdateProjectVisibility iam:PassRole',
      'codebuild:UpdateProject': 'codebuild:UpdateProject iam:PassRole',
      'codedeploy:CreateDeploymentGroup': 'codedeploy:CreateDeploymentGroup iam:PassRole',
      'codedeploy:UpdateDeploymentGroup': 'codedeploy:UpdateDeploymentGroup iam:PassRole',
      'codepipeline:CreatePipeline': 'codepipeline:CreatePipeline iam:PassRole',
      'codepipeline:UpdatePipeline': 'codepipeline:UpdatePipeline iam:PassRole',
      'ec2:AssociateIamInstanceProfile': 'ec2:AssociateIamInstanceProfile iam:PassRole',
      'events:PutTargets': 'events:PutTargets iam:PassRole',
      'iam:AddRoleToInstanceProfile': 'iam:AddRoleToInstanceProfile iam:PassRole',
    },
  },
  {
    why: 'A deployment reads its configuration and registers its revision under the caller’s rights: denials of CreateDeployment name them, and AWS’s policies for who deploys have them; `overrideAlarmConfiguration` needs UpdateDeploymentGroup (CreateDeployment, API reference).',
    rows: {
      'codedeploy:CreateDeployment':
        'codedeploy:CreateDeployment codedeploy:GetDeploymentConfig codedeploy:RegisterApplicationRevision codedeploy:UpdateDeploymentGroup',
    },
  },
  {
    why: 'Tags given at creation need the right to tag as well ("Tagging IAM resources", IAM user guide; "Grant permission to tag resources during creation", EC2 user guide; PutRule and CreateLogGroup in their API references; denials of CreateBucket name s3:TagResource).',
    rows: {
      'cloudwatch:PutCompositeAlarm': 'cloudwatch:PutCompositeAlarm cloudwatch:TagResource',
      'cloudwatch:PutMetricAlarm': 'cloudwatch:PutMetricAlarm cloudwatch:TagResource iam:CreateServiceLinkedRole',
      'ec2:AuthorizeSecurityGroupEgress': 'ec2:AuthorizeSecurityGroupEgress ec2:CreateTags',
      'ec2:AuthorizeSecurityGroupIngress': 'ec2:AuthorizeSecurityGroupIngress ec2:CreateTags',
      'ec2:CreateKeyPair': 'ec2:CreateKeyPair ec2:CreateTags',
      'ec2:CreateSecurityGroup': 'ec2:CreateSecurityGroup ec2:CreateTags',
      'ec2:ImportKeyPair': 'ec2:CreateTags ec2:ImportKeyPair',
      'ec2:RunInstances': 'ec2:CreateTags ec2:RunInstances iam:PassRole',
      'events:CreateEventBus': 'events:CreateEventBus events:TagResource',
      'events:PutRule': 'events:PutRule events:TagResource iam:PassRole',
      'iam:CreateInstanceProfile': 'iam:CreateInstanceProfile iam:TagInstanceProfile',
      'cloudtrail:CreateChannel': 'cloudtrail:AddTags cloudtrail:CreateChannel',
      'cloudtrail:CreateDashboard': 'cloudtrail:AddTags cloudtrail:CreateDashboard',
      'cloudtrail:CreateEventDataStore': 'cloudtrail:AddTags cloudtrail:CreateEventDataStore kms:DescribeKey',
      'cloudtrail:CreateTrail': 'cloudtrail:AddTags cloudtrail:CreateTrail kms:DescribeKey',
      'iam:CreateOpenIDConnectProvider': 'iam:CreateOpenIDConnectProvider iam:TagOpenIDConnectProvider',
      'iam:CreateVirtualMFADevice': 'iam:CreateVirtualMFADevice iam:TagMFADevice',
      'organizations:CreateAccount': 'organizations:CreateAccount organizations:TagResource',
      'organizations:CreateGovCloudAccount': 'organizations:CreateGovCloudAccount organizations:TagResource',
      'organizations:CreateOrganizationalUnit': 'organizations:CreateOrganizationalUnit organizations:TagResource',
      'organizations:CreatePolicy': 'organizations:CreatePolicy organizations:TagResource',
      'organizations:InviteAccountToOrganization':
        'organizations:InviteAccountToOrganization organizations:TagResource',
      'organizations:InviteOrganizationToTransferResponsibility':
        'organizations:InviteOrganizationToTransferResponsibility organizations:TagResource',
      'organizations:PutResourcePolicy': 'organizations:PutResourcePolicy organizations:TagResource',
      'iam:CreatePolicy': 'iam:CreatePolicy iam:TagPolicy',
      'iam:CreateRole': 'iam:CreateRole iam:TagRole',
      'iam:CreateSAMLProvider': 'iam:CreateSAMLProvider iam:TagSAMLProvider',
      'iam:UploadServerCertificate': 'iam:TagServerCertificate iam:UploadServerCertificate',
      'iam:CreateUser': 'iam:CreateUser iam:TagUser',
      'kms:CreateKey': 'kms:CreateKey kms:TagResource',
      'secretsmanager:CreateSecret':
        'secretsmanager:CreateSecret secretsmanager:ReplicateSecretToRegions secretsmanager:TagResource',
      'ssm:PutParameter': 'ssm:AddTagsToResource ssm:PutParameter',
      'sts:GetWebIdentityToken': 'sts:GetWebIdentityToken sts:TagGetWebIdentityToken',
      'logs:CreateLogGroup': 'logs:CreateLogGroup logs:TagResource',
      's3:CreateBucket':
        's3:CreateBucket s3:PutBucketAcl s3:PutBucketObjectLockConfiguration s3:PutBucketOwnershipControls s3:PutBucketVersioning s3:TagResource',
    },
  },
  {
    why: 'A key that is named is looked at with the caller’s rights.',
    rows: {
      'codecommit:CreateRepository': 'codecommit:CreateRepository kms:DescribeKey kms:GenerateDataKeyWithoutPlaintext',
      'codecommit:UpdateRepositoryEncryptionKey':
        'codecommit:UpdateRepositoryEncryptionKey kms:Decrypt kms:DescribeKey kms:GenerateDataKeyWithoutPlaintext',
      'cloudtrail:UpdateEventDataStore': 'cloudtrail:UpdateEventDataStore kms:DescribeKey',
      'cloudtrail:UpdateTrail': 'cloudtrail:UpdateTrail kms:DescribeKey',
    },
  },
  {
    why: 'What is said of data, encryption, storage class and tags needs the right to that as well (S3 Tables API reference, permissions).',
    rows: {
      's3tables:CreateTable':
        's3tables:CreateTable s3tables:PutTableData s3tables:PutTableEncryption s3tables:PutTableStorageClass s3tables:TagResource',
      's3tables:CreateTableBucket':
        's3tables:CreateTableBucket s3tables:PutTableBucketEncryption s3tables:PutTableBucketStorageClass s3tables:TagResource',
    },
  },
  {
    why: 'Metadata tables are made with the caller’s rights, and their operations of the second version ask for the actions of the first ("Setting up permissions for configuring metadata tables", S3 user guide).',
    rows: {
      's3:CreateBucketMetadataConfiguration':
        's3:CreateBucketMetadataTableConfiguration s3tables:CreateNamespace s3tables:CreateTable s3tables:CreateTableBucket s3tables:GetTable s3tables:PutTablePolicy',
      's3:CreateBucketMetadataTableConfiguration':
        's3:CreateBucketMetadataTableConfiguration s3tables:CreateNamespace s3tables:CreateTable s3tables:GetTable s3tables:PutTablePolicy',
      's3:DeleteBucketMetadataConfiguration': 's3:DeleteBucketMetadataTableConfiguration',
      's3:GetBucketMetadataConfiguration': 's3:GetBucketMetadataTableConfiguration',
      's3:UpdateBucketMetadataInventoryTableConfiguration':
        's3:UpdateBucketMetadataInventoryTableConfiguration s3tables:CreateNamespace s3tables:CreateTable s3tables:CreateTableBucket s3tables:GetTable s3tables:PutTablePolicy',
    },
  },
  {
    why: 'The second version of an operation is the same right as the first.',
    rows: {
      'accessanalyzer:GetFindingV2': 'access-analyzer:GetFinding',
      'accessanalyzer:ListFindingsV2': 'access-analyzer:ListFindings',
    },
  },
  {
    why: 'A re-encryption is a decryption under one key and an encryption under another (ReEncrypt, KMS API reference).',
    rows: { 'kms:ReEncrypt': 'kms:ReEncryptFrom kms:ReEncryptTo' },
  },
  {
    why: 'A replica is a new key where it is made ("ReplicateKey", KMS API reference).',
    rows: { 'kms:ReplicateKey': 'kms:CreateKey kms:ReplicateKey kms:TagResource' },
  },
  {
    why: 'A policy is validated for who may put it ("ValidateResourcePolicy", Secrets Manager API reference).',
    rows: {
      'secretsmanager:ValidateResourcePolicy': 'secretsmanager:PutResourcePolicy secretsmanager:ValidateResourcePolicy',
    },
  },
  {
    why: 'A restore that selects reads the object as well ("Querying archived objects", S3 user guide).',
    rows: { 's3:RestoreObject': 's3:GetObjectVersion s3:RestoreObject' },
  },
  {
    why: 'S3 has actions of other names than its operations, and more of them for versions, tags, lists and locks ("Required permissions for Amazon S3 API operations", S3 user guide). Whether an object is missing is told to who may list its bucket.',
    rows: {
      's3:CompleteMultipartUpload': 's3:GetObject s3:PutObject',
      's3:CopyObject':
        's3:GetObject s3:GetObjectAnnotation s3:GetObjectTagging s3:PutObject s3:PutObjectAcl s3:PutObjectAnnotation s3:PutObjectLegalHold s3:PutObjectRetention s3:PutObjectTagging',
      's3:CreateMultipartUpload':
        's3:PutObject s3:PutObjectAcl s3:PutObjectLegalHold s3:PutObjectRetention s3:PutObjectTagging',
      's3:DeleteBucketAnalyticsConfiguration': 's3:PutAnalyticsConfiguration',
      's3:DeleteBucketIntelligentTieringConfiguration': 's3:PutIntelligentTieringConfiguration',
      's3:GetBucketAnalyticsConfiguration': 's3:GetAnalyticsConfiguration',
      's3:GetBucketIntelligentTieringConfiguration': 's3:GetIntelligentTieringConfiguration',
      's3:ListBucketAnalyticsConfigurations': 's3:GetAnalyticsConfiguration',
      's3:ListBucketIntelligentTieringConfigurations': 's3:GetIntelligentTieringConfiguration',
      's3:PutBucketAnalyticsConfiguration': 's3:PutAnalyticsConfiguration',
      's3:PutBucketIntelligentTieringConfiguration': 's3:PutIntelligentTieringConfiguration',
      's3:CreateSession': 's3express:CreateSession',
      's3:DeleteBucketCors': 's3:PutBucketCORS',
      's3:DeleteBucketEncryption': 's3:PutEncryptionConfiguration',
      's3:DeleteBucketLifecycle': 's3:PutLifecycleConfiguration',
      's3:DeleteBucketOwnershipControls': 's3:PutBucketOwnershipControls',
      's3:DeleteBucketInventoryConfiguration': 's3:PutInventoryConfiguration',
      's3:DeleteBucketMetricsConfiguration': 's3:PutMetricsConfiguration',
      's3:DeleteBucketReplication': 's3:PutReplicationConfiguration',
      's3:DeleteBucketTagging': 's3:PutBucketTagging',
      's3:DeleteObject': 's3:BypassGovernanceRetention s3:DeleteObject s3:DeleteObjectVersion s3:GetObject',
      's3:DeleteObjectAnnotation': 's3:DeleteObjectAnnotation s3:DeleteObjectVersionAnnotation s3:ListBucket',
      's3:GetObjectAnnotation': 's3:GetObjectAnnotation s3:GetObjectVersionAnnotation',
      's3:ListObjectAnnotations': 's3:ListObjectAnnotations s3:ListObjectVersionAnnotations',
      's3:PutObjectAnnotation': 's3:PutObjectAnnotation s3:PutObjectVersionAnnotation',
      's3:DeleteObjectTagging': 's3:DeleteObjectTagging s3:DeleteObjectVersionTagging s3:ListBucket',
      's3:DeleteObjects': 's3:DeleteObject s3:DeleteObjectVersion',
      's3:DeletePublicAccessBlock': 's3:PutBucketPublicAccessBlock',
      's3:GetBucketAccelerateConfiguration': 's3:GetAccelerateConfiguration',
      's3:GetBucketCors': 's3:GetBucketCORS',
      's3:GetBucketEncryption': 's3:GetEncryptionConfiguration',
      's3:GetBucketLifecycleConfiguration': 's3:GetLifecycleConfiguration',
      's3:GetBucketInventoryConfiguration': 's3:GetInventoryConfiguration',
      's3:GetBucketMetricsConfiguration': 's3:GetMetricsConfiguration',
      's3:GetBucketNotificationConfiguration': 's3:GetBucketNotification',
      's3:GetBucketReplication': 's3:GetReplicationConfiguration',
      's3:GetObject': 's3:GetObject s3:GetObjectVersion s3:ListBucket',
      's3:GetObjectAcl': 's3:GetObjectAcl s3:GetObjectVersionAcl',
      's3:GetObjectAttributes': 's3:GetObject s3:GetObjectAttributes s3:GetObjectVersion s3:GetObjectVersionAttributes',
      's3:GetObjectLockConfiguration': 's3:GetBucketObjectLockConfiguration',
      's3:GetObjectTagging': 's3:GetObjectTagging s3:GetObjectVersionTagging',
      's3:GetPublicAccessBlock': 's3:GetBucketPublicAccessBlock',
      's3:HeadBucket': 's3:ListBucket',
      's3:HeadObject': 's3:GetObject s3:GetObjectVersion',
      's3:ListBucketInventoryConfigurations': 's3:GetInventoryConfiguration',
      's3:ListBucketMetricsConfigurations': 's3:GetMetricsConfiguration',
      's3:ListBuckets': 's3:ListAllMyBuckets',
      's3:ListMultipartUploads': 's3:ListBucketMultipartUploads',
      's3:ListObjectVersions': 's3:ListBucketVersions',
      's3:ListObjects': 's3:ListBucket',
      's3:ListObjectsV2': 's3:ListBucket',
      's3:ListParts': 's3:ListMultipartUploadParts',
      's3:PutBucketAccelerateConfiguration': 's3:PutAccelerateConfiguration',
      's3:PutBucketCors': 's3:PutBucketCORS',
      's3:PutBucketEncryption': 's3:PutEncryptionConfiguration',
      's3:PutBucketLifecycleConfiguration': 's3:PutLifecycleConfiguration',
      's3:PutBucketNotificationConfiguration': 's3:PutBucketNotification',
      's3:PutBucketInventoryConfiguration': 's3:PutInventoryConfiguration',
      's3:PutBucketMetricsConfiguration': 's3:PutMetricsConfiguration',
      's3:PutBucketReplication': 's3:PutReplicationConfiguration',
      's3:PutObject':
        's3:GetObject s3:PutObject s3:PutObjectAcl s3:PutObjectLegalHold s3:PutObjectRetention s3:PutObjectTagging',
      's3:PutObjectAcl': 's3:PutObjectAcl s3:PutObjectVersionAcl',
      's3:PutObjectLockConfiguration': 's3:PutBucketObjectLockConfiguration',
      's3:PutObjectRetention': 's3:BypassGovernanceRetention s3:PutObjectRetention',
      's3:PutObjectTagging': 's3:PutObjectTagging s3:PutObjectVersionTagging',
      's3:PutPublicAccessBlock': 's3:PutBucketPublicAccessBlock',
      's3:RenameObject': 's3:PutObject',
      's3:SelectObjectContent': 's3:GetObject',
      's3:UploadPart': 's3:PutObject',
      's3:UploadPartCopy': 's3:GetObject s3:PutObject',
      's3control:CreateAccessPoint': 's3:CreateAccessPoint s3:PutAccessPointPublicAccessBlock s3:TagResource',
      's3control:CreateAccessGrant': 's3:CreateAccessGrant s3:TagResource',
      's3control:CreateAccessGrantsInstance': 's3:CreateAccessGrantsInstance s3:TagResource',
      's3control:CreateAccessGrantsLocation': 'iam:PassRole s3:CreateAccessGrantsLocation s3:TagResource',
      's3control:UpdateAccessGrantsLocation': 'iam:PassRole s3:UpdateAccessGrantsLocation',
      's3control:CreateJob': 'iam:PassRole s3:CreateJob s3:PutJobTagging',
      's3control:DeletePublicAccessBlock': 's3:PutAccountPublicAccessBlock',
      's3control:GetPublicAccessBlock': 's3:GetAccountPublicAccessBlock',
      's3control:PutPublicAccessBlock': 's3:PutAccountPublicAccessBlock',
    },
  },
]

/** Resources that no ARN template of the action fits. */
export const resources: Rows<RegExp> = [
  {
    why: 'The reference names no resource type, but the condition keys of an access point.',
    rows: {
      's3:GetAccessPoint': /:accesspoint\/door$/,
      's3:PutAccessPointPublicAccessBlock': /:accesspoint\/new-door$/,
    },
  },
  {
    why: 'The reference names no resource type; AWS’s denials, and the CodeDeploy and EventBridge permissions references in their user guides, name these.',
    rows: {
      'codedeploy:BatchGetDeploymentTargets': /:deploymentgroup:app\/all$/,
      'codedeploy:GetDeploymentTarget': /:deploymentgroup:app\/all$/,
      'codedeploy:ListApplications': /:application:\*$/,
      'codedeploy:ListDeploymentConfigs': /:deploymentconfig:\*$/,
      'codedeploy:ListDeploymentTargets': /:deploymentgroup:app\/all$/,
      'events:ListEventBuses': /:event-bus\/\*$/,
      'events:ListRuleNamesByTarget': /:rule\/\*$/,
      'events:ListRules': /:rule\/\*$/,
      'events:PutPermission': /:event-bus\/orders$/,
      'events:RemovePermission': /:event-bus\/orders$/,
      'iam:ListGroups': /:group\/(people\/)?$/,
      'iam:ListSAMLProviders': /:saml-provider\/\*$/,
      'iam:ListServerCertificates': /:server-certificate\/(people\/)?$/,
      'iam:ListOpenIDConnectProviders': /:oidc-provider\/\*$/,
      'iam:ListInstanceProfiles': /:instance-profile\/(people\/)?$/,
      'iam:ListPolicies': /^policy path \/(people\/)?$/,
      'iam:ListRoles': /:role\/(people\/)?$/,
      'iam:ListUsers': /:user\/(people\/)?$/,
      'ssm:DescribeParameters': /:000000000000:\*$/,
      'logs:DescribeLogGroups': /:log-group::log-stream:$/,
    },
  },
  {
    why: 'A sandbox’s id is made of its project’s name, a colon and a UUID, as a build’s is.',
    rows: {
      'codebuild:BatchGetCommandExecutions': /:sandbox\/app:[0-9a-f-]{36}$/,
      'codebuild:ListCommandExecutionsForSandbox': /:sandbox\/app:[0-9a-f-]{36}$/,
      'codebuild:StartSandboxConnection': /:sandbox\/app:[0-9a-f-]{36}$/,
      'codebuild:StartCommandExecution': /:sandbox\/app:[0-9a-f-]{36}$/,
    },
  },
  {
    why: 'A caller who is no user and names none: no user in particular.',
    rows: { 'iam:ChangePassword': /:user\/$/ },
  },
  {
    why: 'Documents of AWS have no account ("Service role policy permissions for the EC2 deploy action", CodePipeline user guide).',
    rows: {
      'ssm:SendCommand': /^arn:aws:ssm:us-east-1::document\/AWS-RunShellScript$/,
      'ssm:StartSession': /^arn:aws:ssm:us-east-1::document\/AWS-StartInteractiveCommand$/,
    },
  },
]

/** Condition keys that the reference names for an action and requests here never carry: `action key`, as patterns. */
export const unset: readonly { readonly why: string; readonly keys: RegExp }[] = [
  {
    why: 'The resource is being made, and has no tags and no id yet.',
    keys: /^(([\w-]+:(Create|Upload)\w+|organizations:PutResourcePolicy) [\w-]+:ResourceTag\/(\$\{TagKey\}|tag-key)|s3tables:(CreateTableBucket s3tables:TableBucketTag|PutTable(Data|Encryption|StorageClass) aws:ResourceTag)\/\$\{TagKey\}|ec2:CreateSecurityGroup ec2:SecurityGroupID|ec2:(RunInstances|CreateTags) ec2:(InstanceID|NetworkInterfaceID|VolumeID))$/,
  },
  {
    why: 'AWS’s documents of shell scripts and sessions have no categories. Just-in-time node access is not here, and has no requests.',
    keys: /^ssm:(SendCommand ssm:DocumentCategories|StartSession ssm:(AccessRequestId|DocumentCategories))$/,
  },
  {
    why: 'A list is of no one connection whose tags would count.',
    keys: /^codestar-connections:ListConnections aws:ResourceTag/,
  },
  {
    why: 'ListHosts has no such parameter.',
    keys: /^codestar-connections:ListHosts codestar-connections:ProviderTypeFilter$/,
  },
  {
    why: 'Service-linked roles have no tags here when their deletion is asked after.',
    keys: /^iam:GetServiceLinkedRoleDeletionStatus (aws|iam):ResourceTag/,
  },
  {
    why: 'A bucket’s tags count once attribute-based access control is switched on for it (PutBucketAbac), which cannot be done here yet.',
    keys: /^s3:\w+ (aws:ResourceTag|s3:BucketTag)\/\$\{TagKey\}$/,
  },
  {
    why: 'The endpoint speaks HTTP, and is not told which TLS a proxy before it speaks.',
    keys: /^s3:\w+ s3:TlsVersion$/,
  },
  {
    why: 'Only presigned URLs carry it (a story of S3’s checks it), and the SDK’s calls are signed in a header.',
    keys: /^s3:\w+ s3:signatureAge$/,
  },
  {
    why: 'The contract’s calls go to the bucket; stories of access points and of access grants check them.',
    keys: /^s3:\w+ s3:(AccessGrantsInstanceArn|AccessPoint\w+(\/\$\{TagKey\})?|DataAccessPoint\w+)$/,
  },
  {
    why: 'The API has no tags to give.',
    keys: /^s3:(?!Create)\w+(AccessGrant\w*|DataAccess) aws:(RequestTag\/\$\{TagKey\}|TagKeys)$/,
  },
  {
    why: 'The job of the contract’s world waits for no confirmation.',
    keys: /^s3:UpdateJobStatus s3:JobSuspendedCause$/,
  },
  {
    why: 'The API has no such parameter.',
    keys: /^s3:CreateAccessPoint s3:(locationconstraint|x-amz-acl)$/,
  },
  {
    why: 'The API has no such parameter: x-amz-grant-write is for buckets, the storage class of an object is no part of its access control list.',
    keys: /^s3:PutObject(Acl s3:x-amz-(grant-write|storage-class)| s3:x-amz-grant-write|VersionAcl s3:x-amz-storage-class)$/,
  },
  {
    why: 'Governance is overruled by requests that delete, or that set retention; the reference lists what uploads carry.',
    keys: /^s3:BypassGovernanceRetention s3:(RequestObjectTag(\/<key>|Keys)|x-amz-[\w-]+)$/,
  },
  {
    why: 'Machines here have no such thing: volumes of their own, launch templates, placement groups, product codes, recovery, bandwidth weighting, AMD SEV-SNP, other operators.',
    keys: /^ec2:\w+ ec2:(CpuOptionsAmdSevSnp|Encrypted|InstanceAutoRecovery|InstanceBandwidthWeighting|IsLaunchTemplateResource|LaunchTemplate|ManagedResourceOperator|ParentSnapshot|ParentVolume|PlacementGroup|ProductCode|Volume(InitializationRate|Iops|Size|Throughput|Type))$/,
  },
  {
    why: 'Permissions of network interfaces for other accounts and services cannot be given here.',
    keys: /^ec2:\w+ ec2:(AuthorizedService|AuthorizedUser|Permission)$/,
  },
  {
    why: 'No service makes rules on a user’s behalf here.',
    keys: /^events:\w+ events:ManagedBy$/,
  },
  {
    why: 'Of events that a bus forwards with system metadata (event-busv2), which is not here.',
    keys: /^events:PutEvents events:SystemMetadata\//,
  },
  {
    why: 'Passkeys and security keys cannot be registered through the API.',
    keys: /^iam:EnableMFADevice iam:(FIDO-.*|RegisterSecurityKey)$/,
  },
  {
    why: 'Set where a service makes the call for its caller, which no call of the contract is.',
    keys: /^kms:\w+ kms:ViaService$/,
  },
  { why: 'There are no Nitro enclaves here.', keys: /^kms:\w+ kms:RecipientAttestation:/ },
  {
    why: 'How long a key has not been used is no condition yet.',
    keys: /^kms:(DisableKey|ScheduleKeyDeletion) kms:TrailingDaysWithoutKeyUsage$/,
  },
  {
    why: 'No transfer of responsibility is in the world of the contract.',
    keys: /^organizations:\w+ResponsibilityTransfer aws:ResourceTag/,
  },
  {
    why: 'These calls give no tags.',
    keys: /^(s3:(DescribeJob|(Get|Delete)JobTagging|UpdateJob(Priority|Status))|access-analyzer:((Delete|Get)Analyzer|(Create|Delete)ServiceLinkedAnalyzer)|secretsmanager:(?!CreateSecret|TagResource|UntagResource)\w+) aws:(RequestTag\/\$\{TagKey\}|TagKeys)$|^secretsmanager:UntagResource aws:RequestTag/,
  },
  {
    why: 'No secret of the contract’s world is rotated by a function, or has a partner’s type.',
    keys: /^secretsmanager:\w+ secretsmanager:(ExternalSecretRotationRoleArn|resource\/AllowRotationLambdaArn|(resource\/)?Type)$/,
  },
  { why: 'Of no webhook in particular.', keys: /^codepipeline:ListWebhooks aws:ResourceTag/ },
  { why: 'A third party’s action type has no tags.', keys: /^codepipeline:UpdateActionType aws:ResourceTag/ },
  {
    why: 'The API has no such parameter: it is said when the webhook is made.',
    keys: /^codebuild:UpdateWebhook codebuild:(manualCreation|scopeConfiguration\.(domain|name|scope))$/,
  },
  {
    why: 'The visibility of a project says nothing of its tags.',
    keys: /^codebuild:UpdateProjectVisibility aws:(RequestTag\/\$\{TagKey\}|TagKeys)$/,
  },
  { why: 'Role templates are not here.', keys: /^iam:\w+ iam:RoleTemplateARN$/ },
  { why: 'Access grants of CloudWatch are not here.', keys: /^cloudwatch:\w+ cloudwatch:HasAccessGrant$/ },
]

/** Actions that the reference does not list. */
export const unlisted: Readonly<Record<string, string>> = {
  'cloudtrail:ListInsightsMetricData': 'The API is newer than its action in the reference.',
  'kms:Decapsulate': 'The API is newer than its action in the reference.',
  'kms:Encapsulate': 'The API is newer than its action in the reference.',
}

/** Calls whose outcome reads like a denial and is none of IAM's policies. */
export const refusals: Readonly<Record<string, string>> = {
  'accessanalyzer:CreateServiceLinkedAnalyzer': 'Only for services of AWS.',
  'organizations:AcceptHandshake': 'Only for the account that was invited.',
  'organizations:DeclineHandshake': 'Only for the account that was invited.',
  's3control:GetDataAccess': 'What it gives is given by a grant, and the contract’s callers have none.',
  'sts:GetFederationToken': 'Only for users: sessions are refused whatever their rights.',
}

/** Operations that the client cannot send to this endpoint. */
export const unsent: Readonly<Record<string, string>> = {
  'logs:StartLiveTail': 'The client puts a prefix before the host, which does not resolve here.',
}
