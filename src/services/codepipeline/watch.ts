import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import { table, type WriteTx } from '../../store/store.ts'
import type { DeliveredEvent } from '../../work/outbox.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { ActionExecution } from './action-execution.ts'
import { RuleExecution } from './condition.ts'
import { Target } from './deploy-target.ts'
import { Execution, executionReconciler } from './execution.ts'
import type { Declaration } from './operation.ts'
import { declarationOf, Pipeline } from './pipeline.ts'
import { unwatchRemotes, watchRemotes } from './remote-watch.ts'
import { callerOf } from './role.ts'
import { startByItself } from './start.ts'

// What starts a pipeline by itself: sources whose PollForSourceChanges is not false. AWS asks every minute; a push is
// known here at once, and a bucket is asked every minute unless it tells. So is a repository of another account, whose
// pushes are that account's events.

export type WatchRecord = {
  readonly pipeline: string
  readonly action: string
  /** What is watched, by kind: `codecommit|repository|branch`, `codecommit@account|repository|branch`, `s3|bucket|key`. */
  readonly what: string
  /** The revision that the last execution took. */
  readonly seen?: string
}

const watchKey = (pipeline: string, action: string) => `${pipeline}/${action}`

export const Watch = table<WatchRecord>('codepipeline.watch', {
  scope: 'region',
  key: ({ pipeline, action }) => watchKey(pipeline, action),
  index: { what: ({ what }) => what },
})

/** How often a bucket, or a repository of another account, is asked; milliseconds. */
const interval = 60_000

/** Providers that are asked, where no rule is to start the pipeline. */
const watched = ['CodeCommit', 'S3']

const accountOf = (roleArn: string | undefined) => roleArn?.split(':')[4] ?? ''

/** What no event tells of, or may not. */
const isPolled = (what: string) => what.startsWith('s3|') || what.startsWith('codecommit@')

/** Watches what the declaration says, and nothing else. */
export const watchSources = async (tx: WriteTx, declaration: Declaration): Promise<void> => {
  await watchRemotes(tx, declaration)
  const before = await tx.list(Watch, { prefix: `${declaration.name}/` })
  for (const watch of before) tx.delete(Watch, Watch.key(watch))
  for (const { name, actionTypeId, configuration = {}, roleArn } of declaration.stages[0]?.actions ?? []) {
    const { owner, provider } = actionTypeId
    if (owner !== 'AWS' || !watched.includes(provider)) continue
    if (/^false$/i.test(configuration.PollForSourceChanges ?? '')) continue
    const account = accountOf(roleArn ?? declaration.roleArn)
    const elsewhere = account === accountOf(declaration.roleArn) ? '' : `@${account}`
    const what =
      provider === 'CodeCommit'
        ? `codecommit${elsewhere}|${configuration.RepositoryName}|${configuration.BranchName}`
        : `s3|${configuration.S3Bucket}|${configuration.S3ObjectKey}`
    const known = before.find((watch) => watch.action === name && watch.what === what)
    tx.put(Watch, known ?? { pipeline: declaration.name, action: name, what })
    if (isPolled(what)) tx.wake(polling.name, watchKey(declaration.name, name), { in: interval })
  }
}

export const unwatchSources = async (tx: WriteTx, pipeline: string): Promise<void> => {
  await unwatchRemotes(tx, pipeline)
  for (const watch of await tx.list(Watch, { prefix: `${pipeline}/` })) tx.delete(Watch, Watch.key(watch))
}

/** A source action took this revision: it starts nothing again. */
export const noteRevision = async (tx: WriteTx, pipeline: string, action: string, seen: string): Promise<void> => {
  const watch = await tx.get(Watch, watchKey(pipeline, action))
  if (watch && watch.seen !== seen) tx.put(Watch, { ...watch, seen })
}

/** Starts the pipelines that watch something, unless they have an execution for this token. */
const startWatching = (ctx: Ctx, tx: WriteTx, watch: WatchRecord, token: string): Promise<void> =>
  startByItself(ctx, tx, watch.pipeline, { trigger: { type: 'PollForSourceChanges', detail: watch.action }, token })

