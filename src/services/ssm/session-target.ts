import type { Terminal, TerminalSize } from '../../compute/driver.ts'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Principal } from '../../kernel/principal.ts'
import { buildEnvironments, machines } from '../capabilities.ts'
import { instanceArn } from './command.ts'
import { isManaged } from './managed-instances.ts'
import type { SessionRecord } from './session.ts'

// What a session may be on: an EC2 instance, or the environment of a CodeBuild build or sandbox (`codebuild:UUID`).

/** What an agent needs to offer sessions ("Verify or add instance permissions for Session Manager"). */
const needed = [
  'ssmmessages:CreateControlChannel',
  'ssmmessages:CreateDataChannel',
  'ssmmessages:OpenControlChannel',
  'ssmmessages:OpenDataChannel',
] as const

const buildOf = (target: string): string | undefined => /^codebuild:([0-9a-f-]{36})$/.exec(target)?.[1]

/** What the right to start a session is asked on. */
export const targetArn = async (ctx: Ctx, target: string): Promise<string> => {
  const build = buildOf(target)
  if (target.startsWith('mi-')) return ctx.arn(`managed-instance/${target}`)
  if (build === undefined) return instanceArn(ctx, target)
  const found = await ctx.use(buildEnvironments).find(ctx.place, build)
  return found?.arn ?? `arn:aws:codebuild:${ctx.region}:${ctx.account}:build/${build}`
}

/** Throws what is no refusal. */
const isAllowed = async (ctx: Ctx, principal: () => Promise<Principal | undefined>): Promise<boolean> => {
  try {
    const found = await principal()
    if (!found) return false
    for (const action of needed) await ctx.as(found).authorize(action, '*')
    return true
  } catch (error) {
    if (error instanceof AwsError && error.code !== 'InternalFailure') return false
    throw error
  }
}

/** Whether an agent there would be connected: it runs, and its role lets it. */
export const isConnected = async (ctx: Ctx, target: string): Promise<boolean> => {
  const build = buildOf(target)
  if (build !== undefined) {
    const found = await ctx.use(buildEnvironments).find(ctx.place, build)
    return found !== undefined && isAllowed(ctx, found.principal)
  }
  const machine = await ctx.use(machines).find(ctx.place, target)
  return (
    machine !== undefined &&
    (await isManaged(ctx, machine)) &&
    isAllowed(ctx, () => ctx.use(machines).principal(ctx.place, target))
  )
}

/** What the agent sets for whoever types. */
const env = { TERM: 'xterm-256color', LANG: 'C.UTF-8' }

/** As `ssm-user` at home where the machine has such a user, else as root: `$1` is the command, none for a shell. */
const onMachine = `if id ssm-user >/dev/null 2>&1; then exec su -l -s /bin/sh ssm-user \${1:+-c "$1"}; fi
cd && exec /bin/sh \${1:+-c "$1"}`
const inBuild = 'exec /bin/sh ${1:+-c "$1"}'

/**
 * A connection to a port there over a terminal that changes nothing: bash, which every image of AWS has, makes it and says so
 * (ACK). It ends with the connection.
 */
const toPort = `stty raw -echo
exec 3<>"/dev/tcp/127.0.0.1/$0" || exit 1
printf '\\006'
exec 4<&0
cat <&4 >&3 &
cat <&3
kill $!`

/** A shell there, or a command with a terminal; `undefined` where nothing runs any more. Throws ComputeError. */
export const openTarget = (
  ctx: Ctx,
  { target, command, port }: Pick<SessionRecord, 'command' | 'port' | 'target'>,
  size: TerminalSize,
): Promise<Terminal | undefined> => {
  const build = buildOf(target)
  const words =
    port === undefined
      ? ['/bin/sh', '-c', build === undefined ? onMachine : inBuild, 'sh', ...(command ? [command] : [])]
      : ['/bin/bash', '-c', toPort, String(port)]
  return build === undefined
    ? ctx.use(machines).terminal(ctx.place, target, words, size, env)
    : ctx.use(buildEnvironments).terminal(ctx.place, build, words, size, env)
}
