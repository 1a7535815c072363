import {
  account,
  allow,
  boundary,
  deny,
  identity,
  page,
  resourcePolicy,
  roleSession,
  rootArn,
  scp,
  sessionPolicy,
  to,
  user,
} from './case.ts'

const title = 'Permissions boundaries for IAM entities'
const shirley = user('shirley')
const max = boundary(allow(['s3:*', 'cloudwatch:*', 'ec2:*']))

const limits = page(title, { principal: shirley, resource: '*', policies: [max, identity(allow('iam:CreateUser'))] }, [
  ['outside the boundary, though a policy allows', { action: 'iam:CreateUser' }, 'implicitDeny boundary'],
  ['inside the boundary, no policy allows', { action: 'ec2:RunInstances' }, 'implicitDeny identity'],
  ['inside both', { action: 'ec2:RunInstances', policies: [max, identity(allow('ec2:*'))] }, 'allowed'],
  [
    'the boundary extended',
    {
      action: 'iam:CreateUser',
      policies: [boundary(allow(['s3:*', 'iam:CreateUser'])), identity(allow('iam:CreateUser'))],
    },
    'allowed',
  ],
  [
    'a boundary that only denies allows nothing',
    { action: 'ec2:RunInstances', policies: [boundary(deny('iam:*')), identity(allow('ec2:*'))] },
    'implicitDeny boundary',
  ],
  [
    'a resource-based policy adds to what boundary and identity share',
    {
      action: 'sqs:SendMessage',
      resource: `arn:aws:sqs:us-east-1:${account}:q`,
      policies: [max, identity(allow('s3:*')), resourcePolicy(to({ AWS: shirley.arn }))],
    },
    'allowed',
  ],
  [
    'SCP, boundary and identity: the SCP lacks it',
    { action: 'ec2:RunInstances', policies: [max, identity(allow('ec2:*')), scp('r-1', allow('s3:*'))] },
    'implicitDeny service-control',
  ],
  [
    'a role’s session policy, boundary and identity all allow',
    {
      principal: roleSession('Ops', 's'),
      action: 'ec2:RunInstances',
      policies: [max, identity(allow('ec2:*')), sessionPolicy(allow('ec2:Run*'))],
    },
    'allowed',
  ],
  [
    'a role’s session policy is the narrowest',
    {
      principal: roleSession('Ops', 's'),
      action: 'ec2:StopInstances',
      policies: [max, identity(allow('ec2:*')), sessionPolicy(allow('ec2:Run*'))],
    },
    'implicitDeny session',
  ],
])

// María lets Zhang create users, who must have the boundary XCompanyBoundaries.
const x = `arn:aws:iam::${account}:policy/XCompanyBoundaries`
const zhangBoundary = boundary(
  allow(['iam:CreateUser', 'iam:AttachUserPolicy', 'iam:PutUserPermissionsBoundary'], '*', {
    StringEquals: { 'iam:PermissionsBoundary': x },
  }),
  allow(['cloudwatch:*', 'iam:GetUser', 'iam:ListUsers', 'iam:*Group*', 'iam:CreatePolicy', 'iam:DeletePolicy']),
  deny(
    ['iam:CreatePolicyVersion', 'iam:DeletePolicy', 'iam:SetDefaultPolicyVersion'],
    [x, `arn:aws:iam::${account}:policy/DelegatedUserBoundary`],
  ),
  deny('iam:DeleteUserPermissionsBoundary'),
)
const zhang = [
  zhangBoundary,
  identity(
    allow('iam:*'),
    allow(['cloudwatch:GetDashboard', 'cloudwatch:ListMetrics']),
    allow('s3:ListBucket', 'arn:aws:s3:::ZhangBucket'),
  ),
]
const nikhilArn = `arn:aws:iam::${account}:user/Nikhil`

