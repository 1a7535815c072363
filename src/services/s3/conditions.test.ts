import { expect, test } from 'vitest'
import { parseRange, type ReadConditions, readCondition } from './conditions.ts'

const object = { etag: 'abc', modified: Date.parse('2026-01-01T00:00:00Z') }
const before = new Date('2025-12-31T00:00:00Z')
const same = new Date('2026-01-01T00:00:00Z')
const after = new Date('2026-01-02T00:00:00Z')

test.each<[ReadConditions, ReturnType<typeof readCondition>]>([
  [{}, 'holds'],
  [{ ifMatch: '"abc"' }, 'holds'],
  [{ ifMatch: 'abc' }, 'holds'],
  [{ ifMatch: '*' }, 'holds'],
  [{ ifMatch: '"x", "abc"' }, 'holds'],
  [{ ifMatch: '"x"' }, 'If-Match'],
  [{ ifMatch: '"abc"', ifUnmodifiedSince: before }, 'holds'],
  [{ ifUnmodifiedSince: before }, 'If-Unmodified-Since'],
  [{ ifUnmodifiedSince: same }, 'holds'],
  [{ ifNoneMatch: 'W/"abc"' }, 'NotModified'],
  [{ ifNoneMatch: '*' }, 'NotModified'],
  [{ ifNoneMatch: '"x"' }, 'holds'],
  [{ ifNoneMatch: '"x"', ifModifiedSince: after }, 'holds'],
  [{ ifModifiedSince: before }, 'holds'],
  [{ ifModifiedSince: same }, 'NotModified'],
  [{ ifModifiedSince: after }, 'NotModified'],
])('%j comes to %s', (conditions, expected) => {
  expect(readCondition(conditions, object)).toBe(expected)
})

test.each<[string | undefined, number, ReturnType<typeof parseRange>]>([
  [undefined, 10, undefined],
  ['bytes=0-4', 10, { start: 0, end: 5 }],
  ['bytes=4-', 10, { start: 4, end: 10 }],
  ['bytes=4-400', 10, { start: 4, end: 10 }],
  ['bytes=-3', 10, { start: 7, end: 10 }],
  ['bytes=-30', 10, { start: 0, end: 10 }],
  ['bytes=-0', 10, 'unsatisfiable'],
  ['bytes=10-', 10, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=5-4', 10, undefined],
  ['bytes=-', 10, undefined],
  ['bytes=0-1,4-5', 10, undefined],
  ['lines=0-1', 10, undefined],
  ['nonsense', 10, undefined],
])('range %s of %i bytes', (header, size, expected) => {
  expect(parseRange(header, size)).toEqual(expected)
})
