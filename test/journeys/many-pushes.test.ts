import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CodeCommitClient, CreateRepositoryCommand } from '@aws-sdk/client-codecommit'
import { CodePipelineClient, CreatePipelineCommand, ListPipelineExecutionsCommand } from '@aws-sdk/client-codepipeline'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import { CreateServiceSpecificCredentialCommand, IAMClient } from '@aws-sdk/client-iam'
import { CreateBucketCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allow, type Story, story } from '../story.ts'

// Many at once. `MANY_PUSHES=200 MANY_CLONES=100` is the long form, by hand.
const pushes = Number(process.env.MANY_PUSHES ?? 10)
const clones = Number(process.env.MANY_CLONES ?? 20)

const run = promisify(execFile)
let drydock: Story
let folder: string
let login: string

beforeAll(async () => {
  drydock = await story()
  folder = mkdtempSync(join(tmpdir(), 'many-'))
  await drydock.user('pusher', [allow('codecommit:*')])
  const { ServiceSpecificCredential: made } = await drydock
    .client(IAMClient)
    .send(new CreateServiceSpecificCredentialCommand({ UserName: 'pusher', ServiceName: 'codecommit.amazonaws.com' }))
  login = `${encodeURIComponent(made?.ServiceUserName ?? '')}:${encodeURIComponent(made?.ServicePassword ?? '')}`
})
afterAll(async () => {
  await drydock.close()
  rmSync(folder, { recursive: true, force: true })
})

const git = (...args: string[]) =>
  run('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'credential.helper=', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' },
  })

const url = (name: string) => `${drydock.endpoint.replace('http://', `http://${login}@`)}/v1/repos/${name}`

const makePipeline = async (name: string, roleArn: string): Promise<void> => {
  const { account } = drydock
  const arnOf = (service: string) => `arn:aws:${service}:us-east-1:${account}:${name}`
  await drydock.client(CodeCommitClient).send(new CreateRepositoryCommand({ repositoryName: name }))
  const action = (type: 'Source' | 'Deploy', provider: string, configuration: Record<string, string>) => ({
    name: type,
    actionTypeId: { category: type, owner: 'AWS' as const, provider, version: '1' },
    configuration,
    ...(type === 'Source' ? { outputArtifacts: [{ name: 'code' }] } : { inputArtifacts: [{ name: 'code' }] }),
  })
  const source = { RepositoryName: name, BranchName: 'main', PollForSourceChanges: 'false' }
  const stages = [
    { name: 'Source', actions: [action('Source', 'CodeCommit', source)] },
    { name: 'Deploy', actions: [action('Deploy', 'S3', { BucketName: 'many', Extract: 'true', ObjectKey: name })] },
  ]
  const artifactStore = { type: 'S3' as const, location: 'many' }
  await drydock
    .client(CodePipelineClient)
    .send(new CreatePipelineCommand({ pipeline: { name, roleArn, pipelineType: 'V2', artifactStore, stages } }))
  const events = drydock.client(EventBridgeClient)
  const EventPattern = JSON.stringify({ source: ['aws.codecommit'], resources: [arnOf('codecommit')] })
  await events.send(new PutRuleCommand({ Name: name, EventPattern }))
  const target = { Id: 'pipeline', Arn: arnOf('codepipeline'), RoleArn: roleArn }
  await events.send(new PutTargetsCommand({ Rule: name, Targets: [target] }))
}

test(
  `${pushes} pushes at once each run their pipeline, and ${clones} clones at once get what was pushed`,
  async () => {
    const s3 = drydock.client(S3Client)
    await s3.send(new CreateBucketCommand({ Bucket: 'many' }))
    const service = { Service: ['codepipeline.amazonaws.com', 'events.amazonaws.com'] }
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: service, Action: 'sts:AssumeRole' }],
    }
    const roleArn = await drydock.role('many', trust, [allow('*')])
    const names = Array.from({ length: pushes }, (_, index) => `many-${index}`)
    for (const name of names) await makePipeline(name, roleArn)
    const tree = join(folder, 'tree')
    await git('init', '--quiet', '--initial-branch=main', tree)
    writeFileSync(join(tree, 'README'), 'hello\n')
    await git('-C', tree, 'add', '-A')
    await git('-C', tree, 'commit', '--quiet', '-m', 'First')
    await drydock.settled()
    await Promise.all(names.map((name) => git('-C', tree, 'push', '--quiet', url(name), 'main')))
    await drydock.settled()
    const codepipeline = drydock.client(CodePipelineClient)
    for (const name of names) {
      const command = new ListPipelineExecutionsCommand({ pipelineName: name })
      const { pipelineExecutionSummaries = [] } = await codepipeline.send(command)
      const byPush = pipelineExecutionSummaries.filter(({ trigger }) => trigger?.triggerType !== 'CreatePipeline')
      expect(byPush.map(({ status }) => status)).toEqual(['Succeeded'])
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'many', Key: `${name}/README` }))
      expect(await Body?.transformToString()).toBe('hello\n')
    }
    const copies = Array.from({ length: clones }, (_, index) => join(folder, `copy-${index}`))
    await Promise.all(copies.map((copy, i) => git('clone', '--quiet', url(names[i % pushes] ?? ''), copy)))
    const tips = await Promise.all(
      [tree, ...copies].map(async (one) => (await git('-C', one, 'rev-parse', 'HEAD')).stdout),
    )
    expect(new Set(tips).size).toBe(1)
    expect(drydock.logged).toEqual([])
  },
  60_000 + 2_000 * (pushes + clones),
)
