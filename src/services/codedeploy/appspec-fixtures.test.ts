import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { AppspecError, parseAppspec } from './appspec.ts'

// AppSpec files as people write them, in test/fixtures/appspecs: beside each its outcome, the plan or the refusal.

const folder = new URL('../../../test/fixtures/appspecs/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name))

const outcomeOf = (text: string): unknown => {
  try {
    return parseAppspec(text)
  } catch (error) {
    if (!(error instanceof AppspecError)) throw error
    return { refused: error.message }
  }
}

test.each(names)('%s', (name) => {
  const expected: unknown = JSON.parse(read(name.replace(/\.ya?ml$/, '.json')))
  expect(outcomeOf(read(name))).toEqual(expected)
})

test('every key of the reference is in one of them that is accepted', () => {
  const accepted = names
    .map((name) => outcomeOf(read(name)))
    .filter((outcome) => !JSON.stringify(outcome).startsWith('{"refused'))
  const keys = new Set<string>()
  JSON.stringify(accepted, (key, value) => {
    keys.add(key)
    return value
  })
  for (const key of [
    ...['files', 'source', 'destination', 'fileExistsBehavior'],
    ...[
      'permissions',
      'object',
      'pattern',
      'except',
      'owner',
      'group',
      'mode',
      'acls',
      'context',
      'user',
      'range',
      'type',
    ],
    ...['hooks', 'location', 'timeout', 'runas'],
    ...['BeforeBlockTraffic', 'AfterBlockTraffic', 'ApplicationStop', 'BeforeInstall', 'AfterInstall'],
    ...['ApplicationStart', 'ValidateService', 'BeforeAllowTraffic', 'AfterAllowTraffic'],
  ])
    expect(keys).toContain(key)
})
