import { account, allow, deny, identity, other, page, resourcePolicy, root, user } from './case.ts'

const mfa = (value: string) => ({ 'aws:MultiFactorAuthPresent': value })
const during = [
  identity(
    allow('service:Action', '*', {
      DateGreaterThan: { 'aws:CurrentTime': '2026-04-01T00:00:00Z' },
      DateLessThan: { 'aws:CurrentTime': '2026-06-30T23:59:59Z' },
    }),
  ),
]
const own = `arn:aws:iam::${account}:user/\${aws:username}`
const selfManaged = [
  identity(
    allow(['iam:GetAccountPasswordPolicy', 'iam:ListVirtualMFADevices']),
    allow(
      [
        'iam:ChangePassword',
        'iam:GetUser',
        'iam:CreateAccessKey',
        'iam:EnableMFADevice',
        'iam:ListMFADevices',
        'iam:ResyncMFADevice',
      ],
      'arn:aws:iam::*:user/${aws:username}',
    ),
    allow('iam:CreateVirtualMFADevice', 'arn:aws:iam::*:mfa/*'),
    {
      Effect: 'Deny',
      NotAction: [
        'iam:CreateVirtualMFADevice',
        'iam:EnableMFADevice',
        'iam:GetUser',
        'iam:ListMFADevices',
        'iam:ListVirtualMFADevices',
        'iam:ResyncMFADevice',
        'sts:GetSessionToken',
      ],
      Resource: '*',
      Condition: { BoolIfExists: mfa('false') },
    },
  ),
]
const zoe = { principal: user('zoe'), context: { 'aws:username': 'zoe' }, policies: selfManaged }
const zoeArn = user('zoe').arn

