import { execFile, execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  CodeCommitClient,
  CreateRepositoryCommand,
  GetBranchCommand,
  GetRepositoryCommand,
} from '@aws-sdk/client-codecommit'
import { IAMClient, UpdateSSHPublicKeyCommand, UploadSSHPublicKeyCommand } from '@aws-sdk/client-iam'
import ssh2, { type ConnectConfig } from 'ssh2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allow, type Story, story } from '../../../test/story.ts'
import { auditStream } from '../../kernel/audit.ts'
import { flush, pktLine } from './pkt-line.ts'
import { readGitCommand } from './ssh-git.ts'

const run = promisify(execFile)

const hasSsh = (() => {
  try {
    execFileSync('ssh', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()
if (!hasSsh) console.warn('git over SSH is not tried with a real client: there is no ssh (Debian: openssh-client)')

let drydock: Story
let codecommit: CodeCommitClient
let folder: string
let serial = 0

type User = { readonly name: string; readonly keyId: string; readonly privateKey: string; readonly file: string }

beforeAll(async () => {
  drydock = await story({ config: { sshPort: 0 } })
  codecommit = drydock.client(CodeCommitClient)
  folder = await mkdtemp(join(tmpdir(), 'ssh-door-'))
})
afterAll(async () => {
  await drydock.close()
  await rm(folder, { recursive: true, force: true })
})

const port = () => drydock.server.kernel.doors.get('ssh')?.port ?? 0

/** An IAM user with these policies and an SSH key. */
const sshUser = async (policies: object[] = [allow('codecommit:*')]): Promise<User> => {
  const name = `user-${++serial}`
  await drydock.user(name, policies)
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const privateKey = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const { SSHPublicKey } = await drydock.client(IAMClient).send(
    new UploadSSHPublicKeyCommand({
      UserName: name,
      SSHPublicKeyBody: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    }),
  )
  const file = join(folder, `${name}.pem`)
  await writeFile(file, privateKey)
  await chmod(file, 0o600)
  return { name, keyId: SSHPublicKey?.SSHPublicKeyId ?? '', privateKey, file }
}

const newRepository = async (): Promise<string> => {
  const repositoryName = `repository-${++serial}`
  await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
  return repositoryName
}

const url = ({ keyId }: User, name: string) => `ssh://${keyId}@127.0.0.1:${port()}/v1/repos/${name}`

/** git as a user runs it, with ssh and this user's key. */
const git = async (user: User, cwd: string, ...args: string[]): Promise<string> => {
  const ssh = `ssh -i ${user.file} -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR`
  const { stdout, stderr } = await run('git', ['-c', 'user.name=Ana', '-c', 'user.email=ana@example.com', ...args], {
    cwd,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_SSH_COMMAND: ssh,
      LC_ALL: 'C',
    },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout + stderr
}

const commit = async (user: User, tree: string, name: string, content: string | Buffer): Promise<string> => {
  await writeFile(join(tree, name), content)
  await git(user, tree, 'add', '-A')
  await git(user, tree, 'commit', '--quiet', '-m', `Write ${name}`)
  return (await git(user, tree, 'rev-parse', 'HEAD')).trim()
}

/** A work tree with one commit on main, its origin the repository. */
const workTree = async (user: User, repositoryName: string): Promise<{ tree: string; first: string }> => {
  const tree = await mkdtemp(join(folder, 'tree-'))
  await git(user, tree, 'init', '--quiet', '--initial-branch=main')
  await git(user, tree, 'remote', 'add', 'origin', url(user, repositoryName))
  return { tree, first: await commit(user, tree, 'README', 'hello\n') }
}

const audited = async (repositoryName: string) => {
  const entries = await drydock.server.kernel.append.range(auditStream(drydock.account, drydock.region))
  return entries
    .map(({ body }) => JSON.parse(JSON.stringify(body)))
    .filter(({ additionalEventData }) => additionalEventData?.repositoryName === repositoryName)
}

describe.skipIf(!hasSsh)('git with ssh', () => {
  it('pushes, clones, fetches and deletes, told and recorded as over HTTP', async () => {
    const user = await sshUser()
    const repositoryName = await newRepository()
    const { repositoryMetadata } = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    expect(repositoryMetadata?.cloneUrlSsh).toBe(`ssh://127.0.0.1:${port()}/v1/repos/${repositoryName}`)
    const { tree, first } = await workTree(user, repositoryName)
    await git(user, tree, 'push', '--quiet', 'origin', 'main', 'main:topic')
    expect(await git(user, tree, 'push', 'origin', 'main')).toContain('Everything up-to-date')
    const copy = join(folder, `${repositoryName}-copy`)
    await git(user, folder, 'clone', '--quiet', url(user, repositoryName), copy)
    expect((await git(user, copy, 'rev-parse', 'HEAD')).trim()).toBe(first)
    const second = await commit(user, tree, 'b', 'second\n')
    await git(user, tree, 'push', '--quiet', 'origin', 'main')
    await git(user, tree, 'push', '--quiet', 'origin', ':topic')
    // The older protocol takes several questions and answers.
    await git(user, copy, '-c', 'protocol.version=0', 'pull', '--quiet', '--prune')
    expect((await git(user, copy, 'rev-parse', 'HEAD')).trim()).toBe(second)
    expect(await git(user, copy, 'ls-remote', '--heads', 'origin')).not.toContain('topic')
    await drydock.settled()
    const told = drydock.events.flatMap(({ detail }) =>
      detail.repositoryName === repositoryName ? [[detail.event, detail.referenceName, detail.callerUserArn]] : [],
    )
    const arn = `arn:aws:iam::${drydock.account}:user/${user.name}`
    expect(told).toEqual([
      ['referenceCreated', 'main', arn],
      ['referenceCreated', 'topic', arn],
      ['referenceUpdated', 'main', arn],
      ['referenceDeleted', 'topic', arn],
    ])
    const records = await audited(repositoryName)
    expect(records.map(({ eventName }) => eventName)).toEqual(['GitPush', 'GitPull', 'GitPush', 'GitPush', 'GitPull'])
    expect(records[0]).toMatchObject({
      userIdentity: { type: 'IAMUser', arn },
      sourceIPAddress: '127.0.0.1',
      userAgent: expect.stringMatching(/^SSH-2\.0-/),
      requestParameters: { references: [{ ref: 'refs/heads/main', commit: first }, { ref: 'refs/heads/topic' }] },
      additionalEventData: { protocol: 'SSH', dataTransferred: true },
    })
  })

  it('keeps a branch from whom a policy keeps it, and says so', async () => {
    const limited = await sshUser([
      allow(['codecommit:GitPull', 'codecommit:GitPush']),
      {
        Version: '2012-10-17',
        Statement: {
          Effect: 'Deny',
          Action: 'codecommit:GitPush',
          Resource: '*',
          Condition: {
            StringEqualsIfExists: { 'codecommit:References': ['refs/heads/main'] },
            Null: { 'codecommit:References': 'false' },
          },
        },
      },
    ])
    const repositoryName = await newRepository()
    const { tree } = await workTree(limited, repositoryName)
    await expect(git(limited, tree, 'push', 'origin', 'main')).rejects.toThrow(/permission to push changes/)
    await git(limited, tree, 'push', '--quiet', 'origin', 'main:topic')
    await expect(git(limited, tree, 'push', 'origin', 'main')).rejects.toThrow(/is not authorized to perform/)
    const reader = await sshUser([allow('codecommit:GitPull')])
    await expect(git(reader, tree, 'push', url(reader, repositoryName), 'main:x')).rejects.toThrow(/not authorized/)
    const denied = (await audited(repositoryName)).filter(({ errorCode }) => errorCode !== undefined)
    expect(denied.map(({ eventName }) => eventName)).toEqual(['GitPush', 'GitPush', 'GitPush'])
    await expect(git(reader, tree, 'ls-remote', url(reader, 'no-such'))).rejects.toThrow(/does not exist in/)
  })

  it('sends a few megabytes to and fro', async () => {
    const user = await sshUser()
    const repositoryName = await newRepository()
    const { tree } = await workTree(user, repositoryName)
    const last = await commit(user, tree, 'large', randomBytes(2_500_000))
    await git(user, tree, 'push', '--quiet', 'origin', 'main')
    const { branch } = await codecommit.send(new GetBranchCommand({ repositoryName, branchName: 'main' }))
    expect(branch?.commitId).toBe(last)
    const copy = join(folder, `${repositoryName}-copy`)
    await git(user, folder, 'clone', '--quiet', url(user, repositoryName), copy)
    expect((await git(user, copy, 'rev-parse', 'HEAD')).trim()).toBe(last)
  })
})

type Answer = { readonly code: number | null; readonly out: string; readonly err: string }

/** An SSH client that does what we say. */
const open = (username: string, options: ConnectConfig = {}): Promise<InstanceType<typeof ssh2.Client>> =>
  new Promise((resolve, reject) => {
    const client = new ssh2.Client()
    client.on('ready', () => resolve(client)).on('error', reject)
    client.on('close', () => reject(new Error('closed')))
    client.connect({ host: '127.0.0.1', port: port(), username, readyTimeout: 20_000, ...options })
  })

const signIn = ({ keyId, privateKey }: User) => open(keyId, { privateKey })

const execute = (client: InstanceType<typeof ssh2.Client>, command: string, input?: Uint8Array): Promise<Answer> =>
  new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error)
      let [out, err] = ['', '']
      channel.on('data', (chunk: Buffer) => {
        out += chunk
      })
      channel.stderr.on('data', (chunk: Buffer) => {
        err += chunk
      })
      channel.on('close', (code: number | null) => resolve({ code, out, err }))
      if (input) channel.end(input)
    })
  })

