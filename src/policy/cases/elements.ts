import type { Statement } from '../policy.ts'
import { account, allow, deny, identity, page, roleSession, sessionPolicy } from './case.ts'

const withAction = (...Action: string[]) => ({ policies: [identity(allow(Action))] })
const action = page('IAM JSON policy elements: Action', { resource: '*' }, [
  ['an action by its name', { action: 'sqs:SendMessage', ...withAction('sqs:SendMessage') }, 'allowed'],
  ['names have no case', { action: 'iam:ListAccessKeys', ...withAction('IAM:listaccesskeys') }, 'allowed'],
  ['a list of actions', { action: 'sns:Publish', ...withAction('sqs:SendMessage', 'sns:Publish') }, 'allowed'],
  ['all of a service', { action: 's3:DeleteBucket', ...withAction('s3:*') }, 'allowed'],
  [
    'all of a service is not another',
    { action: 's3express:CreateSession', ...withAction('s3:*') },
    'implicitDeny identity',
  ],
  ['what contains a word', { action: 'iam:UpdateAccessKey', ...withAction('iam:*AccessKey*') }, 'allowed'],
  ['the word at the end', { action: 'iam:CreateAccessKey', ...withAction('iam:*AccessKey*') }, 'allowed'],
  ['the word is missing', { action: 'iam:CreateUser', ...withAction('iam:*AccessKey*') }, 'implicitDeny identity'],
  ['one character', { action: 'ec2:StopInstances', ...withAction('ec2:?topInstances') }, 'allowed'],
  [
    'one character is not none',
    { action: 'ec2:StopInstances', ...withAction('ec2:StopInstances?') },
    'implicitDeny identity',
  ],
  ['everything', { action: 'iam:DeleteRole', ...withAction('*') }, 'allowed'],
  ['a beginning', { action: 'cloudwatch:DescribeAlarms', ...withAction('cloudwatch:Describe*') }, 'allowed'],
  ['a name is no beginning', { action: 'iam:ListUsersX', ...withAction('iam:ListUsers') }, 'implicitDeny identity'],
])

const notAllow = (NotAction: string | string[], Resource: string) => [
  identity({ Effect: 'Allow', NotAction, Resource }),
]
const mfaOutsideIam: Statement = {
  Effect: 'Deny',
  NotAction: 'iam:*',
  Resource: '*',
  Condition: { BoolIfExists: { 'aws:MultiFactorAuthPresent': 'false' } },
}
const notAction = page('IAM JSON policy elements: NotAction', {}, [
  [
    'allowed: any other action on the resources',
    { action: 's3:GetObject', policies: notAllow('s3:DeleteBucket', 'arn:aws:s3:::*') },
    'allowed',
  ],
  [
    'not allowed: the action itself',
    { action: 's3:DeleteBucket', resource: 'arn:aws:s3:::b', policies: notAllow('s3:DeleteBucket', 'arn:aws:s3:::*') },
    'implicitDeny identity',
  ],
  [
    'not allowed: what needs the resource "*"',
    { action: 's3:ListAllMyBuckets', resource: '*', policies: notAllow('s3:DeleteBucket', 'arn:aws:s3:::*') },
    'implicitDeny identity',
  ],
  [
    'not allowed: resources of other services',
    {
      action: 'sqs:SendMessage',
      resource: `arn:aws:sqs:us-east-1:${account}:q`,
      policies: notAllow('s3:DeleteBucket', 'arn:aws:s3:::*'),
    },
    'implicitDeny identity',
  ],
  [
    'everything but IAM: another service',
    { action: 'ec2:RunInstances', resource: '*', policies: notAllow('iam:*', '*') },
    'allowed',
  ],
  [
    'everything but IAM: IAM',
    { action: 'iam:ListUsers', resource: '*', policies: notAllow('iam:*', '*') },
    'implicitDeny identity',
  ],
  [
    'NotAction with Allow denies nothing',
    { action: 'iam:ListUsers', resource: '*', policies: [...notAllow('iam:*', '*'), identity(allow('iam:List*'))] },
    'allowed',
  ],
  [
    'denied without MFA: other than IAM',
    {
      action: 'ec2:RunInstances',
      policies: [identity(allow(), mfaOutsideIam)],
      context: { 'aws:MultiFactorAuthPresent': 'false' },
    },
    'explicitDeny identity',
  ],
  [
    'denied with long-term keys too',
    { action: 'ec2:RunInstances', policies: [identity(allow(), mfaOutsideIam)] },
    'explicitDeny identity',
  ],
  [
    'not denied: IAM',
    { action: 'iam:CreateVirtualMFADevice', policies: [identity(allow(), mfaOutsideIam)] },
    'allowed',
  ],
  [
    'not denied with MFA',
    {
      action: 'ec2:RunInstances',
      policies: [identity(allow(), mfaOutsideIam)],
      context: { 'aws:MultiFactorAuthPresent': 'true' },
    },
    'allowed',
  ],
  [
    'an exemption from a deny allows nothing',
    { action: 'iam:ListUsers', policies: [identity(mfaOutsideIam)] },
    'implicitDeny identity',
  ],
])

