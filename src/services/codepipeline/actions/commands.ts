import type { Ctx } from '../../../kernel/context.ts'
import { managedBuilds } from '../../capabilities.ts'
import { executionReconciler } from '../execution.ts'
import type { Task } from '../operation.ts'
import { ActionFailure, type ActionKind, type Job, type Progress, type TaskKind } from './action.ts'

// "Commands action reference", CodePipeline user guide: shell commands in CodeBuild's compute under the pipeline's role, no
// project needed.

/** AWS's limit of such a build. */
const timeoutMinutes = 55

const buildspecOf = ({ commands = [], outputArtifacts = [], outputVariables = [] }: Task): string => {
  // AWS's examples have `**/` for all files.
  const files = outputArtifacts[0]?.files?.map((file) => (file.endsWith('/') ? `${file}**/*` : file))
  return JSON.stringify({
    version: 0.2,
    ...(outputVariables.length > 0 ? { env: { 'exported-variables': outputVariables } } : {}),
    phases: { build: { commands } },
    ...(outputArtifacts.length > 0 ? { artifacts: { files: files ?? ['**/*'] } } : {}),
  })
}

/** Commands under a role of another account run there. */
const placeOf = ({ ctx, task }: Pick<Job, 'ctx' | 'task'>): Ctx['place'] => ({
  ...ctx.place,
  account: task.roleArn?.split(':')[4] ?? ctx.account,
})

const computeTypes = ['BUILD_GENERAL1_SMALL', 'BUILD_GENERAL1_MEDIUM', 'BUILD_GENERAL1_LARGE'] as const
const usualCompute = 'BUILD_GENERAL1_SMALL'

const listOf = (text = ''): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

const vpcOf = ({ VpcId, Subnets, SecurityGroupIds }: Job['configuration']) =>
  VpcId ? { vpc: { vpcId: VpcId, subnets: listOf(Subnets), securityGroupIds: listOf(SecurityGroupIds) } } : {}

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
  const build = await ctx.use(managedBuilds).start(placeOf({ ctx, task }), {
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
    computeType: computeTypes.find((type) => type === configuration.ComputeType) ?? usualCompute,
    ...vpcOf(configuration),
    wake: { reconciler: executionReconciler, key: execution, at: ctx.place },
  })
  return { state: 'running', external: { id: build } }
}

const poll = async ({ ctx, external, task }: Job): Promise<Progress> => {
  const place = placeOf({ ctx, task })
  const build = await ctx.use(managedBuilds).look(place, external?.id ?? '')
  if (!build) throw new ActionFailure('JobFailed', 'The commands are not there any more.')
  const log = build.log
    ? {
        log: `arn:aws:logs:${place.region}:${place.account}:log-group:${build.log.group}:log-stream:${build.log.stream}`,
      }
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
    { name: 'EnvironmentType', required: false, description: 'LINUX_CONTAINER, the only one here.' },
    {
      name: 'ComputeType',
      required: false,
      description: 'How large the machine is: BUILD_GENERAL1_SMALL unless told.',
    },
    { name: 'VpcId', required: false, description: 'The VPC in which the commands run.' },
    { name: 'Subnets', required: false, description: 'Its subnets, separated by commas.' },
    { name: 'SecurityGroupIds', required: false, description: 'Security groups, separated by commas.' },
  ],
  inputs: [0, 10],
  outputs: [0, 1],
  timeoutMinutes,
  takesCommands: true,
  onlyV2: true,
  atHome: true,
  check: ({ commands = [], configuration = {}, inputArtifacts = [] }) => {
    const { PrimarySource, EnvironmentType, ComputeType = usualCompute } = configuration
    const vpc = ['VpcId', 'Subnets', 'SecurityGroupIds'].filter((name) => configuration[name])
    if (commands.length === 0) return 'commands is required'
    if (commands.some((command) => /[\r\n]/.test(command))) return 'a command has more than one line'
    if (PrimarySource !== undefined && !inputArtifacts.some(({ name }) => name === PrimarySource))
      return `PrimarySource ${PrimarySource} is not one of the input artifacts`
    if (EnvironmentType === 'WINDOWS_SERVER_2022_CONTAINER')
      return 'EnvironmentType WINDOWS_SERVER_2022_CONTAINER is not implemented by Drydock: there is no Windows here'
    if (EnvironmentType !== undefined && EnvironmentType !== 'LINUX_CONTAINER')
      return `EnvironmentType ${EnvironmentType} is not one of LINUX_CONTAINER, WINDOWS_SERVER_2022_CONTAINER`
    if (!computeTypes.some((type) => type === ComputeType))
      return `ComputeType ${ComputeType} is not one of ${computeTypes.join(', ')}`
    if (vpc.length === 1 || vpc.length === 2) return 'VpcId, Subnets and SecurityGroupIds belong together'
    return undefined
  },
  start,
  poll,
}

export const commandsAction: ActionKind = { ...kind, category: 'Compute', inputs: [1, 10] }
export const commandsRule: TaskKind = { ...kind, outputs: [0, 0] }
