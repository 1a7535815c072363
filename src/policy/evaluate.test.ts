import { describe, expect, test } from 'vitest'
import { denialMessage, evaluate } from './evaluate.ts'
import type {
  AccessRequest,
  AppliedPolicy,
  ConditionBlock,
  Decision,
  PolicyDocument,
  PolicyKind,
  PolicyPrincipal,
  PrincipalElement,
  Statement,
} from './policy.ts'

const account = '111122223333'
const other = '444455556666'
const alice: PolicyPrincipal = { kind: 'user', account, arn: `arn:aws:iam::${account}:user/alice` }
const role = `arn:aws:iam::${account}:role/deploy`
const session: PolicyPrincipal = {
  kind: 'role',
  account,
  arn: `arn:aws:sts::${account}:assumed-role/deploy/build-7`,
  roleArn: role,
}
const federated: PolicyPrincipal = { kind: 'federated', account, arn: `arn:aws:sts::${account}:federated-user/bob` }
const root: PolicyPrincipal = { kind: 'root', account, arn: `arn:aws:iam::${account}:root` }
const codebuild: PolicyPrincipal = { kind: 'service', account: '', arn: 'codebuild.amazonaws.com' }
const anonymous: PolicyPrincipal = { kind: 'anonymous', account: '', arn: 'anonymous' }

const document = (...statements: Statement[]): PolicyDocument => ({ Version: '2012-10-17', Statement: statements })
const policy = (kind: PolicyKind, ...statements: Statement[]): AppliedPolicy => ({
  kind,
  id: kind,
  document: document(...statements),
})
const allow = (Action: string | string[] = '*', Resource: string | string[] = '*'): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
})
const deny = (Action: string | string[] = '*', Resource: string | string[] = '*'): Statement => ({
  Effect: 'Deny',
  Action,
  Resource,
})
const to = (Principal: PrincipalElement, statement: Statement = allow()): Statement => ({ ...statement, Principal })

const request = (over: Partial<AccessRequest> = {}): AccessRequest => ({
  principal: alice,
  action: 's3:GetObject',
  resource: 'arn:aws:s3:::reports/2026/may.csv',
  context: {},
  policies: [],
  ...over,
})

const say = ({ decision, decidedBy }: Decision) => (decidedBy ? `${decision} ${decidedBy}` : decision)

describe('actions and resources (IAM JSON policy elements: Action, NotAction, Resource, NotResource)', () => {
  const arn = 'arn:aws:s3:::reports/2026/may.csv'
  test.each<[Partial<Statement>, boolean]>([
    [{ Action: 's3:GetObject', Resource: arn }, true],
    [{ Action: 'S3:getobject', Resource: arn }, true],
    [{ Action: 's3:PutObject', Resource: arn }, false],
    [{ Action: 's3:*', Resource: arn }, true],
    [{ Action: 's3:Get*', Resource: arn }, true],
    [{ Action: 's3:*Object', Resource: arn }, true],
    [{ Action: 's3:*Objec', Resource: arn }, false],
    [{ Action: 's3:GetObjec?', Resource: arn }, true],
    [{ Action: 's3:GetObject?', Resource: arn }, false],
    [{ Action: 's?:GetObject', Resource: arn }, true],
    [{ Action: '*:GetObject', Resource: arn }, true],
    [{ Action: '*', Resource: arn }, true],
    [{ Action: ['ec2:*', 's3:G*t*'], Resource: arn }, true],
    [{ Action: 'sqs:*', Resource: arn }, false],
    [{ NotAction: 's3:PutObject', Resource: arn }, true],
    [{ NotAction: 's3:*', Resource: arn }, false],
    [{ NotAction: ['iam:*', 's3:Get*'], Resource: arn }, false],
    [{ Action: 's3:GetObject', Resource: '*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::reports/*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::reports' }, false],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::Reports/*' }, false],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::reports/*/may.csv' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::reports/????/may.*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:::reports/???/may.*' }, false],
    [{ Action: 's3:GetObject', Resource: 'arn:*:s3:::reports/*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:*:*:*:reports/*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3:*' }, true],
    [{ Action: 's3:GetObject', Resource: 'arn:aws:s3*reports/2026/may.csv' }, false],
    [{ Action: 's3:GetObject', Resource: ['arn:aws:s3:::other/*', 'arn:aws:s3:::r*'] }, true],
    [{ Action: 's3:GetObject', NotResource: 'arn:aws:s3:::other/*' }, true],
    [{ Action: 's3:GetObject', NotResource: 'arn:aws:s3:::reports/*' }, false],
    [{ Action: 's3:GetObject', NotResource: ['arn:aws:s3:::other/*', 'arn:aws:s3:::*.csv'] }, false],
  ])('%j: %s', (statement, allowed) => {
    const decision = evaluate(request({ policies: [policy('identity', { Effect: 'Allow', ...statement })] }))
    expect(decision.decision).toBe(allowed ? 'allowed' : 'implicitDeny')
  })

  test('an action without a resource needs Resource *', () => {
    const listing = (resource: string) =>
      evaluate(
        request({
          action: 's3:ListAllMyBuckets',
          resource: '*',
          policies: [policy('identity', allow('s3:*', resource))],
        }),
      ).decision
    expect(listing('*')).toBe('allowed')
    expect(listing('arn:aws:s3:::*')).toBe('implicitDeny')
  })
})

