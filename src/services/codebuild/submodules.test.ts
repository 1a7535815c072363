import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { ImportSourceCredentialsCommand } from '@aws-sdk/client-codebuild'
import { CodeCommitClient, CreateRepositoryCommand } from '@aws-sdk/client-codecommit'
import { CreateServiceSpecificCredentialCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { beforeEach, expect, it } from 'vitest'
import {
  allow,
  codebuild,
  contextOf,
  drydock,
  folder,
  logOf,
  logsPolicy,
  onBench,
  project,
  run,
} from './builds-bench.ts'

onBench()

let user = { ServiceUserName: '', ServicePassword: '' }
const address = (name: string) => `${drydock.endpoint}/v1/repos/${name}`

/** A repository with these files and submodules. Returns the commit. */
const repository = async (
  name: string,
  files: Record<string, string>,
  submodules: Record<string, { url: string; commit: string }> = {},
): Promise<string> => {
  await drydock.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: name }))
  const tree = join(folder, name)
  await mkdir(tree)
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: tree })).stdout
  await git('init', '-q', '-b', 'main', '.')
  const listed = Object.entries(submodules).map(
    ([path, { url }]) => `[submodule "${path}"]\n\tpath = ${path}\n\turl = ${url}\n`,
  )
  for (const [path, text] of Object.entries({
    ...files,
    ...(listed.length > 0 ? { '.gitmodules': listed.join('') } : {}),
  }))
    await writeFile(join(tree, path), text)
  await git('add', '.')
  for (const [path, { commit }] of Object.entries(submodules))
    await git('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`)
  await git('commit', '-q', '-m', name)
  const basic = Buffer.from(`${user.ServiceUserName}:${user.ServicePassword}`).toString('base64')
  await git('-c', `http.extraHeader=Authorization: Basic ${basic}`, 'push', '-q', address(name), 'main')
  return (await git('rev-parse', 'HEAD')).trim()
}

beforeEach(async () => {
  await drydock.user('puller', [allow(['codecommit:GitPull', 'codecommit:GitPush'])])
  const { ServiceSpecificCredential: found } = await drydock
    .client(IAMClient)
    .send(new CreateServiceSpecificCredentialCommand({ UserName: 'puller', ServiceName: 'codecommit.amazonaws.com' }))
  user = { ServiceUserName: found?.ServiceUserName ?? '', ServicePassword: found?.ServicePassword ?? '' }
})

const buildspec =
  'version: 0.2\nphases: {build: {commands: ["cat text lib/text lib/deep/text && git submodule status | wc -l"]}}'

it('submodules are fetched, and theirs, as the service role may', async () => {
  const deep = await repository('deep', { text: 'deep\n' })
  const lib = await repository('lib', { text: 'lib\n' }, { deep: { url: '../deep', commit: deep } })
  await repository('site', { text: 'site\n', 'buildspec.yml': buildspec }, { lib: { url: '../lib', commit: lib } })
  const location = 'https://git-codecommit.us-east-1.amazonaws.com/v1/repos/site'
  const pulls = (name: string) => allow(['codecommit:GitPull'], `arn:aws:codecommit:*:*:${name}`)
  const able = await drydock.role('able', 'codebuild.amazonaws.com', [logsPolicy, pulls('*')])
  const narrow = await drydock.role('narrow', 'codebuild.amazonaws.com', [logsPolicy, pulls('site')])
  const source = { type: 'CODECOMMIT', location, gitSubmodulesConfig: { fetchSubmodules: true } } as const
  await project({ source, serviceRole: able })
  const build = await run()
  expect(build.buildStatus, JSON.stringify(build.phases)).toBe('SUCCEEDED')
  expect((await logOf(build)).filter((line) => !line.startsWith('#'))).toEqual(['site', 'lib', 'deep', '1'])
  const refused = await run({ serviceRoleOverride: narrow })
  expect(contextOf(refused, 'DOWNLOAD_SOURCE')?.message).toMatch(/^submodule lib: AccessDenied.*codecommit:GitPull/)
  const without = await run({ gitSubmodulesConfigOverride: { fetchSubmodules: false } })
  expect(contextOf(without, 'BUILD')?.statusCode).toBe('COMMAND_EXECUTION_ERROR')
})

