import {
  account,
  allow,
  conditions,
  deny,
  identity,
  page,
  resourcePolicy,
  roleSession,
  service,
  to,
  user,
} from './case.ts'

const title = 'IAM JSON policy elements: Condition operators'
const job = (value: string) => ({ 'aws:PrincipalTag/job-category': value })
const prefix = (value: string) => ({ 's3:prefix': value })

const strings = conditions(title, [
  ['StringEquals: the same', { StringEquals: job('iamuser-admin') }, job('iamuser-admin'), true],
  ['StringEquals: another case', { StringEquals: job('iamuser-admin') }, job('IAMUser-Admin'), false],
  ['StringEquals: no key', { StringEquals: job('iamuser-admin') }, {}, false],
  ['StringEquals: a wildcard is a character', { StringEquals: job('iamuser-*') }, job('iamuser-admin'), false],
  [
    'StringEquals: one of several',
    { StringEquals: { 'aws:PrincipalTag/job-category': ['a', 'iamuser-admin'] } },
    job('iamuser-admin'),
    true,
  ],
  ['StringEquals: blanks count', { StringEquals: job('iamuser-admin') }, job('iamuser-admin '), false],
  ['StringEquals: the empty text', { StringEquals: prefix('') }, prefix(''), true],
  ['StringNotEquals: another', { StringNotEquals: job('a') }, job('b'), true],
  ['StringNotEquals: the same', { StringNotEquals: job('a') }, job('a'), false],
  [
    'StringNotEquals: none of several',
    { StringNotEquals: { 'aws:PrincipalTag/job-category': ['a', 'b'] } },
    job('c'),
    true,
  ],
  [
    'StringNotEquals: one of several is too many',
    { StringNotEquals: { 'aws:PrincipalTag/job-category': ['a', 'b'] } },
    job('b'),
    false,
  ],
  ['StringNotEquals: no key', { StringNotEquals: job('a') }, {}, true],
  ['StringEqualsIgnoreCase', { StringEqualsIgnoreCase: job('iamuser-ADMIN') }, job('IAMUser-Admin'), true],
  [
    'StringEqualsIgnoreCase: another word',
    { StringEqualsIgnoreCase: job('iamuser-ADMIN') },
    job('IAMUser-Boss'),
    false,
  ],
  ['StringNotEqualsIgnoreCase', { StringNotEqualsIgnoreCase: job('ADMIN') }, job('admin'), false],
  ['StringNotEqualsIgnoreCase: no key', { StringNotEqualsIgnoreCase: job('ADMIN') }, {}, true],
  ['StringLike: any run', { StringLike: prefix('home/*/docs') }, prefix('home/a/b/docs'), true],
  ['StringLike: an empty run', { StringLike: prefix('home/*') }, prefix('home/'), true],
  ['StringLike: one character', { StringLike: prefix('home/?') }, prefix('home/a'), true],
  ['StringLike: one character is not two', { StringLike: prefix('home/?') }, prefix('home/ab'), false],
  ['StringLike: without wildcards no partial match', { StringLike: prefix('home') }, prefix('home/a'), false],
  ['StringLike: the case counts', { StringLike: prefix('Home/*') }, prefix('home/a'), false],
  ['StringLike: no key', { StringLike: prefix('*') }, {}, false],
  ['StringNotLike', { StringNotLike: prefix('home/*') }, prefix('home/a'), false],
  ['StringNotLike: another', { StringNotLike: prefix('home/*') }, prefix('tmp/a'), true],
  ['StringNotLike: no key', { StringNotLike: prefix('home/*') }, {}, true],
])

