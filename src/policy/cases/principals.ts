import type { Statement } from '../policy.ts'
import {
  account,
  allow,
  anonymous,
  deny,
  federatedUser,
  identity,
  other,
  page,
  resourcePolicy,
  roleSession,
  root,
  rootArn,
  service,
  third,
  to,
  user,
} from './case.ts'

const principalPage = 'AWS JSON policy elements: Principal'
const named = (AWS: string | string[]) => [resourcePolicy(to({ AWS }))]
const session = roleSession('ReadOnly', 'mary')

const principal = page(principalPage, {}, [
  ['one of several accounts', { policies: [identity(allow()), ...named([third, account])] }, 'allowed'],
  [
    'an array is a choice, not all of it',
    {
      principal: user('a', other),
      policies: [identity(allow()), ...named([user('a', other).arn, user('b', other).arn])],
    },
    'allowed',
  ],
  [
    'account id and account ARN mean the same',
    { principal: user('a', other), policies: [identity(allow()), ...named(rootArn(other))] },
    'allowed',
  ],
  [
    'the account ARN is not its root user only',
    { principal: roleSession('R', 's', other), policies: [identity(allow()), ...named(rootArn(other))] },
    'allowed',
  ],
  ['the account ARN includes its root user', { principal: root(other), policies: named(rootArn(other)) }, 'allowed'],
  [
    'an account with a digit more',
    { principal: user('a', other), policies: [identity(allow()), ...named(`${other}0`)] },
    'implicitDeny resource',
  ],
  ['user names have case', { principal: user('Bob'), policies: named(user('bob').arn) }, 'implicitDeny identity'],
  [
    'a path belongs to the user’s ARN',
    {
      principal: { kind: 'user', account, arn: `arn:aws:iam::${account}:user/div/bob` },
      policies: named(user('bob').arn),
    },
    'implicitDeny identity',
  ],
  [
    'a wildcard matches no part of an ARN',
    { principal: user('bob'), policies: named(`arn:aws:iam::${account}:user/*`) },
    'implicitDeny identity',
  ],
  [
    'a wildcard does not mean all sessions',
    { principal: session, policies: named(`arn:aws:sts::${account}:assumed-role/ReadOnly/*`) },
    'implicitDeny identity',
  ],
  [
    'a wildcard in the account',
    { principal: user('bob'), policies: named('arn:aws:iam::*:user/bob') },
    'implicitDeny identity',
  ],
  ['a role for its session', { principal: session, policies: named(session.roleArn!) }, 'allowed'],
  ['another role', { principal: session, policies: named(`${session.roleArn}2`) }, 'implicitDeny identity'],
  ['a session for the same session', { principal: session, policies: named(session.arn) }, 'allowed'],
  [
    'a session is not all of its role',
    { principal: roleSession('ReadOnly', 'jane'), policies: named(session.arn) },
    'implicitDeny identity',
  ],
  [
    'a group is no principal',
    { principal: user('bob'), policies: named(`arn:aws:iam::${account}:group/dev`) },
    'implicitDeny identity',
  ],
  [
    'a federated user',
    { principal: federatedUser('f', 'bob'), policies: named(federatedUser('f', 'bob').arn) },
    'allowed',
  ],
  [
    'a user of the federated user’s name',
    { principal: federatedUser('f', 'bob'), policies: named(user('f').arn) },
    'implicitDeny identity',
  ],
  [
    'a service',
    {
      principal: service('ecs.amazonaws.com'),
      policies: [resourcePolicy(to({ Service: ['ecs.amazonaws.com', 'elasticloadbalancing.amazonaws.com'] }))],
    },
    'allowed',
  ],
  [
    'another service',
    { principal: service('ec2.amazonaws.com'), policies: [resourcePolicy(to({ Service: 'ecs.amazonaws.com' }))] },
    'implicitDeny resource',
  ],
  [
    'a service’s name among AWS principals',
    { principal: service('ecs.amazonaws.com'), policies: named('ecs.amazonaws.com') },
    'implicitDeny resource',
  ],
  [
    'a user’s ARN among services',
    { principal: user('bob'), policies: [resourcePolicy(to({ Service: user('bob').arn }))] },
    'implicitDeny identity',
  ],
  ['everyone, for a user of the account: nothing else is needed', { policies: [resourcePolicy(to('*'))] }, 'allowed'],
  ['everyone, for a role of the account', { principal: session, policies: [resourcePolicy(to('*'))] }, 'allowed'],
  [
    'everyone, for another account: its own policy is needed',
    { principal: user('a', other), policies: [resourcePolicy(to('*'))] },
    'implicitDeny identity',
  ],
  ['everyone, anonymously', { principal: anonymous, policies: [resourcePolicy(to('*'))] }, 'allowed'],
  [
    '{"AWS": "*"} is the same, anonymously',
    { principal: anonymous, policies: [resourcePolicy(to({ AWS: '*' }))] },
    'allowed',
  ],
  [
    'everyone among others',
    { principal: anonymous, policies: [resourcePolicy(to({ AWS: [user('bob').arn, '*'] }))] },
    'allowed',
  ],
  [
    'everyone with a condition that does not hold',
    {
      principal: anonymous,
      policies: [resourcePolicy(to('*', allow('s3:*', '*', { StringEquals: { 'aws:PrincipalOrgID': 'o-1' } })))],
    },
    'implicitDeny resource',
  ],
  [
    'a deny for a service is none for users',
    { policies: [identity(allow()), resourcePolicy(to({ Service: 'ecs.amazonaws.com' }, deny()))] },
    'allowed',
  ],
  [
    'a deny for an account is one for its users',
    { policies: [identity(allow()), resourcePolicy(to({ AWS: account }, deny()))] },
    'explicitDeny resource',
  ],
  [
    'a deny for an account is one for its sessions',
    { principal: session, policies: [identity(allow()), resourcePolicy(to({ AWS: account }, deny()))] },
    'explicitDeny resource',
  ],
  [
    'a deny for a role is one for its sessions',
    { principal: session, policies: [identity(allow()), resourcePolicy(to({ AWS: session.roleArn! }, deny()))] },
    'explicitDeny resource',
  ],
  [
    'a deny for another account is none',
    { policies: [identity(allow()), resourcePolicy(to({ AWS: other }, deny()))] },
    'allowed',
  ],
  [
    'all but one by ArnNotEquals, for the one',
    {
      principal: user('keeper', other),
      context: { 'aws:PrincipalArn': user('keeper', other).arn },
      policies: [
        identity(allow()),
        resourcePolicy(
          to({ AWS: other }),
          to('*', deny('s3:*', '*', { ArnNotEquals: { 'aws:PrincipalArn': user('keeper', other).arn } })),
        ),
      ],
    },
    'allowed',
  ],
  [
    'all but one by ArnNotEquals, for another',
    {
      principal: user('thief', other),
      context: { 'aws:PrincipalArn': user('thief', other).arn },
      policies: [
        identity(allow()),
        resourcePolicy(
          to({ AWS: other }),
          to('*', deny('s3:*', '*', { ArnNotEquals: { 'aws:PrincipalArn': user('keeper', other).arn } })),
        ),
      ],
    },
    'explicitDeny resource',
  ],
  [
    'all but one by ArnNotEquals, anonymously',
    {
      principal: anonymous,
      policies: [
        resourcePolicy(
          to('*'),
          to('*', deny('s3:*', '*', { ArnNotEquals: { 'aws:PrincipalArn': user('keeper', other).arn } })),
        ),
      ],
    },
    'explicitDeny resource',
  ],
])

