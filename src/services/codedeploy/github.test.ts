import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DeleteGitHubAccountTokenCommand,
  ListApplicationRevisionsCommand,
  ListGitHubAccountTokenNamesCommand,
} from '@aws-sdk/client-codedeploy'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { appspec, type Fleet, fleet } from './fleet-bench.ts'

// Revisions that are commits: the agent asks GitHub's API, here a server that packs as GitHub does.

let it: Fleet
let github: Server
let folder: string
const commitId = '3b18e512dba79e4c8300dd08aeb37f8e728b8dad'
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-github-'))
  const top = join(folder, 'acme-shop-3b18e51')
  mkdirSync(join(top, 'app'), { recursive: true })
  writeFileSync(join(top, 'appspec.yml'), appspec({ AfterInstall: 'note.sh' }))
  writeFileSync(join(top, 'note.sh'), '#!/bin/sh\necho "$BUNDLE_COMMIT" >"$ROOT/note"')
  writeFileSync(join(top, 'app/index.html'), 'from a commit')
  execFileSync('tar', ['-czf', 'commit.tgz', 'acme-shop-3b18e51'], { cwd: folder })
  github = createServer((request, response) => {
    if (request.url === `/repos/acme/shop/tarball/${commitId}`) response.writeHead(302, { location: '/packed' }).end()
    else if (request.url === '/packed') response.end(readFileSync(join(folder, 'commit.tgz')))
    else response.writeHead(404).end()
  })
  await new Promise<void>((listening) => github.listen(0, '127.0.0.1', listening))
  vi.stubEnv('GITHUB_API_URL', `http://127.0.0.1:${(github.address() as AddressInfo).port}/`)
  it = await fleet()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await it.close()
  github.closeAllConnections()
  github.close()
  rmSync(folder, { recursive: true, force: true })
})

const revision = (repository: string) => ({
  revisionType: 'GitHub' as const,
  gitHubLocation: { repository, commitId },
})

test('a commit is deployed, and a repository that is not there is not', async () => {
  const [id = ''] = await it.launch()
  await it.group()
  expect(await it.deploy('', { revision: revision('acme/shop') })).toMatchObject({
    status: 'Succeeded',
    revision: revision('acme/shop'),
  })
  expect(await it.read(id, 'srv/app/index.html')).toBe('from a commit')
  expect(await it.read(id, 'note')).toBe(`${commitId}\n`)
  const { revisions } = await it.codedeploy.send(new ListApplicationRevisionsCommand({ applicationName: 'app' }))
  expect(revisions).toEqual([revision('acme/shop')])

  const { deploymentId = '', status } = await it.deploy('', { revision: revision('acme/secret') })
  expect(status).toBe('Failed')
  expect((await it.targets(deploymentId))[0]).toMatchObject({
    events: expect.arrayContaining(['DownloadBundle Failed']),
    diagnostics: { message: expect.stringMatching(/acme\/secret\/tarball\/\w+: it was answered 404\./) },
  })
})

test('there are no connections to GitHub accounts', async () => {
  expect((await it.codedeploy.send(new ListGitHubAccountTokenNamesCommand({}))).tokenNameList).toEqual([])
  await expect(it.codedeploy.send(new DeleteGitHubAccountTokenCommand({ tokenName: 'mine' }))).rejects.toMatchObject({
    name: 'GitHubAccountTokenDoesNotExistException',
  })
})