it('the token of a source goes to its own host only, and comes from the secret that it names', async () => {
  const deep = await repository('deep', { text: 'deep\n' })
  const lib = await repository('lib', { text: 'lib\n' }, { deep: { url: `${address('deep')}`, commit: deep } })
  await repository('site', { text: 'site\n', 'buildspec.yml': buildspec }, { lib: { url: '../lib', commit: lib } })
  await repository('astray', { text: '' }, { x: { url: 'http://127.0.0.1:9/x.git', commit: deep } })
  const { ARN = '' } = await drydock.client(SecretsManagerClient).send(
    new CreateSecretCommand({
      Name: 'token',
      SecretString: JSON.stringify({
        ServerType: 'BITBUCKET',
        AuthType: 'BASIC_AUTH',
        Username: user.ServiceUserName,
        Token: user.ServicePassword,
      }),
    }),
  )
  const auth = { type: 'SECRETS_MANAGER', resource: ARN } as const
  const gitSubmodulesConfig = { fetchSubmodules: true }
  const reader = await drydock.role('reader', 'codebuild.amazonaws.com', [
    logsPolicy,
    allow(['secretsmanager:GetSecretValue'], ARN),
  ])
  await project({ source: { type: 'BITBUCKET', location: address('site'), gitSubmodulesConfig, auth } })
  expect(contextOf(await run(), 'DOWNLOAD_SOURCE')?.message).toMatch(
    /^AccessDeniedException: .*secretsmanager:GetSecretValue/,
  )
  const build = await run({ serviceRoleOverride: reader })
  expect(build.buildStatus, JSON.stringify(build.phases)).toBe('SUCCEEDED')
  const log = await logOf(build)
  expect(log).toContain('deep')
  expect(log.join('\n')).not.toContain(user.ServicePassword)
  const astray = await run({ serviceRoleOverride: reader, sourceLocationOverride: address('astray') })
  expect(contextOf(astray, 'DOWNLOAD_SOURCE')?.message).toMatch(/^submodule x: 127\.0\.0\.1 is an address of this host/)
})

it('a copy of the repository is kept on the host: the next build fetches nothing that it has', async () => {
  await codebuild.send(
    new ImportSourceCredentialsCommand({
      ...{ serverType: 'BITBUCKET', authType: 'BASIC_AUTH' },
      username: user.ServiceUserName,
      token: user.ServicePassword,
    }),
  )
  const text =
    'version: 0.2\nphases: {build: {commands: ["git log --format=%H -1 origin/HEAD; git remote get-url origin"]}}'
  const commit = await repository('site', { 'buildspec.yml': text })
  await project({
    source: { type: 'BITBUCKET', location: address('site'), gitCloneDepth: 1 },
    cache: { type: 'LOCAL', modes: ['LOCAL_SOURCE_CACHE'] },
  })
  const packs = async () => {
    const { Events = [] } = await drydock
      .client(CloudTrailClient)
      .send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GitPull' }] }))
    return Events.filter(({ CloudTrailEvent = '' }) => CloudTrailEvent.includes('"dataTransferred":true')).length
  }
  for (let time = 0; time < 2; time++) {
    const build = await run()
    expect(build.buildStatus, JSON.stringify(build.phases)).toBe('SUCCEEDED')
    expect((await logOf(build)).filter((line) => !line.startsWith('#'))).toEqual([commit, address('site')])
    expect(await packs()).toBe(1)
  }
  await run({ cacheOverride: { type: 'NO_CACHE' } })
  expect(await packs()).toBe(2)
})