const exempting = (...AWS: string[]): Statement => ({
  Effect: 'Deny',
  NotPrincipal: { AWS },
  Action: 's3:*',
  Resource: '*',
})
const except = (...AWS: string[]) => [identity(allow()), resourcePolicy(to('*'), exempting(...AWS))]
const bob = user('Bob', other)
const audit = roleSession('cross-account-read-only-role', 'cross-account-audit-app', other)
const notPrincipal = page('AWS JSON policy elements: NotPrincipal', { principal: bob, resourceAccount: account }, [
  ['user and account named: he is exempt', { policies: except(bob.arn, rootArn(other)) }, 'allowed'],
  [
    'only the user named: his account is denied, and he with it',
    { policies: except(bob.arn) },
    'explicitDeny resource',
  ],
  [
    'another user of the account',
    { principal: user('Eve', other), policies: except(bob.arn, rootArn(other)) },
    'explicitDeny resource',
  ],
  [
    'root of the account that is named',
    { principal: root(other), policies: except(bob.arn, rootArn(other)) },
    'allowed',
  ],
  [
    'a third account',
    { principal: user('Bob', third), policies: except(bob.arn, rootArn(other)) },
    'explicitDeny resource',
  ],
  [
    'an exemption grants nothing',
    { policies: [identity(allow()), resourcePolicy(exempting(bob.arn, rootArn(other)))] },
    'implicitDeny resource',
  ],
  [
    'session, role and account named',
    { principal: audit, policies: except(audit.arn, audit.roleArn!, rootArn(other)) },
    'allowed',
  ],
  ['the role is missing', { principal: audit, policies: except(audit.arn, rootArn(other)) }, 'explicitDeny resource'],
  [
    'the account is missing',
    { principal: audit, policies: except(audit.arn, audit.roleArn!) },
    'explicitDeny resource',
  ],
  [
    'another session of the role',
    {
      principal: roleSession('cross-account-read-only-role', 'x', other),
      policies: except(audit.arn, audit.roleArn!, rootArn(other)),
    },
    'explicitDeny resource',
  ],
  [
    'no wildcard for sessions',
    {
      principal: audit,
      policies: except(
        `arn:aws:sts::${other}:assumed-role/cross-account-read-only-role/*`,
        audit.roleArn!,
        rootArn(other),
      ),
    },
    'explicitDeny resource',
  ],
  ['anonymous', { principal: anonymous, policies: except(bob.arn, rootArn(other)) }, 'explicitDeny resource'],
  [
    'a service that is not named',
    { principal: service('sns.amazonaws.com'), policies: except(bob.arn, rootArn(other)) },
    'explicitDeny resource',
  ],
  [
    'a service that is',
    {
      principal: service('sns.amazonaws.com'),
      policies: [
        resourcePolicy(to('*'), {
          Effect: 'Deny',
          NotPrincipal: { Service: 'sns.amazonaws.com' },
          Action: 's3:*',
          Resource: '*',
        }),
      ],
    },
    'allowed',
  ],
  ['actions beside those denied', { action: 'sqs:SendMessage', policies: except() }, 'allowed'],
])