describe('policy variables (IAM policy elements: Variables and tags)', () => {
  const home = (resource: string, context: AccessRequest['context'], at: string, version = '2012-10-17') =>
    evaluate(
      request({
        resource: at,
        context,
        policies: [
          {
            kind: 'identity',
            id: 'p',
            document: { Version: version, Statement: allow('s3:*', resource) },
          },
        ],
      }),
    ).decision === 'allowed'
  test.each<[string, AccessRequest['context'], string, boolean]>([
    ['arn:aws:s3:::home/${aws:username}/*', { 'aws:username': ['alice'] }, 'arn:aws:s3:::home/alice/a', true],
    ['arn:aws:s3:::home/${aws:username}/*', { 'aws:username': ['alice'] }, 'arn:aws:s3:::home/bob/a', false],
    ['arn:aws:s3:::home/${AWS:UserName}/*', { 'aws:username': ['alice'] }, 'arn:aws:s3:::home/alice/a', true],
    ['arn:aws:s3:::home/${aws:username}/*', {}, 'arn:aws:s3:::home//a', false],
    ['arn:aws:s3:::home/${aws:username}/*', { 'aws:username': ['*'] }, 'arn:aws:s3:::home/bob/a', false],
    ['arn:aws:s3:::home/${aws:username}/*', { 'aws:username': ['*'] }, 'arn:aws:s3:::home/*/a', true],
    ['arn:aws:s3:::home/${aws:username}/*', { 'aws:username': ['a', 'b'] }, 'arn:aws:s3:::home/a/a', false],
    ["arn:aws:s3:::home/${aws:PrincipalTag/team, 'company-wide'}/*", {}, 'arn:aws:s3:::home/company-wide/a', true],
    [
      "arn:aws:s3:::home/${aws:PrincipalTag/team, 'company-wide'}/*",
      { 'aws:principaltag/team': ['red'] },
      'arn:aws:s3:::home/red/a',
      true,
    ],
    ['arn:aws:s3:::home/${*}', {}, 'arn:aws:s3:::home/*', true],
    ['arn:aws:s3:::home/${*}', {}, 'arn:aws:s3:::home/bob', false],
    ['arn:aws:s3:::home/${?}', {}, 'arn:aws:s3:::home/?', true],
    ['arn:aws:s3:::home/${?}', {}, 'arn:aws:s3:::home/x', false],
    ['arn:aws:s3:::home/${$}{aws:username}', {}, 'arn:aws:s3:::home/${aws:username}', true],
    ['arn:aws:s3:::home/${constructor}', {}, 'arn:aws:s3:::home/x', false],
  ])('%s with %j on %s: %s', (resource, context, at, allowed) => {
    expect(home(resource, context, at)).toBe(allowed)
  })

  test('a document of Version 2008-10-17 has no variables', () => {
    const context = { 'aws:username': ['alice'] }
    const resource = 'arn:aws:s3:::home/${aws:username}'
    expect(home(resource, context, 'arn:aws:s3:::home/alice', '2008-10-17')).toBe(false)
    expect(home(resource, context, resource, '2008-10-17')).toBe(true)
  })

  test('an exception whose variable has no value excepts nothing from a Deny and everything from an Allow', () => {
    const except = (effect: 'Allow' | 'Deny'): Statement => ({
      Effect: effect,
      Action: '*',
      NotResource: 'arn:aws:s3:::home/${aws:username}/*',
    })
    expect(say(evaluate(request({ policies: [policy('identity', allow(), except('Deny'))] })))).toBe(
      'explicitDeny identity',
    )
    expect(say(evaluate(request({ policies: [policy('identity', except('Allow'))] })))).toBe('implicitDeny identity')
  })
})

