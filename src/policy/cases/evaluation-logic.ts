import {
  account,
  allow,
  anonymous,
  boundary,
  deny,
  federatedUser,
  identity,
  page,
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

const enforcement = 'How AWS enforcement code logic evaluates requests to allow or deny access'
const full = identity(allow())
const scpFull = scp('r-1', allow())

const logic = page(enforcement, {}, [
  ['by default every request is denied', {}, 'implicitDeny identity'],
  ['except those of the root user', { principal: root() }, 'allowed'],
  ['an allow in an identity-based policy overrides the default', { policies: [full] }, 'allowed'],
  [
    'an allow in a resource-based policy does so too',
    { policies: [resourcePolicy(to({ AWS: user('alice').arn }))] },
    'allowed',
  ],
  ['a boundary may override the allow', { policies: [full, boundary(allow('ec2:*'))] }, 'implicitDeny boundary'],
  ['an SCP may', { policies: [full, scp('r-1', allow('ec2:*'))] }, 'implicitDeny service-control'],
  [
    'a session policy may',
    { principal: roleSession('Admin', 's'), policies: [full, sessionPolicy(allow('ec2:*'))] },
    'implicitDeny session',
  ],
  [
    'one deny among many allows decides',
    { policies: [full, full, identity(allow(), deny('s3:GetObject'))] },
    'explicitDeny identity',
  ],
  [
    'a deny in the SCP overrides',
    { policies: [full, scp('r-1', allow(), deny('s3:*'))] },
    'explicitDeny service-control',
  ],
  ['a deny in the boundary overrides', { policies: [full, boundary(allow(), deny('s3:*'))] }, 'explicitDeny boundary'],
  [
    'a deny in the bucket policy overrides',
    { policies: [full, resourcePolicy(to('*', deny('s3:*')))] },
    'explicitDeny resource',
  ],
  [
    'a deny in a session policy overrides',
    { principal: roleSession('Admin', 's'), policies: [full, sessionPolicy(allow(), deny('s3:*'))] },
    'explicitDeny session',
  ],
  [
    'denies are sought before allows are missed',
    { policies: [boundary(), identity(deny('s3:GetObject')), scp('r-1')] },
    'explicitDeny identity',
  ],
  [
    'the SCP is looked at before the boundary',
    { policies: [boundary(), scp('r-1', allow('ec2:*'))] },
    'implicitDeny service-control',
  ],
  [
    'identity-based policies are before the boundary',
    { policies: [boundary(allow('ec2:*'))] },
    'implicitDeny identity',
  ],
  [
    'the boundary is before the session policy',
    { principal: roleSession('Admin', 's'), policies: [full, boundary(allow('ec2:*')), sessionPolicy()] },
    'implicitDeny boundary',
  ],
  [
    'a role session without session policy is allowed',
    { principal: roleSession('Admin', 's'), policies: [full] },
    'allowed',
  ],
  [
    'a federated user without session policy is not, whatever its user may do',
    { principal: federatedUser('guest', 'alice'), policies: [full] },
    'implicitDeny session',
  ],
  [
    'a federated user with a session policy is',
    { principal: federatedUser('guest', 'alice'), policies: [full, sessionPolicy(allow('s3:*'))] },
    'allowed',
  ],
  [
    'a session policy of a federated user does not allow',
    { principal: federatedUser('guest', 'alice'), policies: [full, sessionPolicy(allow('sqs:*'))] },
    'implicitDeny session',
  ],
  [
    'policies of groups count as the user’s',
    { policies: [identity(allow('ec2:*')), identity(allow('s3:*'))] },
    'allowed',
  ],
  ['SCP, boundary and identity all allow', { policies: [full, boundary(allow('s3:*')), scpFull] }, 'allowed'],
  ['an SCP by itself grants nothing', { policies: [scpFull] }, 'implicitDeny identity'],
  [
    'root under an SCP that lacks the action',
    { principal: root(), policies: [scp('r-1', allow('ec2:*'))] },
    'implicitDeny service-control',
  ],
  [
    'root under an SCP that denies',
    { principal: root(), policies: [scp('r-1', allow(), deny('s3:*'))] },
    'explicitDeny service-control',
  ],
  ['root under an SCP that allows', { principal: root(), policies: [scpFull] }, 'allowed'],
  [
    'root and a deny in the bucket policy',
    { principal: root(), policies: [resourcePolicy(to('*', deny()))] },
    'explicitDeny resource',
  ],
])

// The table "Resource-based policies and implicit denies in other policy types (same account)".
const session = roleSession('examplerole', 'examplerolesessionname')
const federated = federatedUser('exampleuser', 'exampleuser')
const grant = (AWS: string) => resourcePolicy(to({ AWS }))
const narrowBoundary = boundary(allow('ec2:*'))
const narrowSession = sessionPolicy(allow('ec2:*'))
const wideSession = sessionPolicy(allow('s3:*'))
const carol = user('exampleuser')

const matrix = page(enforcement, {}, [
  [
    'role ARN: granted without identity-based policy',
    { principal: session, policies: [grant(session.roleArn!)] },
    'allowed',
  ],
  [
    'role ARN: limited by the boundary',
    { principal: session, policies: [grant(session.roleArn!), narrowBoundary] },
    'implicitDeny boundary',
  ],
  [
    'role ARN: limited by the session policy',
    { principal: session, policies: [grant(session.roleArn!), narrowSession] },
    'implicitDeny session',
  ],
  [
    'role ARN: a boundary that allows',
    { principal: session, policies: [grant(session.roleArn!), boundary(allow('s3:*'))] },
    'allowed',
  ],
  [
    'role ARN: a session policy that allows',
    { principal: session, policies: [grant(session.roleArn!), wideSession] },
    'allowed',
  ],
  [
    'role ARN: an identity-based policy does not lift the boundary',
    { principal: session, policies: [full, grant(session.roleArn!), narrowBoundary] },
    'implicitDeny boundary',
  ],
  ['session ARN: granted by itself', { principal: session, policies: [grant(session.arn)] }, 'allowed'],
  [
    'session ARN: not limited by the boundary',
    { principal: session, policies: [grant(session.arn), narrowBoundary] },
    'allowed',
  ],
  [
    'session ARN: not limited by the session policy',
    { principal: session, policies: [grant(session.arn), narrowSession] },
    'allowed',
  ],
  [
    'session ARN: a deny in the session policy counts',
    { principal: session, policies: [grant(session.arn), sessionPolicy(deny('s3:*'))] },
    'explicitDeny session',
  ],
  [
    'session ARN: a deny in the boundary counts',
    { principal: session, policies: [grant(session.arn), boundary(deny('s3:*'))] },
    'explicitDeny boundary',
  ],
  [
    'session ARN: the SCP still limits',
    { principal: session, policies: [grant(session.arn), scp('r-1', allow('ec2:*'))] },
    'implicitDeny service-control',
  ],
  [
    'session ARN of another session',
    { principal: session, policies: [grant(`${session.arn}2`), narrowSession] },
    'implicitDeny identity',
  ],
  [
    'session and role ARN: the session’s grant stands',
    { principal: session, policies: [resourcePolicy(to({ AWS: [session.roleArn!, session.arn] })), narrowBoundary] },
    'allowed',
  ],
  ['user ARN: granted by itself', { principal: carol, policies: [grant(carol.arn)] }, 'allowed'],
  [
    'user ARN: not limited by the boundary',
    { principal: carol, policies: [grant(carol.arn), narrowBoundary] },
    'allowed',
  ],
  [
    'user ARN: a deny in the boundary counts',
    { principal: carol, policies: [grant(carol.arn), boundary(allow(), deny('s3:*'))] },
    'explicitDeny boundary',
  ],
  [
    'user ARN: a deny in the identity-based policy counts',
    { principal: carol, policies: [grant(carol.arn), identity(deny('s3:Get*'))] },
    'explicitDeny identity',
  ],
  [
    'user ARN: the SCP still limits',
    { principal: carol, policies: [grant(carol.arn), scp('r-1')] },
    'implicitDeny service-control',
  ],
  ['federated user ARN: granted by itself', { principal: federated, policies: [grant(federated.arn)] }, 'allowed'],
  [
    'federated user ARN: not limited by the session policy',
    { principal: federated, policies: [grant(federated.arn), narrowSession] },
    'allowed',
  ],
  [
    'federated user ARN: not limited by the user’s boundary',
    { principal: federated, policies: [grant(federated.arn), narrowBoundary] },
    'allowed',
  ],
  [
    'federated user ARN: a deny in the session policy counts',
    { principal: federated, policies: [grant(federated.arn), sessionPolicy(allow(), deny())] },
    'explicitDeny session',
  ],
  [
    'user ARN for a federated user: limited by the session policy',
    { principal: federated, policies: [grant(federated.roleArn!), narrowSession] },
    'implicitDeny session',
  ],
  [
    'user ARN for a federated user: limited by the boundary',
    { principal: federated, policies: [grant(federated.roleArn!), wideSession, narrowBoundary] },
    'implicitDeny boundary',
  ],
  [
    'user ARN for a federated user: a session policy that allows',
    { principal: federated, policies: [grant(federated.roleArn!), wideSession] },
    'allowed',
  ],
  [
    'account: delegates, the identity-based policy decides',
    { principal: session, policies: [grant(account), full] },
    'allowed',
  ],
  [
    'account: delegates, nothing more',
    { principal: session, policies: [grant(rootArn(account))] },
    'implicitDeny identity',
  ],
  [
    'account: the boundary limits what it delegates',
    { principal: carol, policies: [grant(account), full, narrowBoundary] },
    'implicitDeny boundary',
  ],
  [
    'a wildcard with aws:PrincipalArn is not limited by the boundary',
    {
      principal: session,
      context: { 'aws:PrincipalArn': session.roleArn! },
      policies: [
        resourcePolicy(to('*', allow('s3:*', '*', { ArnEquals: { 'aws:PrincipalArn': session.roleArn! } }))),
        narrowBoundary,
      ],
    },
    'allowed',
  ],
  [
    'nor by the session policy',
    {
      principal: session,
      context: { 'aws:PrincipalArn': session.roleArn! },
      policies: [
        resourcePolicy(to('*', allow('s3:*', '*', { ArnEquals: { 'aws:PrincipalArn': session.roleArn! } }))),
        narrowSession,
      ],
    },
    'allowed',
  ],
  [
    'unless the boundary denies',
    {
      principal: session,
      context: { 'aws:PrincipalArn': session.roleArn! },
      policies: [
        resourcePolicy(to('*', allow('s3:*', '*', { ArnEquals: { 'aws:PrincipalArn': session.roleArn! } }))),
        boundary(deny('s3:*')),
      ],
    },
    'explicitDeny boundary',
  ],
  [
    'and for another role it says nothing',
    {
      principal: session,
      context: { 'aws:PrincipalArn': session.roleArn! },
      policies: [
        resourcePolicy(to('*', allow('s3:*', '*', { ArnEquals: { 'aws:PrincipalArn': `${session.roleArn}2` } }))),
      ],
    },
    'implicitDeny identity',
  ],
])

const interplay = page(
  'The difference between explicit and implicit denies',
  {
    resource: '*',
    policies: [identity(allow(['iam:Get*', 'iam:List*']), deny('iam:*Report'))],
  },
  [
    ['an action that is allowed', { action: 'iam:ListUsers' }, 'allowed'],
    ['an action no statement speaks of', { action: 'iam:CreatePolicy' }, 'implicitDeny identity'],
    [
      'allowed by its beginning, denied by its end',
      { action: 'iam:GetOrganizationsAccessReport' },
      'explicitDeny identity',
    ],
    ['a word within is no end', { action: 'iam:GetReportStatus' }, 'allowed'],
    [
      'denied though another policy allows it',
      {
        action: 'iam:GenerateCredentialReport',
        policies: [identity(allow(['iam:Get*', 'iam:List*']), deny('iam:*Report')), identity(allow('iam:Generate*'))],
      },
      'explicitDeny identity',
    ],
  ],
)

const carlos = user('carlos')
const carlosPolicies = [
  identity(
    allow(['s3:GetBucketLocation', 's3:ListAllMyBuckets'], 'arn:aws:s3:::*'),
    allow('s3:*', ['arn:aws:s3:::carlos', 'arn:aws:s3:::carlos/*']),
    deny('s3:*', 'arn:aws:s3:::*log*'),
  ),
  resourcePolicy(to({ AWS: carlos.arn }, allow('s3:*', ['arn:aws:s3:::carlos', 'arn:aws:s3:::carlos/*']))),
]
const example = page(
  'Policy evaluation for requests within a single account',
  { principal: carlos, policies: carlosPolicies, action: 's3:PutObject' },
  [
    ['a bucket with "log" in its name', { resource: 'arn:aws:s3:::carlos-logs/x' }, 'explicitDeny identity'],
    ['his own bucket', { resource: 'arn:aws:s3:::carlos/x' }, 'allowed'],
    ['a bucket of neither', { resource: 'arn:aws:s3:::accounts/x' }, 'implicitDeny identity'],
    ['a key with "log" in its own bucket', { resource: 'arn:aws:s3:::carlos/catalog' }, 'explicitDeny identity'],
    [
      'his bucket, by the bucket policy alone',
      { resource: 'arn:aws:s3:::carlos/x', policies: carlosPolicies.slice(1) },
      'allowed',
    ],
    [
      'his bucket, by his own policy alone',
      { resource: 'arn:aws:s3:::carlos/x', policies: carlosPolicies.slice(0, 1) },
      'allowed',
    ],
    ['where every bucket is', { action: 's3:GetBucketLocation', resource: 'arn:aws:s3:::accounts' }, 'allowed'],
    [
      'someone else by his bucket policy',
      { principal: user('ana'), resource: 'arn:aws:s3:::carlos/x', policies: carlosPolicies.slice(1) },
      'implicitDeny identity',
    ],
  ],
)

const general = page('Policy evaluation logic', {}, [
  [
    'identity and resource add up: only the resource allows',
    { policies: [identity(allow('ec2:*')), grant(user('alice').arn)] },
    'allowed',
  ],
  [
    'identity and resource add up: only the identity allows',
    { policies: [full, resourcePolicy(to({ AWS: user('bob').arn }))] },
    'allowed',
  ],
  [
    'identity and boundary intersect',
    { policies: [identity(allow('s3:*')), boundary(allow(['s3:Get*', 'ec2:*']))] },
    'allowed',
  ],
  [
    'outside the intersection, on the identity’s side',
    { action: 's3:PutObject', policies: [identity(allow('s3:*')), boundary(allow('s3:Get*'))] },
    'implicitDeny boundary',
  ],
  [
    'outside the intersection, on the boundary’s side',
    { action: 'ec2:RunInstances', resource: '*', policies: [identity(allow('s3:*')), boundary(allow())] },
    'implicitDeny identity',
  ],
  ['identity and SCP intersect', { policies: [identity(allow('s3:*')), scp('r-1', allow('s3:Get*'))] }, 'allowed'],
  [
    'resource-based policies are under the SCP too',
    { policies: [grant(user('alice').arn), scp('r-1', allow('sqs:*'))] },
    'implicitDeny service-control',
  ],
  ['an anonymous request without a bucket policy', { principal: anonymous }, 'implicitDeny resource'],
  [
    'a service has what resources grant it',
    { principal: service('logs.amazonaws.com'), policies: [resourcePolicy(to({ Service: 'logs.amazonaws.com' }))] },
    'allowed',
  ],
  ['a service has nothing else', { principal: service('logs.amazonaws.com') }, 'implicitDeny resource'],
])

export const evaluationLogic = [...logic, ...matrix, ...interplay, ...example, ...general]
