import { account, allow, conditions, deny, identity, page, user } from './case.ts'

const title = 'Set operators for multivalued context keys'
const attributes = (...values: string[]) => ({ 'dynamodb:Attributes': values })
const tags = (...values: string[]) => ({ 'aws:TagKeys': values })
const table = `arn:aws:dynamodb:us-east-2:${account}:table/Thread`
const readable = [
  identity(
    allow('dynamodb:GetItem', table, { 'ForAllValues:StringLike': attributes('PostDateTime', 'Message', 'Tags') }),
  ),
]
const writable = [
  identity(
    allow('dynamodb:PutItem', table),
    deny('dynamodb:PutItem', table, { 'ForAnyValue:StringLike': attributes('ID', 'PostDateTime') }),
  ),
]

export const setOperators = [
  ...page(title, { action: 'dynamodb:GetItem', resource: table, policies: readable }, [
    ['ForAllValues: all that is asked for is listed', { context: attributes('PostDateTime', 'Message') }, 'allowed'],
    ['ForAllValues: one is not listed', { context: attributes('PostDateTime', 'UserName') }, 'implicitDeny identity'],
    ['ForAllValues: all that is listed', { context: attributes('PostDateTime', 'Message', 'Tags') }, 'allowed'],
    ['ForAllValues: nothing that is listed', { context: attributes('ID') }, 'implicitDeny identity'],
  ]),
  ...page(title, { action: 'dynamodb:PutItem', resource: table, policies: writable }, [
    [
      'ForAnyValue, Deny: one of those listed',
      { context: attributes('UserName', 'Message', 'PostDateTime') },
      'explicitDeny identity',
    ],
    ['ForAnyValue, Deny: none of those listed', { context: attributes('UserName') }, 'allowed'],
    ['ForAnyValue, Deny: no key', {}, 'allowed'],
  ]),
  ...conditions(title, [
    ['ForAllValues: no key', { 'ForAllValues:StringEquals': tags('env') }, {}, true],
    ['ForAllValues: a key without values', { 'ForAllValues:StringEquals': tags('env') }, tags(), true],
    ['ForAllValues: an empty text is a null data set', { 'ForAllValues:StringEquals': tags('env') }, tags(''), true],
    [
      'ForAllValues: an empty text among others is a value',
      { 'ForAllValues:StringEquals': tags('env') },
      tags('env', ''),
      false,
    ],
    ['ForAnyValue: no key', { 'ForAnyValue:StringEquals': tags('env') }, {}, false],
    ['ForAnyValue: a key without values', { 'ForAnyValue:StringEquals': tags('env') }, tags(), false],
    ['ForAnyValue: an empty text is a null data set', { 'ForAnyValue:StringLike': tags('*') }, tags(''), false],
    ['ForAnyValue: one of two', { 'ForAnyValue:StringEquals': tags('env', 'team') }, tags('cost', 'team'), true],
    ['ForAnyValue: none of two', { 'ForAnyValue:StringEquals': tags('env', 'team') }, tags('cost', 'owner'), false],
    ['ForAnyValue: values have case', { 'ForAnyValue:StringEquals': tags('Env') }, tags('env'), false],
    [
      'ForAllValues with Null false: no key',
      { 'ForAllValues:StringEquals': tags('env'), Null: { 'aws:TagKeys': 'false' } },
      {},
      false,
    ],
    [
      'ForAllValues with Null false: a key',
      { 'ForAllValues:StringEquals': tags('env'), Null: { 'aws:TagKeys': 'false' } },
      tags('env'),
      true,
    ],
    [
      'ForAnyValue and a negated operator: one differs',
      { 'ForAnyValue:StringNotEquals': tags('env') },
      tags('env', 'team'),
      true,
    ],
    [
      'ForAnyValue and a negated operator: none differs',
      { 'ForAnyValue:StringNotEquals': tags('env', 'team') },
      tags('env', 'team'),
      false,
    ],
    ['ForAnyValue and a negated operator: no key', { 'ForAnyValue:StringNotEquals': tags('env') }, {}, false],
    [
      'ForAllValues and a negated operator: all differ',
      { 'ForAllValues:StringNotEquals': tags('env') },
      tags('team', 'cost'),
      true,
    ],
    [
      'ForAllValues and a negated operator: one does not',
      { 'ForAllValues:StringNotEquals': tags('env') },
      tags('team', 'env'),
      false,
    ],
    ['ForAllValues and a negated operator: no key', { 'ForAllValues:StringNotLike': tags('env*') }, {}, true],
    [
      'ForAnyValue and ArnLike',
      { 'ForAnyValue:ArnLike': { 'k:Arns': 'arn:aws:iam::*:role/a' } },
      { 'k:Arns': ['arn:aws:iam::111122223333:role/b', 'arn:aws:iam::111122223333:role/a'] },
      true,
    ],
    [
      'ForAllValues and NumericLessThan',
      { 'ForAllValues:NumericLessThan': { 'k:Sizes': '10' } },
      { 'k:Sizes': ['3', '12'] },
      false,
    ],
    ['ForAnyValue…IfExists: no key', { 'ForAnyValue:StringEqualsIfExists': tags('env') }, {}, true],
    ['ForAnyValue…IfExists: other values', { 'ForAnyValue:StringEqualsIfExists': tags('env') }, tags('team'), false],
    [
      'ForAllValues…IfExists: other values',
      { 'ForAllValues:StringEqualsIfExists': tags('env') },
      tags('env', 'team'),
      false,
    ],
  ]),
  ...page(
    'Multivalued context key examples',
    {
      principal: user('ana'),
      action: 'iam:TagUser',
      resource: `arn:aws:iam::${account}:user/zoe`,
      policies: [
        identity(
          allow('iam:*'),
          deny(['iam:Tag*'], '*', { 'ForAllValues:StringLike': tags('key1*'), Null: { 'aws:TagKeys': 'false' } }),
        ),
      ],
    },
    [
      ['all tag keys have the prefix', { context: tags('key1:legal', 'key1') }, 'explicitDeny identity'],
      ['one has not', { context: tags('key1:hr', 'key2:hr') }, 'allowed'],
      ['none has', { context: tags('key2:audit') }, 'allowed'],
      ['no tag keys', {}, 'allowed'],
    ],
  ),
  ...page(
    'Multivalued context key examples',
    {
      principal: user('ana'),
      action: 'ec2:CreateTags',
      resource: `arn:aws:ec2:us-east-1:${account}:snapshot/snap-1`,
      policies: [
        identity(
          allow('ec2:*'),
          deny('ec2:CreateTags', '*', { 'ForAnyValue:StringEquals': tags('environment', 'webserver') }),
        ),
      ],
    },
    [
      ['one of the tag keys', { context: tags('webserver', 'cost') }, 'explicitDeny identity'],
      ['both', { context: tags('environment', 'webserver') }, 'explicitDeny identity'],
      ['neither', { context: tags('cost') }, 'allowed'],
      ['no tag keys', {}, 'allowed'],
    ],
  ),
  ...page('Single-valued vs. multivalued context keys', {}, [
    [
      'several values in the policy make no multivalued key',
      {
        context: { 'aws:RequestTag/team': 'b' },
        policies: [identity(allow('*', '*', { StringEquals: { 'aws:RequestTag/team': ['a', 'b'] } }))],
      },
      'allowed',
    ],
    [
      'ForAllValues on a single-valued key that is missing is too permissive',
      { policies: [identity(allow('*', '*', { 'ForAllValues:StringEquals': { 'aws:PrincipalTag/team': 'a' } }))] },
      'allowed',
    ],
    [
      'ForAnyValue on one that is missing denies nothing',
      {
        policies: [
          identity(allow(), deny('*', '*', { 'ForAnyValue:StringNotEquals': { 'aws:PrincipalTag/team': 'a' } })),
        ],
      },
      'allowed',
    ],
  ]),
]
