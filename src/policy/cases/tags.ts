import { account, allow, deny, identity, page, roleSession, user } from './case.ts'

const tutorial = 'IAM tutorial: Define permissions to access AWS resources based on tags'
const own = (key: string) => `\${aws:PrincipalTag/${key}}`
const matching = (kind: string) => ({
  [`aws:${kind}/access-project`]: own('access-project'),
  [`aws:${kind}/access-team`]: own('access-team'),
  [`aws:${kind}/cost-center`]: own('cost-center'),
})
const secrets = [
  identity(
    allow('secretsmanager:*', '*', {
      StringEquals: matching('ResourceTag'),
      'ForAllValues:StringEquals': {
        'aws:TagKeys': ['access-project', 'access-team', 'cost-center', 'Name', 'OwnedBy'],
      },
      StringEqualsIfExists: matching('RequestTag'),
    }),
    allow(['secretsmanager:GetRandomPassword', 'secretsmanager:ListSecrets']),
    allow(['secretsmanager:Describe*', 'secretsmanager:Get*', 'secretsmanager:List*'], '*', {
      StringEquals: { 'aws:ResourceTag/access-team': own('access-team') },
    }),
    deny('secretsmanager:UntagResource', '*', { 'ForAnyValue:StringLike': { 'aws:TagKeys': 'access-*' } }),
    deny('secretsmanager:*Policy'),
  ),
]
const tagged = (kind: string, project: string, team: string, cost: string) => ({
  [`aws:${kind}/access-project`]: project,
  [`aws:${kind}/access-team`]: team,
  [`aws:${kind}/cost-center`]: cost,
})
const secret = `arn:aws:secretsmanager:us-east-1:${account}:secret:test-access-peg-eng-AbCdEf`
const peg = tagged('PrincipalTag', 'peg', 'eng', '987654')

const abac = page(
  tutorial,
  { principal: roleSession('access-peg-engineering', 'arnav'), resource: secret, context: peg, policies: secrets },
  [
    [
      'the own project, team and cost center',
      { action: 'secretsmanager:UpdateSecret', context: tagged('ResourceTag', 'peg', 'eng', '987654') },
      'allowed',
    ],
    [
      'another project of the team: reading',
      { action: 'secretsmanager:DescribeSecret', context: tagged('ResourceTag', 'uni', 'eng', '123456') },
      'allowed',
    ],
    [
      'another project of the team: changing',
      { action: 'secretsmanager:UpdateSecret', context: tagged('ResourceTag', 'uni', 'eng', '123456') },
      'implicitDeny identity',
    ],
    [
      'the project of another team: reading',
      { action: 'secretsmanager:DescribeSecret', context: tagged('ResourceTag', 'peg', 'qas', '987654') },
      'implicitDeny identity',
    ],
    ['no tags on the secret', { action: 'secretsmanager:GetSecretValue' }, 'implicitDeny identity'],
    [
      'tagging with the own values',
      {
        action: 'secretsmanager:TagResource',
        context: {
          ...tagged('ResourceTag', 'peg', 'eng', '987654'),
          ...tagged('RequestTag', 'peg', 'eng', '987654'),
          'aws:TagKeys': ['access-project', 'access-team', 'cost-center'],
        },
      },
      'allowed',
    ],
    [
      'tagging with another project',
      {
        action: 'secretsmanager:TagResource',
        context: {
          ...tagged('ResourceTag', 'peg', 'eng', '987654'),
          ...tagged('RequestTag', 'uni', 'eng', '987654'),
          'aws:TagKeys': ['access-project', 'access-team', 'cost-center'],
        },
      },
      'implicitDeny identity',
    ],
    [
      'tagging with an optional key',
      {
        action: 'secretsmanager:TagResource',
        context: { ...tagged('ResourceTag', 'peg', 'eng', '987654'), 'aws:TagKeys': ['Name'] },
      },
      'allowed',
    ],
    [
      'tagging with a key that is not listed',
      {
        action: 'secretsmanager:TagResource',
        context: { ...tagged('ResourceTag', 'peg', 'eng', '987654'), 'aws:TagKeys': ['Name', 'Colour'] },
      },
      'implicitDeny identity',
    ],
    [
      'keys of tags have case where they are values',
      {
        action: 'secretsmanager:TagResource',
        context: { ...tagged('ResourceTag', 'peg', 'eng', '987654'), 'aws:TagKeys': ['name'] },
      },
      'implicitDeny identity',
    ],
    [
      'taking a reserved tag away',
      {
        action: 'secretsmanager:UntagResource',
        context: { ...tagged('ResourceTag', 'peg', 'eng', '987654'), 'aws:TagKeys': ['Name', 'access-team'] },
      },
      'explicitDeny identity',
    ],
    [
      'taking another tag away',
      {
        action: 'secretsmanager:UntagResource',
        context: { ...tagged('ResourceTag', 'peg', 'eng', '987654'), 'aws:TagKeys': ['Name'] },
      },
      'allowed',
    ],
    [
      'the secret’s policy',
      { action: 'secretsmanager:PutResourcePolicy', context: tagged('ResourceTag', 'peg', 'eng', '987654') },
      'explicitDeny identity',
    ],
    ['what has no resource', { action: 'secretsmanager:ListSecrets', resource: '*' }, 'allowed'],
    ['a random password', { action: 'secretsmanager:GetRandomPassword', resource: '*' }, 'allowed'],
  ],
)

