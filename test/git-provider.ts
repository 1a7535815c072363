import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

// A small Git provider for stories: git's own HTTP backend, and of the APIs of GitHub, GitLab and Bitbucket what is asked here.
// Whoever does not show the token gets nothing.

const run = promisify(execFile)

type Recorded = { readonly method: string; readonly path: string; readonly body: Record<string, unknown> }

export type Pull = {
  readonly number: number
  readonly title: string
  readonly state: 'closed' | 'merged' | 'open'
  readonly branch: string
  readonly commit: string
  readonly base: string
}

export type GitProvider = {
  readonly url: string
  readonly token: string
  readonly user: string
  /** What was asked of the API beside reading: statuses, hooks. */
  readonly asked: readonly Recorded[]
  /** Pull requests as they stand. */
  readonly pulls: Pull[]
  /** What somebody may do in every repository: `admin`, `write` or `read`. */
  readonly roles: Map<string, string>
  /** How often pull requests were answered anew, not by 304. */
  pullAnswers(): number
  /** Refuses what is asked of its API by such a path, from now on. */
  refuse(path: RegExp | undefined): void
  /** Writes files (`undefined` deletes one) on a branch, as one push; returns the commit. */
  push(files: Readonly<Record<string, string | undefined>>, options?: PushOptions): Promise<string>
  tag(name: string, commit: string): Promise<void>
  /** Names of what the repository has. */
  references(): Promise<string[]>
  close(): Promise<void>
}

type PushOptions = {
  readonly branch?: string
  readonly repository?: string
  readonly message?: string
  /** Puts the commit in the place of the branch's newest one, which is gone for good. */
  readonly instead?: boolean
  /** The branch that a new one begins from. */
  readonly from?: string
}

