import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import {
  CodeCommitClient,
  CreateRepositoryCommand,
  GetBranchCommand,
  GetCommitCommand,
  GetRepositoryCommand,
  PutFileCommand,
} from '@aws-sdk/client-codecommit'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Keys, type Story, story } from '../../../test/story.ts'
import { auditStream } from '../../kernel/audit.ts'
import { git, zeroId } from './git.ts'
import { service } from './index.ts'
import { flush, pktLine, readLines } from './pkt-line.ts'
import { announcement, PendingMoves } from './references.ts'
import { databaseOf } from './repositories.ts'
import { signGit } from './signature.ts'

const run = promisify(execFile)

let drydock: Story
let codecommit: CodeCommitClient
let folder: string
let repositoryName: string
let serial = 0

beforeAll(async () => {
  drydock = await story()
  codecommit = drydock.client(CodeCommitClient)
  folder = await mkdtemp(join(tmpdir(), 'git-door-'))
})
afterAll(async () => {
  await drydock.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  repositoryName = `repository-${++serial}`
  await codecommit.send(new CreateRepositoryCommand({ repositoryName }))
})

/** What the AWS CLI's credential helper makes for a repository at the endpoint. */
const credentials = (path: string, keys: Keys = drydock.root, host = '127.0.0.1'): string => {
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d+Z$/g, '')
  const signature = signGit({ secret: keys.secretAccessKey, region: 'us-east-1', host, path, timestamp })
  const userName = keys.sessionToken ? `${keys.accessKeyId}%${keys.sessionToken}` : keys.accessKeyId
  return `Basic ${Buffer.from(`${userName}:${timestamp}Z${signature}`).toString('base64')}`
}

type GitOptions = { in?: string; authorization?: string | undefined }

