import { expect, it } from 'vitest'
import { git, lacksGit, outputOf, runGit } from './git.ts'

it('sees nothing of the configuration and the variables of whoever runs the server', async () => {
  const listed = (await git(['config', '--list', '--show-scope'])).toString()
  expect(listed.split('\n').filter((line) => line && !line.startsWith('command'))).toEqual([])
})

it('a host without git is CodeCommit’s own error', async () => {
  const without = { env: { PATH: '/nonexistent' } }
  const error = expect.objectContaining({
    code: 'ServiceUnavailable',
    status: 503,
    message: expect.stringContaining('Install git'),
  })
  await expect(runGit(['--version'], without)).rejects.toEqual(error)
  await expect(outputOf(['--version'], without).next()).rejects.toEqual(error)
})

it('exit codes are told, and a failure names its reason', async () => {
  expect((await runGit(['rev-parse', '--verify', '--quiet', 'x'])).code).not.toBe(0)
  await expect(git(['cat-file', 'blob', 'x'])).rejects.toThrow(
    /^git cat-file ended with 128: fatal: not a git repository/,
  )
})

it('this host lacks nothing', async () => expect(await lacksGit()).toBeUndefined())
