import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { openPromise } from 'yauzl'
import type { Caller } from '../../../kernel/context.ts'
import {
  DeployPlan,
  type DeployStep,
  deploySteps,
  Target,
  type TargetEvent,
  type TargetRecord,
  targetsOf,
} from '../deploy-target.ts'
import { ActionFailure, type ActionKind, type Job, type Progress } from './action.ts'
import { type Plan, planOf, readSpec } from './ec2-plan.ts'
import { download } from './s3-deploy.ts'

// "Amazon EC2 action reference", CodePipeline user guide. Machines are found by a tag; each fetches the artifact under its own
// role and carries out the deployment's steps, one command of Systems Manager for each step.

/** Most machines of a deployment, and most bytes of its spec file. */
const mostTargets = 500
const mostSpecBytes = 1024 ** 2
/** Deployed to at the same time, unless told. */
const usualBatch = '50'

const isOpen = ({ status }: TargetRecord) => status === 'Pending' || status === 'InProgress'

const portionOf = (text: string, whole: number): number =>
  text.endsWith('%') ? Math.floor((Number(text.slice(0, -1)) * whole) / 100) : Number(text)

const found = async ({ ec2, ssm }: Caller, configuration: Job['configuration']): Promise<string[]> => {
  const { InstanceTagKey = '', InstanceTagValue, InstanceType } = configuration
  const chosen =
    InstanceTagValue === undefined
      ? { name: 'tag-key', values: [InstanceTagKey] }
      : { name: `tag:${InstanceTagKey}`, values: [InstanceTagValue] }
  const ids: string[] = []
  let NextToken: string | undefined
  do {
    const more = NextToken === undefined ? {} : { NextToken }
    if (InstanceType === 'EC2') {
      const Filters = [
        { Name: chosen.name, Values: chosen.values },
        { Name: 'instance-state-name', Values: ['running'] },
      ]
      const page = await ec2.describeInstances({ Filters, ...more })
      for (const { Instances = [] } of page.Reservations ?? [])
        for (const { InstanceId } of Instances) if (InstanceId) ids.push(InstanceId)
      NextToken = page.NextToken
    } else {
      const Filters = [{ Key: chosen.name, Values: chosen.values }]
      const page = await ssm.describeInstanceInformation({ Filters, ...more })
      for (const { InstanceId } of page.InstanceInformationList ?? []) if (InstanceId) ids.push(InstanceId)
      NextToken = page.NextToken
    }
  } while (NextToken)
  return ids
}

/** Those of the machines whose agent answers. */
const online = async ({ ssm }: Caller, ids: readonly string[]): Promise<Set<string>> => {
  const known = new Set<string>()
  for (let at = 0; at < ids.length; at += 50) {
    const Filters = [{ Key: 'InstanceIds', Values: ids.slice(at, at + 50) }]
    const page = await ssm.describeInstanceInformation({ Filters })
    for (const { InstanceId, PingStatus } of page.InstanceInformationList ?? [])
      if (InstanceId && PingStatus === 'Online') known.add(InstanceId)
  }
  return known
}

