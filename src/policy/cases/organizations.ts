import {
  account,
  allow,
  anonymous,
  deny,
  identity,
  other,
  page,
  rcp,
  resourcePolicy,
  roleSession,
  root,
  rootArn,
  scp,
  service,
  to,
  user,
} from './case.ts'

// Root — Production OU — account, with a policy at each.
const full = identity(allow())
const tree = (atRoot: string[], atUnit: string[], atAccount: string[]) => [
  full,
  scp('r-1', ...atRoot.map((action) => allow(action))),
  scp('ou-production', ...atUnit.map((action) => allow(action))),
  scp(account, ...atAccount.map((action) => allow(action))),
]
const allowing = page('SCP evaluation', {}, [
  ['allowed at every level', { policies: tree(['*'], ['*'], ['*']) }, 'allowed'],
  ['missing at the root', { policies: tree(['ec2:*'], ['*'], ['*']) }, 'implicitDeny service-control'],
  ['missing at the OU', { policies: tree(['*'], ['ec2:*'], ['*']) }, 'implicitDeny service-control'],
  ['missing at the account', { policies: tree(['*'], ['*'], ['ec2:*']) }, 'implicitDeny service-control'],
  ['an OU without any allow', { policies: tree(['*'], [], ['*']) }, 'implicitDeny service-control'],
  ['different allows that share the action', { policies: tree(['s3:*'], ['s3:Get*', 'ec2:*'], ['*']) }, 'allowed'],
  [
    'two policies at one level add up',
    { policies: [...tree(['ec2:*'], ['*'], ['*']), scp('r-1', allow('s3:*'))] },
    'allowed',
  ],
  [
    'an allow at the account adds nothing to its OU',
    { policies: tree(['*'], ['sqs:*'], ['s3:GetObject']) },
    'implicitDeny service-control',
  ],
  ['SCPs allow, no identity does', { policies: tree(['*'], ['*'], ['*']).slice(1) }, 'implicitDeny identity'],
])

const denying = page('SCP evaluation', {}, [
  [
    'a deny at the root',
    { policies: [...tree(['*'], ['*'], ['*']), scp('r-1', deny('s3:*'))] },
    'explicitDeny service-control',
  ],
  [
    'a deny at the OU',
    { policies: [...tree(['*'], ['*'], ['*']), scp('ou-production', deny('s3:GetObject'))] },
    'explicitDeny service-control',
  ],
  [
    'a deny at the account',
    { policies: [...tree(['*'], ['*'], ['*']), scp(account, deny('s3:*', 'arn:aws:s3:::reports/*'))] },
    'explicitDeny service-control',
  ],
  ['a deny of something else', { policies: [...tree(['*'], ['*'], ['*']), scp('r-1', deny('ec2:*'))] }, 'allowed'],
  [
    'an allow at the account does not lift it',
    { policies: [...tree(['*'], ['*'], ['s3:GetObject']), scp('r-1', deny('s3:GetObject'))] },
    'explicitDeny service-control',
  ],
])

// The picture of the page: the root allows A, B, C, the OU C, D, E.
const abc = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject']
const cde = ['s3:DeleteObject', 's3:ListBucket', 's3:CreateBucket']
const inheritance = page('SCP inheritance', { policies: [full, scp('r-1', allow(abc)), scp('ou-1', allow(cde))] }, [
  ['only the root allows it', { action: 's3:GetObject' }, 'implicitDeny service-control'],
  ['both allow it', { action: 's3:DeleteObject' }, 'allowed'],
  [
    'only the OU allows it',
    { action: 's3:ListBucket', resource: 'arn:aws:s3:::reports' },
    'implicitDeny service-control',
  ],
  [
    'another OU below the root may use it',
    { action: 's3:GetObject', policies: [full, scp('r-1', allow(abc)), scp('ou-2', allow())] },
    'allowed',
  ],
])

const effects = page('Service control policies (SCPs)', {}, [
  [
    'roles are bound',
    { principal: roleSession('Admin', 's'), policies: [full, scp('r-1', allow('ec2:*'))] },
    'implicitDeny service-control',
  ],
  [
    'resources that grant to users of the account are of no help',
    { policies: [resourcePolicy(to({ AWS: user('alice').arn })), scp('r-1', deny('s3:*'))] },
    'explicitDeny service-control',
  ],
  [
    'callers of other accounts have no SCP of the bucket’s account',
    { principal: user('guest', other), policies: [full, resourcePolicy(to({ AWS: other }))] },
    'allowed',
  ],
])

