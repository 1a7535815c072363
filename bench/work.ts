import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs'
import { BatchGetBuildsCommand, CreateProjectCommand, StartBuildCommand } from '@aws-sdk/client-codebuild'
import { callServer } from '../src/cli/connection.ts'
import { clientsOf } from '../src/cli/demo/clients.ts'
import { actionOf, ended, executionOf, publicAddress } from '../src/cli/demo/observe.ts'
import { setUpIdentities, setUpInfrastructure, setUpPipeline } from '../src/cli/demo/setup.ts'
import { workspace } from '../src/cli/demo/workspace.ts'
import { attempt, type Figure, type Missing, median, shown } from './figure.ts'
import { drydock } from './programs.ts'

// Real work on this host's own driver: builds that run a shell, and the sample pipeline with commands that do nothing.

const spawned = (rounds: number): number =>
  median(
    Array.from({ length: rounds }, () => {
      const began = Date.now()
      const { stdout } = spawnSync('bash', ['-c', 'date +%s%N'], { encoding: 'utf8' })
      return Number(stdout.trim()) / 1e6 - began
    }),
  )

const role = 'arn:aws:iam::000000000000:role/web-app-build'

const builds = async (aws: ReturnType<typeof clientsOf>): Promise<readonly Figure[]> => {
  await aws.codebuild.send(
    new CreateProjectCommand({
      name: 'web-app-build-bench',
      serviceRole: role,
      source: {
        type: 'NO_SOURCE',
        buildspec: 'version: 0.2\nphases:\n  build:\n    commands:\n      - echo "first $(date +%s%N)"\n',
      },
      artifacts: { type: 'NO_ARTIFACTS' },
      environment: {
        type: 'LINUX_CONTAINER',
        image: 'aws/codebuild/standard:7.0',
        computeType: 'BUILD_GENERAL1_SMALL',
      },
    }),
  )
  const delays: number[] = []
  const shells: number[] = []
  const answers: number[] = []
  for (let i = 0; i < 6; i++) {
    const began = Date.now()
    const { build } = await aws.codebuild.send(new StartBuildCommand({ projectName: 'web-app-build-bench' }))
    const answered = Date.now()
    const deadline = answered + 20_000
    for (;;) {
      const [now] = (await aws.codebuild.send(new BatchGetBuildsCommand({ ids: [build?.id ?? ''] }))).builds ?? []
      if (now?.buildComplete) {
        if (now.buildStatus !== 'SUCCEEDED')
          throw new Error(
            `the build ended ${now.buildStatus}: ${now.phases?.flatMap(({ contexts = [] }) => contexts.map(({ message }) => message)).join(' ')}`,
          )
        const { groupName, streamName } = now.logs ?? {}
        const { events = [] } = await aws.logs.send(
          new GetLogEventsCommand({ logGroupName: groupName, logStreamName: streamName, startFromHead: true }),
        )
        const first = events
          .map(({ message = '' }) => /^first (\d{19})/.exec(message)?.[1])
          .find((found) => found !== undefined)
        if (first === undefined) throw new Error('the build log does not have the first command')
        // The first build also makes the base that later ones share.
        if (i > 0) {
          // In turn with the builds: what else the machine does falls on both.
          shells.push(spawned(1))
          delays.push(Number(first) / 1e6 - began)
          answers.push(answered - began)
        }
        break
      }
      if (Date.now() > deadline) throw new Error('a build took more than 20 seconds')
      await pause(20)
    }
  }
  const shell = median(shells)
  return [
    {
      name: 'StartBuild sent → first command runs',
      against: 'spawning the same shell',
      value: median(delays.map((delay, i) => delay - (shells[i] ?? Number.NaN))),
      unit: 'ms',
      aim: { atMost: 100 },
      detail: `${shown(median(delays))} ms (StartBuild answered after ${shown(median(answers))} ms) against ${shown(shell)} ms`,
    },
  ]
}

const pipeline = async (
  aws: ReturnType<typeof clientsOf>,
  folder: string,
  made: { cloneUrl: string; instanceId: string; login: { userName: string; password: string } },
): Promise<readonly Figure[]> => {
  await setUpPipeline(aws)
  const clone = await workspace(folder, made.cloneUrl, made.login)
  clone.change('buildspec.yml', {
    content: "version: 0.2\nphases:\n  build:\n    commands:\n      - ':'\nartifacts:\n  files:\n    - '**/*'\n",
  })
  clone.change('appspec.yml', {
    content:
      'version: 0.0\nos: linux\nfiles:\n  - source: VERSION\n    destination: /opt/web-app\nhooks:\n  ApplicationStart:\n    - location: scripts/empty.sh\n      timeout: 30\n',
  })
  clone.change('scripts/empty.sh', { content: '#!/bin/sh\nexit 0\n' })
  await publicAddress(aws, made.instanceId)
  const starts: number[] = []
  const wholes: number[] = []
  const shells: number[] = []
  for (let i = 0; i < 4; i++) {
    clone.change('VERSION', { content: `${i}\n` })
    const commit = await clone.push(`Version ${i}`)
    const pushed = Date.now()
    const { pipelineExecutionId } = await executionOf(aws, commit)
    const { status } = await ended(aws, pipelineExecutionId)
    if (status !== 'Succeeded') throw new Error(`the pipeline ended ${status}`)
    const [first, last] = [
      await actionOf(aws, pipelineExecutionId, 'Source'),
      await actionOf(aws, pipelineExecutionId, 'Deploy'),
    ]
    if (i === 0) continue
    shells.push(spawned(3))
    starts.push((first?.startTime?.getTime() ?? Number.NaN) - pushed)
    wholes.push((last?.lastUpdateTime?.getTime() ?? Number.NaN) - (first?.startTime?.getTime() ?? Number.NaN))
  }
  // What the pipeline has run by itself: git's archive, a build's shell, a hook's shell.
  const processes = 3 * median(shells)
  return [
    {
      name: "git push has ended → pipeline's first action starts",
      against: 'absolute',
      value: median(starts),
      unit: 'ms',
      aim: { atMost: 100 },
      detail: `startTime of the source action; negative: before git's exit was seen (${starts.map((each) => each.toFixed(0)).join(', ')})`,
    },
    {
      name: 'sample pipeline with empty commands, source to deployed',
      against: 'the processes it has to start',
      value: median(wholes.map((whole, i) => whole - 3 * (shells[i] ?? Number.NaN))),
      unit: 'ms',
      aim: { atMost: 1000 },
      detail: `${shown(median(wholes))} ms against ${shown(processes)} ms (three shells)`,
    },
  ]
}

export const work = async (): Promise<readonly (Figure | Missing)[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'drydock-bench-'))
  const program = await drydock({ data: join(folder, 'data'), compute: 'auto' })
  const aws = clientsOf(program.endpoint)
  try {
    const login = await setUpIdentities(aws)
    const lines = [...(await attempt('StartBuild sent → first command runs', () => builds(aws)))]
    lines.push(
      ...(await attempt('git push → first action; the whole sample pipeline', async () => {
        const made = await setUpInfrastructure(aws)
        return pipeline(aws, join(folder, 'web-app'), { ...made, login })
      })),
    )
    return lines
  } finally {
    await callServer({ endpoint: program.endpoint }, 'POST', '/_drydock/reset').catch(() => undefined)
    await program.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
