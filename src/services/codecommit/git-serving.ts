// What git's clients are served with, by whichever door they come: git itself speaks, we say who may.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Ctx } from '../../kernel/context.ts'
import { AwsError } from '../../kernel/errors.ts'
import type { Visit } from '../../kernel/service.ts'
import { openKey } from './encryption-key.ts'
import { finish, type RunningGit, startGit } from './git.ts'
import { advertisement } from './git-answers.ts'
import { Refusal } from './git-caller.ts'
import { isReferenceName, isRepositoryName } from './names.ts'
import { type PushHead, readReport, refusal } from './pkt-line.ts'
import { withAnnouncement } from './references.ts'
import { arnOf, databaseOf, Repository } from './repositories.ts'
import { turns } from './turns.ts'

export type GitService = 'git-upload-pack' | 'git-receive-pack'

const actions = { 'git-upload-pack': 'GitPull', 'git-receive-pack': 'GitPush' } as const

export const isGitService = (text: string | null | undefined): text is GitService =>
  text === 'git-upload-pack' || text === 'git-receive-pack'

/** How many gits serve clients at a time: a host has so many processes for all repositories together. */
export const inTurn = turns(32)

/** Someone who has signed in, by a door: `protocol` is how CloudTrail names it. */
export type Visitor = {
  readonly ctx: Ctx
  readonly protocol: 'HTTP' | 'SSH'
  readonly audit: Visit['audit']
  /** The version of git's protocol that the client asks for, as git has it: `version=2`. */
  readonly version: string | undefined
}

export type Asked = Visitor & { readonly repository: Repository }

/** What to serve to a visitor. Throws `Refusal`: 403 with IAM's sentence, which leaves a record, 404 for no repository. */
export const openRepository = async (visitor: Visitor, service: GitService, name: string): Promise<Asked> => {
  const { ctx } = visitor
  const notFound = () => new Refusal(404, `Repository ${name} does not exist in ${ctx.region}.`)
  if (!isRepositoryName(name)) throw notFound()
  await authorize(visitor, service, name)
  const repository = await ctx.read((tx) => tx.get(Repository, name))
  if (!repository) throw notFound()
  await openKey(ctx, repository).catch((thrown) => {
    throw thrown instanceof AwsError ? new Refusal(403, thrown.message) : thrown
  })
  return { ...visitor, repository }
}

const authorize = async (visitor: Visitor, service: GitService, name: string, references?: string[]) => {
  const { ctx, protocol } = visitor
  const eventName = actions[service]
  const action = `codecommit:${eventName}`
  try {
    // A push is allowed in general before it says which references it wants to move, as on AWS: policies that restrict
    // references say so with a `Null` condition (CodeCommit user guide, "Limit pushes and merges to branches").
    if (!references) await ctx.authorize(action, arnOf(ctx, name))
    for (const reference of references ?? [])
      await ctx.authorize(action, arnOf(ctx, name), { 'codecommit:References': [reference] })
  } catch (thrown) {
    if (!(thrown instanceof AwsError) || !thrown.code.startsWith('AccessDenied')) throw thrown
    const { code, message } = thrown
    await visitor.audit(ctx, {
      eventName,
      readOnly: eventName === 'GitPull',
      requestParameters: null,
      resources: [arnOf(ctx, name)],
      additionalEventData: { protocol, dataTransferred: false, repositoryName: name },
      error: { code, message },
    })
    throw new Refusal(403, message)
  }
}

const program = { 'git-upload-pack': ['upload-pack', '--strict'], 'git-receive-pack': ['receive-pack'] } as const

/** Starts git for a client. `--stateless-rpc` among the options: for one answer to one question. */
export const serve = (
  { ctx, repository, version }: Asked,
  service: GitService,
  { large = false }: { large?: boolean },
  ...options: string[]
): RunningGit => {
  const settings = large ? ['-c', 'receive.unpackLimit=1'] : []
  return startGit([...settings, ...program[service], ...options, '--', databaseOf(ctx, repository.id)], {
    env: version === undefined ? {} : { GIT_PROTOCOL: version },
  })
}

/** What the repository has and can, as a client is told first. */
export const advertise = (asked: Asked, service: GitService): Promise<Buffer> =>
  advertisement(databaseOf(asked.ctx, asked.repository.id), service, asked.version, () =>
    serve(asked, service, {}, '--stateless-rpc', '--advertise-refs'),
  )