/** The deploy spec file, read out of the artifact under the action's role. */
const specOf = async (caller: Caller, { ctx, id }: Job, input: Job['inputs'][number], path: string): Promise<Plan> => {
  const folder = join(ctx.folder(), 'deploy')
  const file = join(folder, `${id}.zip`)
  await mkdir(folder, { recursive: true })
  try {
    await download(caller, input, file)
    const zip = await openPromise(file).catch(() => {
      throw new ActionFailure('ConfigurationError', 'The input artifact is not a zip archive.')
    })
    try {
      for await (const entry of zip.eachEntry())
        if (entry.fileName === path.replace(/^\.?\//, '') && entry.uncompressedSize < mostSpecBytes)
          return readSpec((await buffer(await zip.openReadStreamPromise(entry))).toString())
    } finally {
      zip.close()
    }
    throw new ActionFailure('ConfigurationError', `The input artifact has no file ${path}.`)
  } finally {
    await rm(file, { force: true })
  }
}

/** What the deployment does on each machine. */
const planFor = async (caller: Caller, job: Job): Promise<Plan> => {
  const { ctx, id, configuration, inputs } = job
  const known = await ctx.read((tx) => tx.get(DeployPlan, id))
  if (known) return known.plan
  const [input] = inputs
  if (!input) throw new ActionFailure('ConfigurationError', 'The action has no input artifact.')
  const { DeploySpec } = configuration
  const plan = DeploySpec ? await specOf(caller, job, input, DeploySpec) : planOf(configuration)
  await ctx.write(async (tx) => {
    tx.put(DeployPlan, { action: id, plan })
  })
  return plan
}

/** The steps that have something to do. */
const stepsOf = ({ files, before, after }: Plan): DeployStep[] =>
  deploySteps.filter((step) => (step === 'Deploy' ? files : step === 'BeforeDeploy' ? before : after).length > 0)

const logOf = ({ ctx, pipeline, id }: Pick<Job, 'ctx' | 'id' | 'pipeline'>) => ({
  logGroupName: `/aws/codepipeline/${pipeline}`,
  logStreamName: id,
  arn: `arn:aws:logs:${ctx.region}:${ctx.account}:log-group:/aws/codepipeline/${pipeline}:log-stream:${id}`,
})

const openLog = async (job: Job, { logs }: Caller): Promise<void> => {
  const { logGroupName, logStreamName } = logOf(job)
  const unless = (code: string) => (error: Error) => {
    if ((error as { code?: string }).code !== code) throw error
  }
  await logs.createLogGroup({ logGroupName }).catch(unless('ResourceAlreadyExistsException'))
  await logs.createLogStream({ logGroupName, logStreamName }).catch(unless('ResourceAlreadyExistsException'))
}

const say = async (job: Job, { logs }: Caller, instanceId: string, text: string): Promise<void> => {
  const timestamp = job.ctx.now().getTime()
  const logEvents = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ timestamp, message: `[${instanceId}] ${line}` }))
  const { logGroupName, logStreamName } = logOf(job)
  if (logEvents.length > 0) await logs.putLogEvents({ logGroupName, logStreamName, logEvents })
}

/** Chooses the machines, those first that failed last time; whoever has this artifact already is skipped. */
const start = async (job: Job): Promise<Progress> => {
  const { ctx, id, pipeline, stage, task, configuration, inputs, role } = job
  const caller = await role()
  await planFor(caller, job)
  const ids = await found(caller, configuration)
  const { InstanceTagKey, InstanceTagValue } = configuration
  if (ids.length === 0)
    throw new ActionFailure(
      'ConfigurationError',
      `No running instances have the tag ${InstanceTagKey}${InstanceTagValue === undefined ? '' : `=${InstanceTagValue}`}.`,
    )
  if (ids.length > mostTargets)
    throw new ActionFailure('ConfigurationError', `More than ${mostTargets} instances have the tag ${InstanceTagKey}.`)
  await openLog(job, caller)
  const managed = await online(caller, ids)
  const now = ctx.now().getTime()
  const work = `${pipeline}/${stage}/${task.name} ${inputs[0]?.bucket}/${inputs[0]?.key}`
  await ctx.write(async (tx) => {
    if ((await targetsOf(tx, id)).length > 0) return
    const before = await tx.list(Target, { index: 'work', equals: work })
    for (const instanceId of ids) {
      const has = before.some((one) => one.instanceId === instanceId && one.status === 'Succeeded')
      const lost = { name: 'Deploy', status: 'Failed', started: now, ended: now } as const
      tx.put<TargetRecord>(Target, {
        ...{ action: id, instanceId, work, events: [], status: 'Pending' },
        ...(has ? { status: 'Skipped', started: now, ended: now } : {}),
        ...(has || managed.has(instanceId)
          ? {}
          : {
              ...{ status: 'Failed', started: now, ended: now },
              events: [{ ...lost, message: 'The instance is not managed by Systems Manager.' }],
            }),
      })
    }
  })
  return { state: 'running', external: { id, log: logOf(job).arn } }
}