const one = (operator: string, key: string, value: string | string[] | boolean | number): ConditionBlock => ({
  [operator]: { [key]: value },
})

describe('condition operators (IAM JSON policy elements: Condition operators)', () => {
  const context = {
    'aws:username': ['alice'],
    's3:prefix': ['home/alice/'],
    's3:max-keys': ['10'],
    'aws:currenttime': ['2026-05-04T10:00:00Z'],
    'aws:epochtime': ['1777888800'],
    'aws:securetransport': ['true'],
    'aws:sourceip': ['203.0.113.9'],
    'aws:vpcsourceip': ['2001:db8:1234::9'],
    'aws:sourcearn': ['arn:aws:sns:us-east-1:111122223333:topic-a'],
    'k:data': ['QmluYXJ5'],
    'aws:tagkeys': ['env', 'team'],
    'k:star': ['a*c'],
    'k:text': ['not a number'],
  }
  test.each<[string, string, string | string[] | boolean | number, boolean]>([
    ['StringEquals', 'aws:username', 'alice', true],
    ['StringEquals', 'aws:UserName', 'alice', true],
    ['StringEquals', 'aws:username', 'Alice', false],
    ['StringEquals', 'aws:username', ['bob', 'alice'], true],
    ['StringEquals', 'aws:username', 'al*', false],
    ['StringEquals', 'k:star', 'a*c', true],
    ['StringEquals', 'aws:userid', 'x', false],
    ['StringEquals', 'constructor', 'x', false],
    ['StringEquals', 's3:prefix', 'home/${aws:username}/', true],
    ['StringEquals', 's3:prefix', 'home/${aws:nobody}/', false],
    ['StringEqualsIfExists', 'aws:userid', 'x', true],
    ['StringEqualsIfExists', 'aws:username', 'bob', false],
    ['StringNotEquals', 'aws:username', 'bob', true],
    ['StringNotEquals', 'aws:username', ['bob', 'alice'], false],
    ['StringNotEquals', 'aws:userid', 'x', true],
    ['StringNotEqualsIfExists', 'aws:username', 'alice', false],
    ['StringEqualsIgnoreCase', 'aws:username', 'ALICE', true],
    ['StringEqualsIgnoreCase', 's3:prefix', 'HOME/${aws:username}/', true],
    ['StringNotEqualsIgnoreCase', 'aws:username', 'ALICE', false],
    ['StringLike', 'aws:username', 'a*e', true],
    ['StringLike', 'aws:username', 'a?ice', true],
    ['StringLike', 'aws:username', 'A*', false],
    ['StringLike', 'k:star', 'a${*}c', true],
    ['StringLike', 'aws:username', 'al${*}', false],
    ['StringLike', 's3:prefix', ['', 'home/', 'home/${aws:username}/*'], true],
    ['StringNotLike', 'aws:username', 'a*', false],
    ['StringNotLike', 'aws:username', 'b*', true],
    ['NumericEquals', 's3:max-keys', '10', true],
    ['NumericEquals', 's3:max-keys', 10, true],
    ['NumericEquals', 's3:max-keys', '10.0', true],
    ['NumericEquals', 'k:text', '10', false],
    ['NumericNotEquals', 's3:max-keys', '11', true],
    ['NumericNotEquals', 's3:max-keys', ['10', '11'], false],
    ['NumericLessThan', 's3:max-keys', '10', false],
    ['NumericLessThanEquals', 's3:max-keys', '10', true],
    ['NumericGreaterThan', 's3:max-keys', '9.5', true],
    ['NumericGreaterThanEquals', 's3:max-keys', '11', false],
    ['NumericLessThanIfExists', 's3:none', '1', true],
    ['DateEquals', 'aws:CurrentTime', '2026-05-04T12:00:00+02:00', true],
    ['DateNotEquals', 'aws:CurrentTime', '2026-05-04T10:00:01Z', true],
    ['DateGreaterThan', 'aws:CurrentTime', '2026-05-04T09:59:59Z', true],
    ['DateGreaterThan', 'aws:CurrentTime', '2026', true],
    ['DateGreaterThanEquals', 'aws:CurrentTime', '2026-05-05', false],
    ['DateLessThan', 'aws:CurrentTime', '2026-06-30T23:59:59Z', true],
    ['DateLessThanEquals', 'aws:EpochTime', '1777888800', true],
    ['DateLessThan', 'aws:EpochTime', '2026-05-04T10:00:01', true],
    ['DateLessThan', 'k:text', '2026-06-30T23:59:59Z', false],
    ['Bool', 'aws:SecureTransport', 'true', true],
    ['Bool', 'aws:SecureTransport', true, true],
    ['Bool', 'aws:SecureTransport', 'false', false],
    ['Bool', 'aws:MultiFactorAuthPresent', 'false', false],
    ['BoolIfExists', 'aws:MultiFactorAuthPresent', 'false', true],
    ['BinaryEquals', 'k:data', 'QmluYXJ5', true],
    ['BinaryEquals', 'k:data', 'QmluYXJ5Cg==', false],
    ['IpAddress', 'aws:SourceIp', '203.0.113.0/24', true],
    ['IpAddress', 'aws:SourceIp', '203.0.113.9', true],
    ['IpAddress', 'aws:SourceIp', '203.0.113.8/31', true],
    ['IpAddress', 'aws:SourceIp', '203.0.113.10/31', false],
    ['IpAddress', 'aws:SourceIp', ['2001:db8::/32', '203.0.113.0/24'], true],
    ['IpAddress', 'aws:SourceIp', '0.0.0.0/0', true],
    ['IpAddress', 'aws:SourceIp', 'nonsense/8', false],
    ['IpAddress', 'aws:VpcSourceIp', '2001:DB8:1234:0::/64', true],
    ['IpAddress', 'aws:VpcSourceIp', '2001:db8:1235::/48', false],
    ['NotIpAddress', 'aws:SourceIp', '203.0.113.0/24', false],
    ['NotIpAddress', 'aws:SourceIp', '198.51.100.0/24', true],
    ['NotIpAddress', 'aws:NoIp', '198.51.100.0/24', true],
    ['ArnEquals', 'aws:SourceArn', 'arn:aws:sns:*:111122223333:topic-a', true],
    ['ArnLike', 'aws:SourceArn', 'arn:aws:sns:us-*-1:*:topic-?', true],
    ['ArnLike', 'aws:SourceArn', 'arn:aws:sns:*', true],
    ['ArnLike', 'aws:SourceArn', 'arn:aws:sns*topic-a', false],
    ['ArnLike', 'aws:SourceArn', '*', true],
    ['ArnNotEquals', 'aws:SourceArn', 'arn:aws:sns:us-east-1:111122223333:topic-a', false],
    ['ArnNotLike', 'aws:SourceArn', 'arn:aws:sqs:*:*:*', true],
    ['ArnLikeIfExists', 'aws:NoArn', 'arn:aws:sqs:*:*:*', true],
    ['Null', 'aws:username', 'false', true],
    ['Null', 'aws:username', 'true', false],
    ['Null', 'aws:MultiFactorAuthAge', 'true', true],
    ['Null', 'aws:MultiFactorAuthAge', false, false],
    ['ForAllValues:StringEquals', 'aws:TagKeys', ['env', 'team', 'cost'], true],
    ['ForAllValues:StringEquals', 'aws:TagKeys', ['env'], false],
    ['ForAllValues:StringEquals', 'aws:NoKeys', ['env'], true],
    ['ForAnyValue:StringEquals', 'aws:TagKeys', ['env', 'cost'], true],
    ['ForAnyValue:StringEquals', 'aws:TagKeys', ['cost'], false],
    ['ForAnyValue:StringEquals', 'aws:NoKeys', ['env'], false],
    ['ForAnyValue:StringEqualsIfExists', 'aws:NoKeys', ['env'], true],
    ['ForAnyValue:StringLike', 'aws:TagKeys', 't*', true],
    ['ForAnyValue:StringNotEquals', 'aws:TagKeys', ['env'], true],
    ['ForAnyValue:StringNotEquals', 'aws:TagKeys', ['env', 'team'], false],
    ['ForAllValues:StringNotEquals', 'aws:TagKeys', ['cost'], true],
    ['ForAllValues:StringNotEquals', 'aws:TagKeys', ['env'], false],
    ['ForAllValues:StringNotLike', 'aws:TagKeys', ['c*'], true],
    ['NoSuchOperator', 'aws:username', 'alice', false],
  ])('%s %s %j: %s', (operator, key, value, holds) => {
    const statement: Statement = { ...allow(), Condition: one(operator, key, value) }
    const decision = evaluate(request({ context, policies: [policy('identity', statement)] }))
    expect(decision.decision === 'allowed').toBe(holds)
  })

  test('all operators and all keys of a block must hold; missing keys are told', () => {
    const Condition = {
      StringEquals: { 'aws:username': 'alice', 'aws:PrincipalTag/Team': 'red' },
      Bool: { 'aws:MultiFactorAuthPresent': 'true' },
    }
    const decision = evaluate(request({ context, policies: [policy('identity', { ...allow(), Condition })] }))
    expect(say(decision)).toBe('implicitDeny identity')
    expect(decision.missingContext.toSorted()).toEqual(['aws:multifactorauthpresent', 'aws:principaltag/team'])
  })
})