/** git as a user runs it, with nothing but what we give it. */
const client = async (args: string[], options: GitOptions = {}): Promise<string> => {
  const authorization = 'authorization' in options ? options.authorization : credentials(`/v1/repos/${repositoryName}`)
  const config = authorization ? ['-c', `http.extraHeader=Authorization: ${authorization}`] : []
  const { stdout, stderr } = await run('git', [...config, '-c', 'credential.helper=', ...args], {
    cwd: options.in ?? folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Ana',
      GIT_AUTHOR_EMAIL: 'ana@example.com',
      GIT_COMMITTER_NAME: 'Ana',
      GIT_COMMITTER_EMAIL: 'ana@example.com',
      LC_ALL: 'C',
    },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout + stderr
}

const url = (): string => `${drydock.endpoint}/v1/repos/${repositoryName}`

/** A work tree with one commit on main, its origin the repository. */
const workTree = async (files: Record<string, string | Buffer> = { README: 'hello\n' }): Promise<string> => {
  const tree = await mkdtemp(join(folder, 'tree-'))
  await client(['init', '--quiet', '--initial-branch=main', tree])
  await client(['remote', 'add', 'origin', url()], { in: tree })
  await commit(tree, files, 'First')
  return tree
}

const commit = async (tree: string, files: Record<string, string | Buffer>, message: string): Promise<string> => {
  for (const [name, content] of Object.entries(files)) await writeFile(join(tree, name), content)
  await client(['add', '-A'], { in: tree })
  await client(['commit', '--quiet', '-m', message], { in: tree })
  return (await client(['rev-parse', 'HEAD'], { in: tree })).trim()
}

const happened = async () => {
  await drydock.settled()
  return drydock.events
    .map(({ detail }) => detail)
    .filter((detail) => detail.repositoryName === repositoryName)
    .map(({ event, referenceFullName, commitId, oldCommitId }) => [event, referenceFullName, commitId, oldCommitId])
}

const audited = async (eventName: string) => {
  const entries = await drydock.server.kernel.append.range(auditStream(drydock.account, drydock.region))
  return entries
    .map(({ body }) => JSON.parse(JSON.stringify(body)))
    .filter((record) => record.eventName === eventName && record.additionalEventData?.repositoryName === repositoryName)
}

describe('git', () => {
  it('pushes to an empty repository, which gets its default branch, and clones it', async () => {
    const tree = await workTree()
    const first = (await client(['rev-parse', 'HEAD'], { in: tree })).trim()
    await client(['push', '--quiet', 'origin', 'main'], { in: tree })
    const { repositoryMetadata } = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    expect(repositoryMetadata?.defaultBranch).toBe('main')
    const { branch } = await codecommit.send(new GetBranchCommand({ repositoryName, branchName: 'main' }))
    expect(branch?.commitId).toBe(first)
    const { commit: read } = await codecommit.send(new GetCommitCommand({ repositoryName, commitId: first }))
    expect(read).toMatchObject({ message: 'First\n', author: { name: 'Ana', email: 'ana@example.com' } })
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['clone', '--quiet', url(), copy])
    expect(await readFile(join(copy, 'README'), 'utf8')).toBe('hello\n')
    expect(await happened()).toEqual([['referenceCreated', 'refs/heads/main', first, undefined]])
    expect(await audited('GitPush')).toMatchObject([
      {
        eventSource: 'codecommit.amazonaws.com',
        requestParameters: { references: [{ ref: 'refs/heads/main', commit: first }] },
        resources: [{ ARN: expect.stringMatching(`:${repositoryName}$`), accountId: drydock.account }],
        additionalEventData: {
          protocol: 'HTTP',
          capabilities: expect.arrayContaining(['report-status-v2', 'side-band-64k']),
          dataTransferred: true,
          repositoryId: expect.any(String),
        },
        readOnly: false,
      },
    ])
    expect(await audited('GitPull')).toHaveLength(1)
  })

  it('takes the first branch for the default one, whatever its name', async () => {
    const tree = await workTree()
    await client(['push', '--quiet', 'origin', 'main:trunk', 'main:zzz'], { in: tree })
    const { repositoryMetadata } = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    expect(repositoryMetadata?.defaultBranch).toBe('trunk')
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['clone', '--quiet', url(), copy])
    expect((await client(['branch', '--show-current'], { in: copy })).trim()).toBe('trunk')
  })

  it('tells of updates, tags, forced updates and deletions, one event each', async () => {
    const tree = await workTree()
    const first = (await client(['rev-parse', 'HEAD'], { in: tree })).trim()
    await client(['push', '--quiet', 'origin', 'main', 'main:old'], { in: tree })
    const second = await commit(tree, { README: 'two\n' }, 'Second')
    await client(['tag', 'v1'], { in: tree })
    await client(['push', '--quiet', 'origin', 'main', 'v1'], { in: tree })
    await client(['push', '--quiet', '--force', 'origin', `${first}:refs/heads/main`], { in: tree })
    await client(['push', '--quiet', 'origin', ':old'], { in: tree })
    expect(await happened()).toEqual([
      ['referenceCreated', 'refs/heads/main', first, undefined],
      ['referenceCreated', 'refs/heads/old', first, undefined],
      ['referenceUpdated', 'refs/heads/main', second, first],
      ['referenceCreated', 'refs/tags/v1', second, undefined],
      ['referenceUpdated', 'refs/heads/main', first, second],
      ['referenceDeleted', 'refs/heads/old', undefined, first],
    ])
  })

  it('refuses what git refuses, and tells of nothing', async () => {
    const tree = await workTree()
    await client(['push', '--quiet', 'origin', 'main'], { in: tree })
    const before = await happened()
    await expect(client(['push', 'origin', ':main'], { in: tree })).rejects.toThrow(
      /deletion of the current branch prohibited/,
    )
    await client(['commit', '--quiet', '--amend', '-m', 'Other'], { in: tree })
    await expect(client(['push', 'origin', 'main'], { in: tree })).rejects.toThrow(/non-fast-forward|fetch first/)
    expect(await happened()).toEqual(before)
  })

  it.each(['0', '1', '2'])('speaks protocol version %s', async (version) => {
    const tree = await workTree()
    await client(['-c', `protocol.version=${version}`, 'push', '--quiet', 'origin', 'main'], { in: tree })
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['-c', `protocol.version=${version}`, 'clone', '--quiet', url(), copy])
    const second = await commit(tree, { README: 'two\n' }, 'Second')
    await client(['push', '--quiet', 'origin', 'main'], { in: tree })
    await client(['-c', `protocol.version=${version}`, 'pull', '--quiet'], { in: copy })
    expect((await client(['rev-parse', 'HEAD'], { in: copy })).trim()).toBe(second)
    expect(await client(['-c', `protocol.version=${version}`, 'ls-remote', url()])).toContain(
      `${second}\trefs/heads/main`,
    )
  })

  it('clones shallowly, deepens, and pushes from a shallow clone', async () => {
    const tree = await workTree()
    for (const number of ['2', '3']) await commit(tree, { README: number }, number)
    await client(['push', '--quiet', 'origin', 'main'], { in: tree })
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['clone', '--quiet', '--depth=1', url(), copy])
    expect((await client(['rev-list', '--count', 'HEAD'], { in: copy })).trim()).toBe('1')
    await commit(copy, { README: '4' }, '4')
    await client(['push', '--quiet', 'origin', 'main'], { in: copy })
    await client(['fetch', '--quiet', '--unshallow'], { in: copy })
    expect((await client(['rev-list', '--count', 'HEAD'], { in: copy })).trim()).toBe('4')
  })

  it('streams a large push in chunks and back', async () => {
    const { randomBytes } = await import('node:crypto')
    const large = randomBytes(12 * 1024 * 1024)
    const tree = await workTree({ large })
    await client(['-c', 'http.postBuffer=65536', 'push', '--quiet', 'origin', 'main'], { in: tree })
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['clone', '--quiet', url(), copy])
    expect((await readFile(join(copy, 'large'))).equals(large)).toBe(true)
  })

  it('negotiates over many references with compressed requests', async () => {
    const tree = await workTree()
    const tip = (await client(['rev-parse', 'HEAD'], { in: tree })).trim()
    await client(
      ['push', '--quiet', 'origin', 'main', ...Array.from({ length: 60 }, (_, index) => `main:b/${index}`)],
      { in: tree },
    )
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['clone', '--quiet', url(), copy])
    for (let index = 0; index < 20; index++) await commit(copy, { README: `local ${index}` }, `${index}`)
    const second = await commit(tree, { README: 'two\n' }, 'Second')
    await client(['push', '--quiet', 'origin', 'main'], { in: tree })
    await client(['-c', 'protocol.version=0', 'fetch', '--quiet'], { in: copy })
    expect((await client(['rev-parse', 'origin/main'], { in: copy })).trim()).toBe(second)
    expect(await happened()).toHaveLength(62)
    expect(tip).not.toBe(second)
  })

  it('sees what the API commits', async () => {
    const put = (changes: object) =>
      codecommit.send(
        new PutFileCommand({
          repositoryName,
          branchName: 'main',
          filePath: 'a/b',
          fileContent: Buffer.from('from the API\n'),
          ...changes,
        }),
      )
    const { commitId } = await put({})
    const copy = join(folder, `${repositoryName}-copy`)
    await client(['clone', '--quiet', url(), copy])
    expect(await readFile(join(copy, 'a/b'), 'utf8')).toBe('from the API\n')
    const second = await put({ parentCommitId: commitId, filePath: 'c' })
    await client(['pull', '--quiet'], { in: copy })
    expect((await client(['rev-parse', 'HEAD'], { in: copy })).trim()).toBe(second.commitId)
    await client(['fsck', '--strict'], { in: copy })
  })

  it('takes pushes at once: to different branches all of them, to one branch one', async () => {
    const trees = await Promise.all(['a', 'b', 'c', 'd'].map((name) => workTree({ [name]: name })))
    await Promise.all(trees.map((tree, index) => client(['push', '--quiet', 'origin', `main:b${index}`], { in: tree })))
    const race = await Promise.allSettled(
      trees.map((tree) => client(['push', '--quiet', 'origin', 'main:same'], { in: tree })),
    )
    expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const created = (await happened()).map(([event, reference]) => `${event} ${reference}`).sort()
    expect(created).toEqual(['b0', 'b1', 'b2', 'b3', 'same'].map((name) => `referenceCreated refs/heads/${name}`))
  })

  it('reaches a repository by the host name that CodeCommit hands out, and with .git at the end', async () => {
    const tree = await workTree()
    const { repositoryMetadata } = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    const authorization = credentials(`/v1/repos/${repositoryName}`, drydock.root, 'git-codecommit.us-east-1.localhost')
    await client(['push', '--quiet', repositoryMetadata?.cloneUrlHttp ?? '', 'main'], { in: tree, authorization })
    const suffixed = credentials(`/v1/repos/${repositoryName}.git`)
    expect(await client(['ls-remote', `${url()}.git`], { authorization: suffixed })).toContain('refs/heads/main')
  })
})

