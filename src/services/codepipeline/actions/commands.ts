import { managedBuilds } from '../../capabilities.ts'
import { executionReconciler } from '../execution.ts'
import type { Task } from '../operation.ts'
import { ActionFailure, type ActionKind, type Job, type Progress, type TaskKind } from './action.ts'

// "Commands action reference", CodePipeline user guide: shell commands in CodeBuild's compute under the pipeline's role, no
// project needed.

/** AWS's limit of such a build. */
const timeoutMinutes = 55

const buildspecOf = ({ commands = [], outputArtifacts = [], outputVariables = [] }: Task): string => {
  const files = outputArtifacts[0]?.files
  return JSON.stringify({
    version: 0.2,
    ...(outputVariables.length > 0 ? { env: { 'exported-variables': outputVariables } } : {}),
    phases: { build: { commands } },
    ...(outputArtifacts.length > 0 ? { artifacts: { files: files ?? ['**/*'] } } : {}),
  })
}

const start = async ({
  ctx,
  id,
  pipeline,
  execution,
  task,
  configuration,
  inputs,
  outputs,
  role,
}: Job): Promise<Progress> => {
  const principal = await (await role()).principal()
  const primary = inputs.find(({ name }) => name === configuration.PrimarySource) ?? inputs[0]
  const others = inputs.filter((input) => input !== primary)
  const [output] = outputs
  const build = await ctx.use(managedBuilds).start(ctx.place, {
    token: id,
    name: `codepipeline.${pipeline}`,
    initiator: `codepipeline/${pipeline}`,
    principal,
    buildspec: buildspecOf(task),
    sources: primary ? [primary, ...others] : [],
    ...(output
      ? {
          artifact: {
            bucket: output.bucket,
            key: output.key,
            ...(output.kmsKey === undefined ? {} : { kmsKey: output.kmsKey }),
          },
        }
      : {}),
    variables: (task.environmentVariables ?? []).map(({ name, value, type = 'PLAINTEXT' }) => ({ name, value, type })),
    logGroup: `/aws/codepipeline/${pipeline}`,
    timeoutMinutes,
    wake: { reconciler: executionReconciler, key: execution },
  })
  return { state: 'running', external: { id: build } }
}

const poll = async ({ ctx, external, task }: Job): Promise<Progress> => {
  const build = await ctx.use(managedBuilds).look(ctx.place, external?.id ?? '')
  if (!build) throw new ActionFailure('JobFailed', 'The commands are not there any more.')
  const log = build.log
    ? { log: `arn:aws:logs:${ctx.region}:${ctx.account}:log-group:${build.log.group}:log-stream:${build.log.stream}` }
    : {}
  if (build.status === undefined) return { state: 'running', external: log }
  if (build.status === 'SUCCEEDED') {
    const wanted = (task.outputVariables ?? []).filter((name) => build.exported[name] !== undefined)
    return {
      state: 'succeeded',
      external: log,
      variables: Object.fromEntries(wanted.map((name) => [name, build.exported[name] ?? ''])),
    }
  }
  const message = `Build terminated with state: ${build.status}${build.failure ? `. ${build.failure}` : ''}`
  return { state: 'failed', code: 'JobFailed', message, external: { ...log, summary: message } }
}

const kind: TaskKind = {
  provider: 'Commands',
  properties: [
    { name: 'PrimarySource', required: false, description: 'The input artifact in whose folder the commands begin.' },
  ],
  inputs: [0, 10],
  outputs: [0, 1],
  timeoutMinutes,
  takesCommands: true,
  onlyV2: true,
  atHome: true,
  check: ({ commands = [], configuration = {}, inputArtifacts = [] }) => {
    const { PrimarySource } = configuration
    if (commands.length === 0) return 'commands is required'
    if (commands.some((command) => /[\r\n]/.test(command))) return 'a command has more than one line'
    if (PrimarySource !== undefined && !inputArtifacts.some(({ name }) => name === PrimarySource))
      return `PrimarySource ${PrimarySource} is not one of the input artifacts`
    return undefined
  },
  start,
  poll,
}

export const commandsAction: ActionKind = { ...kind, category: 'Compute', inputs: [1, 10] }
export const commandsRule: TaskKind = { ...kind, outputs: [0, 0] }
