import {
  account,
  allow,
  deny,
  identity,
  other,
  page,
  resourcePolicy,
  roleSession,
  root,
  rootArn,
  service,
  to,
  user,
} from './case.ts'

const key = `arn:aws:kms:us-west-2:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`
const kms = { action: 'kms:Decrypt', resource: key, needsResourcePolicy: true }
const delegated = to({ AWS: rootArn(account) }, allow('kms:*'))
const decrypts = identity(allow('kms:Decrypt', key))
const example = user('ExampleUser')
const exampleRole = roleSession('ExampleRole', 's')
const keyPolicy = resourcePolicy(
  delegated,
  to(
    { AWS: [user('KMSAdminUser').arn, `arn:aws:iam::${account}:role/KMSAdminRole`] },
    allow(['kms:Create*', 'kms:Describe*', 'kms:Put*', 'kms:ScheduleKeyDeletion']),
  ),
  to(
    { AWS: [exampleRole.roleArn!, rootArn(other)] },
    allow(['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey']),
  ),
  to(
    { AWS: exampleRole.roleArn! },
    allow(['kms:CreateGrant', 'kms:ListGrants', 'kms:RevokeGrant'], '*', {
      Bool: { 'kms:GrantIsForAWSResource': true },
    }),
  ),
)

const keys = [
  ...page('Default key policy', kms, [
    [
      'a key policy gives no one permission by itself, not even root',
      { principal: root(), policies: [resourcePolicy()] },
      'implicitDeny resource',
    ],
    [
      'IAM policies are ineffective where it does not delegate',
      { policies: [decrypts, resourcePolicy(to({ AWS: user('bob').arn }))] },
      'implicitDeny resource',
    ],
    [
      'IAM policies that deny are effective all the same',
      { policies: [identity(deny('kms:*')), resourcePolicy(to({ AWS: user('alice').arn }))] },
      'explicitDeny identity',
    ],
    ['delegated to the account: an IAM policy allows', { policies: [decrypts, resourcePolicy(delegated)] }, 'allowed'],
    ['delegated to the account: no IAM policy', { policies: [resourcePolicy(delegated)] }, 'implicitDeny identity'],
    ['delegated to the account: root', { principal: root(), policies: [resourcePolicy(delegated)] }, 'allowed'],
    [
      'only a user: root cannot',
      { principal: root(), policies: [resourcePolicy(to({ AWS: user('bob').arn }))] },
      'implicitDeny resource',
    ],
    [
      'a user named by the key policy needs no IAM policy',
      { principal: user('bob'), policies: [resourcePolicy(to({ AWS: user('bob').arn }))] },
      'allowed',
    ],
    [
      'key administrators administer',
      { principal: roleSession('KMSAdminRole', 's'), action: 'kms:PutKeyPolicy', policies: [keyPolicy] },
      'allowed',
    ],
    [
      'key administrators do not decrypt',
      { principal: roleSession('KMSAdminRole', 's'), policies: [keyPolicy] },
      'implicitDeny identity',
    ],
    ['key users do', { principal: exampleRole, policies: [keyPolicy] }, 'allowed'],
    [
      'key users create grants for services',
      {
        principal: exampleRole,
        action: 'kms:CreateGrant',
        context: { 'kms:GrantIsForAWSResource': 'true' },
        policies: [keyPolicy],
      },
      'allowed',
    ],
    [
      'and for no one else',
      {
        principal: exampleRole,
        action: 'kms:CreateGrant',
        context: { 'kms:GrantIsForAWSResource': 'false' },
        policies: [keyPolicy],
      },
      'implicitDeny identity',
    ],
  ]),
  ...page('Allowing users in other accounts to use a KMS key', kms, [
    [
      'the key policy trusts the account, and its user may',
      { principal: user('a', other), policies: [decrypts, keyPolicy] },
      'allowed',
    ],
    ['the user may not', { principal: user('a', other), policies: [keyPolicy] }, 'implicitDeny identity'],
    [
      'the key policy does not trust the account',
      { principal: user('a', '999999999999'), policies: [decrypts, keyPolicy] },
      'implicitDeny resource',
    ],
    [
      'an operation the key policy does not share',
      {
        principal: user('a', other),
        action: 'kms:ScheduleKeyDeletion',
        policies: [identity(allow('kms:*')), keyPolicy],
      },
      'implicitDeny resource',
    ],
  ]),
  ...page('AWS KMS condition keys', { ...kms, principal: example }, [
    [
      'kms:ViaService: through that service',
      {
        context: { 'kms:ViaService': 'ec2.us-west-2.amazonaws.com' },
        policies: [
          resourcePolicy(
            to(
              { AWS: example.arn },
              allow('kms:*', '*', {
                StringEquals: { 'kms:ViaService': ['ec2.us-west-2.amazonaws.com', 'rds.us-west-2.amazonaws.com'] },
              }),
            ),
          ),
        ],
      },
      'allowed',
    ],
    [
      'kms:ViaService: directly',
      {
        policies: [
          resourcePolicy(
            to(
              { AWS: example.arn },
              allow('kms:*', '*', { StringEquals: { 'kms:ViaService': 'ec2.us-west-2.amazonaws.com' } }),
            ),
          ),
        ],
      },
      'implicitDeny resource',
    ],
    [
      'kms:EncryptionContext: the pair',
      {
        context: { 'kms:EncryptionContext:AppName': 'ExampleApp' },
        policies: [
          resourcePolicy(
            to(
              { AWS: example.arn },
              allow('kms:*', '*', { StringEquals: { 'kms:EncryptionContext:AppName': 'ExampleApp' } }),
            ),
          ),
        ],
      },
      'allowed',
    ],
    [
      'kms:EncryptionContext: another value',
      {
        context: { 'kms:EncryptionContext:AppName': 'exampleapp' },
        policies: [
          resourcePolicy(
            to(
              { AWS: example.arn },
              allow('kms:*', '*', { StringEquals: { 'kms:EncryptionContext:AppName': 'ExampleApp' } }),
            ),
          ),
        ],
      },
      'implicitDeny resource',
    ],
    [
      'kms:EncryptionContextKeys: only these keys',
      {
        context: { 'kms:EncryptionContextKeys': ['AppName', 'FilePath'] },
        policies: [
          resourcePolicy(
            to(
              { AWS: example.arn },
              allow('kms:*', '*', {
                'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['AppName', 'FilePath'] },
              }),
            ),
          ),
        ],
      },
      'allowed',
    ],
    [
      'kms:EncryptionContextKeys: one more',
      {
        context: { 'kms:EncryptionContextKeys': ['AppName', 'Secret'] },
        policies: [
          resourcePolicy(
            to(
              { AWS: example.arn },
              allow('kms:*', '*', {
                'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['AppName', 'FilePath'] },
              }),
            ),
          ),
        ],
      },
      'implicitDeny resource',
    ],
    [
      'kms:CallerAccount: everyone of the account',
      {
        context: { 'kms:CallerAccount': account },
        policies: [resourcePolicy(to('*', allow('kms:*', '*', { StringEquals: { 'kms:CallerAccount': account } })))],
      },
      'allowed',
    ],
    [
      'kms:RequestAlias: the alias',
      {
        context: { 'kms:RequestAlias': 'alias/app' },
        policies: [
          resourcePolicy(
            to({ AWS: example.arn }, allow('kms:*', '*', { StringLike: { 'kms:RequestAlias': 'alias/app*' } })),
          ),
        ],
      },
      'allowed',
    ],
  ]),
]

