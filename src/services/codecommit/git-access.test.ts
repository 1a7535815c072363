import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CodeCommitClient, CreateRepositoryCommand, GetBranchCommand, PutFileCommand } from '@aws-sdk/client-codecommit'
import {
  CreateServiceSpecificCredentialCommand,
  IAMClient,
  UpdateServiceSpecificCredentialCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { auditStream } from '../../kernel/audit.ts'

const run = promisify(execFile)
const name = 'web'

let drydock: Story
let folder: string
beforeAll(async () => {
  drydock = await story()
  folder = await mkdtemp(join(tmpdir(), 'git-access-'))
  const codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: name }))
  await codecommit.send(
    new PutFileCommand({
      repositoryName: name,
      branchName: 'main',
      filePath: 'README',
      fileContent: Buffer.from('hello\n'),
    }),
  )
})
afterAll(async () => {
  await drydock.close()
  await rm(folder, { recursive: true, force: true })
})

type GitCredential = { readonly id: string; readonly userName: string; readonly password: string }

/** A user with these policies and Git credentials of his own. */
const gitUser = async (userName: string, policies: object[]): Promise<GitCredential> => {
  await drydock.user(userName, policies)
  const { ServiceSpecificCredential: made } = await drydock
    .client(IAMClient)
    .send(new CreateServiceSpecificCredentialCommand({ UserName: userName, ServiceName: 'codecommit.amazonaws.com' }))
  return {
    id: made?.ServiceSpecificCredentialId ?? '',
    userName: made?.ServiceUserName ?? '',
    password: made?.ServicePassword ?? '',
  }
}

const url = ({ userName, password }: Pick<GitCredential, 'userName' | 'password'>) => {
  const { host } = new URL(drydock.endpoint)
  return `http://${encodeURIComponent(userName)}:${encodeURIComponent(password)}@${host}/v1/repos/${name}`
}

const git = async (cwd: string, ...args: string[]): Promise<string> => {
  const { stdout, stderr } = await run('git', ['-c', 'user.name=Ana', '-c', 'user.email=ana@example.com', ...args], {
    cwd,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      LC_ALL: 'C',
    },
  })
  return stdout + stderr
}

const tip = async (branchName: string): Promise<string | undefined> => {
  const command = new GetBranchCommand({ repositoryName: name, branchName })
  return (
    await drydock
      .client(CodeCommitClient)
      .send(command)
      .catch(() => undefined)
  )?.branch?.commitId
}

/** AWS's own example: no one pushes to main (CodeCommit user guide, "Limit pushes and merges to branches"). */
const notToMain = () => ({
  Version: '2012-10-17',
  Statement: {
    Effect: 'Deny',
    Action: ['codecommit:GitPush', 'codecommit:DeleteBranch', 'codecommit:PutFile'],
    Resource: `arn:aws:codecommit:us-east-1:${drydock.account}:${name}`,
    Condition: {
      StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
      Null: { 'codecommit:References': 'false' },
    },
  },
})

