import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CheckNoNewAccessCommand,
  GetGeneratedPolicyCommand,
  StartPolicyGenerationCommand,
  ValidatePolicyCommand,
} from '@aws-sdk/client-accessanalyzer'
import { RetryStageExecutionCommand } from '@aws-sdk/client-codepipeline'
import { PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CliError, callServer } from './connection.ts'
import { type Clients, clientsOf } from './demo/clients.ts'
import {
  actionOf,
  answers,
  buildOf,
  deploymentOf,
  ended,
  executionOf,
  logLine,
  publicAddress,
  until,
} from './demo/observe.ts'
import { type Progress, progress, Wrong } from './demo/progress.ts'
import { type ServerProcess, startServerProcess } from './demo/server-process.ts'
import {
  buildPolicies,
  names,
  roleArn,
  setUpIdentities,
  setUpInfrastructure,
  setUpPipeline,
  setUpTrail,
  trailArn,
  trailReader,
} from './demo/setup.ts'
import { type Workspace, workspace } from './demo/workspace.ts'

type Stage = { readonly aws: Clients; readonly clone: Workspace; readonly address: string; readonly show: Progress }

/**
 * `drydock demo`: the sample pipeline from push to deployment, by git and an unmodified SDK alone, its failures, and a
 * SIGKILL in the middle. Exit code 0 only if every answer was right; leaves nothing running unless `keep`.
 */