const regions = {
  Effect: 'Deny',
  NotAction: ['iam:*', 'cloudfront:*', 'route53:*', 'support:*', 'sts:*'],
  Resource: '*',
  Condition: {
    StringNotEquals: { 'aws:RequestedRegion': ['eu-central-1', 'eu-west-1'] },
    ArnNotLike: { 'aws:PrincipalARN': ['arn:aws:iam::*:role/Role1AllowedToBypassThisSCP'] },
  },
} as const
const bypass = roleSession('Role1AllowedToBypassThisSCP', 's')
const protectedRole = `arn:aws:iam::${account}:role/name-of-role-to-deny`
const admin = roleSession('name-of-admin-role-to-allow', 's')
const me = (context = {}) => ({ 'aws:PrincipalArn': user('alice').arn, ...context })
const exceptAdmin = deny(['iam:DeleteRole', 'iam:PutRolePolicy'], 'arn:aws:iam::*:role/name-of-role-to-deny', {
  StringNotLike: { 'aws:PrincipalARN': 'arn:aws:iam::*:role/name-of-admin-role-to-allow' },
})
const examples = [
  ...page('Service control policy examples', { policies: [full, scp('r-1', allow(), regions)], context: me() }, [
    [
      'a region outside those listed',
      { context: { 'aws:RequestedRegion': 'us-east-1' }, action: 'ec2:RunInstances', resource: '*' },
      'explicitDeny service-control',
    ],
    [
      'a region listed',
      { context: { 'aws:RequestedRegion': 'eu-west-1' }, action: 'ec2:RunInstances', resource: '*' },
      'allowed',
    ],
    [
      'a global service',
      { context: { 'aws:RequestedRegion': 'us-east-1' }, action: 'iam:ListUsers', resource: '*' },
      'allowed',
    ],
    [
      'a role that may bypass it',
      {
        principal: bypass,
        context: { 'aws:RequestedRegion': 'us-east-1', 'aws:PrincipalArn': bypass.roleArn! },
        action: 'ec2:RunInstances',
        resource: '*',
      },
      'allowed',
    ],
  ]),
  ...page('Service control policy examples', { action: 'iam:DeleteRole', resource: protectedRole, context: me() }, [
    [
      'a role that no one changes',
      {
        policies: [
          full,
          scp(
            'r-1',
            allow(),
            deny(['iam:DeleteRole', 'iam:PutRolePolicy'], 'arn:aws:iam::*:role/name-of-role-to-deny'),
          ),
        ],
      },
      'explicitDeny service-control',
    ],
    [
      'another role',
      {
        resource: `${protectedRole}2`,
        policies: [
          full,
          scp(
            'r-1',
            allow(),
            deny(['iam:DeleteRole', 'iam:PutRolePolicy'], 'arn:aws:iam::*:role/name-of-role-to-deny'),
          ),
        ],
      },
      'allowed',
    ],
    [
      'a role that only administrators change: a user',
      { policies: [full, scp('r-1', allow(), exceptAdmin)] },
      'explicitDeny service-control',
    ],
    [
      'a role that only administrators change: one of them',
      {
        principal: admin,
        context: { 'aws:PrincipalArn': admin.roleArn! },
        policies: [full, scp('r-1', allow(), exceptAdmin)],
      },
      'allowed',
    ],
  ]),
  ...page(
    'Service control policy examples',
    {
      action: 'ec2:StopInstances',
      resource: '*',
      policies: [
        full,
        scp(
          'r-1',
          allow(),
          deny(['ec2:StopInstances', 'ec2:TerminateInstances'], '*', {
            BoolIfExists: { 'aws:MultiFactorAuthPresent': false },
          }),
        ),
      ],
    },
    [
      [
        'MFA is required: without',
        { context: { 'aws:MultiFactorAuthPresent': 'false' } },
        'explicitDeny service-control',
      ],
      ['MFA is required: long-term credentials', {}, 'explicitDeny service-control'],
      ['MFA is required: with', { context: { 'aws:MultiFactorAuthPresent': 'true' } }, 'allowed'],
      ['MFA is required: for other actions not', { action: 'ec2:StartInstances' }, 'allowed'],
    ],
  ),
  ...page(
    'Service control policy examples',
    {
      action: 'ec2:RunInstances',
      resource: '*',
      policies: [
        full,
        scp('r-1', allow(), deny('ec2:*', '*', { StringLike: { 'aws:PrincipalArn': ['arn:aws:iam::*:root'] } })),
      ],
    },
    [
      [
        'root is blocked from a service',
        { principal: root(), context: { 'aws:PrincipalArn': rootArn(account) } },
        'explicitDeny service-control',
      ],
      [
        'root in other services',
        {
          principal: root(),
          action: 's3:GetObject',
          resource: 'arn:aws:s3:::b/k',
          context: { 'aws:PrincipalArn': rootArn(account) },
        },
        'allowed',
      ],
      ['users in that service', { context: me() }, 'allowed'],
      ['a user named root', { principal: user('root'), context: { 'aws:PrincipalArn': user('root').arn } }, 'allowed'],
    ],
  ),
  ...page(
    'Service control policy examples',
    {
      action: 'ec2:RunInstances',
      resource: `arn:aws:ec2:us-east-1:${account}:instance/*`,
      policies: [
        full,
        scp(
          'r-1',
          allow(),
          deny('ec2:RunInstances', 'arn:aws:ec2:*:*:instance/*', {
            StringNotEquals: { 'ec2:InstanceType': 't2.micro' },
          }),
          deny('ec2:RunInstances', ['arn:aws:ec2:*:*:instance/*', 'arn:aws:ec2:*:*:volume/*'], {
            Null: { 'aws:RequestTag/Project': 'true' },
          }),
        ),
      ],
    },
    [
      [
        'the instance type and the tag are right',
        { context: { 'ec2:InstanceType': 't2.micro', 'aws:RequestTag/Project': 'x' } },
        'allowed',
      ],
      [
        'another instance type',
        { context: { 'ec2:InstanceType': 't2.large', 'aws:RequestTag/Project': 'x' } },
        'explicitDeny service-control',
      ],
      ['the tag is missing', { context: { 'ec2:InstanceType': 't2.micro' } }, 'explicitDeny service-control'],
      [
        'a volume has no instance type',
        { resource: `arn:aws:ec2:us-east-1:${account}:volume/*`, context: { 'aws:RequestTag/Project': 'x' } },
        'allowed',
      ],
      ['images are neither', { resource: 'arn:aws:ec2:us-east-1::image/ami-1' }, 'allowed'],
    ],
  ),
]

