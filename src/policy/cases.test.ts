import { describe, expect, test } from 'vitest'
import { boundaries } from './cases/boundaries.ts'
import { type Asked, type Case, standard } from './cases/case.ts'
import { crossAccount } from './cases/cross-account.ts'
import { elements } from './cases/elements.ts'
import { evaluationLogic } from './cases/evaluation-logic.ts'
import { globalKeys } from './cases/global-keys.ts'
import { iamExamples } from './cases/iam-examples.ts'
import { operators } from './cases/operators.ts'
import { organizations } from './cases/organizations.ts'
import { principals } from './cases/principals.ts'
import { s3Examples } from './cases/s3-examples.ts'
import { services } from './cases/services.ts'
import { sessionPolicies } from './cases/session-policies.ts'
import { setOperators } from './cases/set-operators.ts'
import { tags } from './cases/tags.ts'
import { variables } from './cases/variables.ts'
import { evaluate } from './evaluate.ts'
import type { AccessRequest, RequestContext } from './policy.ts'

const cases: readonly Case[] = [
  ...boundaries,
  ...crossAccount,
  ...elements,
  ...evaluationLogic,
  ...globalKeys,
  ...iamExamples,
  ...operators,
  ...organizations,
  ...principals,
  ...s3Examples,
  ...services,
  ...sessionPolicies,
  ...setOperators,
  ...tags,
  ...variables,
]

const contextOf = (context: Asked['context']): RequestContext =>
  Object.fromEntries(
    Object.entries(context ?? {}).map(([key, value]) => [
      key.toLowerCase(),
      typeof value === 'string' ? [value] : value,
    ]),
  )
const requestOf = ({ context, ...asked }: Asked): AccessRequest => ({
  ...standard,
  ...asked,
  context: contextOf(context),
})

const pages = [...new Set(cases.map(({ page }) => page))].toSorted()

describe.each(pages)('%s', (title) => {
  const rows = cases.filter(({ page }) => page === title)
  test.each(rows.map((row) => [row.title, row] as const))('%s', (_, { asked, expected }) => {
    const { decision, decidedBy } = evaluate(requestOf(asked))
    const said = decidedBy && expected.includes(' ') ? `${decision} ${decidedBy}` : decision
    expect(said).toBe(expected)
  })
})

test('the table is as large as it claims, and no case stands twice', () => {
  expect(cases.length).toBeGreaterThanOrEqual(400)
  const asked = cases.map(({ asked: { policies, ...rest } }) => JSON.stringify([rest, policies]))
  expect(asked.filter((text, index) => asked.indexOf(text) !== index)).toEqual([])
})
