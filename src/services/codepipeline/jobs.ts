import { createHash, timingSafeEqual } from 'node:crypto'
import type { Credentials, Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { ReadTx, WriteTx } from '../../store/store.ts'
import { ActionExecution, type ActionRecord, actionIn } from './action-execution.ts'
import type { Progress, WorkerJob } from './actions/action.ts'
import { newJob } from './actions/job-worker.ts'
import { endAction } from './advance.ts'
import { findType, getType, linkOf, typeKey, typeSentence } from './custom-type.ts'
import { Execution, executionReconciler } from './execution.ts'
import { type ActionDeclaration, type Declaration, fail, type Input, type Operation, type Output } from './operation.ts'
import { declarationOf, pipelineArn } from './pipeline.ts'
import { callerOf } from './role.ts'
import { masked, opened } from './secrets.ts'
import { storeOf } from './structure.ts'

// Jobs: actions that workers outside fetch, carry out and answer ("Create and add a custom action in CodePipeline").

/** A worker that does not acknowledge a job for so long has not taken it on; milliseconds. */
const patience = 5 * 60_000

/** How long a worker may use the credentials it is given, in seconds. */
const credentialsLife = 3600

/** Most bytes of all output variables of an action ("Quotas in CodePipeline"). */
const mostVariableBytes = 122_880

type JobData = NonNullable<NonNullable<Output<'GetJobDetails'>['jobDetails']>['data']>
type Found = { readonly record: ActionRecord; readonly job: WorkerJob }
type Whole = Found & { readonly declaration: Declaration; readonly action: ActionDeclaration }

/** The job of this id, whatever became of it. Throws JobNotFoundException. */
const getJob = async (tx: ReadTx, id: string, owner: 'Custom' | 'ThirdParty'): Promise<Found> => {
  const [record] = await tx.list(ActionExecution, { index: 'job', equals: id, limit: 1 })
  if (!record?.job?.type.startsWith(`${owner}/`))
    throw fail('JobNotFoundException', `The job ${id} was specified in an invalid format or cannot be found`)
  return { record, job: record.job }
}

const wholeOf = async (tx: ReadTx, { record, job }: Found): Promise<Whole | undefined> => {
  const declaration = await declarationOf(tx, record.pipeline, record.version)
  const action = actionIn(declaration, record.stage, record.action)
  return action && { record, job, declaration, action }
}

const statement = (Action: readonly string[], keys: readonly { bucket: string; key: string }[]) =>
  keys.length === 0
    ? []
    : [{ Effect: 'Allow', Action, Resource: keys.map(({ bucket, key }) => `arn:aws:s3:::${bucket}/${key}`) }]

/** Credentials of the action's role that reach these artifacts and nothing else; none where there are none. */
const credentialsFor = async (ctx: Ctx, { record, declaration, action }: Whole): Promise<Credentials | undefined> => {
  const { inputs, outputs } = record
  if (inputs.length + outputs.length === 0) return undefined
  const Statement = [
    ...statement(['s3:GetObject', 's3:GetObjectVersion'], inputs),
    ...statement(['s3:PutObject'], outputs),
    { Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey*', 'kms:Encrypt'], Resource: '*' },
  ]
  const policies = [JSON.stringify({ Version: '2012-10-17', Statement })]
  const caller = await callerOf(ctx, declaration, action, record.execution, policies)
  return caller.credentials(credentialsLife)
}

const artifacts = (all: ActionRecord['inputs']): JobData['inputArtifacts'] =>
  all.map(({ name, bucket, key }) => ({
    name,
    location: { type: 'S3', s3Location: { bucketName: bucket, objectKey: key } },
  }))

const toJobData = async (ctx: Ctx, whole: Whole): Promise<JobData> => {
  const { record, job, declaration, action } = whole
  const credentials = await credentialsFor(ctx, whole)
  const encryptionKey = storeOf(declaration, action.region ?? ctx.region)?.encryptionKey
  return {
    actionTypeId: action.actionTypeId,
    actionConfiguration: { configuration: opened(ctx, record.resolved ?? {}) },
    pipelineContext: {
      pipelineName: record.pipeline,
      stage: { name: record.stage },
      action: { name: record.action, actionExecutionId: record.id },
      pipelineArn: pipelineArn(ctx, record.pipeline),
      pipelineExecutionId: record.execution,
    },
    inputArtifacts: artifacts(record.inputs),
    outputArtifacts: artifacts(record.outputs),
    ...(credentials
      ? {
          artifactCredentials: {
            accessKeyId: credentials.accessKeyId,
            secretAccessKey: credentials.secretAccessKey,
            sessionToken: credentials.sessionToken,
          },
        }
      : {}),
    ...(job.continuation === undefined ? {} : { continuationToken: job.continuation }),
    ...(encryptionKey ? { encryptionKey } : {}),
  }
}

/** Takes jobs of this type out of the queue, with a nonce each. */
const dispatch = async (
  ctx: Ctx,
  tx: WriteTx,
  type: string,
  size: number,
  fits: (record: ActionRecord) => boolean,
): Promise<Whole[]> => {
  const now = ctx.now().getTime()
  const taken: Whole[] = []
  for (const record of await tx.list(ActionExecution, { index: 'queue', equals: type })) {
    if (taken.length >= size) break
    if (!record.job || !fits(record)) continue
    if (record.job.status === 'Dispatched' && (record.job.dispatched ?? 0) + patience > now) continue
    const job: WorkerJob = { ...record.job, status: 'Dispatched', nonce: ctx.random(20, '0123456789'), dispatched: now }
    const whole = await wholeOf(tx, { record: tx.put<ActionRecord>(ActionExecution, { ...record, job }), job })
    if (whole) taken.push(whole)
  }
  return taken
}

/** AWS API: "PollForJobs". One job unless more are asked for. */
export const PollForJobs: Operation<'PollForJobs'> = async (
  ctx,
  { actionTypeId, maxBatchSize = 1, queryParam = {} },
) => {
  if (actionTypeId.owner !== 'Custom')
    throw fail('ActionTypeNotFoundException', `${typeSentence(actionTypeId)}: PollForJobs is for the owner Custom only`)
  const taken = await ctx.write(async (tx) => {
    const type = await getType(ctx, tx, actionTypeId)
    const wanted = Object.entries(queryParam)
    for (const [name] of wanted)
      if (!type.properties.some((property) => property.name === name && property.queryable))
        throw fail('ValidationException', `The configuration property ${name} of the action type is not queryable`)
    const asked = type.properties.find(({ name, queryable }) => queryable && !Object.hasOwn(queryParam, name))
    if (asked)
      throw fail('ValidationException', `The queryable configuration property ${asked.name} must be in queryParam`)
    return dispatch(ctx, tx, typeKey(actionTypeId), maxBatchSize, ({ resolved }) =>
      wanted.every(([name, value]) => resolved?.[name] === value),
    )
  })
  const jobs: NonNullable<Output<'PollForJobs'>['jobs']> = []
  for (const whole of taken) {
    const { id, nonce = '' } = whole.job
    try {
      jobs.push({ id, data: await toJobData(ctx, whole), nonce, accountId: ctx.account })
    } catch (error) {
      if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
      await ctx.write((tx) =>
        answer(ctx, tx, whole, { state: 'failed', code: 'PermissionError', message: error.message }),
      )
    }
  }
  return { jobs }
}

/** What AcknowledgeJob says of a job that is not waiting for it. */
const statusOf = ({ status, error }: ActionRecord, job: WorkerJob): NonNullable<Output<'AcknowledgeJob'>['status']> => {
  if (status === 'InProgress') return job.status
  if (status === 'Succeeded') return 'Succeeded'
  return error?.code === 'JobTimedOut' ? 'TimedOut' : 'Failed'
}

const acknowledge = (tx: WriteTx, { record, job }: Found, nonce: string) => {
  if (job.nonce !== nonce) throw fail('InvalidNonceException', 'The nonce was specified in an invalid format.')
  const status = statusOf(record, job)
  if (status !== 'Dispatched') return { status }
  tx.put<ActionRecord>(ActionExecution, { ...record, job: { ...job, status: 'InProgress' } })
  return { status: 'InProgress' as const }
}

export const AcknowledgeJob: Operation<'AcknowledgeJob'> = (ctx, { jobId, nonce }) =>
  ctx.write(async (tx) => acknowledge(tx, await getJob(tx, jobId, 'Custom'), nonce))

/** AWS API: "GetJobDetails". */
export const GetJobDetails: Operation<'GetJobDetails'> = async (ctx, { jobId }) => {
  const whole = await ctx.read(async (tx) => wholeOf(tx, await getJob(tx, jobId, 'Custom')))
  return whole ? { jobDetails: { id: jobId, data: await toJobData(ctx, whole), accountId: ctx.account } } : {}
}

/** Only a job that a worker has taken on can be answered. */
const working = async (tx: ReadTx, found: Found): Promise<Whole> => {
  const { record, job } = found
  if (record.status !== 'InProgress' || job.status !== 'InProgress')
    throw fail(
      'InvalidJobStateException',
      `The job ${job.id} cannot be answered: its state is ${statusOf(record, job)}`,
    )
  const whole = await wholeOf(tx, found)
  if (!whole) throw fail('JobNotFoundException', `The job ${job.id} cannot be found`)
  return whole
}

const answer = async (
  ctx: Ctx,
  tx: WriteTx,
  { record, action }: Whole,
  progress: Exclude<Progress, { state: 'running' }>,
): Promise<void> => {
  const present = await tx.get(ActionExecution, ActionExecution.key(record))
  const execution = await tx.get(Execution, record.execution)
  if (present?.status !== 'InProgress' || !execution) return
  await endAction(ctx, tx, execution, action, present, progress)
  tx.wake(executionReconciler, execution.id)
}

/** What the worker calls its run, and where the type's owner says that it and its revision are to be seen. */
const linksOf = async (
  tx: ReadTx,
  { record, action }: Whole,
  { run, revision }: { readonly run: string | undefined; readonly revision?: string | undefined },
): Promise<{ readonly run?: string; readonly revision?: string }> => {
  const type = await findType(tx, action.actionTypeId)
  const configuration = masked(record.resolved ?? {})
  const at = linkOf(type?.settings.executionUrlTemplate, configuration, { ExternalExecutionId: run })
  const of = linkOf(type?.settings.revisionUrlTemplate, configuration, { RevisionId: revision })
  return { ...(run && at ? { run: at } : {}), ...(revision && of ? { revision: of } : {}) }
}

type Success = Omit<Input<'PutJobSuccessResult'>, 'jobId'>

const succeed = async (ctx: Ctx, tx: WriteTx, found: Found, success: Success): Promise<void> => {
  const { currentRevision, continuationToken, executionDetails = {}, outputVariables } = success
  const whole = await working(tx, found)
  const { record, job } = whole
  const { summary, externalExecutionId: id, percentComplete } = executionDetails
  const run = id ?? record.external?.id
  const links = await linksOf(tx, whole, { run, revision: currentRevision?.revision })
  const external = {
    ...record.external,
    ...(summary ? { summary } : {}),
    ...(id ? { id } : {}),
    ...(links.run ? { url: links.run } : {}),
  }
  if (continuationToken !== undefined) {
    const next = { ...newJob(() => ctx.newId(), job.type), continuation: continuationToken }
    tx.put<ActionRecord>(ActionExecution, {
      ...record,
      external,
      ...(percentComplete === undefined ? {} : { percent: percentComplete }),
      updated: ctx.now().getTime(),
      job: job.client === undefined ? next : { ...next, client: job.client },
    })
    return
  }
  if (outputVariables && Buffer.byteLength(JSON.stringify(outputVariables)) > mostVariableBytes)
    throw fail(
      'OutputVariablesSizeExceededException',
      'Exceeded the total size limit for all variables in the pipeline.',
    )
  await answer(ctx, tx, whole, {
    state: 'succeeded',
    external,
    ...(outputVariables ? { variables: outputVariables } : {}),
    ...(currentRevision
      ? {
          revision: {
            id: currentRevision.revision,
            changeId: currentRevision.changeIdentifier,
            created: (currentRevision.created ?? ctx.now()).toISOString(),
            ...(currentRevision.revisionSummary ? { summary: currentRevision.revisionSummary } : {}),
            ...(links.revision ? { url: links.revision } : {}),
          },
        }
      : {}),
  })
}

type Failure = Input<'PutJobFailureResult'>['failureDetails']

const failJob = async (ctx: Ctx, tx: WriteTx, found: Found, { type, message, externalExecutionId: id }: Failure) => {
  const whole = await working(tx, found)
  const { run: url } = await linksOf(tx, whole, { run: id })
  const external = id ? { external: { id, ...(url ? { url } : {}) } } : {}
  await answer(ctx, tx, whole, { state: 'failed', code: type, message, ...external })
}

/** AWS API: "PutJobSuccessResult". With a continuation token the action goes on, by a new job. */
export const PutJobSuccessResult: Operation<'PutJobSuccessResult'> = (ctx, { jobId, ...success }) =>
  ctx.write(async (tx) => {
    await succeed(ctx, tx, await getJob(tx, jobId, 'Custom'), success)
    return {}
  })

export const PutJobFailureResult: Operation<'PutJobFailureResult'> = (ctx, { jobId, failureDetails }) =>
  ctx.write(async (tx) => {
    await failJob(ctx, tx, await getJob(tx, jobId, 'Custom'), failureDetails)
    return {}
  })

const digest = (text: string) => createHash('sha256').update(text).digest()

/**
 * A third party's job, for who knows the token: the value of the action's configuration property that is both key and
 * secret, which customer and provider have agreed on. Throws InvalidClientTokenException.
 */
const getClientJob = async (ctx: Ctx, tx: ReadTx, id: string, token: string): Promise<Found> => {
  const found = await getJob(tx, id, 'ThirdParty')
  const whole = await wholeOf(tx, found)
  const type = whole && (await findType(tx, whole.action.actionTypeId))
  const name = type?.properties.find(({ key, secret }) => key && secret)?.name
  const expected = name === undefined ? undefined : opened(ctx, found.record.resolved ?? {})[name]
  if (expected === undefined || !timingSafeEqual(digest(expected), digest(token)))
    throw fail('InvalidClientTokenException', 'The client token was specified in an invalid format')
  return found
}

/** AWS API: "PollForThirdPartyJobs". */
export const PollForThirdPartyJobs: Operation<'PollForThirdPartyJobs'> = (ctx, { actionTypeId, maxBatchSize = 1 }) =>
  ctx.write(async (tx) => {
    if (actionTypeId.owner !== 'ThirdParty')
      throw fail(
        'ActionTypeNotFoundException',
        `${typeSentence(actionTypeId)}: PollForThirdPartyJobs is for the owner ThirdParty only`,
      )
    await getType(ctx, tx, actionTypeId)
    const taken = await dispatch(ctx, tx, typeKey(actionTypeId), maxBatchSize, () => true)
    return { jobs: taken.map(({ job }) => ({ clientId: job.client ?? '', jobId: job.id })) }
  })

/** AWS API: "GetThirdPartyJobDetails". */
export const GetThirdPartyJobDetails: Operation<'GetThirdPartyJobDetails'> = async (ctx, { jobId, clientToken }) => {
  const whole = await ctx.read(async (tx) => wholeOf(tx, await getClientJob(ctx, tx, jobId, clientToken)))
  if (!whole) return {}
  const { nonce } = whole.job
  return { jobDetails: { id: jobId, data: await toJobData(ctx, whole), ...(nonce ? { nonce } : {}) } }
}

export const AcknowledgeThirdPartyJob: Operation<'AcknowledgeThirdPartyJob'> = (ctx, { jobId, nonce, clientToken }) =>
  ctx.write(async (tx) => acknowledge(tx, await getClientJob(ctx, tx, jobId, clientToken), nonce))

export const PutThirdPartyJobSuccessResult: Operation<'PutThirdPartyJobSuccessResult'> = (
  ctx,
  { jobId, clientToken, ...success },
) =>
  ctx.write(async (tx) => {
    await succeed(ctx, tx, await getClientJob(ctx, tx, jobId, clientToken), success)
    return {}
  })

export const PutThirdPartyJobFailureResult: Operation<'PutThirdPartyJobFailureResult'> = (
  ctx,
  { jobId, clientToken, failureDetails },
) =>
  ctx.write(async (tx) => {
    await failJob(ctx, tx, await getClientJob(ctx, tx, jobId, clientToken), failureDetails)
    return {}
  })
