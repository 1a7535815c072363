import {
  BatchDeleteBuildsCommand,
  BatchGetBuildsCommand,
  ListBuildsCommand,
  ListBuildsForProjectCommand,
  RetryBuildCommand,
  StopBuildCommand,
} from '@aws-sdk/client-codebuild'
import { describe, expect, it } from 'vitest'
import { Build as BuildTable } from './build.ts'
import { codebuild, drydock, ended, look, onBench, phasesOf, project, run, start, waits, when } from './builds-bench.ts'

onBench()

describe('builds', () => {
  it('are listed newest first, retried, deleted', async () => {
    await project()
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      ids.push((await run()).id)
      await drydock.advance({ seconds: 1 })
    }
    const listed = await codebuild.send(new ListBuildsForProjectCommand({ projectName: 'app' }))
    expect(listed.ids).toEqual([...ids].reverse())
    expect((await codebuild.send(new ListBuildsCommand({ sortOrder: 'ASCENDING' }))).ids).toEqual(ids)
    const retried = await codebuild.send(new RetryBuildCommand({ id: ids[0] }))
    expect(retried.build?.buildNumber).toBe(4)
    await when(retried.build?.id, ended)
    const deleted = await codebuild.send(new BatchDeleteBuildsCommand({ ids: [ids[0] ?? '', 'app:none'] }))
    expect(deleted.buildsDeleted).toHaveLength(1)
    expect(deleted.buildsNotDeleted).toEqual([{ id: 'app:none', statusCode: 'BUILD_NOT_FOUND' }])
    const { buildsNotFound } = await codebuild.send(new BatchGetBuildsCommand({ ids: [ids[0] ?? ''] }))
    expect(buildsNotFound).toEqual([ids[0]])
  })

  it('are listed page by page', async () => {
    await project()
    const { id = '', projectName } = await run()
    const place = { account: drydock.account, region: drydock.region }
    const made = await drydock.server.kernel.store.write(place, async (tx) => {
      const build = await tx.get(BuildTable, id)
      if (!build) throw new Error('no build')
      const copy = (i: number) => ({ ...build, id: `app:${String(i).padStart(3, '0')}`, created: build.created + i })
      return Array.from({ length: 150 }, (_, i) => tx.put(BuildTable, copy(i + 1)).id)
    })
    const expected = [id, ...made]
    for (const sortOrder of ['ASCENDING', 'DESCENDING'] as const) {
      const wanted = sortOrder === 'ASCENDING' ? expected : [...expected].reverse()
      const first = await codebuild.send(new ListBuildsForProjectCommand({ projectName, sortOrder }))
      const { nextToken } = first
      const second = await codebuild.send(new ListBuildsForProjectCommand({ projectName, sortOrder, nextToken }))
      expect([...(first.ids ?? []), ...(second.ids ?? [])]).toEqual(wanted)
      expect([first.ids?.length, second.nextToken]).toEqual([100, undefined])
      const all = await codebuild.send(new ListBuildsCommand({ sortOrder }))
      const rest = await codebuild.send(new ListBuildsCommand({ sortOrder, nextToken: all.nextToken }))
      expect([...(all.ids ?? []), ...(rest.ids ?? [])]).toEqual(wanted)
    }
    await drydock.server.reset()
  })

  it('are started once for one token', async () => {
    await project()
    const first = await start({ idempotencyToken: 'a' })
    expect((await start({ idempotencyToken: 'a' }))?.id).toBe(first?.id)
    await expect(start({ idempotencyToken: 'a', sourceVersion: 'other' })).rejects.toMatchObject({
      name: 'InvalidInputException',
    })
    await drydock.advance({ minutes: 6 })
    expect((await start({ idempotencyToken: 'a' }))?.id).not.toBe(first?.id)
  })

  it('are as many at a time as the project says', async () => {
    await project({ concurrentBuildLimit: 1, buildspec: waits })
    const id = (await start())?.id
    await expect(start()).rejects.toMatchObject({ name: 'AccountLimitExceededException' })
    await codebuild.send(new StopBuildCommand({ id }))
    await when(id, ended)
    await start()
  })

  it('wait in the queue while sixty others run', async () => {
    drydock.compute.on('build-', () => new Promise<number>(() => {}))
    await project({ logsConfig: { cloudWatchLogs: { status: 'DISABLED' } }, queuedTimeoutInMinutes: 5 })
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 63; i++) {
      ids.push((await start())?.id)
      await drydock.advance({ milliseconds: 1 })
    }
    expect(drydock.compute.running()).toHaveLength(60)
    expect((await look(ids[60])).currentPhase).toBe('QUEUED')
    await codebuild.send(new StopBuildCommand({ id: ids[0] }))
    await when(ids[0], ended)
    await when(ids[60], (build) => build.currentPhase !== 'QUEUED')
    await codebuild.send(new StopBuildCommand({ id: ids[62] }))
    expect(phasesOf(await when(ids[62], ended))).toContain('QUEUED STOPPED')
    await drydock.advance({ minutes: 6 })
    const late = await when(ids[61], ended)
    expect([late.buildStatus, phasesOf(late)?.[1]]).toEqual(['TIMED_OUT', 'QUEUED TIMED_OUT'])
  })

  it('are retried by themselves as often as told', async () => {
    await project({ autoRetryLimit: 1, buildspec: 'version: 0.2\nphases: {build: {commands: ["exit 1"]}}' })
    const first = await run()
    const next = first.autoRetryConfig?.nextAutoRetry
    expect(next).toMatch(/:build\/app:/)
    const second = await when(next, ended)
    expect(second.autoRetryConfig).toMatchObject({ autoRetryNumber: 1, previousAutoRetry: first.arn })
    expect(second.autoRetryConfig?.nextAutoRetry).toBeUndefined()
    const spec = (pattern: string) =>
      `version: 0.2\nphases: {build: {on-failure: 'RETRY-2-${pattern}', commands: ["exit 9"]}}`
    const other = await run({ buildspecOverride: spec('status 8'), autoRetryLimitOverride: 0 })
    expect(other.autoRetryConfig).toBeUndefined()
    const retried = await run({ buildspecOverride: spec('status [9]'), autoRetryLimitOverride: 0 })
    expect(retried.autoRetryConfig?.nextAutoRetry).toBeDefined()
  })

  it('refuse what is not done', async () => {
    await project()
    await expect(start({ reportBuildStatusOverride: true })).rejects.toMatchObject({ name: 'InvalidInputException' })
    await expect(start({ projectName: 'other' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })
})
