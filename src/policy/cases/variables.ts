import type { AppliedPolicy } from '../policy.ts'
import { account, allow, conditions, identity, other, page, resourcePolicy, to, user } from './case.ts'

const title = 'IAM policy elements: Variables and tags'
const home = [
  identity(
    allow('s3:ListBucket', 'arn:aws:s3:::mybucket', { StringLike: { 's3:prefix': ['${aws:username}/*'] } }),
    allow(['s3:GetObject', 's3:PutObject'], 'arn:aws:s3:::mybucket/${aws:username}/*'),
  ),
]
const versioned = (Version: string | undefined, Resource: string): AppliedPolicy[] => [
  { kind: 'identity', id: 'p', document: { ...(Version ? { Version } : {}), Statement: [allow('*', Resource)] } },
]
const at = (Resource: string, resource: string, context = {}) => ({
  resource,
  context,
  policies: [identity(allow('*', Resource))],
})
const name = { 'aws:username': 'David' }
const team = { 'aws:PrincipalTag/team': 'yellow' }

const topic = resourcePolicy(
  to(
    { AWS: other },
    allow('sns:*', '*', {
      StringLike: { 'sns:endpoint': 'https://example.com/${aws:username}/' },
      StringEquals: { 'sns:Protocol': 'https' },
    }),
  ),
)

