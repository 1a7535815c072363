import { type Build, ListBuildsCommand, StopBuildCommand } from '@aws-sdk/client-codebuild'
import { describe, expect, it } from 'vitest'
import {
  codebuild,
  contextOf,
  drydock,
  ended,
  logsPolicy,
  onBench,
  phasesOf,
  project,
  run,
  start,
  waits,
  when,
} from './builds-bench.ts'

onBench()

describe('a build ends before its time', () => {
  const begun = (build: Build) => build.currentPhase === 'BUILD'

  it('when it is stopped', async () => {
    await project({ buildspec: waits })
    const id = (await start())?.id
    await when(id, begun)
    await codebuild.send(new StopBuildCommand({ id }))
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('STOPPED')
    expect(phasesOf(build)?.slice(-3)).toEqual(['BUILD STOPPED', 'FINALIZING SUCCEEDED', 'COMPLETED'])
    expect((await codebuild.send(new StopBuildCommand({ id }))).build?.buildStatus).toBe('STOPPED')
    await expect(codebuild.send(new StopBuildCommand({ id: 'app:none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
  })

  it('when its time is over', async () => {
    await project({ buildspec: waits, timeoutInMinutes: 5 })
    const id = (await start())?.id
    await when(id, begun)
    await drydock.advance({ minutes: 6 })
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('TIMED_OUT')
    expect(contextOf(build, 'BUILD')).toMatchObject({ statusCode: 'BUILD_TIMED_OUT' })
  })

  it.each([
    ['INSTALL', 'PRE_BUILD'],
    ['POST_BUILD', 'UPLOAD_ARTIFACTS'],
  ])('when its task is gone right after %s', async (last, blamed) => {
    drydock.compute.on('build-', async (_spec, task) => {
      const nonce = /036([0-9a-f]{16}) /.exec(await task.read('/codebuild/output/tmp/run.sh'))?.[1]
      const mark = (text: string) => task.write(`\x1e${nonce} 1700000000000 ${text}\n`)
      mark('start')
      for (const phase of ['INSTALL', 'PRE_BUILD', 'BUILD', 'POST_BUILD']) {
        mark(`phase ${phase}`)
        mark(`end ${phase} SUCCEEDED`)
        if (phase === last) break
      }
      return 0
    })
    await project()
    const build = await run()
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, blamed)).toMatchObject({ statusCode: 'BUILD_CONTAINER_FOUND_DEAD' })
  })

  it('when its task is gone', async () => {
    await project({ buildspec: waits })
    const id = (await start())?.id
    await when(id, begun)
    await drydock.compute.end(drydock.compute.running()[0] ?? '', 137)
    const build = await when(id, ended)
    expect(build.buildStatus).toBe('FAILED')
    expect(contextOf(build, 'BUILD')).toMatchObject({ statusCode: 'BUILD_CONTAINER_FOUND_DEAD' })
  })
})

it('a reset ends what runs, and builds work after it', async () => {
  await project({ buildspec: waits })
  const id = (await start())?.id
  await when(id, (build) => build.currentPhase === 'BUILD')
  await drydock.server.reset()
  expect(drydock.compute.running()).toEqual([])
  expect((await codebuild.send(new ListBuildsCommand({}))).ids).toEqual([])
  await project({ serviceRole: await drydock.role('builder', 'codebuild.amazonaws.com', [logsPolicy]) })
  expect((await run()).buildStatus).toBe('SUCCEEDED')
  expect(drydock.logged).toEqual([])
})
