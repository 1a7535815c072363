import { expect, it } from 'vitest'
import { fitsGlob } from './glob.ts'
import { type Filters, type Happening, startsPipeline } from './trigger-filter.ts'

it.each([
  ['main', 'main', true],
  ['main', 'maine', false],
  ['ma*', 'main', true],
  ['*', 'feature/a', false],
  ['**', 'feature/a', true],
  ['feature/*', 'feature/a', true],
  ['feature/*', 'feature/a/b', false],
  ['feature/**', 'feature/a/b', true],
  ['v?.[0-9]', 'v1.2', true],
  ['v[!0-9]', 'vx', true],
  ['{main,release-*}', 'release-1', true],
  ['a.b', 'axb', false],
  ['src/**/*.js', 'src/a/b.js', true],
  ['[', '[', true],
  ['{', '{', false],
  ['a\\*', 'a*', true],
  ['a\\*', 'ab', false],
])('%s and %s', (pattern, text, fits) => {
  expect(fitsGlob(pattern, text)).toBe(fits)
})

const push = (branch: string): Happening => ({ kind: 'push', branch, commit: 'c', before: 'b' })
const tag = (name: string): Happening => ({ kind: 'tag', tag: name, commit: 'c' })
const pull = (event: 'CLOSED' | 'OPEN' | 'UPDATED', base = 'main'): Happening => ({
  ...{ kind: 'pull', event, commit: 'c' },
  pull: { number: '1', title: '', state: 'open', head: { branch: 'topic', commit: 'c' }, base },
})

it.each<[string, Filters, Happening, boolean]>([
  ['a branch included', { push: [{ branches: { includes: ['main'] } }] }, push('main'), true],
  ['another branch', { push: [{ branches: { includes: ['main'] } }] }, push('topic'), false],
  ['a branch excluded', { push: [{ branches: { includes: ['*'], excludes: ['main'] } }] }, push('main'), false],
  ['one not excluded', { push: [{ branches: { excludes: ['main'] } }] }, push('topic'), true],
  ['a tag where branches are wanted', { push: [{ branches: { includes: ['**'] } }] }, tag('v1'), false],
  ['a tag included', { push: [{ tags: { includes: ['v*'] } }] }, tag('v1'), true],
  ['a branch where tags are wanted', { push: [{ tags: { includes: ['**'] } }] }, push('v1'), false],
  ['a changed path', { push: [{ filePaths: { includes: ['src/**'] } }] }, push('main'), true],
  ['no such path', { push: [{ filePaths: { includes: ['docs/**'] } }] }, push('main'), false],
  ['paths all excluded', { push: [{ filePaths: { excludes: ['src/**', 'README.md'] } }] }, push('main'), false],
  ['some path not excluded', { push: [{ filePaths: { excludes: ['src/**'] } }] }, push('main'), true],
  [
    'the right paths of the wrong branch',
    { push: [{ branches: { includes: ['x'] }, filePaths: {} }] },
    push('y'),
    false,
  ],
  ['the second filter', { push: [{ tags: {} }, { branches: { includes: ['main'] } }] }, push('main'), true],
  ['a pull request to the branch', { pullRequest: [{ branches: { includes: ['main'] } }] }, pull('UPDATED'), true],
  ['one to another branch', { pullRequest: [{ branches: { includes: ['main'] } }] }, pull('OPEN', 'next'), false],
  ['an event not wanted', { pullRequest: [{ events: ['OPEN'], branches: {} }] }, pull('CLOSED'), false],
  ['a pull request where pushes are wanted', { push: [{ branches: { includes: ['**'] } }] }, pull('OPEN'), false],
])('%s', async (_what, filters, happening, starts) => {
  expect(await startsPipeline(filters, happening, async () => ['src/a.ts', 'README.md'])).toBe(starts)
})