export const variables = [
  ...page(title, { context: name, policies: home }, [
    ['the user’s own folder', { resource: 'arn:aws:s3:::mybucket/David/a/b' }, 'allowed'],
    ['another’s folder', { resource: 'arn:aws:s3:::mybucket/Adele/a' }, 'implicitDeny identity'],
    ['a folder that begins alike', { resource: 'arn:aws:s3:::mybucket/Davide/a' }, 'implicitDeny identity'],
    ['the case of the value counts', { resource: 'arn:aws:s3:::mybucket/david/a' }, 'implicitDeny identity'],
    [
      'listing the own prefix',
      { action: 's3:ListBucket', resource: 'arn:aws:s3:::mybucket', context: { 's3:prefix': 'David/2026' } },
      'allowed',
    ],
    [
      'listing another’s',
      { action: 's3:ListBucket', resource: 'arn:aws:s3:::mybucket', context: { 's3:prefix': 'Adele/2026' } },
      'implicitDeny identity',
    ],
    [
      'listing without a prefix',
      { action: 's3:ListBucket', resource: 'arn:aws:s3:::mybucket' },
      'implicitDeny identity',
    ],
    [
      'a principal without the key: the statement does not hold',
      { resource: 'arn:aws:s3:::mybucket//a', context: { 'aws:username': [] } },
      'implicitDeny identity',
    ],
  ]),
  ...page(title, {}, [
    [
      'the own access keys',
      {
        ...at(`arn:aws:iam::${account}:user/\${aws:username}`, `arn:aws:iam::${account}:user/David`, name),
        action: 'iam:CreateAccessKey',
      },
      'allowed',
    ],
    [
      'queues with the user’s name, in one region',
      at('arn:aws:sqs:us-east-2:*:${aws:username}-queue', `arn:aws:sqs:us-east-2:${account}:David-queue`, name),
      'allowed',
    ],
    [
      'in another region',
      at('arn:aws:sqs:us-east-2:*:${aws:username}-queue', `arn:aws:sqs:us-east-1:${account}:David-queue`, name),
      'implicitDeny identity',
    ],
    [
      'a tag of the principal',
      at('arn:aws:s3:::bucket/${aws:PrincipalTag/department}', 'arn:aws:s3:::bucket/hr', {
        'aws:PrincipalTag/department': 'hr',
      }),
      'allowed',
    ],
    [
      'a tag of another value',
      at('arn:aws:s3:::bucket/${aws:PrincipalTag/department}', 'arn:aws:s3:::bucket/it', {
        'aws:PrincipalTag/department': 'hr',
      }),
      'implicitDeny identity',
    ],
    ['keys have no case', at('arn:aws:s3:::bucket/${AWS:USERNAME}', 'arn:aws:s3:::bucket/David', name), 'allowed'],
    [
      'two variables in one ARN',
      at('arn:aws:s3:::${aws:PrincipalTag/team}-bucket/${aws:username}/*', 'arn:aws:s3:::yellow-bucket/David/a', {
        ...name,
        ...team,
      }),
      'allowed',
    ],
    [
      'one of the two has no value',
      at('arn:aws:s3:::${aws:PrincipalTag/team}-bucket/${aws:username}/*', 'arn:aws:s3:::-bucket/David/a', name),
      'implicitDeny identity',
    ],
    [
      'the part of the account cannot be a variable',
      at('arn:aws:iam::${aws:PrincipalAccount}:user/David', `arn:aws:iam::${account}:user/David`, {
        'aws:PrincipalAccount': account,
      }),
      'implicitDeny identity',
    ],
    [
      'nor the region',
      at(`arn:aws:sqs:\${aws:RequestedRegion}:${account}:q`, `arn:aws:sqs:us-east-2:${account}:q`, {
        'aws:RequestedRegion': 'us-east-2',
      }),
      'implicitDeny identity',
    ],
    [
      'a value with an asterisk is text',
      at('arn:aws:s3:::bucket/${aws:username}/*', 'arn:aws:s3:::bucket/Adele/a', { 'aws:username': '*' }),
      'implicitDeny identity',
    ],
    [
      'a multivalued key is no variable',
      at('arn:aws:s3:::bucket/${aws:TagKeys}', 'arn:aws:s3:::bucket/a', { 'aws:TagKeys': ['a', 'b'] }),
      'implicitDeny identity',
    ],
    [
      'a default where there is no tag',
      at("arn:aws:s3:::${aws:PrincipalTag/team, 'company-wide'}/*", 'arn:aws:s3:::company-wide/a'),
      'allowed',
    ],
    [
      'the tag, where there is one',
      at("arn:aws:s3:::${aws:PrincipalTag/team, 'company-wide'}/*", 'arn:aws:s3:::yellow/a', team),
      'allowed',
    ],
    [
      'not the default then',
      at("arn:aws:s3:::${aws:PrincipalTag/team, 'company-wide'}/*", 'arn:aws:s3:::company-wide/a', team),
      'implicitDeny identity',
    ],
    ['${*} is an asterisk', at('arn:aws:s3:::bucket/${*}', 'arn:aws:s3:::bucket/*'), 'allowed'],
    ['and no wildcard', at('arn:aws:s3:::bucket/${*}', 'arn:aws:s3:::bucket/a'), 'implicitDeny identity'],
    ['${?} is a question mark', at('arn:aws:s3:::bucket/a${?}', 'arn:aws:s3:::bucket/a?'), 'allowed'],
    ['and no wildcard', at('arn:aws:s3:::bucket/a${?}', 'arn:aws:s3:::bucket/ab'), 'implicitDeny identity'],
    [
      '${$} is a dollar sign',
      at('arn:aws:s3:::bucket/${$}{aws:username}', 'arn:aws:s3:::bucket/${aws:username}', name),
      'allowed',
    ],
    [
      'a topic for endpoints of the user’s name',
      {
        principal: user('David', other),
        action: 'sns:Subscribe',
        resource: `arn:aws:sns:us-east-1:${account}:t`,
        context: { ...name, 'sns:Endpoint': 'https://example.com/David/', 'sns:Protocol': 'https' },
        policies: [identity(allow()), topic],
      },
      'allowed',
    ],
    [
      'for another’s endpoint',
      {
        principal: user('David', other),
        action: 'sns:Subscribe',
        resource: `arn:aws:sns:us-east-1:${account}:t`,
        context: { ...name, 'sns:Endpoint': 'https://example.com/Adele/', 'sns:Protocol': 'https' },
        policies: [identity(allow()), topic],
      },
      'implicitDeny resource',
    ],
    [
      'for another protocol',
      {
        principal: user('David', other),
        action: 'sns:Subscribe',
        resource: `arn:aws:sns:us-east-1:${account}:t`,
        context: { ...name, 'sns:Endpoint': 'https://example.com/David/', 'sns:Protocol': 'http' },
        policies: [identity(allow()), topic],
      },
      'implicitDeny resource',
    ],
  ]),
  ...page('IAM JSON policy elements: Version', { context: name }, [
    [
      '2012-10-17 has variables',
      { resource: 'arn:aws:s3:::b/David', policies: versioned('2012-10-17', 'arn:aws:s3:::b/${aws:username}') },
      'allowed',
    ],
    [
      '2008-10-17 takes them as text',
      { resource: 'arn:aws:s3:::b/David', policies: versioned('2008-10-17', 'arn:aws:s3:::b/${aws:username}') },
      'implicitDeny identity',
    ],
    [
      'and matches that text',
      {
        resource: 'arn:aws:s3:::b/${aws:username}',
        policies: versioned('2008-10-17', 'arn:aws:s3:::b/${aws:username}'),
      },
      'allowed',
    ],
    [
      'no Version is 2008-10-17',
      { resource: 'arn:aws:s3:::b/David', policies: versioned(undefined, 'arn:aws:s3:::b/${aws:username}') },
      'implicitDeny identity',
    ],
  ]),
  ...conditions(title, [
    ['in StringEquals', { StringEquals: { 's3:prefix': '${aws:username}' } }, { ...name, 's3:prefix': 'David' }, true],
    [
      'in StringNotLike',
      { StringNotLike: { 's3:prefix': '${aws:username}/*' } },
      { ...name, 's3:prefix': 'David/a' },
      false,
    ],
    [
      'in StringEqualsIgnoreCase',
      { StringEqualsIgnoreCase: { 's3:prefix': '${aws:username}' } },
      { ...name, 's3:prefix': 'dAVID' },
      true,
    ],
    [
      'in ArnLike',
      { ArnLike: { 'aws:SourceArn': 'arn:aws:sns:*:*:${aws:username}-*' } },
      { ...name, 'aws:SourceArn': `arn:aws:sns:us-east-1:${account}:David-x` },
      true,
    ],
    [
      'in ArnEquals, of another',
      { ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:*:*:${aws:username}-*' } },
      { ...name, 'aws:SourceArn': `arn:aws:sns:us-east-1:${account}:Adele-x` },
      false,
    ],
    [
      'not in numbers',
      { NumericEquals: { 's3:max-keys': '${aws:PrincipalTag/most}' } },
      { 'aws:PrincipalTag/most': '10', 's3:max-keys': '10' },
      false,
    ],
    [
      'not in dates',
      { DateEquals: { 'aws:CurrentTime': '${aws:TokenIssueTime}' } },
      { 'aws:CurrentTime': '2026-01-01T00:00:00Z', 'aws:TokenIssueTime': '2026-01-01T00:00:00Z' },
      false,
    ],
    [
      'not in IP addresses',
      { IpAddress: { 'aws:SourceIp': '${aws:PrincipalTag/ip}' } },
      { 'aws:SourceIp': '192.0.2.1', 'aws:PrincipalTag/ip': '192.0.2.1' },
      false,
    ],
    [
      'one of several values of a tag',
      { StringLike: { 'iam:ResourceTag/costCenter': ['12345', '67890'] } },
      { 'iam:ResourceTag/costCenter': '67890' },
      true,
    ],
    ['no tag', { StringLike: { 'iam:ResourceTag/costCenter': ['12345', '67890'] } }, {}, false],
    ['${*} in StringLike', { StringLike: { 's3:prefix': 'a${*}' } }, { 's3:prefix': 'ab' }, false],
    [
      'a default in a condition',
      { StringEquals: { 'aws:ResourceTag/owner': "${aws:userid, 'anonymous'}" } },
      { 'aws:ResourceTag/owner': 'anonymous' },
      true,
    ],
  ]),
]