export const demo = async (options: { keep?: boolean }): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-demo-'))
  const data = join(folder, 'data')
  const show = progress()
  let server: ServerProcess | undefined
  try {
    server = await startServerProcess(data, 0)
    const { endpoint } = server
    console.log(`Drydock runs at ${endpoint}; everything below is done by git and the AWS SDK.\n`)
    const aws = clientsOf(endpoint)
    const stage = await prepare(aws, join(folder, 'web-app'), show)
    await firstPush(stage)
    await failingTest(stage)
    await failingHook(stage)
    await missingPermission(stage)
    server = await killedServer(stage, server, () => startServerProcess(data, Number(new URL(endpoint).port)))
    await leastPrivilege(stage)
    show.table()
    if (options.keep) {
      console.log(hints(endpoint, stage.address, folder))
      return
    }
  } catch (error) {
    show.table()
    throw error instanceof Wrong ? new CliError(error.message) : error
  } finally {
    if (!options.keep) {
      if (server)
        await callServer({ endpoint: server.endpoint }, 'POST', '/_drydock/reset').catch((error) =>
          console.error(String(error)),
        )
      await server?.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const prepare = async (aws: Clients, folder: string, show: Progress): Promise<Stage> => {
  const stage = await show.step('Set up roles, repository, build, instance, pipeline', async () => {
    const login = await setUpIdentities(aws)
    const { cloneUrl, instanceId } = await setUpInfrastructure(aws)
    await setUpTrail(aws)
    await setUpPipeline(aws)
    const clone = await workspace(folder, cloneUrl, login)
    const address = await publicAddress(aws, instanceId)
    return { result: `instance ${instanceId} runs at ${address}`, value: { aws, clone, address, show } }
  })
  if (!stage) throw new Wrong('nothing was set up')
  return stage
}

/** Pushes and waits until the execution which that starts has ended with this status. */
const pushed = async ({ aws, clone, show }: Stage, message: string, expected: string) => {
  const commit = await clone.push(message)
  show.note(`git push ${commit.slice(0, 8)}: ${message}`)
  const { pipelineExecutionId } = await executionOf(aws, commit)
  show.note(`pipeline execution ${pipelineExecutionId}`)
  return expectStatus(aws, pipelineExecutionId, expected)
}

const expectStatus = async (aws: Clients, executionId: string | undefined, expected: string): Promise<string> => {
  const { status, statusSummary, pipelineExecutionId = '' } = await ended(aws, executionId)
  if (status === expected) return pipelineExecutionId
  const failures = await Promise.all(
    ['Source', 'Build', 'Deploy'].map((name) => actionOf(aws, pipelineExecutionId, name)),
  )
  const why = failures.find((action) => action?.status === 'Failed')?.output?.executionResult
  throw new Wrong(
    `the execution ended ${status}, not ${expected}: ${why?.errorDetails?.message ?? why?.externalExecutionSummary ?? statusSummary ?? 'no reason given'}`,
  )
}

const firstPush = (stage: Stage) =>
  stage.show.step('1. First push: build, test, deploy', async () => {
    stage.clone.change('VERSION', { content: '1\n' })
    await pushed(stage, 'Version 1', 'Succeeded')
    await answers(stage.address, '1')
    return { result: `version 1 answers at http://${stage.address}:8080` }
  })

const failingTest = (stage: Stage) =>
  stage.show.step('2. A push with a failing test', async () => {
    const { aws, clone, address, show } = stage
    clone.change('src/app.js', { from: 'body: `${version}\\n`', to: 'body: `v${version}\\n`' })
    const execution = await pushed(stage, 'Break a test', 'Failed')
    clone.restore('src/app.js')
    const build = await buildOf(aws, await actionOf(aws, execution, 'Build'))
    if (build?.buildStatus !== 'FAILED') throw new Wrong(`the build is ${build?.buildStatus}, not FAILED`)
    const line = await logLine(aws, build.logs?.streamName, /^not ok|✖|AssertionError|Expected values/)
    if (!line) throw new Wrong('the build log does not show the failing test')
    show.note(`build log: ${line}`)
    await answers(address, '1')
    return { result: 'the build failed, version 1 still answers' }
  })

const failingHook = (stage: Stage) =>
  stage.show.step('3. A push whose ValidateService hook fails', async () => {
    const { aws, clone, address, show } = stage
    clone.change('scripts/validate_service.sh', {
      content: '#!/bin/sh\necho "this version is not healthy" >&2\nexit 1\n',
    })
    clone.change('VERSION', { content: '1.1\n' })
    const execution = await pushed(stage, 'A release that does not validate', 'Failed')
    clone.restore('scripts/validate_service.sh')
    const action = await actionOf(aws, execution, 'Deploy')
    const failed = await deploymentOf(aws, action?.output?.executionResult?.externalExecutionId)
    if (failed?.status !== 'Failed') throw new Wrong(`the deployment is ${failed?.status}, not Failed`)
    show.note(`deployment ${failed.deploymentId}: ${failed.errorInformation?.message}`)
    const rollback = failed.rollbackInfo?.rollbackDeploymentId
    if (!rollback) throw new Wrong('the deployment was not rolled back')
    await until('the rollback to succeed', async () =>
      (await deploymentOf(aws, rollback))?.status === 'Succeeded' ? true : undefined,
    )
    await answers(address, '1')
    return { result: `rolled back by ${rollback}, version 1 still answers` }
  })

const missingPermission = (stage: Stage) =>
  stage.show.step('4. s3:PutObject is taken from the build role, and given back', async () => {
    const { aws, clone, address, show } = stage
    const set = (PolicyDocument: string) =>
      aws.iam.send(
        new PutRolePolicyCommand({ RoleName: names.buildRole, PolicyName: 'least-privilege', PolicyDocument }),
      )
    await set(buildPolicies.withoutPut)
    clone.change('VERSION', { content: '1.2\n' })
    const execution = await pushed(stage, 'Version 1.2', 'Failed')
    const build = await buildOf(aws, await actionOf(aws, execution, 'Build'))
    const denial = build?.phases
      ?.flatMap(({ contexts = [] }) => contexts)
      .find(({ message }) => message?.includes('s3:PutObject'))
    if (!denial) throw new Wrong('no phase of the build names the denied action s3:PutObject')
    show.note(`build: ${denial.message}`)
    await set(buildPolicies.whole)
    await aws.codepipeline.send(
      new RetryStageExecutionCommand({
        pipelineName: names.pipeline,
        pipelineExecutionId: execution,
        stageName: 'Build',
        retryMode: 'FAILED_ACTIONS',
      }),
    )
    await expectStatus(aws, execution, 'Succeeded')
    await answers(address, '1.2')
    return { result: 'denied by name; the retry of the stage deployed version 1.2' }
  })

const killedServer = async (
  stage: Stage,
  server: ServerProcess,
  startAgain: () => Promise<ServerProcess>,
): Promise<ServerProcess> => {
  const again = await stage.show.step('5. SIGKILL in the middle of a build, and a new start', async () => {
    const { aws, clone, address, show } = stage
    clone.change('buildspec.yml', { from: '- node --test', to: '- sleep 2\n      - node --test' })
    clone.change('VERSION', { content: '1.3\n' })
    const commit = await clone.push('A slower build')
    const { pipelineExecutionId } = await executionOf(aws, commit)
    await until('the build phase to begin', async () => {
      const build = await buildOf(aws, await actionOf(aws, pipelineExecutionId, 'Build'))
      return build?.currentPhase === 'BUILD' ? true : undefined
    })
    await server.kill()
    show.note('the server was killed while the build ran')
    const restarted = await startAgain()
    const { status } = await ended(aws, pipelineExecutionId)
    show.note(`the execution that was under way ended ${status}`)
    if (status !== 'Succeeded' && status !== 'Failed') throw new Wrong(`the interrupted execution is ${status}`)
    clone.restore('buildspec.yml')
    clone.change('VERSION', { content: '2\n' })
    await pushed(stage, 'Version 2', 'Succeeded')
    await answers(address, '2')
    return { result: `the interrupted execution ${status?.toLowerCase()}; version 2 answers`, value: restarted }
  })
  return again ?? server
}

/** What the build role called since the demo began, as a policy. */
const generatedPolicy = async ({ accessanalyzer }: Clients): Promise<string> => {
  const { jobId } = await accessanalyzer.send(
    new StartPolicyGenerationCommand({
      policyGenerationDetails: { principalArn: roleArn(names.buildRole) },
      cloudTrailDetails: {
        accessRole: roleArn(trailReader),
        startTime: new Date(Date.now() - 3_600_000),
        trails: [{ cloudTrailArn: trailArn }],
      },
    }),
  )
  return until('the policy to be generated', async () => {
    const answer = await accessanalyzer.send(new GetGeneratedPolicyCommand({ jobId }))
    const { status, jobError } = answer.jobDetails ?? {}
    if (status === 'FAILED') throw new Wrong(`the policy was not generated: ${jobError?.message}`)
    return answer.generatedPolicyResult?.generatedPolicies?.[0]?.policy
  })
}

const leastPrivilege = (stage: Stage) =>
  stage.show.step('6. The build role is left with what it really called', async () => {
    const { aws, clone, address, show } = stage
    const policy = await generatedPolicy(aws)
    const statements: { Action: string[]; Resource: string | string[] }[] = JSON.parse(policy).Statement
    for (const { Action, Resource } of statements) show.note(`${Action.join(', ')} on ${[Resource].flat().join(', ')}`)
    const { findings = [] } = await aws.accessanalyzer.send(
      new ValidatePolicyCommand({ policyDocument: policy, policyType: 'IDENTITY_POLICY' }),
    )
    if (findings[0]) throw new Wrong(`the generated policy has a finding: ${findings[0].findingDetails}`)
    const { result } = await aws.accessanalyzer.send(
      new CheckNoNewAccessCommand({
        newPolicyDocument: policy,
        existingPolicyDocument: buildPolicies.whole,
        policyType: 'IDENTITY_POLICY',
      }),
    )
    if (result !== 'PASS') throw new Wrong('the generated policy allows more than the one written by hand')
    show.note('no new access compared to the policy written by hand')
    await aws.iam.send(
      new PutRolePolicyCommand({ RoleName: names.buildRole, PolicyName: 'least-privilege', PolicyDocument: policy }),
    )
    clone.change('VERSION', { content: '3\n' })
    await pushed(stage, 'Version 3', 'Succeeded')
    await answers(address, '3')
    return {
      result: `${statements.length} statements from the trail in place of the hand-written ones; version 3 answers`,
    }
  })

const hints = (endpoint: string, address: string, folder: string) => `
The server goes on at ${endpoint}. Try:
  curl http://${address}:8080/
  export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
  aws codepipeline get-pipeline-state --name ${names.pipeline}
  aws logs tail /aws/codebuild/${names.project}
  cd ${folder}/web-app && git log --oneline
To end it: drydock reset --endpoint ${endpoint}, then stop the process; its files are in ${folder}.`
