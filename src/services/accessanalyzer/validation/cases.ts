import type { PolicyType } from './check.ts'

// One policy for each code of the catalogue that has this finding.

export const document = (...Statement: object[]) => ({ Version: '2012-10-17', Statement })
export const allow = (more: object = {}) => ({
  Effect: 'Allow',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::b/*',
  ...more,
})
export const on = (Condition: object, more: object = {}) => document(allow({ Condition, ...more }))
export const trust = (more: object = {}) =>
  document({ Effect: 'Allow', Principal: { AWS: '111122223333' }, Action: 'sts:AssumeRole', ...more })
export const bucket = (more: object = {}) => document(allow({ Principal: { AWS: '111122223333' }, ...more }))
export const oidc = 'arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com'
export const web = (Federated: string, Condition?: object) =>
  trust({ Principal: { Federated }, Action: 'sts:AssumeRoleWithWebIdentity', ...(Condition ? { Condition } : {}) })
export const rcp = (more: object = {}) =>
  document({ Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: '*', ...more })

export const identity = 'IDENTITY_POLICY'
export const resource = 'RESOURCE_POLICY'
export const scp = 'SERVICE_CONTROL_POLICY'
export const rcpType = 'RESOURCE_CONTROL_POLICY'

type Row = readonly [code: string, policy: object | string, type?: PolicyType, attachedTo?: string]
export const rows: readonly Row[] = [
  ['ARN_ACCOUNT_NOT_ALLOWED', document(allow({ Resource: 'arn:aws:s3::111122223333:bucket' }))],
  [
    'ARN_REGION_NOT_ALLOWED',
    document(allow({ Action: 'iam:GetRole', Resource: 'arn:aws:iam:us-east-1:111122223333:role/r' })),
  ],
  ['DATA_TYPE_MISMATCH', document(allow({ Action: [1] }))],
  ['DUPLICATE_KEYS_WITH_DIFFERENT_CASE', on({ StringEquals: { 'aws:username': 'a', 'aws:UserName': 'a' } })],
  ['EMPTY_VARIABLE', document(allow({ Resource: 'arn:aws:s3:::b/${}' }))],
  ['FEDERATED_PRINCIPAL_NOT_SUPPORTED', bucket({ Principal: { Federated: 'accounts.google.com' } }), resource],
  ['INVALID_ACTION', document(allow({ Action: 's3:GetObjet' }))],
  ['INVALID_ARN_ACCOUNT', document(allow({ Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs:us-east-1:1234:q' }))],
  ['INVALID_ARN_PREFIX', document(allow({ Resource: 'aws:s3:::b' }))],
  [
    'INVALID_ARN_REGION',
    document(allow({ Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs:us-east-7:111122223333:q' })),
  ],
  [
    'INVALID_ARN_RESOURCE',
    document(allow({ Action: 'codebuild:StartBuild', Resource: 'arn:aws:codebuild:us-east-1:111122223333:nothing' })),
  ],
  ['INVALID_ARN_SERVICE_CASE', document(allow({ Resource: 'arn:aws:S3:::b/*' }))],
  ['INVALID_CONDITION_DATA_TYPE', on({ StringEquals: { 'aws:username': ['a', 1] } })],
  ['INVALID_CONDITION_KEY_FORMAT', on({ StringEquals: { username: 'a' } })],
  ['INVALID_CONDITION_MULTIPLE_BOOLEAN', on({ Bool: { 'aws:SecureTransport': [true, false] } })],
  ['INVALID_CONDITION_OPERATOR', on({ StringMatches: { 'aws:username': 'a' } })],
  ['INVALID_EFFECT', document(allow({ Effect: 'allow' }))],
  ['INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY', web('arn:aws:iam::1:nothing/x'), resource],
  ['INVALID_GLOBAL_CONDITION_KEY', on({ StringEquals: { 'aws:nothing': 'a' } })],
  [
    'INVALID_KMS_KEY_VALUE',
    on({ StringEquals: { 's3:x-amz-server-side-encryption-aws-kms-key-id': 'alias/a' } }, { Action: 's3:PutObject' }),
  ],
  ['INVALID_PARTITION', document(allow({ Resource: 'arn:amazon:s3:::b/*' }))],
  ['INVALID_POLICY_ELEMENT', { ...document(allow()), Statements: [] }],
  ['INVALID_PRINCIPAL_FORMAT', bucket({ Principal: '111122223333' }), resource],
  ['INVALID_PRINCIPAL_KEY', bucket({ Principal: { Account: '111122223333' } }), resource],
  ['INVALID_REGION', on({ StringEquals: { 'aws:RequestedRegion': 'us-east-7' } })],
  ['INVALID_SERVICE', document(allow({ Resource: 'arn:aws:nothing:::b' }))],
  ['INVALID_SERVICE_CONDITION_KEY', on({ StringEquals: { 's3:nothing': 'a' } })],
  ['INVALID_SERVICE_IN_ACTION', document(allow({ Action: 's33:GetObject' }))],
  ['INVALID_SERVICE_PRINCIPAL_FORMAT', trust({ Principal: { Service: 'lambda' } }), resource],
  [
    'INVALID_VARIABLE_FOR_OPERATOR',
    on(
      { NumericEquals: { 's3:max-keys': '${aws:username}' } },
      { Action: 's3:ListBucket', Resource: 'arn:aws:s3:::b' },
    ),
  ],
  ['INVALID_VERSION', { ...document(allow()), Version: '2020-01-01' }],
  ['INVALID_VPC_FORMAT', on({ StringEquals: { 'aws:SourceVpc': 'vpc-1' } })],
  ['INVALID_VPCE_FORMAT', on({ StringEquals: { 'aws:SourceVpce': 'vpce-1' } })],
  ['JSON_SYNTAX_ERROR', '{"Version": }'],
  ['MISMATCHED_ACTION_FOR_PRINCIPAL', trust({ Principal: { Federated: 'accounts.google.com' } }), resource],
  ['MISSING_ACTION', document({ Effect: 'Allow', Resource: '*' })],
  [
    'MISSING_ACTION_FOR_CONDITION_KEY',
    trust({ Condition: { StringEquals: { 'sts:SourceIdentity': 'ana' } } }),
    resource,
  ],
  [
    'MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY',
    trust({ Principal: { Service: 'rolesanywhere.amazonaws.com' } }),
    resource,
  ],
  ['MISSING_ARN_ACCOUNT', document(allow({ Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs:us-east-1::q' }))],
  ['MISSING_ARN_FIELD', document(allow({ Resource: 'arn:aws:s3:b' }))],
  ['MISSING_ARN_REGION', document(allow({ Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs::111122223333:q' }))],
  ['MISSING_BRACE_IN_VARIABLE', document(allow({ Resource: 'arn:aws:s3:::b/${aws:username' }))],
  ['MISSING_EFFECT', document({ Action: 's3:GetObject', Resource: '*' })],
  ['MISSING_PRINCIPAL', document(allow()), resource],
  ['MISSING_QUALIFIER', on({ StringEquals: { 'aws:TagKeys': 'a' } })],
  ['MISSING_QUOTE_IN_VARIABLE', document(allow({ Resource: 'arn:aws:s3:::b/${aws:username, nobody}' }))],
  ['MISSING_RESOURCE', document({ Effect: 'Allow', Action: 's3:GetObject' })],
  ['MISSING_STATEMENT', { Version: '2012-10-17' }],
  ['MISSING_TAG_KEY_IN_CONDITION', on({ StringEquals: { 'aws:ResourceTag': 'a' } })],
  ['NULL_WITH_IF_EXISTS', on({ NullIfExists: { 'aws:username': 'true' } })],
  ['POLICY_SIZE_EXCEEDS_RCP_QUOTA', rcp({ Sid: 'x'.repeat(5200) }), rcpType],
  ['POLICY_SIZE_EXCEEDS_SCP_QUOTA', document(allow({ Sid: 'x'.repeat(5200) })), scp],
  ['PRIVATE_IP_ADDRESS', on({ IpAddress: { 'aws:SourceIp': '10.0.0.0/16' } })],
  ['PRIVATE_NOT_IP_ADDRESS', on({ NotIpAddress: { 'aws:SourceIp': ['192.168.1.1', '10.0.0.0/16'] } })],
  ['RCP_SYNTAX_ERROR_ACTION', rcp({ Action: 'ec2:*' }), rcpType],
  ['RCP_SYNTAX_ERROR_ALLOW', rcp({ Effect: 'Allow', Resource: 'arn:aws:s3:::b' }), rcpType],
  [
    'RCP_SYNTAX_ERROR_NOTACTION',
    document({ Effect: 'Deny', Principal: '*', NotAction: 's3:*', Resource: '*' }),
    rcpType,
  ],
  ['RCP_SYNTAX_ERROR_PRINCIPAL', rcp({ Principal: { AWS: '111122223333' } }), rcpType],
  [
    'ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL',
    document({ Effect: 'Allow', NotPrincipal: { AWS: '111122223333' }, Action: 'sts:AssumeRole' }),
    resource,
  ],
  ['ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE', trust({ Resource: '*' }), resource, 'AWS::IAM::AssumeRolePolicyDocument'],
  ['ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL', trust({ Principal: '*' }), resource],
  ['SCP_SYNTAX_ERROR_ACTION_WILDCARD', document(allow({ Action: 'iam:*Role' })), scp],
  ['SCP_SYNTAX_ERROR_PRINCIPAL', bucket(), scp],
  ['TYPE_MISMATCH_IP_RANGE', on({ IpAddress: { 'aws:SourceIp': '203.0.113' } })],
  ['UNIQUE_SIDS_REQUIRED', document(allow({ Sid: 'A' }), allow({ Sid: 'A', Action: 's3:PutObject' }))],
  ['UNSUPPORTED_ACTION_FOR_CONDITION_KEY', on({ StringEquals: { 's3:prefix': 'a' } })],
  ['UNSUPPORTED_ACTION_IN_POLICY', bucket({ Action: 'kms:Decrypt' }), resource, 'AWS::S3::Bucket'],
  [
    'UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL',
    bucket({
      Principal: { Service: 'cloudfront.amazonaws.com' },
      Condition: { StringEquals: { 'aws:PrincipalOrgID': 'o-1', 'aws:SourceAccount': '111122223333' } },
    }),
    resource,
  ],
  ['UNSUPPORTED_ELEMENT_COMBINATION', document(allow({ NotAction: 's3:PutObject' }))],
  [
    'UNSUPPORTED_GLOBAL_CONDITION_KEY',
    bucket({ Condition: { ArnEquals: { 'aws:ARN': 'arn:aws:iam::111122223333:role/r' } } }),
    resource,
  ],
  ['UNSUPPORTED_PRINCIPAL', bucket()],
  [
    'UNSUPPORTED_RESOURCE_ARN_IN_POLICY',
    bucket({ Resource: 'arn:aws:kms:us-east-1:111122223333:key/k' }),
    resource,
    'AWS::S3::Bucket',
  ],
  ['UNSUPPORTED_SID', document(allow({ Sid: 'a b' }))],
  ['UNSUPPORTED_SPACE_IN_VARIABLE', document(allow({ Resource: 'arn:aws:s3:::b/${aws: username}' }))],
  ['UNSUPPORTED_WILDCARD_IN_PRINCIPAL', bucket({ Principal: { AWS: 'arn:aws:iam::111122223333:role/*' } }), resource],
  ['VARIABLE_UNSUPPORTED_IN_ELEMENT', document(allow({ Action: 's3:${aws:username}' }))],
  [
    'VARIABLE_UNSUPPORTED_IN_VERSION',
    { ...document(allow({ Resource: 'arn:aws:s3:::b/${aws:username}' })), Version: '2008-10-17' },
  ],
  ['VARIABLE_USAGE_TOO_PERMISSIVE', on({ StringLike: { 'aws:PrincipalOrgID': '${aws:username}' } })],
  ['WILDCARD_USAGE_TOO_PERMISSIVE', on({ StringLike: { 'aws:PrincipalOrgID': 'o-*' } })],
  [
    'CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE',
    document({ Effect: 'Allow', NotAction: 's3:*', NotResource: 'arn:aws:s3:::b' }),
  ],
  [
    'CREATE_SLR_WITH_NOT_RESOURCE',
    document({
      Effect: 'Allow',
      Action: 'iam:CreateServiceLinkedRole',
      NotResource: 'arn:aws:iam::111122223333:role/r',
    }),
  ],
  [
    'CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE',
    document({ Effect: 'Allow', Action: 'iam:*', NotResource: 'arn:aws:iam::111122223333:role/r' }),
  ],
  ['CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE', document(allow({ Action: '*', Resource: '*' }))],
  ['CREATE_SLR_WITH_STAR_IN_RESOURCE', document(allow({ Action: 'iam:CreateServiceLinkedRole', Resource: '*' }))],
  ['CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION', document({ Effect: 'Allow', NotAction: 's3:*', Resource: '*' })],
  ['DEPRECATED_GLOBAL_CONDITION_KEY', on({ ArnEquals: { 'aws:ARN': 'arn:aws:iam::111122223333:role/r' } })],
  ['INVALID_DATE_VALUE', on({ DateLessThan: { 'aws:CurrentTime': '1575057600' } })],
  ['INVALID_ROLE_REFERENCE', bucket({ Principal: { AWS: 'AROAEXAMPLEEXAMPLE123' } }), resource],
  ['INVALID_USER_REFERENCE', bucket({ Principal: { AWS: 'AIDAEXAMPLEEXAMPLE123' } }), resource],
  ['MISSING_VERSION', { Statement: [allow()] }],
  ['POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA', document(allow({ Sid: 'x'.repeat(6200) }))],
  ['POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA', bucket({ Sid: 'x'.repeat(20500) }), resource, 'AWS::S3::Bucket'],
  ['POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA', trust({ Sid: 'x'.repeat(2100) }), resource],
  [
    'RCP_MISSING_RELATED_PRINCIPAL_CONDITION_KEY',
    rcp({ Condition: { StringNotEqualsIfExists: { 'aws:PrincipalOrgID': 'o-1' } } }),
    rcpType,
  ],
  [
    'RCP_MISSING_RELATED_SERVICE_PRINCIPAL_CONDITION_KEY',
    rcp({ Condition: { StringNotEqualsIfExists: { 'aws:SourceOrgID': 'o-1' } } }),
    rcpType,
  ],
  [
    'RCP_MISSING_SERVICE_CONDITION_KEY_NULL_CHECK',
    rcp({
      Condition: {
        StringNotEqualsIfExists: { 'aws:SourceOrgID': 'o-1' },
        BoolIfExists: { 'aws:PrincipalIsAWSService': 'true' },
      },
    }),
    rcpType,
  ],
  [
    'SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED',
    web(oidc, { StringLike: { 'token.actions.githubusercontent.com:sub': 'repo:*' } }),
    resource,
  ],
  ['TYPE_MISMATCH', on({ NumericEquals: { 'aws:username': '1' } })],
  ['TYPE_MISMATCH_BOOLEAN', on({ Bool: { 'aws:SecureTransport': 'yes' } })],
  ['TYPE_MISMATCH_DATE', on({ DateLessThan: { 'aws:CurrentTime': 'tomorrow' } })],
  ['TYPE_MISMATCH_NUMBER', on({ NumericLessThan: { 'aws:MultiFactorAuthAge': 'long' } })],
  ['TYPE_MISMATCH_STRING', on({ BinaryEquals: { 'aws:username': '***' } })],
  [
    'UNIQUE_SIDS_RECOMMENDED',
    document(
      allow({ Sid: 'A', Principal: { AWS: '111122223333' } }),
      allow({ Sid: 'A', Action: 's3:PutObject', Principal: { AWS: '111122223333' } }),
    ),
    resource,
  ],
  ['WILDCARD_WITHOUT_LIKE_OPERATOR', on({ StringEquals: { 'aws:username': 'a*' } })],
  [
    'ALLOW_WITH_NOT_PRINCIPAL',
    document({
      Effect: 'Allow',
      NotPrincipal: { AWS: '111122223333' },
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::b/*',
    }),
    resource,
  ],
  [
    'DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
    document({
      Effect: 'Deny',
      NotAction: 'iam:*',
      Resource: '*',
      Condition: { StringEquals: { 'aws:ResourceTag/a': 'b' } },
    }),
  ],
  [
    'DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
    document({
      Effect: 'Deny',
      Action: 'health:DescribeEvents',
      Resource: '*',
      Condition: { StringEquals: { 'aws:ResourceTag/a': 'b' } },
    }),
  ],
  ['FORALLVALUES_WITH_SINGLE_VALUED_KEY', on({ 'ForAllValues:StringEquals': { 'aws:username': 'a' } })],
  ['MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL', web('accounts.google.com'), resource],
  [
    'MISSING_GITHUB_REPO_CONDITION_KEY',
    web(oidc, { StringEquals: { 'token.actions.githubusercontent.com:aud': 'sts.amazonaws.com' } }),
    resource,
  ],
  ['MISSING_PAIRED_CONDITION_KEYS', on({ IpAddress: { 'aws:VpcSourceIp': '10.0.0.0/16' } })],
  [
    'PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE',
    document({ Effect: 'Allow', NotAction: 's3:*', NotResource: 'arn:aws:s3:::b' }),
  ],
  [
    'PASS_ROLE_WITH_NOT_RESOURCE',
    document({ Effect: 'Allow', Action: 'iam:PassRole', NotResource: 'arn:aws:iam::111122223333:role/r' }),
  ],
  [
    'PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE',
    document({ Effect: 'Allow', Action: 'iam:Pass*', NotResource: 'arn:aws:iam::111122223333:role/r' }),
  ],
  ['PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE', document(allow({ Action: 'iam:*', Resource: '*' }))],
  [
    'PASS_ROLE_WITH_STAR_IN_RESOURCE',
    document(allow({ Action: 'iam:PassRole', Resource: 'arn:aws:iam::111122223333:role/*' })),
  ],
  ['PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION', document({ Effect: 'Allow', NotAction: 's3:*', Resource: '*' })],
  ['RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL', bucket({ Principal: { Service: 'cloudtrail.amazonaws.com' } }), resource],
  [
    'STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS',
    on({ StringLike: { 'aws:PrincipalArn': 'arn:aws:iam::111122223333:role/*' } }),
  ],
  ['UNTRUSTWORTHY_CONDITION_KEY', on({ StringEquals: { 'aws:UserAgent': 'mine' } })],
  [
    'ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
    document({
      Effect: 'Allow',
      NotAction: 'iam:*',
      Resource: '*',
      Condition: { StringEquals: { 'aws:ResourceTag/a': 'b' } },
    }),
  ],
  [
    'ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE',
    document({
      Effect: 'Allow',
      Action: 'health:DescribeEvents',
      Resource: '*',
      Condition: { StringEquals: { 'aws:ResourceTag/a': 'b' } },
    }),
  ],
  [
    'CONFIRM_AUDIENCE_CLAIM_TYPE',
    web('accounts.google.com', { 'ForAnyValue:StringEquals': { 'accounts.google.com:aud': 'a' } }),
    resource,
  ],
  ['EMPTY_ARRAY_ACTION', document(allow({ Action: [] }))],
  ['EMPTY_ARRAY_CONDITION', on({ StringEquals: { 'aws:username': [] } })],
  ['EMPTY_ARRAY_CONDITION_FORALLVALUES', on({ 'ForAllValues:StringEquals': { 'aws:TagKeys': [] } })],
  ['EMPTY_ARRAY_CONDITION_FORANYVALUE', on({ 'ForAnyValue:StringEquals': { 'aws:TagKeys': [] } })],
  ['EMPTY_ARRAY_CONDITION_IFEXISTS', on({ StringEqualsIfExists: { 'aws:username': [] } })],
  ['EMPTY_ARRAY_PRINCIPAL', bucket({ Principal: { AWS: [] } }), resource],
  ['EMPTY_ARRAY_RESOURCE', document(allow({ Resource: [] }))],
  ['EMPTY_OBJECT_CONDITION', on({})],
  ['EMPTY_OBJECT_PRINCIPAL', bucket({ Principal: {} }), resource],
  ['EMPTY_SID_VALUE', document(allow({ Sid: '' }))],
  ['IMPROVE_IP_RANGE', on({ IpAddress: { 'aws:SourceIp': '203.0.113.7/24' } })],
  [
    'IRRELEVANT_CONDITION_KEY_IN_POLICY',
    bucket({ Condition: { StringEquals: { 's3:ResourceAccount': '111122223333' } } }),
    resource,
    'AWS::S3::Bucket',
  ],
  ['NULL_WITH_QUALIFIER', on({ 'ForAllValues:Null': { 'aws:TagKeys': 'true' } })],
  ['PRIVATE_IP_ADDRESS_SUBSET', on({ IpAddress: { 'aws:SourceIp': ['10.0.0.0/16', '203.0.113.0/24'] } })],
  ['PRIVATE_NOT_IP_ADDRESS_SUBSET', on({ NotIpAddress: { 'aws:SourceIp': ['10.0.0.0/16', '203.0.113.0/24'] } })],
  [
    'RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL',
    bucket({
      Principal: { Service: 'ses.amazonaws.com' },
      Condition: { StringEquals: { 'aws:Referer': '111122223333' } },
    }),
    resource,
  ],
  ['REDUNDANT_ACTION', document(allow({ Action: ['s3:Get*', 's3:GetObject'] }))],
  ['REDUNDANT_CONDITION_VALUE_NUM', on({ NumericLessThan: { 'aws:MultiFactorAuthAge': ['2700', '3600'] } })],
  ['REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION', on({ StringLikeIfExists: { 'aws:username': '*' } })],
  [
    'REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY',
    trust({ Principal: { AWS: ['arn:aws:iam::111122223333:role/r', 'arn:aws:sts::111122223333:assumed-role/r/s'] } }),
    resource,
  ],
  ['REDUNDANT_RESOURCE', document(allow({ Resource: ['arn:aws:s3:::b/*', 'arn:aws:s3:::b/a'] }))],
  ['REDUNDANT_STATEMENT', document(allow({ Sid: 'A' }), allow({ Sid: 'B' }))],
  ['REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION', on({ StringNotLike: { 'aws:username': '*' } })],
  ['WILDCARD_IN_SERVICE_NAME', document(allow({ Action: '*code*:Get*', Resource: '*' }))],
]