const repository = `arn:aws:codecommit:us-east-2:${account}:MyDemoRepo`
const protectMain = [
  identity(
    allow('codecommit:*'),
    deny(
      [
        'codecommit:GitPush',
        'codecommit:DeleteBranch',
        'codecommit:PutFile',
        'codecommit:MergePullRequestByFastForward',
      ],
      repository,
      {
        StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main', 'refs/heads/prod'] },
        Null: { 'codecommit:References': 'false' },
      },
    ),
  ),
]
const codecommit = [
  ...page(
    'Limit pushes and merges to branches in AWS CodeCommit',
    { action: 'codecommit:GitPush', resource: repository, policies: protectMain },
    [
      [
        'a push to a protected branch',
        { context: { 'codecommit:References': 'refs/heads/main' } },
        'explicitDeny identity',
      ],
      ['a push to the other', { context: { 'codecommit:References': 'refs/heads/prod' } }, 'explicitDeny identity'],
      ['a push to a feature branch', { context: { 'codecommit:References': 'refs/heads/feature' } }, 'allowed'],
      ['a branch whose name begins alike', { context: { 'codecommit:References': 'refs/heads/main2' } }, 'allowed'],
      ['the first exchange of a push has no reference yet', {}, 'allowed'],
      ['a pull', { action: 'codecommit:GitPull', context: { 'codecommit:References': 'refs/heads/main' } }, 'allowed'],
      [
        'another repository',
        { resource: `${repository}2`, context: { 'codecommit:References': 'refs/heads/main' } },
        'allowed',
      ],
    ],
  ),
  ...page(
    'Using identity-based policies (IAM Policies) for CodeCommit',
    { action: 'codecommit:GitPull', resource: repository },
    [
      [
        'repositories that begin with a name, in one region',
        { policies: [identity(allow('codecommit:Git*', `arn:aws:codecommit:us-east-2:${account}:My*`))] },
        'allowed',
      ],
      [
        'in another region',
        {
          resource: repository.replace('us-east-2', 'us-east-1'),
          policies: [identity(allow('codecommit:Git*', `arn:aws:codecommit:us-east-2:${account}:My*`))],
        },
        'implicitDeny identity',
      ],
      [
        'reading is not pushing',
        {
          action: 'codecommit:GitPush',
          policies: [
            identity(allow(['codecommit:BatchGet*', 'codecommit:Get*', 'codecommit:List*', 'codecommit:GitPull'])),
          ],
        },
        'implicitDeny identity',
      ],
      [
        'from a range of addresses, else denied',
        {
          context: { 'aws:SourceIp': '203.0.113.200' },
          policies: [
            identity(
              allow('codecommit:*'),
              deny('codecommit:*', '*', { NotIpAddress: { 'aws:SourceIp': ['203.0.113.0/24'] } }),
            ),
          ],
        },
        'allowed',
      ],
      [
        'from elsewhere',
        {
          context: { 'aws:SourceIp': '198.51.100.1' },
          policies: [
            identity(
              allow('codecommit:*'),
              deny('codecommit:*', '*', { NotIpAddress: { 'aws:SourceIp': ['203.0.113.0/24'] } }),
            ),
          ],
        },
        'explicitDeny identity',
      ],
    ],
  ),
]

