import {
  account,
  allow,
  anonymous,
  boundary,
  deny,
  federatedUser,
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
  sessionPolicy,
  to,
  user,
} from './case.ts'

const guest = user('guest', other)
const visitor = roleSession('Visitor', 'v1', other)
const may = identity(allow('s3:*', 'arn:aws:s3:::reports/*'))
const grant = (...AWS: string[]) => resourcePolicy(to({ AWS }, allow('s3:GetObject', 'arn:aws:s3:::reports/*')))

const logic = page('Cross-account policy evaluation logic', { principal: guest, resourceAccount: account }, [
  ['the trusting side alone', { policies: [grant(guest.arn)] }, 'implicitDeny identity'],
  ['the trusted side alone', { policies: [may] }, 'implicitDeny resource'],
  ['both sides', { policies: [may, grant(guest.arn)] }, 'allowed'],
  ['the account is trusted, its identity allows', { policies: [may, grant(other)] }, 'allowed'],
  ['the account by its ARN', { policies: [may, grant(rootArn(other))] }, 'allowed'],
  ['another account is trusted', { policies: [may, grant(account)] }, 'implicitDeny resource'],
  [
    'another user of the account is trusted',
    { policies: [may, grant(user('boss', other).arn)] },
    'implicitDeny resource',
  ],
  [
    'the identity may do something else',
    { policies: [identity(allow('s3:PutObject')), grant(guest.arn)] },
    'implicitDeny identity',
  ],
  [
    'the resource grants something else',
    { action: 's3:PutObject', policies: [may, grant(guest.arn)] },
    'implicitDeny resource',
  ],
  [
    'the trusting side denies',
    { policies: [may, grant(guest.arn), resourcePolicy(to({ AWS: other }, deny('s3:*')))] },
    'explicitDeny resource',
  ],
  [
    'the trusted side denies',
    { policies: [may, identity(deny('s3:Get*')), grant(guest.arn)] },
    'explicitDeny identity',
  ],
  [
    'the caller’s boundary limits a user named by the resource',
    { policies: [may, grant(guest.arn), boundary(allow('ec2:*'))] },
    'implicitDeny boundary',
  ],
  ['the caller’s boundary allows', { policies: [may, grant(guest.arn), boundary(allow('s3:*'))] }, 'allowed'],
  ['a role session: both sides', { principal: visitor, policies: [may, grant(visitor.roleArn!)] }, 'allowed'],
  [
    'a role session named by its ARN still needs its own policy',
    { principal: visitor, policies: [grant(visitor.arn)] },
    'implicitDeny identity',
  ],
  [
    'a role session’s session policy limits, though the session is named',
    { principal: visitor, policies: [may, grant(visitor.arn), sessionPolicy(allow('ec2:*'))] },
    'implicitDeny session',
  ],
  [
    'a federated user of another account: both sides and its session policy',
    { principal: federatedUser('fed', 'guest', other), policies: [may, sessionPolicy(allow('s3:*')), grant(other)] },
    'allowed',
  ],
  [
    'a federated user of another account without session policy',
    { principal: federatedUser('fed', 'guest', other), policies: [may, grant(other)] },
    'implicitDeny session',
  ],
  [
    'the SCP of the caller’s account',
    { policies: [may, grant(guest.arn), scp('ou-guests', allow('ec2:*'))] },
    'implicitDeny service-control',
  ],
  [
    'an RCP of the resource’s account',
    { policies: [may, grant(guest.arn), rcp('r-1', to('*'), to('*', deny('s3:*')))] },
    'explicitDeny resource-control',
  ],
  ['everyone is trusted, the identity allows', { policies: [may, resourcePolicy(to('*'))] }, 'allowed'],
  ['everyone is trusted, the identity is silent', { policies: [resourcePolicy(to('*'))] }, 'implicitDeny identity'],
  ['root of another account, trusted', { principal: root(other), policies: [grant(other)] }, 'allowed'],
  ['root of another account, not trusted', { principal: root(other) }, 'implicitDeny resource'],
  [
    'root of another account is one of everyone',
    { principal: root(other), policies: [resourcePolicy(to('*'))] },
    'allowed',
  ],
  [
    'a user named there, but not its root',
    { principal: root(other), policies: [grant(guest.arn)] },
    'implicitDeny resource',
  ],
  [
    'anonymous where only an account is trusted',
    { principal: anonymous, policies: [grant(other)] },
    'implicitDeny resource',
  ],
  [
    'a service needs no policy of an account',
    {
      principal: service('delivery.logs.amazonaws.com'),
      policies: [resourcePolicy(to({ Service: 'delivery.logs.amazonaws.com' }))],
    },
    'allowed',
  ],
])

