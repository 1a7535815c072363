import {
  account,
  allow,
  anonymous,
  deny,
  identity,
  other,
  page,
  resourcePolicy,
  roleSession,
  to,
  user,
} from './case.ts'

const globals = 'AWS global condition context keys'
const mfa = (value: string) => ({ 'aws:MultiFactorAuthPresent': value })
const key = `arn:aws:kms:us-west-2:${account}:key/my-example-key`
const via = [
  identity(
    allow(['kms:Encrypt', 'kms:Decrypt'], key, {
      'ForAnyValue:StringEquals': { 'aws:CalledVia': ['dynamodb.amazonaws.com'] },
    }),
  ),
]
const chain = [
  identity(
    allow(['kms:Encrypt', 'kms:Decrypt'], key, {
      StringEquals: {
        'aws:CalledViaFirst': 'cloudformation.amazonaws.com',
        'aws:CalledViaLast': 'dynamodb.amazonaws.com',
      },
    }),
  ),
]
const paths = (pattern: string) => [
  identity(allow()),
  resourcePolicy(to('*', allow('s3:*', '*', { 'ForAnyValue:StringLike': { 'aws:PrincipalOrgPaths': [pattern] } }))),
]
const guest = { principal: user('guest', other) }

export const globalKeys = [
  ...page(globals, { action: 'kms:Decrypt', resource: key }, [
    [
      'aws:CalledVia: in the chain',
      { context: { 'aws:CalledVia': ['cloudformation.amazonaws.com', 'dynamodb.amazonaws.com'] }, policies: via },
      'allowed',
    ],
    [
      'aws:CalledVia: another chain',
      { context: { 'aws:CalledVia': ['cloudformation.amazonaws.com'] }, policies: via },
      'implicitDeny identity',
    ],
    ['aws:CalledVia: a direct call', { policies: via }, 'implicitDeny identity'],
    [
      'aws:CalledViaFirst and Last: both',
      {
        context: {
          'aws:CalledViaFirst': 'cloudformation.amazonaws.com',
          'aws:CalledViaLast': 'dynamodb.amazonaws.com',
        },
        policies: chain,
      },
      'allowed',
    ],
    [
      'aws:CalledViaFirst and Last: only one service',
      {
        context: { 'aws:CalledViaFirst': 'dynamodb.amazonaws.com', 'aws:CalledViaLast': 'dynamodb.amazonaws.com' },
        policies: chain,
      },
      'implicitDeny identity',
    ],
  ]),
  ...page(globals, {}, [
    [
      'Deny with Bool false is no reliable check of MFA: long-term credentials pass',
      { policies: [identity(allow(), deny('*', '*', { Bool: mfa('false') }))] },
      'allowed',
    ],
    [
      'Deny with Bool false: temporary ones without MFA do not',
      { context: mfa('false'), policies: [identity(allow(), deny('*', '*', { Bool: mfa('false') }))] },
      'explicitDeny identity',
    ],
    [
      'Deny with BoolIfExists false: long-term credentials',
      { policies: [identity(allow(), deny('*', '*', { BoolIfExists: mfa('false') }))] },
      'explicitDeny identity',
    ],
    [
      'Deny with BoolIfExists false: temporary ones without MFA',
      { context: mfa('false'), policies: [identity(allow(), deny('*', '*', { BoolIfExists: mfa('false') }))] },
      'explicitDeny identity',
    ],
    [
      'Deny with BoolIfExists false: with MFA',
      { context: mfa('true'), policies: [identity(allow(), deny('*', '*', { BoolIfExists: mfa('false') }))] },
      'allowed',
    ],
    [
      'Allow with BoolIfExists true: long-term credentials',
      { policies: [identity(allow('*', '*', { BoolIfExists: mfa('true') }))] },
      'allowed',
    ],
    [
      'Allow with BoolIfExists true: temporary ones without MFA',
      { context: mfa('false'), policies: [identity(allow('*', '*', { BoolIfExists: mfa('true') }))] },
      'implicitDeny identity',
    ],
    [
      'Deny with Null true: temporary ones without MFA pass',
      { context: mfa('false'), policies: [identity(allow(), deny('*', '*', { Null: mfa('true') }))] },
      'allowed',
    ],
    [
      'addresses or VPC, if there: neither key',
      {
        policies: [
          identity(
            allow('*', '*', {
              IpAddressIfExists: { 'aws:SourceIp': '192.0.2.0/24' },
              StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' },
            }),
          ),
        ],
      },
      'allowed',
    ],
    [
      'addresses or VPC, if there: the wrong address',
      {
        context: { 'aws:SourceIp': '198.51.100.1' },
        policies: [
          identity(
            allow('*', '*', {
              IpAddressIfExists: { 'aws:SourceIp': '192.0.2.0/24' },
              StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' },
            }),
          ),
        ],
      },
      'implicitDeny identity',
    ],
    [
      'addresses or VPC, if there: the right VPC',
      {
        context: { 'aws:SourceVpc': 'vpc-1' },
        policies: [
          identity(
            allow('*', '*', {
              IpAddressIfExists: { 'aws:SourceIp': '192.0.2.0/24' },
              StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' },
            }),
          ),
        ],
      },
      'allowed',
    ],
    [
      'aws:PrincipalArn is the role’s for its sessions',
      {
        principal: roleSession('Admin', 's', other),
        context: { 'aws:PrincipalArn': `arn:aws:iam::${other}:role/Admin` },
        policies: [
          identity(allow()),
          resourcePolicy(to('*', allow('s3:*', '*', { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/Ad*' } }))),
        ],
      },
      'allowed',
    ],
    [
      'aws:PrincipalOrgPaths: an OU',
      {
        ...guest,
        context: { 'aws:PrincipalOrgPaths': ['o-a1/r-ab12/ou-ab12-11111111/ou-ab12-22222222/'] },
        policies: paths('o-a1/r-ab12/ou-ab12-11111111/*'),
      },
      'allowed',
    ],
    [
      'aws:PrincipalOrgPaths: the OU itself',
      {
        ...guest,
        context: { 'aws:PrincipalOrgPaths': ['o-a1/r-ab12/ou-ab12-11111111/'] },
        policies: paths('o-a1/r-ab12/ou-ab12-11111111/*'),
      },
      'allowed',
    ],
    [
      'aws:PrincipalOrgPaths: only OUs below it',
      {
        ...guest,
        context: { 'aws:PrincipalOrgPaths': ['o-a1/r-ab12/ou-ab12-11111111/'] },
        policies: paths('o-a1/r-ab12/ou-ab12-11111111/ou-*'),
      },
      'implicitDeny resource',
    ],
    [
      'aws:PrincipalOrgPaths: another OU',
      {
        ...guest,
        context: { 'aws:PrincipalOrgPaths': ['o-a1/r-ab12/ou-ab12-33333333/'] },
        policies: paths('o-a1/r-ab12/ou-ab12-11111111/*'),
      },
      'implicitDeny resource',
    ],
    ['aws:PrincipalOrgPaths: no organization', { ...guest, policies: paths('o-a1/*') }, 'implicitDeny resource'],
    [
      'aws:ResourceAccount: not to buckets of others',
      {
        resourceAccount: other,
        context: { 'aws:ResourceAccount': other },
        policies: [
          identity(allow(), deny('s3:*', '*', { StringNotEquals: { 'aws:ResourceAccount': [account] } })),
          resourcePolicy(to({ AWS: account })),
        ],
      },
      'explicitDeny identity',
    ],
    [
      'aws:ResourceAccount: to the own',
      {
        context: { 'aws:ResourceAccount': account },
        policies: [identity(allow(), deny('s3:*', '*', { StringNotEquals: { 'aws:ResourceAccount': [account] } }))],
      },
      'allowed',
    ],
    [
      'aws:UserAgent has wildcards in StringLike only',
      {
        context: { 'aws:UserAgent': 'aws-cli/2.0' },
        policies: [identity(allow('*', '*', { StringEquals: { 'aws:UserAgent': 'aws-cli/*' } }))],
      },
      'implicitDeny identity',
    ],
    [
      'anonymous callers have no aws:PrincipalArn',
      {
        principal: anonymous,
        policies: [resourcePolicy(to('*', allow('s3:*', '*', { StringLike: { 'aws:PrincipalArn': '*' } })))],
      },
      'implicitDeny resource',
    ],
  ]),
]
