import { Readable } from 'node:stream'
import type { Ctx } from '../../kernel/context.ts'
import { again, done, type Reconciler, type StepResult } from '../../work/reconciler.ts'
import { machines } from '../capabilities.ts'
import {
  Command,
  type CommandRecord,
  commandReconciler,
  commandStatusOf,
  emitCommand,
  findInvocation,
  Invocation,
  type InvocationRecord,
  invocationsOf,
  isOpen,
  portionOf,
} from './command.ts'
import { mostOutput, outputKey } from './command-lists.ts'

// A script runs in its machine by itself: what it says and how it ends is in files there, where AWS's agent keeps them. So the
// server may go away meanwhile, and asks after it when it is back.

/** How often scripts that run are asked after; milliseconds. */
const interval = 500

/** Commands are remembered for thirty days ("Running commands using Systems Manager Run Command"); milliseconds. */
const remembered = 30 * 86_400_000

/** Where AWS's agent keeps what belongs to a command. */
const folderOf = ({ command, instanceId }: InvocationRecord): string =>
  `/var/lib/amazon/ssm/${instanceId}/document/orchestration/${command}/awsrunShellScript/0.awsrunShellScript`

/**
 * Writes the script from standard input and starts it, once, in a session of its own, so that all of it can be ended. `$1` is
 * its folder, `$2` where it works, `$3` its length in bytes: a server that is killed may have sent only its beginning.
 */
const starter = `mkdir -p "$1" && cd "$1" || exit 1
[ ! -e started ] || exit 0
cat >"_script.$$" && [ "$(wc -c <"_script.$$")" -eq "$3" ] && chmod 700 "_script.$$" || { rm -f "_script.$$"; exit 1; }
mv -f "_script.$$" _script.sh || exit 1
(set -C; : >started) 2>/dev/null || exit 0
setsid=$(command -v setsid || :)
$setsid /bin/sh -c '
  echo $$ >"$1/pid"
  set -a; [ ! -r /etc/environment ] || . /etc/environment; set +a
  cd "\${2:-$1}" && sh -c "$1/_script.sh"
  echo $? >"$1/ending" && mv "$1/ending" "$1/status"
' sh "$1" "$2" >stdout 2>stderr </dev/null &
exit 0`

/** Says the exit code, if there is one. */
const asker = 'cat "$1/status" 2>/dev/null || :'
/** Ends the script and all that it has started. */
const killer = 'pid=$(cat "$1/pid") && { kill -KILL -"$pid" || kill -KILL "$pid"; }'

type Ended = Pick<InvocationRecord, 'status' | 'statusDetails'> & { readonly code?: number }

const inside = (ctx: Ctx, one: InvocationRecord, program: string, more: readonly string[] = [], input?: Uint8Array) =>
  ctx.use(machines).exec(ctx.place, one.instanceId, ['/bin/sh', '-c', program, 'sh', folderOf(one), ...more], input)

/**
 * What of a file there is kept, and all of it where it goes to S3; nothing once the machine is gone. Throws where it cannot be
 * read, so that the step is taken again.
 */
const read = async (ctx: Ctx, one: InvocationRecord, name: 'stderr' | 'stdout', most?: number): Promise<Buffer> => {
  const reader = most === undefined ? 'cat' : `head -c ${most}`
  const found = await inside(ctx, one, `[ ! -e "$1/${name}" ] || ${reader} "$1/${name}"`)
  if (!found) return Buffer.alloc(0)
  if (found.code !== 0)
    throw new Error(`The output of command ${one.command} cannot be read: ${Buffer.from(found.output)}`)
  return Buffer.from(found.output)
}

/** Under the rights of the machine's own role; what it may not store is lost, as on AWS. */
const upload = async (ctx: Ctx, { output }: CommandRecord, one: InvocationRecord): Promise<void> => {
  if (!output) return
  const principal = await ctx.use(machines).principal(ctx.place, one.instanceId)
  if (!principal) return
  for (const name of ['stdout', 'stderr'] as const) {
    const Body = await read(ctx, one, name)
    if (Body.length === 0) continue
    const Key = outputKey(output.prefix, one.command, one.instanceId, name)
    await ctx
      .as(principal)
      .s3.putObject({ Bucket: output.bucket, Key, Body: Readable.from([Body]), ContentLength: Body.length })
      .catch((error: unknown) => ctx.log.warn('output of a command is not stored', { key: Key, error: String(error) }))
  }
}

/** Writes down what became of an invocation, unless it has ended meanwhile. */
const note = (ctx: Ctx, command: CommandRecord, one: InvocationRecord, change: Partial<InvocationRecord>) =>
  ctx.write(async (tx) => {
    const present = await findInvocation(tx, one.command, one.instanceId)
    if (!present || !isOpen(present)) return
    // A cancellation that came in between is carried out in the next step.
    const kept = present.status === 'Cancelling' && change.status === 'InProgress' ? 'Cancelling' : change.status
    const after = tx.put(Invocation, { ...present, ...change, ...(kept ? { status: kept } : {}) })
    if (after.status !== present.status) emitCommand(ctx, tx, command, after)
  })