export const iamExamples = [
  ...page('AWS: Allows access based on date and time', { action: 'service:Action', resource: '*', policies: during }, [
    ['within the span', { context: { 'aws:CurrentTime': '2026-05-04T10:00:00Z' } }, 'allowed'],
    ['before it', { context: { 'aws:CurrentTime': '2026-03-31T23:59:59Z' } }, 'implicitDeny identity'],
    [
      'at its first moment, which is excluded',
      { context: { 'aws:CurrentTime': '2026-04-01T00:00:00Z' } },
      'implicitDeny identity',
    ],
    ['after it', { context: { 'aws:CurrentTime': '2026-07-01T00:00:00Z' } }, 'implicitDeny identity'],
  ]),
  ...page(
    'AWS: Allows specific access using MFA within specific dates',
    {
      action: 'service:Action',
      resource: '*',
      policies: [
        identity(
          allow('service:*', '*', {
            Bool: mfa('true'),
            DateGreaterThan: { 'aws:CurrentTime': '2026-07-01T00:00:00Z' },
            DateLessThan: { 'aws:CurrentTime': '2026-12-31T23:59:59Z' },
          }),
        ),
      ],
    },
    [
      ['MFA and date', { context: { ...mfa('true'), 'aws:CurrentTime': '2026-08-01T00:00:00Z' } }, 'allowed'],
      [
        'MFA, another date',
        { context: { ...mfa('true'), 'aws:CurrentTime': '2026-06-01T00:00:00Z' } },
        'implicitDeny identity',
      ],
      ['the date without MFA', { context: { 'aws:CurrentTime': '2026-08-01T00:00:00Z' } }, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'AWS: Allows MFA-authenticated IAM users to manage their own credentials on the Security credentials page',
    zoe,
    [
      [
        'with MFA: the own password',
        { action: 'iam:ChangePassword', resource: zoeArn, context: { 'aws:username': 'zoe', ...mfa('true') } },
        'allowed',
      ],
      ['without MFA: the own password', { action: 'iam:ChangePassword', resource: zoeArn }, 'explicitDeny identity'],
      ['without MFA: enabling MFA', { action: 'iam:EnableMFADevice', resource: zoeArn }, 'allowed'],
      [
        'without MFA: enabling another’s',
        { action: 'iam:EnableMFADevice', resource: user('bob').arn },
        'implicitDeny identity',
      ],
      [
        'with MFA: another’s access keys',
        {
          action: 'iam:CreateAccessKey',
          resource: user('bob').arn,
          context: { 'aws:username': 'zoe', ...mfa('true') },
        },
        'implicitDeny identity',
      ],
      [
        'without MFA: other services',
        { action: 's3:GetObject', policies: [...selfManaged, identity(allow())] },
        'explicitDeny identity',
      ],
      [
        'with MFA: other services',
        {
          action: 's3:GetObject',
          policies: [...selfManaged, identity(allow())],
          context: { 'aws:username': 'zoe', ...mfa('true') },
        },
        'allowed',
      ],
    ],
  ),
  ...page(
    'AWS: Denies access to AWS based on the requested Region',
    {
      policies: [
        identity(allow(), {
          Effect: 'Deny',
          NotAction: ['cloudfront:*', 'iam:*', 'route53:*', 'support:*'],
          Resource: '*',
          Condition: {
            StringNotEquals: { 'aws:RequestedRegion': ['eu-central-1', 'eu-west-1', 'eu-west-2', 'eu-west-3'] },
          },
        }),
      ],
      resource: '*',
    },
    [
      [
        'a region that is listed',
        { action: 'ec2:RunInstances', context: { 'aws:RequestedRegion': 'eu-west-3' } },
        'allowed',
      ],
      [
        'one that is not',
        { action: 'ec2:RunInstances', context: { 'aws:RequestedRegion': 'us-east-1' } },
        'explicitDeny identity',
      ],
      [
        'a global service at its one endpoint',
        { action: 'route53:ListHostedZones', context: { 'aws:RequestedRegion': 'us-east-1' } },
        'allowed',
      ],
    ],
  ),
  ...page(
    'IAM: Allows IAM users to self-manage an MFA device',
    {
      principal: user('zoe'),
      context: { 'aws:username': 'zoe' },
      policies: [
        identity(
          allow('iam:DeactivateMFADevice', [own, `arn:aws:iam::${account}:mfa/*`], { Bool: mfa('true') }),
          allow('iam:ListUsers'),
        ),
      ],
    },
    [
      [
        'with MFA',
        { action: 'iam:DeactivateMFADevice', resource: zoeArn, context: { 'aws:username': 'zoe', ...mfa('true') } },
        'allowed',
      ],
      ['without', { action: 'iam:DeactivateMFADevice', resource: zoeArn }, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'IAM: Allows users to manage a group’s membership programmatically and in the console',
    {
      resource: `arn:aws:iam::${account}:group/MarketingTeam`,
      policies: [
        identity(
          allow(
            ['iam:AddUserToGroup', 'iam:RemoveUserFromGroup', 'iam:GetGroup'],
            'arn:aws:iam::*:group/MarketingTeam',
          ),
          allow('iam:ListGroups'),
        ),
      ],
    },
    [
      ['that group', { action: 'iam:AddUserToGroup' }, 'allowed'],
      [
        'another',
        { action: 'iam:AddUserToGroup', resource: `arn:aws:iam::${account}:group/Admins` },
        'implicitDeny identity',
      ],
      [
        'a user of the group’s name',
        { action: 'iam:AddUserToGroup', resource: `arn:aws:iam::${account}:user/MarketingTeam` },
        'implicitDeny identity',
      ],
    ],
  ),
  ...page(
    'Grant a user permissions to pass a role to an AWS service',
    {
      action: 'iam:PassRole',
      resource: `arn:aws:iam::${account}:role/EC2-roles-for-web`,
      policies: [
        identity(
          allow('iam:PassRole', `arn:aws:iam::${account}:role/EC2-roles-for-*`, {
            StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
          }),
        ),
      ],
    },
    [
      ['a role of that name to that service', { context: { 'iam:PassedToService': 'ec2.amazonaws.com' } }, 'allowed'],
      ['to another service', { context: { 'iam:PassedToService': 'lambda.amazonaws.com' } }, 'implicitDeny identity'],
      [
        'another role',
        { resource: `arn:aws:iam::${account}:role/Admin`, context: { 'iam:PassedToService': 'ec2.amazonaws.com' } },
        'implicitDeny identity',
      ],
    ],
  ),
  ...page(
    'IAM: Assume roles that have a specific tag',
    {
      action: 'sts:AssumeRole',
      resource: `arn:aws:iam::${account}:role/a`,
      policies: [
        identity(allow('sts:AssumeRole', '*', { StringEquals: { 'iam:ResourceTag/Project': 'ExampleCorpABC' } })),
      ],
    },
    [
      ['the tag', { context: { 'iam:ResourceTag/Project': 'ExampleCorpABC' } }, 'allowed'],
      ['another value', { context: { 'iam:ResourceTag/Project': 'Other' } }, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'Amazon EC2: Allows full EC2 access within a specific Region, programmatically and in the console',
    {
      action: 'ec2:RunInstances',
      resource: '*',
      policies: [identity(allow('ec2:*', '*', { StringEquals: { 'ec2:Region': 'us-east-2' } }))],
    },
    [
      ['that region', { context: { 'ec2:Region': 'us-east-2' } }, 'allowed'],
      ['another', { context: { 'ec2:Region': 'us-east-1' } }, 'implicitDeny identity'],
    ],
  ),
  ...page(
    'Amazon EC2: Requires MFA (GetSessionToken) for specific EC2 operations',
    {
      action: 'ec2:TerminateInstances',
      resource: '*',
      policies: [
        identity(
          allow('ec2:*'),
          deny(['ec2:StopInstances', 'ec2:TerminateInstances'], '*', { BoolIfExists: mfa('false') }),
        ),
      ],
    },
    [
      ['with MFA', { context: mfa('true') }, 'allowed'],
      ['without', { context: mfa('false') }, 'explicitDeny identity'],
      ['with access keys', {}, 'explicitDeny identity'],
      ['another operation', { action: 'ec2:StartInstances' }, 'allowed'],
    ],
  ),
  ...page(
    'Amazon EC2: Limits terminating EC2 instances to an IP address range',
    {
      action: 'ec2:TerminateInstances',
      resource: '*',
      policies: [
        identity(
          allow('ec2:TerminateInstances'),
          deny('ec2:TerminateInstances', '*', { NotIpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '203.0.113.0/24'] } }),
        ),
      ],
    },
    [
      ['within the second range', { context: { 'aws:SourceIp': '203.0.113.40' } }, 'allowed'],
      ['outside', { context: { 'aws:SourceIp': '192.0.3.1' } }, 'explicitDeny identity'],
    ],
  ),
  ...page(
    'Example policies to control access to Amazon EC2',
    {
      action: 'ec2:RunInstances',
      policies: [
        identity(
          allow('ec2:RunInstances', [
            'arn:aws:ec2:*::image/ami-1',
            `arn:aws:ec2:*:${account}:instance/*`,
            `arn:aws:ec2:*:${account}:subnet/*`,
          ]),
          deny('ec2:RunInstances', `arn:aws:ec2:*:${account}:instance/*`, {
            StringNotEqualsIgnoreCase: { 'ec2:InstanceType': ['t3.micro', 't3.small'] },
          }),
        ),
      ],
    },
    [
      ['the image', { resource: 'arn:aws:ec2:us-east-1::image/ami-1' }, 'allowed'],
      ['another image', { resource: 'arn:aws:ec2:us-east-1::image/ami-2' }, 'implicitDeny identity'],
      [
        'an instance of a type that is listed',
        { resource: `arn:aws:ec2:us-east-1:${account}:instance/*`, context: { 'ec2:InstanceType': 'T3.micro' } },
        'allowed',
      ],
      [
        'of a type that is not',
        { resource: `arn:aws:ec2:us-east-1:${account}:instance/*`, context: { 'ec2:InstanceType': 'm5.large' } },
        'explicitDeny identity',
      ],
      [
        'a key pair is not granted',
        { resource: `arn:aws:ec2:us-east-1:${account}:key-pair/k` },
        'implicitDeny identity',
      ],
    ],
  ),
  ...page(
    'Configuring MFA-protected API access',
    {
      principal: user('richard', other),
      action: 'sts:AssumeRole',
      resource: `arn:aws:iam::${account}:role/CrossAccountRole`,
      needsResourcePolicy: true,
      policies: [
        identity(allow('sts:AssumeRole')),
        resourcePolicy({
          Effect: 'Allow',
          Principal: { AWS: other },
          Action: 'sts:AssumeRole',
          Condition: { Bool: mfa('true') },
        }),
      ],
    },
    [
      ['with MFA', { context: mfa('true') }, 'allowed'],
      ['without MFA', { context: mfa('false') }, 'implicitDeny resource'],
      ['with access keys', {}, 'implicitDeny resource'],
    ],
  ),
  ...page('AWS account root user', { principal: root() }, [
    ['whatever is in the account', { action: 'iam:DeleteUser', resource: zoeArn }, 'allowed'],
    ['not what is in another', { resourceAccount: other }, 'implicitDeny resource'],
  ]),
]
