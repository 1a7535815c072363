import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  CreateLogGroupCommand,
  FilterLogEventsCommand,
  PutResourcePolicyCommand,
} from '@aws-sdk/client-cloudwatch-logs'
import { BatchGetBuildsCommand, CreateProjectCommand, StartBuildCommand } from '@aws-sdk/client-codebuild'
import {
  CreateRepositoryCommand,
  GetBranchCommand,
  GetCommitCommand,
  GetFileCommand,
  PutFileCommand,
} from '@aws-sdk/client-codecommit'
import {
  CreatePipelineCommand,
  ListPipelineExecutionsCommand,
  StartPipelineExecutionCommand,
} from '@aws-sdk/client-codepipeline'
import { PutEventsCommand, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import {
  CreateRoleCommand,
  CreateServiceSpecificCredentialCommand,
  CreateUserCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { type Actor, type Clients, certain, type World } from './world.ts'

// Things that go on after the call has answered: commits that move branches, deliveries, builds, pipelines.

const account = '000000000000'
const everything = JSON.stringify({ Version: '2012-10-17', Statement: { Effect: 'Allow', Action: '*', Resource: '*' } })

export const commits = (): Actor => {
  const repositoryName = 'by-api'
  const files = new Map<string, string>()
  let tip: string | undefined
  return {
    name: 'commits',
    setUp: async ({ aws }) => {
      await aws.codecommit.send(new CreateRepositoryCommand({ repositoryName }))
    },
    act: async ({ aws, next }) => {
      const number = next()
      const filePath = `files/${number}.txt`
      const input = {
        repositoryName,
        branchName: 'main',
        filePath,
        fileContent: Buffer.from(`content ${number}`),
        ...(tip ? { parentCommitId: tip } : {}),
      }
      const made = await certain(aws.codecommit.send(new PutFileCommand(input)))
      if (!made) return
      tip = made.value.commitId
      files.set(filePath, `content ${number}`)
    },
    check: async ({ aws }, all) => {
      const wrong: string[] = []
      const branch = await aws.codecommit.send(new GetBranchCommand({ repositoryName, branchName: 'main' })).then(
        ({ branch: found }) => found?.commitId,
        () => undefined,
      )
      if (branch !== tip) {
        // A commit that nobody was told of may have come after the last acknowledged one, never instead of it.
        const parents = branch
          ? (await aws.codecommit.send(new GetCommitCommand({ repositoryName, commitId: branch }))).commit?.parents
          : undefined
        if (tip && !parents?.includes(tip)) wrong.push(`main is ${branch}, and ${tip} is lost`)
        tip = branch
      }
      for (const [filePath, content] of all ? files : [...files].slice(-3)) {
        const found = await aws.codecommit.send(
          new GetFileCommand({ repositoryName, commitSpecifier: 'main', filePath }),
        )
        if (Buffer.from(found.fileContent ?? []).toString() !== content)
          wrong.push(`${filePath} is not what was committed`)
      }
      return wrong
    },
  }
}

const run = promisify(execFile)

export const pushes = (): Actor => {
  let work = ''
  let login = ''
  let acknowledged = ''
  let sent = ''
  const url = ({ endpoint }: World) => `${endpoint.replace('http://', `http://${login}@`)}/v1/repos/by-git`
  const git = (...args: string[]) =>
    run(
      'git',
      ['-C', work, '-c', 'user.name=c', '-c', 'user.email=c@example.com', '-c', 'credential.helper=', ...args],
      {
        env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
        timeout: 20_000,
      },
    ).then(({ stdout }) => stdout.trim())
  return {
    name: 'pushes',
    setUp: async (world) => {
      const { aws, folder } = world
      await aws.codecommit.send(new CreateRepositoryCommand({ repositoryName: 'by-git' }))
      await aws.iam.send(new CreateUserCommand({ UserName: 'pusher' }))
      await aws.iam.send(
        new PutUserPolicyCommand({ UserName: 'pusher', PolicyName: 'all', PolicyDocument: everything }),
      )
      const { ServiceSpecificCredential: made } = await aws.iam.send(
        new CreateServiceSpecificCredentialCommand({ UserName: 'pusher', ServiceName: 'codecommit.amazonaws.com' }),
      )
      login = `${encodeURIComponent(made?.ServiceUserName ?? '')}:${encodeURIComponent(made?.ServicePassword ?? '')}`
      work = join(folder, 'clone')
      mkdirSync(work)
      await git('init', '-q', '-b', 'main')
    },
    act: async (world) => {
      const number = world.next()
      writeFileSync(join(work, `${number}.txt`), `${number}\n`.repeat(50))
      await git('add', '.')
      await git('commit', '-q', '-m', `commit ${number}`)
      sent = await git('rev-parse', 'HEAD')
      const pushed = sent
      await git('push', '-q', url(world), 'HEAD:refs/heads/main').then(
        () => {
          acknowledged = pushed
        },
        (error: { stderr?: string; message: string }) => {
          // git calls a connection that broke off after its first, unsigned try a failed authentication.
          if (world.alive()) throw new Error(`git push: ${error.stderr || error.message}`)
        },
      )
    },
    check: async (world, all) => {
      const [line = ''] = (await git('ls-remote', url(world), 'refs/heads/main')).split('\t')
      const wrong =
        line !== acknowledged && line !== sent
          ? [`refs/heads/main is ${line || 'absent'}, not ${acknowledged} or ${sent}`]
          : []
      acknowledged = line
      if (!all || line === '') return wrong
      const copy = join(world.folder, 'copy')
      rmSync(copy, { recursive: true, force: true })
      await git('clone', '-q', url(world), copy)
      await run('git', ['-C', copy, 'fsck', '--full', '--strict'])
      return wrong
    },
  }
}

/**
 * Looks until nothing is amiss, or until for so many seconds nothing about it has changed: what is late still moves, what is lost
 * does not. So a complaint that is left is of something lost, however busy the host is.
 */
export const eventually = async (seconds: number, look: () => Promise<string[]>): Promise<string[]> => {
  let last: string | undefined
  let end = 0
  for (;;) {
    const amiss = await look()
    const seen = amiss.join('\n')
    if (seen !== last) end = Date.now() + seconds * 1000
    last = seen
    if (amiss.length === 0 || Date.now() > end) return amiss
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

export const deliveries = (): Actor => {
  const logGroupName = '/aws/events/crash'
  const acknowledged = new Set<string>()
  return {
    name: 'deliveries',
    setUp: async ({ aws }) => {
      await aws.logs.send(new CreateLogGroupCommand({ logGroupName }))
      const policyDocument = JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: ['events.amazonaws.com', 'delivery.logs.amazonaws.com'] },
            Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
            Resource: '*',
          },
        ],
      })
      await aws.logs.send(new PutResourcePolicyCommand({ policyName: 'events', policyDocument }))
      await aws.events.send(new PutRuleCommand({ Name: 'crash', EventPattern: JSON.stringify({ source: ['crash'] }) }))
      await aws.events.send(
        new PutTargetsCommand({
          Rule: 'crash',
          Targets: [{ Id: 'log', Arn: `arn:aws:logs:us-east-1:${account}:log-group:${logGroupName}` }],
        }),
      )
    },
    act: async ({ aws, next, random }) => {
      const numbers = Array.from({ length: 1 + random.below(4) }, () => `event-${next()}-`)
      const Entries = numbers.map((number) => ({
        Source: 'crash',
        DetailType: 'Crash',
        Detail: JSON.stringify({ number }),
      }))
      const sent = await certain(aws.events.send(new PutEventsCommand({ Entries })))
      if (sent?.value.FailedEntryCount === 0) for (const number of numbers) acknowledged.add(number)
    },
    check: async ({ aws }, all) => {
      if (!all) return []
      return eventually(60, async () => {
        let found = ''
        let nextToken: string | undefined
        do {
          const page = await aws.logs.send(new FilterLogEventsCommand({ logGroupName, nextToken }))
          found += (page.events ?? []).map(({ message }) => message).join('\n')
          nextToken = page.nextToken
        } while (nextToken)
        return [...acknowledged]
          .filter((number) => !found.includes(number))
          .map((number) => `${number} was never delivered`)
      })
    },
  }
}

