import { describe, expect, it } from 'vitest'
import { applyChanges, type Change, type Entry } from './changes.ts'

const file = (id: string, mode = '100644'): Entry => ({ mode, id })
const before = new Map([
  ['README', file('a')],
  ['src/main.ts', file('b')],
  ['run.sh', file('c', '100755')],
  ['lib', file('d', '160000')],
])
const put = (path: string, id = 'new'): Change => ({ kind: 'put', path, id })
const remove = (path: string): Change => ({ kind: 'delete', path })

describe('changes', () => {
  it('adds, updates and deletes', () => {
    const { added, updated, deleted } = applyChanges(
      before,
      [put('docs/x'), put('README'), remove('src/main.ts')],
      false,
    )
    expect({ added, updated, deleted }).toEqual({ added: ['docs/x'], updated: ['README'], deleted: ['src/main.ts'] })
  })
  it('keeps the mode of a file that gets new content', () =>
    expect(applyChanges(before, [put('run.sh')], false).files.get('run.sh')).toEqual(file('new', '100755')))
  it('sees when nothing changes', () => expect(applyChanges(before, [put('README', 'a')], false).updated).toEqual([]))
  it('keeps a folder that would go empty, when asked', () =>
    expect(applyChanges(before, [remove('src/main.ts')], true).added).toEqual(['src/.gitkeep']))
  it('lets a folder take the place of a file that goes', () =>
    expect(applyChanges(before, [remove('README'), put('README/en')], false).added).toEqual(['README/en']))

  it.each([
    ['SamePathRequestException', [put('x'), remove('x')]],
    ['FileDoesNotExistException', [remove('x')]],
    ['FileDoesNotExistException', [{ kind: 'mode', path: 'x', mode: '100755' } as const]],
    ['FileNameConflictsWithDirectoryNameException', [put('src')]],
    ['DirectoryNameConflictsWithFileNameException', [put('README/en')]],
    ['FilePathConflictsWithSubmodulePathException', [put('lib')]],
    ['FilePathConflictsWithSubmodulePathException', [put('lib/x')]],
  ] satisfies [string, Change[]][])('%s', (name, changes) =>
    expect(() => applyChanges(before, changes, false)).toThrow(expect.objectContaining({ name })),
  )
})