describe('Principal and NotPrincipal (AWS JSON policy elements: Principal, NotPrincipal)', () => {
  const aws = (...AWS: string[]) => ({ AWS })
  test.each<[string, PolicyPrincipal, PrincipalElement, string]>([
    ['everyone', alice, '*', 'allowed'],
    ['everyone', anonymous, '*', 'allowed'],
    ['everyone', codebuild, { AWS: '*' }, 'allowed'],
    ['everyone, below no boundary', session, { AWS: '*' }, 'allowed'],
    ['the user', alice, aws(alice.arn), 'allowed'],
    ['another user', alice, aws(`${alice.arn}2`), 'implicitDeny identity'],
    ['the account delegates only', alice, aws(account), 'implicitDeny identity'],
    ['the account by its root ARN', alice, aws(root.arn), 'implicitDeny identity'],
    ['the account, for its root user', root, aws(account), 'allowed'],
    ['the role', session, aws(role), 'allowed'],
    ['the session', session, aws(session.arn), 'allowed'],
    ['another session', session, aws(`${session.arn}8`), 'implicitDeny identity'],
    ['a role is no user', alice, aws(role), 'implicitDeny identity'],
    ['the federated user', federated, aws(federated.arn), 'allowed'],
    ['the service', codebuild, { Service: 'codebuild.amazonaws.com' }, 'allowed'],
    ['one of several services', codebuild, { Service: ['ec2.amazonaws.com', 'codebuild.amazonaws.com'] }, 'allowed'],
    ['another service', codebuild, { Service: 'codepipeline.amazonaws.com' }, 'implicitDeny resource'],
    ['the service in this region', codebuild, { Service: 'codebuild.eu-west-1.amazonaws.com' }, 'allowed'],
    ['the service elsewhere', codebuild, { Service: 'codebuild.us-east-1.amazonaws.com' }, 'implicitDeny resource'],
    ['a user is no service', alice, { Service: '*' }, 'implicitDeny identity'],
    ['named users do not admit anonymous', anonymous, aws(alice.arn), 'implicitDeny resource'],
    ['accounts do not admit services', codebuild, aws(account), 'implicitDeny resource'],
  ])('%s', (_, principal, element, expected) => {
    const context = { 'aws:requestedregion': ['eu-west-1'] }
    const policies = [policy('resource', to(element))]
    expect(say(evaluate(request({ principal, context, policies, resourceAccount: account })))).toBe(expected)
  })

  test.each<[string, PolicyPrincipal, PrincipalElement, string]>([
    ['user and account named', alice, aws(alice.arn, account), 'allowed'],
    ['only the user named', alice, aws(alice.arn), 'explicitDeny resource'],
    ['only the account named', alice, aws(account), 'explicitDeny resource'],
    ['session, role and account named', session, aws(session.arn, role, root.arn), 'allowed'],
    ['only role and account named', session, aws(role, root.arn), 'explicitDeny resource'],
    ['service named', codebuild, { Service: 'codebuild.amazonaws.com' }, 'allowed'],
    ['service not named', codebuild, aws(account), 'explicitDeny resource'],
    ['anonymous', anonymous, aws(account), 'explicitDeny resource'],
    ['root named', root, aws(account), 'allowed'],
    ['root not named', root, aws(other), 'explicitDeny resource'],
  ])('Deny with NotPrincipal: %s', (_, principal, NotPrincipal, expected) => {
    const policies = [
      policy('identity', allow()),
      policy('resource', to('*'), { Effect: 'Deny', NotPrincipal, Action: '*', Resource: '*' }),
    ]
    expect(say(evaluate(request({ principal, policies, resourceAccount: account })))).toBe(expected)
  })

  test('a statement of a resource policy without a principal speaks of no one', () => {
    expect(say(evaluate(request({ policies: [policy('resource', allow())] })))).toBe('implicitDeny identity')
  })
})

