import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { account, anonymous, federatedUser, other, roleSession, root, rootArn, service, user } from './cases/case.ts'
import { interpret } from './cases/interpreter.ts'
import { evaluate } from './evaluate.ts'
import type {
  AccessRequest,
  AppliedPolicy,
  ConditionBlock,
  Decision,
  PolicyKind,
  PolicyPrincipal,
  PrincipalElement,
  RequestContext,
  Statement,
} from './policy.ts'

// Random requests over small alphabets, in which everything meets everything: what must hold of all of them, and that the
// second interpreter says the same.

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
const denyAll: Statement = { Effect: 'Deny', Principal: '*', Action: '*', Resource: '*' }
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
const everyKind: readonly PolicyKind[] = [
  'identity',
  'resource',
  'boundary',
  'session',
  'service-control',
  'resource-control',
]
const applied = (kind: PolicyKind, effect?: 'Allow' | 'Deny'): fc.Arbitrary<AppliedPolicy> =>
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
const anyPolicy = (effect?: 'Allow' | 'Deny') =>
  fc.constantFrom<PolicyKind>('identity', 'identity', 'resource', ...everyKind).chain((kind) => applied(kind, effect))
const request: fc.Arbitrary<AccessRequest> = fc.record({
  principal: fc.constantFrom(...principals),
  action: fc.constantFrom(...actions),
  resource: fc.constantFrom(...resources),
  resourceAccount: fc.constantFrom(account, account, other),
  needsResourcePolicy: fc.constantFrom(false, false, true),
  context,
  policies: fc.array(anyPolicy(), { maxLength: 5 }),
})

const say = ({ decision, decidedBy }: Pick<Decision, 'decision' | 'decidedBy'>) =>
  [decision, decidedBy].filter(Boolean).join(' ')
const isAllowed = (asked: AccessRequest) => evaluate(asked).decision === 'allowed'
describe('of every request', () => {
  const runs = { numRuns: 1000 }

  test('a deny that applies wins, whatever else is there', () => {
    fc.assert(
      fc.property(request, fc.constantFrom(...everyKind), fc.nat(), (asked, kind, at) => {
        const denying: AppliedPolicy = { kind, id: 'deny', document: { Version: '2012-10-17', Statement: denyAll } }
        const policies = asked.policies.toSpliced(at % (asked.policies.length + 1), 0, denying)
        expect(evaluate({ ...asked, policies }).decision).toBe('explicitDeny')
      }),
      runs,
    )
  })

  test('one more Allow never takes access away', () => {
    fc.assert(
      fc.property(request, anyPolicy('Allow'), (before, more) => {
        const takesPart = before.policies.some(({ kind, level }) => kind === more.kind && level === more.level)
        fc.pre(isAllowed(before) && (takesPart || more.kind === 'identity' || more.kind === 'resource'))
        expect(isAllowed({ ...before, policies: [...before.policies, more] })).toBe(true)
      }),
      { ...runs, maxSkipsPerRun: 1000, numRuns: 300 },
    )
  })

  test('the order of policies and of statements does not matter', () => {
    fc.assert(
      fc.property(
        request.chain((asked) =>
          fc.tuple(fc.constant(asked), fc.shuffledSubarray([...asked.policies], { minLength: asked.policies.length })),
        ),
        ([asked, shuffled]) => {
          const policies = shuffled.map((policy) => ({
            ...policy,
            document: { ...policy.document, Statement: [policy.document.Statement].flat().toReversed() },
          }))
          expect(say(evaluate({ ...asked, policies }))).toBe(say(evaluate(asked)))
        },
      ),
      runs,
    )
  })

  test.each(['boundary', 'session', 'service-control', 'resource-control'] as const)(
    'a %s policy only narrows',
    (kind) => {
      fc.assert(
        fc.property(request, applied(kind), (before, more) => {
          // A federated user's first session policy is what it lives by, and policies of one level add up.
          fc.pre(kind !== 'session' || before.principal.kind !== 'federated')
          fc.pre(!before.policies.some(({ kind, level }) => kind === more.kind && level === more.level))
          if (isAllowed({ ...before, policies: [...before.policies, more] })) expect(isAllowed(before)).toBe(true)
        }),
        { ...runs, maxSkipsPerRun: 1000 },
      )
    },
  )

  test('two statements say what two policies of that kind say', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const policies = asked.policies.flatMap((policy) => {
          const statements = [policy.document.Statement].flat()
          const each = statements.map((Statement) => ({ ...policy, document: { ...policy.document, Statement } }))
          return each.length > 0 ? each : [policy]
        })
        expect(say(evaluate({ ...asked, policies }))).toBe(say(evaluate(asked)))
      }),
      runs,
    )
  })

  test('the second interpreter says the same', () => {
    fc.assert(
      fc.property(request, (asked) => {
        expect(say(evaluate(asked))).toBe(interpret(asked))
      }),
      { numRuns: 3000 },
    )
  })
})
