import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../story.ts'

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

  it('takes a pull request from its opening to the merge', { timeout: 180_000 }, async () => {
    await aws('create-repository', '--repository-name', 'reviewed')
    const inRepository = ['--repository-name', 'reviewed']
    const url = `${drydock.endpoint}/v1/repos/reviewed`
    await git('clone', '--quiet', url, 'reviewed')
    const commit = async (file: string, branch: string) => {
      await writeFile(join(folder, 'reviewed', file), `${file}\n`)
      await git('-C', 'reviewed', 'add', '-A')
      await git('-C', 'reviewed', 'commit', '--quiet', '-m', `Add ${file}`)
      await git('-C', 'reviewed', 'push', '--quiet', 'origin', `HEAD:${branch}`)
      return (await git('-C', 'reviewed', 'rev-parse', 'HEAD')).trim()
    }
    const before = await commit('README', 'main')
    const after = await commit('feature', 'feature')
    const keys = await drydock.user('reviewer', [allow('codecommit:*')])
    const reviewer = {
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    }
    const review = (...args: string[]) => program('aws', ['codecommit', ...args], reviewer)
    const { pullRequest } = await aws(
      ...['create-pull-request', '--title', 'A feature'],
      ...['--targets', 'repositoryName=reviewed,sourceReference=feature,destinationReference=main'],
    )
    const { pullRequestId, revisionId } = pullRequest
    const thePullRequest = ['--pull-request-id', pullRequestId]
    const content = { Version: '2018-11-08', Statements: [{ Type: 'Approvers', NumberOfApprovalsNeeded: 1 }] }
    await aws(
      ...['create-pull-request-approval-rule', ...thePullRequest, '--approval-rule-name', 'One'],
      ...['--approval-rule-content', JSON.stringify(content)],
    )
    await review(
      ...['post-comment-for-pull-request', ...thePullRequest, ...inRepository, '--content', 'Well done'],
      ...['--before-commit-id', before, '--after-commit-id', after],
      ...['--location', 'filePath=feature,filePosition=1,relativeFileVersion=AFTER'],
    )
    const squash = ['merge-pull-request-by-squash', ...thePullRequest, ...inRepository]
    await expect(aws(...squash)).rejects.toThrow(/PullRequestApprovalRulesNotSatisfiedException/)
    await review(
      ...['update-pull-request-approval-state', ...thePullRequest],
      ...['--revision-id', revisionId, '--approval-state', 'APPROVE'],
    )
    const merged = await aws(...squash, '--commit-message', 'The feature')
    expect(merged.pullRequest.pullRequestStatus).toBe('CLOSED')
    const { commentsForPullRequestData } = await aws('get-comments-for-pull-request', ...thePullRequest)
    expect(commentsForPullRequestData[0].comments[0].content).toBe('Well done')
    await git('clone', '--quiet', url, 'merged')
    expect(await readFile(join(folder, 'merged', 'feature'), 'utf8')).toBe('feature\n')
    expect((await git('-C', 'merged', 'log', '-1', '--format=%s')).trim()).toBe('The feature')
  })

  it('does not let a protected branch be pushed to', { timeout: 120_000 }, async () => {
    await aws('create-repository', '--repository-name', 'protected')
    const deny = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Deny',
          Action: 'codecommit:GitPush',
          Resource: '*',
          Condition: {
            StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
            Null: { 'codecommit:References': 'false' },
          },
        },
      ],
    }
    const keys = await drydock.user('junior', [allow('codecommit:*'), deny])
    const junior = { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey }
    await git('init', '--quiet', 'protected')
    await git('-C', 'protected', 'commit', '--quiet', '--allow-empty', '-m', 'First')
    const push = (branch: string) =>
      program(
        'git',
        ['-C', 'protected', 'push', '--quiet', `${drydock.endpoint}/v1/repos/protected`, `HEAD:${branch}`],
        junior,
      )
    await expect(push('refs/heads/main')).rejects.toThrow(/permission/)
    await push('refs/heads/feature')
    const { branches } = await aws('list-branches', '--repository-name', 'protected')
    expect(branches).toEqual(['feature'])
  })

  it('is refused with a wrong secret', { timeout: 60_000 }, async () => {
    const listing = program('git', ['ls-remote', `${drydock.endpoint}/v1/repos/web`], {
      AWS_SECRET_ACCESS_KEY: 'wrong',
    })
    await expect(listing).rejects.toThrow(/403/)
  })
})