describe('within an account (Policy evaluation logic)', () => {
  const identity = policy('identity', allow())
  const boundary = policy('boundary', allow('ec2:*'))
  const narrow = policy('session', allow('ec2:*'))
  const grant = (AWS: string) => policy('resource', to({ AWS }))
  test.each<[string, PolicyPrincipal, AppliedPolicy[], string]>([
    ['nothing says yes', alice, [], 'implicitDeny identity'],
    ['identity policy', alice, [identity], 'allowed'],
    ['one of several identity policies', alice, [policy('identity', allow('ec2:*')), identity], 'allowed'],
    ['deny in the same policy', alice, [policy('identity', allow(), deny('s3:*'))], 'explicitDeny identity'],
    ['deny in another policy', alice, [identity, policy('identity', deny('s3:Get*'))], 'explicitDeny identity'],
    ['deny of something else', alice, [identity, policy('identity', deny('s3:Put*'))], 'allowed'],
    ['boundary does not grant', alice, [policy('boundary', allow())], 'implicitDeny identity'],
    ['boundary does not allow', alice, [identity, boundary], 'implicitDeny boundary'],
    ['boundary allows', alice, [identity, policy('boundary', allow('s3:*'))], 'allowed'],
    ['boundary denies', alice, [identity, policy('boundary', allow(), deny('s3:*'))], 'explicitDeny boundary'],
    ['session policy does not grant', session, [policy('session', allow())], 'implicitDeny identity'],
    ['session policy does not allow', session, [identity, narrow], 'implicitDeny session'],
    ['session policy denies', session, [identity, policy('session', allow(), deny())], 'explicitDeny session'],
    ['session policies add up', session, [identity, narrow, policy('session', allow('s3:*'))], 'allowed'],
    ['empty session policy', session, [identity, policy('session')], 'implicitDeny session'],
    ['boundary before session', session, [identity, boundary, narrow], 'implicitDeny boundary'],
    ['resource policy alone', alice, [grant(alice.arn)], 'allowed'],
    ['resource policy denies', alice, [identity, policy('resource', to('*', deny()))], 'explicitDeny resource'],
    ['a user named there is beyond the boundary', alice, [grant(alice.arn), boundary], 'allowed'],
    ['but not beyond its denials', alice, [grant(alice.arn), policy('boundary', deny())], 'explicitDeny boundary'],
    ['account named, identity allows', alice, [grant(account), identity], 'allowed'],
    ['account named, boundary does not', alice, [grant(account), identity, boundary], 'implicitDeny boundary'],
    ['a role named there is below the boundary', session, [grant(role), boundary], 'implicitDeny boundary'],
    ['and below session policies', session, [grant(role), narrow], 'implicitDeny session'],
    [
      'a role named there needs no identity policy',
      session,
      [grant(role), policy('session', allow('s3:*'))],
      'allowed',
    ],
    ['a session named there is beyond both', session, [grant(session.arn), boundary, narrow], 'allowed'],
    ['everyone, for a role: beyond both', session, [grant('*'), boundary, narrow], 'allowed'],
    ['federated user named there is beyond session policies', federated, [grant(federated.arn), narrow], 'allowed'],
    ['root needs no policy', root, [], 'allowed'],
    ['root and a resource deny', root, [policy('resource', to('*', deny()))], 'explicitDeny resource'],
    ['root and an SCP', root, [policy('service-control', allow('ec2:*'))], 'implicitDeny service-control'],
    ['SCP alone', alice, [policy('service-control', allow())], 'implicitDeny identity'],
    ['SCP allows', alice, [identity, policy('service-control', allow())], 'allowed'],
    ['SCP denies', alice, [identity, policy('service-control', allow(), deny())], 'explicitDeny service-control'],
    [
      'SCP is over resource policies',
      alice,
      [grant(alice.arn), policy('service-control', allow('ec2:*'))],
      'implicitDeny service-control',
    ],
    [
      'SCPs of one node add up',
      alice,
      [identity, policy('service-control', allow('ec2:*')), policy('service-control', allow('s3:*'))],
      'allowed',
    ],
    [
      'SCPs of every node must allow',
      alice,
      [
        identity,
        { ...policy('service-control', allow('ec2:*')), level: 'r-root' },
        { ...policy('service-control', allow('s3:*')), level: 'ou-1' },
      ],
      'implicitDeny service-control',
    ],
    [
      'RCP denies',
      alice,
      [identity, policy('resource-control', to('*'), to('*', deny()))],
      'explicitDeny resource-control',
    ],
    ['RCP does not grant', alice, [policy('resource-control', to('*'))], 'implicitDeny identity'],
    ['anonymous', anonymous, [identity], 'implicitDeny resource'],
    ['service without resource policy', codebuild, [], 'implicitDeny resource'],
    ['denied before undecided', alice, [boundary, policy('identity', deny())], 'explicitDeny identity'],
  ])('%s', (_, principal, policies, expected) => {
    expect(say(evaluate(request({ principal, policies })))).toBe(expected)
  })
})