/** A role that a service may assume, with every right. */
export const roleFor = async (aws: Clients, RoleName: string, service: string): Promise<string> => {
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' },
  })
  const { Role } = await aws.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }))
  await aws.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'all', PolicyDocument: everything }))
  return Role?.Arn ?? ''
}
const environment = {
  type: 'LINUX_CONTAINER',
  image: 'aws/codebuild/standard:7.0',
  computeType: 'BUILD_GENERAL1_SMALL',
} as const

export const builds = (): Actor => {
  const started: string[] = []
  return {
    name: 'builds',
    setUp: async ({ aws }) => {
      const serviceRole = await roleFor(aws, 'crash-build', 'codebuild.amazonaws.com')
      const buildspec =
        'version: 0.2\nphases: {build: {commands: [echo began, sleep 0.$((RANDOM % 9)), echo built-$CODEBUILD_BUILD_NUMBER]}}\n'
      await aws.codebuild.send(
        new CreateProjectCommand({
          name: 'crash',
          source: { type: 'NO_SOURCE', buildspec },
          artifacts: { type: 'NO_ARTIFACTS' },
          environment,
          serviceRole,
        }),
      )
    },
    act: async ({ aws, random }) => {
      // Builds are real processes: few of them.
      if (!random.chance(0.03)) return
      const made = await certain(aws.codebuild.send(new StartBuildCommand({ projectName: 'crash' })))
      if (made?.value.build?.id) started.push(made.value.build.id)
    },
    check: async ({ aws }, all) => {
      const recent = all ? started : started.slice(-5)
      if (recent.length === 0) return []
      const look = async () => {
        const wrong: string[] = []
        for (let at = 0; at < recent.length; at += 50) {
          const { builds: found = [], buildsNotFound = [] } = await aws.codebuild.send(
            new BatchGetBuildsCommand({ ids: recent.slice(at, at + 50) }),
          )
          wrong.push(...buildsNotFound.map((id) => `build ${id} is lost`))
          if (!all) continue
          for (const { id, buildComplete, buildStatus, endTime, phases = [] } of found) {
            if (!buildComplete || buildStatus === 'IN_PROGRESS')
              wrong.push(`build ${id} does not end: ${buildStatus} in ${phases.at(-1)?.phaseType}`)
            else if (!endTime || phases.at(-1)?.phaseType !== 'COMPLETED')
              wrong.push(`build ${id} is ${buildStatus} without an end`)
            else if (!['SUCCEEDED', 'FAILED', 'FAULT'].includes(buildStatus ?? ''))
              wrong.push(`build ${id} is ${buildStatus}`)
          }
        }
        return wrong
      }
      return all ? eventually(90, look) : look()
    },
  }
}

