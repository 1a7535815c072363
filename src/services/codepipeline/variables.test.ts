import { expect, it } from 'vitest'
import { referencesIn, resolve, UnresolvedVariableError } from './variables.ts'

const variables = { variables: { STAGE: 'prod' }, Source: { CommitId: 'abc', Message: '#{variables.STAGE}' } }

it.each([
  ['plain', 'plain'],
  ['#{variables.STAGE}', 'prod'],
  ['a-#{Source.CommitId}-#{variables.STAGE}', 'a-abc-prod'],
  ['[{"name":"X","value":"#{Source.CommitId}"}]', '[{"name":"X","value":"abc"}]'],
  // What came from outside is not read as a reference again.
  ['#{Source.Message}', '#{variables.STAGE}'],
  ['$' + '{HOME} #x', '$' + '{HOME} #x'],
])('%j becomes %j', (text, expected) => expect(resolve(text, variables)).toBe(expected))

it.each(['#{Source.Nothing}', '#{Nobody.CommitId}', '#{CommitId}', '#{}', '#{Source.toString}', '#{constructor.name}'])(
  '%j stands for nothing',
  (text) => expect(() => resolve(text, variables)).toThrow(UnresolvedVariableError),
)

it('finds references', () =>
  expect(referencesIn('#{A.b} #{c}')).toEqual([
    { text: 'A.b', namespace: 'A', key: 'b' },
    { text: 'c', namespace: '', key: 'c' },
  ]))