// Account A owns the bucket `production`; Carlos of Development works with it, Nikhil is not trusted.
const bucket = resourcePolicy(
  to(
    { AWS: user('carlos', other).arn },
    allow(['s3:GetObject*', 's3:PutObject*', 's3:ReplicateObject'], 'arn:aws:s3:::production/*'),
  ),
)
const example = page(
  'Cross-account policy evaluation logic',
  { principal: user('carlos', other), action: 's3:GetObject', resource: 'arn:aws:s3:::production/a' },
  [
    ['example: may on all resources of S3', { policies: [identity(allow('s3:GetObject*')), bucket] }, 'allowed'],
    [
      'example: denied on buckets with "production"',
      { policies: [identity(allow('s3:GetObject*'), deny('s3:*', 'arn:aws:s3:::*production*')), bucket] },
      'explicitDeny identity',
    ],
    [
      'example: an action the bucket does not share',
      { action: 's3:DeleteObject', policies: [identity(allow('s3:*')), bucket] },
      'implicitDeny resource',
    ],
    [
      'example: someone else of the account',
      { principal: user('nikhil', other), policies: [identity(allow('s3:*')), bucket] },
      'implicitDeny resource',
    ],
    [
      'example: the bucket itself is not in the grant',
      { action: 's3:GetObjectAcl', resource: 'arn:aws:s3:::production', policies: [identity(allow('s3:*')), bucket] },
      'implicitDeny resource',
    ],
  ],
)

const assumable = (AWS: string) => ({ Effect: 'Allow' as const, Principal: { AWS }, Action: 'sts:AssumeRole' })
const roles = page(
  'Cross account resource access in IAM',
  {
    principal: guest,
    action: 'sts:AssumeRole',
    resource: `arn:aws:iam::${account}:role/UpdateApp`,
    needsResourcePolicy: true,
  },
  [
    [
      'trusted account, and the user may assume',
      {
        policies: [
          identity(allow('sts:AssumeRole', `arn:aws:iam::${account}:role/UpdateApp`)),
          resourcePolicy(assumable(other)),
        ],
      },
      'allowed',
    ],
    [
      'trusted account, the user may not assume',
      { policies: [resourcePolicy(assumable(other))] },
      'implicitDeny identity',
    ],
    [
      'the user may assume, the account is not trusted',
      { policies: [identity(allow('sts:AssumeRole')), resourcePolicy(assumable(account))] },
      'implicitDeny resource',
    ],
    [
      'the user may assume another role',
      {
        policies: [
          identity(allow('sts:AssumeRole', `arn:aws:iam::${account}:role/Other`)),
          resourcePolicy(assumable(other)),
        ],
      },
      'implicitDeny identity',
    ],
    [
      'a user denied assuming this role',
      {
        policies: [
          identity(allow('sts:*'), deny('sts:AssumeRole', `arn:aws:iam::${account}:role/UpdateApp`)),
          resourcePolicy(assumable(other)),
        ],
      },
      'explicitDeny identity',
    ],
    [
      'a user named by the trust policy of another account still needs to be allowed',
      { policies: [resourcePolicy(assumable(guest.arn))] },
      'implicitDeny identity',
    ],
    [
      'a user named by the trust policy of its own account needs no more',
      { principal: user('alice'), policies: [resourcePolicy(assumable(user('alice').arn))] },
      'allowed',
    ],
    [
      'identity-based policy without trust, in one account',
      { principal: user('alice'), policies: [identity(allow('sts:AssumeRole'))] },
      'implicitDeny resource',
    ],
    [
      'trust in the own account only delegates',
      { principal: user('alice'), policies: [resourcePolicy(assumable(account))] },
      'implicitDeny identity',
    ],
    [
      'role chaining, the first role trusted',
      {
        principal: visitor,
        policies: [identity(allow('sts:AssumeRole')), resourcePolicy(assumable(visitor.roleArn!))],
      },
      'allowed',
    ],
  ],
)

export const crossAccount = [...logic, ...example, ...roles]
