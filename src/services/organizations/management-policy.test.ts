import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { effectivePolicy, MalformedManagementPolicy, parseManagementPolicy } from './management-policy.ts'

const merge = (...levels: readonly (readonly object[])[]) => {
  let count = 0
  return effectivePolicy(
    levels.map((level) =>
      level.map((policy) => {
        count += 1
        return { id: `p-${count}`, policy: parseManagementPolicy(JSON.stringify(policy), 'tags') }
      }),
    ),
  )
}
const effective = (...levels: readonly (readonly object[])[]) => merge(...levels).document

const costCenter = (settings: object) => ({
  tags: { costcenter: { tag_key: { '@@assign': 'CostCenter' }, ...settings } },
})
const project = (settings: object) => ({ tags: { project: settings } })

// "Inheritance examples", Organizations user guide.
describe('examples of AWS', () => {
  const a = costCenter({ tag_value: { '@@assign': ['Development', 'Support'] } })
  const c = costCenter({
    tag_value: { '@@append': ['Marketing'] },
    enforced_for: { '@@append': ['redshift:*', 'dynamodb:table'] },
  })

  test('1: a child overwrites', () => {
    const b = costCenter({
      tag_value: { '@@assign': ['Sandbox'] },
      enforced_for: { '@@assign': ['redshift:*', 'dynamodb:table'] },
    })
    expect(effective([a], [b])).toEqual({
      tags: {
        costcenter: {
          tag_key: 'CostCenter',
          tag_value: ['Sandbox'],
          enforced_for: ['redshift:*', 'dynamodb:table'],
        },
      },
    })
  })

  test('2: a child appends', () => {
    expect(effective([a], [c])).toEqual({
      tags: {
        costcenter: {
          tag_key: 'CostCenter',
          tag_value: ['Development', 'Support', 'Marketing'],
          enforced_for: ['redshift:*', 'dynamodb:table'],
        },
      },
    })
  })

  test('3: a child removes, and what is empty is not there', () => {
    const d = costCenter({
      tag_value: { '@@remove': ['Development', 'Marketing'] },
      enforced_for: { '@@remove': ['redshift:*', 'dynamodb:table'] },
    })
    expect(effective([a], [c], [d])).toEqual({
      tags: { costcenter: { tag_key: 'CostCenter', tag_value: ['Support'] } },
    })
  })

  test('4: a parent restricts what children may do', () => {
    const e = project({
      tag_key: { '@@operators_allowed_for_child_policies': ['@@none'], '@@assign': 'Project' },
      tag_value: {
        '@@operators_allowed_for_child_policies': ['@@append'],
        '@@assign': ['Maintenance', 'Escalations'],
      },
    })
    const f = project({ tag_key: { '@@assign': 'PROJECT' }, tag_value: { '@@append': ['Escalations - research'] } })
    expect(effective([e], [f])).toEqual({
      tags: { project: { tag_key: 'Project', tag_value: ['Maintenance', 'Escalations', 'Escalations - research'] } },
    })
  })

  test('5: of what two policies of one level let children do, what both do', () => {
    const g = project({
      tag_value: { '@@operators_allowed_for_child_policies': ['@@append'], '@@assign': ['Maintenance'] },
    })
    const h = project({ tag_value: { '@@operators_allowed_for_child_policies': ['@@append', '@@remove'] } })
    const child = project({ tag_value: { '@@append': ['More'], '@@remove': ['Maintenance'] } })
    expect(effective([g, h], [child])).toEqual({ tags: { project: { tag_value: ['Maintenance', 'More'] } } })
  })

  test('6: of two policies of one level the first one attached decides', () => {
    const j = project({ tag_key: { '@@assign': 'PROJECT' }, tag_value: { '@@append': ['Maintenance'] } })
    const k = project({ tag_key: { '@@assign': 'project' } })
    expect(effective([j, k])).toEqual({ tags: { project: { tag_key: 'PROJECT', tag_value: ['Maintenance'] } } })
  })
})

test('a restriction cannot be taken back further down', () => {
  const root = project({ tag_value: { '@@operators_allowed_for_child_policies': ['@@none'], '@@assign': ['a'] } })
  const unit = project({ tag_value: { '@@operators_allowed_for_child_policies': ['@@all'] } })
  const account = project({ tag_value: { '@@assign': ['b'] } })
  expect(effective([root], [unit], [account])).toEqual({ tags: { project: { tag_value: ['a'] } } })
})

test('a restriction reaches what is inside, whether it is there already or comes later', () => {
  const root = {
    tags: { '@@operators_allowed_for_child_policies': ['@@none'], project: { tag_value: { '@@assign': ['a'] } } },
  }
  const child = { tags: { project: { tag_value: { '@@append': ['b'] } }, other: { tag_value: { '@@assign': ['c'] } } } }
  expect(effective([root], [child])).toEqual({ tags: { project: { tag_value: ['a'] } } })
})

test('who had a say in a setting is known', () => {
  const { contributors } = merge(
    [costCenter({ tag_value: { '@@assign': ['a'] } })],
    [costCenter({ tag_value: { '@@append': ['b'] } })],
    [costCenter({})],
  )
  expect(contributors(['tags', 'costcenter', 'tag_value'])).toEqual(['p-1', 'p-2'])
  expect(contributors(['tags', 'costcenter', 'tag_key'])).toEqual(['p-3'])
  expect(contributors(['plans'])).toEqual([])
})

test.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['another top', '{"plans":{}}'],
  ['two tops', '{"tags":{},"plans":{}}'],
  ['a value without operator', '{"tags":{"a":"b"}}'],
  ['an unknown operator', '{"tags":{"a":{"@@set":"b"}}}'],
  ['null', '{"tags":{"a":{"@@assign":null}}}'],
  ['a list to append that is none', '{"tags":{"a":{"@@append":"b"}}}'],
  ['an unknown operator for children', '{"tags":{"a":{"@@operators_allowed_for_child_policies":["@@set"]}}}'],
  ['all and more', '{"tags":{"a":{"@@operators_allowed_for_child_policies":["@@all","@@none"]}}}'],
  ['a value at the top', '{"@@assign":"x","tags":{}}'],
  ['too deep', `${'{"tags":'.repeat(60)}{}${'}'.repeat(60)}`],
])('is refused: %s', (_, text) => {
  expect(() => parseManagementPolicy(text, 'tags')).toThrow(MalformedManagementPolicy)
})

test('no JSON at all makes it fail otherwise than by refusing', () => {
  fc.assert(
    fc.property(fc.json(), fc.json(), (one, other) => {
      for (const text of [one, `{"tags":${other}}`])
        try {
          const policy = parseManagementPolicy(text, 'tags')
          effectivePolicy([[{ id: 'p-1', policy }], [{ id: 'p-2', policy }]])
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedManagementPolicy)
        }
    }),
  )
})

test('what only assigns is what comes last', () => {
  const value = fc.array(fc.string(), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), (values) => {
      const levels = values.map((one) => [project({ tag_value: { '@@assign': one } })])
      expect(effective(...levels)).toEqual({ tags: { project: { tag_value: values.at(-1) } } })
    }),
  )
})
