import { CloudWatchClient, GetMetricDataCommand, ListMetricsCommand } from '@aws-sdk/client-cloudwatch'
import { StopBuildCommand } from '@aws-sdk/client-codebuild'
import { expect, it } from 'vitest'
import { codebuild, drydock, ended, onBench, project, start, waits, when } from './builds-bench.ts'

onBench()

const running = ({ currentPhase }: { currentPhase?: string | undefined }) => currentPhase === 'BUILD'

it('what a build uses is published each minute, for the build, its project and the account, as long as it runs', async () => {
  const cloudwatch = drydock.client(CloudWatchClient)
  const used = { cpuSeconds: 0, memoryBytes: 1024 * 2 ** 20, storage: { readBytes: 0, writtenBytes: 0 } }
  drydock.compute.measure('build-', () => {
    used.cpuSeconds += 7.5
    used.storage.writtenBytes += 15 * 2 ** 20
    return structuredClone(used)
  })
  await project({ buildspec: waits })
  const build = await when((await start())?.id, running)
  await drydock.advance({ minutes: 2 })
  const whose = [
    [
      { Name: 'ProjectName', Value: 'app' },
      { Name: 'BuildId', Value: build.id },
      { Name: 'BuildNumber', Value: '1' },
    ],
    [{ Name: 'ProjectName', Value: 'app' }],
    [],
  ]
  const names = [
    ...['CPUUtilized', 'CPUUtilizedPercent', 'MemoryUtilized', 'MemoryUtilizedPercent'],
    ...['StorageReadBytes', 'StorageWriteBytes'],
  ]
  for (const Dimensions of whose) {
    const { MetricDataResults } = await cloudwatch.send(
      new GetMetricDataCommand({
        StartTime: new Date(drydock.clock.now().getTime() - 60_000),
        EndTime: drydock.clock.now(),
        MetricDataQueries: names.map((MetricName, at) => ({
          Id: `m${at}`,
          MetricStat: { Metric: { Namespace: 'AWS/CodeBuild', MetricName, Dimensions }, Period: 60, Stat: 'Average' },
        })),
      }),
    )
    expect(MetricDataResults?.map(({ Values }) => Values)).toEqual([[512], [25], [1024], [25], [0], [2 ** 20]])
  }

  await codebuild.send(new StopBuildCommand({ id: build.id }))
  await when(build.id, ended)
  const before = used.cpuSeconds
  await drydock.advance({ minutes: 1 })
  expect(used.cpuSeconds, 'nobody looks at a build that has ended').toBe(before)
})

it('where the host does not tell what a build uses, nothing is published', async () => {
  await project({ buildspec: waits })
  await when((await start())?.id, running)
  await drydock.advance({ seconds: 40 })
  const { Metrics = [] } = await drydock
    .client(CloudWatchClient)
    .send(new ListMetricsCommand({ Namespace: 'AWS/CodeBuild' }))
  expect(Metrics.filter(({ MetricName = '' }) => /Utilized|Storage/.test(MetricName))).toEqual([])
})
