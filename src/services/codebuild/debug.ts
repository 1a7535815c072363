import type { RunningTask } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Place } from '../../store/store.ts'
import type { BuildEnvironments } from '../capabilities.ts'
import { Build, type BuildRecord, buildArn, serviceRoleOf, sessionTarget } from './build.ts'
import { fail, type Operation } from './operation.ts'
import { getSandbox, roleOfSandbox, Sandbox, type SandboxRecord, sandboxArn } from './sandbox.ts'

// What Session Manager opens of CodeBuild: builds that were started with a session, and sandboxes.
// AWS documentation: "Debug builds with Session Manager", "Debug builds with CodeBuild sandbox".

/** Folder of `codebuild-breakpoint` and `codebuild-resume`, as builds see it. */
const programs = '/codebuild/output/tmp/bin'

const find = (ctx: Ctx, uuid: string): Promise<{ build?: BuildRecord; sandbox?: SandboxRecord }> =>
  ctx.read(async (tx) => {
    const [build] = await tx.list(Build, { index: 'debugged', equals: uuid })
    const [sandbox] = build ? [] : await tx.list(Sandbox, { index: 'open', equals: uuid })
    return { ...(build ? { build } : {}), ...(sandbox ? { sandbox } : {}) }
  })

const taskOf = async (ctx: Ctx, uuid: string): Promise<{ task?: RunningTask | undefined; workdir?: string }> => {
  const { build, sandbox } = await find(ctx, uuid)
  const handle = build?.run?.task ?? sandbox?.task
  const workdir = sandbox?.folder
  return { task: handle && (await ctx.compute.attach(handle)), ...(workdir ? { workdir } : {}) }
}

export const makeEnvironments = (at: (place: Place) => Ctx): BuildEnvironments => ({
  find: async (place, uuid) => {
    const ctx = at(place)
    const { build, sandbox } = await find(ctx, uuid)
    // A sandbox is a build to Session Manager, as the policy shows that AWS asks for.
    if (sandbox) return { arn: buildArn(ctx, sandbox.id), principal: () => roleOfSandbox(ctx, sandbox).principal() }
    return build && { arn: buildArn(ctx, build.id), principal: () => serviceRoleOf(ctx, build).principal() }
  },
  terminal: async (place, uuid, command, size, env) => {
    const { task, ...where } = await taskOf(at(place), uuid)
    const words = ['/bin/sh', '-c', `PATH=$PATH:${programs}; export PATH; exec "$@"`, 'sh', ...command]
    return task?.terminal(words, size, { env, ...where })
  },
})

/**
 * AWS API: "StartSandboxConnection". A session under the service role. Raises InvalidInputException where the sandbox does
 * not run or the role may not ("Troubleshooting AWS CodeBuild sandbox SSH connection issues"), ResourceNotFoundException.
 */
export const StartSandboxConnection: Operation<'StartSandboxConnection'> = async (ctx, { sandboxId }) => {
  const sandbox = await getSandbox(ctx, sandboxId)
  const arn = sandboxArn(ctx, sandbox.id)
  try {
    const { SessionId, TokenValue, StreamUrl } = await roleOfSandbox(ctx, sandbox).ssm.startSession({
      Target: sessionTarget(sandbox),
    })
    return { ssmSession: { sessionId: SessionId, tokenValue: TokenValue, streamUrl: StreamUrl } }
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'InternalFailure') throw error
    throw fail('InvalidInputException', `Failed to start SSM session for sandbox ${arn}: ${error.message}`)
  }
}
