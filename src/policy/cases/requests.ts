import fc from 'fast-check'
import type {
  AccessRequest,
  AppliedPolicy,
  ConditionBlock,
  PolicyKind,
  PolicyPrincipal,
  PrincipalElement,
  RequestContext,
  Statement,
} from '../policy.ts'
import { account, anonymous, federatedUser, other, roleSession, root, rootArn, service, user } from './case.ts'

// Random requests over small alphabets, in which everything meets everything.

const alice = user('alice')
const session = roleSession('deploy', 'ci')
const federated = federatedUser('fed', 'alice')
const guest = user('guest', other)
const principals: readonly PolicyPrincipal[] = [
  alice,
  guest,
  session,
  roleSession('deploy', 'ci', other),
  federated,
  root(),
  root(other),
  service('sns.amazonaws.com'),
  anonymous,
]

const some = <T>(values: readonly T[], most = 3) =>
  fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: most })

const actions = ['s3:GetObject', 's3:PutObject', 'sqs:SendMessage'] as const
const actionPatterns = [
  '*',
  's3:*',
  's3:Get*',
  's3:?etObject',
  'S3:PUTOBJECT',
  'sqs:*',
  '*:*Object',
  's3:*t*t',
  's3:get',
]
const queue = `arn:aws:sqs:us-east-1:${account}:q`
const resources = ['arn:aws:s3:::alice/x', 'arn:aws:s3:::b/x:y/z', queue, '*'] as const
const resourcePatterns = [
  '*',
  'arn:aws:s3:::alice/*',
  'arn:aws:s3:::*/x*',
  'arn:aws:s3:::?/x?y/z',
  'arn:aws:s3:::${aws:username}/*',
  "arn:aws:s3:::${k:none, 'alice'}/x",
  'arn:aws:s3:::${*}',
  'arn:aws:s3:::${k:none}/x',
  'arn:aws:sqs:*',
  'arn:aws:sqs:us-*-1:*:q',
  `arn:aws:sqs:us-*-1:${account}:q`,
  `arn:aws:sqs:us-????-1:${account}:q`,
  'arn:aws:sqs:us*q',
  'arn:aws:sqs:us-east-1:${k:account}:q',
  'arn:aws:*:*:*:*x',
  queue,
]
const names = [
  '*',
  account,
  other,
  rootArn(account),
  alice.arn,
  guest.arn,
  session.arn,
  session.roleArn!,
  federated.arn,
]
const element: fc.Arbitrary<PrincipalElement> = fc.oneof(
  fc.constant('*' as const),
  some(names).map((AWS) => ({ AWS })),
  fc.constant({ Service: 'sns.amazonaws.com' }),
  fc.constant({ Service: ['ec2.amazonaws.com'], AWS: account }),
)

const texts = ['alice', 'bob', 'Alice', 'al*', 'a?ice', '${aws:username}', '']
const arns = [queue, 'arn:aws:sqs:*:*:q', 'arn:aws:s3:::alice/*', '*', 'arn:aws:sqs:*']
const values: Readonly<Record<string, readonly string[]>> = {
  String: texts,
  Numeric: ['1', '2', '2.0', '-3', 'x'],
  Date: ['2026-01-01T00:00:00Z', '2026-01-01', '1767225600', '2026', '2027-01-01T00:00:00+01:00'],
  Bool: ['true', 'false', 'True'],
  Ip: ['192.0.2.0/24', '192.0.2.7', '0.0.0.0/0', '192.0.2.4/30'],
  Arn: arns,
  Null: ['true', 'false'],
}
const given: Readonly<Record<string, readonly string[]>> = {
  String: ['alice', 'bob', 'ALICE', 'al*', ''],
  Numeric: ['1', '2', '10', 'x'],
  Date: ['2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', '2026-12-31T23:00:00Z'],
  Bool: ['true', 'false'],
  Ip: ['192.0.2.7', '192.0.2.8', '198.51.100.1'],
  Arn: [queue, 'arn:aws:s3:::alice/x', 'arn:aws:sqs:a:b:c:q'],
}
const kinds = Object.keys(given)
const keyOf = (kind: string) => `k:${kind.toLowerCase()}`
/** As policies write it: keys have no case. */
const writtenKey = (kind: string) => `K:${kind}`
const bases: Readonly<Record<string, readonly string[]>> = {
  String: ['StringEquals', 'StringNotEquals', 'StringEqualsIgnoreCase', 'StringLike', 'StringNotLike'],
  Numeric: ['NumericEquals', 'NumericNotEquals', 'NumericLessThan', 'NumericLessThanEquals', 'NumericGreaterThan'],
  Date: ['DateEquals', 'DateNotEquals', 'DateLessThan', 'DateGreaterThan', 'DateGreaterThanEquals'],
  Bool: ['Bool'],
  Ip: ['IpAddress', 'NotIpAddress'],
  Arn: ['ArnLike', 'ArnEquals', 'ArnNotLike', 'ArnNotEquals'],
}
const condition: fc.Arbitrary<ConditionBlock> = fc.constantFrom(...kinds).chain((kind) =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(
          fc.constantFrom('', '', 'ForAllValues:', 'ForAnyValue:'),
          fc.constantFrom(...(bases[kind] ?? [])),
          fc.constantFrom('', '', 'IfExists'),
          some(values[kind] ?? []),
        )
        .map(([set, base, end, wanted]) => ({ [`${set}${base}${end}`]: { [writtenKey(kind)]: wanted } })),
    },
    { weight: 1, arbitrary: some(values.Null ?? [], 1).map((wanted) => ({ Null: { [writtenKey(kind)]: wanted } })) },
  ),
)
const context: fc.Arbitrary<RequestContext> = fc
  .tuple(
    fc.tuple(...kinds.map((kind) => fc.option(fc.array(fc.constantFrom(...(given[kind] ?? [])), { maxLength: 2 })))),
    fc.constantFrom<RequestContext>(
      {},
      { 'aws:username': ['alice'], 'k:account': [account] },
      { 'aws:username': ['*'] },
      { 'aws:username': ['a', 'b'] },
    ),
  )
  .map(([found, name]) => ({
    ...Object.fromEntries(found.flatMap((list, index) => (list ? [[keyOf(kinds[index] ?? ''), list]] : []))),
    ...name,
  }))