const deputy = (source: string) =>
  resourcePolicy(
    to(
      { Service: 'sns.amazonaws.com' },
      allow('sqs:SendMessage', '*', {
        ArnLike: { 'aws:SourceArn': source },
        StringEquals: { 'aws:SourceAccount': account },
      }),
    ),
  )
const sns = service('sns.amazonaws.com')
const confused = [
  ...page(
    'The confused deputy problem',
    {
      principal: user('ExampleCorp', other),
      action: 'sts:AssumeRole',
      resource: `arn:aws:iam::${account}:role/ExampleRole`,
      needsResourcePolicy: true,
      policies: [
        identity(allow('sts:AssumeRole')),
        resourcePolicy({
          Effect: 'Allow',
          Principal: { AWS: other },
          Action: 'sts:AssumeRole',
          Condition: { StringEquals: { 'sts:ExternalId': '12345' } },
        }),
      ],
    },
    [
      ['the customer’s external id', { context: { 'sts:ExternalId': '12345' } }, 'allowed'],
      ['another customer’s', { context: { 'sts:ExternalId': '67890' } }, 'implicitDeny resource'],
      ['none', {}, 'implicitDeny resource'],
    ],
  ),
  ...page(
    'The confused deputy problem',
    { principal: sns, action: 'sqs:SendMessage', resource: `arn:aws:sqs:us-east-1:${account}:q` },
    [
      [
        'a topic of the account',
        {
          policies: [deputy(`arn:aws:sns:*:${account}:*`)],
          context: { 'aws:SourceArn': `arn:aws:sns:us-east-1:${account}:t`, 'aws:SourceAccount': account },
        },
        'allowed',
      ],
      [
        'a topic of another account',
        {
          policies: [deputy(`arn:aws:sns:*:${account}:*`)],
          context: { 'aws:SourceArn': `arn:aws:sns:us-east-1:${other}:t`, 'aws:SourceAccount': other },
        },
        'implicitDeny resource',
      ],
      [
        'a source ARN without account: the account key decides',
        {
          policies: [deputy('arn:aws:s3:::bucket')],
          context: { 'aws:SourceArn': 'arn:aws:s3:::bucket', 'aws:SourceAccount': other },
        },
        'implicitDeny resource',
      ],
      ['no source at all', { policies: [deputy(`arn:aws:sns:*:${account}:*`)] }, 'implicitDeny resource'],
      [
        'another service with the right source',
        {
          principal: service('events.amazonaws.com'),
          policies: [deputy(`arn:aws:sns:*:${account}:*`)],
          context: { 'aws:SourceArn': `arn:aws:sns:us-east-1:${account}:t`, 'aws:SourceAccount': account },
        },
        'implicitDeny resource',
      ],
    ],
  ),
]