const most = (value: string) => ({ 's3:max-keys': value })
const numbers = conditions(title, [
  ['NumericLessThanEquals: up to ten, ten', { NumericLessThanEquals: most('10') }, most('10'), true],
  ['NumericLessThanEquals: up to ten, eleven', { NumericLessThanEquals: most('10') }, most('11'), false],
  ['NumericLessThanEquals: numbers are no words', { NumericLessThanEquals: most('10') }, most('9'), true],
  ['NumericLessThanEquals: no key', { NumericLessThanEquals: most('10') }, {}, false],
  ['NumericLessThan: the same', { NumericLessThan: most('10') }, most('10'), false],
  ['NumericLessThan: a decimal', { NumericLessThan: most('10') }, most('9.99'), true],
  ['NumericLessThan: negative', { NumericLessThan: most('0') }, most('-1'), true],
  ['NumericGreaterThan: the same', { NumericGreaterThan: most('10') }, most('10'), false],
  ['NumericGreaterThan: more', { NumericGreaterThan: most('10') }, most('10.5'), true],
  ['NumericGreaterThanEquals: the same', { NumericGreaterThanEquals: most('10') }, most('10'), true],
  ['NumericEquals: written otherwise', { NumericEquals: most('10') }, most('10.0'), true],
  ['NumericEquals: a number in JSON', { NumericEquals: { 's3:max-keys': 10 } }, most('10'), true],
  ['NumericEquals: no number', { NumericEquals: most('10') }, most('ten'), false],
  ['NumericEquals: hexadecimal is no number', { NumericEquals: most('16') }, most('0x10'), false],
  ['NumericEquals: nothing is not zero', { NumericEquals: most('0') }, most(''), false],
  ['NumericNotEquals', { NumericNotEquals: most('10') }, most('11'), true],
  ['NumericNotEquals: the same', { NumericNotEquals: most('10') }, most('10'), false],
  ['NumericNotEquals: no key', { NumericNotEquals: most('10') }, {}, true],
  ['NumericNotEquals: one of several', { NumericNotEquals: { 's3:max-keys': ['10', '20'] } }, most('20'), false],
])

const issued = (value: string) => ({ 'aws:TokenIssueTime': value })
const now = (value: string) => ({ 'aws:CurrentTime': value })
const dates = conditions(title, [
  [
    'DateGreaterThan: issued after',
    { DateGreaterThan: issued('2020-01-01T00:00:01Z') },
    issued('2026-05-04T10:00:00Z'),
    true,
  ],
  [
    'DateGreaterThan: issued before',
    { DateGreaterThan: issued('2020-01-01T00:00:01Z') },
    issued('2019-12-31T23:59:59Z'),
    false,
  ],
  [
    'DateGreaterThan: at that second',
    { DateGreaterThan: issued('2020-01-01T00:00:01Z') },
    issued('2020-01-01T00:00:01Z'),
    false,
  ],
  ['DateGreaterThan: no temporary credentials, no key', { DateGreaterThan: issued('2020-01-01T00:00:01Z') }, {}, false],
  [
    'DateGreaterThanEquals: at that second',
    { DateGreaterThanEquals: now('2020-01-01T00:00:01Z') },
    now('2020-01-01T00:00:01Z'),
    true,
  ],
  ['DateLessThan: before', { DateLessThan: now('2026-06-30T23:59:59Z') }, now('2026-06-30T23:59:58Z'), true],
  ['DateLessThan: at that second', { DateLessThan: now('2026-06-30T23:59:59Z') }, now('2026-06-30T23:59:59Z'), false],
  [
    'DateLessThanEquals: at that second',
    { DateLessThanEquals: now('2026-06-30T23:59:59Z') },
    now('2026-06-30T23:59:59Z'),
    true,
  ],
  [
    'DateEquals: the same moment in another zone',
    { DateEquals: now('2026-05-04T12:00:00+02:00') },
    now('2026-05-04T10:00:00Z'),
    true,
  ],
  [
    'DateEquals: without a zone it is UTC',
    { DateEquals: now('2026-05-04T10:00:00') },
    now('2026-05-04T10:00:00Z'),
    true,
  ],
  ['DateEquals: another moment', { DateEquals: now('2026-05-04T12:00:00Z') }, now('2026-05-04T10:00:00Z'), false],
  ['DateNotEquals: no key', { DateNotEquals: now('2026-05-04T12:00:00Z') }, {}, true],
  ['a date alone is its midnight', { DateLessThan: now('2026-05-05') }, now('2026-05-04T23:59:59Z'), true],
  ['a month alone is its first day', { DateGreaterThanEquals: now('2026-05') }, now('2026-05-01T00:00:00Z'), true],
  [
    'a year alone is its first day, and no epoch time',
    { DateLessThan: now('2026') },
    now('2025-12-31T23:59:59Z'),
    true,
  ],
  [
    'epoch seconds against a date',
    { DateGreaterThan: { 'aws:EpochTime': '2026-05-04T09:59:59Z' } },
    { 'aws:EpochTime': '1777888800' },
    true,
  ],
  ['a date against epoch seconds', { DateEquals: now('1777888800') }, now('2026-05-04T10:00:00Z'), true],
  [
    'epoch seconds as a number',
    { NumericLessThan: { 'aws:EpochTime': '1777888801' } },
    { 'aws:EpochTime': '1777888800' },
    true,
  ],
  ['fractions of a second', { DateGreaterThan: now('2026-05-04T10:00:00.5Z') }, now('2026-05-04T10:00:00.6Z'), true],
  ['no wildcards', { DateEquals: now('2026-*') }, now('2026-05-04T10:00:00Z'), false],
  ['a form that is not ISO 8601', { DateLessThan: now('June 30, 2026') }, now('2026-05-04T10:00:00Z'), false],
])

