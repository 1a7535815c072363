import { expect, test } from 'vitest'
import { parseJsonPath, selectJson } from './json-path.ts'

const document = { ref: 'refs/heads/main', commits: [{ id: 'a' }, { id: 'b', 'added-by': 'me' }], deep: { id: 'c' } }

test.each([
  ['$', [document]],
  ['$.ref', ['refs/heads/main']],
  ["$['ref']", ['refs/heads/main']],
  ['$["commits"][1].id', ['b']],
  ['$.commits[-1].added-by', ['me']],
  ['$.commits[*].id', ['a', 'b']],
  ['$.commits.*.id', ['a', 'b']],
  ['$..id', ['c', 'a', 'b']],
  ['$.none', []],
  ['$.ref.length', []],
  ['$.constructor', []],
])('%s', (path, values) => {
  expect(selectJson(document, parseJsonPath(path) ?? [{ deep: false, pick: 'not a path' }])).toEqual(values)
})

test.each(['', 'ref', '$ref', '$.', '$.a b', '$[?(@.id)]', '$.a[', '$.a[1', '$.[0]', '$.a..', "$['a"])(
  '%j is no path',
  (path) => expect(parseJsonPath(path)).toBeUndefined(),
)