describe('a user with Git credentials', () => {
  it('pulls and pushes what his policies allow', async () => {
    const ana = await gitUser('ana', [allow(['codecommit:GitPull', 'codecommit:GitPush'])])
    const work = join(folder, 'ana')
    await git(folder, 'clone', '--quiet', url(ana), work)
    await writeFile(join(work, 'ana'), 'was here\n')
    await git(work, 'add', '-A')
    await git(work, 'commit', '--quiet', '-m', 'Ana')
    await git(work, 'push', '--quiet', 'origin', 'HEAD:refs/heads/ana')
    expect(await tip('ana')).toBe((await git(work, 'rev-parse', 'HEAD')).trim())
    await drydock.settled()
    const callers = drydock.events
      .filter(({ detail }) => detail.referenceName === 'ana')
      .map(({ detail }) => detail.callerUserArn)
    expect(callers).toEqual([`arn:aws:iam::${drydock.account}:user/ana`])
  })

  it('is refused a push of any reference when one is denied, and told why', async () => {
    const bob = await gitUser('bob', [allow('codecommit:Git*'), notToMain()])
    const work = join(folder, 'bob')
    await git(folder, 'clone', '--quiet', url(bob), work)
    const before = await tip('main')
    await git(work, 'commit', '--quiet', '--allow-empty', '-m', 'Bob')
    const push = git(work, 'push', 'origin', 'HEAD:refs/heads/main', 'HEAD:refs/heads/bob')
    await expect(push).rejects.toMatchObject({
      message: expect.stringMatching(
        /remote: User: arn:aws:iam::\d+:user\/bob is not authorized to perform: codecommit:GitPush[\s\S]*\[remote rejected\] HEAD -> main \(You don't have permission to push changes to this branch\.\)/,
      ),
    })
    expect([await tip('main'), await tip('bob')]).toEqual([before, undefined])
    await git(work, 'push', '--quiet', 'origin', 'HEAD:refs/heads/bob')
    expect(await tip('bob')).toBeDefined()
    const entries = await drydock.server.kernel.append.range(auditStream(drydock.account, drydock.region))
    const denials = entries
      .map(({ body }) => JSON.parse(JSON.stringify(body)))
      .filter((record) => record.eventName === 'GitPush' && record.errorCode && record.userIdentity.userName === 'bob')
    expect(denials).toMatchObject([
      { userIdentity: { userName: 'bob' }, errorMessage: expect.stringContaining('codecommit:GitPush') },
    ])
  })

  it('who may only pull does not push, who may nothing does not pull', async () => {
    const eve = await gitUser('eve', [allow('codecommit:GitPull')])
    const work = join(folder, 'eve')
    await git(folder, 'clone', '--quiet', url(eve), work)
    await expect(git(work, 'push', 'origin', 'HEAD:refs/heads/eve')).rejects.toThrow(/403/)
    const mal = await gitUser('mal', [])
    await expect(git(folder, 'ls-remote', url(mal))).rejects.toThrow(
      /not authorized to perform: codecommit:GitPull[\s\S]*403/,
    )
  })

  it('with a wrong password, or an inactive credential, is nobody', async () => {
    const kim = await gitUser('kim', [allow('codecommit:*')])
    await expect(git(folder, 'ls-remote', url({ ...kim, password: 'wrong' }))).rejects.toThrow(/403/)
    await expect(git(folder, 'ls-remote', url({ ...kim, userName: 'ana' }))).rejects.toThrow(/403/)
    await git(folder, 'ls-remote', url(kim))
    await drydock.client(IAMClient).send(
      new UpdateServiceSpecificCredentialCommand({
        UserName: 'kim',
        ServiceSpecificCredentialId: kim.id,
        Status: 'Inactive',
      }),
    )
    await expect(git(folder, 'ls-remote', url(kim))).rejects.toThrow(/403/)
  })

  it('who breaks off a push has changed nothing, and the server goes on', async () => {
    const lee = await gitUser('lee', [allow('codecommit:*')])
    const before = await tip('main')
    const head = `${before} ${'1'.repeat(40)} refs/heads/main\0report-status`
    await new Promise<void>((resolve) => {
      const { hostname, port } = new URL(drydock.endpoint)
      const push = request({
        hostname,
        port,
        method: 'POST',
        path: `/v1/repos/${name}/git-receive-pack`,
        auth: `${lee.userName}:${lee.password}`,
        headers: { 'content-type': 'application/x-git-receive-pack-request', 'content-length': 1_000_000 },
      })
      push.on('error', () => resolve())
      push.write(`${(head.length + 4).toString(16).padStart(4, '0')}${head}0000PACK`, () => push.destroy())
    })
    expect(await git(folder, 'ls-remote', url(lee))).toContain(`${before}\trefs/heads/main`)
  })
})