const ssl = (value: string) => ({ 'aws:SecureTransport': value })
const data = (value: string) => ({ 'service:Blob': value })
const booleans = conditions(title, [
  ['Bool: true', { Bool: ssl('true') }, ssl('true'), true],
  ['Bool: false', { Bool: ssl('false') }, ssl('true'), false],
  ['Bool: a Boolean in JSON', { Bool: { 'aws:SecureTransport': false } }, ssl('false'), true],
  ['Bool: written large', { Bool: ssl('True') }, ssl('true'), true],
  ['Bool: no key is not false', { Bool: { 'aws:MultiFactorAuthPresent': 'false' } }, {}, false],
  [
    'Bool: a variable',
    { Bool: { 'aws:ViaAWSService': '${aws:SecureTransport}' } },
    { ...ssl('true'), 'aws:ViaAWSService': 'true' },
    true,
  ],
  [
    'Bool: a variable without a value',
    { Bool: { 'aws:ViaAWSService': '${aws:SecureTransport}' } },
    { 'aws:ViaAWSService': 'true' },
    false,
  ],
  ['Bool: neither true nor false', { Bool: ssl('true') }, ssl('1'), false],
  [
    'BinaryEquals: byte for byte',
    { BinaryEquals: data('QmluYXJ5VmFsdWVJbkJhc2U2NA==') },
    data('QmluYXJ5VmFsdWVJbkJhc2U2NA=='),
    true,
  ],
  [
    'BinaryEquals: a byte differs',
    { BinaryEquals: data('QmluYXJ5VmFsdWVJbkJhc2U2NA==') },
    data('QmluYXJ5VmFsdWVJbkJhc2U2NQ=='),
    false,
  ],
  ['BinaryEquals: no key', { BinaryEquals: data('QQ==') }, {}, false],
  ['BinaryEquals: not in base 64', { BinaryEquals: data('QQ==') }, data('%%'), false],
])