/** Asks a bucket or repository whether there is a new version of a source. Key: `pipeline/action`. */
export const polling: Reconciler = {
  name: 'codepipeline.polling',
  step: async (ctx, key) => {
    const found = await ctx.read(async (tx) => {
      const watch = await tx.get(Watch, key)
      const pipeline = watch && (await tx.get(Pipeline, watch.pipeline))
      const declaration = pipeline && (await declarationOf(tx, pipeline.name, pipeline.version))
      return watch && declaration && { watch, declaration }
    })
    if (!found || !isPolled(found.watch.what)) return done()
    const version = await latestVersion(ctx, found.declaration, found.watch)
    if (version !== undefined && version !== found.watch.seen)
      await ctx.write(async (tx) => {
        const watch = await tx.get(Watch, key)
        if (!watch || watch.seen === version) return
        tx.put(Watch, { ...watch, seen: version })
        await startWatching(ctx, tx, watch, `${watch.action}-${version}`)
      })
    return again({ in: interval })
  },
}

/** `undefined` when there is none, or none that the role may see: the pipeline's own executions will say so. */
const latestVersion = async (ctx: Ctx, declaration: Declaration, watch: WatchRecord): Promise<string | undefined> => {
  const action = declaration.stages[0]?.actions.find(({ name }) => name === watch.action)
  if (!action) return undefined
  const [kind, place = '', ...rest] = watch.what.split('|')
  const name = rest.join('|')
  try {
    const { s3, codecommit } = await callerOf(ctx, declaration, action, 'codepipeline')
    if (kind === 's3') return (await s3.headObject({ Bucket: place, Key: name })).VersionId
    return (await codecommit.getBranch({ repositoryName: place, branchName: name })).branch?.commitId
  } catch (error) {
    if (error instanceof AwsError && error.code !== 'InternalFailure') return undefined
    throw error
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Pushes and objects that pipelines watch; builds and deployments that executions wait for. */
export const onEvent = async (ctx: Ctx, event: DeliveredEvent): Promise<void> => {
  const { detail } = event
  switch (event['detail-type']) {
    case 'CodeCommit Repository State Change': {
      if (event.source !== 'aws.codecommit' || detail.referenceType !== 'branch' || detail.event === 'referenceDeleted')
        return
      const what = `codecommit|${textOf(detail.repositoryName)}|${textOf(detail.referenceName)}`
      return ctx.write(async (tx) => {
        for (const watch of await tx.list(Watch, { index: 'what', equals: what }))
          await startWatching(ctx, tx, watch, `${watch.action}-${event.id}`)
      })
    }
    case 'Object Created': {
      const { bucket, object } = detail as { bucket?: { name?: unknown }; object?: { key?: unknown } }
      const what = `s3|${textOf(bucket?.name)}|${textOf(object?.key)}`
      if (event.source !== 'aws.s3') return
      return ctx.write(async (tx) => {
        for (const watch of await tx.list(Watch, { index: 'what', equals: what }))
          tx.wake(polling.name, Watch.key(watch))
      })
    }
    case 'CodeBuild Build State Change':
      return event.source === 'aws.codebuild'
        ? wakeFor(ctx, textOf(detail['build-id']).replace(/^arn:.*?:build\//, ''))
        : undefined
    case 'CloudWatch Alarm State Change':
      return event.source === 'aws.cloudwatch' ? wakeFor(ctx, event.resources?.[0] ?? '') : undefined
    case 'EC2 Command Status-change Notification':
      return event.source === 'aws.ssm' ? wakeForCommand(ctx, textOf(detail['command-id'])) : undefined
    case 'CodeDeploy Deployment State-change Notification':
      return event.source === 'aws.codedeploy' ? wakeFor(ctx, textOf(detail.deploymentId)) : undefined
  }
}

/** Wakes the deployment whose step this command carries out. */
const wakeForCommand = async (ctx: Ctx, command: string): Promise<void> => {
  const targets = await ctx.read((tx) => tx.list(Target, { index: 'command', equals: command }))
  for (const { action } of targets) await wakeFor(ctx, action)
}

/** Wakes the execution that waits for this build or deployment. */
const wakeFor = (ctx: Ctx, external: string): Promise<void> =>
  ctx.write(async (tx) => {
    const actions = await tx.list(ActionExecution, { index: 'external', equals: external })
    const rules = await tx.list(RuleExecution, { index: 'external', equals: external })
    for (const record of [...actions, ...rules]) {
      const execution = await tx.get(Execution, record.execution)
      if (execution) tx.wake(executionReconciler, execution.id)
    }
  })