/**
 * Reads until `read` has found what it needs at the beginning; gives that, the bytes read so far, and the whole body again
 * as a stream of bytes.
 */
export const readHead = async <T>(chunks: AsyncGenerator<Uint8Array>, read: (bytes: Buffer) => T | undefined) => {
  let bytes = Buffer.alloc(0)
  let head: T | undefined
  while (head === undefined) {
    const next = await chunks.next()
    if (next.done) break
    bytes = Buffer.concat([bytes, next.value])
    head = read(bytes)
  }
  const whole = async function* () {
    yield bytes
    yield* chunks
  }
  return { head, read: bytes, whole: whole() }
}

/** What a record of git's traffic has besides (CodeCommit user guide, "Logging AWS CodeCommit API calls with AWS CloudTrail"). */
const transferred = ({ ctx, protocol, repository: { id, name } }: Asked, more: object = {}) => ({
  resources: [arnOf(ctx, name)],
  additionalEventData: { protocol, ...more, dataTransferred: true, repositoryName: name, repositoryId: id },
})

/** Records that a client got objects. */
export const recordPull = (asked: Asked): Promise<void> =>
  asked.audit(asked.ctx, { eventName: 'GitPull', readOnly: true, requestParameters: null, ...transferred(asked) })

/** Has git take a push that the caller may make, tells of it and records it. Returns git's report. */
export const takePush = async (asked: Asked, head: PushHead, body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  // git asks with an empty request first when it does not know whether it may.
  if (head.commands.length === 0) return receive(asked, body)
  let report: Buffer = Buffer.alloc(0)
  const push = async () => {
    report = await receive(asked, body)
    const done = new Set(readReport(report, head.capabilities))
    return head.commands.filter(({ reference }) => done.has(reference))
  }
  const made = await withAnnouncement(asked.ctx, asked.repository, head.commands, push)
  const references = made.map(({ reference, to }) => ({ ref: reference, commit: to }))
  await asked.audit(asked.ctx, {
    eventName: 'GitPush',
    readOnly: false,
    requestParameters: { references },
    ...transferred(asked, { capabilities: head.capabilities.filter((name) => !name.includes('=')) }),
  })
  return report
}

/** Its report is kept back until the push is announced: what is acknowledged is never lost. */
const receive = async (asked: Asked, body: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const { large, whole } = await measure(body)
  const running = serve(asked, 'git-receive-pack', { large }, '--stateless-rpc')
  // A push cut off on its way changes nothing: git is ended before it could take the pack for whole.
  const feeding = pipeline(whole, running.child.stdin).catch(() => running.child.kill('SIGTERM'))
  const { stdout, code, stderr } = await finish(running)
  await feeding
  if (code !== 0) asked.ctx.log.debug('git receive-pack ended with an error', { code, stderr })
  return stdout
}

/** From this size on a pack stays one, however few its objects: making single files of them would take longest. Bytes. */
const largePack = 1024 * 1024

/** Whether a push is large, and all of it again. */
const measure = async (body: AsyncIterable<Uint8Array>) => {
  const chunks = body[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  let size = 0
  while (size < largePack) {
    const { done, value } = await chunks.next()
    if (done) return { large: false, whole: Readable.from(first) }
    first.push(value)
    size += value.length
  }
  const whole = async function* () {
    yield* first
    yield* { [Symbol.asyncIterator]: () => chunks }
  }
  return { large: true, whole: whole() }
}

/** Quotas in CodeCommit, for one push. */
const mostReferences = 4000

/** The report that refuses a push which would move a reference the caller may not move, or one that no one may have. */
export const deny = async (asked: Asked, head: PushHead): Promise<Buffer | undefined> => {
  const references = head.commands.map(({ reference }) => reference)
  const bad = references.find((reference) => !reference.startsWith('refs/') || !isReferenceName(reference))
  if (bad !== undefined) return refusal(head, 'invalid reference name', `${bad} is not a valid reference name.`)
  if (references.length > mostReferences)
    return refusal(head, 'too many references', `A push can change at most ${mostReferences} references.`)
  try {
    await authorize(asked, 'git-receive-pack', asked.repository.name, references)
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    return refusal(head, "You don't have permission to push changes to this branch.", thrown.message)
  }
}