const delegation = page(title, { principal: user('Zhang'), policies: zhang }, [
  [
    'creating a user with the boundary',
    { action: 'iam:CreateUser', resource: nikhilArn, context: { 'iam:PermissionsBoundary': x } },
    'allowed',
  ],
  ['creating a user without a boundary', { action: 'iam:CreateUser', resource: nikhilArn }, 'implicitDeny boundary'],
  [
    'creating a user with another boundary',
    { action: 'iam:CreateUser', resource: nikhilArn, context: { 'iam:PermissionsBoundary': `${x}2` } },
    'implicitDeny boundary',
  ],
  [
    'taking the boundary off',
    { action: 'iam:DeleteUserPermissionsBoundary', resource: nikhilArn },
    'explicitDeny boundary',
  ],
  ['deleting the policy that is the boundary', { action: 'iam:DeletePolicy', resource: x }, 'explicitDeny boundary'],
  [
    'deleting another policy',
    { action: 'iam:DeletePolicy', resource: `arn:aws:iam::${account}:policy/Old` },
    'allowed',
  ],
  [
    'groups, by a wildcard in the middle',
    { action: 'iam:AddUserToGroup', resource: `arn:aws:iam::${account}:group/dev` },
    'allowed',
  ],
  [
    'the boundary allows all of CloudWatch, his policy two actions',
    { action: 'cloudwatch:PutMetricData', resource: '*' },
    'implicitDeny identity',
  ],
  ['and those two', { action: 'cloudwatch:ListMetrics', resource: '*' }, 'allowed'],
  [
    'his policy lists a bucket, the boundary does not',
    { action: 's3:ListBucket', resource: 'arn:aws:s3:::ZhangBucket' },
    'implicitDeny boundary',
  ],
])

const nikhilBoundary = boundary(
  allow(['s3:*', 'cloudwatch:*', 'ec2:*', 'dynamodb:*']),
  allow(['iam:ListUsers', 'iam:GetAccountPasswordPolicy']),
  allow(['iam:*AccessKey*', 'iam:ChangePassword', 'iam:GetUser'], ['arn:aws:iam::*:user/${aws:username}']),
  deny('s3:*', ['arn:aws:s3:::logs', 'arn:aws:s3:::logs/*']),
  deny('ec2:*', 'arn:aws:ec2:*:*:instance/i-1234567890abcdef0'),
)
const nikhil = page(
  title,
  { principal: user('Nikhil'), context: { 'aws:username': 'Nikhil' }, policies: [nikhilBoundary, identity(allow())] },
  [
    ['his own access keys', { action: 'iam:CreateAccessKey', resource: nikhilArn }, 'allowed'],
    [
      'access keys of others',
      { action: 'iam:CreateAccessKey', resource: `arn:aws:iam::${account}:user/Zhang` },
      'implicitDeny boundary',
    ],
    ['creating users, with full access', { action: 'iam:CreateUser', resource: nikhilArn }, 'implicitDeny boundary'],
    ['the bucket of logs', { action: 's3:ListBucket', resource: 'arn:aws:s3:::logs' }, 'explicitDeny boundary'],
    ['an object of it', { action: 's3:GetObject', resource: 'arn:aws:s3:::logs/2026' }, 'explicitDeny boundary'],
    ['a bucket whose name begins alike', { action: 's3:ListBucket', resource: 'arn:aws:s3:::logs-archive' }, 'allowed'],
    [
      'the protected instance',
      { action: 'ec2:StopInstances', resource: `arn:aws:ec2:us-east-1:${account}:instance/i-1234567890abcdef0` },
      'explicitDeny boundary',
    ],
    [
      'another instance',
      { action: 'ec2:StopInstances', resource: `arn:aws:ec2:us-east-1:${account}:instance/i-1234567890abcdef1` },
      'allowed',
    ],
    [
      'a service of neither',
      { action: 'sqs:SendMessage', resource: `arn:aws:sqs:us-east-1:${account}:q` },
      'implicitDeny boundary',
    ],
  ],
)

const exceptBob = resourcePolicy(to({ AWS: rootArn(account) }), {
  Effect: 'Deny',
  NotPrincipal: { AWS: [user('bob').arn, rootArn(account)] },
  Action: 's3:*',
  Resource: '*',
})
const notPrincipal = page(title, { principal: user('bob') }, [
  ['NotPrincipal with Deny exempts whom it names', { policies: [identity(allow()), exceptBob] }, 'allowed'],
  [
    'but no one who has a boundary',
    { policies: [identity(allow()), boundary(allow()), exceptBob] },
    'explicitDeny resource',
  ],
  [
    'where aws:PrincipalArn exempts him, boundary or not',
    {
      context: { 'aws:PrincipalArn': user('bob').arn },
      policies: [
        identity(allow()),
        boundary(allow()),
        resourcePolicy(to('*', deny('s3:*', '*', { ArnNotEquals: { 'aws:PrincipalArn': user('bob').arn } }))),
      ],
    },
    'allowed',
  ],
])

export const boundaries = [...limits, ...delegation, ...nikhil, ...notPrincipal]