const author = { GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.com', GIT_AUTHOR_DATE: '2026-11-20T08:00:00Z' }
const committer = { GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.com' }
const quiet = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', PATH: process.env.PATH ?? '' }

export const gitProvider = async (): Promise<GitProvider> => {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-provider-'))
  const [token, user] = ['a-token-of-the-provider', 'ann']
  const asked: Recorded[] = []
  const pulls: Pull[] = []
  const roles = new Map<string, string>()
  let answers = 0
  let refused: RegExp | undefined

  const git = async (cwd: string, ...args: string[]) =>
    (await run('git', args, { cwd, env: { ...quiet, ...author, ...committer } })).stdout.trim()

  const isKnown = ({ headers }: IncomingMessage): boolean => {
    const [kind, value = ''] = (headers.authorization ?? '').split(' ')
    if (kind === 'Bearer') return value === token
    return kind === 'Basic' && Buffer.from(value, 'base64').toString().split(':').slice(1).join(':') === token
  }

  const api = (request: IncomingMessage, response: ServerResponse, path: string, body: Record<string, unknown>) => {
    const answer = (status: number, content: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(status === 304 ? undefined : JSON.stringify(content))
    }
    if (!isKnown(request)) return answer(401, { message: 'Bad credentials' })
    const method = request.method ?? ''
    if (/\/(user)$/.test(path)) return answer(200, { login: user, username: user })
    if (/\/(pulls|merge_requests|pullrequests)$/.test(path)) {
      const tag = `"${JSON.stringify(pulls).length}-${pulls.map(({ state, commit }) => state + commit).join()}"`
      if (request.headers['if-none-match'] === tag) return answer(304, undefined)
      answers += 1
      const listed = pulls.toReversed().map(toPull)
      return answer(200, path.endsWith('/pullrequests') ? { values: listed.map(toBitbucket) } : listed, { etag: tag })
    }
    const [, kind, id] =
      /\/(pulls|merge_requests|pullrequests|collaborators|members\/all|users)\/([^/]+)/.exec(path) ?? []
    if (method === 'GET' && kind && id) {
      const role = roles.get(decodeURIComponent(id))
      const pull = pulls.find(({ number }) => String(number) === id)
      if (/^(collaborators|members\/all|users)$/.test(kind))
        return role
          ? answer(200, { permission: role, role_name: role, access_level: levels[role] })
          : answer(404, { message: 'Not Found' })
      if (pull) return answer(200, kind === 'pullrequests' ? toBitbucket(toPull(pull)) : toPull(pull))
    }
    if (method === 'GET') return answer(404, { message: 'Not Found' })
    if (refused?.test(path)) return answer(403, { message: 'Resource not accessible by this token' })
    asked.push({ method, path, body })
    answer(method === 'DELETE' ? 204 : 201, method === 'DELETE' ? undefined : { id: 77, uuid: '{77}' })
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const [path = '', query = ''] = (request.url ?? '').split('?')
      const content = Buffer.concat(chunks)
      if (/^\/(api\/v[34]|2\.0)\//.test(path))
        return api(request, response, path, content.length > 0 ? JSON.parse(content.toString()) : {})
      if (!isKnown(request)) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' })
        return response.end()
      }
      backend(request, response, { path, query, content, root: folder })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  const bareOf = async (repository: string) => {
    const bare = join(folder, `${repository}.git`)
    const there = await git(folder, '--git-dir', bare, 'rev-parse', '--git-dir').catch(() => undefined)
    if (there === undefined) {
      await mkdir(dirname(bare), { recursive: true })
      await git(folder, 'init', '-q', '--bare', '-b', 'main', bare)
      await git(bare, 'config', 'uploadpack.allowReachableSHA1InWant', 'true')
      await git(bare, 'config', 'uploadpack.allowFilter', 'true')
    }
    return bare
  }

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ token, user, asked, pulls, roles },
    pullAnswers: () => answers,
    refuse: (path) => {
      refused = path
    },
    push: async (
      files,
      { branch = 'main', repository = 'me/app', message = 'change', from = 'main', instead = false } = {},
    ) => {
      const bare = await bareOf(repository)
      const work = await mkdtemp(join(tmpdir(), 'drydock-push-'))
      try {
        await git(work, 'clone', '-q', bare, '.')
        const known = (await git(work, 'branch', '-r')).includes(`origin/${branch}`)
        if (known) await git(work, 'checkout', '-q', branch)
        else if (branch !== 'main') await git(work, 'checkout', '-q', '-b', branch, `origin/${from}`)
        for (const [name, text] of Object.entries(files)) {
          await mkdir(dirname(join(work, name)), { recursive: true })
          if (text === undefined) await rm(join(work, name))
          else await writeFile(join(work, name), text)
        }
        await git(work, 'add', '-A')
        await git(work, 'commit', '-q', '--allow-empty', ...(instead ? ['--amend'] : []), '-m', message)
        await git(work, 'push', '-q', 'origin', `${instead ? '+' : ''}HEAD:${branch}`)
        if (instead) await git(bare, 'gc', '-q', '--prune=now')
        return await git(work, 'rev-parse', 'HEAD')
      } finally {
        await rm(work, { recursive: true, force: true })
      }
    },
    tag: async (name, commit) => {
      await git(await bareOf('me/app'), 'tag', '-a', '-m', name, name, commit)
    },
    references: async () => (await git(await bareOf('me/app'), 'for-each-ref', '--format=%(refname)')).split('\n'),
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A pull request in the words of all providers at once. */
const toPull = ({ number, title, state, branch, commit, base }: Pull) => ({
  ...{ number, iid: number, id: number, title, state },
  merged_at: state === 'merged' ? '2026-11-23T09:00:00Z' : null,
  ...{ head: { ref: branch, sha: commit }, base: { ref: base } },
  ...{ source_branch: branch, target_branch: base, sha: commit },
  source: { branch: { name: branch }, commit: { hash: commit.slice(0, 12) } },
  destination: { branch: { name: base } },
})

const levels: Readonly<Record<string, number>> = { admin: 50, write: 30, read: 20 }

const bitbucketStates = { closed: 'DECLINED', merged: 'MERGED', open: 'OPEN' }
const toBitbucket = (pull: ReturnType<typeof toPull>) => ({ ...pull, state: bitbucketStates[pull.state] })

type Asked = { readonly path: string; readonly query: string; readonly content: Buffer; readonly root: string }

/** `git http-backend`, by the rules of CGI. */
const backend = (request: IncomingMessage, response: ServerResponse, { path, query, content, root }: Asked): void => {
  const child = spawn('git', ['http-backend'], {
    env: {
      ...quiet,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REMOTE_USER: 'ann',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method ?? 'GET',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      CONTENT_LENGTH: String(content.length),
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stdin.on('error', () => undefined)
  child.on('close', () => {
    const whole = Buffer.concat(chunks)
    const end = whole.indexOf('\r\n\r\n')
    let status = 200
    for (const line of whole.subarray(0, end).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(/:\s*/, 2)
      if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10)
      else if (name) response.setHeader(name, value)
    }
    response.writeHead(status)
    response.end(whole.subarray(end + 4))
  })
  child.stdin.end(content)
}