export const pipelines = (): Actor => {
  const name = 'crash'
  const started = new Set<string>()
  return {
    name: 'pipelines',
    setUp: async ({ aws }) => {
      await aws.s3.send(new CreateBucketCommand({ Bucket: 'crash-artifacts' }))
      await aws.s3.send(
        new PutBucketVersioningCommand({ Bucket: 'crash-artifacts', VersioningConfiguration: { Status: 'Enabled' } }),
      )
      await aws.codecommit.send(new CreateRepositoryCommand({ repositoryName: 'piped' }))
      await aws.codecommit.send(
        new PutFileCommand({
          repositoryName: 'piped',
          branchName: 'main',
          filePath: 'buildspec.yml',
          fileContent: Buffer.from('version: 0.2\nphases: {build: {commands: [sleep 0.2]}}\n'),
        }),
      )
      const serviceRole = await roleFor(aws, 'crash-piped-build', 'codebuild.amazonaws.com')
      await aws.codebuild.send(
        new CreateProjectCommand({
          name: 'piped',
          source: { type: 'CODEPIPELINE' },
          artifacts: { type: 'CODEPIPELINE' },
          environment,
          serviceRole,
        }),
      )
      const roleArn = await roleFor(aws, 'crash-pipeline', 'codepipeline.amazonaws.com')
      const checks = {
        name: 'Check',
        ruleTypeId: { category: 'Rule' as const, owner: 'AWS' as const, provider: 'VariableCheck', version: '1' },
        configuration: { Variable: '#{codepipeline.PipelineExecutionId}', Operator: 'MATCHES', Value: '[0-9a-f-]{36}' },
      }
      const action = (
        action: string,
        category: 'Source' | 'Build' | 'Compute',
        provider: string,
        configuration: Record<string, string>,
        artifacts: object,
      ) => ({
        name: action,
        actions: [
          {
            name: action,
            actionTypeId: { category, owner: 'AWS' as const, provider, version: '1' },
            configuration,
            ...artifacts,
          },
        ],
      })
      const stages = [
        action(
          'Source',
          'Source',
          'CodeCommit',
          { RepositoryName: 'piped', BranchName: 'main', PollForSourceChanges: 'false' },
          { outputArtifacts: [{ name: 'source' }] },
        ),
        {
          ...action('Build', 'Build', 'CodeBuild', { ProjectName: 'piped' }, { inputArtifacts: [{ name: 'source' }] }),
          beforeEntry: { conditions: [{ result: 'FAIL' as const, rules: [checks] }] },
          onFailure: { result: 'RETRY' as const },
        },
        {
          ...action(
            'Run',
            'Compute',
            'Commands',
            {},
            { inputArtifacts: [{ name: 'source' }], commands: ['sleep 0.1'] },
          ),
          onSuccess: { conditions: [{ result: 'FAIL' as const, rules: [checks] }] },
        },
      ]
      await aws.codepipeline.send(
        new CreatePipelineCommand({
          pipeline: {
            name,
            roleArn,
            pipelineType: 'V2',
            artifactStore: { type: 'S3', location: 'crash-artifacts' },
            stages,
          },
        }),
      )
    },
    act: async ({ aws, random }) => {
      if (!random.chance(0.015)) return
      const made = await certain(aws.codepipeline.send(new StartPipelineExecutionCommand({ name })))
      if (made?.value.pipelineExecutionId) started.add(made.value.pipelineExecutionId)
    },
    check: async ({ aws }, all) => {
      const look = async () => {
        const found = new Map<string, string>()
        let nextToken: string | undefined
        do {
          const page = await aws.codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName: name, nextToken }))
          for (const { pipelineExecutionId = '', status = '' } of page.pipelineExecutionSummaries ?? [])
            found.set(pipelineExecutionId, status)
          nextToken = page.nextToken
        } while (nextToken)
        const lost = [...started].filter((id) => !found.has(id)).map((id) => `execution ${id} is lost`)
        if (!all) return lost
        return [
          ...lost,
          ...[...found]
            .filter(([, status]) => !['Succeeded', 'Failed', 'Superseded', 'Stopped'].includes(status))
            .map(([id, status]) => `execution ${id} does not end: ${status}`),
        ]
      }
      return all ? eventually(90, look) : look()
    },
  }
}