const ip = (value: string) => ({ 'aws:SourceIp': value })
const addresses = conditions(title, [
  ['IpAddress: in the range', { IpAddress: ip('203.0.113.0/24') }, ip('203.0.113.255'), true],
  ['IpAddress: beside the range', { IpAddress: ip('203.0.113.0/24') }, ip('203.0.114.0'), false],
  ['IpAddress: one address is /32', { IpAddress: ip('203.0.113.7') }, ip('203.0.113.7'), true],
  ['IpAddress: its neighbour', { IpAddress: ip('203.0.113.7') }, ip('203.0.113.6'), false],
  ['IpAddress: the range by an address within', { IpAddress: ip('203.0.113.77/24') }, ip('203.0.113.1'), true],
  ['IpAddress: a range that ends within a byte', { IpAddress: ip('203.0.113.128/30') }, ip('203.0.113.131'), true],
  ['IpAddress: beyond it', { IpAddress: ip('203.0.113.128/30') }, ip('203.0.113.132'), false],
  ['IpAddress: no key (by a VPC endpoint)', { IpAddress: ip('0.0.0.0/0') }, {}, false],
  ['IpAddress: IPv6', { IpAddress: ip('2001:DB8:1234:5678::/64') }, ip('2001:db8:1234:5678::1'), true],
  [
    'IpAddress: IPv6 written out',
    { IpAddress: ip('2001:DB8:1234:5678::/64') },
    ip('2001:0db8:1234:5678:ffff:ffff:ffff:ffff'),
    true,
  ],
  ['IpAddress: IPv6 beside', { IpAddress: ip('2001:DB8:1234:5678::/64') }, ip('2001:db8:1234:5679::1'), false],
  ['IpAddress: all of IPv6', { IpAddress: ip('::/0') }, ip('2001:db8::1'), true],
  ['IpAddress: all of IPv4 is none of IPv6', { IpAddress: ip('0.0.0.0/0') }, ip('2001:db8::1'), false],
  [
    'IpAddress: both kinds in one list',
    { IpAddress: { 'aws:SourceIp': ['203.0.113.0/24', '2001:DB8:1234:5678::/64'] } },
    ip('2001:db8:1234:5678::9'),
    true,
  ],
  ['IpAddress: no wildcards', { IpAddress: ip('203.0.113.*') }, ip('203.0.113.7'), false],
  ['NotIpAddress: in the range', { NotIpAddress: ip('203.0.113.0/24') }, ip('203.0.113.7'), false],
  ['NotIpAddress: outside', { NotIpAddress: ip('203.0.113.0/24') }, ip('198.51.100.7'), true],
  [
    'NotIpAddress: outside one, within another',
    { NotIpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '203.0.113.0/24'] } },
    ip('203.0.113.7'),
    false,
  ],
  ['NotIpAddress: no key', { NotIpAddress: ip('203.0.113.0/24') }, {}, true],
])

const arn = (value: string) => ({ 'aws:SourceArn': value })
const topic = `arn:aws:sns:us-east-1:${account}:topic`
const finance = arn(`arn:aws:someservice:*:${account}:finance/*`)
const tricky = arn(`arn:aws:someservice:us-east-2:999999999999:store/abc:${account}:finance/document.txt`)
const arns = conditions(title, [
  ['StringLike matches across colons', { StringLike: finance }, tricky, true],
  ['ArnLike matches between colons', { ArnLike: finance }, tricky, false],
  ['ArnLike: any region', { ArnLike: finance }, arn(`arn:aws:someservice:us-east-2:${account}:finance/a/b`), true],
  [
    'ArnEquals takes wildcards as ArnLike does',
    { ArnEquals: finance },
    arn(`arn:aws:someservice:us-east-2:${account}:finance/a/b`),
    true,
  ],
  ['ArnEquals: the same', { ArnEquals: arn(topic) }, arn(topic), true],
  ['ArnEquals: another', { ArnEquals: arn(topic) }, arn(`${topic}2`), false],
  ['the case counts', { ArnEquals: arn(topic) }, arn(topic.replace('topic', 'Topic')), false],
  ['one character', { ArnLike: arn(`arn:aws:sns:us-east-?:${account}:topic`) }, arn(topic), true],
  ['an asterisk within a segment', { ArnLike: arn(`arn:aws:sns:us-*-1:${account}:t*c`) }, arn(topic), true],
  [
    'an asterisk for the account only',
    { ArnLike: arn('arn:aws:sns:us-east-1:*:topic') },
    arn(`arn:aws:sns:us-east-1:${account}:x:topic`),
    false,
  ],
  [
    'the last segment takes colons',
    { ArnLike: arn(`arn:aws:logs:us-east-1:${account}:log-group:*`) },
    arn(`arn:aws:logs:us-east-1:${account}:log-group:a:log-stream:b`),
    true,
  ],
  ['no key', { ArnEquals: arn(topic) }, {}, false],
  ['ArnNotEquals: another', { ArnNotEquals: arn(topic) }, arn(`${topic}2`), true],
  ['ArnNotEquals with wildcards: the same', { ArnNotEquals: arn('arn:aws:sns:*:*:topic') }, arn(topic), false],
  [
    'ArnNotLike: one of several',
    { ArnNotLike: { 'aws:SourceArn': ['arn:aws:sqs:*:*:*', 'arn:aws:sns:*:*:*'] } },
    arn(topic),
    false,
  ],
  ['ArnNotLike: no key', { ArnNotLike: arn(topic) }, {}, true],
])

