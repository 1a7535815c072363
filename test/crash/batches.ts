import {
  BatchGetBuildBatchesCommand,
  CreateProjectCommand,
  ListBuildsForProjectCommand,
  StartBuildBatchCommand,
} from '@aws-sdk/client-codebuild'
import { CreateBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { eventually, roleFor } from './delivery.ts'
import { type Actor, certain } from './world.ts'

/** Batches of two builds, the second after the first; each asks the server something, and leaves its log in S3. */
export const batches = (): Actor => {
  const started: string[] = []
  return {
    name: 'batches',
    setUp: async ({ aws }) => {
      const serviceRole = await roleFor(aws, 'crash-batch', 'codebuild.amazonaws.com')
      await aws.s3.send(new CreateBucketCommand({ Bucket: 'crash-batch-logs' }))
      await aws.codebuild.send(
        new CreateProjectCommand({
          name: 'crash-batch',
          source: {
            type: 'NO_SOURCE',
            buildspec: `version: 0.2
batch: {fast-fail: false, build-graph: [{identifier: a}, {identifier: b, depend-on: [a]}]}
phases: {build: {commands: [sleep 0.2, curl -s -f -m 60 --retry 5 --retry-all-errors -o /dev/null $AWS_ENDPOINT_URL/_drydock/health]}}
`,
          },
          artifacts: { type: 'NO_ARTIFACTS' },
          environment: {
            type: 'LINUX_CONTAINER',
            image: 'aws/codebuild/standard:7.0',
            computeType: 'BUILD_GENERAL1_SMALL',
          },
          serviceRole,
          buildBatchConfig: { serviceRole },
          logsConfig: {
            cloudWatchLogs: { status: 'DISABLED' },
            s3Logs: { status: 'ENABLED', location: 'crash-batch-logs' },
          },
        }),
      )
    },
    act: async ({ aws, random }) => {
      if (!random.chance(0.01)) return
      const made = await certain(aws.codebuild.send(new StartBuildBatchCommand({ projectName: 'crash-batch' })))
      if (made?.value.buildBatch?.id) started.push(made.value.buildBatch.id)
    },
    check: async ({ aws }, all) => {
      if (started.length === 0) return []
      const look = async (): Promise<string[]> => {
        const { buildBatches = [], buildBatchesNotFound = [] } = await aws.codebuild.send(
          new BatchGetBuildBatchesCommand({ ids: started.slice(-100) }),
        )
        const wrong = buildBatchesNotFound.map((id) => `batch ${id} is lost`)
        if (!all) return wrong
        const logs = new Set<string>()
        for (let token: string | undefined; ; ) {
          const page = await aws.s3.send(
            new ListObjectsV2Command({ Bucket: 'crash-batch-logs', ...(token ? { ContinuationToken: token } : {}) }),
          )
          for (const { Key = '' } of page.Contents ?? []) logs.add(Key)
          token = page.NextContinuationToken
          if (!token) break
        }
        const known = new Set<string>()
        for (const { id, complete, buildBatchStatus, buildGroups = [], phases = [] } of buildBatches) {
          if (!complete) wrong.push(`batch ${id} does not end: ${phases.at(-1)?.phaseType}`)
          else if (phases.at(-1)?.phaseType !== buildBatchStatus) wrong.push(`batch ${id} is ${buildBatchStatus}`)
          for (const { currentBuildSummary: build, identifier } of buildGroups) {
            const uuid = build?.arn?.split(':').at(-1) ?? ''
            if (build) known.add(uuid)
            else if (buildBatchStatus === 'SUCCEEDED') wrong.push(`batch ${id} did not build ${identifier}`)
            if (build?.buildStatus === 'SUCCEEDED' && !logs.has(`${uuid}.gz`)) wrong.push(`no log of ${build.arn}`)
            if (complete && build?.buildStatus !== 'SUCCEEDED')
              wrong.push(`${identifier} of batch ${id} is ${build?.buildStatus}`)
          }
        }
        // A batch whose start nobody heard of may have builds too; of those that are known none is built twice.
        const { ids = [] } = await aws.codebuild.send(new ListBuildsForProjectCommand({ projectName: 'crash-batch' }))
        if (ids.length < known.size && ids.length < 100)
          wrong.push(`${known.size} builds, of which ${ids.length} are listed`)
        return wrong
      }
      return all ? eventually(120, look) : look()
    },
  }
}