describe('callers', () => {
  it('without credentials are asked for them, with wrong ones refused', async () => {
    const asked = await fetch(`${url()}/info/refs?service=git-upload-pack`)
    expect(asked.status).toBe(401)
    expect(asked.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    const wrong = { ...drydock.root, secretAccessKey: 'wrong' }
    const path = `/v1/repos/${repositoryName}`
    const late = credentials(path).replace(/^Basic (.*)$/, (_, encoded: string) => {
      const text = Buffer.from(encoded, 'base64').toString()
      return `Basic ${Buffer.from(text.replace(/:\d{8}/, ':20200101')).toString('base64')}`
    })
    const others = [
      credentials(path, wrong),
      credentials(path, { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' }),
      credentials(path, { ...drydock.root, sessionToken: 'made-up' }),
      credentials('/v1/repos/another'),
      late,
    ]
    for (const authorization of others) {
      const answer = await fetch(`${url()}/info/refs?service=git-upload-pack`, { headers: { authorization } })
      expect([answer.status, await answer.text()]).toEqual([403, expect.stringMatching(/not valid/)])
      await expect(client(['ls-remote', url()], { authorization })).rejects.toThrow(/403/)
    }
  })

  it('learn that a repository is not there', async () => {
    repositoryName = 'nobody'
    await expect(client(['ls-remote', url()])).rejects.toThrow(/not found/)
  })
})

describe('hostile requests', () => {
  const post = (what: string, body: Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${url()}/${what}`, {
      method: 'POST',
      body: Buffer.from(body),
      headers: {
        authorization: credentials(`/v1/repos/${repositoryName}`),
        'content-type': `application/x-${what}-request`,
        ...headers,
      },
    })
  const id = '1'.repeat(40)

  it.each([
    ['no pkt-lines', Buffer.from('GET / HTTP/1.1')],
    ['a command that is none', Buffer.concat([pktLine('rm -rf /\n'), flush])],
  ])('%s are refused', async (_, body) => {
    expect((await post('git-receive-pack', body)).status).toBe(400)
    expect(await happened()).toEqual([])
  })

  it.each(['HEAD', 'refs/heads/../../config', 'refs/heads/-x/..', 'config', 'refs/heads/a.lock'])(
    '%s cannot be pushed',
    async (name) => {
      const body = Buffer.concat([pktLine(`${zeroId} ${id} ${name}\0report-status`), flush])
      const answer = Buffer.from(await (await post('git-receive-pack', body)).arrayBuffer())
      expect(readLines(answer).map((line) => line?.toString())).toContain(`ng ${name} invalid reference name\n`)
      expect(await happened()).toEqual([])
    },
  )

  it('a pack that is missing moves nothing', async () => {
    const body = Buffer.concat([pktLine(`${zeroId} ${id} refs/heads/main\0report-status`), flush])
    const answer = await (await post('git-receive-pack', body)).text()
    expect(answer).not.toContain('ok refs/heads/main')
    expect(await happened()).toEqual([])
  })

  it('wrong methods, services, types and encodings have their statuses', async () => {
    const headers = { authorization: credentials(`/v1/repos/${repositoryName}`) }
    expect((await fetch(`${url()}/info/refs`, { headers })).status).toBe(400)
    expect((await fetch(`${url()}/info/refs?service=git-shell`, { headers })).status).toBe(400)
    expect((await fetch(`${url()}/git-upload-pack`, { headers })).status).toBe(405)
    expect((await post('git-upload-pack', flush, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post('git-upload-pack', flush, { 'content-encoding': 'br' })).status).toBe(415)
  })

  it('a body that is not what its encoding says is refused', async () => {
    const cut = gzipSync(Buffer.alloc(100_000, 'x')).subarray(0, 50)
    const answer = await post('git-receive-pack', cut, { 'content-encoding': 'gzip' })
    expect(answer.status).toBe(400)
  })
})

describe('a server that dies', () => {
  /** git has made a branch, and the process that had it do so is gone. */
  const leaveOrphan = async (): Promise<string> => {
    const { repositoryMetadata } = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    const repositoryId = repositoryMetadata?.repositoryId ?? ''
    const { kernel } = drydock.server
    const ctx = kernel.ownContext(service, { account: drydock.account, region: drydock.region })
    const database = `--git-dir=${databaseOf(ctx, repositoryId)}`
    const tree = (await git([database, 'hash-object', '-w', '-t', 'tree', '--stdin'], { input: '' })).toString().trim()
    const text = `tree ${tree}\nauthor A <> 1 +0000\ncommitter A <> 1 +0000\n\nm`
    const made = (await git([database, 'hash-object', '-w', '-t', 'commit', '--stdin'], { input: text }))
      .toString()
      .trim()
    await git([database, 'update-ref', '--', 'refs/heads/main', made])
    const moves = [
      { reference: 'refs/heads/main', from: zeroId, to: made },
      { reference: 'refs/heads/refused', from: zeroId, to: made },
    ]
    const callerArn = 'arn:aws:iam::1:user/a'
    await ctx.write(async (tx) => {
      tx.put(PendingMoves, { id: 'x', repositoryId, callerArn, since: ctx.now().toISOString(), moves })
      tx.wake(announcement.name, repositoryId)
    })
    return made
  }

  it('after git moved a branch and before it told of it, tells of it afterwards', async () => {
    const made = await leaveOrphan()
    expect(await happened()).toEqual([])
    await drydock.advance({ seconds: 10 })
    expect(await happened()).toEqual([['referenceCreated', 'refs/heads/main', made, undefined]])
    await drydock.advance({ minutes: 5 })
    expect(await happened()).toHaveLength(1)
    const found = await codecommit.send(new GetRepositoryCommand({ repositoryName }))
    expect(found.repositoryMetadata?.defaultBranch).toBe('main')
  })

  it('has that told before the branch moves on, when nothing would show it any more', async () => {
    const made = await leaveOrphan()
    const { commitId } = await codecommit.send(
      new PutFileCommand({
        ...{ repositoryName, branchName: 'main', parentCommitId: made },
        ...{ filePath: 'f', fileContent: Buffer.from('x') },
      }),
    )
    expect(await happened()).toEqual([
      ['referenceCreated', 'refs/heads/main', made, undefined],
      ['referenceUpdated', 'refs/heads/main', commitId, made],
    ])
    await drydock.advance({ minutes: 5 })
    expect(await happened()).toHaveLength(2)
  })
})