const type = (value: string | string[]) => ({ 'ec2:InstanceType': value })
const existence = conditions(title, [
  ['StringLike without the key', { StringLike: type(['t1.*', 't2.*']) }, {}, false],
  ['StringLikeIfExists without the key', { StringLikeIfExists: type(['t1.*', 't2.*']) }, {}, true],
  ['StringLikeIfExists with a value that fits', { StringLikeIfExists: type(['t1.*', 't2.*']) }, type('t2.micro'), true],
  [
    'StringLikeIfExists with a value that does not',
    { StringLikeIfExists: type(['t1.*', 't2.*']) },
    type('m5.large'),
    false,
  ],
  [
    'other conditions of the statement still count',
    { StringLikeIfExists: type('t2.*'), StringEquals: { 'aws:RequestedRegion': 'eu-west-1' } },
    { 'aws:RequestedRegion': 'us-east-1' },
    false,
  ],
  ['StringNotEqualsIfExists without the key', { StringNotEqualsIfExists: type('t2.micro') }, {}, true],
  ['StringNotEqualsIfExists with the value', { StringNotEqualsIfExists: type('t2.micro') }, type('t2.micro'), false],
  [
    'NumericLessThanIfExists without the key',
    { NumericLessThanIfExists: { 'aws:MultiFactorAuthAge': '3600' } },
    {},
    true,
  ],
  [
    'NumericLessThanIfExists with too much',
    { NumericLessThanIfExists: { 'aws:MultiFactorAuthAge': '3600' } },
    { 'aws:MultiFactorAuthAge': '3601' },
    false,
  ],
  ['ArnEqualsIfExists without the key', { ArnEqualsIfExists: arn(topic) }, {}, true],
  ['DateGreaterThanIfExists without the key', { DateGreaterThanIfExists: issued('2026-01-01T00:00:00Z') }, {}, true],
  ['BinaryEqualsIfExists without the key', { BinaryEqualsIfExists: data('QQ==') }, {}, true],
  ['Null true: no key', { Null: issued('true') }, {}, true],
  ['Null true: a key', { Null: issued('true') }, issued('2026-05-04T10:00:00Z'), false],
  ['Null false: a key', { Null: issued('false') }, issued('2026-05-04T10:00:00Z'), true],
  ['Null false: no key', { Null: issued('false') }, {}, false],
  ['Null with a Boolean in JSON', { Null: { 'aws:MultiFactorAuthAge': true } }, {}, true],
  ['Null of a key without values', { Null: { 'aws:TagKeys': 'true' } }, { 'aws:TagKeys': [] }, true],
])

const missing = page(title, { context: {} }, [
  [
    'Deny and a negated operator without the key: denied',
    { policies: [identity(allow(), deny('*', '*', { StringNotEquals: type('t2.micro') }))] },
    'explicitDeny identity',
  ],
  [
    'Deny and StringNotEqualsIfExists without the key: denied',
    { policies: [identity(allow(), deny('*', '*', { StringNotEqualsIfExists: type('t2.micro') }))] },
    'explicitDeny identity',
  ],
  [
    'Deny and a plain operator without the key: not denied',
    { policies: [identity(allow(), deny('*', '*', { StringEquals: type('t2.micro') }))] },
    'allowed',
  ],
  [
    'Deny and IfExists without the key: denied',
    { policies: [identity(allow(), deny('*', '*', { StringEqualsIfExists: type('t2.micro') }))] },
    'explicitDeny identity',
  ],
  [
    'Deny without SSL',
    {
      context: { 'aws:SecureTransport': 'false' },
      policies: [identity(allow(), deny('s3:*', '*', { Bool: ssl('false') }))],
    },
    'explicitDeny identity',
  ],
  [
    'no Deny with SSL',
    {
      context: { 'aws:SecureTransport': 'true' },
      policies: [identity(allow(), deny('s3:*', '*', { Bool: ssl('false') }))],
    },
    'allowed',
  ],
  [
    'EC2 only with long-term credentials',
    {
      principal: user('ana'),
      action: 'ec2:DescribeInstances',
      resource: '*',
      policies: [identity(allow('ec2:*', '*', { Null: issued('true') }))],
    },
    'allowed',
  ],
  [
    'EC2 with temporary ones',
    {
      principal: roleSession('r', 's'),
      action: 'ec2:DescribeInstances',
      resource: '*',
      context: issued('2026-05-04T10:00:00Z'),
      policies: [identity(allow('ec2:*', '*', { Null: issued('true') }))],
    },
    'implicitDeny identity',
  ],
])

