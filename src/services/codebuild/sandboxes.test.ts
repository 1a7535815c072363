import { spawnSync } from 'node:child_process'
import {
  BatchGetCommandExecutionsCommand,
  BatchGetSandboxesCommand,
  ListCommandExecutionsForSandboxCommand,
  ListSandboxesCommand,
  ListSandboxesForProjectCommand,
  type Sandbox,
  StartCommandExecutionCommand,
  StartSandboxCommand,
  StopSandboxCommand,
} from '@aws-sdk/client-codebuild'
import { beforeEach, expect, it } from 'vitest'
import { codebuild, drydock, logOf, onBench, project } from './builds-bench.ts'

onBench()

beforeEach(() => {
  drydock.compute.on('sandbox-', (_spec, task) => {
    const ended = Promise.withResolvers<number>()
    task.stopping.addEventListener('abort', () => ended.resolve(0))
    return ended.promise
  })
  drydock.compute.onExec('sandbox-', ([program = '', ...args], task) => {
    // The host's own shell stands for the sandbox's.
    const { stdout, status } = spawnSync(program, args, { env: { PATH: process.env.PATH, ...task.options.env } })
    task.write(stdout)
    return status ?? 1
  })
})

const look = async (id: string | undefined): Promise<Sandbox> => {
  const { sandboxes } = await codebuild.send(new BatchGetSandboxesCommand({ ids: [id ?? ''] }))
  if (!sandboxes?.[0]) throw new Error(`no sandbox ${id}`)
  return sandboxes[0]
}

const ready = async () => {
  const { sandbox } = await codebuild.send(new StartSandboxCommand({ projectName: 'app' }))
  expect(sandbox?.status).toBe('QUEUED')
  await drydock.settled()
  return look(sandbox?.id)
}

it('commands run in a sandbox, one by one, until it is stopped', async () => {
  await project()
  const sandbox = await ready()
  expect(sandbox).toMatchObject({
    status: 'RUN_SANDBOX',
    projectName: 'app',
    currentSession: { currentPhase: 'RUN_SANDBOX' },
  })
  const sandboxId = sandbox.id
  const exec = async (command: string) => {
    const { commandExecution } = await codebuild.send(
      new StartCommandExecutionCommand({ sandboxId, command, type: 'SHELL' }),
    )
    for (;;) {
      const { commandExecutions } = await codebuild.send(
        new BatchGetCommandExecutionsCommand({
          sandboxId: sandboxId ?? '',
          commandExecutionIds: [commandExecution?.id ?? ''],
        }),
      )
      if (commandExecutions?.[0]?.endTime) return commandExecutions[0]
      await new Promise((turn) => setTimeout(turn, 5))
    }
  }
  expect(await exec('echo $CODEBUILD_CI; echo complaint >&2')).toMatchObject({
    ...{ status: 'SUCCEEDED', exitCode: '0', standardOutputContent: 'true\n', standardErrContent: 'complaint\n' },
  })
  expect(await exec('printf one; exit 3')).toMatchObject({
    ...{ status: 'FAILED', exitCode: '3', standardOutputContent: 'one' },
  })
  const { currentSession } = await look(sandboxId)
  expect(await logOf({ logs: currentSession?.logs })).toEqual(
    expect.arrayContaining(['# Running command printf one; exit 3', 'true', 'complaint', 'one']),
  )
  const listed = await codebuild.send(new ListCommandExecutionsForSandboxCommand({ sandboxId }))
  expect(listed.commandExecutions).toHaveLength(2)
  expect((await codebuild.send(new ListSandboxesForProjectCommand({ projectName: 'app' }))).ids).toEqual([sandboxId])
  await codebuild.send(new StopSandboxCommand({ id: sandboxId }))
  await drydock.settled()
  expect(await look(sandboxId)).toMatchObject({ status: 'STOPPED', currentSession: { currentPhase: 'COMPLETED' } })
  expect(drydock.compute.running()).toEqual([])
  await expect(codebuild.send(new StartCommandExecutionCommand({ sandboxId, command: 'ls' }))).rejects.toMatchObject({
    name: 'InvalidInputException',
  })
})

it('a sandbox ends when its time is over, or when its source cannot be had', async () => {
  await project({ timeoutInMinutes: 5 })
  const { id } = await ready()
  await drydock.advance({ minutes: 6 })
  expect((await look(id)).status).toBe('TIMED_OUT')
  await project({ name: 'sourced', source: { type: 'S3', location: 'nowhere/source.zip' } })
  const { sandbox } = await codebuild.send(new StartSandboxCommand({ projectName: 'sourced' }))
  await drydock.settled()
  const failed = await look(sandbox?.id)
  expect(failed.status).toBe('FAILED')
  expect(
    failed.currentSession?.phases?.find(({ phaseStatus }) => phaseStatus === 'FAILED')?.contexts?.[0]?.message,
  ).toMatch(/NoSuchBucket/)
  expect((await codebuild.send(new ListSandboxesCommand({}))).ids).toHaveLength(2)
})