const rcpFull = ['r-1', 'ou-1', account].map((level) => rcp(level, to('*')))
const rcps = page('RCP evaluation', { policies: [full, ...rcpFull] }, [
  ['RCPFullAWSAccess everywhere: as without', {}, 'allowed'],
  ['it grants nothing', { policies: rcpFull }, 'implicitDeny identity'],
  [
    'a deny at the root',
    { policies: [full, ...rcpFull, rcp('r-1', to('*', deny('s3:*')))] },
    'explicitDeny resource-control',
  ],
  [
    'a deny at the account',
    { policies: [full, ...rcpFull, rcp(account, to('*', deny('s3:*', 'arn:aws:s3:::reports/*')))] },
    'explicitDeny resource-control',
  ],
  ['a deny of something else', { policies: [full, ...rcpFull, rcp('ou-1', to('*', deny('sqs:*')))] }, 'allowed'],
  [
    'an allow by the bucket policy does not lift it',
    { policies: [full, resourcePolicy(to({ AWS: user('alice').arn })), ...rcpFull, rcp('r-1', to('*', deny('s3:*')))] },
    'explicitDeny resource-control',
  ],
  [
    'a level that does not allow',
    { policies: [full, rcp('r-1', to('*')), rcp('ou-1', to('*', deny('sqs:*')))] },
    'implicitDeny resource-control',
  ],
])

const effectsOfRcps = page('Resource control policies (RCPs)', {}, [
  [
    'the root user of the account is bound',
    { principal: root(), policies: [...rcpFull, rcp('r-1', to('*', deny('s3:*')))] },
    'explicitDeny resource-control',
  ],
  [
    'callers from outside the organization are bound',
    {
      principal: user('guest', other),
      policies: [full, resourcePolicy(to({ AWS: other })), ...rcpFull, rcp('r-1', to('*', deny('s3:*')))],
    },
    'explicitDeny resource-control',
  ],
  [
    'anonymous callers are bound',
    { principal: anonymous, policies: [resourcePolicy(to('*')), ...rcpFull, rcp('r-1', to('*', deny('s3:*')))] },
    'explicitDeny resource-control',
  ],
  [
    'anonymous callers pass where nothing is denied',
    { principal: anonymous, policies: [resourcePolicy(to('*')), ...rcpFull] },
    'allowed',
  ],
  [
    'service principals are bound',
    {
      principal: service('cloudtrail.amazonaws.com'),
      policies: [
        resourcePolicy(to({ Service: 'cloudtrail.amazonaws.com' })),
        ...rcpFull,
        rcp('r-1', to('*', deny('s3:*'))),
      ],
    },
    'explicitDeny resource-control',
  ],
  [
    'SCP and RCP together: the SCP lacks it',
    { policies: [full, scp('r-1', allow('ec2:*')), ...rcpFull] },
    'implicitDeny service-control',
  ],
])