describe('across accounts (Cross-account policy evaluation logic)', () => {
  const identity = policy('identity', allow())
  const grant = (AWS: string) => policy('resource', to({ AWS }))
  test.each<[string, PolicyPrincipal, AppliedPolicy[], string]>([
    ['identity alone', alice, [identity], 'implicitDeny resource'],
    ['resource alone', alice, [grant(alice.arn)], 'implicitDeny identity'],
    ['both, the user named', alice, [identity, grant(alice.arn)], 'allowed'],
    ['both, the account named', alice, [identity, grant(account)], 'allowed'],
    ['both, another account named', alice, [identity, grant(other)], 'implicitDeny resource'],
    ['both, the session named', session, [identity, grant(session.arn)], 'allowed'],
    ['a session named is not beyond identity', session, [grant(session.arn)], 'implicitDeny identity'],
    ['nor beyond session policies', session, [identity, grant(session.arn), policy('session')], 'implicitDeny session'],
    ['boundary', alice, [identity, grant(alice.arn), policy('boundary')], 'implicitDeny boundary'],
    ['everyone', alice, [identity, grant('*')], 'allowed'],
    ['everyone, no identity policy', alice, [grant('*')], 'implicitDeny identity'],
    ['root, not named', root, [], 'implicitDeny resource'],
    ['root, account named', root, [grant(account)], 'allowed'],
    ['anonymous, public', anonymous, [grant('*')], 'allowed'],
  ])('%s', (_, principal, policies, expected) => {
    expect(say(evaluate(request({ principal, policies, resourceAccount: other })))).toBe(expected)
  })
})