const assume = page(
  tutorial,
  {
    principal: user('access-Arnav-peg-eng'),
    action: 'sts:AssumeRole',
    resource: `arn:aws:iam::${account}:role/access-peg-engineering`,
    context: peg,
    policies: [
      identity(
        allow('sts:AssumeRole', `arn:aws:iam::${account}:role/access-*`, {
          StringEquals: {
            'iam:ResourceTag/access-project': own('access-project'),
            'iam:ResourceTag/access-team': own('access-team'),
            'iam:ResourceTag/cost-center': own('cost-center'),
          },
        }),
      ),
    ],
  },
  [
    [
      'a role with the own tags',
      {
        context: {
          'iam:ResourceTag/access-project': 'peg',
          'iam:ResourceTag/access-team': 'eng',
          'iam:ResourceTag/cost-center': '987654',
        },
      },
      'allowed',
    ],
    [
      'a role of another team',
      {
        context: {
          'iam:ResourceTag/access-project': 'peg',
          'iam:ResourceTag/access-team': 'qas',
          'iam:ResourceTag/cost-center': '987654',
        },
      },
      'implicitDeny identity',
    ],
    [
      'a role without one of the tags',
      { context: { 'iam:ResourceTag/access-project': 'peg', 'iam:ResourceTag/access-team': 'eng' } },
      'implicitDeny identity',
    ],
    [
      'a role of another name',
      {
        resource: `arn:aws:iam::${account}:role/admin`,
        context: {
          'iam:ResourceTag/access-project': 'peg',
          'iam:ResourceTag/access-team': 'eng',
          'iam:ResourceTag/cost-center': '987654',
        },
      },
      'implicitDeny identity',
    ],
    [
      'a user without tags does not match a role without tags',
      {
        context: {
          'aws:PrincipalTag/access-project': [],
          'aws:PrincipalTag/access-team': [],
          'aws:PrincipalTag/cost-center': [],
        },
      },
      'implicitDeny identity',
    ],
  ],
)

const tagsPage = 'Controlling access to AWS resources using tags'
const instance = `arn:aws:ec2:us-east-1:${account}:instance/i-1`
const owner = [
  identity(
    allow(['ec2:StartInstances', 'ec2:StopInstances'], 'arn:aws:ec2:*:*:instance/*', {
      StringEquals: { 'aws:ResourceTag/Owner': '${aws:username}' },
    }),
    allow('ec2:DescribeInstances'),
  ),
]
const environment = [
  identity(
    allow('ec2:CreateTags', 'arn:aws:ec2:*:*:instance/*', {
      StringEquals: { 'aws:RequestTag/environment': ['preprod', 'production'] },
      'ForAllValues:StringEquals': { 'aws:TagKeys': 'environment' },
    }),
  ),
]
const keys = [
  identity(
    allow(['secretsmanager:CreateSecret', 'secretsmanager:TagResource'], '*', {
      'ForAllValues:StringEquals': { 'aws:TagKeys': ['environment', 'cost-center'] },
    }),
  ),
]
const access = [
  ...page(
    tagsPage,
    {
      principal: user('richard-roe'),
      action: 'ec2:StartInstances',
      resource: instance,
      context: { 'aws:username': 'richard-roe' },
      policies: owner,
    },
    [
      ['an instance of his', { context: { 'aws:ResourceTag/Owner': 'richard-roe' } }, 'allowed'],
      ['the tag written small: keys have no case', { context: { 'aws:ResourceTag/owner': 'richard-roe' } }, 'allowed'],
      ['an instance of another', { context: { 'aws:ResourceTag/Owner': 'jane-roe' } }, 'implicitDeny identity'],
      ['an instance of no one', {}, 'implicitDeny identity'],
      ['values have case', { context: { 'aws:ResourceTag/Owner': 'Richard-Roe' } }, 'implicitDeny identity'],
      ['looking needs no tag', { action: 'ec2:DescribeInstances', resource: '*' }, 'allowed'],
      [
        'no other action',
        { action: 'ec2:TerminateInstances', context: { 'aws:ResourceTag/Owner': 'richard-roe' } },
        'implicitDeny identity',
      ],
    ],
  ),
  ...page(tagsPage, { action: 'ec2:CreateTags', resource: instance, policies: environment }, [
    [
      'the key with one of the values',
      { context: { 'aws:RequestTag/environment': 'preprod', 'aws:TagKeys': ['environment'] } },
      'allowed',
    ],
    [
      'the key with another value',
      { context: { 'aws:RequestTag/environment': 'test', 'aws:TagKeys': ['environment'] } },
      'implicitDeny identity',
    ],
    [
      'one more key',
      { context: { 'aws:RequestTag/environment': 'preprod', 'aws:TagKeys': ['environment', 'cost'] } },
      'implicitDeny identity',
    ],
    [
      'the key written large',
      { context: { 'aws:RequestTag/Environment': 'preprod', 'aws:TagKeys': ['Environment'] } },
      'implicitDeny identity',
    ],
  ]),
  ...page(tagsPage, { action: 'secretsmanager:CreateSecret', resource: secret, policies: keys }, [
    ['keys that are listed', { context: { 'aws:TagKeys': ['cost-center'] } }, 'allowed'],
    ['a key that is not', { context: { 'aws:TagKeys': ['cost-center', 'owner'] } }, 'implicitDeny identity'],
    ['no tags at all', {}, 'allowed'],
  ]),
]

export const tags = [...abac, ...assume, ...access]
