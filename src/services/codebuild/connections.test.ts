import {
  ImportSourceCredentialsCommand,
  ListSourceCredentialsCommand,
  type SourceType,
} from '@aws-sdk/client-codebuild'
import { CodeStarConnectionsClient, CreateConnectionCommand } from '@aws-sdk/client-codestar-connections'
import { IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type GitProvider, gitProvider } from '../../../test/git-provider.ts'
import { callServer } from '../../cli/connection.ts'
import { allow, codebuild, contextOf, drydock, logOf, onBench, project, run } from './builds-bench.ts'

// Private repositories elsewhere, reached by a connection.

onBench()

let provider: GitProvider
let arn = ''
let commit = ''
beforeEach(async () => {
  provider = await gitProvider()
  const buildspec = 'version: 0.2\nphases: {build: {commands: [env, cat .git/config, "git log --format=%s"]}}'
  await provider.push({ 'buildspec.yml': buildspec }, { message: 'before' })
  commit = await provider.push({ 'a.txt': 'a' }, { message: 'after' })
})
afterEach(() => provider.close())

const connect = async (ProviderType: 'GitHub' | 'GitLab' = 'GitHub') => {
  const client = drydock.client(CodeStarConnectionsClient)
  const made = await client.send(new CreateConnectionCommand({ ConnectionName: 'hub', ProviderType }))
  arn = made.ConnectionArn ?? ''
}
const complete = () =>
  callServer({ endpoint: drydock.endpoint }, 'POST', '/_drydock/codestarconnections/connection', {
    ...{ arn, token: provider.token, url: provider.url },
  })
const grant = (actions: string[]) =>
  drydock.client(IAMClient).send(
    new PutRolePolicyCommand({
      ...{ RoleName: 'builder', PolicyName: 'hub' },
      PolicyDocument: JSON.stringify(allow(actions, arn)),
    }),
  )
const both = ['codestar-connections:GetConnection', 'codestar-connections:GetConnectionToken']
const source = (type: SourceType = 'GITHUB') => ({
  ...{ type, location: `${provider.url}/me/app.git` },
  auth: { type: 'CODECONNECTIONS' as const, resource: arn },
})
const why = async (more: object = {}) => contextOf(await run(more), 'DOWNLOAD_SOURCE')?.message

it('a project’s own connection is used as its service role may, and its token stays outside the build', async () => {
  await connect()
  await project({ source: source() })
  expect(await why()).toMatch(/AccessDenied.*codestar-connections:GetConnection/)
  await grant(both)
  expect(await why()).toBe(`Connection ${arn} is not in an available state for primary source and source version `)
  await complete()
  const build = await run({ sourceVersion: 'main' })
  expect(build, contextOf(build, 'DOWNLOAD_SOURCE')?.message).toMatchObject({
    ...{ buildStatus: 'SUCCEEDED', resolvedSourceVersion: commit },
  })
  const log = (await logOf(build)).join('\n')
  expect(log).toMatch(/after\nbefore/)
  expect(log).toContain(`url = ${provider.url}/me/app.git`)
  expect(log).not.toContain(provider.token)
  expect(log).not.toContain(Buffer.from(`x-access-token:${provider.token}`).toString('base64'))
  // Its token is for its own provider.
  const elsewhere = await why({ sourceLocationOverride: 'https://git.example.com/me/app.git' })
  expect(elsewhere).toMatch(/git\.example\.com is not where the provider of the connection/)
})

it('git in a build is given what the connection has, where the buildspec asks for the helper', async () => {
  await connect()
  await complete()
  await grant(both)
  await project({ source: source() })
  const buildspec = (helper: string) =>
    `version: 0.2\nenv: {git-credential-helper: ${helper}}\nphases: {build: {commands: [git tag built, git push -q origin built, env, 'printf "url=${provider.url}/\\n\\n" | git credential fill']}}`
  expect((await run({ buildspecOverride: buildspec('no') })).buildStatus).toBe('FAILED')
  const build = await run({ buildspecOverride: buildspec('yes') })
  const log = (await logOf(build)).join('\n')
  expect(build.buildStatus, log).toBe('SUCCEEDED')
  expect(log).toContain('password=***')
  expect(log).not.toContain(provider.token)
  expect(await provider.references()).toContain('refs/tags/built')
})

it('a connection is imported for all projects of its provider', async () => {
  await connect('GitLab')
  const importAs = (serverType: 'GITHUB' | 'GITLAB', token = arn) =>
    codebuild.send(new ImportSourceCredentialsCommand({ serverType, authType: 'CODECONNECTIONS', token }))
  await expect(importAs('GITHUB')).rejects.toThrow(/is of GitLab, not of GITHUB/)
  await expect(importAs('GITLAB', `${arn}0`)).rejects.toThrow(/does not exist/)
  await expect(importAs('GITLAB', 'token')).rejects.toThrow(/ARN of a connection/)
  const imported = await importAs('GITLAB')
  const { sourceCredentialsInfos } = await codebuild.send(new ListSourceCredentialsCommand({}))
  expect(sourceCredentialsInfos).toEqual([
    { arn: imported.arn, serverType: 'GITLAB', authType: 'CODECONNECTIONS', resource: arn },
  ])
  await complete()
  await grant(both)
  const { auth: _auth, ...plain } = source('GITLAB')
  await project({ source: plain })
  const build = await run()
  expect(build.resolvedSourceVersion, contextOf(build, 'DOWNLOAD_SOURCE')?.message).toBe(commit)
})

it('what is no connection is refused', async () => {
  const auth = { type: 'CODECONNECTIONS' as const, resource: 'arn:aws:iam::000000000000:role/x' }
  const refused = project({ source: { type: 'GITHUB', location: `${provider.url}/me/app.git`, auth } })
  await expect(refused).rejects.toThrow(/ARN of a connection/)
})
