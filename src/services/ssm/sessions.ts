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
  sshDocument,
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

/** Documents, each with its parameters and what they are where they are not given. */
const parameters: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [shellDocument]: {},
  'AWS-StartInteractiveCommand': { command: '' },
  'AWS-StartNonInteractiveCommand': { command: '' },
  [sshDocument]: { portNumber: '22' },
  'AWS-StartPortForwardingSession': { portNumber: '80', localPortNumber: '0' },
}

const portOf = (text: string): number => {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw fail('InvalidParameters', `${text} is no port.`)
}

/** What a document does. Throws InvalidDocument, InvalidParameters. */
const worksOf = (
  document: string,
  given: Readonly<Record<string, readonly string[]>> = {},
): Pick<SessionRecord, 'command' | 'port' | 'properties'> => {
  const known = Object.hasOwn(parameters, document) ? parameters[document] : undefined
  if (!known) {
    if (document.startsWith('AWS-')) throw notImplemented(`sessions of the document ${document}`)
    throw fail('InvalidDocument', `Document with name ${document} does not exist.`)
  }
  const asked: Record<string, string> = { ...known }
  for (const [name, [value, ...more]] of Object.entries(given)) {
    if (!Object.hasOwn(known, name))
      throw fail('InvalidParameters', `The document ${document} has no parameter ${name}.`)
    if (!value || more.length > 0) throw fail('InvalidParameters', `The parameter ${name} has one value.`)
    asked[name] = value
  }
  const { command, portNumber, localPortNumber } = asked
  const make = commandDocuments[document]
  if (make) {
    if (!command) throw fail('InvalidParameters', 'The parameter command is required.')
    return { command: make(command) }
  }
  if (portNumber === undefined) return {}
  const port = portOf(portNumber)
  if (localPortNumber === undefined) return { port, properties: { portNumber } }
  const local = String(portOf(localPortNumber))
  return { port, properties: { portNumber, localPortNumber: local, type: 'LocalPortForwarding' } }
}

/** AWS API: "StartSession". Raises InvalidDocument, InvalidParameters, TargetNotConnected. */
export const StartSession: Operation<'StartSession'> = async (ctx, input) => {
  const document = documentName(input.DocumentName ?? shellDocument)
  const works = worksOf(document, input.Parameters)
  if (!(await isConnected(ctx, input.Target))) throw fail('TargetNotConnected', `${input.Target} is not connected.`)
  const id = newSessionId(ctx, ctx.principal)
  const token = newToken(ctx)
  const session: SessionRecord = {
    id,
    target: input.Target,
    document,
    ...works,
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