const queue = `arn:aws:sqs:us-east-1:${account}:q`
const sourced = page(title, { action: 'sqs:SendMessage', resource: queue }, [
  [
    'a topic that may send to the queue',
    {
      principal: service('sns.amazonaws.com'),
      context: arn(topic),
      policies: [
        resourcePolicy(
          to({ Service: 'sns.amazonaws.com' }, allow('sqs:SendMessage', queue, { ArnEquals: arn(topic) })),
        ),
      ],
    },
    'allowed',
  ],
  [
    'another topic',
    {
      principal: service('sns.amazonaws.com'),
      context: arn(`${topic}2`),
      policies: [
        resourcePolicy(
          to({ Service: 'sns.amazonaws.com' }, allow('sqs:SendMessage', queue, { ArnEquals: arn(topic) })),
        ),
      ],
    },
    'implicitDeny resource',
  ],
  [
    'a user who sends directly has no source',
    {
      policies: [
        resourcePolicy(to({ AWS: user('alice').arn }, allow('sqs:SendMessage', queue, { ArnEquals: arn(topic) }))),
      ],
    },
    'implicitDeny identity',
  ],
])

const blocks = conditions('Conditions with multiple context keys or values', [
  [
    'operators are joined by AND: all hold',
    {
      StringEquals: { 'aws:username': 'johndoe' },
      DateLessThan: now('2026-07-01T00:00:00Z'),
      IpAddress: ip('203.0.113.0/24'),
    },
    { 'aws:username': 'johndoe', ...now('2026-06-01T00:00:00Z'), ...ip('203.0.113.9') },
    true,
  ],
  [
    'one does not',
    {
      StringEquals: { 'aws:username': 'johndoe' },
      DateLessThan: now('2026-07-01T00:00:00Z'),
      IpAddress: ip('203.0.113.0/24'),
    },
    { 'aws:username': 'johndoe', ...now('2026-06-01T00:00:00Z'), ...ip('198.51.100.9') },
    false,
  ],
  [
    'keys of one operator are joined by AND',
    { StringEquals: { 'aws:PrincipalTag/department': 'finance', 'aws:PrincipalTag/role': 'audit' } },
    { 'aws:PrincipalTag/department': 'finance', 'aws:PrincipalTag/role': 'sales' },
    false,
  ],
  [
    'both keys hold',
    { StringEquals: { 'aws:PrincipalTag/department': 'finance', 'aws:PrincipalTag/role': 'audit' } },
    { 'aws:PrincipalTag/department': 'finance', 'aws:PrincipalTag/role': 'audit' },
    true,
  ],
  [
    'values of one key are joined by OR',
    { StringEquals: { 'aws:PrincipalTag/department': ['finance', 'hr', 'legal'] } },
    { 'aws:PrincipalTag/department': 'legal' },
    true,
  ],
  [
    'values of a negated operator by NOR',
    { StringNotEquals: { 'aws:PrincipalTag/department': ['finance', 'hr', 'legal'] } },
    { 'aws:PrincipalTag/department': 'legal' },
    false,
  ],
  [
    'none of them',
    { StringNotEquals: { 'aws:PrincipalTag/department': ['finance', 'hr', 'legal'] } },
    { 'aws:PrincipalTag/department': 'it' },
    true,
  ],
  [
    'two negated keys: both must differ',
    { StringNotEquals: { 'aws:SourceVpc': 'vpc-1', 'aws:SourceVpce': 'vpce-1' } },
    { 'aws:SourceVpc': 'vpc-2', 'aws:SourceVpce': 'vpce-1' },
    false,
  ],
])

export const operators = [
  ...strings,
  ...numbers,
  ...dates,
  ...booleans,
  ...addresses,
  ...arns,
  ...existence,
  ...missing,
  ...sourced,
  ...blocks,
]
