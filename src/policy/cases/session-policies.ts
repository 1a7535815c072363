import {
  account,
  allow,
  deny,
  federatedUser,
  identity,
  page,
  resourcePolicy,
  roleSession,
  rootArn,
  sessionPolicy,
  to,
  user,
} from './case.ts'

const session = roleSession('Deploy', 'ci')
const role = identity(allow(['s3:*', 'sqs:*']))

export const sessionPolicies = [
  ...page('Policies and permissions in AWS Identity and Access Management', { principal: session }, [
    [
      'permissions are what role and session policy share',
      { policies: [role, sessionPolicy(allow('s3:Get*'))] },
      'allowed',
    ],
    [
      'the session policy is the narrower',
      { action: 's3:PutObject', policies: [role, sessionPolicy(allow('s3:Get*'))] },
      'implicitDeny session',
    ],
    [
      'a session policy gives nothing the role lacks',
      { action: 'ec2:RunInstances', resource: '*', policies: [role, sessionPolicy(allow())] },
      'implicitDeny identity',
    ],
    ['an empty session policy leaves nothing', { policies: [role, sessionPolicy()] }, 'implicitDeny session'],
    [
      'a policy and managed policies of one session add up',
      { policies: [role, sessionPolicy(allow('sqs:*')), sessionPolicy(allow('s3:*'))] },
      'allowed',
    ],
    [
      'a deny in one of them decides',
      { policies: [role, sessionPolicy(allow()), sessionPolicy(deny('s3:*'))] },
      'explicitDeny session',
    ],
    [
      'a grant to the role is before the session: the session policy filters it',
      { policies: [resourcePolicy(to({ AWS: session.roleArn! })), sessionPolicy(allow('s3:Put*'))] },
      'implicitDeny session',
    ],
    [
      'and lets through what both allow',
      { policies: [resourcePolicy(to({ AWS: session.roleArn! })), sessionPolicy(allow('s3:Get*'))] },
      'allowed',
    ],
    [
      'a grant to the session is added after it',
      { policies: [resourcePolicy(to({ AWS: session.arn })), sessionPolicy(allow('s3:Put*'))] },
      'allowed',
    ],
    [
      'session policy and a grant to the session: their union',
      {
        action: 's3:PutObject',
        policies: [role, resourcePolicy(to({ AWS: session.arn }, allow('s3:Get*'))), sessionPolicy(allow('s3:Put*'))],
      },
      'allowed',
    ],
    [
      'neither of them',
      {
        action: 's3:DeleteObject',
        policies: [role, resourcePolicy(to({ AWS: session.arn }, allow('s3:Get*'))), sessionPolicy(allow('s3:Put*'))],
      },
      'implicitDeny session',
    ],
    [
      'a grant to the account delegates to the filtered session',
      { policies: [role, resourcePolicy(to({ AWS: account })), sessionPolicy(allow('s3:Put*'))] },
      'implicitDeny session',
    ],
  ]),
  ...page('Permissions for GetFederationToken', { principal: federatedUser('susan', 'broker') }, [
    [
      'the user’s policies and the session policy',
      { policies: [identity(allow('s3:*')), sessionPolicy(allow('s3:Get*'))] },
      'allowed',
    ],
    [
      'the user may, the session policy does not say so',
      { action: 's3:PutObject', policies: [identity(allow('s3:*')), sessionPolicy(allow('s3:Get*'))] },
      'implicitDeny session',
    ],
    [
      'the session policy says so, the user may not',
      { action: 'sqs:SendMessage', resource: '*', policies: [identity(allow('s3:*')), sessionPolicy(allow())] },
      'implicitDeny identity',
    ],
    ['no session policy: nothing', { policies: [identity(allow('s3:*'))] }, 'implicitDeny session'],
    [
      'no session policy: but what a resource grants the federated user',
      { policies: [identity(allow('s3:*')), resourcePolicy(to({ AWS: federatedUser('susan', 'broker').arn }))] },
      'allowed',
    ],
    [
      'no session policy: nor what a resource grants the user',
      { policies: [resourcePolicy(to({ AWS: user('broker').arn }))] },
      'implicitDeny session',
    ],
    [
      'a resource that names another federated user',
      {
        policies: [
          identity(allow('s3:*')),
          sessionPolicy(allow('sqs:*')),
          resourcePolicy(to({ AWS: federatedUser('mary', 'broker').arn })),
        ],
      },
      'implicitDeny session',
    ],
    [
      'a resource that denies the federated user',
      {
        policies: [
          identity(allow()),
          sessionPolicy(allow()),
          resourcePolicy(to({ AWS: federatedUser('susan', 'broker').arn }, deny())),
        ],
      },
      'explicitDeny resource',
    ],
    [
      'a resource that denies the user behind it',
      {
        policies: [identity(allow()), sessionPolicy(allow()), resourcePolicy(to({ AWS: user('broker').arn }, deny()))],
      },
      'explicitDeny resource',
    ],
    [
      'a resource that denies the whole account',
      { policies: [identity(allow()), sessionPolicy(allow()), resourcePolicy(to({ AWS: rootArn(account) }, deny()))] },
      'explicitDeny resource',
    ],
  ]),
]