const isOfResource = (kind: PolicyKind) => kind === 'resource' || kind === 'resource-control'
const allowAll: Statement = { Effect: 'Allow', Action: '*', Resource: '*' }
export const denyAll: Statement = { Effect: 'Deny', Principal: '*', Action: '*', Resource: '*' }
const statement = (kind: PolicyKind, effect?: 'Allow' | 'Deny'): fc.Arbitrary<Statement> =>
  fc.oneof(
    { weight: 2, arbitrary: varied(kind, effect) },
    fc.constant(isOfResource(kind) ? { ...allowAll, Principal: '*' } : allowAll),
  )
const varied = (kind: PolicyKind, effect?: 'Allow' | 'Deny'): fc.Arbitrary<Statement> =>
  fc
    .record({
      Effect: effect ? fc.constant(effect) : fc.constantFrom<'Allow' | 'Deny'>('Allow', 'Allow', 'Allow', 'Deny'),
      act: fc.tuple(fc.constantFrom('Action', 'Action', 'Action', 'NotAction'), some(actionPatterns)),
      on: fc.tuple(fc.constantFrom('Resource', 'Resource', 'Resource', 'NotResource'), some(resourcePatterns)),
      who: fc.tuple(fc.constantFrom('Principal', 'Principal', 'NotPrincipal'), element),
      Condition: fc.array(condition, { maxLength: 2 }),
    })
    .map(
      ({ Effect, act, on, who, Condition }): Statement => ({
        Effect,
        [act[0]]: act[1],
        [on[0]]: on[1],
        ...(isOfResource(kind) ? { [Effect === 'Allow' ? 'Principal' : who[0]]: who[1] } : {}),
        ...(Condition.length > 0 ? { Condition: Object.assign({}, ...Condition) as ConditionBlock } : {}),
      }),
    )
export const everyKind: readonly PolicyKind[] = [
  'identity',
  'resource',
  'boundary',
  'session',
  'service-control',
  'resource-control',
]
export const applied = (kind: PolicyKind, effect?: 'Allow' | 'Deny'): fc.Arbitrary<AppliedPolicy> =>
  fc
    .tuple(
      fc.array(statement(kind, effect), { minLength: effect ? 1 : 0, maxLength: 3 }),
      fc.constantFrom('r-1', 'ou-1'),
      fc.constantFrom('2012-10-17', '2012-10-17', '2008-10-17'),
    )
    .map(([Statement, level, Version]) => ({
      kind,
      id: kind,
      document: { Version, Statement },
      ...(kind.endsWith('-control') ? { level } : {}),
    }))
export const anyPolicy = (effect?: 'Allow' | 'Deny') =>
  fc.constantFrom<PolicyKind>('identity', 'identity', 'resource', ...everyKind).chain((kind) => applied(kind, effect))
export const request: fc.Arbitrary<AccessRequest> = fc.record({
  principal: fc.constantFrom(...principals),
  action: fc.constantFrom(...actions),
  resource: fc.constantFrom(...resources),
  resourceAccount: fc.constantFrom(account, account, other),
  needsResourcePolicy: fc.constantFrom(false, false, true),
  context,
  policies: fc.array(anyPolicy(), { maxLength: 5 }),
})
