import type { Ctx } from '../../kernel/context.ts'
import { notImplemented } from '../../kernel/errors.ts'
import { again, done, type Reconciler } from '../../work/reconciler.ts'
import { fail, type Input, invalid, type Operation } from './operation.ts'
import { pageOf } from './page.ts'
import { documentName } from './send-command.ts'
import {
  newSessionId,
  newToken,
  positionOf,
  Session,
  type SessionRecord,
  sessionReconciler,
  streamUrl,
  toSession,
} from './session.ts'
import { liveOf, note } from './session-live.ts'
import { isConnected } from './session-target.ts'

/** A session that neither side says anything in ends ("Specify an idle session timeout value"), and one that nobody takes up; milliseconds. */
const idle = 20 * 60_000

/** Sessions are remembered for thirty days; milliseconds. */
const remembered = 30 * 86_400_000

/** The document of sessions that name none: a shell. */
export const shellDocument = 'SSM-SessionManagerRunShell'

/** Documents that run their parameter `command`, each with what the shell that runs it is told. */
const commandDocuments: Readonly<Record<string, (command: string) => string>> = {
  'AWS-StartInteractiveCommand': (command) => command,
  // No terminal is seen by what runs: pipes are all it has.
  'AWS-StartNonInteractiveCommand': (command) => `stty -opost -echo; { ${command}\n} </dev/null 2>&1 | cat`,
}

/** What a document runs. Throws InvalidDocument, InvalidParameters. */
const commandOf = (document: string, given: Readonly<Record<string, readonly string[]>> = {}): string | undefined => {
  const make = commandDocuments[document]
  if (!make && document !== shellDocument) {
    if (document.startsWith('AWS-')) throw notImplemented(`sessions of the document ${document}`)
    throw fail('InvalidDocument', `Document with name ${document} does not exist.`)
  }
  const unknown = Object.keys(given).find((name) => !make || name !== 'command')
  if (unknown !== undefined) throw fail('InvalidParameters', `The document ${document} has no parameter ${unknown}.`)
  if (!make) return undefined
  const [command, ...more] = given.command ?? []
  if (!command || more.length > 0) throw fail('InvalidParameters', 'The parameter command is required, with one value.')
  return make(command)
}

/** AWS API: "StartSession". Raises InvalidDocument, InvalidParameters, TargetNotConnected. */
export const StartSession: Operation<'StartSession'> = async (ctx, input) => {
  const document = documentName(input.DocumentName ?? shellDocument)
  const command = commandOf(document, input.Parameters)
  if (!(await isConnected(ctx, input.Target))) throw fail('TargetNotConnected', `${input.Target} is not connected.`)
  const id = newSessionId(ctx, ctx.principal)
  const token = newToken(ctx)
  const session: SessionRecord = {
    id,
    target: input.Target,
    document,
    ...(command === undefined ? {} : { command }),
    ...(input.Reason === undefined ? {} : { reason: input.Reason }),
    owner: ctx.principal.arn,
    ownerId: ctx.principal.id,
    started: ctx.now().getTime(),
    status: 'Connecting',
    token: token.digest,
  }
  await ctx.write(async (tx) => {
    tx.put(Session, session)
    tx.wake(sessionReconciler, id, { in: idle })
  })
  return { SessionId: id, TokenValue: token.text, StreamUrl: streamUrl(ctx, id) }
}

const getSession = async (ctx: Ctx, id: string): Promise<SessionRecord> => {
  const session = await ctx.read((tx) => tx.get(Session, id))
  if (!session) throw fail('DoesNotExistException', `Session ${id} does not exist.`)
  return session
}

/** AWS API: "ResumeSession". One that has ended has no token any more. Raises DoesNotExistException. */
export const ResumeSession: Operation<'ResumeSession'> = async (ctx, { SessionId }) => {
  await getSession(ctx, SessionId)
  const token = newToken(ctx)
  const open = await ctx.write(async (tx) => {
    const present = await tx.get(Session, SessionId)
    if (!present || present.ended !== undefined) return false
    tx.put(Session, { ...present, token: token.digest })
    return true
  })
  return { SessionId, ...(open ? { TokenValue: token.text, StreamUrl: streamUrl(ctx, SessionId) } : {}) }
}

/** AWS API: "TerminateSession". One that has ended stays as it is. */
export const TerminateSession: Operation<'TerminateSession'> = async (ctx, { SessionId }) => {
  await getSession(ctx, SessionId)
  await note(ctx, SessionId, 'Terminated')
  liveOf(ctx, SessionId)?.end('')
  return { SessionId }
}

/** AWS API: "GetConnectionStatus". */
export const GetConnectionStatus: Operation<'GetConnectionStatus'> = async (ctx, { Target }) => ({
  Target,
  Status: (await isConnected(ctx, Target)) ? 'connected' : 'notconnected',
})

const timeOf = (value: string): number => {
  const time = Date.parse(value)
  if (Number.isNaN(time)) throw invalid(`The filter value ${value} is no timestamp.`)
  return time
}

type Filter = NonNullable<Input<'DescribeSessions'>['Filters']>[number]

const matcher = ({ key, value }: Filter): ((session: SessionRecord) => boolean) => {
  switch (key) {
    case 'InvokedAfter': {
      const after = timeOf(value)
      return ({ started }) => started >= after
    }
    case 'InvokedBefore': {
      const before = timeOf(value)
      return ({ started }) => started < before
    }
    case 'Owner':
      return ({ owner }) => owner === value || owner.endsWith(`/${value}`)
    case 'Target':
      return ({ target }) => target === value
    case 'Status':
      return ({ status }) => status === value
    case 'SessionId':
      return ({ id }) => id === value
    case 'AccessType':
      return () => value === 'Standard'
    default:
      throw fail('InvalidFilterKey', `The filter key ${key} is not valid.`)
  }
}

/** AWS API: "DescribeSessions". Most recent first. Raises InvalidFilterKey, InvalidNextToken. */
export const DescribeSessions: Operation<'DescribeSessions'> = async (ctx, input) => {
  const matchers = (input.Filters ?? []).map(matcher)
  const wanted = (session: SessionRecord) => matchers.every((matches) => matches(session))
  const index = input.State === 'Active' ? 'active' : 'history'
  const found = (await ctx.read((tx) => tx.list(Session, { index }))).filter(wanted)
  const { items, next } = pageOf(found, input, 200, positionOf)
  return { Sessions: items.map(toSession), ...next }
}

/** Ends sessions that nobody uses or holds any more, and forgets those that ended long ago. Key: the session's id. */
export const sessions: Reconciler = {
  name: sessionReconciler,
  // Sessions end with the server that held them.
  atStart: true,
  step: async (ctx, id) => {
    const session = await ctx.read((tx) => tx.get(Session, id))
    if (!session) return done()
    const now = ctx.now().getTime()
    if (session.ended !== undefined) {
      const left = session.ended + remembered - now
      if (left > 0) return again({ in: left })
      await ctx.write(async (tx) => tx.delete(Session, id))
      return done()
    }
    const live = liveOf(ctx, id)
    const left = (live?.active ?? session.started) + idle - now
    if (left > 0 && (live || session.status === 'Connecting')) return again({ in: left })
    await note(ctx, id, 'Terminated')
    live?.end('The session timed out: nothing was said for 20 minutes.')
    return again({ in: remembered })
  },
}