/** The program that carries out a step, as the text of a script: all that the machine needs to have is Node. */
const scriptOf = async ({ ctx, id, inputs }: Job, plan: Plan, step: DeployStep, last: boolean): Promise<string[]> => {
  const program = await readFile(new URL('../machine/deploy.ts', import.meta.url), 'utf8')
  const work = { region: ctx.region, bucket: inputs[0]?.bucket, key: inputs[0]?.key, id, step, last, ...plan }
  const quoted = JSON.stringify(work).replaceAll("'", `'\\''`)
  return [
    "cat >deploy.mts <<'END_OF_PROGRAM'",
    program,
    'END_OF_PROGRAM',
    'node=/opt/drydock/node/node; [ -x $node ] || node=node',
    `DEPLOY='${quoted}' $node --disable-warning=ExperimentalWarning deploy.mts`,
  ]
}

/** The command that a step before a crash sent. */
const sent = async (job: Job, { ssm }: Caller, instanceId: string, comment: string): Promise<string | undefined> => {
  const Filters = [{ key: 'InvokedAfter' as const, value: new Date(job.started - 1000).toISOString() }]
  const { CommandInvocations = [] } = await ssm.listCommandInvocations({ InstanceId: instanceId, Filters })
  return CommandInvocations.find(({ Comment }) => Comment === comment)?.CommandId
}

/** A machine's next step. */
const advance = async (job: Job, caller: Caller, plan: Plan, target: TargetRecord): Promise<TargetRecord> => {
  const { ctx, id } = job
  const now = ctx.now().getTime()
  const steps = stepsOf(plan)
  const done = target.events.filter(({ status }) => status === 'Succeeded').length
  const step = steps[done]
  if (!step) return { ...target, status: 'Succeeded', ended: now }
  const begun = target.events.find(({ status }) => status === 'InProgress')
  if (!begun?.command) {
    const comment = `${id} ${step}`
    const command = await sent(job, caller, target.instanceId, comment)
    const { Command } = command
      ? { Command: { CommandId: command } }
      : await caller.ssm.sendCommand({
          DocumentName: 'AWS-RunShellScript',
          InstanceIds: [target.instanceId],
          Comment: comment,
          Parameters: { commands: await scriptOf(job, plan, step, done === steps.length - 1) },
        })
    const event: TargetEvent = { name: step, status: 'InProgress', started: now, command: Command?.CommandId ?? '' }
    return { ...target, status: 'InProgress', started: target.started ?? now, events: [...target.events, event] }
  }
  const { CommandInvocations: [invocation] = [] } = await caller.ssm.listCommandInvocations({
    CommandId: begun.command,
    InstanceId: target.instanceId,
    Details: true,
  })
  const status = invocation?.Status ?? 'Failed'
  if (status === 'Pending' || status === 'InProgress' || status === 'Delayed') return target
  const output = invocation?.CommandPlugins?.[0]?.Output ?? ''
  await say(job, caller, target.instanceId, output)
  const good = status === 'Success'
  const message = output.trim().split('\n').at(-1) ?? status
  const event: TargetEvent = good
    ? { ...begun, status: 'Succeeded', ended: now }
    : { ...begun, status: 'Failed', ended: now, message: message || (invocation?.StatusDetails ?? status) }
  const events = target.events.map((one) => (one === begun ? event : one))
  if (!good) return { ...target, status: 'Failed', ended: now, events }
  return { ...target, events, ...(done + 1 === steps.length ? { status: 'Succeeded' as const, ended: now } : {}) }
}