const payroll = [
  identity(allow(), {
    Effect: 'Deny',
    Action: 's3:*',
    NotResource: ['arn:aws:s3:::HRBucket/Payroll', 'arn:aws:s3:::HRBucket/Payroll/*'],
  }),
]
const notResource = page('IAM JSON policy elements: NotResource', { policies: payroll }, [
  ['denied: another folder', { resource: 'arn:aws:s3:::HRBucket/Reviews/a' }, 'explicitDeny identity'],
  ['denied: another bucket', { resource: 'arn:aws:s3:::Sales/a' }, 'explicitDeny identity'],
  [
    'denied: the bucket itself',
    { action: 's3:ListBucket', resource: 'arn:aws:s3:::HRBucket' },
    'explicitDeny identity',
  ],
  ['not denied: the folder', { resource: 'arn:aws:s3:::HRBucket/Payroll/2026/may' }, 'allowed'],
  [
    'denied: a folder whose name begins alike',
    { resource: 'arn:aws:s3:::HRBucket/Payroll2/may' },
    'explicitDeny identity',
  ],
  ['not denied: other services', { action: 'ec2:RunInstances', resource: '*' }, 'allowed'],
  [
    'the exemption grants nothing',
    {
      resource: 'arn:aws:s3:::HRBucket/Payroll/x',
      policies: [identity({ Effect: 'Deny', Action: 's3:*', NotResource: 'arn:aws:s3:::HRBucket/Payroll/*' })],
    },
    'implicitDeny identity',
  ],
  [
    'with Allow: every resource but those',
    {
      resource: 'arn:aws:s3:::Sales/a',
      policies: [identity({ Effect: 'Allow', Action: 's3:*', NotResource: 'arn:aws:s3:::HRBucket/*' })],
    },
    'allowed',
  ],
  [
    'with Allow: those not',
    {
      resource: 'arn:aws:s3:::HRBucket/a',
      policies: [identity({ Effect: 'Allow', Action: 's3:*', NotResource: 'arn:aws:s3:::HRBucket/*' })],
    },
    'implicitDeny identity',
  ],
])

