import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Story, story } from '../story.ts'

const run = promisify(execFile)

const present = (() => {
  try {
    execFileSync('aws', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('skipped: the journey of git with the AWS CLI credential helper, because there is no aws program here')
    return false
  }
})()

describe.skipIf(!present)('git with the AWS CLI', () => {
  let drydock: Story
  let folder: string
  beforeAll(async () => {
    drydock = await story()
    folder = await mkdtemp(join(tmpdir(), 'journey-'))
    const helper = '!f() { test "$1" = get && aws codecommit credential-helper get --ignore-host-check; }; f'
    await git('config', '--global', 'credential.helper', helper)
    await git('config', '--global', 'credential.UseHttpPath', 'true')
    await git('config', '--global', 'user.name', 'Ana')
    await git('config', '--global', 'user.email', 'ana@example.com')
  })
  afterAll(async () => {
    await drydock.close()
    await rm(folder, { recursive: true, force: true })
  })

  const program = async (name: string, args: string[], changes: Record<string, string> = {}) => {
    const { stdout } = await run(name, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH ?? '',
        HOME: folder,
        PYENV_VERSION: process.env.PYENV_VERSION ?? '',
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_NOSYSTEM: '1',
        AWS_ENDPOINT_URL: drydock.endpoint,
        AWS_REGION: drydock.region,
        AWS_DEFAULT_REGION: drydock.region,
        AWS_DEFAULT_OUTPUT: 'json',
        AWS_ACCESS_KEY_ID: drydock.root.accessKeyId,
        AWS_SECRET_ACCESS_KEY: drydock.root.secretAccessKey,
        AWS_EC2_METADATA_DISABLED: 'true',
        ...changes,
      },
    })
    return stdout
  }
  const git = (...args: string[]) => program('git', args)
  const aws = async (...args: string[]) => {
    const answer = await program('aws', ['codecommit', ...args])
    return answer === '' ? {} : JSON.parse(answer)
  }

  it('creates, pushes, clones and reads, signed by its credential helper', { timeout: 60_000 }, async () => {
    const { repositoryMetadata } = await aws('create-repository', '--repository-name', 'web', '--tags', 'team=a')
    expect(repositoryMetadata.Arn).toBe(`arn:aws:codecommit:us-east-1:${drydock.account}:web`)
    // The address that CodeCommit hands out, its host name ending in .localhost.
    await git('clone', '--quiet', repositoryMetadata.cloneUrlHttp, 'work')
    await writeFile(join(folder, 'work', 'README'), 'hello\n')
    await git('-C', 'work', 'add', '-A')
    await git('-C', 'work', 'commit', '--quiet', '-m', 'First')
    await git('-C', 'work', 'push', '--quiet', 'origin', 'HEAD:main')
    const tip = (await git('-C', 'work', 'rev-parse', 'HEAD')).trim()
    const { branch } = await aws('get-branch', '--repository-name', 'web', '--branch-name', 'main')
    expect(branch.commitId).toBe(tip)

    // The same repository by a path of the endpoint.
    await git('clone', '--quiet', `${drydock.endpoint}/v1/repos/web`, 'copy')
    expect(await readFile(join(folder, 'copy', 'README'), 'utf8')).toBe('hello\n')
    const file = await aws('get-file', '--repository-name', 'web', '--file-path', 'README')
    expect(Buffer.from(file.fileContent, 'base64').toString()).toBe('hello\n')
  })

  it('is refused with a wrong secret', { timeout: 60_000 }, async () => {
    const listing = program('git', ['ls-remote', `${drydock.endpoint}/v1/repos/web`], {
      AWS_SECRET_ACCESS_KEY: 'wrong',
    })
    await expect(listing).rejects.toThrow(/403/)
  })
})