describe('resources whose own policy must allow (role trust policies, KMS key policies)', () => {
  const trust = (AWS: string) => policy('resource', { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS } })
  const may = policy('identity', allow('sts:AssumeRole'))
  test.each<[string, PolicyPrincipal, AppliedPolicy[], string]>([
    ['identity alone', alice, [may], 'implicitDeny resource'],
    ['the user named', alice, [trust(alice.arn)], 'allowed'],
    ['the account named, identity silent', alice, [trust(account)], 'implicitDeny identity'],
    ['the account named, identity allows', alice, [trust(account), may], 'allowed'],
    ['root must be trusted too', root, [], 'implicitDeny resource'],
    ['root trusted', root, [trust(account)], 'allowed'],
    ['deny in identity', alice, [trust(alice.arn), policy('identity', deny('sts:*'))], 'explicitDeny identity'],
  ])('%s', (_, principal, policies, expected) => {
    const assume = request({ principal, policies, action: 'sts:AssumeRole', resource: role, needsResourcePolicy: true })
    expect(say(evaluate(assume))).toBe(expected)
  })
})

describe('what an answer tells', () => {
  test('the statements that matched, by policy, position and Sid', () => {
    const decision = evaluate(
      request({
        policies: [
          policy('identity', allow('ec2:*'), { ...allow(), Sid: 'All' }),
          policy('boundary', { ...deny('s3:*'), Sid: 'NoS3' }),
        ],
      }),
    )
    expect(decision.matched).toEqual([
      { kind: 'identity', id: 'identity', index: 1, sid: 'All', effect: 'Allow' },
      { kind: 'boundary', id: 'boundary', index: 0, sid: 'NoS3', effect: 'Deny' },
    ])
  })

  const start = `User: ${alice.arn} is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::reports/2026/may.csv`
  const identity = policy('identity', allow())
  test.each<[AppliedPolicy[], string]>([
    [[], 'because no identity-based policy allows the s3:GetObject action'],
    [[policy('identity', deny())], 'with an explicit deny in an identity-based policy'],
    [[policy('resource', to('*', deny()))], 'with an explicit deny in a resource-based policy'],
    [[identity, policy('boundary')], 'because no permissions boundary allows the s3:GetObject action'],
    [[policy('boundary', deny())], 'with an explicit deny in a permissions boundary'],
    [[identity, policy('session')], 'because no session policy allows the s3:GetObject action'],
    [[policy('session', deny())], 'with an explicit deny in a session policy'],
    [[policy('service-control')], 'because no service control policy allows the s3:GetObject action'],
    [[policy('service-control', deny())], 'with an explicit deny in a service control policy'],
    [[policy('resource-control', to('*', deny()))], 'with an explicit deny in a resource control policy'],
  ])('%#: %s (Troubleshoot access denied error messages)', (policies, end) => {
    const asked = request({ policies })
    expect(denialMessage(asked, evaluate(asked))).toBe(`${start} ${end}`)
  })

  test('across accounts it is the resource policy that is missing', () => {
    const asked = request({ policies: [identity], resourceAccount: other })
    expect(denialMessage(asked, evaluate(asked))).toBe(
      `${start} because no resource-based policy allows the s3:GetObject action`,
    )
  })
})

test('a pattern made to explode takes no time', () => {
  const nasty = `arn:aws:s3:::${'*a'.repeat(400)}b`
  const asked = request({
    resource: `arn:aws:s3:::${'a'.repeat(1000)}`,
    policies: [policy('identity', allow('*', nasty))],
  })
  const start = performance.now()
  expect(evaluate(asked).decision).toBe('implicitDeny')
  expect(performance.now() - start).toBeLessThan(2_000)
})
