// git's two commands over one channel of SSH, by which questions and answers go to and fro (gitprotocol-pack, "SSH Transport").

import { once } from 'node:events'
import { type Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AwsError } from '../../kernel/errors.ts'
import { zeroId } from './git.ts'
import { Refusal } from './git-caller.ts'
import {
  type Asked,
  advertise,
  deny,
  type GitService,
  inTurn,
  isGitService,
  openRepository,
  readHead,
  recordPull,
  serve,
  takePush,
  type Visitor,
} from './git-serving.ts'
import { PktLineError, readLine, readPushHead } from './pkt-line.ts'

export type GitCommand = { readonly service: GitService; readonly name: string; readonly path: string }

/** A command line as git sends it. `undefined` for any other: there is no shell that could make something of it. */
export const readGitCommand = (line: string): GitCommand | undefined => {
  const [, service, path = ''] = /^(git-(?:upload|receive)-pack) '([^']{1,200})'$/.exec(line) ?? []
  const name = /^\/?v1\/repos\/([\w.-]+?)(?:\.git)?\/?$/.exec(path)?.[1]
  return isGitService(service) && name !== undefined ? { service, name, path } : undefined
}

export type Ending = { readonly code: number; readonly message?: string }

/** One channel to a client. */
export type Talk = {
  readonly channel: Duplex
  /** Aborted when nobody listens any more: a channel does not always say so. */
  readonly gone: AbortSignal
  /** Ends the client's connection. */
  readonly drop: () => void
}

/** Serves one command to its end. What is refused has a sentence for the person at the terminal. */
export const serveGitCommand = async (visitor: Visitor, { service, name }: GitCommand, talk: Talk): Promise<Ending> => {
  try {
    const asked = await openRepository(visitor, service, name)
    return service === 'git-upload-pack' ? await inTurn(() => uploadPack(asked, talk)) : await receivePack(asked, talk)
  } catch (thrown) {
    if (thrown instanceof Refusal || thrown instanceof PktLineError || thrown instanceof AwsError)
      return { code: 128, message: thrown.message }
    // A client that went away leaves nobody to tell.
    if (talk.gone.aborted) return { code: 128 }
    throw thrown
  }
}

/**
 * How long a client may be silent while it is waited for, and nothing goes to it either: git says what it will push, and
 * only then begins to pack it. Milliseconds.
 */
const longestPause = 15 * 60_000

/**
 * What a client sends, as it comes; fails when the client goes away before it has ended. `spoken`: something goes to the
 * client, for which it may take its time.
 */
const listen = ({ channel, gone, drop }: Talk) => {
  let waiting: NodeJS.Timeout | undefined
  const wait = () => {
    waiting = setTimeout(drop, longestPause)
  }
  const stop = () => {
    clearTimeout(waiting)
    waiting = undefined
  }
  const chunks = async function* (): AsyncGenerator<Buffer> {
    wait()
    try {
      for await (const chunk of channel.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        stop()
        yield chunk
        wait()
      }
      gone.throwIfAborted()
    } finally {
      stop()
    }
  }
  return { chunks: chunks(), spoken: () => waiting?.refresh() }
}

const uploadPack = async (asked: Asked, talk: Talk): Promise<Ending> => {
  const { channel, gone } = talk
  const { child, ended, complaint } = serve(asked, 'git-upload-pack', {})
  const stop = () => child.kill('SIGTERM')
  gone.addEventListener('abort', stop)
  if (gone.aborted) stop()
  const { chunks, spoken } = listen(talk)
  const wants = watchWants()
  const questions = async function* () {
    for await (const chunk of chunks) {
      wants.see(chunk)
      yield chunk
    }
  }
  pipeline(questions(), child.stdin).catch(stop)
  child.stdout.on('data', spoken)
  // To a channel that is closed nothing is written, and none of it ever counts as written.
  const left = once(gone, 'abort')
  await Promise.race([pipeline(child.stdout, channel, { end: false }).catch(stop), left])
  const code = await ended
  if (code !== 0) asked.ctx.log.debug('git upload-pack ended with an error', { code, stderr: complaint() })
  if (wants.any()) await recordPull(asked)
  return { code: code === 0 ? 0 : 128 }
}

/** Watches what a client asks for: whether it wants objects, or only wished to know what there is. */
const watchWants = () => {
  let rest: Buffer = Buffer.alloc(0)
  let found = false
  let readable = true
  return {
    see: (chunk: Buffer): void => {
      if (found || !readable) return
      rest = Buffer.concat([rest, chunk])
      try {
        for (let line = readLine(rest, 0); line && !found; line = readLine(rest, 0)) {
          found = /^(want |command=fetch)/.test(line.payload?.toString('latin1', 0, 20) ?? '')
          rest = rest.subarray(line.next)
        }
      } catch {
        // What is no line for us is none for git either, which ends over it.
        readable = false
      }
    },
    any: () => found,
  }
}

const receivePack = async (asked: Asked, talk: Talk): Promise<Ending> => {
  const { channel } = talk
  channel.write(await inTurn(() => advertise(asked, 'git-receive-pack')))
  const { head: found, read, whole } = await readHead(listen(talk).chunks, readPushHead)
  // A client that finds nothing to push goes away, or says so.
  if (!found || found.head.commands.length === 0) return { code: 0 }
  const { head } = found
  // Deletions send nothing more, and the client listens at once.
  const sends = head.commands.some(({ to }) => to !== zeroId)
  const denial = await deny(asked, head)
  // git reads the answer once it has sent everything.
  if (denial && sends) for await (const _ of whole);
  const report = denial ?? (await inTurn(() => takePush(asked, head, sends ? whole : Readable.from([read]))))
  channel.resume()
  channel.write(report)
  return { code: 0 }
}
