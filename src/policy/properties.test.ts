import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpret } from './cases/interpreter.ts'
import { anyPolicy, applied, denyAll, everyKind, request } from './cases/requests.ts'
import { evaluate } from './evaluate.ts'
import type { AccessRequest, AppliedPolicy, Decision } from './policy.ts'

// What must hold of all requests, and that the second interpreter says the same of them.

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