const vpceOnly = [
  identity(allow()),
  resourcePolicy(
    to(
      '*',
      deny('s3:*', ['arn:aws:s3:::reports', 'arn:aws:s3:::reports/*'], {
        StringNotEquals: { 'aws:SourceVpce': 'vpce-1a2b3c4d' },
      }),
    ),
  ),
]
const vpcOnly = [
  identity(allow()),
  resourcePolicy(to('*', deny('s3:*', '*', { StringNotEquals: { 'aws:SourceVpc': 'vpc-111bbb22' } }))),
]
const endpoints = [
  ...page('Controlling access from VPC endpoints with bucket policies', { policies: vpceOnly }, [
    ['by the endpoint', { context: { 'aws:SourceVpce': 'vpce-1a2b3c4d' } }, 'allowed'],
    ['by another endpoint', { context: { 'aws:SourceVpce': 'vpce-5e6f7a8b' } }, 'explicitDeny resource'],
    ['not by an endpoint: the key is missing, so it differs', {}, 'explicitDeny resource'],
    ['another bucket', { resource: 'arn:aws:s3:::other/x' }, 'allowed'],
    ['by the VPC', { context: { 'aws:SourceVpc': 'vpc-111bbb22' }, policies: vpcOnly }, 'allowed'],
    ['from the internet', { policies: vpcOnly }, 'explicitDeny resource'],
  ]),
  ...page(
    'AWS: Denies access to AWS based on the source IP',
    {
      policies: [
        identity(
          allow(),
          deny('*', '*', {
            NotIpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '203.0.113.0/24'] },
            Bool: { 'aws:ViaAWSService': 'false' },
          }),
        ),
      ],
    },
    [
      ['from within, directly', { context: { 'aws:SourceIp': '192.0.2.7', 'aws:ViaAWSService': 'false' } }, 'allowed'],
      [
        'from outside, directly',
        { context: { 'aws:SourceIp': '198.51.100.7', 'aws:ViaAWSService': 'false' } },
        'explicitDeny identity',
      ],
      ['by a service on one’s behalf', { context: { 'aws:ViaAWSService': 'true' } }, 'allowed'],
    ],
  ),
  ...page(
    'AWS global condition context keys',
    { policies: [identity(allow(), deny('*', '*', { NotIpAddressIfExists: { 'aws:VpcSourceIp': '10.0.0.0/8' } }))] },
    [
      ['a private address within', { context: { 'aws:VpcSourceIp': '10.1.2.3' } }, 'allowed'],
      ['a private address beside', { context: { 'aws:VpcSourceIp': '172.16.0.1' } }, 'explicitDeny identity'],
    ],
  ),
]

export const services = [...keys, ...codecommit, ...confused, ...endpoints]