const end = async (ctx: Ctx, command: CommandRecord, one: InvocationRecord, { code = -1, ...how }: Ended) => {
  const began = one.started !== undefined
  const [stdout, stderr] = began
    ? await Promise.all([read(ctx, one, 'stdout', mostOutput.stdout), read(ctx, one, 'stderr', mostOutput.stderr)])
    : [Buffer.alloc(0), Buffer.alloc(0)]
  if (began) await upload(ctx, command, one)
  const texts = { stdout: stdout.toString(), stderr: stderr.toString() }
  await note(ctx, command, one, { ...how, code, ...texts, ended: ctx.now().getTime() })
}

const begin = async (ctx: Ctx, command: CommandRecord, one: InvocationRecord): Promise<void> => {
  const { commands = [], workingDirectory = [] } = command.parameters
  const script = Buffer.from(`${commands.join('\n')}\n`)
  const started = await inside(ctx, one, starter, [workingDirectory[0] ?? '', String(script.length)], script)
  if (started?.code === 0)
    return note(ctx, command, one, { status: 'InProgress', statusDetails: 'InProgress', started: ctx.now().getTime() })
  if (started) {
    const stderr = Buffer.from(started.output).toString().slice(0, mostOutput.stderr)
    return note(ctx, command, one, { status: 'Failed', statusDetails: 'Failed', code: started.code, stderr })
  }
  if (ctx.now().getTime() >= one.requested + command.timeoutSeconds * 1000)
    await end(ctx, command, one, { status: 'TimedOut', statusDetails: 'DeliveryTimedOut' })
}

const follow = async (ctx: Ctx, command: CommandRecord, one: InvocationRecord): Promise<void> => {
  if (one.status === 'Cancelling') {
    if (one.started !== undefined) await inside(ctx, one, killer)
    return end(ctx, command, one, { status: 'Cancelled', statusDetails: 'Cancelled' })
  }
  const answer = await inside(ctx, one, asker)
  const status = answer && Buffer.from(answer.output).toString().trim()
  if (status) {
    const code = Number(status)
    const how = code === 0 ? 'Success' : 'Failed'
    return end(ctx, command, one, { status: how, statusDetails: how, code })
  }
  if (ctx.now().getTime() < (one.started ?? one.requested) + command.executionSeconds * 1000) return
  await inside(ctx, one, killer)
  await end(ctx, command, one, { status: 'TimedOut', statusDetails: 'ExecutionTimedOut', code: 137 })
}

const wrong = ({ status }: InvocationRecord) => status === 'Failed' || status === 'TimedOut'

const forget = async (ctx: Ctx, command: CommandRecord): Promise<StepResult> => {
  const left = command.requested + remembered - ctx.now().getTime()
  if (left > 0) return again({ in: left })
  await ctx.write(async (tx) => {
    for (const one of await invocationsOf(tx, command)) tx.delete(Invocation, Invocation.key(one))
    tx.delete(Command, command.id)
  })
  return done()
}

/** Carries out one command, on as many machines at a time as it may. Key: its id. */
export const commands: Reconciler = {
  name: commandReconciler,
  step: async (ctx, id) => {
    const found = await ctx.read(async (tx) => {
      const command = await tx.get(Command, id)
      return command && { command, invocations: await invocationsOf(tx, command) }
    })
    if (!found) return done()
    const { command, invocations } = found
    if (!invocations.some(isOpen)) return forget(ctx, command)
    const running = invocations.filter((one) => isOpen(one) && one.status !== 'Pending')
    const waiting = invocations.filter(({ status }) => status === 'Pending')
    const spent = invocations.filter(wrong).length > portionOf(command.maxErrors, command.targetCount)
    if (spent)
      for (const one of waiting) await end(ctx, command, one, { status: 'Cancelled', statusDetails: 'Terminated' })
    const room = Math.max(1, portionOf(command.maxConcurrency, command.targetCount)) - running.length
    await Promise.all([
      ...running.map((one) => follow(ctx, command, one)),
      ...(spent ? [] : waiting.slice(0, Math.max(0, room)).map((one) => begin(ctx, command, one))),
    ])
    const over = await ctx.write(async (tx) => {
      const present = await tx.get(Command, id)
      if (!present) return true
      const now = await invocationsOf(tx, present)
      const status = commandStatusOf(now)
      if (status.status !== present.status)
        emitCommand(ctx, tx, tx.put<CommandRecord>(Command, { ...present, ...status }))
      return !now.some(isOpen)
    })
    return again({ in: over ? remembered : interval })
  },
}
