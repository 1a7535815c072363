import { describe, expect, it } from 'vitest'
import { isBranchName, isReferenceName, isRepositoryName, repositoryPath, specifierCandidates } from './names.ts'

describe('names', () => {
  it.each([
    ['web', true],
    ['My.Repo_1-x', true],
    ['a'.repeat(100), true],
    ['a'.repeat(101), false],
    ['', false],
    ['web.git', false],
    ['..', false],
    ['../other', false],
    ['a/b', false],
    ['a b', false],
    ['a\n', false],
  ])('repository %j: %s', (name, valid) => expect(isRepositoryName(name)).toBe(valid))

  it.each([
    ['main', true],
    ['feature/x', true],
    ['über', true],
    ['--upload-pack=touch', false],
    ['-d', false],
    ['a..b', false],
    ['a//b', false],
    ['/a', false],
    ['a/', false],
    ['.a', false],
    ['a/.b', false],
    ['a.lock', false],
    ['a.', false],
    ['@', false],
    ['a@{1}', false],
    ['a b', false],
    ['a~1', false],
    ['a^', false],
    ['a:b', false],
    ['a\0b', false],
    ['a\nb', false],
    ['0'.repeat(40), false],
    ['x'.repeat(257), false],
  ])('branch %j: %s', (name, valid) => expect(isBranchName(name)).toBe(valid))

  it('takes object ids as parts of references', () =>
    expect(isReferenceName(`refs/heads/${'0'.repeat(40)}`)).toBe(true))

  it.each([
    ['README.md', 'README.md'],
    ['/src/a b.ts', 'src/a b.ts'],
    ['src/', 'src'],
    ['/', ''],
    ['', ''],
    ['../etc/passwd', undefined],
    ['a/../b', undefined],
    ['./a', undefined],
    ['a//b', undefined],
    ['.git/config', undefined],
    ['a/.GIT/hooks', undefined],
    ['a\0b', undefined],
    ['-rf', '-rf'],
  ])('path %j: %j', (text, path) => expect(repositoryPath(text)).toBe(path))

  it.each([
    ['main', ['refs/heads/main', 'refs/tags/main']],
    ['refs/tags/v1', ['refs/tags/v1']],
    ['HEAD', ['refs/heads/trunk']],
    ['A'.repeat(40), ['a'.repeat(40)]],
    ['main~1', undefined],
    ['main:secret', undefined],
    [':/text', undefined],
    ['--all', undefined],
    ['@{-1}', undefined],
  ])('specifier %j: %j', (specifier, candidates) => expect(specifierCandidates(specifier, 'trunk')).toEqual(candidates))

  it('HEAD of an empty repository is nothing', () => expect(specifierCandidates('HEAD', undefined)).toEqual([]))
})
