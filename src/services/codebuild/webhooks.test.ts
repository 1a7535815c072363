import { createHmac } from 'node:crypto'
import {
  BatchGetProjectsCommand,
  CreateWebhookCommand,
  DeleteSourceCredentialsCommand,
  DeleteWebhookCommand,
  ImportSourceCredentialsCommand,
  ListBuildsForProjectCommand,
  ListSourceCredentialsCommand,
  UpdateWebhookCommand,
  type WebhookFilter,
} from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateRepositoryCommand, PutFileCommand } from '@aws-sdk/client-codecommit'
import { CreateServiceSpecificCredentialCommand, IAMClient } from '@aws-sdk/client-iam'
import { beforeEach, expect, it } from 'vitest'
import { allow, codebuild, contextOf, drydock, ended, logOf, onBench, project, run, when } from './builds-bench.ts'

onBench()

/** A repository that asks for a user and a password, reached as one elsewhere would be. */
let location = ''
let commit = ''
beforeEach(async () => {
  const codecommit = drydock.client(CodeCommitClient)
  await codecommit.send(new CreateRepositoryCommand({ repositoryName: 'shop' }))
  const buildspec =
    'version: 0.2\nphases: {build: {commands: [git log --format=%H -1, "env | grep CODEBUILD_WEBHOOK"]}}'
  const put = await codecommit.send(
    new PutFileCommand({
      ...{ repositoryName: 'shop', branchName: 'main', filePath: 'buildspec.yml' },
      fileContent: new TextEncoder().encode(buildspec),
    }),
  )
  commit = put.commitId ?? ''
  location = `${drydock.endpoint}/v1/repos/shop`
})

const credentials = async () => {
  await drydock.user('puller', [allow(['codecommit:GitPull'])])
  const { ServiceSpecificCredential: found } = await drydock
    .client(IAMClient)
    .send(new CreateServiceSpecificCredentialCommand({ UserName: 'puller', ServiceName: 'codecommit.amazonaws.com' }))
  return codebuild.send(
    new ImportSourceCredentialsCommand({
      ...{ serverType: 'BITBUCKET', authType: 'BASIC_AUTH' },
      username: found?.ServiceUserName,
      token: found?.ServicePassword ?? '',
    }),
  )
}

it('a repository elsewhere is fetched with the credentials imported for its provider', async () => {
  await project({ source: { type: 'BITBUCKET', location, gitCloneDepth: 1 } })
  const denied = await run()
  expect(contextOf(denied, 'DOWNLOAD_SOURCE')?.message).toMatch(/for primary source and source version $/)
  const { arn } = await credentials()
  expect(arn).toBe(`arn:aws:codebuild:us-east-1:${drydock.account}:token/bitbucket`)
  const listed = await codebuild.send(new ListSourceCredentialsCommand({}))
  expect(listed.sourceCredentialsInfos).toEqual([{ arn, serverType: 'BITBUCKET', authType: 'BASIC_AUTH' }])
  for (const sourceVersion of [undefined, 'main', 'refs/heads/main', commit]) {
    const build = await run(sourceVersion ? { sourceVersion } : {})
    expect(build.resolvedSourceVersion, contextOf(build, 'DOWNLOAD_SOURCE')?.message).toBe(commit)
    expect(await logOf(build)).toContain(commit)
  }
  const none = await run({ sourceVersion: 'nowhere' })
  expect(contextOf(none, 'DOWNLOAD_SOURCE')?.message).toMatch(/^reference not found for primary source/)
  await codebuild.send(new DeleteSourceCredentialsCommand({ arn }))
  await expect(codebuild.send(new DeleteSourceCredentialsCommand({ arn }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  })
})

it('what leads back to this host is not fetched', async () => {
  await project({ source: { type: 'GITHUB_ENTERPRISE', location } })
  for (const sourceLocationOverride of [
    'http://127.0.0.1:1/repo.git',
    'http://localhost/repo.git',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/repo',
    'http://[::ffff:127.0.0.1]/repo',
  ])
    expect(contextOf(await run({ sourceLocationOverride }), 'DOWNLOAD_SOURCE')?.message).toMatch(
      /an address of this host/,
    )
  for (const bad of ['file:///etc', 'ssh://git@host/x', '-u', 'ext::sh'])
    await expect(run({ sourceLocationOverride: bad })).rejects.toMatchObject({ name: 'InvalidInputException' })
})

it('a webhook starts builds of what its filters let through, for who knows the secret', async () => {
  await credentials()
  await project({ source: { type: 'BITBUCKET', location } })
  const filterGroups: WebhookFilter[][] = [
    [
      { type: 'EVENT', pattern: 'PUSH' },
      { type: 'HEAD_REF', pattern: '^refs/heads/main$' },
    ],
  ]
  await expect(
    codebuild.send(
      new CreateWebhookCommand({ projectName: 'app', filterGroups: [[{ type: 'HEAD_REF', pattern: 'x' }]] }),
    ),
  ).rejects.toThrow(/exactly one EVENT filter/)
  const { webhook } = await codebuild.send(new CreateWebhookCommand({ projectName: 'app', filterGroups }))
  const { projects } = await codebuild.send(new BatchGetProjectsCommand({ names: ['app'] }))
  expect(projects?.[0]?.webhook).toMatchObject({ payloadUrl: webhook?.payloadUrl, filterGroups })
  expect(projects?.[0]?.webhook?.secret).toBeUndefined()
  const push = (name: string, secret = webhook?.secret ?? '') => {
    const target = { hash: commit, message: 'change' }
    const body = JSON.stringify({
      actor: { account_id: 'ann' },
      push: { changes: [{ new: { type: 'branch', name, target }, old: { target: { hash: 'a'.repeat(40) } } }] },
    })
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    return fetch(webhook?.payloadUrl ?? '', {
      method: 'POST',
      headers: { 'x-hub-signature': signature, 'x-event-key': 'repo:push', 'user-agent': 'Bitbucket-Webhooks/2.0' },
      body,
    })
  }
  expect((await push('main', 'guess')).status).toBe(403)
  expect(await (await push('other')).json()).toEqual({ message: 'No build was started.' })
  expect((await codebuild.send(new ListBuildsForProjectCommand({ projectName: 'app' }))).ids).toEqual([])
  const { id } = (await (await push('main')).json()) as { id: string }
  const build = await when(id, ended)
  expect(build).toMatchObject({
    buildStatus: 'SUCCEEDED',
    initiator: 'Bitbucket-Webhooks/2.0',
    sourceVersion: commit,
    resolvedSourceVersion: commit,
  })
  expect(await logOf(build)).toEqual(
    expect.arrayContaining([
      'CODEBUILD_WEBHOOK_EVENT=PUSH',
      'CODEBUILD_WEBHOOK_TRIGGER=branch/main',
      'CODEBUILD_WEBHOOK_HEAD_REF=refs/heads/main',
      'CODEBUILD_WEBHOOK_ACTOR_ACCOUNT_ID=ann',
    ]),
  )
  const rotated = await codebuild.send(new UpdateWebhookCommand({ projectName: 'app', rotateSecret: true }))
  expect(rotated.webhook?.secret).not.toBe(webhook?.secret)
  expect((await push('main')).status).toBe(403)
  await codebuild.send(new DeleteWebhookCommand({ projectName: 'app' }))
  expect((await push('main')).status).toBe(404)
})