describe('who may come in by SSH', () => {
  it('is the owner of an active key, who signs with it', async () => {
    const ana = await sshUser()
    const eve = await sshUser()
    const client = await signIn(ana)
    const refused = /All configured authentication methods failed/
    await expect(open(ana.keyId, { privateKey: eve.privateKey })).rejects.toThrow(refused)
    await expect(open('APKAQAAAAAAAAAAAAAAA', { privateKey: ana.privateKey })).rejects.toThrow(refused)
    await expect(open('root', { privateKey: ana.privateKey })).rejects.toThrow(refused)
    await expect(open('../../etc/passwd', { privateKey: ana.privateKey })).rejects.toThrow(refused)
    await expect(open(ana.keyId, { password: 'test' })).rejects.toThrow(refused)
    const iam = drydock.client(IAMClient)
    const inactive = { UserName: ana.name, SSHPublicKeyId: ana.keyId, Status: 'Inactive' } as const
    await iam.send(new UpdateSSHPublicKeyCommand(inactive))
    await expect(signIn(ana)).rejects.toThrow(refused)
    // A connection from before has no more right than a new one.
    const late = await execute(client, "git-upload-pack '/v1/repos/any'")
    expect(late).toMatchObject({ code: 128, err: 'The SSH key is not active any more.\n' })
    client.end()
  })

  it('has no shell, no other command, no files and no tunnel', async () => {
    const user = await sshUser()
    const repositoryName = await newRepository()
    const client = await signIn(user)
    const path = `/v1/repos/${repositoryName}`
    for (const command of [
      'id',
      `git-upload-pack ${path}`,
      `git-upload-pack '${path}'; id`,
      `git-upload-pack '${path}' --help`,
      `git-upload-pack --help '${path}'`,
      `git-upload-archive '${path}'`,
      `git-upload-pack '$(id)'`,
      `git-upload-pack '/v1/repos/../../etc'`,
      `git-upload-pack '/v1/repos/x/../${repositoryName}'`,
      `git-upload-pack '/etc/passwd'`,
      `git-upload-pack '${path}\n'`,
      `git-upload-pack '${'x'.repeat(30_000)}'`,
      '',
    ])
      expect(await execute(client, command)).toMatchObject({
        code: 128,
        out: '',
        err: expect.stringContaining('Only git-upload-pack'),
      })
    for (const name of ['..', '.git', '-x', '%2e%2e', 'a b'])
      expect(await execute(client, `git-receive-pack '/v1/repos/${name}'`)).toMatchObject({
        code: 128,
        out: '',
        err: expect.stringMatching(/does not exist|Only git/),
      })
    const shell = await new Promise<string>((resolve, reject) => {
      client.shell(false, (error, channel) => {
        if (error) return reject(error)
        let text = ''
        channel.stderr.on('data', (chunk: Buffer) => {
          text += chunk
        })
        channel.on('close', () => resolve(text))
        channel.resume()
      })
    })
    expect(shell).toContain('Interactive shells are not supported.')
    await expect(new Promise((_, reject) => client.sftp((error) => reject(error)))).rejects.toThrow()
    await expect(
      new Promise((_, reject) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, (error) => reject(error))),
    ).rejects.toThrow()
    await expect(
      new Promise((_, reject) => client.forwardIn('127.0.0.1', 0, (error) => reject(error))),
    ).rejects.toThrow()
    // git itself is told no setting of theirs.
    const told = await execute(client, `git-upload-pack '${path}'`, flush)
    expect(told.code).toBe(0)
    client.end()
  })

  it('gets nothing by a push that is none', async () => {
    const user = await sshUser()
    const repositoryName = await newRepository()
    const client = await signIn(user)
    const push = (input: Uint8Array) => execute(client, `git-receive-pack '/v1/repos/${repositoryName}'`, input)
    const id = 'a'.repeat(40)
    const create = (reference: string, capabilities = 'report-status') =>
      Buffer.concat([pktLine(`${'0'.repeat(40)} ${id} ${reference}\0${capabilities}`), flush])
    expect((await push(Buffer.from('garbage that is no pkt-line'))).err).toContain('pkt-line')
    expect((await push(pktLine('no update'))).err).toContain('no reference update')
    expect((await push(create('refs/heads/../../x'))).out).toContain('invalid reference name')
    expect((await push(create('HEAD'))).out).toContain('invalid reference name')
    // A pack that is cut off moves nothing.
    expect((await push(Buffer.concat([create('refs/heads/main'), Buffer.from('PACK')]))).out).not.toContain('ok refs')
    await drydock.settled()
    expect(drydock.events.filter(({ detail }) => detail.repositoryName === repositoryName)).toEqual([])
    expect(drydock.logged).toEqual([])
    client.end()
  })

  it('has ten sessions at a time, and may leave in the middle', async () => {
    const user = await sshUser()
    const repositoryName = await newRepository()
    const client = await signIn(user)
    const begin = () =>
      new Promise<void>((resolve, reject) => {
        client.exec(`git-receive-pack '/v1/repos/${repositoryName}'`, (error, channel) => {
          if (error) reject(error)
          else channel.once('data', () => resolve())
        })
      })
    await Promise.all(Array.from({ length: 10 }, begin))
    await expect(begin()).rejects.toThrow(/Channel open failure/)
    client.destroy()
    // Whoever speaks no SSH is cut off, and the door stays open.
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(port(), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'))
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text)).on('error', () => {})
    })
    expect(answer).toMatch(/^SSH-2\.0-AWSCodeCommit/)
    const again = await signIn(user)
    again.end()
  })
})

