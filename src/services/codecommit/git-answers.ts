// What git would answer about references, told from its files: most of what clients ask, and no git need be started for it.

import { finish, type RunningGit, zeroId } from './git.ts'
import { lookUpLoose, readHeadFile, readReferenceFiles } from './git-files.ts'
import { flush, pktLine, readLine, readLines } from './pkt-line.ts'

/** What this host's git says that it can, by command: the same for every repository, so it is asked once. */
const abilities = new Map<string, Promise<Buffer>>()

const ask = async (name: string, start: () => RunningGit): Promise<Buffer> => {
  const running = start()
  running.child.stdin.end()
  const { code, stdout } = await finish(running)
  if (code !== 0) throw new Error(`git ${name} --advertise-refs ended with ${code}`)
  return stdout
}

const askOnce = (name: string, start: () => RunningGit, read: (answer: Buffer) => Buffer): Promise<Buffer> => {
  const known = abilities.get(name)
  if (known) return known
  const asked = ask(name, start).then(read)
  abilities.set(name, asked)
  asked.catch(() => abilities.delete(name))
  return asked
}

/**
 * What the repository has and can, as a client is told first. `start` starts the git that says it, where it must be asked
 * (gitprotocol-v2, "Capability Advertisement"; gitprotocol-pack, "Reference Discovery").
 */
export const advertisement = async (
  folder: string,
  service: 'git-upload-pack' | 'git-receive-pack',
  version: string | undefined,
  start: () => RunningGit,
): Promise<Buffer> => {
  if (service === 'git-upload-pack')
    return version === 'version=2' ? askOnce(`${service} 2`, start, (answer) => answer) : ask(service, start)
  if (version === 'version=1') return ask(service, start)
  const can = await askOnce(service, start, (answer) => {
    const first = readLines(answer)[0] ?? Buffer.alloc(0)
    return first.subarray(first.indexOf(0) + 1)
  })
  const references = [...(await readReferenceFiles(folder))].map(([name, { id }]) => `${id} ${name}`)
  const [first = `${zeroId} capabilities^{}`, ...others] = references
  const lines = [Buffer.concat([Buffer.from(`${first}\0`), can]), ...others.map((line) => `${line}\n`)]
  return Buffer.concat([...lines.map(pktLine), flush])
}

/** A question for references (gitprotocol-v2, "ls-refs"). */
export type ReferencesAsked = {
  readonly symrefs: boolean
  readonly peel: boolean
  readonly unborn: boolean
  readonly prefixes: readonly string[]
}

/** Longer questions are git's. Bytes. */
const longestQuestion = 64 * 1024

/** Reads a client's request: a question for references, or something else; `undefined` while it is incomplete. */
export const readQuestion = (bytes: Buffer): ReferencesAsked | 'other' | undefined => {
  const lines: string[] = []
  for (let offset = 0; ; ) {
    const ending = bytes.toString('latin1', offset, offset + 4)
    const line = readLine(bytes, offset)
    if (!line) return bytes.length > longestQuestion ? 'other' : undefined
    if (line.payload !== undefined) lines.push(line.payload.toString('utf8').replace(/\n$/, ''))
    if (lines[0] !== 'command=ls-refs') return 'other'
    offset = line.next
    if (ending === '0000') break
  }
  const known = /^(command=ls-refs|agent=.*|session-id=.*|object-format=sha1|symrefs|peel|unborn|ref-prefix .*)$/
  if (!lines.every((line) => known.test(line))) return 'other'
  return {
    symrefs: lines.includes('symrefs'),
    peel: lines.includes('peel'),
    unborn: lines.includes('unborn'),
    prefixes: lines.flatMap((line) => (line.startsWith('ref-prefix ') ? [line.slice('ref-prefix '.length)] : [])),
  }
}

/** As many references outside of `refs/heads/` are looked at, whether they are of tag objects. */
const mostLooks = 64

/** The answer to a question for references; `undefined` where only git can tell, because of a tag that it has to open. */
export const answerReferences = async (folder: string, asked: ReferencesAsked): Promise<Buffer | undefined> => {
  const wanted = (name: string) =>
    asked.prefixes.length === 0 || asked.prefixes.some((prefix) => name.startsWith(prefix))
  const head = await readHeadFile(folder)
  const references = await readReferenceFiles(folder)
  const lines: string[] = []
  if (head !== undefined && wanted('HEAD')) {
    const id = references.get(head)?.id
    const target = asked.symrefs ? ` symref-target:${head}` : ''
    if (id !== undefined) lines.push(`${id} HEAD${target}`)
    else if (asked.unborn && target) lines.push(`unborn HEAD${target}`)
  }
  let looks = 0
  for (const [name, { id, peeled, packed }] of references) {
    if (!wanted(name)) continue
    // git lets no branch name anything but a commit.
    if (asked.peel && !packed && !name.startsWith('refs/heads/')) {
      if (looks++ >= mostLooks) return undefined
      const object = await lookUpLoose(folder, id)
      if (!object || object.kind === 'tag') return undefined
    }
    lines.push(`${id} ${name}${asked.peel && peeled !== undefined ? ` peeled:${peeled}` : ''}`)
  }
  return Buffer.concat([...lines.map((line) => pktLine(`${line}\n`)), flush])
}