const poll = async (job: Job): Promise<Progress> => {
  const { ctx, id, configuration, role } = job
  const targets = await ctx.read((tx) => targetsOf(tx, id))
  const failures = () => targets.filter(({ status }) => status === 'Failed').length
  const caller = await role()
  const plan = await planFor(caller, job)
  const { MaxBatch = usualBatch, MaxError = '0' } = configuration
  const most = portionOf(MaxError, targets.length)
  const room = Math.max(1, portionOf(MaxBatch, targets.length))
  const running = targets.filter(({ status }) => status === 'InProgress')
  const waiting = failures() > most ? [] : targets.filter(({ status }) => status === 'Pending')
  for (const target of [...running, ...waiting.slice(0, Math.max(0, room - running.length))]) {
    const after = await advance(job, caller, plan, target)
    if (after === target) continue
    targets[targets.indexOf(target)] = after
    await ctx.write(async (tx) => {
      tx.put<TargetRecord>(Target, after)
    })
  }
  const stuck = failures() > most
  if (targets.some((one) => (stuck ? one.status === 'InProgress' : isOpen(one)))) {
    const ended = targets.filter((one) => !isOpen(one)).length
    return { state: 'running', percent: Math.floor((100 * ended) / targets.length) }
  }
  const summary = `Deployed to ${targets.length - failures()} of ${targets.length} instances`
  if (!stuck) return { state: 'succeeded', external: { summary } }
  const first = targets.flatMap(({ instanceId, events }) =>
    events.filter(({ status }) => status === 'Failed').map(({ name, message }) => `${instanceId} ${name}: ${message}`),
  )[0]
  return {
    state: 'failed',
    code: 'JobFailed',
    message: `Deployment failed on ${failures()} of ${targets.length} instances. ${first ?? ''}`.trim(),
    external: { summary: `Deployment failed on ${failures()} of ${targets.length} instances` },
  }
}

const isPortion = (text: string) => /^(\d{1,4}|\d{1,2}%|100%)$/.test(text)

export const ec2Deploy: ActionKind = {
  category: 'Deploy',
  provider: 'EC2',
  properties: [
    { name: 'InstanceTagKey', required: true, description: 'The tag that the machines have.' },
    { name: 'InstanceTagValue', required: false, description: 'Its value: any unless told.' },
    { name: 'InstanceType', required: true, description: 'EC2 or SSM_MANAGED_NODE.' },
    { name: 'TargetDirectory', required: false, description: 'Where the artifact goes: required without DeploySpec.' },
    { name: 'DeploySpec', required: false, description: 'The deploy spec file in the artifact.' },
    { name: 'MaxBatch', required: false, description: 'Most machines at a time: a number or a percentage.' },
    { name: 'MaxError', required: false, description: 'Most machines that may fail: a number or a percentage.' },
    { name: 'TargetGroupNameList', required: false, description: 'Target groups to take machines out of meanwhile.' },
    { name: 'PreScript', required: false, description: 'The script before.' },
    { name: 'PostScript', required: false, description: 'The script after: required without DeploySpec.' },
  ],
  inputs: [1, 1],
  outputs: [0, 0],
  timeoutMinutes: 120,
  onlyV2: true,
  check: ({ configuration = {} }) => {
    const { InstanceType = '', DeploySpec, TargetDirectory, PostScript, MaxBatch = '1', MaxError = '0' } = configuration
    if (InstanceType !== 'EC2' && InstanceType !== 'SSM_MANAGED_NODE')
      return `InstanceType ${InstanceType} is not one of EC2, SSM_MANAGED_NODE`
    if (configuration.TargetGroupNameList !== undefined)
      return 'TargetGroupNameList is not implemented by Drydock: there is no Elastic Load Balancing yet'
    if (DeploySpec === undefined && !(TargetDirectory && PostScript))
      return 'TargetDirectory and PostScript are required without DeploySpec'
    if (TargetDirectory !== undefined && !/^(\/|#\{)/.test(TargetDirectory)) return 'TargetDirectory must be absolute'
    const odd = [MaxBatch, MaxError].find((text) => !text.includes('#{') && !isPortion(text))
    return odd === undefined ? undefined : `${odd} is neither a number nor a percentage`
  },
  start,
  poll,
  pause: () => 1000,
}