it('keeps its host key over a restart and a reset, and is closed unless it is asked for', async () => {
  const about = (one: Story) => [...one.server.kernel.doors.values()].map((door) => door.about)
  const durable = await story({ durable: true, config: { sshPort: 0 } })
  const before = about(durable)
  expect(before).toEqual([expect.stringMatching(/^git over SSH, host key SHA256:[\w+/]{43}$/)])
  const taken = await story({ config: { sshPort: durable.server.kernel.doors.get('ssh')?.port } }).catch(String)
  expect(taken).toMatch(/SSH port \d+ on 127\.0\.0\.1 is taken/)
  await durable.server.reset()
  const again = await durable.restart()
  expect(about(again)).toEqual(before)
  await again.close()
  const none = await story()
  expect(about(none)).toEqual([])
  const made = await none.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: 'web' }))
  expect(made.repositoryMetadata?.cloneUrlSsh).toBeUndefined()
  await none.close()
})

it.each([
  ["git-upload-pack '/v1/repos/web'", { service: 'git-upload-pack', name: 'web', path: '/v1/repos/web' }],
  ["git-receive-pack 'v1/repos/web.git/'", { service: 'git-receive-pack', name: 'web', path: 'v1/repos/web.git/' }],
  ["git-upload-pack '/v1/repos/a/b'", undefined],
  ["git-upload-pack '/v1/repos/'", undefined],
  ["git upload-pack '/v1/repos/web'", undefined],
])('reads the command %s', (line, command) => {
  expect(readGitCommand(line)).toEqual(command)
})