const trustPage = 'Create a role to delegate permissions to an AWS service'
const trusting = (host: string) => [
  resourcePolicy({ Effect: 'Allow', Principal: { Service: host }, Action: 'sts:AssumeRole' }),
]
const trust = page(
  trustPage,
  { action: 'sts:AssumeRole', resource: `arn:aws:iam::${account}:role/service-role/app`, needsResourcePolicy: true },
  [
    [
      'the service that is trusted',
      { principal: service('codebuild.amazonaws.com'), policies: trusting('codebuild.amazonaws.com') },
      'allowed',
    ],
    [
      'another service',
      { principal: service('codepipeline.amazonaws.com'), policies: trusting('codebuild.amazonaws.com') },
      'implicitDeny resource',
    ],
    [
      'a user, where a service is trusted',
      { principal: user('alice'), policies: [identity(allow()), ...trusting('codebuild.amazonaws.com')] },
      'implicitDeny resource',
    ],
    [
      'another action of STS',
      {
        principal: service('codebuild.amazonaws.com'),
        action: 'sts:TagSession',
        policies: trusting('codebuild.amazonaws.com'),
      },
      'implicitDeny resource',
    ],
    [
      'a trust policy speaks of its role without a Resource',
      {
        principal: service('codebuild.amazonaws.com'),
        resource: `arn:aws:iam::${account}:role/another`,
        policies: trusting('codebuild.amazonaws.com'),
      },
      'allowed',
    ],
  ],
)

export const principals = [...principal, ...notPrincipal, ...trust]