const on = (Resource: string | string[], resource: string, more = {}) => ({
  resource,
  policies: [identity(allow('*', Resource))],
  ...more,
})
const sqs = (name: string, region = 'us-east-2') => `arn:aws:sqs:${region}:${account}:${name}`
const iamUser = (name: string) => `arn:aws:iam::${account}:user/${name}`
const folders = 'arn:aws:s3:::bucket/*/test/*'
const resource = page('IAM JSON policy elements: Resource', {}, [
  ['a queue by its ARN', on(sqs('queue1'), sqs('queue1')), 'allowed'],
  ['another queue', on(sqs('queue1'), sqs('queue10')), 'implicitDeny identity'],
  ['names have case', on(iamUser('Bob'), iamUser('bob')), 'implicitDeny identity'],
  ['a path', on(iamUser('accounting/*'), iamUser('accounting/ana')), 'allowed'],
  ['a path within the path', on(iamUser('accounting/*'), iamUser('accounting/eu/ana')), 'allowed'],
  ['not the path itself', on(iamUser('accounting/*'), iamUser('accounting')), 'implicitDeny identity'],
  ['all objects, with slashes', on('arn:aws:s3:::corp/*', 'arn:aws:s3:::corp/a/b/c'), 'allowed'],
  [
    'all objects are not the bucket',
    on('arn:aws:s3:::corp/*', 'arn:aws:s3:::corp', { action: 's3:ListBucket' }),
    'implicitDeny identity',
  ],
  [
    'two tables: the second',
    on(
      [`arn:aws:dynamodb:us-east-2:${account}:table/books`, `arn:aws:dynamodb:us-east-2:${account}:table/magazines`],
      `arn:aws:dynamodb:us-east-2:${account}:table/magazines`,
    ),
    'allowed',
  ],
  ['wildcards around: one folder deep', on(folders, 'arn:aws:s3:::bucket/1/test/object.jpg'), 'allowed'],
  ['wildcards around: several deep', on(folders, 'arn:aws:s3:::bucket/1/2/test/3/object.jpg'), 'allowed'],
  ['wildcards around: nothing before', on(folders, 'arn:aws:s3:::bucket/test/object.jpg'), 'implicitDeny identity'],
  ['wildcards around: an empty folder before', on(folders, 'arn:aws:s3:::bucket//test/object.jpg'), 'allowed'],
  ['wildcards around: nothing after', on(folders, 'arn:aws:s3:::bucket/1/test'), 'implicitDeny identity'],
  [
    'wildcards around: a folder that only ends alike',
    on(folders, 'arn:aws:s3:::bucket/1-test/object.jpg'),
    'implicitDeny identity',
  ],
  ['one character each', on('arn:aws:s3:::bucket/??/a', 'arn:aws:s3:::bucket/eu/a'), 'allowed'],
  [
    'one character each, three given',
    on('arn:aws:s3:::bucket/??/a', 'arn:aws:s3:::bucket/eus/a'),
    'implicitDeny identity',
  ],
  ['any region', on(`arn:aws:sqs:*:${account}:queue1`, sqs('queue1', 'eu-west-1')), 'allowed'],
  ['part of a region', on(`arn:aws:sqs:us-*-2:${account}:queue1`, sqs('queue1')), 'allowed'],
  ['part of another region', on(`arn:aws:sqs:eu-*-2:${account}:queue1`, sqs('queue1')), 'implicitDeny identity'],
  ['any account', on('arn:aws:sqs:us-east-2:*:queue1', sqs('queue1')), 'allowed'],
  [
    'an asterisk within a segment stays in it',
    on(`arn:aws:sqs:us*2:${account}:queue1`, `arn:aws:sqs:us-east-1:2:${account}:queue1`),
    'implicitDeny identity',
  ],
  [
    'one at the end of a segment reaches over colons',
    on('arn:aws:states:us-east-2:*:prod', `arn:aws:states:us-east-2:${account}:stateMachine:prod`),
    'allowed',
  ],
  ['and takes the place of segments', on('arn:aws:sqs:us-east-2:*', sqs('queue1')), 'allowed'],
  ['of the same beginning only', on('arn:aws:sqs:us-east-2:*', sqs('queue1', 'us-east-1')), 'implicitDeny identity'],
  ['an incomplete ARN without one', on('arn:aws:sqs:us-east-2', sqs('queue1')), 'implicitDeny identity'],
  [
    'after the fifth colon colons are characters',
    on(`arn:aws:logs:us-east-2:${account}:log-group:*`, `arn:aws:logs:us-east-2:${account}:log-group:app:log-stream:1`),
    'allowed',
  ],
  [
    'a colon less is another resource',
    on(`arn:aws:logs:us-east-2:${account}:log-group:app`, `arn:aws:logs:us-east-2:${account}:log-group:app:*`),
    'implicitDeny identity',
  ],
  ['an action without resource-level permissions', on('*', '*', { action: 'ec2:DescribeInstances' }), 'allowed'],
  [
    'such an action on some ARN only',
    on(`arn:aws:ec2:us-east-2:${account}:*`, '*', { action: 'ec2:DescribeInstances' }),
    'implicitDeny identity',
  ],
  [
    'a variable names the resource',
    {
      ...on(
        `arn:aws:dynamodb:us-east-2:${account}:table/\${aws:username}`,
        `arn:aws:dynamodb:us-east-2:${account}:table/alice`,
      ),
      context: { 'aws:username': 'alice' },
    },
    'allowed',
  ],
])

const effect = page('IAM JSON policy elements: Effect', {}, [
  ['the default is denial', { policies: [identity()] }, 'implicitDeny identity'],
  ['Deny overrides an Allow otherwise in force', { policies: [identity(deny(), allow())] }, 'explicitDeny identity'],
])

const statement = page('IAM JSON policy elements: Statement', {}, [
  [
    'a single statement need not be in an array',
    { policies: [{ kind: 'identity', id: 'p', document: { Version: '2012-10-17', Statement: allow('s3:Get*') } }] },
    'allowed',
  ],
  [
    'of several, one that allows suffices',
    { policies: [identity(allow('ec2:*'), allow('s3:*', 'arn:aws:s3:::other'), allow('s3:*'))] },
    'allowed',
  ],
  [
    'none of several allows',
    { principal: roleSession('R', 's'), policies: [identity(allow()), sessionPolicy(allow('ec2:*'), allow('sqs:*'))] },
    'implicitDeny session',
  ],
])

export const elements = [...action, ...notAction, ...notResource, ...resource, ...effect, ...statement]