const perimeter = to(
  '*',
  deny('s3:*', '*', {
    StringNotEqualsIfExists: { 'aws:PrincipalOrgID': 'o-exampleorg' },
    BoolIfExists: { 'aws:PrincipalIsAWSService': 'false' },
  }),
)
const deputy = to(
  '*',
  deny('s3:*', '*', {
    StringNotEqualsIfExists: { 'aws:SourceOrgID': 'o-exampleorg' },
    Bool: { 'aws:PrincipalIsAWSService': 'true' },
    Null: { 'aws:SourceArn': 'false' },
  }),
)
const trail = service('cloudtrail.amazonaws.com')
const rcpExamples = [
  ...page(
    'Resource control policy examples',
    {
      principal: user('guest', other),
      policies: [
        full,
        resourcePolicy(to({ AWS: other }), to({ Service: trail.arn })),
        ...rcpFull,
        rcp('r-1', perimeter),
      ],
    },
    [
      [
        'a principal of the organization',
        { context: { 'aws:PrincipalOrgID': 'o-exampleorg', 'aws:PrincipalIsAWSService': 'false' } },
        'allowed',
      ],
      [
        'a principal of another organization',
        { context: { 'aws:PrincipalOrgID': 'o-other', 'aws:PrincipalIsAWSService': 'false' } },
        'explicitDeny resource-control',
      ],
      ['a principal of none', { context: { 'aws:PrincipalIsAWSService': 'false' } }, 'explicitDeny resource-control'],
      ['a service', { principal: trail, context: { 'aws:PrincipalIsAWSService': 'true' } }, 'allowed'],
    ],
  ),
  ...page(
    'Resource control policy examples',
    {
      principal: trail,
      context: { 'aws:PrincipalIsAWSService': 'true' },
      policies: [
        resourcePolicy(to({ Service: trail.arn }), to({ AWS: user('alice').arn })),
        ...rcpFull,
        rcp('r-1', deputy),
      ],
    },
    [
      [
        'a service for the organization',
        {
          context: {
            'aws:SourceArn': `arn:aws:cloudtrail:us-east-1:${account}:trail/t`,
            'aws:SourceOrgID': 'o-exampleorg',
          },
        },
        'allowed',
      ],
      [
        'a service for another organization',
        { context: { 'aws:SourceArn': `arn:aws:cloudtrail:us-east-1:${other}:trail/t`, 'aws:SourceOrgID': 'o-other' } },
        'explicitDeny resource-control',
      ],
      [
        'a service for an account of none',
        { context: { 'aws:SourceArn': `arn:aws:cloudtrail:us-east-1:${other}:trail/t` } },
        'explicitDeny resource-control',
      ],
      ['an integration that has no source', {}, 'allowed'],
      [
        'a user',
        {
          principal: user('alice'),
          context: { 'aws:PrincipalIsAWSService': 'false', 'aws:SourceArn': 'arn:aws:s3:::x' },
        },
        'allowed',
      ],
    ],
  ),
  ...page(
    'Resource control policy examples',
    {
      policies: [
        full,
        ...rcpFull,
        rcp('r-1', to('*', deny('s3:*', '*', { BoolIfExists: { 'aws:SecureTransport': 'false' } }))),
      ],
    },
    [
      ['HTTPS only: by HTTPS', { context: { 'aws:SecureTransport': 'true' } }, 'allowed'],
      ['HTTPS only: by HTTP', { context: { 'aws:SecureTransport': 'false' } }, 'explicitDeny resource-control'],
    ],
  ),
]

export const organizations = [
  ...allowing,
  ...denying,
  ...inheritance,
  ...effects,
  ...examples,
  ...rcps,
  ...effectsOfRcps,
  ...rcpExamples,
]
